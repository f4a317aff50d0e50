//! Functions by OID: what pg_proc says and what computes it, resolved once.
//!
//! A function's code is found by its `prosrc` (by `proname` for functions that PostgreSQL writes in SQL, and for
//! aggregates and window functions, whose `prosrc` is shared). The comparison functions of btree operator classes need no code of
//! their own: they are derived from pg_amop and computed by `types::compare`, so that an operator, an index and a sort
//! cannot disagree. A function without code has [`Body::Missing`]; calling it is `0A000`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::LazyLock;

use crate::error::Result;
use crate::sql::eval::aggregate::{self, AggregateMaker};
use crate::sql::eval::context::FnContext;
use crate::sql::eval::functions;
use crate::types::{Datum, Oid};

/// A scalar function. Strict functions never see NULL: the caller checks.
pub type ScalarFn = fn(&FnContext<'_>, &[Datum]) -> Result<Datum>;

/// A set-returning function; each row has one value per output column. A strict one never sees NULL.
pub type SetFn = fn(&FnContext<'_>, &[Datum]) -> Result<SetRows>;

/// Rows that are made one at a time.
pub type RowStream = Box<dyn Iterator<Item = Result<Vec<Datum>>> + Send>;

/// The rows of a set-returning function.
pub enum SetRows {
    /// All of them.
    Rows(Vec<Vec<Datum>>),
    /// Made while they are read.
    Stream(RowStream),
}

impl From<Vec<Vec<Datum>>> for SetRows {
    fn from(rows: Vec<Vec<Datum>>) -> Self {
        Self::Rows(rows)
    }
}

impl SetRows {
    /// Rows of one column.
    #[must_use]
    pub fn column(values: Vec<Datum>) -> Self {
        Self::Rows(values.into_iter().map(|value| vec![value]).collect())
    }

    /// The rows, one at a time.
    #[must_use]
    pub fn into_stream(self) -> RowStream {
        match self {
            Self::Rows(rows) => Box::new(rows.into_iter().map(Ok)),
            Self::Stream(stream) => stream,
        }
    }
}

/// `provolatile`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Same arguments, same result, always.
    Immutable,
    /// Same result within a statement.
    Stable,
    /// Anything.
    Volatile,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl CompareOp {
    /// Whether values in this order satisfy the operator.
    #[inline]
    #[must_use]
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        }
    }

    /// The operator with its sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    fn from_strategy(strategy: &str) -> Option<Self> {
        Some(match strategy {
            "1" => Self::Lt,
            "2" => Self::Le,
            "3" => Self::Eq,
            "4" => Self::Ge,
            "5" => Self::Gt,
            _ => return None,
        })
    }
}

/// What computes a function.
#[derive(Clone, Copy)]
pub enum Body {
    /// A comparison of two values that `types::compare` can compare as they are.
    Compare(CompareOp),
    /// A comparison of a date, timestamp or timestamptz with another of these types.
    CompareTimes(CompareOp),
    /// Three-way comparison, as btree support functions do.
    Order,
    /// A scalar function.
    Scalar(ScalarFn),
    /// A set-returning function.
    Set(SetFn),
    /// An aggregate.
    Aggregate(AggregateMaker),
    /// A window function; the window operator knows them by name.
    Window,
    /// In the catalog but not implemented.
    Missing,
}

/// A row of pg_proc with its code.
pub struct Function {
    /// The OID.
    pub oid: Oid,
    /// `proname`.
    pub name: &'static str,
    /// `prosrc`.
    pub source: &'static str,
    /// NULL in, NULL out.
    pub strict: bool,
    /// `provolatile`.
    pub volatility: Volatility,
    /// Yields rows.
    pub returns_set: bool,
    /// `prorettype`.
    pub result: Oid,
    /// `proargtypes`.
    pub args: Box<[Oid]>,
    /// For ordered-set aggregates, `h` or `o`; `n` otherwise.
    pub aggregate_kind: char,
    /// The code.
    pub body: Body,
}

impl Function {
    /// The error for a function without code.
    #[must_use]
    pub fn missing(&self) -> crate::error::Error {
        crate::error::Error::unsupported(format!("function {}()", self.name))
    }
}

const PG_PROC: &str = include_str!("../../catalog/data/pg_proc.tsv");
const OMENDB_PROC: &str = include_str!("../../catalog/data/omendb_proc.tsv");
const PG_OPERATOR: &str = include_str!("../../catalog/data/pg_operator.tsv");
const PG_AMOP: &str = include_str!("../../catalog/data/pg_amop.tsv");
const PG_AGGREGATE: &str = include_str!("../../catalog/data/pg_aggregate.tsv");
const BTREE: &str = "403";
const HASH: &str = "405";

static FUNCTIONS: LazyLock<Vec<Option<Box<Function>>>> = LazyLock::new(build);

/// The function with this OID; `None` when there is none.
#[inline]
#[must_use]
pub fn function(oid: Oid) -> Option<&'static Function> {
    FUNCTIONS.get(oid.0 as usize)?.as_deref()
}

/// All functions, by OID.
pub fn all() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter_map(|slot| slot.as_deref())
}

struct Sources {
    scalars: HashMap<&'static str, ScalarFn>,
    sets: HashMap<&'static str, SetFn>,
    aggregates: HashMap<&'static str, AggregateMaker>,
    comparisons: HashMap<u32, CompareOp>,
    kinds: HashMap<&'static str, char>,
}

fn build() -> Vec<Option<Box<Function>>> {
    let sources = Sources {
        scalars: functions::SCALARS.iter().flat_map(|table| table.iter().copied()).collect(),
        sets: functions::SETS.iter().flat_map(|table| table.iter().copied()).collect(),
        aggregates: functions::AGGREGATES
            .iter()
            .chain(&[aggregate::AGGREGATES])
            .flat_map(|table| table.iter().copied())
            .collect(),
        comparisons: comparisons(),
        kinds: rows(PG_AGGREGATE).map(|row| (row[0], row[1].chars().next().unwrap_or('n'))).collect(),
    };
    let mut table: Vec<Option<Box<Function>>> = Vec::new();
    for row in rows(PG_PROC).chain(rows(OMENDB_PROC)) {
        let function = function_from(&row, &sources);
        let index = function.oid.0 as usize;
        if table.len() <= index {
            table.resize_with(index + 1, || None);
        }
        table[index] = Some(Box::new(function));
    }
    table
}

/// The data rows of a catalog file.
fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).map(|line| line.split('\t').collect())
}

fn number(text: &str) -> u32 {
    text.parse().expect("catalog data has numbers where OIDs stand")
}

/// Functions behind the operators of btree and hash operator classes, and their negators.
fn comparisons() -> HashMap<u32, CompareOp> {
    let operators: HashMap<&str, (u32, &str)> =
        rows(PG_OPERATOR).map(|row| (row[0], (number(row[11]), row[10]))).collect();
    let mut found = HashMap::new();
    for row in rows(PG_AMOP) {
        let op = match (row[7], row[4]) {
            (BTREE, strategy) => CompareOp::from_strategy(strategy),
            (HASH, "1") => Some(CompareOp::Eq),
            _ => None,
        };
        let (Some(op), Some((function, negator))) = (op, operators.get(row[6])) else { continue };
        // Pattern operator classes share the order of the C collation that all text has.
        found.insert(*function, op);
        if let (CompareOp::Eq, Some((function, _))) = (op, operators.get(negator)) {
            found.insert(*function, CompareOp::Ne);
        }
    }
    found
}

fn function_from(row: &[&'static str], sources: &Sources) -> Function {
    let oid = Oid(number(row[0]));
    let (name, source) = (row[1], row[16]);
    let args: Box<[Oid]> = row[11].split_whitespace().map(|part| Oid(number(part))).collect();
    let written_in_sql = row[3] == "14";
    let key = if written_in_sql { name } else { source };
    let returns_set = row[6] == "t";
    let body = match row[4] {
        "a" => sources.aggregates.get(name).map(|maker| Body::Aggregate(*maker)),
        "w" => Some(Body::Window),
        _ if returns_set => sources.sets.get(key).map(|set| Body::Set(*set)),
        _ => sources
            .scalars
            .get(key)
            .map(|scalar| Body::Scalar(*scalar))
            .or_else(|| sources.comparisons.get(&oid.0).map(|op| comparison_body(*op, &args)))
            .or_else(|| is_order_support(&args, row[10], source).then_some(Body::Order)),
    };
    Function {
        oid,
        name,
        source,
        strict: row[5] == "t",
        volatility: match row[7] {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        returns_set,
        result: Oid(number(row[10])),
        args,
        aggregate_kind: sources.kinds.get(row[0]).copied().unwrap_or('n'),
        body: body.unwrap_or(Body::Missing),
    }
}

fn comparison_body(op: CompareOp, args: &[Oid]) -> Body {
    let is_day_based = |oid: &Oid| matches!(*oid, Oid::DATE | Oid::TIMESTAMP | Oid::TIMESTAMPTZ);
    if args.len() == 2 && args[0] != args[1] && args.iter().all(is_day_based) {
        Body::CompareTimes(op)
    } else {
        Body::Compare(op)
    }
}

/// `btint4cmp(int4, int4) -> int4` and its kin.
fn is_order_support(args: &[Oid], result: &str, source: &str) -> bool {
    args.len() == 2 && args[0] == args[1] && result == "23" && source.ends_with("cmp")
}

#[cfg(test)]
mod tests {
    use super::{Body, CompareOp, all, function};
    use crate::types::Oid;

    #[test]
    fn comparisons_come_from_operator_classes() {
        let int4lt = function(Oid(66)).expect("int4lt");
        assert!(matches!(int4lt.body, Body::Compare(CompareOp::Lt)));
        let texteq = function(Oid(67)).expect("texteq");
        assert!(matches!(texteq.body, Body::Compare(CompareOp::Eq)));
        let int48ne = all().find(|function| function.source == "int48ne").expect("int48ne");
        assert!(matches!(int48ne.body, Body::Compare(CompareOp::Ne)));
        let mixed = all().find(|function| function.source == "date_lt_timestamptz").expect("in pg_proc");
        assert!(matches!(mixed.body, Body::CompareTimes(CompareOp::Lt)));
    }
}

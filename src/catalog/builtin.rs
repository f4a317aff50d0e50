//! The built-in catalog: PostgreSQL 18's and pgvector 0.8.5's own rows, read once from `data/*.tsv`.
//!
//! The binder resolves names, operators, functions and casts against these rows, and the system relations show the same
//! rows to clients, so the two cannot disagree. `\N` is NULL. Rows never change while the server runs.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::Oid;

/// A row of pg_type.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct TypeRow {
    pub oid: Oid,
    pub name: &'static str,
    pub namespace: &'static str,
    pub len: i16,
    pub by_value: bool,
    /// `b`ase, `p`seudo, `c`omposite, `r`ange, `m`ultirange.
    pub kind: char,
    pub category: char,
    pub preferred: bool,
    pub delimiter: char,
    pub element: Oid,
    pub array: Oid,
    pub input: Oid,
    pub output: Oid,
    pub receive: Oid,
    pub send: Oid,
    pub typmod_in: Oid,
    pub typmod_out: Oid,
    pub align: char,
    pub storage: char,
    pub collation: Oid,
    pub subscript: Oid,
}

/// A row of pg_proc.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct ProcRow {
    pub oid: Oid,
    pub name: &'static str,
    pub namespace: &'static str,
    pub language: Oid,
    /// `f`unction, `a`ggregate, `w`indow.
    pub kind: char,
    pub strict: bool,
    pub returns_set: bool,
    pub volatility: char,
    pub defaults: usize,
    pub result: Oid,
    pub args: Vec<Oid>,
    /// All arguments with OUT ones, when there are OUT ones.
    pub all_args: Option<Vec<Oid>>,
    /// Modes of `all_args`: i, o, b, v, t.
    pub modes: Option<Vec<char>>,
    pub arg_names: Option<Vec<&'static str>>,
    /// Element type of a VARIADIC argument, 0 when there is none.
    pub variadic: Oid,
    pub source: &'static str,
}

/// A row of pg_operator.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct OperatorRow {
    pub oid: Oid,
    pub name: &'static str,
    pub namespace: &'static str,
    /// `b`inary or prefix (`l`).
    pub kind: char,
    pub can_merge: bool,
    pub can_hash: bool,
    pub left: Oid,
    pub right: Oid,
    pub result: Oid,
    pub commutator: Oid,
    pub negator: Oid,
    pub function: Oid,
    pub restrict: &'static str,
    pub join: &'static str,
}

/// A row of pg_cast.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct CastRow {
    pub oid: Oid,
    pub source: Oid,
    pub target: Oid,
    /// 0 for binary-coercible and I/O casts.
    pub function: Oid,
    /// `i`mplicit, `a`ssignment, `e`xplicit.
    pub context: char,
    /// `f`unction, `b`inary, `i`nput/output.
    pub method: char,
}

/// A row of pg_aggregate.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct AggregateRow {
    pub function: Oid,
    pub kind: char,
    pub direct_args: usize,
    pub columns: Vec<&'static str>,
}

/// A row of pg_opclass.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct OpclassRow {
    pub oid: Oid,
    pub method: Oid,
    pub name: &'static str,
    pub namespace: &'static str,
    pub family: Oid,
    pub input: Oid,
    pub is_default: bool,
    pub key_type: Oid,
}

/// A row of pg_amop.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct AmopRow {
    pub oid: Oid,
    pub family: Oid,
    pub left: Oid,
    pub right: Oid,
    pub strategy: i16,
    pub purpose: char,
    pub operator: Oid,
    pub method: Oid,
}

/// A column of a system relation.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct SystemColumnRow {
    pub relation: Oid,
    pub relation_name: &'static str,
    pub namespace: &'static str,
    pub kind: char,
    pub attnum: i16,
    pub name: &'static str,
    pub type_oid: Oid,
    pub typmod: i32,
    pub not_null: bool,
}

/// Everything built in, with the look-ups that the binder needs.
pub struct Builtin {
    /// pg_type.
    pub types: Vec<TypeRow>,
    /// pg_proc.
    pub procs: Vec<ProcRow>,
    /// pg_operator.
    pub operators: Vec<OperatorRow>,
    /// pg_cast.
    pub casts: Vec<CastRow>,
    /// pg_aggregate.
    pub aggregates: Vec<AggregateRow>,
    /// pg_opclass.
    pub opclasses: Vec<OpclassRow>,
    /// pg_amop.
    pub amops: Vec<AmopRow>,
    /// Columns of pg_catalog's and information_schema's relations.
    pub system_columns: Vec<SystemColumnRow>,
    type_by_oid: HashMap<Oid, usize>,
    type_by_name: HashMap<&'static str, Vec<usize>>,
    proc_by_oid: HashMap<Oid, usize>,
    proc_by_name: HashMap<&'static str, Vec<usize>>,
    operator_by_oid: HashMap<Oid, usize>,
    operator_by_name: HashMap<&'static str, Vec<usize>>,
    cast_by_types: HashMap<(Oid, Oid), usize>,
    aggregate_by_oid: HashMap<Oid, usize>,
}

/// The data rows of one of the files: for system relations that show rows as they are.
pub fn raw_rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().skip(1).filter(|line| !line.is_empty()).map(|line| line.split('\t').collect())
}

macro_rules! data {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => { $($(#[$doc])* pub const $name: &str = include_str!(concat!("data/", $file));)* };
}

data! {
    /// pg_type.
    PG_TYPE = "pg_type.tsv";
    /// pg_proc.
    PG_PROC = "pg_proc.tsv";
    /// OmenDB's own functions, in the form of pg_proc.
    OMENDB_PROC = "omendb_proc.tsv";
    /// pg_operator.
    PG_OPERATOR = "pg_operator.tsv";
    /// pg_cast.
    PG_CAST = "pg_cast.tsv";
    /// pg_aggregate.
    PG_AGGREGATE = "pg_aggregate.tsv";
    /// pg_am.
    PG_AM = "pg_am.tsv";
    /// pg_opclass.
    PG_OPCLASS = "pg_opclass.tsv";
    /// pg_opfamily.
    PG_OPFAMILY = "pg_opfamily.tsv";
    /// pg_amop.
    PG_AMOP = "pg_amop.tsv";
    /// pg_amproc.
    PG_AMPROC = "pg_amproc.tsv";
    /// pg_collation.
    PG_COLLATION = "pg_collation.tsv";
    /// pg_range.
    PG_RANGE = "pg_range.tsv";
    /// pg_language.
    PG_LANGUAGE = "pg_language.tsv";
    /// Settings: their units, bounds and initial values.
    PG_SETTINGS = "pg_settings.tsv";
    /// pgvector's settings, in the same form.
    VECTOR_SETTINGS = "vector_settings.tsv";
    /// Columns of system relations.
    SYSTEM_COLUMNS = "system_columns.tsv";
}

fn oid(text: &str) -> Oid {
    Oid(text.parse().expect("catalog data has numbers where OIDs stand"))
}

fn letter(text: &str) -> char {
    text.chars().next().unwrap_or('\0')
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("catalog data has a bad number: {text}"))
}

/// Elements of `{a,b}` or a space-separated vector; `\N` is none.
fn list(text: &'static str) -> Option<Vec<&'static str>> {
    if text == "\\N" {
        return None;
    }
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let separator = if text.starts_with('{') { ',' } else { ' ' };
    Some(inner.split(separator).filter(|_| !inner.is_empty()).map(|item| item.trim_matches('"')).collect())
}

fn type_row(r: &[&'static str]) -> TypeRow {
    TypeRow {
        oid: oid(r[0]),
        name: r[1],
        namespace: r[2],
        len: number(r[3]),
        by_value: r[4] == "t",
        kind: letter(r[5]),
        category: letter(r[6]),
        preferred: r[7] == "t",
        delimiter: letter(r[8]),
        element: oid(r[9]),
        array: oid(r[10]),
        input: oid(r[11]),
        output: oid(r[12]),
        receive: oid(r[13]),
        send: oid(r[14]),
        typmod_in: oid(r[15]),
        typmod_out: oid(r[16]),
        align: letter(r[17]),
        storage: letter(r[18]),
        collation: oid(r[19]),
        subscript: oid(r[20]),
    }
}

fn proc_row(r: &[&'static str]) -> ProcRow {
    ProcRow {
        oid: oid(r[0]),
        name: r[1],
        namespace: r[2],
        language: oid(r[3]),
        kind: letter(r[4]),
        strict: r[5] == "t",
        returns_set: r[6] == "t",
        volatility: letter(r[7]),
        defaults: number(r[9]),
        result: oid(r[10]),
        args: list(r[11]).unwrap_or_default().into_iter().map(oid).collect(),
        all_args: list(r[12]).map(|items| items.into_iter().map(oid).collect()),
        modes: list(r[13]).map(|items| items.into_iter().map(letter).collect()),
        arg_names: list(r[14]),
        variadic: oid(r[15]),
        source: r[16],
    }
}

fn operator_row(r: &[&'static str]) -> OperatorRow {
    OperatorRow {
        oid: oid(r[0]),
        name: r[1],
        namespace: r[2],
        kind: letter(r[3]),
        can_merge: r[4] == "t",
        can_hash: r[5] == "t",
        left: oid(r[6]),
        right: oid(r[7]),
        result: oid(r[8]),
        commutator: oid(r[9]),
        negator: oid(r[10]),
        function: oid(r[11]),
        restrict: r[12],
        join: r[13],
    }
}

fn opclass_row(r: &[&'static str]) -> OpclassRow {
    OpclassRow {
        oid: oid(r[0]),
        method: oid(r[1]),
        name: r[2],
        namespace: r[3],
        family: oid(r[4]),
        input: oid(r[5]),
        is_default: r[6] == "t",
        key_type: oid(r[7]),
    }
}

fn index_by<T, K: std::hash::Hash + Eq>(rows: &[T], key: impl Fn(&T) -> K) -> HashMap<K, usize> {
    rows.iter().enumerate().map(|(at, row)| (key(row), at)).collect()
}

fn group_by<T, K: std::hash::Hash + Eq>(rows: &[T], key: impl Fn(&T) -> K) -> HashMap<K, Vec<usize>> {
    let mut groups: HashMap<K, Vec<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        groups.entry(key(row)).or_default().push(at);
    }
    groups
}

fn load() -> Builtin {
    let types: Vec<TypeRow> = raw_rows(PG_TYPE).map(|r| type_row(&r)).collect();
    let procs: Vec<ProcRow> = raw_rows(PG_PROC).chain(raw_rows(OMENDB_PROC)).map(|r| proc_row(&r)).collect();
    let operators: Vec<OperatorRow> = raw_rows(PG_OPERATOR).map(|r| operator_row(&r)).collect();
    let casts: Vec<CastRow> = raw_rows(PG_CAST)
        .map(|r| CastRow {
            oid: oid(r[0]),
            source: oid(r[1]),
            target: oid(r[2]),
            function: oid(r[3]),
            context: letter(r[4]),
            method: letter(r[5]),
        })
        .collect();
    let aggregates: Vec<AggregateRow> = raw_rows(PG_AGGREGATE)
        .map(|r| AggregateRow {
            function: oid(r[0]),
            kind: letter(r[1]),
            direct_args: number(r[2]),
            columns: r.clone(),
        })
        .collect();
    Builtin {
        type_by_oid: index_by(&types, |row| row.oid),
        type_by_name: group_by(&types, |row| row.name),
        proc_by_oid: index_by(&procs, |row| row.oid),
        proc_by_name: group_by(&procs, |row| row.name),
        operator_by_oid: index_by(&operators, |row| row.oid),
        operator_by_name: group_by(&operators, |row| row.name),
        cast_by_types: index_by(&casts, |row| (row.source, row.target)),
        aggregate_by_oid: index_by(&aggregates, |row| row.function),
        opclasses: raw_rows(PG_OPCLASS).map(|r| opclass_row(&r)).collect(),
        amops: raw_rows(PG_AMOP)
            .map(|r| AmopRow {
                oid: oid(r[0]),
                family: oid(r[1]),
                left: oid(r[2]),
                right: oid(r[3]),
                strategy: number(r[4]),
                purpose: letter(r[5]),
                operator: oid(r[6]),
                method: oid(r[7]),
            })
            .collect(),
        system_columns: raw_rows(SYSTEM_COLUMNS)
            .map(|r| SystemColumnRow {
                relation: oid(r[0]),
                relation_name: r[1],
                namespace: r[2],
                kind: letter(r[3]),
                attnum: number(r[4]),
                name: r[5],
                type_oid: oid(r[6]),
                typmod: number(r[7]),
                not_null: r[8] == "t",
            })
            .collect(),
        types,
        procs,
        operators,
        casts,
        aggregates,
    }
}

static BUILTIN: LazyLock<Builtin> = LazyLock::new(load);

/// The built-in catalog.
#[must_use]
pub fn builtin() -> &'static Builtin {
    &BUILTIN
}

impl Builtin {
    /// A type by OID.
    #[must_use]
    pub fn type_row(&self, oid: Oid) -> Option<&TypeRow> {
        self.type_by_oid.get(&oid).map(|at| &self.types[*at])
    }

    /// Types with a name, in any schema.
    pub fn types_named(&self, name: &str) -> impl Iterator<Item = &TypeRow> {
        self.type_by_name.get(name).into_iter().flatten().map(|at| &self.types[*at])
    }

    /// A function by OID.
    #[must_use]
    pub fn proc_row(&self, oid: Oid) -> Option<&ProcRow> {
        self.proc_by_oid.get(&oid).map(|at| &self.procs[*at])
    }

    /// Functions with a name.
    pub fn procs_named(&self, name: &str) -> impl Iterator<Item = &ProcRow> {
        self.proc_by_name.get(name).into_iter().flatten().map(|at| &self.procs[*at])
    }

    /// An operator by OID.
    #[must_use]
    pub fn operator_row(&self, oid: Oid) -> Option<&OperatorRow> {
        self.operator_by_oid.get(&oid).map(|at| &self.operators[*at])
    }

    /// Operators with a symbol.
    pub fn operators_named(&self, name: &str) -> impl Iterator<Item = &OperatorRow> {
        self.operator_by_name.get(name).into_iter().flatten().map(|at| &self.operators[*at])
    }

    /// The cast from one type to another.
    #[must_use]
    pub fn cast(&self, source: Oid, target: Oid) -> Option<&CastRow> {
        self.cast_by_types.get(&(source, target)).map(|at| &self.casts[*at])
    }

    /// What pg_aggregate says of a function.
    #[must_use]
    pub fn aggregate(&self, function: Oid) -> Option<&AggregateRow> {
        self.aggregate_by_oid.get(&function).map(|at| &self.aggregates[*at])
    }

    /// The operator class that a method uses for a type when none is named.
    #[must_use]
    pub fn default_opclass(&self, method: Oid, input: Oid) -> Option<&OpclassRow> {
        self.opclasses.iter().find(|row| row.method == method && row.input == input && row.is_default)
    }
}

#[cfg(test)]
mod tests {
    use super::builtin;
    use crate::types::Oid;

    #[test]
    fn look_ups_find_rows() {
        let rows = builtin();
        assert_eq!(rows.type_row(Oid::INT4).expect("int4").name, "int4");
        assert!(rows.types_named("vector").any(|row| row.oid == Oid::VECTOR));
        assert!(rows.procs_named("l2_distance").count() >= 3);
        assert!(rows.operators_named("<->").any(|row| row.left == Oid::VECTOR));
        assert_eq!(rows.cast(Oid::INT4, Oid::INT8).expect("cast").context, 'i');
        assert_eq!(rows.default_opclass(Oid(403), Oid::INT4).expect("opclass").name, "int4_ops");
    }
}

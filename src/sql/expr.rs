//! Bound scalar expressions: names resolved, every node typed, every operator and function chosen.
//!
//! The binder makes them, the optimizer rewrites them, `sql/eval` computes them. An operator is a call of its function
//! and a cast is a call, a relabel or an I/O conversion, so evaluation never looks at operator names. NULL policy:
//! a [`Expr::Call`] of a strict function is NULL when any argument is; the other nodes say theirs.

use std::sync::Arc;

use crate::sql::logical::LogicalPlan;
use crate::types::{Datum, FieldNames, Oid, SqlType};

/// A typed scalar expression over the columns of its input.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A value known when binding.
    Const(Datum, SqlType),
    /// Column `index` of the input row.
    Column { index: usize, ty: SqlType },
    /// Column `index` of the row of an enclosing query, `depth` >= 1 levels of subquery (or LATERAL) out.
    Outer { depth: usize, index: usize, ty: SqlType },
    /// Statement parameter `$index`, 1-based.
    Param { index: usize, ty: SqlType },
    /// A function, operator or cast function of pg_proc.
    Call(Call),
    /// Three-valued AND of two or more.
    And(Vec<Expr>),
    /// Three-valued OR of two or more.
    Or(Vec<Expr>),
    /// Three-valued NOT.
    Not(Box<Expr>),
    /// `IS [NOT] NULL`; never NULL. On a record: all fields (not) null, PostgreSQL's rule.
    IsNull { arg: Box<Expr>, negated: bool },
    /// `IS [NOT] TRUE/FALSE/UNKNOWN`; never NULL. `value` `None` is UNKNOWN.
    IsBool { arg: Box<Expr>, value: Option<bool>, negated: bool },
    /// `a IS [NOT] DISTINCT FROM b` by the equality function `equal`; never NULL.
    IsDistinct { equal: Oid, left: Box<Expr>, right: Box<Expr>, negated: bool },
    /// Searched CASE (a simple CASE is bound to comparisons); evaluates only what it must, in order.
    Case { arms: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>>, ty: SqlType },
    /// First non-NULL, lazily.
    Coalesce { args: Vec<Expr>, ty: SqlType },
    /// NULL when `equal(left, right)`, else left.
    NullIf { equal: Oid, left: Box<Expr>, right: Box<Expr>, ty: SqlType },
    /// GREATEST or LEAST by the type's ordering, ignoring NULLs.
    MinMax { greatest: bool, args: Vec<Expr>, ty: SqlType },
    /// `left op ANY/ALL (array)`; `function` returns boolean.
    ArrayCompare { function: Oid, any: bool, left: Box<Expr>, array: Box<Expr> },
    /// `ARRAY[...]`; nested constructors make one multi-dimensional value. `element` is the element type.
    Array { element: Oid, items: Vec<Expr>, nested: bool, ty: SqlType },
    /// `ROW(...)` and whole rows; `names` are the columns' where the fields have names, for JSON.
    Row { fields: Vec<Expr>, names: Option<FieldNames>, ty: SqlType },
    /// `(record).field`, 0-based.
    Field { record: Box<Expr>, index: usize, ty: SqlType },
    /// `array[i]` or `array[i][j]`; NULL when out of range.
    Subscript { array: Box<Expr>, indices: Vec<Expr>, ty: SqlType },
    /// `array[a:b]...`; a missing bound is the array's own.
    Slice { array: Box<Expr>, bounds: Vec<(Option<Expr>, Option<Expr>)>, ty: SqlType },
    /// The container with an element, a slice or (of jsonb) the end of a path replaced: `SET a[1] = x`. An element has
    /// upper bounds only.
    Store {
        container: Box<Expr>,
        element: Oid,
        bounds: Vec<(Option<Expr>, Option<Expr>)>,
        slice: bool,
        value: Box<Expr>,
    },
    /// Same bytes, other type (binary-coercible casts, domain to base); NULL stays NULL.
    Relabel { arg: Box<Expr>, ty: SqlType },
    /// Cast through text output and input. For enum targets eval asks the catalog for labels.
    ViaIo { arg: Box<Expr>, ty: SqlType },
    /// Applies the modifier of `ty` (length, precision, dimensions); `explicit` casts cut strings where others fail.
    Typmod { arg: Box<Expr>, ty: SqlType, explicit: bool },
    /// Checks a value against a domain (`ty` is its base type): NOT NULL, then the named checks, which see it as their column 0.
    Domain { arg: Box<Expr>, ty: SqlType, domain: Oid, not_null: bool, checks: Arc<Vec<(String, Expr)>> },
    /// Applies `element` (an expression over column 0) to each element of an array.
    ArrayMap { array: Box<Expr>, element: Box<Expr>, ty: SqlType },
    /// A row comparison `(a, b) < (c, d)`.
    RowCompare { op: RowCompareOp, pairs: Vec<RowComparePair> },
    /// A subquery used as a value.
    Subquery(Box<Subquery>),
    /// GROUPING(...), bound: bit i set when grouping column is not in the current set. Replaced by a column when planning.
    Grouping { columns: Vec<usize> },
    /// The value of `NEW` column default when the statement says DEFAULT. Only in INSERT/UPDATE sources before binding ends.
    Default,
}

/// A call of a pg_proc function.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: Oid,
    /// Arguments, already coerced to the parameter types; defaults filled in; VARIADIC collected into an array.
    pub args: Vec<Expr>,
    /// Result type (polymorphic results resolved).
    pub ty: SqlType,
    /// How to print it: as written for EXPLAIN and deparsing.
    pub form: CallForm,
    /// 1-based character position in the statement for run-time errors that PostgreSQL reports with one; 0 = none.
    pub position: u32,
}

/// How a call was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallForm {
    /// `f(x)`.
    Function,
    /// `f(x, VARIADIC array)` for a parameter of type "any": evaluation takes the array apart.
    Variadic,
    /// An operator, by pg_operator OID.
    Operator(Oid),
    /// `x::t` or CAST.
    ExplicitCast,
    /// Added by the binder.
    ImplicitCast,
    /// `CURRENT_DATE`, `CURRENT_TIMESTAMP` and their kin, spelt so, whatever function computes them; the precision if one
    /// is written, -1 otherwise.
    SqlValue(&'static str, i32),
}

/// Row comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RowCompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// One column of a row comparison with its functions.
#[derive(Clone, Debug)]
pub struct RowComparePair {
    /// Left and right, coerced to a common type.
    pub left: Expr,
    /// See `left`.
    pub right: Expr,
    /// `=` of the type.
    pub equal: Oid,
    /// `<` of the type.
    pub less: Oid,
}

/// A subquery in an expression. Its plan may contain [`Expr::Outer`] references to the rows around it.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What it yields.
    pub kind: SubqueryKind,
    /// The query.
    pub plan: Arc<LogicalPlan>,
    /// Whether the plan refers to the rows around it; if not, it is run once per statement.
    pub correlated: bool,
    /// The type of the value.
    pub ty: SqlType,
}

/// What a subquery yields.
#[derive(Clone, Debug)]
pub enum SubqueryKind {
    /// One row, one column; no row is NULL; two rows are error 21000.
    Scalar,
    /// Whether there is a row; never NULL.
    Exists,
    /// `test` over (left values, then subquery columns): the left expressions are evaluated in the outer row, `test`
    /// sees `left ++ subquery row` as its columns 0.. . ANY when `any`, else ALL; three-valued.
    Quantified { left: Vec<Expr>, test: Box<Expr>, any: bool },
    /// `ARRAY(SELECT ...)`: element type as given.
    Array { element: Oid },
}

/// One ORDER BY item. Values order by the type's default btree ordering.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// What to sort by.
    pub expr: Expr,
    /// Descending.
    pub descending: bool,
    /// NULLs before everything else.
    pub nulls_first: bool,
}

/// One aggregate in an Aggregate node.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// The aggregate function of pg_proc.
    pub function: Oid,
    /// Arguments over the aggregate's input; for ordered-set aggregates the direct arguments come first.
    pub args: Vec<Expr>,
    /// Number of direct arguments of an ordered-set aggregate.
    pub direct_args: usize,
    /// DISTINCT arguments only.
    pub distinct: bool,
    /// Order of the input rows (WITHIN GROUP for ordered-set aggregates).
    pub order_by: Vec<SortKey>,
    /// FILTER (WHERE ...).
    pub filter: Option<Expr>,
    /// Result type.
    pub ty: SqlType,
}

/// One window function call over a Window node's specification.
#[derive(Clone, Debug)]
pub struct WindowCall {
    /// A window function or an aggregate.
    pub function: Oid,
    /// Arguments over the window's input.
    pub args: Vec<Expr>,
    /// FILTER, for aggregates.
    pub filter: Option<Expr>,
    /// Result type.
    pub ty: SqlType,
}

impl Expr {
    /// The type of the value.
    #[must_use]
    pub fn ty(&self) -> SqlType {
        match self {
            Self::Const(_, ty)
            | Self::Column { ty, .. }
            | Self::Outer { ty, .. }
            | Self::Param { ty, .. }
            | Self::Case { ty, .. }
            | Self::Coalesce { ty, .. }
            | Self::NullIf { ty, .. }
            | Self::MinMax { ty, .. }
            | Self::Array { ty, .. }
            | Self::Row { ty, .. }
            | Self::Field { ty, .. }
            | Self::Subscript { ty, .. }
            | Self::Slice { ty, .. }
            | Self::Relabel { ty, .. }
            | Self::ViaIo { ty, .. }
            | Self::Typmod { ty, .. }
            | Self::Domain { ty, .. }
            | Self::ArrayMap { ty, .. } => *ty,
            Self::Store { container, .. } => container.ty(),
            Self::Call(call) => call.ty,
            Self::Subquery(subquery) => subquery.ty,
            Self::Grouping { .. } => SqlType::of(Oid::INT4),
            Self::Default => SqlType::of(Oid::UNKNOWN),
            Self::And(_)
            | Self::Or(_)
            | Self::Not(_)
            | Self::IsNull { .. }
            | Self::IsBool { .. }
            | Self::IsDistinct { .. }
            | Self::ArrayCompare { .. }
            | Self::RowCompare { .. } => SqlType::of(Oid::BOOL),
        }
    }
}

//! Scalar expressions as written.

use super::{LimitClause, Name, OrderItem, Query};

/// An expression with the position of its most telling token (the operator, the function name, the first character).
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub position: u32,
}

/// Kinds of expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ExprKind {
    Null,
    Bool(bool),
    /// An integer or decimal literal, as written.
    Number(String),
    /// A string literal: type unknown.
    String(String),
    /// `B'01'` (false) or `X'1F'` (true): digits.
    BitString {
        digits: String,
        hex: bool,
    },
    /// `$1`.
    Param(usize),
    /// `a`, `t.a`, `s.t.a`.
    Column(Name),
    /// `*` or `t.*` as a target or argument.
    Star(Option<Name>),
    /// `(expr).name`.
    Field {
        base: Box<Expr>,
        name: String,
    },
    /// `(expr).*`.
    FieldStar(Box<Expr>),
    /// `base[i]`, `base[a:b]`.
    Subscript {
        base: Box<Expr>,
        subscripts: Vec<Subscript>,
    },
    /// Prefix operator.
    Unary {
        op: OpName,
        arg: Box<Expr>,
    },
    /// Infix operator.
    Binary {
        op: OpName,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    IsNull {
        arg: Box<Expr>,
        negated: bool,
    },
    /// `value` None is UNKNOWN.
    IsBool {
        arg: Box<Expr>,
        value: Option<bool>,
        negated: bool,
    },
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Between {
        arg: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        symmetric: bool,
        negated: bool,
    },
    InList {
        arg: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        arg: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    /// LIKE, ILIKE, SIMILAR TO.
    Like {
        kind: LikeKind,
        arg: Box<Expr>,
        pattern: Box<Expr>,
        escape: Option<Box<Expr>>,
        negated: bool,
    },
    /// `left op ANY (right)`; right an array expression.
    AnyArray {
        op: OpName,
        left: Box<Expr>,
        right: Box<Expr>,
        any: bool,
    },
    /// `left op ANY (select)`.
    AnyQuery {
        op: OpName,
        left: Box<Expr>,
        query: Box<Query>,
        any: bool,
    },
    Exists(Box<Query>),
    ScalarQuery(Box<Query>),
    ArrayQuery(Box<Query>),
    Array(Vec<Expr>),
    /// `ROW(...)` or `(a, b)`.
    Row(Vec<Expr>),
    Case {
        operand: Option<Box<Expr>>,
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Cast {
        arg: Box<Expr>,
        ty: TypeName,
    },
    Collate {
        arg: Box<Expr>,
        collation: Name,
    },
    AtTimeZone {
        arg: Box<Expr>,
        zone: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    NullIf(Box<Expr>, Box<Expr>),
    Greatest(Vec<Expr>),
    Least(Vec<Expr>),
    Grouping(Vec<Expr>),
    Call(Box<FuncCall>),
    /// `CURRENT_DATE`, `CURRENT_TIMESTAMP(p)`, `CURRENT_USER` ..., upper case, with the precision.
    SqlValue {
        name: &'static str,
        precision: Option<i32>,
    },
    /// DEFAULT in INSERT or UPDATE.
    Default,
    /// `name => value` or `name := value` as an argument.
    NamedArg {
        name: String,
        value: Box<Expr>,
    },
    /// `(a, b) OVERLAPS (c, d)`.
    Overlaps {
        left: Vec<Expr>,
        right: Vec<Expr>,
    },
}

/// An operator's name, qualified when written `OPERATOR(schema.op)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpName {
    /// The schema, if written.
    pub schema: Option<String>,
    /// The symbol.
    pub symbol: String,
}

impl OpName {
    /// An operator written plainly.
    #[must_use]
    pub fn plain(symbol: impl Into<String>) -> Self {
        Self { schema: None, symbol: symbol.into() }
    }
}

/// Pattern matching forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LikeKind {
    Like,
    ILike,
    Similar,
}

/// One subscript.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Subscript {
    Index(Expr),
    Slice(Option<Expr>, Option<Expr>),
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct FuncCall {
    /// The function.
    pub name: Name,
    /// The arguments; `f(*)` has a single Star.
    pub args: Vec<Expr>,
    /// DISTINCT before the arguments.
    pub distinct: bool,
    /// The last argument is VARIADIC.
    pub variadic: bool,
    /// ORDER BY inside the parentheses.
    pub order_by: Vec<OrderItem>,
    /// WITHIN GROUP (ORDER BY ...).
    pub within_group: Vec<OrderItem>,
    /// FILTER (WHERE ...).
    pub filter: Option<Expr>,
    /// OVER.
    pub over: Option<Over>,
}

/// OVER clause.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Over {
    Name(String),
    Spec(WindowSpec),
}

/// A window definition.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct WindowSpec {
    pub base: Option<String>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderItem>,
    pub frame: Option<Frame>,
    pub position: u32,
}

/// A frame clause.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Frame {
    pub units: FrameUnits,
    pub start: FrameBound,
    pub end: FrameBound,
    pub exclude: FrameExclude,
}

/// Frame units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FrameUnits {
    Rows,
    Range,
    Groups,
}

/// Frame bounds.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// Frame exclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FrameExclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// A type as written.
#[derive(Clone, Debug, PartialEq)]
pub struct TypeName {
    /// The name; SQL spellings are already pg_type names (`integer` is `pg_catalog.int4`).
    pub name: Name,
    /// Modifiers in parentheses.
    pub modifiers: Vec<Expr>,
    /// Number of `[]`.
    pub array_dims: usize,
    /// Interval fields mask and precision, already as PostgreSQL's typmod, if any.
    pub interval_typmod: Option<i32>,
}

/// LIMIT with its OFFSET (re-exported for subqueries).
pub type Limit = LimitClause;

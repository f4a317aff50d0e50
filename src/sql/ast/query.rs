//! Queries and data modification as written.

use super::{Expr, FuncCall, Name, TypeName, WindowSpec};

/// A query expression with everything that can stand around it.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct Query {
    pub with: Option<With>,
    pub body: QueryBody,
    pub order_by: Vec<OrderItem>,
    pub limit: LimitClause,
    pub locks: Vec<LockClause>,
}

/// LIMIT, OFFSET, FETCH.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct LimitClause {
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    pub with_ties: bool,
}

/// The core of a query.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum QueryBody {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    SetOp {
        op: SetOp,
        all: bool,
        left: Box<Query>,
        right: Box<Query>,
    },
    /// A parenthesised query with clauses of its own.
    Nested(Box<Query>),
}

impl Default for QueryBody {
    fn default() -> Self {
        Self::Values(Vec::new())
    }
}

/// Set operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

/// SELECT.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct Select {
    pub distinct: Distinct,
    pub targets: Vec<Target>,
    pub into: Option<IntoTable>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub group_by: Vec<GroupItem>,
    pub group_distinct: bool,
    pub having: Option<Expr>,
    pub windows: Vec<(String, WindowSpec)>,
}

/// SELECT INTO.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct IntoTable {
    pub name: Name,
    pub temporary: bool,
    pub unlogged: bool,
}

/// DISTINCT.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub enum Distinct {
    #[default]
    All,
    Distinct,
    On(Vec<Expr>),
}

/// One output item.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Target {
    pub expr: Expr,
    pub alias: Option<String>,
}

/// One ORDER BY item.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct OrderItem {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: Option<bool>,
    /// USING operator.
    pub using: Option<String>,
}

/// One GROUP BY item.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum GroupItem {
    Expr(Expr),
    Empty,
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    Sets(Vec<GroupItem>),
    /// `(a, b)` inside GROUPING SETS.
    List(Vec<Expr>),
}

/// One FROM item.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum FromItem {
    Table {
        name: Name,
        only: bool,
        alias: Option<Alias>,
        sample: bool,
    },
    Query {
        query: Box<Query>,
        lateral: bool,
        alias: Option<Alias>,
        position: u32,
    },
    Function {
        calls: Vec<TableFunction>,
        rows_from: bool,
        ordinality: bool,
        lateral: bool,
        alias: Option<Alias>,
        position: u32,
    },
    Join {
        kind: JoinKind,
        left: Box<FromItem>,
        right: Box<FromItem>,
        condition: JoinCondition,
        alias: Option<Alias>,
    },
}

/// A function in FROM with its column definitions.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TableFunction {
    pub call: Expr,
    pub columns: Vec<(String, TypeName)>,
}

/// `AS name (columns)`; with types for `AS t(a int)`.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct Alias {
    pub name: String,
    pub columns: Vec<String>,
}

/// Join kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Cross,
}

/// What joins.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum JoinCondition {
    None,
    Natural,
    On(Expr),
    Using { columns: Vec<String>, alias: Option<String> },
}

/// WITH.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct With {
    pub recursive: bool,
    pub ctes: Vec<CommonTable>,
}

/// One WITH query.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CommonTable {
    pub name: String,
    pub columns: Vec<String>,
    pub materialized: Option<bool>,
    pub body: CteBody,
    pub position: u32,
}

/// What a WITH query holds.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum CteBody {
    Query(Box<Query>),
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
}

/// FOR UPDATE and so on.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct LockClause {
    pub strength: LockStrength,
    pub of: Vec<Name>,
    pub wait: LockWait,
}

/// FOR UPDATE and its weaker kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LockStrength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// What a row lock does when it must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LockWait {
    Block,
    NoWait,
    SkipLocked,
}

/// INSERT.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Insert {
    pub with: Option<With>,
    pub table: Name,
    pub alias: Option<String>,
    /// Target columns with subscripts; empty means all.
    pub columns: Vec<AssignTarget>,
    /// OVERRIDING SYSTEM (true) or USER VALUE.
    pub overriding_system: Option<bool>,
    /// None is DEFAULT VALUES.
    pub source: Option<Box<Query>>,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<Target>,
}

/// A column to assign to, possibly an element or field of it.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AssignTarget {
    pub column: String,
    pub subscripts: Vec<super::Subscript>,
    pub field: Option<String>,
    pub position: u32,
}

/// ON CONFLICT.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct OnConflict {
    pub target: ConflictTarget,
    /// None is DO NOTHING.
    pub update: Option<(Vec<Assignment>, Option<Expr>)>,
    pub position: u32,
}

/// What conflicts.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ConflictTarget {
    None,
    Keys { exprs: Vec<Expr>, filter: Option<Expr> },
    Constraint(String),
}

/// One SET item.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Assignment {
    One {
        target: AssignTarget,
        value: Expr,
    },
    /// `(a, b) = ...`.
    Many {
        targets: Vec<AssignTarget>,
        value: Expr,
    },
}

/// UPDATE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Update {
    pub with: Option<With>,
    pub table: Name,
    pub alias: Option<String>,
    pub assignments: Vec<Assignment>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub returning: Vec<Target>,
}

/// DELETE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Delete {
    pub with: Option<With>,
    pub table: Name,
    pub alias: Option<String>,
    pub using: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub returning: Vec<Target>,
}

/// Used by FROM function items.
pub type TableCall = FuncCall;

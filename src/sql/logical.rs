//! Bound statements: relational algebra over typed expressions.
//!
//! The output of the binder and of the optimizer. A [`LogicalPlan`] is a tree; expressions in a node refer to the
//! columns of its input (for joins: left columns, then right columns) by position. Tables are held by descriptor, as of the
//! catalog snapshot that the statement was bound against.

use std::sync::Arc;

use crate::catalog::descriptor::{RelationDesc, TableDesc};
use crate::sql::ast;
pub use crate::sql::ast::{FrameExclude, FrameUnits, SetOp};
use crate::sql::expr::{AggregateCall, Expr, SortKey, WindowCall};
use crate::types::{Oid, SqlType};

/// One output column.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name a client sees.
    pub name: String,
    /// The type.
    pub ty: SqlType,
    /// The table and attribute number it comes from unchanged, for RowDescription; none otherwise.
    pub origin: Option<(Oid, i16)>,
}

/// A relational operator.
#[derive(Clone, Debug)]
pub enum LogicalPlan {
    /// All visible rows of a table: the columns `columns` (positions in `table.columns`), in that order, then system columns.
    Scan(Scan),
    /// Rows of a virtual system table (pg_class ...), produced by the catalog from descriptors or live state.
    SystemScan { relation: Arc<RelationDesc>, fields: Vec<Field> },
    /// Literal rows; no rows or no columns are fine. `SELECT 1` is a Project over one row of no columns.
    Values { rows: Vec<Vec<Expr>>, fields: Vec<Field> },
    /// A set-returning function in FROM (or several: ROWS FROM, padded with NULLs); arguments may be outer references.
    FunctionScan { calls: Vec<FunctionCall>, ordinality: bool, fields: Vec<Field> },
    /// Set-returning functions in a select list: each input row times the longest of the calls; output is input columns then one per call.
    ProjectSet { input: Box<LogicalPlan>, calls: Vec<FunctionCall>, fields: Vec<Field> },
    /// Rows where the predicate is true.
    Filter { input: Box<LogicalPlan>, predicate: Expr },
    /// New columns.
    Project { input: Box<LogicalPlan>, exprs: Vec<Expr>, fields: Vec<Field> },
    /// A join; `on` sees left then right columns. When `lateral`, expressions in `right` see the left row as `Outer { depth: 1 }`.
    Join {
        kind: JoinKind,
        lateral: bool,
        left: Box<LogicalPlan>,
        right: Box<LogicalPlan>,
        on: Option<Expr>,
        fields: Vec<Field>,
    },
    /// Grouping: output is group keys, then aggregates, then one int4 per `grouping_calls` item. With no keys and `sets` empty: exactly one row.
    Aggregate(Aggregate),
    /// Window functions over one specification: output is input columns, then one column per call.
    Window(Window),
    /// ORDER BY.
    Sort { input: Box<LogicalPlan>, keys: Vec<SortKey> },
    /// LIMIT and OFFSET; NULL means none. WITH TIES needs a Sort right below, whose keys it compares.
    Limit { input: Box<LogicalPlan>, limit: Option<Expr>, offset: Option<Expr>, with_ties: bool },
    /// DISTINCT over all columns, or DISTINCT ON over `on` (first row of each group in input order; input is sorted).
    Distinct { input: Box<LogicalPlan>, on: Option<Vec<Expr>> },
    /// UNION / INTERSECT / EXCEPT of inputs with equal column types.
    SetOp { op: SetOp, all: bool, left: Box<LogicalPlan>, right: Box<LogicalPlan>, fields: Vec<Field> },
    /// WITH: `ctes` are computed at most once each, in order, and read by `CteScan`.
    With { ctes: Vec<Cte>, body: Box<LogicalPlan> },
    /// Reads a CTE (or the working table of a recursive one) by id.
    CteScan { id: usize, fields: Vec<Field> },
    /// SELECT ... FOR UPDATE and friends: locks the rows of the scans named in `targets` (scan `tag`s), re-checking as READ COMMITTED demands.
    LockRows { input: Box<LogicalPlan>, targets: Vec<LockTarget> },
    /// INSERT, UPDATE or DELETE, also inside WITH; output is the RETURNING row.
    Modify(Box<Modify>),
}

/// A base-table scan.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Arc<TableDesc>,
    /// The name it goes by in the query.
    pub alias: String,
    /// Positions in `table.columns` of the columns produced.
    pub columns: Vec<usize>,
    /// System columns produced after `columns`.
    pub system: Vec<SystemColumn>,
    /// The output columns: `columns`, then `system`.
    pub fields: Vec<Field>,
    /// Identifies the scan for LockRows and Modify; unique in the statement.
    pub tag: usize,
}

/// Columns every table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemColumn {
    /// `tableoid`, oid.
    TableOid,
    /// `ctid`, printed `(0,rid)`; text-typed tid.
    Ctid,
    /// `xmin`, xid: low 32 bits of the commit timestamp.
    Xmin,
    /// `xmax`, xid: 0.
    Xmax,
    /// The row id itself as int8, for Modify and LockRows.
    RowId,
}

/// A set-returning or scalar function used as a table.
#[derive(Clone, Debug)]
pub struct FunctionCall {
    /// The call; a scalar function yields one row.
    pub expr: Expr,
    /// The columns that one row has (several for composite results and OUT parameters).
    pub columns: Vec<Field>,
}

/// Kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    /// Left rows with a match; output is left columns only.
    Semi,
    /// Left rows without a match; output is left columns only.
    Anti,
}

/// GROUP BY and aggregates.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// The input.
    pub input: Box<LogicalPlan>,
    /// The distinct grouping expressions.
    pub keys: Vec<Expr>,
    /// GROUPING SETS as indices into `keys`; empty means one set of all keys.
    pub sets: Vec<Vec<usize>>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// One GROUPING() per item, its arguments as indices into `keys`.
    pub grouping_calls: Vec<Vec<usize>>,
    /// Output columns.
    pub fields: Vec<Field>,
}

/// Window functions that share PARTITION BY, ORDER BY and frame.
#[derive(Clone, Debug)]
pub struct Window {
    /// The input.
    pub input: Box<LogicalPlan>,
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<SortKey>,
    /// The frame.
    pub frame: WindowFrame,
    /// The calls.
    pub calls: Vec<WindowCall>,
    /// Output columns: input, then calls.
    pub fields: Vec<Field>,
}

/// A window frame; the default is RANGE UNBOUNDED PRECEDING TO CURRENT ROW.
#[derive(Clone, Debug)]
pub struct WindowFrame {
    /// Rows, range or groups.
    pub units: FrameUnits,
    /// Where it starts.
    pub start: FrameBound,
    /// Where it ends.
    pub end: FrameBound,
    /// EXCLUDE.
    pub exclude: FrameExclude,
}

/// Frame bounds.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// One WITH query.
#[derive(Clone, Debug)]
pub struct Cte {
    /// What CteScan names; unique in the statement.
    pub id: usize,
    /// Its name, for EXPLAIN.
    pub name: String,
    /// The query, or the non-recursive term.
    pub plan: LogicalPlan,
    /// The recursive term: reads the working table by `CteScan { id }`. `union_all` keeps duplicates.
    pub recursive: Option<RecursiveTerm>,
    /// Output columns.
    pub fields: Vec<Field>,
    /// MATERIALIZED / NOT MATERIALIZED as written.
    pub materialized: Option<bool>,
}

/// The part of a recursive CTE after UNION.
#[derive(Clone, Debug)]
pub struct RecursiveTerm {
    /// The term.
    pub plan: LogicalPlan,
    /// UNION ALL.
    pub union_all: bool,
}

/// A row lock of SELECT.
#[derive(Clone, Debug)]
pub struct LockTarget {
    /// The scan's tag.
    pub tag: usize,
    /// The table.
    pub table: Arc<TableDesc>,
    /// Column of the input that carries the row id.
    pub row_id_column: usize,
    /// FOR UPDATE and so on.
    pub strength: ast::LockStrength,
    /// Block, NOWAIT or SKIP LOCKED.
    pub wait: ast::LockWait,
}

/// INSERT, UPDATE or DELETE.
#[derive(Clone, Debug)]
pub struct Modify {
    /// The table.
    pub table: Arc<TableDesc>,
    /// What to do.
    pub action: ModifyAction,
    /// RETURNING over the table's live columns (new row; old row for DELETE), in `table.columns` order, then the FROM/USING
    /// columns of the input, or `xmax` and `tableoid` for INSERT; empty when absent.
    pub returning: Vec<Expr>,
    /// RETURNING names OLD or NEW: the row before and the row after, NULLs where there is none, follow its other input.
    pub versions: bool,
    /// Output columns of RETURNING.
    pub fields: Vec<Field>,
    /// CHECK constraints over the new row, with their names (columns in `table.columns` order).
    pub checks: Vec<(String, Expr)>,
    /// Generated columns: position in `table.columns` and the expression over the new row.
    pub generated: Vec<(usize, Expr)>,
}

/// The kinds of Modify.
#[derive(Clone, Debug)]
pub enum ModifyAction {
    /// The input has one column per table column, in `table.columns` order, defaults filled in.
    Insert { input: LogicalPlan, on_conflict: Option<OnConflict> },
    /// The input has the old row's columns (all of `table.columns`), the row id in column `row_id_column`, then FROM columns.
    /// `assignments` compute new values over the input row.
    Update { input: LogicalPlan, row_id_column: usize, assignments: Vec<(usize, Expr)> },
    /// As for Update.
    Delete { input: LogicalPlan, row_id_column: usize },
}

/// ON CONFLICT.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The unique indexes that arbitrate; empty means any (DO NOTHING without a target).
    pub arbiters: Vec<Oid>,
    /// DO UPDATE, or nothing.
    pub update: Option<ConflictUpdate>,
}

/// DO UPDATE SET ... WHERE. Expressions see the existing row's columns, then the excluded row's columns.
#[derive(Clone, Debug)]
pub struct ConflictUpdate {
    /// Position in `table.columns` and new value.
    pub assignments: Vec<(usize, Expr)>,
    /// The WHERE.
    pub predicate: Option<Expr>,
}

impl LogicalPlan {
    /// The output columns.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match self {
            Self::Scan(scan) => &scan.fields,
            Self::SystemScan { fields, .. }
            | Self::Values { fields, .. }
            | Self::FunctionScan { fields, .. }
            | Self::ProjectSet { fields, .. }
            | Self::Project { fields, .. }
            | Self::Join { fields, .. }
            | Self::SetOp { fields, .. }
            | Self::CteScan { fields, .. } => fields,
            Self::Aggregate(aggregate) => &aggregate.fields,
            Self::Window(window) => &window.fields,
            Self::Modify(modify) => &modify.fields,
            Self::Filter { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Distinct { input, .. }
            | Self::LockRows { input, .. } => input.fields(),
            Self::With { body, .. } => body.fields(),
        }
    }
}

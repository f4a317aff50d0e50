//! Executable plans: every choice made.
//!
//! The planner makes a [`Node`] tree from a logical plan; the executor turns each node into an operator, and EXPLAIN prints
//! it. A plan is shared by all executions of its statement, and what operators keep of it is behind `Arc`: making the
//! operators of a small query copies pointers, not expressions. Expressions see the columns of the node's input (for joins: left, then right) by position.

use std::sync::Arc;

use crate::catalog::descriptor::{IndexDesc, RelationDesc, TableDesc};
use crate::sql::expr::{Expr, SortKey};
use crate::sql::logical::{Aggregate, Field, FunctionCall, JoinKind, LockTarget, Modify, SetOp, SystemColumn, Window};
use crate::sql::walk;
use crate::types::Oid;

/// An operator with what is known about its output.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// Output columns.
    pub fields: Vec<Field>,
    /// Rows expected.
    pub rows: f64,
}

impl Node {
    /// Types of the output columns.
    #[must_use]
    pub fn types(&self) -> Vec<Oid> {
        self.fields.iter().map(|field| field.ty.oid).collect()
    }
}

/// What an operator does.
#[derive(Clone, Debug)]
pub enum Op {
    /// All visible rows of a table that satisfy the filter, in the order of the table; by the index of `range` when it turns out
    /// to hold few rows.
    TableScan { scan: Arc<TableAccess>, filter: Option<Arc<Expr>>, range: Option<Arc<RangeAccess>> },
    /// Rows found through an ordered index, in its order, that satisfy the filter.
    IndexScan { scan: Arc<TableAccess>, access: Arc<IndexAccess>, filter: Option<Arc<Expr>> },
    /// The first rows by distance from a vector index's key, then the select list over them if there is one; `exact` yields the
    /// same without the index, and is run instead when that is better, as it is for now when rows are `few`.
    Nearest {
        scan: Arc<TableAccess>,
        vector: Arc<VectorAccess>,
        exact: Arc<Node>,
        list: Option<Arc<Vec<Expr>>>,
        /// The table is one of several: what makes the result of the rows that were found, which are given to its scan.
        rest: Option<Arc<Node>>,
        few: bool,
    },
    /// A plan over one table, run by several threads on parts of it; rows come in the order of the table.
    Gather { input: Box<Node>, workers: usize },
    /// Rows of a system relation.
    SystemScan { relation: Arc<RelationDesc> },
    /// Literal rows.
    Values { rows: Arc<[Vec<Expr>]> },
    /// Functions in FROM.
    FunctionScan { calls: Vec<FunctionCall>, ordinality: bool },
    /// Set-returning functions in a target list.
    ProjectSet { input: Box<Node>, calls: Vec<FunctionCall> },
    /// Rows where the predicate is true.
    Filter { input: Box<Node>, predicate: Arc<Expr> },
    /// New columns.
    Project { input: Box<Node>, exprs: Arc<[Expr]> },
    /// Join by hashing the right side on keys; `residual` decides about matches of the keys.
    HashJoin { kind: JoinKind, left: Box<Node>, right: Box<Node>, keys: Vec<JoinKey>, residual: Option<Expr> },
    /// Join by running the right side (once, kept; or per left row when lateral).
    NestedLoop { kind: JoinKind, lateral: bool, left: Box<Node>, right: Box<Node>, on: Option<Expr> },
    /// Grouping.
    Aggregate { input: Box<Node>, spec: Arc<Aggregate> },
    /// Window functions.
    Window { input: Box<Node>, spec: Arc<Window> },
    /// Sorting; with `top`, only the first rows are kept: LIMIT plus OFFSET.
    Sort { input: Box<Node>, keys: Vec<SortKey>, top: Option<TopRows> },
    /// LIMIT and OFFSET.
    Limit { input: Box<Node>, limit: Option<Expr>, offset: Option<Expr>, ties: Option<Vec<SortKey>> },
    /// DISTINCT, or DISTINCT ON when the input is grouped by `on`.
    Distinct { input: Box<Node>, on: Option<Vec<Expr>> },
    /// Set operations.
    SetOp { op: SetOp, all: bool, left: Box<Node>, right: Box<Node> },
    /// WITH.
    With { ctes: Vec<CteNode>, body: Box<Node> },
    /// Reads a CTE.
    CteScan { id: usize },
    /// Row locks.
    LockRows { input: Box<Node>, targets: Vec<LockTarget> },
    /// INSERT, UPDATE, DELETE; `spec.action`'s input is replaced by `input`.
    Modify { input: Arc<Node>, spec: Arc<Modify> },
}

/// What of a table is read.
#[derive(Clone, Debug)]
pub struct TableAccess {
    /// The table.
    pub table: Arc<TableDesc>,
    /// Its name in the statement.
    pub alias: String,
    /// Positions of the columns produced.
    pub columns: Vec<usize>,
    /// System columns produced after them.
    pub system: Vec<SystemColumn>,
    /// The scan's tag, for row locks and re-checks.
    pub tag: usize,
}

/// A range of an index that has all rows that a scan's filter lets through.
#[derive(Clone, Debug)]
pub struct RangeAccess {
    /// The range.
    pub access: Arc<IndexAccess>,
    /// What is left of the filter within the range.
    pub rest: Option<Arc<Expr>>,
}

/// How an index is used.
#[derive(Clone, Debug)]
pub struct IndexAccess {
    /// The index.
    pub index: Arc<IndexDesc>,
    /// Equality with the leading keys; evaluated once per scan.
    pub prefix: Vec<Expr>,
    /// The last prefix item is an array: one lookup per element (`= ANY`).
    pub any: bool,
    /// Bounds of the next key: value and whether it is included.
    pub lower: Option<(Expr, bool)>,
    /// See `lower`.
    pub upper: Option<(Expr, bool)>,
    /// From the end.
    pub backward: bool,
}

/// Tables with fewer rows are compared row by row where a vector index would do: that takes no longer, and is exact.
pub const NEAREST_ROWS_MIN: f64 = 2048.0;

/// How a vector index is used.
#[derive(Clone, Debug)]
pub struct VectorAccess {
    /// The index.
    pub index: Arc<IndexDesc>,
    /// The distance, over the scanned columns; for EXPLAIN.
    pub order: Expr,
    /// What to be near to; evaluated once per scan.
    pub query: Expr,
    /// The rows that may be returned, their row ids in the last column; all when absent.
    pub matching: Option<Node>,
    /// The conditions of `matching` over the scanned columns, when they look at included columns of the index only.
    pub included: Option<Expr>,
    /// What rows that were found must satisfy besides.
    pub late: Option<Expr>,
    /// `late` is a bound of the distance, so that nothing comes after a row that does not satisfy it.
    pub within: bool,
    /// How many rows.
    pub top: TopRows,
    /// All rows as far away as the last of them belong to them: the order goes on behind the distance.
    pub ties: bool,
}

/// How many sorted rows are wanted.
#[derive(Clone, Debug)]
pub struct TopRows {
    /// LIMIT.
    pub limit: Expr,
    /// OFFSET.
    pub offset: Option<Expr>,
}

/// One equality of a hash join.
#[derive(Clone, Debug)]
pub struct JoinKey {
    /// Over the left row.
    pub left: Expr,
    /// Over the right row.
    pub right: Expr,
    /// Whether NULL matches NULL (IS NOT DISTINCT FROM).
    pub nulls_match: bool,
}

/// A WITH query.
#[derive(Clone, Debug)]
pub struct CteNode {
    /// What CteScan names.
    pub id: usize,
    /// For EXPLAIN.
    pub name: String,
    /// The query.
    pub plan: Node,
    /// The recursive term and whether duplicates stay.
    pub recursive: Option<(Box<Node>, bool)>,
    /// Whether it writes: it is then run to its end whatever is read of it.
    pub modifies: bool,
}

impl IndexAccess {
    /// The expressions that it looks for.
    pub fn values(&self) -> impl Iterator<Item = &Expr> {
        self.prefix.iter().chain([&self.lower, &self.upper].into_iter().flatten().map(|bound| &bound.0))
    }

    /// Whether what it looks for comes from the row of another scan, so that it looks again and again.
    #[must_use]
    pub fn follows_rows(&self) -> bool {
        let mut found = false;
        for value in self.values() {
            walk::visit(value, &mut |node| {
                found |= matches!(node, Expr::Outer { .. });
                !found
            });
        }
        found
    }
}

impl Op {
    /// The inputs, and all that may be run below Nearest.
    pub fn inputs_mut(&mut self) -> Vec<&mut Node> {
        match self {
            Self::TableScan { .. }
            | Self::IndexScan { .. }
            | Self::SystemScan { .. }
            | Self::Values { .. }
            | Self::FunctionScan { .. }
            | Self::CteScan { .. } => Vec::new(),
            Self::ProjectSet { input, .. }
            | Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Window { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Distinct { input, .. }
            | Self::LockRows { input, .. }
            | Self::Gather { input, .. } => vec![input],
            Self::Modify { input, .. } => vec![Arc::make_mut(input)],
            Self::Nearest { exact, vector, rest, .. } => {
                let mut inputs = vec![Arc::make_mut(exact)];
                inputs.extend(rest.as_mut().map(Arc::make_mut));
                inputs.extend(&mut Arc::make_mut(vector).matching);
                inputs
            }
            Self::HashJoin { left, right, .. }
            | Self::NestedLoop { left, right, .. }
            | Self::SetOp { left, right, .. } => vec![left, right],
            Self::With { ctes, body } => {
                let mut inputs: Vec<&mut Node> = Vec::new();
                for cte in ctes {
                    inputs.push(&mut cte.plan);
                    inputs.extend(cte.recursive.as_mut().map(|(term, _)| &mut **term));
                }
                inputs.push(body);
                inputs
            }
        }
    }

    /// The inputs, for EXPLAIN and walks.
    #[must_use]
    pub fn inputs(&self) -> Vec<&Node> {
        match self {
            Self::TableScan { .. }
            | Self::IndexScan { .. }
            | Self::SystemScan { .. }
            | Self::Values { .. }
            | Self::FunctionScan { .. }
            | Self::CteScan { .. } => Vec::new(),
            Self::ProjectSet { input, .. }
            | Self::Filter { input, .. }
            | Self::Project { input, .. }
            | Self::Aggregate { input, .. }
            | Self::Window { input, .. }
            | Self::Sort { input, .. }
            | Self::Limit { input, .. }
            | Self::Distinct { input, .. }
            | Self::LockRows { input, .. }
            | Self::Gather { input, .. } => vec![input],
            Self::Modify { input, .. } => vec![input],
            Self::Nearest { exact, .. } => vec![exact],
            Self::HashJoin { left, right, .. }
            | Self::NestedLoop { left, right, .. }
            | Self::SetOp { left, right, .. } => {
                vec![left, right]
            }
            Self::With { ctes, body } => {
                let mut inputs: Vec<&Node> = ctes.iter().map(|cte| &cte.plan).collect();
                inputs.push(body);
                inputs
            }
        }
    }
}

//! Floor 6: planning: choosing how each operation is done.
//!
//! Rules with row estimates: an index is used for equality on its leading keys and for ranges, where these are not sure to be
//! narrow by what its entries say when the statement runs, and where its order saves a sort under LIMIT ([`access`]); a vector index
//! gives the nearest rows ([`nearest`], [`nearest_join`]); joins hash on equalities, or look rows up by index when the left
//! side is small ([`join`]). A Sort under LIMIT keeps only the rows wanted. Scans of large tables are shared by threads
//! ([`parallel`]).

mod access;
mod join;
mod nearest;
mod nearest_join;
mod parallel;

use std::sync::Arc;

use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::error::Result;
use crate::sql::expr::{Expr, SortKey};
use crate::sql::logical::{LogicalPlan, ModifyAction};
use crate::sql::physical::{CteNode, Node, Op, TableAccess, TopRows};
use crate::types::Datum;

/// What planning asks of the tables.
pub trait Statistics {
    /// About how many rows a table has.
    fn row_count(&self, table: &TableDesc) -> f64;
    /// Whether an index has entries for all that the statement may see.
    fn covers(&self, index: &IndexDesc) -> bool {
        let _ = index;
        true
    }

    /// The expression keys and the predicate of an index, over the table's columns; `None` when they cannot be had.
    fn index_expressions(&self, table: &TableDesc, index: &IndexDesc) -> Option<(Vec<Expr>, Option<Expr>)> {
        let _ = (table, index);
        None
    }

    /// Whether a small table may be read whole where a vector index would do (`enable_seqscan`).
    fn may_scan(&self) -> bool {
        true
    }

    /// Whether indexes may be used at all (`enable_indexscan`).
    fn may_use_indexes(&self) -> bool {
        true
    }

    /// A plan without the columns that it does not need.
    fn pruned(&self, plan: LogicalPlan) -> LogicalPlan {
        plan
    }

    /// Threads that may help with a scan.
    fn workers(&self) -> usize {
        0
    }
}

/// Assumes that every table has this many rows.
pub struct FixedRows(pub f64);

impl Statistics for FixedRows {
    fn row_count(&self, _: &TableDesc) -> f64 {
        self.0
    }
}

/// Rows expected of a function in FROM.
const FUNCTION_ROWS: f64 = 100.0;
/// Rows expected of a system relation.
const SYSTEM_ROWS: f64 = 300.0;
/// Rows expected to be given to a scan.
const GIVEN_ROWS: f64 = 10.0;
/// The part of rows that a condition without statistics keeps.
const SELECTIVITY: f64 = 0.3;

/// Plans a statement.
///
/// # Errors
/// None at present; planning may come to refuse what cannot be executed.
pub fn plan(plan: LogicalPlan, statistics: &dyn Statistics) -> Result<Node> {
    let mut node = Planner { statistics, given: None }.node(plan)?;
    access::settle_limited(&mut node, false);
    Ok(parallel::share(node, statistics))
}

struct Planner<'a> {
    statistics: &'a dyn Statistics,
    /// The scan, by its tag, to which a few rows are given when the plan is run.
    given: Option<usize>,
}

impl Planner<'_> {
    fn node(&self, plan: LogicalPlan) -> Result<Node> {
        let fields = plan.fields().to_vec();
        let (op, rows) = match plan {
            LogicalPlan::Scan(scan) => return Ok(self.scan(scan, Vec::new())),
            LogicalPlan::Filter { input, predicate } => return self.filter(*input, predicate),
            LogicalPlan::SystemScan { relation, .. } => (Op::SystemScan { relation }, SYSTEM_ROWS),
            LogicalPlan::Values { rows, .. } => {
                let count = rows.len() as f64;
                (Op::Values { rows: rows.into() }, count)
            }
            LogicalPlan::FunctionScan { calls, ordinality, .. } => {
                (Op::FunctionScan { calls, ordinality }, FUNCTION_ROWS)
            }
            LogicalPlan::ProjectSet { input, calls, .. } => {
                let input = Box::new(self.node(*input)?);
                let rows = input.rows * 10.0;
                (Op::ProjectSet { input, calls }, rows)
            }
            LogicalPlan::Project { input, exprs, .. } => {
                let input = Box::new(self.node(*input)?);
                let rows = input.rows;
                (Op::Project { input, exprs: exprs.into() }, rows)
            }
            LogicalPlan::Join { kind, lateral, left, right, on, .. } => {
                return self.join(kind, lateral, *left, *right, on, fields);
            }
            LogicalPlan::Aggregate(aggregate) => {
                let mut spec = aggregate;
                let input = std::mem::replace(&mut *spec.input, empty());
                let input = Box::new(self.node(input)?);
                let rows = if spec.keys.is_empty() { 1.0 } else { (input.rows / 10.0).max(1.0) };
                (Op::Aggregate { input, spec: Arc::new(spec) }, rows)
            }
            LogicalPlan::Window(window) => {
                let mut spec = window;
                let input = std::mem::replace(&mut *spec.input, empty());
                let input = Box::new(self.node(input)?);
                let rows = input.rows;
                (Op::Window { input, spec: Arc::new(spec) }, rows)
            }
            LogicalPlan::Sort { input, keys } => return self.sort(*input, keys, None),
            LogicalPlan::Limit { input, limit, offset, with_ties } => {
                return self.limit(*input, limit, offset, with_ties);
            }
            LogicalPlan::Distinct { input, on } => {
                let input = Box::new(self.node(*input)?);
                let rows = (input.rows / 2.0).max(1.0);
                (Op::Distinct { input, on }, rows)
            }
            LogicalPlan::SetOp { op, all, left, right, .. } => {
                let (left, right) = (Box::new(self.node(*left)?), Box::new(self.node(*right)?));
                let rows = left.rows + right.rows;
                (Op::SetOp { op, all, left, right }, rows)
            }
            other => self.statement_node(other)?,
        };
        Ok(Node { op, fields, rows })
    }

    /// WITH, row locks and data modification.
    fn statement_node(&self, plan: LogicalPlan) -> Result<(Op, f64)> {
        Ok(match plan {
            LogicalPlan::With { ctes, body } => {
                let ctes = ctes.into_iter().map(|cte| self.cte(cte)).collect::<Result<Vec<_>>>()?;
                let body = Box::new(self.node(*body)?);
                let rows = body.rows;
                (Op::With { ctes, body }, rows)
            }
            LogicalPlan::CteScan { id, .. } => (Op::CteScan { id }, FUNCTION_ROWS),
            LogicalPlan::LockRows { input, targets } => {
                let input = Box::new(self.node(*input)?);
                let rows = input.rows;
                (Op::LockRows { input, targets }, rows)
            }
            LogicalPlan::Modify(modify) => {
                let mut spec = *modify;
                let input = match &mut spec.action {
                    ModifyAction::Insert { input, .. }
                    | ModifyAction::Update { input, .. }
                    | ModifyAction::Delete { input, .. } => std::mem::replace(input, empty()),
                };
                let input = Arc::new(self.node(input)?);
                let rows = input.rows;
                (Op::Modify { input, spec: Arc::new(spec) }, rows)
            }
            _ => panic!("handled by node"),
        })
    }

    fn cte(&self, cte: crate::sql::logical::Cte) -> Result<CteNode> {
        let modifies = matches!(cte.plan, LogicalPlan::Modify(_))
            || matches!(&cte.plan, LogicalPlan::With { body, .. } if matches!(**body, LogicalPlan::Modify(_)));
        let recursive = match cte.recursive {
            Some(term) => Some((Box::new(self.node(term.plan)?), term.union_all)),
            None => None,
        };
        Ok(CteNode { id: cte.id, name: cte.name, plan: self.node(cte.plan)?, recursive, modifies })
    }

    fn filter(&self, input: LogicalPlan, predicate: Expr) -> Result<Node> {
        if let LogicalPlan::Scan(scan) = input {
            let mut conditions = Vec::new();
            crate::sql::walk::conjuncts(predicate, &mut conditions);
            return Ok(self.scan(scan, conditions));
        }
        let input = Box::new(self.node(input)?);
        let (fields, rows) = (input.fields.clone(), (input.rows * SELECTIVITY).max(1.0));
        Ok(Node { op: Op::Filter { input, predicate: Arc::new(predicate) }, fields, rows })
    }

    fn limit(&self, input: LogicalPlan, limit: Option<Expr>, offset: Option<Expr>, with_ties: bool) -> Result<Node> {
        let (node, ties) = match input {
            LogicalPlan::Sort { input, keys } => {
                let ties = with_ties.then(|| keys.clone());
                let top = match &limit {
                    Some(limit) if !with_ties => Some(TopRows { limit: limit.clone(), offset: offset.clone() }),
                    _ => None,
                };
                (self.sort(*input, keys, top)?, ties)
            }
            other => (self.node(other)?, None),
        };
        let rows = match &limit {
            Some(Expr::Const(Datum::Int8(count), _)) => node.rows.min(*count as f64).max(1.0),
            _ => node.rows,
        };
        let fields = node.fields.clone();
        Ok(Node { op: Op::Limit { input: Box::new(node), limit, offset, ties }, fields, rows })
    }

    fn sort(&self, input: LogicalPlan, keys: Vec<SortKey>, top: Option<TopRows>) -> Result<Node> {
        // An index that has the order makes the sort superfluous; worth it when only the first rows are wanted.
        if top.is_some()
            && let Some(node) = self.ordered_scan(&input, &keys)
        {
            return Ok(node);
        }
        let nearest = top.as_ref().and_then(|top| self.nearest(&input, &keys, top));
        let input = Box::new(self.node(input)?);
        let (fields, rows) = (input.fields.clone(), input.rows);
        let exact = |keys| Node { op: Op::Sort { input, keys, top }, fields, rows };
        Ok(match nearest {
            Some(nearest) => nearest.beside(exact(keys.clone()), keys),
            None => exact(keys),
        })
    }
}

fn empty() -> LogicalPlan {
    LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() }
}

fn table_access(scan: &crate::sql::logical::Scan) -> Arc<TableAccess> {
    Arc::new(TableAccess {
        table: Arc::clone(&scan.table),
        alias: scan.alias.clone(),
        columns: scan.columns.clone(),
        system: scan.system.clone(),
        tag: scan.tag,
    })
}

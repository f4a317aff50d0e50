//! Which scans several threads share.
//!
//! A pass over the finished plan. It puts a Gather over a scan of a large table where the rows are filtered or where an
//! operator takes them all in (grouping, sorting, hashing), and under a Sort that keeps the first rows a partial sort below
//! the Gather too. As in PostgreSQL nothing is shared out in a statement that writes or locks rows, nor where an
//! expression has effects, depends on chance or holds a subquery, nor under a LIMIT that may stop the scan early, nor in
//! what is run again for every row of another input.

use std::sync::Arc;

use crate::sql::eval::is_volatile;
use crate::sql::expr::Expr;
use crate::sql::physical::{CteNode, Node, Op, TopRows};
use crate::sql::walk;

use super::Statistics;

/// Tables with fewer rows are read by one thread: starting another takes as long as reading this.
const ROWS_MIN: f64 = 10_000.0;

/// How the rows of a node are asked for.
#[derive(Clone, Copy)]
struct Demand {
    /// Perhaps only the first ones.
    limited: bool,
    /// By an operator that takes all of them in before it yields any.
    whole: bool,
}

/// Puts Gather nodes into a plan.
pub(super) fn share(mut node: Node, statistics: &dyn Statistics) -> Node {
    let workers = statistics.workers();
    if workers > 0 && !writes(&node) {
        let pass = Pass { statistics, workers };
        pass.node(&mut node, Demand { limited: false, whole: false });
    }
    node
}

/// Whether a plan writes or locks rows.
fn writes(node: &Node) -> bool {
    matches!(node.op, Op::Modify { .. } | Op::LockRows { .. }) || node.op.inputs().into_iter().any(writes)
}

struct Pass<'a> {
    statistics: &'a dyn Statistics,
    workers: usize,
}

impl Pass<'_> {
    fn node(&self, node: &mut Node, demand: Demand) {
        let whole = Demand { limited: false, whole: true };
        if let Op::TableScan { filter, .. } = &node.op {
            if !demand.limited && (demand.whole || filter.is_some()) && self.fits(node) {
                self.gather(node);
            }
            return;
        }
        match &mut node.op {
            Op::Sort { input, keys, top } => {
                let partial = top.as_ref().is_some_and(is_fixed) && keys.iter().all(|key| is_pure(&key.expr));
                if partial && self.fits(input) {
                    let (fields, rows) = (input.fields.clone(), input.rows);
                    let sorted = std::mem::replace(&mut **input, placeholder());
                    let op = Op::Sort { input: Box::new(sorted), keys: keys.clone(), top: top.clone() };
                    **input = Node { op, fields, rows };
                    self.gather(input);
                } else {
                    self.node(input, whole);
                }
            }
            Op::Nearest { exact, vector, .. } => {
                self.node(Arc::make_mut(exact), demand);
                let matching = Arc::make_mut(vector).matching.as_mut();
                // A condition on one table is seldom worth another thread, and its answer is kept.
                matching
                    .filter(|node| !matches!(node.op, Op::TableScan { .. }))
                    .into_iter()
                    .for_each(|node| self.node(node, whole));
            }
            Op::Limit { input, .. } => match input.op {
                Op::Sort { .. } => self.node(input, demand),
                _ => self.node(input, Demand { limited: true, whole: false }),
            },
            Op::Aggregate { input, .. } | Op::Window { input, .. } => self.node(input, whole),
            Op::Filter { input, .. } | Op::Project { input, .. } | Op::ProjectSet { input, .. } => {
                self.node(input, demand)
            }
            Op::Distinct { input, .. } => self.node(input, demand),
            Op::HashJoin { left, right, .. } => {
                self.node(left, demand);
                self.node(right, whole);
            }
            Op::NestedLoop { left, .. } => self.node(left, demand),
            Op::SetOp { left, right, .. } => {
                self.node(left, demand);
                self.node(right, demand);
            }
            Op::With { ctes, body } => {
                let plain = |cte: &&mut CteNode| cte.recursive.is_none();
                ctes.iter_mut().filter(plain).for_each(|cte| self.node(&mut cte.plan, demand));
                self.node(body, demand);
            }
            _ => {}
        }
    }

    /// Whether a plan is a scan of a large table with nothing above it but filters and projections without effects.
    fn fits(&self, node: &Node) -> bool {
        match &node.op {
            Op::TableScan { scan, filter, .. } => {
                self.statistics.row_count(&scan.table) >= ROWS_MIN && filter.as_deref().is_none_or(is_pure)
            }
            Op::Filter { input, predicate } => is_pure(predicate) && self.fits(input),
            Op::Project { input, exprs } => exprs.iter().all(is_pure) && self.fits(input),
            _ => false,
        }
    }

    fn gather(&self, node: &mut Node) {
        let (fields, rows) = (node.fields.clone(), node.rows);
        let input = Box::new(std::mem::replace(node, placeholder()));
        *node = Node { op: Op::Gather { input, workers: self.workers }, fields, rows };
    }
}

fn placeholder() -> Node {
    Node { op: Op::Values { rows: std::sync::Arc::default() }, fields: Vec::new(), rows: 0.0 }
}

/// Whether threads may evaluate an expression beside each other: no effects, no chance, no subquery, no row around it.
fn is_pure(expr: &Expr) -> bool {
    let mut outer = false;
    walk::visit(expr, &mut |node| {
        outer |= matches!(node, Expr::Outer { .. });
        !outer
    });
    !outer && !walk::has_subquery(expr) && !is_volatile(expr)
}

fn is_fixed(top: &TopRows) -> bool {
    is_pure(&top.limit) && top.offset.as_ref().is_none_or(is_pure)
}

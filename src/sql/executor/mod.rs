//! Floor 6: execution: operators that hand batches of rows to each other on demand.
//!
//! [`build`] turns a planned [`Node`] into an [`Operator`]; whoever drives it asks for batches until there are none, so rows
//! stream and nothing more is computed than asked for. Operators poll the cancel flag once a batch. Each statement has one
//! [`Shared`]; a subquery or the right side of a lateral join runs with the rows around it in its [`ExecContext`].
//!
//! * `scan`, `source`: where rows come from. `simple`: one row in, one out. `join`, `aggregate`, `window`, `sort`,
//!   `distinct`, `setop`, `cte`: the rest of the algebra.
//! * `nearest`, `allowed`: rows by a vector index, among those that conditions allow. `parallel`: scans by several threads.
//! * `modify`, `insert`, `lock`, `recheck`: writing rows and locking them. `foreign`, [`deferred`]: constraints checked later.
//! * `subquery`: subqueries in expressions. `explain`: plans as text.
//! * `keys`, `rows`, `spill`: keys of batches, rows that are kept, rows on disk.

mod aggregate;
mod allowed;
pub mod context;
mod cte;
pub mod deferred;
mod distinct;
pub mod explain;
pub mod foreign;
mod insert;
mod join;
mod keys;
mod lock;
mod modify;
pub use modify::finish_row;
mod nearest;
mod nested;
pub mod parallel;
mod recheck;
mod rows;
mod scan;
mod setop;
mod simple;
mod sort;
mod source;
pub mod spill;
mod subquery;
mod window;

pub use context::{ExecContext, Shared, StoredExpressions, SystemRows, TableChecks};
pub use nearest::SearchSettings;
pub use scan::settled;
pub use subquery::Runner;

use std::sync::Arc;

use crate::error::Result;
use crate::sql::physical::{Node, Op};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

/// Rows in a batch.
pub const BATCH_ROWS: usize = 1024;

/// Rows in one of two forms.
pub enum Pulled {
    /// Columns.
    Batch(Batch),
    /// Values, row by row.
    Rows(Vec<Vec<Datum>>),
}

impl Pulled {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.rows,
            Self::Rows(rows) => rows.len(),
        }
    }

    /// The rows as values of these types.
    #[must_use]
    pub fn into_rows(self, types: &[Oid]) -> Vec<Vec<Datum>> {
        match self {
            Self::Batch(batch) => (0..batch.rows).map(|at| batch.row(types, at)).collect(),
            Self::Rows(rows) => rows,
        }
    }
}

/// Something that yields rows.
pub trait Operator: Send {
    /// The next rows; `None` when there are no more. A batch may be empty of rows, which says nothing.
    ///
    /// # Errors
    /// Whatever the computation raises; `57014` when cancelled.
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>>;

    /// The next rows in the form that costs the operator least: a single row is rarely worth columns. What comes is what
    /// [`Operator::next`] would have given, and the two may be called in turn.
    ///
    /// # Errors
    /// As [`Operator::next`].
    fn pull(&mut self, ctx: &ExecContext) -> Result<Option<Pulled>> {
        Ok(self.next(ctx)?.map(Pulled::Batch))
    }

    /// What EXPLAIN ANALYZE says of the work done so far: memory, disk, batches. One line at most.
    fn note(&self) -> Option<String> {
        None
    }
}

/// Makes the operator of a node.
///
/// # Errors
/// When something cannot be opened; most errors come with the rows.
pub fn build(node: &Node, ctx: &ExecContext) -> Result<Box<dyn Operator>> {
    let operator = build_plain(node, ctx)?;
    Ok(match &ctx.shared.meters {
        Some(meters) => Box::new(explain::Metered::new(operator, meters.of(node))),
        None => operator,
    })
}

fn build_plain(node: &Node, ctx: &ExecContext) -> Result<Box<dyn Operator>> {
    let types = || node.types();
    Ok(match &node.op {
        Op::TableScan { scan, filter, range } => scan::table_scan(scan, filter.clone(), range.as_deref(), ctx)?,
        Op::IndexScan { scan, access, filter } => scan::index_scan(scan, access, filter.clone(), ctx)?,
        Op::Nearest { scan, vector, exact, list, rest, .. } => {
            Box::new(nearest::Nearest::new(scan, vector, exact, (list.clone(), rest.clone()), ctx)?)
        }
        Op::Gather { input, workers } => Box::new(parallel::Gather::new(input, *workers, ctx)?),
        Op::SystemScan { relation } => Box::new(source::SystemScan::new(relation, &types())),
        Op::Values { rows } => Box::new(source::Values::new(Arc::clone(rows), types())),
        Op::FunctionScan { calls, ordinality } => {
            Box::new(source::FunctionScan::new(calls.clone(), *ordinality, types()))
        }
        Op::ProjectSet { input, calls } => {
            let input_types = input.types();
            Box::new(source::ProjectSet::new(build(input, ctx)?, calls.clone(), input_types, types()))
        }
        Op::Filter { input, predicate } => Box::new(simple::Filter::new(build(input, ctx)?, Arc::clone(predicate))),
        Op::Project { input, exprs } => Box::new(simple::Project::new(build(input, ctx)?, Arc::clone(exprs))),
        Op::HashJoin { kind, left, right, keys, residual } => {
            Box::new(join::HashJoin::new(*kind, (left, right), keys.clone(), residual.clone(), ctx)?)
        }
        Op::NestedLoop { kind, lateral, left, right, on } => {
            Box::new(nested::NestedLoop::new(*kind, *lateral, (left, right), on.clone(), ctx)?)
        }
        Op::Aggregate { input, spec } => {
            if let Some(count) = source::RowCount::of(input, spec, ctx)? {
                return Ok(Box::new(count));
            }
            Box::new(aggregate::Aggregation::new(build(input, ctx)?, spec.clone(), types()))
        }
        Op::Window { input, spec } => {
            Box::new(window::WindowOperator::new(build(input, ctx)?, spec.clone(), input.types()))
        }
        Op::Sort { input, keys, top } => Box::new(sort::Sort::new(input, keys.clone(), top.clone(), ctx)?),
        Op::Limit { input, limit, offset, ties } => {
            Box::new(simple::Limit::new(build(input, ctx)?, limit.clone(), offset.clone(), ties.clone()))
        }
        Op::Distinct { input, on } => Box::new(distinct::Distinct::new(build(input, ctx)?, on.clone(), &types())),
        Op::SetOp { op, all, left, right } => {
            setop::set_operation(*op, *all, build(left, ctx)?, build(right, ctx)?, types())
        }
        Op::With { ctes, body } => Box::new(cte::With::new(ctes.clone(), body, ctx)?),
        Op::CteScan { id } => Box::new(cte::CteScan::new(*id)),
        Op::LockRows { input, targets } => Box::new(lock::LockRows::new(input, targets.clone(), ctx)?),
        Op::Modify { input, spec } => modify::build(input, spec, ctx)?,
    })
}

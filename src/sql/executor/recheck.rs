//! The second look at a row that changed before it could be locked, as READ COMMITTED demands.
//!
//! The input of the statement is run once more on the statement's own snapshot, with one difference: the scans whose rows are
//! locked yield just the locked rows, as they are now. What comes out is the row as the statement would have found it,
//! or nothing when it no longer qualifies; rows that would only now qualify are not found, and the statement does not see its own
//! changes. PostgreSQL calls this EvalPlanQual (src/backend/executor/README); it keeps the rows of other tables, which
//! are found again here.

use std::sync::Arc;

use crate::error::Result;
use crate::sql::expr::Expr;
use crate::sql::logical::SystemColumn;
use crate::sql::physical::{IndexAccess, Node, Op, TableAccess};
use crate::table::Table;
use crate::txn::RowId;
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::scan::{filtered, specs, table_types, with_system};
use super::{ExecContext, Operator, build};

/// Rows that a scan yields instead of those of its table.
pub(super) type Given = Arc<Vec<(RowId, Vec<Datum>)>>;

/// Runs a plan with the scans of these tags yielding these rows only.
///
/// # Errors
/// Those of the plan.
pub(super) fn look_again(node: &Node, given: &[(usize, Given)], ctx: &ExecContext) -> Result<Vec<Batch>> {
    for (tag, rows) in given {
        ctx.shared.given.lock().insert(*tag, Arc::clone(rows));
    }
    let result = run(node, ctx);
    for (tag, _) in given {
        ctx.shared.given.lock().remove(tag);
    }
    result
}

fn run(node: &Node, ctx: &ExecContext) -> Result<Vec<Batch>> {
    let mut operator = build(node, ctx)?;
    let mut batches = Vec::new();
    while let Some(batch) = operator.next(ctx)? {
        ctx.check()?;
        batches.push(batch);
    }
    Ok(batches)
}

/// The rows given to a scan, if it is one that a second look is about.
pub(super) fn given_to(access: &TableAccess, ctx: &ExecContext) -> Option<Given> {
    let given = ctx.shared.given.lock();
    if given.is_empty() { None } else { given.get(&access.tag).cloned() }
}

/// The scan whose rows a plan below UPDATE or DELETE is about: of this table, with row ids, and not of a locking subquery.
pub(super) fn target_tag(node: &Node, table: Oid) -> Option<usize> {
    match &node.op {
        Op::TableScan { scan, .. } | Op::IndexScan { scan, .. } => {
            (scan.table.oid == table && scan.system.contains(&SystemColumn::RowId)).then_some(scan.tag)
        }
        Op::LockRows { .. } => None,
        op => op.inputs().into_iter().find_map(|input| target_tag(input, table)),
    }
}

/// A scan of given rows.
pub(super) struct GivenScan {
    access: Arc<TableAccess>,
    /// The index whose range the rows must be in.
    index: Option<(Table, Arc<IndexAccess>)>,
    filter: Option<Arc<Expr>>,
    rows: Option<Given>,
}

impl GivenScan {
    pub(super) fn new(
        access: &Arc<TableAccess>,
        index: Option<(Table, Arc<IndexAccess>)>,
        filter: Option<Arc<Expr>>,
        rows: Given,
    ) -> Self {
        Self { access: Arc::clone(access), index, filter, rows: Some(rows) }
    }

    fn in_range(&self, row: &[Datum], ctx: &ExecContext) -> Result<bool> {
        let Some((table, index)) = &self.index else { return Ok(true) };
        let evaluator = ctx.evaluator(&self.access.table);
        for spec in specs(&self.access, index, ctx)? {
            if table.in_range(&evaluator, &spec, row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Operator for GivenScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let Some(rows) = self.rows.take() else { return Ok(None) };
        let all = table_types(&self.access.table);
        let mut types: Vec<Oid> = self.access.columns.iter().map(|at| all[*at]).collect();
        // Row ids and commit timestamps, from which system columns are made.
        let system = !self.access.system.is_empty();
        if system {
            types.extend([Oid::INT8, Oid::INT8]);
        }
        let mut found = Vec::new();
        for (id, row) in &*rows {
            if self.in_range(row, ctx)? {
                let mut values: Vec<Datum> = self.access.columns.iter().map(|at| row[*at].clone()).collect();
                if system {
                    values.extend([Datum::Int8(i64::from(*id)), Datum::Int8(0)]);
                }
                found.push(values);
            }
        }
        let batch = with_system(Batch::from_rows(&types, &found), &self.access);
        let batch = filtered(batch, self.filter.as_deref(), ctx)?;
        Ok((batch.rows > 0).then_some(batch))
    }
}

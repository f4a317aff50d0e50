//! UPDATE and DELETE, and what all writing shares: checks, generated columns, RETURNING, foreign keys.
//!
//! Rows are found by the input plan, which sees the statement's snapshot and none of its changes. A row that another
//! transaction changed since is locked and looked at again as it is now (READ COMMITTED; above it the lock raises 40001). A
//! row that the input has twice is done once. Foreign keys are checked when all rows are written.

use std::sync::Arc;

use crate::bail;
use crate::catalog::descriptor::{ConstraintKind, TableDesc};
use crate::common::RowSet;
use crate::error::{Error, Result};
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::expr::Expr;
use crate::sql::logical::{Modify, ModifyAction, OnConflict};
use crate::sql::physical::Node;
use crate::table::{LockedRow, Table};
use crate::txn::{Strength, Wait};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::foreign::Pending;
use super::insert::InsertRows;
use super::recheck::{look_again, target_tag};
use super::scan::row_ids;
use super::simple::Queue;
use super::{ExecContext, Operator, build as build_node};

/// Makes the operator of a Modify node.
pub(super) fn build(input: &Arc<Node>, spec: &Arc<Modify>, ctx: &ExecContext) -> Result<Box<dyn Operator>> {
    if ctx.shared.txn.read_only() {
        let verb = match spec.action {
            ModifyAction::Insert { .. } => "INSERT",
            ModifyAction::Update { .. } => "UPDATE",
            ModifyAction::Delete { .. } => "DELETE",
        };
        bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {verb} in a read-only transaction");
    }
    let table = ctx.shared.table(&spec.table)?;
    Ok(match &spec.action {
        ModifyAction::Insert { on_conflict, .. } => {
            if let Some(clause) = on_conflict {
                check_arbiters(clause, &spec.table, ctx)?;
            }
            let operator = build_node(input, ctx)?;
            Box::new(InsertRows::new(operator, input.types(), Arc::clone(spec), table))
        }
        ModifyAction::Update { row_id_column, .. } | ModifyAction::Delete { row_id_column, .. } => {
            Box::new(ChangeRows {
                node: Arc::clone(input),
                input: Some(build_node(input, ctx)?),
                types: input.types(),
                row_id_column: *row_id_column,
                table,
                spec: Arc::clone(spec),
                done: RowSet::default(),
                output: Queue::default(),
            })
        }
    })
}

/// A constraint that may be violated for a while does not say who holds a key.
fn check_arbiters(clause: &OnConflict, table: &TableDesc, ctx: &ExecContext) -> Result<()> {
    for constraint in table.constraints.iter().filter(|constraint| constraint.deferrable) {
        let (ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. }) = &constraint.kind else {
            continue;
        };
        if clause.arbiters.is_empty() || clause.arbiters.contains(index) {
            let schema = ctx.shared.names.snapshot.schema_name(table.schema).unwrap_or("public");
            return Err(crate::error!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "ON CONFLICT does not support deferrable unique constraints/exclusion constraints as arbiters"
            )
            .table(schema, &table.name)
            .constraint(&constraint.name));
        }
    }
    Ok(())
}

/// UPDATE and DELETE.
struct ChangeRows {
    node: Arc<Node>,
    input: Option<Box<dyn Operator>>,
    types: Vec<Oid>,
    row_id_column: usize,
    table: Table,
    spec: Arc<Modify>,
    done: RowSet,
    output: Queue,
}

impl ChangeRows {
    fn run(&mut self, mut input: Box<dyn Operator>, ctx: &ExecContext) -> Result<Queue> {
        let mut out = Returned::new(Arc::clone(&self.spec));
        let mut pending = Pending::default();
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            let ids = row_ids(&batch, self.row_id_column);
            for (at, id) in ids.into_iter().enumerate() {
                if !self.done.contains(id) {
                    self.row(id, batch.row(&self.types, at), &mut out, &mut pending, ctx)?;
                }
            }
        }
        pending.settle(ctx)?;
        Ok(out.finish())
    }

    fn row(
        &mut self,
        id: u32,
        mut row: Vec<Datum>,
        out: &mut Returned,
        pending: &mut Pending,
        ctx: &ExecContext,
    ) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        // None deletes.
        let assignments = match &spec.action {
            ModifyAction::Update { assignments, .. } => Some(assignments),
            _ => None,
        };
        let width = spec.table.columns.len();
        let changes_key = match assignments {
            None => true,
            Some(assignments) => touches_key(&self.spec.table, assignments),
        };
        let strength = if changes_key { Strength::Update } else { Strength::NoKeyUpdate };
        let evaluator = ctx.evaluator(&self.spec.table);
        let write = ctx.write(&evaluator);
        let txn = &*ctx.shared.txn;
        match self.table.lock(txn, &write, id, strength, Wait::Block)? {
            LockedRow::Same => {}
            LockedRow::Gone | LockedRow::Skipped | LockedRow::Touched => return Ok(()),
            LockedRow::Changed(values) => match self.again(id, values, ctx)? {
                Some(now) => row = now,
                None => return Ok(()),
            },
        }
        self.done.insert(id);
        let old = row[..width].to_vec();
        match assignments {
            None => {
                self.table.delete(txn, &write, id, &old)?;
                pending.deleted(&self.spec.table, &old, ctx);
                out.add(&row, Some(&old), None, ctx)?;
            }
            Some(assignments) => {
                let mut new = old.clone();
                for (position, expr) in assignments {
                    new[*position] = eval_row(expr, Row::Values(&row), &ctx.eval)?;
                }
                finish_row(&self.spec.table, &self.spec.generated, &self.spec.checks, &mut new, ctx)?;
                self.table.update(txn, &write, id, &old, &new)?;
                pending.updated(&self.spec.table, &old, &new, ctx);
                row.splice(..width, new.iter().cloned());
                out.add(&row, Some(&old), Some(&new), ctx)?;
            }
        }
        Ok(())
    }

    /// The row as the input has it with the newest version, if it still qualifies.
    fn again(&self, id: u32, values: Vec<Datum>, ctx: &ExecContext) -> Result<Option<Vec<Datum>>> {
        let tag = target_tag(&self.node, self.spec.table.oid)
            .ok_or_else(|| Error::internal("a changed row comes from no scan of its table"))?;
        for batch in look_again(&self.node, &[(tag, Arc::new(vec![(id, values)]))], ctx)? {
            if let Some(at) = row_ids(&batch, self.row_id_column).into_iter().position(|found| found == id) {
                return Ok(Some(batch.row(&self.types, at)));
            }
        }
        Ok(None)
    }
}

impl Operator for ChangeRows {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(input) = self.input.take() {
            self.output = self.run(input, ctx)?;
        }
        Ok(self.output.pop())
    }
}

/// Whether an update changes a column that a unique index without expressions or predicate has: such an update excludes
/// sharers of the key.
pub(super) fn touches_key(table: &TableDesc, assignments: &[(usize, Expr)]) -> bool {
    table.indexes.iter().filter(|index| index.unique && index.predicate.is_none()).any(|index| {
        index.keys.iter().any(|key| match key.target {
            crate::catalog::descriptor::IndexTarget::Column(attnum) => {
                table.position_of(attnum).is_some_and(|position| assignments.iter().any(|item| item.0 == position))
            }
            crate::catalog::descriptor::IndexTarget::Expr(_) => true,
        })
    })
}

/// Computes generated columns and checks constraints of a new row.
///
/// # Errors
/// `23514` with the failing row in its detail.
pub fn finish_row(
    table: &TableDesc,
    generated: &[(usize, Expr)],
    checks: &[(String, Expr)],
    row: &mut [Datum],
    ctx: &ExecContext,
) -> Result<()> {
    for (position, expr) in generated {
        row[*position] = eval_row(expr, Row::Values(row), &ctx.eval)?;
    }
    // A missing value is reported before checks are, as PostgreSQL does.
    if !checks.is_empty() {
        crate::table::check_not_null(table, row, &ctx.eval.io())?;
    }
    for (name, check) in checks {
        if eval_row(check, Row::Values(row), &ctx.eval)?.as_bool() == Some(false) {
            let relation = &table.name;
            let schema = ctx.shared.names.snapshot.schema_name(table.schema).unwrap_or("public");
            return Err(crate::error!(
                CHECK_VIOLATION,
                "new row for relation \"{relation}\" violates check constraint \"{name}\""
            )
            .detail(crate::table::failing_row(table, row, &ctx.eval.io()))
            .table(schema, relation)
            .constraint(name));
        }
    }
    Ok(())
}

/// Rows of RETURNING, or without it their number alone.
pub(super) struct Returned {
    spec: Arc<Modify>,
    rows: Vec<Vec<Datum>>,
    count: usize,
    /// The table's width when OLD or NEW are named.
    versions: Option<usize>,
}

impl Returned {
    pub(super) fn new(spec: Arc<Modify>) -> Self {
        let versions = spec.versions.then_some(spec.table.columns.len());
        Self { spec, rows: Vec::new(), count: 0, versions }
    }

    /// A row was written: `row` is what RETURNING sees, `old` and `new` its versions, as far as there are.
    pub(super) fn add(
        &mut self,
        row: &[Datum],
        old: Option<&[Datum]>,
        new: Option<&[Datum]>,
        ctx: &ExecContext,
    ) -> Result<()> {
        self.count += 1;
        let exprs = &self.spec.returning;
        if let Some(width) = self.versions {
            let mut all = row.to_vec();
            for version in [old, new] {
                match version {
                    Some(values) => all.extend_from_slice(values),
                    None => all.resize(all.len() + width, Datum::Null),
                }
            }
            let values = exprs.iter().map(|expr| eval_row(expr, Row::Values(&all), &ctx.eval));
            self.rows.push(values.collect::<Result<Vec<_>>>()?);
        } else if !exprs.is_empty() {
            let values = exprs.iter().map(|expr| eval_row(expr, Row::Values(row), &ctx.eval));
            self.rows.push(values.collect::<Result<Vec<_>>>()?);
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Queue {
        if self.spec.returning.is_empty() {
            let mut queue = Queue::default();
            queue.0.push_back(Batch::new(self.count, Vec::new()));
            return queue;
        }
        let types: Vec<Oid> = self.spec.fields.iter().map(|field| field.ty.oid).collect();
        Queue::of_rows(&types, &self.rows)
    }
}

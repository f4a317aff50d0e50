//! INSERT, with ON CONFLICT.

use std::sync::Arc;

use hashbrown::HashSet;

use crate::bail;
use crate::catalog::descriptor::ConstraintKind;
use crate::error::{Error, Result};
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::logical::{ConflictUpdate, Modify, ModifyAction, OnConflict};
use crate::table::{Conflict, InsertOutcome, LockedRow, Table, WriteContext};
use crate::txn::{RowStore, Strength, Wait};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::foreign::Pending;
use super::modify::{Returned, finish_row};
use super::simple::Queue;
use super::{ExecContext, Operator};

/// INSERT.
pub(super) struct InsertRows {
    input: Option<Box<dyn Operator>>,
    types: Vec<Oid>,
    spec: Arc<Modify>,
    table: Table,
    /// Rows that this command wrote: a second DO UPDATE of one is an error.
    touched: HashSet<u32>,
    output: Queue,
}

impl InsertRows {
    pub(super) fn new(input: Box<dyn Operator>, types: Vec<Oid>, spec: Arc<Modify>, table: Table) -> Self {
        Self { input: Some(input), types, spec, table, touched: HashSet::new(), output: Queue::default() }
    }

    fn run(&mut self, mut input: Box<dyn Operator>, ctx: &ExecContext) -> Result<Queue> {
        let spec = Arc::clone(&self.spec);
        let mut out = Returned::new(Arc::clone(&spec));
        let mut pending = Pending::default();
        let on_conflict = match &spec.action {
            ModifyAction::Insert { on_conflict, .. } => on_conflict.as_ref(),
            _ => None,
        };
        let evaluator = ctx.evaluator(&spec.table);
        let write = ctx.write(&evaluator);
        while let Some(rows) = input.pull(ctx)? {
            ctx.check()?;
            let mut rows = rows.into_rows(&self.types);
            match on_conflict {
                None => self.insert(&mut rows, &write, &mut out, &mut pending, ctx)?,
                Some(conflict) => {
                    for mut row in rows {
                        finish_row(&spec.table, &spec.generated, &spec.checks, &mut row, ctx)?;
                        self.upsert(row, conflict, &mut out, &mut pending, ctx)?;
                    }
                }
            }
        }
        pending.settle(ctx)?;
        Ok(out.finish())
    }

    fn insert(
        &self,
        rows: &mut [Vec<Datum>],
        write: &WriteContext<'_>,
        out: &mut Returned,
        pending: &mut Pending,
        ctx: &ExecContext,
    ) -> Result<()> {
        let (spec, txn) = (&self.spec, &*ctx.shared.txn);
        let (mut finished, mut failure) = (0, None);
        for row in &mut *rows {
            failure = finish_row(&spec.table, &spec.generated, &spec.checks, row, ctx).err();
            if failure.is_some() {
                break;
            }
            finished += 1;
        }
        // What is wrong with a row comes after what is wrong with those before it.
        if let [row] = &rows[..finished] {
            self.table.insert(txn, write, row)?;
        } else {
            self.table.insert_batch(txn, write, &rows[..finished])?;
        }
        failure.map_or(Ok(()), Err)?;
        let refers = spec.table.constraints.iter().any(|item| matches!(item.kind, ConstraintKind::ForeignKey(_)));
        for row in &*rows {
            if refers {
                pending.inserted(&spec.table, row);
            }
            self.give(row, None, out, ctx)?;
        }
        Ok(())
    }

    fn upsert(
        &mut self,
        row: Vec<Datum>,
        on_conflict: &OnConflict,
        out: &mut Returned,
        pending: &mut Pending,
        ctx: &ExecContext,
    ) -> Result<()> {
        let spec = Arc::clone(&self.spec);
        let evaluator = ctx.evaluator(&spec.table);
        let write = ctx.write(&evaluator);
        loop {
            ctx.check()?;
            match self.table.insert_unless_conflict(&*ctx.shared.txn, &write, &row, &on_conflict.arbiters)? {
                InsertOutcome::Inserted(id) => {
                    self.touched.insert(id);
                    pending.inserted(&self.spec.table, &row);
                    return self.give(&row, None, out, ctx);
                }
                InsertOutcome::Conflict(conflict) => match &on_conflict.update {
                    None => return self.check_visible(&conflict, ctx),
                    Some(update) => {
                        if self.update_existing(&conflict, &row, update, out, pending, ctx)? {
                            return Ok(());
                        }
                    }
                },
            }
        }
    }

    /// Adds a row to RETURNING, with `xmax` and `tableoid` behind it; `old` is what was there before.
    fn give(&self, row: &[Datum], old: Option<&[Datum]>, out: &mut Returned, ctx: &ExecContext) -> Result<()> {
        if self.spec.returning.is_empty() {
            return out.add(row, old, Some(row), ctx);
        }
        // PostgreSQL shows the transaction that locked the row before it changed it.
        let xmax = if old.is_some() { ctx.shared.txn.id() as u32 } else { 0 };
        let mut all = Vec::with_capacity(row.len() + 2);
        all.extend_from_slice(row);
        all.extend([Datum::Oid(Oid(xmax)), Datum::Oid(self.spec.table.oid)]);
        out.add(&all, old, Some(row), ctx)
    }

    /// Above READ COMMITTED a conflicting row whose newest version the snapshot does not see is a serialization failure.
    fn check_visible(&self, conflict: &Conflict, ctx: &ExecContext) -> Result<()> {
        if !ctx.keeps_snapshot() || self.touched.contains(&conflict.row) {
            return Ok(());
        }
        let txn = &*ctx.shared.txn;
        let (storage, mut newer) = (self.spec.table.storage, false);
        txn.get_at(&txn.latest_view(), storage, conflict.row, &mut |ts, _| {
            newer = ts > txn.snapshot_ts();
            Ok(())
        })?;
        if newer || self.table.row(txn, conflict.row)?.is_none() {
            bail!(SERIALIZATION_FAILURE, "could not serialize access due to concurrent update");
        }
        Ok(())
    }

    /// DO UPDATE; false when the row went away and the insertion is to be tried again.
    fn update_existing(
        &mut self,
        conflict: &Conflict,
        excluded: &[Datum],
        update: &ConflictUpdate,
        out: &mut Returned,
        pending: &mut Pending,
        ctx: &ExecContext,
    ) -> Result<bool> {
        if self.touched.contains(&conflict.row) {
            return Err(second_time());
        }
        self.check_visible(conflict, ctx)?;
        let spec = Arc::clone(&self.spec);
        let evaluator = ctx.evaluator(&spec.table);
        let write = ctx.write(&evaluator);
        let txn = &*ctx.shared.txn;
        let old = match self.table.lock(txn, &write, conflict.row, Strength::Update, Wait::Block)? {
            LockedRow::Changed(values) => values,
            LockedRow::Touched => return Err(second_time()),
            LockedRow::Same => match self.table.row(txn, conflict.row)? {
                Some(values) => values,
                None => return Ok(false),
            },
            LockedRow::Gone | LockedRow::Skipped => return Ok(false),
        };
        let pair = Row::Pair(&old, excluded);
        if let Some(predicate) = &update.predicate
            && eval_row(predicate, pair, &ctx.eval)?.as_bool() != Some(true)
        {
            return Ok(true);
        }
        let mut new = old.clone();
        for (position, expr) in &update.assignments {
            new[*position] = eval_row(expr, pair, &ctx.eval)?;
        }
        finish_row(&self.spec.table, &self.spec.generated, &self.spec.checks, &mut new, ctx)?;
        self.table.update(txn, &write, conflict.row, &old, &new)?;
        self.touched.insert(conflict.row);
        pending.updated(&self.spec.table, &old, &new, ctx);
        self.give(&new, Some(&old), out, ctx)?;
        Ok(true)
    }
}

fn second_time() -> Error {
    crate::error!(CARDINALITY_VIOLATION, "ON CONFLICT DO UPDATE command cannot affect row a second time")
        .hint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}

impl Operator for InsertRows {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(input) = self.input.take() {
            self.output = self.run(input, ctx)?;
        }
        Ok(self.output.pop())
    }
}

//! SELECT ... FOR UPDATE and its weaker kin.
//!
//! A row that another transaction changed since the snapshot is looked at again as it is now (`recheck`), and given in that
//! form if it still qualifies, where it stood. Above READ COMMITTED such a row is error 40001. A KEY SHARE lock asks only whether the
//! key is the same: a row with its key is given as the snapshot has it.

use std::sync::Arc;

use arrow_array::Array;
use hashbrown::HashMap;

use crate::bail;
use crate::catalog::descriptor::{IndexTarget, TableDesc};
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{LockStrength, LockWait};
use crate::sql::logical::LockTarget;
use crate::sql::physical::Node;
use crate::table::LockedRow;
use crate::txn::{Strength, Wait};
use crate::types::column::Batch;
use crate::types::{Datum, compare};

use super::recheck::{Given, look_again};
use super::scan::row_ids;
use super::{ExecContext, Operator, build};

/// Locks the rows that pass through.
pub(super) struct LockRows {
    node: Node,
    input: Box<dyn Operator>,
    targets: Vec<LockTarget>,
    /// How often a combination of rows has been looked at again: a join may have it several times.
    again: HashMap<Vec<u32>, usize>,
    current: Option<(Batch, usize)>,
}

enum Verdict {
    Give,
    Leave,
    /// The rows of each target as they are now.
    Again(Vec<(usize, Given)>),
}

impl LockRows {
    pub(super) fn new(input: &Node, targets: Vec<LockTarget>, ctx: &ExecContext) -> Result<Self> {
        if ctx.shared.txn.read_only()
            && let Some(target) = targets.first()
        {
            let what = match target.strength {
                LockStrength::KeyShare => "KEY SHARE",
                LockStrength::Share => "SHARE",
                LockStrength::NoKeyUpdate => "NO KEY UPDATE",
                LockStrength::Update => "UPDATE",
            };
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute SELECT FOR {what} in a read-only transaction");
        }
        Ok(Self { node: input.clone(), input: build(input, ctx)?, targets, again: HashMap::new(), current: None })
    }

    fn lock(&self, ids: &[u32], ctx: &ExecContext) -> Result<Verdict> {
        let mut changed: Vec<Option<Vec<Datum>>> = vec![None; ids.len()];
        for ((target, id), changed) in self.targets.iter().zip(ids).zip(&mut changed) {
            // The nullable side of an outer join has no row.
            if *id == 0 {
                continue;
            }
            match lock_one(target, *id, ctx)? {
                LockedRow::Same | LockedRow::Touched => {}
                LockedRow::Gone | LockedRow::Skipped => return Ok(Verdict::Leave),
                LockedRow::Changed(values) => *changed = Some(values),
            }
        }
        if changed.iter().all(Option::is_none) {
            return Ok(Verdict::Give);
        }
        let mut given = Vec::with_capacity(ids.len());
        for ((target, id), changed) in self.targets.iter().zip(ids).zip(changed) {
            let now = match changed {
                Some(values) => Some(values),
                None if *id == 0 => None,
                None => ctx.shared.table(&target.table)?.row(&*ctx.shared.txn, *id)?,
            };
            given.push((target.tag, Arc::new(now.map(|values| (*id, values)).into_iter().collect())));
        }
        Ok(Verdict::Again(given))
    }

    fn ids(&self, batch: &Batch, row: usize) -> Vec<u32> {
        let one = batch.slice(row, 1);
        let id = |target: &LockTarget| match one.columns[target.row_id_column].is_null(0) {
            true => 0,
            false => row_ids(&one, target.row_id_column)[0],
        };
        self.targets.iter().map(id).collect()
    }

    /// The row with these row ids as the input has it with the given rows.
    fn look(&mut self, ids: Vec<u32>, given: &[(usize, Given)], ctx: &ExecContext) -> Result<Option<Batch>> {
        let seen = self.again.entry(ids.clone()).or_default();
        let mut before = *seen;
        *seen += 1;
        for batch in look_again(&self.node, given, ctx)? {
            for row in 0..batch.rows {
                if self.ids(&batch, row) != ids {
                    continue;
                }
                if before == 0 {
                    return Ok(Some(batch.slice(row, 1)));
                }
                before -= 1;
            }
        }
        Ok(None)
    }
}

/// Locks a row; one that is only new outside its key is the same for KEY SHARE.
fn lock_one(target: &LockTarget, id: u32, ctx: &ExecContext) -> Result<LockedRow> {
    let table = ctx.shared.table(&target.table)?;
    let strength = match target.strength {
        LockStrength::KeyShare => Strength::KeyShare,
        LockStrength::Share => Strength::Share,
        LockStrength::NoKeyUpdate => Strength::NoKeyUpdate,
        LockStrength::Update => Strength::Update,
    };
    let wait = match target.wait {
        LockWait::Block => Wait::Block,
        LockWait::NoWait => Wait::NoWait,
        LockWait::SkipLocked => Wait::Skip,
    };
    let evaluator = ctx.evaluator(&target.table);
    let txn = &*ctx.shared.txn;
    let locked = table
        .lock(txn, &ctx.write(&evaluator), id, strength, wait)
        .map_err(|error| if error.sqlstate() == SqlState::SERIALIZATION_FAILURE { changed_since() } else { error })?;
    if strength != Strength::KeyShare {
        return Ok(locked);
    }
    match locked {
        LockedRow::Changed(values)
            if table.row(txn, id)?.is_some_and(|before| same_key(&target.table, &before, &values)) =>
        {
            Ok(LockedRow::Same)
        }
        LockedRow::Changed(_) | LockedRow::Gone if ctx.keeps_snapshot() => Err(changed_since()),
        other => Ok(other),
    }
}

/// PostgreSQL says "update" also of a deleted row when it is locked.
fn changed_since() -> Error {
    crate::error!(SERIALIZATION_FAILURE, "could not serialize access due to concurrent update")
}

/// Whether two versions of a row have the same values in the columns that foreign keys may refer to.
fn same_key(table: &TableDesc, left: &[Datum], right: &[Datum]) -> bool {
    let unique = table.indexes.iter().filter(|index| index.unique && index.predicate.is_none());
    unique.flat_map(|index| &index.keys).all(|key| match key.target {
        IndexTarget::Column(attnum) => table.position_of(attnum).is_some_and(|at| {
            let (left, right) = (&left[at], &right[at]);
            left.is_null() == right.is_null() && (left.is_null() || compare::equal(left, right))
        }),
        IndexTarget::Expr(_) => false,
    })
}

impl Operator for LockRows {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        loop {
            ctx.check()?;
            let Some((batch, row)) = self.current.take() else {
                match self.input.next(ctx)? {
                    Some(batch) => self.current = Some((batch, 0)),
                    None => return Ok(None),
                }
                continue;
            };
            if row >= batch.rows {
                continue;
            }
            let ids = self.ids(&batch, row);
            let one = batch.slice(row, 1);
            self.current = Some((batch, row + 1));
            match self.lock(&ids, ctx)? {
                Verdict::Give => return Ok(Some(one)),
                Verdict::Leave => {}
                Verdict::Again(given) => {
                    if let Some(now) = self.look(ids, &given, ctx)? {
                        return Ok(Some(now));
                    }
                }
            }
        }
    }
}

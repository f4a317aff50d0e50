//! SELECT ... FOR UPDATE and its weaker kin.
//!
//! A row that another transaction changed since the snapshot is looked at again: the input is run anew with a fresh
//! snapshot, rows that were already handed out are left out, and the row comes again if it still qualifies. Above READ
//! COMMITTED such a row is error 40001, raised by the lock itself.

use hashbrown::HashSet;

use crate::error::Result;
use crate::sql::ast::{LockStrength, LockWait};
use crate::sql::logical::LockTarget;
use crate::sql::physical::Node;
use crate::table::LockedRow;
use crate::txn::{Strength, Wait};
use crate::types::column::Batch;

use super::scan::row_ids;
use super::{ExecContext, Operator, build};

/// Locks the rows that pass through.
pub(super) struct LockRows {
    node: Node,
    input: Box<dyn Operator>,
    targets: Vec<LockTarget>,
    given: HashSet<Vec<u32>>,
    current: Option<(Batch, usize)>,
}

enum Verdict {
    Give,
    Leave,
    Again,
}

impl LockRows {
    pub(super) fn new(input: &Node, targets: Vec<LockTarget>, ctx: &ExecContext) -> Result<Self> {
        Ok(Self { node: input.clone(), input: build(input, ctx)?, targets, given: HashSet::new(), current: None })
    }

    fn lock(&self, ids: &[u32], ctx: &ExecContext) -> Result<Verdict> {
        for (target, id) in self.targets.iter().zip(ids) {
            // The nullable side of an outer join has no row.
            if *id == 0 {
                continue;
            }
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
            match table.lock(&*ctx.shared.txn, &ctx.write(&evaluator), *id, strength, wait)? {
                LockedRow::Same | LockedRow::Touched => {}
                LockedRow::Gone | LockedRow::Skipped => return Ok(Verdict::Leave),
                LockedRow::Changed(_) => return Ok(Verdict::Again),
            }
        }
        Ok(Verdict::Give)
    }
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
            let ids: Vec<u32> = self
                .targets
                .iter()
                .map(|target| {
                    let one = batch.slice(row, 1);
                    if arrow_array::Array::is_null(&one.columns[target.row_id_column], 0) {
                        0
                    } else {
                        row_ids(&one, target.row_id_column)[0]
                    }
                })
                .collect();
            let one = batch.slice(row, 1);
            self.current = Some((batch, row + 1));
            if self.given.contains(&ids) {
                continue;
            }
            match self.lock(&ids, ctx)? {
                Verdict::Give => {
                    self.given.insert(ids);
                    return Ok(Some(one));
                }
                Verdict::Leave => {}
                Verdict::Again => {
                    ctx.shared.txn.begin_statement();
                    self.input = build(&self.node, ctx)?;
                    self.current = None;
                }
            }
        }
    }
}

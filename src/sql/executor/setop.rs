//! UNION, INTERSECT, EXCEPT over whole rows.
//!
//! UNION is both sides one after the other, and DISTINCT unless ALL is said. For the others the rows of the right side are
//! numbered by key and counted; each left row then asks how many equal ones are left. The same table remembers left rows that
//! were let through, so that each comes once unless ALL is said. When the table passes its share of memory it stops growing;
//! rows of both sides whose keys are not in it go to disk by hash, and each pair of files is treated as the inputs were.

use std::collections::VecDeque;

use arrow_array::BooleanArray;

use crate::error::Result;
use crate::sql::logical::SetOp;
use crate::types::Oid;
use crate::types::column::Batch;

use super::distinct::{Distinct, hash_note};
use super::keys::{KeyShape, KeyTable, NO_ENTRY};
use super::spill::{LEVELS_MAX, Partitions, SpillFile};
use super::{ExecContext, Operator};

/// Makes the operator of a set operation.
pub(super) fn set_operation(
    op: SetOp,
    all: bool,
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    types: Vec<Oid>,
) -> Box<dyn Operator> {
    let append = |left, right| Box::new(Append { parts: VecDeque::from([left, right]) });
    match (op, all) {
        (SetOp::Union, true) => append(left, right),
        (SetOp::Union, false) => Box::new(Distinct::new(append(left, right), None, &types)),
        _ => Box::new(Matching::new(op == SetOp::Intersect, all, left, right, types, 0)),
    }
}

/// Inputs one after the other.
struct Append {
    parts: VecDeque<Box<dyn Operator>>,
}

impl Operator for Append {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        ctx.check()?;
        while let Some(part) = self.parts.front_mut() {
            if let Some(batch) = part.next(ctx)? {
                return Ok(Some(batch));
            }
            self.parts.pop_front();
        }
        Ok(None)
    }
}

/// A side of a pair of files: there may be no rows.
type Side = Option<SpillFile>;

/// INTERSECT and EXCEPT.
struct Matching {
    intersect: bool,
    all: bool,
    left: Box<dyn Operator>,
    right: Option<Box<dyn Operator>>,
    types: Vec<Oid>,
    shape: KeyShape,
    table: KeyTable,
    /// Copies of each entry on the right that no left row took.
    counts: Vec<u64>,
    /// Entries that a left row has asked for.
    seen: Vec<bool>,
    /// How often the inputs were divided already.
    level: u32,
    /// Rows of the left and the right side whose keys are not in the table.
    overflow: Option<(Partitions, Partitions)>,
    waiting: VecDeque<(Side, Side)>,
    current: Option<Box<Matching>>,
    batches: usize,
    disk: u64,
}

impl Matching {
    fn new(
        intersect: bool,
        all: bool,
        left: Box<dyn Operator>,
        right: Box<dyn Operator>,
        types: Vec<Oid>,
        level: u32,
    ) -> Self {
        Self {
            intersect,
            all,
            left,
            right: Some(right),
            shape: KeyShape::of_types(types.iter().copied()),
            types,
            table: KeyTable::default(),
            counts: Vec::new(),
            seen: Vec::new(),
            level,
            overflow: None,
            waiting: VecDeque::new(),
            current: None,
            batches: 1,
            disk: 0,
        }
    }

    /// The entries of a batch's rows; rows that have none go to disk.
    fn entries(&mut self, batch: &Batch, is_left: bool, ctx: &ExecContext) -> Result<Vec<u32>> {
        let keys = self.shape.encode(&batch.columns, batch.rows);
        let hashes = self.table.hashes(&keys);
        if let Some((left, right)) = &mut self.overflow {
            let entries = self.table.find(&keys, &hashes);
            let unknown: Vec<u32> = (0..).zip(&entries).filter(|row| *row.1 == NO_ENTRY).map(|row| row.0).collect();
            let hashes: Vec<u64> = unknown.iter().map(|row| hashes[*row as usize]).collect();
            let side = if is_left { left } else { right };
            side.write(&batch.take(&unknown), &hashes, &ctx.shared.spill)?;
            return Ok(entries);
        }
        let entries = self.table.insert(&keys, &hashes, &mut Vec::new());
        self.counts.resize(self.table.len(), 0);
        self.seen.resize(self.table.len(), false);
        if self.table.memory() + 9 * self.counts.len() > ctx.shared.hash_mem && self.level < LEVELS_MAX {
            self.overflow = Some((Partitions::new(self.level), Partitions::new(self.level)));
        }
        Ok(entries)
    }

    fn count_right(&mut self, ctx: &ExecContext) -> Result<()> {
        let Some(mut right) = self.right.take() else { return Ok(()) };
        while let Some(batch) = right.next(ctx)? {
            ctx.check()?;
            for entry in self.entries(&batch, false, ctx)?.into_iter().filter(|entry| *entry != NO_ENTRY) {
                self.counts[entry as usize] += 1;
            }
        }
        Ok(())
    }

    /// Whether a left row stays.
    fn keeps(&mut self, entry: u32) -> bool {
        if entry == NO_ENTRY {
            return false;
        }
        let entry = entry as usize;
        if self.all {
            if self.counts[entry] == 0 {
                return !self.intersect;
            }
            self.counts[entry] -= 1;
            return self.intersect;
        }
        let first = !std::mem::replace(&mut self.seen[entry], true);
        first && (self.counts[entry] > 0) == self.intersect
    }

    /// Goes on with a pair of files; false when there is none.
    fn reopen(&mut self) -> bool {
        if let Some((left, right)) = self.overflow.take() {
            self.disk = left.size() + right.size();
            self.waiting.extend(left.into_files().into_iter().zip(right.into_files()));
            self.table = KeyTable::default();
        }
        let reader = |side: Side| -> Box<dyn Operator> {
            match side {
                Some(file) => Box::new(file.reader()),
                None => Box::new(Append { parts: VecDeque::new() }),
            }
        };
        while let Some((left, right)) = self.waiting.pop_front() {
            if left.is_some() && (right.is_some() || !self.intersect) {
                let (left, right) = (reader(left), reader(right));
                let next = Self::new(self.intersect, self.all, left, right, self.types.clone(), self.level + 1);
                self.current = Some(Box::new(next));
                self.batches += 1;
                return true;
            }
        }
        false
    }

    fn next_own(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        self.count_right(ctx)?;
        while let Some(batch) = self.left.next(ctx)? {
            ctx.check()?;
            let entries = self.entries(&batch, true, ctx)?;
            let mask = BooleanArray::from(entries.into_iter().map(|entry| self.keeps(entry)).collect::<Vec<_>>());
            if mask.true_count() > 0 {
                return Ok(Some(batch.filter(&mask)));
            }
        }
        Ok(None)
    }
}

impl Operator for Matching {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        loop {
            let batch = match &mut self.current {
                Some(current) => current.next(ctx)?,
                None => self.next_own(ctx)?,
            };
            if batch.is_some() || !self.reopen() {
                return Ok(batch);
            }
        }
    }

    fn note(&self) -> Option<String> {
        Some(hash_note(self.batches, self.table.memory(), self.disk))
    }
}

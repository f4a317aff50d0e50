//! DISTINCT: the first of equal rows; DISTINCT ON: the first of each run of equal keys.
//!
//! Rows stream through: a row goes on when its key is new. When the table of keys passes its share of memory it stops growing;
//! rows whose keys are not in it go to disk by hash, and each file is then read as the input was.

use arrow_array::BooleanArray;

use crate::error::Result;
use crate::sql::expr::Expr;
use crate::types::Oid;
use crate::types::column::Batch;

use super::keys::{KeyShape, KeyTable, Keys, NO_ENTRY, all_columns, columns_of};
use super::spill::{LEVELS_MAX, Partitions, SpillFile};
use super::{ExecContext, Operator};

/// DISTINCT.
pub(super) struct Distinct {
    input: Box<dyn Operator>,
    exprs: Vec<Expr>,
    shape: KeyShape,
    /// The key of the last row, for DISTINCT ON over sorted input.
    runs: bool,
    last: Option<Keys>,
    seen: KeyTable,
    /// How often the input was divided already.
    level: u32,
    overflow: Option<Partitions>,
    /// Files to be read with their levels.
    waiting: Vec<(SpillFile, u32)>,
    batches: usize,
    disk: u64,
}

impl Distinct {
    pub(super) fn new(input: Box<dyn Operator>, on: Option<Vec<Expr>>, types: &[Oid]) -> Self {
        let runs = on.is_some();
        let exprs = on.unwrap_or_else(|| all_columns(types));
        let shape = KeyShape::of_exprs(&exprs);
        Self {
            input,
            exprs,
            shape,
            runs,
            last: None,
            seen: KeyTable::default(),
            level: 0,
            overflow: None,
            waiting: Vec::new(),
            batches: 1,
            disk: 0,
        }
    }

    /// The rows of a batch that are the first of their kind, as far as that is known now.
    fn first_of_kind(&mut self, batch: &Batch, keys: &Keys, ctx: &ExecContext) -> Result<Batch> {
        let hashes = self.seen.hashes(keys);
        if let Some(overflow) = &mut self.overflow {
            let entries = self.seen.find(keys, &hashes);
            let unknown: Vec<u32> = (0..).zip(entries).filter(|row| row.1 == NO_ENTRY).map(|row| row.0).collect();
            let hashes: Vec<u64> = unknown.iter().map(|row| hashes[*row as usize]).collect();
            overflow.write(&batch.take(&unknown), &hashes, &ctx.shared.spill)?;
            return Ok(batch.take(&[]));
        }
        let mut fresh = Vec::new();
        self.seen.insert(keys, &hashes, &mut fresh);
        if self.seen.memory() > ctx.shared.hash_mem && self.level < LEVELS_MAX {
            self.overflow = Some(Partitions::new(self.level));
        }
        Ok(if fresh.len() == batch.rows { batch.clone() } else { batch.take(&fresh) })
    }

    /// Goes on with a file; false when there is none.
    fn reopen(&mut self) -> bool {
        if let Some(overflow) = self.overflow.take() {
            self.disk = self.disk.max(overflow.size());
            let level = self.level + 1;
            self.waiting.extend(overflow.into_files().into_iter().flatten().map(|file| (file, level)));
        }
        let Some((file, level)) = self.waiting.pop() else { return false };
        self.input = Box::new(file.reader());
        self.seen = KeyTable::default();
        self.level = level;
        self.batches += 1;
        true
    }
}

/// Marks the rows whose keys were not in the table, which has them afterwards.
pub(super) fn unseen(seen: &mut KeyTable, keys: &Keys) -> BooleanArray {
    let hashes = seen.hashes(keys);
    let mut fresh = Vec::new();
    seen.insert(keys, &hashes, &mut fresh);
    let mut keep = vec![false; keys.len()];
    fresh.iter().for_each(|row| keep[*row as usize] = true);
    BooleanArray::from(keep)
}

impl Operator for Distinct {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        loop {
            ctx.check()?;
            let Some(batch) = self.input.next(ctx)? else {
                if !self.reopen() {
                    return Ok(None);
                }
                continue;
            };
            let columns = columns_of(self.exprs.iter(), &batch, ctx)?;
            let keys = self.shape.encode(&columns, batch.rows);
            let batch = if self.runs {
                batch.filter(&BooleanArray::from(keys.starts(&mut self.last)))
            } else {
                self.first_of_kind(&batch, &keys, ctx)?
            };
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
    }

    fn note(&self) -> Option<String> {
        (!self.runs).then(|| hash_note(self.batches, self.seen.memory(), self.disk))
    }
}

/// How EXPLAIN ANALYZE describes an operator that hashes.
pub(super) fn hash_note(batches: usize, memory: usize, disk: u64) -> String {
    let on_disk = if disk > 0 { format!("  Disk Usage: {}kB", disk.div_ceil(1024)) } else { String::new() };
    format!("Batches: {batches}  Memory Usage: {}kB{on_disk}", memory.div_ceil(1024))
}

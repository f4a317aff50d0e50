//! GROUP BY: rows go into groups by the bytes of their keys, and each aggregate keeps a state per group.
//!
//! A batch is taken in column by column: its keys are encoded ([`super::keys`]), each row gets the number of its group, and
//! each aggregate folds its argument columns into its states by those numbers. Groups come out in order of appearance.
//! Aggregates with DISTINCT or ORDER BY see their rows sorted ([`call`]). Grouping sets are computed side by side in one pass.
//!
//! When the groups of a set pass their share of memory no more are made: rows of groups that are there are still folded in,
//! others go to disk by the hash of their keys, and each file is then grouped by itself. What goes to disk are the columns that
//! grouping looks at, so that no expression is evaluated twice.

mod call;

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array};

use crate::error::Result;
use crate::sql::logical::Aggregate;
use crate::types::column::{Batch, ColumnBuilder, constant};
use crate::types::{Datum, Oid};

use super::distinct::hash_note;
use super::keys::{KeyShape, KeyTable, NO_ENTRY, columns_of};
use super::rows::compacted;
use super::simple::Queue;
use super::spill::{LEVELS_MAX, Partitions, SpillFile};
use super::{BATCH_ROWS, ExecContext, Operator};
pub(super) use call::CallInput;
use call::CallState;

/// GROUP BY.
pub(super) struct Aggregation {
    input: Option<Box<dyn Operator>>,
    spec: Arc<Aggregate>,
    types: Vec<Oid>,
    output: Queue,
    /// Rows on disk with their grouping set and how often they were divided already.
    waiting: Vec<(SpillFile, Vec<usize>, u32)>,
    batches: usize,
    memory: usize,
    disk: u64,
}

/// The columns of a batch that grouping looks at.
struct Prepared {
    rows: usize,
    keys: Vec<ArrayRef>,
    calls: Vec<CallInput>,
}

/// One grouping set.
struct GroupSet {
    /// Keys that take part.
    keys: Vec<usize>,
    shape: KeyShape,
    table: KeyTable,
    /// The keys of all groups in order.
    firsts: Vec<Batch>,
    firsts_bytes: usize,
    groups: usize,
    calls: Vec<CallState>,
    level: u32,
    /// Rows of groups that are not in memory.
    overflow: Option<Partitions>,
}

impl Aggregation {
    pub(super) fn new(input: Box<dyn Operator>, spec: Arc<Aggregate>, types: Vec<Oid>) -> Self {
        Self {
            input: Some(input),
            spec,
            types,
            output: Queue::default(),
            waiting: Vec::new(),
            batches: 1,
            memory: 0,
            disk: 0,
        }
    }

    fn run(&mut self, input: &mut dyn Operator, ctx: &ExecContext) -> Result<()> {
        let all: Vec<usize> = (0..self.spec.keys.len()).collect();
        let wanted = if self.spec.sets.is_empty() { vec![all] } else { self.spec.sets.clone() };
        let mut sets = wanted.into_iter().map(|keys| self.open_set(keys, 0)).collect::<Result<Vec<_>>>()?;
        let share = ctx.shared.hash_mem / sets.len().max(1);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            if batch.rows > 0 {
                let prepared = self.prepare(&batch, ctx)?;
                sets.iter_mut().try_for_each(|set| self.add(set, &prepared, share, ctx))?;
            }
        }
        sets.into_iter().try_for_each(|set| self.finish(set, ctx))
    }

    /// Groups the rows of a file.
    fn run_file(&mut self, file: SpillFile, keys: Vec<usize>, level: u32, ctx: &ExecContext) -> Result<()> {
        self.batches += 1;
        let mut set = self.open_set(keys, level)?;
        let mut input = file.reader();
        while let Some(batch) = input.next(ctx)? {
            let prepared = Prepared::from_batch(batch, &self.spec);
            self.add(&mut set, &prepared, ctx.shared.hash_mem, ctx)?;
        }
        self.finish(set, ctx)
    }

    fn prepare(&self, batch: &Batch, ctx: &ExecContext) -> Result<Prepared> {
        let keys = columns_of(self.spec.keys.iter(), batch, ctx)?;
        let calls = self.spec.calls.iter().map(|call| CallInput::of(call, batch, ctx)).collect::<Result<Vec<_>>>()?;
        Ok(Prepared { rows: batch.rows, keys, calls })
    }

    fn open_set(&self, keys: Vec<usize>, level: u32) -> Result<GroupSet> {
        let shape = KeyShape::of_types(keys.iter().map(|at| self.spec.keys[*at].ty().oid));
        let calls =
            self.spec.calls.iter().map(|call| CallState::new(call, keys.is_empty())).collect::<Result<Vec<_>>>()?;
        let mut set = GroupSet {
            keys,
            shape,
            table: KeyTable::default(),
            firsts: Vec::new(),
            firsts_bytes: 0,
            groups: 0,
            calls,
            level,
            overflow: None,
        };
        // Without keys there is one group, rows or not.
        if set.keys.is_empty() {
            let nulls = self.spec.keys.iter().map(|key| constant(&Datum::Null, key.ty().oid, 1)).collect();
            set.add_groups(Batch::new(1, nulls))?;
        }
        Ok(set)
    }

    fn add(&self, set: &mut GroupSet, input: &Prepared, share: usize, ctx: &ExecContext) -> Result<()> {
        if set.keys.is_empty() {
            return self.fold(set, &vec![0; input.rows], input, ctx);
        }
        let columns: Vec<ArrayRef> = set.keys.iter().map(|at| Arc::clone(&input.keys[*at])).collect();
        let keys = set.shape.encode(&columns, input.rows);
        let hashes = set.table.hashes(&keys);
        if let Some(overflow) = &mut set.overflow {
            let groups = set.table.find(&keys, &hashes);
            let (known, unknown): (Vec<u32>, Vec<u32>) =
                (0..).take(input.rows).partition(|row: &u32| groups[*row as usize] != NO_ENTRY);
            let batch = input.to_batch();
            let hashes: Vec<u64> = unknown.iter().map(|row| hashes[*row as usize]).collect();
            overflow.write(&batch.take(&unknown), &hashes, &ctx.shared.spill)?;
            let groups: Vec<u32> = known.iter().map(|row| groups[*row as usize]).collect();
            return self.fold(set, &groups, &Prepared::from_batch(batch.take(&known), &self.spec), ctx);
        }
        let mut fresh = Vec::new();
        let groups = set.table.insert(&keys, &hashes, &mut fresh);
        if !fresh.is_empty() {
            set.add_groups(Batch::new(input.rows, input.keys.clone()).take(&fresh))?;
        }
        self.fold(set, &groups, input, ctx)?;
        if set.memory() > share && set.level < LEVELS_MAX {
            set.overflow = Some(Partitions::new(set.level));
        }
        Ok(())
    }

    fn fold(&self, set: &mut GroupSet, groups: &[u32], input: &Prepared, ctx: &ExecContext) -> Result<()> {
        for ((state, call), input) in set.calls.iter_mut().zip(&self.spec.calls).zip(&input.calls) {
            state.add(call, groups, input, ctx)?;
        }
        Ok(())
    }

    fn finish(&mut self, mut set: GroupSet, ctx: &ExecContext) -> Result<()> {
        self.memory = self.memory.max(set.memory());
        if let Some(overflow) = set.overflow.take() {
            self.disk += overflow.size();
            let level = set.level + 1;
            let files = overflow.into_files().into_iter().flatten();
            self.waiting.extend(files.map(|file| (file, set.keys.clone(), level)));
        }
        for (state, call) in set.calls.iter_mut().zip(&self.spec.calls) {
            state.finish(call, ctx)?;
        }
        let mut group = 0;
        for keys in whole_batches(std::mem::take(&mut set.firsts)) {
            ctx.check()?;
            let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.types.len());
            for (at, column) in keys.columns.into_iter().enumerate() {
                let oid = self.spec.keys[at].ty().oid;
                let grouped = set.keys.contains(&at);
                columns.push(if grouped { column } else { constant(&Datum::Null, oid, keys.rows) });
            }
            for state in &set.calls {
                let mut builder = ColumnBuilder::new(self.types[columns.len()], keys.rows);
                for at in group..group + keys.rows {
                    builder.push(&state.result(at, ctx)?);
                }
                columns.push(builder.finish());
            }
            for wanted in &self.spec.grouping_calls {
                let bits =
                    wanted.iter().fold(0_i32, |bits, column| (bits << 1) | i32::from(!set.keys.contains(column)));
                columns.push(Arc::new(Int32Array::from(vec![bits; keys.rows])));
            }
            group += keys.rows;
            self.output.0.push_back(Batch::new(keys.rows, columns));
        }
        Ok(())
    }
}

impl Prepared {
    /// All columns, to be written.
    fn to_batch(&self) -> Batch {
        let calls = self.calls.iter().flat_map(CallInput::columns);
        Batch::new(self.rows, self.keys.iter().cloned().chain(calls).collect())
    }

    /// The inverse of [`Prepared::to_batch`].
    fn from_batch(batch: Batch, spec: &Aggregate) -> Self {
        let mut columns = batch.columns.into_iter();
        let keys = columns.by_ref().take(spec.keys.len()).collect();
        let calls = spec.calls.iter().map(|call| CallInput::from_columns(call, &mut columns)).collect();
        Self { rows: batch.rows, keys, calls }
    }
}

/// The same rows in batches of a useful size.
fn whole_batches(batches: Vec<Batch>) -> Vec<Batch> {
    let (mut whole, mut parts, mut rows) = (Vec::new(), Vec::new(), 0);
    for batch in batches {
        if rows + batch.rows > BATCH_ROWS && rows > 0 {
            whole.push(Batch::concat(&parts));
            parts.clear();
            rows = 0;
        }
        rows += batch.rows;
        parts.push(batch);
    }
    if rows > 0 {
        whole.push(Batch::concat(&parts));
    }
    whole
}

impl GroupSet {
    /// Makes groups with these keys.
    fn add_groups(&mut self, keys: Batch) -> Result<()> {
        self.groups += keys.rows;
        let (keys, bytes) = compacted(keys);
        self.firsts.push(keys);
        self.firsts_bytes += bytes;
        self.calls.iter_mut().try_for_each(|state| state.resize(self.groups))
    }

    /// Bytes held.
    fn memory(&mut self) -> usize {
        self.table.memory() + self.firsts_bytes + self.calls.iter_mut().map(CallState::memory).sum::<usize>()
    }
}

impl Operator for Aggregation {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.run(&mut *input, ctx)?;
        }
        loop {
            if let Some(batch) = self.output.pop() {
                return Ok(Some(batch));
            }
            let Some((file, keys, level)) = self.waiting.pop() else { return Ok(None) };
            self.run_file(file, keys, level, ctx)?;
        }
    }

    fn note(&self) -> Option<String> {
        (!self.spec.keys.is_empty()).then(|| hash_note(self.batches, self.memory, self.disk))
    }
}

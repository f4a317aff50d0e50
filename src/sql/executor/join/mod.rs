//! Hash joins: the right side in a table by key bytes, the left side probing it batch by batch.
//!
//! The rows of the right side lie in one batch, and beside it their numbers grouped by key ([`table`]):
//!
//! ```text
//!   right rows   0:7  1:9  2:7  3:NULL      entries  7 -> 0, 9 -> 1
//!   rows         0 2 | 1                    starts   0, 2, 3
//! ```
//!
//! NULL keys match nothing unless the join says otherwise. A residual condition decides among rows whose keys match. Right
//! and full joins remember which right rows were matched and add the others at the end.
//!
//! When the right side passes its share of memory, both sides go to disk by the hash of their keys and each pair of files is
//! joined by itself, dividing further if need be. Rows of one key cannot be divided: they are joined in memory at last.

mod table;

use std::collections::VecDeque;

use arrow_array::{ArrayRef, BooleanArray, UInt32Array};

use crate::error::Result;
use crate::sql::eval::eval_mask;
use crate::sql::expr::Expr;
use crate::sql::logical::JoinKind;
use crate::sql::physical::{JoinKey, Node};
use crate::types::Oid;
use crate::types::column::Batch;

use super::keys::{KeyShape, KeyTable, NO_ENTRY, columns_of};
use super::rows::{Coalesced, compacted, held};
use super::spill::{LEVELS_MAX, Partitions, SpillFile};
use super::{BATCH_ROWS, ExecContext, Operator, build};
use table::Table;

/// No row: a place that is filled with NULLs.
const NO_ROW: u32 = u32::MAX;

/// A hash join.
pub(super) struct HashJoin {
    spec: Spec,
    left: Box<dyn Operator>,
    right: Option<Box<dyn Operator>>,
    table: Table,
    pending: VecDeque<Batch>,
    finished_left: bool,
    unmatched_at: usize,
    /// How often the inputs were divided already.
    level: u32,
    /// Pairs of files to be joined, and the join of one.
    waiting: VecDeque<(Option<SpillFile>, Option<SpillFile>)>,
    current: Option<Box<HashJoin>>,
    /// What EXPLAIN ANALYZE tells.
    buckets: usize,
    batches: usize,
    memory: usize,
}

/// What the joins of all pairs of files have in common.
#[derive(Clone)]
struct Spec {
    kind: JoinKind,
    keys: Vec<JoinKey>,
    residual: Option<Expr>,
    left_types: Vec<Oid>,
    right_types: Vec<Oid>,
    shapes: (KeyShape, KeyShape),
}

/// No rows.
struct Nothing;

impl Operator for Nothing {
    fn next(&mut self, _: &ExecContext) -> Result<Option<Batch>> {
        Ok(None)
    }
}

impl HashJoin {
    pub(super) fn new(
        kind: JoinKind,
        inputs: (&Node, &Node),
        keys: Vec<JoinKey>,
        residual: Option<Expr>,
        ctx: &ExecContext,
    ) -> Result<Self> {
        let spec = Spec {
            kind,
            shapes: shapes(&keys),
            keys,
            residual,
            left_types: inputs.0.types(),
            right_types: inputs.1.types(),
        };
        Ok(Self::of(spec, build(inputs.0, ctx)?, build(inputs.1, ctx)?, 0))
    }

    fn of(spec: Spec, left: Box<dyn Operator>, right: Box<dyn Operator>, level: u32) -> Self {
        Self {
            spec,
            left,
            right: Some(right),
            table: Table::empty(),
            pending: VecDeque::new(),
            finished_left: false,
            unmatched_at: 0,
            level,
            waiting: VecDeque::new(),
            current: None,
            buckets: 0,
            batches: 1,
            memory: 0,
        }
    }

    fn build_table(&mut self, mut right: Box<dyn Operator>, ctx: &ExecContext) -> Result<()> {
        let (mut batches, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut input = Coalesced::new(&mut *right);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            bytes += held(&batch) + 8 * batch.rows;
            let columns = columns_of(self.spec.keys.iter().map(|key| &key.right), &batch, ctx)?;
            self.table.insert(&self.spec.keys, &self.spec.shapes.1, &columns, batch.rows, &mut entries);
            batches.push(batch);
            if bytes + self.table.keys.memory() > ctx.shared.hash_mem && self.level < LEVELS_MAX {
                return self.divide(batches, input, ctx);
            }
        }
        self.memory = bytes + self.table.keys.memory();
        self.buckets = self.table.keys.len().next_power_of_two().max(1024);
        let rows = if batches.is_empty() { Batch::empty(&self.spec.right_types) } else { Batch::concat(&batches) };
        drop(batches);
        let remember = matches!(self.spec.kind, JoinKind::Right | JoinKind::Full);
        self.table.finish(compacted(rows).0, &entries, remember);
        Ok(())
    }

    /// Writes both sides to disk by hash.
    fn divide(&mut self, read: Vec<Batch>, mut rest: Coalesced<'_>, ctx: &ExecContext) -> Result<()> {
        let hasher = std::mem::replace(&mut self.table, Table::empty()).keys.sibling();
        let (mut left, mut right) = (Partitions::new(self.level), Partitions::new(self.level));
        let write =
            |side: &mut Partitions, batch: &Batch, columns: &[ArrayRef], shape: &KeyShape, hasher: &KeyTable| {
                ctx.check()?;
                let hashes = hasher.hashes(&shape.encode(columns, batch.rows));
                side.write(batch, &hashes, &ctx.shared.spill)
            };
        let (keys, shapes) = (&self.spec.keys, &self.spec.shapes);
        for batch in read {
            let columns = columns_of(keys.iter().map(|key| &key.right), &batch, ctx)?;
            write(&mut right, &batch, &columns, &shapes.1, &hasher)?;
        }
        while let Some(batch) = rest.next(ctx)? {
            let columns = columns_of(keys.iter().map(|key| &key.right), &batch, ctx)?;
            write(&mut right, &batch, &columns, &shapes.1, &hasher)?;
        }
        let mut input = Coalesced::new(&mut *self.left);
        while let Some(batch) = input.next(ctx)? {
            let columns = columns_of(keys.iter().map(|key| &key.left), &batch, ctx)?;
            write(&mut left, &batch, &columns, &shapes.0, &hasher)?;
        }
        self.finished_left = true;
        self.waiting.extend(left.into_files().into_iter().zip(right.into_files()));
        Ok(())
    }

    /// Goes on with a pair of files; false when there is none.
    fn next_pair(&mut self) -> bool {
        if let Some(done) = self.current.take() {
            self.batches += done.batches;
            self.memory = self.memory.max(done.memory);
            self.buckets = self.buckets.max(done.buckets);
        }
        while let Some((left, right)) = self.waiting.pop_front() {
            let useful = match self.spec.kind {
                JoinKind::Inner | JoinKind::Semi => left.is_some() && right.is_some(),
                JoinKind::Left | JoinKind::Anti => left.is_some(),
                JoinKind::Right => right.is_some(),
                JoinKind::Full => true,
            };
            if useful {
                let reader = |file: Option<SpillFile>| -> Box<dyn Operator> {
                    match file {
                        Some(file) => Box::new(file.reader()),
                        None => Box::new(Nothing),
                    }
                };
                let join = Self::of(self.spec.clone(), reader(left), reader(right), self.level + 1);
                self.current = Some(Box::new(join));
                return true;
            }
        }
        false
    }

    fn probe(&mut self, left: &Batch, ctx: &ExecContext) -> Result<()> {
        let columns = columns_of(self.spec.keys.iter().map(|key| &key.left), left, ctx)?;
        let keys = self.spec.shapes.0.encode(&columns, left.rows);
        let entries = self.table.keys.find(&keys, &self.table.keys.hashes(&keys));
        let (mut left_rows, mut right_rows) = (Vec::with_capacity(left.rows), Vec::with_capacity(left.rows));
        for (row, entry) in (0_u32..).zip(entries) {
            if entry != NO_ENTRY {
                let found = self.table.rows_of(entry);
                left_rows.extend(std::iter::repeat_n(row, found.len()));
                right_rows.extend_from_slice(found);
            }
        }
        self.emit(left, left_rows, right_rows, ctx)
    }

    fn emit(
        &mut self,
        left: &Batch,
        mut left_rows: Vec<u32>,
        mut right_rows: Vec<u32>,
        ctx: &ExecContext,
    ) -> Result<()> {
        let right = self.table.rows.clone();
        if let Some(residual) = &self.spec.residual {
            let mut kept: (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
            for (a, b) in left_rows.chunks(BATCH_ROWS).zip(right_rows.chunks(BATCH_ROWS)) {
                ctx.check()?;
                let pair = left.take(a).beside(right.take(b));
                let mask = eval_mask(residual, &pair, &ctx.eval)?;
                for at in mask.values().set_indices() {
                    kept.0.push(a[at]);
                    kept.1.push(b[at]);
                }
            }
            (left_rows, right_rows) = kept;
        }
        if matches!(self.spec.kind, JoinKind::Right | JoinKind::Full) {
            right_rows.iter().for_each(|row| self.table.matched[*row as usize] = true);
        }
        if matches!(self.spec.kind, JoinKind::Semi | JoinKind::Anti) {
            let mut hit = vec![false; left.rows];
            left_rows.iter().for_each(|row| hit[*row as usize] = true);
            let wanted = self.spec.kind == JoinKind::Semi;
            let mask: BooleanArray = hit.iter().map(|found| Some(*found == wanted)).collect();
            self.pending.push_back(left.filter(&mask));
            return Ok(());
        }
        if matches!(self.spec.kind, JoinKind::Left | JoinKind::Full) {
            (left_rows, right_rows) = with_unmatched(left.rows, &left_rows, &right_rows);
        }
        for (a, b) in left_rows.chunks(BATCH_ROWS).zip(right_rows.chunks(BATCH_ROWS)) {
            let left = if is_identity(a, left.rows) { left.clone() } else { left.take(a) };
            self.pending.push_back(left.beside(take_or_null(&right, b, &self.spec.right_types)));
        }
        Ok(())
    }

    /// Right rows that nothing matched, with NULLs on the left.
    fn unmatched(&mut self) -> Option<Batch> {
        if !matches!(self.spec.kind, JoinKind::Right | JoinKind::Full) {
            return None;
        }
        let rows: Vec<u32> = (self.unmatched_at..self.table.matched.len())
            .filter(|row| !self.table.matched[*row])
            .take(BATCH_ROWS)
            .map(|row| u32::try_from(row).expect("row numbers have 32 bits"))
            .collect();
        let last = *rows.last()?;
        self.unmatched_at = last as usize + 1;
        let right = self.table.rows.take(&rows);
        Some(nulls(&self.spec.left_types, rows.len()).beside(right))
    }
}

impl Operator for HashJoin {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(right) = self.right.take() {
            self.build_table(right, ctx)?;
        }
        loop {
            ctx.check()?;
            if let Some(batch) = self.pending.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(current) = &mut self.current {
                match current.next(ctx)? {
                    Some(batch) => return Ok(Some(batch)),
                    None if self.next_pair() => continue,
                    None => return Ok(None),
                }
            }
            if self.finished_left {
                if self.next_pair() {
                    continue;
                }
                return Ok(self.unmatched());
            }
            match self.left.next(ctx)? {
                Some(batch) => self.probe(&batch, ctx)?,
                None => self.finished_left = true,
            }
        }
    }

    fn note(&self) -> Option<String> {
        let memory = self.memory.div_ceil(1024);
        let (buckets, batches) = (self.buckets.max(1), self.batches);
        Some(format!("Buckets: {buckets}  Batches: {batches}  Memory Usage: {memory}kB"))
    }
}

/// How the keys of the two sides are encoded: alike.
fn shapes(keys: &[JoinKey]) -> (KeyShape, KeyShape) {
    let of = |side: fn(&JoinKey) -> &Expr| KeyShape::of_types(keys.iter().map(|key| side(key).ty().oid));
    let (left, right) = (of(|key| &key.left), of(|key| &key.right));
    if left.is_words() && right.is_words() { (left, right) } else { (left.as_bytes(), right.as_bytes()) }
}

/// Whether `rows` are all of `0..count` in order.
fn is_identity(rows: &[u32], count: usize) -> bool {
    rows.len() == count && rows.iter().zip(0_u32..).all(|(row, at)| *row == at)
}

/// Adds left rows without a match, in place.
fn with_unmatched(rows: usize, left: &[u32], right: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut a, mut b) = (Vec::with_capacity(left.len()), Vec::with_capacity(left.len()));
    let mut at = 0;
    for row in 0..u32::try_from(rows).expect("batches are small") {
        let before = at;
        while at < left.len() && left[at] == row {
            a.push(row);
            b.push(right[at]);
            at += 1;
        }
        if at == before {
            a.push(row);
            b.push(NO_ROW);
        }
    }
    (a, b)
}

/// Rows by number; [`NO_ROW`] is a row of NULLs.
pub(super) fn take_or_null(batch: &Batch, rows: &[u32], types: &[Oid]) -> Batch {
    if !rows.contains(&NO_ROW) {
        return batch.take(rows);
    }
    if batch.rows == 0 {
        return nulls(types, rows.len());
    }
    let indices: UInt32Array = rows.iter().map(|row| (*row != NO_ROW).then_some(*row)).collect();
    batch.take_nullable(&indices)
}

/// Rows of NULLs.
pub(super) fn nulls(types: &[Oid], rows: usize) -> Batch {
    let columns =
        types.iter().map(|oid| crate::types::column::constant(&crate::types::Datum::Null, *oid, rows)).collect();
    Batch::new(rows, columns)
}

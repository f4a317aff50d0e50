//! Sorting by encoded keys: the bytes of a key order as its values do, so rows are sorted by comparing bytes.
//!
//! With a row limit only the best rows are kept: a bounded heap over key bytes, with batches compacted now and then, so that
//! `ORDER BY embedding <-> $1 LIMIT 10` over a million rows holds ten. Full sorts stay in memory; a statement that would
//! hold too much is refused with `53200`.

use std::collections::BinaryHeap;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::eval_batch;
use crate::sql::expr::{Expr, SortKey};
use crate::sql::physical::{Node, TopRows};
use crate::types::column::{Batch, datum_at};
use crate::types::{Oid, keycode};

use super::simple::{Queue, row_count};
use super::{BATCH_ROWS, ExecContext, Operator, build};

/// Limits above this are sorted in full: a heap no longer pays.
const TOP_MAX: u64 = 100_000;
/// Candidate rows beyond the wanted ones before a top-k buffer is compacted.
const TOP_SLACK: usize = 4096;

/// The key bytes of each row of a batch.
///
/// # Errors
/// Those of the key expressions.
pub(super) fn encode_keys(keys: &[SortKey], batch: &Batch, _types: &[Oid], ctx: &ExecContext) -> Result<Vec<Vec<u8>>> {
    let mut encoded: Vec<Vec<u8>> = vec![Vec::new(); batch.rows];
    for key in keys {
        let oid = key.expr.ty().oid;
        let column = eval_batch(&key.expr, batch, &ctx.eval)?;
        for (row, out) in encoded.iter_mut().enumerate() {
            keycode::encode_key_typed(oid, &datum_at(&column, oid, row), key.descending, key.nulls_first, out);
        }
    }
    Ok(encoded)
}

/// Key bytes of plain expressions, for grouping and distinctness.
///
/// # Errors
/// Those of the expressions.
pub(super) fn encode_exprs(exprs: &[Expr], batch: &Batch, ctx: &ExecContext) -> Result<Vec<Vec<u8>>> {
    let mut encoded: Vec<Vec<u8>> = vec![Vec::new(); batch.rows];
    for expr in exprs {
        let oid = expr.ty().oid;
        let column = eval_batch(expr, batch, &ctx.eval)?;
        for (row, out) in encoded.iter_mut().enumerate() {
            keycode::encode_key_typed(oid, &datum_at(&column, oid, row), false, false, out);
        }
    }
    Ok(encoded)
}

/// Key bytes of a row with its batch and its place there.
type Place = (Vec<u8>, u32, u32);

/// Sorts its input, or keeps its first rows.
pub(super) struct Sort {
    input: Option<Box<dyn Operator>>,
    keys: Vec<SortKey>,
    top: Option<TopRows>,
    types: Vec<Oid>,
    output: Queue,
}

impl Sort {
    pub(super) fn new(input: &Node, keys: Vec<SortKey>, top: Option<TopRows>, ctx: &ExecContext) -> Result<Self> {
        let types = input.types();
        Ok(Self { input: Some(build(input, ctx)?), keys, top, types, output: Queue::default() })
    }

    fn wanted(&self, ctx: &ExecContext) -> Result<Option<usize>> {
        let Some(top) = &self.top else { return Ok(None) };
        let Some(limit) = row_count(Some(&top.limit), true, ctx)? else { return Ok(None) };
        let offset = row_count(top.offset.as_ref(), false, ctx)?.unwrap_or(0);
        let wanted = limit.saturating_add(offset);
        Ok((wanted <= TOP_MAX).then(|| usize::try_from(wanted).expect("bounded above")))
    }

    fn full(&self, input: &mut dyn Operator, ctx: &ExecContext) -> Result<Queue> {
        let mut batches: Vec<Batch> = Vec::new();
        let mut order: Vec<Place> = Vec::new();
        let mut bytes = 0;
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            bytes += batch.memory_size();
            let number = u32::try_from(batches.len()).expect("fewer than 2^32 batches");
            for (row, key) in encode_keys(&self.keys, &batch, &self.types, ctx)?.into_iter().enumerate() {
                bytes += key.len() + 32;
                order.push((key, number, u32::try_from(row).expect("batches are small")));
            }
            check_memory(bytes, ctx)?;
            batches.push(batch);
        }
        order.sort_unstable();
        Ok(gather(&batches, order.iter().map(|(_, batch, row)| (*batch, *row)), &self.types))
    }

    fn first(&self, input: &mut dyn Operator, wanted: usize, ctx: &ExecContext) -> Result<Queue> {
        let mut top = Top::new(wanted);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            if wanted > 0 {
                let keys = encode_keys(&self.keys, &batch, &self.types, ctx)?;
                top.add(batch, keys);
            }
        }
        Ok(top.finish(&self.types))
    }
}

impl Operator for Sort {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.output = match self.wanted(ctx)? {
                Some(wanted) => self.first(&mut *input, wanted, ctx)?,
                None => self.full(&mut *input, ctx)?,
            };
        }
        Ok(self.output.pop())
    }
}

/// Makes batches of rows picked from batches.
pub(super) fn gather(batches: &[Batch], order: impl Iterator<Item = (u32, u32)>, types: &[Oid]) -> Queue {
    let order: Vec<(u32, u32)> = order.collect();
    let mut queue = Queue::default();
    for chunk in order.chunks(BATCH_ROWS) {
        queue.0.push_back(gather_one(batches, chunk, types));
    }
    queue
}

fn gather_one(batches: &[Batch], order: &[(u32, u32)], types: &[Oid]) -> Batch {
    if types.is_empty() {
        return Batch::new(order.len(), Vec::new());
    }
    if let [only] = batches {
        let rows: Vec<u32> = order.iter().map(|(_, row)| *row).collect();
        return only.take(&rows);
    }
    let places: Vec<(usize, usize)> = order.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
    Batch::interleave(batches, &places)
}

/// The first rows of a stream by key.
struct Top {
    wanted: usize,
    /// The largest of the rows kept is on top.
    heap: BinaryHeap<(Vec<u8>, u32, u32)>,
    batches: Vec<Batch>,
    rows_held: usize,
}

impl Top {
    fn new(wanted: usize) -> Self {
        Self { wanted, heap: BinaryHeap::with_capacity(wanted.min(4096) + 1), batches: Vec::new(), rows_held: 0 }
    }

    fn add(&mut self, batch: Batch, keys: Vec<Vec<u8>>) {
        let number = u32::try_from(self.batches.len()).expect("compacted long before");
        let mut used = false;
        for (row, key) in keys.into_iter().enumerate() {
            if self.heap.len() >= self.wanted && self.heap.peek().is_some_and(|worst| key >= worst.0) {
                continue;
            }
            self.heap.push((key, number, u32::try_from(row).expect("batches are small")));
            if self.heap.len() > self.wanted {
                self.heap.pop();
            }
            used = true;
        }
        if used {
            self.rows_held += batch.rows;
            self.batches.push(batch);
            if self.rows_held > self.wanted + TOP_SLACK {
                self.compact();
            }
        }
    }

    /// Copies the rows that are kept out of their batches, so that the batches can go.
    fn compact(&mut self) {
        let entries: Vec<(Vec<u8>, u32, u32)> = std::mem::take(&mut self.heap).into_vec();
        let places: Vec<(u32, u32)> = entries.iter().map(|(_, batch, row)| (*batch, *row)).collect();
        let width = self.batches.first().map_or(0, |batch| batch.columns.len());
        let kept = gather_one(&self.batches, &places, &vec![Oid::NONE; width]);
        self.rows_held = kept.rows;
        self.batches = vec![kept];
        let renumber = |(at, (key, _, _)): (usize, (Vec<u8>, u32, u32))| (key, 0, u32::try_from(at).expect("bounded"));
        self.heap = entries.into_iter().enumerate().map(renumber).collect();
    }

    fn finish(self, types: &[Oid]) -> Queue {
        let order = self.heap.into_sorted_vec();
        gather(&self.batches, order.into_iter().map(|(_, batch, row)| (batch, row)), types)
    }
}

/// Refuses to hold more than a statement may.
///
/// # Errors
/// `53200`.
pub(super) fn check_memory(bytes: usize, ctx: &ExecContext) -> Result<()> {
    if bytes > ctx.shared.work_mem.saturating_mul(64) {
        bail!(OUT_OF_MEMORY, "out of memory");
    }
    Ok(())
}

//! Window functions: the input sorted by partition and order, then each call over each partition.
//!
//! Sorted rows are handled in blocks of whole partitions: about a batch of rows, or one partition that is larger. A block is
//! columns; each call makes one more.
//!
//! ```text
//!   partition  a a a | b b b b | c        order  1 2 2 | 1 1 3 4 | 7
//!   peers      0 1-2   3-4 5 6   7        frames are ranges of rows, per row
//! ```
//!
//! [`frame`] finds the frame of each row, [`aggregate`] runs aggregates over frames, [`function`] the functions that look at
//! positions.

mod aggregate;
mod frame;
mod function;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::error::Result;
use crate::sql::eval::registry::{self, Body};
use crate::sql::logical::Window;
use crate::types::Oid;
use crate::types::column::Batch;

use super::keys::{KeyShape, Keys, columns_of};
use super::rows::{Coalesced, held};
use super::simple::Queue;
use super::sort::{Sorted, Sorter, check_memory, column_places};
use super::{BATCH_ROWS, ExecContext, Operator};
use frame::Frames;

/// Computes window functions.
pub(super) struct WindowOperator {
    input: Option<Box<dyn Operator>>,
    spec: Arc<Window>,
    partitioned: KeyShape,
    ordered: KeyShape,
    sorted: Option<Sorted>,
    /// Rows of the partition that is not complete yet.
    pending: Vec<Batch>,
    pending_bytes: usize,
    last: Option<Keys>,
    output: Queue,
}

/// Whole partitions.
struct Block {
    rows: Batch,
    partitions: Vec<Range<usize>>,
    /// The peers of each row: rows of its partition with equal order keys.
    peers: Vec<Range<usize>>,
}

impl WindowOperator {
    pub(super) fn new(input: Box<dyn Operator>, spec: Arc<Window>, _types: Vec<Oid>) -> Self {
        Self {
            input: Some(input),
            partitioned: KeyShape::of_exprs(&spec.partition_by),
            ordered: KeyShape::of_order(&spec.order_by),
            spec,
            sorted: None,
            pending: Vec::new(),
            pending_bytes: 0,
            last: None,
            output: Queue::default(),
        }
    }

    fn sort(&self, input: &mut dyn Operator, ctx: &ExecContext) -> Result<Sorted> {
        let exprs = || self.spec.partition_by.iter().chain(self.spec.order_by.iter().map(|key| &key.expr));
        let mut sorter = Sorter::new(self.partitioned.then(&self.ordered), column_places(exprs()));
        let mut input = Coalesced::new(input);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            let columns = columns_of(exprs(), &batch, ctx)?;
            sorter.add(batch, &columns, ctx)?;
        }
        sorter.finish(ctx)
    }

    /// Takes in sorted rows; those before the last partition that begins in them are complete.
    fn take_in(&mut self, batch: Batch, ctx: &ExecContext) -> Result<()> {
        let columns = columns_of(self.spec.partition_by.iter(), &batch, ctx)?;
        let starts = self.partitioned.encode(&columns, batch.rows).starts(&mut self.last);
        let cut = starts.iter().rposition(|start| *start).unwrap_or(0);
        if starts.get(cut) == Some(&true) {
            self.pending.push(batch.slice(0, cut));
            self.complete(ctx)?;
        }
        let rest = batch.slice(cut, batch.rows - cut);
        self.pending_bytes += held(&rest);
        check_memory(self.pending_bytes, ctx)?;
        self.pending.push(rest);
        Ok(())
    }

    /// Computes the calls over the rows that are pending.
    fn complete(&mut self, ctx: &ExecContext) -> Result<()> {
        let rows = Batch::concat(&std::mem::take(&mut self.pending));
        self.pending_bytes = 0;
        if rows.rows == 0 {
            return Ok(());
        }
        let block = self.block(rows, ctx)?;
        let mut frames = Frames::new(&self.spec, &block);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.spec.calls.len());
        for call in &self.spec.calls {
            ctx.check()?;
            let function = registry::function(call.function).expect("the binder chose it from the catalog");
            columns.push(match function.body {
                Body::Aggregate(_) => aggregate::over_frames(call, function, &block, &mut frames, ctx)?,
                _ => function::positional(call, function, &block, &mut frames, ctx)?,
            });
        }
        let mut rows = block.rows;
        rows.columns.extend(columns);
        for at in (0..rows.rows).step_by(BATCH_ROWS) {
            self.output.0.push_back(rows.slice(at, BATCH_ROWS.min(rows.rows - at)));
        }
        Ok(())
    }

    fn block(&self, rows: Batch, ctx: &ExecContext) -> Result<Block> {
        let columns = columns_of(self.spec.partition_by.iter(), &rows, ctx)?;
        let first = self.partitioned.encode(&columns, rows.rows).starts(&mut None);
        let columns = columns_of(self.spec.order_by.iter().map(|key| &key.expr), &rows, ctx)?;
        let differs = self.ordered.encode(&columns, rows.rows).starts(&mut None);
        let partitions = ranges((0..rows.rows).filter(|row| first[*row]), rows.rows);
        let mut peers = Vec::with_capacity(rows.rows);
        for range in ranges((0..rows.rows).filter(|row| first[*row] || differs[*row]), rows.rows) {
            peers.extend(std::iter::repeat_n(range.clone(), range.len()));
        }
        Ok(Block { rows, partitions, peers })
    }
}

/// Neighbouring ranges by where each starts; the last ends at `end`.
fn ranges(starts: impl Iterator<Item = usize>, end: usize) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for start in starts {
        if let Some(last) = ranges.last_mut() {
            last.end = start;
        }
        ranges.push(start..end);
    }
    ranges
}

impl Operator for WindowOperator {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.sorted = Some(self.sort(&mut *input, ctx)?);
        }
        loop {
            if let Some(batch) = self.output.pop() {
                return Ok(Some(batch));
            }
            let Some(sorted) = &mut self.sorted else { return Ok(None) };
            match sorted.next(ctx)? {
                Some(batch) => self.take_in(batch, ctx)?,
                None => {
                    self.sorted = None;
                    self.complete(ctx)?;
                }
            }
        }
    }
}

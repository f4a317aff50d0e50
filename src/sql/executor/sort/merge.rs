//! Merging sorted runs.
//!
//! Each run has one block in memory. The heap holds the next row of each run; of equal keys the earlier run's comes first, so
//! that sorting is stable. When there are more runs than blocks fit in `work_mem`, neighbouring runs are merged to longer ones
//! first.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::error::Result;
use crate::sql::executor::keys::Keys;
use crate::sql::executor::spill::SpillFile;
use crate::sql::executor::{BATCH_ROWS, ExecContext};
use crate::types::column::Batch;

use super::sorter::Layout;

/// Fewest and most runs that are merged at once.
const RUNS: std::ops::RangeInclusive<usize> = 6..=500;
/// Smallest and largest block of a run, in bytes.
const BLOCK: std::ops::RangeInclusive<usize> = (4 << 10)..=(64 << 10);

fn clamp(value: usize, range: &std::ops::RangeInclusive<usize>) -> usize {
    value.clamp(*range.start(), *range.end())
}

fn block_bytes(ctx: &ExecContext) -> usize {
    clamp(ctx.shared.work_mem / 16, &BLOCK)
}

/// Rows in a block when `rows` rows take `bytes`.
pub(super) fn block_rows(bytes: usize, rows: usize, ctx: &ExecContext) -> usize {
    (block_bytes(ctx) / (bytes / rows.max(1)).max(1)).clamp(1, BATCH_ROWS)
}

/// The next row of a run.
struct Head {
    head: u128,
    rest: Vec<u8>,
    run: usize,
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    /// The smallest is the greatest: it stands on top of the heap.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |head: &Self| (head.head, head.run);
        match self.head.cmp(&other.head) {
            Ordering::Equal => other.rest.cmp(&self.rest).then_with(|| key(other).cmp(&key(self))),
            order => order.reverse(),
        }
    }
}

/// Sorted runs behind each other in one file.
pub(super) struct Runs {
    file: SpillFile,
    /// Where each run ends.
    ends: Vec<u64>,
}

impl Runs {
    /// No runs.
    ///
    /// # Errors
    /// Those of making a temporary file.
    pub(super) fn create(ctx: &ExecContext) -> Result<Self> {
        Ok(Self { file: SpillFile::create(&ctx.shared.spill)?, ends: Vec::new() })
    }

    /// Appends a block to the run that was begun last.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn write(&mut self, block: &Batch) -> Result<()> {
        self.file.write(block).map(drop)
    }

    /// Ends a run.
    pub(super) fn end_run(&mut self) {
        self.ends.push(self.file.end());
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }
}

struct RunReader {
    /// Where its next block lies, and where there are no more.
    at: u64,
    end: u64,
    keys: Keys,
    /// The next row in the block and the block's number among those of the output.
    row: usize,
    block: usize,
}

/// Runs that are being merged.
pub(super) struct Merge {
    layout: Layout,
    file: SpillFile,
    runs: Vec<RunReader>,
    heap: BinaryHeap<Head>,
    /// Blocks that the rows of the next output batch come from.
    blocks: Vec<Batch>,
}

impl Merge {
    /// Begins to merge.
    ///
    /// # Errors
    /// Those of temporary files.
    pub(super) fn of(mut runs: Runs, layout: Layout, ctx: &ExecContext) -> Result<Self> {
        let most = clamp(ctx.shared.work_mem / block_bytes(ctx), &RUNS);
        let bytes = usize::try_from(runs.file.size()).unwrap_or(usize::MAX);
        let block = block_rows(bytes, runs.file.rows(), ctx);
        let mut merge = Self { layout, file: runs.file, runs: Vec::new(), heap: BinaryHeap::new(), blocks: Vec::new() };
        while runs.ends.len() > most {
            let mut longer = Runs::create(ctx)?;
            let mut start = 0;
            for ends in runs.ends.chunks(most) {
                merge.open(start, ends)?;
                while let Some(batch) = merge.next_rows(block, ctx)? {
                    longer.write(&batch)?;
                }
                longer.end_run();
                start = *ends.last().expect("chunks are not empty");
            }
            (merge.file, runs.ends) = (longer.file, longer.ends);
        }
        merge.open(0, &runs.ends)?;
        Ok(merge)
    }

    /// Reads the first block of each of the runs that begin at `start` and end at `ends`.
    fn open(&mut self, mut start: u64, ends: &[u64]) -> Result<()> {
        self.runs.clear();
        self.blocks.clear();
        for end in ends {
            let (block, at) = self.file.read(start)?.expect("a run has a block");
            let keys = self.layout.keys(&block);
            self.heap.push(Head { head: keys.head(0), rest: keys.rest(0).to_vec(), run: self.runs.len() });
            self.runs.push(RunReader { at, end: *end, keys, row: 0, block: self.blocks.len() });
            self.blocks.push(block);
            start = *end;
        }
        Ok(())
    }

    /// The next rows.
    ///
    /// # Errors
    /// Those of temporary files.
    pub(super) fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        self.next_rows(BATCH_ROWS, ctx)
    }

    fn next_rows(&mut self, most: usize, ctx: &ExecContext) -> Result<Option<Batch>> {
        ctx.check()?;
        let mut picked: Vec<(usize, usize)> = Vec::with_capacity(most);
        while picked.len() < most {
            let Some(mut top) = self.heap.peek_mut() else { break };
            let run = &mut self.runs[top.run];
            picked.push((run.block, run.row));
            run.row += 1;
            if run.row == run.keys.len() {
                if run.at == run.end {
                    PeekMut::pop(top);
                    continue;
                }
                let (block, at) = self.file.read(run.at)?.expect("the run goes on");
                run.at = at;
                run.keys = self.layout.keys(&block);
                (run.row, run.block) = (0, self.blocks.len());
                self.blocks.push(block);
            }
            top.head = run.keys.head(run.row);
            top.rest.clear();
            top.rest.extend_from_slice(run.keys.rest(run.row));
        }
        if picked.is_empty() {
            return Ok(None);
        }
        let batch = Batch::interleave(&self.blocks, &picked);
        self.forget();
        Ok(Some(batch))
    }

    /// Lets go of blocks that no run reads any more.
    fn forget(&mut self) {
        if self.blocks.len() > 2 * self.runs.len() {
            let blocks = std::mem::take(&mut self.blocks);
            for run in self.runs.iter_mut().filter(|run| run.row < run.keys.len()) {
                let block = blocks[run.block].clone();
                run.block = self.blocks.len();
                self.blocks.push(block);
            }
        }
    }
}

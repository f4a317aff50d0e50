//! Parallel scans: a table cut into ranges of row ids that several threads read, and one place where the rows come
//! together again in the order of the table.
//!
//! ```text
//! pieces   0 1 2 3 4 5 6 7 8 9 ...      ranges of row ids, ascending
//!          | | | | |
//! claimed  x x x x x . . . . .          one counter: whoever is free takes the next piece
//! done     x x . x .                    worker B has finished 3 while A is still at 2
//! handed   x x                          given to the operator above, in order
//! ```
//!
//! The thread that asks for rows works on pieces itself and never waits while there is one to take; the others stay at
//! most a few pieces ahead of what was asked for, so a reader that stops early leaves little done in vain. The rows, and
//! their order, are those of a scan by one thread. All pieces share one view of the transaction. An error of a piece is
//! the statement's error when its turn comes; a cancelled statement stops every thread at its next batch, and dropping
//! the operator waits for them.
//!
//! Under a Sort that keeps the first rows a piece is a large range and its work includes the sort, so what comes together
//! are the best rows of each range (the partial sort of a Gather Merge); the Sort above breaks ties by order of arrival,
//! which is row id order here too. (Morsels: Leis et al., Morsel-Driven Parallelism, SIGMOD 2014.)

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};

use crate::common::{CancelFlag, clock};
use crate::error::{Error, Result};
use crate::sql::physical::{Node, Op, TableAccess};
use crate::table::{RowId, RowIdRange};
use crate::txn::View;
use crate::types::column::Batch;

use super::scan::{narrowed, part_scan, scanned};
use super::{BATCH_ROWS, ExecContext, Operator, build};

/// Row ids of a piece that is read only: whole chunks.
const PIECE_ROWS: u64 = 4096;
/// Pieces with a sort per thread: more than one, so that no thread is left alone with the last one for long.
const SORTED_PER_THREAD: usize = 4;
/// Stack of a worker: that of a session, since expressions are as deep here as there.
const STACK_BYTES: usize = 16 << 20;
/// How often someone who waits looks for a cancel request.
const POLL: Duration = Duration::from_millis(20);

/// Threads of the process that work on pieces now. Processors belong to the process, so this does too: a scan gets
/// helpers only for processors that have no such work.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// Counts its thread as busy.
struct Busy;

impl Busy {
    fn new() -> Self {
        BUSY.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A part of a table for a scan to read, with what it sees.
pub struct Part {
    /// Row ids.
    pub range: RowIdRange,
    /// Shared by all parts.
    pub view: View,
}

type Job = dyn Fn(u32) -> Result<Vec<Batch>> + Send + Sync;

/// What became of a piece; `None` when its thread panicked.
type Outcome = Option<Result<Vec<Batch>>>;

#[derive(Default)]
struct State {
    claimed: u32,
    handed: u32,
    done: HashMap<u32, Outcome>,
    stopped: bool,
}

/// Pieces of work and how far they are.
struct Work {
    job: Box<Job>,
    pieces: u32,
    /// How many pieces may be claimed before the oldest of them is handed on.
    ahead: u32,
    state: Mutex<State>,
    changed: Condvar,
}

/// Runs its input in pieces on several threads and yields their rows in order.
pub(super) struct Gather {
    work: Arc<Work>,
    threads: usize,
    workers: Vec<JoinHandle<()>>,
    queue: VecDeque<Batch>,
    started: bool,
    /// The plan run by this thread alone, since an index has all it reads.
    narrow: Option<Box<dyn Operator>>,
}

impl Work {
    /// The number of a piece to work on now, if there is one within reach.
    fn claim(&self, state: &mut State) -> Option<u32> {
        let open =
            !state.stopped && state.claimed < self.pieces && state.claimed < state.handed.saturating_add(self.ahead);
        open.then(|| {
            state.claimed += 1;
            state.claimed - 1
        })
    }

    fn run(&self, piece: u32) {
        let _busy = Busy::new();
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| (self.job)(piece))).ok();
        self.state.lock().done.insert(piece, outcome);
        self.changed.notify_all();
    }

    /// What a worker does until there is nothing left.
    fn serve(&self) {
        loop {
            let piece = {
                let mut state = self.state.lock();
                loop {
                    if state.stopped || state.claimed >= self.pieces {
                        return;
                    }
                    match self.claim(&mut state) {
                        Some(piece) => break piece,
                        None => self.changed.wait(&mut state),
                    }
                }
            };
            self.run(piece);
        }
    }

    /// The outcome of the next piece, worked on here if nobody has; `None` at the end.
    fn next(&self, cancel: &CancelFlag) -> Result<Option<Vec<Batch>>> {
        loop {
            cancel.check()?;
            let mut state = self.state.lock();
            if state.handed >= self.pieces {
                return Ok(None);
            }
            let next = state.handed;
            if let Some(outcome) = state.done.remove(&next) {
                state.handed += 1;
                self.changed.notify_all();
                return outcome.expect("a worker of a parallel scan panicked").map(Some);
            }
            match self.claim(&mut state) {
                Some(piece) => {
                    drop(state);
                    self.run(piece);
                }
                None => {
                    let _timed_out = self.changed.wait_for(&mut state, POLL);
                }
            }
        }
    }
}

impl Gather {
    /// Prepares to run `input` on up to `workers` threads besides the one that asks for rows.
    ///
    /// # Errors
    /// Those of opening tables.
    pub(super) fn new(input: &Node, workers: usize, ctx: &ExecContext) -> Result<Self> {
        let scan = scanned(input).ok_or_else(|| Error::internal("a parallel plan reads one table"))?;
        let txn = &ctx.shared.txn;
        let table = ctx.shared.table(&scan.table)?;
        // Own writes lie in a buffer behind one lock: no gain.
        let alone = txn.has_written(scan.table.storage);
        let narrow = narrowed(input, ctx)?;
        let threads = if alone || narrow.is_some() { 1 } else { (workers + 1).min(ctx.shared.threads) };
        let view = txn.view();
        let (job, pieces, ahead): (Box<Job>, usize, usize) = if let Op::TableScan { scan, filter, .. } = &input.op {
            let all = table.row_ids(&**txn)?;
            let count = u64::from(all.end).div_ceil(PIECE_ROWS);
            let meter = ctx.shared.meters.as_ref().map(|meters| meters.of(input));
            let (scan, filter, ctx): (Arc<TableAccess>, _, _) = (scan.clone(), filter.clone(), ctx.clone());
            let job = move |piece: u32| {
                let started = clock::monotonic();
                let part = Part { range: piece_range(piece), view: view.clone() };
                let mut operator = part_scan(&scan, filter.clone(), &part, &ctx)?;
                let batches = drain(&mut *operator, &ctx)?;
                if let Some(meter) = &meter {
                    meter.add(batches.iter().map(|batch| batch.rows).sum(), started.elapsed());
                }
                Ok(batches)
            };
            (Box::new(job), usize::try_from(count).unwrap_or(usize::MAX), 2 * threads)
        } else {
            let mut parts = Vec::new();
            for range in table.partitions(&**txn, threads * SORTED_PER_THREAD)? {
                let part = ctx.of_part(Part { range, view: view.clone() });
                parts.push(Mutex::new(Some((build(input, &part)?, part))));
            }
            let pieces = parts.len();
            let job = move |piece: u32| {
                let (mut operator, ctx) = parts[piece as usize].lock().take().expect("a piece is claimed once");
                drain(&mut *operator, &ctx)
            };
            (Box::new(job), pieces, pieces)
        };
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let work = Work {
            job,
            pieces: number(pieces),
            ahead: number(ahead.max(1)),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Ok(Self { work: Arc::new(work), threads, workers: Vec::new(), queue: VecDeque::new(), started: false, narrow })
    }

    /// Starts the workers; without them the work is done all the same.
    fn start(&mut self) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        // One is for the thread that asks.
        let free = processors.saturating_sub(BUSY.load(Ordering::Relaxed) + 1);
        let wanted = self.threads.min(self.work.pieces as usize).saturating_sub(1);
        for _ in 0..wanted.min(free) {
            let work = Arc::clone(&self.work);
            let thread = std::thread::Builder::new().name("scan".to_owned()).stack_size(STACK_BYTES);
            match thread.spawn(move || work.serve()) {
                Ok(worker) => self.workers.push(worker),
                Err(error) => {
                    tracing::warn!(%error, "could not start a thread for a parallel scan");
                    return;
                }
            }
        }
    }
}

impl Operator for Gather {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(narrow) = &mut self.narrow {
            return narrow.next(ctx);
        }
        loop {
            if let Some(batch) = self.queue.pop_front() {
                return Ok(Some(batch));
            }
            self.start();
            match self.work.next(&ctx.eval.cancel)? {
                Some(batches) => self.queue.extend(batches),
                None => return Ok(None),
            }
        }
    }
}

impl Drop for Gather {
    fn drop(&mut self) {
        self.work.state.lock().stopped = true;
        self.work.changed.notify_all();
        for worker in self.workers.drain(..) {
            // It catches the panics of its work.
            let _ended = worker.join();
        }
    }
}

/// The row ids of a piece; the last one may reach beyond the table, where the view sees nothing.
fn piece_range(piece: u32) -> RowIdRange {
    let bound = |piece: u64| RowId::try_from(piece * PIECE_ROWS).unwrap_or(RowId::MAX);
    let piece = u64::from(piece);
    bound(piece).max(1)..bound(piece + 1)
}

/// All rows of an operator, small batches put together.
fn drain(operator: &mut dyn Operator, ctx: &ExecContext) -> Result<Vec<Batch>> {
    let mut batches = Vec::new();
    let mut rows = 0;
    while let Some(batch) = operator.next(ctx)? {
        if batch.rows > 0 {
            rows += batch.rows;
            batches.push(batch);
        }
    }
    if batches.len() > 1 && rows <= BATCH_ROWS {
        return Ok(vec![Batch::concat(&batches)]);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::CancelReason;

    fn work(pieces: u32, job: impl Fn(u32) -> Result<Vec<Batch>> + Send + Sync + 'static) -> Arc<Work> {
        let state = Mutex::default();
        Arc::new(Work { job: Box::new(job), pieces, ahead: 4, state, changed: Condvar::new() })
    }

    /// One batch whose number of rows is the piece's number.
    fn numbered(piece: u32) -> Vec<Batch> {
        vec![Batch::new(piece as usize, Vec::new())]
    }

    /// The numbers of the pieces handed on until the end or an error, with `helpers` threads.
    fn handed(work: &Arc<Work>, helpers: usize, cancel: &CancelFlag) -> (Vec<usize>, Result<()>) {
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| work.serve());
            }
            let mut numbers = Vec::new();
            let outcome = loop {
                match work.next(cancel) {
                    Ok(Some(batches)) => numbers.extend(batches.iter().map(|batch| batch.rows)),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            work.state.lock().stopped = true;
            work.changed.notify_all();
            (numbers, outcome)
        })
    }

    #[test]
    fn pieces_come_in_order_whoever_works_on_them() {
        for helpers in 0..4 {
            let work = work(200, |piece| {
                if piece % 7 == 0 {
                    std::thread::yield_now();
                }
                Ok(numbered(piece))
            });
            let (numbers, outcome) = handed(&work, helpers, &CancelFlag::new());
            assert!(outcome.is_ok());
            assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "{helpers} helpers");
        }
    }

    #[test]
    fn an_error_comes_in_its_turn_and_a_cancel_at_once() {
        for helpers in 0..3 {
            let failing = work(50, |piece| if piece == 20 { Err(Error::internal("bad")) } else { Ok(numbered(piece)) });
            let (numbers, outcome) = handed(&failing, helpers, &CancelFlag::new());
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
            assert_eq!(outcome.unwrap_err().report().message, "bad");
            let cancel = CancelFlag::new();
            cancel.raise(CancelReason::UserRequest);
            let (numbers, outcome) = handed(&work(50, |piece| Ok(numbered(piece))), helpers, &cancel);
            assert_eq!((numbers.len(), outcome.unwrap_err().sqlstate().as_str()), (0, "57014"));
        }
    }

    #[test]
    #[should_panic(expected = "a worker of a parallel scan panicked")]
    fn a_panic_of_a_helper_is_not_lost() {
        let panicking = work(3, |piece| if piece == 1 { panic!("broken") } else { Ok(numbered(piece)) });
        let _never = handed(&panicking, 0, &CancelFlag::new());
    }

    #[test]
    fn pieces_cover_the_row_ids_once() {
        let ranges: Vec<RowIdRange> = (0..3).map(piece_range).collect();
        assert_eq!(ranges, [1..4096, 4096..8192, 8192..12288]);
        assert_eq!(piece_range(u32::MAX), RowId::MAX..RowId::MAX);
    }
}

//! The sequencer: one order for all commits.
//!
//! A committing thread joins a queue with its prepared batch. The first one leads: it takes the queue, checks serializable
//! transactions, gives out timestamps, writes one batch for all, syncs it, and makes the group visible. Whoever comes while it does
//! queues for the next leader (group commit). Writing goes in turn, under the sequencer's lock; syncing does not, so while
//! a small group is being synced a second leader may go on ([`LEADERS`]). What is written and not visible stands in line
//! ([`super::line`]). So commit order, log order and the order of visibility are the same.
//!
//! ```text
//! leader 1   take a | write a | sync ............ | publish a       | take d..g
//! leader 2             take b, c | write b, c | sync ............ | publish b, c
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::error::Result;
use crate::storage::keyspace::{garbage_key, mark_key, pending_key};
use crate::storage::{Cf, WriteBatch};
use crate::txn::commit::Prepared;
use crate::txn::line::{CacheChange, Group, Line};
use crate::txn::manager::TxnManager;
use crate::txn::record;
use crate::txn::serializable::WriteSet;

/// Timestamps that the store is told of at once. After a start the next one is behind them.
const TIMESTAMPS_AHEAD: u64 = if cfg!(test) { 3 } else { 1000 };

/// Groups that are synced side by side.
const LEADERS: usize = 2;
/// Commits of a group beside which nobody else leads: for a large group one write and one sync are worth waiting for.
const SMALL_GROUP: usize = 2;

/// What a committing thread is to do.
enum Turn {
    Waiting,
    Lead,
    Done(Result<u64>),
}

/// A transaction that wants to commit.
pub(super) struct Request {
    work: Mutex<Option<Prepared>>,
    bytes: usize,
    turn: Mutex<Turn>,
    turned: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Request>>,
    leaders: usize,
    /// Whether one of the leaders has not taken the queue yet: it will take what comes until then.
    appointed: bool,
    /// Whether one of them has a group that is not small.
    large: bool,
}

/// Orders commits.
pub(super) struct Sequencer {
    queue: Mutex<Queue>,
    /// The newest timestamp given out. Whoever holds it is alone in changing what is committed.
    pub(super) order: Mutex<u64>,
    /// The timestamp in the store: none above it was given out. Changed by whoever holds `order`.
    logged: AtomicU64,
    /// What is written and not visible. Added to by whoever holds `order`.
    pub(super) line: Mutex<Line>,
    /// Whoever holds it is alone in making groups visible.
    pub(super) publishing: Mutex<()>,
}

impl Sequencer {
    pub(super) fn new(newest: u64) -> Self {
        Self {
            queue: Mutex::default(),
            order: Mutex::new(newest),
            logged: AtomicU64::new(newest),
            line: Mutex::default(),
            publishing: Mutex::default(),
        }
    }
}

impl Request {
    fn new(prepared: Prepared) -> Self {
        Self {
            bytes: prepared.batch.size(),
            work: Mutex::new(Some(prepared)),
            turn: Mutex::new(Turn::Waiting),
            turned: Condvar::new(),
        }
    }

    /// Says what became of the transaction.
    pub(super) fn finish(&self, outcome: Result<u64>) {
        self.tell(Turn::Done(outcome));
    }

    fn tell(&self, turn: Turn) {
        *self.turn.lock() = turn;
        self.turned.notify_one();
    }

    fn wait(&self) -> Turn {
        let mut turn = self.turn.lock();
        while matches!(*turn, Turn::Waiting) {
            self.turned.wait(&mut turn);
        }
        std::mem::replace(&mut *turn, Turn::Waiting)
    }
}

impl Queue {
    /// Makes the first one in the queue a leader, if there may be another.
    fn appoint(&mut self) {
        if !self.appointed
            && !self.large
            && self.leaders < LEADERS
            && let Some(next) = self.waiting.first()
        {
            (self.appointed, self.leaders) = (true, self.leaders + 1);
            next.tell(Turn::Lead);
        }
    }
}

impl TxnManager {
    /// Gives a prepared transaction its place; its timestamp, when it is visible and, unless it does not want that, durable.
    pub(super) fn order(&self, prepared: Prepared) -> Result<u64> {
        let request = Arc::new(Request::new(prepared));
        {
            let mut queue = self.sequencer.queue.lock();
            queue.waiting.push(Arc::clone(&request));
            queue.appoint();
        }
        if let Turn::Done(outcome) = request.wait() {
            return outcome;
        }
        self.lead();
        match request.wait() {
            Turn::Done(outcome) => outcome,
            Turn::Waiting | Turn::Lead => unreachable!("a leader is in the group that it leads"),
        }
    }

    fn lead(&self) {
        let mut order = self.sequencer.order.lock();
        let (requests, large) = self.take_requests();
        let sync = self.write_group(&mut order, requests);
        drop(order);
        if sync {
            self.sync_line();
        }
        {
            let mut queue = self.sequencer.queue.lock();
            queue.leaders -= 1;
            queue.large &= !large;
            queue.appoint();
        }
        self.publish_ready();
    }

    /// Takes what is in the queue, and whether that is many; lets somebody else lead beside a few.
    fn take_requests(&self) -> (Vec<Arc<Request>>, bool) {
        let mut queue = self.sequencer.queue.lock();
        let mut bytes = 0;
        let fits = queue.waiting.iter().take_while(|request| {
            let fits = bytes == 0 || bytes + request.bytes <= self.options.group_bytes_max;
            bytes += request.bytes.max(1);
            fits
        });
        let count = fits.count();
        let large = count > SMALL_GROUP;
        let taken = queue.waiting.drain(..count).collect();
        (queue.appointed, queue.large) = (false, large);
        queue.appoint();
        (taken, large)
    }

    /// Writes a group and puts it in line; whether it waits for a sync.
    fn write_group(&self, newest: &mut u64, requests: Vec<Arc<Request>>) -> bool {
        let mut group = Group::default();
        for request in requests {
            let mut prepared = request.work.lock().take().expect("a request is ordered once");
            match self.validate(&mut prepared, &group) {
                Ok(()) => {
                    *newest += 1;
                    group.add(*newest, prepared, request);
                }
                Err(error) => request.finish(Err(error)),
            }
        }
        if group.is_empty() {
            return false;
        }
        self.write_ordered(&mut group);
        self.counters.groups.fetch_add(1, Ordering::Relaxed);
        let waits = group.sync;
        self.sequencer.line.lock().push(group);
        waits
    }

    /// Whether a serializable transaction may commit behind all that is in line and in its group.
    fn validate(&self, prepared: &mut Prepared, group: &Group) -> Result<()> {
        let Some((reads, snapshot)) = prepared.reads.take() else { return Ok(()) };
        // First the line: what leaves it meanwhile is in the history.
        let mut before: Vec<Arc<WriteSet>> = self.sequencer.line.lock().written_after(snapshot);
        before.extend(group.writes.iter().map(|(_, writes)| Arc::clone(writes)));
        self.snapshots.with_history(|history| history.validate(&reads, snapshot, &before))
    }

    /// Writes a group in one batch, under the sequencer's lock.
    fn write_ordered(&self, group: &mut Group) {
        let (mut batch, cache) = (WriteBatch::default(), self.options.row_cache_bytes > 0);
        for (ts, prepared) in &mut group.commits {
            let bytes = prepared.batch.bytes_mut();
            prepared.stamps.iter().for_each(|at| record::stamp(bytes, *at, *ts));
            for (key, place) in prepared.changed.drain(..) {
                let body = place.filter(|_| cache).map(|place| prepared.batch.bytes()[place].to_vec());
                group.cached.push(CacheChange { key, ts: *ts, body });
            }
            batch.append(std::mem::take(&mut prepared.batch));
            if let Some((txn, _)) = &prepared.early {
                batch.put(Cf::Default, pending_key(*txn), record::encode_early(*ts));
            }
            if let Some(record) = record::encode_garbage(&prepared.garbage) {
                batch.put(Cf::Default, garbage_key(*ts), record);
            }
        }
        if !batch.is_empty() {
            // In the batch of the first commit that needs it, so whatever has a timestamp has the mark before it.
            let newest = group.newest();
            if newest > self.sequencer.logged.load(Ordering::Relaxed) {
                let logged = newest + TIMESTAMPS_AHEAD;
                batch.put(Cf::Default, mark_key("ts"), logged.to_le_bytes());
                self.sequencer.logged.store(logged, Ordering::Relaxed);
            }
            self.kv.write(batch);
        }
    }
}

//! Commit: one order for all.
//!
//! A committing thread prepares its batch and joins a queue. The first one leads: it takes the queue, checks
//! serializable transactions, gives out timestamps, writes one synced batch for all, and then in timestamp order runs the hooks,
//! brings the cache and the counts up to date, and makes the group visible. The next leader is whoever came while it was
//! busy (group commit). So commit order, log order and the order of visibility are the same.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::cache::chunks::ChunkKey;
use crate::cache::rows;
use crate::catalog::descriptor::StorageId;
use crate::common::RowSet;
use crate::error::Result;
use crate::storage::keyspace::{self, garbage_key, mark_key, pending_key};
use crate::storage::{Cf, WriteBatch};
use crate::txn::buffer::{Buffer, CommitHook, KEYS_MAX, TableWrites, body};
use crate::txn::chunks::{CHUNK_ROWS, chunk_of};
use crate::txn::fresh::FreshRows;
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, Garbage, HEADER, TS_AT};
use crate::txn::row_store::RowId;
use crate::txn::serializable::{ReadSet, WriteSet};
use crate::txn::transaction::Transaction;

/// Timestamps that the store is told of at once. After a start the next one is behind them.
const TIMESTAMPS_AHEAD: u64 = if cfg!(test) { 3 } else { 1000 };

/// A transaction ready to be ordered.
#[derive(Default)]
struct Prepared {
    batch: WriteBatch,
    /// Places in `batch` for the timestamp.
    stamps: Vec<usize>,
    /// The transaction's number and rows that are in the store already.
    early: Option<(u64, Vec<(StorageId, RowSet)>)>,
    garbage: Vec<Garbage>,
    writes: WriteSet,
    /// What it read, and its snapshot.
    reads: Option<(ReadSet, u64)>,
    /// Chunks that hold rows of it.
    chunks: Vec<ChunkKey>,
    /// Rows that readers may have cached, and where in `batch` the body of the new version is.
    changed: Vec<(rows::Key, Option<Range<usize>>)>,
    differences: Vec<(StorageId, i64)>,
    /// Tables whose number of rows nobody knows now.
    recount: Vec<StorageId>,
    hooks: Vec<CommitHook>,
    sync: bool,
}

enum Turn {
    Waiting,
    Lead,
    Done(Result<u64>),
}

struct Request {
    work: Mutex<Option<Prepared>>,
    bytes: usize,
    turn: Mutex<Turn>,
    turned: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Request>>,
    led: bool,
}

/// Orders commits.
pub(super) struct Sequencer {
    queue: Mutex<Queue>,
    /// The newest timestamp given out. Whoever holds it is alone in changing what is committed.
    pub(super) order: Mutex<u64>,
    /// The timestamp in the store: none above it was given out. Changed by whoever holds `order`.
    logged: AtomicU64,
}

impl Sequencer {
    pub(super) fn new(newest: u64) -> Self {
        Self { queue: Mutex::default(), order: Mutex::new(newest), logged: AtomicU64::new(newest) }
    }
}

impl Prepared {
    /// Sets a key to a value that has room for the timestamp; where the value is.
    fn put_stamped(&mut self, cf: Cf, key: &[u8], value: &[&[u8]], stamp_at: usize) -> Range<usize> {
        let at = self.batch.put_parts(cf, key, value);
        self.stamps.push(at + stamp_at);
        at..self.batch.size()
    }

    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.early.is_none() && self.garbage.is_empty()
    }

    fn add_table(&mut self, manager: &TxnManager, storage: StorageId, table: &mut TableWrites) -> Result<()> {
        let mut difference = table.difference;
        if !table.ahead.is_empty() {
            self.writes.add_all(storage);
        }
        for range in table.ahead.ranges(CHUNK_ROWS) {
            (chunk_of(range.start)..=chunk_of(range.end - 1)).for_each(|chunk| self.chunks.push((storage.0, chunk)));
        }
        for (_, block) in std::mem::take(&mut table.blocks) {
            difference += block.rows.rows().len() as i64;
            self.add_rows(block.rows);
        }
        for (row, chain) in std::mem::take(&mut table.rows) {
            self.writes.add_row(storage, row);
            self.add_chunk((storage.0, chunk_of(row)));
            let key = keyspace::row_key(storage.0, row);
            match (chain.inserted, chain.last.values) {
                (true, Some(values)) => {
                    difference += 1;
                    let header = record::first_of(&values);
                    self.put_stamped(Cf::Rows, &key, &[&header, body(&values)], TS_AT);
                }
                (true, None) => {}
                (false, values) => {
                    difference -= i64::from(values.is_none());
                    self.supersede(manager, storage, row, &key)?;
                    let place = match &values {
                        Some(values) => Some(self.put_stamped(Cf::Rows, &key, &[values], TS_AT)),
                        None => {
                            self.garbage.push(Garbage::Tombstone { storage, row });
                            self.put_stamped(Cf::Rows, &key, &[&record::row_header(DELETED, &[])], TS_AT);
                            None
                        }
                    };
                    self.changed.push(((storage.0, row), place.map(|place| place.start + HEADER..place.end)));
                }
            }
        }
        if table.recount {
            self.recount.push(storage);
        } else if difference != 0 {
            self.differences.push((storage, difference));
        }
        Ok(())
    }

    fn add_chunk(&mut self, chunk: ChunkKey) {
        if self.chunks.last() != Some(&chunk) {
            self.chunks.push(chunk);
        }
    }

    fn add_rows(&mut self, rows: FreshRows) {
        let (storage, range) = (rows.storage(), rows.rows());
        self.writes.add_rows(storage, range.clone());
        (chunk_of(range.start)..=chunk_of(range.end - 1)).for_each(|chunk| self.add_chunk((storage.0, chunk)));
        let (batch, places) = rows.into_batch();
        let shift = self.batch.append(batch);
        self.stamps.extend(places.map(|at| at + shift + TS_AT));
    }

    /// Moves the version that is to be replaced; nobody else changes the row meanwhile, for this transaction has it locked.
    fn supersede(&mut self, manager: &TxnManager, storage: StorageId, row: RowId, key: &[u8]) -> Result<()> {
        let mut older = None;
        let mut keep = |begin: u64, body: &[u8]| {
            let key = keyspace::version_key(storage.0, row, begin);
            self.put_stamped(Cf::Versions, &key, &[&record::version_header(0, 0), body], 0);
            older = Some(begin);
        };
        // Whoever reads a row to change it leaves it in the cache.
        if let Ok((begin, body)) = manager.cache.get((storage.0, row)) {
            keep(begin, &body);
        } else {
            manager.kv.get_with(Cf::Rows, key, &mut |value| {
                let (head, body) = record::open_row(value)?;
                if !head.is(DELETED)
                    && let Some(begin) = manager.commit_of(head)
                {
                    keep(begin, body);
                }
                Ok(())
            })?;
        }
        if let Some(begin) = older {
            self.garbage.push(Garbage::Version { storage, row, begin });
        }
        Ok(())
    }

    fn add_entries(&mut self, buffer: &mut Buffer) {
        for (index, entries) in std::mem::take(&mut buffer.entries) {
            for (key, write) in entries {
                self.writes.add_key(index, &key);
                if write.retired {
                    self.garbage.push(Garbage::Entry { index, key: key.into() });
                } else {
                    self.put_stamped(Cf::Rows, &keyspace::entry_key_of(index.0, &key), &[&[0; 8]], 0);
                }
            }
        }
        buffer.indexes_ahead.iter().for_each(|index| self.writes.add_all(*index));
        for (index, keys) in std::mem::take(&mut buffer.keys) {
            if keys.len() > KEYS_MAX {
                self.writes.add_all(index);
            }
            keys.iter().for_each(|key| self.writes.add_key(index, key));
        }
    }

    fn add_rest(&mut self, manager: &TxnManager, buffer: &mut Buffer) {
        for (cf, key, value) in std::mem::take(&mut buffer.meta) {
            match value {
                Some(value) => self.batch.put(cf, key, value),
                None => self.batch.delete(cf, key),
            }
        }
        for restart in &buffer.restarts {
            if let Some(state) = manager.sequences.settle(restart.oid) {
                self.batch.put(Cf::Default, keyspace::sequence_key(restart.oid.0), state.encode());
            }
        }
        for storage in std::mem::take(&mut buffer.dropped) {
            self.writes.add_all(storage);
            self.garbage.push(Garbage::Storage(storage));
        }
        self.hooks = std::mem::take(&mut buffer.commit_hooks);
    }
}

impl Transaction {
    /// Commits: durable and visible to new snapshots on return.
    ///
    /// # Errors
    /// `40001` at SERIALIZABLE, `57P01` after shutdown, storage errors; the transaction is rolled back then.
    ///
    /// # Panics
    /// When the transaction has ended.
    pub fn commit(&self) -> Result<()> {
        assert!(self.end(), "a transaction ends once");
        // What is in the store already and what is not are not to be merged.
        let ahead = self.buffer.lock().is_ahead();
        if let Err(error) = if ahead { self.write_ahead() } else { Ok(()) } {
            let buffer = std::mem::take(&mut *self.buffer.lock());
            self.undo_all(buffer);
            return Err(error);
        }
        let mut buffer = std::mem::take(&mut *self.buffer.lock());
        if buffer.has_writes() || !buffer.commit_hooks.is_empty() {
            let outcome = self.prepare(&mut buffer).and_then(|prepared| self.manager.order(prepared));
            if let Err(error) = outcome {
                let error = self.count_failure(error);
                self.undo_all(buffer);
                return Err(error);
            }
        } else if self.synchronous.load(Ordering::Relaxed) && self.manager.sequences.take_unsynced() {
            let mut batch = WriteBatch::default();
            batch.put(Cf::Default, mark_key("sync"), []);
            self.manager.kv.write(batch, true);
        }
        self.leave(&buffer);
        self.manager.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn prepare(&self, buffer: &mut Buffer) -> Result<Prepared> {
        let mut prepared = Prepared { sync: self.synchronous.load(Ordering::Relaxed), ..Prepared::default() };
        let blocks = buffer.tables.values().flat_map(|table| table.blocks.values());
        prepared.batch.reserve(blocks.map(|block| block.rows.bytes()).sum());
        for (storage, table) in &mut buffer.tables {
            prepared.add_table(&self.manager, *storage, table)?;
        }
        if buffer.is_ahead() {
            let rows = buffer.tables.iter().map(|(storage, table)| (*storage, table.ahead.clone()));
            prepared.early = Some((self.member.id, rows.collect()));
        }
        prepared.add_entries(buffer);
        prepared.add_rest(&self.manager, buffer);
        if !prepared.is_empty() {
            self.manager.check_running()?;
            prepared.reads = self.reads.lock().take().map(|reads| (reads, self.snapshot_ts()));
        }
        Ok(prepared)
    }
}

impl TxnManager {
    /// Gives a prepared transaction its place; its timestamp.
    fn order(&self, prepared: Prepared) -> Result<u64> {
        let request = Arc::new(Request {
            bytes: prepared.batch.size(),
            work: Mutex::new(Some(prepared)),
            turn: Mutex::new(Turn::Waiting),
            turned: Condvar::new(),
        });
        let leads = {
            let mut queue = self.sequencer.queue.lock();
            queue.waiting.push(Arc::clone(&request));
            !std::mem::replace(&mut queue.led, true)
        };
        if !leads {
            let mut turn = request.turn.lock();
            while matches!(*turn, Turn::Waiting) {
                request.turned.wait(&mut turn);
            }
            if let Turn::Done(outcome) = std::mem::replace(&mut *turn, Turn::Waiting) {
                return outcome;
            }
        }
        let group = self.take_group();
        let outcomes = self.write_group(&group);
        self.hand_over();
        let mut own = None;
        for (member, outcome) in group.iter().zip(outcomes) {
            if Arc::ptr_eq(member, &request) {
                own = Some(outcome);
            } else {
                *member.turn.lock() = Turn::Done(outcome);
                member.turned.notify_one();
            }
        }
        own.expect("the leader is the first of its group")
    }

    fn take_group(&self) -> Vec<Arc<Request>> {
        let mut queue = self.sequencer.queue.lock();
        let mut bytes = 0;
        let fits = queue.waiting.iter().take_while(|request| {
            let fits = bytes == 0 || bytes + request.bytes <= self.options.group_bytes_max;
            bytes += request.bytes.max(1);
            fits
        });
        let count = fits.count();
        queue.waiting.drain(..count).collect()
    }

    fn hand_over(&self) {
        let mut queue = self.sequencer.queue.lock();
        match queue.waiting.first() {
            Some(next) => {
                *next.turn.lock() = Turn::Lead;
                next.turned.notify_one();
            }
            None => queue.led = false,
        }
    }

    fn write_group(&self, group: &[Arc<Request>]) -> Vec<Result<u64>> {
        let mut newest = self.sequencer.order.lock();
        let mut ordered: Vec<(u64, Prepared)> = Vec::with_capacity(group.len());
        let mut written: Vec<Arc<WriteSet>> = Vec::new();
        let mut outcomes = Vec::with_capacity(group.len());
        for request in group {
            let mut prepared = request.work.lock().take().expect("a request is ordered once");
            let valid = match prepared.reads.take() {
                Some((reads, snapshot)) => {
                    self.snapshots.with_history(|history| history.validate(&reads, snapshot, &written))
                }
                None => Ok(()),
            };
            outcomes.push(valid.map(|()| {
                *newest += 1;
                written.push(Arc::new(std::mem::take(&mut prepared.writes)));
                ordered.push((*newest, prepared));
                *newest
            }));
        }
        if ordered.is_empty() {
            return outcomes;
        }
        let keep = self.write_ordered(&mut ordered, *newest);
        self.settle_group(&mut ordered, &keep);
        let published = ordered.iter().map(|(ts, _)| *ts).zip(written);
        self.snapshots.publish(*newest, |mut history| {
            for ((ts, writes), (_, prepared)) in published.zip(&ordered) {
                prepared.recount.iter().for_each(|storage| self.counts.forget(*storage));
                prepared.differences.iter().for_each(|(storage, by)| self.counts.add(*storage, ts, *by));
                if let Some(history) = history.as_deref_mut() {
                    history.push(ts, writes);
                }
            }
        });
        self.counters.groups.fetch_add(1, Ordering::Relaxed);
        outcomes
    }

    /// Writes a group; the bodies that the cache is to have instead of those it may have.
    fn write_ordered(&self, ordered: &mut [(u64, Prepared)], newest: u64) -> Vec<CacheChange> {
        let (mut batch, mut sync, mut cached) = (WriteBatch::default(), false, Vec::new());
        for (ts, prepared) in ordered.iter_mut() {
            let bytes = prepared.batch.bytes_mut();
            prepared.stamps.iter().for_each(|at| record::stamp(bytes, *at, *ts));
            sync |= prepared.sync && !prepared.is_empty();
            for (key, place) in prepared.changed.drain(..) {
                let body = place.filter(|_| self.options.row_cache_bytes > 0);
                cached.push((key, *ts, body.map(|place| prepared.batch.bytes()[place].to_vec())));
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
            if newest > self.sequencer.logged.load(Ordering::Relaxed) {
                let logged = newest + TIMESTAMPS_AHEAD;
                batch.put(Cf::Default, mark_key("ts"), logged.to_le_bytes());
                self.sequencer.logged.store(logged, Ordering::Relaxed);
            }
            // A synced write covers everything written before it, sequences included.
            let _covered = sync && self.sequences.take_unsynced();
            self.kv.write(batch, sync);
        }
        cached
    }

    /// Brings memory in line with what was written, in order.
    fn settle_group(&self, ordered: &mut [(u64, Prepared)], cached: &[CacheChange]) {
        {
            let mut changes = self.changes.write();
            for (ts, prepared) in ordered.iter() {
                let mut last = None;
                for (storage, _) in &prepared.chunks {
                    if last.replace(*storage) != Some(*storage) {
                        changes.insert(StorageId(*storage), *ts);
                    }
                }
            }
        }
        self.chunks.changed(ordered.iter_mut().flat_map(|(_, prepared)| prepared.chunks.drain(..)));
        for (key, ts, body) in cached {
            self.cache.changed(*key, *ts, body.as_deref());
        }
        for (ts, prepared) in ordered {
            if let Some((txn, rows)) = &prepared.early {
                self.early.write().insert(*txn, *ts);
                self.unsettled.lock().push((*txn, *ts));
                rows.iter().for_each(|(storage, rows)| self.cache.changed_all(storage.0, rows));
            }
            for hook in prepared.hooks.drain(..) {
                // The commit is durable: what follows from it has to happen, or memory and store part ways.
                if std::panic::catch_unwind(AssertUnwindSafe(|| hook(*ts))).is_err() {
                    tracing::error!("a commit's follow-up failed; stopping so that memory is rebuilt from the store");
                    std::process::abort();
                }
            }
            if !prepared.garbage.is_empty() {
                self.counters.garbage.fetch_add(prepared.garbage.len() as u64, Ordering::Relaxed);
                self.garbage.lock().push_back((*ts, std::mem::take(&mut prepared.garbage)));
            }
        }
    }
}

/// Row, timestamp, and the new version if there is one and it may be kept.
type CacheChange = (rows::Key, u64, Option<Vec<u8>>);

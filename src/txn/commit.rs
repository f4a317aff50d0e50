//! Commit: one order for all.
//!
//! A committing thread prepares its batch and joins a queue. The first one leads: it takes the queue, checks
//! serializable transactions, gives out timestamps, writes one synced batch for all, and then in timestamp order runs the hooks,
//! brings the cache and the counts up to date, and makes the group visible. The next leader is whoever came while it was
//! busy (group commit). So commit order, log order and the order of visibility are the same.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Condvar, Mutex};

use crate::cache::chunks::ChunkKey;
use crate::catalog::descriptor::StorageId;
use crate::common::RowSet;
use crate::error::Result;
use crate::storage::keyspace::{self, garbage_key, mark_key, pending_key};
use crate::storage::{Cf, WriteBatch, WriteOp};
use crate::txn::buffer::{Buffer, CommitHook, KEYS_MAX, TableWrites};
use crate::txn::chunks::{CHUNK_ROWS, chunk_of};
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, FIRST, Garbage, HEADER, TS_AT};
use crate::txn::row_store::RowId;
use crate::txn::serializable::{ReadSet, WriteSet};
use crate::txn::transaction::Transaction;

/// A transaction ready to be ordered.
#[derive(Default)]
struct Prepared {
    ops: Vec<WriteOp>,
    /// Which of `ops` are puts to stamp, and where in the value.
    stamps: Vec<(usize, usize)>,
    /// The transaction's number and rows that are in the store already.
    early: Option<(u64, Vec<(StorageId, RowSet)>)>,
    garbage: Vec<Garbage>,
    writes: WriteSet,
    /// What it read, and its snapshot.
    reads: Option<(ReadSet, u64)>,
    /// Chunks that hold rows of it.
    chunks: Vec<ChunkKey>,
    /// Rows that readers may have cached, and which of `ops` has the new version.
    changed: Vec<((u32, u32), Option<usize>)>,
    differences: Vec<(StorageId, i64)>,
    /// Tables whose number of rows nobody knows now.
    recount: Vec<StorageId>,
    hooks: Vec<CommitHook>,
    bytes: usize,
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
}

impl Sequencer {
    pub(super) fn new(newest: u64) -> Self {
        Self { queue: Mutex::default(), order: Mutex::new(newest) }
    }
}

impl Prepared {
    fn put(&mut self, cf: Cf, key: Vec<u8>, value: Vec<u8>, stamp_at: Option<usize>) -> usize {
        self.bytes += key.len() + value.len();
        let at = self.ops.len();
        self.stamps.extend(stamp_at.map(|offset| (at, offset)));
        self.ops.push(WriteOp::Put(cf, key, value));
        at
    }

    fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.early.is_none() && self.garbage.is_empty()
    }

    fn add_table(&mut self, manager: &TxnManager, storage: StorageId, table: &mut TableWrites) -> Result<()> {
        let mut difference = table.difference;
        if !table.ahead.is_empty() {
            self.writes.add_all(storage);
        }
        for range in table.ahead.ranges(CHUNK_ROWS) {
            (chunk_of(range.start)..=chunk_of(range.end - 1)).for_each(|chunk| self.chunks.push((storage.0, chunk)));
        }
        for (row, chain) in std::mem::take(&mut table.rows) {
            self.writes.add_row(storage, row);
            let chunk = (storage.0, chunk_of(row));
            if self.chunks.last() != Some(&chunk) {
                self.chunks.push(chunk);
            }
            let key = keyspace::row_key(storage.0, row).to_vec();
            match (chain.inserted, chain.last.values) {
                (true, Some(values)) => {
                    difference += 1;
                    let mut value = Arc::try_unwrap(values).unwrap_or_else(|shared| (*shared).clone());
                    record::set_flags(&mut value, FIRST);
                    self.put(Cf::Rows, key, value, Some(TS_AT));
                }
                (true, None) => {}
                (false, values) => {
                    difference -= i64::from(values.is_none());
                    self.supersede(manager, storage, row, &key)?;
                    let value = match values {
                        Some(values) => Arc::try_unwrap(values).unwrap_or_else(|shared| (*shared).clone()),
                        None => {
                            self.garbage.push(Garbage::Tombstone { storage, row });
                            record::encode_row(DELETED, &[])
                        }
                    };
                    let deleted = value[1] & DELETED != 0;
                    let at = self.put(Cf::Rows, key, value, Some(TS_AT));
                    self.changed.push(((storage.0, row), (!deleted).then_some(at)));
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

    /// Moves the version that is to be replaced; nobody else changes the row meanwhile, for this transaction has it locked.
    fn supersede(&mut self, manager: &TxnManager, storage: StorageId, row: RowId, key: &[u8]) -> Result<()> {
        let mut older = None;
        manager.kv.get_with(Cf::Rows, key, &mut |value| {
            let (head, body) = record::open_row(value)?;
            if !head.is(DELETED)
                && let Some(begin) = manager.commit_of(head)
            {
                older = Some((begin, record::encode_version(0, 0, body)));
            }
            Ok(())
        })?;
        if let Some((begin, value)) = older {
            self.put(Cf::Versions, keyspace::version_key(storage.0, row, begin).to_vec(), value, Some(0));
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
                    let key = keyspace::entry_key_of(index.0, &key);
                    self.put(Cf::Rows, key, vec![0; 8], Some(0));
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
                Some(value) => drop(self.put(cf, key, value, None)),
                None => self.ops.push(WriteOp::Delete(cf, key)),
            }
        }
        for restart in &buffer.restarts {
            if let Some(state) = manager.sequences.settle(restart.oid) {
                self.put(Cf::Default, keyspace::sequence_key(restart.oid.0), state.encode(), None);
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
            batch.put(Cf::Default, mark_key("sync"), Vec::new());
            self.manager.kv.write(batch, true);
        }
        self.leave(&buffer);
        self.manager.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn prepare(&self, buffer: &mut Buffer) -> Result<Prepared> {
        let mut prepared = Prepared { sync: self.synchronous.load(Ordering::Relaxed), ..Prepared::default() };
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
            bytes: prepared.bytes,
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
            for (at, offset) in &prepared.stamps {
                if let WriteOp::Put(_, _, value) = &mut prepared.ops[*at] {
                    record::stamp(value, *offset, *ts);
                }
            }
            sync |= prepared.sync && !prepared.is_empty();
            for (key, at) in &prepared.changed {
                let body = at.and_then(|at| match &prepared.ops[at] {
                    WriteOp::Put(_, _, value) if self.options.row_cache_bytes > 0 => Some(value[HEADER..].to_vec()),
                    _ => None,
                });
                cached.push((*key, *ts, body));
            }
            batch.ops.append(&mut prepared.ops);
            if let Some((txn, _)) = &prepared.early {
                batch.put(Cf::Default, pending_key(*txn), record::encode_early(*ts));
            }
            if let Some(record) = record::encode_garbage(&prepared.garbage) {
                batch.put(Cf::Default, garbage_key(*ts), record);
            }
        }
        if !batch.ops.is_empty() {
            batch.put(Cf::Default, mark_key("ts"), newest.to_le_bytes().to_vec());
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
type CacheChange = ((u32, u32), u64, Option<Vec<u8>>);

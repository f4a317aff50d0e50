//! Commit: what a transaction leaves becomes one batch with room for a timestamp, which the sequencer then gives it.

use std::ops::Range;
use std::sync::atomic::Ordering;

use crate::cache::chunks::ChunkKey;
use crate::cache::rows;
use crate::catalog::descriptor::StorageId;
use crate::common::RowSet;
use crate::error::Result;
use crate::storage::keyspace;
use crate::storage::{Cf, WriteBatch};
use crate::txn::buffer::{Buffer, CommitHook, KEYS_MAX, TableWrites, body};
use crate::txn::chunks::{CHUNK_ROWS, chunk_of};
use crate::txn::fresh::FreshRows;
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, Garbage, HEADER, TS_AT};
use crate::txn::row_store::RowId;
use crate::txn::serializable::{ReadSet, WriteSet};
use crate::txn::transaction::Transaction;

/// A transaction ready to be ordered.
#[derive(Default)]
pub(super) struct Prepared {
    pub(super) batch: WriteBatch,
    /// Places in `batch` for the timestamp.
    pub(super) stamps: Vec<usize>,
    /// The transaction's number and rows that are in the store already.
    pub(super) early: Option<(u64, Vec<(StorageId, RowSet)>)>,
    pub(super) garbage: Vec<Garbage>,
    pub(super) writes: WriteSet,
    /// What it read, and its snapshot.
    pub(super) reads: Option<(ReadSet, u64)>,
    /// Chunks that hold rows of it.
    pub(super) chunks: Vec<ChunkKey>,
    /// Rows that readers may have cached, and where in `batch` the body of the new version is.
    pub(super) changed: Vec<(rows::Key, Option<Range<usize>>)>,
    pub(super) differences: Vec<(StorageId, i64)>,
    /// Tables whose number of rows nobody knows now.
    pub(super) recount: Vec<StorageId>,
    pub(super) hooks: Vec<CommitHook>,
    pub(super) sync: bool,
}

impl Prepared {
    /// Sets a key to a value that has room for the timestamp; where the value is.
    fn put_stamped(&mut self, cf: Cf, key: &[u8], value: &[&[u8]], stamp_at: usize) -> Range<usize> {
        let at = self.batch.put_parts(cf, key, value);
        self.stamps.push(at + stamp_at);
        at..self.batch.size()
    }

    pub(super) fn is_empty(&self) -> bool {
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
        } else if self.synchronous.load(Ordering::Relaxed) && self.manager.sequences.is_unsynced() {
            self.manager.sync_store();
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

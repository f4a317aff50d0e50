//! Garbage collection: removing what no snapshot needs.
//!
//! Every commit says what it made useless. Once the oldest snapshot has reached the commit, that goes: superseded versions,
//! marks of deleted rows, retired index entries, dropped storages. A thing may have come back since (an entry that
//! was put again), so each is looked at, and removed, while no commit is being ordered; a few hundred at a time, for
//! commits wait meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::descriptor::StorageId;
use crate::error::Result;
use crate::storage::keyspace::{self, garbage_key};
use crate::storage::{Cf, Kv, WriteBatch};
use crate::txn::buffer::Entered;
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, Garbage, PENDING};
use crate::txn::row_store::RowId;

/// Things removed per hold of the sequencer.
const CHUNK: usize = 256;
/// Things that may be due before collecting them is no longer done in between.
const LEISURELY_MAX: u64 = 10_000;

impl TxnManager {
    /// Removes what no snapshot needs; for a background thread, a few times a second. Returns how many things went.
    ///
    /// # Errors
    /// Storage errors; what was not removed is tried again after a restart.
    pub fn collect_garbage(&self) -> Result<u64> {
        let _collecting = self.collecting.lock();
        let oldest = self.oldest_snapshot();
        let mut collected = 0;
        loop {
            let due = self.take_garbage(oldest);
            if due.is_empty() {
                break;
            }
            self.remove_garbage(&due)?;
            for (_, items) in &due {
                self.sweep(items)?;
                collected += items.len() as u64;
                self.counters.garbage.fetch_sub(items.len() as u64, Ordering::Relaxed);
            }
        }
        self.counters.collected.fetch_add(collected, Ordering::Relaxed);
        self.counts.fold(oldest);
        let sweeper = self.sweeper.read().as_ref().map(Arc::clone);
        sweeper.map_or(Ok(()), |sweeper| sweeper.sweep_again(self))?;
        self.settle_next(oldest)?;
        Ok(collected)
    }

    /// What commits that every snapshot sees have left: of one, or of as many as are not more than a chunk together.
    fn take_garbage(&self, oldest: u64) -> Vec<(u64, Vec<Garbage>)> {
        let mut queue = self.garbage.lock();
        let (mut due, mut count) = (Vec::new(), 0);
        while let Some((ts, items)) = queue.front() {
            count += items.len();
            if *ts > oldest || (count > CHUNK && !due.is_empty()) {
                break;
            }
            due.extend(queue.pop_front());
        }
        due
    }

    /// Removes garbage from the store. Each write of a collector is one that commits wait for, so small commits share one.
    fn remove_garbage(&self, due: &[(u64, Vec<Garbage>)]) -> Result<()> {
        let pieces = due.iter().flat_map(|(ts, items)| items.iter().map(move |item| (*ts, item))).collect::<Vec<_>>();
        let mut left = pieces.len();
        for piece in pieces.chunks(CHUNK) {
            left -= piece.len();
            let _order = self.sequencer.order.lock();
            let mut batch = WriteBatch::default();
            for (ts, item) in piece {
                remove(&*self.kv, item, *ts, &mut batch)?;
            }
            if left == 0 {
                let recorded = due.iter().filter(|(_, items)| items.iter().any(Garbage::is_recorded));
                recorded.for_each(|(ts, _)| batch.delete(Cf::Default, garbage_key(*ts)));
            }
            self.kv.write(batch);
        }
        Ok(())
    }

    /// Tells the keeper of indexes in memory about retired entries.
    pub(super) fn sweep(&self, items: &[Garbage]) -> Result<()> {
        let Some(sweeper) = self.sweeper.read().as_ref().map(Arc::clone) else { return Ok(()) };
        for item in items {
            match item {
                Garbage::Entry { index, key } => {
                    if let Some((key, row)) = key.split_last_chunk::<4>() {
                        sweeper.sweep(self, *index, key, RowId::from_be_bytes(*row))?;
                        // An index may take as long as a statement does, and there is a session that wants to go on.
                        if self.counters.garbage.load(Ordering::Relaxed) < LEISURELY_MAX {
                            std::thread::yield_now();
                        }
                    }
                }
                Garbage::Storage(storage) => {
                    self.counts.forget(*storage);
                    self.chunks.forget(storage.0);
                    self.changes.write().remove(storage);
                }
                Garbage::Version { .. } | Garbage::Tombstone { .. } => {}
            }
        }
        Ok(())
    }

    /// Tells the keeper of vector indexes about entries whose making was undone. One that cannot be looked at stays: it leads
    /// to no row.
    pub(super) fn sweep_entered(&self, entered: &[Entered]) {
        let Some(sweeper) = self.sweeper.read().as_ref().filter(|_| !entered.is_empty()).map(Arc::clone) else {
            return;
        };
        for (index, tag, row) in entered {
            if let Err(error) = sweeper.sweep(self, *index, &tag.to_be_bytes(), *row) {
                tracing::warn!(%error, "could not take back an entry of a vector index");
            }
        }
    }

    /// Whether an index entry is in the store, committed or written ahead.
    ///
    /// # Errors
    /// Storage errors.
    pub fn has_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<bool> {
        let key = keyspace::entry_key_of(index.0, &[key, &row.to_be_bytes()].concat());
        Ok(self.kv.get(Cf::Rows, &key)?.is_some())
    }

    /// The newest committed version of a row, for sweepers; `None` when there is none or it is deleted.
    ///
    /// # Errors
    /// Storage errors.
    pub fn newest_row(&self, storage: StorageId, row: RowId) -> Result<Option<Vec<u8>>> {
        Ok(self.newest(storage, row)?.and_then(|(_, values)| values))
    }
}

/// Adds to the batch what removes a piece of garbage that a commit at `ts` left.
pub(super) fn remove(kv: &dyn Kv, item: &Garbage, ts: u64, batch: &mut WriteBatch) -> Result<()> {
    match item {
        Garbage::Version { storage, row, begin } => {
            batch.delete(Cf::Versions, keyspace::version_key(storage.0, *row, *begin));
        }
        Garbage::Tombstone { storage, row } => {
            let key = keyspace::row_key(storage.0, *row);
            let mut useless = false;
            kv.get_with(Cf::Rows, &key, &mut |value| {
                let (head, _) = record::open_row(value)?;
                useless = head.flags & (DELETED | PENDING) == DELETED && head.ts <= ts;
                Ok(())
            })?;
            if useless {
                batch.delete(Cf::Rows, key);
            }
        }
        Garbage::Entry { index, key } => {
            let key = keyspace::entry_key_of(index.0, key);
            let put = kv.get(Cf::Rows, &key)?.and_then(|value| record::u64_at(&value, 0));
            if put.is_some_and(|put| put <= ts) {
                batch.delete(Cf::Rows, key);
            }
        }
        Garbage::Storage(storage) => {
            let (rows, rows_end) = (keyspace::row_key(storage.0, 0).to_vec(), keyspace::rows_end(storage.0).to_vec());
            batch.delete_range(Cf::Rows, rows, rows_end);
            batch.delete_range(Cf::Rows, keyspace::entry_prefix(storage.0), keyspace::entry_prefix(storage.0 + 1));
            let versions = |number: u32| keyspace::versions_prefix(number).to_vec();
            batch.delete_range(Cf::Versions, versions(storage.0), versions(storage.0 + 1));
        }
    }
    Ok(())
}

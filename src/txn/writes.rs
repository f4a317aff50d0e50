//! Writing and locking rows: what [`RowStore`] promises to tables.
//!
//! The order of steps is what other transactions rely on: a row is entered as being inserted, or marked as written, before
//! its values are in the buffer; both marks go after the commit is in the store. So whoever finds neither mark and then
//! reads the store sees the outcome.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::descriptor::StorageId;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::storage::{Cf, WriteBatch, keyspace};
use crate::txn::buffer::{Held, body};
use crate::txn::lock_view::LockTarget;
use crate::txn::locks::{WRITTEN, row_mode};
use crate::txn::record::{self, FIRST, PENDING, TS_AT};
use crate::txn::row_store::{EntryVisitor, Locked, RowId, RowIdRange, RowState, RowStore, RowVisitor, Strength, Wait};
use crate::txn::snapshot::View;
use crate::txn::transaction::{TOKEN_UNDONE, Transaction, token};

/// What a transaction's own buffer says about a row, for locking.
enum OwnNow {
    Nothing,
    /// Written by the present command.
    Touched,
    Deleted,
    /// Made by this transaction: nobody else can lock it.
    Inserted,
    Updated,
}

impl Transaction {
    fn own_now(&self, storage: StorageId, row: RowId) -> OwnNow {
        if !self.wrote.load(Ordering::Acquire) {
            return OwnNow::Nothing;
        }
        let command = self.present.lock().command;
        let buffer = self.buffer.lock();
        let Some(table) = buffer.tables.get(&storage) else { return OwnNow::Nothing };
        let spilled = table.spilled.get(row);
        match table.rows.get(&row) {
            Some(chain) if chain.last.command >= command => OwnNow::Touched,
            Some(chain) if chain.last.values.is_none() => OwnNow::Deleted,
            Some(chain) if chain.inserted => OwnNow::Inserted,
            Some(_) => OwnNow::Updated,
            None if spilled.is_some_and(|made| made >= command) => OwnNow::Touched,
            None if spilled.is_some() => OwnNow::Inserted,
            None => OwnNow::Nothing,
        }
    }

    /// Compares a locked row with the snapshot.
    fn judge_locked(&self, storage: StorageId, row: RowId, strength: Strength) -> Result<Locked> {
        let snapshot = self.snapshot_ts();
        // A key-share lock is a foreign key's: it asks about now, whatever the snapshot.
        let strict = !self.isolation().per_statement() && strength != Strength::KeyShare;
        match self.manager.newest(storage, row)? {
            None => Ok(Locked::Gone),
            Some((ts, Some(_))) if ts <= snapshot => Ok(Locked::Same),
            Some((ts, None)) if ts <= snapshot => Ok(Locked::Gone),
            Some((_, values)) if strict => {
                let what = if values.is_some() { "update" } else { "delete" };
                Err(self.count_failure(crate::error!(
                    SERIALIZATION_FAILURE,
                    "could not serialize access due to concurrent {what}"
                )))
            }
            Some((_, Some(values))) => Ok(Locked::Changed(values)),
            Some((_, None)) => Ok(Locked::Gone),
        }
    }

    fn mark_written(&self, storage: StorageId, row: RowId) {
        let before = self.manager.row_locks.mark((storage, row), self.member.id, WRITTEN);
        if before & WRITTEN == 0 {
            self.buffer.lock().held.push(Held::Row((storage, row), before));
        }
    }

    fn write_version(&self, storage: StorageId, row: RowId, values: Option<&[u8]>) -> Result<()> {
        let own_insert = self.buffer.lock().tables.get(&storage).is_some_and(|table| table.inserted.get(row).is_some());
        if !own_insert {
            self.mark_written(storage, row);
        }
        let command = self.present.lock().command;
        let stored = values.map(|values| Arc::new(record::encode_row(0, values)));
        self.buffer.lock().write(storage, row, command, stored);
        self.wrote.store(true, Ordering::Release);
        self.limit()
    }

    /// Keeps the buffer within its limits: inserted rows go ahead to the store, anything else is an error. What had to stay
    /// is not looked through again before as much has been added.
    fn limit(&self) -> Result<()> {
        let options = &self.manager.options;
        let due = {
            let buffer = self.buffer.lock();
            let most = buffer.bytes_kept.saturating_add(options.spill_bytes).min(options.transaction_bytes_max);
            buffer.bytes > most
        };
        if due {
            self.spill()?;
        }
        let bytes = self.buffer.lock().bytes;
        if bytes > options.transaction_bytes_max {
            return Err(crate::error!(OUT_OF_MEMORY, "transaction has changed too much")
                .detail(format!("Its changes take {bytes} bytes, and they are kept in memory until it commits.")));
        }
        Ok(())
    }

    /// Writes inserted rows and index entries ahead of the commit.
    fn spill(&self) -> Result<()> {
        self.manager.check_running()?;
        let mut buffer = self.buffer.lock();
        let rows = buffer.take_spill();
        let entries = buffer.take_entry_spill();
        buffer.bytes_kept = buffer.bytes;
        if rows.is_empty() && entries.is_empty() {
            return Ok(());
        }
        let mut batch = WriteBatch::default();
        for (storage, row, values) in rows {
            let mut value = Arc::try_unwrap(values).unwrap_or_else(|shared| (*shared).clone());
            record::set_flags(&mut value, FIRST | PENDING);
            record::stamp(&mut value, TS_AT, self.member.id);
            batch.put(Cf::Rows, keyspace::row_key(storage.0, row).to_vec(), value);
        }
        let ranges: Vec<(StorageId, RowIdRange)> = buffer
            .tables
            .iter()
            .flat_map(|(storage, table)| table.spilled.iter().map(|(range, _)| (*storage, range)))
            .collect();
        if !ranges.is_empty() {
            batch.put(Cf::Default, keyspace::pending_key(self.member.id), record::encode_early(0, &ranges));
        }
        // Under the sequencer's lock: an entry that an earlier commit retired must count as put again after it.
        let order = self.manager.sequencer.order.lock();
        for (index, key) in entries {
            batch.put(Cf::Rows, keyspace::entry_key_of(index.0, &key), (*order + 1).to_le_bytes().to_vec());
        }
        self.manager.kv.write(batch, false);
        drop(order);
        Ok(())
    }

    /// Removes rows that were written ahead and are taken back.
    pub(super) fn delete_spilled(&self, ranges: &[(StorageId, RowIdRange)]) {
        let mut batch = WriteBatch::default();
        for (storage, range) in ranges {
            let (start, end) =
                (keyspace::row_key(storage.0, range.start).to_vec(), keyspace::row_key(storage.0, range.end).to_vec());
            batch.delete_range(Cf::Rows, start, end);
        }
        self.manager.kv.write(batch, false);
    }

    /// Removes the record of what was written ahead.
    pub(super) fn forget_spill(&self) {
        let mut batch = WriteBatch::default();
        batch.delete(Cf::Default, keyspace::pending_key(self.member.id));
        self.manager.kv.write(batch, false);
    }

    fn own_state(&self, storage: StorageId, row: RowId) -> Result<Option<RowState>> {
        if !self.wrote.load(Ordering::Acquire) {
            return Ok(None);
        }
        {
            let buffer = self.buffer.lock();
            let Some(table) = buffer.tables.get(&storage) else { return Ok(None) };
            if let Some(chain) = table.rows.get(&row) {
                return Ok(Some(RowState::Own(chain.last.values.as_ref().map(|values| body(values).to_vec()))));
            }
            if table.spilled.get(row).is_none() {
                return Ok(None);
            }
        }
        let mut values = None;
        self.read_spilled(storage, row, &mut |_, body| {
            values = Some(body.to_vec());
            Ok(())
        })?;
        Ok(Some(RowState::Own(values)))
    }
}

impl RowStore for Transaction {
    fn view(&self) -> View {
        Transaction::view(self)
    }

    fn latest_view(&self) -> View {
        View::new(Arc::new(self.manager.snapshots.take(false)), u32::MAX)
    }

    fn get_at(
        &self,
        view: &View,
        table: StorageId,
        row: RowId,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        self.read_at(view, table, row, visit)
    }

    fn scan_at(&self, view: &View, table: StorageId, range: RowIdRange, visit: &mut RowVisitor<'_>) -> Result<()> {
        self.scan_rows(view, table, range, visit)
    }

    fn scan_newest(&self, table: StorageId, range: RowIdRange, visit: &mut RowVisitor<'_>) -> Result<()> {
        self.manager.scan_committed(u64::MAX, table, &range, visit)
    }

    fn count(&self, table: StorageId) -> Result<u64> {
        self.count_at(&self.view(), table, 1, &CancelFlag::new())
    }

    fn highest_row(&self, table: StorageId) -> Result<RowId> {
        self.manager.highest_row(table)
    }

    fn state(&self, table: StorageId, row: RowId) -> Result<RowState> {
        if let Some(own) = self.own_state(table, row)? {
            return Ok(own);
        }
        match self.manager.writer_of(table, row) {
            Some(writer) if writer != self.member.id => return Ok(RowState::InFlight(token(&self.manager, writer))),
            _ => {}
        }
        Ok(match self.manager.newest(table, row)? {
            None => RowState::Nothing,
            Some((_, None)) => RowState::Deleted,
            Some((_, Some(values))) => RowState::Live(values),
        })
    }

    fn wait_for(&self, token: u64, cancel: &CancelFlag) -> Result<()> {
        self.wait_for_member(token >> 16, token & TOKEN_UNDONE, cancel)
    }

    fn lock(
        &self,
        table: StorageId,
        row: RowId,
        strength: Strength,
        wait: Wait,
        cancel: &CancelFlag,
    ) -> Result<Locked> {
        let own = self.own_now(table, row);
        match own {
            OwnNow::Touched => return Ok(Locked::Touched),
            OwnNow::Deleted => return Ok(Locked::Gone),
            OwnNow::Inserted => return Ok(Locked::Same),
            OwnNow::Updated | OwnNow::Nothing => {}
        }
        let taken = self.manager.row_locks.acquire(
            (table, row),
            row_mode(strength),
            wait,
            &self.party(cancel),
            LockTarget::Transaction,
        );
        if self.hold(taken, |before| Held::Row((table, row), before))?.is_none() {
            if wait == Wait::Skip {
                return Ok(Locked::Skipped);
            }
            crate::bail!(LOCK_NOT_AVAILABLE, "could not obtain lock on row");
        }
        match own {
            OwnNow::Updated => Ok(Locked::Same),
            _ => self.judge_locked(table, row, strength),
        }
    }

    fn insert(&self, table: StorageId, row: RowId, values: &[u8]) -> Result<()> {
        let stored = Arc::new(record::encode_row(FIRST, values));
        self.manager.inserting.add(table, row, self.member.id);
        let command = self.present.lock().command;
        let over = {
            let mut buffer = self.buffer.lock();
            buffer.insert(table, row, command, stored);
            buffer.bytes > self.manager.options.spill_bytes
        };
        self.wrote.store(true, Ordering::Release);
        if over { self.limit() } else { Ok(()) }
    }

    fn update(&self, table: StorageId, row: RowId, values: &[u8]) -> Result<()> {
        self.write_version(table, row, Some(values))
    }

    fn delete(&self, table: StorageId, row: RowId) -> Result<()> {
        self.write_version(table, row, None)
    }

    fn put_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()> {
        let over = {
            let mut buffer = self.buffer.lock();
            buffer.write_entry(index, key, row, false);
            buffer.bytes > self.manager.options.spill_bytes
        };
        self.wrote.store(true, Ordering::Release);
        if over { self.limit() } else { Ok(()) }
    }

    fn retire_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()> {
        self.buffer.lock().write_entry(index, key, row, true);
        self.wrote.store(true, Ordering::Release);
        Ok(())
    }

    fn scan_entries(
        &self,
        index: StorageId,
        start: &[u8],
        end: Option<&[u8]>,
        backward: bool,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<()> {
        self.scan_index(index, start, end, backward, visit)
    }

    fn note_key_read(&self, index: StorageId, start: &[u8], end: Option<&[u8]>) {
        self.note_keys_read(index, start, end);
    }

    fn note_key_write(&self, index: StorageId, key: &[u8]) {
        let mut buffer = self.buffer.lock();
        buffer.note_key(index, key);
    }
}

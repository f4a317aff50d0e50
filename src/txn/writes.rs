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
use crate::txn::buffer::{Held, body};
use crate::txn::fresh::FreshRows;
use crate::txn::lock_view::LockTarget;
use crate::txn::locks::{WRITTEN, row_mode};
use crate::txn::record::{self, DELETED, FIRST, Head};
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
    fn own_now(&self, storage: StorageId, row: RowId) -> Result<OwnNow> {
        if !self.wrote.load(Ordering::Acquire) {
            return Ok(OwnNow::Nothing);
        }
        let command = self.present.lock().command;
        {
            let buffer = self.buffer.lock();
            let Some(table) = buffer.tables.get(&storage) else { return Ok(OwnNow::Nothing) };
            match table.rows.get(&row) {
                Some(chain) if chain.last.command >= command => return Ok(OwnNow::Touched),
                Some(chain) if chain.last.values.is_none() => return Ok(OwnNow::Deleted),
                Some(chain) if chain.inserted => return Ok(OwnNow::Inserted),
                Some(_) => return Ok(OwnNow::Updated),
                None => match table.block(row) {
                    Some(block) if block.command >= command => return Ok(OwnNow::Touched),
                    Some(_) => return Ok(OwnNow::Inserted),
                    None if !table.ahead.contains(row) => return Ok(OwnNow::Nothing),
                    None => {}
                },
            }
        }
        let mut now = OwnNow::Nothing;
        self.read_ahead(storage, row, &mut |head: Head, _| {
            now = match head {
                _ if record::command_of(head.stamp) >= command => OwnNow::Touched,
                _ if head.is(DELETED) => OwnNow::Deleted,
                _ if head.is(FIRST) => OwnNow::Inserted,
                _ => OwnNow::Updated,
            };
            Ok(())
        })?;
        Ok(now)
    }

    /// Compares a locked row with the snapshot. A row made and deleted behind a strict snapshot is only gone: what this
    /// transaction has never seen cannot conflict with it, and such a row leaves a mark only if its maker wrote it ahead.
    fn judge_locked(&self, storage: StorageId, row: RowId, strength: Strength) -> Result<Locked> {
        let snapshot = self.snapshot_ts();
        // A key-share lock is a foreign key's: it asks about now, whatever the snapshot.
        let strict = !self.isolation().per_statement() && strength != Strength::KeyShare;
        let what = match self.manager.newest(storage, row)? {
            None => return Ok(Locked::Gone),
            Some((ts, Some(_))) if ts <= snapshot => return Ok(Locked::Same),
            Some((ts, None)) if ts <= snapshot => return Ok(Locked::Gone),
            Some((_, Some(values))) if !strict => return Ok(Locked::Changed(values)),
            Some((_, Some(_))) => "update",
            Some((_, None)) if !strict => return Ok(Locked::Gone),
            Some((_, None)) if !self.read_at(&self.view(), storage, row, &mut |_, _| Ok(()))? => {
                return Ok(Locked::Gone);
            }
            Some((_, None)) => "delete",
        };
        let failure = crate::error!(SERIALIZATION_FAILURE, "could not serialize access due to concurrent {what}");
        Err(self.count_failure(failure))
    }

    fn mark_written(&self, storage: StorageId, row: RowId) {
        if self.manager.wide_locks.holds((storage, row), self.member.id, WRITTEN) {
            return;
        }
        let before = self.manager.row_locks.mark((storage, row), self.member.id, WRITTEN);
        if before & WRITTEN == 0 {
            self.buffer.lock().held.push(Held::Row((storage, row), before));
        }
        self.limit_held();
    }

    /// Takes a row's lock; false when it is taken and the caller does not wait.
    fn take_row(&self, key: (StorageId, RowId), mode: u8, wait: Wait, cancel: &CancelFlag) -> Result<bool> {
        let (locks, wide) = (&self.manager.row_locks, &self.manager.wide_locks);
        loop {
            if !self.wait_for_wide(key, mode, wait, cancel)? {
                return Ok(false);
            }
            if wide.holds(key, self.member.id, 1 << mode) {
                return Ok(true);
            }
            let taken = locks.acquire(key, mode, wait, &self.party(cancel), LockTarget::Transaction);
            let Some(before) = taken.map_err(|error| self.count_failure(error))? else { return Ok(false) };
            // Its holder may have moved a lock to the other place meanwhile.
            if !wide.is_obstructed(key, self.member.id, mode) {
                self.buffer.lock().held.push(Held::Row(key, before));
                self.limit_held();
                return Ok(true);
            }
            locks.release(key, self.member.id, before);
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

    /// Keeps the buffer within its limit.
    fn limit(&self) -> Result<()> {
        if self.buffer.lock().bytes > self.manager.options.spill_bytes { self.write_ahead() } else { Ok(()) }
    }

    fn write_entry(&self, index: StorageId, key: &[u8], row: RowId, retire: bool) -> Result<()> {
        let over = {
            let mut buffer = self.buffer.lock();
            buffer.write_entry(index, key, row, retire);
            buffer.bytes > self.manager.options.spill_bytes
        };
        self.wrote.store(true, Ordering::Release);
        if over { self.write_ahead() } else { Ok(()) }
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
            if let Some(block) = table.block(row) {
                return Ok(Some(RowState::Own(Some(body(block.rows.stored(row)).to_vec()))));
            }
            if !table.ahead.contains(row) {
                return Ok(None);
            }
        }
        let mut values = None;
        self.read_ahead(storage, row, &mut |head, body| {
            values = (!head.is(DELETED)).then(|| body.to_vec());
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
        let own = self.own_now(table, row)?;
        match own {
            OwnNow::Touched => return Ok(Locked::Touched),
            OwnNow::Deleted => return Ok(Locked::Gone),
            OwnNow::Inserted => return Ok(Locked::Same),
            OwnNow::Updated | OwnNow::Nothing => {}
        }
        if !self.take_row((table, row), row_mode(strength), wait, cancel)? {
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
        if over { self.write_ahead() } else { Ok(()) }
    }

    fn insert_many(&self, rows: FreshRows) -> Result<()> {
        if rows.rows().is_empty() {
            return Ok(());
        }
        self.manager.inserting.add_range(rows.storage(), rows.rows(), self.member.id);
        let command = self.present.lock().command;
        let over = {
            let mut buffer = self.buffer.lock();
            buffer.insert_many(rows, command);
            buffer.bytes > self.manager.options.spill_bytes
        };
        self.wrote.store(true, Ordering::Release);
        if over { self.write_ahead() } else { Ok(()) }
    }

    fn update(&self, table: StorageId, row: RowId, values: &[u8]) -> Result<()> {
        self.write_version(table, row, Some(values))
    }

    fn delete(&self, table: StorageId, row: RowId) -> Result<()> {
        self.write_version(table, row, None)
    }

    fn put_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()> {
        self.write_entry(index, key, row, false)
    }

    fn retire_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()> {
        self.write_entry(index, key, row, true)
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

    fn note_key_write(&self, index: StorageId, key: &dyn Fn() -> Vec<u8>) {
        let mut buffer = self.buffer.lock();
        buffer.note_key(index, key);
    }

    fn note_entered(&self, index: StorageId, tag: u32, row: RowId) {
        self.buffer.lock().entered.push((index, tag, row));
    }
}

//! What tables ask of a transaction.
//!
//! The interface between this floor and MVCC: everything that a table does with rows and index entries goes through these
//! methods, so that a test can put a simple model in their place.

use std::ops::Range;

use crate::catalog::descriptor::StorageId;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::txn::fresh::FreshRows;
use crate::txn::snapshot::View;

/// Names a row of one table for good: dense from 1, kept by updates, not used again while any snapshot could see it.
pub type RowId = u32;

/// Row ids from `start` up to but not including `end`.
pub type RowIdRange = Range<RowId>;

/// Sees one row: id, commit timestamp (0 for the transaction's own), stored values. Returns whether to go on.
pub type RowVisitor<'a> = dyn FnMut(RowId, u64, &[u8]) -> Result<bool> + 'a;

/// Sees one index entry: ordered key bytes and row id. Returns whether to go on.
pub type EntryVisitor<'a> = dyn FnMut(&[u8], RowId) -> Result<bool> + 'a;

/// The state of a row right now, whatever snapshots say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowState {
    /// There is no version of it and no transaction is making one.
    Nothing,
    /// Its deletion is committed.
    Deleted,
    /// Its newest version is committed and no other transaction holds it for change.
    Live(Vec<u8>),
    /// This transaction wrote it last; `None` when it deleted it.
    Own(Option<Vec<u8>>),
    /// Another transaction, named by a token for [`RowStore::wait_for`], is inserting, changing or deleting it.
    InFlight(u64),
}

/// How strongly a row is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Strength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// What to do when a row is locked by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until it is free.
    Block,
    /// Fail with `55P03`.
    NoWait,
    /// Leave the row out.
    Skip,
}

/// What a locked row turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// Locked; it is as the snapshot saw it.
    Same,
    /// Locked; another transaction changed it since and committed these values.
    Changed(Vec<u8>),
    /// Another transaction deleted it and committed, or an earlier command of this one did.
    Gone,
    /// The present command of this transaction has inserted, changed or deleted it: an UPDATE leaves it alone, ON
    /// CONFLICT DO UPDATE fails with `21000`.
    Touched,
    /// Not locked: it is held by another, and the caller wanted to skip such rows.
    Skipped,
}

/// A transaction, as tables see it. `Snapshot` is the statement's or the transaction's, by isolation level.
pub trait RowStore: Send + Sync {
    /// What the present command sees; later commands do not change it.
    fn view(&self) -> View;

    /// Everything committed by now and everything that this transaction has written.
    fn latest_view(&self) -> View;

    /// Hands the version of a row that a view sees to `visit`, the transaction's own writes included; false when it
    /// sees none.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    fn get_at(
        &self,
        view: &View,
        table: StorageId,
        row: RowId,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<bool>;

    /// The version of a row that the present command sees: commit timestamp and values.
    ///
    /// # Errors
    /// Storage errors.
    fn get(&self, table: StorageId, row: RowId) -> Result<Option<(u64, Vec<u8>)>> {
        let mut found = None;
        self.get_at(&self.view(), table, row, &mut |ts, values| {
            found = Some((ts, values.to_vec()));
            Ok(())
        })?;
        Ok(found)
    }

    /// [`RowStore::get`] for many rows, in the order given; rows that are not seen are left out.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    fn get_many(&self, table: StorageId, rows: &[RowId], visit: &mut RowVisitor<'_>) -> Result<()> {
        let view = self.view();
        for row in rows {
            let mut more = true;
            self.get_at(&view, table, *row, &mut |ts, values| {
                more = visit(*row, ts, values)?;
                Ok(())
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The rows of a range that a view sees, in row id order, own writes included.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    fn scan_at(&self, view: &View, table: StorageId, range: RowIdRange, visit: &mut RowVisitor<'_>) -> Result<()>;

    /// [`RowStore::scan_at`] for the present command.
    ///
    /// # Errors
    /// As [`RowStore::scan_at`].
    fn scan(&self, table: StorageId, range: RowIdRange, visit: &mut RowVisitor<'_>) -> Result<()> {
        self.scan_at(&self.view(), table, range, visit)
    }

    /// The newest committed version of every row of a range, deleted ones left out, whatever the snapshot.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    fn scan_newest(&self, table: StorageId, range: RowIdRange, visit: &mut RowVisitor<'_>) -> Result<()>;

    /// The number of rows that the snapshot sees.
    ///
    /// # Errors
    /// Storage errors.
    fn count(&self, table: StorageId) -> Result<u64> {
        let mut count = 0;
        self.scan(table, 1..RowId::MAX, &mut |_, _, _| {
            count += 1;
            Ok(true)
        })?;
        Ok(count)
    }

    /// The highest row id in storage or in this transaction's writes; 0 when there is none.
    ///
    /// # Errors
    /// Storage errors.
    fn highest_row(&self, table: StorageId) -> Result<RowId>;

    /// The state of a row right now.
    ///
    /// # Errors
    /// Storage errors.
    fn state(&self, table: StorageId, row: RowId) -> Result<RowState>;

    /// Waits until the transaction behind a token of [`RowState::InFlight`] has ended.
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    fn wait_for(&self, token: u64, cancel: &CancelFlag) -> Result<()>;

    /// Locks a row, waiting for others as told.
    ///
    /// # Errors
    /// `40001` above READ COMMITTED when it has changed; `40P01`, `55P03`, `57014`.
    fn lock(&self, table: StorageId, row: RowId, strength: Strength, wait: Wait, cancel: &CancelFlag)
    -> Result<Locked>;

    /// Writes a row that is new: in flight at once for others.
    ///
    /// # Errors
    /// `25006`; limits on the size of a transaction.
    fn insert(&self, table: StorageId, row: RowId, values: &[u8]) -> Result<()>;

    /// [`RowStore::insert`] for rows that come together.
    ///
    /// # Errors
    /// As [`RowStore::insert`].
    fn insert_many(&self, rows: FreshRows) -> Result<()>;

    /// Replaces a row that is locked by this transaction.
    ///
    /// # Errors
    /// As [`RowStore::insert`].
    fn update(&self, table: StorageId, row: RowId, values: &[u8]) -> Result<()>;

    /// Deletes a row that is locked by this transaction, or takes back one that it inserted.
    ///
    /// # Errors
    /// As [`RowStore::insert`].
    fn delete(&self, table: StorageId, row: RowId) -> Result<()>;

    /// Adds an index entry with the commit.
    ///
    /// # Errors
    /// As [`RowStore::insert`].
    fn put_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()>;

    /// Says that an entry is of no use to snapshots after the commit; it goes away when no snapshot needs it, unless it is
    /// put again before.
    ///
    /// # Errors
    /// As [`RowStore::insert`].
    fn retire_entry(&self, index: StorageId, key: &[u8], row: RowId) -> Result<()>;

    /// The entries, committed or this transaction's own, from `start` to before `end`, in key order then row id order, or
    /// the reverse. The bounds are compared with key bytes that have the big-endian row id behind them, so a scan goes on
    /// behind an entry. Retired entries may be among them.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    fn scan_entries(
        &self,
        index: StorageId,
        start: &[u8],
        end: Option<&[u8]>,
        backward: bool,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<()>;

    /// Says that keys of an index that is kept in memory were looked up; matters at SERIALIZABLE.
    fn note_key_read(&self, _index: StorageId, _start: &[u8], _end: Option<&[u8]>) {}

    /// Says that a key of an index that is kept in memory was entered; matters to others at SERIALIZABLE.
    fn note_key_write(&self, _index: StorageId, _key: &dyn Fn() -> Vec<u8>) {}

    /// Says that an entry was made in a vector index, which has it at once: the sweeper is told when that is undone.
    fn note_entered(&self, _index: StorageId, _tag: u32, _row: RowId) {}
}

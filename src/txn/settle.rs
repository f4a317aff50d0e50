//! What becomes of rows written ahead when their transaction has ended: settled after a commit that every snapshot sees,
//! taken back after a rollback. Recovery does the same for the transactions that a crash ended.
//!
//! Every step is a batch that leaves a row either as it was or done, and may be repeated. A committed transaction's pieces
//! are forgotten only when all are settled; until then whoever meets a pending row asks when its transaction committed.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use crate::catalog::descriptor::StorageId;
use crate::error::Result;
use crate::storage::keyspace::{self, ahead_key, pending_key};
use crate::storage::{Cf, Kv, WriteBatch};
use crate::txn::gc;
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, Ahead, DELETED, FIRST, Garbage, HEADER, OWN, TS_AT};
use crate::txn::row_store::{RowId, RowIdRange};

/// Rows looked at in one step; tests take many steps.
const ROWS: usize = if cfg!(test) { 5 } else { 1000 };
/// Entries removed per hold of the sequencer.
const ENTRIES: usize = 256;

/// The value of an index entry that is put ahead of a commit: besides a timestamp, who put it, and before which of
/// its pieces.
pub(super) fn encode_put(ts: u64, txn: u64, piece: u32) -> Vec<u8> {
    [&ts.to_le_bytes()[..], &txn.to_le_bytes(), &piece.to_le_bytes()].concat()
}

/// Whether an entry was put again by a transaction after it had retired it in a piece.
fn was_put_after(value: &[u8], txn: u64, piece: u32) -> bool {
    let number = value.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    record::u64_at(value, 8) == Some(txn) && number.is_some_and(|number| number > piece)
}

/// Hands over the pieces of a transaction one by one; `visit` says whether to go on. Whether all were seen.
pub(super) fn for_each_piece(kv: &dyn Kv, txn: u64, visit: &mut dyn FnMut(u32, Ahead) -> Result<bool>) -> Result<bool> {
    let end = pending_key(txn + 1);
    let mut next = ahead_key(txn, 0);
    loop {
        let mut found = None;
        kv.scan(Cf::Default, &next, &end, &mut |key, value| {
            if let Some(number) = keyspace::ahead_number(key) {
                found = Some((number, Ahead::decode(value)?));
            }
            Ok(found.is_none())
        })?;
        let Some((number, piece)) = found else { return Ok(true) };
        if !visit(number, piece)? {
            return Ok(false);
        }
        match number.checked_add(1) {
            Some(number) => next = ahead_key(txn, number),
            None => return Ok(true),
        }
    }
}

/// Removes a transaction's commit record and pieces.
pub(super) fn forget(kv: &dyn Kv, txn: u64) {
    let mut batch = WriteBatch::default();
    batch.delete(Cf::Default, pending_key(txn));
    batch.delete_range(Cf::Default, ahead_key(txn, 0), pending_key(txn + 1));
    kv.write(batch);
}

impl TxnManager {
    /// Settles one committed transaction that every snapshot sees. Stops in the middle at shutdown; recovery goes on.
    pub(super) fn settle_next(&self, oldest: u64) -> Result<()> {
        let due = self.unsettled.lock().iter().find(|(_, ts)| *ts <= oldest).copied();
        let Some((txn, ts)) = due else { return Ok(()) };
        let running = || !self.stopping.load(Ordering::Acquire);
        let done = for_each_piece(&*self.kv, txn, &mut |number, piece| {
            match &piece {
                Ahead::Rows(ranges) => {
                    for (storage, range) in ranges {
                        let mut next = range.start;
                        while next < range.end && running() {
                            let _order = self.sequencer.order.lock();
                            let _settling = self.settling.lock();
                            next = settle(&*self.kv, txn, ts, *storage, &(next..range.end))?;
                        }
                    }
                }
                Ahead::Retired(items) => {
                    for chunk in items.chunks(ENTRIES) {
                        let _order = self.sequencer.order.lock();
                        remove_retired(&*self.kv, chunk, (txn, ts), number)?;
                    }
                    self.sweep(items)?;
                }
            }
            Ok(running())
        })?;
        if done {
            forget(&*self.kv, txn);
            self.unsettled.lock().retain(|(other, _)| *other != txn);
        }
        Ok(())
    }
}

/// Removes entries that a transaction committed at `ts` had retired in a piece.
pub(super) fn remove_retired(kv: &dyn Kv, items: &[Garbage], (txn, ts): (u64, u64), piece: u32) -> Result<()> {
    let mut batch = WriteBatch::default();
    for item in items {
        let Garbage::Entry { index, key } = item else { continue };
        let mut again = false;
        kv.get_with(Cf::Rows, &keyspace::entry_key_of(index.0, key), &mut |value| {
            again = was_put_after(value, txn, piece);
            Ok(())
        })?;
        if !again {
            gc::remove(kv, item, ts, &mut batch)?;
        }
    }
    kv.write(batch);
    Ok(())
}

/// Makes up to a thousand pending rows of a transaction committed at `ts` ordinary ones, and removes the versions that it
/// had displaced; where to go on. No snapshot may be older than `ts`, and nobody else may change the rows meanwhile.
pub(super) fn settle(kv: &dyn Kv, txn: u64, ts: u64, storage: StorageId, range: &RowIdRange) -> Result<RowId> {
    let mut batch = WriteBatch::default();
    let next = scan_step(kv, storage, range, &mut |row, value| {
        let (head, body) = record::open_row(value)?;
        if head.is_pending_of(txn) {
            let key = keyspace::row_key(storage.0, row).to_vec();
            if head.is(DELETED) {
                batch.delete(Cf::Rows, key);
            } else {
                let mut value = value[..HEADER + body.len()].to_vec();
                record::set_flags(&mut value, FIRST);
                record::stamp(&mut value, TS_AT, ts);
                batch.put(Cf::Rows, key, value);
            }
        }
        Ok(())
    })?;
    let (start, end) = (keyspace::versions_of(storage.0, range.start), keyspace::versions_of(storage.0, next));
    kv.scan(Cf::Versions, &start, &end, &mut |key, value| {
        if record::open_version(value)?.end == OWN | txn {
            batch.delete(Cf::Versions, key);
        }
        Ok(true)
    })?;
    kv.write(batch);
    Ok(next)
}

/// Visits stored rows of a range, up to a thousand; where to go on.
fn scan_step(
    kv: &dyn Kv,
    storage: StorageId,
    range: &RowIdRange,
    visit: &mut dyn FnMut(RowId, &[u8]) -> Result<()>,
) -> Result<RowId> {
    let (mut next, mut seen) = (range.end, 0);
    let (start, end) = (keyspace::row_key(storage.0, range.start), keyspace::row_key(storage.0, range.end));
    kv.scan(Cf::Rows, &start, &end, &mut |key, value| {
        if seen == ROWS {
            next = keyspace::row_of_key(key);
            return Ok(false);
        }
        seen += 1;
        visit(keyspace::row_of_key(key), value).map(|()| true)
    })?;
    Ok(next)
}

/// Takes back the versions of an epoch and later ones that a transaction, which has not committed, wrote ahead of up to a
/// thousand rows; where to go on. Rows of which it has no version left are added to `gone`.
pub(super) fn take_back(
    kv: &dyn Kv,
    txn: u64,
    epoch: u32,
    storage: StorageId,
    range: &RowIdRange,
    gone: &mut Vec<RowId>,
) -> Result<RowId> {
    // Whether a row has its version again.
    let mut rows: HashMap<RowId, bool> = HashMap::new();
    let next = scan_step(kv, storage, range, &mut |row, value| {
        let (head, _) = record::open_row(value)?;
        if head.is_pending_of(txn) && record::epoch_of(head.stamp) >= epoch {
            rows.insert(row, false);
        }
        Ok(())
    })?;
    let mut batch = WriteBatch::default();
    let (start, end) = (keyspace::versions_of(storage.0, range.start), keyspace::versions_of(storage.0, next));
    kv.scan(Cf::Versions, &start, &end, &mut |key, value| {
        let (row, begin, older) =
            (keyspace::version_row(key), keyspace::version_begin(key), record::open_version(value)?);
        let Some(done) = rows.get_mut(&row).filter(|done| !**done && older.end == OWN | txn) else { return Ok(true) };
        batch.delete(Cf::Versions, key);
        let own = begin & OWN != 0;
        if own && record::epoch_of(begin) >= epoch {
            return Ok(true);
        }
        *done = true;
        let value = if own {
            record::encode_ahead(older.flags & (FIRST | DELETED), txn, begin, older.body)
        } else {
            gone.push(row);
            let mut value = record::encode_row(older.flags & FIRST, older.body);
            record::stamp(&mut value, TS_AT, begin);
            value
        };
        batch.put(Cf::Rows, keyspace::row_key(storage.0, row), value);
        Ok(true)
    })?;
    for (row, _) in rows.iter().filter(|(_, done)| !**done) {
        gone.push(*row);
        batch.delete(Cf::Rows, keyspace::row_key(storage.0, *row));
    }
    kv.write(batch);
    Ok(next)
}

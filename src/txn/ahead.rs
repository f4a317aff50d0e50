//! Writing ahead: a transaction's changes beyond its memory go to the store before it commits.
//!
//! ```text
//!                     rows                                versions
//! before              row v1, ts 5
//! UPDATE, ahead       row v2, pending of T, stamp a       (5)  v1, end T
//! UPDATE, ahead       row v3, pending of T, stamp b       (a)  v2, end T      (5)  v1, end T
//! T commits at 9      P T = 9, nothing else
//! settled             row v3, ts 9
//! T rolls back        row v1, ts 5
//! ```
//!
//! A pending row names its transaction, and one record says whether and when that committed: so the commit of any number
//! of rows is one key, a crash at any moment leaves it whole or not at all, and nobody waits for it. What others must know: a
//! pending row whose transaction has not committed, or later than their snapshot, is not there; they look among the older
//! versions, where a version "displaced by T" counts as valid up to T's commit. A row of which the transaction has several
//! versions leaves the earlier ones there under stamps, which are greater than any timestamp, so that no snapshot finds them
//! and the transaction's own cursors and savepoints do.
//!
//! A transaction that wrote ahead once writes everything ahead before it commits: its changes are in memory or in the
//! store, never to be merged. What stays in memory of a row is a bit in three or four sets (`common::RowSet`). This is undo logging
//! in place ("steal, no-force": Haerder and Reuter, 1983), with the version store as the undo log.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashMap;

use crate::catalog::descriptor::StorageId;
use crate::common::RowSet;
use crate::error::Result;
use crate::storage::{Cf, WriteBatch, keyspace};
use crate::txn::buffer::{Buffer, Chain, Undone, body};
use crate::txn::inflight::Ranges;
use crate::txn::record::{self, Ahead, DELETED, FIRST, Garbage, Head, OWN};
use crate::txn::row_store::{RowId, RowIdRange};
use crate::txn::settle;
use crate::txn::snapshot::View;
use crate::txn::transaction::Transaction;

/// Rows or entries of a piece: they are built in memory and written as one batch. Small in tests, so that there are many.
const PIECE_ROWS: usize = if cfg!(test) { 7 } else { 1000 };
/// Bytes of a piece before it is written.
const PIECE_BYTES: usize = 1 << 20;
/// Rows are read one by one where less than one in so many is wanted.
const SPARSE: usize = 8;
/// Stretches of rows that lie nearer to each other are taken back in one go.
pub(super) const GAP: RowId = 64;

impl Chain {
    fn versions(&self) -> impl Iterator<Item = &crate::txn::buffer::Version> {
        self.older.iter().chain(std::iter::once(&self.last))
    }

    fn bytes(&self) -> usize {
        self.versions().map(|version| version.values.as_ref().map_or(0, |values| values.len())).sum()
    }
}

impl Transaction {
    /// Moves all rows and index entries to the store.
    ///
    /// # Errors
    /// `57P01` after shutdown, storage errors; what was moved by then stays moved.
    pub(super) fn write_ahead(&self) -> Result<()> {
        self.manager.check_running()?;
        let mut guard = self.buffer.lock();
        let buffer = &mut *guard;
        let storages: Vec<StorageId> = buffer.tables.keys().copied().collect();
        for storage in storages {
            while self.write_block_ahead(buffer, storage) {}
            while self.write_rows_ahead(buffer, storage)? {}
        }
        let indexes: Vec<StorageId> = buffer.entries.keys().copied().collect();
        for index in indexes {
            while self.write_entries_ahead(buffer, index) {}
        }
        buffer.all_ahead();
        Ok(())
    }

    /// Moves the first rows of a table that came together; false when there are none.
    fn write_block_ahead(&self, buffer: &mut Buffer, storage: StorageId) -> bool {
        let table = buffer.tables.get_mut(&storage);
        let Some((_, block)) = table.and_then(|table| table.blocks.pop_first()) else { return false };
        let (rows, txn, stamp) = (block.rows.rows(), self.member.id, record::stamp_of(block.command, block.epoch));
        let mut batch = WriteBatch::default();
        batch.reserve(block.rows.bytes() + 8 * rows.len());
        for row in rows.clone() {
            let value = record::ahead_of(block.rows.stored(row), txn, stamp);
            batch.put_parts(Cf::Rows, &keyspace::row_key(storage.0, row), &value.parts());
        }
        let piece = Ahead::Rows(vec![(storage, rows.clone())]);
        batch.put(Cf::Default, keyspace::ahead_key(txn, buffer.piece_next), piece.encode());
        buffer.piece_next += 1;
        self.manager.kv.write(batch);
        for row in rows.clone() {
            buffer.note_ahead(storage, row, std::iter::once(block.epoch));
        }
        if let Some(table) = buffer.tables.get_mut(&storage) {
            table.difference += rows.len() as i64;
        }
        true
    }

    /// Moves the first rows of a table; false when there are none.
    fn write_rows_ahead(&self, buffer: &mut Buffer, storage: StorageId) -> Result<bool> {
        let Some(table) = buffer.tables.get_mut(&storage) else { return Ok(false) };
        let mut bytes = 0;
        let fits = |(_, chain): &(&RowId, &Chain)| {
            let fits = bytes < PIECE_BYTES;
            bytes += chain.bytes();
            fits
        };
        let piece: Vec<(RowId, &Chain)> =
            table.rows.iter().take(PIECE_ROWS).take_while(fits).map(|(row, chain)| (*row, chain)).collect();
        if piece.is_empty() {
            return Ok(false);
        }
        let stored = piece.iter().filter(|(row, chain)| !chain.inserted || table.ahead.contains(*row));
        let stored: Vec<RowId> = stored.map(|(row, _)| *row).collect();
        // Nobody settles an earlier transaction's pending rows between reading and replacing them.
        let settling = self.manager.settling.lock();
        let heads = self.heads(storage, &stored)?;
        let (mut batch, mut ranges, mut difference) = (WriteBatch::default(), Ranges::default(), 0);
        for (row, chain) in &piece {
            ranges.add(*row, ());
            difference += self.put_ahead((storage, *row), chain, heads.get(row).map(Vec::as_slice), &mut batch)?;
        }
        let ranges = Ahead::Rows(ranges.iter().map(|(range, ())| (storage, range)).collect());
        batch.put(Cf::Default, keyspace::ahead_key(self.member.id, buffer.piece_next), ranges.encode());
        buffer.piece_next += 1;
        table.difference += difference;
        self.manager.kv.write(batch);
        drop(settling);
        for _ in 0..piece.len() {
            let moved = buffer.tables.get_mut(&storage).and_then(|table| table.rows.pop_first());
            let (row, chain) = moved.expect("a row that was just moved");
            buffer.note_ahead(storage, row, chain.versions().map(|version| version.epoch));
        }
        Ok(true)
    }

    /// What the store has of rows, ascending.
    fn heads(&self, storage: StorageId, rows: &[RowId]) -> Result<HashMap<RowId, Vec<u8>>> {
        let mut heads = HashMap::with_capacity(rows.len());
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(heads) };
        if (last - first) as usize / SPARSE > rows.len() {
            for row in rows {
                if let Some(value) = self.manager.kv.get(Cf::Rows, &keyspace::row_key(storage.0, *row))? {
                    heads.insert(*row, value);
                }
            }
            return Ok(heads);
        }
        let (start, end) = (keyspace::row_key(storage.0, *first), keyspace::row_key(storage.0, last.saturating_add(1)));
        self.manager.kv.scan(Cf::Rows, &start, &end, &mut |key, value| {
            let row = keyspace::row_of_key(key);
            if rows.binary_search(&row).is_ok() {
                heads.insert(row, value.to_vec());
            }
            Ok(true)
        })?;
        Ok(heads)
    }

    /// Puts a row's versions over what the store has of it; how many more rows there are by that.
    fn put_ahead(
        &self,
        (storage, row): (StorageId, RowId),
        chain: &Chain,
        stored: Option<&[u8]>,
        batch: &mut WriteBatch,
    ) -> Result<i64> {
        let txn = self.member.id;
        let mut older = |begin: u64, flags: u8, body: &[u8]| {
            let key = keyspace::version_key(storage.0, row, begin).to_vec();
            batch.put(Cf::Versions, key, record::encode_version(OWN | txn, flags, body));
        };
        let (mut first, mut was_live) = (FIRST, false);
        if let Some(value) = stored {
            let (head, body) = record::open_row(value)?;
            let own = head.is_pending_of(txn);
            let begin = if own { Some(head.stamp) } else { self.manager.commit_of(head) };
            if let Some(begin) = begin.filter(|_| own || !head.is(DELETED)) {
                record::verify_row(value)?;
                // A version of the same command that no savepoint can bring back is replaced.
                if chain.versions().next().is_some_and(|oldest| oldest.stamp() != begin) {
                    older(begin, head.flags & (FIRST | DELETED), body);
                }
                first = if own { head.flags & FIRST } else { 0 };
                was_live = !head.is(DELETED);
            }
        }
        let flags = |deleted: bool| first | if deleted { DELETED } else { 0 };
        for version in &chain.older {
            let values = version.values.as_ref().map_or(&[][..], |values| body(values));
            older(version.stamp(), flags(version.values.is_none()), values);
        }
        let last = &chain.last;
        let values = last.values.as_ref().map_or(&[][..], |values| body(values));
        let value = record::encode_ahead(flags(last.values.is_none()), txn, last.stamp(), values);
        batch.put(Cf::Rows, keyspace::row_key(storage.0, row), value);
        Ok(i64::from(last.values.is_some()) - i64::from(was_live))
    }

    /// Moves the first entries of an index; false when there are none. Entries are hints, so they are put at once; that they
    /// are of no use is left for the commit to find, unless they are put again later.
    fn write_entries_ahead(&self, buffer: &mut Buffer, index: StorageId) -> bool {
        let Some(entries) = buffer.entries.get_mut(&index) else { return false };
        let (mut batch, mut retired) = (WriteBatch::default(), BTreeMap::<u32, Vec<Garbage>>::new());
        // Under the sequencer's lock: an entry that an earlier commit retired must count as put again after it.
        let order = self.manager.sequencer.order.lock();
        let put = settle::encode_put(*order + 1, self.member.id, buffer.piece_next);
        let (mut bytes, mut count) = (0, 0);
        while bytes < PIECE_BYTES && count < PIECE_ROWS {
            let Some((key, write)) = entries.pop_first() else { break };
            bytes += key.len();
            count += 1;
            if write.put {
                batch.put(Cf::Rows, keyspace::entry_key_of(index.0, &key), put.clone());
            }
            if write.retired {
                retired.entry(write.epoch).or_default().push(Garbage::Entry { index, key: key.into() });
            }
        }
        if count == 0 {
            buffer.entries.remove(&index);
            return false;
        }
        buffer.indexes_ahead.insert(index);
        for (epoch, items) in retired {
            let key = keyspace::ahead_key(self.member.id, buffer.piece_next);
            batch.put(Cf::Default, key, Ahead::Retired(items).encode());
            buffer.retired.push((buffer.piece_next, epoch));
            buffer.piece_next += 1;
        }
        self.manager.kv.write(batch);
        drop(order);
        true
    }

    /// The version of a row that a view sees, given the pending one of this transaction that the store has of it.
    pub(super) fn see_own(
        &self,
        (storage, row): (StorageId, RowId),
        (head, body): (Head, &[u8]),
        view: &View,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
    ) -> Result<Option<bool>> {
        if record::command_of(head.stamp) < view.command() {
            return if head.is(DELETED) { Ok(None) } else { visit(0, body).map(Some) };
        }
        let newest = record::stamp_of(view.command(), 0) - 1;
        let (start, end) =
            (keyspace::version_key(storage.0, row, newest), keyspace::version_key(storage.0, row, OWN - 1));
        let (mut found, mut seen) = (false, None);
        self.manager.kv.scan(Cf::Versions, &start, &end, &mut |_, value| {
            let older = record::open_version(value)?;
            // Others are left from a transaction that has ended.
            found = older.end == OWN | self.member.id;
            if found && older.flags & DELETED == 0 {
                seen = Some(visit(0, older.body)?);
            }
            Ok(!found)
        })?;
        if found || head.is(FIRST) {
            return Ok(seen);
        }
        self.manager.see_older((storage, row), view.ts(), visit)
    }

    /// What the store has of a row that this transaction wrote ahead.
    pub(super) fn read_ahead(
        &self,
        storage: StorageId,
        row: RowId,
        visit: &mut dyn FnMut(Head, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        self.manager.kv.get_with(Cf::Rows, &keyspace::row_key(storage.0, row), &mut |value| {
            record::verify_row(value)?;
            let (head, body) = record::open_row(value)?;
            visit(head, body)
        })
    }

    /// Takes back from the store what a rollback to a savepoint undoes.
    pub(super) fn take_back_since(&self, undone: &Undone) {
        self.delete_ahead(&undone.deleted);
        for (storage, rows) in &undone.ahead {
            let gone = self.take_back(*storage, rows, undone.epoch);
            if let Some(table) = self.buffer.lock().tables.get_mut(storage) {
                gone.into_iter().for_each(|row| table.ahead.remove(row));
            }
        }
        if !undone.pieces.is_empty() {
            let mut batch = WriteBatch::default();
            for piece in &undone.pieces {
                batch.delete(Cf::Default, keyspace::ahead_key(self.member.id, *piece));
            }
            self.manager.kv.write(batch);
        }
    }

    /// Takes back from the store everything that this transaction wrote ahead. Rows that it inserted are the cheap ones.
    pub(super) fn take_back_all(&self, buffer: &mut Buffer) {
        for (storage, table) in &mut buffer.tables {
            for (range, ()) in table.inserted.iter() {
                if table.ahead.meets(&range) {
                    table.ahead.remove_range(&range);
                    self.delete_ahead(&[(*storage, range)]);
                }
            }
            self.take_back(*storage, &table.ahead, 0);
        }
        settle::forget(&*self.manager.kv, self.member.id);
    }

    /// Takes back versions of an epoch and later ones; rows of which none is left.
    fn take_back(&self, storage: StorageId, rows: &RowSet, epoch: u32) -> Vec<RowId> {
        let mut gone = Vec::new();
        for range in rows.ranges(GAP) {
            let mut next = range.start;
            while next < range.end {
                match settle::take_back(
                    &*self.manager.kv,
                    self.member.id,
                    epoch,
                    storage,
                    &(next..range.end),
                    &mut gone,
                ) {
                    Ok(behind) => {
                        if epoch == 0 {
                            // The whole transaction goes: who waits for one of these rows need not wait for the others.
                            self.manager.wide_locks.release_rows(self.member.id, storage, &(next..behind));
                            self.tell_undone();
                        }
                        next = behind;
                    }
                    Err(error) => {
                        // Others would take the rows for free; the next start finishes this, or says why it cannot.
                        tracing::error!(%error, "could not roll a transaction back; stopping so that it is done at the next start");
                        std::process::abort();
                    }
                }
            }
        }
        gone
    }

    /// Removes rows from the store that this transaction inserted.
    fn delete_ahead(&self, ranges: &[(StorageId, RowIdRange)]) {
        if ranges.is_empty() {
            return;
        }
        let mut batch = WriteBatch::default();
        for (storage, Range { start, end }) in ranges {
            let row = |row: RowId| keyspace::row_key(storage.0, row).to_vec();
            batch.delete_range(Cf::Rows, row(*start), row(*end));
            let versions = |row: RowId| keyspace::versions_of(storage.0, row).to_vec();
            batch.delete_range(Cf::Versions, versions(*start), versions(*end));
        }
        self.manager.kv.write(batch);
    }
}

//! Reading: which version of a row a view sees.
//!
//! The newest committed version is in `rows`; if it is younger than the snapshot, the version that was valid then is in
//! `versions`, where one seek finds it, and a row that never had an older one says so in its header. A row that is pending
//! of a transaction that has not committed is no newest version: that is among the older ones (see `ahead`). A
//! transaction's own writes lie over that: a chain in the buffer, or its pending row in the store. Scans of tables that the
//! transaction has not written are one pass of the store's iterator that copies nothing.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::catalog::descriptor::StorageId;
use crate::error::Result;
use crate::storage::{Cf, keyspace};
use crate::txn::buffer::{EntryWrite, Stored, body};
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, FIRST, Head, OWN, PENDING};
use crate::txn::row_store::{EntryVisitor, RowId, RowIdRange, RowVisitor};
use crate::txn::snapshot::View;
use crate::txn::transaction::Transaction;

/// Own rows or entries that a scan copies out of the buffer at a time.
const OWN_CHUNK: usize = 1024;

/// What a transaction's own writes say about a row.
enum Own {
    /// Nothing: what is committed counts.
    Nothing,
    /// The row is not there.
    Hidden,
    Values(Stored),
    /// The versions are in the store, pending.
    Ahead,
}

/// Own writes to a range of rows, as a view sees them.
struct Overlay {
    /// Rows with own versions, ascending; `None` hides the row.
    rows: Vec<(RowId, Option<Stored>)>,
    /// Up to where it reaches.
    end: RowId,
}

impl TxnManager {
    /// Hands the version of a stored row that a snapshot sees to `visit`; `None` when it sees none.
    #[inline]
    pub(super) fn see(
        &self,
        at: (StorageId, RowId),
        head: Head,
        body: &[u8],
        snapshot: u64,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
    ) -> Result<Option<bool>> {
        match self.commit_of(head) {
            Some(ts) if ts <= snapshot => {
                if head.is(DELETED) {
                    return Ok(None);
                }
                visit(ts, body).map(Some)
            }
            _ if head.is(FIRST) => Ok(None),
            Some(_) => self.see_older(at, snapshot, visit),
            None => self.see_displaced(at, head, snapshot, visit),
        }
    }

    /// As [`TxnManager::see`] for a row whose pending version does not count. It may be committed, taken back or settled between
    /// the looks at one family and the other: when nothing is found, the row must still be what it was.
    fn see_displaced(
        &self,
        at: (StorageId, RowId),
        mut head: Head,
        snapshot: u64,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
    ) -> Result<Option<bool>> {
        loop {
            let seen = self.see_older(at, snapshot, visit)?;
            if seen.is_some() {
                return Ok(seen);
            }
            let Some(value) = self.kv.get(Cf::Rows, &keyspace::row_key(at.0.0, at.1))? else { return Ok(None) };
            let (now, body) = record::open_row(&value)?;
            if self.commit_of(now).is_some() || now.is(FIRST) {
                return self.see(at, now, body, snapshot, visit);
            }
            if now == head {
                return Ok(None);
            }
            head = now;
        }
    }

    pub(super) fn see_older(
        &self,
        (storage, row): (StorageId, RowId),
        snapshot: u64,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<bool>,
    ) -> Result<Option<bool>> {
        // Versions of a transaction that has not committed are beyond all snapshots.
        let start = keyspace::version_key(storage.0, row, snapshot.min(OWN - 1));
        let end = keyspace::version_key(storage.0, row, 0);
        let mut seen = None;
        self.kv.scan(Cf::Versions, &start, &end, &mut |key, value| {
            let older = record::open_version(value)?;
            // What a transaction displaced is valid up to its commit, if it has committed. A version that begins later may have
            // been put back a moment ago, so this one need not be it.
            let end = if older.end & OWN == 0 {
                older.end
            } else {
                self.early.read().get(&(older.end & !OWN)).copied().unwrap_or(u64::MAX)
            };
            if end > snapshot.min(OWN - 1) {
                seen = Some(visit(keyspace::version_begin(key), older.body)?);
            }
            Ok(false)
        })?;
        Ok(seen)
    }

    /// The newest committed version of a row: timestamp and values, `None` for a deleted one. Fills the row cache.
    ///
    /// # Errors
    /// Storage errors.
    pub fn newest(&self, storage: StorageId, row: RowId) -> Result<Option<(u64, Option<Vec<u8>>)>> {
        let key = (storage.0, row);
        let ticket = match self.cache.get(key) {
            Ok((ts, body)) => return Ok(Some((ts, Some(body.to_vec())))),
            Err(ticket) => ticket,
        };
        let mut found = None;
        self.kv.get_with(Cf::Rows, &keyspace::row_key(storage.0, row), &mut |value| {
            let (head, body) = record::open_row(value)?;
            let Some(ts) = self.commit_of(head) else {
                self.see((storage, row), head, body, u64::MAX, &mut |ts, body| {
                    found = Some((ts, Some(body.to_vec())));
                    Ok(true)
                })?;
                return Ok(());
            };
            if head.is(DELETED) {
                found = Some((ts, None));
            } else {
                record::verify_row(value)?;
                self.cache.fill(ticket, key, ts, body);
                found = Some((ts, Some(body.to_vec())));
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The highest row id in storage or being inserted; 0 when there is none.
    ///
    /// # Errors
    /// Storage errors.
    pub fn highest_row(&self, storage: StorageId) -> Result<RowId> {
        let mut highest = self.inserting.highest(storage).unwrap_or(0);
        let start = keyspace::row_key(storage.0, 0);
        self.kv.scan_back(Cf::Rows, &start, &keyspace::rows_end(storage.0), &mut |key, _| {
            highest = highest.max(keyspace::row_of_key(key));
            Ok(false)
        })?;
        Ok(highest)
    }

    /// Committed rows of a range as a snapshot sees them; `u64::MAX` is the newest of each.
    pub(super) fn scan_committed(
        &self,
        snapshot: u64,
        storage: StorageId,
        range: &RowIdRange,
        visit: &mut RowVisitor<'_>,
    ) -> Result<()> {
        let start = keyspace::row_key(storage.0, range.start);
        self.kv.scan(Cf::Rows, &start, &range_end(storage, range.end), &mut |key, value| {
            let (head, body) = record::open_row(value)?;
            let row = keyspace::row_of_key(key);
            // The plain case is kept free of calls.
            if head.flags & (DELETED | PENDING) == 0 && head.ts <= snapshot {
                return visit(row, head.ts, body);
            }
            let go_on = self.see((storage, row), head, body, snapshot, &mut |ts, body| visit(row, ts, body))?;
            Ok(go_on.unwrap_or(true))
        })
    }
}

/// The key behind the last row of a range.
fn range_end(storage: StorageId, end: RowId) -> Vec<u8> {
    if end == RowId::MAX {
        return keyspace::rows_end(storage.0).to_vec();
    }
    keyspace::row_key(storage.0, end).to_vec()
}

impl Transaction {
    pub(super) fn own_writes(&self, storage: StorageId) -> bool {
        self.wrote.load(Ordering::Acquire) && self.buffer.lock().has_table(storage)
    }

    /// Whether the transaction has written rows of a range.
    pub(super) fn own_writes_within(&self, storage: StorageId, range: &RowIdRange) -> bool {
        if !self.wrote.load(Ordering::Acquire) {
            return false;
        }
        let buffer = self.buffer.lock();
        let Some(table) = buffer.tables.get(&storage) else { return false };
        let in_blocks = || table.inserted.meets(range) && !table.blocks.is_empty();
        table.rows.range(range.clone()).next().is_some() || table.ahead.meets(range) || in_blocks()
    }

    fn own(&self, storage: StorageId, row: RowId, command: u32) -> Own {
        if !self.wrote.load(Ordering::Acquire) {
            return Own::Nothing;
        }
        let buffer = self.buffer.lock();
        let Some(table) = buffer.tables.get(&storage) else { return Own::Nothing };
        if let Some(version) = table.rows.get(&row).and_then(|chain| chain.seen_by(command)) {
            return match &version.values {
                Some(values) => Own::Values(values.clone()),
                None => Own::Hidden,
            };
        }
        if let Some(block) = table.block(row).filter(|block| block.command < command) {
            return Own::Values(Arc::new(block.rows.stored(row).to_vec()));
        }
        if table.ahead.contains(row) {
            return Own::Ahead;
        }
        if table.inserted.get(row).is_some() { Own::Hidden } else { Own::Nothing }
    }

    pub(super) fn read_at(
        &self,
        view: &View,
        storage: StorageId,
        row: RowId,
        visit: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        self.note_row_read(storage, row);
        let own = self.own(storage, row, view.command());
        match &own {
            Own::Values(values) => return visit(0, body(values)).map(|()| true),
            Own::Hidden => return Ok(false),
            Own::Ahead | Own::Nothing => {}
        }
        let manager = &*self.manager;
        let key = (storage.0, row);
        let mut visit = |ts: u64, body: &[u8]| visit(ts, body).map(|()| true);
        if matches!(own, Own::Ahead) {
            let mut seen = false;
            self.read_ahead(storage, row, &mut |head, body| {
                seen = self.see_own((storage, row), (head, body), view, &mut visit)?.is_some();
                Ok(())
            })?;
            return Ok(seen);
        }
        let ticket = match manager.cache.get(key) {
            Ok((ts, body)) if ts <= view.ts() => return visit(ts, &body),
            Ok(_) => return Ok(manager.see_older((storage, row), view.ts(), &mut visit)?.is_some()),
            Err(ticket) => ticket,
        };
        let mut seen = false;
        manager.kv.get_with(Cf::Rows, &keyspace::row_key(storage.0, row), &mut |value| {
            let (head, body) = record::open_row(value)?;
            if let Some(ts) = manager.commit_of(head)
                && !head.is(DELETED)
            {
                record::verify_row(value)?;
                manager.cache.fill(ticket, key, ts, body);
            }
            seen = manager.see((storage, row), head, body, view.ts(), &mut visit)?.is_some();
            Ok(())
        })?;
        Ok(seen)
    }

    fn overlay(&self, storage: StorageId, range: &RowIdRange, command: u32) -> Overlay {
        let mut buffer = self.buffer.lock();
        buffer.spread(storage, range);
        let mut overlay = Overlay { rows: Vec::new(), end: range.end };
        let Some(table) = buffer.tables.get(&storage) else { return overlay };
        for (row, chain) in table.rows.range(range.clone()) {
            if overlay.rows.len() == OWN_CHUNK {
                overlay.end = *row;
                break;
            }
            match chain.seen_by(command) {
                Some(version) => overlay.rows.push((*row, version.values.clone())),
                // Own rows that the view does not see yet; without this the store has nothing, or the version before.
                None if chain.inserted && !table.ahead.contains(*row) => overlay.rows.push((*row, None)),
                None => {}
            }
        }
        overlay
    }

    pub(super) fn scan_rows(
        &self,
        view: &View,
        storage: StorageId,
        range: RowIdRange,
        visit: &mut RowVisitor<'_>,
    ) -> Result<()> {
        self.note_all_read(storage);
        if !self.own_writes(storage) {
            return self.manager.scan_committed(view.ts(), storage, &range, visit);
        }
        let mut part = range.clone();
        while part.start < range.end {
            let overlay = self.overlay(storage, &part, view.command());
            part.end = overlay.end;
            if !self.scan_under(view, storage, &part, &overlay, visit)? {
                break;
            }
            part = overlay.end..range.end;
        }
        Ok(())
    }

    /// Committed rows of a range with own writes over them; whether to go on.
    fn scan_under(
        &self,
        view: &View,
        storage: StorageId,
        range: &RowIdRange,
        overlay: &Overlay,
        visit: &mut RowVisitor<'_>,
    ) -> Result<bool> {
        let mut own = overlay.rows.iter().peekable();
        let mut go_on = true;
        let start = keyspace::row_key(storage.0, range.start);
        self.manager.kv.scan(Cf::Rows, &start, &range_end(storage, range.end), &mut |key, value| {
            let row = keyspace::row_of_key(key);
            while let Some((before, values)) = own.next_if(|(own, _)| *own < row) {
                go_on = go_on && visit_own(*before, values.as_ref(), visit)?;
            }
            if !go_on {
                return Ok(false);
            }
            if let Some((_, values)) = own.next_if(|(own, _)| *own == row) {
                go_on = visit_own(row, values.as_ref(), visit)?;
                return Ok(go_on);
            }
            let (head, body) = record::open_row(value)?;
            let at = (storage, row);
            let mut visit = |ts: u64, body: &[u8]| visit(row, ts, body);
            let seen = if head.is_pending_of(self.member.id) {
                self.see_own(at, (head, body), view, &mut visit)?
            } else {
                self.manager.see(at, head, body, view.ts(), &mut visit)?
            };
            go_on = seen.unwrap_or(true);
            Ok(go_on)
        })?;
        for (row, values) in own {
            go_on = go_on && visit_own(*row, values.as_ref(), visit)?;
        }
        Ok(go_on)
    }

    /// Own index entries from `start` on, or before `end` when backward, at most a chunk; whether there may be more.
    fn own_entries(&self, index: StorageId, start: &[u8], end: Option<&[u8]>, backward: bool) -> (Vec<Vec<u8>>, bool) {
        if !self.wrote.load(Ordering::Acquire) {
            return (Vec::new(), false);
        }
        let buffer = self.buffer.lock();
        let Some(entries) = buffer.entries.get(&index) else { return (Vec::new(), false) };
        let upper = end.map_or(Bound::Unbounded, Bound::Excluded);
        if end.is_some_and(|end| end <= start) {
            return (Vec::new(), false);
        }
        let range = entries.range::<[u8], _>((Bound::Included(start), upper));
        let put = |(key, write): (&Vec<u8>, &EntryWrite)| write.put.then(|| key.clone());
        let own: Vec<Vec<u8>> = if backward {
            range.rev().filter_map(put).take(OWN_CHUNK).collect()
        } else {
            range.filter_map(put).take(OWN_CHUNK).collect()
        };
        let more = own.len() == OWN_CHUNK;
        (own, more)
    }

    pub(super) fn scan_index(
        &self,
        index: StorageId,
        start: &[u8],
        end: Option<&[u8]>,
        backward: bool,
        visit: &mut EntryVisitor<'_>,
    ) -> Result<()> {
        self.note_keys_read(index, start, end);
        let (mut start, mut end) = (start.to_vec(), end.map(<[u8]>::to_vec));
        loop {
            let (own, more) = self.own_entries(index, &start, end.as_deref(), backward);
            let Some(last) = own.last().filter(|_| more).cloned() else {
                self.merge_entries(index, &start, end.as_deref(), backward, &own, visit)?;
                return Ok(());
            };
            let go_on = if backward {
                self.merge_entries(index, &last, end.as_deref(), backward, &own, visit)?
            } else {
                let behind = [&last[..], &[0]].concat();
                let go_on = self.merge_entries(index, &start, Some(&behind), backward, &own, visit)?;
                start = behind;
                go_on
            };
            if !go_on {
                return Ok(());
            }
            if backward {
                end = Some(last);
            }
        }
    }

    /// Stored entries of a range merged with own ones, which lie in it and come in the direction of the scan.
    fn merge_entries(
        &self,
        index: StorageId,
        start: &[u8],
        end: Option<&[u8]>,
        backward: bool,
        own: &[Vec<u8>],
        visit: &mut EntryVisitor<'_>,
    ) -> Result<bool> {
        let first = keyspace::entry_key_of(index.0, start);
        let prefix = first.len() - start.len();
        let last = match end {
            Some(end) => keyspace::entry_key_of(index.0, end),
            None => keyspace::entry_prefix(index.0 + 1),
        };
        let mut own = own.iter().peekable();
        let mut go_on = true;
        let mut on_stored = |key: &[u8], _: &[u8]| {
            let key = &key[prefix..];
            let comes_first = |own: &&Vec<u8>| if backward { own.as_slice() > key } else { own.as_slice() < key };
            while let Some(before) = own.next_if(comes_first) {
                go_on = go_on && visit_entry(before, visit)?;
            }
            own.next_if(|own| own.as_slice() == key);
            go_on = go_on && visit_entry(key, visit)?;
            Ok(go_on)
        };
        if backward {
            self.manager.kv.scan_back(Cf::Rows, &first, &last, &mut on_stored)?;
        } else {
            self.manager.kv.scan(Cf::Rows, &first, &last, &mut on_stored)?;
        }
        for key in own {
            go_on = go_on && visit_entry(key, visit)?;
        }
        Ok(go_on)
    }

    /// Whether what it reads is noted, because it is serializable.
    #[must_use]
    pub fn notes_reads(&self) -> bool {
        self.reads.lock().is_some()
    }

    fn note_row_read(&self, storage: StorageId, row: RowId) {
        if let Some(reads) = &mut *self.reads.lock() {
            reads.add_row(storage, row);
        }
    }

    /// Whether it has written to a table, committed or not yet.
    #[must_use]
    pub fn has_written(&self, storage: StorageId) -> bool {
        self.own_writes(storage)
    }

    pub(super) fn note_all_read(&self, storage: StorageId) {
        if let Some(reads) = &mut *self.reads.lock() {
            reads.add_all(storage);
        }
    }

    pub(super) fn note_keys_read(&self, index: StorageId, start: &[u8], end: Option<&[u8]>) {
        if let Some(reads) = &mut *self.reads.lock() {
            reads.add_keys(index, start, end);
        }
    }
}

fn visit_own(row: RowId, values: Option<&Stored>, visit: &mut RowVisitor<'_>) -> Result<bool> {
    values.map_or(Ok(true), |values| visit(row, 0, body(values)))
}

fn visit_entry(key_and_row: &[u8], visit: &mut EntryVisitor<'_>) -> Result<bool> {
    match key_and_row.split_last_chunk::<4>() {
        Some((key, row)) => visit(key, RowId::from_be_bytes(*row)),
        None => Err(crate::error::Error::new(
            crate::error::SqlState::INDEX_CORRUPTED,
            "stored index entry is shorter than a row id",
        )),
    }
}

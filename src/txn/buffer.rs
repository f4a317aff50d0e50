//! What a transaction has written and not committed: row versions by command, index entries, keys of the catalog, hooks,
//! and how to take back everything since a savepoint.
//!
//! A row's chain has one version per command that wrote it, so that a cursor opened by an earlier command goes on seeing what it saw.
//! While a savepoint is set every change enters the undo log; a rollback plays it backwards. Without savepoints there is
//! no log: a full rollback just drops the buffer. Beyond the budget all rows and entries move to the store (`ahead`); what
//! stays here is which rows those are, a bit each, and which of them were written after which savepoint.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::catalog::descriptor::StorageId;
use crate::common::RowSet;
use crate::storage::Cf;
use crate::txn::fresh::FreshRows;
use crate::txn::inflight::Ranges;
use crate::txn::locks::{AdvisoryKey, Modes};
use crate::txn::record::{self, HEADER};
use crate::txn::row_store::{RowId, RowIdRange};
use crate::types::Oid;

/// An encoded row with room for its header in front; see `record::encode_row`.
pub(super) type Stored = Arc<Vec<u8>>;

/// What a chain costs besides its values.
const CHAIN_BYTES: usize = 96;
const ENTRY_BYTES: usize = 64;
const UNDO_BYTES: usize = 56;
/// Keys of one index that are remembered.
pub(super) const KEYS_MAX: usize = 1000;

/// What one command made of a row; `None` is deleted.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) command: u32,
    /// Savepoints that were ever set when it was written.
    pub(super) epoch: u32,
    pub(super) values: Option<Stored>,
}

impl Version {
    pub(super) fn stamp(&self) -> u64 {
        record::stamp_of(self.command, self.epoch)
    }
}

/// A row's versions in this transaction.
#[derive(Clone)]
pub(super) struct Chain {
    /// Whether the row was made by this transaction.
    pub(super) inserted: bool,
    pub(super) last: Version,
    pub(super) older: Vec<Version>,
}

impl Chain {
    /// The newest version made before a command.
    pub(super) fn seen_by(&self, command: u32) -> Option<&Version> {
        std::iter::once(&self.last).chain(self.older.iter().rev()).find(|version| version.command < command)
    }
}

/// Rows that one command made together.
pub(super) struct Block {
    pub(super) rows: FreshRows,
    pub(super) command: u32,
    pub(super) epoch: u32,
}

/// A table's writes.
#[derive(Default)]
pub(super) struct TableWrites {
    pub(super) rows: BTreeMap<RowId, Chain>,
    /// Rows that are not in `rows`, by the first of each block.
    pub(super) blocks: BTreeMap<RowId, Block>,
    /// Rows made by this transaction.
    pub(super) inserted: Ranges<()>,
    /// Rows that were written ahead: the versions not in `rows` are in the store.
    pub(super) ahead: RowSet,
    /// Those of them that have versions written after a savepoint that stands, by its number.
    since: BTreeMap<u64, RowSet>,
    /// How many more rows the table has by what was written ahead.
    pub(super) difference: i64,
    /// Whether nobody knows, because some of it was taken back.
    pub(super) recount: bool,
}

impl TableWrites {
    /// The block that has a row.
    pub(super) fn block(&self, row: RowId) -> Option<&Block> {
        let (_, block) = self.blocks.range(..=row).next_back()?;
        block.rows.rows().contains(&row).then_some(block)
    }

    /// Gives the rows of the blocks that meet a range chains of their own; bytes that this takes.
    fn spread(&mut self, range: &RowIdRange) -> usize {
        let before = self.block(range.start).map(|block| block.rows.rows().start);
        let within = self.blocks.range(range.clone()).map(|(first, _)| *first);
        let firsts: Vec<RowId> = before.into_iter().chain(within.filter(|first| Some(*first) != before)).collect();
        let mut bytes = 0;
        for first in firsts {
            let Some(Block { rows, command, epoch }) = self.blocks.remove(&first) else { continue };
            for row in rows.rows() {
                let last = Version { command, epoch, values: Some(Arc::new(rows.stored(row).to_vec())) };
                self.rows.insert(row, Chain { inserted: true, last, older: Vec::new() });
                bytes += CHAIN_BYTES;
            }
        }
        bytes
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.blocks.is_empty() && self.inserted.is_empty() && self.ahead.is_empty()
    }
}

/// Index entries by key bytes with the big-endian row id behind them, which is how the store orders them.
type Entries = BTreeMap<Vec<u8>, EntryWrite>;

/// What was done to an index entry.
#[derive(Clone, Copy, Default)]
pub(super) struct EntryWrite {
    /// It was put at some time, so readers of this transaction may need it.
    pub(super) put: bool,
    /// The last word is that it is of no use.
    pub(super) retired: bool,
    /// Savepoints that were ever set at the last word.
    pub(super) epoch: u32,
}

/// A lock held; the modes that the owner had on the key before.
pub(super) enum Held {
    Row((StorageId, RowId), Modes),
    Table(Oid, Modes),
    Advisory(AdvisoryKey, Modes),
}

pub(super) type CommitHook = Box<dyn FnOnce(u64) + Send>;
pub(super) type RollbackHook = Box<dyn FnOnce() + Send>;

/// How to take back a change.
enum Undo {
    /// These rows were inserted.
    Inserted(StorageId, RowIdRange),
    /// The chain was begun for a row that was there before.
    Begun(StorageId, RowId),
    /// A version was put on top.
    Pushed(StorageId, RowId),
    /// The top was replaced.
    Replaced(StorageId, RowId, Version),
    Entry(StorageId, Vec<u8>, Option<EntryWrite>),
}

struct Savepoint {
    id: u64,
    undo: usize,
    held: usize,
    meta: usize,
    dropped: usize,
    sequences: usize,
    commit_hooks: usize,
    rollback_hooks: usize,
    entered: usize,
}

/// An entry that this transaction made in a vector index: the index, the entry's tag, the row.
pub(super) type Entered = (StorageId, u32, RowId);

/// A sequence that was restarted: what to go back to.
pub(super) struct Restart {
    pub(super) oid: Oid,
    pub(super) before: Option<crate::txn::sequences::SequenceState>,
}

/// What goes away with a rollback to a savepoint, for the transaction to finish.
#[derive(Default)]
pub(super) struct Undone {
    pub(super) held: Vec<Held>,
    pub(super) rollback_hooks: Vec<RollbackHook>,
    pub(super) inserted: Vec<(StorageId, RowIdRange)>,
    /// Those of them that are in the store.
    pub(super) deleted: Vec<(StorageId, RowIdRange)>,
    /// Other rows of which versions have to go from the store: those of this epoch and later ones.
    pub(super) ahead: Vec<(StorageId, RowSet)>,
    pub(super) epoch: u32,
    /// Pieces in the store that have to go.
    pub(super) pieces: Vec<u32>,
    pub(super) restarts: Vec<Restart>,
    pub(super) entered: Vec<Entered>,
}

/// A transaction's write buffer.
#[derive(Default)]
pub(super) struct Buffer {
    pub(super) tables: HashMap<StorageId, TableWrites>,
    pub(super) entries: HashMap<StorageId, Entries>,
    pub(super) meta: Vec<(Cf, Vec<u8>, Option<Vec<u8>>)>,
    pub(super) dropped: Vec<StorageId>,
    pub(super) restarts: Vec<Restart>,
    pub(super) commit_hooks: Vec<CommitHook>,
    pub(super) rollback_hooks: Vec<RollbackHook>,
    pub(super) held: Vec<Held>,
    /// Entries made in vector indexes, to be taken back with the rest.
    pub(super) entered: Vec<Entered>,
    /// Keys entered in indexes that are kept in memory, for readers at SERIALIZABLE.
    pub(super) keys: HashMap<StorageId, Vec<Box<[u8]>>>,
    /// Bytes of everything in memory, roughly.
    pub(super) bytes: usize,
    /// The number of the next piece written ahead; 0 when there is none.
    pub(super) piece_next: u32,
    /// Pieces of retired entries, with the epoch of what they hold.
    pub(super) retired: Vec<(u32, u32)>,
    /// Indexes that entries were written ahead of, or retired.
    pub(super) indexes_ahead: HashSet<StorageId>,
    /// Length of `held` beyond which row locks are put into a smaller form.
    pub(super) held_max: usize,
    undo: Vec<Undo>,
    savepoints: Vec<Savepoint>,
    savepoint_next: u64,
}

impl Buffer {
    /// Whether changes are logged.
    pub(super) fn has_savepoints(&self) -> bool {
        !self.savepoints.is_empty()
    }

    pub(super) fn has_table(&self, storage: StorageId) -> bool {
        self.tables.contains_key(&storage)
    }

    /// Whether a commit has anything to write or tell.
    pub(super) fn has_writes(&self) -> bool {
        let rows = self.tables.values().any(|table| !table.rows.is_empty() || !table.blocks.is_empty());
        rows || self.is_ahead()
            || self.entries.values().any(|entries| !entries.is_empty())
            || !self.meta.is_empty()
            || !self.dropped.is_empty()
            || !self.restarts.is_empty()
    }

    /// Whether anything was written ahead.
    pub(super) fn is_ahead(&self) -> bool {
        self.piece_next > 0
    }

    /// Savepoints that were ever set.
    fn epoch(&self) -> u32 {
        u32::try_from(self.savepoint_next).unwrap_or(u32::MAX)
    }

    pub(super) fn insert(&mut self, storage: StorageId, row: RowId, command: u32, values: Stored) {
        self.bytes += values.len() + CHAIN_BYTES;
        let (logs, epoch) = (self.has_savepoints(), self.epoch());
        let table = self.tables.entry(storage).or_default();
        table.inserted.add(row, ());
        let last = Version { command, epoch, values: Some(values) };
        table.rows.insert(row, Chain { inserted: true, last, older: Vec::new() });
        if logs {
            self.log_inserted(storage, row..row + 1);
        }
    }

    /// [`Buffer::insert`] for rows that come together.
    pub(super) fn insert_many(&mut self, rows: FreshRows, command: u32) {
        self.bytes += rows.bytes() + CHAIN_BYTES;
        let (logs, epoch) = (self.has_savepoints(), self.epoch());
        let (storage, range) = (rows.storage(), rows.rows());
        let table = self.tables.entry(storage).or_default();
        table.inserted.add_range(range.clone(), ());
        table.blocks.insert(range.start, Block { rows, command, epoch });
        if logs {
            self.log_inserted(storage, range);
        }
    }

    fn log_inserted(&mut self, storage: StorageId, rows: RowIdRange) {
        let fresh = self.marks_end();
        match self.undo.last_mut() {
            Some(Undo::Inserted(last, range)) if *last == storage && range.end == rows.start && !fresh => {
                range.end = rows.end;
            }
            _ => self.undo.push(Undo::Inserted(storage, rows)),
        }
    }

    /// Makes rows of a range that came together ones that can be scanned and changed.
    pub(super) fn spread(&mut self, storage: StorageId, range: &RowIdRange) {
        if let Some(table) = self.tables.get_mut(&storage) {
            self.bytes += table.spread(range);
        }
    }

    /// Whether a savepoint stands exactly at the end of the log, so that its last entry belongs to an earlier one.
    fn marks_end(&self) -> bool {
        self.savepoints.last().is_some_and(|savepoint| savepoint.undo == self.undo.len())
    }

    /// Puts a version on a row, made by this transaction or not.
    pub(super) fn write(&mut self, storage: StorageId, row: RowId, command: u32, values: Option<Stored>) {
        let (logs, epoch) = (self.has_savepoints(), self.epoch());
        self.bytes += values.as_ref().map_or(0, |values| values.len()) + CHAIN_BYTES + usize::from(logs) * UNDO_BYTES;
        self.spread(storage, &(row..row + 1));
        let table = self.tables.entry(storage).or_default();
        let version = Version { command, epoch, values };
        let undo = match table.rows.get_mut(&row) {
            None => {
                let inserted = table.inserted.get(row).is_some();
                table.rows.insert(row, Chain { inserted, last: version, older: Vec::new() });
                Undo::Begun(storage, row)
            }
            Some(chain) if (chain.last.command, chain.last.epoch) == (command, epoch) => {
                let before = std::mem::replace(&mut chain.last, version);
                Undo::Replaced(storage, row, before)
            }
            Some(chain) => {
                let before = std::mem::replace(&mut chain.last, version);
                chain.older.push(before);
                Undo::Pushed(storage, row)
            }
        };
        if logs {
            self.undo.push(undo);
        }
    }

    /// Puts or retires an index entry.
    pub(super) fn write_entry(&mut self, index: StorageId, key: &[u8], row: RowId, retire: bool) {
        let (logs, epoch) = (self.has_savepoints(), self.epoch());
        let entries = self.entries.entry(index).or_default();
        let key = [key, &row.to_be_bytes()].concat();
        let before = entries.get(&key).copied();
        let put = before.is_some_and(|before| before.put) || !retire;
        if logs {
            self.bytes += key.len() + UNDO_BYTES;
            self.undo.push(Undo::Entry(index, key.clone(), before));
        }
        self.bytes += key.len() + ENTRY_BYTES;
        entries.insert(key, EntryWrite { put, retired: retire, epoch });
    }

    /// Remembers a key entered in an index that is kept in memory; beyond a thousand, that there were many.
    pub(super) fn note_key(&mut self, index: StorageId, key: &dyn Fn() -> Vec<u8>) {
        let keys = self.keys.entry(index).or_default();
        if keys.len() <= KEYS_MAX {
            keys.push(key().into());
        }
    }

    pub(super) fn savepoint(&mut self) -> u64 {
        self.savepoint_next += 1;
        self.savepoints.push(Savepoint {
            id: self.savepoint_next,
            undo: self.undo.len(),
            held: self.held.len(),
            meta: self.meta.len(),
            dropped: self.dropped.len(),
            sequences: self.restarts.len(),
            commit_hooks: self.commit_hooks.len(),
            rollback_hooks: self.rollback_hooks.len(),
            entered: self.entered.len(),
        });
        self.savepoint_next
    }

    /// Forgets a savepoint and later ones.
    pub(super) fn release(&mut self, id: u64) {
        self.savepoints.retain(|savepoint| savepoint.id < id);
        if self.savepoints.is_empty() {
            self.undo = Vec::new();
        }
        let last = self.savepoints.last().map(|savepoint| savepoint.id);
        for table in self.tables.values_mut() {
            let later = table.since.split_off(&last.map_or(0, |last| last + 1));
            if let Some(last) = last {
                later.values().for_each(|rows| table.since.entry(last).or_default().extend(rows));
            }
        }
    }

    /// Takes back everything since a savepoint, which stays.
    ///
    /// # Panics
    /// When there is no such savepoint.
    pub(super) fn rollback_to(&mut self, id: u64) -> Undone {
        self.savepoints.retain(|savepoint| savepoint.id <= id);
        let savepoint = self.savepoints.last().filter(|savepoint| savepoint.id == id).expect("a savepoint that is set");
        let (undo_length, meta, dropped, hooks) =
            (savepoint.undo, savepoint.meta, savepoint.dropped, savepoint.commit_hooks);
        let mut undone = Undone {
            held: self.held.split_off(savepoint.held),
            rollback_hooks: self.rollback_hooks.split_off(savepoint.rollback_hooks),
            restarts: self.restarts.split_off(savepoint.sequences),
            epoch: u32::try_from(id).unwrap_or(u32::MAX),
            entered: self.entered.split_off(savepoint.entered),
            ..Undone::default()
        };
        self.meta.truncate(meta);
        self.dropped.truncate(dropped);
        self.commit_hooks.truncate(hooks);
        while self.undo.len() > undo_length {
            let undo = self.undo.pop().expect("the log is longer");
            self.take_back(undo, &mut undone);
        }
        for (storage, table) in &mut self.tables {
            let mut later = RowSet::default();
            table.since.split_off(&id).values().for_each(|rows| later.extend(rows));
            if !later.is_empty() {
                table.recount = true;
                undone.ahead.push((*storage, later));
            }
        }
        let epoch = undone.epoch;
        undone.pieces.extend(self.retired.extract_if(.., |(_, made)| *made >= epoch).map(|(piece, _)| piece));
        self.tables.retain(|_, table| !table.is_empty());
        undone
    }

    fn take_back(&mut self, undo: Undo, undone: &mut Undone) {
        match undo {
            Undo::Inserted(storage, range) => {
                let table = self.tables.entry(storage).or_default();
                table.blocks.retain(|_, block| {
                    let rows = block.rows.rows();
                    rows.start < range.start || rows.end > range.end
                });
                // A block lies wholly in a part of the log or not at all, but for what this finds.
                table.spread(&range);
                range.clone().for_each(|row| drop(table.rows.remove(&row)));
                table.inserted.remove(&range);
                if table.ahead.meets(&range) {
                    table.ahead.remove_range(&range);
                    table.since.values_mut().for_each(|rows| rows.remove_range(&range));
                    table.recount = true;
                    undone.deleted.push((storage, range.clone()));
                }
                undone.inserted.push((storage, range));
            }
            Undo::Begun(storage, row) => {
                self.tables.entry(storage).or_default().rows.remove(&row);
            }
            Undo::Pushed(storage, row) => {
                if let Some(chain) = self.tables.entry(storage).or_default().rows.get_mut(&row)
                    && let Some(before) = chain.older.pop()
                {
                    chain.last = before;
                }
            }
            Undo::Replaced(storage, row, before) => {
                if let Some(chain) = self.tables.entry(storage).or_default().rows.get_mut(&row) {
                    chain.last = before;
                }
            }
            Undo::Entry(index, key, before) => {
                let entries = self.entries.entry(index).or_default();
                match before {
                    Some(before) => drop(entries.insert(key, before)),
                    None => drop(entries.remove(&key)),
                }
            }
        }
    }

    /// Enters a row whose versions of some epoch are in the store from now on.
    pub(super) fn note_ahead(&mut self, storage: StorageId, row: RowId, epochs: impl Iterator<Item = u32>) {
        let table = self.tables.entry(storage).or_default();
        table.ahead.insert(row);
        for epoch in epochs {
            let before = self.savepoints.partition_point(|savepoint| savepoint.id <= u64::from(epoch));
            if let Some(savepoint) = before.checked_sub(1).map(|at| &self.savepoints[at]) {
                table.since.entry(savepoint.id).or_default().insert(row);
            }
        }
    }

    /// Brings the undo log in line with a store that has all rows and entries: only rows inserted are still known here.
    pub(super) fn all_ahead(&mut self) {
        self.bytes = 0;
        let mut kept: Vec<Undo> = Vec::new();
        let (mut savepoints, mut start) = (self.savepoints.iter_mut().peekable(), 0);
        for (at, undo) in std::mem::take(&mut self.undo).into_iter().enumerate() {
            while let Some(savepoint) = savepoints.next_if(|savepoint| savepoint.undo <= at) {
                savepoint.undo = kept.len();
                start = kept.len();
            }
            let Undo::Inserted(storage, range) = undo else { continue };
            match kept[start..].last_mut() {
                Some(Undo::Inserted(last, before)) if *last == storage && before.end == range.start => {
                    before.end = range.end;
                }
                _ => kept.push(Undo::Inserted(storage, range)),
            }
        }
        savepoints.for_each(|savepoint| savepoint.undo = kept.len());
        self.undo = kept;
    }

    /// Takes row locks out of `held`, each with the number of the last savepoint that stood when it was taken, or 0. `keep`
    /// says which of them come back, by whether they can be had in a smaller form.
    pub(super) fn sift_held(&mut self, mut keep: impl FnMut(&Held, u64) -> bool) {
        let mut kept = Vec::new();
        let (mut savepoints, mut epoch) = (self.savepoints.iter_mut().peekable(), 0);
        for (at, held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            while let Some(savepoint) = savepoints.next_if(|savepoint| savepoint.held <= at) {
                savepoint.held = kept.len();
                epoch = savepoint.id;
            }
            if keep(&held, epoch) {
                kept.push(held);
            }
        }
        savepoints.for_each(|savepoint| savepoint.held = kept.len());
        self.held = kept;
    }

    /// Calls `visit` with every lock held and the last savepoint that stood when it was taken, or 0.
    pub(super) fn held_since(&self, mut visit: impl FnMut(&Held, u64)) {
        let (mut savepoints, mut epoch) = (self.savepoints.iter().peekable(), 0);
        for (at, held) in self.held.iter().enumerate() {
            while let Some(savepoint) = savepoints.next_if(|savepoint| savepoint.held <= at) {
                epoch = savepoint.id;
            }
            visit(held, epoch);
        }
    }
}

/// The body of a stored row.
pub(super) fn body(stored: &[u8]) -> &[u8] {
    &stored[HEADER..]
}

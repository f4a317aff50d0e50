//! What a transaction has written and not committed: row versions by command, index entries, keys of the catalog, hooks,
//! and how to take back everything since a savepoint.
//!
//! A row's chain has one version per command that wrote it, so that a cursor opened by an earlier command goes on seeing what it saw.
//! While a savepoint is set every change enters the undo log; a rollback plays it backwards. Without savepoints there is
//! no log: a full rollback just drops the buffer. Inserted rows beyond the budget move to the store as pending rows
//! and leave only their ranges here.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::catalog::descriptor::StorageId;
use crate::storage::Cf;
use crate::txn::inflight::Ranges;
use crate::txn::locks::{AdvisoryKey, Modes};
use crate::txn::record::HEADER;
use crate::txn::row_store::{RowId, RowIdRange};
use crate::types::Oid;

/// An encoded row with room for its header in front; see `record::encode_row`.
pub(super) type Stored = Arc<Vec<u8>>;

/// What a chain costs besides its values.
const CHAIN_BYTES: usize = 96;
const ENTRY_BYTES: usize = 64;
/// Keys of one index that are remembered.
pub(super) const KEYS_MAX: usize = 1000;

/// What one command made of a row; `None` is deleted.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) command: u32,
    pub(super) values: Option<Stored>,
}

/// A row's versions in this transaction.
#[derive(Clone)]
pub(super) struct Chain {
    /// Whether the row was made by this transaction.
    pub(super) inserted: bool,
    pub(super) last: Version,
    older: Vec<Version>,
}

impl Chain {
    /// The newest version made before a command.
    pub(super) fn seen_by(&self, command: u32) -> Option<&Version> {
        std::iter::once(&self.last).chain(self.older.iter().rev()).find(|version| version.command < command)
    }
}

/// A table's writes.
#[derive(Default)]
pub(super) struct TableWrites {
    pub(super) rows: BTreeMap<RowId, Chain>,
    /// Rows made by this transaction.
    pub(super) inserted: Ranges<()>,
    /// Those of them in the store as pending rows, with the command that made them.
    pub(super) spilled: Ranges<u32>,
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
}

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
    pub(super) spilled: Vec<(StorageId, RowIdRange)>,
    pub(super) restarts: Vec<Restart>,
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
    /// Keys entered in indexes that are kept in memory, for readers at SERIALIZABLE.
    pub(super) keys: HashMap<StorageId, Vec<Box<[u8]>>>,
    /// Bytes of everything in memory, roughly.
    pub(super) bytes: usize,
    /// Those that were left when rows were last written ahead.
    pub(super) bytes_kept: usize,
    undo: Vec<Undo>,
    savepoints: Vec<Savepoint>,
    savepoint_next: u64,
}

impl Buffer {
    fn logs(&self) -> bool {
        !self.savepoints.is_empty()
    }

    pub(super) fn has_table(&self, storage: StorageId) -> bool {
        self.tables.contains_key(&storage)
    }

    /// Whether a commit has anything to write or tell.
    pub(super) fn has_writes(&self) -> bool {
        let rows = self.tables.values().any(|table| !table.rows.is_empty() || !table.spilled.is_empty());
        rows || self.entries.values().any(|entries| !entries.is_empty())
            || !self.meta.is_empty()
            || !self.dropped.is_empty()
            || !self.restarts.is_empty()
    }

    pub(super) fn insert(&mut self, storage: StorageId, row: RowId, command: u32, values: Stored) {
        self.bytes += values.len() + CHAIN_BYTES;
        let logs = self.logs();
        let table = self.tables.entry(storage).or_default();
        table.inserted.add(row, ());
        let last = Version { command, values: Some(values) };
        table.rows.insert(row, Chain { inserted: true, last, older: Vec::new() });
        if logs {
            let fresh = self.marks_end();
            match self.undo.last_mut() {
                Some(Undo::Inserted(last, range)) if *last == storage && range.end == row && !fresh => range.end += 1,
                _ => self.undo.push(Undo::Inserted(storage, row..row + 1)),
            }
        }
    }

    /// Whether a savepoint stands exactly at the end of the log, so that its last entry belongs to an earlier one.
    fn marks_end(&self) -> bool {
        self.savepoints.last().is_some_and(|savepoint| savepoint.undo == self.undo.len())
    }

    /// Puts a version on a row, made by this transaction or not.
    pub(super) fn write(&mut self, storage: StorageId, row: RowId, command: u32, values: Option<Stored>) {
        self.bytes += values.as_ref().map_or(0, |values| values.len()) + CHAIN_BYTES;
        let logs = self.logs();
        let table = self.tables.entry(storage).or_default();
        let version = Version { command, values };
        let undo = match table.rows.get_mut(&row) {
            None => {
                let inserted = table.inserted.get(row).is_some();
                table.rows.insert(row, Chain { inserted, last: version, older: Vec::new() });
                Undo::Begun(storage, row)
            }
            Some(chain) if chain.last.command == command => {
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
        let logs = self.logs();
        let entries = self.entries.entry(index).or_default();
        let key = [key, &row.to_be_bytes()].concat();
        let before = entries.get(&key).copied();
        let put = before.is_some_and(|before| before.put) || !retire;
        if logs {
            self.undo.push(Undo::Entry(index, key.clone(), before));
        }
        self.bytes += key.len() + ENTRY_BYTES;
        entries.insert(key, EntryWrite { put, retired: retire });
    }

    /// Remembers a key entered in an index that is kept in memory; beyond a thousand, that there were many.
    pub(super) fn note_key(&mut self, index: StorageId, key: &[u8]) {
        let keys = self.keys.entry(index).or_default();
        if keys.len() <= KEYS_MAX {
            keys.push(key.into());
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
        });
        self.savepoint_next
    }

    /// Forgets a savepoint and later ones.
    pub(super) fn release(&mut self, id: u64) {
        self.savepoints.retain(|savepoint| savepoint.id < id);
        if self.savepoints.is_empty() {
            self.undo = Vec::new();
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
            ..Undone::default()
        };
        self.meta.truncate(meta);
        self.dropped.truncate(dropped);
        self.commit_hooks.truncate(hooks);
        while self.undo.len() > undo_length {
            let undo = self.undo.pop().expect("the log is longer");
            self.take_back(undo, &mut undone);
        }
        self.tables.retain(|_, table| !table.rows.is_empty() || !table.inserted.is_empty());
        undone
    }

    fn take_back(&mut self, undo: Undo, undone: &mut Undone) {
        match undo {
            Undo::Inserted(storage, range) => {
                let table = self.tables.entry(storage).or_default();
                range.clone().for_each(|row| drop(table.rows.remove(&row)));
                table.inserted.remove(&range);
                undone.spilled.extend(table.spilled.within(&range).into_iter().map(|(part, _)| (storage, part)));
                table.spilled.remove(&range);
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

    /// Takes rows to be written ahead out of the buffer: rows made by this transaction with one version. Their ranges are
    /// entered as spilled.
    pub(super) fn take_spill(&mut self) -> Vec<(StorageId, RowId, Stored)> {
        let mut taken = Vec::new();
        for (storage, table) in &mut self.tables {
            let spilled = &mut table.spilled;
            table.rows.retain(|row, chain| {
                let movable = chain.inserted && chain.older.is_empty() && spilled.get(*row).is_none();
                match (&chain.last.values, movable) {
                    (Some(values), true) => {
                        taken.push((*storage, *row, Arc::clone(values)));
                        spilled.add(*row, chain.last.command);
                        false
                    }
                    _ => true,
                }
            });
        }
        let moved: usize = taken.iter().map(|(_, _, values)| values.len() + CHAIN_BYTES).sum();
        self.bytes = self.bytes.saturating_sub(moved);
        taken
    }

    /// Takes index entries to be written ahead out of the buffer. Entries are only hints, so that is harmless.
    pub(super) fn take_entry_spill(&mut self) -> Vec<(StorageId, Vec<u8>)> {
        let mut taken = Vec::new();
        for (index, entries) in &mut self.entries {
            for (key, write) in std::mem::take(entries) {
                if write.put && !write.retired {
                    taken.push((*index, key));
                } else {
                    entries.insert(key, write);
                }
            }
        }
        let moved: usize = taken.iter().map(|(_, key)| key.len() + ENTRY_BYTES).sum();
        self.bytes = self.bytes.saturating_sub(moved);
        taken
    }
}

/// The body of a stored row.
pub(super) fn body(stored: &[u8]) -> &[u8] {
    &stored[HEADER..]
}

//! Shared run-time state of tables and indexes, by storage.
//!
//! Everything here is derived: row id allocators continue after the highest row stored, primary indexes are rebuilt from
//! the rows when a table is first used after start, claims live as long as the transactions that made them. Dropping
//! the whole registry loses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::catalog::descriptor::{StorageId, TableDesc};
use crate::error::Result;
use crate::index::image::{ImageKind, Imager};
use crate::index::{Alex, OrderedIndex};
use crate::table::keys::IndexPlan;
use crate::table::spec::RowId;
use crate::types::Datum;

/// Locks that serialise claims of keys of one index; keys are spread over them by image.
const STRIPES: usize = 64;

/// The registry: one per store.
pub struct Tables {
    seed: u64,
    tables: RwLock<HashMap<StorageId, Arc<TableState>>>,
    indexes: RwLock<HashMap<StorageId, Arc<IndexState>>>,
}

/// State of one incarnation of a table.
pub(super) struct TableState {
    /// The next row id to give out; 0 until the highest one stored has been looked up.
    next: AtomicU32,
    looked_up: Mutex<bool>,
}

/// State of one incarnation of an index that has state in memory: a primary key or another unique index.
pub(super) struct IndexState {
    imager: Imager,
    /// For a primary key every entry, for another unique index those that transactions have claimed and not yet settled.
    pub(super) entries: Alex,
    /// Whether `entries` holds what was stored before this process started.
    pub(super) built: Mutex<bool>,
    stripes: [Mutex<()>; STRIPES],
}

impl Tables {
    /// An empty registry; `seed` is a random number that keeps hashed keys unpredictable.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, tables: RwLock::default(), indexes: RwLock::default() }
    }

    pub(super) fn table_state(&self, storage: StorageId) -> Arc<TableState> {
        if let Some(state) = self.tables.read().get(&storage) {
            return Arc::clone(state);
        }
        let fresh = || Arc::new(TableState { next: AtomicU32::new(0), looked_up: Mutex::new(false) });
        Arc::clone(self.tables.write().entry(storage).or_insert_with(fresh))
    }

    pub(super) fn index_state(&self, plan: &IndexPlan) -> Arc<IndexState> {
        if let Some(state) = self.indexes.read().get(&plan.desc.storage) {
            return Arc::clone(state);
        }
        let fresh = || {
            let imager = Imager::new(plan.image.unwrap_or(ImageKind::Hash), self.seed);
            let stripes = std::array::from_fn(|_| Mutex::new(()));
            Arc::new(IndexState { imager, entries: Alex::new(), built: Mutex::new(false), stripes })
        };
        Arc::clone(self.indexes.write().entry(plan.desc.storage).or_insert_with(fresh))
    }

    /// The state of an index if it has any.
    pub(super) fn existing_index_state(&self, storage: StorageId) -> Option<Arc<IndexState>> {
        self.indexes.read().get(&storage).cloned()
    }

    /// Forgets the state of one table or index storage; harmless while it is in use, since the state is derived.
    pub fn forget(&self, storage: StorageId) {
        self.tables.write().remove(&storage);
        self.indexes.write().remove(&storage);
    }

    /// Forgets the state of a table's rows and all its indexes.
    pub fn forget_table(&self, desc: &TableDesc) {
        self.forget(desc.storage);
        desc.indexes.iter().for_each(|index| self.forget(index.storage));
    }

    /// Bytes that all primary indexes and claims take.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.indexes.read().values().map(|state| state.entries.stats().total_bytes).sum()
    }
}

impl TableState {
    /// The next row id. `highest` looks up the highest one stored, once.
    ///
    /// # Errors
    /// `54000` when all row ids are used; those of `highest`.
    pub(super) fn allocate(&self, count: u32, highest: impl FnOnce() -> Result<RowId>) -> Result<RowId> {
        if self.next.load(Ordering::Acquire) == 0 {
            let mut looked_up = self.looked_up.lock();
            if !*looked_up {
                self.next.store(highest()?.saturating_add(1), Ordering::Release);
                *looked_up = true;
            }
        }
        let take = |next: u32| next.checked_add(count);
        match self.next.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(first) => Ok(first),
            Err(_) => crate::bail!(PROGRAM_LIMIT_EXCEEDED, "table has used all its row ids"),
        }
    }

    /// One past the highest row id given out by this process; 0 when none was.
    pub(super) fn end(&self) -> RowId {
        self.next.load(Ordering::Acquire)
    }
}

impl IndexState {
    /// The image of a key. NULL in a key that is not hashed has none.
    pub(super) fn image(&self, plan: &IndexPlan, key: &[Datum]) -> Option<u64> {
        self.imager.image(&plan.types, key)
    }

    /// Whether `entries` holds what was stored before this process started.
    pub(super) fn is_built(&self) -> bool {
        *self.built.lock()
    }

    /// The image of a key given by its ordered bytes.
    pub(super) fn image_of_bytes(&self, bytes: &[u8]) -> u64 {
        self.imager.image_of_bytes(bytes)
    }

    /// Keeps all other claims of keys with this image out.
    pub(super) fn stripe(&self, image: u64) -> MutexGuard<'_, ()> {
        self.stripes[(image ^ (image >> 32)) as usize % STRIPES].lock()
    }
}

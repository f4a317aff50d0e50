//! Shared run-time state of tables and indexes, by storage.
//!
//! Everything here is derived: row id allocators continue after the highest row stored, primary indexes are rebuilt from
//! the rows when they are first used after start, claims live as long as the transactions that made them. Dropping
//! the whole registry loses nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use hashbrown::HashMap;
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::catalog::descriptor::{StorageId, TableDesc};
use crate::catalog::vector_index;
use crate::error::Result;
use crate::index::hnsw::Hnsw;
use crate::index::image::{ImageKind, Imager};
use crate::index::{Alex, OrderedIndex};
use crate::table::access::Table;
use crate::table::keys::{self, IndexPlan};
use crate::table::narrow::KnownRanges;
use crate::table::row::RowReader;
use crate::table::spec::RowId;
use crate::table::vector::allowed::AllowedRows;
use crate::table::vector::checkpoint::Shelf;
use crate::table::vector::included::Included;
use crate::table::vector::state::{Bell, VectorState};
use crate::table::vector::{OpenIncluded, OpenVector};
use crate::txn::{RowStore, Sweeper, Transaction, TxnManager};
use crate::types::Datum;

/// Locks that serialise claims of keys of one index; keys are spread over them by image.
const STRIPES: usize = 64;
/// Sets of rows that satisfy conditions that are kept: a megabyte each for a table of ten million rows.
const ALLOWED_KEPT: NonZeroUsize = NonZeroUsize::new(64).expect("it is not zero");
/// Claims of one index that are kept without asking.
const CLAIMS_KEPT: usize = 1 << 16;

/// By table and condition: the commit as of which these rows satisfy it.
type Allowed = LruCache<(StorageId, String), (u64, Arc<AllowedRows>)>;

/// The registry: one per store.
pub struct Tables {
    seed: u64,
    tables: RwLock<HashMap<StorageId, Arc<TableState>>>,
    indexes: RwLock<HashMap<StorageId, Arc<IndexState>>>,
    /// Tables as they were last opened. Valid for one descriptor, and goes with the state.
    opened: RwLock<HashMap<StorageId, Table>>,
    pub(super) vectors: RwLock<HashMap<StorageId, Arc<VectorState>>>,
    /// Rings when there are entries of vector indexes to link.
    pub(super) bell: Arc<Bell>,
    /// Where checkpoints of vector indexes are kept, if anywhere.
    pub(super) shelf: RwLock<Option<Arc<Shelf>>>,
    /// Rows that satisfy conditions, as of a table's last change.
    allowed: Mutex<Allowed>,
    /// Queries that compare all rows because their index is being built.
    pub(super) comparing: Arc<AtomicUsize>,
    /// When indexes were made, those made since the start: they hold nothing of older versions.
    made: RwLock<HashMap<StorageId, u64>>,
}

/// State of one incarnation of a table.
pub(super) struct TableState {
    /// The next row id to give out; 0 until the highest one stored has been looked up.
    next: AtomicU32,
    looked_up: Mutex<bool>,
    /// What is known about ranges of its indexes.
    pub(super) ranges: Mutex<KnownRanges>,
}

/// State of one incarnation of an index that has state in memory: a primary key or another unique index.
pub(super) struct IndexState {
    imager: Imager,
    /// The table and the index when this was made, to find a row's key without a statement at hand.
    desc: Arc<TableDesc>,
    plan: IndexPlan,
    /// Claims beyond which those of ended transactions are looked for.
    claims_max: AtomicUsize,
    /// For a primary key every entry, for another unique index those that transactions have claimed and not yet settled.
    pub(super) entries: Alex,
    /// Whether `entries` holds what was stored before this process started.
    built: AtomicBool,
    /// Held by who fills it.
    pub(super) building: Mutex<()>,
    stripes: [Mutex<()>; STRIPES],
}

impl Tables {
    /// An empty registry; `seed` is a random number that keeps hashed keys unpredictable.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            tables: RwLock::default(),
            indexes: RwLock::default(),
            opened: RwLock::default(),
            vectors: RwLock::default(),
            bell: Arc::default(),
            shelf: RwLock::default(),
            allowed: Mutex::new(LruCache::new(ALLOWED_KEPT)),
            comparing: Arc::default(),
            made: RwLock::default(),
        }
    }

    /// The table that was last opened with this very descriptor.
    pub(super) fn kept(&self, desc: &Arc<TableDesc>) -> Option<Table> {
        self.opened.read().get(&desc.storage).filter(|table| Arc::ptr_eq(table.desc(), desc)).cloned()
    }

    /// Keeps a table for [`Tables::kept`].
    pub(super) fn keep(&self, table: &Table) {
        self.opened.write().insert(table.desc().storage, table.clone());
    }

    pub(super) fn table_state(&self, storage: StorageId) -> Arc<TableState> {
        if let Some(state) = self.tables.read().get(&storage) {
            return Arc::clone(state);
        }
        let fresh =
            || Arc::new(TableState { next: AtomicU32::new(0), looked_up: Mutex::new(false), ranges: Mutex::default() });
        Arc::clone(self.tables.write().entry(storage).or_insert_with(fresh))
    }

    pub(super) fn index_state(&self, desc: &Arc<TableDesc>, plan: &IndexPlan) -> Arc<IndexState> {
        if let Some(state) = self.indexes.read().get(&plan.desc.storage) {
            return Arc::clone(state);
        }
        let fresh = || {
            let imager = Imager::new(plan.image.unwrap_or(ImageKind::Hash), self.seed);
            let stripes = std::array::from_fn(|_| Mutex::new(()));
            Arc::new(IndexState {
                imager,
                desc: Arc::clone(desc),
                plan: plan.clone(),
                claims_max: AtomicUsize::new(CLAIMS_KEPT),
                entries: Alex::new(),
                built: AtomicBool::new(false),
                building: Mutex::default(),
                stripes,
            })
        };
        Arc::clone(self.indexes.write().entry(plan.desc.storage).or_insert_with(fresh))
    }

    /// The vector indexes of a table with their states. One that has no entries yet is ready from here on.
    pub(super) fn open_vectors(&self, txn: &dyn RowStore, desc: &Arc<TableDesc>) -> Result<Vec<OpenVector>> {
        let mut opened = Vec::new();
        for index in desc.indexes.iter().filter(|index| vector_index::is_vector(index.method)) {
            let options = vector_index::options(index)?;
            let state = self.vector_state(index.storage, desc.storage);
            let included = state.included(|| Included::new(desc, index));
            if state.is_away() {
                let mut empty = true;
                txn.scan_entries(index.storage, &[], None, false, &mut |_, _| {
                    empty = false;
                    Ok(false)
                })?;
                // What is built beside its writers has them line up until then.
                if empty && state.begin_loading() && index.valid {
                    included.iter().for_each(|included| included.set_complete());
                    state.publish(Arc::new(Hnsw::new(options.clone())), 0);
                }
            }
            let included = included.map(|shared| OpenIncluded { positions: shared.positions(desc).into(), shared });
            opened.push(OpenVector { plan: keys::plan(desc, index), options: Arc::new(options), state, included });
        }
        Ok(opened)
    }

    /// Bytes that a vector index takes in memory; 0 when it is not there.
    #[must_use]
    pub fn vector_bytes(&self, index: StorageId) -> u64 {
        self.vectors.read().get(&index).cloned().map_or(0, |state| state.bytes())
    }

    /// The rows that satisfy a condition, if that is known as of a table's last change, which is at `change`.
    #[must_use]
    pub fn allowed(&self, table: StorageId, condition: &str, change: u64) -> Option<Arc<AllowedRows>> {
        let mut allowed = self.allowed.lock();
        let (known, rows) = allowed.get(&(table, condition.to_owned()))?;
        (*known == change).then(|| Arc::clone(rows))
    }

    /// Keeps what was found out for [`Tables::allowed`], by a view that sees the change.
    pub fn keep_allowed(&self, table: StorageId, condition: String, change: u64, rows: &Arc<AllowedRows>) {
        self.allowed.lock().put((table, condition), (change, Arc::clone(rows)));
    }

    /// Lines up the changes of a vector index from now on, until it is loaded; to be called before anyone writes.
    pub fn await_vectors(&self, index: StorageId, table: StorageId) {
        let state = self.vector_state(index, table);
        state.begin_loading();
        if self.shelf.read().as_ref().is_some_and(|shelf| shelf.has(index)) {
            state.promise();
        }
    }

    /// Says that nothing will come of a vector index's checkpoint: who waits for it need not.
    pub fn give_up_checkpoint(&self, index: StorageId) {
        self.vectors.read().get(&index).into_iter().for_each(|state| state.give_up());
    }

    /// The vector indexes that are loaded and have grown so much that their codes should be chosen anew.
    #[must_use]
    pub fn outgrown_vectors(&self) -> Vec<StorageId> {
        let states = self.vectors.read();
        let outgrown = |state: &VectorState| state.ready().is_some_and(|graph| graph.is_outgrown());
        states.iter().filter(|(_, state)| outgrown(state)).map(|(index, _)| *index).collect()
    }

    /// Whether a statement waits for a vector index's checkpoint to be read.
    #[must_use]
    pub fn is_wanted(&self, index: StorageId) -> bool {
        self.vectors.read().get(&index).is_some_and(|state| state.is_wanted())
    }

    pub(super) fn vector_state(&self, storage: StorageId, table: StorageId) -> Arc<VectorState> {
        if let Some(state) = self.vectors.read().get(&storage) {
            return Arc::clone(state);
        }
        let fresh = || Arc::new(VectorState::new(storage, table, Arc::clone(&self.bell)));
        Arc::clone(self.vectors.write().entry(storage).or_insert_with(fresh))
    }

    /// About how many rows a table has, for planning: the row ids given out. An empty table is taken for one that is about
    /// to be filled, since plans are kept.
    #[must_use]
    pub fn estimate(&self, txns: &TxnManager, table: &TableDesc) -> f64 {
        const EMPTY: f64 = 1000.0;
        match self.table_state(table.storage).allocate(0, || txns.highest_row(table.storage)) {
            Ok(next) if next > 1 => f64::from(next),
            _ => EMPTY,
        }
    }

    /// Forgets the state of one table or index storage; harmless while it is in use, since the state is derived.
    pub fn forget(&self, storage: StorageId) {
        self.tables.write().remove(&storage);
        self.indexes.write().remove(&storage);
        self.opened.write().retain(|own, table| *own != storage && !table.has_index(storage));
        if self.vectors.write().remove(&storage).is_some()
            && let Some(shelf) = &*self.shelf.read()
        {
            shelf.remove(storage);
        }
        self.made.write().remove(&storage);
    }

    /// Notes the commit that made an index.
    pub fn note_made(&self, index: StorageId, ts: u64) {
        self.made.write().insert(index, ts);
    }

    /// The commit that made an index, if that was since the start: it has no entries for what older snapshots show.
    #[must_use]
    pub fn made_at(&self, index: StorageId) -> Option<u64> {
        self.made.read().get(&index).copied()
    }

    /// Forgets the state of a table's rows and all its indexes.
    pub fn forget_table(&self, desc: &TableDesc) {
        self.forget(desc.storage);
        desc.indexes.iter().for_each(|index| self.forget(index.storage));
    }

    /// Entries of one index in memory; 0 when it has none.
    #[must_use]
    pub fn entries(&self, storage: StorageId) -> usize {
        self.indexes.read().get(&storage).map_or(0, |state| state.entries.len())
    }

    /// Bytes that all primary indexes and claims take.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.indexes.read().values().map(|state| state.entries.stats().total_bytes).sum()
    }
}

impl Tables {
    /// Removes a table's rows and index entries with the transaction's commit: for DROP, and for TRUNCATE and rewrites
    /// once the table has a new storage.
    pub fn drop_storage(self: &Arc<Self>, txn: &Transaction, desc: &Arc<TableDesc>) {
        txn.delete_storage(desc.storage);
        desc.indexes.iter().for_each(|index| txn.delete_storage(index.storage));
        let (tables, desc) = (Arc::clone(self), Arc::clone(desc));
        txn.on_commit(Box::new(move |_| tables.forget_table(&desc)));
    }
}

impl Sweeper for Tables {
    fn sweep(&self, manager: &TxnManager, index: StorageId, key: &[u8], row: RowId) -> Result<()> {
        let vectors = self.vectors.read().get(&index).cloned();
        if let (Some(state), Ok(tag)) = (vectors, key.try_into()) {
            return state.sweep(manager, row, u32::from_be_bytes(tag));
        }
        let Some(state) = self.indexes.read().get(&index).cloned() else { return Ok(()) };
        let Some(kind) = state.plan.image else { return Ok(()) };
        let image = match (kind, key.try_into()) {
            (ImageKind::Hash, _) => state.image_of_bytes(key),
            (_, Ok(image)) => u64::from_be_bytes(image),
            (_, Err(_)) => return Ok(()),
        };
        // A transaction that gives the row the key back marks it first and claims the key, under this lock, second.
        let _claiming = state.stripe(image);
        if manager.in_flight(state.desc.storage, row) {
            return Ok(());
        }
        if let Some(values) = manager.newest_row(state.desc.storage, row)? {
            let positions = state.plan.positions().expect("a primary key has no expressions");
            let key = RowReader::open(&values)?.datums(&state.desc, positions)?;
            if state.image(&state.plan, &key) == Some(image) {
                return Ok(());
            }
        }
        state.entries.remove(image, row);
        Ok(())
    }

    fn sweep_again(&self, manager: &TxnManager) -> Result<()> {
        let states: Vec<_> = self.vectors.read().values().map(Arc::clone).collect();
        states.iter().try_for_each(|state| state.sweep_again(manager))
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
        self.built.load(Ordering::Acquire)
    }

    /// Says that it does.
    pub(super) fn note_built(&self) {
        self.built.store(true, Ordering::Release);
    }

    /// Whether there are so many claims that those of ended transactions are worth looking for.
    pub(super) fn claims_to_sweep(&self) -> bool {
        self.entries.len() > self.claims_max.load(Ordering::Relaxed)
    }

    /// Lets twice as many claims come as are left.
    pub(super) fn claims_swept(&self) {
        self.claims_max.store(CLAIMS_KEPT.max(2 * self.entries.len()), Ordering::Relaxed);
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

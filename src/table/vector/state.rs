//! A vector index in memory: away, being loaded, or ready.
//!
//! Writers and sweepers of one row take turns (a lock by row), so that a look at what there is and the change that follows
//! from it are one step. They hold the phase shared meanwhile, so whoever has it exclusively, to publish a loaded graph,
//! has all writers out; searches, and who writes a checkpoint, hold nothing but the graph itself.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use crate::catalog::descriptor::StorageId;
use crate::common::{CancelFlag, clock};
use crate::error::Result;
use crate::index::hnsw::{Tag, Vector, VectorIndex, VectorRef};
use crate::table::spec::RowId;
use crate::table::vector::checkpoint::Loaded;
use crate::table::vector::included::Included;
use crate::txn::TxnManager;

const STRIPES: usize = 64;
/// Entries that may wait to be linked before writers link too: comparing them is a small part of a search.
pub(super) const WAITING_MAX: usize = 1000;

/// Strays are looked for once more than one in so many entries is new: 300 ms for a million, which the next thousand may have cost theirs.
const UNPROVEN_PART: u64 = 1000;

/// Time between looks at whether a statement that waits is cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// State of one incarnation of a vector index.
pub(in crate::table) struct VectorState {
    /// Of the index.
    storage: StorageId,
    /// Of its table's rows.
    table: StorageId,
    phase: RwLock<Phase>,
    stripes: [Mutex<()>; STRIPES],
    /// Entries whose row was being changed, or whose graph was being written, when they were to be swept.
    put_off: Mutex<Vec<(RowId, Tag)>>,
    /// Changes since the last checkpoint.
    changes: AtomicU64,
    /// Entries that came since strays were last looked for.
    unproven: AtomicU64,
    /// Wakes whoever links what waits.
    bell: Arc<Bell>,
    /// What who waits for the graph may hope for.
    hope: Mutex<Hope>,
    /// Told when that has changed.
    told: Condvar,
    /// Whether somebody waits.
    wanted: AtomicBool,
    /// Included columns, if there are any to keep; set by who opens the table first.
    included: OnceLock<Option<Arc<Included>>>,
}

/// What becomes of a graph that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hope {
    /// Nothing, or nothing soon: it is built from the rows.
    Nothing,
    /// Its checkpoint is there to be read, after others.
    Checkpoint,
    /// Its checkpoint is being read.
    Reading,
}

/// Tells one thread that there is something to link. Ringing a bell that rang since the thread last looked costs next to nothing.
#[derive(Default)]
pub(in crate::table) struct Bell {
    rung: AtomicBool,
    asleep: Mutex<()>,
    heard: Condvar,
}

impl Bell {
    pub(in crate::table) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Whoever found it silent waits by now. Not held while telling: it would wake up only to wait for it.
            drop(self.asleep.lock());
            self.heard.notify_one();
        }
    }

    /// Waits until it has rung since the last [`Bell::silence`].
    pub(in crate::table) fn wait(&self) {
        let mut asleep = self.asleep.lock();
        while !self.rung.load(Ordering::Acquire) {
            self.heard.wait(&mut asleep);
        }
    }

    /// From now on it is not rung: who looks for work after this misses none.
    pub(in crate::table) fn silence(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}

enum Phase {
    /// Not in memory; queries do without.
    Away,
    /// Being loaded: what changes meanwhile, in order.
    Loading(Vec<Change>),
    Ready(Arc<dyn VectorIndex>),
}

enum Change {
    Enter(RowId, Tag, Vector),
    Leave(RowId, Tag),
}

impl VectorState {
    pub(in crate::table) fn new(storage: StorageId, table: StorageId, bell: Arc<Bell>) -> Self {
        Self {
            storage,
            table,
            phase: RwLock::new(Phase::Away),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            put_off: Mutex::default(),
            changes: AtomicU64::new(0),
            unproven: AtomicU64::new(0),
            bell,
            hope: Mutex::new(Hope::Nothing),
            told: Condvar::new(),
            wanted: AtomicBool::new(false),
            included: OnceLock::new(),
        }
    }

    /// The included columns, made by the first who asks: all writers do before they write.
    pub(in crate::table) fn included(&self, make: impl FnOnce() -> Option<Included>) -> Option<Arc<Included>> {
        self.included.get_or_init(|| make().map(Arc::new)).clone()
    }

    /// Bytes that the index takes in memory.
    pub(in crate::table) fn bytes(&self) -> u64 {
        let included =
            self.included.get().and_then(|included| included.as_ref()).map_or(0, |included| included.bytes());
        self.ready().map_or(0, |graph| graph.bytes() + included)
    }

    fn set_hope(&self, hope: Hope) {
        *self.hope.lock() = hope;
        self.told.notify_all();
    }

    /// Says that there is a checkpoint, which somebody will read.
    pub(in crate::table) fn promise(&self) {
        self.set_hope(Hope::Checkpoint);
    }

    /// Says that the checkpoint is being read.
    pub(in crate::table) fn note_reading(&self) {
        self.set_hope(Hope::Reading);
    }

    /// Says that nothing will come of the checkpoint any more.
    pub(in crate::table) fn give_up(&self) {
        self.set_hope(Hope::Nothing);
    }

    /// Whether somebody waits for the checkpoint to be read.
    pub(in crate::table) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Waits for a graph that comes from a checkpoint, for `most` while that of another index is read. Reading
    /// it takes a small part of what comparing all rows does.
    ///
    /// # Errors
    /// `57014`.
    pub(in crate::table) fn await_checkpoint(&self, most: Duration, cancel: &CancelFlag) -> Result<()> {
        let begun = clock::monotonic();
        let mut hope = self.hope.lock();
        while *hope == Hope::Reading || (*hope == Hope::Checkpoint && begun.elapsed() < most) {
            self.wanted.store(true, Ordering::Relaxed);
            self.told.wait_for(&mut hope, LOOK_EVERY);
            cancel.check()?;
        }
        Ok(())
    }

    fn stripe(&self, row: RowId) -> MutexGuard<'_, ()> {
        self.stripes[row as usize % STRIPES].lock()
    }

    /// The graph, when it can be searched.
    pub(in crate::table) fn ready(&self) -> Option<Arc<dyn VectorIndex>> {
        match &*self.phase.read() {
            Phase::Ready(index) => Some(Arc::clone(index)),
            _ => None,
        }
    }

    /// Whether nothing has been loaded and nobody is at it.
    pub(in crate::table) fn is_away(&self) -> bool {
        matches!(*self.phase.read(), Phase::Away)
    }

    /// Lines changes up from now on; false when the index is loaded or being loaded.
    pub(in crate::table) fn begin_loading(&self) -> bool {
        let mut phase = self.phase.write();
        let away = matches!(*phase, Phase::Away);
        if away {
            *phase = Phase::Loading(Vec::new());
        }
        away
    }

    /// Puts a loaded graph in its place, after the changes that wait; `changes` is how many entries its checkpoint, if there is one, does
    /// not agree about.
    pub(in crate::table) fn publish(&self, index: Arc<dyn VectorIndex>, changes: u64) {
        let mut phase = self.phase.write();
        let mut waited = 0;
        if let Phase::Loading(changes) = &*phase {
            waited = changes.len() as u64;
            for change in changes {
                match change {
                    Change::Enter(row, tag, vector) => drop(enter_once(&*index, *row, *tag, vector.view())),
                    Change::Leave(row, tag) => drop(index.remove(*row, *tag)),
                }
            }
        }
        self.changes.store(changes + waited, Ordering::Relaxed);
        *phase = Phase::Ready(index);
        drop(phase);
        self.give_up();
        self.bell.ring();
    }

    /// Ends loading: the graph takes its place, or what waits is forgotten. The number of entries loaded.
    pub(in crate::table) fn settle(&self, loaded: Result<Loaded>) -> Result<u64> {
        match loaded {
            Ok((graph, changes)) => {
                let entries = graph.len() as u64;
                self.publish(graph, changes);
                Ok(entries)
            }
            Err(error) => {
                *self.phase.write() = Phase::Away;
                self.give_up();
                Err(error)
            }
        }
    }

    /// Adds an entry unless it is there; whether it was added. The row is in flight. Linking is left to others while they
    /// keep up.
    pub(in crate::table) fn enter(&self, row: RowId, tag: Tag, vector: VectorRef<'_>) -> bool {
        let at_once = match &*self.phase.read() {
            Phase::Away => return false,
            Phase::Ready(index) => {
                let _turn = self.stripe(row);
                Some((Arc::clone(index), enter_once(&**index, row, tag, vector)))
            }
            Phase::Loading(_) => None,
        };
        let (index, entered) = match at_once {
            Some(done) => done,
            None => match &mut *self.phase.write() {
                Phase::Away => return false,
                Phase::Ready(index) => (Arc::clone(index), enter_once(&**index, row, tag, vector)),
                Phase::Loading(changes) => {
                    changes.push(Change::Enter(row, tag, vector.to_vector()));
                    return true;
                }
            },
        };
        if entered {
            self.changes.fetch_add(1, Ordering::Relaxed);
            self.unproven.fetch_add(1, Ordering::Relaxed);
            self.bell.ring();
            if index.waiting() > WAITING_MAX {
                index.try_link();
            }
        }
        entered
    }

    /// Sweeps what was put off: every row is free at some time.
    pub(in crate::table) fn sweep_again(&self, manager: &TxnManager) -> Result<()> {
        let again = std::mem::take(&mut *self.put_off.lock());
        again.into_iter().try_for_each(|(row, tag)| self.sweep(manager, row, tag))?;
        self.included.get().into_iter().flatten().try_for_each(|included| included.make_sure(manager))
    }

    /// Removes an entry that storage has no more: it was retired and no snapshot needs it, or its making was undone. Put off when
    /// its row is being written.
    pub(in crate::table) fn sweep(&self, manager: &TxnManager, row: RowId, tag: Tag) -> Result<()> {
        self.sweep_graph(manager, row, tag)?;
        match self.included.get() {
            Some(Some(included)) if !manager.in_flight(self.table, row) => included.sweep(manager, row),
            _ => Ok(()),
        }
    }

    fn sweep_graph(&self, manager: &TxnManager, row: RowId, tag: Tag) -> Result<()> {
        let useless = || -> Result<bool> {
            if manager.newest_row(self.table, row)?.is_none() {
                return Ok(true);
            }
            Ok(!manager.has_entry(self.storage, &tag.to_be_bytes(), row)?)
        };
        {
            let phase = self.phase.read();
            match &*phase {
                Phase::Away => return Ok(()),
                Phase::Ready(index) => {
                    let _turn = self.stripe(row);
                    if manager.in_flight(self.table, row) {
                        self.put_off.lock().push((row, tag));
                    } else if useless()? {
                        self.take_out(&**index, row, tag);
                    }
                    return Ok(());
                }
                Phase::Loading(_) => {}
            }
        }
        let mut phase = self.phase.write();
        if manager.in_flight(self.table, row) {
            self.put_off.lock().push((row, tag));
        } else if useless()? {
            match &mut *phase {
                Phase::Away => {}
                Phase::Ready(index) => self.take_out(&**index, row, tag),
                Phase::Loading(changes) => changes.push(Change::Leave(row, tag)),
            }
        }
        Ok(())
    }

    /// Takes an entry out, later if the index is being written.
    fn take_out(&self, index: &dyn VectorIndex, row: RowId, tag: Tag) {
        match index.try_remove(row, tag) {
            Some(_) => drop(self.changes.fetch_add(1, Ordering::Relaxed)),
            None => self.put_off.lock().push((row, tag)),
        }
    }

    /// Changes since the last checkpoint.
    pub(in crate::table) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Leads to linked entries that walks do not come by, if enough have come for it to be worth the look.
    pub(in crate::table) fn lead_to_strays(&self) {
        let Some(index) = self.ready() else { return };
        let came = self.unproven.load(Ordering::Relaxed);
        if came > index.len() as u64 / UNPROVEN_PART && index.waiting() == 0 {
            self.unproven.fetch_sub(came, Ordering::Relaxed);
            index.lead_to_strays();
        }
    }

    /// Links some nodes anew that coarser codes linked; how many there were.
    ///
    /// # Errors
    /// A cancellation.
    pub(in crate::table) fn relink(&self, most: usize, cancel: &CancelFlag) -> Result<usize> {
        let Some(index) = self.ready() else { return Ok(0) };
        let relinked = index.relink(most, cancel)?;
        self.changes.fetch_add(relinked as u64, Ordering::Relaxed);
        Ok(relinked)
    }

    /// Runs `save` on the graph, if it is there; changes are counted anew.
    pub(in crate::table) fn checkpoint(&self, save: &mut dyn FnMut(&dyn VectorIndex) -> Result<()>) -> Result<bool> {
        let Some(index) = self.ready() else { return Ok(false) };
        // Saving does so too, but keeps others from linking meanwhile.
        index.link(index.waiting());
        self.unproven.store(0, Ordering::Relaxed);
        index.mend();
        // What changes from here on may be in it or not.
        let changes = self.changes.swap(0, Ordering::Relaxed);
        save(&*index).inspect_err(|_| _ = self.changes.fetch_add(changes, Ordering::Relaxed))?;
        Ok(true)
    }
}

fn enter_once(index: &dyn VectorIndex, row: RowId, tag: Tag, vector: VectorRef<'_>) -> bool {
    !index.contains(row, tag) && index.insert(row, tag, vector)
}

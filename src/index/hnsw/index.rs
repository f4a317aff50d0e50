//! The index: entries come and go, one by one or in bulk.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};

use super::body::{Body, code_bits, fit};
use super::codes::Slot;
use super::contract::{Job, Kind, Options, Probe, Search, Sink, Tag, VectorIndex, VectorRef, VectorStats};
use super::distance::indexable;
use super::filter::Entries;
use super::graph::level_of;
use super::image::save;
use super::names::Names;
use super::relink::Relinking;
use super::scan::GraphSearch;
use super::tail::{Tail, Waiting};
use super::tidy::Dead;
use super::walk::Scratch;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::Rid;

/// A graph index over vectors.
pub struct Hnsw {
    pub(super) options: Options,
    pub(super) body: RwLock<Body>,
    pub(super) names: Mutex<Names>,
    pub(super) tail: Tail,
    /// Serialises the choice of an entry point of an empty graph, and of another one when it is removed.
    pub(super) entry: Mutex<()>,
    scratches: Mutex<Vec<Scratch>>,
    live: AtomicUsize,
    pub(super) dead: Mutex<Dead>,
    /// How many are dead, for searches, which take no lock.
    pub(super) dead_count: AtomicUsize,
    /// Entries ever inserted: decides levels.
    born: AtomicU64,
    /// How many they were when codes were chosen.
    chosen: AtomicU64,
    /// Held by who looks at all codes for long or is about to replace them, and by who links nodes anew.
    pub(super) upkeep: Mutex<Relinking>,
    /// Held shared by who changes links, and alone by who writes them all down. Taken before the body.
    pub(super) still: RwLock<()>,
}

impl Hnsw {
    /// An empty index.
    ///
    /// # Panics
    /// When the metric does not apply to the kind, or `m` is below 2.
    #[must_use]
    pub fn new(options: Options) -> Self {
        assert!(fit(options.metric, options.kind), "{:?} does not measure {:?}", options.metric, options.kind);
        assert!(options.m >= 2 && options.dims >= 1, "an index has dimensions and links");
        Self {
            body: RwLock::new(Body::plain(&options, 0)),
            options,
            names: Mutex::default(),
            tail: Tail::default(),
            entry: Mutex::default(),
            scratches: Mutex::default(),
            live: AtomicUsize::new(0),
            dead: Mutex::default(),
            dead_count: AtomicUsize::new(0),
            born: AtomicU64::new(0),
            chosen: AtomicU64::new(0),
            upkeep: Mutex::default(),
            still: RwLock::default(),
        }
    }

    /// Work space, from the pool.
    pub(super) fn scratch(&self) -> Scratch {
        self.scratches.lock().pop().unwrap_or_default()
    }

    /// Gives work space back.
    pub(super) fn recycle(&self, mut scratch: Scratch) {
        scratch.clear();
        let mut scratches = self.scratches.lock();
        if scratches.len() < 64 {
            scratches.push(scratch);
        }
    }

    /// Slots ever used.
    pub(super) fn slots(&self) -> Slot {
        self.names.lock().used()
    }

    /// Candidates that a walk holds when a search asks for `ef`; some of them may be dead.
    pub(super) fn pool(&self, body: &Body, ef: usize) -> usize {
        let (pool, dead) = (body.pool(ef), self.dead_count.load(Ordering::Relaxed));
        pool + (pool * dead).div_ceil(self.len() + dead + 1)
    }

    /// Entries ever inserted.
    pub(super) fn born(&self) -> u64 {
        self.born.load(Ordering::Relaxed)
    }

    /// How many entries had ever been inserted when codes were chosen.
    pub(super) fn chosen(&self) -> u64 {
        self.chosen.load(Ordering::Relaxed)
    }

    /// Codes suit the entries that there were when so many had been inserted.
    pub(super) fn note_chosen(&self, born: u64) {
        self.chosen.store(born, Ordering::Relaxed);
    }

    /// Takes over what a checkpoint held.
    pub(super) fn adopt(&self, body: Body, live: usize, (born, chosen): (u64, u64), relinking: Relinking) {
        *self.body.write() = body;
        self.live.store(live, Ordering::Relaxed);
        self.born.store(born, Ordering::Relaxed);
        self.note_chosen(chosen);
        *self.upkeep.lock() = relinking;
    }

    /// Makes room for more slots than packed links can tell apart. Searches and writers wait meanwhile.
    fn widen(&self) {
        let mut body = self.body.write();
        if body.graph.is_full(self.slots() as usize) {
            body.graph = Arc::new(body.graph.widened());
        }
    }

    /// A slot and a level for a new entry of a row.
    pub(super) fn reserve(&self, rid: Rid) -> (Slot, u32) {
        let slot = self.names.lock().add(rid);
        let nth = self.born.fetch_add(1, Ordering::Relaxed);
        self.live.fetch_add(1, Ordering::Relaxed);
        (slot, level_of(self.options.seed, nth, self.options.m as usize))
    }

    fn remove_named(&self, rid: Rid, tag: Tag) -> bool {
        let body = self.body.read();
        let slot = self.names.lock().take(rid, |slot| body.graph.name(slot) == (rid, tag));
        let Some(slot) = slot else { return false };
        self.live.fetch_sub(1, Ordering::Relaxed);
        self.take_out(&body, slot);
        true
    }

    /// Makes a node the entry point if there is none; false when there was one.
    pub(super) fn enter_first(&self, body: &Body, slot: Slot) -> bool {
        if body.graph.entry().is_some() {
            return false;
        }
        let _guard = self.entry.lock();
        let first = body.graph.entry().is_none();
        if first {
            body.graph.set_entry(Some((slot, body.graph.level(slot))));
        }
        first
    }
}

/// Keeps places from being used again until it is dropped, so that each stays what it is.
pub(super) struct Held<'a> {
    pub(super) index: &'a Hnsw,
    /// How many there were: all of them have been written, and entries that come have others.
    pub(super) slots: Slot,
}

impl<'a> Held<'a> {
    pub(super) fn begin(index: &'a Hnsw) -> Self {
        index.names.lock().hold(true);
        // Who writes an entry holds the body.
        let _nobody_writes = index.body.write();
        Self { index, slots: index.slots() }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.index.names.lock().hold(false);
    }
}

impl VectorIndex for Hnsw {
    fn options(&self) -> &Options {
        &self.options
    }

    fn insert(&self, rid: Rid, tag: Tag, vector: VectorRef<'_>) -> bool {
        vector.check(&self.options);
        if !indexable(self.options.metric, vector) {
            return false;
        }
        if self.body.read().graph.is_full(self.slots() as usize) {
            self.widen();
        }
        let body = self.body.read();
        let (slot, level) = self.reserve(rid);
        body.write(slot, vector);
        body.graph.place(slot, rid, tag, level);
        if !self.enter_first(&body, slot) {
            let coarse = body.bits < 8 && body.fine.is_none() && self.options.kind == Kind::Dense;
            self.tail.push(Waiting { slot, vector: coarse.then(|| vector.to_vector()) });
        }
        let outgrown = body.bits == 32 && self.len() >= super::load::CODED_ENTRIES_MIN;
        drop(body);
        if outgrown && code_bits(&self.options).is_some() {
            self.outgrow();
        }
        true
    }

    fn remove(&self, rid: Rid, tag: Tag) -> bool {
        let _moving = self.still.read();
        self.remove_named(rid, tag)
    }

    fn try_remove(&self, rid: Rid, tag: Tag) -> Option<bool> {
        let _moving = self.still.try_read()?;
        Some(self.remove_named(rid, tag))
    }

    fn waiting(&self) -> usize {
        self.tail.len()
    }

    fn link(&self, most: usize) -> usize {
        self.link_waiting(most)
    }

    fn try_link(&self) {
        if let Some(_moving) = self.still.try_read() {
            self.link_tail(1, Slot::MAX);
        }
    }

    fn lead_to_strays(&self) -> usize {
        let _alone = self.upkeep.lock();
        let body = self.body.read().clone();
        self.lead_to_strays_in(&body, &CancelFlag::new()).expect("nobody cancels")
    }

    fn mend(&self) -> usize {
        {
            let _moving = self.still.read();
            // Under the lock: places are set free in the graph that there is.
            self.tidy(&self.body.read());
        }
        self.lead_to_strays()
    }

    fn contains(&self, rid: Rid, tag: Tag) -> bool {
        let body = self.body.read();
        let mut slots = Vec::new();
        self.names.lock().slots_of(rid, &mut slots);
        slots.into_iter().any(|slot| body.graph.name(slot) == (rid, tag))
    }

    fn for_each(&self, see: &mut dyn FnMut(Rid, Tag)) {
        let body = self.body.read().clone();
        for slot in 0..self.slots() {
            if body.graph.placed(slot) && body.graph.is_entry(slot) {
                let (rid, tag) = body.graph.name(slot);
                see(rid, tag);
            }
        }
    }

    fn load(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<()> {
        self.load_all(feed, job)
    }

    fn is_outgrown(&self) -> bool {
        self.has_outgrown_codes()
    }

    fn recode(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<bool> {
        self.recode_from(feed, job)
    }

    fn relink(&self, most: usize, cancel: &CancelFlag) -> Result<usize> {
        self.relink_some(most, cancel)
    }

    fn search(self: Arc<Self>, probe: Probe) -> Box<dyn Search> {
        probe.vector.view().check(&self.options);
        Box::new(GraphSearch::new(self, probe))
    }

    fn entries_of(&self, rows: &mut dyn Iterator<Item = Rid>, list: bool) -> Option<Entries> {
        Some(self.known_entries(rows, list))
    }

    fn has(&self, entries: &Entries) -> bool {
        entries.is_of(&self.body.read().graph)
    }

    fn len(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    fn bytes(&self) -> u64 {
        let body = self.body.read().clone();
        let (link_bytes, fact_bytes) = body.graph.bytes();
        let (code_bytes, fine_bytes) = body.code_bytes();
        let scratch_bytes: u64 = self.scratches.lock().iter().map(Scratch::bytes).sum();
        let dead_bytes = self.dead.lock().bytes();
        link_bytes + fact_bytes + code_bytes + fine_bytes + scratch_bytes + dead_bytes + self.names.lock().bytes()
    }

    fn stats(&self) -> VectorStats {
        let body = self.body.read().clone();
        let slots = self.slots();
        let links: usize = (0..slots).map(|slot| body.graph.links(slot, 0).count()).sum();
        let (code_bytes, fine_bytes) = body.code_bytes();
        VectorStats {
            entries: self.len() as u64,
            slots: u64::from(slots),
            levels: body.graph.entry().map_or(0, |(_, level)| level),
            mean_links: links as f64 / f64::from(slots.max(1)),
            total_bytes: self.bytes(),
            code_bytes,
            fine_bytes,
            link_bytes: body.graph.bytes().0,
            code_bits: body.bits,
            ef_factor: body.ef_factor,
        }
    }

    fn checkpoint(&self, out: &mut dyn Write) -> Result<()> {
        let relinking = self.upkeep.lock();
        let _still = self.still.write();
        let held = Held::begin(self);
        self.link_tail(usize::MAX, held.slots);
        self.tidy(&self.body.read());
        save(self, held.slots, relinking.reached(held.slots), out)
    }
}

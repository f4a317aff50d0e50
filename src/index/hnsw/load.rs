//! Filling an index in bulk, and the step from full vectors to codes.
//!
//! The first entries are kept in full until their mean is known, which becomes the centre of the codes; from then on each
//! batch is coded by all threads as it comes, so that memory is bounded by the codes. Then all threads link, each
//! taking the next stride of entries; with one thread the graph depends on the seed and the order only. Where it turns out that codes
//! of more bits are needed ([`super::calibrate`]), all are linked anew by them.
//!
//! An index that grows from nothing by single inserts begins with full vectors, which need no centre, and is coded when
//! it has [`CODED_ENTRIES_MIN`] of them; the links stay. These codes have 8 bits, which are as good as full vectors: fewer are for when there
//! are enough entries to say how many tell them apart ([`super::recode`]).

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::body::{Body, Store, code_bits, with_linker};
use super::calibrate::FACTOR_MAX_LOADED;
use super::codes::{Codes, Slot};
use super::contract::{Job, Options, Sink, Tag, Vector};
use super::distance::indexable;
use super::floats::normalized;
use super::graph::State;
use super::index::Hnsw;
use super::link::Linker;
use super::names::Names;
use super::walk::Scratch;
use crate::common::parallel::side_by_side;
use crate::error::Result;
use crate::index::Rid;

/// Entries from which on an index keeps codes: below, full vectors cost little and the centre would be poor. Tests are
/// small and want codes too.
pub(super) const CODED_ENTRIES_MIN: usize = if cfg!(test) { 100 } else { 2048 };
/// Entries of which a bulk load takes the centre.
const CENTER_ENTRIES: usize = if cfg!(test) { 500 } else { 8192 };
/// Entries coded at a time.
const BATCH: usize = if cfg!(test) { 150 } else { 4096 };
/// Entries that a bulk load links one after the other before threads join in, so that they have a graph to walk.
const SEED_ENTRIES: usize = 512;
/// Entries that a thread links before it looks for cancellation and tells the progress.
const STRIDE: usize = 256;

/// Entries that wait to be coded.
#[derive(Default)]
struct Waiting {
    names: Vec<(Rid, Tag)>,
    vectors: Vec<Vector>,
}

impl Hnsw {
    /// Bytes that a bulk load of so many entries takes besides the index that it leaves: finer codes, by which it is built.
    #[must_use]
    pub fn passing_bytes(options: &Options, entries: usize) -> u64 {
        let coarse = code_bits(options).is_some_and(|bits| bits < 8);
        let passing = coarse && !options.memory.keeps_fine() && entries >= CODED_ENTRIES_MIN;
        if passing { entries as u64 * (u64::from(options.dims).next_multiple_of(64) + 8) } else { 0 }
    }

    /// See [`super::VectorIndex::load`].
    pub(super) fn load_all(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<()> {
        assert!(super::VectorIndex::is_empty(self), "a bulk load fills an empty index");
        *self.names.lock() = Names::with_room(job.expected);
        let bits = code_bits(&self.options).unwrap_or_default();
        let mut body = (bits == 0).then(|| Body::plain(&self.options, job.expected));
        let (mut waiting, mut count) = (Waiting::default(), 0);
        feed(&mut |rid, tag, vector| {
            vector.check(&self.options);
            if indexable(self.options.metric, vector) {
                waiting.names.push((rid, tag));
                waiting.vectors.push(vector.to_vector());
                count += 1;
            }
            let enough = if body.is_some() { BATCH } else { CENTER_ENTRIES };
            if waiting.names.len() >= enough {
                let body = body
                    .get_or_insert_with(|| self.coded_about(&waiting.vectors, bits, (job.expected, job.file.clone())));
                self.place_all(body, &mut waiting, job.threads);
                if body.graph.is_full(self.slots() as usize) {
                    body.graph = Arc::new(body.graph.widened());
                }
            }
            job.cancel.check()
        })?;
        let few = count < CODED_ENTRIES_MIN;
        let last = || match few {
            true => Body::plain(&self.options, count),
            false => self.coded_about(&waiting.vectors, bits, (count, job.file.clone())),
        };
        let mut body = body.unwrap_or_else(last);
        self.place_all(&body, &mut waiting, job.threads);
        *self.body.write() = body.clone();
        self.link_all(&body, count, job)?;
        self.lead_to_strays_in(&body, job.cancel)?;
        self.calibrate(&mut body, job, FACTOR_MAX_LOADED, &|_| self.slots())?;
        self.note_chosen(if few { 0 } else { self.born() });
        if !self.options.memory.keeps_fine() {
            body.fine = None;
        }
        let too_coarse = body.bits > self.body.read().bits;
        *self.body.write() = body;
        // Walks by those codes have not found all that was near.
        if too_coarse { self.relink_all(job) } else { Ok(()) }
    }

    /// A body of codes about the mean of some vectors.
    fn coded_about(&self, vectors: &[Vector], bits: u32, (expected, file): (usize, Option<Arc<File>>)) -> Body {
        let mut center = vec![0.0_f64; self.options.dims as usize];
        let (mut elements, mut squares) = (Vec::new(), 0.0);
        for vector in vectors {
            normalized(self.options.metric, vector.view(), &mut elements);
            center.iter_mut().zip(&elements).for_each(|(sum, element)| *sum += f64::from(*element));
            squares += elements.iter().map(|element| f64::from(*element).powi(2)).sum::<f64>();
        }
        let count = vectors.len() as f64;
        let center: Vec<f32> = center.iter().map(|sum| (sum / count) as f32).collect();
        let center_square: f64 = center.iter().map(|element| f64::from(*element).powi(2)).sum();
        let spread = (squares / count - center_square).max(0.0).sqrt() as f32;
        let expected = expected.max(vectors.len());
        let graph = Arc::new(super::graph::Graph::new(self.options.m as usize, expected));
        Body::coded(&self.options, graph, bits, (center, spread), (expected, file))
    }

    /// Gives the waiting entries their places, on all threads.
    fn place_all(&self, body: &Body, waiting: &mut Waiting, threads: usize) {
        let places: Vec<(Slot, u32)> = waiting.names.iter().map(|(rid, _)| self.reserve(*rid)).collect();
        let part = places.len().div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            let names = waiting.names.chunks(part).zip(waiting.vectors.chunks(part));
            for (places, (names, vectors)) in places.chunks(part).zip(names) {
                scope.spawn(move || {
                    for ((slot, level), ((rid, tag), vector)) in places.iter().zip(names.iter().zip(vectors)) {
                        body.write(*slot, vector.view());
                        body.graph.place(*slot, *rid, *tag, *level);
                    }
                });
            }
        });
        waiting.names.clear();
        waiting.vectors.clear();
    }

    /// Replaces full vectors by codes of 8 bits, the links as they are. Searches and inserts wait meanwhile.
    pub(super) fn outgrow(&self) {
        let _alone = self.upkeep.lock();
        let mut body = self.body.write();
        let Store::Floats(floats) = &*body.near else { return };
        let slots: Vec<Slot> = (0..self.slots()).filter(|slot| body.graph.state(*slot) != State::Free).collect();
        let mut vectors = Vec::with_capacity(slots.len());
        for slot in &slots {
            let mut elements = Vec::new();
            floats.elements(*slot, &mut elements);
            vectors.push(Vector::Dense(elements));
        }
        let coded = Body { graph: Arc::clone(&body.graph), ..self.coded_about(&vectors, 8, (slots.len(), None)) };
        for slot in 0..self.slots() {
            coded.make_room(slot);
        }
        for (slot, vector) in slots.iter().zip(&vectors) {
            coded.write(*slot, vector.view());
        }
        *body = coded;
    }

    /// Links the placed entries `0..count` on several threads.
    fn link_all(&self, body: &Body, count: usize, job: &Job<'_>) -> Result<()> {
        let next = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let seed = count.min(SEED_ENTRIES);
        let work = |most: usize, stride: usize| -> Result<()> {
            let mut scratch = self.scratch();
            let linked = with_linker!(body, linker => {
                self.link_some(body, &mut linker, &mut scratch, (&next, &done), (most, stride, count), job)
            });
            self.recycle(scratch);
            linked
        };
        work(seed, seed.max(1))?;
        next.store(seed, Ordering::Relaxed);
        let threads = job.threads.max(1);
        side_by_side(threads, threads, &|_| work(count, STRIDE))
    }

    fn link_some<C: Codes>(
        &self,
        body: &Body,
        linker: &mut Linker<'_, C>,
        scratch: &mut Scratch,
        (next, done): (&AtomicUsize, &AtomicUsize),
        (most, stride, total): (usize, usize, usize),
        job: &Job<'_>,
    ) -> Result<()> {
        loop {
            let from = next.fetch_add(stride, Ordering::Relaxed);
            let to = (from + stride).min(most);
            if from >= to {
                return Ok(());
            }
            for slot in from..to {
                if !self.enter_first(body, slot as Slot) {
                    linker.link(slot as Slot, self.options.linking_ef(), scratch, job.cancel)?;
                }
            }
            job.cancel.check()?;
            let done = done.fetch_add(to - from, Ordering::Relaxed) + to - from;
            (job.progress)(done as u64, total as u64);
        }
    }
}

//! Codes of every kind behind one choice, and what an index consists of at a time.

use std::fs::File;
use std::sync::Arc;

use super::codes::{Codes, Slot};
use super::contract::{Kind, Memory, Metric, Options, Quantization, VectorRef};
use super::floats::{BitRows, Floats};
use super::graph::Graph;
use super::packed::{Frame, Packed};
use super::sparse::SparseRows;

/// A store of codes.
pub(super) enum Store {
    Floats(Floats),
    Bits(BitRows),
    Sparse(SparseRows),
    Packed(Packed),
}

/// Runs the same code for whichever store it is.
macro_rules! with_store {
    ($store:expr, $codes:ident => $body:expr) => {
        match $store {
            $crate::index::hnsw::body::Store::Floats($codes) => $body,
            $crate::index::hnsw::body::Store::Bits($codes) => $body,
            $crate::index::hnsw::body::Store::Sparse($codes) => $body,
            $crate::index::hnsw::body::Store::Packed($codes) => $body,
        }
    };
}
pub(super) use with_store;

/// Runs code with a linker for a body's codes: walks by the near ones, selections by the fine ones where there are any.
macro_rules! with_linker {
    ($body:expr, $linker:ident => $run:expr) => {{
        let body: &$crate::index::hnsw::body::Body = $body;
        let graph = &*body.graph;
        match (&*body.near, body.fine.as_deref()) {
            ($crate::index::hnsw::body::Store::Packed(near), Some($crate::index::hnsw::body::Store::Packed(fine))) => {
                #[allow(unused_mut)]
                let mut $linker = $crate::index::hnsw::link::Linker::new(graph, near, fine);
                $run
            }
            (near, _) => $crate::index::hnsw::body::with_store!(near, codes => {
                #[allow(unused_mut)]
                let mut $linker = $crate::index::hnsw::link::Linker::new(graph, codes, codes);
                $run
            }),
        }
    }};
}
pub(super) use with_linker;

/// Graph and codes; replaced as a whole by a bulk load, the codes alone when an index outgrows full vectors.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) graph: Arc<Graph>,
    /// What walks compare.
    pub(super) near: Arc<Store>,
    /// Finer codes, for building and for ordering what a walk found; absent when the walk's codes are fine enough.
    pub(super) fine: Option<Arc<Store>>,
    /// Codes that may take the place of these ([`super::recode`]).
    pub(super) coming: [Option<Arc<Store>>; 2],
    /// How many times more candidates a walk holds than asked for, so that recall is that of full vectors.
    pub(super) ef_factor: f64,
    /// Bits of a dimension in the walk's codes.
    pub(super) bits: u32,
}

/// A walk of fewer than a hundred candidates holds up to this many more than asked for. With ten candidates for ten hits every estimate
/// that is off loses one (300,000 sentence embeddings, `ef` 10: .69 instead of .82), and pgvector, which fills its lists with neighbours
/// that the selection left out, finds half a point more among 20,000 at `ef` 40 without it. From 100 on it makes no difference.
const SPARE: usize = 8;
/// Other metrics than cosine need more still the more candidates there are: an eighth of those beyond the first twenty. Without them walks of
/// 100 found up to seven thousandths less than pgvector's among random bits, sparse vectors and inner products (decision 16).
const SPARE_FROM: usize = 20;
const SPARE_PART: usize = 8;

impl Body {
    /// An index without codes: full vectors.
    pub(super) fn plain(options: &Options, expected: usize) -> Self {
        let dims = options.dims as usize;
        let (near, bits) = match options.kind {
            Kind::Dense => (Store::Floats(Floats::new(options.metric, dims, expected)), 32),
            Kind::Sparse => (Store::Sparse(SparseRows::new(options.metric, expected)), 32),
            Kind::Bits => (Store::Bits(BitRows::new(options.metric, dims, expected)), 1),
        };
        let graph = Arc::new(Graph::new(options.m as usize, expected));
        Self { graph, near: Arc::new(near), fine: None, coming: [None, None], ef_factor: 1.0, bits }
    }

    /// Codes of `bits` bits about a centre that vectors are `spread` away from, on a graph; finer codes lie in the file if there is one.
    pub(super) fn coded(
        options: &Options,
        graph: Arc<Graph>,
        bits: u32,
        (center, spread): (Vec<f32>, f32),
        (expected, file): (usize, Option<Arc<File>>),
    ) -> Self {
        let frame = Arc::new(Frame::new(options.metric, center, spread, options.seed));
        let store =
            |bits, dims, file| Arc::new(Store::Packed(Packed::new(Arc::clone(&frame), bits, dims, expected, file)));
        let fine = (bits < 8).then(|| store(8, frame.dims(), file));
        let near = store(bits, coded_dims(options, bits, frame.dims()), None);
        Self { graph, near, fine, coming: [None, None], ef_factor: 1.0, bits }
    }

    /// Candidates that a walk holds when a search asks for `ef`.
    pub(super) fn pool(&self, ef: usize) -> usize {
        let spare = (100_usize.saturating_sub(ef) / 4).min(SPARE);
        let cosine = with_store!(&*self.near, codes => codes.metric()) == Metric::Cosine;
        let of_many = if cosine { 0 } else { ef.saturating_sub(SPARE_FROM) / SPARE_PART };
        (ef.max(1) as f64 * self.ef_factor).ceil() as usize + spare + of_many
    }

    /// The codes that links are chosen by.
    pub(super) fn finest(&self) -> &Store {
        self.fine.as_deref().unwrap_or(&self.near)
    }

    /// Makes room for an entry's codes, so that a walk that comes by before they are written reads zeros.
    pub(super) fn make_room(&self, slot: Slot) {
        self.stores().for_each(|store| with_store!(store, codes => codes.make_room(slot)));
    }

    /// All that an entry is written to.
    fn stores(&self) -> impl Iterator<Item = &Store> {
        [Some(&self.near), self.fine.as_ref()]
            .into_iter()
            .chain(self.coming.each_ref().map(Option::as_ref))
            .flatten()
            .map(|store| &**store)
    }

    /// Bytes of the walk's codes and of all others.
    pub(super) fn code_bytes(&self) -> (u64, u64) {
        let mut bytes = self.stores().map(|store| with_store!(store, codes => codes.bytes()));
        (bytes.next().expect("there are codes"), bytes.sum())
    }

    /// Writes a vector's codes.
    pub(super) fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        self.stores().for_each(|store| with_store!(store, codes => codes.write(slot, vector)));
    }
}

/// Whether a metric and kind fit together.
pub(super) fn fit(metric: Metric, kind: Kind) -> bool {
    matches!(metric, Metric::Hamming | Metric::Jaccard) == (kind == Kind::Bits)
}

/// With `memory = budget` codes are of so many dimensions, or of half of them where that is more. 768 bits of 1,536 dimensions and the links
/// are 197 bytes an entry. Tests are small and want parts too.
const BUDGET_DIMS: usize = if cfg!(test) { 64 } else { 768 };

/// Of how many rotated dimensions the walk's codes are; those that an index has before it chooses ([`super::recode`]) are of all.
pub(super) fn coded_dims(options: &Options, bits: u32, rotated: usize) -> usize {
    match options.memory {
        Memory::Budget if code_bits(options) != Some(bits) => rotated,
        Memory::Budget => rotated.min(BUDGET_DIMS.max((rotated / 2).next_multiple_of(64))),
        Memory::Fast | Memory::Auto => rotated,
    }
}

/// Bits of a dimension that the options ask for; `None` for full vectors. What is coded needs an inner product, so L1 and
/// all that is not dense stay in full. `auto` keeps codes near 400 bits: fewer dimensions need more bits each.
pub(super) fn code_bits(options: &Options) -> Option<u32> {
    if options.kind != Kind::Dense || options.metric == Metric::L1 {
        return None;
    }
    match options.quantization {
        Quantization::None => None,
        Quantization::Int8 => Some(8),
        Quantization::Rabitq1 => Some(1),
        Quantization::Rabitq2 => Some(2),
        Quantization::Rabitq4 => Some(4),
        Quantization::Auto => Some(match options.dims {
            0..=96 => 8,
            97..=255 => 4,
            256..=767 => 2,
            _ => 1,
        }),
    }
}

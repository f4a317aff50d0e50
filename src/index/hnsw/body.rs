//! Codes of every kind behind one choice, and what an index consists of at a time.

use std::sync::Arc;

use super::codes::{Codes, Slot};
use super::contract::{Kind, Metric, Options, VectorRef};
use super::floats::{BitRows, Floats};
use super::graph::Graph;
use super::sparse::SparseRows;

/// A store of codes.
pub(super) enum Store {
    Floats(Floats),
    Bits(BitRows),
    Sparse(SparseRows),
}

/// Runs the same code for whichever store it is.
macro_rules! with_store {
    ($store:expr, $codes:ident => $body:expr) => {
        match $store {
            $crate::index::hnsw::body::Store::Floats($codes) => $body,
            $crate::index::hnsw::body::Store::Bits($codes) => $body,
            $crate::index::hnsw::body::Store::Sparse($codes) => $body,
        }
    };
}
pub(super) use with_store;

/// Graph and codes; replaced as a whole by a bulk load, the codes alone when an index outgrows full vectors.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) graph: Arc<Graph>,
    /// What walks compare.
    pub(super) near: Arc<Store>,
    /// Finer codes, for building and for ordering what a walk found; absent when the walk's codes are fine enough.
    pub(super) fine: Option<Arc<Store>>,
    /// How many times more candidates a walk holds than asked for, so that recall is that of full vectors.
    pub(super) ef_factor: f64,
    /// Bits of a dimension in the walk's codes.
    pub(super) bits: u32,
}

impl Body {
    /// An index without codes: full vectors.
    pub(super) fn plain(options: &Options, expected: usize) -> Self {
        let dims = options.dims as usize;
        let (near, bits) = match options.kind {
            Kind::Dense => (Store::Floats(Floats::new(options.metric, dims, expected)), 32),
            Kind::Sparse => (Store::Sparse(SparseRows::new(options.metric)), 32),
            Kind::Bits => (Store::Bits(BitRows::new(options.metric, dims, expected)), 1),
        };
        let graph = Arc::new(Graph::new(options.m as usize, expected));
        Self { graph, near: Arc::new(near), fine: None, ef_factor: 1.0, bits }
    }

    /// The codes that links are chosen by.
    pub(super) fn finest(&self) -> &Store {
        self.fine.as_deref().unwrap_or(&self.near)
    }

    /// Writes a vector's codes.
    pub(super) fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        with_store!(&*self.near, codes => codes.write(slot, vector));
        if let Some(fine) = &self.fine {
            with_store!(&**fine, codes => codes.write(slot, vector));
        }
    }
}

/// Whether a metric and kind fit together.
pub(super) fn fit(metric: Metric, kind: Kind) -> bool {
    matches!(metric, Metric::Hamming | Metric::Jaccard) == (kind == Kind::Bits)
}

//! pgvector's `sparsevec`.

/// A sparse vector: 0-based ascending indices and their non-zero values.
#[derive(Clone, Debug, PartialEq)]
pub struct SparseVec {
    /// Number of dimensions, 1..=1,000,000,000.
    pub dims: u32,
    /// Positions of the non-zero elements, strictly ascending.
    pub indices: Vec<u32>,
    /// The elements at those positions; never zero.
    pub values: Vec<f32>,
}

//! pgvector's `sparsevec`.

use crate::error::{Error, Result};
use crate::types::Datum;

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

/// Reads the text form.
///
/// # Errors
/// The type's own.
pub fn input(_text: &str) -> Result<Datum> {
    Err(Error::unsupported("sparsevec input"))
}

/// Appends the text form.
pub fn output(_value: &SparseVec, _out: &mut String) {}

/// Reads the binary form.
///
/// # Errors
/// The type's own.
pub fn recv(_bytes: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("sparsevec binary input"))
}

/// Appends the binary form.
pub fn send(_value: &SparseVec, _out: &mut Vec<u8>) {}

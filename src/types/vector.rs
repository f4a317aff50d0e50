//! pgvector's `vector` in text and binary.

use crate::error::{Error, Result};
use crate::types::Datum;

/// Reads the text form.
///
/// # Errors
/// pgvector's.
pub fn input(_text: &str) -> Result<Datum> {
    Err(Error::unsupported("vector input"))
}

/// Appends the text form.
pub fn output(_value: &[f32], _out: &mut String) {}

/// Reads the binary form.
///
/// # Errors
/// pgvector's.
pub fn recv(_bytes: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("vector binary input"))
}

/// Appends the binary form.
pub fn send(_value: &[f32], _out: &mut Vec<u8>) {}

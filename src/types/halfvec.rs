//! pgvector's `halfvec` in text and binary.

use crate::error::{Error, Result};
use crate::types::Datum;

/// Reads the text form.
///
/// # Errors
/// pgvector's.
pub fn input(_text: &str) -> Result<Datum> {
    Err(Error::unsupported("halfvec input"))
}

/// Appends the text form.
pub fn output(_value: &[half::f16], _out: &mut String) {}

/// Reads the binary form.
///
/// # Errors
/// pgvector's.
pub fn recv(_bytes: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("halfvec binary input"))
}

/// Appends the binary form.
pub fn send(_value: &[half::f16], _out: &mut Vec<u8>) {}

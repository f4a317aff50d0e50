//! `bit(n)` and `bit varying(n)`.

use crate::error::{Error, Result};
use crate::types::Datum;

/// A bit string, most significant bit first; bits past `bits` in the last byte are zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    /// Length in bits.
    pub bits: u32,
    /// `ceil(bits / 8)` bytes.
    pub bytes: Vec<u8>,
}

/// Reads the text form.
///
/// # Errors
/// The type's own.
pub fn input(_text: &str) -> Result<Datum> {
    Err(Error::unsupported("bit input"))
}

/// Appends the text form.
pub fn output(_value: &BitString, _out: &mut String) {}

/// Reads the binary form.
///
/// # Errors
/// The type's own.
pub fn recv(_bytes: &[u8]) -> Result<Datum> {
    Err(Error::unsupported("bit binary input"))
}

/// Appends the binary form.
pub fn send(_value: &BitString, _out: &mut Vec<u8>) {}

//! `bit(n)` and `bit varying(n)`.

/// A bit string, most significant bit first; bits past `bits` in the last byte are zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    /// Length in bits.
    pub bits: u32,
    /// `ceil(bits / 8)` bytes.
    pub bytes: Vec<u8>,
}

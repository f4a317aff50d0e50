//! `bit(n)` and `bit varying(n)` in text and binary.
//!
//! Lengths are checked against the modifier by `typmod::coerce`. Unused bits of the last byte stay zero everywhere, so
//! that bytes compare and hash as values.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::types::Datum;
use crate::types::wire::Message;

/// The longest bit string, in bits: PostgreSQL's limit for values.
pub const MAX_BITS: u32 = i32::MAX as u32 - 7;

/// A bit string, most significant bit first; bits past `bits` in the last byte are zero.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitString {
    /// Length in bits.
    pub bits: u32,
    /// `ceil(bits / 8)` bytes.
    pub bytes: Vec<u8>,
}

impl BitString {
    /// `bits` zeros.
    #[must_use]
    pub fn zeros(bits: u32) -> Self {
        Self { bits, bytes: vec![0; bits.div_ceil(8) as usize] }
    }

    /// Bit `index`, counted from the left.
    #[must_use]
    pub fn get(&self, index: u32) -> bool {
        self.bytes[(index / 8) as usize] & (0x80 >> (index % 8)) != 0
    }

    /// Sets or clears bit `index`, counted from the left.
    pub fn set(&mut self, index: u32, on: bool) {
        let mask = 0x80 >> (index % 8);
        let byte = &mut self.bytes[(index / 8) as usize];
        *byte = if on { *byte | mask } else { *byte & !mask };
    }

    /// Zeroes the unused bits of the last byte.
    pub fn clear_padding(&mut self) {
        if let Some(last) = self.bytes.last_mut().filter(|_| !self.bits.is_multiple_of(8)) {
            *last &= 0xff << (8 - self.bits % 8);
        }
    }
}

/// Reads binary digits, with `b` before them if need be, or hexadecimal digits after `x`.
///
/// # Errors
/// `22P02` for another digit, `54000` when too long.
pub fn input(text: &str) -> Result<Datum> {
    let (hexadecimal, digits) = match text.as_bytes().first() {
        Some(b'b' | b'B') => (false, &text[1..]),
        Some(b'x' | b'X') => (true, &text[1..]),
        _ => (false, text),
    };
    let width = if hexadecimal { 4 } else { 1 };
    let count = digits.len() as u64 * width;
    if count > u64::from(MAX_BITS) {
        bail!(PROGRAM_LIMIT_EXCEEDED, "bit string length exceeds the maximum allowed ({MAX_BITS})");
    }
    let mut value = BitString::zeros(count as u32);
    for (index, digit) in digits.chars().enumerate() {
        if hexadecimal {
            let Some(nibble) = digit.to_digit(16) else {
                bail!(INVALID_TEXT_REPRESENTATION, "\"{digit}\" is not a valid hexadecimal digit");
            };
            value.bytes[index / 2] |= (nibble as u8) << (4 * (1 - index % 2));
        } else {
            match digit {
                '0' => {}
                '1' => value.bytes[index / 8] |= 0x80 >> (index % 8),
                _ => bail!(INVALID_TEXT_REPRESENTATION, "\"{digit}\" is not a valid binary digit"),
            }
        }
    }
    Ok(Datum::Bit(Arc::new(value)))
}

/// Appends the text form.
pub fn output(value: &BitString, out: &mut String) {
    out.reserve(value.bits as usize);
    out.extend((0..value.bits).map(|index| if value.get(index) { '1' } else { '0' }));
}

/// Reads the binary form.
///
/// # Errors
/// `22P03` for a negative length or other bytes than it says.
pub fn recv(bytes: &[u8]) -> Result<Datum> {
    let mut message = Message(bytes);
    let Some(bits) = u32::try_from(message.i32()?).ok().filter(|bits| *bits <= MAX_BITS) else {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid length in external bit string");
    };
    let bytes = message.take(bits.div_ceil(8) as usize)?.to_vec();
    message.end()?;
    let mut value = BitString { bits, bytes };
    value.clear_padding();
    Ok(Datum::Bit(Arc::new(value)))
}

/// Appends the binary form.
pub fn send(value: &BitString, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.bits.to_be_bytes());
    out.extend_from_slice(&value.bytes);
}

#[cfg(test)]
mod tests {
    use super::{input, output, recv, send};
    use crate::types::Datum;

    #[test]
    fn text_and_binary_round_trip() {
        for (text, want) in [
            ("101", "101"),
            ("B1100110011", "1100110011"),
            ("x1fA", "000111111010"),
            ("", ""),
            ("102", "22P02 \"2\" is not a valid binary digit"),
            ("x1g", "22P02 \"g\" is not a valid hexadecimal digit"),
        ] {
            let shown = match input(text) {
                Ok(Datum::Bit(value)) => {
                    let (mut out, mut bytes) = (String::new(), Vec::new());
                    output(&value, &mut out);
                    send(&value, &mut bytes);
                    assert!(matches!(recv(&bytes), Ok(Datum::Bit(back)) if back == value));
                    out
                }
                Ok(other) => panic!("not a bit string: {other:?}"),
                Err(error) => format!("{} {}", error.sqlstate().as_str(), error.report().message),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

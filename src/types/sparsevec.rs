//! pgvector's `sparsevec`: a huge vector of which only the elements that are not zero are kept.
//!
//! Indices count from 1 in text and from 0 in memory, on disk and on the wire.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result};
use crate::types::Datum;
use crate::types::float::output_f32;
use crate::types::vector::{MAX_DIMENSIONS, check_element, scan_float, skip_spaces};
use crate::types::wire::Message;

/// The most dimensions of a `sparsevec`.
pub const MAX_SPARSE_DIMENSIONS: i64 = 1_000_000_000;

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

impl SparseVec {
    /// The elements of a dense vector that are not zero.
    ///
    /// # Errors
    /// `54000` when they are more than 16,000.
    pub fn from_dense(elements: impl ExactSizeIterator<Item = f32>) -> Result<Self> {
        let dims = u32::try_from(elements.len()).expect("arrays are short");
        let mut made = Self { dims, indices: Vec::new(), values: Vec::new() };
        for (index, element) in (0..dims).zip(elements) {
            if element != 0.0 {
                made.indices.push(index);
                made.values.push(element);
            }
        }
        check_count(made.indices.len())?;
        Ok(made)
    }

    /// All elements in order.
    #[must_use]
    pub fn to_dense(&self) -> Vec<f32> {
        let mut elements = vec![0.0; self.dims as usize];
        for (index, value) in self.indices.iter().zip(&self.values) {
            elements[*index as usize] = *value;
        }
        elements
    }
}

fn check_dims(dims: i64) -> Result<u32> {
    if dims < 1 {
        bail!(DATA_EXCEPTION, "sparsevec must have at least 1 dimension");
    }
    if dims > MAX_SPARSE_DIMENSIONS {
        bail!(PROGRAM_LIMIT_EXCEEDED, "sparsevec cannot have more than {MAX_SPARSE_DIMENSIONS} dimensions");
    }
    Ok(u32::try_from(dims).expect("checked to be in range"))
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_DIMENSIONS {
        bail!(PROGRAM_LIMIT_EXCEEDED, "sparsevec cannot have more than {MAX_DIMENSIONS} non-zero elements");
    }
    Ok(())
}

fn bad_syntax(text: &str) -> Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type sparsevec: \"{text}\"")
}

/// C's `strtol`, clamped to 32 bits; `None` when there are no digits.
fn scan_integer(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let start = *at;
    skip_spaces(bytes, at);
    let negative = bytes.get(*at) == Some(&b'-');
    *at += usize::from(matches!(bytes.get(*at), Some(b'-' | b'+')));
    let first = *at;
    let mut value = 0i64;
    while let Some(byte) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
        *at += 1;
    }
    if *at == first {
        *at = start;
        return None;
    }
    let value = if negative { -value } else { value };
    Some(value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)))
}

/// One `index:value` of the text form.
fn scan_pair(text: &str, at: &mut usize) -> Result<(i64, f32)> {
    let bytes = text.as_bytes();
    let Some(index) = scan_integer(bytes, at) else { return Err(bad_syntax(text)) };
    skip_spaces(bytes, at);
    if bytes.get(*at) != Some(&b':') {
        return Err(bad_syntax(text));
    }
    *at += 1;
    skip_spaces(bytes, at);
    let Some(number) = scan_float(&bytes[*at..]) else { return Err(bad_syntax(text)) };
    if number.out_of_range {
        let shown = &text[*at..*at + number.length];
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{shown}\" is out of range for type sparsevec");
    }
    check_element(number.value, "sparsevec")?;
    *at += number.length;
    Ok((index, number.value))
}

/// Reads the text form.
///
/// # Errors
/// The type's own.
pub fn input(text: &str) -> Result<Datum> {
    let bytes = text.as_bytes();
    check_count(memchr::memchr_iter(b',', bytes).count() + 1)?;
    let mut at = 0;
    skip_spaces(bytes, &mut at);
    if bytes.get(at) != Some(&b'{') {
        return Err(bad_syntax(text).detail("Vector contents must start with \"{\"."));
    }
    at += 1;
    skip_spaces(bytes, &mut at);
    let mut pairs = Vec::new();
    if bytes.get(at) == Some(&b'}') {
        at += 1;
    } else {
        loop {
            let (index, value) = scan_pair(text, &mut at)?;
            if value != 0.0 {
                pairs.push((index, value));
            }
            skip_spaces(bytes, &mut at);
            at += 1;
            match bytes.get(at - 1) {
                Some(b',') => {}
                Some(b'}') => break,
                _ => return Err(bad_syntax(text)),
            }
        }
    }
    skip_spaces(bytes, &mut at);
    if bytes.get(at) != Some(&b'/') {
        return Err(bad_syntax(text).detail("Unexpected end of input."));
    }
    at += 1;
    let Some(dims) = scan_integer(bytes, &mut at) else { return Err(bad_syntax(text)) };
    skip_spaces(bytes, &mut at);
    if at < bytes.len() {
        return Err(bad_syntax(text).detail("Junk after closing."));
    }
    from_pairs(check_dims(dims)?, pairs)
}

/// Sorts pairs with 1-based indices and checks them.
fn from_pairs(dims: u32, mut pairs: Vec<(i64, f32)>) -> Result<Datum> {
    pairs.sort_by_key(|(index, _)| *index);
    if pairs.iter().any(|(index, _)| *index < 1 || *index > i64::from(dims)) {
        bail!(DATA_EXCEPTION, "sparsevec index out of bounds");
    }
    if pairs.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        bail!(DATA_EXCEPTION, "sparsevec indices must not contain duplicates");
    }
    let indices = pairs.iter().map(|(index, _)| u32::try_from(index - 1).expect("checked to be in range")).collect();
    let values = pairs.iter().map(|(_, value)| *value).collect();
    Ok(Datum::SparseVec(Arc::new(SparseVec { dims, indices, values })))
}

/// Appends the text form.
pub fn output(value: &SparseVec, out: &mut String) {
    let mut digits = itoa::Buffer::new();
    out.push('{');
    for (place, (index, element)) in value.indices.iter().zip(&value.values).enumerate() {
        if place > 0 {
            out.push(',');
        }
        out.push_str(digits.format(index + 1));
        out.push(':');
        output_f32(*element, 1, out);
    }
    out.push_str("}/");
    out.push_str(digits.format(value.dims));
}

/// Reads the binary form.
///
/// # Errors
/// The type's own.
pub fn recv(bytes: &[u8]) -> Result<Datum> {
    let mut message = Message(bytes);
    let (dims, count, unused) = (message.i32()?, message.i32()?, message.i32()?);
    let dims = check_dims(i64::from(dims))?;
    let Ok(count) = usize::try_from(count) else {
        bail!(DATA_EXCEPTION, "sparsevec cannot have negative number of elements");
    };
    check_count(count)?;
    if count > dims as usize {
        bail!(PROGRAM_LIMIT_EXCEEDED, "sparsevec cannot have more elements than dimensions");
    }
    if unused != 0 {
        bail!(DATA_EXCEPTION, "expected unused to be 0, not {unused}");
    }
    let mut indices: Vec<u32> = Vec::with_capacity(count);
    for _ in 0..count {
        let index = message.i32()?;
        let Some(index) = u32::try_from(index).ok().filter(|index| *index < dims) else {
            bail!(DATA_EXCEPTION, "sparsevec index out of bounds");
        };
        match indices.last() {
            Some(last) if index < *last => bail!(DATA_EXCEPTION, "sparsevec indices must be in ascending order"),
            Some(last) if index == *last => bail!(DATA_EXCEPTION, "sparsevec indices must not contain duplicates"),
            _ => indices.push(index),
        }
    }
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        let value = message.f32()?;
        check_element(value, "sparsevec")?;
        if value == 0.0 {
            bail!(DATA_EXCEPTION, "binary representation of sparsevec cannot contain zero values");
        }
        values.push(value);
    }
    message.end()?;
    Ok(Datum::SparseVec(Arc::new(SparseVec { dims, indices, values })))
}

/// Appends the binary form.
pub fn send(value: &SparseVec, out: &mut Vec<u8>) {
    let count = u32::try_from(value.indices.len()).expect("at most 16,000 elements");
    out.extend_from_slice(&value.dims.to_be_bytes());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    for index in &value.indices {
        out.extend_from_slice(&index.to_be_bytes());
    }
    for element in &value.values {
        out.extend_from_slice(&element.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{input, output, recv, send};
    use crate::types::Datum;

    #[test]
    fn text_and_binary_round_trip_and_errors_are_pgvectors() {
        for (text, want) in [
            ("{1:1.5,3:3.5}/5", "{1:1.5,3:3.5}/5"),
            (" { 3 : 2 , 1:0, 2:1 } / 5 ", "{2:1,3:2}/5"),
            ("{}/5", "{}/5"),
            ("{1:0}/1", "{}/1"),
            ("", "22P02 invalid input syntax for type sparsevec: \"\""),
            ("{1:1}", "22P02 invalid input syntax for type sparsevec: \"{1:1}\""),
            ("{0:1}/2", "22000 sparsevec index out of bounds"),
            ("{3:1}/2", "22000 sparsevec index out of bounds"),
            ("{1:1,1:2}/2", "22000 sparsevec indices must not contain duplicates"),
            ("{}/0", "22000 sparsevec must have at least 1 dimension"),
            ("{}/1000000001", "54000 sparsevec cannot have more than 1000000000 dimensions"),
            ("{1:1e-46}/1", "22003 \"1e-46\" is out of range for type sparsevec"),
            ("{1:nan}/1", "22000 NaN not allowed in sparsevec"),
        ] {
            let shown = match input(text) {
                Ok(Datum::SparseVec(value)) => {
                    let (mut out, mut bytes) = (String::new(), Vec::new());
                    output(&value, &mut out);
                    send(&value, &mut bytes);
                    assert!(matches!(recv(&bytes), Ok(Datum::SparseVec(back)) if back == value));
                    out
                }
                Ok(other) => panic!("not a sparsevec: {other:?}"),
                Err(error) => format!("{} {}", error.sqlstate().as_str(), error.report().message),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

//! pgvector's `vector` in text and binary, and the checks that `halfvec` and `sparsevec` share.
//!
//! Whatever makes a vector goes through [`check_dimensions`] and [`check_element`], so that every stored vector has
//! 1 to 16,000 finite elements.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::types::Datum;
use crate::types::float::output_f32;
use crate::types::integer::is_space;
use crate::types::wire::Message;

/// The most elements of a `vector` and a `halfvec`, and the most non-zero elements of a `sparsevec`.
pub const MAX_DIMENSIONS: usize = 16_000;

/// Checks a number of dimensions against 1..=16,000; `name` is the type's.
///
/// # Errors
/// `22000` for none, `54000` for too many.
pub fn check_dimensions(count: usize, name: &str) -> Result<()> {
    if count < 1 {
        bail!(DATA_EXCEPTION, "{name} must have at least 1 dimension");
    }
    if count > MAX_DIMENSIONS {
        bail!(PROGRAM_LIMIT_EXCEEDED, "{name} cannot have more than {MAX_DIMENSIONS} dimensions");
    }
    Ok(())
}

/// Checks that an element is finite; `name` is the type's.
///
/// # Errors
/// `22000`.
#[inline]
pub fn check_element(value: f32, name: &str) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    if value.is_nan() {
        bail!(DATA_EXCEPTION, "NaN not allowed in {name}");
    }
    bail!(DATA_EXCEPTION, "infinite value not allowed in {name}")
}

/// Makes a vector after checking dimensions and elements.
///
/// # Errors
/// As [`check_dimensions`] and [`check_element`].
pub fn from_elements(elements: Vec<f32>) -> Result<Datum> {
    check_dimensions(elements.len(), "vector")?;
    for element in &elements {
        check_element(*element, "vector")?;
    }
    Ok(Datum::Vector(elements.into()))
}

/// A number at the front of text, as C's `strtof` reads it.
pub(crate) struct ScannedFloat {
    pub(crate) value: f32,
    /// Bytes of the number.
    pub(crate) length: usize,
    /// A finite decimal that does not fit: the value is infinite, or zero although a digit is not.
    pub(crate) out_of_range: bool,
}

/// Reads the longest prefix that is a number; `None` when there is none.
pub(crate) fn scan_float(text: &[u8]) -> Option<ScannedFloat> {
    let signed = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let negative = text.first() == Some(&b'-');
    let rest = &text[signed..];
    let word = |word: &str| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()));
    let special = |value: f32, length: usize| {
        let value = if negative { -value } else { value };
        Some(ScannedFloat { value, length: signed + length, out_of_range: false })
    };
    if word("infinity") {
        return special(f32::INFINITY, 8);
    }
    if word("inf") {
        return special(f32::INFINITY, 3);
    }
    if word("nan") {
        return special(f32::NAN, 3);
    }
    if let Some((value, length)) = scan_hexadecimal(rest) {
        let out_of_range = (value as f32).is_infinite();
        let value = if negative { -value } else { value };
        return Some(ScannedFloat { value: value as f32, length: signed + length, out_of_range });
    }
    scan_decimal(text, signed)
}

fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn scan_decimal(text: &[u8], signed: usize) -> Option<ScannedFloat> {
    let whole = digits(&text[signed..]);
    let mut end = signed + whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(&text[end + 1..]);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    let mantissa_end = end;
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(text.get(end + 1 + sign..).unwrap_or(&[]));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(&text[..end]).expect("digits and signs are ASCII");
    let value: f32 = number.parse().expect("Rust reads every decimal float");
    let nonzero = text[..mantissa_end].iter().any(|byte| (b'1'..=b'9').contains(byte));
    let out_of_range = value.is_infinite() || (value == 0.0 && nonzero);
    Some(ScannedFloat { value, length: end, out_of_range })
}

/// `0x1.8p3`; the value and the bytes it takes.
fn scan_hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let [b'0', b'x' | b'X', rest @ ..] = text else { return None };
    let (mut value, mut places, mut seen, mut at) = (0.0f64, 0i32, false, 0);
    let mut point = false;
    while let Some(&byte) = rest.get(at) {
        if byte == b'.' && !point {
            point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            value = value * 16.0 + f64::from(digit);
            places += i32::from(point);
            seen = true;
        } else {
            break;
        }
        at += 1;
    }
    if !seen {
        return None;
    }
    let mut exponent = 0i32;
    if matches!(rest.get(at), Some(b'p' | b'P')) {
        let sign = usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let count = digits(rest.get(at + 1 + sign..).unwrap_or(&[]));
        if count > 0 {
            let text = std::str::from_utf8(&rest[at + 1 + sign..at + 1 + sign + count]).expect("digits are ASCII");
            let magnitude = text.parse::<i32>().unwrap_or(100_000).min(100_000);
            exponent = if rest[at + 1] == b'-' { -magnitude } else { magnitude };
            at += 1 + sign + count;
        }
    }
    Some((value * 2f64.powi(exponent - 4 * places), at + 2))
}

fn bad_syntax(name: &str, text: &str) -> crate::error::Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {name}: \"{text}\"")
}

pub(crate) fn skip_spaces(bytes: &[u8], at: &mut usize) {
    while bytes.get(*at).is_some_and(|byte| is_space(*byte)) {
        *at += 1;
    }
}

/// Reads `[1,2,3]` for `vector` and `halfvec`; `accept` turns one number (with its text) into an element.
pub(crate) fn parse_dense<T>(
    text: &str,
    name: &str,
    accept: impl Fn(&ScannedFloat, &str) -> Result<T>,
) -> Result<Vec<T>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    skip_spaces(bytes, &mut at);
    if bytes.get(at) != Some(&b'[') {
        return Err(bad_syntax(name, text).detail("Vector contents must start with \"[\"."));
    }
    at += 1;
    skip_spaces(bytes, &mut at);
    if bytes.get(at) == Some(&b']') {
        check_dimensions(0, name)?;
    }
    let mut elements = Vec::with_capacity(memchr::memchr_iter(b',', bytes).count().min(MAX_DIMENSIONS) + 1);
    loop {
        if elements.len() == MAX_DIMENSIONS {
            check_dimensions(MAX_DIMENSIONS + 1, name)?;
        }
        skip_spaces(bytes, &mut at);
        let Some(number) = scan_float(&bytes[at..]) else { return Err(bad_syntax(name, text)) };
        elements.push(accept(&number, &text[at..at + number.length])?);
        at += number.length;
        skip_spaces(bytes, &mut at);
        at += 1;
        match bytes.get(at - 1) {
            Some(b',') => {}
            Some(b']') => break,
            _ => return Err(bad_syntax(name, text)),
        }
    }
    skip_spaces(bytes, &mut at);
    if at < bytes.len() {
        return Err(bad_syntax(name, text).detail("Junk after closing right brace."));
    }
    Ok(elements)
}

/// Reads the text form.
///
/// # Errors
/// pgvector's.
pub fn input(text: &str) -> Result<Datum> {
    let elements = parse_dense(text, "vector", |number, shown| {
        if number.out_of_range && number.value.is_infinite() {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{shown}\" is out of range for type vector");
        }
        check_element(number.value, "vector")?;
        Ok(number.value)
    })?;
    Ok(Datum::Vector(elements.into()))
}

/// Appends the text form.
pub fn output(value: &[f32], out: &mut String) {
    out.push('[');
    for (index, element) in value.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        output_f32(*element, 1, out);
    }
    out.push(']');
}

/// Reads the header of the binary form of `vector` and `halfvec`: the number of elements.
pub(crate) fn recv_header(message: &mut Message<'_>, name: &str) -> Result<usize> {
    let count = usize::from(message.u16()?);
    let unused = message.u16()?;
    check_dimensions(count, name)?;
    if unused != 0 {
        bail!(DATA_EXCEPTION, "expected unused to be 0, not {}", unused as i16);
    }
    Ok(count)
}

/// Reads the binary form.
///
/// # Errors
/// pgvector's.
pub fn recv(bytes: &[u8]) -> Result<Datum> {
    let mut message = Message(bytes);
    let count = recv_header(&mut message, "vector")?;
    // All elements in one pass that the compiler vectorises; of a message cut short pgvector sees what came first.
    let present = message.0.as_chunks().0;
    let elements: Arc<[f32]> =
        present[..count.min(present.len())].iter().map(|element| f32::from_be_bytes(*element)).collect();
    if let Some(bad) = elements.iter().find(|element| !element.is_finite()) {
        check_element(*bad, "vector")?;
    }
    message.take(4 * count)?;
    message.end()?;
    Ok(Datum::Vector(elements))
}

/// Appends the binary form.
pub fn send(value: &[f32], out: &mut Vec<u8>) {
    let count = u16::try_from(value.len()).expect("vectors have at most 16,000 elements");
    out.reserve(4 + 4 * value.len());
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    put_elements(value, out, f32::to_be_bytes);
}

/// Appends the bytes of all elements, in one pass that the compiler vectorises.
pub(crate) fn put_elements<E: Copy, const N: usize>(value: &[E], out: &mut Vec<u8>, bytes: impl Fn(E) -> [u8; N]) {
    let start = out.len();
    out.resize(start + N * value.len(), 0);
    for (place, element) in out[start..].as_chunks_mut().0.iter_mut().zip(value) {
        *place = bytes(*element);
    }
}

#[cfg(test)]
mod tests {
    use super::{input, output, recv, send};
    use crate::types::Datum;

    #[test]
    fn text_round_trip_and_errors_are_pgvectors() {
        for (text, want) in [
            ("[1,2,3]", "[1,2,3]"),
            (" [ 1, 2 ,3 ] ", "[1,2,3]"),
            ("[1e-46,-1e-46]", "[0,-0]"),
            ("[1.,.5,0x10,1e6]", "[1,0.5,16,1e+06]"),
            ("[1.5e38,-1.5e38]", "[1.5e+38,-1.5e+38]"),
            ("", "22P02 invalid input syntax for type vector: \"\""),
            ("[]", "22000 vector must have at least 1 dimension"),
            ("[1,]", "22P02 invalid input syntax for type vector: \"[1,]\""),
            ("[1a]", "22P02 invalid input syntax for type vector: \"[1a]\""),
            ("[nan]", "22000 NaN not allowed in vector"),
            ("[-Infinity]", "22000 infinite value not allowed in vector"),
            ("[4e38,1]", "22003 \"4e38\" is out of range for type vector"),
            ("[1]x", "22P02 invalid input syntax for type vector: \"[1]x\""),
            ("[1,2", "22P02 invalid input syntax for type vector: \"[1,2\""),
        ] {
            let shown = match input(text) {
                Ok(Datum::Vector(value)) => {
                    let mut out = String::new();
                    output(&value, &mut out);
                    out
                }
                Ok(other) => panic!("not a vector: {other:?}"),
                Err(error) => format!("{} {}", error.sqlstate().as_str(), error.report().message),
            };
            assert_eq!(shown, want, "{text}");
        }
    }

    #[test]
    fn binary_round_trip() {
        let mut bytes = Vec::new();
        send(&[1.0, -2.5], &mut bytes);
        assert_eq!(bytes, [0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0]);
        assert!(matches!(recv(&bytes), Ok(Datum::Vector(value)) if *value == [1.0, -2.5]));
        assert!(recv(&bytes[..8]).is_err());
    }
}

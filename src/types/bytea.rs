//! `bytea` in text: the hex form and the older escape form.

use crate::bail;
use crate::error::Result;
use crate::types::io::ByteaOutput;

/// Reads either form; hex begins with `\x` and may have blanks between bytes.
///
/// # Errors
/// `22023` for bad hex, `22P02` for a bad escape.
pub fn input(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(hex) => decode_hex(hex),
        None => decode_escape(text),
    }
}

/// Hex digits to bytes; blanks between bytes are skipped.
///
/// # Errors
/// `22023` for a character that is no digit, or half a byte.
pub fn decode_hex(hex: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(hex.len() / 2);
    let mut chars = hex.chars();
    while let Some(first) = chars.next() {
        if matches!(first, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = hex_digit(first)?;
        let Some(second) = chars.next() else {
            bail!(INVALID_PARAMETER_VALUE, "invalid hexadecimal data: odd number of digits");
        };
        out.push((high << 4) | hex_digit(second)?);
    }
    Ok(out)
}

fn hex_digit(c: char) -> Result<u8> {
    match c.to_digit(16) {
        Some(digit) => Ok(digit as u8),
        None => bail!(INVALID_PARAMETER_VALUE, "invalid hexadecimal digit: \"{c}\""),
    }
}

fn decode_escape(text: &str) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(&byte) = rest.first() {
        if byte != b'\\' {
            out.push(byte);
            rest = &rest[1..];
            continue;
        }
        match rest {
            [_, b'\\', tail @ ..] => {
                out.push(b'\\');
                rest = tail;
            }
            [_, a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = tail;
            }
            _ => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea"),
        }
    }
    Ok(out)
}

/// Appends bytes as lower-case hex digits.
pub fn encode_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(2 * bytes.len());
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends the text form in the session's format.
pub fn output(bytes: &[u8], format: ByteaOutput, out: &mut String) {
    match format {
        ByteaOutput::Hex => {
            out.push_str("\\x");
            encode_hex(bytes, out);
        }
        ByteaOutput::Escape => {
            for byte in bytes {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0x20..=0x7e => out.push(char::from(*byte)),
                    _ => out.push_str(&format!("\\{byte:03o}")),
                }
            }
        }
    }
}

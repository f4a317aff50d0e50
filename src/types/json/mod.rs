//! `json`, kept as written, and `jsonb`, kept as a tree of [`JsonValue`].
//!
//! * [`parse`]: one parser that checks, or builds what a [`parse::Builder`] makes of it; PostgreSQL's errors.
//! * [`value`]: the `jsonb` tree: keys unique and sorted by length and then bytes, numbers exact.
//! * [`stored`]: its storage form and its order-preserving key.

pub mod parse;
pub mod stored;
pub mod value;

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::types::Datum;

pub use stored::{decode, encode, encode_key};
pub use value::JsonValue;

/// Checks `json` text and keeps it as written.
///
/// # Errors
/// `22P02` with PostgreSQL's detail.
pub fn input_json(text: &str) -> Result<Datum> {
    parse::check(text)?;
    Ok(Datum::text(text))
}

/// Reads `jsonb`.
///
/// # Errors
/// `22P02` with PostgreSQL's detail, `22P05` for `\u0000`, `22003` for a number beyond numeric.
pub fn input_jsonb(text: &str) -> Result<Datum> {
    Ok(Datum::Jsonb(Arc::new(parse::parse_value(text)?)))
}

/// Appends the text form of `jsonb`.
pub fn output_jsonb(value: &JsonValue, out: &mut String) {
    value.write(out);
}

/// Reads the binary form of `jsonb`: a version byte 1 and the text.
///
/// # Errors
/// As [`input_jsonb`].
pub fn recv_jsonb(bytes: &[u8]) -> Result<Datum> {
    match bytes.split_first() {
        Some((1, text)) => input_jsonb(crate::types::wire::text_from(text)?),
        Some((version, _)) => bail!(INTERNAL_ERROR, "unsupported jsonb version number {version}"),
        None => bail!(PROTOCOL_VIOLATION, "insufficient data left in message"),
    }
}

/// Appends the binary form of `jsonb`.
pub fn send_jsonb(value: &JsonValue, out: &mut Vec<u8>) {
    out.push(1);
    let mut text = String::new();
    output_jsonb(value, &mut text);
    out.extend_from_slice(text.as_bytes());
}

/// Appends text as a JSON string with its quotes.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => out.push_str(&format!("\\u{other:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests;

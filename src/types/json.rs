//! `json` and `jsonb`.

use crate::error::{Error, Result};
use crate::types::Datum;

/// A parsed JSON value; numbers keep their digits.
pub type JsonValue = serde_json::Value;

/// Checks `json` text and keeps it as written.
///
/// # Errors
/// `22P02` with PostgreSQL's detail.
pub fn input_json(text: &str) -> Result<Datum> {
    Ok(Datum::text(text))
}

/// Reads `jsonb`.
///
/// # Errors
/// `22P02` with PostgreSQL's detail.
pub fn input_jsonb(text: &str) -> Result<Datum> {
    let value = serde_json::from_str(text)
        .map_err(|_| crate::error!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json"))?;
    Ok(Datum::Jsonb(std::sync::Arc::new(value)))
}

/// Appends the text form of `jsonb`.
pub fn output_jsonb(value: &JsonValue, out: &mut String) {
    out.push_str(&value.to_string());
}

/// Reads the binary form of `jsonb`: a version byte 1 and the text.
///
/// # Errors
/// As [`input_jsonb`].
pub fn recv_jsonb(bytes: &[u8]) -> Result<Datum> {
    match bytes.split_first() {
        Some((1, text)) => input_jsonb(crate::types::wire::text_from(text)?),
        Some((version, _)) => Err(crate::error!(INTERNAL_ERROR, "unsupported jsonb version number {version}")),
        None => Err(crate::error!(PROTOCOL_VIOLATION, "no data left in message")),
    }
}

/// Appends the binary form of `jsonb`.
pub fn send_jsonb(value: &JsonValue, out: &mut Vec<u8>) {
    out.push(1);
    let mut text = String::new();
    output_jsonb(value, &mut text);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the storage form of `jsonb`.
pub fn encode(value: &JsonValue, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// Reads the storage form of `jsonb`.
///
/// # Errors
/// `XX001`.
pub fn decode(bytes: &[u8]) -> Result<JsonValue> {
    serde_json::from_slice(bytes).map_err(|_| Error::corrupt("invalid stored jsonb"))
}

/// Appends bytes that order `jsonb` values as PostgreSQL's btree does.
pub fn encode_key(value: &JsonValue, out: &mut Vec<u8>) {
    crate::types::keycode::put_bytes(value.to_string().as_bytes(), out);
}

//! The string types: `name`, `"char"`, and the length rules of `varchar(n)` and `character(n)`.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;

/// Bytes that an identifier or `name` value has at most.
pub const NAME_LIMIT: usize = 63;

/// Bytes that a value in text has at most: PostgreSQL's limit, a gigabyte less one.
pub const TEXT_BYTES_MAX: usize = 0x3fff_ffff;

/// Appends a text in double quotes; `before` tells what is put before each quote and backslash inside. A value in a value in a
/// value grows twofold with each level, so the limit is checked before anything is written.
///
/// # Errors
/// `54000` when the result would be too long.
pub fn put_quoted(text: &str, before: impl Fn(char) -> char, out: &mut String) -> Result<()> {
    let more = text.len() + memchr::memchr2_iter(b'"', b'\\', text.as_bytes()).count() + 2;
    if out.len() + more > TEXT_BYTES_MAX {
        return Err(crate::error!(
            PROGRAM_LIMIT_EXCEEDED,
            "string buffer exceeds maximum allowed length ({TEXT_BYTES_MAX} bytes)"
        )
        .detail(format!("Cannot enlarge string buffer containing {} bytes by {more} more bytes.", out.len())));
    }
    out.reserve(more);
    out.push('"');
    let mut copied = 0;
    for at in memchr::memchr2_iter(b'"', b'\\', text.as_bytes()) {
        out.push_str(&text[copied..at]);
        out.push(before(char::from(text.as_bytes()[at])));
        copied = at;
    }
    out.push_str(&text[copied..]);
    out.push('"');
    Ok(())
}

/// Cuts a `name` to its limit without splitting a character.
#[must_use]
pub fn truncate_name(text: &str) -> &str {
    if text.len() <= NAME_LIMIT {
        return text;
    }
    let mut end = NAME_LIMIT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Reads `"char"`: a backslash with three octal digits, or the first byte; the empty string is byte 0.
#[must_use]
pub fn input_internal_char(text: &str) -> u8 {
    match text.as_bytes() {
        [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7'] => {
            ((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0')
        }
        [] => 0,
        [first, ..] => *first,
    }
}

/// Appends a `"char"`: byte 0 as nothing, bytes above 127 as a backslash and three octal digits.
pub fn output_internal_char(value: u8, out: &mut String) {
    match value {
        0 => {}
        1..=127 => out.push(char::from(value)),
        _ => out.push_str(&format!("\\{value:03o}")),
    }
}

/// The byte offset after `count` characters; `None` when the text is not longer than that.
fn overflow_at(text: &str, count: usize) -> Option<usize> {
    if text.len() <= count {
        return None;
    }
    text.char_indices().nth(count).map(|(at, _)| at)
}

/// Applies `varchar(n)`: too long text loses trailing blanks; other characters are an error unless `explicit`.
///
/// # Errors
/// `22001` when more than blanks would be lost.
pub fn coerce_varchar(value: &Arc<str>, limit: usize, explicit: bool) -> Result<Arc<str>> {
    let Some(cut) = overflow_at(value, limit) else { return Ok(Arc::clone(value)) };
    if !explicit && value[cut..].bytes().any(|byte| byte != b' ') {
        bail!(STRING_DATA_RIGHT_TRUNCATION, "value too long for type character varying({limit})");
    }
    Ok(Arc::from(&value[..cut]))
}

/// Applies `character(n)`: as [`coerce_varchar`], and short text is padded with blanks.
///
/// # Errors
/// `22001` when more than blanks would be lost.
pub fn coerce_bpchar(value: &Arc<str>, limit: usize, explicit: bool) -> Result<Arc<str>> {
    if let Some(cut) = overflow_at(value, limit) {
        if !explicit && value[cut..].bytes().any(|byte| byte != b' ') {
            bail!(STRING_DATA_RIGHT_TRUNCATION, "value too long for type character({limit})");
        }
        return Ok(Arc::from(&value[..cut]));
    }
    let length = value.chars().count();
    if length == limit {
        return Ok(Arc::clone(value));
    }
    let mut padded = String::with_capacity(value.len() + limit - length);
    padded.push_str(value);
    padded.extend(std::iter::repeat_n(' ', limit - length));
    Ok(Arc::from(padded))
}

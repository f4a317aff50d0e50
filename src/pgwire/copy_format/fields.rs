//! What is in a record of text or CSV: its fields, unescaped.
//!
//! Fields are ranges of the record's own bytes wherever nothing had to be unescaped, and of a scratch buffer otherwise.

use super::options::CopyOptions;
use crate::error;
use crate::error::Result;

/// Where a field's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The null string.
    Null,
    /// The default string.
    Default,
    /// These bytes of the record.
    Record(usize, usize),
    /// These bytes of the scratch buffer.
    Scratch(usize, usize),
}

/// Per column: whether `force_not_null` and `force_null` are about it.
pub type Forced = (bool, bool);

/// Splits a record of text. `escaped` tells whether it has a backslash at all.
pub fn text(record: &[u8], escaped: bool, options: &CopyOptions, scratch: &mut Vec<u8>, fields: &mut Vec<Place>) {
    let mut from = 0;
    loop {
        let (end, had_escape) = text_end(record, from, escaped, options.delimiter);
        fields.push(text_field(record, from, end, had_escape, options, scratch));
        if end == record.len() {
            return;
        }
        from = end + 1;
    }
}

/// Where the field at `from` ends, and whether it has a backslash.
fn text_end(record: &[u8], from: usize, escaped: bool, delimiter: u8) -> (usize, bool) {
    if !escaped {
        let end = memchr::memchr(delimiter, &record[from..]).map_or(record.len(), |offset| from + offset);
        return (end, false);
    }
    let (mut at, mut had_escape) = (from, false);
    while let Some(offset) = memchr::memchr2(delimiter, b'\\', &record[at..]) {
        at += offset;
        if record[at] == delimiter {
            return (at, had_escape);
        }
        had_escape = true;
        at = (at + 2).min(record.len());
    }
    (record.len(), had_escape)
}

fn text_field(
    record: &[u8],
    from: usize,
    end: usize,
    had_escape: bool,
    options: &CopyOptions,
    scratch: &mut Vec<u8>,
) -> Place {
    let raw = &record[from..end];
    // The null and default strings are compared before anything is unescaped.
    if raw == options.null.as_bytes() {
        return Place::Null;
    }
    if options.default.as_ref().is_some_and(|default| raw == default.as_bytes()) {
        return Place::Default;
    }
    if !had_escape {
        return Place::Record(from, end);
    }
    let start = scratch.len();
    unescape(raw, scratch);
    Place::Scratch(start, scratch.len())
}

/// Backslash sequences of the text format; a backslash before anything else stands for that byte.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((byte, after)) = rest.split_first() else { return };
        rest = after;
        let digit = |base: u32, byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(base));
        out.push(match byte {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    let Some(next) = digit(8, rest.first()) else { break };
                    value = value * 8 + next;
                    rest = &rest[1..];
                }
                (value & 0xff) as u8
            }
            b'x' => match digit(16, rest.first()) {
                Some(first) => {
                    rest = &rest[1..];
                    match digit(16, rest.first()) {
                        Some(second) => {
                            rest = &rest[1..];
                            (first * 16 + second) as u8
                        }
                        None => first as u8,
                    }
                }
                None => b'x',
            },
            other => *other,
        });
    }
    out.extend_from_slice(rest);
}

/// Splits a record of CSV.
///
/// # Errors
/// `22P04` when a quote is not closed.
pub fn csv(
    record: &[u8],
    options: &CopyOptions,
    forced: &[Forced],
    scratch: &mut Vec<u8>,
    fields: &mut Vec<Place>,
) -> Result<()> {
    let mut from = 0;
    loop {
        let force = forced.get(fields.len()).copied().unwrap_or_default();
        let end = csv_field(record, from, options, force, scratch, fields)?;
        if end == record.len() {
            return Ok(());
        }
        from = end + 1;
    }
}

/// Reads one field and gives where it ends: at a delimiter or the record's end.
fn csv_field(
    record: &[u8],
    from: usize,
    options: &CopyOptions,
    (not_null, null): Forced,
    scratch: &mut Vec<u8>,
    fields: &mut Vec<Place>,
) -> Result<usize> {
    let start = scratch.len();
    let (quote, escape) = (options.quote, options.escape);
    let mut at = from;
    let mut quoted = false;
    while at < record.len() && record[at] != options.delimiter {
        if record[at] != quote {
            let rest = &record[at..];
            let plain = memchr::memchr2(options.delimiter, quote, rest).unwrap_or(rest.len());
            scratch.extend_from_slice(&rest[..plain]);
            at += plain;
            continue;
        }
        quoted = true;
        at += 1;
        loop {
            let rest = &record[at..];
            let plain = memchr::memchr2(quote, escape, rest)
                .ok_or_else(|| error!(BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field"))?;
            scratch.extend_from_slice(&rest[..plain]);
            at += plain;
            let next = record.get(at + 1).copied();
            if record[at] == escape && next.is_some_and(|next| next == quote || next == escape) {
                scratch.push(record[at + 1]);
                at += 2;
            } else if record[at] == quote {
                at += 1;
                break;
            } else {
                scratch.push(record[at]);
                at += 1;
            }
        }
    }
    let value = &scratch[start..];
    let is_null = value == options.null.as_bytes();
    fields.push(if is_null && ((!quoted && !not_null) || null) {
        Place::Null
    } else if !quoted && options.default.as_ref().is_some_and(|default| value == default.as_bytes()) {
        Place::Default
    } else if quoted {
        Place::Scratch(start, scratch.len())
    } else {
        scratch.truncate(start);
        Place::Record(from, at)
    });
    Ok(at)
}

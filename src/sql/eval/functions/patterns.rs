//! LIKE and ILIKE, on text and bytes, and the translation of SQL's SIMILAR TO patterns to regular expressions.
//!
//! Matching walks both strings once and backtracks to the last `%` only, so it is at worst quadratic.

use super::args::{bytea, text, to_bytea, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::ScalarFn;
use crate::types::Datum;

/// Bytes of the character that begins with `byte`; 1 where bytes are matched.
fn width(byte: u8, bytes: bool) -> usize {
    match byte {
        _ if bytes => 1,
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

/// Whether `value` matches a LIKE pattern with backslash as its escape; `bytes` says that `_` is one byte.
pub(super) fn like(value: &[u8], pattern: &[u8], bytes: bool) -> Result<bool> {
    let (mut at, mut place) = (0, 0);
    // Where to go on after a mismatch: behind the last `%`, with one more character given to it.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let matched = match pattern.get(place) {
            Some(b'%') => {
                place += 1;
                retry = Some((at, place));
                continue;
            }
            None if at == value.len() => return Ok(true),
            None => false,
            Some(_) if at == value.len() => false,
            Some(b'_') => {
                at += width(value[at], bytes);
                place += 1;
                true
            }
            Some(b'\\') => {
                let Some(escaped) = pattern.get(place + 1) else {
                    bail!(INVALID_ESCAPE_SEQUENCE, "LIKE pattern must not end with escape character");
                };
                let same = value[at] == *escaped;
                if same {
                    (at, place) = (at + 1, place + 2);
                }
                same
            }
            Some(byte) => {
                let same = value[at] == *byte;
                if same {
                    (at, place) = (at + 1, place + 1);
                }
                same
            }
        };
        if matched {
            continue;
        }
        match retry {
            Some((start, after)) if start < value.len() => {
                at = start + width(value[start], bytes);
                place = after;
                retry = Some((at, after));
            }
            _ => return Ok(false),
        }
    }
}

fn text_like(args: &[Datum], fold: bool, negated: bool) -> Result<Datum> {
    let (value, pattern) = (text(&args[0]), text(&args[1]));
    let found = if fold {
        like(value.to_ascii_lowercase().as_bytes(), pattern.to_ascii_lowercase().as_bytes(), false)?
    } else {
        like(value.as_bytes(), pattern.as_bytes(), false)?
    };
    Ok(Datum::Bool(found != negated))
}

fn bytea_like(args: &[Datum], negated: bool) -> Result<Datum> {
    Ok(Datum::Bool(like(bytea(&args[0]), bytea(&args[1]), true)? != negated))
}

fn invalid_escape<T>() -> Result<T> {
    Err(crate::error!(INVALID_ESCAPE_SEQUENCE, "invalid escape string")
        .hint("Escape string must be empty or one character."))
}

/// A pattern with another escape character, as one with backslash.
fn like_escape(pattern: &str, escape: &str) -> Result<String> {
    let mut chars = escape.chars();
    let escape = chars.next();
    if chars.next().is_some() {
        return invalid_escape();
    }
    if escape == Some('\\') {
        return Ok(pattern.to_owned());
    }
    let mut out = String::with_capacity(pattern.len());
    let mut after_escape = false;
    for c in pattern.chars() {
        if Some(c) == escape && !after_escape {
            out.push('\\');
            after_escape = true;
        } else {
            if c == '\\' && !after_escape {
                out.push('\\');
            }
            out.push(c);
            after_escape = false;
        }
    }
    Ok(out)
}

fn bytea_like_escape(pattern: &[u8], escape: &[u8]) -> Result<Datum> {
    let escape = match escape {
        [] => None,
        [one] => Some(*one),
        _ => return invalid_escape(),
    };
    if escape == Some(b'\\') {
        return Ok(to_bytea(pattern));
    }
    let mut out = Vec::with_capacity(pattern.len());
    let mut after_escape = false;
    for byte in pattern {
        if Some(*byte) == escape && !after_escape {
            out.push(b'\\');
            after_escape = true;
        } else {
            if *byte == b'\\' && !after_escape {
                out.push(b'\\');
            }
            out.push(*byte);
            after_escape = false;
        }
    }
    Ok(to_bytea(out))
}

/// A SIMILAR TO pattern as a regular expression. Two escaped double quotes cut out the middle part, which becomes the
/// only capturing group; with `lazy` the part before it takes as little as it can, as SQL's SUBSTRING wants.
pub(super) fn similar_to_regex(pattern: &str, escape: Option<&str>, lazy: bool) -> Result<String> {
    let escape = match escape {
        None => Some('\\'),
        Some("") => None,
        Some(given) => {
            let mut chars = given.chars();
            let first = chars.next();
            if chars.next().is_some() {
                return invalid_escape();
            }
            first
        }
    };
    let mut out = String::from("^(?:");
    let (mut after_escape, mut in_class, mut quotes) = (false, false, 0);
    let mut class_start = false;
    for c in pattern.chars() {
        if after_escape {
            after_escape = false;
            if c == '"' && !in_class {
                match quotes {
                    0 => out.push_str("){1,1}?("),
                    1 => out.push_str("){1,1}(?:"),
                    _ => {
                        bail!(
                            INVALID_USE_OF_ESCAPE_CHARACTER,
                            "SQL regular expression may not contain more than two escape-double-quote separators"
                        )
                    }
                }
                quotes += 1;
            } else {
                out.push('\\');
                out.push(c);
            }
        } else if Some(c) == escape {
            after_escape = true;
        } else if in_class {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            if c == ']' && !class_start {
                in_class = false;
            }
            class_start = class_start && c == '^';
        } else {
            match c {
                '[' => {
                    out.push('[');
                    in_class = true;
                    class_start = true;
                }
                '%' if lazy && quotes == 0 => out.push_str(".*?"),
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                plain => out.push(plain),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

fn similar_escape(args: &[Datum]) -> Result<Datum> {
    let Datum::Text(pattern) = &args[0] else { return Ok(Datum::Null) };
    similar_to_regex(pattern, args.get(1).and_then(Datum::as_text), false).map(to_text)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("textlike", |_, a| text_like(a, false, false)),
    ("textnlike", |_, a| text_like(a, false, true)),
    ("namelike", |_, a| text_like(a, false, false)),
    ("namenlike", |_, a| text_like(a, false, true)),
    ("texticlike", |_, a| text_like(a, true, false)),
    ("texticnlike", |_, a| text_like(a, true, true)),
    ("nameiclike", |_, a| text_like(a, true, false)),
    ("nameicnlike", |_, a| text_like(a, true, true)),
    ("bytealike", |_, a| bytea_like(a, false)),
    ("byteanlike", |_, a| bytea_like(a, true)),
    ("like_escape", |_, a| like_escape(text(&a[0]), text(&a[1])).map(to_text)),
    ("like_escape_bytea", |_, a| bytea_like_escape(bytea(&a[0]), bytea(&a[1]))),
    ("similar_escape", |_, a| similar_escape(a)),
    ("similar_to_escape_1", |_, a| similar_escape(a)),
    ("similar_to_escape_2", |_, a| similar_escape(a)),
];

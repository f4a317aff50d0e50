//! Text: length, case, parts, places, padding and trimming.
//!
//! Lengths and places count characters, not bytes. Case is that of the C locale, which all text has: only ASCII letters
//! have one. Results are limited to PostgreSQL's 1 GB.

use super::args::{bytea, cast_to_text, int4, shared_text, text, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::{Datum, Oid};

/// Bytes that a value has at most.
pub(super) const VALUE_LIMIT: usize = 0x3fff_ffff;

/// Fails when a result would be too long.
pub(super) fn check_length(length: usize) -> Result<()> {
    if length > VALUE_LIMIT {
        bail!(PROGRAM_LIMIT_EXCEEDED, "requested length too large");
    }
    Ok(())
}

fn count(value: usize) -> Datum {
    Datum::Int4(i32::try_from(value).unwrap_or(i32::MAX))
}

/// Byte offset of character `index`; the end when there are fewer.
pub(super) fn char_offset(value: &str, index: usize) -> usize {
    if value.is_ascii() {
        return index.min(value.len());
    }
    value.char_indices().nth(index).map_or(value.len(), |(at, _)| at)
}

/// `substring(value, from, length)`: places before the first character count, but hold nothing.
fn substring(value: &str, from: i32, length: Option<i32>) -> Result<&str> {
    let start = i64::from(from).max(1);
    let end = match length {
        Some(length) if length < 0 => bail!(SUBSTRING_ERROR, "negative substring length not allowed"),
        Some(length) => i64::from(from) + i64::from(length),
        None => i64::MAX,
    };
    if end <= start {
        return Ok("");
    }
    let skip = usize::try_from(start - 1).expect("places begin at one");
    let rest = &value[char_offset(value, skip)..];
    Ok(match usize::try_from(end - start) {
        Ok(taken) if end != i64::MAX => &rest[..char_offset(rest, taken)],
        _ => rest,
    })
}

fn overlay(value: &str, new: &str, from: i32, length: i32) -> Result<Datum> {
    if from <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    let Some(after) = from.checked_add(length) else {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    };
    let head = substring(value, 1, Some(from - 1))?;
    let tail = substring(value, after, None)?;
    Ok(to_text(format!("{head}{new}{tail}")))
}

/// The 1-based place of the first occurrence, 0 for none.
fn position(value: &str, wanted: &str) -> usize {
    value.find(wanted).map_or(0, |at| value[..at].chars().count() + 1)
}

/// Letters after anything that is no letter or digit in upper case, all others in lower case.
fn initcap(value: &str) -> String {
    let mut inside = false;
    value
        .chars()
        .map(|c| {
            let shown = if inside { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
            inside = c.is_ascii_alphanumeric();
            shown
        })
        .collect()
}

/// Cuts or fills to a length in characters; `left` says on which side.
fn pad(value: &str, length: i32, fill: &str, left: bool) -> Result<Datum> {
    let wanted = usize::try_from(length).unwrap_or(0);
    check_length(wanted)?;
    let present = value.chars().count();
    if present >= wanted || fill.is_empty() {
        return Ok(to_text(&value[..char_offset(value, wanted)]));
    }
    let filling: String = fill.chars().cycle().take(wanted - present).collect();
    Ok(to_text(if left { filling + value } else { value.to_owned() + &filling }))
}

fn fill_of(args: &[Datum]) -> &str {
    args.get(2).map_or(" ", text)
}

fn trim(args: &[Datum], front: bool, back: bool) -> Datum {
    let value = text(&args[0]);
    let set = args.get(1).map_or(" ", text);
    let belongs = |c: char| set.contains(c);
    let mut rest = value;
    if front {
        rest = rest.trim_start_matches(belongs);
    }
    if back {
        rest = rest.trim_end_matches(belongs);
    }
    to_text(rest)
}

/// `left` and `right`: negative counts leave out characters of the other side.
fn end_part(value: &str, amount: i32, left: bool) -> Datum {
    let total = value.chars().count();
    let distance = usize::try_from(amount.unsigned_abs()).unwrap_or(usize::MAX);
    let kept = if amount >= 0 { distance.min(total) } else { total.saturating_sub(distance) };
    to_text(if left { &value[..char_offset(value, kept)] } else { &value[char_offset(value, total - kept)..] })
}

fn repeat(value: &str, times: i32) -> Result<Datum> {
    let times = usize::try_from(times).unwrap_or(0);
    match value.len().checked_mul(times) {
        Some(length) if length <= VALUE_LIMIT => Ok(to_text(value.repeat(times))),
        _ => bail!(PROGRAM_LIMIT_EXCEEDED, "requested length too large"),
    }
}

fn replace(value: &str, from: &str, to: &str) -> Result<Datum> {
    if from.is_empty() {
        return Ok(to_text(value));
    }
    let found = value.matches(from).count();
    check_length(value.len().saturating_add(found.saturating_mul(to.len())))?;
    Ok(to_text(value.replace(from, to)))
}

fn translate(value: &str, from: &str, to: &str) -> Datum {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mapped = value.chars().filter_map(|c| match from.iter().position(|wanted| *wanted == c) {
        None => Some(c),
        Some(place) => to.get(place).copied(),
    });
    to_text(mapped.collect::<String>())
}

/// Field `number` between separators, counted from the end when negative.
fn split_part(value: &str, separator: &str, number: i32) -> Result<Datum> {
    if number == 0 {
        bail!(INVALID_PARAMETER_VALUE, "field position must not be zero");
    }
    if value.is_empty() {
        return Ok(to_text(""));
    }
    if separator.is_empty() {
        return Ok(to_text(if number == 1 || number == -1 { value } else { "" }));
    }
    let index = usize::try_from(number.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let found = if number > 0 {
        value.split(separator).nth(index)
    } else {
        let fields: Vec<&str> = value.split(separator).collect();
        fields.len().checked_sub(index + 1).map(|place| fields[place])
    };
    Ok(to_text(found.unwrap_or("")))
}

fn chr(code: i32) -> Result<Datum> {
    if code < 0 {
        bail!(INVALID_PARAMETER_VALUE, "character number must be positive");
    }
    if code == 0 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "null character not permitted");
    }
    if code > 0x0010_ffff {
        bail!(PROGRAM_LIMIT_EXCEEDED, "requested character too large for encoding: {code}");
    }
    match char::from_u32(code.unsigned_abs()) {
        Some(c) => Ok(to_text(c.to_string())),
        None => bail!(PROGRAM_LIMIT_EXCEEDED, "requested character not valid for encoding: {code}"),
    }
}

fn concat(ctx: &FnContext<'_>, args: &[Datum], separator: &str) -> Result<Datum> {
    let offset = ctx.function.args.len() - 1;
    let mut out = String::new();
    let mut first = true;
    for (index, value) in args.iter().enumerate().skip(offset).filter(|(_, value)| !value.is_null()) {
        if !first {
            out.push_str(separator);
        }
        first = false;
        crate::types::io::output(value, ctx.arg_type(index).oid, &ctx.io(), &mut out)?;
    }
    Ok(to_text(out))
}

/// `a || b` where one side is not text.
fn any_concat(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = cast_to_text(&args[0], ctx.arg_type(0).oid, &ctx.io())?;
    out.push_str(&cast_to_text(&args[1], ctx.arg_type(1).oid, &ctx.io())?);
    Ok(to_text(out))
}

fn text_concat(args: &[Datum]) -> Result<Datum> {
    let (left, right) = (text(&args[0]), text(&args[1]));
    check_length(left.len() + right.len())?;
    let mut out = String::with_capacity(left.len() + right.len());
    out.push_str(left);
    out.push_str(right);
    Ok(to_text(out))
}

/// `unistr`: `\XXXX`, `\+XXXXXX`, `\uXXXX` and `\UXXXXXXXX` escapes.
fn unistr(value: &str) -> Result<Datum> {
    let bad = || {
        crate::error!(SYNTAX_ERROR, "invalid Unicode escape")
            .hint("Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.")
    };
    let mut out = String::new();
    let mut rest = value;
    let mut high: Option<u32> = None;
    while let Some(at) = rest.find('\\') {
        if at > 0 && high.is_some() {
            bail!(SYNTAX_ERROR, "invalid Unicode surrogate pair");
        }
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            out.push('\\');
            rest = after;
            continue;
        }
        let (skip, digits) = match rest.as_bytes().first() {
            Some(b'+') => (1, 6),
            Some(b'u') => (1, 4),
            Some(b'U') => (1, 8),
            _ => (0, 4),
        };
        let code = rest.get(skip..skip + digits).filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = code.and_then(|part| u32::from_str_radix(part, 16).ok()).ok_or_else(bad)?;
        rest = &rest[skip + digits..];
        match (high.take(), code) {
            (None, 0xd800..=0xdbff) => high = Some(code),
            (Some(high), 0xdc00..=0xdfff) => {
                let joined = 0x1_0000 + ((high - 0xd800) << 10) + (code - 0xdc00);
                out.push(char::from_u32(joined).ok_or_else(bad)?);
            }
            (Some(_), _) | (None, 0xdc00..=0xdfff) => bail!(SYNTAX_ERROR, "invalid Unicode surrogate pair"),
            (None, code) => match char::from_u32(code).filter(|c| *c != '\0') {
                Some(c) => out.push(c),
                None => bail!(SYNTAX_ERROR, "invalid Unicode code point: {code:04X}"),
            },
        }
    }
    if high.is_some() {
        bail!(SYNTAX_ERROR, "invalid Unicode surrogate pair");
    }
    out.push_str(rest);
    Ok(to_text(out))
}

fn length_in_bits(value: &Datum) -> Result<Datum> {
    let bytes = match value {
        Datum::Text(value) => value.len(),
        Datum::Bit(value) => return Ok(count(value.bits as usize)),
        other => bytea(other).len(),
    };
    Ok(count(bytes * 8))
}

fn larger(args: &[Datum], oid: Oid, wanted: std::cmp::Ordering) -> Result<Datum> {
    let order = crate::types::compare::compare_typed(oid, &args[0], &args[1]);
    Ok(args[usize::from(order != wanted)].clone())
}

/// Functions by `prosrc` (by name for `lpad` and `rpad` of two arguments and others that PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("textlen", |_, a| Ok(count(text(&a[0]).chars().count()))),
    ("bpcharlen", |_, a| Ok(count(text(&a[0]).trim_end_matches(' ').chars().count()))),
    ("textoctetlen", |_, a| Ok(count(text(&a[0]).len()))),
    ("bpcharoctetlen", |_, a| Ok(count(text(&a[0]).len()))),
    ("bit_length", |_, a| length_in_bits(&a[0])),
    ("lower", |_, a| Ok(to_text(text(&a[0]).to_ascii_lowercase()))),
    ("casefold", |_, a| Ok(to_text(text(&a[0]).to_ascii_lowercase()))),
    ("upper", |_, a| Ok(to_text(text(&a[0]).to_ascii_uppercase()))),
    ("initcap", |_, a| Ok(to_text(initcap(text(&a[0]))))),
    ("text_substr", |_, a| substring(text(&a[0]), int4(&a[1]), Some(int4(&a[2]))).map(to_text)),
    ("text_substr_no_len", |_, a| substring(text(&a[0]), int4(&a[1]), None).map(to_text)),
    ("textoverlay", |_, a| overlay(text(&a[0]), text(&a[1]), int4(&a[2]), int4(&a[3]))),
    ("textoverlay_no_len", |_, a| {
        let new = text(&a[1]);
        overlay(text(&a[0]), new, int4(&a[2]), i32::try_from(new.chars().count()).unwrap_or(i32::MAX))
    }),
    ("textpos", |_, a| Ok(count(position(text(&a[0]), text(&a[1]))))),
    ("replace_text", |_, a| replace(text(&a[0]), text(&a[1]), text(&a[2]))),
    ("translate", |_, a| Ok(translate(text(&a[0]), text(&a[1]), text(&a[2])))),
    ("lpad", |_, a| pad(text(&a[0]), int4(&a[1]), fill_of(a), true)),
    ("rpad", |_, a| pad(text(&a[0]), int4(&a[1]), fill_of(a), false)),
    ("btrim", |_, a| Ok(trim(a, true, true))),
    ("btrim1", |_, a| Ok(trim(a, true, true))),
    ("ltrim", |_, a| Ok(trim(a, true, false))),
    ("ltrim1", |_, a| Ok(trim(a, true, false))),
    ("rtrim", |_, a| Ok(trim(a, false, true))),
    ("rtrim1", |_, a| Ok(trim(a, false, true))),
    ("text_left", |_, a| Ok(end_part(text(&a[0]), int4(&a[1]), true))),
    ("text_right", |_, a| Ok(end_part(text(&a[0]), int4(&a[1]), false))),
    ("repeat", |_, a| repeat(text(&a[0]), int4(&a[1]))),
    ("text_reverse", |_, a| Ok(to_text(text(&a[0]).chars().rev().collect::<String>()))),
    ("split_part", |_, a| split_part(text(&a[0]), text(&a[1]), int4(&a[2]))),
    ("text_starts_with", |_, a| Ok(Datum::Bool(text(&a[0]).starts_with(text(&a[1]))))),
    ("ascii", |_, a| Ok(Datum::Int4(text(&a[0]).chars().next().map_or(0, |c| c as i32)))),
    ("chr", |_, a| chr(int4(&a[0]))),
    ("textcat", |_, a| text_concat(a)),
    ("textanycat", any_concat),
    ("anytextcat", any_concat),
    ("text_concat", |ctx, a| concat(ctx, a, "")),
    ("text_concat_ws", |ctx, a| match &a[0] {
        Datum::Null => Ok(Datum::Null),
        separator => concat(ctx, a, shared_text(separator)),
    }),
    ("unistr", |_, a| unistr(text(&a[0]))),
    ("text_larger", |_, a| larger(a, Oid::TEXT, std::cmp::Ordering::Greater)),
    ("text_smaller", |_, a| larger(a, Oid::TEXT, std::cmp::Ordering::Less)),
    ("bpchar_larger", |_, a| larger(a, Oid::BPCHAR, std::cmp::Ordering::Greater)),
    ("bpchar_smaller", |_, a| larger(a, Oid::BPCHAR, std::cmp::Ordering::Less)),
];

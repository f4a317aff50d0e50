//! The regular expression operators and functions.
//!
//! Searching goes on behind a match, one character further behind an empty one, as PostgreSQL does.

use std::sync::Arc;

use super::are::{Captures, Options, Pattern, compile};
use super::args::{int4, text, to_text};
use super::patterns::similar_to_regex;
use super::strings::char_offset;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::array::ArrayValue;
use crate::types::{Datum, Oid};

fn matches(args: &[Datum], fold: bool, negated: bool) -> Result<Datum> {
    let pattern = compile(text(&args[1]), Options { fold, ..Options::default() })?;
    Ok(Datum::Bool(pattern.is_match(text(&args[0]))? != negated))
}

/// The byte at which a search goes on behind a match; `None` at the end.
fn next_start(value: &str, found: (usize, usize)) -> Option<usize> {
    if found.0 < found.1 {
        return Some(found.1);
    }
    value[found.1..].chars().next().map(|c| found.1 + c.len_utf8())
}

/// All matches, or the first, from byte `from` on.
fn all_matches(pattern: &Pattern, value: &str, from: usize, global: bool) -> Result<Vec<Captures>> {
    let mut found = Vec::new();
    let mut start = Some(from);
    while let Some(at) = start {
        let Some(captures) = pattern.find(value, at)? else { break };
        start = next_start(value, captures[0].expect("the whole match is always there"));
        found.push(captures);
        if !global {
            break;
        }
    }
    Ok(found)
}

fn cut(value: &str, range: Option<(usize, usize)>) -> Datum {
    range.map_or(Datum::Null, |(from, to)| to_text(&value[from..to]))
}

/// The groups of a match, or the whole match where there are none, as an array.
fn group_array(pattern: &Pattern, value: &str, captures: &Captures) -> Datum {
    let from = usize::from(pattern.groups > 0);
    let items = captures[from..].iter().map(|range| cut(value, *range)).collect();
    Datum::Array(Arc::new(ArrayValue::from_items(Oid::TEXT, items)))
}

fn substring(value: &str, pattern: &str) -> Result<Datum> {
    let pattern = compile(pattern, Options::default())?;
    Ok(match pattern.find(value, 0)? {
        None => Datum::Null,
        Some(captures) => cut(value, captures[usize::from(pattern.groups > 0)]),
    })
}

/// `substring(value similar pattern escape e)`.
fn substring_similar(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    substring(text(&args[0]), &similar_to_regex(text(&args[1]), args.get(2).map(text), true)?)
}

/// Appends a replacement with its references filled in.
fn append_replacement(replacement: &str, value: &str, captures: &Captures, out: &mut String) {
    let mut rest = replacement;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let group = match rest.as_bytes().get(at + 1) {
            Some(b'&') => Some(0),
            Some(digit @ b'1'..=b'9') => Some(usize::from(digit - b'0')),
            _ => None,
        };
        match group {
            Some(group) => {
                if let Some(Some((from, to))) = captures.get(group) {
                    out.push_str(&value[*from..*to]);
                }
                rest = &rest[at + 2..];
            }
            None => {
                out.push('\\');
                let skip = if rest[at + 1..].starts_with('\\') { 2 } else { 1 };
                rest = &rest[at + skip..];
            }
        }
    }
    out.push_str(rest);
}

/// Replaces match number `nth` from character `start` on, or all of them when it is 0.
fn replace(value: &str, pattern: &Pattern, replacement: &str, start: i32, nth: i32) -> Result<Datum> {
    let from = start_offset(value, start);
    let mut out = String::with_capacity(value.len());
    let (mut copied, mut number, mut next) = (0, 0, from);
    while let Some(at) = next {
        let Some(captures) = pattern.find(value, at)? else { break };
        let whole = captures[0].expect("the whole match is always there");
        number += 1;
        next = next_start(value, whole);
        if nth > 0 && number != nth {
            continue;
        }
        out.push_str(&value[copied..whole.0]);
        append_replacement(replacement, value, &captures, &mut out);
        copied = whole.1;
        if nth > 0 {
            break;
        }
    }
    out.push_str(&value[copied..]);
    Ok(to_text(out))
}

/// The byte offset of 1-based character `start`; `None` beyond the end.
fn start_offset(value: &str, start: i32) -> Option<usize> {
    let skipped = usize::try_from(start - 1).ok()?;
    if skipped > value.chars().count() { None } else { Some(char_offset(value, skipped)) }
}

fn replace_with_flags(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let flags = args.get(3).map_or("", text);
    if let Some(digit) = flags.chars().next().filter(char::is_ascii_digit) {
        return Err(crate::error!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{digit}\"").hint(
            "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.",
        ));
    }
    let (options, global) = Options::from_flags(flags)?;
    let pattern = compile(text(&args[1]), options)?;
    replace(text(&args[0]), &pattern, text(&args[2]), 1, i32::from(!global))
}

fn replace_extended(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let start = positive("start", int4(&args[3]))?;
    let (options, global) = Options::from_flags(args.get(5).map_or("", text))?;
    let nth = match args.get(4).map(int4) {
        Some(nth) if nth < 0 => bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"n\": {nth}"),
        Some(nth) => nth,
        None => i32::from(!global),
    };
    let pattern = compile(text(&args[1]), options)?;
    replace(text(&args[0]), &pattern, text(&args[2]), start, nth)
}

fn positive(name: &str, value: i32) -> Result<i32> {
    if value <= 0 {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": {value}");
    }
    Ok(value)
}

/// Reads flags of a function to which `g` means nothing.
fn flags_without_global(args: &[Datum], index: usize, name: &str) -> Result<Options> {
    let (options, global) = Options::from_flags(args.get(index).map_or("", text))?;
    if global {
        bail!(INVALID_PARAMETER_VALUE, "{name}() does not support the \"global\" option");
    }
    Ok(options)
}

fn regexp_match(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (options, global) = Options::from_flags(args.get(2).map_or("", text))?;
    if global {
        return Err(crate::error!(INVALID_PARAMETER_VALUE, "regexp_match() does not support the \"global\" option")
            .hint("Use the regexp_matches function instead."));
    }
    let pattern = compile(text(&args[1]), options)?;
    let value = text(&args[0]);
    Ok(pattern.find(value, 0)?.map_or(Datum::Null, |captures| group_array(&pattern, value, &captures)))
}

fn regexp_matches(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let (options, global) = Options::from_flags(args.get(2).map_or("", text))?;
    let pattern = compile(text(&args[1]), options)?;
    let value = text(&args[0]);
    let found = all_matches(&pattern, value, 0, global)?;
    Ok(SetRows::column(found.iter().map(|captures| group_array(&pattern, value, captures)).collect()))
}

/// The parts between matches; empty matches at the ends and right behind another match do not split.
fn split(args: &[Datum], name: &str) -> Result<Vec<Datum>> {
    let options = flags_without_global(args, 2, name)?;
    let pattern = compile(text(&args[1]), options)?;
    let value = text(&args[0]);
    let (mut parts, mut copied) = (Vec::new(), 0);
    for captures in all_matches(&pattern, value, 0, true)? {
        let (from, to) = captures[0].expect("the whole match is always there");
        if from < value.len() && to > copied {
            parts.push(to_text(&value[copied..from]));
            copied = to;
        }
    }
    parts.push(to_text(&value[copied..]));
    Ok(parts)
}

fn count(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let start = positive("start", args.get(2).map_or(1, int4))?;
    let pattern = compile(text(&args[1]), flags_without_global(args, 3, "regexp_count")?)?;
    let value = text(&args[0]);
    let Some(from) = start_offset(value, start) else { return Ok(Datum::Int4(0)) };
    let found = all_matches(&pattern, value, from, true)?.len();
    Ok(Datum::Int4(i32::try_from(found).unwrap_or(i32::MAX)))
}

/// Match number `nth` from character `start` on, and the group asked for.
fn nth_match(args: &[Datum], flags_at: usize, group_at: usize, name: &str) -> Result<Option<(usize, usize)>> {
    let start = positive("start", args.get(2).map_or(1, int4))?;
    let nth = positive("n", args.get(3).map_or(1, int4))?;
    let options = flags_without_global(args, flags_at, name)?;
    let group = args.get(group_at).map_or(0, int4);
    let Ok(group) = usize::try_from(group) else {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"subexpr\": {group}");
    };
    let pattern = compile(text(&args[1]), options)?;
    let value = text(&args[0]);
    let Some(from) = start_offset(value, start) else { return Ok(None) };
    if group > pattern.groups {
        return Ok(None);
    }
    let found = all_matches(&pattern, value, from, true)?;
    let place = usize::try_from(nth - 1).expect("checked to be positive");
    Ok(found.get(place).and_then(|captures| captures[group]))
}

fn instr(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let end_option = args.get(4).map_or(0, int4);
    if !(0..=1).contains(&end_option) {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"endoption\": {end_option}");
    }
    let place = nth_match(args, 5, 6, "regexp_instr")?.map(|(from, to)| if end_option == 1 { to } else { from });
    let characters = place.map_or(0, |at| text(&args[0])[..at].chars().count() + 1);
    Ok(Datum::Int4(i32::try_from(characters).unwrap_or(i32::MAX)))
}

fn substr(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(cut(text(&args[0]), nth_match(args, 4, 5, "regexp_substr")?))
}

fn is_like(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let pattern = compile(text(&args[1]), flags_without_global(args, 2, "regexp_like")?)?;
    pattern.is_match(text(&args[0])).map(Datum::Bool)
}

fn split_to_array(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let parts = split(args, "regexp_split_to_array")?;
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(Oid::TEXT, parts))))
}

fn split_to_table(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    split(args, "regexp_split_to_table").map(SetRows::column)
}

/// Functions by `prosrc` (by name for `substring` of three arguments, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("textregexeq", |_, a| matches(a, false, false)),
    ("textregexne", |_, a| matches(a, false, true)),
    ("texticregexeq", |_, a| matches(a, true, false)),
    ("texticregexne", |_, a| matches(a, true, true)),
    ("nameregexeq", |_, a| matches(a, false, false)),
    ("nameregexne", |_, a| matches(a, false, true)),
    ("nameicregexeq", |_, a| matches(a, true, false)),
    ("nameicregexne", |_, a| matches(a, true, true)),
    ("textregexsubstr", |_, a| substring(text(&a[0]), text(&a[1]))),
    ("substring", substring_similar),
    ("textregexreplace_noopt", replace_with_flags),
    ("textregexreplace", replace_with_flags),
    ("textregexreplace_extended", replace_extended),
    ("textregexreplace_extended_no_flags", replace_extended),
    ("textregexreplace_extended_no_n", replace_extended),
    ("regexp_match_no_flags", regexp_match),
    ("regexp_match", regexp_match),
    ("regexp_split_to_array_no_flags", split_to_array),
    ("regexp_split_to_array", split_to_array),
    ("regexp_count_no_start", count),
    ("regexp_count_no_flags", count),
    ("regexp_count", count),
    ("regexp_instr_no_start", instr),
    ("regexp_instr_no_n", instr),
    ("regexp_instr_no_endoption", instr),
    ("regexp_instr_no_flags", instr),
    ("regexp_instr_no_subexpr", instr),
    ("regexp_instr", instr),
    ("regexp_like_no_flags", is_like),
    ("regexp_like", is_like),
    ("regexp_substr_no_start", substr),
    ("regexp_substr_no_n", substr),
    ("regexp_substr_no_flags", substr),
    ("regexp_substr_no_subexpr", substr),
    ("regexp_substr", substr),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("regexp_matches_no_flags", regexp_matches),
    ("regexp_matches", regexp_matches),
    ("regexp_split_to_table_no_flags", split_to_table),
    ("regexp_split_to_table", split_to_table),
];

//! Functions that list what the server knows, and Unicode normal forms: keywords, time zones, sequence state.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::args::{oid, text, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::datetime::abbreviations;
use crate::types::interval::Interval;
use crate::types::timezone::{Zone, names};
use crate::types::{Datum, Oid, RecordValue};

const KEYWORDS: &str = include_str!("../../../catalog/data/pg_keywords.tsv");

/// `pg_get_keywords()`: word, category, whether it can be a bare label, and both in words.
fn keywords(_: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    let rows = KEYWORDS.lines().skip(1).map(|line| {
        let mut parts = line.split('\t');
        let word = parts.next().unwrap_or_default();
        let category = parts.next().unwrap_or_default();
        let bare = parts.next() == Some("t");
        let described = match category {
            "U" => "unreserved",
            "C" => "unreserved (cannot be function or type name)",
            "T" => "reserved (can be function or type name)",
            _ => "reserved",
        };
        vec![
            to_text(word),
            Datum::Char(category.bytes().next().unwrap_or(b' ')),
            Datum::Bool(bare),
            to_text(described),
            to_text(if bare { "can be bare label" } else { "requires AS" }),
        ]
    });
    Ok(SetRows::Rows(rows.collect()))
}

fn seconds(east: i32) -> Datum {
    Datum::Interval(Interval::from_micros(i64::from(east) * 1_000_000))
}

/// `pg_timezone_names()`: as they are at the start of the transaction.
fn zones(ctx: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    let now = ctx.eval.transaction_micros;
    let rows = names().filter_map(|name| {
        let (east, abbreviation, daylight) = Zone::named(&name)?.info_at(now);
        Some(vec![to_text(name), to_text(abbreviation), seconds(east), Datum::Bool(daylight)])
    });
    Ok(SetRows::Rows(rows.collect()))
}

fn zone_abbreviations(_: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    let rows = abbreviations()
        .iter()
        .map(|(name, east, daylight)| vec![to_text(*name), seconds(*east), Datum::Bool(*daylight)]);
    Ok(SetRows::Rows(rows.collect()))
}

/// The session's zone names no abbreviations beyond the common ones.
fn no_rows(_: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    Ok(SetRows::Rows(Vec::new()))
}

fn sequence_data(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let last = ctx.session().sequence_last_value(oid(&args[0]))?;
    let fields = vec![(Oid::INT8, Datum::Int8(last.unwrap_or(1))), (Oid::BOOL, Datum::Bool(last.is_some()))];
    Ok(Datum::Record(Arc::new(RecordValue { type_oid: Oid::RECORD, fields, names: None })))
}

fn normal_form(value: &str, form: &str) -> Result<String> {
    Ok(match form.to_ascii_uppercase().as_str() {
        "NFC" => value.nfc().collect(),
        "NFD" => value.nfd().collect(),
        "NFKC" => value.nfkc().collect(),
        "NFKD" => value.nfkd().collect(),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid normalization form: {form}"),
    })
}

fn form_of(args: &[Datum]) -> &str {
    args.get(1).map_or("NFC", text)
}

/// `omendb_check()`: one row for everything that does not agree.
fn check(ctx: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    let findings = ctx.session().check_database(ctx.eval)?;
    let rows = findings.into_iter().map(|finding| {
        let index = finding.index.map_or(Datum::Null, to_text);
        vec![to_text(finding.relation), index, Datum::Int8(finding.row), to_text(finding.problem)]
    });
    Ok(SetRows::Rows(rows.collect()))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("unicode_normalize_func", |_, a| normal_form(text(&a[0]), form_of(a)).map(to_text)),
    ("unicode_is_normalized", |_, a| {
        let value = text(&a[0]);
        Ok(Datum::Bool(normal_form(value, form_of(a))? == value))
    }),
    ("pg_get_sequence_data", sequence_data),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("omendb_check", check),
    ("pg_get_keywords", keywords),
    ("pg_timezone_names", zones),
    ("pg_timezone_abbrevs_abbrevs", zone_abbreviations),
    ("pg_timezone_abbrevs_zone", no_rows),
];

//! Any SQL value as JSON: as text (`to_json` and all that builds `json`) and as a tree (`to_jsonb` and its kin).
//!
//! Numbers and booleans are themselves, unless JSON has no such number; dates and times are ISO 8601 strings; arrays and
//! composite values nest; everything else is its text.

use super::args::{boolean, to_text};
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::ArrayValue;
use crate::types::io::{self, DateFormat, FormatSettings, IoContext};
use crate::types::json::parse::{check_depth, parse_value};
use crate::types::json::{JsonValue, write_string};
use crate::types::numeric;
use crate::types::{Datum, Oid, RecordValue, date, timestamp};

/// How a value is written.
enum Kind {
    /// As its text.
    Bare(String),
    /// As a string.
    Quoted(String),
}

/// A value that does not nest.
fn scalar(datum: &Datum, oid: Oid, ctx: &IoContext<'_>) -> Result<Kind> {
    Ok(match datum {
        Datum::Null => Kind::Bare("null".to_owned()),
        Datum::Bool(value) => Kind::Bare(value.to_string()),
        Datum::Int2(_) | Datum::Int4(_) => Kind::Bare(io::to_text(datum, oid, ctx)?),
        Datum::Int8(_) if oid == Oid::INT8 => Kind::Bare(io::to_text(datum, oid, ctx)?),
        Datum::Float4(_) | Datum::Float8(_) | Datum::Numeric(_) => {
            let text = io::to_text(datum, oid, ctx)?;
            if text.ends_with(|c: char| c.is_ascii_digit()) { Kind::Bare(text) } else { Kind::Quoted(text) }
        }
        Datum::Date(_) | Datum::Timestamp(_) | Datum::Timestamptz(_) => Kind::Quoted(moment(datum, ctx)),
        Datum::Text(text) if oid == Oid::JSON => Kind::Bare(text.to_string()),
        Datum::Jsonb(value) => Kind::Bare(value.to_text()),
        other => Kind::Quoted(io::to_text(other, oid, ctx)?),
    })
}

/// Dates and timestamps in ISO 8601, whatever the session's style.
fn moment(datum: &Datum, ctx: &IoContext<'_>) -> String {
    let iso: FormatSettings;
    let format = if ctx.format.date_format == DateFormat::Iso {
        ctx.format
    } else {
        iso = FormatSettings { date_format: DateFormat::Iso, ..ctx.format.clone() };
        &iso
    };
    let mut text = String::new();
    match datum {
        Datum::Date(value) => date::output(*value, format, &mut text),
        Datum::Timestamp(value) => {
            timestamp::output_timestamp(*value, format, &mut text);
            text = text.replacen(' ', "T", 1);
        }
        Datum::Timestamptz(value) => {
            timestamp::output_timestamptz(*value, format, &mut text);
            text = text.replacen(' ', "T", 1);
            // ISO 8601 has minutes in every offset.
            let end = text.find(' ').unwrap_or(text.len());
            let short = text[..end].rfind(['+', '-']).is_some_and(|at| end - at == 3 && text.contains('T'));
            if short {
                text.insert_str(end, ":00");
            }
        }
        other => panic!("expected a date or timestamp, found {other:?}"),
    }
    text
}

/// The name of field `index` of a record.
pub(super) fn field_name(record: &RecordValue, index: usize, ctx: &IoContext<'_>) -> String {
    let names = record.names.clone().or_else(|| ctx.lookup.field_names(record.type_oid));
    names.and_then(|names| names.get(index).map(ToString::to_string)).unwrap_or_else(|| format!("f{}", index + 1))
}

/// Appends a value of type `oid` as `json` text.
///
/// # Errors
/// Those of the value's own output.
pub fn write_json(datum: &Datum, oid: Oid, ctx: &IoContext<'_>, out: &mut String) -> Result<()> {
    match datum {
        Datum::Array(array) => write_array(array, ctx, false, out),
        Datum::Record(record) => write_record(record, ctx, false, out),
        scalar_value => {
            match scalar(scalar_value, oid, ctx)? {
                Kind::Bare(text) => out.push_str(&text),
                Kind::Quoted(text) => write_string(&text, out),
            }
            Ok(())
        }
    }
}

fn write_array(array: &ArrayValue, ctx: &IoContext<'_>, lines: bool, out: &mut String) -> Result<()> {
    if array.items.is_empty() {
        out.push_str("[]");
        return Ok(());
    }
    write_level(array, 0, &array.items, ctx, lines, out)
}

/// One dimension of an array.
fn write_level(
    array: &ArrayValue,
    level: usize,
    items: &[Datum],
    ctx: &IoContext<'_>,
    lines: bool,
    out: &mut String,
) -> Result<()> {
    let width = items.len() / array.dims[level].length as usize;
    out.push('[');
    for (index, part) in items.chunks(width).enumerate() {
        if index > 0 {
            out.push_str(if lines { ",\n " } else { "," });
        }
        if level + 1 < array.dims.len() {
            write_level(array, level + 1, part, ctx, false, out)?;
        } else {
            write_json(&part[0], array.element, ctx, out)?;
        }
    }
    out.push(']');
    Ok(())
}

fn write_record(record: &RecordValue, ctx: &IoContext<'_>, lines: bool, out: &mut String) -> Result<()> {
    out.push('{');
    for (index, (oid, value)) in record.fields.iter().enumerate() {
        if index > 0 {
            out.push_str(if lines { ",\n " } else { "," });
        }
        write_string(&field_name(record, index, ctx), out);
        out.push(':');
        write_json(value, *oid, ctx, out)?;
    }
    out.push('}');
    Ok(())
}

/// A value of type `oid` as a `jsonb` tree.
///
/// # Errors
/// Those of the value's own output; `54001` for nesting beyond what can be read back.
pub fn to_value(datum: &Datum, oid: Oid, ctx: &IoContext<'_>) -> Result<JsonValue> {
    Ok(match datum {
        Datum::Null => JsonValue::Null,
        Datum::Bool(value) => JsonValue::Bool(*value),
        Datum::Jsonb(value) => (**value).clone(),
        Datum::Text(text) if oid == Oid::JSON => parse_value(text)?,
        Datum::Array(array) if array.items.is_empty() => JsonValue::Array(Vec::new()),
        Datum::Array(array) => {
            let value = array_value(array, 0, &array.items, ctx)?;
            check_depth(&value)?;
            value
        }
        Datum::Record(record) => {
            let mut members = Vec::with_capacity(record.fields.len());
            for (index, (oid, value)) in record.fields.iter().enumerate() {
                members.push((field_name(record, index, ctx), to_value(value, *oid, ctx)?));
            }
            let value = JsonValue::object(members);
            check_depth(&value)?;
            value
        }
        scalar_value => match scalar(scalar_value, oid, ctx)? {
            Kind::Bare(text) => JsonValue::Number(numeric::input(&text)?),
            Kind::Quoted(text) => JsonValue::String(text),
        },
    })
}

fn array_value(array: &ArrayValue, level: usize, items: &[Datum], ctx: &IoContext<'_>) -> Result<JsonValue> {
    let width = items.len() / array.dims[level].length as usize;
    let parts = items.chunks(width).map(|part| {
        if level + 1 < array.dims.len() {
            array_value(array, level + 1, part, ctx)
        } else {
            to_value(&part[0], array.element, ctx)
        }
    });
    Ok(JsonValue::Array(parts.collect::<Result<_>>()?))
}

fn array_to_json(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let lines = args.get(1).is_some_and(boolean);
    let Datum::Array(array) = &args[0] else { panic!("expected an array, found {:?}", args[0]) };
    let mut out = String::new();
    write_array(array, &ctx.io(), lines, &mut out)?;
    Ok(to_text(out))
}

fn row_to_json(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let lines = args.get(1).is_some_and(boolean);
    let Datum::Record(record) = &args[0] else { panic!("expected a record, found {:?}", args[0]) };
    let mut out = String::new();
    write_record(record, &ctx.io(), lines, &mut out)?;
    Ok(to_text(out))
}

fn to_json(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::new();
    write_json(&args[0], ctx.arg_type(0).oid, &ctx.io(), &mut out)?;
    Ok(to_text(out))
}

fn to_jsonb(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    super::jsonb::make(to_value(&args[0], ctx.arg_type(0).oid, &ctx.io())?)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("to_json", to_json),
    ("to_jsonb", to_jsonb),
    ("array_to_json", array_to_json),
    ("array_to_json_pretty", array_to_json),
    ("row_to_json", row_to_json),
    ("row_to_json_pretty", row_to_json),
];

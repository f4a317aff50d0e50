//! Sizes of objects and values, and printing and reading of byte counts.

use num_bigint::BigInt;

use super::args::{int8, numeric, oid, text, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::CatalogQuestion;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::numeric::{Numeric, input};
use crate::types::{Datum, wire};

/// A unit of size: its name, the size from which the next is used, whether it is shown rounded to the nearest, and its
/// power of two.
struct Unit {
    name: &'static str,
    limit: i128,
    rounded: bool,
    bits: u32,
}

const UNITS: [Unit; 6] = [
    Unit { name: "bytes", limit: 10 * 1024, rounded: false, bits: 0 },
    Unit { name: "kB", limit: 20 * 1024 - 1, rounded: true, bits: 10 },
    Unit { name: "MB", limit: 20 * 1024 - 1, rounded: true, bits: 20 },
    Unit { name: "GB", limit: 20 * 1024 - 1, rounded: true, bits: 30 },
    Unit { name: "TB", limit: 20 * 1024 - 1, rounded: true, bits: 40 },
    Unit { name: "PB", limit: 20 * 1024 - 1, rounded: true, bits: 50 },
];

/// A whole number of bytes in the unit that shows it best.
fn pretty(mut size: i128) -> String {
    for (index, unit) in UNITS.iter().enumerate() {
        let next = UNITS.get(index + 1);
        match next {
            Some(next) if size.abs() >= unit.limit => {
                // A rounded unit holds half units, so that the last step can round.
                let bits = next.bits - unit.bits - u32::from(next.rounded) + u32::from(unit.rounded);
                size /= 1 << bits;
            }
            _ => {
                let shown = if unit.rounded { (size + if size < 0 { -1 } else { 1 }) / 2 } else { size };
                return format!("{shown} {}", unit.name);
            }
        }
    }
    panic!("the last unit shows everything")
}

fn pretty_numeric(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = numeric(&args[0]);
    let small = value.absolute().compare(&Numeric::from_i64(10 * 1024)).is_lt();
    if small || !value.is_finite() {
        return Ok(to_text(format!("{value} bytes")));
    }
    Ok(to_text(match value.trunc(0).to_i128() {
        Some(whole) => pretty(whole),
        None => format!("{value} bytes"),
    }))
}

/// `pg_size_bytes('1.5 GB')`.
fn size_bytes(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let whole = text(&args[0]);
    let trimmed = whole.trim_matches(|c: char| c.is_ascii_whitespace());
    let bytes = trimmed.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits_from = end;
    while bytes.get(end).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
        end += 1;
    }
    if !bytes[digits_from.min(end)..end].iter().any(u8::is_ascii_digit) {
        bail!(INVALID_PARAMETER_VALUE, "invalid size: \"{whole}\"");
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = bytes[end + 1 + sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let value = input(&trimmed[..end])?;
    let unit = trimmed[end..].trim_start_matches(|c: char| c.is_ascii_whitespace());
    let bits = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        "tb" => 40,
        "pb" => 50,
        _ => {
            return Err(crate::error!(INVALID_PARAMETER_VALUE, "invalid size: \"{whole}\"")
                .detail(format!("Invalid size unit: \"{unit}\"."))
                .hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\"."));
        }
    };
    let factor = Numeric::finite(BigInt::from(1u64 << bits), 0)?;
    value.mul(&factor)?.to_integer("bigint").map(Datum::Int8)
}

fn relation_size(ctx: &FnContext<'_>, args: &[Datum], indexes: bool) -> Result<Datum> {
    Ok(ctx.session().relation_size(oid(&args[0]), indexes).map_or(Datum::Null, Datum::Int8))
}

/// One fork of a relation: all of it is in the main one.
fn fork_size(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match args.get(1).map_or("main", text) {
        "main" => relation_size(ctx, args, false),
        "fsm" | "vm" | "init" => Ok(Datum::Int8(0)),
        _ => Err(crate::error!(INVALID_PARAMETER_VALUE, "invalid fork name")
            .hint("Valid fork names are \"main\", \"fsm\", \"vm\", and \"init\".")),
    }
}

fn indexes_size(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let relation = oid(&args[0]);
    let (all, own) = (ctx.session().relation_size(relation, true), ctx.session().relation_size(relation, false));
    Ok(match (all, own) {
        (Some(all), Some(own)) => Datum::Int8((all - own).max(0)),
        _ => Datum::Null,
    })
}

fn database_size(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if let Datum::Text(name) = &args[0]
        && **name != *ctx.session().current_database()
        && ctx.session().catalog_answer(&CatalogQuestion::DatabaseNamed(name))?.is_none()
    {
        bail!(INVALID_CATALOG_NAME, "database \"{name}\" does not exist");
    }
    Ok(Datum::Int8(ctx.session().database_size()))
}

/// Bytes that PostgreSQL needs for a value in memory.
fn value_size(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    /// A header of a value of variable length.
    const HEADER: usize = 4;
    let size = match &args[0] {
        Datum::Bool(_) | Datum::Char(_) => 1,
        Datum::Int2(_) => 2,
        Datum::Int4(_) | Datum::Float4(_) | Datum::Date(_) | Datum::Oid(_) | Datum::Enum(_) => 4,
        Datum::Int8(_) | Datum::Float8(_) | Datum::Time(_) | Datum::Timestamp(_) | Datum::Timestamptz(_) => 8,
        Datum::TimeTz(..) => 12,
        Datum::Interval(_) | Datum::Uuid(_) => 16,
        Datum::Text(value) => HEADER + value.len(),
        Datum::Bytea(value) => HEADER + value.len(),
        Datum::Vector(value) => HEADER + 4 + 4 * value.len(),
        Datum::HalfVec(value) => HEADER + 4 + 2 * value.len(),
        Datum::SparseVec(value) => HEADER + 12 + 8 * value.indices.len(),
        Datum::Bit(value) => HEADER + 4 + value.bytes.len(),
        other => {
            let mut bytes = Vec::new();
            wire::send(other, ctx.arg_type(0).oid, &ctx.io(), &mut bytes)?;
            match other {
                // The wire form of a numeric has a header of eight bytes, the stored one of two.
                Datum::Numeric(_) => HEADER + bytes.len() - 6,
                _ => HEADER + bytes.len(),
            }
        }
    };
    Ok(Datum::Int4(i32::try_from(size).unwrap_or(i32::MAX)))
}

fn null(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

/// Functions by `prosrc` (by name for `pg_relation_size` of one argument, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("pg_size_pretty", |_, a| Ok(to_text(pretty(i128::from(int8(&a[0])))))),
    ("pg_size_pretty_numeric", pretty_numeric),
    ("pg_size_bytes", size_bytes),
    ("pg_relation_size", fork_size),
    ("pg_table_size", |ctx, a| relation_size(ctx, a, false)),
    ("pg_total_relation_size", |ctx, a| relation_size(ctx, a, true)),
    ("pg_indexes_size", indexes_size),
    ("pg_database_size_name", database_size),
    ("pg_database_size_oid", database_size),
    ("pg_tablespace_size_oid", database_size),
    ("pg_tablespace_location", |_, _| Ok(to_text(""))),
    ("pg_relation_filenode", |_, a| Ok(a[0].clone())),
    ("pg_relation_filepath", |_, a| Ok(to_text(format!("base/{}", oid(&a[0]))))),
    ("pg_column_size", value_size),
    ("pg_column_compression", null),
    ("pg_column_toast_chunk_id", null),
];

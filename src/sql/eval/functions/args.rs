//! Reading arguments of built-in functions.
//!
//! The binder has coerced every argument and the caller has kept NULL from strict functions, so a value of another
//! type here is a bug and panics.

use std::sync::Arc;

use crate::error::Result;
use crate::types::interval::Interval;
use crate::types::io::IoContext;
use crate::types::numeric::Numeric;
use crate::types::{Datum, Oid, io};

fn wrong(wanted: &str, found: &Datum) -> ! {
    panic!("expected {wanted}, found {found:?}")
}

/// Any integer type, widened.
pub(super) fn int(datum: &Datum) -> i64 {
    match datum {
        Datum::Int4(value) => i64::from(*value),
        Datum::Int8(value) => *value,
        Datum::Int2(value) => i64::from(*value),
        Datum::Oid(value) => i64::from(value.0),
        other => wrong("an integer", other),
    }
}

pub(super) fn int4(datum: &Datum) -> i32 {
    match datum {
        Datum::Int4(value) => *value,
        other => wrong("integer", other),
    }
}

pub(super) fn int2(datum: &Datum) -> i16 {
    match datum {
        Datum::Int2(value) => *value,
        other => wrong("smallint", other),
    }
}

pub(super) fn int8(datum: &Datum) -> i64 {
    match datum {
        Datum::Int8(value) => *value,
        other => wrong("bigint", other),
    }
}

pub(super) fn oid(datum: &Datum) -> Oid {
    match datum {
        Datum::Oid(value) => *value,
        other => wrong("oid", other),
    }
}

/// Either float type, widened.
pub(super) fn float(datum: &Datum) -> f64 {
    match datum {
        Datum::Float8(value) => *value,
        Datum::Float4(value) => f64::from(*value),
        other => wrong("a float", other),
    }
}

pub(super) fn float4(datum: &Datum) -> f32 {
    match datum {
        Datum::Float4(value) => *value,
        other => wrong("real", other),
    }
}

pub(super) fn numeric(datum: &Datum) -> &Numeric {
    match datum {
        Datum::Numeric(value) => value,
        other => wrong("numeric", other),
    }
}

pub(super) fn boolean(datum: &Datum) -> bool {
    match datum {
        Datum::Bool(value) => *value,
        other => wrong("boolean", other),
    }
}

pub(super) fn text(datum: &Datum) -> &str {
    match datum {
        Datum::Text(value) => value,
        other => wrong("text", other),
    }
}

pub(super) fn shared_text(datum: &Datum) -> &Arc<str> {
    match datum {
        Datum::Text(value) => value,
        other => wrong("text", other),
    }
}

pub(super) fn bytea(datum: &Datum) -> &[u8] {
    match datum {
        Datum::Bytea(value) => value,
        other => wrong("bytea", other),
    }
}

pub(super) fn date(datum: &Datum) -> i32 {
    match datum {
        Datum::Date(value) => *value,
        other => wrong("date", other),
    }
}

pub(super) fn time(datum: &Datum) -> i64 {
    match datum {
        Datum::Time(value) => *value,
        other => wrong("time", other),
    }
}

pub(super) fn timetz(datum: &Datum) -> (i64, i32) {
    match datum {
        Datum::TimeTz(micros, zone) => (*micros, *zone),
        other => wrong("time with time zone", other),
    }
}

/// A timestamp with or without time zone.
pub(super) fn timestamp(datum: &Datum) -> i64 {
    match datum {
        Datum::Timestamp(value) | Datum::Timestamptz(value) => *value,
        other => wrong("timestamp", other),
    }
}

pub(super) fn interval(datum: &Datum) -> &Interval {
    match datum {
        Datum::Interval(value) => value,
        other => wrong("interval", other),
    }
}

pub(super) fn uuid(datum: &Datum) -> &[u8; 16] {
    match datum {
        Datum::Uuid(value) => value,
        other => wrong("uuid", other),
    }
}

/// Text as a value.
pub(super) fn to_text(value: impl Into<Arc<str>>) -> Datum {
    Datum::Text(value.into())
}

/// Bytes as a value.
pub(super) fn to_bytea(value: impl Into<Arc<[u8]>>) -> Datum {
    Datum::Bytea(value.into())
}

/// A value as `x::text` makes it, which differs from its output for booleans and blank-padded text.
///
/// # Errors
/// As the type's output.
pub(super) fn cast_to_text(datum: &Datum, oid: Oid, ctx: &IoContext<'_>) -> Result<String> {
    match datum {
        Datum::Bool(value) => Ok(if *value { "true" } else { "false" }.to_owned()),
        Datum::Text(value) if oid == Oid::BPCHAR => Ok(value.trim_end_matches(' ').to_owned()),
        other => io::to_text(other, oid, ctx),
    }
}

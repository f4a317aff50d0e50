//! How `information_schema` describes a type: its name, lengths, precisions.
//!
//! The rules are those of PostgreSQL's `_pg_char_max_length` and its sisters: facts of the base type and its modifier.

use crate::catalog::describe;
use crate::catalog::snapshot::{PG_CATALOG, Snapshot};
use crate::catalog::system::objects::schema_name;
use crate::catalog::system::rowset::{int, text, text_or_null};
use crate::types::typmod::INTERVAL_FULL_PRECISION;
use crate::types::{Datum, Oid, SqlType};

/// Bytes of the longest character in UTF-8.
const CHARACTER_BYTES_MAX: i64 = 4;
/// Bytes of the longest string.
const STRING_BYTES_MAX: i64 = 1 << 30;

/// The columns that [`values`] fills, in its order.
pub const COLUMNS: [&str; 10] = [
    "data_type",
    "character_maximum_length",
    "character_octet_length",
    "collation_catalog",
    "collation_schema",
    "collation_name",
    "numeric_precision",
    "numeric_precision_radix",
    "numeric_scale",
    "datetime_precision",
];

/// `data_type`: `ARRAY`, `USER-DEFINED`, or the type's SQL name. Domains are taken for their base types.
pub fn data_type(snapshot: &Snapshot, ty: SqlType) -> String {
    let base = snapshot.base_type(ty).oid;
    let is_vector = matches!(base, Oid::INT2VECTOR | Oid::OIDVECTOR);
    if is_vector || snapshot.element_type(base).is_some() {
        return "ARRAY".to_owned();
    }
    match describe::type_place(snapshot, base) {
        Some((PG_CATALOG, _)) => snapshot.type_text(SqlType::of(base)),
        _ => "USER-DEFINED".to_owned(),
    }
}

fn maximum_length(ty: SqlType) -> Option<i64> {
    let typmod = i64::from(ty.typmod);
    match ty.oid {
        _ if ty.typmod < 0 => None,
        Oid::BPCHAR | Oid::VARCHAR => Some(typmod - 4),
        Oid::BIT | Oid::VARBIT => Some(typmod),
        _ => None,
    }
}

fn octet_length(ty: SqlType) -> Option<i64> {
    match ty.oid {
        Oid::TEXT | Oid::BPCHAR | Oid::VARCHAR => {
            Some(maximum_length(ty).map_or(STRING_BYTES_MAX, |length| length * CHARACTER_BYTES_MAX))
        }
        _ => None,
    }
}

/// Precision, radix and scale of a number.
pub fn numeric(ty: SqlType) -> (Option<i64>, Option<i64>, Option<i64>) {
    match ty.oid {
        Oid::INT2 => (Some(16), Some(2), Some(0)),
        Oid::INT4 => (Some(32), Some(2), Some(0)),
        Oid::INT8 => (Some(64), Some(2), Some(0)),
        Oid::FLOAT4 => (Some(24), Some(2), None),
        Oid::FLOAT8 => (Some(53), Some(2), None),
        Oid::NUMERIC if ty.typmod < 0 => (None, Some(10), None),
        Oid::NUMERIC => {
            let packed = i64::from(ty.typmod) - 4;
            // The scale is a signed number of 11 bits.
            (Some(packed >> 16 & 0xffff), Some(10), Some(((packed & 0x7ff) ^ 1024) - 1024))
        }
        _ => (None, None, None),
    }
}

fn datetime(ty: SqlType) -> Option<i64> {
    const FULL: i64 = 6;
    match ty.oid {
        Oid::DATE => Some(0),
        Oid::TIME | Oid::TIMETZ | Oid::TIMESTAMP | Oid::TIMESTAMPTZ if ty.typmod < 0 => Some(FULL),
        Oid::TIME | Oid::TIMETZ | Oid::TIMESTAMP | Oid::TIMESTAMPTZ => Some(i64::from(ty.typmod)),
        Oid::INTERVAL if ty.typmod < 0 || ty.typmod & INTERVAL_FULL_PRECISION == INTERVAL_FULL_PRECISION => Some(FULL),
        Oid::INTERVAL => Some(i64::from(ty.typmod & INTERVAL_FULL_PRECISION)),
        _ => None,
    }
}

/// Values for [`COLUMNS`]; the collation only when it is not the default.
pub fn values(snapshot: &Snapshot, database: &str, ty: SqlType, collation: Oid) -> Vec<Datum> {
    const DEFAULT_COLLATION: Oid = Oid(100);
    let base = snapshot.base_type(ty);
    let number = |value: Option<i64>| value.map_or(Datum::Null, int);
    let name = describe::collation_name(collation).filter(|_| collation != DEFAULT_COLLATION);
    let (precision, radix, scale) = numeric(base);
    vec![
        text(data_type(snapshot, ty)),
        number(maximum_length(base)),
        number(octet_length(base)),
        text_or_null(name.map(|_| database)),
        text_or_null(name.map(|_| "pg_catalog")),
        text_or_null(name),
        number(precision),
        number(radix),
        number(scale),
        number(datetime(base)),
    ]
}

/// Schema and name of a type.
pub fn udt(snapshot: &Snapshot, ty: Oid) -> (String, String) {
    match describe::type_place(snapshot, ty) {
        Some((schema, name)) => (schema_name(snapshot, schema).to_owned(), name),
        None => (String::new(), String::new()),
    }
}

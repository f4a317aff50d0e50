//! Type modifiers: parsing them in declarations, applying them to values, and printing types with them.
//!
//! A typmod is PostgreSQL's encoding, as drivers and `pg_attribute` see it: `varchar(n)` is n + 4, `numeric(p,s)` packs
//! both above 4, intervals pack a field range and a precision, pgvector's types and `bit` are the plain number.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::bail;
use crate::error::Result;
use crate::types::array::{self, ArrayValue};
use crate::types::bit::BitString;
use crate::types::datetime::round_micros;
use crate::types::numeric::precision_and_scale;
use crate::types::text::{coerce_bpchar, coerce_varchar};
use crate::types::{Datum, Oid, SqlType};

/// All fields of an interval, the upper half of its typmod.
pub const INTERVAL_FULL_RANGE: i32 = 0x7fff;
/// No precision given, the lower half of an interval's typmod.
pub const INTERVAL_FULL_PRECISION: i32 = 0xffff;
/// Bits of the field range of an interval.
pub const INTERVAL_MONTH: i32 = 1 << 1;
/// See [`INTERVAL_MONTH`].
pub const INTERVAL_YEAR: i32 = 1 << 2;
/// See [`INTERVAL_MONTH`].
pub const INTERVAL_DAY: i32 = 1 << 3;
/// See [`INTERVAL_MONTH`].
pub const INTERVAL_HOUR: i32 = 1 << 10;
/// See [`INTERVAL_MONTH`].
pub const INTERVAL_MINUTE: i32 = 1 << 11;
/// See [`INTERVAL_MONTH`].
pub const INTERVAL_SECOND: i32 = 1 << 12;

/// The largest precision of seconds.
const MAX_SECONDS_PRECISION: i32 = 6;
/// The longest `varchar(n)` and `character(n)`.
const MAX_CHARACTERS: i32 = 10_485_760;
/// The longest `bit(n)`.
const MAX_BITS: i32 = 83_886_080;

/// SQL names of built-in types that are no arrays.
const TYPE_NAMES: &[(Oid, &str)] = &[
    (Oid::BOOL, "boolean"),
    (Oid::BYTEA, "bytea"),
    (Oid::INTERNAL_CHAR, "\"char\""),
    (Oid::NAME, "name"),
    (Oid::INT8, "bigint"),
    (Oid::INT2, "smallint"),
    (Oid::INT2VECTOR, "int2vector"),
    (Oid::INT4, "integer"),
    (Oid::REGPROC, "regproc"),
    (Oid::TEXT, "text"),
    (Oid::OID, "oid"),
    (Oid::TID, "tid"),
    (Oid::XID, "xid"),
    (Oid::CID, "cid"),
    (Oid::OIDVECTOR, "oidvector"),
    (Oid::JSON, "json"),
    (Oid::XML, "xml"),
    (Oid::PG_NODE_TREE, "pg_node_tree"),
    (Oid::POINT, "point"),
    (Oid::CIDR, "cidr"),
    (Oid::FLOAT4, "real"),
    (Oid::FLOAT8, "double precision"),
    (Oid::UNKNOWN, "unknown"),
    (Oid::MONEY, "money"),
    (Oid::MACADDR, "macaddr"),
    (Oid::INET, "inet"),
    (Oid::ACLITEM, "aclitem"),
    (Oid::BPCHAR, "character"),
    (Oid::VARCHAR, "character varying"),
    (Oid::DATE, "date"),
    (Oid::TIME, "time without time zone"),
    (Oid::TIMESTAMP, "timestamp without time zone"),
    (Oid::TIMESTAMPTZ, "timestamp with time zone"),
    (Oid::INTERVAL, "interval"),
    (Oid::TIMETZ, "time with time zone"),
    (Oid::BIT, "bit"),
    (Oid::VARBIT, "bit varying"),
    (Oid::NUMERIC, "numeric"),
    (Oid::REFCURSOR, "refcursor"),
    (Oid::REGPROCEDURE, "regprocedure"),
    (Oid::REGOPER, "regoper"),
    (Oid::REGOPERATOR, "regoperator"),
    (Oid::REGCLASS, "regclass"),
    (Oid::REGTYPE, "regtype"),
    (Oid::RECORD, "record"),
    (Oid::CSTRING, "cstring"),
    (Oid::ANY, "\"any\""),
    (Oid::ANYARRAY, "anyarray"),
    (Oid::VOID, "void"),
    (Oid::TRIGGER, "trigger"),
    (Oid::INTERNAL, "internal"),
    (Oid::ANYELEMENT, "anyelement"),
    (Oid::ANYNONARRAY, "anynonarray"),
    (Oid::UUID, "uuid"),
    (Oid::PG_LSN, "pg_lsn"),
    (Oid::ANYENUM, "anyenum"),
    (Oid::TSVECTOR, "tsvector"),
    (Oid::TSQUERY, "tsquery"),
    (Oid::REGCONFIG, "regconfig"),
    (Oid::REGDICTIONARY, "regdictionary"),
    (Oid::JSONB, "jsonb"),
    (Oid::ANYRANGE, "anyrange"),
    (Oid::INT4RANGE, "int4range"),
    (Oid::NUMRANGE, "numrange"),
    (Oid::TSRANGE, "tsrange"),
    (Oid::TSTZRANGE, "tstzrange"),
    (Oid::DATERANGE, "daterange"),
    (Oid::INT8RANGE, "int8range"),
    (Oid::JSONPATH, "jsonpath"),
    (Oid::REGNAMESPACE, "regnamespace"),
    (Oid::REGROLE, "regrole"),
    (Oid::REGCOLLATION, "regcollation"),
    (Oid::ANYMULTIRANGE, "anymultirange"),
    (Oid::ANYCOMPATIBLEMULTIRANGE, "anycompatiblemultirange"),
    (Oid::XID8, "xid8"),
    (Oid::ANYCOMPATIBLE, "anycompatible"),
    (Oid::ANYCOMPATIBLEARRAY, "anycompatiblearray"),
    (Oid::ANYCOMPATIBLENONARRAY, "anycompatiblenonarray"),
    (Oid::ANYCOMPATIBLERANGE, "anycompatiblerange"),
    (Oid::VECTOR, "vector"),
    (Oid::HALFVEC, "halfvec"),
    (Oid::SPARSEVEC, "sparsevec"),
];

/// The SQL name of a built-in type (`integer`, `character varying`), as `format_type` prints it without a modifier.
/// Array types have no name of their own here.
#[must_use]
pub fn builtin_type_name(oid: Oid) -> Option<&'static str> {
    static BY_OID: LazyLock<HashMap<Oid, &'static str>> = LazyLock::new(|| TYPE_NAMES.iter().copied().collect());
    BY_OID.get(&oid).copied()
}

fn integers(modifiers: &[&str]) -> Result<Vec<i32>> {
    modifiers.iter().map(|text| crate::types::integer::input_i32(text)).collect()
}

fn invalid<T>() -> Result<T> {
    bail!(INVALID_PARAMETER_VALUE, "invalid type modifier")
}

/// Turns the modifiers written behind a type name into a typmod; an array type takes its element's. An interval takes
/// a precision, or a field range (the `INTERVAL_*` bits) and a precision.
///
/// # Errors
/// `22023` for modifiers out of range, `42601` for a type that takes none.
pub fn parse_typmod(oid: Oid, modifiers: &[&str]) -> Result<i32> {
    let oid = array::builtin_element(oid).unwrap_or(oid);
    match oid {
        Oid::VARCHAR => length_typmod("varchar", modifiers, MAX_CHARACTERS).map(|length| length + 4),
        Oid::BPCHAR => length_typmod("char", modifiers, MAX_CHARACTERS).map(|length| length + 4),
        Oid::BIT => length_typmod("bit", modifiers, MAX_BITS),
        Oid::VARBIT => length_typmod("varbit", modifiers, MAX_BITS),
        Oid::VECTOR => dimensions("vector", modifiers, 16_000),
        Oid::HALFVEC => dimensions("halfvec", modifiers, 16_000),
        Oid::SPARSEVEC => dimensions("sparsevec", modifiers, 1_000_000_000),
        Oid::NUMERIC => numeric_typmod(modifiers),
        Oid::TIME => seconds_typmod("TIME", "", modifiers),
        Oid::TIMETZ => seconds_typmod("TIME", " WITH TIME ZONE", modifiers),
        Oid::TIMESTAMP => seconds_typmod("TIMESTAMP", "", modifiers),
        Oid::TIMESTAMPTZ => seconds_typmod("TIMESTAMP", " WITH TIME ZONE", modifiers),
        Oid::INTERVAL => interval_typmod(modifiers),
        _ => {
            let name = builtin_type_name(oid).unwrap_or("this");
            bail!(SYNTAX_ERROR, "type modifier is not allowed for type \"{name}\"")
        }
    }
}

fn length_typmod(name: &str, modifiers: &[&str], limit: i32) -> Result<i32> {
    let values = integers(modifiers)?;
    let [length] = values.as_slice() else { return invalid() };
    if *length < 1 {
        bail!(INVALID_PARAMETER_VALUE, "length for type {name} must be at least 1");
    }
    if *length > limit {
        bail!(INVALID_PARAMETER_VALUE, "length for type {name} cannot exceed {limit}");
    }
    Ok(*length)
}

fn dimensions(name: &str, modifiers: &[&str], limit: i32) -> Result<i32> {
    let values = integers(modifiers)?;
    let [dimensions] = values.as_slice() else { return invalid() };
    if *dimensions < 1 {
        bail!(INVALID_PARAMETER_VALUE, "dimensions for type {name} must be at least 1");
    }
    if *dimensions > limit {
        bail!(INVALID_PARAMETER_VALUE, "dimensions for type {name} cannot exceed {limit}");
    }
    Ok(*dimensions)
}

fn numeric_typmod(modifiers: &[&str]) -> Result<i32> {
    let values = integers(modifiers)?;
    let (precision, scale) = match values.as_slice() {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid NUMERIC type modifier"),
    };
    if !(1..=1000).contains(&precision) {
        bail!(INVALID_PARAMETER_VALUE, "NUMERIC precision {precision} must be between 1 and 1000");
    }
    if !(-1000..=1000).contains(&scale) {
        bail!(INVALID_PARAMETER_VALUE, "NUMERIC scale {scale} must be between -1000 and 1000");
    }
    Ok(((precision << 16) | (scale & 0x7ff)) + 4)
}

fn seconds_typmod(name: &str, zone: &str, modifiers: &[&str]) -> Result<i32> {
    let values = integers(modifiers)?;
    let [precision] = values.as_slice() else { return invalid() };
    if *precision < 0 {
        bail!(INVALID_PARAMETER_VALUE, "{name}({precision}){zone} precision must not be negative");
    }
    Ok((*precision).min(MAX_SECONDS_PRECISION))
}

fn interval_typmod(modifiers: &[&str]) -> Result<i32> {
    let values = integers(modifiers)?;
    let (range, precision) = match values.as_slice() {
        [precision] => (INTERVAL_FULL_RANGE, *precision),
        [range, precision] => (*range & INTERVAL_FULL_RANGE, *precision),
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid INTERVAL type modifier"),
    };
    if precision < 0 {
        bail!(INVALID_PARAMETER_VALUE, "INTERVAL({precision}) precision must not be negative");
    }
    let precision = if precision == INTERVAL_FULL_PRECISION { precision } else { precision.min(MAX_SECONDS_PRECISION) };
    Ok((range << 16) | precision)
}

/// The type as PostgreSQL prints it: `numeric(10,2)`, `character varying(10)[]`; `None` for a type of the user's.
#[must_use]
pub fn format_type(ty: SqlType) -> Option<String> {
    match ty.oid {
        Oid::INT2VECTOR => return Some("int2vector".to_owned()),
        Oid::OIDVECTOR => return Some("oidvector".to_owned()),
        _ => {}
    }
    if let Some(element) = array::builtin_element(ty.oid) {
        return format_type(SqlType::with(element, ty.typmod)).map(|name| name + "[]");
    }
    let name = builtin_type_name(ty.oid)?;
    let typmod = ty.typmod;
    if typmod < 0 {
        return Some(match ty.oid {
            Oid::BPCHAR => "bpchar".to_owned(),
            Oid::BIT => "\"bit\"".to_owned(),
            _ => name.to_owned(),
        });
    }
    Some(match ty.oid {
        Oid::VARCHAR | Oid::BPCHAR => format!("{name}({})", typmod - 4),
        Oid::NUMERIC => {
            let (precision, scale) = precision_and_scale(typmod);
            format!("numeric({precision},{scale})")
        }
        Oid::TIME => format!("time({typmod}) without time zone"),
        Oid::TIMETZ => format!("time({typmod}) with time zone"),
        Oid::TIMESTAMP => format!("timestamp({typmod}) without time zone"),
        Oid::TIMESTAMPTZ => format!("timestamp({typmod}) with time zone"),
        Oid::INTERVAL => format!("interval{}", interval_suffix(typmod)),
        Oid::BIT | Oid::VARBIT | Oid::VECTOR | Oid::HALFVEC | Oid::SPARSEVEC => format!("{name}({typmod})"),
        _ => name.to_owned(),
    })
}

/// What stands behind `interval` in a type's name.
fn interval_suffix(typmod: i32) -> String {
    const DAY_TO_HOUR: i32 = INTERVAL_DAY | INTERVAL_HOUR;
    let fields = match (typmod >> 16) & INTERVAL_FULL_RANGE {
        INTERVAL_YEAR => " year",
        INTERVAL_MONTH => " month",
        INTERVAL_DAY => " day",
        INTERVAL_HOUR => " hour",
        INTERVAL_MINUTE => " minute",
        INTERVAL_SECOND => " second",
        range if range == INTERVAL_YEAR | INTERVAL_MONTH => " year to month",
        DAY_TO_HOUR => " day to hour",
        range if range == DAY_TO_HOUR | INTERVAL_MINUTE => " day to minute",
        range if range == DAY_TO_HOUR | INTERVAL_MINUTE | INTERVAL_SECOND => " day to second",
        range if range == INTERVAL_HOUR | INTERVAL_MINUTE => " hour to minute",
        range if range == INTERVAL_HOUR | INTERVAL_MINUTE | INTERVAL_SECOND => " hour to second",
        range if range == INTERVAL_MINUTE | INTERVAL_SECOND => " minute to second",
        _ => "",
    };
    match typmod & INTERVAL_FULL_PRECISION {
        INTERVAL_FULL_PRECISION => fields.to_owned(),
        precision => format!("{fields}({precision})"),
    }
}

/// Applies a type's modifier to a value of that type; `explicit` casts cut strings where assignments fail. NULL and a
/// typmod of -1 change nothing.
///
/// # Errors
/// `22001`, `22003`, `22026`, `22000`, by type.
pub fn coerce(datum: Datum, ty: SqlType, explicit: bool) -> Result<Datum> {
    let typmod = ty.typmod;
    if typmod < 0 {
        return Ok(datum);
    }
    Ok(match datum {
        Datum::Text(value) if ty.oid == Oid::VARCHAR && typmod >= 4 => {
            Datum::Text(coerce_varchar(&value, length(typmod - 4), explicit)?)
        }
        Datum::Text(value) if ty.oid == Oid::BPCHAR && typmod >= 4 => {
            Datum::Text(coerce_bpchar(&value, length(typmod - 4), explicit)?)
        }
        Datum::Numeric(value) => Datum::Numeric(value.apply_typmod(typmod)?),
        Datum::Time(value) => Datum::Time(round_micros(value, typmod)),
        Datum::TimeTz(value, zone) => Datum::TimeTz(round_micros(value, typmod), zone),
        Datum::Timestamp(value) => Datum::Timestamp(round_micros(value, typmod)),
        Datum::Timestamptz(value) => Datum::Timestamptz(round_micros(value, typmod)),
        Datum::Interval(value) => Datum::Interval(value.apply_typmod(typmod)?),
        Datum::Bit(value) => Datum::Bit(coerce_bits(value, ty.oid, typmod, explicit)?),
        Datum::Vector(value) => {
            check_dimensions(value.len(), typmod)?;
            Datum::Vector(value)
        }
        Datum::HalfVec(value) => {
            check_dimensions(value.len(), typmod)?;
            Datum::HalfVec(value)
        }
        Datum::SparseVec(value) => {
            check_dimensions(value.dims as usize, typmod)?;
            Datum::SparseVec(value)
        }
        Datum::Array(value) => Datum::Array(coerce_items(&value, typmod, explicit)?),
        other => other,
    })
}

fn length(value: i32) -> usize {
    usize::try_from(value).unwrap_or(0)
}

fn check_dimensions(found: usize, typmod: i32) -> Result<()> {
    if found != length(typmod) {
        bail!(DATA_EXCEPTION, "expected {typmod} dimensions, not {found}");
    }
    Ok(())
}

fn coerce_items(value: &ArrayValue, typmod: i32, explicit: bool) -> Result<Arc<ArrayValue>> {
    let ty = SqlType::with(value.element, typmod);
    let items = value.items.iter().map(|item| coerce(item.clone(), ty, explicit)).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ArrayValue { element: value.element, dims: value.dims.clone(), items }))
}

fn coerce_bits(value: Arc<BitString>, oid: Oid, typmod: i32, explicit: bool) -> Result<Arc<BitString>> {
    let wanted = u32::try_from(typmod).expect("checked by the caller");
    let exact = oid == Oid::BIT;
    if value.bits == wanted || (!exact && value.bits < wanted) {
        return Ok(value);
    }
    if !explicit {
        if exact {
            let found = value.bits;
            bail!(STRING_DATA_LENGTH_MISMATCH, "bit string length {found} does not match type bit({wanted})");
        }
        bail!(STRING_DATA_RIGHT_TRUNCATION, "bit string too long for type bit varying({wanted})");
    }
    let mut bytes = value.bytes.clone();
    bytes.resize(wanted.div_ceil(8) as usize, 0);
    if wanted % 8 != 0 && wanted < value.bits {
        let last = bytes.last_mut().expect("a length that is no multiple of eight is not zero");
        *last &= 0xffu8 << (8 - wanted % 8);
    }
    Ok(Arc::new(BitString { bits: wanted, bytes }))
}

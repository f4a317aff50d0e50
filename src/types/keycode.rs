//! The order-preserving encoding of values: comparing encoded bytes compares the values.
//!
//! For any two values of one type, `memcmp` of the encodings equals PostgreSQL's btree order and equal bytes mean SQL
//! equality (`1.0 = 1.00`, `-0 = 0`, `NaN = NaN`). Ordered index keys, sort, grouping, hashing and DISTINCT all use
//! it. All integer types share one form, and both float types another, so keys of an `int4` column answer comparisons
//! with `bigint`. One value is a null tag and a self-delimiting body; keys of several columns are concatenations. A
//! descending column has its body inverted. Strings collate as C; `character(n)` is compared without its trailing
//! blanks, which only the type OID tells, hence [`encode_key_typed`].

use half::f16;

use crate::types::array::ArrayValue;
use crate::types::json;
use crate::types::numeric::Numeric;
use crate::types::sparsevec::SparseVec;
use crate::types::{Datum, Oid};

/// The tag before NULL when NULLs come first.
pub const NULL_FIRST: u8 = 0x01;
/// The tag before a value.
pub const VALUE: u8 = 0x02;
/// The tag before NULL when NULLs come last.
pub const NULL_LAST: u8 = 0x03;

const END: u8 = 0x00;

/// Appends the key of one value; `nulls_first` places NULL whichever the direction.
#[inline]
pub fn encode_key(datum: &Datum, descending: bool, nulls_first: bool, out: &mut Vec<u8>) {
    if datum.is_null() {
        out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    out.push(VALUE);
    let start = out.len();
    encode_body(datum, out);
    if descending {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
}

/// [`encode_key`] for a column of type `oid`: `character(n)` loses its trailing blanks.
#[inline]
pub fn encode_key_typed(oid: Oid, datum: &Datum, descending: bool, nulls_first: bool, out: &mut Vec<u8>) {
    match datum {
        Datum::Text(text) if oid == Oid::BPCHAR => {
            out.push(VALUE);
            let start = out.len();
            put_bytes(text.trim_end_matches(' ').as_bytes(), out);
            if descending {
                for byte in &mut out[start..] {
                    *byte = !*byte;
                }
            }
        }
        Datum::Array(array) if oid == Oid::BPCHAR_ARRAY => {
            out.push(VALUE);
            let start = out.len();
            encode_array(array, Oid::BPCHAR, out);
            if descending {
                for byte in &mut out[start..] {
                    *byte = !*byte;
                }
            }
        }
        other => encode_key(other, descending, nulls_first, out),
    }
}

/// Appends a value's body, ascending and without a tag.
fn encode_body(datum: &Datum, out: &mut Vec<u8>) {
    match datum {
        Datum::Null => panic!("NULL is a tag without a body"),
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Char(value) => out.push(*value),
        Datum::Int2(value) => put_i64(i64::from(*value), out),
        Datum::Int4(value) | Datum::Date(value) => put_i64(i64::from(*value), out),
        Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
            put_i64(*value, out);
        }
        Datum::Oid(value) => put_i64(i64::from(value.0), out),
        Datum::Float4(value) => put_f64(f64::from(*value), out),
        Datum::Float8(value) => put_f64(*value, out),
        Datum::TimeTz(micros, zone) => {
            put_i64(timetz_instant(*micros, *zone), out);
            put_i32(*zone, out);
        }
        Datum::Interval(value) => {
            let image = (value.total_micros() as u128) ^ (1 << 127);
            out.extend_from_slice(&image.to_be_bytes());
        }
        Datum::Uuid(value) => out.extend_from_slice(value),
        Datum::Text(value) => put_bytes(value.as_bytes(), out),
        Datum::Bytea(value) => put_bytes(value, out),
        Datum::Numeric(value) => encode_numeric(value, out),
        Datum::Jsonb(value) => json::encode_key(value, out),
        Datum::Enum(value) => put_f32(value.sort_order, out),
        Datum::Bit(value) => {
            put_bytes(&value.bytes, out);
            out.extend_from_slice(&value.bits.to_be_bytes());
        }
        Datum::Vector(value) => encode_elements(value.iter().copied(), out),
        Datum::HalfVec(value) => encode_elements(value.iter().copied().map(f16::to_f32), out),
        Datum::SparseVec(value) => encode_sparse(value, out),
        Datum::Array(value) => encode_array(value, value.element, out),
        Datum::Record(value) => {
            for (oid, field) in &value.fields {
                encode_key_typed(*oid, field, false, false, out);
            }
            out.push(END);
        }
    }
}

/// The instant that a `timetz` names on its day, in microseconds: what its order goes by first.
pub(crate) fn timetz_instant(micros: i64, zone: i32) -> i64 {
    micros.saturating_add(i64::from(zone) * 1_000_000)
}

fn put_i64(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&word_of_i64(value).to_be_bytes());
}

/// An integer as an unsigned number of the same order.
#[inline]
#[must_use]
pub fn word_of_i64(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

fn put_i32(value: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&((value as u32) ^ (1 << 31)).to_be_bytes());
}

/// A float as an unsigned number of the same order: NaN is largest, both zeros are one.
#[inline]
#[must_use]
pub fn word_of_f64(value: f64) -> u64 {
    let bits = if value.is_nan() { f64::NAN.to_bits() & (u64::MAX >> 1) } else { (value + 0.0).to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn put_f64(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&word_of_f64(value).to_be_bytes());
}

pub(crate) fn put_f32(value: f32, out: &mut Vec<u8>) {
    let bits = if value.is_nan() { f32::NAN.to_bits() & (u32::MAX >> 1) } else { (value + 0.0).to_bits() };
    let image = if bits >> 31 == 1 { !bits } else { bits | (1 << 31) };
    out.extend_from_slice(&image.to_be_bytes());
}

/// Bytes so that a prefix sorts first and the end is found: 00 becomes 00 FF and the end is 00 01.
pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(0, rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(0xff);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0x00, 0x01]);
}

/// Sign class, decimal exponent, then digits in pairs; everything after the class inverted for negative numbers.
pub(crate) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    const CLASS_NEG_INFINITY: u8 = 1;
    const CLASS_NEGATIVE: u8 = 2;
    const CLASS_ZERO: u8 = 3;
    const CLASS_POSITIVE: u8 = 4;
    const CLASS_INFINITY: u8 = 5;
    const CLASS_NAN: u8 = 6;
    let (unscaled, scale) = match value {
        Numeric::NegInfinity => return out.push(CLASS_NEG_INFINITY),
        Numeric::Infinity => return out.push(CLASS_INFINITY),
        Numeric::NaN => return out.push(CLASS_NAN),
        Numeric::Finite { unscaled, scale } => (unscaled, i32::from(*scale)),
    };
    let negative = match unscaled.sign() {
        num_bigint::Sign::NoSign => return out.push(CLASS_ZERO),
        num_bigint::Sign::Minus => true,
        num_bigint::Sign::Plus => false,
    };
    out.push(if negative { CLASS_NEGATIVE } else { CLASS_POSITIVE });
    let start = out.len();
    let (mut small, large);
    let digits = match u64::try_from(unscaled.magnitude()) {
        Ok(value) => {
            small = itoa::Buffer::new();
            small.format(value)
        }
        Err(_) => {
            large = unscaled.magnitude().to_str_radix(10);
            &*large
        }
    };
    let exponent = i32::try_from(digits.len()).expect("numerics have fewer than 2^31 digits") - scale;
    put_i32(exponent, out);
    for pair in digits.trim_end_matches('0').as_bytes().chunks(2) {
        let low = pair.get(1).map_or(0, |digit| digit - b'0');
        out.push((pair[0] - b'0') * 10 + low + 1);
    }
    out.push(END);
    if negative {
        for byte in &mut out[start..] {
            *byte = !*byte;
        }
    }
}

/// Dense elements in order; a vector that is a prefix of another sorts first, as pgvector does.
fn encode_elements(elements: impl Iterator<Item = f32>, out: &mut Vec<u8>) {
    for element in elements {
        out.push(VALUE);
        put_f32(element, out);
    }
    out.push(END);
}

/// The order of the dense vectors that sparse ones stand for, then of dimensions. At the first difference a negative
/// element sorts before the end of the other vector only when it lies inside that vector, hence the doubled positions.
fn encode_sparse(value: &SparseVec, out: &mut Vec<u8>) {
    const BELOW: u8 = 1;
    const ABOVE: u8 = 2;
    for (index, element) in value.indices.iter().zip(&value.values) {
        if *element < 0.0 {
            out.push(BELOW);
            out.extend_from_slice(&(2 * index + 1).to_be_bytes());
        } else {
            out.push(ABOVE);
            out.extend_from_slice(&(!index).to_be_bytes());
        }
        put_f32(*element, out);
    }
    out.push(BELOW);
    out.extend_from_slice(&(2 * value.dims).to_be_bytes());
}

/// Elements first (NULL above all), then their number, then the shape, as PostgreSQL orders arrays.
fn encode_array(value: &ArrayValue, element: Oid, out: &mut Vec<u8>) {
    for item in &value.items {
        encode_key_typed(element, item, false, false, out);
    }
    out.push(END);
    put_i32(i32::try_from(value.dims.len()).expect("arrays have few dimensions"), out);
    for dim in &value.dims {
        put_i32(dim.length, out);
    }
    for dim in &value.dims {
        put_i32(dim.lower_bound, out);
    }
}

/// The smallest byte string that is greater than every string with this prefix; `None` when there is none. For index
/// ranges such as `key > x` and prefix scans.
#[must_use]
pub fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

//! Comparing values in PostgreSQL's btree order, without encoding them.
//!
//! [`compare`], [`equal`] and [`hash`] agree with each other and with the byte order of [`crate::types::keycode`]; a
//! property test holds them together. NULL equals NULL and sorts after every value: these are the rules of sorting
//! and grouping, not of the `=` operator, which callers never reach with NULL.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use half::f16;

use crate::types::array::ArrayValue;
use crate::types::keycode;
use crate::types::{Datum, Oid};

/// The order of two values of one type; integer types compare with each other, and so do the float types.
///
/// # Panics
/// When the types cannot be compared: the binder has coerced them.
#[must_use]
pub fn compare(left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        (Datum::Int4(a), Datum::Int4(b)) | (Datum::Date(a), Datum::Date(b)) => a.cmp(b),
        (Datum::Int8(a), Datum::Int8(b))
        | (Datum::Time(a), Datum::Time(b))
        | (Datum::Timestamp(a), Datum::Timestamp(b))
        | (Datum::Timestamptz(a), Datum::Timestamptz(b)) => a.cmp(b),
        (Datum::Text(a), Datum::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Datum::Bool(a), Datum::Bool(b)) => a.cmp(b),
        (Datum::Char(a), Datum::Char(b)) => a.cmp(b),
        (Datum::Oid(a), Datum::Oid(b)) => a.cmp(b),
        (Datum::Uuid(a), Datum::Uuid(b)) => a.cmp(b),
        (Datum::Bytea(a), Datum::Bytea(b)) => a.cmp(b),
        (Datum::Numeric(a), Datum::Numeric(b)) => a.compare(b),
        (Datum::Interval(a), Datum::Interval(b)) => a.total_micros().cmp(&b.total_micros()),
        (Datum::TimeTz(a, zone_a), Datum::TimeTz(b, zone_b)) => {
            keycode::timetz_instant(*a, *zone_a).cmp(&keycode::timetz_instant(*b, *zone_b)).then(zone_a.cmp(zone_b))
        }
        (Datum::Float4(_) | Datum::Float8(_), Datum::Float4(_) | Datum::Float8(_)) => {
            compare_f64(as_f64(left), as_f64(right))
        }
        (Datum::Enum(a), Datum::Enum(b)) => compare_f64(f64::from(a.sort_order), f64::from(b.sort_order)),
        (Datum::Bit(a), Datum::Bit(b)) => a.bytes.cmp(&b.bytes).then(a.bits.cmp(&b.bits)),
        (Datum::Vector(a), Datum::Vector(b)) => compare_elements(a.iter().copied(), b.iter().copied()),
        (Datum::HalfVec(a), Datum::HalfVec(b)) => {
            compare_elements(a.iter().copied().map(f16::to_f32), b.iter().copied().map(f16::to_f32))
        }
        (Datum::Array(a), Datum::Array(b)) => compare_arrays(a, b, a.element),
        (Datum::Record(a), Datum::Record(b)) => {
            for ((oid, x), (_, y)) in a.fields.iter().zip(&b.fields) {
                let order = compare_typed(*oid, x, y);
                if order.is_ne() {
                    return order;
                }
            }
            a.fields.len().cmp(&b.fields.len())
        }
        (Datum::Jsonb(_), Datum::Jsonb(_)) | (Datum::SparseVec(_), Datum::SparseVec(_)) => by_key(left, right),
        (
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_),
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_),
        ) => left.as_i64().cmp(&right.as_i64()),
        _ => panic!("cannot compare {left:?} with {right:?}"),
    }
}

/// [`compare`] for values of type `oid`: `character(n)` is compared without trailing blanks.
///
/// # Panics
/// As [`compare`].
#[must_use]
pub fn compare_typed(oid: Oid, left: &Datum, right: &Datum) -> Ordering {
    match (left, right) {
        (Datum::Text(a), Datum::Text(b)) if oid == Oid::BPCHAR => {
            a.trim_end_matches(' ').as_bytes().cmp(b.trim_end_matches(' ').as_bytes())
        }
        (Datum::Array(a), Datum::Array(b)) if oid == Oid::BPCHAR_ARRAY => compare_arrays(a, b, Oid::BPCHAR),
        _ => compare(left, right),
    }
}

/// Whether two values are the same under [`compare`].
#[must_use]
pub fn equal(left: &Datum, right: &Datum) -> bool {
    compare(left, right).is_eq()
}

/// Feeds a value to a hasher so that [`equal`] values hash alike, integers of different widths and both float types
/// included.
pub fn hash(datum: &Datum, state: &mut impl Hasher) {
    match datum {
        Datum::Null => state.write_u8(0),
        Datum::Bool(value) => value.hash(state),
        Datum::Char(value) => value.hash(state),
        Datum::Text(value) => value.hash(state),
        Datum::Bytea(value) => value.hash(state),
        Datum::Uuid(value) => value.hash(state),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_) => {
            datum.as_i64().expect("an integer that is not NULL").hash(state);
        }
        Datum::Date(value) => value.hash(state),
        Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => value.hash(state),
        other => {
            let mut key = Vec::new();
            keycode::encode_key(other, false, false, &mut key);
            key.hash(state);
        }
    }
}

/// PostgreSQL's float order: NaN is equal to itself and above everything, the zeros are equal.
#[must_use]
pub fn compare_f64(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => left.partial_cmp(&right).expect("neither is NaN"),
    }
}

fn as_f64(datum: &Datum) -> f64 {
    match datum {
        Datum::Float4(value) => f64::from(*value),
        Datum::Float8(value) => *value,
        other => panic!("expected a float, found {other:?}"),
    }
}

fn compare_elements(left: impl ExactSizeIterator<Item = f32>, right: impl ExactSizeIterator<Item = f32>) -> Ordering {
    let lengths = left.len().cmp(&right.len());
    for (a, b) in left.zip(right) {
        let order = compare_f64(f64::from(a), f64::from(b));
        if order.is_ne() {
            return order;
        }
    }
    lengths
}

fn compare_arrays(left: &ArrayValue, right: &ArrayValue, element: Oid) -> Ordering {
    for (a, b) in left.items.iter().zip(&right.items) {
        let order = compare_typed(element, a, b);
        if order.is_ne() {
            return order;
        }
    }
    let shape = |value: &ArrayValue| -> (usize, usize, Vec<i32>, Vec<i32>) {
        let lengths = value.dims.iter().map(|dim| dim.length).collect();
        let bounds = value.dims.iter().map(|dim| dim.lower_bound).collect();
        (value.items.len(), value.dims.len(), lengths, bounds)
    };
    shape(left).cmp(&shape(right))
}

fn by_key(left: &Datum, right: &Datum) -> Ordering {
    let mut keys = (Vec::new(), Vec::new());
    keycode::encode_key(left, false, false, &mut keys.0);
    keycode::encode_key(right, false, false, &mut keys.1);
    keys.0.cmp(&keys.1)
}

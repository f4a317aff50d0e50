//! Key images: 64-bit stand-ins for SQL keys.
//!
//! Integers, dates and timestamps map exactly and in order (sign bit flipped); floats in PostgreSQL's total order; a uuid
//! gives its first eight bytes, in order but not exact; everything else, and every key of several columns, is a seeded
//! 64-bit hash of its ordered encoding: uniform, which is a learned index's best case, and safe from crafted
//! collisions because the seed is random per process. Equal keys always have equal images; whether equal images mean equal
//! keys is [`ImageKind::exact`], and where they do not the row decides.

use std::hash::{BuildHasher, Hasher};

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

use crate::types::{Datum, Oid, keycode};

/// How keys of one index become images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// One integer-like column: exact and ordered.
    Integer,
    /// One float column: exact and ordered.
    Float,
    /// One uuid column: ordered by its first half only, not exact.
    Uuid,
    /// Anything else: neither ordered nor exact.
    Hash,
}

impl ImageKind {
    /// The kind for an index with these key column types (domains by their base type).
    #[must_use]
    pub fn of(types: &[Oid]) -> Self {
        match types {
            [Oid::INT2 | Oid::INT4 | Oid::INT8 | Oid::DATE | Oid::TIME | Oid::TIMESTAMP | Oid::TIMESTAMPTZ] => {
                Self::Integer
            }
            [Oid::OID | Oid::BOOL | Oid::MONEY | Oid::XID8 | Oid::PG_LSN | Oid::TID] => Self::Integer,
            [Oid::FLOAT4 | Oid::FLOAT8] => Self::Float,
            [Oid::UUID] => Self::Uuid,
            _ => Self::Hash,
        }
    }

    /// Whether equal images mean equal keys.
    #[must_use]
    pub fn exact(self) -> bool {
        matches!(self, Self::Integer | Self::Float)
    }

    /// Whether the order of images is the order of keys (images that are not exact leave ties).
    #[must_use]
    pub fn ordered(self) -> bool {
        self != Self::Hash
    }
}

/// Makes images of one kind with one seed.
#[derive(Clone)]
pub struct Imager {
    kind: ImageKind,
    hasher: SeedableRandomState,
}

impl Imager {
    /// An imager; `seed` matters for hashed images only and must be secret and the same for the life of the index.
    #[must_use]
    pub fn new(kind: ImageKind, seed: u64) -> Self {
        Self { kind, hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()) }
    }

    /// What the images keep.
    #[must_use]
    pub fn kind(&self) -> ImageKind {
        self.kind
    }

    /// The image of a key; `types` are the column types, which tell `character(n)` from `text`. NULLs are allowed in
    /// hashed keys only; for the other kinds a NULL has no image.
    ///
    /// # Panics
    /// When a value is not of the kind that the index was made for: whoever plans has coerced it.
    #[must_use]
    pub fn image(&self, types: &[Oid], key: &[Datum]) -> Option<u64> {
        match (self.kind, key) {
            (ImageKind::Hash, _) => {
                let mut bytes = Vec::with_capacity(64);
                for (oid, datum) in types.iter().zip(key) {
                    keycode::encode_key_typed(*oid, datum, false, false, &mut bytes);
                }
                Some(self.image_of_bytes(&bytes))
            }
            (_, [Datum::Null]) => None,
            (ImageKind::Integer, [datum]) => Some(ordered_integer(integer_of(datum))),
            (ImageKind::Float, [Datum::Float4(value)]) => Some(ordered_float(f64::from(*value))),
            (ImageKind::Float, [Datum::Float8(value)]) => Some(ordered_float(*value)),
            (ImageKind::Uuid, [Datum::Uuid(value)]) => {
                Some(u64::from_be_bytes(*value.first_chunk().expect("a uuid has sixteen bytes")))
            }
            (kind, other) => panic!("key {other:?} does not belong in an index of kind {kind:?}"),
        }
    }

    /// The hashed image of an ordered encoding (all columns ascending, NULLs last).
    #[must_use]
    pub fn image_of_bytes(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }
}

fn integer_of(datum: &Datum) -> i64 {
    match datum {
        Datum::Bool(value) => i64::from(*value),
        Datum::Date(value) => i64::from(*value),
        Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => *value,
        other => other.as_i64().expect("NULL has no image"),
    }
}

/// A signed number as an unsigned one of the same order.
#[must_use]
pub fn ordered_integer(value: i64) -> u64 {
    (value as u64) ^ (1 << 63)
}

/// A float as an unsigned number in PostgreSQL's order: NaN largest, both zeros one.
#[must_use]
pub fn ordered_float(value: f64) -> u64 {
    let bits = if value.is_nan() { f64::NAN.to_bits() & (u64::MAX >> 1) } else { (value + 0.0).to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_the_order_of_numbers() {
        let integers = [i64::MIN, -5, -1, 0, 1, 7, i64::MAX];
        assert!(integers.map(ordered_integer).is_sorted());
        let floats = [f64::NEG_INFINITY, -2.5, -0.0, 1e-300, 3.0, f64::INFINITY, f64::NAN];
        assert!(floats.map(ordered_float).is_sorted());
        assert_eq!(ordered_float(0.0), ordered_float(-0.0));
    }

    #[test]
    fn equal_keys_have_equal_images() {
        let imager = Imager::new(ImageKind::of(&[Oid::BPCHAR]), 7);
        let image = |text: &str| imager.image(&[Oid::BPCHAR], &[Datum::text(text)]);
        assert_eq!(image("ab"), image("ab   "));
        assert_ne!(image("ab"), image("abc"));
        let integer = Imager::new(ImageKind::of(&[Oid::INT4]), 7);
        assert_eq!(integer.image(&[Oid::INT4], &[Datum::Int4(9)]), integer.image(&[Oid::INT4], &[Datum::Int8(9)]));
        assert_eq!(integer.image(&[Oid::INT4], &[Datum::Null]), None);
    }
}

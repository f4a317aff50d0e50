//! PostgreSQL's hash functions of the built-in types, with its values: clients make advisory lock keys of `hashtext`.
//!
//! The hash is Bob Jenkins' lookup3 with PostgreSQL's initial value and its way of taking the last bytes.

use super::args::{boolean, bytea, date, float, float4, int, int8, oid, text, time, timestamp, uuid};
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;

/// The three words of the state.
struct State(u32, u32, u32);

impl State {
    fn new(length: usize, seed: u64) -> Self {
        let start = 0x9e37_79b9_u32.wrapping_add(length as u32).wrapping_add(3_923_095);
        let mut state = Self(start, start, start);
        if seed != 0 {
            state.0 = state.0.wrapping_add((seed >> 32) as u32);
            state.1 = state.1.wrapping_add(seed as u32);
            state.mix();
        }
        state
    }

    fn mix(&mut self) {
        let Self(a, b, c) = self;
        *a = a.wrapping_sub(*c) ^ c.rotate_left(4);
        *c = c.wrapping_add(*b);
        *b = b.wrapping_sub(*a) ^ a.rotate_left(6);
        *a = a.wrapping_add(*c);
        *c = c.wrapping_sub(*b) ^ b.rotate_left(8);
        *b = b.wrapping_add(*a);
        *a = a.wrapping_sub(*c) ^ c.rotate_left(16);
        *c = c.wrapping_add(*b);
        *b = b.wrapping_sub(*a) ^ a.rotate_left(19);
        *a = a.wrapping_add(*c);
        *c = c.wrapping_sub(*b) ^ b.rotate_left(4);
        *b = b.wrapping_add(*a);
    }

    fn finish(mut self) -> u64 {
        let Self(a, b, c) = &mut self;
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(14));
        *a = (*a ^ *c).wrapping_sub(c.rotate_left(11));
        *b = (*b ^ *a).wrapping_sub(a.rotate_left(25));
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(16));
        *a = (*a ^ *c).wrapping_sub(c.rotate_left(4));
        *b = (*b ^ *a).wrapping_sub(a.rotate_left(14));
        *c = (*c ^ *b).wrapping_sub(b.rotate_left(24));
        (u64::from(self.1) << 32) | u64::from(self.2)
    }
}

fn hash_bytes(bytes: &[u8], seed: u64) -> u64 {
    let mut state = State::new(bytes.len(), seed);
    let word = |part: &[u8]| part.iter().rev().fold(0u32, |sum, byte| (sum << 8) | u32::from(*byte));
    let mut chunks = bytes.chunks_exact(12);
    for chunk in &mut chunks {
        state.0 = state.0.wrapping_add(word(&chunk[..4]));
        state.1 = state.1.wrapping_add(word(&chunk[4..8]));
        state.2 = state.2.wrapping_add(word(&chunk[8..]));
        state.mix();
    }
    let rest = chunks.remainder();
    let part = |from: usize, to: usize| word(&rest[from.min(rest.len())..to.min(rest.len())]);
    state.0 = state.0.wrapping_add(part(0, 4));
    state.1 = state.1.wrapping_add(part(4, 8));
    // The lowest byte of the third word is left to the length.
    state.2 = state.2.wrapping_add(part(8, 12) << 8);
    state.finish()
}

fn hash_word(value: u32, seed: u64) -> u64 {
    let mut state = State::new(4, seed);
    state.0 = state.0.wrapping_add(value);
    state.finish()
}

/// Equal `smallint`, `integer` and `bigint` values have equal hashes.
fn hash_wide(value: i64, seed: u64) -> u64 {
    let (low, high) = (value as u32, (value >> 32) as u32);
    hash_word(low ^ if value >= 0 { high } else { !high }, seed)
}

fn hash_float(value: f64, seed: u64) -> u64 {
    if value == 0.0 {
        return seed;
    }
    let value = if value.is_nan() { f64::NAN } else { value };
    hash_bytes(&value.to_le_bytes(), seed)
}

/// The hash of a value of a type that hashing knows.
fn hash(value: &Datum, source: &str, seed: u64) -> u64 {
    match value {
        Datum::Bool(_) => hash_word(u32::from(boolean(value)), seed),
        Datum::Char(byte) => hash_word(i32::from(byte.cast_signed()).cast_unsigned(), seed),
        Datum::Int2(_) | Datum::Int4(_) => hash_word(int(value) as u32, seed),
        Datum::Oid(_) => hash_word(oid(value).0, seed),
        Datum::Date(_) => hash_word(date(value).cast_unsigned(), seed),
        Datum::Int8(_) => hash_wide(int8(value), seed),
        Datum::Time(_) => hash_wide(time(value), seed),
        Datum::Timestamp(_) | Datum::Timestamptz(_) => hash_wide(timestamp(value), seed),
        Datum::Float4(_) => hash_float(f64::from(float4(value)), seed),
        Datum::Float8(_) => hash_float(float(value), seed),
        Datum::Text(_) if source.starts_with("hashbpchar") => {
            hash_bytes(text(value).trim_end_matches(' ').as_bytes(), seed)
        }
        Datum::Text(_) => hash_bytes(text(value).as_bytes(), seed),
        Datum::Bytea(_) => hash_bytes(bytea(value), seed),
        Datum::Uuid(_) => hash_bytes(uuid(value), seed),
        other => panic!("no hash function is declared for {other:?}"),
    }
}

fn plain(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int4(hash(&args[0], ctx.function.source, 0) as i32))
}

fn extended(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int8(hash(&args[0], ctx.function.source, int8(&args[1]).cast_unsigned()).cast_signed()))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("hashbool", plain),
    ("hashboolextended", extended),
    ("hashchar", plain),
    ("hashcharextended", extended),
    ("hashint2", plain),
    ("hashint2extended", extended),
    ("hashint4", plain),
    ("hashint4extended", extended),
    ("hashint8", plain),
    ("hashint8extended", extended),
    ("hashoid", plain),
    ("hashoidextended", extended),
    ("hashdate", plain),
    ("hashdateextended", extended),
    ("hashfloat4", plain),
    ("hashfloat4extended", extended),
    ("hashfloat8", plain),
    ("hashfloat8extended", extended),
    ("hashname", plain),
    ("hashnameextended", extended),
    ("hashtext", plain),
    ("hashtextextended", extended),
    ("hashbpchar", plain),
    ("hashbpcharextended", extended),
    ("hashbytea", plain),
    ("hashbyteaextended", extended),
    ("time_hash", plain),
    ("time_hash_extended", extended),
    ("timestamp_hash", plain),
    ("timestamp_hash_extended", extended),
    ("timestamptz_hash", plain),
    ("timestamptz_hash_extended", extended),
    ("uuid_hash", plain),
    ("uuid_hash_extended", extended),
    ("pg_lsn_hash", plain),
    ("pg_lsn_hash_extended", extended),
];

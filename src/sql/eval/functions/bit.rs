//! Functions of `bit` and `varbit`, pgvector's distances included. The first bit is the leftmost, and counts as 0 in
//! `get_bit` and `set_bit`, as 1 everywhere else.

use std::sync::Arc;

use super::args::{boolean, int, int4};
use crate::bail;
use crate::error::Result;
use crate::simd::{jaccard_distance, kernels};
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::bit::{BitString, MAX_BITS};
use crate::types::typmod::coerce;
use crate::types::{Datum, Oid, SqlType};

fn bits(datum: &Datum) -> &BitString {
    match datum {
        Datum::Bit(value) => value,
        other => panic!("expected bit, found {other:?}"),
    }
}

fn make(value: BitString) -> Result<Datum> {
    Ok(Datum::Bit(Arc::new(value)))
}

fn count(bits: u64) -> Result<Datum> {
    Ok(Datum::Int4(i32::try_from(bits).expect("bit strings are shorter than 2^31")))
}

fn combine(args: &[Datum], name: &str, op: fn(u8, u8) -> u8) -> Result<Datum> {
    let (a, b) = (bits(&args[0]), bits(&args[1]));
    if a.bits != b.bits {
        bail!(STRING_DATA_LENGTH_MISMATCH, "cannot {name} bit strings of different sizes");
    }
    make(BitString { bits: a.bits, bytes: a.bytes.iter().zip(&b.bytes).map(|(a, b)| op(*a, *b)).collect() })
}

/// Bits `start..end` (from 0), which lie inside.
fn slice(value: &BitString, start: u32, end: u32) -> BitString {
    let mut result = BitString::zeros(end - start);
    let (skip, shift) = ((start / 8) as usize, start % 8);
    for (index, byte) in result.bytes.iter_mut().enumerate() {
        let high = u32::from(value.bytes[skip + index]) << 8;
        let low = value.bytes.get(skip + index + 1).copied().map_or(0, u32::from);
        *byte = ((high | low) >> (8 - shift)) as u8;
    }
    result.clear_padding();
    result
}

fn concat(a: &BitString, b: &BitString) -> Result<BitString> {
    let total = u64::from(a.bits) + u64::from(b.bits);
    let Some(total) = u32::try_from(total).ok().filter(|total| *total <= MAX_BITS) else {
        bail!(PROGRAM_LIMIT_EXCEEDED, "bit string length exceeds the maximum allowed ({MAX_BITS})");
    };
    let mut result = BitString::zeros(total);
    result.bytes[..a.bytes.len()].copy_from_slice(&a.bytes);
    let (skip, shift) = ((a.bits / 8) as usize, a.bits % 8);
    for (index, byte) in b.bytes.iter().enumerate() {
        let pair = (u16::from(*byte) << 8) >> shift;
        result.bytes[skip + index] |= (pair >> 8) as u8;
        if let Some(next) = result.bytes.get_mut(skip + index + 1) {
            *next |= pair as u8;
        }
    }
    Ok(result)
}

/// Shifts to the right; to the left when negative.
fn shift(value: &BitString, by: i64) -> BitString {
    let length = i64::from(value.bits);
    if by.abs() >= length {
        return BitString::zeros(value.bits);
    }
    let by = by as i32;
    let empty = BitString::zeros(by.unsigned_abs());
    let kept = if by >= 0 { slice(value, 0, value.bits - by as u32) } else { slice(value, -by as u32, value.bits) };
    let joined = if by >= 0 { concat(&empty, &kept) } else { concat(&kept, &empty) };
    joined.expect("a shift keeps the length")
}

/// `substring`: positions from 1; a length of `None` is to the end.
fn substring(value: &BitString, start: i64, length: Option<i64>) -> Result<BitString> {
    let end = match length {
        None => i64::from(value.bits) + 1,
        Some(length) if length < 0 => bail!(SUBSTRING_ERROR, "negative substring length not allowed"),
        Some(length) => (start + length).min(i64::from(value.bits) + 1),
    };
    let start = start.max(1);
    if start >= end {
        return Ok(BitString::zeros(0));
    }
    Ok(slice(value, start as u32 - 1, end as u32 - 1))
}

fn overlay(value: &BitString, new: &BitString, start: i64, length: i64) -> Result<Datum> {
    if start <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    if start + length > i64::from(i32::MAX) {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    }
    let before = substring(value, 1, Some(start - 1))?;
    let after = substring(value, start + length, None)?;
    make(concat(&concat(&before, new)?, &after)?)
}

fn position(needle: &BitString, value: &BitString) -> u64 {
    if needle.bits > value.bits {
        return 0;
    }
    if needle.bits == 0 {
        return u64::from(value.bits > 0);
    }
    let found = (0..=value.bits - needle.bits)
        .find(|start| (0..needle.bits).all(|index| value.get(start + index) == needle.get(index)));
    found.map_or(0, |start| u64::from(start) + 1)
}

/// An integer of `width` bits as a bit string of the length that the modifier gives, sign-extended or cut on the left.
fn from_integer(value: i64, width: u32, typmod: i32) -> Result<Datum> {
    let length = u32::try_from(typmod).ok().filter(|length| (1..=MAX_BITS).contains(length)).unwrap_or(1);
    let mut result = BitString::zeros(length);
    for index in 0..length {
        let place = length - 1 - index;
        if value >> place.min(width - 1) & 1 == 1 {
            result.set(index, true);
        }
    }
    make(result)
}

/// The number that the bits spell; of `width` bits at most.
fn to_integer(value: &BitString, width: u32, name: &str) -> Result<u64> {
    if value.bits > width {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{name} out of range");
    }
    Ok((0..value.bits).fold(0, |number, index| (number << 1) | u64::from(value.get(index))))
}

fn checked_index(value: &BitString, index: i64) -> Result<u32> {
    match u32::try_from(index) {
        Ok(index) if index < value.bits => Ok(index),
        _ => {
            let last = i64::from(value.bits) - 1;
            bail!(ARRAY_SUBSCRIPT_ERROR, "bit index {index} out of valid range (0..{last})")
        }
    }
}

fn set_bit(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut value = bits(&args[0]).clone();
    let index = checked_index(&value, int(&args[1]))?;
    let new = int(&args[2]);
    if !matches!(new, 0 | 1) {
        bail!(INVALID_PARAMETER_VALUE, "new bit must be 0 or 1");
    }
    value.set(index, new == 1);
    make(value)
}

fn not(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = bits(&args[0]);
    let mut result = BitString { bits: value.bits, bytes: value.bytes.iter().map(|byte| !byte).collect() };
    result.clear_padding();
    make(result)
}

/// Both sides for a distance.
fn sides(args: &[Datum]) -> Result<(&[u8], &[u8])> {
    let (a, b) = (bits(&args[0]), bits(&args[1]));
    if a.bits != b.bits {
        bail!(DATA_EXCEPTION, "different bit lengths {} and {}", a.bits, b.bits);
    }
    Ok((&a.bytes, &b.bytes))
}

fn fit(args: &[Datum], oid: Oid) -> Result<Datum> {
    let typmod = args.get(1).map_or(-1, int4);
    let explicit = args.get(2).is_none_or(boolean);
    coerce(args[0].clone(), SqlType::with(oid, typmod), explicit)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("bit_and", |_, a| combine(a, "AND", |a, b| a & b)),
    ("bit_or", |_, a| combine(a, "OR", |a, b| a | b)),
    ("bitxor", |_, a| combine(a, "XOR", |a, b| a ^ b)),
    ("bitnot", not),
    ("bitshiftleft", |_, a| make(shift(bits(&a[0]), -int(&a[1])))),
    ("bitshiftright", |_, a| make(shift(bits(&a[0]), int(&a[1])))),
    ("bitcat", |_, a| concat(bits(&a[0]), bits(&a[1])).and_then(make)),
    ("bitsubstr", |_, a| substring(bits(&a[0]), int(&a[1]), Some(int(&a[2]))).and_then(make)),
    ("bitsubstr_no_len", |_, a| substring(bits(&a[0]), int(&a[1]), None).and_then(make)),
    ("bitlength", |_, a| count(u64::from(bits(&a[0]).bits))),
    ("bitoctetlength", |_, a| count(bits(&a[0]).bytes.len() as u64)),
    ("bitfromint4", |_, a| from_integer(int(&a[0]), 32, int4(&a[1]))),
    ("bitfromint8", |_, a| from_integer(int(&a[0]), 64, int4(&a[1]))),
    ("bittoint4", |_, a| Ok(Datum::Int4(to_integer(bits(&a[0]), 32, "integer")? as u32 as i32))),
    ("bittoint8", |_, a| Ok(Datum::Int8(to_integer(bits(&a[0]), 64, "bigint")? as i64))),
    ("bit", |_, a| fit(a, Oid::BIT)),
    ("varbit", |_, a| fit(a, Oid::VARBIT)),
    ("bitposition", |_, a| count(position(bits(&a[1]), bits(&a[0])))),
    ("bitoverlay", |_, a| overlay(bits(&a[0]), bits(&a[1]), int(&a[2]), int(&a[3]))),
    ("bitoverlay_no_len", |_, a| overlay(bits(&a[0]), bits(&a[1]), int(&a[2]), i64::from(bits(&a[1]).bits))),
    ("bitgetbit", |_, a| {
        let value = bits(&a[0]);
        Ok(Datum::Int4(i32::from(value.get(checked_index(value, int(&a[1]))?))))
    }),
    ("bitsetbit", set_bit),
    ("bit_bit_count", |_, a| Ok(Datum::Int8(bits(&a[0]).bytes.iter().map(|byte| i64::from(byte.count_ones())).sum()))),
    ("hamming_distance", |_, args| {
        let (a, b) = sides(args)?;
        Ok(Datum::Float8((kernels().hamming)(a, b) as f64))
    }),
    ("jaccard_distance", |_, args| {
        let (a, b) = sides(args)?;
        Ok(Datum::Float8(jaccard_distance((kernels().jaccard_parts)(a, b))))
    }),
];

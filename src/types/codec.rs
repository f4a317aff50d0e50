//! The compact storage encoding of one value.
//!
//! Rows on disk are sequences of these encodings and [`crate::types::column`] keeps types without a natural Arrow
//! array in the same bytes, so a stored value reaches a client's column without being decoded. Every encoding is
//! self-delimiting given the type OID: fixed-width types lie little-endian in their width, strings and vectors are a
//! varint byte length and the raw bytes, and arrays, records and enums carry a tag and their own type OIDs, so that no
//! catalog is needed to read them. NULL has no encoding: whoever stores a row keeps a null bitmap.
//! Decoding checks every length and reports `XX001`; it never panics on bytes from disk.

use std::sync::Arc;

use half::f16;
use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive;

use crate::error::{Error, Result};
use crate::types::array::{ArrayDim, ArrayValue};
use crate::types::bit::BitString;
use crate::types::interval::Interval;
use crate::types::json;
use crate::types::numeric::Numeric;
use crate::types::sparsevec::SparseVec;
use crate::types::vector::put_elements;
use crate::types::{Datum, EnumValue, Oid, RecordValue};

const TAG_ARRAY: u8 = 1;
const TAG_RECORD: u8 = 2;
const TAG_ENUM: u8 = 3;
/// The flag before an element or field of a domain whose base type's OID follows.
const DOMAIN: u8 = 2;

/// Nesting of arrays and records that decoding follows before it calls the bytes corrupt.
const MAX_DEPTH: u32 = 200;

const NUMERIC_SMALL: u64 = 0;
const NUMERIC_POSITIVE: u64 = 1;
const NUMERIC_NEGATIVE: u64 = 2;
const NUMERIC_NAN: u64 = 3;
const NUMERIC_INFINITY: u64 = 4;
const NUMERIC_NEG_INFINITY: u64 = 5;

/// How the encoding of a type is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Always this many bytes.
    Fixed(usize),
    /// A varint byte length, then the raw bytes of the value: text, bytea, vector, halfvec.
    Raw,
    /// A varint byte length, then an encoded payload: jsonb, bit, sparsevec.
    Sized,
    /// A header varint, then what it says: numeric.
    Numeric,
    /// A tag byte, a varint byte length and a payload: arrays, records, enums and every user-defined type.
    Tagged,
}

/// The layout of a type's encoding.
#[must_use]
pub fn layout_of(oid: Oid) -> Layout {
    match oid {
        Oid::BOOL | Oid::INTERNAL_CHAR => Layout::Fixed(1),
        Oid::INT2 => Layout::Fixed(2),
        Oid::INT4 | Oid::DATE | Oid::FLOAT4 => Layout::Fixed(4),
        oid if is_oid_like(oid) => Layout::Fixed(4),
        Oid::INT8 | Oid::FLOAT8 | Oid::TIME | Oid::TIMESTAMP | Oid::TIMESTAMPTZ => Layout::Fixed(8),
        Oid::MONEY | Oid::PG_LSN | Oid::XID8 | Oid::TID => Layout::Fixed(8),
        Oid::TIMETZ => Layout::Fixed(12),
        Oid::INTERVAL | Oid::UUID => Layout::Fixed(16),
        Oid::BYTEA | Oid::VECTOR | Oid::HALFVEC => Layout::Raw,
        oid if is_text_like(oid) => Layout::Raw,
        Oid::JSONB | Oid::BIT | Oid::VARBIT | Oid::SPARSEVEC => Layout::Sized,
        Oid::NUMERIC => Layout::Numeric,
        _ => Layout::Tagged,
    }
}

/// Types whose values are [`Datum::Oid`].
#[must_use]
pub fn is_oid_like(oid: Oid) -> bool {
    matches!(
        oid,
        Oid::OID
            | Oid::XID
            | Oid::CID
            | Oid::REGPROC
            | Oid::REGPROCEDURE
            | Oid::REGOPER
            | Oid::REGOPERATOR
            | Oid::REGCLASS
            | Oid::REGTYPE
            | Oid::REGCONFIG
            | Oid::REGDICTIONARY
            | Oid::REGNAMESPACE
            | Oid::REGROLE
            | Oid::REGCOLLATION
    )
}

/// Types whose values are [`Datum::Text`].
#[must_use]
pub fn is_text_like(oid: Oid) -> bool {
    matches!(
        oid,
        Oid::TEXT
            | Oid::VARCHAR
            | Oid::BPCHAR
            | Oid::NAME
            | Oid::JSON
            | Oid::XML
            | Oid::UNKNOWN
            | Oid::CSTRING
            | Oid::REFCURSOR
            | Oid::PG_NODE_TREE
            | Oid::ACLITEM
            | Oid::JSONPATH
            | Oid::VOID
            | Oid::TSVECTOR
            | Oid::TSQUERY
            | Oid::POINT
            | Oid::INET
            | Oid::CIDR
            | Oid::MACADDR
    )
}

/// Appends an unsigned LEB128 number.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what [`put_varint`] wrote; also the number of bytes it took.
///
/// # Errors
/// `XX001` when the bytes end early or the number does not fit 64 bits.
#[inline]
pub fn get_varint(bytes: &[u8]) -> Result<(u64, usize)> {
    match bytes.first() {
        Some(&first) if first < 0x80 => return Ok((u64::from(first), 1)),
        _ => {}
    }
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if index == 9 && part > 1 {
            break;
        }
        value |= part << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(Error::corrupt("invalid length in stored value"))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

fn put_slice(bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a payload behind its varint byte length.
fn put_sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let mut payload = Vec::new();
    write(&mut payload);
    put_slice(&payload, out);
}

/// Appends the storage encoding of a value.
///
/// # Panics
/// On NULL, which has no encoding: the caller keeps a null bitmap.
pub fn encode(datum: &Datum, out: &mut Vec<u8>) {
    match datum {
        Datum::Null => panic!("NULL has no storage encoding"),
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Char(value) => out.push(*value),
        Datum::Int2(value) => out.extend_from_slice(&value.to_le_bytes()),
        Datum::Int4(value) | Datum::Date(value) => out.extend_from_slice(&value.to_le_bytes()),
        Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
            out.extend_from_slice(&value.to_le_bytes());
        }
        Datum::Float4(value) => out.extend_from_slice(&value.to_le_bytes()),
        Datum::Float8(value) => out.extend_from_slice(&value.to_le_bytes()),
        Datum::Oid(value) => out.extend_from_slice(&value.0.to_le_bytes()),
        Datum::TimeTz(micros, zone) => {
            out.extend_from_slice(&micros.to_le_bytes());
            out.extend_from_slice(&zone.to_le_bytes());
        }
        Datum::Interval(value) => {
            out.extend_from_slice(&value.micros.to_le_bytes());
            out.extend_from_slice(&value.days.to_le_bytes());
            out.extend_from_slice(&value.months.to_le_bytes());
        }
        Datum::Uuid(value) => out.extend_from_slice(value),
        Datum::Text(value) => put_slice(value.as_bytes(), out),
        Datum::Bytea(value) => put_slice(value, out),
        Datum::Vector(value) => {
            put_varint(4 * value.len() as u64, out);
            encode_raw(datum, out);
        }
        Datum::HalfVec(value) => {
            put_varint(2 * value.len() as u64, out);
            encode_raw(datum, out);
        }
        Datum::Numeric(value) => encode_numeric(value, out),
        Datum::Jsonb(value) => put_sized(out, |payload| json::encode(value, payload)),
        Datum::Bit(value) => put_sized(out, |payload| {
            put_varint(u64::from(value.bits), payload);
            payload.extend_from_slice(&value.bytes);
        }),
        Datum::SparseVec(value) => put_sized(out, |payload| encode_sparse(value, payload)),
        Datum::Array(value) => {
            out.push(TAG_ARRAY);
            put_sized(out, |payload| encode_array(value, payload));
        }
        Datum::Record(value) => {
            out.push(TAG_RECORD);
            put_sized(out, |payload| encode_record(value, payload));
        }
        Datum::Enum(value) => {
            out.push(TAG_ENUM);
            put_sized(out, |payload| {
                put_varint(u64::from(value.type_oid.0), payload);
                payload.extend_from_slice(&value.sort_order.to_le_bytes());
                payload.extend_from_slice(value.label.as_bytes());
            });
        }
    }
}

/// Appends the bytes of a [`Layout::Raw`] value without their length, and of any other value its [`encode`]d form:
/// what a `BinaryView` column holds.
pub fn encode_raw(datum: &Datum, out: &mut Vec<u8>) {
    match datum {
        Datum::Text(value) => out.extend_from_slice(value.as_bytes()),
        Datum::Bytea(value) => out.extend_from_slice(value),
        Datum::Vector(value) => put_elements(value, out, f32::to_le_bytes),
        Datum::HalfVec(value) => put_elements(value, out, f16::to_le_bytes),
        other => encode(other, out),
    }
}

/// Appends the encoding of a numeric.
pub(crate) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    match value {
        Numeric::NaN => put_varint(NUMERIC_NAN, out),
        Numeric::Infinity => put_varint(NUMERIC_INFINITY, out),
        Numeric::NegInfinity => put_varint(NUMERIC_NEG_INFINITY, out),
        Numeric::Finite { unscaled, scale } => {
            let header = u64::from(*scale) << 3;
            if let Some(small) = unscaled.to_i64() {
                put_varint(header | NUMERIC_SMALL, out);
                put_varint(zigzag(small), out);
                return;
            }
            let (sign, magnitude) = unscaled.to_bytes_le();
            let kind = if sign == Sign::Minus { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE };
            put_varint(header | kind, out);
            put_slice(&magnitude, out);
        }
    }
}

fn encode_sparse(value: &SparseVec, out: &mut Vec<u8>) {
    put_varint(u64::from(value.dims), out);
    put_varint(value.indices.len() as u64, out);
    for index in &value.indices {
        out.extend_from_slice(&index.to_le_bytes());
    }
    for element in &value.values {
        out.extend_from_slice(&element.to_le_bytes());
    }
}

/// What an element or field of a domain is stored as: the type that its encoding needs to be read, which the domain's own
/// OID does not tell. `None` when the declared type does.
fn base_of(oid: Oid, datum: &Datum) -> Option<Oid> {
    if layout_of(oid) != Layout::Tagged {
        return None;
    }
    Some(match datum {
        // NULL is not encoded, and tagged encodings name their types themselves.
        Datum::Null | Datum::Array(_) | Datum::Record(_) | Datum::Enum(_) => return None,
        Datum::Bool(_) => Oid::BOOL,
        Datum::Int2(_) => Oid::INT2,
        Datum::Int4(_) => Oid::INT4,
        Datum::Int8(_) => Oid::INT8,
        Datum::Float4(_) => Oid::FLOAT4,
        Datum::Float8(_) => Oid::FLOAT8,
        Datum::Numeric(_) => Oid::NUMERIC,
        Datum::Text(_) => Oid::TEXT,
        Datum::Char(_) => Oid::INTERNAL_CHAR,
        Datum::Bytea(_) => Oid::BYTEA,
        Datum::Date(_) => Oid::DATE,
        Datum::Time(_) => Oid::TIME,
        Datum::TimeTz(..) => Oid::TIMETZ,
        Datum::Timestamp(_) => Oid::TIMESTAMP,
        Datum::Timestamptz(_) => Oid::TIMESTAMPTZ,
        Datum::Interval(_) => Oid::INTERVAL,
        Datum::Uuid(_) => Oid::UUID,
        Datum::Jsonb(_) => Oid::JSONB,
        Datum::Oid(_) => Oid::OID,
        Datum::Bit(_) => Oid::VARBIT,
        Datum::Vector(_) => Oid::VECTOR,
        Datum::HalfVec(_) => Oid::HALFVEC,
        Datum::SparseVec(_) => Oid::SPARSEVEC,
    })
}

fn encode_array(value: &ArrayValue, out: &mut Vec<u8>) {
    put_varint(u64::from(value.element.0), out);
    put_varint(value.dims.len() as u64, out);
    for dim in &value.dims {
        put_varint(zigzag(i64::from(dim.length)), out);
        put_varint(zigzag(i64::from(dim.lower_bound)), out);
    }
    put_varint(value.items.len() as u64, out);
    let nulls = value.items.iter().any(Datum::is_null);
    let base = value.items.iter().find_map(|item| base_of(value.element, item));
    out.push(u8::from(nulls) | if base.is_some() { DOMAIN } else { 0 });
    if let Some(base) = base {
        put_varint(u64::from(base.0), out);
    }
    for item in &value.items {
        if nulls {
            out.push(u8::from(item.is_null()));
        }
        if !item.is_null() {
            encode(item, out);
        }
    }
}

fn encode_record(value: &RecordValue, out: &mut Vec<u8>) {
    put_varint(u64::from(value.type_oid.0), out);
    put_varint(value.fields.len() as u64, out);
    for (oid, field) in &value.fields {
        put_varint(u64::from(oid.0), out);
        match base_of(*oid, field) {
            Some(base) => {
                out.push(DOMAIN);
                put_varint(u64::from(base.0), out);
            }
            None => out.push(u8::from(field.is_null())),
        }
        if !field.is_null() {
            encode(field, out);
        }
    }
    for name in value.names.iter().flat_map(|names| names.iter()) {
        put_slice(name.as_bytes(), out);
    }
}

/// Bytes that are consumed from the front.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count).ok_or_else(truncated)?;
        self.rest = tail;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take returns the count it was asked for"))
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.fixed::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64> {
        let (value, used) = get_varint(self.rest)?;
        self.rest = &self.rest[used..];
        Ok(value)
    }

    fn oid(&mut self) -> Result<Oid> {
        u32::try_from(self.varint()?).map(Oid).map_err(|_| corrupt())
    }

    fn i32(&mut self) -> Result<i32> {
        i32::try_from(unzigzag(self.varint()?)).map_err(|_| corrupt())
    }

    /// A count of things that take at least `each` bytes, so that corrupt counts do not allocate.
    fn count(&mut self, each: usize) -> Result<usize> {
        let count = usize::try_from(self.varint()?).map_err(|_| corrupt())?;
        match count.checked_mul(each) {
            Some(bytes) if bytes <= self.rest.len() => Ok(count),
            _ => Err(truncated()),
        }
    }

    fn slice(&mut self) -> Result<&'a [u8]> {
        let count = self.count(1)?;
        self.take(count)
    }
}

fn truncated() -> Error {
    Error::corrupt("stored value ends early")
}

fn corrupt() -> Error {
    Error::corrupt("invalid stored value")
}

/// The number of bytes that the encoding at the front of `bytes` takes.
///
/// # Errors
/// `XX001` when the bytes end early.
#[inline]
pub fn encoded_len(oid: Oid, bytes: &[u8]) -> Result<usize> {
    let length = match layout_of(oid) {
        Layout::Fixed(width) => width,
        Layout::Raw | Layout::Sized => {
            let (length, used) = get_varint(bytes)?;
            usize::try_from(length).ok().and_then(|length| length.checked_add(used)).ok_or_else(truncated)?
        }
        Layout::Tagged => {
            let (length, used) = get_varint(bytes.get(1..).ok_or_else(truncated)?)?;
            usize::try_from(length).ok().and_then(|length| length.checked_add(used + 1)).ok_or_else(truncated)?
        }
        Layout::Numeric => {
            let mut reader = Reader { rest: bytes };
            read_numeric_body(&mut reader)?;
            bytes.len() - reader.rest.len()
        }
    };
    if length <= bytes.len() { Ok(length) } else { Err(truncated()) }
}

fn read_numeric_body(reader: &mut Reader<'_>) -> Result<()> {
    match reader.varint()? & 7 {
        NUMERIC_SMALL => {
            reader.varint()?;
        }
        NUMERIC_POSITIVE | NUMERIC_NEGATIVE => {
            reader.slice()?;
        }
        _ => {}
    }
    Ok(())
}

/// Reads one value of type `oid` from the front of `bytes`; also the number of bytes it took.
///
/// # Errors
/// `XX001` when the bytes are not an encoding of that type.
pub fn decode(oid: Oid, bytes: &[u8]) -> Result<(Datum, usize)> {
    let mut reader = Reader { rest: bytes };
    let datum = read(oid, &mut reader, 0)?;
    Ok((datum, bytes.len() - reader.rest.len()))
}

/// Reads a value from what a `BinaryView` column holds for it: the inverse of [`encode_raw`].
///
/// # Errors
/// `XX001` when the bytes are not such an encoding.
pub fn decode_raw(oid: Oid, bytes: &[u8]) -> Result<Datum> {
    match layout_of(oid) {
        Layout::Raw => read_raw(oid, bytes),
        _ => decode(oid, bytes).map(|(datum, _)| datum),
    }
}

/// The elements of an encoded vector.
///
/// # Errors
/// `XX001` when the bytes are not such an encoding.
pub fn vector_elements(bytes: &[u8]) -> Result<impl ExactSizeIterator<Item = f32>> {
    elements(Reader { rest: bytes }.slice()?)
}

fn elements(bytes: &[u8]) -> Result<impl ExactSizeIterator<Item = f32>> {
    let (elements, []) = bytes.as_chunks::<4>() else { return Err(corrupt()) };
    Ok(elements.iter().map(|element| f32::from_le_bytes(*element)))
}

fn read(oid: Oid, reader: &mut Reader<'_>, depth: u32) -> Result<Datum> {
    match layout_of(oid) {
        Layout::Fixed(_) => read_fixed(oid, reader),
        Layout::Raw => {
            let bytes = reader.slice()?;
            read_raw(oid, bytes)
        }
        Layout::Sized => {
            let mut payload = Reader { rest: reader.slice()? };
            read_sized(oid, &mut payload)
        }
        Layout::Numeric => read_numeric(reader).map(Datum::Numeric),
        Layout::Tagged => {
            if depth > MAX_DEPTH {
                return Err(corrupt());
            }
            let tag = reader.byte()?;
            let mut payload = Reader { rest: reader.slice()? };
            match tag {
                TAG_ARRAY => read_array(&mut payload, depth),
                TAG_RECORD => read_record(&mut payload, depth),
                TAG_ENUM => {
                    let type_oid = payload.oid()?;
                    let sort_order = f32::from_le_bytes(payload.fixed()?);
                    let label = text(payload.rest)?;
                    Ok(Datum::Enum(Arc::new(EnumValue { type_oid, sort_order, label })))
                }
                _ => Err(corrupt()),
            }
        }
    }
}

fn read_fixed(oid: Oid, reader: &mut Reader<'_>) -> Result<Datum> {
    Ok(match oid {
        Oid::BOOL => Datum::Bool(reader.byte()? != 0),
        Oid::INTERNAL_CHAR => Datum::Char(reader.byte()?),
        Oid::INT2 => Datum::Int2(i16::from_le_bytes(reader.fixed()?)),
        Oid::INT4 => Datum::Int4(i32::from_le_bytes(reader.fixed()?)),
        Oid::DATE => Datum::Date(i32::from_le_bytes(reader.fixed()?)),
        Oid::FLOAT4 => Datum::Float4(f32::from_le_bytes(reader.fixed()?)),
        Oid::FLOAT8 => Datum::Float8(f64::from_le_bytes(reader.fixed()?)),
        Oid::TIME => Datum::Time(i64::from_le_bytes(reader.fixed()?)),
        Oid::TIMESTAMP => Datum::Timestamp(i64::from_le_bytes(reader.fixed()?)),
        Oid::TIMESTAMPTZ => Datum::Timestamptz(i64::from_le_bytes(reader.fixed()?)),
        Oid::INT8 | Oid::MONEY | Oid::PG_LSN | Oid::XID8 | Oid::TID => Datum::Int8(i64::from_le_bytes(reader.fixed()?)),
        Oid::TIMETZ => {
            let micros = i64::from_le_bytes(reader.fixed()?);
            Datum::TimeTz(micros, i32::from_le_bytes(reader.fixed()?))
        }
        Oid::INTERVAL => {
            let micros = i64::from_le_bytes(reader.fixed()?);
            let days = i32::from_le_bytes(reader.fixed()?);
            let months = i32::from_le_bytes(reader.fixed()?);
            Datum::Interval(Interval { months, days, micros })
        }
        Oid::UUID => Datum::Uuid(reader.fixed()?),
        _ => Datum::Oid(Oid(u32::from_le_bytes(reader.fixed()?))),
    })
}

fn text(bytes: &[u8]) -> Result<Arc<str>> {
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| corrupt())
}

fn read_raw(oid: Oid, bytes: &[u8]) -> Result<Datum> {
    Ok(match oid {
        Oid::BYTEA => Datum::Bytea(Arc::from(bytes)),
        Oid::VECTOR => Datum::Vector(elements(bytes)?.collect()),
        Oid::HALFVEC => {
            let (elements, []) = bytes.as_chunks::<2>() else { return Err(corrupt()) };
            Datum::HalfVec(elements.iter().map(|element| f16::from_le_bytes(*element)).collect())
        }
        _ => Datum::Text(text(bytes)?),
    })
}

fn read_sized(oid: Oid, payload: &mut Reader<'_>) -> Result<Datum> {
    Ok(match oid {
        Oid::JSONB => Datum::Jsonb(Arc::new(json::decode(payload.rest)?)),
        Oid::SPARSEVEC => {
            let dims = u32::try_from(payload.varint()?).map_err(|_| corrupt())?;
            let count = payload.count(8)?;
            let mut indices = Vec::with_capacity(count);
            for _ in 0..count {
                indices.push(u32::from_le_bytes(payload.fixed()?));
            }
            let mut values = Vec::with_capacity(count);
            for _ in 0..count {
                values.push(f32::from_le_bytes(payload.fixed()?));
            }
            Datum::SparseVec(Arc::new(SparseVec { dims, indices, values }))
        }
        _ => {
            let bits = u32::try_from(payload.varint()?).map_err(|_| corrupt())?;
            if payload.rest.len() != bits.div_ceil(8) as usize {
                return Err(corrupt());
            }
            Datum::Bit(Arc::new(BitString { bits, bytes: payload.rest.to_vec() }))
        }
    })
}

fn read_numeric(reader: &mut Reader<'_>) -> Result<Numeric> {
    let header = reader.varint()?;
    let scale = u16::try_from(header >> 3).map_err(|_| corrupt())?;
    Ok(match header & 7 {
        NUMERIC_SMALL => Numeric::Finite { unscaled: BigInt::from(unzigzag(reader.varint()?)), scale },
        NUMERIC_POSITIVE => Numeric::Finite { unscaled: BigInt::from_bytes_le(Sign::Plus, reader.slice()?), scale },
        NUMERIC_NEGATIVE => Numeric::Finite { unscaled: BigInt::from_bytes_le(Sign::Minus, reader.slice()?), scale },
        NUMERIC_NAN => Numeric::NaN,
        NUMERIC_INFINITY => Numeric::Infinity,
        NUMERIC_NEG_INFINITY => Numeric::NegInfinity,
        _ => return Err(corrupt()),
    })
}

/// The base type that follows the flag of a domain.
fn read_base(oid: Oid, reader: &mut Reader<'_>) -> Result<Oid> {
    let base = reader.oid()?;
    let plain = layout_of(oid) != Layout::Tagged || layout_of(base) == Layout::Tagged;
    if plain { Err(corrupt()) } else { Ok(base) }
}

/// The number of items that a shape has; no array has as many as an impossible one.
fn shape_items(dims: &[ArrayDim]) -> usize {
    if dims.is_empty() {
        return 0;
    }
    let mut lengths = dims.iter().map(|dim| usize::try_from(dim.length).ok().filter(|length| *length > 0));
    lengths.try_fold(1_usize, |count, length| count.checked_mul(length?)).unwrap_or(usize::MAX)
}

fn read_array(reader: &mut Reader<'_>, depth: u32) -> Result<Datum> {
    let element = reader.oid()?;
    let dim_count = reader.count(2)?;
    let mut dims = Vec::with_capacity(dim_count);
    for _ in 0..dim_count {
        dims.push(ArrayDim { length: reader.i32()?, lower_bound: reader.i32()? });
    }
    let count = usize::try_from(reader.varint()?).map_err(|_| corrupt())?;
    let flags = reader.byte()?;
    let nulls = flags & 1 != 0;
    let stored = if flags & DOMAIN == 0 { element } else { read_base(element, reader)? };
    if count != shape_items(&dims) {
        return Err(corrupt());
    }
    if count > reader.rest.len() {
        return Err(truncated());
    }
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        if nulls && reader.byte()? != 0 {
            items.push(Datum::Null);
        } else {
            items.push(read(stored, reader, depth + 1)?);
        }
    }
    Ok(Datum::Array(Arc::new(ArrayValue { element, dims, items })))
}

fn read_record(reader: &mut Reader<'_>, depth: u32) -> Result<Datum> {
    let type_oid = reader.oid()?;
    let count = reader.count(2)?;
    let mut fields = Vec::with_capacity(count);
    for _ in 0..count {
        let oid = reader.oid()?;
        let field = match reader.byte()? {
            0 => read(oid, reader, depth + 1)?,
            DOMAIN => {
                let base = read_base(oid, reader)?;
                read(base, reader, depth + 1)?
            }
            _ => Datum::Null,
        };
        fields.push((oid, field));
    }
    // Names follow when the row has them: as many as fields.
    let names = if reader.rest.is_empty() || count == 0 {
        None
    } else {
        Some((0..count).map(|_| text(reader.slice()?)).collect::<Result<Arc<[Arc<str>]>>>()?)
    };
    Ok(Datum::Record(Arc::new(RecordValue { type_oid, fields, names })))
}

//! `jsonb` as stored bytes and as an order-preserving key.
//!
//! Stored: a tag byte, then the value; counts and lengths are varints, numbers as `types::codec` writes numeric. The key
//! follows PostgreSQL's order: object > array > boolean > number > string > null, containers by size first, and an empty
//! array at the top below everything.

use crate::error::{Error, Result};
use crate::types::codec;
use crate::types::json::value::JsonValue;
use crate::types::keycode;
use crate::types::{Datum, Oid};

const TAG_NULL: u8 = 0;
const TAG_FALSE: u8 = 1;
const TAG_TRUE: u8 = 2;
const TAG_NUMBER: u8 = 3;
const TAG_STRING: u8 = 4;
const TAG_ARRAY: u8 = 5;
const TAG_OBJECT: u8 = 6;

/// Nesting that decoding follows before it calls the bytes corrupt; more than any value has.
const MAX_DEPTH: usize = 4_000;

fn put_text(text: &str, out: &mut Vec<u8>) {
    codec::put_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends the storage form of `jsonb`.
pub fn encode(value: &JsonValue, out: &mut Vec<u8>) {
    match value {
        JsonValue::Null => out.push(TAG_NULL),
        JsonValue::Bool(false) => out.push(TAG_FALSE),
        JsonValue::Bool(true) => out.push(TAG_TRUE),
        JsonValue::Number(value) => {
            out.push(TAG_NUMBER);
            codec::encode_numeric(value, out);
        }
        JsonValue::String(text) => {
            out.push(TAG_STRING);
            put_text(text, out);
        }
        JsonValue::Array(items) => {
            out.push(TAG_ARRAY);
            codec::put_varint(items.len() as u64, out);
            items.iter().for_each(|item| encode(item, out));
        }
        JsonValue::Object(members) => {
            out.push(TAG_OBJECT);
            codec::put_varint(members.len() as u64, out);
            for (key, value) in members {
                put_text(key, out);
                encode(value, out);
            }
        }
    }
}

fn corrupt() -> Error {
    Error::corrupt("invalid stored jsonb")
}

/// Reads the storage form of `jsonb`.
///
/// # Errors
/// `XX001`.
pub fn decode(bytes: &[u8]) -> Result<JsonValue> {
    let mut rest = bytes;
    let value = read(&mut rest, 0)?;
    if rest.is_empty() { Ok(value) } else { Err(corrupt()) }
}

fn read_count(rest: &mut &[u8], each: usize) -> Result<usize> {
    let (count, used) = codec::get_varint(rest)?;
    *rest = &rest[used..];
    let count = usize::try_from(count).map_err(|_| corrupt())?;
    if count.checked_mul(each).is_none_or(|bytes| bytes > rest.len()) { Err(corrupt()) } else { Ok(count) }
}

fn read_text(rest: &mut &[u8]) -> Result<String> {
    let length = read_count(rest, 1)?;
    let (head, tail) = rest.split_at(length);
    *rest = tail;
    String::from_utf8(head.to_vec()).map_err(|_| corrupt())
}

fn read(rest: &mut &[u8], depth: usize) -> Result<JsonValue> {
    let (tag, tail) = rest.split_first().ok_or_else(corrupt)?;
    *rest = tail;
    if depth > MAX_DEPTH {
        return Err(corrupt());
    }
    Ok(match *tag {
        TAG_NULL => JsonValue::Null,
        TAG_FALSE => JsonValue::Bool(false),
        TAG_TRUE => JsonValue::Bool(true),
        TAG_NUMBER => match codec::decode(Oid::NUMERIC, rest)? {
            (Datum::Numeric(value), used) => {
                *rest = &rest[used..];
                JsonValue::Number(value)
            }
            _ => return Err(corrupt()),
        },
        TAG_STRING => JsonValue::String(read_text(rest)?),
        TAG_ARRAY => {
            let count = read_count(rest, 1)?;
            let mut items = Vec::with_capacity(count);
            for _ in 0..count {
                items.push(read(rest, depth + 1)?);
            }
            JsonValue::Array(items)
        }
        TAG_OBJECT => {
            let count = read_count(rest, 2)?;
            let mut members = Vec::with_capacity(count);
            for _ in 0..count {
                let key = read_text(rest)?;
                members.push((key, read(rest, depth + 1)?));
            }
            JsonValue::Object(members)
        }
        _ => return Err(corrupt()),
    })
}

const KEY_EMPTY_TOP_ARRAY: u8 = 1;
const KEY_NULL: u8 = 2;
const KEY_STRING: u8 = 3;
const KEY_NUMBER: u8 = 4;
const KEY_BOOL: u8 = 5;
const KEY_ARRAY: u8 = 6;
const KEY_OBJECT: u8 = 7;

/// Appends bytes that order `jsonb` values as PostgreSQL's btree does.
pub fn encode_key(value: &JsonValue, out: &mut Vec<u8>) {
    match value {
        JsonValue::Array(items) if items.is_empty() => out.push(KEY_EMPTY_TOP_ARRAY),
        value => put_key(value, out),
    }
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("values have fewer than 2^32 elements");
    out.extend_from_slice(&count.to_be_bytes());
}

fn put_key(value: &JsonValue, out: &mut Vec<u8>) {
    match value {
        JsonValue::Null => out.push(KEY_NULL),
        JsonValue::String(text) => {
            out.push(KEY_STRING);
            keycode::put_bytes(text.as_bytes(), out);
        }
        JsonValue::Number(value) => {
            out.push(KEY_NUMBER);
            keycode::encode_numeric(value, out);
        }
        JsonValue::Bool(value) => out.extend_from_slice(&[KEY_BOOL, u8::from(*value)]),
        JsonValue::Array(items) => {
            out.push(KEY_ARRAY);
            put_count(items.len(), out);
            items.iter().for_each(|item| put_key(item, out));
        }
        JsonValue::Object(members) => {
            out.push(KEY_OBJECT);
            put_count(members.len(), out);
            for (key, value) in members {
                keycode::put_bytes(key.as_bytes(), out);
                put_key(value, out);
            }
        }
    }
}

//! `bytea`: parts, bits, encodings, digests and checksums, and its casts to and from integers.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::Digest;

use super::args::{bytea, int, int4, int8, text, to_bytea, to_text};
use super::strings::check_length;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::bytea::{decode_hex, encode_hex, input};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Characters of a line of base64.
const BASE64_LINE: usize = 76;

fn count(value: usize) -> Datum {
    Datum::Int4(i32::try_from(value).unwrap_or(i32::MAX))
}

fn part(value: &[u8], from: i32, length: Option<i32>) -> Result<&[u8]> {
    let start = i64::from(from).max(1);
    let total = i64::try_from(value.len()).unwrap_or(i64::MAX);
    let end = match length {
        Some(length) if length < 0 => bail!(SUBSTRING_ERROR, "negative substring length not allowed"),
        Some(length) => (i64::from(from) + i64::from(length)).min(total + 1),
        None => total + 1,
    };
    if end <= start {
        return Ok(&[]);
    }
    let (start, end) = (usize::try_from(start - 1), usize::try_from(end - 1));
    Ok(&value[start.expect("positive")..end.expect("positive")])
}

fn overlay(args: &[Datum], length: i32) -> Result<Datum> {
    let (value, new, from) = (bytea(&args[0]), bytea(&args[1]), int4(&args[2]));
    if from <= 0 {
        bail!(SUBSTRING_ERROR, "negative substring length not allowed");
    }
    let Some(after) = from.checked_add(length) else {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    };
    let mut out = part(value, 1, Some(from - 1))?.to_vec();
    out.extend_from_slice(new);
    out.extend_from_slice(part(value, after, None)?);
    Ok(to_bytea(out))
}

fn position(value: &[u8], wanted: &[u8]) -> usize {
    memchr::memmem::find(value, wanted).map_or(0, |at| at + 1)
}

fn trim(args: &[Datum], front: bool, back: bool) -> Datum {
    let (mut value, set) = (bytea(&args[0]), bytea(&args[1]));
    while let [first, rest @ ..] = value
        && front
        && set.contains(first)
    {
        value = rest;
    }
    while let [rest @ .., last] = value
        && back
        && set.contains(last)
    {
        value = rest;
    }
    to_bytea(value)
}

/// Checks an index against a size.
fn index(at: i64, size: usize) -> Result<usize> {
    match usize::try_from(at) {
        Ok(place) if place < size => Ok(place),
        _ => bail!(
            ARRAY_SUBSCRIPT_ERROR,
            "index {at} out of valid range, 0..{}",
            i64::try_from(size).unwrap_or(i64::MAX) - 1
        ),
    }
}

fn set_bit(value: &[u8], at: i64, bit: i32) -> Result<Datum> {
    let place = index(at, value.len() * 8)?;
    if !(0..=1).contains(&bit) {
        bail!(INVALID_PARAMETER_VALUE, "new bit must be 0 or 1");
    }
    let mut out = value.to_vec();
    let mask = 1u8 << (place % 8);
    if bit == 1 {
        out[place / 8] |= mask
    } else {
        out[place / 8] &= !mask
    }
    Ok(to_bytea(out))
}

fn encode(value: &[u8], format: &str) -> Result<Datum> {
    check_length(value.len().saturating_mul(2))?;
    let mut out = String::new();
    match format.to_ascii_lowercase().as_str() {
        "hex" => encode_hex(value, &mut out),
        "base64" => {
            let whole = BASE64.encode(value);
            let mut rest = whole.as_str();
            while rest.len() > BASE64_LINE {
                out.push_str(&rest[..BASE64_LINE]);
                out.push('\n');
                rest = &rest[BASE64_LINE..];
            }
            out.push_str(rest);
        }
        "escape" => {
            for byte in value {
                match byte {
                    b'\\' => out.push_str("\\\\"),
                    0 | 0x80..=0xff => out.push_str(&format!("\\{byte:03o}")),
                    plain => out.push(char::from(*plain)),
                }
            }
        }
        _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized encoding: \"{format}\""),
    }
    Ok(to_text(out))
}

fn decode(value: &str, format: &str) -> Result<Datum> {
    match format.to_ascii_lowercase().as_str() {
        "hex" => decode_hex(value).map(to_bytea),
        "base64" => {
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let digits: Vec<u8> = value.bytes().filter(|byte| !blank(byte)).collect();
            let odd = digits.iter().find(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')));
            if let Some(odd) = odd {
                let at = value.bytes().position(|byte| byte == *odd).unwrap_or(0);
                let symbol = value[at..].chars().next().unwrap_or(' ');
                bail!(INVALID_PARAMETER_VALUE, "invalid symbol \"{symbol}\" found while decoding base64 sequence");
            }
            match BASE64.decode(&digits) {
                Ok(bytes) if digits.len().is_multiple_of(4) => Ok(to_bytea(bytes)),
                _ => Err(crate::error!(INVALID_PARAMETER_VALUE, "invalid base64 end sequence")
                    .hint("Input data is missing padding, is truncated, or is otherwise corrupted.")),
            }
        }
        // The escape form of input, without its reading of a hex prefix.
        "escape" if value.starts_with("\\x") => {
            bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type bytea")
        }
        "escape" => input(value).map(to_bytea),
        _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized encoding: \"{format}\""),
    }
}

fn hex_text(digest: &[u8]) -> Datum {
    let mut out = String::new();
    encode_hex(digest, &mut out);
    to_text(out)
}

/// CRC-32 as zip files have it, reflected polynomial 0xEDB88320.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// Big-endian bytes as a signed integer of `width` bytes.
fn to_integer(value: &[u8], width: usize, name: &str) -> Result<i64> {
    if value.len() > width {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{name} out of range");
    }
    Ok(value.iter().fold(0, |sum: i64, byte| (sum << 8) | i64::from(*byte)))
}

fn is_utf8(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "utf8" | "utf-8" | "unicode" | "sql_ascii")
}

/// ISO 8859-1, the one other encoding that converts byte by byte.
fn is_latin1(name: &str) -> bool {
    matches!(name.to_ascii_lowercase().as_str(), "latin1" | "iso_8859_1" | "iso-8859-1" | "iso88591")
}

fn convert_from(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (value, encoding) = (bytea(&args[0]), text(&args[1]));
    if is_latin1(encoding) {
        return Ok(to_text(value.iter().map(|byte| char::from(*byte)).collect::<String>()));
    }
    if !is_utf8(encoding) {
        bail!(INVALID_PARAMETER_VALUE, "invalid source encoding name \"{encoding}\"");
    }
    match std::str::from_utf8(value) {
        Ok(value) if !value.contains('\0') => Ok(to_text(value)),
        Ok(_) => bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x00"),
        Err(error) => {
            let bad = &value[error.valid_up_to()..];
            let length = error.error_len().unwrap_or(bad.len()).max(1);
            let shown: Vec<String> = bad[..length].iter().map(|byte| format!("0x{byte:02x}")).collect();
            bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "))
        }
    }
}

fn convert_to(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (value, encoding) = (text(&args[0]), text(&args[1]));
    if is_utf8(encoding) {
        return Ok(to_bytea(value.as_bytes()));
    }
    if !is_latin1(encoding) {
        bail!(INVALID_PARAMETER_VALUE, "invalid destination encoding name \"{encoding}\"");
    }
    let bytes = value.chars().map(|c| {
        u8::try_from(u32::from(c)).map_err(|_| {
            let shown: Vec<String> = c.to_string().bytes().map(|byte| format!("0x{byte:02x}")).collect();
            crate::error!(
                UNTRANSLATABLE_CHARACTER,
                "character with byte sequence {} in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"",
                shown.join(" ")
            )
        })
    });
    Ok(to_bytea(bytes.collect::<Result<Vec<u8>>>()?))
}

/// `convert(bytes, from, to)`.
fn convert(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let decoded = convert_from(ctx, &[args[0].clone(), args[1].clone()])?;
    convert_to(ctx, &[decoded, args[2].clone()])
}

fn pick(args: &[Datum], first: bool) -> Datum {
    args[usize::from(!first)].clone()
}

fn concat(args: &[Datum]) -> Result<Datum> {
    let (left, right) = (bytea(&args[0]), bytea(&args[1]));
    check_length(left.len() + right.len())?;
    Ok(to_bytea([left, right].concat()))
}

/// A value in its binary wire form: `int4send` and its kin.
fn send(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = Vec::new();
    crate::types::wire::send(&args[0], ctx.arg_type(0).oid, &ctx.io(), &mut out)?;
    Ok(to_bytea(out))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("byteaoctetlen", |_, a| Ok(count(bytea(&a[0]).len()))),
    ("byteacat", |_, a| concat(a)),
    ("bytea_substr", |_, a| part(bytea(&a[0]), int4(&a[1]), Some(int4(&a[2]))).map(to_bytea)),
    ("bytea_substr_no_len", |_, a| part(bytea(&a[0]), int4(&a[1]), None).map(to_bytea)),
    ("byteaoverlay", |_, a| overlay(a, int4(&a[3]))),
    ("byteaoverlay_no_len", |_, a| overlay(a, i32::try_from(bytea(&a[1]).len()).unwrap_or(i32::MAX))),
    ("byteapos", |_, a| Ok(count(position(bytea(&a[0]), bytea(&a[1]))))),
    ("byteatrim", |_, a| Ok(trim(a, true, true))),
    ("bytealtrim", |_, a| Ok(trim(a, true, false))),
    ("byteartrim", |_, a| Ok(trim(a, false, true))),
    ("byteaGetByte", |_, a| {
        let value = bytea(&a[0]);
        Ok(Datum::Int4(i32::from(value[index(int(&a[1]), value.len())?])))
    }),
    ("byteaSetByte", |_, a| {
        let mut value = bytea(&a[0]).to_vec();
        let at = index(int(&a[1]), value.len())?;
        value[at] = int4(&a[2]) as u8;
        Ok(to_bytea(value))
    }),
    ("byteaGetBit", |_, a| {
        let value = bytea(&a[0]);
        let at = index(int8(&a[1]), value.len() * 8)?;
        Ok(Datum::Int4(i32::from(value[at / 8] >> (at % 8) & 1)))
    }),
    ("byteaSetBit", |_, a| set_bit(bytea(&a[0]), int8(&a[1]), int4(&a[2]))),
    ("bytea_bit_count", |_, a| Ok(Datum::Int8(bytea(&a[0]).iter().map(|byte| i64::from(byte.count_ones())).sum()))),
    ("bytea_reverse", |_, a| Ok(to_bytea(bytea(&a[0]).iter().rev().copied().collect::<Vec<u8>>()))),
    ("bytea_larger", |_, a| Ok(pick(a, bytea(&a[0]) > bytea(&a[1])))),
    ("bytea_smaller", |_, a| Ok(pick(a, bytea(&a[0]) < bytea(&a[1])))),
    ("binary_encode", |_, a| encode(bytea(&a[0]), text(&a[1]))),
    ("binary_decode", |_, a| decode(text(&a[0]), text(&a[1]))),
    ("md5_text", |_, a| Ok(hex_text(&md5::Md5::digest(text(&a[0]).as_bytes())))),
    ("md5_bytea", |_, a| Ok(hex_text(&md5::Md5::digest(bytea(&a[0]))))),
    ("sha224_bytea", |_, a| Ok(to_bytea(sha2::Sha224::digest(bytea(&a[0])).as_slice()))),
    ("sha256_bytea", |_, a| Ok(to_bytea(sha2::Sha256::digest(bytea(&a[0])).as_slice()))),
    ("sha384_bytea", |_, a| Ok(to_bytea(sha2::Sha384::digest(bytea(&a[0])).as_slice()))),
    ("sha512_bytea", |_, a| Ok(to_bytea(sha2::Sha512::digest(bytea(&a[0])).as_slice()))),
    ("crc32_bytea", |_, a| Ok(Datum::Int8(i64::from(crc32(bytea(&a[0])))))),
    ("crc32c_bytea", |_, a| Ok(Datum::Int8(i64::from(crc32c::crc32c(bytea(&a[0])))))),
    ("int2_bytea", send),
    ("int4_bytea", send),
    ("int8_bytea", send),
    ("bytea_int2", |_, a| to_integer(bytea(&a[0]), 2, "smallint").map(|value| Datum::Int2(value as i16))),
    ("bytea_int4", |_, a| to_integer(bytea(&a[0]), 4, "integer").map(|value| Datum::Int4(value as i32))),
    ("bytea_int8", |_, a| to_integer(bytea(&a[0]), 8, "bigint").map(Datum::Int8)),
    ("pg_convert_from", convert_from),
    ("pg_convert_to", convert_to),
    ("length_in_encoding", |ctx, a| {
        let encoding = text(&a[1]);
        if !is_utf8(encoding) && !is_latin1(encoding) {
            bail!(INVALID_PARAMETER_VALUE, "invalid encoding name \"{encoding}\"");
        }
        let value = convert_from(ctx, a)?;
        Ok(count(text(&value).chars().count()))
    }),
    ("int2send", send),
    ("int4send", send),
    ("int8send", send),
    ("byteasend", send),
    ("textsend", send),
    ("oidsend", send),
    ("namesend", send),
    ("float4send", send),
    ("float8send", send),
    ("bpcharsend", send),
    ("varcharsend", send),
    ("charsend", send),
    ("boolsend", send),
    ("numeric_send", send),
    ("date_send", send),
    ("time_send", send),
    ("timetz_send", send),
    ("timestamp_send", send),
    ("timestamptz_send", send),
    ("uuid_send", send),
    ("cash_send", send),
    ("xidsend", send),
    ("cidsend", send),
    ("xid8send", send),
    ("tidsend", send),
    ("pg_lsn_send", send),
    ("regclasssend", send),
    ("regtypesend", send),
    ("regprocsend", send),
    ("vector_send", send),
    ("halfvec_send", send),
    ("sparsevec_send", send),
    ("enum_send", send),
    ("record_send", send),
    ("bit_send", send),
    ("varbit_send", send),
    ("array_send", send),
    ("jsonb_send", send),
    ("json_send", send),
    ("interval_send", send),
    ("pg_convert", convert),
];

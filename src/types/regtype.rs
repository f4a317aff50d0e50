//! Types about the system: `oid`, `xid`, the `reg*` types, `tid`, `pg_lsn` and `xid8` in text.

use crate::bail;
use crate::error::Result;
use crate::types::integer;
use crate::types::io::IoContext;
use crate::types::{Oid, SqlType, typmod};

fn bad<T>(kind: &str, text: &str) -> Result<T> {
    bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {kind}: \"{text}\"")
}

/// Reads a value of `oid`, `xid`, `cid` or a `reg*` type; names are looked up in the catalog.
///
/// # Errors
/// `22P02` and `22003` for numbers, the catalog's errors for names.
pub fn input(kind: Oid, text: &str, ctx: &IoContext<'_>) -> Result<Oid> {
    match kind {
        Oid::OID => integer::input_u32(text, "oid").map(Oid),
        Oid::XID => integer::input_u32(text, "xid").map(Oid),
        Oid::CID => integer::input_u32(text, "cid").map(Oid),
        _ if text == "-" => Ok(Oid::NONE),
        _ if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            integer::input_u32(text, "oid").map(Oid)
        }
        _ => ctx.lookup.reg_input(kind, text),
    }
}

/// Appends a value of one of those types; `reg*` values print as names where the catalog knows one.
pub fn output(value: Oid, kind: Oid, ctx: &IoContext<'_>, out: &mut String) {
    if matches!(kind, Oid::OID | Oid::XID | Oid::CID) {
        out.push_str(itoa::Buffer::new().format(value.0));
    } else if !value.is_some() {
        out.push('-');
    } else {
        let builtin = || typmod::format_type(SqlType::of(value)).filter(|_| kind == Oid::REGTYPE);
        match ctx.lookup.reg_output(kind, value).or_else(builtin) {
            Some(name) => out.push_str(&name),
            None => out.push_str(itoa::Buffer::new().format(value.0)),
        }
    }
}

/// Reads `(block,offset)` into block times 65536 plus offset.
///
/// # Errors
/// `22P02`.
pub fn input_tid(text: &str) -> Result<i64> {
    let parts =
        text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.split_once(','));
    match parts.map(|(block, offset)| (block.trim().parse::<u32>(), offset.trim().parse::<u16>())) {
        Some((Ok(block), Ok(offset))) => Ok((i64::from(block) << 16) | i64::from(offset)),
        _ => bad("tid", text),
    }
}

/// Appends `(block,offset)`.
pub fn output_tid(value: i64, out: &mut String) {
    out.push_str(&format!("({},{})", value >> 16, value & 0xffff));
}

/// Reads the binary form: four bytes of block, two of offset.
#[must_use]
pub fn recv_tid(bytes: [u8; 6]) -> i64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | i64::from(*byte))
}

/// Appends the binary form.
pub fn send_tid(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes()[2..]);
}

/// Reads a log position such as `16/B374D848`.
///
/// # Errors
/// `22P02`.
pub fn input_lsn(text: &str) -> Result<i64> {
    let half = |part: &str| {
        let plain = !part.is_empty() && part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| u32::from_str_radix(part, 16).expect("at most eight hex digits"))
    };
    match text.split_once('/').map(|(high, low)| (half(high), half(low))) {
        Some((Some(high), Some(low))) => Ok(((u64::from(high) << 32) | u64::from(low)) as i64),
        _ => bad("pg_lsn", text),
    }
}

/// Appends a log position.
pub fn output_lsn(value: i64, out: &mut String) {
    let bits = value as u64;
    out.push_str(&format!("{:X}/{:X}", bits >> 32, bits & 0xffff_ffff));
}

/// Reads an unsigned 64-bit transaction number.
///
/// # Errors
/// `22P02` and `22003`.
pub fn input_xid8(text: &str) -> Result<i64> {
    match integer::trim(text).parse::<u64>() {
        Ok(value) => Ok(value as i64),
        Err(_) => bad("xid8", text),
    }
}

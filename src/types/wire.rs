//! Binary input and output of every type, PostgreSQL's and pgvector's formats.
//!
//! [`recv`] takes exactly one value's bytes as a client sent them and checks everything, because a driver may send
//! anything; [`send`] appends the bytes without their length. All numbers are big-endian. The type modifier is applied
//! by [`crate::types::typmod::coerce`].

use crate::bail;
use crate::error::{Error, Result};
use crate::types::interval::Interval;
use crate::types::io::{IoContext, UserType};
use crate::types::{Datum, Oid, SqlType};
use crate::types::{
    array, bit, codec, datetime, halfvec, json, numeric, record, regtype, sparsevec, text, time, vector,
};

/// What PostgreSQL says of bytes behind a value's end.
pub(crate) const TRAILING: &str = "incorrect binary data format";

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    match <[u8; N]>::try_from(bytes) {
        Ok(array) => Ok(array),
        Err(_) if bytes.is_empty() && N == 1 => Err(crate::error!(PROTOCOL_VIOLATION, "no data left in message")),
        Err(_) if bytes.len() < N => Err(crate::error!(PROTOCOL_VIOLATION, "insufficient data left in message")),
        Err(_) => Err(trailing()),
    }
}

fn trailing() -> Error {
    crate::error!(INVALID_BINARY_REPRESENTATION, "{TRAILING}")
}

/// Names the statement parameter whose bytes had the wrong length.
#[must_use]
pub fn in_parameter(mut error: Error, number: usize) -> Error {
    let message = &mut error.report_mut().message;
    if message == TRAILING {
        message.push_str(&format!(" in bind parameter {number}"));
    }
    error
}

/// The unread rest of one binary value.
pub(crate) struct Message<'a>(pub(crate) &'a [u8]);

impl<'a> Message<'a> {
    /// The next `count` bytes; `08P01` when there are not so many.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, tail) = self
            .0
            .split_at_checked(count)
            .ok_or_else(|| crate::error!(PROTOCOL_VIOLATION, "insufficient data left in message"))?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("take returns the count it was asked for"))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn f32(&mut self) -> Result<f32> {
        self.array().map(f32::from_be_bytes)
    }

    /// Checks that nothing is left; `22P03` otherwise.
    pub(crate) fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(trailing()) }
    }
}

/// Checks that bytes are text that PostgreSQL stores: UTF-8 without zero bytes.
///
/// # Errors
/// `22021` with PostgreSQL's words.
pub fn text_from(bytes: &[u8]) -> Result<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(bad) => {
            let rest = &bytes[bad.valid_up_to()..];
            let width = match rest[0] {
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => 1,
            };
            let shown: Vec<String> = rest.iter().take(width).map(|byte| format!("0x{byte:02x}")).collect();
            bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        }
    };
    if memchr::memchr(0, bytes).is_some() {
        bail!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\": 0x00");
    }
    Ok(text)
}

/// Reads the binary form of a value.
///
/// # Errors
/// `08P01` and `22P03` for bytes of the wrong shape; range errors as text input has them.
pub fn recv(bytes: &[u8], ty: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    Ok(match ty.oid {
        Oid::BOOL => Datum::Bool(fixed::<1>(bytes)?[0] != 0),
        Oid::INTERNAL_CHAR => Datum::Char(fixed::<1>(bytes)?[0]),
        Oid::INT2 => Datum::Int2(i16::from_be_bytes(fixed(bytes)?)),
        Oid::INT4 => Datum::Int4(i32::from_be_bytes(fixed(bytes)?)),
        Oid::INT8 | Oid::MONEY | Oid::PG_LSN | Oid::XID8 => Datum::Int8(i64::from_be_bytes(fixed(bytes)?)),
        Oid::FLOAT4 => Datum::Float4(f32::from_be_bytes(fixed(bytes)?)),
        Oid::FLOAT8 => Datum::Float8(f64::from_be_bytes(fixed(bytes)?)),
        Oid::NUMERIC => Datum::Numeric(numeric::recv(bytes)?),
        Oid::DATE => Datum::Date(datetime::check_date(i32::from_be_bytes(fixed(bytes)?))?),
        Oid::TIME => Datum::Time(time::check_time(i64::from_be_bytes(fixed(bytes)?))?),
        Oid::TIMETZ => {
            let all: [u8; 12] = fixed(bytes)?;
            let micros = i64::from_be_bytes(all[..8].try_into().expect("eight of twelve bytes"));
            let zone = i32::from_be_bytes(all[8..].try_into().expect("four of twelve bytes"));
            let (micros, zone) = (time::check_time(micros)?, time::check_zone(zone)?);
            Datum::TimeTz(micros, zone)
        }
        Oid::TIMESTAMP => Datum::Timestamp(datetime::check_timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        Oid::TIMESTAMPTZ => Datum::Timestamptz(datetime::check_timestamp(i64::from_be_bytes(fixed(bytes)?))?),
        Oid::INTERVAL => {
            let all: [u8; 16] = fixed(bytes)?;
            Datum::Interval(Interval {
                micros: i64::from_be_bytes(all[..8].try_into().expect("eight bytes")),
                days: i32::from_be_bytes(all[8..12].try_into().expect("four bytes")),
                months: i32::from_be_bytes(all[12..].try_into().expect("four bytes")),
            })
        }
        Oid::UUID => Datum::Uuid(fixed(bytes)?),
        Oid::BYTEA => Datum::Bytea(bytes.into()),
        Oid::NAME => Datum::text(text::truncate_name(text_from(bytes)?)),
        Oid::JSON => json::input_json(text_from(bytes)?)?,
        Oid::JSONB => json::recv_jsonb(bytes)?,
        Oid::BIT | Oid::VARBIT => bit::recv(bytes)?,
        Oid::VECTOR => vector::recv(bytes)?,
        Oid::HALFVEC => halfvec::recv(bytes)?,
        Oid::SPARSEVEC => sparsevec::recv(bytes)?,
        Oid::TID => Datum::Int8(regtype::recv_tid(fixed(bytes)?)),
        oid if codec::is_oid_like(oid) => Datum::Oid(Oid(u32::from_be_bytes(fixed(bytes)?))),
        oid if is_plain_text(oid) => Datum::text(text_from(bytes)?),
        oid => return recv_by_kind(bytes, oid, ty, ctx),
    })
}

/// Text types whose binary form is their text.
fn is_plain_text(oid: Oid) -> bool {
    matches!(oid, Oid::TEXT | Oid::VARCHAR | Oid::BPCHAR | Oid::UNKNOWN | Oid::CSTRING | Oid::REFCURSOR)
}

fn recv_by_kind(bytes: &[u8], oid: Oid, ty: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    if let Some(element) = array::builtin_element(oid) {
        return array::recv(bytes, oid, SqlType::with(element, ty.typmod), ctx);
    }
    match ctx.lookup.user_type(oid) {
        Some(UserType::Array(element)) => array::recv(bytes, oid, SqlType::with(element, ty.typmod), ctx),
        Some(UserType::Enum) => crate::types::io::input(text_from(bytes)?, ty, ctx),
        Some(UserType::Composite(columns)) => record::recv(bytes, oid, Some(&columns), ctx),
        Some(UserType::Domain(base)) => recv(bytes, base, ctx),
        None if oid == Oid::RECORD => record::recv(bytes, oid, None, ctx),
        None => {
            let name = ctx.lookup.type_name(oid);
            bail!(UNDEFINED_FUNCTION, "no binary input function available for type {name}")
        }
    }
}

/// Appends the binary form of a value of type `oid`. NULL has none: a length of -1 stands for it.
///
/// # Errors
/// `42883` for a type without a binary form.
pub fn send(datum: &Datum, oid: Oid, ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    match datum {
        Datum::Null => panic!("NULL has no binary form"),
        Datum::Bool(value) => out.push(u8::from(*value)),
        Datum::Char(value) => out.push(*value),
        Datum::Int2(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Int4(value) | Datum::Date(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Int8(value) if oid == Oid::TID => regtype::send_tid(*value, out),
        Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
            out.extend_from_slice(&value.to_be_bytes());
        }
        Datum::Float4(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Float8(value) => out.extend_from_slice(&value.to_be_bytes()),
        Datum::Oid(value) => out.extend_from_slice(&value.0.to_be_bytes()),
        Datum::Numeric(value) => value.send(out),
        Datum::Text(value) => out.extend_from_slice(value.as_bytes()),
        Datum::Bytea(value) => out.extend_from_slice(value),
        Datum::Uuid(value) => out.extend_from_slice(value),
        Datum::TimeTz(micros, zone) => {
            out.extend_from_slice(&micros.to_be_bytes());
            out.extend_from_slice(&zone.to_be_bytes());
        }
        Datum::Interval(value) => {
            out.extend_from_slice(&value.micros.to_be_bytes());
            out.extend_from_slice(&value.days.to_be_bytes());
            out.extend_from_slice(&value.months.to_be_bytes());
        }
        Datum::Jsonb(value) => json::send_jsonb(value, out),
        Datum::Array(value) => array::send(value, ctx, out)?,
        Datum::Record(value) => record::send(value, ctx, out)?,
        Datum::Enum(value) => out.extend_from_slice(value.label.as_bytes()),
        Datum::Bit(value) => bit::send(value, out),
        Datum::Vector(value) => vector::send(value, out),
        Datum::HalfVec(value) => halfvec::send(value, out),
        Datum::SparseVec(value) => sparsevec::send(value, out),
    }
    Ok(())
}

//! The binary format: a signature, records of counted fields, a trailer.

use super::fields::Place;
use crate::error::{Error, Result};
use crate::{bail, error};

/// What a binary stream begins with.
pub const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Signature, no flags, no extension.
pub const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends the records.
pub const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// What is at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Scan {
    /// A record or the header of this many bytes.
    Taken(usize),
    /// The trailer.
    Trailer,
    /// More bytes are needed.
    More,
}

fn header_error(what: &str) -> Error {
    error!(BAD_COPY_FILE_FORMAT, "invalid COPY file header ({what})")
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).map(|four| i32::from_be_bytes(four.try_into().expect("four bytes")))
}

/// Reads the header.
///
/// # Errors
/// `22P04` when it is not one.
pub fn header(bytes: &[u8], last: bool) -> Result<Scan> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes[..known] != SIGNATURE[..known] || (last && known < SIGNATURE.len()) {
        bail!(BAD_COPY_FILE_FORMAT, "COPY file signature not recognized");
    }
    let Some(flags) = number(bytes, 11) else {
        return if last { Err(header_error("missing flags")) } else { Ok(Scan::More) };
    };
    if flags & (1 << 16) != 0 {
        return Err(header_error("WITH OIDS"));
    }
    // Bits 16 to 31 change what follows; none is known.
    if flags & !0xffff != 0 {
        bail!(BAD_COPY_FILE_FORMAT, "unrecognized critical flags in COPY file header");
    }
    let Some(extension) = number(bytes, 15) else {
        return if last { Err(header_error("missing length")) } else { Ok(Scan::More) };
    };
    let Ok(extension) = usize::try_from(extension) else { return Err(header_error("missing length")) };
    let end = HEADER.len().saturating_add(extension);
    match (bytes.len() >= end, last) {
        (true, _) => Ok(Scan::Taken(end)),
        (false, true) => Err(header_error("wrong length")),
        (false, false) => Ok(Scan::More),
    }
}

/// An error in a field, with the field's place for the context.
pub type FieldError = (Error, Option<usize>);

/// Reads a record of `columns` fields. No bytes at all at the end of the data are an end too, as the trailer is.
///
/// # Errors
/// `22P04`, with the field that is wrong.
pub fn record(
    bytes: &[u8],
    columns: usize,
    last: bool,
    fields: &mut Vec<Place>,
) -> std::result::Result<Scan, FieldError> {
    let eof = |field: Option<usize>| {
        if last { Err((error!(BAD_COPY_FILE_FORMAT, "unexpected EOF in COPY data"), field)) } else { Ok(Scan::More) }
    };
    if bytes.is_empty() && last {
        return Ok(Scan::Trailer);
    }
    let Some(count) = bytes.first_chunk::<2>().map(|two| i16::from_be_bytes(*two)) else { return eof(None) };
    if count == -1 {
        return Ok(Scan::Trailer);
    }
    if usize::try_from(count).ok() != Some(columns) {
        let message = format!("row field count is {count}, expected {columns}");
        return Err((Error::new(crate::error::SqlState::BAD_COPY_FILE_FORMAT, message), None));
    }
    let mut at = 2;
    for column in 0..columns {
        let Some(length) = number(bytes, at) else { return eof(Some(column)) };
        at += 4;
        if length == -1 {
            fields.push(Place::Null);
            continue;
        }
        let Ok(length) = usize::try_from(length) else {
            return Err((error!(BAD_COPY_FILE_FORMAT, "invalid field size"), Some(column)));
        };
        let end = at + length;
        if bytes.len() < end {
            return eof(Some(column));
        }
        fields.push(Place::Record(at, end));
        at = end;
    }
    Ok(Scan::Taken(at))
}

//! Composite values in text and binary.

use crate::error::{Error, Result};
use crate::types::io::IoContext;
use crate::types::{Datum, Oid, RecordValue, SqlType};

/// Reads `(a,"b c",)` as a value of the composite type `type_oid` with these columns.
///
/// # Errors
/// `22P02` for malformed text or a wrong number of columns.
pub fn input(_text: &str, _type_oid: Oid, _columns: &[SqlType], _ctx: &IoContext<'_>) -> Result<Datum> {
    Err(Error::unsupported("record input"))
}

/// Appends the text form.
///
/// # Errors
/// Those of the fields' types.
pub fn output(_value: &RecordValue, _ctx: &IoContext<'_>, _out: &mut String) -> Result<()> {
    Err(Error::unsupported("record output"))
}

/// Reads the binary form; `columns` is `None` for an anonymous record.
///
/// # Errors
/// `22P03`, `42804` for bytes that are not such a value.
pub fn recv(_bytes: &[u8], _type_oid: Oid, _columns: Option<&[SqlType]>, _ctx: &IoContext<'_>) -> Result<Datum> {
    Err(Error::unsupported("record binary input"))
}

/// Appends the binary form.
///
/// # Errors
/// Those of the fields' types.
pub fn send(_value: &RecordValue, _ctx: &IoContext<'_>, _out: &mut Vec<u8>) -> Result<()> {
    Err(Error::unsupported("record binary output"))
}

//! What the benchmarks share of a client: connecting, error text, vectors as binary parameters.

use half::f16;
use postgres::types::{IsNull, Oid, ToSql, Type};
use postgres::{Client, NoTls};

/// The first OID that is not built in: the types of an extension have OIDs from here.
const FIRST_EXTENSION_OID: Oid = 16_384;

/// The header of `COPY ... (FORMAT binary)`: signature, flags, length of the extension.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The message of an error, with the server's SQLSTATE when it has one.
pub fn text(error: postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => error.to_string(),
    }
}

/// Connects without TLS.
///
/// # Errors
/// The server refuses or is not there.
pub fn connect(dsn: &str) -> Result<Client, String> {
    Client::connect(dsn, NoTls).map_err(text)
}

/// Appends pgvector's binary form of a `vector`.
pub fn write_vector(values: &[f32], out: &mut Vec<u8>) {
    write_head(values, out);
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends pgvector's binary form of a `halfvec`.
pub fn write_halfvec(values: &[f32], out: &mut Vec<u8>) {
    write_head(values, out);
    for value in values {
        out.extend_from_slice(&f16::from_f32(*value).to_be_bytes());
    }
}

fn write_head(values: &[f32], out: &mut Vec<u8>) {
    let dims = u16::try_from(values.len()).expect("a vector has at most 16,000 dimensions");
    out.extend_from_slice(&dims.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
}

/// A value of an extension's type that is already in its binary form.
#[derive(Debug)]
pub struct Encoded<'a>(pub &'a [u8]);

impl ToSql for Encoded<'_> {
    fn to_sql(
        &self,
        _ty: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        ty.oid() >= FIRST_EXTENSION_OID
    }

    postgres::types::to_sql_checked!();
}

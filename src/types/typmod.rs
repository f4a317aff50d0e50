//! Type modifiers: parsing them in declarations, applying them to values, and printing types with them.

use crate::error::{Error, Result};
use crate::types::{Datum, Oid, SqlType};

/// The SQL name of a built-in type (`integer`, `character varying`), as `format_type` prints it without a modifier.
#[must_use]
pub fn builtin_type_name(_oid: Oid) -> Option<&'static str> {
    None
}

/// Turns the modifiers written behind a type name into a typmod.
///
/// # Errors
/// `22023` for modifiers that the type does not take.
pub fn parse_typmod(_oid: Oid, _modifiers: &[&str]) -> Result<i32> {
    Err(Error::unsupported("type modifiers"))
}

/// The type as PostgreSQL prints it: `numeric(10,2)`, `character varying(10)[]`; `None` for a type of the user's.
#[must_use]
pub fn format_type(_ty: SqlType) -> Option<String> {
    None
}

/// Applies a type's modifier to a value of that type; `explicit` casts truncate where assignments fail.
///
/// # Errors
/// `22001`, `22003`, `22026`, `22000` and others, by type.
pub fn coerce(datum: Datum, _ty: SqlType, _explicit: bool) -> Result<Datum> {
    Ok(datum)
}

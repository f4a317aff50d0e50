//! Floor 0a: SQL values.
//!
//! [`Datum`] is one value; [`mod@column`] holds columns of them; [`codec`] stores them, [`keycode`] orders them as bytes,
//! [`compare`] orders them as values; [`io`] and [`wire`] move them to and from clients as text and binary; [`typmod`]
//! and `cast` fit them to declared types. One file per type holds the type's own rules.

pub mod array;
pub mod bit;
pub mod boolean;
pub mod bytea;
pub mod codec;
pub mod column;
pub mod compare;
pub mod date;
pub mod datetime;
pub mod datum;
pub mod float;
pub mod halfvec;
pub mod integer;
pub mod interval;
pub mod io;
pub mod json;
pub mod jsonpath;
pub mod keycode;
pub mod money;
pub mod numeric;
pub mod oid;
pub mod record;
pub mod regtype;
pub mod sparsevec;
pub mod text;
pub mod time;
pub mod timestamp;
pub mod timezone;
pub mod typmod;
pub mod uuid;
pub mod vector;
pub mod wire;

pub use datum::{Datum, EnumValue, FieldNames, RecordValue};
pub use oid::{Oid, SqlType};

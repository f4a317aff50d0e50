//! Floor 0a: SQL values.

pub mod array;
pub mod bit;
pub mod column;
pub mod datum;
pub mod interval;
pub mod json;
pub mod numeric;
pub mod oid;
pub mod sparsevec;

pub use datum::{Datum, EnumValue, RecordValue};
pub use oid::{Oid, SqlType};

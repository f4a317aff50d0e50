//! Columns and batches: SQL values as Arrow arrays.
//!
//! Each SQL type has one physical Arrow representation ([`Physical`]); types without a natural one (numeric, arrays,
//! vectors, jsonb ...) travel as `BinaryView` in the storage encoding of [`crate::types::codec`], so a value that is
//! only passed through is never decoded. Views make filter and take cheap for wide values.

use std::sync::Arc;

use arrow_array::ArrayRef;

/// A batch of rows, column by column. `rows` is explicit because a batch may have no columns.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of rows.
    pub rows: usize,
    /// One array of `rows` values per column.
    pub columns: Vec<ArrayRef>,
}

/// How a SQL type lies in Arrow memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    /// `BooleanArray`: bool.
    Bool,
    /// `Int16Array`: int2.
    Int16,
    /// `Int32Array`: int4, date.
    Int32,
    /// `Int64Array`: int8, time, timestamp, timestamptz, money, pg_lsn.
    Int64,
    /// `UInt32Array`: oid, xid, cid, reg* types.
    UInt32,
    /// `Float32Array`: float4.
    Float32,
    /// `Float64Array`: float8.
    Float64,
    /// `StringViewArray`: text, varchar, bpchar, name, json, unknown, cstring, xml.
    Text,
    /// `BinaryViewArray` of the raw bytes: bytea (as is), uuid (16 bytes), vector (little-endian f32s), halfvec
    /// (little-endian f16s); all other types in the encoding of `types::codec`.
    Bytes,
}

/// Shares a batch's columns.
pub type Columns = Arc<[ArrayRef]>;

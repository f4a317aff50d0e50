//! Columns and batches: SQL values as Arrow arrays.
//!
//! Each SQL type has one physical Arrow representation ([`Physical`]); types without a natural one (numeric, arrays,
//! vectors, jsonb ...) travel as `BinaryView` in the storage encoding of [`crate::types::codec`], so a value that is
//! only passed through is never decoded. Views make filter and take cheap for wide values.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray, UInt32Array};
use arrow_buffer::{NullBufferBuilder, ScalarBuffer};

use crate::error::{Error, Result};
use crate::types::codec;
use crate::types::{Datum, Oid};

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
    /// `Int64Array`: int8, time, timestamp, timestamptz, money, pg_lsn, xid8, tid.
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

/// The physical representation of a type; user-defined types (enums, composites, their arrays) are
/// [`Physical::Bytes`]. A domain must be asked by its base type.
#[must_use]
pub fn physical_of(oid: Oid) -> Physical {
    match oid {
        Oid::BOOL => Physical::Bool,
        Oid::INT2 => Physical::Int16,
        Oid::INT4 | Oid::DATE => Physical::Int32,
        Oid::INT8 | Oid::TIME | Oid::TIMESTAMP | Oid::TIMESTAMPTZ => Physical::Int64,
        Oid::MONEY | Oid::PG_LSN | Oid::XID8 | Oid::TID => Physical::Int64,
        Oid::FLOAT4 => Physical::Float32,
        Oid::FLOAT8 => Physical::Float64,
        oid if codec::is_text_like(oid) => Physical::Text,
        oid if codec::is_oid_like(oid) => Physical::UInt32,
        _ => Physical::Bytes,
    }
}

/// Collects the values of one column.
pub struct ColumnBuilder {
    oid: Oid,
    inner: Inner,
    scratch: Vec<u8>,
}

enum Inner {
    Bool(BooleanBuilder),
    Int16(Numbers<Int16Type>),
    Int32(Numbers<Int32Type>),
    Int64(Numbers<Int64Type>),
    UInt32(Numbers<UInt32Type>),
    Float32(Numbers<Float32Type>),
    Float64(Numbers<Float64Type>),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
}

/// Collects numbers in a plain vector. Arrow's own builder aligns its memory to 128 bytes and checks the finished parts
/// again, which for one row costs more than the row.
struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn with_capacity(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), nulls: NullBufferBuilder::new(capacity) }
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    fn append_value(&mut self, value: T::Native) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    fn append_null(&mut self) {
        self.values.push(T::Native::default());
        self.nulls.append_null();
    }

    fn finish(&mut self) -> PrimitiveArray<T> {
        // The next batch of a scan is as large; the next row of a look-up does not come.
        let next = if self.values.len() > 1 { Vec::with_capacity(self.values.len()) } else { Vec::new() };
        let values = std::mem::replace(&mut self.values, next);
        PrimitiveArray::new(ScalarBuffer::from(values), self.nulls.finish())
    }
}

/// Bytes in a block of a view column that is made for few rows; larger columns let blocks grow.
const SMALL_BLOCK: u32 = 256;

impl ColumnBuilder {
    /// An empty column of type `oid` with room for `capacity` values.
    #[must_use]
    pub fn new(oid: Oid, capacity: usize) -> Self {
        let inner = match physical_of(oid) {
            Physical::Bool => Inner::Bool(BooleanBuilder::with_capacity(capacity)),
            Physical::Int16 => Inner::Int16(Numbers::with_capacity(capacity)),
            Physical::Int32 => Inner::Int32(Numbers::with_capacity(capacity)),
            Physical::Int64 => Inner::Int64(Numbers::with_capacity(capacity)),
            Physical::UInt32 => Inner::UInt32(Numbers::with_capacity(capacity)),
            Physical::Float32 => Inner::Float32(Numbers::with_capacity(capacity)),
            Physical::Float64 => Inner::Float64(Numbers::with_capacity(capacity)),
            Physical::Text => {
                let builder = StringViewBuilder::with_capacity(capacity);
                Inner::Text(if capacity <= 4 { builder.with_fixed_block_size(SMALL_BLOCK) } else { builder })
            }
            Physical::Bytes => {
                let builder = BinaryViewBuilder::with_capacity(capacity);
                Inner::Bytes(if capacity <= 4 { builder.with_fixed_block_size(SMALL_BLOCK) } else { builder })
            }
        };
        Self { oid, inner, scratch: Vec::new() }
    }

    /// The type of the column.
    #[must_use]
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// Number of values so far.
    #[must_use]
    pub fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match &self.inner {
            Inner::Bool(builder) => builder.len(),
            Inner::Int16(builder) => builder.len(),
            Inner::Int32(builder) => builder.len(),
            Inner::Int64(builder) => builder.len(),
            Inner::UInt32(builder) => builder.len(),
            Inner::Float32(builder) => builder.len(),
            Inner::Float64(builder) => builder.len(),
            Inner::Text(builder) => builder.len(),
            Inner::Bytes(builder) => builder.len(),
        }
    }

    /// Whether there are no values yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a value.
    ///
    /// # Panics
    /// When the value is not of the column's type: whoever plans has coerced it.
    pub fn push(&mut self, datum: &Datum) {
        match (&mut self.inner, datum) {
            (_, Datum::Null) => self.push_null(),
            (Inner::Bool(builder), Datum::Bool(value)) => builder.append_value(*value),
            (Inner::Int16(builder), Datum::Int2(value)) => builder.append_value(*value),
            (Inner::Int32(builder), Datum::Int4(value) | Datum::Date(value)) => builder.append_value(*value),
            (
                Inner::Int64(builder),
                Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value),
            ) => builder.append_value(*value),
            (Inner::UInt32(builder), Datum::Oid(value)) => builder.append_value(value.0),
            (Inner::Float32(builder), Datum::Float4(value)) => builder.append_value(*value),
            (Inner::Float64(builder), Datum::Float8(value)) => builder.append_value(*value),
            (Inner::Text(builder), Datum::Text(value)) => builder.append_value(value),
            (Inner::Bytes(builder), Datum::Bytea(value)) => builder.append_value(value),
            (Inner::Bytes(builder), Datum::Uuid(value)) => builder.append_value(value),
            (Inner::Bytes(builder), value) => {
                self.scratch.clear();
                codec::encode_raw(value, &mut self.scratch);
                builder.append_value(&self.scratch);
            }
            (_, other) => panic!("value {other:?} does not belong in a column of type {}", self.oid),
        }
    }

    /// Appends NULL.
    pub fn push_null(&mut self) {
        match &mut self.inner {
            Inner::Bool(builder) => builder.append_null(),
            Inner::Int16(builder) => builder.append_null(),
            Inner::Int32(builder) => builder.append_null(),
            Inner::Int64(builder) => builder.append_null(),
            Inner::UInt32(builder) => builder.append_null(),
            Inner::Float32(builder) => builder.append_null(),
            Inner::Float64(builder) => builder.append_null(),
            Inner::Text(builder) => builder.append_null(),
            Inner::Bytes(builder) => builder.append_null(),
        }
    }

    /// Appends the value whose storage encoding stands at the front of `bytes`, without making a [`Datum`]; returns
    /// the number of bytes that the encoding takes. This is the path of table scans.
    ///
    /// # Errors
    /// `XX001` when the bytes are not an encoding of the column's type.
    #[inline]
    pub fn push_encoded(&mut self, bytes: &[u8]) -> Result<usize> {
        fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
            bytes.first_chunk::<N>().copied().ok_or_else(|| Error::corrupt("stored value ends early"))
        }
        Ok(match &mut self.inner {
            Inner::Bool(builder) => {
                builder.append_value(fixed::<1>(bytes)?[0] != 0);
                1
            }
            Inner::Int16(builder) => {
                builder.append_value(i16::from_le_bytes(fixed(bytes)?));
                2
            }
            Inner::Int32(builder) => {
                builder.append_value(i32::from_le_bytes(fixed(bytes)?));
                4
            }
            Inner::Int64(builder) => {
                builder.append_value(i64::from_le_bytes(fixed(bytes)?));
                8
            }
            Inner::UInt32(builder) => {
                builder.append_value(u32::from_le_bytes(fixed(bytes)?));
                4
            }
            Inner::Float32(builder) => {
                builder.append_value(f32::from_le_bytes(fixed(bytes)?));
                4
            }
            Inner::Float64(builder) => {
                builder.append_value(f64::from_le_bytes(fixed(bytes)?));
                8
            }
            Inner::Text(builder) => {
                let (raw, used) = raw_value(bytes)?;
                let text = std::str::from_utf8(raw).map_err(|_| Error::corrupt("stored text is not UTF-8"))?;
                builder.append_value(text);
                used
            }
            Inner::Bytes(builder) if codec::layout_of(self.oid) == codec::Layout::Raw => {
                let (raw, used) = raw_value(bytes)?;
                builder.append_value(raw);
                used
            }
            Inner::Bytes(builder) => {
                let used = codec::encoded_len(self.oid, bytes)?;
                builder.append_value(&bytes[..used]);
                used
            }
        })
    }

    /// The column; the builder is empty afterwards and can be used again.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.inner {
            Inner::Bool(builder) => Arc::new(builder.finish()),
            Inner::Int16(builder) => Arc::new(builder.finish()),
            Inner::Int32(builder) => Arc::new(builder.finish()),
            Inner::Int64(builder) => Arc::new(builder.finish()),
            Inner::UInt32(builder) => Arc::new(builder.finish()),
            Inner::Float32(builder) => Arc::new(builder.finish()),
            Inner::Float64(builder) => Arc::new(builder.finish()),
            Inner::Text(builder) => Arc::new(builder.finish()),
            Inner::Bytes(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Splits a length-prefixed value; also the bytes it took with its length.
fn raw_value(bytes: &[u8]) -> Result<(&[u8], usize)> {
    let (length, used) = codec::get_varint(bytes)?;
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(used));
    match end.and_then(|end| bytes.get(used..end).map(|raw| (raw, end))) {
        Some(found) => Ok(found),
        None => Err(Error::corrupt("stored value ends early")),
    }
}

/// The value in row `row` of a column of type `oid`; NULL where the column is null.
///
/// # Panics
/// When `column` is not the physical array of `oid`, `row` is out of range or its bytes do not decode: columns are
/// made by [`ColumnBuilder`], which has checked them.
#[must_use]
pub fn datum_at(column: &ArrayRef, oid: Oid, row: usize) -> Datum {
    if column.is_null(row) {
        return Datum::Null;
    }
    match physical_of(oid) {
        Physical::Bool => Datum::Bool(column.as_boolean().value(row)),
        Physical::Int16 => Datum::Int2(column.as_primitive::<Int16Type>().value(row)),
        Physical::Int32 => {
            let value = column.as_primitive::<Int32Type>().value(row);
            if oid == Oid::DATE { Datum::Date(value) } else { Datum::Int4(value) }
        }
        Physical::Int64 => {
            let value = column.as_primitive::<Int64Type>().value(row);
            match oid {
                Oid::TIME => Datum::Time(value),
                Oid::TIMESTAMP => Datum::Timestamp(value),
                Oid::TIMESTAMPTZ => Datum::Timestamptz(value),
                _ => Datum::Int8(value),
            }
        }
        Physical::UInt32 => Datum::Oid(Oid(column.as_primitive::<UInt32Type>().value(row))),
        Physical::Float32 => Datum::Float4(column.as_primitive::<Float32Type>().value(row)),
        Physical::Float64 => Datum::Float8(column.as_primitive::<Float64Type>().value(row)),
        Physical::Text => Datum::Text(Arc::from(column.as_string_view().value(row))),
        Physical::Bytes => {
            codec::decode_raw(oid, column.as_binary_view().value(row)).expect("columns hold decodable values")
        }
    }
}

/// A column of `rows` copies of one value.
#[must_use]
pub fn constant(datum: &Datum, oid: Oid, rows: usize) -> ArrayRef {
    let mut builder = ColumnBuilder::new(oid, rows);
    for _ in 0..rows {
        builder.push(datum);
    }
    builder.finish()
}

/// A column of type `oid` from values.
#[must_use]
pub fn column_from<'a>(oid: Oid, values: impl ExactSizeIterator<Item = &'a Datum>) -> ArrayRef {
    let mut builder = ColumnBuilder::new(oid, values.len());
    for value in values {
        builder.push(value);
    }
    builder.finish()
}

impl Batch {
    /// A batch of columns, all of one length.
    ///
    /// # Panics
    /// When a column's length is not `rows`.
    #[must_use]
    pub fn new(rows: usize, columns: Vec<ArrayRef>) -> Self {
        assert!(columns.iter().all(|column| column.len() == rows), "columns of a batch have its number of rows");
        Self { rows, columns }
    }

    /// No rows of the given types.
    #[must_use]
    pub fn empty(types: &[Oid]) -> Self {
        Self { rows: 0, columns: types.iter().map(|oid| ColumnBuilder::new(*oid, 0).finish()).collect() }
    }

    /// Rows of values turned into columns.
    ///
    /// # Panics
    /// When a row has another number of values than there are types, or a value is not of its type.
    #[must_use]
    pub fn from_rows(types: &[Oid], rows: &[Vec<Datum>]) -> Self {
        assert!(rows.iter().all(|row| row.len() == types.len()), "rows have one value per type");
        let columns = types
            .iter()
            .enumerate()
            .map(|(index, oid)| column_from(*oid, rows.iter().map(|row| &row[index])))
            .collect();
        Self { rows: rows.len(), columns }
    }

    /// The values of row `row`.
    #[must_use]
    pub fn row(&self, types: &[Oid], row: usize) -> Vec<Datum> {
        self.columns.iter().zip(types).map(|(column, oid)| datum_at(column, *oid, row)).collect()
    }

    /// The value of column `column` in row `row`.
    #[must_use]
    pub fn datum(&self, column: usize, oid: Oid, row: usize) -> Datum {
        datum_at(&self.columns[column], oid, row)
    }

    /// The rows where `keep` is true (NULL drops the row).
    #[must_use]
    pub fn filter(&self, keep: &BooleanArray) -> Self {
        let kept = keep.true_count();
        if kept == self.rows {
            return self.clone();
        }
        let columns = self
            .columns
            .iter()
            .map(|column| arrow_select::filter::filter(column, keep).expect("mask and columns have one length"))
            .collect();
        Self { rows: kept, columns }
    }

    /// The rows at `indices`, in that order; an index may repeat.
    ///
    /// # Panics
    /// When an index is out of range.
    #[must_use]
    pub fn take(&self, indices: &[u32]) -> Self {
        let array = UInt32Array::from_iter_values(indices.iter().copied());
        let columns = self
            .columns
            .iter()
            .map(|column| arrow_select::take::take(column, &array, None).expect("indices are in range"))
            .collect();
        Self { rows: indices.len(), columns }
    }

    /// `length` rows from `offset`, without copying.
    #[must_use]
    pub fn slice(&self, offset: usize, length: usize) -> Self {
        assert!(offset + length <= self.rows, "slice lies within the batch");
        let columns = self.columns.iter().map(|column| column.slice(offset, length)).collect();
        Self { rows: length, columns }
    }

    /// The chosen columns, in that order; a column may repeat.
    #[must_use]
    pub fn project(&self, columns: &[usize]) -> Self {
        Self { rows: self.rows, columns: columns.iter().map(|index| Arc::clone(&self.columns[*index])).collect() }
    }

    /// All rows of all batches, which have the same column types; no batches make an empty batch without columns.
    #[must_use]
    pub fn concat(batches: &[Self]) -> Self {
        let Some(first) = batches.first() else { return Self { rows: 0, columns: Vec::new() } };
        if batches.len() == 1 {
            return first.clone();
        }
        let columns = (0..first.columns.len())
            .map(|index| {
                let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns[index].as_ref()).collect();
                arrow_select::concat::concat(&parts).expect("batches have the same column types")
            })
            .collect();
        Self { rows: batches.iter().map(|batch| batch.rows).sum(), columns }
    }

    /// Rows picked from several batches of the same column types: batch and row of each.
    #[must_use]
    pub fn interleave(batches: &[Self], places: &[(usize, usize)]) -> Self {
        let width = batches.first().map_or(0, |batch| batch.columns.len());
        let columns = (0..width)
            .map(|index| {
                let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns[index].as_ref()).collect();
                arrow_select::interleave::interleave(&parts, places).expect("places lie inside the batches")
            })
            .collect();
        Self { rows: places.len(), columns }
    }

    /// Rows by number; NULL gives a row of NULLs.
    #[must_use]
    pub fn take_nullable(&self, indices: &UInt32Array) -> Self {
        let take =
            |column: &ArrayRef| arrow_select::take::take(column, indices, None).expect("indices lie inside the batch");
        Self { rows: indices.len(), columns: self.columns.iter().map(take).collect() }
    }

    /// Columns of two batches of the same number of rows, side by side.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        assert_eq!(self.rows, other.rows, "batches side by side have one number of rows");
        self.columns.extend(other.columns);
        self
    }

    /// Bytes that the columns hold in memory, for limits such as `work_mem`.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        self.columns.iter().map(|column| column.get_array_memory_size()).sum()
    }
}

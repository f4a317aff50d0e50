//! A batch as bytes: per column its kind, which rows are NULL, and its values as they lie in memory.
//!
//! Only this process reads what it wrote, so the form has no version. Still nothing here panics on other bytes: a damaged disk
//! is an error.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, StringViewBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ByteViewType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray, GenericByteViewArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::error::{Error, Result};
use crate::types::column::Batch;

/// Appends a batch.
pub(super) fn encode(batch: &Batch, out: &mut Vec<u8>) {
    put_u32(batch.rows, out);
    put_u32(batch.columns.len(), out);
    for column in &batch.columns {
        put_nulls(column.nulls(), out);
        match column.data_type() {
            DataType::Boolean => {
                out.push(b'b');
                put_bits(column.as_boolean().values(), out);
            }
            DataType::Int16 => put_values::<Int16Type, 2>(b's', column, i16::to_le_bytes, out),
            DataType::Int32 => put_values::<Int32Type, 4>(b'i', column, i32::to_le_bytes, out),
            DataType::Int64 => put_values::<Int64Type, 8>(b'l', column, i64::to_le_bytes, out),
            DataType::UInt32 => put_values::<UInt32Type, 4>(b'u', column, u32::to_le_bytes, out),
            DataType::Float32 => put_values::<Float32Type, 4>(b'f', column, f32::to_le_bytes, out),
            DataType::Float64 => put_values::<Float64Type, 8>(b'd', column, f64::to_le_bytes, out),
            DataType::Utf8View => put_views(b't', column.as_string_view(), out),
            DataType::BinaryView => put_views(b'v', column.as_binary_view(), out),
            other => panic!("batches have no columns of {other}"),
        }
    }
}

fn put_u32(value: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(value).expect("batches are small").to_le_bytes());
}

fn put_bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    out.extend_from_slice(bits.sliced().as_slice().get(..bits.len().div_ceil(8)).expect("bits fill their bytes"));
}

fn put_nulls(nulls: Option<&NullBuffer>, out: &mut Vec<u8>) {
    out.push(u8::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        put_bits(nulls.inner(), out);
    }
}

fn put_values<T: ArrowPrimitiveType, const N: usize>(
    kind: u8,
    column: &ArrayRef,
    bytes: fn(T::Native) -> [u8; N],
    out: &mut Vec<u8>,
) {
    out.push(kind);
    column.as_primitive::<T>().values().iter().for_each(|value| out.extend_from_slice(&bytes(*value)));
}

fn put_views<T: ByteViewType + ?Sized>(kind: u8, array: &GenericByteViewArray<T>, out: &mut Vec<u8>)
where
    T::Native: AsRef<[u8]>,
{
    out.push(kind);
    let length_of = |row: usize| if array.is_null(row) { 0 } else { array.value(row).as_ref().len() };
    let lengths: Vec<usize> = (0..array.len()).map(length_of).collect();
    lengths.iter().for_each(|length| put_u32(*length, out));
    for (row, length) in lengths.into_iter().enumerate() {
        if length > 0 {
            out.extend_from_slice(array.value(row).as_ref());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| damaged())
    }

    fn u32(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn bits(&mut self, count: usize) -> Result<BooleanBuffer> {
        Ok(BooleanBuffer::new(Buffer::from(self.take(count.div_ceil(8))?), 0, count))
    }

    fn values<T: ArrowPrimitiveType, const N: usize>(
        &mut self,
        rows: usize,
        nulls: Option<NullBuffer>,
        value: fn([u8; N]) -> T::Native,
    ) -> Result<ArrayRef> {
        let bytes = self.take(rows.checked_mul(N).ok_or_else(damaged)?)?;
        let values: Vec<T::Native> = bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect();
        Ok(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls)))
    }

    /// Where the strings of a column lie in its bytes, and these.
    fn strings(&mut self, rows: usize) -> Result<(Vec<u32>, Buffer)> {
        let lengths = self.take(rows.checked_mul(4).ok_or_else(damaged)?)?;
        let lengths: Vec<u32> = lengths.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
        let total = lengths.iter().map(|length| *length as usize).sum();
        Ok((lengths, Buffer::from(self.take(total)?)))
    }
}

fn damaged() -> Error {
    Error::corrupt("a temporary file is damaged")
}

macro_rules! views {
    ($builder:ty, $reader:expr, $rows:expr, $nulls:expr) => {{
        let (lengths, bytes) = $reader.strings($rows)?;
        let mut builder = <$builder>::with_capacity($rows);
        let block = builder.append_block(bytes);
        let mut at = 0;
        for (row, length) in lengths.into_iter().enumerate() {
            if $nulls.as_ref().is_some_and(|nulls: &NullBuffer| nulls.is_null(row)) {
                builder.append_null();
            } else {
                builder.try_append_view(block, at, length).map_err(|_| damaged())?;
            }
            at += length;
        }
        Arc::new(builder.finish())
    }};
}

/// Reads a batch back.
///
/// # Errors
/// `XX001` on bytes that [`encode`] does not write.
pub(super) fn decode(bytes: &[u8]) -> Result<Batch> {
    let mut reader = Reader(bytes);
    let (rows, width) = (reader.u32()?, reader.u32()?);
    let mut columns: Vec<ArrayRef> = Vec::new();
    for _ in 0..width {
        let nulls = match reader.array::<1>()? {
            [0] => None,
            _ => Some(NullBuffer::new(reader.bits(rows)?)),
        };
        columns.push(match reader.array::<1>()? {
            [b'b'] => Arc::new(BooleanArray::new(reader.bits(rows)?, nulls)),
            [b's'] => reader.values::<Int16Type, 2>(rows, nulls, i16::from_le_bytes)?,
            [b'i'] => reader.values::<Int32Type, 4>(rows, nulls, i32::from_le_bytes)?,
            [b'l'] => reader.values::<Int64Type, 8>(rows, nulls, i64::from_le_bytes)?,
            [b'u'] => reader.values::<UInt32Type, 4>(rows, nulls, u32::from_le_bytes)?,
            [b'f'] => reader.values::<Float32Type, 4>(rows, nulls, f32::from_le_bytes)?,
            [b'd'] => reader.values::<Float64Type, 8>(rows, nulls, f64::from_le_bytes)?,
            [b't'] => views!(StringViewBuilder, reader, rows, nulls),
            [b'v'] => views!(BinaryViewBuilder, reader, rows, nulls),
            _ => return Err(damaged()),
        });
    }
    Ok(Batch::new(rows, columns))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::types::column::Batch;
    use crate::types::{Datum, Oid};

    fn sample() -> (Vec<Oid>, Batch) {
        let types = vec![
            Oid::BOOL,
            Oid::INT2,
            Oid::INT4,
            Oid::INT8,
            Oid::OID,
            Oid::FLOAT4,
            Oid::FLOAT8,
            Oid::TEXT,
            Oid::BYTEA,
            Oid::NUMERIC,
        ];
        let row = |at: i32| -> Vec<Datum> {
            vec![
                Datum::Bool(at % 2 == 0),
                Datum::Int2(7),
                Datum::Int4(at),
                Datum::Int8(i64::from(at) << 40),
                Datum::Oid(Oid(5)),
                Datum::Float4(f32::NAN),
                Datum::Float8(-0.0),
                Datum::text("long enough to lie outside of its view, \u{e9}".repeat(at as usize % 3)),
                Datum::Bytea(vec![0, 255].into()),
                Datum::Numeric(crate::types::numeric::Numeric::from_i64(i64::from(at))),
            ]
        };
        let mut rows: Vec<Vec<Datum>> = (0..19).map(row).collect();
        rows.insert(4, vec![Datum::Null; types.len()]);
        let batch = Batch::from_rows(&types, &rows);
        (types, batch)
    }

    #[test]
    fn batches_come_back() {
        let (types, batch) = sample();
        for batch in
            [batch.clone(), batch.slice(3, 9), batch.take(&[4, 4, 0]), Batch::empty(&types), batch.project(&[])]
        {
            let mut bytes = Vec::new();
            encode(&batch, &mut bytes);
            let back = decode(&bytes).unwrap();
            assert_eq!(back.rows, batch.rows);
            for (a, b) in batch.columns.iter().zip(&back.columns) {
                assert_eq!(format!("{a:?}"), format!("{b:?}"));
            }
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).is_err());
            }
        }
    }
}

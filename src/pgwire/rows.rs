//! Rows to DataRow messages, straight from columns.
//!
//! A column's representation is looked at once per batch, not once per value: numbers, text, booleans, bytes and vectors
//! are written from the Arrow arrays without an intermediate value; everything else goes through
//! [`crate::types::io`] and [`crate::types::wire`]. Invariant: after an error the buffer ends where the failed row began.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    StringViewArray, UInt32Array,
};

use crate::bail;
use crate::error::Result;
use crate::pgwire::backend::{self, Format};
use crate::types::column::{Batch, datum_at};
use crate::types::io::{self, IoContext};
use crate::types::{Datum, Oid, float, wire};

/// Longest DataRow message, bytes: what PostgreSQL can send as one.
const ROW_BYTES_MAX: usize = 0x3fff_ffff;

/// Writes the rows of one result.
pub struct RowEncoder {
    columns: Vec<(Oid, Format)>,
    text: String,
}

/// One column of a batch, ready to be written.
enum Source<'a> {
    Bool(&'a BooleanArray),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    UInt32(&'a UInt32Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Text(&'a StringViewArray),
    /// Bytes that are their own binary form.
    Raw(&'a BinaryViewArray),
    Vector(&'a BinaryViewArray),
    HalfVec(&'a BinaryViewArray),
    Other(&'a ArrayRef),
}

impl RowEncoder {
    /// An encoder for columns of these types (base types, not domains).
    ///
    /// # Panics
    /// When there are not as many formats as types.
    #[must_use]
    pub fn new(types: &[Oid], formats: &[Format]) -> Self {
        assert_eq!(types.len(), formats.len(), "every column has a format");
        Self { columns: types.iter().copied().zip(formats.iter().copied()).collect(), text: String::new() }
    }

    /// Appends the rows of `range` as DataRow messages.
    ///
    /// # Errors
    /// Those of the types' output, and `54000` for a row too long for a message.
    pub fn encode_batch(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        ctx: &IoContext<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        self.encode_tagged(b'D', batch, range, ctx, out)
    }

    /// Appends a row of values as a DataRow message.
    ///
    /// # Errors
    /// As [`RowEncoder::encode_batch`].
    pub fn encode_row(&mut self, row: &[Datum], ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let at = backend::begin(out, b'D');
        let count = u16::try_from(row.len()).expect("results have at most 65,535 columns");
        out.extend_from_slice(&count.to_be_bytes());
        let written = row.iter().zip(&self.columns).try_for_each(|(datum, (oid, format))| match (datum, format) {
            (Datum::Null, _) => {
                out.extend_from_slice(&(-1_i32).to_be_bytes());
                Ok(())
            }
            (_, Format::Binary) => measured(out, |out| wire::send(datum, *oid, ctx, out)),
            (_, Format::Text) => {
                self.text.clear();
                io::output(datum, *oid, ctx, &mut self.text)?;
                sized(out, self.text.as_bytes());
                Ok(())
            }
        });
        close(out, start, at, written)
    }

    /// The same with another message type: a record of binary COPY is a DataRow's body.
    pub(super) fn encode_tagged(
        &mut self,
        tag: u8,
        batch: &Batch,
        range: Range<usize>,
        ctx: &IoContext<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let sources: Vec<Source<'_>> = batch
            .columns
            .iter()
            .zip(&self.columns)
            .map(|(array, (oid, format))| Source::of(array, *oid, *format))
            .collect();
        let count = u16::try_from(sources.len()).expect("results have at most 65,535 columns").to_be_bytes();
        for row in range {
            let start = out.len();
            let at = backend::begin(out, tag);
            out.extend_from_slice(&count);
            let written = sources
                .iter()
                .zip(&self.columns)
                .try_for_each(|(source, (oid, format))| source.write(row, *oid, *format, ctx, &mut self.text, out));
            close(out, start, at, written)?;
        }
        Ok(())
    }
}

/// Ends the message that begins at `start`, or takes it back.
fn close(out: &mut Vec<u8>, start: usize, at: usize, written: Result<()>) -> Result<()> {
    if let Err(error) = written {
        out.truncate(start);
        return Err(error);
    }
    if out.len() - start > ROW_BYTES_MAX {
        out.truncate(start);
        bail!(PROGRAM_LIMIT_EXCEEDED, "row is too large: the maximum size is {ROW_BYTES_MAX} bytes");
    }
    backend::finish(out, at);
    Ok(())
}

/// Appends a value of known size with its length before it.
fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX >> 1).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    sized(out, itoa::Buffer::new().format(value).as_bytes());
}

/// Appends what `write` appends, with its length before it.
fn measured(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX >> 1);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

impl<'a> Source<'a> {
    fn of(array: &'a ArrayRef, oid: Oid, format: Format) -> Self {
        match oid {
            Oid::BOOL => Self::Bool(array.as_boolean()),
            Oid::INT2 => Self::Int16(array.as_primitive::<Int16Type>()),
            Oid::INT4 => Self::Int32(array.as_primitive::<Int32Type>()),
            Oid::INT8 => Self::Int64(array.as_primitive::<Int64Type>()),
            Oid::TIMESTAMP | Oid::TIMESTAMPTZ | Oid::TIME if format == Format::Binary => {
                Self::Int64(array.as_primitive::<Int64Type>())
            }
            Oid::DATE if format == Format::Binary => Self::Int32(array.as_primitive::<Int32Type>()),
            Oid::OID => Self::UInt32(array.as_primitive::<UInt32Type>()),
            Oid::FLOAT4 => Self::Float32(array.as_primitive::<Float32Type>()),
            Oid::FLOAT8 => Self::Float64(array.as_primitive::<Float64Type>()),
            Oid::TEXT | Oid::VARCHAR | Oid::BPCHAR | Oid::NAME | Oid::JSON | Oid::UNKNOWN => {
                Self::Text(array.as_string_view())
            }
            Oid::BYTEA | Oid::UUID if format == Format::Binary => Self::Raw(array.as_binary_view()),
            Oid::VECTOR => Self::Vector(array.as_binary_view()),
            Oid::HALFVEC => Self::HalfVec(array.as_binary_view()),
            _ => Self::Other(array),
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(array) => array.is_null(row),
            Self::Int16(array) => array.is_null(row),
            Self::Int32(array) => array.is_null(row),
            Self::Int64(array) => array.is_null(row),
            Self::UInt32(array) => array.is_null(row),
            Self::Float32(array) => array.is_null(row),
            Self::Float64(array) => array.is_null(row),
            Self::Text(array) => array.is_null(row),
            Self::Raw(array) | Self::Vector(array) | Self::HalfVec(array) => array.is_null(row),
            Self::Other(array) => array.is_null(row),
        }
    }

    /// Appends the value of one row: its length, -1 for NULL, and its bytes.
    fn write(
        &self,
        row: usize,
        oid: Oid,
        format: Format,
        ctx: &IoContext<'_>,
        text: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            return Ok(());
        }
        match format {
            Format::Binary => self.write_binary(row, oid, ctx, out),
            Format::Text => self.write_text(row, oid, ctx, text, out),
        }
    }

    fn write_binary(&self, row: usize, oid: Oid, ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Bool(array) => sized(out, &[u8::from(array.value(row))]),
            Self::Int16(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::Int32(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::Int64(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::UInt32(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::Float32(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::Float64(array) => sized(out, &array.value(row).to_be_bytes()),
            Self::Text(array) => sized(out, array.value(row).as_bytes()),
            Self::Raw(array) => sized(out, array.value(row)),
            Self::Vector(array) => elements::<4>(out, array.value(row)),
            Self::HalfVec(array) => elements::<2>(out, array.value(row)),
            Self::Other(array) => {
                let datum = datum_at(array, oid, row);
                return measured(out, |out| wire::send(&datum, oid, ctx, out));
            }
        }
        Ok(())
    }

    fn write_text(
        &self,
        row: usize,
        oid: Oid,
        ctx: &IoContext<'_>,
        text: &mut String,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        text.clear();
        let digits = ctx.format.extra_float_digits;
        match self {
            Self::Bool(array) => text.push(if array.value(row) { 't' } else { 'f' }),
            Self::Int16(array) => integer(out, array.value(row)),
            Self::Int32(array) => integer(out, array.value(row)),
            Self::Int64(array) => integer(out, array.value(row)),
            Self::UInt32(array) => integer(out, array.value(row)),
            Self::Float32(array) => float::output_f32(array.value(row), digits, text),
            Self::Float64(array) => float::output_f64(array.value(row), digits, text),
            Self::Text(array) => sized(out, array.value(row).as_bytes()),
            Self::Vector(array) => {
                let values = array.value(row).as_chunks::<4>().0;
                list(text, values.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            Self::HalfVec(array) => {
                let values = array.value(row).as_chunks::<2>().0;
                list(text, values.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()));
            }
            Self::Raw(_) => panic!("raw bytes are chosen for the binary format only"),
            Self::Other(array) => io::output(&datum_at(array, oid, row), oid, ctx, text)?,
        }
        if !matches!(self, Self::Int16(_) | Self::Int32(_) | Self::Int64(_) | Self::UInt32(_) | Self::Text(_)) {
            sized(out, text.as_bytes());
        }
        Ok(())
    }
}

/// pgvector's text form; its floats are always the shortest that read back the same.
fn list(text: &mut String, values: impl Iterator<Item = f32>) {
    text.push('[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            text.push(',');
        }
        float::output_f32(value, 1, text);
    }
    text.push(']');
}

/// pgvector's binary form: dimensions, an unused half word, big-endian elements of `N` bytes from little-endian ones.
fn elements<const N: usize>(out: &mut Vec<u8>, stored: &[u8]) {
    let values = stored.as_chunks::<N>().0;
    let dimensions = u16::try_from(values.len()).expect("vectors have at most 16,000 dimensions");
    out.reserve(8 + stored.len());
    out.extend_from_slice(&u32::try_from(4 + stored.len()).expect("vectors are short").to_be_bytes());
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    let start = out.len();
    out.extend_from_slice(stored);
    for element in out[start..].as_chunks_mut::<N>().0 {
        element.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::RowEncoder;
    use crate::pgwire::backend::Format;
    use crate::types::column::Batch;
    use crate::types::io::IoContext;
    use crate::types::{Datum, Oid};

    fn cells(mut bytes: &[u8]) -> Vec<Vec<Option<Vec<u8>>>> {
        let mut rows = Vec::new();
        while !bytes.is_empty() {
            assert_eq!(bytes[0], b'D');
            let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize;
            let mut body = &bytes[5..=length];
            let count = u16::from_be_bytes(body[..2].try_into().unwrap());
            body = &body[2..];
            let mut row = Vec::new();
            for _ in 0..count {
                let size = i32::from_be_bytes(body[..4].try_into().unwrap());
                body = &body[4..];
                row.push(usize::try_from(size).ok().map(|size| {
                    let (value, rest) = body.split_at(size);
                    body = rest;
                    value.to_vec()
                }));
            }
            assert!(body.is_empty());
            rows.push(row);
            bytes = &bytes[1 + length..];
        }
        rows
    }

    fn sample() -> (Vec<Oid>, Batch) {
        let types = vec![Oid::INT4, Oid::TEXT, Oid::BOOL, Oid::FLOAT8, Oid::VECTOR, Oid::DATE];
        let rows = vec![
            vec![
                Datum::Int4(-7),
                Datum::text("héllo"),
                Datum::Bool(true),
                Datum::Float8(0.1),
                Datum::Vector(vec![1.0, 2.5].into()),
                Datum::Date(0),
            ],
            vec![Datum::Null, Datum::Null, Datum::Null, Datum::Null, Datum::Null, Datum::Null],
        ];
        let batch = Batch::from_rows(&types, &rows);
        (types, batch)
    }

    #[test]
    fn text_rows_match_the_types_output() {
        let (types, batch) = sample();
        let mut out = Vec::new();
        let mut encoder = RowEncoder::new(&types, &[Format::Text; 6]);
        encoder.encode_batch(&batch, 0..2, &IoContext::fixed(), &mut out).unwrap();
        let rows = cells(&out);
        let text: Vec<&str> = rows[0].iter().map(|v| std::str::from_utf8(v.as_ref().unwrap()).unwrap()).collect();
        assert_eq!(text, ["-7", "héllo", "t", "0.1", "[1,2.5]", "2000-01-01"]);
        assert!(rows[1].iter().all(Option::is_none));
    }

    #[test]
    fn binary_rows_are_big_endian() {
        let (types, batch) = sample();
        let mut out = Vec::new();
        let mut encoder = RowEncoder::new(&types, &[Format::Binary; 6]);
        encoder.encode_batch(&batch, 0..1, &IoContext::fixed(), &mut out).unwrap();
        let row = cells(&out).remove(0);
        assert_eq!(row[0].as_deref(), Some(&(-7_i32).to_be_bytes()[..]));
        assert_eq!(row[2].as_deref(), Some(&[1][..]));
        assert_eq!(row[4].as_deref(), Some(&[0, 2, 0, 0, 0x3f, 0x80, 0, 0, 0x40, 0x20, 0, 0][..]));
        assert_eq!(row[5].as_deref(), Some(&[0; 4][..]));
    }
}

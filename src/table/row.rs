//! The stored form of a row's values, so laid out that any one column is found in constant time.
//!
//! ```text
//! width u8 | count u16 | end offset of each attribute, `width` bytes each | attribute encodings, back to back
//! ```
//!
//! All numbers are little-endian; `width` is 1, 2 or 4, the least that holds the length of the encodings. Attributes stand in
//! the order of their numbers from 1 to `count`, in the encoding of [`crate::types::codec`]. No encoding is
//! empty, so NULL is an attribute of no length and needs no bitmap; so is an attribute that was dropped before the row was written.
//! Reading needs no type of any other column, so a row outlives changes of its table: an attribute beyond
//! `count` was added later and has the column's `missing` value.

use crate::catalog::descriptor::{AttNum, ColumnDesc, TableDesc};
use crate::error::{Error, Result};
use crate::types::column::ColumnBuilder;
use crate::types::{Datum, Oid, codec};

/// Bytes before the offsets.
const HEADER: usize = 3;

/// Appends the stored form of `row`, one value per live column of the table in `columns` order.
///
/// # Errors
/// `54000` when the row takes 4 GiB or more.
///
/// # Panics
/// When the number of values is not that of the columns.
pub fn encode(desc: &TableDesc, row: &[Datum], out: &mut Vec<u8>) -> Result<()> {
    assert_eq!(row.len(), desc.columns.len(), "a row has one value per live column");
    let start = out.len();
    // Two-byte offsets first: most rows fit, a narrow one is repacked in place, and only a very wide one is encoded twice.
    let mut length = encode_with(desc, row, out, 2);
    if length <= usize::from(u8::MAX) {
        narrow(out, start);
    } else if length > usize::from(u16::MAX) {
        out.truncate(start);
        length = encode_with(desc, row, out, 4);
        if u32::try_from(length).is_err() {
            return Err(too_big(length));
        }
    }
    Ok(())
}

/// The error for a row whose stored form would take `length` bytes.
pub(super) fn too_big(length: usize) -> Error {
    crate::error!(PROGRAM_LIMIT_EXCEEDED, "row is too big: size {length}, maximum size {}", u32::MAX)
}

/// Appends a row with offsets of `width` bytes, whether they fit or not; the length of the encodings.
fn encode_with(desc: &TableDesc, row: &[Datum], out: &mut Vec<u8>, width: usize) -> usize {
    let count = usize::try_from(desc.next_attnum - 1).expect("attribute numbers are positive");
    out.push(width as u8);
    out.extend_from_slice(&(count as u16).to_le_bytes());
    let ends = out.len();
    out.resize(ends + count * width, 0);
    let data = out.len();
    let mut next = 1;
    let mut put_end = |out: &mut Vec<u8>, until: usize| {
        let end = ((out.len() - data) as u64).to_le_bytes();
        while next < until {
            let at = ends + (next - 1) * width;
            out[at..at + width].copy_from_slice(&end[..width]);
            next += 1;
        }
    };
    for (column, datum) in desc.columns.iter().zip(row) {
        let attnum = column.attnum as usize;
        // Dropped attributes before this one have no length: they end where the last live one ended.
        put_end(out, attnum);
        if !datum.is_null() {
            codec::encode(datum, out);
        }
        put_end(out, attnum + 1);
    }
    put_end(out, count + 1);
    out.len() - data
}

/// Repacks the row at `start` from two-byte to one-byte offsets.
fn narrow(out: &mut Vec<u8>, start: usize) {
    let count = usize::from(u16::from_le_bytes([out[start + 1], out[start + 2]]));
    let ends = start + HEADER;
    out[start] = 1;
    for index in 0..count {
        out[ends + index] = out[ends + 2 * index];
    }
    let length = out.len();
    out.copy_within(ends + 2 * count..length, ends + count);
    out.truncate(length - count);
}

/// One attribute of a stored row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// NULL.
    Null,
    /// The row was written before the column was added.
    Missing,
    /// Its encoding.
    Value(&'a [u8]),
}

/// A stored row, opened for reading.
#[derive(Clone, Copy, Debug)]
pub struct RowReader<'a> {
    width: usize,
    count: usize,
    ends: &'a [u8],
    data: &'a [u8],
}

fn corrupt() -> Error {
    Error::corrupt("stored row has an invalid layout")
}

impl<'a> RowReader<'a> {
    /// Opens the stored form of a row.
    ///
    /// # Errors
    /// `XX001` when the header is not one that [`encode`] writes.
    #[inline]
    pub fn open(bytes: &'a [u8]) -> Result<Self> {
        let Some((&[width, low, high], rest)) = bytes.split_first_chunk::<HEADER>() else { return Err(corrupt()) };
        let (width, count) = (usize::from(width), usize::from(u16::from_le_bytes([low, high])));
        if !matches!(width, 1 | 2 | 4) {
            return Err(corrupt());
        }
        let (ends, data) = rest.split_at_checked(width * count).ok_or_else(corrupt)?;
        Ok(Self { width, count, ends, data })
    }

    #[inline]
    fn end(&self, index: usize) -> usize {
        let at = &self.ends[index * self.width..];
        match self.width {
            1 => usize::from(at[0]),
            2 => usize::from(u16::from_le_bytes([at[0], at[1]])),
            _ => u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize,
        }
    }

    /// The attribute with this number.
    ///
    /// # Errors
    /// `XX001` when its offsets do not lie in the row.
    #[inline]
    pub fn attribute(&self, attnum: AttNum) -> Result<Attribute<'a>> {
        let index = attnum as usize - 1;
        if index >= self.count {
            return Ok(Attribute::Missing);
        }
        let start = if index == 0 { 0 } else { self.end(index - 1) };
        match self.data.get(start..self.end(index)) {
            Some([]) => Ok(Attribute::Null),
            Some(value) => Ok(Attribute::Value(value)),
            None => Err(corrupt()),
        }
    }

    /// The value of a column.
    ///
    /// # Errors
    /// `XX001` when the bytes do not decode.
    pub fn datum(&self, column: &ColumnDesc) -> Result<Datum> {
        let bytes = match self.attribute(column.attnum)? {
            Attribute::Null => return Ok(Datum::Null),
            Attribute::Value(bytes) => bytes,
            Attribute::Missing => match &column.missing {
                None => return Ok(Datum::Null),
                Some(missing) => missing,
            },
        };
        codec::decode(column.stored_type().oid, bytes).map(|(datum, _)| datum)
    }

    /// The values of the columns at `positions` of the table.
    ///
    /// # Errors
    /// As [`RowReader::datum`].
    pub fn datums(&self, desc: &TableDesc, positions: &[usize]) -> Result<Vec<Datum>> {
        positions.iter().map(|position| self.datum(&desc.columns[*position])).collect()
    }

    /// The values of all live columns.
    ///
    /// # Errors
    /// As [`RowReader::datum`].
    pub fn all(&self, desc: &TableDesc) -> Result<Vec<Datum>> {
        desc.columns.iter().map(|column| self.datum(column)).collect()
    }
}

/// Turns stored rows into columns without making values in between.
pub struct RowColumns {
    columns: Vec<Wanted>,
}

struct Wanted {
    attnum: AttNum,
    missing: Option<Vec<u8>>,
    builder: ColumnBuilder,
}

impl RowColumns {
    /// Columns at `positions` of the table, with room for `capacity` rows.
    #[must_use]
    pub fn new(desc: &TableDesc, positions: &[usize], capacity: usize) -> Self {
        let wanted = |position: &usize| {
            let column = &desc.columns[*position];
            let builder = ColumnBuilder::new(column.stored_type().oid, capacity);
            Wanted { attnum: column.attnum, missing: column.missing.clone(), builder }
        };
        Self { columns: positions.iter().map(wanted).collect() }
    }

    /// Appends a stored row.
    ///
    /// # Errors
    /// `XX001` when the bytes do not decode.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let reader = RowReader::open(bytes)?;
        for column in &mut self.columns {
            match reader.attribute(column.attnum)? {
                Attribute::Null => column.builder.push_null(),
                Attribute::Value(value) => {
                    column.builder.push_encoded(value)?;
                }
                Attribute::Missing => match &column.missing {
                    None => column.builder.push_null(),
                    Some(missing) => {
                        column.builder.push_encoded(missing)?;
                    }
                },
            }
        }
        Ok(())
    }

    /// The columns; the collector is empty afterwards and can be used again.
    pub fn finish(&mut self) -> Vec<arrow_array::ArrayRef> {
        self.columns.iter_mut().map(|column| column.builder.finish()).collect()
    }

    /// The types of the columns.
    #[must_use]
    pub fn types(&self) -> Vec<Oid> {
        self.columns.iter().map(|column| column.builder.oid()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::test_support::table;
    use crate::types::column::datum_at;

    #[test]
    fn rows_survive_and_one_column_is_read_alone() {
        let desc = table(&[("a", Oid::INT4), ("b", Oid::TEXT), ("v", Oid::VECTOR), ("c", Oid::INT8)]);
        for (text, dims) in [("", 1), ("x", 3), (&*"long".repeat(100), 384), (&*"é".repeat(40_000), 2)] {
            let vector = Datum::Vector((0..dims).map(|i| i as f32 / 7.0).collect());
            let row = [Datum::Int4(-5), Datum::text(text), vector, Datum::Null];
            let mut bytes = vec![9, 9];
            encode(&desc, &row, &mut bytes).unwrap();
            let reader = RowReader::open(&bytes[2..]).unwrap();
            assert_eq!(format!("{:?}", reader.all(&desc).unwrap()), format!("{row:?}"));
            let mut columns = RowColumns::new(&desc, &[3, 1], 1);
            columns.push(&bytes[2..]).unwrap();
            let columns = columns.finish();
            assert!(datum_at(&columns[0], Oid::INT8, 0).is_null());
            assert_eq!(datum_at(&columns[1], Oid::TEXT, 0).as_text(), Some(text));
        }
    }

    #[test]
    fn rows_outlive_dropped_and_added_columns() {
        let old = table(&[("a", Oid::INT4), ("b", Oid::TEXT), ("c", Oid::INT8)]);
        let mut bytes = Vec::new();
        encode(&old, &[Datum::Int4(1), Datum::text("gone"), Datum::Int8(3)], &mut bytes).unwrap();
        let mut new =
            table(&[("a", Oid::INT4), ("b", Oid::TEXT), ("c", Oid::INT8), ("d", Oid::INT2), ("e", Oid::INT2)]);
        new.columns.remove(1);
        new.columns[2].missing = Some(7i16.to_le_bytes().to_vec());
        let values = RowReader::open(&bytes).unwrap().all(&new).unwrap();
        assert_eq!(format!("{values:?}"), "[Int4(1), Int8(3), Int2(7), Null]");
        bytes.clear();
        let row = [Datum::Int4(1), Datum::Int8(4), Datum::Null, Datum::Int2(5)];
        encode(&new, &row, &mut bytes).unwrap();
        let reader = RowReader::open(&bytes).unwrap();
        assert_eq!(reader.attribute(2).unwrap(), Attribute::Null);
        assert_eq!(format!("{:?}", reader.all(&new).unwrap()), format!("{row:?}"));
    }

    #[test]
    fn damaged_rows_are_reported() {
        let desc = table(&[("a", Oid::INT4), ("b", Oid::TEXT)]);
        let mut bytes = Vec::new();
        encode(&desc, &[Datum::Int4(1), Datum::text("abc")], &mut bytes).unwrap();
        for length in 0..bytes.len() {
            let result = RowReader::open(&bytes[..length]).and_then(|reader| reader.all(&desc));
            assert_eq!(result.unwrap_err().sqlstate().as_str(), "XX001", "cut to {length}");
        }
    }
}

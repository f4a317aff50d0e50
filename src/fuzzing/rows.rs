//! Stored rows: valid ones survive, any bytes give values or `XX001`, and both readers see the same.

use std::sync::Arc;

use super::lookup;
use super::source::Source;
use crate::catalog::descriptor::{ColumnDesc, StorageId, TableDesc};
use crate::table::row::{self, RowColumns, RowReader};
use crate::types::column::datum_at;
use crate::types::io::FormatSettings;
use crate::types::{Datum, Oid, SqlType, codec};

/// Columns, then either a stored row or values for one.
pub(super) fn run(data: &[u8]) {
    let mut source = Source(data);
    let (stored, count) = (source.below(2) == 0, source.below(6) + 1);
    let chosen: Vec<Oid> = (0..count).map(|_| source.oid()).collect();
    let desc = table(&chosen);
    if stored {
        read(&desc, source.0);
        let _ = codec::decode(desc.columns[0].ty.oid, source.0);
        let _ = codec::decode_raw(desc.columns[0].ty.oid, source.0);
        return;
    }
    let format = FormatSettings::default();
    let ctx = lookup::context(&format);
    let row: Vec<Datum> = chosen.iter().map(|oid| source.datum(*oid, &ctx).unwrap_or(Datum::Null)).collect();
    let bytes = encode(&desc, &row);
    let again = read(&desc, &bytes).expect("a row that was written is read");
    assert_eq!(format!("{row:?}"), format!("{again:?}"), "a row and what was read of it");
    for (column, datum) in desc.columns.iter().zip(&row).filter(|(_, datum)| !datum.is_null()) {
        alone(column.ty.oid, datum);
    }
}

/// One value's encoding knows its length, whatever follows it.
fn alone(oid: Oid, datum: &Datum) {
    let mut bytes = Vec::new();
    codec::encode(datum, &mut bytes);
    let length = bytes.len();
    assert!(length > 0, "an empty encoding would be NULL");
    bytes.extend_from_slice(&[0xff; 3]);
    assert_eq!(codec::encoded_len(oid, &bytes).expect("a length"), length, "{datum:?}");
    assert_eq!(codec::decode(oid, &bytes).expect("a value").1, length, "{datum:?}");
}

fn encode(desc: &TableDesc, row: &[Datum]) -> Vec<u8> {
    let mut bytes = Vec::new();
    row::encode(desc, row, &mut bytes).expect("rows of inputs are small");
    bytes
}

/// Reads a row in both ways; `None` when it is damaged.
fn read(desc: &TableDesc, bytes: &[u8]) -> Option<Vec<Datum>> {
    let positions: Vec<usize> = (0..desc.columns.len()).collect();
    let mut columns = RowColumns::new(desc, &positions, 1);
    let pushed = columns.push(bytes);
    let row = match RowReader::open(bytes).and_then(|reader| reader.all(desc)) {
        Ok(row) => row,
        Err(error) => {
            assert_eq!(error.sqlstate().as_str(), "XX001");
            return None;
        }
    };
    pushed.expect("columns take what decodes");
    let arrays = columns.finish();
    let types = columns.types();
    let seen: Vec<Datum> = arrays.iter().zip(&types).map(|(array, oid)| datum_at(array, *oid, 0)).collect();
    assert_eq!(format!("{row:?}"), format!("{seen:?}"), "both readers");
    let again =
        RowReader::open(&encode(desc, &row)).and_then(|reader| reader.all(desc)).expect("a row that was written");
    assert_eq!(format!("{row:?}"), format!("{again:?}"), "read, written and read again");
    Some(row)
}

fn table(types: &[Oid]) -> TableDesc {
    let column = |(index, oid): (usize, &Oid)| ColumnDesc {
        attnum: index as i16 + 1,
        name: format!("c{index}"),
        ty: SqlType::of(lookup::stored(*oid)),
        not_null: false,
        default: None,
        generated: None,
        generated_virtual: false,
        identity: None,
        missing: None,
        collation: Oid::NONE,
        storage: None,
        statistics: None,
        base: None,
    };
    TableDesc {
        oid: Oid(100),
        row_type: Oid(101),
        schema: Oid(2200),
        name: "t".to_owned(),
        owner: Oid(10),
        storage: StorageId(100),
        columns: types.iter().enumerate().map(column).collect(),
        next_attnum: types.len() as i16 + 1,
        constraints: Vec::new(),
        indexes: Vec::<Arc<_>>::new(),
        temporary: false,
        unlogged: false,
        options: Vec::new(),
    }
}

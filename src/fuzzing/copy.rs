//! COPY data: pieces do not matter, text fields are text, and what the writer writes the reader reads.

use super::source::{Source, in_pieces};
use crate::pgwire::copy_format::{CopyFormat, CopyOptions, CopyReader, CopyWriter, Field, ForceColumns};
use crate::sql::ast::CopyValue;
use crate::types::column::Batch;
use crate::types::io::IoContext;
use crate::types::{Datum, Oid};

const DELIMITERS: [&str; 6] = ["\t", ",", "|", ";", " ", "\u{1}"];
const NULLS: [&str; 5] = ["\\N", "", "NULL", "\\", "x y"];
const QUOTES: [&str; 4] = ["\"", "'", "$", "\\"];
const HEADERS: [&str; 3] = ["false", "true", "match"];

/// Options, a number of columns, the size of pieces, then the data.
pub(super) fn run(data: &[u8]) {
    let mut source = Source(data);
    let format = source.below(3);
    let columns: Vec<String> = (0..source.below(5)).map(|index| format!("c{index}")).collect();
    let Ok(options) = CopyOptions::new(&given(&mut source, format), true) else { return };
    let most = source.below(40) + 1;
    let binary = options.format == CopyFormat::Binary;
    let whole = read(&options, &columns, source.0, usize::MAX);
    assert_eq!(whole, read(&options, &columns, source.0, most), "pieces of up to {most} bytes");
    if let Records { rows, error: None } = whole
        && !binary
        && !columns.is_empty()
    {
        write(&options, &columns, &rows);
    }
}

fn given(source: &mut Source<'_>, format: usize) -> Vec<(String, CopyValue)> {
    let text = |name: &str, value: &str| (name.to_owned(), CopyValue::Text(value.to_owned()));
    let mut given = vec![text("format", ["text", "csv", "binary"][format])];
    let flags = source.byte();
    let mut pick = |from: &[&'static str]| from[source.below(from.len())];
    if format < 2 {
        given.push(text("delimiter", if flags & 1 == 0 { ["\t", ","][format] } else { pick(&DELIMITERS) }));
        given.push(text("null", if flags & 2 == 0 { ["\\N", ""][format] } else { pick(&NULLS) }));
        given.push(text("header", if flags & 4 == 0 { "false" } else { pick(&HEADERS) }));
        if flags & 8 != 0 {
            given.push(text("default", "\\D"));
        }
    }
    if format == 1 {
        given.push(text("quote", if flags & 16 == 0 { "\"" } else { pick(&QUOTES) }));
        given.push(text("escape", if flags & 32 == 0 { "\"" } else { pick(&QUOTES) }));
        let column = || CopyValue::Columns(vec!["c0".to_owned()]);
        if flags & 64 != 0 {
            given.push(("force_not_null".to_owned(), CopyValue::Star));
        }
        if flags & 128 != 0 {
            given.push(("force_null".to_owned(), column()));
        }
    }
    given
}

#[derive(Debug, Default, PartialEq)]
struct Records {
    rows: Vec<Vec<Option<Vec<u8>>>>,
    error: Option<String>,
}

fn read(options: &CopyOptions, columns: &[String], data: &[u8], most: usize) -> Records {
    let mut reader = CopyReader::new(options.clone(), "t", columns.to_vec());
    let mut records = Records::default();
    if most == usize::MAX {
        reader.push(data);
        drain(&mut reader, options, columns.len(), &mut records);
    } else {
        in_pieces(data, most, |piece| {
            if records.error.is_none() {
                reader.push(piece);
                drain(&mut reader, options, columns.len(), &mut records);
            }
        });
    }
    reader.finish();
    if records.error.is_none() {
        drain(&mut reader, options, columns.len(), &mut records);
    }
    records
}

fn drain(reader: &mut CopyReader, options: &CopyOptions, columns: usize, records: &mut Records) {
    loop {
        match reader.next() {
            Ok(true) => records.rows.push((0..columns).map(|index| field(reader, options, index)).collect()),
            Ok(false) => return,
            Err(error) => {
                let report = error.report();
                records.error = Some(format!("{} {:?}", report.message, report.context));
                return;
            }
        }
    }
}

fn field(reader: &CopyReader, options: &CopyOptions, index: usize) -> Option<Vec<u8>> {
    assert!(!reader.column_context(index).is_empty() && !reader.context().is_empty());
    match reader.field(index) {
        Field::Null => None,
        Field::Default => Some(b"\\D".to_vec()),
        Field::Value(value) => {
            if options.format != CopyFormat::Binary {
                assert_eq!(reader.text(index).map(str::as_bytes), Some(value));
            }
            Some(value.to_vec())
        }
    }
}

/// Writes rows as text columns and reads them again.
fn write(options: &CopyOptions, columns: &[String], rows: &[Vec<Option<Vec<u8>>>]) {
    // The text format does not protect a value that looks like NULL, nor does either format one that looks like DEFAULT;
    // FORCE options of COPY FROM change values on purpose.
    let plain = CopyOptions { force_null: ForceColumns::None, force_not_null: ForceColumns::None, ..options.clone() };
    let plain = CopyOptions { default: None, ..plain };
    if plain.format == CopyFormat::Text && plain.null != "\\N" {
        return;
    }
    let datum = |value: &Option<Vec<u8>>| match value {
        None => Datum::Null,
        Some(bytes) => Datum::text(std::str::from_utf8(bytes).expect("text fields are text")),
    };
    let types = vec![Oid::TEXT; columns.len()];
    let data: Vec<Vec<Datum>> = rows.iter().map(|row| row.iter().map(datum).collect()).collect();
    let mut out = Vec::new();
    let mut writer = CopyWriter::new(plain.clone(), columns.to_vec(), &types);
    writer.begin(&mut out);
    writer
        .encode_batch(&Batch::from_rows(&types, &data), 0..rows.len(), &IoContext::fixed(), &mut out)
        .expect("text can be written");
    writer.finish(&mut out);
    let again = read(&plain, columns, &bodies(&out), usize::MAX);
    assert_eq!(again, Records { rows: rows.to_vec(), error: None }, "written and read again");
}

/// The contents of CopyData messages.
fn bodies(mut messages: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((head, rest)) = messages.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        out.extend_from_slice(&rest[..length]);
        messages = &rest[length..];
    }
    out
}

//! PostgreSQL's words for violated constraints. The schema's name is added by a floor that knows it.

use crate::catalog::descriptor::{IndexDesc, IndexTarget, TableDesc};
use crate::error::{Error, SqlState};
use crate::types::io::{self, IoContext};
use crate::types::{Datum, Oid};

/// Bytes of a value that a failing row shows before it is cut.
const VALUE_SHOWN_MAX: usize = 64;

/// `duplicate key value violates unique constraint`.
pub(super) fn duplicate_key(desc: &TableDesc, index: &IndexDesc, key: &[Datum], io: &IoContext<'_>) -> Error {
    let error = crate::error!(UNIQUE_VIOLATION, "duplicate key value violates unique constraint \"{}\"", index.name);
    about_index(error.detail(format!("{} already exists.", describe_key(desc, index, key, io))), desc, index)
}

/// `could not create unique index`.
pub(super) fn cannot_create_unique(desc: &TableDesc, index: &IndexDesc, key: &[Datum], io: &IoContext<'_>) -> Error {
    let error = crate::error!(UNIQUE_VIOLATION, "could not create unique index \"{}\"", index.name);
    about_index(error.detail(format!("{} is duplicated.", describe_key(desc, index, key, io))), desc, index)
}

/// `null value in column ... violates not-null constraint`.
pub(super) fn null_value(desc: &TableDesc, position: usize, row: &[Datum], io: &IoContext<'_>) -> Error {
    let column = &desc.columns[position].name;
    let mut error = Error::new(
        SqlState::NOT_NULL_VIOLATION,
        format!("null value in column \"{column}\" of relation \"{}\" violates not-null constraint", desc.name),
    )
    .detail(failing_row(desc, row, io))
    .column(column.clone());
    error.report_mut().table = Some(desc.name.clone());
    error
}

/// Refuses NULL in NOT NULL columns.
///
/// # Errors
/// `23502` for the first of them.
pub fn check_not_null(desc: &TableDesc, row: &[Datum], io: &IoContext<'_>) -> crate::error::Result<()> {
    match (0..desc.columns.len()).find(|position| desc.columns[*position].not_null && row[*position].is_null()) {
        Some(position) => Err(null_value(desc, position, row, io)),
        None => Ok(()),
    }
}

fn about_index(error: Error, desc: &TableDesc, index: &IndexDesc) -> Error {
    let mut error = error.constraint(index.name.clone());
    error.report_mut().table = Some(desc.name.clone());
    error
}

/// `Key (a, b)=(1, 2)`.
fn describe_key(desc: &TableDesc, index: &IndexDesc, key: &[Datum], io: &IoContext<'_>) -> String {
    let mut text = String::from("Key (");
    for (at, part) in index.keys.iter().enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        match &part.target {
            IndexTarget::Expr(sql) => text.push_str(sql),
            IndexTarget::Column(attnum) => {
                let position = desc.position_of(*attnum).expect("an index names live columns");
                text.push_str(&quote_identifier(&desc.columns[position].name));
            }
        }
    }
    text.push_str(")=(");
    for (at, (part, datum)) in index.keys.iter().zip(key).enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        print(datum, part.ty.oid, io, &mut text);
    }
    text.push(')');
    text
}

/// `Failing row contains (1, null, abc).`: long values are cut.
pub fn failing_row(desc: &TableDesc, row: &[Datum], io: &IoContext<'_>) -> String {
    let mut text = String::from("Failing row contains (");
    for (at, (column, datum)) in desc.columns.iter().zip(row).enumerate() {
        text.push_str(if at > 0 { ", " } else { "" });
        let start = text.len();
        print(datum, column.stored_type().oid, io, &mut text);
        if text.len() - start > VALUE_SHOWN_MAX {
            text.truncate(text.floor_char_boundary(start + VALUE_SHOWN_MAX));
            text.push_str("...");
        }
    }
    text.push_str(").");
    text
}

fn print(datum: &Datum, oid: Oid, io: &IoContext<'_>, text: &mut String) {
    if datum.is_null() {
        text.push_str("null");
    } else if io::output(datum, oid, io, text).is_err() {
        // The violation matters more than a value that does not print.
        text.push('?');
    }
}

/// A column name as PostgreSQL prints it in a key: quoted when it is not a plain lower-case word.
fn quote_identifier(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

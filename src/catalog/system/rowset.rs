//! Rows of a system relation, made by column name.
//!
//! A maker says which columns it fills and then gives their values in that order; what it leaves out is NULL, or the zero
//! of its type where the shape says NOT NULL. Numbers are written as `i64` and take the width of their column, so a row always fits its shape.

use std::sync::Arc;

use crate::catalog::descriptor::RelationDesc;
use crate::types::array::{ArrayDim, ArrayValue, builtin_element};
use crate::types::column::{Physical, physical_of};
use crate::types::{Datum, Oid};

/// Rows in the making.
pub struct RowSet<'a> {
    desc: &'a RelationDesc,
    places: Vec<usize>,
    template: Vec<Datum>,
    rows: Vec<Vec<Datum>>,
}

impl<'a> RowSet<'a> {
    /// No rows yet; `columns` are those that [`RowSet::push`] gives values for.
    ///
    /// # Panics
    /// When the relation has no such column: makers and shapes come with the program.
    pub fn new(desc: &'a RelationDesc, columns: &[&str]) -> Self {
        let places = columns
            .iter()
            .map(|name| match desc.columns.iter().position(|column| column.name == *name) {
                Some(at) => at,
                None => panic!("{} has no column {name}", desc.name),
            })
            .collect();
        let template = desc
            .columns
            .iter()
            .map(|column| if column.not_null { zero_of(column.ty.oid) } else { Datum::Null })
            .collect();
        Self { desc, places, template, rows: Vec::new() }
    }

    /// Changes what a column that is not given per row has.
    pub fn preset(&mut self, column: &str, value: Datum) {
        let at = self.desc.columns.iter().position(|found| found.name == column);
        let at = at.expect("presets name columns of the relation");
        self.template[at] = fit(self.desc.columns[at].ty.oid, value);
    }

    /// Adds a row.
    pub fn push<const N: usize>(&mut self, values: [Datum; N]) {
        self.push_vec(values.into());
    }

    /// Adds a row.
    ///
    /// # Panics
    /// When there are not as many values as columns were named.
    pub fn push_vec(&mut self, values: Vec<Datum>) {
        assert_eq!(values.len(), self.places.len(), "{}: one value per named column", self.desc.name);
        let mut row = self.template.clone();
        for (place, value) in self.places.iter().zip(values) {
            row[*place] = fit(self.desc.columns[*place].ty.oid, value);
        }
        self.rows.push(row);
    }

    /// The rows.
    pub fn finish(self) -> Vec<Vec<Datum>> {
        self.rows
    }
}

/// A number as the column's type has it; other values unchanged.
fn fit(column: Oid, value: Datum) -> Datum {
    let Datum::Int8(number) = value else { return value };
    match physical_of(column) {
        Physical::Int16 => Datum::Int2(i16::try_from(number).expect("the maker gives small numbers")),
        Physical::Int32 => Datum::Int4(i32::try_from(number).expect("the maker gives small numbers")),
        Physical::UInt32 => Datum::Oid(Oid(u32::try_from(number).expect("the maker gives OIDs"))),
        Physical::Float32 => Datum::Float4(number as f32),
        Physical::Float64 => Datum::Float8(number as f64),
        Physical::Text => Datum::text(number.to_string()),
        _ => match column {
            Oid::TIMESTAMPTZ => Datum::Timestamptz(number),
            _ => value,
        },
    }
}

/// What a NOT NULL column has when the maker does not say.
fn zero_of(column: Oid) -> Datum {
    match physical_of(column) {
        Physical::Bool => Datum::Bool(false),
        Physical::Text => Datum::text(""),
        Physical::Bytes => match builtin_element(column) {
            Some(element) => array(element, Vec::new()),
            None if column == Oid::INTERNAL_CHAR => Datum::Char(0),
            None => Datum::Null,
        },
        _ => fit(column, int(0)),
    }
}

/// A text.
pub fn text(value: impl AsRef<str>) -> Datum {
    Datum::text(value.as_ref())
}

/// A text or NULL.
pub fn text_or_null(value: Option<impl AsRef<str>>) -> Datum {
    value.map_or(Datum::Null, text)
}

/// An OID.
pub fn oid(value: Oid) -> Datum {
    Datum::Oid(value)
}

/// A number of whatever width the column has.
pub fn int(value: impl Into<i64>) -> Datum {
    Datum::Int8(value.into())
}

/// A boolean.
pub fn flag(value: bool) -> Datum {
    Datum::Bool(value)
}

/// `YES` or `NO`.
pub fn yes_no(value: bool) -> Datum {
    text(if value { "YES" } else { "NO" })
}

/// A `"char"`; `'\0'` is the empty one.
pub fn letter(value: char) -> Datum {
    Datum::Char(u8::try_from(value).unwrap_or(b'?'))
}

/// A point in time, microseconds since 2000-01-01 UTC.
pub fn time(value: i64) -> Datum {
    Datum::Timestamptz(value)
}

/// A one-dimensional array.
pub fn array(element: Oid, items: Vec<Datum>) -> Datum {
    Datum::Array(Arc::new(ArrayValue::from_items(element, items)))
}

/// An array of texts.
pub fn texts(items: impl IntoIterator<Item = String>) -> Datum {
    array(Oid::TEXT, items.into_iter().map(text).collect())
}

/// An array of smallints.
pub fn smallints(items: impl IntoIterator<Item = i16>) -> Datum {
    array(Oid::INT2, items.into_iter().map(Datum::Int2).collect())
}

/// An `int2vector` or `oidvector`, whose subscripts begin at 0.
pub fn vector(element: Oid, items: Vec<Datum>) -> Datum {
    let dims = match i32::try_from(items.len()).expect("vectors are short") {
        0 => Vec::new(),
        length => vec![ArrayDim { length, lower_bound: 0 }],
    };
    Datum::Array(Arc::new(ArrayValue { element, dims, items }))
}

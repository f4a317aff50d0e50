//! Rows out of JSON: `json_to_record`, `json_populate_record` and their kin.
//!
//! Both types are read through [`Item`], so that values of `json` keep their spelling where they become text or `json`.

use std::sync::Arc;

use super::jsonb::jsonb;
use crate::bail;
use crate::error::{Error, Result};
use crate::sql::eval::context::ArgTypes;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::array::{ArrayDim, ArrayValue};
use crate::types::io::{self, IoContext, UserType};
use crate::types::json::JsonValue;
use crate::types::json::parse::{Node, NodeKind, parse_nodes, parse_value};
use crate::types::typmod::coerce;
use crate::types::{Datum, FieldNames, Oid, RecordValue, SqlType};

/// A JSON value of either type.
#[derive(Clone, Copy)]
enum Item<'a> {
    Json(&'a str, &'a Node),
    Jsonb(&'a JsonValue),
}

impl<'a> Item<'a> {
    fn is_null(self) -> bool {
        match self {
            Item::Json(_, node) => matches!(node.kind, NodeKind::Null),
            Item::Jsonb(value) => matches!(value, JsonValue::Null),
        }
    }

    /// The value as `json` text.
    fn json_text(self) -> String {
        match self {
            Item::Json(document, node) => document[node.span.clone()].to_owned(),
            Item::Jsonb(value) => value.to_text(),
        }
    }

    fn string(self) -> Option<&'a str> {
        match self {
            Item::Json(_, Node { kind: NodeKind::String(text), .. }) | Item::Jsonb(JsonValue::String(text)) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The elements of an array.
    fn elements(self) -> Option<Vec<Item<'a>>> {
        match self {
            Item::Json(document, Node { kind: NodeKind::Array(items), .. }) => {
                Some(items.iter().map(|item| Item::Json(document, item)).collect())
            }
            Item::Jsonb(JsonValue::Array(items)) => Some(items.iter().map(Item::Jsonb).collect()),
            _ => None,
        }
    }

    fn is_object(self) -> bool {
        matches!(self, Item::Json(_, Node { kind: NodeKind::Object(_), .. }) | Item::Jsonb(JsonValue::Object(_)))
    }

    /// The member of an object, the last of several.
    fn get(self, key: &str) -> Option<Item<'a>> {
        match self {
            Item::Json(document, Node { kind: NodeKind::Object(members), .. }) => {
                members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| Item::Json(document, value))
            }
            Item::Jsonb(value) => value.get(key).map(Item::Jsonb),
            Item::Json(..) => None,
        }
    }
}

/// The columns of a row: names and types.
struct Shape {
    type_oid: Oid,
    columns: Vec<(String, SqlType)>,
}

impl Shape {
    fn names(&self) -> FieldNames {
        self.columns.iter().map(|(name, _)| Arc::from(name.as_str())).collect()
    }
}

/// The columns of a composite type.
fn composite(oid: Oid, io: &IoContext<'_>) -> Option<Shape> {
    let Some(UserType::Composite(types)) = io.lookup.user_type(oid) else { return None };
    let names = io.lookup.field_names(oid);
    let name = |index: usize| names.as_ref().and_then(|names| names.get(index)).map(ToString::to_string);
    let columns = types.iter().enumerate().map(|(index, ty)| (name(index).unwrap_or_default(), *ty)).collect();
    Some(Shape { type_oid: oid, columns })
}

/// The shape of the result: a column definition list, the result type, or the row given as a base.
fn shape_of(ctx: &FnContext<'_>, base: Option<&Datum>) -> Result<Shape> {
    let io = ctx.io();
    if let Some(shape) = composite(ctx.result.oid, &io) {
        return Ok(shape);
    }
    if let ArgTypes::Call { columns, .. } = ctx.args {
        let columns = columns.iter().map(|field| (field.name.clone(), field.ty)).collect();
        return Ok(Shape { type_oid: Oid::RECORD, columns });
    }
    if let Some(Datum::Record(record)) = base {
        let column = |(index, (oid, _)): (usize, &(Oid, Datum))| {
            (super::json_convert::field_name(record, index, &io), SqlType::of(*oid))
        };
        return Ok(Shape {
            type_oid: record.type_oid,
            columns: record.fields.iter().enumerate().map(column).collect(),
        });
    }
    let name = ctx.function.name;
    Err(crate::error!(FEATURE_NOT_SUPPORTED, "could not determine row type for result of {name}").hint(
        "Provide a non-null record argument, or call the function in the FROM clause using a column definition list.",
    ))
}

/// The fields of a row; columns without a member keep the base's value.
fn fields(item: Item<'_>, shape: &Shape, base: Option<&RecordValue>, io: &IoContext<'_>) -> Result<Vec<Datum>> {
    if !item.is_object() {
        let what = if item.elements().is_some() { "an array" } else { "a scalar" };
        bail!(INVALID_PARAMETER_VALUE, "cannot call populate_composite on {what}");
    }
    let column = |(index, (name, ty)): (usize, &(String, SqlType))| match item.get(name) {
        Some(value) => convert(value, *ty, name, io),
        None => Ok(base.and_then(|base| base.fields.get(index)).map_or(Datum::Null, |(_, value)| value.clone())),
    };
    shape.columns.iter().enumerate().map(column).collect()
}

/// A member's value as a column's type.
fn convert(item: Item<'_>, ty: SqlType, name: &str, io: &IoContext<'_>) -> Result<Datum> {
    if item.is_null() {
        return Ok(Datum::Null);
    }
    match ty.oid {
        Oid::JSON => return Ok(Datum::text(item.json_text())),
        Oid::JSONB => {
            let value = match item {
                Item::Jsonb(value) => value.clone(),
                Item::Json(..) => parse_value(&item.json_text())?,
            };
            return Ok(Datum::Jsonb(Arc::new(value)));
        }
        _ => {}
    }
    if item.string().is_none() {
        if let Some(element) = io::array_element(ty.oid, io) {
            return convert_array(item, SqlType::with(element, ty.typmod), name, io);
        }
        if let Some(shape) = composite(ty.oid, io) {
            let values = fields(item, &shape, None, io)?;
            return Ok(record(&shape, values));
        }
        if let Some(UserType::Domain(base)) = io.lookup.user_type(ty.oid) {
            return convert(item, base, name, io);
        }
    }
    let text = item.string().map_or_else(|| item.json_text(), str::to_owned);
    coerce(io::input(&text, ty, io)?, ty, false)
}

fn record(shape: &Shape, values: Vec<Datum>) -> Datum {
    let fields = shape.columns.iter().map(|(_, ty)| ty.oid).zip(values).collect();
    let names = (shape.type_oid == Oid::RECORD).then(|| shape.names());
    Datum::Record(Arc::new(RecordValue { type_oid: shape.type_oid, fields, names }))
}

fn malformed_array() -> Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "malformed JSON array")
        .detail("Multidimensional arrays must have sub-arrays with matching dimensions.")
}

fn convert_array(item: Item<'_>, element: SqlType, name: &str, io: &IoContext<'_>) -> Result<Datum> {
    let Some(elements) = item.elements() else {
        return Err(crate::error!(INVALID_TEXT_REPRESENTATION, "expected JSON array")
            .hint(format!("See the value of key \"{name}\".")));
    };
    // The first elements of each level say how deep the array is.
    let mut dims = Vec::new();
    let mut level = Some(elements.clone());
    while let Some(parts) = level {
        dims.push(ArrayDim { length: parts.len() as i32, lower_bound: 1 });
        level = parts.first().and_then(|part| part.elements());
    }
    let mut items = Vec::new();
    collect(&elements, &dims, 0, element, name, io, &mut items)?;
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(element.oid, dims, items)?)))
}

fn collect(
    parts: &[Item<'_>],
    dims: &[ArrayDim],
    level: usize,
    element: SqlType,
    name: &str,
    io: &IoContext<'_>,
    items: &mut Vec<Datum>,
) -> Result<()> {
    if parts.len() != dims[level].length as usize {
        return Err(malformed_array());
    }
    for part in parts {
        if level + 1 == dims.len() {
            items.push(convert(*part, element, name, io)?);
        } else {
            let inner = part.elements().ok_or_else(malformed_array)?;
            collect(&inner, dims, level + 1, element, name, io, items)?;
        }
    }
    Ok(())
}

/// Runs `read` over the JSON argument.
fn with_item<T>(datum: &Datum, read: impl FnOnce(Item<'_>) -> Result<T>) -> Result<T> {
    match datum {
        Datum::Text(document) => read(Item::Json(document, &parse_nodes(document)?)),
        other => read(Item::Jsonb(jsonb(other))),
    }
}

fn base_record(datum: Option<&Datum>) -> Option<&RecordValue> {
    match datum {
        Some(Datum::Record(record)) => Some(record),
        _ => None,
    }
}

/// One row from the JSON value `args[at]`, on top of `base`.
fn one_row(ctx: &FnContext<'_>, base: Option<&Datum>, json: &Datum) -> Result<Datum> {
    if json.is_null() {
        return Ok(base.cloned().unwrap_or(Datum::Null));
    }
    let shape = shape_of(ctx, base)?;
    let values = with_item(json, |item| fields(item, &shape, base_record(base), &ctx.io()))?;
    Ok(record(&shape, values))
}

/// A row for every element of the JSON array.
fn many_rows(ctx: &FnContext<'_>, base: Option<&Datum>, json: &Datum) -> Result<SetRows> {
    let name = ctx.function.name;
    if json.is_null() {
        return Ok(SetRows::Rows(Vec::new()));
    }
    let shape = shape_of(ctx, base)?;
    with_item(json, |item| {
        let Some(elements) = item.elements() else {
            let what = match item {
                Item::Jsonb(_) => "a non-array",
                Item::Json(..) if item.is_object() => "an object",
                Item::Json(..) => "a scalar",
            };
            bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on {what}");
        };
        let mut rows = Vec::with_capacity(elements.len());
        for element in elements {
            if !element.is_object() {
                bail!(INVALID_PARAMETER_VALUE, "argument of {name} must be an array of objects");
            }
            rows.push(fields(element, &shape, base_record(base), &ctx.io())?);
        }
        Ok(SetRows::Rows(rows))
    })
}

fn to_record(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    one_row(ctx, None, &args[0])
}

fn populate_record(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    one_row(ctx, Some(&args[0]), &args[1])
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("json_to_record", to_record),
    ("jsonb_to_record", to_record),
    ("json_populate_record", populate_record),
    ("jsonb_populate_record", populate_record),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("json_to_recordset", |ctx, args| many_rows(ctx, None, &args[0])),
    ("jsonb_to_recordset", |ctx, args| many_rows(ctx, None, &args[0])),
    ("json_populate_recordset", |ctx, args| many_rows(ctx, Some(&args[0]), &args[1])),
    ("jsonb_populate_recordset", |ctx, args| many_rows(ctx, Some(&args[0]), &args[1])),
];

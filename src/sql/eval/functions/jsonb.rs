//! Access to `jsonb`: parts, containment, keys, rows, casts to SQL types.

use std::sync::Arc;

use super::args::{boolean, int4, text, to_text};
use super::array::array;
use super::json::path_index;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::Datum;
use crate::types::json::JsonValue;
use crate::types::numeric::Numeric;

pub(super) fn jsonb(datum: &Datum) -> &JsonValue {
    match datum {
        Datum::Jsonb(value) => value,
        other => panic!("expected jsonb, found {other:?}"),
    }
}

#[allow(clippy::unnecessary_wraps)] // Every caller returns what this returns.
pub(super) fn make(value: JsonValue) -> Result<Datum> {
    Ok(Datum::Jsonb(Arc::new(value)))
}

fn as_jsonb(value: &JsonValue) -> Datum {
    Datum::Jsonb(Arc::new(value.clone()))
}

/// A value as text: strings without quotes, `null` as NULL.
pub(super) fn as_text(value: &JsonValue) -> Datum {
    match value {
        JsonValue::Null => Datum::Null,
        JsonValue::String(text) => Datum::text(text.as_str()),
        other => to_text(other.to_text()),
    }
}

type Show = fn(&JsonValue) -> Datum;

fn field(args: &[Datum], show: Show) -> Result<Datum> {
    Ok(jsonb(&args[0]).get(text(&args[1])).map_or(Datum::Null, show))
}

fn at_index(args: &[Datum], show: Show) -> Result<Datum> {
    Ok(jsonb(&args[0]).element(i64::from(int4(&args[1]))).map_or(Datum::Null, show))
}

fn at_path(args: &[Datum], show: Show) -> Result<Datum> {
    let mut value = jsonb(&args[0]);
    for step in &array(&args[1]).items {
        let Some(step) = step.as_text() else { return Ok(Datum::Null) };
        let next = match value {
            JsonValue::Object(_) => value.get(step),
            JsonValue::Array(_) => path_index(step).and_then(|index| value.element(index)),
            _ => None,
        };
        let Some(next) = next else { return Ok(Datum::Null) };
        value = next;
    }
    Ok(show(value))
}

/// Equality of values, numbers by value.
pub(super) fn equal(a: &JsonValue, b: &JsonValue) -> bool {
    match (a, b) {
        (JsonValue::Null, JsonValue::Null) => true,
        (JsonValue::Bool(a), JsonValue::Bool(b)) => a == b,
        (JsonValue::Number(a), JsonValue::Number(b)) => a.compare(b).is_eq(),
        (JsonValue::String(a), JsonValue::String(b)) => a == b,
        (JsonValue::Array(a), JsonValue::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (JsonValue::Object(a), JsonValue::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && equal(&a.1, &b.1))
        }
        _ => false,
    }
}

/// Whether `part` is contained in `whole`, both of one kind of container.
fn contains_nested(whole: &JsonValue, part: &JsonValue) -> bool {
    match (whole, part) {
        (JsonValue::Object(_), JsonValue::Object(members)) => {
            members.iter().all(|(key, wanted)| whole.get(key).is_some_and(|found| equal_or_contains(found, wanted)))
        }
        (JsonValue::Array(items), JsonValue::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| equal_or_contains(item, wanted)))
        }
        _ => false,
    }
}

fn equal_or_contains(found: &JsonValue, wanted: &JsonValue) -> bool {
    if wanted.is_container() { contains_nested(found, wanted) } else { equal(found, wanted) }
}

/// `@>`: besides containers, an array contains a scalar that is one of its elements.
fn contains(whole: &JsonValue, part: &JsonValue) -> bool {
    match (whole, part) {
        (JsonValue::Array(items), part) if !part.is_container() => items.iter().any(|item| equal(item, part)),
        _ => equal_or_contains(whole, part),
    }
}

/// `?`: a key of an object, a string in an array, or the string itself.
fn has_key(value: &JsonValue, key: &str) -> bool {
    let is_key = |item: &JsonValue| matches!(item, JsonValue::String(text) if text == key);
    match value {
        JsonValue::Object(_) => value.get(key).is_some(),
        JsonValue::Array(items) => items.iter().any(is_key),
        other => is_key(other),
    }
}

fn array_length(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match jsonb(&args[0]) {
        JsonValue::Array(items) => Ok(Datum::Int4(items.len() as i32)),
        JsonValue::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a scalar"),
    }
}

fn strip_nulls(value: &JsonValue, elements_too: bool) -> JsonValue {
    let is_null = |value: &JsonValue| matches!(value, JsonValue::Null);
    match value {
        JsonValue::Array(items) => JsonValue::Array(
            items
                .iter()
                .filter(|item| !(elements_too && is_null(item)))
                .map(|item| strip_nulls(item, elements_too))
                .collect(),
        ),
        JsonValue::Object(members) => JsonValue::Object(
            members
                .iter()
                .filter(|(_, value)| !is_null(value))
                .map(|(key, value)| (key.clone(), strip_nulls(value, elements_too)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn pretty(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::new();
    jsonb(&args[0]).write_pretty(0, &mut out);
    Ok(to_text(out))
}

fn each(ctx: &FnContext<'_>, args: &[Datum], show: Show) -> Result<SetRows> {
    let JsonValue::Object(members) = jsonb(&args[0]) else {
        bail!(INVALID_PARAMETER_VALUE, "cannot call {} on a non-object", ctx.function.name);
    };
    Ok(SetRows::Rows(members.iter().map(|(key, value)| vec![Datum::text(key.as_str()), show(value)]).collect()))
}

fn object_keys(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    match jsonb(&args[0]) {
        JsonValue::Object(members) => {
            Ok(SetRows::column(members.iter().map(|(key, _)| Datum::text(key.as_str())).collect()))
        }
        JsonValue::Array(_) => bail!(INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call jsonb_object_keys on a scalar"),
    }
}

fn elements(args: &[Datum], show: Show) -> Result<SetRows> {
    match jsonb(&args[0]) {
        JsonValue::Array(items) => Ok(SetRows::column(items.iter().map(show).collect())),
        JsonValue::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot extract elements from a scalar"),
    }
}

fn cannot_cast<T>(value: &JsonValue, target: &str) -> Result<T> {
    let name = match value.type_name() {
        "number" => "numeric",
        name => name,
    };
    bail!(INVALID_PARAMETER_VALUE, "cannot cast jsonb {name} to type {target}")
}

/// A cast of a number; `null` becomes NULL.
fn cast_number(args: &[Datum], target: &str, convert: impl Fn(&Numeric) -> Result<Datum>) -> Result<Datum> {
    match jsonb(&args[0]) {
        JsonValue::Null => Ok(Datum::Null),
        JsonValue::Number(number) => convert(number),
        other => cannot_cast(other, target),
    }
}

fn cast_bool(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match jsonb(&args[0]) {
        JsonValue::Null => Ok(Datum::Null),
        JsonValue::Bool(value) => Ok(Datum::Bool(*value)),
        other => cannot_cast(other, "boolean"),
    }
}

/// Keys that are not NULL.
fn keys(datum: &Datum) -> impl Iterator<Item = &str> {
    array(datum).items.iter().filter_map(Datum::as_text)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("jsonb_object_field", |_, args| field(args, as_jsonb)),
    ("jsonb_object_field_text", |_, args| field(args, as_text)),
    ("jsonb_array_element", |_, args| at_index(args, as_jsonb)),
    ("jsonb_array_element_text", |_, args| at_index(args, as_text)),
    ("jsonb_extract_path", |_, args| at_path(args, as_jsonb)),
    ("jsonb_extract_path_text", |_, args| at_path(args, as_text)),
    ("jsonb_contains", |_, args| Ok(Datum::Bool(contains(jsonb(&args[0]), jsonb(&args[1]))))),
    ("jsonb_contained", |_, args| Ok(Datum::Bool(contains(jsonb(&args[1]), jsonb(&args[0]))))),
    ("jsonb_exists", |_, args| Ok(Datum::Bool(has_key(jsonb(&args[0]), text(&args[1]))))),
    ("jsonb_exists_any", |_, args| {
        let value = jsonb(&args[0]);
        Ok(Datum::Bool(keys(&args[1]).any(|key| has_key(value, key))))
    }),
    ("jsonb_exists_all", |_, args| {
        let value = jsonb(&args[0]);
        Ok(Datum::Bool(keys(&args[1]).all(|key| has_key(value, key))))
    }),
    ("jsonb_array_length", array_length),
    ("jsonb_typeof", |_, args| Ok(Datum::text(jsonb(&args[0]).type_name()))),
    ("jsonb_strip_nulls", |_, args| make(strip_nulls(jsonb(&args[0]), args.get(1).is_some_and(boolean)))),
    ("jsonb_pretty", pretty),
    ("jsonb_bool", cast_bool),
    ("jsonb_numeric", |_, args| cast_number(args, "numeric", |number| Ok(Datum::Numeric(number.clone())))),
    ("jsonb_int2", |_, args| cast_number(args, "smallint", |number| number.to_integer("smallint").map(Datum::Int2))),
    ("jsonb_int4", |_, args| cast_number(args, "integer", |number| number.to_integer("integer").map(Datum::Int4))),
    ("jsonb_int8", |_, args| cast_number(args, "bigint", |number| number.to_integer("bigint").map(Datum::Int8))),
    ("jsonb_float4", |_, args| cast_number(args, "real", |number| number.to_f32().map(Datum::Float4))),
    ("jsonb_float8", |_, args| cast_number(args, "double precision", |number| number.to_f64().map(Datum::Float8))),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("jsonb_each", |ctx, args| each(ctx, args, as_jsonb)),
    ("jsonb_each_text", |ctx, args| each(ctx, args, as_text)),
    ("jsonb_object_keys", object_keys),
    ("jsonb_array_elements", |_, args| elements(args, as_jsonb)),
    ("jsonb_array_elements_text", |_, args| elements(args, as_text)),
];

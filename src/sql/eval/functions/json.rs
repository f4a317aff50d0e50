//! Access to `json`, which is kept as written: parts are cut out of the text, so their spelling stays.
//!
//! Of members with the same key the last one answers, as in PostgreSQL.

use super::args::{boolean, int4, text, to_text};
use super::array::array;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::Datum;
use crate::types::json::parse::{Node, NodeKind, parse_nodes};
use crate::types::json::value::resolve_index;
use crate::types::json::write_string;

/// A part of `document` as `json`.
fn as_json(document: &str, node: &Node) -> Datum {
    Datum::text(&document[node.span.clone()])
}

/// A part of `document` as text: strings without quotes, `null` as NULL.
fn as_text(document: &str, node: &Node) -> Datum {
    match &node.kind {
        NodeKind::Null => Datum::Null,
        NodeKind::String(value) => Datum::text(value.as_str()),
        _ => as_json(document, node),
    }
}

fn member<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    match &node.kind {
        NodeKind::Object(members) => members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
        _ => None,
    }
}

fn element(node: &Node, index: i64) -> Option<&Node> {
    match &node.kind {
        NodeKind::Array(items) => items.get(resolve_index(index, items.len())?),
        _ => None,
    }
}

type Show = fn(&str, &Node) -> Datum;

fn field(args: &[Datum], show: Show) -> Result<Datum> {
    let document = text(&args[0]);
    let root = parse_nodes(document)?;
    Ok(member(&root, text(&args[1])).map_or(Datum::Null, |node| show(document, node)))
}

fn at_index(args: &[Datum], show: Show) -> Result<Datum> {
    let document = text(&args[0]);
    let root = parse_nodes(document)?;
    Ok(element(&root, i64::from(int4(&args[1]))).map_or(Datum::Null, |node| show(document, node)))
}

/// A subscript in a path: an integer with nothing around it but leading blanks.
pub(super) fn path_index(step: &str) -> Option<i64> {
    step.trim_start().parse::<i32>().ok().map(i64::from)
}

fn at_path(args: &[Datum], show: Show) -> Result<Datum> {
    let document = text(&args[0]);
    let root = parse_nodes(document)?;
    let mut node = &root;
    for step in &array(&args[1]).items {
        let Some(step) = step.as_text() else { return Ok(Datum::Null) };
        let next = match &node.kind {
            NodeKind::Object(_) => member(node, step),
            NodeKind::Array(_) => path_index(step).and_then(|index| element(node, index)),
            _ => None,
        };
        let Some(next) = next else { return Ok(Datum::Null) };
        node = next;
    }
    Ok(show(document, node))
}

fn array_length(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match parse_nodes(text(&args[0]))?.kind {
        NodeKind::Array(items) => Ok(Datum::Int4(items.len() as i32)),
        NodeKind::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot get array length of a scalar"),
    }
}

fn type_of(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::text(match parse_nodes(text(&args[0]))?.kind {
        NodeKind::Null => "null",
        NodeKind::Bool(_) => "boolean",
        NodeKind::Number => "number",
        NodeKind::String(_) => "string",
        NodeKind::Array(_) => "array",
        NodeKind::Object(_) => "object",
    }))
}

/// Appends a document without members that are null (and without null elements when asked), and without blanks.
fn write_stripped(document: &str, node: &Node, elements_too: bool, out: &mut String) {
    let is_null = |node: &Node| matches!(node.kind, NodeKind::Null);
    match &node.kind {
        NodeKind::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().filter(|item| !(elements_too && is_null(item))).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_stripped(document, item, elements_too, out);
            }
            out.push(']');
        }
        NodeKind::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().filter(|(_, value)| !is_null(value)).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write_stripped(document, value, elements_too, out);
            }
            out.push('}');
        }
        NodeKind::String(value) => write_string(value, out),
        _ => out.push_str(&document[node.span.clone()]),
    }
}

fn strip_nulls(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let document = text(&args[0]);
    let mut out = String::new();
    write_stripped(document, &parse_nodes(document)?, args.get(1).is_some_and(boolean), &mut out);
    Ok(to_text(out))
}

fn each(args: &[Datum], show: Show) -> Result<SetRows> {
    let document = text(&args[0]);
    match parse_nodes(document)?.kind {
        NodeKind::Object(members) => Ok(SetRows::Rows(
            members.into_iter().map(|(key, value)| vec![to_text(key), show(document, &value)]).collect(),
        )),
        NodeKind::Array(_) => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct an array as an object"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot deconstruct a scalar"),
    }
}

fn object_keys(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    match parse_nodes(text(&args[0]))?.kind {
        NodeKind::Object(members) => Ok(SetRows::column(members.into_iter().map(|(key, _)| to_text(key)).collect())),
        NodeKind::Array(_) => bail!(INVALID_PARAMETER_VALUE, "cannot call json_object_keys on an array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call json_object_keys on a scalar"),
    }
}

fn elements(ctx: &FnContext<'_>, args: &[Datum], show: Show) -> Result<SetRows> {
    let document = text(&args[0]);
    let name = ctx.function.name;
    match parse_nodes(document)?.kind {
        NodeKind::Array(items) => Ok(SetRows::column(items.iter().map(|item| show(document, item)).collect())),
        NodeKind::Object(_) => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a non-array"),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot call {name} on a scalar"),
    }
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("json_object_field", |_, args| field(args, as_json)),
    ("json_object_field_text", |_, args| field(args, as_text)),
    ("json_array_element", |_, args| at_index(args, as_json)),
    ("json_array_element_text", |_, args| at_index(args, as_text)),
    ("json_extract_path", |_, args| at_path(args, as_json)),
    ("json_extract_path_text", |_, args| at_path(args, as_text)),
    ("json_array_length", array_length),
    ("json_typeof", type_of),
    ("json_strip_nulls", strip_nulls),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("json_each", |_, args| each(args, as_json)),
    ("json_each_text", |_, args| each(args, as_text)),
    ("json_object_keys", object_keys),
    ("json_array_elements", |ctx, args| elements(ctx, args, as_json)),
    ("json_array_elements_text", |ctx, args| elements(ctx, args, as_text)),
];

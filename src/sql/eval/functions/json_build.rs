//! Making `json` and `jsonb`: the variadic builders, `json_object` from text arrays, and the aggregates.
//!
//! `json` is built as text with PostgreSQL's spacing, `jsonb` as a tree.

use std::collections::HashSet;

use super::args::to_text;
use super::array::array;
use super::json_convert::{to_value, write_json};
use super::jsonb::make;
use crate::bail;
use crate::error::{Error, Result};
use crate::sql::eval::aggregate::{AggregateInfo, AggregateMaker, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::io::{self, IoContext};
use crate::types::json::{JsonValue, write_string};
use crate::types::{Datum, Oid};

fn null_key() -> Error {
    crate::error!(NULL_VALUE_NOT_ALLOWED, "null value not allowed for object key")
}

/// A key as text: any scalar's text, dates in ISO 8601.
fn key_text(datum: &Datum, oid: Oid, ctx: &IoContext<'_>) -> Result<String> {
    let nested = matches!(datum, Datum::Array(_) | Datum::Record(_) | Datum::Jsonb(_)) || oid == Oid::JSON;
    if nested {
        bail!(INVALID_PARAMETER_VALUE, "key value must be scalar, not array, composite, or json");
    }
    Ok(match datum {
        Datum::Date(_) | Datum::Timestamp(_) | Datum::Timestamptz(_) => match to_value(datum, oid, ctx)? {
            JsonValue::String(text) => text,
            other => other.to_text(),
        },
        Datum::Bool(value) => value.to_string(),
        other => io::to_text(other, oid, ctx)?,
    })
}

fn odd_arguments(name: &str) -> Error {
    crate::error!(INVALID_PARAMETER_VALUE, "argument list must have even number of elements")
        .hint(format!("The arguments of {name}() must consist of alternating keys and values."))
}

fn build_object(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if !args.len().is_multiple_of(2) {
        return Err(odd_arguments(ctx.function.name));
    }
    let io = ctx.io();
    let mut out = String::from("{");
    for (index, pair) in args.chunks(2).enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        if pair[0].is_null() {
            return Err(null_key());
        }
        write_string(&key_text(&pair[0], ctx.arg_type(2 * index).oid, &io)?, &mut out);
        out.push_str(" : ");
        write_json(&pair[1], ctx.arg_type(2 * index + 1).oid, &io, &mut out)?;
    }
    out.push('}');
    Ok(to_text(out))
}

fn build_object_b(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if !args.len().is_multiple_of(2) {
        return Err(odd_arguments(ctx.function.name));
    }
    let io = ctx.io();
    let mut members = Vec::with_capacity(args.len() / 2);
    for (index, pair) in args.chunks(2).enumerate() {
        if pair[0].is_null() {
            bail!(INVALID_PARAMETER_VALUE, "argument {}: key must not be null", 2 * index + 1);
        }
        let key = key_text(&pair[0], ctx.arg_type(2 * index).oid, &io)?;
        members.push((key, to_value(&pair[1], ctx.arg_type(2 * index + 1).oid, &io)?));
    }
    make(JsonValue::object(members))
}

fn build_array(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::from("[");
    for (index, arg) in args.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_json(arg, ctx.arg_type(index).oid, &ctx.io(), &mut out)?;
    }
    out.push(']');
    Ok(to_text(out))
}

fn build_array_b(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let items = args.iter().enumerate().map(|(index, arg)| to_value(arg, ctx.arg_type(index).oid, &ctx.io()));
    make(JsonValue::Array(items.collect::<Result<_>>()?))
}

/// Keys and values of `json_object`: alternating, in pairs, or in two arrays.
fn text_pairs(args: &[Datum]) -> Result<Vec<(String, Option<String>)>> {
    let owned = |datum: &Datum| datum.as_text().map(str::to_owned);
    let pair = |key: &Datum, value: &Datum| owned(key).map(|key| (key, owned(value))).ok_or_else(null_key);
    let first = array(&args[0]);
    if let Some(second) = args.get(1).map(array) {
        if first.dims.len() > 1 || first.dims.len() != second.dims.len() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
        }
        if first.items.len() != second.items.len() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "mismatched array dimensions");
        }
        return first.items.iter().zip(&second.items).map(|(key, value)| pair(key, value)).collect();
    }
    match first.dims.as_slice() {
        [] => {}
        [dim] if dim.length % 2 == 0 => {}
        [_] => bail!(ARRAY_SUBSCRIPT_ERROR, "array must have even number of elements"),
        [_, inner] if inner.length == 2 => {}
        [_, _] => bail!(ARRAY_SUBSCRIPT_ERROR, "array must have two columns"),
        _ => bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"),
    }
    first.items.chunks(2).map(|chunk| pair(&chunk[0], &chunk[1])).collect()
}

fn object(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::from("{");
    for (index, (key, value)) in text_pairs(args)?.into_iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write_string(&key, &mut out);
        out.push_str(" : ");
        match value {
            Some(value) => write_string(&value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    Ok(to_text(out))
}

fn object_b(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let members = text_pairs(args)?;
    let member = |(key, value): (String, Option<String>)| (key, value.map_or(JsonValue::Null, JsonValue::String));
    make(JsonValue::object(members.into_iter().map(member).collect()))
}

/// `json_agg` and `json_object_agg` as text: what has been written so far, without the closing bracket.
struct TextAgg {
    oids: Vec<Oid>,
    out: Option<String>,
    started: bool,
    strict: bool,
    /// Keys so far, when they must be unique.
    seen: Option<HashSet<String>>,
}

impl TextAgg {
    fn element(&mut self, value: &Datum, io: &IoContext<'_>) -> Result<()> {
        let out = self.out.get_or_insert_with(|| "[".to_owned());
        if self.strict && value.is_null() {
            return Ok(());
        }
        if self.started {
            // Values of several parts stand on lines of their own.
            out.push_str(if matches!(value, Datum::Array(_) | Datum::Record(_)) { ", \n " } else { ", " });
        }
        self.started = true;
        write_json(value, self.oids[0], io, out)
    }

    fn member(&mut self, key: &Datum, value: &Datum, io: &IoContext<'_>) -> Result<()> {
        let out = self.out.get_or_insert_with(|| "{ ".to_owned());
        if key.is_null() {
            return Err(null_key());
        }
        if self.strict && value.is_null() {
            return Ok(());
        }
        let key = key_text(key, self.oids[0], io)?;
        if self.started {
            out.push_str(", ");
        }
        self.started = true;
        write_string(&key, out);
        if let Some(seen) = &mut self.seen
            && !seen.insert(key.clone())
        {
            let mut shown = String::new();
            write_string(&key, &mut shown);
            bail!(DUPLICATE_JSON_OBJECT_KEY_VALUE, "duplicate JSON object key value: {shown}");
        }
        out.push_str(" : ");
        write_json(value, self.oids[1], io, out)
    }
}

impl AggregateState for TextAgg {
    fn accumulate(&mut self, args: &[Datum], ctx: &EvalContext) -> Result<()> {
        match args {
            [value] => self.element(value, &ctx.io()),
            [key, value, ..] => self.member(key, value, &ctx.io()),
            [] => panic!("JSON aggregates have arguments"),
        }
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        let close = if self.oids.len() == 1 { "]" } else { " }" };
        Ok(self.out.as_ref().map_or(Datum::Null, |out| to_text(format!("{out}{close}"))))
    }

    fn memory(&self) -> usize {
        128 + 2 * self.out.as_ref().map_or(0, String::capacity)
    }
}

/// `jsonb_agg` and `jsonb_object_agg`.
struct TreeAgg {
    oids: Vec<Oid>,
    items: Option<Vec<(String, JsonValue)>>,
    strict: bool,
    unique: bool,
    bytes: usize,
}

impl AggregateState for TreeAgg {
    fn accumulate(&mut self, args: &[Datum], ctx: &EvalContext) -> Result<()> {
        let io = ctx.io();
        let items = self.items.get_or_insert_with(Vec::new);
        let (key, value, oid) = match args {
            [value] => (String::new(), value, self.oids[0]),
            [key, value, ..] => {
                if key.is_null() {
                    bail!(INVALID_PARAMETER_VALUE, "field name must not be null");
                }
                (key_text(key, self.oids[0], &io)?, value, self.oids[1])
            }
            [] => panic!("JSON aggregates have arguments"),
        };
        if self.strict && value.is_null() {
            return Ok(());
        }
        self.bytes += 64 + key.len();
        items.push((key, to_value(value, oid, &io)?));
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        let Some(items) = self.items.clone() else { return Ok(Datum::Null) };
        if self.oids.len() == 1 {
            return make(JsonValue::Array(items.into_iter().map(|(_, value)| value).collect()));
        }
        let count = items.len();
        let object = JsonValue::object(items);
        if self.unique && !matches!(&object, JsonValue::Object(members) if members.len() == count) {
            bail!(DUPLICATE_JSON_OBJECT_KEY_VALUE, "duplicate JSON object key value");
        }
        make(object)
    }

    fn memory(&self) -> usize {
        128 + self.bytes
    }
}

#[allow(clippy::unnecessary_wraps)] // An aggregate maker.
fn text_agg(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    let name = info.function.name;
    Ok(Box::new(TextAgg {
        oids: info.args.iter().map(|ty| ty.oid).collect(),
        out: None,
        started: false,
        strict: name.ends_with("_strict"),
        seen: name.contains("_unique").then(HashSet::new),
    }))
}

#[allow(clippy::unnecessary_wraps)] // An aggregate maker.
fn tree_agg(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    let name = info.function.name;
    Ok(Box::new(TreeAgg {
        oids: info.args.iter().map(|ty| ty.oid).collect(),
        items: None,
        strict: name.ends_with("_strict"),
        unique: name.contains("_unique"),
        bytes: 0,
    }))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("json_build_object", build_object),
    ("json_build_object_noargs", build_object),
    ("json_build_array", build_array),
    ("json_build_array_noargs", build_array),
    ("json_object", object),
    ("json_object_two_arg", object),
    ("jsonb_build_object", build_object_b),
    ("jsonb_build_object_noargs", build_object_b),
    ("jsonb_build_array", build_array_b),
    ("jsonb_build_array_noargs", build_array_b),
    ("jsonb_object", object_b),
    ("jsonb_object_two_arg", object_b),
];

/// Aggregates by name.
pub const AGGREGATES: &[(&str, AggregateMaker)] = &[
    ("json_agg", text_agg),
    ("json_agg_strict", text_agg),
    ("json_object_agg", text_agg),
    ("json_object_agg_strict", text_agg),
    ("json_object_agg_unique", text_agg),
    ("json_object_agg_unique_strict", text_agg),
    ("jsonb_agg", tree_agg),
    ("jsonb_agg_strict", tree_agg),
    ("jsonb_object_agg", tree_agg),
    ("jsonb_object_agg_strict", tree_agg),
    ("jsonb_object_agg_unique", tree_agg),
    ("jsonb_object_agg_unique_strict", tree_agg),
];

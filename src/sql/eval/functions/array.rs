//! Functions of arrays that look at shape and at single elements.
//!
//! Elements are compared as the element type's btree class does, NULL equal to NULL where PostgreSQL says "not distinct".
//! What builds arrays from others or from text is in `array_build`.

use std::cmp::Ordering;

use super::args::{boolean, int4, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::array::ArrayValue;
use crate::types::codec::is_text_like;
use crate::types::compare::compare_typed;
use crate::types::{Datum, Oid, io};

pub(super) fn array(datum: &Datum) -> &ArrayValue {
    match datum {
        Datum::Array(value) => value,
        other => panic!("expected an array, found {other:?}"),
    }
}

/// The dimension numbered `args[1]`, from 1.
fn dimension(args: &[Datum]) -> Option<&crate::types::array::ArrayDim> {
    let number = usize::try_from(int4(&args[1])).ok()?.checked_sub(1)?;
    array(&args[0]).dims.get(number)
}

fn or_null(value: Option<i32>) -> Result<Datum> {
    Ok(value.map_or(Datum::Null, Datum::Int4))
}

fn dims(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    if value.dims.is_empty() {
        return Ok(Datum::Null);
    }
    let mut out = String::new();
    for dim in &value.dims {
        out.push_str(&format!("[{}:{}]", dim.lower_bound, dim.lower_bound + dim.length - 1));
    }
    Ok(to_text(out))
}

fn ndims(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match array(&args[0]).dims.len() {
        0 => Ok(Datum::Null),
        count => Ok(Datum::Int4(count as i32)),
    }
}

/// Checks that values of an element type can be compared for equality.
pub(super) fn check_equality(element: Oid, ctx: &FnContext<'_>) -> Result<()> {
    let incomparable = matches!(element, Oid::JSON | Oid::XML | Oid::POINT | Oid::JSONPATH)
        || (is_text_like(element) && element == Oid::PG_NODE_TREE);
    if incomparable {
        let name = ctx.io().lookup.type_name(element);
        bail!(UNDEFINED_FUNCTION, "could not identify an equality operator for type {name}");
    }
    Ok(())
}

pub(super) fn same(element: Oid, a: &Datum, b: &Datum) -> bool {
    match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => compare_typed(element, a, b).is_eq(),
        _ => false,
    }
}

fn check_one_dimensional(value: &ArrayValue, doing: &str) -> Result<()> {
    if value.dims.len() > 1 {
        bail!(FEATURE_NOT_SUPPORTED, "{doing} multidimensional arrays is not supported");
    }
    Ok(())
}

/// Subscripts of the elements that equal `args[1]`.
fn positions<'a>(ctx: &FnContext<'_>, args: &'a [Datum]) -> Result<impl Iterator<Item = i32> + 'a> {
    let value = array(&args[0]);
    check_one_dimensional(value, "searching for elements in")?;
    check_equality(value.element, ctx)?;
    let lower = value.dims.first().map_or(1, |dim| dim.lower_bound);
    let wanted = &args[1];
    Ok((lower..).zip(&value.items).filter(|(_, item)| same(value.element, item, wanted)).map(|(place, _)| place))
}

fn position(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    if let Some(Datum::Null) = args.get(2) {
        bail!(NULL_VALUE_NOT_ALLOWED, "initial position must not be null");
    }
    let start = args.get(2).map_or(i32::MIN, int4);
    or_null(positions(ctx, args)?.find(|place| *place >= start))
}

fn all_positions(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let found = positions(ctx, args)?.map(Datum::Int4).collect();
    Ok(Datum::Array(std::sync::Arc::new(ArrayValue::from_items(Oid::INT4, found))))
}

/// Whether all elements of `part` (or any, for overlap) are among those of `whole`; NULL matches nothing.
fn contains(ctx: &FnContext<'_>, whole: &Datum, part: &Datum, all: bool) -> Result<Datum> {
    let (whole, part) = (array(whole), array(part));
    if whole.element != part.element {
        bail!(DATATYPE_MISMATCH, "cannot compare arrays of different element types");
    }
    check_equality(whole.element, ctx)?;
    let found = |wanted: &Datum| {
        !wanted.is_null()
            && whole.items.iter().any(|item| !item.is_null() && compare_typed(whole.element, item, wanted).is_eq())
    };
    Ok(Datum::Bool(if all { part.items.iter().all(found) } else { part.items.iter().any(found) }))
}

fn larger(args: &[Datum], wanted: Ordering) -> Result<Datum> {
    let order = compare_typed(Oid::ANYARRAY, &args[0], &args[1]);
    Ok(args[usize::from(order != wanted)].clone())
}

fn unnest(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    Ok(SetRows::column(array(&args[0]).items.clone()))
}

fn generate_subscripts(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let Some(dim) = dimension(args) else { return Ok(SetRows::Rows(Vec::new())) };
    let reverse = args.get(2).is_some_and(boolean);
    let mut places: Vec<Datum> = (dim.lower_bound..dim.lower_bound + dim.length).map(Datum::Int4).collect();
    if reverse {
        places.reverse();
    }
    Ok(SetRows::column(places))
}

/// Elements with their places counted from 1, whatever the array's lower bound: how drivers read index keys.
fn expand_array(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let place = |(item, place): (&Datum, i32)| vec![item.clone(), Datum::Int4(place)];
    Ok(SetRows::Rows(array(&args[0]).items.iter().zip(1..).map(place).collect()))
}

/// The number of thresholds that are not above the operand, found by halving.
fn width_bucket(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let thresholds = array(&args[1]);
    if thresholds.dims.len() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "thresholds must be one-dimensional array");
    }
    if thresholds.items.iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "thresholds array must not contain NULLs");
    }
    let bucket = thresholds.items.partition_point(|item| compare_typed(thresholds.element, item, &args[0]).is_le());
    Ok(Datum::Int4(bucket as i32))
}

/// Elements as text with a delimiter between; NULL is skipped, or shown as `null_text`.
fn join(ctx: &FnContext<'_>, value: &ArrayValue, delimiter: &str, null_text: Option<&str>) -> Result<Datum> {
    let mut out = String::new();
    let mut first = true;
    for item in &value.items {
        if item.is_null() && null_text.is_none() {
            continue;
        }
        if !first {
            out.push_str(delimiter);
        }
        first = false;
        match null_text {
            Some(text) if item.is_null() => out.push_str(text),
            _ => io::output(item, value.element, &ctx.io(), &mut out)?,
        }
    }
    Ok(to_text(out))
}

fn array_to_text(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(delimiter) = args[1].as_text().filter(|_| !args[0].is_null()) else { return Ok(Datum::Null) };
    join(ctx, array(&args[0]), delimiter, args.get(2).and_then(Datum::as_text))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("array_dims", dims),
    ("array_ndims", ndims),
    ("array_length", |_, a| or_null(dimension(a).map(|dim| dim.length))),
    ("array_lower", |_, a| or_null(dimension(a).map(|dim| dim.lower_bound))),
    ("array_upper", |_, a| or_null(dimension(a).map(|dim| dim.lower_bound + dim.length - 1))),
    ("array_cardinality", |_, a| Ok(Datum::Int4(array(&a[0]).items.len() as i32))),
    ("array_position", position),
    ("array_position_start", position),
    ("array_positions", all_positions),
    ("arraycontains", |ctx, a| contains(ctx, &a[0], &a[1], true)),
    ("arraycontained", |ctx, a| contains(ctx, &a[1], &a[0], true)),
    ("arrayoverlap", |ctx, a| contains(ctx, &a[0], &a[1], false)),
    ("array_larger", |_, a| larger(a, Ordering::Greater)),
    ("array_smaller", |_, a| larger(a, Ordering::Less)),
    ("width_bucket_array", width_bucket),
    ("array_to_text", array_to_text),
    ("array_to_text_null", array_to_text),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("_pg_expandarray", expand_array),
    ("array_unnest", unnest),
    ("generate_subscripts", generate_subscripts),
    ("generate_subscripts_nodir", generate_subscripts),
];

//! Functions that make arrays: from other arrays, from single values, from text.

use std::sync::Arc;

use super::args::{boolean, int4, shared_text};
use super::array::{array, check_equality, same};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::{ArrayDim, ArrayValue, MAX_DIMENSIONS, MAX_ITEMS};
use crate::types::compare::compare_typed;
use crate::types::{Datum, Oid, io};

fn make(value: ArrayValue) -> Result<Datum> {
    Ok(Datum::Array(Arc::new(value)))
}

/// The array argument, or an empty array of the result's element type for NULL.
fn array_or_empty(ctx: &FnContext<'_>, datum: &Datum) -> ArrayValue {
    match datum {
        Datum::Null => {
            let element = io::array_element(ctx.result.oid, &ctx.io()).expect("the result type is an array");
            ArrayValue { element, dims: Vec::new(), items: Vec::new() }
        }
        value => array(value).clone(),
    }
}

/// Adds one element behind or before the others.
fn extend(ctx: &FnContext<'_>, target: &Datum, item: &Datum, front: bool) -> Result<Datum> {
    let mut value = array_or_empty(ctx, target);
    if value.dims.len() > 1 {
        bail!(DATA_EXCEPTION, "argument must be empty or one-dimensional array");
    }
    let mut dim = value.dims.first().copied().unwrap_or(ArrayDim { length: 0, lower_bound: 1 });
    let last = i64::from(dim.lower_bound) + i64::from(dim.length);
    if last >= i64::from(i32::MAX) {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range");
    }
    if value.items.len() >= MAX_ITEMS {
        bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({MAX_ITEMS})");
    }
    value.items.insert(if front { 0 } else { value.items.len() }, item.clone());
    dim.length += 1;
    value.dims = vec![dim];
    make(value)
}

fn append(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    extend(ctx, &args[0], &args[1], false)
}

fn prepend(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    extend(ctx, &args[1], &args[0], true)
}

fn incompatible<T>(detail: String) -> Result<T> {
    Err(crate::error!(ARRAY_SUBSCRIPT_ERROR, "cannot concatenate incompatible arrays").detail(detail))
}

fn cat(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() || args[1].is_null() {
        return Ok(args[usize::from(args[0].is_null())].clone());
    }
    let (a, b) = (array(&args[0]), array(&args[1]));
    if a.dims.is_empty() {
        return Ok(args[1].clone());
    }
    if b.dims.is_empty() {
        return Ok(args[0].clone());
    }
    let differing = "Arrays with differing dimensions are not compatible for concatenation.";
    let mut dims;
    match (a.dims.len() as i64) - (b.dims.len() as i64) {
        0 => {
            if a.dims[1..] != b.dims[1..] {
                return incompatible(
                    "Arrays with differing element dimensions are not compatible for concatenation.".to_owned(),
                );
            }
            dims = a.dims.clone();
            dims[0].length += b.dims[0].length;
        }
        1 => {
            if a.dims[1..] != b.dims[..] {
                return incompatible(differing.to_owned());
            }
            dims = a.dims.clone();
            dims[0].length += 1;
        }
        -1 => {
            if b.dims[1..] != a.dims[..] {
                return incompatible(differing.to_owned());
            }
            dims = b.dims.clone();
            dims[0].length += 1;
        }
        _ => {
            return incompatible(format!(
                "Arrays of {} and {} dimensions are not compatible for concatenation.",
                a.dims.len(),
                b.dims.len()
            ));
        }
    }
    let items = a.items.iter().chain(&b.items).cloned().collect();
    make(ArrayValue::with_dims(a.element, dims, items)?)
}

fn remove(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let value = array(&args[0]);
    if value.dims.len() > 1 {
        bail!(FEATURE_NOT_SUPPORTED, "removing elements from multidimensional arrays is not supported");
    }
    check_equality(value.element, ctx)?;
    let items: Vec<Datum> = value.items.iter().filter(|item| !same(value.element, item, &args[1])).cloned().collect();
    let mut dims = value.dims.clone();
    if let Some(dim) = dims.first_mut() {
        dim.length = items.len() as i32;
    }
    make(ArrayValue::with_dims(value.element, dims, items)?)
}

fn replace(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[0].is_null() {
        return Ok(Datum::Null);
    }
    let mut value = array(&args[0]).clone();
    check_equality(value.element, ctx)?;
    let element = value.element;
    for item in value.items.iter_mut().filter(|item| same(element, item, &args[1])) {
        *item = args[2].clone();
    }
    make(value)
}

/// The integers of an array of dimensions or bounds.
fn integers(datum: &Datum) -> Result<Vec<i32>> {
    let value = array(datum);
    if value.dims.len() > 1 {
        return Err(crate::error!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
            .detail("Dimension array must be one dimensional."));
    }
    if value.items.iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "dimension values cannot be null");
    }
    Ok(value.items.iter().map(int4).collect())
}

fn fill(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    if args[1..].iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "dimension array or low bound array cannot be null");
    }
    let lengths = integers(&args[1])?;
    if lengths.len() > MAX_DIMENSIONS {
        let count = lengths.len();
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
        );
    }
    let bounds = match args.get(2) {
        None => vec![1; lengths.len()],
        Some(bounds) => {
            let bounds = integers(bounds)?;
            if bounds.len() != lengths.len() {
                return Err(crate::error!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts")
                    .detail("Low bound array has different size than dimensions array."));
            }
            bounds
        }
    };
    let dims: Vec<ArrayDim> =
        lengths.iter().zip(bounds).map(|(length, lower_bound)| ArrayDim { length: *length, lower_bound }).collect();
    let count = crate::types::array::check_shape(&dims)?;
    let element = io::array_element(ctx.result.oid, &ctx.io()).unwrap_or(ctx.arg_type(0).oid);
    make(ArrayValue::with_dims(element, dims, vec![args[0].clone(); count])?)
}

/// Slices along the first dimension: how many, and how many items each has.
fn slices(value: &ArrayValue) -> (usize, usize) {
    let count = value.dims.first().map_or(0, |dim| dim.length as usize);
    (count, value.items.len().checked_div(count).unwrap_or(0))
}

/// The array with other slices along its first dimension, bounds as given.
fn with_slices(value: &ArrayValue, order: &[usize], dims: Vec<ArrayDim>) -> Result<Datum> {
    let (_, width) = slices(value);
    let items =
        order.iter().flat_map(|place| value.items[place * width..(place + 1) * width].iter().cloned()).collect();
    make(ArrayValue::with_dims(value.element, dims, items)?)
}

fn trim(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    let (count, _) = slices(value);
    let Some(cut) = usize::try_from(int4(&args[1])).ok().filter(|cut| *cut <= count) else {
        bail!(ARRAY_SUBSCRIPT_ERROR, "number of elements to trim must be between 0 and {count}");
    };
    let mut dims: Vec<ArrayDim> =
        value.dims.iter().map(|dim| ArrayDim { length: dim.length, lower_bound: 1 }).collect();
    if let Some(dim) = dims.first_mut() {
        dim.length -= cut as i32;
    }
    with_slices(value, &(0..count - cut).collect::<Vec<_>>(), dims)
}

fn reverse(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    let (count, _) = slices(value);
    with_slices(value, &(0..count).rev().collect::<Vec<_>>(), value.dims.clone())
}

fn sort(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    let descending = args.get(1).is_some_and(boolean);
    let nulls_first = args.get(2).map_or(descending, boolean);
    let (count, width) = slices(value);
    let mut order: Vec<usize> = (0..count).collect();
    let one = |place: usize| &value.items[place * width..(place + 1) * width];
    order.sort_by(|a, b| {
        if let ([x], [y], 1) = (one(*a), one(*b), value.dims.len()) {
            match (x.is_null(), y.is_null()) {
                (true, true) => return std::cmp::Ordering::Equal,
                (true, false) if nulls_first => return std::cmp::Ordering::Less,
                (true, false) => return std::cmp::Ordering::Greater,
                (false, true) if nulls_first => return std::cmp::Ordering::Greater,
                (false, true) => return std::cmp::Ordering::Less,
                _ => {}
            }
        }
        let pairs = one(*a).iter().zip(one(*b));
        let order = pairs.map(|(x, y)| compare_typed(value.element, x, y)).find(|order| order.is_ne());
        let order = order.unwrap_or(std::cmp::Ordering::Equal);
        if descending { order.reverse() } else { order }
    });
    with_slices(value, &order, value.dims.clone())
}

/// The first `take` of a random order of the slices.
fn shuffled(ctx: &FnContext<'_>, value: &ArrayValue, take: usize, keep_bound: bool) -> Result<Datum> {
    let (count, _) = slices(value);
    let mut order: Vec<usize> = (0..count).collect();
    for place in 0..take.min(count) {
        let other = place + (ctx.session().random() * (count - place) as f64) as usize;
        order.swap(place, other.min(count - 1));
    }
    let mut dims = value.dims.clone();
    if let Some(dim) = dims.first_mut() {
        dim.length = take as i32;
        if !keep_bound {
            dim.lower_bound = 1;
        }
    }
    with_slices(value, &order[..take], dims)
}

fn shuffle(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    shuffled(ctx, value, slices(value).0, true)
}

fn sample(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = array(&args[0]);
    let (count, _) = slices(value);
    match usize::try_from(int4(&args[1])).ok().filter(|take| *take <= count) {
        Some(take) => shuffled(ctx, value, take, false),
        None => bail!(INVALID_PARAMETER_VALUE, "sample size must be between 0 and {count}"),
    }
}

/// The parts of text between delimiters: single characters without a delimiter, the whole text with an empty one.
fn split(args: &[Datum]) -> Option<Vec<Datum>> {
    if args[0].is_null() {
        return None;
    }
    let text = shared_text(&args[0]);
    let null_text = args.get(2).and_then(Datum::as_text);
    let part = |part: &str| if Some(part) == null_text { Datum::Null } else { Datum::text(part) };
    Some(match args[1].as_text() {
        _ if text.is_empty() => Vec::new(),
        None => text.chars().map(|c| part(c.encode_utf8(&mut [0; 4]))).collect(),
        Some("") => vec![part(text)],
        Some(delimiter) => text.split(delimiter).map(part).collect(),
    })
}

fn text_to_array(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match split(args) {
        None => Ok(Datum::Null),
        Some(parts) => make(ArrayValue::from_items(Oid::TEXT, parts)),
    }
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("array_append", append),
    ("array_prepend", prepend),
    ("array_cat", cat),
    ("array_remove", remove),
    ("array_replace", replace),
    ("array_fill", fill),
    ("array_fill_with_lower_bounds", fill),
    ("trim_array", trim),
    ("array_reverse", reverse),
    ("array_sort", sort),
    ("array_sort_order", sort),
    ("array_sort_order_nulls_first", sort),
    ("array_shuffle", shuffle),
    ("array_sample", sample),
    ("text_to_array", text_to_array),
    ("text_to_array_null", text_to_array),
];

//! Assignment into a container: `SET a[1] = x`, `SET a[2:3] = '{x,y}'`, `SET doc['a']['b'] = x`.
//!
//! One-dimensional arrays grow as far as the subscript reaches, NULLs between; other shapes stay. jsonb grows too:
//! missing objects and arrays on the path are made, gaps in arrays filled with null.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result};
use crate::types::array::{ArrayDim, ArrayValue};
use crate::types::json::JsonValue;
use crate::types::{Datum, Oid};

/// One subscript: lower and upper bound of a slice; an element has an upper bound only.
pub type Bounds = (Option<Datum>, Option<Datum>);

/// The container with the value in its place.
///
/// # Errors
/// `2202E` for subscripts that do not fit, `22004` for NULL among them.
pub fn store(container: Datum, element: Oid, bounds: &[Bounds], slice: bool, value: Datum) -> Result<Datum> {
    let null = |bound: &Option<Datum>| bound.as_ref().is_some_and(Datum::is_null);
    if bounds.iter().any(|(lower, upper)| null(lower) || null(upper)) {
        let what = if element == Oid::JSONB { "jsonb" } else { "array" };
        bail!(NULL_VALUE_NOT_ALLOWED, "{what} subscript in assignment must not be null");
    }
    if element == Oid::JSONB {
        return store_json(container, bounds, value);
    }
    let array = match container {
        Datum::Array(array) => (*array).clone(),
        _ => ArrayValue { element, dims: Vec::new(), items: Vec::new() },
    };
    let number = |bound: &Option<Datum>| bound.as_ref().and_then(Datum::as_i64);
    if slice {
        let Datum::Array(source) = value else { return Ok(Datum::Array(Arc::new(array))) };
        let bounds: Vec<_> = bounds.iter().map(|(lower, upper)| (number(lower), number(upper))).collect();
        return store_slice(array, &bounds, &source.items);
    }
    let indices: Vec<i64> = bounds.iter().map(|(_, upper)| number(upper).expect("elements have a subscript")).collect();
    store_element(array, &indices, value)
}

fn out_of_range<T>() -> Result<T> {
    bail!(ARRAY_SUBSCRIPT_ERROR, "array subscript out of range")
}

fn finish(array: ArrayValue) -> Result<Datum> {
    Ok(Datum::Array(Arc::new(ArrayValue::with_dims(array.element, array.dims, array.items)?)))
}

fn bound(value: i64) -> Result<i32> {
    match i32::try_from(value) {
        Ok(value) => Ok(value),
        Err(_) => bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)"),
    }
}

/// Makes a one-dimensional array reach from `lower` to `upper`.
fn reach(array: &mut ArrayValue, lower: i64, upper: i64) -> Result<()> {
    let dim = &mut array.dims[0];
    let (first, end) = (i64::from(dim.lower_bound), i64::from(dim.lower_bound) + i64::from(dim.length));
    let (before, after) = ((first - lower).max(0), (upper + 1 - end).max(0));
    let total = before + i64::from(dim.length) + after;
    if total > crate::types::array::MAX_ITEMS as i64 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed (134217727)");
    }
    dim.length = bound(total)?;
    dim.lower_bound = bound(first - before)?;
    array.items.splice(0..0, std::iter::repeat_n(Datum::Null, before as usize));
    array.items.resize(total as usize, Datum::Null);
    Ok(())
}

fn store_element(mut array: ArrayValue, indices: &[i64], value: Datum) -> Result<Datum> {
    if array.dims.is_empty() {
        array.dims = indices
            .iter()
            .map(|index| Ok(ArrayDim { length: 1, lower_bound: bound(*index)? }))
            .collect::<Result<_>>()?;
        array.items = vec![value];
        return finish(array);
    }
    if array.dims.len() != indices.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    if let [index] = indices {
        reach(&mut array, *index, *index)?;
    }
    let mut offset = 0;
    for (dim, index) in array.dims.iter().zip(indices) {
        let place = index - i64::from(dim.lower_bound);
        if place < 0 || place >= i64::from(dim.length) {
            return out_of_range();
        }
        offset = offset * dim.length as usize + place as usize;
    }
    array.items[offset] = value;
    finish(array)
}

fn store_slice(mut array: ArrayValue, bounds: &[(Option<i64>, Option<i64>)], source: &[Datum]) -> Result<Datum> {
    if array.dims.is_empty() {
        return new_from_slice(array.element, bounds, source);
    }
    if array.dims.len() < bounds.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    let range = |at: usize, dim: &ArrayDim| {
        let last = i64::from(dim.lower_bound) + i64::from(dim.length) - 1;
        let (lower, upper) = bounds.get(at).copied().unwrap_or((None, None));
        (lower.unwrap_or(i64::from(dim.lower_bound)), upper.unwrap_or(last))
    };
    let ranges: Vec<(i64, i64)> = array.dims.iter().enumerate().map(|(at, dim)| range(at, dim)).collect();
    if ranges.iter().any(|(lower, upper)| lower > upper) {
        bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
    }
    if let [(lower, upper)] = ranges.as_slice() {
        reach(&mut array, *lower, *upper)?;
    }
    let inside = |(dim, (lower, upper)): (&ArrayDim, &(i64, i64))| {
        *lower >= i64::from(dim.lower_bound) && *upper < i64::from(dim.lower_bound) + i64::from(dim.length)
    };
    if !array.dims.iter().zip(&ranges).all(inside) {
        return out_of_range();
    }
    let count: i64 = ranges.iter().map(|(lower, upper)| upper - lower + 1).product();
    if count > source.len() as i64 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "source array too small");
    }
    // The places of the slice in row-major order.
    let mut place: Vec<i64> = ranges.iter().map(|range| range.0).collect();
    for item in &source[..count as usize] {
        let offset = array.dims.iter().zip(&place).fold(0, |offset, (dim, index)| {
            offset * dim.length as usize + (index - i64::from(dim.lower_bound)) as usize
        });
        array.items[offset] = item.clone();
        for (index, range) in place.iter_mut().zip(&ranges).rev() {
            *index += 1;
            if *index <= range.1 {
                break;
            }
            *index = range.0;
        }
    }
    finish(array)
}

/// A slice of an empty array becomes the array.
fn new_from_slice(element: Oid, bounds: &[(Option<i64>, Option<i64>)], source: &[Datum]) -> Result<Datum> {
    let mut dims = Vec::with_capacity(bounds.len());
    for range in bounds {
        let (Some(lower), Some(upper)) = *range else {
            return Err(crate::error!(ARRAY_SUBSCRIPT_ERROR, "array slice subscript must provide both boundaries")
                .detail(
                    "When assigning to a slice of an empty array value, slice boundaries must be fully specified.",
                ));
        };
        if lower > upper {
            bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
        }
        dims.push(ArrayDim { length: bound(upper - lower + 1)?, lower_bound: bound(lower)? });
    }
    let count = crate::types::array::check_shape(&dims)?;
    if count > source.len() {
        bail!(ARRAY_SUBSCRIPT_ERROR, "source array too small");
    }
    finish(ArrayValue { element, dims, items: source[..count].to_vec() })
}

fn store_json(container: Datum, bounds: &[Bounds], value: Datum) -> Result<Datum> {
    let value = match value {
        Datum::Jsonb(value) => (*value).clone(),
        _ => JsonValue::Null,
    };
    let path: Vec<&Datum> = bounds.iter().filter_map(|(_, upper)| upper.as_ref()).collect();
    let mut root = match container {
        Datum::Jsonb(root) => Some((*root).clone()),
        _ => None,
    };
    put(&mut root, &path, 0, value)?;
    Ok(Datum::Jsonb(Arc::new(root.unwrap_or(JsonValue::Null))))
}

/// Puts the value at the end of the path below `slot`, which is empty where there is nothing yet.
fn put(slot: &mut Option<JsonValue>, path: &[&Datum], level: usize, value: JsonValue) -> Result<()> {
    let Some(step) = path.get(level) else {
        *slot = Some(value);
        return Ok(());
    };
    let container = slot.get_or_insert_with(|| match step {
        Datum::Text(_) => JsonValue::Object(Vec::new()),
        _ => JsonValue::Array(Vec::new()),
    });
    match container {
        JsonValue::Object(members) => {
            let key = match step {
                Datum::Text(key) => key.to_string(),
                other => other.as_i64().unwrap_or(0).to_string(),
            };
            let mut inner = JsonValue::find_member(members, &key).map(|at| members[at].1.clone());
            put(&mut inner, path, level + 1, value)?;
            JsonValue::insert_member(members, &key, inner.unwrap_or(JsonValue::Null));
            Ok(())
        }
        JsonValue::Array(items) => {
            let index = array_index(step, level, items.len())?;
            if index >= items.len() {
                items.resize(index, JsonValue::Null);
                let mut inner = None;
                put(&mut inner, path, level + 1, value)?;
                items.push(inner.unwrap_or(JsonValue::Null));
                return Ok(());
            }
            let mut inner = Some(items[index].clone());
            put(&mut inner, path, level + 1, value)?;
            items[index] = inner.unwrap_or(JsonValue::Null);
            Ok(())
        }
        _ => Err(replaces_scalar()),
    }
}

fn replaces_scalar() -> Error {
    crate::error!(INVALID_PARAMETER_VALUE, "cannot replace existing key")
        .detail("The path assumes key is a composite object, but it is a scalar value.")
}

fn array_index(step: &Datum, level: usize, length: usize) -> Result<usize> {
    let place = level + 1;
    let index = match step {
        Datum::Text(text) => match text.parse::<i32>() {
            Ok(index) => i64::from(index),
            Err(_) => {
                bail!(INVALID_TEXT_REPRESENTATION, "path element at position {place} is not an integer: \"{text}\"")
            }
        },
        other => other.as_i64().unwrap_or(0),
    };
    let resolved = if index < 0 { index + length as i64 } else { index };
    match usize::try_from(resolved) {
        Ok(resolved) if resolved <= crate::types::array::MAX_ITEMS => Ok(resolved),
        _ => bail!(INVALID_PARAMETER_VALUE, "path element at position {place} is out of range: {index}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, store};
    use crate::types::io::{IoContext, input, to_text};
    use crate::types::{Datum, Oid, SqlType};

    fn run(array: &str, bounds: &[(Option<i32>, Option<i32>)], value: &str) -> String {
        let ctx = IoContext::fixed();
        let read = |text: &str| input(text, SqlType::of(Oid::INT4_ARRAY), &ctx).expect("an array");
        let bounds: Vec<Bounds> = bounds.iter().map(|(a, b)| (a.map(Datum::Int4), b.map(Datum::Int4))).collect();
        let slice = value.starts_with('{');
        let value = if slice { read(value) } else { Datum::Int4(value.parse().expect("a number")) };
        match store(read(array), Oid::INT4, &bounds, slice, value) {
            Ok(value) => to_text(&value, Oid::INT4_ARRAY, &ctx).expect("prints"),
            Err(error) => error.report().message.clone(),
        }
    }

    #[test]
    fn arrays_change_as_in_postgres() {
        let at = |index| [(None, Some(index))];
        assert_eq!(run("{1,2,3}", &at(1), "9"), "{9,2,3}");
        assert_eq!(run("{1,2,3}", &at(5), "7"), "{1,2,3,NULL,7}");
        assert_eq!(run("{9,2}", &at(-1), "7"), "[-1:2]={7,NULL,9,2}");
        assert_eq!(run("{}", &at(2), "5"), "[2:2]={5}");
        assert_eq!(run("{{1,2},{3,4}}", &[(None, Some(1)), (None, Some(2))], "9"), "{{1,9},{3,4}}");
        assert_eq!(run("{{1,2},{3,4}}", &[(None, Some(3)), (None, Some(1))], "9"), "array subscript out of range");
        assert_eq!(run("{{1,2},{3,4}}", &at(1), "9"), "wrong number of array subscripts");
        assert_eq!(run("{1,2}", &[(Some(2), Some(4))], "{7,8,9}"), "{1,7,8,9}");
        assert_eq!(run("{1,2}", &[(Some(2), Some(4))], "{7,8}"), "source array too small");
        assert_eq!(run("{{1,2},{3,4}}", &[(Some(1), Some(1))], "{7,7}"), "{{7,7},{3,4}}");
    }
}

//! The rarer expression nodes for one row: arrays, rows, fields, comparisons of lists.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::registry::CompareOp;
use crate::sql::eval::row::{Row, call_predicate, eval_row};
use crate::sql::eval::store::store;
use crate::sql::expr::{Expr, RowCompareOp, RowComparePair};
use crate::types::array::{ArrayDim, ArrayValue};
use crate::types::compare::compare_typed;
use crate::types::datetime::arith;
use crate::types::{Datum, Oid, RecordValue, typmod};

const ARRAY_DIMS_MAX: usize = 6;

/// The value of a node that [`eval_row`] does not handle itself.
pub(super) fn eval(expr: &Expr, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    match expr {
        Expr::IsDistinct { equal, left, right, negated } => {
            let (left, right) = (eval_row(left, row, ctx)?, eval_row(right, row, ctx)?);
            let distinct = match (left.is_null(), right.is_null()) {
                (true, true) => false,
                (false, false) => call_predicate(*equal, &left, &right, ctx)? != Some(true),
                _ => true,
            };
            Ok(Datum::Bool(distinct != *negated))
        }
        Expr::NullIf { equal, left, right, .. } => {
            let (left, right) = (eval_row(left, row, ctx)?, eval_row(right, row, ctx)?);
            let same = call_predicate(*equal, &left, &right, ctx)? == Some(true);
            Ok(if same { Datum::Null } else { left })
        }
        Expr::MinMax { greatest, args, ty } => min_max(*greatest, args, ty.oid, row, ctx),
        Expr::ArrayCompare { function, any, left, array } => {
            let left = eval_row(left, row, ctx)?;
            let array = eval_row(array, row, ctx)?;
            array_compare(*function, *any, &left, &array, ctx)
        }
        Expr::Array { element, items, nested, .. } => {
            let values = items.iter().map(|item| eval_row(item, row, ctx)).collect::<Result<Vec<_>>>()?;
            if *nested { nested_array(*element, values) } else { Ok(array(*element, values)) }
        }
        Expr::Row { fields, names, ty } => {
            let fields = fields
                .iter()
                .map(|field| Ok((field.ty().oid, eval_row(field, row, ctx)?)))
                .collect::<Result<Vec<_>>>()?;
            Ok(Datum::Record(Arc::new(RecordValue { type_oid: ty.oid, fields, names: names.clone() })))
        }
        Expr::Field { record, index, .. } => Ok(match eval_row(record, row, ctx)? {
            Datum::Null => Datum::Null,
            Datum::Record(record) => record.fields.get(*index).map_or(Datum::Null, |(_, value)| value.clone()),
            other => panic!("field of {other:?}, which is not a record"),
        }),
        Expr::Subscript { array, indices, .. } => {
            let array = eval_row(array, row, ctx)?;
            let indices = indices.iter().map(|index| eval_row(index, row, ctx)).collect::<Result<Vec<_>>>()?;
            Ok(subscript(&array, &indices))
        }
        Expr::Store { container, element, bounds, slice, value } => {
            let bound = |bound: &Option<Expr>| bound.as_ref().map(|bound| eval_row(bound, row, ctx)).transpose();
            let bounds = bounds.iter().map(|(lower, upper)| Ok((bound(lower)?, bound(upper)?)));
            let bounds = bounds.collect::<Result<Vec<_>>>()?;
            let (container, value) = (eval_row(container, row, ctx)?, eval_row(value, row, ctx)?);
            store(container, *element, &bounds, *slice, value)
        }
        Expr::Slice { array, bounds, .. } => eval_slice(array, bounds, row, ctx),
        Expr::ArrayMap { array, element, ty } => array_map(array, element, ty.oid, row, ctx),
        Expr::Typmod { arg, ty, explicit } => typmod::coerce(eval_row(arg, row, ctx)?, *ty, *explicit),
        Expr::Domain { arg, domain, not_null, checks, .. } => {
            let value = eval_row(arg, row, ctx)?;
            check_domain(&value, *domain, *not_null, checks, ctx)?;
            Ok(value)
        }
        Expr::RowCompare { op, pairs } => row_compare(*op, pairs, row, ctx),
        Expr::Grouping { .. } => panic!("GROUPING is a column by the time it is evaluated"),
        Expr::Default => panic!("DEFAULT is replaced when a statement is bound"),
        _ => panic!("handled by eval_row"),
    }
}

/// Each element through an expression over it.
fn array_map(array: &Expr, element: &Expr, oid: Oid, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    let Datum::Array(source) = eval_row(array, row, ctx)? else { return Ok(Datum::Null) };
    let convert = |item: &Datum| eval_row(element, Row::Values(std::slice::from_ref(item)), ctx);
    let items = source.items.iter().map(convert).collect::<Result<Vec<_>>>()?;
    let target = crate::types::io::array_element(oid, &ctx.io()).unwrap_or_else(|| element.ty().oid);
    Ok(Datum::Array(Arc::new(ArrayValue { element: target, dims: source.dims.clone(), items })))
}

/// NOT NULL and the checks of a domain; a check that is NULL passes.
fn check_domain(
    value: &Datum,
    domain: Oid,
    not_null: bool,
    checks: &[(String, Expr)],
    ctx: &EvalContext,
) -> Result<()> {
    let name = || ctx.lookup.type_name(domain);
    if not_null && value.is_null() {
        bail!(NOT_NULL_VIOLATION, "domain {} does not allow null values", name());
    }
    for (check, expr) in checks {
        if eval_row(expr, Row::Values(std::slice::from_ref(value)), ctx)?.as_bool() == Some(false) {
            bail!(CHECK_VIOLATION, "value for domain {} violates check constraint \"{check}\"", name());
        }
    }
    Ok(())
}

/// GREATEST and LEAST: NULLs do not count.
fn min_max(greatest: bool, args: &[Expr], oid: Oid, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    let mut best = Datum::Null;
    for arg in args {
        let value = eval_row(arg, row, ctx)?;
        if value.is_null() {
            continue;
        }
        let better = best.is_null() || {
            let order = compare_typed(oid, &value, &best);
            if greatest { order.is_gt() } else { order.is_lt() }
        };
        if better {
            best = value;
        }
    }
    Ok(best)
}

/// `IS [NOT] NULL`: a record is null when all its fields are, and not null when none is.
pub(super) fn is_null_test(value: &Datum, negated: bool) -> bool {
    match value {
        Datum::Record(record) => record.fields.iter().all(|(_, field)| field.is_null() != negated),
        other => other.is_null() != negated,
    }
}

/// `value op ANY/ALL (array)`, three-valued.
pub(super) fn array_compare(
    function: Oid,
    any: bool,
    value: &Datum,
    array: &Datum,
    ctx: &EvalContext,
) -> Result<Datum> {
    let Datum::Array(array) = array else { return Ok(Datum::Null) };
    if array.items.is_empty() {
        return Ok(Datum::Bool(!any));
    }
    let mut unknown = false;
    for item in &array.items {
        match call_predicate(function, value, item, ctx)? {
            Some(found) if found == any => return Ok(Datum::Bool(any)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(!any) })
}

fn array(element: Oid, items: Vec<Datum>) -> Datum {
    Datum::Array(Arc::new(ArrayValue::from_items(element, items)))
}

/// Arrays as the elements of an array with one dimension more.
fn nested_array(element: Oid, parts: Vec<Datum>) -> Result<Datum> {
    let mismatch = || {
        crate::error!(
            ARRAY_SUBSCRIPT_ERROR,
            "multidimensional arrays must have array expressions with matching dimensions"
        )
    };
    let count = parts.len();
    let mut inner: Option<Vec<ArrayDim>> = None;
    let mut items = Vec::new();
    let mut empty = 0;
    for part in parts {
        let Datum::Array(part) = part else {
            empty += 1;
            continue;
        };
        if part.dims.is_empty() {
            empty += 1;
            continue;
        }
        match &inner {
            None => inner = Some(part.dims.clone()),
            Some(dims) if *dims == part.dims => {}
            Some(_) => return Err(mismatch()),
        }
        items.extend(part.items.iter().cloned());
    }
    let Some(inner) = inner else { return Ok(array(element, Vec::new())) };
    if empty > 0 {
        return Err(mismatch());
    }
    if inner.len() + 1 > ARRAY_DIMS_MAX {
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({}) exceeds the maximum allowed ({ARRAY_DIMS_MAX})",
            inner.len() + 1
        );
    }
    let length = i32::try_from(count).expect("an array constructor has fewer than 2^31 items");
    let mut dims = vec![ArrayDim { length, lower_bound: 1 }];
    dims.extend(inner);
    Ok(Datum::Array(Arc::new(ArrayValue { element, dims, items })))
}

/// `array[i][j]`: NULL when out of range, when an index is NULL, or when their number is not that of the dimensions.
fn subscript(array: &Datum, indices: &[Datum]) -> Datum {
    let Datum::Array(array) = array else { return Datum::Null };
    if array.dims.len() != indices.len() {
        return Datum::Null;
    }
    let mut offset: usize = 0;
    for (dim, index) in array.dims.iter().zip(indices) {
        let Some(index) = index.as_i64() else { return Datum::Null };
        let place = index - i64::from(dim.lower_bound);
        if place < 0 || place >= i64::from(dim.length) {
            return Datum::Null;
        }
        let length = usize::try_from(dim.length).expect("lengths are positive");
        offset = offset * length + usize::try_from(place).expect("checked above");
    }
    array.items[offset].clone()
}

fn eval_slice(array: &Expr, bounds: &[(Option<Expr>, Option<Expr>)], row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    let Datum::Array(array) = eval_row(array, row, ctx)? else { return Ok(Datum::Null) };
    let empty = || Datum::Array(Arc::new(ArrayValue::from_items(array.element, Vec::new())));
    let mut ranges = Vec::with_capacity(array.dims.len());
    for (position, dim) in array.dims.iter().enumerate() {
        let (mut from, mut to) = (i64::from(dim.lower_bound), i64::from(dim.lower_bound) + i64::from(dim.length) - 1);
        if let Some((lower, upper)) = bounds.get(position) {
            for (bound, place) in [(lower, &mut from), (upper, &mut to)] {
                if let Some(bound) = bound {
                    let Some(value) = eval_row(bound, row, ctx)?.as_i64() else { return Ok(Datum::Null) };
                    *place = if std::ptr::eq(bound, lower.as_ref().unwrap_or(bound)) {
                        value.max(i64::from(dim.lower_bound))
                    } else {
                        value.min(i64::from(dim.lower_bound) + i64::from(dim.length) - 1)
                    };
                }
            }
        }
        if from > to {
            return Ok(empty());
        }
        ranges.push((from - i64::from(dim.lower_bound), to - from + 1));
    }
    if ranges.is_empty() || bounds.len() > array.dims.len() {
        return Ok(empty());
    }
    Ok(cut(&array, &ranges))
}

/// The part of an array given by (first place, length) per dimension; lower bounds become 1.
fn cut(array: &ArrayValue, ranges: &[(i64, i64)]) -> Datum {
    let mut items = Vec::new();
    let mut place: Vec<i64> = vec![0; ranges.len()];
    'all: loop {
        let mut offset: i64 = 0;
        for ((dim, range), at) in array.dims.iter().zip(ranges).zip(&place) {
            offset = offset * i64::from(dim.length) + range.0 + at;
        }
        items.push(array.items[usize::try_from(offset).expect("ranges lie inside the array")].clone());
        for position in (0..ranges.len()).rev() {
            place[position] += 1;
            if place[position] < ranges[position].1 {
                continue 'all;
            }
            place[position] = 0;
        }
        break;
    }
    let dims = ranges
        .iter()
        .map(|range| ArrayDim { length: i32::try_from(range.1).expect("at most the old length"), lower_bound: 1 })
        .collect();
    Datum::Array(Arc::new(ArrayValue { element: array.element, dims, items }))
}

/// Row comparison: `=` and `<>` look at all columns three-valued, the others at the first that differs.
fn row_compare(op: RowCompareOp, pairs: &[RowComparePair], row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    if matches!(op, RowCompareOp::Eq | RowCompareOp::Ne) {
        let mut unknown = false;
        for pair in pairs {
            let (left, right) = (eval_row(&pair.left, row, ctx)?, eval_row(&pair.right, row, ctx)?);
            match call_predicate(pair.equal, &left, &right, ctx)? {
                Some(false) => return Ok(Datum::Bool(op == RowCompareOp::Ne)),
                Some(true) => {}
                None => unknown = true,
            }
        }
        return Ok(if unknown { Datum::Null } else { Datum::Bool(op == RowCompareOp::Eq) });
    }
    for pair in pairs {
        let (left, right) = (eval_row(&pair.left, row, ctx)?, eval_row(&pair.right, row, ctx)?);
        match call_predicate(pair.equal, &left, &right, ctx)? {
            None => return Ok(Datum::Null),
            Some(true) => {}
            Some(false) => {
                let Some(less) = call_predicate(pair.less, &left, &right, ctx)? else { return Ok(Datum::Null) };
                let wants_less = matches!(op, RowCompareOp::Lt | RowCompareOp::Le);
                return Ok(Datum::Bool(less == wants_less));
            }
        }
    }
    Ok(Datum::Bool(matches!(op, RowCompareOp::Le | RowCompareOp::Ge)))
}

/// Compares dates with timestamps: a date is its midnight, and becomes an instant in the session's zone where the other side is one.
pub(super) fn compare_times(op: CompareOp, left: &Datum, right: &Datum, ctx: &EvalContext) -> Result<Datum> {
    Ok(Datum::Bool(op.accepts(order_times(left, right, ctx)?)))
}

/// The order that [`compare_times`] goes by.
pub(super) fn order_times(left: &Datum, right: &Datum, ctx: &EvalContext) -> Result<std::cmp::Ordering> {
    let with_zone = matches!(left, Datum::Timestamptz(_)) || matches!(right, Datum::Timestamptz(_));
    Ok(instant(left, with_zone, ctx)?.cmp(&instant(right, with_zone, ctx)?))
}

const DAY_MICROS: i128 = 86_400_000_000;

/// Microseconds since 2000, wide enough for every date; infinities stay outermost.
fn instant(value: &Datum, with_zone: bool, ctx: &EvalContext) -> Result<i128> {
    let zone = &ctx.format.timezone;
    Ok(match value {
        Datum::Timestamptz(micros) => i128::from(*micros),
        Datum::Timestamp(micros) if !with_zone => i128::from(*micros),
        Datum::Timestamp(micros) => i128::from(arith::timestamp_at_zone(*micros, zone)?),
        Datum::Date(i32::MIN) => i128::from(i64::MIN),
        Datum::Date(i32::MAX) => i128::from(i64::MAX),
        // Dates reach further than timestamps; beyond them an hour more or less does not matter.
        Datum::Date(days) => {
            let midnight = i128::from(*days) * DAY_MICROS;
            match i64::try_from(midnight) {
                Ok(micros) if with_zone => arith::timestamp_at_zone(micros, zone).map_or(midnight, i128::from),
                _ => midnight,
            }
        }
        other => panic!("expected a date or timestamp, found {other:?}"),
    })
}

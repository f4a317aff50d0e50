//! `enum_first`, `enum_last` and `enum_range`: an enum's labels in order, from the catalog.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::CatalogQuestion;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::ArrayValue;
use crate::types::{Datum, Oid};

/// The enum type that a call is about, which its argument's type says even when it is NULL.
fn type_of(ctx: &FnContext<'_>) -> Result<Oid> {
    let ty = ctx.arg_type(0).oid;
    if matches!(ty, Oid::UNKNOWN | Oid::ANYENUM) {
        bail!(FEATURE_NOT_SUPPORTED, "could not determine actual enum type");
    }
    Ok(ty)
}

/// All values of the type in order.
fn values(ctx: &FnContext<'_>, ty: Oid) -> Result<Vec<Datum>> {
    let answer = ctx.session().catalog_answer(&CatalogQuestion::EnumLabels(ty))?;
    let Some(Datum::Array(labels)) = answer else { return Ok(Vec::new()) };
    let found = labels.items.iter().filter_map(|label| ctx.io().lookup.enum_value(ty, label.as_text()?));
    Ok(found.map(Datum::Enum).collect())
}

fn end(ctx: &FnContext<'_>, last: bool) -> Result<Datum> {
    let ty = type_of(ctx)?;
    let mut values = values(ctx, ty)?;
    let found = if last { values.pop() } else { values.into_iter().next() };
    match found {
        Some(value) => Ok(value),
        None => {
            let name = ctx.io().lookup.type_name(ty);
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "enum {name} contains no values")
        }
    }
}

fn range(ctx: &FnContext<'_>, from: &Datum, to: &Datum) -> Result<Datum> {
    let ty = type_of(ctx)?;
    let place = |value: &Datum| match value {
        Datum::Enum(value) => Some(value.sort_order),
        _ => None,
    };
    let (from, to) = (place(from), place(to));
    let inside = |value: &Datum| {
        place(value).is_some_and(|at| from.is_none_or(|from| at >= from) && to.is_none_or(|to| at <= to))
    };
    let items = values(ctx, ty)?.into_iter().filter(inside).collect();
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(ty, items))))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("enum_first", |ctx, _| end(ctx, false)),
    ("enum_last", |ctx, _| end(ctx, true)),
    ("enum_range_bounds", |ctx, a| range(ctx, &a[0], &a[1])),
    ("enum_range_all", |ctx, _| range(ctx, &Datum::Null, &Datum::Null)),
];

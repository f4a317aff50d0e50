//! Walks over bound expressions.

use crate::catalog::descriptor::{AttNum, TableDesc};
use crate::sql::eval::registry::{Volatility, function};
use crate::sql::expr::{CallForm, Expr};
use crate::types::{Datum, Oid};

/// Sees an expression and everything in it, outside in. Subqueries are not entered: DDL has none.
pub(super) fn visit(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    let mut all = |items: &[Expr]| items.iter().for_each(|item| visit(item, see));
    match expr {
        Expr::Const(..)
        | Expr::Column { .. }
        | Expr::Outer { .. }
        | Expr::Param { .. }
        | Expr::Subquery(_)
        | Expr::Grouping { .. }
        | Expr::Default => {}
        Expr::Call(call) => all(&call.args),
        Expr::And(items) | Expr::Or(items) => all(items),
        Expr::Coalesce { args: items, .. }
        | Expr::MinMax { args: items, .. }
        | Expr::Array { items, .. }
        | Expr::Row { fields: items, .. } => all(items),
        Expr::Not(arg)
        | Expr::IsNull { arg, .. }
        | Expr::IsBool { arg, .. }
        | Expr::Relabel { arg, .. }
        | Expr::ViaIo { arg, .. }
        | Expr::Field { record: arg, .. } => visit(arg, see),
        Expr::IsDistinct { left, right, .. }
        | Expr::NullIf { left, right, .. }
        | Expr::ArrayCompare { left, array: right, .. } => {
            visit(left, see);
            visit(right, see);
        }
        Expr::Case { arms, otherwise, .. } => {
            for (condition, result) in arms {
                visit(condition, see);
                visit(result, see);
            }
            if let Some(otherwise) = otherwise {
                visit(otherwise, see);
            }
        }
        Expr::Subscript { array, indices, .. } => {
            visit(array, see);
            indices.iter().for_each(|index| visit(index, see));
        }
        Expr::Slice { array, bounds, .. } => {
            visit(array, see);
            bounds.iter().flat_map(|(low, high)| low.iter().chain(high)).for_each(|bound| visit(bound, see));
        }
        // The element expression reads column 0 of its own little row, not a column of the table.
        Expr::ArrayMap { array, .. } => visit(array, see),
        Expr::RowCompare { pairs, .. } => pairs.iter().for_each(|pair| {
            visit(&pair.left, see);
            visit(&pair.right, see);
        }),
    }
}

/// Positions of the columns that an expression reads, ascending, each once.
pub(super) fn columns(expr: &Expr) -> Vec<usize> {
    let mut found = Vec::new();
    visit(expr, &mut |node| {
        if let Expr::Column { index, .. } = node {
            found.push(*index);
        }
    });
    found.sort_unstable();
    found.dedup();
    found
}

/// [`columns`] as attribute numbers of a table.
pub(super) fn attributes(expr: &Expr, table: &TableDesc) -> Vec<AttNum> {
    columns(expr).into_iter().map(|position| table.columns[position].attnum).collect()
}

/// The most volatile function in an expression.
pub(super) fn volatility(expr: &Expr) -> Volatility {
    let mut most = Volatility::Immutable;
    visit(expr, &mut |node| {
        let own = match node {
            Expr::Call(call) if matches!(call.form, CallForm::SqlValue(..)) => Volatility::Stable,
            Expr::Call(call) => function(call.function).map_or(Volatility::Volatile, |f| f.volatility),
            _ => Volatility::Immutable,
        };
        most = most.max(own);
    });
    most
}

/// Relations that an expression names by `regclass` constants, such as the sequence of a `nextval`.
pub(super) fn relations(expr: &Expr) -> Vec<Oid> {
    let mut found = Vec::new();
    visit(expr, &mut |node| {
        if let Expr::Const(Datum::Oid(oid), ty) = node
            && ty.oid == Oid::REGCLASS
        {
            found.push(*oid);
        }
    });
    found
}

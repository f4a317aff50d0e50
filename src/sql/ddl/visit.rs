//! Walks over bound expressions.

use crate::catalog::descriptor::{AttNum, TableDesc};
use crate::sql::eval::registry::{Volatility, function};
use crate::sql::expr::{CallForm, Expr};
use crate::sql::walk;
use crate::types::{Datum, Oid};

/// Sees an expression and everything in it, outside in. Subqueries are not entered: DDL has none.
pub(super) fn visit(expr: &Expr, see: &mut dyn FnMut(&Expr)) {
    see(expr);
    walk::for_each_child(expr, &mut |child| visit(child, see));
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

/// Types of all values in an expression.
pub(super) fn types(expr: &Expr) -> Vec<Oid> {
    let mut found = Vec::new();
    visit(expr, &mut |node| found.push(node.ty().oid));
    found
}

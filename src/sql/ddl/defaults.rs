//! DEFAULT and GENERATED ALWAYS AS: binding them once, to refuse what is wrong, and storing their text.

use super::bind::{self, Place};
use super::columns::ColumnPlan;
use super::context::DdlContext;
use super::{naming, visit};
use crate::bail;
use crate::catalog::descriptor::TableDesc;
use crate::common::quote_literal;
use crate::error::Result;
use crate::sql::ast;
use crate::sql::eval::Volatility;
use crate::sql::expr::Expr;
use crate::types::{Oid, SqlType};

/// `nextval` of a sequence, as a serial column's default is stored.
pub(super) fn nextval(ctx: &DdlContext<'_>, sequence: Oid) -> String {
    let desc = &ctx.snapshot().objects.sequences[&sequence];
    let name = naming::stored_relation(ctx.snapshot(), desc.schema, &desc.name);
    format!("nextval({}::regclass)", quote_literal(&name))
}

/// Sets what a plan says of the value of column `at`.
pub(super) fn set(
    table: &mut TableDesc,
    at: usize,
    plan: &ColumnPlan,
    plans: &[ColumnPlan],
    ctx: &DdlContext<'_>,
) -> Result<()> {
    if let Some(expr) = &plan.default {
        table.columns[at].default = default(table, at, expr, ctx)?.map(|bound| stored(&bound, table, ctx));
    }
    if let Some(expr) = &plan.generated {
        let generated: Vec<usize> =
            plans.iter().enumerate().filter(|(_, plan)| plan.generated.is_some()).map(|(at, _)| at).collect();
        let bound = generation(table, at, expr, &generated, ctx)?;
        table.columns[at].generated = Some(stored(&bound, table, ctx));
    }
    Ok(())
}

fn stored(expr: &Expr, table: &TableDesc, ctx: &DdlContext<'_>) -> String {
    bind::text_of(expr, table, &ctx.stored_names())
}

/// Binds a default; `None` for a plain NULL, which is no default.
pub(super) fn default(table: &TableDesc, at: usize, expr: &ast::Expr, ctx: &DdlContext<'_>) -> Result<Option<Expr>> {
    let column = &table.columns[at];
    let place = Place::Default(column.name.clone());
    let columns = bind::columns_of(table);
    bind::bind(expr, &columns, Some(column.ty), &ctx.names(), &place)?;
    let bound = as_written(expr, &columns, column.ty, &place, ctx)?;
    Ok(Some(bound).filter(|bound| !matches!(bound, Expr::Const(value, _) if value.is_null())))
}

/// The expression without the conversion to the column's type and modifier, which happens anyway when a value is stored
/// and is not part of the text; only a literal without a type of its own is of the column's type.
fn as_written(
    expr: &ast::Expr,
    columns: &[(String, SqlType)],
    ty: SqlType,
    place: &Place,
    ctx: &DdlContext<'_>,
) -> Result<Expr> {
    let literal = matches!(expr.kind, ast::ExprKind::String(_) | ast::ExprKind::Null);
    bind::bind(expr, columns, literal.then(|| SqlType::of(ty.oid)), &ctx.names(), place)
}

/// Binds a generation expression: immutable, and over columns that are not generated themselves (`generated`).
fn generation(
    table: &TableDesc,
    at: usize,
    expr: &ast::Expr,
    generated: &[usize],
    ctx: &DdlContext<'_>,
) -> Result<Expr> {
    let column = &table.columns[at];
    let place = Place::Generated(column.name.clone());
    let columns = bind::columns_of(table);
    bind::bind(expr, &columns, Some(column.ty), &ctx.names(), &place)?;
    let bound = as_written(expr, &columns, column.ty, &place, ctx)?;
    if let Some(position) = visit::columns(&bound).into_iter().find(|position| generated.contains(position)) {
        let name = &table.columns[position].name;
        let error = crate::error!(
            INVALID_OBJECT_DEFINITION,
            "cannot use generated column \"{name}\" in column generation expression"
        );
        return Err(error.detail("A generated column cannot reference another generated column.").at(expr.position));
    }
    if visit::volatility(&bound) != Volatility::Immutable {
        bail!(INVALID_OBJECT_DEFINITION, "generation expression is not immutable");
    }
    Ok(bound)
}

/// Reads a stored default or generation expression back.
pub(super) fn read_back(table: &TableDesc, at: usize, text: &str, ctx: &DdlContext<'_>) -> Result<Expr> {
    let column = &table.columns[at];
    let place = match &column.generated {
        Some(_) => Place::Generated(column.name.clone()),
        None => Place::Default(column.name.clone()),
    };
    bind::bind_stored(text, table, Some(column.ty), &ctx.stored_names(), &place)
}

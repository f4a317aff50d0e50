//! Expressions over one row of a table: defaults, checks, index keys and predicates, generated columns. They see columns
//! only, know no parameters, and are bound again from their canonical text when a statement needs them.

use std::sync::Arc;

use crate::catalog::Names;
use crate::error::Result;
use crate::sql::ast;
use crate::sql::expr::Expr;
use crate::sql::logical::LogicalPlan;
use crate::sql::parser;
use crate::types::SqlType;
use crate::types::io::FormatSettings;

use super::coerce::CoercionContext;
use super::context::{BindEnv, Binder, Level, Params, Place, Scope, ScopeColumn, ScopeRel};

/// Binds an expression over columns (`Expr::Column` by position), converted to `target` by assignment when given.
///
/// # Errors
/// What the place does not allow, and whatever is wrong with the expression.
pub fn bind(
    expr: &ast::Expr,
    columns: &[(String, SqlType)],
    target: Option<SqlType>,
    names: &Names,
    place: Place,
) -> Result<Expr> {
    let format = FormatSettings::default();
    let env = BindEnv { names, format: &format, now_micros: crate::common::clock::now_micros() };
    let mut params = Params::default();
    let mut binder = Binder::new(&env, &mut params);
    let mut level = Level::default();
    if !columns.is_empty() {
        level.scope = Scope {
            rels: vec![ScopeRel {
                alias: String::new(),
                schema: None,
                table: None,
                tag: None,
                row_type: crate::types::Oid::RECORD,
                hidden: false,
            }],
            columns: columns
                .iter()
                .enumerate()
                .map(|(index, (name, ty))| ScopeColumn {
                    name: name.clone(),
                    ty: *ty,
                    index,
                    rel: Some(0),
                    origin: None,
                    qualified_only: false,
                    system: false,
                })
                .collect(),
            star: (0..columns.len()).collect(),
            width: columns.len(),
        };
    }
    binder.levels.push(level);
    let bound = binder.expr(expr, place)?;
    let bound = binder.settle_unless(bound, target, expr.position)?;
    let Some(target) = target else { return Ok(bound) };
    let source = bound.ty().oid;
    match binder.try_coerce(bound, target, CoercionContext::Assignment, expr.position)? {
        Some(bound) => Ok(bound),
        None => Err(crate::error!(
            DATATYPE_MISMATCH,
            "cannot convert an expression of type {} to {}",
            binder.type_text(source),
            binder.type_text(target.oid)
        )
        .at(expr.position)),
    }
}

/// [`bind`] for text from the catalog. It means what it meant when it was written, whatever the session's path is by now:
/// scripts of pg_dump, for one, have an empty one.
///
/// # Errors
/// As [`bind`]; the text was valid when it was stored, so an error means that something it names has changed.
pub fn bind_stored(
    text: &str,
    columns: &[(String, SqlType)],
    target: Option<SqlType>,
    names: &Names,
    place: Place,
) -> Result<Expr> {
    let stored = Names::stored(Arc::clone(&names.snapshot));
    bind(&parser::parse_expr(text)?, columns, target, &stored, place)
}

/// Binds the query of a view.
///
/// # Errors
/// Whatever is wrong with it.
pub fn bind_view_query(query: &ast::Query, names: &Names) -> Result<LogicalPlan> {
    bind_query(query, names).map(|(plan, _)| plan)
}

/// The positions of a view's query that use functions and operators of the extension.
///
/// # Errors
/// As [`bind_view_query`].
pub fn extension_uses(query: &ast::Query, names: &Names) -> Result<Vec<u32>> {
    bind_query(query, names).map(|(_, uses)| uses)
}

fn bind_query(query: &ast::Query, names: &Names) -> Result<(LogicalPlan, Vec<u32>)> {
    let format = FormatSettings::default();
    let env = BindEnv { names, format: &format, now_micros: crate::common::clock::now_micros() };
    let mut params = Params::default();
    let mut binder = Binder::new(&env, &mut params);
    let plan = binder.query(query)?;
    Ok((plan, binder.extension_uses))
}

impl Binder<'_> {
    fn settle_unless(&mut self, expr: Expr, target: Option<SqlType>, position: u32) -> Result<Expr> {
        if target.is_some() { Ok(expr) } else { self.settle(expr, position) }
    }
}

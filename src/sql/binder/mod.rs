//! Floor 6: binding: from names to columns, from literals to values, from operators to functions.
//!
//! [`bind`] turns a syntax tree into a [`LogicalPlan`] against a catalog snapshot, by PostgreSQL's rules: search path, scopes,
//! unknown literals, implicit, assignment and explicit casts, operator and function overloads, polymorphic types,
//! aggregates and windows per query level. What may be called is decided by catalog rows alone. Parameter types are found
//! on the way and left in [`Params`].
//!
//! * [`context`]: levels and scopes. [`types`]: type names. [`coerce`]: conversions. `overload`: which operator or function.
//! * `expr`, `operator`, `call`, `aggregate`, `window`: expressions. [`table_expr`]: expressions of the catalog.
//! * `query`, `select`, `from`, `group`: queries. `dml`: data modification.

mod aggregate;
mod call;
pub mod coerce;
pub mod context;
mod dml;
mod expr;
mod from;
mod group;
mod operator;
mod overload;
mod query;
mod select;
pub mod table_expr;
pub mod types;
mod window;

pub use context::{BindEnv, Binder, Params, Place};
pub use query::column_name;
pub use table_expr::{bind as bind_table_expr, bind_stored, bind_view_query, extension_uses};
pub use types::resolve_type;

use crate::catalog::privileges::Claim;
use crate::error::{Error, Result};
use crate::sql::ast::Statement;
use crate::sql::expr::Expr;
use crate::sql::logical::LogicalPlan;
use crate::types::SqlType;

use self::coerce::CoercionContext;
use self::context::Level;

/// Binds a query or a data modification; also what it wants of relations, to be checked when it runs.
///
/// # Errors
/// Whatever is wrong with the statement, with its position.
pub fn bind(statement: &Statement, env: &BindEnv<'_>, params: &mut Params) -> Result<(LogicalPlan, Vec<Claim>)> {
    let mut binder = Binder::new(env, params);
    let plan = match statement {
        Statement::Query(query) => binder.query(query)?,
        Statement::Insert(insert) => binder.insert(insert)?,
        Statement::Update(update) => binder.update(update)?,
        Statement::Delete(delete) => binder.delete(delete)?,
        _ => return Err(Error::internal("only queries and data modification are bound to plans")),
    };
    Ok((plan, binder.claims))
}

/// Binds a constant expression (EXECUTE arguments), converted to a type by assignment.
///
/// # Errors
/// Whatever is wrong with it.
pub fn bind_constant(
    expr: &crate::sql::ast::Expr,
    target: SqlType,
    env: &BindEnv<'_>,
    params: &mut Params,
) -> Result<Expr> {
    let mut binder = Binder::new(env, params);
    binder.levels.push(Level::default());
    let bound = binder.expr(expr, Place::ExecuteParameter)?;
    let source = bound.ty().oid;
    match binder.try_coerce(bound, target, CoercionContext::Assignment, expr.position)? {
        Some(bound) => Ok(bound),
        None => Err(crate::error!(
            DATATYPE_MISMATCH,
            "parameter of type {} cannot be coerced to the expected type {}",
            binder.type_text(source),
            binder.type_text(target.oid)
        )
        .hint("You will need to rewrite or cast the expression.")
        .at(expr.position)),
    }
}

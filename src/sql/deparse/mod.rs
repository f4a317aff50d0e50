//! Floor 5b: bound expressions back to SQL, in the text that PostgreSQL prints.
//!
//! Two readers share this text: the catalog stores defaults, checks, index expressions and generated columns with it
//! ([`crate::catalog::Names::stored`] as names, so that the text means the same under every search path), and
//! `pg_get_expr`, `pg_get_constraintdef` and their kin show it. The rules of parentheses, casts and constants are those of
//! PostgreSQL 18, learnt from its output; the texts in the tests are the oracle's. Binding the text again gives the same
//! expression.

mod constant;
mod printer;
mod query;
mod simple;
#[cfg(test)]
mod tests;
mod tree;

use printer::Printer;
pub use query::{HiddenExtension, deparse_query, deparse_query_for};

use crate::catalog::Names;
use crate::sql::expr::Expr;

/// The canonical text of an expression, all parentheses shown; `column_name` gives the text of a column by position,
/// quoted and qualified as wanted.
#[must_use]
pub fn deparse(expr: &Expr, column_name: &dyn Fn(usize) -> String, names: &Names) -> String {
    print(expr, column_name, names, false)
}

/// [`deparse`] with the parentheses that PostgreSQL leaves out when asked to be pretty, as psql's `\d` does.
#[must_use]
pub fn deparse_pretty(expr: &Expr, column_name: &dyn Fn(usize) -> String, names: &Names) -> String {
    print(expr, column_name, names, true)
}

fn print(expr: &Expr, column_name: &dyn Fn(usize) -> String, names: &Names, pretty: bool) -> String {
    let mut printer = Printer::new(column_name, names, pretty);
    printer.expr(expr, false);
    printer.finish()
}

//! Whether an expression may be evaluated elsewhere, again, or not at all.

use crate::sql::eval::registry::{self, Volatility};
use crate::sql::expr::Expr;
use crate::sql::walk;

/// Whether an expression calls a function with effects or one that depends on chance. Subquery plans are not looked into.
#[must_use]
pub fn is_volatile(expr: &Expr) -> bool {
    let mut found = false;
    walk::visit(expr, &mut |node| {
        if let Expr::Call(call) = node {
            found |= registry::function(call.function).is_some_and(|f| f.volatility == Volatility::Volatile);
        }
        !found
    });
    found
}

//! Floor 6: rewriting bound plans into better ones that mean the same.
//!
//! In order: subqueries in expressions are optimised themselves; EXISTS and IN conditions become semi and anti joins
//! ([`unnest`]); conditions move down to where their columns come from ([`pushdown`]); columns that nobody reads disappear
//! ([`prune`]). No rewriting evaluates an expression that would not have been evaluated, unless it cannot fail.

mod prune;
mod pushdown;
mod unnest;

use std::sync::Arc;

use crate::sql::expr::{Expr, SubqueryKind};
use crate::sql::logical::LogicalPlan;
use crate::sql::walk;

/// Rewrites a statement's plan.
#[must_use]
pub fn optimize(plan: LogicalPlan) -> LogicalPlan {
    let width = plan.fields().len();
    rewrite(plan, vec![true; width])
}

/// Drops what is not needed for a plan's output.
#[must_use]
pub fn prune(plan: LogicalPlan) -> LogicalPlan {
    let width = plan.fields().len();
    prune::prune(plan, vec![true; width]).0
}

fn rewrite(mut plan: LogicalPlan, needed: Vec<bool>) -> LogicalPlan {
    subqueries(&mut plan);
    let plan = pushdown::push(unnest::unnest(plan), Vec::new());
    prune::prune(plan, needed).0
}

/// Optimises the plans of subqueries in expressions, everywhere in a plan.
fn subqueries(plan: &mut LogicalPlan) {
    walk::for_each_expr_mut(plan, &mut in_expr);
    walk::for_each_input_mut(plan, &mut subqueries);
}

fn in_expr(expr: &mut Expr) {
    if let Expr::Subquery(subquery) = expr {
        let plan = (*subquery.plan).clone();
        let width = plan.fields().len();
        let needed = match subquery.kind {
            SubqueryKind::Exists => vec![false; width],
            _ => vec![true; width],
        };
        subquery.plan = Arc::new(rewrite(plan, needed));
    }
    walk::for_each_child_mut(expr, &mut in_expr);
}

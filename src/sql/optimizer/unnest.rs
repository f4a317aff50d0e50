//! EXISTS and IN conditions as semi and anti joins, so that they can be hashed instead of run per row.
//!
//! `IN (subquery)` without outer references becomes a semi join on its test. `[NOT] EXISTS` becomes a semi (anti) join when
//! the only outer references stand in the subquery's own WHERE. NOT IN keeps its three-valued logic as an expression.

use std::sync::Arc;

use crate::sql::expr::{Expr, Subquery, SubqueryKind};
use crate::sql::logical::{JoinKind, LogicalPlan};
use crate::sql::walk;

use super::pushdown::filtered;

/// Rewrites the filters of a plan.
pub(super) fn unnest(mut plan: LogicalPlan) -> LogicalPlan {
    walk::for_each_input_mut(&mut plan, &mut |input| {
        let inner = std::mem::replace(input, LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() });
        *input = unnest(inner);
    });
    let LogicalPlan::Filter { input, predicate } = plan else { return plan };
    let mut conditions = Vec::new();
    walk::conjuncts(predicate, &mut conditions);
    let mut input = *input;
    let mut rest = Vec::new();
    for condition in conditions {
        match semi_join(&condition, &input) {
            Some((kind, right, on)) => {
                let fields = input.fields().to_vec();
                input = LogicalPlan::Join {
                    kind,
                    lateral: false,
                    left: Box::new(input),
                    right: Box::new(right),
                    on,
                    fields,
                };
            }
            None => rest.push(condition),
        }
    }
    filtered(input, rest)
}

fn semi_join(condition: &Expr, input: &LogicalPlan) -> Option<(JoinKind, LogicalPlan, Option<Expr>)> {
    match condition {
        Expr::Subquery(subquery) => match &subquery.kind {
            SubqueryKind::Exists => exists(subquery, input).map(|(right, on)| (JoinKind::Semi, right, on)),
            SubqueryKind::Quantified { left, test, any: true } if !subquery.correlated => {
                let on = quantified(left, test, input)?;
                Some((JoinKind::Semi, (*subquery.plan).clone(), Some(on)))
            }
            _ => None,
        },
        Expr::Not(inner) => match &**inner {
            Expr::Subquery(subquery) if matches!(subquery.kind, SubqueryKind::Exists) => {
                exists(subquery, input).map(|(right, on)| (JoinKind::Anti, right, on))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The test of `left IN (subquery)` over left row and subquery row.
fn quantified(left: &[Expr], test: &Expr, input: &LogicalPlan) -> Option<Expr> {
    if left.iter().any(walk::has_subquery) {
        return None;
    }
    let (count, width) = (left.len(), input.fields().len());
    fn replace(expr: &mut Expr, left: &[Expr], count: usize, width: usize) {
        match expr {
            Expr::Column { index, .. } if *index < count => *expr = left[*index].clone(),
            Expr::Column { index, .. } => *index += width - count,
            other => walk::for_each_child_mut(other, &mut |child| replace(child, left, count, width)),
        }
    }
    let mut on = test.clone();
    replace(&mut on, left, count, width);
    Some(on)
}

/// The subquery of EXISTS without its outer conditions, and those conditions as a join condition.
fn exists(subquery: &Subquery, input: &LogicalPlan) -> Option<(LogicalPlan, Option<Expr>)> {
    let mut plan = (*Arc::clone(&subquery.plan)).clone();
    // What EXISTS selects does not matter.
    while let LogicalPlan::Project { input, .. } = plan {
        plan = *input;
    }
    if !subquery.correlated {
        return None;
    }
    let LogicalPlan::Filter { input: inner, predicate } = plan else { return None };
    let mut conditions = Vec::new();
    walk::conjuncts(predicate, &mut conditions);
    let (mut outer, mut own) = (Vec::new(), Vec::new());
    for condition in conditions {
        if refers_out(&condition) { outer.push(condition) } else { own.push(condition) }
    }
    let mut right = *inner;
    let mut correlated = false;
    walk::visit_plan_refs_mut(&mut right, 1, &mut |reference, level| {
        correlated |= matches!(reference, Expr::Outer { depth, .. } if *depth >= level);
    });
    if correlated || outer.is_empty() || outer.iter().any(walk::has_subquery) || outer.iter().any(too_deep) {
        return None;
    }
    let width = input.fields().len();
    for condition in &mut outer {
        walk::visit_refs_mut(condition, 0, &mut |reference, _| match reference {
            Expr::Column { index, .. } => *index += width,
            Expr::Outer { index, ty, .. } => *reference = Expr::Column { index: *index, ty: *ty },
            _ => {}
        });
    }
    right = filtered(right, own);
    Some((right, walk::conjunction(outer)))
}

fn refers_out(condition: &Expr) -> bool {
    let mut found = false;
    let mut copy = condition.clone();
    walk::visit_refs_mut(&mut copy, 0, &mut |reference, level| {
        found |= matches!(reference, Expr::Outer { depth, .. } if *depth > level);
    });
    found
}

fn too_deep(condition: &Expr) -> bool {
    let mut found = false;
    let mut copy = condition.clone();
    walk::visit_refs_mut(&mut copy, 0, &mut |reference, _| {
        found |= matches!(reference, Expr::Outer { depth, .. } if *depth > 1);
    });
    found
}

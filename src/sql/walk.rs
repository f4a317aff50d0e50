//! Walking and rewriting bound expressions and plans.
//!
//! A column reference means the row at its own level: [`Expr::Column`] the input row of the node that holds it,
//! [`Expr::Outer`] the row `depth` levels out, where each subquery plan and each right side of a lateral join is one level.
//! The walkers keep count of the levels, so that a change of a row's layout reaches the references inside subqueries.

use std::sync::Arc;

use crate::sql::expr::{Expr, SubqueryKind};
use crate::sql::logical::{FrameBound, LogicalPlan, ModifyAction};

/// Calls `f` with each direct child.
pub fn for_each_child_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    match expr {
        Expr::Const(..)
        | Expr::Column { .. }
        | Expr::Outer { .. }
        | Expr::Param { .. }
        | Expr::Grouping { .. }
        | Expr::Default => {}
        Expr::Call(call) => call.args.iter_mut().for_each(f),
        Expr::And(items) | Expr::Or(items) => items.iter_mut().for_each(f),
        Expr::Coalesce { args, .. } | Expr::MinMax { args, .. } => args.iter_mut().for_each(f),
        Expr::Array { items, .. } => items.iter_mut().for_each(f),
        Expr::Row { fields, .. } => fields.iter_mut().for_each(f),
        Expr::Not(arg) => f(arg),
        Expr::IsNull { arg, .. }
        | Expr::IsBool { arg, .. }
        | Expr::Relabel { arg, .. }
        | Expr::ViaIo { arg, .. }
        | Expr::Typmod { arg, .. }
        | Expr::Domain { arg, .. }
        | Expr::Field { record: arg, .. } => f(arg),
        // The element expression of an ArrayMap is over its own row: the element.
        Expr::ArrayMap { array, .. } => f(array),
        Expr::IsDistinct { left, right, .. } | Expr::NullIf { left, right, .. } => {
            f(left);
            f(right);
        }
        Expr::ArrayCompare { left, array, .. } => {
            f(left);
            f(array);
        }
        Expr::Case { arms, otherwise, .. } => {
            for (condition, result) in arms {
                f(condition);
                f(result);
            }
            if let Some(otherwise) = otherwise {
                f(otherwise);
            }
        }
        Expr::Subscript { array, indices, .. } => {
            f(array);
            indices.iter_mut().for_each(f);
        }
        Expr::Store { container, bounds, value, .. } => {
            f(container);
            for (low, high) in bounds {
                low.iter_mut().chain(high.iter_mut()).for_each(&mut *f);
            }
            f(value);
        }
        Expr::Slice { array, bounds, .. } => {
            f(array);
            for (low, high) in bounds {
                low.iter_mut().chain(high.iter_mut()).for_each(&mut *f);
            }
        }
        Expr::RowCompare { pairs, .. } => {
            for pair in pairs {
                f(&mut pair.left);
                f(&mut pair.right);
            }
        }
        Expr::Subquery(subquery) => {
            if let SubqueryKind::Quantified { left, .. } = &mut subquery.kind {
                left.iter_mut().for_each(f);
            }
        }
    }
}

/// Calls `f` with each direct child.
pub fn for_each_child(expr: &Expr, f: &mut dyn FnMut(&Expr)) {
    match expr {
        Expr::Call(call) => call.args.iter().for_each(f),
        Expr::And(items) | Expr::Or(items) => items.iter().for_each(f),
        Expr::Not(arg) | Expr::IsNull { arg, .. } | Expr::IsBool { arg, .. } => f(arg),
        Expr::Relabel { arg, .. } | Expr::ViaIo { arg, .. } | Expr::Field { record: arg, .. } => f(arg),
        Expr::Const(..) | Expr::Column { .. } | Expr::Outer { .. } | Expr::Param { .. } => {}
        // The rarer shapes share the list above; a copy is cheap next to keeping two lists in step.
        other => {
            let mut copy = other.clone();
            for_each_child_mut(&mut copy, &mut |child| f(child));
        }
    }
}

/// Calls `f` with the expression and everything in it, subquery plans excluded, outermost first; `false` stops descent.
pub fn visit(expr: &Expr, f: &mut dyn FnMut(&Expr) -> bool) {
    if f(expr) {
        for_each_child(expr, &mut |child| visit(child, f));
    }
}

/// Calls `f` with every expression that refers to columns: `Column` at its own level and `Outer` inside subqueries, with
/// the number of levels between the reference and the row it is asked about: 0 for the row of `expr` itself. References
/// to rows further out have that many levels fewer than their depth, so `Outer { depth }` of `expr` itself comes with 0.
pub fn visit_refs_mut(expr: &mut Expr, level: usize, f: &mut dyn FnMut(&mut Expr, usize)) {
    match expr {
        Expr::Column { .. } | Expr::Outer { .. } => f(expr, level),
        Expr::Subquery(subquery) => {
            if let SubqueryKind::Quantified { left, .. } = &mut subquery.kind {
                left.iter_mut().for_each(|item| visit_refs_mut(item, level, f));
            }
            visit_plan_refs_mut(Arc::make_mut(&mut subquery.plan), level + 1, f);
        }
        other => for_each_child_mut(other, &mut |child| visit_refs_mut(child, level, f)),
    }
}

/// [`visit_refs_mut`] for all expressions of a plan that stands `level` levels inside.
pub fn visit_plan_refs_mut(plan: &mut LogicalPlan, level: usize, f: &mut dyn FnMut(&mut Expr, usize)) {
    for_each_expr_mut(plan, &mut |expr| visit_refs_mut(expr, level, f));
    if let LogicalPlan::Join { lateral: true, left, right, .. } = plan {
        visit_plan_refs_mut(left, level, f);
        visit_plan_refs_mut(right, level + 1, f);
        return;
    }
    for_each_input_mut(plan, &mut |input| visit_plan_refs_mut(input, level, f));
}

/// Calls `f` with each input plan of a node.
pub fn for_each_input_mut(plan: &mut LogicalPlan, f: &mut dyn FnMut(&mut LogicalPlan)) {
    match plan {
        LogicalPlan::Scan(_)
        | LogicalPlan::SystemScan { .. }
        | LogicalPlan::Values { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::CteScan { .. } => {}
        LogicalPlan::ProjectSet { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::LockRows { input, .. } => f(input),
        LogicalPlan::Join { left, right, .. } | LogicalPlan::SetOp { left, right, .. } => {
            f(left);
            f(right);
        }
        LogicalPlan::Aggregate(aggregate) => f(&mut aggregate.input),
        LogicalPlan::Window(window) => f(&mut window.input),
        LogicalPlan::With { ctes, body } => {
            for cte in ctes {
                f(&mut cte.plan);
                if let Some(term) = &mut cte.recursive {
                    f(&mut term.plan);
                }
            }
            f(body);
        }
        LogicalPlan::Modify(modify) => match &mut modify.action {
            ModifyAction::Insert { input, .. }
            | ModifyAction::Update { input, .. }
            | ModifyAction::Delete { input, .. } => f(input),
        },
    }
}

/// Calls `f` with each expression of a node itself, inputs excluded.
pub fn for_each_expr_mut(plan: &mut LogicalPlan, f: &mut dyn FnMut(&mut Expr)) {
    match plan {
        LogicalPlan::Scan(_)
        | LogicalPlan::SystemScan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::SetOp { .. }
        | LogicalPlan::LockRows { .. }
        | LogicalPlan::With { .. } => {}
        LogicalPlan::Values { rows, .. } => rows.iter_mut().flatten().for_each(f),
        LogicalPlan::FunctionScan { calls, .. } | LogicalPlan::ProjectSet { calls, .. } => {
            calls.iter_mut().for_each(|call| f(&mut call.expr));
        }
        LogicalPlan::Filter { predicate, .. } => f(predicate),
        LogicalPlan::Project { exprs, .. } => exprs.iter_mut().for_each(f),
        LogicalPlan::Join { on, .. } => on.iter_mut().for_each(f),
        LogicalPlan::Sort { keys, .. } => keys.iter_mut().for_each(|key| f(&mut key.expr)),
        LogicalPlan::Limit { limit, offset, .. } => limit.iter_mut().chain(offset).for_each(f),
        LogicalPlan::Distinct { on, .. } => on.iter_mut().flatten().for_each(f),
        LogicalPlan::Aggregate(aggregate) => {
            aggregate.keys.iter_mut().for_each(&mut *f);
            for call in &mut aggregate.calls {
                call.args.iter_mut().chain(&mut call.filter).for_each(&mut *f);
                call.order_by.iter_mut().for_each(|key| f(&mut key.expr));
            }
        }
        LogicalPlan::Window(window) => {
            window.partition_by.iter_mut().for_each(&mut *f);
            window.order_by.iter_mut().for_each(|key| f(&mut key.expr));
            for bound in [&mut window.frame.start, &mut window.frame.end] {
                if let FrameBound::Preceding(expr) | FrameBound::Following(expr) = bound {
                    f(expr);
                }
            }
            for call in &mut window.calls {
                call.args.iter_mut().chain(&mut call.filter).for_each(&mut *f);
            }
        }
        LogicalPlan::Modify(modify) => {
            modify.returning.iter_mut().for_each(&mut *f);
            modify.checks.iter_mut().for_each(|check| f(&mut check.1));
            modify.generated.iter_mut().for_each(|item| f(&mut item.1));
            match &mut modify.action {
                ModifyAction::Insert { on_conflict, .. } => {
                    if let Some(update) = on_conflict.as_mut().and_then(|conflict| conflict.update.as_mut()) {
                        update.assignments.iter_mut().for_each(|item| f(&mut item.1));
                        update.predicate.iter_mut().for_each(f);
                    }
                }
                ModifyAction::Update { assignments, .. } => assignments.iter_mut().for_each(|item| f(&mut item.1)),
                ModifyAction::Delete { .. } => {}
            }
        }
    }
}

/// Whether two expressions are the same computation; positions in the statement do not count.
#[must_use]
pub fn same(left: &Expr, right: &Expr) -> bool {
    let shallow = match (left, right) {
        (Expr::Const(a, s), Expr::Const(b, t)) => s == t && format!("{a:?}") == format!("{b:?}"),
        (Expr::Column { index: a, .. }, Expr::Column { index: b, .. }) => a == b,
        (Expr::Outer { depth: d, index: a, .. }, Expr::Outer { depth: e, index: b, .. }) => d == e && a == b,
        (Expr::Param { index: a, .. }, Expr::Param { index: b, .. }) => a == b,
        (Expr::Call(a), Expr::Call(b)) => a.function == b.function && a.ty == b.ty,
        (Expr::IsNull { negated: a, .. }, Expr::IsNull { negated: b, .. }) => a == b,
        (Expr::IsBool { value: a, negated: m, .. }, Expr::IsBool { value: b, negated: n, .. }) => a == b && m == n,
        (Expr::IsDistinct { equal: a, negated: m, .. }, Expr::IsDistinct { equal: b, negated: n, .. }) => {
            a == b && m == n
        }
        (Expr::ArrayCompare { function: a, any: m, .. }, Expr::ArrayCompare { function: b, any: n, .. }) => {
            a == b && m == n
        }
        (Expr::MinMax { greatest: a, .. }, Expr::MinMax { greatest: b, .. }) => a == b,
        (Expr::Field { index: a, .. }, Expr::Field { index: b, .. }) => a == b,
        (Expr::RowCompare { op: a, .. }, Expr::RowCompare { op: b, .. }) => a == b,
        (Expr::Slice { bounds: a, .. }, Expr::Slice { bounds: b, .. }) => {
            let shape = |list: &[(Option<Expr>, Option<Expr>)]| -> Vec<(bool, bool)> {
                list.iter().map(|(low, high)| (low.is_some(), high.is_some())).collect()
            };
            shape(a) == shape(b)
        }
        (Expr::Case { arms: a, .. }, Expr::Case { arms: b, .. }) => a.len() == b.len(),
        (Expr::Subquery(a), Expr::Subquery(b)) => Arc::ptr_eq(&a.plan, &b.plan),
        (Expr::ArrayMap { element: a, .. }, Expr::ArrayMap { element: b, .. }) => same(a, b),
        (Expr::Default, Expr::Default) | (Expr::Grouping { .. }, _) | (_, Expr::Grouping { .. }) => false,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    };
    if !shallow || left.ty() != right.ty() {
        return false;
    }
    let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
    for_each_child(left, &mut |child| of_left.push(child.clone()));
    for_each_child(right, &mut |child| of_right.push(child.clone()));
    of_left.len() == of_right.len() && of_left.iter().zip(&of_right).all(|(a, b)| same(a, b))
}

/// Splits nested ANDs into their parts.
pub fn conjuncts(expr: Expr, out: &mut Vec<Expr>) {
    match expr {
        Expr::And(items) => items.into_iter().for_each(|item| conjuncts(item, out)),
        other => out.push(other),
    }
}

/// The AND of some parts; `None` of no parts.
#[must_use]
pub fn conjunction(mut parts: Vec<Expr>) -> Option<Expr> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Expr::And(parts)),
    }
}

/// Adds the columns of the expression's own row that it reads, inside subqueries too.
pub fn columns_of(expr: &Expr, out: &mut Vec<usize>) {
    let mut copy = expr.clone();
    visit_refs_mut(&mut copy, 0, &mut |reference, level| match reference {
        Expr::Column { index, .. } if level == 0 => out.push(*index),
        Expr::Outer { depth, index, .. } if level > 0 && *depth == level => out.push(*index),
        _ => {}
    });
}

/// Renumbers the columns of the expression's own row, inside subqueries too.
pub fn renumber(expr: &mut Expr, to: &dyn Fn(usize) -> usize) {
    visit_refs_mut(expr, 0, &mut |reference, level| match reference {
        Expr::Column { index, .. } if level == 0 => *index = to(*index),
        Expr::Outer { depth, index, .. } if level > 0 && *depth == level => *index = to(*index),
        _ => {}
    });
}

/// Whether a subquery stands anywhere in the expression.
#[must_use]
pub fn has_subquery(expr: &Expr) -> bool {
    let mut found = false;
    visit(expr, &mut |node| {
        found |= matches!(node, Expr::Subquery(_));
        !found
    });
    found
}

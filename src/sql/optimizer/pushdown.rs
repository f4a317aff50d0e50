//! Moving conditions towards the tables that their columns come from.

use crate::sql::eval::is_volatile;
use crate::sql::expr::Expr;
use crate::sql::logical::{Aggregate, JoinKind, LogicalPlan, SetOp};
use crate::sql::walk;

/// Pushes `conditions` (over the plan's output) and those inside the plan down as far as they go.
pub(super) fn push(plan: LogicalPlan, mut conditions: Vec<Expr>) -> LogicalPlan {
    match plan {
        LogicalPlan::Filter { input, predicate } => {
            walk::conjuncts(predicate, &mut conditions);
            push(*input, conditions)
        }
        LogicalPlan::Project { input, exprs, fields } => {
            let (down, here): (Vec<Expr>, Vec<Expr>) =
                conditions.into_iter().partition(|condition| passes_project(condition, &exprs));
            let down = down.into_iter().map(|condition| substituted(condition, &exprs)).collect();
            let input = Box::new(push(*input, down));
            filtered(LogicalPlan::Project { input, exprs, fields }, here)
        }
        LogicalPlan::Join { kind, lateral, left, right, on, fields } => {
            push_join(JoinParts { kind, lateral, left: *left, right: *right, on, fields }, conditions)
        }
        LogicalPlan::Aggregate(aggregate) => push_aggregate(aggregate, conditions),
        LogicalPlan::Sort { input, keys } => {
            let (down, here): (Vec<Expr>, Vec<Expr>) =
                conditions.into_iter().partition(|condition| !is_volatile(condition));
            let input = Box::new(push(*input, down));
            filtered(LogicalPlan::Sort { input, keys }, here)
        }
        LogicalPlan::Distinct { input, on: None } => {
            let (down, here): (Vec<Expr>, Vec<Expr>) =
                conditions.into_iter().partition(|condition| !is_volatile(condition));
            let input = Box::new(push(*input, down));
            filtered(LogicalPlan::Distinct { input, on: None }, here)
        }
        LogicalPlan::SetOp { op: SetOp::Union, all, left, right, fields } => {
            let (down, here): (Vec<Expr>, Vec<Expr>) =
                conditions.into_iter().partition(|condition| !is_volatile(condition) && !walk::has_subquery(condition));
            let left = Box::new(push(*left, down.clone()));
            let right = Box::new(push(*right, down));
            filtered(LogicalPlan::SetOp { op: SetOp::Union, all, left, right, fields }, here)
        }
        LogicalPlan::ProjectSet { input, calls, fields } => {
            let width = input.fields().len();
            let (down, here): (Vec<Expr>, Vec<Expr>) =
                conditions.into_iter().partition(|condition| !is_volatile(condition) && within(condition, 0..width));
            let input = Box::new(push(*input, down));
            filtered(LogicalPlan::ProjectSet { input, calls, fields }, here)
        }
        LogicalPlan::With { ctes, body } => {
            let ctes = ctes
                .into_iter()
                .map(|mut cte| {
                    cte.plan = push(cte.plan, Vec::new());
                    if let Some(term) = &mut cte.recursive {
                        let plan = std::mem::replace(
                            &mut term.plan,
                            LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() },
                        );
                        term.plan = push(plan, Vec::new());
                    }
                    cte
                })
                .collect();
            LogicalPlan::With { ctes, body: Box::new(push(*body, conditions)) }
        }
        mut other => {
            walk::for_each_input_mut(&mut other, &mut |input| {
                let plan = std::mem::replace(input, LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() });
                *input = push(plan, Vec::new());
            });
            filtered(other, conditions)
        }
    }
}

/// A filter on a plan, if there is anything to filter by.
pub(super) fn filtered(plan: LogicalPlan, conditions: Vec<Expr>) -> LogicalPlan {
    match walk::conjunction(conditions) {
        Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
        None => plan,
    }
}

/// Whether all columns that a condition reads lie in a range.
fn within(condition: &Expr, range: std::ops::Range<usize>) -> bool {
    let mut columns = Vec::new();
    walk::columns_of(condition, &mut columns);
    columns.iter().all(|column| range.contains(column))
}

fn passes_project(condition: &Expr, exprs: &[Expr]) -> bool {
    if is_volatile(condition) || walk::has_subquery(condition) {
        return false;
    }
    let mut columns = Vec::new();
    walk::columns_of(condition, &mut columns);
    columns.iter().all(|column| !is_volatile(&exprs[*column]) && !walk::has_subquery(&exprs[*column]))
}

/// A condition over a projection's output as one over its input.
fn substituted(mut condition: Expr, exprs: &[Expr]) -> Expr {
    fn replace(expr: &mut Expr, exprs: &[Expr]) {
        if let Expr::Column { index, .. } = expr {
            *expr = exprs[*index].clone();
        } else {
            walk::for_each_child_mut(expr, &mut |child| replace(child, exprs));
        }
    }
    replace(&mut condition, exprs);
    condition
}

struct JoinParts {
    kind: JoinKind,
    lateral: bool,
    left: LogicalPlan,
    right: LogicalPlan,
    on: Option<Expr>,
    fields: Vec<crate::sql::logical::Field>,
}

fn push_join(join: JoinParts, conditions: Vec<Expr>) -> LogicalPlan {
    let JoinParts { kind, lateral, left, right, on, fields } = join;
    let width = left.fields().len();
    let all = width + right.fields().len();
    let mut on_parts = Vec::new();
    if let Some(on) = on {
        walk::conjuncts(on, &mut on_parts);
    }
    let (mut to_left, mut to_right, mut join_on, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let right_allowed = !lateral;
    for condition in conditions {
        let movable = !is_volatile(&condition);
        if movable
            && within(&condition, 0..width)
            && matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
        {
            to_left.push(condition);
        } else if movable
            && right_allowed
            && within(&condition, width..all)
            && matches!(kind, JoinKind::Inner | JoinKind::Right)
        {
            to_right.push(condition);
        } else if kind == JoinKind::Inner {
            join_on.push(condition);
        } else {
            above.push(condition);
        }
    }
    for condition in on_parts {
        let movable = !is_volatile(&condition);
        let left_only = within(&condition, 0..width);
        let right_only = within(&condition, width..all);
        if movable && left_only && matches!(kind, JoinKind::Inner | JoinKind::Right | JoinKind::Semi) {
            to_left.push(condition);
        } else if movable
            && right_only
            && right_allowed
            && matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
        {
            to_right.push(condition);
        } else {
            join_on.push(condition);
        }
    }
    for condition in &mut to_right {
        walk::renumber(condition, &|index| index - width);
    }
    let plan = LogicalPlan::Join {
        kind,
        lateral,
        left: Box::new(push(left, to_left)),
        right: Box::new(push(right, to_right)),
        on: walk::conjunction(join_on),
        fields,
    };
    filtered(plan, above)
}

fn push_aggregate(aggregate: Aggregate, conditions: Vec<Expr>) -> LogicalPlan {
    let keys = aggregate.keys.len();
    let plain = aggregate.sets.is_empty() && keys > 0;
    let (down, here): (Vec<Expr>, Vec<Expr>) = conditions
        .into_iter()
        .partition(|condition| plain && within(condition, 0..keys) && passes_project(condition, &aggregate.keys));
    let down = down.into_iter().map(|condition| substituted(condition, &aggregate.keys)).collect();
    let input = Box::new(push(*aggregate.input, down));
    filtered(LogicalPlan::Aggregate(Aggregate { input, ..aggregate }), here)
}

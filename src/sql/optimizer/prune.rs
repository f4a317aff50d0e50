//! Dropping columns that nobody reads, so that scans decode only what is used.

use crate::sql::eval::is_volatile;
use crate::sql::expr::Expr;
use crate::sql::logical::{JoinKind, LogicalPlan, Scan};
use crate::sql::walk;

/// Where each old output column is now; columns that were not needed may be gone.
type Map = Vec<Option<usize>>;

fn identity(width: usize) -> Map {
    (0..width).map(Some).collect()
}

fn need(expr: &Expr, needed: &mut [bool]) {
    let mut columns = Vec::new();
    walk::columns_of(expr, &mut columns);
    for column in columns {
        needed[column] = true;
    }
}

fn renumber(expr: &mut Expr, map: &Map) {
    walk::renumber(expr, &|index| map[index].expect("a column that is read is needed"));
}

/// Prunes a plan to the columns needed.
pub(super) fn prune(plan: LogicalPlan, needed: Vec<bool>) -> (LogicalPlan, Map) {
    match plan {
        LogicalPlan::Scan(scan) => prune_scan(scan, &needed),
        LogicalPlan::Filter { input, mut predicate } => {
            let mut needed = needed;
            need(&predicate, &mut needed);
            let (input, map) = prune(*input, needed);
            renumber(&mut predicate, &map);
            (LogicalPlan::Filter { input: Box::new(input), predicate }, map)
        }
        LogicalPlan::Project { input, exprs, fields } => {
            let mut map = vec![None; exprs.len()];
            let (mut kept, mut kept_fields) = (Vec::new(), Vec::new());
            for (at, (expr, field)) in exprs.into_iter().zip(fields).enumerate() {
                if needed[at] || is_volatile(&expr) {
                    map[at] = Some(kept.len());
                    kept.push(expr);
                    kept_fields.push(field);
                }
            }
            let mut below = vec![false; input.fields().len()];
            kept.iter().for_each(|expr| need(expr, &mut below));
            let (input, inner) = prune(*input, below);
            kept.iter_mut().for_each(|expr| renumber(expr, &inner));
            (LogicalPlan::Project { input: Box::new(input), exprs: kept, fields: kept_fields }, map)
        }
        LogicalPlan::Sort { input, mut keys } => {
            let mut needed = needed;
            keys.iter().for_each(|key| need(&key.expr, &mut needed));
            let (input, map) = prune(*input, needed);
            keys.iter_mut().for_each(|key| renumber(&mut key.expr, &map));
            (LogicalPlan::Sort { input: Box::new(input), keys }, map)
        }
        LogicalPlan::Limit { input, limit, offset, with_ties } => {
            let (input, map) = prune(*input, needed);
            (LogicalPlan::Limit { input: Box::new(input), limit, offset, with_ties }, map)
        }
        LogicalPlan::Distinct { input, on } => prune_distinct(*input, on, needed),
        LogicalPlan::LockRows { input, mut targets } => {
            let mut needed = needed;
            targets.iter().for_each(|target| needed[target.row_id_column] = true);
            let (input, map) = prune(*input, needed);
            for target in &mut targets {
                target.row_id_column = map[target.row_id_column].expect("it is needed");
            }
            (LogicalPlan::LockRows { input: Box::new(input), targets }, map)
        }
        join @ LogicalPlan::Join { .. } => prune_join(join, &needed),
        other => prune_rest(other, needed),
    }
}

fn prune_rest(plan: LogicalPlan, needed: Vec<bool>) -> (LogicalPlan, Map) {
    match plan {
        LogicalPlan::Aggregate(mut aggregate) => {
            let width = aggregate.fields.len();
            let mut below = vec![false; aggregate.input.fields().len()];
            each_aggregate_expr(&mut aggregate, &mut |expr| need(expr, &mut below));
            let (input, map) = prune(*aggregate.input, below);
            aggregate.input = Box::new(input);
            each_aggregate_expr(&mut aggregate, &mut |expr| renumber(expr, &map));
            (LogicalPlan::Aggregate(aggregate), identity(width))
        }
        LogicalPlan::ProjectSet { input, mut calls, mut fields } => {
            let width = input.fields().len();
            let mut below = needed[..width].to_vec();
            calls.iter().for_each(|call| need(&call.expr, &mut below));
            let (input, mut map) = prune(*input, below);
            calls.iter_mut().for_each(|call| renumber(&mut call.expr, &map));
            let left = input.fields().len();
            map.extend((0..calls.len()).map(|at| Some(left + at)));
            let added = fields.split_off(width);
            let fields = input.fields().iter().cloned().chain(added).collect();
            (LogicalPlan::ProjectSet { input: Box::new(input), calls, fields }, map)
        }
        LogicalPlan::With { ctes, body } => {
            let ctes = ctes
                .into_iter()
                .map(|mut cte| {
                    cte.plan = all(cte.plan);
                    cte.recursive = cte.recursive.map(|mut term| {
                        term.plan = all(term.plan);
                        term
                    });
                    cte
                })
                .collect();
            let (body, map) = prune(*body, needed);
            (LogicalPlan::With { ctes, body: Box::new(body) }, map)
        }
        mut other => {
            let width = other.fields().len();
            walk::for_each_input_mut(&mut other, &mut |input| {
                let plan = std::mem::replace(input, LogicalPlan::Values { rows: Vec::new(), fields: Vec::new() });
                *input = all(plan);
            });
            (other, identity(width))
        }
    }
}

/// Prunes inside a plan and leaves its output as it is.
fn all(plan: LogicalPlan) -> LogicalPlan {
    let width = plan.fields().len();
    prune(plan, vec![true; width]).0
}

fn each_aggregate_expr(aggregate: &mut crate::sql::logical::Aggregate, f: &mut dyn FnMut(&mut Expr)) {
    aggregate.keys.iter_mut().for_each(&mut *f);
    for call in &mut aggregate.calls {
        call.args.iter_mut().chain(&mut call.filter).for_each(&mut *f);
        call.order_by.iter_mut().for_each(|key| f(&mut key.expr));
    }
}

fn prune_scan(scan: Scan, needed: &[bool]) -> (LogicalPlan, Map) {
    let mut map = vec![None; needed.len()];
    let plain = scan.columns.len();
    let (mut columns, mut system, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for (at, wanted) in needed.iter().enumerate() {
        if !wanted {
            continue;
        }
        map[at] = Some(fields.len());
        fields.push(scan.fields[at].clone());
        match at.checked_sub(plain) {
            None => columns.push(scan.columns[at]),
            Some(at) => system.push(scan.system[at]),
        }
    }
    (LogicalPlan::Scan(Scan { columns, system, fields, ..scan }), map)
}

fn prune_distinct(input: LogicalPlan, on: Option<Vec<Expr>>, needed: Vec<bool>) -> (LogicalPlan, Map) {
    match on {
        None => {
            let width = input.fields().len();
            (LogicalPlan::Distinct { input: Box::new(all(input)), on: None }, identity(width))
        }
        Some(mut on) => {
            let mut needed = needed;
            on.iter().for_each(|expr| need(expr, &mut needed));
            let (input, map) = prune(input, needed);
            on.iter_mut().for_each(|expr| renumber(expr, &map));
            (LogicalPlan::Distinct { input: Box::new(input), on: Some(on) }, map)
        }
    }
}

fn prune_join(plan: LogicalPlan, needed: &[bool]) -> (LogicalPlan, Map) {
    let LogicalPlan::Join { kind, lateral, left, right, mut on, .. } = plan else { panic!("called for joins") };
    let (left_width, right_width) = (left.fields().len(), right.fields().len());
    let half = matches!(kind, JoinKind::Semi | JoinKind::Anti);
    let mut below = vec![false; left_width + right_width];
    for (at, wanted) in needed.iter().enumerate() {
        below[at] |= wanted;
    }
    if let Some(on) = &on {
        need(on, &mut below);
    }
    let mut right = *right;
    if lateral {
        walk::visit_plan_refs_mut(&mut right, 1, &mut |reference, level| {
            if let Expr::Outer { depth, index, .. } = reference
                && *depth == level
            {
                below[*index] = true;
            }
        });
    }
    let right_needed = below.split_off(left_width);
    let (left, left_map) = prune(*left, below);
    let (mut right, right_map) = prune(right, right_needed);
    if lateral {
        walk::visit_plan_refs_mut(&mut right, 1, &mut |reference, level| {
            if let Expr::Outer { depth, index, .. } = reference
                && *depth == level
            {
                *index = left_map[*index].expect("it is needed");
            }
        });
    }
    let width = left.fields().len();
    let mut map = left_map;
    map.extend(right_map.into_iter().map(|at| at.map(|at| at + width)));
    if let Some(on) = &mut on {
        renumber(on, &map);
    }
    let mut fields = left.fields().to_vec();
    if half {
        map.truncate(left_width);
    } else {
        fields.extend(right.fields().iter().cloned());
    }
    (LogicalPlan::Join { kind, lateral, left: Box::new(left), right: Box::new(right), on, fields }, map)
}

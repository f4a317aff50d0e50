//! Nearest rows of a joined table: `FROM items i JOIN cats c ON ... WHERE c.name = 'x' ORDER BY i.embedding <-> $1 LIMIT n`.
//!
//! ```text
//!   matching   the joins and conditions without order, of which only the row ids of items are kept: who may appear at all
//!   search     the n nearest of them by the vector index
//!   rest       the statement as it was written, over these n rows of items instead of all: joined, sorted, limited
//!   exact      the statement as it was written
//! ```
//!
//! This is right when each row that comes out stands for one row of items and does so whatever other rows of items there
//! are: on the way from the scan up to the sort there may be filters, projections, inner joins, and outer, semi and anti joins
//! that keep the side of items. Then each of the n nearest rows that match yields a row at least, and
//! whatever else comes out lies no nearer. An outer join right below the sort says nothing about who appears, and is left
//! out of `matching`.

use std::sync::Arc;

use crate::sql::eval::is_volatile;
use crate::sql::expr::{Call, Expr, SortKey};
use crate::sql::logical::{Field, JoinKind, LogicalPlan, Scan, SystemColumn};
use crate::sql::physical::{Node, Op, TableAccess, TopRows, VectorAccess};
use crate::sql::walk;
use crate::types::{Oid, SqlType};

use super::Planner;
use super::nearest::{Nearest, bounds, sees_vectors};

impl Planner<'_> {
    /// A plan by a vector index of a table below joins; `order` is over the rows of `below`, which the sort's input has under a
    /// select list or not.
    pub(super) fn nearest_in_join(
        &self,
        input: &LogicalPlan,
        (below, order): (&LogicalPlan, &Expr),
        keys: &[SortKey],
        top: &TopRows,
    ) -> Option<Nearest> {
        let target = target(below, order)?;
        let scan = &target.scan;
        let once = scans(&mut below.clone(), scan.tag) == 1;
        if scan.system.contains(&SystemColumn::Xmin) || !once || !is_steady(below.clone()) {
            return None;
        }
        let Expr::Call(call) = &target.order else { return None };
        let distance = self.distance(scan, call, &target.conditions)?;
        let over_table = |expr: &Expr| {
            let mut expr = expr.clone();
            walk::renumber(&mut expr, &|index| scan.columns[index]);
            expr
        };
        let late: Vec<Expr> = target.conditions.iter().filter(|item| sees_vectors(item, scan)).cloned().collect();
        if late.iter().any(|item| !over_columns(item, scan)) {
            return None;
        }
        let within = !late.is_empty() && late.iter().all(|condition| bounds(condition, &target.order));
        let vector = VectorAccess {
            index: Arc::clone(distance.index),
            order: over_table(&target.order),
            query: distance.query.clone(),
            matching: self.matching_in_join(below.clone(), scan)?,
            included: None,
            within,
            late: walk::conjunction(late.iter().map(over_table).collect()),
            top: top.clone(),
            ties: keys.len() > 1,
        };
        let access = TableAccess {
            table: Arc::clone(&scan.table),
            alias: scan.alias.clone(),
            columns: (0..scan.table.columns.len()).collect(),
            system: vec![SystemColumn::RowId],
            tag: scan.tag,
        };
        let rest = Arc::new(self.rest(input.clone(), scan.tag, keys, top)?);
        Some(Nearest { scan: Arc::new(access), vector, list: None, rest: Some(rest), few: self.is_few(scan) })
    }

    /// Row ids of the rows of a scan that appear below the sort; `None` inside when that may be all.
    fn matching_in_join(&self, mut below: LogicalPlan, scan: &Scan) -> Option<Option<Node>> {
        let column = add_row_id(&mut below, scan.tag)?;
        let ty = SqlType::of(Oid::INT8);
        let field = Field { name: "rid".to_owned(), ty, origin: None };
        let exprs = vec![Expr::Column { index: column, ty }];
        let ids = LogicalPlan::Project { input: Box::new(below), exprs, fields: vec![field] };
        let mut ids = self.statistics.pruned(ids);
        while let LogicalPlan::Project { input, exprs, .. } = &mut ids
            && let LogicalPlan::Join { kind: JoinKind::Left, left, .. } = &mut **input
            && matches!(&exprs[..], [Expr::Column { index, .. }] if *index < left.fields().len())
        {
            let left = std::mem::replace(&mut **left, super::empty());
            **input = left;
        }
        let LogicalPlan::Project { input, .. } = &ids else { return None };
        if matches!(**input, LogicalPlan::Scan(_)) {
            return Some(None);
        }
        bring_left(&mut ids, scan.tag);
        self.node(ids).ok().map(Some)
    }

    /// The statement over rows that are given to the scan.
    fn rest(&self, mut input: LogicalPlan, tag: usize, keys: &[SortKey], top: &TopRows) -> Option<Node> {
        bring_left(&mut input, tag);
        let planner = Planner { statistics: self.statistics, given: Some(tag) };
        let input = Box::new(planner.node(input).ok()?);
        let (fields, rows) = (input.fields.clone(), input.rows);
        Some(Node { op: Op::Sort { input, keys: keys.to_vec(), top: Some(top.clone()) }, fields, rows })
    }
}

/// The scan that the order is about.
struct Target {
    scan: Scan,
    /// Over the scan's columns.
    order: Expr,
    /// Those right above the scan, over its columns.
    conditions: Vec<Expr>,
}

/// Finds the scan that all columns of the order come from, if the way up from it is one that this module is about.
fn target(below: &LogicalPlan, order: &Expr) -> Option<Target> {
    let Expr::Call(Call { .. }) = order else { return None };
    let mut columns = Vec::new();
    walk::columns_of(order, &mut columns);
    let mut found: Option<(Scan, Vec<Expr>)> = None;
    let mut places = Vec::new();
    for column in columns {
        let (scan, conditions, place) = source(below, column)?;
        if found.as_ref().is_some_and(|(other, _)| other.tag != scan.tag) {
            return None;
        }
        places.push((column, place));
        found.get_or_insert_with(|| (scan.clone(), conditions));
    }
    let (scan, conditions) = found?;
    let mut order = order.clone();
    walk::renumber(&mut order, &|index| {
        places.iter().find(|(column, _)| *column == index).expect("each column has a place").1
    });
    Some(Target { scan, order, conditions })
}

/// The scan that a column comes from, with the conditions right above it, and the column's number there.
fn source(plan: &LogicalPlan, column: usize) -> Option<(&Scan, Vec<Expr>, usize)> {
    match plan {
        LogicalPlan::Scan(scan) => (column < scan.columns.len()).then(|| (scan, Vec::new(), column)),
        LogicalPlan::Filter { input, predicate } => {
            let (scan, mut conditions, column) = source(input, column)?;
            if let LogicalPlan::Scan(_) = &**input {
                walk::conjuncts(predicate.clone(), &mut conditions);
            }
            Some((scan, conditions, column))
        }
        LogicalPlan::Project { input, exprs, .. } => match &exprs[column] {
            Expr::Column { index, .. } => source(input, *index),
            _ => None,
        },
        LogicalPlan::Join { kind, lateral, left, right, .. } => {
            let width = left.fields().len();
            if column < width {
                let keeps = matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti);
                return if keeps { source(left, column) } else { None };
            }
            let keeps = !lateral && matches!(kind, JoinKind::Inner | JoinKind::Right);
            if keeps { source(right, column - width) } else { None }
        }
        _ => None,
    }
}

/// How often a scan stands in a plan, in subqueries too: rows are given to a scan by its tag.
fn scans(plan: &mut LogicalPlan, tag: usize) -> usize {
    let mut count = usize::from(matches!(plan, LogicalPlan::Scan(scan) if scan.tag == tag));
    walk::for_each_expr_mut(plan, &mut |expr| {
        walk::visit(expr, &mut |node| {
            if let Expr::Subquery(subquery) = node {
                count += scans(&mut (*subquery.plan).clone(), tag);
            }
            true
        });
    });
    walk::for_each_input_mut(plan, &mut |input| count += scans(input, tag));
    count
}

/// Whether a plan yields the same rows each time it is run by a statement, and writes nothing.
fn is_steady(mut plan: LogicalPlan) -> bool {
    fn expr_is_steady(expr: &Expr) -> bool {
        let mut steady = !is_volatile(expr);
        walk::visit(expr, &mut |node| {
            if let Expr::Subquery(subquery) = node {
                steady &= is_steady((*subquery.plan).clone());
            }
            steady
        });
        steady
    }
    if matches!(plan, LogicalPlan::Modify(_) | LogicalPlan::LockRows { .. } | LogicalPlan::With { .. }) {
        return false;
    }
    let mut steady = true;
    walk::for_each_expr_mut(&mut plan, &mut |expr| steady &= expr_is_steady(expr));
    walk::for_each_input_mut(&mut plan, &mut |input| {
        steady = steady && is_steady(std::mem::replace(input, super::empty()));
    });
    steady
}

/// Whether a condition reads plain columns of a scan only.
fn over_columns(condition: &Expr, scan: &Scan) -> bool {
    let mut columns = Vec::new();
    walk::columns_of(condition, &mut columns);
    columns.iter().all(|column| *column < scan.columns.len())
}

/// Makes room for a column at a place of an expression's row.
fn shift(expr: &mut Expr, place: usize) {
    walk::renumber(expr, &|index| if index >= place { index + 1 } else { index });
}

/// Adds the row id of a scan to the rows of a plan, and takes away the conditions right above the scan that look at
/// vectors; the new column's place. Columns from there on move by one.
fn add_row_id(plan: &mut LogicalPlan, tag: usize) -> Option<usize> {
    let field = || Field { name: "rid".to_owned(), ty: SqlType::of(Oid::INT8), origin: None };
    match plan {
        LogicalPlan::Scan(scan) if scan.tag == tag => {
            scan.system.push(SystemColumn::RowId);
            scan.fields.push(field());
            Some(scan.fields.len() - 1)
        }
        LogicalPlan::Filter { input, predicate } => {
            let place = add_row_id(input, tag)?;
            shift(predicate, place);
            if let LogicalPlan::Scan(scan) = &**input {
                let mut conditions = Vec::new();
                walk::conjuncts(predicate.clone(), &mut conditions);
                conditions.retain(|condition| !sees_vectors(condition, scan));
                match walk::conjunction(conditions) {
                    Some(left) => *predicate = left,
                    None => *plan = std::mem::replace(&mut **input, super::empty()),
                }
            }
            Some(place)
        }
        LogicalPlan::Project { input, exprs, fields } => {
            let place = add_row_id(input, tag)?;
            exprs.iter_mut().for_each(|expr| shift(expr, place));
            exprs.push(Expr::Column { index: place, ty: SqlType::of(Oid::INT8) });
            fields.push(field());
            Some(fields.len() - 1)
        }
        LogicalPlan::Join { kind, left, right, on, fields, .. } => {
            let width = left.fields().len();
            let place = match add_row_id(left, tag) {
                Some(place) => place,
                None if matches!(kind, JoinKind::Semi | JoinKind::Anti) => return None,
                None => width + add_row_id(right, tag)?,
            };
            on.iter_mut().for_each(|on| shift(on, place));
            fields.insert(place, field());
            Some(place)
        }
        _ => None,
    }
}

fn has_scan(plan: &LogicalPlan, tag: usize) -> bool {
    match plan {
        LogicalPlan::Scan(scan) => scan.tag == tag,
        LogicalPlan::Filter { input, .. } | LogicalPlan::Project { input, .. } => has_scan(input, tag),
        LogicalPlan::Join { left, right, .. } => has_scan(left, tag) || has_scan(right, tag),
        _ => false,
    }
}

/// Puts the side of a scan first in the joins above it: that side decides how the other is looked up.
fn bring_left(plan: &mut LogicalPlan, tag: usize) {
    match plan {
        LogicalPlan::Filter { input, .. } | LogicalPlan::Project { input, .. } => bring_left(input, tag),
        LogicalPlan::Join { kind, lateral, left, right, on, fields } => {
            let (first, second) = (left.fields().len(), right.fields().len());
            if has_scan(left, tag) {
                return bring_left(left, tag);
            }
            if *lateral || !has_scan(right, tag) || !matches!(kind, JoinKind::Inner | JoinKind::Right) {
                return;
            }
            bring_left(right, tag);
            let moved = |index: usize| if index < first { index + second } else { index - first };
            on.iter_mut().for_each(|on| walk::renumber(on, &moved));
            let columns = fields.clone();
            let exprs = columns.iter().enumerate().map(|(at, field)| Expr::Column { index: moved(at), ty: field.ty });
            let exprs: Vec<Expr> = exprs.collect();
            fields.rotate_left(first);
            std::mem::swap(left, right);
            *kind = if *kind == JoinKind::Right { JoinKind::Left } else { JoinKind::Inner };
            let join = std::mem::replace(plan, super::empty());
            *plan = LogicalPlan::Project { input: Box::new(join), exprs, fields: columns };
        }
        _ => {}
    }
}

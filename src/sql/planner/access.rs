//! Access paths: whole scan or index.
//!
//! A condition `column op value` helps an index when the value does not depend on the scanned row and the operator is a
//! btree comparison of types that share one key form. The conditions stay in the filter unless the index answers them
//! exactly.

use std::sync::Arc;

use crate::catalog::descriptor::{IndexDesc, IndexTarget};
use crate::sql::eval::registry::{self, Body, CompareOp};
use crate::sql::eval::{implies, is_volatile};
use crate::sql::expr::{Expr, SortKey};
use crate::sql::logical::{LogicalPlan, Scan};
use crate::sql::physical::{IndexAccess, Node, Op, RangeAccess};
use crate::sql::walk;
use crate::types::Oid;

use super::nearest::over_table;
use super::{GIVEN_ROWS, Planner, SELECTIVITY, table_access};

const BTREE: Oid = Oid(403);
const HASH: Oid = Oid(405);
/// The part of a table's rows that equality with a key of a non-unique index keeps.
const EQUALITY: f64 = 0.01;

/// A comparison of a scanned column with something fixed.
struct Comparison<'a> {
    /// Position in the table's columns.
    position: usize,
    op: CompareOp,
    value: &'a Expr,
    /// `= ANY(value)`.
    any: bool,
    condition: usize,
}

/// A way to use an index.
struct Candidate {
    access: IndexAccess,
    /// Conditions that the access answers exactly.
    answered: Vec<usize>,
    rows: f64,
    /// Nothing is known of it but one end of a range.
    open: bool,
}

impl Candidate {
    /// Whether the index finds a handful of rows whatever the values are.
    fn is_sure(&self) -> bool {
        let index = &self.access.index;
        self.access.any || (index.unique && self.access.prefix.len() == index.keys.len())
    }
}

/// Whether values of two types have one ordered key form.
fn share_key_form(column: Oid, value: Oid) -> bool {
    let class = |oid: Oid| match oid {
        Oid::INT2 | Oid::INT4 | Oid::INT8 => 1,
        Oid::FLOAT4 | Oid::FLOAT8 => 2,
        Oid::TEXT | Oid::VARCHAR | Oid::NAME => 3,
        _ => 0,
    };
    column == value || (class(column) != 0 && class(column) == class(value))
}

/// Whether an expression has one value for the whole scan.
pub(super) fn is_fixed(expr: &Expr) -> bool {
    let mut columns = Vec::new();
    walk::columns_of(expr, &mut columns);
    columns.is_empty() && !is_volatile(expr)
}

/// The scanned column under relabelling casts.
fn column_of(expr: &Expr, scan: &Scan) -> Option<usize> {
    match expr {
        Expr::Column { index, .. } => scan.columns.get(*index).copied(),
        Expr::Relabel { arg, ty } if share_key_form(arg.ty().oid, ty.oid) => column_of(arg, scan),
        _ => None,
    }
}

fn comparison<'a>(condition: usize, expr: &'a Expr, scan: &Scan) -> Option<Comparison<'a>> {
    let compare = |function: Oid| match registry::function(function)?.body {
        Body::Compare(op) => Some(op),
        _ => None,
    };
    match expr {
        Expr::Call(call) => {
            let [left, right] = call.args.as_slice() else { return None };
            let op = compare(call.function)?;
            if let Some(position) = column_of(left, scan)
                && is_fixed(right)
                && share_key_form(scan.table.columns[position].ty.oid, right.ty().oid)
            {
                return Some(Comparison { position, op, value: right, any: false, condition });
            }
            let position = column_of(right, scan)?;
            let fits = is_fixed(left) && share_key_form(scan.table.columns[position].ty.oid, left.ty().oid);
            fits.then_some(Comparison { position, op: op.mirrored(), value: left, any: false, condition })
        }
        Expr::ArrayCompare { function, any: true, left, array } => {
            let position = column_of(left, scan)?;
            let op = compare(*function)?;
            let element = crate::types::array::builtin_element(array.ty().oid)?;
            let fits =
                op == CompareOp::Eq && is_fixed(array) && share_key_form(scan.table.columns[position].ty.oid, element);
            fits.then_some(Comparison { position, op, value: array, any: true, condition })
        }
        _ => None,
    }
}

impl Planner<'_> {
    /// A scan with conditions: by the best index, whole, or by what turns out better when it is run.
    pub(super) fn scan(&self, scan: Scan, conditions: Vec<Expr>) -> Node {
        let rows = self.statistics.row_count(&scan.table).max(1.0);
        let fields = scan.fields.clone();
        let mut kept = if conditions.is_empty() {
            rows
        } else {
            (rows * SELECTIVITY.powi(conditions.len().min(4) as i32)).max(1.0)
        };
        let mut range = None;
        let given = self.given == Some(scan.tag);
        if given {
            kept = GIVEN_ROWS;
        } else if let Some(best) = self.best_index(&scan, &conditions, rows) {
            let rest: Vec<Expr> = conditions
                .iter()
                .enumerate()
                .filter(|(at, _)| !best.answered.contains(at))
                .map(|(_, condition)| condition.clone())
                .collect();
            if !best.open {
                kept = if rest.is_empty() { best.rows } else { (best.rows * SELECTIVITY).max(1.0) };
            }
            let (sure, rest) = (best.is_sure(), walk::conjunction(rest).map(Arc::new));
            let access = Arc::new(best.access);
            if sure {
                let op = Op::IndexScan { scan: table_access(&scan), access, filter: rest };
                return Node { op, fields, rows: kept };
            }
            range = Some(Arc::new(RangeAccess { access, rest }));
        }
        let filter = walk::conjunction(conditions).map(Arc::new);
        let mut node = Node { op: Op::TableScan { scan: table_access(&scan), filter, range }, fields, rows: kept };
        if let Op::TableScan { range: Some(range), .. } = &node.op
            && range.access.follows_rows()
        {
            settle_scan(&mut node.op);
        }
        node
    }

    fn best_index(&self, scan: &Scan, conditions: &[Expr], rows: f64) -> Option<Candidate> {
        let comparisons: Vec<Comparison<'_>> =
            conditions.iter().enumerate().filter_map(|(at, expr)| comparison(at, expr, scan)).collect();
        let usable = |index: &&Arc<IndexDesc>| {
            index.valid
                && (index.method == BTREE || index.method == HASH)
                && (index.predicate.is_some() || !comparisons.is_empty())
                && self.statistics.covers(index)
        };
        scan.table
            .indexes
            .iter()
            .filter(usable)
            .filter_map(|index| {
                let answered = self.answered_by(index, scan, conditions)?;
                candidate(index, scan, &comparisons, rows, answered)
            })
            .min_by(|a, b| a.rows.total_cmp(&b.rows))
    }

    /// The conditions that are true of every row of an index, since its predicate implies them; `None` when it may lack rows
    /// that satisfy all conditions.
    pub(super) fn answered_by(&self, index: &IndexDesc, scan: &Scan, conditions: &[Expr]) -> Option<Vec<usize>> {
        if index.predicate.is_none() {
            return Some(Vec::new());
        }
        let predicate = self.statistics.index_expressions(&scan.table, index)?.1?;
        let said: Vec<(usize, Expr)> = conditions
            .iter()
            .enumerate()
            .filter(|(_, condition)| !is_volatile(condition) && !walk::has_subquery(condition))
            .filter_map(|(at, condition)| Some((at, over_table(condition, scan)?)))
            .collect();
        let facts: Vec<&Expr> = said.iter().map(|(_, condition)| condition).collect();
        let answered = said.iter().filter(|(_, condition)| implies(&[&predicate], condition)).map(|(at, _)| *at);
        implies(&facts, &predicate).then(|| answered.collect())
    }

    /// A scan in the order of the sort keys, if an index has it.
    pub(super) fn ordered_scan(&self, plan: &LogicalPlan, keys: &[SortKey]) -> Option<Node> {
        let (scan, conditions) = match plan {
            LogicalPlan::Scan(scan) => (scan, Vec::new()),
            LogicalPlan::Filter { input, predicate } => {
                let LogicalPlan::Scan(scan) = &**input else { return None };
                let mut conditions = Vec::new();
                walk::conjuncts(predicate.clone(), &mut conditions);
                (scan, conditions)
            }
            _ => return None,
        };
        let rows = self.statistics.row_count(&scan.table).max(1.0);
        if self.best_index(scan, &conditions, rows).is_some_and(|best| !best.open && best.rows <= 100.0) {
            return None;
        }
        let comparisons: Vec<Comparison<'_>> =
            conditions.iter().enumerate().filter_map(|(at, expr)| comparison(at, expr, scan)).collect();
        let index = scan.table.indexes.iter().find_map(|index| {
            let usable =
                index.valid && index.method == BTREE && index.keys.len() >= keys.len() && self.statistics.covers(index);
            let backward = if usable { order_matches(index, scan, keys)? } else { return None };
            Some((Arc::clone(index), backward, self.answered_by(index, scan, &conditions)?))
        });
        let (index, backward, mut answered) = index?;
        let mut access = IndexAccess { index, prefix: Vec::new(), any: false, lower: None, upper: None, backward };
        answered.extend(bound_range(&mut access, 0, scan, &comparisons));
        let rest: Vec<Expr> = conditions
            .iter()
            .enumerate()
            .filter(|(at, _)| !answered.contains(at))
            .map(|(_, condition)| condition.clone())
            .collect();
        let filter = walk::conjunction(rest).map(Arc::new);
        let op = Op::IndexScan { scan: table_access(scan), access: Arc::new(access), filter };
        Some(Node { op, fields: scan.fields.clone(), rows })
    }
}

/// Decides about a scan before it is run, by what its conditions look like: an index for equality and for ranges with two
/// ends.
pub(super) fn settle_scan(op: &mut Op) {
    let Op::TableScan { scan, range: range @ Some(_), .. } = op else { return };
    let Some(found) = range.take() else { return };
    let access = &found.access;
    if !access.prefix.is_empty() || (access.lower.is_some() && access.upper.is_some()) {
        *op = Op::IndexScan { scan: Arc::clone(scan), access: Arc::clone(access), filter: found.rest.clone() };
    }
}

/// Decides so about scans of which perhaps only the first rows are wanted: to look how wide a range is would take
/// longer than those.
pub(super) fn settle_limited(node: &mut Node, limited: bool) {
    match &mut node.op {
        op @ Op::TableScan { .. } if limited => settle_scan(op),
        Op::Limit { input, .. } => settle_limited(input, true),
        Op::HashJoin { left, right, .. } => {
            settle_limited(left, limited);
            settle_limited(right, false);
        }
        Op::NestedLoop { lateral, left, right, .. } => {
            settle_limited(left, limited);
            settle_limited(right, *lateral);
        }
        op @ (Op::Sort { .. } | Op::Aggregate { .. } | Op::Window { .. } | Op::Nearest { .. }) => {
            op.inputs_mut().into_iter().for_each(|input| settle_limited(input, false));
        }
        op => op.inputs_mut().into_iter().for_each(|input| settle_limited(input, limited)),
    }
}

/// Whether an index has the order, or its reverse (`Some(true)`).
fn order_matches(index: &IndexDesc, scan: &Scan, keys: &[SortKey]) -> Option<bool> {
    let mut backward = None;
    for (part, key) in index.keys.iter().zip(keys) {
        let IndexTarget::Column(attnum) = part.target else { return None };
        let Expr::Column { index: column, .. } = &key.expr else { return None };
        if scan.columns.get(*column).copied() != scan.table.position_of(attnum) {
            return None;
        }
        let nullable = !scan.table.columns[scan.table.position_of(attnum)?].not_null;
        let reversed = part.descending != key.descending;
        if nullable && (part.nulls_first != key.nulls_first) != reversed {
            return None;
        }
        if backward.is_some_and(|before| before != reversed) {
            return None;
        }
        backward = Some(reversed);
    }
    backward
}

/// Bounds the key after the prefix; returns the conditions that are answered.
fn bound_range(access: &mut IndexAccess, at: usize, scan: &Scan, comparisons: &[Comparison<'_>]) -> Vec<usize> {
    let mut answered = Vec::new();
    let Some(IndexTarget::Column(attnum)) = access.index.keys.get(at).map(|key| key.target.clone()) else {
        return answered;
    };
    let position = scan.table.position_of(attnum);
    for comparison in comparisons.iter().filter(|c| Some(c.position) == position && !c.any) {
        let slot = match comparison.op {
            CompareOp::Gt | CompareOp::Ge => &mut access.lower,
            CompareOp::Lt | CompareOp::Le => &mut access.upper,
            _ => continue,
        };
        if slot.is_none() {
            *slot = Some((comparison.value.clone(), matches!(comparison.op, CompareOp::Ge | CompareOp::Le)));
            answered.push(comparison.condition);
        }
    }
    answered
}

/// The way to use an index of which the predicate, if it has one, is implied and implies the conditions `answered`.
fn candidate(
    index: &Arc<IndexDesc>,
    scan: &Scan,
    comparisons: &[Comparison<'_>],
    rows: f64,
    mut answered: Vec<usize>,
) -> Option<Candidate> {
    let mut access = IndexAccess {
        index: Arc::clone(index),
        prefix: Vec::new(),
        any: false,
        lower: None,
        upper: None,
        backward: false,
    };
    for key in &index.keys {
        let IndexTarget::Column(attnum) = key.target else { break };
        let position = scan.table.position_of(attnum)?;
        let equal =
            comparisons.iter().filter(|c| c.position == position && c.op == CompareOp::Eq).min_by_key(|c| c.any);
        let Some(equal) = equal else { break };
        access.prefix.push(equal.value.clone());
        answered.push(equal.condition);
        if equal.any {
            access.any = true;
            break;
        }
    }
    let whole = access.prefix.len() == index.keys.len();
    let mut expected = rows;
    if !access.prefix.is_empty() {
        expected =
            if index.unique && whole { 1.0 } else { (rows * EQUALITY.powi(access.prefix.len() as i32)).max(1.0) };
        if access.any {
            expected *= 10.0;
        }
    }
    if !access.any && !whole && index.method == BTREE {
        let at = access.prefix.len();
        let ranged = bound_range(&mut access, at, scan, comparisons);
        let both = access.lower.is_some() && access.upper.is_some();
        if both {
            expected *= 0.05;
        } else if !ranged.is_empty() {
            expected *= 0.33;
        }
        answered.extend(ranged);
    }
    // Of a partial index all entries may be few.
    let partial = index.predicate.is_some();
    if partial {
        expected *= SELECTIVITY;
    } else if access.prefix.is_empty() && access.lower.is_none() && access.upper.is_none() {
        return None;
    }
    let open = access.prefix.is_empty() && (access.lower.is_none() || access.upper.is_none());
    // A hash index answers whole keys only.
    if index.method == HASH && !whole {
        return None;
    }
    Some(Candidate { access, answered, rows: expected.max(1.0), open })
}

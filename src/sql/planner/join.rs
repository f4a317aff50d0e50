//! Joins: by hash, by index look-up, or by nested loop.

use crate::error::Result;
use crate::sql::eval::is_volatile;
use crate::sql::eval::registry::{self, Body, CompareOp};
use crate::sql::expr::Expr;
use crate::sql::logical::{Field, JoinKind, LogicalPlan};
use crate::sql::physical::{JoinKey, Node, Op};
use crate::sql::walk;

use super::Planner;
use super::access::settle_scan;

/// A left side of at most this many rows looks rows up by index instead of hashing a whole table.
const LOOKUP_ROWS: f64 = 200.0;

impl Planner<'_> {
    pub(super) fn join(
        &self,
        kind: JoinKind,
        lateral: bool,
        left: LogicalPlan,
        right: LogicalPlan,
        on: Option<Expr>,
        fields: Vec<Field>,
    ) -> Result<Node> {
        let width = left.fields().len();
        let left = self.node(left)?;
        if !lateral
            && left.rows <= LOOKUP_ROWS
            && matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
            && let Some(on) = &on
            && let Some(looked_up) = self.lookup(width, &right, on)
        {
            let rows = (left.rows * looked_up.rows).max(1.0);
            let op = Op::NestedLoop { kind, lateral: true, left: Box::new(left), right: Box::new(looked_up), on: None };
            return Ok(Node { op, fields, rows });
        }
        let right = self.node(right)?;
        let mut conditions = Vec::new();
        if let Some(on) = on {
            walk::conjuncts(on, &mut conditions);
        }
        let (mut keys, mut residual) = (Vec::new(), Vec::new());
        for condition in conditions {
            match if lateral { None } else { join_key(&condition, width) } {
                Some(key) => keys.push(key),
                None => residual.push(condition),
            }
        }
        let residual = walk::conjunction(residual);
        let rows = match kind {
            JoinKind::Semi | JoinKind::Anti => (left.rows / 2.0).max(1.0),
            _ if keys.is_empty() => (left.rows * right.rows * if residual.is_some() { 0.3 } else { 1.0 }).max(1.0),
            _ => left.rows.max(right.rows),
        };
        let (left, right) = (Box::new(left), Box::new(right));
        let op = if keys.is_empty() {
            Op::NestedLoop { kind, lateral, left, right, on: residual }
        } else {
            Op::HashJoin { kind, left, right, keys, residual }
        };
        Ok(Node { op, fields, rows })
    }

    /// The right side as a look-up by an index with values of the left row, when that finds few rows.
    fn lookup(&self, width: usize, right: &LogicalPlan, on: &Expr) -> Option<Node> {
        if walk::has_subquery(on) || is_volatile(on) {
            return None;
        }
        let (scan, own) = match right {
            LogicalPlan::Scan(scan) => (scan.clone(), None),
            LogicalPlan::Filter { input, predicate } => match &**input {
                LogicalPlan::Scan(scan) => (scan.clone(), Some(predicate.clone())),
                _ => return None,
            },
            _ => return None,
        };
        let mut conditions = Vec::new();
        walk::conjuncts(on.clone(), &mut conditions);
        for condition in &mut conditions {
            // The left row is one level out of the right side; what was further out is one level further.
            walk::visit_refs_mut(condition, 0, &mut |reference, _| match reference {
                Expr::Column { index, ty } if *index < width => {
                    *reference = Expr::Outer { depth: 1, index: *index, ty: *ty }
                }
                Expr::Column { index, .. } => *index -= width,
                Expr::Outer { depth, .. } => *depth += 1,
                _ => {}
            });
        }
        if let Some(mut own) = own {
            walk::visit_refs_mut(&mut own, 0, &mut |reference, level| {
                if let Expr::Outer { depth, .. } = reference
                    && *depth > level
                {
                    *depth += 1;
                }
            });
            walk::conjuncts(own, &mut conditions);
        }
        let mut node = self.scan(scan, conditions);
        settle_scan(&mut node.op);
        let by_index = matches!(&node.op, Op::IndexScan { access, .. } if !access.prefix.is_empty());
        (by_index && node.rows <= 1000.0).then_some(node)
    }
}

/// An equality of a left and a right expression whose types share one hashed form.
fn join_key(condition: &Expr, width: usize) -> Option<JoinKey> {
    let (left, right, nulls_match) = match condition {
        Expr::Call(call) => {
            let Body::Compare(CompareOp::Eq) = registry::function(call.function)?.body else { return None };
            let [a, b] = call.args.as_slice() else { return None };
            (a, b, false)
        }
        Expr::IsDistinct { equal, left, right, negated: true } => {
            let Body::Compare(CompareOp::Eq) = registry::function(*equal)?.body else { return None };
            (&**left, &**right, true)
        }
        _ => return None,
    };
    let side = |expr: &Expr| -> Option<bool> {
        let mut columns = Vec::new();
        walk::columns_of(expr, &mut columns);
        if columns.is_empty() {
            None
        } else if columns.iter().all(|column| *column < width) {
            Some(true)
        } else if columns.iter().all(|column| *column >= width) {
            Some(false)
        } else {
            None
        }
    };
    let (left, right) = match (side(left)?, side(right)?) {
        (true, false) => (left.clone(), right.clone()),
        (false, true) => (right.clone(), left.clone()),
        _ => return None,
    };
    let mut right = right;
    walk::renumber(&mut right, &|index| index - width);
    Some(JoinKey { left, right, nulls_match })
}

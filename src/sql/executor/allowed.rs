//! The rows that conditions allow, for a search among them, and for how long that is known.
//!
//! What a plan without order or limit yields depends on its text, the values of its parameters, and its tables. So its answer
//! is kept under the first two and good until one of the tables changes, for transactions that see the last changes and
//! have made none themselves.

use std::fmt::Write;
use std::sync::Arc;

use crate::catalog::descriptor::{StorageId, TableDesc};
use crate::common::RowSet;
use crate::error::Result;
use crate::sql::eval::registry::{Volatility, function as function_of};
use crate::sql::expr::{CallForm, Expr};
use crate::sql::physical::{IndexAccess, Node, Op, TableAccess};
use crate::sql::walk;
use crate::table::{Admission, AllowedRows};
use crate::txn::Isolation;
use crate::types::Oid;

use super::scan::row_ids;
use super::{ExecContext, build};

/// What is put before the text that rows by included columns are kept under: there may be too many of them.
const INCLUDED: &str = "included ";

/// The question which rows of a table a plan yields, their ids in its last column.
pub(super) struct Question<'a> {
    table: &'a TableDesc,
    plan: &'a Node,
    /// The table's last change.
    change: u64,
    /// What the answer is known by, if it may be kept.
    text: Option<String>,
}

impl<'a> Question<'a> {
    pub(super) fn new(table: &'a TableDesc, plan: &'a Node, ctx: &ExecContext) -> Self {
        // Before anything is read: what changes meanwhile makes the answer old.
        let change = ctx.shared.txn.manager().last_change(table.storage);
        Self { table, plan, change, text: known_by(plan, table.storage, ctx) }
    }

    /// The answer, if it is known.
    pub(super) fn known(&self, ctx: &ExecContext) -> Option<Arc<AllowedRows>> {
        ctx.shared.tables.allowed(self.table.storage, self.text.as_ref()?, self.change)
    }

    /// The answer by the plan.
    ///
    /// # Errors
    /// Those of the plan.
    pub(super) fn answer(&self, ctx: &ExecContext) -> Result<Arc<AllowedRows>> {
        Ok(self.keep(self.text.clone(), matching_rows(self.plan, ctx)?, ctx))
    }

    /// What included columns of an index answer, which may be more rows than satisfy the condition.
    pub(super) fn included(&self, index: Oid, admission: &Admission, ctx: &ExecContext) -> Arc<AllowedRows> {
        let text = self.text.as_ref().map(|text| format!("{INCLUDED}{} {text}", index.0));
        let known = text.as_ref().and_then(|text| ctx.shared.tables.allowed(self.table.storage, text, self.change));
        known.unwrap_or_else(|| self.keep(text, admission.rows(), ctx))
    }

    fn keep(&self, text: Option<String>, rows: RowSet, ctx: &ExecContext) -> Arc<AllowedRows> {
        let rows = Arc::new(AllowedRows::new(rows));
        if let Some(text) = text {
            ctx.shared.tables.keep_allowed(self.table.storage, text, self.change, &rows);
        }
        rows
    }
}

/// The rows that a plan yields, by the row ids in its last column.
fn matching_rows(plan: &Node, ctx: &ExecContext) -> Result<RowSet> {
    let mut rows = RowSet::default();
    let mut operator = build(plan, ctx)?;
    while let Some(batch) = operator.next(ctx)? {
        ctx.check()?;
        rows.insert_all(&row_ids(&batch, batch.columns.len() - 1));
    }
    Ok(rows)
}

/// What the answer of a plan is known by, while `table` does not change; `None` when it is not to be kept.
fn known_by(plan: &Node, table: StorageId, ctx: &ExecContext) -> Option<String> {
    if ctx.shared.txn.isolation() == Isolation::Serializable {
        return None;
    }
    let mut writer = Writer { table, ctx, text: String::new(), depth: 0 };
    writer.node(plan)?;
    Some(writer.text)
}

/// Writes a plan with the values of its parameters and the state of its tables.
struct Writer<'a> {
    table: StorageId,
    ctx: &'a ExecContext,
    text: String,
    /// How many joins that look rows up for rows there are around.
    depth: usize,
}

impl Writer<'_> {
    /// `None` when more than text, parameters and tables decides about the plan's rows.
    fn node(&mut self, node: &Node) -> Option<()> {
        match &node.op {
            Op::TableScan { scan, filter, .. } => {
                self.scan(scan)?;
                filter.iter().try_for_each(|filter| self.expr(filter))
            }
            Op::IndexScan { scan, access, filter } => {
                self.scan(scan)?;
                self.access(access)?;
                filter.iter().try_for_each(|filter| self.expr(filter))
            }
            Op::Gather { input, .. } => self.node(input),
            Op::Filter { input, predicate } => {
                self.node(input)?;
                self.text += "filter";
                self.expr(predicate)
            }
            Op::Project { input, exprs } => {
                self.node(input)?;
                self.text += "project";
                exprs.iter().try_for_each(|expr| self.expr(expr))
            }
            Op::HashJoin { kind, left, right, keys, residual } => {
                write!(self.text, "hash {kind:?}(").ok()?;
                self.node(left)?;
                self.text += ")(";
                self.node(right)?;
                self.text += ")";
                for key in keys {
                    self.expr(&key.left)?;
                    self.expr(&key.right)?;
                    write!(self.text, "{}", key.nulls_match).ok()?;
                }
                residual.iter().try_for_each(|residual| self.expr(residual))
            }
            Op::NestedLoop { kind, lateral, left, right, on } => {
                write!(self.text, "loop {kind:?} {lateral}(").ok()?;
                self.node(left)?;
                self.text += ")(";
                self.depth += usize::from(*lateral);
                self.node(right)?;
                self.depth -= usize::from(*lateral);
                self.text += ")";
                on.iter().try_for_each(|on| self.expr(on))
            }
            _ => None,
        }
    }

    /// The table by its state, the columns by their numbers: expressions name columns by their place in the scan.
    fn scan(&mut self, scan: &TableAccess) -> Option<()> {
        let (txn, storage) = (&self.ctx.shared.txn, scan.table.storage);
        let change = txn.manager().last_change(storage);
        if change > txn.snapshot_ts() || txn.has_written(storage) {
            return None;
        }
        if storage != self.table {
            write!(self.text, "{storage:?} at {change}").ok()?;
        }
        for position in &scan.columns {
            write!(self.text, "{},", scan.table.columns[*position].attnum).ok()?;
        }
        write!(self.text, "{:?};", scan.system).ok()
    }

    fn access(&mut self, access: &IndexAccess) -> Option<()> {
        let included = |bound: &Option<(Expr, bool)>| bound.as_ref().map(|bound| bound.1);
        let (lower, upper) = (included(&access.lower), included(&access.upper));
        write!(self.text, "{:?} {} {lower:?} {upper:?};", access.index.oid, access.any).ok()?;
        access.values().try_for_each(|value| self.expr(value))
    }

    fn expr(&mut self, expr: &Expr) -> Option<()> {
        if !is_plain(expr, self.depth) {
            return None;
        }
        write!(self.text, "{expr:?};").ok()?;
        let mut values = Vec::new();
        walk::visit(expr, &mut |node| {
            if let Expr::Param { index, .. } = node {
                values.push(self.ctx.eval.params.get(index - 1));
            }
            true
        });
        write!(self.text, "{values:?};").ok()
    }
}

/// Whether nothing but columns and parameters decides about an expression: no setting, no time, no row further out than
/// `depth`.
fn is_plain(expr: &Expr, depth: usize) -> bool {
    let immutable = |function: Oid| function_of(function).is_some_and(|f| f.volatility == Volatility::Immutable);
    let mut plain = true;
    walk::visit(expr, &mut |node| {
        plain &= match node {
            Expr::Call(call) => immutable(call.function) && !matches!(call.form, CallForm::SqlValue(..)),
            Expr::ArrayCompare { function, .. } => immutable(*function),
            Expr::IsDistinct { equal, .. } => immutable(*equal),
            Expr::Const(..) | Expr::Param { .. } | Expr::Column { .. } | Expr::And(_) | Expr::Or(_) | Expr::Not(_) => {
                true
            }
            Expr::Outer { depth: out, .. } => *out <= depth,
            Expr::IsNull { .. } | Expr::IsBool { .. } | Expr::Relabel { .. } | Expr::Array { .. } => true,
            _ => false,
        };
        plain
    });
    plain
}

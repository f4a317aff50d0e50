//! Subqueries in expressions: planned once per statement, run per outer row, or once when nothing outside is read.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::{EvalContext, SubqueryRunner};
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::expr::{Expr, Subquery, SubqueryKind};
use crate::sql::logical::LogicalPlan;
use crate::sql::physical::Node;
use crate::sql::walk;
use crate::types::array::ArrayValue;
use crate::types::{Datum, Oid};

use super::{ExecContext, Shared, build};

/// Turns a subquery's logical plan into an executable one; given by a floor that may plan.
pub type PlanSubquery = Arc<dyn Fn(&LogicalPlan) -> Result<Node> + Send + Sync>;

/// Runs the subqueries of one statement.
pub struct Runner {
    plan: PlanSubquery,
    shared: RwLock<Option<Arc<Shared>>>,
    entries: Mutex<HashMap<usize, Arc<Entry>>>,
}

/// A planned subquery. The logical plan is held so that its address stays its own.
struct Entry {
    _plan: Arc<LogicalPlan>,
    node: Node,
    /// Whether it reads anything outside.
    correlated: bool,
    /// What it reads of the row right around it.
    outer: Vec<(usize, Oid)>,
    /// Rows of a subquery that reads nothing outside.
    kept: Mutex<Option<Arc<Vec<Vec<Datum>>>>>,
}

impl Runner {
    /// A runner; [`Runner::attach`] gives it the statement's state before anything runs.
    #[must_use]
    pub fn new(plan: PlanSubquery) -> Arc<Self> {
        Arc::new(Self { plan, shared: RwLock::new(None), entries: Mutex::default() })
    }

    /// Gives the runner the statement's state.
    pub fn attach(&self, shared: &Arc<Shared>) {
        *self.shared.write() = Some(Arc::clone(shared));
    }

    /// Forgets the statement, so that nothing is kept alive in a circle.
    pub fn detach(&self) {
        *self.shared.write() = None;
        self.entries.lock().clear();
    }

    fn entry(&self, subquery: &Subquery) -> Result<Arc<Entry>> {
        let key = Arc::as_ptr(&subquery.plan) as usize;
        if let Some(entry) = self.entries.lock().get(&key) {
            return Ok(Arc::clone(entry));
        }
        let node = (self.plan)(&subquery.plan)?;
        let entry = Arc::new(Entry {
            _plan: Arc::clone(&subquery.plan),
            node,
            correlated: subquery.correlated,
            outer: outer_columns(&subquery.plan),
            kept: Mutex::new(None),
        });
        self.entries.lock().insert(key, Arc::clone(&entry));
        Ok(entry)
    }

    fn context(&self, eval: EvalContext) -> ExecContext {
        let shared = self.shared.read().clone().expect("a statement runs");
        ExecContext { shared, eval, part: None }
    }
}

impl SubqueryRunner for Runner {
    fn value(&self, subquery: &Subquery, row: Row<'_>, eval: &EvalContext) -> Result<Datum> {
        let entry = self.entry(subquery)?;
        // The rows around are one level further out inside.
        let ctx = self.context(eval.inside(outer_row(row, &entry.outer)));
        match &subquery.kind {
            SubqueryKind::Exists => {
                let found = match self.kept(&entry, Some(1), &ctx)? {
                    Some(rows) => !rows.is_empty(),
                    None => !run(&entry.node, &ctx, Some(1))?.is_empty(),
                };
                Ok(Datum::Bool(found))
            }
            SubqueryKind::Scalar => {
                let rows = self.rows(&entry, Some(2), &ctx)?;
                if rows.len() > 1 {
                    bail!(CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression");
                }
                Ok(rows.first().map_or(Datum::Null, |row| row[0].clone()))
            }
            SubqueryKind::Array { element } => {
                let rows = self.rows(&entry, None, &ctx)?;
                array_of(*element, rows.iter().map(|row| row[0].clone()).collect())
            }
            SubqueryKind::Quantified { left, test, any } => {
                let left = left.iter().map(|expr| eval_row(expr, row, eval)).collect::<Result<Vec<_>>>()?;
                let rows = self.rows(&entry, None, &ctx)?;
                quantified(&left, &rows, test, *any, eval)
            }
        }
    }
}

impl Runner {
    /// The rows of a subquery that reads nothing outside, kept from the first time.
    fn kept(&self, entry: &Entry, limit: Option<usize>, ctx: &ExecContext) -> Result<Option<Arc<Vec<Vec<Datum>>>>> {
        if entry.correlated {
            return Ok(None);
        }
        let mut kept = entry.kept.lock();
        if let Some(rows) = &*kept {
            return Ok(Some(Arc::clone(rows)));
        }
        let rows = Arc::new(run(&entry.node, ctx, limit)?);
        *kept = Some(Arc::clone(&rows));
        Ok(Some(rows))
    }

    fn rows(&self, entry: &Entry, limit: Option<usize>, ctx: &ExecContext) -> Result<Arc<Vec<Vec<Datum>>>> {
        match self.kept(entry, limit, ctx)? {
            Some(rows) => Ok(rows),
            None => run(&entry.node, ctx, limit).map(Arc::new),
        }
    }
}

/// Runs a plan to its end, or to a number of rows.
///
/// # Errors
/// Those of the plan.
pub(super) fn run(node: &Node, ctx: &ExecContext, limit: Option<usize>) -> Result<Vec<Vec<Datum>>> {
    let types = node.types();
    let mut operator = build(node, ctx)?;
    let mut rows = Vec::new();
    while let Some(batch) = operator.next(ctx)? {
        for at in 0..batch.rows {
            rows.push(batch.row(&types, at));
            if limit.is_some_and(|limit| rows.len() >= limit) {
                return Ok(rows);
            }
        }
    }
    Ok(rows)
}

/// The columns of the row around a subquery that its plan reads.
fn outer_columns(plan: &LogicalPlan) -> Vec<(usize, Oid)> {
    let mut found = Vec::new();
    walk::visit_plan_refs_mut(&mut plan.clone(), 1, &mut |reference, level| {
        if let Expr::Outer { depth, index, ty } = reference
            && *depth == level
            && !found.contains(&(*index, ty.oid))
        {
            found.push((*index, ty.oid));
        }
    });
    found
}

/// The row around a subquery: the columns that it reads, NULL elsewhere.
fn outer_row(row: Row<'_>, columns: &[(usize, Oid)]) -> Vec<Datum> {
    let width = columns.iter().map(|(index, _)| index + 1).max().unwrap_or(0);
    let mut values = vec![Datum::Null; width];
    for (index, oid) in columns {
        values[*index] = row.get(*index, *oid);
    }
    values
}

fn array_of(element: Oid, items: Vec<Datum>) -> Result<Datum> {
    if items.iter().any(|item| matches!(item, Datum::Array(_))) {
        let exprs = items.into_iter().map(|item| Expr::Const(item, crate::types::SqlType::of(element))).collect();
        let ty = crate::types::SqlType::of(element);
        let nested = Expr::Array {
            element: crate::types::array::builtin_element(element).unwrap_or(element),
            items: exprs,
            nested: true,
            ty,
        };
        return eval_row(&nested, Row::Values(&[]), &EvalContext::detached());
    }
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(element, items))))
}

fn quantified(left: &[Datum], rows: &[Vec<Datum>], test: &Expr, any: bool, eval: &EvalContext) -> Result<Datum> {
    let mut unknown = false;
    for row in rows {
        match eval_row(test, Row::Pair(left, row), eval)?.as_bool() {
            Some(found) if found == any => return Ok(Datum::Bool(any)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(!any) })
}

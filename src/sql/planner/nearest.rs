//! Nearest rows: `ORDER BY column <-> value LIMIT n` by a vector index.
//!
//! The order must begin with one distance between an index's key and something fixed, ascending; the operator must be the
//! one that the index's operator class orders by. What follows in the order decides among equal distances: then all rows as far away as the
//! last one wanted are found, and sorted. Conditions that do not look at vectors are made a plan of their own, which
//! finds the rows that may be returned, by an index of theirs if there is one; the others are asked of what the search finds.
//! The plan without the vector index is kept beside it: whoever runs it may find that the index is still being
//! loaded, is younger than the snapshot, or that there are so few rows that comparing all is as fast and exact.

use std::sync::Arc;

use crate::catalog::descriptor::{IndexDesc, IndexTarget};
use crate::catalog::{builtin, vector_index};
use crate::sql::eval::registry::{self, Body, CompareOp};
use crate::sql::eval::{is_included, is_volatile};
use crate::sql::expr::{Call, Expr, SortKey};
use crate::sql::logical::{Field, LogicalPlan, Scan, SystemColumn};
use crate::sql::physical::{NEAREST_ROWS_MIN, Node, Op, TableAccess, TopRows, VectorAccess};
use crate::sql::walk;
use crate::table::IncludedColumn;
use crate::types::{Oid, SqlType};

use super::access::is_fixed;
use super::{Planner, table_access};

/// A distance from an index's key.
pub(super) struct Distance<'a> {
    pub(super) index: &'a Arc<IndexDesc>,
    /// What the key is compared with.
    pub(super) query: &'a Expr,
    /// Conditions of the statement that the index's own predicate answers.
    answered: Vec<usize>,
}

/// A plan by a vector index, but for the plan without it.
pub(super) struct Nearest {
    pub(super) scan: Arc<TableAccess>,
    pub(super) vector: VectorAccess,
    pub(super) list: Option<Vec<Expr>>,
    pub(super) rest: Option<Arc<Node>>,
    pub(super) few: bool,
}

impl Nearest {
    /// The plan, with the one that compares all rows beside it: a sort by these keys.
    pub(super) fn beside(self, exact: Node, keys: Vec<SortKey>) -> Node {
        let (fields, rows) = (exact.fields.clone(), exact.rows);
        // What is made of joined rows is sorted already.
        let top = (self.vector.ties && self.rest.is_none()).then(|| self.vector.top.clone());
        let op = Op::Nearest {
            scan: self.scan,
            vector: Arc::new(self.vector),
            exact: Arc::new(exact),
            list: self.list.map(Arc::new),
            rest: self.rest,
            few: self.few,
        };
        let found = Node { op, fields: fields.clone(), rows };
        if top.is_none() {
            return found;
        }
        Node { op: Op::Sort { input: Box::new(found), keys, top }, fields, rows }
    }
}

impl Planner<'_> {
    /// A plan by a vector index for a sort of which the first rows are wanted, if there is an index that has its order.
    pub(super) fn nearest(&self, input: &LogicalPlan, keys: &[SortKey], top: &TopRows) -> Option<Nearest> {
        let key = keys.first()?;
        if key.descending || key.nulls_first || !self.statistics.may_use_indexes() {
            return None;
        }
        // The select list may hold the distance: then the sort is by one of its columns.
        let (below, order, list) = match (input, &key.expr) {
            (LogicalPlan::Project { input, exprs, .. }, Expr::Column { index, .. }) => {
                (&**input, &exprs[*index], Some(exprs))
            }
            (LogicalPlan::Project { .. }, _) => return None,
            (other, expr) => (other, expr, None),
        };
        if list.is_some_and(|exprs| exprs.iter().any(is_volatile)) {
            return None;
        }
        let Expr::Call(call) = order else { return None };
        let Some((scan, conditions)) = scan_of(below) else {
            return self.nearest_in_join(input, (below, order), keys, top);
        };
        let distance = self.distance(scan, call, &conditions)?;
        Some(Nearest {
            scan: table_access(scan),
            vector: VectorAccess {
                ties: keys.len() > 1,
                ..self.vector_access(scan, order, &distance, conditions, top)
            },
            list: list.cloned(),
            rest: None,
            few: self.is_few(scan),
        })
    }

    /// Whether a table has so few rows now that comparing all is as fast.
    pub(super) fn is_few(&self, scan: &Scan) -> bool {
        self.statistics.row_count(&scan.table).max(1.0) < NEAREST_ROWS_MIN && self.statistics.may_scan()
    }

    fn vector_access(
        &self,
        scan: &Scan,
        order: &Expr,
        distance: &Distance<'_>,
        conditions: Vec<Expr>,
        top: &TopRows,
    ) -> VectorAccess {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        let mut within = true;
        for (at, condition) in conditions.into_iter().enumerate() {
            if distance.answered.contains(&at) {
                continue;
            }
            if is_volatile(&condition) || sees_vectors(&condition, scan) {
                within &= bounds(&condition, order);
                late.push(condition);
            } else {
                early.push(condition);
            }
        }
        let included = early.iter().all(|condition| is_answered(condition, distance.index, scan));
        VectorAccess {
            index: Arc::clone(distance.index),
            order: order.clone(),
            query: distance.query.clone(),
            included: if included { walk::conjunction(early.clone()) } else { None },
            matching: (!early.is_empty()).then(|| self.matching(scan, early)),
            within: within && !late.is_empty(),
            late: walk::conjunction(late),
            top: top.clone(),
            ties: false,
        }
    }

    /// The rows that satisfy conditions: their row ids only.
    fn matching(&self, scan: &Scan, mut conditions: Vec<Expr>) -> Node {
        let mut columns = Vec::new();
        conditions.iter().for_each(|condition| walk::columns_of(condition, &mut columns));
        columns.sort_unstable();
        columns.dedup();
        for condition in &mut conditions {
            walk::renumber(condition, &|index| columns.binary_search(&index).expect("it was found in a condition"));
        }
        let mut fields: Vec<Field> = columns.iter().map(|column| scan.fields[*column].clone()).collect();
        fields.push(Field { name: "rid".to_owned(), ty: SqlType::of(Oid::INT8), origin: None });
        let scan = Scan {
            columns: columns.iter().map(|column| scan.columns[*column]).collect(),
            system: vec![SystemColumn::RowId],
            fields,
            ..scan.clone()
        };
        self.scan(scan, conditions)
    }

    /// The vector index that orders by a call of a distance function.
    pub(super) fn distance<'a>(&self, scan: &'a Scan, call: &'a Call, conditions: &[Expr]) -> Option<Distance<'a>> {
        let [left, right] = call.args.as_slice() else { return None };
        scan.table.indexes.iter().find_map(|index| {
            if !index.valid || !vector_index::is_vector(index.method) || !self.statistics.covers(index) {
                return None;
            }
            let operator = vector_index::distance_operator(index.keys[0].opclass)?;
            if builtin().operator_row(operator)?.function != call.function {
                return None;
            }
            let stored = match index.keys[0].target {
                IndexTarget::Expr(_) => self.statistics.index_expressions(&scan.table, index)?.0,
                IndexTarget::Column(_) => Vec::new(),
            };
            let answered = self.answered_by(index, scan, conditions)?;
            let is_key = |expr: &Expr| is_key(expr, index, stored.first(), scan);
            let query = match (is_key(left), is_key(right)) {
                (true, _) if is_fixed(right) => right,
                (_, true) if is_fixed(left) => left,
                _ => return None,
            };
            Some(Distance { index, query, answered })
        })
    }
}

/// A scan with its conditions.
fn scan_of(plan: &LogicalPlan) -> Option<(&Scan, Vec<Expr>)> {
    match plan {
        LogicalPlan::Scan(scan) => Some((scan, Vec::new())),
        LogicalPlan::Filter { input, predicate } => {
            let LogicalPlan::Scan(scan) = &**input else { return None };
            let mut conditions = Vec::new();
            walk::conjuncts(predicate.clone(), &mut conditions);
            Some((scan, conditions))
        }
        _ => None,
    }
}

/// An expression over the scanned columns as one over the table's.
pub(super) fn over_table(expr: &Expr, scan: &Scan) -> Option<Expr> {
    let mut columns = Vec::new();
    walk::columns_of(expr, &mut columns);
    if columns.iter().any(|column| *column >= scan.columns.len()) {
        return None;
    }
    let mut expr = expr.clone();
    walk::renumber(&mut expr, &|index| scan.columns[index]);
    Some(expr)
}

/// Whether an expression over the scanned columns is what an index keeps.
fn is_key(expr: &Expr, index: &IndexDesc, stored: Option<&Expr>, scan: &Scan) -> bool {
    match &index.keys[0].target {
        IndexTarget::Column(attnum) => match expr {
            Expr::Column { index: column, .. } => scan.columns.get(*column).copied() == scan.table.position_of(*attnum),
            _ => false,
        },
        IndexTarget::Expr(_) => {
            stored.is_some_and(|stored| over_table(expr, scan).is_some_and(|expr| walk::same(stored, &expr)))
        }
    }
}

/// Whether a condition looks at vectors: such are asked of what the search finds.
pub(super) fn sees_vectors(condition: &Expr, scan: &Scan) -> bool {
    let mut columns = Vec::new();
    walk::columns_of(condition, &mut columns);
    let vector = |column: &usize| {
        let position = scan.columns.get(*column);
        position.is_none_or(|at| {
            matches!(scan.table.columns[*at].ty.oid, Oid::VECTOR | Oid::HALFVEC | Oid::SPARSEVEC | Oid::BIT)
        })
    };
    columns.iter().any(vector)
}

/// Whether the included columns of an index answer a condition.
fn is_answered(condition: &Expr, index: &IndexDesc, scan: &Scan) -> bool {
    let column = |at: usize| {
        let column = &scan.table.columns[*scan.columns.get(at)?];
        let included = index.include.iter().position(|attnum| *attnum == column.attnum)?;
        IncludedColumn::new(included, column.stored_type().oid)
    };
    is_included(condition, &column)
}

/// Whether a condition is an upper bound of the very distance that the rows are ordered by.
pub(super) fn bounds(condition: &Expr, order: &Expr) -> bool {
    let Expr::Call(call) = condition else { return false };
    let [left, right] = call.args.as_slice() else { return false };
    let Some(Body::Compare(op)) = registry::function(call.function).map(|found| found.body) else { return false };
    match op {
        CompareOp::Lt | CompareOp::Le => walk::same(left, order) && is_fixed(right),
        CompareOp::Gt | CompareOp::Ge => walk::same(right, order) && is_fixed(left),
        _ => false,
    }
}

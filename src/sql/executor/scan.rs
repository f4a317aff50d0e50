//! Reading tables: whole, or through an ordered index.
//!
//! A scan sees the snapshot and the writes of earlier commands that its transaction had when it was opened.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, UInt32Array};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::error::Result;
use crate::sql::eval::eval_mask;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::expr::Expr;
use crate::sql::logical::SystemColumn;
use crate::sql::physical::{IndexAccess, Node, Op, RangeAccess, TableAccess};
use crate::table::{IndexScan, IndexScanSpec, KeyBound, ScanSpec, Table, TableScan};
use crate::types::column::Batch;
use crate::types::{Datum, Oid, compare};

use super::parallel::Part;
use super::recheck::{GivenScan, given_to};
use super::{BATCH_ROWS, ExecContext, Operator, Pulled, build};

/// Rows of the first batches, so that LIMIT 1 does not read a thousand.
const FIRST_ROWS: usize = 64;

/// Appends system columns to what a table scan produced: its columns, row ids, commit timestamps.
pub(super) fn with_system(batch: Batch, access: &TableAccess) -> Batch {
    if access.system.is_empty() {
        return batch;
    }
    let plain = access.columns.len();
    let rows = batch.rows;
    let mut columns: Vec<ArrayRef> = batch.columns[..plain].to_vec();
    let (ids, times) =
        (batch.columns[plain].as_primitive::<Int64Type>(), batch.columns[plain + 1].as_primitive::<Int64Type>());
    for column in &access.system {
        columns.push(match column {
            SystemColumn::TableOid => Arc::new(UInt32Array::from(vec![access.table.oid.0; rows])),
            SystemColumn::RowId => Arc::clone(&batch.columns[plain]),
            // Row 70000 is the first one of page 1: a tid has 16 bits for the place on its page.
            SystemColumn::Ctid => {
                let tid = |id: &i64| ((id >> 16) << 16) | (id & 0xffff);
                Arc::new(Int64Array::from(ids.values().iter().map(tid).collect::<Vec<_>>()))
            }
            SystemColumn::Xmin => {
                Arc::new(UInt32Array::from(times.values().iter().map(|ts| *ts as u32).collect::<Vec<_>>()))
            }
            SystemColumn::Xmax => Arc::new(UInt32Array::from(vec![0; rows])),
        });
    }
    Batch::new(rows, columns)
}

pub(super) fn filtered(batch: Batch, filter: Option<&Expr>, ctx: &ExecContext) -> Result<Batch> {
    let Some(filter) = filter else { return Ok(batch) };
    if batch.rows == 0 {
        return Ok(batch);
    }
    let mask = eval_mask(filter, &batch, &ctx.eval)?;
    Ok(if mask.true_count() == batch.rows { batch } else { batch.filter(&mask) })
}

/// A whole scan, in row id order.
struct FullScan {
    access: Arc<TableAccess>,
    filter: Option<Arc<Expr>>,
    scan: TableScan,
}

/// Opens a scan of a table, by an index if all that is wanted is in a range of it that is narrow.
pub(super) fn table_scan(
    access: &Arc<TableAccess>,
    filter: Option<Arc<Expr>>,
    range: Option<&RangeAccess>,
    ctx: &ExecContext,
) -> Result<Box<dyn Operator>> {
    if let Some(rows) = given_to(access, ctx) {
        return Ok(Box::new(GivenScan::new(access, None, filter, rows)));
    }
    if let Some(part) = &ctx.part {
        return part_scan(access, filter, part, ctx);
    }
    if let Some(range) = range
        && let Some(narrow) = narrow_scan(access, range, ctx)?
    {
        return Ok(Box::new(narrow));
    }
    let table = ctx.shared.table(&access.table)?;
    let scan = table.scan(&ctx.shared.txn, full_spec(access));
    Ok(Box::new(FullScan { access: Arc::clone(access), filter, scan }))
}

/// Opens the scan of a part of a table.
pub(super) fn part_scan(
    access: &Arc<TableAccess>,
    filter: Option<Arc<Expr>>,
    part: &Part,
    ctx: &ExecContext,
) -> Result<Box<dyn Operator>> {
    let table = ctx.shared.table(&access.table)?;
    let spec = ScanSpec { range: Some(part.range.clone()), ..full_spec(access) };
    let scan = table.scan_at(&ctx.shared.txn, spec, part.view.clone());
    Ok(Box::new(FullScan { access: Arc::clone(access), filter, scan }))
}

/// The scan at the bottom of a plan over one table.
pub(super) fn scanned(node: &Node) -> Option<&TableAccess> {
    match &node.op {
        Op::TableScan { scan, .. } => Some(scan),
        Op::Filter { input, .. } | Op::Project { input, .. } | Op::Sort { input, .. } => scanned(input),
        _ => None,
    }
}

/// The specification of a whole scan.
pub(super) fn full_spec(access: &TableAccess) -> ScanSpec {
    let system = !access.system.is_empty();
    ScanSpec {
        positions: access.columns.clone(),
        row_ids: system,
        commit_ts: system,
        range: None,
        batch_rows: BATCH_ROWS,
    }
}

impl Operator for FullScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        while let Some(batch) = self.scan.next()? {
            ctx.check()?;
            let batch = filtered(with_system(batch, &self.access), self.filter.as_deref(), ctx)?;
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

/// The rows of a range that turned out narrow.
pub(super) struct NarrowScan {
    access: Arc<TableAccess>,
    filter: Option<Arc<Expr>>,
    scans: std::vec::IntoIter<IndexScan>,
    current: Option<IndexScan>,
}

/// Opens the scan of a range by its index; `None` when a whole scan is better.
pub(super) fn narrow_scan(
    access: &Arc<TableAccess>,
    range: &RangeAccess,
    ctx: &ExecContext,
) -> Result<Option<NarrowScan>> {
    let mut specs = specs(access, &range.access, ctx)?;
    specs.iter_mut().for_each(|spec| spec.batch_rows = BATCH_ROWS);
    let table = ctx.shared.table(&access.table)?;
    let scans = table.narrow_scans(&ctx.shared.txn, specs, &full_spec(access))?;
    let (access, filter) = (Arc::clone(access), range.rest.clone());
    Ok(scans.map(|scans| NarrowScan { access, filter, scans: scans.into_iter(), current: None }))
}

impl Operator for NarrowScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let evaluator = ctx.evaluator(&self.access.table);
        loop {
            ctx.check()?;
            if self.current.is_none() {
                self.current = self.scans.next();
            }
            let Some(scan) = &mut self.current else { return Ok(None) };
            match scan.next(&evaluator)? {
                Some(batch) => {
                    let batch = filtered(with_system(batch, &self.access), self.filter.as_deref(), ctx)?;
                    if batch.rows > 0 {
                        return Ok(Some(batch));
                    }
                }
                None => self.current = None,
            }
        }
    }
}

/// A plan over one table by the index of its range, if that is narrow now.
pub(super) fn narrowed(node: &Node, ctx: &ExecContext) -> Result<Option<Box<dyn Operator>>> {
    match &node.op {
        Op::TableScan { scan, range: Some(range), .. } => {
            Ok(narrow_scan(scan, range, ctx)?.map(|narrow| Box::new(narrow) as Box<dyn Operator>))
        }
        _ if is_narrow(node, ctx)? => Ok(Some(build(node, ctx)?)),
        _ => Ok(None),
    }
}

/// Whether the scan at the bottom of a plan over one table has a range that is narrow now.
fn is_narrow(node: &Node, ctx: &ExecContext) -> Result<bool> {
    match &node.op {
        Op::TableScan { scan, range: Some(range), .. } => Ok(narrow_scan(scan, range, ctx)?.is_some()),
        Op::Filter { input, .. } | Op::Project { input, .. } | Op::Sort { input, .. } => is_narrow(input, ctx),
        _ => Ok(false),
    }
}

/// The plan as it would be run now: with the index in the place of a scan whose range is narrow. A range that cannot be told
/// yet, since it has values that are missing, stays as it is.
pub fn settled(node: &mut Node, ctx: &ExecContext) {
    if let Op::Gather { input, .. } = &mut node.op
        && is_narrow(input, ctx).unwrap_or(false)
    {
        let inner = (**input).clone();
        *node = inner;
    }
    if let Op::TableScan { scan, range: Some(range), .. } = &node.op
        && narrow_scan(scan, range, ctx).is_ok_and(|narrow| narrow.is_some())
    {
        let (scan, access, filter) = (Arc::clone(scan), Arc::clone(&range.access), range.rest.clone());
        node.op = Op::IndexScan { scan, access, filter };
    }
    node.op.inputs_mut().into_iter().for_each(|input| settled(input, ctx));
}

/// A scan through an index; for `= ANY` one after the other.
struct ByIndex {
    table: Table,
    access: Arc<TableAccess>,
    index: Arc<IndexAccess>,
    filter: Option<Arc<Expr>>,
    specs: Option<std::vec::IntoIter<IndexScanSpec>>,
    current: Option<IndexScan>,
}

/// Opens an index scan.
pub(super) fn index_scan(
    access: &Arc<TableAccess>,
    index: &Arc<IndexAccess>,
    filter: Option<Arc<Expr>>,
    ctx: &ExecContext,
) -> Result<Box<dyn Operator>> {
    let table = ctx.shared.table(&access.table)?;
    if let Some(rows) = given_to(access, ctx) {
        return Ok(Box::new(GivenScan::new(access, Some((table, Arc::clone(index))), filter, rows)));
    }
    let (access, index) = (Arc::clone(access), Arc::clone(index));
    Ok(Box::new(ByIndex { table, access, index, filter, specs: None, current: None }))
}

/// The look-ups to do. NULL equals nothing and bounds nothing.
pub(super) fn specs(access: &TableAccess, index: &IndexAccess, ctx: &ExecContext) -> Result<Vec<IndexScanSpec>> {
    let value = |expr: &Expr| eval_row(expr, Row::Values(&[]), &ctx.eval);
    let mut prefix = index.prefix.iter().map(value).collect::<Result<Vec<_>>>()?;
    let bound = |bound: &Option<(Expr, bool)>| -> Result<Option<KeyBound>> {
        let Some((expr, included)) = bound else { return Ok(Some(KeyBound::Open)) };
        let datum = value(expr)?;
        Ok(match (datum.is_null(), included) {
            (true, _) => None,
            (false, true) => Some(KeyBound::Included(datum)),
            (false, false) => Some(KeyBound::Excluded(datum)),
        })
    };
    let (Some(lower), Some(upper)) = (bound(&index.lower)?, bound(&index.upper)?) else {
        return Ok(Vec::new());
    };
    let system = !access.system.is_empty();
    // A whole key of a unique index has one row, as a rule.
    let batch_rows = if index.index.unique && prefix.len() == index.index.keys.len() { 1 } else { FIRST_ROWS };
    let spec = |prefix: Vec<Datum>| IndexScanSpec {
        index: index.index.oid,
        prefix,
        lower: lower.clone(),
        upper: upper.clone(),
        backward: index.backward,
        positions: access.columns.clone(),
        row_ids: system,
        commit_ts: system,
        batch_rows,
    };
    if !index.any {
        return Ok(if prefix.iter().any(Datum::is_null) { Vec::new() } else { vec![spec(prefix)] });
    }
    let Some(Datum::Array(array)) = prefix.pop() else { return Ok(Vec::new()) };
    if prefix.iter().any(Datum::is_null) {
        return Ok(Vec::new());
    }
    let mut items: Vec<Datum> = array.items.iter().filter(|item| !item.is_null()).cloned().collect();
    items.sort_by(compare::compare);
    items.dedup_by(|a, b| compare::equal(a, b));
    Ok(items.into_iter().map(|item| spec(prefix.iter().cloned().chain([item]).collect())).collect())
}

impl ByIndex {
    /// The one row that the statement can be about, as values: a whole key of a unique index, before anything was read.
    fn only_row(&mut self, ctx: &ExecContext) -> Result<Option<Pulled>> {
        self.specs = Some(Vec::new().into_iter());
        ctx.check()?;
        let value = |expr: &Expr| eval_row(expr, Row::Values(&[]), &ctx.eval);
        let key = self.index.prefix.iter().map(value).collect::<Result<Vec<_>>>()?;
        let evaluator = ctx.evaluator(&self.access.table);
        let (index, columns) = (self.index.index.oid, &self.access.columns);
        let Some(row) = self.table.find_columns(&ctx.shared.txn, &evaluator, index, &key, columns)? else {
            return Ok(None);
        };
        if let Some(filter) = &self.filter
            && eval_row(filter, Row::Values(&row), &ctx.eval)?.as_bool() != Some(true)
        {
            return Ok(None);
        }
        Ok(Some(Pulled::Rows(vec![row])))
    }
}

impl Operator for ByIndex {
    fn pull(&mut self, ctx: &ExecContext) -> Result<Option<Pulled>> {
        let fresh = self.specs.is_none() && self.current.is_none();
        let plain = self.access.system.is_empty() && !self.index.any;
        if fresh && plain && self.table.holds_one(self.index.index.oid, self.index.prefix.len()) {
            return self.only_row(ctx);
        }
        Ok(self.next(ctx)?.map(Pulled::Batch))
    }

    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let mut specs = match self.specs.take() {
            Some(specs) => specs,
            None => specs(&self.access, &self.index, ctx)?.into_iter(),
        };
        let evaluator = ctx.evaluator(&self.access.table);
        let found = loop {
            ctx.check()?;
            if self.current.is_none() {
                let Some(spec) = specs.next() else { break None };
                self.current = Some(self.table.index_scan(&ctx.shared.txn, spec)?);
            }
            match self.current.as_mut().expect("opened above").next(&evaluator)? {
                Some(batch) => {
                    let batch = filtered(with_system(batch, &self.access), self.filter.as_deref(), ctx)?;
                    if batch.rows > 0 {
                        break Some(batch);
                    }
                }
                None => self.current = None,
            }
        };
        self.specs = Some(specs);
        Ok(found)
    }
}

/// The row id column of a batch.
pub(super) fn row_ids(batch: &Batch, column: usize) -> Vec<u32> {
    let ids = batch.columns[column].as_primitive::<Int64Type>();
    ids.values().iter().map(|id| u32::try_from(*id).expect("row ids have 32 bits")).collect()
}

/// Types of all columns of a table.
pub(super) fn table_types(table: &crate::catalog::descriptor::TableDesc) -> Vec<Oid> {
    table.columns.iter().map(|column| column.stored_type().oid).collect()
}

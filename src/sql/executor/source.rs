//! Operators without input: VALUES, functions, system relations; and set-returning functions in target lists.

use std::sync::Arc;

use crate::bail;
use crate::catalog::descriptor::RelationDesc;
use crate::common::clock;
use crate::error::Result;
use crate::sql::eval::context::{ArgTypes, FnContext};
use crate::sql::eval::registry::{Body, RowStream, function};
use crate::sql::eval::row::{Row, eval_row, invoke};
use crate::sql::expr::{AggregateCall, Call, Expr};
use crate::sql::logical::{Aggregate, FunctionCall};
use crate::sql::physical::{Node, Op};
use crate::table::Table;
use crate::txn::View;
use crate::types::column::Batch;
use crate::types::{Datum, Oid, RecordValue};

use super::explain::Meter;
use super::simple::Queue;
use super::{BATCH_ROWS, ExecContext, Operator, Pulled};

/// Literal rows.
pub(super) struct Values {
    rows: Arc<[Vec<Expr>]>,
    types: Vec<Oid>,
    at: usize,
}

impl Values {
    pub(super) fn new(rows: Arc<[Vec<Expr>]>, types: Vec<Oid>) -> Self {
        Self { rows, types, at: 0 }
    }
}

impl Operator for Values {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        Ok(self.rows(ctx)?.map(|rows| Batch::from_rows(&self.types, &rows)))
    }

    fn pull(&mut self, ctx: &ExecContext) -> Result<Option<Pulled>> {
        Ok(self.rows(ctx)?.map(Pulled::Rows))
    }
}

impl Values {
    fn rows(&mut self, ctx: &ExecContext) -> Result<Option<Vec<Vec<Datum>>>> {
        if self.at >= self.rows.len() {
            return Ok(None);
        }
        ctx.check()?;
        let end = (self.at + BATCH_ROWS).min(self.rows.len());
        let mut rows = Vec::with_capacity(end - self.at);
        for row in &self.rows[self.at..end] {
            rows.push(row.iter().map(|expr| eval_row(expr, Row::Values(&[]), &ctx.eval)).collect::<Result<Vec<_>>>()?);
        }
        self.at = end;
        Ok(Some(rows))
    }
}

/// Rows of a system relation.
pub(super) struct SystemScan {
    relation: Arc<RelationDesc>,
    types: Vec<Oid>,
    queue: Option<Queue>,
}

impl SystemScan {
    pub(super) fn new(relation: &Arc<RelationDesc>, types: &[Oid]) -> Self {
        Self { relation: Arc::clone(relation), types: types.to_vec(), queue: None }
    }
}

impl Operator for SystemScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.queue.is_none() {
            let mut rows = ctx.shared.system.rows(&self.relation)?;
            // The relation's own OID follows its columns.
            rows.iter_mut().for_each(|row| row.push(Datum::Oid(self.relation.oid)));
            self.queue = Some(Queue::of_rows(&self.types, &rows));
        }
        ctx.check()?;
        Ok(self.queue.as_mut().and_then(Queue::pop))
    }
}

/// `count(*)` of a whole table: the number of its rows is known, or counted without making batches of them.
pub(super) struct RowCount {
    table: Table,
    view: View,
    /// How often it is asked for.
    columns: usize,
    meter: Option<Arc<Meter>>,
    done: bool,
}

impl RowCount {
    /// The operator for a grouping over `input` that asks for nothing else; `None` for any other.
    ///
    /// # Errors
    /// Those of opening the table.
    pub(super) fn of(input: &Node, spec: &Aggregate, ctx: &ExecContext) -> Result<Option<Self>> {
        let counts = |call: &AggregateCall| {
            let named = function(call.function).is_some_and(|found| found.name == "count");
            named && call.args.is_empty() && call.filter.is_none() && call.order_by.is_empty()
        };
        let plain = spec.keys.is_empty() && spec.sets.is_empty() && spec.grouping_calls.is_empty();
        let below: &Node = match &input.op {
            Op::Gather { input, .. } => input,
            _ => input,
        };
        let Op::TableScan { scan, filter: None, .. } = &below.op else { return Ok(None) };
        if !plain
            || spec.calls.is_empty()
            || !spec.calls.iter().all(counts)
            || ctx.shared.txn.has_written(scan.table.storage)
        {
            return Ok(None);
        }
        let meter = ctx.shared.meters.as_ref().map(|meters| meters.of(below));
        let table = ctx.shared.table(&scan.table)?;
        Ok(Some(Self { table, view: ctx.shared.txn.view(), columns: spec.calls.len(), meter, done: false }))
    }
}

impl Operator for RowCount {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let started = clock::monotonic();
        let count = self.table.count_at(&ctx.shared.txn, &self.view, ctx.shared.threads, &ctx.eval.cancel)?;
        if let Some(meter) = &self.meter {
            meter.add(usize::try_from(count).expect("row ids have 32 bits"), started.elapsed());
        }
        let row = vec![Datum::Int8(count.cast_signed()); self.columns];
        Ok(Some(Batch::from_rows(&vec![Oid::INT8; self.columns], &[row])))
    }
}

/// The rows of a function call: many of a set-returning function, one of any other. `width` is the number of columns wanted.
pub(super) fn call_rows(call: &FunctionCall, row: Row<'_>, ctx: &ExecContext) -> Result<RowStream> {
    let width = call.columns.len();
    if let Expr::Call(node) = &call.expr
        && let Some(found) = function(node.function)
        && found.returns_set
    {
        let args = node.args.iter().map(|arg| eval_row(arg, row, &ctx.eval)).collect::<Result<Vec<_>>>()?;
        if found.strict && args.iter().any(Datum::is_null) {
            return Ok(Box::new(std::iter::empty()));
        }
        let Body::Set(set) = found.body else { return Err(found.missing()) };
        let types = ArgTypes::Call { exprs: &node.args, columns: &call.columns };
        let info = FnContext { eval: &ctx.eval, function: found, result: node.ty, args: types };
        let stream = set(&info, &args)?.into_stream();
        return Ok(Box::new(stream.map(move |row| row.map(|row| spread(row, width)))));
    }
    let value = match &call.expr {
        Expr::Call(node) if node.ty.oid == Oid::RECORD => record_value(node, call, row, ctx)?,
        expr => eval_row(expr, row, &ctx.eval)?,
    };
    if let (Datum::Record(record), [column]) = (&value, call.columns.as_slice())
        && record.type_oid == Oid::RECORD
        && column.ty.oid != Oid::RECORD
    {
        let only = record.fields.first().map_or(Datum::Null, |(_, value)| value.clone());
        return Ok(Box::new(std::iter::once(Ok(vec![only]))));
    }
    Ok(Box::new(std::iter::once(Ok(spread(vec![value], width)))))
}

/// The value of a function that returns `record`, told the columns that the query gives it.
fn record_value(node: &Call, call: &FunctionCall, row: Row<'_>, ctx: &ExecContext) -> Result<Datum> {
    let Some(found) = function(node.function) else { return eval_row(&call.expr, row, &ctx.eval) };
    let args = node.args.iter().map(|arg| eval_row(arg, row, &ctx.eval)).collect::<Result<Vec<_>>>()?;
    let types = ArgTypes::Call { exprs: &node.args, columns: &call.columns };
    invoke(found, &args, node.ty, types, &ctx.eval)
}

/// A record taken apart when several columns are wanted of one value.
fn spread(row: Vec<Datum>, width: usize) -> Vec<Datum> {
    match row.as_slice() {
        [Datum::Record(record)] if width > 1 => {
            let mut values: Vec<Datum> = record.fields.iter().map(|(_, value)| value.clone()).collect();
            values.resize(width, Datum::Null);
            values
        }
        [Datum::Null] if width > 1 => vec![Datum::Null; width],
        _ => row,
    }
}

/// Functions in FROM, side by side, padded with NULLs.
pub(super) struct FunctionScan {
    calls: Vec<FunctionCall>,
    ordinality: bool,
    types: Vec<Oid>,
    streams: Option<Vec<Option<RowStream>>>,
    produced: i64,
}

impl FunctionScan {
    pub(super) fn new(calls: Vec<FunctionCall>, ordinality: bool, types: Vec<Oid>) -> Self {
        Self { calls, ordinality, types, streams: None, produced: 0 }
    }
}

impl Operator for FunctionScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.streams.is_none() {
            let open = |call: &FunctionCall| call_rows(call, Row::Values(&[]), ctx).map(Some);
            self.streams = Some(self.calls.iter().map(open).collect::<Result<Vec<_>>>()?);
        }
        ctx.check()?;
        let streams = self.streams.as_mut().expect("opened above");
        let mut rows: Vec<Vec<Datum>> = Vec::new();
        while rows.len() < BATCH_ROWS {
            let mut row = Vec::with_capacity(self.types.len());
            let mut any = false;
            for (stream, call) in streams.iter_mut().zip(&self.calls) {
                match stream.as_mut().and_then(Iterator::next) {
                    Some(values) => {
                        let values = values?;
                        if values.len() != call.columns.len() {
                            bail!(DATATYPE_MISMATCH, "function return row and query-specified return row do not match");
                        }
                        row.extend(values);
                        any = true;
                    }
                    None => {
                        *stream = None;
                        row.extend(std::iter::repeat_n(Datum::Null, call.columns.len()));
                    }
                }
            }
            if !any {
                break;
            }
            self.produced += 1;
            if self.ordinality {
                row.push(Datum::Int8(self.produced));
            }
            rows.push(row);
        }
        Ok((!rows.is_empty()).then(|| Batch::from_rows(&self.types, &rows)))
    }
}

/// Set-returning functions in a target list: every input row times the longest of them.
pub(super) struct ProjectSet {
    input: Box<dyn Operator>,
    calls: Vec<FunctionCall>,
    input_types: Vec<Oid>,
    types: Vec<Oid>,
}

impl ProjectSet {
    pub(super) fn new(
        input: Box<dyn Operator>,
        calls: Vec<FunctionCall>,
        input_types: Vec<Oid>,
        types: Vec<Oid>,
    ) -> Self {
        Self { input, calls, input_types, types }
    }
}

impl Operator for ProjectSet {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let Some(batch) = self.input.next(ctx)? else { return Ok(None) };
        let mut rows = Vec::new();
        for at in 0..batch.rows {
            ctx.check()?;
            let input = batch.row(&self.input_types, at);
            let mut streams = Vec::with_capacity(self.calls.len());
            for call in &self.calls {
                streams.push(Some(call_rows(call, Row::Values(&input), ctx)?));
            }
            loop {
                let mut row = input.clone();
                let mut any = false;
                for (stream, call) in streams.iter_mut().zip(&self.calls) {
                    match stream.as_mut().and_then(Iterator::next) {
                        Some(values) => {
                            any = true;
                            row.push(as_value(values?, call));
                        }
                        None => {
                            *stream = None;
                            row.push(Datum::Null);
                        }
                    }
                }
                if !any {
                    break;
                }
                rows.push(row);
            }
        }
        Ok(Some(Batch::from_rows(&self.types, &rows)))
    }
}

/// One value of a function's row: itself, or a record of its columns.
fn as_value(mut values: Vec<Datum>, call: &FunctionCall) -> Datum {
    if call.columns.len() == 1 && values.len() == 1 {
        return values.pop().expect("one value");
    }
    let fields = call.columns.iter().map(|column| column.ty.oid).zip(values).collect();
    let names = Some(call.columns.iter().map(|column| Arc::from(column.name.as_str())).collect());
    Datum::Record(Arc::new(RecordValue { type_oid: Oid::RECORD, fields, names }))
}

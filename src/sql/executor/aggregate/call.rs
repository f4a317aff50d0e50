//! One aggregate call over all groups: its arguments of a batch, and its states.
//!
//! A plain call folds its columns in as they come. With ORDER BY or DISTINCT its rows go through a sorter, by group first, and
//! are folded in at the end. DISTINCT drops what it has seen before already on the way in; calls whose result does not depend
//! on order are then fed at once.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{ArrayRef, BooleanArray, UInt32Array};

use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, GroupStates, group_states};
use crate::sql::eval::{eval_mask, registry};
use crate::sql::executor::ExecContext;
use crate::sql::executor::keys::{KeyShape, KeyTable, NO_ENTRY, columns_of};
use crate::sql::executor::sort::Sorter;
use crate::sql::expr::{AggregateCall, Expr};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

/// The arguments of one call for a batch.
pub(in crate::sql::executor) struct CallInput {
    /// The argument columns; NULL in rows that do not pass.
    pub(in crate::sql::executor) args: Vec<ArrayRef>,
    /// The ORDER BY columns.
    order: Vec<ArrayRef>,
    /// Rows that pass FILTER.
    pub(in crate::sql::executor) keep: Option<BooleanArray>,
}

/// One aggregate call over all groups of one grouping set.
pub(super) struct CallState {
    states: Box<dyn GroupStates>,
    sorted: Option<SortedCall>,
}

/// What a call with ORDER BY or DISTINCT needs.
struct SortedCall {
    /// Whether there is one group, so that keys need not begin with it.
    single: bool,
    sorter: Sorter,
    /// DISTINCT: group and arguments.
    distinct: Option<(KeyShape, KeyTable)>,
    /// Whether rows can be folded in as they come.
    at_once: bool,
}

impl CallInput {
    /// Evaluates them.
    ///
    /// # Errors
    /// Those of the arguments for rows that pass.
    pub(in crate::sql::executor) fn of(call: &AggregateCall, batch: &Batch, ctx: &ExecContext) -> Result<Self> {
        let keep = call.filter.as_ref().map(|filter| eval_mask(filter, batch, &ctx.eval)).transpose()?;
        // Rows that FILTER leaves out are not evaluated: their arguments may fail.
        let reduced = keep.as_ref().filter(|mask| mask.true_count() < batch.rows).map(|mask| batch.filter(mask));
        let input = reduced.as_ref().unwrap_or(batch);
        let args = columns_of(call.args.iter(), input, ctx)?;
        let order = columns_of(call.order_by.iter().map(|key| &key.expr), input, ctx)?;
        let (Some(reduced), Some(mask)) = (&reduced, &keep) else { return Ok(Self { args, order, keep }) };
        let mut next = 0_u32;
        let mut place = |kept: Option<bool>| {
            (kept == Some(true)).then(|| {
                next += 1;
                next - 1
            })
        };
        let places: UInt32Array = mask.iter().map(&mut place).collect();
        let spread = |columns| Batch::new(reduced.rows, columns).take_nullable(&places).columns;
        Ok(Self { args: spread(args), order: spread(order), keep })
    }
}

impl CallInput {
    /// All columns, to be written.
    pub(super) fn columns(&self) -> impl Iterator<Item = ArrayRef> {
        let keep = self.keep.iter().map(|keep| Arc::new(keep.clone()) as ArrayRef);
        self.args.iter().chain(&self.order).cloned().chain(keep)
    }

    /// The inverse of [`CallInput::columns`].
    pub(super) fn from_columns(call: &AggregateCall, columns: &mut impl Iterator<Item = ArrayRef>) -> Self {
        let args = columns.by_ref().take(call.args.len()).collect();
        let order = columns.by_ref().take(call.order_by.len()).collect();
        let keep = call.filter.as_ref().and_then(|_| columns.next()).map(|keep| keep.as_boolean().clone());
        Self { args, order, keep }
    }
}

/// Whether an aggregate's result is the same in whatever order it sees its values.
fn ignores_order(call: &AggregateCall, name: &str) -> bool {
    let exact = || !matches!(call.args.first().map(|arg| arg.ty().oid), Some(Oid::FLOAT4 | Oid::FLOAT8));
    match name {
        "count" | "min" | "max" | "bool_and" | "bool_or" | "every" => true,
        "sum" | "avg" => exact(),
        _ => false,
    }
}

fn arg_types(call: &AggregateCall) -> impl Iterator<Item = Oid> {
    call.args.iter().map(|arg| arg.ty().oid)
}

impl CallState {
    /// States of a call; `single` when there is one group.
    ///
    /// # Errors
    /// `0A000` for an aggregate that is not implemented.
    pub(super) fn new(call: &AggregateCall, single: bool) -> Result<Self> {
        let function = registry::function(call.function).expect("the binder chose it from the catalog");
        let info = AggregateInfo {
            function,
            args: call.args.iter().map(Expr::ty).collect(),
            direct: call.direct_args,
            order: call.order_by.iter().map(|key| (key.descending, key.nulls_first)).collect(),
            result: call.ty,
        };
        let sorted = (call.distinct || !call.order_by.is_empty()).then(|| {
            let group = KeyShape::of_types((!single).then_some(Oid::OID).into_iter());
            let distinct = group.then(&KeyShape::of_types(arg_types(call)));
            let order = group.then(&KeyShape::of_order(&call.order_by));
            let shape = if call.distinct { order.then(&KeyShape::of_types(arg_types(call))) } else { order };
            // Rows are arguments and group; the ORDER BY columns are not among them.
            let width = call.args.len();
            let group = (!single).then_some(Some(width)).into_iter();
            let args = (0..if call.distinct { width } else { 0 }).map(Some);
            let places = group.chain(call.order_by.iter().map(|_| None)).chain(args).collect();
            SortedCall {
                single,
                sorter: Sorter::new(shape, places),
                distinct: call.distinct.then(|| (distinct, KeyTable::default())),
                at_once: call.order_by.is_empty() && ignores_order(call, function.name),
            }
        });
        Ok(Self { states: group_states(&info)?, sorted })
    }

    /// Makes room for groups.
    ///
    /// # Errors
    /// When the aggregate does not take these types.
    pub(super) fn resize(&mut self, groups: usize) -> Result<()> {
        self.states.resize(groups)
    }

    /// Takes in a batch; row `i` belongs to group `groups[i]`.
    ///
    /// # Errors
    /// Overflow and the like.
    pub(super) fn add(
        &mut self,
        call: &AggregateCall,
        groups: &[u32],
        input: &CallInput,
        ctx: &ExecContext,
    ) -> Result<()> {
        let Some(sorted) = &mut self.sorted else {
            return self.states.update(groups, &input.args, input.keep.as_ref(), &ctx.eval);
        };
        let group: ArrayRef = Arc::new(UInt32Array::from(groups.to_vec()));
        let width = input.args.len();
        let columns: Vec<ArrayRef> = input.args.iter().chain([&group]).chain(&input.order).cloned().collect();
        let mut rows = Batch::new(groups.len(), columns);
        if let Some(keep) = &input.keep {
            rows = rows.filter(keep);
        }
        if let Some((shape, seen)) = &mut sorted.distinct {
            let keys = shape.encode(&sorted_columns(&rows, width, sorted.single, false, true), rows.rows);
            let hashes = seen.hashes(&keys);
            let mut fresh = Vec::new();
            if seen.memory() < ctx.shared.work_mem / 2 {
                seen.insert(&keys, &hashes, &mut fresh);
                if sorted.at_once {
                    let rows = rows.take(&fresh);
                    let groups = rows.columns[width].as_primitive::<UInt32Type>().values().to_vec();
                    return self.states.update(&groups, &rows.columns[..width], None, &ctx.eval);
                }
            } else {
                let unknown = seen.find(&keys, &hashes).into_iter().enumerate().filter(|(_, entry)| *entry == NO_ENTRY);
                fresh = unknown.map(|(row, _)| u32::try_from(row).expect("batches are small")).collect();
            }
            if fresh.len() < rows.rows {
                rows = rows.take(&fresh);
            }
        }
        let keys = sorted_columns(&rows, width, sorted.single, true, call.distinct);
        rows.columns.truncate(width + 1);
        sorted.sorter.add(rows, &keys, ctx)
    }

    /// Folds in the rows that waited to be sorted.
    ///
    /// # Errors
    /// Overflow and the like.
    pub(super) fn finish(&mut self, call: &AggregateCall, ctx: &ExecContext) -> Result<()> {
        let Some(sorted) = self.sorted.take() else { return Ok(()) };
        let width = call.args.len();
        let mut rows = sorted.sorter.finish(ctx)?;
        let mut last = None;
        while let Some(mut batch) = rows.next(ctx)? {
            ctx.check()?;
            if let Some((shape, _)) = &sorted.distinct {
                let keys = shape.encode(&sorted_columns(&batch, width, sorted.single, false, true), batch.rows);
                let mask = BooleanArray::from(keys.starts(&mut last));
                batch = batch.filter(&mask);
            }
            let groups = batch.columns[width].as_primitive::<UInt32Type>().values().to_vec();
            self.states.update(&groups, &batch.columns[..width], None, &ctx.eval)?;
        }
        Ok(())
    }

    /// The result of a group.
    ///
    /// # Errors
    /// Overflow of the result.
    pub(super) fn result(&self, group: usize, ctx: &ExecContext) -> Result<Datum> {
        self.states.finish(group, &ctx.eval)
    }

    /// Bytes held.
    pub(super) fn memory(&mut self) -> usize {
        let sorted = self.sorted.as_ref().and_then(|sorted| sorted.distinct.as_ref()).map_or(0, |seen| seen.1.memory());
        self.states.memory() + sorted
    }
}

/// Key columns of rows made of arguments, group and ORDER BY columns: the group first unless there is only one.
fn sorted_columns(rows: &Batch, width: usize, single: bool, order: bool, args: bool) -> Vec<ArrayRef> {
    let group = (!single).then_some(&rows.columns[width]).into_iter();
    let order = rows.columns[width + 1..].iter().take(if order { usize::MAX } else { 0 });
    let args = rows.columns[..width].iter().take(if args { usize::MAX } else { 0 });
    group.chain(order).chain(args).cloned().collect()
}

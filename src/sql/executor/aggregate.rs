//! Grouping: rows go into groups by the bytes of their keys, and each aggregate keeps a state per group.
//!
//! Aggregates with DISTINCT see each value of a group once; those with ORDER BY see the rows of a group sorted, which means
//! that they are kept until the end. Grouping sets are computed side by side in one pass over the input.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray};
use hashbrown::{HashMap, HashSet};

use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, GroupStates, group_states};
use crate::sql::eval::registry;
use crate::sql::eval::{eval_batch, eval_mask};
use crate::sql::expr::AggregateCall;
use crate::sql::logical::Aggregate;
use crate::types::column::{Batch, datum_at};
use crate::types::{Datum, Oid, keycode};

use super::simple::Queue;
use super::sort::check_memory;
use super::{ExecContext, Operator};

/// GROUP BY.
pub(super) struct Aggregation {
    input: Option<Box<dyn Operator>>,
    spec: Arc<Aggregate>,
    types: Vec<Oid>,
    output: Queue,
}

/// One aggregate call over all groups of one grouping set.
struct CallState {
    states: Box<dyn GroupStates>,
    /// DISTINCT: argument bytes seen, by group.
    seen: Vec<HashSet<Vec<u8>>>,
    /// ORDER BY: sort bytes and arguments, by group.
    kept: Vec<Vec<(Vec<u8>, Vec<Datum>)>>,
}

/// One grouping set.
struct GroupSet {
    /// Keys that take part.
    keys: Vec<usize>,
    groups: HashMap<Vec<u8>, u32>,
    values: Vec<Vec<Datum>>,
    calls: Vec<CallState>,
}

impl Aggregation {
    pub(super) fn new(
        input: Box<dyn Operator>,
        spec: Arc<Aggregate>,
        _input_types: Vec<Oid>,
        types: Vec<Oid>,
    ) -> Result<Self> {
        Ok(Self { input: Some(input), spec, types, output: Queue::default() })
    }

    fn run(&self, input: &mut dyn Operator, ctx: &ExecContext) -> Result<Queue> {
        let all: Vec<usize> = (0..self.spec.keys.len()).collect();
        let wanted = if self.spec.sets.is_empty() { vec![all] } else { self.spec.sets.clone() };
        let mut sets = wanted.into_iter().map(|keys| self.open_set(keys)).collect::<Result<Vec<_>>>()?;
        let mut bytes = 0;
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            if batch.rows == 0 {
                continue;
            }
            let keys =
                self.spec.keys.iter().map(|key| eval_batch(key, &batch, &ctx.eval)).collect::<Result<Vec<_>>>()?;
            let inputs =
                self.spec.calls.iter().map(|call| CallInput::of(call, &batch, ctx)).collect::<Result<Vec<_>>>()?;
            for set in &mut sets {
                bytes += self.add(set, &batch, &keys, &inputs, ctx)?;
            }
            check_memory(bytes, ctx)?;
        }
        let mut rows = Vec::new();
        for set in sets {
            self.finish(set, &mut rows, ctx)?;
        }
        Ok(Queue::of_rows(&self.types, &rows))
    }

    fn open_set(&self, keys: Vec<usize>) -> Result<GroupSet> {
        let calls = self
            .spec
            .calls
            .iter()
            .map(|call| {
                let function = registry::function(call.function).expect("the binder chose it from the catalog");
                let info = AggregateInfo {
                    function,
                    args: call.args.iter().map(crate::sql::expr::Expr::ty).collect(),
                    direct: call.direct_args,
                    order: call.order_by.iter().map(|key| (key.descending, key.nulls_first)).collect(),
                    result: call.ty,
                };
                Ok(CallState { states: group_states(&info)?, seen: Vec::new(), kept: Vec::new() })
            })
            .collect::<Result<Vec<_>>>()?;
        let mut set = GroupSet { keys, groups: HashMap::new(), values: Vec::new(), calls };
        // Without keys there is one group, rows or not.
        if set.keys.is_empty() {
            set.groups.insert(Vec::new(), 0);
            set.values.push(vec![Datum::Null; self.spec.keys.len()]);
            self.resize(&mut set)?;
        }
        Ok(set)
    }

    fn resize(&self, set: &mut GroupSet) -> Result<()> {
        let count = set.values.len();
        for (state, call) in set.calls.iter_mut().zip(&self.spec.calls) {
            state.states.resize(count)?;
            if call.distinct {
                state.seen.resize_with(count, HashSet::new);
            }
            if is_kept(call) {
                state.kept.resize_with(count, Vec::new);
            }
        }
        Ok(())
    }

    fn add(
        &self,
        set: &mut GroupSet,
        batch: &Batch,
        keys: &[ArrayRef],
        inputs: &[CallInput],
        ctx: &ExecContext,
    ) -> Result<usize> {
        let mut groups = vec![0_u32; batch.rows];
        let mut bytes = 0;
        if !set.keys.is_empty() {
            let mut key = Vec::new();
            for (row, group) in groups.iter_mut().enumerate() {
                key.clear();
                for at in &set.keys {
                    let oid = self.spec.keys[*at].ty().oid;
                    keycode::encode_key_typed(oid, &datum_at(&keys[*at], oid, row), false, false, &mut key);
                }
                *group = match set.groups.get(key.as_slice()) {
                    Some(group) => *group,
                    None => {
                        let group = u32::try_from(set.values.len()).expect("memory ends before 2^32 groups");
                        bytes += key.len() + 64 + 32 * self.types.len();
                        set.groups.insert(key.clone(), group);
                        let value = |at: usize| {
                            let oid = self.spec.keys[at].ty().oid;
                            if set.keys.contains(&at) { datum_at(&keys[at], oid, row) } else { Datum::Null }
                        };
                        set.values.push((0..keys.len()).map(value).collect());
                        group
                    }
                };
            }
            self.resize(set)?;
        }
        for ((state, call), input) in set.calls.iter_mut().zip(&self.spec.calls).zip(inputs) {
            if call.distinct || is_kept(call) {
                bytes += add_rows(state, call, &groups, input, ctx)?;
            } else {
                state.states.update(&groups, &input.args, input.keep.as_ref(), &ctx.eval)?;
            }
        }
        Ok(bytes)
    }

    fn finish(&self, mut set: GroupSet, rows: &mut Vec<Vec<Datum>>, ctx: &ExecContext) -> Result<()> {
        for state in &mut set.calls {
            for (group, mut kept) in std::mem::take(&mut state.kept).into_iter().enumerate() {
                kept.sort_by(|a, b| a.0.cmp(&b.0));
                for (_, args) in kept {
                    state.states.update_row(group, &args, &ctx.eval)?;
                }
            }
        }
        for (group, values) in set.values.into_iter().enumerate() {
            let mut row = values;
            for state in &set.calls {
                row.push(state.states.finish(group, &ctx.eval)?);
            }
            for columns in &self.spec.grouping_calls {
                let bits =
                    columns.iter().fold(0_i32, |bits, column| (bits << 1) | i32::from(!set.keys.contains(column)));
                row.push(Datum::Int4(bits));
            }
            rows.push(row);
        }
        Ok(())
    }
}

/// Whether the rows of a group must be seen in an order that the operator makes.
fn is_kept(call: &AggregateCall) -> bool {
    !call.order_by.is_empty()
}

/// The arguments of one call for a batch.
struct CallInput {
    args: Vec<ArrayRef>,
    order: Vec<Vec<u8>>,
    keep: Option<BooleanArray>,
}

impl CallInput {
    fn of(call: &AggregateCall, batch: &Batch, ctx: &ExecContext) -> Result<Self> {
        let keep = call.filter.as_ref().map(|filter| eval_mask(filter, batch, &ctx.eval)).transpose()?;
        // Rows that FILTER leaves out are not evaluated: their arguments may fail.
        let reduced = keep.as_ref().filter(|mask| mask.true_count() < batch.rows).map(|mask| batch.filter(mask));
        if let (Some(reduced), Some(mask)) = (reduced, &keep) {
            let inner = Self::of(&AggregateCall { filter: None, ..call.clone() }, &reduced, ctx)?;
            let mut next = 0_u32;
            let places: arrow_array::UInt32Array = mask
                .iter()
                .map(|kept| {
                    (kept == Some(true)).then(|| {
                        next += 1;
                        next - 1
                    })
                })
                .collect();
            let args = Batch::new(reduced.rows, inner.args).take_nullable(&places).columns;
            let order = places
                .iter()
                .map(|at| at.map_or_else(Vec::new, |at| inner.order.get(at as usize).cloned().unwrap_or_default()))
                .collect();
            return Ok(Self { args, order, keep });
        }
        let args = call.args.iter().map(|arg| eval_batch(arg, batch, &ctx.eval)).collect::<Result<Vec<_>>>()?;
        let order = if is_kept(call) { super::sort::encode_keys(&call.order_by, batch, &[], ctx)? } else { Vec::new() };
        Ok(Self { args, order, keep })
    }
}

/// Row by row: for DISTINCT and ORDER BY.
fn add_rows(
    state: &mut CallState,
    call: &AggregateCall,
    groups: &[u32],
    input: &CallInput,
    ctx: &ExecContext,
) -> Result<usize> {
    let mut bytes = 0;
    for (row, group) in groups.iter().enumerate() {
        if input.keep.as_ref().is_some_and(|keep| !keep.value(row)) {
            continue;
        }
        let group = *group as usize;
        let args: Vec<Datum> =
            call.args.iter().zip(&input.args).map(|(arg, column)| datum_at(column, arg.ty().oid, row)).collect();
        let mut key = Vec::new();
        if call.distinct {
            for (arg, datum) in call.args.iter().zip(&args) {
                keycode::encode_key_typed(arg.ty().oid, datum, false, false, &mut key);
            }
            bytes += key.len() + 48;
            if !state.seen[group].insert(key.clone()) {
                continue;
            }
        }
        if is_kept(call) {
            bytes += 64;
            state.kept[group].push((input.order[row].clone(), args));
        } else {
            state.states.update_row(group, &args, &ctx.eval)?;
        }
    }
    Ok(bytes)
}

impl Operator for Aggregation {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.output = self.run(&mut *input, ctx)?;
        }
        Ok(self.output.pop())
    }
}

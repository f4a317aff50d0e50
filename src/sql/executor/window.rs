//! Window functions: the input sorted by partition and order, then each call over each partition.
//!
//! Rows with equal order keys are peers. A frame is a range of positions in the partition per row; aggregates keep their state
//! while the frame only grows at its end, and are recomputed when its start moves.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::registry::{self, Body, Function};
use crate::sql::eval::row::{Row, call_function, eval_row};
use crate::sql::expr::{Expr, WindowCall};
use crate::sql::logical::{FrameBound, FrameExclude, FrameUnits, Window};
use crate::types::column::Batch;
use crate::types::compare::compare_typed;
use crate::types::{Datum, Oid, SqlType};

use super::simple::Queue;
use super::sort::{check_memory, encode_exprs, encode_keys};
use super::{ExecContext, Operator};

/// Computes window functions.
pub(super) struct WindowOperator {
    input: Option<Box<dyn Operator>>,
    spec: Arc<Window>,
    types: Vec<Oid>,
    output: Queue,
}

/// A row with its place in the order.
struct Item {
    partition: Vec<u8>,
    order: Vec<u8>,
    row: Vec<Datum>,
}

/// The rows of one partition.
struct Partition<'a> {
    items: &'a [Item],
    /// First and one past the last peer of each row.
    peers: Vec<(usize, usize)>,
}

impl WindowOperator {
    pub(super) fn new(input: Box<dyn Operator>, spec: Arc<Window>, types: Vec<Oid>) -> Self {
        Self { input: Some(input), spec, types, output: Queue::default() }
    }

    fn run(&self, input: &mut dyn Operator, ctx: &ExecContext) -> Result<Queue> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            bytes += batch.memory_size() * 2;
            check_memory(bytes, ctx)?;
            let partitions = encode_exprs(&self.spec.partition_by, &batch, ctx)?;
            let orders = encode_keys(&self.spec.order_by, &batch, &self.types, ctx)?;
            for (at, (partition, order)) in partitions.into_iter().zip(orders).enumerate() {
                items.push(Item { partition, order, row: batch.row(&self.types, at) });
            }
        }
        items.sort_by(|a, b| a.partition.cmp(&b.partition).then_with(|| a.order.cmp(&b.order)));
        let mut results: Vec<Vec<Datum>> = Vec::with_capacity(items.len());
        let mut start = 0;
        while start < items.len() {
            ctx.check()?;
            let same = |item: &&Item| item.partition == items[start].partition;
            let end = start + items[start..].iter().take_while(same).count();
            self.partition(&items[start..end], &mut results, ctx)?;
            start = end;
        }
        let rows: Vec<Vec<Datum>> = items
            .into_iter()
            .zip(results)
            .map(|(item, values)| {
                let mut row = item.row;
                row.extend(values);
                row
            })
            .collect();
        let types: Vec<Oid> = self.spec.fields.iter().map(|field| field.ty.oid).collect();
        let all: Vec<Oid> =
            self.types.iter().copied().chain(types[types.len() - self.spec.calls.len()..].iter().copied()).collect();
        Ok(Queue::of_rows(&all, &rows))
    }

    fn partition(&self, items: &[Item], results: &mut Vec<Vec<Datum>>, ctx: &ExecContext) -> Result<()> {
        let mut peers = vec![(0, 0); items.len()];
        let mut start = 0;
        while start < items.len() {
            let end = start + items[start..].iter().take_while(|item| item.order == items[start].order).count();
            peers[start..end].fill((start, end));
            start = end;
        }
        let partition = Partition { items, peers };
        let first = results.len();
        results.resize_with(first + items.len(), Vec::new);
        let frames = self.frames(&partition, ctx)?;
        for call in &self.spec.calls {
            let function = registry::function(call.function).expect("the binder chose it from the catalog");
            match function.body {
                Body::Aggregate(_) => {
                    self.aggregate(call, function, &partition, &frames, &mut results[first..], ctx)?
                }
                _ => self.function(call, function, &partition, &frames, &mut results[first..], ctx)?,
            }
        }
        Ok(())
    }

    /// The frame of each row, before EXCLUDE.
    fn frames(&self, partition: &Partition<'_>, ctx: &ExecContext) -> Result<Vec<(usize, usize)>> {
        let frame = &self.spec.frame;
        let offset = |bound: &FrameBound| -> Result<Option<Datum>> {
            let (FrameBound::Preceding(expr) | FrameBound::Following(expr)) = bound else { return Ok(None) };
            let value = eval_row(expr, Row::Values(&partition.items[0].row), &ctx.eval)?;
            let (word, negative) =
                (if std::ptr::eq(bound, &frame.start) { "starting" } else { "ending" }, is_negative(&value));
            if value.is_null() {
                bail!(NULL_VALUE_NOT_ALLOWED, "frame {word} offset must not be null");
            }
            if negative {
                bail!(INVALID_PRECEDING_OR_FOLLOWING_SIZE, "frame {word} offset must not be negative");
            }
            Ok(Some(value))
        };
        let (start, end) = (offset(&frame.start)?, offset(&frame.end)?);
        let groups: Vec<(usize, usize)> = {
            let mut groups = partition.peers.clone();
            groups.dedup();
            groups
        };
        let mut frames = Vec::with_capacity(partition.items.len());
        for at in 0..partition.items.len() {
            let from = self.edge(&frame.start, start.as_ref(), at, true, partition, &groups, ctx)?;
            let to = self.edge(&frame.end, end.as_ref(), at, false, partition, &groups, ctx)?;
            frames.push((
                from.min(partition.items.len()),
                to.min(partition.items.len()).max(from.min(partition.items.len())),
            ));
        }
        Ok(frames)
    }

    /// Where a frame starts (`first`) or the position after its end.
    #[allow(clippy::too_many_arguments)]
    fn edge(
        &self,
        bound: &FrameBound,
        offset: Option<&Datum>,
        at: usize,
        first: bool,
        partition: &Partition<'_>,
        groups: &[(usize, usize)],
        ctx: &ExecContext,
    ) -> Result<usize> {
        let count = partition.items.len();
        let (preceding, current) = match bound {
            FrameBound::UnboundedPreceding => return Ok(0),
            FrameBound::UnboundedFollowing => return Ok(count),
            FrameBound::CurrentRow => (false, true),
            FrameBound::Preceding(_) => (true, false),
            FrameBound::Following(_) => (false, false),
        };
        if current {
            return Ok(match (self.spec.frame.units, first) {
                (FrameUnits::Rows, true) => at,
                (FrameUnits::Rows, false) => at + 1,
                (_, true) => partition.peers[at].0,
                (_, false) => partition.peers[at].1,
            });
        }
        let offset = offset.expect("bounds with offsets have them");
        match self.spec.frame.units {
            FrameUnits::Rows => {
                let step = usize::try_from(offset.as_i64().unwrap_or(0)).unwrap_or(usize::MAX);
                let place = if preceding { at.checked_sub(step) } else { at.checked_add(step) };
                Ok(match (place, first) {
                    (Some(place), true) => place,
                    (Some(place), false) => place.saturating_add(1),
                    (None, _) if preceding => 0,
                    (None, _) => count,
                })
            }
            FrameUnits::Groups => {
                let own =
                    groups.iter().position(|group| *group == partition.peers[at]).expect("each row is in a group");
                let step = usize::try_from(offset.as_i64().unwrap_or(0)).unwrap_or(usize::MAX);
                let place = if preceding { own.checked_sub(step) } else { own.checked_add(step) };
                Ok(match place.and_then(|place| groups.get(place)) {
                    Some(group) => {
                        if first {
                            group.0
                        } else {
                            group.1
                        }
                    }
                    None if preceding => 0,
                    None => count,
                })
            }
            FrameUnits::Range => self.range_edge(offset, preceding, at, first, partition, ctx),
        }
    }

    fn range_edge(
        &self,
        offset: &Datum,
        preceding: bool,
        at: usize,
        first: bool,
        partition: &Partition<'_>,
        ctx: &ExecContext,
    ) -> Result<usize> {
        let key = &self.spec.order_by[0];
        let oid = key.expr.ty().oid;
        let value =
            |item: &Item| -> Result<Datum> { Ok(comparable(eval_row(&key.expr, Row::Values(&item.row), &ctx.eval)?)) };
        let own = value(&partition.items[at])?;
        if own.is_null() {
            return Ok(if first { partition.peers[at].0 } else { partition.peers[at].1 });
        }
        let backwards = preceding != key.descending;
        let limit = shifted(&own, offset, backwards, ctx)?;
        let mut place = if first { partition.items.len() } else { 0 };
        for (index, item) in partition.items.iter().enumerate() {
            let found = value(item)?;
            if found.is_null() {
                continue;
            }
            let order = compare_typed(oid, &found, &limit);
            let order = if key.descending { order.reverse() } else { order };
            if first && order != Ordering::Less {
                place = index;
                break;
            }
            if !first && order != Ordering::Greater {
                place = index + 1;
            }
        }
        Ok(place)
    }

    /// Whether EXCLUDE leaves row `other` out of the frame of row `at`.
    fn excluded(&self, at: usize, other: usize, partition: &Partition<'_>) -> bool {
        let peer = (partition.peers[at].0..partition.peers[at].1).contains(&other);
        match self.spec.frame.exclude {
            FrameExclude::NoOthers => false,
            FrameExclude::CurrentRow => at == other,
            FrameExclude::Group => peer,
            FrameExclude::Ties => peer && at != other,
        }
    }

    fn aggregate(
        &self,
        call: &WindowCall,
        function: &'static Function,
        partition: &Partition<'_>,
        frames: &[(usize, usize)],
        results: &mut [Vec<Datum>],
        ctx: &ExecContext,
    ) -> Result<()> {
        let Body::Aggregate(maker) = function.body else { return Err(function.missing()) };
        let info = AggregateInfo {
            function,
            args: call.args.iter().map(Expr::ty).collect(),
            direct: 0,
            order: Vec::new(),
            result: call.ty,
        };
        let plain = self.spec.frame.exclude == FrameExclude::NoOthers;
        let mut state: Option<(Box<dyn AggregateState>, usize, usize)> = None;
        for (at, (from, to)) in frames.iter().copied().enumerate() {
            ctx.check()?;
            let reuse = plain && state.as_ref().is_some_and(|(_, start, end)| *start == from && *end <= to);
            if !reuse {
                state = Some((maker(&info)?, from, from));
            }
            let (running, _, end) = state.as_mut().expect("made above");
            for other in *end..to {
                if plain || !self.excluded(at, other, partition) {
                    accumulate(&mut **running, call, &partition.items[other].row, ctx)?;
                }
            }
            *end = to.max(*end);
            results[at].push(running.finish(&ctx.eval)?);
            if !plain {
                state = None;
            }
        }
        Ok(())
    }

    fn function(
        &self,
        call: &WindowCall,
        function: &'static Function,
        partition: &Partition<'_>,
        frames: &[(usize, usize)],
        results: &mut [Vec<Datum>],
        ctx: &ExecContext,
    ) -> Result<()> {
        let count = partition.items.len();
        let mut dense = 0_i64;
        for at in 0..count {
            let (peer_start, peer_end) = partition.peers[at];
            let row = &partition.items[at].row;
            let arg = |index: usize, row: &[Datum]| eval_row(&call.args[index], Row::Values(row), &ctx.eval);
            if at == peer_start {
                dense += 1;
            }
            let whole = |value: usize| Datum::Int8(i64::try_from(value).expect("partitions have fewer than 2^63 rows"));
            results[at].push(match function.name {
                "row_number" => whole(at + 1),
                "rank" => whole(peer_start + 1),
                "dense_rank" => Datum::Int8(dense),
                "percent_rank" => Datum::Float8(if count > 1 { peer_start as f64 / (count - 1) as f64 } else { 0.0 }),
                "cume_dist" => Datum::Float8(peer_end as f64 / count as f64),
                "ntile" => ntile(&arg(0, row)?, at, count)?,
                "lag" | "lead" => {
                    let step = if call.args.len() > 1 { arg(1, row)?.as_i64() } else { Some(1) };
                    let step = step.map(|step| if function.name == "lag" { -step } else { step });
                    let place = step
                        .and_then(|step| i64::try_from(at).ok()?.checked_add(step))
                        .and_then(|p| usize::try_from(p).ok());
                    match (step, place.and_then(|place| partition.items.get(place))) {
                        (None, _) => Datum::Null,
                        (_, Some(item)) => arg(0, &item.row)?,
                        (_, None) if call.args.len() > 2 => arg(2, row)?,
                        _ => Datum::Null,
                    }
                }
                "first_value" | "last_value" | "nth_value" => {
                    let (from, to) = frames[at];
                    let mut inside = (from..to).filter(|other| !self.excluded(at, *other, partition));
                    let place = match function.name {
                        "first_value" => inside.next(),
                        "last_value" => inside.next_back(),
                        _ => match arg(1, row)?.as_i64() {
                            None => None,
                            Some(nth) if nth < 1 => {
                                bail!(
                                    INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION,
                                    "argument of nth_value must be greater than zero"
                                )
                            }
                            Some(nth) => inside.nth(usize::try_from(nth - 1).unwrap_or(usize::MAX)),
                        },
                    };
                    match place {
                        Some(place) => arg(0, &partition.items[place].row)?,
                        None => Datum::Null,
                    }
                }
                _ => return Err(function.missing()),
            });
        }
        Ok(())
    }
}

fn ntile(buckets: &Datum, at: usize, count: usize) -> Result<Datum> {
    let Some(buckets) = buckets.as_i64() else { return Ok(Datum::Null) };
    if buckets < 1 {
        bail!(INVALID_ARGUMENT_FOR_NTILE_FUNCTION, "argument of ntile must be greater than zero");
    }
    let (at, count) = (i64::try_from(at).unwrap_or(i64::MAX), i64::try_from(count).unwrap_or(i64::MAX));
    let (size, larger) = (count / buckets, count % buckets);
    let in_larger = larger * (size + 1);
    let bucket = if at < in_larger { at / (size + 1) } else { larger + (at - in_larger) / size.max(1) };
    Ok(Datum::Int4(i32::try_from(bucket + 1).unwrap_or(i32::MAX)))
}

fn accumulate(state: &mut dyn AggregateState, call: &WindowCall, row: &[Datum], ctx: &ExecContext) -> Result<()> {
    if let Some(filter) = &call.filter
        && eval_row(filter, Row::Values(row), &ctx.eval)?.as_bool() != Some(true)
    {
        return Ok(());
    }
    let args = call.args.iter().map(|arg| eval_row(arg, Row::Values(row), &ctx.eval)).collect::<Result<Vec<_>>>()?;
    state.accumulate(&args, &ctx.eval)
}

fn is_negative(value: &Datum) -> bool {
    match value {
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) => value.as_i64().is_some_and(|v| v < 0),
        Datum::Float8(value) => *value < 0.0,
        Datum::Numeric(value) => value.signum() < 0,
        Datum::Interval(value) => value.total_micros() < 0,
        _ => false,
    }
}

/// Dates become timestamps, so that a date plus an interval can be compared with them.
fn comparable(value: Datum) -> Datum {
    match value {
        Datum::Date(days) if days > i32::MIN && days < i32::MAX => Datum::Timestamp(i64::from(days) * 86_400_000_000),
        Datum::Int2(_) | Datum::Int4(_) => Datum::Int8(value.as_i64().expect("not NULL")),
        Datum::Float4(value) => Datum::Float8(f64::from(value)),
        other => other,
    }
}

/// `value` minus or plus `offset`, by the catalog's own operators.
fn shifted(value: &Datum, offset: &Datum, minus: bool, ctx: &ExecContext) -> Result<Datum> {
    let (plus_name, minus_name, oid) = match value {
        Datum::Int8(value) => {
            let offset = offset.as_i64().unwrap_or(0);
            let moved = if minus { value.checked_sub(offset) } else { value.checked_add(offset) };
            return Ok(Datum::Int8(moved.unwrap_or(if minus { i64::MIN } else { i64::MAX })));
        }
        Datum::Float8(_) => ("float8pl", "float8mi", Oid::FLOAT8),
        Datum::Numeric(_) => ("numeric_add", "numeric_sub", Oid::NUMERIC),
        Datum::Timestamp(_) => ("timestamp_pl_interval", "timestamp_mi_interval", Oid::TIMESTAMP),
        Datum::Timestamptz(_) => ("timestamptz_pl_interval", "timestamptz_mi_interval", Oid::TIMESTAMPTZ),
        Datum::Time(_) => ("time_pl_interval", "time_mi_interval", Oid::TIME),
        Datum::TimeTz(..) => ("timetz_pl_interval", "timetz_mi_interval", Oid::TIMETZ),
        _ => ("interval_pl", "interval_mi", Oid::INTERVAL),
    };
    let name = if minus { minus_name } else { plus_name };
    let row = crate::catalog::builtin().procs_named(name).next().expect("pg_proc has the operator functions");
    call_function(row.oid, &[value.clone(), offset.clone()], SqlType::of(oid), &ctx.eval)
}

impl Operator for WindowOperator {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.output = self.run(&mut *input, ctx)?;
        }
        Ok(self.output.pop())
    }
}

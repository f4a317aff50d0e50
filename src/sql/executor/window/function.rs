//! Window functions that look at positions: row_number, rank and their kin, lag, lead, first_value ...

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, UInt32Array};

use crate::bail;
use crate::error::Result;
use crate::sql::eval::eval_batch;
use crate::sql::eval::registry::Function;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::executor::ExecContext;
use crate::sql::expr::WindowCall;
use crate::types::Datum;
use crate::types::column::{Batch, ColumnBuilder, datum_at};

use super::Block;
use super::frame::Frames;

/// The values of a call for the rows of a block.
///
/// # Errors
/// Those of its arguments; `0A000` for a function that is not implemented.
pub(super) fn positional(
    call: &WindowCall,
    function: &'static Function,
    block: &Block,
    frames: &mut Frames<'_>,
    ctx: &ExecContext,
) -> Result<ArrayRef> {
    let numbers = |of: &dyn Fn(usize, usize) -> usize| -> ArrayRef {
        let place =
            |(start, row): (usize, usize)| i64::try_from(of(start, row)).expect("partitions have fewer than 2^63 rows");
        let rows = block.partitions.iter().flat_map(|range| range.clone().map(|row| (range.start, row)));
        Arc::new(Int64Array::from_iter_values(rows.map(place)))
    };
    Ok(match function.name {
        "row_number" => numbers(&|start, row| row - start + 1),
        "rank" => numbers(&|start, row| block.peers[row].start - start + 1),
        "dense_rank" => dense_rank(block),
        "percent_rank" => {
            shares(
                block,
                |start, count, row| {
                    if count > 1 { (block.peers[row].start - start) as f64 / (count - 1) as f64 } else { 0.0 }
                },
            )
        }
        "cume_dist" => shares(block, |start, count, row| (block.peers[row].end - start) as f64 / count as f64),
        "ntile" => {
            let buckets = eval_batch(&call.args[0], &block.rows, &ctx.eval)?;
            let mut out = ColumnBuilder::new(call.ty.oid, block.rows.rows);
            for range in &block.partitions {
                for row in range.clone() {
                    let buckets = datum_at(&buckets, call.args[0].ty().oid, row);
                    out.push(&ntile(&buckets, row - range.start, range.len())?);
                }
            }
            out.finish()
        }
        "lag" => shifted(call, true, block, ctx)?,
        "lead" => shifted(call, false, block, ctx)?,
        "first_value" | "last_value" | "nth_value" => chosen(call, function.name, block, frames, ctx)?,
        _ => return Err(function.missing()),
    })
}

fn dense_rank(block: &Block) -> ArrayRef {
    let mut ranks = Vec::with_capacity(block.rows.rows);
    for range in &block.partitions {
        let mut rank = 0_i64;
        for row in range.clone() {
            rank += i64::from(block.peers[row].start == row);
            ranks.push(rank);
        }
    }
    Arc::new(Int64Array::from(ranks))
}

/// Fractions by start and size of the partition, and row.
fn shares(block: &Block, of: impl Fn(usize, usize, usize) -> f64) -> ArrayRef {
    let rows = block.partitions.iter().flat_map(|range| range.clone().map(|row| (range.start, range.len(), row)));
    Arc::new(Float64Array::from_iter_values(rows.map(|(start, count, row)| of(start, count, row))))
}

fn number(row: usize) -> u32 {
    u32::try_from(row).expect("blocks have fewer than 2^32 rows")
}

/// The values of a column at rows; NULL where there is none.
fn values_at(column: ArrayRef, rows: &[Option<u32>]) -> ArrayRef {
    let rows = UInt32Array::from(rows.to_vec());
    Batch::new(column.len(), vec![column]).take_nullable(&rows).columns.remove(0)
}

/// lag and lead.
fn shifted(call: &WindowCall, back: bool, block: &Block, ctx: &ExecContext) -> Result<ArrayRef> {
    let steps = match call.args.get(1) {
        Some(arg) => Some((eval_batch(arg, &block.rows, &ctx.eval)?, arg.ty().oid)),
        None => None,
    };
    let step = |row: usize| match &steps {
        Some((column, oid)) => datum_at(column, *oid, row).as_i64(),
        None => Some(1),
    };
    let (mut places, mut missing) = (Vec::with_capacity(block.rows.rows), Vec::new());
    for range in &block.partitions {
        for row in range.clone() {
            let step = step(row);
            let place = step.and_then(|step| {
                let step = if back { step.checked_neg()? } else { step };
                let place = i64::try_from(row).ok()?.checked_add(step)?;
                usize::try_from(place).ok().filter(|place| range.contains(place))
            });
            if step.is_some() && place.is_none() {
                missing.push(row);
            }
            places.push(place.map(number));
        }
    }
    let column = values_at(eval_batch(&call.args[0], &block.rows, &ctx.eval)?, &places);
    let Some(default) = call.args.get(2).filter(|_| !missing.is_empty()) else { return Ok(column) };
    // The default is evaluated only for rows that want it.
    let mut out = ColumnBuilder::new(call.ty.oid, block.rows.rows);
    let mut missing = missing.into_iter().peekable();
    for row in 0..block.rows.rows {
        if missing.next_if_eq(&row).is_some() {
            out.push(&eval_row(default, Row::Batch(&block.rows, row), &ctx.eval)?);
        } else {
            out.push(&datum_at(&column, call.ty.oid, row));
        }
    }
    Ok(out.finish())
}

/// first_value, last_value and nth_value.
fn chosen(
    call: &WindowCall,
    name: &str,
    block: &Block,
    frames: &mut Frames<'_>,
    ctx: &ExecContext,
) -> Result<ArrayRef> {
    let nth = match call.args.get(1) {
        Some(arg) => Some((eval_batch(arg, &block.rows, &ctx.eval)?, arg.ty().oid)),
        None => None,
    };
    let ranges = frames.all(ctx)?.to_vec();
    let mut places = Vec::with_capacity(block.rows.rows);
    for (at, range) in ranges.into_iter().enumerate() {
        let end = range.end;
        let mut inside = range.filter(|other| !frames.excluded(at, *other));
        let place = match &nth {
            None if name == "first_value" => inside.next(),
            None => inside.next_back(),
            Some((column, oid)) => match datum_at(column, *oid, at).as_i64() {
                None => None,
                Some(nth) if nth < 1 => {
                    bail!(INVALID_ARGUMENT_FOR_NTH_VALUE_FUNCTION, "argument of nth_value must be greater than zero")
                }
                Some(nth) => {
                    let skip = usize::try_from(nth - 1).unwrap_or(usize::MAX);
                    if frames.excludes() {
                        inside.nth(skip)
                    } else {
                        inside.next().and_then(|first| first.checked_add(skip)).filter(|place| *place < end)
                    }
                }
            },
        };
        places.push(place.map(number));
    }
    Ok(values_at(eval_batch(&call.args[0], &block.rows, &ctx.eval)?, &places))
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

//! Evaluating an expression for all rows of a batch.
//!
//! Columns, constants, comparisons, arithmetic and logic run on Arrow arrays ([`super::kernels`]); anything else is
//! evaluated row by row. SQL's laziness holds: an operand of AND, OR, CASE or COALESCE sees only the rows for which it
//! decides, so an error that row evaluation would not raise is not raised here. Expressions with volatile functions go
//! row by row as a whole, because their effects have an order.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use crate::error::Result;
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::kernels::{self, Operand};
use crate::sql::eval::registry::{self, Body, Volatility};
use crate::sql::eval::row::{Row, eval_row, parameter};
use crate::sql::expr::{Call, Expr};
use crate::sql::walk;
use crate::types::column::{self, Batch, ColumnBuilder, Physical, physical_of};
use crate::types::{Datum, Oid};

/// Below this many rows, arrays cost more than they save.
const FEW_ROWS: usize = 4;

/// The values of `expr` for the rows of `batch`, as a column of the expression's type.
///
/// # Errors
/// Whatever the functions in the expression raise for one of the rows.
pub fn eval_batch(expr: &Expr, batch: &Batch, ctx: &EvalContext) -> Result<ArrayRef> {
    if let Expr::Column { index, .. } = expr {
        return Ok(Arc::clone(&batch.columns[*index]));
    }
    if batch.rows < FEW_ROWS || is_volatile(expr) {
        return by_row(expr, batch, ctx);
    }
    Ok(operand(expr, batch, ctx)?.into_column(expr.ty().oid, batch.rows))
}

/// The rows of `batch` for which a boolean expression is true; NULL counts as false. The mask has no nulls.
///
/// # Errors
/// Whatever the functions in the expression raise for one of the rows.
pub fn eval_mask(expr: &Expr, batch: &Batch, ctx: &EvalContext) -> Result<BooleanArray> {
    let values = eval_batch(expr, batch, ctx)?;
    Ok(is_true(values.as_boolean()))
}

/// NULL becomes false.
fn is_true(values: &BooleanArray) -> BooleanArray {
    match values.nulls() {
        None => values.clone(),
        Some(nulls) => BooleanArray::new(values.values() & nulls.inner(), None),
    }
}

fn by_row(expr: &Expr, batch: &Batch, ctx: &EvalContext) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(expr.ty().oid, batch.rows);
    for row in 0..batch.rows {
        builder.push(&eval_row(expr, Row::Batch(batch, row), ctx)?);
    }
    Ok(builder.finish())
}

/// Whether evaluating the expression has effects or depends on chance.
fn is_volatile(expr: &Expr) -> bool {
    let any = |items: &[Expr]| items.iter().any(is_volatile);
    match expr {
        Expr::Const(..) | Expr::Column { .. } | Expr::Outer { .. } | Expr::Param { .. } => false,
        Expr::Call(call) => {
            registry::function(call.function).is_none_or(|function| function.volatility == Volatility::Volatile)
                || any(&call.args)
        }
        Expr::And(items) | Expr::Or(items) => any(items),
        Expr::Coalesce { args, .. } | Expr::MinMax { args, .. } => any(args),
        Expr::Not(arg) => is_volatile(arg),
        Expr::IsNull { arg, .. } | Expr::IsBool { arg, .. } | Expr::Relabel { arg, .. } | Expr::ViaIo { arg, .. } => {
            is_volatile(arg)
        }
        Expr::IsDistinct { left, right, .. } | Expr::NullIf { left, right, .. } => {
            is_volatile(left) || is_volatile(right)
        }
        Expr::ArrayCompare { left, array, .. } => is_volatile(left) || is_volatile(array),
        Expr::Case { arms, otherwise, .. } => {
            arms.iter().any(|(condition, result)| is_volatile(condition) || is_volatile(result))
                || otherwise.as_ref().is_some_and(|otherwise| is_volatile(otherwise))
        }
        // The rest is evaluated row by row anyway.
        _ => true,
    }
}

/// Whether an expression that is not volatile has one value for all rows.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Const(..) | Expr::Param { .. } | Expr::Outer { .. } => true,
        Expr::Call(call) => call.args.iter().all(is_fixed),
        Expr::Relabel { arg, .. } | Expr::ViaIo { arg, .. } | Expr::Typmod { arg, .. } => is_fixed(arg),
        _ => false,
    }
}

/// The value of an expression that is not volatile, for a batch that has rows.
fn operand(expr: &Expr, batch: &Batch, ctx: &EvalContext) -> Result<Operand> {
    Ok(match expr {
        Expr::Column { index, .. } => Operand::Column(Arc::clone(&batch.columns[*index])),
        Expr::Const(value, _) => Operand::Scalar(value.clone()),
        Expr::Param { index, .. } => Operand::Scalar(parameter(ctx, *index)),
        Expr::Outer { depth, index, .. } => Operand::Scalar(ctx.outer_value(*depth, *index).clone()),
        Expr::Call(_) | Expr::Relabel { .. } | Expr::ViaIo { .. } | Expr::Typmod { .. } if is_fixed(expr) => {
            Operand::Scalar(eval_row(expr, Row::Batch(batch, 0), ctx)?)
        }
        Expr::Call(call) => call_operand(expr, call, batch, ctx)?,
        Expr::And(items) => Operand::Column(Arc::new(logic(items, false, batch, ctx)?)),
        Expr::Or(items) => Operand::Column(Arc::new(logic(items, true, batch, ctx)?)),
        Expr::Not(arg) => {
            let values = operand(arg, batch, ctx)?.into_column(Oid::BOOL, batch.rows);
            let values = values.as_boolean();
            Operand::Column(Arc::new(BooleanArray::new(!values.values(), values.nulls().cloned())))
        }
        Expr::IsNull { arg, negated } if physical_of(arg.ty().oid) != Physical::Bytes => {
            let values = operand(arg, batch, ctx)?.into_column(arg.ty().oid, batch.rows);
            let present = match values.nulls() {
                Some(nulls) => nulls.inner().clone(),
                None => BooleanBuffer::new_set(batch.rows),
            };
            Operand::Column(Arc::new(BooleanArray::new(if *negated { present } else { !&present }, None)))
        }
        Expr::IsBool { arg, value, negated } => {
            let values = operand(arg, batch, ctx)?.into_column(Oid::BOOL, batch.rows);
            Operand::Column(Arc::new(kernels::is_bool(values.as_boolean(), *value, *negated)))
        }
        Expr::Relabel { arg, ty } if physical_of(arg.ty().oid) == physical_of(ty.oid) && is_flat(ty.oid) => {
            operand(arg, batch, ctx)?
        }
        Expr::Case { arms, otherwise, ty } => Operand::Column(case(arms, otherwise.as_deref(), ty.oid, batch, ctx)?),
        Expr::Coalesce { args, ty } => Operand::Column(coalesce(args, ty.oid, batch, ctx)?),
        _ => Operand::Column(by_row(expr, batch, ctx)?),
    })
}

/// Whether a type's column holds the value itself, with no element type or label inside.
fn is_flat(oid: Oid) -> bool {
    physical_of(oid) != Physical::Bytes
}

fn call_operand(expr: &Expr, call: &Call, batch: &Batch, ctx: &EvalContext) -> Result<Operand> {
    let Some(function) = registry::function(call.function) else {
        return Ok(Operand::Column(by_row(expr, batch, ctx)?));
    };
    if !kernels::has_kernel(function) {
        return Ok(Operand::Column(by_row(expr, batch, ctx)?));
    }
    let args = call.args.iter().map(|arg| operand(arg, batch, ctx)).collect::<Result<Vec<_>>>()?;
    if args.iter().all(|arg| matches!(arg, Operand::Scalar(_))) {
        return Ok(Operand::Scalar(eval_row(expr, Row::Batch(batch, 0), ctx)?));
    }
    match kernels::call(function, &args, batch.rows)? {
        Some(column) => Ok(Operand::Column(column)),
        None => Ok(Operand::Column(by_row(expr, batch, ctx)?)),
    }
}

/// Whether an expression raises no error and is cheap for any row: it need not be kept from rows that do not matter.
fn is_harmless(expr: &Expr) -> bool {
    let leaf = |expr: &Expr| {
        matches!(expr, Expr::Const(..) | Expr::Param { .. } | Expr::Outer { .. } | Expr::Column { .. })
            && is_flat(expr.ty().oid)
    };
    match expr {
        Expr::Call(call) => {
            call.args.iter().all(leaf)
                && registry::function(call.function)
                    .is_some_and(|function| matches!(function.body, Body::Compare(_)) && kernels::has_kernel(function))
        }
        Expr::And(items) | Expr::Or(items) => items.iter().all(is_harmless),
        Expr::Not(arg) | Expr::IsBool { arg, .. } => is_harmless(arg),
        Expr::IsNull { arg, .. } => leaf(arg),
        other => leaf(other),
    }
}

/// AND and OR of operands that may be evaluated for all rows.
fn plain_logic(items: &[Expr], decisive: bool, batch: &Batch, ctx: &EvalContext) -> Result<BooleanArray> {
    // What is known to be decided, and what is known not to be: a NULL is neither.
    let mut decided = BooleanBuffer::new_unset(batch.rows);
    let mut open = BooleanBuffer::new_set(batch.rows);
    for item in items {
        let values = eval_batch(item, batch, ctx)?;
        let values = values.as_boolean();
        let hits = if decisive { values.values().clone() } else { !values.values() };
        let misses = !&hits;
        match values.nulls() {
            None => (decided, open) = (&decided | &hits, &open & &misses),
            Some(nulls) => {
                decided = &decided | &(&hits & nulls.inner());
                open = &open & &(&misses & nulls.inner());
            }
        }
    }
    let known = &decided | &open;
    let values = if decisive { decided } else { open };
    Ok(BooleanArray::new(values, Some(NullBuffer::new(known)).filter(|nulls| nulls.null_count() > 0)))
}

/// The rows of a batch that an expression is to see; only columns that it reads have their values.
fn narrow(expr: &Expr, batch: &Batch, rows: &[u32]) -> Batch {
    if walk::has_subquery(expr) {
        return batch.take(rows);
    }
    let mut read = Vec::new();
    walk::columns_of(expr, &mut read);
    let taken = batch.project(&read).take(rows);
    let mut columns: Vec<ArrayRef> = batch.columns.iter().map(|column| column.slice(0, rows.len())).collect();
    for (at, column) in read.into_iter().zip(taken.columns) {
        columns[at] = column;
    }
    Batch::new(rows.len(), columns)
}

/// AND (`decisive` false) and OR (`decisive` true). Rows that an operand decides are not given to the next.
fn logic(items: &[Expr], decisive: bool, batch: &Batch, ctx: &EvalContext) -> Result<BooleanArray> {
    if items.iter().all(is_harmless) {
        return plain_logic(items, decisive, batch, ctx);
    }
    let rows = batch.rows;
    let mut decided = vec![false; rows];
    let mut unknown = vec![false; rows];
    let mut open: Vec<u32> = (0..).take(rows).collect();
    for item in items {
        if open.is_empty() {
            break;
        }
        let narrowed = if open.len() == rows { None } else { Some(narrow(item, batch, &open)) };
        let input = narrowed.as_ref().unwrap_or(batch);
        let values = eval_batch(item, input, ctx)?;
        let values = values.as_boolean();
        let mut left = Vec::with_capacity(open.len());
        for (place, row) in open.into_iter().enumerate() {
            if values.is_null(place) {
                unknown[row as usize] = true;
                left.push(row);
            } else if values.value(place) == decisive {
                decided[row as usize] = true;
            } else {
                left.push(row);
            }
        }
        open = left;
    }
    let values = BooleanBuffer::collect_bool(rows, |row| decided[row] == decisive);
    let known = BooleanBuffer::collect_bool(rows, |row| decided[row] || !unknown[row]);
    Ok(BooleanArray::new(values, Some(NullBuffer::new(known)).filter(|nulls| nulls.null_count() > 0)))
}

/// A column put together from parts that were evaluated for some of the rows each.
struct Assembly {
    oid: Oid,
    /// For each row the part that holds its value and the place in it.
    source: Vec<Option<(u32, u32)>>,
    parts: Vec<ArrayRef>,
}

impl Assembly {
    fn new(oid: Oid, rows: usize) -> Self {
        Self { oid, source: vec![None; rows], parts: Vec::new() }
    }

    fn add(&mut self, part: ArrayRef, rows: impl Iterator<Item = (u32, u32)>) {
        let number = u32::try_from(self.parts.len()).expect("expressions have fewer than 2^32 arms");
        for (row, place) in rows {
            self.source[row as usize] = Some((number, place));
        }
        self.parts.push(part);
    }

    fn finish(self) -> ArrayRef {
        let none = column::constant(&Datum::Null, self.oid, 1);
        let parts: Vec<&dyn Array> = self.parts.iter().chain([&none]).map(|part| part.as_ref()).collect();
        let places: Vec<(usize, usize)> = self
            .source
            .iter()
            .map(|source| source.map_or((parts.len() - 1, 0), |(part, place)| (part as usize, place as usize)))
            .collect();
        arrow_select::interleave::interleave(&parts, &places).expect("parts are columns of one type")
    }
}

fn case(
    arms: &[(Expr, Expr)],
    otherwise: Option<&Expr>,
    oid: Oid,
    batch: &Batch,
    ctx: &EvalContext,
) -> Result<ArrayRef> {
    let mut assembly = Assembly::new(oid, batch.rows);
    let mut open: Vec<u32> = (0..).take(batch.rows).collect();
    for (condition, result) in arms {
        if open.is_empty() {
            break;
        }
        let mask = eval_mask(condition, &narrow(condition, batch, &open), ctx)?;
        let (mut chosen, mut left) = (Vec::new(), Vec::new());
        for (place, row) in open.into_iter().enumerate() {
            if mask.value(place) { chosen.push(row) } else { left.push(row) }
        }
        if !chosen.is_empty() {
            let part = eval_batch(result, &narrow(result, batch, &chosen), ctx)?;
            assembly.add(part, chosen.into_iter().zip(0..));
        }
        open = left;
    }
    if let Some(otherwise) = otherwise
        && !open.is_empty()
    {
        let part = eval_batch(otherwise, &narrow(otherwise, batch, &open), ctx)?;
        assembly.add(part, open.into_iter().zip(0..));
    }
    Ok(assembly.finish())
}

fn coalesce(args: &[Expr], oid: Oid, batch: &Batch, ctx: &EvalContext) -> Result<ArrayRef> {
    let mut assembly = Assembly::new(oid, batch.rows);
    let mut open: Vec<u32> = (0..).take(batch.rows).collect();
    for arg in args {
        if open.is_empty() {
            break;
        }
        let part = eval_batch(arg, &narrow(arg, batch, &open), ctx)?;
        if part.null_count() == 0 && open.len() == batch.rows {
            return Ok(part);
        }
        let (mut found, mut left) = (Vec::new(), Vec::new());
        for (place, row) in (0..).zip(open) {
            if part.is_null(place as usize) { left.push(row) } else { found.push((row, place)) }
        }
        assembly.add(part, found.into_iter());
        open = left;
    }
    Ok(assembly.finish())
}

impl Operand {
    /// The values as a column.
    fn into_column(self, oid: Oid, rows: usize) -> ArrayRef {
        match self {
            Self::Column(column) => column,
            Self::Scalar(value) => column::constant(&value, oid, rows),
        }
    }
}

#[cfg(test)]
mod tests;

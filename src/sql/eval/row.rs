//! Evaluating an expression for one row, without Arrow: the point path, and what batches fall back to.
//!
//! Evaluation is lazy where SQL needs it to be: AND, OR, CASE and COALESCE stop at the first operand that decides.

use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::{ArgTypes, EvalContext, FnContext};
use crate::sql::eval::registry::{self, Body, CompareOp, Function};
use crate::sql::eval::row_nodes;
use crate::sql::expr::{Call, CallForm, Expr};
use crate::types::column::Batch;
use crate::types::compare::{compare, compare_typed};
use crate::types::{Datum, Oid, SqlType, io};

/// The input row of an expression.
#[derive(Clone, Copy)]
pub enum Row<'a> {
    /// Values.
    Values(&'a [Datum]),
    /// The values of one row followed by those of another: both sides of a join.
    Pair(&'a [Datum], &'a [Datum]),
    /// A row of a batch.
    Batch(&'a Batch, usize),
    /// A row of one batch followed by a row of another.
    BatchPair(&'a Batch, usize, &'a Batch, usize),
}

impl Row<'_> {
    /// The value of a column.
    ///
    /// # Panics
    /// When there is no such column.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize, oid: Oid) -> Datum {
        match self {
            Self::Values(values) => values[index].clone(),
            Self::Pair(left, right) => left.get(index).unwrap_or_else(|| &right[index - left.len()]).clone(),
            Self::Batch(batch, row) => batch.datum(index, oid, *row),
            Self::BatchPair(left, left_row, right, right_row) => match index.checked_sub(left.columns.len()) {
                None => left.datum(index, oid, *left_row),
                Some(index) => right.datum(index, oid, *right_row),
            },
        }
    }
}

/// The value of `expr` for `row`.
///
/// # Errors
/// Whatever the functions in the expression raise.
pub fn eval_row(expr: &Expr, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    match expr {
        Expr::Const(value, _) => Ok(value.clone()),
        Expr::Column { index, ty } => Ok(row.get(*index, ty.oid)),
        Expr::Outer { depth, index, .. } => Ok(ctx.outer_value(*depth, *index).clone()),
        Expr::Param { index, .. } => Ok(parameter(ctx, *index)),
        Expr::Call(call) => eval_call(call, row, ctx),
        Expr::And(items) => eval_logic(items, false, row, ctx),
        Expr::Or(items) => eval_logic(items, true, row, ctx),
        Expr::Not(arg) => Ok(match eval_row(arg, row, ctx)?.as_bool() {
            None => Datum::Null,
            Some(value) => Datum::Bool(!value),
        }),
        Expr::IsNull { arg, negated } => {
            let value = eval_row(arg, row, ctx)?;
            Ok(Datum::Bool(row_nodes::is_null_test(&value, *negated)))
        }
        Expr::IsBool { arg, value, negated } => {
            let found = eval_row(arg, row, ctx)?.as_bool();
            Ok(Datum::Bool((found == *value) != *negated))
        }
        Expr::Case { arms, otherwise, .. } => {
            for (condition, result) in arms {
                if eval_row(condition, row, ctx)?.as_bool() == Some(true) {
                    return eval_row(result, row, ctx);
                }
            }
            otherwise.as_ref().map_or(Ok(Datum::Null), |otherwise| eval_row(otherwise, row, ctx))
        }
        Expr::Coalesce { args, .. } => {
            for arg in args {
                let value = eval_row(arg, row, ctx)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Ok(Datum::Null)
        }
        Expr::Relabel { arg, ty } => Ok(relabel(eval_row(arg, row, ctx)?, ty.oid)),
        Expr::ViaIo { arg, ty } => via_io(&eval_row(arg, row, ctx)?, arg.ty().oid, *ty, ctx),
        Expr::Subquery(subquery) => ctx.subqueries.value(subquery, row, ctx),
        other => row_nodes::eval(other, row, ctx),
    }
}

/// The value of parameter `$index`.
///
/// # Panics
/// When the statement was bound with fewer parameters than it uses: the protocol layer checks.
#[must_use]
pub fn parameter(ctx: &EvalContext, index: usize) -> Datum {
    ctx.params.get(index - 1).expect("every parameter of the statement is bound").clone()
}

/// AND (`decisive` false) and OR (`decisive` true): stops at the first decisive operand.
fn eval_logic(items: &[Expr], decisive: bool, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    let mut unknown = false;
    for item in items {
        match eval_row(item, row, ctx)?.as_bool() {
            Some(value) if value == decisive => return Ok(Datum::Bool(decisive)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Datum::Null } else { Datum::Bool(!decisive) })
}

fn eval_call(call: &Call, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    if call.form == CallForm::Variadic {
        return eval_variadic(call, row, ctx);
    }
    let function = resolve(call.function)?;
    match call.args.as_slice() {
        [] => invoke(function, &[], call.ty, ArgTypes::Exprs(&[]), ctx),
        [only] => {
            let args = [eval_row(only, row, ctx)?];
            invoke(function, &args, call.ty, ArgTypes::Exprs(&call.args), ctx)
        }
        [left, right] => {
            let args = [eval_row(left, row, ctx)?, eval_row(right, row, ctx)?];
            invoke(function, &args, call.ty, ArgTypes::Exprs(&call.args), ctx)
        }
        many => {
            let args = many.iter().map(|arg| eval_row(arg, row, ctx)).collect::<Result<Vec<_>>>()?;
            invoke(function, &args, call.ty, ArgTypes::Exprs(&call.args), ctx)
        }
    }
}

/// A call whose last argument is `VARIADIC array` for a parameter of type "any": the elements are the arguments.
fn eval_variadic(call: &Call, row: Row<'_>, ctx: &EvalContext) -> Result<Datum> {
    let mut args = call.args.iter().map(|arg| eval_row(arg, row, ctx)).collect::<Result<Vec<_>>>()?;
    let mut types: Vec<SqlType> = call.args.iter().map(Expr::ty).collect();
    types.pop();
    let Some(Datum::Array(array)) = args.pop() else { return Ok(Datum::Null) };
    args.extend(array.items.iter().cloned());
    types.resize(args.len(), SqlType::of(array.element));
    invoke(resolve(call.function)?, &args, call.ty, ArgTypes::Types(&types), ctx)
}

/// The function with this OID.
///
/// # Errors
/// `42883` when there is none: a function of the user's, which OmenDB does not have.
#[inline]
pub fn resolve(oid: Oid) -> Result<&'static Function> {
    match registry::function(oid) {
        Some(function) => Ok(function),
        None => bail!(UNDEFINED_FUNCTION, "function with OID {oid} does not exist"),
    }
}

/// Calls a function with values; NULL policy included. Argument types are as pg_proc declares them.
///
/// # Errors
/// The function's own; `0A000` for one without code.
pub fn call_function(oid: Oid, args: &[Datum], result: SqlType, ctx: &EvalContext) -> Result<Datum> {
    invoke(resolve(oid)?, args, result, ArgTypes::Declared, ctx)
}

/// [`call_function`] for a function already looked up.
///
/// # Errors
/// As [`call_function`].
#[inline]
pub fn invoke(
    function: &Function,
    args: &[Datum],
    result: SqlType,
    types: ArgTypes<'_>,
    ctx: &EvalContext,
) -> Result<Datum> {
    if function.strict && args.iter().any(Datum::is_null) {
        return Ok(Datum::Null);
    }
    match function.body {
        Body::Compare(op) => Ok(Datum::Bool(compare_values(op, function.args[0], &args[0], &args[1]))),
        Body::CompareTimes(op) => row_nodes::compare_times(op, &args[0], &args[1], ctx),
        Body::Order => {
            let order = compare_typed(function.args[0], &args[0], &args[1]);
            Ok(Datum::Int4(order as i32))
        }
        Body::Scalar(scalar) => scalar(&FnContext { eval: ctx, function, result, args: types }, args),
        Body::Set(_) => bail!(FEATURE_NOT_SUPPORTED, "set-valued function called in context that cannot accept a set"),
        Body::Aggregate(_) => panic!("aggregate {} is evaluated by the aggregation operator", function.name),
        Body::Window => panic!("window function {} is evaluated by the window operator", function.name),
        Body::Missing => Err(function.missing()),
    }
}

#[inline]
fn compare_values(op: CompareOp, oid: Oid, left: &Datum, right: &Datum) -> bool {
    let order = if oid == Oid::BPCHAR { compare_typed(oid, left, right) } else { compare(left, right) };
    op.accepts(order)
}

/// Whether `function(left, right)` is true, false or unknown.
///
/// # Errors
/// The function's own.
pub fn call_predicate(oid: Oid, left: &Datum, right: &Datum, ctx: &EvalContext) -> Result<Option<bool>> {
    let function = resolve(oid)?;
    if function.strict && (left.is_null() || right.is_null()) {
        return Ok(None);
    }
    if let Body::Compare(op) = function.body {
        return Ok(Some(compare_values(op, function.args[0], left, right)));
    }
    let args = [left.clone(), right.clone()];
    Ok(invoke(function, &args, SqlType::of(Oid::BOOL), ArgTypes::Declared, ctx)?.as_bool())
}

/// The same value as another type with the same storage: only OIDs and integers, and element types of arrays, differ in form.
#[must_use]
pub fn relabel(value: Datum, target: Oid) -> Datum {
    use crate::types::column::{Physical, physical_of};
    match value {
        Datum::Int4(number) if physical_of(target) == Physical::UInt32 => Datum::Oid(Oid(number.cast_unsigned())),
        Datum::Oid(oid) if physical_of(target) == Physical::Int32 => Datum::Int4(oid.0.cast_signed()),
        Datum::Array(array) => match crate::types::array::builtin_element(target) {
            Some(element) if element != array.element => {
                let mut changed = (*array).clone();
                changed.element = element;
                Datum::Array(std::sync::Arc::new(changed))
            }
            _ => Datum::Array(array),
        },
        other => other,
    }
}

/// A cast through text.
///
/// # Errors
/// The input errors of the target type.
pub fn via_io(value: &Datum, source: Oid, target: SqlType, ctx: &EvalContext) -> Result<Datum> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let io_context = ctx.io();
    if let Datum::Text(text) = value {
        return io::input(text, target, &io_context);
    }
    let text = io::to_text(value, source, &io_context)?;
    io::input(&text, target, &io_context)
}

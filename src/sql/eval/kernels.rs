//! Functions on whole columns: comparisons and arithmetic of fixed-width types, and comparisons of text.
//!
//! A kernel gives what row evaluation gives, value for value and error for error; a combination without one answers
//! `None` and the caller goes row by row. NULL operands never raise errors, so arithmetic looks at present rows only.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::distances::{distances, is_distance};
use crate::sql::eval::registry::{Body, CompareOp, Function};
use crate::types::compare::compare_f64;
use crate::types::{Datum, Oid};

/// An argument: a column, or one value for all rows.
#[derive(Clone)]
pub(super) enum Operand {
    Column(ArrayRef),
    Scalar(Datum),
}

impl Operand {
    fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::Column(column) => column.nulls(),
            Self::Scalar(_) => None,
        }
    }

    fn is_null_scalar(&self) -> bool {
        matches!(self, Self::Scalar(Datum::Null))
    }
}

/// Whether a function may have a kernel at all: so that arguments are not evaluated in vain.
pub(super) fn has_kernel(function: &Function) -> bool {
    if function.args.len() != 2 {
        return false;
    }
    match function.body {
        Body::Compare(_) => function.args[0] != Oid::BPCHAR,
        Body::Scalar(_) => Arithmetic::of(function.source).is_some() || is_distance(function.source),
        _ => false,
    }
}

/// The values of a strict function of two arguments of which one is a column.
///
/// # Errors
/// `22003` when a result is out of range.
pub(super) fn call(function: &Function, args: &[Operand], rows: usize) -> Result<Option<ArrayRef>> {
    let [left, right] = args else { return Ok(None) };
    if left.is_null_scalar() || right.is_null_scalar() {
        return Ok(Some(crate::types::column::constant(&Datum::Null, function.result, rows)));
    }
    match function.body {
        Body::Compare(op) => Ok(compare(op, left, right, rows).map(|mask| Arc::new(mask) as ArrayRef)),
        Body::Scalar(_) => match Arithmetic::of(function.source) {
            Some(arithmetic) => arithmetic.run(left, right, rows),
            None => distances(function.source, left, right),
        },
        _ => Ok(None),
    }
}

/// `IS [NOT] TRUE/FALSE/UNKNOWN`.
pub(super) fn is_bool(values: &BooleanArray, wanted: Option<bool>, negated: bool) -> BooleanArray {
    let buffer = BooleanBuffer::collect_bool(values.len(), |row| {
        let found = if values.is_null(row) { None } else { Some(values.value(row)) };
        (found == wanted) != negated
    });
    BooleanArray::new(buffer, None)
}

/// Values of one Rust type: a column of them or one for all rows.
enum Values<'a, T: ArrowPrimitiveType> {
    Many(&'a [T::Native]),
    One(T::Native),
}

impl<T: ArrowPrimitiveType> Values<'_, T> {
    #[inline]
    fn get(&self, row: usize) -> T::Native {
        match self {
            Self::Many(values) => values[row],
            Self::One(value) => *value,
        }
    }
}

/// Reads a scalar of one physical type.
trait FromDatum: ArrowPrimitiveType {
    fn from_datum(datum: &Datum) -> Option<Self::Native>;
}

impl FromDatum for Int16Type {
    fn from_datum(datum: &Datum) -> Option<i16> {
        if let Datum::Int2(value) = datum { Some(*value) } else { None }
    }
}

impl FromDatum for Int32Type {
    fn from_datum(datum: &Datum) -> Option<i32> {
        match datum {
            Datum::Int4(value) | Datum::Date(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromDatum for Int64Type {
    fn from_datum(datum: &Datum) -> Option<i64> {
        match datum {
            Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => {
                Some(*value)
            }
            _ => None,
        }
    }
}

impl FromDatum for UInt32Type {
    fn from_datum(datum: &Datum) -> Option<u32> {
        if let Datum::Oid(value) = datum { Some(value.0) } else { None }
    }
}

impl FromDatum for Float32Type {
    fn from_datum(datum: &Datum) -> Option<f32> {
        if let Datum::Float4(value) = datum { Some(*value) } else { None }
    }
}

impl FromDatum for Float64Type {
    fn from_datum(datum: &Datum) -> Option<f64> {
        if let Datum::Float8(value) = datum { Some(*value) } else { None }
    }
}

fn values<T: FromDatum>(operand: &Operand) -> Option<Values<'_, T>> {
    match operand {
        Operand::Column(column) => {
            column.as_any().downcast_ref::<PrimitiveArray<T>>().map(|array| Values::Many(array.values()))
        }
        Operand::Scalar(datum) => T::from_datum(datum).map(Values::One),
    }
}

fn both_nulls(left: &Operand, right: &Operand) -> Option<NullBuffer> {
    NullBuffer::union(left.nulls(), right.nulls())
}

/// A mask from a test of each row; written per operator so that each loop is a plain comparison.
macro_rules! by_operator {
    ($op:expr, $rows:expr, $left:expr, $right:expr) => {
        match $op {
            CompareOp::Eq => BooleanBuffer::collect_bool($rows, |row| $left(row) == $right(row)),
            CompareOp::Ne => BooleanBuffer::collect_bool($rows, |row| $left(row) != $right(row)),
            CompareOp::Lt => BooleanBuffer::collect_bool($rows, |row| $left(row) < $right(row)),
            CompareOp::Le => BooleanBuffer::collect_bool($rows, |row| $left(row) <= $right(row)),
            CompareOp::Gt => BooleanBuffer::collect_bool($rows, |row| $left(row) > $right(row)),
            CompareOp::Ge => BooleanBuffer::collect_bool($rows, |row| $left(row) >= $right(row)),
        }
    };
}

fn compare_integers<T: FromDatum>(op: CompareOp, left: &Operand, right: &Operand, rows: usize) -> Option<BooleanBuffer>
where
    T::Native: Ord,
{
    Some(match (values::<T>(left)?, values::<T>(right)?) {
        (Values::Many(left), Values::One(right)) => by_operator!(op, rows, |row: usize| left[row], |_| right),
        (Values::One(left), Values::Many(right)) => by_operator!(op, rows, |_| left, |row: usize| right[row]),
        (left, right) => by_operator!(op, rows, |row| left.get(row), |row| right.get(row)),
    })
}

fn compare_floats<T: FromDatum>(op: CompareOp, left: &Operand, right: &Operand, rows: usize) -> Option<BooleanBuffer>
where
    T::Native: Into<f64>,
{
    let (left, right) = (values::<T>(left)?, values::<T>(right)?);
    Some(BooleanBuffer::collect_bool(rows, |row| op.accepts(compare_f64(left.get(row).into(), right.get(row).into()))))
}

fn compare_texts(op: CompareOp, left: &Operand, right: &Operand, rows: usize) -> Option<BooleanBuffer> {
    let accepts = |a: &str, b: &str| op.accepts(a.as_bytes().cmp(b.as_bytes()));
    Some(match (left, right) {
        (Operand::Column(left), Operand::Scalar(Datum::Text(right))) => {
            let left = left.as_string_view_opt()?;
            match op {
                CompareOp::Eq => BooleanBuffer::collect_bool(rows, |row| left.value(row) == &**right),
                CompareOp::Ne => BooleanBuffer::collect_bool(rows, |row| left.value(row) != &**right),
                _ => BooleanBuffer::collect_bool(rows, |row| accepts(left.value(row), right)),
            }
        }
        (Operand::Scalar(Datum::Text(left)), Operand::Column(right)) => {
            let right = right.as_string_view_opt()?;
            BooleanBuffer::collect_bool(rows, |row| accepts(left, right.value(row)))
        }
        (Operand::Column(left), Operand::Column(right)) => {
            let (left, right) = (left.as_string_view_opt()?, right.as_string_view_opt()?);
            BooleanBuffer::collect_bool(rows, |row| accepts(left.value(row), right.value(row)))
        }
        _ => return None,
    })
}

/// An operand of any integer type, widened.
fn wide(operand: &Operand) -> Option<Box<dyn Fn(usize) -> i64 + '_>> {
    Some(match operand {
        Operand::Scalar(Datum::Int2(value)) => {
            let value = i64::from(*value);
            Box::new(move |_| value)
        }
        Operand::Scalar(Datum::Int4(value)) => {
            let value = i64::from(*value);
            Box::new(move |_| value)
        }
        Operand::Scalar(Datum::Int8(value)) => {
            let value = *value;
            Box::new(move |_| value)
        }
        Operand::Scalar(_) => return None,
        Operand::Column(column) => match column.data_type() {
            DataType::Int16 => {
                let values = column.as_primitive::<Int16Type>().values();
                Box::new(move |row| i64::from(values[row]))
            }
            DataType::Int32 => {
                let values = column.as_primitive::<Int32Type>().values();
                Box::new(move |row| i64::from(values[row]))
            }
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                Box::new(move |row| values[row])
            }
            _ => return None,
        },
    })
}

fn compare(op: CompareOp, left: &Operand, right: &Operand, rows: usize) -> Option<BooleanArray> {
    let kind = match (left, right) {
        (Operand::Column(column), _) | (_, Operand::Column(column)) => column.data_type().clone(),
        _ => return None,
    };
    let buffer = match kind {
        DataType::Int16 => compare_integers::<Int16Type>(op, left, right, rows),
        DataType::Int32 => compare_integers::<Int32Type>(op, left, right, rows),
        DataType::Int64 => compare_integers::<Int64Type>(op, left, right, rows),
        DataType::UInt32 => compare_integers::<UInt32Type>(op, left, right, rows),
        DataType::Float32 => compare_floats::<Float32Type>(op, left, right, rows),
        DataType::Float64 => compare_floats::<Float64Type>(op, left, right, rows),
        DataType::Utf8View => compare_texts(op, left, right, rows),
        _ => None,
    };
    let buffer = match buffer {
        Some(buffer) => buffer,
        // Integers of two widths.
        None => {
            let (wide_left, wide_right) = (wide(left)?, wide(right)?);
            BooleanBuffer::collect_bool(rows, |row| op.accepts(wide_left(row).cmp(&wide_right(row))))
        }
    };
    Some(BooleanArray::new(buffer, both_nulls(left, right)))
}

/// Sum, difference and product of one type.
#[derive(Clone, Copy)]
enum Sort {
    Sum,
    Difference,
    Product,
}

#[derive(Clone, Copy)]
enum Kind {
    Int4,
    Int8,
    Float4,
    Float8,
}

struct Arithmetic {
    sort: Sort,
    kind: Kind,
}

impl Arithmetic {
    fn of(source: &str) -> Option<Self> {
        let (kind, rest) =
            [("int4", Kind::Int4), ("int8", Kind::Int8), ("float4", Kind::Float4), ("float8", Kind::Float8)]
                .into_iter()
                .find_map(|(name, kind)| source.strip_prefix(name).map(|rest| (kind, rest)))?;
        let sort = match rest {
            "pl" => Sort::Sum,
            "mi" => Sort::Difference,
            "mul" => Sort::Product,
            _ => return None,
        };
        Some(Self { sort, kind })
    }

    fn run(&self, left: &Operand, right: &Operand, rows: usize) -> Result<Option<ArrayRef>> {
        let product = matches!(self.sort, Sort::Product);
        match self.kind {
            Kind::Int4 => {
                let compute = match self.sort {
                    Sort::Sum => i32::checked_add,
                    Sort::Difference => i32::checked_sub,
                    Sort::Product => i32::checked_mul,
                };
                integers::<Int32Type>(left, right, rows, compute, "integer")
            }
            Kind::Int8 => {
                let compute = match self.sort {
                    Sort::Sum => i64::checked_add,
                    Sort::Difference => i64::checked_sub,
                    Sort::Product => i64::checked_mul,
                };
                integers::<Int64Type>(left, right, rows, compute, "bigint")
            }
            Kind::Float4 => floats::<Float32Type>(left, right, rows, product, |a, b| match self.sort {
                Sort::Sum => a + b,
                Sort::Difference => a - b,
                Sort::Product => a * b,
            }),
            Kind::Float8 => floats::<Float64Type>(left, right, rows, product, |a, b| match self.sort {
                Sort::Sum => a + b,
                Sort::Difference => a - b,
                Sort::Product => a * b,
            }),
        }
    }
}

fn integers<T: FromDatum>(
    left: &Operand,
    right: &Operand,
    rows: usize,
    compute: fn(T::Native, T::Native) -> Option<T::Native>,
    name: &str,
) -> Result<Option<ArrayRef>>
where
    T::Native: Default,
{
    let nulls = both_nulls(left, right);
    let (Some(left), Some(right)) = (values::<T>(left), values::<T>(right)) else { return Ok(None) };
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        out.push(match compute(left.get(row), right.get(row)) {
            Some(value) => value,
            None if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) => T::Native::default(),
            None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{name} out of range"),
        });
    }
    Ok(Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(out), nulls))))
}

/// Rows that overflow or underflow are left to row evaluation, which knows the error.
fn floats<T: FromDatum>(
    left: &Operand,
    right: &Operand,
    rows: usize,
    product: bool,
    compute: impl Fn(T::Native, T::Native) -> T::Native,
) -> Result<Option<ArrayRef>>
where
    T::Native: Into<f64>,
{
    let nulls = both_nulls(left, right);
    let (Some(left), Some(right)) = (values::<T>(left), values::<T>(right)) else { return Ok(None) };
    let mut out = Vec::with_capacity(rows);
    for row in 0..rows {
        let (a, b) = (left.get(row), right.get(row));
        let value = compute(a, b);
        let plain: f64 = value.into();
        // A sum that is zero is right; a product may be zero for being too small.
        if !plain.is_finite() || (plain == 0.0 && product && a.into() != 0.0 && b.into() != 0.0) {
            return Ok(None);
        }
        out.push(value);
    }
    Ok(Some(Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(out), nulls))))
}

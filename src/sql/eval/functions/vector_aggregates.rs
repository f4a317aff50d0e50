//! `avg` and `sum` of vectors, and pgvector's transition functions, which can be called by name.
//!
//! An average sums in `f64` and divides at the end; a sum adds in the precision of the elements, as pgvector does.

use std::sync::Arc;

use super::vector::{Dense, Half, Single, overflow};
use crate::bail;
use crate::error::{Error, Result};
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::ArrayValue;
use crate::types::{Datum, Oid};

/// The state of `avg` or `sum` over `vector` or `halfvec`.
///
/// # Errors
/// `0A000` for another type.
pub fn vector_sum(info: &AggregateInfo, average: bool) -> Result<Box<dyn AggregateState>> {
    Ok(match (info.args[0].oid, average) {
        (Oid::VECTOR, true) => Box::new(Average::<Single>::new()),
        (Oid::VECTOR, false) => Box::new(Sum::<Single>::new()),
        (Oid::HALFVEC, true) => Box::new(Average::<Half>::new()),
        (Oid::HALFVEC, false) => Box::new(Sum::<Half>::new()),
        (other, _) => return Err(Error::unsupported(format!("aggregate over type {other}"))),
    })
}

fn check_expected(expected: usize, found: usize) -> Result<()> {
    if expected != found {
        bail!(DATA_EXCEPTION, "expected {expected} dimensions, not {found}");
    }
    Ok(())
}

struct Average<D> {
    count: f64,
    sums: Vec<f64>,
    kind: std::marker::PhantomData<D>,
}

impl<D> Average<D> {
    fn new() -> Self {
        Self { count: 0.0, sums: Vec::new(), kind: std::marker::PhantomData }
    }
}

/// The mean of sums as a vector; NULL of nothing.
fn mean<D: Dense>(count: f64, sums: &[f64]) -> Result<Datum> {
    if count == 0.0 {
        return Ok(Datum::Null);
    }
    D::checked(sums.iter().map(|sum| D::narrow((sum / count) as f32)).collect())
}

impl<D: Dense + Send> AggregateState for Average<D> {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let elements = D::elements(&args[0]);
        if self.count == 0.0 {
            self.sums = vec![0.0; elements.len()];
        }
        check_expected(self.sums.len(), elements.len())?;
        for (sum, element) in self.sums.iter_mut().zip(elements) {
            *sum += f64::from(D::widen(*element));
        }
        self.count += 1.0;
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        mean::<D>(self.count, &self.sums)
    }

    fn memory(&self) -> usize {
        64 + 8 * self.sums.len()
    }
}

struct Sum<D: Dense>(Option<Vec<D::Element>>);

impl<D: Dense> Sum<D> {
    fn new() -> Self {
        Self(None)
    }
}

impl<D: Dense> AggregateState for Sum<D>
where
    D::Element: Send,
{
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let elements = D::elements(&args[0]);
        let Some(sums) = &mut self.0 else {
            self.0 = Some(elements.to_vec());
            return Ok(());
        };
        if sums.len() != elements.len() {
            let name = D::NAME;
            bail!(DATA_EXCEPTION, "different {name} dimensions {} and {}", sums.len(), elements.len());
        }
        for (sum, element) in sums.iter_mut().zip(elements) {
            *sum = D::narrow(D::widen(*sum) + D::widen(*element));
            if D::widen(*sum).is_infinite() {
                return overflow();
            }
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.0.as_ref().map_or(Datum::Null, |sums| D::make(sums.clone())))
    }

    fn memory(&self) -> usize {
        64 + self.0.as_ref().map_or(0, |sums| 4 * sums.len())
    }
}

/// A transition state: the count, then the sums.
fn state(datum: &Datum, caller: &str) -> Result<Vec<f64>> {
    let Datum::Array(array) = datum else { panic!("expected an array, found {datum:?}") };
    let numbers = array.items.iter().map(|item| match item {
        Datum::Float8(value) => Some(*value),
        _ => None,
    });
    match numbers.collect::<Option<Vec<f64>>>() {
        Some(numbers) if array.dims.len() == 1 => Ok(numbers),
        _ => bail!(INTERNAL_ERROR, "{caller}: expected state array"),
    }
}

fn state_array(numbers: Vec<f64>) -> Result<Datum> {
    if numbers.iter().any(|number| number.is_infinite()) {
        return overflow();
    }
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(Oid::FLOAT8, numbers.into_iter().map(Datum::Float8).collect()))))
}

fn accumulate<D: Dense>(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut numbers = state(&args[0], ctx.function.source)?;
    let elements = D::elements(&args[1]);
    if numbers.len() == 1 {
        numbers.resize(elements.len() + 1, 0.0);
    }
    check_expected(numbers.len() - 1, elements.len())?;
    numbers[0] += 1.0;
    for (sum, element) in numbers[1..].iter_mut().zip(elements) {
        *sum += f64::from(D::widen(*element));
    }
    state_array(numbers)
}

fn average<D: Dense>(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let numbers = state(&args[0], ctx.function.source)?;
    mean::<D>(numbers[0], &numbers[1..])
}

fn combine(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (left, right) = (state(&args[0], ctx.function.source)?, state(&args[1], ctx.function.source)?);
    if left[0] == 0.0 {
        return state_array(right);
    }
    if right[0] == 0.0 {
        return state_array(left);
    }
    check_expected(left.len() - 1, right.len() - 1)?;
    state_array(left.iter().zip(&right).map(|(a, b)| a + b).collect())
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("vector_accum", accumulate::<Single>),
    ("vector_avg", average::<Single>),
    ("vector_combine", combine),
    ("halfvec_accum", accumulate::<Half>),
    ("halfvec_avg", average::<Half>),
];

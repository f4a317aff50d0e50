//! sum, avg, min and max of types without a column of plain numbers, the boolean aggregates and any_value.
//!
//! Those of plain numbers are in [`super::grouped`]. All of these skip NULL; without a value the result is NULL.

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::functions::vector_aggregates::vector_sum;
use crate::types::compare::compare_typed;
use crate::types::interval::Interval;
use crate::types::numeric::Numeric;
use crate::types::{Datum, Oid};

/// `sum` of a type that [`super::grouped`] leaves.
pub fn sum(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    adder(info, false)
}

/// `avg` of such a type.
pub fn avg(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    adder(info, true)
}

fn adder(info: &AggregateInfo, average: bool) -> Result<Box<dyn AggregateState>> {
    Ok(match info.args[0].oid {
        Oid::FLOAT4 if !average => Box::new(Float4Sum { total: 0.0, count: 0 }),
        Oid::NUMERIC => Box::new(NumericSum { total: Numeric::zero(), count: 0, average }),
        Oid::INTERVAL => Box::new(IntervalSum { total: Interval { months: 0, days: 0, micros: 0 }, count: 0, average }),
        Oid::VECTOR | Oid::HALFVEC => return vector_sum(info, average),
        other => bail!(FEATURE_NOT_SUPPORTED, "aggregate {} of type {other} is not supported yet", info.function.name),
    })
}

struct Float4Sum {
    total: f32,
    count: i64,
}

impl AggregateState for Float4Sum {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if let Datum::Float4(value) = args[0] {
            // The first value is taken as it is, so that the sum of one -0 is -0.
            let total = if self.count == 0 { value } else { self.total + value };
            if total.is_infinite() && self.total.is_finite() && value.is_finite() {
                bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
            }
            self.total = total;
            self.count += 1;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(if self.count == 0 { Datum::Null } else { Datum::Float4(self.total) })
    }
}

struct NumericSum {
    total: Numeric,
    count: i64,
    average: bool,
}

impl AggregateState for NumericSum {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if let Datum::Numeric(value) = &args[0] {
            self.total = self.total.add(value)?;
            self.count += 1;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        match (self.count, self.average) {
            (0, _) => Ok(Datum::Null),
            (count, true) => self.total.div(&Numeric::from_i64(count)).map(Datum::Numeric),
            (_, false) => Ok(Datum::Numeric(self.total.clone())),
        }
    }
}

struct IntervalSum {
    total: Interval,
    count: i64,
    average: bool,
}

impl AggregateState for IntervalSum {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if let Datum::Interval(value) = &args[0] {
            self.total = if self.count == 0 { *value } else { self.total.add(value)? };
            self.count += 1;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        match (self.count, self.average) {
            (0, _) => Ok(Datum::Null),
            (count, true) => self.total.div(count as f64).map(Datum::Interval),
            (_, false) => Ok(Datum::Interval(self.total)),
        }
    }
}

/// `min` of such a type.
pub fn min(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Extreme { best: Datum::Null, greatest: false, oid: info.args[0].oid }))
}

/// `max` of such a type.
pub fn max(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Extreme { best: Datum::Null, greatest: true, oid: info.args[0].oid }))
}

struct Extreme {
    best: Datum,
    greatest: bool,
    oid: Oid,
}

impl AggregateState for Extreme {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if args[0].is_null() {
            return Ok(());
        }
        let better = self.best.is_null() || {
            let order = compare_typed(self.oid, &args[0], &self.best);
            // Of equal values the last is taken, as in PostgreSQL: 1.00 after 1.0.
            if self.greatest { order.is_ge() } else { order.is_le() }
        };
        if better {
            self.best = args[0].clone();
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.best.clone())
    }
}

/// `bool_and` and `every`.
pub fn bool_and(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(BoolCount { wanted: 0, total: 0, and: true }))
}

/// `bool_or`.
pub fn bool_or(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(BoolCount { wanted: 0, total: 0, and: false }))
}

/// Counts the true values among all, so that values can be taken back.
struct BoolCount {
    wanted: i64,
    total: i64,
    and: bool,
}

impl BoolCount {
    fn add(&mut self, args: &[Datum], step: i64) {
        if let Some(value) = args[0].as_bool() {
            self.total += step;
            self.wanted += i64::from(value) * step;
        }
    }
}

impl AggregateState for BoolCount {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        self.add(args, 1);
        Ok(())
    }

    fn retract(&mut self, args: &[Datum], _: &EvalContext) -> Result<bool> {
        self.add(args, -1);
        Ok(true)
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(match (self.total, self.and) {
            (0, _) => Datum::Null,
            (total, true) => Datum::Bool(self.wanted == total),
            (_, false) => Datum::Bool(self.wanted > 0),
        })
    }
}

/// `any_value`: the first value that is not NULL.
pub fn any_value(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(AnyValue(Datum::Null)))
}

struct AnyValue(Datum);

impl AggregateState for AnyValue {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if self.0.is_null() {
            self.0 = args[0].clone();
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.0.clone())
    }
}

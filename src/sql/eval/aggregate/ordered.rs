//! Ordered-set and hypothetical-set aggregates: their rows arrive in WITHIN GROUP order, behind the direct arguments.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::collect::datum_memory;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::types::array::{ArrayValue, builtin_element};
use crate::types::compare::{compare_typed, equal};
use crate::types::interval::Interval;
use crate::types::{Datum, Oid};

/// `percentile_cont`: interpolates; over float8 or interval, one fraction or an array of them.
pub fn percentile_cont(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Percentile { values: Vec::new(), fraction: None, continuous: true, result: info.result.oid }))
}

/// `percentile_disc`: the first value at or past the fraction.
pub fn percentile_disc(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Percentile { values: Vec::new(), fraction: None, continuous: false, result: info.result.oid }))
}

struct Percentile {
    values: Vec<Datum>,
    fraction: Option<Datum>,
    continuous: bool,
    result: Oid,
}

impl AggregateState for Percentile {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        if self.fraction.is_none() {
            self.fraction = Some(args[0].clone());
        }
        if !args[1].is_null() {
            self.values.push(args[1].clone());
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        match &self.fraction {
            None | Some(Datum::Null) => Ok(Datum::Null),
            Some(Datum::Float8(fraction)) => {
                check_fraction(*fraction)?;
                if self.values.is_empty() { Ok(Datum::Null) } else { self.at(*fraction) }
            }
            Some(Datum::Array(fractions)) => {
                if self.values.is_empty() {
                    return Ok(Datum::Null);
                }
                let mut items = Vec::with_capacity(fractions.items.len());
                for fraction in &fractions.items {
                    items.push(match fraction {
                        Datum::Float8(fraction) => {
                            check_fraction(*fraction)?;
                            self.at(*fraction)?
                        }
                        _ => Datum::Null,
                    });
                }
                let element = builtin_element(self.result).unwrap_or(Oid::FLOAT8);
                Ok(Datum::Array(Arc::new(ArrayValue { element, dims: fractions.dims.clone(), items })))
            }
            Some(other) => panic!("percentile of fraction {other:?}"),
        }
    }

    fn memory(&self) -> usize {
        64 + self.values.iter().map(datum_memory).sum::<usize>()
    }
}

fn check_fraction(fraction: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&fraction) {
        let mut shown = String::new();
        crate::types::float::write_general(fraction, 6, &mut shown);
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "percentile value {shown} is not between 0 and 1");
    }
    Ok(())
}

impl Percentile {
    fn at(&self, fraction: f64) -> Result<Datum> {
        let count = self.values.len();
        if !self.continuous {
            let place = (fraction * count as f64).ceil().max(1.0) as usize;
            return Ok(self.values[place - 1].clone());
        }
        let position = fraction * (count - 1) as f64;
        let (low, high) = (position.floor() as usize, position.ceil() as usize);
        if low == high {
            return Ok(self.values[low].clone());
        }
        interpolate(&self.values[low], &self.values[high], position - low as f64)
    }
}

fn interpolate(low: &Datum, high: &Datum, share: f64) -> Result<Datum> {
    match (low, high) {
        (Datum::Float8(low), Datum::Float8(high)) => {
            // Equal ends stay exact, infinities included.
            Ok(Datum::Float8(if low == high { *low } else { low + share * (high - low) }))
        }
        (Datum::Interval(low), Datum::Interval(high)) => {
            let difference: Interval = high.sub(low)?;
            low.add(&difference.mul(share)?).map(Datum::Interval)
        }
        other => panic!("percentile_cont over {other:?}"),
    }
}

/// `mode`: the most frequent value, the first in order among equals.
pub fn mode(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Mode { best: Datum::Null, best_count: 0, last: Datum::Null, count: 0 }))
}

struct Mode {
    best: Datum,
    best_count: u64,
    last: Datum,
    count: u64,
}

impl AggregateState for Mode {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let value = &args[0];
        if value.is_null() {
            return Ok(());
        }
        if self.count > 0 && equal(&self.last, value) {
            self.count += 1;
        } else {
            self.last = value.clone();
            self.count = 1;
        }
        if self.count > self.best_count {
            self.best = self.last.clone();
            self.best_count = self.count;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.best.clone())
    }
}

/// `rank`, `dense_rank`, `percent_rank` and `cume_dist` of a hypothetical row.
pub fn hypothetical(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Hypothetical {
        info: info.clone(),
        rows: 0,
        before: 0,
        peers: 0,
        distinct_before: 0,
        last_before: Vec::new(),
    }))
}

struct Hypothetical {
    info: AggregateInfo,
    rows: i64,
    before: i64,
    peers: i64,
    distinct_before: i64,
    last_before: Vec<Datum>,
}

/// The order of two values under one ORDER BY item.
#[must_use]
pub fn order_values(oid: Oid, left: &Datum, right: &Datum, descending: bool, nulls_first: bool) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let order = compare_typed(oid, left, right);
            if descending { order.reverse() } else { order }
        }
    }
}

impl AggregateState for Hypothetical {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let (direct, values) = args.split_at(self.info.direct);
        self.rows += 1;
        let mut order = Ordering::Equal;
        for (index, (value, wanted)) in values.iter().zip(direct).enumerate() {
            let (descending, nulls_first) = self.info.order.get(index).copied().unwrap_or((false, false));
            let oid = self.info.args[self.info.direct + index].oid;
            order = order.then_with(|| order_values(oid, value, wanted, descending, nulls_first));
        }
        match order {
            Ordering::Less => {
                self.before += 1;
                let repeats = self.before > 1 && self.last_before.iter().zip(values).all(|(a, b)| equal(a, b));
                if !repeats {
                    self.distinct_before += 1;
                    self.last_before = values.to_vec();
                }
            }
            Ordering::Equal => self.peers += 1,
            Ordering::Greater => {}
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(match self.info.function.name {
            "rank" => Datum::Int8(self.before + 1),
            "dense_rank" => Datum::Int8(self.distinct_before + 1),
            "percent_rank" if self.rows == 0 => Datum::Float8(0.0),
            "percent_rank" => Datum::Float8(self.before as f64 / self.rows as f64),
            "cume_dist" => Datum::Float8((self.before + self.peers + 1) as f64 / (self.rows + 1) as f64),
            other => panic!("{other} is not a hypothetical-set aggregate"),
        })
    }
}

//! Variances, standard deviations and the two-argument regression aggregates.
//!
//! Over integers and numerics the sums are exact and the result is numeric; over floats the Youngs-Cramer recurrences
//! that PostgreSQL uses keep the sums of squares stable. NULLs (in either argument) are skipped.

use num_bigint::BigInt;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::types::numeric::Numeric;
use crate::types::{Datum, Oid};

/// `var_samp` and `variance`.
pub fn var_samp(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    spread(info, true, false)
}

/// `var_pop`.
pub fn var_pop(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    spread(info, false, false)
}

/// `stddev_samp` and `stddev`.
pub fn stddev_samp(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    spread(info, true, true)
}

/// `stddev_pop`.
pub fn stddev_pop(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    spread(info, false, true)
}

fn spread(info: &AggregateInfo, sample: bool, root: bool) -> Result<Box<dyn AggregateState>> {
    Ok(match info.args[0].oid {
        Oid::FLOAT4 | Oid::FLOAT8 => Box::new(FloatSpread { count: 0.0, sum: 0.0, squares: 0.0, sample, root }),
        _ => Box::new(NumericSpread {
            count: 0,
            sum: Numeric::zero(),
            squares: Numeric::zero(),
            special: false,
            sample,
            root,
        }),
    })
}

struct NumericSpread {
    count: i64,
    sum: Numeric,
    squares: Numeric,
    special: bool,
    sample: bool,
    root: bool,
}

impl AggregateState for NumericSpread {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let value = match &args[0] {
            Datum::Null => return Ok(()),
            Datum::Numeric(value) => value.clone(),
            integer => Numeric::from_i64(integer.as_i64().expect("not NULL")),
        };
        self.count += 1;
        if value.is_finite() {
            self.sum = self.sum.add(&value)?;
            self.squares = self.squares.add(&value.mul(&value)?)?;
        } else {
            self.special = true;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        if self.count == 0 || (self.sample && self.count == 1) {
            return Ok(Datum::Null);
        }
        if self.special {
            return Ok(Datum::Numeric(Numeric::NaN));
        }
        let count = Numeric::from_i64(self.count);
        let numerator = self.squares.mul(&count)?.sub(&self.sum.mul(&self.sum)?)?;
        if numerator.signum() <= 0 {
            return Ok(Datum::Numeric(Numeric::zero()));
        }
        let divisor = if self.sample { Numeric::from_i64(self.count - 1) } else { count.clone() };
        let variance = numerator.div(&count.mul(&divisor)?)?;
        Ok(Datum::Numeric(if self.root { root_at_scale(&variance)? } else { variance }))
    }
}

/// The square root with as many decimals as the argument has.
fn root_at_scale(value: &Numeric) -> Result<Numeric> {
    let Numeric::Finite { unscaled, scale } = value else { return Ok(value.clone()) };
    let shifted: BigInt = unscaled * BigInt::from(10u32).pow(u32::from(*scale));
    let floor = shifted.sqrt();
    let round_up = shifted > &floor * &floor + &floor;
    Numeric::finite(if round_up { floor + 1 } else { floor }, i32::from(*scale))
}

struct FloatSpread {
    count: f64,
    sum: f64,
    squares: f64,
    sample: bool,
    root: bool,
}

fn overflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

impl AggregateState for FloatSpread {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let Some(value) = float_of(&args[0]) else { return Ok(()) };
        let before = self.sum;
        self.count += 1.0;
        self.sum += value;
        if self.count > 1.0 {
            let difference = value * self.count - self.sum;
            self.squares += difference * difference / (self.count * (self.count - 1.0));
            if self.sum.is_infinite() || self.squares.is_infinite() {
                if before.is_finite() && value.is_finite() {
                    return overflow();
                }
                self.squares = f64::NAN;
            }
        } else if !value.is_finite() {
            self.squares = f64::NAN;
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        if self.count == 0.0 || (self.sample && self.count <= 1.0) {
            return Ok(Datum::Null);
        }
        let variance = self.squares / if self.sample { self.count - 1.0 } else { self.count };
        Ok(Datum::Float8(if self.root { variance.sqrt() } else { variance }))
    }
}

fn float_of(datum: &Datum) -> Option<f64> {
    match datum {
        Datum::Float4(value) => Some(f64::from(*value)),
        Datum::Float8(value) => Some(*value),
        _ => None,
    }
}

/// The aggregates over pairs (Y, X); which one is known by the name.
pub fn regression(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Regression { name: info.function.name, ..Regression::default() }))
}

#[derive(Default)]
struct Regression {
    name: &'static str,
    n: f64,
    sx: f64,
    sxx: f64,
    sy: f64,
    syy: f64,
    sxy: f64,
}

impl AggregateState for Regression {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let (Some(y), Some(x)) = (float_of(&args[0]), float_of(&args[1])) else { return Ok(()) };
        let (sx_before, sy_before) = (self.sx, self.sy);
        self.n += 1.0;
        self.sx += x;
        self.sy += y;
        if self.n > 1.0 {
            let (dx, dy) = (x * self.n - self.sx, y * self.n - self.sy);
            let scale = 1.0 / (self.n * (self.n - 1.0));
            self.sxx += dx * dx * scale;
            self.syy += dy * dy * scale;
            self.sxy += dx * dy * scale;
            self.check_overflow(x, y, sx_before, sy_before)?;
        } else {
            if !x.is_finite() {
                (self.sxx, self.sxy) = (f64::NAN, f64::NAN);
            }
            if !y.is_finite() {
                (self.syy, self.sxy) = (f64::NAN, f64::NAN);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        if self.name == "regr_count" {
            return Ok(Datum::Int8(self.n as i64));
        }
        Ok(self.value().map_or(Datum::Null, Datum::Float8))
    }
}

impl Regression {
    fn check_overflow(&mut self, x: f64, y: f64, sx_before: f64, sy_before: f64) -> Result<()> {
        let infinite = [self.sx, self.sxx, self.sy, self.syy, self.sxy].iter().any(|sum| sum.is_infinite());
        if !infinite {
            return Ok(());
        }
        let x_is_finite = sx_before.is_finite() && x.is_finite();
        let y_is_finite = sy_before.is_finite() && y.is_finite();
        if ((self.sx.is_infinite() || self.sxx.is_infinite()) && x_is_finite)
            || ((self.sy.is_infinite() || self.syy.is_infinite()) && y_is_finite)
            || (self.sxy.is_infinite() && x_is_finite && y_is_finite)
        {
            return overflow();
        }
        for sum in [&mut self.sxx, &mut self.syy, &mut self.sxy] {
            if sum.is_infinite() {
                *sum = f64::NAN;
            }
        }
        Ok(())
    }

    fn value(&self) -> Option<f64> {
        if self.n < 1.0 {
            return None;
        }
        Some(match self.name {
            "regr_sxx" => self.sxx,
            "regr_syy" => self.syy,
            "regr_sxy" => self.sxy,
            "regr_avgx" => self.sx / self.n,
            "regr_avgy" => self.sy / self.n,
            "covar_pop" => self.sxy / self.n,
            "covar_samp" if self.n < 2.0 => return None,
            "covar_samp" => self.sxy / (self.n - 1.0),
            "corr" if self.sxx == 0.0 || self.syy == 0.0 => return None,
            "corr" => self.sxy / (self.sxx * self.syy).sqrt(),
            "regr_r2" if self.sxx == 0.0 => return None,
            "regr_r2" if self.syy == 0.0 => 1.0,
            "regr_r2" => self.sxy * self.sxy / (self.sxx * self.syy),
            "regr_slope" if self.sxx == 0.0 => return None,
            "regr_slope" => self.sxy / self.sxx,
            "regr_intercept" if self.sxx == 0.0 => return None,
            "regr_intercept" => (self.sy - self.sx * self.sxy / self.sxx) / self.n,
            other => panic!("{other} is not a regression aggregate"),
        })
    }
}

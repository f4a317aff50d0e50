//! Functions of `numeric` that are exact: gcd, lcm, factorial, scales, buckets, square root.

use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::bail;
use crate::error::Result;

use super::{BASE_DIGITS, MAX_DISPLAY_SCALE, MIN_SIGNIFICANT_DIGITS, Numeric, div_round, overflow, pow10};

impl Numeric {
    fn aligned_pair(&self, other: &Self) -> Option<(BigInt, BigInt, i32)> {
        let (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) =
            (self, other)
        else {
            return None;
        };
        let scale = (*scale_a).max(*scale_b);
        let a = a * pow10(u32::from(scale - scale_a));
        let b = b * pow10(u32::from(scale - scale_b));
        Some((a, b, i32::from(scale)))
    }

    /// Greatest common divisor; NaN when either side is not finite.
    ///
    /// # Errors
    /// None for valid numbers.
    pub fn gcd(&self, other: &Self) -> Result<Self> {
        match self.aligned_pair(other) {
            Some((a, b, scale)) => Self::finite(a.gcd(&b), scale),
            None => Ok(Self::NaN),
        }
    }

    /// Least common multiple; NaN when either side is not finite.
    ///
    /// # Errors
    /// `22003` beyond the format's limits.
    pub fn lcm(&self, other: &Self) -> Result<Self> {
        match self.aligned_pair(other) {
            Some((a, b, scale)) if a.is_zero() || b.is_zero() => Self::finite(BigInt::zero(), scale),
            Some((a, b, scale)) => Self::finite(a.lcm(&b).abs(), scale),
            None => Ok(Self::NaN),
        }
    }

    /// The smallest scale that shows the value exactly; `None` when not finite.
    #[must_use]
    pub fn min_scale(&self) -> Option<i32> {
        let Self::Finite { unscaled, scale } = self else { return None };
        if unscaled.is_zero() {
            return Some(0);
        }
        let digits = unscaled.magnitude().to_string();
        let zeros = digits.len() - digits.trim_end_matches('0').len();
        Some((i32::from(*scale) - i32::try_from(zeros).unwrap_or(i32::MAX)).max(0))
    }

    /// The value without zeros at the end of its decimals.
    #[must_use]
    pub fn trim_scale(&self) -> Self {
        match self.min_scale() {
            Some(scale) => self.round(scale),
            None => self.clone(),
        }
    }

    /// The square root, rounded to the scale that PostgreSQL chooses.
    ///
    /// # Errors
    /// `2201F` for a negative number.
    pub fn sqrt(&self) -> Result<Self> {
        let (unscaled, scale) = match self {
            Self::Finite { unscaled, scale } if !unscaled.is_negative() => (unscaled, i32::from(*scale)),
            Self::NaN | Self::Infinity => return Ok(self.clone()),
            _ => bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number"),
        };
        let (weight, _) = Self::base_weight(unscaled, scale);
        let root_weight = if weight >= 0 { weight * BASE_DIGITS / 2 + 1 } else { 1 - (1 - weight * BASE_DIGITS) / 2 };
        let result = (MIN_SIGNIFICANT_DIGITS - root_weight).max(scale).clamp(0, MAX_DISPLAY_SCALE);
        // One digit more than wanted, then rounding; the root of an inexact square is never exactly half way.
        let shift = 2 * (result + 1) - scale;
        let radicand =
            if shift >= 0 { unscaled * pow10(shift.unsigned_abs()) } else { unscaled / pow10(shift.unsigned_abs()) };
        Self::finite(div_round(&radicand.sqrt(), &BigInt::from(10u32)), result)
    }
}

/// `n!`.
///
/// # Errors
/// `22003` for a negative argument and for results beyond the format's limits.
pub fn factorial(n: i64) -> Result<Numeric> {
    if n < 0 {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "factorial of a negative number is undefined");
    }
    if n > 32_177 {
        return overflow();
    }
    let mut product = BigInt::from(1u32);
    let mut part = 1u64;
    for factor in 2..=n.unsigned_abs() {
        match part.checked_mul(factor) {
            Some(next) => part = next,
            None => {
                product *= part;
                part = factor;
            }
        }
    }
    Numeric::finite(product * part, 0)
}

/// The number of the bucket, of `count` equal ones between two bounds, that holds `operand`.
///
/// # Errors
/// `2201G` for NaN, infinite or equal bounds and a count below 1; `22003` when the answer exceeds an integer.
pub fn width_bucket(operand: &Numeric, low: &Numeric, high: &Numeric, count: i32) -> Result<i32> {
    use std::cmp::Ordering;
    if count <= 0 {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "operand, lower bound, and upper bound cannot be NaN");
    }
    if !low.is_finite() || !high.is_finite() {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    }
    let beyond = || match count.checked_add(1) {
        Some(value) => Ok(value),
        None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"),
    };
    let (low_order, high_order) = match low.compare(high) {
        Ordering::Equal => {
            bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound")
        }
        Ordering::Less => (operand.compare(low), operand.compare(high)),
        Ordering::Greater => (operand.compare(low).reverse(), operand.compare(high).reverse()),
    };
    if low_order.is_lt() {
        return Ok(0);
    }
    if high_order.is_ge() {
        return beyond();
    }
    let (part, whole) = (operand.sub(low)?.absolute(), high.sub(low)?.absolute());
    let (a, b, _) = part.aligned_pair(&whole).expect("all are finite");
    let bucket: BigInt = (a * count) / b + 1;
    Ok(bucket.to_i32().expect("at most the count"))
}

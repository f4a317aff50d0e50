//! `numeric`: exact decimals with a scale per value.
//!
//! A value is an integer and the number of its digits behind the point, so `1.0` and `1.00` are equal but print apart.
//! Scales of results, rounding (half away from zero) and limits are PostgreSQL's, which computes in base 10,000: where
//! its rules speak of such digits, [`Numeric::base_weight`] answers for ours.

mod arith;
mod functions;
mod text;
mod transcendental;

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive, Zero};

use crate::bail;
use crate::error::Result;

pub use arith::precision_and_scale;
pub use functions::{factorial, width_bucket};
pub use text::{input, recv};

/// A decimal number, NaN or an infinity.
#[derive(Clone, Debug)]
pub enum Numeric {
    /// `unscaled * 10^-scale`.
    Finite {
        /// The digits as an integer.
        unscaled: BigInt,
        /// Digits after the decimal point that are displayed, 0..=16383.
        scale: u16,
    },
    /// Not a number: equal to itself and larger than everything.
    NaN,
    /// Larger than all finite numbers.
    Infinity,
    /// Smaller than all finite numbers.
    NegInfinity,
}

/// The largest scale of a value.
pub const MAX_SCALE: i32 = 16_383;
/// Digits before the point that a value has at most.
pub const MAX_WHOLE_DIGITS: i64 = 131_072;
/// The largest scale that division and functions choose by themselves.
pub(crate) const MAX_DISPLAY_SCALE: i32 = 1_000;
/// Significant digits that division and functions give at least.
pub(crate) const MIN_SIGNIFICANT_DIGITS: i32 = 16;
/// Decimal digits in one of PostgreSQL's digits.
pub(crate) const BASE_DIGITS: i32 = 4;

/// Ten to the power of `exponent`.
pub(crate) fn pow10(exponent: u32) -> BigInt {
    match 10u64.checked_pow(exponent) {
        Some(small) => BigInt::from(small),
        None => BigInt::from(10u32).pow(exponent),
    }
}

/// Number of decimal digits of a magnitude; 0 for zero.
pub(crate) fn digit_count(value: &BigInt) -> i64 {
    if value.is_zero() {
        return 0;
    }
    let bits = value.bits();
    // log10(2) bounds the count to within one, and the power of ten in between decides.
    let low = ((bits - 1) as f64 * std::f64::consts::LOG10_2) as u32;
    let count = if value.magnitude() >= pow10(low).magnitude() { low + 1 } else { low };
    let count = if value.magnitude() >= pow10(count).magnitude() { count + 1 } else { count };
    i64::from(count)
}

/// Integer division rounded half away from zero; `divisor` is positive.
pub(crate) fn div_round(value: &BigInt, divisor: &BigInt) -> BigInt {
    let half: BigInt = divisor >> 1u32;
    // An odd divisor has no exact half, so adding its floor rounds correctly.
    if value.is_negative() { -((-value + half) / divisor) } else { (value + half) / divisor }
}

impl Numeric {
    /// Makes a number after checking PostgreSQL's limits.
    ///
    /// # Errors
    /// `22003` when there are too many digits before or after the point.
    pub fn finite(unscaled: BigInt, scale: i32) -> Result<Self> {
        let Ok(small) = u16::try_from(scale) else { return overflow() };
        if scale > MAX_SCALE {
            return overflow();
        }
        if unscaled.bits() > 400_000 && digit_count(&unscaled) - i64::from(scale) > MAX_WHOLE_DIGITS {
            return overflow();
        }
        Ok(Self::Finite { unscaled, scale: small })
    }

    /// Zero without decimals.
    #[must_use]
    pub fn zero() -> Self {
        Self::Finite { unscaled: BigInt::zero(), scale: 0 }
    }

    /// An integer without decimals.
    #[must_use]
    pub fn from_i64(value: i64) -> Self {
        Self::Finite { unscaled: BigInt::from(value), scale: 0 }
    }

    /// An integer without decimals.
    #[must_use]
    pub fn from_i128(value: i128) -> Self {
        Self::Finite { unscaled: BigInt::from(value), scale: 0 }
    }

    /// The 15 significant digits of a double, PostgreSQL's cast.
    #[must_use]
    pub fn from_f64(value: f64) -> Self {
        Self::from_float(value, 15)
    }

    /// The 6 significant digits of a `real`, PostgreSQL's cast.
    #[must_use]
    pub fn from_f32(value: f32) -> Self {
        Self::from_float(f64::from(value), 6)
    }

    fn from_float(value: f64, digits: i32) -> Self {
        if value.is_nan() {
            return Self::NaN;
        }
        if value.is_infinite() {
            return if value > 0.0 { Self::Infinity } else { Self::NegInfinity };
        }
        let mut printed = String::new();
        if value < 0.0 {
            printed.push('-');
        }
        crate::types::float::write_general(value.abs(), digits, &mut printed);
        input(&printed).expect("a printed float is a numeric")
    }

    /// Digits displayed behind the point; `None` for NaN and the infinities.
    #[must_use]
    pub fn scale(&self) -> Option<i32> {
        match self {
            Self::Finite { scale, .. } => Some(i32::from(*scale)),
            _ => None,
        }
    }

    /// Whether this is NaN.
    #[must_use]
    pub fn is_nan(&self) -> bool {
        matches!(self, Self::NaN)
    }

    /// Whether this is neither NaN nor infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        matches!(self, Self::Finite { .. })
    }

    /// -1, 0 or 1; 1 for NaN, as it is larger than everything.
    #[must_use]
    pub fn signum(&self) -> i32 {
        match self {
            Self::Finite { unscaled, .. } => match unscaled.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
            Self::NaN | Self::Infinity => 1,
            Self::NegInfinity => -1,
        }
    }

    /// PostgreSQL's order: NaN equals itself and is largest; the scale does not matter.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let class = |value: &Self| match value {
            Self::NegInfinity => 0,
            Self::Finite { .. } => 1,
            Self::Infinity => 2,
            Self::NaN => 3,
        };
        let (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) =
            (self, other)
        else {
            return class(self).cmp(&class(other));
        };
        if scale_a == scale_b {
            return a.cmp(b);
        }
        if a.sign() != b.sign() {
            return a.sign().cmp(&b.sign());
        }
        if scale_a < scale_b {
            (a * pow10(u32::from(scale_b - scale_a))).cmp(b)
        } else {
            a.cmp(&(b * pow10(u32::from(scale_a - scale_b))))
        }
    }

    /// The place of the first digit in PostgreSQL's base 10,000 (0 = units), and that digit; `(0, 0)` for zero.
    pub(crate) fn base_weight(unscaled: &BigInt, scale: i32) -> (i32, i32) {
        if unscaled.is_zero() {
            return (0, 0);
        }
        let count = i32::try_from(digit_count(unscaled)).expect("numerics have limited digits");
        let exponent = count - scale - 1;
        let weight = exponent.div_euclid(BASE_DIGITS);
        let wanted = exponent.rem_euclid(BASE_DIGITS) + 1;
        let first = if wanted <= count {
            unscaled.magnitude() / pow10((count - wanted).unsigned_abs()).magnitude()
        } else {
            unscaled.magnitude() * pow10((wanted - count).unsigned_abs()).magnitude()
        };
        (weight, first.to_i32().expect("one digit of base 10,000"))
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64_lossy(&self) -> f64 {
        match self {
            Self::NaN => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::NegInfinity => f64::NEG_INFINITY,
            Self::Finite { unscaled, scale } => match unscaled.to_i64() {
                Some(small) if *scale == 0 => small as f64,
                Some(small) if small.unsigned_abs() < 1 << 53 && *scale <= 22 => {
                    small as f64 / 10f64.powi(i32::from(*scale))
                }
                _ => self.to_string().parse().expect("decimal digits parse as a float"),
            },
        }
    }

    /// PostgreSQL's cast to `double precision`.
    ///
    /// # Errors
    /// `22003` when the number is too large or too small for a double.
    pub fn to_f64(&self) -> Result<f64> {
        let value = self.to_f64_lossy();
        if self.is_finite() && (value.is_infinite() || (value == 0.0 && self.signum() != 0)) {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{self}\" is out of range for type double precision");
        }
        Ok(value)
    }

    /// PostgreSQL's cast to `real`.
    ///
    /// # Errors
    /// `22003` when the number is too large or too small for a `real`.
    pub fn to_f32(&self) -> Result<f32> {
        match self {
            Self::Finite { .. } => crate::types::float::input_f32(&self.to_string()),
            other => Ok(other.to_f64_lossy() as f32),
        }
    }

    /// Rounded to an integer; `None` outside 128 bits, for NaN and for infinities.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        match self {
            Self::Finite { unscaled, scale: 0 } => unscaled.to_i128(),
            Self::Finite { unscaled, scale } => div_round(unscaled, &pow10(u32::from(*scale))).to_i128(),
            _ => None,
        }
    }

    /// Rounded to an integer type; `name` is for messages.
    ///
    /// # Errors
    /// `22003` out of range; `0A000` for NaN and infinities.
    pub fn to_integer<T: TryFrom<i128>>(&self, name: &str) -> Result<T> {
        match self {
            Self::NaN => bail!(FEATURE_NOT_SUPPORTED, "cannot convert NaN to {name}"),
            Self::Infinity | Self::NegInfinity => bail!(FEATURE_NOT_SUPPORTED, "cannot convert infinity to {name}"),
            Self::Finite { .. } => match self.to_i128().and_then(|value| T::try_from(value).ok()) {
                Some(value) => Ok(value),
                None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{name} out of range"),
            },
        }
    }
}

/// The error of a result with too many digits.
pub(crate) fn overflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

impl std::fmt::Display for Numeric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        self.output(&mut out);
        f.write_str(&out)
    }
}

#[cfg(test)]
mod tests;

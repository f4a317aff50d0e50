//! Arithmetic on `numeric`: the four operations, remainder, rounding, and what infinities and NaN make of them.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

use crate::bail;
use crate::error::Result;

use super::{
    BASE_DIGITS, MAX_DISPLAY_SCALE, MAX_SCALE, MAX_WHOLE_DIGITS, MIN_SIGNIFICANT_DIGITS, Numeric, digit_count,
    div_round, pow10,
};

/// Both numbers as integers of one scale.
fn aligned(a: &BigInt, scale_a: u16, b: &BigInt, scale_b: u16) -> (BigInt, BigInt, u16) {
    match scale_a.cmp(&scale_b) {
        std::cmp::Ordering::Equal => (a.clone(), b.clone(), scale_a),
        std::cmp::Ordering::Less => (a * pow10(u32::from(scale_b - scale_a)), b.clone(), scale_b),
        std::cmp::Ordering::Greater => (a.clone(), b * pow10(u32::from(scale_a - scale_b)), scale_a),
    }
}

fn division_by_zero<T>() -> Result<T> {
    bail!(DIVISION_BY_ZERO, "division by zero")
}

/// PostgreSQL's scale of a quotient: 16 significant digits at least, and no fewer decimals than either side has.
pub(crate) fn quotient_scale(a: (&BigInt, i32), b: (&BigInt, i32)) -> i32 {
    let (weight_a, first_a) = Numeric::base_weight(a.0, a.1);
    let (weight_b, first_b) = Numeric::base_weight(b.0, b.1);
    let mut weight = weight_a - weight_b;
    if first_a <= first_b {
        weight -= 1;
    }
    (MIN_SIGNIFICANT_DIGITS - weight * BASE_DIGITS).max(a.1).max(b.1).clamp(0, MAX_DISPLAY_SCALE)
}

impl Numeric {
    fn infinite(negative: bool) -> Self {
        if negative { Self::NegInfinity } else { Self::Infinity }
    }

    /// The value with its sign changed.
    #[must_use]
    pub fn negated(&self) -> Self {
        match self {
            Self::Finite { unscaled, scale } => Self::Finite { unscaled: -unscaled, scale: *scale },
            Self::NaN => Self::NaN,
            Self::Infinity => Self::NegInfinity,
            Self::NegInfinity => Self::Infinity,
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn absolute(&self) -> Self {
        if self.signum() < 0 { self.negated() } else { self.clone() }
    }

    /// The sum; NaN from opposite infinities.
    ///
    /// # Errors
    /// `22003` beyond the format's limits.
    pub fn add(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) => {
                if scale_a == scale_b {
                    return Self::finite(a + b, i32::from(*scale_a));
                }
                let (a, b, scale) = aligned(a, *scale_a, b, *scale_b);
                Self::finite(a + b, i32::from(scale))
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Infinity, Self::NegInfinity) | (Self::NegInfinity, Self::Infinity) => Ok(Self::NaN),
            (Self::Finite { .. }, other) => Ok(other.clone()),
            (this, _) => Ok(this.clone()),
        }
    }

    /// The difference; NaN from equal infinities.
    ///
    /// # Errors
    /// `22003` beyond the format's limits.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        self.add(&other.negated())
    }

    /// The product; NaN from zero times infinity.
    ///
    /// # Errors
    /// `22003` beyond the format's limits.
    pub fn mul(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) => {
                let scale = i32::from(*scale_a) + i32::from(*scale_b);
                let product = a * b;
                if scale <= MAX_SCALE {
                    return Self::finite(product, scale);
                }
                Self::finite(div_round(&product, &pow10((scale - MAX_SCALE).unsigned_abs())), MAX_SCALE)
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (a, b) if a.signum() == 0 || b.signum() == 0 => Ok(Self::NaN),
            (a, b) => Ok(Self::infinite(a.signum() != b.signum())),
        }
    }

    /// The quotient, with the scale that PostgreSQL chooses.
    ///
    /// # Errors
    /// `22012` for a zero divisor, `22003` beyond the format's limits.
    pub fn div(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) => {
                if b.is_zero() {
                    return division_by_zero();
                }
                let (scale_a, scale_b) = (i32::from(*scale_a), i32::from(*scale_b));
                let scale = quotient_scale((a, scale_a), (b, scale_b));
                Self::divide((a, scale_a), (b, scale_b), scale)
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Finite { .. }, _) => Ok(Self::zero()),
            (_, Self::Finite { unscaled, .. }) if unscaled.is_zero() => division_by_zero(),
            (a, Self::Finite { .. }) => Ok(Self::infinite(a.signum() != other.signum())),
            _ => Ok(Self::NaN),
        }
    }

    /// The quotient rounded to `scale` decimals; `b` is not zero.
    pub(crate) fn divide(a: (&BigInt, i32), b: (&BigInt, i32), scale: i32) -> Result<Self> {
        let shift = scale - a.1 + b.1;
        let (mut numerator, mut denominator) = (a.0.clone(), b.0.clone());
        if denominator.is_negative() {
            numerator = -numerator;
            denominator = -denominator;
        }
        if shift >= 0 {
            numerator *= pow10(shift.unsigned_abs());
        } else {
            denominator *= pow10(shift.unsigned_abs());
        }
        Self::finite(div_round(&numerator, &denominator), scale)
    }

    /// The quotient cut off to an integer.
    ///
    /// # Errors
    /// `22012` for a zero divisor.
    pub fn div_trunc(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) => {
                if b.is_zero() {
                    return division_by_zero();
                }
                let (a, b, _) = aligned(a, *scale_a, b, *scale_b);
                Self::finite(a / b, 0)
            }
            _ => self.div(other),
        }
    }

    /// The remainder, with the dividend's sign.
    ///
    /// # Errors
    /// `22012` for a zero divisor.
    pub fn rem(&self, other: &Self) -> Result<Self> {
        match (self, other) {
            (Self::Finite { unscaled: a, scale: scale_a }, Self::Finite { unscaled: b, scale: scale_b }) => {
                if b.is_zero() {
                    return division_by_zero();
                }
                let (a, b, scale) = aligned(a, *scale_a, b, *scale_b);
                Self::finite(a % b, i32::from(scale))
            }
            (Self::NaN, _) | (_, Self::NaN) => Ok(Self::NaN),
            (Self::Finite { .. }, _) => Ok(self.clone()),
            (_, Self::Finite { unscaled, .. }) if unscaled.is_zero() => division_by_zero(),
            _ => Ok(Self::NaN),
        }
    }

    /// Rounded to `scale` decimals (negative: to tens, hundreds ...), half away from zero.
    #[must_use]
    pub fn round(&self, scale: i32) -> Self {
        let Self::Finite { unscaled, scale: own } = self else { return self.clone() };
        let own = i32::from(*own);
        let scale = scale.clamp(-(MAX_WHOLE_DIGITS as i32) - 1, MAX_SCALE);
        if scale >= own {
            return self.rescaled(scale);
        }
        let digits = div_round(unscaled, &pow10((own - scale).unsigned_abs()));
        Self::from_digits(digits, scale)
    }

    /// Cut off to `scale` decimals (negative: to tens, hundreds ...).
    #[must_use]
    pub fn trunc(&self, scale: i32) -> Self {
        let Self::Finite { unscaled, scale: own } = self else { return self.clone() };
        let own = i32::from(*own);
        let scale = scale.clamp(-(MAX_WHOLE_DIGITS as i32) - 1, MAX_SCALE);
        if scale >= own {
            return self.rescaled(scale);
        }
        Self::from_digits(unscaled / pow10((own - scale).unsigned_abs()), scale)
    }

    /// A number from digits before or behind the point; a negative scale appends zeros.
    fn from_digits(digits: BigInt, scale: i32) -> Self {
        if scale >= 0 {
            return Self::Finite { unscaled: digits, scale: scale.to_u16().expect("limited by the caller") };
        }
        if digits.is_zero() {
            return Self::zero();
        }
        Self::Finite { unscaled: digits * pow10(scale.unsigned_abs()), scale: 0 }
    }

    /// The same value with more decimals shown; `scale` is within limits and not below the present one.
    fn rescaled(&self, scale: i32) -> Self {
        let Self::Finite { unscaled, scale: own } = self else { return self.clone() };
        let more = scale - i32::from(*own);
        if more == 0 {
            return self.clone();
        }
        Self::Finite {
            unscaled: unscaled * pow10(more.unsigned_abs()),
            scale: scale.to_u16().expect("limited by the caller"),
        }
    }

    /// The largest integer not above the value.
    #[must_use]
    pub fn floor(&self) -> Self {
        let Self::Finite { unscaled, scale } = self else { return self.clone() };
        let unit = pow10(u32::from(*scale));
        let whole = unscaled / &unit;
        let below = unscaled.is_negative() && !(unscaled % &unit).is_zero();
        Self::Finite { unscaled: if below { whole - 1 } else { whole }, scale: 0 }
    }

    /// The smallest integer not below the value.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.negated().floor().negated()
    }

    /// Applies `numeric(precision, scale)`; `typmod` is PostgreSQL's encoding.
    ///
    /// # Errors
    /// `22003` when the rounded number has too many digits before the point, or is infinite.
    pub fn apply_typmod(self, typmod: i32) -> Result<Self> {
        if typmod < 4 {
            return Ok(self);
        }
        let (precision, scale) = precision_and_scale(typmod);
        match &self {
            Self::NaN => return Ok(self),
            Self::Infinity | Self::NegInfinity => {
                return Err(crate::error!(NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(format!(
                    "A field with precision {precision}, scale {scale} cannot hold an infinite value."
                )));
            }
            Self::Finite { .. } => {}
        }
        let rounded = self.round(scale);
        let Self::Finite { unscaled, scale: own } = &rounded else { return Ok(rounded) };
        let whole_digits = digit_count(unscaled) - i64::from(*own);
        let limit = precision - scale;
        if !unscaled.is_zero() && whole_digits > i64::from(limit) {
            let bound = if limit == 0 { "1".to_owned() } else { format!("10^{limit}") };
            return Err(crate::error!(NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {bound}."
            )));
        }
        Ok(rounded)
    }
}

/// Takes apart the typmod of `numeric(precision, scale)`.
#[must_use]
pub fn precision_and_scale(typmod: i32) -> (i32, i32) {
    let packed = typmod - 4;
    ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 0x400) - 0x400)
}

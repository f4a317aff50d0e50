//! Exponential, logarithms and powers of `numeric`.
//!
//! Values are computed in binary fixed point with guard bits far beyond the result's scale, which is PostgreSQL's: the
//! exponential by halving its argument and squaring its Taylor series, the logarithm from `atanh` after taking square
//! roots, `ln 2` by a Machin-like sum of `atanh`s of small fractions.

use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::bail;
use crate::error::Result;

use super::{
    BASE_DIGITS, MAX_DISPLAY_SCALE, MAX_WHOLE_DIGITS, MIN_SIGNIFICANT_DIGITS, Numeric, digit_count, div_round,
    overflow, pow10,
};

/// Guard bits beyond what the result needs.
const GUARD_BITS: u32 = 64;
/// Results beyond e to this power overflow or vanish, PostgreSQL's crude test.
const EXP_LIMIT: f64 = 6_000.0;

/// Bits behind the binary point that hold `digits` decimals and the guard.
fn bits_for(digits: i32) -> u32 {
    (f64::from(digits.max(0)) * std::f64::consts::LOG2_10) as u32 + GUARD_BITS
}

/// A decimal as a fixed-point number.
fn to_fixed(unscaled: &BigInt, scale: i32, bits: u32) -> BigInt {
    (unscaled << bits) / pow10(scale.unsigned_abs())
}

/// A fixed-point number rounded to a decimal.
fn from_fixed(value: &BigInt, bits: u32, scale: i32) -> Result<Numeric> {
    let scaled = value * pow10(scale.unsigned_abs());
    Numeric::finite(div_round(&scaled, &(BigInt::one() << bits)), scale)
}

/// `atanh(1 / n)`.
fn atanh_inverse(n: u32, bits: u32) -> BigInt {
    let square = n * n;
    let mut term = (BigInt::one() << bits) / n;
    let mut sum = term.clone();
    let mut k = 3u32;
    while !term.is_zero() {
        term /= square;
        sum += &term / k;
        k += 2;
    }
    sum
}

fn ln2(bits: u32) -> BigInt {
    atanh_inverse(26, bits) * 18u32 - atanh_inverse(4801, bits) * 2u32 + atanh_inverse(8749, bits) * 8u32
}

/// `exp(x)` of a fixed-point number; the result has the same number of bits behind the point.
fn exp_fixed(x: &BigInt, bits: u32) -> BigInt {
    const HALVINGS: u32 = 12;
    let work = bits + 2 * HALVINGS + 16;
    let x: BigInt = x << (work - bits);
    let ln2 = ln2(work);
    let turns = (&x / &ln2).to_i64().expect("callers bound the argument");
    let rest: BigInt = (&x - &ln2 * turns) >> HALVINGS;
    let one = BigInt::one() << work;
    let mut term = one.clone();
    let mut sum = one;
    let mut k = 1u32;
    loop {
        term = ((&term * &rest) >> work) / k;
        if term.is_zero() || term == BigInt::from(-1) {
            break;
        }
        sum += &term;
        k += 1;
    }
    for _ in 0..HALVINGS {
        sum = (&sum * &sum) >> work;
    }
    let shift = i64::from(work - bits) - turns;
    if shift >= 0 { sum >> shift.unsigned_abs() } else { sum << shift.unsigned_abs() }
}

/// `ln(unscaled * 10^-scale)` of a positive decimal.
fn ln_fixed(unscaled: &BigInt, scale: i32, bits: u32) -> BigInt {
    const ROOTS: u32 = 8;
    let work = bits + 2 * ROOTS + 32;
    // x = m * 2^k with m in [1, 2).
    let denominator = pow10(scale.unsigned_abs());
    let k = unscaled.bits() as i64 - denominator.bits() as i64;
    let shift = i64::from(work) - k;
    let mut m = if shift >= 0 {
        (unscaled << shift.unsigned_abs()) / &denominator
    } else {
        unscaled / (&denominator << shift.unsigned_abs())
    };
    for _ in 0..ROOTS {
        m = (m << work).sqrt();
    }
    let one = BigInt::one() << work;
    let z: BigInt = ((&m - &one) << work) / (&m + &one);
    let square: BigInt = (&z * &z) >> work;
    let mut term = z.clone();
    let mut sum = z;
    let mut n = 3u32;
    loop {
        term = (&term * &square) >> work;
        let part = &term / n;
        if part.is_zero() || part == BigInt::from(-1) {
            break;
        }
        sum += part;
        n += 2;
    }
    let result: BigInt = (sum << (ROOTS + 1)) + ln2(work) * k;
    result >> (work - bits)
}

/// PostgreSQL's estimate of the decimal weight of `ln(x)`, from which scales follow.
fn ln_weight(unscaled: &BigInt, scale: i32) -> i32 {
    let one = pow10(scale.unsigned_abs());
    let ten_x = unscaled * 10u32;
    if ten_x >= &one * 9u32 && ten_x <= &one * 11u32 {
        let (weight, first) = Numeric::base_weight(&(unscaled - &one), scale);
        return if first == 0 { 0 } else { weight * BASE_DIGITS + f64::from(first).log10() as i32 };
    }
    let count = digit_count(unscaled);
    let head = i32::try_from(count.min(8)).expect("at most eight");
    let leading = (unscaled / pow10(u32::try_from(count).expect("limited") - head.unsigned_abs())).to_f64();
    let exponent = count as f64 - f64::from(head) - f64::from(scale);
    let ln = leading.expect("eight digits").ln() + exponent * std::f64::consts::LN_10;
    ln.abs().log10() as i32
}

fn result_scale(weight: i32, least: i32) -> i32 {
    (MIN_SIGNIFICANT_DIGITS - weight).max(least).clamp(0, MAX_DISPLAY_SCALE)
}

fn check_logarithm(value: &Numeric) -> Result<()> {
    match value.signum() {
        0 => bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero"),
        -1 => bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number"),
        _ => Ok(()),
    }
}

impl Numeric {
    /// The natural logarithm.
    ///
    /// # Errors
    /// `2201E` for zero and negative numbers.
    pub fn ln(&self) -> Result<Self> {
        if self.is_nan() {
            return Ok(Self::NaN);
        }
        check_logarithm(self)?;
        let Self::Finite { unscaled, scale } = self else { return Ok(Self::Infinity) };
        let scale = i32::from(*scale);
        let result = result_scale(ln_weight(unscaled, scale), scale);
        let bits = bits_for(result);
        from_fixed(&ln_fixed(unscaled, scale, bits), bits, result)
    }

    /// The logarithm to base `base`.
    ///
    /// # Errors
    /// `2201E` for zero and negative numbers, `22012` for base 1.
    pub fn log(base: &Self, number: &Self) -> Result<Self> {
        if base.is_nan() || number.is_nan() {
            return Ok(Self::NaN);
        }
        check_logarithm(base)?;
        check_logarithm(number)?;
        let (Self::Finite { unscaled: b, scale: scale_b }, Self::Finite { unscaled: n, scale: scale_n }) =
            (base, number)
        else {
            return Ok(match (base.is_finite(), number.is_finite()) {
                (true, false) => Self::Infinity,
                (false, true) => Self::zero(),
                _ => Self::NaN,
            });
        };
        let (scale_b, scale_n) = (i32::from(*scale_b), i32::from(*scale_n));
        let (weight_b, weight_n) = (ln_weight(b, scale_b), ln_weight(n, scale_n));
        let result = result_scale(weight_n - weight_b, scale_b.max(scale_n));
        // A base near 1 has a small logarithm, whose relative precision counts.
        let bits = bits_for(result + weight_b.abs() + weight_n.abs() + 8);
        let denominator = ln_fixed(b, scale_b, bits);
        if denominator.abs() <= BigInt::from(1u32 << 16) {
            bail!(DIVISION_BY_ZERO, "division by zero");
        }
        let quotient: BigInt = (ln_fixed(n, scale_n, bits) << bits) / denominator;
        from_fixed(&quotient, bits, result)
    }

    /// e to the power of the value.
    ///
    /// # Errors
    /// `22003` beyond the format's limits.
    pub fn exp(&self) -> Result<Self> {
        let (unscaled, scale) = match self {
            Self::NaN | Self::Infinity => return Ok(self.clone()),
            Self::NegInfinity => return Ok(Self::zero()),
            Self::Finite { unscaled, scale } => (unscaled, i32::from(*scale)),
        };
        let value = self.to_f64_lossy();
        let weight = (value * std::f64::consts::LOG10_E).clamp(-2_000.0, 2_000.0) as i32;
        let result = result_scale(weight, scale);
        if value.abs() >= EXP_LIMIT {
            return if value > 0.0 { overflow() } else { Self::finite(BigInt::zero(), result) };
        }
        // The result's digits before the point also rest on the argument's precision.
        let bits = bits_for(result + weight.max(0) + 8);
        from_fixed(&exp_fixed(&to_fixed(unscaled, scale, bits), bits), bits, result)
    }

    /// The value to the power of `exponent`.
    ///
    /// # Errors
    /// `2201F` for zero to a negative power and for a negative number to a broken power, `22003` on overflow.
    pub fn power(&self, exponent: &Self) -> Result<Self> {
        if let Some(special) = self.power_special(exponent)? {
            return Ok(special);
        }
        let (Self::Finite { unscaled: b, scale: scale_b }, Self::Finite { unscaled: e, scale: scale_e }) =
            (self, exponent)
        else {
            return Ok(Self::NaN);
        };
        let (scale_b, scale_e) = (i32::from(*scale_b), i32::from(*scale_e));
        let unit = pow10(scale_e.unsigned_abs());
        if (e % &unit).is_zero() {
            if let Some(whole) = (e / &unit).to_i32() {
                return power_int(b, scale_b, whole, scale_e);
            }
        } else if b.is_negative() {
            bail!(
                INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                "a negative number raised to a non-integer power yields a complex result"
            );
        }
        if b.is_zero() {
            return Self::finite(BigInt::zero(), MIN_SIGNIFICANT_DIGITS);
        }
        // Here a negative base has a huge integer exponent; only its parity decides the sign.
        let odd = ((e / &unit) % 2u32).is_one() || ((e / &unit) % 2u32) == BigInt::from(-1);
        let magnitude = power_by_logarithm(&b.abs(), scale_b, e, scale_e, None)?;
        Ok(if b.is_negative() && odd { magnitude.negated() } else { magnitude })
    }

    /// The powers that involve NaN, infinities and zero; `None` for ordinary ones.
    fn power_special(&self, exponent: &Self) -> Result<Option<Self>> {
        let one = |value: &Self| value.compare(&Self::from_i64(1)).is_eq();
        let answer = |value: Self| Ok(Some(value));
        if self.is_nan() || exponent.is_nan() {
            let is_one =
                (self.is_nan() && exponent.signum() == 0 && !exponent.is_nan()) || (!self.is_nan() && one(self));
            return answer(if is_one { Self::from_i64(1) } else { Self::NaN });
        }
        if self.signum() == 0 && exponent.signum() < 0 {
            bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
        }
        if self.is_finite() && exponent.is_finite() {
            return Ok(None);
        }
        if one(self) || (exponent.is_finite() && exponent.signum() == 0) {
            return answer(Self::from_i64(1));
        }
        if !exponent.is_finite() {
            if one(&self.absolute()) {
                return answer(Self::from_i64(1));
            }
            let above = self.absolute().compare(&Self::from_i64(1)).is_gt();
            return answer(if above == (exponent.signum() > 0) { Self::Infinity } else { Self::zero() });
        }
        if exponent.signum() < 0 {
            return answer(Self::zero());
        }
        let Self::Finite { unscaled, scale } = exponent else { return answer(Self::NaN) };
        let unit = pow10(u32::from(*scale));
        let odd = (unscaled % &unit).is_zero() && ((unscaled / &unit) % 2u32).is_one();
        if self.signum() < 0 && !(unscaled % &unit).is_zero() {
            bail!(
                INVALID_ARGUMENT_FOR_POWER_FUNCTION,
                "a negative number raised to a non-integer power yields a complex result"
            );
        }
        answer(if self.signum() < 0 && odd { Self::NegInfinity } else { Self::Infinity })
    }
}

/// A power with an integer exponent.
fn power_int(b: &BigInt, scale_b: i32, exponent: i32, scale_e: i32) -> Result<Numeric> {
    let estimate = if b.is_zero() {
        0.0
    } else {
        let count = digit_count(b);
        let head = count.min(16);
        let leading = (b.abs() / pow10(u32::try_from(count - head).expect("limited"))).to_f64();
        let place = (count - head) as f64 - f64::from(scale_b);
        f64::from(exponent) * (leading.expect("sixteen digits").log10() + place)
    };
    if estimate > MAX_WHOLE_DIGITS as f64 {
        return overflow();
    }
    if estimate + 1.0 < -f64::from(MAX_DISPLAY_SCALE) {
        return Numeric::finite(BigInt::zero(), MAX_DISPLAY_SCALE);
    }
    let result = result_scale(estimate as i32, scale_b.max(scale_e));
    if b.is_zero() && exponent != 0 {
        return Numeric::finite(BigInt::zero(), result);
    }
    let count = exponent.unsigned_abs();
    if u64::from(count).saturating_mul(b.bits()) > 1_000_000 && !b.magnitude().is_one() {
        let e = BigInt::from(exponent);
        let magnitude = power_by_logarithm(&b.abs(), scale_b, &e, 0, Some(result))?;
        return Ok(if b.is_negative() && exponent % 2 != 0 { magnitude.negated() } else { magnitude });
    }
    let power = b.pow(count);
    let power_scale = i64::from(scale_b) * i64::from(count);
    let unit = pow10(u32::try_from(power_scale).map_or_else(|_| overflow(), Ok)?);
    let (mut numerator, mut denominator) = if exponent >= 0 { (power, unit) } else { (unit, power) };
    if denominator.is_negative() {
        numerator = -numerator;
        denominator = -denominator;
    }
    Numeric::finite(div_round(&(numerator * pow10(result.unsigned_abs())), &denominator), result)
}

/// `exp(e * ln b)` of a positive base; the scale is PostgreSQL's unless given.
fn power_by_logarithm(b: &BigInt, scale_b: i32, e: &BigInt, scale_e: i32, given: Option<i32>) -> Result<Numeric> {
    let rough_scale = (8 - ln_weight(b, scale_b)).max(0);
    let rough_bits = bits_for(rough_scale + 8);
    let rough_ln = from_fixed(&ln_fixed(b, scale_b, rough_bits), rough_bits, rough_scale)?;
    // PostgreSQL rounds the estimate to few digits, and the scale follows from the rounded one.
    let value = rough_ln.mul(&Numeric::finite(e.clone(), scale_e)?)?.round(rough_scale).to_f64_lossy();
    let limit = if given.is_some() { MAX_WHOLE_DIGITS as f64 * std::f64::consts::LN_10 } else { 6_020.0 };
    if value.abs() > limit {
        return if value > 0.0 { overflow() } else { Numeric::finite(BigInt::zero(), MAX_DISPLAY_SCALE) };
    }
    let weight = (value * std::f64::consts::LOG10_E) as i32;
    let result = given.unwrap_or_else(|| result_scale(weight, scale_b.max(scale_e)));
    let exponent_digits = i32::try_from(digit_count(e)).expect("limited").max(1);
    let bits = bits_for(result + weight.max(0) + exponent_digits + 8);
    let product = ln_fixed(b, scale_b, bits) * e / pow10(scale_e.unsigned_abs());
    from_fixed(&exp_fixed(&product, bits), bits, result)
}

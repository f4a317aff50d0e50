//! Arithmetic on intervals, with PostgreSQL's cascading of fractions from months to days to time.

use crate::bail;
use crate::error::Result;
use crate::types::datetime::{USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC, round_micros};
use crate::types::typmod::{
    INTERVAL_DAY, INTERVAL_FULL_PRECISION, INTERVAL_FULL_RANGE, INTERVAL_HOUR, INTERVAL_MINUTE, INTERVAL_MONTH,
    INTERVAL_SECOND, INTERVAL_YEAR,
};

use super::Interval;

/// Days that a month counts where one must.
const DAYS_PER_MONTH: i32 = 30;
/// Seconds in a day.
const SECS_PER_DAY: f64 = 86_400.0;

pub(crate) fn out_of_range<T>() -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// Rounds to microseconds of a unit, as PostgreSQL smooths float noise.
fn smooth(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

fn to_i32(value: f64) -> Result<i32> {
    if value.is_nan() || value < f64::from(i32::MIN) || value >= 2_147_483_648.0 {
        return out_of_range();
    }
    Ok(value as i32)
}

impl Interval {
    /// `infinity`.
    pub const INFINITY: Self = Self { months: i32::MAX, days: i32::MAX, micros: i64::MAX };
    /// `-infinity`.
    pub const NEG_INFINITY: Self = Self { months: i32::MIN, days: i32::MIN, micros: i64::MIN };
    /// No time at all.
    pub const ZERO: Self = Self { months: 0, days: 0, micros: 0 };

    /// An interval of time only.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self { months: 0, days: 0, micros }
    }

    /// Whether this is neither infinity.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        *self != Self::INFINITY && *self != Self::NEG_INFINITY
    }

    /// The length that comparison goes by: a month is 30 days, a day 24 hours. In microseconds.
    #[must_use]
    pub fn total_micros(&self) -> i128 {
        let days = i128::from(self.months) * i128::from(DAYS_PER_MONTH) + i128::from(self.days);
        days * i128::from(USECS_PER_DAY) + i128::from(self.micros)
    }

    /// Fields that must not happen to look like an infinity.
    pub(crate) fn finite(months: i32, days: i32, micros: i64) -> Result<Self> {
        let value = Self { months, days, micros };
        if value.is_finite() { Ok(value) } else { out_of_range() }
    }

    /// The interval with all signs changed.
    ///
    /// # Errors
    /// `22008` when a field has no negative.
    pub fn negated(&self) -> Result<Self> {
        if *self == Self::INFINITY {
            return Ok(Self::NEG_INFINITY);
        }
        if *self == Self::NEG_INFINITY {
            return Ok(Self::INFINITY);
        }
        match (self.months.checked_neg(), self.days.checked_neg(), self.micros.checked_neg()) {
            (Some(months), Some(days), Some(micros)) => Self::finite(months, days, micros),
            _ => out_of_range(),
        }
    }

    /// The sum, field by field.
    ///
    /// # Errors
    /// `22008` on overflow and for opposite infinities.
    pub fn add(&self, other: &Self) -> Result<Self> {
        match (self.is_finite(), other.is_finite()) {
            (false, true) => return Ok(*self),
            (true, false) => return Ok(*other),
            (false, false) => return if self == other { Ok(*self) } else { out_of_range() },
            (true, true) => {}
        }
        let fields = (
            self.months.checked_add(other.months),
            self.days.checked_add(other.days),
            self.micros.checked_add(other.micros),
        );
        match fields {
            (Some(months), Some(days), Some(micros)) => Self::finite(months, days, micros),
            _ => out_of_range(),
        }
    }

    /// The difference, field by field.
    ///
    /// # Errors
    /// `22008` on overflow and for equal infinities.
    pub fn sub(&self, other: &Self) -> Result<Self> {
        if !self.is_finite() && self == other {
            return out_of_range();
        }
        self.add(&other.negated()?)
    }

    /// The interval times a factor; fractions of months become days, fractions of days time.
    ///
    /// # Errors
    /// `22008` on overflow.
    pub fn mul(&self, factor: f64) -> Result<Self> {
        if factor.is_nan() {
            return out_of_range();
        }
        if !self.is_finite() || factor.is_infinite() {
            let sign = self.total_micros().signum() as f64 * if factor == 0.0 { 0.0 } else { factor.signum() };
            return match sign {
                0.0 => out_of_range(),
                sign if sign > 0.0 => Ok(Self::INFINITY),
                _ => Ok(Self::NEG_INFINITY),
            };
        }
        self.scaled(|value| value * factor)
    }

    /// The interval divided by a factor.
    ///
    /// # Errors
    /// `22012` for zero, `22008` on overflow.
    pub fn div(&self, factor: f64) -> Result<Self> {
        if factor == 0.0 {
            bail!(DIVISION_BY_ZERO, "division by zero");
        }
        if factor.is_nan() {
            return out_of_range();
        }
        if !self.is_finite() {
            if factor.is_infinite() {
                return out_of_range();
            }
            return if factor < 0.0 { self.negated() } else { Ok(*self) };
        }
        self.scaled(|value| value / factor)
    }

    fn scaled(&self, scale: impl Fn(f64) -> f64) -> Result<Self> {
        let months = scale(f64::from(self.months));
        let whole_months = to_i32(months)?;
        let days = scale(f64::from(self.days));
        let whole_days = to_i32(days)?;
        let month_days = smooth((months - f64::from(whole_months)) * f64::from(DAYS_PER_MONTH));
        let mut seconds = smooth((days - f64::from(whole_days) + month_days - month_days.trunc()) * SECS_PER_DAY);
        let mut result_days = i64::from(whole_days);
        if seconds.abs() >= SECS_PER_DAY {
            let carried = (seconds / SECS_PER_DAY).trunc();
            result_days += carried as i64;
            seconds -= carried * SECS_PER_DAY;
        }
        result_days += month_days as i64;
        let Ok(result_days) = i32::try_from(result_days) else { return out_of_range() };
        let micros = (scale(self.micros as f64) + seconds * 1e6).round_ties_even();
        if micros.is_nan() || micros < i64::MIN as f64 || micros >= i64::MAX as f64 {
            return out_of_range();
        }
        Self::finite(whole_months, result_days, micros as i64)
    }

    /// Whole days out of the time, with signs that agree.
    ///
    /// # Errors
    /// `22008` on overflow.
    pub fn justify_hours(&self) -> Result<Self> {
        if !self.is_finite() {
            return Ok(*self);
        }
        let (mut micros, whole) = (self.micros % USECS_PER_DAY, self.micros / USECS_PER_DAY);
        let mut days = i64::from(self.days) + whole;
        if days > 0 && micros < 0 {
            micros += USECS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= USECS_PER_DAY;
            days += 1;
        }
        i32::try_from(days).map_or_else(|_| out_of_range(), |days| Self::finite(self.months, days, micros))
    }

    /// Whole months (30 days each) out of the days, with signs that agree.
    ///
    /// # Errors
    /// `22008` on overflow.
    pub fn justify_days(&self) -> Result<Self> {
        if !self.is_finite() {
            return Ok(*self);
        }
        let mut days = self.days % DAYS_PER_MONTH;
        let mut months = i64::from(self.months) + i64::from(self.days / DAYS_PER_MONTH);
        if months > 0 && days < 0 {
            days += DAYS_PER_MONTH;
            months -= 1;
        } else if months < 0 && days > 0 {
            days -= DAYS_PER_MONTH;
            months += 1;
        }
        i32::try_from(months).map_or_else(|_| out_of_range(), |months| Self::finite(months, days, self.micros))
    }

    /// Both justifications, with all signs agreeing.
    ///
    /// # Errors
    /// `22008` on overflow.
    pub fn justify_interval(&self) -> Result<Self> {
        if !self.is_finite() {
            return Ok(*self);
        }
        let (mut months, mut days, mut micros) = (i64::from(self.months), i64::from(self.days), self.micros);
        let per_month = i64::from(DAYS_PER_MONTH);
        days += micros / USECS_PER_DAY;
        micros %= USECS_PER_DAY;
        months += days / per_month;
        days %= per_month;
        if months > 0 && (days < 0 || (days == 0 && micros < 0)) {
            days += per_month;
            months -= 1;
        } else if months < 0 && (days > 0 || (days == 0 && micros > 0)) {
            days -= per_month;
            months += 1;
        }
        if days > 0 && micros < 0 {
            micros += USECS_PER_DAY;
            days -= 1;
        } else if days < 0 && micros > 0 {
            micros -= USECS_PER_DAY;
            days += 1;
        }
        match (i32::try_from(months), i32::try_from(days)) {
            (Ok(months), Ok(days)) => Self::finite(months, days, micros),
            _ => out_of_range(),
        }
    }

    /// Applies a field range and a precision of seconds.
    ///
    /// # Errors
    /// None at present; kept fallible for symmetry with the other types.
    pub fn apply_typmod(self, typmod: i32) -> Result<Self> {
        if typmod < 0 || !self.is_finite() {
            return Ok(self);
        }
        let mut value = self;
        let range = (typmod >> 16) & INTERVAL_FULL_RANGE;
        if range != INTERVAL_FULL_RANGE {
            if range == INTERVAL_YEAR {
                value = Self { months: value.months / 12 * 12, days: 0, micros: 0 };
            } else if range & INTERVAL_MONTH != 0 {
                value = Self { months: value.months, days: 0, micros: 0 };
            } else if range & INTERVAL_SECOND != 0 {
                // Seconds keep everything; the precision below rounds them.
            } else if range & INTERVAL_MINUTE != 0 {
                value.micros -= value.micros % USECS_PER_MINUTE;
            } else if range & INTERVAL_HOUR != 0 {
                value.micros -= value.micros % USECS_PER_HOUR;
            } else if range & INTERVAL_DAY != 0 {
                value.micros = 0;
            }
        }
        let precision = typmod & INTERVAL_FULL_PRECISION;
        if precision != INTERVAL_FULL_PRECISION {
            value.micros = round_micros(value.micros, precision);
        }
        Ok(value)
    }

    /// Whole seconds and microseconds, of the time part only.
    #[must_use]
    pub fn seconds_and_micros(&self) -> (i64, i64) {
        (self.micros / USECS_PER_SEC, self.micros % USECS_PER_SEC)
    }
}

//! The proleptic Gregorian calendar and the ranges of dates and timestamps.
//!
//! Days to dates and back by counting in 400-year eras that begin on 1 March (Howard Hinnant's "chrono-compatible
//! low-level date algorithms").

use crate::bail;
use crate::error::Result;

/// Microseconds in a second.
pub const USECS_PER_SEC: i64 = 1_000_000;
/// Microseconds in a minute.
pub const USECS_PER_MINUTE: i64 = 60 * USECS_PER_SEC;
/// Microseconds in an hour.
pub const USECS_PER_HOUR: i64 = 60 * USECS_PER_MINUTE;
/// Microseconds in a day.
pub const USECS_PER_DAY: i64 = 24 * USECS_PER_HOUR;

/// `infinity` as a date.
pub const DATE_INFINITY: i32 = i32::MAX;
/// `-infinity` as a date.
pub const DATE_NEG_INFINITY: i32 = i32::MIN;
/// `infinity` as a timestamp.
pub const TIMESTAMP_INFINITY: i64 = i64::MAX;
/// `-infinity` as a timestamp.
pub const TIMESTAMP_NEG_INFINITY: i64 = i64::MIN;

/// Julian day number of 2000-01-01.
pub const EPOCH_JULIAN: i32 = 2_451_545;
/// Days from 1970-01-01 to 2000-01-01.
pub const UNIX_EPOCH_DAYS: i32 = 10_957;
/// First date, 4714-11-24 BC.
pub const MIN_DATE: i32 = -EPOCH_JULIAN;
/// Last date, 5874897-12-31.
pub const MAX_DATE: i32 = 2_147_483_493 - EPOCH_JULIAN;
/// First timestamp, 4714-11-24 00:00:00 BC.
pub const MIN_TIMESTAMP: i64 = -211_813_488_000_000_000;
/// One past the last timestamp, 294277-01-01.
pub const END_TIMESTAMP: i64 = 9_223_371_331_200_000_000;

/// A date and time of day without a zone. Years are astronomical: 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Civil {
    pub year: i32,
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    pub micros: i32,
}

/// Whether the (astronomical) year has 366 days.
#[must_use]
pub fn is_leap_year(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in a month, 1..=12.
#[must_use]
pub fn days_in_month(year: i32, month: i32) -> i32 {
    match month {
        2 if is_leap_year(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 2000-01-01 of a date; months beyond 12 are not normalised, days beyond the month count on.
#[must_use]
pub fn days_from_civil(year: i32, month: i32, day: i32) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 730,425 days lie between 0000-03-01 and 2000-01-01.
    era * 146_097 + day_of_era - 730_425
}

/// Year, month and day of days since 2000-01-01.
#[must_use]
pub fn civil_from_days(days: i64) -> (i32, i32, i32) {
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as i32, day as i32)
}

impl Civil {
    /// The parts of a finite timestamp.
    #[must_use]
    pub fn from_timestamp(micros: i64) -> Self {
        let days = micros.div_euclid(USECS_PER_DAY);
        let mut civil = Self::from_time(micros.rem_euclid(USECS_PER_DAY));
        (civil.year, civil.month, civil.day) = civil_from_days(days);
        civil
    }

    /// The parts of a time of day; the date is left zero. 24:00:00 keeps hour 24.
    #[must_use]
    pub fn from_time(micros: i64) -> Self {
        Self {
            hour: (micros / USECS_PER_HOUR) as i32,
            minute: (micros / USECS_PER_MINUTE % 60) as i32,
            second: (micros / USECS_PER_SEC % 60) as i32,
            micros: (micros % USECS_PER_SEC) as i32,
            ..Self::default()
        }
    }

    /// Microseconds since midnight.
    #[must_use]
    pub fn time_of_day(&self) -> i64 {
        let seconds = (i64::from(self.hour) * 60 + i64::from(self.minute)) * 60 + i64::from(self.second);
        seconds * USECS_PER_SEC + i64::from(self.micros)
    }

    /// Days since 2000-01-01.
    #[must_use]
    pub fn days(&self) -> i64 {
        days_from_civil(self.year, self.month, self.day)
    }

    /// The timestamp; `None` outside the range of timestamps.
    #[must_use]
    pub fn to_timestamp(&self) -> Option<i64> {
        let micros = i128::from(self.days()) * i128::from(USECS_PER_DAY) + i128::from(self.time_of_day());
        i64::try_from(micros).ok().filter(|micros| in_timestamp_range(*micros))
    }
}

/// Whether a finite timestamp is one that PostgreSQL has.
#[must_use]
pub fn in_timestamp_range(micros: i64) -> bool {
    (MIN_TIMESTAMP..END_TIMESTAMP).contains(&micros)
}

/// Checks a date from outside; infinities pass.
///
/// # Errors
/// `22008` out of range.
pub fn check_date(days: i32) -> Result<i32> {
    if (MIN_DATE..=MAX_DATE).contains(&days) || days == DATE_INFINITY || days == DATE_NEG_INFINITY {
        return Ok(days);
    }
    bail!(DATETIME_FIELD_OVERFLOW, "date out of range")
}

/// Checks a timestamp from outside; infinities pass.
///
/// # Errors
/// `22008` out of range.
pub fn check_timestamp(micros: i64) -> Result<i64> {
    if in_timestamp_range(micros) || micros == TIMESTAMP_INFINITY || micros == TIMESTAMP_NEG_INFINITY {
        return Ok(micros);
    }
    bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// Rounds to `precision` decimals of a second, half away from zero; infinities and precisions of 6 and more stay.
#[must_use]
pub fn round_micros(micros: i64, precision: i32) -> i64 {
    if !(0..6).contains(&precision) || micros == i64::MAX || micros == i64::MIN {
        return micros;
    }
    let unit = 10i64.pow(6 - precision.unsigned_abs());
    let half = unit / 2;
    if micros >= 0 {
        micros.saturating_add(half) / unit * unit
    } else {
        -((-micros).saturating_add(half) / unit * unit)
    }
}

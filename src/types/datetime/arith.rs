//! Arithmetic between dates, times, timestamps and intervals.

use crate::bail;
use crate::error::Result;
use crate::types::interval::Interval;
use crate::types::timestamp::instant;
use crate::types::timezone::Zone;

use super::calendar::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, MAX_DATE, MIN_DATE, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY,
    USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC, civil_from_days, days_in_month, in_timestamp_range,
};

/// The error of a timestamp beyond its range.
pub(crate) fn timestamp_out_of_range<T>() -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

/// The error of a date beyond its range.
pub(crate) fn date_out_of_range<T>() -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "date out of range")
}

fn interval_out_of_range<T>() -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// Whether a timestamp is no infinity.
#[must_use]
pub fn timestamp_is_finite(value: i64) -> bool {
    value != TIMESTAMP_INFINITY && value != TIMESTAMP_NEG_INFINITY
}

/// Whether a date is no infinity.
#[must_use]
pub fn date_is_finite(value: i32) -> bool {
    value != DATE_INFINITY && value != DATE_NEG_INFINITY
}

/// Infinite operands of timestamp plus interval; `None` when both are finite.
fn infinite_sum(value: i64, span: &Interval) -> Option<Result<i64>> {
    if span.is_finite() {
        return (!timestamp_is_finite(value)).then_some(Ok(value));
    }
    let infinity = if *span == Interval::INFINITY { TIMESTAMP_INFINITY } else { TIMESTAMP_NEG_INFINITY };
    if timestamp_is_finite(value) || value == infinity { Some(Ok(infinity)) } else { Some(timestamp_out_of_range()) }
}

/// Adds months to a civil date; the day is cut to the month's length.
fn add_months(civil: &mut Civil, months: i32) -> Result<()> {
    let total = i64::from(civil.month) - 1 + i64::from(months);
    let year = i64::from(civil.year) + total.div_euclid(12);
    let Ok(year) = i32::try_from(year) else { return timestamp_out_of_range() };
    civil.year = year;
    civil.month = total.rem_euclid(12) as i32 + 1;
    civil.day = civil.day.min(days_in_month(civil.year, civil.month));
    Ok(())
}

fn add_days(civil: &mut Civil, days: i32) {
    let (year, month, day) = civil_from_days(civil.days() + i64::from(days));
    (civil.year, civil.month, civil.day) = (year, month, day);
}

fn plus_micros(value: i64, micros: i64) -> Result<i64> {
    match value.checked_add(micros) {
        Some(sum) if in_timestamp_range(sum) => Ok(sum),
        _ => timestamp_out_of_range(),
    }
}

/// `timestamp + interval`.
///
/// # Errors
/// `22008` out of range.
pub fn timestamp_plus(value: i64, span: &Interval) -> Result<i64> {
    if let Some(infinite) = infinite_sum(value, span) {
        return infinite;
    }
    let mut value = value;
    if span.months != 0 || span.days != 0 {
        let mut civil = Civil::from_timestamp(value);
        add_months(&mut civil, span.months)?;
        add_days(&mut civil, span.days);
        value = civil.to_timestamp().map_or_else(timestamp_out_of_range, Ok)?;
    }
    plus_micros(value, span.micros)
}

/// `timestamptz + interval`: months and days are counted on the calendar of `zone`.
///
/// # Errors
/// `22008` out of range.
pub fn timestamptz_plus(value: i64, span: &Interval, zone: &Zone) -> Result<i64> {
    if let Some(infinite) = infinite_sum(value, span) {
        return infinite;
    }
    let mut value = value;
    if span.months != 0 {
        let mut civil = local(value, zone);
        add_months(&mut civil, span.months)?;
        value = instant(&civil, zone.offset_of_local(&civil)).map_or_else(timestamp_out_of_range, Ok)?;
    }
    if span.days != 0 {
        let mut civil = local(value, zone);
        add_days(&mut civil, span.days);
        value = instant(&civil, zone.offset_of_local(&civil)).map_or_else(timestamp_out_of_range, Ok)?;
    }
    plus_micros(value, span.micros)
}

/// The local time of a finite instant.
#[must_use]
pub fn local(value: i64, zone: &Zone) -> Civil {
    Civil::from_timestamp(value + i64::from(zone.offset_at(value)) * USECS_PER_SEC)
}

/// `timestamp - timestamp`: days and time.
///
/// # Errors
/// `22008` out of range and for equal infinities.
pub fn timestamp_minus(left: i64, right: i64) -> Result<Interval> {
    match (timestamp_is_finite(left), timestamp_is_finite(right)) {
        (true, true) => match left.checked_sub(right) {
            Some(micros) => Interval::from_micros(micros).justify_hours(),
            None => interval_out_of_range(),
        },
        (false, false) if left == right => interval_out_of_range(),
        (false, _) => Ok(if left == TIMESTAMP_INFINITY { Interval::INFINITY } else { Interval::NEG_INFINITY }),
        (true, false) => Ok(if right == TIMESTAMP_INFINITY { Interval::NEG_INFINITY } else { Interval::INFINITY }),
    }
}

/// `timestamp without time zone` to an instant in `zone`.
///
/// # Errors
/// `22008` out of range.
pub fn timestamp_at_zone(value: i64, zone: &Zone) -> Result<i64> {
    if !timestamp_is_finite(value) {
        return Ok(value);
    }
    let civil = Civil::from_timestamp(value);
    instant(&civil, zone.offset_of_local(&civil)).map_or_else(timestamp_out_of_range, Ok)
}

/// An instant to the local time in `zone`.
///
/// # Errors
/// `22008` out of range.
pub fn timestamptz_at_zone(value: i64, zone: &Zone) -> Result<i64> {
    if !timestamp_is_finite(value) {
        return Ok(value);
    }
    plus_micros(value, i64::from(zone.offset_at(value)) * USECS_PER_SEC)
}

/// A date at midnight.
///
/// # Errors
/// `22008` beyond the range of timestamps.
pub fn date_to_timestamp(days: i32) -> Result<i64> {
    match days {
        DATE_INFINITY => Ok(TIMESTAMP_INFINITY),
        DATE_NEG_INFINITY => Ok(TIMESTAMP_NEG_INFINITY),
        _ => {
            let micros = i128::from(days) * i128::from(USECS_PER_DAY);
            match i64::try_from(micros) {
                Ok(micros) if in_timestamp_range(micros) => Ok(micros),
                _ => bail!(DATETIME_FIELD_OVERFLOW, "date out of range for timestamp"),
            }
        }
    }
}

/// A date at midnight in `zone`.
///
/// # Errors
/// `22008` beyond the range of timestamps.
pub fn date_to_timestamptz(days: i32, zone: &Zone) -> Result<i64> {
    let value = date_to_timestamp(days)?;
    if !timestamp_is_finite(value) {
        return Ok(value);
    }
    let civil = Civil::from_timestamp(value);
    match instant(&civil, zone.offset_of_local(&civil)) {
        Some(value) => Ok(value),
        None => bail!(DATETIME_FIELD_OVERFLOW, "date out of range for timestamp"),
    }
}

/// The date of a timestamp.
#[must_use]
pub fn timestamp_to_date(value: i64) -> i32 {
    match value {
        TIMESTAMP_INFINITY => DATE_INFINITY,
        TIMESTAMP_NEG_INFINITY => DATE_NEG_INFINITY,
        // The range of timestamps lies within that of dates.
        _ => value.div_euclid(USECS_PER_DAY) as i32,
    }
}

/// `date + integer`.
///
/// # Errors
/// `22008` out of range.
pub fn date_plus_days(date: i32, days: i32) -> Result<i32> {
    if !date_is_finite(date) {
        return Ok(date);
    }
    match date.checked_add(days) {
        Some(sum) if (MIN_DATE..=MAX_DATE).contains(&sum) => Ok(sum),
        _ => date_out_of_range(),
    }
}

/// `date - date`, in days.
///
/// # Errors
/// `22008` for infinities.
pub fn date_minus(left: i32, right: i32) -> Result<i32> {
    if !date_is_finite(left) || !date_is_finite(right) {
        bail!(DATETIME_FIELD_OVERFLOW, "cannot subtract infinite dates");
    }
    // Both lie within the range of dates, so the difference fits.
    Ok((i64::from(left) - i64::from(right)) as i32)
}

/// `time + interval`: the time of day, wrapped around midnight.
///
/// # Errors
/// `22008` for an infinite interval.
pub fn time_plus(time: i64, span: &Interval, subtract: bool) -> Result<i64> {
    if !span.is_finite() {
        let what = if subtract { "subtract infinite interval from time" } else { "add infinite interval to time" };
        bail!(DATETIME_FIELD_OVERFLOW, "cannot {what}");
    }
    let micros = span.micros % USECS_PER_DAY;
    let micros = if subtract { -micros } else { micros };
    Ok((time + micros).rem_euclid(USECS_PER_DAY))
}

/// `age(left, right)`: the difference in years, months, days and time as a person counts it.
///
/// # Errors
/// `22008` for equal infinities.
pub fn age(left: i64, right: i64) -> Result<Interval> {
    if !timestamp_is_finite(left) || !timestamp_is_finite(right) {
        return timestamp_minus(left, right);
    }
    age_of_civil(&Civil::from_timestamp(left), &Civil::from_timestamp(right), left < right)
}

/// `age` of two instants, in the local times of `zone`.
///
/// # Errors
/// `22008` for equal infinities.
pub fn age_in_zone(left: i64, right: i64, zone: &Zone) -> Result<Interval> {
    if !timestamp_is_finite(left) || !timestamp_is_finite(right) {
        return timestamp_minus(left, right);
    }
    age_of_civil(&local(left, zone), &local(right, zone), left < right)
}

fn age_of_civil(left: &Civil, right: &Civil, reversed: bool) -> Result<Interval> {
    let (later, earlier) = if reversed { (right, left) } else { (left, right) };
    let mut years = later.year - earlier.year;
    let mut months = later.month - earlier.month;
    let mut days = later.day - earlier.day;
    let mut micros = later.time_of_day() - earlier.time_of_day();
    while micros < 0 {
        micros += USECS_PER_DAY;
        days -= 1;
    }
    while days < 0 {
        // PostgreSQL borrows the length of the earlier date's month.
        days += if reversed { days_in_month(left.year, left.month) } else { days_in_month(right.year, right.month) };
        months -= 1;
    }
    while months < 0 {
        months += 12;
        years -= 1;
    }
    let value = Interval { months: years * 12 + months, days, micros };
    if reversed { value.negated() } else { Ok(value) }
}

/// `date_bin(stride, source, origin)`.
///
/// # Errors
/// `0A000` for a stride with months or infinities, `22008` for a stride that is not positive.
pub fn bin(stride: &Interval, source: i64, origin: i64) -> Result<i64> {
    if !timestamp_is_finite(source) {
        return Ok(source);
    }
    if !timestamp_is_finite(origin) {
        bail!(DATETIME_FIELD_OVERFLOW, "origin out of range");
    }
    if !stride.is_finite() {
        bail!(DATETIME_FIELD_OVERFLOW, "timestamps cannot be binned into infinite intervals");
    }
    if stride.months != 0 {
        bail!(FEATURE_NOT_SUPPORTED, "timestamps cannot be binned into intervals containing months or years");
    }
    let step = i64::from(stride.days).checked_mul(USECS_PER_DAY).and_then(|days| days.checked_add(stride.micros));
    let Some(step) = step else { return interval_out_of_range() };
    if step <= 0 {
        bail!(DATETIME_FIELD_OVERFLOW, "stride must be greater than zero");
    }
    let Some(distance) = source.checked_sub(origin) else { return interval_out_of_range() };
    let bins = distance.div_euclid(step);
    match bins.checked_mul(step).and_then(|micros| origin.checked_add(micros)) {
        Some(value) if in_timestamp_range(value) => Ok(value),
        _ => timestamp_out_of_range(),
    }
}

/// `make_time` and the time of `make_timestamp`.
///
/// # Errors
/// `22008` out of range.
pub fn make_time(hour: i32, minute: i32, seconds: f64) -> Result<i64> {
    let in_range = (0..=24).contains(&hour) && (0..60).contains(&minute) && (0.0..=60.0).contains(&seconds);
    if in_range {
        let micros = (seconds * 1e6).round_ties_even() as i64;
        let total = i64::from(hour) * USECS_PER_HOUR + i64::from(minute) * USECS_PER_MINUTE + micros;
        if total <= USECS_PER_DAY {
            return Ok(total);
        }
    }
    let mut shown = String::new();
    crate::types::float::write_general(seconds.abs(), 6, &mut shown);
    bail!(DATETIME_FIELD_OVERFLOW, "time field value out of range: {hour}:{minute:02}:{shown:0>2}")
}

/// `make_date`; negative years are BC.
///
/// # Errors
/// `22008` out of range.
pub fn make_date(year: i32, month: i32, day: i32) -> Result<i32> {
    let astronomical = if year < 0 { year + 1 } else { year };
    if year != 0
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_in_month(astronomical, month)
        && let Ok(days) = i32::try_from(super::calendar::days_from_civil(astronomical, month, day))
    {
        if !(MIN_DATE..=MAX_DATE).contains(&days) {
            bail!(DATETIME_FIELD_OVERFLOW, "date out of range: {year}-{month:02}-{day:02}");
        }
        return Ok(days);
    }
    bail!(DATETIME_FIELD_OVERFLOW, "date field value out of range: {year}-{month:02}-{day:02}")
}

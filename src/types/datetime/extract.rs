//! `extract`, `date_part` and `date_trunc` of dates, times, timestamps and intervals.
//!
//! A part is an exact decimal; `extract` answers it as `numeric` and `date_part` as a double. A part of an infinite
//! value is infinite where it grows with time and NULL where it goes in circles.

use num_bigint::BigInt;

use crate::bail;
use crate::error::Result;
use crate::types::interval::{Interval, Unit, unit_of};
use crate::types::numeric::Numeric;
use crate::types::timestamp::{UNIX_EPOCH, instant};
use crate::types::timezone::Zone;

use super::arith::{local, timestamp_is_finite, timestamp_out_of_range};
use super::calendar::{
    Civil, EPOCH_JULIAN, TIMESTAMP_INFINITY, USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC,
    civil_from_days, days_from_civil,
};

/// What can be extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Unit(Unit),
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
    Julian,
    Zone,
    ZoneHour,
    ZoneMinute,
}

/// A part of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part {
    /// `unscaled * 10^-scale`.
    Decimal(i64, u16),
    /// A Julian day and the microseconds into it.
    Julian(i64, i64),
    /// An infinite value's growing part.
    Infinity,
    /// The same of negative infinity.
    NegInfinity,
}

impl Part {
    fn whole(value: i32) -> Self {
        Self::Decimal(i64::from(value), 0)
    }

    /// As `date_part` answers.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Decimal(value, scale) => value as f64 / 10f64.powi(i32::from(scale)),
            Self::Julian(day, micros) => day as f64 + micros as f64 / USECS_PER_DAY as f64,
            Self::Infinity => f64::INFINITY,
            Self::NegInfinity => f64::NEG_INFINITY,
        }
    }

    /// As `extract` answers.
    ///
    /// # Errors
    /// None for the parts made here.
    pub fn to_numeric(self) -> Result<Numeric> {
        match self {
            Self::Decimal(value, scale) => Ok(Numeric::Finite { unscaled: BigInt::from(value), scale }),
            Self::Julian(day, micros) => {
                let fraction = Numeric::from_i64(micros).div(&Numeric::from_i64(USECS_PER_DAY))?;
                Numeric::from_i64(day).add(&fraction)
            }
            Self::Infinity => Ok(Numeric::Infinity),
            Self::NegInfinity => Ok(Numeric::NegInfinity),
        }
    }
}

fn parse_field(name: &str, kind: &str) -> Result<Field> {
    let word = name.to_ascii_lowercase();
    let short = word.get(..10).unwrap_or(&word);
    Ok(match short {
        "dow" => Field::DayOfWeek,
        "isodow" => Field::IsoDayOfWeek,
        "doy" => Field::DayOfYear,
        "isoyear" => Field::IsoYear,
        "epoch" => Field::Epoch,
        "j" | "jd" | "julian" => Field::Julian,
        "timezone" => Field::Zone,
        "timezone_h" => Field::ZoneHour,
        "timezone_m" => Field::ZoneMinute,
        _ => match unit_of(&word) {
            Some(unit) => Field::Unit(unit),
            None => bail!(INVALID_PARAMETER_VALUE, "unit \"{word}\" not recognized for type {kind}"),
        },
    })
}

fn unsupported<T>(name: &str, kind: &str) -> Result<T> {
    bail!(FEATURE_NOT_SUPPORTED, "unit \"{}\" not supported for type {kind}", name.to_ascii_lowercase())
}

/// The year of a decade, century or millennium, counted without a year zero.
fn era(year: i32, size: i32) -> i32 {
    if year > 0 { (year + size - 1) / size } else { -((size - 1 - (year - 1)) / size) }
}

fn decade(year: i32) -> i32 {
    year.div_euclid(10)
}

fn shown_year(year: i32) -> i32 {
    if year > 0 { year } else { year - 1 }
}

/// ISO year (astronomical) and week of a date.
#[must_use]
pub fn iso_week(civil: &Civil) -> (i32, i32) {
    let days = civil.days();
    // The Thursday of the week decides the year; 2000-01-01 was a Saturday.
    let thursday = days - (days + 5).rem_euclid(7) + 3;
    let (year, _, _) = civil_from_days(thursday);
    let week = (thursday - days_from_civil(year, 1, 1)) / 7 + 1;
    (year, week as i32)
}

/// The Monday that begins an ISO year's week, in days.
#[must_use]
pub fn iso_week_start(year: i32, week: i32) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - (fourth + 5).rem_euclid(7) + i64::from(week - 1) * 7
}

/// 0 for Sunday.
#[must_use]
pub fn day_of_week(days: i64) -> i32 {
    (days + 6).rem_euclid(7) as i32
}

fn clock_part(unit: Unit, civil: &Civil) -> Option<Part> {
    let micros = i64::from(civil.second) * USECS_PER_SEC + i64::from(civil.micros);
    Some(match unit {
        Unit::Microsecond => Part::Decimal(micros, 0),
        Unit::Millisecond => Part::Decimal(micros, 3),
        Unit::Second => Part::Decimal(micros, 6),
        Unit::Minute => Part::whole(civil.minute),
        Unit::Hour => Part::whole(civil.hour),
        _ => return None,
    })
}

fn date_part_of(field: Field, civil: &Civil) -> Option<Part> {
    let year_start = || days_from_civil(civil.year, 1, 1);
    Some(match field {
        Field::Unit(Unit::Day) => Part::whole(civil.day),
        Field::Unit(Unit::Week) => Part::whole(iso_week(civil).1),
        Field::Unit(Unit::Month) => Part::whole(civil.month),
        Field::Unit(Unit::Quarter) => Part::whole((civil.month - 1) / 3 + 1),
        Field::Unit(Unit::Year) => Part::whole(shown_year(civil.year)),
        Field::Unit(Unit::Decade) => Part::whole(decade(civil.year)),
        Field::Unit(Unit::Century) => Part::whole(era(civil.year, 100)),
        Field::Unit(Unit::Millennium) => Part::whole(era(civil.year, 1000)),
        Field::DayOfWeek => Part::whole(day_of_week(civil.days())),
        Field::IsoDayOfWeek => Part::whole((day_of_week(civil.days()) + 6) % 7 + 1),
        Field::DayOfYear => Part::Decimal(civil.days() - year_start() + 1, 0),
        Field::IsoYear => Part::whole(shown_year(iso_week(civil).0)),
        _ => return None,
    })
}

/// What an infinite timestamp or date answers: `None` is NULL.
fn infinite_part(field: Field, positive: bool) -> Option<Part> {
    let grows = matches!(
        field,
        Field::Unit(Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium)
            | Field::Julian
            | Field::IsoYear
            | Field::Epoch
    );
    grows.then_some(if positive { Part::Infinity } else { Part::NegInfinity })
}

/// A part of a timestamp; NULL (`None`) where an infinity has none.
///
/// # Errors
/// `22023` and `0A000` for units that are unknown or that timestamps lack.
pub fn timestamp_part(name: &str, value: i64) -> Result<Option<Part>> {
    const KIND: &str = "timestamp without time zone";
    let field = parse_field(name, KIND)?;
    if matches!(field, Field::Zone | Field::ZoneHour | Field::ZoneMinute) {
        return unsupported(name, KIND);
    }
    if !timestamp_is_finite(value) {
        return Ok(infinite_part(field, value == TIMESTAMP_INFINITY));
    }
    let civil = Civil::from_timestamp(value);
    Ok(Some(moment_part(field, value, &civil)))
}

fn moment_part(field: Field, value: i64, civil: &Civil) -> Part {
    match field {
        Field::Epoch => Part::Decimal(value.saturating_sub(UNIX_EPOCH), 6),
        Field::Julian => Part::Julian(civil.days() + i64::from(EPOCH_JULIAN), civil.time_of_day()),
        Field::Unit(unit) if clock_part(unit, civil).is_some() => clock_part(unit, civil).expect("just asked"),
        other => date_part_of(other, civil).expect("all other fields are parts of a date"),
    }
}

/// A part of an instant, as it is in `zone`.
///
/// # Errors
/// `22023` for units that are unknown.
pub fn timestamptz_part(name: &str, value: i64, zone: &Zone) -> Result<Option<Part>> {
    let field = parse_field(name, "timestamp with time zone")?;
    if !timestamp_is_finite(value) {
        return Ok(infinite_part(field, value == TIMESTAMP_INFINITY));
    }
    let east = zone.offset_at(value);
    Ok(Some(match field {
        Field::Zone => Part::whole(east),
        Field::ZoneHour => Part::whole(east / 3_600),
        Field::ZoneMinute => Part::whole(east / 60 % 60),
        field => moment_part(field, value, &local(value, zone)),
    }))
}

/// A part of a date.
///
/// # Errors
/// `22023` and `0A000` for units that are unknown or that dates lack.
pub fn date_part(name: &str, days: i32) -> Result<Option<Part>> {
    let field = parse_field(name, "date")?;
    if matches!(
        field,
        Field::Unit(Unit::Microsecond | Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour)
            | Field::Zone
            | Field::ZoneHour
            | Field::ZoneMinute
    ) {
        return unsupported(name, "date");
    }
    if !super::arith::date_is_finite(days) {
        return Ok(infinite_part(field, days > 0));
    }
    let (year, month, day) = civil_from_days(i64::from(days));
    let civil = Civil { year, month, day, ..Civil::default() };
    Ok(Some(match field {
        Field::Epoch => Part::Decimal((i64::from(days) + i64::from(super::calendar::UNIX_EPOCH_DAYS)) * 86_400, 0),
        Field::Julian => Part::Decimal(i64::from(days) + i64::from(EPOCH_JULIAN), 0),
        other => date_part_of(other, &civil).expect("clock fields were refused"),
    }))
}

/// A part of a time of day; `zone` is seconds west of UTC for `timetz`.
///
/// # Errors
/// `22023` and `0A000` for units that are unknown or that times lack.
pub fn time_part(name: &str, micros: i64, zone: Option<i32>) -> Result<Part> {
    let kind = if zone.is_some() { "time with time zone" } else { "time without time zone" };
    let field = parse_field(name, kind)?;
    let civil = Civil::from_time(micros);
    match (field, zone) {
        (Field::Epoch, zone) => Ok(Part::Decimal(micros + i64::from(zone.unwrap_or(0)) * USECS_PER_SEC, 6)),
        (Field::Zone, Some(zone)) => Ok(Part::whole(-zone)),
        (Field::ZoneHour, Some(zone)) => Ok(Part::whole(-zone / 3_600)),
        (Field::ZoneMinute, Some(zone)) => Ok(Part::whole(-zone / 60 % 60)),
        (Field::Unit(unit), _) => clock_part(unit, &civil).map_or_else(|| unsupported(name, kind), Ok),
        _ => unsupported(name, kind),
    }
}

/// A part of an interval; NULL (`None`) where an infinity has none.
///
/// # Errors
/// `22023` and `0A000` for units that are unknown or that intervals lack.
pub fn interval_part(name: &str, value: &Interval) -> Result<Option<Part>> {
    let field = parse_field(name, "interval")?;
    if !value.is_finite() {
        let infinity = if *value == Interval::INFINITY { Part::Infinity } else { Part::NegInfinity };
        return match field {
            Field::Unit(
                Unit::Hour | Unit::Day | Unit::Week | Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium,
            )
            | Field::Epoch => Ok(Some(infinity)),
            Field::Unit(_) => Ok(None),
            _ => unsupported(name, "interval"),
        };
    }
    let years = value.months / 12;
    let seconds = value.micros % USECS_PER_MINUTE;
    Ok(Some(match field {
        Field::Epoch => {
            // A year is 365.25 days, a month 30.
            let quarters = i64::from(years) * 1_461 + i64::from(value.months % 12) * 120 + i64::from(value.days) * 4;
            let micros = i128::from(quarters) * i128::from(USECS_PER_DAY / 4) + i128::from(value.micros);
            match i64::try_from(micros) {
                Ok(micros) => Part::Decimal(micros, 6),
                Err(_) => bail!(DATETIME_FIELD_OVERFLOW, "interval out of range"),
            }
        }
        Field::Unit(unit) => match unit {
            Unit::Microsecond => Part::Decimal(seconds, 0),
            Unit::Millisecond => Part::Decimal(seconds, 3),
            Unit::Second => Part::Decimal(seconds, 6),
            Unit::Minute => Part::Decimal(value.micros / USECS_PER_MINUTE % 60, 0),
            Unit::Hour => Part::Decimal(value.micros / USECS_PER_HOUR, 0),
            Unit::Day => Part::whole(value.days),
            Unit::Week => Part::whole(value.days / 7),
            Unit::Month => Part::whole(value.months % 12),
            Unit::Quarter => {
                let month = value.months % 12;
                Part::whole(if value.months >= 0 { month / 3 + 1 } else { -((-month) / 3 + 1) })
            }
            Unit::Year => Part::whole(years),
            Unit::Decade => Part::whole(years / 10),
            Unit::Century => Part::whole(years / 100),
            Unit::Millennium => Part::whole(years / 1000),
        },
        _ => return unsupported(name, "interval"),
    }))
}

/// The unit that `date_trunc` cuts to; `Ok(None)` for a field that is known but cannot be cut to.
fn trunc_unit(name: &str, kind: &str) -> Result<Unit> {
    match parse_field(name, kind)? {
        Field::Unit(unit) => Ok(unit),
        _ => unsupported(name, kind),
    }
}

/// Cuts a civil time to a unit.
fn truncate(civil: &mut Civil, unit: Unit) {
    // Years of decades and larger begin at 1 (or 0 for decades), as PostgreSQL counts them.
    let first_of = |size: i32, year: i32| {
        if year > 0 {
            (year + size - 1) / size * size - (size - 1)
        } else {
            -((size - 1 - (year - 1)) / size) * size + 1
        }
    };
    match unit {
        Unit::Millennium => civil.year = first_of(1000, civil.year),
        Unit::Century => civil.year = first_of(100, civil.year),
        Unit::Decade => civil.year = civil.year.div_euclid(10) * 10,
        Unit::Week => {
            let days = civil.days();
            let (year, month, day) = civil_from_days(days - (days + 5).rem_euclid(7));
            (civil.year, civil.month, civil.day) = (year, month, day);
        }
        Unit::Quarter => civil.month = 3 * ((civil.month - 1) / 3) + 1,
        _ => {}
    }
    let size = unit_rank(unit);
    if size >= unit_rank(Unit::Year) {
        civil.month = 1;
    }
    if size >= unit_rank(Unit::Month) {
        civil.day = 1;
    }
    if size >= unit_rank(Unit::Day) {
        civil.hour = 0;
    }
    if size >= unit_rank(Unit::Hour) {
        civil.minute = 0;
    }
    if size >= unit_rank(Unit::Minute) {
        civil.second = 0;
    }
    match unit {
        Unit::Microsecond => {}
        Unit::Millisecond => civil.micros = civil.micros / 1_000 * 1_000,
        _ => civil.micros = 0,
    }
}

/// Units by size; weeks reset what days do, quarters what months do.
fn unit_rank(unit: Unit) -> u8 {
    match unit {
        Unit::Microsecond => 0,
        Unit::Millisecond => 1,
        Unit::Second => 2,
        Unit::Minute => 3,
        Unit::Hour => 4,
        Unit::Day | Unit::Week => 5,
        Unit::Month | Unit::Quarter => 6,
        Unit::Year | Unit::Decade | Unit::Century | Unit::Millennium => 7,
    }
}

/// `date_trunc` of a timestamp.
///
/// # Errors
/// `22023` and `0A000` for units, `22008` out of range.
pub fn timestamp_trunc(name: &str, value: i64) -> Result<i64> {
    let unit = trunc_unit(name, "timestamp without time zone")?;
    if !timestamp_is_finite(value) {
        return Ok(value);
    }
    let mut civil = Civil::from_timestamp(value);
    truncate(&mut civil, unit);
    civil.to_timestamp().map_or_else(timestamp_out_of_range, Ok)
}

/// `date_trunc` of an instant in `zone`; only units of a day and more look at the offset again.
///
/// # Errors
/// `22023` and `0A000` for units, `22008` out of range.
pub fn timestamptz_trunc(name: &str, value: i64, zone: &Zone) -> Result<i64> {
    let unit = trunc_unit(name, "timestamp with time zone")?;
    if !timestamp_is_finite(value) {
        return Ok(value);
    }
    let east = zone.offset_at(value);
    let mut civil = local(value, zone);
    truncate(&mut civil, unit);
    let east = if unit_rank(unit) >= unit_rank(Unit::Day) { zone.offset_of_local(&civil) } else { east };
    instant(&civil, east).map_or_else(timestamp_out_of_range, Ok)
}

/// `date_trunc` of an interval.
///
/// # Errors
/// `22023` and `0A000` for units.
pub fn interval_trunc(name: &str, value: &Interval) -> Result<Interval> {
    let unit = trunc_unit(name, "interval")?;
    if !value.is_finite() {
        return Ok(*value);
    }
    let mut result = *value;
    let months = |size: i32| Interval { months: value.months / size * size, days: 0, micros: 0 };
    match unit {
        Unit::Week => {
            return Err(crate::error!(
                FEATURE_NOT_SUPPORTED,
                "unit \"{}\" not supported for type interval",
                name.to_ascii_lowercase()
            )
            .detail("Months usually have fractional weeks."));
        }
        Unit::Millennium => result = months(12_000),
        Unit::Century => result = months(1_200),
        Unit::Decade => result = months(120),
        Unit::Year => result = months(12),
        Unit::Quarter => result = months(3),
        Unit::Month => result = months(1),
        Unit::Day => result.micros = 0,
        Unit::Hour => result.micros -= result.micros % USECS_PER_HOUR,
        Unit::Minute => result.micros -= result.micros % USECS_PER_MINUTE,
        Unit::Second => result.micros -= result.micros % USECS_PER_SEC,
        Unit::Millisecond => result.micros -= result.micros % 1_000,
        Unit::Microsecond => {}
    }
    Ok(result)
}

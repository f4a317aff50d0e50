//! Parts of dates, times and intervals (`extract`, `date_part`, `date_trunc`, `date_bin`), and arithmetic of intervals.

use super::args::{date, float, int4, interval, text, timestamp, timetz};
use super::datetime::session_zone;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::datetime::extract::{self, Part};
use crate::types::datetime::{USECS_PER_HOUR, USECS_PER_MINUTE, arith};
use crate::types::interval::Interval;
use crate::types::timezone::zone_argument;

/// The part that the first argument names, of the second.
fn part(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Option<Part>> {
    let name = text(&args[0]);
    match &args[1] {
        Datum::Timestamp(value) => extract::timestamp_part(name, *value),
        Datum::Timestamptz(value) => extract::timestamptz_part(name, *value, session_zone(ctx)),
        Datum::Time(value) => extract::time_part(name, *value, None).map(Some),
        Datum::Interval(value) => extract::interval_part(name, value),
        Datum::Date(value) => extract::date_part(name, *value),
        other => {
            let (micros, west) = timetz(other);
            extract::time_part(name, micros, Some(west)).map(Some)
        }
    }
}

fn exact(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    part(ctx, args)?.map_or(Ok(Datum::Null), |part| part.to_numeric().map(Datum::Numeric))
}

fn double(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(part(ctx, args)?.map_or(Datum::Null, |part| Datum::Float8(part.to_f64())))
}

/// `date_part(text, date)` looks at the date as a timestamp.
fn double_of_date(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let midnight = arith::date_to_timestamp(date(&args[1]))?;
    double(ctx, &[args[0].clone(), Datum::Timestamp(midnight)])
}

fn trunc_in_zone(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (name, value) = (text(&args[0]), timestamp(&args[1]));
    let truncated = match args.get(2) {
        Some(zone) => extract::timestamptz_trunc(name, value, &zone_argument(text(zone))?),
        None => extract::timestamptz_trunc(name, value, session_zone(ctx)),
    };
    truncated.map(Datum::Timestamptz)
}

fn span(value: Result<Interval>) -> Result<Datum> {
    value.map(Datum::Interval)
}

fn out_of_range<T>() -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "interval out of range")
}

/// `make_interval(years, months, weeks, days, hours, mins, secs)`.
fn make_interval(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let part = |index: usize| i64::from(int4(&args[index]));
    let seconds = float(&args[6]);
    if !seconds.is_finite() {
        return out_of_range();
    }
    let months = part(0) * 12 + part(1);
    let days = part(2) * 7 + part(3);
    let micros = (seconds * 1e6).round_ties_even();
    if micros.abs() >= 9.2e18 {
        return out_of_range();
    }
    let clock = part(4) * USECS_PER_HOUR + part(5) * USECS_PER_MINUTE;
    match (i32::try_from(months), i32::try_from(days), clock.checked_add(micros as i64)) {
        (Ok(months), Ok(days), Some(micros)) => {
            let value = Interval { months, days, micros };
            if value.is_finite() { Ok(Datum::Interval(value)) } else { out_of_range() }
        }
        _ => out_of_range(),
    }
}

fn pick(args: &[Datum], first: bool) -> Result<Datum> {
    Ok(args[usize::from(!first)].clone())
}

fn bin(args: &[Datum]) -> Result<i64> {
    arith::bin(interval(&args[0]), timestamp(&args[1]), timestamp(&args[2]))
}

/// Functions by `prosrc` (by name for `date_part` of dates, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("extract_date", exact),
    ("extract_time", exact),
    ("extract_timetz", exact),
    ("extract_timestamp", exact),
    ("extract_timestamptz", exact),
    ("extract_interval", exact),
    ("date_part", double_of_date),
    ("time_part", double),
    ("timetz_part", double),
    ("timestamp_part", double),
    ("timestamptz_part", double),
    ("interval_part", double),
    ("timestamp_trunc", |_, a| extract::timestamp_trunc(text(&a[0]), timestamp(&a[1])).map(Datum::Timestamp)),
    ("timestamptz_trunc", trunc_in_zone),
    ("timestamptz_trunc_zone", trunc_in_zone),
    ("interval_trunc", |_, a| span(extract::interval_trunc(text(&a[0]), interval(&a[1])))),
    ("timestamp_bin", |_, a| bin(a).map(Datum::Timestamp)),
    ("timestamptz_bin", |_, a| bin(a).map(Datum::Timestamptz)),
    ("interval_um", |_, a| span(interval(&a[0]).negated())),
    ("interval_pl", |_, a| span(interval(&a[0]).add(interval(&a[1])))),
    ("interval_mi", |_, a| span(interval(&a[0]).sub(interval(&a[1])))),
    ("interval_mul", |_, a| span(interval(&a[0]).mul(float(&a[1])))),
    ("mul_d_interval", |_, a| span(interval(&a[1]).mul(float(&a[0])))),
    ("interval_div", |_, a| span(interval(&a[0]).div(float(&a[1])))),
    ("interval_larger", |_, a| pick(a, interval(&a[0]).total_micros() > interval(&a[1]).total_micros())),
    ("interval_smaller", |_, a| pick(a, interval(&a[0]).total_micros() < interval(&a[1]).total_micros())),
    ("interval_justify_hours", |_, a| span(interval(&a[0]).justify_hours())),
    ("interval_justify_days", |_, a| span(interval(&a[0]).justify_days())),
    ("interval_justify_interval", |_, a| span(interval(&a[0]).justify_interval())),
    ("interval_finite", |_, a| Ok(Datum::Bool(interval(&a[0]).is_finite()))),
    ("interval_scale", |_, a| span(interval(&a[0]).apply_typmod(int4(&a[1])))),
    ("make_interval", make_interval),
];

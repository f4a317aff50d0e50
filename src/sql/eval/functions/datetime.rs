//! Dates, times and timestamps: the clock, casts, sums and differences, zones, and making them from parts.
//!
//! The arithmetic is in `types/datetime`; here arguments are read and the session's zone and clock are applied.

use super::args::{date, float, int4, interval, text, time, timestamp, timetz, to_text};
use crate::bail;
use crate::common::clock;
use crate::error::Result;
use crate::sql::eval::row_nodes::order_times;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::datetime::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, USECS_PER_DAY, USECS_PER_SEC,
    WEEKDAYS, arith, decode_offset, round_micros,
};
use crate::types::interval::Interval;
use crate::types::timestamp::{UNIX_EPOCH, instant};
use crate::types::timezone::{Zone, zone_argument};
use crate::types::{Datum, io};

/// The session's zone.
pub(super) fn session_zone<'a>(ctx: &'a FnContext<'_>) -> &'a Zone {
    &ctx.eval.format.timezone
}

/// Today in the session's zone.
fn today(ctx: &FnContext<'_>) -> Result<i32> {
    arith::timestamptz_at_zone(ctx.eval.transaction_micros, session_zone(ctx)).map(arith::timestamp_to_date)
}

fn stamp(value: Result<i64>) -> Result<Datum> {
    value.map(Datum::Timestamp)
}

fn stamptz(value: Result<i64>) -> Result<Datum> {
    value.map(Datum::Timestamptz)
}

fn span(value: Result<Interval>) -> Result<Datum> {
    value.map(Datum::Interval)
}

fn time_of_day(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    let now = clock::now_micros();
    let (east, name, _) = session_zone(ctx).info_at(now);
    let civil = Civil::from_timestamp(now + i64::from(east) * USECS_PER_SEC);
    let weekday = (civil.days() + 6).rem_euclid(7) as usize;
    let month = &crate::types::datetime::MONTHS[civil.month as usize - 1][..3];
    Ok(to_text(format!(
        "{} {month} {:02} {:02}:{:02}:{:02}.{:06} {:04} {name}",
        &WEEKDAYS[weekday][..3],
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        civil.micros,
        civil.year,
    )))
}

/// `date ± interval`, a timestamp.
fn date_plus(days: &Datum, span: &Interval) -> Result<Datum> {
    stamp(arith::timestamp_plus(arith::date_to_timestamp(date(days))?, span))
}

fn date_and_time(days: &Datum, micros: &Datum) -> Result<Datum> {
    let midnight = arith::date_to_timestamp(date(days))?;
    if !arith::timestamp_is_finite(midnight) {
        return Ok(Datum::Timestamp(midnight));
    }
    stamp(crate::types::datetime::check_timestamp(midnight + time(micros)))
}

/// A date and a time with zone make an instant.
fn date_and_timetz(days: &Datum, clock: &Datum) -> Result<Datum> {
    let midnight = arith::date_to_timestamp(date(days))?;
    if !arith::timestamp_is_finite(midnight) {
        return Ok(Datum::Timestamptz(midnight));
    }
    let (micros, west) = timetz(clock);
    stamptz(crate::types::datetime::check_timestamp(midnight + micros + i64::from(west) * USECS_PER_SEC))
}

fn clock_of(local: i64) -> i64 {
    local.rem_euclid(USECS_PER_DAY)
}

/// The time of day of a local time; infinities have none.
fn to_time(local: i64) -> Datum {
    if arith::timestamp_is_finite(local) { Datum::Time(clock_of(local)) } else { Datum::Null }
}

fn timestamptz_timetz(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = timestamp(&args[0]);
    if !arith::timestamp_is_finite(value) {
        return Ok(Datum::Null);
    }
    let east = session_zone(ctx).offset_at(value);
    Ok(Datum::TimeTz(clock_of(value + i64::from(east) * USECS_PER_SEC), -east))
}

fn time_timetz(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let micros = time(&args[0]);
    let east = crate::types::time::session_offset(&Civil::from_time(micros), &ctx.io());
    Ok(Datum::TimeTz(micros, -east))
}

fn interval_time(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = interval(&args[0]);
    if !value.is_finite() {
        bail!(DATETIME_FIELD_OVERFLOW, "cannot convert infinite interval to time");
    }
    Ok(Datum::Time(clock_of(value.micros)))
}

fn precision(micros: i64, digits: &Datum) -> Result<i64> {
    crate::types::datetime::check_timestamp(round_micros(micros, int4(digits)))
}

fn pick(args: &[Datum], wanted: std::cmp::Ordering) -> Result<Datum> {
    let order = crate::types::compare::compare(&args[0], &args[1]);
    Ok(args[usize::from(order != wanted)].clone())
}

fn timetz_plus(args: &[Datum], subtract: bool) -> Result<Datum> {
    let (micros, west) = timetz(&args[0]);
    Ok(Datum::TimeTz(arith::time_plus(micros, interval(&args[1]), subtract)?, west))
}

fn plus_in_zone(args: &[Datum], zone: &Zone, subtract: bool) -> Result<Datum> {
    let amount = *interval(&args[1]);
    let amount = if subtract { amount.negated()? } else { amount };
    stamptz(arith::timestamptz_plus(timestamp(&args[0]), &amount, zone))
}

fn add_at_zone(args: &[Datum], subtract: bool) -> Result<Datum> {
    plus_in_zone(args, &zone_argument(text(&args[2]))?, subtract)
}

/// The zone that an interval means: hours and less east of UTC.
fn interval_zone(ctx: &FnContext<'_>, value: &Datum) -> Result<Zone> {
    let offset = interval(value);
    let shown = || io::to_text(value, crate::types::Oid::INTERVAL, &ctx.io()).unwrap_or_default();
    if !offset.is_finite() {
        bail!(INVALID_PARAMETER_VALUE, "interval time zone \"{}\" must be finite", shown());
    }
    if offset.months != 0 || offset.days != 0 {
        bail!(INVALID_PARAMETER_VALUE, "interval time zone \"{}\" must not include months or days", shown());
    }
    Ok(Zone::fixed(i32::try_from(offset.micros / USECS_PER_SEC).unwrap_or(0)))
}

/// A time of day with zone, as it is in another zone at the present offset.
fn timetz_in_zone(ctx: &FnContext<'_>, value: &Datum, zone: &Zone) -> Datum {
    let (micros, west) = timetz(value);
    let wanted = -zone.offset_at(ctx.eval.transaction_micros);
    Datum::TimeTz(clock_of(micros + i64::from(west - wanted) * USECS_PER_SEC), wanted)
}

fn overlap<T: Ord + Copy>(args: &[Datum], read: impl Fn(&Datum) -> T) -> Datum {
    let (a, b) = (ends(&args[0], &args[1], &read), ends(&args[2], &args[3], &read));
    let (Some((start_a, end_a)), Some((start_b, end_b))) = (a, b) else { return Datum::Null };
    if start_a == start_b {
        // Two spans that begin together overlap, whatever their ends.
        return if end_a.is_none() || end_b.is_none() { Datum::Null } else { Datum::Bool(true) };
    }
    let (earlier_end, later_start) = if start_a < start_b { (end_a, start_b) } else { (end_b, start_a) };
    match earlier_end {
        Some(end) if later_start < end => Datum::Bool(true),
        Some(_) if end_a.is_some() && end_b.is_some() => Datum::Bool(false),
        Some(_) => Datum::Null,
        None => Datum::Null,
    }
}

/// A span's ends in order; one may be unknown, and then the known one comes first.
fn ends<T: Ord>(first: &Datum, second: &Datum, read: &impl Fn(&Datum) -> T) -> Option<(T, Option<T>)> {
    match (first.is_null(), second.is_null()) {
        (true, true) => None,
        (false, true) => Some((read(first), None)),
        (true, false) => Some((read(second), None)),
        (false, false) => {
            let (first, second) = (read(first), read(second));
            Some(if first <= second { (first, Some(second)) } else { (second, Some(first)) })
        }
    }
}

fn overlaps_timetz(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(overlap(args, |value| {
        let (micros, west) = timetz(value);
        (micros + i64::from(west) * USECS_PER_SEC, west)
    }))
}

/// OVERLAPS where an end is given as an interval from the start.
fn overlaps_spans(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut args = args.to_vec();
    for start in [0, 2] {
        let Datum::Interval(length) = args[start + 1] else { continue };
        args[start + 1] = match &args[start] {
            Datum::Null => Datum::Null,
            Datum::Time(micros) => Datum::Time(arith::time_plus(*micros, &length, false)?),
            Datum::Timestamp(micros) => Datum::Timestamp(arith::timestamp_plus(*micros, &length)?),
            other => stamptz(arith::timestamptz_plus(timestamp(other), &length, session_zone(ctx)))?,
        };
    }
    let is_time = args.iter().any(|value| matches!(value, Datum::Time(_)));
    Ok(if is_time { overlap(&args, time) } else { overlap(&args, timestamp) })
}

fn from_unix(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let seconds = float(&args[0]);
    if seconds.is_nan() {
        bail!(DATETIME_FIELD_OVERFLOW, "timestamp cannot be NaN");
    }
    if seconds.is_infinite() {
        return Ok(Datum::Timestamptz(if seconds > 0.0 { TIMESTAMP_INFINITY } else { TIMESTAMP_NEG_INFINITY }));
    }
    let micros = ((seconds + UNIX_EPOCH as f64 / 1e6) * 1e6).round_ties_even();
    let in_range = micros.abs() < 9.3e18 && crate::types::datetime::check_timestamp(micros as i64).is_ok();
    if !in_range {
        let mut shown = String::new();
        crate::types::float::write_general(seconds, 6, &mut shown);
        bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range: \"{shown}\"");
    }
    Ok(Datum::Timestamptz(micros as i64))
}

fn make_timestamp(args: &[Datum]) -> Result<i64> {
    let days = arith::make_date(int4(&args[0]), int4(&args[1]), int4(&args[2]))?;
    let micros = arith::make_time(int4(&args[3]), int4(&args[4]), float(&args[5]))?;
    let total = i128::from(days) * i128::from(USECS_PER_DAY) + i128::from(micros);
    match i64::try_from(total).map(crate::types::datetime::check_timestamp) {
        Ok(Ok(value)) => Ok(value),
        _ => {
            let (year, month, day) = (int4(&args[0]), int4(&args[1]), int4(&args[2]));
            let (hour, minute, second) = (int4(&args[3]), int4(&args[4]), float(&args[5]));
            let mut shown = String::new();
            crate::types::float::write_general(second.abs(), 6, &mut shown);
            bail!(
                DATETIME_FIELD_OVERFLOW,
                "timestamp out of range: {year}-{month:02}-{day:02} {hour}:{minute:02}:{shown:0>2}"
            )
        }
    }
}

/// The zone argument of `make_timestamptz`: an offset with a sign, or a name.
fn make_zone(name: &str) -> Result<Zone> {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(crate::error!(
            INVALID_PARAMETER_VALUE,
            "invalid input syntax for type numeric time zone: \"{name}\""
        )
        .hint("Numeric time zones must have \"-\" or \"+\" as first character."));
    }
    if name.starts_with(['+', '-']) {
        return match decode_offset(name) {
            Ok(east) => Ok(Zone::fixed(east)),
            Err(crate::types::datetime::Fault::Displacement) => {
                bail!(INVALID_PARAMETER_VALUE, "numeric time zone \"{name}\" out of range")
            }
            Err(_) => bail!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized"),
        };
    }
    zone_argument(name)
}

fn make_timestamptz(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let local = make_timestamp(args)?;
    match args.get(6) {
        Some(zone) => stamptz(arith::timestamp_at_zone(local, &make_zone(text(zone))?)),
        None => stamptz(arith::timestamp_at_zone(local, session_zone(ctx))),
    }
}

fn make_date(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    arith::make_date(int4(&args[0]), int4(&args[1]), int4(&args[2])).map(Datum::Date)
}

fn make_time(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    arith::make_time(int4(&args[0]), int4(&args[1]), float(&args[2])).map(Datum::Time)
}

/// `timestamptz(date, time)`: in the session's zone.
fn date_and_time_here(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Datum::Timestamp(local) = date_and_time(&args[0], &args[1])? else { return Ok(Datum::Null) };
    stamptz(arith::timestamp_at_zone(local, session_zone(ctx)))
}

/// Age since midnight today.
fn age_today(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let today = today(ctx)?;
    match &args[0] {
        Datum::Timestamp(value) => span(arith::age(arith::date_to_timestamp(today)?, *value)),
        other => {
            let zone = session_zone(ctx);
            span(arith::age_in_zone(arith::date_to_timestamptz(today, zone)?, timestamp(other), zone))
        }
    }
}

/// Three-way comparison of two of the three types that hold a date.
fn order(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    order_times(&args[0], &args[1], ctx.eval).map(|order| Datum::Int4(order as i32))
}

fn local_time(ctx: &FnContext<'_>, value: &Datum) -> Result<i64> {
    arith::timestamptz_at_zone(timestamp(value), session_zone(ctx))
}

fn civil_at(value: i64, zone: &Zone) -> Result<i64> {
    if !arith::timestamp_is_finite(value) {
        return Ok(value);
    }
    let civil = Civil::from_timestamp(value);
    instant(&civil, zone.offset_of_local(&civil)).map_or_else(arith::timestamp_out_of_range, Ok)
}

/// Functions by `prosrc` (by name for those that PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("now", |ctx, _| Ok(Datum::Timestamptz(ctx.eval.transaction_micros))),
    ("statement_timestamp", |ctx, _| Ok(Datum::Timestamptz(ctx.eval.statement_micros))),
    ("clock_timestamp", |_, _| Ok(Datum::Timestamptz(clock::now_micros()))),
    ("timeofday", time_of_day),
    ("date_mi", |_, a| arith::date_minus(date(&a[0]), date(&a[1])).map(Datum::Int4)),
    ("date_pli", |_, a| arith::date_plus_days(date(&a[0]), int4(&a[1])).map(Datum::Date)),
    ("integer_pl_date", |_, a| arith::date_plus_days(date(&a[1]), int4(&a[0])).map(Datum::Date)),
    ("date_mii", |_, a| match int4(&a[1]).checked_neg() {
        Some(days) => arith::date_plus_days(date(&a[0]), days).map(Datum::Date),
        None => arith::date_out_of_range(),
    }),
    ("date_pl_interval", |_, a| date_plus(&a[0], interval(&a[1]))),
    ("date_mi_interval", |_, a| date_plus(&a[0], &interval(&a[1]).negated()?)),
    ("interval_pl_date", |_, a| date_plus(&a[1], interval(&a[0]))),
    ("datetime_timestamp", |_, a| date_and_time(&a[0], &a[1])),
    ("timedate_pl", |_, a| date_and_time(&a[1], &a[0])),
    ("datetimetz_timestamptz", |_, a| date_and_timetz(&a[0], &a[1])),
    ("timetzdate_pl", |_, a| date_and_timetz(&a[1], &a[0])),
    ("timestamptz", date_and_time_here),
    ("date_timestamp", |_, a| stamp(arith::date_to_timestamp(date(&a[0])))),
    ("date_timestamptz", |ctx, a| stamptz(arith::date_to_timestamptz(date(&a[0]), session_zone(ctx)))),
    ("timestamp_date", |_, a| Ok(Datum::Date(arith::timestamp_to_date(timestamp(&a[0]))))),
    ("timestamptz_date", |ctx, a| local_time(ctx, &a[0]).map(|local| Datum::Date(arith::timestamp_to_date(local)))),
    ("timestamp_time", |_, a| Ok(to_time(timestamp(&a[0])))),
    ("timestamptz_time", |ctx, a| local_time(ctx, &a[0]).map(to_time)),
    ("timestamptz_timetz", timestamptz_timetz),
    ("timestamp_timestamptz", |ctx, a| stamptz(arith::timestamp_at_zone(timestamp(&a[0]), session_zone(ctx)))),
    ("timestamptz_timestamp", |ctx, a| stamp(local_time(ctx, &a[0]))),
    ("time_interval", |_, a| Ok(Datum::Interval(Interval::from_micros(time(&a[0]))))),
    ("interval_time", interval_time),
    ("time_timetz", time_timetz),
    ("timetz_time", |_, a| Ok(Datum::Time(timetz(&a[0]).0))),
    ("time_scale", |_, a| Ok(Datum::Time(round_micros(time(&a[0]), int4(&a[1]))))),
    ("timetz_scale", |_, a| {
        let (micros, west) = timetz(&a[0]);
        Ok(Datum::TimeTz(round_micros(micros, int4(&a[1])), west))
    }),
    ("timestamp_scale", |_, a| stamp(precision(timestamp(&a[0]), &a[1]))),
    ("timestamptz_scale", |_, a| stamptz(precision(timestamp(&a[0]), &a[1]))),
    ("date_larger", |_, a| pick(a, std::cmp::Ordering::Greater)),
    ("date_smaller", |_, a| pick(a, std::cmp::Ordering::Less)),
    ("time_larger", |_, a| pick(a, std::cmp::Ordering::Greater)),
    ("time_smaller", |_, a| pick(a, std::cmp::Ordering::Less)),
    ("timetz_larger", |_, a| pick(a, std::cmp::Ordering::Greater)),
    ("timetz_smaller", |_, a| pick(a, std::cmp::Ordering::Less)),
    ("timestamp_larger", |_, a| pick(a, std::cmp::Ordering::Greater)),
    ("timestamp_smaller", |_, a| pick(a, std::cmp::Ordering::Less)),
    ("time_pl_interval", |_, a| arith::time_plus(time(&a[0]), interval(&a[1]), false).map(Datum::Time)),
    ("time_mi_interval", |_, a| arith::time_plus(time(&a[0]), interval(&a[1]), true).map(Datum::Time)),
    ("interval_pl_time", |_, a| arith::time_plus(time(&a[1]), interval(&a[0]), false).map(Datum::Time)),
    ("time_mi_time", |_, a| Ok(Datum::Interval(Interval::from_micros(time(&a[0]) - time(&a[1]))))),
    ("timetz_pl_interval", |_, a| timetz_plus(a, false)),
    ("timetz_mi_interval", |_, a| timetz_plus(a, true)),
    ("interval_pl_timetz", |_, a| timetz_plus(&[a[1].clone(), a[0].clone()], false)),
    ("timestamp_mi", |_, a| span(arith::timestamp_minus(timestamp(&a[0]), timestamp(&a[1])))),
    ("timestamp_pl_interval", |_, a| stamp(arith::timestamp_plus(timestamp(&a[0]), interval(&a[1])))),
    ("interval_pl_timestamp", |_, a| stamp(arith::timestamp_plus(timestamp(&a[1]), interval(&a[0])))),
    ("timestamp_mi_interval", |_, a| stamp(arith::timestamp_plus(timestamp(&a[0]), &interval(&a[1]).negated()?))),
    ("timestamptz_pl_interval", |ctx, a| plus_in_zone(a, session_zone(ctx), false)),
    ("timestamptz_mi_interval", |ctx, a| plus_in_zone(a, session_zone(ctx), true)),
    ("interval_pl_timestamptz", |ctx, a| plus_in_zone(&[a[1].clone(), a[0].clone()], session_zone(ctx), false)),
    ("timestamptz_pl_interval_at_zone", |_, a| add_at_zone(a, false)),
    ("timestamptz_mi_interval_at_zone", |_, a| add_at_zone(a, true)),
    ("timestamp_age", |_, a| span(arith::age(timestamp(&a[0]), timestamp(&a[1])))),
    ("timestamptz_age", |ctx, a| span(arith::age_in_zone(timestamp(&a[0]), timestamp(&a[1]), session_zone(ctx)))),
    ("age", age_today),
    ("date_finite", |_, a| Ok(Datum::Bool(!matches!(date(&a[0]), DATE_INFINITY | DATE_NEG_INFINITY)))),
    ("timestamp_finite", |_, a| Ok(Datum::Bool(arith::timestamp_is_finite(timestamp(&a[0]))))),
    ("timestamptz_zone", |_, a| stamp(arith::timestamptz_at_zone(timestamp(&a[1]), &zone_argument(text(&a[0]))?))),
    ("timestamptz_izone", |ctx, a| stamp(arith::timestamptz_at_zone(timestamp(&a[1]), &interval_zone(ctx, &a[0])?))),
    ("timestamp_zone", |_, a| stamptz(civil_at(timestamp(&a[1]), &zone_argument(text(&a[0]))?))),
    ("timestamp_izone", |ctx, a| stamptz(civil_at(timestamp(&a[1]), &interval_zone(ctx, &a[0])?))),
    ("timetz_zone", |ctx, a| Ok(timetz_in_zone(ctx, &a[1], &zone_argument(text(&a[0]))?))),
    ("timetz_izone", |ctx, a| Ok(timetz_in_zone(ctx, &a[1], &interval_zone(ctx, &a[0])?))),
    ("timestamptz_at_local", |ctx, a| stamp(local_time(ctx, &a[0]))),
    ("timestamp_at_local", |ctx, a| stamptz(arith::timestamp_at_zone(timestamp(&a[0]), session_zone(ctx)))),
    ("timetz_at_local", |ctx, a| Ok(timetz_in_zone(ctx, &a[0], session_zone(ctx)))),
    ("date_cmp_timestamp", order),
    ("date_cmp_timestamptz", order),
    ("timestamp_cmp_date", order),
    ("timestamp_cmp_timestamptz", order),
    ("timestamptz_cmp_date", order),
    ("timestamptz_cmp_timestamp", order),
    ("overlaps_timestamp", |_, a| Ok(overlap(a, timestamp))),
    ("overlaps_time", |_, a| Ok(overlap(a, time))),
    ("overlaps_timetz", overlaps_timetz),
    ("overlaps", overlaps_spans),
    ("float8_timestamptz", from_unix),
    ("make_date", make_date),
    ("make_time", make_time),
    ("make_timestamp", |_, a| stamp(make_timestamp(a))),
    ("make_timestamptz", make_timestamptz),
    ("make_timestamptz_at_timezone", make_timestamptz),
];

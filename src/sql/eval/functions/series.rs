//! `generate_series`: rows that are made while they are read.
//!
//! A series ends quietly where its next value would leave the type's range.

use super::args::{int, interval, numeric, text, timestamp};
use super::datetime::session_zone;
use crate::bail;
use crate::error::Result;
use crate::sql::eval::registry::RowStream;
use crate::sql::eval::{FnContext, SetFn, SetRows};
use crate::types::Datum;
use crate::types::datetime::arith;
use crate::types::numeric::Numeric;
use crate::types::timezone::{Zone, zone_argument};

fn zero_step<T>() -> Result<T> {
    bail!(INVALID_PARAMETER_VALUE, "step size cannot equal zero")
}

fn integers(args: &[Datum], wrap: fn(i64) -> Datum, limit: (i64, i64)) -> Result<SetRows> {
    let (start, stop) = (int(&args[0]), int(&args[1]));
    let step = args.get(2).map_or(1, int);
    if step == 0 {
        return zero_step();
    }
    let mut next = Some(start);
    Ok(SetRows::Stream(Box::new(std::iter::from_fn(move || {
        let value = next.filter(|value| if step > 0 { *value <= stop } else { *value >= stop })?;
        next = value.checked_add(step).filter(|value| (limit.0..=limit.1).contains(value));
        Some(Ok(vec![wrap(value)]))
    }))))
}

fn int4_series(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let wrap = |value| Datum::Int4(i32::try_from(value).expect("the series stays in range"));
    integers(args, wrap, (i64::from(i32::MIN), i64::from(i32::MAX)))
}

fn int8_series(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    integers(args, Datum::Int8, (i64::MIN, i64::MAX))
}

fn check_finite(name: &str, value: &Numeric) -> Result<()> {
    if value.is_nan() {
        bail!(INVALID_PARAMETER_VALUE, "{name} cannot be NaN");
    }
    if !value.is_finite() {
        bail!(INVALID_PARAMETER_VALUE, "{name} cannot be infinity");
    }
    Ok(())
}

fn numeric_series(_: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let (start, stop) = (numeric(&args[0]).clone(), numeric(&args[1]).clone());
    check_finite("start value", &start)?;
    check_finite("stop value", &stop)?;
    let step = match args.get(2) {
        Some(step) => numeric(step).clone(),
        None => Numeric::from_i64(1),
    };
    check_finite("step size", &step)?;
    let upward = match step.signum() {
        0 => return zero_step(),
        sign => sign > 0,
    };
    let mut next = Some(Ok(start));
    Ok(SetRows::Stream(Box::new(std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        let order = value.compare(&stop);
        if if upward { order.is_gt() } else { order.is_lt() } {
            return None;
        }
        next = Some(value.add(&step));
        Some(Ok(vec![Datum::Numeric(value)]))
    }))))
}

/// A series of timestamps, or of instants that count months and days in a zone.
fn time_series(args: &[Datum], zone: Option<Zone>) -> Result<SetRows> {
    let (start, stop, step) = (timestamp(&args[0]), timestamp(&args[1]), *interval(&args[2]));
    let upward = match step.total_micros() {
        0 => return zero_step(),
        _ if !step.is_finite() => bail!(INVALID_PARAMETER_VALUE, "step size cannot be infinite"),
        length => length > 0,
    };
    let mut next = Some(Ok(start));
    let stream: RowStream = Box::new(std::iter::from_fn(move || {
        let value = match next.take()? {
            Ok(value) => value,
            Err(error) => return Some(Err(error)),
        };
        if if upward { value > stop } else { value < stop } {
            return None;
        }
        next = Some(match &zone {
            Some(zone) => arith::timestamptz_plus(value, &step, zone),
            None => arith::timestamp_plus(value, &step),
        });
        Some(Ok(vec![if zone.is_some() { Datum::Timestamptz(value) } else { Datum::Timestamp(value) }]))
    }));
    Ok(SetRows::Stream(stream))
}

fn timestamptz_series(ctx: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let zone = match args.get(3) {
        Some(name) => zone_argument(text(name))?,
        None => session_zone(ctx).clone(),
    };
    time_series(args, Some(zone))
}

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[
    ("generate_series_int4", int4_series),
    ("generate_series_step_int4", int4_series),
    ("generate_series_int8", int8_series),
    ("generate_series_step_int8", int8_series),
    ("generate_series_numeric", numeric_series),
    ("generate_series_step_numeric", numeric_series),
    ("generate_series_timestamp", |_, args| time_series(args, None)),
    ("generate_series_timestamptz", timestamptz_series),
    ("generate_series_timestamptz_at_zone", timestamptz_series),
];

//! `time` and `timetz` in text.

use crate::bail;
use crate::error::Result;
use crate::types::datetime::{Civil, USECS_PER_DAY, decode_time_only};
use crate::types::io::IoContext;
use crate::types::timestamp::write_clock;
use crate::types::timezone::write_offset;

/// One past the largest offset of a zone, in seconds.
const ZONE_LIMIT: i32 = 16 * 3_600;

/// Reads a time of day in microseconds; a zone beside it is checked and dropped.
///
/// # Errors
/// `22007`, `22008`, `22009`, `22023`.
pub fn input_time(text: &str, ctx: &IoContext<'_>) -> Result<i64> {
    let (civil, _) = decode_time_only(text, ctx).map_err(|fault| fault.error("time", text))?;
    Ok(civil.time_of_day())
}

/// Reads a time of day and a zone in seconds west of UTC; the session's zone at present when the text has none.
///
/// # Errors
/// `22007`, `22008`, `22009`, `22023`.
pub fn input_timetz(text: &str, ctx: &IoContext<'_>) -> Result<(i64, i32)> {
    let (civil, east) = decode_time_only(text, ctx).map_err(|fault| fault.error("time with time zone", text))?;
    let east = east.unwrap_or_else(|| session_offset(&civil, ctx));
    Ok((civil.time_of_day(), -east))
}

/// The session zone's offset for a time of today, seconds east of UTC.
pub(crate) fn session_offset(time: &Civil, ctx: &IoContext<'_>) -> i32 {
    let zone = &ctx.format.timezone;
    let east = zone.offset_at(ctx.now_micros);
    let today = Civil::from_timestamp(ctx.now_micros + i64::from(east) * 1_000_000);
    zone.offset_of_local(&Civil { year: today.year, month: today.month, day: today.day, ..*time })
}

/// Appends a time of day.
pub fn output_time(value: i64, out: &mut String) {
    write_clock(&Civil::from_time(value), out);
}

/// Appends a time of day and its zone, given in seconds west of UTC.
pub fn output_timetz(value: i64, zone: i32, out: &mut String) {
    write_clock(&Civil::from_time(value), out);
    write_offset(-zone, out);
}

/// Checks a time of day from outside.
///
/// # Errors
/// `22008` out of range.
pub fn check_time(value: i64) -> Result<i64> {
    if !(0..=USECS_PER_DAY).contains(&value) {
        bail!(DATETIME_FIELD_OVERFLOW, "time out of range");
    }
    Ok(value)
}

/// Checks a zone from outside, seconds west of UTC.
///
/// # Errors
/// `22009` out of range.
pub fn check_zone(value: i32) -> Result<i32> {
    if value <= -ZONE_LIMIT || value >= ZONE_LIMIT {
        bail!(INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement out of range");
    }
    Ok(value)
}

//! `timestamp` and `timestamptz` in text, and the writing of clocks and years that other types share.

use crate::bail;
use crate::error::Result;
use crate::types::datetime::calendar::in_timestamp_range;
use crate::types::datetime::{
    Civil, Decoded, MONTHS, Special, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, USECS_PER_SEC, WEEKDAYS,
    days_from_civil, decode_datetime,
};
use crate::types::io::{DateFormat, DateOrder, FormatSettings, IoContext};
use crate::types::timezone::write_offset;

/// 1970-01-01 in microseconds since 2000-01-01.
pub const UNIX_EPOCH: i64 = -946_684_800_000_000;

fn out_of_range<T>(text: &str) -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range: \"{text}\"")
}

fn special(value: Special) -> i64 {
    match value {
        Special::Epoch => UNIX_EPOCH,
        Special::Infinity => TIMESTAMP_INFINITY,
        Special::NegInfinity => TIMESTAMP_NEG_INFINITY,
    }
}

/// Reads a timestamp; a zone beside it is checked and dropped.
///
/// # Errors
/// `22007`, `22008`, `22009`, `22023`.
pub fn input_timestamp(text: &str, ctx: &IoContext<'_>) -> Result<i64> {
    match decode_datetime(text, ctx).map_err(|fault| fault.error("timestamp", text))? {
        Decoded::Special(value) => Ok(special(value)),
        Decoded::Moment(civil, _) => civil.to_timestamp().map_or_else(|| out_of_range(text), Ok),
    }
}

/// Reads an instant; text without a zone is in the session's.
///
/// # Errors
/// `22007`, `22008`, `22009`, `22023`.
pub fn input_timestamptz(text: &str, ctx: &IoContext<'_>) -> Result<i64> {
    match decode_datetime(text, ctx).map_err(|fault| fault.error("timestamp with time zone", text))? {
        Decoded::Special(value) => Ok(special(value)),
        Decoded::Moment(civil, east) => {
            let east = east.unwrap_or_else(|| ctx.format.timezone.offset_of_local(&civil));
            instant(&civil, east).map_or_else(|| out_of_range(text), Ok)
        }
    }
}

/// The instant of a local time at an offset; `None` outside the range of timestamps.
#[must_use]
pub fn instant(civil: &Civil, east: i32) -> Option<i64> {
    // The local time may lie just outside the range of instants.
    let local = i128::from(civil.days()) * 86_400_000_000 + i128::from(civil.time_of_day());
    let micros = local - i128::from(east) * i128::from(USECS_PER_SEC);
    i64::try_from(micros).ok().filter(|micros| in_timestamp_range(*micros))
}

/// Appends a number with at least `width` digits.
pub(crate) fn write_number(value: i32, width: usize, out: &mut String) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    if value < 0 {
        out.push('-');
    }
    out.extend(std::iter::repeat_n('0', width.saturating_sub(digits.len())));
    out.push_str(digits);
}

/// Appends a year of four digits or more; years BC count from 1 and the era is the caller's.
pub(crate) fn write_year(year: i32, out: &mut String) {
    write_number(if year > 0 { year } else { 1 - year }, 4, out);
}

/// Appends `.123` of a second, without zeros at the end; nothing for whole seconds.
pub(crate) fn write_fraction(micros: i32, out: &mut String) {
    if micros == 0 {
        return;
    }
    let digits = format!("{:06}", micros.unsigned_abs());
    out.push('.');
    out.push_str(digits.trim_end_matches('0'));
}

/// Appends `hh:mm:ss` and decimals.
pub(crate) fn write_clock(civil: &Civil, out: &mut String) {
    write_number(civil.hour, 2, out);
    out.push(':');
    write_number(civil.minute, 2, out);
    out.push(':');
    write_number(civil.second, 2, out);
    write_fraction(civil.micros, out);
}

/// Appends a timestamp in the session's style.
pub fn output_timestamp(value: i64, format: &FormatSettings, out: &mut String) {
    if !write_infinity(value, out) {
        write_moment(&Civil::from_timestamp(value), None, format, out);
    }
}

/// Appends an instant in the session's zone and style.
pub fn output_timestamptz(value: i64, format: &FormatSettings, out: &mut String) {
    if write_infinity(value, out) {
        return;
    }
    if format.date_format == DateFormat::Iso {
        let east = format.timezone.offset_at(value);
        let civil = Civil::from_timestamp(value + i64::from(east) * USECS_PER_SEC);
        write_moment(&civil, Some((east, "")), format, out);
    } else {
        let (east, name, _) = format.timezone.info_at(value);
        let civil = Civil::from_timestamp(value + i64::from(east) * USECS_PER_SEC);
        write_moment(&civil, Some((east, &name)), format, out);
    }
}

fn write_infinity(value: i64, out: &mut String) -> bool {
    match value {
        TIMESTAMP_INFINITY => out.push_str("infinity"),
        TIMESTAMP_NEG_INFINITY => out.push_str("-infinity"),
        _ => return false,
    }
    true
}

/// Appends a local time; `zone` is its offset and abbreviation.
fn write_moment(civil: &Civil, zone: Option<(i32, &str)>, format: &FormatSettings, out: &mut String) {
    let joined = |first: i32, second: i32, separator: char, out: &mut String| {
        write_number(first, 2, out);
        out.push(separator);
        write_number(second, 2, out);
        out.push(separator);
        write_year(civil.year, out);
        out.push(' ');
        write_clock(civil, out);
    };
    let day_first = format.date_order == DateOrder::Dmy;
    match format.date_format {
        DateFormat::Iso => {
            write_year(civil.year, out);
            out.push('-');
            write_number(civil.month, 2, out);
            out.push('-');
            write_number(civil.day, 2, out);
            out.push(' ');
            write_clock(civil, out);
            if let Some((east, _)) = zone {
                write_offset(east, out);
            }
        }
        DateFormat::Sql if day_first => joined(civil.day, civil.month, '/', out),
        DateFormat::Sql => joined(civil.month, civil.day, '/', out),
        DateFormat::German => joined(civil.day, civil.month, '.', out),
        DateFormat::Postgres => {
            let weekday = (days_from_civil(civil.year, civil.month, civil.day) + 6).rem_euclid(7);
            out.push_str(&WEEKDAYS[weekday as usize][..3]);
            out.push(' ');
            let month = &MONTHS[civil.month as usize - 1][..3];
            if day_first {
                write_number(civil.day, 2, out);
                out.push(' ');
                out.push_str(month);
            } else {
                out.push_str(month);
                out.push(' ');
                write_number(civil.day, 2, out);
            }
            out.push(' ');
            write_clock(civil, out);
            out.push(' ');
            write_year(civil.year, out);
        }
    }
    if let Some((_, name)) = zone
        && format.date_format != DateFormat::Iso
    {
        out.push(' ');
        out.push_str(name);
    }
    if civil.year <= 0 {
        out.push_str(" BC");
    }
}

//! Reading intervals: PostgreSQL's own syntax, the SQL standard's and ISO 8601's.
//!
//! Numbers and units are taken from right to left, so that a number knows the unit behind it; a fraction of a unit
//! cascades into smaller ones (a month is 30 days, a day 24 hours).

use crate::error::Error;
use crate::types::datetime::{FieldKind, USECS_PER_DAY, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC, split};
use crate::types::io::IntervalStyle;
use crate::types::typmod::{
    INTERVAL_DAY, INTERVAL_FULL_RANGE, INTERVAL_HOUR, INTERVAL_MINUTE, INTERVAL_MONTH, INTERVAL_SECOND, INTERVAL_YEAR,
};

use super::Interval;

/// A unit of time that text may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
}

/// Letters of a word that count.
const WORD_LIMIT: usize = 10;

/// The unit that a lower-case word names.
pub(crate) fn unit_of(word: &str) -> Option<Unit> {
    let word = word.get(..WORD_LIMIT).unwrap_or(word);
    Some(match word {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "qtr" | "quarter" => Unit::Quarter,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennia" | "millennium" => Unit::Millennium,
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Format,
    /// A field out of range.
    Range,
    /// The fields together out of range.
    Total,
}

/// Fields with the width that sums need before they are checked.
#[derive(Default)]
struct Sums {
    years: i64,
    months: i64,
    days: i64,
    micros: i64,
    seen: Vec<Unit>,
}

impl Sums {
    fn add_micros(&mut self, micros: i128) -> Result<(), Fault> {
        let total = i128::from(self.micros) + micros;
        self.micros = i64::try_from(total).map_err(|_| Fault::Range)?;
        Ok(())
    }

    fn fraction_of_micros(&mut self, fraction: f64, unit: i64) -> Result<(), Fault> {
        self.add_micros((fraction * unit as f64).round_ties_even() as i128)
    }

    fn fraction_of_days(&mut self, fraction: f64, scale: i64) -> Result<(), Fault> {
        let days = fraction * scale as f64;
        self.days = self.days.checked_add(days.trunc() as i64).ok_or(Fault::Range)?;
        self.fraction_of_micros(days.fract(), USECS_PER_DAY)
    }

    /// Adds a number of units, whole and fraction, which have the same sign.
    fn add(&mut self, unit: Unit, whole: i64, fraction: f64) -> Result<(), Fault> {
        let time = |sums: &mut Self, size: i64| {
            sums.add_micros(i128::from(whole) * i128::from(size))?;
            sums.fraction_of_micros(fraction, size)
        };
        let years = |sums: &mut Self, scale: i64| {
            let years = whole.checked_mul(scale).and_then(|years| years.checked_add(sums.years));
            sums.years = years.filter(|years| i32::try_from(*years).is_ok()).ok_or(Fault::Range)?;
            let part = (fraction * (12 * scale) as f64).round_ties_even() as i64;
            sums.months = sums.months.checked_add(part).ok_or(Fault::Range)?;
            Ok(())
        };
        match unit {
            Unit::Microsecond => time(self, 1),
            Unit::Millisecond => time(self, 1_000),
            Unit::Second => time(self, USECS_PER_SEC),
            Unit::Minute => time(self, USECS_PER_MINUTE),
            Unit::Hour => time(self, USECS_PER_HOUR),
            Unit::Day => {
                self.days = self.days.checked_add(whole).ok_or(Fault::Range)?;
                self.fraction_of_micros(fraction, USECS_PER_DAY)
            }
            Unit::Week => {
                let days = whole.checked_mul(7).ok_or(Fault::Range)?;
                self.days = self.days.checked_add(days).ok_or(Fault::Range)?;
                self.fraction_of_days(fraction, 7)
            }
            Unit::Month => {
                self.months = self.months.checked_add(whole).ok_or(Fault::Range)?;
                self.fraction_of_days(fraction, 30)
            }
            Unit::Quarter => Err(Fault::Format),
            Unit::Year => years(self, 1),
            Unit::Decade => years(self, 10),
            Unit::Century => years(self, 100),
            Unit::Millennium => years(self, 1_000),
        }
    }

    fn claim(&mut self, unit: Unit) -> Result<(), Fault> {
        if self.seen.contains(&unit) {
            return Err(Fault::Format);
        }
        self.seen.push(unit);
        Ok(())
    }

    fn finish(self, negate: bool) -> Result<Interval, Fault> {
        let sign = if negate { -1 } else { 1 };
        let months = i32::try_from(self.months).map_err(|_| Fault::Range)?;
        let days = i32::try_from(self.days).map_err(|_| Fault::Range)?;
        let months = i32::try_from((self.years * 12 + i64::from(months)) * sign).map_err(|_| Fault::Total)?;
        let days = days.checked_mul(sign as i32).ok_or(Fault::Range)?;
        let micros = self.micros.checked_mul(sign).ok_or(Fault::Range)?;
        Ok(Interval { months, days, micros })
    }
}

/// Reads an interval. `typmod` says what a bare number means (`interval '5' hour`); the value is not cut to it here.
///
/// # Errors
/// `22007` for bad syntax, `22015` for fields out of range, `22008` when the whole is out of range.
pub fn input(text: &str, typmod: i32, style: IntervalStyle) -> crate::error::Result<Interval> {
    let range = if typmod < 0 { INTERVAL_FULL_RANGE } else { (typmod >> 16) & INTERVAL_FULL_RANGE };
    let decoded = match decode(text, range, style) {
        Err(Fault::Format) => decode_iso(text),
        other => other,
    };
    let value = decoded.map_err(|fault| error(fault, text))?;
    value.apply_typmod(typmod)
}

fn error(fault: Fault, text: &str) -> Error {
    match fault {
        Fault::Format => {
            crate::error!(INVALID_DATETIME_FORMAT, "invalid input syntax for type interval: \"{text}\"")
        }
        Fault::Range => {
            crate::error!(INTERVAL_FIELD_OVERFLOW, "interval field value out of range: \"{text}\"")
        }
        Fault::Total => crate::error!(DATETIME_FIELD_OVERFLOW, "interval out of range"),
    }
}

/// The unit of a number that none follows: the smallest of the declared range.
fn default_unit(range: i32) -> Unit {
    let smallest = [
        (INTERVAL_SECOND, Unit::Second),
        (INTERVAL_MINUTE, Unit::Minute),
        (INTERVAL_HOUR, Unit::Hour),
        (INTERVAL_DAY, Unit::Day),
        (INTERVAL_MONTH, Unit::Month),
        (INTERVAL_YEAR, Unit::Year),
    ];
    if range == INTERVAL_FULL_RANGE {
        return Unit::Second;
    }
    smallest.iter().find(|(bit, _)| range & bit != 0).map_or(Unit::Second, |(_, unit)| *unit)
}

/// A signed number: whole part, fraction with the same sign, whether it was written negative.
struct Number {
    whole: i64,
    fraction: f64,
    negative: bool,
}

fn number(text: &str) -> Result<Number, Fault> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = match digits.find('.') {
        Some(at) => (&digits[..at], &digits[at..]),
        None => (digits, ""),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction.get(1..).unwrap_or("")) || (whole.is_empty() && fraction.len() < 2) {
        return Err(Fault::Format);
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().map_err(|_| Fault::Range)? };
    let fraction = if fraction.len() > 1 { fraction.parse::<f64>().map_err(|_| Fault::Format)? } else { 0.0 };
    let sign = if negative { -1 } else { 1 };
    Ok(Number { whole: whole * sign, fraction: fraction * sign as f64, negative })
}

/// `hh:mm`, `hh:mm:ss`, `mm:ss.fraction`, in microseconds.
fn clock(text: &str, range: i32) -> Result<i64, Fault> {
    let parts: Vec<&str> = text.split(':').collect();
    let whole = |part: &str| {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        part.parse::<i64>().map_err(|_| Fault::Range)
    };
    let seconds = |part: &str| -> Result<(i64, i64), Fault> {
        let (digits, fraction) = match part.find('.') {
            Some(at) => (&part[..at], &part[at..]),
            None => (part, ""),
        };
        let fraction = if fraction.len() > 1 { fraction.parse::<f64>().map_err(|_| Fault::Format)? } else { 0.0 };
        Ok((whole(digits)?, (fraction * 1e6).round_ties_even() as i64))
    };
    let minute_to_second = range == INTERVAL_MINUTE | INTERVAL_SECOND;
    let (hour, minute, (second, micros)) = match parts.as_slice() {
        [minute, second] if second.contains('.') || minute_to_second => (0, whole(minute)?, seconds(second)?),
        [hour, minute] => (whole(hour)?, whole(minute)?, (0, 0)),
        [hour, minute, second] => (whole(hour)?, whole(minute)?, seconds(second)?),
        _ => return Err(Fault::Format),
    };
    if minute > 59 || second > 60 {
        return Err(Fault::Range);
    }
    let total = i128::from(hour) * i128::from(USECS_PER_HOUR)
        + i128::from(minute * USECS_PER_MINUTE + second * USECS_PER_SEC + micros);
    i64::try_from(total).map_err(|_| Fault::Range)
}

fn decode(text: &str, range: i32, style: IntervalStyle) -> Result<Interval, Fault> {
    let fields = split(text).ok_or(Fault::Format)?;
    let mut sums = Sums::default();
    let mut unit: Option<Unit> = None;
    let mut unit_waits = false;
    let mut ago = false;
    // In the standard's syntax a leading minus is the sign of everything, unless signs follow.
    let all_negative = style == IntervalStyle::SqlStandard
        && fields.first().is_some_and(|field| field.text.starts_with('-'))
        && !fields.iter().skip(1).any(|field| field.text.starts_with(['-', '+']));
    for (index, field) in fields.iter().enumerate().rev() {
        let text = field.text.as_str();
        match field.kind {
            FieldKind::Time => {
                let micros = clock(text, range)?;
                take_clock(&mut sums, if all_negative { -micros } else { micros })?;
                unit = Some(Unit::Day);
                unit_waits = false;
            }
            FieldKind::Offset if text.contains(':') => {
                let micros = clock(&text[1..], range)?;
                take_clock(&mut sums, if text.starts_with('-') { -micros } else { micros })?;
                unit = Some(Unit::Day);
                unit_waits = false;
            }
            FieldKind::Offset | FieldKind::Date | FieldKind::Number => {
                let this = unit.unwrap_or_else(|| default_unit(range));
                unit = Some(take_number(&mut sums, text, this, all_negative)?);
                unit_waits = false;
            }
            FieldKind::Word | FieldKind::SignedWord => {
                if unit_waits {
                    return Err(Fault::Format);
                }
                match text {
                    "ago" if index + 1 == fields.len() && index > 0 => ago = true,
                    "infinity" if fields.len() == 1 => return Ok(Interval::INFINITY),
                    "+infinity" if fields.len() == 1 => return Ok(Interval::INFINITY),
                    "-infinity" if fields.len() == 1 => return Ok(Interval::NEG_INFINITY),
                    "on" | "at" => {}
                    _ => {
                        unit = Some(unit_of(text).ok_or(Fault::Format)?);
                        unit_waits = true;
                    }
                }
            }
        }
    }
    if sums.seen.is_empty() || unit_waits {
        return Err(Fault::Format);
    }
    sums.finish(ago)
}

fn take_clock(sums: &mut Sums, micros: i64) -> Result<(), Fault> {
    for unit in [Unit::Hour, Unit::Minute, Unit::Second] {
        sums.claim(unit)?;
    }
    sums.add_micros(i128::from(micros))
}

/// Adds a number of `unit`; answers the unit of a number before it when that has none.
fn take_number(sums: &mut Sums, text: &str, unit: Unit, all_negative: bool) -> Result<Unit, Fault> {
    // `years-months`, where the second part has no sign of its own.
    let dash = text.get(1..).and_then(|rest| rest.find('-')).map(|at| at + 1);
    if let Some(at) = dash {
        let years = number(&text[..at])?;
        let months = text[at + 1..].parse::<i64>().map_err(|_| Fault::Format)?;
        if !(0..12).contains(&months) {
            return Err(Fault::Range);
        }
        let sign = if years.negative || all_negative { -1 } else { 1 };
        let whole = years.whole.abs().checked_mul(12).ok_or(Fault::Range)? + months;
        sums.claim(Unit::Month)?;
        sums.add(Unit::Month, whole * sign, 0.0)?;
        return Ok(Unit::Month);
    }
    let Number { mut whole, mut fraction, .. } = number(text)?;
    if all_negative {
        (whole, fraction) = (-whole.abs(), -fraction.abs());
    }
    sums.add(unit, whole, fraction)?;
    sums.claim(unit)?;
    if unit == Unit::Second && fraction != 0.0 {
        sums.claim(Unit::Millisecond)?;
        sums.claim(Unit::Microsecond)?;
    }
    Ok(if unit == Unit::Hour { Unit::Day } else { unit })
}

/// `P1Y2M3DT4H5M6S`, and the forms `P0001-02-03T04:05:06` and `P00010203T040506`.
fn decode_iso(text: &str) -> Result<Interval, Fault> {
    let mut rest = text.strip_prefix('P').ok_or(Fault::Format)?;
    if rest.is_empty() {
        return Err(Fault::Format);
    }
    let mut sums = Sums::default();
    let mut dated = true;
    let mut any = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            dated = false;
            any = false;
            rest = after;
            continue;
        }
        let end = rest
            .bytes()
            .enumerate()
            .position(|(index, byte)| {
                !(byte.is_ascii_digit() || byte == b'.' || (index == 0 && (byte == b'-' || byte == b'+')))
            })
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        let Number { whole, fraction, .. } = number(digits)?;
        let designator = rest[end..].chars().next();
        let unit = match (dated, designator) {
            (true, Some('Y')) => Unit::Year,
            (true, Some('M')) => Unit::Month,
            (true, Some('W')) => Unit::Week,
            (true, Some('D')) => Unit::Day,
            (false, Some('H')) => Unit::Hour,
            (false, Some('M')) => Unit::Minute,
            (false, Some('S')) => Unit::Second,
            (true, None | Some('T' | '-')) if !any => {
                rest = iso_date(&mut sums, rest)?;
                any = true;
                continue;
            }
            (false, None | Some(':')) if !any => {
                iso_time(&mut sums, rest)?;
                return sums.finish(false);
            }
            _ => return Err(Fault::Format),
        };
        sums.add(unit, whole, fraction)?;
        any = true;
        rest = &rest[end + 1..];
    }
    sums.finish(false)
}

/// The alternative date of ISO 8601, extended (`0001-02-03`) or basic (`00010203`); answers what follows it.
fn iso_date<'a>(sums: &mut Sums, text: &'a str) -> Result<&'a str, Fault> {
    let end = text.find('T').unwrap_or(text.len());
    let date = &text[..end];
    let unsigned = date.strip_prefix('-').unwrap_or(date);
    if unsigned.len() == 8 && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let value = number(date)?.whole;
        sums.add(Unit::Year, value / 10_000, 0.0)?;
        sums.add(Unit::Month, value / 100 % 100, 0.0)?;
        sums.add(Unit::Day, value % 100, 0.0)?;
        return Ok(&text[end..]);
    }
    let mut units = [Unit::Year, Unit::Month, Unit::Day].into_iter();
    let mut rest = date;
    loop {
        let stop = rest.get(1..).and_then(|tail| tail.find('-')).map_or(rest.len(), |at| at + 1);
        let Number { whole, fraction, .. } = number(&rest[..stop])?;
        sums.add(units.next().ok_or(Fault::Format)?, whole, fraction)?;
        if stop == rest.len() {
            return Ok(&text[end..]);
        }
        rest = &rest[stop + 1..];
    }
}

/// The alternative time of ISO 8601, extended (`04:05:06`) or basic (`040506`).
fn iso_time(sums: &mut Sums, text: &str) -> Result<(), Fault> {
    if !text.contains(':') {
        let Number { whole, fraction, .. } = number(text)?;
        if text.find('.').unwrap_or(text.len()) == 6 {
            sums.add(Unit::Hour, whole / 10_000, 0.0)?;
            sums.add(Unit::Minute, whole / 100 % 100, 0.0)?;
            return sums.add(Unit::Second, whole % 100, fraction);
        }
        return sums.add(Unit::Hour, whole, fraction);
    }
    let mut units = [Unit::Hour, Unit::Minute, Unit::Second].into_iter();
    for part in text.split(':') {
        let Number { whole, fraction, .. } = number(part)?;
        sums.add(units.next().ok_or(Fault::Format)?, whole, fraction)?;
    }
    Ok(())
}

//! Intervals as text in the four styles.

use crate::types::datetime::{USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC};
use crate::types::io::IntervalStyle;

use super::Interval;

/// The fields as they are printed; the time's fields share one sign.
struct Parts {
    years: i32,
    months: i32,
    days: i32,
    hours: i64,
    minutes: i64,
    seconds: i64,
    micros: i64,
}

impl Parts {
    fn of(value: &Interval) -> Self {
        Self {
            years: value.months / 12,
            months: value.months % 12,
            days: value.days,
            hours: value.micros / USECS_PER_HOUR,
            minutes: value.micros / USECS_PER_MINUTE % 60,
            seconds: value.micros / USECS_PER_SEC % 60,
            micros: value.micros % USECS_PER_SEC,
        }
    }

    fn time_is_negative(&self) -> bool {
        self.hours < 0 || self.minutes < 0 || self.seconds < 0 || self.micros < 0
    }

    fn has_time(&self) -> bool {
        self.hours != 0 || self.minutes != 0 || self.seconds != 0 || self.micros != 0
    }
}

/// Appends an interval in the session's style.
pub fn output(value: &Interval, style: IntervalStyle, out: &mut String) {
    if *value == Interval::INFINITY {
        return out.push_str("infinity");
    }
    if *value == Interval::NEG_INFINITY {
        return out.push_str("-infinity");
    }
    let parts = Parts::of(value);
    match style {
        IntervalStyle::Postgres => postgres(&parts, out),
        IntervalStyle::PostgresVerbose => verbose(&parts, out),
        IntervalStyle::SqlStandard => sql_standard(&parts, out),
        IntervalStyle::Iso8601 => iso_8601(&parts, out),
    }
}

/// Appends seconds and their decimals without a sign.
fn seconds(parts: &Parts, width: usize, out: &mut String) {
    let digits = parts.seconds.unsigned_abs().to_string();
    out.extend(std::iter::repeat_n('0', width.saturating_sub(digits.len())));
    out.push_str(&digits);
    crate::types::timestamp::write_fraction(parts.micros as i32, out);
}

fn clock(parts: &Parts, width: usize, out: &mut String) {
    let hours = parts.hours.unsigned_abs();
    if width == 2 {
        out.push_str(&format!("{hours:02}"));
    } else {
        out.push_str(&hours.to_string());
    }
    out.push_str(&format!(":{:02}:", parts.minutes.unsigned_abs()));
    seconds(parts, 2, out);
}

fn postgres(parts: &Parts, out: &mut String) {
    let start = out.len();
    let mut negative_before = false;
    for (value, unit) in [(parts.years, "year"), (parts.months, "mon"), (parts.days, "day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.push(' ');
        }
        if negative_before && value > 0 {
            out.push('+');
        }
        out.push_str(&format!("{value} {unit}{}", if value == 1 { "" } else { "s" }));
        negative_before = value < 0;
    }
    if out.len() == start || parts.has_time() {
        if out.len() > start {
            out.push(' ');
        }
        if parts.time_is_negative() {
            out.push('-');
        } else if negative_before {
            out.push('+');
        }
        clock(parts, 2, out);
    }
}

fn verbose(parts: &Parts, out: &mut String) {
    out.push('@');
    let start = out.len();
    let mut ago = None;
    let fields = [
        (i64::from(parts.years), "year"),
        (i64::from(parts.months), "mon"),
        (i64::from(parts.days), "day"),
        (parts.hours, "hour"),
        (parts.minutes, "min"),
    ];
    for (value, unit) in fields {
        if value == 0 {
            continue;
        }
        // The first field decides whether the whole is said to be ago; the others show where they differ.
        let backwards = *ago.get_or_insert(value < 0);
        let shown = if backwards { -value } else { value };
        out.push_str(&format!(" {shown} {unit}{}", if shown == 1 { "" } else { "s" }));
    }
    if parts.seconds != 0 || parts.micros != 0 {
        out.push(' ');
        let negative = parts.seconds < 0 || parts.micros < 0;
        let backwards = *ago.get_or_insert(negative);
        if negative != backwards {
            out.push('-');
        }
        seconds(parts, 1, out);
        out.push_str(if parts.seconds.abs() != 1 || parts.micros != 0 { " secs" } else { " sec" });
    }
    if out.len() == start {
        out.push_str(" 0");
    }
    if ago == Some(true) {
        out.push_str(" ago");
    }
}

fn sql_standard(parts: &Parts, out: &mut String) {
    let year_month = parts.years != 0 || parts.months != 0;
    let day_time = parts.days != 0 || parts.has_time();
    let negative = parts.years < 0 || parts.months < 0 || parts.days < 0 || parts.time_is_negative();
    let positive = parts.years > 0
        || parts.months > 0
        || parts.days > 0
        || parts.hours > 0
        || parts.minutes > 0
        || parts.seconds > 0
        || parts.micros > 0;
    if !year_month && !day_time {
        out.push('0');
        return;
    }
    if (negative && positive) || (year_month && day_time) {
        // The standard has no such values; every part carries its sign so that it reads back.
        let sign = |negative: bool| if negative { '-' } else { '+' };
        let (years, months) = (parts.years.unsigned_abs(), parts.months.unsigned_abs());
        out.push(sign(parts.years < 0 || parts.months < 0));
        out.push_str(&format!("{years}-{months} "));
        out.push(sign(parts.days < 0));
        out.push_str(&format!("{} ", parts.days.unsigned_abs()));
        out.push(sign(parts.time_is_negative()));
        clock(parts, 1, out);
        return;
    }
    if negative {
        out.push('-');
    }
    if year_month {
        out.push_str(&format!("{}-{}", parts.years.unsigned_abs(), parts.months.unsigned_abs()));
    } else {
        if parts.days != 0 {
            out.push_str(&format!("{} ", parts.days.unsigned_abs()));
        }
        clock(parts, 1, out);
    }
}

fn iso_8601(parts: &Parts, out: &mut String) {
    out.push('P');
    let start = out.len();
    for (value, unit) in [(parts.years, 'Y'), (parts.months, 'M'), (parts.days, 'D')] {
        if value != 0 {
            out.push_str(&format!("{value}{unit}"));
        }
    }
    if parts.has_time() {
        out.push('T');
        for (value, unit) in [(parts.hours, 'H'), (parts.minutes, 'M')] {
            if value != 0 {
                out.push_str(&format!("{value}{unit}"));
            }
        }
        if parts.seconds != 0 || parts.micros != 0 {
            if parts.seconds < 0 || parts.micros < 0 {
                out.push('-');
            }
            seconds(parts, 1, out);
            out.push('S');
        }
    }
    if out.len() == start {
        out.push_str("T0S");
    }
}

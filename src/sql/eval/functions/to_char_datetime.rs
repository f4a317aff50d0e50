//! `to_char` of timestamps and intervals.

use super::args::{interval, text, timestamp, to_text};
use super::datetime::session_zone;
use super::number_format::ordinal;
use super::time_format::{Case, Field, ROMAN_MONTHS, Step, parse};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::datetime::extract::{iso_week, iso_week_start};
use crate::types::datetime::{
    Civil, MONTHS, USECS_PER_HOUR, USECS_PER_MINUTE, USECS_PER_SEC, WEEKDAYS, arith, days_from_civil,
};
use crate::types::interval::Interval;

/// What is shown: a moment, or the fields of an interval in the same places.
struct Shown {
    year: i32,
    month: i32,
    day: i32,
    hour: i64,
    minute: i64,
    second: i64,
    micros: i64,
    day_of_year: i32,
    is_interval: bool,
    /// Seconds east of UTC.
    east: i32,
    zone: Option<String>,
}

impl Shown {
    fn moment(civil: &Civil, east: i32, zone: Option<String>) -> Self {
        Self {
            year: civil.year,
            month: civil.month,
            day: civil.day,
            hour: i64::from(civil.hour),
            minute: i64::from(civil.minute),
            second: i64::from(civil.second),
            micros: i64::from(civil.micros),
            day_of_year: (civil.days() - days_from_civil(civil.year, 1, 1)) as i32 + 1,
            is_interval: false,
            east,
            zone,
        }
    }

    fn interval(value: &Interval) -> Self {
        let (year, month) = (value.months / 12, value.months % 12);
        Self {
            year,
            month,
            day: value.days,
            hour: value.micros / USECS_PER_HOUR,
            minute: value.micros / USECS_PER_MINUTE % 60,
            second: value.micros / USECS_PER_SEC % 60,
            micros: value.micros % USECS_PER_SEC,
            day_of_year: value.months.wrapping_mul(30).wrapping_add(value.days),
            is_interval: true,
            east: 0,
            zone: None,
        }
    }

    fn civil(&self) -> Civil {
        Civil { year: self.year, month: self.month, day: self.day, ..Civil::default() }
    }

    /// 0 for Sunday.
    fn weekday(&self) -> usize {
        (self.civil().days() + 6).rem_euclid(7) as usize
    }

    /// A year as it is counted: there is no year zero.
    fn counted(&self, year: i32) -> i32 {
        if self.is_interval || year > 0 { year } else { 1 - year }
    }

    fn day_of_iso_year(&self) -> i32 {
        let civil = self.civil();
        let (year, _) = iso_week(&civil);
        (civil.days() - iso_week_start(year, 1)) as i32 + 1
    }

    fn century(&self) -> i32 {
        match self.year {
            year if self.is_interval => year / 100,
            year if year > 0 => (year - 1) / 100 + 1,
            year => year / 100 - 1,
        }
    }
}

/// A number with zeros before it; `width` counts the digits and a sign takes one more place.
fn padded(value: i64, width: usize, fill: bool) -> String {
    if fill {
        return value.to_string();
    }
    let width = if value < 0 { width + 1 } else { width };
    format!("{value:0width$}")
}

fn cased(name: &str, case: Case) -> String {
    match case {
        Case::Upper => name.to_ascii_uppercase(),
        Case::Lower => name.to_ascii_lowercase(),
        Case::Capital => name.to_owned(),
    }
}

/// A full name, filled with blanks to the longest one.
fn long_name(name: &str, case: Case, fill: bool) -> String {
    let shown = cased(name, case);
    if fill { shown } else { format!("{shown:<9}") }
}

fn not_of_intervals<T>() -> Result<T> {
    Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
        .hint("Intervals are not tied to specific calendar dates."))
}

fn needs_calendar(field: Field) -> bool {
    matches!(
        field,
        Field::Era { .. }
            | Field::MonthName(_)
            | Field::MonthShort(_)
            | Field::DayName(_)
            | Field::DayShort(_)
            | Field::IsoDayOfYear
            | Field::DayOfWeek
            | Field::IsoDayOfWeek
            | Field::ZoneName { .. }
            | Field::ZoneHour
            | Field::ZoneMinute
            | Field::ZoneOffset
            | Field::IsoWeek
    )
}

fn render(steps: &[Step], shown: &Shown) -> Result<String> {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Space(c) | Step::Separator(c) | Step::Text(c) => out.push(*c),
            Step::Field { field, fill, ordinal: suffix, .. } => {
                if shown.is_interval && needs_calendar(*field) {
                    return not_of_intervals();
                }
                let start = out.len();
                out.push_str(&one(*field, *fill, shown));
                if let Some(upper) = suffix
                    && out[start..].ends_with(|c: char| c.is_ascii_digit())
                {
                    let text = ordinal(&out[start..], *upper);
                    out.push_str(text);
                }
            }
        }
    }
    Ok(out)
}

fn one(field: Field, fill: bool, shown: &Shown) -> String {
    let month_name = || usize::try_from(shown.month - 1).ok().and_then(|at| MONTHS.get(at)).copied();
    match field {
        Field::Era { dots, upper } => {
            let name = if shown.year <= 0 { "BC" } else { "AD" };
            dotted(name, dots, upper)
        }
        Field::Noon { dots, upper } => {
            let name = if shown.hour.rem_euclid(24) >= 12 { "PM" } else { "AM" };
            dotted(name, dots, upper)
        }
        Field::MonthName(case) => month_name().map_or_else(String::new, |name| long_name(name, case, fill)),
        Field::MonthShort(case) => month_name().map_or_else(String::new, |name| cased(&name[..3], case)),
        Field::DayName(case) => long_name(WEEKDAYS[shown.weekday()], case, fill),
        Field::DayShort(case) => cased(&WEEKDAYS[shown.weekday()][..3], case),
        Field::RomanMonth { upper } => roman_month(shown, upper, fill),
        Field::ZoneName { upper } => {
            let name = shown.zone.clone().unwrap_or_default();
            if upper { name } else { name.to_ascii_lowercase() }
        }
        Field::ZoneHour => format!("{}{:02}", sign(shown.east), shown.east.abs() / 3_600),
        Field::ZoneMinute => format!("{:02}", shown.east.abs() % 3_600 / 60),
        Field::ZoneOffset => {
            let hours = padded(i64::from(shown.east.abs() / 3_600), 2, fill);
            let minutes = shown.east.abs() % 3_600 / 60;
            let tail = if minutes == 0 { String::new() } else { format!(":{minutes:02}") };
            format!("{}{hours}{tail}", sign(shown.east))
        }
        Field::Exact => String::new(),
        number => number_field(number, fill, shown),
    }
}

fn sign(east: i32) -> char {
    if east < 0 { '-' } else { '+' }
}

fn dotted(name: &str, dots: bool, upper: bool) -> String {
    let shown = if dots { format!("{}.{}.", &name[..1], &name[1..]) } else { name.to_owned() };
    if upper { shown } else { shown.to_ascii_lowercase() }
}

fn roman_month(shown: &Shown, upper: bool, fill: bool) -> String {
    if shown.month == 0 && shown.year == 0 {
        return String::new();
    }
    // An interval of whole years shows December, as one of -1 month shows January.
    let place = if shown.month == 0 {
        if shown.year >= 0 { 0 } else { 11 }
    } else if shown.month < 0 {
        -(shown.month + 1)
    } else {
        12 - shown.month
    };
    let name = ROMAN_MONTHS[11 - usize::try_from(place).unwrap_or(0).min(11)];
    let name = if upper { name.to_owned() } else { name.to_ascii_lowercase() };
    if fill { name } else { format!("{name:<4}") }
}

fn number_field(field: Field, fill: bool, shown: &Shown) -> String {
    let year_digits = |year: i32, digits: u8| {
        let counted = i64::from(shown.counted(year));
        match digits {
            4 => padded(counted, 4, fill),
            3 => padded(counted % 1_000, 3, fill),
            2 => padded(counted % 100, 2, fill),
            _ => padded(counted % 10, 1, fill),
        }
    };
    match field {
        Field::Century => {
            let century = shown.century();
            if (-99..=99).contains(&century) { padded(i64::from(century), 2, fill) } else { century.to_string() }
        }
        Field::DayOfYear => padded(i64::from(shown.day_of_year), 3, fill),
        Field::IsoDayOfYear => padded(i64::from(shown.day_of_iso_year()), 3, fill),
        Field::Day => padded(i64::from(shown.day), 2, fill),
        Field::DayOfWeek => (shown.weekday() + 1).to_string(),
        Field::IsoDayOfWeek => (if shown.weekday() == 0 { 7 } else { shown.weekday() }).to_string(),
        Field::Hour12 => {
            let hour = if shown.hour % 12 == 0 { 12 } else { shown.hour % 12 };
            padded(hour, 2, fill)
        }
        Field::Hour24 => padded(shown.hour, 2, fill),
        Field::Minute => padded(shown.minute, 2, fill),
        Field::Second => padded(shown.second, 2, fill),
        Field::Fraction(digits) => {
            let unit = 10i64.pow(6 - u32::from(digits));
            padded(shown.micros / unit, usize::from(digits), false)
        }
        Field::Milliseconds => padded(shown.micros / 1_000, 3, false),
        Field::Microseconds => padded(shown.micros, 6, false),
        Field::SecondOfDay => (shown.hour * 3_600 + shown.minute * 60 + shown.second).to_string(),
        Field::Month => padded(i64::from(shown.month), 2, fill),
        Field::Quarter if shown.month == 0 => String::new(),
        Field::Quarter => ((shown.month - 1) / 3 + 1).to_string(),
        Field::Week => padded(i64::from((shown.day_of_year - 1) / 7 + 1), 2, fill),
        Field::IsoWeek => padded(i64::from(iso_week(&shown.civil()).1), 2, fill),
        Field::WeekOfMonth => ((shown.day - 1) / 7 + 1).to_string(),
        Field::Julian => {
            let days = if shown.is_interval {
                julian_of_interval(shown)
            } else {
                shown.civil().days() + i64::from(crate::types::datetime::calendar::EPOCH_JULIAN)
            };
            days.to_string()
        }
        Field::YearWithComma => {
            let year = shown.counted(shown.year);
            format!("{},{:03}", year / 1_000, (year % 1_000).abs())
        }
        Field::Year(digits) => year_digits(shown.year, digits),
        Field::IsoYear(digits) if shown.is_interval => year_digits(shown.year, digits),
        Field::IsoYear(digits) => year_digits(iso_week(&shown.civil()).0, digits),
        _ => String::new(),
    }
}

/// The Julian day of an interval's fields read as a date.
fn julian_of_interval(shown: &Shown) -> i64 {
    days_from_civil(shown.year, shown.month.max(1), shown.day)
        + i64::from(crate::types::datetime::calendar::EPOCH_JULIAN)
}

fn timestamp_to_char(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (value, format) = (timestamp(&args[0]), text(&args[1]));
    if format.is_empty() || !arith::timestamp_is_finite(value) {
        return Ok(Datum::Null);
    }
    render(&parse(format), &Shown::moment(&Civil::from_timestamp(value), 0, None)).map(to_text)
}

fn timestamptz_to_char(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (value, format) = (timestamp(&args[0]), text(&args[1]));
    if format.is_empty() || !arith::timestamp_is_finite(value) {
        return Ok(Datum::Null);
    }
    let (east, name, _) = session_zone(ctx).info_at(value);
    let civil = Civil::from_timestamp(value + i64::from(east) * USECS_PER_SEC);
    render(&parse(format), &Shown::moment(&civil, east, Some(name))).map(to_text)
}

fn interval_to_char(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (value, format) = (interval(&args[0]), text(&args[1]));
    if format.is_empty() || !value.is_finite() {
        return Ok(Datum::Null);
    }
    if value.days == i32::MIN {
        bail!(DATETIME_FIELD_OVERFLOW, "interval out of range");
    }
    render(&parse(format), &Shown::interval(value)).map(to_text)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("timestamp_to_char", timestamp_to_char),
    ("timestamptz_to_char", timestamptz_to_char),
    ("interval_to_char", interval_to_char),
];

//! `to_date` and `to_timestamp`: reading text by a template, and what the fields read mean together.

use super::args::text;
use super::datetime::session_zone;
use super::time_format::{Field, ROMAN_MONTHS, Step, is_separator, parse};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::datetime::calendar::{EPOCH_JULIAN, MAX_DATE, MIN_DATE};
use crate::types::datetime::extract::iso_week_start;
use crate::types::datetime::{
    Civil, MONTHS, WEEKDAYS, abbreviation_offset, civil_from_days, days_from_civil, days_in_month,
};
use crate::types::timestamp::instant;

/// What has been read; 0 is "not given" for most fields, as in PostgreSQL.
#[derive(Default)]
struct Fields {
    twelve_hours: bool,
    afternoon: bool,
    before_christ: bool,
    iso: Option<bool>,
    hour: i64,
    minute: i64,
    second: i64,
    second_of_day: i64,
    /// 1 is Sunday.
    weekday: i64,
    day: i64,
    day_of_year: i64,
    month: i64,
    millis: i64,
    micros: i64,
    year: i64,
    year_digits: u8,
    century: i64,
    week_of_month: i64,
    week: i64,
    julian: i64,
    zone_sign: i32,
    zone_hour: i64,
    zone_minute: i64,
    /// Seconds east of UTC of a zone given by its abbreviation.
    zone: Option<i32>,
}

/// Reading: a cursor on the input.
struct Scanner<'a> {
    rest: &'a str,
    exact: bool,
    /// Blanks and separators passed beyond those of the template.
    extra: i32,
    last_skipped: Option<char>,
    fields: Fields,
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

/// The digits, with a sign, at the front of a text.
fn number_length(text: &str) -> usize {
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { 0 } else { sign + digits }
}

fn set(field: &mut i64, value: i64, name: &str) -> Result<()> {
    if *field != 0 && *field != value {
        return Err(crate::error!(
            INVALID_DATETIME_FORMAT,
            "conflicting values for \"{name}\" field in formatting string"
        )
        .detail("This value contradicts a previous setting for the same field type."));
    }
    *field = value;
    Ok(())
}

/// Years of fewer than four digits are near 2020.
fn near_2020(year: i64) -> i64 {
    match year {
        ..70 => year + 2_000,
        70..100 => year + 1_900,
        100..520 => year + 2_000,
        520..1_000 => year + 1_000,
        _ => year,
    }
}

impl<'a> Scanner<'a> {
    /// The first `count` characters of what is left.
    fn front(&self, count: usize) -> &'a str {
        let end = self.rest.char_indices().nth(count).map_or(self.rest.len(), |(at, _)| at);
        &self.rest[..end]
    }

    fn skip_char(&mut self) {
        if let Some(c) = self.rest.chars().next() {
            self.last_skipped = Some(c);
            self.rest = &self.rest[c.len_utf8()..];
        }
    }

    fn run(&mut self, steps: &[Step]) -> Result<()> {
        for (index, step) in steps.iter().enumerate() {
            if self.rest.is_empty() {
                break;
            }
            if !self.exact && (!matches!(step, Step::Text(_)) || index == 0) {
                while self.rest.starts_with(is_blank) {
                    self.skip_char();
                    self.extra += 1;
                }
            }
            match step {
                Step::Space(_) | Step::Separator(_) if self.exact => self.skip_char(),
                Step::Space(_) | Step::Separator(_) => {
                    self.extra -= 1;
                    if self.rest.starts_with(|c: char| is_blank(c) || is_separator(c)) {
                        self.skip_char();
                        self.extra += 1;
                    }
                }
                Step::Text(_) if !self.exact && self.extra > 0 => self.extra -= 1,
                Step::Text(_) => self.skip_char(),
                Step::Field { field: Field::Exact, .. } => self.exact = true,
                Step::Field { field, name, fill, ordinal } => {
                    let slurp = *fill || ordinal.is_some() || ends_number(steps.get(index + 1));
                    self.field(*field, name, slurp)?;
                    if ordinal.is_some() {
                        let length = self.front(2).len();
                        self.rest = &self.rest[length..];
                    }
                    // Blanks behind a field belong to what follows.
                    if !self.exact {
                        self.extra = 0;
                        while self.rest.starts_with(is_blank) {
                            self.skip_char();
                            self.extra += 1;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads an integer of `length` digits, or of any number of them where no digit can follow. Returns it with the
    /// number of characters read.
    fn number(&mut self, length: usize, name: &str, slurp: bool) -> Result<(i64, usize)> {
        self.rest = self.rest.trim_start_matches(is_blank);
        let shown = self.front(length);
        let hint = "If your source string is not fixed-width, try using the \"FM\" modifier.";
        let used;
        if slurp {
            used = number_length(self.rest);
        } else {
            let there = shown.chars().count();
            if there < length {
                return Err(crate::error!(
                    INVALID_DATETIME_FORMAT,
                    "source string too short for \"{name}\" formatting field"
                )
                .detail(format!("Field requires {length} characters, but only {there} remain."))
                .hint(hint));
            }
            used = number_length(shown);
            if used > 0 && used < length {
                return Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid value \"{shown}\" for \"{name}\"")
                    .detail(format!("Field requires {length} characters, but only {used} could be parsed."))
                    .hint(hint));
            }
        }
        if used == 0 {
            return Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid value \"{shown}\" for \"{name}\"")
                .detail("Value must be an integer."));
        }
        let Ok(value) = self.rest[..used].parse::<i32>() else {
            return Err(crate::error!(
                DATETIME_FIELD_OVERFLOW,
                "value for \"{name}\" in source string is out of range"
            )
            .detail(format!("Value must be in the range {} to {}.", i32::MIN, i32::MAX)));
        };
        self.rest = &self.rest[used..];
        Ok((i64::from(value), used))
    }

    /// Reads one of some words, in any case.
    fn word(&mut self, words: &[&str], name: &str) -> Result<usize> {
        let fits = |word: &&str| self.rest.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
        // The longest one: names are tried before their abbreviations by the callers, Roman digits here.
        let found = words.iter().enumerate().filter(|(_, word)| fits(word)).max_by_key(|(_, word)| word.len());
        match found {
            Some((place, word)) => {
                self.rest = &self.rest[word.len()..];
                Ok(place)
            }
            None => {
                let end = self.rest.find(is_blank).unwrap_or(self.rest.len());
                let shown = &self.rest[..end];
                Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid value \"{shown}\" for \"{name}\"")
                    .detail("The given value did not match any of the allowed values for this field."))
            }
        }
    }

    fn calendar(&mut self, iso: bool) -> Result<()> {
        if self.fields.iso.is_some_and(|before| before != iso) {
            return Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid combination of date conventions")
                .hint("Do not mix Gregorian and ISO week date conventions in a formatting template."));
        }
        self.fields.iso = Some(iso);
        Ok(())
    }

    fn field(&mut self, field: Field, name: &str, slurp: bool) -> Result<()> {
        match field {
            Field::Week
            | Field::DayOfYear
            | Field::Day
            | Field::Month
            | Field::Year(_)
            | Field::YearWithComma
            | Field::MonthName(_)
            | Field::MonthShort(_)
            | Field::WeekOfMonth
            | Field::DayOfWeek
            | Field::DayName(_)
            | Field::DayShort(_)
            | Field::Quarter
            | Field::Century
            | Field::RomanMonth { .. } => {
                if !matches!(field, Field::Quarter) {
                    self.calendar(false)?;
                }
                self.date_field(field, name, slurp)
            }
            Field::IsoDayOfYear | Field::IsoDayOfWeek | Field::IsoWeek | Field::IsoYear(_) => {
                self.calendar(true)?;
                self.date_field(field, name, slurp)
            }
            Field::Era { .. } | Field::Julian => self.date_field(field, name, slurp),
            Field::ZoneName { .. } | Field::ZoneOffset | Field::ZoneHour | Field::ZoneMinute => {
                self.zone_field(field, name, slurp)
            }
            _ => self.time_field(field, name, slurp),
        }
    }

    fn date_field(&mut self, field: Field, name: &str, slurp: bool) -> Result<()> {
        match field {
            Field::Era { dots, .. } => {
                let words = if dots { ["A.D.", "B.C."] } else { ["AD", "BC"] };
                self.fields.before_christ = self.word(&words, name)? == 1;
            }
            Field::MonthName(_) => {
                let place = self.word(&MONTHS, name)?;
                set(&mut self.fields.month, place as i64 + 1, name)?;
            }
            Field::MonthShort(_) => {
                let place = self.word(&MONTHS.map(|month| &month[..3]), name)?;
                set(&mut self.fields.month, place as i64 + 1, name)?;
            }
            Field::RomanMonth { .. } => {
                let place = self.word(&ROMAN_MONTHS, name)?;
                set(&mut self.fields.month, place as i64 + 1, name)?;
            }
            Field::DayName(_) => {
                let place = self.word(&WEEKDAYS, name)?;
                set(&mut self.fields.weekday, place as i64 + 1, name)?;
            }
            Field::DayShort(_) => {
                let place = self.word(&WEEKDAYS.map(|day| &day[..3]), name)?;
                set(&mut self.fields.weekday, place as i64 + 1, name)?;
            }
            Field::IsoDayOfWeek => {
                let (value, _) = self.number(1, name, slurp)?;
                set(&mut self.fields.weekday, if value >= 7 { 1 } else { value + 1 }, name)?;
            }
            Field::YearWithComma => self.year_with_comma(name)?,
            Field::Year(digits) | Field::IsoYear(digits) => {
                let (value, used) = self.number(usize::from(digits), name, slurp)?;
                let year = if used < 4 && digits < 4 { near_2020(value) } else { value };
                set(&mut self.fields.year, year, name)?;
                self.fields.year_digits = digits;
            }
            // The quarter says nothing that the month does not.
            Field::Quarter => drop(self.number(1, name, slurp)?),
            _ => {
                let length = match field {
                    Field::DayOfYear | Field::IsoDayOfYear => 3,
                    Field::DayOfWeek | Field::WeekOfMonth => 1,
                    Field::Julian => self.rest.len(),
                    _ => 2,
                };
                let (value, _) = self.number(length, name, slurp || field == Field::Julian)?;
                let target = match field {
                    Field::DayOfYear | Field::IsoDayOfYear => &mut self.fields.day_of_year,
                    Field::Day => &mut self.fields.day,
                    Field::DayOfWeek => &mut self.fields.weekday,
                    Field::Month => &mut self.fields.month,
                    Field::Week | Field::IsoWeek => &mut self.fields.week,
                    Field::WeekOfMonth => &mut self.fields.week_of_month,
                    Field::Century => &mut self.fields.century,
                    _ => &mut self.fields.julian,
                };
                set(target, value, name)?;
            }
        }
        Ok(())
    }

    fn year_with_comma(&mut self, name: &str) -> Result<()> {
        let parsed = self.rest.split_once(',').and_then(|(thousands, after)| {
            let rest = after.get(..3)?;
            Some((thousands.trim().parse::<i64>().ok()?, rest.parse::<i64>().ok()?, &after[3..]))
        });
        let Some((thousands, rest, after)) = parsed else {
            bail!(INVALID_DATETIME_FORMAT, "invalid input string for \"Y,YYY\"");
        };
        set(&mut self.fields.year, thousands * 1_000 + rest, name)?;
        self.fields.year_digits = 4;
        self.rest = after;
        Ok(())
    }

    fn time_field(&mut self, field: Field, name: &str, slurp: bool) -> Result<()> {
        match field {
            Field::Noon { dots, .. } => {
                let words = if dots { ["A.M.", "P.M."] } else { ["AM", "PM"] };
                self.fields.afternoon = self.word(&words, name)? == 1;
                self.fields.twelve_hours = true;
            }
            Field::Hour12 => {
                let (value, _) = self.number(2, name, slurp)?;
                self.fields.twelve_hours = true;
                set(&mut self.fields.hour, value, name)?;
            }
            Field::Milliseconds => {
                let (value, used) = self.number(3, name, slurp)?;
                let scale = 10i64.pow(3u32.saturating_sub(used as u32));
                set(&mut self.fields.millis, value * scale, name)?;
            }
            Field::Fraction(_) | Field::Microseconds => {
                let digits = if let Field::Fraction(digits) = field { digits } else { 6 };
                let (value, used) = self.number(usize::from(digits), name, slurp)?;
                let scale = 10i64.pow(6u32.saturating_sub(used as u32));
                set(&mut self.fields.micros, value * scale, name)?;
            }
            _ => {
                let length = if field == Field::SecondOfDay { 5 } else { 2 };
                let (value, _) = self.number(length, name, slurp)?;
                let target = match field {
                    Field::Hour24 => &mut self.fields.hour,
                    Field::Minute => &mut self.fields.minute,
                    Field::Second => &mut self.fields.second,
                    _ => &mut self.fields.second_of_day,
                };
                set(target, value, name)?;
            }
        }
        Ok(())
    }

    fn zone_field(&mut self, field: Field, name: &str, slurp: bool) -> Result<()> {
        match field {
            Field::ZoneName { .. } if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                match abbreviation_offset(word) {
                    Some(east) => self.fields.zone = Some(east),
                    None => {
                        return Err(crate::error!(INVALID_DATETIME_FORMAT, "invalid value \"{word}\" for \"{name}\"")
                            .detail("Time zone abbreviation is not recognized."));
                    }
                }
                self.rest = &self.rest[end..];
            }
            Field::ZoneMinute => {
                if self.fields.zone_sign == 0 {
                    self.fields.zone_sign = 1;
                }
                let (value, _) = self.number(2, name, slurp)?;
                set(&mut self.fields.zone_minute, value, name)?;
            }
            _ => {
                self.zone_sign();
                let (value, _) = self.number(2, name, slurp)?;
                set(&mut self.fields.zone_hour, value, name)?;
                if field != Field::ZoneHour
                    && let Some(after) = self.rest.strip_prefix(':')
                {
                    self.rest = after;
                    let (value, _) = self.number(2, name, slurp)?;
                    set(&mut self.fields.zone_minute, value, name)?;
                }
            }
        }
        Ok(())
    }

    /// The sign of an offset; one that was skipped as a separator counts.
    fn zone_sign(&mut self) {
        self.fields.zone_sign = match self.rest.chars().next() {
            Some(c @ ('+' | '-' | ' ')) => {
                self.rest = &self.rest[1..];
                if c == '-' { -1 } else { 1 }
            }
            _ if self.extra > 0 && self.last_skipped == Some('-') => -1,
            _ => 1,
        };
    }
}

/// Whether no digit can follow a number, given the next step.
fn ends_number(next: Option<&Step>) -> bool {
    match next {
        None => true,
        Some(Step::Field { field, .. }) => matches!(
            field,
            Field::Era { .. }
                | Field::Noon { .. }
                | Field::MonthName(_)
                | Field::MonthShort(_)
                | Field::DayName(_)
                | Field::DayShort(_)
                | Field::RomanMonth { .. }
                | Field::ZoneName { .. }
                | Field::ZoneHour
                | Field::ZoneOffset
                | Field::Exact
        ),
        Some(Step::Space(c) | Step::Separator(c) | Step::Text(c)) => !c.is_ascii_digit(),
    }
}

/// The date, time of day and zone that the fields make.
struct Moment {
    civil: Civil,
    east: Option<i32>,
}

fn out_of_range<T>(source: &str) -> Result<T> {
    bail!(DATETIME_FIELD_OVERFLOW, "date/time field value out of range: \"{source}\"")
}

fn scan(source: &str, format: &str) -> Result<Moment> {
    let mut scanner = Scanner { rest: source, exact: false, extra: 0, last_skipped: None, fields: Fields::default() };
    scanner.run(&parse(format))?;
    let mut fields = scanner.fields;
    let hour = clock(&mut fields)?;
    let (year, month, day) = date(&fields, source)?;
    let micros = fields.millis * 1_000 + fields.micros;
    let valid = (0..24).contains(&hour)
        && (0..60).contains(&fields.minute)
        && (0..60).contains(&fields.second)
        && (0..1_000_000).contains(&micros)
        && (1..=12).contains(&month)
        && day >= 1
        && i32::try_from(year).is_ok_and(|year| day <= i64::from(days_in_month(year, month as i32)));
    if !valid {
        return out_of_range(source);
    }
    let civil = Civil {
        year: year as i32,
        month: month as i32,
        day: day as i32,
        hour: hour as i32,
        minute: fields.minute as i32,
        second: fields.second as i32,
        micros: micros as i32,
    };
    let mut east = fields.zone;
    if fields.zone_sign != 0 {
        if !(0..=15).contains(&fields.zone_hour) || !(0..60).contains(&fields.zone_minute) {
            return out_of_range(source);
        }
        east = Some(fields.zone_sign * (fields.zone_hour as i32 * 60 + fields.zone_minute as i32) * 60);
    }
    Ok(Moment { civil, east })
}

/// The hour of day; minutes and seconds may come from the second of the day.
fn clock(fields: &mut Fields) -> Result<i64> {
    let mut hour = fields.hour;
    if fields.second_of_day != 0 {
        let total = fields.second_of_day;
        hour = total / 3_600;
        fields.minute = total % 3_600 / 60;
        fields.second = total % 60;
    }
    if fields.twelve_hours {
        if !(1..=12).contains(&hour) {
            return Err(crate::error!(INVALID_DATETIME_FORMAT, "hour \"{hour}\" is invalid for the 12-hour clock")
                .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if fields.afternoon && hour < 12 {
            hour += 12;
        } else if !fields.afternoon && hour == 12 {
            hour = 0;
        }
    }
    Ok(hour)
}

/// The astronomical year.
fn year_of(fields: &Fields) -> i64 {
    let century = if fields.before_christ { -fields.century } else { fields.century };
    if fields.year != 0 {
        if fields.century != 0 && fields.year_digits <= 2 {
            let within = fields.year % 100;
            return if within != 0 {
                if century >= 0 { within + (century - 1) * 100 } else { (century + 1) * 100 - within + 1 }
            } else {
                century * 100 + i64::from(century < 0)
            };
        }
        return if fields.before_christ { 1 - fields.year } else { fields.year };
    }
    match century {
        0 => 0,
        century if century > 0 => (century - 1) * 100 + 1,
        century => century * 100 + 1,
    }
}

fn date(fields: &Fields, source: &str) -> Result<(i64, i64, i64)> {
    let mut year = year_of(fields);
    let (mut month, mut day) = (fields.month.max(i64::from(fields.month == 0)), 1);
    if fields.month < 0 {
        month = fields.month;
    }
    let mut day_of_year = fields.day_of_year;
    let from_days = |days: i64| {
        let (year, month, day) = civil_from_days(days);
        (i64::from(year), i64::from(month), i64::from(day))
    };
    if year.abs() > 10_000_000 {
        return out_of_range(source);
    }
    if fields.julian != 0 {
        (year, month, day) = from_days(fields.julian - i64::from(EPOCH_JULIAN));
    }
    let iso = fields.iso == Some(true);
    if fields.week != 0 {
        if iso {
            let monday = iso_week_start(year as i32, i32::try_from(fields.week).unwrap_or(0));
            let offset = match fields.weekday {
                0 => 0,
                1 => 6,
                weekday => weekday - 2,
            };
            (year, month, day) = from_days(monday + offset);
        } else {
            day_of_year = (fields.week - 1) * 7 + 1;
        }
    }
    if fields.week_of_month != 0 {
        day = (fields.week_of_month - 1) * 7 + 1;
    }
    if fields.day != 0 {
        day = fields.day;
    }
    if day_of_year != 0 && (month <= 1 || day <= 1) {
        if year == 0 && !fields.before_christ {
            bail!(INVALID_DATETIME_FORMAT, "cannot calculate day of year without year information");
        }
        if iso {
            (year, month, day) = from_days(iso_week_start(year as i32, 1) + day_of_year - 1);
        } else {
            let leap = crate::types::datetime::is_leap_year(year as i32);
            if !(1..=365 + i64::from(leap)).contains(&day_of_year) {
                return out_of_range(source);
            }
            let first = days_from_civil(year as i32, 1, 1);
            let (_, new_month, new_day) = from_days(first + day_of_year - 1);
            if month <= 1 {
                month = new_month;
            }
            if day <= 1 {
                day = new_day;
            }
        }
    }
    Ok((year, month, day))
}

fn to_date(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let source = text(&args[0]);
    let moment = scan(source, text(&args[1]))?;
    match i32::try_from(moment.civil.days()) {
        Ok(days) if (MIN_DATE..=MAX_DATE).contains(&days) => Ok(Datum::Date(days)),
        _ => bail!(DATETIME_FIELD_OVERFLOW, "date out of range: \"{source}\""),
    }
}

fn to_timestamp(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let moment = scan(text(&args[0]), text(&args[1]))?;
    let east = moment.east.unwrap_or_else(|| session_zone(ctx).offset_of_local(&moment.civil));
    match instant(&moment.civil, east) {
        Some(value) => Ok(Datum::Timestamptz(value)),
        None => bail!(DATETIME_FIELD_OVERFLOW, "timestamp out of range"),
    }
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[("to_date", to_date), ("to_timestamp", to_timestamp)];

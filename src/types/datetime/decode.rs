//! Deciding what the fields of date and time text mean: PostgreSQL's rules for dates and timestamps.
//!
//! Fields are taken in order; each claims parts of the date, the time or the zone, and a part that is claimed twice is
//! an error. What a bare number means follows from what is still missing and from `DateStyle`.

use crate::error::Error;
use crate::types::io::{DateOrder, IoContext};
use crate::types::timezone::Zone;

use super::calendar::{Civil, EPOCH_JULIAN, USECS_PER_DAY, civil_from_days, days_from_civil, days_in_month};
use super::fields::decode_offset;
use super::lexer::{Field, FieldKind, split};
use super::words::{Word, lookup};

/// Why text is not a date or time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Format,
    Range,
    /// A month or day out of range, which another `DateStyle` might accept.
    MonthDay,
    Displacement,
    Zone(String),
}

impl Fault {
    /// PostgreSQL's error for text that was to be a `kind`.
    pub(crate) fn error(&self, kind: &str, text: &str) -> Error {
        match self {
            Self::Format => {
                crate::error!(INVALID_DATETIME_FORMAT, "invalid input syntax for type {kind}: \"{text}\"")
            }
            Self::Range => {
                crate::error!(DATETIME_FIELD_OVERFLOW, "date/time field value out of range: \"{text}\"")
            }
            Self::MonthDay => Self::Range.error(kind, text).hint("Perhaps you need a different \"DateStyle\" setting."),
            Self::Displacement => {
                crate::error!(INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "time zone displacement out of range: \"{text}\"")
            }
            Self::Zone(name) => {
                crate::error!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized")
            }
        }
    }
}

/// Which parts of a date and time are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mask(u16);

impl Mask {
    pub const NONE: Self = Self(0);
    pub const YEAR: Self = Self(1);
    pub const MONTH: Self = Self(2);
    pub const DAY: Self = Self(4);
    pub const DATE: Self = Self(7);
    pub const TIME: Self = Self(8);
    pub const ZONE: Self = Self(16);
    pub const DAY_OF_YEAR: Self = Self(32);
    pub const HALF_DAY: Self = Self(64);
    pub const ERA: Self = Self(128);
    pub const WEEKDAY: Self = Self(256);
    pub const DAYLIGHT: Self = Self(512);

    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn has_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub const fn has_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub const fn of_date(self) -> Self {
        Self(self.0 & Self::DATE.0)
    }

    pub fn is(self, other: Self) -> bool {
        self == other
    }
}

/// A value that names no date of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    Epoch,
    Infinity,
    NegInfinity,
}

/// What text said.
#[derive(Clone, Debug)]
pub(crate) enum Decoded {
    Special(Special),
    /// A date and time, and the zone's seconds east of UTC when the text gave a zone.
    Moment(Civil, Option<i32>),
}

/// The zone that text gave.
#[derive(Clone, Debug)]
pub(super) enum ZoneText {
    Offset(i32),
    Named(Zone),
}

/// What the next field must be because of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    Nothing,
    Time,
    Julian,
}

/// What decoding has found so far.
pub(super) struct State<'a> {
    pub ctx: &'a IoContext<'a>,
    pub order: DateOrder,
    pub civil: Civil,
    pub mask: Mask,
    pub two_digits: bool,
    pub day_of_year: i32,
    pub julian: bool,
    pub bc: bool,
    pub half_day: Option<bool>,
    pub zone: Option<ZoneText>,
    pub text_month: bool,
    pub expect: Expect,
    pub special: Option<Special>,
}

impl<'a> State<'a> {
    pub fn new(ctx: &'a IoContext<'a>) -> Self {
        Self {
            ctx,
            order: ctx.format.date_order,
            civil: Civil::default(),
            mask: Mask::NONE,
            two_digits: false,
            day_of_year: 0,
            julian: false,
            bc: false,
            half_day: None,
            zone: None,
            text_month: false,
            expect: Expect::Nothing,
            special: None,
        }
    }

    /// The local date and time of the transaction's start, and its zone offset.
    pub fn now(&self) -> (Civil, i32) {
        let east = self.ctx.format.timezone.offset_at(self.ctx.now_micros);
        (Civil::from_timestamp(self.ctx.now_micros + i64::from(east) * 1_000_000), east)
    }

    pub fn set_date(&mut self, civil: Civil) {
        (self.civil.year, self.civil.month, self.civil.day) = (civil.year, civil.month, civil.day);
    }

    pub fn set_julian(&mut self, day: i32) {
        self.julian = true;
        let (year, month, day) = civil_from_days(i64::from(day) - i64::from(EPOCH_JULIAN));
        (self.civil.year, self.civil.month, self.civil.day) = (year, month, day);
    }

    pub fn named_zone(&mut self, name: &str) -> Result<Mask, Fault> {
        match Zone::named(name) {
            Some(zone) => {
                self.zone = Some(ZoneText::Named(zone));
                Ok(Mask::ZONE)
            }
            None => Err(Fault::Zone(name.to_owned())),
        }
    }

    pub fn claim(&mut self, mask: Mask) -> Result<(), Fault> {
        if self.mask.has_any(mask) {
            return Err(Fault::Format);
        }
        self.mask = self.mask.with(mask);
        Ok(())
    }

    /// A number or time behind `j` or `t`.
    pub fn expected_number(&mut self, text: &str) -> Result<Mask, Fault> {
        match std::mem::replace(&mut self.expect, Expect::Nothing) {
            Expect::Julian => {
                let (whole, fraction) = match text.find('.') {
                    Some(at) => (&text[..at], Some(&text[at..])),
                    None => (text, None),
                };
                self.set_julian(whole.parse().map_err(|_| Fault::Range)?);
                let Some(fraction) = fraction else { return Ok(Mask::DATE) };
                let part = fraction.parse::<f64>().map_err(|_| Fault::Format)?;
                let time = Civil::from_time((part * USECS_PER_DAY as f64) as i64);
                let civil = &mut self.civil;
                (civil.hour, civil.minute, civil.second, civil.micros) =
                    (time.hour, time.minute, time.second, time.micros);
                Ok(Mask::DATE.with(Mask::TIME))
            }
            _ => {
                let mask = self.decode_number_field(text, self.mask.with(Mask::DATE))?;
                if mask.is(Mask::TIME) { Ok(mask) } else { Err(Fault::Format) }
            }
        }
    }

    fn date_field(&mut self, text: &str) -> Result<Mask, Fault> {
        let known = self.mask.has_all(Mask::MONTH.with(Mask::DAY));
        if self.expect == Expect::Julian {
            self.expect = Expect::Nothing;
            let at = text.find(|c: char| !c.is_ascii_digit()).ok_or(Fault::Format)?;
            self.set_julian(text[..at].parse().map_err(|_| Fault::Range)?);
            self.zone = Some(ZoneText::Offset(decode_offset(&text[at..])?));
            return Ok(Mask::DATE.with(Mask::ZONE));
        }
        if !known && self.expect == Expect::Nothing {
            return self.decode_date(text);
        }
        let digit = text.as_bytes().first().is_some_and(u8::is_ascii_digit);
        if !digit && self.expect == Expect::Nothing {
            return self.named_zone(text);
        }
        self.expect = Expect::Nothing;
        if self.mask.has_all(Mask::TIME) {
            return Err(Fault::Format);
        }
        let at = text.find('-').ok_or(Fault::Format)?;
        self.zone = Some(ZoneText::Offset(decode_offset(&text[at..])?));
        let mask = self.decode_number_field(&text[..at], self.mask)?;
        Ok(mask.with(Mask::ZONE))
    }

    fn number_field(&mut self, text: &str) -> Result<Mask, Fault> {
        if self.expect != Expect::Nothing {
            return self.expected_number(text);
        }
        let dated = self.mask.has_all(Mask::DATE);
        match text.find('.') {
            Some(_) if !dated => self.decode_date(text),
            Some(at) if at > 2 => self.decode_number_field(text, self.mask),
            None if text.len() >= 6 && (!dated || !self.mask.has_all(Mask::TIME)) => {
                self.decode_number_field(text, self.mask)
            }
            _ => self.decode_number(text, self.text_month, self.mask),
        }
    }

    fn month_word(&mut self, month: i32) -> Mask {
        let mut mask = Mask::MONTH;
        if self.mask.has_any(Mask::MONTH)
            && !self.text_month
            && !self.mask.has_any(Mask::DAY)
            && (1..=31).contains(&self.civil.month)
        {
            // The number that was taken for the month is the day.
            self.civil.day = self.civil.month;
            mask = Mask::DAY;
        }
        self.text_month = true;
        self.civil.month = month;
        mask
    }

    fn word_field(&mut self, text: &str) -> Result<Mask, Fault> {
        let Some(word) = lookup(text, self.ctx) else {
            return self.named_zone(text).map_err(|_| Fault::Format);
        };
        Ok(match word {
            Word::Ignore => Mask::NONE,
            Word::Now => {
                let (civil, east) = self.now();
                self.civil = civil;
                self.zone = Some(ZoneText::Offset(east));
                Mask::DATE.with(Mask::TIME).with(Mask::ZONE)
            }
            Word::Today | Word::Tomorrow | Word::Yesterday => {
                let shift = match word {
                    Word::Tomorrow => 1,
                    Word::Yesterday => -1,
                    _ => 0,
                };
                let (year, month, day) = civil_from_days(self.now().0.days() + shift);
                self.set_date(Civil { year, month, day, ..Civil::default() });
                Mask::DATE
            }
            Word::Zulu => {
                self.zone = Some(ZoneText::Offset(0));
                Mask::TIME.with(Mask::ZONE)
            }
            Word::Epoch => self.special(Special::Epoch),
            Word::Infinity => self.special(Special::Infinity),
            Word::NegInfinity => self.special(Special::NegInfinity),
            Word::Month(month) => self.month_word(month),
            Word::Zone(east) => {
                self.zone = Some(ZoneText::Offset(east));
                Mask::ZONE
            }
            Word::DaylightSaving => {
                match &mut self.zone {
                    Some(ZoneText::Offset(east)) => *east += 3_600,
                    _ => return Err(Fault::Format),
                }
                Mask::DAYLIGHT
            }
            Word::Am | Word::Pm => {
                self.half_day = Some(word == Word::Pm);
                Mask::HALF_DAY
            }
            Word::Ad | Word::Bc => {
                self.bc = word == Word::Bc;
                Mask::ERA
            }
            Word::Weekday => Mask::WEEKDAY,
            Word::IsoTime => {
                if !self.mask.has_all(Mask::DATE) || self.expect != Expect::Nothing {
                    return Err(Fault::Format);
                }
                self.expect = Expect::Time;
                Mask::NONE
            }
            Word::Julian => {
                if self.expect != Expect::Nothing {
                    return Err(Fault::Format);
                }
                self.expect = Expect::Julian;
                Mask::NONE
            }
            Word::Unit => return Err(Fault::Format),
        })
    }

    fn special(&mut self, special: Special) -> Mask {
        self.special = Some(special);
        Mask::DATE.with(Mask::TIME).with(Mask::ZONE)
    }

    pub fn field(&mut self, field: &Field) -> Result<(), Fault> {
        let text = field.text.as_str();
        let mask = match field.kind {
            FieldKind::Date => self.date_field(text)?,
            FieldKind::Time => {
                match self.expect {
                    Expect::Julian => return Err(Fault::Format),
                    _ => self.expect = Expect::Nothing,
                }
                self.decode_time(text)?
            }
            FieldKind::Offset => {
                self.zone = Some(ZoneText::Offset(decode_offset(text)?));
                Mask::ZONE
            }
            FieldKind::Number => self.number_field(text)?,
            FieldKind::Word | FieldKind::SignedWord => self.word_field(text)?,
        };
        self.claim(mask)
    }

    /// Makes the date whole and checks it: era, two-digit years, day of the year, lengths of months.
    pub fn validate_date(&mut self) -> Result<(), Fault> {
        if self.mask.has_any(Mask::YEAR) && !self.julian {
            let year = &mut self.civil.year;
            if self.bc {
                if *year <= 0 {
                    return Err(Fault::Range);
                }
                *year = 1 - *year;
            } else if self.two_digits {
                *year += if *year < 70 { 2000 } else { 1900 };
            } else if *year <= 0 {
                return Err(Fault::Range);
            }
        }
        if self.mask.has_any(Mask::DAY_OF_YEAR) {
            let first = days_from_civil(self.civil.year, 1, 1);
            let (year, month, day) = civil_from_days(first + i64::from(self.day_of_year) - 1);
            (self.civil.year, self.civil.month, self.civil.day) = (year, month, day);
        }
        if self.mask.has_any(Mask::MONTH) && !(1..=12).contains(&self.civil.month) {
            return Err(Fault::MonthDay);
        }
        if self.mask.has_any(Mask::DAY) && !(1..=31).contains(&self.civil.day) {
            return Err(Fault::MonthDay);
        }
        if self.mask.has_all(Mask::DATE) && self.civil.day > days_in_month(self.civil.year, self.civil.month) {
            return Err(Fault::Range);
        }
        Ok(())
    }

    /// Applies AM and PM and checks that the time lies within a day.
    pub fn finish_time(&mut self) -> Result<(), Fault> {
        let civil = &mut self.civil;
        if let Some(afternoon) = self.half_day {
            if civil.hour > 12 {
                return Err(Fault::Range);
            }
            if !afternoon && civil.hour == 12 {
                civil.hour = 0;
            } else if afternoon && civil.hour != 12 {
                civil.hour += 12;
            }
        }
        if civil.hour > 24 || civil.minute > 59 || civil.second > 60 || civil.time_of_day() > USECS_PER_DAY {
            return Err(Fault::Range);
        }
        Ok(())
    }
}

/// Reads a date, perhaps with a time and a zone.
pub(crate) fn decode_datetime(text: &str, ctx: &IoContext<'_>) -> Result<Decoded, Fault> {
    let fields = split(text).ok_or(Fault::Format)?;
    let mut state = State::new(ctx);
    for field in &fields {
        state.field(field)?;
    }
    if state.expect != Expect::Nothing {
        return Err(Fault::Format);
    }
    if let Some(special) = state.special {
        return Ok(Decoded::Special(special));
    }
    state.validate_date()?;
    state.finish_time()?;
    if !state.mask.has_all(Mask::DATE) {
        return Err(Fault::Format);
    }
    let east = match state.zone {
        None => None,
        Some(ZoneText::Offset(east)) => Some(east),
        Some(ZoneText::Named(zone)) => Some(zone.offset_of_local(&state.civil)),
    };
    Ok(Decoded::Moment(state.civil, east))
}

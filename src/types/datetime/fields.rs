//! Decoding single fields of date and time text: dates, numbers by their place, times, offsets.

use super::calendar::USECS_PER_SEC;
use super::decode::{Fault, Mask, State};
use super::words::{Word, core_word};
use crate::types::io::DateOrder;

/// The digits at the front of `text` and what follows; numbers too long for 32 bits are a range fault.
pub(super) fn leading_int(text: &str) -> Result<(i32, &str), Fault> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    if end == 0 {
        return Err(Fault::Format);
    }
    let value = text[..end].parse::<i32>().map_err(|_| Fault::Range)?;
    Ok((value, &text[end..]))
}

/// Reads `.123456...` as microseconds, rounded.
pub(super) fn fraction_micros(text: &str) -> Result<i32, Fault> {
    let digits = text.strip_prefix('.').ok_or(Fault::Format)?;
    if digits.is_empty() {
        return Ok(0);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    let fraction = text.parse::<f64>().map_err(|_| Fault::Format)?;
    Ok((fraction * 1e6).round_ties_even() as i32)
}

/// Seconds east of UTC from `+03`, `-0330`, `+3:30:15`.
pub(crate) fn decode_offset(text: &str) -> Result<i32, Fault> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'+') => (false, &text[1..]),
        Some(b'-') => (true, &text[1..]),
        _ => return Err(Fault::Format),
    };
    let (mut hours, mut rest_after) = leading_int(rest).map_err(|_| Fault::Displacement)?;
    let (mut minutes, mut seconds) = (0, 0);
    if let Some(after) = rest_after.strip_prefix(':') {
        (minutes, rest_after) = leading_int(after)?;
        if let Some(after) = rest_after.strip_prefix(':') {
            (seconds, rest_after) = leading_int(after)?;
        }
    } else if rest_after.is_empty() && rest.len() > 2 {
        if rest.len() > 4 {
            (hours, minutes, seconds) = (hours / 10_000, hours / 100 % 100, hours % 100);
        } else {
            (hours, minutes) = (hours / 100, hours % 100);
        }
    }
    if hours > 15 || minutes >= 60 || seconds >= 60 {
        return Err(Fault::Displacement);
    }
    if !rest_after.is_empty() {
        return Err(Fault::Format);
    }
    let total = (hours * 60 + minutes) * 60 + seconds;
    Ok(if negative { -total } else { total })
}

impl State<'_> {
    /// `hh:mm`, `hh:mm:ss`, either with decimals of seconds.
    pub(super) fn decode_time(&mut self, text: &str) -> Result<Mask, Fault> {
        let (hour, rest) = leading_int(text)?;
        let (minute, rest) = leading_int(rest.strip_prefix(':').ok_or(Fault::Format)?)?;
        let (mut parts, mut micros) = ((hour, minute, 0), 0);
        if rest.starts_with('.') {
            // `mm:ss.fraction`.
            micros = fraction_micros(rest)?;
            parts = (0, hour, minute);
        } else if let Some(rest) = rest.strip_prefix(':') {
            let (second, rest) = leading_int(rest)?;
            parts.2 = second;
            if !rest.is_empty() {
                micros = fraction_micros(rest)?;
            }
        } else if !rest.is_empty() {
            return Err(Fault::Format);
        }
        let (hour, minute, second) = parts;
        if minute > 59 || second > 60 || i64::from(micros) > USECS_PER_SEC {
            return Err(Fault::Range);
        }
        let civil = &mut self.civil;
        (civil.hour, civil.minute, civil.second, civil.micros) = (hour, minute, second, micros);
        Ok(Mask::TIME)
    }

    /// A date whose parts are joined by punctuation.
    pub(super) fn decode_date(&mut self, text: &str) -> Result<Mask, Fault> {
        let mut parts: Vec<Option<&str>> = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if !bytes[at].is_ascii_alphanumeric() {
                at += 1;
                continue;
            }
            let digit = bytes[at].is_ascii_digit();
            let same = |byte: u8| if digit { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
            let end = bytes[at..].iter().position(|byte| !same(*byte)).map_or(bytes.len(), |length| at + length);
            parts.push(Some(&text[at..end]));
            at = end;
        }
        let mut mask = Mask::NONE;
        let mut text_month = false;
        for part in &mut parts {
            let Some(word) = part.filter(|word| word.as_bytes()[0].is_ascii_alphabetic()) else { continue };
            match core_word(word) {
                Some(Word::Ignore) => {}
                Some(Word::Month(month)) => {
                    if mask.has_any(Mask::MONTH) || self.mask.has_any(Mask::MONTH) {
                        return Err(Fault::Format);
                    }
                    self.civil.month = month;
                    text_month = true;
                    mask = mask.with(Mask::MONTH);
                }
                _ => return Err(Fault::Format),
            }
            *part = None;
        }
        for part in parts.into_iter().flatten() {
            let added = self.decode_number(part, text_month, self.mask.with(mask))?;
            if mask.has_any(added) {
                return Err(Fault::Format);
            }
            mask = mask.with(added);
        }
        if !mask.without(Mask::DAY_OF_YEAR).without(Mask::ZONE).is(Mask::DATE) {
            return Err(Fault::Format);
        }
        Ok(mask)
    }

    /// A number whose meaning its place decides; `known` are the fields that the text has given so far.
    pub(super) fn decode_number(&mut self, text: &str, text_month: bool, known: Mask) -> Result<Mask, Fault> {
        let (value, rest) = leading_int(text)?;
        if rest.starts_with('.') {
            if text.len() - rest.len() > 2 {
                return self.decode_number_field(text, known.with(Mask::DATE));
            }
            self.civil.micros = fraction_micros(rest)?;
        } else if !rest.is_empty() {
            return Err(Fault::Format);
        }
        let length = text.len();
        let date = known.of_date();
        if length == 3 && date == Mask::YEAR && (1..=366).contains(&value) {
            self.day_of_year = value;
            return Ok(Mask::DAY_OF_YEAR.with(Mask::MONTH).with(Mask::DAY));
        }
        let order = self.order;
        let year_first = length >= 3 || order == DateOrder::Ymd;
        let mask = if date == Mask::NONE {
            match order {
                _ if year_first => Mask::YEAR,
                DateOrder::Dmy => Mask::DAY,
                _ => Mask::MONTH,
            }
        } else if date == Mask::YEAR {
            Mask::MONTH
        } else if date == Mask::MONTH {
            if text_month && year_first { Mask::YEAR } else { Mask::DAY }
        } else if date == Mask::YEAR.with(Mask::MONTH) {
            if text_month && length >= 3 && self.two_digits {
                // The first number was not the year but the day.
                self.civil.day = self.civil.year;
                self.civil.year = value;
                self.two_digits = false;
                return Ok(Mask::DAY);
            }
            Mask::DAY
        } else if date == Mask::DAY {
            Mask::MONTH
        } else if date == Mask::MONTH.with(Mask::DAY) {
            Mask::YEAR
        } else {
            return self.decode_number_field(text, known);
        };
        if mask == Mask::YEAR {
            self.civil.year = value;
            self.two_digits = length <= 2;
        } else if mask == Mask::MONTH {
            self.civil.month = value;
        } else {
            self.civil.day = value;
        }
        Ok(mask)
    }

    /// Digits run together: `20200105`, `200105`, `123001.5`, `1230`.
    pub(super) fn decode_number_field(&mut self, text: &str, known: Mask) -> Result<Mask, Fault> {
        let (digits, fraction) = match text.find('.') {
            Some(at) => (&text[..at], Some(&text[at..])),
            None => (text, None),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        let number = |from: usize, to: usize| digits[from..to].parse::<i32>().map_err(|_| Fault::Range);
        let length = digits.len();
        if let Some(fraction) = fraction {
            self.civil.micros = fraction_micros(fraction)?;
        } else if !known.of_date().is(Mask::DATE) && length >= 6 {
            self.civil.day = number(length - 2, length)?;
            self.civil.month = number(length - 4, length - 2)?;
            self.civil.year = number(0, length - 4)?;
            if length == 6 {
                self.two_digits = true;
            }
            return Ok(Mask::DATE);
        }
        if known.has_all(Mask::TIME) {
            return Err(Fault::Format);
        }
        match length {
            6 => {
                self.civil.second = number(4, 6)?;
                self.civil.minute = number(2, 4)?;
                self.civil.hour = number(0, 2)?;
                Ok(Mask::TIME)
            }
            4 => {
                self.civil.second = 0;
                self.civil.minute = number(2, 4)?;
                self.civil.hour = number(0, 2)?;
                Ok(Mask::TIME)
            }
            _ => Err(Fault::Format),
        }
    }
}

//! `smallint`, `integer`, `bigint` and `oid` text input.
//!
//! Decimal, hexadecimal (`0x`), octal (`0o`) and binary (`0b`) digits, underscores between digits, a sign, and blanks
//! around, as PostgreSQL 16 and later read them.

use crate::bail;
use crate::error::Result;

/// Why text is not an integer.
enum Fault {
    Syntax,
    Range,
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// Trims what C's `isspace` calls blank.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// Parses digits of any base into a signed magnitude.
fn parse(text: &str) -> std::result::Result<i128, Fault> {
    let bytes = trim(text).as_bytes();
    let (negative, rest) = match bytes.first() {
        Some(b'-') => (true, &bytes[1..]),
        Some(b'+') => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    let (radix, digits, prefixed) = match rest {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits, true),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits, true),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits, true),
        digits => (10, digits, false),
    };
    let mut value = 0i128;
    let mut after_digit = prefixed;
    let mut overflow = false;
    for (index, byte) in digits.iter().enumerate() {
        if *byte == b'_' {
            let next_is_digit = digits.get(index + 1).is_some_and(|next| char::from(*next).is_digit(radix));
            if !after_digit || !next_is_digit {
                return Err(Fault::Syntax);
            }
            after_digit = false;
            continue;
        }
        let digit = char::from(*byte).to_digit(radix).ok_or(Fault::Syntax)?;
        after_digit = true;
        if value < i128::from(u64::MAX) * 16 {
            value = value * i128::from(radix) + i128::from(digit);
        } else {
            overflow = true;
        }
    }
    if digits.is_empty() {
        return Err(Fault::Syntax);
    }
    if overflow {
        return Err(Fault::Range);
    }
    Ok(if negative { -value } else { value })
}

/// Plain decimal digits with or without a minus sign, as nearly all integers are written; `None` for whatever else [`parse`]
/// is to look at.
fn plain(text: &str) -> Option<i64> {
    /// No number of so many digits overflows.
    const DIGITS: usize = 18;
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let mut value = 0;
    for byte in digits.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if digits.len() < text.len() { -value } else { value })
}

fn checked<T: TryFrom<i128> + TryFrom<i64>>(text: &str, name: &str) -> Result<T> {
    if let Some(value) = plain(text).and_then(|value| T::try_from(value).ok()) {
        return Ok(value);
    }
    let value = parse(text).and_then(|value| <T as TryFrom<i128>>::try_from(value).map_err(|_| Fault::Range));
    match value {
        Ok(value) => Ok(value),
        Err(Fault::Syntax) => {
            bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {name}: \"{text}\"")
        }
        Err(Fault::Range) => {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type {name}")
        }
    }
}

/// Reads `smallint`.
///
/// # Errors
/// `22P02` for bad syntax, `22003` out of range.
pub fn input_i16(text: &str) -> Result<i16> {
    checked(text, "smallint")
}

/// Reads `integer`.
///
/// # Errors
/// `22P02` for bad syntax, `22003` out of range.
pub fn input_i32(text: &str) -> Result<i32> {
    checked(text, "integer")
}

/// Reads `bigint`.
///
/// # Errors
/// `22P02` for bad syntax, `22003` out of range.
pub fn input_i64(text: &str) -> Result<i64> {
    checked(text, "bigint")
}

/// Reads an unsigned 32-bit number as C's `strtoul` does: negative numbers down to -2^31 wrap. `name` is for messages.
///
/// # Errors
/// `22P02` for bad syntax, `22003` out of range.
pub fn input_u32(text: &str, name: &str) -> Result<u32> {
    let trimmed = trim(text);
    let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type {name}: \"{text}\"");
    }
    let negative = trimmed.starts_with('-');
    match digits.parse::<i64>() {
        Ok(value) if !negative && u32::try_from(value).is_ok() => Ok(value as u32),
        Ok(value) if negative && value <= 1 << 31 => Ok((-value) as u32),
        _ => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_read_as_all_are() {
        let plain_ones = ["0", "7", "-7", "007", "-0", "2147483648", "999999999999999999", "-999999999999999999"];
        for text in plain_ones {
            assert_eq!(plain(text).map(i128::from), parse(text).ok(), "{text}");
        }
        for text in ["", "-", "+1", " 1", "1 ", "0x1f", "1_000", "1e3", "--1", "9223372036854775807", "٣", "1\0"] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(input_i64("9223372036854775807").unwrap(), i64::MAX);
        for text in ["32768", "-32769", "999999999999999999"] {
            assert_eq!(input_i16(text).unwrap_err().sqlstate().as_str(), "22003", "{text}");
        }
    }
}

//! `numeric` in text and in the binary format.
//!
//! The binary format is base 10,000: counts of digits, the weight of the first, sign, scale, then 16-bit digits.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{ToPrimitive, Zero};

use crate::bail;
use crate::error::Result;
use crate::types::integer::trim;

use super::{MAX_SCALE, MAX_WHOLE_DIGITS, Numeric, overflow, pow10};

const SIGN_NEGATIVE: u16 = 0x4000;
const SIGN_NAN: u16 = 0xc000;
const SIGN_INFINITY: u16 = 0xd000;
const SIGN_NEG_INFINITY: u16 = 0xf000;

fn bad_syntax<T>(text: &str) -> Result<T> {
    bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type numeric: \"{text}\"")
}

/// Reads decimal text with an optional exponent, integers in hexadecimal, octal or binary, `NaN` and infinities.
///
/// # Errors
/// `22P02` for bad syntax, `22003` beyond the format's limits.
pub fn input(text: &str) -> Result<Numeric> {
    let word = trim(text);
    let (negative, rest) = match word.as_bytes().first() {
        Some(b'-') => (true, &word[1..]),
        Some(b'+') => (false, &word[1..]),
        _ => (false, word),
    };
    let signed = word.len() != rest.len();
    match rest.as_bytes() {
        [b'0', b'x' | b'X', ..] => return based(text, &rest[2..], 16, negative),
        [b'0', b'o' | b'O', ..] => return based(text, &rest[2..], 8, negative),
        [b'0', b'b' | b'B', ..] => return based(text, &rest[2..], 2, negative),
        [b'0'..=b'9' | b'.', ..] => return decimal(text, rest, negative),
        _ => {}
    }
    match rest.to_ascii_lowercase().as_str() {
        "nan" if !signed => Ok(Numeric::NaN),
        "infinity" | "inf" if negative => Ok(Numeric::NegInfinity),
        "infinity" | "inf" => Ok(Numeric::Infinity),
        _ => bad_syntax(text),
    }
}

/// Digits without their underscores, each of which must stand between digits (or behind a base prefix).
fn digits_of(part: &str, radix: u32, prefixed: bool) -> Option<String> {
    let bytes = part.as_bytes();
    let mut out = String::with_capacity(part.len());
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'_' {
            let before = if index == 0 { prefixed } else { char::from(bytes[index - 1]).is_digit(radix) };
            let after = bytes.get(index + 1).is_some_and(|next| char::from(*next).is_digit(radix));
            if !before || !after {
                return None;
            }
        } else if char::from(*byte).is_digit(radix) {
            out.push(char::from(*byte));
        } else {
            return None;
        }
    }
    Some(out)
}

fn based(text: &str, part: &str, radix: u32, negative: bool) -> Result<Numeric> {
    let Some(digits) = digits_of(part, radix, true).filter(|digits| !digits.is_empty()) else {
        return bad_syntax(text);
    };
    let magnitude = BigUint::parse_bytes(digits.as_bytes(), radix).expect("digits were checked");
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    Numeric::finite(BigInt::from_biguint(sign, magnitude), 0)
}

fn decimal(text: &str, rest: &str, negative: bool) -> Result<Numeric> {
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (Some(mut digits), Some(decimals)) = (digits_of(whole, 10, false), digits_of(fraction, 10, false)) else {
        return bad_syntax(text);
    };
    if digits.is_empty() && decimals.is_empty() {
        return bad_syntax(text);
    }
    let exponent = match exponent {
        None => 0,
        Some(part) => {
            let (minus, part) = match part.as_bytes().first() {
                Some(b'-') => (true, &part[1..]),
                Some(b'+') => (false, &part[1..]),
                _ => (false, part),
            };
            let Some(part) = digits_of(part, 10, false).filter(|part| !part.is_empty()) else {
                return bad_syntax(text);
            };
            let value = part.parse::<i64>().unwrap_or(i64::MAX);
            if value >= i64::from(i32::MAX / 2) {
                return overflow();
            }
            if minus { -value } else { value }
        }
    };
    let scale = decimals.len() as i64 - exponent;
    digits.push_str(&decimals);
    assemble(&digits, scale, negative)
}

/// A number from digits of which `scale` stand behind the point (negative: zeros follow).
fn assemble(digits: &str, scale: i64, negative: bool) -> Result<Numeric> {
    let significant = digits.trim_start_matches('0');
    if scale > i64::from(MAX_SCALE) || significant.len() as i64 - scale > MAX_WHOLE_DIGITS {
        if significant.is_empty() && scale < 0 {
            return Ok(Numeric::zero());
        }
        return overflow();
    }
    let mut unscaled = match significant.len() {
        0 => BigInt::zero(),
        1..=18 => BigInt::from(significant.parse::<i64>().expect("at most 18 digits")),
        _ => BigInt::parse_bytes(significant.as_bytes(), 10).expect("digits were checked"),
    };
    if scale < 0 {
        unscaled *= pow10(u32::try_from(-scale).expect("limited above"));
    }
    Numeric::finite(if negative { -unscaled } else { unscaled }, i32::try_from(scale.max(0)).expect("limited above"))
}

impl Numeric {
    /// Appends the text form.
    pub fn output(&self, out: &mut String) {
        let (unscaled, scale) = match self {
            Self::NaN => return out.push_str("NaN"),
            Self::Infinity => return out.push_str("Infinity"),
            Self::NegInfinity => return out.push_str("-Infinity"),
            Self::Finite { unscaled, scale } => (unscaled, usize::from(*scale)),
        };
        if unscaled.sign() == Sign::Minus {
            out.push('-');
        }
        let mut buffer = itoa::Buffer::new();
        let long;
        let digits = match unscaled.magnitude().to_u64() {
            Some(small) => buffer.format(small),
            None => {
                long = unscaled.magnitude().to_string();
                &long
            }
        };
        if scale == 0 {
            out.push_str(digits);
        } else if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        } else {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', scale - digits.len()));
            out.push_str(digits);
        }
    }

    /// Appends the binary form.
    pub fn send(&self, out: &mut Vec<u8>) {
        let (digits, weight, sign, scale) = self.to_base_digits();
        let count = u16::try_from(digits.len()).expect("limited digits");
        for field in [count, weight as u16, sign, scale] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        for digit in digits {
            out.extend_from_slice(&digit.to_be_bytes());
        }
    }

    /// Digits of base 10,000 without zeros at either end, the weight of the first, sign word and scale.
    fn to_base_digits(&self) -> (Vec<u16>, i16, u16, u16) {
        let (unscaled, scale) = match self {
            Self::NaN => return (Vec::new(), 0, SIGN_NAN, 0),
            Self::Infinity => return (Vec::new(), 0, SIGN_INFINITY, 0),
            Self::NegInfinity => return (Vec::new(), 0, SIGN_NEG_INFINITY, 0),
            Self::Finite { unscaled, scale } => (unscaled, *scale),
        };
        let sign = if unscaled.sign() == Sign::Minus { SIGN_NEGATIVE } else { 0 };
        // The point must fall between digits of the base.
        let padding = (4 - scale % 4) % 4;
        let mut rest = unscaled.magnitude() * pow10(u32::from(padding)).magnitude();
        let mut digits = Vec::new();
        if let Some(mut small) = rest.to_u64() {
            while small > 0 {
                digits.push((small % 10_000) as u16);
                small /= 10_000;
            }
        } else {
            let base = BigUint::from(10_000u32);
            while !rest.is_zero() {
                let (quotient, digit) = rest.div_rem(&base);
                digits.push(digit.to_u16().expect("below 10,000"));
                rest = quotient;
            }
        }
        let below_point = i32::from((scale + padding) / 4);
        let weight = i32::try_from(digits.len()).expect("limited digits") - below_point - 1;
        digits.reverse();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let weight = if digits.is_empty() { 0 } else { weight };
        (digits, i16::try_from(weight).expect("limited digits"), sign, scale)
    }
}

/// Reads the binary form; digits beyond the scale are cut off, as PostgreSQL does.
///
/// # Errors
/// `22P03` for bytes that are not such a number, `08P01` when there are too few.
pub fn recv(bytes: &[u8]) -> Result<Numeric> {
    let (words, rest) = bytes.as_chunks::<2>();
    let words: Vec<u16> = words.iter().map(|word| u16::from_be_bytes(*word)).collect();
    let [count, weight, sign, scale, digits @ ..] = words.as_slice() else {
        bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
    };
    let weight = i32::from(*weight as i16);
    if digits.len() < usize::from(*count) {
        bail!(PROTOCOL_VIOLATION, "insufficient data left in message");
    }
    if digits.len() > usize::from(*count) || !rest.is_empty() {
        bail!(INVALID_BINARY_REPRESENTATION, "incorrect binary data format");
    }
    match *sign {
        0 | SIGN_NEGATIVE => {}
        SIGN_NAN => return Ok(Numeric::NaN),
        SIGN_INFINITY => return Ok(Numeric::Infinity),
        SIGN_NEG_INFINITY => return Ok(Numeric::NegInfinity),
        _ => bail!(INVALID_BINARY_REPRESENTATION, "invalid sign in external \"numeric\" value"),
    }
    if i32::from(*scale) > MAX_SCALE {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid scale in external \"numeric\" value");
    }
    let mut unscaled = BigInt::zero();
    for digit in digits {
        if *digit >= 10_000 {
            bail!(INVALID_BINARY_REPRESENTATION, "invalid digit in external \"numeric\" value");
        }
        unscaled = unscaled * 10_000u32 + *digit;
    }
    let count = i32::try_from(digits.len()).expect("at most 65,535 digits");
    // What the integer's last digit stands for, and what the scale wants it to.
    let shift = (weight - count + 1) * 4 + i32::from(*scale);
    if shift >= 0 {
        unscaled *= pow10(shift.unsigned_abs());
    } else {
        unscaled /= pow10(shift.unsigned_abs());
    }
    Numeric::finite(if *sign == SIGN_NEGATIVE { -unscaled } else { unscaled }, i32::from(*scale))
}

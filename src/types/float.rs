//! `real` and `double precision` in text.
//!
//! Output is PostgreSQL's: with `extra_float_digits` above 0 the shortest digits that read back as the same value, in
//! exponent form outside 1e-4..1e15 (1e6 for `real`); otherwise C's `%g` with the number of digits that the setting
//! says. The shortest digits come from Ryu; PostgreSQL's Ryu never answers with a decimal that lies exactly half way
//! between two floats, so such answers (only possible for large integers) are lengthened.

use num_bigint::BigUint;

use crate::bail;
use crate::error::Result;
use crate::types::integer::trim;

/// Significant decimal digits and the exponent of the first: `d.ddd * 10^exponent`.
struct Decimal {
    digits: Vec<u8>,
    exponent: i32,
}

/// Takes apart what a formatter printed, such as `123.45`, `0.001` or `1.5e-7`, without a sign.
fn parse_decimal(text: &str) -> Decimal {
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().expect("formatters print numbers")),
        None => (text, 0),
    };
    let point = mantissa.find('.').unwrap_or(mantissa.len());
    let mut digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    let leading = digits.iter().take_while(|digit| **digit == b'0').count();
    let exponent = exponent + i32::try_from(point).expect("short") - 1 - i32::try_from(leading).expect("short");
    digits.drain(..leading.min(digits.len()));
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() {
        return Decimal { digits: vec![b'0'], exponent: 0 };
    }
    Decimal { digits, exponent }
}

/// Whether decimal digits name a point half a unit in the last place away from the integer `exact`.
fn is_half_way(decimal: &Decimal, exact: &BigUint, ulp: &BigUint) -> bool {
    let zeros = decimal.exponent - i32::try_from(decimal.digits.len()).expect("short") + 1;
    let Ok(zeros) = u32::try_from(zeros) else { return false };
    let digits = std::str::from_utf8(&decimal.digits).expect("digits are ASCII");
    let value = digits.parse::<BigUint>().expect("digits are a number") * BigUint::from(10u32).pow(zeros);
    let distance = if value > *exact { value - exact } else { exact - value };
    distance * 2u32 == *ulp
}

fn shortest_f64(value: f64) -> Decimal {
    let decimal = parse_decimal(ryu::Buffer::new().format_finite(value));
    if !(9_007_199_254_740_992.0..=1e40).contains(&value) {
        return decimal;
    }
    let bits = value.to_bits();
    let shift = u32::try_from((bits >> 52) - 1075).expect("the value is at least 2^53");
    let exact = BigUint::from((bits & ((1 << 52) - 1)) | (1 << 52)) << shift;
    let ulp = BigUint::from(1u32) << shift;
    if !is_half_way(&decimal, &exact, &ulp) {
        return decimal;
    }
    (decimal.digits.len()..18)
        .map(|places| parse_decimal(&format!("{value:.places$e}")))
        .find(|longer| !is_half_way(longer, &exact, &ulp))
        .unwrap_or(decimal)
}

fn shortest_f32(value: f32) -> Decimal {
    let decimal = parse_decimal(ryu::Buffer::new().format_finite(value));
    if !(16_777_216.0..=1e20).contains(&value) {
        return decimal;
    }
    let bits = value.to_bits();
    let shift = (bits >> 23) - 150;
    let exact = BigUint::from((bits & ((1 << 23) - 1)) | (1 << 23)) << shift;
    let ulp = BigUint::from(1u32) << shift;
    if !is_half_way(&decimal, &exact, &ulp) {
        return decimal;
    }
    (decimal.digits.len()..10)
        .map(|places| parse_decimal(&format!("{value:.places$e}")))
        .find(|longer| !is_half_way(longer, &exact, &ulp))
        .unwrap_or(decimal)
}

/// Writes digits plainly, or with an exponent when it lies outside `-4..threshold`.
fn write_decimal(decimal: &Decimal, threshold: i32, out: &mut String) {
    let digits = std::str::from_utf8(&decimal.digits).expect("digits are ASCII");
    let exponent = decimal.exponent;
    if exponent < -4 || exponent >= threshold {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        out.push('e');
        out.push(if exponent < 0 { '-' } else { '+' });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            out.push('0');
        }
        out.push_str(itoa::Buffer::new().format(magnitude));
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', exponent.unsigned_abs() as usize - 1));
        out.push_str(digits);
    } else {
        let whole = exponent as usize + 1;
        if digits.len() <= whole {
            out.push_str(digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        } else {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
    }
}

fn write_special(value: f64, out: &mut String) -> bool {
    if value.is_nan() {
        out.push_str("NaN");
        return true;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    if value.is_infinite() {
        out.push_str("Infinity");
    } else if value == 0.0 {
        out.push('0');
    }
    value.is_infinite() || value == 0.0
}

/// Appends a `double precision` value; `extra_float_digits` is the session's setting.
pub fn output_f64(value: f64, extra_float_digits: i32, out: &mut String) {
    if write_special(value, out) {
        return;
    }
    if extra_float_digits > 0 {
        write_decimal(&shortest_f64(value.abs()), 15, out);
    } else {
        write_general(value.abs(), 15 + extra_float_digits, out);
    }
}

/// Appends a `real` value; `extra_float_digits` is the session's setting.
pub fn output_f32(value: f32, extra_float_digits: i32, out: &mut String) {
    if write_special(f64::from(value), out) {
        return;
    }
    if extra_float_digits > 0 {
        write_decimal(&shortest_f32(value.abs()), 6, out);
    } else {
        write_general(f64::from(value.abs()), 6 + extra_float_digits, out);
    }
}

/// C's `%.{digits}g` of a positive finite number.
pub fn write_general(value: f64, digits: i32, out: &mut String) {
    let digits = digits.max(1);
    let places = digits as usize - 1;
    write_decimal(&parse_decimal(&format!("{value:.places$e}")), digits, out);
}

enum Parsed<T> {
    Value(T),
    Syntax,
    Range,
}

/// The special words, in any case.
fn special(word: &str) -> Option<f64> {
    let (negative, rest) = match word.as_bytes().first() {
        Some(b'-') => (true, &word[1..]),
        Some(b'+') => (false, &word[1..]),
        _ => (false, word),
    };
    let value = match rest.to_ascii_lowercase().as_str() {
        "infinity" | "inf" => f64::INFINITY,
        "nan" => f64::NAN,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// Whether text is a plain decimal float: digits, a point, an exponent.
fn is_decimal(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_ok = all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_ok && exponent_ok
}

/// Reads C's hexadecimal floats (`0x1.8p3`), which `strtod` and so PostgreSQL take.
fn hexadecimal(text: &str) -> Option<f64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let rest = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X"))?;
    let (mantissa, exponent) = match rest.find(['p', 'P']) {
        Some(at) => (&rest[..at], rest[at + 1..].parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?;
    let value = value * 2f64.powi(exponent.saturating_sub(places.saturating_mul(4)));
    Some(if negative { -value } else { value })
}

fn parse_f64(text: &str) -> Parsed<f64> {
    if let Some(value) = special(text) {
        return Parsed::Value(value);
    }
    if !is_decimal(text) {
        return hexadecimal(text).map_or(Parsed::Syntax, Parsed::Value);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_infinite() || (value == 0.0 && has_nonzero_digit(text)) => Parsed::Range,
        Ok(value) => Parsed::Value(value),
        Err(_) => Parsed::Syntax,
    }
}

fn parse_f32(text: &str) -> Parsed<f32> {
    if let Some(value) = special(text) {
        return Parsed::Value(value as f32);
    }
    if !is_decimal(text) {
        return hexadecimal(text).map_or(Parsed::Syntax, |value| Parsed::Value(value as f32));
    }
    match text.parse::<f32>() {
        Ok(value) if value.is_infinite() || (value == 0.0 && has_nonzero_digit(text)) => Parsed::Range,
        Ok(value) => Parsed::Value(value),
        Err(_) => Parsed::Syntax,
    }
}

fn has_nonzero_digit(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

/// Reads `double precision`.
///
/// # Errors
/// `22P02` for bad syntax, `22003` when the number overflows or underflows.
pub fn input_f64(text: &str) -> Result<f64> {
    match parse_f64(trim(text)) {
        Parsed::Value(value) => Ok(value),
        Parsed::Syntax => {
            bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type double precision: \"{text}\"")
        }
        Parsed::Range => {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{}\" is out of range for type double precision", trim(text))
        }
    }
}

/// Reads `real`.
///
/// # Errors
/// `22P02` for bad syntax, `22003` when the number overflows or underflows.
pub fn input_f32(text: &str) -> Result<f32> {
    match parse_f32(trim(text)) {
        Parsed::Value(value) => Ok(value),
        Parsed::Syntax => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type real: \"{text}\""),
        Parsed::Range => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{}\" is out of range for type real", trim(text)),
    }
}

//! `money` in text, in the C locale's form: a dollar sign, commas, two decimals. The value is a count of cents.

use crate::bail;
use crate::error::Result;
use crate::types::integer::trim;

/// Reads an amount such as `$1,234.56`, `-12.3` or `(5)`; further decimals are rounded.
///
/// # Errors
/// `22P02` for bad syntax, `22003` out of range.
pub fn input(text: &str) -> Result<i64> {
    let mut rest = trim(text);
    let mut negative = false;
    if let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        negative = true;
        rest = inner;
    }
    if let Some(inner) = rest.strip_prefix('-') {
        negative = true;
        rest = inner;
    }
    rest = trim(rest.strip_prefix('$').unwrap_or(rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let digits_ok =
        whole.bytes().all(|b| b.is_ascii_digit() || b == b',') && fraction.bytes().all(|b| b.is_ascii_digit());
    if rest.is_empty() || !digits_ok || !rest.bytes().any(|byte| byte.is_ascii_digit()) {
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type money: \"{text}\"");
    }
    let mut cents = 0i128;
    for digit in whole.bytes().filter(u8::is_ascii_digit).take(30) {
        cents = cents * 10 + i128::from(digit - b'0');
    }
    let decimal = |index: usize| fraction.as_bytes().get(index).map_or(0, |digit| i128::from(digit - b'0'));
    cents = cents * 100 + decimal(0) * 10 + decimal(1) + i128::from(decimal(2) >= 5);
    match i64::try_from(if negative { -cents } else { cents }) {
        Ok(value) => Ok(value),
        Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value \"{text}\" is out of range for type money"),
    }
}

/// Appends an amount, such as `-$1,234.56`.
pub fn output(value: i64, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    out.push('$');
    let cents = value.unsigned_abs();
    let whole = (cents / 100).to_string();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out.push_str(&format!(".{:02}", cents % 100));
}

//! Numbers as PostgreSQL reads them in settings and in `WITH (...)` options: decimal, octal and hexadecimal integers, and
//! fractions that integers are rounded from. Never fails on bytes from outside; what is no number is `None`.

/// The number that a text begins with, and the rest: C's `strtol` with base 0, or `strtod` when the text goes on with a
/// point or an exponent. `None` when there is no finite number.
#[must_use]
pub fn leading_number(text: &str) -> Option<(f64, &str)> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (value, rest) = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        radix(hex, 16)?
    } else {
        let end = float_end(digits);
        if end == 0 {
            return None;
        }
        let (word, rest) = digits.split_at(end);
        let octal = word.len() > 1 && word.starts_with('0') && word.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        (if octal { radix(word, 8)?.0 } else { word.parse().ok()? }, rest)
    };
    if value.is_infinite() {
        return None;
    }
    Some((if negative { -value } else { value }, rest))
}

fn radix(text: &str, base: u32) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_digit(base)).unwrap_or(text.len());
    if end == 0 {
        return None;
    }
    let value = text[..end]
        .chars()
        .filter_map(|c| c.to_digit(base))
        .fold(0.0, |sum, digit| sum * f64::from(base) + f64::from(digit));
    Some((value, &text[end..]))
}

/// Where the decimal number at the start of `text` ends; 0 when there is none.
fn float_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return 0;
        }
        end += 1 + fraction;
    }
    if end > 0 && matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(bytes.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}

/// A whole text as an integer of 32 bits, rounded half to even from a fraction; blanks around it are allowed.
#[must_use]
pub fn int_option(text: &str) -> Option<i32> {
    let value = real_option(text)?.round_ties_even();
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value).then_some(value as i32)
}

/// A whole text as a finite number; blanks around it are allowed.
#[must_use]
pub fn real_option(text: &str) -> Option<f64> {
    let blank = |c: char| c.is_ascii_whitespace() || c == '\x0b';
    let (value, rest) = leading_number(text.trim_start_matches(blank))?;
    rest.trim_start_matches(blank).is_empty().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::int_option;

    #[test]
    fn integers_are_read_as_postgresql_reads_them() {
        for (text, value) in [
            ("16", Some(16)),
            (" 16 ", Some(16)),
            ("-5", Some(-5)),
            ("4.5", Some(4)),
            ("5.5", Some(6)),
            ("1e2", Some(100)),
            ("0x10", Some(16)),
            ("010", Some(8)),
            ("99999999999", None),
            ("16kB", None),
            ("", None),
            ("true", None),
            ("-", None),
            ("1e400", None),
        ] {
            assert_eq!(int_option(text), value, "{text:?}");
        }
    }
}

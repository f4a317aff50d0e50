//! `uuid` in text.

use crate::bail;
use crate::error::Result;

/// Reads 32 hex digits, with a hyphen allowed after every fourth and braces around.
///
/// # Errors
/// `22P02` for anything else.
pub fn input(text: &str) -> Result<[u8; 16]> {
    match parse(text.as_bytes()) {
        Some(value) => Ok(value),
        None => bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type uuid: \"{text}\""),
    }
}

fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let mut rest = match text {
        [b'{', inner @ .., b'}'] => inner,
        [b'{', ..] => return None,
        plain => plain,
    };
    let mut value = [0; 16];
    for (index, byte) in value.iter_mut().enumerate() {
        let (pair, tail) = rest.split_at_checked(2)?;
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
        rest = tail;
        if index % 2 == 1 && index < 15 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
    }
    rest.is_empty().then_some(value)
}

/// Appends the canonical form, lower case with four hyphens.
pub fn output(value: &[u8; 16], out: &mut String) {
    for (index, part) in [&value[..4], &value[4..6], &value[6..8], &value[8..10], &value[10..]].into_iter().enumerate()
    {
        if index > 0 {
            out.push('-');
        }
        crate::types::bytea::encode_hex(part, out);
    }
}

//! Backslash escapes of `jsonpath`, which strings, variables and plain words have alike: `\n` and its kin, `\x41`,
//! `\u0041`, `\u{1F600}`; a backslash before anything else stands for that.

use crate::bail;
use crate::error::{Error, Result};

/// Appends what the escape at the front of `text` stands for; the number of bytes that it takes, one at least.
///
/// # Errors
/// `42601` for an escape that is cut, `22P05` for the zero character, `22P02` for half of a surrogate pair.
pub(super) fn escape(text: &str, out: &mut String) -> Result<usize> {
    let Some(kind) = text[1..].chars().next() else {
        bail!(SYNTAX_ERROR, "unexpected end after backslash at or near \"\\\" of jsonpath input");
    };
    let plain = match kind {
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => {
            let Some(code) = hex(&text[2..], 2, 2) else {
                let near = &text[..2 + hex_length(&text[2..]).min(1)];
                bail!(SYNTAX_ERROR, "invalid hexadecimal character sequence at or near \"{near}\" of jsonpath input");
            };
            put(code, out)?;
            return Ok(4);
        }
        'u' => return unicode(text, out),
        other => other,
    };
    out.push(plain);
    Ok(1 + kind.len_utf8())
}

fn hex_length(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_hexdigit).count()
}

/// A number of `least` to `most` hexadecimal digits at the front.
fn hex(text: &str, least: usize, most: usize) -> Option<u32> {
    let length = hex_length(text).min(most);
    (length >= least).then(|| u32::from_str_radix(&text[..length], 16).expect("hexadecimal digits that fit 32 bits"))
}

/// The code of the `\u` escape at the front of the text, and its length.
fn unit(text: &str) -> Result<(u32, usize)> {
    if let Some(braced) = text[2..].strip_prefix('{') {
        let length = hex_length(braced);
        if let Some(code) = hex(braced, 1, 6)
            && braced[length..].starts_with('}')
            && length <= 6
        {
            return Ok((code, length + 4));
        }
    } else if let Some(code) = hex(&text[2..], 4, 4) {
        return Ok((code, 6));
    }
    let brace = usize::from(text[2..].starts_with('{'));
    let near = &text[..2 + brace + hex_length(&text[2 + brace..]).min(3 + 3 * brace)];
    bail!(SYNTAX_ERROR, "invalid Unicode escape sequence at or near \"{near}\" of jsonpath input")
}

fn surrogate() -> Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath")
        .detail("Unicode low surrogate must follow a high surrogate.")
}

fn unicode(text: &str, out: &mut String) -> Result<usize> {
    let (code, length) = unit(text)?;
    match code {
        0xd800..=0xdbff if text[length..].starts_with("\\u") => {
            let (low, more) = unit(&text[length..])?;
            if !(0xdc00..=0xdfff).contains(&low) {
                return Err(surrogate());
            }
            put(0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00), out)?;
            Ok(length + more)
        }
        0xd800..=0xdfff => Err(surrogate()),
        _ => {
            put(code, out)?;
            Ok(length)
        }
    }
}

fn put(code: u32, out: &mut String) -> Result<()> {
    match char::from_u32(code) {
        Some('\0') => {
            let error = crate::error!(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence");
            Err(error.detail("\\u0000 cannot be converted to text."))
        }
        Some(c) => {
            out.push(c);
            Ok(())
        }
        None => bail!(SYNTAX_ERROR, "invalid Unicode code point"),
    }
}

#[cfg(test)]
mod tests {
    use crate::types::io::{IoContext, input, to_text};
    use crate::types::{Oid, SqlType};

    #[test]
    fn escapes_are_postgresqls() {
        let ctx = IoContext::fixed();
        for (text, want) in [
            (r"$.\u0061b", "$.\"ab\""),
            (r"\", "42601"),
            (r"$.a\", "42601"),
            (r"$.a\x41\u{1F600}c", "$.\"aA😀c\""),
            (r#"$."\ud83d\ude00""#, "$.\"😀\""),
            (r#"$."\ud83d""#, "22P02"),
            (r#"$."\ud83dx""#, "22P02"),
            (r#"$."\ude00""#, "22P02"),
            (r#"$."\u00""#, "42601"),
            (r#"$."\x4""#, "42601"),
            (r#"$."\u0000""#, "22P05"),
            (r#"$."\x00""#, "22P05"),
            (r#"$."\u{110000}""#, "42601"),
            (r#"$."a\"#, "42601"),
            (r"$.a\ b", "$.\"a b\""),
            (r"$.a\.b", "$.\"a.b\""),
            (r#"$."\q""#, "$.\"q\""),
            (r"$a\u0062", "42601"),
            (r"\u0074rue", "true"),
            (r"tru\x65", "true"),
            (r"$.\n", "$.\"\\n\""),
        ] {
            let shown = match input(text, SqlType::of(Oid::JSONPATH), &ctx) {
                Ok(path) => to_text(&path, Oid::JSONPATH, &ctx).expect("prints"),
                Err(error) => error.sqlstate().as_str().to_owned(),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

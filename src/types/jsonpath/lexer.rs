//! The tokens of `jsonpath`.

use super::escape::escape;
use crate::bail;
use crate::error::{Error, Result};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// An identifier or keyword.
    Word(String),
    /// A quoted string.
    Text(String),
    /// A number by its text.
    Number(String),
    /// `$name` or `$"name"`.
    Variable(String),
    /// Operators and brackets.
    Symbol(&'static str),
    End,
}

/// A token and where it stands.
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) span: std::ops::Range<usize>,
}

const SYMBOLS: [&str; 28] = [
    "**", "&&", "||", "==", "!=", "<>", "<=", ">=", "<", ">", "!", "$", "@", "(", ")", "[", "]", "{", "}", ".", ",",
    "?", "*", "/", "%", "+", "-", "=",
];

fn is_word_char(c: char) -> bool {
    !c.is_ascii() || c.is_ascii_alphanumeric() || c == '_'
}

/// Splits the text of a path.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start_matches([' ', '\t', '\n', '\r', '\x0c']).len();
        let rest = &text[at..];
        if let Some(after) = rest.strip_prefix("/*") {
            match after.find("*/") {
                Some(end) => at += end + 4,
                None => bail!(SYNTAX_ERROR, "unexpected end of comment at end of jsonpath input"),
            }
            continue;
        }
        let Some(first) = rest.chars().next() else {
            found.push(Placed { token: Token::End, span: at..at });
            return Ok(found);
        };
        let decimal_point = first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit());
        let (token, length) = if first == '"' {
            let (value, length) = quoted(rest)?;
            (Token::Text(value), length)
        } else if first == '$' && rest[1..].starts_with('"') {
            let (value, length) = quoted(&rest[1..])?;
            (Token::Variable(value), length + 1)
        } else if first == '$' && rest[1..].starts_with(is_word_char) {
            let length = word_length(&rest[1..]);
            (Token::Variable(rest[1..=length].to_owned()), length + 1)
        } else if first.is_ascii_digit() || decimal_point {
            number(text, at)?
        } else if is_word_char(first) || first == '\\' {
            let (word, length) = word(rest)?;
            (Token::Word(word), length)
        } else {
            match SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
                Some(symbol) => (Token::Symbol(symbol), symbol.len()),
                None => return Err(error_at(text, at..at + first.len_utf8())),
            }
        };
        found.push(Placed { token, span: at..at + length });
        at += length;
    }
}

/// The error for a token that cannot stand where it does.
pub(super) fn error_at(text: &str, span: std::ops::Range<usize>) -> Error {
    if span.is_empty() {
        return crate::error!(SYNTAX_ERROR, "syntax error at end of jsonpath input");
    }
    crate::error!(SYNTAX_ERROR, "syntax error at or near \"{}\" of jsonpath input", &text[span])
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !is_word_char(c)).unwrap_or(text.len())
}

/// A word at the front of the text, which may begin with an escape and hold more; also its length as written.
fn word(text: &str) -> Result<(String, usize)> {
    let mut word = String::new();
    let mut at = 0;
    loop {
        let plain = word_length(&text[at..]);
        word.push_str(&text[at..at + plain]);
        at += plain;
        if !text[at..].starts_with('\\') {
            return Ok((word, at));
        }
        at += escape(&text[at..], &mut word)?;
    }
}

fn number(text: &str, start: usize) -> Result<(Token, usize)> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'_').count();
    let mut at = start;
    let based = matches!(bytes.get(start + 1), Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B')) && bytes[start] == b'0';
    if based {
        at += 2 + bytes[at + 2..].iter().take_while(|b| b.is_ascii_hexdigit() || **b == b'_').count();
    } else {
        at += digits(at);
        if bytes.get(at) == Some(&b'.') {
            at += 1 + digits(at + 1);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let count = digits((at + 1 + sign).min(bytes.len()));
            if count > 0 {
                at += 1 + sign + count;
            }
        }
    }
    let junk = word_length(&text[at..]);
    if junk > 0 {
        let end = at + text[at..].chars().next().map_or(0, char::len_utf8);
        bail!(
            SYNTAX_ERROR,
            "trailing junk after numeric literal at or near \"{}\" of jsonpath input",
            &text[start..end]
        );
    }
    Ok((Token::Number(text[start..at].to_owned()), at - start))
}

/// A quoted string at the front of the text; also its length with quotes.
fn quoted(text: &str) -> Result<(String, usize)> {
    let mut out = String::new();
    let mut at = 1;
    loop {
        let Some(plain) = text[at..].find(['"', '\\']) else {
            bail!(SYNTAX_ERROR, "unterminated quoted string at end of jsonpath input");
        };
        out.push_str(&text[at..at + plain]);
        at += plain;
        if text[at..].starts_with('"') {
            return Ok((out, at + 1));
        }
        at += escape(&text[at..], &mut out)?;
    }
}

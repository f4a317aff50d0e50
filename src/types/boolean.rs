//! `boolean` text input.

use crate::bail;
use crate::error::Result;

/// Reads any unique prefix of true, false, yes, no, on, off, or 1 or 0, in any case, between blanks.
///
/// # Errors
/// `22P02` for anything else.
pub fn input(text: &str) -> Result<bool> {
    let word = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b').to_ascii_lowercase();
    parse(&word)
        .map_or_else(|| bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type boolean: \"{text}\""), Ok)
}

/// The same for settings and options; `word` is lower case. `None` when it is not a boolean.
#[must_use]
pub fn parse(word: &str) -> Option<bool> {
    match word {
        "" | "o" => None,
        "1" | "on" => Some(true),
        "0" | "of" | "off" => Some(false),
        _ if "true".starts_with(word) || "yes".starts_with(word) => Some(true),
        _ if "false".starts_with(word) || "no".starts_with(word) => Some(false),
        _ => None,
    }
}

//! Splitting date and time text into fields, as PostgreSQL does before it decides what they mean.
//!
//! A field is a run of digits, a run of letters, or a run that punctuation holds together (`2020-01-05`, `12:30:01.5`,
//! `America/New_York`); other punctuation and blanks separate. Letters are lowered.

use super::words::core_word;

/// What kind of run a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// Digits, perhaps with a decimal point.
    Number,
    /// Digits or words joined by punctuation.
    Date,
    /// Digits with colons.
    Time,
    /// A sign and digits.
    Offset,
    /// Letters.
    Word,
    /// A sign and letters.
    SignedWord,
}

/// One field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub kind: FieldKind,
    pub text: String,
}

/// Fields that text may have at most.
const MAX_FIELDS: usize = 25;

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn bump(&mut self, out: &mut String) {
        out.push(char::from(self.peek().to_ascii_lowercase()));
        self.at += 1;
    }

    fn take_while(&mut self, out: &mut String, wanted: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && wanted(self.peek()) {
            self.bump(out);
        }
    }

    fn skip_blanks(&mut self) {
        while self.at < self.bytes.len() && crate::types::integer::is_space(self.peek()) {
            self.at += 1;
        }
    }
}

/// Splits text; `None` when it has characters or more fields than dates and times have.
pub(crate) fn split(text: &str) -> Option<Vec<Field>> {
    let mut cursor = Cursor { bytes: text.as_bytes(), at: 0 };
    let mut fields = Vec::new();
    loop {
        cursor.skip_blanks();
        if cursor.at >= cursor.bytes.len() {
            return Some(fields);
        }
        let first = cursor.peek();
        let mut text = String::new();
        let kind = match first {
            b'0'..=b'9' => digits(&mut cursor, &mut text),
            b'.' => {
                cursor.bump(&mut text);
                cursor.take_while(&mut text, |byte| byte.is_ascii_digit());
                FieldKind::Number
            }
            b'+' | b'-' => {
                cursor.bump(&mut text);
                cursor.skip_blanks();
                match cursor.peek() {
                    byte if byte.is_ascii_digit() || byte == b'.' => {
                        cursor.take_while(&mut text, |b| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-'));
                        FieldKind::Offset
                    }
                    byte if byte.is_ascii_alphabetic() => {
                        cursor.take_while(&mut text, |b| b.is_ascii_alphabetic());
                        FieldKind::SignedWord
                    }
                    _ => return None,
                }
            }
            byte if byte.is_ascii_alphabetic() => letters(&mut cursor, &mut text),
            byte if byte.is_ascii_punctuation() => {
                cursor.at += 1;
                continue;
            }
            _ => return None,
        };
        if fields.len() == MAX_FIELDS {
            return None;
        }
        fields.push(Field { kind, text });
    }
}

fn digits(cursor: &mut Cursor<'_>, text: &mut String) -> FieldKind {
    cursor.take_while(text, |byte| byte.is_ascii_digit());
    match cursor.peek() {
        b':' => {
            cursor.take_while(text, |byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
            FieldKind::Time
        }
        delimiter @ (b'-' | b'/' | b'.') => {
            cursor.bump(text);
            if !cursor.peek().is_ascii_digit() {
                cursor.take_while(text, |byte| byte.is_ascii_alphanumeric() || byte == delimiter);
                return FieldKind::Date;
            }
            cursor.take_while(text, |byte| byte.is_ascii_digit());
            if cursor.peek() == delimiter {
                cursor.take_while(text, |byte| byte.is_ascii_digit() || byte == delimiter);
                return FieldKind::Date;
            }
            if delimiter == b'.' { FieldKind::Number } else { FieldKind::Date }
        }
        _ => FieldKind::Number,
    }
}

fn letters(cursor: &mut Cursor<'_>, text: &mut String) -> FieldKind {
    cursor.take_while(text, |byte| byte.is_ascii_alphabetic());
    let joined = match cursor.peek() {
        b'-' | b'/' | b'.' => true,
        // `EST5EDT` and `UTC+3` are zones, `t04` and `j2451187` are words with numbers behind.
        byte if byte == b'+' || byte.is_ascii_digit() => core_word(text).is_none(),
        _ => false,
    };
    if !joined {
        return FieldKind::Word;
    }
    cursor.take_while(text, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_' | b'.' | b':')
    });
    FieldKind::Date
}

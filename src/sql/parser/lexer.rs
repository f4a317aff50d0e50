//! PostgreSQL's lexer: text to tokens, with positions.
//!
//! The rules that other lexers get wrong are PostgreSQL's: an operator is the longest run of operator characters, but it may
//! not end in `+` or `-` unless it also holds one of `~ ! @ # % ^ & | \` ?`, and it stops at a comment start; string
//! literals separated by white space that contains a newline are one literal; identifiers fold to lower case and are
//! cut at 63 bytes. Positions are 1-based characters, as the error report wants them.

use crate::error::Result;
use crate::{bail, error};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// An identifier or key word, folded; `quoted` ones are never key words.
    Word { text: String, quoted: bool },
    /// A string literal of any form.
    String(String),
    /// `B'..'` or `X'..'`.
    Bits { digits: String, hex: bool },
    /// An integer or decimal number as written.
    Number(String),
    /// `$n`.
    Param(usize),
    /// An operator of operator characters.
    Op(String),
    /// `( ) [ ] , ; . : :: := => ..`
    Punct(&'static str),
    /// The end.
    End,
}

/// A token with its place.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// 1-based character position.
    pub position: u32,
    /// Byte range in the text.
    pub start: usize,
    /// See `start`.
    pub end: usize,
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Characters before `counted`, to turn bytes into positions incrementally.
    chars: u32,
    counted: usize,
}

const OPERATOR_CHARS: &[u8] = b"~!@#^&|`?+-*/%<>=";
const IDENTIFIER_BYTES_MAX: usize = 63;

/// Splits a query string into tokens; the last is [`TokenKind::End`].
///
/// # Errors
/// `42601` for unterminated literals and comments and malformed numbers, `22P02`-like errors of escapes as PostgreSQL's.
pub fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0, chars: 0, counted: 0 };
    let mut tokens = Vec::with_capacity(text.len() / 4 + 4);
    loop {
        lexer.skip_space()?;
        let start = lexer.at;
        let position = lexer.position(start);
        if start >= lexer.bytes.len() {
            tokens.push(Token { kind: TokenKind::End, position, start, end: start });
            return Ok(tokens);
        }
        let kind = lexer.token().map_err(|e| e.at(position))?;
        tokens.push(Token { kind, position, start, end: lexer.at });
    }
}

impl Lexer<'_> {
    fn position(&mut self, byte: usize) -> u32 {
        let added = self.bytes[self.counted..byte].iter().filter(|b| (**b & 0xC0) != 0x80).count();
        self.chars += u32::try_from(added).unwrap_or(u32::MAX);
        self.counted = byte;
        self.chars + 1
    }

    fn peek(&self, offset: usize) -> u8 {
        self.bytes.get(self.at + offset).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) -> Result<()> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, _) => self.at += 1,
                (b'-', b'-') => {
                    while self.at < self.bytes.len() && self.bytes[self.at] != b'\n' {
                        self.at += 1;
                    }
                }
                (b'/', b'*') => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<()> {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        let near = self.text[start..].to_string();
        let position = self.position(start);
        Err(error!(SYNTAX_ERROR, "unterminated /* comment at or near \"{near}\"").at(position))
    }

    fn token(&mut self) -> Result<TokenKind> {
        let byte = self.peek(0);
        match byte {
            b'\'' => self.quoted_literal(false),
            b'"' => self.quoted_identifier().map(|text| TokenKind::Word { text, quoted: true }),
            b'e' | b'E' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted_literal(true)
            }
            b'n' | b'N' if self.peek(1) == b'\'' => {
                self.at += 1;
                self.quoted_literal(false)
            }
            b'b' | b'B' | b'x' | b'X' if self.peek(1) == b'\'' => {
                self.at += 1;
                let hex = byte.eq_ignore_ascii_case(&b'x');
                match self.quoted_literal(false)? {
                    TokenKind::String(digits) => Ok(TokenKind::Bits { digits, hex }),
                    other => Ok(other),
                }
            }
            b'u' | b'U' if self.peek(1) == b'&' && (self.peek(2) == b'\'' || self.peek(2) == b'"') => {
                self.unicode_form()
            }
            b'$' => self.dollar(),
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_ascii_digit() => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Ok(self.word()),
            _ => self.symbol(),
        }
    }

    fn word(&mut self) -> TokenKind {
        let start = self.at;
        while matches!(self.peek(0), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80..=0xff) {
            self.at += 1;
        }
        let mut text = self.text[start..self.at].to_string();
        text.make_ascii_lowercase();
        truncate_identifier(&mut text);
        TokenKind::Word { text, quoted: false }
    }

    fn quoted_identifier(&mut self) -> Result<String> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(end) = rest.find('"') else {
                bail!(SYNTAX_ERROR, "unterminated quoted identifier at or near \"{}\"", &self.text[start..]);
            };
            text.push_str(&rest[..end]);
            self.at += end + 1;
            if self.peek(0) != b'"' {
                break;
            }
            text.push('"');
            self.at += 1;
        }
        if text.is_empty() {
            bail!(SYNTAX_ERROR, "zero-length delimited identifier at or near \"\"\"\"");
        }
        truncate_identifier(&mut text);
        Ok(text)
    }

    /// A `'...'` literal at the current place, with continuation lines.
    fn quoted_literal(&mut self, escapes: bool) -> Result<TokenKind> {
        let start = self.at;
        let mut out: Vec<u8> = Vec::new();
        loop {
            self.at += 1;
            self.literal_body(escapes, &mut out, start)?;
            if !self.continues_on_next_line() {
                break;
            }
        }
        match String::from_utf8(out) {
            Ok(text) if !text.contains('\0') => Ok(TokenKind::String(text)),
            _ => Err(error!(CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")),
        }
    }

    /// Reads to the closing quote, which it consumes.
    fn literal_body(&mut self, escapes: bool, out: &mut Vec<u8>, start: usize) -> Result<()> {
        loop {
            if self.at >= self.bytes.len() {
                bail!(SYNTAX_ERROR, "unterminated quoted string at or near \"{}\"", &self.text[start..]);
            }
            match (self.peek(0), self.peek(1)) {
                (b'\'', b'\'') => {
                    out.push(b'\'');
                    self.at += 2;
                }
                (b'\'', _) => {
                    self.at += 1;
                    return Ok(());
                }
                (b'\\', _) if escapes => self.escape(out)?,
                (byte, _) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// Whether another literal follows after white space with a newline; moves to its quote if so.
    fn continues_on_next_line(&mut self) -> bool {
        let mut at = self.at;
        let mut newline = false;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'\n' | b'\r' => newline = true,
                b' ' | b'\t' | 0x0c | 0x0b => {}
                b'-' if newline && self.bytes.get(at + 1) == Some(&b'-') => {
                    while self.bytes.get(at + 1).is_some_and(|b| *b != b'\n') {
                        at += 1;
                    }
                }
                b'\'' if newline => {
                    self.at = at;
                    return true;
                }
                _ => return false,
            }
            at += 1;
        }
        false
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let kind = self.peek(1);
        self.at += 2;
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'v' => out.push(11),
            b'0'..=b'7' => {
                let mut value = u32::from(kind - b'0');
                for _ in 0..2 {
                    if matches!(self.peek(0), b'0'..=b'7') {
                        value = value * 8 + u32::from(self.peek(0) - b'0');
                        self.at += 1;
                    }
                }
                out.push((value & 0xff) as u8);
            }
            b'x' if self.peek(0).is_ascii_hexdigit() => {
                let mut value = 0;
                for _ in 0..2 {
                    if let Some(digit) = (self.peek(0) as char).to_digit(16) {
                        value = value * 16 + digit;
                        self.at += 1;
                    }
                }
                out.push(value as u8);
            }
            b'u' | b'U' => {
                let mut code = self.hex_code(if kind == b'u' { 4 } else { 8 })?;
                if (0xD800..0xDC00).contains(&code) && self.peek(0) == b'\\' && matches!(self.peek(1), b'u' | b'U') {
                    let wide = self.peek(1) == b'U';
                    self.at += 2;
                    let low = self.hex_code(if wide { 8 } else { 4 })?;
                    code = 0x10000 + ((code - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3ff);
                }
                push_code_point(code, out)?;
            }
            0 if self.at > self.bytes.len() => self.at = self.bytes.len(),
            other => out.push(other),
        }
        Ok(())
    }

    fn hex_code(&mut self, digits: usize) -> Result<u32> {
        let mut value = 0_u32;
        for _ in 0..digits {
            let Some(digit) = (self.peek(0) as char).to_digit(16) else {
                return Err(error!(INVALID_ESCAPE_SEQUENCE, "invalid Unicode escape")
                    .hint("Unicode escapes must be \\uXXXX or \\UXXXXXXXX."));
            };
            value = value.wrapping_mul(16).wrapping_add(digit);
            self.at += 1;
        }
        Ok(value)
    }

    /// `U&'...'` and `U&"..."` with an optional UESCAPE.
    fn unicode_form(&mut self) -> Result<TokenKind> {
        self.at += 2;
        let identifier = self.peek(0) == b'"';
        let raw = if identifier {
            self.quoted_identifier()?
        } else {
            match self.quoted_literal(false)? {
                TokenKind::String(text) => text,
                other => return Ok(other),
            }
        };
        let mut escape = '\\';
        let saved = self.at;
        self.skip_space()?;
        if self.text[self.at..].get(..7).is_some_and(|w| w.eq_ignore_ascii_case("uescape")) {
            self.at += 7;
            self.skip_space()?;
            match self.quoted_literal(false)? {
                TokenKind::String(text) if text.chars().count() == 1 => escape = text.chars().next().unwrap_or('\\'),
                _ => bail!(SYNTAX_ERROR, "invalid Unicode escape character"),
            }
        } else {
            self.at = saved;
        }
        let text = decode_unicode_escapes(&raw, escape)?;
        Ok(if identifier { TokenKind::Word { text, quoted: true } } else { TokenKind::String(text) })
    }

    fn dollar(&mut self) -> Result<TokenKind> {
        if self.peek(1).is_ascii_digit() {
            let start = self.at + 1;
            self.at += 1;
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            let Ok(number) = self.text[start..self.at].parse::<u32>() else {
                bail!(SYNTAX_ERROR, "parameter number too large at or near \"{}\"", &self.text[start - 1..self.at]);
            };
            if matches!(self.peek(0), b'a'..=b'z' | b'A'..=b'Z' | b'_') {
                bail!(SYNTAX_ERROR, "trailing junk after parameter at or near \"{}\"", &self.text[start - 1..=self.at]);
            }
            return Ok(TokenKind::Param(number as usize));
        }
        let start = self.at;
        let mut end = start + 1;
        while self.bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80) {
            end += 1;
        }
        if self.bytes.get(end) != Some(&b'$') {
            bail!(SYNTAX_ERROR, "syntax error at or near \"$\"");
        }
        let tag = &self.text[start..=end];
        let body = end + 1;
        let Some(length) = self.text[body..].find(tag) else {
            bail!(SYNTAX_ERROR, "unterminated dollar-quoted string at or near \"{}\"", &self.text[start..]);
        };
        self.at = body + length + tag.len();
        Ok(TokenKind::String(self.text[body..body + length].to_string()))
    }

    fn number(&mut self) -> Result<TokenKind> {
        let start = self.at;
        let radix = match (self.peek(0), self.peek(1).to_ascii_lowercase()) {
            (b'0', b'x') => 16,
            (b'0', b'o') => 8,
            (b'0', b'b') => 2,
            _ => 10,
        };
        if radix == 10 {
            self.digits();
            if self.peek(0) == b'.' && self.peek(1) != b'.' {
                self.at += 1;
                self.digits();
            }
            if matches!(self.peek(0), b'e' | b'E') {
                let sign = usize::from(matches!(self.peek(1), b'+' | b'-'));
                if self.peek(1 + sign).is_ascii_digit() {
                    self.at += 1 + sign;
                    self.digits();
                }
            }
        } else {
            self.at += 2;
            while self.peek(0).is_ascii_hexdigit() || self.peek(0) == b'_' {
                self.at += 1;
            }
            let digits = &self.text[start + 2..self.at];
            if digits.is_empty() || digits.chars().any(|c| c != '_' && c.to_digit(radix).is_none()) {
                let kind = ["hexadecimal", "octal", "binary"][match radix {
                    16 => 0,
                    8 => 1,
                    _ => 2,
                }];
                bail!(SYNTAX_ERROR, "invalid {kind} integer at or near \"{}\"", &self.text[start..self.at]);
            }
        }
        if matches!(self.peek(0), b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff) {
            let junk = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
            bail!(
                SYNTAX_ERROR,
                "trailing junk after numeric literal at or near \"{}\"",
                &self.text[start..self.at + junk]
            );
        }
        Ok(TokenKind::Number(self.text[start..self.at].to_string()))
    }

    fn digits(&mut self) {
        while self.peek(0).is_ascii_digit() || (self.peek(0) == b'_' && self.peek(1).is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn symbol(&mut self) -> Result<TokenKind> {
        let two = [self.peek(0), self.peek(1)];
        for (text, punct) in [(b"::", "::"), (b":=", ":="), (b"=>", "=>"), (b"..", "..")] {
            if two == *text && !(punct == "=>" && OPERATOR_CHARS.contains(&self.peek(2))) {
                self.at += 2;
                return Ok(TokenKind::Punct(punct));
            }
        }
        for (byte, punct) in
            [(b'(', "("), (b')', ")"), (b'[', "["), (b']', "]"), (b',', ","), (b';', ";"), (b'.', "."), (b':', ":")]
        {
            if two[0] == byte {
                self.at += 1;
                return Ok(TokenKind::Punct(punct));
            }
        }
        if !OPERATOR_CHARS.contains(&two[0]) {
            let character = self.text[self.at..].chars().next().unwrap_or(' ');
            bail!(SYNTAX_ERROR, "syntax error at or near \"{character}\"");
        }
        Ok(self.operator())
    }

    fn operator(&mut self) -> TokenKind {
        let start = self.at;
        let mut end = start;
        while self.bytes.get(end).is_some_and(|b| OPERATOR_CHARS.contains(b)) {
            let pair = (self.bytes[end], self.bytes.get(end + 1).copied().unwrap_or(0));
            if end > start && matches!(pair, (b'/', b'*') | (b'-', b'-')) {
                break;
            }
            end += 1;
        }
        while end - start > 1
            && matches!(self.bytes[end - 1], b'+' | b'-')
            && !self.bytes[start..end - 1].iter().any(|b| b"~!@#^&|`?%".contains(b))
        {
            end -= 1;
        }
        self.at = end;
        let symbol = &self.text[start..end];
        TokenKind::Op(if symbol == "!=" { "<>".into() } else { symbol.into() })
    }
}

/// Cuts an identifier at PostgreSQL's 63 bytes, at a character boundary.
fn truncate_identifier(text: &mut String) {
    if text.len() > IDENTIFIER_BYTES_MAX {
        let end = (0..=IDENTIFIER_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

fn push_code_point(code: u32, out: &mut Vec<u8>) -> Result<()> {
    match char::from_u32(code).filter(|c| *c != '\0') {
        Some(character) => {
            let mut buffer = [0; 4];
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            Ok(())
        }
        None => Err(error!(SYNTAX_ERROR, "invalid Unicode escape value")),
    }
}

fn decode_unicode_escapes(raw: &str, escape: char) -> Result<String> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(escape) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + escape.len_utf8()..];
        if let Some(after) = rest.strip_prefix(escape) {
            out.extend_from_slice(escape.to_string().as_bytes());
            rest = after;
            continue;
        }
        let (digits, skip) = if rest.starts_with('+') { (6, 1) } else { (4, 0) };
        let Some(code) = rest.get(skip..skip + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()) else {
            return Err(
                error!(SYNTAX_ERROR, "invalid Unicode escape").hint("Unicode escapes must be \\XXXX or \\+XXXXXX.")
            );
        };
        rest = &rest[skip + digits..];
        push_code_point(code, &mut out)?;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_err(|_| error!(SYNTAX_ERROR, "invalid Unicode escape value"))
}

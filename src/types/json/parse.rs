//! The JSON parser, generic over what it builds, with PostgreSQL's error reports.
//!
//! The lexer stays one token ahead and remembers its line, so that an error shows the same excerpt of the input as
//! PostgreSQL's. Checking `json` text leaves escapes alone; building values resolves them and so finds more errors.

use crate::bail;
use crate::error::{Error, Result};
use crate::types::json::value::JsonValue;
use crate::types::numeric;

/// Nesting that is followed: enough for data, and bounded so that recursion over values fits every thread's stack.
const MAX_DEPTH: usize = 1_500;

/// What a parse makes of a document.
pub trait Builder {
    /// A value of any kind.
    type Value;
    /// Whether strings are wanted with their escapes resolved.
    const DECODES: bool;
    /// `null`, `true` and `false`.
    fn literal(&self, value: Option<bool>, span: Span) -> Self::Value;
    /// A number by its text.
    ///
    /// # Errors
    /// When it does not fit.
    fn number(&self, text: &str, span: Span) -> Result<Self::Value>;
    /// A string; empty when the builder does not decode.
    fn string(&self, text: String, span: Span) -> Self::Value;
    /// An array.
    fn array(&self, items: Vec<Self::Value>, span: Span) -> Self::Value;
    /// An object, members as written.
    fn object(&self, members: Vec<(String, Self::Value)>, span: Span) -> Self::Value;
}

/// Byte range of a value in the document.
pub type Span = std::ops::Range<usize>;

struct Check;

impl Builder for Check {
    type Value = ();
    const DECODES: bool = false;
    fn literal(&self, _: Option<bool>, _: Span) {}
    fn number(&self, _: &str, _: Span) -> Result<()> {
        Ok(())
    }
    fn string(&self, _: String, _: Span) {}
    fn array(&self, _: Vec<()>, _: Span) {}
    fn object(&self, _: Vec<(String, ())>, _: Span) {}
}

struct Values;

impl Builder for Values {
    type Value = JsonValue;
    const DECODES: bool = true;

    fn literal(&self, value: Option<bool>, _: Span) -> JsonValue {
        value.map_or(JsonValue::Null, JsonValue::Bool)
    }

    fn number(&self, text: &str, _: Span) -> Result<JsonValue> {
        numeric::input(text).map(JsonValue::Number)
    }

    fn string(&self, text: String, _: Span) -> JsonValue {
        JsonValue::String(text)
    }

    fn array(&self, items: Vec<JsonValue>, _: Span) -> JsonValue {
        JsonValue::Array(items)
    }

    fn object(&self, members: Vec<(String, JsonValue)>, _: Span) -> JsonValue {
        JsonValue::object(members)
    }
}

/// A value of a `json` document with the place where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value stands in the document.
    pub span: Span,
    /// What it is.
    pub kind: NodeKind,
}

/// The kinds of [`Node`].
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A number; its text is its value.
    Number,
    /// A string, escapes resolved.
    String(String),
    /// Elements.
    Array(Vec<Node>),
    /// Members in the order written, duplicates included.
    Object(Vec<(String, Node)>),
}

struct Nodes;

impl Builder for Nodes {
    type Value = Node;
    const DECODES: bool = true;

    fn literal(&self, value: Option<bool>, span: Span) -> Node {
        Node { span, kind: value.map_or(NodeKind::Null, NodeKind::Bool) }
    }

    fn number(&self, _: &str, span: Span) -> Result<Node> {
        Ok(Node { span, kind: NodeKind::Number })
    }

    fn string(&self, text: String, span: Span) -> Node {
        Node { span, kind: NodeKind::String(text) }
    }

    fn array(&self, items: Vec<Node>, span: Span) -> Node {
        Node { span, kind: NodeKind::Array(items) }
    }

    fn object(&self, members: Vec<(String, Node)>, span: Span) -> Node {
        Node { span, kind: NodeKind::Object(members) }
    }
}

/// Checks that text is JSON.
///
/// # Errors
/// `22P02`.
pub fn check(text: &str) -> Result<()> {
    parse(text, &Check)
}

/// Reads text as a `jsonb` tree.
///
/// # Errors
/// `22P02`, `22P05`, `22003`.
pub fn parse_value(text: &str) -> Result<JsonValue> {
    parse(text, &Values)
}

/// Reads text as a tree that knows where its values are written.
///
/// # Errors
/// `22P02`, `22P05`.
pub fn parse_nodes(text: &str) -> Result<Node> {
    parse(text, &Nodes)
}

fn parse<B: Builder>(text: &str, builder: &B) -> Result<B::Value> {
    let mut parser = Parser { lexer: Lexer::new(text, B::DECODES), builder, depth: 0 };
    parser.lexer.advance()?;
    let value = parser.value()?;
    if parser.lexer.token != Token::End {
        return Err(parser.lexer.unexpected("end of input"));
    }
    Ok(value)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Comma,
    Colon,
    String,
    Number,
    True,
    False,
    Null,
    End,
}

struct Parser<'a, B> {
    lexer: Lexer<'a>,
    builder: &'a B,
    depth: usize,
}

impl<B: Builder> Parser<'_, B> {
    fn value(&mut self) -> Result<B::Value> {
        let span = self.lexer.start..self.lexer.end;
        let value = match self.lexer.token {
            Token::ObjectStart => return self.nested(Self::object),
            Token::ArrayStart => return self.nested(Self::array),
            Token::String => self.builder.string(std::mem::take(&mut self.lexer.string), span),
            Token::Number => self.builder.number(&self.lexer.text[span.clone()], span)?,
            Token::True => self.builder.literal(Some(true), span),
            Token::False => self.builder.literal(Some(false), span),
            Token::Null => self.builder.literal(None, span),
            _ => return Err(self.lexer.unexpected("JSON value")),
        };
        self.lexer.advance()?;
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<B::Value>) -> Result<B::Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<B::Value> {
        let start = self.lexer.start;
        let mut members = Vec::new();
        self.lexer.advance()?;
        match self.lexer.token {
            Token::ObjectEnd => {}
            Token::String => loop {
                if self.lexer.token != Token::String {
                    return Err(self.lexer.unexpected("string"));
                }
                let key = std::mem::take(&mut self.lexer.string);
                self.lexer.advance()?;
                self.expect(Token::Colon, "\":\"")?;
                self.lexer.advance()?;
                members.push((key, self.value()?));
                if self.lexer.token != Token::Comma {
                    break;
                }
                self.lexer.advance()?;
            },
            _ => return Err(self.lexer.unexpected("string or \"}\"")),
        }
        self.expect(Token::ObjectEnd, "\",\" or \"}\"")?;
        let end = self.lexer.end;
        self.lexer.advance()?;
        Ok(self.builder.object(members, start..end))
    }

    fn array(&mut self) -> Result<B::Value> {
        let start = self.lexer.start;
        let mut items = Vec::new();
        self.lexer.advance()?;
        if self.lexer.token != Token::ArrayEnd {
            loop {
                items.push(self.value()?);
                if self.lexer.token != Token::Comma {
                    break;
                }
                self.lexer.advance()?;
            }
        }
        self.expect(Token::ArrayEnd, "\",\" or \"]\"")?;
        let end = self.lexer.end;
        self.lexer.advance()?;
        Ok(self.builder.array(items, start..end))
    }

    fn expect(&self, token: Token, what: &str) -> Result<()> {
        if self.lexer.token == token { Ok(()) } else { Err(self.lexer.unexpected(what)) }
    }
}

/// The error for nesting that is too deep to follow.
pub(crate) fn too_deep() -> Error {
    crate::error!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint(
        "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's \
         stack depth limit is adequate.",
    )
}

struct Lexer<'a> {
    text: &'a str,
    decodes: bool,
    token: Token,
    /// Where the token begins.
    start: usize,
    /// Behind the token; on errors, behind what is shown.
    end: usize,
    line: u32,
    line_start: usize,
    /// The value of a string token, when strings are decoded.
    string: String,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, decodes: bool) -> Self {
        Self { text, decodes, token: Token::Null, start: 0, end: 0, line: 1, line_start: 0, string: String::new() }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn advance(&mut self) -> Result<()> {
        let mut at = self.end;
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.byte(at) {
            at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = at;
            }
        }
        self.start = at;
        self.end = at + 1;
        self.token = match self.byte(at) {
            None => {
                self.end = at;
                Token::End
            }
            Some(b'{') => Token::ObjectStart,
            Some(b'}') => Token::ObjectEnd,
            Some(b'[') => Token::ArrayStart,
            Some(b']') => Token::ArrayEnd,
            Some(b',') => Token::Comma,
            Some(b':') => Token::Colon,
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => return self.number(),
            Some(_) => return self.word(),
        };
        Ok(())
    }

    fn word(&mut self) -> Result<()> {
        let rest = &self.text.as_bytes()[self.start..];
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        self.end = self.start + length.max(1);
        self.token = match &rest[..length] {
            b"true" => Token::True,
            b"false" => Token::False,
            b"null" => Token::Null,
            _ => return Err(self.invalid_token()),
        };
        Ok(())
    }

    fn digits(&self, at: &mut usize) -> bool {
        let start = *at;
        while self.byte(*at).is_some_and(|byte| byte.is_ascii_digit()) {
            *at += 1;
        }
        *at > start
    }

    fn number(&mut self) -> Result<()> {
        let mut at = self.start + usize::from(self.byte(self.start) == Some(b'-'));
        let mut valid = true;
        if self.byte(at) == Some(b'0') {
            at += 1;
        } else {
            valid = self.digits(&mut at);
        }
        if valid && self.byte(at) == Some(b'.') {
            at += 1;
            valid = self.digits(&mut at);
        }
        if valid && matches!(self.byte(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(self.byte(at), Some(b'+' | b'-')));
            valid = self.digits(&mut at);
        }
        while self.byte(at).is_some_and(is_word) {
            at += 1;
            valid = false;
        }
        self.end = at;
        self.token = Token::Number;
        if valid { Ok(()) } else { Err(self.invalid_token()) }
    }

    fn string(&mut self) -> Result<()> {
        self.string.clear();
        self.token = Token::String;
        let mut at = self.start + 1;
        let mut high: Option<u32> = None;
        loop {
            let rest = &self.text.as_bytes()[at..];
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
            if plain > 0 {
                if high.is_some() {
                    return Err(self.bad_low_surrogate(at));
                }
                if self.decodes {
                    self.string.push_str(&self.text[at..at + plain]);
                }
                at += plain;
            }
            self.end = at;
            match self.byte(at) {
                None => return Err(self.invalid_token()),
                Some(b'"') => {
                    self.end = at + 1;
                    return if high.is_some() { Err(self.bad_low_surrogate(at)) } else { Ok(()) };
                }
                Some(b'\\') => self.escape(&mut at, &mut high)?,
                Some(control) => {
                    return Err(self.report(format!("Character with value 0x{control:02x} must be escaped.")));
                }
            }
        }
    }

    /// Behind the character at `at`, for what an error shows.
    fn behind(&self, at: usize) -> usize {
        at + self.text[at..].chars().next().map_or(0, char::len_utf8)
    }

    fn bad_low_surrogate(&mut self, at: usize) -> Error {
        self.end = self.behind(at);
        self.report("Unicode low surrogate must follow a high surrogate.")
    }

    fn escape(&mut self, at: &mut usize, high: &mut Option<u32>) -> Result<()> {
        *at += 1;
        let Some(kind) = self.byte(*at) else {
            self.end = *at;
            return Err(self.invalid_token());
        };
        if kind == b'u' {
            return self.unicode_escape(at, high);
        }
        if self.decodes && high.is_some() {
            return Err(self.bad_low_surrogate(*at));
        }
        let value = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\x08',
            b'f' => '\x0c',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => {
                let end = self.behind(*at);
                let shown = &self.text[*at..end];
                let detail = format!("Escape sequence \"\\{shown}\" is invalid.");
                self.end = end;
                return Err(self.report(detail));
            }
        };
        self.string.push(value);
        *at += 1;
        Ok(())
    }

    fn unicode_escape(&mut self, at: &mut usize, high: &mut Option<u32>) -> Result<()> {
        let mut code = 0;
        for _ in 0..4 {
            *at += 1;
            let Some(byte) = self.byte(*at) else {
                self.end = *at;
                return Err(self.invalid_token());
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                self.end = self.behind(*at);
                return Err(self.report("\"\\u\" must be followed by four hexadecimal digits."));
            };
            code = code * 16 + digit;
        }
        let last = *at;
        *at += 1;
        self.end = *at;
        if !self.decodes {
            return Ok(());
        }
        match code {
            0xd800..=0xdbff if high.is_some() => {
                return Err(self.report("Unicode high surrogate must not follow a high surrogate."));
            }
            0xd800..=0xdbff => {
                *high = Some(code);
                return Ok(());
            }
            0xdc00..=0xdfff => {
                let Some(first) = high.take() else { return Err(self.bad_low_surrogate(last)) };
                code = 0x10000 + ((first - 0xd800) << 10) + (code - 0xdc00);
            }
            _ if high.is_some() => return Err(self.bad_low_surrogate(last)),
            0 => {
                let context = self.context();
                return Err(crate::error!(UNTRANSLATABLE_CHARACTER, "unsupported Unicode escape sequence")
                    .detail("\\u0000 cannot be converted to text.")
                    .context(context));
            }
            _ => {}
        }
        self.string.push(char::from_u32(code).expect("surrogates are paired"));
        Ok(())
    }

    fn invalid_token(&self) -> Error {
        self.report(format!("Token \"{}\" is invalid.", &self.text[self.start..self.char_end()]))
    }

    /// The end of what is shown, moved to a character boundary.
    fn char_end(&self) -> usize {
        (self.end..=self.text.len()).find(|end| self.text.is_char_boundary(*end)).unwrap_or(self.text.len())
    }

    /// The error for a token where `wanted` should stand.
    fn unexpected(&self, wanted: &str) -> Error {
        if self.token == Token::End {
            return self.report("The input string ended unexpectedly.");
        }
        self.report(format!("Expected {wanted}, but found \"{}\".", &self.text[self.start..self.end]))
    }

    fn report(&self, detail: impl Into<String>) -> Error {
        crate::error!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type json")
            .detail(detail)
            .context(self.context())
    }

    /// The line up to the error, at most some 50 bytes of it.
    fn context(&self) -> String {
        let end = self.char_end();
        let mut start = self.line_start;
        while end - start >= 50 {
            start = self.behind(start);
        }
        if start - self.line_start <= 3 {
            start = self.line_start;
        }
        let prefix = if start > self.line_start { "..." } else { "" };
        let at_line_end = matches!(self.byte(end), None | Some(b'\n' | b'\r'));
        let suffix = if self.token == Token::End || at_line_end { "" } else { "..." };
        format!("JSON data, line {}: {prefix}{}{suffix}", self.line, &self.text[start..end])
    }
}

/// Guards recursion over values that were not parsed but built.
///
/// # Errors
/// `54001` beyond the depth that parsing allows.
pub fn check_depth(value: &JsonValue) -> Result<()> {
    fn deeper(value: &JsonValue, left: usize) -> bool {
        match value {
            JsonValue::Array(items) => left == 0 || items.iter().any(|item| deeper(item, left - 1)),
            JsonValue::Object(members) => left == 0 || members.iter().any(|(_, item)| deeper(item, left - 1)),
            _ => false,
        }
    }
    if deeper(value, MAX_DEPTH) {
        bail!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
    }
    Ok(())
}

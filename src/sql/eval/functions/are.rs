//! PostgreSQL's regular expressions: translation to the engine's syntax, options, and a cache of compiled ones.
//!
//! PostgreSQL's dialect (Henry Spencer's advanced regular expressions) is read here character by character, checked with
//! PostgreSQL's messages, and written for `fancy-regex`. Character classes are those of the C locale. One difference
//! stays: alternatives are tried in order, where PostgreSQL prefers the longest match.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;

use fancy_regex::Regex;
use lru::LruCache;

use crate::bail;
use crate::error::{Error, Result};

/// Compiled expressions kept per thread.
const CACHED: usize = 64;
/// The largest bound in braces.
const MAX_REPEAT: u32 = 255;

/// How an expression is read and matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Options {
    /// Ignore case.
    pub fold: bool,
    /// `.` and negated brackets do not match newlines.
    pub line_classes: bool,
    /// `^` and `$` match at newlines.
    pub line_anchors: bool,
    /// The pattern is a plain string.
    pub literal: bool,
    /// Blanks and comments in the pattern mean nothing.
    pub expanded: bool,
}

impl Options {
    /// Applies an option letter; false when there is no such option.
    fn apply(&mut self, letter: char) -> bool {
        match letter {
            'i' => self.fold = true,
            'c' => self.fold = false,
            'n' | 'm' => (self.line_classes, self.line_anchors) = (true, true),
            's' => (self.line_classes, self.line_anchors) = (false, false),
            'p' => (self.line_classes, self.line_anchors) = (true, false),
            'w' => (self.line_classes, self.line_anchors) = (false, true),
            'q' => self.literal = true,
            'x' => self.expanded = true,
            't' => self.expanded = false,
            'b' | 'e' => {}
            _ => return false,
        }
        true
    }

    /// Reads the flags argument of a function; the second value is whether `g` is among them.
    ///
    /// # Errors
    /// `22023` for a letter that is no option.
    pub(super) fn from_flags(flags: &str) -> Result<(Self, bool)> {
        let (mut options, mut global) = (Self::default(), false);
        for letter in flags.chars() {
            if letter == 'g' {
                global = true;
            } else if !options.apply(letter) {
                bail!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{letter}\"");
            }
        }
        Ok((options, global))
    }
}

/// A compiled expression.
pub(super) struct Pattern {
    regex: Regex,
    /// Number of capturing groups.
    pub groups: usize,
}

/// Byte ranges of the whole match and of each group.
pub(super) type Captures = Vec<Option<(usize, usize)>>;

fn failed(error: &fancy_regex::Error) -> Error {
    crate::error!(INVALID_REGULAR_EXPRESSION, "regular expression failed: {error}")
}

impl Pattern {
    /// Whether the expression matches anywhere.
    ///
    /// # Errors
    /// `2201B` when matching takes too long.
    pub(super) fn is_match(&self, value: &str) -> Result<bool> {
        self.regex.is_match(value).map_err(|error| failed(&error))
    }

    /// The first match that begins at byte `from` or later.
    ///
    /// # Errors
    /// `2201B` when matching takes too long.
    pub(super) fn find(&self, value: &str, from: usize) -> Result<Option<Captures>> {
        let found = self.regex.captures_from_pos(value, from).map_err(|error| failed(&error))?;
        Ok(found.map(|found| {
            (0..found.len()).map(|group| found.get(group).map(|range| (range.start(), range.end()))).collect()
        }))
    }
}

thread_local! {
    static CACHE: RefCell<LruCache<(String, Options), Rc<Pattern>>> =
        RefCell::new(LruCache::new(NonZeroUsize::new(CACHED).expect("not zero")));
}

/// The compiled form of a pattern.
///
/// # Errors
/// `2201B` for a pattern that is no regular expression.
pub(super) fn compile(pattern: &str, options: Options) -> Result<Rc<Pattern>> {
    CACHE.with(|cache| {
        let key = (pattern.to_owned(), options);
        if let Some(found) = cache.borrow_mut().get(&key) {
            return Ok(Rc::clone(found));
        }
        let made = Rc::new(translate(pattern, options)?);
        cache.borrow_mut().put(key, Rc::clone(&made));
        Ok(made)
    })
}

fn invalid<T>(what: &str) -> Result<T> {
    bail!(INVALID_REGULAR_EXPRESSION, "invalid regular expression: {what}")
}

fn translate(pattern: &str, mut options: Options) -> Result<Pattern> {
    let mut rest = pattern;
    if let Some(plain) = rest.strip_prefix("***=") {
        rest = plain;
        options.literal = true;
    } else if let Some(after) = rest.strip_prefix("***:") {
        rest = after;
        options.literal = false;
    } else if rest.starts_with("***") {
        return invalid("quantifier operand invalid");
    }
    if !options.literal
        && let Some(embedded) = rest.strip_prefix("(?")
        && embedded.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        let Some(end) = embedded.find(')') else { return invalid("invalid embedded option") };
        if !embedded[..end].chars().all(|letter| options.apply(letter)) {
            return invalid("invalid embedded option");
        }
        rest = &embedded[end + 1..];
    }
    let mut writer = Writer::new(rest, options);
    if options.literal {
        rest.chars().for_each(|c| push_literal(c, &mut writer.out));
    } else {
        writer.run()?;
    }
    match Regex::new(&writer.out) {
        Ok(regex) => Ok(Pattern { regex, groups: writer.groups }),
        Err(_) => invalid("regular expression is too complex"),
    }
}

/// Appends a character that stands for itself.
fn push_literal(c: char, out: &mut String) {
    if matches!(c, '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' | '#') {
        out.push('\\');
    }
    out.push(c);
}

/// Appends a character that stands for itself inside brackets.
fn push_in_class(c: char, out: &mut String) {
    if matches!(c, '\\' | ']' | '[' | '^' | '-' | '&' | '~') {
        out.push('\\');
    }
    out.push(c);
}

const WORD: &str = "[A-Za-z0-9_]";

/// The translator: a cursor on the pattern and what has been written.
struct Writer<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    options: Options,
    out: String,
    groups: usize,
    depth: usize,
    /// Whether a quantifier may stand here.
    quantifiable: bool,
}

impl<'a> Writer<'a> {
    fn new(pattern: &'a str, options: Options) -> Self {
        let out = String::from(if options.fold { "(?i)" } else { "" });
        Self { chars: pattern.chars().peekable(), options, out, groups: 0, depth: 0, quantifiable: false }
    }

    fn run(&mut self) -> Result<()> {
        while let Some(c) = self.chars.next() {
            let after_atom = std::mem::replace(&mut self.quantifiable, true);
            match c {
                '\\' => self.escape()?,
                '[' => self.bracket()?,
                '(' => self.open()?,
                ')' if self.depth == 0 => return invalid("parentheses () not balanced"),
                ')' => {
                    self.depth -= 1;
                    self.out.push(')');
                }
                '|' => {
                    self.out.push('|');
                    self.quantifiable = false;
                }
                '*' | '+' | '?' => {
                    self.need_atom(after_atom)?;
                    self.quantify(&c.to_string());
                }
                '{' if self.chars.peek().is_some_and(char::is_ascii_digit) => {
                    self.need_atom(after_atom)?;
                    let bounds = self.bounds()?;
                    self.quantify(&bounds);
                }
                '.' => self.out.push_str(if self.options.line_classes { "[^\\n]" } else { "(?s:.)" }),
                '^' => {
                    self.out.push_str(if self.options.line_anchors { "(?m:^)" } else { "^" });
                    self.quantifiable = false;
                }
                '$' => {
                    self.out.push_str(if self.options.line_anchors { "(?m:$)" } else { "\\z" });
                    self.quantifiable = false;
                }
                c if self.options.expanded && c.is_ascii_whitespace() => self.quantifiable = after_atom,
                '#' if self.options.expanded => {
                    while self.chars.next_if(|c| *c != '\n').is_some() {}
                    self.quantifiable = after_atom;
                }
                plain => push_literal(plain, &mut self.out),
            }
        }
        if self.depth > 0 { invalid("parentheses () not balanced") } else { Ok(()) }
    }

    fn need_atom(&mut self, after_atom: bool) -> Result<()> {
        self.quantifiable = false;
        if after_atom { Ok(()) } else { invalid("quantifier operand invalid") }
    }

    /// Writes a quantifier; repeating an empty group, which the engine refuses, changes nothing.
    fn quantify(&mut self, quantifier: &str) {
        let lazy = self.chars.next_if_eq(&'?').is_some();
        let empty = self.out.ends_with("(?:)") || (self.out.ends_with("()") && !self.out.ends_with("\\()"));
        if !empty {
            self.out.push_str(quantifier);
            if lazy {
                self.out.push('?');
            }
        }
    }

    /// `m}`, `m,}` or `m,n}` behind an opening brace.
    fn bounds(&mut self) -> Result<String> {
        let low = self.number()?;
        let mut high = Some(low);
        if self.chars.next_if_eq(&',').is_some() {
            high = if self.chars.peek().is_some_and(char::is_ascii_digit) { Some(self.number()?) } else { None };
        }
        if self.chars.next_if_eq(&'}').is_none() {
            return invalid("invalid repetition count(s)");
        }
        if low > MAX_REPEAT || high.is_some_and(|high| high > MAX_REPEAT || high < low) {
            return invalid("invalid repetition count(s)");
        }
        Ok(match high {
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low},}}"),
        })
    }

    fn number(&mut self) -> Result<u32> {
        let mut value: u32 = 0;
        while let Some(c) = self.chars.next_if(char::is_ascii_digit) {
            value = value.saturating_mul(10).saturating_add(c.to_digit(10).unwrap_or(0));
        }
        Ok(value)
    }

    /// A group, a lookaround or a comment, behind its parenthesis.
    fn open(&mut self) -> Result<()> {
        self.quantifiable = false;
        if self.chars.next_if_eq(&'?').is_none() {
            self.depth += 1;
            self.groups += 1;
            self.out.push('(');
            // An empty group is an atom of its own and needs no special care.
            return Ok(());
        }
        let opening = match self.chars.next() {
            Some(':') => "(?:",
            Some('=') => "(?=",
            Some('!') => "(?!",
            Some('<') => match self.chars.next() {
                Some('=') => "(?<=",
                Some('!') => "(?<!",
                _ => return invalid("quantifier operand invalid"),
            },
            Some('#') => {
                while self.chars.next_if(|c| *c != ')').is_some() {}
                self.chars.next();
                return Ok(());
            }
            _ => return invalid("quantifier operand invalid"),
        };
        self.depth += 1;
        self.out.push_str(opening);
        Ok(())
    }

    /// An escape outside brackets.
    fn escape(&mut self) -> Result<()> {
        let Some(c) = self.chars.next() else { return invalid("invalid escape \\ sequence") };
        let constraint = match c {
            'A' => Some("^".to_owned()),
            'Z' => Some("\\z".to_owned()),
            'm' => Some(format!("(?<!{WORD})(?={WORD})")),
            'M' => Some(format!("(?<={WORD})(?!{WORD})")),
            'y' => Some(format!("(?:(?<!{WORD})(?={WORD})|(?<={WORD})(?!{WORD}))")),
            'Y' => Some(format!("(?:(?<!{WORD})(?!{WORD})|(?<={WORD})(?={WORD}))")),
            _ => None,
        };
        if let Some(constraint) = constraint {
            self.quantifiable = false;
            self.out.push_str(&constraint);
            return Ok(());
        }
        if let Some((set, negated)) = shorthand(c) {
            let newline = if negated && self.options.line_classes && c != 'S' { "\\n" } else { "" };
            self.out.push_str(&format!("[{}{set}{newline}]", if negated { "^" } else { "" }));
            return Ok(());
        }
        if let '1'..='9' = c {
            let mut number = c.to_digit(10).unwrap_or(0) as usize;
            while let Some(digit) = self.chars.peek().and_then(|next| next.to_digit(10)) {
                let longer = number * 10 + digit as usize;
                if longer > self.groups {
                    break;
                }
                number = longer;
                self.chars.next();
            }
            if number > self.groups {
                return invalid("invalid backreference number");
            }
            self.out.push_str(&format!("(?:\\{number})"));
            return Ok(());
        }
        let c = self.character_escape(c)?;
        push_literal(c, &mut self.out);
        Ok(())
    }

    /// The character that an escape stands for.
    fn character_escape(&mut self, c: char) -> Result<char> {
        Ok(match c {
            'a' => '\x07',
            'b' => '\x08',
            'B' => '\\',
            'c' => match self.chars.next() {
                Some(letter) => char::from(letter as u8 & 0x1f),
                None => return invalid("invalid escape \\ sequence"),
            },
            'e' => '\x1b',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'u' => self.hex(4, 4)?,
            'U' => self.hex(8, 8)?,
            'x' => self.hex(1, 255)?,
            '0' => {
                let mut code = 0;
                for _ in 0..2 {
                    let Some(digit) = self.chars.peek().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.chars.next();
                }
                char::from_u32(code).unwrap_or('\0')
            }
            c if c.is_ascii_alphanumeric() => return invalid("invalid escape \\ sequence"),
            plain => plain,
        })
    }

    fn hex(&mut self, least: usize, most: usize) -> Result<char> {
        let (mut code, mut digits) = (0u32, 0);
        while digits < most {
            let Some(digit) = self.chars.peek().and_then(|next| next.to_digit(16)) else { break };
            code = code.saturating_mul(16).saturating_add(digit);
            digits += 1;
            self.chars.next();
        }
        match char::from_u32(code) {
            Some(c) if digits >= least => Ok(c),
            _ => invalid("invalid escape \\ sequence"),
        }
    }
}

/// The members of `\d`, `\s`, `\w`, and whether the letter means all others.
fn shorthand(c: char) -> Option<(&'static str, bool)> {
    let set = match c.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\x0b\\x0c\\r ",
        'w' => "A-Za-z0-9_",
        _ => return None,
    };
    Some((set, c.is_ascii_uppercase()))
}

/// Brackets.
impl Writer<'_> {
    /// A bracket expression behind its opening bracket.
    fn bracket(&mut self) -> Result<()> {
        let ahead: String = self.chars.clone().take(6).collect();
        if ahead == "[:<:]]" || ahead == "[:>:]]" {
            self.chars.by_ref().take(6).for_each(drop);
            self.quantifiable = false;
            let word_start = ahead == "[:<:]]";
            let (behind, before) = if word_start { ("<!", "=") } else { ("<=", "!") };
            self.out.push_str(&format!("(?{behind}{WORD})(?{before}{WORD})"));
            return Ok(());
        }
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
            if self.options.line_classes {
                self.out.push_str("\\n");
            }
        }
        let mut first = true;
        loop {
            let Some(c) = self.chars.next() else { return invalid("brackets [] not balanced") };
            if c == ']' && !first {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            if let Some(low) = self.class_item(c)? {
                self.range(low)?;
            }
        }
    }

    /// One item of a bracket expression; a single character is returned, anything else is written.
    fn class_item(&mut self, c: char) -> Result<Option<char>> {
        match c {
            '[' => match self.chars.peek() {
                Some(':') => {
                    let name = self.named(':')?;
                    const CLASSES: [&str; 13] = [
                        "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
                        "upper", "xdigit", "word",
                    ];
                    if !CLASSES.contains(&name.as_str()) {
                        return invalid("invalid character class");
                    }
                    let folded = self.options.fold && matches!(name.as_str(), "lower" | "upper");
                    self.out.push_str(&format!("[:{}:]", if folded { "alpha" } else { &name }));
                    Ok(None)
                }
                Some(kind @ ('.' | '=')) => {
                    let kind = *kind;
                    let name = self.named(kind)?;
                    let mut chars = name.chars();
                    match (chars.next(), chars.next()) {
                        (Some(only), None) => Ok(Some(only)),
                        _ => invalid("invalid collating element"),
                    }
                }
                _ => Ok(Some('[')),
            },
            '\\' => {
                let Some(escaped) = self.chars.next() else { return invalid("invalid escape \\ sequence") };
                match shorthand(escaped) {
                    Some((set, false)) => {
                        self.out.push_str(set);
                        Ok(None)
                    }
                    Some((set, true)) => {
                        self.out.push_str(&format!("[^{set}]"));
                        Ok(None)
                    }
                    None => self.character_escape(escaped).map(Some),
                }
            }
            plain => Ok(Some(plain)),
        }
    }

    /// The name in `[:name:]`, `[.name.]` or `[=name=]`, behind the bracket.
    fn named(&mut self, kind: char) -> Result<String> {
        self.chars.next();
        let mut name = String::new();
        loop {
            match self.chars.next() {
                None => return invalid("brackets [] not balanced"),
                Some(c) if c == kind && self.chars.peek() == Some(&']') => {
                    self.chars.next();
                    return Ok(name);
                }
                Some(c) => name.push(c),
            }
        }
    }

    /// Writes a character or the range that it begins.
    fn range(&mut self, low: char) -> Result<()> {
        let mut ahead = self.chars.clone();
        let ranged = ahead.next() == Some('-') && ahead.next().is_some_and(|next| next != ']');
        push_in_class(low, &mut self.out);
        if !ranged {
            return Ok(());
        }
        self.chars.next();
        let next = self.chars.next().expect("looked ahead");
        let Some(high) = self.class_item(next)? else { return invalid("invalid character range") };
        if high < low {
            return invalid("invalid character range");
        }
        self.out.push('-');
        push_in_class(high, &mut self.out);
        Ok(())
    }
}

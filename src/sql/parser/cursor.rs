//! The token cursor that all parts of the parser share: look ahead, expect, fail with PostgreSQL's syntax error.

use super::keywords::{Category, lookup};
use super::lexer::{Token, TokenKind, tokenize};
use crate::error;
use crate::error::{Error, Result};
use crate::sql::ast::Name;

/// Deepest nesting of expressions and queries; far below what the stack holds.
const DEPTH_MAX: usize = 400;
/// Highest tree: chains such as `1 + 1 + 1` are read in a loop and grow to the left without nesting, but whoever walks,
/// copies or drops the tree goes down level by level.
const HEIGHT_MAX: usize = 1_000;

fn closings(tokens: &[Token]) -> Vec<u32> {
    let mut found = vec![0; tokens.len()];
    let mut open = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Punct("(") => open.push(place),
            TokenKind::Punct(")") => {
                if let Some(opening) = open.pop() {
                    found[opening] = u32::try_from(place).unwrap_or(0);
                }
            }
            _ => {}
        }
    }
    found
}

fn too_deep() -> Error {
    error!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded").hint("Simplify the statement: its nesting is too deep.")
}

/// A parser over one query string.
pub struct Parser<'a> {
    /// The query string.
    pub(super) text: &'a str,
    tokens: Vec<Token>,
    /// For each opening parenthesis the place of the closing one; 0 for everything else and for one that is never closed.
    closings: Vec<u32>,
    at: usize,
    depth: usize,
    /// Levels of the highest tree read since the innermost [`Parser::measured`] began.
    height: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let tokens = tokenize(text)?;
        let closings = closings(&tokens);
        Ok(Self { text, tokens, closings, at: 0, depth: 0, height: 0 })
    }

    pub(super) fn token(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn ahead(&self, offset: usize) -> &TokenKind {
        &self.tokens[(self.at + offset).min(self.tokens.len() - 1)].kind
    }

    pub(super) fn position(&self) -> u32 {
        self.token().position
    }

    pub(super) fn advance(&mut self) -> TokenKind {
        let kind = self.token().kind.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        kind
    }

    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Text between a mark and the current token, trimmed.
    pub(super) fn text_since(&self, mark: usize) -> &'a str {
        let end = if self.at == 0 { 0 } else { self.tokens[self.at - 1].end };
        self.text.get(self.tokens[mark].start..end).unwrap_or_default().trim()
    }

    /// `syntax error at or near "x"` at the current token.
    pub(super) fn unexpected(&self) -> Error {
        let token = self.token();
        match token.kind {
            TokenKind::End => error!(SYNTAX_ERROR, "syntax error at end of input").at(token.position),
            _ => {
                let near = &self.text[token.start..token.end];
                error!(SYNTAX_ERROR, "syntax error at or near \"{near}\"").at(token.position)
            }
        }
    }

    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = self.measured(|p| {
            let result = parse(p);
            p.height += 1;
            result
        });
        self.depth -= 1;
        result
    }

    /// Reads a part of the text whose trees stand beside those read before it, not above them.
    pub(super) fn measured<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let beside = std::mem::take(&mut self.height);
        let result = parse(self);
        self.height = self.height.max(beside);
        result
    }

    /// Says that a loop is about to put `levels` more around the tree that it has read.
    pub(super) fn grow(&mut self, levels: usize) -> Result<()> {
        self.height += levels;
        if self.height > HEIGHT_MAX { Err(too_deep()) } else { Ok(()) }
    }

    /// Whether what comes next, just after an opening parenthesis, is a query and not an expression, a list or a join that
    /// begins with one. Decided by looking ahead: trying one and then the other takes exponential time in nested ones.
    pub(super) fn query_inside(&self) -> bool {
        const GOES_ON: [&str; 8] = ["union", "intersect", "except", "order", "limit", "offset", "fetch", "for"];
        let mut offset = 0;
        while matches!(self.ahead(offset), TokenKind::Punct("(")) {
            // In a query a group of parentheses is followed by the query's next clause or by nothing.
            let closing = self.closings.get(self.at + offset).map_or(0, |place| *place as usize);
            let Some(after) = closing.checked_sub(self.at) else { return false };
            let goes_on = matches!(self.ahead(after + 1), TokenKind::Punct(")"))
                || GOES_ON.iter().any(|word| self.word_at(after + 1, word));
            if !goes_on {
                return false;
            }
            offset += 1;
        }
        ["select", "with", "values"].iter().any(|word| self.word_at(offset, word))
            || (self.word_at(offset, "table") && matches!(self.ahead(offset + 1), TokenKind::Word { .. }))
    }

    /// Whether a string comes behind the words and at most one group of parentheses that come next, as in
    /// `timestamp(3) with time zone '2020-01-01'`.
    pub(super) fn literal_after_type(&self) -> bool {
        /// `national character varying (n)` has three words, `timestamp (n) without time zone` four.
        const WORDS_MAX: usize = 4;
        let words = |from: usize| {
            (0..WORDS_MAX)
                .take_while(|at| matches!(self.ahead(from + at), TokenKind::Word { quoted: false, .. }))
                .count()
        };
        let mut offset = words(0);
        if matches!(self.ahead(offset), TokenKind::Punct("(")) {
            let closing = self.closings.get(self.at + offset).map_or(0, |place| *place as usize);
            let Some(after) = closing.checked_sub(self.at) else { return false };
            offset = after + 1 + words(after + 1);
        }
        matches!(self.ahead(offset), TokenKind::String(_))
    }

    /// Whether the token at an offset is this unquoted word.
    pub(super) fn word_at(&self, offset: usize, word: &str) -> bool {
        matches!(self.ahead(offset), TokenKind::Word { text, quoted: false } if text == word)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    /// Whether these words come next.
    pub(super) fn are_words(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(offset, word)| self.word_at(offset, word))
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.at += 1;
        }
        found
    }

    /// Consumes all of these words or none.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.are_words(words);
        if found {
            self.at += words.len();
        }
        found
    }

    /// Consumes one of these words and says which.
    pub(super) fn eat_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().copied().find(|word| self.eat_word(word))
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<()> {
        words.iter().try_for_each(|word| self.expect_word(word))
    }

    pub(super) fn is_punct(&self, punct: &str) -> bool {
        matches!(self.ahead(0), TokenKind::Punct(p) if *p == punct)
    }

    pub(super) fn punct_at(&self, offset: usize, punct: &str) -> bool {
        matches!(self.ahead(offset), TokenKind::Punct(p) if *p == punct)
    }

    pub(super) fn eat_punct(&mut self, punct: &str) -> bool {
        let found = self.is_punct(punct);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect_punct(&mut self, punct: &str) -> Result<()> {
        if self.eat_punct(punct) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.ahead(0), TokenKind::Op(o) if o == op)
    }

    pub(super) fn eat_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(self.ahead(0), TokenKind::End)
    }

    /// At the end of a statement.
    pub(super) fn at_statement_end(&self) -> bool {
        self.at_end() || self.is_punct(";")
    }

    fn word_if(&mut self, allowed: impl Fn(Category) -> bool) -> Result<String> {
        if let TokenKind::Word { text, quoted } = self.ahead(0)
            && (*quoted || lookup(text).is_none_or(|(category, _)| allowed(category)))
        {
            let text = text.clone();
            self.at += 1;
            return Ok(text);
        }
        Err(self.unexpected())
    }

    /// A column, table or other object name (ColId).
    pub(super) fn identifier(&mut self) -> Result<String> {
        self.word_if(|c| matches!(c, Category::Unreserved | Category::ColumnName))
    }

    /// A function or type name.
    pub(super) fn type_function_name(&mut self) -> Result<String> {
        self.word_if(|c| matches!(c, Category::Unreserved | Category::TypeOrFunction))
    }

    /// Any word (ColLabel): after AS, after a dot.
    pub(super) fn label(&mut self) -> Result<String> {
        self.word_if(|_| true)
    }

    /// A word that may label a column without AS.
    pub(super) fn bare_label(&mut self) -> Option<String> {
        let TokenKind::Word { text, quoted } = self.ahead(0) else { return None };
        if !quoted && lookup(text).is_some_and(|(_, bare)| !bare) {
            return None;
        }
        let text = text.clone();
        self.at += 1;
        Some(text)
    }

    /// Whether the current token can be an identifier.
    pub(super) fn at_identifier(&self) -> bool {
        match self.ahead(0) {
            TokenKind::Word { quoted: true, .. } => true,
            TokenKind::Word { text, .. } => {
                lookup(text).is_none_or(|(c, _)| matches!(c, Category::Unreserved | Category::ColumnName))
            }
            _ => false,
        }
    }

    /// A possibly qualified object name.
    pub(super) fn name(&mut self) -> Result<Name> {
        let position = self.position();
        let mut parts = vec![self.identifier()?];
        while self.eat_punct(".") {
            parts.push(self.label()?);
        }
        Ok(Name { parts, position })
    }

    /// A string literal.
    pub(super) fn string(&mut self) -> Result<String> {
        match self.ahead(0) {
            TokenKind::String(text) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// An optionally signed integer literal.
    pub(super) fn integer(&mut self) -> Result<i64> {
        let negative = if self.eat_op("-") {
            true
        } else {
            self.eat_op("+");
            false
        };
        match self.ahead(0) {
            TokenKind::Number(digits) => {
                let sign = if negative { "-" } else { "" };
                let Ok(value) = format!("{sign}{}", digits.replace('_', "")).parse::<i64>() else {
                    return Err(self.unexpected());
                };
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// One or more of something, separated by commas.
    pub(super) fn comma_list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_punct(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A comma list in parentheses.
    pub(super) fn paren_list<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_punct("(")?;
        let items = self.comma_list(item)?;
        self.expect_punct(")")?;
        Ok(items)
    }

    /// `(a, b, c)` of column names.
    pub(super) fn column_list(&mut self) -> Result<Vec<String>> {
        self.paren_list(Self::identifier)
    }

    /// IF EXISTS.
    pub(super) fn if_exists(&mut self) -> bool {
        self.eat_words(&["if", "exists"])
    }

    /// IF NOT EXISTS.
    pub(super) fn if_not_exists(&mut self) -> bool {
        self.eat_words(&["if", "not", "exists"])
    }

    /// CASCADE (true), RESTRICT or nothing (false).
    pub(super) fn cascade(&mut self) -> bool {
        if self.eat_word("cascade") {
            return true;
        }
        self.eat_word("restrict");
        false
    }
}

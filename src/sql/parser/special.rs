//! Expressions that begin with a key word: CASE, CAST, EXISTS, EXTRACT, CURRENT_DATE and the rest; function calls.

use super::cursor::Parser;
use super::expr::{PRIMARY, make};
use super::lexer::TokenKind;
use crate::error::Result;
use crate::sql::ast::{Expr, ExprKind, Frame, FrameBound, FrameExclude, FrameUnits, FuncCall, Name, Over, WindowSpec};

/// Functions without parentheses.
const SQL_VALUES: &[(&str, &str)] = &[
    ("current_date", "CURRENT_DATE"),
    ("current_time", "CURRENT_TIME"),
    ("current_timestamp", "CURRENT_TIMESTAMP"),
    ("localtime", "LOCALTIME"),
    ("localtimestamp", "LOCALTIMESTAMP"),
    ("current_user", "CURRENT_USER"),
    ("current_role", "CURRENT_ROLE"),
    ("session_user", "SESSION_USER"),
    ("system_user", "SYSTEM_USER"),
    ("user", "USER"),
    ("current_catalog", "CURRENT_CATALOG"),
    ("current_schema", "CURRENT_SCHEMA"),
];

fn call_of(name: &str, args: Vec<Expr>, position: u32) -> Expr {
    let name = Name { parts: vec!["pg_catalog".into(), name.into()], position };
    make(ExprKind::Call(Box::new(plain_call(name, args))), position)
}

fn plain_call(name: Name, args: Vec<Expr>) -> FuncCall {
    FuncCall {
        name,
        args,
        distinct: false,
        variadic: false,
        order_by: Vec::new(),
        within_group: Vec::new(),
        filter: None,
        over: None,
    }
}

impl Parser<'_> {
    /// An expression that this key word begins, or None when the word is an ordinary name here.
    pub(super) fn special_word(&mut self, word: &str) -> Result<Option<Expr>> {
        let position = self.position();
        let paren = self.punct_at(1, "(");
        let kind = match word {
            "null" => self.constant(ExprKind::Null),
            "true" => self.constant(ExprKind::Bool(true)),
            "false" => self.constant(ExprKind::Bool(false)),
            "default" => self.constant(ExprKind::Default),
            "case" => self.case()?,
            "exists" if paren => {
                self.advance();
                self.expect_punct("(")?;
                let query = Box::new(self.query()?);
                self.expect_punct(")")?;
                ExprKind::Exists(query)
            }
            "array" if paren || self.punct_at(1, "[") => self.array()?,
            "row" if paren => {
                self.advance();
                self.expect_punct("(")?;
                let fields = if self.is_punct(")") { Vec::new() } else { self.comma_list(Self::expr)? };
                self.expect_punct(")")?;
                let row = make(ExprKind::Row(fields), position);
                return Ok(Some(row));
            }
            "cast" if paren => {
                self.advance();
                self.expect_punct("(")?;
                let arg = Box::new(self.expr()?);
                self.expect_word("as")?;
                let ty = self.type_name()?;
                self.expect_punct(")")?;
                ExprKind::Cast { arg, ty }
            }
            "coalesce" if paren => ExprKind::Coalesce(self.word_args()?),
            "greatest" if paren => ExprKind::Greatest(self.word_args()?),
            "least" if paren => ExprKind::Least(self.word_args()?),
            "grouping" if paren => ExprKind::Grouping(self.word_args()?),
            "nullif" if paren => {
                let mut args = self.word_args()?;
                let (Some(right), Some(left), true) = (args.pop(), args.pop(), args.is_empty()) else {
                    return Err(self.unexpected());
                };
                ExprKind::NullIf(Box::new(left), Box::new(right))
            }
            "extract" | "overlay" | "position" | "substring" | "trim" | "normalize" if paren => {
                return self.keyword_call(word).map(Some);
            }
            "collation" if self.word_at(1, "for") => {
                self.advance();
                self.advance();
                self.expect_punct("(")?;
                let arg = self.expr()?;
                self.expect_punct(")")?;
                return Ok(Some(call_of("pg_collation_for", vec![arg], position)));
            }
            _ => match SQL_VALUES.iter().find(|(name, _)| *name == word) {
                Some((_, name)) => {
                    if *name == "CURRENT_SCHEMA" && paren {
                        return Ok(None);
                    }
                    self.advance();
                    let precision = self.precision()?;
                    ExprKind::SqlValue { name, precision }
                }
                None => return Ok(None),
            },
        };
        Ok(Some(make(kind, position)))
    }

    fn constant(&mut self, kind: ExprKind) -> ExprKind {
        self.advance();
        kind
    }

    /// `(p)` after a time type or function.
    pub(super) fn precision(&mut self) -> Result<Option<i32>> {
        if !self.is_punct("(") {
            return Ok(None);
        }
        self.advance();
        let value = self.integer()?;
        self.expect_punct(")")?;
        Ok(Some(i32::try_from(value).unwrap_or(i32::MAX)))
    }

    fn word_args(&mut self) -> Result<Vec<Expr>> {
        self.advance();
        self.paren_list(Self::expr)
    }

    fn case(&mut self) -> Result<ExprKind> {
        self.advance();
        let operand = if self.is_word("when") { None } else { Some(Box::new(self.expr()?)) };
        let mut arms = Vec::new();
        while self.eat_word("when") {
            let condition = self.expr()?;
            self.expect_word("then")?;
            arms.push((condition, self.expr()?));
        }
        if arms.is_empty() {
            return Err(self.unexpected());
        }
        let otherwise = if self.eat_word("else") { Some(Box::new(self.expr()?)) } else { None };
        self.expect_word("end")?;
        Ok(ExprKind::Case { operand, arms, otherwise })
    }

    fn array(&mut self) -> Result<ExprKind> {
        self.advance();
        if self.eat_punct("(") {
            let query = Box::new(self.query()?);
            self.expect_punct(")")?;
            return Ok(ExprKind::ArrayQuery(query));
        }
        self.array_items()
    }

    /// `[a, b]` or `[[a], [b]]`.
    fn array_items(&mut self) -> Result<ExprKind> {
        self.expect_punct("[")?;
        let mut items = Vec::new();
        while !self.is_punct("]") {
            let position = self.position();
            if self.is_punct("[") {
                let kind = self.nested(Self::array_items)?;
                items.push(make(kind, position));
            } else {
                items.push(self.expr()?);
            }
            if !self.eat_punct(",") {
                break;
            }
            if self.is_punct("]") {
                return Err(self.unexpected());
            }
        }
        self.expect_punct("]")?;
        Ok(ExprKind::Array(items))
    }

    /// EXTRACT(f FROM x) and the other functions with words between their arguments.
    fn keyword_call(&mut self, word: &str) -> Result<Expr> {
        let position = self.position();
        self.advance();
        self.expect_punct("(")?;
        let (name, args) = match word {
            "extract" => {
                let at = self.position();
                let field = match self.advance() {
                    TokenKind::Word { text, .. } | TokenKind::String(text) => text,
                    _ => return Err(self.unexpected()),
                };
                self.expect_word("from")?;
                ("extract", vec![make(ExprKind::String(field), at), self.expr()?])
            }
            "position" => {
                let needle = self.expr_from(super::expr::PRIMARY - 7)?;
                self.expect_word("in")?;
                let haystack = self.expr_from(super::expr::PRIMARY - 7)?;
                ("position", vec![haystack, needle])
            }
            "overlay" => self.overlay()?,
            "substring" => self.substring()?,
            "trim" => self.trim()?,
            _ => {
                let mut args = vec![self.expr()?];
                if self.eat_punct(",") {
                    let at = self.position();
                    args.push(make(ExprKind::String(self.label()?.to_uppercase()), at));
                }
                ("normalize", args)
            }
        };
        self.expect_punct(")")?;
        Ok(call_of(name, args, position))
    }

    fn overlay(&mut self) -> Result<(&'static str, Vec<Expr>)> {
        let mut args = vec![self.expr()?];
        if self.eat_word("placing") {
            args.push(self.expr()?);
            self.expect_word("from")?;
            args.push(self.expr()?);
            if self.eat_word("for") {
                args.push(self.expr()?);
            }
        } else {
            while self.eat_punct(",") {
                args.push(self.expr()?);
            }
        }
        Ok(("overlay", args))
    }

    fn substring(&mut self) -> Result<(&'static str, Vec<Expr>)> {
        // SIMILAR is an infix operator elsewhere; here it separates arguments, so the first one stops before it.
        let mut args = vec![self.expr_from(super::expr::PRIMARY - 7)?];
        if self.eat_word("similar") {
            args.push(self.expr()?);
            self.expect_word("escape")?;
            args.push(self.expr()?);
            return Ok(("substring", args));
        }
        if self.eat_word("from") {
            args.push(self.expr()?);
            if self.eat_word("for") {
                args.push(self.expr()?);
            }
        } else if self.eat_word("for") {
            let at = self.position();
            let length = self.expr()?;
            let start = if self.eat_word("from") { self.expr()? } else { make(ExprKind::Number("1".into()), at) };
            args.push(start);
            args.push(length);
        } else {
            while self.eat_punct(",") {
                args.push(self.expr()?);
            }
        }
        Ok(("substring", args))
    }

    fn trim(&mut self) -> Result<(&'static str, Vec<Expr>)> {
        let name = match self.eat_any(&["both", "leading", "trailing"]) {
            Some("leading") => "ltrim",
            Some("trailing") => "rtrim",
            _ => "btrim",
        };
        let mut args = Vec::new();
        if !self.is_word("from") {
            args = self.comma_list(Self::expr)?;
        }
        if self.eat_word("from") {
            let characters = std::mem::take(&mut args);
            args = self.comma_list(Self::expr)?;
            args.extend(characters);
        }
        Ok((name, args))
    }

    /// A function call; the name is consumed and `(` comes next.
    pub(super) fn call(&mut self, name: Name) -> Result<Expr> {
        let position = name.position;
        self.expect_punct("(")?;
        let mut call = plain_call(name, Vec::new());
        if self.is_op("*") {
            let at = self.position();
            self.advance();
            call.args.push(make(ExprKind::Star(None), at));
        } else if !self.is_punct(")") {
            if self.eat_word("distinct") {
                call.distinct = true;
            } else {
                self.eat_word("all");
            }
            loop {
                if self.eat_word("variadic") {
                    call.variadic = true;
                }
                let arg = self.argument()?;
                call.args.push(arg);
                if !self.eat_punct(",") {
                    break;
                }
            }
            if self.eat_words(&["order", "by"]) {
                call.order_by = self.order_list()?;
            }
        }
        self.expect_punct(")")?;
        self.call_tail(&mut call)?;
        let expr = make(ExprKind::Call(Box::new(call)), position);
        Ok(expr)
    }

    fn argument(&mut self) -> Result<Expr> {
        let position = self.position();
        if matches!(self.ahead(0), TokenKind::Word { .. }) && (self.punct_at(1, "=>") || self.punct_at(1, ":=")) {
            let name = self.label()?;
            self.advance();
            let value = Box::new(self.expr()?);
            return Ok(make(ExprKind::NamedArg { name, value }, position));
        }
        self.expr()
    }

    fn call_tail(&mut self, call: &mut FuncCall) -> Result<()> {
        if self.eat_words(&["within", "group"]) {
            self.expect_punct("(")?;
            self.expect_words(&["order", "by"])?;
            call.within_group = self.order_list()?;
            self.expect_punct(")")?;
        }
        if self.is_word("filter") && self.punct_at(1, "(") {
            self.advance();
            self.expect_punct("(")?;
            self.expect_word("where")?;
            call.filter = Some(self.expr()?);
            self.expect_punct(")")?;
        }
        if self.is_word("over") && (self.punct_at(1, "(") || matches!(self.ahead(1), TokenKind::Word { .. })) {
            self.advance();
            call.over =
                Some(if self.is_punct("(") { Over::Spec(self.window_spec()?) } else { Over::Name(self.identifier()?) });
        }
        Ok(())
    }

    pub(super) fn window_spec(&mut self) -> Result<WindowSpec> {
        let position = self.position();
        self.expect_punct("(")?;
        let starts_clause = ["partition", "order", "rows", "range", "groups"].iter().any(|w| self.is_word(w));
        let base = if !starts_clause && self.at_identifier() { Some(self.identifier()?) } else { None };
        let mut spec = WindowSpec { base, partition_by: Vec::new(), order_by: Vec::new(), frame: None, position };
        if self.eat_words(&["partition", "by"]) {
            spec.partition_by = self.comma_list(Self::expr)?;
        }
        if self.eat_words(&["order", "by"]) {
            spec.order_by = self.order_list()?;
        }
        if let Some(units) = self.eat_any(&["rows", "range", "groups"]) {
            spec.frame = Some(self.frame(units)?);
        }
        self.expect_punct(")")?;
        Ok(spec)
    }

    fn frame(&mut self, units: &str) -> Result<Frame> {
        let units = match units {
            "rows" => FrameUnits::Rows,
            "range" => FrameUnits::Range,
            _ => FrameUnits::Groups,
        };
        let (start, end) = if self.eat_word("between") {
            let start = self.frame_bound()?;
            self.expect_word("and")?;
            (start, self.frame_bound()?)
        } else {
            (self.frame_bound()?, FrameBound::CurrentRow)
        };
        let mut exclude = FrameExclude::NoOthers;
        if self.eat_word("exclude") {
            exclude = if self.eat_words(&["current", "row"]) {
                FrameExclude::CurrentRow
            } else if self.eat_word("group") {
                FrameExclude::Group
            } else if self.eat_word("ties") {
                FrameExclude::Ties
            } else {
                self.expect_words(&["no", "others"])?;
                FrameExclude::NoOthers
            };
        }
        Ok(Frame { units, start, end, exclude })
    }

    fn frame_bound(&mut self) -> Result<FrameBound> {
        if self.eat_words(&["unbounded", "preceding"]) {
            return Ok(FrameBound::UnboundedPreceding);
        }
        if self.eat_words(&["unbounded", "following"]) {
            return Ok(FrameBound::UnboundedFollowing);
        }
        if self.eat_words(&["current", "row"]) {
            return Ok(FrameBound::CurrentRow);
        }
        let offset = self.expr()?;
        match self.eat_any(&["preceding", "following"]) {
            Some("preceding") => Ok(FrameBound::Preceding(offset)),
            Some(_) => Ok(FrameBound::Following(offset)),
            None => Err(self.unexpected()),
        }
    }

    /// An expression without any operators.
    pub(super) fn primary_only(&mut self) -> Result<Expr> {
        self.expr_from(PRIMARY)
    }
}

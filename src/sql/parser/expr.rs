//! Expressions: precedence climbing with PostgreSQL's levels.
//!
//! From loosest to tightest (gram.y): OR; AND; NOT; IS; comparison (not associative); BETWEEN IN LIKE (not associative);
//! every other operator; + -; * / %; ^; AT TIME ZONE; COLLATE; unary + -; subscript; `::`.

use super::cursor::Parser;
use super::keywords::{Category, lookup};
use super::lexer::TokenKind;
use crate::error::Result;
use crate::sql::ast::{Expr, ExprKind, LikeKind, Name, OpName, OrderItem, Subscript};

pub(super) const OR: u8 = 1;
const AND: u8 = 2;
const NOT: u8 = 3;
const IS: u8 = 4;
const COMPARE: u8 = 5;
const IN: u8 = 6;
const OTHER: u8 = 7;
const ADD: u8 = 8;
const MULTIPLY: u8 = 9;
const POWER: u8 = 10;
const AT: u8 = 11;
const COLLATE: u8 = 12;
const UNARY: u8 = 13;
const POSTFIX: u8 = 14;

pub(super) fn make(kind: ExprKind, position: u32) -> Expr {
    Expr { kind, position }
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

fn symbol_level(symbol: &str) -> u8 {
    match symbol {
        "<" | ">" | "=" | "<=" | ">=" | "<>" => COMPARE,
        "+" | "-" => ADD,
        "*" | "/" | "%" => MULTIPLY,
        "^" => POWER,
        _ => OTHER,
    }
}

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.expr_from(0)
    }

    /// An expression whose operators all bind at least as tightly as `level`.
    pub(super) fn expr_from(&mut self, level: u8) -> Result<Expr> {
        self.nested(|p| {
            let mut left = p.prefix()?;
            let mut last_level = u8::MAX;
            while let Some(next) = p.infix_level() {
                if next < level {
                    break;
                }
                if next == last_level && matches!(next, COMPARE | IN | IS) && next != IS {
                    return Err(p.unexpected());
                }
                left = if matches!(next, AND | OR) { p.conditions(left, next)? } else { p.infix(left, next)? };
                p.grow(1)?;
                last_level = next;
            }
            Ok(left)
        })
    }

    fn prefix(&mut self) -> Result<Expr> {
        let position = self.position();
        if self.is_word("not") {
            self.advance();
            let arg = self.expr_from(NOT)?;
            return Ok(make(ExprKind::Not(boxed(arg)), position));
        }
        if let TokenKind::Op(symbol) = self.ahead(0).clone() {
            self.advance();
            if matches!(symbol.as_str(), "+" | "-") {
                let arg = self.expr_from(UNARY)?;
                if let (ExprKind::Number(digits), "-") = (&arg.kind, symbol.as_str())
                    && !digits.starts_with('-')
                {
                    return Ok(make(ExprKind::Number(format!("-{digits}")), position));
                }
                return Ok(make(ExprKind::Unary { op: OpName::plain(symbol), arg: boxed(arg) }, position));
            }
            if matches!(symbol_level(&symbol), COMPARE | MULTIPLY | POWER) {
                self.reset(self.mark() - 1);
                return Err(self.unexpected());
            }
            let arg = self.expr_from(OTHER + 1)?;
            return Ok(make(ExprKind::Unary { op: OpName::plain(symbol), arg: boxed(arg) }, position));
        }
        if self.is_word("operator") && self.punct_at(1, "(") {
            let op = self.qualified_operator()?;
            let arg = self.expr_from(OTHER + 1)?;
            return Ok(make(ExprKind::Unary { op, arg: boxed(arg) }, position));
        }
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// The binding level of the operator that comes next, if one does.
    fn infix_level(&self) -> Option<u8> {
        match self.ahead(0) {
            TokenKind::Op(symbol) => Some(symbol_level(symbol)),
            TokenKind::Word { text, quoted: false } => match text.as_str() {
                "or" => Some(OR),
                "and" => Some(AND),
                "is" | "isnull" | "notnull" => Some(IS),
                "between" | "in" | "like" | "ilike" => Some(IN),
                "similar" if self.word_at(1, "to") => Some(IN),
                "not" => match self.ahead(1) {
                    TokenKind::Word { text, .. }
                        if matches!(text.as_str(), "between" | "in" | "like" | "ilike" | "similar") =>
                    {
                        Some(IN)
                    }
                    _ => None,
                },
                "operator" if self.punct_at(1, "(") => Some(OTHER),
                "overlaps" => Some(OTHER),
                "at" if self.word_at(1, "time") || self.word_at(1, "local") => Some(AT),
                "collate" => Some(COLLATE),
                _ => None,
            },
            _ => None,
        }
    }

    /// Conditions joined by AND, or by OR. They come as a balanced tree, which says the same, so that thousands of them
    /// are not nested thousands deep.
    fn conditions(&mut self, first: Expr, level: u8) -> Result<Expr> {
        let mut items = vec![first];
        let mut positions = Vec::new();
        while self.infix_level() == Some(level) {
            positions.push(self.position());
            self.advance();
            items.push(self.expr_from(level + 1)?);
        }
        while items.len() > 1 {
            self.grow(1)?;
            let mut pairs = Vec::with_capacity(items.len().div_ceil(2));
            let mut between = Vec::new();
            let mut rest = items.into_iter();
            let mut places = positions.into_iter();
            while let Some(left) = rest.next() {
                let Some(right) = rest.next() else {
                    pairs.push(left);
                    break;
                };
                let position = places.next().expect("there is an operator between two conditions");
                let (left, right) = (boxed(left), boxed(right));
                let kind = if level == AND { ExprKind::And(left, right) } else { ExprKind::Or(left, right) };
                pairs.push(make(kind, position));
                between.extend(places.next());
            }
            (items, positions) = (pairs, between);
        }
        Ok(items.remove(0))
    }

    fn infix(&mut self, left: Expr, level: u8) -> Result<Expr> {
        let position = self.position();
        if matches!(self.ahead(0), TokenKind::Op(_)) || self.is_word("operator") {
            return self.operator(left, level);
        }
        let TokenKind::Word { text, .. } = self.advance() else { return Err(self.unexpected()) };
        let left = boxed(left);
        let kind = match text.as_str() {
            "isnull" => ExprKind::IsNull { arg: left, negated: false },
            "notnull" => ExprKind::IsNull { arg: left, negated: true },
            "is" => self.is_test(left)?,
            "not" => {
                let TokenKind::Word { text, .. } = self.advance() else { return Err(self.unexpected()) };
                self.membership(&text, left, true)?
            }
            "at" => {
                if self.eat_word("local") {
                    ExprKind::AtTimeZone { arg: left, zone: None }
                } else {
                    self.expect_words(&["time", "zone"])?;
                    ExprKind::AtTimeZone { arg: left, zone: Some(boxed(self.expr_from(AT + 1)?)) }
                }
            }
            "collate" => ExprKind::Collate { arg: left, collation: self.name()? },
            "overlaps" => {
                let right = self.expr_from(OTHER + 1)?;
                match (left.kind, right.kind) {
                    (ExprKind::Row(left), ExprKind::Row(right)) => ExprKind::Overlaps { left, right },
                    _ => return Err(self.unexpected()),
                }
            }
            word => self.membership(word, left, false)?,
        };
        Ok(make(kind, position))
    }

    fn is_test(&mut self, arg: Box<Expr>) -> Result<ExprKind> {
        let negated = self.eat_word("not");
        Ok(match self.eat_any(&["null", "true", "false", "unknown", "distinct"]) {
            Some("null") => ExprKind::IsNull { arg, negated },
            Some("true") => ExprKind::IsBool { arg, value: Some(true), negated },
            Some("false") => ExprKind::IsBool { arg, value: Some(false), negated },
            Some("unknown") => ExprKind::IsBool { arg, value: None, negated },
            Some("distinct") => {
                self.expect_word("from")?;
                ExprKind::IsDistinct { left: arg, right: boxed(self.expr_from(IS + 1)?), negated }
            }
            _ => return Err(self.unexpected()),
        })
    }

    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR TO; the word is consumed.
    fn membership(&mut self, word: &str, arg: Box<Expr>, negated: bool) -> Result<ExprKind> {
        let kind = match word {
            "between" => {
                let symmetric = self.eat_word("symmetric");
                self.eat_word("asymmetric");
                let low = boxed(self.expr_from(OTHER)?);
                self.expect_word("and")?;
                let high = boxed(self.expr_from(OTHER)?);
                return Ok(ExprKind::Between { arg, low, high, symmetric, negated });
            }
            "in" => {
                self.expect_punct("(")?;
                if self.query_inside() {
                    let query = Box::new(self.query()?);
                    self.expect_punct(")")?;
                    return Ok(ExprKind::InQuery { arg, query, negated });
                }
                let list = self.comma_list(Self::expr)?;
                self.expect_punct(")")?;
                return Ok(ExprKind::InList { arg, list, negated });
            }
            "like" => LikeKind::Like,
            "ilike" => LikeKind::ILike,
            "similar" => {
                self.expect_word("to")?;
                LikeKind::Similar
            }
            _ => return Err(self.unexpected()),
        };
        if kind != LikeKind::Similar && self.at_any_all() {
            let symbol = match (kind, negated) {
                (LikeKind::Like, false) => "~~",
                (LikeKind::Like, true) => "!~~",
                (_, false) => "~~*",
                (_, true) => "!~~*",
            };
            return self.any_all(OpName::plain(symbol), *arg);
        }
        let pattern = boxed(self.expr_from(OTHER)?);
        let escape = if self.eat_word("escape") { Some(boxed(self.expr_from(OTHER)?)) } else { None };
        Ok(ExprKind::Like { kind, arg, pattern, escape, negated })
    }

    fn at_any_all(&self) -> bool {
        ["any", "some", "all"].iter().any(|w| self.is_word(w)) && self.punct_at(1, "(")
    }

    fn any_all(&mut self, op: OpName, left: Expr) -> Result<ExprKind> {
        let any = self.eat_any(&["any", "some", "all"]) != Some("all");
        self.expect_punct("(")?;
        let left = boxed(left);
        let kind = if self.at_query() {
            ExprKind::AnyQuery { op, left, query: Box::new(self.query()?), any }
        } else {
            ExprKind::AnyArray { op, left, right: boxed(self.expr()?), any }
        };
        self.expect_punct(")")?;
        Ok(kind)
    }

    fn operator(&mut self, left: Expr, level: u8) -> Result<Expr> {
        let position = self.position();
        let op = match self.ahead(0).clone() {
            TokenKind::Op(symbol) => {
                self.advance();
                OpName::plain(symbol)
            }
            _ => self.qualified_operator()?,
        };
        if self.at_any_all() {
            let kind = self.any_all(op, left)?;
            return Ok(make(kind, position));
        }
        let right = self.expr_from(level + 1)?;
        Ok(make(ExprKind::Binary { op, left: boxed(left), right: boxed(right) }, position))
    }

    /// `OPERATOR(schema.op)`.
    fn qualified_operator(&mut self) -> Result<OpName> {
        self.expect_word("operator")?;
        self.expect_punct("(")?;
        let mut schema = None;
        while self.at_identifier() {
            schema = Some(self.identifier()?);
            self.expect_punct(".")?;
        }
        let TokenKind::Op(symbol) = self.advance() else { return Err(self.unexpected()) };
        self.expect_punct(")")?;
        Ok(OpName { schema, symbol })
    }

    /// Casts, subscripts and field selections after a primary.
    fn postfix(&mut self, mut base: Expr) -> Result<Expr> {
        loop {
            let position = self.position();
            if self.eat_punct("::") {
                let ty = self.type_name()?;
                self.grow(1)?;
                base = make(ExprKind::Cast { arg: boxed(base), ty }, position);
            } else if self.is_punct("[") && subscriptable(&base) {
                let subscripts = self.subscripts()?;
                let at = base.position;
                base = make(ExprKind::Subscript { base: boxed(base), subscripts }, at);
            } else if self.is_punct(".") && matches!(base.kind, ExprKind::Subscript { .. }) {
                self.advance();
                let name = self.label()?;
                self.grow(1)?;
                base = make(ExprKind::Field { base: boxed(base), name }, position);
            } else {
                return Ok(base);
            }
        }
    }

    pub(super) fn subscripts(&mut self) -> Result<Vec<Subscript>> {
        let mut subscripts = Vec::new();
        while self.eat_punct("[") {
            let low = if self.is_punct(":") { None } else { Some(self.expr()?) };
            if self.eat_punct(":") {
                let high = if self.is_punct("]") { None } else { Some(self.expr()?) };
                subscripts.push(Subscript::Slice(low, high));
            } else {
                let Some(index) = low else { return Err(self.unexpected()) };
                subscripts.push(Subscript::Index(index));
            }
            self.expect_punct("]")?;
        }
        Ok(subscripts)
    }

    fn primary(&mut self) -> Result<Expr> {
        let position = self.position();
        match self.ahead(0).clone() {
            TokenKind::Number(digits) => {
                self.advance();
                Ok(make(ExprKind::Number(digits), position))
            }
            TokenKind::String(text) => {
                self.advance();
                Ok(make(ExprKind::String(text), position))
            }
            TokenKind::Bits { digits, hex } => {
                self.advance();
                Ok(make(ExprKind::BitString { digits, hex }, position))
            }
            TokenKind::Param(number) => {
                self.advance();
                let base = make(ExprKind::Param(number), position);
                self.indirection(base)
            }
            TokenKind::Punct("(") => self.parenthesised(),
            TokenKind::Word { text, quoted } => {
                if !quoted && let Some(expr) = self.special_word(&text)? {
                    return Ok(expr);
                }
                self.name_expr(&text, quoted)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Whether a query starts here, looking through parentheses.
    pub(super) fn at_query(&self) -> bool {
        let mut offset = 0;
        while self.punct_at(offset, "(") {
            offset += 1;
        }
        ["select", "with", "values"].iter().any(|w| self.word_at(offset, w))
            || (offset == 0 && self.word_at(0, "table") && matches!(self.ahead(1), TokenKind::Word { .. }))
    }

    fn parenthesised(&mut self) -> Result<Expr> {
        let position = self.position();
        self.expect_punct("(")?;
        if self.query_inside() {
            let query = self.nested(Self::query)?;
            self.expect_punct(")")?;
            return self.indirection(make(ExprKind::ScalarQuery(Box::new(query)), position));
        }
        let mut items = self.comma_list(Self::expr)?;
        self.expect_punct(")")?;
        if items.len() > 1 {
            return Ok(make(ExprKind::Row(items), position));
        }
        let inner = items.pop().expect("a comma list has an item");
        if self.is_punct(".") || self.is_punct("[") {
            let wrapped = Expr { position, ..inner };
            return self.indirection(wrapped);
        }
        // A parenthesised negative number stays an expression of its own: (-2)::int2 is not -(2::int2).
        Ok(inner)
    }

    /// `.field`, `.*` and `[i]` after a parenthesised expression, parameter or subquery.
    fn indirection(&mut self, mut base: Expr) -> Result<Expr> {
        loop {
            let position = self.position();
            if self.eat_punct(".") {
                if self.eat_op("*") {
                    return Ok(make(ExprKind::FieldStar(boxed(base)), position));
                }
                let name = self.label()?;
                base = make(ExprKind::Field { base: boxed(base), name }, position);
            } else if self.is_punct("[") {
                let subscripts = self.subscripts()?;
                let at = base.position;
                base = make(ExprKind::Subscript { base: boxed(base), subscripts }, at);
            } else {
                return Ok(base);
            }
        }
    }

    /// A column reference, function call or typed literal that begins with a word.
    fn name_expr(&mut self, first: &str, quoted: bool) -> Result<Expr> {
        let position = self.position();
        if !quoted && let Some(literal) = self.typed_literal()? {
            return Ok(literal);
        }
        let category = if quoted { None } else { lookup(first).map(|(c, _)| c) };
        if category == Some(Category::Reserved) {
            return Err(self.unexpected());
        }
        let mut parts = vec![self.label()?];
        while self.is_punct(".") {
            self.advance();
            if self.eat_op("*") {
                return Ok(make(ExprKind::Star(Some(Name { parts, position })), position));
            }
            parts.push(self.label()?);
        }
        let name = Name { parts, position };
        if self.is_punct("(") {
            // JSON_OBJECT with plain arguments is a function like any other.
            if name.parts.len() == 1 && category == Some(Category::ColumnName) && first != "json_object" {
                self.reset(self.mark());
                return Err(self.unexpected());
            }
            return self.call(name);
        }
        if let (TokenKind::String(text), 1) = (self.ahead(0).clone(), name.parts.len()) {
            self.advance();
            let ty = crate::sql::ast::TypeName { name, modifiers: Vec::new(), array_dims: 0, interval_typmod: None };
            let arg = boxed(make(ExprKind::String(text), position));
            return Ok(make(ExprKind::Cast { arg, ty }, position));
        }
        if category == Some(Category::TypeOrFunction) {
            return Err(self.unexpected());
        }
        Ok(make(ExprKind::Column(name), position))
    }

    /// ORDER BY's list.
    pub(super) fn order_list(&mut self) -> Result<Vec<OrderItem>> {
        self.comma_list(Self::order_item)
    }

    pub(super) fn order_item(&mut self) -> Result<OrderItem> {
        let expr = self.expr()?;
        let mut item = OrderItem { expr, descending: false, nulls_first: None, using: None };
        self.order_direction(&mut item)?;
        Ok(item)
    }

    /// ASC, DESC, USING, NULLS FIRST/LAST.
    pub(super) fn order_direction(&mut self, item: &mut OrderItem) -> Result<()> {
        if self.eat_word("desc") {
            item.descending = true;
        } else if self.eat_word("using") {
            let TokenKind::Op(symbol) = self.advance() else { return Err(self.unexpected()) };
            item.descending = symbol == ">";
            item.using = Some(symbol);
        } else {
            self.eat_word("asc");
        }
        if self.eat_word("nulls") {
            item.nulls_first = match self.eat_any(&["first", "last"]) {
                Some(word) => Some(word == "first"),
                None => return Err(self.unexpected()),
            };
        }
        Ok(())
    }
}

/// What `[` may follow directly; other expressions need parentheses.
fn subscriptable(base: &Expr) -> bool {
    matches!(base.kind, ExprKind::Column(_) | ExprKind::Param(_) | ExprKind::Field { .. })
}

/// The tightest level, for arguments that take no operators at all.
pub(super) const PRIMARY: u8 = POSTFIX;

//! Parsing `jsonpath` by precedence climbing: `||`, `&&`, comparisons, `+ -`, `* / %`, signs, accessors.

use crate::bail;
use crate::error::Result;
use crate::types::jsonpath::lexer::{Placed, Token, error_at, tokens};
use crate::types::jsonpath::{JsonPath, Node, Operator, Step};
use crate::types::numeric;

/// Nesting that is followed.
const MAX_DEPTH: usize = 200;
/// Operators in a path. A chain of them is a tree as tall as it is long, and what walks the tree has the same stack.
const MAX_OPERATORS: usize = 1000;

/// Methods without arguments, and those that may have some.
const METHODS: [&str; 15] = [
    "type", "size", "abs", "floor", "ceiling", "double", "keyvalue", "bigint", "boolean", "date", "integer", "number",
    "string", "datetime", "decimal",
];

/// Reads a path.
///
/// # Errors
/// `22P02` for empty text, `42601` for bad syntax.
pub fn parse(text: &str) -> Result<JsonPath> {
    let tokens = tokens(text)?;
    if tokens.len() == 1 {
        bail!(INVALID_TEXT_REPRESENTATION, "invalid input syntax for type jsonpath: \"{text}\"");
    }
    let mut parser = Parser { text, tokens, at: 0, depth: 0, operators: 0, filters: 0, subscripts: 0 };
    let strict = parser.accept_word("strict");
    if !strict {
        parser.accept_word("lax");
    }
    let root = parser.either()?;
    if *parser.peek() != Token::End {
        return parser.unexpected();
    }
    Ok(JsonPath { strict, root })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
    operators: usize,
    filters: usize,
    subscripts: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].token
    }

    fn next_is(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Placed { token: Token::Symbol(found), .. }) if *found == symbol)
    }

    fn unexpected<T>(&self) -> Result<T> {
        Err(error_at(self.text, self.tokens[self.at].span.clone()))
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = self.next_is(0, symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.accept(symbol) { Ok(()) } else { self.unexpected() }
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(found) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    /// An expression or a predicate.
    fn either(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            bail!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
        }
        let mut left = self.conjunction()?;
        while self.next_is(0, "||") {
            self.require(&left, true)?;
            self.operator()?;
            let right = self.conjunction()?;
            self.require(&right, true)?;
            left = Node::Or(Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    /// Passes an operator of a chain.
    fn operator(&mut self) -> Result<()> {
        self.at += 1;
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            bail!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
        }
        Ok(())
    }

    fn require(&self, node: &Node, predicate: bool) -> Result<()> {
        if node.is_predicate() == predicate { Ok(()) } else { self.unexpected() }
    }

    fn conjunction(&mut self) -> Result<Node> {
        let mut left = self.comparison()?;
        while self.next_is(0, "&&") {
            self.require(&left, true)?;
            self.operator()?;
            let right = self.comparison()?;
            self.require(&right, true)?;
            left = Node::And(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Node> {
        let left = self.sum()?;
        let operator = match self.peek() {
            Token::Symbol("==" | "=") => Operator::Eq,
            Token::Symbol("!=" | "<>") => Operator::Ne,
            Token::Symbol("<") => Operator::Lt,
            Token::Symbol("<=") => Operator::Le,
            Token::Symbol(">") => Operator::Gt,
            Token::Symbol(">=") => Operator::Ge,
            Token::Word(word) if word.eq_ignore_ascii_case("starts") => return self.starts_with(left),
            Token::Word(word) if word.eq_ignore_ascii_case("like_regex") => return self.like_regex(left),
            _ => return Ok(left),
        };
        self.require(&left, false)?;
        self.at += 1;
        let right = self.sum()?;
        self.require(&right, false)?;
        Ok(Node::Compare(operator, Box::new(left), Box::new(right)))
    }

    fn starts_with(&mut self, left: Node) -> Result<Node> {
        self.require(&left, false)?;
        self.at += 1;
        if !self.accept_word("with") {
            return self.unexpected();
        }
        let prefix = match self.peek() {
            Token::Text(text) => Node::String(text.clone()),
            Token::Variable(name) => Node::Variable(name.clone()),
            _ => return self.unexpected(),
        };
        self.at += 1;
        Ok(Node::StartsWith(Box::new(left), Box::new(prefix)))
    }

    fn like_regex(&mut self, left: Node) -> Result<Node> {
        self.require(&left, false)?;
        self.at += 1;
        let pattern = self.string()?;
        let flags = if self.accept_word("flag") { self.string()? } else { String::new() };
        if let Some(flag) = flags.chars().find(|flag| !"ismxq".contains(*flag)) {
            return Err(crate::error!(SYNTAX_ERROR, "invalid input syntax for type jsonpath")
                .detail(format!("Unrecognized flag character \"{flag}\" in LIKE_REGEX predicate.")));
        }
        Ok(Node::LikeRegex(Box::new(left), pattern, flags))
    }

    fn string(&mut self) -> Result<String> {
        let Token::Text(text) = self.peek() else { return self.unexpected() };
        let text = text.clone();
        self.at += 1;
        Ok(text)
    }

    fn sum(&mut self) -> Result<Node> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("+") => Operator::Add,
                Token::Symbol("-") => Operator::Sub,
                _ => return Ok(left),
            };
            left = self.arithmetic(operator, left, Self::product)?;
        }
    }

    fn product(&mut self) -> Result<Node> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.peek() {
                Token::Symbol("*") => Operator::Mul,
                Token::Symbol("/") => Operator::Div,
                Token::Symbol("%") => Operator::Mod,
                _ => return Ok(left),
            };
            left = self.arithmetic(operator, left, Self::signed)?;
        }
    }

    fn arithmetic(&mut self, operator: Operator, left: Node, right: fn(&mut Self) -> Result<Node>) -> Result<Node> {
        self.require(&left, false)?;
        self.operator()?;
        let right = right(self)?;
        self.require(&right, false)?;
        Ok(Node::Arithmetic(operator, Box::new(left), Box::new(right)))
    }

    fn signed(&mut self) -> Result<Node> {
        let negative = match self.peek() {
            Token::Symbol("+") => false,
            Token::Symbol("-") => true,
            _ => return self.accessed(),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            bail!(STATEMENT_TOO_COMPLEX, "stack depth limit exceeded");
        }
        self.at += 1;
        let operand = self.signed()?;
        self.depth -= 1;
        self.require(&operand, false)?;
        Ok(Node::Sign(negative, Box::new(operand)))
    }

    fn accessed(&mut self) -> Result<Node> {
        let base = self.primary()?;
        let mut steps = Vec::new();
        while let Some(step) = self.step()? {
            steps.push(step);
        }
        if steps.is_empty() {
            return Ok(base);
        }
        Ok(Node::Access(Box::new(base), steps))
    }

    fn primary(&mut self) -> Result<Node> {
        let token = self.peek().clone();
        let node = match token {
            Token::Symbol("$") => Node::Root,
            Token::Symbol("@") if self.filters > 0 => Node::Current,
            Token::Symbol("@") => bail!(SYNTAX_ERROR, "@ is not allowed in root expressions"),
            Token::Symbol("(") => return self.bracketed(),
            Token::Symbol("!") => return self.negation(),
            Token::Variable(name) => Node::Variable(name),
            Token::Text(text) => Node::String(text),
            Token::Number(text) => Node::Number(numeric::input(&text)?),
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "null" => Node::Null,
                "true" => Node::Bool(true),
                "false" => Node::Bool(false),
                "last" if self.subscripts > 0 => Node::Last,
                "last" => bail!(SYNTAX_ERROR, "LAST is allowed only in array subscripts"),
                "exists" => return self.exists(),
                _ => {
                    self.at += usize::from(self.at + 1 < self.tokens.len());
                    return self.unexpected();
                }
            },
            _ => return self.unexpected(),
        };
        self.at += 1;
        Ok(node)
    }

    fn bracketed(&mut self) -> Result<Node> {
        self.expect("(")?;
        let inner = self.either()?;
        self.expect(")")?;
        if inner.is_predicate() && self.accept_word("is") {
            if !self.accept_word("unknown") {
                return self.unexpected();
            }
            return Ok(Node::IsUnknown(Box::new(inner)));
        }
        Ok(inner)
    }

    fn negation(&mut self) -> Result<Node> {
        self.expect("!")?;
        let is_exists = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case("exists"));
        let inner = if is_exists { self.exists()? } else { self.bracketed()? };
        self.require(&inner, true)?;
        Ok(Node::Not(Box::new(inner)))
    }

    fn exists(&mut self) -> Result<Node> {
        self.at += 1;
        self.expect("(")?;
        let inner = self.either()?;
        self.expect(")")?;
        Ok(Node::Exists(Box::new(inner)))
    }

    fn step(&mut self) -> Result<Option<Step>> {
        if self.accept("?") {
            self.expect("(")?;
            self.filters += 1;
            let condition = self.either()?;
            self.filters -= 1;
            self.require(&condition, true)?;
            self.expect(")")?;
            return Ok(Some(Step::Filter(Box::new(condition))));
        }
        if self.accept("[") {
            if self.accept("*") {
                self.expect("]")?;
                return Ok(Some(Step::AnyElement));
            }
            return self.subscripts().map(Some);
        }
        if !self.accept(".") {
            return Ok(None);
        }
        if self.accept("**") {
            return self.levels().map(Some);
        }
        if self.accept("*") {
            return Ok(Some(Step::AnyMember));
        }
        let name = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Text(text) => {
                let text = text.clone();
                self.at += 1;
                return Ok(Some(Step::Member(text)));
            }
            _ => return self.unexpected(),
        };
        self.at += 1;
        if self.next_is(0, "(") && METHODS.contains(&name.as_str()) {
            return self.method(name).map(Some);
        }
        Ok(Some(Step::Member(name)))
    }

    fn method(&mut self, name: String) -> Result<Step> {
        self.expect("(")?;
        let mut args = Vec::new();
        if !self.next_is(0, ")") {
            loop {
                args.push(self.signed()?);
                if !self.accept(",") {
                    break;
                }
            }
        }
        let limit = match name.as_str() {
            "decimal" => 2,
            "datetime" => 1,
            _ => 0,
        };
        if args.len() > limit {
            return self.unexpected();
        }
        self.expect(")")?;
        Ok(Step::Method(name, args))
    }

    fn subscripts(&mut self) -> Result<Step> {
        let mut ranges = Vec::new();
        self.subscripts += 1;
        loop {
            let from = self.either()?;
            self.require(&from, false)?;
            let to = if self.accept_word("to") { Some(self.either()?) } else { None };
            ranges.push((from, to));
            if !self.accept(",") {
                break;
            }
        }
        self.subscripts -= 1;
        self.expect("]")?;
        Ok(Step::Elements(ranges))
    }

    fn levels(&mut self) -> Result<Step> {
        if !self.accept("{") {
            return Ok(Step::Descend(Some(0), None));
        }
        let from = self.level()?;
        let to = if self.accept_word("to") { self.level()? } else { from };
        self.expect("}")?;
        Ok(Step::Descend(from, to))
    }

    fn level(&mut self) -> Result<Option<u32>> {
        if self.accept_word("last") {
            return Ok(None);
        }
        let Token::Number(text) = self.peek() else { return self.unexpected() };
        let Ok(level) = text.parse() else { return self.unexpected() };
        self.at += 1;
        Ok(Some(level))
    }
}

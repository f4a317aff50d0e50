//! Type names: SQL's spellings to pg_type names, modifiers, arrays, interval fields; typed literals.

use super::cursor::Parser;
use super::expr::make;
use super::lexer::TokenKind;
use crate::error::Result;
use crate::sql::ast::{Expr, ExprKind, Name, TypeName};

/// Words that begin a type in SQL's own spelling.
const TYPE_WORDS: &[&str] = &[
    "double",
    "character",
    "char",
    "varchar",
    "nchar",
    "national",
    "bit",
    "timestamp",
    "time",
    "interval",
    "int",
    "integer",
    "smallint",
    "bigint",
    "real",
    "float",
    "decimal",
    "dec",
    "numeric",
    "boolean",
];

/// PostgreSQL's bit numbers of interval fields.
const YEAR: i32 = 1 << 2;
const MONTH: i32 = 1 << 1;
const DAY: i32 = 1 << 3;
const HOUR: i32 = 1 << 10;
const MINUTE: i32 = 1 << 11;
const SECOND: i32 = 1 << 12;
const FULL_RANGE: i32 = 0x7fff;
const FULL_PRECISION: i32 = 0xffff;

fn builtin(name: &str, position: u32) -> TypeName {
    let name = Name { parts: vec!["pg_catalog".into(), name.into()], position };
    TypeName { name, modifiers: Vec::new(), array_dims: 0, interval_typmod: None }
}

impl Parser<'_> {
    /// A type with modifiers and array brackets.
    pub(super) fn type_name(&mut self) -> Result<TypeName> {
        self.eat_word("setof");
        let mut ty = self.scalar_type()?;
        if self.eat_word("array") {
            ty.array_dims = 1;
            if self.eat_punct("[") {
                self.integer()?;
                self.expect_punct("]")?;
            }
            return Ok(ty);
        }
        while self.eat_punct("[") {
            if !self.is_punct("]") {
                self.integer()?;
            }
            self.expect_punct("]")?;
            ty.array_dims += 1;
        }
        Ok(ty)
    }

    fn scalar_type(&mut self) -> Result<TypeName> {
        let position = self.position();
        if let TokenKind::Word { text, quoted: false } = self.ahead(0).clone()
            && TYPE_WORDS.contains(&text.as_str())
            && !self.punct_at(1, ".")
        {
            return self.sql_type(&text);
        }
        let mut parts = vec![self.type_function_name().or_else(|_| self.identifier())?];
        while self.eat_punct(".") {
            parts.push(self.label()?);
        }
        let mut ty =
            TypeName { name: Name { parts, position }, modifiers: Vec::new(), array_dims: 0, interval_typmod: None };
        ty.modifiers = self.type_modifiers()?;
        Ok(ty)
    }

    fn type_modifiers(&mut self) -> Result<Vec<Expr>> {
        if self.is_punct("(") { self.paren_list(Self::expr) } else { Ok(Vec::new()) }
    }

    fn sql_type(&mut self, word: &str) -> Result<TypeName> {
        let position = self.position();
        self.advance();
        let simple = match word {
            "int" | "integer" => Some("int4"),
            "smallint" => Some("int2"),
            "bigint" => Some("int8"),
            "real" => Some("float4"),
            "boolean" => Some("bool"),
            "double" => {
                self.expect_word("precision")?;
                Some("float8")
            }
            _ => None,
        };
        if let Some(name) = simple {
            return Ok(builtin(name, position));
        }
        match word {
            "decimal" | "dec" | "numeric" => {
                let mut ty = builtin("numeric", position);
                ty.modifiers = self.type_modifiers()?;
                Ok(ty)
            }
            "float" => self.float_type(position),
            "timestamp" | "time" => self.time_type(word, position),
            "interval" => {
                let mut ty = builtin("interval", position);
                ty.interval_typmod = self.interval_typmod()?;
                Ok(ty)
            }
            "bit" => {
                let varying = self.eat_word("varying");
                let mut ty = builtin(if varying { "varbit" } else { "bit" }, position);
                ty.modifiers = self.type_modifiers()?;
                if ty.modifiers.is_empty() && !varying {
                    ty.modifiers.push(make(ExprKind::Number("1".into()), position));
                }
                Ok(ty)
            }
            _ => self.character_type(word, position),
        }
    }

    fn float_type(&mut self, position: u32) -> Result<TypeName> {
        let Some(bits) = self.precision()? else { return Ok(builtin("float8", position)) };
        match bits {
            1..=24 => Ok(builtin("float4", position)),
            25..=53 => Ok(builtin("float8", position)),
            ..1 => Err(crate::error!(INVALID_PARAMETER_VALUE, "precision for type float must be at least 1 bit")),
            _ => Err(crate::error!(INVALID_PARAMETER_VALUE, "precision for type float must be less than 54 bits")),
        }
    }

    fn time_type(&mut self, word: &str, position: u32) -> Result<TypeName> {
        let at = self.position();
        let precision = self.precision()?;
        let zoned = if self.are_words(&["with", "time", "zone"]) {
            self.expect_words(&["with", "time", "zone"])?;
            true
        } else {
            self.eat_words(&["without", "time", "zone"]);
            false
        };
        let name = match (word, zoned) {
            ("timestamp", false) => "timestamp",
            ("timestamp", true) => "timestamptz",
            (_, false) => "time",
            (_, true) => "timetz",
        };
        let mut ty = builtin(name, position);
        ty.modifiers = precision.map(|p| make(ExprKind::Number(p.to_string()), at)).into_iter().collect();
        Ok(ty)
    }

    fn character_type(&mut self, word: &str, position: u32) -> Result<TypeName> {
        if word == "national" && self.eat_any(&["character", "char"]).is_none() {
            return Err(self.unexpected());
        }
        let varying = word == "varchar" || self.eat_word("varying");
        let mut ty = builtin(if varying { "varchar" } else { "bpchar" }, position);
        ty.modifiers = self.type_modifiers()?;
        if ty.modifiers.is_empty() && !varying {
            ty.modifiers.push(make(ExprKind::Number("1".into()), position));
        }
        Ok(ty)
    }

    /// `YEAR TO MONTH`, `SECOND(3)`, `(3)` after INTERVAL.
    fn interval_typmod(&mut self) -> Result<Option<i32>> {
        if let Some(precision) = self.precision()? {
            return Ok(Some((FULL_RANGE << 16) | precision.clamp(0, 6)));
        }
        let fields =
            [("year", YEAR), ("month", MONTH), ("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND)];
        let Some(from) = fields.iter().position(|(word, _)| self.eat_word(word)) else { return Ok(None) };
        let mut to = from;
        if self.eat_word("to") {
            match fields.iter().position(|(word, _)| self.eat_word(word)) {
                Some(end) if end > from => to = end,
                _ => return Err(self.unexpected()),
            }
        }
        let mask = fields[from..=to].iter().fold(0, |mask, (_, bit)| mask | bit);
        let precision =
            if to == 5 { self.precision()?.map_or(FULL_PRECISION, |p| p.clamp(0, 6)) } else { FULL_PRECISION };
        Ok(Some((mask << 16) | precision))
    }

    /// `date '...'`-like literals of SQL's own type spellings; None when this is something else.
    pub(super) fn typed_literal(&mut self) -> Result<Option<Expr>> {
        let position = self.position();
        let TokenKind::Word { text, .. } = self.ahead(0).clone() else { return Ok(None) };
        if !TYPE_WORDS.contains(&text.as_str()) {
            return Ok(None);
        }
        // Looked for first: reading modifiers and then reading them again as arguments doubles with each nested call.
        if !self.literal_after_type() {
            return Ok(None);
        }
        let mark = self.mark();
        let Ok(mut ty) = self.sql_type(&text) else {
            self.reset(mark);
            return Ok(None);
        };
        let TokenKind::String(literal) = self.ahead(0).clone() else {
            self.reset(mark);
            return Ok(None);
        };
        let at = self.position();
        self.advance();
        if text == "interval" && ty.interval_typmod.is_none() {
            ty.interval_typmod = self.interval_typmod()?;
        }
        if matches!(text.as_str(), "char" | "character" | "bit")
            && ty.modifiers.len() == 1
            && ty.modifiers[0].position == position
        {
            // CHAR 'abc' is not cut to one character: the implied length applies to columns and casts only.
            ty.modifiers.clear();
        }
        let arg = Box::new(make(ExprKind::String(literal), at));
        Ok(Some(make(ExprKind::Cast { arg, ty }, position)))
    }
}

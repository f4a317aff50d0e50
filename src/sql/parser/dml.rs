//! INSERT, UPDATE, DELETE.

use super::cursor::Parser;
use crate::error::Result;
use crate::sql::ast::{
    AssignTarget, Assignment, ConflictTarget, Delete, Expr, Insert, OnConflict, Target, Update, With,
};

impl Parser<'_> {
    pub(super) fn insert(&mut self, with: Option<With>) -> Result<Insert> {
        self.expect_words(&["insert", "into"])?;
        let table = self.name()?;
        let alias = if self.eat_word("as") { Some(self.identifier()?) } else { None };
        let mut insert = Insert {
            with,
            table,
            alias,
            columns: Vec::new(),
            overriding_system: None,
            source: None,
            on_conflict: None,
            returning: Vec::new(),
        };
        if self.is_punct("(") && !self.at_query() {
            insert.columns = self.paren_list(Self::assign_target)?;
        }
        if self.eat_word("overriding") {
            insert.overriding_system = match self.eat_any(&["system", "user"]) {
                Some(word) => Some(word == "system"),
                None => return Err(self.unexpected()),
            };
            self.expect_word("value")?;
        }
        if !self.eat_words(&["default", "values"]) {
            insert.source = Some(Box::new(self.query()?));
        }
        let position = self.position();
        if self.eat_words(&["on", "conflict"]) {
            insert.on_conflict = Some(self.on_conflict(position)?);
        }
        insert.returning = self.returning()?;
        Ok(insert)
    }

    pub(super) fn assign_target(&mut self) -> Result<AssignTarget> {
        let position = self.position();
        let column = self.identifier()?;
        let field = if self.eat_punct(".") { Some(self.label()?) } else { None };
        let subscripts = if self.is_punct("[") { self.subscripts()? } else { Vec::new() };
        Ok(AssignTarget { column, subscripts, field, position })
    }

    fn on_conflict(&mut self, position: u32) -> Result<OnConflict> {
        let target = if self.eat_words(&["on", "constraint"]) {
            ConflictTarget::Constraint(self.identifier()?)
        } else if self.is_punct("(") {
            let exprs = self.paren_list(|p| {
                let expr = if p.is_punct("(") { p.expr()? } else { p.primary_only()? };
                if p.eat_word("collate") {
                    p.name()?;
                }
                if p.at_identifier() {
                    p.name()?;
                }
                Ok(expr)
            })?;
            let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
            ConflictTarget::Keys { exprs, filter }
        } else {
            ConflictTarget::None
        };
        self.expect_word("do")?;
        if self.eat_word("nothing") {
            return Ok(OnConflict { target, update: None, position });
        }
        self.expect_words(&["update", "set"])?;
        let assignments = self.assignments()?;
        let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
        Ok(OnConflict { target, update: Some((assignments, filter)), position })
    }

    fn assignments(&mut self) -> Result<Vec<Assignment>> {
        self.comma_list(|p| {
            if p.is_punct("(") {
                let targets = p.paren_list(Self::assign_target)?;
                if !p.eat_op("=") {
                    return Err(p.unexpected());
                }
                return Ok(Assignment::Many { targets, value: p.expr()? });
            }
            let target = p.assign_target()?;
            if !p.eat_op("=") {
                return Err(p.unexpected());
            }
            Ok(Assignment::One { target, value: p.expr()? })
        })
    }

    fn returning(&mut self) -> Result<Vec<Target>> {
        if !self.eat_word("returning") {
            return Ok(Vec::new());
        }
        if self.is_word("with") && self.punct_at(1, "(") {
            return Err(crate::error::Error::unsupported("RETURNING WITH (OLD AS ..., NEW AS ...)"));
        }
        self.comma_list(Self::target)
    }

    fn table_alias(&mut self, stop: &str) -> Result<Option<String>> {
        self.eat_op("*");
        if self.eat_word("as") || (self.at_identifier() && !self.is_word(stop)) {
            return Ok(Some(self.identifier()?));
        }
        Ok(None)
    }

    fn where_or_current(&mut self) -> Result<Option<Expr>> {
        if !self.eat_word("where") {
            return Ok(None);
        }
        if self.are_words(&["current", "of"]) {
            return Err(crate::error::Error::unsupported("WHERE CURRENT OF"));
        }
        Ok(Some(self.expr()?))
    }

    pub(super) fn update(&mut self, with: Option<With>) -> Result<Update> {
        self.expect_word("update")?;
        self.eat_word("only");
        let table = self.name()?;
        let alias = self.table_alias("set")?;
        self.expect_word("set")?;
        let assignments = self.assignments()?;
        let from = if self.eat_word("from") { self.comma_list(Self::from_item)? } else { Vec::new() };
        let filter = self.where_or_current()?;
        Ok(Update { with, table, alias, assignments, from, filter, returning: self.returning()? })
    }

    pub(super) fn delete(&mut self, with: Option<With>) -> Result<Delete> {
        self.expect_words(&["delete", "from"])?;
        self.eat_word("only");
        let table = self.name()?;
        let alias = self.table_alias("using")?;
        let using = if self.eat_word("using") { self.comma_list(Self::from_item)? } else { Vec::new() };
        let filter = self.where_or_current()?;
        Ok(Delete { with, table, alias, using, filter, returning: self.returning()? })
    }
}

//! CREATE TABLE, ALTER TABLE, CREATE INDEX: the statements about tables.

use super::cursor::Parser;
use super::lexer::TokenKind;
use crate::error;
use crate::error::{Error, Result};
use crate::sql::ast::{
    Action, AlterAction, AlterTable, ColumnConstraint, ColumnConstraintKind, ColumnDef, CreateIndex, CreateTable,
    CreateTableAs, IndexElement, Name, ObjectKind, OrderItem, References, Rename, RenamePart, Statement,
    TableConstraint, TableConstraintKind, Timing,
};

impl Parser<'_> {
    /// CREATE [TEMP|UNLOGGED] TABLE; the word TABLE is consumed.
    pub(super) fn create_table(&mut self, temporary: bool, unlogged: bool) -> Result<Statement> {
        let if_not_exists = self.if_not_exists();
        let name = self.name()?;
        if self.is_word("as") || (self.is_punct("(") && self.column_names_then_as()) {
            return self.create_table_as(name, if_not_exists, temporary);
        }
        if self.is_word("partition") && self.word_at(1, "of") {
            return self.unsupported("PARTITION OF");
        }
        if self.is_word("of") {
            return self.unsupported("CREATE TABLE OF type");
        }
        let mut table = CreateTable {
            name,
            if_not_exists,
            temporary,
            unlogged,
            columns: Vec::new(),
            constraints: Vec::new(),
            likes: Vec::new(),
            options: Vec::new(),
            on_commit: None,
        };
        self.expect_punct("(")?;
        if !self.is_punct(")") {
            loop {
                self.table_element(&mut table)?;
                if !self.eat_punct(",") {
                    break;
                }
            }
        }
        self.expect_punct(")")?;
        self.table_tail(table)
    }

    fn table_tail(&mut self, mut table: CreateTable) -> Result<Statement> {
        if self.is_word("inherits") {
            return self.unsupported("table inheritance");
        }
        if self.are_words(&["partition", "by"]) {
            return self.unsupported("table partitioning");
        }
        if self.eat_word("using") {
            self.identifier()?;
        }
        if self.eat_word("with") {
            table.options = self.storage_options()?;
        } else {
            self.eat_words(&["without", "oids"]);
        }
        if self.eat_words(&["on", "commit"]) {
            table.on_commit = Some(if self.eat_words(&["preserve", "rows"]) {
                "preserve".into()
            } else if self.eat_words(&["delete", "rows"]) {
                "delete".into()
            } else {
                self.expect_word("drop")?;
                "drop".into()
            });
        }
        if self.eat_word("tablespace") {
            self.identifier()?;
        }
        if self.is_word("as") {
            return Err(self.unexpected());
        }
        Ok(Statement::CreateTable(Box::new(table)))
    }

    fn column_names_then_as(&mut self) -> bool {
        let mark = self.mark();
        let found = self.column_list().is_ok() && self.is_word("as");
        self.reset(mark);
        found
    }

    fn create_table_as(&mut self, name: Name, if_not_exists: bool, temporary: bool) -> Result<Statement> {
        let columns = if self.is_punct("(") { self.column_list()? } else { Vec::new() };
        self.expect_word("as")?;
        if self.is_word("execute") {
            return self.unsupported("CREATE TABLE AS EXECUTE");
        }
        let query = self.query()?;
        let with_data = self.with_data()?;
        Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
            name,
            if_not_exists,
            temporary,
            columns,
            query,
            with_data,
        })))
    }

    /// WITH \[NO\] DATA; true by default.
    pub(super) fn with_data(&mut self) -> Result<bool> {
        if self.eat_words(&["with", "no", "data"]) {
            return Ok(false);
        }
        self.eat_words(&["with", "data"]);
        Ok(true)
    }

    /// `(name = value, ...)`.
    pub(super) fn storage_options(&mut self) -> Result<Vec<(String, String)>> {
        let options = self.storage_option_list()?;
        Ok(options.into_iter().map(|(name, value)| (name, value.unwrap_or_else(|| "true".to_owned()))).collect())
    }

    /// The same, with the values that were given.
    fn storage_option_list(&mut self) -> Result<Vec<(String, Option<String>)>> {
        self.paren_list(|p| {
            let mut name = p.label()?;
            if p.eat_punct(".") {
                name = format!("{name}.{}", p.label()?);
            }
            let value = if p.eat_op("=") { Some(p.option_value()?) } else { None };
            Ok((name, value))
        })
    }

    /// A word, string or number as text.
    pub(super) fn option_value(&mut self) -> Result<String> {
        let negative = self.eat_op("-");
        let text = match self.ahead(0).clone() {
            TokenKind::Word { text, .. } | TokenKind::String(text) | TokenKind::Number(text) => text,
            _ => return Err(self.unexpected()),
        };
        self.advance();
        Ok(if negative { format!("-{text}") } else { text })
    }

    fn table_element(&mut self, table: &mut CreateTable) -> Result<()> {
        if self.eat_word("like") {
            let name = self.name()?;
            let mut options = Vec::new();
            while let Some(word) = self.eat_any(&["including", "excluding"]) {
                let option = self.label()?.to_uppercase();
                if word == "including" {
                    options.push(option);
                } else {
                    options.retain(|o| *o != option);
                }
            }
            table.likes.push((name, options));
        } else if self.at_table_constraint() {
            table.constraints.push(self.table_constraint()?);
        } else {
            table.columns.push(self.column_def()?);
        }
        Ok(())
    }

    fn at_table_constraint(&self) -> bool {
        self.is_word("constraint")
            || self.is_word("check")
            || self.is_word("unique")
            || self.is_word("exclude")
            || self.are_words(&["primary", "key"])
            || self.are_words(&["foreign", "key"])
    }

    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let position = self.position();
        let name = self.identifier()?;
        let ty = self.type_name()?;
        let mut column = ColumnDef { name, ty, collation: None, constraints: Vec::new(), storage: None, position };
        loop {
            if self.eat_word("collate") {
                column.collation = Some(self.name()?);
            } else if self.eat_word("storage") {
                column.storage = Some(self.label()?);
            } else if self.eat_word("compression") {
                self.label()?;
            } else if let Some(constraint) = self.column_constraint()? {
                column.constraints.push(constraint);
            } else {
                return Ok(column);
            }
        }
    }

    fn column_constraint(&mut self) -> Result<Option<ColumnConstraint>> {
        let position = self.position();
        let name = if self.eat_word("constraint") { Some(self.identifier()?) } else { None };
        let kind = if self.eat_words(&["not", "null"]) {
            self.eat_words(&["no", "inherit"]);
            ColumnConstraintKind::NotNull
        } else if self.eat_word("null") {
            ColumnConstraintKind::Null
        } else if self.eat_word("default") {
            ColumnConstraintKind::Default(self.expr_from(4)?)
        } else if self.eat_words(&["primary", "key"]) {
            ColumnConstraintKind::PrimaryKey { options: self.index_parameters()? }
        } else if self.eat_word("unique") {
            let nulls_not_distinct = self.nulls_not_distinct()?;
            ColumnConstraintKind::Unique { nulls_not_distinct, options: self.index_parameters()? }
        } else if self.eat_word("check") {
            self.expect_punct("(")?;
            let expr = self.expr()?;
            self.expect_punct(")")?;
            self.eat_words(&["no", "inherit"]);
            ColumnConstraintKind::Check(expr)
        } else if self.eat_word("references") {
            ColumnConstraintKind::References(self.references()?)
        } else if self.eat_word("generated") {
            self.generated()?
        } else if name.is_some() {
            return Err(self.unexpected());
        } else {
            return Ok(None);
        };
        let timing = self.timing()?;
        Ok(Some(ColumnConstraint { name, kind, timing, position }))
    }

    fn generated(&mut self) -> Result<ColumnConstraintKind> {
        let always = if self.eat_word("always") {
            true
        } else {
            self.expect_words(&["by", "default"])?;
            false
        };
        self.expect_word("as")?;
        if self.eat_word("identity") {
            let options = if self.eat_punct("(") {
                let options = self.sequence_options()?;
                self.expect_punct(")")?;
                options
            } else {
                Vec::new()
            };
            return Ok(ColumnConstraintKind::Identity { always, options });
        }
        self.expect_punct("(")?;
        let expr = self.expr()?;
        self.expect_punct(")")?;
        let stored = self.eat_word("stored");
        if !stored {
            self.eat_word("virtual");
        }
        Ok(ColumnConstraintKind::Generated { expr, stored })
    }

    fn nulls_not_distinct(&mut self) -> Result<bool> {
        if self.eat_words(&["nulls", "not", "distinct"]) {
            return Ok(true);
        }
        self.eat_words(&["nulls", "distinct"]);
        Ok(false)
    }

    fn index_parameters(&mut self) -> Result<Vec<(String, String)>> {
        let options = if self.eat_word("with") { self.storage_options()? } else { Vec::new() };
        if self.eat_words(&["using", "index", "tablespace"]) {
            self.identifier()?;
        }
        Ok(options)
    }

    fn timing(&mut self) -> Result<Timing> {
        let mut timing = Timing::default();
        let mut never = false;
        loop {
            if never && timing.deferrable {
                crate::bail!(SYNTAX_ERROR, "constraint declared INITIALLY DEFERRED must be DEFERRABLE");
            }
            if self.eat_words(&["initially", "immediate"]) || self.eat_word("enforced") {
            } else if self.eat_words(&["not", "deferrable"]) {
                never = true;
            } else if self.eat_word("deferrable") {
                timing.deferrable = true;
            } else if self.eat_words(&["initially", "deferred"]) {
                timing.deferrable = true;
                timing.initially_deferred = true;
            } else if self.eat_words(&["not", "valid"]) {
                timing.not_valid = true;
            } else if self.are_words(&["not", "enforced"]) {
                return Err(Error::unsupported("NOT ENFORCED constraints"));
            } else {
                return Ok(timing);
            }
        }
    }

    fn references(&mut self) -> Result<References> {
        let table = self.name()?;
        let columns = if self.is_punct("(") { self.column_list()? } else { Vec::new() };
        let mut references = References {
            table,
            columns,
            on_delete: Action::NoAction,
            on_delete_columns: Vec::new(),
            on_update: Action::NoAction,
            match_full: false,
        };
        loop {
            if self.eat_word("match") {
                match self.eat_any(&["full", "simple", "partial"]) {
                    Some("full") => references.match_full = true,
                    Some("simple") => {}
                    Some(_) => return Err(Error::unsupported("MATCH PARTIAL")),
                    None => return Err(self.unexpected()),
                }
            } else if self.eat_words(&["on", "delete"]) {
                references.on_delete = self.action()?;
                if self.is_punct("(") {
                    references.on_delete_columns = self.column_list()?;
                }
            } else if self.eat_words(&["on", "update"]) {
                references.on_update = self.action()?;
            } else {
                return Ok(references);
            }
        }
    }

    fn action(&mut self) -> Result<Action> {
        if self.eat_words(&["no", "action"]) {
            Ok(Action::NoAction)
        } else if self.eat_word("restrict") {
            Ok(Action::Restrict)
        } else if self.eat_word("cascade") {
            Ok(Action::Cascade)
        } else if self.eat_words(&["set", "null"]) {
            Ok(Action::SetNull)
        } else {
            self.expect_words(&["set", "default"])?;
            Ok(Action::SetDefault)
        }
    }

    pub(super) fn table_constraint(&mut self) -> Result<TableConstraint> {
        let position = self.position();
        let name = if self.eat_word("constraint") { Some(self.identifier()?) } else { None };
        let kind = if self.eat_word("check") {
            self.expect_punct("(")?;
            let expr = self.expr()?;
            self.expect_punct(")")?;
            self.eat_words(&["no", "inherit"]);
            TableConstraintKind::Check(expr)
        } else if self.eat_words(&["primary", "key"]) {
            let (columns, include, using_index) = self.key_columns()?;
            TableConstraintKind::PrimaryKey { columns, include, using_index }
        } else if self.eat_word("unique") {
            let nulls_not_distinct = self.nulls_not_distinct()?;
            let (columns, include, using_index) = self.key_columns()?;
            TableConstraintKind::Unique { columns, include, nulls_not_distinct, using_index }
        } else if self.eat_words(&["foreign", "key"]) {
            let columns = self.column_list()?;
            self.expect_word("references")?;
            TableConstraintKind::ForeignKey { columns, references: self.references()? }
        } else if self.eat_words(&["not", "null"]) {
            TableConstraintKind::NotNull(self.identifier()?)
        } else if self.is_word("exclude") {
            return Err(Error::unsupported("exclusion constraints"));
        } else {
            return Err(self.unexpected());
        };
        let timing = self.timing()?;
        Ok(TableConstraint { name, kind, timing, position })
    }

    #[allow(clippy::type_complexity)]
    fn key_columns(&mut self) -> Result<(Vec<String>, Vec<String>, Option<String>)> {
        if self.eat_words(&["using", "index"]) {
            return Ok((Vec::new(), Vec::new(), Some(self.identifier()?)));
        }
        let columns = self.column_list()?;
        let include = if self.eat_word("include") { self.column_list()? } else { Vec::new() };
        self.index_parameters()?;
        Ok((columns, include, None))
    }

    /// ALTER TABLE (and INDEX, VIEW, SEQUENCE where the actions are shared); the kind's words are consumed.
    pub(super) fn alter_table(&mut self, kind: ObjectKind) -> Result<Statement> {
        let if_exists = self.if_exists();
        self.eat_word("only");
        let name = self.name()?;
        self.eat_op("*");
        if self.eat_word("rename") {
            return self.rename_tail(kind, name, if_exists);
        }
        let actions = self.comma_list(Self::alter_action)?;
        Ok(Statement::AlterTable(Box::new(AlterTable { kind, name, if_exists, actions })))
    }

    pub(super) fn rename_tail(&mut self, kind: ObjectKind, name: Name, if_exists: bool) -> Result<Statement> {
        let part = if self.eat_word("to") {
            let to = self.identifier()?;
            return Ok(Statement::Rename(Rename { kind, name, part: None, to, if_exists }));
        } else if self.eat_word("constraint") {
            (RenamePart::Constraint, self.identifier()?)
        } else if self.eat_word("attribute") {
            (RenamePart::Attribute, self.identifier()?)
        } else {
            self.eat_word("column");
            (RenamePart::Column, self.identifier()?)
        };
        self.expect_word("to")?;
        let to = self.identifier()?;
        Ok(Statement::Rename(Rename { kind, name, part: Some(part), to, if_exists }))
    }

    fn alter_action(&mut self) -> Result<AlterAction> {
        if self.eat_word("add") {
            if self.at_table_constraint() || self.are_words(&["not", "null"]) {
                return Ok(AlterAction::AddConstraint(self.table_constraint()?));
            }
            self.eat_word("column");
            let if_not_exists = self.if_not_exists();
            return Ok(AlterAction::AddColumn { column: self.column_def()?, if_not_exists });
        }
        if self.eat_word("drop") {
            if self.eat_word("constraint") {
                let if_exists = self.if_exists();
                let name = self.identifier()?;
                return Ok(AlterAction::DropConstraint { name, if_exists, cascade: self.cascade() });
            }
            self.eat_word("column");
            let if_exists = self.if_exists();
            let name = self.identifier()?;
            return Ok(AlterAction::DropColumn { name, if_exists, cascade: self.cascade() });
        }
        if self.eat_word("alter") {
            if self.eat_word("constraint") {
                let name = self.identifier()?;
                return Ok(AlterAction::AlterConstraint { name, timing: self.timing()? });
            }
            self.eat_word("column");
            let column = self.identifier()?;
            return self.alter_column(column);
        }
        if self.eat_words(&["validate", "constraint"]) {
            return Ok(AlterAction::ValidateConstraint { name: self.identifier()? });
        }
        if self.eat_words(&["owner", "to"]) {
            return Ok(AlterAction::OwnerTo(self.role_spec()?));
        }
        if self.eat_words(&["set", "schema"]) {
            return Ok(AlterAction::SetSchema(self.identifier()?));
        }
        if self.eat_words(&["set", "logged"]) {
            return Ok(AlterAction::SetLogged(true));
        }
        if self.eat_words(&["set", "unlogged"]) {
            return Ok(AlterAction::SetLogged(false));
        }
        if self.is_word("set") && self.punct_at(1, "(") {
            self.advance();
            return Ok(AlterAction::SetOptions(self.storage_options()?));
        }
        if self.is_word("reset") && self.punct_at(1, "(") {
            self.advance();
            let position = self.position();
            let options = self.storage_option_list()?;
            if options.iter().any(|(_, value)| value.is_some()) {
                return Err(error!(SYNTAX_ERROR, "RESET must not include values for parameters").at(position));
            }
            return Ok(AlterAction::ResetOptions(options.into_iter().map(|(name, _)| name).collect()));
        }
        self.rest_of_action()
    }

    /// Words of an action that OmenDB does not do, up to a comma.
    fn rest_of_action(&mut self) -> Result<AlterAction> {
        let mark = self.mark();
        let known = ["attach", "detach", "enable", "disable", "force", "no", "inherit", "replica", "cluster", "set"];
        if !known.iter().any(|w| self.is_word(w)) {
            return Err(self.unexpected());
        }
        while !self.at_statement_end() && !self.is_punct(",") {
            self.advance();
        }
        Ok(AlterAction::Unsupported(format!("ALTER TABLE {}", self.text_since(mark))))
    }

    fn alter_column(&mut self, column: String) -> Result<AlterAction> {
        if self.eat_words(&["set", "default"]) {
            return Ok(AlterAction::SetDefault { column, default: Some(self.expr()?) });
        }
        if self.eat_words(&["drop", "default"]) {
            return Ok(AlterAction::SetDefault { column, default: None });
        }
        if self.eat_words(&["set", "not", "null"]) {
            return Ok(AlterAction::SetNotNull { column, not_null: true });
        }
        if self.eat_words(&["drop", "not", "null"]) {
            return Ok(AlterAction::SetNotNull { column, not_null: false });
        }
        if self.eat_words(&["set", "storage"]) {
            return Ok(AlterAction::SetStorage { column, storage: self.label()? });
        }
        if self.eat_words(&["set", "statistics"]) {
            let target = if self.eat_word("default") { -1 } else { self.integer()? };
            return Ok(AlterAction::SetStatistics { column, target: i16::try_from(target).unwrap_or(10_000) });
        }
        if self.eat_words(&["drop", "identity"]) {
            return Ok(AlterAction::DropIdentity { column, if_exists: self.if_exists() });
        }
        if self.eat_words(&["drop", "expression"]) {
            return Ok(AlterAction::DropExpression { column, if_exists: self.if_exists() });
        }
        if self.eat_words(&["add", "generated"]) {
            return match self.generated()? {
                ColumnConstraintKind::Identity { always, options } => {
                    Ok(AlterAction::AddIdentity { column, always, options })
                }
                _ => Err(self.unexpected()),
            };
        }
        if self.eat_words(&["set", "generated"]) {
            let always = if self.eat_word("always") {
                true
            } else {
                self.expect_words(&["by", "default"])?;
                false
            };
            return Ok(AlterAction::SetIdentity { column, always: Some(always), options: Vec::new() });
        }
        if self.is_word("restart") {
            let options = self.sequence_options()?;
            return Ok(AlterAction::SetIdentity { column, always: None, options });
        }
        if self.eat_words(&["set", "data", "type"]) || self.eat_word("type") {
            let ty = self.type_name()?;
            if self.eat_word("collate") {
                self.name()?;
            }
            let using = if self.eat_word("using") { Some(self.expr()?) } else { None };
            return Ok(AlterAction::SetType { column, ty, using });
        }
        self.rest_of_action()
    }

    /// CREATE \[UNIQUE\] INDEX; INDEX is consumed.
    pub(super) fn create_index(&mut self, unique: bool) -> Result<Statement> {
        let concurrently = self.eat_word("concurrently");
        let if_not_exists = self.if_not_exists();
        let name = if self.is_word("on") { None } else { Some(self.identifier()?) };
        self.expect_word("on")?;
        self.eat_word("only");
        let table = self.name()?;
        let method = if self.eat_word("using") { self.identifier()? } else { "btree".into() };
        let keys = self.paren_list(Self::index_element)?;
        let include = if self.eat_word("include") { self.paren_list(Self::index_element)? } else { Vec::new() };
        let nulls_not_distinct = self.nulls_not_distinct()?;
        let options = if self.eat_word("with") { self.storage_options()? } else { Vec::new() };
        if self.eat_word("tablespace") {
            self.identifier()?;
        }
        let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
        Ok(Statement::CreateIndex(Box::new(CreateIndex {
            name,
            if_not_exists,
            unique,
            concurrently,
            table,
            method,
            keys,
            include,
            nulls_not_distinct,
            options,
            filter,
        })))
    }

    fn index_element(&mut self) -> Result<IndexElement> {
        let expr = if self.is_punct("(") {
            self.advance();
            let expr = self.expr()?;
            self.expect_punct(")")?;
            expr
        } else {
            self.primary_only()?
        };
        let collation = if self.eat_word("collate") { Some(self.name()?) } else { None };
        let mut opclass_options = Vec::new();
        let opclass = if self.at_identifier() && !self.is_word("asc") && !self.is_word("desc") && !self.is_word("nulls")
        {
            let name = self.name()?;
            if self.is_punct("(") {
                opclass_options = self.storage_options()?;
            }
            Some(name)
        } else {
            None
        };
        let ordered = self.is_word("asc") || self.is_word("desc");
        let mut order = OrderItem { expr, descending: false, nulls_first: None, using: None };
        self.order_direction(&mut order)?;
        Ok(IndexElement { order, ordered, collation, opclass, opclass_options })
    }

    /// Reads the rest of the statement and reports the feature.
    pub(super) fn unsupported(&mut self, feature: &str) -> Result<Statement> {
        while !self.at_statement_end() {
            self.advance();
        }
        Ok(Statement::Unsupported { feature: feature.into() })
    }
}

//! CREATE, ALTER, DROP of everything but tables: schemas, sequences, types, views, roles, databases, extensions.

use super::cursor::Parser;
use super::lexer::TokenKind;
use crate::error::Result;
use crate::sql::ast::{
    AlterExtension, AlterSequence, AlterType, Comment, CreateDomain, CreateExtension, CreateRole, CreateSchema,
    CreateSequence, CreateType, CreateTypeKind, CreateView, Drop, ExtensionAction, Name, ObjectKind, RoleOption,
    SequenceOption, Statement, Truncate,
};

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Result<Statement> {
        self.expect_word("create")?;
        let or_replace = self.eat_words(&["or", "replace"]);
        let local = self.eat_any(&["local", "global"]).is_some();
        let temporary = self.eat_any(&["temporary", "temp"]).is_some();
        if local && !temporary {
            return Err(self.unexpected());
        }
        let unlogged = self.eat_word("unlogged");
        if self.eat_word("table") {
            return self.create_table(temporary, unlogged);
        }
        if self.eat_word("sequence") {
            let if_not_exists = self.if_not_exists();
            let name = self.name()?;
            let options = self.sequence_options()?;
            return Ok(Statement::CreateSequence(Box::new(CreateSequence { name, if_not_exists, temporary, options })));
        }
        if self.is_word("view") || self.are_words(&["recursive", "view"]) {
            return self.create_view(or_replace, temporary, false);
        }
        if self.eat_words(&["materialized", "view"]) {
            return self.create_view(or_replace, temporary, true);
        }
        if self.eat_words(&["unique", "index"]) {
            return self.create_index(true);
        }
        let TokenKind::Word { text, .. } = self.ahead(0).clone() else { return Err(self.unexpected()) };
        match text.as_str() {
            "index" => {
                self.advance();
                self.create_index(false)
            }
            "schema" => self.create_schema(),
            "type" => self.create_type(),
            "domain" => self.create_domain(),
            "extension" => self.create_extension(),
            "database" => {
                self.advance();
                let name = self.identifier()?;
                let options = self.database_options()?;
                Ok(Statement::CreateDatabase { name, options })
            }
            "role" | "user" | "group" => {
                self.advance();
                if self.is_word("mapping") {
                    return self.unsupported("CREATE USER MAPPING");
                }
                let mut role = self.role_tail()?;
                if text == "user" && !role.options.iter().any(|o| matches!(o, RoleOption::Flag(f, _) if f == "login")) {
                    role.options.insert(0, RoleOption::Flag("login".into(), true));
                }
                Ok(Statement::CreateRole(role))
            }
            "function" | "procedure" | "trigger" | "rule" | "aggregate" | "operator" | "cast" | "collation"
            | "conversion" | "policy" | "publication" | "subscription" | "server" | "foreign" | "statistics"
            | "language" | "event" | "transform" | "access" | "tablespace" | "text" | "constraint" | "trusted"
            | "procedural" => self.unsupported(&format!("CREATE {}", text.to_uppercase())),
            _ => Err(self.unexpected()),
        }
    }

    fn create_view(&mut self, or_replace: bool, temporary: bool, materialized: bool) -> Result<Statement> {
        if self.eat_word("recursive") {
            return self.unsupported("CREATE RECURSIVE VIEW");
        }
        if !materialized {
            self.expect_word("view")?;
        }
        let if_not_exists = self.if_not_exists();
        let name = self.name()?;
        let columns = if self.is_punct("(") { self.column_list()? } else { Vec::new() };
        if self.eat_word("with") {
            self.storage_options()?;
        }
        self.expect_word("as")?;
        let mark = self.mark();
        let query = self.query()?;
        let text = self.text_since(mark).to_string();
        let with_data = self.with_data()?;
        if self.is_word("with") {
            return self.unsupported("WITH CHECK OPTION");
        }
        Ok(Statement::CreateView(Box::new(CreateView {
            name,
            or_replace,
            temporary,
            materialized,
            if_not_exists,
            columns,
            query,
            text,
            with_data,
        })))
    }

    fn create_schema(&mut self) -> Result<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists();
        let name = if self.is_word("authorization") { None } else { Some(self.identifier()?) };
        let owner = if self.eat_word("authorization") { Some(self.role_spec()?) } else { None };
        let Some(name) = name.or_else(|| owner.clone()) else { return Err(self.unexpected()) };
        if !self.at_statement_end() {
            return self.unsupported("CREATE SCHEMA with schema elements");
        }
        Ok(Statement::CreateSchema(CreateSchema { name, if_not_exists, owner }))
    }

    fn create_type(&mut self) -> Result<Statement> {
        self.advance();
        let name = self.name()?;
        self.expect_word("as")?;
        if self.eat_word("enum") {
            self.expect_punct("(")?;
            let labels = if self.is_punct(")") { Vec::new() } else { self.comma_list(Self::string)? };
            self.expect_punct(")")?;
            return Ok(Statement::CreateType(CreateType { name, kind: CreateTypeKind::Enum(labels) }));
        }
        if self.is_word("range") {
            return self.unsupported("CREATE TYPE AS RANGE");
        }
        self.expect_punct("(")?;
        let mut fields = Vec::new();
        if !self.is_punct(")") {
            fields = self.comma_list(|p| {
                let field = p.identifier()?;
                Ok((field, p.type_name()?))
            })?;
        }
        self.expect_punct(")")?;
        Ok(Statement::CreateType(CreateType { name, kind: CreateTypeKind::Composite(fields) }))
    }

    fn create_domain(&mut self) -> Result<Statement> {
        self.advance();
        let name = self.name()?;
        self.eat_word("as");
        let base = self.type_name()?;
        let mut domain = CreateDomain { name, base, default: None, not_null: false, checks: Vec::new() };
        loop {
            let constraint = if self.eat_word("constraint") { Some(self.identifier()?) } else { None };
            if self.eat_words(&["not", "null"]) {
                domain.not_null = true;
            } else if self.eat_word("null") {
                domain.not_null = false;
            } else if self.eat_word("default") {
                domain.default = Some(self.expr_from(4)?);
            } else if self.eat_word("check") {
                self.expect_punct("(")?;
                domain.checks.push((constraint, self.expr()?));
                self.expect_punct(")")?;
            } else if self.eat_word("collate") {
                self.name()?;
            } else {
                return Ok(Statement::CreateDomain(domain));
            }
        }
    }

    fn create_extension(&mut self) -> Result<Statement> {
        self.advance();
        let if_not_exists = self.if_not_exists();
        let name = self.identifier()?;
        let mut extension = CreateExtension { name, if_not_exists, schema: None, version: None };
        self.eat_word("with");
        loop {
            if self.eat_word("schema") {
                extension.schema = Some(self.identifier()?);
            } else if self.eat_word("version") {
                extension.version = Some(self.option_value()?);
            } else if !self.eat_word("cascade") {
                return Ok(Statement::CreateExtension(extension));
            }
        }
    }

    fn database_options(&mut self) -> Result<Vec<(String, String)>> {
        self.eat_word("with");
        let mut options = Vec::new();
        while !self.at_statement_end() {
            let mut name = self.label()?;
            if name == "connection" {
                self.expect_word("limit")?;
                name = "connection_limit".into();
            }
            self.eat_op("=");
            options.push((name, self.option_value()?));
        }
        Ok(options)
    }

    pub(super) fn sequence_options(&mut self) -> Result<Vec<SequenceOption>> {
        let mut options = Vec::new();
        loop {
            let option = if self.eat_word("as") {
                SequenceOption::Type(self.type_name()?)
            } else if self.eat_word("increment") {
                self.eat_word("by");
                SequenceOption::Increment(self.integer()?)
            } else if self.eat_word("minvalue") {
                SequenceOption::Min(Some(self.integer()?))
            } else if self.eat_word("maxvalue") {
                SequenceOption::Max(Some(self.integer()?))
            } else if self.eat_words(&["no", "minvalue"]) {
                SequenceOption::Min(None)
            } else if self.eat_words(&["no", "maxvalue"]) {
                SequenceOption::Max(None)
            } else if self.eat_words(&["no", "cycle"]) {
                SequenceOption::Cycle(false)
            } else if self.eat_word("cycle") {
                SequenceOption::Cycle(true)
            } else if self.eat_word("start") {
                self.eat_word("with");
                SequenceOption::Start(self.integer()?)
            } else if self.eat_word("restart") {
                self.eat_word("with");
                let value = if matches!(self.ahead(0), TokenKind::Number(_) | TokenKind::Op(_)) {
                    Some(self.integer()?)
                } else {
                    None
                };
                SequenceOption::Restart(value)
            } else if self.eat_word("cache") {
                SequenceOption::Cache(self.integer()?)
            } else if self.eat_words(&["owned", "by"]) {
                let name = if self.eat_word("none") { None } else { Some(self.name()?) };
                SequenceOption::OwnedBy(name)
            } else if self.eat_words(&["sequence", "name"]) {
                SequenceOption::SequenceName(self.name()?)
            } else {
                return Ok(options);
            };
            options.push(option);
        }
    }

    /// A role's name, or the word for the session's own.
    fn role_name(&mut self) -> Result<String> {
        let own = ["current_user", "current_role", "session_user"];
        if own.iter().any(|word| self.is_word(word)) { self.label() } else { self.identifier() }
    }

    fn role_tail(&mut self) -> Result<CreateRole> {
        let name = self.role_name()?;
        self.eat_word("with");
        let mut options = Vec::new();
        while !self.at_statement_end() {
            options.push(self.role_option()?);
        }
        Ok(CreateRole { name, options })
    }

    fn role_option(&mut self) -> Result<RoleOption> {
        const FLAGS: &[&str] = &["superuser", "createdb", "createrole", "login", "inherit", "replication", "bypassrls"];
        self.eat_word("encrypted");
        let mark = self.mark();
        let word = self.label()?;
        if FLAGS.contains(&word.as_str()) {
            return Ok(RoleOption::Flag(word, true));
        }
        if let Some(flag) = word.strip_prefix("no").filter(|flag| FLAGS.contains(flag)) {
            return Ok(RoleOption::Flag(flag.into(), false));
        }
        match word.as_str() {
            "password" => Ok(RoleOption::Password(if self.eat_word("null") { None } else { Some(self.string()?) })),
            "connection" => {
                self.expect_word("limit")?;
                Ok(RoleOption::ConnectionLimit(i32::try_from(self.integer()?).unwrap_or(-1)))
            }
            "valid" => {
                self.expect_word("until")?;
                Ok(RoleOption::ValidUntil(self.string()?))
            }
            "in" => {
                if self.eat_any(&["role", "group"]).is_none() {
                    return Err(self.unexpected());
                }
                Ok(RoleOption::InRole(self.comma_list(Self::role_spec)?))
            }
            "role" | "user" => Ok(RoleOption::Role(self.comma_list(Self::role_spec)?)),
            "admin" => Ok(RoleOption::Admin(self.comma_list(Self::role_spec)?)),
            _ => {
                self.reset(mark);
                let word = self.label()?;
                Err(crate::error!(SYNTAX_ERROR, "unrecognized role option \"{word}\""))
            }
        }
    }

    pub(super) fn alter(&mut self) -> Result<Statement> {
        self.expect_word("alter")?;
        for (words, kind) in [
            (&["table"][..], ObjectKind::Table),
            (&["index"][..], ObjectKind::Index),
            (&["materialized", "view"][..], ObjectKind::MaterializedView),
            (&["view"][..], ObjectKind::View),
        ] {
            if self.eat_words(words) {
                return self.alter_table(kind);
            }
        }
        if self.eat_word("sequence") {
            return self.alter_sequence();
        }
        if self.eat_word("type") {
            return self.alter_type();
        }
        if self.eat_word("extension") {
            let name = self.identifier()?;
            let action = if self.eat_words(&["set", "schema"]) {
                ExtensionAction::SetSchema(self.identifier()?)
            } else {
                self.expect_word("update")?;
                ExtensionAction::Update(if self.eat_word("to") { Some(self.option_value()?) } else { None })
            };
            return Ok(Statement::AlterExtension(AlterExtension { name, action }));
        }
        if self.eat_any(&["role", "user", "group"]).is_some() {
            return self.alter_role();
        }
        if self.eat_word("database") {
            let name = self.identifier()?;
            if self.is_word("set") || self.is_word("reset") {
                let setting = self.set_or_reset()?;
                return Ok(Statement::AlterSetting { role: None, database: Some(name), setting });
            }
            if self.eat_words(&["rename", "to"]) {
                let to = self.identifier()?;
                return self.rename_to(ObjectKind::Database, Name::simple(name, 0), to);
            }
            if self.eat_words(&["owner", "to"]) {
                let owner = self.role_spec()?;
                return Ok(Statement::ChangeOwner { kind: ObjectKind::Database, name: Name::simple(name, 0), owner });
            }
            return self.unsupported("this form of ALTER DATABASE");
        }
        if self.eat_word("schema") {
            let name = self.name()?;
            if self.eat_words(&["rename", "to"]) {
                let to = self.identifier()?;
                return self.rename_to(ObjectKind::Schema, name, to);
            }
            if self.eat_words(&["owner", "to"]) {
                return Ok(Statement::ChangeOwner { kind: ObjectKind::Schema, name, owner: self.role_spec()? });
            }
            return Err(self.unexpected());
        }
        if self.eat_words(&["default", "privileges"]) {
            return self.alter_default_privileges();
        }
        match self.ahead(0).clone() {
            TokenKind::Word { text, .. } => self.unsupported(&format!("ALTER {}", text.to_uppercase())),
            _ => Err(self.unexpected()),
        }
    }

    fn rename_to(&mut self, kind: ObjectKind, name: Name, to: String) -> Result<Statement> {
        Ok(Statement::Rename(crate::sql::ast::Rename { kind, name, part: None, to, if_exists: false }))
    }

    fn alter_sequence(&mut self) -> Result<Statement> {
        let mark = self.mark();
        let if_exists = self.if_exists();
        let name = self.name()?;
        if self.is_word("rename") || self.is_word("owner") || self.is_word("set") {
            self.reset(mark);
            return self.alter_table(ObjectKind::Sequence);
        }
        let options = self.sequence_options()?;
        Ok(Statement::AlterSequence(Box::new(AlterSequence { name, if_exists, options })))
    }

    fn alter_type(&mut self) -> Result<Statement> {
        let name = self.name()?;
        if self.eat_words(&["add", "value"]) {
            let if_not_exists = self.if_not_exists();
            let label = self.string()?;
            let before = if self.eat_word("before") { Some(self.string()?) } else { None };
            let after = if self.eat_word("after") { Some(self.string()?) } else { None };
            return Ok(Statement::AlterType(AlterType::AddValue { name, label, if_not_exists, before, after }));
        }
        if self.eat_words(&["rename", "value"]) {
            let from = self.string()?;
            self.expect_word("to")?;
            return Ok(Statement::AlterType(AlterType::RenameValue { name, from, to: self.string()? }));
        }
        if self.eat_words(&["owner", "to"]) {
            return Ok(Statement::AlterType(AlterType::OwnerTo { name, owner: self.role_spec()? }));
        }
        if self.eat_words(&["set", "schema"]) {
            return Ok(Statement::AlterType(AlterType::SetSchema { name, schema: self.identifier()? }));
        }
        if self.eat_word("rename") {
            return self.rename_tail(ObjectKind::Type, name, false);
        }
        self.unsupported("this form of ALTER TYPE")
    }

    fn alter_role(&mut self) -> Result<Statement> {
        let mark = self.mark();
        let name = self.role_name()?;
        let database = if self.eat_words(&["in", "database"]) { Some(self.identifier()?) } else { None };
        if self.is_word("set") || self.is_word("reset") {
            let setting = self.set_or_reset()?;
            let role = (name != "all").then_some(name);
            return Ok(Statement::AlterSetting { role, database, setting });
        }
        if self.eat_words(&["rename", "to"]) {
            let to = self.identifier()?;
            return self.rename_to(ObjectKind::Role, Name::simple(name, 0), to);
        }
        self.reset(mark);
        self.role_tail().map(Statement::AlterRole)
    }

    /// Words naming a kind of object, as DROP and COMMENT ON use them.
    pub(super) fn object_kind(&mut self) -> Option<ObjectKind> {
        let kinds: &[(&[&str], ObjectKind)] = &[
            (&["materialized", "view"], ObjectKind::MaterializedView),
            (&["table"], ObjectKind::Table),
            (&["index"], ObjectKind::Index),
            (&["sequence"], ObjectKind::Sequence),
            (&["view"], ObjectKind::View),
            (&["schema"], ObjectKind::Schema),
            (&["type"], ObjectKind::Type),
            (&["domain"], ObjectKind::Domain),
            (&["extension"], ObjectKind::Extension),
            (&["database"], ObjectKind::Database),
            (&["role"], ObjectKind::Role),
            (&["user"], ObjectKind::Role),
            (&["group"], ObjectKind::Role),
            (&["column"], ObjectKind::Column),
            (&["constraint"], ObjectKind::Constraint),
            (&["function"], ObjectKind::Function),
        ];
        kinds.iter().find(|(words, _)| self.eat_words(words)).map(|(_, kind)| *kind)
    }

    pub(super) fn drop_statement(&mut self) -> Result<Statement> {
        self.expect_word("drop")?;
        if self.is_word("owned") {
            return self.belongings(false);
        }
        let Some(kind) = self.object_kind() else {
            return match self.ahead(0).clone() {
                TokenKind::Word { text, .. } => self.unsupported(&format!("DROP {}", text.to_uppercase())),
                _ => Err(self.unexpected()),
            };
        };
        if kind == ObjectKind::Function {
            return self.unsupported("DROP FUNCTION");
        }
        let concurrently = kind == ObjectKind::Index && self.eat_word("concurrently");
        let if_exists = self.if_exists();
        let names = self.comma_list(Self::name)?;
        if kind == ObjectKind::Database && self.eat_word("with") {
            self.storage_options()?;
        }
        let cascade = self.cascade();
        Ok(Statement::Drop(Drop { kind, names, if_exists, cascade, concurrently }))
    }

    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.expect_word("truncate")?;
        self.eat_word("table");
        let tables = self.comma_list(|p| {
            p.eat_word("only");
            let name = p.name()?;
            p.eat_op("*");
            Ok(name)
        })?;
        let restart_identity = self.eat_words(&["restart", "identity"]);
        self.eat_words(&["continue", "identity"]);
        let cascade = self.cascade();
        Ok(Statement::Truncate(Truncate { tables, restart_identity, cascade }))
    }

    pub(super) fn comment(&mut self) -> Result<Statement> {
        self.expect_words(&["comment", "on"])?;
        let Some(kind) = self.object_kind() else { return self.unsupported("COMMENT ON this kind of object") };
        if kind == ObjectKind::Function {
            return self.unsupported("COMMENT ON FUNCTION");
        }
        let name = self.name()?;
        let on = if kind == ObjectKind::Constraint {
            self.expect_word("on")?;
            self.eat_word("domain");
            Some(self.name()?)
        } else {
            None
        };
        self.expect_word("is")?;
        let text = if self.eat_word("null") { None } else { Some(self.string()?) };
        Ok(Statement::Comment(Comment { kind, name, on, text }))
    }
}

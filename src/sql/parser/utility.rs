//! Transactions, settings, cursors, prepared statements, COPY, EXPLAIN, maintenance.

use super::cursor::Parser;
use super::lexer::TokenKind;
use crate::error;
use crate::error::Result;
use crate::sql::ast::{
    Copy, CopySource, CopyTarget, CopyValue, DeclareCursor, DiscardTarget, Explain, Fetch, FetchDirection, Reindex,
    ReindexTarget, SetStatement, SetValue, Statement, TransactionModes, TransactionStatement,
};
use crate::types::boolean;

impl Parser<'_> {
    /// BEGIN, START, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, PREPARE TRANSACTION.
    pub(super) fn transaction(&mut self) -> Result<Statement> {
        let TokenKind::Word { text, .. } = self.advance() else { return Err(self.unexpected()) };
        let block = |p: &mut Self| {
            let _ = p.eat_any(&["work", "transaction"]);
        };
        let statement = match text.as_str() {
            "begin" => {
                block(self);
                TransactionStatement::Begin(self.transaction_modes()?)
            }
            "start" => {
                self.expect_word("transaction")?;
                TransactionStatement::Start(self.transaction_modes()?)
            }
            "commit" | "end" => {
                if self.eat_word("prepared") {
                    TransactionStatement::CommitPrepared(self.string()?)
                } else {
                    block(self);
                    TransactionStatement::Commit { chain: self.chain()? }
                }
            }
            "rollback" | "abort" => {
                if self.eat_word("prepared") {
                    return Ok(Statement::Transaction(TransactionStatement::RollbackPrepared(self.string()?)));
                }
                block(self);
                if self.eat_word("to") {
                    self.eat_word("savepoint");
                    TransactionStatement::RollbackTo(self.identifier()?)
                } else {
                    TransactionStatement::Rollback { chain: self.chain()? }
                }
            }
            "savepoint" => TransactionStatement::Savepoint(self.identifier()?),
            "release" => {
                self.eat_word("savepoint");
                TransactionStatement::Release(self.identifier()?)
            }
            _ => return Err(self.unexpected()),
        };
        Ok(Statement::Transaction(statement))
    }

    fn chain(&mut self) -> Result<bool> {
        if !self.eat_word("and") {
            return Ok(false);
        }
        let chain = !self.eat_word("no");
        self.expect_word("chain")?;
        Ok(chain)
    }

    pub(super) fn transaction_modes(&mut self) -> Result<TransactionModes> {
        let mut modes = TransactionModes::default();
        loop {
            if self.eat_words(&["isolation", "level"]) {
                let level = [["read", "committed"], ["repeatable", "read"], ["read", "uncommitted"]]
                    .iter()
                    .find(|words| self.eat_words(&words[..]))
                    .map(|words| words.join(" "));
                modes.isolation = Some(match level {
                    Some(level) => level,
                    None => {
                        self.expect_word("serializable")?;
                        "serializable".into()
                    }
                });
            } else if self.eat_words(&["read", "only"]) {
                modes.read_only = Some(true);
            } else if self.eat_words(&["read", "write"]) {
                modes.read_only = Some(false);
            } else if self.eat_word("deferrable") {
                modes.deferrable = Some(true);
            } else if self.eat_words(&["not", "deferrable"]) {
                modes.deferrable = Some(false);
            } else if self.at_statement_end() {
                return Ok(modes);
            } else {
                return Err(self.unexpected());
            }
            self.eat_punct(",");
        }
    }

    /// SET or RESET.
    pub(super) fn set_or_reset(&mut self) -> Result<SetStatement> {
        match self.set_statement()? {
            Statement::Set(set) => Ok(set),
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn set_statement(&mut self) -> Result<Statement> {
        if self.eat_word("reset") {
            let name = self.setting_name()?;
            return Ok(Statement::Set(SetStatement { name, value: SetValue::Default, local: false, reset: true }));
        }
        self.expect_word("set")?;
        if self.eat_words(&["session", "characteristics", "as", "transaction"]) {
            let modes = self.transaction_modes()?;
            return Ok(Statement::Transaction(TransactionStatement::SetSessionModes(modes)));
        }
        if self.are_words(&["transaction"]) && !self.word_at(1, "to") && !matches!(self.ahead(1), TokenKind::Op(_)) {
            self.advance();
            if self.is_word("snapshot") {
                return self.unsupported("SET TRANSACTION SNAPSHOT");
            }
            return Ok(Statement::Transaction(TransactionStatement::SetModes(self.transaction_modes()?)));
        }
        if self.eat_word("constraints") {
            return self.set_constraints();
        }
        let local = self.eat_word("local");
        if !local && self.is_word("session") && !self.punct_at(1, ".") {
            self.advance();
        }
        if self.are_words(&["transaction"]) && local {
            return Err(self.unexpected());
        }
        if self.eat_words(&["time", "zone"]) {
            let value = self.time_zone_value()?;
            return Ok(Statement::Set(SetStatement { name: "timezone".into(), value, local, reset: false }));
        }
        if self.eat_word("names") {
            let value =
                if self.at_statement_end() { SetValue::Default } else { SetValue::Values(vec![self.option_value()?]) };
            return Ok(Statement::Set(SetStatement { name: "client_encoding".into(), value, local, reset: false }));
        }
        if self.eat_word("schema") {
            let value = SetValue::Values(vec![self.string()?]);
            return Ok(Statement::Set(SetStatement { name: "search_path".into(), value, local, reset: false }));
        }
        if self.eat_words(&["session", "authorization"]) || self.eat_word("authorization") {
            let value = self.set_value()?;
            return Ok(Statement::Set(SetStatement {
                name: "session_authorization".into(),
                value,
                local,
                reset: false,
            }));
        }
        if self.is_word("role") && !self.word_at(1, "to") && !matches!(self.ahead(1), TokenKind::Op(_)) {
            self.advance();
            let value = self.set_value()?;
            return Ok(Statement::Set(SetStatement { name: "role".into(), value, local, reset: false }));
        }
        let name = self.setting_name()?;
        if !self.eat_op("=") {
            self.expect_word("to")?;
        }
        let value = self.set_value()?;
        Ok(Statement::Set(SetStatement { name, value, local, reset: false }))
    }

    /// SET CONSTRAINTS as the setting `constraints`.
    fn set_constraints(&mut self) -> Result<Statement> {
        let mut values = Vec::new();
        if self.eat_word("all") {
            values.push("all".to_string());
        } else {
            values.extend(self.comma_list(Self::name)?.iter().map(ToString::to_string));
        }
        let Some(mode) = self.eat_any(&["deferred", "immediate"]) else { return Err(self.unexpected()) };
        values.insert(0, mode.into());
        Ok(Statement::Set(SetStatement {
            name: "constraints".into(),
            value: SetValue::Values(values),
            local: true,
            reset: false,
        }))
    }

    fn setting_name(&mut self) -> Result<String> {
        let mut name = self.label()?;
        while self.eat_punct(".") {
            name.push('.');
            name.push_str(&self.label()?);
        }
        if name == "time" && self.eat_word("zone") {
            name = "timezone".into();
        }
        if name == "transaction" && self.eat_words(&["isolation", "level"]) {
            name = "transaction_isolation".into();
        }
        if name == "session" && self.eat_word("authorization") {
            name = "session_authorization".into();
        }
        Ok(name)
    }

    fn set_value(&mut self) -> Result<SetValue> {
        if self.eat_word("default") {
            return Ok(SetValue::Default);
        }
        Ok(SetValue::Values(self.comma_list(|p| {
            p.eat_op("+");
            p.option_value()
        })?))
    }

    fn time_zone_value(&mut self) -> Result<SetValue> {
        if self.eat_word("local") || self.eat_word("default") {
            return Ok(SetValue::Default);
        }
        if self.eat_word("interval") {
            let text = self.string()?;
            let text = text.strip_suffix(":00").unwrap_or(&text).to_owned();
            while !self.at_statement_end() {
                self.advance();
            }
            // An interval means hours east of UTC; POSIX zone names count west, so the sign turns.
            let flipped = match text.strip_prefix('-') {
                Some(rest) => format!("+{rest}"),
                None => format!("-{}", text.trim_start_matches('+')),
            };
            return Ok(SetValue::Values(vec![format!("<{text}>{flipped}")]));
        }
        Ok(SetValue::Values(vec![self.option_value()?]))
    }

    pub(super) fn show(&mut self) -> Result<Statement> {
        self.expect_word("show")?;
        Ok(Statement::Show { name: self.setting_name()? })
    }

    pub(super) fn discard(&mut self) -> Result<Statement> {
        self.expect_word("discard")?;
        Ok(Statement::Discard(match self.eat_any(&["all", "plans", "sequences", "temp", "temporary"]) {
            Some("all") => DiscardTarget::All,
            Some("plans") => DiscardTarget::Plans,
            Some("sequences") => DiscardTarget::Sequences,
            Some(_) => DiscardTarget::Temp,
            None => return Err(self.unexpected()),
        }))
    }

    pub(super) fn prepare(&mut self) -> Result<Statement> {
        self.expect_word("prepare")?;
        if self.is_word("transaction") && matches!(self.ahead(1), TokenKind::String(_)) {
            self.advance();
            return Ok(Statement::Transaction(TransactionStatement::Prepare(self.string()?)));
        }
        let name = self.identifier()?;
        let types = if self.is_punct("(") { self.paren_list(Self::type_name)? } else { Vec::new() };
        self.expect_word("as")?;
        let statement = Box::new(self.plannable()?);
        Ok(Statement::Prepare { name, types, statement })
    }

    pub(super) fn execute(&mut self) -> Result<Statement> {
        self.expect_word("execute")?;
        let name = self.identifier()?;
        let args = if self.is_punct("(") { self.paren_list(Self::expr)? } else { Vec::new() };
        Ok(Statement::Execute { name, args })
    }

    pub(super) fn deallocate(&mut self) -> Result<Statement> {
        self.expect_word("deallocate")?;
        self.eat_word("prepare");
        let name = if self.eat_word("all") { None } else { Some(self.identifier()?) };
        Ok(Statement::Deallocate { name })
    }

    pub(super) fn declare(&mut self) -> Result<Statement> {
        self.expect_word("declare")?;
        let name = self.identifier()?;
        let mut cursor =
            DeclareCursor { name, binary: false, scroll: None, hold: false, query: crate::sql::ast::Query::default() };
        loop {
            if self.eat_word("binary") {
                cursor.binary = true;
            } else if self.eat_word("scroll") {
                cursor.scroll = Some(true);
            } else if self.eat_words(&["no", "scroll"]) {
                cursor.scroll = Some(false);
            } else if self.eat_any(&["insensitive", "asensitive"]).is_none() {
                break;
            }
        }
        self.expect_word("cursor")?;
        if self.eat_words(&["with", "hold"]) {
            cursor.hold = true;
        } else {
            self.eat_words(&["without", "hold"]);
        }
        self.expect_word("for")?;
        cursor.query = self.query()?;
        Ok(Statement::DeclareCursor(Box::new(cursor)))
    }

    pub(super) fn fetch(&mut self, is_move: bool) -> Result<Statement> {
        self.advance();
        let direction = self.fetch_direction()?;
        let _ = self.eat_any(&["from", "in"]);
        let cursor = self.identifier()?;
        Ok(Statement::Fetch(Fetch { cursor, direction, is_move }))
    }

    fn fetch_direction(&mut self) -> Result<FetchDirection> {
        let counted = |p: &mut Self| -> Result<i64> {
            if p.eat_word("all") {
                return Ok(i64::MAX);
            }
            if matches!(p.ahead(0), TokenKind::Number(_) | TokenKind::Op(_)) { p.integer() } else { Ok(1) }
        };
        let direction =
            self.eat_any(&["next", "prior", "first", "last", "absolute", "relative", "forward", "backward", "all"]);
        Ok(match direction {
            Some("prior") => FetchDirection::Backward(1),
            Some("first") => FetchDirection::Absolute(1),
            Some("last") => FetchDirection::Absolute(-1),
            Some("absolute") => FetchDirection::Absolute(self.integer()?),
            Some("relative") => FetchDirection::Relative(self.integer()?),
            Some("forward") => FetchDirection::Forward(counted(self)?),
            Some("backward") => FetchDirection::Backward(counted(self)?),
            Some("all") => FetchDirection::Forward(i64::MAX),
            Some(_) => FetchDirection::Forward(1),
            None => FetchDirection::Forward(counted(self)?),
        })
    }

    pub(super) fn close(&mut self) -> Result<Statement> {
        self.expect_word("close")?;
        let name = if self.eat_word("all") { None } else { Some(self.identifier()?) };
        Ok(Statement::CloseCursor { name })
    }

    pub(super) fn lock_table(&mut self) -> Result<Statement> {
        self.expect_word("lock")?;
        self.eat_word("table");
        let tables = self.comma_list(|p| {
            p.eat_word("only");
            let name = p.name()?;
            p.eat_op("*");
            Ok(name)
        })?;
        let mut mode = "access exclusive".to_string();
        if self.eat_word("in") {
            let mark = self.mark();
            while !self.is_word("mode") && !self.at_statement_end() {
                self.advance();
            }
            mode = self.text_since(mark).to_lowercase();
            self.expect_word("mode")?;
        }
        let nowait = self.eat_word("nowait");
        Ok(Statement::LockTable { tables, mode, nowait })
    }

    pub(super) fn notify(&mut self) -> Result<Statement> {
        self.expect_word("notify")?;
        let channel = self.identifier()?;
        let payload = if self.eat_punct(",") { self.string()? } else { String::new() };
        Ok(Statement::Notify { channel, payload })
    }

    /// VACUUM and ANALYZE with any options.
    pub(super) fn vacuum(&mut self, analyze_only: bool) -> Result<Statement> {
        self.advance();
        if self.is_punct("(") {
            self.paren_list(|p| {
                p.label()?;
                if !p.is_punct(",") && !p.is_punct(")") {
                    p.option_value()?;
                }
                Ok(())
            })?;
        } else {
            while self.eat_any(&["full", "freeze", "verbose", "analyze", "analyse"]).is_some() {}
        }
        let mut tables = Vec::new();
        if !self.at_statement_end() {
            tables = self.comma_list(|p| {
                let name = p.name()?;
                if p.is_punct("(") {
                    p.column_list()?;
                }
                Ok(name)
            })?;
        }
        Ok(Statement::Vacuum { tables, analyze_only })
    }

    pub(super) fn reindex(&mut self) -> Result<Statement> {
        self.expect_word("reindex")?;
        let (mut concurrently, mut verbose, mut tablespace) = (false, false, None);
        if self.is_punct("(") {
            self.paren_list(|p| {
                let position = p.position();
                let name = p.label()?;
                match name.as_str() {
                    "verbose" => verbose = p.option_flag()?,
                    "concurrently" => concurrently = p.option_flag()?,
                    "tablespace" => tablespace = Some(p.option_value()?),
                    _ => return Err(error!(SYNTAX_ERROR, "unrecognized REINDEX option \"{name}\"").at(position)),
                }
                Ok(())
            })?;
        }
        let Some(kind) = self.eat_any(&["index", "table", "schema", "database", "system"]) else {
            return Err(self.unexpected());
        };
        concurrently |= self.eat_word("concurrently");
        let whole = |p: &mut Self| if p.at_statement_end() { Ok(None) } else { p.identifier().map(Some) };
        let target = match kind {
            "index" => ReindexTarget::Index(self.name()?),
            "table" => ReindexTarget::Table(self.name()?),
            "schema" => ReindexTarget::Schema(self.identifier()?),
            "database" => ReindexTarget::Database(whole(self)?),
            _ => ReindexTarget::System(whole(self)?),
        };
        Ok(Statement::Reindex(Reindex { target, concurrently, verbose, tablespace }))
    }

    /// The value of an option in parentheses that is on when there is none.
    fn option_flag(&mut self) -> Result<bool> {
        if self.is_punct(",") || self.is_punct(")") {
            return Ok(true);
        }
        let position = self.position();
        let text = self.option_value()?;
        boolean::parse(&text.to_ascii_lowercase())
            .ok_or_else(|| error!(SYNTAX_ERROR, "option requires a Boolean value").at(position))
    }

    /// CLUSTER, USING an index or as before.
    pub(super) fn cluster(&mut self) -> Result<Statement> {
        self.expect_word("cluster")?;
        self.eat_word("verbose");
        let table = if self.at_statement_end() { None } else { Some(self.name()?) };
        let index = if table.is_some() && self.eat_word("using") { Some(self.identifier()?) } else { None };
        Ok(Statement::Cluster { table, index })
    }

    pub(super) fn explain(&mut self) -> Result<Statement> {
        self.expect_word("explain")?;
        let mut explain = Explain {
            analyze: false,
            verbose: false,
            costs: true,
            timing: true,
            summary: None,
            buffers: false,
            format: "text".into(),
            statement: Box::new(Statement::Empty),
        };
        if self.is_punct("(") && !self.at_query() {
            self.advance();
            loop {
                self.explain_option(&mut explain)?;
                if !self.eat_punct(",") {
                    break;
                }
            }
            self.expect_punct(")")?;
        } else {
            explain.analyze = self.eat_any(&["analyze", "analyse"]).is_some();
            explain.verbose = self.eat_word("verbose");
        }
        explain.statement = Box::new(self.explainable()?);
        Ok(Statement::Explain(explain))
    }

    fn explain_option(&mut self, explain: &mut Explain) -> Result<()> {
        let position = self.position();
        let name = self.label()?;
        let value = if self.is_punct(",") || self.is_punct(")") { "true".to_string() } else { self.option_value()? };
        let on = match value.as_str() {
            "true" | "on" | "1" => true,
            "false" | "off" | "0" => false,
            _ if matches!(name.as_str(), "format" | "serialize") => true,
            _ => return Err(crate::error!(SYNTAX_ERROR, "{name} requires a Boolean value")),
        };
        match name.as_str() {
            "analyze" | "analyse" => explain.analyze = on,
            "verbose" => explain.verbose = on,
            "costs" => explain.costs = on,
            "timing" => explain.timing = on,
            "summary" => explain.summary = Some(on),
            "buffers" => explain.buffers = on,
            "settings" | "wal" | "generic_plan" | "memory" | "serialize" => {}
            "format" if value == "text" || value == "json" => explain.format = value,
            "format" if value == "xml" || value == "yaml" => {
                return Err(crate::error::Error::unsupported(format!("EXPLAIN FORMAT {value}")));
            }
            _ => {
                return Err(crate::error!(SYNTAX_ERROR, "unrecognized EXPLAIN option \"{name}\"").at(position));
            }
        }
        Ok(())
    }

    fn explainable(&mut self) -> Result<Statement> {
        if self.is_word("execute") {
            return self.execute();
        }
        if self.is_word("create") {
            return self.create();
        }
        if self.is_word("declare") {
            return self.declare();
        }
        self.plannable()
    }

    /// SELECT, VALUES, WITH, INSERT, UPDATE, DELETE.
    pub(super) fn plannable(&mut self) -> Result<Statement> {
        let with = if self.is_word("with") { Some(self.with_clause()?) } else { None };
        Ok(if self.is_word("insert") {
            Statement::Insert(Box::new(self.insert(with)?))
        } else if self.is_word("update") {
            Statement::Update(Box::new(self.update(with)?))
        } else if self.is_word("delete") {
            Statement::Delete(Box::new(self.delete(with)?))
        } else if self.is_word("merge") {
            return self.unsupported("MERGE");
        } else {
            Statement::Query(Box::new(self.query_after_with(with)?))
        })
    }

    pub(super) fn copy(&mut self) -> Result<Statement> {
        self.expect_word("copy")?;
        let binary = self.eat_word("binary");
        let source = if self.eat_punct("(") {
            let statement = self.plannable()?;
            self.expect_punct(")")?;
            CopySource::Query(Box::new(statement))
        } else {
            let name = self.name()?;
            let columns = if self.is_punct("(") { self.column_list()? } else { Vec::new() };
            CopySource::Table { name, columns }
        };
        let from = match self.eat_any(&["from", "to"]) {
            Some("from") if matches!(source, CopySource::Table { .. }) => true,
            Some("to") => false,
            _ => return Err(self.unexpected()),
        };
        let target = if self.eat_word("program") {
            CopyTarget::Program(self.string()?)
        } else if self.eat_any(&["stdin", "stdout"]).is_some() {
            CopyTarget::Stdio
        } else {
            CopyTarget::File(self.string()?)
        };
        let mut copy = Copy { source, from, target, options: Vec::new(), filter: None };
        if binary {
            copy.options.push(("format".into(), CopyValue::Text("binary".into())));
        }
        self.eat_word("with");
        if self.is_punct("(") {
            copy.options = self.paren_list(Self::copy_option)?;
        } else {
            self.copy_options_old(&mut copy.options)?;
        }
        if self.eat_word("where") {
            copy.filter = Some(self.expr()?);
        }
        Ok(Statement::Copy(Box::new(copy)))
    }

    fn copy_option(&mut self) -> Result<(String, CopyValue)> {
        let name = self.label()?;
        let value = if self.is_punct(",") || self.is_punct(")") {
            CopyValue::None
        } else if self.eat_op("*") {
            CopyValue::Star
        } else if self.is_punct("(") {
            CopyValue::Columns(self.column_list()?)
        } else {
            CopyValue::Text(self.option_value()?)
        };
        Ok((name, value))
    }

    /// Options as before PostgreSQL 9: words without parentheses.
    fn copy_options_old(&mut self, options: &mut Vec<(String, CopyValue)>) -> Result<()> {
        loop {
            if self.eat_word("binary") {
                options.push(("format".into(), CopyValue::Text("binary".into())));
            } else if self.eat_word("csv") {
                options.push(("format".into(), CopyValue::Text("csv".into())));
            } else if self.eat_word("freeze") {
                options.push(("freeze".into(), CopyValue::None));
            } else if self.eat_word("header") {
                options.push(("header".into(), CopyValue::None));
            } else if let Some(word) = self.eat_any(&["delimiter", "delimiters", "null", "quote", "escape", "encoding"])
            {
                self.eat_word("as");
                let name = if word == "delimiters" { "delimiter" } else { word };
                options.push((name.into(), CopyValue::Text(self.string()?)));
            } else if self.eat_word("force") {
                let name = if self.eat_word("quote") {
                    "force_quote"
                } else if self.eat_words(&["not", "null"]) {
                    "force_not_null"
                } else {
                    self.expect_word("null")?;
                    "force_null"
                };
                let value = if self.eat_op("*") {
                    CopyValue::Star
                } else {
                    CopyValue::Columns(self.comma_list(Self::identifier)?)
                };
                options.push((name.into(), value));
            } else {
                return Ok(());
            }
        }
    }
}

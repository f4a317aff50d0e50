//! The protocol half of a session: messages in, messages out, and the rules about transactions around them.
//!
//! A simple query's statements run in one implicit transaction unless they open a block; so do the messages of an extended
//! query up to Sync. An error undoes the implicit transaction or fails the block; after an error in the extended protocol
//! everything is skipped until Sync.

use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::bail;
use crate::catalog::acl;
use crate::catalog::privileges::Securable;
use crate::common::watchdog::Armed;
use crate::common::{CancelFlag, CancelReason, clock};
use crate::error::{Error, Result, SqlState};
use crate::pgwire::host::IdleLimit;
use crate::pgwire::{Connection, Format, Frontend, Login, Sink, backend};
use crate::sql::ast::{ParsedStatement, Statement};
use crate::sql::parser;
use crate::txn::{Isolation, SavepointId, SessionLocks};
use crate::types::io::IoContext;
use crate::types::{Datum, Oid, wire};

use super::core::{Core, State};
use super::engine::{Activity, Engine, SessionEntry};
use super::portal::{Portal, PortalState, Prepared, describe};
use super::settings::Settings;
use super::{notify, pipeline};

/// Where a session stands between statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// No transaction, or an implicit one.
    None,
    /// In a transaction block.
    Open,
    /// In a block that failed.
    Failed,
}

/// A savepoint of the block.
pub(super) struct Savepoint {
    pub name: String,
    pub id: SavepointId,
    pub edit: Option<crate::catalog::Edit>,
    pub depth: usize,
}

/// A client's session.
pub struct Session {
    pub(super) core: Arc<Core>,
    pub(super) block: Block,
    pub(super) savepoints: Vec<Savepoint>,
    /// Level and read-only mode of a block that failed and was undone, for AND CHAIN.
    pub(super) failed_modes: Option<(Isolation, bool)>,
    pub(super) prepared: HashMap<String, Prepared>,
    pub(super) portals: HashMap<String, Portal>,
    /// Skipping until Sync after an error in the extended protocol.
    skipping: bool,
    /// What the client is told of settings at the start.
    reports: Vec<(String, String)>,
    /// The running statement's time limit.
    pub(super) timeout: Option<Armed>,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// FATAL `3D000`, `53300`, errors of startup settings.
    pub(super) fn open(engine: Arc<Engine>, login: Login) -> Result<Self> {
        let shared = engine.catalog.shared();
        let fatal = |state: SqlState, message: String| Error::fatal(state, message);
        let Some(database) = shared.databases.values().find(|database| database.name == login.database) else {
            return Err(fatal(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{}\" does not exist", login.database),
            ));
        };
        if !database.allow_connections {
            let message = format!("database \"{}\" is not currently accepting connections", login.database);
            return Err(fatal(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        }
        let Some(role) = shared.roles.values().find(|role| role.name == login.user) else {
            let message = format!("role \"{}\" does not exist", login.user);
            return Err(fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, message));
        };
        check_connect(&engine, role, database)?;
        check_limits(&engine, role, database)?;
        let settings = start_settings(&engine, &login, role, &database.settings)?;
        let login_settings = login.settings.clone();
        let cancel = CancelFlag::new();
        let now = clock::now_micros();
        let application = settings.typed().application_name.to_string();
        let entry = Arc::new(SessionEntry {
            pid: login.pid,
            database: database.oid,
            user: login.user.clone(),
            cancel: cancel.clone(),
            waker: login.waker.clone(),
            address: login.client_address,
            server_address: login.server_address,
            tls: login.tls,
            started_micros: now,
            activity: Mutex::new(Activity { state: "idle", state_micros: now, application, ..Activity::default() }),
            channels: Mutex::default(),
            inbox: Mutex::default(),
        });
        engine.enter(&entry);
        let core = Arc::new(Core {
            locks: SessionLocks::new(&engine.txns),
            entry,
            user: login.user,
            database: database.oid,
            database_name: database.name.clone(),
            cancel,
            settings: Mutex::new(settings),
            state: Mutex::new(State { statement_micros: now, ..State::default() }),
            seed: Mutex::new(None),
            engine,
        });
        check_role(&core, &login_settings)?;
        let reports = core.settings.lock().take_reports();
        Ok(Self {
            core,
            block: Block::None,
            savepoints: Vec::new(),
            failed_modes: None,
            prepared: HashMap::new(),
            portals: HashMap::new(),
            skipping: false,
            reports,
            timeout: None,
        })
    }

    /// Starts the clock of a statement.
    pub(super) fn start_statement(&mut self, text: &Arc<str>) {
        let now = clock::now_micros();
        self.core.cancel.clear();
        {
            let mut state = self.core.state.lock();
            state.statement_micros = now;
            state.query = Some(Arc::clone(text));
        }
        {
            let mut activity = self.core.entry.activity.lock();
            activity.query.clear();
            activity.query.push_str(text);
            activity.state = "active";
            activity.query_micros = now;
            activity.state_micros = now;
        }
        let timeout = self.core.settings.lock().typed().statement_timeout;
        self.timeout = timeout
            .map(|delay| self.core.engine.watchdog.arm(&self.core.cancel, CancelReason::StatementTimeout, delay));
    }

    fn end_statement(&mut self) {
        self.timeout = None;
        let mut activity = self.core.entry.activity.lock();
        activity.state = match self.block {
            Block::None => "idle",
            Block::Open => "idle in transaction",
            Block::Failed => "idle in transaction (aborted)",
        };
        activity.state_micros = clock::now_micros();
    }

    /// Sends what has piled up: notices, changed settings.
    pub(super) fn send_asides(&self, sink: &mut dyn Sink) {
        let notices = std::mem::take(&mut self.core.state.lock().notices);
        for notice in notices {
            backend::notice_response(sink.buffer(), &notice);
        }
        let reports = self.core.settings.lock().take_reports();
        for (name, value) in reports {
            if name.eq_ignore_ascii_case("application_name") {
                self.core.entry.activity.lock().application.clone_from(&value);
            }
            backend::parameter_status(sink.buffer(), &name, &value);
        }
    }

    fn ready(&mut self, sink: &mut dyn Sink) {
        self.end_statement();
        self.send_asides(sink);
        if self.block == Block::None {
            notify::deliver(&self.core, sink.buffer());
        }
        let state = match self.block {
            Block::None => backend::IDLE,
            Block::Open => backend::IN_TRANSACTION,
            Block::Failed => backend::IN_FAILED_TRANSACTION,
        };
        backend::ready_for_query(sink.buffer(), state);
    }

    /// What an error does to the transaction; errors that end the session are returned.
    pub(super) fn fail(&mut self, error: &Error, sink: &mut dyn Sink) -> Result<()> {
        if backend::is_fatal(error) {
            return Err(error.clone());
        }
        self.send_asides(sink);
        backend::error_response(sink.buffer(), error);
        match self.block {
            Block::None => {
                self.portals.retain(|_, portal| portal.is_held());
                self.core.rollback();
            }
            Block::Open => self.abort(),
            Block::Failed => {}
        }
        Ok(())
    }

    /// Fails the block: what it did since the last savepoint is undone at once, so that nobody waits for it; the block stays
    /// until it is told to end.
    fn abort(&mut self) {
        self.block = Block::Failed;
        let Some(txn) = self.core.running() else { return };
        if let Some(savepoint) = self.savepoints.last() {
            txn.rollback_to(savepoint.id);
            return;
        }
        self.failed_modes = Some((txn.isolation(), txn.read_only()));
        self.portals.retain(|_, portal| portal.is_held());
        let started = self.core.entry.activity.lock().transaction_micros;
        self.core.rollback();
        self.core.entry.activity.lock().transaction_micros = started;
    }

    /// Ends the implicit transaction, if one is open.
    pub(super) fn end_implicit(&mut self) -> Result<()> {
        if self.block == Block::None && self.core.running().is_some() {
            self.close_portals()?;
            self.core.commit()?;
        }
        Ok(())
    }

    /// Portals end with their transaction; held cursors read what is left first.
    pub(super) fn close_portals(&mut self) -> Result<()> {
        let held: Vec<String> = self
            .portals
            .iter()
            .filter(|(_, p)| p.cursor.as_ref().is_some_and(|c| c.hold))
            .map(|(n, _)| n.clone())
            .collect();
        for name in &held {
            self.hold_cursor(name)?;
        }
        self.portals.retain(|name, _| held.contains(name));
        Ok(())
    }

    fn simple_query(&mut self, text: &str, sink: &mut dyn Sink) -> Result<()> {
        let shared: Arc<str> = Arc::from(text);
        self.start_statement(&shared);
        self.prepared.remove("");
        self.portals.remove("");
        let statements = match parser::parse(text) {
            Ok(statements) => statements,
            Err(error) => return self.fail(&error, sink),
        };
        if statements.is_empty() {
            backend::empty_query(sink.buffer());
            return Ok(());
        }
        let count = statements.len();
        for (at, statement) in statements.into_iter().enumerate() {
            let last = at + 1 == count;
            if let Err(error) = self.simple_statement(Arc::new(statement), last, count > 1, sink) {
                return self.fail(&error, sink);
            }
        }
        if let Err(error) = self.end_implicit() {
            return self.fail(&error, sink);
        }
        Ok(())
    }

    fn simple_statement(
        &mut self,
        statement: Arc<ParsedStatement>,
        last: bool,
        many: bool,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        if statement.statement == Statement::Empty {
            backend::empty_query(sink.buffer());
            return Ok(());
        }
        if many
            && self.block == Block::None
            && let Some(name) = super::portal::needs_no_block(&statement.statement)
        {
            bail!(ACTIVE_SQL_TRANSACTION, "{name} cannot be executed within a pipeline");
        }
        let mut prepared = self.prepare(Some(Arc::clone(&statement)), None, false)?;
        // What the tables are when they are locked is what the client gets.
        while let Some(plan) = &prepared.plan
            && !plan.lock(&self.core)?
        {
            prepared = self.prepare(Some(Arc::clone(&statement)), None, false)?;
        }
        let fields = prepared.fields.clone();
        let mut portal = Portal::new(prepared, Vec::new(), Vec::new());
        let columns = fields.as_ref().map_or(0, |fields| fields.len());
        portal.formats = vec![self.cursor_format(&portal.prepared); columns];
        let tag = self.run_portal(&mut portal, 0, fields.is_some(), sink)?;
        if last {
            drop(portal);
            self.end_implicit()?;
        }
        self.send_asides(sink);
        if let Some(tag) = tag {
            backend::command_complete(sink.buffer(), &tag);
        }
        Ok(())
    }

    /// FETCH from a binary cursor gives binary values.
    fn cursor_format(&self, prepared: &Prepared) -> Format {
        match prepared.statement.as_ref().map(|parsed| &parsed.statement) {
            Some(Statement::Fetch(fetch)) => {
                let binary = self.portals.get(&fetch.cursor).and_then(|p| p.cursor.as_ref()).is_some_and(|c| c.binary);
                if binary { Format::Binary } else { Format::Text }
            }
            _ => Format::Text,
        }
    }

    /// Plans a statement as far as that is possible before it runs.
    ///
    /// # Errors
    /// `25P02` in a failed block; whatever is wrong with the statement.
    pub(super) fn prepare(
        &mut self,
        parsed: Option<Arc<ParsedStatement>>,
        declared: Option<&[Oid]>,
        from_sql: bool,
    ) -> Result<Prepared> {
        let Some(parsed) = parsed else { return Ok(Prepared::empty()) };
        if self.block == Block::Failed && !parser::ends_block(&parsed.statement) {
            return Err(failed_block());
        }
        let names = self.core.names();
        let unknown = |oid: &&Oid| **oid != Oid::NONE && names.snapshot.type_by_oid(**oid).is_none();
        if let Some(oid) = declared.unwrap_or_default().iter().find(unknown) {
            bail!(UNDEFINED_OBJECT, "type with OID {oid} does not exist");
        }
        let mut prepared = Prepared {
            declared: Arc::from(declared.unwrap_or_default()),
            from_sql,
            micros: clock::now_micros(),
            ..Prepared::empty()
        };
        match &parsed.statement {
            Statement::Query(query) if super::statement::into_clause(query).is_none() => {
                self.plan_into(&mut prepared, &parsed.statement, declared)?;
            }
            Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) => {
                self.plan_into(&mut prepared, &parsed.statement, declared)?;
            }
            other => {
                prepared.fields = self.utility_fields(other)?;
                prepared.params = Arc::from(self.utility_params(other, declared)?);
            }
        }
        prepared.statement = Some(parsed);
        Ok(prepared)
    }

    fn plan_into(&mut self, prepared: &mut Prepared, statement: &Statement, declared: Option<&[Oid]>) -> Result<()> {
        let plan = pipeline::plan(&self.core, statement, declared)?;
        prepared.params = Arc::clone(&plan.params);
        prepared.fields = plan.returns_rows.then(|| Arc::clone(&plan.fields));
        prepared.plan = Some(Arc::new(plan));
        Ok(())
    }

    fn parse(&mut self, name: String, query: &str, types: &[u32], sink: &mut dyn Sink) -> Result<()> {
        let text: Arc<str> = Arc::from(query);
        self.start_statement(&text);
        if !name.is_empty() && self.prepared.contains_key(&name) {
            bail!(DUPLICATE_PREPARED_STATEMENT, "prepared statement \"{name}\" already exists");
        }
        let mut statements = parser::parse(query)?;
        statements.retain(|statement| statement.statement != Statement::Empty);
        if statements.len() > 1 {
            bail!(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement");
        }
        let declared: Vec<Oid> = types.iter().map(|oid| Oid(*oid)).collect();
        let prepared = self.prepare(statements.pop().map(Arc::new), Some(&declared), false)?;
        self.prepared.insert(name, prepared);
        backend::parse_complete(sink.buffer());
        Ok(())
    }

    pub(super) fn statement_named(&self, name: &str) -> Result<&Prepared> {
        match self.prepared.get(name) {
            Some(prepared) => Ok(prepared),
            None if name.is_empty() => bail!(INVALID_SQL_STATEMENT_NAME, "unnamed prepared statement does not exist"),
            None => bail!(INVALID_SQL_STATEMENT_NAME, "prepared statement \"{name}\" does not exist"),
        }
    }

    fn bind(
        &mut self,
        portal: String,
        statement: &str,
        param_formats: &[i16],
        params: &[Option<Bytes>],
        result_formats: &[i16],
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut prepared = self.statement_named(statement)?.clone();
        if let Some(parsed) = &prepared.statement
            && self.block == Block::Failed
            && !parser::ends_block(&parsed.statement)
        {
            return Err(failed_block());
        }
        self.refresh(&mut prepared, statement)?;
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            bail!(DUPLICATE_CURSOR, "cursor \"{portal}\" already exists");
        }
        if params.len() != prepared.params.len() {
            bail!(
                PROTOCOL_VIOLATION,
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                params.len(),
                prepared.params.len()
            );
        }
        if param_formats.len() > 1 && param_formats.len() != params.len() {
            bail!(
                PROTOCOL_VIOLATION,
                "bind message has {} parameter formats but {} parameters",
                param_formats.len(),
                params.len()
            );
        }
        let formats = backend::resolve_formats(param_formats, params.len())?;
        let values = self.read_params(&prepared, params, &formats)?;
        let columns = prepared.fields.as_ref().map_or(0, |fields| fields.len());
        if result_formats.len() > 1 && result_formats.len() != columns {
            bail!(
                PROTOCOL_VIOLATION,
                "bind message has {} result formats but query has {columns} columns",
                result_formats.len()
            );
        }
        let formats =
            if prepared.fields.is_some() { backend::resolve_formats(result_formats, columns)? } else { Vec::new() };
        self.keep_portal(portal, Portal::new(prepared, values, formats));
        backend::bind_complete(sink.buffer());
        Ok(())
    }

    /// Makes a plan anew when the catalog has changed since.
    pub(super) fn refresh(&mut self, prepared: &mut Prepared, name: &str) -> Result<()> {
        let (Some(plan), Some(parsed)) = (&prepared.plan, &prepared.statement) else { return Ok(()) };
        if plan.is_current(&self.core) {
            return Ok(());
        }
        let parsed = Arc::clone(parsed);
        let declared: Vec<Oid> = prepared.params.iter().map(|ty| ty.oid).collect();
        let before = prepared.fields.clone();
        let mut fresh = self.prepare(Some(parsed), Some(&declared), prepared.from_sql)?;
        let shape = |fields: &Option<Arc<[crate::sql::logical::Field]>>| -> Option<Vec<Oid>> {
            fields.as_ref().map(|fields| fields.iter().map(|field| field.ty.oid).collect())
        };
        if shape(&before) != shape(&fresh.fields) {
            bail!(FEATURE_NOT_SUPPORTED, "cached plan must not change result type");
        }
        fresh.micros = prepared.micros;
        fresh.declared = Arc::clone(&prepared.declared);
        *prepared = fresh.clone();
        if let Some(slot) = self.prepared.get_mut(name) {
            *slot = fresh;
        }
        Ok(())
    }

    fn read_params(&self, prepared: &Prepared, params: &[Option<Bytes>], formats: &[Format]) -> Result<Vec<Datum>> {
        let names = self.core.names();
        let format = Arc::clone(&self.core.settings.lock().typed().format);
        let io = IoContext { format: &format, now_micros: self.core.now_micros(), lookup: &*names };
        let mut values = Vec::with_capacity(params.len());
        for (at, ((bytes, ty), format)) in params.iter().zip(&*prepared.params).zip(formats).enumerate() {
            let Some(bytes) = bytes else {
                values.push(Datum::Null);
                continue;
            };
            let ty = names.snapshot.base_type(*ty);
            let value = match format {
                // PostgreSQL names the value in the context, but shows it only when told to.
                Format::Text => wire::text_from(bytes)
                    .map_err(|error| (error, ""))
                    .and_then(|text| crate::types::io::input(text, ty, &io).map_err(|error| (error, " = '...'"))),
                Format::Binary => wire::recv(bytes, ty, &io).map_err(|error| (wire::in_parameter(error, at + 1), "")),
            };
            values.push(
                value
                    .map_err(|(error, shown)| error.context(format!("unnamed portal parameter ${}{shown}", at + 1)))?,
            );
        }
        Ok(values)
    }

    fn describe_statement(&mut self, name: &str, sink: &mut dyn Sink) -> Result<()> {
        let mut prepared = self.statement_named(name)?.clone();
        self.refresh(&mut prepared, name)?;
        let types: Vec<u32> = prepared.params.iter().map(|ty| ty.oid.0).collect();
        backend::parameter_description(sink.buffer(), &types);
        match &prepared.fields {
            Some(fields) => backend::row_description(sink.buffer(), &describe(&self.core, fields, &[])),
            None => backend::no_data(sink.buffer()),
        }
        Ok(())
    }

    fn describe_portal(&mut self, name: &str, sink: &mut dyn Sink) -> Result<()> {
        let Some(portal) = self.portals.get(name) else {
            bail!(INVALID_CURSOR_NAME, "portal \"{name}\" does not exist")
        };
        match &portal.prepared.fields {
            Some(fields) => backend::row_description(sink.buffer(), &describe(&self.core, fields, &portal.formats)),
            None => backend::no_data(sink.buffer()),
        }
        Ok(())
    }

    fn execute(&mut self, name: &str, max_rows: u32, sink: &mut dyn Sink) -> Result<()> {
        let Some(mut portal) = self.portals.remove(name) else {
            bail!(INVALID_CURSOR_NAME, "portal \"{name}\" does not exist")
        };
        let Some(parsed) = portal.prepared.statement.clone() else {
            backend::empty_query(sink.buffer());
            self.portals.insert(name.to_owned(), portal);
            return Ok(());
        };
        let text: Arc<str> = Arc::from(parsed.text.as_str());
        self.start_statement(&text);
        let result =
            portal.check_runs(name).and_then(|()| self.run_portal(&mut portal, u64::from(max_rows), false, sink));
        if result.is_err() {
            portal.state = PortalState::Failed;
        }
        let ended_block = matches!(&parsed.statement, Statement::Transaction(_));
        if !ended_block {
            self.portals.insert(name.to_owned(), portal);
        }
        let tag = result?;
        self.send_asides(sink);
        match tag {
            Some(tag) => backend::command_complete(sink.buffer(), &tag),
            None => backend::portal_suspended(sink.buffer()),
        }
        Ok(())
    }

    fn extended(&mut self, message: Frontend, sink: &mut dyn Sink) -> Result<()> {
        match message {
            Frontend::Parse { name, query, param_types } => self.parse(name, &query, &param_types, sink),
            Frontend::Bind { portal, statement, param_formats, params, result_formats } => {
                self.bind(portal, &statement, &param_formats, &params, &result_formats, sink)
            }
            Frontend::Describe { statement: true, name } => self.describe_statement(&name, sink),
            Frontend::Describe { statement: false, name } => self.describe_portal(&name, sink),
            Frontend::Execute { portal, max_rows } => self.execute(&portal, max_rows, sink),
            Frontend::Close { statement, name } => {
                if statement {
                    self.prepared.remove(&name);
                } else {
                    self.portals.remove(&name);
                }
                backend::close_complete(sink.buffer());
                Ok(())
            }
            _ => Err(Error::internal("not a message of the extended protocol")),
        }
    }
}

/// The error for statements in a failed block.
pub(super) fn failed_block() -> Error {
    crate::error!(
        IN_FAILED_SQL_TRANSACTION,
        "current transaction is aborted, commands ignored until end of transaction block"
    )
}

/// Holds a role that a session starts with against its user's memberships. What the client asks for and may not have ends
/// the session; what ALTER ROLE SET says is passed over.
fn check_role(core: &Core, asked: &[(String, String)]) -> Result<()> {
    let role = Arc::clone(&core.settings.lock().typed().role);
    if let Err(mut error) = core.check_role_setting("role", &role) {
        if asked.iter().any(|(name, _)| name.eq_ignore_ascii_case("role")) {
            core.engine.leave(core.entry.pid);
            error.report_mut().severity = crate::error::Severity::Fatal;
            return Err(error);
        }
        tracing::warn!("the role of a role's or database's settings was not set: {error}");
        core.settings.lock().set_internal("role", "none")?;
    }
    core.refresh_superuser();
    Ok(())
}

/// Refuses who has no CONNECT on the database.
fn check_connect(
    engine: &Engine,
    role: &crate::catalog::descriptor::RoleDesc,
    database: &crate::catalog::descriptor::DatabaseDesc,
) -> Result<()> {
    let snapshot = engine.catalog.snapshot(database.oid);
    let connects = |snapshot: &crate::catalog::Snapshot| {
        snapshot.held(role.oid, Securable::Database(database.oid)).0 & acl::CONNECT != 0
    };
    if snapshot.as_ref().is_some_and(connects) {
        return Ok(());
    }
    let message = format!("permission denied for database \"{}\"", database.name);
    Err(Error::fatal(SqlState::INSUFFICIENT_PRIVILEGE, message).detail("User does not have CONNECT privilege."))
}

/// Refuses a session above the limits of its role or database; superusers have none.
fn check_limits(
    engine: &Engine,
    role: &crate::catalog::descriptor::RoleDesc,
    database: &crate::catalog::descriptor::DatabaseDesc,
) -> Result<()> {
    let sessions = engine.sessions();
    let of_role = sessions.iter().filter(|session| session.user == role.name).count();
    if !role.superuser && usize::try_from(role.connection_limit).is_ok_and(|limit| of_role >= limit) {
        return Err(Error::fatal(
            SqlState::TOO_MANY_CONNECTIONS,
            format!("too many connections for role \"{}\"", role.name),
        ));
    }
    let of_database = sessions.iter().filter(|session| session.database == database.oid).count();
    if !role.superuser && usize::try_from(database.connection_limit).is_ok_and(|limit| of_database >= limit) {
        let message = format!("too many connections for database \"{}\"", database.name);
        return Err(Error::fatal(SqlState::TOO_MANY_CONNECTIONS, message));
    }
    Ok(())
}

/// Settings at the start: the server's, the database's, the role's, the client's, each over the ones before.
fn start_settings(
    engine: &Engine,
    login: &Login,
    role: &crate::catalog::descriptor::RoleDesc,
    database: &[(String, String)],
) -> Result<Settings> {
    let mut settings = Settings::new();
    settings.set_internal("is_superuser", if role.superuser { "on" } else { "off" })?;
    settings.set_internal("session_authorization", &login.user)?;
    for (name, value) in engine.config.sql_settings() {
        settings.set_start(name, &value)?;
    }
    for (name, value) in database.iter().chain(&role.settings) {
        if let Err(error) = settings.set_start(name, value) {
            tracing::warn!("setting {name} of a role or database was not applied: {error}");
        }
    }
    for (name, value) in &login.settings {
        settings.set_startup(name, value).map_err(|mut error| {
            error.report_mut().severity = crate::error::Severity::Fatal;
            error
        })?;
    }
    Ok(settings)
}

impl Connection for Session {
    fn handle(&mut self, message: Frontend, sink: &mut dyn Sink) -> Result<()> {
        match message {
            Frontend::Query(text) => {
                self.skipping = false;
                self.simple_query(&text, sink)?;
                self.ready(sink);
            }
            Frontend::Sync => {
                self.skipping = false;
                if let Err(error) = self.end_implicit() {
                    self.fail(&error, sink)?;
                }
                self.ready(sink);
            }
            Frontend::Flush => sink.flush()?,
            Frontend::Invalid { error, extended } => {
                if !(extended && self.skipping) {
                    self.fail(&error, sink)?;
                    self.skipping = extended;
                }
                if !extended {
                    self.ready(sink);
                }
            }
            Frontend::FunctionCall => {
                let error = Error::unsupported("the function call protocol");
                self.fail(&error, sink)?;
                self.ready(sink);
            }
            Frontend::CopyData(_) | Frontend::CopyDone | Frontend::CopyFail(_) | Frontend::Terminate => {}
            extended => {
                if self.skipping {
                    return Ok(());
                }
                if let Err(error) = self.extended(extended, sink) {
                    self.fail(&error, sink)?;
                    self.skipping = true;
                }
            }
        }
        Ok(())
    }

    fn cancel_flag(&self) -> CancelFlag {
        self.core.cancel.clone()
    }

    fn parameter_statuses(&self) -> Vec<(String, String)> {
        self.reports.clone()
    }

    fn woken(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if let Err(error) = self.core.cancel.check()
            && backend::is_fatal(&error)
        {
            return Err(error);
        }
        if self.block == Block::None {
            notify::deliver(&self.core, sink.buffer());
        }
        Ok(())
    }

    fn idle_limit(&self) -> Option<IdleLimit> {
        let settings = self.core.settings.lock();
        let typed = settings.typed();
        if self.block == Block::None {
            let error =
                Error::fatal(SqlState::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout");
            typed.idle_session_timeout.map(|after| IdleLimit { after, error })
        } else {
            let error = Error::fatal(
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            );
            typed.idle_in_transaction_session_timeout.map(|after| IdleLimit { after, error })
        }
    }

    fn close(&mut self) {
        self.portals.clear();
        self.core.rollback();
        self.core.drop_temporary();
        self.core.locks.unlock_all();
        self.core.engine.leave(self.core.entry.pid);
    }
}

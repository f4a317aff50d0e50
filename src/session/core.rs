//! A session's own state, shared with the functions that ask it: settings, transaction, catalog, sequences.
//!
//! The protocol half ([`super::session::Session`]) owns statements and portals; this half is behind `Arc`, because
//! functions reach it through the evaluator while a statement runs.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::descriptor::{RoleDesc, SchemaDesc};
use crate::catalog::{Edit, Names, Snapshot};
use crate::common::{CancelFlag, clock};
use crate::error::{Error, Result, SqlState};
use crate::sql::ddl::DdlContext;
use crate::sql::eval::EvalContext;
use crate::sql::eval::context::NoSubqueries;
use crate::sql::executor::deferred::DeferredChecks;
use crate::sql::executor::foreign;
use crate::storage::Cf;
use crate::txn::{Isolation, SessionLocks, TableLock, Transaction, Wait};
use crate::types::{Datum, Oid};

use super::engine::{Engine, SessionEntry};
use super::settings::Settings;

/// OID under which the catalog itself is locked: one transaction at a time defines data.
pub(super) const CATALOG_LOCK: Oid = Oid(1259);

/// Names, and the catalog version, search path and user that they were made for.
type MadeNames = (u64, Arc<[String]>, Arc<str>, Arc<Names>);

/// What changes while a session lives.
#[derive(Default)]
pub(super) struct State {
    pub txn: Option<Arc<Transaction>>,
    pub edit: Option<Edit>,
    /// The catalog as the statement that holds the copy has made it so far: what functions see that it evaluates.
    pub editing: Option<Snapshot>,
    /// The names in use.
    pub names: Option<MadeNames>,
    /// Those by which `is_superuser` was last set.
    pub superuser_as_of: Option<Arc<Names>>,
    /// Constraint checks that the transaction owes.
    pub deferred: Arc<DeferredChecks>,
    pub sequences: HashMap<Oid, i64>,
    pub last_sequence: Option<Oid>,
    pub notices: Vec<Error>,
    pub query: Option<Arc<str>>,
    pub statement_micros: i64,
    pub transaction_micros: i64,
    pub temporary: Option<Oid>,
    pub notifications: Vec<(String, String)>,
    pub listen: Vec<(bool, Option<String>)>,
}

impl State {
    /// The next transaction owes nothing.
    fn renew_deferred(&mut self) {
        if !self.deferred.is_new() {
            self.deferred = Arc::default();
        }
    }
}

/// The shared half of a session.
pub struct Core {
    pub(super) engine: Arc<Engine>,
    pub(super) entry: Arc<SessionEntry>,
    pub(super) user: String,
    pub(super) database: Oid,
    pub(super) database_name: String,
    pub(super) cancel: CancelFlag,
    pub(super) settings: Mutex<Settings>,
    pub(super) state: Mutex<State>,
    pub(super) locks: SessionLocks,
    pub(super) seed: Mutex<Option<u64>>,
}

impl Core {
    /// The catalog as this session's transaction sees it, with the session's search path.
    pub fn names(&self) -> Arc<Names> {
        let (path, user) = {
            let settings = self.settings.lock();
            (settings.search_path(), current_user(&settings))
        };
        let mut state = self.state.lock();
        let own = state.edit.as_ref().map(|edit| &edit.snapshot).or(state.editing.as_ref());
        let version = own.map_or_else(|| self.engine.catalog.version(), |snapshot| snapshot.version);
        if let Some((seen, seen_path, seen_user, names)) = &state.names
            && *seen == version
            && Arc::ptr_eq(seen_path, &path)
            && *seen_user == user
        {
            return Arc::clone(names);
        }
        let snapshot = match own {
            Some(snapshot) => snapshot.clone(),
            None => self.engine.catalog.snapshot(self.database).unwrap_or_else(|| {
                // The database was dropped under the session; it goes on with what it knew.
                state.names.as_ref().map(|known| (*known.3.snapshot).clone()).expect("a session starts with a catalog")
            }),
        };
        let search = snapshot.search_path(&path, &user, state.temporary);
        let names = Arc::new(Names { snapshot: Arc::new(snapshot), path: search });
        state.names = Some((version, path, user, Arc::clone(&names)));
        names
    }

    /// Forgets the resolved names: the search path means something else now.
    pub fn forget_names(&self) {
        self.state.lock().names = None;
    }

    /// The name of the role whose rights count.
    pub fn current_user(&self) -> Arc<str> {
        current_user(&self.settings.lock())
    }

    /// Whether the session's user may set `role` or `session_authorization` to a name.
    ///
    /// # Errors
    /// `22023` when there is no such role, `42501`.
    pub fn check_role_setting(&self, setting: &str, name: &str) -> Result<()> {
        if setting == "role" && name == "none" {
            return Ok(());
        }
        let names = self.names();
        let Some(wanted) = names.snapshot.role_named(name) else {
            crate::bail!(INVALID_PARAMETER_VALUE, "role \"{name}\" does not exist")
        };
        if setting == "session_authorization" {
            let superuser = names.snapshot.role_named(&self.user).is_some_and(|role| role.superuser);
            if !superuser && name != self.user {
                crate::bail!(INSUFFICIENT_PRIVILEGE, "permission denied to set session authorization \"{name}\"");
            }
            return Ok(());
        }
        let session = self.settings.lock().typed().session_authorization.clone();
        let may = names.snapshot.role_named(&session).is_some_and(|own| names.snapshot.may_become(own.oid, wanted.oid));
        if !may {
            crate::bail!(INSUFFICIENT_PRIVILEGE, "permission denied to set role \"{name}\"");
        }
        Ok(())
    }

    /// Tells the settings whether the current user, who may have changed, is a superuser. Names are made anew when the user
    /// or the catalog changes.
    pub fn refresh_superuser(&self) {
        let names = self.names();
        let known = self.state.lock().superuser_as_of.replace(Arc::clone(&names));
        if known.is_some_and(|known| Arc::ptr_eq(&known, &names)) {
            return;
        }
        let superuser = self.role().is_ok_and(|role| role.superuser);
        if self.settings.lock().typed().is_superuser != superuser {
            let text = if superuser { "on" } else { "off" };
            self.settings.lock().set_internal("is_superuser", text).ok();
        }
    }

    /// The current user's role.
    ///
    /// # Errors
    /// `28000` when it was dropped.
    pub fn role(&self) -> Result<Arc<RoleDesc>> {
        let name = self.current_user();
        match self.names().snapshot.role_named(&name) {
            Some(role) => Ok(Arc::clone(role)),
            None => Err(crate::error!(UNDEFINED_OBJECT, "role \"{name}\" does not exist")),
        }
    }

    /// The running transaction, begun when there is none.
    pub fn transaction(&self) -> Arc<Transaction> {
        if let Some(txn) = &self.state.lock().txn {
            return Arc::clone(txn);
        }
        let txn = {
            let settings = self.settings.lock();
            let typed = settings.typed();
            let txn = self.engine.txns.begin(typed.isolation, typed.read_only);
            txn.set_lock_timeout(typed.lock_timeout);
            txn.set_synchronous(typed.synchronous_commit);
            txn
        };
        txn.set_process_id(i32::try_from(self.entry.pid).unwrap_or(0));
        self.locks.attach(&txn);
        let mut state = self.state.lock();
        // A transaction starts with the statement that starts it.
        let now = if state.statement_micros > 0 { state.statement_micros } else { clock::now_micros() };
        state.transaction_micros = now;
        state.txn = Some(Arc::clone(&txn));
        drop(state);
        self.settings.lock().begin_transaction();
        self.entry.activity.lock().transaction_micros = Some(now);
        txn
    }

    /// The running transaction, if there is one.
    pub fn running(&self) -> Option<Arc<Transaction>> {
        self.state.lock().txn.clone()
    }

    /// The constraint checks that the transaction owes.
    pub fn deferred(&self) -> Arc<DeferredChecks> {
        Arc::clone(&self.state.lock().deferred)
    }

    /// Makes the checks that were deferred to the end of the transaction.
    fn check_deferred(self: &Arc<Self>) -> Result<()> {
        if self.deferred().is_empty() {
            return Ok(());
        }
        foreign::check_all(None, &super::pipeline::context(self, &self.names()))
    }

    /// Commits; with an error everything is rolled back.
    ///
    /// # Errors
    /// Violations of deferred constraints; `40001`; those of writing.
    pub fn commit(self: &Arc<Self>) -> Result<()> {
        if let Err(error) = self.check_deferred() {
            self.rollback();
            return Err(error);
        }
        let (txn, edit, notifications, listen) = {
            let mut state = self.state.lock();
            state.renew_deferred();
            let taken = (state.txn.take(), state.edit.take());
            (taken.0, taken.1, std::mem::take(&mut state.notifications), std::mem::take(&mut state.listen))
        };
        self.entry.activity.lock().transaction_micros = None;
        let done = match (txn, edit) {
            (Some(txn), Some(edit)) => commit_edit(&self.engine, &txn, edit),
            (Some(txn), None) => txn.commit(),
            (None, _) => Ok(()),
        };
        match done {
            Ok(()) => {
                self.settings.lock().commit();
                self.refresh_superuser();
                super::notify::apply(self, listen, notifications);
                Ok(())
            }
            Err(error) => {
                self.settings.lock().rollback();
                self.forget_names();
                self.refresh_superuser();
                Err(error)
            }
        }
    }

    /// Rolls back.
    pub fn rollback(&self) {
        let txn = {
            let mut state = self.state.lock();
            state.edit = None;
            state.names = None;
            state.renew_deferred();
            state.notifications.clear();
            state.listen.clear();
            state.txn.take()
        };
        self.entry.activity.lock().transaction_micros = None;
        if let Some(txn) = txn {
            txn.rollback();
        }
        self.settings.lock().rollback();
        self.refresh_superuser();
    }

    /// Start of the transaction, or of the statement outside of one: `now()`.
    pub fn now_micros(&self) -> i64 {
        let state = self.state.lock();
        if state.txn.is_some() { state.transaction_micros } else { state.statement_micros }
    }

    /// What expressions are evaluated in, without subqueries.
    pub fn eval(self: &Arc<Self>, names: &Arc<Names>, params: Arc<[Datum]>) -> EvalContext {
        let format = Arc::clone(&self.settings.lock().typed().format);
        let state = self.state.lock();
        EvalContext {
            params,
            format,
            lookup: Arc::clone(names) as _,
            session: Arc::clone(self) as _,
            subqueries: Arc::new(NoSubqueries),
            cancel: self.cancel.clone(),
            transaction_micros: if state.txn.is_some() { state.transaction_micros } else { state.statement_micros },
            statement_micros: state.statement_micros,
            outer: None,
        }
    }

    /// Starts defining data: takes the catalog lock and, the first time in a transaction, copies the catalog.
    ///
    /// # Errors
    /// `40P01`, `55P03`, `57014` while waiting.
    pub fn begin_edit(&self, txn: &Transaction) -> Result<()> {
        if self.state.lock().edit.is_some() {
            return Ok(());
        }
        txn.lock_table(CATALOG_LOCK, TableLock::Exclusive, Wait::Block, &self.cancel)?;
        let mut edit = self.engine.catalog.edit(self.database, false);
        edit.snapshot.version = self.engine.edit_version();
        let mut state = self.state.lock();
        state.edit = Some(edit);
        state.names = None;
        drop(state);
        // What others defined before is to be seen.
        txn.begin_statement();
        Ok(())
    }

    /// Runs data definition on the transaction's copy of the catalog, which is made when there is none yet.
    ///
    /// # Errors
    /// As [`Core::begin_edit`]; those of `define`.
    pub fn with_edit<T>(
        self: &Arc<Self>,
        txn: &Arc<Transaction>,
        temporary: bool,
        define: impl FnOnce(&mut DdlContext<'_>) -> Result<T>,
    ) -> Result<T> {
        self.begin_edit(txn)?;
        if temporary {
            self.temporary_schema(txn)?;
        }
        txn.begin_statement();
        let role = self.role()?;
        let names = self.names();
        let eval = self.eval(&names, Arc::from([]));
        let deferred = self.deferred();
        let mut edit = self.state.lock().edit.take().ok_or_else(|| Error::internal("the catalog copy is missing"))?;
        let mut ctx = DdlContext {
            catalog: &self.engine.catalog,
            edit: &mut edit,
            path: names.path.clone(),
            txn,
            tables: &self.engine.tables,
            eval: &eval,
            see: &|snapshot| self.state.lock().editing = Some(snapshot.clone()),
            waits: &|table| deferred.concerns(table),
            role,
            maintenance_work_mem: self.settings.lock().typed().maintenance_work_mem,
            notices: Vec::new(),
            later: Vec::new(),
        };
        let result = define(&mut ctx);
        let notices = std::mem::take(&mut ctx.notices);
        edit.snapshot.version = self.engine.edit_version();
        let mut state = self.state.lock();
        state.edit = Some(edit);
        state.editing = None;
        state.names = None;
        drop(state);
        notices.into_iter().for_each(|notice| self.add_notice(notice));
        result
    }

    /// The session's temporary schema, made on first use.
    ///
    /// # Errors
    /// As [`Core::begin_edit`].
    pub fn temporary_schema(&self, txn: &Transaction) -> Result<Oid> {
        if let Some(oid) = self.state.lock().temporary {
            return Ok(oid);
        }
        self.begin_edit(txn)?;
        let oid = self.engine.catalog.allocate_oid();
        let owner = self.role()?.oid;
        let mut state = self.state.lock();
        let name = format!("pg_temp_{}", self.entry.pid);
        if let Some(edit) = &mut state.edit {
            let found = edit.snapshot.schema_named(&name);
            let oid = found.unwrap_or(oid);
            if found.is_none() {
                edit.put_schema(SchemaDesc { oid, name, owner });
                edit.snapshot.version = self.engine.edit_version();
            }
            state.temporary = Some(oid);
            state.names = None;
            return Ok(oid);
        }
        Err(Error::internal("the catalog copy is missing"))
    }

    /// Adds a notice for the client.
    pub fn add_notice(&self, report: Error) {
        if self.settings.lock().typed().wants(report.report().severity) {
            self.state.lock().notices.push(report);
        }
    }

    /// A warning.
    pub fn warn(&self, state: SqlState, message: impl Into<String>) {
        self.add_notice(Error::with_severity(crate::error::Severity::Warning, state, message));
    }

    /// The isolation of the next transaction.
    pub fn isolation(&self) -> Isolation {
        self.settings.lock().typed().isolation
    }

    /// Drops the session's temporary objects.
    pub fn drop_temporary(&self) {
        let Some(schema) = self.state.lock().temporary.take() else { return };
        if self.engine.catalog.snapshot(self.database).is_none() {
            return;
        }
        if let Err(error) = super::maintenance::drop_schemas(&self.engine, self.database, |desc| desc.oid == schema) {
            tracing::error!("temporary tables could not be dropped: {error}");
        }
    }
}

/// SET ROLE, else the session's user.
fn current_user(settings: &Settings) -> Arc<str> {
    let typed = settings.typed();
    Arc::clone(if &*typed.role == "none" { &typed.session_authorization } else { &typed.role })
}

/// Commits a transaction that changed the catalog and publishes the change.
pub(super) fn commit_edit(engine: &Arc<Engine>, txn: &Transaction, edit: Edit) -> Result<()> {
    for (key, value) in edit.key_changes() {
        txn.put_meta(Cf::Default, key.clone(), value.clone());
    }
    let publisher = Arc::clone(engine);
    txn.on_commit(Box::new(move |_| publisher.catalog.publish(&edit)));
    txn.commit()
}

//! Transaction control, settings, prepared statements of SQL, EXPLAIN, and small services.

use std::sync::Arc;

use crate::bail;
use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{
    DiscardTarget, Explain, SetStatement, SetValue, Statement, TransactionModes, TransactionStatement, TypeName,
};
use crate::sql::binder;
use crate::sql::executor;
use crate::sql::executor::explain::{self, Layout, Meters};
use crate::sql::logical::Field;
use crate::txn::{Isolation, TableLock, Wait};
use crate::types::column::Batch;
use crate::types::{Datum, Oid, SqlType};

use super::pipeline::{self, Planned};
use super::portal::{text_field, text_rows};
use super::session::{Block, Savepoint, Session};
use super::statement::{Effect, parsed_inner};

fn isolation_named(text: &str) -> Isolation {
    match text {
        "serializable" => Isolation::Serializable,
        "repeatable read" => Isolation::RepeatableRead,
        "read uncommitted" => Isolation::ReadUncommitted,
        _ => Isolation::ReadCommitted,
    }
}

impl Session {
    /// BEGIN, COMMIT and their kin.
    pub(super) fn control(&mut self, control: &TransactionStatement) -> Result<Effect> {
        match control {
            TransactionStatement::Begin(modes) => self.begin(modes, "BEGIN"),
            TransactionStatement::Start(modes) => self.begin(modes, "START TRANSACTION"),
            TransactionStatement::Commit { chain } => self.end(true, *chain),
            TransactionStatement::Rollback { chain } => self.end(false, *chain),
            TransactionStatement::Savepoint(name) => {
                self.check_block("SAVEPOINT")?;
                let txn = self.core.transaction();
                let mut settings = self.core.settings.lock();
                let depth = settings.savepoints();
                settings.savepoint();
                drop(settings);
                let edit = self.core.state.lock().edit.clone();
                self.core.deferred().savepoint();
                self.savepoints.push(Savepoint { name: name.clone(), id: txn.savepoint(), edit, depth });
                Ok(Effect::tag("SAVEPOINT"))
            }
            TransactionStatement::Release(name) => {
                self.check_block("RELEASE SAVEPOINT")?;
                let at = self.savepoint_named(name)?;
                self.core.transaction().release(self.savepoints[at].id);
                self.core.settings.lock().release(self.savepoints[at].depth);
                self.core.deferred().release(at);
                self.savepoints.truncate(at);
                Ok(Effect::tag("RELEASE"))
            }
            TransactionStatement::RollbackTo(name) => {
                self.check_block("ROLLBACK TO SAVEPOINT")?;
                let at = self.savepoint_named(name)?;
                let id = self.savepoints[at].id;
                self.portals.retain(|_, portal| portal.since < Some(id));
                self.core.transaction().rollback_to(id);
                self.core.settings.lock().rollback_to(self.savepoints[at].depth);
                self.core.deferred().rollback_to(at);
                {
                    let mut state = self.core.state.lock();
                    // The copy is a state of its own again, whatever version it had before.
                    state.edit = self.savepoints[at].edit.clone().map(|mut edit| {
                        edit.snapshot.version = self.core.engine.edit_version();
                        edit
                    });
                }
                self.core.forget_names();
                self.core.refresh_superuser();
                self.savepoints.truncate(at + 1);
                self.block = Block::Open;
                Ok(Effect::tag("ROLLBACK"))
            }
            TransactionStatement::SetModes(modes) => {
                if self.block == Block::None {
                    self.core.warn(
                        SqlState::NO_ACTIVE_SQL_TRANSACTION,
                        "SET TRANSACTION can only be used in transaction blocks",
                    );
                    return Ok(Effect::tag("SET"));
                }
                self.apply_modes(modes)?;
                Ok(Effect::tag("SET"))
            }
            TransactionStatement::SetSessionModes(modes) => self.set_session_modes(modes),
            TransactionStatement::Prepare(_) => Err(Error::unsupported("PREPARE TRANSACTION")),
            TransactionStatement::CommitPrepared(_) => Err(Error::unsupported("COMMIT PREPARED")),
            TransactionStatement::RollbackPrepared(_) => Err(Error::unsupported("ROLLBACK PREPARED")),
        }
    }

    fn set_session_modes(&mut self, modes: &TransactionModes) -> Result<Effect> {
        let mut settings = self.core.settings.lock();
        if let Some(isolation) = &modes.isolation {
            settings.set_text("default_transaction_isolation", isolation, false)?;
        }
        if let Some(read_only) = modes.read_only {
            settings.set_text("default_transaction_read_only", if read_only { "on" } else { "off" }, false)?;
        }
        if let Some(deferrable) = modes.deferrable {
            settings.set_text("default_transaction_deferrable", if deferrable { "on" } else { "off" }, false)?;
        }
        Ok(Effect::tag("SET"))
    }

    fn check_block(&self, what: &str) -> Result<()> {
        if self.block == Block::None {
            bail!(NO_ACTIVE_SQL_TRANSACTION, "{what} can only be used in transaction blocks");
        }
        Ok(())
    }

    fn savepoint_named(&self, name: &str) -> Result<usize> {
        match self.savepoints.iter().rposition(|savepoint| savepoint.name == name) {
            Some(at) => Ok(at),
            None => bail!(INVALID_SAVEPOINT_SPECIFICATION, "savepoint \"{name}\" does not exist"),
        }
    }

    fn begin(&mut self, modes: &TransactionModes, tag: &str) -> Result<Effect> {
        if self.block != Block::None {
            self.core.warn(SqlState::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress");
        } else {
            self.core.transaction();
            self.block = Block::Open;
        }
        self.apply_modes(modes)?;
        Ok(Effect::tag(tag))
    }

    fn apply_modes(&mut self, modes: &TransactionModes) -> Result<()> {
        let txn = self.core.transaction();
        if let Some(isolation) = &modes.isolation {
            txn.set_isolation(isolation_named(isolation))?;
            self.core.settings.lock().set_text("transaction_isolation", isolation, true)?;
        }
        if let Some(read_only) = modes.read_only {
            if !read_only && txn.read_only() && txn.has_writes() {
                bail!(ACTIVE_SQL_TRANSACTION, "transaction read-write mode must be set before any query");
            }
            txn.set_read_only(read_only);
            self.core.settings.lock().set_text("transaction_read_only", if read_only { "on" } else { "off" }, true)?;
        }
        if let Some(deferrable) = modes.deferrable {
            self.core.settings.lock().set_text(
                "transaction_deferrable",
                if deferrable { "on" } else { "off" },
                true,
            )?;
        }
        Ok(())
    }

    fn end(&mut self, commit: bool, chain: bool) -> Result<Effect> {
        if self.block == Block::None {
            let word = if commit { "COMMIT" } else { "ROLLBACK" };
            if chain {
                bail!(NO_ACTIVE_SQL_TRANSACTION, "{word} AND CHAIN can only be used in transaction blocks");
            }
            self.core.warn(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress");
            if commit {
                self.end_implicit()?;
            } else {
                self.core.rollback();
            }
            return Ok(Effect::tag(word));
        }
        let (isolation, read_only) = match (self.core.running(), self.failed_modes.take()) {
            (Some(txn), _) => (txn.isolation(), txn.read_only()),
            (None, Some(modes)) => modes,
            (None, None) => (self.core.isolation(), false),
        };
        let failed = self.block == Block::Failed;
        self.block = Block::None;
        self.savepoints.clear();
        let tag = if commit && !failed {
            if let Err(error) = self.close_portals() {
                self.core.rollback();
                return Err(error);
            }
            self.core.commit()?;
            "COMMIT"
        } else {
            self.portals.retain(|_, portal| portal.is_held());
            self.core.rollback();
            "ROLLBACK"
        };
        if chain {
            let modes = TransactionModes {
                isolation: Some(isolation.as_str().to_owned()),
                read_only: Some(read_only),
                deferrable: None,
            };
            self.begin(&modes, "BEGIN")?;
        }
        Ok(Effect::tag(tag))
    }

    /// SET and RESET.
    pub(super) fn set(&mut self, set: &SetStatement) -> Result<Effect> {
        self.core.transaction();
        if set.local && self.block == Block::None {
            self.core.warn(SqlState::NO_ACTIVE_SQL_TRANSACTION, "SET LOCAL can only be used in transaction blocks");
        }
        let name = set.name.as_str();
        if let ("constraints", SetValue::Values(values)) = (name, &set.value) {
            return self.set_constraints(values);
        }
        if matches!(name, "role" | "session_authorization") {
            return self.set_role(set);
        }
        match &set.value {
            SetValue::Default if name == "all" => {
                self.core.settings.lock().reset_all();
                return Ok(Effect::tag("RESET"));
            }
            SetValue::Default => self.core.settings.lock().reset(name, set.local)?,
            SetValue::Values(values) => self.core.settings.lock().set(name, values, set.local)?,
        }
        if name == "statement_timeout" && self.core.settings.lock().typed().statement_timeout.is_none() {
            self.timeout = None;
        }
        if let Some(txn) = self.core.running() {
            let typed = self.core.settings.lock().typed().clone();
            match name {
                "lock_timeout" => txn.set_lock_timeout(typed.lock_timeout),
                "synchronous_commit" => txn.set_synchronous(typed.synchronous_commit),
                "transaction_isolation" => txn.set_isolation(typed.isolation)?,
                "transaction_read_only" => txn.set_read_only(typed.read_only),
                _ => {}
            }
        }
        Ok(Effect::tag(if set.reset { "RESET" } else { "SET" }))
    }

    /// SET CONSTRAINTS: `values` are the mode, then ALL or names.
    fn set_constraints(&mut self, values: &[String]) -> Result<Effect> {
        if self.block == Block::None {
            self.core
                .warn(SqlState::NO_ACTIVE_SQL_TRANSACTION, "SET CONSTRAINTS can only be used in transaction blocks");
        }
        let deferred = values.first().is_some_and(|mode| mode == "deferred");
        let named = match &values[1..] {
            [all] if all == "all" => None,
            names => Some(self.constraints_named(names)?),
        };
        self.core.deferred().set_modes(named.as_deref(), deferred);
        if !deferred && !self.core.deferred().is_empty() {
            let ctx = pipeline::context(&self.core, &self.core.names());
            crate::sql::executor::foreign::check_all(named.as_deref(), &ctx)?;
        }
        Ok(Effect::tag("SET CONSTRAINTS"))
    }

    /// The deferrable constraints of these names, each in the first schema that has it.
    fn constraints_named(&self, list: &[String]) -> Result<Vec<Oid>> {
        let names = self.core.names();
        let mut found = Vec::new();
        for text in list {
            let parts = crate::catalog::lookup::split_name(text)?;
            let (name, schemas) = match parts.as_slice() {
                [.., schema, name] => match names.schema_named(schema) {
                    Some(oid) => (name, vec![oid]),
                    None => bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist"),
                },
                [name] => (name, names.path.schemas.clone()),
                [] => bail!(INVALID_NAME, "invalid name syntax"),
            };
            let tables = &names.snapshot.objects.tables;
            let in_schema = |schema: Oid| -> Vec<&crate::catalog::descriptor::ConstraintDesc> {
                let of = tables.values().filter(|table| table.schema == schema).flat_map(|table| &table.constraints);
                of.filter(|constraint| constraint.name == *name).collect()
            };
            let Some(first) = schemas.into_iter().map(in_schema).find(|list| !list.is_empty()) else {
                bail!(UNDEFINED_OBJECT, "constraint \"{text}\" does not exist")
            };
            for constraint in first {
                if !constraint.deferrable {
                    bail!(WRONG_OBJECT_TYPE, "constraint \"{}\" is not deferrable", constraint.name);
                }
                found.push(constraint.oid);
            }
        }
        Ok(found)
    }

    fn set_role(&mut self, set: &SetStatement) -> Result<Effect> {
        let name = match &set.value {
            SetValue::Values(values) => values.first().cloned().unwrap_or_default(),
            SetValue::Default if set.name == "role" => "none".to_owned(),
            SetValue::Default => self.core.user.clone(),
        };
        let name = if set.name == "session_authorization" && name == "default" { self.core.user.clone() } else { name };
        self.core.check_role_setting(&set.name, &name)?;
        self.core.settings.lock().set_text(&set.name, &name, set.local)?;
        if set.name == "session_authorization" {
            self.core.settings.lock().set_text("role", "none", set.local)?;
        }
        self.core.refresh_superuser();
        Ok(Effect::tag(if set.reset { "RESET" } else { "SET" }))
    }

    /// SHOW.
    pub(super) fn show(&mut self, name: &str) -> Result<Effect> {
        let settings = self.core.settings.lock();
        if name == "all" {
            let rows: Vec<Vec<Datum>> = settings
                .all()
                .into_iter()
                .map(|row| vec![Datum::text(row.name), Datum::text(row.shown), Datum::text(row.description)])
                .collect();
            let fields = ["name", "setting", "description"].iter().map(|name| text_field(name)).collect();
            let batch = Batch::from_rows(&[Oid::TEXT; 3], &rows);
            return Ok(Effect { tag: "SHOW".to_owned(), rows: Some((fields, vec![batch])) });
        }
        let value = settings.show(name)?;
        let title = settings.canonical_name(name)?;
        Ok(Effect { tag: "SHOW".to_owned(), rows: Some(text_rows(&title, &[value])) })
    }

    /// DISCARD.
    pub(super) fn discard(&mut self, target: DiscardTarget) -> Result<Effect> {
        let (all, tag) = match target {
            DiscardTarget::All => (true, "DISCARD ALL"),
            DiscardTarget::Plans => (false, "DISCARD PLANS"),
            DiscardTarget::Sequences => (false, "DISCARD SEQUENCES"),
            DiscardTarget::Temp => (false, "DISCARD TEMP"),
        };
        if all {
            if self.block != Block::None {
                bail!(ACTIVE_SQL_TRANSACTION, "DISCARD ALL cannot run inside a transaction block");
            }
            self.portals.clear();
            self.prepared.clear();
            self.core.locks.unlock_all();
            self.core.entry.channels.lock().clear();
            self.core.settings.lock().reset_all();
            for (name, value) in [("session_authorization", self.core.user.as_str()), ("role", "none")] {
                self.core.settings.lock().set_internal(name, value).ok();
            }
            self.core.refresh_superuser();
        }
        if all || target == DiscardTarget::Sequences {
            let mut state = self.core.state.lock();
            state.sequences.clear();
            state.last_sequence = None;
        }
        if all || target == DiscardTarget::Temp {
            self.end_implicit()?;
            self.core.drop_temporary();
            self.core.forget_names();
        }
        Ok(Effect::tag(tag))
    }

    /// The plan of a statement that is explained, and its parameters.
    fn explained(&mut self, statement: &Statement, params: &[Datum]) -> Result<(Arc<Planned>, Vec<Datum>)> {
        let inner = match statement {
            Statement::CreateTableAs(create) => Statement::Query(Box::new(create.query.clone())),
            Statement::DeclareCursor(cursor) => Statement::Query(Box::new(cursor.query.clone())),
            Statement::Execute { name, args } => {
                let portal = self.execute_portal(name, args, &[])?;
                let plan = portal.prepared.plan.ok_or_else(|| Error::unsupported("EXPLAIN of this statement"))?;
                return Ok((plan, portal.params));
            }
            other => other.clone(),
        };
        if !matches!(inner, Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)) {
            return Err(Error::unsupported("EXPLAIN of this statement"));
        }
        Ok((Arc::new(pipeline::plan(&self.core, &inner, Some(&[]))?), params.to_vec()))
    }

    /// EXPLAIN.
    pub(super) fn explain(&mut self, explain: &Explain, params: &[Datum]) -> Result<Effect> {
        let (plan, params) = self.explained(&explain.statement, params)?;
        plan.lock(&self.core)?;
        plan.check_rights(&self.core)?;
        let layout = Layout { costs: explain.costs, timing: explain.timing };
        let names = self.core.names();
        let start = crate::common::clock::monotonic();
        let meters = explain.analyze.then(|| Arc::new(Meters::default()));
        // What is decided when a statement runs is decided here for both, the one that is run and the one that is shown.
        let mut node = (*plan.node).clone();
        self.core.transaction().begin_statement();
        let mut ctx = pipeline::context(&self.core, &names);
        ctx.eval = self.core.eval(&names, Arc::from(&*params));
        executor::settled(&mut node, &ctx);
        if let Some(meters) = &meters {
            let mut running = pipeline::open_node(&self.core, &names, &node, params, Some(Arc::clone(meters)))?;
            while running.operator.next(&running.ctx)?.is_some() {}
        }
        let mut lines = explain::lines(&node, &names, layout, meters.as_deref());
        if explain.analyze && explain.summary != Some(false) {
            lines.push(format!("Execution Time: {:.3} ms", start.elapsed().as_secs_f64() * 1e3));
        }
        let rows = match explain.format.as_str() {
            "text" | "" => text_rows("QUERY PLAN", &lines),
            "json" => {
                let plan: Vec<serde_json::Value> =
                    lines.iter().map(|line| serde_json::Value::from(line.as_str())).collect();
                let text =
                    serde_json::json!([{ "Plan": { "Node Type": lines[0].split("  (").next(), "Lines": plan } }]);
                let fields = vec![Field { name: "QUERY PLAN".to_owned(), ty: SqlType::of(Oid::JSON), origin: None }];
                let text = serde_json::to_string_pretty(&text).expect("strings and lists are JSON");
                (fields, vec![Batch::from_rows(&[Oid::JSON], &[vec![Datum::text(text)]])])
            }
            other => return Err(Error::unsupported(format!("EXPLAIN (FORMAT {})", other.to_uppercase()))),
        };
        Ok(Effect { tag: "EXPLAIN".to_owned(), rows: Some(rows) })
    }

    /// PREPARE.
    pub(super) fn prepare_sql(
        &mut self,
        name: &str,
        types: &[TypeName],
        statement: &Statement,
        text: &str,
    ) -> Result<Effect> {
        if self.prepared.contains_key(name) {
            bail!(DUPLICATE_PREPARED_STATEMENT, "prepared statement \"{name}\" already exists");
        }
        let names = self.core.names();
        let mut declared = Vec::with_capacity(types.len());
        for ty in types {
            declared.push(binder::resolve_type(ty, &names)?.oid);
        }
        let prepared = self.prepare(Some(parsed_inner(statement, text)), Some(&declared), true)?;
        self.prepared.insert(name.to_owned(), prepared);
        Ok(Effect::tag("PREPARE"))
    }

    /// DEALLOCATE.
    pub(super) fn deallocate(&mut self, name: Option<&str>) -> Result<Effect> {
        match name {
            None => {
                self.prepared.clear();
                Ok(Effect::tag("DEALLOCATE ALL"))
            }
            Some(name) => match self.prepared.remove(name) {
                Some(_) => Ok(Effect::tag("DEALLOCATE")),
                None => bail!(INVALID_SQL_STATEMENT_NAME, "prepared statement \"{name}\" does not exist"),
            },
        }
    }

    /// LISTEN, LOCK, VACUUM and other services.
    pub(super) fn service(&mut self, statement: &Statement) -> Result<Effect> {
        match statement {
            Statement::Listen { channel } => {
                self.core.transaction();
                self.core.state.lock().listen.push((true, Some(channel.clone())));
                Ok(Effect::tag("LISTEN"))
            }
            Statement::Unlisten { channel } => {
                self.core.transaction();
                self.core.state.lock().listen.push((false, channel.clone()));
                Ok(Effect::tag("UNLISTEN"))
            }
            Statement::Notify { channel, payload } => {
                self.core.transaction();
                crate::sql::eval::SessionFacade::notify(&*self.core, channel, payload)?;
                Ok(Effect::tag("NOTIFY"))
            }
            Statement::LockTable { tables, mode, nowait } => {
                self.check_block("LOCK TABLE")?;
                let names = self.core.names();
                let mode = lock_mode(mode);
                let wait = if *nowait { Wait::NoWait } else { Wait::Block };
                for name in tables {
                    let relation = names.relation(&name.parts)?;
                    self.check_lock_right(&relation, mode)?;
                    if !self.core.transaction().lock_table(relation.oid(), mode, wait, &self.core.cancel)? {
                        bail!(LOCK_NOT_AVAILABLE, "could not obtain lock on relation \"{}\"", relation.name());
                    }
                }
                Ok(Effect::tag("LOCK TABLE"))
            }
            Statement::Vacuum { tables, analyze_only } => {
                let names = self.core.names();
                for name in tables {
                    names.relation(&name.parts)?;
                }
                self.core.engine.txns.collect_garbage()?;
                Ok(Effect::tag(if *analyze_only { "ANALYZE" } else { "VACUUM" }))
            }
            Statement::Checkpoint => {
                if !self.core.role()?.superuser {
                    bail!(INSUFFICIENT_PRIVILEGE, "permission denied to execute CHECKPOINT command");
                }
                self.core.engine.kv.flush();
                Ok(Effect::tag("CHECKPOINT"))
            }
            Statement::Load { library } => match library.trim_start_matches("$libdir/") {
                // What pgvector's library brings is built in.
                "vector" => Ok(Effect::tag("LOAD")),
                _ => bail!(UNDEFINED_FILE, "could not access file \"{library}\": No such file or directory"),
            },
            Statement::Unsupported { feature } => Err(Error::unsupported(feature)),
            _ => Err(Error::unsupported("this statement")),
        }
    }
}

impl Session {
    /// LOCK TABLE needs a right to do what the lock keeps others from.
    fn check_lock_right(&self, relation: &Relation, mode: TableLock) -> Result<()> {
        let mut rights = acl::MAINTAIN | acl::UPDATE | acl::DELETE | acl::TRUNCATE;
        if mode <= TableLock::RowExclusive {
            rights |= acl::INSERT;
        }
        if mode == TableLock::AccessShare {
            rights |= acl::SELECT;
        }
        let (role, names) = (self.core.role()?, self.core.names());
        let object = Securable::Relation(relation.oid());
        if names.snapshot.held(role.oid, object).0 & rights == 0 {
            return Err(names.snapshot.denied(object));
        }
        Ok(())
    }
}

fn lock_mode(mode: &str) -> TableLock {
    match mode.to_ascii_lowercase().as_str() {
        "access share" => TableLock::AccessShare,
        "row share" => TableLock::RowShare,
        "row exclusive" => TableLock::RowExclusive,
        "share update exclusive" => TableLock::ShareUpdateExclusive,
        "share" => TableLock::Share,
        "share row exclusive" => TableLock::ShareRowExclusive,
        "exclusive" => TableLock::Exclusive,
        _ => TableLock::AccessExclusive,
    }
}

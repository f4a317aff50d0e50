//! What SQL functions ask of the session.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::bail;
use crate::catalog::descriptor::SequenceDesc;
use crate::catalog::descriptor::StorageId;
use crate::catalog::privileges::Securable;
use crate::catalog::{Relation, Snapshot, acl};
use crate::common::{CancelReason, rng, splitmix};
use crate::error::{Error, Result, SqlState};
use crate::sql::eval::EvalContext;
use crate::sql::eval::context::{AdvisoryKey, CatalogQuestion, CheckFinding, Privileged, SessionFacade};
use crate::storage::{Cf, keyspace};
use crate::txn::{SequenceSpec, Wait};
use crate::types::{Datum, Oid};

use super::core::Core;
use super::notify;

fn key_of(key: AdvisoryKey) -> crate::txn::AdvisoryKey {
    match key {
        AdvisoryKey::One(value) => crate::txn::AdvisoryKey::Big(value),
        AdvisoryKey::Two(a, b) => crate::txn::AdvisoryKey::Pair(a, b),
    }
}

impl Core {
    fn sequence(&self, oid: Oid) -> Result<Arc<SequenceDesc>> {
        match self.names().snapshot.relation(oid) {
            Some(Relation::Sequence(sequence)) => Ok(sequence),
            Some(other) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", other.name()),
            None => bail!(UNDEFINED_TABLE, "relation with OID {oid} does not exist"),
        }
    }

    /// Refuses who has none of these rights on a sequence. The sequence of an identity column is the table's own.
    fn check_sequence(&self, desc: &SequenceDesc, rights: acl::Rights) -> Result<()> {
        if desc.internal {
            return Ok(());
        }
        let (role, names) = (self.role()?, self.names());
        let object = Securable::Relation(desc.oid);
        if role.superuser || names.snapshot.held(role.oid, object).0 & rights != 0 {
            return Ok(());
        }
        Err(names.snapshot.denied(object))
    }

    fn check_writable(&self, what: &str) -> Result<()> {
        if self.running().is_some_and(|txn| txn.read_only()) {
            bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {what} in a read-only transaction");
        }
        Ok(())
    }
}

/// An address as clients are shown it: one of IPv4 as such, also on a socket that takes both.
pub(super) fn shown_address(address: SocketAddr) -> (String, i32) {
    (address.ip().to_canonical().to_string(), i32::from(address.port()))
}

/// `pg_has_role`: USAGE is inheritance, MEMBER any membership, SET by SET ROLE; with option: may administer.
fn has_role(snapshot: &Snapshot, role: Oid, other: Oid, right: &str, option: bool) -> bool {
    if option {
        return snapshot.admin_through(role, other).is_some();
    }
    let superuser = snapshot.shared.roles.get(&role).is_some_and(|role| role.superuser);
    superuser
        || match right {
            "USAGE" => snapshot.inherited_roles(role).contains(&other),
            "SET" => snapshot.settable_roles(role).contains(&other),
            _ => snapshot.member_roles(role).contains(&other),
        }
}

impl SessionFacade for Core {
    fn current_user(&self) -> String {
        self.current_user().to_string()
    }

    fn session_user(&self) -> String {
        self.settings.lock().typed().session_authorization.to_string()
    }

    fn current_database(&self) -> String {
        self.database_name.clone()
    }

    fn current_schemas(&self, implicit: bool) -> Vec<String> {
        let names = self.names();
        let own = self.state.lock().temporary;
        let listed = |oid: &&Oid| {
            if implicit {
                return true;
            }
            let explicit = self.settings.lock().search_path();
            Some(**oid) != own
                && names
                    .snapshot
                    .schema_name(**oid)
                    .is_some_and(|name| name != "pg_catalog" || explicit.iter().any(|item| item == "pg_catalog"))
        };
        names
            .path
            .schemas
            .iter()
            .filter(listed)
            .filter_map(|oid| names.snapshot.schema_name(*oid))
            .map(str::to_owned)
            .collect()
    }

    fn backend_pid(&self) -> i32 {
        i32::try_from(self.entry.pid).unwrap_or(0)
    }

    fn current_query(&self) -> Option<String> {
        self.state.lock().query.as_ref().map(|query| query.to_string())
    }

    fn client_address(&self) -> Option<(String, i32)> {
        self.entry.address.map(shown_address)
    }

    fn server_address(&self) -> Option<(String, i32)> {
        self.entry.server_address.map(shown_address)
    }

    fn server_start_micros(&self) -> i64 {
        self.engine.started_micros
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.lock().try_show(name)
    }

    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let lower = name.to_ascii_lowercase();
        if matches!(lower.as_str(), "role" | "session_authorization") {
            self.check_role_setting(&lower, value)?;
        }
        let mut settings = self.settings.lock();
        settings.set_text(name, value, local)?;
        let shown = settings.show(name)?;
        drop(settings);
        self.refresh_superuser();
        Ok(shown)
    }

    fn nextval(&self, sequence: Oid) -> Result<i64> {
        let desc = self.sequence(sequence)?;
        self.check_sequence(&desc, acl::USAGE | acl::UPDATE)?;
        self.check_writable("nextval()")?;
        let spec = SequenceSpec {
            name: &desc.name,
            start: desc.start,
            increment: desc.increment,
            min: desc.min,
            max: desc.max,
            cycle: desc.cycle,
            cache: desc.cache,
        };
        let value = self.engine.txns.sequence_next(sequence, &spec)?;
        let mut state = self.state.lock();
        state.sequences.insert(sequence, value);
        state.last_sequence = Some(sequence);
        Ok(value)
    }

    fn currval(&self, sequence: Oid) -> Result<i64> {
        let desc = self.sequence(sequence)?;
        self.check_sequence(&desc, acl::USAGE | acl::SELECT)?;
        match self.state.lock().sequences.get(&sequence) {
            Some(value) => Ok(*value),
            None => bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "currval of sequence \"{}\" is not yet defined in this session",
                desc.name
            ),
        }
    }

    fn lastval(&self) -> Result<i64> {
        let state = self.state.lock();
        match state.last_sequence.and_then(|oid| state.sequences.get(&oid)) {
            Some(value) => Ok(*value),
            None => bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "lastval is not yet defined in this session"),
        }
    }

    fn setval(&self, sequence: Oid, value: i64, is_called: bool) -> Result<i64> {
        let desc = self.sequence(sequence)?;
        self.check_sequence(&desc, acl::UPDATE)?;
        self.check_writable("setval()")?;
        if value < desc.min || value > desc.max {
            bail!(
                NUMERIC_VALUE_OUT_OF_RANGE,
                "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                desc.name,
                desc.min,
                desc.max
            );
        }
        self.engine.txns.sequence_set(sequence, value, is_called)?;
        if is_called {
            self.state.lock().sequences.insert(sequence, value);
        }
        Ok(value)
    }

    fn sequence_last_value(&self, sequence: Oid) -> Result<Option<i64>> {
        let state = self.engine.txns.sequence_state(sequence)?;
        Ok(state.filter(|state| state.is_called).map(|state| state.last))
    }

    fn advisory_lock(&self, key: AdvisoryKey, shared: bool, transaction: bool, wait: bool) -> Result<bool> {
        let txn = self.transaction();
        let wait = if wait { Wait::Block } else { Wait::Skip };
        if transaction {
            txn.lock_advisory(key_of(key), shared, wait, &self.cancel)
        } else {
            self.locks.lock(&txn, key_of(key), shared, wait, &self.cancel)
        }
    }

    fn advisory_unlock(&self, key: AdvisoryKey, shared: bool) -> bool {
        self.locks.unlock(key_of(key), shared)
    }

    fn advisory_unlock_all(&self) {
        self.locks.unlock_all();
    }

    fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        if channel.is_empty() {
            bail!(INVALID_PARAMETER_VALUE, "channel name cannot be empty");
        }
        if channel.len() >= notify::CHANNEL_MAX {
            bail!(INVALID_PARAMETER_VALUE, "channel name too long");
        }
        if payload.len() >= notify::PAYLOAD_MAX {
            bail!(INVALID_PARAMETER_VALUE, "payload string too long");
        }
        let mut state = self.state.lock();
        let item = (channel.to_owned(), payload.to_owned());
        if !state.notifications.contains(&item) {
            state.notifications.push(item);
        }
        Ok(())
    }

    fn listening_channels(&self) -> Vec<String> {
        self.entry.channels.lock().clone()
    }

    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool> {
        let Some(other) = u32::try_from(pid).ok().and_then(|pid| self.engine.session(pid)) else {
            self.warn(SqlState::WARNING, format!("PID {pid} is not a PostgreSQL backend process"));
            return Ok(false);
        };
        if other.user != self.user && !self.role()?.superuser {
            let what = if terminate { "terminate" } else { "cancel query" };
            let process = if terminate { "terminate process" } else { what };
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied to {process}");
        }
        other.cancel.raise(if terminate { CancelReason::Terminate } else { CancelReason::UserRequest });
        if terminate {
            other.waker.wake();
        }
        Ok(true)
    }

    fn blocking_pids(&self, pid: i32) -> Vec<i32> {
        let awaited = self.engine.txns.awaited_locks().into_iter().find(|lock| lock.process == pid);
        awaited.map(|lock| lock.blockers).unwrap_or_default()
    }

    fn transaction_id(&self) -> Result<i64> {
        Ok(i64::try_from(self.transaction().id()).unwrap_or(i64::MAX))
    }

    fn transaction_id_if_assigned(&self) -> Option<i64> {
        self.running().filter(|txn| txn.has_writes()).and_then(|txn| i64::try_from(txn.id()).ok())
    }

    fn snapshot_text(&self) -> String {
        let ts = self.transaction().snapshot_ts() + 1;
        format!("{ts}:{ts}:")
    }

    fn notice(&self, report: Error) {
        self.add_notice(report);
    }

    fn relation_size(&self, relation: Oid, indexes: bool) -> Option<i64> {
        let names = self.names();
        let rows = |storage: u32| {
            let start = keyspace::row_key(storage, 0);
            self.engine.kv.approximate_size(Cf::Rows, &start, &keyspace::rows_end(storage))
        };
        let entries = |storage: u32| {
            let (start, end) = (keyspace::entry_prefix(storage), keyspace::entry_prefix(storage + 1));
            // A vector index is mostly in memory.
            self.engine.kv.approximate_size(Cf::Rows, &start, &end)
                + self.engine.tables.vector_bytes(StorageId(storage))
        };
        let size = match names.snapshot.relation(relation)? {
            Relation::Table(table) => {
                let own = rows(table.storage.0);
                let extra: u64 =
                    if indexes { table.indexes.iter().map(|index| entries(index.storage.0)).sum() } else { 0 };
                own + extra
            }
            Relation::Index(index) => entries(index.storage.0),
            Relation::View(_) | Relation::Sequence(_) | Relation::System(_) => 0,
        };
        i64::try_from(size).ok()
    }

    fn database_size(&self) -> i64 {
        let size: u64 = Cf::ALL.iter().map(|cf| self.engine.kv.approximate_size(*cf, &[], &[0xff; 8])).sum();
        i64::try_from(size).unwrap_or(i64::MAX)
    }

    fn has_privilege(&self, role: Option<Oid>, object: Privileged, right: &str, option: bool) -> Result<Option<bool>> {
        let names = self.names();
        let snapshot = &names.snapshot;
        let role = match role {
            Some(oid) => oid,
            None => self.role()?.oid,
        };
        let securable = match object {
            Privileged::Role(other) => return Ok(Some(has_role(snapshot, role, other, right, option))),
            Privileged::AnyColumn(oid) => {
                let (rights, options) = snapshot.held_on_any_column(role, oid);
                let wanted = acl::right_named(right).unwrap_or(0);
                let held = if option { options } else { rights };
                return Ok(snapshot.relation(oid).map(|_| held & wanted != 0));
            }
            Privileged::Relation(oid) => Securable::Relation(oid),
            Privileged::Column(oid, attnum) => Securable::Column(oid, attnum),
            Privileged::Schema(oid) => Securable::Schema(oid),
            Privileged::Database(oid) => Securable::Database(if oid == Oid::NONE { snapshot.database } else { oid }),
            Privileged::Function(oid) => Securable::Function(oid),
            Privileged::Type(oid) => Securable::Type(oid),
        };
        if snapshot.securable(securable).is_none() {
            return Ok(None);
        }
        let (rights, options) = snapshot.held(role, securable);
        let held = if option { options } else { rights };
        Ok(Some(held & acl::right_named(right).unwrap_or(0) != 0))
    }

    fn catalog_answer(&self, question: &CatalogQuestion<'_>) -> Result<Option<Datum>> {
        super::live::answer(self, question)
    }

    fn check_database(&self, eval: &EvalContext) -> Result<Vec<CheckFinding>> {
        super::check::database(self, eval)
    }

    fn random(&self) -> f64 {
        let mut seed = self.seed.lock();
        match &mut *seed {
            // A seeded session repeats itself.
            Some(state) => {
                *state = state.wrapping_add(splitmix::STEP);
                (splitmix::mix(*state) >> 11) as f64 / (1_u64 << 53) as f64
            }
            None => rng::random_unit(),
        }
    }

    fn set_seed(&self, seed: f64) {
        *self.seed.lock() = Some(seed.to_bits());
    }
}

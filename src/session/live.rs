//! System relations and catalog questions, answered from the session's names and the engine's live state.

use std::sync::Arc;

use crate::catalog::descriptor::{RelationDesc, RoleDesc};
use crate::catalog::progress::Build;
use crate::catalog::system::live::{ActivityRow, BuildDetails, BuildRow, Encryption, LockRow, SettingRow};
use crate::catalog::system::{self, LiveState, SystemContext};
use crate::catalog::{Names, Relation};
use crate::common::clock;
use crate::error::Result;
use crate::sql::eval::SessionFacade;
use crate::sql::eval::context::CatalogQuestion;
use crate::txn::{AdvisoryKey, LockTarget, TableLock};
use crate::types::{Datum, Oid};

use super::catalog_facade::catalog_answer;
use super::core::Core;
use super::facade::shown_address;

/// `pg_read_all_stats`.
const READ_ALL_STATS: Oid = Oid(3375);

/// The engine and the session, as system relations see them.
struct Live<'a> {
    core: &'a Core,
    names: &'a Names,
}

/// The rows of a system relation.
///
/// # Errors
/// Those of reading a sequence's state.
pub(super) fn rows(core: &Arc<Core>, names: &Arc<Names>, relation: &RelationDesc) -> Result<Vec<Vec<Datum>>> {
    if relation.kind == 'S' {
        return sequence_row(core, names, relation.oid);
    }
    let live = Live { core, names };
    let ctx = SystemContext { names, session_pid: i32::try_from(core.entry.pid).unwrap_or(0), live: &live };
    system::rows(relation, &ctx)
}

/// A sequence's state as a row.
fn sequence_row(core: &Core, names: &Names, oid: Oid) -> Result<Vec<Vec<Datum>>> {
    let Some(Relation::Sequence(desc)) = names.snapshot.relation(oid) else { return Ok(Vec::new()) };
    let state = core.engine.txns.sequence_state(oid)?;
    let (last, called) = state.map_or((desc.start, false), |state| (state.last, state.is_called));
    Ok(vec![vec![Datum::Int8(last), Datum::Int8(0), Datum::Bool(called)]])
}

/// The answer to a question about objects.
pub(super) fn answer(core: &Core, question: &CatalogQuestion<'_>) -> Result<Option<Datum>> {
    catalog_answer(&core.names(), question)
}

/// Whether a role may see what another's session runs: one that it inherits, or all for `pg_read_all_stats`.
fn reads(names: &Names, role: &RoleDesc, user: &str) -> bool {
    let mine = names.snapshot.inherited_roles(role.oid);
    let other = names.snapshot.role_named(user).map(|other| other.oid);
    role.superuser || mine.contains(&READ_ALL_STATS) || other.is_some_and(|other| mine.contains(&other))
}

impl Live<'_> {
    fn lock_row(&self, pid: i32, on: LockTarget, granted: bool) -> LockRow {
        let session = u32::try_from(pid).ok().and_then(|pid| self.core.engine.session(pid));
        let mut row =
            LockRow { kind: on.kind().to_owned(), pid, mode: on.mode().to_owned(), granted, ..LockRow::default() };
        let database = session.map(|session| session.database);
        match on {
            // The low half of the number, as `xid` shows it.
            LockTarget::Transaction(id) => row.transaction = Some(id as u32),
            LockTarget::Relation(oid, _) => (row.database, row.relation) = (database, Some(oid)),
            LockTarget::Advisory(key, _) => {
                row.database = database;
                let (class, object, sub) = match key {
                    AdvisoryKey::Big(key) => ((key as u64 >> 32) as u32, key as u32, 1),
                    AdvisoryKey::Pair(first, second) => (first.cast_unsigned(), second.cast_unsigned(), 2),
                };
                (row.class, row.object, row.sub) = (Some(Oid(class)), Some(Oid(object)), Some(sub));
            }
        }
        row
    }
}

impl LiveState for Live<'_> {
    fn settings(&self) -> Vec<SettingRow> {
        let settings = self.core.settings.lock();
        let row = |row: super::settings::SettingRow| SettingRow {
            name: row.name,
            setting: row.setting,
            reset: row.reset,
            source: row.source.to_owned(),
        };
        settings.all().into_iter().map(row).collect()
    }

    fn activity(&self) -> Vec<ActivityRow> {
        let shared = self.core.engine.catalog.shared();
        let mut rows = Vec::new();
        let reader = self.core.role().ok();
        let awaited = self.core.engine.txns.awaited_locks();
        for session in self.core.engine.sessions() {
            let activity = session.activity.lock().clone();
            let wait = awaited.iter().find(|lock| u32::try_from(lock.process) == Ok(session.pid));
            rows.push(ActivityRow {
                database: shared.databases.get(&session.database).map_or_else(String::new, |d| d.name.clone()),
                pid: i32::try_from(session.pid).unwrap_or(0),
                user: session.user.clone(),
                application_name: activity.application,
                client_address: session.address.map(|address| shown_address(address).0),
                client_port: session.address.map(|address| i32::from(address.port())),
                encryption: session.tls.clone().map(|tls| Encryption {
                    version: tls.version,
                    cipher: tls.cipher,
                    bits: tls.bits,
                }),
                backend_start: session.started_micros,
                xact_start: activity.transaction_micros,
                query_start: Some(activity.query_micros).filter(|micros| *micros != 0),
                state_change: Some(activity.state_micros),
                wait_event_type: wait.map(|_| "Lock".to_owned()),
                wait_event: wait.map(|lock| lock.on.kind().to_owned()),
                state: activity.state.to_owned(),
                query: match &reader {
                    Some(role) if reads(self.names, role, &session.user) => activity.query,
                    _ => "<insufficient privilege>".to_owned(),
                },
            });
        }
        rows
    }

    fn index_builds(&self) -> Vec<BuildRow> {
        let reader = self.core.role().ok();
        let may_see = |process: i32| {
            let session = u32::try_from(process).ok().and_then(|pid| self.core.engine.session(pid));
            matches!((&reader, session), (Some(role), Some(found)) if reads(self.names, role, &found.user))
        };
        let row = |build: &Build| {
            let (phase, tuples_done, tuples_total) = build.state();
            let (table, index, command) = (build.table, build.index, build.command);
            let details = BuildDetails { table, index, command, phase, tuples_done, tuples_total };
            let details = may_see(build.process).then_some(details);
            BuildRow { pid: build.process, database: build.database, details }
        };
        self.core.engine.catalog.builds().all().iter().map(|build| row(build)).collect()
    }

    fn locks(&self) -> Vec<LockRow> {
        let (held, awaited) = (self.core.engine.txns.held_locks(), self.core.engine.txns.awaited_locks());
        let mut rows: Vec<LockRow> = held.iter().map(|lock| self.lock_row(lock.process, lock.on, true)).collect();
        for lock in &awaited {
            rows.push(self.lock_row(lock.process, lock.on, false));
            // Every transaction holds its own number; it is listed for those that somebody waits for.
            if let LockTarget::Transaction(_) = lock.on {
                let own = |process: &i32| LockRow {
                    mode: TableLock::Exclusive.name().to_owned(),
                    ..self.lock_row(*process, lock.on, true)
                };
                rows.extend(lock.blockers.first().map(own));
            }
        }
        rows
    }

    fn row_estimate(&self, table: Oid) -> Option<f32> {
        let table = self.names.snapshot.table(table)?;
        Some(self.core.engine.tables.estimate(&self.core.engine.txns, table) as f32)
    }

    fn relation_bytes(&self, relation: Oid) -> u64 {
        self.core.relation_size(relation, false).and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
    }

    fn sequence_last_value(&self, sequence: Oid) -> Option<i64> {
        match self.names.snapshot.relation(sequence)? {
            Relation::Sequence(_) => SessionFacade::sequence_last_value(self.core, sequence).ok().flatten(),
            _ => None,
        }
    }

    fn current_user(&self) -> Option<Oid> {
        self.core.role().ok().map(|role| role.oid)
    }

    fn now_micros(&self) -> i64 {
        clock::now_micros()
    }
}

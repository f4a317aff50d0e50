//! What only the running server knows: settings, sessions, locks, statements, statistics.
//!
//! The session implements [`LiveState`]; every method has an answer for a server that knows nothing, so that an
//! implementation grows method by method. Times are microseconds since 2000-01-01 UTC.

use crate::catalog::builtin::{PG_SETTINGS, raw_rows};
use crate::types::Oid;

/// The value of a setting; what is fixed about it (unit, category, bounds) is known here already.
#[derive(Clone, Debug, Default)]
pub struct SettingRow {
    /// Name.
    pub name: String,
    /// Value in the setting's own unit.
    pub setting: String,
    /// What RESET sets.
    pub reset: String,
    /// `default`, `configuration file`, `session`, `client` ...
    pub source: String,
}

/// A session, for `pg_stat_activity`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct ActivityRow {
    pub pid: i32,
    pub user: String,
    pub database: String,
    pub application_name: String,
    pub client_address: Option<String>,
    pub client_port: Option<i32>,
    pub encryption: Option<Encryption>,
    pub backend_start: i64,
    pub xact_start: Option<i64>,
    pub query_start: Option<i64>,
    pub state_change: Option<i64>,
    pub wait_event_type: Option<String>,
    pub wait_event: Option<String>,
    /// `active`, `idle`, `idle in transaction`, `idle in transaction (aborted)`.
    pub state: String,
    pub query: String,
}

/// How a session's connection is encrypted, for `pg_stat_ssl`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct Encryption {
    pub version: String,
    pub cipher: String,
    pub bits: i32,
}

/// A lock, held or awaited, for `pg_locks`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct LockRow {
    /// `relation`, `transactionid`, `tuple`, `advisory` ...
    pub kind: String,
    pub database: Option<Oid>,
    pub relation: Option<Oid>,
    pub transaction: Option<u32>,
    pub class: Option<Oid>,
    pub object: Option<Oid>,
    pub sub: Option<i16>,
    pub pid: i32,
    /// `AccessShareLock` and so on.
    pub mode: String,
    pub granted: bool,
}

/// An index build, for `pg_stat_progress_create_index`.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct BuildRow {
    pub pid: i32,
    pub database: Oid,
    /// What is built; none for who may not see what another role does.
    pub details: Option<BuildDetails>,
}

/// What is built, and how far it is.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct BuildDetails {
    pub table: Oid,
    pub index: Oid,
    pub command: &'static str,
    pub phase: &'static str,
    pub tuples_done: u64,
    pub tuples_total: u64,
}

/// A prepared statement of this session.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct PreparedRow {
    pub name: String,
    pub statement: String,
    pub prepared_at: i64,
    pub parameters: Vec<Oid>,
    /// None for a statement without rows.
    pub results: Option<Vec<Oid>>,
    /// Made by PREPARE, not by the protocol.
    pub from_sql: bool,
    pub executions: i64,
}

/// A cursor of this session.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)]
pub struct CursorRow {
    pub name: String,
    pub statement: String,
    pub holdable: bool,
    pub binary: bool,
    pub scrollable: bool,
    pub created_at: i64,
}

/// The running server, as far as system relations show it.
#[allow(unused_variables)]
pub trait LiveState {
    /// All settings; by default every setting at its initial value.
    fn settings(&self) -> Vec<SettingRow> {
        raw_rows(PG_SETTINGS)
            .map(|row| SettingRow {
                name: row[0].to_owned(),
                setting: row[1].replace("\\N", ""),
                reset: row[1].replace("\\N", ""),
                source: "default".to_owned(),
            })
            .collect()
    }
    /// Open sessions.
    fn activity(&self) -> Vec<ActivityRow> {
        Vec::new()
    }
    /// Locks held and awaited.
    fn locks(&self) -> Vec<LockRow> {
        Vec::new()
    }
    /// Index builds under way in all sessions.
    fn index_builds(&self) -> Vec<BuildRow> {
        Vec::new()
    }
    /// Prepared statements of the session.
    fn prepared_statements(&self) -> Vec<PreparedRow> {
        Vec::new()
    }
    /// Cursors of the session.
    fn cursors(&self) -> Vec<CursorRow> {
        Vec::new()
    }
    /// About how many rows a table has; none when it was never counted.
    fn row_estimate(&self, table: Oid) -> Option<f32> {
        None
    }
    /// Bytes that a table's rows or an index's entries take; 0 when not known.
    fn relation_bytes(&self, relation: Oid) -> u64 {
        0
    }
    /// A sequence's last value; none before its first use.
    fn sequence_last_value(&self, sequence: Oid) -> Option<i64> {
        None
    }
    /// The role whose rights count.
    fn current_user(&self) -> Option<Oid> {
        None
    }
    /// Offset from UTC in seconds, abbreviation and daylight saving of a zone now, for `pg_timezone_names`.
    fn now_micros(&self) -> i64 {
        0
    }
}

/// A server that knows nothing.
pub struct NoLiveState;

impl LiveState for NoLiveState {}

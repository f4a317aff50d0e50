//! What the running server tells: settings, sessions, locks, prepared statements, cursors, time zones.

use std::collections::HashMap;

use crate::catalog::builtin::{PG_SETTINGS, VECTOR_SETTINGS, raw_rows};
use crate::catalog::descriptor::RelationDesc;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::rowset::{RowSet, array, flag, int, oid, text, text_or_null, texts, time};
use crate::types::datetime;
use crate::types::interval::Interval;
use crate::types::timezone::{self, Zone};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// A field of the settings file.
fn fact(field: Option<&&'static str>) -> Datum {
    text_or_null(field.copied().filter(|field| *field != "\\N"))
}

pub fn pg_settings(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "name",
        "setting",
        "unit",
        "category",
        "short_desc",
        "context",
        "vartype",
        "source",
        "min_val",
        "max_val",
        "enumvals",
        "boot_val",
        "reset_val",
        "pending_restart",
    ];
    let facts: HashMap<&str, Vec<&'static str>> =
        raw_rows(PG_SETTINGS).chain(raw_rows(VECTOR_SETTINGS)).map(|row| (row[0], row)).collect();
    let mut set = RowSet::new(desc, &columns);
    for setting in ctx.live.settings() {
        let known = facts.get(setting.name.as_str());
        let at = |index: usize| fact(known.and_then(|row| row.get(index)));
        let or = |value: Datum, other: &str| if value.is_null() { text(other) } else { value };
        let values = known.and_then(|row| row.get(9)).filter(|list| **list != "\\N");
        let values = values.map(|list| list.trim_matches(['{', '}']).split(',').map(|item| item.replace('"', "")));
        set.push([
            text(&setting.name),
            text(&setting.setting),
            at(2),
            or(at(3), "Customized Options"),
            at(4),
            or(at(5), "user"),
            or(at(6), "string"),
            text(if setting.source.is_empty() { "default" } else { &setting.source }),
            at(7),
            at(8),
            values.map_or(Datum::Null, texts),
            at(10),
            text(&setting.reset),
            flag(false),
        ]);
    }
    set.finish()
}

pub fn pg_stat_activity(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "datid",
        "datname",
        "pid",
        "usesysid",
        "usename",
        "application_name",
        "client_addr",
        "client_port",
        "backend_start",
        "xact_start",
        "query_start",
        "state_change",
        "wait_event_type",
        "wait_event",
        "state",
        "query",
        "backend_type",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for session in ctx.live.activity() {
        let moment = |value: Option<i64>| value.map_or(Datum::Null, time);
        set.push([
            snapshot.database_named(&session.database).map_or(Datum::Null, |found| oid(found.oid)),
            text(&session.database),
            int(session.pid),
            snapshot.role_named(&session.user).map_or(Datum::Null, |found| oid(found.oid)),
            text(&session.user),
            text(&session.application_name),
            text_or_null(session.client_address),
            session.client_port.map_or(Datum::Null, int),
            time(session.backend_start),
            moment(session.xact_start),
            moment(session.query_start),
            moment(session.state_change),
            text_or_null(session.wait_event_type),
            text_or_null(session.wait_event),
            text(&session.state),
            text(&session.query),
            text("client backend"),
        ]);
    }
    set.finish()
}

/// Blocks are rows by other means: PostgreSQL reads a table by blocks, and here there are none.
pub fn pg_stat_progress_create_index(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns =
        ["pid", "datid", "datname", "relid", "index_relid", "command", "phase", "tuples_total", "tuples_done"];
    let counters = [
        "lockers_total",
        "lockers_done",
        "current_locker_pid",
        "blocks_total",
        "blocks_done",
        "partitions_total",
        "partitions_done",
    ];
    let names: Vec<&str> = columns.into_iter().chain(counters).collect();
    let mut set = RowSet::new(desc, &names);
    let databases = &ctx.snapshot().shared.databases;
    for build in ctx.live.index_builds() {
        let database = databases.get(&build.database).map(|found| found.name.as_str());
        let mut row = vec![int(build.pid), oid(build.database), text_or_null(database)];
        match build.details {
            Some(found) => {
                row.extend([oid(found.table), oid(found.index), text(found.command), text(found.phase)]);
                row.extend([found.tuples_total, found.tuples_done].map(|count| int(count.cast_signed())));
                row.extend(counters.map(|_| int(0)));
            }
            None => row.resize(names.len(), Datum::Null),
        }
        set.push_vec(row);
    }
    set.finish()
}

pub fn pg_stat_ssl(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["pid", "ssl", "version", "cipher", "bits"]);
    for session in ctx.live.activity() {
        let encrypted = session.encryption.is_some();
        let (version, cipher, bits) = session.encryption.map_or((None, None, Datum::Null), |encryption| {
            (Some(encryption.version), Some(encryption.cipher), int(encryption.bits))
        });
        set.push([int(session.pid), flag(encrypted), text_or_null(version), text_or_null(cipher), bits]);
    }
    set.finish()
}

pub fn pg_stat_database(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let sessions = ctx.live.activity();
    let mut set = RowSet::new(desc, &["datid", "datname", "numbackends"]);
    zero_counters(desc, &mut set);
    for d in ctx.snapshot().shared.databases.values() {
        let count = sessions.iter().filter(|session| session.database == d.name).count();
        set.push([oid(d.oid), text(&d.name), int(count as i64)]);
    }
    set.finish()
}

fn zero_counters(desc: &RelationDesc, set: &mut RowSet<'_>) {
    for column in &desc.columns {
        if matches!(column.ty.oid, Oid::INT8 | Oid::FLOAT8) {
            set.preset(&column.name, int(0));
        }
    }
}

/// A view of counters with one row, all zero.
pub fn one_row(desc: &RelationDesc, _: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &[]);
    zero_counters(desc, &mut set);
    set.push([]);
    set.finish()
}

pub fn pg_locks(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "locktype",
        "database",
        "relation",
        "transactionid",
        "classid",
        "objid",
        "objsubid",
        "pid",
        "mode",
        "granted",
        "fastpath",
    ];
    let mut set = RowSet::new(desc, &columns);
    for lock in ctx.live.locks() {
        let object = |value: Option<Oid>| value.map_or(Datum::Null, oid);
        set.push([
            text(&lock.kind),
            object(lock.database),
            object(lock.relation),
            object(lock.transaction.map(Oid)),
            object(lock.class),
            object(lock.object),
            lock.sub.map_or(Datum::Null, int),
            int(lock.pid),
            text(&lock.mode),
            flag(lock.granted),
            flag(false),
        ]);
    }
    set.finish()
}

pub fn pg_prepared_statements(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "name",
        "statement",
        "prepare_time",
        "parameter_types",
        "result_types",
        "from_sql",
        "generic_plans",
        "custom_plans",
    ];
    let mut set = RowSet::new(desc, &columns);
    let types = |list: Vec<Oid>| array(Oid::REGTYPE, list.into_iter().map(oid).collect());
    for found in ctx.live.prepared_statements() {
        set.push([
            text(&found.name),
            text(&found.statement),
            time(found.prepared_at),
            types(found.parameters),
            found.results.map_or(Datum::Null, types),
            flag(found.from_sql),
            int(0),
            int(found.executions),
        ]);
    }
    set.finish()
}

pub fn pg_cursors(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["name", "statement", "is_holdable", "is_binary", "is_scrollable", "creation_time"];
    let mut set = RowSet::new(desc, &columns);
    for cursor in ctx.live.cursors() {
        set.push([
            text(&cursor.name),
            text(&cursor.statement),
            flag(cursor.holdable),
            flag(cursor.binary),
            flag(cursor.scrollable),
            time(cursor.created_at),
        ]);
    }
    set.finish()
}

fn seconds(value: i32) -> Datum {
    Datum::Interval(Interval { months: 0, days: 0, micros: i64::from(value) * 1_000_000 })
}

pub fn pg_timezone_names(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["name", "abbrev", "utc_offset", "is_dst"]);
    for name in timezone::names() {
        if let Some(zone) = Zone::named(&name) {
            let (offset, abbreviation, is_dst) = zone.info_at(ctx.live.now_micros());
            set.push([text(name), text(abbreviation), seconds(offset), flag(is_dst)]);
        }
    }
    set.finish()
}

pub fn pg_timezone_abbrevs(desc: &RelationDesc, _: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["abbrev", "utc_offset", "is_dst"]);
    for (abbreviation, offset, is_dst) in datetime::abbreviations() {
        set.push([text(abbreviation), seconds(*offset), flag(*is_dst)]);
    }
    set.finish()
}

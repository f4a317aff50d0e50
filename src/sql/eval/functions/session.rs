//! Functions about the session, its transaction and the server: identity, settings, sequences, advisory locks,
//! notifications, transaction numbers, waiting.
//!
//! Everything goes through [`crate::sql::eval::SessionFacade`]; what OmenDB does not have (recovery, replication) answers as a primary
//! server without any does.

use std::time::Duration;

use super::args::{boolean, float, int, int4, int8, interval, oid, text, timestamp, to_text};
use crate::bail;
use crate::common::clock;
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::eval::context::AdvisoryKey;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::array::ArrayValue;
use crate::types::{Datum, Oid};

/// The version of PostgreSQL that clients are told.
pub const SERVER_VERSION: &str = "18.4";
/// How long a sleeping function goes without asking whether it is cancelled.
const NAP: Duration = Duration::from_millis(10);

/// A value of type `void`.
fn void() -> Datum {
    to_text("")
}

fn version() -> String {
    format!(
        "PostgreSQL {SERVER_VERSION} (OmenDB {}) on {}-{}, compiled by rustc, 64-bit",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

fn current_schema(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(ctx.session().current_schemas(false).into_iter().next().map_or(Datum::Null, to_text))
}

fn current_schemas(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let names = ctx.session().current_schemas(boolean(&args[0]));
    let items = names.into_iter().map(to_text).collect();
    Ok(Datum::Array(std::sync::Arc::new(ArrayValue::from_items(Oid::NAME, items))))
}

fn current_setting(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let name = text(&args[0]);
    match ctx.session().setting(name) {
        Some(value) => Ok(to_text(value)),
        None if args.get(1).is_some_and(boolean) => Ok(Datum::Null),
        None => bail!(UNDEFINED_OBJECT, "unrecognized configuration parameter \"{name}\""),
    }
}

fn set_config(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Datum::Text(name) = &args[0] else {
        bail!(NULL_VALUE_NOT_ALLOWED, "SET requires parameter name");
    };
    let local = args[2].as_bool() == Some(true);
    ctx.session().set_setting(name, args[1].as_text().unwrap_or(""), local).map(to_text)
}

fn setval(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let is_called = args.get(2).is_none_or(boolean);
    ctx.session().setval(oid(&args[0]), int8(&args[1]), is_called).map(Datum::Int8)
}

/// The key in the arguments of an advisory lock function.
fn key(args: &[Datum]) -> AdvisoryKey {
    match args {
        [one] => AdvisoryKey::One(int8(one)),
        [class, object, ..] => AdvisoryKey::Two(int4(class), int4(object)),
        [] => panic!("advisory lock functions have a key"),
    }
}

/// How an advisory lock is taken.
struct Mode {
    shared: bool,
    transaction: bool,
    wait: bool,
}

fn lock(ctx: &FnContext<'_>, args: &[Datum], mode: &Mode) -> Result<Datum> {
    let taken = ctx.session().advisory_lock(key(args), mode.shared, mode.transaction, mode.wait)?;
    Ok(if mode.wait { void() } else { Datum::Bool(taken) })
}

fn unlock(ctx: &FnContext<'_>, args: &[Datum], shared: bool) -> Result<Datum> {
    let held = ctx.session().advisory_unlock(key(args), shared);
    if !held {
        let kind = if shared { "ShareLock" } else { "ExclusiveLock" };
        let message = format!("you don't own a lock of type {kind}");
        ctx.session().notice(Error::with_severity(Severity::Warning, SqlState::WARNING, message));
    }
    Ok(Datum::Bool(held))
}

const SESSION: Mode = Mode { shared: false, transaction: false, wait: true };
const SESSION_SHARED: Mode = Mode { shared: true, ..SESSION };
const TRANSACTION: Mode = Mode { transaction: true, ..SESSION };
const TRANSACTION_SHARED: Mode = Mode { shared: true, ..TRANSACTION };
const TRY_SESSION: Mode = Mode { wait: false, ..SESSION };
const TRY_SESSION_SHARED: Mode = Mode { shared: true, ..TRY_SESSION };
const TRY_TRANSACTION: Mode = Mode { wait: false, ..TRANSACTION };
const TRY_TRANSACTION_SHARED: Mode = Mode { shared: true, ..TRY_TRANSACTION };

fn notify(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let channel = args[0].as_text().unwrap_or("");
    if channel.is_empty() {
        bail!(INVALID_PARAMETER_VALUE, "channel name cannot be empty");
    }
    if channel.len() >= 64 {
        bail!(INVALID_PARAMETER_VALUE, "channel name too long");
    }
    let payload = args[1].as_text().unwrap_or("");
    if payload.len() >= 8_000 {
        bail!(INVALID_PARAMETER_VALUE, "payload string too long");
    }
    ctx.session().notify(channel, payload)?;
    Ok(void())
}

/// Sleeps, waking to see whether the statement is cancelled.
fn sleep(ctx: &FnContext<'_>, seconds: f64) -> Result<Datum> {
    let wanted = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    let start = clock::monotonic();
    loop {
        ctx.eval.cancel.check()?;
        let gone = start.elapsed();
        if gone >= wanted {
            return Ok(void());
        }
        std::thread::sleep((wanted - gone).min(NAP));
    }
}

fn transaction_status(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let asked = int(&args[0]);
    Ok(match ctx.session().transaction_id_if_assigned() {
        Some(current) if current == asked => to_text("in progress"),
        _ if asked <= 0 => Datum::Null,
        _ => to_text("committed"),
    })
}

fn transaction_age(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let age = ctx.session().transaction_id()?.wrapping_sub(int(&args[0]));
    Ok(Datum::Int4(i32::try_from(age).unwrap_or(i32::MAX)))
}

fn client_address(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(ctx.session().client_address().map_or(Datum::Null, |(address, _)| to_text(address)))
}

fn server_address(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(ctx.session().server_address().map_or(Datum::Null, |(address, _)| to_text(address)))
}

fn server_port(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(ctx.session().server_address().map_or(Datum::Null, |(_, port)| Datum::Int4(port)))
}

fn client_port(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(ctx.session().client_address().map_or(Datum::Null, |(_, port)| Datum::Int4(port)))
}

fn client_encoding(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(to_text(ctx.session().setting("client_encoding").unwrap_or_else(|| "UTF8".to_owned())))
}

/// PostgreSQL's number of an encoding, for the few that have a meaning here.
fn encoding_number(name: &str) -> i32 {
    match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "sqlascii" => 0,
        "utf8" | "unicode" => 6,
        "latin1" | "iso88591" => 8,
        _ => -1,
    }
}

fn encoding_name(number: i32) -> &'static str {
    match number {
        0 => "SQL_ASCII",
        6 => "UTF8",
        8 => "LATIN1",
        _ => "",
    }
}

fn signal(ctx: &FnContext<'_>, args: &[Datum], terminate: bool) -> Result<Datum> {
    let pid = int4(&args[0]);
    let sent = ctx.session().signal_backend(pid, terminate)?;
    if !sent {
        let message = format!("PID {pid} is not a PostgreSQL backend process");
        ctx.session().notice(Error::with_severity(Severity::Warning, SqlState::WARNING, message));
    }
    Ok(Datum::Bool(sent))
}

fn started(ctx: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Timestamptz(ctx.session().server_start_micros()))
}

fn no(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(false))
}

fn null(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

fn blocking_pids(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let pids = ctx.session().blocking_pids(int4(&args[0])).into_iter().map(Datum::Int4).collect();
    Ok(Datum::Array(std::sync::Arc::new(ArrayValue::from_items(Oid::INT4, pids))))
}

fn no_integers(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Array(std::sync::Arc::new(ArrayValue::from_items(Oid::INT4, Vec::new()))))
}

fn set_seed(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let seed = float(&args[0]);
    if !(-1.0..=1.0).contains(&seed) {
        let mut shown = String::new();
        crate::types::float::write_general(seed, 6, &mut shown);
        bail!(INVALID_PARAMETER_VALUE, "setseed parameter {shown} is out of allowed range [-1,1]");
    }
    ctx.session().set_seed(seed);
    Ok(void())
}

fn listening(ctx: &FnContext<'_>, _: &[Datum]) -> Result<SetRows> {
    Ok(SetRows::column(ctx.session().listening_channels().into_iter().map(to_text).collect()))
}

fn interval_seconds(value: &Datum) -> f64 {
    interval(value).total_micros() as f64 / 1e6
}

/// An address as text, which unlike its output always says how many bits of it count.
fn network_text(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(address) = args[0].as_text() else { return Ok(Datum::Null) };
    let bits = if address.contains(':') { 128 } else { 32 };
    Ok(if address.contains('/') { args[0].clone() } else { to_text(format!("{address}/{bits}")) })
}

/// Functions by `prosrc` (by name for `pg_sleep_for` and `pg_sleep_until`, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("pgsql_version", |_, _| Ok(to_text(version()))),
    ("current_user", |ctx, _| Ok(to_text(ctx.session().current_user()))),
    ("session_user", |ctx, _| Ok(to_text(ctx.session().session_user()))),
    ("system_user", null),
    ("current_database", |ctx, _| Ok(to_text(ctx.session().current_database()))),
    ("current_schema", current_schema),
    ("current_schemas", current_schemas),
    ("current_query", |ctx, _| Ok(ctx.session().current_query().map_or(Datum::Null, to_text))),
    ("pg_backend_pid", |ctx, _| Ok(Datum::Int4(ctx.session().backend_pid()))),
    ("inet_client_addr", client_address),
    ("inet_client_port", client_port),
    ("inet_server_addr", server_address),
    ("inet_server_port", server_port),
    ("network_show", network_text),
    ("pg_postmaster_start_time", started),
    ("pg_conf_load_time", started),
    ("show_config_by_name", current_setting),
    ("show_config_by_name_missing_ok", current_setting),
    ("set_config_by_name", set_config),
    ("pg_reload_conf", |_, _| Ok(Datum::Bool(true))),
    ("pg_client_encoding", client_encoding),
    ("getdatabaseencoding", |_, _| Ok(to_text("UTF8"))),
    ("PG_encoding_to_char", |_, a| Ok(to_text(encoding_name(int4(&a[0]))))),
    ("PG_char_to_encoding", |_, a| Ok(Datum::Int4(encoding_number(text(&a[0]))))),
    ("pg_encoding_max_length_sql", |_, a| {
        Ok(match int4(&a[0]) {
            0 | 8 => Datum::Int4(1),
            6 => Datum::Int4(4),
            _ => Datum::Null,
        })
    }),
    ("nextval_oid", |ctx, a| ctx.session().nextval(oid(&a[0])).map(Datum::Int8)),
    ("currval_oid", |ctx, a| ctx.session().currval(oid(&a[0])).map(Datum::Int8)),
    ("lastval", |ctx, _| ctx.session().lastval().map(Datum::Int8)),
    ("setval_oid", setval),
    ("setval3_oid", setval),
    ("pg_sequence_last_value", |ctx, a| {
        Ok(ctx.session().sequence_last_value(oid(&a[0]))?.map_or(Datum::Null, Datum::Int8))
    }),
    ("pg_advisory_lock_int8", |ctx, a| lock(ctx, a, &SESSION)),
    ("pg_advisory_lock_int4", |ctx, a| lock(ctx, a, &SESSION)),
    ("pg_advisory_lock_shared_int8", |ctx, a| lock(ctx, a, &SESSION_SHARED)),
    ("pg_advisory_lock_shared_int4", |ctx, a| lock(ctx, a, &SESSION_SHARED)),
    ("pg_advisory_xact_lock_int8", |ctx, a| lock(ctx, a, &TRANSACTION)),
    ("pg_advisory_xact_lock_int4", |ctx, a| lock(ctx, a, &TRANSACTION)),
    ("pg_advisory_xact_lock_shared_int8", |ctx, a| lock(ctx, a, &TRANSACTION_SHARED)),
    ("pg_advisory_xact_lock_shared_int4", |ctx, a| lock(ctx, a, &TRANSACTION_SHARED)),
    ("pg_try_advisory_lock_int8", |ctx, a| lock(ctx, a, &TRY_SESSION)),
    ("pg_try_advisory_lock_int4", |ctx, a| lock(ctx, a, &TRY_SESSION)),
    ("pg_try_advisory_lock_shared_int8", |ctx, a| lock(ctx, a, &TRY_SESSION_SHARED)),
    ("pg_try_advisory_lock_shared_int4", |ctx, a| lock(ctx, a, &TRY_SESSION_SHARED)),
    ("pg_try_advisory_xact_lock_int8", |ctx, a| lock(ctx, a, &TRY_TRANSACTION)),
    ("pg_try_advisory_xact_lock_int4", |ctx, a| lock(ctx, a, &TRY_TRANSACTION)),
    ("pg_try_advisory_xact_lock_shared_int8", |ctx, a| lock(ctx, a, &TRY_TRANSACTION_SHARED)),
    ("pg_try_advisory_xact_lock_shared_int4", |ctx, a| lock(ctx, a, &TRY_TRANSACTION_SHARED)),
    ("pg_advisory_unlock_int8", |ctx, a| unlock(ctx, a, false)),
    ("pg_advisory_unlock_int4", |ctx, a| unlock(ctx, a, false)),
    ("pg_advisory_unlock_shared_int8", |ctx, a| unlock(ctx, a, true)),
    ("pg_advisory_unlock_shared_int4", |ctx, a| unlock(ctx, a, true)),
    ("pg_advisory_unlock_all", |ctx, _| {
        ctx.session().advisory_unlock_all();
        Ok(void())
    }),
    ("pg_notify", notify),
    ("pg_notification_queue_usage", |_, _| Ok(Datum::Float8(0.0))),
    ("pg_sleep", |ctx, a| sleep(ctx, float(&a[0]))),
    ("pg_sleep_for", |ctx, a| sleep(ctx, interval_seconds(&a[0]))),
    ("pg_sleep_until", |ctx, a| sleep(ctx, (timestamp(&a[0]) as f64 - clock::now_micros() as f64) / 1e6)),
    ("pg_cancel_backend", |ctx, a| signal(ctx, a, false)),
    ("pg_terminate_backend", |ctx, a| signal(ctx, a, true)),
    ("pg_blocking_pids", blocking_pids),
    ("pg_safe_snapshot_blocking_pids", no_integers),
    ("pg_current_xact_id", |ctx, _| ctx.session().transaction_id().map(Datum::Int8)),
    ("pg_current_xact_id_if_assigned", |ctx, _| {
        Ok(ctx.session().transaction_id_if_assigned().map_or(Datum::Null, Datum::Int8))
    }),
    ("pg_xact_status", transaction_status),
    ("xid_age", transaction_age),
    ("pg_is_in_recovery", no),
    ("pg_is_wal_replay_paused", no),
    ("pg_last_xact_replay_timestamp", null),
    ("pg_last_wal_receive_lsn", null),
    ("pg_last_wal_replay_lsn", null),
    ("pg_jit_available", no),
    ("pg_is_other_temp_schema", no),
    ("pg_my_temp_schema", |_, _| Ok(Datum::Oid(Oid::NONE))),
    ("pg_trigger_depth", |_, _| Ok(Datum::Int4(0))),
    ("setseed", set_seed),
    ("row_security_active", no),
    ("row_security_active_name", no),
];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[("pg_listening_channels", listening)];

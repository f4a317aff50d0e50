//! Expected values and messages are those of PostgreSQL 18.4.

use super::Settings;
use crate::txn::Isolation;

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<String, String> {
    settings.set_text(name, value, false).map_err(|error| {
        let report = error.report();
        let tail = report.detail.as_ref().or(report.hint.as_ref()).map(|text| format!(" / {text}")).unwrap_or_default();
        format!("{}: {}{tail}", error.sqlstate().as_str(), report.message)
    })?;
    Ok(settings.show(name).unwrap())
}

#[test]
fn values_read_and_print_as_postgresql_does() {
    let table = [
        ("work_mem", "64", "64kB"),
        ("work_mem", "1.5MB", "1536kB"),
        ("work_mem", "0x100", "256kB"),
        ("work_mem", " 100kB ", "100kB"),
        ("work_mem", "100 kB", "100kB"),
        ("statement_timeout", "5s", "5s"),
        ("statement_timeout", "1500", "1500ms"),
        ("statement_timeout", "1.5min", "90s"),
        ("statement_timeout", "0", "0"),
        ("enable_seqscan", "of", "off"),
        ("random_page_cost", "0x10", "16"),
        ("random_page_cost", "1.5 ", "1.5"),
        ("effective_cache_size", "1GB", "1GB"),
        ("effective_cache_size", "8388608", "64GB"),
        ("vacuum_cost_delay", "1.5", "1500us"),
        ("vacuum_cost_delay", "500us", "500us"),
        ("deadlock_timeout", "1000000us", "1s"),
        ("log_temp_files", "-1", "-1"),
        ("idle_in_transaction_session_timeout", "1d", "1d"),
        ("constraint_exclusion", "1", "on"),
        ("synchronous_commit", "no", "off"),
        ("client_min_messages", "debug", "debug2"),
        ("intervalstyle", "ISO_8601", "iso_8601"),
        ("datestyle", "german", "German, DMY"),
        ("datestyle", "iso", "ISO, DMY"),
        ("datestyle", "iso, mdy", "ISO, MDY"),
        ("timezone", "europe/berlin", "Europe/Berlin"),
        ("timezone", "3", "<+03>-03"),
        ("timezone", "-3.5", "<-03:30>+03:30"),
        ("timezone", "+5:30", "+5:30"),
        ("client_encoding", "utf-8", "UTF8"),
        ("client_encoding", "sql_ascii", "SQL_ASCII"),
        ("application_name", "h\u{e9}llo", "h\\xc3\\xa9llo"),
        ("hnsw.ef_search", "100", "100"),
        ("a.b", "x", "x"),
        ("search_path", "\"a b\", c ", "\"a b\", c "),
    ];
    let mut settings = Settings::new();
    settings.set_internal("is_superuser", "on").unwrap();
    for (name, value, shown) in table {
        assert_eq!(set(&mut settings, name, value).as_deref(), Ok(shown), "{name} = {value}");
    }
}

#[test]
fn bad_values_have_postgresqls_messages() {
    let table = [
        ("work_mem", "abc", "22023: invalid value for parameter \"work_mem\": \"abc\""),
        (
            "work_mem",
            "10XB",
            "22023: invalid value for parameter \"work_mem\": \"10XB\" / Valid units for this parameter are \"B\", \
             \"kB\", \"MB\", \"GB\", and \"TB\".",
        ),
        (
            "work_mem",
            "1.55",
            "22023: 2 kB is outside the valid range for parameter \"work_mem\" (64 kB .. 2147483647 kB)",
        ),
        (
            "work_mem",
            "010",
            "22023: 8 kB is outside the valid range for parameter \"work_mem\" (64 kB .. 2147483647 kB)",
        ),
        (
            "statement_timeout",
            "1h30",
            "22023: invalid value for parameter \"statement_timeout\": \"1h30\" / Valid units for this parameter are \
             \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
        ),
        ("enable_seqscan", "maybe", "22023: parameter \"enable_seqscan\" requires a Boolean value"),
        (
            "bytea_output",
            "x",
            "22023: invalid value for parameter \"bytea_output\": \"x\" / Available values: escape, hex.",
        ),
        (
            "random_page_cost",
            "-1",
            "22023: -1 is outside the valid range for parameter \"random_page_cost\" (0 .. 1.79769e+308)",
        ),
        ("random_page_cost", "1e1000", "22023: invalid value for parameter \"random_page_cost\": \"1e1000\""),
        (
            "lock_timeout",
            "99999999999",
            "22023: invalid value for parameter \"lock_timeout\": \"99999999999\" / Value exceeds integer range.",
        ),
        (
            "temp_buffers",
            "10",
            "22023: 10 8kB is outside the valid range for parameter \"temp_buffers\" (100 8kB .. 1073741823 8kB)",
        ),
        ("nosuch", "1", "42704: unrecognized configuration parameter \"nosuch\""),
        ("hnsw.foo", "1", "42602: invalid configuration parameter name \"hnsw.foo\" / \"hnsw\" is a reserved prefix."),
        (
            "a.1b",
            "1",
            "42602: invalid configuration parameter name \"a.1b\" / Custom parameter names must be two or more simple \
             identifiers separated by dots.",
        ),
        ("server_version", "1", "55P02: parameter \"server_version\" cannot be changed"),
        (
            "max_connections",
            "10",
            "55P02: parameter \"max_connections\" cannot be changed without restarting the server",
        ),
        ("fsync", "off", "55P02: parameter \"fsync\" cannot be changed now"),
        ("post_auth_delay", "1", "55P02: parameter \"post_auth_delay\" cannot be set after connection start"),
        ("log_statement", "all", "42501: permission denied to set parameter \"log_statement\""),
        (
            "datestyle",
            "foo",
            "22023: invalid value for parameter \"DateStyle\": \"foo\" / Unrecognized key word: \"foo\".",
        ),
        (
            "datestyle",
            "iso, sql",
            "22023: invalid value for parameter \"DateStyle\": \"iso, sql\" / Conflicting \"DateStyle\" specifications.",
        ),
        ("timezone", "nowhere", "22023: invalid value for parameter \"TimeZone\": \"nowhere\""),
        ("client_encoding", "nosuch", "22023: invalid value for parameter \"client_encoding\": \"nosuch\""),
        ("client_encoding", "latin1", "0A000: conversion between LATIN1 and UTF8 is not supported"),
        (
            "search_path",
            "a,,b",
            "22023: invalid value for parameter \"search_path\": \"a,,b\" / List syntax is invalid.",
        ),
        ("hnsw.ef_search", "0", "22023: 0 is outside the valid range for parameter \"hnsw.ef_search\" (1 .. 1000)"),
        (
            "transaction_isolation",
            "snapshot",
            "22023: invalid value for parameter \"transaction_isolation\": \"snapshot\" / Available values: serializable, repeatable read, read committed, read uncommitted.",
        ),
    ];
    let mut settings = Settings::new();
    for (name, value, message) in table {
        assert_eq!(set(&mut settings, name, value).unwrap_err(), message, "{name} = {value}");
    }
}

#[test]
fn lists_are_quoted_where_they_are_names() {
    let mut settings = Settings::new();
    settings.set("search_path", &["$user".into(), "public".into(), "C".into()], false).unwrap();
    assert_eq!(settings.show("search_path").unwrap(), "\"$user\", public, \"C\"");
    assert_eq!(*settings.search_path(), ["$user".to_owned(), "public".into(), "C".into()]);
    settings.set("search_path", &[String::new()], false).unwrap();
    assert_eq!(settings.show("search_path").unwrap(), "\"\"");
    let error = settings.set("work_mem", &["1".into(), "2".into()], false).unwrap_err();
    assert_eq!(error.report().message, "SET work_mem takes only one argument");
}

#[test]
fn changes_follow_their_transaction() {
    let mut settings = Settings::new();
    settings.set_text("work_mem", "1MB", false).unwrap();
    settings.begin_transaction();
    settings.set_text("work_mem", "2MB", false).unwrap();
    settings.set_text("work_mem", "3MB", true).unwrap();
    assert_eq!(settings.show("work_mem").unwrap(), "3MB");
    settings.savepoint();
    settings.set_text("work_mem", "4MB", false).unwrap();
    settings.set_text("lock_timeout", "4s", true).unwrap();
    settings.rollback_to(0);
    assert_eq!(settings.show("work_mem").unwrap(), "3MB");
    assert_eq!(settings.typed().lock_timeout, None);
    settings.commit();
    assert_eq!(settings.show("work_mem").unwrap(), "2MB");
    settings.begin_transaction();
    settings.reset("work_mem", false).unwrap();
    assert_eq!(settings.show("work_mem").unwrap(), "4MB");
    settings.rollback();
    assert_eq!(settings.typed().work_mem, 2 << 20);
    settings.reset_all();
    assert_eq!(settings.typed().work_mem, 4 << 20);
}

#[test]
fn a_transactions_kind_is_its_own() {
    let mut settings = Settings::new();
    settings.begin_transaction();
    settings.set_text("default_transaction_isolation", "serializable", false).unwrap();
    assert_eq!(settings.typed().isolation, Isolation::ReadCommitted);
    settings.set_text("transaction_isolation", "repeatable read", false).unwrap();
    assert_eq!(settings.typed().isolation, Isolation::RepeatableRead);
    settings.commit();
    assert_eq!(settings.typed().isolation, Isolation::Serializable);
    assert_eq!(settings.show("transaction_isolation").unwrap(), "serializable");
}

#[test]
fn reports_come_once_per_change() {
    let mut settings = Settings::new();
    settings.set_startup("application_name", "psql").unwrap();
    assert_eq!(settings.take_reports().len(), 15);
    assert!(settings.take_reports().is_empty());
    settings.begin_transaction();
    settings.set_text("TimeZone", "Europe/Paris", true).unwrap();
    assert_eq!(settings.take_reports(), [("TimeZone".to_owned(), "Europe/Paris".to_owned())]);
    settings.rollback();
    assert_eq!(settings.take_reports(), [("TimeZone".to_owned(), "UTC".to_owned())]);
    settings.reset("application_name", false).unwrap();
    assert_eq!(settings.show("application_name").unwrap(), "psql");
}

#[test]
fn every_setting_has_a_row() {
    let settings = Settings::new();
    let rows = settings.all();
    assert!(rows.len() > 390);
    assert!(rows.iter().all(|row| row.name != "role"));
    let mem = rows.iter().find(|row| row.name == "work_mem").unwrap();
    assert_eq!((mem.setting.as_str(), mem.shown.as_str(), mem.unit), ("4096", "4MB", Some("kB")));
}

#[test]
fn the_configuration_gives_start_values() {
    let mut settings = Settings::new();
    let caches = [("block_cache", "512MB".to_owned()), ("row_cache", "64MB".to_owned())];
    let config = crate::config::Config::load(None, std::iter::empty(), &caches).unwrap();
    for (name, value) in config.sql_settings() {
        settings.set_start(name, &value).unwrap();
    }
    assert_eq!(settings.show("port").unwrap(), "5433");
    assert_eq!(settings.show("shared_buffers").unwrap(), "832MB");
    assert_eq!(settings.show("listen_addresses").unwrap(), "127.0.0.1");
}

//! The server as a whole, from outside: crashes and shutdown, logins and rights, the protocol, bad input, memory.
//!
//! Tests that only need a server share one. With `OMENDB_TEST_PORT` (and `OMENDB_TEST_USER`) those run against a server that is
//! already there, such as a real PostgreSQL, to see that what they expect is what PostgreSQL does.

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

mod bad_input;
mod crash;
mod huge;
mod protocol;
mod recursion;
mod security;
mod streaming;
mod strings;
#[path = "../support/mod.rs"]
mod support;
mod vectors;

use support::Server;

/// Where the shared server is.
pub struct Target {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// A superuser that needs no password.
    pub user: String,
    /// Whether it is OmenDB.
    pub ours: bool,
}

impl Target {
    /// A connection of a real client library.
    pub fn connect(&self) -> postgres::Client {
        self.config().connect(postgres::NoTls).expect("the server accepts connections")
    }

    /// Its settings.
    pub fn config(&self) -> postgres::Config {
        let mut config = postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user(&self.user).dbname("postgres");
        config
    }

    /// A connection that speaks the protocol itself.
    pub fn raw(&self) -> support::wire::Raw<std::net::TcpStream> {
        support::wire::Raw::login(self.port, &self.user, "postgres")
    }
}

/// Tests with servers of their own.
const ALONE: &[(&str, fn())] = &[
    ("crash::survives_kill", crash::survives_kill),
    ("crash::survives_kill_in_a_huge_commit", huge::survives_kill_in_a_huge_commit),
    ("crash::vectors_survive_kill", vectors::survive_kill),
    ("vectors::included_columns", vectors::included_columns),
    ("vectors::settings_reach_prepared_plans", vectors::settings_reach_prepared_plans),
    ("crash::stops_on_sigterm", crash::stops_on_sigterm),
    ("crash::refuses_a_second_server", crash::refuses_a_second_server),
    ("crash::check_finds_damage", crash::check_finds_damage),
    ("security::passwords_are_checked", security::passwords_are_checked),
    ("security::ordinary_roles_are_limited", security::ordinary_roles_are_limited),
    ("security::tls_is_served", security::tls_is_served),
    ("security::tls_can_be_demanded", security::tls_can_be_demanded),
    ("security::connections_are_limited", security::connections_are_limited),
    ("streaming::memory_stays_bounded", streaming::memory_stays_bounded),
    ("bad_input::very_large_statements", bad_input::very_large_statements),
    ("strings::announced_gigabytes", strings::announced_gigabytes),
];

/// A test on the shared server: its name and what it does.
type SharedTest = (&'static str, fn(&Target));

/// Tests on the shared server.
const SHARED: &[SharedTest] = &[
    ("vectors::build_beyond_memory", vectors::build_beyond_memory),
    ("protocol::pipelines", protocol::pipelines),
    ("protocol::portals_with_limits", protocol::portals_with_limits),
    ("protocol::portals_run_again", protocol::portals_run_again),
    ("protocol::describes_before_values", protocol::describes_before_values),
    ("protocol::simple_queries", protocol::simple_queries),
    ("protocol::explains_prepared_statements", protocol::explains_prepared_statements),
    ("protocol::parameters_are_reported", protocol::parameters_are_reported),
    ("protocol::copies_round_trip", protocol::copies_round_trip),
    ("protocol::copy_can_fail", protocol::copy_can_fail),
    ("protocol::cancels", protocol::cancels),
    ("protocol::statement_timeout", protocol::statement_timeout),
    ("protocol::addresses_are_shown", protocol::addresses_are_shown),
    ("bad_input::wrong_messages", bad_input::wrong_messages),
    ("bad_input::wrong_values", bad_input::wrong_values),
    ("bad_input::random_bytes", bad_input::random_bytes),
    ("bad_input::deep_nesting", bad_input::deep_nesting),
    ("bad_input::wrong_vectors", bad_input::wrong_vectors),
    ("recursion::statements", recursion::statements),
    ("recursion::values", recursion::values),
    ("strings::invalid_text_in_messages", strings::invalid_text_in_messages),
    ("strings::lengths_beyond_the_message", strings::lengths_beyond_the_message),
];

fn main() {
    let arguments = Arguments::from_args();
    let given = std::env::var("OMENDB_TEST_PORT").ok().and_then(|text| text.parse::<u16>().ok());
    let mut server = None;
    let target = if let Some(port) = given {
        let user = std::env::var("OMENDB_TEST_USER").unwrap_or_else(|_| "postgres".to_owned());
        Target { port, user, ours: false }
    } else {
        let data = tempfile::tempdir().expect("temporary directory");
        let started = Server::start(data.path());
        let port = started.port;
        server = Some((started, data));
        Target { port, user: "postgres".to_owned(), ours: true }
    };
    target.connect().batch_execute("CREATE EXTENSION IF NOT EXISTS vector").expect("the extension");
    let target = Arc::new(target);
    let mut trials: Vec<Trial> = SHARED
        .iter()
        .map(|(name, test)| {
            let target = Arc::clone(&target);
            Trial::test(*name, move || {
                test(&target);
                Ok(())
            })
        })
        .collect();
    if given.is_none() {
        trials.extend(ALONE.iter().map(|(name, test)| {
            Trial::test(*name, move || {
                test();
                Ok(())
            })
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some((server, _)) = &mut server {
        assert!(server.is_running(), "the shared server is gone\n{}", server.log());
        assert!(!server.log().contains("panicked"), "a thread of the server panicked\n{}", server.log());
    }
    drop(server);
    conclusion.exit();
}

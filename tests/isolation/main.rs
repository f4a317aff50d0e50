//! Concurrent sessions: which anomalies an isolation level allows, who waits for whom, who fails how.
//!
//! Every `tests/isolation/specs/*.spec` is a test; its plays run one after the other in a database of its own. What they come to is
//! recorded from a real PostgreSQL. Plays where OmenDB differs are listed, with the reason, in
//! `tests/isolation/known_differences.txt` as `file: play # reason`; one that does not differ any more fails the test, so that
//! the list can only shrink. With `OMENDB_TEST_PORT` (and `OMENDB_TEST_USER`) the server that is already there is tested.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use postgres::{Config, NoTls};

mod spec;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use spec::Spec;
use support::Server;

const FOLDER: &str = "tests/isolation/specs";

/// Lines that differ, one under the other.
fn difference(expected: &[String], got: &[String]) -> String {
    let mut told = String::new();
    for at in 0..expected.len().max(got.len()) {
        let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(nothing)".to_owned());
        let (expected, got) = (line(expected), line(got));
        if expected == got {
            told += &format!("       {got}\n");
        } else {
            told += &format!("     - {expected}\n     + {got}\n");
        }
    }
    told
}

fn run(config: &Config, path: &Path, known: &HashSet<String>) -> Result<(), Failed> {
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let spec = Spec::parse(&std::fs::read_to_string(path).map_err(|e| e.to_string())?)?;
    let database = format!("isolation_{}", name.trim_end_matches(".spec"));
    let mut admin = config.connect(NoTls).map_err(|e| e.to_string())?;
    for sql in [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")] {
        admin.batch_execute(&sql).map_err(|e| format!("{sql}: {e:?}"))?;
    }
    let mut config = config.clone();
    config.dbname(&database);
    let mut failures = Vec::new();
    for play in &spec.plays {
        let title = play.title();
        let key = format!("{name}: {title}");
        let outcome = match stage::play(&config, &spec, play) {
            Ok(got) if got == play.expected => Ok(()),
            Ok(got) => Err(difference(&play.expected, &got)),
            Err(why) => Err(format!("     {why}\n")),
        };
        match outcome {
            Ok(()) if known.contains(&key) => failures.push(format!("{key}\n     passes: remove it from the list\n")),
            Err(why) if !known.contains(&key) => {
                failures.push(format!("{}:{}: {title}\n{why}", path.display(), play.line))
            }
            _ => {}
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {} plays differ\n{}", failures.len(), spec.plays.len(), failures.join("\n")).into())
}

fn main() {
    // One after the other: statements of DDL wait for an open transaction with DDL in any database, and plays are about who waits.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let folder = std::fs::read_dir(FOLDER).expect("specs");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "spec"));
    paths.sort();
    assert!(!paths.is_empty(), "no specs found");
    let listed = std::fs::read_to_string("tests/isolation/known_differences.txt").unwrap_or_default();
    let entries = listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let known: Arc<HashSet<String>> =
        Arc::new(entries.map(|line| line.split(" # ").next().unwrap_or(line).to_owned()).collect());
    let mut config = Config::new();
    config.host("127.0.0.1").dbname("postgres").user("postgres");
    let given = std::env::var("OMENDB_TEST_PORT").ok().and_then(|text| text.parse::<u16>().ok());
    let mut server = None;
    if let Some(port) = given {
        config.port(port);
        if let Ok(user) = std::env::var("OMENDB_TEST_USER") {
            config.user(&user);
        }
    } else {
        let data = tempfile::tempdir().expect("temporary directory");
        let started = Server::start(data.path());
        config.port(started.port);
        server = Some((started, data));
    }
    let config = Arc::new(config);
    let trials = paths
        .into_iter()
        .map(|path| {
            let (config, known) = (Arc::clone(&config), Arc::clone(&known));
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            Trial::test(format!("isolation::{name}"), move || run(&config, &path, &known))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some((server, _)) = &server {
        assert!(!server.log().contains("panicked"), "a thread of the server panicked\n{}", server.log());
    }
    drop(server);
    conclusion.exit();
}

//! Runs every `tests/slt/**/*.slt` file against the real server over the wire, each in its own empty database.
//!
//! Results and SQLSTATEs in the files are recorded from a real PostgreSQL by `tests/record.py`. Statements where OmenDB
//! differs are listed, with the reason, in `tests/slt/known_differences.txt` as `file: statement`; a listed statement that gives
//! PostgreSQL's answer fails the test too, so the list can only shrink.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};
use postgres::{Client, NoTls, SimpleQueryMessage};

mod support;
use support::Server;

/// One record of an slt file.
#[derive(Debug)]
struct Record {
    line: usize,
    sql: String,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    Ok,
    Error(String),
    Rows { rows: Vec<String>, sorted: bool },
}

fn parse(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let head = lines[at];
        if head.is_empty() || head.starts_with('#') {
            at += 1;
            continue;
        }
        let line = at + 1;
        at += 1;
        let mut sql = Vec::new();
        while at < lines.len() && lines[at] != "----" && (!lines[at].is_empty() || head.starts_with("query")) {
            sql.push(lines[at]);
            at += 1;
        }
        let mut expected = match head.strip_prefix("statement error (") {
            Some(code) => Expected::Error(code.trim_end_matches(')').to_string()),
            None => Expected::Ok,
        };
        if head.starts_with("query") {
            at += 1;
            let start = at;
            while at < lines.len() && !lines[at].is_empty() {
                at += 1;
            }
            let rows = lines[start..at].iter().map(ToString::to_string).collect();
            expected = Expected::Rows { rows, sorted: head.ends_with("rowsort") };
        }
        records.push(Record { line, sql: sql.join("\n"), expected });
    }
    records
}

fn cell(value: Option<&str>) -> String {
    match value {
        None => "NULL".into(),
        Some("") => "(empty)".into(),
        Some(text) => text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t"),
    }
}

/// What came back, in the words of the file.
fn run(client: &mut Client, sql: &str) -> Result<Option<Vec<String>>, String> {
    match client.simple_query(sql) {
        Ok(messages) => {
            let mut rows = None;
            for message in messages {
                match message {
                    SimpleQueryMessage::RowDescription(_) => rows = Some(Vec::new()),
                    // Rows without columns leave no line in a file.
                    SimpleQueryMessage::Row(row) if row.is_empty() => {}
                    SimpleQueryMessage::Row(row) => {
                        let cells: Vec<String> = (0..row.len()).map(|i| cell(row.get(i))).collect();
                        rows.get_or_insert_with(Vec::new).push(cells.join(" "));
                    }
                    _ => {}
                }
            }
            Ok(rows)
        }
        Err(error) => Err(error.code().map_or_else(|| format!("connection: {error}"), |c| c.code().to_string())),
    }
}

fn check(record: &Record, client: &mut Client) -> Result<(), String> {
    let got = run(client, &record.sql);
    match (&record.expected, got) {
        (Expected::Ok, Ok(None)) => Ok(()),
        (Expected::Error(code), Err(found)) if *code == found => Ok(()),
        (Expected::Rows { rows, sorted }, Ok(Some(mut found))) => {
            if *sorted {
                found.sort();
            }
            if *rows == found { Ok(()) } else { Err(format!("expected rows {rows:?}\n     found rows {found:?}")) }
        }
        (expected, Ok(found)) => Err(format!("expected {expected:?}\n     found {found:?}")),
        (expected, Err(found)) => Err(format!("expected {expected:?}\n     found error {found}")),
    }
}

fn run_file(server: &Server, path: &Path, known: &Mutex<HashSet<String>>) -> Result<(), Failed> {
    let name = path.strip_prefix("tests/slt").map_err(|e| e.to_string())?.to_string_lossy().into_owned();
    let database = format!("slt_{}", name.replace(['/', '.'], "_"));
    let mut admin = server.connect("postgres");
    admin.batch_execute(&format!("CREATE DATABASE {database}")).map_err(|e| e.to_string())?;
    let connect = || server.config(&database).connect(NoTls).map_err(|e| e.to_string());
    let mut client = connect()?;
    client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").map_err(|e| e.to_string())?;
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let records = parse(&text);
    let mut failures = Vec::new();
    for record in &records {
        let key = format!("{name}: {}", record.sql.replace('\n', " "));
        let outcome = check(record, &mut client);
        if client.is_closed() {
            client = connect()?;
        }
        let listed = known.lock().expect("lock").contains(&key);
        match outcome {
            Ok(()) if listed => failures.push(format!("{key}\n     passes: remove it from known_differences.txt")),
            Err(why) if !listed => {
                failures.push(format!("{path}:{}: {}\n     {why}", record.line, record.sql, path = path.display()))
            }
            _ => {}
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(format!("{} of {} statements fail\n{}", failures.len(), records.len(), failures.join("\n")).into())
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("slt folder").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "slt") {
            out.push(path);
        }
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let mut paths = Vec::new();
    files(Path::new("tests/slt"), &mut paths);
    assert!(!paths.is_empty(), "no slt files found");
    let listed = std::fs::read_to_string("tests/slt/known_differences.txt").unwrap_or_default();
    let known: HashSet<String> = listed
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .map(|l| l.split(" # ").next().unwrap_or(l).to_string())
        .collect();
    let known = Arc::new(Mutex::new(known));
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Arc::new(Server::start(data.path()));
    let trials = paths
        .into_iter()
        .map(|path| {
            let (server, known) = (Arc::clone(&server), Arc::clone(&known));
            Trial::test(format!("wire::{}", path.display()), move || run_file(&server, &path, &known))
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(server);
    conclusion.exit();
}

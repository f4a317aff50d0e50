//! Runs every `tests/slt/**/*.slt` file twice, each time in an empty database: `wire::` against the real server through a client, `local::`
//! through a session in this process without sockets, on a store in memory. Both must give what the file says.
//!
//! Results and SQLSTATEs in the files are recorded from a real PostgreSQL by `tests/record.py`. Statements where OmenDB
//! differs are listed, with the reason, in `tests/slt/known_differences.txt` as `file: statement`; a listed statement that gives
//! PostgreSQL's answer fails the test too, so the list can only shrink.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Arguments, Failed, Trial};
use omendb::config::Config;
use omendb::pgwire::sink::MemorySink;
use omendb::pgwire::{Connection, Frontend, Login, Waker};
use omendb::session::{Engine, Session};
use omendb::storage::MemoryKv;
use postgres::{Client, NoTls, SimpleQueryMessage};

mod support;
use support::Server;
use support::wire::Message;

/// The stack of a session in this process.
const STACK_BYTES: usize = 16 << 20;

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

/// What came back, in the words of the file: rows as lines if there are any, or the SQLSTATE.
type Answer = Result<Option<Vec<String>>, String>;

/// Something that runs statements.
trait Subject {
    fn run(&mut self, sql: &str) -> Answer;
    /// Whether it is of no use any more.
    fn is_closed(&self) -> bool;
}

impl Subject for Client {
    fn run(&mut self, sql: &str) -> Answer {
        let messages = self.simple_query(sql).map_err(|error| match error.code() {
            Some(code) => code.code().to_owned(),
            None => format!("connection: {error}"),
        })?;
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

    fn is_closed(&self) -> bool {
        Client::is_closed(self)
    }
}

/// A session of an engine in this process, on a store in memory.
struct Local {
    session: Session,
    ended: bool,
}

impl Local {
    fn open(engine: &Arc<Engine>, database: &str) -> Result<Self, Failed> {
        static PIDS: AtomicU32 = AtomicU32::new(1);
        let login = Login {
            user: "postgres".to_owned(),
            database: database.to_owned(),
            settings: Vec::new(),
            client_address: None,
            server_address: None,
            pid: PIDS.fetch_add(1, Ordering::Relaxed),
            tls: None,
            waker: Waker::none(),
        };
        let session = engine.connect(login).map_err(|e| e.to_string())?;
        Ok(Self { session, ended: false })
    }
}

impl Subject for Local {
    fn run(&mut self, sql: &str) -> Answer {
        let mut sink = MemorySink::default();
        if let Err(error) = self.session.handle(Frontend::Query(sql.to_owned()), &mut sink) {
            self.ended = true;
            return Err(format!("connection: {error}"));
        }
        let mut rows = None;
        let mut left = &sink.output[..];
        while let Some((head, rest)) = left.split_first_chunk::<5>() {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
            let message = Message { tag: head[0], body: rest[..length].to_vec() };
            left = &rest[length..];
            match message.tag {
                b'E' => return Err(message.field(b'C')),
                b'T' => rows = Some(Vec::new()),
                b'D' => {
                    let values = message.values();
                    let text = |value: &Option<Vec<u8>>| {
                        cell(value.as_deref().map(|bytes| std::str::from_utf8(bytes).expect("values are UTF-8")))
                    };
                    if !values.is_empty() {
                        let cells: Vec<String> = values.iter().map(text).collect();
                        rows.get_or_insert_with(Vec::new).push(cells.join(" "));
                    }
                }
                _ => {}
            }
        }
        Ok(rows)
    }

    fn is_closed(&self) -> bool {
        self.ended
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.session.close();
    }
}

fn check(record: &Record, subject: &mut dyn Subject) -> Result<(), String> {
    let got = subject.run(&record.sql);
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

/// Opens a connection to a database.
type Connect<'a> = dyn Fn(&str) -> Result<Box<dyn Subject>, Failed> + 'a;

fn run_file(connect: &Connect<'_>, path: &Path, known: &HashSet<String>) -> Result<(), Failed> {
    let name = path.strip_prefix("tests/slt").map_err(|e| e.to_string())?.to_string_lossy().into_owned();
    let database = format!("slt_{}", name.replace(['/', '.'], "_"));
    connect("postgres")?.run(&format!("CREATE DATABASE {database}"))?;
    let mut subject = connect(&database)?;
    subject.run("CREATE EXTENSION IF NOT EXISTS vector")?;
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let records = parse(&text);
    let mut failures = Vec::new();
    for record in &records {
        let key = format!("{name}: {}", record.sql.replace('\n', " "));
        let outcome = check(record, &mut *subject);
        if subject.is_closed() {
            subject = connect(&database)?;
        }
        let listed = known.contains(&key);
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
    let known = Arc::new(known);
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Arc::new(Server::start(data.path()));
    let mut config = Config::defaults();
    config.admin_user = "postgres".to_owned();
    let engine = Engine::open_on(Arc::new(MemoryKv::new()), &config).expect("the engine opens");
    let mut trials = Vec::new();
    for path in paths {
        let (name, wire, local) = (path.display().to_string(), path.clone(), path);
        let (server, listed) = (Arc::clone(&server), Arc::clone(&known));
        trials.push(Trial::test(format!("wire::{name}"), move || {
            let connect = |database: &str| -> Result<Box<dyn Subject>, Failed> {
                Ok(Box::new(server.config(database).connect(NoTls).map_err(|e| e.to_string())?))
            };
            run_file(&connect, &wire, &listed)
        }));
        let (engine, listed) = (Arc::clone(&engine), Arc::clone(&known));
        trials.push(Trial::test(format!("local::{name}"), move || {
            let connect =
                |database: &str| -> Result<Box<dyn Subject>, Failed> { Ok(Box::new(Local::open(&engine, database)?)) };
            // A connection's thread has this much stack as well.
            let run = || run_file(&connect, &local, &listed);
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
                thread.expect("a thread").join().unwrap_or_else(|_| Err("the session panicked".into()))
            })
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(server);
    conclusion.exit();
}

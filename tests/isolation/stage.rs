//! Plays a spec on real connections, one thread each.
//!
//! After each step every busy session is watched until it has answered or waits for a lock. Whether it waits, the server is asked
//! (`pg_blocking_pids`); it has to say so several times in a row, because a wait may be about to end.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::spec::{Play, Spec};
use crate::support::wire::{Message, Raw, query};

/// How long a session is given between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// How often in a row the server must say that a session waits.
const SURE: u32 = 4;
/// How long a statement may neither answer nor wait: a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection and its thread.
struct Actor {
    pid: i32,
    statements: Sender<String>,
    answers: Receiver<Vec<Message>>,
    /// The step that runs, and whether it was told that it waits.
    busy: Option<(String, bool)>,
}

/// An answer in the words of specs: tags, rows, errors.
fn tell(messages: &[Message]) -> String {
    let mut parts = Vec::new();
    let mut rows: Option<Vec<String>> = None;
    for message in messages {
        match message.tag {
            b'T' => rows = Some(Vec::new()),
            b'D' => {
                let cell = |value: Option<Vec<u8>>| {
                    value.map_or_else(|| "NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
                };
                let cells: Vec<String> = message.values().into_iter().map(cell).collect();
                rows.get_or_insert_with(Vec::new).push(format!("({})", cells.join(", ")));
            }
            b'C' => {
                let tag = String::from_utf8_lossy(&message.body).trim_end_matches('\0').to_owned();
                match rows.take() {
                    Some(rows) if !rows.is_empty() => parts.push(format!("{tag}: {}", rows.join(" "))),
                    _ => parts.push(tag),
                }
            }
            b'E' => parts.push(format!("ERROR {}: {}", message.field(b'C'), message.field(b'M'))),
            _ => {}
        }
    }
    parts.join(" / ")
}

impl Actor {
    fn open(config: &Config) -> Self {
        let port = config.get_ports()[0];
        let (user, database) = (config.get_user().unwrap_or("postgres"), config.get_dbname().unwrap_or("postgres"));
        let mut raw: Raw<TcpStream> = Raw::login(port, user, database);
        let answer = raw.ask(&query("SELECT pg_backend_pid()"));
        let row = answer.iter().find(|message| message.tag == b'D').expect("a row");
        let text = row.values().into_iter().flatten().next().expect("a value");
        let pid = String::from_utf8_lossy(&text).parse().expect("a number");
        let (statements, incoming) = channel::<String>();
        let (outgoing, answers) = channel();
        std::thread::spawn(move || {
            while let Ok(sql) = incoming.recv() {
                if outgoing.send(raw.ask(&query(&sql))).is_err() {
                    return;
                }
            }
        });
        Self { pid, statements, answers, busy: None }
    }

    fn begin(&mut self, step: &str, sql: String) {
        self.busy = Some((step.to_owned(), false));
        self.statements.send(sql).expect("the thread waits for statements");
    }

    /// The answer, if there is one by now.
    fn answer(&mut self, limit: Duration) -> Option<String> {
        match self.answers.recv_timeout(limit) {
            Ok(messages) => Some(tell(&messages)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some("the connection broke".to_owned()),
        }
    }

    fn waits(&self, admin: &mut Client) -> Result<bool, String> {
        let blocked = admin.query_one("SELECT pg_blocking_pids($1)", &[&self.pid]).map_err(|e| e.to_string())?;
        Ok(!blocked.get::<_, Vec<i32>>(0).is_empty())
    }

    /// Watches the running statement until it has answered (the answer) or waits (`None`).
    fn watch(&mut self, admin: &mut Client) -> Result<Option<String>, String> {
        let start = Instant::now();
        let mut seen = 0;
        while start.elapsed() < PATIENCE {
            if let Some(answer) = self.answer(LOOK) {
                return Ok(Some(answer));
            }
            seen = if self.waits(admin)? { seen + 1 } else { 0 };
            if seen == SURE {
                return Ok(None);
            }
        }
        Err(format!("{:?} neither answers nor waits", self.busy))
    }
}

/// Plays on a database of its own; what came of it, as it would stand in the file.
///
/// # Errors
/// A statement of the setup fails, a session hangs, or the play ends while one waits.
pub fn play(config: &Config, spec: &Spec, play: &Play) -> Result<Vec<String>, String> {
    let mut admin = config.connect(NoTls).map_err(|error| error.to_string())?;
    admin
        .batch_execute(&format!("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; {}", spec.setup))
        .map_err(|error| format!("setup: {error:?}"))?;
    let mut actors: BTreeMap<&str, Actor> = BTreeMap::new();
    let mut told = Vec::new();
    for (session, step) in &play.steps {
        let sql = spec.sql(play, session, step)?;
        if !actors.contains_key(session.as_str()) {
            let mut actor = Actor::open(config);
            if let Ok(start) = spec.sql(play, session, "start") {
                actor.begin("start", start);
                let answer = actor.watch(&mut admin)?.unwrap_or_default();
                if answer.contains("ERROR") {
                    return Err(format!("{session}.start: {answer}"));
                }
                actor.busy = None;
            }
            actors.insert(session, actor);
        }
        let actor = actors.get_mut(session.as_str()).expect("opened");
        if let Some((busy, _)) = actor.busy.clone() {
            let Some(answer) = actor.answer(PATIENCE) else {
                return Err(format!("{session}.{step} cannot begin: {session}.{busy} still waits"));
            };
            told.push(format!("{session}.{busy} goes on: {answer}"));
        }
        actor.begin(step, sql);
        settle(&mut actors, session, &mut admin, &mut told)?;
    }
    match actors.iter().find_map(|(name, actor)| Some((name, actor.busy.as_ref()?))) {
        Some((name, (step, _))) => Err(format!("the play ends while {name}.{step} waits")),
        None => Ok(told),
    }
}

/// Watches the session that has begun a step, then those that waited before, until none goes on.
fn settle<'a>(
    actors: &mut BTreeMap<&'a str, Actor>,
    first: &'a str,
    admin: &mut Client,
    told: &mut Vec<String>,
) -> Result<(), String> {
    let mut order: Vec<&str> = actors.keys().copied().filter(|name| *name != first).collect();
    order.insert(0, first);
    loop {
        let mut moved = false;
        for name in &order {
            let actor = actors.get_mut(name).expect("opened");
            let Some((step, waited)) = actor.busy.clone() else { continue };
            match actor.watch(admin)? {
                Some(answer) => {
                    let how = if waited { " goes on" } else { "" };
                    told.push(format!("{name}.{step}{how}: {answer}"));
                    actor.busy = None;
                    moved = true;
                }
                None if !waited => {
                    told.push(format!("{name}.{step}: waits"));
                    actor.busy = Some((step, true));
                }
                None => {}
            }
        }
        if !moved {
            return Ok(());
        }
    }
}

//! The text form of isolation specs: a setup, sessions with named steps, and plays with what came of them.
//!
//! ```text
//! # What is looked at.
//! setup
//!     CREATE TABLE t (id int PRIMARY KEY, v int);
//! session a
//!     add: UPDATE t SET v = v + 1
//! session b
//!     add: UPDATE t SET v = v + 1
//!
//! play read committed: a.begin a.add b.add a.commit
//!     a.begin: BEGIN
//!     a.add: UPDATE 1
//!     b.add: waits
//!     a.commit: COMMIT
//!     b.add goes on: UPDATE 1
//! ```
//!
//! Every session has the steps `begin` (at the play's level), `commit` and `rollback` besides its own; a step called `start` is run when
//! the session is opened. A session that waits is waited for when its next step comes. The lines under a play are recorded from a real PostgreSQL by `tests/record_isolation.py`.

use std::collections::BTreeMap;

/// A spec.
#[derive(Debug, Default)]
pub struct Spec {
    /// Statements before each play.
    pub setup: String,
    /// Steps of each session by name.
    pub sessions: BTreeMap<String, BTreeMap<String, String>>,
    /// Its plays in order.
    pub plays: Vec<Play>,
}

/// An order of steps.
#[derive(Debug)]
pub struct Play {
    /// Its line in the file.
    pub line: usize,
    /// The level of its transactions.
    pub level: String,
    /// Session and step.
    pub steps: Vec<(String, String)>,
    /// What came of it in PostgreSQL.
    pub expected: Vec<String>,
}

impl Play {
    /// The play as it stands in the file.
    pub fn title(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|(session, step)| format!("{session}.{step}")).collect();
        format!("play {}: {}", self.level, steps.join(" "))
    }
}

impl Spec {
    /// Reads a spec.
    ///
    /// # Errors
    /// The line that makes no sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut spec = Self::default();
        let mut part = Part::Nothing;
        for (at, line) in text.lines().enumerate() {
            let wrong = |why: &str| format!("line {}: {why}: {line}", at + 1);
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(inner) = line.strip_prefix("    ") {
                match &part {
                    Part::Nothing => return Err(wrong("nothing begins with such a line")),
                    Part::Setup => spec.setup += &format!("{inner}\n"),
                    Part::Session(name) => {
                        let (step, sql) = inner.split_once(": ").ok_or_else(|| wrong("not a step"))?;
                        let steps = spec.sessions.get_mut(name).expect("entered at its head");
                        steps.insert(step.to_owned(), sql.to_owned());
                    }
                    Part::Play => spec.plays.last_mut().expect("entered at its head").expected.push(inner.to_owned()),
                }
            } else if line == "setup" {
                part = Part::Setup;
            } else if let Some(name) = line.strip_prefix("session ") {
                spec.sessions.insert(name.to_owned(), BTreeMap::new());
                part = Part::Session(name.to_owned());
            } else if let Some(play) = line.strip_prefix("play ") {
                let (level, steps) = play.split_once(": ").ok_or_else(|| wrong("a play needs a level"))?;
                let step = |text: &str| text.split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned()));
                let steps: Option<Vec<_>> = steps.split_whitespace().map(step).collect();
                let steps = steps.ok_or_else(|| wrong("a step is session.name"))?;
                spec.plays.push(Play { line: at + 1, level: level.to_owned(), steps, expected: Vec::new() });
                part = Part::Play;
            } else {
                return Err(wrong("not a head"));
            }
        }
        Ok(spec)
    }

    /// The statement of a step.
    ///
    /// # Errors
    /// There is no such step.
    pub fn sql(&self, play: &Play, session: &str, step: &str) -> Result<String, String> {
        let steps = self.sessions.get(session).ok_or_else(|| format!("no session {session}"))?;
        match (steps.get(step), step) {
            (Some(sql), _) => Ok(sql.clone()),
            (None, "begin") => Ok(format!("BEGIN ISOLATION LEVEL {}", play.level.to_uppercase())),
            (None, "commit") => Ok("COMMIT".to_owned()),
            (None, "rollback") => Ok("ROLLBACK".to_owned()),
            _ => Err(format!("no step {session}.{step}")),
        }
    }
}

/// Which part of a file a line belongs to.
enum Part {
    Nothing,
    Setup,
    Session(String),
    Play,
}

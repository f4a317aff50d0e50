//! One server under test: its connection, options and habits.

use postgres::Client;

use super::args::VectorArgs;
use super::results::System;
use crate::bench::client::{connect, text};
use crate::bench::lean::Lean;
use crate::common::quote_literal;

/// Settings that the report shows when the server knows them.
const SHOWN: [&str; 5] =
    ["fsync", "synchronous_commit", "shared_buffers", "maintenance_work_mem", "max_parallel_maintenance_workers"];

/// A server and what is special to it.
pub struct Target<'a> {
    /// How to reach it.
    pub dsn: &'a str,
    /// `server` or `against`, for messages.
    pub label: &'static str,
    /// More index options.
    pub with: &'a [String],
    /// Session settings.
    pub set: &'a [String],
    /// Process for memory.
    pub pid: Option<u32>,
    /// Whether the server must be told to go on when a filter leaves too few rows.
    pub needs_iterative: bool,
}

impl<'a> Target<'a> {
    /// The servers of a command line.
    ///
    /// # Errors
    /// A server is not reachable.
    pub fn all(args: &'a VectorArgs) -> Result<Vec<(Self, System)>, String> {
        let ours = (args.dsn.as_str(), "server", &args.with, &args.set, args.pid);
        let theirs = args
            .against
            .as_deref()
            .map(|dsn| (dsn, "against", &args.against_with, &args.against_set, args.against_pid));
        std::iter::once(ours)
            .chain(theirs)
            .map(|(dsn, label, with, set, pid)| {
                let mut target = Self { dsn, label, with, set, pid, needs_iterative: false };
                let system = target.describe().map_err(|e| format!("{label}: {e}"))?;
                target.needs_iterative = !system.version.contains("OmenDB");
                Ok((target, system))
            })
            .collect()
    }

    /// A session with the command line's settings.
    ///
    /// # Errors
    /// The server refuses the connection or a setting.
    pub fn connect(&self) -> Result<Client, String> {
        let mut client = connect(self.dsn)?;
        for pair in self.set {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair}: expected NAME=VALUE"))?;
            self.set(&mut client, name, value)?;
        }
        Ok(client)
    }

    /// A session of the lean client with the command line's settings.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_lean(&self) -> Result<Lean, String> {
        let mut session = Lean::connect(self.dsn)?;
        for pair in self.set {
            let (name, value) = pair.split_once('=').ok_or_else(|| format!("{pair}: expected NAME=VALUE"))?;
            session.run(&format!("SET {name} = {}", quote_literal(value)))?;
        }
        Ok(session)
    }

    fn set(&self, client: &mut Client, name: &str, value: &str) -> Result<(), String> {
        client.execute("SELECT set_config($1, $2, false)", &[&name, &value]).map_err(text)?;
        Ok(())
    }

    fn describe(&self) -> Result<System, String> {
        let mut client = self.connect()?;
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector").map_err(text)?;
        let version = client.query_one("SELECT version()", &[]).map_err(text)?.get(0);
        let mut settings = Vec::new();
        for name in SHOWN {
            let value = client.query_one("SELECT current_setting($1, true)", &[&name]).map_err(text)?;
            if let Some(value) = value.get::<_, Option<String>>(0) {
                settings.push(format!("{name} {value}"));
            }
        }
        settings.extend(self.set.iter().cloned());
        Ok(System { version, settings: settings.join(", "), ..System::default() })
    }
}

/// The node of a statement's plan that reads the table, from EXPLAIN.
///
/// # Errors
/// The server cannot explain the statement.
pub fn scan_of(client: &mut Client, sql: &str) -> Result<String, String> {
    let rows = client.simple_query(&format!("EXPLAIN {sql}")).map_err(text)?;
    let lines = rows.iter().filter_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(scan_line(lines))
}

/// The first scan by an index, or else the first scan: below an index scan may stand how it would read without one.
fn scan_line<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let scans: Vec<&str> = lines.filter(|line| line.contains("Scan")).collect();
    let by_index = scans.iter().find(|line| line.contains("Index"));
    let scan = by_index.or(scans.first()).copied().unwrap_or("no scan");
    let scan = scan.split("  (").next().unwrap_or(scan);
    scan.trim_start_matches(|c: char| c.is_whitespace() || c == '-' || c == '>').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_named_by_its_index() {
        for (plan, wanted) in [
            (
                "Limit  (cost=1)\n  ->  Index Scan using i on t  (cost=0)\n        Order By: x",
                "Index Scan using i on t",
            ),
            (
                "Limit\n  ->  Index Scan using i on t  (cost=0)\n     ->  Seq Scan on t  (cost=0)",
                "Index Scan using i on t",
            ),
            (
                "Sort\n -> Bitmap Heap Scan on t  (c)\n  -> Bitmap Index Scan on t_cat  (c)",
                "Bitmap Index Scan on t_cat",
            ),
            ("Gather\n  ->  Parallel Seq Scan on t  (cost=0)", "Parallel Seq Scan on t"),
            ("Result", "no scan"),
        ] {
            assert_eq!(scan_line(plan.lines()), wanted);
        }
    }
}

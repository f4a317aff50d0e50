//! Durable single-row writes with the vector index in place, and one of them without.
//!
//! Each operation is one transaction that the server acknowledges after its log is safe. New vectors are rows of the
//! base moved a little, so that they fall where the data is. Afterwards every acknowledged insert must be there.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postgres::{Client, Statement};

use super::args::{Phase, VectorArgs};
use super::dataset::{CATEGORIES, Dataset};
use super::load::{encode, index_name};
use super::results::{System, Window, Write};
use super::search::{median, warm_up, window_of};
use super::target::Target;
use crate::bench::client::{Encoded, text};
use crate::bench::data::Seeded;
use crate::bench::timed;

/// Part of a vector's scale by which a new one differs from the row it is made of.
const MOVED: f32 = 0.1;

/// A write workload.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    Insert,
    UpdateVector,
    UpdateOther,
}

/// A client's state.
struct Writer<'a> {
    client: Client,
    statement: Statement,
    random: Seeded,
    kind: Kind,
    args: &'a VectorArgs,
    data: &'a Dataset,
    next_id: &'a AtomicI64,
    /// This client's number and how many there are: each updates rows of its own.
    share: (u64, u64),
}

/// Runs the write workloads, the servers in turn; the table is of no use for searches afterwards and is dropped.
///
/// # Errors
/// A server fails or loses an acknowledged row.
pub fn run(targets: &[Target<'_>], systems: &mut [System], args: &VectorArgs, data: &Dataset) -> Result<(), String> {
    if args.runs(Phase::Insert) {
        each(targets, systems, args, data, ("insert", Kind::Insert))?;
    }
    if args.runs(Phase::Update) {
        each(targets, systems, args, data, ("update of the vector", Kind::UpdateVector))?;
        each(targets, systems, args, data, ("update of another column", Kind::UpdateOther))?;
        for target in targets {
            let sql = format!("DROP INDEX {}", index_name(args));
            target.connect()?.batch_execute(&sql).map_err(|e| format!("{}: {}", target.label, text(e)))?;
        }
        each(targets, systems, args, data, ("update of another column, no index", Kind::UpdateOther))?;
    }
    for target in targets {
        target.connect()?.batch_execute(&format!("DROP TABLE {}", args.table)).map_err(text)?;
    }
    Ok(())
}

fn each(
    targets: &[Target<'_>],
    systems: &mut [System],
    args: &VectorArgs,
    data: &Dataset,
    (name, kind): (&'static str, Kind),
) -> Result<(), String> {
    for clients in &args.clients {
        let mut windows = vec![Vec::new(); targets.len()];
        for _ in 0..args.rounds.max(1) {
            for (target, windows) in targets.iter().zip(&mut windows) {
                let window = measure(target, args, data, kind, *clients);
                windows.push(window.map_err(|e| format!("{}, {name}: {e}", target.label))?);
            }
        }
        for (at, windows) in windows.into_iter().enumerate() {
            let window = median(windows);
            eprintln!("{}: {name}, {clients} clients: {:.0}/s", targets[at].label, window.rate);
            systems[at].writes.push(Write { name, clients: *clients, window });
        }
    }
    Ok(())
}

fn measure(
    target: &Target<'_>,
    args: &VectorArgs,
    data: &Dataset,
    kind: Kind,
    clients: usize,
) -> Result<Window, String> {
    let mut client = target.connect()?;
    let table = &args.table;
    let first: i64 = client.query_one(&format!("SELECT max(id) + 1 FROM {table}"), &[]).map_err(text)?.get(0);
    let next_id = AtomicI64::new(first);
    let sql = match kind {
        Kind::Insert => format!("INSERT INTO {table} VALUES ($1, $2, $3, 0, $4)"),
        Kind::UpdateVector => format!("UPDATE {table} SET embedding = $2 WHERE id = $1"),
        Kind::UpdateOther => format!("UPDATE {table} SET touched = touched + 1 WHERE id = $1"),
    };
    let mut writers = Vec::new();
    for number in 0..clients {
        let mut client = target.connect()?;
        let statement = client.prepare(&sql).map_err(text)?;
        let random = Seeded::new(first as u64 * 31 + number as u64);
        let share = (number as u64, clients as u64);
        writers.push(Writer { client, statement, random, kind, args, data, next_id: &next_id, share });
    }
    let limit = Duration::from_secs_f64(args.seconds);
    let timings = timed::window(writers, warm_up(args), limit, Writer::write)?;
    let written = next_id.into_inner() - first;
    let sql = format!("SELECT count(*) FROM {table} WHERE id >= {first}");
    let found: i64 = client.query_one(&sql, &[]).map_err(text)?.get(0);
    if found != written {
        return Err(format!("wrong answer: {written} inserts were acknowledged and {found} rows are there"));
    }
    Ok(window_of(&timings))
}

impl Writer<'_> {
    fn write(&mut self) -> Result<(), String> {
        let done = match self.kind {
            Kind::Insert => {
                let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                let (cat, near) = (self.category(), self.category());
                let vector = self.new_vector();
                self.client.execute(&self.statement, &[&id, &cat, &near, &Encoded(&vector)])
            }
            Kind::UpdateVector => {
                let (id, vector) = (self.existing(), self.new_vector());
                self.client.execute(&self.statement, &[&id, &Encoded(&vector)])
            }
            Kind::UpdateOther => {
                let id = self.existing();
                self.client.execute(&self.statement, &[&id])
            }
        };
        match done.map_err(text)? {
            1 => Ok(()),
            rows => Err(format!("wrong answer: {rows} rows written, not 1")),
        }
    }

    fn category(&mut self) -> i32 {
        self.random.below(CATEGORIES as u64) as i32
    }

    fn existing(&mut self) -> i64 {
        let (number, clients) = self.share;
        let rows = self.data.base.count() as u64;
        let row = self.random.below(rows.div_ceil(clients)) * clients + number;
        row.min(rows - 1) as i64
    }

    fn new_vector(&mut self) -> Vec<u8> {
        let row = self.random.below(self.data.base.count() as u64) as usize;
        let base = self.data.base.row(row);
        let scale = (base.iter().map(|v| v * v).sum::<f32>() / base.len() as f32).sqrt() * MOVED;
        let moved: Vec<f32> = base.iter().map(|v| v + scale * self.random.unit()).collect();
        encode(self.args, &moved)
    }
}

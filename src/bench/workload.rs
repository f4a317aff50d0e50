//! The workloads: each prepares its table once per server, then yields a rate per round.

use std::io::Write;
use std::time::{Duration, Instant};

use postgres::{Client, Statement};

use super::StatementArgs;
use super::client::{COPY_HEADER, Encoded, connect, text, write_vector};
use super::data::{Seeded, Vectors};
use super::report::{Report, Row};
use super::timed;

/// What a workload measures: operations (or rows) per second with some number of clients.
struct Workload {
    name: &'static str,
    unit: &'static str,
    clients: usize,
    run: fn(&Context<'_>, usize) -> Result<f64, String>,
}

struct Context<'a> {
    dsn: &'a str,
    args: &'a StatementArgs,
    vectors: &'a Vectors,
}

const WORKLOADS: &[Workload] = &[
    Workload { name: "COPY binary, vectors", unit: "rows/s", clients: 1, run: copy_vectors },
    Workload { name: "COPY text, 3 columns", unit: "rows/s", clients: 1, run: copy_text },
    Workload { name: "point read, prepared", unit: "queries/s", clients: 1, run: point_reads },
    Workload { name: "point read, prepared", unit: "queries/s", clients: 2, run: point_reads },
    Workload { name: "durable insert, prepared", unit: "commits/s", clients: 1, run: inserts },
    Workload { name: "durable insert, prepared", unit: "commits/s", clients: 2, run: inserts },
    Workload { name: "durable update by key", unit: "commits/s", clients: 1, run: updates },
    Workload { name: "exact KNN, 10 of all", unit: "queries/s", clients: 1, run: knn },
    Workload { name: "exact KNN, 10 of all", unit: "queries/s", clients: 2, run: knn },
    Workload { name: "exact KNN, one category", unit: "queries/s", clients: 1, run: knn_filtered },
    Workload { name: "count(*)", unit: "queries/s", clients: 1, run: count },
    Workload { name: "count(*), predicate", unit: "queries/s", clients: 1, run: count_where },
    Workload { name: "group by, 100 groups", unit: "queries/s", clients: 1, run: group_by },
    Workload { name: "order by, limit 10", unit: "queries/s", clients: 1, run: top_n },
    Workload { name: "join with aggregate", unit: "queries/s", clients: 1, run: join },
];

/// Runs everything, servers in turn per workload and round.
pub fn run_all(args: &StatementArgs, vectors: &Vectors) -> Result<Report, String> {
    let dsns: Vec<&str> = args.dsn.iter().chain(&args.against).map(String::as_str).collect();
    let contexts: Vec<Context<'_>> = dsns.iter().map(|dsn| Context { dsn, args, vectors }).collect();
    let mut report = Report::default();
    for context in &contexts {
        report.versions.push(prepare(context)?);
    }
    for workload in WORKLOADS {
        let name = match workload.clients {
            1 => workload.name.to_string(),
            many => format!("{}, {many} clients", workload.name),
        };
        if args.only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let mut rates = vec![Vec::new(); contexts.len()];
        for _ in 0..args.rounds.max(1) {
            for (context, rates) in contexts.iter().zip(&mut rates) {
                rates.push((workload.run)(context, workload.clients).map_err(|e| format!("{name}: {e}"))?);
            }
        }
        let mut medians = rates.into_iter().map(median);
        let row = Row { name, unit: workload.unit, ours: medians.next().unwrap_or(f64::NAN), theirs: medians.next() };
        eprintln!("{}: {:.1} {:?}", row.name, row.ours, row.theirs);
        report.rows.push(row);
    }
    Ok(report)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Creates and fills the tables that the read workloads share; returns `version()` and the durability settings.
fn prepare(context: &Context<'_>) -> Result<String, String> {
    let mut client = connect(context.dsn)?;
    client
        .batch_execute(
            "CREATE EXTENSION IF NOT EXISTS vector;
             DROP TABLE IF EXISTS bench_rows; DROP TABLE IF EXISTS bench_groups;
             CREATE TABLE bench_rows (id bigint PRIMARY KEY, grp int NOT NULL, label text NOT NULL, amount float8 NOT NULL);
             CREATE TABLE bench_groups (grp int PRIMARY KEY, title text NOT NULL);
             INSERT INTO bench_groups SELECT g, 'group ' || g FROM generate_series(0, 99) g;",
        )
        .map_err(text)?;
    let mut writer = client.copy_in("COPY bench_rows FROM STDIN").map_err(text)?;
    let mut random = Seeded::new(7);
    let mut line = Vec::new();
    for id in 0..context.args.rows {
        line.clear();
        let amount = random.below(1_000_000) as f64 / 100.0;
        writeln!(line, "{id}\t{}\tlabel-{}\t{amount}", random.below(100), id % 1000).map_err(|e| e.to_string())?;
        writer.write_all(&line).map_err(|e| e.to_string())?;
    }
    writer.finish().map_err(text)?;
    copy_vectors(context, 1)?;
    client.batch_execute("ANALYZE bench_rows; ANALYZE bench_vectors").map_err(text)?;
    let mut facts = client.query_one("SELECT version()", &[]).map_err(text)?.get::<_, String>(0);
    for setting in ["fsync", "synchronous_commit"] {
        let value: String = client.query_one("SELECT current_setting($1)", &[&setting]).map_err(text)?.get(0);
        facts.push_str(&format!(", {setting} {value}"));
    }
    Ok(facts)
}

/// Runs `operation` in a loop with each of `clients` sessions at once and returns operations per second.
fn rate<F>(context: &Context<'_>, clients: usize, sql: &str, operation: F) -> Result<f64, String>
where
    F: Fn(&mut Client, &Statement, &mut Seeded) -> Result<(), String> + Sync,
{
    let mut sessions = Vec::new();
    for number in 0..clients {
        let mut client = connect(context.dsn)?;
        let statement = client.prepare(sql).map_err(text)?;
        sessions.push((client, statement, Seeded::new(1000 + number as u64)));
    }
    let limit = Duration::from_secs_f64(context.args.seconds);
    let timings = timed::window(sessions, Duration::ZERO, limit, |(client, statement, random)| {
        operation(client, statement, random)
    })?;
    Ok(timings.rate)
}

fn expect(found: bool, what: &str) -> Result<(), String> {
    if found { Ok(()) } else { Err(format!("wrong answer: {what}")) }
}

fn copy_vectors(context: &Context<'_>, _clients: usize) -> Result<f64, String> {
    let mut client = connect(context.dsn)?;
    let dims = context.vectors.dims;
    client
        .batch_execute(&format!(
            "DROP TABLE IF EXISTS bench_vectors;
             CREATE TABLE bench_vectors (id bigint PRIMARY KEY, category int NOT NULL, embedding vector({dims}))"
        ))
        .map_err(text)?;
    let start = Instant::now();
    let mut writer = client.copy_in("COPY bench_vectors FROM STDIN (FORMAT binary)").map_err(text)?;
    let mut buffer = COPY_HEADER.to_vec();
    for index in 0..context.vectors.count() {
        buffer.extend_from_slice(&3_i16.to_be_bytes());
        buffer.extend_from_slice(&8_i32.to_be_bytes());
        buffer.extend_from_slice(&(index as i64).to_be_bytes());
        buffer.extend_from_slice(&4_i32.to_be_bytes());
        buffer.extend_from_slice(&((index % 100) as i32).to_be_bytes());
        buffer.extend_from_slice(&(4 + 4 * dims as i32).to_be_bytes());
        write_vector(context.vectors.row(index), &mut buffer);
        if buffer.len() > 1 << 16 {
            writer.write_all(&buffer).map_err(|e| e.to_string())?;
            buffer.clear();
        }
    }
    buffer.extend_from_slice(&(-1_i16).to_be_bytes());
    writer.write_all(&buffer).map_err(|e| e.to_string())?;
    let rows = writer.finish().map_err(text)?;
    expect(rows == context.vectors.count() as u64, "COPY count")?;
    Ok(rows as f64 / start.elapsed().as_secs_f64())
}

fn copy_text(context: &Context<'_>, _clients: usize) -> Result<f64, String> {
    let mut client = connect(context.dsn)?;
    client
        .batch_execute(
            "DROP TABLE IF EXISTS bench_copy; CREATE TABLE bench_copy (id bigint PRIMARY KEY, a int, b text)",
        )
        .map_err(text)?;
    let rows = 200_000_u64;
    let start = Instant::now();
    let mut writer = client.copy_in("COPY bench_copy FROM STDIN").map_err(text)?;
    let mut buffer = Vec::new();
    for id in 0..rows {
        writeln!(buffer, "{id}\t{}\tsome text {id}", id % 977).map_err(|e| e.to_string())?;
        if buffer.len() > 1 << 16 {
            writer.write_all(&buffer).map_err(|e| e.to_string())?;
            buffer.clear();
        }
    }
    writer.write_all(&buffer).map_err(|e| e.to_string())?;
    let copied = writer.finish().map_err(text)?;
    expect(copied == rows, "COPY count")?;
    Ok(copied as f64 / start.elapsed().as_secs_f64())
}

fn point_reads(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let rows = u64::from(context.args.rows);
    rate(
        context,
        clients,
        "SELECT id, grp, label, amount FROM bench_rows WHERE id = $1",
        |client, statement, random| {
            let id = random.below(rows) as i64;
            let row = client.query_one(statement, &[&id]).map_err(text)?;
            expect(row.get::<_, i64>(0) == id, "point read")
        },
    )
}

fn inserts(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let mut client = connect(context.dsn)?;
    client
        .batch_execute(
            "DROP TABLE IF EXISTS bench_insert;
             CREATE TABLE bench_insert (id bigint PRIMARY KEY, a int, b text)",
        )
        .map_err(text)?;
    rate(context, clients, "INSERT INTO bench_insert VALUES ($1, $2, $3)", |client, statement, random| {
        let id = (random.next() >> 1) as i64;
        let done = client.execute(statement, &[&id, &7_i32, &"some text"]).map_err(text)?;
        expect(done == 1, "insert")
    })
}

fn updates(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let rows = u64::from(context.args.rows);
    rate(context, clients, "UPDATE bench_rows SET amount = amount + 1 WHERE id = $1", |client, statement, random| {
        let done = client.execute(statement, &[&(random.below(rows) as i64)]).map_err(text)?;
        expect(done == 1, "update")
    })
}

fn knn(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let sql = "SELECT id FROM bench_vectors ORDER BY embedding <-> $1 LIMIT 10";
    rate(context, clients, sql, |client, statement, random| {
        let target = random.below(context.vectors.count() as u64) as usize;
        let rows = client.query(statement, &[&Encoded(&encode(context.vectors.row(target)))]).map_err(text)?;
        expect(rows.len() == 10.min(context.vectors.count()), "KNN rows")?;
        let nearest = rows[0].get::<_, i64>(0) as usize;
        expect(context.vectors.row(nearest) == context.vectors.row(target), "a vector is its own nearest neighbour")
    })
}

fn knn_filtered(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let sql = "SELECT id FROM bench_vectors WHERE category = $2 ORDER BY embedding <=> $1 LIMIT 10";
    rate(context, clients, sql, |client, statement, random| {
        let target = random.below(context.vectors.count() as u64) as usize;
        let category = (target % 100) as i32;
        let rows =
            client.query(statement, &[&Encoded(&encode(context.vectors.row(target))), &category]).map_err(text)?;
        expect(rows.iter().all(|row| row.get::<_, i64>(0) % 100 == i64::from(category)), "KNN category")
    })
}

fn count(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    rate(context, clients, "SELECT count(*) FROM bench_rows", |client, statement, _| {
        let row = client.query_one(statement, &[]).map_err(text)?;
        expect(row.get::<_, i64>(0) == i64::from(context.args.rows), "count")
    })
}

fn count_where(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    rate(context, clients, "SELECT count(*) FROM bench_rows WHERE amount >= 0 AND grp < 50", |client, statement, _| {
        let row = client.query_one(statement, &[]).map_err(text)?;
        expect(row.get::<_, i64>(0) > 0, "count with predicate")
    })
}

fn group_by(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let sql = "SELECT grp, count(*), sum(amount), avg(amount) FROM bench_rows GROUP BY grp";
    rate(context, clients, sql, |client, statement, _| {
        let rows = client.query(statement, &[]).map_err(text)?;
        let total: i64 = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
        expect(total == i64::from(context.args.rows), "group counts")
    })
}

fn top_n(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let sql = "SELECT id, amount FROM bench_rows ORDER BY amount DESC, id LIMIT 10";
    rate(context, clients, sql, |client, statement, _| {
        let rows = client.query(statement, &[]).map_err(text)?;
        expect(rows.windows(2).all(|w| w[0].get::<_, f64>(1) >= w[1].get::<_, f64>(1)), "order")
    })
}

fn join(context: &Context<'_>, clients: usize) -> Result<f64, String> {
    let sql = "SELECT g.title, count(*) FROM bench_rows r JOIN bench_groups g USING (grp) GROUP BY g.title";
    rate(context, clients, sql, |client, statement, _| {
        let rows = client.query(statement, &[]).map_err(text)?;
        let total: i64 = rows.iter().map(|row| row.get::<_, i64>(1)).sum();
        expect(total == i64::from(context.args.rows), "join counts")
    })
}

/// A vector as a binary parameter.
fn encode(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + 4 * values.len());
    write_vector(values, &mut bytes);
    bytes
}

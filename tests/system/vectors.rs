//! Kills the server while a vector index is built, written to and kept in checkpoints: the first query after the restart is right.
//!
//! One client changes vectors until the connection breaks, or makes a second index. After each restart the very first query is
//! one for nearest rows, which must be those that comparing all rows finds; and `omendb_check` finds the graph and the rows in step.
//! In some rounds the checkpoint is damaged while the server is down: that is told in the log and costs building anew, nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgres::Client;

use crate::Target;
use crate::support::Server;
use crate::support::random::Random;
use crate::support::wire::query;

/// Rows to begin with: many enough that the index is used and has a checkpoint.
const ROWS: i32 = 4000;
const ROUNDS: u64 = 6;
/// An index that is not there by then will not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Elements by number, everywhere in a cube and no two alike.
fn place(number: i32) -> String {
    let turn = |factor: f64| (f64::from(number) * factor).fract();
    format!("[{},{},{}]", turn(0.754_877_666), turn(0.569_840_291), turn(0.332_645_371))
}

/// Acknowledged rows with the numbers of their vectors.
type Model = BTreeMap<i32, i32>;

/// Changes rows until the connection breaks; nothing that was in doubt is kept.
fn write(db: &mut Client, model: &mut Model, random: &mut Random, next: &mut i32) {
    loop {
        *next += 100;
        let (first, known) = (*next, model.keys().nth(random.below(model.len() as u64) as usize).copied());
        let known = known.expect("there are rows");
        let place = place(first);
        let (sql, change): (String, Vec<(i32, Option<i32>)>) = match random.below(10) {
            0..4 => (format!("INSERT INTO v VALUES ({first}, '{place}')"), vec![(first, Some(first))]),
            4..7 => (format!("UPDATE v SET e = '{place}' WHERE id = {known}"), vec![(known, Some(first))]),
            7..9 => (format!("DELETE FROM v WHERE id = {known}"), vec![(known, None)]),
            _ => {
                let rows: Vec<String> =
                    (first..first + 90).map(|id| format!("({id}, '{}')", self::place(id))).collect();
                (
                    format!("INSERT INTO v VALUES {}", rows.join(", ")),
                    (first..first + 90).map(|id| (id, Some(id))).collect(),
                )
            }
        };
        if db.batch_execute(&sql).is_err() {
            // In doubt: taken out of both, after the restart.
            model.retain(|id, _| !change.iter().any(|(doubtful, _)| doubtful == id));
            return;
        }
        for (id, number) in change {
            match number {
                Some(number) => model.insert(id, number),
                None => model.remove(&id),
            };
        }
    }
}

/// Rows by one order, with their distances.
fn nearest(db: &mut Client, order: &str, place: &str) -> Vec<(i32, f64)> {
    let sql =
        format!("SELECT id, e <-> '{place}' FROM v ORDER BY {order} LIMIT 5").replace("$1", &format!("'{place}'"));
    db.query(&sql, &[]).expect("nearest rows").iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The checkpoint of the index, there being one.
fn checkpoint(data: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(data.join("vectors")).expect("the directory of checkpoints");
    let paths = files.map(|file| file.expect("a file").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "graph")).min()
}

fn damage(path: &Path, random: &mut Random) {
    let mut bytes = std::fs::read(path).expect("the checkpoint");
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
    std::fs::write(path, bytes).expect("the checkpoint");
}

fn verify(db: &mut Client, model: &Model, random: &mut Random) {
    // What is asked is whether all rows are there, not how many a short search finds.
    db.batch_execute("SET hnsw.ef_search = 400").expect("a setting");
    let query = place(random.below(1 << 20) as i32);
    let first = nearest(db, "e <-> $1", &query);
    assert_eq!(first, nearest(db, "(e <-> $1) + 0", &query), "the first query is answered rightly");
    let doubtful = "DELETE FROM v WHERE NOT id = ANY($1)";
    db.execute(doubtful, &[&model.keys().copied().collect::<Vec<i32>>()]).expect("what was in doubt goes");
    let begun = Instant::now();
    let explain = format!("EXPLAIN ANALYZE SELECT id FROM v ORDER BY e <-> '{query}' LIMIT 5");
    let by_index = |db: &mut Client| {
        let plan = db.query(&explain, &[]).expect("the plan");
        plan.iter().any(|row| row.get::<_, String>(0).contains("Vector Search: rounds"))
    };
    while !by_index(db) {
        assert!(begun.elapsed() < PATIENCE, "the index does not come back");
        std::thread::sleep(Duration::from_millis(20));
    }
    let all = nearest(db, "(e <-> $1) + 0, id DESC", &query);
    assert_eq!(nearest(db, "e <-> $1, id DESC", &query), all, "what follows the distance in the order");
    let findings = db.query("SELECT relation, row_id, problem FROM omendb_check()", &[]).expect("check");
    let told: Vec<(String, i64, String)> = findings.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// A build that takes more than `maintenance_work_mem` says so, and its index answers as any other.
pub fn build_beyond_memory(target: &Target) {
    let mut raw = target.raw();
    let elements = "SELECT string_agg(((i * k * 71) % 1009)::text, ',') FROM generate_series(1, 512) k";
    let made = raw.ask(&query(&format!(
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE beyond (id int PRIMARY KEY, e vector(512));
         INSERT INTO beyond SELECT i, ('[' || ({elements}) || ']')::vector FROM generate_series(1, 2200) i"
    )));
    assert!(made.iter().all(|message| message.tag != b'E'), "the table is there");
    let build = "CREATE INDEX beyond_e ON beyond USING hnsw (e vector_l2_ops) WITH (m = 8, ef_construction = 16)";
    let mut notice = |memory: &str| {
        let drop = "DROP INDEX IF EXISTS beyond_e; SET client_min_messages = notice";
        let told = raw.ask(&query(&format!(
            "SET client_min_messages = error; {drop}; SET maintenance_work_mem = '{memory}'; {build}"
        )));
        told.iter().find(|message| message.tag == b'N').map(|message| (message.field(b'S'), message.field(b'H')))
    };
    assert_eq!(notice("2MB"), None);
    let hint = "Increase maintenance_work_mem to speed up builds.";
    assert_eq!(notice("1MB"), Some(("NOTICE".to_owned(), hint.to_owned())));
    let mut db = target.connect();
    db.batch_execute("SET enable_seqscan = off; SET hnsw.ef_search = 1000").expect("settings");
    let ids = |db: &mut Client, order: &str| -> Vec<i32> {
        let query = format!("SELECT id FROM beyond ORDER BY {order}, id LIMIT 10");
        db.query(&query, &[]).expect("rows").iter().map(|row| row.get(0)).collect()
    };
    for id in [1, 700, 2200] {
        let distance = format!("e <-> (SELECT e FROM beyond WHERE id = {id})");
        let place = db.query_one(&format!("SELECT e::text FROM beyond WHERE id = {id}"), &[]).expect("a row");
        let near = format!("e <-> '{}'", place.get::<_, String>(0));
        assert_eq!(ids(&mut db, &near), ids(&mut db, &format!("({distance}) + 0")));
    }
}

/// See the module.
pub fn survive_kill() {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut random = Random::new();
    println!("seed {}", random.0);
    let mut server = Server::start(data.path());
    let mut db = server.connect("postgres");
    let rows: Vec<String> = (1..=ROWS).map(|id| format!("({id}, '{}')", place(id))).collect();
    db.batch_execute(&format!(
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE v (id int PRIMARY KEY, e vector(3));
         INSERT INTO v VALUES {}; CREATE INDEX v_e ON v USING hnsw (e vector_l2_ops)",
        rows.join(", ")
    ))
    .expect("rows and their index");
    assert!(checkpoint(data.path()).is_some(), "an index has its checkpoint from the beginning");
    let (mut model, mut next): (Model, i32) = ((1..=ROWS).map(|id| (id, id)).collect(), 100_000);
    for round in 0..ROUNDS {
        std::thread::scope(|scope| {
            let (random, next, model) = (&mut random, &mut next, &mut model);
            let wait = Duration::from_millis(10 + random.below(600));
            let mut other = server.connect("postgres");
            scope.spawn(move || match round {
                // In the middle of building.
                2 | 4 => drop(other.batch_execute("CREATE INDEX v_other ON v USING hnsw (e vector_cosine_ops)")),
                _ => write(&mut other, model, random, next),
            });
            std::thread::sleep(wait);
            server.kill();
        });
        let hurt = round == 3 || round == 4;
        if hurt {
            damage(&checkpoint(data.path()).expect("there is one"), &mut random);
        }
        server = Server::start(data.path());
        db = server.connect("postgres");
        verify(&mut db, &model, &mut random);
        let told = server.log().contains("a vector index is built anew");
        assert_eq!(told, hurt, "{}", server.log());
        db.batch_execute("DROP INDEX IF EXISTS v_other").expect("the other index goes");
    }
}

/// Rows of a condition on included columns, by the index and by comparing all.
fn filtered(db: &mut Client, condition: &str) -> [Vec<i32>; 2] {
    ["", " + 0"].map(|exact| {
        let sql = format!("SELECT id FROM inc WHERE {condition} ORDER BY (e <-> '{}'){exact} LIMIT 10", place(77));
        db.query(&sql, &[]).expect("rows").iter().map(|row| row.get(0)).collect()
    })
}

/// Both ways give the same rows; how many.
fn agree(db: &mut Client, condition: &str) -> usize {
    let [index, all] = filtered(db, condition);
    assert_eq!(index, all, "{condition}");
    all.len()
}

/// Waits until a condition is answered by included columns.
fn await_included(db: &mut Client) {
    let begun = Instant::now();
    let sql = format!("EXPLAIN ANALYZE SELECT id FROM inc WHERE n < 30 ORDER BY e <-> '{}' LIMIT 10", place(1));
    loop {
        let plan: Vec<String> = db.query(&sql, &[]).expect("the plan").iter().map(|row| row.get(0)).collect();
        if plan.iter().any(|line| line.contains("by included columns")) {
            assert!(plan.iter().any(|line| line.contains("Index Cond: (n < 30)")), "{plan:?}");
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "included columns do not come back: {plan:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Included columns under other sessions' changes, and after a crash.
pub fn included_columns() {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut server = Server::start(data.path());
    let mut db = server.connect("postgres");
    let rows: Vec<String> =
        (1..=ROWS).map(|id| format!("({id}, {}, 'tenant {}', '{}')", id % 100, id % 7, place(id))).collect();
    db.batch_execute(&format!(
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE inc (id int PRIMARY KEY, n int, t text, e vector(3));
         INSERT INTO inc VALUES {}; CREATE INDEX inc_e ON inc USING hnsw (e vector_l2_ops) INCLUDE (n, t);
         SET hnsw.ef_search = 400",
        rows.join(", ")
    ))
    .expect("rows and their index");
    await_included(&mut db);
    let mut old = server.connect("postgres");
    old.batch_execute("SET hnsw.ef_search = 400; BEGIN ISOLATION LEVEL REPEATABLE READ").expect("a transaction");
    assert_eq!(agree(&mut old, "n = 5"), 10);
    let before = filtered(&mut old, "n = 5");
    let mut other = server.connect("postgres");
    other.batch_execute("SET hnsw.ef_search = 400; BEGIN; UPDATE inc SET n = 1000 WHERE n = 5").expect("changes");
    // Its own changes, and not those of another.
    assert_eq!((agree(&mut other, "n = 5"), agree(&mut other, "n = 1000")), (0, 10));
    assert_eq!((agree(&mut db, "n = 5"), agree(&mut db, "n = 1000")), (10, 0));
    other.batch_execute("COMMIT").expect("a commit");
    assert_eq!((agree(&mut db, "n = 5"), agree(&mut db, "n = 1000")), (0, 10));
    // Garbage collection comes by in between and must leave them be.
    for _ in 0..3 {
        assert_eq!(filtered(&mut old, "n = 5"), before);
        assert_eq!(agree(&mut old, "n = 1000"), 0);
        std::thread::sleep(Duration::from_millis(400));
    }
    old.batch_execute("COMMIT").expect("an end");
    other.batch_execute("BEGIN; UPDATE inc SET n = 2000, t = NULL WHERE n = 1000; ROLLBACK").expect("no changes");
    assert_eq!((agree(&mut db, "n = 2000"), agree(&mut db, "n = 1000 AND t IS NOT NULL")), (0, 10));
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!((agree(&mut db, "t IS NULL"), agree(&mut db, "n BETWEEN 990 AND 1010")), (0, 10));
    server.kill();
    server = Server::start(data.path());
    db = server.connect("postgres");
    db.batch_execute("SET hnsw.ef_search = 400").expect("a setting");
    // At once, whoever answers; while they are read, with a writer; and by them.
    assert_eq!((agree(&mut db, "n = 5"), agree(&mut db, "n = 1000")), (0, 10));
    db.batch_execute("UPDATE inc SET n = 5 WHERE n = 6; DELETE FROM inc WHERE n = 7").expect("changes");
    await_included(&mut db);
    assert_eq!((agree(&mut db, "n = 5"), agree(&mut db, "n IN (6, 7)")), (10, 0));
    assert_eq!((agree(&mut db, "n = 1000"), agree(&mut db, "t = 'tenant 3' AND n > 90")), (10, 10));
    rebuild_included(&server, &mut db);
}

/// The index is built anew beside a writer, and another one is.
fn rebuild_included(server: &Server, db: &mut Client) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (mut writer, stop) = (server.connect("postgres"), &stop);
        scope.spawn(move || {
            let mut random = Random::new();
            while !stop.load(Ordering::Relaxed) {
                let (id, end) = (random.below(ROWS as u64), ["COMMIT", "ROLLBACK"][random.below(2) as usize]);
                let change =
                    format!("BEGIN; UPDATE inc SET n = (n + 7) % 100 WHERE id BETWEEN {id} AND {id} + 9; {end}");
                writer.batch_execute(&change).expect("changes");
            }
        });
        for statement in [
            "REINDEX INDEX CONCURRENTLY inc_e",
            "CREATE INDEX CONCURRENTLY inc_f ON inc USING hnsw (e vector_l2_ops) INCLUDE (n)",
            "DROP INDEX inc_e",
        ] {
            db.batch_execute(statement).expect("another index");
            for n in 0..20 {
                // Both ways must have the same snapshot.
                db.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").expect("a transaction");
                agree(db, &format!("n BETWEEN {n} AND {n} + 2"));
                db.batch_execute("COMMIT").expect("an end");
            }
        }
        await_included(db);
        stop.store(true, Ordering::Relaxed);
    });
}

/// A prepared statement does not outlive the settings that its plan was made under: `enable_indexscan = off` asks for exact neighbours.
pub fn settings_reach_prepared_plans() {
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(data.path());
    let mut db = server.connect("postgres");
    let rows: Vec<String> = (1..=ROWS).map(|id| format!("({id}, '{}')", place(id))).collect();
    db.batch_execute(&format!(
        "CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE s (id int PRIMARY KEY, e vector(3));
         INSERT INTO s VALUES {}; CREATE INDEX s_e ON s USING hnsw (e vector_l2_ops); SET enable_seqscan = off;
         PREPARE near (vector) AS SELECT id FROM s ORDER BY e <-> $1 LIMIT 5",
        rows.join(", ")
    ))
    .expect("rows and their index");
    let run = format!("EXECUTE near ('{}')", place(3));
    for (set, expected) in [
        ("SET enable_indexscan = on", true),
        ("SET enable_indexscan = off", false),
        ("RESET enable_indexscan", true),
        ("BEGIN; SET LOCAL enable_indexscan = off", false),
        ("ROLLBACK", true),
    ] {
        db.batch_execute(set).expect("a setting");
        (0..7).for_each(|_| assert_eq!(db.query(&run, &[]).expect("rows").len(), 5));
        let plan = db.query(&format!("EXPLAIN {run}"), &[]).expect("the plan");
        let found = plan.iter().any(|line| line.get::<_, &str>(0).contains("Index Scan using s_e"));
        assert_eq!(found, expected, "{set}");
    }
}

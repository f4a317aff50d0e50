//! Kills the server in the COMMIT of a transaction that changes very many rows: late in it, when nearly all is written.
//!
//! Each round updates every row, deletes some and adds as many, and marks all with its number. How long the COMMIT takes is
//! measured first; then the server is killed at chosen parts of that time, from the middle to beyond the end. After the restart all
//! rows must be of one round, and of the last one if that was acknowledged. The transaction is kept in memory, so that the commit is one
//! batch of megabytes, or written ahead, so that it is one key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgres::Client;

use crate::support::{Server, check_directory};

/// Rows of the table unless `OMENDB_CRASH_ROWS` says otherwise.
const ROWS: i64 = 20_000;
/// When to kill, in hundredths of the time that a COMMIT took.
const MOMENTS: &[u32] = &[50, 80, 90, 97, 103, 130];

fn rows() -> i64 {
    std::env::var("OMENDB_CRASH_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROWS)
}

fn change(db: &mut Client, rows: i64, round: i64) {
    let sql = format!(
        "BEGIN; UPDATE huge SET round = {round}, note = 'round {round} of row ' || id;
         DELETE FROM huge WHERE id % 10 = {round} % 10;
         INSERT INTO huge SELECT {round} * {rows} + i, {round}, 'new' FROM generate_series(1, {rows} / 10) i"
    );
    db.batch_execute(&sql).expect("the changes");
}

/// The round that all rows are of, and how many there are; by the table and by its index.
fn state(db: &mut Client) -> (i64, i64) {
    let row = db.query_one("SELECT min(round), max(round), count(*) FROM huge", &[]).expect("the rows");
    let (first, last, count): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(first, last, "rows of two rounds");
    let sql = "SELECT count(*) FROM huge WHERE round = $1 AND (note LIKE 'round ' || round || ' of row %' OR note IN ('new', 'first'))";
    let found: i64 = db.query_one(sql, &[&first]).expect("the index").get(0);
    assert_eq!(found, count, "the index of round {first} does not have all rows");
    (first, count)
}

/// A round before and after: all of it is there or nothing.
pub fn survives_kill_in_a_huge_commit() {
    for memory in ["1GB", "1MB"] {
        let settings: &[(&str, &str)] = &[("OMENDB_TRANSACTION_MEMORY", memory)];
        let data = tempfile::tempdir().expect("temporary directory");
        let mut server = Server::start_with(data.path(), settings);
        let mut db = server.connect("postgres");
        let rows = rows();
        db.batch_execute(
            "CREATE TABLE huge (id bigint PRIMARY KEY, round bigint, note text); CREATE INDEX ON huge (round)",
        )
        .expect("schema");
        db.batch_execute(&format!("INSERT INTO huge SELECT i, 0, 'first' FROM generate_series(1, {rows}) i"))
            .expect("rows");
        change(&mut db, rows, 1);
        let start = Instant::now();
        db.batch_execute("COMMIT").expect("an undisturbed commit");
        let takes = start.elapsed();
        let (mut round, mut before) = (1, state(&mut db));
        assert_eq!(before.0, 1);
        let (mut whole, mut nothing) = (0, 0);
        for moment in MOMENTS {
            round += 1;
            change(&mut db, rows, round);
            let count = db.query_one("SELECT count(*) FROM huge", &[]).expect("the rows").get(0);
            let acknowledged = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let (db, acknowledged) = (&mut db, &acknowledged);
                scope.spawn(move || acknowledged.store(db.batch_execute("COMMIT").is_ok(), Ordering::Release));
                std::thread::sleep((takes * *moment / 100).max(Duration::from_millis(1)));
                server.kill();
            });
            if *moment == 97 {
                let (fine, told) = check_directory(data.path());
                assert!(fine, "{memory}, killed at {moment} %: {told}");
            }
            server = Server::start_with(data.path(), settings);
            db = server.connect("postgres");
            let found = state(&mut db);
            let acknowledged = acknowledged.load(Ordering::Acquire);
            assert!(found == (round, count) || (found == before && !acknowledged), "{memory}, {moment} %: {found:?}");
            *(if found.0 == round { &mut whole } else { &mut nothing }) += 1;
            before = found;
        }
        println!("memory {memory}: COMMIT takes {takes:?}; of those killed {whole} were there and {nothing} not");
    }
}

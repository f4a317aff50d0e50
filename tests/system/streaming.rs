//! Rows are streamed: however many there are, the server's memory stays as it was.

use std::time::Duration;

use crate::support::Server;
use crate::support::wire::{Raw, query};

/// Memory that may come and go while rows pass through: batches, buffers, the allocator's habits.
const SLACK_BYTES: u64 = 96 << 20;

/// 10 million rows in the long run; fewer, but still far more bytes than [`SLACK_BYTES`], by default.
fn rows() -> u64 {
    std::env::var("OMENDB_STREAM_ROWS").ok().and_then(|text| text.parse().ok()).unwrap_or(600_000)
}

/// A large result read to its end, and one that nobody reads.
pub fn memory_stays_bounded() {
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(data.path());
    let Some(before) = server.resident_bytes() else { return };
    let wide = format!("SELECT i, repeat('x', 250) FROM generate_series(1, {}) i", rows());
    let mut raw = Raw::login(server.port, "postgres", "postgres");
    raw.send(&query(&wide));
    let (mut count, mut most) = (0_u64, 0);
    loop {
        let message = raw.receive().expect("the connection lives");
        match message.tag {
            b'D' => count += 1,
            b'E' => panic!("{}", message.field(b'M')),
            b'Z' => break,
            _ => {}
        }
        if count % 50_000 == 0 {
            most = most.max(server.resident_bytes().unwrap_or(0));
        }
    }
    assert_eq!(count, rows());
    let grown = most.saturating_sub(before);
    assert!(grown < SLACK_BYTES, "reading {count} rows took {} MB", grown >> 20);
    // Nobody reads: the server has to stop making rows.
    let mut lazy = Raw::login(server.port, "postgres", "postgres");
    lazy.send(&query(&wide));
    std::thread::sleep(Duration::from_secs(2));
    let grown = server.resident_bytes().unwrap_or(0).saturating_sub(before);
    assert!(grown < SLACK_BYTES, "rows that nobody reads took {} MB", grown >> 20);
    // Going away in the middle ends the statement.
    drop(lazy);
    let mut db = server.connect("postgres");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%repeat%' AND state = 'active' AND pid <> pg_backend_pid()";
    for _ in 0..200 {
        let count: i64 = db.query_one(running, &[]).expect("activity").get(0);
        if count == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the statement of a client that went away goes on");
}

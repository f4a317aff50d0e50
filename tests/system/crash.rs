//! Kills the server at random moments under a concurrent workload and looks whether every acknowledged commit is there.
//!
//! Three clients write: rows of their own (inserted, changed, deleted, in small and large transactions; the largest do not fit in
//! the memory that a transaction is given, and some of what they do is taken back to a savepoint), transfers between
//! shared accounts with a log in a second table, shared counters that are made or raised by ON CONFLICT after something else was
//! taken back to a savepoint, and tables created together with a row that says so. A client
//! remembers what was acknowledged and the one transaction that was in doubt; after the restart the database must hold the former
//! exactly, and the latter whole or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postgres::{Client, Error, NoTls};

use crate::support::random::Random;
use crate::support::{Server, check_directory, code};

const CLIENTS: usize = 3;
const ACCOUNTS: i64 = 8;
const START_BALANCE: i64 = 1000;
const COUNTERS: u64 = 40;
/// Rows of a large transaction.
const LARGE: i64 = 2000;
/// So little memory for a transaction that large ones are written ahead.
const SETTINGS: &[(&str, &str)] = &[("OMENDB_TRANSACTION_MEMORY", "1MB")];
/// A restart that takes longer is a failure: "within seconds", on a machine that others use too.
const RESTART_LIMIT: Duration = Duration::from_secs(15);

/// What one client knows.
#[derive(Default)]
struct Model {
    /// Own rows: key to version.
    items: BTreeMap<i64, i64>,
    /// Numbers of acknowledged transfers.
    transfers: i64,
    /// Numbers of tables made.
    tables: i64,
    /// Times that it raised a counter.
    raises: i64,
    next_key: i64,
    /// Sent and neither acknowledged nor refused.
    doubt: Option<Change>,
    commits: u64,
}

/// One transaction.
#[derive(Clone, Debug)]
enum Change {
    Put(Vec<(i64, i64)>),
    Remove(i64),
    Transfer,
    Table,
    Raise,
}

fn rounds() -> u64 {
    std::env::var("OMENDB_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

const SCHEMA: &str = "
    CREATE EXTENSION IF NOT EXISTS vector;
    CREATE TABLE item (client int, key bigint, version bigint NOT NULL, name text NOT NULL, note text, place vector(3),
                       PRIMARY KEY (client, key), UNIQUE (name));
    CREATE INDEX ON item (version);
    CREATE INDEX ON item ((lower(name))) WHERE version > 1;
    CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE transfer (client int, n bigint, source int NOT NULL REFERENCES account, target int NOT NULL REFERENCES account,
                           amount bigint NOT NULL CHECK (amount > 0), PRIMARY KEY (client, n));
    CREATE TABLE made (client int, n bigint, PRIMARY KEY (client, n));
    CREATE TABLE counter (id int PRIMARY KEY, n bigint NOT NULL);
    CREATE TABLE raise (client int, n bigint, id int NOT NULL REFERENCES counter, PRIMARY KEY (client, n));
";

impl Model {
    fn choose(&mut self, client: usize, random: &mut Random) -> Change {
        let some_key = |random: &mut Random, items: &BTreeMap<i64, i64>| {
            let at = random.below(items.len().max(1) as u64) as usize;
            items.iter().nth(at).map(|(key, version)| (*key, *version))
        };
        let mut fresh = |count: i64| {
            let start = self.next_key;
            self.next_key += count;
            (start..start + count).map(|key| (key, 1)).collect()
        };
        match random.below(100) {
            0..30 => Change::Put(fresh(1)),
            30..32 => Change::Put(fresh(LARGE)),
            32..36 => Change::Put(fresh(30)),
            36..38 if self.items.len() > 1 => {
                Change::Put(self.items.iter().map(|(key, version)| (*key, version + 1)).collect())
            }
            36..60 => {
                some_key(random, &self.items).map_or(Change::Transfer, |(key, v)| Change::Put(vec![(key, v + 1)]))
            }
            60..68 => some_key(random, &self.items).map_or(Change::Transfer, |(key, _)| Change::Remove(key)),
            68..70 if client == 0 => Change::Table,
            70..82 => Change::Raise,
            _ => Change::Transfer,
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Put(rows) => self.items.extend(rows),
            Change::Remove(key) => {
                self.items.remove(&key);
            }
            Change::Transfer => self.transfers += 1,
            Change::Table => self.tables += 1,
            Change::Raise => self.raises += 1,
        }
    }
}

/// Does one transaction; once it returns without error it is acknowledged.
fn perform(db: &mut Client, client: i32, model: &Model, change: &Change, random: &mut Random) -> Result<(), Error> {
    match change {
        Change::Put(rows) if rows.len() == 1 && rows[0].1 == 1 => {
            let key = rows[0].0;
            let sql = "INSERT INTO item VALUES ($1, $2, 1, $3, repeat('x', $4), ARRAY[$1::int, $2::bigint, 1]::real[]::vector)";
            let length = random.below(200) as i32;
            db.execute(sql, &[&client, &key, &format!("{client}-{key}-1"), &length]).map(drop)
        }
        Change::Put(rows) if rows.len() == 1 => {
            let (key, version) = rows[0];
            let name = format!("{client}-{key}-{version}");
            let sql = "UPDATE item SET version = $3, name = $4, place = ARRAY[client, key, $3::bigint]::real[]::vector
                       WHERE client = $1 AND key = $2";
            db.execute(sql, &[&client, &key, &version, &name]).map(drop)
        }
        Change::Put(rows) if rows[0].1 > 1 => {
            let sql = "UPDATE item SET version = version + $2, name = client || '-' || key || '-' || version + $2,
                              place = ARRAY[client, key, version + $2]::real[]::vector WHERE client = $1";
            let mut txn = db.transaction()?;
            if random.below(2) == 0 {
                txn.batch_execute("SAVEPOINT s")?;
                txn.execute(sql, &[&client, &1000_i64])?;
                txn.execute("DELETE FROM item WHERE client = $1 AND key % 3 = 0", &[&client])?;
                txn.batch_execute("ROLLBACK TO s")?;
            }
            txn.execute(sql, &[&client, &1_i64])?;
            txn.commit()
        }
        Change::Put(rows) => {
            let (first, last) = (rows[0].0, rows[rows.len() - 1].0);
            let sql =
                "INSERT INTO item SELECT $1::int, k, 1, $1::int || '-' || k || '-1', NULL, ARRAY[$1::int, k, 1]::real[]::vector
                       FROM generate_series($2::bigint, $3::bigint) k";
            let mut txn = db.transaction()?;
            txn.execute(sql, &[&client, &first, &last])?;
            txn.commit()
        }
        Change::Remove(key) => db.execute("DELETE FROM item WHERE client = $1 AND key = $2", &[&client, key]).map(drop),
        Change::Transfer => {
            let source = random.below(ACCOUNTS as u64) as i32;
            let target = (source + 1 + random.below(ACCOUNTS as u64 - 1) as i32) % ACCOUNTS as i32;
            let amount = 1 + random.below(50) as i64;
            let mut txn = db.transaction()?;
            txn.execute("UPDATE account SET balance = balance - $2 WHERE id = $1", &[&source, &amount])?;
            let log = "INSERT INTO transfer VALUES ($1, $2, $3, $4, $5)";
            txn.execute(log, &[&client, &model.transfers, &source, &target, &amount])?;
            if random.below(4) == 0 {
                std::thread::sleep(Duration::from_millis(random.below(3)));
            }
            txn.execute("UPDATE account SET balance = balance + $2 WHERE id = $1", &[&target, &amount])?;
            txn.commit()
        }
        Change::Raise => {
            let id = random.below(COUNTERS) as i32;
            let mut txn = db.transaction()?;
            txn.batch_execute("SAVEPOINT s")?;
            txn.execute("UPDATE counter SET n = n + 1000 WHERE id = $1", &[&id])?;
            txn.execute("DELETE FROM raise WHERE client = $1 AND n > $2 - 20", &[&client, &model.raises])?;
            txn.batch_execute("ROLLBACK TO s")?;
            let sql = "INSERT INTO counter VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET n = counter.n + excluded.n";
            txn.execute(sql, &[&id])?;
            txn.execute("INSERT INTO raise VALUES ($1, $2, $3)", &[&client, &model.raises, &id])?;
            txn.commit()
        }
        Change::Table => {
            let mut txn = db.transaction()?;
            let n = model.tables;
            txn.batch_execute(&format!(
                "CREATE TABLE made_{client}_{n} (id int PRIMARY KEY); INSERT INTO made_{client}_{n} VALUES ({n})"
            ))?;
            txn.execute("INSERT INTO made VALUES ($1, $2)", &[&client, &n])?;
            txn.commit()
        }
    }
}

/// Writes until the connection breaks.
fn write(mut db: Client, client: usize, model: &mut Model, random: &mut Random, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let change = model.choose(client, random);
        model.doubt = Some(change.clone());
        match perform(&mut db, client as i32, model, &change, random) {
            Ok(()) => {
                model.doubt = None;
                model.apply(change);
                model.commits += 1;
            }
            Err(error) => match error.code().map(|code| code.code().to_owned()) {
                None => return,
                // Refused and rolled back: no doubt about it.
                Some(state) if matches!(state.as_str(), "40001" | "40P01") => model.doubt = None,
                Some(state) if state == "57P01" || state == "57P02" => return,
                Some(_) => panic!("{change:?}: {error:?}"),
            },
        }
    }
}

/// Settles the doubt and compares everything that a client knows.
fn verify_client(db: &mut Client, client: usize, model: &mut Model) {
    let number = client as i32;
    let rows = db
        .query(
            "SELECT key, version, name, place = ARRAY[client, key, version]::real[]::vector
             FROM item WHERE client = $1 ORDER BY key",
            &[&number],
        )
        .expect("items");
    let found: BTreeMap<i64, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(found.len(), rows.len(), "client {client}: a key is there twice");
    for row in &rows {
        let (key, version): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(row.get::<_, String>(2), format!("{client}-{key}-{version}"), "a row is a mixture of versions");
        assert!(row.get::<_, bool>(3), "a row is a mixture of versions");
    }
    let transfers = db.query_one("SELECT count(*), coalesce(max(n), -1) FROM transfer WHERE client = $1", &[&number]);
    let transfers = transfers.expect("transfers");
    let (count, last): (i64, i64) = (transfers.get(0), transfers.get(1));
    assert_eq!(count, last + 1, "client {client}: a transfer is missing");
    let raises: i64 = db.query_one("SELECT count(*) FROM raise WHERE client = $1", &[&number]).expect("raises").get(0);
    let tables: i64 = db.query_one("SELECT count(*) FROM made WHERE client = $1", &[&number]).expect("made").get(0);
    let pattern = format!("made\\_{client}\\_%");
    let real: i64 = db
        .query_one("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE $1", &[&pattern])
        .expect("c")
        .get(0);
    assert_eq!(tables, real, "client {client}: tables and the rows that tell of them differ");
    if let Some(doubt) = model.doubt.take() {
        let happened = match &doubt {
            Change::Put(rows) => found.get(&rows[0].0) == Some(&rows[0].1),
            Change::Remove(key) => !found.contains_key(key),
            Change::Transfer => count > model.transfers,
            Change::Table => tables > model.tables,
            Change::Raise => raises > model.raises,
        };
        if happened {
            model.apply(doubt);
        }
    }
    let lost: Vec<_> = model.items.iter().filter(|(key, version)| found.get(key) != Some(version)).take(5).collect();
    let extra: Vec<_> = found.iter().filter(|(key, _)| !model.items.contains_key(key)).take(5).collect();
    assert!(lost.is_empty() && extra.is_empty(), "client {client}: lost {lost:?}, there by half {extra:?}");
    let known = (model.transfers, model.tables, model.raises);
    assert_eq!((count, tables, raises), known, "client {client}: transfers, tables, raises");
}

/// Nothing is half done between clients, and everything agrees.
fn verify_shared(db: &mut Client) {
    let sum: i64 = db.query_one("SELECT sum(balance)::bigint FROM account", &[]).expect("sum").get(0);
    assert_eq!(sum, ACCOUNTS * START_BALANCE, "half a transfer is there");
    let apart = db
        .query(
            "SELECT id FROM account a WHERE balance <> $1
               + (SELECT coalesce(sum(amount), 0)::bigint FROM transfer WHERE target = a.id)
               - (SELECT coalesce(sum(amount), 0)::bigint FROM transfer WHERE source = a.id)",
            &[&START_BALANCE],
        )
        .expect("accounts against the log");
    assert!(apart.is_empty(), "accounts and their log are not in step");
    let apart = db
        .query("SELECT id FROM counter c WHERE n <> (SELECT count(*) FROM raise WHERE id = c.id)", &[])
        .expect("counters against their log");
    assert!(apart.is_empty(), "counters and their log are not in step");
    let findings = db.query("SELECT relation, row_id, problem FROM omendb_check()", &[]).expect("check");
    let told: Vec<(String, i64, String)> = findings.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// Rounds of writing, SIGKILL, restart and comparison.
pub fn survives_kill() {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut random = Random::new();
    let seed = random.0;
    println!("seed {seed}");
    let mut models: Vec<Model> = (0..CLIENTS).map(|_| Model::default()).collect();
    let mut server = Server::start_with(data.path(), SETTINGS);
    let mut db = server.connect("postgres");
    db.batch_execute(SCHEMA).expect("schema");
    db.execute(
        "INSERT INTO account SELECT i, $1 FROM generate_series(0, $2::int - 1) i",
        &[&START_BALANCE, &(ACCOUNTS as i32)],
    )
    .expect("accounts");
    drop(db);
    let mut slowest = Duration::ZERO;
    for round in 0..rounds() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (client, model) in models.iter_mut().enumerate() {
                let db = server.connect("postgres");
                let mut random = Random(random.next());
                let stop = &stop;
                scope.spawn(move || write(db, client, model, &mut random, stop));
            }
            std::thread::sleep(Duration::from_millis(20 + random.below(900)));
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
        if round % 3 == 0 {
            let (fine, told) = check_directory(data.path());
            assert!(fine, "round {round}, seed {seed}: {told}");
        }
        let start = Instant::now();
        server = Server::start_with(data.path(), SETTINGS);
        let mut db = server.connect("postgres");
        slowest = slowest.max(start.elapsed());
        assert!(slowest < RESTART_LIMIT, "round {round}: the restart took {slowest:?}");
        models.iter_mut().enumerate().for_each(|(client, model)| verify_client(&mut db, client, model));
        verify_shared(&mut db);
        if (round + 1) % 20 == 0 {
            println!("{} kills, slowest restart {slowest:?}", round + 1);
        }
    }
    let commits: u64 = models.iter().map(|model| model.commits).sum();
    println!("{} kills, {commits} acknowledged commits, slowest restart {slowest:?}", rounds());
    assert!(commits > 0);
}

/// SIGTERM ends the server cleanly, also with clients connected and a transaction open; what was committed stays.
pub fn stops_on_sigterm() {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut server = Server::start(data.path());
    let mut db = server.connect("postgres");
    db.batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
        .expect("rows");
    let mut open = server.connect("postgres");
    open.batch_execute("BEGIN; INSERT INTO t VALUES (101)").expect("open transaction");
    let start = Instant::now();
    let status = server.terminate();
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(start.elapsed() < Duration::from_secs(20), "the shutdown took {:?}", start.elapsed());
    assert_ne!(code(open.simple_query("SELECT 1")), "00000");
    let server = Server::start(data.path());
    let count: i64 = server.connect("postgres").query_one("SELECT count(*) FROM t", &[]).expect("count").get(0);
    assert_eq!(count, 100);
}

/// A second server on the same directory says so and ends; the first goes on.
pub fn refuses_a_second_server() {
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(data.path());
    let (status, told) = Server::run_to_end(data.path(), &[]);
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains("omendb: ") && told.contains("in use"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    let (fine, told) = check_directory(data.path());
    assert!(!fine && told.contains("in use"), "{told}");
    server
        .config("postgres")
        .connect(NoTls)
        .expect("the first server goes on")
        .simple_query("SELECT 1")
        .expect("query");
}

/// Damage done to a stopped directory is found: an index entry taken away, a referenced row taken away.
pub fn check_finds_damage() {
    use omendb::storage::{Cf, Kv, RocksKv, RocksOptions, WriteBatch, keyspace};

    let data = tempfile::tempdir().expect("temporary directory");
    let mut server = Server::start(data.path());
    let mut db = server.connect("postgres");
    db.batch_execute(
        "CREATE TABLE p (id int PRIMARY KEY, name text UNIQUE);
         CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p);
         INSERT INTO p SELECT i, 'n' || i FROM generate_series(1, 20) i;
         INSERT INTO c SELECT i, i FROM generate_series(1, 20) i",
    )
    .expect("tables");
    assert!(server.terminate().success());
    let (fine, told) = check_directory(data.path());
    assert!(fine, "{told}");
    let options = RocksOptions { block_cache_bytes: 1 << 20, memtable_bytes: 1 << 20 };
    let store = RocksKv::open(&data.path().join("store"), &options).expect("the store opens");
    // The only stored entries are those of p's unique name, of which the last one goes; the first row of the first table is row 1 of p.
    let mut entry = None;
    let mut parent = None;
    let (start, end) = (keyspace::entry_prefix(0), keyspace::entry_prefix(u32::MAX));
    store
        .scan(Cf::Rows, &start, &end, &mut |key, _| {
            entry = Some(key.to_vec());
            Ok(true)
        })
        .expect("scan");
    store
        .scan(Cf::Rows, &keyspace::row_key(0, 0), &keyspace::rows_end(u32::MAX - 1), &mut |key, _| {
            parent = Some(key.to_vec());
            Ok(false)
        })
        .expect("scan");
    let mut batch = WriteBatch::default();
    batch.delete(Cf::Rows, entry.expect("an index entry"));
    batch.delete(Cf::Rows, parent.expect("a row"));
    store.write(batch);
    store.sync();
    drop(store);
    let (fine, told) = check_directory(data.path());
    assert!(!fine, "{told}");
    assert!(told.contains("has no entry in index \"p_name_key\""), "{told}");
    assert!(told.contains("no referenced row of foreign key \"c_p_fkey\""), "{told}");
}

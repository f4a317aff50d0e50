//! The protocol in good order: pipelines, portals, descriptions, COPY, cancelling. What is expected here is what PostgreSQL
//! answers; see the top of `main.rs` for how to ask it.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use postgres::{CancelToken, NoTls};

use crate::Target;
use crate::support::code;
use crate::support::wire::{bind, describe, execute, message, parse, query, sync};

/// Many messages at once; after an error everything up to Sync is skipped, and only that.
pub fn pipelines(target: &Target) {
    let mut raw = target.raw();
    let one = |sql: &str| [parse("", sql, &[]), bind("", "", &[], &[], &[]), execute("", 0)].concat();
    let three = [one("SELECT 1"), one("SELECT 2"), one("SELECT 3"), sync()].concat();
    assert_eq!(raw.shape(&three), "1 2 D C 1 2 D C 1 2 D C Z");
    let broken = [
        one("SELECT 1"),
        one("SELECT 1 / (i - 1) FROM generate_series(1, 1) i"),
        one("SELECT 3"),
        describe(b'S', "nothing"),
        sync(),
    ]
    .concat();
    assert_eq!(raw.shape(&broken), "1 2 D C 1 2 E:22012 Z");
    assert_eq!(raw.shape(&three), "1 2 D C 1 2 D C 1 2 D C Z");
    // One transaction up to Sync: what came before the error is undone.
    let mut db = target.connect();
    db.batch_execute("DROP TABLE IF EXISTS piped; CREATE TABLE piped (id int PRIMARY KEY)").expect("table");
    let insert = |id: u32| one(&format!("INSERT INTO piped VALUES ({id})"));
    assert_eq!(raw.shape(&[insert(1), insert(1), insert(2), sync()].concat()), "1 2 C 1 2 E:23505 Z");
    assert_eq!(raw.shape(&[insert(1), insert(2), sync(), insert(2), sync()].concat()), "1 2 C 1 2 C Z");
    assert_eq!(crate::support::wire::shape(&raw.until_ready()), "1 2 E:23505 Z");
    let count: i64 = db.query_one("SELECT count(*) FROM piped", &[]).expect("count").get(0);
    assert_eq!(count, 2);
    // Transaction state in ReadyForQuery.
    let state = |messages: Vec<crate::support::wire::Message>| messages.last().map(|ready| ready.body[0]);
    assert_eq!(state(raw.ask(&query("BEGIN"))), Some(b'T'));
    assert_eq!(state(raw.ask(&query("SELECT 1/0"))), Some(b'E'));
    assert_eq!(raw.shape(&query("SELECT 1")), "E:25P02 Z");
    assert_eq!(raw.shape(&[one("SELECT 1"), sync()].concat()), "E:25P02 Z");
    assert_eq!(state(raw.ask(&query("ROLLBACK"))), Some(b'I'));
    // Flush asks for answers without ending the transaction.
    raw.send(&[one("SELECT 1"), message(b'H', &[])].concat());
    let tags: Vec<u8> = (0..4).map(|_| raw.receive().expect("an answer").tag).collect();
    assert_eq!(tags, b"12DC");
    assert_eq!(raw.shape(&sync()), "Z");
}

/// Execute with a limit suspends; the portal goes on where it stopped and ends with its transaction.
pub fn portals_with_limits(target: &Target) {
    let mut raw = target.raw();
    raw.ask(&query("BEGIN"));
    let open = [parse("s", "SELECT generate_series(1, 5)", &[]), bind("p", "s", &[], &[], &[]), sync()].concat();
    assert_eq!(raw.shape(&open), "1 2 Z");
    let step = |limit: u32| [execute("p", limit), sync()].concat();
    assert_eq!(raw.shape(&step(2)), "D D s Z");
    assert_eq!(raw.shape(&step(2)), "D D s Z");
    let last = raw.ask(&step(2));
    assert_eq!(crate::support::wire::shape(&last), "D C Z");
    assert_eq!(last[1].body, b"SELECT 1\0");
    let after = raw.ask(&step(2));
    assert_eq!(crate::support::wire::shape(&after), "C Z");
    assert_eq!(after[0].body, b"SELECT 0\0");
    raw.ask(&query("COMMIT"));
    assert_eq!(raw.shape(&step(0)), "E:34000 Z");
    // Two portals of one statement, in turns; an unnamed one is replaced silently, a named one is not.
    raw.ask(&query("BEGIN"));
    let both = [
        bind("a", "s", &[], &[], &[]),
        bind("b", "s", &[], &[], &[]),
        execute("a", 1),
        execute("b", 3),
        execute("a", 1),
    ];
    assert_eq!(raw.shape(&[both.concat(), sync()].concat()), "2 2 D s D D D s D s Z");
    assert_eq!(raw.shape(&[bind("a", "s", &[], &[], &[]), sync()].concat()), "E:42P03 Z");
    raw.ask(&query("ROLLBACK"));
    // Close is fine for what is not there; a statement name is taken once.
    let close = message(b'C', b"Pnothing\0");
    assert_eq!(raw.shape(&[close, parse("s", "SELECT 1", &[]), sync()].concat()), "3 E:42P05 Z");
    assert_eq!(raw.shape(&[message(b'C', b"Ss\0"), parse("s", "SELECT 1", &[]), sync()].concat()), "3 1 Z");
}

/// What a portal says when it is run again: a query has no rows left, a statement without rows has run, and after an error
/// there is no going on, behind a savepoint either.
pub fn portals_run_again(target: &Target) {
    let mut raw = target.raw();
    raw.ask(&query("CREATE TEMP TABLE again (a int)"));
    raw.ask(&query("BEGIN"));
    let open = |sql: &str| [parse("", sql, &[]), bind("p", "", &[], &[], &[]), execute("p", 1), sync()].concat();
    let run = [execute("p", 0), sync()].concat();
    // Far enough behind the rows that are asked for first to be in another batch.
    let dividing = "SELECT 1 / (9000 - g) FROM generate_series(1, 9999) g";
    assert_eq!(raw.shape(&open(dividing)), "1 2 D s Z");
    raw.ask(&query("SAVEPOINT s"));
    assert!(raw.shape(&run).ends_with("D E:22012 Z"));
    raw.ask(&query("ROLLBACK TO s"));
    assert_eq!(raw.shape(&run), "E:55000 Z");
    raw.ask(&query("ROLLBACK"));
    raw.ask(&query("BEGIN"));
    assert_eq!(raw.shape(&open("INSERT INTO again VALUES (1)")), "1 2 C Z");
    assert_eq!(raw.shape(&run), "E:55000 Z");
    raw.ask(&query("ROLLBACK"));
    raw.ask(&query("BEGIN"));
    assert_eq!(raw.shape(&open("SHOW work_mem")), "1 2 D s Z");
    assert_eq!(raw.shape(&run), "C Z");
    raw.ask(&query("ROLLBACK"));
    raw.ask(&query("BEGIN"));
    raw.ask(&query(&format!("DECLARE c CURSOR FOR {dividing}; FETCH c; SAVEPOINT s")));
    assert_eq!(raw.shape(&query("MOVE ALL c")), "E:22012 Z");
    raw.ask(&query("ROLLBACK TO s"));
    assert_eq!(raw.shape(&query("FETCH c")), "E:55000 Z");
    raw.ask(&query("ROLLBACK"));
}

/// Types of parameters and columns are known before any value is.
pub fn describes_before_values(target: &Target) {
    let mut raw = target.raw();
    let mut types = |sql: &str, declared: &[u32]| {
        let answers =
            raw.ask(&[parse("d", sql, declared), describe(b'S', "d"), message(b'C', b"Sd\0"), sync()].concat());
        let of = |tag: u8| answers.iter().find(|m| m.tag == tag).cloned();
        let Some(params) = of(b't') else { panic!("{sql}: {}", crate::support::wire::shape(&answers)) };
        let params: Vec<i32> = (0..params.int16(0) as usize).map(|at| params.int32(2 + at * 4)).collect();
        let columns = of(b'T').map(|row| {
            let mut at = 2;
            let mut found = Vec::new();
            for _ in 0..row.int16(0) {
                let end = at + row.body[at..].iter().position(|byte| *byte == 0).expect("a name");
                let name = String::from_utf8_lossy(&row.body[at..end]).into_owned();
                found.push((name, row.int32(end + 7)));
                at = end + 19;
            }
            found
        });
        (params, columns)
    };
    let named = |columns: &[(&str, i32)]| Some(columns.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect());
    assert_eq!(types("SELECT $1::int + 1 AS a, $2", &[]), (vec![23, 25], named(&[("a", 23), ("?column?", 25)])));
    assert_eq!(types("SELECT $1 + $2", &[20, 0]), (vec![20, 20], named(&[("?column?", 20)])));
    assert_eq!(types("SELECT 1 LIMIT $1 OFFSET $2", &[]), (vec![20, 20], named(&[("?column?", 23)])));
    assert_eq!(
        types("SELECT x FROM generate_series(1, 3) x WHERE x = ANY($1)", &[]),
        (vec![1007], named(&[("x", 23)]))
    );
    assert_eq!(types("SET TimeZone = 'UTC'", &[]), (vec![], None));
}

/// Simple queries: several statements, one implicit transaction, the empty one.
pub fn simple_queries(target: &Target) {
    let mut raw = target.raw();
    assert_eq!(raw.shape(&query("")), "I Z");
    assert_eq!(raw.shape(&query(" -- nothing\n ; ;")), "I Z");
    assert_eq!(raw.shape(&query("SELECT 1; SELECT 'a', 2;")), "T D C T D C Z");
    let broken = raw.shape(&query("SELECT 1; SELECT 1 / (i - 1) FROM generate_series(1, 1) i; SELECT 2"));
    assert_eq!(broken, "T D C T E:22012 Z");
    assert_eq!(raw.shape(&query("SELECT 1; SELEC 2")), "E:42601 Z");
    assert_eq!(raw.shape(&query("CREATE TEMP TABLE u (id int); INSERT INTO u VALUES (1); SELECT no")), "C C E:42703 Z");
    assert_eq!(raw.shape(&query("SELECT * FROM u")), "E:42P01 Z");
    let tag = |raw: &mut crate::support::wire::Raw<_>, sql: &str| -> String {
        let answers: Vec<_> = raw.ask(&query(sql)).into_iter().filter(|m| m.tag == b'C').collect();
        answers
            .iter()
            .map(|m| String::from_utf8_lossy(&m.body).trim_end_matches('\0').to_owned())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(tag(&mut raw, "CREATE TEMP TABLE u (id int)"), "CREATE TABLE");
    assert_eq!(tag(&mut raw, "INSERT INTO u VALUES (1), (2), (3)"), "INSERT 0 3");
    assert_eq!(tag(&mut raw, "UPDATE u SET id = id + 1 WHERE id > 1; DELETE FROM u WHERE id = 1"), "UPDATE 2|DELETE 1");
    assert_eq!(tag(&mut raw, "BEGIN; SELECT 1; COMMIT"), "BEGIN|SELECT 1|COMMIT");
    let binary =
        [parse("", "SELECT 7::int4, 'x'::text, NULL", &[]), bind("", "", &[], &[], &[1]), execute("", 0), sync()];
    let answers = raw.ask(&binary.concat());
    let row = answers.iter().find(|m| m.tag == b'D').expect("a row").values();
    assert_eq!(row, [Some(vec![0, 0, 0, 7]), Some(b"x".to_vec()), None]);
}

/// EXPLAIN of a prepared statement runs it with the arguments of its EXECUTE.
pub fn explains_prepared_statements(target: &Target) {
    let mut db = target.connect();
    db.batch_execute(
        "CREATE TABLE explained (id int PRIMARY KEY, t text); INSERT INTO explained SELECT i, 'x' || i FROM generate_series(1, 50) i;
         PREPARE few (int, text) AS SELECT id FROM explained WHERE id > $1 AND t <> $2 ORDER BY id LIMIT $1",
    )
    .expect("a prepared statement");
    let explain = |db: &mut postgres::Client, sql: &str| {
        let told = db.simple_query(&format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE {sql}"))?;
        let line = |message: &postgres::SimpleQueryMessage| match message {
            postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok::<_, postgres::Error>(told.iter().find_map(line).unwrap_or_default())
    };
    assert!(explain(&mut db, "few (7, 'x8')").expect("a plan").contains("rows=7.00"));
    assert!(explain(&mut db, "few (48, '')").expect("a plan").contains("rows=2.00"));
    assert_eq!(code(explain(&mut db, "few (1)")), "42601");
    assert_eq!(code(explain(&mut db, "other (1)")), "26000");
    db.batch_execute("EXPLAIN EXECUTE few (1, NULL); DEALLOCATE few; DROP TABLE explained").expect("more of it");
}

/// ParameterStatus at login and when a reported setting changes; startup parameters.
pub fn parameters_are_reported(target: &Target) {
    let mut db =
        target.config().application_name("spec").options("-c statement_timeout=12345").connect(NoTls).expect("c");
    let row = db.query_one("SELECT current_setting('application_name'), current_setting('statement_timeout')", &[]);
    let row = row.expect("settings");
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("spec", "12345ms"));
    let mut raw = target.raw();
    raw.send(&query("SET application_name = 'later'"));
    let told = raw.until_ready();
    let status: Vec<_> = told.iter().filter(|m| m.tag == b'S').map(|m| m.body.clone()).collect();
    assert_eq!(status, [b"application_name\0later\0".to_vec()]);
    raw.ask(&query("SET extra_float_digits = 1"));
    let notices = raw.ask(&query("DROP TABLE IF EXISTS not_there_at_all"));
    assert_eq!(notices.iter().find(|m| m.tag == b'N').map(|m| m.field(b'C')), Some("00000".to_owned()));
    let bad = target.config().options("-c no_such_setting=1").connect(NoTls);
    assert_eq!(code(bad), "42704");
}

const COPY_ROWS: &str =
    "CREATE TABLE {t} (id int, n numeric, t text, b bytea, v vector(3), a int[], j jsonb, d timestamptz, x bool)";

/// What COPY writes COPY reads, in all formats, with everything that needs quoting.
pub fn copies_round_trip(target: &Target) {
    let mut db = target.connect();
    for (name, format) in [
        ("text", "text"),
        ("csv", "csv, HEADER"),
        ("binary", "binary"),
        ("odd", "csv, DELIMITER ';', QUOTE '''', NULL 'nil'"),
    ] {
        let (from, to) = (format!("copy_from_{name}"), format!("copy_to_{name}"));
        db.batch_execute(&format!("DROP TABLE IF EXISTS {from}, {to}")).expect("drop");
        db.batch_execute(&[COPY_ROWS.replace("{t}", &from), COPY_ROWS.replace("{t}", &to)].join(";")).expect("tables");
        let fill = format!(
            "INSERT INTO {from} SELECT i, i / 7.0, CASE i % 6 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'tab\\tline\\nback\\\\slash'
               WHEN 3 THEN '\"quo\"\"ted, comma; ''x''' WHEN 4 THEN 'nil' ELSE E'\\\\N ünï \\r' END, decode(lpad(to_hex(i), 8, '0'), 'hex'),
               ARRAY[i, i + 0.5, -i]::vector, ARRAY[i, NULL, 3], jsonb_build_object('k', i, 's', 'a\"b'),
               '2024-02-29 12:00:00+00'::timestamptz + i * interval '1 hour', i % 3 = 0
             FROM generate_series(1, 3000) i"
        );
        db.batch_execute(&fill).expect("rows");
        let mut bytes = Vec::new();
        db.copy_out(&format!("COPY {from} TO STDOUT (FORMAT {format})"))
            .expect("copy out")
            .read_to_end(&mut bytes)
            .expect("all");
        let mut into = db.copy_in(&format!("COPY {to} FROM STDIN (FORMAT {format})")).expect("copy in");
        // Pieces that cut rows and characters apart.
        for piece in bytes.chunks(4093) {
            into.write_all(piece).expect("piece");
        }
        assert_eq!(into.finish().expect("done"), 3000, "{name}");
        let differ = format!(
            "SELECT count(*) FROM {from} f JOIN {to} t USING (id) WHERE (f.n, f.a, f.j, f.d, f.x) IS DISTINCT FROM (t.n, t.a, t.j, t.d, t.x)
               OR f.t IS DISTINCT FROM t.t OR f.b IS DISTINCT FROM t.b OR f.v <> t.v"
        );
        let differ: i64 = db.query_one(&differ, &[]).expect("compare").get(0);
        let joined: i64 =
            db.query_one(&format!("SELECT count(*) FROM {from} JOIN {to} USING (id)"), &[]).expect("j").get(0);
        assert_eq!((differ, joined), (0, 3000), "{name}");
    }
}

/// Errors in the middle of COPY, on either side.
pub fn copy_can_fail(target: &Target) {
    let mut raw = target.raw();
    raw.ask(&query("CREATE TEMP TABLE c (id int PRIMARY KEY, t text)"));
    let mut attempt = |data: &[&[u8]], end: Vec<u8>| {
        raw.send(&query("COPY c FROM STDIN"));
        assert_eq!(raw.receive().map(|m| m.tag), Some(b'G'));
        data.iter().for_each(|piece| raw.send(&message(b'd', piece)));
        raw.send(&end);
        crate::support::wire::shape(&raw.until_ready())
    };
    let done = || message(b'c', &[]);
    assert_eq!(attempt(&[b"1\ta\n", b"2\tb\n"], done()), "C Z");
    assert_eq!(attempt(&[b"1\ta\n"], done()), "E:23505 Z");
    assert_eq!(attempt(&[b"x\ta\n"], done()), "E:22P02 Z");
    assert_eq!(attempt(&[b"3\n"], done()), "E:22P04 Z");
    assert_eq!(attempt(&[b"3\ta\tb\n"], done()), "E:22P04 Z");
    assert_eq!(attempt(&[b"3\t\xff\xfe\n"], done()), "E:22021 Z");
    assert_eq!(attempt(&[b"3\ta\n"], message(b'f', b"changed my mind\0")), "E:57014 Z");
    assert_eq!(attempt(&[b"3\ta\n\\.\n"], done()), "C Z");
    assert_eq!(attempt(&[b"4\ta"], done()), "C Z");
    raw.send(&query("COPY c FROM STDIN (FORMAT binary)"));
    assert_eq!(raw.receive().map(|m| m.tag), Some(b'G'));
    raw.send(&message(b'd', b"no signature at all"));
    assert_eq!(raw.shape(&done()), "E:22P04 Z");
    let count = raw.ask(&query("SELECT count(*) FROM c"));
    assert_eq!(count.iter().find(|m| m.tag == b'D').map(|m| m.values()), Some(vec![Some(b"4".to_vec())]));
}

fn cancel_soon(token: CancelToken) -> std::thread::JoinHandle<Instant> {
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        let sent = Instant::now();
        token.cancel_query(NoTls).expect("the request is taken");
        sent
    })
}

/// CancelRequest stops what runs, whatever it is, and only that statement.
pub fn cancels(target: &Target) {
    let mut db = target.connect();
    db.batch_execute("CREATE TEMP TABLE few AS SELECT i, i % 100 AS k FROM generate_series(1, 3000) i").expect("rows");
    for sql in [
        "SELECT pg_sleep(60)",
        "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
        "SELECT count(*) FROM few a, few b, few c WHERE a.i + b.i + c.i = 1",
        "SELECT * FROM generate_series(1, 1000000000000) ORDER BY 1 DESC",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "INSERT INTO few SELECT a, a FROM generate_series(1, 1000000000) a",
        "SELECT DISTINCT a FROM generate_series(1, 1000000000) a",
        "SELECT sum(k) OVER (ORDER BY i) FROM few, generate_series(1, 1000000) g",
    ] {
        let waiting = cancel_soon(db.cancel_token());
        let error = db.simple_query(sql).expect_err("cancelled");
        let ended = Instant::now();
        let took = ended - waiting.join().expect("sent");
        assert_eq!(error.code().map(|c| c.code().to_owned()).as_deref(), Some("57014"), "{sql}: {error:?}");
        // Within 100 ms on a quiet machine; here others may have the processors.
        assert!(took < Duration::from_secs(2), "{sql}: it took {took:?}");
        assert_eq!(code(db.simple_query("SELECT 1")), "00000");
    }
    // A request with a wrong key does nothing, and gets no answer.
    let mut raw = crate::support::wire::Raw { stream: crate::support::wire::socket(target.port) };
    raw.send(&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 1, 2, 3, 4]);
    assert!(raw.receive().is_none());
}

/// `statement_timeout`.
pub fn statement_timeout(target: &Target) {
    let mut db = target.connect();
    db.batch_execute("SET statement_timeout = '200ms'").expect("set");
    for sql in
        ["SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b"]
    {
        let start = Instant::now();
        let error = db.simple_query(sql).expect_err("timed out");
        let error = error.as_db_error().expect("an error of the server");
        assert_eq!((error.code().code(), error.message()), ("57014", "canceling statement due to statement timeout"));
        assert!(start.elapsed() < Duration::from_secs(5), "{sql}");
    }
    db.batch_execute("RESET statement_timeout; SELECT pg_sleep(0.3)").expect("no limit any more");
}

/// The addresses of both ends, as the session sees them.
pub fn addresses_are_shown(target: &Target) {
    let mut db = target.connect();
    let shown = "SELECT inet_server_port(), inet_client_port() > 0, inet_server_addr()::text, NOT ssl
                 FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = db.query_one(shown, &[]).expect("one row");
    assert_eq!(row.get::<_, i32>(0), i32::from(target.port));
    assert!(row.get::<_, bool>(1) && row.get::<_, bool>(3));
    assert!(row.get::<_, String>(2).starts_with("127.0.0.1"));
}

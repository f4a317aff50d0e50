//! Input of every wrong kind gets PostgreSQL's error or a closed connection; the server goes on.

use std::time::{Duration, Instant};

use crate::Target;
use crate::support::random::Random;
use crate::support::wire::{Raw, bind, describe, execute, message, parse, query, shape, socket, startup, sync};
use crate::support::{Server, code};

/// The server answers somebody else.
fn lives(target: &Target) {
    assert_eq!(code(target.connect().simple_query("SELECT 1")), "00000");
}

/// What a new session answers: the shape up to ReadyForQuery or the end of the connection.
fn answer(target: &Target, bytes: &[u8]) -> String {
    let mut raw = target.raw();
    raw.send(bytes);
    let _ = raw.stream.shutdown(std::net::Shutdown::Write);
    shape(&raw.until_ready())
}

/// Messages that are no messages.
pub fn wrong_messages(target: &Target) {
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        ("unknown type", message(b'?', b"x"), &["E:08P01"]),
        ("length of zero", vec![b'Q', 0, 0, 0, 0], &["E:08P01", ""]),
        ("length of three", vec![b'Q', 0, 0, 0, 3], &["E:08P01", ""]),
        ("negative length", vec![b'Q', 0xff, 0xff, 0xff, 0xff], &["E:08P01", ""]),
        ("two gigabytes", vec![b'Q', 0x7f, 0xff, 0xff, 0xff, b'a'], &["E:08P01", ""]),
        ("cut short", vec![b'Q', 0, 0, 0, 20, b'S', b'E'], &[""]),
        ("no end of string", message(b'Q', b"SELECT 1"), &["E:08P01 Z", "E:08P01"]),
        ("Sync with a body", [message(b'S', b"x"), sync()].concat(), &["E:08P01 Z", "E:08P01"]),
        ("Parse cut short", [message(b'P', b"a\0SELECT 1\0\0"), sync()].concat(), &["E:08P01 Z", "E:08P01"]),
        (
            "Parse with too many types",
            [message(b'P', b"\0SELECT 1\0\xff\xff"), sync()].concat(),
            &["E:08P01 Z", "E:08P01"],
        ),
        ("Bind cut short", [message(b'B', b"\0"), sync()].concat(), &["E:08P01 Z", "E:08P01"]),
        ("Describe of what", [message(b'D', b"X\0"), sync()].concat(), &["E:08P01 Z"]),
        ("Close of what", [message(b'C', b"X\0"), sync()].concat(), &["E:08P01 Z"]),
        ("data without COPY", [message(b'd', b"1\n"), message(b'c', b""), sync()].concat(), &["Z"]),
        ("password out of turn", [message(b'p', b"x\0"), sync()].concat(), &["E:08P01", "E:08P01 Z", ""]),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, expected) in cases {
        let got = answer(target, bytes);
        if !expected.contains(&got.as_str()) {
            wrong.push(format!("{name}: {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, bytes) in [
        ("huge", vec![0x7f, 0xff, 0xff, 0xff]),
        ("tiny", vec![0, 0, 0, 4]),
        ("empty", vec![0, 0, 0, 0]),
        ("version 2", vec![0, 0, 0, 8, 0, 2, 0, 0]),
        ("version 4", vec![0, 0, 0, 9, 0, 4, 0, 0, 0]),
        ("no user", vec![0, 0, 0, 9, 0, 3, 0, 0, 0]),
        ("no end", [&[0, 0, 0, 12, 0, 3, 0, 0][..], b"user"].concat()),
        ("web", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec()),
        ("invalid UTF-8", startup("\u{fffd}", "x").iter().map(|b| if *b == 0xef { 0xff } else { *b }).collect()),
    ] {
        let mut raw = Raw { stream: socket(target.port) };
        raw.send(&bytes);
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        // PostgreSQL trusts whom it trusts; nobody gets a session here.
        let answers = raw.until_ready();
        assert!(answers.iter().all(|message| message.tag != b'Z'), "startup {name}: {}", shape(&answers));
    }
    lives(target);
}

/// Messages in good form that say something impossible.
pub fn wrong_values(target: &Target) {
    let select = |types: &[u32]| parse("", "SELECT $1::int4, $2::text", types);
    let with = |formats: &[u16], values: &[Option<&[u8]>], results: &[u16]| {
        [select(&[23, 25]), bind("", "", formats, values, results), execute("", 0), sync()].concat()
    };
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("good", with(&[], &[Some(b"1"), None], &[]), "1 2 D C Z"),
        ("too few values", with(&[], &[Some(b"1")], &[]), "1 E:08P01 Z"),
        ("too many values", with(&[], &[Some(b"1"), None, None], &[]), "1 E:08P01 Z"),
        ("wrong number of formats", with(&[0, 0, 0], &[Some(b"1"), None], &[]), "1 E:08P01 Z"),
        ("wrong number of result formats", with(&[], &[Some(b"1"), None], &[0, 0, 0]), "1 E:08P01 Z"),
        ("format 7", with(&[7], &[Some(b"1"), None], &[]), "1 E:22023 Z"),
        ("result format 7", with(&[], &[Some(b"1"), None], &[7]), "1 2 E:22023 Z"),
        ("three bytes of int4", with(&[1], &[Some(b"abc"), None], &[]), "1 E:08P01 Z"),
        ("five bytes of int4", with(&[1], &[Some(b"abcde"), None], &[]), "1 E:22P03 Z"),
        ("no int", with(&[], &[Some(b"one"), None], &[]), "1 E:22P02 Z"),
        ("int too large", with(&[], &[Some(b"99999999999"), None], &[]), "1 E:22003 Z"),
        ("invalid UTF-8", with(&[], &[Some(b"1"), Some(b"a\xff")], &[]), "1 E:22021 Z"),
        ("invalid UTF-8, binary", with(&[0, 1], &[Some(b"1"), Some(b"\xc0\x80")], &[]), "1 E:22021 Z"),
        ("zero byte", with(&[], &[Some(b"1"), Some(b"a\0b")], &[]), "1 E:22021 Z"),
        ("statement not there", [bind("", "nope", &[], &[], &[]), sync()].concat(), "E:26000 Z"),
        ("portal not there", [execute("nope", 0), sync()].concat(), "E:34000 Z"),
        ("describe nothing", [describe(b'S', "nope"), sync()].concat(), "E:26000 Z"),
        ("describe no portal", [describe(b'P', "nope"), sync()].concat(), "E:34000 Z"),
        ("type not there", [parse("", "SELECT $1", &[999_999]), sync()].concat(), "E:42704 Z"),
        ("two statements", [parse("", "SELECT 1; SELECT 2", &[]), sync()].concat(), "E:42601 Z"),
        ("parameter 0", [parse("", "SELECT $0", &[]), sync()].concat(), "E:42P02 Z"),
        ("parameter 300000000", [parse("", "SELECT $300000000::int", &[]), sync()].concat(), "E:42P02 Z"),
        ("parameter without type", [parse("", "SELECT $2::int", &[]), sync()].concat(), "E:42P18 Z"),
        ("query in invalid UTF-8", message(b'Q', b"SELECT '\xe2\x28\xa1'\0"), "E:22021 Z"),
        ("surrogate", message(b'Q', b"SELECT '\xed\xa0\x80'\0"), "E:22021 Z"),
        ("statement in invalid UTF-8", [message(b'P', b"\0SELECT '\xff'\0\0\0"), sync()].concat(), "E:22021 Z"),
        ("unicode escape", query("SELECT U&'\\D800'"), "E:42601 Z"),
        ("open string", query("SELECT 'abc"), "E:42601 Z"),
        ("open comment", query("SELECT 1 /* /* */"), "E:42601 Z"),
        ("open dollar", query("SELECT $x$abc"), "E:42601 Z"),
        ("long name", query(&format!("SELECT 1 AS \"{}\"", "n".repeat(10_000))), "T D C Z"),
        ("long number", query(&format!("SELECT 1{}", "0".repeat(140_000))), "E:22003 Z"),
    ];
    let mut wrong = Vec::new();
    for (name, bytes, expected) in cases {
        let got = answer(target, bytes);
        // PostgreSQL calls an unknown type an internal error of its cache, and notices a wrong format late.
        let other = match *name {
            "type not there" => "E:XX000 Z",
            "result format 7" => "1 E:22023 Z",
            _ => expected,
        };
        if got != *expected && got != other {
            wrong.push(format!("{name}: expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    lives(target);
}

/// Noise before and after the login, and good messages with some bytes changed.
pub fn random_bytes(target: &Target) {
    let mut random = Random::new();
    println!("seed {}", random.0);
    let good = [
        parse("n", "SELECT $1::int4 + id FROM (VALUES (1), (2)) v(id)", &[23]),
        bind("n", "n", &[1], &[Some(&[0, 0, 0, 5])], &[1]),
        describe(b'P', "n"),
        execute("n", 1),
        query("SELECT 1, 'two'; COPY (SELECT 1) TO STDOUT"),
        sync(),
    ];
    for round in 0..150 {
        let mut raw = if round % 3 == 0 { Raw { stream: socket(target.port) } } else { target.raw() };
        let mut bytes = match round % 3 {
            0 | 1 => {
                let count = 1 + random.below(300) as usize;
                random.bytes(count)
            }
            _ => good.concat(),
        };
        if round % 3 == 2 {
            for _ in 0..=random.below(6) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.next() as u8;
            }
        }
        raw.send(&bytes);
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        while raw.receive().is_some() {}
    }
    lives(target);
}

/// Deep and long expressions: an answer or an error, and soon.
pub fn deep_nesting(target: &Target) {
    const DEEP: usize = 10_000;
    let wrapped = |open: &str, inside: &str, close: &str, depth: usize| {
        format!("SELECT {}{inside}{}", open.repeat(depth), close.repeat(depth))
    };
    let cases = [
        ("parentheses", wrapped("(", "1", ")", DEEP)),
        ("brackets", wrapped("ARRAY[", "1", "]", DEEP)),
        ("not", wrapped("NOT ", "true", "", DEEP)),
        ("minus", wrapped("- ", "1", "", DEEP)),
        ("subqueries", wrapped("(SELECT ", "1", ")", DEEP)),
        ("calls", wrapped("abs(", "1", ")", DEEP)),
        ("case", wrapped("CASE WHEN true THEN ", "1", " END", DEEP)),
        ("casts", format!("SELECT 1{}", "::int".repeat(DEEP))),
        ("sum", format!("SELECT 1{}", "+1".repeat(DEEP))),
        ("conjunction", format!("SELECT true{}", " AND true".repeat(DEEP))),
        ("concatenation", format!("SELECT 'a'{}", "||'a'".repeat(DEEP))),
        ("list", format!("SELECT 1 IN (1{})", ",1".repeat(DEEP))),
        ("targets", format!("SELECT 1{}", ",1".repeat(DEEP))),
        ("union", format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(DEEP))),
        (
            "joins",
            format!(
                "SELECT 1 FROM (SELECT 1) a0{}",
                (1..150).map(|i| format!(" CROSS JOIN (SELECT 1) a{i}")).collect::<String>()
            ),
        ),
        (
            "derived tables",
            format!("SELECT * FROM {}(SELECT 1) z{}", "(SELECT * FROM ".repeat(DEEP), ") z".repeat(DEEP)),
        ),
        ("common tables", format!("{} SELECT 1{}", "WITH a AS (".repeat(DEEP), ") SELECT 1".repeat(DEEP))),
        ("json", format!("SELECT '{}{}'::jsonb", "[".repeat(100_000), "]".repeat(100_000))),
        ("plain json", format!("SELECT '{}'::json", "{\"a\":".repeat(100_000))),
        ("array text", format!("SELECT '{}'::int[]", "{".repeat(100_000))),
        ("pattern", format!("SELECT 'a' ~ '{}a{}'", "(".repeat(DEEP), ")".repeat(DEEP))),
        ("json path", format!("SELECT '1'::jsonb @@ '{}1{}'", "(".repeat(DEEP), ")".repeat(DEEP))),
        ("open parentheses", format!("SELECT {}", "(".repeat(DEEP))),
        ("comments", format!("SELECT {} 1", "/*".repeat(DEEP))),
        ("explain", format!("{} SELECT 1", "EXPLAIN ".repeat(DEEP))),
        ("rows", wrapped("ROW(", "1", ")", DEEP)),
        ("between", format!("SELECT 1{}", " BETWEEN 1 AND 1".repeat(DEEP))),
        ("subscripts", format!("SELECT (ARRAY[1]){}", "[1]".repeat(DEEP))),
        ("set", format!("SELECT 1 WHERE {} (SELECT 1)", "1 = ANY (SELECT 1 WHERE ".repeat(200))),
    ];
    for (name, sql) in &cases {
        let mut raw = target.raw();
        let start = Instant::now();
        if std::env::var_os("OMENDB_TEST_LOG").is_some() {
            println!("{name}");
        }
        let got = raw.shape(&query(sql));
        assert!(got.ends_with('Z'), "{name}: the connection broke: {got}");
        let fine = ["T", "E:54001", "E:54000", "E:42601", "E:22P02", "E:54011", "E:54023", "E:2201B", "E:54", "E:42"];
        assert!(fine.iter().any(|start| got.starts_with(start)), "{name}: {got}");
        assert!(start.elapsed() < Duration::from_secs(30), "{name}: it took {:?}", start.elapsed());
    }
    lives(target);
}

/// Statements of 100 MB are read and answered, or refused.
pub fn very_large_statements() {
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start(data.path());
    let mut raw = Raw::login(server.port, "postgres", "postgres");
    let large = "x".repeat(100 << 20);
    let answers = raw.ask(&query(&format!("SELECT length('{large}')")));
    let row = answers.iter().find(|m| m.tag == b'D').map(|m| m.values());
    assert_eq!(row, Some(vec![Some((100 << 20).to_string().into_bytes())]), "{}", shape(&answers));
    let blank =
        [parse("", "SELECT length($1::text)", &[25]), bind("", "", &[], &[Some(large.as_bytes())], &[])].concat();
    assert_eq!(raw.shape(&[blank, execute("", 0), sync()].concat()), "1 2 D C Z");
    drop(raw);
    // More than the limit of a message: sent away without reading it.
    let mut raw = Raw::login(server.port, "postgres", "postgres");
    raw.send(&[b'Q', 0x7f, 0xff, 0xff, 0xff]);
    assert!(raw.until_ready().iter().all(|message| message.tag == b'E'));
    server.connect("postgres").simple_query("SELECT 1").expect("the server goes on");
}

/// Vectors that are none: pgvector's errors.
pub fn wrong_vectors(target: &Target) {
    let mut db = target.connect();
    db.batch_execute("CREATE TEMP TABLE e (v vector(3))").expect("table");
    let mut wrong = Vec::new();
    for (sql, expected) in [
        ("SELECT '[1,NaN]'::vector", "22000"),
        ("SELECT '[1,inf]'::vector", "22000"),
        ("SELECT '[1,-Infinity]'::vector", "22000"),
        ("SELECT '[1e40]'::vector", "22003"),
        ("SELECT '[]'::vector", "22000"),
        ("SELECT '[1,2'::vector", "22P02"),
        ("SELECT '[1,,2]'::vector", "22P02"),
        ("SELECT '1,2'::vector", "22P02"),
        ("SELECT '[1,2]x'::vector", "22P02"),
        ("SELECT '[1,2]'::vector(3)", "22000"),
        ("SELECT '[1]'::vector(0)", "22023"),
        ("SELECT '[1]'::vector(16001)", "22023"),
        ("SELECT '[1,2]'::vector <-> '[1,2,3]'", "22000"),
        ("SELECT '[1,2]'::vector + '[1]'", "22000"),
        ("SELECT '[3e38]'::vector + '[3e38]'", "22003"),
        ("SELECT '[1,2]'::halfvec <=> '[1,2,3]'", "22000"),
        ("SELECT '[70000]'::halfvec", "22003"),
        ("SELECT '{0:1}/3'::sparsevec", "22000"),
        ("SELECT '{4:1}/3'::sparsevec", "22000"),
        ("SELECT '{1:NaN}/3'::sparsevec", "22000"),
        ("SELECT '{1:1,1:2}/3'::sparsevec", "22000"),
        ("SELECT ARRAY[1,NULL]::vector", "22004"),
        ("SELECT '{}'::int[]::vector", "22000"),
        ("SELECT B'101' <~> B'11'", "22000"),
        ("INSERT INTO e VALUES ('[1,2]')", "22000"),
        ("INSERT INTO e VALUES ('[1,2,NaN]')", "22000"),
    ] {
        let got = code(db.simple_query(sql));
        if got != expected {
            wrong.push(format!("{sql}: expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let binary = |dimensions: u16, unused: u16, values: &[f32]| {
        let mut bytes = [dimensions.to_be_bytes(), unused.to_be_bytes()].concat();
        values.iter().for_each(|value| bytes.extend_from_slice(&value.to_be_bytes()));
        bytes
    };
    let mut raw = target.raw();
    let mut send = |bytes: &[u8]| {
        let types =
            [parse("", "SELECT $1::vector", &[]), bind("", "", &[1], &[Some(bytes)], &[1]), execute("", 0), sync()];
        raw.shape(&types.concat())
    };
    assert_eq!(send(&binary(2, 0, &[1.0, 2.0])), "1 2 D C Z");
    assert_eq!(send(&binary(2, 0, &[1.0, f32::NAN])), "1 E:22000 Z");
    assert_eq!(send(&binary(2, 0, &[1.0, f32::INFINITY])), "1 E:22000 Z");
    assert_eq!(send(&binary(2, 7, &[1.0, 2.0])), "1 E:22000 Z");
    assert_eq!(send(&binary(0, 0, &[])), "1 E:22000 Z");
    assert_eq!(send(&binary(3, 0, &[1.0])), "1 E:08P01 Z");
    assert_eq!(send(&binary(20_000, 0, &[1.0])), "1 E:54000 Z");
    assert_eq!(send(&binary(1, 0, &[1.0, 2.0])), "1 E:22P03 Z");
    lives(target);
}

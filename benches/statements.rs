//! Statements without a socket: the parser alone, planning, and whole runs of a session over a store in memory.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use omendb::config::Config;
use omendb::pgwire::sink::MemorySink;
use omendb::pgwire::{Connection, Frontend, Host, Login, Waker};
use omendb::session::{Engine, EngineHost};
use omendb::sql::parser;
use omendb::storage::MemoryKv;

const SETUP: &str = "create table items (id bigint primary key, name text, price numeric, at timestamptz);
    insert into items select i, 'item ' || i, i % 1000 * 0.25, now() from generate_series(1, 20000) i;";

/// Statements whose planning is measured.
const PLANNED: [(&str, &str); 4] = [
    ("constant", "select 1"),
    ("point", "select name, price from items where id = $1"),
    ("insert", "insert into items (id, name, price) values ($1, $2, $3) on conflict (id) do nothing"),
    (
        "join",
        "select a.name, count(*), sum(b.price) from items a join items b on b.id = a.id + 1 left join items c on c.id = a.id \
         where a.price > 10 and a.name like 'item 1%' group by a.name having count(*) > 0 order by 2 desc, 1 limit 10",
    ),
];

/// Statements that are run.
const RUN: [(&str, &str); 7] = [
    ("constant", "select 1"),
    ("point", "select name, price from items where id = 777"),
    ("scan-filter", "select count(*) from items where price < 10"),
    ("aggregate", "select price, count(*), avg(id) from items group by price"),
    ("sort", "select id from items order by name desc offset 19999"),
    ("top", "select id from items order by price, id limit 10"),
    ("join", "select count(*) from items a join items b on a.id = b.id + 1"),
];

fn connect() -> Box<dyn Connection> {
    let config = Config::load(None, std::iter::empty(), &[("data", "unused".to_owned())]).expect("a configuration");
    let user = config.admin_user.clone();
    let engine = Engine::open_on(Arc::new(MemoryKv::new()), &config).expect("an engine");
    let login = Login {
        user,
        database: "postgres".to_owned(),
        settings: Vec::new(),
        client_address: None,
        server_address: None,
        pid: 1,
        tls: None,
        waker: Waker::none(),
    };
    EngineHost(engine).open(login).expect("a session")
}

fn send(session: &mut dyn Connection, message: Frontend) -> usize {
    let mut sink = MemorySink::default();
    session.handle(message, &mut sink).expect("the session goes on");
    assert!(!sink.output.starts_with(b"E"), "{}", sink.output.escape_ascii());
    sink.output.len()
}

/// Parser, planner, executor.
pub fn benches(criterion: &mut Criterion) {
    let mut session = connect();
    send(&mut *session, Frontend::Query(SETUP.to_owned()));
    let mut group = criterion.benchmark_group("statements");
    for (name, sql) in PLANNED {
        group.bench_function(format!("parse/{name}"), |b| {
            b.iter(|| parser::parse(black_box(sql)).expect("it parses").len());
        });
        group.bench_function(format!("plan/{name}"), |b| {
            b.iter(|| {
                let parse = Frontend::Parse { name: String::new(), query: sql.to_owned(), param_types: Vec::new() };
                send(&mut *session, parse) + send(&mut *session, Frontend::Sync)
            });
        });
    }
    for (name, sql) in RUN {
        group.bench_function(format!("run/{name}"), |b| {
            b.iter(|| send(&mut *session, Frontend::Query(sql.to_owned())));
        });
    }
    group.finish();
}

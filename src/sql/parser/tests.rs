//! The grammar's corners, and every statement that real clients were seen to send.

use super::parse;
use crate::sql::ast::{Expr, ExprKind, QueryBody, Statement};

fn expr(text: &str) -> Expr {
    match parse(&format!("select {text}")).expect("parses").remove(0).statement {
        Statement::Query(query) => match query.body {
            QueryBody::Select(mut select) => select.targets.remove(0).expr,
            _ => panic!("not a select"),
        },
        _ => panic!("not a query"),
    }
}

/// An expression with all its parentheses.
fn shape(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Binary { op, left, right } => format!("({} {} {})", shape(left), op.symbol, shape(right)),
        ExprKind::Unary { op, arg } => format!("({}{})", op.symbol, shape(arg)),
        ExprKind::And(a, b) => format!("({} AND {})", shape(a), shape(b)),
        ExprKind::Or(a, b) => format!("({} OR {})", shape(a), shape(b)),
        ExprKind::Not(a) => format!("(NOT {})", shape(a)),
        ExprKind::Number(n) => n.clone(),
        ExprKind::Column(name) => name.to_string(),
        ExprKind::Cast { arg, ty } => format!("({}::{})", shape(arg), ty.name.last()),
        ExprKind::Between { arg, low, high, .. } => format!("({} BETWEEN {} {})", shape(arg), shape(low), shape(high)),
        ExprKind::String(s) => format!("'{s}'"),
        other => format!("{other:?}"),
    }
}

#[test]
fn precedence_is_postgresqls() {
    for (text, expected) in [
        ("x = a <=> b", "(x = (a <=> b))"),
        ("a <=> b < 1", "((a <=> b) < 1)"),
        ("1 + 2 * 3", "(1 + (2 * 3))"),
        ("2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)"),
        ("-2 ^ 2", "(-2 ^ 2)"),
        ("a - 1 - 2", "((a - 1) - 2)"),
        ("a || b || c", "((a || b) || c)"),
        ("a <-> b + c", "(a <-> (b + c))"),
        ("not a = b", "(NOT (a = b))"),
        ("a or b and c", "(a OR (b AND c))"),
        ("a>-1", "(a > -1)"),
        ("a <-> b between 0 and 1", "((a <-> b) BETWEEN 0 1)"),
        ("-a::int", "(-(a::int4))"),
        ("'a'\n'b'", "'ab'"),
    ] {
        assert_eq!(shape(&expr(text)), expected, "{text}");
    }
}

#[test]
fn errors_name_the_token() {
    for (text, message) in [
        ("selec 1", "syntax error at or near \"selec\""),
        ("select 1 +", "syntax error at end of input"),
        ("select 'a' 'b'", "syntax error at or near \"'b'\""),
        ("select 1 < 2 = true", "syntax error at or near \"=\""),
        ("select 'abc", "unterminated quoted string at or near \"'abc\""),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.report().message, message);
        assert_eq!(error.sqlstate().as_str(), "42601");
    }
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    // Sessions have large stacks, and test threads have not.
    const STACK_BYTES: usize = 16 << 20;
    let parsed = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        let text = format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        parse(&text).expect_err("too deep").sqlstate().as_str().to_owned()
    });
    assert_eq!(parsed.expect("a thread starts").join().expect("no overflow"), "54001");
}

#[test]
fn long_and_nested_texts_take_time_in_proportion() {
    // Anything exponential would never end.
    const LEVELS: usize = 60;
    for (open, inside, close) in
        [("(((SELECT ", "1", ") + 1))"), ("((SELECT 1) + ", "1", ")"), ("CAST(", "1", " AS int)")]
    {
        let text = format!("SELECT {}{inside}{}", open.repeat(LEVELS), close.repeat(LEVELS));
        let session = std::thread::Builder::new().stack_size(16 << 20).spawn(move || parse(&text).is_ok());
        assert!(session.expect("a thread starts").join().expect("no overflow"), "{open}");
    }
    let conditions = format!("SELECT true{}", " AND true".repeat(50_000));
    assert_eq!(parse(&conditions).expect("it parses").len(), 1);
    let sum = format!("SELECT 1{}", " + 1".repeat(50_000));
    assert_eq!(parse(&sum).expect_err("too high").sqlstate().as_str(), "54001");
}

#[test]
fn forms_that_must_parse() {
    for text in [
        "select extract(year from now()), substring('a' from 1 for 2), trim(both 'x' from y), position('a' in 'b')",
        "select ((select 1)) + 1, (((select 1) union select 2))",
        "create table t (id bigserial primary key, e vector(3) not null, unique (id), check (id > 0))",
        "create index on t using hnsw (e vector_l2_ops) with (m = 16, ef_construction = 64)",
        "insert into t (a, b[1]) values (1, 2) on conflict (a) where a > 0 do update set b = excluded.b where t.a > 1 returning *",
        "select c.relname operator(pg_catalog.~) '^(x)$' collate pg_catalog.default from pg_class c",
        "select * from rows from (f(1), g(2)) with ordinality as t(a, b, c)",
        "select interval '1' year, timestamp with time zone '2020-01-01', double precision '1.5', numeric(5,2) '1'",
        "set time zone interval '+00:00' hour to minute",
        "copy t (a, b) from stdin with (format csv, header, null '')",
        "begin isolation level repeatable read, read only",
        "select ((select 1), 2), (((select 1)) + 1), x in ((select 1), 2), y in ((select 1) union (values (2)))",
        "select * from ((select 1) a cross join (select 2) b), (((select 1) order by 1) limit 1) c, ((table t)) d",
        "select timestamp(3) without time zone '2020-01-01', bit varying(3) '101', national character varying(2) 'a'",
        "select a.b[1].c, (x).y.z, (x).*, t.* from t",
        "select count(*) filter (where a > 1) over (partition by b order by c rows between 1 preceding and current row)",
    ] {
        parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
}

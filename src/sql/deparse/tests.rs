//! Texts that PostgreSQL 18.4 prints for the same expressions: `pg_get_constraintdef` of `CHECK ((expr) IS NOT NULL)`, plain and
//! pretty, without what stands around the expression.

use super::{deparse, deparse_pretty};
use crate::catalog::{Names, system};
use crate::common::quote_ident;
use crate::sql::binder::{Place, bind_table_expr};
use crate::sql::expr::Expr;
use crate::sql::parser::parse_expr;
use crate::types::{Oid, SqlType};

const COLUMNS: &[(&str, SqlType)] = &[
    ("i", SqlType::of(Oid::INT4)),
    ("b", SqlType::of(Oid::INT8)),
    ("s", SqlType::of(Oid::INT2)),
    ("n", SqlType::with(Oid::NUMERIC, 655_366)),
    ("f", SqlType::of(Oid::FLOAT8)),
    ("x", SqlType::of(Oid::TEXT)),
    ("v", SqlType::with(Oid::VARCHAR, 14)),
    ("c", SqlType::with(Oid::BPCHAR, 7)),
    ("bo", SqlType::of(Oid::BOOL)),
    ("d", SqlType::of(Oid::DATE)),
    ("ts", SqlType::of(Oid::TIMESTAMP)),
    ("tz", SqlType::of(Oid::TIMESTAMPTZ)),
    ("ia", SqlType::of(Oid::INT4_ARRAY)),
    ("ve", SqlType::with(Oid::VECTOR, 3)),
    ("j", SqlType::of(Oid::JSONB)),
    ("iv", SqlType::of(Oid::INTERVAL)),
];

/// Expression, plain text, pretty text as the operand of IS NOT NULL.
const CASES: &[(&str, &str, &str)] = &[
    (r"i > 0", r"(i > 0)", r"(i > 0)"),
    (r"i + 1", r"(i + 1)", r"(i + 1)"),
    (r"-i", r"(- i)", r"(- i)"),
    (r"- 5", r"'-5'::integer", r"'-5'::integer"),
    (r"i + -1", r"(i + '-1'::integer)", r"(i + '-1'::integer)"),
    (r"x || 'a'", r"(x || 'a'::text)", r"(x || 'a'::text)"),
    (r"v || 'a'", r"((v)::text || 'a'::text)", r"(v::text || 'a'::text)"),
    (r"c = 'a'", r"(c = 'a'::bpchar)", r"(c = 'a'::bpchar)"),
    (r"v like 'a%'", r"((v)::text ~~ 'a%'::text)", r"(v::text ~~ 'a%'::text)"),
    (r"i in (1,2)", r"(i = ANY (ARRAY[1, 2]))", r"(i = ANY (ARRAY[1, 2]))"),
    (r"i not in (1,2)", r"(i <> ALL (ARRAY[1, 2]))", r"(i <> ALL (ARRAY[1, 2]))"),
    (r"i between 1 and 2", r"((i >= 1) AND (i <= 2))", r"(i >= 1 AND i <= 2)"),
    (r"not bo", r"(NOT bo)", r"(NOT bo)"),
    (r"bo and i = 1 or x is null", r"((bo AND (i = 1)) OR (x IS NULL))", r"(bo AND i = 1 OR x IS NULL)"),
    (
        r"case when i > 0 then 1 end",
        r"
CASE
    WHEN (i > 0) THEN 1
    ELSE NULL::integer
END",
        r"
CASE
    WHEN i > 0 THEN 1
    ELSE NULL::integer
END",
    ),
    (r"coalesce(i,0)", r"COALESCE(i, 0)", r"COALESCE(i, 0)"),
    (r"nullif(i,0)", r"NULLIF(i, 0)", r"NULLIF(i, 0)"),
    (r"greatest(i,b)", r"GREATEST((i)::bigint, b)", r"GREATEST(i::bigint, b)"),
    (r"i::text", r"(i)::text", r"i::text"),
    (r"i::numeric", r"(i)::numeric", r"i::numeric"),
    (r"x::int", r"(x)::integer", r"x::integer"),
    (r"v::text", r"(v)::text", r"v::text"),
    (r"x::varchar(5)", r"(x)::character varying(5)", r"x::character varying(5)"),
    (r"n::numeric(5,1)", r"(n)::numeric(5,1)", r"n::numeric(5,1)"),
    (r"lower(v)", r"lower((v)::text)", r"lower(v::text)"),
    (r"ia[1]", r"ia[1]", r"ia[1]"),
    (r"ia[1:2]", r"ia[1:2]", r"ia[1:2]"),
    (r"array[i,1]", r"ARRAY[i, 1]", r"ARRAY[i, 1]"),
    (r"array[]::int[]", r"ARRAY[]::integer[]", r"ARRAY[]::integer[]"),
    (r"array[[1,2],[3,4]]", r"ARRAY[ARRAY[1, 2], ARRAY[3, 4]]", r"ARRAY[ARRAY[1, 2], ARRAY[3, 4]]"),
    (r"row(i,x)", r"ROW(i, x)", r"ROW(i, x)"),
    (r"(i,b) < (1,2)", r"(ROW(i, b) < ROW(1, 2))", r"((ROW(i, b) < ROW(1, 2)))"),
    (r"ve <-> '[1,2,3]'", r"(ve <-> '[1,2,3]'::vector)", r"(ve <-> '[1,2,3]'::vector)"),
    (r"ve::halfvec", r"(ve)::halfvec", r"ve::halfvec"),
    (r"j->>'a'", r"(j ->> 'a'::text)", r"(j ->> 'a'::text)"),
    (r"j #> '{a,b}'", r"(j #> '{a,b}'::text[])", r"(j #> '{a,b}'::text[])"),
    (r"d + 1", r"(d + 1)", r"(d + 1)"),
    (
        r"ts > '2020-01-01'",
        r"(ts > '2020-01-01 00:00:00'::timestamp without time zone)",
        r"(ts > '2020-01-01 00:00:00'::timestamp without time zone)",
    ),
    (r"now()", r"now()", r"now()"),
    (r"current_timestamp", r"CURRENT_TIMESTAMP", r"CURRENT_TIMESTAMP"),
    (r"current_date", r"CURRENT_DATE", r"CURRENT_DATE"),
    (r"current_user", r"CURRENT_USER", r"CURRENT_USER"),
    (r"localtimestamp(2)", r"LOCALTIMESTAMP(2)", r"LOCALTIMESTAMP(2)"),
    (r"extract(year from d)", r"EXTRACT(year FROM d)", r"EXTRACT(year FROM d)"),
    (r"tz at time zone 'UTC'", r"(tz AT TIME ZONE 'UTC'::text)", r"(tz AT TIME ZONE 'UTC'::text)"),
    (r"substring(x,1,2)", r#""substring"(x, 1, 2)"#, r#""substring"(x, 1, 2)"#),
    (r"position('a' in x)", r"POSITION(('a'::text) IN (x))", r"POSITION(('a'::text) IN (x))"),
    (r"overlay(x placing 'a' from 1)", r"OVERLAY(x PLACING 'a'::text FROM 1)", r"OVERLAY(x PLACING 'a'::text FROM 1)"),
    (r"i is distinct from 1", r"(i IS DISTINCT FROM 1)", r"(i IS DISTINCT FROM 1)"),
    (r"i is not distinct from 1", r"(NOT (i IS DISTINCT FROM 1))", r"(NOT i IS DISTINCT FROM 1)"),
    (r"bo is true", r"(bo IS TRUE)", r"(bo IS TRUE)"),
    (r"bo is not unknown", r"(bo IS NOT UNKNOWN)", r"(bo IS NOT UNKNOWN)"),
    (r"1.5", r"1.5", r"1.5"),
    (r"5::bigint", r"(5)::bigint", r"5::bigint"),
    (r"'x'::varchar(3)", r"'x'::character varying(3)", r"'x'::character varying(3)"),
    (r"i = any(ia)", r"(i = ANY (ia))", r"(i = ANY (ia))"),
    (r"i = any('{1,2}'::int[])", r"(i = ANY ('{1,2}'::integer[]))", r"(i = ANY ('{1,2}'::integer[]))"),
    (r"x ~ '^a'", r"(x ~ '^a'::text)", r"(x ~ '^a'::text)"),
    (r"s + 1", r"(s + 1)", r"(s + 1)"),
    (r"b = 1", r"(b = 1)", r"(b = 1)"),
    (r"f = 1", r"(f = (1)::double precision)", r"(f = 1::double precision)"),
    (r"n > 1", r"(n > (1)::numeric)", r"(n > 1::numeric)"),
    (r"date_trunc('day', ts)", r"date_trunc('day'::text, ts)", r"date_trunc('day'::text, ts)"),
    (r"iv + interval '1 day'", r"(iv + '1 day'::interval)", r"(iv + '1 day'::interval)"),
    (r"'\x01'::bytea", r"'\x01'::bytea", r"'\x01'::bytea"),
    (r"null::int is null", r"(NULL::integer IS NULL)", r"(NULL::integer IS NULL)"),
    (r"true", r"true", r"true"),
    (
        r"upper(x) || lower(v) || 'z'",
        r"((upper(x) || lower((v)::text)) || 'z'::text)",
        r"((upper(x) || lower(v::text)) || 'z'::text)",
    ),
    (r"i * (b + 1) - 2", r"((i * (b + 1)) - 2)", r"(i * (b + 1) - 2)"),
    (r"(i - 1) - 2", r"((i - 1) - 2)", r"(i - 1 - 2)"),
    (r"i - (1 - 2)", r"(i - (1 - 2))", r"(i - (1 - 2))"),
    (r"left(x,2)", r#""left"(x, 2)"#, r#""left"(x, 2)"#),
    (r"round(n)", r"round(n)", r"round(n)"),
    (r"format('%s', i)", r"format('%s'::text, i)", r"format('%s'::text, i)"),
    (r"i % 2", r"(i % 2)", r"(i % 2)"),
    (r"i ^ 2", r"((i)::double precision ^ (2)::double precision)", r"(i::double precision ^ 2::double precision)"),
    (r"x ilike 'a'", r"(x ~~* 'a'::text)", r"(x ~~* 'a'::text)"),
    (r"x not like 'a'", r"(x !~~ 'a'::text)", r"(x !~~ 'a'::text)"),
    (r"length(x) > 0", r"(length(x) > 0)", r"(length(x) > 0)"),
    (r"md5(x)", r"md5(x)", r"md5(x)"),
    (r"bo is null", r"(bo IS NULL)", r"(bo IS NULL)"),
    (r"(i is null) = bo", r"((i IS NULL) = bo)", r"((i IS NULL) = bo)"),
];

/// With pgvector in the database, as texts are stored.
fn names() -> Names {
    Names::stored(system::tests::names().snapshot)
}

#[test]
fn prints_as_postgres_does() {
    let names = names();
    let columns: Vec<(String, SqlType)> = COLUMNS.iter().map(|(name, ty)| ((*name).to_owned(), *ty)).collect();
    let column_name = |at: usize| quote_ident(COLUMNS[at].0);
    let mut wrong = Vec::new();
    for (sql, plain, pretty) in CASES {
        let tree = parse_expr(sql).expect("the case parses");
        let bound = match bind_table_expr(&tree, &columns, None, &names, Place::Check) {
            Ok(bound) => Expr::IsNull { arg: Box::new(bound), negated: true },
            Err(error) => {
                wrong.push(format!("{sql}: {error}"));
                continue;
            }
        };
        let texts = (deparse(&bound, &column_name, &names), deparse_pretty(&bound, &column_name, &names));
        let wanted = (format!("({plain} IS NOT NULL)"), format!("{pretty} IS NOT NULL"));
        if texts.0 != wanted.0 {
            wrong.push(format!("{sql}\n  {}\n  {}", texts.0, wanted.0));
        }
        if texts.1 != wanted.1 {
            wrong.push(format!("{sql} pretty\n  {}\n  {}", texts.1, wanted.1));
        }
        // The text reads back as the same expression.
        let again = parse_expr(&texts.0).and_then(|tree| bind_table_expr(&tree, &columns, None, &names, Place::Check));
        match again {
            Ok(again) if deparse(&again, &column_name, &names) == texts.0 => {}
            Ok(again) => wrong.push(format!("{sql} read back as {}", deparse(&again, &column_name, &names))),
            Err(error) => wrong.push(format!("{sql} does not read back: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

//! The function library against PostgreSQL's answers, one call per line of `cases/*.txt`.
//!
//! A line is `name('literal'::type, ...) => answer`; rows of a set are joined by ` | `, an error is `ERROR state message`.

use crate::sql::eval::registry::{self, Body, Function};
use crate::sql::eval::row::invoke;
use crate::sql::eval::{ArgTypes, EvalContext, FnContext};
use crate::types::array::builtin_element;
use crate::types::{Datum, Oid, RecordValue, SqlType, io};

const TYPES: &str = include_str!("../../../catalog/data/pg_type.tsv");

fn type_named(name: &str) -> Oid {
    let row = TYPES.lines().skip(1).find(|line| line.split('\t').nth(1) == Some(name)).expect("a type of pg_type");
    Oid(row.split('\t').next().and_then(|oid| oid.parse().ok()).expect("an OID"))
}

/// The arguments in `'a'::t, null::u)`: literals and types.
fn arguments(mut rest: &str) -> Vec<(Option<String>, Oid)> {
    let mut found = Vec::new();
    while !rest.starts_with(')') {
        rest = rest.trim_start_matches([',', ' ']);
        let literal = if let Some(after) = rest.strip_prefix("null") {
            rest = after;
            None
        } else {
            let mut text = String::new();
            rest = rest.strip_prefix('\'').expect("a literal");
            loop {
                let at = rest.find('\'').expect("a closing quote");
                text.push_str(&rest[..at]);
                rest = &rest[at + 1..];
                let Some(after) = rest.strip_prefix('\'') else { break };
                text.push('\'');
                rest = after;
            }
            Some(text)
        };
        rest = rest.strip_prefix("::").expect("a type");
        let end = rest.find([',', ')']).expect("an end");
        found.push((literal, type_named(&rest[..end])));
        rest = &rest[end..];
    }
    found
}

fn fits(function: &Function, types: &[SqlType]) -> bool {
    let any = |declared: Oid| {
        matches!(
            declared,
            Oid::ANY | Oid::ANYELEMENT | Oid::ANYNONARRAY | Oid::ANYCOMPATIBLE | Oid::ANYCOMPATIBLENONARRAY
        )
    };
    let any_array = |declared: Oid| matches!(declared, Oid::ANYARRAY | Oid::ANYCOMPATIBLEARRAY);
    let variadic = function.args.last() == Some(&Oid::ANY);
    (function.args.len() == types.len() || (variadic && types.len() >= function.args.len()))
        && types.iter().enumerate().all(|(index, ty)| {
            let declared = function.args.get(index).or(function.args.last()).copied().unwrap_or(Oid::NONE);
            declared == ty.oid || any(declared) || (any_array(declared) && builtin_element(ty.oid).is_some())
        })
}

/// The result type with polymorphic types resolved by the arguments.
fn result_of(function: &Function, types: &[SqlType]) -> SqlType {
    let array = types.iter().find(|ty| builtin_element(ty.oid).is_some());
    SqlType::of(match (function.result, array) {
        (Oid::ANYARRAY | Oid::ANYCOMPATIBLEARRAY, Some(array)) if function.name != "array_fill" => array.oid,
        (Oid::ANYELEMENT | Oid::ANYCOMPATIBLE, Some(array)) => builtin_element(array.oid).expect("an array"),
        (Oid::ANYARRAY | Oid::ANYCOMPATIBLEARRAY, _) => array_of(types[0].oid),
        (declared, _) => declared,
    })
}

fn array_of(element: Oid) -> Oid {
    (0..20_000).map(Oid).find(|oid| builtin_element(*oid) == Some(element)).expect("an array type")
}

fn answer(call: &str) -> crate::error::Result<String> {
    let (name, rest) = call.split_once('(').expect("a call");
    let name = name.trim_matches('"');
    let ctx = EvalContext::detached();
    let arguments = arguments(rest);
    let types: Vec<SqlType> = arguments.iter().map(|(_, oid)| SqlType::of(*oid)).collect();
    let values = arguments
        .iter()
        .map(|(literal, oid)| match literal {
            None => Ok(Datum::Null),
            Some(text) => io::input(text, SqlType::of(*oid), &ctx.io()),
        })
        .collect::<crate::error::Result<Vec<_>>>()?;
    let candidates: Vec<_> = registry::all().filter(|f| f.name == name && fits(f, &types)).collect();
    let exact = candidates.iter().find(|f| f.args.iter().zip(&types).all(|(a, b)| *a == b.oid));
    let function = *exact.or(candidates.first()).unwrap_or_else(|| panic!("no function for {call}"));
    let result = result_of(function, &types);
    let show = |value: &Datum| match value {
        Datum::Null => Ok("NULL".to_owned()),
        value => io::to_text(value, result.oid, &ctx.io())
            .map(|text| text.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t")),
    };
    if let Body::Set(set) = function.body {
        if function.strict && values.iter().any(Datum::is_null) {
            return Ok("(no rows)".to_owned());
        }
        let call = FnContext { eval: &ctx, function, result, args: ArgTypes::Types(&types) };
        let mut rows = Vec::new();
        for row in set(&call, &values)?.into_stream() {
            let row = row?;
            match row.as_slice() {
                [value] => rows.push(show(value)?),
                _ => rows.push(show_row(row, &ctx)?),
            }
        }
        return Ok(if rows.is_empty() { "(no rows)".to_owned() } else { rows.join(" | ") });
    }
    show(&invoke(function, &values, result, ArgTypes::Types(&types), &ctx)?)
}

/// Several columns as PostgreSQL prints a row of them.
fn show_row(row: Vec<Datum>, ctx: &EvalContext) -> crate::error::Result<String> {
    let typed = row.into_iter().map(|value| match value {
        Datum::Jsonb(_) => (Oid::JSONB, value),
        value => (Oid::TEXT, value),
    });
    let record = RecordValue { type_oid: Oid::RECORD, fields: typed.collect(), names: None };
    io::to_text(&Datum::Record(record.into()), Oid::RECORD, &ctx.io()).map(|text| text.replace('\\', "\\\\"))
}

fn check(cases: &str) {
    let mut wrong = Vec::new();
    for line in cases.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (call, expected) = line.split_once(" => ").expect("a case has an answer");
        let found = answer(call).unwrap_or_else(|error| {
            format!("ERROR {} {}", error.sqlstate().as_str(), error.report().message.replace('\\', "\\\\"))
        });
        if found != expected {
            wrong.push(format!("{call}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn text_functions_answer_as_postgres() {
    check(include_str!("cases/text.txt"));
}

#[test]
fn regular_expressions_answer_as_postgres() {
    check(include_str!("cases/regex.txt"));
}

#[test]
fn bytea_functions_answer_as_postgres() {
    check(include_str!("cases/bytes.txt"));
}

#[test]
fn dates_and_times_answer_as_postgres() {
    check(include_str!("cases/datetime.txt"));
}

#[test]
fn system_functions_answer_as_postgres() {
    check(include_str!("cases/system.txt"));
}

#[test]
fn vectors_answer_as_pgvector() {
    check(include_str!("cases/vector.txt"));
}

#[test]
fn bit_strings_answer_as_postgres() {
    check(include_str!("cases/bit.txt"));
}

#[test]
fn arrays_answer_as_postgres() {
    check(include_str!("cases/array.txt"));
}

#[test]
fn json_answers_as_postgres() {
    check(include_str!("cases/json.txt"));
}

#[test]
fn number_templates_answer_as_postgres() {
    check(include_str!("cases/to_char_number.txt"));
}

#[test]
fn time_templates_answer_as_postgres() {
    check(include_str!("cases/to_char_datetime.txt"));
}

#[test]
fn money_answers_as_postgres() {
    check(include_str!("cases/money.txt"));
}

#[test]
fn json_paths_answer_as_postgres() {
    check(include_str!("cases/jsonpath.txt"));
}

#[test]
fn hashes_are_postgres_s() {
    check(include_str!("cases/hash.txt"));
}

#[test]
fn numbers_answer_as_postgres() {
    check(include_str!("cases/number.txt"));
}

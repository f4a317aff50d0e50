//! JSON cases answered by PostgreSQL.

use super::parse::check;
use super::{decode, encode, encode_key, input_jsonb};
use crate::error::Error;
use crate::types::Datum;

fn shown(error: &Error) -> String {
    let report = error.report();
    let detail = report.detail.clone().unwrap_or_default();
    let context = report.context.clone().unwrap_or_default();
    format!("{detail}|{}", context.strip_prefix("JSON data, line ").unwrap_or(&context))
}

#[test]
fn errors_are_postgres() {
    for (text, want) in [
        ("{\"a\":1", "The input string ended unexpectedly.|1: {\"a\":1"),
        ("{\"a\" 1}", "Expected \":\", but found \"1\".|1: {\"a\" 1..."),
        ("[1 2]", "Expected \",\" or \"]\", but found \"2\".|1: [1 2..."),
        ("abc", "Token \"abc\" is invalid.|1: abc"),
        ("", "The input string ended unexpectedly.|1: "),
        ("{a:1}", "Token \"a\" is invalid.|1: {a..."),
        ("{\"a\":1,}", "Expected string, but found \"}\".|1: {\"a\":1,}"),
        ("[1,]", "Expected JSON value, but found \"]\".|1: [1,]"),
        ("{\"a\":1} x", "Token \"x\" is invalid.|1: {\"a\":1} x"),
        ("\"\\u00zz\"", "\"\\u\" must be followed by four hexadecimal digits.|1: \"\\u00z..."),
        ("\"\\x\"", "Escape sequence \"\\x\" is invalid.|1: \"\\x..."),
        ("\"abc", "Token \"\"abc\" is invalid.|1: \"abc"),
        ("\"a\nb\"", "Character with value 0x0a must be escaped.|1: \"a"),
        ("01", "Token \"01\" is invalid.|1: 01"),
        ("-", "Token \"-\" is invalid.|1: -"),
        ("1.e", "Token \"1.e\" is invalid.|1: 1.e"),
        ("{\"a\":tru}", "Token \"tru\" is invalid.|1: {\"a\":tru..."),
    ] {
        assert_eq!(shown(&check(text).expect_err(text)), want, "{text}");
        assert_eq!(shown(&input_jsonb(text).expect_err(text)), want, "{text}");
    }
    for (text, want) in [
        ("\"\\u0000\"", "\\u0000 cannot be converted to text.|1: \"\\u0000..."),
        ("\"\\ud800\"", "Unicode low surrogate must follow a high surrogate.|1: \"\\ud800\""),
        ("\"\\udc00\"", "Unicode low surrogate must follow a high surrogate.|1: \"\\udc00..."),
        ("\"\\ud800\\ud800\"", "Unicode high surrogate must not follow a high surrogate.|1: \"\\ud800\\ud800..."),
    ] {
        assert_eq!(shown(&input_jsonb(text).expect_err(text)), want, "{text}");
        assert!(check(text).is_ok(), "json keeps escapes as written: {text}");
    }
}

fn jsonb(text: &str) -> super::JsonValue {
    match input_jsonb(text) {
        Ok(Datum::Jsonb(value)) => (*value).clone(),
        other => panic!("not jsonb: {other:?}"),
    }
}

#[test]
fn jsonb_prints_and_stores() {
    for (text, want) in [
        (
            "{\"b\":1,\"aa\":2,\"a\":{\"x\":1.00,\"y\":[true,null,\"q\\\"\\u00e9\\n\"]},\"b\":3}",
            "{\"a\": {\"x\": 1.00, \"y\": [true, null, \"q\\\"é\\n\"]}, \"b\": 3, \"aa\": 2}",
        ),
        ("1e5", "100000"),
        ("-0", "0"),
        ("1E-3", "0.001"),
        ("[[],{}]", "[[], {}]"),
        ("\"\\ud83d\\ude00\"", "\"😀\""),
    ] {
        let value = jsonb(text);
        assert_eq!(value.to_text(), want);
        let mut bytes = Vec::new();
        encode(&value, &mut bytes);
        assert_eq!(decode(&bytes).expect("decodes").to_text(), want);
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "a truncated value is corrupt");
        }
    }
}

#[test]
fn order_is_postgres() {
    let sorted = [
        "[]",
        "null",
        "\"a\"",
        "\"b\"",
        "1",
        "2",
        "false",
        "true",
        "[null]",
        "[\"a\"]",
        "[1]",
        "[[]]",
        "[{}]",
        "[1, 2]",
        "{}",
        "{\"a\": 1}",
        "{\"b\": 0}",
    ];
    let keys: Vec<Vec<u8>> = sorted
        .iter()
        .map(|text| {
            let mut key = Vec::new();
            encode_key(&jsonb(text), &mut key);
            key
        })
        .collect();
    assert!(keys.is_sorted(), "keys follow PostgreSQL's order");
}

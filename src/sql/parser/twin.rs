//! Another grammar as a twin: what sqlparser's PostgreSQL dialect reads among the recorded statements, our parser reads too.
//!
//! The other direction does not hold (its grammar refuses much of PostgreSQL's), and where PostgreSQL itself says syntax error,
//! the twin is merely lax.

use std::fs;
use std::path::{Path, PathBuf};

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser as Twin;

use super::parse;

/// Statements that the twin reads and we do not, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("SELECT id FROM User", "USER as a function in FROM"),
    (
        "select json_value('{\"a\": 1}', '$.a'), json_query('{\"a\": [1]}', '$.a'), json_exists('{\"a\": 1}', '$.a')",
        "the query functions of SQL/JSON",
    ),
    (
        "select json_object('a' value 1, 'b': 2), json_array(1, 2, null), json_arrayagg(x), json_objectagg(x value x + 1) \
         from generate_series(1, 2) x",
        "the constructors of SQL/JSON",
    ),
    ("select '{\"a\": 1}' is json, '[1]' is json array, '1' is json object, 'x' is json", "IS JSON"),
];

/// SQLSTATEs that PostgreSQL's grammar gives: the twin is not to be followed there.
const GRAMMAR_ERRORS: &[&str] = &["42601", "0A000"];

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("recorded statements") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            out.push(path);
        }
    }
}

/// The statements of a file whose recorded answer is not an error of the grammar.
fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(head) = lines.next() {
        let query = head.starts_with("query");
        if !query && !head.starts_with("statement") {
            continue;
        }
        let mut sql = Vec::new();
        while let Some(line) = lines.next_if(|line| *line != "----" && (query || !line.is_empty())) {
            sql.push(line);
        }
        let code = head.strip_prefix("statement error (").map(|code| code.trim_end_matches(')'));
        if !code.is_some_and(|code| GRAMMAR_ERRORS.contains(&code)) {
            found.push(sql.join("\n"));
        }
        // The recorded rows, which may look like anything.
        while query && lines.next().is_some_and(|line| !line.is_empty()) {}
    }
    found
}

#[test]
fn what_the_twin_reads_we_read() {
    let mut paths = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt"), &mut paths);
    paths.sort();
    let (mut all, mut accepted, mut refused) = (0, 0, Vec::new());
    for path in paths {
        for sql in statements(&fs::read_to_string(&path).expect("a recorded file")) {
            all += 1;
            if Twin::parse_sql(&PostgreSqlDialect {}, &sql).is_err() {
                continue;
            }
            accepted += 1;
            let listed = EXCEPTIONS.iter().any(|(statement, _)| *statement == sql);
            match parse(&sql) {
                Ok(_) => assert!(!listed, "no longer an exception: {sql}"),
                Err(_) if listed => {}
                Err(error) => refused.push(format!("{sql}\n    {}", error.report().message)),
            }
        }
    }
    assert!(all > 1_500 && accepted * 2 > all, "the twin read {accepted} of {all} statements");
    assert!(refused.is_empty(), "read by the twin alone:\n{}", refused.join("\n"));
}

//! Everything in SQL and in values that can hold itself, nested shallow, deep and beyond all limits: each gets an answer or
//! an error of PostgreSQL's, soon, and never takes the stack of the session down. The depths between are the dangerous ones:
//! what the parser still takes, the stages after it must take too.

use std::time::{Duration, Instant};

use crate::Target;
use crate::support::code;
use crate::support::wire::query;

const DEPTHS: [usize; 6] = [30, 250, 900, 3_000, 12_000, 60_000];
/// Longest that one statement may take, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest statement tried: some constructs are long words.
const BYTES_MAX: usize = 3 << 20;

/// A construct: name, what comes first, what opens each level, what is innermost, what closes each level, what comes last.
type Construct = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

/// Constructs of the grammar.
const GRAMMAR: &[Construct] = &[
    ("parentheses", "SELECT ", "(", "1", ")", ""),
    ("open parentheses", "SELECT ", "(", "", "", ""),
    ("rows", "SELECT ", "ROW(", "1", ")", " IS NULL"),
    ("bare rows", "SELECT ", "(1, ", "1", ")", " IS NULL"),
    ("arrays", "SELECT ", "ARRAY[", "1", "]", ""),
    ("brackets in arrays", "SELECT ARRAY", "[", "1", "]", ""),
    ("array subqueries", "SELECT ", "ARRAY(SELECT ", "1", ")", ""),
    ("calls", "SELECT ", "abs(", "1", ")", ""),
    ("variadic calls", "SELECT ", "concat('a', ", "'b'", ")", ""),
    ("coalesce", "SELECT ", "COALESCE(NULL, ", "1", ")", ""),
    ("greatest", "SELECT ", "GREATEST(1, ", "1", ")", ""),
    ("nullif", "SELECT ", "NULLIF(", "1", ", 2)", ""),
    ("case when", "SELECT ", "CASE WHEN true THEN ", "1", " END", ""),
    ("case in its condition", "SELECT ", "CASE WHEN ", "true", " THEN true END", ""),
    ("case else", "SELECT ", "CASE 1 WHEN 2 THEN 3 ELSE ", "1", " END", ""),
    ("case operand", "SELECT ", "CASE ", "1", " WHEN 1 THEN 1 END", ""),
    ("cast", "SELECT ", "CAST(", "1", " AS int)", ""),
    ("typed literal chain", "SELECT 1", "::int", "", "", ""),
    ("type brackets", "SELECT NULL::int", "[]", "", "", ""),
    ("type sizes", "SELECT NULL::int", "[3]", "", "", ""),
    ("type names", "SELECT NULL::a", ".a", "", "", ""),
    ("column names", "SELECT a", ".a", "", "", ""),
    ("fields", "SELECT (ROW(1))", ".a", "", "", ""),
    ("subscripts", "SELECT (ARRAY[1])", "[1]", "", "", ""),
    ("slices", "SELECT (ARRAY[1])", "[1:2]", "", "", ""),
    ("subscripts in subscripts", "SELECT (ARRAY[1])", "[(ARRAY[1])", "[1]", "]", ""),
    ("not", "SELECT ", "NOT ", "true", "", ""),
    ("minus", "SELECT ", "- ", "1", "", ""),
    ("plus", "SELECT ", "+ ", "1", "", ""),
    ("prefix operators", "SELECT ", "~ ", "1", "", ""),
    ("sums", "SELECT 1", " + 1", "", "", ""),
    ("powers", "SELECT 1", " ^ 1", "", "", ""),
    ("sums to the right", "SELECT ", "1 + (", "1", ")", ""),
    ("concatenation", "SELECT 'a'", " || 'a'", "", "", ""),
    ("conjunction", "SELECT true", " AND true", "", "", ""),
    ("disjunction", "SELECT false", " OR false", "", "", ""),
    ("alternation", "SELECT ", "true AND (false OR ", "true", ")", ""),
    ("is null", "SELECT 1", " IS NULL", "", "", ""),
    ("isnull", "SELECT 1", " ISNULL", "", "", ""),
    ("is true", "SELECT true", " IS NOT TRUE", "", "", ""),
    ("is distinct", "SELECT 1", " IS DISTINCT FROM 1", "", "", ""),
    ("collate", "SELECT 'a'", " COLLATE \"C\"", "", "", ""),
    ("at time zone", "SELECT now()", " AT TIME ZONE 'UTC'", "", "", ""),
    ("between", "SELECT 1 BETWEEN ", "(1 BETWEEN ", "1", " AND 1)::int", " AND 1"),
    ("in lists", "SELECT 1 IN (", "(1 IN (", "1", "))::int", ")"),
    ("in subqueries", "SELECT ", "1 IN (SELECT (", "1 = 1", ")::int)", ""),
    ("any", "SELECT ", "1 = ANY (ARRAY[(", "1 = 1", ")::int])", ""),
    ("like", "SELECT 'a'", " LIKE 'a'", "", "", ""),
    ("like in like", "SELECT ", "('a' LIKE ", "'a'", ")::text", ""),
    ("exists", "SELECT ", "EXISTS (SELECT ", "1", ")", ""),
    ("scalar subqueries", "SELECT ", "(SELECT ", "1", ")", ""),
    (
        "correlated subqueries",
        "SELECT x FROM (SELECT 1 x) t WHERE ",
        "EXISTS (SELECT 1 WHERE x = 1 AND ",
        "true",
        ")",
        "",
    ),
    ("where subqueries", "", "SELECT 1 WHERE 1 = (", "SELECT 1", ")", ""),
    ("derived tables", "", "SELECT * FROM (", "SELECT 1", ") z", ""),
    ("lateral", "SELECT 1 FROM (SELECT 1) a", ", LATERAL (SELECT 1) b", "", "", ""),
    ("joins in parentheses", "SELECT 1 FROM ", "(", "(SELECT 1) a CROSS JOIN (SELECT 1) b", ")", ""),
    ("joins before their conditions", "SELECT 1 FROM (SELECT 1) a", " JOIN (SELECT 1) b", "", " ON true", ""),
    ("calls that look like types", "SELECT ", "bit(", "1", ")", ""),
    ("subqueries in sums", "SELECT ", "((SELECT 1) + ", "1", ")", ""),
    ("sums of subqueries", "SELECT ", "(((SELECT ", "1", ") + 1))", ""),
    ("tables that begin with subqueries", "SELECT 1 FROM ", "((", "(SELECT 1) a", " CROSS JOIN (SELECT 1) b))", ""),
    (
        "joins to the right",
        "SELECT 1 FROM ",
        "(SELECT 1) a CROSS JOIN (",
        "(SELECT 1) b CROSS JOIN (SELECT 1) c",
        ")",
        "",
    ),
    ("union", "SELECT 1", " UNION ALL SELECT 1", "", "", ""),
    ("union to the right", "", "SELECT 1 UNION ALL (", "SELECT 1", ")", ""),
    ("intersect", "SELECT 1", " INTERSECT SELECT 1", "", "", ""),
    ("except", "", "(", "SELECT 1", " EXCEPT SELECT 2)", ""),
    ("query parentheses", "", "(", "SELECT 1", ")", ""),
    ("common tables within", "", "WITH a AS (", "SELECT 1", ") SELECT 1", ""),
    ("common tables in the body", "", "WITH a AS (SELECT 1) (", "SELECT 1", ")", ""),
    ("common tables in turn", "WITH a AS (SELECT 1)", ", a AS (SELECT 1)", "", "", " SELECT 1"),
    ("writing common tables", "", "WITH a AS (", "DELETE FROM nope RETURNING 1", ") SELECT 1", ""),
    ("values", "", "VALUES ((", "VALUES (1)", "))", ""),
    ("grouping sets", "SELECT 1 GROUP BY ", "GROUPING SETS (", "()", ")", ""),
    ("order", "SELECT 1 ORDER BY ", "(", "1", ")", ""),
    ("window", "SELECT count(*) OVER (ORDER BY ", "(", "1", ")", ")"),
    ("windows in windows", "SELECT ", "sum(", "1", ") OVER ()", ""),
    ("aggregates", "SELECT ", "sum(", "1", ")", ""),
    ("filter", "SELECT count(*) FILTER (WHERE ", "(", "true", ")", ")"),
    ("limit", "SELECT 1 LIMIT ", "(", "1", ")", ""),
    ("functions in FROM", "SELECT * FROM generate_series(1, ", "(", "1", ")", ")"),
    ("extract", "SELECT ", "EXTRACT(epoch FROM ", "now()", ")", ""),
    ("substring", "SELECT ", "SUBSTRING(", "'abc'", " FROM 1 FOR 2)", ""),
    ("trim", "SELECT ", "TRIM(BOTH 'x' FROM ", "'abc'", ")", ""),
    ("overlay", "SELECT ", "OVERLAY(", "'abc'", " PLACING 'b' FROM 1)", ""),
    ("comments", "SELECT ", "/*", "", "*/", "1"),
    ("open comments", "SELECT ", "/*", "", "", ""),
    ("strings on lines", "SELECT 'a'", "\n'a'", "", "", ""),
    ("statements", "SELECT 1", ";SELECT 1", "", "", ""),
    ("semicolons", "SELECT 1", ";", "", "", ""),
    ("explain", "", "EXPLAIN ", "SELECT 1", "", ""),
    ("prepare", "", "PREPARE p AS ", "SELECT 1", "", ""),
    ("copy", "COPY ", "(", "SELECT 1", ")", " TO STDOUT"),
    ("cursor", "DECLARE c CURSOR FOR ", "(", "SELECT 1", ")", ""),
    ("default", "CREATE TEMP TABLE deep_default (a int DEFAULT ", "(", "1", ")", ")"),
    ("default sums", "CREATE TEMP TABLE deep_sums (a int DEFAULT 1", " + 1", "", "", ")"),
    ("check", "CREATE TEMP TABLE deep_check (a int CHECK ", "(", "a > 1", ")", ")"),
    ("check chain", "CREATE TEMP TABLE deep_chain (a int CHECK (a > 1", " AND a > 1", "", "", "))"),
    ("view", "CREATE TEMP VIEW deep_view AS ", "(", "SELECT 1 AS a", ")", ""),
    ("view of sums", "CREATE TEMP VIEW deep_view_sums AS SELECT 1", " + 1", "", "", " AS a"),
    ("index", "CREATE INDEX ON nope (", "(", "a", ")", ")"),
    ("insert", "INSERT INTO nope VALUES (", "(", "1", ")", ")"),
    ("update", "UPDATE nope SET a = ", "(", "1", ")", ""),
    ("returning", "INSERT INTO nope VALUES (1) RETURNING ", "(", "1", ")", ""),
];

/// Constructs of values: they stand inside a string literal or are built by functions.
const VALUES: &[Construct] = &[
    ("json arrays", "SELECT '", "[", "", "]", "'::json"),
    ("jsonb arrays", "SELECT '", "[", "", "]", "'::jsonb"),
    ("jsonb objects", "SELECT '", "{\"a\":", "1", "}", "'::jsonb"),
    ("open json", "SELECT '", "{\"a\":[", "", "", "'::json"),
    ("jsonb compared", "SELECT '", "[", "", "]", "'::jsonb = '[]'"),
    ("jsonb paths", "SELECT '[]'::jsonb #> '{0", ",0", "", "", "}'"),
    ("jsonb set", "SELECT ", "jsonb_set('{}', '{a}', ", "'1'", ")", ""),
    ("jsonb built", "SELECT ", "jsonb_build_array(", "1", ")", ""),
    ("json rows", "SELECT to_jsonb(", "ROW(", "1", ")", ")"),
    ("stripped", "SELECT jsonb_strip_nulls('", "[", "", "]", "')"),
    ("pretty", "SELECT jsonb_pretty('", "[", "", "]", "')"),
    ("jsonpath parentheses", "SELECT '", "(", "1", ")", "'::jsonpath"),
    ("jsonpath filters", "SELECT '$", " ? (@", " > 1", " > 1)", "'::jsonpath"),
    ("jsonpath exists", "SELECT '$ ? (", "exists(@ ? (", "@ > 1", "))", ")'::jsonpath"),
    ("jsonpath not", "SELECT '$ ? (", "!(", "@ > 1", ")", ")'::jsonpath"),
    ("jsonpath minus", "SELECT '", "-", "1", "", "'::jsonpath"),
    ("jsonpath sums", "SELECT '1", " + 1", "", "", "'::jsonpath"),
    ("jsonpath and", "SELECT '$ ? (@ > 1", " && @ > 1", "", "", ")'::jsonpath"),
    ("jsonpath subscripts", "SELECT '$", "[$", "", "]", "'::jsonpath"),
    ("jsonpath steps", "SELECT '$", ".a", "", "", "'::jsonpath"),
    ("jsonpath wildcards", "SELECT jsonb_path_query('{\"a\": {\"a\": {\"a\": 1}}}', '$", ".*", "", "", "')"),
    ("array text", "SELECT '", "{", "", "}", "'::int[]"),
    ("array items", "SELECT '{1", ",1", "", "", "}'::int[]"),
    ("open array text", "SELECT '", "{", "", "", "'::text[]"),
    ("array bounds", "SELECT '", "[1:1]", "=", "", "{1}'::int[]"),
    ("record text", "SELECT '", "(", "1", ")", "'::pg_temp.deep_pair"),
    ("pattern groups", "SELECT 'a' ~ '", "(", "a", ")", "'"),
    ("pattern lookahead", "SELECT 'a' ~ '", "(?=", "a", ")", "'"),
    ("pattern repeats", "SELECT 'a' ~ 'a", "{1,9}", "", "", "'"),
    ("pattern repeats of groups", "SELECT 'a' ~ '", "(", "a", "){1,9}", "'"),
    ("pattern alternatives", "SELECT 'a' ~ 'a", "|a", "", "", "'"),
    ("pattern classes", "SELECT 'a' ~ '", "[[:", "", ":]]", "'"),
    ("similar to", "SELECT 'a' SIMILAR TO '", "(", "a", ")", "'"),
    ("like wildcards", "SELECT repeat('a', 200) LIKE '", "%a", "", "", "b'"),
    ("replacement", "SELECT regexp_replace('aaa', 'a', '", "\\&", "", "", "', 'g')"),
    ("format", "SELECT format('", "%s", "", "", "', 1)"),
    ("date format", "SELECT to_char(now(), '", "YYYY", "", "", "')"),
    ("number format", "SELECT to_char(1, '", "9", "", "", "')"),
    ("numbers", "SELECT 1", "0", "", "", ""),
    ("fractions", "SELECT 0.", "0", "1", "", ""),
    ("exponents", "SELECT 1e", "9", "", "", ""),
    ("vectors", "SELECT '[1", ",1", "", "", "]'::vector"),
    ("open vectors", "SELECT '", "[", "", "", "'::vector"),
    ("sparse vectors", "SELECT '{1:1", ",1:1", "", "", "}/9'::sparsevec"),
    ("bits", "SELECT B'1", "0", "", "", "'"),
    ("bytes", "SELECT '\\x", "00", "", "", "'::bytea"),
    ("intervals", "SELECT '1 day", " 1 day", "", "", "'::interval"),
    ("dates", "SELECT '2020-01-01", " 1", "", "", "'::timestamptz"),
    ("type names in text", "SELECT to_regtype('int", "[]", "", "", "')"),
    ("names in text", "SELECT to_regclass('a", ".a", "", "", "')"),
    ("search path", "SELECT set_config('search_path', 'a", ",a", "", "", "', true)"),
    ("keys in text", "SELECT json_extract_path('{}', 'a'", ", 'a'", "", "", ")"),
];

fn nested((_, first, open, inside, close, last): &Construct, depth: usize) -> String {
    format!("{first}{}{inside}{}{last}", open.repeat(depth), close.repeat(depth))
}

/// Tries all constructs at all depths.
fn try_all(target: &Target, constructs: &[Construct]) {
    let loud = std::env::var_os("OMENDB_TEST_LOG").is_some();
    let mut wrong = Vec::new();
    for construct in constructs {
        for depth in DEPTHS {
            let sql = nested(construct, depth);
            if sql.len() > BYTES_MAX {
                continue;
            }
            let name = construct.0;
            let mut raw = target.raw();
            let setup = "SET statement_timeout = '20s'; CREATE TYPE pg_temp.deep_pair AS (a int)";
            assert!(raw.shape(&query(setup)).ends_with('Z'));
            let start = Instant::now();
            let got = raw.shape(&query(&sql));
            let got = if got.len() > 60 { format!("{} ... {}", &got[..20], &got[got.len() - 20..]) } else { got };
            if loud {
                println!("{name} {depth}: {got} in {:?}", start.elapsed());
            }
            // An internal error is none of PostgreSQL's answers, and a timeout none to depend on.
            if !got.ends_with('Z') || got.contains("E:XX") || got.contains("E:57") || start.elapsed() > PATIENCE {
                wrong.push(format!("{name}, {depth} deep: {got} in {:?}", start.elapsed()));
            }
        }
        assert_eq!(code(target.connect().simple_query("SELECT 1")), "00000", "after {}", construct.0);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The grammar.
pub fn statements(target: &Target) {
    try_all(target, GRAMMAR);
}

/// Values.
pub fn values(target: &Target) {
    try_all(target, VALUES);
}

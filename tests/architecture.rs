//! The tidy test: floors, bans and sizes that the compiler does not check. It reads the sources as text and links
//! nothing. The rules are those of docs/ARCHITECTURE.md and docs/STYLE.md; exceptions stand in one list here, which may only shrink.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, in lines.
const FILE_LINES_MAX: usize = 900;
/// Longest function, in lines from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Height of each module; a module may use only lower ones, and siblings of its own folder's parent page.
/// Modules of the same height do not see each other.
const FLOORS: &[(&str, u32)] = &[
    ("error", 0),
    ("common", 10),
    ("config", 15),
    ("cache", 20),
    ("simd", 20),
    ("types", 30),
    ("storage", 40),
    ("index", 50),
    ("catalog", 60),
    ("txn", 65),
    ("table", 70),
    ("sql::ast", 80),
    ("sql::expr", 82),
    ("sql::logical", 82),
    ("sql::physical", 85),
    ("sql::eval", 90),
    ("sql::deparse", 95),
    ("sql::parser", 100),
    ("sql::binder", 100),
    ("sql::optimizer", 100),
    ("sql::planner", 100),
    ("sql::executor", 100),
    ("sql::walk", 83),
    ("sql::ddl", 105),
    ("pgwire", 110),
    ("session", 120),
    // Not in the server: the bodies of fuzz targets, which reach into the codecs of all floors below.
    ("fuzzing", 122),
    ("bench", 125),
    ("server", 130),
    ("main", 140),
];

/// Edges against the floors that are allowed, with the reason.
const EDGES_ALLOWED: &[(&str, &str, &str)] = &[
    ("sql::binder", "sql::parser", "the binder parses SQL text stored in the catalog: views, defaults, checks"),
    ("sql::expr", "sql::logical", "a subquery expression holds a plan and a plan holds expressions"),
    ("sql::logical", "sql::expr", "a subquery expression holds a plan and a plan holds expressions"),
];

struct Source {
    path: PathBuf,
    module: String,
    code: String,
    text: String,
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).expect("src can be read").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Source text with comments and the contents of string and character literals blanked, line structure kept.
fn strip(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < bytes.len() {
        let rest = &bytes[i..];
        if rest.starts_with(&['/', '/']) {
            while i < bytes.len() && bytes[i] != '\n' {
                i += 1;
            }
        } else if rest.starts_with(&['/', '*']) {
            i = skip_block_comment(&bytes, i, &mut out);
        } else if let Some(end) = raw_string_end(&bytes, i) {
            out.push_str("\"\"");
            out.extend(bytes[i..end].iter().filter(|c| **c == '\n'));
            i = end;
        } else if bytes[i] == '"' {
            out.push('"');
            i += 1;
            while i < bytes.len() && bytes[i] != '"' {
                if bytes[i] == '\\' {
                    i += 1;
                }
                if i < bytes.len() && bytes[i] == '\n' {
                    out.push('\n');
                }
                i += 1;
            }
            out.push('"');
            i += 1;
        } else if let Some(end) = char_end(&bytes, i) {
            out.push_str("' '");
            i = end;
        } else {
            out.push(bytes[i]);
            i += 1;
        }
    }
    out
}

fn skip_block_comment(bytes: &[char], mut i: usize, out: &mut String) -> usize {
    let mut depth = 0;
    while i < bytes.len() {
        if bytes[i..].starts_with(&['/', '*']) {
            depth += 1;
            i += 2;
        } else if bytes[i..].starts_with(&['*', '/']) {
            depth -= 1;
            i += 2;
            if depth == 0 {
                break;
            }
        } else {
            if bytes[i] == '\n' {
                out.push('\n');
            }
            i += 1;
        }
    }
    i
}

fn raw_string_end(bytes: &[char], start: usize) -> Option<usize> {
    let mut i = start;
    if i > 0 && (bytes[i - 1].is_alphanumeric() || bytes[i - 1] == '_') {
        return None;
    }
    if bytes[i] == 'b' {
        i += 1;
    }
    if bytes.get(i) != Some(&'r') {
        return None;
    }
    i += 1;
    let hashes = bytes[i..].iter().take_while(|c| **c == '#').count();
    i += hashes;
    if bytes.get(i) != Some(&'"') {
        return None;
    }
    i += 1;
    while i < bytes.len() {
        if bytes[i] == '"' && bytes[i + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(bytes.len())
}

fn char_end(bytes: &[char], i: usize) -> Option<usize> {
    if bytes[i] != '\'' {
        return None;
    }
    if bytes.get(i + 1) == Some(&'\\') {
        return bytes[i + 3..].iter().position(|c| *c == '\'').map(|p| i + 3 + p + 1);
    }
    (bytes.get(i + 2) == Some(&'\'')).then_some(i + 3)
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix("src").expect("under src");
    let parts: Vec<String> =
        relative.with_extension("").components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    match parts.as_slice() {
        [first, second, ..] if first == "sql" => format!("sql::{second}"),
        [first, ..] => first.clone(),
        [] => String::new(),
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(Path::new("src"), &mut paths);
    assert!(paths.len() > 10, "the sources were not found");
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source is text");
            Source { module: module_of(&path), code: strip(&text), text, path }
        })
        .collect()
}

/// The code before the inline tests.
fn production(code: &str) -> &str {
    code.split("#[cfg(test)]").next().expect("split has a first part")
}

fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("tests"))
        || path.components().any(|c| c.as_os_str() == "tests")
}

fn height(module: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, height)| *height)
}

/// Modules that the code names with `crate::`.
fn references(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let tail: String =
            code[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        let mut parts = tail.split("::").filter(|p| !p.is_empty());
        match (parts.next(), parts.next()) {
            (Some("sql"), Some(second)) => found.push(format!("sql::{second}")),
            (Some(first), _) => found.push(first.to_string()),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn imports_go_strictly_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        if source.module == "lib" || source.module == "sql::mod" || is_test_file(&source.path) {
            continue;
        }
        let Some(own) = height(&source.module) else {
            wrong.push(format!("{}: module `{}` has no floor", source.path.display(), source.module));
            continue;
        };
        for used in references(production(&source.code)) {
            if used == source.module || used == "error" || used == "bail" {
                continue;
            }
            let Some(other) = height(&used) else { continue };
            let allowed = EDGES_ALLOWED.iter().any(|(from, to, _)| *from == source.module && *to == used);
            if other >= own && !allowed {
                wrong.push(format!("{}: `{}` may not use `{used}`", source.path.display(), source.module));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dangerous_things_stay_where_they_belong() {
    let rules: &[(&str, &[&str])] = &[
        ("tokio::", &["src/server/", "src/main.rs"]),
        ("rocksdb::", &["src/storage/rocksdb", "src/storage/mod.rs"]),
        ("sqlparser::", &["src/sql/parser/"]),
        ("unsafe ", &["src/simd/"]),
        ("unsafe{", &["src/simd/"]),
        ("SystemTime::now", &["src/common/clock.rs"]),
        ("Instant::now", &["src/common/clock.rs", "src/bench/"]),
        ("getrandom::", &["src/common/rng.rs"]),
        ("todo!(", &[]),
        ("unimplemented!(", &[]),
        ("dbg!(", &[]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.to_string_lossy().into_owned();
        for (needle, homes) in rules {
            let code = production(&source.code);
            let hit = code
                .match_indices(needle)
                .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'));
            if hit && !is_test_file(&source.path) && !homes.iter().any(|home| path.starts_with(home)) {
                wrong.push(format!("{path}: `{needle}` is not for this place"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_blocks_say_why() {
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            if code.starts_with("//") || !(code.contains("unsafe {") || code.starts_with("unsafe impl")) {
                continue;
            }
            let near = &lines[number.saturating_sub(6)..=number];
            assert!(
                near.iter().any(|l| l.contains("SAFETY:")),
                "{}:{}: unsafe without a SAFETY comment",
                source.path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn files_are_documented_and_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            wrong.push(format!("{}: does not begin with //!", source.path.display()));
        }
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            wrong.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.path.display()));
        }
        if source.code.contains("use super::*") && !source.code.contains("#[cfg(test)]") && !is_test_file(&source.path)
        {
            wrong.push(format!("{}: glob import", source.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Functions over the limit, by `file::name`.
fn long_functions() -> BTreeMap<String, usize> {
    let mut long = BTreeMap::new();
    for source in sources() {
        if is_test_file(&source.path) {
            continue;
        }
        let code = production(&source.code);
        let lines: Vec<&str> = code.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let mut depth = 0_i64;
            let mut opened = false;
            for (offset, body) in lines[start..].iter().enumerate() {
                for c in body.chars() {
                    match c {
                        '{' => {
                            depth += 1;
                            opened = true;
                        }
                        '}' => depth -= 1,
                        ';' if !opened && depth == 0 => {
                            opened = true;
                        }
                        _ => {}
                    }
                }
                if opened && depth <= 0 {
                    if offset + 1 > FUNCTION_LINES_MAX {
                        long.insert(format!("{}::{name}", source.path.display()), offset + 1);
                    }
                    break;
                }
            }
        }
    }
    long
}

fn function_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let at = code.find("fn ")?;
    let before = &code[..at];
    let is_item = before.is_empty()
        || before.split_whitespace().all(|w| {
            matches!(w, "pub" | "const" | "async" | "unsafe" | "extern") || w.starts_with("pub(") || w.starts_with('"')
        });
    if !is_item {
        return None;
    }
    let name = &code[at + 3..];
    Some(&name[..name.find(|c: char| !(c.is_alphanumeric() || c == '_'))?])
}

#[test]
fn functions_are_short() {
    let listed = fs::read_to_string("tests/long_functions.txt").unwrap_or_default();
    let allowed: BTreeMap<&str, usize> = listed
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .map(|l| {
            let (name, lines) = l.rsplit_once(' ').expect("`name lines`");
            (name, lines.parse().expect("a number"))
        })
        .collect();
    let wrong: Vec<String> = long_functions()
        .into_iter()
        .filter(|(name, lines)| allowed.get(name.as_str()).is_none_or(|most| lines > most))
        .map(|(name, lines)| format!("{name} {lines}"))
        .collect();
    assert!(wrong.is_empty(), "functions over {FUNCTION_LINES_MAX} lines:\n{}", wrong.join("\n"));
}

//! Quoting names and strings the way PostgreSQL's `quote_ident` and `quote_literal` do.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Keywords that must be quoted as names: all but the unreserved ones.
static QUOTED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../sql/parser/keywords.tsv")
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, class)| !class.starts_with('U'))
        .map(|(word, _)| word)
        .collect()
});

/// A name, in double quotes when it needs them.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    let mut bytes = name.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !QUOTED.contains(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A string literal; backslashes make it an `E''` string.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::{quote_ident, quote_literal};

    #[test]
    fn quotes_only_what_needs_it() {
        for (name, quoted) in
            [("items", "items"), ("Items", "\"Items\""), ("select", "\"select\""), ("a\"b", "\"a\"\"b\""), ("", "\"\"")]
        {
            assert_eq!(quote_ident(name), quoted);
        }
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\b"), "E'a\\\\b'");
    }
}

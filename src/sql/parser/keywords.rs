//! PostgreSQL 18's key words and what each may be used as. Facts from `pg_get_keywords()`.

use std::collections::HashMap;
use std::sync::OnceLock;

/// How reserved a key word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// Usable as any name.
    Unreserved,
    /// Usable as a column or table name, not as a function or type name.
    ColumnName,
    /// Usable as a function or type name, not as a column or table name.
    TypeOrFunction,
    /// Not usable as a name.
    Reserved,
}

/// A key word's category and whether it may be a column label without AS.
pub fn lookup(word: &str) -> Option<(Category, bool)> {
    static WORDS: OnceLock<HashMap<&'static str, (Category, bool)>> = OnceLock::new();
    WORDS
        .get_or_init(|| {
            include_str!("keywords.tsv")
                .lines()
                .filter_map(|line| {
                    let mut parts = line.split('\t');
                    let word = parts.next()?;
                    let category = match parts.next()? {
                        "U" => Category::Unreserved,
                        "C" => Category::ColumnName,
                        "T" => Category::TypeOrFunction,
                        _ => Category::Reserved,
                    };
                    Some((word, (category, parts.next() == Some("t"))))
                })
                .collect()
        })
        .get(word)
        .copied()
}

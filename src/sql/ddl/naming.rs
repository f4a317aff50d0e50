//! Names that PostgreSQL makes up for constraints, indexes and sequences, cut and numbered by its rules.

use std::collections::HashSet;

use crate::catalog::Snapshot;
use crate::common::quote_ident;
use crate::types::Oid;

/// Longest name, bytes.
const NAME_BYTES_MAX: usize = 63;

/// The longest prefix of at most `limit` bytes that ends between characters.
fn clip(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A name as written in a statement, cut to what a name may hold.
pub(super) fn truncate(name: &str) -> &str {
    clip(name, NAME_BYTES_MAX)
}

/// `first_second_label`, the longer of the first two cut until the whole fits.
fn object_name(first: &str, second: Option<&str>, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(second.is_some());
    let available = NAME_BYTES_MAX - overhead;
    let (mut one, mut two) = (first.len(), second.map_or(0, str::len));
    while one + two > available {
        if one > two {
            one -= 1;
        } else {
            two -= 1;
        }
    }
    let first = clip(first, one);
    match second {
        Some(second) => format!("{first}_{}_{label}", clip(second, two)),
        None => format!("{first}_{label}"),
    }
}

/// The first of `label`, `label1`, `label2` ... whose name is free.
fn choose(first: &str, second: Option<&str>, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut pass = 0_u32;
    loop {
        let label = if pass == 0 { label.to_owned() } else { format!("{label}{pass}") };
        let name = object_name(first, second, &label);
        if !is_taken(&name) {
            return name;
        }
        pass += 1;
    }
}

/// Names of all constraints in a schema.
fn constraint_names(snapshot: &Snapshot, schema: Oid) -> HashSet<&str> {
    let tables = snapshot.objects.tables.values().filter(|table| table.schema == schema);
    tables.flat_map(|table| table.constraints.iter().map(|constraint| constraint.name.as_str())).collect()
}

/// A free name for a relation. `others` are taken as well.
pub(super) fn relation_name(
    snapshot: &Snapshot,
    schema: Oid,
    first: &str,
    second: Option<&str>,
    label: &str,
    others: &[String],
) -> String {
    choose(first, second, label, |name| {
        snapshot.relation_in(schema, name).is_some() || others.iter().any(|other| other == name)
    })
}

/// A free name for a constraint that is kept by an index: free as both.
pub(super) fn index_constraint_name(
    snapshot: &Snapshot,
    schema: Oid,
    first: &str,
    second: Option<&str>,
    label: &str,
    others: &[String],
) -> String {
    let constraints = constraint_names(snapshot, schema);
    choose(first, second, label, |name| {
        snapshot.relation_in(schema, name).is_some()
            || constraints.contains(name)
            || others.iter().any(|other| other == name)
    })
}

/// A free name for a CHECK or FOREIGN KEY constraint.
pub(super) fn constraint_name(
    snapshot: &Snapshot,
    schema: Oid,
    first: &str,
    second: Option<&str>,
    label: &str,
    others: &[String],
) -> String {
    let constraints = constraint_names(snapshot, schema);
    choose(first, second, label, |name| constraints.contains(name) || others.iter().any(|other| other == name))
}

/// The middle part of an index's or foreign key's name: the columns joined, no longer than a name.
pub(super) fn joined(columns: &[String]) -> String {
    let mut out = String::new();
    for column in columns {
        if !out.is_empty() {
            out.push('_');
        }
        out.push_str(clip(column, NAME_BYTES_MAX));
        if out.len() > NAME_BYTES_MAX {
            break;
        }
    }
    out
}

/// Column names of an index: each distinct, numbered when it would repeat.
pub(super) fn distinct(names: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for name in names {
        let mut candidate = name.clone();
        let mut number = 1_u32;
        while out.contains(&candidate) {
            let suffix = number.to_string();
            candidate = format!("{}{suffix}", clip(name, NAME_BYTES_MAX - suffix.len()));
            number += 1;
        }
        out.push(candidate);
    }
    out
}

/// A relation's name, qualified unless its schema is `public`: how stored expressions write it.
pub(super) fn stored_relation(snapshot: &Snapshot, schema: Oid, name: &str) -> String {
    match snapshot.schema_name(schema) {
        Some("public") | None => quote_ident(name),
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::{distinct, joined, object_name};

    #[test]
    fn long_names_are_cut_on_the_longer_side() {
        let long = "a".repeat(70);
        assert_eq!(object_name(&long, Some("id"), "seq"), format!("{}_id_seq", "a".repeat(56)));
        assert_eq!(object_name(&long, None, "pkey"), format!("{}_pkey", "a".repeat(58)));
        assert_eq!(object_name("t", Some("c"), "key"), "t_c_key");
        assert_eq!(joined(&["a".into(), "b".into()]), "a_b");
        assert_eq!(distinct(&["expr".into(), "expr".into()]), ["expr", "expr1"]);
    }
}

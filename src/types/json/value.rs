//! The tree of a `jsonb` value.

use crate::types::json::write_string;
use crate::types::numeric::Numeric;

/// A parsed JSON value; numbers are exact and keep their scale.
#[derive(Clone, Debug)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` and `false`.
    Bool(bool),
    /// A finite number.
    Number(Numeric),
    /// A string without zero characters.
    String(String),
    /// Elements in order.
    Array(Vec<JsonValue>),
    /// Members with unique keys, sorted by length and then by bytes: made by [`JsonValue::object`].
    Object(Vec<(String, JsonValue)>),
}

fn key_order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes()))
}

impl JsonValue {
    /// An object; of members with the same key the last one stays.
    #[must_use]
    pub fn object(mut members: Vec<(String, Self)>) -> Self {
        members.sort_by(|a, b| key_order(&a.0, &b.0));
        // The sort is stable, so the last of equals is the last that was written.
        members.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                std::mem::swap(&mut next.1, &mut kept.1);
            }
            same
        });
        Self::Object(members)
    }

    /// The member of an object; `None` for other values.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.binary_search_by(|member| key_order(&member.0, key)).ok().map(|index| &members[index].1)
    }

    /// The element of an array, negative indices counting from the end; `None` for other values.
    #[must_use]
    pub fn element(&self, index: i64) -> Option<&Self> {
        let Self::Array(items) = self else { return None };
        items.get(resolve_index(index, items.len())?)
    }

    /// Whether this is an array or an object.
    #[must_use]
    pub fn is_container(&self) -> bool {
        matches!(self, Self::Array(_) | Self::Object(_))
    }

    /// What `jsonb_typeof` says.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Inserts or replaces a member of an object's sorted members.
    pub fn insert_member(members: &mut Vec<(String, Self)>, key: &str, value: Self) {
        match members.binary_search_by(|member| key_order(&member.0, key)) {
            Ok(index) => members[index].1 = value,
            Err(index) => members.insert(index, (key.to_owned(), value)),
        }
    }

    /// The place of a key among an object's sorted members.
    #[must_use]
    pub fn find_member(members: &[(String, Self)], key: &str) -> Option<usize> {
        members.binary_search_by(|member| key_order(&member.0, key)).ok()
    }

    /// Appends the text form, with PostgreSQL's blanks.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    write_string(key, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
            scalar => scalar.write_scalar(out),
        }
    }

    fn write_scalar(&self, out: &mut String) {
        match self {
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => value.output(out),
            Self::String(value) => write_string(value, out),
            _ => out.push_str("null"),
        }
    }

    /// Appends the text form over several lines, four blanks per level: `jsonb_pretty`.
    pub fn write_pretty(&self, level: usize, out: &mut String) {
        fn line(level: usize, out: &mut String) {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', 4 * level));
        }
        let (open, close) = if matches!(self, Self::Array(_)) { ('[', ']') } else { ('{', '}') };
        match self {
            Self::Array(items) => {
                out.push(open);
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    line(level + 1, out);
                    item.write_pretty(level + 1, out);
                }
            }
            Self::Object(members) => {
                out.push(open);
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    line(level + 1, out);
                    write_string(key, out);
                    out.push_str(": ");
                    value.write_pretty(level + 1, out);
                }
            }
            scalar => return scalar.write_scalar(out),
        }
        line(level, out);
        out.push(close);
    }

    /// The text form.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

/// A subscript that counts from the end when negative; `None` when it is outside.
#[must_use]
pub fn resolve_index(index: i64, length: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(length).ok()?)? } else { index };
    usize::try_from(index).ok().filter(|index| *index < length)
}

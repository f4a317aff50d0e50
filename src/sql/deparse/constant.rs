//! Constants: bare where SQL reads them back as the same type, quoted with a label elsewhere.

use crate::catalog::Names;
use crate::types::io::{self, FormatSettings, IoContext};
use crate::types::{Datum, Oid, SqlType};

/// A string in quotes, backslashes as they are: `standard_conforming_strings` is always on.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A constant. `labelled` is false where a cast around it says the type already.
pub(super) fn constant(value: &Datum, ty: SqlType, labelled: bool, names: &Names) -> String {
    let label = |text: String| if labelled { format!("{text}::{}", names.type_text(ty)) } else { text };
    if value.is_null() {
        return if ty.oid == Oid::UNKNOWN { "NULL".to_owned() } else { label("NULL".to_owned()) };
    }
    let settings = FormatSettings::default();
    let context = IoContext { format: &settings, now_micros: 0, lookup: names };
    let text = io::to_text(value, ty.oid, &context).expect("a constant was read from text, so it has one");
    match ty.oid {
        Oid::BOOL => if text == "t" { "true" } else { "false" }.to_owned(),
        Oid::INT4 if !text.starts_with('-') => text,
        Oid::NUMERIC if is_fractional(&text) => {
            if ty.typmod >= 0 {
                label(text)
            } else {
                text
            }
        }
        Oid::UNKNOWN => quote(&text),
        _ => label(quote(&text)),
    }
}

/// Whether SQL reads the bare text as numeric rather than integer.
fn is_fractional(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', 'e', 'E'])
}

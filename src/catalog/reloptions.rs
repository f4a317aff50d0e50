//! The `WITH (...)` options of indexes: which a method has, what their values may be, and how they are read.
//!
//! A descriptor keeps options as the texts that were written, because `pg_class.reloptions` shows them so (`m=4.5` stays
//! `4.5` and means 4). [`check`] is asked before they are stored; afterwards the readers here always find a value.
//! Order of checks and words follow PostgreSQL 18 (access/common/reloptions.c).

use crate::bail;
use crate::catalog::vector_index::{HNSW, IVFFLAT};
use crate::common::number::{int_option, real_option};
use crate::error::Result;
use crate::types::{Oid, boolean};

/// Options as written: names in lower case unless quoted, values as text.
pub type Options = [(String, String)];

/// An option of an access method.
struct Reloption {
    name: &'static str,
    values: Values,
}

/// What an option's value may be.
enum Values {
    Bool,
    /// Bounds, both included.
    Int(i32, i32),
    /// Bounds, both included.
    Real(f64, f64),
    /// Words, in any case.
    Enum(&'static [&'static str]),
}

/// pgvector's bounds and defaults of `m`: links of a node.
pub const M: (i32, i32, i32) = (2, 100, 16);
/// Bounds and default of `ef_construction`: candidates considered while inserting.
pub const EF_CONSTRUCTION: (i32, i32, i32) = (4, 1000, 64);
/// Bounds and default of `lists`.
pub const LISTS: (i32, i32, i32) = (1, 32_768, 100);
/// Values of `quantization`, the default first.
pub const QUANTIZATION: &[&str] = &["auto", "none", "int8", "rabitq1", "rabitq2", "rabitq4"];
/// Values of `memory`, the default first.
pub const MEMORY: &[&str] = &["auto", "fast", "budget"];

const FILLFACTOR: Reloption = Reloption { name: "fillfactor", values: Values::Int(10, 100) };
const QUANTIZATION_OPTION: Reloption = Reloption { name: "quantization", values: Values::Enum(QUANTIZATION) };
const MEMORY_OPTION: Reloption = Reloption { name: "memory", values: Values::Enum(MEMORY) };

const BTREE_OPTIONS: &[Reloption] = &[
    FILLFACTOR,
    Reloption { name: "vacuum_cleanup_index_scale_factor", values: Values::Real(0.0, 1e10) },
    Reloption { name: "deduplicate_items", values: Values::Bool },
];
const HASH_OPTIONS: &[Reloption] = &[FILLFACTOR];
const HNSW_OPTIONS: &[Reloption] = &[
    Reloption { name: "m", values: Values::Int(M.0, M.1) },
    Reloption { name: "ef_construction", values: Values::Int(EF_CONSTRUCTION.0, EF_CONSTRUCTION.1) },
    QUANTIZATION_OPTION,
    MEMORY_OPTION,
];
const IVFFLAT_OPTIONS: &[Reloption] =
    &[Reloption { name: "lists", values: Values::Int(LISTS.0, LISTS.1) }, QUANTIZATION_OPTION, MEMORY_OPTION];

fn known(method: Oid) -> &'static [Reloption] {
    match method {
        Oid(403) => BTREE_OPTIONS,
        Oid(405) => HASH_OPTIONS,
        HNSW => HNSW_OPTIONS,
        IVFFLAT => IVFFLAT_OPTIONS,
        _ => &[],
    }
}

/// Refuses options that an index of a method cannot have.
///
/// # Errors
/// `22023` with PostgreSQL's words for an unknown name or namespace, one given twice, a value of another type or out of
/// bounds.
pub fn check(method: Oid, options: &Options) -> Result<()> {
    if let Some((namespace, _)) = options.iter().find_map(|(name, _)| name.split_once('.')) {
        bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter namespace \"{namespace}\"");
    }
    for (at, (name, value)) in options.iter().enumerate() {
        let Some(option) = known(method).iter().find(|option| option.name == name) else {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{name}\"")
        };
        if options[..at].iter().any(|(before, _)| before == name) {
            bail!(INVALID_PARAMETER_VALUE, "parameter \"{name}\" specified more than once");
        }
        option.check(value)?;
    }
    Ok(())
}

impl Reloption {
    fn check(&self, text: &str) -> Result<()> {
        let (kind, detail) = match &self.values {
            Values::Bool if boolean::parse(&text.to_ascii_lowercase()).is_some() => return Ok(()),
            Values::Bool => ("boolean", None),
            Values::Int(min, max) => match int_option(text) {
                Some(value) if (*min..=*max).contains(&value) => return Ok(()),
                Some(_) => return Err(self.out_of_bounds(text, min, max)),
                None => ("integer", None),
            },
            Values::Real(min, max) => match real_option(text) {
                Some(value) if (*min..=*max).contains(&value) => return Ok(()),
                Some(_) => return Err(self.out_of_bounds(text, &format!("{min:.6}"), &format!("{max:.6}"))),
                None => ("floating point", None),
            },
            Values::Enum(words) if words.iter().any(|word| word.eq_ignore_ascii_case(text)) => return Ok(()),
            Values::Enum(words) => ("enum", Some(enumeration(words))),
        };
        let error = crate::error!(INVALID_PARAMETER_VALUE, "invalid value for {kind} option \"{}\": {text}", self.name);
        Err(match detail {
            Some(words) => error.detail(format!("Valid values are {words}.")),
            None => error,
        })
    }

    fn out_of_bounds(
        &self,
        text: &str,
        min: &dyn std::fmt::Display,
        max: &dyn std::fmt::Display,
    ) -> crate::error::Error {
        crate::error!(INVALID_PARAMETER_VALUE, "value {text} out of bounds for option \"{}\"", self.name)
            .detail(format!("Valid values are between \"{min}\" and \"{max}\"."))
    }
}

/// `"a", "b", and "c"`.
fn enumeration(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let (last, others) = quoted.split_last().expect("an enum has values");
    format!("{}, and {last}", others.join(", "))
}

/// The text of an option, when it was given.
#[must_use]
pub fn text<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    options.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// An integer option that [`check`] let pass; `bounds` are least, greatest and default.
#[must_use]
pub fn int(options: &Options, name: &str, bounds: (i32, i32, i32)) -> u32 {
    let value = text(options, name).and_then(int_option).unwrap_or(bounds.2);
    value.clamp(bounds.0, bounds.1).unsigned_abs()
}

/// The place in `words` of an enum option's value; 0 is the default.
#[must_use]
pub fn word(options: &Options, name: &str, words: &[&str]) -> usize {
    text(options, name).and_then(|value| words.iter().position(|word| word.eq_ignore_ascii_case(value))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(options: &[(&str, &str)]) -> Vec<(String, String)> {
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn bad_options_are_refused_with_postgresqls_words() {
        let between = |min: &str, max: &str| format!("Valid values are between \"{min}\" and \"{max}\".");
        let words = "Valid values are \"auto\", \"fast\", and \"budget\".".to_owned();
        for (method, options, message, detail) in [
            (HNSW, list(&[("m", "1")]), "value 1 out of bounds for option \"m\"", Some(between("2", "100"))),
            (HNSW, list(&[("m", "abc")]), "invalid value for integer option \"m\": abc", None),
            (HNSW, list(&[("nope", "1")]), "unrecognized parameter \"nope\"", None),
            (HNSW, list(&[("m", "1"), ("toast.m", "1")]), "unrecognized parameter namespace \"toast\"", None),
            (HNSW, list(&[("m", "9"), ("m", "x")]), "parameter \"m\" specified more than once", None),
            (HNSW, list(&[("memory", "x")]), "invalid value for enum option \"memory\": x", Some(words)),
            (HNSW, list(&[("lists", "1")]), "unrecognized parameter \"lists\"", None),
            (
                IVFFLAT,
                list(&[("lists", "0")]),
                "value 0 out of bounds for option \"lists\"",
                Some(between("1", "32768")),
            ),
            (
                Oid(403),
                list(&[("deduplicate_items", "maybe")]),
                "invalid value for boolean option \"deduplicate_items\": maybe",
                None,
            ),
            (
                Oid(403),
                list(&[("vacuum_cleanup_index_scale_factor", "-1")]),
                "value -1 out of bounds for option \"vacuum_cleanup_index_scale_factor\"",
                Some(between("0.000000", "10000000000.000000")),
            ),
            (Oid(405), list(&[("deduplicate_items", "on")]), "unrecognized parameter \"deduplicate_items\"", None),
        ] {
            let error = check(method, &options).expect_err(message);
            assert_eq!(error.report().message, message);
            assert_eq!(error.report().detail, detail, "{message}");
            assert_eq!(error.sqlstate().as_str(), "22023");
        }
    }

    #[test]
    fn options_are_read_as_they_were_checked() {
        let options = list(&[("m", "4.5"), ("memory", "Budget")]);
        check(HNSW, &options).expect("fine");
        assert_eq!(int(&options, "m", M), 4);
        assert_eq!(int(&options, "ef_construction", EF_CONSTRUCTION), 64);
        assert_eq!(word(&options, "memory", MEMORY), 2);
        assert_eq!(word(&options, "quantization", QUANTIZATION), 0);
    }
}

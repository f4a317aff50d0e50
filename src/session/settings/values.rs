//! Values of settings: reading them with their units, printing them, PostgreSQL's messages for bad ones.
//!
//! Numbers are kept in the setting's base unit. A fraction in a larger unit is rounded to the next smaller unit first and
//! then to the base unit, as in PostgreSQL's `guc.c`, so `1.5MB` of `work_mem` is 1536 kB.

use std::fmt::Write;

use super::registry::{Definition, Kind};
use crate::common::number::leading_number;
use crate::error::{Error, Result};
use crate::types::{boolean, float};
use crate::{bail, error};

/// The value of a setting, in its base unit.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// on or off.
    Bool(bool),
    /// A number of base units, within 32 bits.
    Int(i64),
    /// A number of base units.
    Real(f64),
    /// Text, or the label of an enum in the case it is declared with.
    Text(std::sync::Arc<str>),
}

/// The base unit of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    None,
    /// Bytes per base unit.
    Bytes(u32),
    /// Microseconds per base unit.
    Micros(u32),
}

/// Names and sizes, largest first: bytes, or microseconds.
const MEMORY: &[(&str, f64)] =
    &[("TB", 1_099_511_627_776.0), ("GB", 1_073_741_824.0), ("MB", 1_048_576.0), ("kB", 1024.0), ("B", 1.0)];
const TIME: &[(&str, f64)] = &[("d", 86_400e6), ("h", 3_600e6), ("min", 60e6), ("s", 1e6), ("ms", 1e3), ("us", 1.0)];

impl Unit {
    /// The unit of `pg_settings.unit`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "B" => Self::Bytes(1),
            "kB" => Self::Bytes(1024),
            "8kB" => Self::Bytes(8192),
            "MB" => Self::Bytes(1_048_576),
            "ms" => Self::Micros(1_000),
            "s" => Self::Micros(1_000_000),
            "min" => Self::Micros(60_000_000),
            _ => Self::None,
        }
    }

    /// Larger and smaller units with their size in base units, largest first.
    fn table(self) -> impl Iterator<Item = (&'static str, f64)> {
        let (table, base): (&[(&str, f64)], f64) = match self {
            Self::None => (&[], 1.0),
            Self::Bytes(bytes) => (MEMORY, f64::from(bytes)),
            Self::Micros(micros) => (TIME, f64::from(micros)),
        };
        table.iter().map(move |(name, size)| (*name, size / base))
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Bytes(_) => "Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".",
            _ => "Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".",
        }
    }

    /// A number of `unit` as a number of base units; `None` for an unknown unit.
    fn convert(self, value: f64, unit: &str) -> Option<f64> {
        let mut rest = self.table().skip_while(|(name, _)| *name != unit);
        let (_, size) = rest.next()?;
        let scaled = value * size;
        // A fraction is rounded to a whole number of the next smaller unit.
        Some(match rest.next() {
            Some((_, smaller)) if smaller > 0.0 => (scaled / smaller).round_ties_even() * smaller,
            _ => scaled,
        })
    }
}

fn invalid(name: &str, text: &str) -> Error {
    error!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": \"{text}\"")
}

/// Reads a value of a setting.
///
/// # Errors
/// `22023` with PostgreSQL's words.
pub fn parse(definition: &Definition, text: &str) -> Result<Value> {
    let name = definition.name;
    Ok(match &definition.kind {
        Kind::Bool => match boolean::parse(&text.to_ascii_lowercase()) {
            Some(value) => Value::Bool(value),
            None => bail!(INVALID_PARAMETER_VALUE, "parameter \"{name}\" requires a Boolean value"),
        },
        Kind::Int { min, max, unit } => {
            let value = number(name, text, *unit)?.round_ties_even();
            if value > f64::from(i32::MAX) || value < f64::from(i32::MIN) {
                return Err(invalid(name, text).hint("Value exceeds integer range."));
            }
            let value = value as i64;
            if value < *min || value > *max {
                let unit = suffix(definition);
                bail!(
                    INVALID_PARAMETER_VALUE,
                    "{value}{unit} is outside the valid range for parameter \"{name}\" ({min}{unit} .. {max}{unit})"
                );
            }
            Value::Int(value)
        }
        Kind::Real { min, max, unit } => {
            let value = number(name, text, *unit)?;
            if !value.is_finite() {
                return Err(invalid(name, text));
            }
            if value < *min || value > *max {
                let unit = suffix(definition);
                let [value, min, max] = [value, *min, *max].map(general);
                bail!(
                    INVALID_PARAMETER_VALUE,
                    "{value}{unit} is outside the valid range for parameter \"{name}\" ({min}{unit} .. {max}{unit})"
                );
            }
            Value::Real(value)
        }
        Kind::Enum(labels) => match enum_label(labels, text) {
            Some(label) => Value::Text(label.into()),
            None => {
                let hint = format!("Available values: {}.", labels.join(", "));
                return Err(invalid(name, text).hint(hint));
            }
        },
        Kind::Text => Value::Text(text.into()),
    })
}

fn suffix(definition: &Definition) -> String {
    definition.unit_name.map(|unit| format!(" {unit}")).unwrap_or_default()
}

/// The declared label that a word means: itself in any case, or one of the spellings that PostgreSQL hides. Those of booleans count
/// where a setting can be both on and off; `hnsw.iterative_scan` can be off only.
fn enum_label(labels: &[&'static str], text: &str) -> Option<&'static str> {
    let find = |word: &str| labels.iter().copied().find(|label| label.eq_ignore_ascii_case(word));
    find(text).or_else(|| match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => find("on"),
        "false" | "no" | "0" => find("on").and(find("off")),
        "debug" => find("debug2"),
        _ => None,
    })
}

/// A number with an optional unit, in base units.
fn number(name: &str, text: &str, unit: Unit) -> Result<f64> {
    let trimmed = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let (value, rest) = leading_number(trimmed).ok_or_else(|| invalid(name, text))?;
    let rest = rest.trim_matches(|c: char| c.is_ascii_whitespace());
    if rest.is_empty() {
        return Ok(value);
    }
    if unit == Unit::None {
        return Err(invalid(name, text));
    }
    unit.convert(value, rest).ok_or_else(|| invalid(name, text).hint(unit.hint()))
}

/// C's `%g`.
fn general(value: f64) -> String {
    let mut out = String::new();
    if value == 0.0 {
        return "0".to_owned();
    }
    if value < 0.0 {
        out.push('-');
    }
    float::write_general(value.abs(), 6, &mut out);
    out
}

/// The value as `pg_settings.setting` has it: in base units, without a unit.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::Bool(value) => if *value { "on" } else { "off" }.to_owned(),
        Value::Int(value) => value.to_string(),
        Value::Real(value) => general(*value),
        Value::Text(text) => text.to_string(),
    }
}

/// The value as `SHOW` prints it: in the largest unit that is exact.
#[must_use]
pub fn show(definition: &Definition, value: &Value) -> String {
    match (value, &definition.kind) {
        (Value::Int(number), Kind::Int { unit, .. }) if *number > 0 && *unit != Unit::None => {
            let number = *number as f64;
            let (name, size) = unit
                .table()
                .find(|(_, size)| *size <= 1.0 || number % size == 0.0)
                .expect("the smallest unit fits every number");
            format!("{}{name}", (number / size).round_ties_even() as i64)
        }
        (Value::Real(number), Kind::Real { unit, .. }) if *number > 0.0 && *unit != Unit::None => {
            let exact = |size: f64| ((number / size).round_ties_even() / (number / size) - 1.0).abs() <= 1e-8;
            let (name, size) = unit
                .table()
                .find(|(_, size)| exact(*size))
                .or_else(|| unit.table().last())
                .expect("units have a table");
            let mut out = general(number / size);
            let _ = write!(out, "{name}");
            out
        }
        _ => plain(value),
    }
}

//! The item methods of `jsonpath`: `.type()`, `.size()`, `.double()` and the like.

use crate::error::{Error, Result, SqlState};
use crate::types::json::JsonValue;
use crate::types::numeric::{self, Numeric};
use crate::types::{boolean, float};

const ARRAY_NOT_FOUND: SqlState = SqlState::new("22039");
const OBJECT_NOT_FOUND: SqlState = SqlState::new("2203C");
const NON_NUMERIC: SqlState = SqlState::new("22036");

fn only(name: &str, wanted: &str) -> Error {
    Error::new(NON_NUMERIC, format!("jsonpath item method .{name}() can only be applied to {wanted}"))
}

fn invalid(name: &str, text: &str, target: &str) -> Error {
    Error::new(
        NON_NUMERIC,
        format!("argument \"{text}\" of jsonpath item method .{name}() is invalid for type {target}"),
    )
}

/// The items that a method yields for one item; `args` are its numbers.
///
/// # Errors
/// When the method is not for such an item.
pub(super) fn method(name: &str, value: &JsonValue, args: &[JsonValue], strict: bool) -> Result<Vec<JsonValue>> {
    let one = match name {
        "type" => JsonValue::String(value.type_name().to_owned()),
        "size" => match value {
            JsonValue::Array(items) => JsonValue::Number(Numeric::from_i64(items.len() as i64)),
            _ if strict => {
                let message = "jsonpath item method .size() can only be applied to an array";
                return Err(Error::new(ARRAY_NOT_FOUND, message));
            }
            _ => JsonValue::Number(Numeric::from_i64(1)),
        },
        "keyvalue" => return key_values(value),
        "abs" => JsonValue::Number(number(name, value)?.absolute()),
        "floor" => JsonValue::Number(number(name, value)?.floor()),
        "ceiling" => JsonValue::Number(number(name, value)?.ceil()),
        "double" => double(value)?,
        "integer" => whole::<i32>(name, value, "integer")?,
        "bigint" => whole::<i64>(name, value, "bigint")?,
        "number" | "decimal" => decimal(name, value, args)?,
        "boolean" => JsonValue::Bool(truth(name, value)?),
        "string" => match value {
            JsonValue::String(_) => value.clone(),
            JsonValue::Number(_) | JsonValue::Bool(_) => JsonValue::String(value.to_text()),
            _ => return Err(only(name, "a boolean, string, numeric, or datetime value")),
        },
        _ => return Err(Error::unsupported(format!("jsonpath item method .{name}()"))),
    };
    Ok(vec![one])
}

fn number<'a>(name: &str, value: &'a JsonValue) -> Result<&'a Numeric> {
    match value {
        JsonValue::Number(number) => Ok(number),
        _ => Err(only(name, "a numeric value")),
    }
}

fn key_values(value: &JsonValue) -> Result<Vec<JsonValue>> {
    let JsonValue::Object(members) = value else {
        let message = "jsonpath item method .keyvalue() can only be applied to an object";
        return Err(Error::new(OBJECT_NOT_FOUND, message));
    };
    let pair = |(key, value): &(String, JsonValue)| {
        JsonValue::object(vec![
            ("id".to_owned(), JsonValue::Number(Numeric::zero())),
            ("key".to_owned(), JsonValue::String(key.clone())),
            ("value".to_owned(), value.clone()),
        ])
    };
    Ok(members.iter().map(pair).collect())
}

fn double(value: &JsonValue) -> Result<JsonValue> {
    let text = match value {
        JsonValue::Number(_) => value.to_text(),
        JsonValue::String(text) => text.clone(),
        _ => return Err(only("double", "a string or numeric value")),
    };
    let float = float::input_f64(&text).map_err(|_| invalid("double", &text, "double precision"))?;
    if !float.is_finite() {
        return Err(Error::new(NON_NUMERIC, "NaN or Infinity is not allowed for jsonpath item method .double()"));
    }
    Ok(match value {
        JsonValue::Number(_) => value.clone(),
        _ => JsonValue::Number(Numeric::from_f64(float)),
    })
}

fn whole<T: TryFrom<i128> + std::str::FromStr>(name: &str, value: &JsonValue, target: &str) -> Result<JsonValue> {
    let (parsed, text) = match value {
        JsonValue::Number(number) => (Ok(number.clone()), value.to_text()),
        JsonValue::String(text) if text.trim().parse::<T>().is_ok() => (numeric::input(text), text.clone()),
        JsonValue::String(text) => return Err(invalid(name, text, target)),
        _ => return Err(only(name, "a string or numeric value")),
    };
    let rounded = parsed.map(|number| number.round(0)).map_err(|_| invalid(name, &text, target))?;
    rounded.to_integer::<T>(target).map_err(|_| invalid(name, &text, target))?;
    Ok(JsonValue::Number(rounded))
}

/// `.number()` and `.decimal(precision, scale)`.
fn decimal(name: &str, value: &JsonValue, args: &[JsonValue]) -> Result<JsonValue> {
    let (parsed, text) = match value {
        JsonValue::Number(number) => (Ok(number.clone()), value.to_text()),
        JsonValue::String(text) => (numeric::input(text), text.clone()),
        _ => return Err(only(name, "a string or numeric value")),
    };
    let mut number = parsed.map_err(|_| invalid(name, &text, "numeric"))?;
    if !number.is_finite() {
        let message = format!("NaN or Infinity is not allowed for jsonpath item method .{name}()");
        return Err(Error::new(NON_NUMERIC, message));
    }
    let mut limits = Vec::new();
    for arg in args {
        match arg {
            JsonValue::Number(limit) => limits.push(limit.to_integer::<i32>("integer")?.to_string()),
            _ => return Err(only(name, "a string or numeric value")),
        }
    }
    if !limits.is_empty() {
        let modifiers: Vec<&str> = limits.iter().map(String::as_str).collect();
        let typmod = crate::types::typmod::parse_typmod(crate::types::Oid::NUMERIC, &modifiers)?;
        number = number.apply_typmod(typmod).map_err(|_| invalid(name, &text, "numeric"))?;
    }
    Ok(JsonValue::Number(number))
}

fn truth(name: &str, value: &JsonValue) -> Result<bool> {
    match value {
        JsonValue::Bool(value) => Ok(*value),
        JsonValue::Number(number) => {
            let text = value.to_text();
            let exact = number.scale().is_some_and(|_| number.round(0).compare(number).is_eq());
            let whole = number.to_integer::<i32>("integer").ok().filter(|_| exact);
            whole.map(|whole| whole != 0).ok_or_else(|| invalid(name, &text, "boolean"))
        }
        JsonValue::String(text) => boolean::input(text).map_err(|_| invalid(name, text, "boolean")),
        _ => Err(only(name, "a boolean, string, or numeric value")),
    }
}

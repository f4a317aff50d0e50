//! Changing `jsonb`: `||`, `-`, `#-`, `jsonb_set`, `jsonb_insert`.

use super::args::{boolean, int4, text};
use super::array::array;
use super::jsonb::{jsonb, make};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::json::JsonValue;
use crate::types::json::value::resolve_index;

/// The elements of an array, or the value itself as the only one.
fn as_elements(value: &JsonValue) -> Vec<JsonValue> {
    match value {
        JsonValue::Array(items) => items.clone(),
        other => vec![other.clone()],
    }
}

fn concat(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = (jsonb(&args[0]), jsonb(&args[1]));
    make(match (a, b) {
        (JsonValue::Object(left), JsonValue::Object(right)) => {
            JsonValue::object(left.iter().chain(right).cloned().collect())
        }
        _ => {
            let mut items = as_elements(a);
            items.extend(as_elements(b));
            JsonValue::Array(items)
        }
    })
}

/// Removes members or string elements with these keys.
fn delete_keys(value: &JsonValue, keys: &[&str]) -> Result<Datum> {
    make(match value {
        JsonValue::Object(members) => {
            JsonValue::Object(members.iter().filter(|(key, _)| !keys.contains(&key.as_str())).cloned().collect())
        }
        JsonValue::Array(items) => JsonValue::Array(
            items
                .iter()
                .filter(|item| !matches!(item, JsonValue::String(text) if keys.contains(&text.as_str())))
                .cloned()
                .collect(),
        ),
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    })
}

fn delete_index(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match jsonb(&args[0]) {
        JsonValue::Object(_) => {
            bail!(INVALID_PARAMETER_VALUE, "cannot delete from object using integer index")
        }
        JsonValue::Array(items) => {
            let mut items = items.clone();
            if let Some(index) = resolve_index(i64::from(int4(&args[1])), items.len()) {
                items.remove(index);
            }
            make(JsonValue::Array(items))
        }
        _ => bail!(INVALID_PARAMETER_VALUE, "cannot delete from scalar"),
    }
}

/// What happens at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// Replace what is there.
    Replace,
    /// Replace or add.
    Create,
    InsertBefore,
    InsertAfter,
    Delete,
}

struct Editor<'a> {
    path: &'a [Datum],
    new: &'a JsonValue,
    edit: Edit,
}

impl Editor<'_> {
    fn adds(&self) -> bool {
        matches!(self.edit, Edit::Create | Edit::InsertBefore | Edit::InsertAfter)
    }

    fn apply(&self, value: &mut JsonValue, level: usize) -> Result<()> {
        let Some(step) = self.path[level].as_text() else {
            bail!(NULL_VALUE_NOT_ALLOWED, "path element at position {} is null", level + 1);
        };
        match value {
            JsonValue::Object(members) => self.member(members, step, level),
            JsonValue::Array(items) => self.element(items, step, level),
            _ => Ok(()),
        }
    }

    fn member(&self, members: &mut Vec<(String, JsonValue)>, key: &str, level: usize) -> Result<()> {
        let last = level + 1 == self.path.len();
        match JsonValue::find_member(members, key) {
            Some(place) if !last => self.apply(&mut members[place].1, level + 1)?,
            Some(_) if matches!(self.edit, Edit::InsertBefore | Edit::InsertAfter) => {
                return Err(crate::error!(INVALID_PARAMETER_VALUE, "cannot replace existing key")
                    .hint("Try using the function jsonb_set to replace key value."));
            }
            Some(place) if self.edit == Edit::Delete => {
                members.remove(place);
            }
            Some(place) => members[place].1 = self.new.clone(),
            None if last && self.adds() => JsonValue::insert_member(members, key, self.new.clone()),
            None => {}
        }
        Ok(())
    }

    fn element(&self, items: &mut Vec<JsonValue>, step: &str, level: usize) -> Result<()> {
        let last = level + 1 == self.path.len();
        let Ok(index) = step.trim_start().parse::<i32>() else {
            bail!(INVALID_TEXT_REPRESENTATION, "path element at position {} is not an integer: \"{step}\"", level + 1);
        };
        match resolve_index(i64::from(index), items.len()) {
            Some(place) if !last => self.apply(&mut items[place], level + 1)?,
            Some(place) => match self.edit {
                Edit::Replace | Edit::Create => items[place] = self.new.clone(),
                Edit::InsertBefore => items.insert(place, self.new.clone()),
                Edit::InsertAfter => items.insert(place + 1, self.new.clone()),
                Edit::Delete => {
                    items.remove(place);
                }
            },
            None if last && self.adds() => {
                items.insert(if index < 0 { 0 } else { items.len() }, self.new.clone());
            }
            None => {}
        }
        Ok(())
    }
}

fn edit_path(value: &JsonValue, path: &Datum, new: &JsonValue, edit: Edit) -> Result<Datum> {
    let path = array(path);
    if path.dims.len() > 1 {
        bail!(ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts");
    }
    if !value.is_container() {
        let doing = if edit == Edit::Delete { "delete" } else { "set" };
        bail!(INVALID_PARAMETER_VALUE, "cannot {doing} path in scalar");
    }
    let mut value = value.clone();
    let empty = matches!(&value, JsonValue::Array(items) if items.is_empty())
        || matches!(&value, JsonValue::Object(members) if members.is_empty());
    if path.items.is_empty() || (empty && matches!(edit, Edit::Delete | Edit::Replace)) {
        return make(value);
    }
    Editor { path: &path.items, new, edit }.apply(&mut value, 0)?;
    make(value)
}

fn set(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let edit = if args.get(3).is_none_or(boolean) { Edit::Create } else { Edit::Replace };
    edit_path(jsonb(&args[0]), &args[1], jsonb(&args[2]), edit)
}

/// `jsonb_set` that says what SQL NULL as the new value means.
fn set_lax(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let treatment = args.get(4).map_or(Some("use_json_null"), Datum::as_text);
    if args[0].is_null() || args[1].is_null() || args.get(3).is_some_and(Datum::is_null) {
        return Ok(Datum::Null);
    }
    let Some(treatment) = treatment else {
        bail!(
            INVALID_PARAMETER_VALUE,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\""
        );
    };
    if !args[2].is_null() {
        return set(ctx, &args[..args.len().min(4)]);
    }
    match treatment {
        "raise_exception" => Err(crate::error!(NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
            .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
            .hint(
                "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.",
            )),
        "use_json_null" => {
            let edit = if args.get(3).is_none_or(boolean) { Edit::Create } else { Edit::Replace };
            edit_path(jsonb(&args[0]), &args[1], &JsonValue::Null, edit)
        }
        "delete_key" => edit_path(jsonb(&args[0]), &args[1], &JsonValue::Null, Edit::Delete),
        "return_target" => Ok(args[0].clone()),
        _ => bail!(
            INVALID_PARAMETER_VALUE,
            "null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\""
        ),
    }
}

fn insert(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let edit = if args.get(3).is_some_and(boolean) { Edit::InsertAfter } else { Edit::InsertBefore };
    edit_path(jsonb(&args[0]), &args[1], jsonb(&args[2]), edit)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("jsonb_concat", concat),
    ("jsonb_delete", |_, args| delete_keys(jsonb(&args[0]), &[text(&args[1])])),
    ("jsonb_delete_idx", delete_index),
    ("jsonb_delete_array", |_, args| {
        let keys: Vec<&str> = array(&args[1]).items.iter().filter_map(Datum::as_text).collect();
        delete_keys(jsonb(&args[0]), &keys)
    }),
    ("jsonb_delete_path", |_, args| edit_path(jsonb(&args[0]), &args[1], &JsonValue::Null, Edit::Delete)),
    ("jsonb_set", set),
    ("jsonb_set_lax", set_lax),
    ("jsonb_insert", insert),
];

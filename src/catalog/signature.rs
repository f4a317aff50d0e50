//! Signatures of functions as `pg_get_function_arguments` and its sisters print them.

use crate::catalog::builtin::{ProcRow, builtin};
use crate::catalog::lookup::Names;
use crate::common::quote_ident;
use crate::types::{Oid, SqlType};

/// An argument: mode letter, name (may be empty), type.
struct Argument {
    mode: char,
    name: &'static str,
    ty: Oid,
}

fn list(row: &ProcRow) -> Vec<Argument> {
    let types = row.all_args.as_ref().unwrap_or(&row.args);
    let variadic_at = if row.variadic.is_some() && row.modes.is_none() { types.len().checked_sub(1) } else { None };
    let argument = |(at, ty): (usize, &Oid)| Argument {
        mode: match row.modes.as_ref().and_then(|modes| modes.get(at)) {
            Some(mode) => *mode,
            None if Some(at) == variadic_at => 'v',
            None => 'i',
        },
        name: row.arg_names.as_ref().and_then(|names| names.get(at)).copied().unwrap_or(""),
        ty: *ty,
    };
    types.iter().enumerate().map(argument).collect()
}

fn text(names: &Names, argument: &Argument, with_mode: bool) -> String {
    let mode = match argument.mode {
        'o' => "OUT ",
        'b' => "INOUT ",
        'v' => "VARIADIC ",
        _ => "",
    };
    let mut out = if with_mode { mode.to_owned() } else { String::new() };
    if !argument.name.is_empty() {
        out.push_str(&quote_ident(argument.name));
        out.push(' ');
    }
    out.push_str(&names.type_text(SqlType::of(argument.ty)));
    out
}

/// `pg_get_function_arguments`. Defaults of built-in functions are not shown.
#[must_use]
pub fn arguments(names: &Names, function: Oid) -> Option<String> {
    let row = builtin().proc_row(function)?;
    let all = list(row);
    let shown = all.iter().filter(|argument| argument.mode != 't').map(|argument| text(names, argument, true));
    Some(shown.collect::<Vec<_>>().join(", "))
}

/// `pg_get_function_identity_arguments`: the arguments without their defaults, which are not shown anyway.
#[must_use]
pub fn identity_arguments(names: &Names, function: Oid) -> Option<String> {
    arguments(names, function)
}

/// `pg_get_function_result`.
#[must_use]
pub fn result(names: &Names, function: Oid) -> Option<String> {
    let row = builtin().proc_row(function)?;
    if row.kind == 'p' {
        return None;
    }
    let all = list(row);
    let table: Vec<String> =
        all.iter().filter(|argument| argument.mode == 't').map(|argument| text(names, argument, false)).collect();
    if !table.is_empty() {
        return Some(format!("TABLE({})", table.join(", ")));
    }
    let set = if row.returns_set { "SETOF " } else { "" };
    Some(format!("{set}{}", names.type_text(SqlType::of(row.result))))
}

/// `pg_get_functiondef`; aggregates have none.
#[must_use]
pub fn definition(names: &Names, function: Oid) -> Option<String> {
    let row = builtin().proc_row(function)?;
    if row.kind == 'a' {
        return None;
    }
    let schema = crate::catalog::system::builtin_schema(&names.snapshot, row.namespace)?;
    let language = if row.language == Oid(13) { "c" } else { "internal" };
    let mut traits = String::new();
    match row.volatility {
        'i' => traits.push_str(" IMMUTABLE"),
        's' => traits.push_str(" STABLE"),
        _ => {}
    }
    traits.push_str(" PARALLEL SAFE");
    if row.strict {
        traits.push_str(" STRICT");
    }
    Some(format!(
        "CREATE OR REPLACE FUNCTION {}.{}({})\n RETURNS {}\n LANGUAGE {language}\n{traits}\nAS $function${}$function$\n",
        quote_ident(names.snapshot.schema_name(schema)?),
        quote_ident(row.name),
        arguments(names, function)?,
        result(names, function)?,
        row.source
    ))
}

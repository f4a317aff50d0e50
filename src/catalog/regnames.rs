//! Names as the `reg*` types read and print them.
//!
//! A name prints bare when reading it back would find the same object, else with its schema. Functions and operators are built
//! in, so that a bare name is found when nothing else visible has it.

use crate::bail;
use crate::catalog::builtin::{OperatorRow, PG_COLLATION, ProcRow, builtin, raw_rows};
use crate::catalog::lookup::{Names, split_name};
use crate::catalog::system::objects::builtin_schema;
use crate::common::quote_ident;
use crate::error::Result;
use crate::types::Oid;
use crate::types::io::TypeLookup;

/// The OID of the object that a name means for a `reg*` type.
///
/// # Errors
/// PostgreSQL's when there is none, or more than one.
pub fn read(names: &Names, kind: Oid, text: &str) -> Result<Oid> {
    match kind {
        Oid::REGCLASS => names.relation_named(text).map(|relation| relation.oid()),
        Oid::REGTYPE => names.type_named(text),
        Oid::REGPROC => function(names, text),
        Oid::REGPROCEDURE => function_with_arguments(names, text),
        Oid::REGOPER => operator(names, text),
        Oid::REGOPERATOR => operator_with_arguments(names, text),
        Oid::REGCOLLATION => collation(text),
        Oid::REGNAMESPACE => match names.snapshot.schema_named(&split_name(text)?.concat()) {
            Some(oid) => Ok(oid),
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{text}\" does not exist"),
        },
        Oid::REGROLE => match names.snapshot.role_named(&split_name(text)?.concat()) {
            Some(role) => Ok(role.oid),
            None => bail!(UNDEFINED_OBJECT, "role \"{text}\" does not exist"),
        },
        _ => bail!(FEATURE_NOT_SUPPORTED, "a name of type {} is not supported yet", names.type_name(kind)),
    }
}

/// The name of an object as a `reg*` type prints it; none when there is no such object.
pub fn print(names: &Names, kind: Oid, value: Oid) -> Option<String> {
    match kind {
        Oid::REGCLASS => names.snapshot.relation(value).map(|relation| names.relation_text(&relation)),
        Oid::REGTYPE => names.snapshot.type_by_oid(value).map(|_| names.type_name(value)),
        Oid::REGPROC => builtin().proc_row(value).map(|row| {
            let alone = functions(names, row.name).count() == 1;
            qualify(names, row.namespace, quote_ident(row.name), alone)
        }),
        Oid::REGPROCEDURE => builtin().proc_row(value).map(|row| {
            let name = qualify(names, row.namespace, quote_ident(row.name), true);
            format!("{name}({})", types(names, &row.args))
        }),
        Oid::REGOPER => builtin().operator_row(value).map(|row| {
            let alone = operators(names, row.name).count() == 1;
            qualify(names, row.namespace, row.name.to_owned(), alone)
        }),
        Oid::REGOPERATOR => builtin().operator_row(value).map(|row| {
            let side = |ty: Oid| if ty.is_some() { names.type_name(ty) } else { "NONE".to_owned() };
            let name = qualify(names, row.namespace, row.name.to_owned(), true);
            format!("{name}({},{})", side(row.left), side(row.right))
        }),
        Oid::REGCOLLATION => {
            let wanted = value.0.to_string();
            raw_rows(PG_COLLATION).find(|row| row[0] == wanted).map(|row| quote_ident(row[1]))
        }
        Oid::REGNAMESPACE => names.snapshot.schema_name(value).map(quote_ident),
        Oid::REGROLE => names.snapshot.shared.roles.get(&value).map(|role| quote_ident(&role.name)),
        _ => None,
    }
}

fn types(names: &Names, list: &[Oid]) -> String {
    list.iter().map(|oid| names.type_name(*oid)).collect::<Vec<_>>().join(",")
}

/// The name, with its schema when the bare name would not find the object.
fn qualify(names: &Names, namespace: &str, name: String, bare_finds_it: bool) -> String {
    if bare_finds_it && names.is_builtin_visible(namespace) {
        return name;
    }
    let schema = builtin_schema(&names.snapshot, namespace).and_then(|schema| names.snapshot.schema_name(schema));
    schema.map_or_else(|| name.clone(), |schema| format!("{}.{name}", quote_ident(schema)))
}

fn functions<'a>(names: &'a Names, name: &'a str) -> impl Iterator<Item = &'static ProcRow> + 'a {
    builtin().procs_named(name).filter(|row| builtin_schema(&names.snapshot, row.namespace).is_some())
}

fn operators<'a>(names: &'a Names, name: &'a str) -> impl Iterator<Item = &'static OperatorRow> + 'a {
    builtin().operators_named(name).filter(|row| builtin_schema(&names.snapshot, row.namespace).is_some())
}

fn function(names: &Names, text: &str) -> Result<Oid> {
    let parts = split_name(text)?;
    let name = parts.last().map_or("", String::as_str);
    let mut found = functions(names, name);
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row.oid),
        (Some(_), Some(_)) => bail!(AMBIGUOUS_FUNCTION, "more than one function named \"{text}\""),
        (None, _) => bail!(UNDEFINED_FUNCTION, "function \"{text}\" does not exist"),
    }
}

/// The parts of `name(type, type)`.
fn split_arguments<'a>(text: &'a str, names: &Names) -> Result<(&'a str, Vec<Oid>)> {
    let Some((name, rest)) = text.split_once('(') else {
        bail!(INVALID_TEXT_REPRESENTATION, "expected a left parenthesis")
    };
    let Some(inner) = rest.trim_end().strip_suffix(')') else {
        bail!(INVALID_TEXT_REPRESENTATION, "expected a right parenthesis")
    };
    let mut types = Vec::new();
    for part in inner.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        types.push(if part.eq_ignore_ascii_case("none") { Oid::NONE } else { names.type_named(part)? });
    }
    Ok((name.trim(), types))
}

fn function_with_arguments(names: &Names, text: &str) -> Result<Oid> {
    let (name, types) = split_arguments(text, names)?;
    let parts = split_name(name)?;
    match functions(names, parts.last().map_or("", String::as_str)).find(|row| row.args == types) {
        Some(row) => Ok(row.oid),
        None => bail!(UNDEFINED_FUNCTION, "function \"{text}\" does not exist"),
    }
}

/// The symbol behind the schema, if there is one.
fn symbol(text: &str) -> &str {
    let text = text.trim();
    text.rsplit_once('.').map_or(text, |(_, symbol)| symbol)
}

fn operator(names: &Names, text: &str) -> Result<Oid> {
    let mut found = operators(names, symbol(text));
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(row.oid),
        (Some(_), Some(_)) => bail!(AMBIGUOUS_FUNCTION, "more than one operator named {text}"),
        (None, _) => bail!(UNDEFINED_FUNCTION, "operator does not exist: {text}"),
    }
}

fn operator_with_arguments(names: &Names, text: &str) -> Result<Oid> {
    let (name, types) = split_arguments(text, names)?;
    let [left, right] = types.as_slice() else {
        bail!(UNDEFINED_PARAMETER, "missing argument");
    };
    match operators(names, symbol(name)).find(|row| row.left == *left && row.right == *right) {
        Some(row) => Ok(row.oid),
        None => bail!(UNDEFINED_FUNCTION, "operator does not exist: {text}"),
    }
}

fn collation(text: &str) -> Result<Oid> {
    let parts = split_name(text)?;
    let name = parts.last().map_or("", String::as_str);
    match raw_rows(PG_COLLATION).find(|row| row[1] == name).and_then(|row| row[0].parse().ok()) {
        Some(oid) => Ok(Oid(oid)),
        None => bail!(UNDEFINED_OBJECT, "collation \"{text}\" for encoding \"UTF8\" does not exist"),
    }
}

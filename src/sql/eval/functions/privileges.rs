//! The `has_*_privilege` functions and `pg_has_role`.
//!
//! All have the same shapes: an optional role, by name or OID, an object, by name or OID, and a list of privileges.
//! The answer is true when one of the listed privileges is held.

use super::args::{oid, text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::context::{CatalogQuestion, Privileged};
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::{Datum, Oid, regtype};

/// What a family of functions asks about.
struct Family {
    /// The question about an object.
    about: fn(Oid) -> Privileged,
    /// The `reg*` type that reads the object's name, if names are read that way.
    names: Option<Oid>,
    privileges: &'static [&'static str],
    grantable: bool,
}

const TABLE: Family = Family {
    about: Privileged::Relation,
    names: Some(Oid::REGCLASS),
    privileges: &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"],
    grantable: true,
};
const SEQUENCE: Family = Family { privileges: &["USAGE", "SELECT", "UPDATE"], ..TABLE };
const COLUMN: Family =
    Family { about: Privileged::AnyColumn, privileges: &["SELECT", "INSERT", "UPDATE", "REFERENCES"], ..TABLE };
const DATABASE: Family = Family {
    about: Privileged::Database,
    names: None,
    privileges: &["CREATE", "CONNECT", "TEMPORARY", "TEMP"],
    grantable: true,
};
const SCHEMA: Family = Family {
    about: Privileged::Schema,
    names: Some(Oid::REGNAMESPACE),
    privileges: &["CREATE", "USAGE"],
    grantable: true,
};
const FUNCTION: Family =
    Family { about: Privileged::Function, names: Some(Oid::REGPROCEDURE), privileges: &["EXECUTE"], grantable: true };
const TYPE: Family =
    Family { about: Privileged::Type, names: Some(Oid::REGTYPE), privileges: &["USAGE"], grantable: true };
const ROLE: Family = Family {
    about: Privileged::Role,
    names: Some(Oid::REGROLE),
    privileges: &["USAGE", "MEMBER", "SET"],
    grantable: true,
};

/// A role by name or OID.
fn role(ctx: &FnContext<'_>, value: &Datum) -> Result<Oid> {
    match value {
        Datum::Text(name) if &**name == "public" => Ok(Oid::NONE),
        Datum::Text(name) => {
            let question = CatalogQuestion::Lookup { kind: Oid::REGROLE, name };
            match ctx.eval.session.catalog_answer(&question)? {
                Some(Datum::Oid(role)) => Ok(role),
                _ => bail!(UNDEFINED_OBJECT, "role \"{name}\" does not exist"),
            }
        }
        other => Ok(oid(other)),
    }
}

fn object(ctx: &FnContext<'_>, value: &Datum, family: &Family) -> Result<Oid> {
    let name = match value {
        Datum::Text(name) => name,
        other => return Ok(oid(other)),
    };
    match family.names {
        Some(Oid::REGROLE) => role(ctx, value),
        Some(kind) => regtype::input(kind, name, &ctx.io()),
        None => match ctx.session().catalog_answer(&CatalogQuestion::DatabaseNamed(name))? {
            Some(Datum::Oid(found)) => Ok(found),
            _ if **name == *ctx.session().current_database() => Ok(Oid::NONE),
            _ => bail!(INVALID_CATALOG_NAME, "database \"{name}\" does not exist"),
        },
    }
}

fn has(ctx: &FnContext<'_>, role_arg: Option<&Datum>, target: &Datum, wanted: &str, family: &Family) -> Result<Datum> {
    let target = object(ctx, target, family)?;
    held(ctx, role_arg, (family.about)(target), wanted, family)
}

fn held(
    ctx: &FnContext<'_>,
    role_arg: Option<&Datum>,
    target: Privileged,
    wanted: &str,
    family: &Family,
) -> Result<Datum> {
    let role = role_arg.map(|value| role(ctx, value)).transpose()?;
    let mut answer = Datum::Bool(false);
    for item in wanted.split(',') {
        let upper = item.trim().to_ascii_uppercase();
        let bare = upper.strip_suffix(" WITH GRANT OPTION").or_else(|| upper.strip_suffix(" WITH ADMIN OPTION"));
        let privilege = bare.filter(|_| family.grantable).unwrap_or(&upper);
        if !family.privileges.contains(&privilege) {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized privilege type: \"{}\"", item.trim());
        }
        match ctx.session().has_privilege(role, target, privilege, bare.is_some())? {
            Some(true) => answer = Datum::Bool(true),
            Some(false) => {}
            None => return Ok(Datum::Null),
        }
    }
    Ok(answer)
}

fn object_privilege(ctx: &FnContext<'_>, args: &[Datum], family: &Family) -> Result<Datum> {
    match args {
        [target, wanted] => has(ctx, None, target, text(wanted), family),
        [role, target, wanted] => has(ctx, Some(role), target, text(wanted), family),
        _ => panic!("privilege functions have two or three arguments"),
    }
}

/// A column is named or numbered.
fn column_privilege(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (role, table, column, wanted) = match args {
        [table, column, wanted] => (None, table, column, wanted),
        [role, table, column, wanted] => (Some(role), table, column, wanted),
        _ => panic!("column privilege functions have three or four arguments"),
    };
    let relation = object(ctx, table, &TABLE)?;
    let attnum = match column {
        Datum::Int2(number) => *number,
        name => match ctx.session().catalog_answer(&CatalogQuestion::ColumnNumber { relation, name: text(name) })? {
            Some(Datum::Int2(number)) => number,
            _ => bail!(
                UNDEFINED_COLUMN,
                "column \"{}\" of relation \"{}\" does not exist",
                text(name),
                relation_name(ctx, table)
            ),
        },
    };
    held(ctx, role, Privileged::Column(relation, attnum), text(wanted), &COLUMN)
}

fn relation_name(ctx: &FnContext<'_>, table: &Datum) -> String {
    match table {
        Datum::Text(name) => name.to_string(),
        other => crate::types::io::to_text(other, Oid::REGCLASS, &ctx.io()).unwrap_or_default(),
    }
}

/// What has no owners or grants here belongs to everybody.
fn granted(_: &FnContext<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

/// Table entries for the six shapes of a family: by role and without, names and OIDs.
macro_rules! shapes {
    ($answer:expr; $($source:literal),+ $(,)?) => {
        &[$(($source, $answer)),+]
    };
}

/// Functions of tables and sequences.
pub const TABLES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &TABLE);
    "has_table_privilege_name_name", "has_table_privilege_name_id", "has_table_privilege_id_name",
    "has_table_privilege_id_id", "has_table_privilege_name", "has_table_privilege_id",
];

/// See [`TABLES`].
pub const SEQUENCES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &SEQUENCE);
    "has_sequence_privilege_name_name", "has_sequence_privilege_name_id", "has_sequence_privilege_id_name",
    "has_sequence_privilege_id_id", "has_sequence_privilege_name", "has_sequence_privilege_id",
];

/// Functions of any column of a table.
pub const ANY_COLUMNS: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &COLUMN);
    "has_any_column_privilege_name_name", "has_any_column_privilege_name_id", "has_any_column_privilege_id_name",
    "has_any_column_privilege_id_id", "has_any_column_privilege_name", "has_any_column_privilege_id",
];

/// Functions of one column of a table.
pub const COLUMNS: &[(&str, ScalarFn)] = shapes![
    column_privilege;
    "has_column_privilege_name_name_name", "has_column_privilege_name_name_attnum",
    "has_column_privilege_name_id_name", "has_column_privilege_name_id_attnum",
    "has_column_privilege_id_name_name", "has_column_privilege_id_name_attnum",
    "has_column_privilege_id_id_name", "has_column_privilege_id_id_attnum",
    "has_column_privilege_name_name", "has_column_privilege_name_attnum",
    "has_column_privilege_id_name", "has_column_privilege_id_attnum",
];

/// Functions of databases.
pub const DATABASES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &DATABASE);
    "has_database_privilege_name_name", "has_database_privilege_name_id", "has_database_privilege_id_name",
    "has_database_privilege_id_id", "has_database_privilege_name", "has_database_privilege_id",
];

/// Functions of schemas.
pub const SCHEMAS: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &SCHEMA);
    "has_schema_privilege_name_name", "has_schema_privilege_name_id", "has_schema_privilege_id_name",
    "has_schema_privilege_id_id", "has_schema_privilege_name", "has_schema_privilege_id",
];

/// Functions of functions.
pub const ROUTINES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &FUNCTION);
    "has_function_privilege_name_name", "has_function_privilege_name_id", "has_function_privilege_id_name",
    "has_function_privilege_id_id", "has_function_privilege_name", "has_function_privilege_id",
];

/// Functions of types.
pub const TYPES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &TYPE);
    "has_type_privilege_name_name", "has_type_privilege_name_id", "has_type_privilege_id_name",
    "has_type_privilege_id_id", "has_type_privilege_name", "has_type_privilege_id",
];

/// Functions of roles. `pg_has_role(role, 'USAGE')` asks about the current user.
pub const ROLES: &[(&str, ScalarFn)] = shapes![
    |ctx, a| object_privilege(ctx, a, &ROLE);
    "pg_has_role_name_name", "pg_has_role_name_id", "pg_has_role_id_name", "pg_has_role_id_id", "pg_has_role_name",
    "pg_has_role_id",
];

/// Functions of languages, tablespaces and settings.
pub const OTHERS: &[(&str, ScalarFn)] = shapes![
    granted;
    "has_language_privilege_name_name", "has_language_privilege_name_id", "has_language_privilege_id_name",
    "has_language_privilege_id_id", "has_language_privilege_name", "has_language_privilege_id",
    "has_tablespace_privilege_name_name", "has_tablespace_privilege_name_id", "has_tablespace_privilege_id_name",
    "has_tablespace_privilege_id_id", "has_tablespace_privilege_name", "has_tablespace_privilege_id",
    "has_parameter_privilege_name_name", "has_parameter_privilege_id_name", "has_parameter_privilege_name",
];

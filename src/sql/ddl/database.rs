//! CREATE and DROP DATABASE. Whether a session is connected to a database is the session's to know and to check.

use super::context::DdlContext;
use super::naming::truncate;
use super::owner::check_new_owner;
use crate::bail;
use crate::catalog::descriptor::DatabaseDesc;
use crate::error::{Error, Result};
use crate::sql::ast::Drop;
use crate::storage::Cf;
use crate::storage::keyspace::sequence_key;

/// CREATE DATABASE.
pub(super) fn create_database(name: &str, options: &[(String, String)], ctx: &mut DdlContext<'_>) -> Result<()> {
    if !ctx.role.superuser && !ctx.role.create_db {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to create database");
    }
    let name = truncate(name).to_owned();
    let mut database = DatabaseDesc {
        oid: ctx.catalog.allocate_oid(),
        name: name.clone(),
        owner: ctx.role.oid,
        allow_connections: true,
        connection_limit: -1,
        is_template: false,
        settings: Vec::new(),
        acl: None,
    };
    for (option, value) in options {
        apply_option(&mut database, option, value, ctx)?;
    }
    if ctx.snapshot().database_named(&name).is_some() {
        bail!(DUPLICATE_DATABASE, "database \"{name}\" already exists");
    }
    ctx.edit.put_database(database);
    Ok(())
}

fn flag(option: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => bail!(SYNTAX_ERROR, "{option} requires a Boolean value"),
    }
}

fn apply_option(database: &mut DatabaseDesc, option: &str, value: &str, ctx: &DdlContext<'_>) -> Result<()> {
    match option {
        "owner" => {
            let owner = ctx.role_named(value)?;
            check_new_owner(ctx, &owner, None)?;
            database.owner = owner.oid;
        }
        "template" if value == "default" => {}
        "template" => {
            let Some(found) = ctx.snapshot().database_named(value) else {
                bail!(INVALID_CATALOG_NAME, "template database \"{value}\" does not exist")
            };
            let empty = ctx.catalog.objects(found.oid).is_none_or(|objects| {
                objects.tables.is_empty() && objects.types.is_empty() && objects.extensions.len() <= 1
            });
            if !empty {
                return Err(Error::unsupported("CREATE DATABASE from a template that has objects"));
            }
        }
        "encoding" if ["utf8", "utf-8", "default", "6"].contains(&value.to_ascii_lowercase().as_str()) => {}
        "encoding" => return Err(Error::unsupported(format!("encoding \"{value}\""))),
        "connection_limit" => match value.parse::<i32>() {
            Ok(limit) if limit >= -1 => database.connection_limit = limit,
            _ => bail!(INVALID_PARAMETER_VALUE, "invalid connection limit: {value}"),
        },
        "allow_connections" => database.allow_connections = flag(option, value)?,
        "is_template" => database.is_template = flag(option, value)?,
        // Everything collates as C, in UTF-8: locales that say so, or leave it open, are met.
        "lc_collate" | "lc_ctype" | "locale" | "builtin_locale"
            if ["c", "posix", "c.utf-8", "c.utf8", "default"].contains(&value.to_ascii_lowercase().as_str()) => {}
        "locale_provider" if ["libc", "builtin"].contains(&value) => {}
        "strategy" | "tablespace" | "oid" | "collation_version" => {}
        "lc_collate" | "lc_ctype" | "locale" | "locale_provider" | "icu_locale" | "icu_rules" | "builtin_locale" => {
            return Err(Error::unsupported(format!("locale \"{value}\"")));
        }
        _ => bail!(SYNTAX_ERROR, "option \"{option}\" not recognized"),
    }
    Ok(())
}

/// DROP DATABASE.
pub(super) fn drop_databases(statement: &Drop, ctx: &mut DdlContext<'_>) -> Result<()> {
    for name in &statement.names {
        let name = name.last();
        let Some(database) = ctx.snapshot().database_named(name).cloned() else {
            if statement.if_exists {
                ctx.skip_missing(&format!("database \"{name}\""));
                continue;
            }
            bail!(INVALID_CATALOG_NAME, "database \"{name}\" does not exist")
        };
        ctx.check_owner(database.owner, "database", name)?;
        if database.is_template {
            bail!(WRONG_OBJECT_TYPE, "cannot drop a template database");
        }
        if database.oid == ctx.snapshot().database {
            bail!(OBJECT_IN_USE, "cannot drop the currently open database");
        }
        let objects = ctx.catalog.objects(database.oid).unwrap_or_default();
        for table in objects.tables.values() {
            super::rewrite::discard(ctx, table);
        }
        for sequence in objects.sequences.keys() {
            ctx.txn.put_meta(Cf::Default, sequence_key(sequence.0), None);
        }
        ctx.edit.drop_database(database.oid, &objects);
    }
    Ok(())
}

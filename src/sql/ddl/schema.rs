//! CREATE SCHEMA.

use super::context::DdlContext;
use super::naming::truncate;
use crate::bail;
use crate::catalog::descriptor::SchemaDesc;
use crate::error::{Result, SqlState};
use crate::sql::ast::CreateSchema;

/// CREATE SCHEMA.
pub(super) fn create_schema(create: &CreateSchema, ctx: &mut DdlContext<'_>) -> Result<()> {
    let owner = match &create.owner {
        Some(owner) => ctx.role_named(owner)?.oid,
        None => ctx.role.oid,
    };
    let name = truncate(&create.name).to_owned();
    check_name(&name)?;
    if ctx.snapshot().schema_named(&name).is_some() {
        if create.if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_SCHEMA, &format!("schema \"{name}\""));
            return Ok(());
        }
        bail!(DUPLICATE_SCHEMA, "schema \"{name}\" already exists");
    }
    let oid = ctx.catalog.allocate_oid();
    ctx.edit.put_schema(SchemaDesc { oid, name, owner });
    Ok(())
}

/// Refuses names that are the system's.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.starts_with("pg_") {
        let error = crate::error!(RESERVED_NAME, "unacceptable schema name \"{name}\"");
        return Err(error.detail("The prefix \"pg_\" is reserved for system schemas."));
    }
    Ok(())
}

//! CREATE SCHEMA.

use std::sync::Arc;

use super::context::DdlContext;
use super::grant;
use super::naming::truncate;
use super::owner::check_new_owner;
use crate::bail;
use crate::catalog::acl;
use crate::catalog::descriptor::SchemaDesc;
use crate::catalog::privileges::Securable;
use crate::error::{Result, SqlState};
use crate::sql::ast::CreateSchema;
use crate::types::Oid;

/// CREATE SCHEMA.
pub(super) fn create_schema(create: &CreateSchema, ctx: &mut DdlContext<'_>) -> Result<()> {
    let owner = match &create.owner {
        Some(owner) => ctx.role_named(owner)?,
        None => Arc::clone(&ctx.role),
    };
    ctx.check_right(Securable::Database(ctx.snapshot().database), acl::CREATE)?;
    check_new_owner(ctx, &owner, None)?;
    // AUTHORIZATION alone names the schema after the role.
    let named_after = create.owner.as_ref() == Some(&create.name);
    let name = if named_after { owner.name.clone() } else { truncate(&create.name).to_owned() };
    check_name(&name)?;
    if ctx.snapshot().schema_named(&name).is_some() {
        if create.if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_SCHEMA, &format!("schema \"{name}\""));
            return Ok(());
        }
        bail!(DUPLICATE_SCHEMA, "schema \"{name}\" already exists");
    }
    let oid = ctx.catalog.allocate_oid();
    ctx.edit.put_schema(SchemaDesc { oid, name, owner: owner.oid });
    grant::set_default_acl(Securable::Schema(oid), Oid::NONE, ctx);
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

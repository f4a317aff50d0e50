//! CREATE and ALTER EXTENSION. pgvector is built in; plpgsql is in every database from its start; there are no others.

use super::context::DdlContext;
use crate::bail;
use crate::catalog::acl;
use crate::catalog::descriptor::ExtensionDesc;
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::PUBLIC;
use crate::error::{Result, SqlState};
use crate::sql::ast::{AlterExtension, CreateExtension, ExtensionAction, Name};

/// The version of pgvector whose behaviour is built in.
pub(super) const VECTOR_VERSION: &str = "0.8.5";

/// CREATE EXTENSION.
pub(super) fn create_extension(create: &CreateExtension, ctx: &mut DdlContext<'_>) -> Result<()> {
    let name = create.name.as_str();
    let installed = ctx.snapshot().objects.extensions.values().any(|found| found.name == name);
    if installed {
        if create.if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_OBJECT, &format!("extension \"{name}\""));
            return Ok(());
        }
        bail!(DUPLICATE_OBJECT, "extension \"{name}\" already exists");
    }
    if name == "plpgsql" {
        return Err(crate::error::Error::unsupported("installing plpgsql again"));
    }
    if name != "vector" {
        let error = crate::error!(FEATURE_NOT_SUPPORTED, "extension \"{name}\" is not available");
        return Err(error.hint("The extension must first be installed on the system where PostgreSQL is running."));
    }
    if let Some(version) = create.version.as_deref().filter(|version| *version != VECTOR_VERSION) {
        bail!(
            INVALID_PARAMETER_VALUE,
            "extension \"vector\" has no installation script nor update path for version \"{version}\""
        );
    }
    let database = Securable::Database(ctx.snapshot().database);
    if ctx.snapshot().held(ctx.role.oid, database).0 & acl::CREATE == 0 {
        let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to create extension \"{name}\"");
        return Err(error.hint("Must have CREATE privilege on current database to create this extension."));
    }
    let schema = match &create.schema {
        Some(schema) => match ctx.schema_named(schema) {
            Some(oid) => oid,
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist"),
        },
        None => ctx.path.creation.unwrap_or(PUBLIC),
    };
    let oid = ctx.catalog.allocate_oid();
    ctx.edit.put_extension(ExtensionDesc {
        oid,
        name: name.to_owned(),
        schema,
        owner: ctx.role.oid,
        version: VECTOR_VERSION.to_owned(),
    });
    Ok(())
}

/// ALTER EXTENSION.
pub(super) fn alter_extension(alter: &AlterExtension, ctx: &mut DdlContext<'_>) -> Result<()> {
    let name = alter.name.as_str();
    let Some(found) = ctx.snapshot().objects.extensions.values().find(|found| found.name == name).cloned() else {
        bail!(UNDEFINED_OBJECT, "extension \"{name}\" does not exist")
    };
    ctx.check_owner(found.owner, "extension", name)?;
    match &alter.action {
        ExtensionAction::Update(version) => update(&found, version.as_deref(), ctx),
        ExtensionAction::SetSchema(schema) => set_schema(&found, schema, ctx),
    }
}

/// There is one version.
fn update(extension: &ExtensionDesc, version: Option<&str>, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (name, own) = (&extension.name, &extension.version);
    if let Some(version) = version.filter(|version| version != own) {
        bail!(
            INVALID_PARAMETER_VALUE,
            "extension \"{name}\" has no update path from version \"{own}\" to version \"{version}\""
        );
    }
    let text = format!("version \"{own}\" of extension \"{name}\" is already installed");
    ctx.notice(SqlState::SUCCESSFUL_COMPLETION, text);
    Ok(())
}

/// What is built in for an extension is found in the schema that the extension has.
fn set_schema(extension: &ExtensionDesc, schema: &str, ctx: &mut DdlContext<'_>) -> Result<()> {
    if extension.name == "plpgsql" {
        bail!(FEATURE_NOT_SUPPORTED, "extension \"plpgsql\" does not support SET SCHEMA");
    }
    if schema.starts_with("pg_temp") {
        bail!(FEATURE_NOT_SUPPORTED, "cannot move objects into or out of temporary schemas");
    }
    let place = Name { parts: vec![schema.to_owned(), extension.name.clone()], position: 0 };
    let target = ctx.creation_schema(&place, false)?;
    ctx.edit.put_extension(ExtensionDesc { schema: target, ..extension.clone() });
    Ok(())
}

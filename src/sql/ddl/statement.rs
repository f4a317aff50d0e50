//! The dispatcher: which statement goes where, and the tag that the client gets.

use super::context::DdlContext;
use super::{
    alter_table, comment, create_table, database, drop, extension, grant, index, owner, reindex, rename, role, schema,
    sequence, truncate, types, view,
};
use crate::error::{Error, Result};
use crate::sql::ast::{AlterType, Statement};

/// Whether [`execute`] is for this statement.
#[must_use]
pub fn is_ddl(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateTable(_)
            | Statement::AlterTable(_)
            | Statement::CreateIndex(_)
            | Statement::CreateSchema(_)
            | Statement::CreateSequence(_)
            | Statement::AlterSequence(_)
            | Statement::CreateType(_)
            | Statement::AlterType(_)
            | Statement::CreateDomain(_)
            | Statement::CreateView(_)
            | Statement::CreateExtension(_)
            | Statement::AlterExtension(_)
            | Statement::CreateDatabase { .. }
            | Statement::CreateRole(_)
            | Statement::AlterRole(_)
            | Statement::AlterSetting { .. }
            | Statement::Rename(_)
            | Statement::Drop(_)
            | Statement::Truncate(_)
            | Statement::Reindex(_)
            | Statement::Cluster { .. }
            | Statement::Comment(_)
            | Statement::Grant(_)
            | Statement::DefaultPrivileges(_)
            | Statement::Belongings(_)
            | Statement::ChangeOwner { .. }
    )
}

/// Executes a statement of data definition; the command tag.
///
/// # Errors
/// PostgreSQL's own for each statement; `0A000` for what OmenDB does not do.
pub fn execute(statement: &Statement, ctx: &mut DdlContext<'_>) -> Result<String> {
    if ctx.txn.read_only() {
        crate::bail!(READ_ONLY_SQL_TRANSACTION, "cannot execute {} in a read-only transaction", tag(statement));
    }
    match statement {
        Statement::CreateTable(create) => create_table::create_table(create, ctx)?,
        Statement::AlterTable(alter) => return alter_table::alter_table(alter, ctx),
        Statement::CreateIndex(create) => index::create_index(create, ctx)?,
        Statement::CreateSchema(create) => schema::create_schema(create, ctx)?,
        Statement::CreateSequence(create) => sequence::create_sequence(create, ctx)?,
        Statement::AlterSequence(alter) => sequence::alter_sequence(alter, ctx)?,
        Statement::CreateType(create) => types::create_type(create, ctx)?,
        Statement::AlterType(alter) => types::alter_type(alter, ctx)?,
        Statement::CreateDomain(create) => types::create_domain(create, ctx)?,
        Statement::CreateView(create) => view::create_view(create, ctx)?,
        Statement::CreateExtension(create) => extension::create_extension(create, ctx)?,
        Statement::AlterExtension(alter) => extension::alter_extension(alter, ctx)?,
        Statement::CreateDatabase { name, options } => database::create_database(name, options, ctx)?,
        Statement::CreateRole(create) => role::create_role(create, ctx)?,
        Statement::AlterRole(alter) => role::alter_role(alter, ctx)?,
        Statement::AlterSetting { role, database, setting } => {
            role::alter_setting(role.as_deref(), database.as_deref(), setting, ctx)?;
        }
        Statement::Rename(rename) => rename::rename(rename, ctx)?,
        Statement::Drop(statement) => drop::drop(statement, ctx)?,
        Statement::Truncate(statement) => truncate::truncate(statement, ctx)?,
        Statement::Reindex(statement) => reindex::reindex(statement, ctx)?,
        Statement::Cluster { table, index } => reindex::cluster(table.as_ref(), index.as_deref(), ctx)?,
        Statement::Comment(statement) => comment::comment(statement, ctx)?,
        Statement::Grant(statement) => grant::grant(statement, ctx)?,
        Statement::DefaultPrivileges(statement) => grant::default_privileges(statement, ctx)?,
        Statement::Belongings(statement) => owner::belongings(statement, ctx)?,
        Statement::ChangeOwner { kind, name, owner } => owner::change_owner(*kind, name, owner, ctx)?,
        Statement::Unsupported { feature } => return Err(Error::unsupported(feature)),
        _ => return Err(Error::internal("not a statement of data definition")),
    }
    Ok(tag(statement))
}

/// The command tag.
fn tag(statement: &Statement) -> String {
    match statement {
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::AlterTable(_) => "ALTER TABLE",
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::CreateSchema(_) => "CREATE SCHEMA",
        Statement::CreateSequence(_) => "CREATE SEQUENCE",
        Statement::AlterSequence(_) => "ALTER SEQUENCE",
        Statement::CreateType(_) => "CREATE TYPE",
        Statement::AlterType(
            AlterType::AddValue { .. }
            | AlterType::RenameValue { .. }
            | AlterType::OwnerTo { .. }
            | AlterType::SetSchema { .. },
        ) => "ALTER TYPE",
        Statement::CreateDomain(_) => "CREATE DOMAIN",
        Statement::CreateView(create) if create.materialized => "CREATE MATERIALIZED VIEW",
        Statement::CreateView(_) => "CREATE VIEW",
        Statement::CreateExtension(_) => "CREATE EXTENSION",
        Statement::AlterExtension(_) => "ALTER EXTENSION",
        Statement::CreateDatabase { .. } => "CREATE DATABASE",
        Statement::CreateRole(_) => "CREATE ROLE",
        Statement::AlterRole(_) | Statement::AlterSetting { role: Some(_), .. } => "ALTER ROLE",
        Statement::AlterSetting { database: Some(_), .. } => "ALTER DATABASE",
        Statement::AlterSetting { .. } => "ALTER ROLE",
        Statement::Rename(rename) => return format!("ALTER {}", rename::kind_tag(rename.kind)),
        Statement::Drop(statement) => return format!("DROP {}", rename::kind_tag(statement.kind)),
        Statement::Truncate(_) => "TRUNCATE TABLE",
        Statement::Reindex(_) => "REINDEX",
        Statement::Cluster { .. } => "CLUSTER",
        Statement::Comment(_) => "COMMENT",
        Statement::Grant(statement) => match (&statement.target, statement.revoke) {
            (None, false) => "GRANT ROLE",
            (None, true) => "REVOKE ROLE",
            (Some(_), false) => "GRANT",
            (Some(_), true) => "REVOKE",
        },
        Statement::DefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
        Statement::Belongings(statement) if statement.new_owner.is_some() => "REASSIGN OWNED",
        Statement::Belongings(_) => "DROP OWNED",
        Statement::ChangeOwner { kind, .. } => return format!("ALTER {}", rename::kind_tag(*kind)),
        _ => "",
    }
    .to_owned()
}

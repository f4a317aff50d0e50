//! REINDEX, CLUSTER's refusals, and the storage options of an index.
//!
//! A rebuilt index gets a new storage, filled from the rows there are, and the old one goes with the commit; nobody sees
//! anything between. With CONCURRENTLY it is built beside the old one (`concurrent`), unique ones excepted.

use std::sync::Arc;

use super::context::DdlContext;
use super::{concurrent, index, validate};
use crate::bail;
use crate::catalog::acl;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::privileges::Securable;
use crate::catalog::{Relation, reloptions, vector_index};
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::ast::{AlterAction, Name, Reindex, ReindexTarget};
use crate::types::Oid;

/// REINDEX.
pub(super) fn reindex(statement: &Reindex, ctx: &mut DdlContext<'_>) -> Result<()> {
    if let Some(name) = statement.tablespace.as_deref().filter(|name| *name != "pg_default") {
        bail!(UNDEFINED_OBJECT, "tablespace \"{name}\" does not exist");
    }
    match &statement.target {
        ReindexTarget::Index(name) => one_index(statement, name, ctx),
        ReindexTarget::Table(name) => one_table(statement, name, ctx),
        ReindexTarget::Schema(name) => {
            let Some(schema) = ctx.schema_named(name) else {
                bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist")
            };
            let owner = ctx.snapshot().securable(Securable::Schema(schema)).map_or(Oid::NONE, |item| item.1);
            ctx.check_owner(owner, "schema", name)?;
            all_tables(statement, Some(schema), ctx)
        }
        ReindexTarget::Database(name) => {
            check_database(name.as_deref(), ctx)?;
            all_tables(statement, None, ctx)
        }
        ReindexTarget::System(name) => {
            check_database(name.as_deref(), ctx)?;
            if statement.concurrently {
                bail!(FEATURE_NOT_SUPPORTED, "cannot reindex system catalogs concurrently");
            }
            // The system's own relations have no indexes that could be out of step.
            Ok(())
        }
    }
}

fn check_database(name: Option<&str>, ctx: &DdlContext<'_>) -> Result<()> {
    let own = ctx.snapshot().database;
    let found = ctx.snapshot().shared.databases.get(&own);
    if name.is_some() && name != found.map(|desc| desc.name.as_str()) {
        bail!(FEATURE_NOT_SUPPORTED, "can only reindex the currently open database");
    }
    let owner = found.map_or(Oid::NONE, |desc| desc.owner);
    ctx.check_owner(owner, "database", found.map_or("", |desc| desc.name.as_str()))
}

fn one_index(statement: &Reindex, name: &Name, ctx: &mut DdlContext<'_>) -> Result<()> {
    match ctx.relation(name)? {
        Relation::Index(found) => {
            check_maintain(found.table, "index", &found.name, ctx)?;
            let oid = found.table;
            rebuild(statement, oid, &[found.oid], ctx)
        }
        Relation::System(desc) if desc.name.ends_with("_index") => Ok(()),
        other => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", other.name()),
    }
}

fn one_table(statement: &Reindex, name: &Name, ctx: &mut DdlContext<'_>) -> Result<()> {
    match ctx.relation(name)? {
        Relation::Table(found) => {
            check_maintain(found.oid, "table", &found.name, ctx)?;
            if found.indexes.is_empty() {
                let message = match statement.concurrently {
                    true => format!("table \"{}\" has no indexes that can be reindexed concurrently", found.name),
                    false => format!("table \"{}\" has no indexes to reindex", found.name),
                };
                ctx.notice(SqlState::SUCCESSFUL_COMPLETION, message);
                return Ok(());
            }
            let indexes: Vec<Oid> = found.indexes.iter().map(|index| index.oid).collect();
            rebuild(statement, found.oid, &indexes, ctx)
        }
        Relation::System(desc) if desc.kind == 'r' => {
            ctx.check_owner(Oid::NONE, "table", desc.name)?;
            Ok(())
        }
        other => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or materialized view", other.name()),
    }
}

/// Rebuilding needs the right to maintain the table; in a message the index is named when the statement names it.
fn check_maintain(table: Oid, kind: &str, name: &str, ctx: &DdlContext<'_>) -> Result<()> {
    ctx.check_right(Securable::Relation(table), acl::MAINTAIN)
        .map_err(|_| crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied for {kind} {name}"))
}

fn all_tables(statement: &Reindex, schema: Option<Oid>, ctx: &mut DdlContext<'_>) -> Result<()> {
    let wanted = |table: &&Arc<TableDesc>| {
        let maintained = ctx.check_right(Securable::Relation(table.oid), acl::MAINTAIN).is_ok();
        schema.is_none_or(|schema| table.schema == schema) && maintained && !table.temporary
    };
    let tables: Vec<Arc<TableDesc>> = ctx.snapshot().objects.tables.values().filter(wanted).cloned().collect();
    for table in tables {
        let indexes: Vec<Oid> = table.indexes.iter().map(|index| index.oid).collect();
        rebuild(statement, table.oid, &indexes, ctx)?;
    }
    Ok(())
}

/// Gives indexes of a table new storages and fills them, at once or later.
fn rebuild(statement: &Reindex, table: Oid, indexes: &[Oid], ctx: &mut DdlContext<'_>) -> Result<()> {
    let unique = ctx.table_by_oid(table).indexes.iter().any(|index| index.unique && indexes.contains(&index.oid));
    if statement.concurrently && !unique {
        ctx.lock_against_changes(table)?;
    } else {
        ctx.lock_exclusively(table)?;
    }
    ctx.check_not_waiting(&ctx.table_by_oid(table), "REINDEX")?;
    for oid in indexes {
        let mut desc = (*ctx.table_by_oid(table)).clone();
        // Locked only now: somebody may have dropped it meanwhile.
        let Some(found) = desc.indexes.iter_mut().find(|index| index.oid == *oid) else { continue };
        let index = Arc::make_mut(found);
        if vector_index::is_vector(index.method) {
            vector_index::check(index)?;
        }
        if statement.concurrently && !index.unique {
            let old = index.clone();
            concurrent::enter_replacement(table, &old, ctx);
            continue;
        }
        ctx.discard_storage(index.storage);
        index.storage = ctx.catalog.allocate_storage();
        index.valid = true;
        let name = index.name.clone();
        ctx.edit.put_table(desc);
        validate::build_index(ctx, table, *oid, "REINDEX")?;
        if statement.verbose {
            let message = format!("index \"{name}\" was reindexed");
            ctx.notices.push(Error::with_severity(Severity::Info, SqlState::SUCCESSFUL_COMPLETION, message));
        }
    }
    Ok(())
}

/// CLUSTER: what PostgreSQL refuses is refused; rows are never put in another order.
pub(super) fn cluster(table: Option<&Name>, index: Option<&str>, ctx: &DdlContext<'_>) -> Result<()> {
    // No table remembers an index to be clustered by.
    let Some(name) = table else { return Ok(()) };
    let table = ctx.table(name)?;
    ctx.check_right(Securable::Relation(table.oid), acl::MAINTAIN)?;
    let Some(index) = index else {
        bail!(UNDEFINED_OBJECT, "there is no previously clustered index for table \"{}\"", table.name)
    };
    match ctx.snapshot().relation_in(table.schema, index) {
        None => bail!(UNDEFINED_OBJECT, "index \"{index}\" for table \"{}\" does not exist", table.name),
        Some(Relation::Index(found)) if found.table == table.oid => check_clusterable(&found)?,
        Some(_) => bail!(WRONG_OBJECT_TYPE, "\"{index}\" is not an index for table \"{}\"", table.name),
    }
    Err(Error::unsupported("CLUSTER"))
}

fn check_clusterable(found: &IndexDesc) -> Result<()> {
    let name = &found.name;
    if found.method != index::BTREE {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "cannot cluster on index \"{name}\" because access method does not support clustering"
        );
    }
    if found.predicate.is_some() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot cluster on partial index \"{name}\"");
    }
    Ok(())
}

/// ALTER INDEX ... SET and RESET of storage options. They take effect when the index is built the next time.
pub(super) fn alter_options(index: &IndexDesc, action: &AlterAction, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut table = (*ctx.table_by_oid(index.table)).clone();
    for found in table.indexes.iter_mut().filter(|found| found.oid == index.oid) {
        let desc = Arc::make_mut(found);
        match action {
            AlterAction::SetOptions(options) => {
                desc.options.retain(|(name, _)| !options.iter().any(|(other, _)| other == name));
                desc.options.extend(options.iter().cloned());
                reloptions::check(desc.method, &desc.options)?;
            }
            AlterAction::ResetOptions(names) => desc.options.retain(|(name, _)| !names.contains(name)),
            _ => return Err(Error::internal("not an action on options")),
        }
    }
    ctx.edit.put_table(table);
    Ok(())
}

//! TRUNCATE: empty storages take the place of full ones.

use super::context::DdlContext;
use super::{rewrite, sequence};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::descriptor::ConstraintKind;
use crate::catalog::privileges::Securable;
use crate::error::{Result, SqlState};
use crate::sql::ast::{Name, Truncate};
use crate::types::Oid;

/// TRUNCATE.
pub(super) fn truncate(statement: &Truncate, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut tables = Vec::new();
    for name in &statement.tables {
        let oid = table(name, ctx)?;
        if !tables.contains(&oid) {
            tables.push(oid);
        }
    }
    let mut at = 0;
    while at < tables.len() {
        for (referencing, name) in referencing(ctx, tables[at]) {
            if tables.contains(&referencing) {
                continue;
            }
            if !statement.cascade {
                return Err(referenced(ctx, tables[at], &name));
            }
            ctx.notice(SqlState::SUCCESSFUL_COMPLETION, format!("truncate cascades to table \"{name}\""));
            tables.push(referencing);
        }
        at += 1;
    }
    for oid in &tables {
        ctx.lock_exclusively(*oid)?;
        ctx.check_not_waiting(&ctx.table_by_oid(*oid), "TRUNCATE")?;
    }
    for oid in tables {
        let old = ctx.table_by_oid(oid);
        rewrite::discard(ctx, &old);
        let new = rewrite::fresh_storages(ctx, (*old).clone());
        ctx.edit.put_table(new);
        if statement.restart_identity {
            for owned in sequence::owned_by_table(ctx, oid) {
                let start = ctx.snapshot().objects.sequences[&owned].start;
                ctx.txn.restart_sequence(owned, start, false);
            }
        }
    }
    Ok(())
}

fn table(name: &Name, ctx: &DdlContext<'_>) -> Result<Oid> {
    match &ctx.relation(name)? {
        Relation::Table(table) => {
            ctx.check_right(Securable::Relation(table.oid), acl::TRUNCATE)?;
            Ok(table.oid)
        }
        Relation::System(desc) => {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name)
        }
        other => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", other.name()),
    }
}

/// Other tables with a foreign key to this one.
fn referencing(ctx: &DdlContext<'_>, oid: Oid) -> Vec<(Oid, String)> {
    let refers = |kind: &ConstraintKind| matches!(kind, ConstraintKind::ForeignKey(key) if key.referenced_table == oid);
    let tables = ctx.snapshot().objects.tables.values();
    tables
        .filter(|table| table.oid != oid && table.constraints.iter().any(|c| refers(&c.kind)))
        .map(|table| (table.oid, table.name.clone()))
        .collect()
}

fn referenced(ctx: &DdlContext<'_>, oid: Oid, referencing: &str) -> crate::error::Error {
    let name = &ctx.table_by_oid(oid).name;
    crate::error!(FEATURE_NOT_SUPPORTED, "cannot truncate a table referenced in a foreign key constraint")
        .detail(format!("Table \"{referencing}\" references \"{name}\"."))
        .hint(format!("Truncate table \"{referencing}\" at the same time, or use TRUNCATE ... CASCADE."))
}

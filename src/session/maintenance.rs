//! Work that no client asked for: garbage collection, and clearing away temporary tables.

use std::sync::Arc;

use crate::catalog::descriptor::SchemaDesc;
use crate::catalog::store::FIRST_ROLE;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::sql::ddl::{self, DdlContext};
use crate::sql::eval::EvalContext;
use crate::txn::{Isolation, TableLock, Wait};
use crate::types::Oid;

use super::core::{CATALOG_LOCK, commit_edit};
use super::engine::Engine;

/// Drops the temporary schemas of sessions that a crash ended.
pub(super) fn drop_temporary(engine: &Arc<Engine>) -> Result<()> {
    let databases: Vec<_> = engine.catalog.shared().databases.keys().copied().collect();
    for database in databases {
        drop_schemas(engine, database, |schema| schema.name.starts_with("pg_temp_"))?;
    }
    Ok(())
}

/// Drops schemas of a database with everything in them, in a transaction of its own and with all rights.
pub(super) fn drop_schemas(engine: &Arc<Engine>, database: Oid, wanted: impl Fn(&SchemaDesc) -> bool) -> Result<()> {
    let txn = engine.txns.begin(Isolation::ReadCommitted, false);
    txn.lock_table(CATALOG_LOCK, TableLock::Exclusive, Wait::Block, &CancelFlag::new())?;
    let mut edit = engine.catalog.edit(database, false);
    let schemas: Vec<Oid> =
        edit.snapshot.objects.schemas.values().filter(|schema| wanted(schema)).map(|schema| schema.oid).collect();
    if schemas.is_empty() {
        txn.rollback();
        return Ok(());
    }
    txn.begin_statement();
    let eval = EvalContext::detached();
    let role = Arc::clone(&edit.snapshot.shared.roles[&FIRST_ROLE]);
    let mut ctx = DdlContext {
        catalog: &engine.catalog,
        path: edit.snapshot.search_path(&[], &role.name, None),
        edit: &mut edit,
        txn: &txn,
        tables: &engine.tables,
        eval: &eval,
        see: &|_| {},
        waits: &|_| false,
        role,
        maintenance_work_mem: engine.config.maintenance_work_mem,
        notices: Vec::new(),
        later: Vec::new(),
    };
    for schema in schemas {
        ddl::drop_schema(schema, &mut ctx)?;
    }
    commit_edit(engine, &txn, edit)
}

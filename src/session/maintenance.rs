//! Work that no client asked for: garbage collection, and clearing away temporary tables that a crash left.

use std::sync::Arc;

use crate::error::Result;
use crate::txn::Isolation;

use super::engine::Engine;

/// Drops the temporary schemas of sessions that a crash ended.
pub(super) fn drop_temporary(engine: &Arc<Engine>) -> Result<()> {
    let databases: Vec<_> = engine.catalog.shared().databases.keys().copied().collect();
    for database in databases {
        let mut edit = engine.catalog.edit(database, false);
        let schemas: Vec<_> =
            edit.snapshot.objects.schemas.values().filter(|s| s.name.starts_with("pg_temp_")).map(|s| s.oid).collect();
        if schemas.is_empty() {
            continue;
        }
        let txn = engine.txns.begin(Isolation::ReadCommitted, false);
        for schema in schemas {
            super::core::drop_schema_objects(&mut edit, &txn, schema);
        }
        super::core::commit_edit(engine, &txn, edit)?;
    }
    Ok(())
}

//! Work that no client asked for: garbage collection, and clearing away temporary tables that a crash left.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::Result;
use crate::txn::Isolation;

use super::engine::Engine;

/// Time between rounds of garbage collection.
const ROUND: Duration = Duration::from_millis(500);

/// Starts the background thread; it ends when the engine does.
pub(super) fn start(engine: &Arc<Engine>) {
    let weak: Weak<Engine> = Arc::downgrade(engine);
    let work = move || {
        loop {
            std::thread::sleep(ROUND);
            let Some(engine) = weak.upgrade() else { return };
            if let Err(error) = engine.txns.collect_garbage() {
                tracing::error!("garbage collection failed: {error}");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("maintenance".to_owned()).spawn(work) {
        tracing::error!("could not start the maintenance thread: {error}");
    }
}

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

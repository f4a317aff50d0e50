//! Floor 2: transactions. Snapshots, row and table locks, savepoints, group commit, version GC.

mod row_store;

pub use row_store::{EntryVisitor, Locked, RowId, RowIdRange, RowState, RowStore, RowVisitor, Strength, Wait};

//! Floor 2: transactions. Snapshots, row and table locks, savepoints, group commit, version GC.

mod locks;
mod manager;
mod options;
mod row_store;
mod sequences;
mod session_locks;
mod transaction;

pub use locks::{AdvisoryKey, TableLock};
pub use manager::TxnManager;
pub use options::{Isolation, LockTimeout, TxnOptions, TxnStats};
pub use row_store::{EntryVisitor, Locked, RowId, RowIdRange, RowState, RowStore, RowVisitor, Strength, Wait};
pub use sequences::{SequenceSpec, SequenceState};
pub use session_locks::SessionLocks;
pub use transaction::{SavepointId, Transaction};

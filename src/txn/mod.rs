//! Floor 2: transactions. Snapshots, row and table locks, savepoints, group commit, version GC.
//!
//! Multi-version concurrency over an ordered key-value store, with PostgreSQL's levels: READ COMMITTED takes a snapshot
//! per statement and waits for concurrent writers, REPEATABLE READ fails with `40001` when a row changed since its
//! snapshot, SERIALIZABLE also checks at commit what was read. Invariants: commit order is log order is the order
//! of visibility; an acknowledged commit is on disk; a snapshot is one number; the newest committed version of a row is in `rows`, older
//! ones are in `versions` until no snapshot needs them; everything in memory can be lost.
//!
//! * [`TxnManager`], [`Transaction`], [`View`]: what others use. [`RowStore`]: the part of it that tables use.
//! * `snapshot`, `locks`, `wide_locks`, `waits`, `inflight`: who sees and holds what. `buffer`, `fresh`: what is not committed.
//! * `access`, `chunks`, `writes`: reading rows one by one and by the thousand, and writing them. `commit`, `sequencer`, `line`,
//!   `serializable`: order.
//! * `ahead`, `settle`: transactions larger than memory. `gc`, `collector`, `recovery`: cleaning up.
//! * `lock_view`: locks as others see them. `sequences`, `counts`, `session_locks`: beside rows. `record`: bytes.

mod access;
mod ahead;
mod buffer;
mod chunks;
mod collector;
mod commit;
mod counts;
mod fresh;
mod gc;
mod inflight;
mod line;
mod lock_view;
mod locks;
mod manager;
mod options;
mod record;
mod recovery;
mod row_store;
mod sequencer;
mod sequences;
mod serializable;
mod session_locks;
mod settle;
mod snapshot;
mod transaction;
mod waits;
mod wide_locks;
mod writes;

#[cfg(test)]
mod tests;

pub use chunks::{CHUNK_ROWS, Chunk, ChunkPart, ChunkRead};
pub use collector::Collector;
pub use fresh::FreshRows;
pub use lock_view::{AwaitedLock, HeldLock, LockTarget};
pub use locks::{AdvisoryKey, TableLock};
pub use manager::{Sweeper, TxnManager};
pub use options::{Isolation, LockTimeout, TxnOptions, TxnStats};
pub use row_store::{EntryVisitor, Locked, RowId, RowIdRange, RowState, RowStore, RowVisitor, Strength, Wait};
pub use sequences::{SequenceSpec, SequenceState};
pub use session_locks::SessionLocks;
pub use snapshot::{Snapshot, View};
pub use transaction::{SavepointId, Transaction};

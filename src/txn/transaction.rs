//! A transaction.

use std::time::Duration;

use crate::catalog::descriptor::StorageId;
use crate::common::CancelFlag;
use crate::error::{Error, Result};
use crate::storage::Cf;
use crate::txn::locks::{AdvisoryKey, TableLock};
use crate::txn::options::Isolation;
use crate::txn::row_store::Wait;
use crate::types::Oid;

/// Names a savepoint of one transaction; later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SavepointId(pub(crate) u64);

/// A transaction; dropping it rolls it back.
pub struct Transaction {
    isolation: Isolation,
    read_only: bool,
}

#[allow(clippy::unused_self)]
impl Transaction {
    pub(super) fn stub(isolation: Isolation, read_only: bool) -> Self {
        Self { isolation, read_only }
    }

    /// Its isolation level.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Whether it refuses to write.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// Makes it refuse to write, or not.
    pub fn set_read_only(&self, _read_only: bool) {}

    /// Changes the isolation level.
    ///
    /// # Errors
    /// `25001` once a snapshot was taken.
    pub fn set_isolation(&self, _isolation: Isolation) -> Result<()> {
        Ok(())
    }

    /// Its number, unique in the store.
    #[must_use]
    pub fn id(&self) -> u64 {
        0
    }

    /// The backend's process number for deadlock reports and `pg_blocking_pids`.
    pub fn set_process_id(&self, _pid: i32) {}

    /// How long to wait for any lock from now on; `None` is for ever.
    pub fn set_lock_timeout(&self, _timeout: Option<Duration>) {}

    /// Whether the commit is on disk when acknowledged.
    pub fn set_synchronous(&self, _synchronous: bool) {}

    /// Starts a statement: a new snapshot at READ COMMITTED, and always a new command, which sees the writes of earlier
    /// commands of this transaction and not its own.
    pub fn begin_statement(&self) {}

    /// Starts a new command on the same snapshot: it sees everything that this transaction has written so far.
    pub fn next_command(&self) {}

    /// The snapshot's timestamp; taken now if there is none yet.
    #[must_use]
    pub fn snapshot_ts(&self) -> u64 {
        0
    }

    /// Whether anything would be written by a commit.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        false
    }

    /// Commits: durable and visible to new snapshots on return.
    ///
    /// # Errors
    /// `40001` at SERIALIZABLE; the transaction is rolled back then.
    pub fn commit(&self) -> Result<()> {
        Err(Error::unsupported("COMMIT"))
    }

    /// Rolls back; does nothing when the transaction has ended.
    pub fn rollback(&self) {}

    /// Makes a savepoint.
    #[must_use]
    pub fn savepoint(&self) -> SavepointId {
        SavepointId(0)
    }

    /// Takes back everything since the savepoint, locks included. The savepoint stays, later ones go.
    pub fn rollback_to(&self, _savepoint: SavepointId) {}

    /// Forgets the savepoint and later ones; what was done since stays.
    pub fn release(&self, _savepoint: SavepointId) {}

    /// Sets or removes a key of the catalog or of roles with the commit.
    pub fn put_meta(&self, _cf: Cf, _key: Vec<u8>, _value: Option<Vec<u8>>) {}

    /// Runs after the commit is durable and before it becomes visible, with its timestamp, in commit order; also for
    /// transactions that wrote nothing else, which get a timestamp for it.
    pub fn on_commit(&self, _hook: Box<dyn FnOnce(u64) + Send>) {}

    /// Runs when the transaction, or the part of it since a savepoint that is rolled back to, is undone.
    pub fn on_rollback(&self, _hook: Box<dyn FnOnce() + Send>) {}

    /// Removes a dropped or truncated table's or index's keys after the commit, once no snapshot needs them.
    pub fn delete_storage(&self, _storage: StorageId) {}

    /// Locks a table until the end of the transaction; false when `wait` is not [`Wait::Block`] and it is taken.
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock_table(&self, _oid: Oid, _mode: TableLock, _wait: Wait, _cancel: &CancelFlag) -> Result<bool> {
        Ok(true)
    }

    /// Takes an advisory lock until the end of the transaction; false as for [`Transaction::lock_table`].
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock_advisory(&self, _key: AdvisoryKey, _shared: bool, _wait: Wait, _cancel: &CancelFlag) -> Result<bool> {
        Err(Error::unsupported("advisory locks"))
    }

    /// Restarts a sequence for this transaction at once and for good with the commit.
    pub fn restart_sequence(&self, _oid: Oid, _last: i64, _is_called: bool) {}
}

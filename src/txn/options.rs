//! Sizes and switches of the transaction manager, isolation levels, and what it tells about itself.

use std::time::Duration;

/// How a transaction is kept apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Treated as [`Isolation::ReadCommitted`], as in PostgreSQL.
    ReadUncommitted,
    /// Every statement has its own snapshot.
    ReadCommitted,
    /// One snapshot, taken by the first statement; writing a row that changed since fails with `40001`.
    RepeatableRead,
    /// As REPEATABLE READ, and what was read is checked at commit.
    Serializable,
}

impl Isolation {
    /// The level in lower case, as `SHOW transaction_isolation` prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read uncommitted",
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
        }
    }

    /// Whether every statement takes a new snapshot.
    #[must_use]
    pub fn per_statement(self) -> bool {
        matches!(self, Self::ReadUncommitted | Self::ReadCommitted)
    }
}

/// Sizes and switches.
#[derive(Clone, Copy, Debug)]
pub struct TxnOptions {
    /// Whether commits are on disk when acknowledged (synchronous_commit).
    pub sync: bool,
    /// Budget of the row cache, bytes; 0 turns it off.
    pub row_cache_bytes: usize,
    /// Budget of the chunk cache, bytes; 0 turns it off.
    pub scan_cache_bytes: usize,
    /// Changes that a transaction keeps in memory, bytes; more are written ahead of its commit.
    pub spill_bytes: usize,
    /// Most bytes of one group of commits.
    pub group_bytes_max: usize,
}

impl Default for TxnOptions {
    fn default() -> Self {
        Self {
            sync: true,
            row_cache_bytes: 64 << 20,
            scan_cache_bytes: 256 << 20,
            spill_bytes: 64 << 20,
            group_bytes_max: 16 << 20,
        }
    }
}

/// What the manager counts; all since start unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxnStats {
    /// Transactions that committed, read-only ones included.
    pub commits: u64,
    /// Transactions that rolled back.
    pub rollbacks: u64,
    /// Transactions that ended in `40001`.
    pub serialization_failures: u64,
    /// Transactions that ended in `40P01`.
    pub deadlocks: u64,
    /// Groups of commits written.
    pub groups: u64,
    /// Transactions running now.
    pub active: u64,
    /// Newest timestamp that new snapshots see.
    pub visible_ts: u64,
    /// Oldest snapshot in use.
    pub oldest_snapshot: u64,
    /// Superseded versions, deleted rows and retired entries that wait for collection now.
    pub garbage: u64,
    /// What was collected.
    pub collected: u64,
    /// Point reads answered by the row cache.
    pub cache_hits: u64,
    /// Point reads that were not.
    pub cache_misses: u64,
    /// Bytes in the row cache now.
    pub cache_bytes: u64,
    /// Chunks of scans that were found in memory.
    pub chunk_hits: u64,
    /// Chunks of scans that were not.
    pub chunk_misses: u64,
    /// Bytes in the chunk cache now.
    pub chunk_bytes: u64,
}

/// How long to wait for a lock.
pub type LockTimeout = Option<Duration>;

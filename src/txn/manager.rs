//! The transaction manager: what all transactions of a store share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex, RwLock};

use crate::cache::{ChunkCache, RowCache};
use crate::catalog::descriptor::StorageId;
use crate::error::{Error, Result};
use crate::storage::keyspace::mark_key;
use crate::storage::{Cf, Kv, WriteBatch};
use crate::txn::chunks::Chunk;
use crate::txn::counts::Counts;
use crate::txn::inflight::Inserting;
use crate::txn::locks::{ADVISORY_CONFLICTS, AdvisoryKey, LockTable, ROW_CONFLICTS, TABLE_CONFLICTS, WRITTEN};
use crate::txn::options::{Isolation, TxnOptions, TxnStats};
use crate::txn::record::{Garbage, Head, PENDING, u64_at};
use crate::txn::recovery;
use crate::txn::row_store::RowId;
use crate::txn::sequencer::Sequencer;
use crate::txn::sequences::{SequenceSpec, SequenceState, Sequences};
use crate::txn::snapshot::Snapshots;
use crate::txn::transaction::Transaction;
use crate::txn::waits::Waits;
use crate::txn::wide_locks::WideLocks;
use crate::types::Oid;

/// Transaction numbers taken from the store at once.
const IDS_AHEAD: u64 = 10_000;

/// What others know of a running transaction.
pub(super) struct Member {
    pub(super) id: u64,
    pub(super) process: AtomicI32,
    /// Goes up when a part of the transaction is rolled back.
    pub(super) undone: AtomicU64,
    pub(super) ended: Mutex<bool>,
    pub(super) changed: Condvar,
}

/// Removes entries of indexes in memory that are of no use any more; implemented by the tables above.
pub trait Sweeper: Send + Sync {
    /// An entry was retired by a commit that every snapshot sees: key bytes as given to `retire_entry`, and row.
    ///
    /// # Errors
    /// Storage errors.
    fn sweep(&self, manager: &TxnManager, index: StorageId, key: &[u8], row: RowId) -> Result<()>;

    /// A round of garbage collection ends: what could not be swept, because its row was being written, may be now.
    ///
    /// # Errors
    /// Storage errors.
    fn sweep_again(&self, _manager: &TxnManager) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) rollbacks: AtomicU64,
    pub(super) serialization_failures: AtomicU64,
    pub(super) deadlocks: AtomicU64,
    pub(super) groups: AtomicU64,
    pub(super) garbage: AtomicU64,
    pub(super) collected: AtomicU64,
}

/// Shared by all sessions of a store.
pub struct TxnManager {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) options: TxnOptions,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) row_locks: LockTable<(StorageId, RowId)>,
    pub(super) wide_locks: WideLocks,
    pub(super) table_locks: LockTable<Oid>,
    pub(super) advisory_locks: LockTable<AdvisoryKey>,
    pub(super) waits: Waits,
    /// The process of each session that has taken advisory locks.
    pub(super) session_processes: Mutex<HashMap<u64, i32>>,
    pub(super) inserting: Inserting,
    pub(super) cache: RowCache,
    pub(super) chunks: ChunkCache<Arc<Chunk>>,
    /// The last commit that changed rows of a storage, of those since the start.
    pub(super) changes: RwLock<HashMap<StorageId, u64>>,
    pub(super) sequences: Sequences,
    pub(super) counts: Counts,
    /// Commit timestamps of transactions whose rows may be in the store as pending rows. Never shrinks: a reader may
    /// hold such a row in an iterator after it was rewritten.
    pub(super) early: RwLock<HashMap<u64, u64>>,
    /// Those of them that have not been settled, with their commit timestamps.
    pub(super) unsettled: Mutex<Vec<(u64, u64)>>,
    /// Whoever holds it is alone in settling pending rows, or replacing them ahead of a commit.
    pub(super) settling: Mutex<()>,
    pub(super) active: Mutex<HashMap<u64, Arc<Member>>>,
    pub(super) sequencer: Sequencer,
    pub(super) garbage: Mutex<VecDeque<(u64, Vec<Garbage>)>>,
    pub(super) collecting: Mutex<()>,
    pub(super) sweeper: RwLock<Option<Arc<dyn Sweeper>>>,
    pub(super) counters: Counters,
    pub(super) stopping: AtomicBool,
    next_id: AtomicU64,
    ids_logged: Mutex<u64>,
}

impl TxnManager {
    /// Opens the transactions of a store: what a crash left half done is finished or removed.
    ///
    /// # Errors
    /// Storage errors; `XX001` for damaged records, `0A000` for a store of another format version.
    pub fn open(kv: Arc<dyn Kv>, options: TxnOptions) -> Result<Arc<Self>> {
        let newest = recovery::recover(&*kv)?;
        let ids = kv.get(Cf::Default, &mark_key("txn"))?.and_then(|value| u64_at(&value, 0)).unwrap_or(1);
        Ok(Arc::new(Self {
            snapshots: Arc::new(Snapshots::new(newest)),
            row_locks: LockTable::new(ROW_CONFLICTS, false),
            wide_locks: WideLocks::default(),
            table_locks: LockTable::new(TABLE_CONFLICTS, true),
            advisory_locks: LockTable::new(ADVISORY_CONFLICTS, true),
            waits: Waits::default(),
            session_processes: Mutex::default(),
            inserting: Inserting::default(),
            cache: RowCache::new(options.row_cache_bytes),
            chunks: ChunkCache::new(options.scan_cache_bytes),
            changes: RwLock::default(),
            sequences: Sequences::new(Arc::clone(&kv)),
            counts: Counts::default(),
            early: RwLock::default(),
            unsettled: Mutex::default(),
            settling: Mutex::default(),
            active: Mutex::default(),
            sequencer: Sequencer::new(newest),
            garbage: Mutex::default(),
            collecting: Mutex::default(),
            sweeper: RwLock::default(),
            counters: Counters::default(),
            stopping: AtomicBool::new(false),
            next_id: AtomicU64::new(ids),
            ids_logged: Mutex::new(ids),
            kv,
            options,
        }))
    }

    /// The store.
    #[must_use]
    pub fn kv(&self) -> &Arc<dyn Kv> {
        &self.kv
    }

    /// Starts a transaction.
    #[must_use]
    pub fn begin(self: &Arc<Self>, isolation: Isolation, read_only: bool) -> Arc<Transaction> {
        let member = self.enlist(self.take_id());
        Arc::new(Transaction::new(Arc::clone(self), member, isolation, read_only))
    }

    fn enlist(&self, id: u64) -> Arc<Member> {
        let member = Arc::new(Member {
            id,
            process: AtomicI32::new(0),
            undone: AtomicU64::new(0),
            ended: Mutex::new(false),
            changed: Condvar::new(),
        });
        self.active.lock().insert(id, Arc::clone(&member));
        member
    }

    /// A number for a transaction or a session's locks; no number is used again, also after a crash.
    pub(super) fn take_id(&self) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut logged = self.ids_logged.lock();
        if id >= *logged {
            *logged = id + IDS_AHEAD;
            let mut batch = WriteBatch::default();
            batch.put(Cf::Default, mark_key("txn"), logged.to_le_bytes());
            // Whatever carries the number is written later to the same log.
            self.kv.write(batch);
        }
        id
    }

    /// Newest timestamp that new snapshots see.
    #[must_use]
    pub fn visible_ts(&self) -> u64 {
        self.snapshots.visible()
    }

    /// The oldest snapshot in use; versions that ended before it are not needed.
    #[must_use]
    pub fn oldest_snapshot(&self) -> u64 {
        self.snapshots.oldest()
    }

    /// The last commit that changed rows of a storage, 0 when none did since the start: every view from then on sees the same
    /// committed rows of it, until this number is another.
    #[must_use]
    pub fn last_change(&self, storage: StorageId) -> u64 {
        self.changes.read().get(&storage).copied().unwrap_or(0)
    }

    /// Says who keeps indexes in memory.
    pub fn set_sweeper(&self, sweeper: Arc<dyn Sweeper>) {
        *self.sweeper.write() = Some(sweeper);
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> TxnStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let cache = self.cache.stats();
        let chunks = self.chunks.stats();
        TxnStats {
            commits: load(&self.counters.commits),
            rollbacks: load(&self.counters.rollbacks),
            serialization_failures: load(&self.counters.serialization_failures),
            deadlocks: load(&self.counters.deadlocks),
            groups: load(&self.counters.groups),
            active: self.active.lock().len() as u64,
            visible_ts: self.visible_ts(),
            oldest_snapshot: self.oldest_snapshot(),
            garbage: load(&self.counters.garbage),
            collected: load(&self.counters.collected),
            cache_hits: cache.hits,
            cache_misses: cache.misses,
            cache_bytes: cache.bytes,
            chunk_hits: chunks.hits,
            chunk_misses: chunks.misses,
            chunk_bytes: chunks.bytes,
        }
    }

    /// Refuses commits that write from now on and moves what is in memory to disk.
    pub fn shutdown(&self) {
        self.stopping.store(true, Ordering::Release);
        // Whoever is in the middle of a commit finishes first.
        drop(self.sequencer.order.lock());
        self.sync_line();
        self.publish_ready();
        self.kv.flush();
    }

    pub(super) fn check_running(&self) -> Result<()> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(Error::fatal(
                crate::error::SqlState::ADMIN_SHUTDOWN,
                "terminating connection due to administrator command",
            ));
        }
        Ok(())
    }

    /// The commit timestamp of a stored row; `None` when its transaction has not committed.
    #[inline]
    pub(super) fn commit_of(&self, head: Head) -> Option<u64> {
        if head.is(PENDING) { self.early.read().get(&head.ts).copied() } else { Some(head.ts) }
    }

    /// The next value of a sequence; never the same again, whatever rolls back or crashes.
    ///
    /// # Errors
    /// `2200H` when it is used up; storage errors.
    pub fn sequence_next(&self, oid: Oid, spec: &SequenceSpec<'_>) -> Result<i64> {
        self.sequences.next(oid, spec)
    }

    /// Sets a sequence at once; the next value is `last`, or the one after it when `is_called`.
    ///
    /// # Errors
    /// None today.
    pub fn sequence_set(&self, oid: Oid, last: i64, is_called: bool) -> Result<()> {
        self.sequences.set(oid, SequenceState { last, is_called });
        Ok(())
    }

    /// The state of a sequence; `None` when it was never used nor set: then it stands at its start.
    ///
    /// # Errors
    /// Storage errors.
    pub fn sequence_state(&self, oid: Oid) -> Result<Option<SequenceState>> {
        self.sequences.state(oid)
    }

    /// Whether a running transaction has inserted, changed or deleted a row.
    #[must_use]
    pub fn in_flight(&self, storage: StorageId, row: RowId) -> bool {
        self.writer_of(storage, row).is_some()
    }

    pub(super) fn writer_of(&self, storage: StorageId, row: RowId) -> Option<u64> {
        let inserter = self.inserting.owner(storage, row);
        let writer = inserter.or_else(|| self.row_locks.holder_of((storage, row), WRITTEN));
        writer.or_else(|| self.wide_locks.holder_of((storage, row), WRITTEN))
    }
}

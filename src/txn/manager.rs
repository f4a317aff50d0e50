//! The transaction manager.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::storage::Kv;
use crate::txn::options::{Isolation, TxnOptions, TxnStats};
use crate::txn::sequences::{SequenceSpec, SequenceState};
use crate::txn::transaction::Transaction;
use crate::types::Oid;

/// Shared by all sessions of a store.
pub struct TxnManager {
    options: TxnOptions,
}

impl TxnManager {
    /// Opens the transactions of a store.
    ///
    /// # Errors
    /// Storage errors.
    pub fn open(_kv: Arc<dyn Kv>, options: TxnOptions) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { options }))
    }

    /// Starts a transaction.
    #[must_use]
    pub fn begin(self: &Arc<Self>, isolation: Isolation, read_only: bool) -> Arc<Transaction> {
        let _ = self.options;
        Arc::new(Transaction::stub(isolation, read_only))
    }

    /// Newest timestamp that new snapshots see.
    #[must_use]
    pub fn visible_ts(&self) -> u64 {
        0
    }

    /// The oldest snapshot in use.
    #[must_use]
    pub fn oldest_snapshot(&self) -> u64 {
        0
    }

    /// Removes what no snapshot needs; for a background thread. Returns the number of things removed.
    ///
    /// # Errors
    /// Storage errors.
    pub fn collect_garbage(&self) -> Result<u64> {
        Ok(0)
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> TxnStats {
        TxnStats::default()
    }

    /// Flushes and refuses further commits.
    pub fn shutdown(&self) {}

    /// The next value of a sequence.
    ///
    /// # Errors
    /// `2200H` when it is used up.
    pub fn sequence_next(&self, _oid: Oid, _spec: &SequenceSpec<'_>) -> Result<i64> {
        Err(Error::unsupported("nextval"))
    }

    /// Sets a sequence at once; the next value is `last`, or the one after it when `is_called`.
    ///
    /// # Errors
    /// Storage errors.
    pub fn sequence_set(&self, _oid: Oid, _last: i64, _is_called: bool) -> Result<()> {
        Err(Error::unsupported("setval"))
    }

    /// The state of a sequence; `None` when it was never used nor set: then it stands at its start.
    ///
    /// # Errors
    /// Storage errors.
    pub fn sequence_state(&self, _oid: Oid) -> Result<Option<SequenceState>> {
        Ok(None)
    }
}

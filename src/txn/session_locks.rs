//! Advisory locks that outlive transactions.

use std::sync::Arc;

use crate::common::CancelFlag;
use crate::error::{Error, Result};
use crate::txn::locks::AdvisoryKey;
use crate::txn::manager::TxnManager;
use crate::txn::row_store::Wait;
use crate::txn::transaction::Transaction;

/// A session's advisory locks; all are released when it is dropped.
pub struct SessionLocks {
    manager: Arc<TxnManager>,
}

impl SessionLocks {
    /// No locks yet.
    #[must_use]
    pub fn new(manager: &Arc<TxnManager>) -> Self {
        Self { manager: Arc::clone(manager) }
    }

    /// Takes a lock, once more if it is held already. `txn` is the session's running transaction: it is the one that
    /// waits. False when `wait` is not [`Wait::Block`] and another session holds the key.
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock(
        &self,
        _txn: &Transaction,
        _key: AdvisoryKey,
        _shared: bool,
        _wait: Wait,
        _cancel: &CancelFlag,
    ) -> Result<bool> {
        let _ = &self.manager;
        Err(Error::unsupported("advisory locks"))
    }

    /// Releases a lock once; false when it is not held in that mode.
    pub fn unlock(&self, _key: AdvisoryKey, _shared: bool) -> bool {
        false
    }

    /// Releases all.
    pub fn unlock_all(&self) {}
}

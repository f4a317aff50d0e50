//! Advisory locks that outlive transactions.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::common::CancelFlag;
use crate::error::Result;
use crate::txn::lock_view::LockTarget;
use crate::txn::locks::{AdvisoryKey, Party};
use crate::txn::manager::TxnManager;
use crate::txn::row_store::Wait;
use crate::txn::transaction::Transaction;

/// A session's advisory locks; all are released when it is dropped.
pub struct SessionLocks {
    manager: Arc<TxnManager>,
    /// Stands for the session among owners of locks.
    id: u64,
    /// How often each lock was taken, by key and whether it is shared.
    held: Mutex<HashMap<(AdvisoryKey, bool), u32>>,
}

impl SessionLocks {
    /// No locks yet.
    #[must_use]
    pub fn new(manager: &Arc<TxnManager>) -> Self {
        Self { manager: Arc::clone(manager), id: manager.take_id(), held: Mutex::default() }
    }

    /// Makes a transaction of this session not conflict with the session's locks. Called for every transaction of a
    /// session that has taken one; [`SessionLocks::lock`] does it too.
    pub fn attach(&self, txn: &Transaction) {
        txn.set_session(self.id);
    }

    /// Takes a lock, once more if it is held already. `txn` is the session's running transaction: it is the one that
    /// waits. False when `wait` is not [`Wait::Block`] and another session holds the key.
    ///
    /// # Errors
    /// `40P01`, `55P03` by lock_timeout, `57014`.
    pub fn lock(
        &self,
        txn: &Transaction,
        key: AdvisoryKey,
        shared: bool,
        wait: Wait,
        cancel: &CancelFlag,
    ) -> Result<bool> {
        self.attach(txn);
        let party = Party { owner: self.id, twin: Some(txn.id()), ..txn.party(cancel) };
        let taken = self
            .manager
            .advisory_locks
            .acquire(key, u8::from(!shared), wait, &party, |_| LockTarget::Advisory(key, shared));
        let taken = taken.map_err(|error| txn.count_failure(error))?.is_some();
        if taken {
            self.manager.session_processes.lock().insert(self.id, party.process);
            *self.held.lock().entry((key, shared)).or_default() += 1;
        }
        Ok(taken)
    }

    /// Releases a lock once; false when it is not held in that mode.
    pub fn unlock(&self, key: AdvisoryKey, shared: bool) -> bool {
        let mut held = self.held.lock();
        let Some(count) = held.get_mut(&(key, shared)) else { return false };
        *count -= 1;
        if *count == 0 {
            held.remove(&(key, shared));
            let other = u16::from(held.contains_key(&(key, !shared)));
            // Bit 0 is the shared mode, bit 1 the exclusive one.
            self.manager.advisory_locks.release(key, self.id, if shared { other << 1 } else { other });
        }
        true
    }

    /// Releases all.
    pub fn unlock_all(&self) {
        for ((key, _), _) in self.held.lock().drain() {
            self.manager.advisory_locks.release(key, self.id, 0);
        }
    }
}

impl Drop for SessionLocks {
    fn drop(&mut self) {
        self.unlock_all();
        self.manager.session_processes.lock().remove(&self.id);
    }
}

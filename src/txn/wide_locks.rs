//! Row locks of transactions that hold very many.
//!
//! The lock table costs over a hundred bytes a row. A transaction that has taken some thousands of row locks moves those
//! that nobody else has an interest in here, where a row is a bit in a set per owner, savepoint and modes. The order of
//! steps makes a lock visible in at least one place at any time: it is entered here before it leaves the lock table,
//! and whoever takes a lock looks here before and after taking it there. Waiting for a lock that is here is waiting for the
//! transaction to end, or to roll back to a savepoint.

use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::catalog::descriptor::StorageId;
use crate::common::{CancelFlag, RowSet};
use crate::error::Result;
use crate::txn::buffer::Held;
use crate::txn::locks::{Modes, ROW_CONFLICTS};
use crate::txn::row_store::{RowId, RowIdRange, Wait};
use crate::txn::transaction::{TOKEN_UNDONE, Transaction, token};

/// Locks that a transaction takes before the first are moved, and then again. Few in tests.
const HELD_STEP: usize = if cfg!(test) { 4 } else { 16_384 };

struct Holder {
    owner: u64,
    /// The last savepoint that stood when the locks were taken, or 0.
    since: u64,
    modes: Modes,
    rows: RowSet,
}

/// Row locks by storage and owner.
#[derive(Default)]
pub(super) struct WideLocks {
    storages: RwLock<HashMap<StorageId, Vec<Holder>>>,
    /// Number of holders; spares others the lock.
    holders: AtomicUsize,
}

impl WideLocks {
    fn find<T>(&self, (storage, row): (StorageId, RowId), mut wanted: impl FnMut(&Holder) -> Option<T>) -> Option<T> {
        if self.holders.load(Ordering::Acquire) == 0 {
            return None;
        }
        let storages = self.storages.read();
        storages.get(&storage)?.iter().find_map(|holder| wanted(holder).filter(|_| holder.rows.contains(row)))
    }

    /// The owner that holds any of these modes, if there is one.
    pub(super) fn holder_of(&self, key: (StorageId, RowId), modes: Modes) -> Option<u64> {
        self.find(key, |holder| (holder.modes & modes != 0).then_some(holder.owner))
    }

    /// Whether an owner holds one of these modes.
    pub(super) fn holds(&self, key: (StorageId, RowId), owner: u64, modes: Modes) -> bool {
        self.find(key, |holder| (holder.owner == owner && holder.modes & modes != 0).then_some(())).is_some()
    }

    /// Another owner whose lock is in the way of a mode.
    fn obstacle(&self, key: (StorageId, RowId), owner: u64, mode: u8) -> Option<u64> {
        let conflicts = ROW_CONFLICTS[usize::from(mode)];
        self.find(key, |holder| (holder.owner != owner && holder.modes & conflicts != 0).then_some(holder.owner))
    }

    /// Whether another owner's lock is in the way of a mode.
    pub(super) fn is_obstructed(&self, key: (StorageId, RowId), owner: u64, mode: u8) -> bool {
        self.obstacle(key, owner, mode).is_some()
    }

    fn add(&self, (storage, row): (StorageId, RowId), owner: u64, since: u64, modes: Modes) {
        let mut storages = self.storages.write();
        let holders = storages.entry(storage).or_default();
        let same = |holder: &&mut Holder| (holder.owner, holder.since, holder.modes) == (owner, since, modes);
        if let Some(holder) = holders.iter_mut().find(same) {
            holder.rows.insert(row);
            return;
        }
        let mut rows = RowSet::default();
        rows.insert(row);
        holders.push(Holder { owner, since, modes, rows });
        self.holders.fetch_add(1, Ordering::Release);
    }

    fn remove(&self, (storage, row): (StorageId, RowId), owner: u64, since: u64, modes: Modes) {
        let mut storages = self.storages.write();
        let same = |holder: &&mut Holder| (holder.owner, holder.since, holder.modes) == (owner, since, modes);
        if let Some(holder) = storages.get_mut(&storage).and_then(|holders| holders.iter_mut().find(same)) {
            holder.rows.remove(row);
        }
    }

    /// Lets go of all locks of an owner on some rows.
    pub(super) fn release_rows(&self, owner: u64, storage: StorageId, rows: &RowIdRange) {
        if self.holders.load(Ordering::Acquire) > 0
            && let Some(holders) = self.storages.write().get_mut(&storage)
        {
            holders.iter_mut().filter(|holder| holder.owner == owner).for_each(|holder| holder.rows.remove_range(rows));
        }
    }

    /// Lets go of an owner's locks taken since a savepoint; 0 is all.
    pub(super) fn release_since(&self, owner: u64, savepoint: u64) {
        if self.holders.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut storages = self.storages.write();
        let mut gone = 0;
        storages.retain(|_, holders| {
            let before = holders.len();
            holders.retain(|holder| holder.owner != owner || holder.since < savepoint);
            gone += before - holders.len();
            !holders.is_empty()
        });
        self.holders.fetch_sub(gone, Ordering::Release);
    }
}

impl Transaction {
    /// Waits until no lock here is in the way of a mode; false when there is one and the caller does not wait.
    pub(super) fn wait_for_wide(
        &self,
        key: (StorageId, RowId),
        mode: u8,
        wait: Wait,
        cancel: &CancelFlag,
    ) -> Result<bool> {
        let wide = &self.manager.wide_locks;
        while let Some(holder) = wide.obstacle(key, self.member.id, mode) {
            if wait != Wait::Block {
                return Ok(false);
            }
            let undone = token(&self.manager, holder) & TOKEN_UNDONE;
            // A rollback to a savepoint before this look is no news to wait for.
            if wide.obstacle(key, self.member.id, mode).is_some() {
                self.wait_for_member(holder, undone, cancel)?;
            }
        }
        Ok(true)
    }

    /// Moves row locks to the smaller form when there are many.
    pub(super) fn limit_held(&self) {
        let mut buffer = self.buffer.lock();
        if buffer.held.len() <= buffer.held_max.max(HELD_STEP) {
            return;
        }
        let (locks, wide, owner) = (&self.manager.row_locks, &self.manager.wide_locks, self.member.id);
        // Locks that were made stronger after a savepoint stay: a rollback to it has to find the weaker one.
        let mut moving: HashMap<(StorageId, RowId), (u64, Modes)> = HashMap::new();
        buffer.held_since(|held, since| {
            let Held::Row(key, before) = held else { return };
            if *before != 0 {
                if moving.get(key).is_some_and(|(first, _)| *first != since) {
                    moving.remove(key);
                }
            } else if let Some(modes) = locks.sole_modes(*key, owner) {
                moving.insert(*key, (since, modes));
            }
        });
        for (key, (since, modes)) in &moving {
            wide.add(*key, owner, *since, *modes);
        }
        moving.retain(|key, (since, modes)| {
            let moved = locks.release_sole(*key, owner, *modes);
            if !moved {
                wide.remove(*key, owner, *since, *modes);
            }
            moved
        });
        buffer.sift_held(|held, _| !matches!(held, Held::Row(key, _) if moving.contains_key(key)));
        buffer.held_max = 2 * buffer.held.len() + HELD_STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_there_until_its_owner_or_its_savepoint_ends() {
        let wide = WideLocks::default();
        let key = |row| (StorageId(3), row);
        wide.add(key(1), 7, 0, 0b1_0100);
        wide.add(key(2), 7, 5, 0b1_0100);
        assert_eq!(wide.obstacle(key(1), 8, 2), Some(7));
        assert_eq!(wide.obstacle(key(1), 8, 0), None);
        assert_eq!(wide.obstacle(key(1), 7, 2), None);
        assert_eq!((wide.holder_of(key(2), 0b1_0000), wide.holder_of(key(3), 0b1_0000)), (Some(7), None));
        wide.release_since(7, 5);
        assert!(wide.holds(key(1), 7, 0b100) && !wide.holds(key(2), 7, 0b100));
        wide.add(key(4), 7, 2, 0b1_0100);
        wide.release_rows(7, StorageId(3), &(1..4));
        wide.release_rows(8, StorageId(3), &(1..9));
        assert!(!wide.holds(key(1), 7, 0b100) && wide.holds(key(4), 7, 0b100));
        wide.release_since(7, 0);
        assert_eq!(wide.holders.load(Ordering::Relaxed), 0);
        assert!(wide.holder_of(key(1), !0).is_none());
    }
}

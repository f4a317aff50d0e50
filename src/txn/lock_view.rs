//! What `pg_locks` and `pg_blocking_pids` show of the lock tables and the waits-for graph.
//!
//! A picture taken part by part while others go on: a lock may be let go between two parts. Row locks that nobody waits for
//! are not listed, as in PostgreSQL, where they stand in the rows; who waits for a row waits for its transaction.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::txn::locks::{AdvisoryKey, TableLock};
use crate::txn::manager::TxnManager;
use crate::types::Oid;

/// What a lock is on, with the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockTarget {
    /// The end of another transaction.
    Transaction(u64),
    /// A table.
    Relation(Oid, TableLock),
    /// An advisory key, and whether the lock is shared.
    Advisory(AdvisoryKey, bool),
}

impl LockTarget {
    /// PostgreSQL's name of the mode; a wait for a transaction is a share lock on its number.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Transaction(_) | Self::Advisory(_, true) => TableLock::Share.name(),
            Self::Relation(_, mode) => mode.name(),
            Self::Advisory(_, false) => TableLock::Exclusive.name(),
        }
    }

    /// PostgreSQL's name of the kind, also that of the wait event.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transaction(_) => "transactionid",
            Self::Relation(..) => "relation",
            Self::Advisory(..) => "advisory",
        }
    }
}

/// As in a deadlock report of PostgreSQL.
impl fmt::Display for LockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on ", self.mode())?;
        match self {
            Self::Transaction(id) => write!(f, "transaction {id}"),
            Self::Relation(oid, _) => write!(f, "relation {oid}"),
            // Database, two key halves, key space.
            Self::Advisory(AdvisoryKey::Big(key), _) => {
                write!(f, "advisory lock [0,{},{},1]", (*key as u64) >> 32, *key as u32)
            }
            Self::Advisory(AdvisoryKey::Pair(first, second), _) => {
                write!(f, "advisory lock [0,{},{},2]", first.cast_unsigned(), second.cast_unsigned())
            }
        }
    }
}

/// A lock that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// The backend's process number; 0 when its owner is not a session.
    pub process: i32,
    /// What it is on.
    pub on: LockTarget,
}

/// A lock that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedLock {
    /// The backend that waits.
    pub process: i32,
    /// What for.
    pub on: LockTarget,
    /// The backends in the way that are still there.
    pub blockers: Vec<i32>,
}

impl TxnManager {
    /// The process behind an owner of locks: a transaction that runs, or a session.
    fn process_of(&self, owner: u64) -> Option<i32> {
        let running = self.active.lock().get(&owner).map(|member| member.process.load(Ordering::Relaxed));
        running.or_else(|| self.session_processes.lock().get(&owner).copied())
    }

    /// Table and advisory locks held now, and the transactions that others wait for.
    #[must_use]
    pub fn held_locks(&self) -> Vec<HeldLock> {
        let mut locks = Vec::new();
        for (table, owner, modes) in self.table_locks.held() {
            let process = self.process_of(owner).unwrap_or(0);
            let held = TableLock::ALL.into_iter().filter(|mode| modes & (1 << *mode as u16) != 0);
            locks.extend(held.map(|mode| HeldLock { process, on: LockTarget::Relation(table, mode) }));
        }
        for (key, owner, modes) in self.advisory_locks.held() {
            let process = self.process_of(owner).unwrap_or(0);
            let held = [true, false].into_iter().filter(|shared| modes & (1 << u16::from(!shared)) != 0);
            locks.extend(held.map(|shared| HeldLock { process, on: LockTarget::Advisory(key, shared) }));
        }
        locks
    }

    /// Everybody who waits for a lock. Blockers that have ended since the wait began are left out, and so is a wait
    /// without any: it is about to end.
    #[must_use]
    pub fn awaited_locks(&self) -> Vec<AwaitedLock> {
        let waiting = self.waits.all();
        let awaited = waiting.into_iter().map(|(process, on, blockers)| {
            let mut blockers: Vec<i32> = blockers.into_iter().filter_map(|owner| self.process_of(owner)).collect();
            blockers.sort_unstable();
            blockers.dedup();
            AwaitedLock { process, on, blockers }
        });
        awaited.filter(|lock| !lock.blockers.is_empty()).collect()
    }

    /// Processes that a transaction waits for.
    #[must_use]
    pub fn blocking_processes(&self, txn: u64) -> Vec<i32> {
        self.waits.blockers(txn).into_iter().filter_map(|owner| self.process_of(owner)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_as_in_deadlock_reports() {
        for (on, told) in [
            (LockTarget::Transaction(12), "ShareLock on transaction 12"),
            (LockTarget::Relation(Oid(7), TableLock::AccessExclusive), "AccessExclusiveLock on relation 7"),
            (LockTarget::Advisory(AdvisoryKey::Big((1 << 32) + 5), false), "ExclusiveLock on advisory lock [0,1,5,1]"),
            (LockTarget::Advisory(AdvisoryKey::Pair(-1, 5), true), "ShareLock on advisory lock [0,4294967295,5,2]"),
        ] {
            assert_eq!(on.to_string(), told);
        }
    }
}

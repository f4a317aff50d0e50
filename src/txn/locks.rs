//! Lock tables: who holds what in which modes, who waits.
//!
//! One structure serves rows (four strengths), tables (eight modes) and advisory keys (two). A holder is a party with a set
//! of modes; a party never conflicts with itself. Waiters queue. A newcomer to a table or an advisory key stands behind earlier
//! waiters whose mode conflicts with its own, so that a stream of readers does not starve data definition; a newcomer to a row passes
//! them when no holder is in its way, as in PostgreSQL, so that foreign keys do not wait behind a waiter. Waiting
//! polls the cancel flag, and every wait is in the waits-for graph.

use std::hash::{BuildHasher, Hash};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry as MapEntry;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::common::{CancelFlag, clock};
use crate::error::Result;
use crate::txn::lock_view::LockTarget;
use crate::txn::row_store::{Strength, Wait};
use crate::txn::waits::Waits;

/// PostgreSQL's table lock modes, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TableLock {
    AccessShare = 1,
    RowShare = 2,
    RowExclusive = 3,
    ShareUpdateExclusive = 4,
    Share = 5,
    ShareRowExclusive = 6,
    Exclusive = 7,
    AccessExclusive = 8,
}

impl TableLock {
    /// All modes.
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The name in `pg_locks` and in deadlock reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }
}

/// The key of an advisory lock: the two spaces do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AdvisoryKey {
    /// One bigint.
    Big(i64),
    /// Two integers.
    Pair(i32, i32),
}

/// A set of modes, one bit each.
pub(super) type Modes = u16;

/// Conflicts of row strengths by [`Strength`]: PostgreSQL's table 13.3.
pub(super) const ROW_CONFLICTS: &[Modes] = &[0b1000, 0b1100, 0b1110, 0b1111];
/// The holder has changed the row; conflicts with nothing by itself.
pub(super) const WRITTEN: Modes = 1 << 4;
/// Conflicts of table modes by number: PostgreSQL's table 13.2.
pub(super) const TABLE_CONFLICTS: &[Modes] = &[
    0,
    1 << 8,
    (1 << 7) | (1 << 8),
    (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8),
    0b1_1111_0000,
    (1 << 3) | (1 << 4) | (1 << 6) | (1 << 7) | (1 << 8),
    0b1_1111_1000,
    0b1_1111_1100,
    0b1_1111_1110,
];
/// Conflicts of shared (0) and exclusive (1) advisory locks.
pub(super) const ADVISORY_CONFLICTS: &[Modes] = &[0b10, 0b11];

/// How often a waiter looks at its cancel flag.
const POLL: Duration = Duration::from_millis(20);
const SHARDS: usize = 64;

/// The mode of a row strength.
pub(super) fn row_mode(strength: Strength) -> u8 {
    match strength {
        Strength::KeyShare => 0,
        Strength::Share => 1,
        Strength::NoKeyUpdate => 2,
        Strength::Update => 3,
    }
}

/// Who asks for a lock.
pub(super) struct Party<'a> {
    /// The transaction or session that will hold it.
    pub(super) owner: u64,
    /// Another party that is the same session: no conflict with it.
    pub(super) twin: Option<u64>,
    /// The transaction that waits.
    pub(super) waiter: u64,
    /// Its session, if it holds session locks.
    pub(super) session: Option<u64>,
    pub(super) process: i32,
    pub(super) timeout: Option<Duration>,
    pub(super) cancel: &'a CancelFlag,
    pub(super) waits: &'a Waits,
}

/// Fails when a lock wait has lasted too long.
pub(super) fn check_timeout(started: Instant, timeout: Option<Duration>) -> Result<()> {
    if timeout.is_some_and(|timeout| clock::monotonic().duration_since(started) >= timeout) {
        crate::bail!(LOCK_NOT_AVAILABLE, "canceling statement due to lock timeout");
    }
    Ok(())
}

/// How long to sleep before looking around again.
pub(super) fn poll_for(started: Instant, timeout: Option<Duration>) -> Duration {
    timeout.map_or(POLL, |timeout| timeout.saturating_sub(clock::monotonic().duration_since(started)).min(POLL))
}

#[derive(Clone, Copy)]
struct Holder {
    owner: u64,
    modes: Modes,
}

#[derive(Default)]
struct Entry {
    holders: Vec<Holder>,
    waiters: Vec<(u64, u8)>,
}

impl Entry {
    fn modes_of(&self, owner: u64) -> Modes {
        self.holders.iter().find(|holder| holder.owner == owner).map_or(0, |holder| holder.modes)
    }

    fn sole(&self, owner: u64) -> Option<Modes> {
        match self.holders.as_slice() {
            [holder] if holder.owner == owner && self.waiters.is_empty() => Some(holder.modes),
            _ => None,
        }
    }

    fn set(&mut self, owner: u64, modes: Modes) {
        match self.holders.iter_mut().find(|holder| holder.owner == owner) {
            Some(holder) => holder.modes = modes,
            None => self.holders.push(Holder { owner, modes }),
        }
    }
}

struct Shard<K> {
    entries: Mutex<HashMap<K, Entry>>,
    freed: Condvar,
}

/// Locks on keys of one kind.
pub(super) struct LockTable<K> {
    shards: Box<[Shard<K>]>,
    hasher: foldhash::fast::RandomState,
    conflicts: &'static [Modes],
    /// Whether a newcomer that meets no holder's lock stands behind waiters all the same.
    queues: bool,
}

impl<K: Hash + Eq + Copy> LockTable<K> {
    pub(super) fn new(conflicts: &'static [Modes], queues: bool) -> Self {
        let shard = || Shard { entries: Mutex::default(), freed: Condvar::new() };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            conflicts,
            queues,
        }
    }

    fn shard(&self, key: &K) -> &Shard<K> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// Takes a lock: the modes that the owner had before; `None` when it is taken and the caller does not want to wait.
    ///
    /// # Errors
    /// `40P01`, `55P03`, `57014` while waiting.
    pub(super) fn acquire(
        &self,
        key: K,
        mode: u8,
        wait: Wait,
        party: &Party<'_>,
        target: impl Fn(u64) -> LockTarget,
    ) -> Result<Option<Modes>> {
        let shard = self.shard(&key);
        let mut entries = shard.entries.lock();
        let entry = entries.entry(key).or_default();
        let before = entry.modes_of(party.owner);
        if before & (1 << mode) != 0 {
            return Ok(Some(before));
        }
        if self.obstacles(entry, mode, party, self.queues && wait == Wait::Block).is_empty() {
            entry.set(party.owner, before | (1 << mode));
            return Ok(Some(before));
        }
        if wait != Wait::Block {
            return Ok(None);
        }
        entry.waiters.push((party.waiter, mode));
        let outcome = self.wait(shard, &mut entries, key, mode, party, target);
        party.waits.leave(party.waiter, party.session);
        let entry = entries.get_mut(&key).expect("a waiter keeps the entry");
        entry.waiters.retain(|waiter| *waiter != (party.waiter, mode));
        if outcome.is_ok() {
            entry.set(party.owner, before | (1 << mode));
        } else if entry.holders.is_empty() && entry.waiters.is_empty() {
            entries.remove(&key);
        }
        // Whoever stood behind this waiter looks again.
        shard.freed.notify_all();
        outcome.map(|()| Some(before))
    }

    fn wait(
        &self,
        shard: &Shard<K>,
        entries: &mut MutexGuard<'_, HashMap<K, Entry>>,
        key: K,
        mode: u8,
        party: &Party<'_>,
        target: impl Fn(u64) -> LockTarget,
    ) -> Result<()> {
        let started = clock::monotonic();
        let mut entered: Vec<u64> = Vec::new();
        loop {
            let entry = entries.get(&key).expect("a waiter keeps the entry");
            let obstacles = self.obstacles(entry, mode, party, true);
            let Some(first) = obstacles.first() else { return Ok(()) };
            if obstacles != entered {
                let on = target(*first);
                party.waits.enter(party.waiter, party.session, party.process, obstacles.clone(), on)?;
                entered = obstacles;
            }
            shard.freed.wait_for(entries, poll_for(started, party.timeout));
            party.cancel.check()?;
            check_timeout(started, party.timeout)?;
        }
    }

    /// The parties in the way: holders, and waiters that came before when the caller would queue.
    fn obstacles(&self, entry: &Entry, mode: u8, party: &Party<'_>, queue: bool) -> Vec<u64> {
        let conflicts = self.conflicts[usize::from(mode)];
        let other = |owner: u64| owner != party.owner && Some(owner) != party.twin;
        let holders = entry.holders.iter().filter(|h| h.modes & conflicts != 0 && other(h.owner)).map(|h| h.owner);
        let mut obstacles: Vec<u64> = holders.collect();
        // Who holds a weaker lock already does not queue: those behind it wait for that lock.
        if queue && entry.modes_of(party.owner) == 0 {
            let ahead = entry.waiters.iter().take_while(|waiter| waiter.0 != party.waiter);
            obstacles.extend(ahead.filter(|waiter| conflicts & (1 << waiter.1) != 0).map(|waiter| waiter.0));
        }
        obstacles
    }

    /// Adds modes to those of a holder, without asking; returns those it had.
    pub(super) fn mark(&self, key: K, owner: u64, modes: Modes) -> Modes {
        let mut entries = self.shard(&key).entries.lock();
        let entry = entries.entry(key).or_default();
        let before = entry.modes_of(owner);
        entry.set(owner, before | modes);
        before
    }

    /// Leaves an owner these modes, none as a rule.
    pub(super) fn release(&self, key: K, owner: u64, keep: Modes) {
        let shard = self.shard(&key);
        let mut entries = shard.entries.lock();
        let MapEntry::Occupied(mut entry) = entries.entry(key) else { return };
        let state = entry.get_mut();
        if keep == 0 {
            state.holders.retain(|holder| holder.owner != owner);
        } else {
            state.set(owner, keep);
        }
        if !state.waiters.is_empty() {
            shard.freed.notify_all();
        } else if state.holders.is_empty() {
            entry.remove();
        }
    }

    /// The modes of an owner on a key that nobody else holds or waits for.
    pub(super) fn sole_modes(&self, key: K, owner: u64) -> Option<Modes> {
        let entries = self.shard(&key).entries.lock();
        entries.get(&key).and_then(|entry| entry.sole(owner))
    }

    /// Lets go of a key if nobody else holds or waits for it and the owner has just these modes; whether it did.
    pub(super) fn release_sole(&self, key: K, owner: u64, modes: Modes) -> bool {
        let mut entries = self.shard(&key).entries.lock();
        let sole = entries.get(&key).and_then(|entry| entry.sole(owner)) == Some(modes);
        if sole {
            entries.remove(&key);
        }
        sole
    }

    /// The owner that holds any of these modes, if there is one.
    pub(super) fn holder_of(&self, key: K, modes: Modes) -> Option<u64> {
        let entries = self.shard(&key).entries.lock();
        entries.get(&key)?.holders.iter().find(|holder| holder.modes & modes != 0).map(|holder| holder.owner)
    }

    /// Everything that is held, for `pg_locks`: key, owner, modes.
    pub(super) fn held(&self) -> Vec<(K, u64, Modes)> {
        let mut held = Vec::new();
        for shard in &self.shards {
            let entries = shard.entries.lock();
            held.extend(entries.iter().flat_map(|(key, e)| e.holders.iter().map(|h| (*key, h.owner, h.modes))));
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conflict_tables_are_symmetric() {
        for table in [ROW_CONFLICTS, TABLE_CONFLICTS, ADVISORY_CONFLICTS] {
            for (a, conflicts) in table.iter().enumerate() {
                for (b, others) in table.iter().enumerate() {
                    assert_eq!(conflicts >> b & 1, others >> a & 1, "{a} against {b}");
                }
            }
        }
    }

    #[test]
    fn locks_conflict_wait_and_time_out() {
        let (waits, cancel) = (Waits::default(), CancelFlag::new());
        let table: LockTable<u32> = LockTable::new(ROW_CONFLICTS, false);
        let timeout = Some(Duration::from_millis(5));
        let party = |owner| Party {
            owner,
            twin: None,
            waiter: owner,
            session: None,
            process: 0,
            timeout,
            cancel: &cancel,
            waits: &waits,
        };
        let take = |owner, mode, wait| table.acquire(7, mode, wait, &party(owner), LockTarget::Transaction);
        assert_eq!(take(1, 0, Wait::Block).unwrap(), Some(0));
        assert_eq!(take(2, 2, Wait::Skip).unwrap(), Some(0));
        assert_eq!(take(3, 3, Wait::NoWait).unwrap(), None);
        assert_eq!(take(3, 3, Wait::Block).unwrap_err().sqlstate().as_str(), "55P03");
        table.release(7, 1, 0);
        assert_eq!(table.holder_of(7, 0b100), Some(2));
        table.release(7, 2, 0);
        assert_eq!(take(3, 3, Wait::Block).unwrap(), Some(0));
        assert_eq!(take(3, 1, Wait::Block).unwrap(), Some(0b1000));
        table.release(7, 3, 0);
        assert!(table.held().is_empty());
    }
}

//! Sequences: numbers that are never given out twice, whatever rolls back or crashes.
//!
//! A sequence's state in the store runs ahead of the one in memory by up to 32 values: after a crash it goes on behind
//! them, as PostgreSQL's does. The log of that is forced to disk by the next commit, so a value is not shown to anyone
//! outside before it is safe. State: `last i64 | is_called u8`, little-endian. A restart inside a transaction is
//! in force at once for that transaction, which holds the sequence's lock, and is stored by its commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::storage::keyspace::sequence_key;
use crate::storage::{Cf, Kv, WriteBatch};
use crate::types::Oid;

/// Values that the store is ahead.
const LOGGED_AHEAD: i64 = 32;

/// What a sequence is like, for taking its next value.
#[derive(Clone, Copy, Debug)]
pub struct SequenceSpec<'a> {
    /// Its name, for errors.
    pub name: &'a str,
    /// First value.
    pub start: i64,
    /// Step, not 0.
    pub increment: i64,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// Whether it goes on from the other end.
    pub cycle: bool,
    /// Values that a session may take at once.
    pub cache: i64,
}

/// Where a sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceState {
    /// The last value given out, or the first to be given out.
    pub last: i64,
    /// Whether `last` has been given out.
    pub is_called: bool,
}

impl SequenceState {
    /// The stored form, as the value of [`sequence_key`].
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = self.last.to_le_bytes().to_vec();
        bytes.push(u8::from(self.is_called));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first_chunk::<8>() {
            Some((last, [called])) => Ok(Self { last: i64::from_le_bytes(*last), is_called: *called != 0 }),
            _ => Err(Error::corrupt("stored sequence state is damaged")),
        }
    }
}

struct Live {
    state: SequenceState,
    /// Values that may be given out before the store has to be written.
    logged: i64,
    /// A restart that its transaction has not committed: nothing is stored.
    uncommitted: bool,
}

/// All sequences in use.
pub(super) struct Sequences {
    kv: Arc<dyn Kv>,
    live: Mutex<HashMap<Oid, Live>>,
    /// States that were stored, and how many of them are on disk.
    stored: AtomicU64,
    synced: AtomicU64,
}

impl SequenceSpec<'_> {
    fn first(&self) -> SequenceState {
        SequenceState { last: self.start, is_called: false }
    }

    /// The state after one more value; an error when there is none.
    fn advance(&self, state: SequenceState) -> Result<SequenceState> {
        if !state.is_called {
            return Ok(SequenceState { is_called: true, ..state });
        }
        let next = state.last.checked_add(self.increment).filter(|next| (self.min..=self.max).contains(next));
        let (word, limit, start) =
            if self.increment > 0 { ("maximum", self.max, self.min) } else { ("minimum", self.min, self.max) };
        match next {
            Some(next) => Ok(SequenceState { last: next, is_called: true }),
            None if self.cycle => Ok(SequenceState { last: start, is_called: true }),
            None => Err(crate::error!(
                SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
                "nextval: reached {word} value of sequence \"{}\" ({limit})",
                self.name
            )),
        }
    }

    /// The state after up to `count` more values, and how many those are.
    fn ahead(&self, mut state: SequenceState, count: i64) -> (SequenceState, i64) {
        for done in 0..count {
            match self.advance(state) {
                // A cycle's values must not be given out before the others, so logging stops at the end.
                Ok(next) if !(state.is_called && (next.last < state.last) == (self.increment > 0)) => state = next,
                _ => return (state, done),
            }
        }
        (state, count)
    }
}

impl Sequences {
    pub(super) fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv, live: Mutex::default(), stored: AtomicU64::new(0), synced: AtomicU64::new(0) }
    }

    fn stored(&self, oid: Oid) -> Result<Option<SequenceState>> {
        self.kv.get(Cf::Default, &sequence_key(oid.0))?.map(|bytes| SequenceState::decode(&bytes)).transpose()
    }

    fn store(&self, oid: Oid, state: SequenceState) {
        let mut batch = WriteBatch::default();
        batch.put(Cf::Default, sequence_key(oid.0), state.encode());
        self.kv.write(batch);
        self.stored.fetch_add(1, Ordering::Release);
    }

    /// Whether a value may have been given out that a crash of the machine would give out again.
    pub(super) fn is_unsynced(&self) -> bool {
        self.synced.load(Ordering::Acquire) < self.stored_so_far()
    }

    /// How many states were stored: what a sync that begins now makes durable.
    pub(super) fn stored_so_far(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// So many of them are on disk.
    pub(super) fn synced(&self, stored: u64) {
        self.synced.fetch_max(stored, Ordering::AcqRel);
    }

    pub(super) fn next(&self, oid: Oid, spec: &SequenceSpec<'_>) -> Result<i64> {
        let mut live = self.live.lock();
        if !live.contains_key(&oid) {
            let state = self.stored(oid)?.unwrap_or_else(|| spec.first());
            live.insert(oid, Live { state, logged: 0, uncommitted: false });
        }
        let entry = live.get_mut(&oid).expect("it was entered");
        let next = spec.advance(entry.state)?;
        if entry.logged == 0 && !entry.uncommitted {
            let (ahead, count) = spec.ahead(next, LOGGED_AHEAD.max(spec.cache));
            self.store(oid, ahead);
            entry.logged = count + 1;
        }
        if !entry.uncommitted {
            entry.logged -= 1;
        }
        entry.state = next;
        Ok(next.last)
    }

    pub(super) fn set(&self, oid: Oid, state: SequenceState) {
        let mut live = self.live.lock();
        let uncommitted = live.get(&oid).is_some_and(|entry| entry.uncommitted);
        if !uncommitted {
            self.store(oid, state);
        }
        live.insert(oid, Live { state, logged: 0, uncommitted });
    }

    pub(super) fn state(&self, oid: Oid) -> Result<Option<SequenceState>> {
        if let Some(entry) = self.live.lock().get(&oid) {
            return Ok(Some(entry.state));
        }
        self.stored(oid)
    }

    /// Restarts a sequence in memory only; the state before.
    pub(super) fn restart(&self, oid: Oid, state: SequenceState) -> Option<SequenceState> {
        let before = self.state(oid).unwrap_or_default();
        self.live.lock().insert(oid, Live { state, logged: 0, uncommitted: true });
        before
    }

    /// The present state of a restarted sequence, to be stored by its transaction's commit.
    pub(super) fn settle(&self, oid: Oid) -> Option<SequenceState> {
        let mut live = self.live.lock();
        let entry = live.get_mut(&oid)?;
        entry.uncommitted = false;
        entry.logged = 0;
        Some(entry.state)
    }

    /// Goes back to the state before a restart that was rolled back.
    pub(super) fn take_back(&self, oid: Oid, before: Option<SequenceState>) {
        let mut live = self.live.lock();
        match before {
            Some(state) => drop(live.insert(oid, Live { state, logged: 0, uncommitted: false })),
            None => drop(live.remove(&oid)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryKv;

    fn spec(increment: i64, max: i64, cycle: bool) -> SequenceSpec<'static> {
        SequenceSpec { name: "s", start: 1, increment, min: 1, max, cycle, cache: 1 }
    }

    #[test]
    fn values_are_not_given_out_twice_after_a_crash() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::new());
        let mut last = 0;
        for _ in 0..5 {
            let sequences = Sequences::new(Arc::clone(&kv));
            for _ in 0..40 {
                let next = sequences.next(Oid(7), &spec(1, i64::MAX, false)).unwrap();
                assert!(next > last && next <= last + 34, "{next} after {last}");
                last = next;
            }
        }
    }

    #[test]
    fn limits_cycles_and_settings() {
        let sequences = Sequences::new(Arc::new(MemoryKv::new()));
        let take = |oid: u32, spec: &SequenceSpec<'_>| sequences.next(Oid(oid), spec);
        assert_eq!((1..=3).map(|_| take(1, &spec(1, 3, false)).unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        let error = take(1, &spec(1, 3, false)).unwrap_err();
        assert_eq!(error.report().message, "nextval: reached maximum value of sequence \"s\" (3)");
        assert_eq!((1..=5).map(|_| take(2, &spec(1, 3, true)).unwrap()).collect::<Vec<_>>(), [1, 2, 3, 1, 2]);
        sequences.set(Oid(2), SequenceState { last: 2, is_called: false });
        assert_eq!(take(2, &spec(1, 3, true)).unwrap(), 2);
        let before = sequences.restart(Oid(2), SequenceState { last: 1, is_called: false });
        assert_eq!(take(2, &spec(1, 3, true)).unwrap(), 1);
        sequences.take_back(Oid(2), before);
        assert_eq!(take(2, &spec(1, 3, true)).unwrap(), 3);
    }
}

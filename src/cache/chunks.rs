//! The chunk cache: stretches of a table that were read whole, kept as columns, least recently used out first.
//!
//! A chunk is named by (storage, number) and says what the store said when it was read. As with the row cache there is one rule: it
//! never outlives a commit that touches it. Whoever fills the cache takes a [`ChunkTicket`] before reading the store, and a fill is
//! refused when a commit has touched the chunk since; a commit changes the store first, the cache second, and
//! becomes visible third. What a chunk is made of is its owner's matter.
//!
//! A table larger than the budget must not wash itself out of the cache by being scanned from end to end, which would
//! leave nothing for the next scan: a fill that would push out the same table's oldest chunk is mostly refused, so a part
//! of the table stays.

use std::hash::{BuildHasher, Hasher};

use lru::LruCache;
use parking_lot::Mutex;

/// Storage and number of the chunk.
pub type ChunkKey = (u32, u32);

/// Commits count in one of these, by the hash of what they touch.
const STRIPES: usize = 1024;
/// One in so many fills pushes out a chunk of the same table.
const RENEWAL: u64 = 16;
/// What an entry costs besides its value: list node and hash slot.
const ENTRY_BYTES: usize = 128;

/// Permission to fill in what is read from the store from now on.
#[derive(Clone, Copy, Debug)]
pub struct ChunkTicket(u64);

struct Entry<V> {
    value: V,
    bytes: usize,
}

struct State<V> {
    entries: LruCache<ChunkKey, Entry<V>, foldhash::fast::RandomState>,
    bytes: usize,
    /// Commits by stripe.
    changes: Vec<u64>,
    refused: u64,
    hits: u64,
    misses: u64,
}

/// What the cache counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkCacheStats {
    /// Look-ups that found a chunk.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// Bytes kept now.
    pub bytes: u64,
    /// Chunks kept now.
    pub chunks: u64,
}

/// A cache of chunks with cheap copies `V`, such as an `Arc`.
pub struct ChunkCache<V> {
    state: Mutex<State<V>>,
    hasher: foldhash::fast::RandomState,
    bytes_max: usize,
}

impl<V: Clone> ChunkCache<V> {
    /// A cache of at most `bytes_max` bytes; 0 turns it off.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let state = State {
            entries: LruCache::unbounded_with_hasher(foldhash::fast::RandomState::default()),
            bytes: 0,
            changes: vec![0; STRIPES],
            refused: 0,
            hits: 0,
            misses: 0,
        };
        Self { state: Mutex::new(state), hasher: foldhash::fast::RandomState::default(), bytes_max }
    }

    /// Whether anything can be kept.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.bytes_max > 0
    }

    fn stripe(&self, key: ChunkKey) -> usize {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u32(key.0);
        hasher.write_u32(key.1);
        hasher.finish() as usize % STRIPES
    }

    /// The chunk if it is kept, and permission to fill it in or replace it.
    pub fn get(&self, key: ChunkKey) -> (Option<V>, ChunkTicket) {
        let stripe = self.stripe(key);
        let mut state = self.state.lock();
        let found = state.entries.get(&key).map(|entry| entry.value.clone());
        match found {
            Some(_) => state.hits += 1,
            None => state.misses += 1,
        }
        (found, ChunkTicket(state.changes[stripe]))
    }

    /// Keeps what was read from the store after the ticket was taken, `bytes` large.
    pub fn fill(&self, ticket: ChunkTicket, key: ChunkKey, value: V, bytes: usize) {
        let (stripe, bytes) = (self.stripe(key), bytes + ENTRY_BYTES);
        if bytes > self.bytes_max {
            return;
        }
        // Dropped after the lock: freeing megabytes takes its time.
        let mut out = Vec::new();
        let mut guard = self.state.lock();
        let state = &mut *guard;
        if state.changes[stripe] != ticket.0 {
            return;
        }
        if let Some(old) = state.entries.pop(&key) {
            state.bytes -= old.bytes;
            out.push(old);
        }
        while state.bytes + bytes > self.bytes_max {
            if state.entries.peek_lru().is_some_and(|(oldest, _)| oldest.0 == key.0) {
                state.refused += 1;
                if !state.refused.is_multiple_of(RENEWAL) {
                    return;
                }
            }
            let Some((_, oldest)) = state.entries.pop_lru() else { return };
            state.bytes -= oldest.bytes;
            out.push(oldest);
        }
        state.bytes += bytes;
        state.entries.put(key, Entry { value, bytes });
        drop(guard);
    }

    /// Says that a commit has changed rows of these chunks in the store.
    pub fn changed(&self, keys: impl Iterator<Item = ChunkKey>) {
        let mut out = Vec::new();
        let mut state = self.state.lock();
        for key in keys {
            let stripe = self.stripe(key);
            state.changes[stripe] += 1;
            if let Some(entry) = state.entries.pop(&key) {
                state.bytes -= entry.bytes;
                out.push(entry);
            }
        }
        drop(state);
    }

    /// Forgets a storage that no snapshot needs any more.
    pub fn forget(&self, storage: u32) {
        let mut state = self.state.lock();
        let gone: Vec<ChunkKey> = state.entries.iter().map(|(key, _)| *key).filter(|key| key.0 == storage).collect();
        for key in gone {
            if let Some(entry) = state.entries.pop(&key) {
                state.bytes -= entry.bytes;
            }
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> ChunkCacheStats {
        let state = self.state.lock();
        ChunkCacheStats {
            hits: state.hits,
            misses: state.misses,
            bytes: state.bytes as u64,
            chunks: state.entries.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_that_a_commit_overtook_is_refused() {
        let cache = ChunkCache::new(1 << 20);
        let (found, ticket) = cache.get((1, 1));
        assert_eq!(found, None);
        cache.changed([(1, 1)].into_iter());
        cache.fill(ticket, (1, 1), "old", 10);
        let (found, ticket) = cache.get((1, 1));
        assert_eq!(found, None);
        cache.fill(ticket, (1, 1), "new", 10);
        assert_eq!(cache.get((1, 1)).0, Some("new"));
        cache.changed([(1, 1)].into_iter());
        assert_eq!(cache.get((1, 1)).0, None);
        assert_eq!(cache.stats(), ChunkCacheStats { hits: 1, misses: 3, bytes: 0, chunks: 0 });
    }

    #[test]
    fn the_budget_holds_and_a_long_scan_leaves_a_part_of_its_table() {
        let cache = ChunkCache::new(100 * (1000 + ENTRY_BYTES));
        let scan = |storage: u32| {
            let mut hits = 0;
            for number in 0..1000 {
                let (found, ticket) = cache.get((storage, number));
                hits += u32::from(found.is_some());
                if found.is_none() {
                    cache.fill(ticket, (storage, number), number, 1000);
                }
                assert!(cache.stats().bytes <= 100 * (1000 + ENTRY_BYTES) as u64);
            }
            hits
        };
        assert_eq!(scan(1), 0);
        assert!(scan(1) > 20);
        assert_eq!(scan(2), 0);
        assert!(scan(2) > 20);
        cache.forget(2);
        assert_eq!(cache.stats().bytes, 0);
        let off = ChunkCache::new(0);
        let (_, ticket) = off.get((1, 1));
        off.fill(ticket, (1, 1), 1, 0);
        assert!(!off.is_on() && off.get((1, 1)).0.is_none());
    }
}

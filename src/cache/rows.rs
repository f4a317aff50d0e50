//! The row cache: newest committed versions of rows, least recently used out first.
//!
//! Keys are (storage, row id). An entry says what the store said when it was read, and the one rule is that it never
//! outlives a commit that changes the row: whoever fills the cache takes a [`Ticket`] before reading the store, and
//! a fill is refused when the shard was changed after that. A commit changes the store first and the cache
//! second; in between the cache has the older version, which is what snapshots still see.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lru::LruCache;
use parking_lot::Mutex;

use crate::common::RowSet;

/// Storage and row id.
pub type Key = (u32, u32);

const SHARDS: usize = 16;
/// What an entry costs besides its body: list node, hash slot, two counters.
const ENTRY_BYTES: usize = 96;
/// A row larger than this part of a shard's budget is not kept.
const LARGEST_PART: usize = 8;

struct Entry {
    ts: u64,
    body: Arc<[u8]>,
}

struct Shard {
    entries: LruCache<Key, Entry, foldhash::fast::RandomState>,
    bytes: usize,
    /// Goes up with every commit that touches a row of the shard.
    changes: u64,
}

/// Permission to fill in what is read from the store from now on.
#[derive(Clone, Copy, Debug)]
pub struct Ticket(u64);

/// What the cache counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCacheStats {
    /// Reads answered.
    pub hits: u64,
    /// Reads not answered.
    pub misses: u64,
    /// Bytes kept now.
    pub bytes: u64,
    /// Rows kept now.
    pub rows: u64,
}

/// A cache of newest committed rows.
pub struct RowCache {
    shards: Vec<Mutex<Shard>>,
    hasher: foldhash::fast::RandomState,
    shard_bytes_max: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Shard {
    fn forget(&mut self, key: &Key) -> bool {
        let Some(entry) = self.entries.pop(key) else { return false };
        self.bytes -= entry.body.len() + ENTRY_BYTES;
        true
    }

    fn put(&mut self, key: Key, ts: u64, body: Arc<[u8]>, bytes_max: usize) {
        self.forget(&key);
        let bytes = body.len() + ENTRY_BYTES;
        if bytes > bytes_max / LARGEST_PART {
            return;
        }
        while self.bytes + bytes > bytes_max {
            let Some((_, oldest)) = self.entries.pop_lru() else { return };
            self.bytes -= oldest.body.len() + ENTRY_BYTES;
        }
        self.bytes += bytes;
        self.entries.put(key, Entry { ts, body });
    }
}

impl RowCache {
    /// A cache of at most `bytes_max` bytes; 0 turns it off.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let shard = || {
            let entries = LruCache::unbounded_with_hasher(foldhash::fast::RandomState::default());
            Mutex::new(Shard { entries, bytes: 0, changes: 0 })
        };
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            shard_bytes_max: bytes_max / SHARDS,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    fn shard(&self, key: Key) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// The newest committed version of a row, or permission to fill it in.
    ///
    /// # Errors
    /// The ticket for [`RowCache::fill`].
    pub fn get(&self, key: Key) -> Result<(u64, Arc<[u8]>), Ticket> {
        let mut shard = self.shard(key).lock();
        if let Some(entry) = shard.entries.get(&key) {
            let found = (entry.ts, Arc::clone(&entry.body));
            drop(shard);
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(found);
        }
        let ticket = Ticket(shard.changes);
        drop(shard);
        self.misses.fetch_add(1, Ordering::Relaxed);
        Err(ticket)
    }

    /// Keeps a version that was read from the store after the ticket was taken.
    pub fn fill(&self, ticket: Ticket, key: Key, ts: u64, body: &[u8]) {
        if self.shard_bytes_max == 0 || body.len() + ENTRY_BYTES > self.shard_bytes_max / LARGEST_PART {
            return;
        }
        let body = Arc::from(body);
        let mut shard = self.shard(key).lock();
        if shard.changes == ticket.0 {
            shard.put(key, ts, body, self.shard_bytes_max);
        }
    }

    /// Says that a commit has changed a row in the store: a kept version is replaced, or dropped when `body` is `None`.
    pub fn changed(&self, key: Key, ts: u64, body: Option<&[u8]>) {
        let mut shard = self.shard(key).lock();
        shard.changes += 1;
        if shard.forget(&key)
            && let Some(body) = body
        {
            shard.put(key, ts, Arc::from(body), self.shard_bytes_max);
        }
    }

    /// Says that a commit has changed all these rows of a storage in the store.
    pub fn changed_all(&self, storage: u32, rows: &RowSet) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.changes += 1;
            let kept = shard.entries.iter().map(|(key, _)| *key);
            let gone: Vec<Key> = kept.filter(|(of, row)| *of == storage && rows.contains(*row)).collect();
            for key in &gone {
                shard.forget(key);
            }
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> RowCacheStats {
        let mut stats = RowCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            ..RowCacheStats::default()
        };
        for shard in &self.shards {
            let shard = shard.lock();
            stats.bytes += shard.bytes as u64;
            stats.rows += shard.entries.len() as u64;
        }
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_that_a_commit_overtook_is_refused() {
        let cache = RowCache::new(1 << 20);
        let ticket = cache.get((1, 1)).unwrap_err();
        cache.changed((1, 1), 5, Some(b"new"));
        cache.fill(ticket, (1, 1), 4, b"old");
        let ticket = cache.get((1, 1)).unwrap_err();
        cache.fill(ticket, (1, 1), 5, b"new");
        assert_eq!(&*cache.get((1, 1)).unwrap().1, b"new");
        cache.changed((1, 1), 6, Some(b"newer"));
        assert_eq!(cache.get((1, 1)).unwrap(), (6, Arc::from(&b"newer"[..])));
        cache.changed((1, 1), 7, None);
        assert!(cache.get((1, 1)).is_err());
        let ticket = cache.get((1, 2)).unwrap_err();
        cache.fill(ticket, (1, 2), 5, b"one of many");
        let ticket = cache.get((1, 3)).unwrap_err();
        let mut rows = RowSet::default();
        rows.insert(2);
        cache.changed_all(1, &rows);
        cache.fill(ticket, (1, 3), 5, b"too late");
        assert!(cache.get((1, 2)).is_err() && cache.get((1, 3)).is_err());
        let stats = cache.stats();
        assert_eq!((stats.hits, stats.misses, stats.bytes, stats.rows), (2, 7, 0, 0));
    }

    #[test]
    fn the_budget_holds() {
        let cache = RowCache::new(64 << 10);
        for row in 0..10_000 {
            let ticket = cache.get((1, row)).unwrap_err();
            cache.fill(ticket, (1, row), 1, &[0; 100]);
            assert!(cache.stats().bytes <= 64 << 10);
        }
        assert!(cache.stats().rows > 200);
        let ticket = cache.get((2, 1)).unwrap_err();
        cache.fill(ticket, (2, 1), 1, &[0; 60_000]);
        assert!(cache.get((2, 1)).is_err());
        let off = RowCache::new(0);
        let ticket = off.get((1, 1)).unwrap_err();
        off.fill(ticket, (1, 1), 1, b"");
        assert!(off.get((1, 1)).is_err());
    }
}

//! The naive ordered index: a `BTreeSet` behind one lock.
//!
//! It is the oracle that [`crate::index::alex`] is tested against, and a fallback that is right by inspection.

use std::collections::BTreeSet;

use parking_lot::RwLock;

use crate::index::ordered::{Entry, IndexStats, OrderedIndex, Rid, Span};

/// An ordered index in a standard B-tree.
#[derive(Default)]
pub struct BTreeIndex {
    entries: RwLock<BTreeSet<Entry>>,
}

/// What an entry takes in a `BTreeSet` leaf that is about two thirds full.
const BYTES_PER_ENTRY: u64 = 24;

impl BTreeIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl OrderedIndex for BTreeIndex {
    fn insert(&self, key: u64, rid: Rid) -> bool {
        self.entries.write().insert((key, rid))
    }

    fn remove(&self, key: u64, rid: Rid) -> bool {
        self.entries.write().remove(&(key, rid))
    }

    fn lookup(&self, key: u64, out: &mut Vec<Rid>) {
        out.extend(self.entries.read().range((key, 0)..=(key, Rid::MAX)).map(|(_, rid)| *rid));
    }

    fn scan(&self, span: Span, backward: bool, limit: usize, out: &mut Vec<Entry>) {
        if span.first > span.last {
            return;
        }
        let entries = self.entries.read();
        let range = entries.range(span.first..=span.last);
        if backward {
            out.extend(range.rev().take(limit));
        } else {
            out.extend(range.take(limit));
        }
    }

    fn load(&self, sorted: &mut dyn Iterator<Item = Entry>) {
        let mut fresh = BTreeSet::new();
        for entry in sorted {
            assert!(fresh.last().is_none_or(|last| *last < entry), "entries to load ascend");
            fresh.insert(entry);
        }
        *self.entries.write() = fresh;
    }

    fn len(&self) -> usize {
        self.entries.read().len()
    }

    fn stats(&self) -> IndexStats {
        let entries = self.len() as u64;
        let total_bytes = entries * BYTES_PER_ENTRY;
        IndexStats {
            entries,
            height: 1,
            total_bytes,
            structure_bytes: total_bytes - entries * 12,
            ..Default::default()
        }
    }
}

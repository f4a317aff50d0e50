//! Comparing an index with what belongs in it, entry by entry, on any number of threads.
//!
//! Whoever knows what belongs in the index calls each entry; those that are there are ticked off, and what was not called
//! by the end does not belong. Nothing is sorted and nothing is kept but a bit for each place.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::MutexGuard;

use super::body::Body;
use super::codes::Slot;
use super::contract::Tag;
use super::index::Hnsw;
use super::names::Names;
use crate::index::Rid;

/// See the module. Nothing comes or goes while it is there.
pub struct RollCall<'a> {
    names: MutexGuard<'a, Names>,
    body: Body,
    called: Vec<AtomicU64>,
}

impl Hnsw {
    /// Begins to compare. Inserting and removing wait until the result is dropped, so the same thread must not.
    #[must_use]
    pub fn roll_call(&self) -> RollCall<'_> {
        let names = self.names.lock();
        let called = (0..names.used().div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        RollCall { names, body: self.body.read().clone(), called }
    }
}

impl RollCall<'_> {
    /// Whether an entry is there. One that is called again is there still.
    #[must_use]
    pub fn call(&self, rid: Rid, tag: Tag) -> bool {
        let is_it = |slot: &Slot| self.body.graph.name(*slot).1 == tag;
        let found = self.names.slots(rid).find(is_it);
        if let Some(slot) = found {
            self.called[slot as usize / 64].fetch_or(1 << (slot % 64), Ordering::Relaxed);
        }
        found.is_some()
    }

    /// The entries that were not called.
    #[must_use]
    pub fn uncalled(&self) -> Vec<(Rid, Tag)> {
        let graph = &self.body.graph;
        let live = |slot: &Slot| graph.placed(*slot) && graph.is_entry(*slot);
        let mut found = Vec::new();
        for (word, called) in self.called.iter().enumerate() {
            let mut rest = !called.load(Ordering::Relaxed);
            while rest != 0 {
                let slot = word as u32 * 64 + rest.trailing_zeros();
                rest &= rest - 1;
                found.extend(
                    Some(slot).filter(|slot| *slot < self.names.used() && live(slot)).map(|slot| graph.name(slot)),
                );
            }
        }
        found
    }
}

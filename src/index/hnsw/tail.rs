//! Entries that are in the index and not yet in its graph.
//!
//! Linking an entry takes a walk of hundreds of comparisons; comparing a query with an entry takes one. So a new entry
//! only gets its place and its codes, and joins the tail: searches compare all of it, and whoever has time links it, oldest
//! first. Until an entry is linked it stays in the tail, so a search that copies the tail before it walks misses nothing.
//!
//! ```text
//!   insert -> waiting -> claimed by a linker -> linked: in the graph, out of the tail
//!                |            |
//!   removal:     taken out    waited for, then removed from the graph like any other entry
//! ```

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use super::body::{Body, with_linker};
use super::codes::Slot;
use super::contract::Vector;
use super::index::Hnsw;
use super::walk::Scratch;
use crate::common::CancelFlag;

/// An entry that waits.
pub(super) struct Waiting {
    pub(super) slot: Slot,
    /// Its vector, where the index keeps only coarse codes: it finds a neighbourhood better than its code would.
    pub(super) vector: Option<Vector>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Tail {
    entries: Mutex<Entries>,
    /// Told when a claimed entry is linked.
    linked: Condvar,
    /// Entries waiting and claimed.
    count: AtomicUsize,
}

#[derive(Default)]
struct Entries {
    waiting: VecDeque<Waiting>,
    claimed: Vec<Slot>,
}

impl Tail {
    /// Number of entries in the tail.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Adds an entry that has its place and codes.
    pub(super) fn push(&self, entry: Waiting) {
        let mut entries = self.entries.lock();
        entries.waiting.push_back(entry);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// The entry that waits longest, to be linked and then settled; none if it is not one of the first `slots`.
    fn claim(&self, slots: Slot) -> Option<Waiting> {
        if self.len() == 0 {
            return None;
        }
        let mut entries = self.entries.lock();
        let oldest = entries.waiting.pop_front_if(|entry| entry.slot < slots)?;
        entries.claimed.push(oldest.slot);
        Some(oldest)
    }

    /// A claimed entry is linked.
    fn settle(&self, slot: Slot) {
        let mut entries = self.entries.lock();
        let at = entries.claimed.iter().position(|claimed| *claimed == slot).expect("it was claimed");
        entries.claimed.swap_remove(at);
        self.count.fetch_sub(1, Ordering::Release);
        drop(entries);
        self.linked.notify_all();
    }

    /// Takes an entry that still waits out; false when it is linked, which a linker that is at it is waited for.
    pub(super) fn withdraw(&self, slot: Slot) -> bool {
        if self.len() == 0 {
            return false;
        }
        let mut entries = self.entries.lock();
        if let Some(at) = entries.waiting.iter().position(|entry| entry.slot == slot) {
            entries.waiting.remove(at);
            self.count.fetch_sub(1, Ordering::Release);
            return true;
        }
        while entries.claimed.contains(&slot) {
            self.linked.wait(&mut entries);
        }
        false
    }

    /// Appends all entries of the tail.
    pub(super) fn copy(&self, out: &mut Vec<Slot>) {
        if self.len() > 0 {
            let entries = self.entries.lock();
            out.extend(entries.waiting.iter().map(|entry| entry.slot).chain(entries.claimed.iter().copied()));
        }
    }
}

impl Hnsw {
    /// Links up to `most` entries of the tail; how many there were.
    pub(super) fn link_waiting(&self, most: usize) -> usize {
        let mut count = 0;
        while count < most {
            let _moving = self.still.read();
            if self.link_tail(1, Slot::MAX) == 0 {
                break;
            }
            count += 1;
        }
        count
    }

    /// Links up to `most` entries of the tail that are among the first `slots`; how many there were. Who calls has `still`.
    pub(super) fn link_tail(&self, most: usize, slots: Slot) -> usize {
        let mut scratch = self.scratch();
        let mut count = 0;
        while count < most {
            // Before the claim: who waits for a claimed entry holds the body too, and may be in front of one who replaces it.
            let body = self.body.read();
            let Some(waiting) = self.tail.claim(slots) else { break };
            self.link_one(&body, &waiting, &mut scratch);
            self.tail.settle(waiting.slot);
            count += 1;
        }
        self.recycle(scratch);
        count
    }

    fn link_one(&self, body: &Body, waiting: &Waiting, scratch: &mut Scratch) {
        let ef = self.options.linking_ef();
        if self.enter_first(body, waiting.slot) {
            return;
        }
        with_linker!(body, linker => match &waiting.vector {
            Some(vector) => linker.link_vector(waiting.slot, vector.view(), ef, scratch),
            None => linker.link(waiting.slot, ef, scratch, &CancelFlag::new()).expect("nobody cancels"),
        });
    }
}

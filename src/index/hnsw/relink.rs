//! Linking nodes anew, by codes that tell more apart than those by which they were linked ([`super::recode`], [`super::load`]).
//!
//! Of 30,000 rows whose codes went from 4 bits to 8 at the end, walks found .854 through the old links and .971 through new ones (decision 15).
//! It takes 80 us a node, and an index comes to it at most three times in its life. Links are added, and none taken away but from full lists:
//! selecting a list anew from what is near tore clusters apart (1 of 100 queries found nothing at any number of candidates).
//!
//! ```text
//!   0 ............ next ............... end ............. slots
//!   linked anew    to be linked anew    came meanwhile: linked by walks through links that
//!                                       were not good yet, so they are the second round
//! ```
//!
//! An index that grew is in use meanwhile: whoever looks after it links some nodes at a time. How far it has come is in checkpoints, so that a
//! server which is stopped goes on there.

use std::ops::Range;

use super::body::with_linker;
use super::codes::Slot;
use super::contract::Job;
use super::graph::State;
use super::index::Hnsw;
use crate::common::CancelFlag;
use crate::common::parallel::side_by_side;
use crate::error::Result;

/// Nodes that a thread links anew before it looks for more.
const NODES_AT_ONCE: usize = 256;

/// How far linking anew has come, place by place.
#[derive(Default)]
pub(super) struct Relinking {
    next: Slot,
    end: Slot,
    /// Whether there is another round for what comes meanwhile.
    first: bool,
}

impl Relinking {
    /// Everything from a place on, of so many, is to be linked anew.
    pub(super) fn from(next: Slot, slots: Slot) -> Self {
        Self { next, end: slots, first: next < slots }
    }

    /// The first of so many places that is to be linked anew; their number when none is.
    pub(super) fn reached(&self, slots: Slot) -> Slot {
        if self.next < self.end { self.next.min(slots) } else { slots }
    }
}

impl Hnsw {
    /// Links all nodes of an index anew that nobody uses yet.
    ///
    /// # Errors
    /// A cancellation; some are not linked anew then.
    pub(super) fn relink_all(&self, job: &Job<'_>) -> Result<()> {
        self.relink_places(0..self.slots(), job.threads, job.cancel)?;
        let body = self.body.read().clone();
        self.lead_to_strays_in(&body, job.cancel).map(drop)
    }

    /// See [`super::VectorIndex::relink`].
    pub(super) fn relink_some(&self, most: usize, cancel: &CancelFlag) -> Result<usize> {
        let mut relinking = self.upkeep.lock();
        let places = relinking.next..relinking.end.min(relinking.next.saturating_add(most as Slot));
        if places.is_empty() {
            return Ok(0);
        }
        self.relink_places(places.clone(), 1, cancel)?;
        if places.end == relinking.end && relinking.first {
            (relinking.end, relinking.first) = (self.slots(), false);
        }
        if places.end == relinking.end {
            let body = self.body.read().clone();
            self.lead_to_strays_in(&body, cancel)?;
        }
        relinking.next = places.end;
        Ok(places.len())
    }

    fn relink_places(&self, places: Range<Slot>, threads: usize, cancel: &CancelFlag) -> Result<()> {
        // Who links what waits now does so by the new codes already.
        let mut waiting = Vec::new();
        self.tail.copy(&mut waiting);
        waiting.sort_unstable();
        let parts = places.len().div_ceil(NODES_AT_ONCE);
        side_by_side(threads, parts, &|part| {
            let mut scratch = self.scratch();
            let part = places.clone().skip(part * NODES_AT_ONCE).take(NODES_AT_ONCE);
            for slot in part.filter(|slot| waiting.binary_search(slot).is_err()) {
                cancel.check()?;
                let body = self.body.read();
                if body.graph.placed(slot) && body.graph.state(slot) == State::Live {
                    let ef = self.options.linking_ef();
                    with_linker!(&body, linker => linker.relink(slot, ef, &mut scratch, cancel))?;
                }
            }
            self.recycle(scratch);
            Ok(())
        })
    }
}

//! The walk when only some entries may be returned.
//!
//! The pool holds admitted entries only, so the walk goes on until `ef` of them are found and nothing nearer is left to
//! expand. How it spreads depends on how many pass, as seen so far near the query:
//!
//! * many (one in fifty or more): every neighbour is compared and may be expanded, admitted or not;
//! * few: only admitted neighbours are compared, and through a neighbour that is not, the walk sees *its* neighbours, as
//!   if the graph were that of the admitted entries with links two long (ACORN, arXiv 2403.04871);
//! * hardly any, so that testing costs as much as going through everything: the walk gives up and the search sweeps.
//!
//! ```text
//!        x ---- o ---- y         o does not pass: x's expansion compares y
//!         \---- z                z passes: compared
//! ```

use std::cmp::Reverse;
use std::sync::{Arc, Weak};

use super::codes::{Codes, Slot};
use super::graph::Graph;
use super::index::Hnsw;
use super::walk::{Candidate, Eyes, Scratch, candidate, slot_of};
use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::Rid;

/// Tests after which what was seen counts more than what was said.
const TESTS_MIN: u64 = 100;
/// Below this rate the walk takes two hops. On 300,000 sentence embeddings, `ef` 40, one hop finds .95 of the nearest among a fifth of the
/// entries in .42 ms and two find .90 in .58; among a twentieth they find .97 in 1.5 ms and .78 in .6, and with `ef` 160 .92
/// in 1.7.
const RATE_TWO_HOPS: f64 = 0.02;
/// Comparisons of one expansion at most: twice a full list.
const BREADTH: usize = 64;

/// The entries of some rows, as they were in one graph at one moment. Entries that came later are not known; one that went
/// leads to nothing, and to a row that was not asked for when its place was used again.
#[derive(Debug)]
pub struct Entries {
    graph: Weak<Graph>,
    slots: Slots,
}

#[derive(Debug)]
enum Slots {
    /// Ascending.
    List(Vec<Slot>),
    /// A bit for each slot below `end`.
    Bits { words: Vec<u64>, end: Slot },
}

impl Hnsw {
    /// The entries of rows, as a list or as bits.
    pub(super) fn known_entries(&self, rows: &mut dyn Iterator<Item = Rid>, list: bool) -> Entries {
        let graph = Arc::downgrade(&self.body.read().graph);
        let (mut slots, end) = (Vec::new(), self.slots());
        {
            let names = self.names.lock();
            rows.for_each(|rid| names.slots_of(rid, &mut slots));
        }
        if list {
            slots.sort_unstable();
            return Entries { graph, slots: Slots::List(slots) };
        }
        let mut words = vec![0; end.div_ceil(64) as usize];
        slots.iter().filter(|slot| **slot < end).for_each(|slot| words[*slot as usize / 64] |= 1_u64 << (slot % 64));
        Entries { graph, slots: Slots::Bits { words, end } }
    }
}

impl Entries {
    pub(super) fn is_of(&self, graph: &Arc<Graph>) -> bool {
        std::ptr::eq(self.graph.as_ptr(), Arc::as_ptr(graph))
    }

    /// Whether they are a list.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.slots, Slots::List(_))
    }

    pub(super) fn list(&self) -> Option<&[Slot]> {
        match &self.slots {
            Slots::List(list) => Some(list),
            Slots::Bits { .. } => None,
        }
    }

    /// Whether an entry is one of them, if that is known.
    #[inline]
    pub(super) fn has(&self, slot: Slot) -> Option<bool> {
        match &self.slots {
            Slots::Bits { words, end } if slot < *end => Some(words[slot as usize / 64] >> (slot % 64) & 1 != 0),
            _ => None,
        }
    }
}

/// Which entries pass, and what was seen of it.
pub(super) struct Filter<'a> {
    pub(super) admit: &'a dyn Fn(Slot) -> bool,
    /// What the caller said.
    pub(super) rate: f64,
    pub(super) tests: u64,
    pub(super) passed: u64,
    /// Tests after which the walk gives up.
    pub(super) tests_max: u64,
}

impl Filter<'_> {
    pub(super) fn test(&mut self, slot: Slot) -> bool {
        let passes = (self.admit)(slot);
        self.tests += 1;
        self.passed += u64::from(passes);
        passes
    }

    fn two_hops(&self) -> bool {
        let rate = if self.tests < TESTS_MIN { self.rate } else { self.passed as f64 / self.tests as f64 };
        rate < RATE_TWO_HOPS
    }

    /// Whether testing has become dearer than a sweep.
    pub(super) fn spent(&self) -> bool {
        self.tests > self.tests_max
    }
}

/// Expands the frontier on level 0 until the pool's `ef` admitted entries are nearer than all of it, the frontier is
/// empty or the filter is spent. What was compared stays in the frontier until it is expanded; admitted entries that fall
/// out of the pool go aside.
///
/// # Errors
/// A cancellation; the scratch then only serves to be cleared.
pub(super) fn expand_admitted<C: Codes>(
    (graph, codes, query): Eyes<'_, C>,
    ef: usize,
    scratch: &mut Scratch,
    filter: &mut Filter<'_>,
    cancel: &CancelFlag,
) -> Result<()> {
    let mut turns = 0_u32;
    while let Some(Reverse(current)) = scratch.frontier.pop() {
        if filter.spent() || (scratch.pool.len() >= ef && current > scratch.pool[ef - 1]) {
            scratch.frontier.push(Reverse(current));
            return Ok(());
        }
        turns += 1;
        if turns.is_multiple_of(256) {
            cancel.check()?;
        }
        if let Some(Reverse(following)) = scratch.frontier.peek() {
            graph.prefetch(slot_of(*following));
        }
        gather((graph, codes, query), slot_of(current), scratch, filter);
        scratch.evaluated += scratch.batch.len() as u64;
        codes.distances(query, &scratch.batch, &mut scratch.distances);
        let Scratch { frontier, found, batch, passing, distances, .. } = scratch;
        found.clear();
        for ((link, distance), passes) in batch.iter().zip(&*distances).zip(&*passing) {
            let near = candidate(*distance, *link);
            frontier.push(Reverse(near));
            if *passes {
                found.push(near);
            }
        }
        scratch.offer_found(ef, true);
    }
    Ok(())
}

/// Makes the neighbours to compare the batch, with whether they pass.
fn gather<C: Codes>((graph, codes, _): Eyes<'_, C>, slot: Slot, scratch: &mut Scratch, filter: &mut Filter<'_>) {
    let two_hops = filter.two_hops();
    let Scratch { visited, rejected, between, batch, passing, .. } = scratch;
    between.clear();
    batch.clear();
    passing.clear();
    for link in graph.links(slot, 0) {
        if !visited.insert(link) {
            continue;
        }
        let passes = !rejected.contains(link) && filter.test(link);
        if passes || !two_hops {
            codes.prefetch(link);
            batch.push(link);
            passing.push(passes);
            continue;
        }
        rejected.insert(link);
        // Its list is read when all lists of this turn are on their way.
        graph.prefetch(link);
        between.push(link);
    }
    for link in &*between {
        for second in graph.links(*link, 0) {
            if batch.len() >= BREADTH {
                return;
            }
            if visited.contains(second) || rejected.contains(second) {
                continue;
            }
            if filter.test(second) {
                visited.insert(second);
                codes.prefetch(second);
                batch.push(second);
                passing.push(true);
            } else {
                rejected.insert(second);
            }
        }
    }
}

/// Begins a filtered walk at a node.
pub(super) fn begin(start: Candidate, scratch: &mut Scratch, filter: &mut Filter<'_>) {
    scratch.visited.insert(slot_of(start));
    scratch.frontier.push(Reverse(start));
    if filter.test(slot_of(start)) {
        scratch.pool.push(start);
    }
}

//! The walk when only some entries may be returned.
//!
//! The pool holds admitted entries only, so the walk goes on until `ef` of them are found and nothing nearer is left to
//! expand. How it spreads depends on how many pass, as seen so far near the query:
//!
//! * many (a third or more): every neighbour is compared and may be expanded, admitted or not;
//! * few: only admitted neighbours are compared, and through a neighbour that is not, the walk sees *its* neighbours, as
//!   if the graph were that of the admitted entries with links two long (ACORN, arXiv 2403.04871);
//! * hardly any, so that testing costs as much as going through everything: the walk gives up and the search sweeps.
//!
//! ```text
//!        x ---- o ---- y         o does not pass: x's expansion compares y
//!         \---- z                z passes: compared
//! ```

use std::cmp::Reverse;

use super::codes::{Codes, Slot};
use super::walk::{Candidate, Eyes, Scratch, candidate, slot_of};
use crate::common::CancelFlag;
use crate::error::Result;

/// Tests after which what was seen counts more than what was said.
const TESTS_MIN: u64 = 100;
/// Below this rate the walk takes two hops.
const RATE_TWO_HOPS: f64 = 0.35;
/// Comparisons of one expansion at most: twice a full list.
const BREADTH: usize = 64;

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
        let mut batch = std::mem::take(&mut scratch.batch);
        batch.clear();
        gather((graph, codes, query), slot_of(current), scratch, filter, &mut batch);
        scratch.evaluated += batch.len() as u64;
        for (link, passes) in &batch {
            let found = candidate(codes.distance(query, *link), *link);
            scratch.frontier.push(Reverse(found));
            if *passes {
                scratch.offer(found, ef, true);
            }
        }
        scratch.batch = batch;
    }
    Ok(())
}

/// The neighbours to compare, and whether they pass.
fn gather<C: Codes>(
    (graph, codes, _): Eyes<'_, C>,
    slot: Slot,
    scratch: &mut Scratch,
    filter: &mut Filter<'_>,
    batch: &mut Vec<(Slot, bool)>,
) {
    let two_hops = filter.two_hops();
    for link in graph.links(slot, 0) {
        if !scratch.visited.insert(link) {
            continue;
        }
        let passes = !scratch.rejected.contains(link) && filter.test(link);
        if passes || !two_hops {
            codes.prefetch(link);
            batch.push((link, passes));
            continue;
        }
        scratch.rejected.insert(link);
        for second in graph.links(link, 0) {
            if batch.len() >= BREADTH {
                break;
            }
            if scratch.visited.contains(second) || scratch.rejected.contains(second) {
                continue;
            }
            if filter.test(second) {
                scratch.visited.insert(second);
                codes.prefetch(second);
                batch.push((second, true));
            } else {
                scratch.rejected.insert(second);
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

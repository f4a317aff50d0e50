//! Which of many candidates become neighbours.
//!
//! The heuristic of the HNSW paper (Malkov and Yashunin, arXiv 1603.09320, algorithm 4): candidates from near to far,
//! each kept unless an already kept one is nearer to it than the base is. It leaves links in all directions instead of
//! many into one cluster, so that walks find ways out.
//!
//! ```text
//!        b            base x, candidates a b c by distance: a is kept; b is nearer to a than to x and is left out
//!      a              (the walk reaches it through a); c is kept, for a does not lead there.
//!    x       c
//! ```
//!
//! A candidate that is the base over again, by its codes, leads nowhere that the base does not: it is kept and leaves out nothing. Whether
//! others are nearer to it than to the base is for the rounding of codes to say.
//!
//! The pairs that are compared are the same whether each candidate is compared with those kept before it, or each kept one,
//! as soon as it is, with all candidates that are left. The latter makes a query of the few that are kept only, and compares
//! long lists.

use super::codes::{Codes, Slot};
use super::walk::{Candidate, distance_of, slot_of};

/// What a selection works in.
pub(super) struct Selection<C: Codes> {
    /// The one that was kept last.
    query: C::Query,
    /// Candidates that may be kept still, with their distances from the base.
    left: Vec<Slot>,
    own: Vec<f32>,
    distances: Vec<f32>,
    pub(super) kept: Vec<Slot>,
}

impl<C: Codes> Default for Selection<C> {
    fn default() -> Self {
        let (left, own, distances, kept) = Default::default();
        Self { query: C::Query::default(), left, own, distances, kept }
    }
}

impl<C: Codes> Selection<C> {
    /// Keeps at most `most` of the candidates, which ascend by distance and are different; `fits` is asked of those that
    /// would be kept.
    pub(super) fn select(
        &mut self,
        codes: &C,
        (base, candidates): (Slot, &[Candidate]),
        most: usize,
        fits: impl Fn(Slot) -> bool,
    ) {
        let Self { query, left, own, distances, kept } = self;
        kept.clear();
        left.clear();
        left.extend(candidates.iter().map(|candidate| slot_of(*candidate)));
        own.clear();
        own.extend(candidates.iter().map(|candidate| distance_of(*candidate)));
        while let Some(first) = left.iter().position(|slot| fits(*slot)) {
            kept.push(left[first]);
            if kept.len() >= most {
                break;
            }
            let last = left[first];
            left.drain(..=first);
            own.drain(..=first);
            if codes.alike(base, last) {
                continue;
            }
            codes.prepare_slot(last, query);
            codes.distances(query, left, distances);
            let mut count = 0;
            for at in 0..left.len() {
                (left[count], own[count]) = (left[at], own[at]);
                count += usize::from(distances[at] >= own[at]);
            }
            left.truncate(count);
            own.truncate(count);
        }
    }
}

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

use super::codes::{Codes, Slot};
use super::walk::{Candidate, distance_of, slot_of};

/// Selects at most `most` of the candidates, which ascend by distance and are different, into `kept`; `query` is scratch.
pub(super) fn select<C: Codes>(
    codes: &C,
    candidates: &[Candidate],
    most: usize,
    query: &mut C::Query,
    kept: &mut Vec<Slot>,
) {
    kept.clear();
    let mut distances = Vec::new();
    for candidate in candidates {
        if kept.len() >= most {
            break;
        }
        let (slot, own) = (slot_of(*candidate), distance_of(*candidate));
        if !kept.is_empty() {
            codes.prepare_slot(slot, query);
        }
        let mut far = |kept: &[Slot]| {
            codes.distances(query, kept, &mut distances);
            distances.iter().all(|distance| *distance >= own)
        };
        if kept.chunks(4).all(&mut far) {
            kept.push(slot);
        }
    }
}

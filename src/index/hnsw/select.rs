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
//! The rule believes that a kept one leads to whatever is nearer to it. One in the middle of all cannot: in many dimensions a
//! vector of zeros among vectors of all directions, or their mean, is nearer to every candidate than the base is. It would be the only
//! one kept, by every node, and has room for a few links: a star that walks do not get out of. One such row among 3,200 of 128
//! normally distributed numbers took recall@10 at ef 40 from .919 to .473, and to .255 where rows came one by one. So one that would
//! leave out most of the nearest that are left is a hub, and leaves out only what is all but a copy of it: .918 and .925 now. Sentence
//! embeddings keep .3 links more each, of 21.4; recall, speed and the time of a build are as before.
//!
//! Where lengths differ the rule is too strict without any hub: what is nearer to the origin than the base leads, by the rule, to all that is
//! behind it. Word vectors under L2 kept so few that the longer ones were led to by hardly anything, and under inner product the
//! longest ones leave out all others. So the nearest of what was left out fill the list of a new node up in part, and get a link back each
//! (decision 16).
//!
//! A candidate that is the base over again, by its codes, leads nowhere that the base does not: it is kept and leaves out nothing. Whether
//! others are nearer to it than to the base is for the rounding of codes to say.
//!
//! The pairs that are compared are the same whether each candidate is compared with those kept before it, or each kept one,
//! as soon as it is, with all candidates that are left. The latter makes a query of the few that are kept only, and compares
//! long lists.

use super::codes::{Codes, Slot};
use super::contract::Metric;
use super::walk::{Candidate, distance_of, slot_of};

/// Who would leave out more than this part of the nearest candidates that are left is a hub.
const HUB_PART: f32 = 0.85;
/// So many are asked at most: the centre of a cluster is near to all of it and to hardly more than half of what is behind it.
const HUB_ASKED: usize = 32;
/// Fewer say nothing about that, and neither does less than half of all candidates: what many kept ones have left over is as often
/// nearer to the next one by chance.
const HUB_MIN: usize = 8;
/// A hub leaves out what is so many times nearer to it than to the base.
const HUB_NEARER: f32 = 4.0;

/// A new node has neighbours for so much of its list, the nearest whatever the rule says, where lengths differ.
const FILLED_PART: f32 = 0.375;
/// The same under inner product, where the longest are near to all.
const FILLED_PART_OF_PRODUCTS: f32 = 0.75;
/// Squares of lengths that differ by less than this factor are those of one length, rounded.
const ONE_LENGTH: f32 = 1.1;

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
            if 2 * left.len() >= candidates.len() && is_hub(distances, own) {
                distances.iter_mut().for_each(|distance| *distance = as_of_hub(*distance));
            }
            let mut count = 0;
            for at in 0..left.len() {
                (left[count], own[count]) = (left[at], own[at]);
                count += usize::from(distances[at] >= own[at]);
            }
            left.truncate(count);
            own.truncate(count);
        }
    }

    /// The same for a node that looks for its neighbours: the nearest of what was left out fill its list up to a part that the metric says.
    pub(super) fn select_and_fill(
        &mut self,
        codes: &C,
        (base, candidates): (Slot, &[Candidate]),
        most: usize,
        fits: impl Fn(Slot) -> bool,
    ) {
        self.select(codes, (base, candidates), most, &fits);
        let part = match codes.metric() {
            Metric::Cosine => 0.0,
            Metric::InnerProduct if self.of_one_length(codes, base) => 0.0,
            Metric::InnerProduct => FILLED_PART_OF_PRODUCTS,
            _ => FILLED_PART,
        };
        let filled = (part * most as f32) as usize;
        let kept = &mut self.kept;
        for slot in candidates.iter().map(|candidate| slot_of(*candidate)) {
            if kept.len() >= filled {
                break;
            }
            if !kept.contains(&slot) && fits(slot) {
                kept.push(slot);
            }
        }
    }

    /// Whether the base and what is kept are of one length, as inner products tell it.
    fn of_one_length(&mut self, codes: &C, base: Slot) -> bool {
        let Self { query, kept, .. } = self;
        let (mut least, mut most) = (f32::INFINITY, 0.0_f32);
        kept.iter().chain([&base]).all(|slot| {
            codes.prepare_slot(*slot, query);
            let square = -codes.distance(query, *slot);
            (least, most) = (least.min(square), most.max(square));
            most <= ONE_LENGTH * least
        })
    }
}

/// Whether too many are nearer to one, which is so far from each, than to the base.
fn is_hub(distances: &[f32], own: &[f32]) -> bool {
    let own = &own[..own.len().min(HUB_ASKED)];
    let nearer = distances.iter().zip(own).filter(|(distance, own)| distance < own).count();
    own.len() >= HUB_MIN && nearer as f32 > HUB_PART * own.len() as f32
}

/// The distance from a hub that the rule compares. Negative inner products have no zero to be near to: there it leaves out nothing.
fn as_of_hub(distance: f32) -> f32 {
    if distance < 0.0 { f32::INFINITY } else { HUB_NEARER * distance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::contract::VectorRef;
    use crate::index::hnsw::floats::Floats;
    use crate::index::hnsw::walk::candidate;

    /// The base at 0, candidates in two directions: 1, 2, 3 ... and -10, -11 ...
    fn line() -> (Floats, Vec<Candidate>) {
        let codes = Floats::new(Metric::L2, 1, 64);
        let at = |slot: Slot| if slot < 10 { slot as f32 } else { -(slot as f32) };
        let write = |slot: Slot| {
            codes.make_room(slot);
            codes.write(slot, VectorRef::Dense(&[at(slot)]));
        };
        (0..20).for_each(write);
        let candidates = (1..20).map(|slot| candidate(at(slot) * at(slot), slot)).collect();
        (codes, candidates)
    }

    #[test]
    fn one_in_each_direction_is_kept_and_the_nearest_fill_up() {
        let ((codes, candidates), mut selection) = (line(), Selection::default());
        selection.select(&codes, (0, &candidates), 16, |_| true);
        assert_eq!(selection.kept, [1, 10]);
        selection.select_and_fill(&codes, (0, &candidates), 16, |_| true);
        assert_eq!(selection.kept, [1, 10, 2, 3, 4, 5]);
        selection.select_and_fill(&codes, (0, &candidates), 16, |slot| slot % 2 == 1);
        assert_eq!(selection.kept, [1, 11, 3, 5, 7, 9]);
        selection.select_and_fill(&codes, (0, &candidates), 4, |_| true);
        assert_eq!(selection.kept, [1, 10], "enough of four");
        selection.select_and_fill(&codes, (0, &candidates[..3]), 16, |_| true);
        assert_eq!(selection.kept, [1, 2, 3], "there are no more");
    }

    /// Of one direction, as long as asked; the first is near to all the others.
    fn fan(length: impl Fn(Slot) -> f32) -> (Floats, Vec<Candidate>) {
        let codes = Floats::new(Metric::InnerProduct, 2, 64);
        for slot in 0..20 {
            let (sin, cos) = (0.02 * slot as f32).sin_cos();
            codes.make_room(slot);
            codes.write(slot, VectorRef::Dense(&[length(slot) * cos, length(slot) * sin]));
        }
        let mut base = <Floats as Codes>::Query::default();
        codes.prepare_slot(0, &mut base);
        let mut candidates: Vec<_> = (1..20).map(|slot| candidate(codes.distance(&base, slot), slot)).collect();
        candidates.sort_unstable();
        (codes, candidates)
    }

    #[test]
    fn products_fill_lists_up_where_lengths_differ() {
        let mut selection = Selection::default();
        let (codes, candidates) = fan(|_| 1.0);
        selection.select_and_fill(&codes, (0, &candidates), 16, |_| true);
        let of_one_length = selection.kept.len();
        selection.select(&codes, (0, &candidates), 16, |_| true);
        assert_eq!(selection.kept.len(), of_one_length);
        let (codes, candidates) = fan(|slot| 1.0 + slot as f32);
        selection.select_and_fill(&codes, (0, &candidates), 16, |_| true);
        assert_eq!(selection.kept.len(), 12);
        let (codes, candidates) = fan(|slot| if slot == 0 { 1.0 } else { 2.0 });
        selection.select_and_fill(&codes, (0, &candidates), 16, |_| true);
        assert_eq!(selection.kept.len(), 12, "the base alone is of another length");
    }
}

//! The walk: from an entry point to the nearest nodes of one level.
//!
//! A pool holds the best `ef` nodes seen, ascending; each turn takes the nearest node that was not expanded yet and
//! compares the query with its unseen neighbours. The walk ends when every node of the pool is expanded. One sorted
//! array beats two heaps up to some hundred candidates, and it is the result at the end. What does not fit the pool
//! is kept aside when the search may be continued.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::codes::{Codes, Slot};
use super::graph::Graph;
use super::list::List;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::simd::search::below;

/// A node with its distance, as one number that sorts by distance, then slot: the distance's bits, the slot, and in the
/// lowest bit whether its neighbours were looked at.
pub(super) type Candidate = u64;

/// Makes a candidate that was not expanded; NaN sorts last.
#[inline]
pub(super) fn candidate(distance: f32, slot: Slot) -> Candidate {
    let bits = if distance.is_nan() { f32::INFINITY.to_bits() } else { distance.to_bits() };
    let ordered = bits ^ (((bits as i32 >> 31) as u32) | 0x8000_0000);
    u64::from(ordered) << 32 | u64::from(slot) << 1
}

#[inline]
pub(super) fn slot_of(candidate: Candidate) -> Slot {
    candidate as u32 >> 1
}

#[inline]
pub(super) fn distance_of(candidate: Candidate) -> f32 {
    let ordered = (candidate >> 32) as u32;
    f32::from_bits(ordered ^ (((!(ordered as i32)) >> 31) as u32 | 0x8000_0000))
}

/// Whether a candidate's neighbours were looked at.
#[inline]
pub(super) fn expanded(candidate: Candidate) -> bool {
    candidate & 1 != 0
}

/// A set of slots that is emptied in proportion to what is in it.
#[derive(Default)]
pub(super) struct Visited {
    words: Vec<u64>,
    members: Vec<Slot>,
}

impl Visited {
    /// Adds a slot; false when it was in.
    #[inline]
    pub(super) fn insert(&mut self, slot: Slot) -> bool {
        let (at, bit) = (slot as usize / 64, 1 << (slot % 64));
        self.make_room(at);
        let fresh = self.words[at] & bit == 0;
        self.words[at] |= bit;
        if fresh {
            self.members.push(slot);
        }
        fresh
    }

    /// Adds the nodes of a list; `fresh` becomes those that were not in. Whether a neighbour was seen is as good as random, so there
    /// is no branch on it.
    #[inline]
    pub(super) fn insert_all(&mut self, list: List<'_>, fresh: &mut Vec<Slot>) {
        self.make_room(list.slots as usize / 64);
        fresh.clear();
        // One more: the last number is written before it is looked at.
        fresh.resize(list.room() + 1, 0);
        let mut count = 0;
        list.groups(|numbers| {
            for number in numbers {
                let slot = number.wrapping_sub(1);
                let is_link = slot < list.slots;
                let word = &mut self.words[if is_link { slot as usize / 64 } else { 0 }];
                let new = is_link && *word >> (slot % 64) & 1 == 0;
                *word |= u64::from(is_link) << (slot % 64);
                fresh[count] = slot;
                count += usize::from(new);
            }
        });
        fresh.truncate(count);
        self.members.extend_from_slice(fresh);
    }

    #[inline]
    fn make_room(&mut self, word: usize) {
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
    }

    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 != 0)
    }

    pub(super) fn clear(&mut self) {
        // Clearing what follows each other is so much faster than clearing here and there.
        if self.words.len() / 8 <= self.members.len() {
            self.words.fill(0);
        } else {
            self.members.iter().for_each(|slot| self.words[*slot as usize / 64] = 0);
        }
        self.members.clear();
    }

    fn bytes(&self) -> usize {
        8 * self.words.capacity() + 4 * self.members.capacity()
    }
}

/// What a walk works in; reused from search to search.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) visited: Visited,
    /// The best so far, ascending.
    pub(super) pool: Vec<Candidate>,
    /// What may go into the pool next.
    pub(super) found: Vec<Candidate>,
    /// What was compared and is not in the pool, in no order; kept only when asked for.
    pub(super) aside: Vec<Candidate>,
    /// Of a filtered walk: what was compared and not expanded yet.
    pub(super) frontier: BinaryHeap<Reverse<Candidate>>,
    /// Of a filtered walk: what does not pass, seen in passing.
    pub(super) rejected: Visited,
    /// Of a filtered walk: neighbours that do not pass, whose neighbours are next.
    pub(super) between: Vec<Slot>,
    /// What an expansion compares, whether the filter lets it through, and its distances.
    pub(super) batch: Vec<Slot>,
    pub(super) passing: Vec<bool>,
    pub(super) distances: Vec<f32>,
    /// Distances taken.
    pub(super) evaluated: u64,
}

impl Scratch {
    /// Forgets everything but the memory.
    pub(super) fn clear(&mut self) {
        self.visited.clear();
        self.pool.clear();
        self.aside.clear();
        self.frontier.clear();
        self.rejected.clear();
        self.evaluated = 0;
    }

    /// Resident bytes.
    pub(super) fn bytes(&self) -> u64 {
        (self.visited.bytes() + 8 * (self.pool.capacity() + self.aside.capacity())) as u64
    }

    /// Makes nodes with their distances what was found.
    #[inline]
    pub(super) fn find(&mut self, slots: &[Slot], distances: &[f32]) {
        self.found.clear();
        self.found.extend(slots.iter().zip(distances).map(|(slot, distance)| candidate(*distance, *slot)));
    }

    /// Puts what was found into the pool of at most `ef`; the place of the nearest of it, or the pool's length when all of it is too
    /// far. Most is, which is told without a branch for each; the rest is merged in from the last to the first, so
    /// that what is in the pool moves once.
    #[inline]
    pub(super) fn offer_found(&mut self, ef: usize, keep: bool) -> usize {
        let Self { pool, found, aside, .. } = self;
        let last = if pool.len() < ef { Candidate::MAX } else { pool[ef - 1] };
        if keep {
            let mut end = aside.len();
            aside.resize(end + found.len(), 0);
            for candidate in &*found {
                aside[end] = *candidate;
                end += usize::from(*candidate >= last);
            }
            aside.truncate(end);
        }
        let mut count = 0;
        for at in 0..found.len() {
            let candidate = found[at];
            found[count] = candidate;
            count += usize::from(candidate < last);
        }
        found.truncate(count);
        found.sort_unstable();
        let mut end = pool.len();
        pool.resize(end + count, 0);
        for (before, candidate) in found.iter().enumerate().rev() {
            let at = below(&pool[..end], *candidate);
            pool.copy_within(at..end, at + before + 1);
            pool[at + before] = *candidate;
            end = at;
        }
        if keep {
            aside.extend(pool.drain(ef.min(pool.len())..));
        } else {
            pool.truncate(ef);
        }
        end
    }
}

/// What a walk looks at: links, codes, and the query.
pub(super) type Eyes<'a, C> = (&'a Graph, &'a C, &'a <C as Codes>::Query);

/// How far a walk goes: its level, how many candidates it holds, whether it keeps what falls out.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub(super) level: u32,
    pub(super) ef: usize,
    pub(super) keep: bool,
}

/// One greedy descent: the nearest node to the query that following links of the upper levels, down to but not including
/// `floor`, leads to.
pub(super) fn descend<C: Codes>(
    (graph, codes, query): Eyes<'_, C>,
    (slot, level): (Slot, u32),
    floor: u32,
) -> Candidate {
    let mut best = candidate(codes.distance(query, slot), slot);
    for level in (floor + 1..=level).rev() {
        loop {
            let from = best;
            let next: Vec<Slot> = graph.links(slot_of(from), level).inspect(|link| codes.prefetch(*link)).collect();
            for link in next {
                let found = candidate(codes.distance(query, link), link);
                // A link that was missed when a node was removed leads to an empty place, or to one whose new entry waits to be
                // linked: the walk would end there.
                if found < best && graph.links(link, level - 1).next().is_some() {
                    best = found;
                }
            }
            if best == from {
                break;
            }
        }
    }
    best
}

/// Expands the pool on a level until all of it is expanded. Start nodes are in the
/// pool and in the visited set already.
///
/// # Errors
/// A cancellation; the scratch then only serves to be cleared.
pub(super) fn expand<C: Codes>(
    (graph, codes, query): Eyes<'_, C>,
    Reach { level, ef, keep }: Reach,
    scratch: &mut Scratch,
    cancel: &CancelFlag,
) -> Result<()> {
    let mut next = 0;
    let mut turns = 0_u32;
    while next < scratch.pool.len() {
        let current = scratch.pool[next];
        if expanded(current) {
            next += 1;
            continue;
        }
        turns += 1;
        if turns.is_multiple_of(256) {
            cancel.check()?;
        }
        scratch.pool[next] |= 1;
        let mut batch = std::mem::take(&mut scratch.batch);
        scratch.visited.insert_all(graph.list(slot_of(current), level), &mut batch);
        if level == 0
            && let Some(following) = scratch.pool.get(next + 1)
        {
            graph.prefetch(slot_of(*following));
        }
        scratch.evaluated += batch.len() as u64;
        let mut distances = std::mem::take(&mut scratch.distances);
        codes.distances(query, &batch, &mut distances);
        scratch.find(&batch, &distances);
        let nearest = scratch.offer_found(ef, keep);
        (scratch.batch, scratch.distances) = (batch, distances);
        if level == 0
            && nearest <= next
            && let Some(following) = scratch.pool.get(nearest)
        {
            graph.prefetch(slot_of(*following));
        }
        next = nearest.min(next + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;
    use crate::index::hnsw::list::words;

    proptest! {
        #[test]
        fn nodes_of_lists_are_new_once(
            packed in any::<bool>(),
            lists in prop::collection::vec(prop::collection::vec(0_u32..300, 0..9), 0..20),
        ) {
            let (mut visited, mut fresh, mut model) = (Visited::default(), Vec::new(), BTreeSet::new());
            for nodes in lists {
                let row: Vec<AtomicU32> = (0..words(9, packed)).map(|_| AtomicU32::new(0)).collect();
                let list = List { near: &row, more: &[], packed, slots: 250 };
                nodes.iter().enumerate().for_each(|(at, slot)| list.set(at, slot + 1));
                visited.insert_all(list, &mut fresh);
                let expected: Vec<Slot> = nodes.into_iter().filter(|slot| *slot < 250 && model.insert(*slot)).collect();
                prop_assert_eq!(&fresh, &expected);
            }
            prop_assert_eq!((0..300).filter(|slot| visited.contains(*slot)).collect::<BTreeSet<_>>(), model);
            visited.clear();
            prop_assert_eq!((0..300).find(|slot| visited.contains(*slot)), None);
        }

        #[test]
        fn the_pool_holds_the_nearest(
            ef in 1_usize..20,
            keep in any::<bool>(),
            batches in prop::collection::vec(prop::collection::vec((0_u32..1 << 20, -4_i8..4), 0..12), 0..12),
        ) {
            let (mut scratch, mut model, mut aside) = (Scratch::default(), Vec::<Candidate>::new(), Vec::new());
            for batch in batches {
                scratch.found = batch.iter().map(|(slot, distance)| candidate(f32::from(*distance), *slot)).collect();
                let found = scratch.found.clone();
                let nearest = scratch.offer_found(ef, keep);
                model.extend(&found);
                model.sort_unstable();
                aside.extend(model.drain(ef.min(model.len())..));
                prop_assert_eq!(&scratch.pool, &model);
                let first = found.iter().min().and_then(|first| model.iter().position(|near| near == first));
                prop_assert_eq!(nearest.min(model.len()), first.unwrap_or(model.len()));
            }
            let mut kept = scratch.aside;
            kept.sort_unstable();
            aside.sort_unstable();
            prop_assert_eq!(kept, if keep { aside } else { Vec::new() });
        }
    }
}

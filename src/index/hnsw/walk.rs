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

    /// Adds the slots whose numbers plus one these are, and leaves those that were not in, as slots. Whether a neighbour was
    /// seen is as good as random, so there is no branch on it.
    #[inline]
    pub(super) fn insert_all(&mut self, numbers: &mut Vec<u32>) {
        let Some(highest) = numbers.iter().max() else { return };
        self.make_room(*highest as usize / 64);
        let mut fresh = 0;
        for at in 0..numbers.len() {
            let slot = numbers[at] - 1;
            let word = &mut self.words[slot as usize / 64];
            let new = *word >> (slot % 64) & 1 ^ 1;
            *word |= 1 << (slot % 64);
            numbers[fresh] = slot;
            fresh += new as usize;
        }
        numbers.truncate(fresh);
        self.members.extend_from_slice(numbers);
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
        for slot in self.members.drain(..) {
            self.words[slot as usize / 64] = 0;
        }
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

    /// Puts a candidate into the pool of at most `ef`; its place, or `None` when it is too far.
    #[inline]
    pub(super) fn offer(&mut self, candidate: Candidate, ef: usize, keep: bool) -> Option<usize> {
        if self.pool.len() >= ef {
            let last = self.pool[ef - 1];
            if candidate >= last {
                if keep {
                    self.aside.push(candidate);
                }
                return None;
            }
            self.pool.pop();
            if keep {
                self.aside.push(last);
            }
        }
        let at = below(&self.pool, candidate);
        self.pool.insert(at, candidate);
        Some(at)
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
        batch.clear();
        graph.copy_links(slot_of(current), level, &mut batch);
        scratch.visited.insert_all(&mut batch);
        if level == 0
            && let Some(following) = scratch.pool.get(next + 1)
        {
            graph.prefetch(slot_of(*following));
        }
        scratch.evaluated += batch.len() as u64;
        let mut distances = std::mem::take(&mut scratch.distances);
        codes.distances(query, &batch, &mut distances);
        let mut lowest = next + 1;
        for (link, distance) in batch.iter().zip(&distances) {
            if let Some(at) = scratch.offer(candidate(*distance, *link), ef, keep) {
                lowest = lowest.min(at);
                if level == 0 && at <= next + 1 {
                    graph.prefetch(*link);
                }
            }
        }
        (scratch.batch, scratch.distances) = (batch, distances);
        next = lowest;
    }
    Ok(())
}

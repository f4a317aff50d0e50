//! Tidying up behind removed nodes.
//!
//! A removed node is dead at once, for searches and for whoever links, and yet walks go on through it: lists are one-way, so who
//! leads to it is not known. A walk for it finds nine of ten, and what is missed leads to whatever the place is used for next; that cost
//! 9 points of recall in three turnovers (20,000 GloVe vectors that came back before they went). So the dead stay where they are
//! until there are enough of them to go through all lists (FreshDiskANN, arXiv 2105.09613): whoever led to a dead node leads
//! to its neighbours instead. Then nothing leads to the dead any more, and their places are free.
//!
//! ```text
//!   removed -> dead, walked through -> a pass begins when one in 32 is dead -> every list is mended -> free
//! ```
//!
//! A pass goes on in small steps, one with each removal, so that it is over before as many have died again.

use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use super::body::{Body, with_linker};
use super::codes::{Codes, Slot};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::link::Linker;
use super::walk::{Candidate, candidate, distance_of, slot_of};

/// A pass begins when one in so many is dead.
const DEAD_PART: usize = 32;
/// And not before so many are.
const DEAD_MIN: usize = if cfg!(test) { 4 } else { 64 };
/// Places gone through with one removal: a pass ends within half the removals after which the next begins.
const PLACES: Slot = 2 * DEAD_PART as Slot;
/// Neighbours of a dead node that are considered, the nearest.
const HEIRS: usize = 6;
/// Links that are compared before a look at whether one leads on.
const AT_ONCE: usize = 4;

/// What is dead.
#[derive(Default)]
pub(super) struct Dead {
    /// Died since the pass under way began.
    waiting: Vec<Slot>,
    /// What the pass under way will set free.
    passing: Vec<Slot>,
    /// Where it is.
    next: Slot,
    /// Twins that are nodes in the stead of a dead one.
    heirs: HashMap<Slot, Slot>,
}

impl Dead {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.passing.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        (4 * (self.waiting.capacity() + self.passing.capacity()) + 9 * self.heirs.capacity()) as u64
    }
}

impl Hnsw {
    /// Takes note of a dead node, and of the twin that is a node in its stead.
    pub(super) fn bury(&self, body: &Body, slot: Slot, heir: Option<Slot>) {
        let mut dead = self.dead.lock();
        dead.waiting.push(slot);
        if let Some(heir) = heir {
            dead.heirs.insert(slot, heir);
            // A pass may be past its place, and its lists are old ones.
            with_linker!(body, linker => linker.mend_all(heir, &dead.heirs));
        }
        self.tidy_step(body, &mut dead, DEAD_MIN.max(super::VectorIndex::len(self) / DEAD_PART));
        self.dead_count.store(dead.len(), Ordering::Relaxed);
    }

    /// Frees the places of all that is dead. Whoever removes a node meanwhile waits for one step only.
    pub(super) fn tidy(&self, body: &Body) {
        let step = || {
            let mut dead = self.dead.lock();
            let goes_on = self.tidy_step(body, &mut dead, 1);
            self.dead_count.store(dead.len(), Ordering::Relaxed);
            goes_on
        };
        // What is dead is in the pass under way or in the next.
        for _pass in 0..2 {
            while step() {}
        }
    }

    /// One step of a pass, which begins if so many have died; whether the pass goes on.
    fn tidy_step(&self, body: &Body, dead: &mut Dead, enough: usize) -> bool {
        if dead.passing.is_empty() {
            if dead.waiting.len() < enough {
                return false;
            }
            (dead.passing, dead.next) = (std::mem::take(&mut dead.waiting), 0);
        }
        let (slots, from) = (self.slots(), dead.next);
        dead.next = slots.min(from + PLACES);
        with_linker!(body, linker => (from..dead.next).for_each(|slot| linker.mend_all(slot, &dead.heirs)));
        if dead.next == slots {
            let mut names = self.names.lock();
            for slot in dead.passing.drain(..) {
                dead.heirs.remove(&slot);
                body.graph.clear(slot);
                names.release(slot);
            }
        }
        !dead.passing.is_empty()
    }
}

impl<C: Codes> Linker<'_, C> {
    /// Mends a node's lists where they lead to dead ones. Walks still pass those that died lately, so their lists are mended too.
    fn mend_all(&mut self, slot: Slot, heirs: &HashMap<Slot, Slot>) {
        let graph = self.graph;
        if !graph.placed(slot) || !matches!(graph.state(slot), State::Live | State::Dead) {
            return;
        }
        for level in 0..=graph.level(slot) {
            let dead: Vec<Slot> = graph.links(slot, level).filter(|link| graph.state(*link) == State::Dead).collect();
            if !dead.is_empty() {
                self.mend(slot, level, &dead, heirs);
            }
        }
    }

    /// Replaces a node's links to dead ones by links to those of their neighbours which no other link of the list leads to
    /// (the rule of [`super::select`]), but one at least for each. The rest of the list stays: selecting it anew would thin it out, for links
    /// that came back from later nodes were not selected either.
    fn mend(&mut self, from: Slot, level: u32, dead: &[Slot], heirs: &HashMap<Slot, Slot>) {
        let graph = self.graph;
        let _guard = graph.lock(from);
        let mut links: Vec<Slot> = graph.links(from, level).filter(|link| !dead.contains(link)).collect();
        self.codes.prepare_slot(from, &mut self.other);
        self.codes.distances(&self.other, &links, &mut self.distances);
        let mut own: Vec<_> = self.distances.iter().zip(&links).map(|(own, link)| candidate(*own, *link)).collect();
        own.sort_unstable();
        let (room, mut others) = (graph.capacity(level), Vec::new());
        for (at, gone) in dead.iter().enumerate() {
            others.clear();
            match heirs.get(gone).filter(|heir| graph.state(**heir) == State::Live) {
                Some(heir) => others.push(*heir),
                None => heirs_of(graph, *gone, level, &mut others),
            }
            others.retain(|heir| *heir != from && !links.contains(heir));
            if at > 0 {
                // What was asked whether links lead to took its place.
                self.codes.prepare_slot(from, &mut self.other);
            }
            self.codes.distances(&self.other, &others, &mut self.distances);
            let mut near: Vec<_> =
                self.distances.iter().zip(&others).map(|(own, heir)| candidate(*own, *heir)).collect();
            near.sort_unstable();
            for (nth, found) in near.into_iter().take(HEIRS).enumerate() {
                if links.len() >= room {
                    break;
                }
                let nearer = own.partition_point(|own| distance_of(*own) <= distance_of(found));
                if nth == 0 || !self.is_led_to(found, &own[..nearer]) {
                    links.push(slot_of(found));
                    own.insert(nearer, found);
                }
            }
        }
        graph.write(from, level, &links);
    }

    /// Whether one of some nodes is nearer to a candidate than so much.
    fn is_led_to(&mut self, found: Candidate, nodes: &[Candidate]) -> bool {
        self.codes.prepare_slot(slot_of(found), &mut self.other);
        nodes.chunks(AT_ONCE).any(|nodes| {
            self.slots.clear();
            self.slots.extend(nodes.iter().map(|node| slot_of(*node)));
            self.codes.distances(&self.other, &self.slots, &mut self.distances);
            self.distances.iter().any(|to| *to < distance_of(found))
        })
    }
}

/// Adds the live nodes that a dead one leads to, past others that are dead.
fn heirs_of(graph: &Graph, gone: Slot, level: u32, heirs: &mut Vec<Slot>) {
    for link in graph.links(gone, level) {
        match graph.state(link) {
            State::Live => heirs.push(link),
            State::Dead => heirs.extend(graph.links(link, level).filter(|link| graph.state(*link) == State::Live)),
            _ => {}
        }
    }
    heirs.sort_unstable();
    heirs.dedup();
}

//! Linking an entry into the graph (HNSW paper, algorithm 1).
//!
//! The new node finds its neighbourhood by a walk of `ef_construction` candidates on each of its levels, keeps a diverse
//! few, and each of them gets a link back; a list that overflows is selected anew. Walks read many rows once, so they go
//! by the walk's small codes; selections compare few rows often and need them exact, so they go by the fine codes.

use super::codes::{Codes, Slot};
use super::contract::VectorRef;
use super::graph::{Graph, State};
use super::select::Selection;
use super::walk::{Candidate, Eyes, Reach, Scratch, candidate, descend, expand, slot_of};
use crate::common::CancelFlag;
use crate::error::Result;

/// What linking works in; one for each thread.
pub(super) struct Linker<'a, C: Codes> {
    pub(super) graph: &'a Graph,
    /// What walks compare; may be the same store as `codes`.
    near: &'a C,
    pub(super) codes: &'a C,
    /// The node, ready for `near`.
    query: C::Query,
    pub(super) other: C::Query,
    candidates: Vec<Candidate>,
    selection: Selection<C>,
    /// Neighbours, with the level on which they are.
    chosen: Vec<(u32, Slot)>,
    pub(super) slots: Vec<Slot>,
    pub(super) distances: Vec<f32>,
}

impl<'a, C: Codes> Linker<'a, C> {
    pub(super) fn new(graph: &'a Graph, near: &'a C, codes: &'a C) -> Self {
        Self {
            graph,
            near,
            codes,
            query: C::Query::default(),
            other: C::Query::default(),
            candidates: Vec::new(),
            selection: Selection::default(),
            chosen: Vec::new(),
            slots: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// Links a placed and written node whose vector is at hand: when only coarse codes are kept, the vector itself finds
    /// its neighbourhood better than its code would. The graph has an entry point.
    pub(super) fn link_vector(&mut self, slot: Slot, vector: VectorRef<'_>, ef: usize, scratch: &mut Scratch) {
        self.near.prepare(vector, &mut self.query);
        self.link_found(slot, ef, scratch, &CancelFlag::new()).expect("nobody cancels");
    }

    /// Links a placed and written node. The graph has an entry point.
    ///
    /// # Errors
    /// A cancellation; the node is then linked in part.
    pub(super) fn link(&mut self, slot: Slot, ef: usize, scratch: &mut Scratch, cancel: &CancelFlag) -> Result<()> {
        self.look_for(slot);
        self.link_found(slot, ef, scratch, cancel)
    }

    /// Links a node that walks look for already.
    fn link_found(&mut self, slot: Slot, ef: usize, scratch: &mut Scratch, cancel: &CancelFlag) -> Result<()> {
        let (entry, top) = self.graph.entry().expect("the graph has an entry point");
        let own = self.graph.level(slot);
        let mut start = descend(self.eyes(), (entry, top), own.min(top));
        self.chosen.clear();
        for level in (0..=own.min(top)).rev() {
            self.neighbourhood(slot, start, level, ef, scratch, cancel)?;
            start = self.below(level, &scratch.pool).unwrap_or(start);
            self.refine(slot, &mut scratch.pool);
            if level == 0 && self.join_twin(slot, &scratch.pool) {
                return Ok(());
            }
            let graph = self.graph;
            let here = |near| graph.state(near) == State::Live && graph.level(near) >= level;
            self.selection.select_and_fill(self.codes, (slot, &scratch.pool), graph.capacity(level), here);
            self.chosen.extend(self.selection.kept.iter().map(|neighbour| (level, *neighbour)));
        }
        let chosen = std::mem::take(&mut self.chosen);
        for (level, neighbour) in &chosen {
            self.add(slot, *neighbour, *level);
        }
        for (level, neighbour) in &chosen {
            self.add(*neighbour, slot, *level);
        }
        self.chosen = chosen;
        self.graph.offer_entry(slot, own);
        Ok(())
    }

    /// Where a walk on the next level begins: the nearest of what was found on this one.
    fn below(&self, level: u32, pool: &[Candidate]) -> Option<Candidate> {
        // Nothing leads on from a place that was left in the meantime.
        let leads_on = |near: &&Candidate| level == 0 || self.graph.links(slot_of(**near), level - 1).next().is_some();
        pool.iter().find(leads_on).map(|nearest| nearest & !1)
    }

    /// Links a linked node anew, by better codes than it was linked by: its links are selected from those that it has and from what is near by
    /// these codes. The entry point, from which no walk leads to it, keeps what it has.
    ///
    /// # Errors
    /// A cancellation.
    pub(super) fn relink(&mut self, slot: Slot, ef: usize, scratch: &mut Scratch, cancel: &CancelFlag) -> Result<()> {
        let Some((entry, top)) = self.graph.entry() else { return Ok(()) };
        self.look_for(slot);
        let own = self.graph.level(slot).min(top);
        let mut start = descend(self.eyes(), (entry, top), own);
        for level in (0..=own).rev() {
            self.neighbourhood(slot, start, level, ef, scratch, cancel)?;
            start = self.below(level, &scratch.pool).unwrap_or(start);
            self.refine(slot, &mut scratch.pool);
            let graph = self.graph;
            let here = |near| graph.state(near) == State::Live && graph.level(near) >= level;
            self.selection.select_and_fill(self.codes, (slot, &scratch.pool), graph.capacity(level), here);
            let kept = std::mem::take(&mut self.selection.kept);
            for neighbour in &kept {
                self.add(slot, *neighbour, level);
                self.add(*neighbour, slot, level);
            }
            self.selection.kept = kept;
        }
        Ok(())
    }

    /// Makes the node the twin of a candidate that is alike, if there is one: it is as far from the node as the node is from itself.
    fn join_twin(&self, slot: Slot, pool: &[Candidate]) -> bool {
        let query = if std::ptr::eq(self.near, self.codes) { &self.query } else { &self.other };
        let own = candidate(self.codes.distance(query, slot), 0);
        let first = pool.partition_point(|near| *near < own);
        let equals = pool[first..].iter().take_while(|near| *near >> 32 == own >> 32);
        equals.map(|near| slot_of(*near)).any(|near| self.codes.alike(near, slot) && self.graph.attach(near, slot))
    }

    /// Orders candidates by the fine codes.
    fn refine(&mut self, slot: Slot, pool: &mut [Candidate]) {
        if std::ptr::eq(self.near, self.codes) {
            return;
        }
        self.codes.prepare_slot(slot, &mut self.other);
        self.slots.clear();
        self.slots.extend(pool.iter().map(|near| slot_of(*near)));
        self.codes.distances(&self.other, &self.slots, &mut self.distances);
        for (near, (slot, distance)) in pool.iter_mut().zip(self.slots.iter().zip(&self.distances)) {
            *near = candidate(*distance, *slot);
        }
        pool.sort_unstable();
    }

    /// Makes a node the one that walks look for.
    pub(super) fn look_for(&mut self, slot: Slot) {
        self.near.prepare_from(self.codes, slot, &mut self.query);
    }

    pub(super) fn eyes(&self) -> Eyes<'_, C> {
        (self.graph, self.near, &self.query)
    }

    /// The nodes of a level that a walk from `start` finds near a node, without itself, into the scratch's pool.
    ///
    /// # Errors
    /// A cancellation.
    pub(super) fn neighbourhood(
        &mut self,
        slot: Slot,
        start: Candidate,
        level: u32,
        ef: usize,
        scratch: &mut Scratch,
        cancel: &CancelFlag,
    ) -> Result<()> {
        scratch.clear();
        scratch.visited.insert(slot);
        if scratch.visited.insert(slot_of(start)) {
            scratch.pool.push(start);
        }
        expand(self.eyes(), Reach { level, ef, keep: false }, scratch, cancel)
    }

    /// Adds one link; a full list is selected anew from its links and the new one.
    pub(super) fn add(&mut self, from: Slot, to: Slot, level: u32) {
        let _guard = self.graph.lock(from);
        if self.may_lead(from, to, level) && !self.graph.push(from, level, to) {
            self.reselect(from, to, level);
        }
    }

    /// Adds one link unless the list is full.
    pub(super) fn add_if_room(&self, from: Slot, to: Slot, level: u32) {
        let _guard = self.graph.lock(from);
        if self.may_lead(from, to, level) {
            self.graph.push(from, level, to);
        }
    }

    fn may_lead(&self, from: Slot, to: Slot, level: u32) -> bool {
        self.graph.state(from) == State::Live && self.graph.links(from, level).all(|link| link != to)
    }

    /// Replaces a full list by a selection of it and one more node; the caller holds the node's lock.
    fn reselect(&mut self, from: Slot, to: Slot, level: u32) {
        let (graph, codes) = (self.graph, self.codes);
        codes.prepare_slot(from, &mut self.other);
        self.candidates.clear();
        self.slots.clear();
        self.slots.extend(graph.links(from, level).chain([to]));
        codes.distances(&self.other, &self.slots, &mut self.distances);
        self.candidates
            .extend(self.distances.iter().zip(&self.slots).map(|(distance, link)| candidate(*distance, *link)));
        self.candidates.sort_unstable();
        self.selection.select(codes, (from, &self.candidates), graph.capacity(level), |_| true);
        graph.write(from, level, &self.selection.kept);
    }
}

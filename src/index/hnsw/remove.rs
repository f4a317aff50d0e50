//! Taking an entry out of the graph in place.
//!
//! A removed node must not leave a hole: whoever pointed to it points to the nearest of the removed node's neighbours
//! instead, and these, which lost a way to be found, are linked among themselves. Lists are one-way, so the nodes that point here are not known; they
//! are nearly all among those that a walk for the removed node sees (IP-DiskANN, arXiv 2502.13826). A pointer that is
//! missed costs its owner one useless link until its list is selected anew, nothing else: the slot it leads to is
//! empty or another entry, and both are nodes.

use super::body::{Body, with_linker};
use super::codes::{Codes, Slot};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::link::Linker;
use super::walk::{Scratch, candidate, descend, slot_of};
use crate::common::CancelFlag;

/// Nodes that lead to a neighbour of a removed node instead of it.
const ADOPTERS: usize = 2;

impl Hnsw {
    /// Unlinks a node if it is linked, mends the lists that led to it and frees its place.
    pub(super) fn take_out(&self, body: &Body, slot: Slot) {
        let linked = !self.tail.withdraw(slot);
        body.graph.kill(slot);
        self.move_entry(&body.graph, slot);
        if linked {
            let mut scratch = self.scratch();
            let ef = self.options.ef_construction as usize;
            with_linker!(body, linker => linker.unlink(slot, ef, &mut scratch));
            self.recycle(scratch);
        }
        body.graph.clear(slot);
    }

    /// Lets walks begin elsewhere if they begin at this node.
    fn move_entry(&self, graph: &Graph, slot: Slot) {
        let _guard = self.entry.lock();
        if graph.entry().is_none_or(|(entry, _)| entry != slot) {
            return;
        }
        let live = |other: &Slot| *other != slot && graph.state(*other) == State::Live;
        // An entry of the tail leads nowhere; it will do only when nothing is linked.
        let mut tail = Vec::new();
        self.tail.copy(&mut tail);
        let linked = |other: &Slot| live(other) && !tail.contains(other);
        let near = (0..=graph.level(slot)).rev().find_map(|level| graph.links(slot, level).find(linked));
        // Walks should begin on the highest level; a neighbour on the removed node's own top level is there.
        let best = match near.filter(|near| graph.level(*near) >= graph.level(slot)) {
            Some(near) => Some(near),
            None => {
                let placed = |other: &Slot| graph.placed(*other);
                let highest = (0..self.slots()).filter(|o| placed(o) && linked(o)).max_by_key(|o| graph.level(*o));
                highest.or_else(|| tail.iter().copied().find(|other| live(other)))
            }
        };
        graph.set_entry(best.map(|best| (best, graph.level(best))));
    }
}

impl<C: Codes> Linker<'_, C> {
    /// Mends the lists that lead to a dead node.
    fn unlink(&mut self, slot: Slot, ef: usize, scratch: &mut Scratch) {
        let Some((entry, top)) = self.graph.entry() else { return };
        let own = self.graph.level(slot);
        self.look_for(slot);
        let mut start = descend(self.eyes(), (entry, top), own.min(top));
        for level in (0..=own).rev() {
            let heirs: Vec<Slot> =
                self.graph.links(slot, level).filter(|heir| self.graph.state(*heir) == State::Live).collect();
            if slot_of(start) == slot {
                let (_, near, query) = self.eyes();
                start = candidate(near.distance(query, entry), entry);
            }
            if level <= top {
                let cancel = CancelFlag::new();
                self.neighbourhood(slot, start, level, ef, scratch, &cancel).expect("nobody cancels");
                start = scratch.pool.first().map_or(start, |nearest| nearest & !1);
            }
            let mut near: Vec<Slot> = scratch.pool.iter().map(|near| slot_of(*near)).collect();
            near.extend(&heirs);
            for heir in &heirs {
                near.extend(self.graph.links(*heir, level));
            }
            near.sort_unstable();
            near.dedup();
            for other in near {
                if other != slot && self.graph.links(other, level).any(|link| link == slot) {
                    self.mend(other, level, &heirs, slot);
                }
            }
            self.adopt(&heirs, level);
        }
    }

    /// Replaces a node's link to a removed one by the nearest of that one's neighbours. The rest of the list stays: selecting
    /// it anew would thin it out, for links that came back from later nodes were not selected either.
    fn mend(&mut self, from: Slot, level: u32, heirs: &[Slot], gone: Slot) {
        let _guard = self.graph.lock(from);
        let mut links: Vec<Slot> = self.graph.links(from, level).filter(|link| *link != gone).collect();
        self.codes.prepare_slot(from, &mut self.other);
        let others = heirs.iter().filter(|heir| **heir != from && !links.contains(heir));
        let nearest = others.map(|heir| candidate(self.codes.distance(&self.other, *heir), *heir)).min();
        links.extend(nearest.map(slot_of));
        self.graph.write(from, level, &links);
    }

    /// The removed node's neighbours lost a node that led to them: each is linked with the nearest few of the others.
    fn adopt(&mut self, heirs: &[Slot], level: u32) {
        for heir in heirs {
            self.codes.prepare_slot(*heir, &mut self.other);
            let others = heirs.iter().filter(|other| *other != heir);
            let mut near: Vec<_> =
                others.map(|other| candidate(self.codes.distance(&self.other, *other), *other)).collect();
            near.sort_unstable();
            for other in near.iter().take(ADOPTERS).map(|near| slot_of(*near)) {
                self.add(other, *heir, level);
            }
        }
    }
}

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
use super::walk::{Candidate, Scratch, candidate, descend, distance_of, slot_of};
use crate::common::CancelFlag;

/// Nodes that lead to a neighbour of a removed node instead of it.
const ADOPTERS: usize = 1;
/// Links that are compared before a look at whether one leads on.
const AT_ONCE: usize = 4;

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
            let mut ready: Vec<(Slot, C::Query)> = heirs.iter().map(|heir| (*heir, C::Query::default())).collect();
            ready.iter_mut().for_each(|(heir, query)| self.codes.prepare_slot(*heir, query));
            for other in near {
                if other != slot && self.graph.links(other, level).any(|link| link == slot) {
                    self.mend(other, level, &ready, slot);
                }
            }
            self.adopt(&heirs, level);
        }
    }

    /// Replaces a node's link to a removed one by links to those of that one's neighbours which no other link of the list leads to
    /// (the rule of [`super::select`]), but one at least. The rest of the list stays: selecting it anew would thin it out, for links
    /// that came back from later nodes were not selected either.
    fn mend(&mut self, from: Slot, level: u32, heirs: &[(Slot, C::Query)], gone: Slot) {
        let _guard = self.graph.lock(from);
        let mut links: Vec<Slot> = self.graph.links(from, level).filter(|link| *link != gone).collect();
        self.codes.prepare_slot(from, &mut self.other);
        self.codes.distances(&self.other, &links, &mut self.distances);
        let mut own: Vec<_> = self.distances.iter().zip(&links).map(|(own, link)| candidate(*own, *link)).collect();
        own.sort_unstable();
        let others = heirs.iter().enumerate().filter(|(_, (heir, _))| *heir != from && !links.contains(heir));
        let mut near: Vec<_> =
            others.map(|(at, (_, query))| candidate(self.codes.distance(query, from), at as Slot)).collect();
        near.sort_unstable();
        let room = self.graph.capacity(level);
        for (nth, found) in near.into_iter().enumerate() {
            if links.len() >= room {
                break;
            }
            let ((heir, query), distance) = (&heirs[slot_of(found) as usize], distance_of(found));
            let nearer = own.partition_point(|own| distance_of(*own) <= distance);
            if nth == 0 || !self.is_led_to(query, distance, &own[..nearer]) {
                links.push(*heir);
                own.insert(nearer, candidate(distance, *heir));
            }
        }
        self.graph.write(from, level, &links);
    }

    /// Whether one of some nodes is nearer to a query than so much.
    fn is_led_to(&mut self, query: &C::Query, distance: f32, nodes: &[Candidate]) -> bool {
        nodes.chunks(AT_ONCE).any(|nodes| {
            self.slots.clear();
            self.slots.extend(nodes.iter().map(|node| slot_of(*node)));
            self.codes.distances(query, &self.slots, &mut self.distances);
            self.distances.iter().any(|to| *to < distance)
        })
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

//! Taking an entry out.
//!
//! A twin goes by itself, and so does an entry that was never linked. A node dies: nobody returns it or links to it any more, and
//! its lists lead on until all that lead to it have been mended ([`super::tidy`]). Where it had twins, one of them has its list by then. Otherwise its
//! neighbours, which lost a node that led to them, are linked among themselves.

use super::body::{Body, with_linker};
use super::codes::{Codes, Slot};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::link::Linker;
use super::twins::Ended;
use super::walk::{candidate, slot_of};

/// Nodes that lead to a neighbour of a removed node instead of it.
const ADOPTERS: usize = 2;

impl Hnsw {
    /// Takes an entry out whose name was taken away.
    pub(super) fn take_out(&self, body: &Body, slot: Slot) {
        let linked = !self.tail.withdraw(slot);
        let ended = body.graph.end(slot);
        if let Ended::Node(heir) = ended {
            self.move_entry(&body.graph, slot, heir);
            if linked {
                if heir.is_none() {
                    with_linker!(body, linker => linker.adopt_neighbours(slot));
                }
                return self.bury(body, slot, heir);
            }
        }
        body.graph.clear(slot);
        self.names.lock().release(slot);
    }

    /// Lets walks begin elsewhere if they begin at this node.
    fn move_entry(&self, graph: &Graph, slot: Slot, heir: Option<Slot>) {
        let _guard = self.entry.lock();
        if graph.entry().is_none_or(|(entry, _)| entry != slot) {
            return;
        }
        let live = |other: &Slot| *other != slot && graph.state(*other) == State::Live;
        // An entry of the tail leads nowhere; it will do only when nothing is linked.
        let mut tail = Vec::new();
        self.tail.copy(&mut tail);
        let linked = |other: &Slot| live(other) && !tail.contains(other);
        let neighbour = || (0..=graph.level(slot)).rev().find_map(|level| graph.links(slot, level).find(linked));
        let near = heir.or_else(neighbour);
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
    /// Links the live neighbours of a dead node among themselves.
    fn adopt_neighbours(&mut self, slot: Slot) {
        for level in 0..=self.graph.level(slot) {
            let live = |heir: &Slot| self.graph.state(*heir) == State::Live;
            let heirs: Vec<Slot> = self.graph.links(slot, level).filter(live).collect();
            self.adopt(&heirs, level);
        }
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

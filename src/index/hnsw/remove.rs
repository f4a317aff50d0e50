//! Taking an entry out.
//!
//! A twin goes by itself, and so does an entry that was never linked. A node dies: nobody returns it or links to it any more, and
//! its lists lead on until all that lead to it have been mended ([`super::tidy`]). Where it had twins, one of them has its list by then. Otherwise its
//! neighbours, which lost a node that led to them, are led to by each other.

use super::body::{Body, with_linker};
use super::codes::{Codes, Slot};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::link::Linker;
use super::twins::Ended;
use super::walk::{Candidate, candidate, slot_of};

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
    /// The live neighbours of a dead node lost a node that led to them: to each leads the nearest of the others, if it has room.
    fn adopt_neighbours(&mut self, slot: Slot) {
        for level in 0..=self.graph.level(slot) {
            let live = |heir: &Slot| self.graph.state(*heir) == State::Live;
            let heirs: Vec<Slot> = self.graph.links(slot, level).filter(live).collect();
            let mut nearest = vec![Candidate::MAX; heirs.len()];
            for (at, heir) in heirs.iter().enumerate() {
                self.codes.prepare_slot(*heir, &mut self.other);
                self.codes.distances(&self.other, &heirs[at + 1..], &mut self.distances);
                for (behind, distance) in self.distances.iter().enumerate() {
                    let other = at + 1 + behind;
                    nearest[at] = nearest[at].min(candidate(*distance, heirs[other]));
                    nearest[other] = nearest[other].min(candidate(*distance, *heir));
                }
            }
            if heirs.len() > 1 {
                heirs.iter().zip(nearest).for_each(|(heir, near)| self.add_if_room(slot_of(near), *heir, level));
            }
        }
    }
}

//! Twins: entries that the index's codes do not tell from a node.
//!
//! Real data repeat themselves: the same paragraph in a hundred documents, a row that was deleted and has come back. As nodes of their
//! own, copies fill the lists around them with each other and every walk's pool with the same place: of 4,000 vectors, each ten times,
//! a walk of 40 candidates found half of the nearest. So only the first is a node. Whoever is alike by the codes that links are chosen by
//! becomes its twin: a place with codes and a name, to which no link leads. A search that comes by the node takes its twins
//! along, and they count as one candidate, as pgvector counts the rows of one element.
//!
//! ```text
//!      a --- n --- b          n a node, t and u its twins: each holds one link, to n; who is whose lies beside the graph
//!           : :
//!          t   u              n is removed: t takes over its level, its lists, its place in those of others, and u
//! ```
//!
//! Invariants: a twin is on level 0 only, its node is live, and nobody else writes its list; a node is marked exactly while it has
//! twins. Who holds the groups may lock a node, never the other way round.

use hashbrown::HashMap;

use super::codes::Slot;
use super::graph::{Graph, State};

/// Twins by their node.
pub(super) type Groups = HashMap<Slot, Vec<Slot>>;

/// What an entry was that has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Twin,
    /// A node, with the twin that is a node in its stead, if it had twins.
    Node(Option<Slot>),
}

impl Graph {
    /// Makes an entry that no link leads to a node's twin; false when the node is none any more.
    pub(super) fn attach(&self, node: Slot, twin: Slot) -> bool {
        let mut groups = self.twins.lock();
        if self.state(node) != State::Live {
            return false;
        }
        {
            let _guard = self.lock(twin);
            self.lower(twin);
            self.write(twin, 0, &[node]);
            self.become_state(twin, State::Twin);
        }
        groups.entry(node).or_default().push(twin);
        self.mark(node, true);
        true
    }

    /// The twins of a node.
    pub(super) fn twins_of(&self, node: Slot) -> Vec<Slot> {
        self.twins.lock().get(&node).cloned().unwrap_or_default()
    }

    /// Ends an entry: a twin leaves its node, a node leaves its twins, its level and its lists to one of them.
    pub(super) fn end(&self, slot: Slot) -> Ended {
        let mut groups = self.twins.lock();
        if self.state(slot) == State::Twin {
            let node = self.links(slot, 0).next().expect("a twin has a node");
            let twins = groups.get_mut(&node).expect("a node knows its twins");
            let at = twins.iter().position(|twin| *twin == slot).expect("a node knows its twins");
            twins.swap_remove(at);
            if twins.is_empty() {
                groups.remove(&node);
                self.mark(node, false);
            }
            self.become_state(slot, State::Dead);
            return Ended::Twin;
        }
        let heir = groups.remove(&slot).and_then(|mut twins| {
            let heir = twins.pop()?;
            self.replace(slot, heir);
            for twin in &twins {
                let _guard = self.lock(*twin);
                self.write(*twin, 0, &[heir]);
            }
            if !twins.is_empty() {
                self.mark(heir, true);
                groups.insert(heir, twins);
            }
            Some(heir)
        });
        self.become_state(slot, State::Dead);
        Ended::Node(heir)
    }

    /// Makes a twin a node with the level and the lists of its node, which leads to it from now on.
    fn replace(&self, node: Slot, heir: Slot) {
        let top = self.level(node);
        let lists: Vec<Vec<Slot>> = (0..=top).map(|level| self.links(node, level).collect()).collect();
        {
            let _guard = self.lock(heir);
            self.raise(heir, top);
            for (level, links) in (0..).zip(&lists) {
                self.write(heir, level, links);
            }
            self.become_state(heir, State::Live);
        }
        let _guard = self.lock(node);
        for (level, links) in (0..).zip(lists) {
            let through = [heir].into_iter().chain(links).take(self.capacity(level));
            self.write(node, level, &through.collect::<Vec<_>>());
        }
    }

    /// Finds out whose the twins below `slots` are, which are in place but for that; nothing when one of them has no node.
    pub(super) fn gather_twins(&self, slots: Slot) -> Option<()> {
        let mut groups = self.twins.lock();
        for twin in (0..slots).filter(|slot| self.state(*slot) == State::Twin) {
            let node = self.links(twin, 0).next().filter(|node| self.state(*node) == State::Live)?;
            groups.entry(node).or_default().push(twin);
            self.mark(node, true);
        }
        Some(())
    }

    /// Resident bytes of who is whose.
    pub(super) fn twin_bytes(&self) -> u64 {
        let groups = self.twins.lock();
        let lists: usize = groups.values().map(|twins| 4 * twins.capacity()).sum();
        (lists + groups.capacity() * (size_of::<(Slot, Vec<Slot>)>() + 1)) as u64
    }
}

#[cfg(test)]
impl Graph {
    /// Panics when twins, their nodes and marks do not agree; the number of twins.
    pub(super) fn check_twins(&self, slots: Slot) -> usize {
        let groups = self.twins.lock();
        for (node, twins) in &*groups {
            assert!(self.state(*node) == State::Live && !twins.is_empty(), "a live node stands for twins");
            for twin in twins {
                assert!(self.state(*twin) == State::Twin, "a twin is one");
                assert_eq!(self.links(*twin, 0).collect::<Vec<_>>(), [*node], "a twin leads to its node");
            }
        }
        let placed = || (0..slots).filter(|slot| self.placed(*slot));
        placed().for_each(|slot| assert_eq!(self.has_twins(slot), groups.contains_key(&slot), "a mark says so"));
        let twins = placed().filter(|slot| self.state(*slot) == State::Twin).count();
        assert_eq!(twins, groups.values().map(Vec::len).sum::<usize>(), "every twin has a node");
        twins
    }
}

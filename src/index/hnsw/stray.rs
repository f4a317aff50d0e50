//! Strays: linked nodes that no links lead to from the entry point.
//!
//! Links are one-way, and a list that overflows is selected anew: what falls out of it may lose the last link that led to
//! it. Nothing notices, and from then on no walk comes by that node, not even one that looks for its very vector: 204 of
//! 50,000 sentence embeddings after a bulk load, 239 of 300,000. So after a bulk load, before a checkpoint, and now and then while rows come,
//! level 0 is flooded from the entry point (90 ms for 300,000); each node that stays dry gets a link from the nearest wet one that has
//! room.
//!
//! Writers may be at work meanwhile. A node that was linked behind the flood may be taken for a stray; it gets one link too many.

use super::body::{Body, with_linker};
use super::codes::{Codes, Slot};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::link::Linker;
use super::walk::{Scratch, Visited, candidate, descend, slot_of};
use crate::common::CancelFlag;
use crate::error::Result;

/// Nodes that are flooded between looks at whether somebody cancels.
const FLOODED_AT_ONCE: usize = 1 << 16;

impl Hnsw {
    /// Makes every node that is linked one that walks can come by; how many were not.
    ///
    /// # Errors
    /// A cancellation.
    pub(super) fn lead_to_strays_in(&self, body: &Body, cancel: &CancelFlag) -> Result<usize> {
        let Some((entry, _)) = body.graph.entry() else { return Ok(0) };
        let slots = self.slots();
        let mut wet = Visited::default();
        // What waits is no stray.
        let mut waiting = Vec::new();
        self.tail.copy(&mut waiting);
        wet.insert(entry);
        flood(&body.graph, entry, &mut wet, cancel)?;
        waiting.sort_unstable();
        let mut scratch = self.scratch();
        let mut count = 0;
        for slot in 0..slots {
            let placed = body.graph.placed(slot) && body.graph.state(slot) == State::Live;
            if !placed || wet.contains(slot) || waiting.binary_search(&slot).is_ok() {
                continue;
            }
            let ef = self.options.ef_construction as usize;
            with_linker!(body, linker => linker.lead_to(slot, ef, &mut scratch, cancel))?;
            wet.insert(slot);
            flood(&body.graph, slot, &mut wet, cancel)?;
            count += 1;
        }
        self.recycle(scratch);
        Ok(count)
    }
}

/// Adds what links of level 0 lead to from a node.
fn flood(graph: &Graph, from: Slot, wet: &mut Visited, cancel: &CancelFlag) -> Result<()> {
    let (mut shore, mut fresh) = (vec![from], Vec::new());
    let mut flooded = 0_usize;
    while let Some(slot) = shore.pop() {
        wet.insert_all(graph.list(slot, 0), &mut fresh);
        fresh.iter().for_each(|next| graph.prefetch(*next));
        shore.extend_from_slice(&fresh);
        flooded += 1;
        if flooded.is_multiple_of(FLOODED_AT_ONCE) {
            cancel.check()?;
        }
    }
    Ok(())
}

impl<C: Codes> Linker<'_, C> {
    /// Lets the nearest nodes that a walk for a node comes by lead to it: the first that has room, or one whose list is selected anew.
    fn lead_to(&mut self, slot: Slot, ef: usize, scratch: &mut Scratch, cancel: &CancelFlag) -> Result<()> {
        let Some(entry) = self.graph.entry() else { return Ok(()) };
        self.look_for(slot);
        let mut start = descend(self.eyes(), entry, 0);
        if slot_of(start) == slot {
            let (_, near, query) = self.eyes();
            start = candidate(near.distance(query, entry.0), entry.0);
        }
        self.neighbourhood(slot, start, 0, ef, scratch, cancel)?;
        let live = |near: &Slot| self.graph.state(*near) == State::Live;
        let found: Vec<Slot> = scratch.pool.iter().map(|near| slot_of(*near)).filter(live).collect();
        let taken = found.iter().any(|near| {
            let _guard = self.graph.lock(*near);
            self.graph.push(*near, 0, slot)
        });
        if let (false, Some(nearest)) = (taken, found.first()) {
            self.add(*nearest, slot, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::index::hnsw::tests::Dice;
    use crate::index::hnsw::{Kind, Metric, Options, Probe, Sight, Vector, VectorIndex, VectorRef};

    #[test]
    fn walks_come_by_strays_again() {
        let index = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 4)));
        let mut dice = Dice::new(5);
        let vectors: Vec<Vec<f32>> = (0..400).map(|_| (0..4).map(|_| dice.unit()).collect()).collect();
        for (rid, vector) in vectors.iter().enumerate() {
            index.insert(rid as u32, 0, VectorRef::Dense(vector));
            index.link(1);
        }
        index.mend();
        let body = index.body.read().clone();
        let entry = body.graph.entry().map(|(entry, _)| entry);
        let ground = |slot: &Slot| body.graph.level(*slot) == 0 && Some(*slot) != entry;
        let lost: Vec<Slot> = (0..400).step_by(19).filter(ground).collect();
        for slot in 0..400 {
            let kept: Vec<Slot> = body.graph.links(slot, 0).filter(|link| !lost.contains(link)).collect();
            body.graph.write(slot, 0, &kept);
        }
        let finds = |slot: &Slot| {
            let vector = Vector::Dense(vectors[*slot as usize].clone());
            let index: Arc<dyn VectorIndex> = Arc::clone(&index) as _;
            let cancel = CancelFlag::new();
            let hit = index.search(Probe::new(vector, 40, 1)).next(&Sight::all(&cancel)).expect("no owner fails");
            hit.is_some_and(|hit| hit.rid == *slot)
        };
        assert_eq!(lost.iter().filter(|slot| finds(slot)).count(), 0);
        assert_eq!(index.mend(), lost.len());
        assert_eq!(lost.iter().filter(|slot| !finds(slot)).count(), 0);
        assert_eq!(index.mend(), 0);
    }
}

//! A search: rounds of walking, ordering, judging.
//!
//! ```text
//!   walk (codes) -> pool of ef -> finer distances -> pending, ascending -> judged in chunks -> ready, ascending -> hits
//!        ^                                                                                       |
//!        +----- what the walk saw and did not keep, the best ef of it, while the caller wants more +
//! ```
//!
//! Nothing that a walk saw is forgotten: it is in the pool or aside, and a later round takes it from there. When nothing is
//! left aside, whatever no link led to is found by going through all slots; so a search that is resumed to its end
//! returns every entry exactly once, however the graph looks.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::{Body, Store, with_store};
use super::codes::{Codes, Slot};
use super::contract::{Hit, Probe, Search, SearchCounters, Sight};
use super::graph::State;
use super::index::Hnsw;
use super::walk::{Candidate, Scratch, candidate, descend, distance_of, expand, slot_of};
use crate::error::Result;

/// Where a search stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Walk,
    Sweep,
    End,
}

/// See the module.
pub(super) struct GraphSearch {
    index: Arc<Hnsw>,
    body: Body,
    probe: Probe,
    stage: Stage,
    scratch: Scratch,
    /// Found, ascending by the index's own distance, in the metric's unit.
    pending: VecDeque<(f64, Slot)>,
    /// Judged, ascending.
    ready: VecDeque<Hit>,
    counters: SearchCounters,
}

impl GraphSearch {
    pub(super) fn new(index: Arc<Hnsw>, probe: Probe) -> Self {
        let body = index.body.read().clone();
        let scratch = index.scratch();
        Self {
            body,
            probe,
            stage: Stage::Begin,
            scratch,
            pending: VecDeque::new(),
            ready: VecDeque::new(),
            counters: SearchCounters::default(),
            index,
        }
    }

    /// Candidates of a round.
    fn ef(&self) -> usize {
        ((self.probe.ef.max(1) as f64 * self.body.ef_factor).ceil() as usize).max(1)
    }

    /// Walks one round; its result is in the pool.
    fn round<C: Codes>(&mut self, codes: &C, sight: &Sight<'_>) -> Result<()> {
        let graph = Arc::clone(&self.body.graph);
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        let ef = self.ef();
        match self.stage {
            Stage::Begin => {
                let Some(entry) = graph.entry() else { return Ok(()) };
                let start = descend(&graph, codes, &query, entry, 0);
                self.scratch.visited.insert(slot_of(start));
                self.scratch.pool.push(start);
            }
            _ => {
                // The best of what was put aside begins the next round.
                let aside = &mut self.scratch.aside;
                let count = ef.min(aside.len());
                if count < aside.len() {
                    aside.select_nth_unstable(count);
                }
                self.scratch.pool.extend(aside.drain(..count));
                self.scratch.pool.sort_unstable();
            }
        }
        let keep = self.probe.resume;
        expand(&graph, codes, &query, 0, ef, keep, &mut self.scratch, sight.cancel)
    }

    /// Everything that no walk came by, into the pool.
    fn sweep<C: Codes>(&mut self, codes: &C, sight: &Sight<'_>) -> Result<()> {
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        for slot in 0..self.index.slots() {
            if slot % 1024 == 0 {
                sight.cancel.check()?;
            }
            let graph = &self.body.graph;
            if !self.scratch.visited.contains(slot) && graph.placed(slot) && graph.state(slot) == State::Live {
                self.scratch.visited.insert(slot);
                self.scratch.evaluated += 1;
                self.scratch.pool.push(candidate(codes.distance(&query, slot), slot));
            }
        }
        self.scratch.pool.sort_unstable();
        Ok(())
    }

    /// Takes the pool's live and admitted entries over, by the finest distances that the index has.
    fn collect(&mut self, sight: &Sight<'_>) {
        let graph = Arc::clone(&self.body.graph);
        let mut pool = std::mem::take(&mut self.scratch.pool);
        pool.iter().for_each(|found| graph.prefetch_name(slot_of(*found)));
        pool.retain(|found| graph.state(slot_of(*found)) == State::Live);
        if let Some(admit) = sight.admit {
            self.counters.filtered += pool.len() as u64;
            pool.retain(|found| admit(graph.name(slot_of(*found)).0));
            self.counters.admitted += pool.len() as u64;
        }
        if let Some(fine) = self.body.fine.clone() {
            with_store!(&*fine, codes => self.refine(codes, &mut pool));
        }
        let finest: &Store = self.body.finest();
        let in_units = |found: &Candidate| with_store!(finest, codes => codes.in_units(distance_of(*found)));
        self.pending.extend(pool.iter().map(|found| (in_units(found), slot_of(*found))));
        pool.clear();
        self.scratch.pool = pool;
    }

    /// Orders candidates by finer codes.
    fn refine<C: Codes>(&mut self, codes: &C, pool: &mut [Candidate]) {
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        pool.iter().for_each(|found| codes.prefetch(slot_of(*found)));
        for found in pool.iter_mut() {
            *found = candidate(codes.distance(&query, slot_of(*found)), slot_of(*found));
        }
        pool.sort_unstable();
        self.counters.reranked += pool.len() as u64;
    }

    /// Finds more; false when there is no more.
    fn find(&mut self, sight: &Sight<'_>) -> Result<bool> {
        let near = Arc::clone(&self.body.near);
        match self.stage {
            Stage::End => return Ok(false),
            Stage::Sweep => {
                with_store!(&*near, codes => self.sweep(codes, sight))?;
                self.stage = Stage::End;
            }
            Stage::Begin | Stage::Walk => {
                with_store!(&*near, codes => self.round(codes, sight))?;
                self.stage = match (self.probe.resume, self.scratch.aside.is_empty()) {
                    (false, _) => Stage::End,
                    (true, true) => Stage::Sweep,
                    (true, false) => Stage::Walk,
                };
            }
        }
        self.counters.rounds += 1;
        self.counters.evaluated = self.scratch.evaluated;
        self.collect(sight);
        Ok(true)
    }

    /// Judges the next chunk of what was found.
    fn judge(&mut self, sight: &Sight<'_>) -> Result<()> {
        let limit = self.probe.limit.max(1);
        // A little more than wanted, so that an entry which the codes put slightly too far is still in time.
        let chunk = limit + limit / 4 + 6;
        let count = if self.pending.len() < 2 * chunk { self.pending.len() } else { chunk };
        for (own, slot) in self.pending.drain(..count) {
            if self.body.graph.state(slot) != State::Live {
                continue;
            }
            let (rid, tag) = self.body.graph.name(slot);
            let distance = match sight.judge {
                None => Some(own),
                Some(judge) => {
                    self.counters.judged += 1;
                    judge(rid, tag)?
                }
            };
            self.ready.extend(distance.map(|distance| Hit { rid, tag, distance }));
        }
        self.counters.batches += 1;
        self.ready.make_contiguous().sort_by(|a, b| a.distance.total_cmp(&b.distance));
        Ok(())
    }
}

impl Search for GraphSearch {
    fn next(&mut self, sight: &Sight<'_>) -> Result<Option<Hit>> {
        loop {
            if let Some(hit) = self.ready.pop_front() {
                return Ok(Some(hit));
            }
            if !self.pending.is_empty() {
                self.judge(sight)?;
            } else if !self.find(sight)? {
                return Ok(None);
            }
        }
    }

    fn counters(&self) -> SearchCounters {
        self.counters
    }
}

impl Drop for GraphSearch {
    fn drop(&mut self) {
        self.index.recycle(std::mem::take(&mut self.scratch));
    }
}

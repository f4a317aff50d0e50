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
//! returns every entry exactly once, however the graph looks. A filtered search sweeps too when its walk ends early.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::{Body, with_store};
use super::codes::{Codes, Slot};
use super::contract::{Hit, Probe, Search, SearchCounters, Sight};
use super::filter::{Filter, begin, expand_admitted};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::walk::{Candidate, Eyes, Reach, Scratch, candidate, descend, distance_of, expand, slot_of};
use crate::error::Result;

/// Entries whose codes are asked for ahead of the one compared.
const AHEAD: usize = 8;

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
    probe: Probe,
    stage: Stage,
    scratch: Scratch,
    /// Found, ascending by what the walk's codes say; what was refined and not judged is back in front.
    pending: VecDeque<Candidate>,
    /// Judged, ascending.
    ready: VecDeque<Hit>,
    counters: SearchCounters,
}

impl GraphSearch {
    pub(super) fn new(index: Arc<Hnsw>, probe: Probe) -> Self {
        let scratch = index.scratch();
        let counters = SearchCounters::default();
        Self { index, probe, stage: Stage::Begin, scratch, pending: VecDeque::new(), ready: VecDeque::new(), counters }
    }

    /// Walks one round; its result is in the pool.
    fn round<C: Codes>(&mut self, body: &Body, codes: &C, sight: &Sight<'_>) -> Result<()> {
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        let eyes = (&*body.graph, codes, &query);
        let ef = (self.probe.ef.max(1) as f64 * body.ef_factor).ceil() as usize;
        if self.probe.among.is_some() {
            if self.stage == Stage::Begin {
                self.compare_named(codes, &query, sight)?;
            }
            self.refill(ef);
            self.stage = if self.scratch.aside.is_empty() { Stage::End } else { Stage::Walk };
            return Ok(());
        }
        self.refill(ef);
        let mut tail = Vec::new();
        let start = match self.stage {
            Stage::Begin => {
                // Before the walk: what is linked meanwhile is in both.
                self.index.tail.copy(&mut tail);
                body.graph.entry().map(|entry| descend(eyes, entry, 0))
            }
            _ => None,
        };
        let Some(admit) = sight.admit else {
            if let Some(start) = start {
                self.scratch.visited.insert(slot_of(start));
                self.scratch.pool.push(start);
            }
            let reach = Reach { level: 0, ef, keep: self.probe.resume };
            expand(eyes, reach, &mut self.scratch, sight.cancel)?;
            self.compare(eyes, &tail, reach, &mut |_| true);
            self.stage = match (self.probe.resume, self.scratch.aside.is_empty()) {
                (false, _) => Stage::End,
                (true, true) => Stage::Sweep,
                (true, false) => Stage::Walk,
            };
            return Ok(());
        };
        let admit = |slot| admit(body.graph.name(slot).0);
        let mut filter = self.filter(&admit);
        if let Some(start) = start {
            begin(start, &mut self.scratch, &mut filter);
        }
        expand_admitted(eyes, ef, &mut self.scratch, &mut filter, sight.cancel)?;
        let short = self.scratch.pool.len() < ef && self.scratch.aside.is_empty();
        self.compare(eyes, &tail, Reach { level: 0, ef, keep: true }, &mut |slot| filter.test(slot));
        (self.counters.filtered, self.counters.admitted) = (filter.tests, filter.passed);
        self.stage = if self.probe.resume { Stage::Walk } else { Stage::End };
        if short || filter.spent() {
            self.sweep(body, eyes.1, eyes.2, sight)?;
        }
        Ok(())
    }

    /// Compares entries that no link leads to.
    fn compare<C: Codes>(
        &mut self,
        (graph, codes, query): Eyes<'_, C>,
        slots: &[Slot],
        reach: Reach,
        admit: &mut dyn FnMut(Slot) -> bool,
    ) {
        slots.iter().take(AHEAD).for_each(|slot| codes.prefetch(*slot));
        for (at, slot) in slots.iter().enumerate() {
            if let Some(ahead) = slots.get(at + AHEAD) {
                codes.prefetch(*ahead);
            }
            if graph.state(*slot) != State::Live || self.scratch.visited.contains(*slot) || !admit(*slot) {
                continue;
            }
            self.scratch.visited.insert(*slot);
            self.scratch.evaluated += 1;
            self.scratch.offer(candidate(codes.distance(query, *slot), *slot), reach.ef, reach.keep);
        }
    }

    /// Takes the best of what was put aside into the pool.
    fn refill(&mut self, ef: usize) {
        let aside = &mut self.scratch.aside;
        let count = ef.min(aside.len());
        if count < aside.len() {
            aside.select_nth_unstable(count);
        }
        self.scratch.pool.extend(aside.drain(..count));
        self.scratch.pool.sort_unstable();
    }

    /// Compares the rows that the probe names, all of them aside.
    fn compare_named<C: Codes>(&mut self, codes: &C, query: &C::Query, sight: &Sight<'_>) -> Result<()> {
        let mut slots = Vec::new();
        {
            let names = self.index.names.lock();
            self.probe.among.iter().flat_map(|rows| rows.iter()).for_each(|rid| names.slots_of(*rid, &mut slots));
        }
        slots.iter().take(AHEAD).for_each(|slot| codes.prefetch(*slot));
        for (at, slot) in slots.iter().enumerate() {
            if at % 4096 == 0 {
                sight.cancel.check()?;
            }
            if let Some(ahead) = slots.get(at + AHEAD) {
                codes.prefetch(*ahead);
            }
            self.scratch.aside.push(candidate(codes.distance(query, *slot), *slot));
        }
        self.scratch.evaluated += slots.len() as u64;
        Ok(())
    }

    fn filter<'a>(&self, admit: &'a dyn Fn(Slot) -> bool) -> Filter<'a> {
        Filter {
            admit,
            rate: self.probe.pass_rate.unwrap_or(1.0),
            tests: self.counters.filtered,
            passed: self.counters.admitted,
            tests_max: 1000 + u64::from(self.index.slots()) / 3,
        }
    }

    /// Everything that no walk came by, and what is aside, into the pool; then the search has seen all.
    fn sweep<C: Codes>(&mut self, body: &Body, codes: &C, query: &C::Query, sight: &Sight<'_>) -> Result<()> {
        let graph: &Graph = &body.graph;
        let aside = std::mem::take(&mut self.scratch.aside);
        self.scratch.pool.extend(aside);
        for slot in 0..self.index.slots() {
            if slot % 1024 == 0 {
                sight.cancel.check()?;
            }
            let known = self.scratch.visited.contains(slot) || self.scratch.rejected.contains(slot);
            if known || !graph.placed(slot) || graph.state(slot) != State::Live {
                continue;
            }
            if let Some(admit) = sight.admit {
                let passes = admit(graph.name(slot).0);
                self.counters.filtered += 1;
                self.counters.admitted += u64::from(passes);
                if !passes {
                    continue;
                }
            }
            self.scratch.visited.insert(slot);
            self.scratch.evaluated += 1;
            self.scratch.pool.push(candidate(codes.distance(query, slot), slot));
        }
        self.scratch.pool.sort_unstable();
        self.stage = Stage::End;
        Ok(())
    }

    /// Takes the pool over.
    fn collect(&mut self, body: &Body) {
        let likely = self.scratch.pool.iter().take(2 * self.probe.limit);
        likely.for_each(|found| body.graph.prefetch_name(slot_of(*found)));
        self.pending.extend(self.scratch.pool.drain(..));
    }

    /// Orders candidates by finer codes.
    fn refine<C: Codes>(&mut self, codes: &C, found: &mut [Candidate]) {
        let mut query = C::Query::default();
        found.iter().for_each(|found| codes.prefetch(slot_of(*found)));
        codes.prepare(self.probe.vector.view(), &mut query);
        for found in found.iter_mut() {
            *found = candidate(codes.distance(&query, slot_of(*found)), slot_of(*found));
        }
        found.sort_unstable();
        self.counters.reranked += found.len() as u64;
    }

    /// Finds more; false when there is no more. The codes stay what they are meanwhile.
    fn find(&mut self, sight: &Sight<'_>) -> Result<bool> {
        if self.stage == Stage::End {
            return Ok(false);
        }
        let index = Arc::clone(&self.index);
        let body = index.body.read();
        with_store!(&*body.near, codes => if self.stage == Stage::Sweep {
            let mut query = Default::default();
            codes.prepare(self.probe.vector.view(), &mut query);
            self.sweep(&body, codes, &query, sight)?;
        } else {
            self.round(&body, codes, sight)?;
        });
        self.counters.rounds += 1;
        self.counters.evaluated = self.scratch.evaluated;
        self.collect(&body);
        Ok(true)
    }

    /// The next candidates to judge, with their distance in the metric's unit: more than wanted, so that an entry which
    /// the codes put too far is still in time: the coarser, the more, and of these the finer codes choose.
    fn chunk(&mut self) -> (Arc<Graph>, Vec<(f64, Slot)>) {
        let index = Arc::clone(&self.index);
        let body = index.body.read();
        let limit = self.probe.limit.max(1);
        let fine = limit + limit / 4 + 6;
        let coarse = match body.bits {
            1 => 4 * limit + 20,
            2 => 2 * limit + 20,
            4 => limit + limit / 2 + 10,
            _ => fine,
        };
        // A short rest is not worth another turn.
        let all_below = |chunk: usize, of: usize| if of < chunk + chunk / 2 { of } else { chunk };
        let mut found: Vec<Candidate> = self.pending.drain(..all_below(coarse, self.pending.len())).collect();
        found.retain(|found| body.graph.state(slot_of(*found)) == State::Live);
        if let Some(codes) = &body.fine {
            with_store!(&**codes, codes => self.refine(codes, &mut found));
            let rest = found.split_off(all_below(fine, found.len()));
            rest.into_iter().rev().for_each(|rest| self.pending.push_front(rest));
        }
        let in_units = |found: &Candidate| with_store!(body.finest(), codes => codes.in_units(distance_of(*found)));
        (Arc::clone(&body.graph), found.iter().map(|found| (in_units(found), slot_of(*found))).collect())
    }

    /// Judges the next chunk of what was found.
    fn judge(&mut self, sight: &Sight<'_>) -> Result<()> {
        let (graph, found) = self.chunk();
        for (own, slot) in found {
            let (rid, tag) = graph.name(slot);
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

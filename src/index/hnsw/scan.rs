//! A search: rounds of walking, ordering, judging.
//!
//! ```text
//!   walk (codes) -> pool of ef -> pending, ascending -> finer distances -> judged, nearest first -> ready -> hits
//!        ^                                                                                         |
//!        +----- what the walk saw and did not keep, the best ef of it, while the caller wants more +
//! ```
//!
//! Judging reads a row, so it is done for as few as possible: a judged hit is returned as soon as the nearest candidate that
//! waits could not be nearer even if its estimate were off by a few standard deviations (incremental search: Hjaltason
//! and Samet, "Distance browsing in spatial databases", 1999; what an estimate is off by: RaBitQ, arXiv 2405.12497, 3.2.2).
//!
//! Nothing that a walk saw is forgotten: it is in the pool or aside, and a later round takes it from there. When nothing is
//! left aside, whatever no link led to is found by going through all slots; so a search that is resumed to its end
//! returns every entry exactly once, however the graph looks. A filtered search sweeps too when its walk ends early.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::body::{Body, Store, with_store};
use super::codes::{Codes, Slot};
use super::contract::{Hit, Probe, Search, SearchCounters, Sight, Tag};
use super::filter::{Entries, Filter, begin, expand_admitted};
use super::graph::Graph;
use super::index::Hnsw;
use super::walk::{Candidate, Eyes, Reach, Scratch, candidate, descend, distance_of, expand, slot_of};
use crate::error::Result;

/// By how many standard deviations of its estimate an entry may be nearer than it looks, and still be asked about in time: more for who
/// holds many candidates, and means it.
fn deviations(ef: usize) -> f32 {
    2.0 + ((ef as f32 - 100.0) / 600.0).clamp(0.0, 0.5)
}

/// Where a search stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Walk,
    Sweep,
    End,
}

/// What may be returned once nothing that waits is likely to be nearer.
struct Judged {
    distance: f64,
    what: What,
}

enum What {
    Hit(Hit),
    /// Entries with the very vector of a hit, which the owner has not been asked about.
    Twins(Vec<Slot>),
}

/// See the module.
pub(super) struct GraphSearch {
    index: Arc<Hnsw>,
    probe: Probe,
    stage: Stage,
    scratch: Scratch,
    /// Found, ascending by what the walk's codes say.
    pending: VecDeque<Candidate>,
    /// The first of what was found, ascending by what finer codes say; empty where there are none.
    refined: VecDeque<Candidate>,
    /// Entries that a candidate which waits stands for, by its slot.
    twins: HashMap<Slot, Vec<Slot>>,
    /// Judged, descending.
    ready: Vec<Judged>,
    /// What the walk's codes may be off, and what the finer ones.
    margin: f32,
    margin_fine: f32,
    counters: SearchCounters,
}

impl GraphSearch {
    pub(super) fn new(index: Arc<Hnsw>, probe: Probe) -> Self {
        let scratch = index.scratch();
        let counters = SearchCounters::default();
        let (pending, refined, twins, ready) = Default::default();
        let stage = Stage::Begin;
        Self { index, probe, stage, scratch, pending, refined, twins, ready, margin: 0.0, margin_fine: 0.0, counters }
    }

    /// Whether the search compares entries that are named, without the graph.
    fn is_listed(&self, graph: &Arc<Graph>) -> bool {
        let list = |known: &Arc<Entries>| known.is_of(graph) && known.is_list();
        self.probe.among.is_some() || self.probe.entries.as_ref().is_some_and(list)
    }

    /// Walks one round; its result is in the pool.
    fn round<C: Codes>(&mut self, body: &Body, codes: &C, sight: &Sight<'_>) -> Result<()> {
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        self.margin = deviations(self.probe.ef) * codes.deviation(&query);
        let eyes = (&*body.graph, codes, &query);
        let ef = self.index.pool(body, self.probe.ef);
        let known = self.probe.entries.clone().filter(|known| known.is_of(&body.graph));
        if self.is_listed(&body.graph) {
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
        let named = |slot| admit(body.graph.name(slot).0);
        let passes = |slot| known.as_ref().and_then(|known| known.has(slot)).unwrap_or_else(|| named(slot));
        let graph = &body.graph;
        let admit = |slot| passes(slot) || graph.has_twins(slot) && graph.twins_of(slot).into_iter().any(passes);
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
        let mut batch = std::mem::take(&mut self.scratch.batch);
        batch.clear();
        for slot in slots {
            if graph.is_entry(*slot) && !self.scratch.visited.contains(*slot) && admit(*slot) {
                self.scratch.visited.insert(*slot);
                batch.push(*slot);
            }
        }
        self.scratch.evaluated += batch.len() as u64;
        let mut distances = std::mem::take(&mut self.scratch.distances);
        codes.distances(query, &batch, &mut distances);
        self.scratch.find(&batch, &distances);
        self.scratch.offer_found(reach.ef, reach.keep);
        (self.scratch.batch, self.scratch.distances) = (batch, distances);
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
        let mut named = Vec::new();
        let slots = match self.probe.entries.as_ref().and_then(|known| known.list()) {
            Some(list) => list,
            None => {
                let names = self.index.names.lock();
                self.probe.among.iter().flat_map(|rows| rows.iter()).for_each(|rid| names.slots_of(*rid, &mut named));
                &named
            }
        };
        for slots in slots.chunks(4096) {
            sight.cancel.check()?;
            codes.distances(query, slots, &mut self.scratch.distances);
            let found = self.scratch.distances.iter().zip(slots);
            self.scratch.aside.extend(found.map(|(distance, slot)| candidate(*distance, *slot)));
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
            if known || !graph.placed(slot) || !graph.is_entry(slot) {
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

    /// Takes the pool over, with the twins of its nodes.
    fn collect(&mut self, body: &Body, sight: &Sight<'_>) {
        let graph = &body.graph;
        self.scratch.pool.iter().for_each(|found| graph.prefetch_name(slot_of(*found)));
        let listed = self.is_listed(graph);
        let passes = |slot: &Slot| sight.admit.is_none_or(|admit| admit(graph.name(*slot).0));
        let Self { pending, twins, scratch: Scratch { pool, visited, .. }, .. } = self;
        for found in pool.drain(..) {
            let node = slot_of(found);
            if listed || !graph.has_twins(node) {
                pending.push_back(found);
                continue;
            }
            // A node that does not pass is in the pool for one of its twins.
            let fresh = graph.twins_of(node).into_iter().filter(|twin| visited.insert(*twin));
            let mut group: Vec<Slot> = fresh.chain([node]).filter(passes).collect();
            if let Some(first) = group.pop() {
                pending.push_back(candidate(distance_of(found), first));
                stand_for(twins, first, group);
            }
        }
    }

    /// Orders candidates by finer codes.
    fn refine<C: Codes>(&mut self, codes: &C, found: &mut [Candidate]) {
        let mut query = C::Query::default();
        codes.prepare(self.probe.vector.view(), &mut query);
        self.margin_fine = deviations(self.probe.ef) * codes.deviation(&query);
        let slots: Vec<Slot> = found.iter().map(|found| slot_of(*found)).collect();
        codes.distances(&query, &slots, &mut self.scratch.distances);
        for (found, distance) in found.iter_mut().zip(&self.scratch.distances) {
            *found = candidate(*distance, slot_of(*found));
        }
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
        self.collect(&body, sight);
        Ok(true)
    }

    /// Orders the next candidates of the walk by finer codes while one of them may be in front of those ordered so far.
    fn refine_ahead(&mut self, body: &Body, codes: &Store) {
        let block = 2 * self.probe.limit.max(1) + 20;
        while let Some(next) = self.pending.front() {
            if self.refined.front().is_some_and(|first| distance_of(*next) - self.margin >= distance_of(*first)) {
                break;
            }
            let count = block.min(self.pending.len());
            let Self { pending, twins, .. } = self;
            let mut found: Vec<Candidate> =
                pending.drain(..count).filter_map(|found| standing(&body.graph, twins, found)).collect();
            with_store!(codes, codes => self.refine(codes, &mut found));
            self.refined.extend(found);
            self.refined.make_contiguous().sort_unstable();
        }
    }

    /// What is to be done next.
    fn step(&mut self, judging: bool) -> Step {
        let index = Arc::clone(&self.index);
        let body = index.body.read();
        let fine = body.fine.as_deref();
        if let Some(codes) = fine {
            self.refine_ahead(&body, codes);
        }
        let (line, margin) = match fine {
            Some(_) => (&mut self.refined, self.margin_fine),
            None => (&mut self.pending, self.margin),
        };
        let in_units = |distance: f32| with_store!(body.finest(), codes => codes.in_units(distance));
        while let Some(next) = line.pop_front() {
            let Some(next) = standing(&body.graph, &mut self.twins, next) else { continue };
            let margin = if judging { margin } else { 0.0 };
            let floor = in_units(distance_of(next) - margin);
            if self.ready.last().is_some_and(|judged| judged.distance <= floor) {
                line.push_front(next);
                return Step::Take;
            }
            let (rid, tag) = body.graph.name(slot_of(next));
            return Step::Judge(next, Hit { rid, tag, distance: in_units(distance_of(next)) });
        }
        if self.ready.is_empty() { Step::Find } else { Step::Take }
    }

    /// Asks the owner about an entry.
    fn ask(&mut self, hit: Hit, sight: &Sight<'_>) -> Result<Option<Hit>> {
        let Some(judge) = sight.judge else { return Ok(Some(hit)) };
        self.counters.judged += 1;
        Ok(judge(hit.rid, hit.tag)?.map(|distance| Hit { distance, ..hit }))
    }

    /// Asks the owner about a candidate. Its twins with the same vector are as far; the others are candidates themselves.
    fn judge(&mut self, found: Candidate, hit: Hit, sight: &Sight<'_>) -> Result<()> {
        let judged = self.ask(hit, sight)?;
        let equals = match self.twins.remove(&slot_of(found)) {
            Some(twins) => self.part(found, twins, judged.map(|hit| hit.tag)),
            None => Vec::new(),
        };
        if let Some(hit) = judged {
            let distance = hit.distance;
            let at = self.ready.partition_point(|other| other.distance.total_cmp(&distance).is_gt());
            self.ready.insert(at, Judged { distance, what: What::Hit(hit) });
            if !equals.is_empty() {
                self.ready.insert(at, Judged { distance, what: What::Twins(equals) });
            }
        }
        Ok(())
    }

    /// Parts a candidate's twins: those with this tag are returned, one of the others waits in its stead for the rest.
    fn part(&mut self, found: Candidate, twins: Vec<Slot>, tag: Option<Tag>) -> Vec<Slot> {
        let index = Arc::clone(&self.index);
        let body = index.body.read();
        let equal = |twin: &Slot| tag == Some(body.graph.name(*twin).1);
        let (equals, mut others): (Vec<Slot>, Vec<Slot>) = twins.into_iter().partition(equal);
        if let Some(first) = others.pop() {
            let line = if body.fine.is_some() { &mut self.refined } else { &mut self.pending };
            line.push_front(candidate(distance_of(found), first));
            stand_for(&mut self.twins, first, others);
        }
        equals
    }

    /// The nearest of what was judged; nothing when it is not seen after all.
    fn take(&mut self, sight: &Sight<'_>) -> Result<Option<Hit>> {
        let Some(Judged { distance, what }) = self.ready.pop() else { return Ok(None) };
        let mut twins = match what {
            What::Hit(hit) => return Ok(Some(hit)),
            What::Twins(twins) => twins,
        };
        let Some(twin) = twins.pop() else { return Ok(None) };
        self.ready.push(Judged { distance, what: What::Twins(twins) });
        let index = Arc::clone(&self.index);
        let graph = Arc::clone(&index.body.read().graph);
        if !graph.is_entry(twin) {
            return Ok(None);
        }
        let (rid, tag) = graph.name(twin);
        self.ask(Hit { rid, tag, distance }, sight)
    }
}

/// Notes what a candidate stands for besides itself.
fn stand_for(twins: &mut HashMap<Slot, Vec<Slot>>, slot: Slot, others: Vec<Slot>) {
    if !others.is_empty() {
        twins.insert(slot, others);
    }
}

/// A candidate, or, where it is no entry any more, one that it stood for.
fn standing(graph: &Graph, twins: &mut HashMap<Slot, Vec<Slot>>, mut found: Candidate) -> Option<Candidate> {
    while !graph.is_entry(slot_of(found)) {
        let mut others = twins.remove(&slot_of(found))?;
        let next = others.pop()?;
        stand_for(twins, next, others);
        found = candidate(distance_of(found), next);
    }
    Some(found)
}

/// What a search does next.
enum Step {
    /// Return the nearest judged hit: nothing that waits is likely to be nearer.
    Take,
    /// Ask the owner.
    Judge(Candidate, Hit),
    /// Walk on.
    Find,
}

impl Search for GraphSearch {
    fn next(&mut self, sight: &Sight<'_>) -> Result<Option<Hit>> {
        loop {
            match self.step(sight.judge.is_some()) {
                Step::Take => {
                    if let Some(hit) = self.take(sight)? {
                        return Ok(Some(hit));
                    }
                }
                Step::Judge(found, hit) => self.judge(found, hit, sight)?,
                Step::Find if !self.find(sight)? => return Ok(None),
                Step::Find => {}
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

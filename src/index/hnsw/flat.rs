//! The naive twin: every vector in full, every search over all of them. The oracle of the property tests, and good
//! enough for a few thousand entries.

use std::io::Write;
use std::sync::Arc;

use parking_lot::RwLock;

use super::contract::{
    Hit, Job, Options, Probe, Search, SearchCounters, Sight, Sink, Tag, Vector, VectorIndex, VectorRef, VectorStats,
};
use super::distance::{distance, indexable};
use crate::error::{Error, Result};
use crate::index::Rid;

/// An exact index.
pub struct Flat {
    options: Options,
    entries: RwLock<Vec<(Rid, Tag, Vector)>>,
}

impl Flat {
    /// An empty index.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self { options, entries: RwLock::new(Vec::new()) }
    }
}

impl VectorIndex for Flat {
    fn options(&self) -> &Options {
        &self.options
    }

    fn insert(&self, rid: Rid, tag: Tag, vector: VectorRef<'_>) -> bool {
        vector.check(&self.options);
        let fits = indexable(self.options.metric, vector);
        if fits {
            self.entries.write().push((rid, tag, vector.to_vector()));
        }
        fits
    }

    fn remove(&self, rid: Rid, tag: Tag) -> bool {
        let mut entries = self.entries.write();
        let at = entries.iter().position(|entry| (entry.0, entry.1) == (rid, tag));
        at.inspect(|at| drop(entries.swap_remove(*at))).is_some()
    }

    fn contains(&self, rid: Rid, tag: Tag) -> bool {
        self.entries.read().iter().any(|entry| (entry.0, entry.1) == (rid, tag))
    }

    fn for_each(&self, see: &mut dyn FnMut(Rid, Tag)) {
        self.entries.read().iter().for_each(|entry| see(entry.0, entry.1));
    }

    fn load(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<()> {
        assert!(self.is_empty(), "a bulk load fills an empty index");
        feed(&mut |rid, tag, vector| {
            self.insert(rid, tag, vector);
            job.cancel.check()
        })
    }

    fn search(self: Arc<Self>, probe: Probe) -> Box<dyn Search> {
        probe.vector.view().check(&self.options);
        Box::new(FlatSearch { index: self, probe, found: None, counters: SearchCounters::default() })
    }

    fn len(&self) -> usize {
        self.entries.read().len()
    }

    fn bytes(&self) -> u64 {
        self.stats().total_bytes
    }

    fn stats(&self) -> VectorStats {
        let entries = self.entries.read();
        let bytes = entries.iter().map(|(_, _, vector)| match vector {
            Vector::Dense(elements) => 4 * elements.len(),
            Vector::Sparse(indices, values) => 4 * (indices.len() + values.len()),
            Vector::Bits(bits) => bits.len(),
        });
        let code_bytes = bytes.sum::<usize>() as u64;
        VectorStats {
            entries: entries.len() as u64,
            slots: entries.capacity() as u64,
            total_bytes: code_bytes + (entries.capacity() * size_of::<(Rid, Tag, Vector)>()) as u64,
            code_bytes,
            code_bits: 32,
            ef_factor: 1.0,
            ..VectorStats::default()
        }
    }

    fn checkpoint(&self, _out: &mut dyn Write) -> Result<()> {
        Err(Error::unsupported("a checkpoint of a flat index"))
    }
}

struct FlatSearch {
    index: Arc<Flat>,
    probe: Probe,
    /// What was found, farthest first.
    found: Option<Vec<Hit>>,
    counters: SearchCounters,
}

impl FlatSearch {
    fn scan(&mut self, sight: &Sight<'_>) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        for (rid, tag, vector) in self.index.entries.read().iter() {
            sight.cancel.check()?;
            if self.probe.among.as_ref().is_some_and(|among| !among.contains(rid)) {
                continue;
            }
            self.counters.filtered += u64::from(sight.admit.is_some());
            if sight.admit.is_some_and(|admit| !admit(*rid)) {
                continue;
            }
            self.counters.admitted += u64::from(sight.admit.is_some());
            self.counters.evaluated += 1;
            let own = distance(self.index.options.metric, self.probe.vector.view(), vector.view());
            hits.push(Hit { rid: *rid, tag: *tag, distance: own });
        }
        if let Some(judge) = sight.judge {
            self.counters.judged += hits.len() as u64;
            let mut seen = Vec::with_capacity(hits.len());
            for hit in hits {
                seen.extend(judge(hit.rid, hit.tag)?.map(|distance| Hit { distance, ..hit }));
            }
            hits = seen;
        }
        self.counters.rounds = 1;
        hits.sort_by(|a, b| b.distance.total_cmp(&a.distance).then(b.rid.cmp(&a.rid)));
        Ok(hits)
    }
}

impl Search for FlatSearch {
    fn next(&mut self, sight: &Sight<'_>) -> Result<Option<Hit>> {
        if self.found.is_none() {
            self.found = Some(self.scan(sight)?);
        }
        Ok(self.found.as_mut().and_then(Vec::pop))
    }

    fn counters(&self) -> SearchCounters {
        self.counters
    }
}

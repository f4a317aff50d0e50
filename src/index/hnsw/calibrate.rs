//! How many more candidates codes need to be as good as full vectors.
//!
//! `hnsw.ef_search` means the recall that a walk by full vectors has. Coarse codes lose a little, and a larger pool wins it
//! back; how much larger depends on the data. So a bulk load measures it, and so does an index that grows by inserts
//! ([`super::recode`]): some entries serve as queries, a long walk by the fine codes says what is near them, and the smallest
//! factor at which the coarse walk, reordered by the fine codes, finds as much of that as the fine walk of the same nominal
//! `ef` is kept with the index. `auto` takes more bits when the factor would be too large, unless memory is what is to be
//! saved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::body::{Body, Store, coded_dims};
use super::codes::{Codes, Slot};
use super::contract::{Job, Memory, Quantization};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::packed::{Packed, PackedQuery};
use super::walk::{Reach, Scratch, candidate, descend, expand, slot_of};
use crate::common::CancelFlag;
use crate::common::parallel::side_by_side;
use crate::error::Result;

/// Entries that serve as queries.
const QUERIES: usize = 400;
/// Neighbours that count.
const NEIGHBOURS: usize = 10;
/// Candidates for which recall is compared: pgvector's default.
const EF: usize = 40;
/// Candidates of the walk that says what is near.
const EF_TRUTH: usize = 400;
/// Factors tried, in turn.
const FACTORS: [f64; 9] = [1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0];
/// From this factor on, `auto` rather takes more bits, up to those of the fine codes: in a tight cluster coarse ones do not tell rows apart.
pub(super) const FACTOR_MAX_LOADED: f64 = 1.75;
/// The same where links are chosen by these codes too, as is every link of an entry that comes by itself: 40,000 rows in twenty clusters,
/// inserted one by one, .86 at 40 candidates with 1.75, .94 with this.
pub(super) const FACTOR_MAX_GROWING: f64 = 1.15;
/// Recall may be this much below: the noise of so few queries.
const SLACK: f64 = 0.004;

impl Hnsw {
    /// Finds the factor of a body with finer codes; with `auto` its bits too. `factor_max` is how large it may become before that. `announce`
    /// is told of codes before they are made, and says how many places they are to be made of.
    ///
    /// # Errors
    /// A cancellation.
    pub(super) fn calibrate(
        &self,
        body: &mut Body,
        job: &Job<'_>,
        factor_max: f64,
        announce: &dyn Fn(&Arc<Store>) -> Slot,
    ) -> Result<()> {
        let Some(fine) = body.fine.clone() else { return Ok(()) };
        let Store::Packed(fine) = &*fine else { return Ok(()) };
        loop {
            let near = Arc::clone(&body.near);
            let Store::Packed(near) = &*near else { return Ok(()) };
            body.ef_factor = self.measure(&body.graph, near, fine, job)?;
            let more = near.bits() * 2;
            let fixed = self.options.quantization != Quantization::Auto || self.options.memory == Memory::Budget;
            if fixed || body.ef_factor <= factor_max {
                return Ok(());
            }
            (body.near, body.bits) = (self.coarsened(fine, more, announce), more);
            if more == 8 {
                // As fine as what they were to be as good as.
                (body.fine, body.ef_factor) = (None, 1.0);
                return Ok(());
            }
        }
    }

    /// Codes of so many bits from finer ones.
    pub(super) fn coarsened(&self, fine: &Packed, bits: u32, announce: &dyn Fn(&Arc<Store>) -> Slot) -> Arc<Store> {
        let frame = Arc::clone(fine.frame());
        let dims = coded_dims(&self.options, bits, frame.dims());
        let coarse = Arc::new(Store::Packed(Packed::new(frame, bits, dims, self.slots() as usize, None)));
        let slots = announce(&coarse);
        let Store::Packed(packed) = &*coarse else { unreachable!("it was made above") };
        (0..slots).for_each(|slot| packed.write_from(fine, slot));
        coarse
    }

    fn measure(&self, graph: &Graph, near: &Packed, fine: &Packed, job: &Job<'_>) -> Result<f64> {
        let slots = self.slots() as usize;
        let queries: Vec<Slot> = (0..QUERIES)
            .map(|nth| (nth * slots / QUERIES) as Slot)
            .filter(|slot| graph.placed(*slot) && graph.state(*slot) == State::Live)
            .collect();
        let truths: Vec<OnceLock<Vec<Slot>>> = queries.iter().map(|_| OnceLock::new()).collect();
        let common = |nth: usize, found: &[Slot]| {
            let truth = truths[nth].get().expect("the truth comes first");
            found.iter().filter(|slot| truth.contains(slot)).count()
        };
        let wanted = self.over(queries.len(), job, &|nth, scratch| {
            let (slot, mut exact) = (queries[nth], PackedQuery::default());
            fine.prepare_slot(slot, &mut exact);
            let eyes = (fine, &exact);
            let truth = nearest(graph, eyes, eyes, slot, EF_TRUTH, scratch, job.cancel)?;
            truths[nth].get_or_init(|| truth);
            Ok(common(nth, &nearest(graph, eyes, eyes, slot, EF, scratch, job.cancel)?))
        })?;
        let enough = wanted as f64 - SLACK * (queries.len() * NEIGHBOURS) as f64;
        for factor in FACTORS {
            let ef = (EF as f64 * factor).ceil() as usize;
            let found = self.over(queries.len(), job, &|nth, scratch| {
                let (slot, mut coarse, mut exact) = (queries[nth], PackedQuery::default(), PackedQuery::default());
                fine.prepare_slot(slot, &mut exact);
                near.prepare_from(fine, slot, &mut coarse);
                let found = nearest(graph, (near, &coarse), (fine, &exact), slot, ef, scratch, job.cancel)?;
                Ok(common(nth, &found))
            })?;
            if found as f64 >= enough {
                return Ok(factor);
            }
        }
        Ok(FACTORS[FACTORS.len() - 1])
    }

    /// The sum of something over queries, on all threads.
    fn over(
        &self,
        queries: usize,
        job: &Job<'_>,
        each: &(dyn Fn(usize, &mut Scratch) -> Result<usize> + Sync),
    ) -> Result<usize> {
        let sum = AtomicUsize::new(0);
        side_by_side(job.threads.max(1), queries, &|nth| {
            let mut scratch = self.scratch();
            sum.fetch_add(each(nth, &mut scratch)?, Ordering::Relaxed);
            self.recycle(scratch);
            Ok(())
        })?;
        Ok(sum.into_inner())
    }
}

/// Codes and a query made ready for them.
type Look<'a> = (&'a Packed, &'a PackedQuery);

/// The nearest entries but one, as a walk by `walk` and an order by `order` find them.
fn nearest(
    graph: &Graph,
    walk: Look<'_>,
    order: Look<'_>,
    but: Slot,
    ef: usize,
    scratch: &mut Scratch,
    cancel: &CancelFlag,
) -> Result<Vec<Slot>> {
    scratch.clear();
    let eyes = (graph, walk.0, walk.1);
    let Some(entry) = graph.entry() else { return Ok(Vec::new()) };
    let start = descend(eyes, entry, 0);
    scratch.visited.insert(slot_of(start));
    scratch.pool.push(start);
    expand(eyes, Reach { level: 0, ef, keep: false }, scratch, cancel)?;
    let slots = scratch.pool.iter().map(|found| slot_of(*found)).filter(|slot| *slot != but);
    let mut by_order: Vec<_> = slots.map(|slot| candidate(order.0.distance(order.1, slot), slot)).collect();
    by_order.sort_unstable();
    Ok(by_order.iter().take(NEIGHBOURS).map(|found| slot_of(*found)).collect())
}

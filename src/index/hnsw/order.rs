//! In which order a bulk load links its entries.
//!
//! A walk reads a thousand rows from all over the place, and waits for most of them. When one entry after the other is near
//! the last, the rows are those of the last walk and still in the core's cache. But a graph whose regions come one after the
//! other is a poorer one: the first entries of a region find nothing near. So entries come in rounds, each a random
//! sample twice as large as all before it, so that every region has its share of every round, and region by region within one:
//!
//! ```text
//!   round    0         1         2                   3
//!   region   random    1 2 3 4   1 1 2 2 3 3 4 4     1 1 1 1 2 2 2 2 3 3 3 3 4 4 4 4
//! ```
//!
//! A region is what is nearest to one of a few hundred entries, the pivots; they follow each other along a chain in which each is
//! near the one before. The order depends on the seed and the entries, not on threads or on the order that they came in.

use super::codes::{Codes, Slot};
use crate::common::splitmix;

/// Entries of a region, about: what a walk through it reads fits a core's cache.
const REGION_ENTRIES: usize = 512;
/// Every entry is compared with every pivot, which must stay a small part of linking it.
const PIVOTS_MAX: usize = 1024;
/// Entries of the first round, about. Below it regions gain nothing.
const FIRST_ENTRIES: usize = if cfg!(test) { 64 } else { 8192 };

/// The slots `0..count` in the order in which they should be linked; all of them are written.
pub(super) fn linking_order<C: Codes>(codes: &C, count: usize, seed: u64, threads: usize) -> Vec<Slot> {
    let rounds = (count / FIRST_ENTRIES).checked_ilog2().map_or(0, |rounds| rounds + 1);
    let hash = |slot: Slot| splitmix::mix(!seed ^ u64::from(slot).wrapping_mul(splitmix::STEP));
    let mut random: Vec<(u64, Slot)> = (0..count as Slot).map(|slot| (hash(slot), slot)).collect();
    random.sort_unstable();
    let mut order: Vec<Slot> = random.into_iter().map(|(_, slot)| slot).collect();
    if rounds == 0 {
        return order;
    }
    let pivots = chain(codes, &order[..(count / REGION_ENTRIES).clamp(1, PIVOTS_MAX)]);
    let mut regions = vec![0_u16; count];
    let part = count.div_ceil(threads.max(1));
    std::thread::scope(|scope| {
        for (at, regions) in regions.chunks_mut(part).enumerate() {
            let pivots = &pivots;
            scope.spawn(move || {
                let (mut query, mut distances) = (C::Query::default(), Vec::new());
                for (slot, region) in (at * part..).zip(regions) {
                    codes.prepare_slot(slot as Slot, &mut query);
                    *region = nearest(codes, &query, pivots, &mut distances) as u16;
                }
            });
        }
    });
    let mut end = count;
    for _ in 0..rounds {
        let start = end / 2;
        order[start..end].sort_by_key(|slot| regions[*slot as usize]);
        end = start;
    }
    order
}

/// Where the pivot is that a query is nearest to.
fn nearest<C: Codes>(codes: &C, query: &C::Query, pivots: &[Slot], distances: &mut Vec<f32>) -> usize {
    codes.distances(query, pivots, distances);
    let mut best = (f32::INFINITY, 0);
    for (at, distance) in distances.iter().enumerate() {
        if *distance < best.0 {
            best = (*distance, at);
        }
    }
    best.1
}

/// Pivots along a chain, each the nearest of the rest to the one before.
fn chain<C: Codes>(codes: &C, pivots: &[Slot]) -> Vec<Slot> {
    let mut rest = pivots.to_vec();
    let mut chain = Vec::with_capacity(rest.len());
    let (mut query, mut distances) = (C::Query::default(), Vec::new());
    let mut next = 0;
    while !rest.is_empty() {
        let pivot = rest.swap_remove(next);
        chain.push(pivot);
        codes.prepare_slot(pivot, &mut query);
        next = nearest(codes, &query, &rest, &mut distances);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::contract::{Metric, VectorRef};
    use crate::index::hnsw::floats::Floats;

    /// Points of a plane about 25 centres, which come in turn.
    fn points(count: usize) -> Floats {
        let codes = Floats::new(Metric::L2, 2, count);
        for slot in 0..count {
            let near = |at: u64| (splitmix::mix(2 * slot as u64 + at) >> 40) as f32 / (1 << 24) as f32;
            let center = [10.0 * (slot % 5) as f32, 10.0 * (slot / 5 % 5) as f32];
            codes.write(slot as Slot, VectorRef::Dense(&[center[0] + near(0), center[1] + near(1)]));
        }
        codes
    }

    fn mean_step(codes: &Floats, order: &[Slot]) -> f32 {
        let mut query = Default::default();
        let steps = order.windows(2).map(|step| {
            codes.prepare_slot(step[0], &mut query);
            codes.distance(&query, step[1])
        });
        steps.sum::<f32>() / order.len() as f32
    }

    #[test]
    fn rounds_double_and_go_from_region_to_region() {
        for count in [0, 1, 63, 64, 200, 20_000] {
            let codes = points(count);
            let order = linking_order(&codes, count, 7, 1);
            assert_eq!(order, linking_order(&codes, count, 7, 3), "threads do not matter");
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..count as Slot), "every entry comes once");
        }
        let codes = points(20_000);
        let order = linking_order(&codes, 20_000, 7, 2);
        assert_ne!(order, linking_order(&codes, 20_000, 8, 2), "the seed matters");
        let (first, last) = (mean_step(&codes, &order[..39]), mean_step(&codes, &order[10_000..]));
        assert!(last < first / 20.0, "entries of a round follow their neighbours: {last} against {first} at random");
        for round in [&order[1250..2500], &order[10_000..]] {
            let mut centers = [0; 25];
            round.iter().for_each(|slot| centers[*slot as usize % 25] += 1);
            let share = round.len() / 25;
            assert!(
                centers.iter().all(|count| (share / 2..2 * share).contains(count)),
                "a round is a sample: {centers:?}"
            );
        }
    }
}

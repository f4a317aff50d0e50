//! Sparse vectors in full, with exact distances.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use super::codes::{Codes, Slot};
use super::contract::{Metric, VectorRef};
use super::distance::distance;
use crate::simd::cosine_distance;

/// Positions and elements of one entry.
type Row = Arc<(Vec<u32>, Vec<f32>)>;

/// See the module.
pub(super) struct SparseRows {
    metric: Metric,
    rows: RwLock<Vec<Option<Row>>>,
}

/// Queries whose last position is below this are spread out: 256 KiB at most for each.
const SPREAD_MAX: usize = 1 << 16;

/// A sparse query; empty before it is prepared.
#[derive(Default)]
pub(super) struct SparseQuery {
    indices: Vec<u32>,
    values: Vec<f32>,
    /// Its elements by position, zeros between and behind; nothing but zeros when there are too many.
    spread: Vec<f32>,
    /// Whether it is there.
    is_spread: bool,
    /// Sum of the elements' squares, and of their absolute values, in the order of positions.
    squares: f64,
    sizes: f64,
}

impl SparseQuery {
    fn prepare(&mut self, indices: &[u32], values: &[f32]) {
        if self.is_spread {
            self.indices.iter().for_each(|index| self.spread[*index as usize] = 0.0);
        }
        self.indices.clear();
        self.indices.extend_from_slice(indices);
        self.values.clear();
        self.values.extend_from_slice(values);
        let end = indices.last().map_or(0, |last| *last as usize + 1);
        self.is_spread = end <= SPREAD_MAX;
        if self.is_spread {
            self.spread.resize(self.spread.len().max(end), 0.0);
            indices.iter().zip(values).for_each(|(index, value)| self.spread[*index as usize] = *value);
            (self.squares, self.sizes) = values
                .iter()
                .map(|value| f64::from(*value))
                .fold((0.0, 0.0), |sum, value| (sum.0 + value * value, sum.1 + value.abs()));
        }
    }

    fn distance(&self, metric: Metric, (indices, values): &(Vec<u32>, Vec<f32>)) -> f32 {
        let found = if self.is_spread {
            self.spread_distance(metric, indices, values)
        } else {
            let own = VectorRef::Sparse(&self.indices, &self.values);
            distance(metric, own, VectorRef::Sparse(indices, values))
        };
        if found.is_nan() { f32::INFINITY } else { found as f32 }
    }

    /// The distance by a look at each element of the row, where a merge has a branch that nobody can foretell for each of both.
    fn spread_distance(&self, metric: Metric, indices: &[u32], values: &[f32]) -> f64 {
        let own = |at: &u32| f64::from(self.spread.get(*at as usize).copied().unwrap_or(0.0));
        let pairs = indices.iter().map(own).zip(values.iter().map(|value| f64::from(*value)));
        // Two sums in one pass: of the row's positions, and what of the query is at them. All of it less that is exactly nothing when
        // both have the same positions.
        let sums = |terms: fn(f64, f64) -> (f64, f64)| {
            let add = |sum: (f64, f64), term: (f64, f64)| (sum.0 + term.0, sum.1 + term.1);
            pairs.fold((0.0, 0.0), |sum, (own, other)| add(sum, terms(own, other)))
        };
        match metric {
            Metric::L2 => {
                let (apart, here) = sums(|own, other| ((own - other) * (own - other), own * own));
                (apart + (self.squares - here).max(0.0)).sqrt()
            }
            Metric::L1 => {
                let (apart, here) = sums(|own, other| ((own - other).abs(), own.abs()));
                apart + (self.sizes - here).max(0.0)
            }
            Metric::InnerProduct => -sums(|own, other| (own * other, 0.0)).0,
            Metric::Cosine => {
                let (inner, squares) = sums(|own, other| (own * other, other * other));
                cosine_distance((inner as f32, self.squares as f32, squares as f32))
            }
            Metric::Hamming | Metric::Jaccard => panic!("{metric:?} does not measure vectors"),
        }
    }
}

impl SparseRows {
    pub(super) fn new(metric: Metric) -> Self {
        Self { metric, rows: RwLock::new(Vec::new()) }
    }

    /// A row, when it was written.
    pub(super) fn get(&self, slot: Slot) -> Option<Row> {
        self.rows.read().get(slot as usize).cloned().flatten()
    }
}

impl Codes for SparseRows {
    type Query = SparseQuery;

    fn prepare(&self, vector: VectorRef<'_>, query: &mut SparseQuery) {
        let VectorRef::Sparse(indices, values) = vector else { panic!("the index is of sparse vectors") };
        query.prepare(indices, values);
    }

    fn prepare_slot(&self, slot: Slot, query: &mut SparseQuery) {
        let row = self.get(slot).expect("the row was written");
        query.prepare(&row.0, &row.1);
    }

    fn distance(&self, query: &SparseQuery, slot: Slot) -> f32 {
        let rows = self.rows.read();
        query.distance(self.metric, rows[slot as usize].as_ref().expect("the row was written"))
    }

    fn distances(&self, query: &SparseQuery, slots: &[Slot], distances: &mut Vec<f32>) {
        let rows = self.rows.read();
        let row = |slot: &Slot| rows[*slot as usize].as_ref().expect("the row was written");
        distances.clear();
        distances.extend(slots.iter().map(|slot| query.distance(self.metric, row(slot))));
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn alike(&self, one: Slot, other: Slot) -> bool {
        self.get(one) == self.get(other)
    }

    fn prefetch(&self, _slot: Slot) {}

    fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        let VectorRef::Sparse(indices, values) = vector else { panic!("the index is of sparse vectors") };
        let mut rows = self.rows.write();
        if rows.len() <= slot as usize {
            rows.resize(slot as usize + 1, None);
        }
        rows[slot as usize] = Some(Arc::new((indices.to_vec(), values.to_vec())));
    }

    fn make_room(&self, slot: Slot) {
        if self.get(slot).is_none() {
            self.write(slot, VectorRef::Sparse(&[], &[]));
        }
    }

    fn save(&self, slots: Range<Slot>, out: &mut Vec<u8>) {
        for slot in slots {
            let row = self.get(slot).unwrap_or_default();
            out.extend((row.0.len() as u32).to_ne_bytes());
            out.extend(row.0.iter().flat_map(|index| index.to_ne_bytes()));
            out.extend(row.1.iter().flat_map(|value| value.to_ne_bytes()));
        }
    }

    fn restore(&self, slots: Range<Slot>, from: &mut &[u8]) -> Option<()> {
        let words =
            |bytes: &[u8]| -> Vec<u32> { bytes.as_chunks::<4>().0.iter().map(|w| u32::from_ne_bytes(*w)).collect() };
        for slot in slots {
            let count = u32::from_ne_bytes(from.split_off(..4)?.try_into().expect("four bytes")) as usize;
            let indices = words(from.split_off(..4 * count)?);
            let values: Vec<f32> = words(from.split_off(..4 * count)?).into_iter().map(f32::from_bits).collect();
            self.write(slot, VectorRef::Sparse(&indices, &values));
        }
        Some(())
    }

    fn in_units(&self, distance: f32) -> f64 {
        f64::from(distance)
    }

    fn bytes(&self) -> u64 {
        let rows = self.rows.read();
        let held: usize = rows.iter().flatten().map(|row| 64 + 4 * (row.0.capacity() + row.1.capacity())).sum();
        (held + rows.capacity() * size_of::<Option<Row>>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::contract::{Kind, Vector};
    use crate::index::hnsw::tests::Dice;

    #[test]
    fn a_spread_query_is_as_far_as_a_merged_one() {
        let (mut dice, mut query) = (Dice::new(7), SparseQuery::default());
        for round in 0..2000 {
            let [(a, av), (b, bv)] = [0; 2].map(|_| {
                let dims = 1 + dice.below(60) as u32;
                let Vector::Sparse(indices, values) = dice.vector(Kind::Sparse, dims) else { panic!("it is sparse") };
                (indices, values)
            });
            // Every third is too far out to be spread; what comes after it must not see what was before.
            let shift = if round % 3 == 0 { SPREAD_MAX as u32 } else { 0 };
            let a: Vec<u32> = a.iter().map(|index| index + shift).collect();
            query.prepare(&a, &av);
            assert_eq!(query.is_spread, a.is_empty() || shift == 0);
            for metric in [Metric::L2, Metric::L1, Metric::InnerProduct, Metric::Cosine] {
                let expected = distance(metric, VectorRef::Sparse(&a, &av), VectorRef::Sparse(&b, &bv));
                let found = query.distance(metric, &(b.clone(), bv.clone()));
                if expected.is_nan() {
                    assert_eq!(found, f32::INFINITY);
                } else {
                    let bound = 1e-5 * (1.0 + expected.abs());
                    assert!((f64::from(found) - expected).abs() < bound, "{metric:?}: {found}, not {expected}");
                }
                if matches!(metric, Metric::L2 | Metric::L1) {
                    assert_eq!(query.distance(metric, &(a.clone(), av.clone())), 0.0);
                }
            }
        }
    }
}

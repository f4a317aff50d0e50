//! Sparse vectors in full, with exact distances.
//!
//! A row is its elements, each a word: its position, then its bits. A query lies spread out, a number for each position, so that
//! a distance is a look at each element of the row; a query of very many positions is looked through from the front instead.
//! A row that is rewritten while it is read gives a wrong number, and an entry is returned only by what its owner judges.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::arena::Arena;
use super::codes::{Codes, Slot};
use super::contract::{Metric, VectorRef};
use crate::simd::{cosine_distance, memory};
use crate::types::vector::MAX_DIMENSIONS;

/// See the module.
pub(super) struct SparseRows {
    metric: Metric,
    rows: Arena,
}

/// Queries whose last position is below this are spread out: 256 KiB at most for each.
const SPREAD_MAX: usize = 1 << 16;
/// Rows that are asked for before the first of them is compared.
const AHEAD: usize = 16;

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
    /// Makes these elements the query's; positions ascend.
    fn prepare(&mut self, elements: impl Iterator<Item = (u32, f32)>) {
        if self.is_spread {
            self.indices.iter().for_each(|index| self.spread[*index as usize] = 0.0);
        }
        self.indices.clear();
        self.values.clear();
        (self.squares, self.sizes) = (0.0, 0.0);
        for (index, value) in elements {
            self.indices.push(index);
            self.values.push(value);
            let value = f64::from(value);
            self.squares += value * value;
            self.sizes += value.abs();
        }
        let end = self.indices.iter().max().map_or(0, |last| *last as usize + 1);
        self.is_spread = end <= SPREAD_MAX;
        if self.is_spread {
            self.spread.resize(self.spread.len().max(end), 0.0);
            self.indices.iter().zip(&self.values).for_each(|(index, value)| self.spread[*index as usize] = *value);
        }
    }

    fn distance(&self, metric: Metric, row: &[AtomicU64]) -> f32 {
        let found = if self.is_spread {
            total(metric, row, (self.squares, self.sizes), |at| self.spread.get(at as usize).copied().unwrap_or(0.0))
        } else {
            let mut next = 0;
            total(metric, row, (self.squares, self.sizes), |at| {
                next += self.indices[next..].iter().take_while(|index| **index < at).count();
                if self.indices.get(next) == Some(&at) { self.values[next] } else { 0.0 }
            })
        };
        if found.is_nan() { f32::INFINITY } else { found as f32 }
    }
}

/// The distance between a row and a query of these sums, which `own` gives the elements of: by a look at each element of the row, where a
/// merge has a branch that nobody can foretell for each of both.
#[inline(always)]
fn total(metric: Metric, row: &[AtomicU64], (squares, sizes): (f64, f64), own: impl FnMut(u32) -> f32) -> f64 {
    match metric {
        Metric::L2 => {
            let (apart, here) = sums(row, own, |own, other| ((own - other) * (own - other), own * own));
            (apart + (squares - here).max(0.0)).sqrt()
        }
        Metric::L1 => {
            let (apart, here) = sums(row, own, |own, other| ((own - other).abs(), own.abs()));
            apart + (sizes - here).max(0.0)
        }
        Metric::InnerProduct => -sums(row, own, |own, other| (own * other, 0.0)).0,
        Metric::Cosine => {
            let (inner, others) = sums(row, own, |own, other| (own * other, other * other));
            cosine_distance((inner as f32, squares as f32, others as f32))
        }
        Metric::Hamming | Metric::Jaccard => panic!("{metric:?} does not measure vectors"),
    }
}

/// Two sums in one pass over a row: of what is at its positions, and what of the query is at them. All of the query less that is exactly
/// nothing when both have the same positions.
#[inline(always)]
fn sums(row: &[AtomicU64], mut own: impl FnMut(u32) -> f32, terms: impl Fn(f64, f64) -> (f64, f64)) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for word in row {
        let (index, value) = element(word.load(Ordering::Relaxed));
        let term = terms(f64::from(own(index)), f64::from(value));
        sums = (sums.0 + term.0, sums.1 + term.1);
    }
    sums
}

/// An element as a word.
fn word((index, value): (u32, f32)) -> u64 {
    u64::from(index) << 32 | u64::from(value.to_bits())
}

/// Position and value of an element.
#[inline]
fn element(word: u64) -> (u32, f32) {
    ((word >> 32) as u32, f32::from_bits(word as u32))
}

/// The numbers that bytes are of.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|number| u32::from_ne_bytes(*number))
}

/// The elements of a vector, which is sparse.
fn elements(vector: VectorRef<'_>) -> impl Iterator<Item = (u32, f32)> {
    let VectorRef::Sparse(indices, values) = vector else { panic!("the index is of sparse vectors") };
    indices.iter().copied().zip(values.iter().copied())
}

impl SparseRows {
    pub(super) fn new(metric: Metric, expected: usize) -> Self {
        Self { metric, rows: Arena::new(expected) }
    }

    fn words(&self, slot: Slot) -> impl Iterator<Item = u64> {
        self.rows.row(slot as usize).iter().map(|word| word.load(Ordering::Relaxed))
    }
}

impl Codes for SparseRows {
    type Query = SparseQuery;

    fn prepare(&self, vector: VectorRef<'_>, query: &mut SparseQuery) {
        query.prepare(elements(vector));
    }

    fn prepare_slot(&self, slot: Slot, query: &mut SparseQuery) {
        query.prepare(self.words(slot).map(element));
    }

    fn distance(&self, query: &SparseQuery, slot: Slot) -> f32 {
        query.distance(self.metric, self.rows.row(slot as usize))
    }

    fn distances(&self, query: &SparseQuery, slots: &[Slot], distances: &mut Vec<f32>) {
        distances.clear();
        let mut rows: [&[AtomicU64]; AHEAD] = [&[]; AHEAD];
        for slots in slots.chunks(AHEAD) {
            for (row, slot) in rows.iter_mut().zip(slots) {
                *row = self.rows.row(*slot as usize);
                memory::prefetch(row);
            }
            distances.extend(rows[..slots.len()].iter().map(|row| query.distance(self.metric, row)));
        }
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn alike(&self, one: Slot, other: Slot) -> bool {
        self.words(one).eq(self.words(other))
    }

    fn prefetch(&self, slot: Slot) {
        memory::prefetch(self.rows.row(slot as usize));
    }

    fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        let words: Vec<u64> = elements(vector).map(word).collect();
        self.rows.write(slot as usize, &words);
    }

    fn make_room(&self, slot: Slot) {
        self.rows.make_room(slot as usize);
    }

    fn save(&self, slots: Range<Slot>, out: &mut Vec<u8>) {
        for slot in slots {
            self.make_room(slot);
            let row: Vec<(u32, f32)> = self.words(slot).map(element).collect();
            out.extend((row.len() as u32).to_ne_bytes());
            out.extend(row.iter().flat_map(|(index, _)| index.to_ne_bytes()));
            out.extend(row.iter().flat_map(|(_, value)| value.to_ne_bytes()));
        }
    }

    fn restore(&self, slots: Range<Slot>, from: &mut &[u8]) -> Option<()> {
        for slot in slots {
            let count = u32::from_ne_bytes(from.split_off(..4)?.try_into().expect("four bytes")) as usize;
            if count > MAX_DIMENSIONS {
                return None;
            }
            let indices = numbers(from.split_off(..4 * count)?);
            let values = numbers(from.split_off(..4 * count)?).map(f32::from_bits);
            let words: Vec<u64> = indices.zip(values).map(word).collect();
            self.rows.write(slot as usize, &words);
        }
        Some(())
    }

    fn in_units(&self, distance: f32) -> f64 {
        f64::from(distance)
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::contract::{Kind, Vector};
    use crate::index::hnsw::distance::distance;
    use crate::index::hnsw::tests::Dice;

    #[test]
    fn a_spread_query_is_as_far_as_a_merged_one() {
        let (mut dice, mut query) = (Dice::new(7), SparseQuery::default());
        let rows = SparseRows::new(Metric::L2, 1);
        for round in 0..2000 {
            let [(a, av), (b, bv)] = [0; 2].map(|_| {
                let dims = 1 + dice.below(60) as u32;
                let Vector::Sparse(indices, values) = dice.vector(Kind::Sparse, dims) else { panic!("it is sparse") };
                (indices, values)
            });
            // Every third is too far out to be spread; what comes after it must not see what was before.
            let shift = if round % 3 == 0 { SPREAD_MAX as u32 } else { 0 };
            let a: Vec<u32> = a.iter().map(|index| index + shift).collect();
            query.prepare(elements(VectorRef::Sparse(&a, &av)));
            assert_eq!(query.is_spread, a.is_empty() || shift == 0);
            for metric in [Metric::L2, Metric::L1, Metric::InnerProduct, Metric::Cosine] {
                let expected = distance(metric, VectorRef::Sparse(&a, &av), VectorRef::Sparse(&b, &bv));
                rows.write(0, VectorRef::Sparse(&b, &bv));
                let found = query.distance(metric, rows.rows.row(0));
                if expected.is_nan() {
                    assert_eq!(found, f32::INFINITY);
                } else {
                    let bound = 1e-5 * (1.0 + expected.abs());
                    assert!((f64::from(found) - expected).abs() < bound, "{metric:?}: {found}, not {expected}");
                }
                if matches!(metric, Metric::L2 | Metric::L1) {
                    rows.write(0, VectorRef::Sparse(&a, &av));
                    assert_eq!(query.distance(metric, rows.rows.row(0)), 0.0);
                }
            }
        }
    }
}

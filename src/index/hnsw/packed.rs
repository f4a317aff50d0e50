//! Codes of 1, 2, 4 or 8 bits a dimension, with an unbiased estimate of the distance.
//!
//! RaBitQ (arXiv 2405.12497) and its extension to more bits (arXiv 2409.09913). A vector `o` becomes the residual
//! `r = P(o - c)`, rotated about the centre `c`, and `r` becomes the point `u` of a grid of half-integers whose direction
//! is nearest to its own. Not `u` but its direction carries the information; the factor `f = |r|² / <u, r>` makes
//!
//! ```text
//!   <r, s>  ~  f <u, s>          for the rotated query s = P(q - c)
//! ```
//!
//! unbiased over rotations, with an error that falls as `2^-bits / sqrt(D)`. Distances follow:
//!
//! ```text
//!   |o - q|²  =  |r|² + |s|² - 2 <r, s>             add = |r|²      scale = -2 f    base = |s|²
//!   -<o, q>   =  -<o, c> - <q, c> + |c|² - <r, s>   add = -<o, c>   scale = -f      base = |c|² - <q, c>
//! ```
//!
//! so that a row is its code and two floats, and any metric's distance is `base + add + scale <u, s>`. The query is rounded
//! to 8-bit integers, `s ~ delta t`; the kernel sums integers. Codes of 8 bits are on the grid of integers
//! instead and are as good as full vectors for ordering: `r ~ f u` with an error of about 0.3 %.
//!
//! A code may be of the first `K` of `D` rotated dimensions only. A rotation prefers none, so the estimate is unbiased with the
//! same factor, where `u` has zeros for the rest; `<u, r>` is smaller, and the error larger as if there were only `K`. But two codes share
//! their dimensions: between them a product of two factors would count what is missing twice, so a code that serves as a query stands
//! for `r` in these dimensions, `K/D f u`.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::codes::{Codes, Slot};
use super::contract::{Metric, VectorRef};
use super::floats::{in_units, normalized};
use super::rotation::Rotation;
use super::shelf::Shelf64;
use crate::simd::codes::{CodeDot, CodeDots, code_kernels, query_bytes, runs};
use crate::simd::{kernels, memory};

/// Best steps of a uniform quantiser of normal numbers, by bits, in standard deviations (1 bit: any).
const STEPS: [(u32, f32); 3] = [(1, 1.0), (2, 0.9957), (4, 0.3352)];
/// Standard deviation of an estimated inner product of unit vectors, times the root of the number of dimensions, by bits:
/// `sqrt((1 - c²) / c²)`, where `c` is the cosine between a vector and its code; for 8 bits with what the query's rounding adds.
const DEVIATIONS: [(u32, f32); 4] = [(1, 0.755), (2, 0.367), (4, 0.108), (8, 0.011)];
/// Steps tried around the best.
const TRIALS: [f32; 5] = [0.84, 0.92, 1.0, 1.09, 1.19];
/// Largest number of a rounded query, and of an 8-bit code without its sign.
const LARGEST: f32 = 127.0;
/// Rows that are asked for before the first of them is compared.
const AHEAD: usize = 32;

/// The frame in which vectors are coded: centre and rotation, shared by the stores of an index.
pub(super) struct Frame {
    pub(super) metric: Metric,
    pub(super) center: Vec<f32>,
    center_norm: f32,
    /// Root mean square length of residuals.
    pub(super) spread: f32,
    rotation: Rotation,
}

impl Frame {
    pub(super) fn new(metric: Metric, center: Vec<f32>, spread: f32, seed: u64) -> Self {
        let center_norm = (kernels().inner_product)(&center, &center);
        Self { metric, rotation: Rotation::new(center.len(), seed), center, center_norm, spread }
    }

    /// Dimensions after rotation.
    pub(super) fn dims(&self) -> usize {
        self.rotation.padded()
    }

    /// The rotated residual, and the vector's inner product with the centre.
    fn turn(&self, vector: VectorRef<'_>, residual: &mut Vec<f32>) -> f32 {
        let mut elements = Vec::new();
        normalized(self.metric, vector, &mut elements);
        self.rotation.apply(&elements, &self.center, residual);
        (kernels().inner_product)(&elements, &self.center)
    }
}

/// See the module.
pub(super) struct Packed {
    frame: Arc<Frame>,
    bits: u32,
    /// Rotated dimensions that codes are of, the first.
    dims: usize,
    /// What is taken from a stored number to get its place on the grid.
    half: f32,
    row_bytes: usize,
    dot: CodeDot,
    four: CodeDots,
    rows: Shelf64,
}

/// A query in kernel order.
#[derive(Default)]
pub(super) struct PackedQuery {
    numbers: Vec<i8>,
    residual: Vec<f32>,
    base: f32,
    delta: f32,
    /// Square of the residual's length.
    square: f32,
    /// What `half` amounts to: `delta * half *` the sum of the numbers.
    shift: f32,
}

impl PackedQuery {
    /// The distance to a row of these factors whose code has this dot product.
    #[inline]
    fn estimate(&self, dot: i32, scale: f32, add: f32) -> f32 {
        self.base + add + scale * (self.delta * dot as f32 - self.shift)
    }
}

impl Packed {
    /// An empty store, in memory or in a file, with room for the rows that are expected: codes of `bits` bits of each of the first `dims`
    /// rotated dimensions, a multiple of 64.
    pub(super) fn new(frame: Arc<Frame>, bits: u32, dims: usize, expected: usize, file: Option<Arc<File>>) -> Self {
        let row_bytes = dims * bits as usize / 8;
        let half = if bits == 8 { 128.0 } else { ((1 << bits) - 1) as f32 / 2.0 };
        let rows = Shelf64::in_file(row_bytes / 8 + 1, expected, file);
        let kernels = code_kernels();
        Self { frame, bits, dims, half, row_bytes, dot: kernels.dot(bits), four: kernels.four(bits), rows }
    }

    pub(super) fn bits(&self) -> u32 {
        self.bits
    }

    pub(super) fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Code, scale and addend of a row.
    #[inline]
    fn row(&self, slot: Slot) -> (&[u8], f32, f32) {
        self.parts(self.rows.row(slot as usize))
    }

    #[inline]
    fn parts<'a>(&self, row: &'a [AtomicU64]) -> (&'a [u8], f32, f32) {
        let bytes = memory::bytes(row);
        let (code, factors) = bytes.split_at(self.row_bytes);
        let factor = |at: usize| f32::from_ne_bytes(factors[at..at + 4].try_into().expect("four bytes"));
        (code, factor(0), factor(4))
    }

    /// Asks for the rows of some slots.
    #[inline]
    fn ask_for(&self, slots: Option<&[Slot]>) {
        slots.unwrap_or_default().iter().for_each(|slot| memory::prefetch(self.rows.row(*slot as usize)));
    }

    /// Writes a row from a rotated residual; `along` is the vector's inner product with the centre.
    fn write_residual(&self, slot: Slot, residual: &[f32], along: f32) {
        let mut levels = Vec::with_capacity(self.dims);
        let aligned = quantize(&residual[..self.dims], self.bits, &mut levels);
        let square = (kernels().inner_product)(residual, residual);
        let factor = if aligned > 0.0 { square / aligned } else { 0.0 };
        let (scale, add) = match self.frame.metric {
            Metric::L2 => (-2.0 * factor, square),
            _ => (-factor, -along),
        };
        let mut bytes = vec![0; self.row_bytes + 8];
        for run in runs(self.row_bytes, self.bits) {
            let levels = &levels[run.dimension..][..run.len];
            bytes[run.byte..].iter_mut().zip(levels).for_each(|(byte, level)| *byte |= level << run.shift);
        }
        bytes[self.row_bytes..self.row_bytes + 4].copy_from_slice(&scale.to_ne_bytes());
        bytes[self.row_bytes + 4..].copy_from_slice(&add.to_ne_bytes());
        memory::store(self.rows.grow(slot as usize), &bytes);
    }

    /// The rotated residual that a row stands for, and its vector's inner product with the centre (under L2: nothing).
    fn residual(&self, slot: Slot, residual: &mut Vec<f32>) -> f32 {
        let (code, scale, add) = self.row(slot);
        let factor = self.factor(scale) * self.part();
        residual.clear();
        residual.resize(self.frame.dims(), 0.0);
        let mask = u8::MAX >> (8 - self.bits);
        for run in runs(self.row_bytes, self.bits) {
            let values = residual[run.dimension..][..run.len].iter_mut().zip(&code[run.byte..]);
            values.for_each(|(value, byte)| *value = factor * (f32::from(byte >> run.shift & mask) - self.half));
        }
        -add
    }

    /// Writes a row from the row of finer codes in the same frame.
    pub(super) fn write_from(&self, fine: &Self, slot: Slot) {
        let mut residual = Vec::new();
        let along = fine.residual(slot, &mut residual);
        self.write_residual(slot, &residual, along);
    }

    /// Rounds a query whose residual is in place.
    fn prepare_residual(&self, along: f32, query: &mut PackedQuery) {
        let PackedQuery { residual, numbers, .. } = query;
        query.square = (kernels().inner_product)(residual, residual);
        query.base = match self.frame.metric {
            Metric::L2 => query.square,
            _ => self.frame.center_norm - along,
        };
        let largest = residual[..self.dims].iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        query.delta = largest / LARGEST;
        let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
        numbers.clear();
        numbers.resize(query_bytes(self.row_bytes, self.bits), 0);
        let mut sum = 0;
        for run in runs(self.row_bytes, self.bits) {
            let numbers = &mut numbers[run.place..][..run.len];
            let values = numbers.iter_mut().zip(&residual[run.dimension..]);
            values.for_each(|(number, value)| *number = rounded(value * inverse));
            sum += numbers.iter().map(|number| i32::from(*number)).sum::<i32>();
        }
        query.shift = query.delta * self.half * sum as f32;
    }

    /// The factor of the estimate, from the scale that is stored.
    fn factor(&self, scale: f32) -> f32 {
        if self.frame.metric == Metric::L2 { scale / -2.0 } else { -scale }
    }

    /// Which part of the dimensions codes are of.
    fn part(&self) -> f32 {
        self.dims as f32 / self.frame.dims() as f32
    }
}

/// Adding so large a number to one below 2^22 leaves no bits for a fraction, and the integer in the lowest bits.
const LARGE: f32 = 12_582_912.0;

/// The nearest integer of a number below 2^22. Unlike `round`, this is no call, so that loops of it become vector instructions.
#[inline]
fn nearest(value: f32) -> f32 {
    (value + LARGE) - LARGE
}

/// The nearest integer of a number from -127 to 127.
#[inline]
fn rounded(value: f32) -> i8 {
    (value + LARGE).to_bits() as i8
}

/// The stored numbers of a residual's nearest grid point, and the inner product of that point with the residual.
fn quantize(residual: &[f32], bits: u32, levels: &mut Vec<u8>) -> f32 {
    let largest = residual.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    levels.clear();
    if largest == 0.0 {
        levels.resize(residual.len(), 1 << (bits - 1));
        return 0.0;
    }
    if bits == 8 {
        let inverse = LARGEST / largest;
        levels.extend(residual.iter().map(|value| rounded(value * inverse) as u8 ^ 0x80));
        return levels.iter().zip(residual).map(|(level, value)| (f32::from(*level) - 128.0) * value).sum();
    }
    let top = ((1 << bits) - 1) as f32;
    let half = top / 2.0;
    let deviation = ((kernels().inner_product)(residual, residual) / residual.len() as f32).sqrt();
    let step = STEPS.iter().find(|(of, _)| *of == bits).expect("1, 2 or 4 bits").1 * deviation;
    let level = |value: f32, inverse: f32| nearest((value * inverse + half).clamp(0.0, top));
    let trials: &[f32] = if bits == 1 { &[1.0] } else { &TRIALS };
    let mut best = (f32::NEG_INFINITY, 1.0, 0.0);
    for trial in trials {
        let inverse = 1.0 / (step * trial);
        let (mut aligned, mut square) = (0.0, 0.0);
        for value in residual {
            let place = level(*value, inverse) - half;
            aligned += place * value;
            square += place * place;
        }
        if aligned * aligned / square > best.0 {
            best = (aligned * aligned / square, inverse, aligned);
        }
    }
    levels.extend(residual.iter().map(|value| level(*value, best.1) as u8));
    best.2
}

impl Codes for Packed {
    type Query = PackedQuery;

    fn prepare(&self, vector: VectorRef<'_>, query: &mut PackedQuery) {
        let along = self.frame.turn(vector, &mut query.residual);
        self.prepare_residual(along, query);
    }

    fn prepare_slot(&self, slot: Slot, query: &mut PackedQuery) {
        let (code, scale, add) = self.row(slot);
        query.base = match self.frame.metric {
            Metric::L2 => add,
            _ => self.frame.center_norm + add,
        };
        query.numbers.clear();
        let mut sum = 0;
        if self.bits == 8 {
            query.numbers.extend(code.iter().map(|level| (level ^ 0x80) as i8));
            query.numbers.resize(query_bytes(self.row_bytes, 8), 0);
            sum = query.numbers.iter().map(|number| i32::from(*number)).sum();
            query.delta = self.factor(scale) * self.part();
        } else {
            // Twice the half-integers.
            query.numbers.resize(query_bytes(self.row_bytes, self.bits), 0);
            let mask = u8::MAX >> (8 - self.bits);
            for run in runs(self.row_bytes, self.bits) {
                let numbers = &mut query.numbers[run.place..][..run.len];
                let values = numbers.iter_mut().zip(&code[run.byte..]);
                values.for_each(|(number, byte)| *number = 2 * (byte >> run.shift & mask) as i8 - mask as i8);
                sum += numbers.iter().map(|number| i32::from(*number)).sum::<i32>();
            }
            query.delta = self.factor(scale) * self.part() / 2.0;
        }
        query.shift = query.delta * self.half * sum as f32;
    }

    fn prepare_from(&self, finer: &Self, slot: Slot, query: &mut PackedQuery) {
        let along = finer.residual(slot, &mut query.residual);
        self.prepare_residual(along, query);
    }

    #[inline]
    fn distance(&self, query: &PackedQuery, slot: Slot) -> f32 {
        let (code, scale, add) = self.row(slot);
        query.estimate((self.dot)(&query.numbers, code), scale, add)
    }

    fn distances(&self, query: &PackedQuery, slots: &[Slot], distances: &mut Vec<f32>) {
        distances.clear();
        let mut chunks = slots.chunks(AHEAD);
        let mut coming = chunks.next();
        self.ask_for(coming);
        while let Some(chunk) = coming {
            coming = chunks.next();
            self.ask_for(coming);
            for slots in chunk.chunks(4) {
                // Fewer than four are filled up: computing a row once more costs less than computing two by themselves.
                let slot = |at: usize| slots[at.min(slots.len() - 1)];
                let [a, b, c, d] = [self.row(slot(0)), self.row(slot(1)), self.row(slot(2)), self.row(slot(3))];
                let dots = (self.four)(&query.numbers, [a.0, b.0, c.0, d.0]);
                let distance = |dot: i32, (_, scale, add)| query.estimate(dot, scale, add);
                let four = [distance(dots[0], a), distance(dots[1], b), distance(dots[2], c), distance(dots[3], d)];
                distances.extend_from_slice(&four);
            }
        }
        distances.truncate(slots.len());
    }

    fn deviation(&self, query: &PackedQuery) -> f32 {
        let of = DEVIATIONS.iter().find(|(bits, _)| *bits == self.bits).expect("1, 2, 4 or 8 bits").1;
        // 1 / c² = 1 + of²; of a part of the dimensions c² is as much smaller.
        let of = ((1.0 + of * of) / self.part() - 1.0).sqrt();
        let product = of * query.square.sqrt() * self.frame.spread / (self.frame.dims() as f32).sqrt();
        if self.frame.metric == Metric::L2 { 2.0 * product } else { product }
    }

    fn metric(&self) -> Metric {
        self.frame.metric
    }

    fn alike(&self, one: Slot, other: Slot) -> bool {
        memory::bytes(self.rows.row(one as usize)) == memory::bytes(self.rows.row(other as usize))
    }

    #[inline]
    fn prefetch(&self, slot: Slot) {
        memory::prefetch(self.rows.row(slot as usize));
    }

    fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        let mut residual = Vec::new();
        let along = self.frame.turn(vector, &mut residual);
        self.write_residual(slot, &residual, along);
    }

    fn make_room(&self, slot: Slot) {
        self.rows.grow(slot as usize);
    }

    fn save(&self, slots: Range<Slot>, out: &mut Vec<u8>) {
        self.rows.save(slots, out);
    }

    fn restore(&self, slots: Range<Slot>, from: &mut &[u8]) -> Option<()> {
        self.rows.restore(slots, from)
    }

    fn in_units(&self, distance: f32) -> f64 {
        in_units(self.frame.metric, distance)
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::tests::Dice;

    const DIMS: usize = 1536;

    /// What estimates of the first rotated dimensions are off by on average, and the root of the mean square, in the deviations that they
    /// claim. Queries are vectors, or the codes of other rows.
    fn errors(metric: Metric, bits: u32, dims: usize, coded: bool) -> (f32, f32) {
        let mut dice = Dice::new(11);
        let mut any = || (0..DIMS).map(|_| dice.unit()).collect::<Vec<f32>>();
        let common = any();
        let near = |own: Vec<f32>| own.iter().zip(&common).map(|(own, common)| own + common).collect::<Vec<f32>>();
        let vectors: Vec<Vec<f32>> = (0..40).map(|_| near(any())).collect();
        let inner = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let spread = (vectors.iter().map(|vector| inner(vector, vector)).sum::<f32>() / 40.0).sqrt();
        let (mut sum, mut squares, mut count, mut query) = (0.0, 0.0, 0.0, PackedQuery::default());
        let rotations = (0..3).map(|seed| {
            let codes = Packed::new(Arc::new(Frame::new(metric, vec![0.0; DIMS], spread, seed)), bits, dims, 40, None);
            (0..).zip(&vectors).for_each(|(slot, vector)| codes.write(slot, VectorRef::Dense(vector)));
            codes
        });
        for (codes, slot) in
            rotations.collect::<Vec<_>>().iter().flat_map(|codes| (0..40).map(move |slot| (codes, slot)))
        {
            let vector = &vectors[slot as usize];
            codes.prepare(VectorRef::Dense(vector), &mut query);
            let deviation = codes.deviation(&query);
            if coded {
                codes.prepare_slot(slot, &mut query);
            }
            for (other, to) in (0..).zip(&vectors).filter(|(other, _)| *other != slot) {
                let exact = match metric {
                    Metric::L2 => inner(vector, vector) + inner(to, to) - 2.0 * inner(vector, to),
                    _ => -inner(vector, to),
                };
                let off = (codes.distance(&query, other) - exact) / deviation;
                (sum, squares, count) = (sum + off, squares + off * off, count + 1.0);
            }
        }
        (sum / count, (squares / count).sqrt())
    }

    #[test]
    fn estimates_are_as_good_as_they_claim_of_all_dimensions_and_of_a_part() {
        for metric in [Metric::L2, Metric::InnerProduct] {
            for (bits, dims) in [(1, DIMS), (2, DIMS), (4, DIMS), (1, 768), (2, 768), (1, 1024), (4, 64)] {
                let (mean, root) = errors(metric, bits, dims, false);
                assert!(mean.abs() < 0.2 && (0.7..1.2).contains(&root), "{metric:?} {bits} {dims}: {mean} {root}");
            }
        }
    }

    #[test]
    fn codes_compared_with_each_other_do_not_miss_dimensions_twice() {
        for bits in [1, 2, 4] {
            let (all, part) = (errors(Metric::L2, bits, DIMS, true).0, errors(Metric::L2, bits, 768, true).0);
            // In deviations of their own: that of a part is larger.
            assert!((all.abs() < 1.6 && part.abs() < 0.8) && all * part >= -0.1, "{bits}: {all} {part}");
        }
    }
}

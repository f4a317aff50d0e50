//! Full vectors as codes: for small indexes, for L1, for `quantization = none`. Bit strings likewise.

use std::ops::Range;

use super::codes::{Codes, Slot};
use super::contract::{Metric, VectorRef};
use super::shelf::Shelf64;
use crate::simd::{jaccard_distance, kernels, memory};

/// A kernel between a query and a stored row.
type Kernel = fn(&[f32], &[u8]) -> f32;

/// Dense vectors in `f32`; under cosine of length one, so that the inner product ranks them.
pub(super) struct Floats {
    metric: Metric,
    dims: usize,
    kernel: Kernel,
    rows: Shelf64,
}

impl Floats {
    pub(super) fn new(metric: Metric, dims: usize, expected: usize) -> Self {
        let kernel = match metric {
            Metric::L2 => kernels().l2_squared_bytes,
            Metric::InnerProduct | Metric::Cosine => kernels().inner_product_bytes,
            Metric::L1 => kernels().l1_bytes,
            Metric::Hamming | Metric::Jaccard => panic!("{metric:?} does not measure vectors"),
        };
        Self { metric, dims, kernel, rows: Shelf64::new(dims.div_ceil(2), expected) }
    }

    #[inline]
    fn row(&self, slot: Slot) -> &[u8] {
        &memory::bytes(self.rows.row(slot as usize))[..4 * self.dims]
    }

    /// The elements of a row, as stored.
    pub(super) fn elements(&self, slot: Slot, out: &mut Vec<f32>) {
        out.clear();
        out.extend(self.row(slot).as_chunks::<4>().0.iter().map(|element| f32::from_ne_bytes(*element)));
    }
}

/// Dense elements, of length one under cosine.
pub(super) fn normalized(metric: Metric, vector: VectorRef<'_>, out: &mut Vec<f32>) {
    let VectorRef::Dense(elements) = vector else { panic!("the index is of dense vectors") };
    out.clear();
    let norm = match metric {
        Metric::Cosine => elements.iter().map(|e| f64::from(*e) * f64::from(*e)).sum::<f64>().sqrt(),
        _ => 1.0,
    };
    // A zero query has no direction: it is equally far from everything.
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    match metric {
        Metric::Cosine => out.extend(elements.iter().map(|e| (f64::from(*e) * scale) as f32)),
        _ => out.extend_from_slice(elements),
    }
}

impl Codes for Floats {
    type Query = Vec<f32>;

    fn prepare(&self, vector: VectorRef<'_>, query: &mut Vec<f32>) {
        normalized(self.metric, vector, query);
    }

    fn prepare_slot(&self, slot: Slot, query: &mut Vec<f32>) {
        self.elements(slot, query);
    }

    #[inline]
    fn distance(&self, query: &Vec<f32>, slot: Slot) -> f32 {
        let value = (self.kernel)(query, self.row(slot));
        match self.metric {
            Metric::InnerProduct | Metric::Cosine => -value,
            _ => value,
        }
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn alike(&self, one: Slot, other: Slot) -> bool {
        self.row(one) == self.row(other)
    }

    #[inline]
    fn prefetch(&self, slot: Slot) {
        memory::prefetch(self.rows.row(slot as usize));
    }

    fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        let mut elements = Vec::new();
        normalized(self.metric, vector, &mut elements);
        let bytes: Vec<u8> = elements.iter().flat_map(|element| element.to_ne_bytes()).collect();
        memory::store(self.rows.grow(slot as usize), &bytes);
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
        in_units(self.metric, distance)
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }
}

/// What ranks dense vectors, in the metric's unit.
pub(super) fn in_units(metric: Metric, distance: f32) -> f64 {
    match metric {
        Metric::L2 => f64::from(distance.max(0.0)).sqrt(),
        Metric::Cosine => 1.0 + f64::from(distance),
        _ => f64::from(distance),
    }
}

/// Bit strings.
pub(super) struct BitRows {
    metric: Metric,
    bytes: usize,
    rows: Shelf64,
}

impl BitRows {
    pub(super) fn new(metric: Metric, dims: usize, expected: usize) -> Self {
        let bytes = dims.div_ceil(8);
        Self { metric, bytes, rows: Shelf64::new(bytes.div_ceil(8), expected) }
    }

    #[inline]
    fn row(&self, slot: Slot) -> &[u8] {
        &memory::bytes(self.rows.row(slot as usize))[..self.bytes]
    }
}

impl Codes for BitRows {
    type Query = Vec<u8>;

    fn prepare(&self, vector: VectorRef<'_>, query: &mut Vec<u8>) {
        let VectorRef::Bits(bits) = vector else { panic!("the index is of bit strings") };
        query.clear();
        query.extend_from_slice(bits);
    }

    fn prepare_slot(&self, slot: Slot, query: &mut Vec<u8>) {
        query.clear();
        query.extend_from_slice(self.row(slot));
    }

    #[inline]
    fn distance(&self, query: &Vec<u8>, slot: Slot) -> f32 {
        match self.metric {
            Metric::Jaccard => jaccard_distance((kernels().jaccard_parts)(query, self.row(slot))) as f32,
            _ => (kernels().hamming)(query, self.row(slot)) as f32,
        }
    }

    fn metric(&self) -> Metric {
        self.metric
    }

    fn alike(&self, one: Slot, other: Slot) -> bool {
        self.row(one) == self.row(other)
    }

    #[inline]
    fn prefetch(&self, slot: Slot) {
        memory::prefetch(self.rows.row(slot as usize));
    }

    fn write(&self, slot: Slot, vector: VectorRef<'_>) {
        let VectorRef::Bits(bits) = vector else { panic!("the index is of bit strings") };
        memory::store(self.rows.grow(slot as usize), bits);
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
        f64::from(distance)
    }

    fn bytes(&self) -> u64 {
        self.rows.bytes()
    }
}

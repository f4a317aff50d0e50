//! Sparse vectors in full, with exact distances.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLock;

use super::codes::{Codes, Slot};
use super::contract::{Metric, Vector, VectorRef};
use super::distance::distance;

/// Positions and elements of one entry.
type Row = Arc<(Vec<u32>, Vec<f32>)>;

/// See the module.
pub(super) struct SparseRows {
    metric: Metric,
    rows: RwLock<Vec<Option<Row>>>,
}

/// A sparse query; empty before it is prepared.
pub(super) struct SparseQuery(Vector);

impl Default for SparseQuery {
    fn default() -> Self {
        Self(Vector::Sparse(Vec::new(), Vec::new()))
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
        query.0 = vector.to_vector();
    }

    fn prepare_slot(&self, slot: Slot, query: &mut SparseQuery) {
        let row = self.get(slot).expect("the row was written");
        query.0 = Vector::Sparse(row.0.clone(), row.1.clone());
    }

    fn distance(&self, query: &SparseQuery, slot: Slot) -> f32 {
        let rows = self.rows.read();
        let row = rows[slot as usize].as_ref().expect("the row was written");
        let found = distance(self.metric, query.0.view(), VectorRef::Sparse(&row.0, &row.1));
        if found.is_nan() { f32::INFINITY } else { found as f32 }
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

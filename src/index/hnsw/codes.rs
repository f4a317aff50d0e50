//! What a walk compares: the form in which entries are kept for distances.

use std::ops::Range;

use super::contract::{Metric, VectorRef};

/// Number of an entry's place in the index, dense from 0; below 2^31.
pub(super) type Slot = u32;

/// Rows that distances are taken from. Values are comparable within one store only: smaller is closer, the unit is the
/// store's own (squares, for example), and estimates are allowed.
pub(super) trait Codes: Send + Sync {
    /// A vector made ready to be compared with many rows.
    type Query: Default + Send;

    /// Makes a vector ready.
    fn prepare(&self, vector: VectorRef<'_>, query: &mut Self::Query);

    /// Makes a row ready as if it were a query.
    fn prepare_slot(&self, slot: Slot, query: &mut Self::Query);

    /// Makes an entry ready as a query from a row of it in another store of the same kind, which may be finer.
    fn prepare_from(&self, finer: &Self, slot: Slot, query: &mut Self::Query) {
        finer.prepare_slot(slot, query);
    }

    /// The distance between a query and a row.
    fn distance(&self, query: &Self::Query, slot: Slot) -> f32;

    /// The distances between a query and several rows, in their order; asks for the rows ahead of time.
    fn distances(&self, query: &Self::Query, slots: &[Slot], distances: &mut Vec<f32>) {
        distances.clear();
        slots.iter().for_each(|slot| self.prefetch(*slot));
        distances.extend(slots.iter().map(|slot| self.distance(query, *slot)));
    }

    /// Standard deviation of what distances from a query that was made ready from a vector are off; 0 where they are exact.
    fn deviation(&self, _query: &Self::Query) -> f32 {
        0.0
    }

    /// What distances are in.
    fn metric(&self) -> Metric;

    /// Whether two rows are alike, as those of equal vectors are.
    fn alike(&self, one: Slot, other: Slot) -> bool;

    /// Asks for the row ahead of time.
    fn prefetch(&self, slot: Slot);

    /// Writes a row. The row may be read at the same time; such a reader gets a wrong number, and an entry is returned
    /// only by what its owner judges.
    fn write(&self, slot: Slot, vector: VectorRef<'_>);

    /// Makes room for a row, so that a walk that comes by before it is written reads zeros.
    fn make_room(&self, slot: Slot);

    /// Appends the rows of some slots for a checkpoint; those never written are empty or zeros.
    fn save(&self, slots: Range<Slot>, out: &mut Vec<u8>);

    /// Reads what [`Codes::save`] wrote of these slots off the front; nothing when it does not decode.
    fn restore(&self, slots: Range<Slot>, from: &mut &[u8]) -> Option<()>;

    /// A distance in the metric's unit.
    fn in_units(&self, distance: f32) -> f64;

    /// Resident bytes.
    fn bytes(&self) -> u64;
}

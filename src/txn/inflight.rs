//! Which rows running transactions are inserting.
//!
//! Kept as ranges, since a bulk load's row ids are consecutive: a hundred million rows in flight cost one entry.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::catalog::descriptor::StorageId;
use crate::txn::row_store::{RowId, RowIdRange};

/// Sets of row ids as disjoint ranges, with something attached to each.
#[derive(Clone, Debug)]
pub(super) struct Ranges<T>(BTreeMap<RowId, (RowId, T)>);

impl<T> Default for Ranges<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy + PartialEq> Ranges<T> {
    /// Adds a row that is not in the set, extending the range that ends there if the attachment is the same.
    pub(super) fn add(&mut self, row: RowId, with: T) {
        self.add_range(row..row + 1, with);
    }

    /// Adds rows that are not in the set.
    pub(super) fn add_range(&mut self, range: RowIdRange, with: T) {
        if let Some((_, (end, present))) = self.0.range_mut(..range.start).next_back()
            && *end == range.start
            && *present == with
        {
            *end = range.end;
            return;
        }
        self.0.insert(range.start, (range.end, with));
    }

    /// What is attached to a row, if it is in the set.
    pub(super) fn get(&self, row: RowId) -> Option<T> {
        let (_, (end, with)) = self.0.range(..=row).next_back()?;
        (row < *end).then_some(*with)
    }

    /// Takes rows out, wherever they are.
    pub(super) fn remove(&mut self, range: &RowIdRange) {
        let overlapping: Vec<(RowId, (RowId, T))> = self.overlapping(range);
        for (start, (end, with)) in overlapping {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, (range.start, with));
            }
            if end > range.end {
                self.0.insert(range.end, (end, with));
            }
        }
    }

    fn overlapping(&self, range: &RowIdRange) -> Vec<(RowId, (RowId, T))> {
        let before = self.0.range(..range.start).next_back().filter(|(_, (end, _))| *end > range.start);
        before.into_iter().chain(self.0.range(range.clone())).map(|(start, rest)| (*start, *rest)).collect()
    }

    /// Whether any row of a range is in the set.
    pub(super) fn meets(&self, range: &RowIdRange) -> bool {
        !self.overlapping(range).is_empty()
    }

    /// All ranges, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RowIdRange, T)> {
        self.0.iter().map(|(start, (end, with))| (*start..*end, *with))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The greatest row id.
    pub(super) fn highest(&self) -> Option<RowId> {
        self.0.last_key_value().map(|(_, (end, _))| *end - 1)
    }
}

/// Rows being inserted and their transactions.
#[derive(Default)]
pub(super) struct Inserting {
    storages: RwLock<HashMap<StorageId, Ranges<u64>>>,
}

impl Inserting {
    pub(super) fn add(&self, storage: StorageId, row: RowId, txn: u64) {
        self.storages.write().entry(storage).or_default().add(row, txn);
    }

    pub(super) fn add_range(&self, storage: StorageId, range: RowIdRange, txn: u64) {
        self.storages.write().entry(storage).or_default().add_range(range, txn);
    }

    /// The transaction that is inserting a row.
    pub(super) fn owner(&self, storage: StorageId, row: RowId) -> Option<u64> {
        self.storages.read().get(&storage)?.get(row)
    }

    /// The greatest row id being inserted.
    pub(super) fn highest(&self, storage: StorageId) -> Option<RowId> {
        self.storages.read().get(&storage)?.highest()
    }

    pub(super) fn remove(&self, storage: StorageId, ranges: impl Iterator<Item = RowIdRange>) {
        let mut storages = self.storages.write();
        let Some(inserting) = storages.get_mut(&storage) else { return };
        ranges.for_each(|range| inserting.remove(&range));
        if inserting.is_empty() {
            storages.remove(&storage);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_sets(steps in prop::collection::vec((1_u32..40, 1_u32..8, 0_u8..4), 1..40)) {
            let (mut ranges, mut model) = (Ranges::default(), BTreeMap::new());
            for (start, length, kind) in steps {
                let range = start..start + length;
                if kind == 0 {
                    ranges.remove(&range);
                    range.for_each(|row| { model.remove(&row); });
                } else if !range.clone().any(|row| model.contains_key(&row)) {
                    ranges.add_range(range.clone(), kind);
                    range.for_each(|row| { model.insert(row, kind); });
                }
                for row in 0..50 {
                    prop_assert_eq!(ranges.meets(&(row..row + 3)), (row..row + 3).any(|row| model.contains_key(&row)));
                    prop_assert_eq!(ranges.get(row), model.get(&row).copied());
                }
                let flat = ranges.iter().flat_map(|(range, kind)| range.map(move |row| (row, kind)));
                prop_assert!(flat.eq(model.iter().map(|(row, kind)| (*row, *kind))));
                prop_assert_eq!(ranges.highest(), model.keys().next_back().copied());
            }
        }
    }
}

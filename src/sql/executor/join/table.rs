//! The right side of a hash join: its rows, and their numbers by key.

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::NullBuffer;

use crate::sql::executor::keys::{KeyShape, KeyTable, NO_ENTRY};
use crate::sql::physical::JoinKey;
use crate::types::column::Batch;

/// The right side.
pub(super) struct Table {
    /// All rows in one batch.
    pub(super) rows: Batch,
    /// Entries by key.
    pub(super) keys: KeyTable,
    /// Row numbers, those of one entry together, in input order.
    by_entry: Vec<u32>,
    /// Where the rows of each entry start; one more at the end.
    starts: Vec<u32>,
    /// For right and full joins.
    pub(super) matched: Vec<bool>,
}

impl Table {
    /// No rows.
    pub(super) fn empty() -> Self {
        let rows = Batch { rows: 0, columns: Vec::new() };
        Self { rows, keys: KeyTable::default(), by_entry: Vec::new(), starts: vec![0], matched: Vec::new() }
    }

    /// Numbers the keys of right rows; those with a NULL that matches nothing get no entry.
    pub(super) fn insert(
        &mut self,
        keys: &[JoinKey],
        shape: &KeyShape,
        columns: &[ArrayRef],
        rows: usize,
        entries: &mut Vec<u32>,
    ) {
        let nulls = keys.iter().zip(columns).filter(|(key, _)| !key.nulls_match).map(|(_, column)| column.nulls());
        let nulls = nulls.fold(None, |all: Option<NullBuffer>, own| NullBuffer::union(all.as_ref(), own));
        let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else {
            let encoded = shape.encode(columns, rows);
            entries.extend(self.keys.insert(&encoded, &self.keys.hashes(&encoded), &mut Vec::new()));
            return;
        };
        let mask = BooleanArray::new(nulls.inner().clone(), None);
        let present = Batch::new(rows, columns.to_vec()).filter(&mask);
        let encoded = shape.encode(&present.columns, present.rows);
        let mut found = self.keys.insert(&encoded, &self.keys.hashes(&encoded), &mut Vec::new()).into_iter();
        entries.extend(nulls.iter().map(|valid| if valid { found.next().expect("one per row") } else { NO_ENTRY }));
    }

    /// Takes the rows, whose entries are known.
    pub(super) fn finish(&mut self, rows: Batch, entries: &[u32], remember: bool) {
        let mut starts = vec![0_u32; self.keys.len() + 1];
        let known = || entries.iter().zip(0_u32..).filter(|(entry, _)| **entry != NO_ENTRY);
        known().for_each(|(entry, _)| starts[*entry as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        self.by_entry = vec![0; *starts.last().expect("one more than entries") as usize];
        for (entry, row) in known() {
            let at = &mut next[*entry as usize];
            self.by_entry[*at as usize] = row;
            *at += 1;
        }
        self.starts = starts;
        self.matched = vec![false; if remember { rows.rows } else { 0 }];
        self.rows = rows;
    }

    /// The rows of an entry.
    #[inline]
    pub(super) fn rows_of(&self, entry: u32) -> &[u32] {
        let entry = entry as usize;
        &self.by_entry[self.starts[entry] as usize..self.starts[entry + 1] as usize]
    }
}

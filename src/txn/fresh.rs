//! New rows of one table that came together, kept as they will be written.
//!
//! A bulk load inserts rows a thousand at a time and nobody looks at them before the commit. So they stay one piece of memory, in the
//! form of the commit's batch ([`WriteBatch`]), which then only fills in timestamps. A row in here has
//! one version and no entry of its own in the transaction's buffer; as soon as the transaction changes a row or scans the table, the
//! rows concerned get entries (`Buffer::spread`).

use crate::catalog::descriptor::StorageId;
use crate::storage::{Cf, WriteBatch, keyspace};
use crate::txn::record::{self, FIRST, HEADER};
use crate::txn::row_store::{RowId, RowIdRange};

/// Most bytes that are asked for before there are rows to fill them.
const RESERVED_BYTES_MAX: usize = 2 << 20;

/// Rows with consecutive numbers.
pub struct FreshRows {
    storage: StorageId,
    first: RowId,
    batch: WriteBatch,
    /// Where in the batch each row's stored form begins and ends.
    places: Vec<(u32, u32)>,
}

impl FreshRows {
    /// No rows yet, from number `first` on, with room for `count`.
    #[must_use]
    pub fn new(storage: StorageId, first: RowId, count: usize) -> Self {
        Self { storage, first, batch: WriteBatch::default(), places: Vec::with_capacity(count) }
    }

    /// Adds the next row's values; false, and nothing is done, when there is no room: everything here is less than 4 GiB.
    #[must_use]
    pub fn push(&mut self, values: &[u8]) -> bool {
        if u32::try_from(self.batch.size() + values.len() + 2 * HEADER + 32).is_err() {
            return false;
        }
        let key = keyspace::row_key(self.storage.0, self.rows().end);
        let at = self.batch.put_parts(Cf::Rows, &key, &[&record::row_header(FIRST, values), values]);
        self.places.push((at as u32, self.batch.size() as u32));
        if self.places.len() == 1 {
            // The others are about as long: vectors are just as long.
            self.batch.reserve((self.batch.size() * (self.places.capacity() - 1)).min(RESERVED_BYTES_MAX));
        }
        true
    }

    /// Numbers of the rows.
    #[must_use]
    pub fn rows(&self) -> RowIdRange {
        self.first..self.first + self.places.len() as u32
    }

    /// The table.
    #[must_use]
    pub fn storage(&self) -> StorageId {
        self.storage
    }

    /// The stored form of a row of these; see `record::encode_row`.
    pub(super) fn stored(&self, row: RowId) -> &[u8] {
        let (start, end) = self.places[(row - self.first) as usize];
        &self.batch.bytes()[start as usize..end as usize]
    }

    /// Bytes of memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.batch.size() + size_of_val(self.places.as_slice())
    }

    /// The changes of a commit, and where in them the stored forms begin.
    pub(super) fn into_batch(self) -> (WriteBatch, impl Iterator<Item = usize>) {
        (self.batch, self.places.into_iter().map(|(start, _)| start as usize))
    }
}

//! Scanning by chunks: stretches of row ids whose newest versions are kept as columns.
//!
//! A whole scan asks for one chunk after the other. A chunk that is *settled*, which is to say that every row in it was committed
//! before the reader's snapshot or does not exist, is the same for every later snapshot until a commit touches it, so
//! its columns are kept in the chunk cache and later scans share them without reading the store:
//!
//! ```text
//! reader at snapshot s                     commit at timestamp c
//!   take ticket                              write the store
//!   read the store: all settled at s         drop touched chunks, spoil their tickets
//!   fill(ticket), valid from s on            make c visible
//! ```
//!
//! A snapshot that sees `c` was taken after the chunk was dropped, and one that does not see `c` may go on using the old columns. A
//! fill that raced with the commit either carries a spoilt ticket or comes before the drop. A transaction with own writes
//! in a chunk reads the store; so does a snapshot older than the one that the chunk was read by.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};

use crate::cache::ChunkTicket;
use crate::catalog::descriptor::{AttNum, StorageId};
use crate::error::Result;
use crate::storage::{Cf, keyspace};
use crate::txn::manager::TxnManager;
use crate::txn::record::{self, DELETED, Head, PENDING};
use crate::txn::row_store::{RowId, RowIdRange, RowVisitor};
use crate::txn::snapshot::View;
use crate::txn::transaction::Transaction;
use crate::types::Oid;

/// Rows of a chunk: chunk `n` holds the row ids from `n * CHUNK_ROWS` on.
pub const CHUNK_ROWS: RowId = 1024;

/// The number of the chunk that a row lies in.
pub(super) fn chunk_of(row: RowId) -> u32 {
    row / CHUNK_ROWS
}

/// What a column of a chunk holds; together with the stored rows this says all its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkPart {
    /// Row ids, `Int64`.
    RowIds,
    /// Commit timestamps, `Int64`.
    CommitTs,
    /// An attribute, read as a type; rows older than the attribute have the value `missing`, in its storage encoding.
    Attribute(AttNum, Oid, Option<Vec<u8>>),
}

/// Columns of the rows of a chunk that exist, in row id order.
#[derive(Debug)]
pub struct Chunk {
    /// The snapshot that it was read by; it is not for older ones.
    pub valid_from: u64,
    /// Number of rows.
    pub rows: usize,
    /// The columns that were asked for so far.
    pub columns: Vec<(ChunkPart, ArrayRef)>,
}

impl Chunk {
    /// The columns of `parts` in their order, if all are there.
    #[must_use]
    pub fn select(&self, parts: &[ChunkPart]) -> Option<Vec<ArrayRef>> {
        let one = |part| self.columns.iter().find(|(kept, _)| kept == part).map(|(_, column)| Arc::clone(column));
        parts.iter().map(one).collect()
    }

    fn bytes(&self) -> usize {
        self.columns.iter().map(|(_, column)| column.get_array_memory_size() + size_of::<ChunkPart>()).sum()
    }
}

/// The column without the room that its builder took in advance.
fn compact(column: ArrayRef) -> ArrayRef {
    if let Some(views) = column.as_any().downcast_ref::<BinaryViewArray>() {
        return Arc::new(views.gc());
    }
    if let Some(views) = column.as_any().downcast_ref::<StringViewArray>() {
        return Arc::new(views.gc());
    }
    column
}

/// How a chunk is to be read.
pub enum ChunkRead {
    /// From the store, without keeping it.
    Plain,
    /// These columns are kept; the ticket is for keeping more of them.
    Kept(Arc<Chunk>, ChunkTicket),
    /// Nothing usable is kept; the ticket is for what is read now.
    Absent(ChunkTicket),
}

impl TxnManager {
    /// Whether a row's newest version is one that `snapshot` and every later one see alike.
    fn is_settled(&self, head: Head, snapshot: u64) -> bool {
        self.commit_of(head).is_some_and(|ts| ts <= snapshot)
    }
}

impl Transaction {
    /// Whether a chunk of a table is kept with these columns, so that the view need not read the store for it. Nothing counts
    /// as read by asking.
    #[must_use]
    pub fn keeps_chunk(&self, view: &View, storage: StorageId, chunk: u32, parts: &[ChunkPart]) -> bool {
        let (kept, _) = self.manager.chunks.get((storage.0, chunk));
        kept.is_some_and(|kept| kept.valid_from <= view.ts() && kept.select(parts).is_some())
    }

    /// How the view is to read a chunk of a table. Counts as reading the whole table at SERIALIZABLE.
    #[must_use]
    pub fn chunk(&self, view: &View, storage: StorageId, chunk: u32) -> ChunkRead {
        self.note_all_read(storage);
        let cache = &self.manager.chunks;
        if !cache.is_on() || self.own_writes_within(storage, &rows_of(chunk)) {
            return ChunkRead::Plain;
        }
        match cache.get((storage.0, chunk)) {
            (Some(kept), ticket) if kept.valid_from <= view.ts() => ChunkRead::Kept(kept, ticket),
            (_, ticket) => ChunkRead::Absent(ticket),
        }
    }

    /// Reads a chunk in which the transaction has no own writes; whether all of it was read and is settled, and where to go
    /// on: at the chunk of the next row that is stored before `end`, which may be far behind, or at `end`.
    ///
    /// # Errors
    /// Storage errors and those of `visit`.
    pub fn scan_chunk(
        &self,
        view: &View,
        storage: StorageId,
        chunk: u32,
        end: RowId,
        visit: &mut RowVisitor<'_>,
    ) -> Result<(bool, RowId)> {
        let (manager, snapshot, rows) = (&self.manager, view.ts(), rows_of(chunk));
        let (mut settled, mut next) = (true, end.max(rows.end));
        let (first, last) = (keyspace::row_key(storage.0, rows.start), keyspace::row_key(storage.0, next));
        manager.kv.scan(Cf::Rows, &first, &last, &mut |key, value| {
            let row = keyspace::row_of_key(key);
            if row >= rows.end {
                next = row - row % CHUNK_ROWS;
                return Ok(false);
            }
            let (head, body) = record::open_row(value)?;
            let go_on = if head.flags & (DELETED | PENDING) == 0 && head.ts <= snapshot {
                visit(row, head.ts, body)?
            } else {
                settled = settled && manager.is_settled(head, snapshot);
                let seen = manager.see((storage, row), head, body, snapshot, &mut |ts, body| visit(row, ts, body))?;
                seen.unwrap_or(true)
            };
            if !go_on {
                (settled, next) = (false, row + 1);
            }
            Ok(go_on)
        })?;
        Ok((settled, next))
    }

    /// Keeps what [`Transaction::scan_chunk`] found settled, beside columns that were kept before.
    pub fn keep_chunk(
        &self,
        storage: StorageId,
        chunk: u32,
        ticket: ChunkTicket,
        before: Option<&Chunk>,
        mut read: Chunk,
    ) {
        read.columns = read.columns.into_iter().map(|(part, column)| (part, compact(column))).collect();
        for (part, column) in before.iter().filter(|kept| kept.rows == read.rows).flat_map(|kept| &kept.columns) {
            if !read.columns.iter().any(|(new, _)| new == part) {
                read.columns.push((part.clone(), Arc::clone(column)));
            }
        }
        let bytes = read.bytes();
        self.manager.chunks.fill(ticket, (storage.0, chunk), Arc::new(read), bytes);
    }
}

/// The row ids of a chunk.
fn rows_of(chunk: u32) -> RowIdRange {
    let start = chunk * CHUNK_ROWS;
    start.max(1)..start.saturating_add(CHUNK_ROWS)
}

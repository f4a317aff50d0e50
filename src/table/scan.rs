//! Scans of a table in row id order, and reads by row id.
//!
//! A scan fixes its view when it is opened and looks the store up again for every batch, so a cursor that is left open for
//! an hour holds a snapshot but no iterator.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};

use crate::common::CancelFlag;
use crate::error::Result;
use crate::table::access::Table;
use crate::table::row::{RowColumns, RowReader};
use crate::table::spec::{RowId, RowIdRange, ScanSpec};
use crate::txn::{CHUNK_ROWS, Chunk, ChunkPart, ChunkRead, RowStore, Transaction, View};
use crate::types::Datum;
use crate::types::column::Batch;

/// Row id ranges of parallel scans begin at multiples of this.
const PARTITION_ROWS: u64 = CHUNK_ROWS as u64;
/// Stored bytes of rows after which a batch is handed out, however few rows it has.
const BATCH_BYTES_MAX: usize = 32 << 20;

/// Rows on their way into a batch, with the system columns that were asked for.
pub(super) struct Collector {
    columns: RowColumns,
    row_ids: Option<Vec<i64>>,
    commit_ts: Option<Vec<i64>>,
    rows: usize,
}

impl Collector {
    pub(super) fn new(table: &Table, positions: &[usize], row_ids: bool, commit_ts: bool, capacity: usize) -> Self {
        Self {
            columns: RowColumns::new(table.desc(), positions, capacity),
            row_ids: row_ids.then(Vec::new),
            commit_ts: commit_ts.then(Vec::new),
            rows: 0,
        }
    }

    #[inline]
    pub(super) fn push(&mut self, row: RowId, ts: u64, values: &[u8]) -> Result<()> {
        self.columns.push(values)?;
        if let Some(row_ids) = &mut self.row_ids {
            row_ids.push(i64::from(row));
        }
        if let Some(commit_ts) = &mut self.commit_ts {
            commit_ts.push(ts.cast_signed());
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The batch; the collector is empty afterwards and can be used again.
    pub(super) fn finish(&mut self) -> Batch {
        let mut columns = self.columns.finish();
        for extra in [&mut self.row_ids, &mut self.commit_ts].into_iter().flatten() {
            columns.push(Arc::new(Int64Array::from(std::mem::take(extra))) as ArrayRef);
        }
        Batch { rows: std::mem::take(&mut self.rows), columns }
    }
}

/// A scan that goes on where it stopped; what it sees was fixed when it was opened.
///
/// Where the rest of the range covers a whole chunk it goes by chunks (`txn/chunks.rs`), which may be in memory as columns
/// already; at the edges, and for batches smaller than a chunk, it reads the store row by row.
pub struct TableScan {
    table: Table,
    txn: Arc<Transaction>,
    view: View,
    collector: Collector,
    parts: Vec<ChunkPart>,
    rest: RowIdRange,
    /// Row ids from here on were not in use when the scan was opened, so a chunk that reaches over it is whole. The greatest
    /// number when nobody has looked yet.
    known_end: RowId,
    batch_rows: usize,
}

impl TableScan {
    /// The next rows; `None` at the end. Columns are those of the spec, then row ids, then commit timestamps.
    ///
    /// # Errors
    /// Storage errors, `XX001`.
    pub fn next(&mut self) -> Result<Option<Batch>> {
        if self.known_end == RowId::MAX {
            self.known_end = self.table.row_ids(&*self.txn)?.end;
            self.rest.end = self.rest.end.min(self.known_end);
        }
        while !self.rest.is_empty() {
            let chunk = self.rest.start / CHUNK_ROWS;
            let end = chunk.saturating_add(1).saturating_mul(CHUNK_ROWS);
            let whole = self.rest.start <= (chunk * CHUNK_ROWS).max(1) && self.rest.end >= end.min(self.known_end);
            let batch = if self.batch_rows < CHUNK_ROWS as usize || end == RowId::MAX {
                self.next_rows(self.rest.end)?
            } else if whole {
                self.next_chunk(chunk, end)?
            } else {
                self.next_rows(end.min(self.rest.end))?
            };
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Rows before `end`, at most a batch, from the store.
    fn next_rows(&mut self, end: RowId) -> Result<Batch> {
        let (collector, batch_rows) = (&mut self.collector, self.batch_rows);
        let (mut next, mut bytes) = (end, 0);
        self.txn.scan_at(&self.view, self.table.desc().storage, self.rest.start..end, &mut |row, ts, values| {
            collector.push(row, ts, values)?;
            bytes += values.len();
            let go_on = collector.rows() < batch_rows && bytes < BATCH_BYTES_MAX;
            if !go_on {
                next = row + 1;
            }
            Ok(go_on)
        })?;
        self.rest.start = next;
        Ok(self.collector.finish())
    }

    /// The rows of a chunk, from the cache or for it.
    fn next_chunk(&mut self, chunk: u32, end: RowId) -> Result<Batch> {
        let storage = self.table.desc().storage;
        let (before, ticket) = match self.txn.chunk(&self.view, storage, chunk) {
            ChunkRead::Plain => return self.next_rows(end.min(self.rest.end)),
            ChunkRead::Absent(ticket) => (None, ticket),
            ChunkRead::Kept(kept, ticket) => match kept.select(&self.parts) {
                Some(columns) => {
                    self.rest.start = end.min(self.rest.end);
                    return Ok(Batch { rows: kept.rows, columns });
                }
                None => (Some(kept), ticket),
            },
        };
        let (collector, mut bytes) = (&mut self.collector, 0);
        let (settled, next) =
            self.txn.scan_chunk(&self.view, storage, chunk, self.rest.end, &mut |row, ts, values| {
                collector.push(row, ts, values)?;
                bytes += values.len();
                Ok(bytes < BATCH_BYTES_MAX)
            })?;
        let batch = self.collector.finish();
        if settled {
            let columns = self.parts.iter().cloned().zip(batch.columns.iter().cloned()).collect();
            let read = Chunk { valid_from: self.view.ts(), rows: batch.rows, columns };
            self.txn.keep_chunk(storage, chunk, ticket, before.as_deref(), read);
        }
        self.rest.start = next.min(self.rest.end);
        Ok(batch)
    }
}

/// What the columns of a scan are made of, in order.
pub(super) fn parts_of(table: &Table, spec: &ScanSpec) -> Vec<ChunkPart> {
    let attribute = |position: &usize| {
        let column = &table.desc().columns[*position];
        ChunkPart::Attribute(column.attnum, column.stored_type().oid, column.missing.clone())
    };
    let extra = [(spec.row_ids, ChunkPart::RowIds), (spec.commit_ts, ChunkPart::CommitTs)];
    let extra = extra.into_iter().filter_map(|(wanted, part)| wanted.then_some(part));
    spec.positions.iter().map(attribute).chain(extra).collect()
}

impl Table {
    /// Opens a scan: it sees what the transaction's present command sees, whatever comes later.
    #[must_use]
    pub fn scan(&self, txn: &Arc<Transaction>, spec: ScanSpec) -> TableScan {
        self.scan_at(txn, spec, txn.view())
    }

    /// Opens a scan with a view taken before, as the parts of a parallel scan share one.
    #[must_use]
    pub fn scan_at(&self, txn: &Arc<Transaction>, spec: ScanSpec, view: View) -> TableScan {
        let batch_rows = spec.batch_rows.max(1);
        let collector = Collector::new(self, &spec.positions, spec.row_ids, spec.commit_ts, batch_rows);
        let parts = parts_of(self, &spec);
        let known = self.known_rows();
        let known_end = known.end;
        let rest = spec.range.unwrap_or(known);
        TableScan { table: self.clone(), txn: Arc::clone(txn), view, collector, parts, rest, known_end, batch_rows }
    }

    /// Row id ranges that together hold all rows, at most `parts`, for scans in parallel.
    ///
    /// # Errors
    /// Storage errors.
    pub fn partitions(&self, txn: &dyn RowStore, parts: usize) -> Result<Vec<RowIdRange>> {
        let all = self.row_ids(txn)?;
        let rows = u64::from(all.end - all.start);
        let size = rows.div_ceil(parts.max(1) as u64).next_multiple_of(PARTITION_ROWS);
        let mut ranges = Vec::with_capacity(parts);
        let mut start = u64::from(all.start);
        while start < u64::from(all.end) {
            let end = (start + size).min(u64::from(all.end));
            ranges.push(start as RowId..end as RowId);
            start = end;
        }
        Ok(ranges)
    }

    /// The rows with these ids that the present command sees, in the order given; with `row_ids` an `Int64` column of ids
    /// follows, which tells which rows were left out.
    ///
    /// # Errors
    /// Storage errors, `XX001`.
    pub fn fetch(&self, txn: &dyn RowStore, rows: &[RowId], positions: &[usize], row_ids: bool) -> Result<Batch> {
        let mut collector = Collector::new(self, positions, row_ids, false, rows.len());
        txn.get_many(self.desc().storage, rows, &mut |row, ts, values| {
            collector.push(row, ts, values)?;
            Ok(true)
        })?;
        Ok(collector.finish())
    }

    /// One row, all columns, if the present command sees it.
    ///
    /// # Errors
    /// Storage errors, `XX001`.
    pub fn row(&self, txn: &dyn RowStore, row: RowId) -> Result<Option<Vec<Datum>>> {
        self.row_at(txn, &txn.view(), row)
    }

    pub(super) fn row_at(&self, txn: &dyn RowStore, view: &View, row: RowId) -> Result<Option<Vec<Datum>>> {
        let mut found = None;
        txn.get_at(view, self.desc().storage, row, &mut |_, values| {
            found = Some(RowReader::open(values)?.all(self.desc())?);
            Ok(())
        })?;
        Ok(found)
    }

    /// How many rows a view sees; read by up to `threads` threads the first time, and kept in step with commits from
    /// then on.
    ///
    /// # Errors
    /// Storage errors, `57014`.
    pub fn count_at(&self, txn: &Transaction, view: &View, threads: usize, cancel: &CancelFlag) -> Result<u64> {
        txn.count_at(view, self.desc().storage, threads, cancel)
    }

    /// How many rows the present command sees.
    ///
    /// # Errors
    /// Storage errors.
    pub fn count(&self, txn: &dyn RowStore) -> Result<u64> {
        txn.count(self.desc().storage)
    }
}

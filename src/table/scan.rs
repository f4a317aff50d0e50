//! Scans of a table in row id order.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::table::access::Table;
use crate::table::spec::{IndexEvaluator, IndexScanSpec, Problem, RowId, RowIdRange, ScanSpec, WriteContext};
use crate::txn::{RowStore, Transaction};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

/// A scan that goes on where it stopped; what it sees was fixed when it was opened.
pub struct TableScan {}

/// A scan of an ordered index, in index order.
pub struct IndexScan {}

impl TableScan {
    /// The next rows; `None` at the end. Columns are those of the spec, then row ids, then commit timestamps.
    ///
    /// # Errors
    /// Storage errors.
    pub fn next(&mut self) -> Result<Option<Batch>> {
        Err(Error::unsupported("scan"))
    }
}

impl IndexScan {
    /// The next rows, as [`TableScan::next`]; the evaluator is for indexes with expressions or a predicate.
    ///
    /// # Errors
    /// Storage errors, those of the evaluator.
    pub fn next(&mut self, _evaluator: &dyn IndexEvaluator) -> Result<Option<Batch>> {
        Err(Error::unsupported("index scan"))
    }
}

#[allow(clippy::unused_self)]
impl Table {
    /// Opens a scan: it sees what the transaction's present command sees, whatever comes later.
    #[must_use]
    pub fn scan(&self, _txn: &Arc<Transaction>, _spec: ScanSpec) -> TableScan {
        TableScan {}
    }

    /// Opens an index scan.
    ///
    /// # Errors
    /// `XX000` when the table has no such ordered index.
    pub fn index_scan(&self, _txn: &Arc<Transaction>, _spec: IndexScanSpec) -> Result<IndexScan> {
        Err(Error::unsupported("index scan"))
    }

    /// Row id ranges that together hold all rows, at most `parts`, for scans in parallel.
    ///
    /// # Errors
    /// Storage errors.
    pub fn partitions(&self, _txn: &dyn RowStore, _parts: usize) -> Result<Vec<RowIdRange>> {
        Err(Error::unsupported("partitions"))
    }

    /// The rows with these ids that the snapshot sees, in the order given; with `row_ids` an `Int64` column of ids follows.
    ///
    /// # Errors
    /// Storage errors.
    pub fn fetch(&self, _txn: &dyn RowStore, _rows: &[RowId], _positions: &[usize], _row_ids: bool) -> Result<Batch> {
        Err(Error::unsupported("fetch"))
    }

    /// One row, all columns, if the snapshot sees it.
    ///
    /// # Errors
    /// Storage errors.
    pub fn row(&self, _txn: &dyn RowStore, _row: RowId) -> Result<Option<Vec<Datum>>> {
        Err(Error::unsupported("row"))
    }

    /// How many rows the snapshot sees.
    ///
    /// # Errors
    /// Storage errors.
    pub fn count(&self, txn: &dyn RowStore) -> Result<u64> {
        txn.count(self.desc().storage)
    }

    /// Fills an index of this descriptor that was just added from the rows there are. Returns the number of entries.
    ///
    /// # Errors
    /// `23505` when rows have the same key in a unique index.
    pub fn build_index(&self, _txn: &dyn RowStore, _write: &WriteContext<'_>, _index: Oid) -> Result<u64> {
        Err(Error::unsupported("CREATE INDEX"))
    }

    /// Compares rows and indexes.
    ///
    /// # Errors
    /// Storage errors.
    pub fn check(&self, _txn: &dyn RowStore, _evaluator: &dyn IndexEvaluator) -> Result<Vec<Problem>> {
        Err(Error::unsupported("check"))
    }
}

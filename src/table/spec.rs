//! What callers say to a table and what it answers: scan specifications, outcomes, and the evaluator they lend it.

use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::common::CancelFlag;
use crate::error::{Error, Result};
pub use crate::txn::{RowId, RowIdRange};
use crate::types::io::IoContext;
use crate::types::{Datum, Oid};

/// Evaluates what indexes hold besides plain columns. Rows come as one value per live column, in `columns` order.
pub trait IndexEvaluator: Send + Sync {
    /// The values of the index's expression keys, in key order, plain column keys left out.
    ///
    /// # Errors
    /// Those of the expressions.
    fn expressions(&self, index: &IndexDesc, row: &[Datum]) -> Result<Vec<Datum>>;

    /// Whether the index's predicate is true of the row; asked only of indexes that have one.
    ///
    /// # Errors
    /// Those of the predicate.
    fn predicate(&self, index: &IndexDesc, row: &[Datum]) -> Result<bool>;
}

/// For tables whose indexes have plain columns and no predicates.
pub struct NoEvaluator;

impl IndexEvaluator for NoEvaluator {
    fn expressions(&self, index: &IndexDesc, _row: &[Datum]) -> Result<Vec<Datum>> {
        Err(Error::internal(format!("index \"{}\" needs an evaluator for its expressions", index.name)))
    }

    fn predicate(&self, index: &IndexDesc, _row: &[Datum]) -> Result<bool> {
        Err(Error::internal(format!("index \"{}\" needs an evaluator for its predicate", index.name)))
    }
}

/// Takes note of keys of deferrable unique constraints that a row shares with another, for now.
pub trait Duplicates: Send + Sync {
    /// A row has this key, and so has another.
    fn note(&self, table: &TableDesc, index: &IndexDesc, key: &[Datum]);
}

/// What writing needs besides the transaction and the row.
#[derive(Clone, Copy)]
pub struct WriteContext<'a> {
    /// For expression and partial indexes.
    pub evaluator: &'a dyn IndexEvaluator,
    /// Polled while waiting for other transactions.
    pub cancel: &'a CancelFlag,
    /// How values are printed in error details.
    pub io: IoContext<'a>,
    /// Where shared keys of deferrable constraints are noted, to be checked later; without it they are errors.
    pub duplicates: Option<&'a dyn Duplicates>,
}

/// A full or partial scan of a table in row id order.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    /// Positions in `columns` of the columns produced.
    pub positions: Vec<usize>,
    /// Whether an `Int64` column of row ids follows them.
    pub row_ids: bool,
    /// Whether an `Int64` column of each version's commit timestamp follows (0 for rows of the transaction itself).
    pub commit_ts: bool,
    /// Only rows in this range; see `Table::partitions`.
    pub range: Option<RowIdRange>,
    /// Most rows of a batch; the first batch of a scan may be smaller.
    pub batch_rows: usize,
}

impl ScanSpec {
    /// A whole scan of these columns with row ids.
    #[must_use]
    pub fn new(positions: Vec<usize>, row_ids: bool) -> Self {
        Self { positions, row_ids, commit_ts: false, range: None, batch_rows: 1024 }
    }
}

/// One end of an index range, on the key column after the equality prefix.
#[derive(Clone, Debug)]
pub enum KeyBound {
    /// No bound.
    Open,
    /// The value is in the range.
    Included(Datum),
    /// The value is not in the range.
    Excluded(Datum),
}

/// A scan of a btree index: rows whose leading key columns equal `prefix` and whose next column lies within bounds.
///
/// Bounds are in the order of values, also for DESC columns: `lower` is always the smaller value. NULL in `prefix` finds NULLs
/// (IS NULL); a range with any bound excludes NULLs, `KeyBound::Open` on both sides includes them.
#[derive(Clone, Debug)]
pub struct IndexScanSpec {
    /// The index.
    pub index: Oid,
    /// Values for the first key columns, each of the key's type.
    pub prefix: Vec<Datum>,
    /// Lower bound of the next key column.
    pub lower: KeyBound,
    /// Upper bound of the next key column.
    pub upper: KeyBound,
    /// From the end of the index order to its start.
    pub backward: bool,
    /// Positions in `columns` of the columns produced.
    pub positions: Vec<usize>,
    /// Whether an `Int64` column of row ids follows them.
    pub row_ids: bool,
    /// Whether an `Int64` column of commit timestamps follows.
    pub commit_ts: bool,
    /// Most rows of a batch; small for LIMIT queries.
    pub batch_rows: usize,
}

/// What became of an insertion that tolerates conflicts.
#[derive(Clone, Debug)]
pub enum InsertOutcome {
    /// The row is in.
    Inserted(RowId),
    /// A row with the same key is in the way.
    Conflict(Conflict),
}

/// A row that holds a unique key: committed or of this transaction, as of now rather than of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The unique index.
    pub index: Oid,
    /// The row.
    pub row: RowId,
}

/// What a row turned out to be once it was locked.
#[derive(Clone, Debug)]
pub enum LockedRow {
    /// As the snapshot saw it.
    Same,
    /// Another transaction changed it and committed: its newest values, one per live column. READ COMMITTED re-checks
    /// its condition on them.
    Changed(Vec<Datum>),
    /// Another transaction deleted it and committed, or an earlier command of this one did.
    Gone,
    /// The present command of this transaction has inserted, changed or deleted it: UPDATE and DELETE leave it alone, ON
    /// CONFLICT DO UPDATE fails with `21000`.
    Touched,
    /// SKIP LOCKED, and it is locked.
    Skipped,
}

/// A disagreement between a table and its indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The index, or 0 for the rows themselves.
    pub index: Oid,
    /// The row.
    pub row: RowId,
    /// What is wrong, as one sentence without a period.
    pub message: String,
}

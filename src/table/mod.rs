//! Floor 3: tables. Rows, their constraints, and every index kept in step with them.
//!
//! An index answers with candidates; this floor alone decides which of them a snapshot sees, and compares each candidate's
//! row with the key before it believes an entry. Rows are ground state; the primary index (ALEX, key image to row id) is
//! derived and rebuilt by a scan when a table is first used. NOT NULL and uniqueness are judged here; CHECK and foreign keys need
//! expressions and are the executor's.
//!
//! * [`Tables`]: shared run-time state per storage; [`Tables::open`] gives a [`Table`], a descriptor made ready for use.
//! * [`Table`]: insert, update, delete, lock, fetch, scan, index scan, conflicts, counts, index builds, checks.
//! * [`row`]: how a row's values lie on disk. `keys`: index keys of rows. `unique`: who may insert a key. [`vector`]: vector indexes.
//! * [`IndexEvaluator`]: index expressions and predicates, evaluated by a floor above.

pub mod access;
mod build;
mod index_scan;
mod keys;
mod messages;
mod narrow;
mod registry;
pub mod row;
mod scan;
pub mod spec;
mod unique;
pub mod vector;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;

pub use access::Table;
pub use index_scan::IndexScan;
pub use messages::{check_not_null, failing_row};
pub use registry::Tables;
pub use row::{RowColumns, RowReader};
pub use scan::TableScan;
pub use spec::{
    Conflict, Duplicates, IndexEvaluator, IndexScanSpec, InsertOutcome, KeyBound, LockedRow, NoEvaluator, Problem,
    RowId, RowIdRange, ScanSpec, WriteContext,
};
pub use vector::allowed::AllowedRows;
pub use vector::included::admission::Admission;
pub use vector::included::condition::{Condition, IncludedColumn};
pub use vector::included::value::Accepts;

pub use vector::included::Included;
pub use vector::load::Filling;
pub use vector::manners::{Comparing, Manners};
pub use vector::scan::{VectorScan, VectorScanSpec};

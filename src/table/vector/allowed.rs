//! Rows that a search may return, with what an index makes of them.
//!
//! A set of rows outlives the statement that found it, and so does the list of an index's entries that belong to them: made
//! when the set is used for the second time, or at once when the entries are compared one by one anyway. It speeds searches
//! up and decides nothing: the rows that come out are looked up in the set itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::common::RowSet;
use crate::index::hnsw::{Entries, VectorIndex};
use crate::types::Oid;

/// Rows are compared one by one when their number squared is at most this times `ef` times all entries. One costs 27 ns, as its code
/// lies ahead; a walk takes 75 us for `ef` 40, and so much longer as it passes by entries of other rows.
const ONE_BY_ONE: f64 = 75.0;

/// Whether so many of all entries are compared one by one.
pub(super) fn is_for_comparing(count: f64, ef: usize, all: f64) -> bool {
    count * count <= ONE_BY_ONE * ef as f64 * all
}

/// See the module.
pub struct AllowedRows {
    rows: RowSet,
    count: usize,
    used: AtomicBool,
    entries: Mutex<Vec<(Oid, Arc<Entries>)>>,
}

impl AllowedRows {
    /// Takes a set over.
    #[must_use]
    pub fn new(rows: RowSet) -> Self {
        Self { count: rows.len(), rows, used: AtomicBool::new(false), entries: Mutex::default() }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &RowSet {
        &self.rows
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries that belong to the rows, as a list to be compared `one_by_one` or for a walk to look up; for a walk none the
    /// first time.
    pub(super) fn entries(&self, index: Oid, graph: &dyn VectorIndex, one_by_one: bool) -> Option<Arc<Entries>> {
        if !self.used.swap(true, Ordering::Relaxed) && !one_by_one {
            return None;
        }
        let mut entries = self.entries.lock();
        let fits = |(of, made): &(Oid, Arc<Entries>)| *of == index && made.is_list() == one_by_one && graph.has(made);
        if let Some((_, made)) = entries.iter().find(|made| fits(made)) {
            return Some(Arc::clone(made));
        }
        entries.retain(|(of, _)| *of != index);
        let made = Arc::new(graph.entries_of(&mut self.rows.iter(), one_by_one)?);
        entries.push((index, Arc::clone(&made)));
        Some(made)
    }
}

//! Searches of vector indexes: rows, nearest first, as a view sees them.
//!
//! The index proposes entries; the row says whether the view sees it with that very vector, and how far it is. What was
//! read of a row for that is kept until the row is handed out, so a row is read once.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashSet;

use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::hnsw::{Probe, Search, SearchCounters, Sight, Tag, Vector};
use crate::table::access::Table;
use crate::table::scan::Collector;
use crate::table::spec::{IndexEvaluator, RowId};
use crate::table::vector::allowed::{AllowedRows, is_for_comparing};
use crate::table::vector::included::Included;
use crate::table::vector::included::admission::Admission;
use crate::table::vector::{OpenVector, query_of};
use crate::txn::{RowStore, Transaction, View};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

/// What comparing one row takes whose table is not in memory.
const COMPARING: Duration = Duration::from_nanos(2500);

/// What a search is to find.
pub struct VectorScanSpec {
    /// The index.
    pub index: Oid,
    /// What to be near to: a vector of the index's type.
    pub query: Datum,
    /// Candidates held while walking.
    pub ef: usize,
    /// Rows that will probably be wanted.
    pub wanted: usize,
    /// Only these rows.
    pub allowed: Option<Arc<AllowedRows>>,
    /// Only rows that are let through; more come than satisfy the condition.
    pub admission: Option<Arc<Admission>>,
    /// Positions in `columns` of the columns produced.
    pub positions: Vec<usize>,
    /// Whether `Int64` columns of row ids and commit timestamps follow.
    pub system: bool,
}

/// A search of a vector index.
pub struct VectorScan {
    table: Table,
    txn: Arc<Transaction>,
    view: View,
    index: OpenVector,
    query: Vector,
    search: Box<dyn Search>,
    allowed: Option<Arc<AllowedRows>>,
    admission: Option<Arc<Admission>>,
    collector: Collector,
    /// Elements of the vector that is compared.
    elements: RefCell<Vec<f32>>,
    /// Rows found so far.
    seen: HashSet<RowId>,
}

struct Found {
    distance: f64,
    row: RowId,
}

impl VectorScan {
    /// The next `count` rows, nearest first; fewer at the end, none after it. Rows of one call are in order, and so
    /// nearly always are those of one call after those of the call before.
    ///
    /// # Errors
    /// Storage errors, `XX001`, those of the evaluator; `57014`.
    pub fn next(&mut self, count: usize, evaluator: &dyn IndexEvaluator, cancel: &CancelFlag) -> Result<Option<Batch>> {
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let Some(row) = self.find(evaluator, cancel)? else { break };
            found.push(row);
        }
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
        // Many more are compared than handed out, so what is compared is not kept; it is in the row cache now.
        let (storage, collector) = (self.table.desc().storage, &mut self.collector);
        for Found { row, .. } in &found {
            let push = &mut |ts, values: &[u8]| collector.push(*row, ts, values);
            assert!(self.txn.get_at(&self.view, storage, *row, push)?, "a view sees what it saw");
        }
        Ok((!found.is_empty()).then(|| self.collector.finish()))
    }

    /// The next row that the index finds.
    fn find(&mut self, evaluator: &dyn IndexEvaluator, cancel: &CancelFlag) -> Result<Option<Found>> {
        let Self { table, txn, view, index, query, search, allowed, admission, elements, seen, .. } = self;
        let admit = |row: RowId| match (&*allowed, &*admission) {
            (Some(allowed), _) => allowed.rows().contains(row),
            (None, Some(admission)) => admission.admits(row),
            (None, None) => true,
        };
        let judge = |row: RowId, tag: Tag| {
            let mut result = None;
            if !admit(row) {
                return Ok(None);
            }
            txn.get_at(view, table.desc().storage, row, &mut |_, values| {
                let work = (&*query, &mut *elements.borrow_mut());
                result = index.stored_distance(table, values, tag, evaluator, work)?;
                Ok(())
            })?;
            Ok(result)
        };
        let admit: Option<&dyn Fn(RowId) -> bool> =
            if allowed.is_some() || admission.is_some() { Some(&admit) } else { None };
        let sight = Sight { admit, judge: Some(&judge), cancel };
        while let Some(hit) = search.next(&sight)? {
            // A row whose vector went and came back may have its entry twice.
            if !seen.insert(hit.rid) {
                continue;
            }
            return Ok(Some(Found { distance: hit.distance, row: hit.rid }));
        }
        Ok(None)
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> SearchCounters {
        self.search.counters()
    }
}

impl Table {
    /// Waits for a vector index whose checkpoint is being read, or is about to be before so many rows would be compared.
    ///
    /// # Errors
    /// `57014`; `XX000` when the table has no such vector index.
    pub fn await_vector_index(&self, index: Oid, rows: f64, cancel: &CancelFlag) -> Result<()> {
        let most = COMPARING.mul_f64(rows.max(0.0));
        self.vector(index)?.state.await_checkpoint(most, cancel)
    }

    /// Opens a search; `None` when the index cannot answer it: it is not loaded, or the query has other dimensions.
    ///
    /// # Errors
    /// `XX000` when the table has no such vector index.
    pub fn vector_scan(&self, txn: &Arc<Transaction>, spec: VectorScanSpec) -> Result<Option<VectorScan>> {
        let index = self.vector(spec.index)?.clone();
        let Some(graph) = index.state.ready() else { return Ok(None) };
        let Some(query) = query_of(&index.options, &spec.query) else { return Ok(None) };
        txn.note_key_read(index.plan.desc.storage, &[], None);
        let mut probe = Probe::new(query.clone(), spec.ef.max(spec.wanted), spec.wanted);
        probe.resume = true;
        if let Some(rows) = &spec.allowed {
            let (count, all) = (rows.len() as f64, graph.len().max(1) as f64);
            probe.pass_rate = Some(count / all);
            let one_by_one = is_for_comparing(count, probe.ef, all);
            probe.entries = rows.entries(spec.index, &*graph, one_by_one);
        }
        if let Some(admission) = &spec.admission {
            probe.pass_rate = Some(admission.sample().share());
        }
        let collector = Collector::new(self, &spec.positions, spec.system, spec.system, spec.wanted.min(1024));
        Ok(Some(VectorScan {
            table: self.clone(),
            txn: Arc::clone(txn),
            view: txn.view(),
            index,
            query,
            search: graph.search(probe),
            allowed: spec.allowed,
            admission: spec.admission,
            collector,
            elements: RefCell::default(),
            seen: HashSet::new(),
        }))
    }

    /// The included columns of a vector index, when every row that it has an entry of is known by them.
    ///
    /// # Errors
    /// `XX000` when the table has no such vector index.
    pub fn included(&self, index: Oid) -> Result<Option<&Included>> {
        let included = self.vector(index)?.included.as_ref();
        Ok(included.map(|included| &*included.shared).filter(|included| included.is_complete()))
    }

    /// Entries of a vector index in memory; `None` when it is not loaded.
    ///
    /// # Errors
    /// `XX000` when the table has no such vector index.
    pub fn vector_entries(&self, index: Oid) -> Result<Option<usize>> {
        Ok(self.vector(index)?.state.ready().map(|graph| graph.len()))
    }
}

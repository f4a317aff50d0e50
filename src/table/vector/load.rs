//! Filling a vector index: all at once from the rows, whoever writes meanwhile.

use std::fs::File;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::hnsw::{Hnsw, Job, VectorIndex};
use crate::table::access::Table;
use crate::table::registry::Tables;
use crate::table::spec::{IndexEvaluator, RowId, WriteContext};
use crate::table::vector::checkpoint::Loaded;
use crate::table::vector::{OpenVector, with_vector};
use crate::txn::{RowStore, View};
use crate::types::{Datum, Oid};

/// Row ids between pauses while rows are read.
const ROWS_AT_ONCE: RowId = 256;

/// Sees the entry of a row: its tag and vector, and the stored row.
type EntrySink<'a> = dyn FnMut(RowId, u32, &Datum, &[u8]) -> Result<()> + 'a;

/// How an index is filled.
pub struct Filling<'a> {
    /// Threads that link.
    pub threads: usize,
    /// Told from time to time how many entries are linked, of how many.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Called by each thread from time to time: what may hold it up for a while.
    pub pause: &'a (dyn Fn() + Sync),
    /// Told how many bytes the build takes besides the index: the file where they go, or none for memory.
    pub room: &'a (dyn Fn(u64) -> Option<File> + Sync),
}

impl Table {
    /// Fills a new vector index from the rows there are, and its storage with their entries. Returns the number of
    /// entries.
    ///
    /// # Errors
    /// `22000` for vectors of other dimensions; those of the evaluator; `57014`.
    pub fn build_vector_index(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        index: Oid,
        filling: &Filling<'_>,
    ) -> Result<u64> {
        let index = self.vector(index)?;
        index.state.begin_loading();
        let loaded = self.load_rows(txn, write.evaluator, index, filling, write.cancel, true);
        index.state.settle(loaded)
    }

    /// Fills a vector index that awaits it ([`Tables::await_vectors`]) from its checkpoint; false when there is none that
    /// can be used.
    ///
    /// # Errors
    /// Storage errors; those of the evaluator. The index is away then.
    pub fn restore_vector_index(
        &self,
        tables: &Tables,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: Oid,
        threads: usize,
    ) -> Result<bool> {
        let index = self.vector(index)?;
        let Some(shelf) = tables.shelf.read().clone() else { return Ok(false) };
        index.state.note_reading();
        match self.restore_graph(tables, txn, evaluator, index, &shelf, threads) {
            Ok(Some(loaded)) => index.state.settle(Ok(loaded)).map(|_| true),
            Ok(None) => {
                index.state.give_up();
                Ok(false)
            }
            Err(error) => index.state.settle(Err(error)).map(|_| false),
        }
    }

    /// Fills a vector index that awaits it from the rows. What was replaced between the start and now is not in it, so it is for snapshots
    /// from now on.
    ///
    /// # Errors
    /// As [`Table::build_vector_index`].
    pub fn load_vector_index(
        &self,
        tables: &Tables,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: Oid,
        filling: &Filling<'_>,
        cancel: &CancelFlag,
    ) -> Result<()> {
        let index = self.vector(index)?;
        let loaded = self.load_rows(txn, evaluator, index, filling, cancel, false);
        tables.note_made(index.plan.desc.storage, txn.latest_view().ts());
        index.state.settle(loaded).map(drop)
    }

    /// A graph of the rows that are committed by now or the transaction's own.
    fn load_rows(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: &OpenVector,
        filling: &Filling<'_>,
        cancel: &CancelFlag,
        store: bool,
    ) -> Result<Loaded> {
        let graph = Arc::new(Hnsw::new((*index.options).clone()));
        let view = txn.latest_view();
        let expected = self.row_ids(txn)?.len();
        let progress = |done, of| {
            (filling.progress)(done, of);
            (filling.pause)();
        };
        let file = (filling.room)(Hnsw::passing_bytes(&index.options, expected)).map(Arc::new);
        let job = Job { threads: filling.threads, expected, progress: &progress, cancel, file };
        graph.load(
            &mut |sink| {
                self.entries_at(txn, evaluator, index, &view, &mut |row, tag, vector, values| {
                    if row % ROWS_AT_ONCE == 0 {
                        (filling.pause)();
                    }
                    if let Some(included) = &index.included {
                        included.shared.fill(row, values)?;
                    }
                    if store {
                        txn.put_entry(index.plan.desc.storage, &tag.to_be_bytes(), row)?;
                    }
                    with_vector(vector, |vector| sink(row, tag, vector)).unwrap_or(Ok(()))
                })
            },
            &job,
        )?;
        index.included.iter().for_each(|included| included.shared.set_complete());
        let entries = graph.len() as u64;
        Ok((graph, entries))
    }

    /// Chooses the codes of a vector index that has grown anew, from the rows that are committed by now, while everybody goes on; false when
    /// too many of its entries are of others. The caller looks to its being loaded and outgrown ([`Tables::outgrown_vectors`]).
    ///
    /// # Errors
    /// As [`Table::build_vector_index`]; the index is as it was.
    pub fn recode_vector_index(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: Oid,
        filling: &Filling<'_>,
        cancel: &CancelFlag,
    ) -> Result<bool> {
        let index = self.vector(index)?;
        let Some(graph) = index.state.ready() else { return Ok(false) };
        let expected = graph.len();
        let file = (filling.room)(Hnsw::passing_bytes(&index.options, expected)).map(Arc::new);
        let job = Job { threads: filling.threads, expected, progress: filling.progress, cancel, file };
        let view = txn.latest_view();
        graph.recode(
            &mut |sink| {
                self.entries_at(txn, evaluator, index, &view, &mut |row, tag, vector, _| {
                    if row % ROWS_AT_ONCE == 0 {
                        (filling.pause)();
                    }
                    with_vector(vector, |vector| sink(row, tag, vector)).unwrap_or(Ok(()))
                })
            },
            &job,
        )
    }

    /// Reads the included columns of a vector index, after a start, unless they are there.
    ///
    /// # Errors
    /// Storage errors; `57014`.
    pub fn load_included(&self, txn: &dyn RowStore, index: Oid, cancel: &CancelFlag) -> Result<()> {
        let Some(included) = &self.vector(index)?.included else { return Ok(()) };
        if included.shared.is_complete() {
            return Ok(());
        }
        let view = txn.latest_view();
        txn.scan_at(&view, self.desc().storage, 1..RowId::MAX, &mut |row, _, values| {
            if row % ROWS_AT_ONCE == 0 {
                cancel.check()?;
            }
            included.shared.fill(row, values).map(|()| true)
        })?;
        included.shared.set_complete();
        Ok(())
    }

    /// The entries that an index has for the rows of a view, with the rows.
    pub(super) fn entries_at(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: &OpenVector,
        view: &View,
        see: &mut EntrySink<'_>,
    ) -> Result<()> {
        txn.scan_at(view, self.desc().storage, 1..RowId::MAX, &mut |row, _, values| {
            if let Some((tag, vector)) = index.stored_entry(self, values, evaluator)? {
                see(row, tag, &vector, values)?;
            }
            Ok(true)
        })
    }

    /// Reports the rows that a vector index has no entry for, in storage or, when it is loaded, in memory.
    pub(in crate::table) fn check_vector_index(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        view: &View,
        index: &OpenVector,
        report: &mut dyn FnMut(Oid, RowId, String),
    ) -> Result<()> {
        let desc = &index.plan.desc;
        let mut stored: HashSet<(RowId, u32)> = HashSet::new();
        txn.scan_entries(desc.storage, &[], None, false, &mut |key, row| {
            stored.extend(key.try_into().ok().map(|tag| (row, u32::from_be_bytes(tag))));
            Ok(true)
        })?;
        let graph = index.state.ready();
        self.entries_at(txn, evaluator, index, view, &mut |row, tag, _, _| {
            if !stored.contains(&(row, tag)) {
                report(desc.oid, row, format!("row has no entry in index \"{}\"", desc.name));
            }
            if graph.as_ref().is_some_and(|graph| !graph.contains(row, tag)) {
                report(desc.oid, row, format!("row is not in the graph of index \"{}\"", desc.name));
            }
            Ok(())
        })
    }
}

//! Filling an index from the rows there are, and comparing rows with indexes.
//!
//! Both look at everything committed by now and at the transaction's own rows; whoever builds holds a lock that
//! keeps writers out.

use hashbrown::HashSet;

use crate::error::{Error, Result};
use crate::index::OrderedIndex;
use crate::table::access::{OpenIndex, Table};
use crate::table::messages;
use crate::table::row::RowReader;
use crate::table::spec::{IndexEvaluator, Problem, RowId, WriteContext};
use crate::txn::{RowStore, View};
use crate::types::{Datum, Oid};

/// Rows examined between two looks at the cancel flag.
const CANCEL_ROWS: u64 = 1024;
/// Problems reported at most.
const PROBLEMS_MAX: usize = 1000;

impl Table {
    /// Fills an index of this descriptor that was just added from the rows there are. Returns the number of entries.
    ///
    /// # Errors
    /// `23505` when rows have the same key in a unique index; those of the evaluator; `57014`.
    pub fn build_index(&self, txn: &dyn RowStore, write: &WriteContext<'_>, index: Oid) -> Result<u64> {
        let index = self.index(index)?;
        let view = txn.latest_view();
        let mut hashes: Vec<(u64, RowId)> = Vec::new();
        let (mut entries, mut examined) = (0, 0);
        let hasher = foldhash::fast::RandomState::default();
        txn.scan_at(&view, self.desc().storage, 1..RowId::MAX, &mut |row, _, values| {
            examined += 1;
            if examined % CANCEL_ROWS == 0 {
                write.cancel.check()?;
            }
            let Some(key) = self.stored_key(write.evaluator, index, values)? else { return Ok(true) };
            let bytes = index.plan.encoded(&key);
            if index.plan.stored() {
                txn.put_entry(index.plan.desc.storage, &bytes, row)?;
            }
            if let (Some(state), Some(_), Some(image)) = (&index.state, index.plan.image, index.image_of(&key, &bytes))
            {
                state.entries.insert(image, row);
            }
            if index.plan.constrains(&key) {
                hashes.push((std::hash::BuildHasher::hash_one(&hasher, &bytes), row));
            }
            entries += 1;
            Ok(true)
        })?;
        hashes.sort_unstable();
        for group in hashes.chunk_by(|left, right| left.0 == right.0).filter(|group| group.len() > 1) {
            self.check_duplicates(txn, write, &view, index, group)?;
        }
        if let Some(state) = index.state.as_ref().filter(|_| index.plan.image.is_some()) {
            state.note_built();
        }
        Ok(entries)
    }

    /// Fails when two of these rows have the same key.
    fn check_duplicates(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        view: &View,
        index: &OpenIndex,
        rows: &[(u64, RowId)],
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for (_, row) in rows {
            let mut key = None;
            txn.get_at(view, self.desc().storage, *row, &mut |_, values| {
                key = self.stored_key(write.evaluator, index, values)?;
                Ok(())
            })?;
            if let Some(key) = key
                && !seen.insert(index.plan.encoded(&key))
            {
                return Err(messages::cannot_create_unique(self.desc(), &index.plan.desc, &key, &write.io));
            }
        }
        Ok(())
    }

    /// Compares rows and indexes: every row decodes and has its values, every key has its entry, no unique key is
    /// there twice. Entries that lead nowhere are garbage and no problem. At most a thousand problems.
    ///
    /// # Errors
    /// Storage errors.
    pub fn check(&self, txn: &dyn RowStore, evaluator: &dyn IndexEvaluator) -> Result<Vec<Problem>> {
        let view = txn.latest_view();
        let mut problems = Vec::new();
        let mut report = |index: Oid, row: RowId, message: String| {
            if problems.len() < PROBLEMS_MAX {
                problems.push(Problem { index, row, message });
            }
        };
        txn.scan_at(&view, self.desc().storage, 1..RowId::MAX, &mut |row, _, values| {
            match RowReader::open(values).and_then(|reader| reader.all(self.desc())) {
                Err(error) => report(Oid(0), row, error.report().message.clone()),
                Ok(datums) => {
                    for (column, datum) in self.desc().columns.iter().zip(&datums) {
                        if column.not_null && datum.is_null() {
                            report(Oid(0), row, format!("column \"{}\" is null", column.name));
                        }
                    }
                }
            }
            Ok(true)
        })?;
        for index in self.indexes().iter().filter(|index| index.plan.desc.valid) {
            self.check_index(txn, evaluator, &view, index, &mut report)?;
        }
        for index in self.vectors().iter().filter(|index| index.plan.desc.valid) {
            self.check_vector_index(txn, evaluator, &view, index, &mut report)?;
        }
        Ok(problems)
    }

    fn check_index(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        view: &View,
        index: &OpenIndex,
        report: &mut dyn FnMut(Oid, RowId, String),
    ) -> Result<()> {
        let oid = index.plan.desc.oid;
        self.ensure_built(txn, index)?;
        let stored = if index.plan.stored() { Some(self.matching_entries(txn, evaluator, view, index)?) } else { None };
        let mut unique = HashSet::new();
        txn.scan_at(view, self.desc().storage, 1..RowId::MAX, &mut |row, _, values| {
            // A row that does not decode has been reported.
            let Ok(Some(key)) = self.stored_key(evaluator, index, values) else { return Ok(true) };
            let bytes = index.plan.encoded(&key);
            if stored.as_ref().is_some_and(|stored| !stored.contains(&row)) {
                report(oid, row, format!("row has no entry in index \"{}\"", index.plan.desc.name));
            }
            if let (Some(state), Some(_)) = (&index.state, index.plan.image) {
                let mut rows = Vec::new();
                if let Some(image) = index.image_of(&key, &bytes) {
                    state.entries.lookup(image, &mut rows);
                }
                if !rows.contains(&row) {
                    report(oid, row, format!("row is not in the primary index \"{}\"", index.plan.desc.name));
                }
            }
            if index.plan.constrains(&key) && !unique.insert(bytes) {
                report(oid, row, format!("key is there more than once in unique index \"{}\"", index.plan.desc.name));
            }
            Ok(true)
        })
    }

    /// Rows that have an entry under the key that they have now.
    fn matching_entries(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        view: &View,
        index: &OpenIndex,
    ) -> Result<HashSet<RowId>> {
        let mut matching = HashSet::new();
        txn.scan_entries(index.plan.desc.storage, &[], None, false, &mut |key, row| {
            txn.get_at(view, self.desc().storage, row, &mut |_, values| {
                if let Ok(Some(now)) = self.stored_key(evaluator, index, values)
                    && index.plan.encoded(&now) == key
                {
                    matching.insert(row);
                }
                Ok(())
            })?;
            Ok(true)
        })?;
        Ok(matching)
    }

    /// The key of a stored row of an index without expressions.
    pub(super) fn plain_key(&self, index: &OpenIndex, values: &[u8]) -> Result<Vec<Datum>> {
        match index.plan.positions() {
            Some(positions) => RowReader::open(values)?.datums(self.desc(), positions),
            None => Err(Error::internal("a primary key has no expressions")),
        }
    }
}

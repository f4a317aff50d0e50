//! A table made ready for use: writing rows and keeping indexes in step.
//!
//! Writing is index-first only for claims: a row is made in-flight before its unique keys are claimed, so whoever meets the
//! claim can see whose it is and wait. An error in the middle leaves the statement to be rolled back by the caller
//! (statements run in an implicit savepoint or fail their transaction), which takes rows and entries back; claims left
//! behind point to rows that are not there and are ignored and swept.

use std::sync::Arc;

use crate::catalog::descriptor::{ConstraintDesc, StorageId, TableDesc};
use crate::error::{Error, Result, SqlState};
use crate::table::keys::{self, IndexPlan};
use crate::table::messages;
use crate::table::registry::{IndexState, TableState, Tables};
use crate::table::row::{self, RowReader};
use crate::table::spec::{Conflict, InsertOutcome, LockedRow, RowId, RowIdRange, WriteContext};
use crate::table::vector::OpenVector;
use crate::txn::{FreshRows, Locked, RowStore, Strength, Wait};
use crate::types::{Datum, Oid};

/// A table descriptor with its indexes resolved and its shared state at hand. Cheap to clone.
#[derive(Clone)]
pub struct Table(Arc<Open>);

struct Open {
    desc: Arc<TableDesc>,
    state: Arc<TableState>,
    plans: Vec<OpenIndex>,
    vectors: Vec<OpenVector>,
    not_null: Vec<usize>,
}

/// An index with its state in memory, if it has any.
#[derive(Clone)]
pub(super) struct OpenIndex {
    pub(super) plan: Arc<IndexPlan>,
    /// For primary and unique indexes.
    pub(super) state: Option<Arc<IndexState>>,
    /// Two rows may share a key until the constraint is checked.
    pub(super) deferrable: bool,
}

impl OpenIndex {
    /// Says that a row has left a key. An entry that is in memory only is named by its image.
    fn retire(&self, txn: &dyn RowStore, key: &[Datum], bytes: &[u8], row: RowId) -> Result<()> {
        let storage = self.plan.desc.storage;
        if self.plan.stored() {
            return txn.retire_entry(storage, bytes, row);
        }
        match self.image_of(key, bytes) {
            Some(image) => txn.retire_entry(storage, &image.to_be_bytes(), row),
            None => Ok(()),
        }
    }
}

impl Tables {
    /// Makes a table ready for use; the last table made of a descriptor is kept for the next statement. Its primary index is
    /// rebuilt from its rows by the first one after start who needs it.
    ///
    /// # Errors
    /// Storage errors; `XX001` when a row does not decode.
    pub fn open(&self, txn: &dyn RowStore, desc: &Arc<TableDesc>) -> Result<Table> {
        if let Some(table) = self.kept(desc) {
            return Ok(table);
        }
        let open = |plan: IndexPlan| {
            let state = (plan.desc.unique && plan.desc.valid).then(|| self.index_state(desc, &plan));
            let keeps = |item: &&ConstraintDesc| item.oid == plan.desc.constraint;
            let deferrable = desc.constraints.iter().find(keeps).is_some_and(|item| item.deferrable);
            OpenIndex { plan: Arc::new(plan), state, deferrable }
        };
        let plans = keys::plans(desc).into_iter().map(open).collect();
        let not_null = (0..desc.columns.len()).filter(|position| desc.columns[*position].not_null).collect();
        let state = self.table_state(desc.storage);
        let vectors = self.open_vectors(txn, desc)?;
        let table = Table(Arc::new(Open { desc: Arc::clone(desc), state, plans, vectors, not_null }));
        self.keep(&table);
        Ok(table)
    }
}

impl Table {
    /// The descriptor.
    #[must_use]
    pub fn desc(&self) -> &Arc<TableDesc> {
        &self.0.desc
    }

    pub(super) fn has_index(&self, storage: StorageId) -> bool {
        let ordered = self.0.plans.iter().any(|index| index.plan.desc.storage == storage);
        ordered || self.0.vectors.iter().any(|index| index.plan.desc.storage == storage)
    }

    pub(super) fn indexes(&self) -> &[OpenIndex] {
        &self.0.plans
    }

    pub(super) fn vectors(&self) -> &[OpenVector] {
        &self.0.vectors
    }

    /// A vector index, by OID.
    pub(super) fn vector(&self, oid: Oid) -> Result<&OpenVector> {
        let found = self.0.vectors.iter().find(|index| index.plan.desc.oid == oid);
        found.ok_or_else(|| crate::error!(INTERNAL_ERROR, "table \"{}\" has no vector index {oid}", self.0.desc.name))
    }

    /// An index that is kept here, by OID.
    pub(super) fn index(&self, oid: Oid) -> Result<&OpenIndex> {
        let found = self.0.plans.iter().find(|index| index.plan.desc.oid == oid);
        found.ok_or_else(|| crate::error!(INTERNAL_ERROR, "table \"{}\" has no ordered index {oid}", self.0.desc.name))
    }

    pub(super) fn state(&self) -> &TableState {
        &self.0.state
    }

    /// Row ids that this process knows to be in use, or simply all.
    pub(super) fn known_rows(&self) -> RowIdRange {
        match self.0.state.end() {
            0 => 1..RowId::MAX,
            end => 1..end,
        }
    }

    /// Every row id that may be in use.
    ///
    /// # Errors
    /// Storage errors.
    pub fn row_ids(&self, txn: &dyn RowStore) -> Result<RowIdRange> {
        let end = match self.0.state.end() {
            0 => txn.highest_row(self.0.desc.storage)?.saturating_add(1),
            end => end,
        };
        Ok(1..end.max(1))
    }

    /// Adds a row, one value per live column in `columns` order, typmods and defaults already applied.
    ///
    /// # Errors
    /// `23502`, `23505`, `54000`; those of waiting for another inserter of the same key.
    pub fn insert(&self, txn: &dyn RowStore, write: &WriteContext<'_>, row: &[Datum]) -> Result<RowId> {
        self.check_not_null(write, row)?;
        let mut buffer = Vec::new();
        let id = self.allocate(txn, 1)?;
        self.insert_at(txn, write, id, row, &mut buffer)?;
        Ok(id)
    }

    /// Adds rows in order; their ids ascend from the one returned.
    ///
    /// # Errors
    /// As [`Table::insert`]; rows before the failing one are in.
    pub fn insert_batch(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        rows: &[Vec<Datum>],
    ) -> Result<RowIdRange> {
        let count = u32::try_from(rows.len()).expect("batches are small");
        let first = self.allocate(txn, count)?;
        let mut rest = (first, rows);
        while !rest.1.is_empty() {
            let (fresh, failure) = self.encode_rows(write, rest.0, rest.1);
            let ids = fresh.rows();
            let (now, later) = rest.1.split_at(ids.len());
            rest = (ids.end, later);
            txn.insert_many(fresh)?;
            for (id, row) in ids.zip(now) {
                self.claim_all(txn, write, id, row, |_| false)?;
                self.put_entries(txn, write, id, row)?;
            }
            failure.map_or(Ok(()), Err)?;
        }
        Ok(first..first + count)
    }

    /// The first of these rows as they are stored, and what is wrong with the one behind them.
    fn encode_rows(&self, write: &WriteContext<'_>, first: RowId, rows: &[Vec<Datum>]) -> (FreshRows, Option<Error>) {
        let mut fresh = FreshRows::new(self.0.desc.storage, first, rows.len());
        let mut values = Vec::new();
        for row in rows {
            values.clear();
            let encoded = self.check_not_null(write, row).and_then(|()| row::encode(&self.0.desc, row, &mut values));
            if let Err(error) = encoded {
                return (fresh, Some(error));
            }
            if !fresh.push(&values) {
                let alone = fresh.rows().is_empty();
                return (fresh, alone.then(|| row::too_big(values.len())));
            }
        }
        (fresh, None)
    }

    /// Adds a row unless a row with the same key of one of `arbiters` (all unique indexes when empty) is there, committed or
    /// this transaction's own. Waits for transactions that hold the key. A conflict in another index is an error.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert_unless_conflict(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        row: &[Datum],
        arbiters: &[Oid],
    ) -> Result<InsertOutcome> {
        self.check_not_null(write, row)?;
        loop {
            if let Some(conflict) = self.conflict(txn, write, row, arbiters)? {
                return Ok(InsertOutcome::Conflict(conflict));
            }
            let id = self.allocate(txn, 1)?;
            let mut buffer = Vec::new();
            row::encode(&self.0.desc, row, &mut buffer)?;
            txn.insert(self.0.desc.storage, id, &buffer)?;
            match self.claim_all(txn, write, id, row, |oid| arbiters.is_empty() || arbiters.contains(&oid))? {
                None => {
                    self.put_entries(txn, write, id, row)?;
                    return Ok(InsertOutcome::Inserted(id));
                }
                // Someone was faster after all: take the row back and look at the winner.
                Some(_) => txn.delete(self.0.desc.storage, id)?,
            }
        }
    }

    /// The row, if any, whose key of one of `arbiters` (all unique indexes when empty) equals that of `row`. Waits for
    /// transactions that hold the key.
    ///
    /// # Errors
    /// Those of waiting, of storage and of the evaluator.
    pub fn conflict(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        row: &[Datum],
        arbiters: &[Oid],
    ) -> Result<Option<Conflict>> {
        for index in self.unique_indexes(arbiters) {
            let Some(key) = index.plan.key(row, write.evaluator)?.filter(|key| index.plan.constrains(key)) else {
                continue;
            };
            if let Some(row) = self.holder(txn, write, index, &key, None)? {
                return Ok(Some(Conflict { index: index.plan.desc.oid, row }));
            }
        }
        Ok(None)
    }

    /// Refuses a key of a unique index that two rows have as of now. Waits for transactions that may have it.
    ///
    /// # Errors
    /// `23505`; those of waiting, of storage and of the evaluator.
    pub fn check_unique(&self, txn: &dyn RowStore, write: &WriteContext<'_>, index: Oid, key: &[Datum]) -> Result<()> {
        let index = self.index(index)?;
        if !index.plan.constrains(key) {
            return Ok(());
        }
        let Some(first) = self.holder(txn, write, index, key, None)? else { return Ok(()) };
        match self.holder(txn, write, index, key, Some(first))? {
            Some(_) => Err(messages::duplicate_key(&self.0.desc, &index.plan.desc, key, &write.io)),
            None => Ok(()),
        }
    }

    /// Locks a row before it is changed, deleted or returned by FOR UPDATE.
    ///
    /// # Errors
    /// `40001` above READ COMMITTED when it has changed; `40P01`, `55P03`, `57014`.
    pub fn lock(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        row: RowId,
        strength: Strength,
        wait: Wait,
    ) -> Result<LockedRow> {
        let locked = txn.lock(self.0.desc.storage, row, strength, wait, write.cancel).map_err(|mut error| {
            if wait == Wait::NoWait && error.sqlstate() == SqlState::LOCK_NOT_AVAILABLE {
                error.report_mut().message =
                    format!("could not obtain lock on row in relation \"{}\"", self.0.desc.name);
            }
            error
        })?;
        Ok(match locked {
            Locked::Same => LockedRow::Same,
            Locked::Gone => LockedRow::Gone,
            Locked::Touched => LockedRow::Touched,
            Locked::Skipped => LockedRow::Skipped,
            Locked::Changed(values) => LockedRow::Changed(RowReader::open(&values)?.all(&self.0.desc)?),
        })
    }

    /// Replaces a row that [`Table::lock`] locked; `old` is its newest version.
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn update(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> Result<()> {
        self.check_not_null(write, new)?;
        let mut buffer = Vec::new();
        row::encode(&self.0.desc, new, &mut buffer)?;
        txn.update(self.0.desc.storage, id, &buffer)?;
        for index in self.indexes() {
            let before = index.plan.key(old, write.evaluator)?;
            let after = index.plan.key(new, write.evaluator)?;
            let (before_bytes, after_bytes) =
                (before.as_ref().map(|key| index.plan.encoded(key)), after.as_ref().map(|key| index.plan.encoded(key)));
            if before_bytes == after_bytes {
                continue;
            }
            if let Some(key) = &after {
                self.claim(txn, write, index, key, id)?;
            }
            if let (true, Some(bytes)) = (index.plan.stored(), &after_bytes) {
                txn.put_entry(index.plan.desc.storage, bytes, id)?;
            }
            if let (Some(key), Some(bytes)) = (&before, &before_bytes) {
                self.ensure_built(txn, index)?;
                index.retire(txn, key, bytes, id)?;
            }
        }
        self.move_vectors(txn, write, id, old, new)
    }

    /// Deletes a row that [`Table::lock`] locked; `old` is its newest version.
    ///
    /// # Errors
    /// Those of storage and of the evaluator.
    pub fn delete(&self, txn: &dyn RowStore, write: &WriteContext<'_>, id: RowId, old: &[Datum]) -> Result<()> {
        txn.delete(self.0.desc.storage, id)?;
        for index in self.indexes() {
            if let Some(key) = index.plan.key(old, write.evaluator)? {
                self.ensure_built(txn, index)?;
                index.retire(txn, &key, &index.plan.encoded(&key), id)?;
            }
        }
        self.leave_vectors(txn, write, id, old)
    }

    fn check_not_null(&self, write: &WriteContext<'_>, row: &[Datum]) -> Result<()> {
        match self.0.not_null.iter().find(|position| row[**position].is_null()) {
            Some(position) => Err(messages::null_value(&self.0.desc, *position, row, &write.io)),
            None => Ok(()),
        }
    }

    fn allocate(&self, txn: &dyn RowStore, count: u32) -> Result<RowId> {
        self.0.state.allocate(count, || txn.highest_row(self.0.desc.storage))
    }

    fn insert_at(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        row: &[Datum],
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        buffer.clear();
        row::encode(&self.0.desc, row, buffer)?;
        txn.insert(self.0.desc.storage, id, buffer)?;
        self.claim_all(txn, write, id, row, |_| false)?;
        self.put_entries(txn, write, id, row)
    }

    fn put_entries(&self, txn: &dyn RowStore, write: &WriteContext<'_>, id: RowId, row: &[Datum]) -> Result<()> {
        for index in self.indexes().iter().filter(|index| index.plan.stored()) {
            if let Some(key) = index.plan.key(row, write.evaluator)? {
                txn.put_entry(index.plan.desc.storage, &index.plan.encoded(&key), id)?;
            }
        }
        self.enter_vectors(txn, write, id, row)
    }

    fn unique_indexes<'a>(&'a self, arbiters: &'a [Oid]) -> impl Iterator<Item = &'a OpenIndex> {
        let wanted = |index: &&OpenIndex| arbiters.is_empty() || arbiters.contains(&index.plan.desc.oid);
        self.indexes().iter().filter(|index| index.state.is_some()).filter(wanted)
    }

    /// Claims the row's key in every unique index. A tolerated conflict is returned, any other is an error.
    fn claim_all(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        row: &[Datum],
        tolerates: impl Fn(Oid) -> bool,
    ) -> Result<Option<Conflict>> {
        for index in self.unique_indexes(&[]) {
            self.ensure_built(txn, index)?;
            if Self::claim_alone(txn, index, row, id) {
                continue;
            }
            let Some(key) = index.plan.key(row, write.evaluator)? else { continue };
            if let Some(row) = self.try_claim(txn, write, index, &key, id)? {
                let oid = index.plan.desc.oid;
                if tolerates(oid) {
                    return Ok(Some(Conflict { index: oid, row }));
                }
                return Err(messages::duplicate_key(&self.0.desc, &index.plan.desc, &key, &write.io));
            }
        }
        Ok(None)
    }

    fn claim(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        index: &OpenIndex,
        key: &[Datum],
        id: RowId,
    ) -> Result<()> {
        match self.try_claim(txn, write, index, key, id)? {
            None => Ok(()),
            Some(_) => Err(messages::duplicate_key(&self.0.desc, &index.plan.desc, key, &write.io)),
        }
    }
}

//! Uniqueness: who may hold a key.
//!
//! The entries of a primary index, and the claims of any other unique index, name the rows that may hold a key: rows of
//! transactions in flight included. A claim looks for a holder and adds its own entry under one lock of the key's
//! stripe, so of two inserters one sees the other's entry. A row in flight is waited for without the lock, and then everything is
//! looked at again. Claims of a stored index are swept when their transaction is found settled: the order is look at the
//! row's state first, at the stored entries second, so that a commit in between is seen in one or the other.

use parking_lot::Mutex;

use crate::common::parallel::side_by_side;
use crate::error::Result;
use crate::index::image::ImageKind;
use crate::index::{Entry, OrderedIndex, Rid, Span};
use crate::table::access::{OpenIndex, Table};
use crate::table::registry::IndexState;
use crate::table::row::RowReader;
use crate::table::spec::{IndexEvaluator, RowId, WriteContext};
use crate::txn::{RowState, RowStore};
use crate::types::{Datum, keycode};

/// Claims examined at a time.
const CLAIMS_CHUNK: usize = 1024;
/// Row ids that a thread reads at a time to build a primary index; tests are small and want several parts.
const PART_ROWS: RowId = if cfg!(test) { 50 } else { 1 << 14 };
/// Parts that a table is read in at most: row ids may be far apart.
const PARTS_MAX: RowId = 1 << 10;

/// What stands in the way of a key.
enum Obstacle {
    Nothing,
    Row(RowId),
    Transaction(u64),
}

/// A key under examination.
struct Probe<'a> {
    index: &'a OpenIndex,
    state: &'a IndexState,
    bytes: Vec<u8>,
    image: u64,
    /// The row that wants the key; it is no obstacle to itself.
    own: Option<RowId>,
}

impl Table {
    /// Claims a key for a row of this transaction; the row that holds it already, if any. Keys that take no part in
    /// uniqueness are entered without a question.
    pub(super) fn try_claim(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        index: &OpenIndex,
        key: &[Datum],
        id: RowId,
    ) -> Result<Option<RowId>> {
        let Some(state) = index.state.as_deref() else { return Ok(None) };
        self.ensure_built(txn, index)?;
        if !index.plan.constrains(key) {
            return Ok(None);
        }
        let probe = probe(index, state, key, Some(id));
        loop {
            let token = {
                let _claiming = state.stripe(probe.image);
                match self.obstacle(txn, write, &probe)? {
                    Obstacle::Nothing => {
                        state.entries.insert(probe.image, id);
                        if index.plan.image.is_some() {
                            txn.note_key_write(index.plan.desc.storage, &|| probe.bytes.clone());
                        }
                        break;
                    }
                    Obstacle::Row(row) => match write.duplicates.filter(|_| index.deferrable) {
                        Some(duplicates) => {
                            state.entries.insert(probe.image, id);
                            duplicates.note(self.desc(), &index.plan.desc, key);
                            break;
                        }
                        None => return Ok(Some(row)),
                    },
                    Obstacle::Transaction(token) => token,
                }
            };
            txn.wait_for(token, write.cancel)?;
        }
        if index.plan.image.is_none() && state.claims_to_sweep() {
            self.sweep_claims(txn, state)?;
        }
        Ok(None)
    }

    /// Claims the key of a new row where that is a column by itself and nobody has an entry of it: then there is nobody to ask.
    /// The index is built. False when nothing was done.
    pub(super) fn claim_alone(txn: &dyn RowStore, index: &OpenIndex, row: &[Datum], id: RowId) -> bool {
        let plan = &index.plan;
        let (Some(state), Some(&[position]), true) = (&index.state, plan.positions(), plan.is_plain()) else {
            return false;
        };
        if !plan.image.is_some_and(ImageKind::exact) {
            return false;
        }
        let key = std::slice::from_ref(&row[position]);
        let Some(image) = state.image(plan, key) else { return false };
        let mut holders: Vec<Rid> = Vec::new();
        let _claiming = state.stripe(image);
        state.entries.lookup(image, &mut holders);
        if !holders.is_empty() {
            return false;
        }
        state.entries.insert(image, id);
        txn.note_key_write(plan.desc.storage, &|| plan.encoded(key));
        true
    }

    /// Removes claims of transactions that have ended; storage has their entries.
    fn sweep_claims(&self, txn: &dyn RowStore, state: &IndexState) -> Result<()> {
        let mut rest = Some(Span::ALL);
        let mut claims: Vec<Entry> = Vec::new();
        while let Some(span) = rest {
            claims.clear();
            state.entries.scan(span, false, CLAIMS_CHUNK, &mut claims);
            for (image, row) in &claims {
                let _claiming = state.stripe(*image);
                if !matches!(txn.state(self.desc().storage, *row)?, RowState::InFlight(_) | RowState::Own(_)) {
                    state.entries.remove(*image, *row);
                }
            }
            rest = claims.last().and_then(|last| span.after(*last, false));
        }
        state.claims_swept();
        Ok(())
    }

    /// The row that holds a key as of now, after waiting for transactions that may.
    pub(super) fn holder(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        index: &OpenIndex,
        key: &[Datum],
        own: Option<RowId>,
    ) -> Result<Option<RowId>> {
        let state = index.state.as_deref().expect("a unique index has state");
        self.ensure_built(txn, index)?;
        let probe = probe(index, state, key, own);
        loop {
            match self.obstacle(txn, write, &probe)? {
                Obstacle::Nothing => return Ok(None),
                Obstacle::Row(row) => return Ok(Some(row)),
                Obstacle::Transaction(token) => txn.wait_for(token, write.cancel)?,
            }
        }
    }

    fn obstacle(&self, txn: &dyn RowStore, write: &WriteContext<'_>, probe: &Probe<'_>) -> Result<Obstacle> {
        let mut candidates: Vec<Rid> = Vec::new();
        probe.state.entries.lookup(probe.image, &mut candidates);
        let stored = probe.index.plan.image.is_none();
        for row in candidates {
            let settled = match self.judge(txn, write, probe, row)? {
                (Obstacle::Nothing, settled) => settled,
                (obstacle, _) => return Ok(obstacle),
            };
            if settled == Settled::Gone || (stored && settled == Settled::Live) {
                probe.state.entries.remove(probe.image, row);
            }
        }
        if !stored {
            return Ok(Obstacle::Nothing);
        }
        let mut rows = Vec::new();
        let end = keycode::successor(&probe.bytes);
        txn.scan_entries(probe.index.plan.desc.storage, &probe.bytes, end.as_deref(), false, &mut |_, row| {
            rows.push(row);
            Ok(true)
        })?;
        for row in rows {
            if let (obstacle @ (Obstacle::Row(_) | Obstacle::Transaction(_)), _) = self.judge(txn, write, probe, row)? {
                return Ok(obstacle);
            }
        }
        Ok(Obstacle::Nothing)
    }

    /// Whether a candidate row holds the key, and whether its entry may be swept.
    fn judge(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        probe: &Probe<'_>,
        row: RowId,
    ) -> Result<(Obstacle, Settled)> {
        if Some(row) == probe.own {
            return Ok((Obstacle::Nothing, Settled::No));
        }
        let (values, settled) = match txn.state(self.desc().storage, row)? {
            RowState::Nothing => return Ok((Obstacle::Nothing, Settled::Gone)),
            RowState::Deleted | RowState::Own(None) => return Ok((Obstacle::Nothing, Settled::No)),
            RowState::InFlight(token) => return Ok((Obstacle::Transaction(token), Settled::No)),
            RowState::Own(Some(values)) => (values, Settled::No),
            RowState::Live(values) => (values, Settled::Live),
        };
        match self.stored_key(write.evaluator, probe.index, &values)? {
            Some(key) if probe.index.plan.encoded(&key) == probe.bytes => Ok((Obstacle::Row(row), settled)),
            _ => Ok((Obstacle::Nothing, settled)),
        }
    }

    /// The key of a stored row; `None` when the index leaves the row out.
    pub(super) fn stored_key(
        &self,
        evaluator: &dyn IndexEvaluator,
        index: &OpenIndex,
        values: &[u8],
    ) -> Result<Option<Vec<Datum>>> {
        let reader = RowReader::open(values)?;
        match index.plan.positions() {
            Some(positions) if index.plan.is_plain() => reader.datums(self.desc(), positions).map(Some),
            _ => index.plan.key(&reader.all(self.desc())?, evaluator),
        }
    }

    /// Builds all primary indexes that nobody has asked for yet.
    ///
    /// # Errors
    /// Storage errors; `XX001` when a row does not decode.
    pub fn build_primary_indexes(&self, txn: &dyn RowStore) -> Result<()> {
        self.indexes().iter().try_for_each(|index| self.ensure_built(txn, index))
    }

    /// Fills a primary index from the rows in storage if that has not been done since start. Whoever reads or changes its
    /// entries comes here first, and so does whoever deletes a row: what was there when a snapshot was taken must get its entry
    /// while it is the newest version.
    pub(super) fn ensure_built(&self, txn: &dyn RowStore, index: &OpenIndex) -> Result<()> {
        let (Some(state), Some(_)) = (&index.state, index.plan.image) else { return Ok(()) };
        if state.is_built() {
            return Ok(());
        }
        let _building = state.building.lock();
        if state.is_built() {
            return Ok(());
        }
        let positions = index.plan.positions().expect("a primary key has no expressions");
        // Nobody changes keys of the table meanwhile: they would have to come here first. So it does not matter that parts are read at
        // different times.
        let (entries, end) = (Mutex::new(Vec::new()), txn.highest_row(self.desc().storage)?);
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part_rows = PART_ROWS.max(end / PARTS_MAX);
        let parts = end.div_ceil(part_rows).max(1);
        side_by_side(threads, parts as usize, &|part| {
            let begin = 1 + part as RowId * part_rows;
            let to = if part as u32 + 1 == parts { RowId::MAX } else { begin + part_rows };
            let mut found = Vec::new();
            txn.scan_newest(self.desc().storage, begin..to, &mut |row, _, values| {
                let key = RowReader::open(values)?.datums(self.desc(), positions)?;
                // A NULL in a primary key can only be damage; the check reports it.
                found.extend(state.image(&index.plan, &key).map(|image| (image, row)));
                Ok(true)
            })?;
            entries.lock().append(&mut found);
            Ok(())
        })?;
        let mut entries = entries.into_inner();
        entries.sort_unstable();
        state.entries.load(&mut entries.into_iter());
        state.note_built();
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    /// The entry is still needed.
    No,
    /// The row is committed: storage has its entries.
    Live,
    /// There is no such row and never will be.
    Gone,
}

fn probe<'a>(index: &'a OpenIndex, state: &'a IndexState, key: &[Datum], own: Option<RowId>) -> Probe<'a> {
    let bytes = index.plan.encoded(key);
    let image = match index.plan.image {
        Some(kind) if kind != ImageKind::Hash => state.image(&index.plan, key).expect("primary keys are not NULL"),
        _ => state.image_of_bytes(&bytes),
    };
    Probe { index, state, bytes, image, own }
}

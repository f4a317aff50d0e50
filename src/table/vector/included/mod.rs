//! The included columns of a vector index: their values by row id, in memory, for searches to ask about whom they come by.
//!
//! What is kept of a row is its newest value, and there may be views that see another. So a row is *sure* or not: of a
//! sure one every view that sees it sees the values that are kept; any other is let through and looked at later.
//!
//! ```text
//!   insert      sure at once: there is one version, and whoever does not see it does not see the row
//!   update      in flight -> unsure -> ... commit or rollback ... -> collected: the newest version is read, sure
//!   fill        a scan makes those sure that no writer has come by
//! ```
//!
//! An update is in flight before it makes the row unsure and until it has ended. A row is made sure by garbage collection when nobody
//! writes it and its newest version is one that the oldest snapshot sees; if somebody has made it unsure again meanwhile, not.
//! Rows that have an entry in a complete index are known. A stretch goes when none of its rows is.
//!
//! * [`value`]: what is kept of a value. `stretch`: rows by the thousand. [`condition`]: what is asked. [`admission`]: who asks.

pub mod admission;
pub mod condition;
mod stretch;
pub mod value;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::catalog::descriptor::{AttNum, ColumnDesc, IndexDesc, StorageId, TableDesc};
use crate::error::Result;
use crate::table::row::RowReader;
use crate::table::spec::RowId;
use crate::txn::TxnManager;
use crate::types::Datum;
use condition::IncludedColumn;
use stretch::{STRETCH_ROWS, State, Stretch};
use value::{Form, Kept};

/// Stretches by number.
type Stretches = Vec<Option<Arc<Stretch>>>;

/// The included columns of one incarnation of a vector index.
pub struct Included {
    /// Of the table's rows.
    table: StorageId,
    /// Those whose values can be kept.
    columns: Vec<(ColumnDesc, Form)>,
    stretches: RwLock<Arc<Stretches>>,
    doubts: Mutex<Doubts>,
    /// Whether every row that the index has an entry of is known.
    complete: AtomicBool,
}

/// Rows that are unsure. Whoever changes what is known of a row holds them, but for who inserts it.
#[derive(Default)]
struct Doubts {
    rows: HashMap<RowId, Doubt>,
    raised: u64,
}

#[derive(Clone, Copy)]
struct Doubt {
    /// Tells it from a later one about the same row.
    number: u64,
    /// It is of no use to look before every snapshot sees this commit.
    not_before: u64,
}

fn place(row: RowId) -> (usize, usize) {
    (row as usize / STRETCH_ROWS, row as usize % STRETCH_ROWS)
}

impl Included {
    /// Nothing yet of the columns that an index includes; `None` when it includes none that can be kept.
    pub(in crate::table) fn new(table: &TableDesc, index: &IndexDesc) -> Option<Self> {
        let column = |attnum: &AttNum| {
            let column = &table.columns[table.position_of(*attnum)?];
            Form::of(column.stored_type().oid).map(|form| (column.clone(), form))
        };
        let columns: Vec<_> = index.include.iter().filter_map(column).collect();
        let (stretches, doubts, complete) = Default::default();
        (!columns.is_empty()).then_some(Self { table: table.storage, columns, stretches, doubts, complete })
    }

    /// A column by its attribute number, if its values are kept.
    #[must_use]
    pub fn column(&self, attnum: AttNum) -> Option<IncludedColumn> {
        let at = self.columns.iter().position(|(column, _)| column.attnum == attnum)?;
        Some(IncludedColumn { at, form: self.columns[at].1 })
    }

    /// Positions of the columns in a table's.
    pub(in crate::table) fn positions(&self, table: &TableDesc) -> Vec<usize> {
        let position = |(column, _): &(ColumnDesc, Form)| table.position_of(column.attnum);
        self.columns.iter().map(|column| position(column).expect("an index goes with its columns")).collect()
    }

    /// Says that every row is known that the index has an entry of.
    pub(in crate::table) fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> u64 {
        let stretches = Arc::clone(&self.stretches.read());
        let bytes: usize = stretches.iter().flatten().map(|stretch| stretch.bytes()).sum();
        (bytes + size_of::<Option<Arc<Stretch>>>() * stretches.len()) as u64
    }

    /// Runs `change` on the stretch of a row, which is made if it is not there.
    fn with_stretch<R>(&self, row: RowId, change: impl FnOnce(&Stretch, usize) -> R) -> R {
        let (number, at) = place(row);
        if let Some(Some(stretch)) = self.stretches.read().get(number) {
            return change(stretch, at);
        }
        let mut stretches = self.stretches.write();
        let stretches = Arc::make_mut(&mut stretches);
        if stretches.len() <= number {
            stretches.resize(number + 1, None);
        }
        let fresh = || Arc::new(Stretch::new(self.columns.iter().map(|column| column.1)));
        change(stretches[number].get_or_insert_with(fresh), at)
    }

    fn state(&self, row: RowId) -> State {
        let (number, at) = place(row);
        match self.stretches.read().get(number) {
            Some(Some(stretch)) => stretch.state(at),
            _ => State::Unknown,
        }
    }

    fn kept<'a>(&self, values: impl Iterator<Item = &'a Datum>) -> Vec<Option<Kept>> {
        self.columns.iter().zip(values).map(|((_, form), value)| form.keep(value)).collect()
    }

    fn stored(&self, values: &[u8]) -> Result<Vec<Option<Kept>>> {
        let reader = RowReader::open(values)?;
        self.columns.iter().map(|(column, form)| Ok(form.keep(&reader.datum(column)?))).collect()
    }

    /// Makes a row sure that is being inserted.
    pub(super) fn insert<'a>(&self, row: RowId, values: impl Iterator<Item = &'a Datum>) {
        let kept = self.kept(values);
        self.with_stretch(row, |stretch, at| stretch.put(at, &kept));
    }

    /// Makes a row that is in flight unsure if its values change or nothing is known of it.
    pub(super) fn update(&self, row: RowId, positions: &[usize], old: &[Datum], new: &[Datum]) {
        let same = |(position, (_, form)): (&usize, &(ColumnDesc, Form))| {
            form.keep(&old[*position]) == form.keep(&new[*position])
        };
        if self.state(row) == State::Unknown || !positions.iter().zip(&self.columns).all(same) {
            self.doubt(row);
        }
    }

    /// Takes note of a row that is being deleted; it is forgotten with its entry, if it `has_entry`.
    pub(super) fn delete(&self, row: RowId, has_entry: bool) {
        if !has_entry || self.state(row) == State::Unknown {
            self.doubt(row);
        }
    }

    fn doubt(&self, row: RowId) {
        let mut doubts = self.doubts.lock();
        doubts.raised += 1;
        let number = doubts.raised;
        doubts.rows.insert(row, Doubt { number, not_before: 0 });
        self.with_stretch(row, Stretch::doubt);
    }

    /// Makes a row sure that a view sees with these values and that no writer has come by.
    pub(super) fn fill(&self, row: RowId, values: &[u8]) -> Result<()> {
        if self.state(row) != State::Unknown {
            return Ok(());
        }
        let kept = self.stored(values)?;
        let _doubts = self.doubts.lock();
        if self.state(row) == State::Unknown {
            self.with_stretch(row, |stretch, at| stretch.put(at, &kept));
        }
        Ok(())
    }

    /// Makes rows sure of which every snapshot sees the newest version.
    pub(super) fn make_sure(&self, manager: &TxnManager) -> Result<()> {
        let oldest = manager.oldest_snapshot();
        let due: Vec<(RowId, u64)> = {
            let doubts = self.doubts.lock();
            let due = doubts.rows.iter().filter(|(_, doubt)| doubt.not_before <= oldest);
            due.map(|(row, doubt)| (*row, doubt.number)).collect()
        };
        due.into_iter().try_for_each(|(row, number)| {
            // One that cannot be read stays unsure.
            self.look_at(manager, row, number, oldest).inspect_err(|_| {
                self.doubts.lock().rows.remove(&row);
            })
        })
    }

    /// Makes a row sure unless a later doubt than this one has been raised.
    fn look_at(&self, manager: &TxnManager, row: RowId, number: u64, oldest: u64) -> Result<()> {
        // Who raised the doubt was writing then, and has ended if nobody is writing now.
        if manager.in_flight(self.table, row) {
            self.put_off(row, oldest + 1);
            return Ok(());
        }
        let newest = manager.newest(self.table, row)?;
        if let Some((ts, _)) = newest.as_ref().filter(|(ts, _)| *ts > oldest) {
            self.put_off(row, *ts);
            return Ok(());
        }
        let kept = newest.and_then(|(_, values)| values).map(|values| self.stored(&values)).transpose()?;
        let mut doubts = self.doubts.lock();
        if doubts.rows.get(&row).is_none_or(|doubt| doubt.number != number) {
            return Ok(());
        }
        doubts.rows.remove(&row);
        match kept {
            Some(kept) => self.with_stretch(row, |stretch, at| stretch.put(at, &kept)),
            None => self.forget(row),
        }
        Ok(())
    }

    /// Has a row looked at again once every snapshot sees a commit.
    fn put_off(&self, row: RowId, not_before: u64) {
        let mut doubts = self.doubts.lock();
        doubts.rows.get_mut(&row).into_iter().for_each(|doubt| doubt.not_before = not_before);
    }

    /// Forgets a row whose entry goes, if no snapshot sees it any more.
    pub(super) fn sweep(&self, manager: &TxnManager, row: RowId) -> Result<()> {
        let gone = match manager.newest(self.table, row)? {
            None => true,
            Some((ts, values)) => values.is_none() && ts <= manager.oldest_snapshot(),
        };
        if gone {
            let mut doubts = self.doubts.lock();
            doubts.rows.remove(&row);
            self.forget(row);
        }
        Ok(())
    }

    fn forget(&self, row: RowId) {
        let (number, at) = place(row);
        let empty = match self.stretches.read().get(number) {
            Some(Some(stretch)) => {
                stretch.forget(at);
                stretch.is_empty()
            }
            _ => false,
        };
        if empty {
            let mut stretches = self.stretches.write();
            let slot = &mut Arc::make_mut(&mut stretches)[number];
            if slot.as_ref().is_some_and(|stretch| stretch.is_empty()) {
                *slot = None;
            }
        }
    }
}

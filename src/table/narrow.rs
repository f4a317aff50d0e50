//! Ranges of indexes that hold few rows, and those that do not.
//!
//! Reading a row that an index names takes as long as passing by several in a whole scan, and by hundreds when the
//! scan finds its columns in memory. So an index is the better way to a range only when the range is narrow, and how narrow it is
//! the index itself says best: its entries in the range are read, keys only, and when they come to more than a whole scan is
//! worth, the scan it is. Entries that were read are not read again, and they are put in the order of the table, so that
//! rows come in the same order either way.
//!
//! Looking in vain is at most an eighth of the whole scan, and seldom that: a stretch of keys that was seen to hold
//! too many is remembered, and a range around it is known to be wide for a while.
//!
//! ```text
//!   cat >= 5, most = 3:   5 5 6 7|               four entries: wide, and [5, 7] is remembered
//!   cat >= 2              2 [5 .. 7] ..          around it: wide without looking
//!   cat >= 9              9 9|                   two entries: these rows
//! ```

use std::sync::Arc;

use crate::catalog::descriptor::StorageId;
use crate::error::Result;
use crate::table::access::Table;
use crate::table::index_scan::{Gathered, IndexScan};
use crate::table::keys::ByteRange;
use crate::table::scan::parts_of;
use crate::table::spec::{IndexScanSpec, ScanSpec};
use crate::txn::{CHUNK_ROWS, Transaction};

/// Tables with fewer rows are read whole.
const ROWS_MIN: u64 = 4096;
/// Reading a row by an index takes as long as passing by so many in memory (1.2 us against 3 ns).
const WARM_SHARE: u64 = 400;
/// The same when the scan reads the store (6 us against .4 to 1 us).
const COLD_SHARE: u64 = 8;
/// A scan that reads the store leaves its columns in memory, if they fit. A statement that wants more than this part of the
/// rows scans after all once such statements have read half of a table's rows by indexes.
const WARMING_SHARE: u64 = 64;
/// Entries that are held at most, some 64 MB.
const HELD_MAX: u64 = 1 << 20;
/// Wide stretches that are remembered.
const WIDE_MAX: usize = 16;
/// How often one is believed.
const WIDE_USES: u32 = 256;

/// What is known about ranges of a table's indexes. A guess: it costs time when it is wrong, and nothing else.
#[derive(Default)]
pub(super) struct KnownRanges {
    wide: Vec<Wide>,
    /// Rows read by indexes while a whole scan would have read the store.
    cold_rows: u64,
}

/// A stretch of keys, both ends included, with many entries.
struct Wide {
    index: StorageId,
    start: Vec<u8>,
    last: Box<[u8]>,
    entries: usize,
    uses: u32,
}

impl KnownRanges {
    /// Whether a range is known to have more than `most` entries.
    fn is_wide(&mut self, index: StorageId, range: &ByteRange, most: usize) -> bool {
        let within = |wide: &Wide| {
            wide.index == index
                && wide.entries > most
                && wide.start >= range.start
                && range.end.as_deref().is_none_or(|end| *wide.last < *end)
        };
        let Some(at) = self.wide.iter().position(within) else { return false };
        self.wide[at].uses -= 1;
        if self.wide[at].uses == 0 {
            self.wide.remove(at);
        }
        true
    }

    fn note_wide(&mut self, index: StorageId, range: ByteRange, last: Box<[u8]>, entries: usize) {
        if self.wide.len() == WIDE_MAX {
            self.wide.remove(0);
        }
        self.wide.push(Wide { index, start: range.start, last, entries, uses: WIDE_USES });
    }

    /// Counts rows read by indexes of a table of `rows`; whether it is time for a whole scan.
    fn is_worth_warming(&mut self, read: u64, rows: u64) -> bool {
        self.cold_rows += read;
        let due = read > rows / WARMING_SHARE && self.cold_rows > rows / 2;
        if due {
            self.cold_rows = 0;
        }
        due
    }
}

impl Table {
    /// Scans by an index that together find few rows, each in the order of the table; `None` when the whole scan of `whole` is
    /// the better way to them.
    ///
    /// # Errors
    /// As [`Table::index_scan`].
    pub fn narrow_scans(
        &self,
        txn: &Arc<Transaction>,
        specs: Vec<IndexScanSpec>,
        whole: &ScanSpec,
    ) -> Result<Option<Vec<IndexScan>>> {
        let all = self.row_ids(&**txn)?;
        let rows = u64::from(all.end - all.start);
        if rows < ROWS_MIN {
            return Ok(None);
        }
        let view = txn.view();
        let middle = (all.end - all.start) / 2 / CHUNK_ROWS;
        let warm = txn.keeps_chunk(&view, self.desc().storage, middle, &parts_of(self, whole));
        let most = (rows / if warm { WARM_SHARE } else { COLD_SHARE }).min(HELD_MAX) as usize;
        let (mut found, mut scans) = (0, Vec::with_capacity(specs.len()));
        for spec in specs {
            let index = self.index(spec.index)?.plan.desc.storage;
            let mut scan = self.index_scan_at(txn, spec, view.clone())?;
            let range = scan.stored_range().cloned();
            if range.as_ref().is_some_and(|range| self.state().ranges.lock().is_wide(index, range, most)) {
                return Ok(None);
            }
            match scan.gather(most - found)? {
                Gathered::All(count) => found += count,
                Gathered::TooMany { last } => {
                    if let (Some(range), Some(last)) = (range, last) {
                        self.state().ranges.lock().note_wide(index, range, last, most - found + 1);
                    }
                    return Ok(None);
                }
            }
            scans.push(scan);
        }
        let late = !warm && self.state().ranges.lock().is_worth_warming(found as u64, rows);
        Ok((!late).then_some(scans))
    }
}

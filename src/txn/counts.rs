//! Row counts that are kept in step with commits, so that `count(*)` of a whole table need not read it twice.
//!
//! The first count of a table scans it at a snapshot; from then on every commit adds its difference under its timestamp. A
//! snapshot's count is the base and the differences between. Differences that every snapshot sees are folded in.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::descriptor::StorageId;

struct Count {
    /// As of which timestamp `rows` is; differences are later.
    ts: u64,
    /// `None` while the first scan runs.
    rows: Option<i64>,
    differences: Vec<(u64, i64)>,
}

/// Differences kept for one table before they are folded or the count is given up.
const DIFFERENCES_MAX: usize = 200_000;

/// Counts of tables that were asked for.
#[derive(Default)]
pub(super) struct Counts {
    tables: Mutex<HashMap<StorageId, Count>>,
}

impl Counts {
    /// The count at a snapshot, if it is known.
    pub(super) fn at(&self, storage: StorageId, ts: u64) -> Option<i64> {
        let tables = self.tables.lock();
        let count = tables.get(&storage)?;
        if ts < count.ts {
            return None;
        }
        let later: i64 = count.differences.iter().take_while(|(at, _)| *at <= ts).map(|(_, by)| by).sum();
        Some(count.rows? + later)
    }

    /// Begins to follow a table from `ts` on; false when it is followed. Nothing may become visible during the call.
    pub(super) fn follow(&self, storage: StorageId, ts: u64) -> bool {
        let mut tables = self.tables.lock();
        if tables.contains_key(&storage) {
            return false;
        }
        tables.insert(storage, Count { ts, rows: None, differences: Vec::new() });
        true
    }

    /// The result of the scan at the timestamp given to [`Counts::follow`].
    pub(super) fn set(&self, storage: StorageId, ts: u64, rows: i64) {
        if let Some(count) = self.tables.lock().get_mut(&storage)
            && count.ts == ts
            && count.rows.is_none()
        {
            count.rows = Some(rows);
        }
    }

    /// Forgets a table.
    pub(super) fn forget(&self, storage: StorageId) {
        self.tables.lock().remove(&storage);
    }

    /// Adds a commit's difference. Nothing else may become visible during the call.
    pub(super) fn add(&self, storage: StorageId, ts: u64, by: i64) {
        let mut tables = self.tables.lock();
        let Some(count) = tables.get_mut(&storage) else { return };
        count.differences.push((ts, by));
        if count.differences.len() > DIFFERENCES_MAX {
            tables.remove(&storage);
        }
    }

    /// Folds what every snapshot sees.
    pub(super) fn fold(&self, oldest: u64) {
        for count in self.tables.lock().values_mut() {
            let Some(rows) = &mut count.rows else { continue };
            let seen = count.differences.partition_point(|(ts, _)| *ts <= oldest);
            *rows += count.differences.drain(..seen).map(|(_, by)| by).sum::<i64>();
            count.ts = count.ts.max(oldest);
        }
    }
}

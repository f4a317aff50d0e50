//! SERIALIZABLE: what a transaction has read is compared with what was committed after its snapshot.
//!
//! A transaction that writes may commit only when nothing that it read has changed since its snapshot; then it could as
//! well have read everything at its commit, and the order of commits is a serial order. One that writes nothing stands in
//! that order at its snapshot and always commits. Reads are kept per storage as rows and key ranges,
//! and become "everything" when there are many, so there are false alarms but no misses; what is not remembered any more counts as
//! changed. (Optimistic validation, Kung and Robinson 1981, on top of snapshot isolation.)

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::catalog::descriptor::StorageId;
use crate::error::Result;
use crate::txn::row_store::{RowId, RowIdRange};

/// Rows or keys of one storage that are told apart; more count as all.
const PARTS_MAX: usize = 1000;
/// Commits that are remembered for running transactions.
const HISTORY_MAX: usize = 100_000;

/// What a transaction has read of one storage.
#[derive(Default)]
struct Reads {
    all: bool,
    rows: HashSet<RowId>,
    /// Key ranges of an index, end excluded.
    keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// What a transaction has read.
#[derive(Default)]
pub(super) struct ReadSet {
    storages: HashMap<StorageId, Reads>,
}

/// What a transaction has written in one storage.
#[derive(Clone, Default)]
struct Writes {
    all: bool,
    rows: Vec<RowId>,
    keys: Vec<Box<[u8]>>,
}

/// What a transaction has written, in outline.
#[derive(Clone, Default)]
pub(super) struct WriteSet {
    storages: HashMap<StorageId, Writes>,
}

/// The write sets of recent commits, ascending by timestamp.
#[derive(Default)]
pub(super) struct History {
    commits: VecDeque<(u64, Arc<WriteSet>)>,
    /// Commits up to this one may have been forgotten while they mattered.
    forgotten: u64,
}

impl ReadSet {
    pub(super) fn add_all(&mut self, storage: StorageId) {
        *self.storages.entry(storage).or_default() = Reads { all: true, ..Reads::default() };
    }

    pub(super) fn add_row(&mut self, storage: StorageId, row: RowId) {
        let reads = self.storages.entry(storage).or_default();
        if !reads.all {
            reads.rows.insert(row);
            if reads.rows.len() > PARTS_MAX {
                self.add_all(storage);
            }
        }
    }

    pub(super) fn add_keys(&mut self, storage: StorageId, start: &[u8], end: Option<&[u8]>) {
        let reads = self.storages.entry(storage).or_default();
        if !reads.all {
            reads.keys.push((start.to_vec(), end.map(<[u8]>::to_vec)));
            if reads.keys.len() > PARTS_MAX {
                self.add_all(storage);
            }
        }
    }

    fn meets(&self, writes: &WriteSet) -> bool {
        writes.storages.iter().any(|(storage, writes)| {
            let Some(reads) = self.storages.get(storage) else { return false };
            let in_range = |key: &[u8]| {
                reads.keys.iter().any(|(start, end)| key >= &start[..] && end.as_deref().is_none_or(|end| key < end))
            };
            reads.all
                || writes.all
                || writes.rows.iter().any(|row| reads.rows.contains(row))
                || writes.keys.iter().any(|key| in_range(key))
        })
    }
}

impl WriteSet {
    pub(super) fn add_all(&mut self, storage: StorageId) {
        *self.storages.entry(storage).or_default() = Writes { all: true, ..Writes::default() };
    }

    pub(super) fn add_row(&mut self, storage: StorageId, row: RowId) {
        let writes = self.storages.entry(storage).or_default();
        if !writes.all {
            writes.rows.push(row);
            if writes.rows.len() > PARTS_MAX {
                self.add_all(storage);
            }
        }
    }

    pub(super) fn add_rows(&mut self, storage: StorageId, rows: RowIdRange) {
        if rows.len() > PARTS_MAX {
            self.add_all(storage);
        } else {
            rows.for_each(|row| self.add_row(storage, row));
        }
    }

    pub(super) fn add_key(&mut self, storage: StorageId, key: &[u8]) {
        let writes = self.storages.entry(storage).or_default();
        if !writes.all {
            writes.keys.push(key.into());
            if writes.keys.len() > PARTS_MAX {
                self.add_all(storage);
            }
        }
    }
}

impl History {
    pub(super) fn push(&mut self, ts: u64, writes: Arc<WriteSet>) {
        self.commits.push_back((ts, writes));
        if self.commits.len() > HISTORY_MAX
            && let Some((ts, _)) = self.commits.pop_front()
        {
            self.forgotten = ts;
        }
    }

    /// Forgets what no running transaction can conflict with.
    pub(super) fn trim(&mut self, oldest: Option<u64>) {
        match oldest {
            None => self.commits.clear(),
            Some(oldest) => {
                while self.commits.front().is_some_and(|(ts, _)| *ts <= oldest) {
                    self.commits.pop_front();
                }
            }
        }
    }

    /// Fails when anything in `reads` was written after the snapshot, in a remembered commit or in one of `group`.
    ///
    /// # Errors
    /// `40001`.
    pub(super) fn validate(&self, reads: &ReadSet, snapshot: u64, group: &[Arc<WriteSet>]) -> Result<()> {
        let later = self.commits.iter().rev().take_while(|(ts, _)| *ts > snapshot).map(|(_, writes)| writes);
        if self.forgotten > snapshot || later.chain(group).any(|writes| reads.meets(writes)) {
            return Err(crate::error!(
                SERIALIZATION_FAILURE,
                "could not serialize access due to read/write dependencies among transactions"
            )
            .detail("Reason code: Canceled on identification as a pivot, during commit attempt.")
            .hint("The transaction might succeed if retried."));
        }
        Ok(())
    }
}

//! The line: groups of commits that are written and not visible yet.
//!
//! ```text
//! front                                        back
//! | ts 5..7, synced | ts 8, being synced | ts 9..10, written |
//!   ^ settled, published, answered               ^ put here under the sequencer's lock
//! ```
//!
//! A group leaves at the front, when it is durable or does not ask to be. A sync covers all that was written before it
//! began; so when one ends, every group up to the one that was last when it began is durable, whoever's sync that was. Whoever's
//! sync has ended publishes: hooks, caches and counts in timestamp order, then the snapshot, then the sessions hear of it.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cache::rows;
use crate::catalog::descriptor::StorageId;
use crate::txn::commit::Prepared;
use crate::txn::manager::TxnManager;
use crate::txn::sequencer::Request;
use crate::txn::serializable::WriteSet;

/// Commits that were written together.
#[derive(Default)]
pub(super) struct Group {
    /// Whether it has to be durable before it is visible.
    pub(super) sync: bool,
    pub(super) commits: Vec<(u64, Prepared)>,
    pub(super) cached: Vec<CacheChange>,
    /// What they write; stays in line until the group is visible.
    pub(super) writes: Vec<(u64, Arc<WriteSet>)>,
    requests: Vec<Arc<Request>>,
}

/// A row that was changed, when, and the new version if there is one and it may be kept.
pub(super) struct CacheChange {
    pub(super) key: rows::Key,
    pub(super) ts: u64,
    pub(super) body: Option<Vec<u8>>,
}

/// Groups that are written and not visible, ascending by timestamp.
#[derive(Default)]
pub(super) struct Line {
    groups: VecDeque<Group>,
    /// The newest timestamp that is known to be durable.
    durable: u64,
}

impl Group {
    pub(super) fn add(&mut self, ts: u64, mut prepared: Prepared, request: Arc<Request>) {
        self.sync |= prepared.sync && !prepared.is_empty();
        self.writes.push((ts, Arc::new(std::mem::take(&mut prepared.writes))));
        self.commits.push((ts, prepared));
        self.requests.push(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Its last timestamp.
    pub(super) fn newest(&self) -> u64 {
        self.writes.last().map_or(0, |(ts, _)| *ts)
    }
}

impl Line {
    pub(super) fn push(&mut self, group: Group) {
        self.groups.push_back(group);
    }

    /// What commits behind a snapshot have written, of those in line.
    pub(super) fn written_after(&self, snapshot: u64) -> Vec<Arc<WriteSet>> {
        let writes = self.groups.iter().flat_map(|group| &group.writes);
        writes.filter(|(ts, _)| *ts > snapshot).map(|(_, writes)| Arc::clone(writes)).collect()
    }

    /// The newest timestamp in line that a sync is needed for, if there is one.
    fn unsynced(&self) -> Option<u64> {
        self.groups.back().map(Group::newest).filter(|newest| *newest > self.durable)
    }

    /// Takes the work of the first group, if it may become visible; the group stays.
    fn take_ready(&mut self) -> Option<Group> {
        let group = self.groups.front_mut().filter(|group| !group.sync || group.newest() <= self.durable)?;
        let taken = std::mem::take(group);
        group.writes.clone_from(&taken.writes);
        Some(taken)
    }
}

impl TxnManager {
    /// Syncs what is in line.
    pub(super) fn sync_line(&self) {
        let Some(newest) = self.sequencer.line.lock().unsynced() else { return };
        self.sync_store();
        let mut line = self.sequencer.line.lock();
        line.durable = line.durable.max(newest);
    }

    /// Makes durable what was written before, sequences included.
    pub(super) fn sync_store(&self) {
        let stored = self.sequences.stored_so_far();
        self.kv.sync();
        self.sequences.synced(stored);
    }

    /// Makes visible what is at the front of the line and may be, in order.
    pub(super) fn publish_ready(&self) {
        let _publishing = self.sequencer.publishing.lock();
        loop {
            let ready = self.sequencer.line.lock().take_ready();
            let Some(mut group) = ready else { return };
            self.settle_group(&mut group);
            self.snapshots.publish(group.newest(), |mut history| {
                for ((ts, prepared), (_, writes)) in group.commits.iter().zip(group.writes) {
                    prepared.recount.iter().for_each(|storage| self.counts.forget(*storage));
                    prepared.differences.iter().for_each(|(storage, by)| self.counts.add(*storage, *ts, *by));
                    if let Some(history) = history.as_deref_mut() {
                        history.push(*ts, writes);
                    }
                }
            });
            self.sequencer.line.lock().groups.pop_front();
            for ((ts, _), request) in group.commits.iter().zip(group.requests) {
                request.finish(Ok(*ts));
            }
        }
    }

    /// Brings memory in line with what was written, in order.
    fn settle_group(&self, group: &mut Group) {
        {
            let mut changes = self.changes.write();
            for (ts, prepared) in &group.commits {
                let mut last = None;
                for (storage, _) in &prepared.chunks {
                    if last.replace(*storage) != Some(*storage) {
                        changes.insert(StorageId(*storage), *ts);
                    }
                }
            }
        }
        self.chunks.changed(group.commits.iter_mut().flat_map(|(_, prepared)| prepared.chunks.drain(..)));
        for change in &group.cached {
            self.cache.changed(change.key, change.ts, change.body.as_deref());
        }
        for (ts, prepared) in &mut group.commits {
            if let Some((txn, rows)) = &prepared.early {
                self.early.write().insert(*txn, *ts);
                self.unsettled.lock().push((*txn, *ts));
                rows.iter().for_each(|(storage, rows)| self.cache.changed_all(storage.0, rows));
            }
            for hook in prepared.hooks.drain(..) {
                // The commit is durable: what follows from it has to happen, or memory and store part ways.
                if std::panic::catch_unwind(AssertUnwindSafe(|| hook(*ts))).is_err() {
                    tracing::error!("a commit's follow-up failed; stopping so that memory is rebuilt from the store");
                    std::process::abort();
                }
            }
            if !prepared.garbage.is_empty() {
                self.counters.garbage.fetch_add(prepared.garbage.len() as u64, Ordering::Relaxed);
                self.garbage.lock().push_back((*ts, std::mem::take(&mut prepared.garbage)));
            }
        }
    }
}

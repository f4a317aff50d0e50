//! Linking what writers have entered, behind their backs.
//!
//! An entry is in its index as soon as it is written, and every search compares the ones that are not linked yet. Whoever
//! calls [`Tables::link_vectors`] links them; writers only help when it falls behind. While it keeps up it offers its processor to
//! others after each entry, for a session that is ready to go on would wait for a whole round otherwise.

use std::sync::Arc;

use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::hnsw::VectorIndex;
use crate::table::registry::Tables;
use crate::table::vector::state::WAITING_MAX;

/// Entries that are linked before others get their turn.
const BATCH: usize = 64;
/// Nodes of an index that are linked anew before what else there is to do for indexes gets its turn: about half a second's.
const RELINKED_AT_ONCE: usize = 8192;

/// Links some entries; whoever else is ready goes first while few wait.
fn link_batch(graph: &dyn VectorIndex) {
    for _ in 0..BATCH {
        if graph.link(1) == 0 {
            return;
        }
        if graph.waiting() < WAITING_MAX / 2 {
            std::thread::yield_now();
        }
    }
}

impl Tables {
    /// Links the entries of all vector indexes that wait, until none does or `stopped` says so.
    pub fn link_vectors(&self, threads: usize, stopped: &(dyn Fn() -> bool + Sync)) {
        self.bell.silence();
        loop {
            let states: Vec<_> = self.vectors.read().values().map(Arc::clone).collect();
            let graphs = states.iter().filter_map(|state| state.ready());
            let waiting: Vec<_> = graphs.filter(|graph| graph.waiting() > 0).collect();
            if waiting.is_empty() {
                return;
            }
            let work = &|| {
                for graph in &waiting {
                    if stopped() {
                        return;
                    }
                    link_batch(&**graph);
                }
            };
            // So many come from a start after a crash.
            let many = waiting.iter().any(|graph| graph.waiting() > 2 * WAITING_MAX);
            std::thread::scope(|scope| {
                (1..if many { threads } else { 1 }).for_each(|_| drop(scope.spawn(work)));
                work();
            });
            if stopped() {
                return;
            }
        }
    }

    /// Links nodes of all vector indexes anew that coarser codes linked, some thousand of each; whether there are more.
    ///
    /// # Errors
    /// A cancellation.
    pub fn relink_vectors(&self, cancel: &CancelFlag) -> Result<bool> {
        let states: Vec<_> = self.vectors.read().values().map(Arc::clone).collect();
        let mut more = false;
        for state in states {
            let mut relinked = 0;
            while relinked < RELINKED_AT_ONCE {
                let some = state.relink(BATCH, cancel)?;
                if some == 0 {
                    break;
                }
                relinked += some;
                std::thread::yield_now();
            }
            more |= relinked >= RELINKED_AT_ONCE;
        }
        Ok(more)
    }

    /// Waits until there is something to link, or [`Tables::wake_linker`] is called.
    pub fn await_linking(&self) {
        self.bell.wait();
    }

    /// Wakes who waits in [`Tables::await_linking`].
    pub fn wake_linker(&self) {
        self.bell.ring();
    }
}

//! Who waits for whom: the graph in which a wait that would close a cycle is found before it begins.
//!
//! Parties are numbers: transactions, and sessions that hold advisory locks. Each waits for at most one lock, which may have several holders.
//! The party whose wait closes a cycle is the victim; PostgreSQL finds it only after `deadlock_timeout`, so which one
//! that is may differ.

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::error;
use crate::error::{Error, Result};
use crate::txn::lock_view::LockTarget;

/// A wait that goes on.
struct Waiting {
    blockers: Vec<u64>,
    process: i32,
    on: LockTarget,
}

/// The waits-for graph.
#[derive(Default)]
pub(super) struct Waits {
    graph: Mutex<Graph>,
}

#[derive(Default)]
struct Graph {
    waiting: HashMap<u64, Waiting>,
    /// The transaction through which a session waits.
    waits_as: HashMap<u64, u64>,
}

impl Waits {
    /// Enters or replaces a wait.
    ///
    /// # Errors
    /// `40P01` when it closes a cycle; it is not entered then.
    pub(super) fn enter(
        &self,
        party: u64,
        session: Option<u64>,
        process: i32,
        blockers: Vec<u64>,
        on: LockTarget,
    ) -> Result<()> {
        let mut graph = self.graph.lock();
        if let Some(session) = session {
            graph.waits_as.insert(session, party);
        }
        graph.waiting.insert(party, Waiting { blockers, process, on });
        let mut path = vec![party];
        if graph.leads_back(party, party, &mut path) {
            let error = graph.deadlock(&path);
            graph.remove(party, session);
            return Err(error);
        }
        Ok(())
    }

    /// Ends a wait.
    pub(super) fn leave(&self, party: u64, session: Option<u64>) {
        self.graph.lock().remove(party, session);
    }

    /// The parties that a party waits for.
    pub(super) fn blockers(&self, party: u64) -> Vec<u64> {
        self.graph.lock().waiting.get(&party).map(|waiting| waiting.blockers.clone()).unwrap_or_default()
    }

    /// Everybody who waits: process, what for, the parties in the way.
    pub(super) fn all(&self) -> Vec<(i32, LockTarget, Vec<u64>)> {
        let graph = self.graph.lock();
        graph.waiting.values().map(|waiting| (waiting.process, waiting.on, waiting.blockers.clone())).collect()
    }
}

impl Graph {
    fn remove(&mut self, party: u64, session: Option<u64>) {
        self.waiting.remove(&party);
        if let Some(session) = session {
            self.waits_as.remove(&session);
        }
    }

    /// Depth-first from `at`; the path so far is in `path`, which on success is the cycle.
    fn leads_back(&self, goal: u64, at: u64, path: &mut Vec<u64>) -> bool {
        let Some(waiting) = self.waiting.get(&at) else { return false };
        for blocker in &waiting.blockers {
            let blocker = self.waits_as.get(blocker).copied().unwrap_or(*blocker);
            if blocker == goal {
                return true;
            }
            if path.contains(&blocker) {
                continue;
            }
            path.push(blocker);
            if self.leads_back(goal, blocker, path) {
                return true;
            }
            path.pop();
        }
        false
    }

    fn deadlock(&self, cycle: &[u64]) -> Error {
        let mut detail = String::new();
        for (at, party) in cycle.iter().enumerate() {
            let waiting = &self.waiting[party];
            let next = &self.waiting[&cycle[(at + 1) % cycle.len()]];
            let separator = if at > 0 { "\n" } else { "" };
            detail += &format!(
                "{separator}Process {} waits for {}; blocked by process {}.",
                waiting.process, waiting.on, next.process
            );
        }
        error!(DEADLOCK_DETECTED, "deadlock detected").detail(detail).hint("See server log for query details.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_closes_a_cycle_fails() {
        let waits = Waits::default();
        let enter = |party: u64, blockers: &[u64]| {
            waits.enter(party, None, party as i32, blockers.to_vec(), LockTarget::Transaction(blockers[0]))
        };
        enter(1, &[2]).unwrap();
        enter(2, &[5, 3]).unwrap();
        let error = enter(3, &[1]).unwrap_err();
        assert_eq!(error.sqlstate().as_str(), "40P01");
        let detail = error.report().detail.clone().unwrap();
        assert!(
            detail.starts_with("Process 3 waits for ShareLock on transaction 1; blocked by process 1.\n"),
            "{detail}"
        );
        waits.leave(2, None);
        enter(3, &[1]).unwrap();
    }

    #[test]
    fn a_session_waits_through_its_transaction() {
        let waits = Waits::default();
        let on = LockTarget::Transaction(7);
        waits.enter(1, Some(100), 1, vec![200], on).unwrap();
        assert!(waits.enter(2, Some(200), 2, vec![100], on).is_err());
    }
}

//! Index builds that are under way, for `pg_stat_progress_create_index`.
//!
//! Who builds enters the registry and keeps what it gets ([`Running`]) until the build has ended; dropping it takes the
//! build out again, also when it failed. Numbers are written by the builder's threads and read by others' queries without
//! a lock between them: they are a view of the moment and nothing depends on them.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::types::Oid;

/// All builds of a server.
#[derive(Default)]
pub struct Builds {
    running: Mutex<Vec<Arc<Build>>>,
}

/// One build.
pub struct Build {
    /// The process number of the session that builds.
    pub process: i32,
    /// Its database.
    pub database: Oid,
    /// The table.
    pub table: Oid,
    /// The index.
    pub index: Oid,
    /// `CREATE INDEX`, `REINDEX` and their forms with `CONCURRENTLY`.
    pub command: &'static str,
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
}

/// A build that stands in the registry for as long as this lives.
pub struct Running {
    builds: Arc<Builds>,
    build: Arc<Build>,
}

impl Builds {
    /// Enters a build, in the phase `initializing`.
    #[must_use]
    pub fn begin(self: &Arc<Self>, process: i32, database: Oid, place: (Oid, Oid), command: &'static str) -> Running {
        let (table, index) = place;
        let build = Arc::new(Build {
            process,
            database,
            table,
            index,
            command,
            phase: Mutex::new("initializing"),
            done: AtomicU64::new(0),
            total: AtomicU64::new(0),
        });
        self.running.lock().push(Arc::clone(&build));
        Running { builds: Arc::clone(self), build }
    }

    /// The builds of this moment, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Build>> {
        self.running.lock().clone()
    }
}

impl Build {
    /// Begins a phase, in PostgreSQL's and pgvector's words: `building index: loading tuples` and so on.
    pub fn enter(&self, phase: &'static str) {
        *self.phase.lock() = phase;
    }

    /// Says how many rows are done, of how many.
    pub fn tuples(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// The phase, the rows done and the rows there are.
    #[must_use]
    pub fn state(&self) -> (&'static str, u64, u64) {
        (*self.phase.lock(), self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

impl Deref for Running {
    type Target = Build;

    fn deref(&self) -> &Build {
        &self.build
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.builds.running.lock().retain(|build| !Arc::ptr_eq(build, &self.build));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_seen_until_it_is_dropped() {
        let builds = Arc::new(Builds::default());
        let first = builds.begin(7, Oid(5), (Oid(1), Oid(2)), "CREATE INDEX");
        let second = builds.begin(8, Oid(5), (Oid(1), Oid(3)), "REINDEX");
        first.enter("building index: loading tuples");
        first.tuples(10, 100);
        let seen = builds.all();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].state(), ("building index: loading tuples", 10, 100));
        assert_eq!(seen[1].state(), ("initializing", 0, 0));
        drop(first);
        assert_eq!(builds.all().iter().map(|build| build.index).collect::<Vec<_>>(), [Oid(3)]);
        drop(second);
        assert!(builds.all().is_empty());
    }
}

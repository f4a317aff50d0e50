//! Building behind the back of queries: a build whose index they do without lets them have the cores.
//!
//! While an index is built after a start its queries compare all rows, which takes all cores for seconds; a build that takes them
//! too makes the first query wait twice as long. So it pauses while such a query runs, if it has not
//! paused for longer than it has worked: queries that never end hold it up by half and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::clock;
use crate::table::registry::Tables;

/// How long a build pauses before it looks again.
const PAUSE: Duration = Duration::from_millis(5);
/// Pauses that a build may take though it has not worked as long: what the first queries need.
const CREDIT: Duration = Duration::from_secs(3);

/// A query that compares all rows, until it is dropped.
pub struct Comparing(Arc<AtomicUsize>);

impl Drop for Comparing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A build that makes way, of one or more threads.
pub struct Manners {
    begun: Instant,
    threads: u32,
    /// Microseconds that all threads together have paused.
    paused: AtomicU64,
}

impl Manners {
    /// A build that begins.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { begun: clock::monotonic(), threads: threads.max(1) as u32, paused: AtomicU64::new(0) }
    }

    /// Whether it may pause once more, after so long.
    fn may_pause(&self, elapsed: Duration) -> bool {
        let paused = Duration::from_micros(self.paused.load(Ordering::Relaxed)) / self.threads;
        paused < CREDIT + elapsed.saturating_sub(paused)
    }
}

impl Tables {
    /// Says that a query begins to compare all rows because its index is being built.
    #[must_use]
    pub fn compare_all(&self) -> Comparing {
        self.comparing.fetch_add(1, Ordering::Relaxed);
        Comparing(Arc::clone(&self.comparing))
    }

    /// Holds a thread of a build up while queries compare all rows.
    pub fn make_way(&self, build: &Manners) {
        while self.comparing.load(Ordering::Relaxed) > 0 && build.may_pause(build.begun.elapsed()) {
            std::thread::sleep(PAUSE);
            build.paused.fetch_add(PAUSE.as_micros() as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{CREDIT, Manners};
    use crate::table::Tables;

    #[test]
    fn builds_pause_for_queries_and_not_for_ever() {
        let (tables, build) = (Tables::new(1), Manners::new(2));
        let paused = || Duration::from_micros(build.paused.load(Ordering::Relaxed));
        tables.make_way(&build);
        assert_eq!(paused(), Duration::ZERO);
        std::thread::scope(|scope| {
            let query = tables.compare_all();
            let builder = scope.spawn(|| tables.make_way(&build));
            while paused() == Duration::ZERO {
                std::thread::yield_now();
            }
            drop(query);
            builder.join().expect("no panic");
        });
        // Two threads have paused as long as they may and as they have worked: five seconds of eight.
        build.paused.store(2 * (CREDIT + Duration::from_secs(2)).as_micros() as u64, Ordering::Relaxed);
        assert!(!build.may_pause(CREDIT + Duration::from_secs(4)));
        assert!(build.may_pause(CREDIT + Duration::from_secs(5)));
    }
}

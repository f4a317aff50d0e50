//! Work in parts on several threads.
//!
//! Parts are taken one after the other by whoever is free, so that they need not be equally long; the first failure ends it
//! all. Not for queries, whose operators have their own way (`executor`), but for what is done at once: loading an index,
//! building one, counting a table.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

/// Does parts `0..parts` of some work on up to `threads` threads, the calling one among them.
///
/// # Errors
/// One of those of `work`; some parts are not done then.
///
/// # Panics
/// When `work` does.
pub fn side_by_side(threads: usize, parts: usize, work: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
    let next = AtomicUsize::new(0);
    let some = || -> Result<()> {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= parts {
                return Ok(());
            }
            work(part).inspect_err(|_| next.store(parts, Ordering::Relaxed))?;
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(parts)).map(|_| scope.spawn(some)).collect();
        let own = some();
        others.into_iter().map(|other| other.join().expect("no panic")).fold(own, Result::and)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::side_by_side;

    #[test]
    fn every_part_is_done_once_and_a_failure_ends_it() {
        for (threads, parts) in [(0, 3), (1, 5), (3, 2), (4, 100), (2, 0)] {
            let done: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
            let count = |part: usize| {
                done[part].fetch_add(1, Ordering::Relaxed);
                Ok(())
            };
            side_by_side(threads, parts, &count).expect("nothing fails");
            assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} threads, {parts} parts");
        }
        let fail = |part: usize| if part == 3 { Err(crate::error!(IO_ERROR, "no")) } else { Ok(()) };
        for threads in [1, 3] {
            assert!(side_by_side(threads, 50, &fail).is_err());
        }
    }
}

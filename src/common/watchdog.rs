//! Raises cancel flags when their time is up: `statement_timeout` and `transaction_timeout`.
//!
//! One thread sleeps until the earliest deadline. Arming and disarming are a short lock and a binary heap's push; nothing
//! is done at all for statements without a timeout. A deadline that was disarmed is skipped when its time comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::common::{CancelFlag, CancelReason, clock};

/// Deadlines that may pile up before disarmed ones are swept out.
const SWEEP_MIN: usize = 1024;

struct Deadline {
    at: Instant,
    sequence: u64,
    flag: CancelFlag,
    reason: CancelReason,
    disarmed: Arc<AtomicBool>,
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

#[derive(Default)]
struct State {
    deadlines: BinaryHeap<Reverse<Deadline>>,
    sequence: u64,
    /// The number of deadlines at which disarmed ones are swept out.
    sweep_at: usize,
    started: bool,
    stopped: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Watches deadlines; its thread starts with the first one and ends when the watchdog is dropped.
#[derive(Default)]
pub struct Watchdog(Arc<Shared>);

/// An armed deadline; dropping it disarms it. The flag may have been raised just before.
#[must_use = "a deadline is disarmed when this is dropped"]
pub struct Armed(Arc<AtomicBool>);

impl Drop for Armed {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Watchdog {
    /// A watchdog without deadlines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises `flag` after `delay` unless the result is dropped before.
    pub fn arm(&self, flag: &CancelFlag, reason: CancelReason, delay: Duration) -> Armed {
        let disarmed = Arc::new(AtomicBool::new(false));
        let at = clock::monotonic() + delay;
        let mut state = self.0.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        if state.deadlines.len() >= state.sweep_at {
            state.deadlines.retain(|deadline| !deadline.0.disarmed.load(Ordering::Relaxed));
            state.sweep_at = (state.deadlines.len() * 2).max(SWEEP_MIN);
        }
        let earliest = state.deadlines.peek().is_none_or(|next| at < next.0.at);
        state.deadlines.push(Reverse(Deadline {
            at,
            sequence,
            flag: flag.clone(),
            reason,
            disarmed: Arc::clone(&disarmed),
        }));
        if !std::mem::replace(&mut state.started, true) {
            let shared = Arc::clone(&self.0);
            std::thread::Builder::new()
                .name("watchdog".to_owned())
                .spawn(move || run(&shared))
                .expect("the operating system gives one more thread");
        } else if earliest {
            self.0.changed.notify_one();
        }
        Armed(disarmed)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.state.lock().stopped = true;
        self.0.changed.notify_one();
    }
}

fn run(shared: &Shared) {
    let mut state = shared.state.lock();
    while !state.stopped {
        let Some(at) = state.deadlines.peek().map(|next| next.0.at) else {
            shared.changed.wait(&mut state);
            continue;
        };
        if clock::monotonic() < at {
            shared.changed.wait_until(&mut state, at);
            continue;
        }
        if let Some(Reverse(due)) = state.deadlines.pop()
            && !due.disarmed.load(Ordering::Acquire)
        {
            due.flag.raise(due.reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Watchdog;
    use crate::common::{CancelFlag, CancelReason};

    #[test]
    fn raises_what_is_still_armed() {
        let watchdog = Watchdog::new();
        let (late, soon, gone) = (CancelFlag::new(), CancelFlag::new(), CancelFlag::new());
        let _late = watchdog.arm(&late, CancelReason::StatementTimeout, Duration::from_secs(3600));
        drop(watchdog.arm(&gone, CancelReason::StatementTimeout, Duration::from_millis(1)));
        let _soon = watchdog.arm(&soon, CancelReason::StatementTimeout, Duration::from_millis(5));
        while !soon.is_raised() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!gone.is_raised() && !late.is_raised());
    }
}

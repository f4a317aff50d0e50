//! Snapshots: what "now" is, who still looks at which past.
//!
//! A snapshot is one number: it sees the commits up to it. Commits become visible in the order of their timestamps by
//! raising `visible`, under the same lock under which snapshots are taken, so a snapshot is registered before
//! garbage collection can look for the oldest one. A [`View`] is a snapshot and a command: it keeps its snapshot registered for as long
//! as it lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::txn::serializable::History;

/// All snapshots of a store.
#[derive(Default)]
pub(super) struct Snapshots {
    visible: AtomicU64,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    live: BTreeMap<u64, usize>,
    /// Those of them that belong to serializable transactions.
    serializable: BTreeMap<u64, usize>,
    history: History,
}

/// Keeps a snapshot registered.
pub struct Snapshot {
    ts: u64,
    serializable: bool,
    home: Arc<Snapshots>,
}

/// What a reader sees: the commits of its snapshot, and its own transaction's commands before `command`.
#[derive(Clone)]
pub struct View {
    snapshot: Arc<Snapshot>,
    command: u32,
}

impl View {
    pub(super) fn new(snapshot: Arc<Snapshot>, command: u32) -> Self {
        Self { snapshot, command }
    }

    /// The newest commit that it sees.
    #[must_use]
    pub fn ts(&self) -> u64 {
        self.snapshot.ts
    }

    /// The first command of its own transaction that it does not see.
    #[must_use]
    pub fn command(&self) -> u32 {
        self.command
    }
}

impl Snapshot {
    /// The newest commit that it sees.
    #[must_use]
    pub fn ts(&self) -> u64 {
        self.ts
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut registry = self.home.registry.lock();
        release(&mut registry.live, self.ts);
        if self.serializable {
            release(&mut registry.serializable, self.ts);
            let oldest = registry.serializable.first_key_value().map(|(ts, _)| *ts);
            registry.history.trim(oldest);
        }
    }
}

fn release(counts: &mut BTreeMap<u64, usize>, ts: u64) {
    let count = counts.get_mut(&ts).expect("a snapshot is registered");
    *count -= 1;
    if *count == 0 {
        counts.remove(&ts);
    }
}

impl Snapshots {
    pub(super) fn new(visible: u64) -> Self {
        Self { visible: AtomicU64::new(visible), registry: Mutex::default() }
    }

    /// The newest commit that new snapshots see.
    pub(super) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// A snapshot of now.
    pub(super) fn take(self: &Arc<Self>, serializable: bool) -> Snapshot {
        let mut registry = self.registry.lock();
        let ts = self.visible();
        *registry.live.entry(ts).or_default() += 1;
        if serializable {
            *registry.serializable.entry(ts).or_default() += 1;
        }
        Snapshot { ts, serializable, home: Arc::clone(self) }
    }

    /// The oldest snapshot in use; what is older than it is not needed.
    pub(super) fn oldest(&self) -> u64 {
        let registry = self.registry.lock();
        registry.live.first_key_value().map_or_else(|| self.visible(), |(ts, _)| *ts)
    }

    /// Makes commits up to `ts` visible. `record` is told, under the lock, whether serializable transactions run, and
    /// enters what they may conflict with.
    pub(super) fn publish(&self, ts: u64, record: impl FnOnce(Option<&mut History>)) {
        let mut registry = self.registry.lock();
        let watched = !registry.serializable.is_empty();
        record(watched.then_some(&mut registry.history));
        self.visible.store(ts, Ordering::Release);
    }

    /// Runs `with` while nothing becomes visible, with the newest visible timestamp.
    pub(super) fn frozen<R>(&self, with: impl FnOnce(u64) -> R) -> R {
        let _registry = self.registry.lock();
        with(self.visible())
    }

    /// Looks at what was committed while serializable transactions ran.
    pub(super) fn with_history<R>(&self, with: impl FnOnce(&History) -> R) -> R {
        with(&self.registry.lock().history)
    }
}

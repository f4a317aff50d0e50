//! The thread that collects garbage while the server runs.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::txn::manager::TxnManager;

/// Collects at an interval until it is dropped.
pub struct Collector {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts the thread; a collection that fails is logged and tried again.
    ///
    /// # Panics
    /// When the operating system gives no thread.
    #[must_use]
    pub fn start(manager: &Arc<TxnManager>, every: Duration) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (manager, signal) = (Arc::clone(manager), Arc::clone(&stop));
        let run = move || {
            let mut stopped = signal.0.lock();
            while !*stopped {
                signal.1.wait_for(&mut stopped, every);
                if *stopped {
                    break;
                }
                // Whoever stops it does not wait for a collection to be over before saying so.
                parking_lot::MutexGuard::unlocked(&mut stopped, || {
                    if let Err(error) = manager.collect_garbage() {
                        tracing::warn!(%error, "could not collect old row versions");
                    }
                });
            }
        };
        let thread = thread::Builder::new().name("collector".to_owned()).spawn(run).expect("a thread can be started");
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the collector of old row versions had stopped");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Collector;
    use crate::catalog::descriptor::StorageId;
    use crate::storage::MemoryKv;
    use crate::txn::{Isolation, RowStore, TxnManager, TxnOptions};

    #[test]
    fn it_collects_and_stops() {
        let manager = TxnManager::open(std::sync::Arc::new(MemoryKv::new()), TxnOptions::default()).unwrap();
        let collector = Collector::start(&manager, Duration::from_millis(1));
        for values in [b"a", b"b"] {
            let txn = manager.begin(Isolation::ReadCommitted, false);
            txn.begin_statement();
            match values {
                b"a" => txn.insert(StorageId(1), 1, values).unwrap(),
                _ => txn.update(StorageId(1), 1, values).unwrap(),
            }
            txn.commit().unwrap();
        }
        while manager.stats().collected < 1 {
            std::thread::yield_now();
        }
        drop(collector);
        assert_eq!(manager.stats().garbage, 0);
    }
}

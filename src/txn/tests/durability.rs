//! What a power failure would leave: every acknowledged commit, everything that a new snapshot sees, and no value of a sequence to be
//! given out again, while syncs run side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};

use super::{T, begin, commit_rows, open, read, rows, update};
use crate::error::Result;
use crate::storage::keyspace::{row_key, sequence_key};
use crate::storage::{Cf, Kv, MemoryKv, Op, Visit, WriteBatch};
use crate::txn::{Isolation, RowStore, SequenceSpec, TxnManager};
use crate::types::Oid;

/// A store in memory that knows which of its batches a power failure would leave.
#[derive(Default)]
struct Disk {
    kv: MemoryKv,
    log: Mutex<Log>,
    /// Batches that are safe: a prefix of all.
    durable: AtomicUsize,
    gate: Mutex<Gate>,
    changed: Condvar,
    /// Makes syncs take times of their own.
    syncs: AtomicUsize,
    uneven: bool,
}

#[derive(Default)]
struct Log {
    batches: usize,
    /// The last batch that set a key.
    places: HashMap<(Cf, Vec<u8>), usize>,
}

/// Syncs that are to be held up, and those that are.
#[derive(Default)]
struct Gate {
    hold: usize,
    held: usize,
}

impl Disk {
    fn is_durable(&self, cf: Cf, key: &[u8]) -> bool {
        let place = self.log.lock().places.get(&(cf, key.to_vec())).copied();
        place.is_some_and(|place| place <= self.durable.load(Ordering::SeqCst))
    }

    fn has_row(&self, row: u32) -> bool {
        self.is_durable(Cf::Rows, &row_key(T.0, row))
    }

    /// Until what it returns is dropped.
    fn hold_next_sync(&self) -> Held<'_> {
        self.gate.lock().hold = 1;
        Held(self)
    }
}

/// A sync that does not go on.
struct Held<'a>(&'a Disk);

impl Held<'_> {
    fn wait(&self) {
        let mut gate = self.0.gate.lock();
        while gate.held == 0 {
            self.0.changed.wait(&mut gate);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.0.gate.lock() = Gate::default();
        self.0.changed.notify_all();
    }
}

impl Kv for Disk {
    reads_of!(kv);

    fn write(&self, batch: WriteBatch) {
        let mut log = self.log.lock();
        log.batches += 1;
        let place = log.batches;
        for op in batch.ops() {
            if let Op::Put(cf, key, _) = op {
                log.places.insert((cf, key.to_vec()), place);
            }
        }
        self.kv.write(batch);
    }

    fn sync(&self) {
        let batches = self.log.lock().batches;
        {
            let mut gate = self.gate.lock();
            if gate.hold > 0 {
                (gate.hold, gate.held) = (gate.hold - 1, gate.held + 1);
                self.changed.notify_all();
                while gate.held > 0 {
                    self.changed.wait(&mut gate);
                }
            }
        }
        if self.uneven {
            let count = self.syncs.fetch_add(1, Ordering::Relaxed) as u64;
            thread::sleep(Duration::from_micros(count.wrapping_mul(0x9e37_79b9) % 7 * 60));
        }
        self.durable.fetch_max(batches, Ordering::SeqCst);
    }
}

fn disk(uneven: bool) -> (Arc<Disk>, Arc<TxnManager>) {
    let disk = Arc::new(Disk { uneven, ..Disk::default() });
    let kv: Arc<dyn Kv> = Arc::clone(&disk) as _;
    (disk, open(&kv, 1 << 20))
}

#[test]
fn whatever_is_acknowledged_or_visible_is_durable() {
    const THREADS: u32 = 6;
    const ROWS: u32 = 120;
    let (disk, manager) = disk(true);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (disk, manager) = (&disk, &manager);
                scope.spawn(move || {
                    for row in (thread * 1000 + 1..).take(ROWS as usize) {
                        let txn = begin(manager, Isolation::ReadCommitted);
                        // Every fifth does not wait for the disk; those have odd values.
                        let lazy = row % 5 == 0;
                        txn.set_synchronous(!lazy);
                        txn.insert(T, row, &[u8::from(lazy)]).unwrap();
                        txn.commit().unwrap();
                        assert!(lazy || disk.has_row(row), "row {row} was acknowledged");
                        let now = begin(manager, Isolation::ReadCommitted);
                        assert!(read(&now, row).is_some(), "row {row} is not visible to its own session");
                    }
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            let seen = rows(&begin(&manager, Isolation::ReadCommitted));
            for (row, values) in seen {
                assert!(values == [1] || disk.has_row(row), "row {row} is visible");
            }
        }
    });
    assert_eq!(rows(&begin(&manager, Isolation::ReadCommitted)).len(), (THREADS * ROWS) as usize);
    let stats = manager.stats();
    assert!(stats.groups < stats.commits, "{} groups of {} commits", stats.groups, stats.commits);
}

#[test]
fn a_later_sync_publishes_what_was_written_before_it() {
    let (disk, manager) = disk(false);
    thread::scope(|scope| {
        let held = disk.hold_next_sync();
        let first = scope.spawn(|| commit_rows(&manager, &[(1, b"a")]));
        held.wait();
        assert_eq!(read(&begin(&manager, Isolation::ReadCommitted), 1), None);
        // This one waits for its place in line, not for the disk.
        let lazy = scope.spawn(|| {
            let txn = begin(&manager, Isolation::ReadCommitted);
            txn.set_synchronous(false);
            txn.insert(T, 2, b"b").unwrap();
            txn.commit().unwrap();
        });
        while manager.stats().groups < 2 {
            thread::yield_now();
        }
        assert_eq!(rows(&begin(&manager, Isolation::ReadCommitted)), []);
        commit_rows(&manager, &[(3, b"c")]);
        assert!(disk.has_row(1) && disk.has_row(2) && disk.has_row(3));
        lazy.join().unwrap();
        assert!(!first.is_finished());
        assert_eq!(rows(&begin(&manager, Isolation::ReadCommitted)).len(), 3);
        drop(held);
    });
}

#[test]
fn serializable_transactions_conflict_with_what_is_in_line() {
    let (disk, manager) = disk(false);
    commit_rows(&manager, &[(1, b"on"), (2, b"on")]);
    let [one, two] = [1, 2].map(|row| {
        let txn = begin(&manager, Isolation::Serializable);
        assert_eq!((read(&txn, 1).is_some(), read(&txn, 2).is_some()), (true, true));
        update(&txn, row, b"off").unwrap();
        txn
    });
    thread::scope(|scope| {
        let held = disk.hold_next_sync();
        let first = scope.spawn(|| one.commit());
        held.wait();
        assert_eq!(two.commit().unwrap_err().sqlstate().as_str(), "40001");
        drop(held);
        first.join().unwrap().unwrap();
    });
    let now = begin(&manager, Isolation::ReadCommitted);
    assert_eq!((read(&now, 1), read(&now, 2)), (Some(b"off".to_vec()), Some(b"on".to_vec())));
}

#[test]
fn a_sequence_value_is_shown_when_it_is_durable_whoever_syncs() {
    let (disk, manager) = disk(false);
    let spec = SequenceSpec { name: "s", start: 1, increment: 1, min: 1, max: 1000, cycle: false, cache: 1 };
    let (one, two) = (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::ReadCommitted));
    manager.sequence_next(Oid(9), &spec).unwrap();
    one.insert(T, 1, b"a").unwrap();
    thread::scope(|scope| {
        let held = disk.hold_next_sync();
        scope.spawn(|| one.commit().unwrap());
        held.wait();
        manager.sequence_next(Oid(9), &spec).unwrap();
        two.commit().unwrap();
        assert!(disk.is_durable(Cf::Default, &sequence_key(9)));
        drop(held);
    });
}

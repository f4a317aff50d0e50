//! Stopping without warning and opening the store again.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::{T, begin, commit_rows, memory, open, rows, update};
use crate::catalog::descriptor::StorageId;
use crate::storage::{Cf, Kv, RocksKv, RocksOptions, keyspace};
use crate::txn::{Isolation, RowStore};

/// Copies a directory as it is, as a power cut would leave it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() != "LOCK" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_copy_of_the_directory_under_load_has_every_acknowledged_commit_and_no_half() {
    let dir = tempfile::tempdir().unwrap();
    let rocks = |name: &str| -> Arc<dyn Kv> {
        Arc::new(RocksKv::open(&dir.path().join(name), &RocksOptions::default()).unwrap())
    };
    let manager = open(&rocks("live"), 2000);
    let (acknowledged, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            // Each transaction writes three rows, some of them ahead of the commit, and changes the first row ever.
            for number in 0_u32.. {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let txn = begin(&manager, Isolation::ReadCommitted);
                let body = [number as u8; 1000];
                (1..=3).for_each(|row| txn.insert(T, 3 * number + row, &body).unwrap());
                if number > 0 {
                    update(&txn, 1, &number.to_le_bytes()).unwrap();
                }
                txn.commit().unwrap();
                acknowledged.store(number + 1, Ordering::Release);
            }
        });
        for round in 0..5 {
            while acknowledged.load(Ordering::Acquire) < 20 * (round + 1) {
                thread::yield_now();
            }
            let before = acknowledged.load(Ordering::Acquire);
            let name = format!("copy{round}");
            copy(&dir.path().join("live"), &dir.path().join(&name));
            let recovered = open(&rocks(&name), 2000);
            let found = rows(&begin(&recovered, Isolation::ReadCommitted));
            let count = u32::try_from(found.len()).unwrap();
            assert!(count.is_multiple_of(3) && count / 3 >= before, "{count} rows, {before} commits acknowledged");
            assert_eq!(found[0], (1, (count / 3 - 1).to_le_bytes().to_vec()));
        }
        stop.store(true, Ordering::Release);
    });
}

/// How many keys a family has.
fn keys(kv: &dyn crate::storage::Kv, cf: Cf) -> usize {
    let mut count = 0;
    kv.scan(cf, &[], &[255; 20], &mut |_, _| {
        count += 1;
        Ok(true)
    })
    .unwrap();
    count
}

#[test]
fn committed_rows_are_there_and_nothing_else() {
    let kv = memory();
    let manager = open(&kv, 1 << 20);
    commit_rows(&manager, &[(1, b"a"), (2, b"b"), (3, b"c")]);
    let reader = begin(&manager, Isolation::RepeatableRead);
    let txn = begin(&manager, Isolation::ReadCommitted);
    update(&txn, 1, b"a2").unwrap();
    super::try_lock(&txn, 2, crate::txn::Wait::Block).unwrap();
    txn.delete(T, 2).unwrap();
    txn.commit().unwrap();
    let open_txn = begin(&manager, Isolation::ReadCommitted);
    update(&open_txn, 3, b"lost").unwrap();
    open_txn.insert(T, 4, b"lost").unwrap();
    let ts = manager.visible_ts();
    std::mem::forget((reader, open_txn));
    let manager = open(&kv, 1 << 20);
    assert!(manager.visible_ts() >= ts);
    let txn = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(rows(&txn), [(1, b"a2".to_vec()), (3, b"c".to_vec())]);
    assert_eq!((keys(&*kv, Cf::Versions), keys(&*kv, Cf::Rows)), (0, 2));
}

#[test]
fn rows_written_ahead_appear_with_the_commit_or_vanish() {
    let kv = memory();
    let manager = open(&kv, 1000);
    let values = [7; 100];
    let txn = begin(&manager, Isolation::ReadCommitted);
    (1..=50).for_each(|row| txn.insert(T, row, &values).unwrap());
    assert!(keys(&*kv, Cf::Rows) > 30, "most rows are in the store");
    txn.next_command();
    update(&txn, 1, b"new").unwrap();
    super::try_lock(&txn, 2, crate::txn::Wait::Block).unwrap();
    txn.delete(T, 2).unwrap();
    let savepoint = txn.savepoint();
    (51..=80).for_each(|row| txn.insert(T, row, &values).unwrap());
    txn.rollback_to(savepoint);
    txn.next_command();
    assert_eq!(rows(&txn).len(), 49);
    let reader = begin(&manager, Isolation::RepeatableRead);
    assert!(rows(&reader).is_empty());
    txn.commit().unwrap();
    assert!(rows(&reader).is_empty());
    let fresh = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(rows(&fresh).len(), 49);
    assert_eq!(rows(&fresh)[0], (1, b"new".to_vec()));
    assert_eq!(fresh.count(T).unwrap(), 49);
    let lost = begin(&manager, Isolation::ReadCommitted);
    (100..=150).for_each(|row| lost.insert(T, row, &values).unwrap());
    std::mem::forget((lost, reader));
    for reopened in 0..2 {
        let manager = open(&kv, 1000);
        let txn = begin(&manager, Isolation::ReadCommitted);
        assert_eq!(rows(&txn).len(), 49, "reopened {reopened} times");
        assert_eq!(keys(&*kv, Cf::Rows), 49);
        let mut records = 0;
        kv.scan(Cf::Default, b"P", &keyspace::tag_end(b'P'), &mut |_, _| {
            records += 1;
            Ok(true)
        })
        .unwrap();
        assert_eq!(records, 0);
    }
}

#[test]
fn rows_written_ahead_are_rewritten_in_the_background() {
    let kv = memory();
    let manager = open(&kv, 1000);
    let txn = begin(&manager, Isolation::ReadCommitted);
    (1..=3000).for_each(|row| txn.insert(T, row, &[1; 50]).unwrap());
    txn.commit().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    update(&txn, 5, b"later").unwrap();
    txn.commit().unwrap();
    let old = begin(&manager, Isolation::RepeatableRead);
    manager.collect_garbage().unwrap();
    for txn in [old, begin(&manager, Isolation::ReadCommitted)] {
        let rows = rows(&txn);
        assert_eq!((rows.len(), rows[4].clone()), (3000, (5, b"later".to_vec())));
    }
}

#[test]
fn rolled_back_rows_written_ahead_are_gone() {
    let kv = memory();
    let manager = open(&kv, 1000);
    let txn = begin(&manager, Isolation::ReadCommitted);
    (1..=50).for_each(|row| txn.insert(T, row, &[7; 100]).unwrap());
    txn.rollback();
    assert_eq!(keys(&*kv, Cf::Rows), 0);
}

#[test]
fn a_dropped_storage_goes_when_no_snapshot_needs_it_or_at_the_next_start() {
    for collected in [true, false] {
        let kv = memory();
        let manager = open(&kv, 1 << 20);
        commit_rows(&manager, &[(1, b"a"), (2, b"b")]);
        let txn = begin(&manager, Isolation::ReadCommitted);
        txn.put_entry(StorageId(8), b"k", 1).unwrap();
        txn.commit().unwrap();
        let reader = begin(&manager, Isolation::RepeatableRead);
        let txn = begin(&manager, Isolation::ReadCommitted);
        txn.delete_storage(T);
        txn.delete_storage(StorageId(8));
        txn.commit().unwrap();
        manager.collect_garbage().unwrap();
        assert_eq!(rows(&reader).len(), 2);
        reader.commit().unwrap();
        if collected {
            manager.collect_garbage().unwrap();
        } else {
            drop(open(&kv, 1 << 20));
        }
        assert_eq!(keys(&*kv, Cf::Rows), 0);
    }
}

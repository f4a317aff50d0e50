//! What each isolation level promises, savepoints, hooks, cursors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{T, begin, commit_rows, manager, read, rows, update};
use crate::storage::Cf;
use crate::txn::{Isolation, Locked, RowStore};

#[test]
fn read_committed_sees_each_commit_and_repeatable_read_none() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a")]);
    let (committed, repeatable) =
        (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::RepeatableRead));
    let writer = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(update(&writer, 1, b"b").unwrap(), Locked::Same);
    assert_eq!(read(&committed, 1), Some(b"a".to_vec()));
    writer.commit().unwrap();
    assert_eq!(read(&committed, 1), Some(b"a".to_vec()), "the statement goes on");
    committed.begin_statement();
    repeatable.begin_statement();
    assert_eq!((read(&committed, 1), read(&repeatable, 1)), (Some(b"b".to_vec()), Some(b"a".to_vec())));
    let error = update(&repeatable, 1, b"c").unwrap_err();
    assert_eq!(error.report().message, "could not serialize access due to concurrent update");
    repeatable.rollback();
    committed.begin_statement();
    assert_eq!(update(&committed, 1, b"c").unwrap(), Locked::Same);
}

#[test]
fn serializable_refuses_write_skew_and_lets_readers_go() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"x"), (2, b"y")]);
    let (one, two, reader) = (
        begin(&manager, Isolation::Serializable),
        begin(&manager, Isolation::Serializable),
        begin(&manager, Isolation::Serializable),
    );
    for txn in [&one, &two, &reader] {
        assert_eq!(rows(txn).len(), 2);
    }
    update(&one, 1, b"p").unwrap();
    update(&two, 2, b"q").unwrap();
    one.commit().unwrap();
    assert_eq!(two.commit().unwrap_err().sqlstate().as_str(), "40001");
    reader.commit().unwrap();
    let again = begin(&manager, Isolation::Serializable);
    assert_eq!(rows(&again), [(1, b"p".to_vec()), (2, b"y".to_vec())]);
    // Reads of other rows do not matter.
    let other = begin(&manager, Isolation::Serializable);
    read(&again, 1);
    read(&other, 2);
    update(&other, 2, b"r").unwrap();
    other.commit().unwrap();
}

#[test]
fn an_index_range_that_was_read_conflicts_with_an_entry_put_into_it() {
    let manager = manager();
    let index = crate::catalog::descriptor::StorageId(8);
    let outcomes = [(b"b", false), (b"z", true)].map(|(key, fine)| {
        let (reader, writer) = (begin(&manager, Isolation::Serializable), begin(&manager, Isolation::Serializable));
        reader.scan_entries(index, b"a", Some(b"c"), false, &mut |_, _| Ok(true)).unwrap();
        reader.put_entry(index, b"y", 5).unwrap();
        writer.put_entry(index, key, 6).unwrap();
        writer.commit().unwrap();
        reader.commit().is_ok() == fine
    });
    assert_eq!(outcomes, [true, true]);
}

#[test]
fn a_command_does_not_see_its_own_writes_and_a_view_keeps_what_it_saw() {
    let manager = manager();
    let txn = begin(&manager, Isolation::ReadCommitted);
    txn.insert(T, 1, b"a").unwrap();
    assert_eq!(read(&txn, 1), None);
    txn.next_command();
    assert_eq!(read(&txn, 1), Some(b"a".to_vec()));
    let cursor = txn.view();
    txn.next_command();
    update(&txn, 1, b"b").unwrap();
    assert_eq!(update(&txn, 1, b"bb").unwrap(), Locked::Touched);
    txn.next_command();
    txn.insert(T, 2, b"c").unwrap();
    assert_eq!(read(&txn, 1), Some(b"b".to_vec()));
    let mut seen = Vec::new();
    txn.scan_at(&cursor, T, 1..10, &mut |row, _, values| {
        seen.push((row, values.to_vec()));
        Ok(true)
    })
    .unwrap();
    assert_eq!(seen, [(1, b"a".to_vec())]);
}

#[test]
fn a_view_outlives_its_statement_and_keeps_versions() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a")]);
    let txn = begin(&manager, Isolation::ReadCommitted);
    let cursor = txn.view();
    for value in [b"b", b"c"] {
        let writer = begin(&manager, Isolation::ReadCommitted);
        update(&writer, 1, value).unwrap();
        writer.commit().unwrap();
    }
    txn.begin_statement();
    manager.collect_garbage().unwrap();
    let mut seen = Vec::new();
    txn.get_at(&cursor, T, 1, &mut |_, values| {
        seen.extend_from_slice(values);
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, b"a");
    drop(cursor);
    txn.begin_statement();
    assert_eq!(manager.collect_garbage().unwrap(), 2);
    let mut versions = 0;
    manager
        .kv()
        .scan(Cf::Versions, &[], &[255; 20], &mut |_, _| {
            versions += 1;
            Ok(true)
        })
        .unwrap();
    assert_eq!((versions, manager.stats().garbage), (0, 0));
}

#[test]
fn savepoints_take_back_rows_entries_hooks_and_locks() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a"), (2, b"b")]);
    let index = crate::catalog::descriptor::StorageId(8);
    let undone = Arc::new(AtomicU64::new(0));
    let txn = begin(&manager, Isolation::ReadCommitted);
    update(&txn, 1, b"a1").unwrap();
    let savepoint = txn.savepoint();
    txn.next_command();
    update(&txn, 1, b"a2").unwrap();
    update(&txn, 2, b"b2").unwrap();
    txn.put_entry(index, b"k", 1).unwrap();
    txn.put_meta(Cf::Default, b"Ckey".to_vec(), Some(b"v".to_vec()));
    let counter = Arc::clone(&undone);
    txn.on_rollback(Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    txn.on_commit(Box::new(|_| panic!("taken back")));
    txn.rollback_to(savepoint);
    assert_eq!(undone.load(Ordering::Relaxed), 1);
    let other = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(super::try_lock(&other, 2, crate::txn::Wait::Skip).unwrap(), Locked::Same);
    assert_eq!(super::try_lock(&other, 1, crate::txn::Wait::Skip).unwrap(), Locked::Skipped);
    txn.next_command();
    assert_eq!(read(&txn, 1), Some(b"a1".to_vec()));
    txn.commit().unwrap();
    other.begin_statement();
    assert_eq!(rows(&other), [(1, b"a1".to_vec()), (2, b"b".to_vec())]);
    other.scan_entries(index, &[], None, false, &mut |_, _| panic!("no entries")).unwrap();
    assert_eq!(manager.kv().get(Cf::Default, b"Ckey").unwrap(), None);
}

#[test]
fn hooks_run_in_commit_order_before_the_commit_is_visible() {
    let manager = manager();
    let seen = Arc::new(Mutex::new(Vec::new()));
    for row in 1..=3 {
        let txn = begin(&manager, Isolation::ReadCommitted);
        txn.insert(T, row, b"x").unwrap();
        txn.put_meta(Cf::Users, vec![row as u8], Some(vec![1]));
        let (seen, observer) = (Arc::clone(&seen), Arc::clone(&manager));
        txn.on_commit(Box::new(move |ts| seen.lock().push((ts, observer.visible_ts()))));
        txn.commit().unwrap();
    }
    assert_eq!(*seen.lock(), [(1, 0), (2, 1), (3, 2)]);
    assert_eq!(manager.kv().get(Cf::Users, &[2]).unwrap(), Some(vec![1]));
}

#[test]
fn entries_come_in_order_from_both_places_and_retired_ones_go() {
    let manager = manager();
    let index = crate::catalog::descriptor::StorageId(8);
    let collect = |txn: &crate::txn::Transaction, backward: bool| {
        let mut keys = Vec::new();
        txn.scan_entries(index, b"b", Some(b"y"), backward, &mut |key, row| {
            keys.push((key.to_vec(), row));
            Ok(true)
        })
        .unwrap();
        keys
    };
    let txn = begin(&manager, Isolation::ReadCommitted);
    for (key, row) in [(b"c", 1), (b"e", 2), (b"a", 3)] {
        txn.put_entry(index, key, row).unwrap();
    }
    txn.commit().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    for (key, row) in [(b"d", 4), (b"e", 5), (b"e", 2), (b"z", 6)] {
        txn.put_entry(index, key, row).unwrap();
    }
    let mut expected = vec![(b"c".to_vec(), 1), (b"d".to_vec(), 4), (b"e".to_vec(), 2), (b"e".to_vec(), 5)];
    assert_eq!(collect(&txn, false), expected);
    expected.reverse();
    assert_eq!(collect(&txn, true), expected);
    txn.retire_entry(index, b"c", 1).unwrap();
    txn.commit().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    txn.retire_entry(index, b"d", 4).unwrap();
    txn.commit().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    txn.put_entry(index, b"d", 4).unwrap();
    txn.commit().unwrap();
    manager.collect_garbage().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(collect(&txn, false), [(b"d".to_vec(), 4), (b"e".to_vec(), 2), (b"e".to_vec(), 5)]);
}

#[test]
fn many_own_entries_are_merged_chunk_by_chunk() {
    let manager = manager();
    let index = crate::catalog::descriptor::StorageId(8);
    let key = |number: u32| number.to_be_bytes();
    let txn = begin(&manager, Isolation::ReadCommitted);
    (0..5000).step_by(2).for_each(|number| txn.put_entry(index, &key(number), 1).unwrap());
    txn.commit().unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    (0..5000).filter(|number| number % 2 == 1).for_each(|number| txn.put_entry(index, &key(number), 1).unwrap());
    for backward in [false, true] {
        let mut found = Vec::new();
        txn.scan_entries(index, &key(10), None, backward, &mut |bytes, _| {
            found.push(u32::from_be_bytes(bytes.try_into().unwrap()));
            Ok(true)
        })
        .unwrap();
        let mut expected: Vec<u32> = (10..5000).collect();
        if backward {
            expected.reverse();
        }
        assert!(found == expected, "backward: {backward}");
    }
}

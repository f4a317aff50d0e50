//! Threads against each other: waiting, deadlocks, timeouts, lost updates, group commit.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{T, begin, commit_rows, manager, read, rows, try_lock, update};
use crate::common::{CancelFlag, CancelReason};
use crate::txn::{AdvisoryKey, Isolation, Locked, RowState, RowStore, SessionLocks, TableLock, Wait};
use crate::types::Oid;

#[test]
fn a_writer_waits_and_sees_the_new_values() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a")]);
    let first = begin(&manager, Isolation::ReadCommitted);
    update(&first, 1, b"b").unwrap();
    let second = begin(&manager, Isolation::ReadCommitted);
    let waiting = Arc::clone(&second);
    let thread = thread::spawn(move || update(&waiting, 1, b"c").unwrap());
    while manager.blocking_processes(second.id()).is_empty() {
        thread::yield_now();
    }
    first.commit().unwrap();
    assert_eq!(thread.join().unwrap(), Locked::Changed(b"b".to_vec()));
    second.commit().unwrap();
    assert_eq!(read(&begin(&manager, Isolation::ReadCommitted), 1), Some(b"c".to_vec()));
}

#[test]
fn a_deadlock_has_one_victim_with_postgresqls_words() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a"), (2, b"b")]);
    let (one, two) = (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::ReadCommitted));
    one.set_process_id(101);
    two.set_process_id(102);
    update(&one, 1, b"x").unwrap();
    update(&two, 2, b"x").unwrap();
    let waiting = Arc::clone(&one);
    let thread = thread::spawn(move || update(&waiting, 2, b"y").unwrap());
    while manager.blocking_processes(one.id()) != [102] {
        thread::yield_now();
    }
    let error = update(&two, 1, b"y").unwrap_err();
    assert_eq!((error.sqlstate().as_str(), error.report().message.as_str()), ("40P01", "deadlock detected"));
    let expected = format!(
        "Process 102 waits for ShareLock on transaction {}; blocked by process 101.\n\
         Process 101 waits for ShareLock on transaction {}; blocked by process 102.",
        one.id(),
        two.id()
    );
    assert_eq!(error.report().detail.as_deref(), Some(expected.as_str()));
    two.rollback();
    assert_eq!(thread.join().unwrap(), Locked::Same);
}

#[test]
fn nowait_timeout_and_cancel_end_a_wait() {
    let manager = manager();
    commit_rows(&manager, &[(1, b"a")]);
    let holder = begin(&manager, Isolation::ReadCommitted);
    update(&holder, 1, b"b").unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(try_lock(&txn, 1, Wait::NoWait).unwrap_err().sqlstate().as_str(), "55P03");
    txn.set_lock_timeout(Some(Duration::from_millis(10)));
    let error = try_lock(&txn, 1, Wait::Block).unwrap_err();
    assert_eq!(error.report().message, "canceling statement due to lock timeout");
    let RowState::InFlight(token) = txn.state(T, 1).unwrap() else { panic!("the row is being changed") };
    assert_eq!(txn.wait_for(token, &CancelFlag::new()).unwrap_err().sqlstate().as_str(), "55P03");
    txn.set_lock_timeout(None);
    let cancel = CancelFlag::new();
    cancel.raise(CancelReason::UserRequest);
    let cancelled = txn.lock(T, 1, crate::txn::Strength::Update, Wait::Block, &cancel);
    assert_eq!(cancelled.unwrap_err().sqlstate().as_str(), "57014");
    holder.rollback();
    txn.wait_for(token, &CancelFlag::new()).unwrap();
    assert_eq!(try_lock(&txn, 1, Wait::NoWait).unwrap(), Locked::Same);
}

#[test]
fn whoever_waits_for_an_inserter_wakes_when_the_insert_is_taken_back() {
    let manager = manager();
    let inserter = begin(&manager, Isolation::ReadCommitted);
    let savepoint = inserter.savepoint();
    inserter.insert(T, 1, b"a").unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    let RowState::InFlight(token) = txn.state(T, 1).unwrap() else { panic!("the row is being inserted") };
    let waiting = Arc::clone(&txn);
    let thread = thread::spawn(move || waiting.wait_for(token, &CancelFlag::new()));
    while manager.blocking_processes(txn.id()).is_empty() {
        thread::yield_now();
    }
    inserter.rollback_to(savepoint);
    thread.join().unwrap().unwrap();
    assert_eq!(txn.state(T, 1).unwrap(), RowState::Nothing);
}

#[test]
fn table_and_advisory_locks() {
    let manager = manager();
    let cancel = CancelFlag::new();
    let (one, two) = (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::ReadCommitted));
    let lock = |txn: &crate::txn::Transaction, mode| txn.lock_table(Oid(5), mode, Wait::NoWait, &cancel).unwrap();
    assert!(lock(&one, TableLock::RowExclusive) && lock(&two, TableLock::AccessShare));
    assert!(lock(&two, TableLock::RowExclusive) && !lock(&one, TableLock::Share));
    assert!(!lock(&two, TableLock::AccessExclusive));
    one.commit().unwrap();
    assert!(lock(&two, TableLock::AccessExclusive));
    two.rollback();

    let (key, other) = (AdvisoryKey::Big(7), AdvisoryKey::Pair(0, 7));
    let (mine, yours) = (SessionLocks::new(&manager), SessionLocks::new(&manager));
    let (one, two) = (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::ReadCommitted));
    assert!(mine.lock(&one, key, false, Wait::NoWait, &cancel).unwrap());
    assert!(mine.lock(&one, key, false, Wait::NoWait, &cancel).unwrap());
    assert!(one.lock_advisory(key, false, Wait::NoWait, &cancel).unwrap());
    assert!(!yours.lock(&two, key, true, Wait::NoWait, &cancel).unwrap());
    assert!(yours.lock(&two, other, true, Wait::NoWait, &cancel).unwrap());
    one.commit().unwrap();
    assert!(mine.unlock(key, false) && !yours.lock(&two, key, true, Wait::NoWait, &cancel).unwrap());
    assert!(mine.unlock(key, false) && yours.lock(&two, key, true, Wait::NoWait, &cancel).unwrap());
    assert!(!mine.unlock(key, false));
    drop(yours);
    assert!(two.lock_advisory(other, false, Wait::NoWait, &cancel).unwrap());
    drop(two);
    assert!(manager.held_locks().is_empty());
}

/// Moves one unit between two rows; whether it went through.
fn transfer(manager: &Arc<crate::txn::TxnManager>, isolation: Isolation, from: u32, to: u32) -> bool {
    let txn = begin(manager, isolation);
    let outcome = (|| {
        for (row, by) in [(from, -1_i64), (to, 1)] {
            let current = match try_lock(&txn, row, Wait::Block)? {
                Locked::Changed(values) => values,
                Locked::Same => txn.get(T, row)?.expect("accounts are not deleted").1,
                other => panic!("{other:?}"),
            };
            let balance = i64::from_le_bytes(current.try_into().expect("eight bytes")) + by;
            txn.update(T, row, &balance.to_le_bytes())?;
        }
        txn.commit()
    })();
    match outcome {
        Ok(()) => true,
        Err(error) => {
            assert!(["40001", "40P01"].contains(&error.sqlstate().as_str()), "{error:?}");
            false
        }
    }
}

#[test]
fn no_update_is_lost() {
    for isolation in [Isolation::ReadCommitted, Isolation::RepeatableRead, Isolation::Serializable] {
        let manager = manager();
        let accounts: Vec<(u32, &[u8])> = (1..=4).map(|row| (row, &[100, 0, 0, 0, 0, 0, 0, 0][..])).collect();
        commit_rows(&manager, &accounts);
        let done: u64 = thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u32)
                .map(|seed| {
                    let manager = &manager;
                    scope.spawn(move || {
                        let pick = |turn: u32| (seed * 7 + turn * 13) % 4 + 1;
                        (0..150)
                            .filter(|turn| {
                                let (from, to) = (pick(*turn), pick(turn + 1));
                                from != to && transfer(manager, isolation, from, to)
                            })
                            .count() as u64
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(done > 0);
        assert_eq!(manager.visible_ts(), done + 1);
        let txn = begin(&manager, isolation);
        let total: i64 = rows(&txn).into_iter().map(|(_, values)| i64::from_le_bytes(values.try_into().unwrap())).sum();
        assert_eq!(total, 400, "{isolation:?}");
    }
}

#[test]
fn readers_never_see_half_a_commit_while_writers_and_collection_run() {
    let manager = manager();
    commit_rows(&manager, &[(1, &[0; 8]), (2, &[0; 8]), (3, &[0; 8])]);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..400_u64 {
                let txn = begin(&manager, Isolation::ReadCommitted);
                for row in 1..=3 {
                    update(&txn, row, &number.to_le_bytes()).unwrap();
                }
                txn.commit().unwrap();
                manager.collect_garbage().unwrap();
            }
        });
        while !writer.is_finished() {
            let txn = begin(&manager, Isolation::RepeatableRead);
            let first = rows(&txn);
            assert!(first.len() == 3 && first.iter().all(|(_, values)| *values == first[0].1), "{first:?}");
            assert!((1..=3).all(|row| read(&txn, row).as_ref() == Some(&first[0].1)));
            assert_eq!(txn.count(T).unwrap(), 3);
        }
    });
}

//! Transactions larger than memory: what they write ahead is theirs alone until they commit, whatever happens.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::{T, begin, commit_rows, memory, open, read, rows, try_lock, update};
use crate::catalog::descriptor::StorageId;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::storage::Visit;
use crate::storage::{Cf, Kv, MemoryKv, WriteBatch};
use crate::txn::{FreshRows, Isolation, Locked, RowState, RowStore, Transaction, TxnManager, View, Wait};

/// An index whose entries are the rows' first bytes.
const INDEX: StorageId = StorageId(8);
/// So small that nearly every row is written ahead by itself.
const TINY: usize = 150;

/// A store in memory that remembers what it was after each batch, as crashes would leave it.
pub(super) struct Recorder {
    kv: Arc<MemoryKv>,
    pub(super) states: Mutex<Vec<Arc<dyn Kv>>>,
    /// Called before each batch.
    watch: Mutex<Option<Watch>>,
}

type Watch = Box<dyn FnMut() + Send>;

fn copy_of(kv: &dyn Kv) -> Arc<MemoryKv> {
    let mut batch = WriteBatch::default();
    for cf in Cf::ALL {
        kv.scan(cf, &[], &[255; 20], &mut |key, value| {
            batch.put(cf, key, value);
            Ok(true)
        })
        .unwrap();
    }
    let copy = MemoryKv::new();
    copy.write(batch);
    Arc::new(copy)
}

impl Recorder {
    pub(super) fn of(kv: &dyn Kv) -> Arc<Self> {
        Arc::new(Self { kv: copy_of(kv), states: Mutex::default(), watch: Mutex::default() })
    }
}

impl Kv for Recorder {
    reads_of!(kv);

    fn write(&self, batch: WriteBatch) {
        if let Some(watch) = &mut *self.watch.lock() {
            watch();
        }
        self.kv.write(batch);
        self.states.lock().push(copy_of(&*self.kv));
    }

    fn sync(&self) {}
}

fn collect(manager: &TxnManager) {
    for _ in 0..3 {
        manager.collect_garbage().unwrap();
    }
}

fn value(kind: u8, row: u32) -> Vec<u8> {
    [&[kind][..], &[row as u8; 30]].concat()
}

fn put(txn: &Transaction, row: u32, before: Option<u8>, after: Option<u8>) {
    match (before, after) {
        (None, Some(kind)) => txn.insert(T, row, &value(kind, row)).unwrap(),
        (_, Some(kind)) => drop(update(txn, row, &value(kind, row)).unwrap()),
        (_, None) => {
            try_lock(txn, row, Wait::Block).unwrap();
            txn.delete(T, row).unwrap();
        }
    }
    if before != after {
        after.into_iter().for_each(|kind| txn.put_entry(INDEX, &[kind], row).unwrap());
        before.into_iter().for_each(|kind| txn.retire_entry(INDEX, &[kind], row).unwrap());
    }
}

type Table = BTreeMap<u32, u8>;

/// Does to the model and the transaction what a statement does. A row that was deleted stays so: ids are not used again.
fn statement(txn: &Transaction, table: &mut Table, rows: impl Iterator<Item = u32>, to: Option<u8>) {
    txn.next_command();
    for row in rows {
        let before = table.get(&row).copied();
        let fresh = to.is_some() && txn.state(T, row).unwrap() == RowState::Nothing;
        if before.is_some() || fresh {
            put(txn, row, before, to);
            match to {
                Some(kind) => drop(table.insert(row, kind)),
                None => drop(table.remove(&row)),
            }
        }
    }
}

/// Adds rows as a bulk load does, once: ids are not used again.
fn load(txn: &Transaction, table: &mut Table, rows: RangeInclusive<u32>, kind: u8) {
    txn.next_command();
    if rows.clone().any(|row| txn.state(T, row).unwrap() != RowState::Nothing) {
        return;
    }
    let mut fresh = FreshRows::new(T, *rows.start(), rows.clone().count());
    rows.clone().for_each(|row| assert!(fresh.push(&value(kind, row))));
    txn.insert_many(fresh).unwrap();
    for row in rows {
        txn.put_entry(INDEX, &[kind], row).unwrap();
        table.insert(row, kind);
    }
}

/// The rows there are; every one must have its index entry.
fn found(manager: &Arc<TxnManager>) -> Table {
    let txn = begin(manager, Isolation::ReadCommitted);
    let found: Table = rows(&txn).into_iter().map(|(row, body)| (row, body[0])).collect();
    assert_eq!(txn.count(T).unwrap(), found.len() as u64);
    let mut entries = Vec::new();
    txn.scan_entries(INDEX, &[], None, false, &mut |key, row| {
        entries.push((row, key[0]));
        Ok(true)
    })
    .unwrap();
    for (row, kind) in &found {
        assert!(entries.contains(&(*row, *kind)), "row {row} has no entry {kind}");
        assert_eq!(read(&txn, *row), Some(value(*kind, *row)));
    }
    found
}

/// A transaction that changes everything in every way: what there is before and after.
fn upheaval(manager: &Arc<TxnManager>) -> (Arc<Transaction>, Table, Table) {
    let before: Table = found(manager);
    let mut table = before.clone();
    let txn = begin(manager, Isolation::ReadCommitted);
    statement(&txn, &mut table, 1..=20, Some(b'b'));
    statement(&txn, &mut table, 31..=40, Some(b'n'));
    statement(&txn, &mut table, 1..=10, Some(b'a'));
    statement(&txn, &mut table, 3..=5, None);
    load(&txn, &mut table, 51..=60, b'l');
    let (savepoint, kept) = (txn.savepoint(), table.clone());
    load(&txn, &mut table, 61..=70, b'm');
    statement(&txn, &mut table, 55..=65, Some(b'w'));
    statement(&txn, &mut table, (2..=40).step_by(2), Some(b'x'));
    statement(&txn, &mut table, 15..=38, None);
    statement(&txn, &mut table, 41..=50, Some(b'y'));
    txn.rollback_to(savepoint);
    let mut table = kept;
    statement(&txn, &mut table, 18..=22, Some(b'z'));
    statement(&txn, &mut table, 58..=59, None);
    txn.release(savepoint);
    statement(&txn, &mut table, 35..=36, None);
    (txn, before, table)
}

fn base() -> Arc<dyn Kv> {
    let kv = memory();
    let manager = open(&kv, 1 << 20);
    let txn = begin(&manager, Isolation::ReadCommitted);
    (1..=30).for_each(|row| put(&txn, row, None, Some(b'a')));
    txn.commit().unwrap();
    kv
}

#[test]
fn a_crash_after_any_batch_leaves_the_transaction_whole_or_not_at_all() {
    for commits in [true, false] {
        let recorder = Recorder::of(&*base());
        let kv: Arc<dyn Kv> = Arc::clone(&recorder) as _;
        let manager = open(&kv, TINY);
        let (txn, before, after) = upheaval(&manager);
        let acknowledged = if commits {
            txn.commit().unwrap();
            recorder.states.lock().len()
        } else {
            txn.rollback();
            usize::MAX
        };
        let last = if commits { &after } else { &before };
        assert_eq!(&found(&manager), last);
        collect(&manager);
        assert_eq!(&found(&manager), last);
        let (mut committed, mut opened) = (false, 0);
        for (at, state) in std::mem::take(&mut *recorder.states.lock()).into_iter().enumerate() {
            let recovering = Recorder::of(&*state);
            let state: Arc<dyn Kv> = Arc::clone(&recovering) as _;
            let now = found(&open(&state, TINY));
            assert!(now == before || now == after, "after batch {at}: {now:?}");
            assert!(!committed || now == after, "batch {at} took back the commit");
            committed = now == after;
            assert!(committed || at + 1 < acknowledged, "batch {at} is after the commit");
            assert!(commits || !committed);
            // A crash of the recovery itself; of every tenth, for they are many.
            for state in std::mem::take(&mut *recovering.states.lock()).into_iter().filter(|_| at % 10 == 0) {
                opened += 1;
                assert_eq!(found(&open(&state, TINY)), now, "recovery after batch {at}");
            }
        }
        assert!(opened > 50, "{opened}");
    }
}

#[test]
fn nothing_is_left_when_it_has_ended() {
    let count = |kv: &dyn Kv, cf: Cf, from: &[u8]| {
        let mut count = 0;
        kv.scan(cf, from, &[255; 20], &mut |key, _| {
            count += usize::from(cf != Cf::Default || key.starts_with(from));
            Ok(true)
        })
        .unwrap();
        count
    };
    for commits in [true, false] {
        let kv = base();
        let manager = open(&kv, TINY);
        let (txn, ..) = upheaval(&manager);
        assert!(count(&*kv, Cf::Versions, &[]) > 20 && count(&*kv, Cf::Default, b"P") > 20);
        assert!(txn.buffer.lock().bytes <= TINY + 200, "memory is bounded");
        assert!(txn.buffer.lock().held.len() < 10 && manager.row_locks.held().len() < 10);
        if commits {
            txn.commit().unwrap()
        } else {
            txn.rollback()
        }
        collect(&manager);
        assert_eq!((count(&*kv, Cf::Versions, &[]), count(&*kv, Cf::Default, b"P")), (0, 0));
        assert!(manager.row_locks.held().is_empty() && manager.wide_locks.holder_of((T, 1), !0).is_none());
        let live = found(&manager).len();
        assert_eq!(count(&*kv, Cf::Rows, b"R"), live, "no rows but those that are seen");
    }
}

#[test]
fn counts_are_right_after_a_savepoint_across_what_was_written_ahead() {
    let manager = open(&base(), TINY);
    assert_eq!(found(&manager).len(), 30);
    let (txn, _, after) = upheaval(&manager);
    txn.next_command();
    assert_eq!(rows(&txn).len(), after.len());
    assert_eq!(txn.count(T).unwrap(), after.len() as u64);
    txn.commit().unwrap();
    assert_eq!(found(&manager), after);
    let txn = begin(&manager, Isolation::ReadCommitted);
    let mut table = after;
    statement(&txn, &mut table, 1..=9, None);
    statement(&txn, &mut table, 60..=90, Some(b'q'));
    txn.commit().unwrap();
    assert_eq!(found(&manager), table);
}

#[test]
fn a_cursor_sees_what_its_command_saw() {
    let manager = open(&base(), TINY);
    let txn = begin(&manager, Isolation::RepeatableRead);
    let mut table = found(&manager);
    let mut views: Vec<(View, Table)> = vec![(txn.view(), table.clone())];
    for kind in b'b'..b'g' {
        statement(&txn, &mut table, 5..=40, Some(kind));
        statement(&txn, &mut table, u32::from(kind - b'a')..=u32::from(kind - b'a'), None);
        txn.next_command();
        views.push((txn.view(), table.clone()));
    }
    for (view, expected) in views {
        let mut seen = Table::new();
        txn.scan_at(&view, T, 1..u32::MAX, &mut |row, _, body| {
            seen.insert(row, body[0]);
            Ok(true)
        })
        .unwrap();
        assert_eq!(seen, expected);
        for row in 1..=45 {
            let mut kind = None;
            txn.get_at(&view, T, row, &mut |_, body| {
                kind = Some(body[0]);
                Ok(())
            })
            .unwrap();
            assert_eq!(kind, expected.get(&row).copied(), "row {row}");
        }
    }
}

#[test]
fn others_wait_for_rows_whose_locks_have_moved() {
    let manager = open(&base(), TINY);
    let txn = begin(&manager, Isolation::ReadCommitted);
    let mut table = found(&manager);
    statement(&txn, &mut table, 1..=15, Some(b'b'));
    let savepoint = txn.savepoint();
    statement(&txn, &mut table, 16..=30, Some(b'c'));
    let other = begin(&manager, Isolation::ReadCommitted);
    for row in [2, 20] {
        assert_eq!(try_lock(&other, row, Wait::Skip).unwrap(), Locked::Skipped);
        assert_eq!(try_lock(&other, row, Wait::NoWait).unwrap_err().sqlstate().as_str(), "55P03");
        assert!(manager.in_flight(T, row));
        assert_eq!(read(&other, row), Some(value(b'a', row)));
    }
    thread::scope(|scope| {
        let waits = scope.spawn(|| try_lock(&other, 20, Wait::Block).unwrap());
        while manager.awaited_locks().is_empty() && !waits.is_finished() {
            thread::yield_now();
        }
        assert!(!waits.is_finished());
        txn.rollback_to(savepoint);
        assert_eq!(waits.join().unwrap(), Locked::Same);
        let waits = scope.spawn(|| try_lock(&other, 2, Wait::Block).unwrap());
        while manager.awaited_locks().is_empty() && !waits.is_finished() {
            thread::yield_now();
        }
        txn.commit().unwrap();
        assert_eq!(waits.join().unwrap(), Locked::Changed(value(b'b', 2)));
    });
    assert!(!manager.in_flight(T, 3));
}

#[test]
fn collecting_after_many_small_commits_takes_few_writes() {
    let recorder = Recorder::of(&*memory());
    let kv: Arc<dyn Kv> = Arc::clone(&recorder) as _;
    let manager = open(&kv, 1 << 20);
    let mut table = Table::new();
    let commit = |rows: RangeInclusive<u32>, to: Option<u8>| {
        let txn = begin(&manager, Isolation::ReadCommitted);
        rows.for_each(|row| put(&txn, row, if to == Some(b'a') { None } else { Some(b'a') }, to));
        txn.commit().unwrap();
    };
    commit(1..=400, Some(b'a'));
    (1..=100).for_each(|row| commit(row..=row, Some(b'b')));
    (101..=120).for_each(|row| commit(row..=row, None));
    commit(121..=400, None);
    table.extend((1..=100).map(|row| (row, b'b')));
    let before = recorder.states.lock().len();
    collect(&manager);
    let states = recorder.states.lock().split_off(before);
    assert!((3..=8).contains(&states.len()), "{} writes", states.len());
    assert_eq!(manager.stats().garbage, 0);
    kv.scan(Cf::Versions, &[], &[255; 20], &mut |key, _| panic!("{key:?} is left")).unwrap();
    kv.scan(Cf::Default, b"G", b"H", &mut |key, _| panic!("{key:?} is left")).unwrap();
    assert_eq!(found(&manager), table);
    states.iter().for_each(|state| assert_eq!(found(&open(state, 1 << 20)), table));
}

#[test]
fn a_rollback_lets_go_of_rows_as_it_takes_them_back() {
    let recorder = Recorder::of(&*base());
    let kv: Arc<dyn Kv> = Arc::clone(&recorder) as _;
    let manager = open(&kv, TINY);
    let txn = begin(&manager, Isolation::ReadCommitted);
    let mut table = found(&manager);
    statement(&txn, &mut table, 1..=30, Some(b'b'));
    let free = Arc::new(Mutex::new(Vec::new()));
    let (seen, watching) = (Arc::clone(&free), Arc::clone(&manager));
    *recorder.watch.lock() = Some(Box::new(move || {
        let other = begin(&watching, Isolation::ReadCommitted);
        let may_lock = |row: &u32| try_lock(&other, *row, Wait::Skip).unwrap() == Locked::Same;
        let rows: Vec<u32> = (1..=30).filter(may_lock).collect();
        assert!(rows.iter().all(|row| read(&other, *row) == Some(value(b'a', *row))));
        seen.lock().push(rows.len());
    }));
    txn.rollback();
    *recorder.watch.lock() = None;
    let free = std::mem::take(&mut *free.lock());
    assert!(free.len() > 4 && free[0] == 0 && free.is_sorted() && free[2] > 0, "{free:?}");
    assert_eq!(found(&manager).values().filter(|kind| **kind == b'a').count(), 30);
}

#[test]
fn a_deadlock_by_way_of_moved_locks_is_found() {
    let manager = open(&base(), TINY);
    let (one, two) = (begin(&manager, Isolation::ReadCommitted), begin(&manager, Isolation::ReadCommitted));
    let mut table = found(&manager);
    statement(&one, &mut table, 1..=10, Some(b'b'));
    statement(&two, &mut table, 11..=20, Some(b'c'));
    thread::scope(|scope| {
        let waits = scope.spawn(|| update(&one, 15, b"x"));
        while manager.awaited_locks().is_empty() {
            thread::yield_now();
        }
        let victim = update(&two, 5, b"y").unwrap_err();
        assert_eq!(victim.sqlstate().as_str(), "40P01");
        two.rollback();
        assert_eq!(waits.join().unwrap().unwrap(), Locked::Same);
    });
}

#[test]
fn a_later_transaction_changes_rows_that_nobody_has_settled() {
    let kv = base();
    let manager = open(&kv, TINY);
    let old = begin(&manager, Isolation::RepeatableRead);
    let first: Table = rows(&old).into_iter().map(|(row, body)| (row, body[0])).collect();
    let (txn, _, after) = upheaval(&manager);
    txn.commit().unwrap();
    let middle = begin(&manager, Isolation::RepeatableRead);
    assert_eq!(rows(&middle).len(), after.len());
    // One that is written ahead and taken back, one that is not written ahead, one that is and stays.
    let (txn, _, _) = upheaval(&manager);
    txn.rollback();
    assert_eq!(found(&manager), after);
    let mut table = after.clone();
    let txn = begin(&manager, Isolation::ReadCommitted);
    statement(&txn, &mut table, 1..=1, Some(b'1'));
    txn.commit().unwrap();
    let (txn, _, last) = upheaval(&manager);
    manager.collect_garbage().unwrap();
    txn.commit().unwrap();
    for (reader, expected) in [(&old, &first), (&middle, &after)] {
        let seen: Table = rows(reader).into_iter().map(|(row, body)| (row, body[0])).collect();
        assert_eq!(&seen, expected);
    }
    drop((old, middle));
    for _ in 0..4 {
        manager.collect_garbage().unwrap();
        assert_eq!(found(&manager), last);
    }
    assert_eq!(found(&open(&kv, TINY)), last);
}

#[test]
fn serializable_readers_notice_entries_written_ahead() {
    let manager = open(&base(), TINY);
    let reader = begin(&manager, Isolation::Serializable);
    reader.scan_entries(INDEX, b"k", Some(b"l"), false, &mut |_, _| Ok(true)).unwrap();
    let txn = begin(&manager, Isolation::ReadCommitted);
    let mut table = found(&manager);
    statement(&txn, &mut table, 5..=15, Some(b'k'));
    txn.commit().unwrap();
    // It fails at the very end, with everything in the store.
    let mut lost = Table::new();
    statement(&reader, &mut lost, 100..=130, Some(b'r'));
    assert_eq!(reader.commit().unwrap_err().sqlstate().as_str(), "40001");
    assert_eq!(found(&manager), table);
}

#[test]
fn a_shutdown_leaves_the_rollback_to_the_next_start() {
    let kv = base();
    let manager = open(&kv, TINY);
    let (txn, before, _) = upheaval(&manager);
    manager.shutdown();
    txn.rollback();
    assert_eq!(found(&manager), before);
    let manager = open(&kv, TINY);
    assert_eq!(found(&manager), before);
    let (txn, _, after) = upheaval(&manager);
    txn.commit().unwrap();
    assert_eq!(found(&manager), after);
}

#[test]
fn readers_see_all_of_a_large_transaction_or_nothing_of_it() {
    const ROWS: u32 = 60;
    let kv = memory();
    let manager = open(&kv, TINY);
    let fill: Vec<(u32, Vec<u8>)> = (1..=ROWS).map(|row| (row, value(0, row))).collect();
    commit_rows(&manager, &fill.iter().map(|(row, body)| (*row, body.as_slice())).collect::<Vec<_>>());
    let stop = AtomicBool::new(false);
    let newest = Mutex::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Acquire) {
                manager.collect_garbage().unwrap();
                thread::yield_now();
            }
        });
        for reads_points in [true, false] {
            let (manager, stop, newest) = (&manager, &stop, &newest);
            scope.spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    let least = *newest.lock();
                    let txn = begin(manager, Isolation::RepeatableRead);
                    let seen: Vec<Option<u8>> = if reads_points {
                        (1..=ROWS).map(|row| read(&txn, row).map(|body| body[0])).collect()
                    } else {
                        rows(&txn).into_iter().map(|(_, body)| Some(body[0])).collect()
                    };
                    assert_eq!(seen.len(), ROWS as usize);
                    assert!(seen.iter().all(|kind| *kind == seen[0]), "{seen:?}");
                    assert!(seen[0].is_some_and(|kind| kind >= least));
                    let mut newest_of = Vec::new();
                    txn.scan_newest(T, 1..u32::MAX, &mut |row, _, _| {
                        newest_of.push(row);
                        Ok(true)
                    })
                    .unwrap();
                    assert_eq!(newest_of.len(), ROWS as usize, "the newest version of every row");
                }
            });
        }
        for round in 1..=240_u8 {
            let txn = begin(&manager, Isolation::ReadCommitted);
            for row in 1..=ROWS {
                assert!(matches!(update(&txn, row, &value(round, row)).unwrap(), Locked::Same));
            }
            if round % 3 == 0 {
                txn.rollback();
            } else {
                txn.commit().unwrap();
                *newest.lock() = round;
            }
        }
        stop.store(true, Ordering::Release);
    });
    let cancel = CancelFlag::new();
    let txn = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(txn.count_at(&txn.view(), T, 2, &cancel).unwrap(), u64::from(ROWS));
}

/// Moves one unit around a circle of rows, from each to the next; whether the transaction is to go on.
fn pass_on(txn: &Transaction, circle: &[u32]) {
    let mut balances = Vec::new();
    for row in circle {
        let balance = match try_lock(txn, *row, Wait::Block).unwrap() {
            Locked::Same => read(txn, *row).unwrap(),
            Locked::Changed(values) => values,
            other => panic!("row {row}: {other:?}"),
        };
        balances.push(i64::from_le_bytes(balance[..8].try_into().unwrap()));
    }
    for (at, row) in circle.iter().enumerate() {
        let by = if at == 0 { circle.len() as i64 - 1 } else { -1 };
        let balance = (balances[at] + by).to_le_bytes();
        txn.update(T, *row, &[&balance[..], &[0; 30]].concat()).unwrap();
    }
    txn.next_command();
}

#[test]
fn concurrent_large_transactions_lose_nothing() {
    const ROWS: u32 = 40;
    let kv = memory();
    let manager = open(&kv, TINY);
    let start = [&1000_i64.to_le_bytes()[..], &[0; 30]].concat();
    let fill: Vec<(u32, &[u8])> = (1..=ROWS).map(|row| (row, start.as_slice())).collect();
    commit_rows(&manager, &fill);
    let sum = |rows: Vec<(u32, Vec<u8>)>| -> i64 {
        assert_eq!(rows.len(), ROWS as usize);
        rows.iter().map(|(_, body)| i64::from_le_bytes(body[..8].try_into().unwrap())).sum()
    };
    let running = std::sync::atomic::AtomicUsize::new(3);
    thread::scope(|scope| {
        let (manager, running, sum) = (&manager, &running, &sum);
        for writer in 0..3_u32 {
            scope.spawn(move || {
                for round in 0..120 {
                    let txn = begin(manager, Isolation::ReadCommitted);
                    // Ascending, so that nobody waits in a circle.
                    let step = 1 + (round + writer) % 4;
                    let circle: Vec<u32> = (1 + round % 5..=ROWS).step_by(step as usize).collect();
                    pass_on(&txn, &circle);
                    if round % 3 == 0 {
                        let savepoint = txn.savepoint();
                        pass_on(&txn, &circle);
                        txn.rollback_to(savepoint);
                    }
                    if round % 4 == 1 { txn.rollback() } else { txn.commit().map(drop).unwrap() }
                }
                running.fetch_sub(1, Ordering::Release);
            });
        }
        scope.spawn(move || {
            while running.load(Ordering::Acquire) > 0 {
                manager.collect_garbage().unwrap();
            }
        });
        while running.load(Ordering::Acquire) > 0 {
            assert_eq!(sum(rows(&begin(manager, Isolation::RepeatableRead))), 1000 * i64::from(ROWS));
        }
    });
    assert_eq!(sum(rows(&begin(&manager, Isolation::ReadCommitted))), 1000 * i64::from(ROWS));
    assert_eq!(sum(rows(&begin(&open(&kv, TINY), Isolation::ReadCommitted))), 1000 * i64::from(ROWS));
}

#[test]
fn a_row_made_and_deleted_behind_a_strict_snapshot_is_gone_and_one_that_it_saw_a_conflict() {
    let manager = open(&base(), TINY);
    let maker = begin(&manager, Isolation::ReadCommitted);
    for row in 100..200 {
        maker.insert(T, row, &[7; 40]).unwrap();
    }
    maker.begin_statement();
    for row in [1, 100] {
        assert_eq!(try_lock(&maker, row, Wait::Skip).unwrap(), Locked::Same);
        maker.delete(T, row).unwrap();
    }
    let strict = begin(&manager, Isolation::RepeatableRead);
    assert_eq!((read(&strict, 1).is_some(), read(&strict, 100)), (true, None));
    maker.commit().unwrap();
    assert!(matches!(manager.newest(T, 100), Ok(Some((_, None)))), "it was written ahead and left a mark");
    assert_eq!(try_lock(&strict, 100, Wait::Skip).unwrap(), Locked::Gone);
    assert_eq!(try_lock(&strict, 1, Wait::Skip).unwrap_err().sqlstate().as_str(), "40001");
}

//! Whole scans that share chunks in memory, against writers and against reads by row id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Store, scan_all};
use crate::catalog::descriptor::TableDesc;
use crate::table::test_support::table;
use crate::table::{ScanSpec, Table};
use crate::txn::{Isolation, RowId, Transaction};
use crate::types::{Datum, Oid};

const ACCOUNTS: i64 = 3000;
const BALANCE: i64 = 100;

/// A small deterministic generator (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

fn accounts(store: &Store) -> Arc<TableDesc> {
    let desc = Arc::new(table(&[("id", Oid::INT8), ("balance", Oid::INT8)]));
    let txn = store.begin();
    let accounts = store.open(&txn, &desc);
    for id in 0..ACCOUNTS {
        accounts.insert(&*txn, &store.write(), &[Datum::Int8(id), Datum::Int8(BALANCE)]).unwrap();
    }
    txn.commit().unwrap();
    desc
}

/// Number of rows and sum of the balances as a whole scan sees them.
fn total(txn: &Arc<Transaction>, table: &Table, positions: &[usize]) -> (i64, i64) {
    let balance = positions.iter().position(|position| *position == 1).expect("the balance is read");
    let types = vec![Oid::INT8; positions.len()];
    let mut scan = table.scan(txn, ScanSpec { batch_rows: 1024, ..ScanSpec::new(positions.to_vec(), false) });
    let (mut rows, mut sum) = (0, 0);
    while let Some(batch) = scan.next().unwrap() {
        rows += batch.rows as i64;
        for row in 0..batch.rows {
            let Datum::Int8(value) = batch.row(&types, row)[balance] else { panic!("a balance is an int8") };
            sum += value;
        }
    }
    (rows, sum)
}

/// Moves money between two accounts, now and then through a row that is deleted and one that is new.
fn transfer(store: &Store, desc: &Arc<TableDesc>, random: &mut Random) {
    // Above READ COMMITTED, so that a balance that changed since it was read fails instead of being overwritten.
    let txn = store.manager.begin(Isolation::RepeatableRead, false);
    txn.begin_statement();
    let accounts = store.open(&txn, desc);
    let rows: Vec<RowId> = (0..2).map(|_| 1 + (random.next() % ACCOUNTS as u64) as RowId).collect();
    let moved = (|| {
        if rows[0] == rows[1] {
            return None;
        }
        // One order for all, so that nobody waits in a circle.
        let (low, high) = (rows[0].min(rows[1]), rows[0].max(rows[1]));
        let (Some(from), Some(to)) = (accounts.row(&*txn, low).unwrap(), accounts.row(&*txn, high).unwrap()) else {
            return None;
        };
        let (Datum::Int8(a), Datum::Int8(b)) = (&from[1], &to[1]) else { panic!("balances are int8") };
        let (from_new, to_new) = ([from[0].clone(), Datum::Int8(a - 1)], [to[0].clone(), Datum::Int8(b + 1)]);
        store.update(&txn, &accounts, low, &from_new).ok()?;
        if random.next().is_multiple_of(8) {
            store.delete(&txn, &accounts, high).ok()?;
            accounts.insert(&*txn, &store.write(), &to_new).ok()?;
        } else {
            store.update(&txn, &accounts, high, &to_new).ok()?;
        }
        Some(())
    })();
    match moved {
        Some(()) => txn.commit().unwrap(),
        None => txn.rollback(),
    }
}

#[test]
fn sums_hold_while_writers_move_money() {
    let store = Store::new();
    let desc = accounts(&store);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2 {
            let (store, desc, stop) = (&store, &desc, &stop);
            scope.spawn(move || {
                let mut random = Random(seed + 1);
                while !stop.load(Ordering::Relaxed) {
                    transfer(store, desc, &mut random);
                }
            });
        }
        for round in 0..300 {
            let txn = store.manager.begin(Isolation::RepeatableRead, true);
            txn.begin_statement();
            let accounts = store.open(&txn, &desc);
            let positions: &[usize] = if round % 2 == 0 { &[1] } else { &[0, 1] };
            assert_eq!(total(&txn, &accounts, positions), (ACCOUNTS, ACCOUNTS * BALANCE), "round {round}");
            txn.begin_statement();
            assert_eq!(total(&txn, &accounts, &[0, 1]), (ACCOUNTS, ACCOUNTS * BALANCE), "round {round}, again");
            txn.rollback();
        }
        stop.store(true, Ordering::Relaxed);
    });
    let stats = store.manager.stats();
    assert!(stats.chunk_hits > 0 && stats.chunk_misses > 0, "{stats:?}");
}

#[test]
fn own_writes_and_old_snapshots_see_past_the_chunks() {
    let store = Store::new();
    let desc = accounts(&store);
    let old = store.manager.begin(Isolation::RepeatableRead, true);
    old.begin_statement();
    let before = scan_all(&old, &store.open(&old, &desc), 1024);
    let writer = store.begin();
    let accounts = store.open(&writer, &desc);
    store.update(&writer, &accounts, 2000, &[Datum::Int8(1999), Datum::Int8(7)]).unwrap();
    writer.next_command();
    writer.begin_statement();
    let own = scan_all(&writer, &accounts, 1024);
    assert_eq!((own.len(), own == before, own[1999].contains("Int8(7)")), (ACCOUNTS as usize, false, true));
    assert_eq!(scan_all(&store.begin(), &accounts, 1024), before);
    writer.commit().unwrap();
    assert_eq!(scan_all(&store.begin(), &accounts, 1024), own);
    assert_eq!(scan_all(&old, &accounts, 1024), before);
}

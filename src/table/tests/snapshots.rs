//! Scans through the chunk cache: every snapshot sees its own rows, whatever is committed, cached or collected.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use proptest::prelude::*;

use super::Store;
use crate::catalog::descriptor::TableDesc;
use crate::storage::MemoryKv;
use crate::table::test_support::table;
use crate::table::{ScanSpec, Table, Tables};
use crate::txn::{Isolation, Transaction, TxnManager, TxnOptions};
use crate::types::{Datum, Oid};

type Model = BTreeMap<u32, (i32, String)>;

#[derive(Clone, Debug)]
enum Step {
    /// Rows beside each other: more than one chunk soon.
    Insert(u16),
    Update(usize, i32),
    Delete(usize),
    Commit,
    Rollback,
    /// A reader that stays.
    Look,
    /// The oldest reader ends.
    Leave,
    Collect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u16..700).prop_map(Step::Insert),
        6 => (any::<usize>(), any::<i32>()).prop_map(|(at, value)| Step::Update(at, value)),
        4 => any::<usize>().prop_map(Step::Delete),
        5 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        3 => Just(Step::Look),
        1 => Just(Step::Leave),
        1 => Just(Step::Collect),
    ]
}

fn store(options: TxnOptions) -> Store {
    let manager = TxnManager::open(Arc::new(MemoryKv::new()), options).unwrap();
    let tables = Arc::new(Tables::new(42));
    manager.set_sweeper(tables.clone());
    Store { manager, tables, cancel: crate::common::CancelFlag::new() }
}

fn desc() -> Arc<TableDesc> {
    Arc::new(table(&[("a", Oid::INT4), ("b", Oid::TEXT)]))
}

fn values(a: i32) -> (i32, String) {
    (a, format!("text that does not fit into a view {a}"))
}

fn datums((a, b): &(i32, String)) -> Vec<Datum> {
    vec![Datum::Int4(*a), Datum::text(b.clone())]
}

/// Rows of a scan of the given columns: row id, then the values as text.
fn rows(txn: &Arc<Transaction>, table: &Table, positions: &[usize], batch_rows: usize) -> Vec<(i64, Vec<String>)> {
    let types: Vec<Oid> = positions.iter().map(|at| table.desc().columns[*at].ty.oid).collect();
    let mut scan = table.scan(txn, ScanSpec { batch_rows, ..ScanSpec::new(positions.to_vec(), true) });
    let mut found = Vec::new();
    while let Some(batch) = scan.next().unwrap() {
        for row in 0..batch.rows {
            let id = batch.columns[positions.len()].as_primitive::<Int64Type>().value(row);
            found.push((id, batch.row(&types, row).iter().map(|value| format!("{value:?}")).collect()));
        }
    }
    found
}

fn expected(model: &Model, positions: &[usize]) -> Vec<(i64, Vec<String>)> {
    let of = |row: &(i32, String)| positions.iter().map(|at| format!("{:?}", datums(row)[*at])).collect();
    model.iter().map(|(id, row)| (i64::from(*id), of(row))).collect()
}

fn check(txn: &Arc<Transaction>, table: &Table, model: &Model) -> Result<(), TestCaseError> {
    for positions in [&[0][..], &[1, 0], &[]] {
        // Twice: what the first fills in, the second finds.
        for batch_rows in [1024, 1024, 100] {
            prop_assert!(
                rows(txn, table, positions, batch_rows) == expected(model, positions),
                "{positions:?} {batch_rows}"
            );
        }
    }
    prop_assert_eq!(table.count(&**txn).unwrap(), model.len() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_snapshot_sees_its_rows(steps in prop::collection::vec(step(), 1..60), small in any::<bool>()) {
        let spill_bytes = if small { 10_000 } else { 64 << 20 };
        let store = store(TxnOptions { spill_bytes, ..TxnOptions::default() });
        let desc = desc();
        let (mut committed, mut model) = (Model::new(), Model::new());
        let mut readers: Vec<(Arc<Transaction>, Model)> = Vec::new();
        let mut txn = store.begin();
        for step in steps {
            txn.begin_statement();
            let table = store.open(&txn, &desc);
            let pick = |at: usize| model.keys().nth(at % model.len().max(1)).copied();
            match step {
                Step::Insert(count) => {
                    let new: Vec<(i32, String)> = (0..i32::from(count)).map(values).collect();
                    let datums: Vec<Vec<Datum>> = new.iter().map(datums).collect();
                    let ids = table.insert_batch(&*txn, &store.write(), &datums).unwrap();
                    model.extend(ids.zip(new));
                }
                Step::Update(at, value) => {
                    let Some(row) = pick(at) else { continue };
                    store.update(&txn, &table, row, &datums(&values(value))).unwrap();
                    model.insert(row, values(value));
                }
                Step::Delete(at) => {
                    let Some(row) = pick(at) else { continue };
                    store.delete(&txn, &table, row).unwrap();
                    model.remove(&row);
                }
                Step::Commit => {
                    txn.commit().unwrap();
                    committed = model.clone();
                    txn = store.begin();
                }
                Step::Rollback => {
                    txn.rollback();
                    model = committed.clone();
                    txn = store.begin();
                }
                Step::Look => {
                    let reader = store.manager.begin(Isolation::RepeatableRead, true);
                    reader.begin_statement();
                    readers.push((reader, committed.clone()));
                    if readers.len() > 3 {
                        readers.remove(0);
                    }
                }
                Step::Leave => if !readers.is_empty() { readers.remove(0); },
                Step::Collect => drop(store.manager.collect_garbage().unwrap()),
            }
            txn.begin_statement();
            check(&txn, &store.open(&txn, &desc), &model)?;
            for (reader, seen) in &readers {
                check(reader, &store.open(reader, &desc), seen)?;
            }
        }
    }
}

/// Writers move amounts between rows of different chunks; every scan finds the whole sum.
#[test]
fn scans_beside_commits_see_whole_commits() {
    const ROWS: i32 = 3000;
    let (store, desc) = (store(TxnOptions::default()), desc());
    let txn = store.begin();
    let fresh: Vec<Vec<Datum>> = (0..ROWS).map(|_| vec![Datum::Int4(100), Datum::Null]).collect();
    let ids = store.open(&txn, &desc).insert_batch(&*txn, &store.write(), &fresh).unwrap();
    txn.commit().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (store, desc, done) = (&store, &desc, &done);
            scope.spawn(move || {
                let mut last = false;
                while !last {
                    last = done.load(Ordering::Acquire);
                    let txn = store.begin();
                    let mut scan = store.open(&txn, desc).scan(&txn, ScanSpec::new(vec![0], reader == 0));
                    let (mut sum, mut count) = (0_i64, 0);
                    while let Some(batch) = scan.next().unwrap() {
                        count += batch.rows;
                        sum += batch.columns[0]
                            .as_primitive::<Int32Type>()
                            .values()
                            .iter()
                            .map(|a| i64::from(*a))
                            .sum::<i64>();
                    }
                    assert_eq!((count, sum), (ROWS as usize, i64::from(ROWS) * 100));
                }
            });
        }
        for round in 0..2000_u32 {
            let txn = store.begin();
            let table = store.open(&txn, &desc);
            let (from, to) = (ids.start + round * 7 % 900, ids.start + 1500 + round * 13 % 1400);
            for (id, by) in [(from, -1), (to, 1)] {
                let old = table.row(&*txn, id).unwrap().unwrap();
                let Datum::Int4(amount) = old[0] else { panic!("an int4 column") };
                store.update(&txn, &table, id, &[Datum::Int4(amount + by), Datum::Null]).unwrap();
            }
            txn.commit().unwrap();
        }
        done.store(true, Ordering::Release);
    });
    let (txn, before) = (store.begin(), store.manager.stats().chunk_hits);
    let table = store.open(&txn, &desc);
    assert_eq!(rows(&txn, &table, &[0], 1024), rows(&txn, &table, &[0], 1024));
    assert!(store.manager.stats().chunk_hits >= before + 3, "the second scan finds all chunks");
}

/// A column added later, with another default after a rollback, does not find the arrays of the first.
#[test]
fn a_column_added_again_has_its_own_default() {
    let (store, desc) = (store(TxnOptions::default()), desc());
    store.insert(&desc, &datums(&values(1))).unwrap();
    let txn = store.begin();
    for default in [Datum::Int4(7), Datum::Int4(8)] {
        let mut wider = table(&[("a", Oid::INT4), ("b", Oid::TEXT), ("c", Oid::INT4)]);
        let mut missing = Vec::new();
        crate::types::codec::encode(&default, &mut missing);
        wider.columns[2].missing = Some(missing);
        let found = rows(&txn, &store.open(&txn, &Arc::new(wider)), &[2], 1024);
        assert_eq!(found, vec![(1, vec![format!("{default:?}")])]);
    }
}

//! Constraints, conflicts, waiting for keys, and what scans see of one's own writes.

use std::sync::Arc;
use std::thread;

use super::{Store, scan_all};
use crate::catalog::descriptor::TableDesc;
use crate::table::test_support::{add_index, table};
use crate::table::{Conflict, InsertOutcome, NoEvaluator, ScanSpec};
use crate::types::{Datum, Oid};

fn desc() -> Arc<TableDesc> {
    let mut desc = table(&[("id", Oid::INT4), ("name", Oid::TEXT)]);
    add_index(&mut desc, "t_pkey", &[0], true, true);
    add_index(&mut desc, "t_name_key", &[1], true, false);
    Arc::new(desc)
}

fn row(id: i32, name: &str) -> [Datum; 2] {
    [Datum::Int4(id), Datum::text(name)]
}

#[test]
fn violations_have_postgresqls_words() {
    let (store, desc) = (Store::new(), desc());
    store.insert(&desc, &row(1, "a")).unwrap();
    let fails = |values: &[Datum]| store.insert(&desc, values).unwrap_err().report().clone();
    let report = fails(&row(1, "b"));
    assert_eq!(report.message, "duplicate key value violates unique constraint \"t_pkey\"");
    assert_eq!(report.detail.as_deref(), Some("Key (id)=(1) already exists."));
    let report = fails(&row(2, "a"));
    assert_eq!(report.message, "duplicate key value violates unique constraint \"t_name_key\"");
    let report = fails(&[Datum::Null, Datum::text("b")]);
    assert_eq!(report.message, "null value in column \"id\" of relation \"t\" violates not-null constraint");
    assert_eq!(report.detail.as_deref(), Some("Failing row contains (null, b)."));
    store.insert(&desc, &[Datum::Int4(2), Datum::Null]).unwrap();
    store.insert(&desc, &[Datum::Int4(3), Datum::Null]).unwrap();
}

#[test]
fn a_key_is_free_again_after_delete_update_and_rollback() {
    let (store, desc) = (Store::new(), desc());
    let id = store.insert(&desc, &row(1, "a")).unwrap();
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    store.update(&txn, &table, id, &row(2, "b")).unwrap();
    txn.next_command();
    table.insert(&*txn, &store.write(), &row(1, "a")).unwrap();
    txn.next_command();
    store.delete(&txn, &table, id).unwrap();
    table.insert(&*txn, &store.write(), &row(2, "b")).unwrap();
    txn.rollback();
    store.insert(&desc, &row(2, "b")).unwrap();
    assert!(store.insert(&desc, &row(1, "z")).is_err());
    let txn = store.begin();
    assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
}

#[test]
fn conflicts_name_the_row_and_other_indexes_still_fail() {
    let (store, desc) = (Store::new(), desc());
    let id = store.insert(&desc, &row(1, "a")).unwrap();
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    let pkey = desc.indexes[0].oid;
    let insert =
        |values: &[Datum], arbiters: &[Oid]| table.insert_unless_conflict(&*txn, &store.write(), values, arbiters);
    match insert(&row(1, "b"), &[pkey]).unwrap() {
        InsertOutcome::Conflict(conflict) => assert_eq!(conflict, Conflict { index: pkey, row: id }),
        InsertOutcome::Inserted(_) => panic!("the key is taken"),
    }
    assert!(matches!(insert(&row(5, "e"), &[]).unwrap(), InsertOutcome::Inserted(_)));
    assert!(matches!(insert(&row(6, "a"), &[]).unwrap(), InsertOutcome::Conflict(_)));
    assert_eq!(insert(&row(6, "a"), &[pkey]).unwrap_err().sqlstate().as_str(), "23505");
}

#[test]
fn a_second_inserter_waits_for_the_first() {
    for commits in [true, false] {
        let (store, desc) = (Store::new(), desc());
        let first = store.begin();
        store.open(&first, &desc).insert(&*first, &store.write(), &row(1, "a")).unwrap();
        let second = store.begin();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| store.open(&second, &desc).insert(&*second, &store.write(), &row(9, "a")));
            while store.manager.blocking_processes(second.id()).is_empty() {
                thread::yield_now();
            }
            if commits {
                first.commit().unwrap();
            } else {
                first.rollback();
            }
            assert_eq!(waiting.join().unwrap().is_err(), commits);
        });
    }
}

#[test]
fn many_threads_insert_each_key_once() {
    let (store, desc) = (Store::new(), desc());
    let inserted: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| (0..100).filter(|id| store.insert(&desc, &row(*id, &format!("n{id}"))).is_ok()).count())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(inserted, 100);
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    assert_eq!((table.count(&*txn).unwrap(), table.check(&*txn, &NoEvaluator).unwrap()), (100, vec![]));
}

#[test]
fn an_insert_from_its_own_table_ends() {
    let (store, desc) = (Store::new(), Arc::new(table(&[("id", Oid::INT4)])));
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    for id in 0..3000 {
        table.insert(&*txn, &store.write(), &[Datum::Int4(id)]).unwrap();
    }
    txn.begin_statement();
    let mut scan = table.scan(&txn, ScanSpec::new(vec![0], false));
    let mut seen = 0;
    while let Some(batch) = scan.next().unwrap() {
        for row in 0..batch.rows {
            table.insert(&*txn, &store.write(), &batch.row(&[Oid::INT4], row)).unwrap();
            seen += 1;
        }
    }
    assert_eq!(seen, 3000);
    txn.next_command();
    assert_eq!(table.count(&*txn).unwrap(), 6000);
    let parts = table.partitions(&*txn, 3).unwrap();
    let rows = |range: &std::ops::Range<u32>| {
        let spec = ScanSpec { range: Some(range.clone()), ..ScanSpec::new(vec![], false) };
        let mut scan = table.scan(&txn, spec);
        std::iter::from_fn(|| scan.next().unwrap()).map(|batch| batch.rows).sum::<usize>()
    };
    assert_eq!(parts.iter().map(rows).sum::<usize>(), 6000);
    assert_eq!(scan_all(&txn, &table, 100).len(), 6000);
}

//! Index scans in every kind of index, builds, checks, sweeping.

use std::sync::Arc;

use super::Store;
use crate::catalog::descriptor::{StorageId, TableDesc};
use crate::storage::{Cf, WriteBatch, keyspace};
use crate::table::test_support::{add_index, table};
use crate::table::{IndexScanSpec, KeyBound, NoEvaluator, Table};
use crate::txn::Transaction;
use crate::types::{Datum, Oid};

fn spec(index: Oid) -> IndexScanSpec {
    IndexScanSpec {
        index,
        prefix: Vec::new(),
        lower: KeyBound::Open,
        upper: KeyBound::Open,
        backward: false,
        positions: vec![0],
        row_ids: true,
        commit_ts: true,
        batch_rows: 7,
    }
}

/// The first column of the rows of a scan.
fn keys(txn: &Arc<Transaction>, table: &Table, spec: IndexScanSpec) -> Vec<String> {
    let oid = table.desc().columns[0].ty.oid;
    let mut scan = table.index_scan(txn, spec).unwrap();
    let mut keys = Vec::new();
    while let Some(batch) = scan.next(&NoEvaluator).unwrap() {
        assert_eq!(batch.columns.len(), 3);
        keys.extend((0..batch.rows).map(|row| format!("{:?}", batch.datum(0, oid, row))));
    }
    keys
}

fn value(oid: Oid, number: i32) -> Datum {
    match oid {
        Oid::INT4 => Datum::Int4(number),
        Oid::FLOAT8 => Datum::Float8(f64::from(number)),
        Oid::TEXT => Datum::text(format!("{:04}", number + 1000)),
        Oid::UUID => {
            // Eight keys at a time share the image.
            let mut uuid = [0; 16];
            uuid[4..8].copy_from_slice(&((number + 1000) / 8).to_be_bytes());
            uuid[15] = ((number + 1000) % 8) as u8;
            Datum::Uuid(uuid)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn ranges_come_in_order_both_ways_from_every_kind_of_index() {
    for (oid, primary) in
        [Oid::INT4, Oid::FLOAT8, Oid::TEXT, Oid::UUID].into_iter().flat_map(|oid| [(oid, true), (oid, false)])
    {
        let store = Store::new();
        let mut desc = table(&[("k", oid), ("v", Oid::INT4)]);
        add_index(&mut desc, "i", &[0], primary, primary);
        let desc = Arc::new(desc);
        let txn = store.begin();
        let table = store.open(&txn, &desc);
        let mut numbers: Vec<i32> = (-50..50).collect();
        numbers.sort_by_key(|number| number * 37 % 101);
        let ids: Vec<u32> = numbers
            .iter()
            .map(|number| table.insert(&*txn, &store.write(), &[value(oid, *number), Datum::Int4(*number)]).unwrap())
            .collect();
        txn.commit().unwrap();
        let txn = store.begin();
        // Some keys move, some go, and come back: their old entries lead to rows with other keys.
        store.update(&txn, &table, ids[0], &[value(oid, 500), Datum::Int4(0)]).unwrap();
        store.delete(&txn, &table, ids[1]).unwrap();
        txn.next_command();
        table.insert(&*txn, &store.write(), &[value(oid, numbers[0]), Datum::Int4(0)]).unwrap();
        txn.commit().unwrap();
        let txn = store.begin();
        let mut live: Vec<i32> = (-50..50).filter(|number| *number != numbers[1]).collect();
        live.push(500);
        let show = |wanted: &dyn Fn(i32) -> bool, backward: bool| {
            let mut keys: Vec<i32> = live.iter().copied().filter(|number| wanted(*number)).collect();
            if backward {
                keys.reverse();
            }
            keys.into_iter().map(|number| format!("{:?}", value(oid, number))).collect::<Vec<_>>()
        };
        let index = desc.indexes[0].oid;
        for backward in [false, true] {
            let all = IndexScanSpec { backward, ..spec(index) };
            assert_eq!(keys(&txn, &table, all.clone()), show(&|_| true, backward), "{oid} {primary} {backward}");
            let range = IndexScanSpec {
                lower: KeyBound::Excluded(value(oid, -20)),
                upper: KeyBound::Included(value(oid, 30)),
                ..all.clone()
            };
            assert_eq!(keys(&txn, &table, range), show(&|n| n > -20 && n <= 30, backward), "{oid} {primary}");
            let from = IndexScanSpec { lower: KeyBound::Included(value(oid, 45)), ..all.clone() };
            assert_eq!(keys(&txn, &table, from), show(&|n| n >= 45, backward));
            let point = IndexScanSpec { prefix: vec![value(oid, 7)], ..all.clone() };
            assert_eq!(keys(&txn, &table, point), show(&|n| n == 7, backward));
            let none = IndexScanSpec { prefix: vec![value(oid, numbers[1])], ..all };
            assert!(keys(&txn, &table, none).is_empty());
        }
        let found = table.find(&*txn, &NoEvaluator, index, &[value(oid, 7)]).unwrap().expect("it is there");
        assert_eq!(format!("{:?}", found.1[1]), "Int4(7)");
        assert!(table.find(&*txn, &NoEvaluator, index, &[value(oid, numbers[1])]).unwrap().is_none());
        assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
        drop(txn);
        store.manager.collect_garbage().unwrap();
        let txn = store.begin();
        assert_eq!(keys(&txn, &table, spec(index)), show(&|_| true, false));
        assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
    }
}

#[test]
fn prefixes_and_descending_columns() {
    let store = Store::new();
    let mut desc = table(&[("a", Oid::INT4), ("b", Oid::INT4)]);
    add_index(&mut desc, "i", &[0, 1], false, false);
    let index = Arc::get_mut(&mut desc.indexes[0]).unwrap();
    index.keys[1].descending = true;
    index.keys[1].nulls_first = true;
    let desc = Arc::new(desc);
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    for (a, b) in [(1, Some(1)), (1, Some(3)), (1, None), (2, Some(2)), (1, Some(2))] {
        let row = [Datum::Int4(a), b.map_or(Datum::Null, Datum::Int4)];
        table.insert(&*txn, &store.write(), &row).unwrap();
    }
    txn.next_command();
    let show = |change: &dyn Fn(&mut IndexScanSpec)| {
        let mut wanted =
            IndexScanSpec { prefix: vec![Datum::Int4(1)], positions: vec![1], ..spec(desc.indexes[0].oid) };
        change(&mut wanted);
        let mut scan = table.index_scan(&txn, wanted).unwrap();
        let mut found = Vec::new();
        while let Some(batch) = scan.next(&NoEvaluator).unwrap() {
            found.extend((0..batch.rows).map(|row| batch.datum(0, Oid::INT4, row).as_i64()));
        }
        found
    };
    assert_eq!(show(&|_| {}), [None, Some(3), Some(2), Some(1)]);
    assert_eq!(show(&|spec| spec.backward = true), [Some(1), Some(2), Some(3), None]);
    assert_eq!(show(&|spec| spec.lower = KeyBound::Excluded(Datum::Int4(1))), [Some(3), Some(2)]);
    assert_eq!(show(&|spec| spec.upper = KeyBound::Included(Datum::Int4(2))), [Some(2), Some(1)]);
    assert_eq!(show(&|spec| spec.prefix.push(Datum::Null)), [None]);
}

fn with_index(desc: &TableDesc, unique: bool, primary: bool) -> Arc<TableDesc> {
    let mut with = desc.clone();
    add_index(&mut with, "i", &[0], unique, primary);
    Arc::new(with)
}

#[test]
fn an_index_is_filled_from_committed_and_own_rows_unless_keys_repeat() {
    for (unique, primary) in [(false, false), (true, false), (true, true)] {
        let store = Store::new();
        let plain = table(&[("k", Oid::INT4)]);
        let desc = Arc::new(plain.clone());
        for number in [3, 1, 2] {
            store.insert(&desc, &[Datum::Int4(number)]).unwrap();
        }
        let txn = store.begin();
        store.open(&txn, &desc).insert(&*txn, &store.write(), &[Datum::Int4(4)]).unwrap();
        let indexed = with_index(&plain, unique, primary);
        let table = store.open(&txn, &indexed);
        let index = indexed.indexes[0].oid;
        assert_eq!(table.build_index(&*txn, &store.write(), index).unwrap(), 4);
        txn.next_command();
        assert_eq!(keys(&txn, &table, spec(index)), ["Int4(1)", "Int4(2)", "Int4(3)", "Int4(4)"]);
        txn.commit().unwrap();
        assert_eq!(store.insert(&indexed, &[Datum::Int4(4)]).is_err(), unique);
        if !unique {
            let txn = store.begin();
            let again = with_index(&plain, true, false);
            let error = store.open(&txn, &again).build_index(&*txn, &store.write(), index).unwrap_err();
            assert_eq!(error.report().message, "could not create unique index \"i\"");
            assert_eq!(error.report().detail.as_deref(), Some("Key (k)=(4) is duplicated."));
        }
    }
}

#[test]
fn the_check_finds_what_is_missing_and_what_is_damaged() {
    let store = Store::new();
    let desc = with_index(&table(&[("k", Oid::INT4)]), false, false);
    let ids: Vec<u32> = (0..3).map(|number| store.insert(&desc, &[Datum::Int4(number)]).unwrap()).collect();
    let mut batch = WriteBatch::default();
    let storage = desc.indexes[0].storage.0;
    let mut entries = Vec::new();
    store
        .manager
        .kv()
        .scan(Cf::Rows, &keyspace::entry_prefix(storage), &keyspace::entry_prefix(storage + 1), &mut |key, _| {
            entries.push(key.to_vec());
            Ok(true)
        })
        .unwrap();
    batch.delete(Cf::Rows, entries[1].clone());
    store.manager.kv().write(batch);
    let txn = store.begin();
    let problems = store.open(&txn, &desc).check(&*txn, &NoEvaluator).unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].row, problems[0].message.as_str()), (ids[1], "row has no entry in index \"i\""));
}

#[test]
fn the_primary_index_is_swept_of_keys_that_are_gone() {
    let store = Store::new();
    let desc = with_index(&table(&[("k", Oid::INT4)]), true, true);
    let ids: Vec<u32> = (0..100).map(|number| store.insert(&desc, &[Datum::Int4(number)]).unwrap()).collect();
    let full = store.tables.entries(StorageId(200));
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    for (number, id) in ids.iter().enumerate() {
        if number % 2 == 0 {
            store.delete(&txn, &table, *id).unwrap();
        } else {
            store.update(&txn, &table, *id, &[Datum::Int4(number as i32 + 1000)]).unwrap();
        }
    }
    txn.commit().unwrap();
    let txn = store.begin();
    // One key comes back before its entry is swept.
    store.update(&txn, &table, ids[1], &[Datum::Int4(1)]).unwrap();
    txn.commit().unwrap();
    store.manager.collect_garbage().unwrap();
    let txn = store.begin();
    assert_eq!((full, store.tables.entries(StorageId(200))), (100, 50));
    assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
    assert!(table.find(&*txn, &NoEvaluator, desc.indexes[0].oid, &[Datum::Int4(1)]).unwrap().is_some());
}

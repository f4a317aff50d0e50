//! Ranges that are narrow and ranges that are not, against a filter over all rows.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::Store;
use crate::table::test_support::{add_index, table};
use crate::table::{IndexScanSpec, KeyBound, NoEvaluator, ScanSpec, Table};
use crate::txn::Transaction;
use crate::types::{Datum, Oid};

const ROWS: i32 = 6000;

fn bound(kind: u8, value: i32) -> KeyBound {
    match kind {
        0 => KeyBound::Open,
        1 => KeyBound::Included(Datum::Int4(value)),
        _ => KeyBound::Excluded(Datum::Int4(value)),
    }
}

fn within(lower: (u8, i32), upper: (u8, i32), value: i32) -> bool {
    let above = match lower.0 {
        0 => true,
        1 => value >= lower.1,
        _ => value > lower.1,
    };
    let below = match upper.0 {
        0 => true,
        1 => value <= upper.1,
        _ => value < upper.1,
    };
    above && below
}

/// The ids of the rows of a range by its index, in the order in which they come; `None` when the whole scan is better.
fn by_index(txn: &Arc<Transaction>, table: &Table, spec: IndexScanSpec) -> Option<Vec<i32>> {
    let whole = ScanSpec::new(vec![0, 1], false);
    let scans = table.narrow_scans(txn, vec![spec], &whole).unwrap()?;
    let mut ids = Vec::new();
    for mut scan in scans {
        while let Some(batch) = scan.next(&NoEvaluator).unwrap() {
            ids.extend((0..batch.rows).map(|row| match batch.datum(0, Oid::INT4, row) {
                Datum::Int4(id) => id,
                other => panic!("{other:?}"),
            }));
        }
    }
    Some(ids)
}

#[test]
fn a_narrow_range_has_the_rows_of_the_filter_and_a_wide_one_is_left_to_the_scan() {
    let store = Store::new();
    let mut desc = table(&[("id", Oid::INT4), ("k", Oid::INT4)]);
    add_index(&mut desc, "p", &[0], true, true);
    add_index(&mut desc, "i", &[1], false, false);
    let desc = Arc::new(desc);
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    // The key of a row is three times its id, modulo the number of rows; then some move, some go.
    let mut live: Vec<(i32, i32)> = Vec::new();
    for id in 0..ROWS {
        let row = table.insert(&*txn, &store.write(), &[Datum::Int4(id), Datum::Int4(id * 3 % ROWS)]).unwrap();
        assert_eq!(row, id as u32 + 1);
        live.push((id, id * 3 % ROWS));
    }
    txn.commit().unwrap();
    let txn = store.begin();
    for id in (0..ROWS).step_by(7) {
        store.update(&txn, &table, id as u32 + 1, &[Datum::Int4(id), Datum::Int4(id)]).unwrap();
        live[id as usize].1 = id;
    }
    for id in (0..ROWS).step_by(11) {
        store.delete(&txn, &table, id as u32 + 1).unwrap();
    }
    live.retain(|(id, _)| id % 11 != 0);
    txn.commit().unwrap();

    let end = || (0_u8..3, -20_i32..ROWS + 20);
    let check = |primary: bool, lower: (u8, i32), upper: (u8, i32), warm: bool, seen: &mut (u32, u32)| {
        let txn = store.begin();
        let spec = IndexScanSpec {
            index: desc.indexes[usize::from(!primary)].oid,
            prefix: Vec::new(),
            lower: bound(lower.0, lower.1),
            upper: bound(upper.0, upper.1),
            backward: false,
            positions: vec![0],
            row_ids: false,
            commit_ts: false,
            batch_rows: 100,
        };
        let wanted: Vec<i32> = live
            .iter()
            .filter(|(id, key)| within(lower, upper, if primary { *id } else { *key }))
            .map(|(id, _)| *id)
            .collect();
        match by_index(&txn, &table, spec) {
            Some(found) => {
                seen.0 += 1;
                assert!(found.len() <= ROWS as usize / if warm { 400 } else { 8 });
                assert_eq!(found, wanted, "{lower:?} {upper:?}");
            }
            None => {
                seen.1 += 1;
                // Rows that were updated or deleted have entries besides.
                assert!(wanted.len() > if warm { 8 } else { 60 }, "{} of {lower:?} {upper:?}", wanted.len());
            }
        }
    };
    let near = |(primary, lower, upper, width): (bool, (u8, i32), (u8, i32), Option<i32>)| {
        (primary, lower, width.map_or(upper, |width| (upper.0, lower.1 + width)))
    };
    let width = prop::option::weighted(0.8, prop_oneof![0_i32..12, 0_i32..300]);
    let asked = (any::<bool>(), end(), end(), width).prop_map(near);
    let mut runner = TestRunner::deterministic();
    for warm in [false, true] {
        if warm {
            let mut scan = table.scan(&store.begin(), ScanSpec::new(vec![0, 1], false));
            while scan.next().unwrap().is_some() {}
        }
        let mut seen = (0, 0);
        for _ in 0..200 {
            let (primary, lower, upper) = asked.new_tree(&mut runner).unwrap().current();
            check(primary, lower, upper, warm, &mut seen);
        }
        assert!(seen.0 > 20 && seen.1 > 20, "{seen:?}");
    }
}

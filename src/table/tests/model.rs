//! Random writes to a table with a primary key, a unique and a plain index, against a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Store, scan_all};
use crate::table::test_support::{add_index, table};
use crate::table::{IndexScanSpec, KeyBound, NoEvaluator, Table};
use crate::txn::Transaction;
use crate::types::{Datum, Oid};

#[derive(Clone, Debug)]
enum Step {
    Insert(i32, Option<u8>, i32),
    Update(usize, i32, Option<u8>),
    Delete(usize),
    Commit,
    Rollback,
    Collect,
    Forget,
}

type Model = BTreeMap<u32, (i32, Option<u8>, i32)>;

fn step() -> impl Strategy<Value = Step> {
    let label = || prop::option::of(0_u8..12);
    prop_oneof![
        6 => (0..15, label(), 0..4).prop_map(|(id, label, group)| Step::Insert(id, label, group)),
        4 => (0_usize..20, 0..15, label()).prop_map(|(at, id, label)| Step::Update(at, id, label)),
        3 => (0_usize..20).prop_map(Step::Delete),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        1 => Just(Step::Collect),
        1 => Just(Step::Forget),
    ]
}

fn datums((id, label, group): &(i32, Option<u8>, i32)) -> Vec<Datum> {
    let label = label.map_or(Datum::Null, |label| Datum::text(format!("label {label}")));
    vec![Datum::Int4(*id), label, Datum::Int4(*group)]
}

/// Whether the values may stand beside those of other rows.
fn fits(model: &Model, own: Option<u32>, id: i32, label: Option<u8>) -> bool {
    let clash = |(row, other): (&u32, &(i32, Option<u8>, i32))| {
        Some(*row) != own && (other.0 == id || (label.is_some() && other.1 == label))
    };
    !model.iter().any(clash)
}

fn check(txn: &Arc<Transaction>, table: &Table, model: &Model) {
    let expected: Vec<String> = model.values().map(|row| format!("{:?}", datums(row))).collect();
    assert_eq!(scan_all(txn, table, 5), expected);
    // Once from the store, once from what the first left in memory.
    for _ in 0..2 {
        assert_eq!(scan_all(txn, table, 1024), expected);
    }
    assert_eq!(table.count(&**txn).unwrap(), expected.len() as u64);
    assert_eq!(table.check(&**txn, &NoEvaluator).unwrap(), []);
    for id in 0..15 {
        let found = table.find(&**txn, &NoEvaluator, table.desc().indexes[0].oid, &[Datum::Int4(id)]).unwrap();
        let expected =
            model.iter().find(|(_, row)| row.0 == id).map(|(row, values)| (*row, format!("{:?}", datums(values))));
        assert_eq!(found.map(|(row, values)| (row, format!("{values:?}"))), expected);
    }
    for group in 0..4 {
        let spec = IndexScanSpec {
            index: table.desc().indexes[2].oid,
            prefix: vec![Datum::Int4(group)],
            lower: KeyBound::Open,
            upper: KeyBound::Open,
            backward: group % 2 == 1,
            positions: vec![2],
            row_ids: false,
            commit_ts: false,
            batch_rows: 2,
        };
        let mut scan = table.index_scan(txn, spec).unwrap();
        let found: usize = std::iter::from_fn(|| scan.next(&NoEvaluator).unwrap()).map(|batch| batch.rows).sum();
        assert_eq!(found, model.values().filter(|row| row.2 == group).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_table_does_what_a_map_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut desc = table(&[("id", Oid::INT4), ("label", Oid::TEXT), ("grp", Oid::INT4)]);
        add_index(&mut desc, "t_pkey", &[0], true, true);
        add_index(&mut desc, "t_label_key", &[1], true, false);
        add_index(&mut desc, "t_grp", &[2], false, false);
        let (store, desc) = (Store::new(), Arc::new(desc));
        let (mut committed, mut model) = (Model::new(), Model::new());
        let mut txn = store.begin();
        let mut table = store.open(&txn, &desc);
        for step in steps {
            txn.begin_statement();
            let savepoint = txn.savepoint();
            let pick = |at: usize| model.keys().nth(at).copied();
            match step {
                Step::Insert(id, label, group) => {
                    let inserted = table.insert(&*txn, &store.write(), &datums(&(id, label, group)));
                    prop_assert_eq!(inserted.is_ok(), fits(&model, None, id, label));
                    match inserted {
                        Ok(row) => drop(model.insert(row, (id, label, group))),
                        Err(_) => txn.rollback_to(savepoint),
                    }
                }
                Step::Update(at, id, label) => {
                    let Some(row) = pick(at) else { continue };
                    let new = (id, label, model[&row].2);
                    let updated = store.update(&txn, &table, row, &datums(&new));
                    prop_assert_eq!(updated.is_ok(), fits(&model, Some(row), id, label));
                    match updated {
                        Ok(()) => drop(model.insert(row, new)),
                        Err(_) => txn.rollback_to(savepoint),
                    }
                }
                Step::Delete(at) => {
                    let Some(row) = pick(at) else { continue };
                    store.delete(&txn, &table, row).unwrap();
                    model.remove(&row);
                }
                Step::Commit | Step::Rollback | Step::Forget => {
                    if matches!(step, Step::Commit) {
                        txn.commit().unwrap();
                        committed = model.clone();
                    } else {
                        txn.rollback();
                        model = committed.clone();
                    }
                    if matches!(step, Step::Forget) {
                        store.tables.forget_table(&desc);
                    }
                    txn = store.begin();
                    table = store.open(&txn, &desc);
                    check(&txn, &table, &model);
                }
                Step::Collect => drop(store.manager.collect_garbage().unwrap()),
            }
        }
        txn.begin_statement();
        check(&txn, &table, &model);
    }
}

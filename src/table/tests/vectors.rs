//! Random writes to a table with a vector index, against a map: every row that a view sees comes exactly once, nearest first, also
//! for a view that is older than the writes; and when all is settled the graph holds just the rows there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::Store;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::vector_index::HNSW;
use crate::common::{CancelFlag, RowSet};
use crate::table::test_support::{add_index, table};
use crate::table::{AllowedRows, NoEvaluator, Table, VectorScanSpec};
use crate::txn::{Isolation, SavepointId, Transaction};
use crate::types::{Datum, Oid, SqlType};

/// `vector_l2_ops` of hnsw.
const L2: Oid = Oid(16482);

#[derive(Clone, Debug)]
enum Step {
    Insert(Option<u8>),
    Update(usize, Option<u8>),
    Delete(usize),
    Savepoint,
    Back,
    Commit,
    Rollback,
    Collect,
    Link,
}

/// Rows with the number of their vector.
type Model = BTreeMap<u32, Option<u8>>;

fn step() -> impl Strategy<Value = Step> {
    let vector = || prop::option::weighted(0.9, 0..=NEGATIVE_ZERO);
    prop_oneof![
        6 => vector().prop_map(Step::Insert),
        6 => (0_usize..12, vector()).prop_map(|(at, vector)| Step::Update(at, vector)),
        3 => (0_usize..12).prop_map(Step::Delete),
        2 => Just(Step::Savepoint),
        2 => Just(Step::Back),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => Just(Step::Collect),
        3 => Just(Step::Link),
    ]
}

/// The last one equals the first and has other bytes.
const NEGATIVE_ZERO: u8 = 6;

fn place(number: u8) -> [f32; 2] {
    match number {
        NEGATIVE_ZERO => [-0.0, 0.0],
        number => [f32::from(number), f32::from(number % 3)],
    }
}

fn vector(number: u8) -> Datum {
    Datum::Vector(Arc::from(place(number)))
}

fn row(number: Option<u8>) -> Vec<Datum> {
    vec![number.map_or(Datum::Null, vector)]
}

fn described() -> Arc<TableDesc> {
    let mut desc = table(&[("v", Oid::VECTOR)]);
    desc.columns[0].ty = SqlType { oid: Oid::VECTOR, typmod: 2 };
    add_index(&mut desc, "t_v", &[0], false, false);
    let mut index: IndexDesc = (*desc.indexes[0]).clone();
    index.method = HNSW;
    index.keys[0].opclass = L2;
    desc.indexes[0] = Arc::new(index);
    Arc::new(desc)
}

/// Row ids as a search to its end finds them, a few at a time.
fn found(txn: &Arc<Transaction>, table: &Table, allowed: Option<Arc<AllowedRows>>) -> Vec<Vec<u32>> {
    let (index, query) = (table.desc().indexes[0].oid, vector(2));
    let spec = VectorScanSpec {
        index,
        query,
        ef: 4,
        wanted: 3,
        allowed,
        admission: None,
        positions: Vec::new(),
        system: true,
    };
    let mut scan = table.vector_scan(txn, spec).unwrap().expect("the index is loaded");
    let mut rows = Vec::new();
    while let Some(batch) = scan.next(3, &NoEvaluator, &CancelFlag::new()).unwrap() {
        let row = |at| batch.datum(0, Oid::INT8, at).as_i64().expect("a row id") as u32;
        rows.push((0..batch.rows).map(row).collect());
    }
    rows
}

fn check(txn: &Arc<Transaction>, table: &Table, model: &Model) {
    let mut expected: Vec<u32> = model.iter().filter(|(_, vector)| vector.is_some()).map(|(row, _)| *row).collect();
    let rows = found(txn, table, None);
    let distance = |row: &u32| {
        let [x, y] = place(model[row].expect("it has a vector"));
        (x - 2.0).powi(2) + (y - 2.0).powi(2)
    };
    // A walk of four candidates may end before the nearest; those of one call are in order all the same.
    for rows in &rows {
        assert!(rows.is_sorted_by(|a, b| distance(a) <= distance(b)), "{rows:?}");
    }
    let sorted = |rows: Vec<Vec<u32>>| {
        let mut rows = rows.concat();
        rows.sort_unstable();
        rows
    };
    assert_eq!(sorted(rows), expected);
    let mut allowed = RowSet::default();
    expected.retain(|row| row % 2 == 0);
    for row in (0..64).step_by(2) {
        allowed.insert(row);
    }
    assert_eq!(sorted(found(txn, table, Some(Arc::new(AllowedRows::new(allowed))))), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_index_finds_what_a_view_sees(steps in prop::collection::vec(step(), 1..60)) {
        let (store, desc) = (Store::new(), described());
        let (mut committed, mut model) = (Model::new(), Model::new());
        let mut saved: Option<(SavepointId, Model)> = None;
        let mut txn = store.begin();
        let table = store.open(&txn, &desc);
        // Someone who goes on seeing what was committed when he came.
        let mut old = (store.manager.begin(Isolation::RepeatableRead, true), Model::new());
        old.0.begin_statement();
        for step in steps {
            txn.begin_statement();
            let pick = |at: usize| model.keys().nth(at).copied();
            match step {
                Step::Insert(number) => {
                    let id = table.insert(&*txn, &store.write(), &row(number)).unwrap();
                    model.insert(id, number);
                }
                Step::Update(at, number) => {
                    let Some(id) = pick(at) else { continue };
                    store.update(&txn, &table, id, &row(number)).unwrap();
                    model.insert(id, number);
                }
                Step::Delete(at) => {
                    let Some(id) = pick(at) else { continue };
                    store.delete(&txn, &table, id).unwrap();
                    model.remove(&id);
                }
                Step::Savepoint => saved = Some((txn.savepoint(), model.clone())),
                Step::Back => {
                    let Some((savepoint, before)) = saved.take() else { continue };
                    txn.rollback_to(savepoint);
                    model = before;
                }
                Step::Commit | Step::Rollback => {
                    if matches!(step, Step::Commit) {
                        txn.commit().unwrap();
                        committed = model.clone();
                    } else {
                        txn.rollback();
                        model = committed.clone();
                    }
                    saved = None;
                    check(&old.0, &table, &old.1);
                    old = (store.manager.begin(Isolation::RepeatableRead, true), committed.clone());
                    old.0.begin_statement();
                    txn = store.begin();
                }
                Step::Collect => drop(store.manager.collect_garbage().unwrap()),
                Step::Link => store.tables.link_vectors(1, &|| false),
            }
            txn.begin_statement();
            check(&txn, &table, &model);
        }
        check(&old.0, &table, &old.1);
        prop_assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
        txn.commit().unwrap();
        old.0.rollback();
        store.manager.collect_garbage().unwrap();
        let live = model.values().filter(|vector| vector.is_some()).count();
        let entries = table.vector_entries(desc.indexes[0].oid).unwrap();
        prop_assert_eq!(entries, Some(live));
    }
}

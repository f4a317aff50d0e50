//! Codes of a vector index that was made before its rows are chosen anew from what the table has.

use std::sync::Arc;

use super::Store;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::vector_index::HNSW;
use crate::common::splitmix;
use crate::table::test_support::{add_index, table};
use crate::table::{Filling, NoEvaluator, Table};
use crate::txn::Transaction;
use crate::types::{Datum, Oid, SqlType};

/// `vector_l2_ops` of hnsw.
const L2: Oid = Oid(16482);
/// So many that codes are coarse.
const DIMS: u16 = 300;

fn described() -> Arc<TableDesc> {
    let mut desc = table(&[("v", Oid::VECTOR)]);
    desc.columns[0].ty = SqlType { oid: Oid::VECTOR, typmod: i32::from(DIMS) };
    add_index(&mut desc, "t_v", &[0], false, false);
    let mut index: IndexDesc = (*desc.indexes[0]).clone();
    index.method = HNSW;
    index.keys[0].opclass = L2;
    desc.indexes[0] = Arc::new(index);
    Arc::new(desc)
}

fn insert(store: &Store, txn: &Transaction, table: &Table, ids: std::ops::Range<u64>) {
    for id in ids {
        let unit = |at: u16| (splitmix::mix(id << 16 | u64::from(at)) >> 40) as f32 / (1 << 24) as f32;
        table.insert(txn, &store.write(), &[Datum::Vector((0..DIMS).map(unit).collect())]).unwrap();
    }
}

#[test]
fn codes_are_chosen_from_rows_that_are_committed() {
    let (store, desc) = (Store::new(), described());
    let index = &desc.indexes[0];
    let filling = Filling { threads: 1, progress: &|_, _| (), pause: &|| (), room: &|_| None };
    let txn = store.begin();
    store.open(&txn, &desc).build_vector_index(&*txn, &store.write(), index.oid, &filling).unwrap();
    txn.commit().unwrap();
    let recode = || {
        let txn = store.begin();
        store.open(&txn, &desc).recode_vector_index(&*txn, &NoEvaluator, index.oid, &filling, &store.cancel).unwrap()
    };
    let first = store.begin();
    insert(&store, &first, &store.open(&first, &desc), 0..110);
    first.commit().unwrap();
    assert_eq!(store.tables.outgrown_vectors(), []);
    let load = store.begin();
    insert(&store, &load, &store.open(&load, &desc), 110..150);
    assert_eq!(store.tables.outgrown_vectors(), [index.storage]);
    assert!(recode(), "no row is needed the first time");
    assert_eq!(store.tables.outgrown_vectors(), []);
    insert(&store, &load, &store.open(&load, &desc), 150..400);
    store.tables.link_vectors(1, &|| false);
    assert_eq!(store.tables.outgrown_vectors(), [index.storage]);
    assert!(!recode(), "no row can be read yet");
    assert_eq!(store.tables.outgrown_vectors(), [index.storage]);
    load.commit().unwrap();
    let other = store.begin();
    insert(&store, &other, &store.open(&other, &desc), 400..420);
    assert!(recode(), "all but a few rows can be read");
    assert_eq!(store.tables.outgrown_vectors(), []);
    other.rollback();
    store.manager.collect_garbage().unwrap();
    let txn = store.begin();
    let table = store.open(&txn, &desc);
    assert_eq!(table.vector_entries(index.oid).unwrap(), Some(400));
    assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
}

//! What is derived comes back after a restart: vector indexes from their checkpoints, primary indexes when they are needed.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Store;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::vector_index::HNSW;
use crate::common::CancelFlag;
use crate::storage::{Kv, MemoryKv};
use crate::table::test_support::{add_index, table};
use crate::table::{Filling, NoEvaluator, Table, Tables};
use crate::txn::{Isolation, Transaction, TxnManager, TxnOptions};
use crate::types::{Datum, Oid, SqlType};

/// `vector_l2_ops` of hnsw.
const L2: Oid = Oid(16482);

/// Rows of a key and a vector, both with an index.
fn described() -> Arc<TableDesc> {
    let mut desc = table(&[("id", Oid::INT4), ("v", Oid::VECTOR)]);
    desc.columns[1].ty = SqlType { oid: Oid::VECTOR, typmod: 2 };
    add_index(&mut desc, "t_pkey", &[0], true, true);
    add_index(&mut desc, "t_v", &[1], false, false);
    let mut index: IndexDesc = (*desc.indexes[1]).clone();
    index.method = HNSW;
    index.keys[0].opclass = L2;
    desc.indexes[1] = Arc::new(index);
    Arc::new(desc)
}

fn row(id: i32, place: i32) -> Vec<Datum> {
    vec![Datum::Int4(id), Datum::Vector(Arc::from([place as f32, 1.0]))]
}

/// What a process has when it starts on what another left.
fn start(kv: &Arc<MemoryKv>, desc: &TableDesc, dir: &Path) -> Store {
    let manager = TxnManager::open(Arc::clone(kv) as Arc<dyn Kv>, TxnOptions::default()).unwrap();
    let tables = Arc::new(Tables::new(42));
    manager.set_sweeper(tables.clone());
    let vectors = &desc.indexes[1];
    tables.keep_checkpoints(dir.to_owned(), &|index| index == vectors.storage).unwrap();
    tables.await_vectors(vectors.storage, desc.storage);
    Store { manager, tables, cancel: CancelFlag::new() }
}

fn restore(store: &Store, desc: &Arc<TableDesc>, threads: usize) -> bool {
    let (txn, index) = (store.begin(), desc.indexes[1].oid);
    store.open(&txn, desc).restore_vector_index(&store.tables, &*txn, &NoEvaluator, index, threads).unwrap()
}

fn load(store: &Store, desc: &Arc<TableDesc>) {
    let filling = Filling { threads: 2, progress: &|_, _| (), pause: &|| (), room: &|_| None };
    let (txn, index) = (store.begin(), desc.indexes[1].oid);
    store
        .open(&txn, desc)
        .load_vector_index(&store.tables, &*txn, &NoEvaluator, index, &filling, &store.cancel)
        .unwrap();
}

/// The index holds just the rows there are.
fn check(store: &Store, desc: &Arc<TableDesc>, rows: usize) {
    let txn = store.begin();
    let table = store.open(&txn, desc);
    assert_eq!(table.vector_entries(desc.indexes[1].oid).unwrap(), Some(rows));
    assert_eq!(table.check(&*txn, &NoEvaluator).unwrap(), []);
}

fn change(store: &Store, desc: &Arc<TableDesc>, change: impl Fn(&Arc<Transaction>, &Table)) {
    let txn = store.begin();
    change(&txn, &store.open(&txn, desc));
    txn.commit().unwrap();
    store.manager.collect_garbage().unwrap();
}

fn insert(store: &Store, txn: &Transaction, table: &Table, ids: RangeInclusive<i32>) {
    for id in ids {
        table.insert(txn, &store.write(), &row(id, id)).unwrap();
    }
}

#[test]
fn a_checkpoint_of_any_age_is_brought_up_to_date_and_a_damaged_one_is_not_trusted() {
    let (kv, desc, dir) = (Arc::new(MemoryKv::new()), described(), tempfile::tempdir().unwrap());
    let store = start(&kv, &desc, dir.path());
    load(&store, &desc);
    change(&store, &desc, |txn, table| {
        insert(&store, txn, table, 1..=500);
    });
    assert_eq!(store.tables.checkpoint_vectors(true).unwrap(), 1);
    // The checkpoint knows nothing of this.
    change(&store, &desc, |txn, table| {
        insert(&store, txn, table, 501..=600);
        (1..=50).for_each(|id| store.update(txn, table, id, &row(id as i32, -1)).unwrap());
        (51..=90).for_each(|id| store.delete(txn, table, id).unwrap());
    });
    check(&store, &desc, 560);
    for (threads, first) in [(1, 100), (3, 101)] {
        let store = start(&kv, &desc, dir.path());
        // Who writes meanwhile waits in line.
        change(&store, &desc, |txn, table| {
            store.delete(txn, table, first).unwrap();
            insert(&store, txn, table, first as i32..=first as i32);
        });
        assert!(restore(&store, &desc, threads));
        check(&store, &desc, 560);
    }
    let path = dir.path().join(format!("{}.graph", desc.indexes[1].storage.0));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let store = start(&kv, &desc, dir.path());
    assert!(!restore(&store, &desc, 2));
    load(&store, &desc);
    check(&store, &desc, 560);
}

#[test]
fn queries_wait_for_a_checkpoint_and_for_nothing_else() {
    let (kv, desc, dir) = (Arc::new(MemoryKv::new()), described(), tempfile::tempdir().unwrap());
    let (index, cancel) = (desc.indexes[1].oid, CancelFlag::new());
    let store = start(&kv, &desc, dir.path());
    let none = |store: &Store| store.open(&store.begin(), &desc).vector_entries(index).unwrap();
    // No checkpoint: the index is built from rows, and queries do without.
    store.open(&store.begin(), &desc).await_vector_index(index, f64::from(u32::MAX), &cancel).unwrap();
    assert_eq!(none(&store), None);
    load(&store, &desc);
    change(&store, &desc, |txn, table| insert(&store, txn, table, 1..=1));
    assert_eq!(store.tables.checkpoint_vectors(true).unwrap(), 1);
    let store = start(&kv, &desc, dir.path());
    let storage = desc.indexes[1].storage;
    // The checkpoints of others come first, for longer than comparing all rows takes.
    assert!(!store.tables.is_wanted(storage));
    store.open(&store.begin(), &desc).await_vector_index(index, 1.0, &cancel).unwrap();
    assert_eq!((none(&store), store.tables.is_wanted(storage)), (None, true));
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            store.open(&store.begin(), &desc).await_vector_index(index, f64::from(u32::MAX), &cancel).unwrap();
            none(&store)
        });
        std::thread::sleep(Duration::from_millis(5));
        assert!(restore(&store, &desc, 2));
        assert_eq!(waiter.join().expect("no panic"), Some(1));
    });
    // What was promised and will not come is not waited for.
    let store = start(&kv, &desc, dir.path());
    store.tables.give_up_checkpoint(storage);
    store.open(&store.begin(), &desc).await_vector_index(index, f64::from(u32::MAX), &cancel).unwrap();
    assert_eq!(none(&store), None);
}

#[test]
fn who_began_before_an_index_was_there_goes_without_it() {
    let (kv, desc, dir) = (Arc::new(MemoryKv::new()), described(), tempfile::tempdir().unwrap());
    let storage = desc.indexes[1].storage;
    let store = start(&kv, &desc, dir.path());
    load(&store, &desc);
    assert_eq!(store.tables.checkpoint_vectors(true).unwrap(), 0);
    change(&store, &desc, |txn, table| insert(&store, txn, table, 1..=1));
    assert_eq!(store.tables.checkpoint_vectors(true).unwrap(), 1);
    // The checkpoint has row 1 and not row 2.
    change(&store, &desc, |txn, table| insert(&store, txn, table, 2..=2));
    for (changed, checkpoint, without) in [(1, true, false), (2, true, true), (1, false, true), (2, false, true)] {
        let store = start(&kv, &desc, dir.path());
        let old = store.manager.begin(Isolation::RepeatableRead, true);
        old.begin_statement();
        change(&store, &desc, |txn, table| {
            store.update(txn, table, changed, &row(changed as i32, 10 * changed as i32)).unwrap();
        });
        if checkpoint {
            assert!(restore(&store, &desc, 2));
        } else {
            load(&store, &desc);
        }
        let goes_without =
            |txn: &Transaction| store.tables.made_at(storage).is_some_and(|made| made > txn.snapshot_ts());
        assert_eq!(goes_without(&old), without, "row {changed}, checkpoint {checkpoint}");
        let new = store.begin();
        new.begin_statement();
        assert!(!goes_without(&new));
        drop(old);
        change(&store, &desc, |txn, table| {
            store.update(txn, table, changed, &row(changed as i32, changed as i32)).unwrap();
        });
    }
}

#[test]
fn an_old_snapshot_finds_by_key_what_was_deleted_before_the_index_was_built() {
    let (kv, desc, dir) = (Arc::new(MemoryKv::new()), described(), tempfile::tempdir().unwrap());
    let store = start(&kv, &desc, dir.path());
    for id in 1..=3 {
        store.insert(&desc, &row(id, id)).unwrap();
    }
    let store = start(&kv, &desc, dir.path());
    let old = store.manager.begin(Isolation::RepeatableRead, true);
    old.begin_statement();
    change(&store, &desc, |txn, table| {
        store.delete(txn, table, 1).unwrap();
        store.update(txn, table, 2, &row(20, 2)).unwrap();
    });
    let find = |txn: &Transaction, id: i32| {
        let table = store.open(txn, &desc);
        table.find(txn, &NoEvaluator, desc.indexes[0].oid, &[Datum::Int4(id)]).unwrap().map(|(row, _)| row)
    };
    assert_eq!([1, 2, 20, 3].map(|id| find(&old, id)), [Some(1), Some(2), None, Some(3)]);
    let new = store.begin();
    assert_eq!([1, 2, 20, 3].map(|id| find(&new, id)), [None, None, Some(2), Some(3)]);
    // A key that is taken is refused by who comes first after a start, too.
    let store = start(&kv, &desc, dir.path());
    assert_eq!(store.insert(&desc, &row(3, 9)).expect_err("it is there").sqlstate().as_str(), "23505");
}

//! Random writes to a table whose vector index includes columns, against a map: whatever the views, the restarts and what is
//! collected when, no row is left out that a view sees and that satisfies a condition; and when all is settled, nobody else is let in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::Store;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::vector_index::HNSW;
use crate::common::CancelFlag;
use crate::storage::{Kv, MemoryKv};
use crate::table::test_support::{add_index, table};
use crate::table::{Accepts, Admission, Condition, Filling, Included, NoEvaluator, Table, Tables, VectorScanSpec};
use crate::txn::{Isolation, SavepointId, Transaction, TxnManager, TxnOptions};
use crate::types::{Datum, Oid, SqlType};

/// `vector_l2_ops` of hnsw.
const L2: Oid = Oid(16482);

/// Number and text, and whether there is a vector.
type Values = (Option<i32>, u8, bool);
type Model = BTreeMap<u32, Values>;

#[derive(Clone, Debug)]
enum Step {
    Insert(Values),
    Update(usize, Values),
    /// A vector that comes or goes, and nothing else.
    Move(usize),
    Delete(usize),
    /// By another transaction, which commits or not.
    Beside(usize, Values, bool),
    Savepoint,
    Back,
    Commit,
    Rollback,
    Collect,
    /// Someone comes who stays for long.
    Stay,
    /// The graph is there again at once, and included columns with it, or it never is.
    Restart(bool),
    Fill,
}

fn step() -> impl Strategy<Value = Step> {
    let values = || (prop::option::weighted(0.8, 0..4_i32), 0..5_u8, prop::bool::weighted(0.9));
    prop_oneof![
        6 => values().prop_map(Step::Insert),
        8 => (0_usize..12, values()).prop_map(|(at, values)| Step::Update(at, values)),
        3 => (0_usize..12).prop_map(Step::Move),
        3 => (0_usize..12).prop_map(Step::Delete),
        3 => (0_usize..12, values(), any::<bool>()).prop_map(|(at, values, commits)| Step::Beside(at, values, commits)),
        2 => Just(Step::Savepoint),
        2 => Just(Step::Back),
        4 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        5 => Just(Step::Collect),
        1 => Just(Step::Stay),
        2 => any::<bool>().prop_map(Step::Restart),
        2 => Just(Step::Fill),
    ]
}

/// Some alike as far as they are kept whole, some not.
fn text(number: u8) -> String {
    let texts = ["", "short", "a tenant with a long name", "a tenant with a longer name", "b"];
    texts[usize::from(number)].to_owned()
}

fn row((number, name, vector): Values) -> Vec<Datum> {
    let place = || Datum::Vector(Arc::from([f32::from(name), 1.0]));
    vec![if vector { place() } else { Datum::Null }, number.map_or(Datum::Null, Datum::Int4), Datum::text(text(name))]
}

fn described() -> Arc<TableDesc> {
    let mut desc = table(&[("v", Oid::VECTOR), ("number", Oid::INT4), ("name", Oid::TEXT)]);
    desc.columns[0].ty = SqlType { oid: Oid::VECTOR, typmod: 2 };
    add_index(&mut desc, "t_v", &[0], false, false);
    let mut index: IndexDesc = (*desc.indexes[0]).clone();
    index.method = HNSW;
    index.keys[0].opclass = L2;
    index.include = vec![2, 3];
    desc.indexes[0] = Arc::new(index);
    Arc::new(desc)
}

/// A process that starts on what another left.
fn start(kv: &Arc<MemoryKv>, desc: &TableDesc) -> Store {
    let manager = TxnManager::open(Arc::clone(kv) as Arc<dyn Kv>, TxnOptions::default()).unwrap();
    let tables = Arc::new(Tables::new(42));
    manager.set_sweeper(tables.clone());
    tables.await_vectors(desc.indexes[0].storage, desc.storage);
    Store { manager, tables, cancel: CancelFlag::new() }
}

type Truth = fn(&Values) -> bool;

/// Conditions, with what they say of the model's rows.
fn conditions(included: &Included) -> Vec<(Condition, Truth)> {
    let (number, name) = (included.column(2).unwrap(), included.column(3).unwrap());
    let accepts = |less, equal, greater| Accepts { less, equal, greater };
    let long = Datum::text(text(2));
    let list = [Datum::text(text(1)), long.clone()];
    vec![
        (Condition::compare(number, accepts(false, true, false), &Datum::Int4(2)), |row| row.0 == Some(2)),
        (Condition::compare(number, accepts(true, false, true), &Datum::Int4(2)), |row| row.0.is_some_and(|n| n != 2)),
        (Condition::compare(number, accepts(true, true, false), &Datum::Int8(1)), |row| row.0.is_some_and(|n| n <= 1)),
        (Condition::Null(number, true), |row| row.0.is_none()),
        (Condition::Null(number, false), |row| row.0.is_some()),
        (Condition::compare(name, accepts(false, true, false), &long), |row| row.1 == 2),
        (Condition::compare(name, accepts(false, false, true), &long), |row| matches!(row.1, 1 | 3 | 4)),
        (Condition::one_of(name, list.iter(), false), |row| matches!(row.1, 1 | 2)),
        (Condition::one_of(name, list.iter(), true), |row| !matches!(row.1, 1 | 2)),
        (
            Condition::all(vec![
                Condition::compare(number, accepts(false, true, true), &Datum::Int4(1)),
                Condition::compare(number, accepts(true, false, false), &Datum::Int4(3)),
                Condition::Any(vec![
                    Condition::Null(number, true),
                    Condition::compare(name, accepts(true, false, true), &Datum::text(text(4))),
                ]),
            ]),
            |row| matches!(row.0, Some(1 | 2)) && row.1 != 4,
        ),
    ]
}

/// Row ids that a search among the admitted finds, to its end.
fn found(txn: &Arc<Transaction>, table: &Table, admission: Admission) -> Option<BTreeSet<u32>> {
    let spec = VectorScanSpec {
        index: table.desc().indexes[0].oid,
        query: Datum::Vector(Arc::from([2.0, 1.0])),
        ef: 4,
        wanted: 3,
        allowed: None,
        admission: Some(Arc::new(admission)),
        positions: Vec::new(),
        system: true,
    };
    let (mut scan, mut rows) = (table.vector_scan(txn, spec).unwrap()?, BTreeSet::new());
    while let Some(batch) = scan.next(3, &NoEvaluator, &CancelFlag::new()).unwrap() {
        rows.extend((0..batch.rows).map(|at| batch.datum(0, Oid::INT8, at).as_i64().expect("a row id") as u32));
    }
    Some(rows)
}

/// Nobody is left out whom a view sees.
fn check(txn: &Arc<Transaction>, table: &Table, view: &Model) {
    let Some(included) = table.included(table.desc().indexes[0].oid).unwrap() else { return };
    for (condition, truth) in conditions(included) {
        let admission = included.admission(condition.clone());
        let rows = admission.rows();
        if let Some(found) = found(txn, table, included.admission(condition.clone())) {
            let expected = |values: &Values| values.2 && truth(values);
            assert!(view.iter().all(|(row, values)| found.contains(row) || !expected(values)), "{condition:?}");
            assert!(found.iter().all(|row| view.get(row).is_some_and(|values| values.2)), "{condition:?}");
        }
        for (row, _) in view.iter().filter(|(_, values)| truth(values)) {
            assert!(admission.admits(*row), "{condition:?} leaves {row} out");
            assert!(rows.contains(*row) || !view[row].2, "{condition:?} leaves {row} out of all");
        }
    }
}

/// Nobody else is let in, of those that are seen, but for what is not kept whole.
fn check_settled(table: &Table, model: &Model) {
    let included = table.included(table.desc().indexes[0].oid).unwrap().expect("it is complete");
    for (condition, truth) in conditions(included) {
        let admission = included.admission(condition.clone());
        for (row, values) in model.iter().filter(|(_, values)| !truth(values) && !matches!(values.1, 2 | 3)) {
            // Nobody has said anything of a row without a vector that was there before the index.
            assert!(!admission.admits(*row) || !values.2, "{condition:?} lets {row} in");
        }
    }
}

struct Play {
    kv: Arc<MemoryKv>,
    desc: Arc<TableDesc>,
    store: Store,
    txn: Arc<Transaction>,
    table: Table,
    model: Model,
    committed: Model,
    saved: Option<(SavepointId, Model)>,
    /// Someone who goes on seeing what was committed when he came.
    old: (Arc<Transaction>, Model),
    /// Another one, over many commits.
    ancient: (Arc<Transaction>, Model),
}

fn reader(store: &Store) -> Arc<Transaction> {
    let txn = store.manager.begin(Isolation::RepeatableRead, true);
    txn.begin_statement();
    drop(txn.view());
    txn
}

/// Brings the graph back.
fn load(store: &Store, table: &Table, txn: &Transaction) {
    let filling = Filling { threads: 1, progress: &|_, _| (), pause: &|| (), room: &|_| None };
    let index = table.desc().indexes[0].oid;
    table.load_vector_index(&store.tables, txn, &NoEvaluator, index, &filling, &store.cancel).unwrap();
}

impl Play {
    fn new() -> Self {
        let (kv, desc) = (Arc::new(MemoryKv::new()), described());
        let store = start(&kv, &desc);
        let (txn, old, ancient) = (store.begin(), (reader(&store), Model::new()), (reader(&store), Model::new()));
        let table = store.open(&txn, &desc);
        load(&store, &table, &txn);
        let (model, committed, saved) = Default::default();
        Self { kv, desc, store, txn, table, model, committed, saved, old, ancient }
    }

    fn fill(&self) {
        let (txn, index) = (self.store.begin(), self.desc.indexes[0].oid);
        self.table.load_included(&*txn, index, &self.store.cancel).unwrap();
    }

    fn begin(&mut self) {
        self.saved = None;
        check(&self.old.0, &self.table, &self.old.1);
        self.old = (reader(&self.store), self.committed.clone());
        self.txn = self.store.begin();
    }

    fn update(&mut self, row: u32, values: Values) {
        self.store.update(&self.txn, &self.table, row, &self::row(values)).unwrap();
        self.model.insert(row, values);
    }

    /// Another transaction changes a row that this one has not written.
    fn beside(&mut self, row: u32, values: Values, commits: bool) {
        if self.store.manager.in_flight(self.desc.storage, row) || !self.committed.contains_key(&row) {
            return;
        }
        let txn = self.store.begin();
        self.store.update(&txn, &self.table, row, &self::row(values)).unwrap();
        check(&self.txn, &self.table, &self.model);
        if commits {
            txn.commit().unwrap();
            self.committed.insert(row, values);
            self.model.insert(row, values);
        } else {
            txn.rollback();
        }
    }

    /// One step, a statement of its own.
    fn step(&mut self, step: &Step) {
        self.txn.begin_statement();
        let pick = |at: usize| self.model.keys().nth(at).copied();
        match step {
            Step::Insert(values) => {
                let id = self.table.insert(&*self.txn, &self.store.write(), &row(*values)).unwrap();
                self.model.insert(id, *values);
            }
            Step::Update(at, values) => drop(pick(*at).map(|row| self.update(row, *values))),
            Step::Move(at) => {
                let Some(row) = pick(*at) else { return };
                let (number, name, vector) = self.model[&row];
                self.update(row, (number, name, !vector));
            }
            Step::Delete(at) => {
                let Some(row) = pick(*at) else { return };
                self.store.delete(&self.txn, &self.table, row).unwrap();
                self.model.remove(&row);
            }
            Step::Beside(at, values, commits) => drop(pick(*at).map(|row| self.beside(row, *values, *commits))),
            Step::Savepoint => self.saved = Some((self.txn.savepoint(), self.model.clone())),
            Step::Back => {
                let Some((savepoint, before)) = self.saved.take() else { return };
                self.txn.rollback_to(savepoint);
                // What others have committed meanwhile stays.
                let kept = before.into_iter().map(|(row, values)| {
                    let untouched = !self.store.manager.in_flight(self.desc.storage, row);
                    (row, self.committed.get(&row).copied().filter(|_| untouched).unwrap_or(values))
                });
                self.model = kept.collect();
            }
            Step::Commit => {
                self.txn.commit().unwrap();
                self.committed = self.model.clone();
                self.begin();
            }
            Step::Rollback => {
                self.txn.rollback();
                self.model = self.committed.clone();
                self.begin();
            }
            Step::Collect => drop(self.store.manager.collect_garbage().unwrap()),
            Step::Stay => self.ancient = (reader(&self.store), self.committed.clone()),
            Step::Restart(graph) => {
                self.txn.rollback();
                self.model = self.committed.clone();
                self.store = start(&self.kv, &self.desc);
                let txn = self.store.begin();
                self.table = self.store.open(&txn, &self.desc);
                if *graph {
                    load(&self.store, &self.table, &txn);
                }
                self.old = (reader(&self.store), self.committed.clone());
                self.ancient = (reader(&self.store), self.committed.clone());
                self.txn = txn;
                self.saved = None;
            }
            Step::Fill => self.fill(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn included_columns_leave_nobody_out(steps in prop::collection::vec(step(), 1..60)) {
        let mut play = Play::new();
        for step in steps {
            play.step(&step);
            play.txn.begin_statement();
            check(&play.txn, &play.table, &play.model);
            check(&play.old.0, &play.table, &play.old.1);
            check(&play.ancient.0, &play.table, &play.ancient.1);
        }
        play.txn.commit().unwrap();
        play.old.0.rollback();
        play.ancient.0.rollback();
        play.fill();
        // What was put off while it was being written is looked at after the next commit.
        let last = (Some(1), 1, true);
        play.model.insert(play.store.insert(&play.desc, &row(last)).unwrap(), last);
        play.store.manager.collect_garbage().unwrap();
        check(&play.store.begin(), &play.table, &play.model);
        check_settled(&play.table, &play.model);
    }
}

/// One that was deleted while included columns were away is still there for who came before.
#[test]
fn who_left_before_they_were_read_is_let_in() {
    let mut play = Play::new();
    let values = (Some(2), 1, true);
    for step in [
        Step::Insert(values),
        Step::Insert(values),
        Step::Commit,
        Step::Restart(false),
        Step::Delete(0),
        Step::Commit,
        Step::Collect,
        Step::Fill,
    ] {
        play.step(&step);
    }
    assert_eq!((play.ancient.1.len(), play.model.len()), (2, 1));
    check(&play.ancient.0, &play.table, &play.ancient.1);
}

/// An older entry of a row that is swept says nothing about who still sees the row.
#[test]
fn who_left_is_let_in_while_anyone_sees_him() {
    let mut play = Play::new();
    let values = |name| (Some(2), name, true);
    for step in [
        Step::Insert(values(0)),
        Step::Commit,
        Step::Update(0, values(1)),
        Step::Commit,
        Step::Stay,
        Step::Delete(0),
        Step::Commit,
        Step::Collect,
    ] {
        play.step(&step);
    }
    assert_eq!((play.ancient.1.len(), play.model.len()), (1, 0));
    check(&play.ancient.0, &play.table, &play.ancient.1);
}

//! Random interleavings of transactions against a model that keeps every version of every row in a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{T, memory, open, read, rows, try_lock};
use crate::storage::Kv;
use crate::txn::{FreshRows, Isolation, Locked, RowState, RowStore, SavepointId, Transaction, TxnManager, Wait};

const SLOTS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(usize, bool),
    Statement(usize),
    Insert(usize, u8),
    InsertMany(usize, u8, u8),
    Change(usize, u32, Option<u8>),
    Read(usize, u32),
    Scan(usize),
    Savepoint(usize),
    RollbackTo(usize, usize),
    Release(usize, usize),
    Commit(usize),
    Rollback(usize),
    Collect,
    Reopen,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = 0..SLOTS;
    prop_oneof![
        3 => (slot.clone(), any::<bool>()).prop_map(|(slot, strict)| Step::Begin(slot, strict)),
        4 => slot.clone().prop_map(Step::Statement),
        6 => (slot.clone(), any::<u8>()).prop_map(|(slot, value)| Step::Insert(slot, value)),
        3 => (slot.clone(), any::<u8>(), 1_u8..5).prop_map(|(slot, value, count)| Step::InsertMany(slot, value, count)),
        8 => (slot.clone(), 1_u32..12, any::<u8>()).prop_map(|(slot, row, value)| Step::Change(slot, row, Some(value))),
        4 => (slot.clone(), 1_u32..12).prop_map(|(slot, row)| Step::Change(slot, row, None)),
        4 => (slot.clone(), 1_u32..12).prop_map(|(slot, row)| Step::Read(slot, row)),
        4 => slot.clone().prop_map(Step::Scan),
        3 => slot.clone().prop_map(Step::Savepoint),
        2 => (slot.clone(), 0_usize..3).prop_map(|(slot, at)| Step::RollbackTo(slot, at)),
        1 => (slot.clone(), 0_usize..3).prop_map(|(slot, at)| Step::Release(slot, at)),
        4 => slot.clone().prop_map(Step::Commit),
        1 => slot.prop_map(Step::Rollback),
        1 => Just(Step::Collect),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ]
}

fn body(value: u8) -> Vec<u8> {
    vec![value; 40]
}

/// Memory for changes that a few rows exceed.
const SPILLING_BYTES: usize = 300;

#[derive(Clone)]
struct Write {
    command: u32,
    row: u32,
    value: Option<u8>,
    insert: bool,
}

struct ModelTxn {
    real: Arc<Transaction>,
    strict: bool,
    snapshot: Option<u64>,
    command: u32,
    writes: Vec<Write>,
    /// Whether it took writes back.
    rolled_back: bool,
    locks: Vec<u32>,
    savepoints: Vec<(SavepointId, usize, usize)>,
}

impl ModelTxn {
    fn last(&self, row: u32) -> Option<&Write> {
        self.writes.iter().rev().find(|write| write.row == row)
    }
}

struct World {
    kv: Arc<dyn Kv>,
    manager: Arc<TxnManager>,
    spill_bytes: usize,
    committed: BTreeMap<u32, Vec<(u64, Option<u8>)>>,
    visible: u64,
    next_row: u32,
    txns: [Option<ModelTxn>; SLOTS],
}

impl World {
    fn new(spill_bytes: usize) -> Self {
        let kv = memory();
        let manager = open(&kv, spill_bytes);
        Self { kv, manager, spill_bytes, committed: BTreeMap::new(), visible: 0, next_row: 1, txns: [None, None, None] }
    }

    fn at(&self, row: u32, snapshot: u64) -> Option<(u64, Option<u8>)> {
        self.committed.get(&row)?.iter().rev().find(|(ts, _)| *ts <= snapshot).copied()
    }

    fn seen(&self, txn: &ModelTxn, row: u32) -> Option<u8> {
        let own = txn.writes.iter().rev().find(|write| write.row == row && write.command < txn.command);
        match own {
            Some(write) => write.value,
            None if txn.writes.iter().any(|write| write.row == row && write.insert) => None,
            None => self.at(row, txn.snapshot.expect("a snapshot")).and_then(|(_, value)| value),
        }
    }

    fn ready(&mut self, slot: usize) -> bool {
        let visible = self.visible;
        match &mut self.txns[slot] {
            Some(txn) => {
                if txn.snapshot.is_none() {
                    txn.snapshot = Some(visible);
                    assert_eq!(txn.real.snapshot_ts(), visible);
                }
                true
            }
            None => false,
        }
    }

    fn expected_lock(&self, slot: usize, row: u32) -> Result<Locked, ()> {
        let txn = self.txns[slot].as_ref().expect("running");
        if let Some(write) = txn.last(row) {
            return Ok(match write {
                Write { command, .. } if *command == txn.command => Locked::Touched,
                Write { value: None, .. } => Locked::Gone,
                _ => Locked::Same,
            });
        }
        let others = self.txns.iter().enumerate().filter(|(other, _)| *other != slot);
        if others.filter_map(|(_, txn)| txn.as_ref()).any(|txn| txn.locks.contains(&row)) {
            return Ok(Locked::Skipped);
        }
        let snapshot = txn.snapshot.expect("a snapshot");
        match self.at(row, u64::MAX) {
            None => Ok(Locked::Gone),
            Some((ts, value)) if ts <= snapshot => Ok(if value.is_some() { Locked::Same } else { Locked::Gone }),
            Some((_, None)) if self.at(row, snapshot).and_then(|(_, value)| value).is_none() => Ok(Locked::Gone),
            Some(_) if txn.strict => Err(()),
            Some((_, Some(value))) => Ok(Locked::Changed(body(value))),
            Some((_, None)) => Ok(Locked::Gone),
        }
    }

    fn change(&mut self, slot: usize, row: u32, value: Option<u8>) {
        let expected = self.expected_lock(slot, row);
        let txn = self.txns[slot].as_mut().expect("running");
        match (expected, try_lock(&txn.real, row, Wait::Skip)) {
            (Err(()), Err(error)) => {
                assert_eq!(error.sqlstate().as_str(), "40001");
                txn.real.rollback();
                self.txns[slot] = None;
            }
            (Ok(expected), Ok(locked)) => {
                // A deleted row's mark may have been collected, so that only its absence is known.
                assert_eq!(locked, expected, "row {row}");
                let inserted = txn.writes.iter().any(|write| write.row == row && write.insert);
                if !inserted && !matches!(locked, Locked::Skipped | Locked::Touched) && txn.last(row).is_none() {
                    txn.locks.push(row);
                }
                if matches!(locked, Locked::Same | Locked::Changed(_)) {
                    match value {
                        Some(value) => txn.real.update(T, row, &body(value)).unwrap(),
                        None => txn.real.delete(T, row).unwrap(),
                    }
                    txn.writes.push(Write { command: txn.command, row, value, insert: inserted });
                }
            }
            (expected, found) => panic!("expected {expected:?}, found {found:?}"),
        }
    }

    fn check(&self, slot: usize) {
        let txn = self.txns[slot].as_ref().expect("running");
        let expected: Vec<(u32, Vec<u8>)> =
            (1..self.next_row).filter_map(|row| self.seen(txn, row).map(|value| (row, body(value)))).collect();
        assert_eq!(rows(&txn.real), expected);
        assert_eq!(txn.real.count(T).unwrap(), expected.len() as u64);
        let mut part = Vec::new();
        txn.real
            .scan(T, 3..6, &mut |row, _, values| {
                part.push((row, values.to_vec()));
                Ok(true)
            })
            .unwrap();
        assert_eq!(part, expected.into_iter().filter(|(row, _)| (3..6).contains(row)).collect::<Vec<_>>());
    }

    fn check_state(&self, slot: usize, row: u32) {
        let txn = self.txns[slot].as_ref().expect("running");
        let state = txn.real.state(T, row).unwrap();
        let others = self.txns.iter().enumerate().filter(|(other, _)| *other != slot);
        let in_flight = others.filter_map(|(_, txn)| txn.as_ref()).any(|txn| txn.last(row).is_some());
        match (txn.last(row), self.at(row, u64::MAX)) {
            (Some(write), _) => assert_eq!(state, RowState::Own(write.value.map(body))),
            (None, _) if in_flight => assert!(matches!(state, RowState::InFlight(_)), "{state:?}"),
            (None, Some((_, Some(value)))) => assert_eq!(state, RowState::Live(body(value))),
            (None, _) => assert!(matches!(state, RowState::Nothing | RowState::Deleted), "{state:?}"),
        }
    }

    fn commit(&mut self, slot: usize) {
        let txn = self.txns[slot].take().expect("running");
        txn.real.commit().unwrap();
        let mut last = BTreeMap::new();
        for write in &txn.writes {
            last.insert(write.row, write.value);
        }
        // What was in the store already and was taken back may still have made a commit.
        let before = std::mem::replace(&mut self.visible, self.manager.visible_ts());
        match (txn.writes.is_empty(), txn.rolled_back && self.spill_bytes == SPILLING_BYTES) {
            (false, _) => assert_eq!(self.visible, before + 1),
            (true, false) => assert_eq!(self.visible, before),
            (true, true) => assert!([before, before + 1].contains(&self.visible)),
        }
        for (row, value) in last {
            if value.is_some() || self.committed.contains_key(&row) {
                self.committed.entry(row).or_default().push((self.visible, value));
            }
        }
    }

    fn reopen(&mut self, crash: bool) {
        for txn in self.txns.iter_mut().filter_map(Option::take) {
            // After a crash nobody rolls back.
            if crash {
                std::mem::forget(txn);
            }
        }
        self.manager.shutdown();
        self.manager = open(&self.kv, self.spill_bytes);
        let newest = self.committed.values().flatten().map(|(ts, _)| *ts).max().unwrap_or(0);
        assert!(self.manager.visible_ts() >= newest, "a timestamp would be given out twice");
        self.visible = self.manager.visible_ts();
        let txn = super::begin(&self.manager, Isolation::ReadCommitted);
        let live = |(row, versions): (&u32, &Vec<(u64, Option<u8>)>)| Some((*row, body(versions.last()?.1?)));
        assert_eq!(rows(&txn), self.committed.iter().filter_map(live).collect::<Vec<_>>());
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Begin(slot, strict) => {
                if self.txns[slot].is_none() {
                    let isolation = if strict { Isolation::RepeatableRead } else { Isolation::ReadCommitted };
                    let real = self.manager.begin(isolation, false);
                    let (writes, locks, savepoints) = (Vec::new(), Vec::new(), Vec::new());
                    let (snapshot, rolled_back) = (None, false);
                    let txn = ModelTxn { real, strict, snapshot, command: 1, writes, rolled_back, locks, savepoints };
                    self.txns[slot] = Some(txn);
                }
            }
            Step::Collect => drop(self.manager.collect_garbage().unwrap()),
            Step::Reopen => self.reopen(false),
            Step::Crash => self.reopen(true),
            Step::Statement(slot) => self.statement(slot),
            Step::Insert(slot, _)
            | Step::InsertMany(slot, ..)
            | Step::Change(slot, ..)
            | Step::Read(slot, _)
            | Step::Scan(slot) => {
                if self.ready(slot) {
                    self.run_ready(slot, step);
                }
            }
            Step::Savepoint(slot) | Step::RollbackTo(slot, _) | Step::Release(slot, _) => {
                self.run_savepoint(slot, step)
            }
            Step::Commit(slot) => {
                if self.txns[slot].is_some() {
                    self.commit(slot);
                }
            }
            Step::Rollback(slot) => {
                if let Some(txn) = self.txns[slot].take() {
                    txn.real.rollback();
                }
            }
        }
    }

    fn statement(&mut self, slot: usize) {
        let visible = self.visible;
        if let Some(txn) = &mut self.txns[slot] {
            txn.real.begin_statement();
            txn.command += 1;
            if !txn.strict || txn.snapshot.is_none() {
                txn.snapshot = Some(visible);
            }
        }
    }

    fn run_ready(&mut self, slot: usize, step: Step) {
        match step {
            Step::Insert(_, value) => {
                let row = self.next_row;
                self.next_row += 1;
                let txn = self.txns[slot].as_mut().expect("running");
                txn.real.insert(T, row, &body(value)).unwrap();
                txn.writes.push(Write { command: txn.command, row, value: Some(value), insert: true });
            }
            Step::InsertMany(_, value, count) => {
                let txn = self.txns[slot].as_mut().expect("running");
                let mut fresh = FreshRows::new(T, self.next_row, 0);
                for value in (0..count).map(|more| value.wrapping_add(more)) {
                    assert!(fresh.push(&body(value)));
                    let row = self.next_row;
                    self.next_row += 1;
                    txn.writes.push(Write { command: txn.command, row, value: Some(value), insert: true });
                }
                txn.real.insert_many(fresh).unwrap();
            }
            Step::Change(_, row, value) => self.change(slot, row, value),
            Step::Read(_, row) => {
                let txn = self.txns[slot].as_ref().expect("running");
                assert_eq!(read(&txn.real, row), self.seen(txn, row).map(body), "row {row}");
                self.check_state(slot, row);
            }
            _ => self.check(slot),
        }
    }

    fn run_savepoint(&mut self, slot: usize, step: Step) {
        let Some(txn) = &mut self.txns[slot] else { return };
        match step {
            Step::Savepoint(_) => {
                txn.savepoints.push((txn.real.savepoint(), txn.writes.len(), txn.locks.len()));
            }
            Step::RollbackTo(_, at) => {
                if let Some((id, writes, locks)) = txn.savepoints.get(at).copied() {
                    txn.real.rollback_to(id);
                    txn.savepoints.truncate(at + 1);
                    txn.rolled_back |= txn.writes.len() > writes;
                    txn.writes.truncate(writes);
                    txn.locks.truncate(locks);
                }
            }
            Step::Release(_, at) => {
                if let Some((id, ..)) = txn.savepoints.get(at).copied() {
                    txn.real.release(id);
                    txn.savepoints.truncate(at);
                }
            }
            _ => unreachable!("a savepoint step"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn transactions_do_what_the_model_does(steps in prop::collection::vec(step(), 1..120), spills in any::<bool>()) {
        let mut world = World::new(if spills { SPILLING_BYTES } else { 1 << 20 });
        for step in steps {
            world.run(step);
        }
        world.reopen(true);
    }
}

//! Stores of other format versions: version 1 is brought up to date, whatever state it was left in; others are refused.
//!
//! The bytes are written out here as version 1 wrote them, so that a change of today's encoders cannot change them with it.

use std::sync::Arc;

use super::ahead::Recorder;
use super::{T, begin, commit_rows, open, rows};
use crate::storage::{Cf, Kv, MemoryKv, WriteBatch};
use crate::txn::{Isolation, RowStore, TxnManager, TxnOptions};

const INDEX: u32 = 8;
const DELETED: u8 = 1;
const PENDING: u8 = 2;
const FIRST: u8 = 4;

fn row_key(row: u32) -> Vec<u8> {
    [&b"R"[..], &T.0.to_be_bytes(), &row.to_be_bytes()].concat()
}

fn entry_key(key: &[u8], row: u32) -> Vec<u8> {
    [&b"I"[..], &INDEX.to_be_bytes(), key, &row.to_be_bytes()].concat()
}

fn stored(flags: u8, ts: u64, body: &[u8]) -> Vec<u8> {
    [&[1, flags][..], &ts.to_le_bytes(), &crc32c::crc32c(body).to_le_bytes(), body].concat()
}

/// A commit record with the ranges of rows that version 1 kept in it.
fn early(ts: u64, ranges: &[(u32, u32)]) -> Vec<u8> {
    let numbers = ranges.iter().flat_map(|(start, end)| [T.0, *start, *end]);
    [ts.to_le_bytes().to_vec(), numbers.flat_map(u32::to_le_bytes).collect()].concat()
}

/// A store as version 1 left it when it was killed: rows of all kinds, one load that had committed and one that had not.
fn version_1() -> Arc<MemoryKv> {
    let mut batch = WriteBatch::default();
    batch.put(Cf::Default, b"Mformat", 1_u32.to_le_bytes());
    batch.put(Cf::Default, b"Mts", 9_u64.to_le_bytes());
    batch.put(Cf::Default, b"Mtxn", 10_000_u64.to_le_bytes());
    batch.put(Cf::Rows, row_key(1), stored(FIRST, 3, b"plain"));
    batch.put(Cf::Rows, row_key(2), stored(0, 5, b"newer"));
    let version = [&T.0.to_be_bytes()[..], &2_u32.to_be_bytes(), &(!3_u64).to_be_bytes()].concat();
    batch.put(Cf::Versions, version, [&5_u64.to_le_bytes()[..], &[0], b"older"].concat());
    batch.put(Cf::Rows, row_key(3), stored(DELETED, 6, b""));
    for (key, row) in [(b"plain", 1), (b"older", 2), (b"newer", 2), (b"early", 4)] {
        batch.put(Cf::Rows, entry_key(key, row), 3_u64.to_le_bytes());
    }
    // Of the commit at 6: the mark of row 3 and the entry that row 2 had left at 5.
    let tombstone = [&[1][..], &T.0.to_le_bytes(), &3_u32.to_le_bytes()].concat();
    let key = [&b"older"[..], &2_u32.to_be_bytes()].concat();
    let entry = [&[2][..], &INDEX.to_le_bytes(), &(key.len() as u32).to_le_bytes(), &key].concat();
    batch.put(Cf::Default, [&b"G"[..], &6_u64.to_be_bytes()].concat(), [tombstone, entry].concat());
    for row in [4, 5, 9] {
        batch.put(Cf::Rows, row_key(row), stored(FIRST | PENDING, 70, b"early"));
    }
    batch.put(Cf::Default, [&b"P"[..], &70_u64.to_be_bytes()].concat(), early(9, &[(4, 6), (9, 10)]));
    for row in [6, 7] {
        batch.put(Cf::Rows, row_key(row), stored(FIRST | PENDING, 71, b"lost"));
    }
    batch.put(Cf::Default, [&b"P"[..], &71_u64.to_be_bytes()].concat(), early(0, &[(6, 9)]));
    let kv = MemoryKv::new();
    kv.write(batch);
    Arc::new(kv)
}

/// Opens a store and compares it with what version 1 had committed.
fn check(kv: &Arc<dyn Kv>) {
    let manager = open(kv, 1 << 20);
    let expected = [(1, &b"plain"[..]), (2, b"newer"), (4, b"early"), (5, b"early"), (9, b"early")];
    let expected = expected.map(|(row, body)| (row, body.to_vec()));
    let txn = begin(&manager, Isolation::ReadCommitted);
    assert_eq!(rows(&txn), expected);
    let mut entries = Vec::new();
    let mut visit = |key: &[u8], row| {
        entries.push((key.to_vec(), row));
        Ok(true)
    };
    txn.scan_entries(crate::catalog::descriptor::StorageId(INDEX), &[], None, false, &mut visit).unwrap();
    assert_eq!(entries, [(b"early".to_vec(), 4), (b"newer".to_vec(), 2), (b"plain".to_vec(), 1)]);
    assert_eq!(kv.get(Cf::Default, b"Mformat").unwrap().unwrap(), 2_u32.to_le_bytes());
    for (cf, start, end) in
        [(Cf::Versions, &b""[..], &[255; 20][..]), (Cf::Default, b"G", b"H"), (Cf::Default, b"P", b"Q")]
    {
        kv.scan(cf, start, end, &mut |key, _| panic!("{key:?} is left in {cf:?}")).unwrap();
    }
    assert!(manager.visible_ts() >= 9);
    drop(txn);
    commit_rows(&manager, &[(10, b"later")]);
    assert_eq!(rows(&begin(&open(kv, 1 << 20), Isolation::ReadCommitted)).len(), expected.len() + 1);
}

#[test]
fn version_1_is_brought_up_to_date_even_when_that_is_interrupted() {
    check(&(version_1() as Arc<dyn Kv>));
    let recorder = Recorder::of(&*version_1());
    drop(open(&(Arc::clone(&recorder) as Arc<dyn Kv>), 1 << 20));
    let states = std::mem::take(&mut *recorder.states.lock());
    assert!(states.len() > 5, "an upgrade has several steps");
    states.iter().for_each(check);
}

#[test]
fn other_versions_are_refused_and_left_alone() {
    for (found, name) in [(&3_u32.to_le_bytes()[..], "3"), (&0_u32.to_le_bytes(), "0"), (b"new", "unknown")] {
        let kv = version_1();
        let mut batch = WriteBatch::default();
        batch.put(Cf::Default, b"Mformat", found);
        kv.write(batch);
        let recorder = Recorder::of(&*kv);
        let Err(error) = TxnManager::open(Arc::clone(&recorder) as Arc<dyn Kv>, TxnOptions::default()) else {
            panic!("format {name} was opened")
        };
        assert_eq!(error.sqlstate().as_str(), "0A000");
        let expected = format!("data directory has format {name}, this server reads formats 1 to 2");
        assert_eq!(error.report().message, expected);
        assert!(recorder.states.lock().is_empty(), "nothing was written");
    }
}

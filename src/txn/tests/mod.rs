//! Tests of transactions as a whole.

/// The part of a store that another one does for it.
macro_rules! reads_of {
    ($kv:ident) => {
        fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>> {
            self.$kv.get(cf, key)
        }

        fn get_with(&self, cf: Cf, key: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
            self.$kv.get_with(cf, key, visit)
        }

        fn scan(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
            self.$kv.scan(cf, start, end, visit)
        }

        fn scan_back(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
            self.$kv.scan_back(cf, start, end, visit)
        }

        fn approximate_size(&self, cf: Cf, start: &[u8], end: &[u8]) -> u64 {
            self.$kv.approximate_size(cf, start, end)
        }

        fn flush(&self) {}
    };
}

mod ahead;
mod concurrency;
mod durability;
mod format;
mod isolation;
mod model;
mod recovery;

use std::sync::Arc;

use crate::catalog::descriptor::StorageId;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::storage::{Kv, MemoryKv};
use crate::txn::{Isolation, Locked, RowStore, Strength, Transaction, TxnManager, TxnOptions, Wait};

/// The one table of these tests.
const T: StorageId = StorageId(7);

fn memory() -> Arc<dyn Kv> {
    Arc::new(MemoryKv::new())
}

fn open(kv: &Arc<dyn Kv>, spill_bytes: usize) -> Arc<TxnManager> {
    TxnManager::open(Arc::clone(kv), TxnOptions { spill_bytes, ..TxnOptions::default() }).unwrap()
}

fn manager() -> Arc<TxnManager> {
    open(&memory(), 1 << 20)
}

fn begin(manager: &Arc<TxnManager>, isolation: Isolation) -> Arc<Transaction> {
    let txn = manager.begin(isolation, false);
    txn.begin_statement();
    txn
}

fn read(txn: &Transaction, row: u32) -> Option<Vec<u8>> {
    txn.get(T, row).unwrap().map(|(_, values)| values)
}

fn rows(txn: &Transaction) -> Vec<(u32, Vec<u8>)> {
    let mut rows = Vec::new();
    txn.scan(T, 1..u32::MAX, &mut |row, _, values| {
        rows.push((row, values.to_vec()));
        Ok(true)
    })
    .unwrap();
    rows
}

fn try_lock(txn: &Transaction, row: u32, wait: Wait) -> Result<Locked> {
    txn.lock(T, row, Strength::Update, wait, &CancelFlag::new())
}

/// Commits rows.
fn commit_rows(manager: &Arc<TxnManager>, rows: &[(u32, &[u8])]) {
    let txn = begin(manager, Isolation::ReadCommitted);
    for (row, values) in rows {
        txn.insert(T, *row, values).unwrap();
    }
    txn.commit().unwrap();
}

fn update(txn: &Transaction, row: u32, values: &[u8]) -> Result<Locked> {
    let locked = try_lock(txn, row, Wait::Block)?;
    if matches!(locked, Locked::Same | Locked::Changed(_)) {
        txn.update(T, row, values)?;
    }
    Ok(locked)
}

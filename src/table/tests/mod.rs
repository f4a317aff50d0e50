//! Tests of tables over real transactions in memory.

mod chunks;
mod codes;
mod included;
mod indexes;
mod model;
mod narrow;
mod restarts;
mod snapshots;
mod uniqueness;
mod vectors;

use std::sync::Arc;

use crate::catalog::descriptor::TableDesc;
use crate::common::CancelFlag;
use crate::storage::MemoryKv;
use crate::table::{NoEvaluator, ScanSpec, Table, Tables, WriteContext};
use crate::txn::{Isolation, RowId, Strength, Transaction, TxnManager, TxnOptions, Wait};
use crate::types::io::IoContext;
use crate::types::{Datum, Oid};

/// A store in memory with its tables.
struct Store {
    manager: Arc<TxnManager>,
    tables: Arc<Tables>,
    cancel: CancelFlag,
}

impl Store {
    fn new() -> Self {
        let manager = TxnManager::open(Arc::new(MemoryKv::new()), TxnOptions::default()).unwrap();
        let tables = Arc::new(Tables::new(42));
        manager.set_sweeper(tables.clone());
        Self { manager, tables, cancel: CancelFlag::new() }
    }

    fn begin(&self) -> Arc<Transaction> {
        let txn = self.manager.begin(Isolation::ReadCommitted, false);
        txn.begin_statement();
        txn
    }

    fn open(&self, txn: &Transaction, desc: &Arc<TableDesc>) -> Table {
        self.tables.open(txn, desc).unwrap()
    }

    fn write(&self) -> WriteContext<'_> {
        WriteContext { evaluator: &NoEvaluator, cancel: &self.cancel, io: IoContext::fixed(), duplicates: None }
    }

    /// Inserts a row in its own transaction.
    fn insert(&self, desc: &Arc<TableDesc>, row: &[Datum]) -> crate::error::Result<RowId> {
        let txn = self.begin();
        let id = self.open(&txn, desc).insert(&*txn, &self.write(), row)?;
        txn.commit()?;
        Ok(id)
    }

    fn update(&self, txn: &Transaction, table: &Table, id: RowId, new: &[Datum]) -> crate::error::Result<()> {
        let old = table.row(txn, id)?.expect("the row is seen");
        table.lock(txn, &self.write(), id, Strength::Update, Wait::Block)?;
        table.update(txn, &self.write(), id, &old, new)
    }

    fn delete(&self, txn: &Transaction, table: &Table, id: RowId) -> crate::error::Result<()> {
        let old = table.row(txn, id)?.expect("the row is seen");
        table.lock(txn, &self.write(), id, Strength::Update, Wait::Block)?;
        table.delete(txn, &self.write(), id, &old)
    }
}

/// All rows of a scan, as text.
fn scan_all(txn: &Arc<Transaction>, table: &Table, batch_rows: usize) -> Vec<String> {
    let positions: Vec<usize> = (0..table.desc().columns.len()).collect();
    let types: Vec<Oid> = table.desc().columns.iter().map(|column| column.ty.oid).collect();
    let mut scan = table.scan(txn, ScanSpec { batch_rows, ..ScanSpec::new(positions, true) });
    let mut rows = Vec::new();
    while let Some(batch) = scan.next().unwrap() {
        assert!(batch.rows <= batch_rows);
        rows.extend((0..batch.rows).map(|row| format!("{:?}", batch.row(&types, row))));
    }
    rows
}

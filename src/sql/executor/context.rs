//! What operators run in: the statement's shared state, and the expression context with the rows around a subquery.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use crate::catalog::Names;
use crate::catalog::descriptor::{IndexDesc, RelationDesc, TableDesc};
use crate::error::Result;
use crate::sql::eval::EvalContext;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::executor::cte::CteState;
use crate::sql::executor::deferred::{DeferredChecks, SharedKeys};
use crate::sql::executor::explain::Meters;
use crate::sql::executor::nearest::SearchSettings;
use crate::sql::executor::parallel::Part;
use crate::sql::executor::recheck::Given;
use crate::sql::executor::spill::SpillSpace;
use crate::sql::expr::Expr;
use crate::table::{IndexEvaluator, Table, Tables, WriteContext};
use crate::txn::{Isolation, Transaction};
use crate::types::{Datum, Oid};

/// Expressions kept as text in the catalog, bound on demand by a floor that may.
pub trait StoredExpressions: Send + Sync {
    /// The expression keys of an index, in key order, and its predicate; over the table's columns.
    ///
    /// # Errors
    /// When the text does not bind.
    fn index(&self, table: &TableDesc, index: &IndexDesc) -> Result<(Vec<Expr>, Option<Expr>)>;

    /// What a column gets when nothing is said.
    ///
    /// # Errors
    /// When the text does not bind.
    fn default(&self, table: &TableDesc, position: usize) -> Result<Expr>;

    /// CHECK constraints and generated columns, for rows that referential actions change.
    ///
    /// # Errors
    /// When the text does not bind.
    fn checks(&self, table: &TableDesc) -> Result<TableChecks>;
}

/// What every new row of a table must satisfy.
#[derive(Clone, Debug, Default)]
pub struct TableChecks {
    /// CHECK constraints by name.
    pub checks: Vec<(String, Expr)>,
    /// Generated columns.
    pub generated: Vec<(usize, Expr)>,
}

/// Rows of system relations.
pub trait SystemRows: Send + Sync {
    /// All rows of a relation, in its column order.
    ///
    /// # Errors
    /// Those of gathering live state.
    fn rows(&self, relation: &RelationDesc) -> Result<Vec<Vec<Datum>>>;
}

/// What all operators of a statement share.
pub struct Shared {
    /// The transaction.
    pub txn: Arc<Transaction>,
    /// Run-time state of tables.
    pub tables: Arc<Tables>,
    /// The catalog that the statement was planned with.
    pub names: Arc<Names>,
    /// Binds stored expressions.
    pub stored: Arc<dyn StoredExpressions>,
    /// Makes rows of system relations.
    pub system: Arc<dyn SystemRows>,
    /// Bytes that one operator may hold before it goes to disk.
    pub work_mem: usize,
    /// The same for an operator that hashes: `work_mem` times `hash_mem_multiplier`.
    pub hash_mem: usize,
    /// Where rows go that do not fit.
    pub spill: SpillSpace,
    /// Threads that a scan may use.
    pub threads: usize,
    /// How vector indexes are searched.
    pub search: SearchSettings,
    /// EXPLAIN ANALYZE: counts of rows and times.
    pub meters: Option<Arc<Meters>>,
    /// Checks that wait beyond the statement.
    pub deferred: Arc<DeferredChecks>,
    pub(super) shared_keys: SharedKeys,
    /// Rows that scans yield during a second look, by tag.
    pub(super) given: Mutex<HashMap<usize, Given>>,
    pub(super) ctes: Mutex<HashMap<usize, Arc<Mutex<CteState>>>>,
    pub(super) opened: Mutex<HashMap<Oid, Table>>,
    pub(super) index_exprs: Mutex<HashMap<Oid, Arc<BoundIndex>>>,
}

/// An index's expressions.
pub(super) struct BoundIndex {
    keys: Vec<Expr>,
    predicate: Option<Expr>,
}

/// Where an operator runs.
#[derive(Clone)]
pub struct ExecContext {
    /// The statement.
    pub shared: Arc<Shared>,
    /// Parameters, settings, and the rows around.
    pub eval: EvalContext,
    /// In a piece of a parallel plan, the part of its table to read.
    pub part: Option<Arc<Part>>,
}

/// Evaluates index expressions for tables.
pub struct Evaluator<'a> {
    ctx: &'a ExecContext,
    table: &'a TableDesc,
}

impl Shared {
    /// The state of a statement that owes no checks.
    pub fn new(
        txn: Arc<Transaction>,
        tables: Arc<Tables>,
        names: Arc<Names>,
        stored: Arc<dyn StoredExpressions>,
        system: Arc<dyn SystemRows>,
    ) -> Self {
        Self::within(txn, tables, names, stored, system, Arc::default())
    }

    /// The state of a statement of a transaction that owes these checks.
    pub fn within(
        txn: Arc<Transaction>,
        tables: Arc<Tables>,
        names: Arc<Names>,
        stored: Arc<dyn StoredExpressions>,
        system: Arc<dyn SystemRows>,
        deferred: Arc<DeferredChecks>,
    ) -> Self {
        Self {
            txn,
            tables,
            names,
            stored,
            system,
            work_mem: 64 << 20,
            hash_mem: 128 << 20,
            spill: SpillSpace::default(),
            threads: 1,
            search: SearchSettings::default(),
            meters: None,
            deferred,
            shared_keys: SharedKeys::default(),
            given: Mutex::default(),
            ctes: Mutex::default(),
            opened: Mutex::default(),
            index_exprs: Mutex::default(),
        }
    }

    /// A table, opened once per statement.
    ///
    /// # Errors
    /// Those of [`Tables::open`].
    pub fn table(&self, desc: &Arc<TableDesc>) -> Result<Table> {
        if let Some(table) = self.opened.lock().get(&desc.oid) {
            return Ok(table.clone());
        }
        let table = self.tables.open(&*self.txn, desc)?;
        self.opened.lock().insert(desc.oid, table.clone());
        Ok(table)
    }
}

impl ExecContext {
    /// This context inside a subquery or lateral side of `row`.
    #[must_use]
    pub fn inside(&self, row: Vec<Datum>) -> Self {
        Self { shared: Arc::clone(&self.shared), eval: self.eval.inside(row), part: None }
    }

    /// This context for a piece of a parallel plan.
    #[must_use]
    pub fn of_part(&self, part: Part) -> Self {
        Self { part: Some(Arc::new(part)), ..self.clone() }
    }

    /// Fails when the statement was cancelled.
    ///
    /// # Errors
    /// `57014`.
    pub fn check(&self) -> Result<()> {
        self.eval.cancel.check()
    }

    /// Whether all statements of the transaction see one snapshot.
    pub(super) fn keeps_snapshot(&self) -> bool {
        matches!(self.shared.txn.isolation(), Isolation::RepeatableRead | Isolation::Serializable)
    }

    /// Evaluates the expressions of a table's indexes.
    #[must_use]
    pub fn evaluator<'a>(&'a self, table: &'a TableDesc) -> Evaluator<'a> {
        Evaluator { ctx: self, table }
    }

    /// What writing to a table needs.
    #[must_use]
    pub fn write<'a>(&'a self, evaluator: &'a Evaluator<'a>) -> WriteContext<'a> {
        WriteContext {
            evaluator,
            cancel: &self.eval.cancel,
            io: self.eval.io(),
            duplicates: Some(&self.shared.shared_keys),
        }
    }
}

impl Evaluator<'_> {
    fn bound(&self, index: &IndexDesc) -> Result<Arc<BoundIndex>> {
        let shared = &self.ctx.shared;
        if let Some(found) = shared.index_exprs.lock().get(&index.oid) {
            return Ok(Arc::clone(found));
        }
        let (keys, predicate) = shared.stored.index(self.table, index)?;
        let bound = Arc::new(BoundIndex { keys, predicate });
        shared.index_exprs.lock().insert(index.oid, Arc::clone(&bound));
        Ok(bound)
    }
}

impl IndexEvaluator for Evaluator<'_> {
    fn expressions(&self, index: &IndexDesc, row: &[Datum]) -> Result<Vec<Datum>> {
        let bound = self.bound(index)?;
        bound.keys.iter().map(|expr| eval_row(expr, Row::Values(row), &self.ctx.eval)).collect()
    }

    fn predicate(&self, index: &IndexDesc, row: &[Datum]) -> Result<bool> {
        let bound = self.bound(index)?;
        match &bound.predicate {
            Some(expr) => Ok(eval_row(expr, Row::Values(row), &self.ctx.eval)?.as_bool() == Some(true)),
            None => Ok(true),
        }
    }
}

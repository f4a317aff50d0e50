//! The one place that writes the pipeline: parse, bind, optimise, plan, execute.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::catalog::Names;
use crate::catalog::descriptor::{IndexDesc, RelationDesc, TableDesc};
use crate::catalog::privileges::Claim;
use crate::error::Result;
use crate::sql::ast::Statement;
use crate::sql::binder::{self, BindEnv, Params};
use crate::sql::executor::explain::Meters;
use crate::sql::executor::{
    self, ExecContext, Operator, Runner, SearchSettings, Shared, StoredExpressions, SystemRows,
};
use crate::sql::expr::Expr;
use crate::sql::logical::{Field, LogicalPlan};
use crate::sql::optimizer;
use crate::sql::physical::Node;
use crate::sql::planner::{self, Statistics};
use crate::sql::walk;
use crate::txn::{TableLock, Wait};
use crate::types::{Datum, Oid, SqlType};

use super::core::Core;
use super::stored::Stored;

/// A planned query or data modification.
pub(super) struct Planned {
    pub node: Arc<Node>,
    pub fields: Arc<[Field]>,
    /// Base types of the columns, as values are sent.
    pub wire_types: Box<[Oid]>,
    pub params: Arc<[SqlType]>,
    /// Whether rows come back: a query, or RETURNING.
    pub returns_rows: bool,
    /// `SELECT`, `INSERT`, `UPDATE`, `DELETE`.
    pub verb: &'static str,
    names: Arc<Names>,
    choices: Choices,
    claims: Vec<Claim>,
    /// The names under which [`Planned::check_rights`] last found nothing to refuse.
    allowed: Mutex<Option<Arc<Names>>>,
    locks: Vec<(Oid, TableLock)>,
}

/// A statement that is being executed.
pub(super) struct Running {
    pub operator: Box<dyn Operator>,
    pub ctx: ExecContext,
    runner: Arc<Runner>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.runner.detach();
    }
}

/// Row counts from the transaction manager, and what may be chosen from.
struct Counts<'a> {
    core: &'a Core,
    choices: Choices,
}

impl Statistics for Counts<'_> {
    fn row_count(&self, table: &TableDesc) -> f64 {
        self.core.engine.tables.estimate(&self.core.engine.txns, table)
    }

    fn covers(&self, index: &IndexDesc) -> bool {
        let Some(made) = self.core.engine.tables.made_at(index.storage) else { return true };
        self.core.running().is_none_or(|txn| txn.isolation().per_statement() || made <= txn.snapshot_ts())
    }

    fn index_expressions(&self, table: &TableDesc, index: &IndexDesc) -> Option<(Vec<Expr>, Option<Expr>)> {
        Stored(self.core.names()).index(table, index).ok()
    }

    fn pruned(&self, plan: LogicalPlan) -> LogicalPlan {
        optimizer::prune(plan)
    }

    fn may_scan(&self) -> bool {
        self.choices.scans
    }

    fn may_use_indexes(&self) -> bool {
        self.choices.indexes
    }

    fn workers(&self) -> usize {
        self.choices.helpers
    }
}

/// What a session lets a planner choose from, kept with the plan. PostgreSQL makes the first plans of a prepared statement anew each time,
/// and `SET enable_indexscan = off` is how a pgvector user asks for exact neighbours: a plan from before must not answer it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Choices {
    scans: bool,
    indexes: bool,
    /// Threads besides the session's own that a scan may use: those of the server, of which the session lets so many help.
    helpers: usize,
}

impl Choices {
    fn of(core: &Core) -> Self {
        let settings = core.settings.lock();
        let typed = settings.typed();
        let helpers = typed.parallel_workers.min(core.engine.scan_threads - 1);
        Self { scans: typed.enable_seqscan, indexes: typed.enable_indexscan, helpers }
    }
}

/// Rows of system relations as this session sees them.
struct SystemSource {
    core: Arc<Core>,
    names: Arc<Names>,
}

impl SystemRows for SystemSource {
    fn rows(&self, relation: &RelationDesc) -> Result<Vec<Vec<Datum>>> {
        super::live::rows(&self.core, &self.names, relation)
    }
}

/// Plans a query or data modification with parameter types as far as they are declared; `None` allows no parameters.
///
/// # Errors
/// Whatever is wrong with the statement.
pub(super) fn plan(core: &Arc<Core>, statement: &Statement, declared: Option<&[Oid]>) -> Result<Planned> {
    let (names, choices) = (core.names(), Choices::of(core));
    let format = Arc::clone(&core.settings.lock().typed().format);
    let env = BindEnv { names: &names, format: &format, now_micros: core.now_micros() };
    let mut params = declared.map_or_else(Params::default, Params::declared);
    let (logical, claims) = binder::bind(statement, &env, &mut params)?;
    let params = params.resolved()?;
    let fields: Arc<[Field]> = Arc::from(logical.fields());
    let wire_types = fields.iter().map(|field| names.snapshot.base_type(field.ty).oid).collect();
    let mut logical = optimizer::optimize(logical);
    let mut locks = Vec::new();
    collect_locks(&mut logical, &mut locks);
    let node = planner::plan(logical, &Counts { core, choices })?;
    let (verb, returns_rows) = match statement {
        Statement::Insert(insert) => ("INSERT", !insert.returning.is_empty()),
        Statement::Update(update) => ("UPDATE", !update.returning.is_empty()),
        Statement::Delete(delete) => ("DELETE", !delete.returning.is_empty()),
        _ => ("SELECT", true),
    };
    Ok(Planned {
        node: Arc::new(node),
        fields,
        wire_types,
        params: Arc::from(params),
        returns_rows,
        verb,
        names,
        choices,
        claims,
        allowed: Mutex::default(),
        locks,
    })
}

/// The tables of a plan with the locks that it needs, those in subqueries too. Changes nothing.
fn collect_locks(plan: &mut LogicalPlan, out: &mut Vec<(Oid, TableLock)>) {
    let mut add = |oid: Oid, mode: TableLock| match out.iter_mut().find(|item| item.0 == oid) {
        Some(item) => item.1 = item.1.max(mode),
        None => out.push((oid, mode)),
    };
    match plan {
        LogicalPlan::Scan(scan) => add(scan.table.oid, TableLock::AccessShare),
        LogicalPlan::Modify(modify) => add(modify.table.oid, TableLock::RowExclusive),
        LogicalPlan::LockRows { targets, .. } => {
            targets.iter().for_each(|target| add(target.table.oid, TableLock::RowShare));
        }
        _ => {}
    }
    walk::for_each_expr_mut(plan, &mut |expr| collect_subquery_locks(expr, out));
    walk::for_each_input_mut(plan, &mut |input| collect_locks(input, out));
}

fn collect_subquery_locks(expr: &mut Expr, out: &mut Vec<(Oid, TableLock)>) {
    if let Expr::Subquery(subquery) = expr {
        collect_locks(Arc::make_mut(&mut subquery.plan), out);
    }
    walk::for_each_child_mut(expr, &mut |child| collect_subquery_locks(child, out));
}

impl Planned {
    /// Whether the plan still fits the catalog, the search path and what the session lets a planner choose.
    pub(super) fn is_current(&self, core: &Core) -> bool {
        let names = core.names();
        let same = Arc::ptr_eq(&names, &self.names)
            || (names.snapshot.version == self.names.snapshot.version && names.path == self.names.path);
        same && self.choices == Choices::of(core)
    }

    /// Takes the table locks; false when the catalog changed meanwhile and the plan must be made again.
    ///
    /// # Errors
    /// `40P01`, `55P03`, `57014`.
    pub(super) fn lock(&self, core: &Core) -> Result<bool> {
        let txn = core.transaction();
        for (oid, mode) in &self.locks {
            txn.lock_table(*oid, *mode, Wait::Block, &core.cancel)?;
        }
        Ok(self.is_current(core))
    }

    /// Refuses who may not do what the statement does. Rights change, so this is asked before each execution; names are made
    /// anew when the catalog or the user changes, so under the same names the answer is the same.
    ///
    /// # Errors
    /// `42501`.
    pub(super) fn check_rights(&self, core: &Core) -> Result<()> {
        let names = core.names();
        if self.allowed.lock().as_ref().is_some_and(|known| Arc::ptr_eq(known, &names)) {
            return Ok(());
        }
        let role = core.role()?;
        self.claims.iter().try_for_each(|claim| self.names.snapshot.check_claim(claim, &role))?;
        *self.allowed.lock() = Some(names);
        Ok(())
    }

    /// Opens the plan: checks rights, takes the statement's snapshot and makes the operators.
    ///
    /// # Errors
    /// `42501`; those of opening.
    pub(super) fn open(&self, core: &Arc<Core>, params: Vec<Datum>, meters: Option<Arc<Meters>>) -> Result<Running> {
        self.check_rights(core)?;
        let txn = core.transaction();
        txn.begin_statement();
        open_node(core, &self.names, &self.node, params, meters)
    }
}

/// Opens a plan within the running statement.
pub(super) fn open_node(
    core: &Arc<Core>,
    names: &Arc<Names>,
    node: &Node,
    params: Vec<Datum>,
    meters: Option<Arc<Meters>>,
) -> Result<Running> {
    let (planner_core, choices) = (Arc::clone(core), Choices::of(core));
    let within = Choices { helpers: 0, ..choices };
    let runner = Runner::new(Arc::new(move |plan| {
        planner::plan(plan.clone(), &Counts { core: &planner_core, choices: within })
    }));
    let mut shared = Shared::within(
        core.transaction(),
        Arc::clone(&core.engine.tables),
        Arc::clone(names),
        Arc::new(Stored(Arc::clone(names))),
        Arc::new(SystemSource { core: Arc::clone(core), names: Arc::clone(names) }),
        core.deferred(),
    );
    {
        let settings = core.settings.lock();
        let typed = settings.typed();
        shared.work_mem = typed.work_mem;
        shared.hash_mem = (typed.work_mem as f64 * typed.hash_mem_multiplier) as usize;
        shared.spill = core.engine.spill.limited(typed.temp_file_limit);
        shared.search = SearchSettings {
            ef_search: typed.hnsw_ef_search,
            probes: typed.ivfflat_probes,
            scan_tuples_max: typed.hnsw_max_scan_tuples as u64,
            small_exact: typed.enable_seqscan,
        };
    }
    shared.threads = choices.helpers + 1;
    shared.meters = meters;
    let shared = Arc::new(shared);
    runner.attach(&shared);
    let mut eval = core.eval(names, Arc::from(params));
    eval.subqueries = Arc::clone(&runner) as _;
    let ctx = ExecContext { shared, eval, part: None };
    let operator = match executor::build(node, &ctx) {
        Ok(operator) => operator,
        Err(error) => {
            runner.detach();
            return Err(error);
        }
    };
    Ok(Running { operator, ctx, runner })
}

/// An executable context for evaluating single expressions and running table operations of utility statements.
pub(super) fn context(core: &Arc<Core>, names: &Arc<Names>) -> ExecContext {
    let shared = Shared::within(
        core.transaction(),
        Arc::clone(&core.engine.tables),
        Arc::clone(names),
        Arc::new(Stored(Arc::clone(names))),
        Arc::new(SystemSource { core: Arc::clone(core), names: Arc::clone(names) }),
        core.deferred(),
    );
    ExecContext { shared: Arc::new(shared), eval: core.eval(names, Arc::from([])), part: None }
}

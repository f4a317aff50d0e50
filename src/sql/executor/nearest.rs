//! The nearest rows by a vector index, or by comparing all rows when that is better.
//!
//! The rows that conditions allow are found first, as a set of row ids; then the index is searched within it, and what
//! it finds is asked the conditions that look at vectors. Conditions on included columns are asked of what the index keeps
//! of them, for each row that the search comes by or for all, and again of the rows found, for that may be more.
//!
//! All rows are compared instead, by the plan that is kept for it, when the index cannot answer (it is being built, it is
//! younger than the snapshot, the query is NULL or of other dimensions), when comparing is cheaper, and when the search
//! comes to its end with fewer rows than wanted: what the index leaves out, NULL and under cosine zero vectors, comes last
//! and may be wanted then.

use std::sync::Arc;

use crate::catalog::vector_index::{self, IVFFLAT};
use crate::error::Result;
use crate::index::hnsw::SearchCounters;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::eval::{eval_batch, included_condition};
use crate::sql::expr::Expr;
use crate::sql::physical::{NEAREST_ROWS_MIN, Node, TableAccess, VectorAccess};
use crate::table::{Admission, AllowedRows, Comparing, VectorScan, VectorScanSpec};
use crate::txn::Isolation;
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::allowed::Question;
use super::recheck::{given_to, look_again};
use super::scan::{filtered, row_ids, table_types, with_system};
use super::simple::row_count;
use super::{ExecContext, Operator, build};

/// Rows wanted beyond which all rows are compared: the search would look at most of them.
const WANTED_MAX: u64 = 20_000;
/// The share of the table beyond which it is so too.
const WANTED_SHARE: f64 = 0.2;

/// Rows below joins that are all taken when no more are allowed.
const TAKEN_MAX: usize = 50;

/// Rows asked for first to see whether more are as far away as the last one wanted.
const TIES_ASKED: usize = 4;

/// What settings say about searching.
#[derive(Clone, Copy, Debug)]
pub struct SearchSettings {
    /// `hnsw.ef_search`.
    pub ef_search: usize,
    /// `ivfflat.probes`.
    pub probes: usize,
    /// Rows looked at before the search gives way to comparing all: `hnsw.max_scan_tuples`.
    pub scan_tuples_max: u64,
    /// Small tables are compared row by row (`enable_seqscan`).
    pub small_exact: bool,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self { ef_search: 40, probes: 1, scan_tuples_max: 20_000, small_exact: true }
    }
}

/// See the module.
pub(super) struct Nearest {
    scan: Arc<TableAccess>,
    vector: Arc<VectorAccess>,
    list: Option<Arc<Vec<Expr>>>,
    rest: Option<Arc<Node>>,
    exact: Arc<Node>,
    stage: Stage,
    passing: Passing,
    /// The rows allowed were so few that they were taken without a search.
    all_taken: bool,
    counters: Option<SearchCounters>,
    /// While all rows are compared for want of the index.
    comparing: Option<Comparing>,
}

enum Stage {
    Begin,
    Exact(Box<dyn Operator>),
    End,
}

/// Who may be returned; all, when nothing is said.
#[derive(Clone, Default)]
struct Passing {
    allowed: Option<Arc<AllowedRows>>,
    admission: Option<Arc<Admission>>,
    /// Included columns have said so, and may have let too many through.
    included: bool,
}

/// How many rows, and how many candidates to hold for them.
struct Wanted {
    rows: u64,
    ef: usize,
    /// About how many rows the table has.
    of: f64,
}

impl Nearest {
    pub(super) fn new(
        scan: &Arc<TableAccess>,
        vector: &Arc<VectorAccess>,
        exact: &Arc<Node>,
        (list, rest): (Option<Arc<Vec<Expr>>>, Option<Arc<Node>>),
        ctx: &ExecContext,
    ) -> Result<Self> {
        let mut made = Self {
            scan: Arc::clone(scan),
            vector: Arc::clone(vector),
            list,
            rest,
            exact: Arc::clone(exact),
            stage: Stage::Begin,
            passing: Passing::default(),
            all_taken: false,
            counters: None,
            comparing: None,
        };
        if given_to(scan, ctx).is_some() {
            // A second look is about one row, which may not be the one that the index has.
            made.stage = Stage::Exact(build(exact, ctx)?);
        }
        Ok(made)
    }

    /// What to search for; `None` when all rows are to be compared.
    fn wanted(&self, ctx: &ExecContext) -> Result<Option<Wanted>> {
        let top = &self.vector.top;
        let limit = row_count(Some(&top.limit), true, ctx)?;
        let offset = row_count(top.offset.as_ref(), false, ctx)?.unwrap_or(0);
        let Some(rows) = limit.map(|limit| limit.saturating_add(offset)) else { return Ok(None) };
        let shared = &ctx.shared;
        let held = shared.tables.estimate(shared.txn.manager(), &self.scan.table);
        let settings = shared.search;
        let few = held < NEAREST_ROWS_MIN && settings.small_exact;
        let index = &self.vector.index;
        let young = shared.tables.made_at(index.storage).is_some_and(|made| made > shared.txn.snapshot_ts());
        if few || young || rows > WANTED_MAX || (rows as f64 > held * WANTED_SHARE && settings.small_exact) {
            return Ok(None);
        }
        let ef = if index.method == IVFFLAT {
            // The same engine: as many candidates as give the recall that so many lists would, and everything for all of them.
            if settings.probes >= vector_index::lists(index) as usize {
                return Ok(None);
            }
            (40.0 * (settings.probes as f64).sqrt()) as usize
        } else {
            settings.ef_search
        };
        Ok(Some(Wanted { rows, ef, of: held }))
    }

    /// The rows by the index; `None` when all rows are to be compared.
    fn by_index(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let Some(wanted) = self.wanted(ctx)? else { return Ok(None) };
        let query = eval_row(&self.vector.query, Row::Values(&[]), &ctx.eval)?;
        if query.is_null() {
            return Ok(None);
        }
        self.passing = self.passing(&wanted, ctx)?;
        let Passing { allowed, admission, .. } = self.passing.clone();
        let table = ctx.shared.table(&self.scan.table)?;
        let rows = usize::try_from(wanted.rows).expect("few rows are wanted");
        // What joins make of a few rows costs no more than of the nearest of them.
        let few = allowed.clone().filter(|allowed| self.rest.is_some() && allowed.len() <= rows.max(TAKEN_MAX));
        if let Some(few) = few {
            return self.all_of(&few, ctx).map(Some);
        }
        let known = allowed.clone().filter(|allowed| self.rest.is_some() && allowed.len() <= WANTED_MAX as usize);
        let spec = VectorScanSpec {
            index: self.vector.index.oid,
            query,
            ef: wanted.ef,
            wanted: rows,
            allowed,
            admission,
            positions: self.scan.columns.clone(),
            system: !self.scan.system.is_empty(),
        };
        table.await_vector_index(spec.index, wanted.of, &ctx.eval.cancel)?;
        let Some(mut scan) = table.vector_scan(&ctx.shared.txn, spec)? else {
            self.comparing = Some(ctx.shared.tables.compare_all());
            return Ok(None);
        };
        let found = self.collect(&mut scan, rows, ctx)?;
        self.counters = Some(scan.counters());
        match (found, known) {
            (None, Some(known)) => self.all_of(&known, ctx).map(Some),
            (found, _) => Ok(found),
        }
    }

    /// Who may be returned: as is known, as included columns say, or as the plan for it does.
    fn passing(&self, wanted: &Wanted, ctx: &ExecContext) -> Result<Passing> {
        let Some(matching) = &self.vector.matching else { return Ok(Passing::default()) };
        let question = Question::new(&self.scan.table, matching, ctx);
        if let Some(rows) = question.known(ctx) {
            return Ok(Passing { allowed: Some(rows), ..Passing::default() });
        }
        let Some(admission) = self.admission(ctx)? else {
            return Ok(Passing { allowed: Some(question.answer(ctx)?), ..Passing::default() });
        };
        if admission.is_for_walks(wanted.of, wanted.ef.max(wanted.rows as usize)) {
            return Ok(Passing { admission: Some(Arc::new(admission)), included: true, allowed: None });
        }
        let rows = question.included(self.vector.index.oid, &admission, ctx);
        Ok(Passing { allowed: Some(rows), included: true, admission: None })
    }

    /// What included columns say about the conditions, if they answer them.
    fn admission(&self, ctx: &ExecContext) -> Result<Option<Admission>> {
        let Some(conditions) = &self.vector.included else { return Ok(None) };
        // At SERIALIZABLE what is read must be noted, and reading it here notes nothing.
        if ctx.shared.txn.isolation() == Isolation::Serializable {
            return Ok(None);
        }
        let table = ctx.shared.table(&self.scan.table)?;
        let Some(included) = table.included(self.vector.index.oid)? else { return Ok(None) };
        let column = |index: usize| included.column(self.scan.table.columns[*self.scan.columns.get(index)?].attnum);
        // What fails is left to who evaluates it by rows, if there are any.
        let value = |expr: &Expr| eval_row(expr, Row::Values(&[]), &ctx.eval).ok();
        let Some(condition) = included_condition(conditions, &column, &value) else { return Ok(None) };
        Ok(Some(included.admission(condition)).filter(Admission::is_of_use))
    }

    /// All rows of a set, for the joins to make of them what they make.
    fn all_of(&mut self, rows: &AllowedRows, ctx: &ExecContext) -> Result<Batch> {
        self.all_taken = true;
        let ids: Vec<u32> = rows.rows().iter().collect();
        ctx.shared.table(&self.scan.table)?.fetch(&*ctx.shared.txn, &ids, &self.scan.columns, true)
    }

    /// What the joins around the table make of rows that were found.
    fn joined(&self, rest: &Node, found: &Batch, ctx: &ExecContext) -> Result<Option<Batch>> {
        let types = table_types(&self.scan.table);
        let ids = row_ids(found, types.len());
        let rows = ids.into_iter().enumerate().map(|(at, id)| (id, found.row(&types, at))).collect();
        let batches = look_again(rest, &[(self.scan.tag, Arc::new(rows))], ctx)?;
        Ok((!batches.is_empty()).then(|| Batch::concat(&batches)))
    }

    /// Asks the search until as many rows as wanted satisfy the late conditions.
    fn collect(&self, scan: &mut VectorScan, wanted: usize, ctx: &ExecContext) -> Result<Option<Batch>> {
        let (mut batches, mut count) = (Vec::new(), 0);
        let mut ask = wanted;
        while count < wanted {
            if is_spent(scan, wanted, ctx) {
                return Ok(None);
            }
            let Some((batch, past)) = self.more(scan, ask, ctx)? else { return Ok(None) };
            count += batch.rows;
            batches.push(batch);
            if past {
                break;
            }
            ask = (wanted - count.min(wanted)).max(ask.min(512));
        }
        let all =
            if batches.len() == 1 { batches.swap_remove(0) } else { self.in_order(&Batch::concat(&batches), ctx)? };
        if self.vector.ties && all.rows >= wanted {
            return self.with_ties(scan, all, wanted, ctx);
        }
        Ok(Some(if all.rows > wanted { all.slice(0, wanted) } else { all }))
    }

    /// The rows wanted, of those found by distance, and all that are as far away as the last of them; `None` when those are too many.
    fn with_ties(
        &self,
        scan: &mut VectorScan,
        mut found: Batch,
        wanted: usize,
        ctx: &ExecContext,
    ) -> Result<Option<Batch>> {
        let (mut ask, mut all_found) = (TIES_ASKED, false);
        loop {
            let distances = self.distances(&found, ctx)?;
            let last = distances[wanted - 1];
            let near = distances.partition_point(|distance| distance.total_cmp(&last).is_le());
            if near < found.rows || all_found {
                return Ok(Some(found.slice(0, near)));
            }
            if is_spent(scan, wanted, ctx) {
                return Ok(None);
            }
            let Some((batch, past)) = self.more(scan, ask, ctx)? else { return Ok(Some(found)) };
            all_found = past;
            found = self.in_order(&Batch::concat(&[found, batch]), ctx)?;
            ask = 512.min(2 * ask);
        }
    }

    /// The next rows that the search finds and the late conditions leave, and whether nothing that satisfies them comes after.
    fn more(&self, scan: &mut VectorScan, count: usize, ctx: &ExecContext) -> Result<Option<(Batch, bool)>> {
        ctx.check()?;
        let evaluator = ctx.evaluator(&self.scan.table);
        let Some(batch) = scan.next(count, &evaluator, &ctx.eval.cancel)? else { return Ok(None) };
        let again = self.vector.included.as_ref().filter(|_| self.passing.included);
        let batch = filtered(with_system(batch, &self.scan), again, ctx)?;
        let found = batch.rows;
        let batch = filtered(batch, self.vector.late.as_ref(), ctx)?;
        let past = self.vector.within && batch.rows < found;
        Ok(Some((batch, past)))
    }

    /// How far rows are away; what has no distance, infinitely.
    fn distances(&self, rows: &Batch, ctx: &ExecContext) -> Result<Vec<f64>> {
        let distances = Batch::new(rows.rows, vec![eval_batch(&self.vector.order, rows, &ctx.eval)?]);
        let distance = |at| match distances.datum(0, Oid::FLOAT8, at) {
            Datum::Float8(distance) => distance,
            _ => f64::INFINITY,
        };
        Ok((0..rows.rows).map(distance).collect())
    }

    /// Rows of several calls by distance: a later call may find a nearer one.
    fn in_order(&self, rows: &Batch, ctx: &ExecContext) -> Result<Batch> {
        let distances = self.distances(rows, ctx)?;
        let mut order: Vec<u32> = (0..rows.rows as u32).collect();
        order.sort_by(|a, b| distances[*a as usize].total_cmp(&distances[*b as usize]));
        Ok(rows.take(&order))
    }
}

/// Whether a search has looked at so many rows that comparing all is better.
fn is_spent(scan: &VectorScan, wanted: usize, ctx: &ExecContext) -> bool {
    scan.counters().judged > ctx.shared.search.scan_tuples_max.max(2 * wanted as u64)
}

impl Operator for Nearest {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if matches!(self.stage, Stage::Begin) {
            self.stage = Stage::End;
            if let Some(batch) = self.by_index(ctx)? {
                return match (&self.list, &self.rest) {
                    (None, None) => Ok(Some(batch)),
                    (_, Some(rest)) => self.joined(rest, &batch, ctx),
                    (Some(list), None) => {
                        let of = |expr| eval_batch(expr, &batch, &ctx.eval);
                        let columns = list.iter().map(of).collect::<Result<Vec<_>>>()?;
                        Ok(Some(Batch::new(batch.rows, columns)))
                    }
                };
            }
            self.stage = Stage::Exact(build(&self.exact, ctx)?);
        }
        match &mut self.stage {
            Stage::Exact(operator) => {
                let batch = operator.next(ctx);
                // The first one takes all the time.
                self.comparing = None;
                batch
            }
            Stage::Begin | Stage::End => Ok(None),
        }
    }

    fn note(&self) -> Option<String> {
        let mut text = match &self.counters {
            Some(counters) => format!(
                "Vector Search: rounds={} codes={} reranked={} rows={}",
                counters.rounds, counters.evaluated, counters.reranked, counters.judged
            ),
            None if self.all_taken => "Vector Search: none".to_owned(),
            None => return Some("Vector Search: none, all rows compared".to_owned()),
        };
        if let Some(allowed) = &self.passing.allowed {
            text += &format!(" allowed={}", allowed.len());
        }
        if let Some(counters) = self.counters.filter(|counters| counters.filtered > 0) {
            text += &format!(" passed={:.1}%", 100.0 * counters.admitted as f64 / counters.filtered as f64);
        }
        if self.passing.included {
            text += " by included columns";
        }
        if matches!(self.stage, Stage::Exact(_)) {
            text += ", then all rows compared";
        }
        if self.all_taken {
            text += ", all allowed rows taken";
        }
        Some(text)
    }
}

//! WITH: each query is computed once, as far as it is read; recursive ones to their fixed point.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::sql::physical::{CteNode, Node};
use crate::types::column::Batch;

use super::distinct::unseen;
use super::keys::{KeyShape, KeyTable};
use super::rows::held;
use super::sort::check_memory;
use super::spill::Spool;
use super::{ExecContext, Operator, build};

/// A WITH query while its statement runs.
pub(super) struct CteState {
    /// What yields more rows; `None` at the end.
    source: Option<Box<dyn Operator>>,
    batches: Spool,
    /// While a recursive term runs, CteScan reads this instead.
    working: Option<Arc<Vec<Batch>>>,
}

/// Opens its queries, runs the body, then runs writing queries to their end.
pub(super) struct With {
    ctes: Vec<CteNode>,
    body: Node,
    opened: Option<Box<dyn Operator>>,
    finished: bool,
}

impl With {
    pub(super) fn new(ctes: Vec<CteNode>, body: &Node, _ctx: &ExecContext) -> Result<Self> {
        Ok(Self { ctes, body: body.clone(), opened: None, finished: false })
    }

    fn open(&self, ctx: &ExecContext) -> Result<Box<dyn Operator>> {
        for cte in &self.ctes {
            let mut state = CteState { source: None, batches: Spool::default(), working: None };
            match &cte.recursive {
                None => {
                    state.source = Some(build(&cte.plan, ctx)?);
                    ctx.shared.ctes.lock().insert(cte.id, Arc::new(Mutex::new(state)));
                }
                Some((term, all)) => {
                    ctx.shared.ctes.lock().insert(cte.id, Arc::new(Mutex::new(state)));
                    recurse(cte, term, *all, ctx)?;
                }
            }
        }
        build(&self.body, ctx)
    }
}

/// Runs a recursive query to its fixed point.
fn recurse(cte: &CteNode, term: &Node, all: bool, ctx: &ExecContext) -> Result<()> {
    let shape = KeyShape::of_types(cte.plan.types().into_iter());
    let state = ctx.shared.ctes.lock().get(&cte.id).cloned().expect("inserted by the caller");
    let mut seen = KeyTable::default();
    let mut fresh = |batch: Batch| -> Batch {
        if all {
            return batch;
        }
        batch.filter(&unseen(&mut seen, &shape.encode(&batch.columns, batch.rows)))
    };
    let mut working = Vec::new();
    let mut source = build(&cte.plan, ctx)?;
    while let Some(batch) = source.next(ctx)? {
        working.push(fresh(batch));
    }
    loop {
        working.retain(|batch: &Batch| batch.rows > 0);
        if working.is_empty() {
            break;
        }
        let round = Arc::new(std::mem::take(&mut working));
        check_memory(round.iter().map(held).sum(), ctx)?;
        {
            let mut state = state.lock();
            round.iter().try_for_each(|batch| state.batches.push(batch.clone(), ctx))?;
            state.working = Some(Arc::clone(&round));
        }
        let mut step = build(term, ctx)?;
        while let Some(batch) = step.next(ctx)? {
            ctx.check()?;
            working.push(fresh(batch));
        }
    }
    state.lock().working = None;
    Ok(())
}

impl Operator for With {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.opened.is_none() {
            self.opened = Some(self.open(ctx)?);
        }
        if let Some(batch) = self.opened.as_mut().expect("opened above").next(ctx)? {
            return Ok(Some(batch));
        }
        if !self.finished {
            self.finished = true;
            for cte in self.ctes.iter().filter(|cte| cte.modifies) {
                let mut at = 0;
                while read(cte.id, at, ctx)?.is_some() {
                    at += 1;
                }
            }
        }
        Ok(None)
    }
}

/// Batch `at` of a query, computing it when it was not read before.
fn read(id: usize, at: usize, ctx: &ExecContext) -> Result<Option<Batch>> {
    let state = ctx.shared.ctes.lock().get(&id).cloned();
    let Some(state) = state else { return Err(Error::internal("a WITH query is read outside of its statement")) };
    let Some(mut state) = state.try_lock() else { return Err(Error::internal("a WITH query reads itself")) };
    if let Some(working) = &state.working {
        return Ok(working.get(at).cloned());
    }
    while state.batches.len() <= at {
        let Some(source) = &mut state.source else { return Ok(None) };
        match source.next(ctx)? {
            Some(batch) => state.batches.push(batch, ctx)?,
            None => state.source = None,
        }
    }
    state.batches.get(at)
}

/// Reads a WITH query.
pub(super) struct CteScan {
    id: usize,
    at: usize,
    /// The round of a recursive query that this scan reads.
    round: Option<Arc<Vec<Batch>>>,
}

impl CteScan {
    pub(super) fn new(id: usize) -> Self {
        Self { id, at: 0, round: None }
    }
}

impl Operator for CteScan {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.at == 0 {
            let state = ctx.shared.ctes.lock().get(&self.id).cloned();
            self.round = state.and_then(|state| state.try_lock().and_then(|state| state.working.clone()));
        }
        let batch = match &self.round {
            Some(round) => round.get(self.at).cloned(),
            None => read(self.id, self.at, ctx)?,
        };
        self.at += 1;
        Ok(batch)
    }
}

//! Operators that look at each row once: Filter, Project, Limit.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::eval::{eval_batch, eval_mask};
use crate::sql::expr::{Expr, SortKey};
use crate::types::column::Batch;
use crate::types::{Datum, Oid};

use super::keys::{KeyShape, Keys, columns_of};
use super::{ExecContext, Operator, Pulled};

/// Keeps the rows for which a condition is true.
pub(super) struct Filter {
    input: Box<dyn Operator>,
    predicate: Arc<Expr>,
}

impl Filter {
    pub(super) fn new(input: Box<dyn Operator>, predicate: Arc<Expr>) -> Self {
        Self { input, predicate }
    }
}

impl Operator for Filter {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next(ctx)? {
            ctx.check()?;
            if batch.rows == 0 {
                continue;
            }
            let mask = eval_mask(&self.predicate, &batch, &ctx.eval)?;
            match mask.true_count() {
                0 => {}
                all if all == batch.rows => return Ok(Some(batch)),
                _ => return Ok(Some(batch.filter(&mask))),
            }
        }
        Ok(None)
    }
}

/// Computes new columns.
pub(super) struct Project {
    input: Box<dyn Operator>,
    exprs: Arc<[Expr]>,
}

impl Project {
    pub(super) fn new(input: Box<dyn Operator>, exprs: Arc<[Expr]>) -> Self {
        Self { input, exprs }
    }
}

impl Project {
    fn batch(&self, batch: &Batch, ctx: &ExecContext) -> Result<Batch> {
        let columns = self.exprs.iter().map(|expr| eval_batch(expr, batch, &ctx.eval)).collect::<Result<Vec<_>>>()?;
        Ok(Batch::new(batch.rows, columns))
    }
}

impl Operator for Project {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let Some(batch) = self.input.next(ctx)? else { return Ok(None) };
        ctx.check()?;
        self.batch(&batch, ctx).map(Some)
    }

    fn pull(&mut self, ctx: &ExecContext) -> Result<Option<Pulled>> {
        let Some(pulled) = self.input.pull(ctx)? else { return Ok(None) };
        ctx.check()?;
        match pulled {
            Pulled::Batch(batch) => Ok(Some(Pulled::Batch(self.batch(&batch, ctx)?))),
            Pulled::Rows(rows) => {
                let project = |row: Vec<Datum>| {
                    self.exprs.iter().map(|expr| eval_row(expr, Row::Values(&row), &ctx.eval)).collect()
                };
                Ok(Some(Pulled::Rows(rows.into_iter().map(project).collect::<Result<Vec<_>>>()?)))
            }
        }
    }
}

/// The value of a LIMIT or OFFSET; `None` is no limit.
pub(super) fn row_count(expr: Option<&Expr>, is_limit: bool, ctx: &ExecContext) -> Result<Option<u64>> {
    let Some(expr) = expr else { return Ok(None) };
    match eval_row(expr, Row::Values(&[]), &ctx.eval)? {
        Datum::Null => Ok(None),
        value => match value.as_i64().map(u64::try_from) {
            Some(Ok(count)) => Ok(Some(count)),
            _ if is_limit => bail!(INVALID_LIMIT_VALUE, "LIMIT must not be negative"),
            _ => bail!(INVALID_OFFSET_VALUE, "OFFSET must not be negative"),
        },
    }
}

/// Skips rows, then lets a number of rows through, and with ties those that sort equal to the last.
pub(super) struct Limit {
    input: Box<dyn Operator>,
    limit: Option<Expr>,
    offset: Option<Expr>,
    ties: Option<Vec<SortKey>>,
    state: Option<(u64, Option<u64>)>,
    last_key: Option<Keys>,
    done: bool,
}

impl Limit {
    pub(super) fn new(
        input: Box<dyn Operator>,
        limit: Option<Expr>,
        offset: Option<Expr>,
        ties: Option<Vec<SortKey>>,
    ) -> Self {
        Self { input, limit, offset, ties, state: None, last_key: None, done: false }
    }

    fn tied(&mut self, batch: &Batch, from: usize, ctx: &ExecContext) -> Result<usize> {
        let Some(ties) = &self.ties else { return Ok(0) };
        let columns = columns_of(ties.iter().map(|key| &key.expr), batch, ctx)?;
        let keys = KeyShape::of_order(ties).encode(&columns, batch.rows);
        if self.last_key.is_none() && from > 0 {
            self.last_key = Some(keys.one(from - 1));
        }
        let Some(last) = &self.last_key else { return Ok(0) };
        Ok((from..batch.rows).take_while(|row| keys.compare(*row, last, 0).is_eq()).count())
    }
}

impl Operator for Limit {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let (mut skip, mut left) = match self.state {
            Some(state) => state,
            None => {
                let limit = row_count(self.limit.as_ref(), true, ctx)?;
                (row_count(self.offset.as_ref(), false, ctx)?.unwrap_or(0), limit)
            }
        };
        loop {
            if left == Some(0) && (self.ties.is_none() || self.last_key.is_none()) {
                self.done = true;
                return Ok(None);
            }
            let Some(mut batch) = self.input.next(ctx)? else {
                self.done = true;
                return Ok(None);
            };
            let rows = batch.rows as u64;
            if skip >= rows {
                skip -= rows;
                continue;
            }
            if skip > 0 {
                let from = usize::try_from(skip).expect("below the batch's rows");
                batch = batch.slice(from, batch.rows - from);
                skip = 0;
            }
            if let Some(count) = left
                && count <= batch.rows as u64
            {
                let keep = usize::try_from(count).expect("at most the batch's rows");
                let tied = self.tied(&batch, keep, ctx)?;
                if keep + tied < batch.rows || self.ties.is_none() {
                    self.done = true;
                }
                batch = batch.slice(0, keep + tied);
                left = Some(0);
            } else if let Some(count) = &mut left {
                *count -= batch.rows as u64;
            }
            self.state = Some((skip, left));
            return Ok(Some(batch));
        }
    }
}

/// Batches that were computed ahead, handed out in order.
#[derive(Default)]
pub(super) struct Queue(pub(super) VecDeque<Batch>);

impl Queue {
    /// Cuts rows into batches.
    pub(super) fn of_rows(types: &[Oid], rows: &[Vec<Datum>]) -> Self {
        Self(rows.chunks(super::BATCH_ROWS).map(|chunk| Batch::from_rows(types, chunk)).collect())
    }

    pub(super) fn pop(&mut self) -> Option<Batch> {
        self.0.pop_front()
    }
}

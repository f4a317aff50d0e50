//! UNION, INTERSECT, EXCEPT over whole rows.

use arrow_array::BooleanArray;
use hashbrown::{HashMap, HashSet};

use crate::error::Result;
use crate::sql::expr::Expr;
use crate::sql::logical::SetOp;
use crate::types::Oid;
use crate::types::column::Batch;

use super::distinct::all_columns;
use super::sort::encode_exprs;
use super::{ExecContext, Operator};

/// A set operation.
pub(super) struct SetOperation {
    op: SetOp,
    all: bool,
    left: Box<dyn Operator>,
    right: Option<Box<dyn Operator>>,
    exprs: Vec<Expr>,
    left_done: bool,
    /// Copies of each right row that are left to match.
    counts: HashMap<Vec<u8>, u64>,
    seen: HashSet<Vec<u8>>,
}

impl SetOperation {
    pub(super) fn new(
        op: SetOp,
        all: bool,
        left: Box<dyn Operator>,
        right: Box<dyn Operator>,
        types: Vec<Oid>,
    ) -> Self {
        let exprs = all_columns(&types);
        Self {
            op,
            all,
            left,
            right: Some(right),
            exprs,
            left_done: false,
            counts: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    fn next_union(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        loop {
            let batch = if self.left_done {
                match &mut self.right {
                    Some(right) => right.next(ctx)?,
                    None => None,
                }
            } else {
                self.left.next(ctx)?
            };
            ctx.check()?;
            let Some(batch) = batch else {
                if self.left_done {
                    return Ok(None);
                }
                self.left_done = true;
                continue;
            };
            if self.all {
                return Ok(Some(batch));
            }
            let keep: Vec<bool> =
                encode_exprs(&self.exprs, &batch, ctx)?.into_iter().map(|key| self.seen.insert(key)).collect();
            let mask = BooleanArray::from(keep);
            if mask.true_count() > 0 {
                return Ok(Some(batch.filter(&mask)));
            }
        }
    }

    fn count_right(&mut self, ctx: &ExecContext) -> Result<()> {
        let Some(mut right) = self.right.take() else { return Ok(()) };
        while let Some(batch) = right.next(ctx)? {
            ctx.check()?;
            for key in encode_exprs(&self.exprs, &batch, ctx)? {
                *self.counts.entry(key).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Whether a left row stays.
    fn keeps(&mut self, key: Vec<u8>) -> bool {
        let intersect = self.op == SetOp::Intersect;
        if self.all {
            return match self.counts.get_mut(&key) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    intersect
                }
                _ => !intersect,
            };
        }
        self.counts.contains_key(&key) == intersect && self.seen.insert(key)
    }
}

impl Operator for SetOperation {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if self.op == SetOp::Union {
            return self.next_union(ctx);
        }
        self.count_right(ctx)?;
        while let Some(batch) = self.left.next(ctx)? {
            ctx.check()?;
            let keys = encode_exprs(&self.exprs, &batch, ctx)?;
            let keep: Vec<bool> = keys.into_iter().map(|key| self.keeps(key)).collect();
            let mask = BooleanArray::from(keep);
            if mask.true_count() > 0 {
                return Ok(Some(batch.filter(&mask)));
            }
        }
        Ok(None)
    }
}

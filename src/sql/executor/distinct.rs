//! DISTINCT: the first of equal rows; DISTINCT ON: the first of each run of equal keys.

use arrow_array::BooleanArray;
use hashbrown::HashSet;

use crate::error::Result;
use crate::sql::expr::Expr;
use crate::types::Oid;
use crate::types::column::Batch;

use super::sort::encode_exprs;
use super::{ExecContext, Operator};

/// DISTINCT.
pub(super) struct Distinct {
    input: Box<dyn Operator>,
    exprs: Vec<Expr>,
    /// The keys of the last row, for DISTINCT ON over sorted input.
    runs: bool,
    last: Option<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
}

impl Distinct {
    pub(super) fn new(input: Box<dyn Operator>, on: Option<Vec<Expr>>, types: Vec<Oid>) -> Self {
        let runs = on.is_some();
        let exprs = on.unwrap_or_else(|| all_columns(&types));
        Self { input, exprs, runs, last: None, seen: HashSet::new() }
    }
}

/// References to all columns of a row.
pub(super) fn all_columns(types: &[Oid]) -> Vec<Expr> {
    types.iter().enumerate().map(|(index, oid)| Expr::Column { index, ty: crate::types::SqlType::of(*oid) }).collect()
}

impl Operator for Distinct {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        while let Some(batch) = self.input.next(ctx)? {
            ctx.check()?;
            let keys = encode_exprs(&self.exprs, &batch, ctx)?;
            let mut keep = Vec::with_capacity(batch.rows);
            for key in keys {
                if self.runs {
                    let fresh = self.last.as_ref() != Some(&key);
                    keep.push(fresh);
                    self.last = Some(key);
                } else {
                    keep.push(self.seen.insert(key));
                }
            }
            let mask = BooleanArray::from(keep);
            if mask.true_count() > 0 {
                return Ok(Some(batch.filter(&mask)));
            }
        }
        Ok(None)
    }
}

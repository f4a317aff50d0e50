//! Nested loops: for joins without equalities, and for right sides that are run per left row.

use arrow_array::BooleanArray;

use crate::error::Result;
use crate::sql::eval::eval_mask;
use crate::sql::expr::Expr;
use crate::sql::logical::JoinKind;
use crate::sql::physical::Node;
use crate::types::Oid;
use crate::types::column::Batch;

use super::join::nulls;
use super::rows::Coalesced;
use super::spill::Spool;
use super::{ExecContext, Operator, build};

/// A nested loop.
pub(super) struct NestedLoop {
    kind: JoinKind,
    lateral: bool,
    left: Box<dyn Operator>,
    right: Node,
    on: Option<Expr>,
    left_types: Vec<Oid>,
    right_types: Vec<Oid>,
    /// The right side, kept, when it does not depend on the left row.
    kept: Option<Spool>,
    matched: Vec<Vec<bool>>,
    current: Option<(Batch, usize)>,
    pending: Vec<Batch>,
    tail: Option<usize>,
}

impl NestedLoop {
    pub(super) fn new(
        kind: JoinKind,
        lateral: bool,
        inputs: (&Node, &Node),
        on: Option<Expr>,
        ctx: &ExecContext,
    ) -> Result<Self> {
        Ok(Self {
            kind,
            lateral,
            left: build(inputs.0, ctx)?,
            right: inputs.1.clone(),
            on,
            left_types: inputs.0.types(),
            right_types: inputs.1.types(),
            kept: None,
            matched: Vec::new(),
            current: None,
            pending: Vec::new(),
            tail: None,
        })
    }

    /// Joins one left row.
    fn row(&mut self, left: &Batch, row: usize, ctx: &ExecContext) -> Result<()> {
        let one = left.slice(row, 1);
        let mut hit = false;
        let stop_at_first = matches!(self.kind, JoinKind::Semi | JoinKind::Anti);
        if self.lateral {
            let inner = ctx.inside(left.row(&self.left_types, row));
            let mut right = build(&self.right, &inner)?;
            while let Some(batch) = right.next(&inner)? {
                ctx.check()?;
                hit |= self.pair(&one, &batch, None, ctx)?;
                if hit && stop_at_first {
                    break;
                }
            }
        } else {
            let batches = self.kept.take().unwrap_or_default();
            for number in 0..batches.len() {
                ctx.check()?;
                let batch = batches.get(number)?.expect("there are that many");
                hit |= self.pair(&one, &batch, Some(number), ctx)?;
                if hit && stop_at_first {
                    break;
                }
            }
            self.kept = Some(batches);
        }
        match self.kind {
            JoinKind::Semi if hit => self.pending.push(one),
            JoinKind::Anti if !hit => self.pending.push(one),
            JoinKind::Left | JoinKind::Full if !hit => self.pending.push(one.beside(nulls(&self.right_types, 1))),
            _ => {}
        }
        Ok(())
    }

    /// Joins one left row with right rows; whether any matched.
    fn pair(&mut self, one: &Batch, right: &Batch, number: Option<usize>, ctx: &ExecContext) -> Result<bool> {
        if right.rows == 0 {
            return Ok(false);
        }
        let mut pair = one.take(&vec![0; right.rows]).beside(right.clone());
        if let Some(on) = &self.on {
            let mask = eval_mask(on, &pair, &ctx.eval)?;
            if mask.true_count() == 0 {
                return Ok(false);
            }
            if let (Some(number), JoinKind::Right | JoinKind::Full) = (number, self.kind) {
                mask.values().set_indices().for_each(|at| self.matched[number][at] = true);
            }
            pair = pair.filter(&mask);
        } else if let (Some(number), JoinKind::Right | JoinKind::Full) = (number, self.kind) {
            self.matched[number].fill(true);
        }
        if !matches!(self.kind, JoinKind::Semi | JoinKind::Anti) {
            self.pending.push(pair);
        }
        Ok(true)
    }

    fn keep_right(&mut self, ctx: &ExecContext) -> Result<()> {
        let mut right = build(&self.right, ctx)?;
        let mut batches = Spool::default();
        let mut right = Coalesced::new(&mut *right);
        while let Some(batch) = right.next(ctx)? {
            ctx.check()?;
            self.matched.push(vec![false; batch.rows]);
            batches.push(batch, ctx)?;
        }
        self.kept = Some(batches);
        Ok(())
    }

    fn unmatched(&mut self) -> Result<Option<Batch>> {
        if !matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            return Ok(None);
        }
        let at = self.tail.unwrap_or(0);
        let Some(batch) = self.kept.as_ref().map_or(Ok(None), |batches| batches.get(at))? else { return Ok(None) };
        self.tail = Some(at + 1);
        let mask: BooleanArray = self.matched[at].iter().map(|matched| Some(!matched)).collect();
        let rest = batch.filter(&mask);
        Ok(Some(nulls(&self.left_types, rest.rows).beside(rest)))
    }
}

impl Operator for NestedLoop {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if !self.lateral && self.kept.is_none() {
            self.keep_right(ctx)?;
        }
        loop {
            if !self.pending.is_empty() {
                let batches = std::mem::take(&mut self.pending);
                return Ok(Some(if batches.len() == 1 {
                    batches.into_iter().next().expect("one")
                } else {
                    Batch::concat(&batches)
                }));
            }
            ctx.check()?;
            match self.current.take() {
                Some((batch, mut row)) => {
                    let mut rows = 0;
                    while row < batch.rows && rows < super::BATCH_ROWS {
                        self.row(&batch, row, ctx)?;
                        row += 1;
                        rows = self.pending.iter().map(|batch| batch.rows).sum();
                    }
                    if row < batch.rows {
                        self.current = Some((batch, row));
                    }
                }
                None => match self.left.next(ctx)? {
                    Some(batch) => self.current = Some((batch, 0)),
                    None => return self.unmatched(),
                },
            }
        }
    }
}

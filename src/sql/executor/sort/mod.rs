//! ORDER BY.
//!
//! Rows are sorted by their encoded keys ([`super::keys`]). What is moved about while sorting are 16 or 32 bytes a row: the
//! beginning of its key and where it is; the rest of a key is looked at only when beginnings are equal. Equal keys keep the
//! order of the input. What does not fit in `work_mem` goes to disk in sorted runs, which are merged ([`merge`]). With a row
//! limit only the best rows are kept ([`top`]), so that `ORDER BY embedding <-> $1 LIMIT 10` over a million rows holds ten.

mod merge;
mod sorter;
mod top;

use crate::bail;
use crate::error::Result;
use crate::sql::expr::SortKey;
use crate::sql::physical::{Node, TopRows};
use crate::types::column::Batch;

use super::keys::{KeyShape, columns_of};
use super::rows::Coalesced;
use super::simple::row_count;
use super::{ExecContext, Operator, build};

pub(super) use sorter::{Sorted, Sorter, column_places};
use top::Top;

/// Limits above this are sorted in full: a heap no longer pays.
const TOP_MAX: u64 = 100_000;

/// Sorts its input, or keeps its first rows.
pub(super) struct Sort {
    input: Option<Box<dyn Operator>>,
    keys: Vec<SortKey>,
    shape: KeyShape,
    top: Option<TopRows>,
    output: Option<Sorted>,
}

impl Sort {
    pub(super) fn new(input: &Node, keys: Vec<SortKey>, top: Option<TopRows>, ctx: &ExecContext) -> Result<Self> {
        let shape = KeyShape::of_order(&keys);
        Ok(Self { input: Some(build(input, ctx)?), keys, shape, top, output: None })
    }

    fn wanted(&self, ctx: &ExecContext) -> Result<Option<usize>> {
        let Some(top) = &self.top else { return Ok(None) };
        let Some(limit) = row_count(Some(&top.limit), true, ctx)? else { return Ok(None) };
        let offset = row_count(top.offset.as_ref(), false, ctx)?.unwrap_or(0);
        let wanted = limit.saturating_add(offset);
        Ok((wanted <= TOP_MAX).then(|| usize::try_from(wanted).expect("bounded above")))
    }

    /// Sorts `first`, if there are rows already, and all rows of the input.
    fn full(&self, first: Option<Batch>, input: &mut dyn Operator, ctx: &ExecContext) -> Result<Sorted> {
        let places = column_places(self.keys.iter().map(|key| &key.expr));
        let mut sorter = Sorter::new(self.shape.clone(), places);
        let mut add = |batch: Batch| {
            ctx.check()?;
            let columns = columns_of(self.keys.iter().map(|key| &key.expr), &batch, ctx)?;
            sorter.add(batch, &columns, ctx)
        };
        if let Some(batch) = first {
            add(batch)?;
        }
        let mut input = Coalesced::new(input);
        while let Some(batch) = input.next(ctx)? {
            add(batch)?;
        }
        sorter.finish(ctx)
    }

    fn first(&self, input: &mut dyn Operator, wanted: usize, ctx: &ExecContext) -> Result<Sorted> {
        let mut top = Top::new(wanted);
        while let Some(batch) = input.next(ctx)? {
            ctx.check()?;
            if wanted > 0 && batch.rows > 0 {
                let columns = columns_of(self.keys.iter().map(|key| &key.expr), &batch, ctx)?;
                let keys = self.shape.encode(&columns, batch.rows);
                top.add(batch, &keys);
                if top.memory() > ctx.shared.work_mem {
                    // Wide rows: what was turned down stays away, the rest is sorted on disk.
                    return self.full(Some(top.into_rows()), input, ctx);
                }
            }
        }
        Ok(top.finish())
    }
}

impl Operator for Sort {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(mut input) = self.input.take() {
            self.output = Some(match self.wanted(ctx)? {
                Some(wanted) if !self.keys.is_empty() => self.first(&mut *input, wanted, ctx)?,
                _ => self.full(None, &mut *input, ctx)?,
            });
        }
        ctx.check()?;
        match &mut self.output {
            Some(output) => output.next(ctx),
            None => Ok(None),
        }
    }

    fn note(&self) -> Option<String> {
        self.output.as_ref().map(|output| output.note().to_owned())
    }
}

/// Bytes that an operator may hold in any case of what it cannot write to disk.
const UNSPILLED_BYTES: usize = 256 << 20;

/// Refuses to hold more of what an operator cannot write to disk: a window partition, a round of a recursive query.
///
/// # Errors
/// `53200`.
pub(super) fn check_memory(bytes: usize, ctx: &ExecContext) -> Result<()> {
    if bytes > ctx.shared.work_mem.saturating_mul(64).max(UNSPILLED_BYTES) {
        bail!(OUT_OF_MEMORY, "out of memory");
    }
    Ok(())
}

//! Aggregates over frames.
//!
//! When each frame is its partition, partitions are groups and the block is folded in at once. When frames run from the start
//! of the partition through the row's peers, the state only grows. Otherwise rows that leave a frame at its start are taken
//! back where the aggregate can do that; where it cannot, and with EXCLUDE, the frame is aggregated anew.

use arrow_array::ArrayRef;

use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, GroupStates, group_states};
use crate::sql::eval::registry::Function;
use crate::sql::executor::ExecContext;
use crate::sql::executor::aggregate::CallInput;
use crate::sql::expr::{AggregateCall, Expr, WindowCall};
use crate::types::Datum;
use crate::types::column::{Batch, ColumnBuilder, datum_at};

use super::Block;
use super::frame::{Extent, Frames};

/// A call over a block.
struct Over<'a> {
    call: &'a WindowCall,
    info: AggregateInfo,
    input: CallInput,
    block: &'a Block,
}

/// The values of an aggregate for the rows of a block.
///
/// # Errors
/// Those of its arguments and of the aggregate.
pub(super) fn over_frames(
    call: &WindowCall,
    function: &'static Function,
    block: &Block,
    frames: &mut Frames<'_>,
    ctx: &ExecContext,
) -> Result<ArrayRef> {
    let info = AggregateInfo {
        function,
        args: call.args.iter().map(Expr::ty).collect(),
        direct: 0,
        order: Vec::new(),
        result: call.ty,
    };
    let plain = AggregateCall {
        function: call.function,
        args: call.args.clone(),
        direct_args: 0,
        distinct: false,
        order_by: Vec::new(),
        filter: call.filter.clone(),
        ty: call.ty,
    };
    let over = Over { call, info, input: CallInput::of(&plain, &block.rows, ctx)?, block };
    match frames.extent() {
        Extent::Partition => over.partitions(ctx),
        Extent::ThroughPeers => over.growing(ctx),
        Extent::Other => over.moving(frames, ctx),
    }
}

impl Over<'_> {
    fn states(&self, groups: usize) -> Result<Box<dyn GroupStates>> {
        let mut states = group_states(&self.info)?;
        states.resize(groups)?;
        Ok(states)
    }

    fn output(&self) -> ColumnBuilder {
        ColumnBuilder::new(self.call.ty.oid, self.block.rows.rows)
    }

    fn partitions(&self, ctx: &ExecContext) -> Result<ArrayRef> {
        let partitions = &self.block.partitions;
        let groups: Vec<u32> =
            partitions.iter().zip(0_u32..).flat_map(|(range, at)| std::iter::repeat_n(at, range.len())).collect();
        let mut states = self.states(partitions.len())?;
        states.update(&groups, &self.input.args, self.input.keep.as_ref(), &ctx.eval)?;
        let mut results = ColumnBuilder::new(self.call.ty.oid, partitions.len());
        for group in 0..partitions.len() {
            results.push(&states.finish(group, &ctx.eval)?);
        }
        Ok(Batch::new(partitions.len(), vec![results.finish()]).take(&groups).columns.remove(0))
    }

    fn growing(&self, ctx: &ExecContext) -> Result<ArrayRef> {
        let mut out = self.output();
        for partition in &self.block.partitions {
            let mut states = self.states(1)?;
            let mut row = partition.start;
            while row < partition.end {
                ctx.check()?;
                let peers = self.block.peers[row].clone();
                for peer in peers.clone() {
                    self.add(&mut *states, peer, ctx)?;
                }
                let result = states.finish(0, &ctx.eval)?;
                peers.clone().for_each(|_| out.push(&result));
                row = peers.end;
            }
        }
        Ok(out.finish())
    }

    fn moving(&self, frames: &mut Frames<'_>, ctx: &ExecContext) -> Result<ArrayRef> {
        let ranges = frames.all(ctx)?.to_vec();
        let mut out = self.output();
        // The state and the rows in it.
        let mut state: Option<(Box<dyn GroupStates>, usize, usize)> = None;
        for (at, frame) in ranges.into_iter().enumerate() {
            ctx.check()?;
            let mut kept = state.take().filter(|(_, from, to)| {
                !frames.excludes() && *from <= frame.start && *to <= frame.end && frame.start <= *to
            });
            if let Some((states, from, _)) = &mut kept {
                while *from < frame.start && self.take_back(&mut **states, *from, ctx)? {
                    *from += 1;
                }
            }
            let (mut states, _, to) = match kept.filter(|(_, from, _)| *from == frame.start) {
                Some(kept) => kept,
                None => (self.states(1)?, frame.start, frame.start),
            };
            for other in to..frame.end {
                if !frames.excluded(at, other) {
                    self.add(&mut *states, other, ctx)?;
                }
            }
            out.push(&states.finish(0, &ctx.eval)?);
            state = Some((states, frame.start, frame.end));
        }
        Ok(out.finish())
    }

    /// The arguments of a row that passes FILTER.
    fn args(&self, row: usize) -> Option<Vec<Datum>> {
        if self.input.keep.as_ref().is_some_and(|keep| !keep.value(row)) {
            return None;
        }
        let args = self.input.args.iter().zip(&self.call.args);
        Some(args.map(|(column, arg)| datum_at(column, arg.ty().oid, row)).collect())
    }

    fn add(&self, states: &mut dyn GroupStates, row: usize, ctx: &ExecContext) -> Result<()> {
        match self.args(row) {
            Some(args) => states.update_row(0, &args, &ctx.eval),
            None => Ok(()),
        }
    }

    fn take_back(&self, states: &mut dyn GroupStates, row: usize, ctx: &ExecContext) -> Result<bool> {
        match self.args(row) {
            Some(args) => states.retract_row(0, &args, &ctx.eval),
            None => Ok(true),
        }
    }
}

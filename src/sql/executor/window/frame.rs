//! Frames: which rows of its partition each row looks at.
//!
//! ROWS counts rows, GROUPS counts groups of peers, RANGE goes by the distance of the order key, found by bisection since the
//! partition is sorted. EXCLUDE takes rows out of a frame and is asked for by whoever walks it.

use std::cmp::Ordering;
use std::ops::Range;

use arrow_array::ArrayRef;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::eval_batch;
use crate::sql::eval::row::{Row, call_function, eval_row};
use crate::sql::executor::ExecContext;
use crate::sql::expr::SortKey;
use crate::sql::logical::{FrameBound, FrameExclude, FrameUnits, Window};
use crate::types::column::datum_at;
use crate::types::compare::compare_typed;
use crate::types::{Datum, Oid, SqlType};

use super::Block;

/// What a frame is, as far as it can be said for all rows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// The whole partition.
    Partition,
    /// From the start of the partition to the row's last peer.
    ThroughPeers,
    /// Anything else.
    Other,
}

/// The frames of a block's rows, found when they are asked for.
pub(super) struct Frames<'a> {
    spec: &'a Window,
    block: &'a Block,
    found: Option<Vec<Range<usize>>>,
}

/// One partition while its frames are found.
struct Partition<'a> {
    rows: Range<usize>,
    block: &'a Block,
    /// Groups of peers, for GROUPS.
    groups: Vec<Range<usize>>,
    /// The order key of the block's rows, and those of this partition where it is not NULL: for RANGE.
    key: Option<(ArrayRef, Range<usize>)>,
}

impl<'a> Frames<'a> {
    pub(super) fn new(spec: &'a Window, block: &'a Block) -> Self {
        Self { spec, block, found: None }
    }

    /// What all frames are.
    pub(super) fn extent(&self) -> Extent {
        let frame = &self.spec.frame;
        if frame.exclude != FrameExclude::NoOthers || !matches!(frame.start, FrameBound::UnboundedPreceding) {
            return Extent::Other;
        }
        match (&frame.end, frame.units) {
            (FrameBound::UnboundedFollowing, _) => Extent::Partition,
            (FrameBound::CurrentRow, FrameUnits::Range | FrameUnits::Groups) if self.spec.order_by.is_empty() => {
                Extent::Partition
            }
            (FrameBound::CurrentRow, FrameUnits::Range | FrameUnits::Groups) => Extent::ThroughPeers,
            _ => Extent::Other,
        }
    }

    /// The frame of each row, before EXCLUDE.
    ///
    /// # Errors
    /// For offsets that are NULL or negative; those of the order key's arithmetic.
    pub(super) fn all(&mut self, ctx: &ExecContext) -> Result<&[Range<usize>]> {
        if self.found.is_none() {
            let mut found = Vec::with_capacity(self.block.rows.rows);
            for partition in &self.block.partitions {
                ctx.check()?;
                self.partition(partition.clone(), &mut found, ctx)?;
            }
            self.found = Some(found);
        }
        Ok(self.found.as_deref().expect("found above"))
    }

    /// Whether EXCLUDE may take rows out.
    pub(super) fn excludes(&self) -> bool {
        self.spec.frame.exclude != FrameExclude::NoOthers
    }

    /// Whether EXCLUDE leaves row `other` out of the frame of row `at`.
    pub(super) fn excluded(&self, at: usize, other: usize) -> bool {
        let peer = self.block.peers[at].contains(&other);
        match self.spec.frame.exclude {
            FrameExclude::NoOthers => false,
            FrameExclude::CurrentRow => at == other,
            FrameExclude::Group => peer,
            FrameExclude::Ties => peer && at != other,
        }
    }

    fn partition(&self, rows: Range<usize>, found: &mut Vec<Range<usize>>, ctx: &ExecContext) -> Result<()> {
        let frame = &self.spec.frame;
        let start = self.offset(&frame.start, "starting", rows.start, ctx)?;
        let end = self.offset(&frame.end, "ending", rows.start, ctx)?;
        let mut groups: Vec<Range<usize>> = Vec::new();
        if frame.units == FrameUnits::Groups {
            groups.extend(self.block.peers[rows.clone()].iter().cloned());
            groups.dedup();
        }
        let key = match self.spec.order_by.first() {
            Some(key) if frame.units == FrameUnits::Range && (start.is_some() || end.is_some()) => {
                Some(self.key(key, rows.clone(), ctx)?)
            }
            _ => None,
        };
        let partition = Partition { rows: rows.clone(), block: self.block, groups, key };
        for at in rows.clone() {
            let from = self.edge(&frame.start, start.as_ref(), at, true, &partition, ctx)?.clamp(rows.start, rows.end);
            let to = self.edge(&frame.end, end.as_ref(), at, false, &partition, ctx)?.clamp(from, rows.end);
            found.push(from..to);
        }
        Ok(())
    }

    /// The value of a bound's offset.
    fn offset(&self, bound: &FrameBound, word: &str, row: usize, ctx: &ExecContext) -> Result<Option<Datum>> {
        let (FrameBound::Preceding(expr) | FrameBound::Following(expr)) = bound else { return Ok(None) };
        let value = eval_row(expr, Row::Batch(&self.block.rows, row), &ctx.eval)?;
        if value.is_null() {
            bail!(NULL_VALUE_NOT_ALLOWED, "frame {word} offset must not be null");
        }
        if is_negative(&value) {
            bail!(INVALID_PRECEDING_OR_FOLLOWING_SIZE, "frame {word} offset must not be negative");
        }
        Ok(Some(value))
    }

    fn key(&self, key: &SortKey, rows: Range<usize>, ctx: &ExecContext) -> Result<(ArrayRef, Range<usize>)> {
        let column = eval_batch(&key.expr, &self.block.rows, &ctx.eval)?;
        let nulls = rows.clone().filter(|row| column.is_null(*row)).count();
        let present = if key.nulls_first { rows.start + nulls..rows.end } else { rows.start..rows.end - nulls };
        Ok((column, present))
    }

    /// Where a frame starts (`first`) or the position after its end; it may lie outside of the partition.
    fn edge(
        &self,
        bound: &FrameBound,
        offset: Option<&Datum>,
        at: usize,
        first: bool,
        partition: &Partition<'_>,
        ctx: &ExecContext,
    ) -> Result<usize> {
        let rows = &partition.rows;
        let preceding = match bound {
            FrameBound::UnboundedPreceding => return Ok(rows.start),
            FrameBound::UnboundedFollowing => return Ok(rows.end),
            FrameBound::CurrentRow => return Ok(self.current(at, first)),
            FrameBound::Preceding(_) => true,
            FrameBound::Following(_) => false,
        };
        let offset = offset.expect("bounds with offsets have them");
        let step = || usize::try_from(offset.as_i64().unwrap_or(0)).unwrap_or(usize::MAX);
        let moved = |place: usize| {
            if preceding { place.checked_sub(step()) } else { place.checked_add(step()) }
        };
        let outside = if preceding { rows.start } else { rows.end };
        Ok(match self.spec.frame.units {
            FrameUnits::Rows => match moved(at - rows.start) {
                Some(place) => rows.start.saturating_add(place).saturating_add(usize::from(!first)),
                None => outside,
            },
            FrameUnits::Groups => {
                let own = partition.groups.partition_point(|group| group.end <= at);
                match moved(own).and_then(|place| partition.groups.get(place)) {
                    Some(group) if first => group.start,
                    Some(group) => group.end,
                    None => outside,
                }
            }
            FrameUnits::Range => return self.range_edge(offset, preceding, at, first, partition, ctx),
        })
    }

    fn current(&self, at: usize, first: bool) -> usize {
        match (self.spec.frame.units, first) {
            (FrameUnits::Rows, true) => at,
            (FrameUnits::Rows, false) => at + 1,
            (_, true) => self.block.peers[at].start,
            (_, false) => self.block.peers[at].end,
        }
    }

    fn range_edge(
        &self,
        offset: &Datum,
        preceding: bool,
        at: usize,
        first: bool,
        partition: &Partition<'_>,
        ctx: &ExecContext,
    ) -> Result<usize> {
        let key = &self.spec.order_by[0];
        let (column, present) = partition.key.as_ref().expect("RANGE with an offset has an order key");
        let oid = key.expr.ty().oid;
        let value = |row: usize| comparable(datum_at(column, oid, row));
        let own = value(at);
        if own.is_null() {
            let peers = &partition.block.peers[at];
            return Ok(if first { peers.start } else { peers.end });
        }
        let limit = shifted(&own, offset, preceding != key.descending, ctx)?;
        let (mut low, mut high) = (present.start, present.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let order = compare_typed(oid, &value(middle), &limit);
            let order = if key.descending { order.reverse() } else { order };
            let before = if first { order == Ordering::Less } else { order != Ordering::Greater };
            if before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

fn is_negative(value: &Datum) -> bool {
    match value {
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) => value.as_i64().is_some_and(|v| v < 0),
        Datum::Float8(value) => *value < 0.0,
        Datum::Numeric(value) => value.signum() < 0,
        Datum::Interval(value) => value.total_micros() < 0,
        _ => false,
    }
}

/// Dates become timestamps, so that a date plus an interval can be compared with them.
fn comparable(value: Datum) -> Datum {
    match value {
        Datum::Date(days) if days > i32::MIN && days < i32::MAX => Datum::Timestamp(i64::from(days) * 86_400_000_000),
        Datum::Int2(_) | Datum::Int4(_) => Datum::Int8(value.as_i64().expect("not NULL")),
        Datum::Float4(value) => Datum::Float8(f64::from(value)),
        other => other,
    }
}

/// `value` minus or plus `offset`, by the catalog's own operators.
fn shifted(value: &Datum, offset: &Datum, minus: bool, ctx: &ExecContext) -> Result<Datum> {
    let (plus_name, minus_name, oid) = match value {
        Datum::Int8(value) => {
            let offset = offset.as_i64().unwrap_or(0);
            let moved = if minus { value.checked_sub(offset) } else { value.checked_add(offset) };
            return Ok(Datum::Int8(moved.unwrap_or(if minus { i64::MIN } else { i64::MAX })));
        }
        Datum::Float8(_) => ("float8pl", "float8mi", Oid::FLOAT8),
        Datum::Numeric(_) => ("numeric_add", "numeric_sub", Oid::NUMERIC),
        Datum::Timestamp(_) => ("timestamp_pl_interval", "timestamp_mi_interval", Oid::TIMESTAMP),
        Datum::Timestamptz(_) => ("timestamptz_pl_interval", "timestamptz_mi_interval", Oid::TIMESTAMPTZ),
        Datum::Time(_) => ("time_pl_interval", "time_mi_interval", Oid::TIME),
        Datum::TimeTz(..) => ("timetz_pl_interval", "timetz_mi_interval", Oid::TIMETZ),
        _ => ("interval_pl", "interval_mi", Oid::INTERVAL),
    };
    let name = if minus { minus_name } else { plus_name };
    let row = crate::catalog::builtin().procs_named(name).next().expect("pg_proc has the operator functions");
    call_function(row.oid, &[value.clone(), offset.clone()], SqlType::of(oid), &ctx.eval)
}

//! Aggregate states of all groups at once, fed by columns.
//!
//! A batch is folded into the states with one pass per aggregate: `groups[row]` says which state a row belongs to. count,
//! and sum, avg, min and max of plain numbers, keep their states in one vector and never make a `Datum` per row; every other
//! aggregate has a boxed state per group behind the same interface. A window frame has one group.
//!
//! Sums of integers are exact in 128 bits and become numeric or bigint at the end, so a window frame can take values back;
//! sums of floats add in input order as PostgreSQL does. All of these skip NULL; without a value the result is NULL, except
//! count's.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BooleanArray};

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::registry::Body;
use crate::types::column::{Physical, datum_at, physical_of};
use crate::types::compare::compare_f64;
use crate::types::numeric::Numeric;
use crate::types::{Datum, Oid};

/// The states of one aggregate in every group.
pub trait GroupStates: Send {
    /// Makes room for groups `0..groups`; new states are empty.
    ///
    /// # Errors
    /// When the aggregate does not take these types.
    fn resize(&mut self, groups: usize) -> Result<()>;

    /// Takes in a batch: row `i` belongs to group `groups[i]`; rows where `keep` is not true are left out.
    ///
    /// # Errors
    /// Overflow and the like.
    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        ctx: &EvalContext,
    ) -> Result<()>;

    /// Takes in one row.
    ///
    /// # Errors
    /// Overflow and the like.
    fn update_row(&mut self, group: usize, args: &[Datum], ctx: &EvalContext) -> Result<()>;

    /// Takes back the oldest row of a moving window frame; false when the aggregate cannot: it is then computed anew.
    ///
    /// # Errors
    /// As [`GroupStates::update_row`].
    fn retract_row(&mut self, _group: usize, _args: &[Datum], _ctx: &EvalContext) -> Result<bool> {
        Ok(false)
    }

    /// The result of a group so far; may be asked repeatedly.
    ///
    /// # Errors
    /// Overflow of the result.
    fn finish(&self, group: usize, ctx: &EvalContext) -> Result<Datum>;

    /// Bytes held, roughly.
    fn memory(&mut self) -> usize;
}

/// States for an aggregate call.
///
/// # Errors
/// `0A000` for an aggregate that is in the catalog but not implemented.
pub fn group_states(info: &AggregateInfo) -> Result<Box<dyn GroupStates>> {
    let oid = info.args.first().map_or(Oid::NONE, |ty| ty.oid);
    let physical = info.args.first().map(|ty| physical_of(ty.oid));
    let (average, greatest) = (info.function.name == "avg", info.function.name == "max");
    Ok(match (info.function.name, physical) {
        ("count", _) => Box::new(Counts(Vec::new())),
        ("sum" | "avg", Some(Physical::Int16 | Physical::Int32 | Physical::Int64)) => {
            Box::new(IntegerSums { totals: Vec::new(), average, oid, result: info.result.oid })
        }
        ("sum" | "avg", Some(Physical::Float64)) | ("avg", Some(Physical::Float32)) => {
            Box::new(FloatSums { totals: Vec::new(), average })
        }
        ("min" | "max", Some(Physical::Int16 | Physical::Int32 | Physical::Int64)) => {
            Box::new(IntegerExtremes { best: Vec::new(), greatest, oid })
        }
        ("min" | "max", Some(Physical::Float64)) => Box::new(FloatExtremes { best: Vec::new(), greatest }),
        _ => match info.function.body {
            Body::Aggregate(_) => Box::new(Boxed::new(info)),
            _ => return Err(info.function.missing()),
        },
    })
}

/// One state of an aggregate that has states by column.
///
/// # Errors
/// As [`group_states`].
pub fn one_group(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    let mut states = group_states(info)?;
    states.resize(1)?;
    Ok(Box::new(OneGroup(states)))
}

struct OneGroup(Box<dyn GroupStates>);

impl AggregateState for OneGroup {
    fn accumulate(&mut self, args: &[Datum], ctx: &EvalContext) -> Result<()> {
        self.0.update_row(0, args, ctx)
    }

    fn retract(&mut self, args: &[Datum], ctx: &EvalContext) -> Result<bool> {
        self.0.retract_row(0, args, ctx)
    }

    fn finish(&self, ctx: &EvalContext) -> Result<Datum> {
        self.0.finish(0, ctx)
    }
}

fn is_kept(keep: Option<&BooleanArray>, row: usize) -> bool {
    keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row))
}

struct Counts(Vec<i64>);

impl GroupStates for Counts {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.0.resize(groups, 0);
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        _: &EvalContext,
    ) -> Result<()> {
        let nulls = args.first().and_then(|column| column.nulls());
        if keep.is_none() && nulls.is_none() {
            if self.0.len() == 1 {
                self.0[0] += i64::try_from(groups.len()).expect("batches are small");
            } else {
                groups.iter().for_each(|group| self.0[*group as usize] += 1);
            }
            return Ok(());
        }
        for (row, group) in groups.iter().enumerate() {
            if is_kept(keep, row) && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                self.0[*group as usize] += 1;
            }
        }
        Ok(())
    }

    fn update_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<()> {
        self.0[group] += i64::from(!args.first().is_some_and(Datum::is_null));
        Ok(())
    }

    fn retract_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<bool> {
        self.0[group] -= i64::from(!args.first().is_some_and(Datum::is_null));
        Ok(true)
    }

    fn finish(&self, group: usize, _: &EvalContext) -> Result<Datum> {
        Ok(Datum::Int8(self.0[group]))
    }

    fn memory(&mut self) -> usize {
        self.0.len() * 8
    }
}

/// Calls `each` with group and value of every row that is kept and not NULL.
fn for_each_value<T: ArrowPrimitiveType>(
    groups: &[u32],
    column: &ArrayRef,
    keep: Option<&BooleanArray>,
    mut each: impl FnMut(usize, T::Native) -> Result<()>,
) -> Result<()> {
    let values = column.as_primitive::<T>();
    if keep.is_none() && values.null_count() == 0 {
        for (group, value) in groups.iter().zip(values.values()) {
            each(*group as usize, *value)?;
        }
        return Ok(());
    }
    for (row, group) in groups.iter().enumerate() {
        if values.is_valid(row) && is_kept(keep, row) {
            each(*group as usize, values.value(row))?;
        }
    }
    Ok(())
}

/// [`for_each_value`] over any integer column, widened.
fn for_each_integer(
    groups: &[u32],
    column: &ArrayRef,
    oid: Oid,
    keep: Option<&BooleanArray>,
    mut each: impl FnMut(usize, i64),
) -> Result<()> {
    match physical_of(oid) {
        Physical::Int16 => for_each_value::<Int16Type>(groups, column, keep, |group, value| {
            each(group, i64::from(value));
            Ok(())
        }),
        Physical::Int32 => for_each_value::<Int32Type>(groups, column, keep, |group, value| {
            each(group, i64::from(value));
            Ok(())
        }),
        _ => for_each_value::<Int64Type>(groups, column, keep, |group, value| {
            each(group, value);
            Ok(())
        }),
    }
}

struct IntegerSums {
    totals: Vec<(i128, i64)>,
    average: bool,
    oid: Oid,
    result: Oid,
}

impl GroupStates for IntegerSums {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.totals.resize(groups, (0, 0));
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        _: &EvalContext,
    ) -> Result<()> {
        let totals = &mut self.totals;
        for_each_integer(groups, &args[0], self.oid, keep, |group, value| {
            let state = &mut totals[group];
            state.0 += i128::from(value);
            state.1 += 1;
        })
    }

    fn update_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<()> {
        if let Some(value) = args[0].as_i64() {
            self.totals[group].0 += i128::from(value);
            self.totals[group].1 += 1;
        }
        Ok(())
    }

    fn retract_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<bool> {
        if let Some(value) = args[0].as_i64() {
            self.totals[group].0 -= i128::from(value);
            self.totals[group].1 -= 1;
        }
        Ok(true)
    }

    fn finish(&self, group: usize, _: &EvalContext) -> Result<Datum> {
        match self.totals[group] {
            (_, 0) => Ok(Datum::Null),
            (total, count) if self.average => {
                Numeric::from_i128(total).div(&Numeric::from_i64(count)).map(Datum::Numeric)
            }
            (total, _) => integer_sum(total, self.result),
        }
    }

    fn memory(&mut self) -> usize {
        self.totals.len() * 32
    }
}

/// The result of an integer sum in the aggregate's result type.
fn integer_sum(total: i128, result: Oid) -> Result<Datum> {
    if result == Oid::NUMERIC {
        return Ok(Datum::Numeric(Numeric::from_i128(total)));
    }
    match i64::try_from(total) {
        Ok(total) => Ok(Datum::Int8(total)),
        Err(_) if result == Oid::MONEY => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "money out of range"),
        Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"),
    }
}

struct FloatSums {
    totals: Vec<(f64, i64)>,
    average: bool,
}

impl FloatSums {
    fn add(state: &mut (f64, i64), value: f64) -> Result<()> {
        // The first value is taken as it is, so that the sum of one -0 is -0.
        let sum = if state.1 == 0 { value } else { state.0 + value };
        if sum.is_infinite() && state.0.is_finite() && value.is_finite() {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow");
        }
        *state = (sum, state.1 + 1);
        Ok(())
    }
}

impl GroupStates for FloatSums {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.totals.resize(groups, (0.0, 0));
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        _: &EvalContext,
    ) -> Result<()> {
        let totals = &mut self.totals;
        if args[0].as_primitive_opt::<Float32Type>().is_some() {
            return for_each_value::<Float32Type>(groups, &args[0], keep, |group, value| {
                Self::add(&mut totals[group], f64::from(value))
            });
        }
        for_each_value::<Float64Type>(groups, &args[0], keep, |group, value| Self::add(&mut totals[group], value))
    }

    fn update_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<()> {
        match args[0] {
            Datum::Float4(value) => Self::add(&mut self.totals[group], f64::from(value)),
            Datum::Float8(value) => Self::add(&mut self.totals[group], value),
            _ => Ok(()),
        }
    }

    fn finish(&self, group: usize, _: &EvalContext) -> Result<Datum> {
        Ok(match self.totals[group] {
            (_, 0) => Datum::Null,
            (total, count) if self.average => Datum::Float8(total / count as f64),
            (total, _) => Datum::Float8(total),
        })
    }

    fn memory(&mut self) -> usize {
        self.totals.len() * 16
    }
}

struct IntegerExtremes {
    best: Vec<Option<i64>>,
    greatest: bool,
    oid: Oid,
}

impl IntegerExtremes {
    fn take(best: &mut Option<i64>, value: i64, greatest: bool) {
        *best = Some(match *best {
            None => value,
            Some(old) if greatest => old.max(value),
            Some(old) => old.min(value),
        });
    }
}

impl GroupStates for IntegerExtremes {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.best.resize(groups, None);
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        _: &EvalContext,
    ) -> Result<()> {
        let (best, greatest) = (&mut self.best, self.greatest);
        for_each_integer(groups, &args[0], self.oid, keep, |group, value| Self::take(&mut best[group], value, greatest))
    }

    fn update_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<()> {
        let value = match &args[0] {
            Datum::Null => return Ok(()),
            Datum::Date(value) => i64::from(*value),
            Datum::Time(value) | Datum::Timestamp(value) | Datum::Timestamptz(value) => *value,
            other => other.as_i64().expect("not NULL"),
        };
        Self::take(&mut self.best[group], value, self.greatest);
        Ok(())
    }

    fn finish(&self, group: usize, _: &EvalContext) -> Result<Datum> {
        let Some(value) = self.best[group] else { return Ok(Datum::Null) };
        Ok(match self.oid {
            Oid::INT2 => Datum::Int2(i16::try_from(value).expect("came from such a column")),
            Oid::INT4 => Datum::Int4(i32::try_from(value).expect("came from such a column")),
            Oid::DATE => Datum::Date(i32::try_from(value).expect("came from such a column")),
            Oid::TIME => Datum::Time(value),
            Oid::TIMESTAMP => Datum::Timestamp(value),
            Oid::TIMESTAMPTZ => Datum::Timestamptz(value),
            _ => Datum::Int8(value),
        })
    }

    fn memory(&mut self) -> usize {
        self.best.len() * 16
    }
}

struct FloatExtremes {
    best: Vec<Option<f64>>,
    greatest: bool,
}

impl FloatExtremes {
    /// NaN is the largest; among equal values, such as the two zeros, the last is taken, as in PostgreSQL.
    fn take(best: &mut Option<f64>, value: f64, greatest: bool) {
        let better = best.is_none_or(|old| {
            let order = compare_f64(value, old);
            if greatest { order.is_ge() } else { order.is_le() }
        });
        if better {
            *best = Some(value);
        }
    }
}

impl GroupStates for FloatExtremes {
    fn resize(&mut self, groups: usize) -> Result<()> {
        self.best.resize(groups, None);
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        _: &EvalContext,
    ) -> Result<()> {
        let (best, greatest) = (&mut self.best, self.greatest);
        for_each_value::<Float64Type>(groups, &args[0], keep, |group, value| {
            Self::take(&mut best[group], value, greatest);
            Ok(())
        })
    }

    fn update_row(&mut self, group: usize, args: &[Datum], _: &EvalContext) -> Result<()> {
        if let Datum::Float8(value) = args[0] {
            Self::take(&mut self.best[group], value, self.greatest);
        }
        Ok(())
    }

    fn finish(&self, group: usize, _: &EvalContext) -> Result<Datum> {
        Ok(self.best[group].map_or(Datum::Null, Datum::Float8))
    }

    fn memory(&mut self) -> usize {
        self.best.len() * 16
    }
}

struct Boxed {
    info: AggregateInfo,
    states: Vec<Box<dyn AggregateState>>,
    row: Vec<Datum>,
    /// Bytes when they were last counted, and rows taken in since: counting goes through all states.
    counted: usize,
    rows_since: usize,
}

impl Boxed {
    fn new(info: &AggregateInfo) -> Self {
        Self { info: info.clone(), states: Vec::new(), row: Vec::new(), counted: 0, rows_since: 0 }
    }
}

impl GroupStates for Boxed {
    fn resize(&mut self, groups: usize) -> Result<()> {
        while self.states.len() < groups {
            let Body::Aggregate(maker) = self.info.function.body else { return Err(self.info.function.missing()) };
            self.states.push(maker(&self.info)?);
        }
        Ok(())
    }

    fn update(
        &mut self,
        groups: &[u32],
        args: &[ArrayRef],
        keep: Option<&BooleanArray>,
        ctx: &EvalContext,
    ) -> Result<()> {
        self.rows_since += groups.len();
        for (row, group) in groups.iter().enumerate() {
            if !is_kept(keep, row) {
                continue;
            }
            self.row.clear();
            for (column, ty) in args.iter().zip(&self.info.args) {
                self.row.push(datum_at(column, ty.oid, row));
            }
            self.states[*group as usize].accumulate(&self.row, ctx)?;
        }
        Ok(())
    }

    fn update_row(&mut self, group: usize, args: &[Datum], ctx: &EvalContext) -> Result<()> {
        self.states[group].accumulate(args, ctx)
    }

    fn retract_row(&mut self, group: usize, args: &[Datum], ctx: &EvalContext) -> Result<bool> {
        self.states[group].retract(args, ctx)
    }

    fn finish(&self, group: usize, ctx: &EvalContext) -> Result<Datum> {
        self.states[group].finish(ctx)
    }

    fn memory(&mut self) -> usize {
        if self.rows_since >= self.states.len() {
            self.counted = self.states.iter().map(|state| state.memory()).sum();
            self.rows_since = 0;
        }
        self.counted
    }
}

//! Aggregates: one state per group, fed row by row, asked for the result at the end.
//!
//! A state sees every row that passed FILTER, in ORDER BY order and without duplicates where the call says so (the
//! operator does that), NULL arguments included: which aggregates skip NULL is their own rule. [`grouped`] holds states
//! for all groups at once for the common aggregates over plain columns; the others are boxed, one per group.

pub mod basic;
pub mod bits;
pub mod collect;
pub mod grouped;
pub mod ordered;
pub mod statistics;

use crate::error::Result;
use crate::sql::eval::context::EvalContext;
use crate::sql::eval::registry::Function;
use crate::types::{Datum, SqlType};

pub use grouped::{GroupStates, group_states};

/// What an aggregate is told about its call.
#[derive(Clone)]
pub struct AggregateInfo {
    /// The function.
    pub function: &'static Function,
    /// Argument types; direct arguments of ordered-set aggregates first.
    pub args: Vec<SqlType>,
    /// Number of direct arguments.
    pub direct: usize,
    /// Descending and nulls-first of each ORDER BY item of an ordered-set aggregate.
    pub order: Vec<(bool, bool)>,
    /// Type of the result.
    pub result: SqlType,
}

/// Makes the state of one group.
pub type AggregateMaker = fn(&AggregateInfo) -> Result<Box<dyn AggregateState>>;

/// The state of one aggregate in one group.
pub trait AggregateState: Send {
    /// Takes in one row's arguments, NULLs included.
    ///
    /// # Errors
    /// Overflow and the like.
    fn accumulate(&mut self, args: &[Datum], ctx: &EvalContext) -> Result<()>;

    /// Takes back the oldest row, for moving window frames; false when the aggregate cannot (it is then recomputed).
    ///
    /// # Errors
    /// As [`AggregateState::accumulate`].
    fn retract(&mut self, _args: &[Datum], _ctx: &EvalContext) -> Result<bool> {
        Ok(false)
    }

    /// The result so far; may be asked repeatedly.
    ///
    /// # Errors
    /// Overflow of the result.
    fn finish(&self, ctx: &EvalContext) -> Result<Datum>;

    /// Bytes held, roughly, for `work_mem`.
    fn memory(&self) -> usize {
        64
    }
}

/// The aggregates of this folder, by name.
pub const AGGREGATES: &[(&str, AggregateMaker)] = &[
    ("count", grouped::one_group),
    ("sum", basic::sum),
    ("avg", basic::avg),
    ("min", basic::min),
    ("max", basic::max),
    ("bool_and", basic::bool_and),
    ("bool_or", basic::bool_or),
    ("every", basic::bool_and),
    ("any_value", basic::any_value),
    ("bit_and", bits::bit_and),
    ("bit_or", bits::bit_or),
    ("bit_xor", bits::bit_xor),
    ("string_agg", collect::string_agg),
    ("array_agg", collect::array_agg),
    ("variance", statistics::var_samp),
    ("var_samp", statistics::var_samp),
    ("var_pop", statistics::var_pop),
    ("stddev", statistics::stddev_samp),
    ("stddev_samp", statistics::stddev_samp),
    ("stddev_pop", statistics::stddev_pop),
    ("corr", statistics::regression),
    ("covar_pop", statistics::regression),
    ("covar_samp", statistics::regression),
    ("regr_avgx", statistics::regression),
    ("regr_avgy", statistics::regression),
    ("regr_count", statistics::regression),
    ("regr_intercept", statistics::regression),
    ("regr_r2", statistics::regression),
    ("regr_slope", statistics::regression),
    ("regr_sxx", statistics::regression),
    ("regr_sxy", statistics::regression),
    ("regr_syy", statistics::regression),
    ("percentile_cont", ordered::percentile_cont),
    ("percentile_disc", ordered::percentile_disc),
    ("mode", ordered::mode),
    ("rank", ordered::hypothetical),
    ("dense_rank", ordered::hypothetical),
    ("percent_rank", ordered::hypothetical),
    ("cume_dist", ordered::hypothetical),
];

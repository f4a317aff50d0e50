//! The built-in functions, one file per area.
//!
//! A file exports `FUNCTIONS` (scalar), `SET_FUNCTIONS` (set-returning) and `AGGREGATES`, keyed by `prosrc` (aggregates
//! and functions that PostgreSQL writes in SQL: by `proname`); adding a function is adding an entry to its file's table,
//! and adding a file is adding a line here.

use crate::sql::eval::aggregate::AggregateMaker;
use crate::sql::eval::registry::{ScalarFn, SetFn};

mod args;
pub mod float;
pub mod integer;
pub mod math;

/// All scalar functions.
pub const SCALARS: &[&[(&str, ScalarFn)]] = &[float::FUNCTIONS, integer::FUNCTIONS, math::FUNCTIONS];

/// All set-returning functions.
pub const SETS: &[&[(&str, SetFn)]] = &[];

/// All aggregates outside `sql/eval/aggregate`.
pub const AGGREGATES: &[&[(&str, AggregateMaker)]] = &[];

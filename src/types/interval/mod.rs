//! `interval`: months, days and microseconds, kept apart as PostgreSQL does.

mod arith;
mod output;
mod parse;

pub use output::output;
pub use parse::input;
pub(crate) use parse::{Unit, unit_of};

/// An interval. PostgreSQL 17 and later encode ±infinity as all fields at their minimum or maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    /// Years and months.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// The rest, in microseconds.
    pub micros: i64,
}

#[cfg(test)]
mod tests;

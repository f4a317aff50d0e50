//! `interval`: months, days and microseconds, kept apart as PostgreSQL does.

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

use crate::error::{Error, Result};
use crate::types::io::IntervalStyle;

impl Interval {
    /// The length that comparison goes by: a month is 30 days, a day 24 hours. In microseconds.
    #[must_use]
    pub fn total_micros(&self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * 86_400_000_000 + i128::from(self.micros)
    }
}

/// Reads.
pub fn input(_text: &str, _typmod: i32, _style: IntervalStyle) -> Result<Interval> {
    Err(Error::unsupported("interval input"))
}

/// Appends.
pub fn output(_value: &Interval, _style: IntervalStyle, _out: &mut String) {}

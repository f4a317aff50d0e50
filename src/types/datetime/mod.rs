//! Dates and times: the calendar, PostgreSQL's reading of date and time text, and arithmetic on what it yields.
//!
//! Dates are days and timestamps microseconds since 2000-01-01, proleptic Gregorian from 4714-11-24 BC on; the
//! extreme values of the integers are the infinities. Years are astronomical inside (0 is 1 BC).

pub mod arith;
pub mod calendar;
mod decode;
pub mod extract;
mod fields;
mod lexer;
mod time_only;
mod words;

pub use calendar::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, TIMESTAMP_INFINITY, TIMESTAMP_NEG_INFINITY, USECS_PER_DAY, USECS_PER_HOUR,
    USECS_PER_MINUTE, USECS_PER_SEC, check_date, check_timestamp, civil_from_days, days_from_civil, days_in_month,
    is_leap_year, round_micros,
};
pub(crate) use decode::{Decoded, Fault, Special, decode_datetime};
pub(crate) use fields::decode_offset;
pub(crate) use lexer::{FieldKind, split};
pub(crate) use time_only::decode_time_only;
pub use words::{MONTHS, WEEKDAYS, abbreviation_offset, abbreviations};

#[cfg(test)]
mod tests;

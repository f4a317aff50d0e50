//! `time` and `timetz` in text.
use crate::error::{Error, Result};
use crate::types::io::IoContext;
/// Reads.
pub fn input_time(_text: &str, _ctx: &IoContext<'_>) -> Result<i64> {
    Err(Error::unsupported("time input"))
}
/// Reads.
pub fn input_timetz(_text: &str, _ctx: &IoContext<'_>) -> Result<(i64, i32)> {
    Err(Error::unsupported("time input"))
}
/// Appends.
pub fn output_time(_value: i64, _out: &mut String) {}
/// Appends.
pub fn output_timetz(_value: i64, _zone: i32, _out: &mut String) {}
/// Checks.
pub fn check_time(value: i64) -> Result<i64> {
    Ok(value)
}
/// Checks.
pub fn check_zone(value: i32) -> Result<i32> {
    Ok(value)
}

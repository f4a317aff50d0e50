//! Calendar.
use crate::error::Result;
/// Checks the range of a date.
pub fn check_date(value: i32) -> Result<i32> {
    Ok(value)
}
/// Checks the range of a timestamp.
pub fn check_timestamp(value: i64) -> Result<i64> {
    Ok(value)
}

//! `date` in text.
use crate::error::{Error, Result};
use crate::types::io::{FormatSettings, IoContext};
/// Reads a date.
pub fn input(_text: &str, _ctx: &IoContext<'_>) -> Result<i32> {
    Err(Error::unsupported("date input"))
}
/// Appends a date.
pub fn output(_value: i32, _format: &FormatSettings, _out: &mut String) {}

//! `timestamp` and `timestamptz` in text.
use crate::error::{Error, Result};
use crate::types::io::{FormatSettings, IoContext};
/// Reads.
pub fn input_timestamp(_text: &str, _ctx: &IoContext<'_>) -> Result<i64> {
    Err(Error::unsupported("timestamp input"))
}
/// Reads.
pub fn input_timestamptz(_text: &str, _ctx: &IoContext<'_>) -> Result<i64> {
    Err(Error::unsupported("timestamp input"))
}
/// Appends.
pub fn output_timestamp(_value: i64, _format: &FormatSettings, _out: &mut String) {}
/// Appends.
pub fn output_timestamptz(_value: i64, _format: &FormatSettings, _out: &mut String) {}

//! `date` in text.

use crate::bail;
use crate::error::Result;
use crate::types::datetime::calendar::{MAX_DATE, MIN_DATE};
use crate::types::datetime::{
    Civil, DATE_INFINITY, DATE_NEG_INFINITY, Decoded, Special, civil_from_days, days_from_civil, decode_datetime,
};
use crate::types::io::{DateFormat, DateOrder, FormatSettings, IoContext};
use crate::types::timestamp::{write_number, write_year};

/// Reads a date; a time or zone beside it is checked and dropped.
///
/// # Errors
/// `22007`, `22008`, `22009`, `22023`.
pub fn input(text: &str, ctx: &IoContext<'_>) -> Result<i32> {
    match decode_datetime(text, ctx).map_err(|fault| fault.error("date", text))? {
        Decoded::Special(Special::Epoch) => Ok(days_from_civil(1970, 1, 1) as i32),
        Decoded::Special(Special::Infinity) => Ok(DATE_INFINITY),
        Decoded::Special(Special::NegInfinity) => Ok(DATE_NEG_INFINITY),
        Decoded::Moment(civil, _) => match i32::try_from(civil.days()) {
            Ok(days) if (MIN_DATE..=MAX_DATE).contains(&days) => Ok(days),
            _ => bail!(DATETIME_FIELD_OVERFLOW, "date out of range: \"{text}\""),
        },
    }
}

/// Appends a date in the session's style.
pub fn output(value: i32, format: &FormatSettings, out: &mut String) {
    match value {
        DATE_INFINITY => return out.push_str("infinity"),
        DATE_NEG_INFINITY => return out.push_str("-infinity"),
        _ => {}
    }
    let (year, month, day) = civil_from_days(i64::from(value));
    let civil = Civil { year, month, day, ..Civil::default() };
    write_date(&civil, format, out);
    if year <= 0 {
        out.push_str(" BC");
    }
}

/// Appends the date of a civil time, without its era.
fn write_date(civil: &Civil, format: &FormatSettings, out: &mut String) {
    let parts = |separator: char, out: &mut String| {
        let (first, second) = match (format.date_format, format.date_order) {
            (DateFormat::German, _) | (_, DateOrder::Dmy) => (civil.day, civil.month),
            _ => (civil.month, civil.day),
        };
        write_number(first, 2, out);
        out.push(separator);
        write_number(second, 2, out);
        out.push(separator);
        write_year(civil.year, out);
    };
    match format.date_format {
        DateFormat::Iso => {
            write_year(civil.year, out);
            out.push('-');
            write_number(civil.month, 2, out);
            out.push('-');
            write_number(civil.day, 2, out);
        }
        DateFormat::Sql => parts('/', out),
        DateFormat::German => parts('.', out),
        DateFormat::Postgres => parts('-', out),
    }
}

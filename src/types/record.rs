//! Composite values in text and binary.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result};
use crate::types::array::binary::put_sized;
use crate::types::integer::is_space;
use crate::types::io::{self, IoContext};
use crate::types::wire::{self, Message};
use crate::types::{Datum, Oid, RecordValue, SqlType, text};

fn malformed(text: &str, detail: &str) -> Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "malformed record literal: \"{text}\"").detail(detail)
}

fn skip_spaces(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.next_if(|c| c.is_ascii() && is_space(*c as u8)).is_some() {}
}

/// Reads `(a,"b c",)` as a value of the composite type `type_oid` with these columns.
///
/// # Errors
/// `22P02` for malformed text or a wrong number of columns.
pub fn input(text: &str, type_oid: Oid, columns: &[SqlType], ctx: &IoContext<'_>) -> Result<Datum> {
    let mut chars = text.chars().peekable();
    skip_spaces(&mut chars);
    if chars.next() != Some('(') {
        return Err(malformed(text, "Missing left parenthesis."));
    }
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        if index > 0 && chars.next_if_eq(&',').is_none() {
            return Err(malformed(text, "Too few columns."));
        }
        let value = if matches!(chars.peek(), Some(',' | ')')) {
            Datum::Null
        } else {
            let field = field_text(text, &mut chars)?;
            crate::types::typmod::coerce(io::input(&field, *column, ctx)?, *column, false)?
        };
        fields.push((column.oid, value));
    }
    match chars.next() {
        Some(')') => {}
        Some(_) => return Err(malformed(text, "Too many columns.")),
        None => return Err(malformed(text, "Unexpected end of input.")),
    }
    skip_spaces(&mut chars);
    if chars.next().is_some() {
        return Err(malformed(text, "Junk after right parenthesis."));
    }
    Ok(Datum::Record(Arc::new(RecordValue { type_oid, fields, names: None })))
}

/// One column's text, quotes and escapes resolved.
fn field_text(text: &str, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String> {
    let end = || malformed(text, "Unexpected end of input.");
    let mut out = String::new();
    let mut quoted = false;
    loop {
        if !quoted && matches!(chars.peek(), Some(',' | ')')) {
            return Ok(out);
        }
        match chars.next().ok_or_else(end)? {
            '\\' => out.push(chars.next().ok_or_else(end)?),
            '"' if !quoted => quoted = true,
            '"' if chars.next_if_eq(&'"').is_some() => out.push('"'),
            '"' => quoted = false,
            other => out.push(other),
        }
    }
}

/// Appends the text form.
///
/// # Errors
/// Those of the fields' types.
pub fn output(value: &RecordValue, ctx: &IoContext<'_>, out: &mut String) -> Result<()> {
    let special = |byte: u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || is_space(byte);
    let mut field_text = String::new();
    out.push('(');
    for (index, (oid, field)) in value.fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.is_null() {
            continue;
        }
        field_text.clear();
        io::output(field, *oid, ctx, &mut field_text)?;
        if !field_text.is_empty() && !field_text.bytes().any(special) {
            out.push_str(&field_text);
            continue;
        }
        text::put_quoted(&field_text, |special| special, out)?;
    }
    out.push(')');
    Ok(())
}

/// Reads the binary form; `columns` is `None` for an anonymous record.
///
/// # Errors
/// `22P03`, `42804` for bytes that are not such a value.
pub fn recv(bytes: &[u8], type_oid: Oid, columns: Option<&[SqlType]>, ctx: &IoContext<'_>) -> Result<Datum> {
    let Some(columns) = columns else {
        bail!(FEATURE_NOT_SUPPORTED, "input of anonymous composite types is not implemented");
    };
    let mut message = Message(bytes);
    let count = message.i32()?;
    if i32::try_from(columns.len()) != Ok(count) {
        bail!(DATATYPE_MISMATCH, "wrong number of columns: {count}, expected {}", columns.len());
    }
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let place = index + 1;
        let found = Oid(message.u32()?);
        if found != column.oid {
            let (found_name, name) = (ctx.lookup.type_name(found), ctx.lookup.type_name(column.oid));
            bail!(
                DATATYPE_MISMATCH,
                "binary data has type {found} ({found_name}) instead of expected {} ({name}) in record column {place}",
                column.oid
            );
        }
        let length = message.i32()?;
        if length == -1 {
            fields.push((column.oid, Datum::Null));
            continue;
        }
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= message.0.len()) else {
            bail!(INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
        };
        let value = wire::recv(message.take(length)?, *column, ctx)?;
        fields.push((column.oid, crate::types::typmod::coerce(value, *column, false)?));
    }
    message.end()?;
    Ok(Datum::Record(Arc::new(RecordValue { type_oid, fields, names: None })))
}

/// Appends the binary form.
///
/// # Errors
/// Those of the fields' types.
pub fn send(value: &RecordValue, ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let count = u32::try_from(value.fields.len()).expect("records have few fields");
    out.extend_from_slice(&count.to_be_bytes());
    for (oid, field) in &value.fields {
        out.extend_from_slice(&oid.0.to_be_bytes());
        put_sized(field, *oid, ctx, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{input, output};
    use crate::types::io::IoContext;
    use crate::types::{Datum, Oid, SqlType};

    #[test]
    fn text_round_trip_and_errors_are_postgres() {
        let ctx = IoContext::fixed();
        let columns = [SqlType::of(Oid::INT4), SqlType::of(Oid::TEXT)];
        for (text, want) in [
            ("(1,a)", "(1,a)"),
            (" (1,\"a \"\"b\") ", "(1,\"a \"\"b\")"),
            ("(,)", "(,)"),
            ("(1,\"\")", "(1,\"\")"),
            ("1,a", "Missing left parenthesis."),
            ("(1)", "Too few columns."),
            ("(1,a,b)", "Too many columns."),
            ("(1,a", "Unexpected end of input."),
            ("(1,a)x", "Junk after right parenthesis."),
        ] {
            let shown = match input(text, Oid::RECORD, &columns, &ctx) {
                Ok(Datum::Record(value)) => {
                    let mut out = String::new();
                    output(&value, &ctx, &mut out).expect("prints");
                    out
                }
                Ok(other) => panic!("not a record: {other:?}"),
                Err(error) => error.report().detail.clone().expect("has a detail"),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

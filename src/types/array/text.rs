//! The text form of arrays: `{1,2}`, `{{a,b},{c,NULL}}`, `[0:1]={x,"y z"}`, and `1 2` for `int2vector`.
//!
//! Braces give the shape unless bounds before them do. The reader is one loop over tokens that counts the elements of
//! every open level, so hostile nesting costs nothing: six levels are all there is.

use std::sync::Arc;

use crate::bail;
use crate::error::{Error, Result};
use crate::types::array::{ArrayDim, ArrayValue, MAX_DIMENSIONS, MAX_ITEMS, check_shape};
use crate::types::integer::is_space;
use crate::types::io::{self, IoContext};
use crate::types::{Datum, Oid, SqlType};

const DELIMITER: u8 = b',';

fn malformed(text: &str, detail: impl Into<String>) -> Error {
    crate::error!(INVALID_TEXT_REPRESENTATION, "malformed array literal: \"{text}\"").detail(detail)
}

fn too_many_dimensions<T>() -> Result<T> {
    bail!(PROGRAM_LIMIT_EXCEEDED, "number of array dimensions exceeds the maximum allowed ({MAX_DIMENSIONS})")
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

enum Token {
    Open,
    Close,
    Delimiter,
    Element(String),
    Null,
}

impl Reader<'_> {
    /// The byte at the place, 0 at the end: PostgreSQL's text has no zero bytes.
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_spaces(&mut self) {
        while is_space(self.peek()) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, detail: impl Into<String>) -> Result<T> {
        Err(malformed(self.text, detail))
    }

    /// A bound; `None` when there are no digits.
    fn bound(&mut self) -> Result<Option<i32>> {
        let start = self.at;
        let first = self.peek();
        if !(first.is_ascii_digit() || matches!(first, b'-' | b'+')) {
            return Ok(None);
        }
        self.at += 1;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        let number = &self.text[start..self.at];
        if !number.bytes().any(|byte| byte.is_ascii_digit()) {
            self.at = start;
            return Ok(None);
        }
        match number.parse::<i32>() {
            Ok(value) => Ok(Some(value)),
            Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "array bound is out of integer range"),
        }
    }

    /// Bounds such as `[0:2][3]`, if there are any.
    fn bounds(&mut self) -> Result<Vec<ArrayDim>> {
        let mut dims = Vec::new();
        loop {
            self.skip_spaces();
            if self.peek() != b'[' {
                return Ok(dims);
            }
            self.at += 1;
            if dims.len() >= MAX_DIMENSIONS {
                return too_many_dimensions();
            }
            let Some(first) = self.bound()? else {
                return self.fail("\"[\" must introduce explicitly-specified array dimensions.");
            };
            let (lower, upper) = if self.peek() == b':' {
                self.at += 1;
                match self.bound()? {
                    Some(upper) => (first, upper),
                    None => return self.fail("Missing array dimension value."),
                }
            } else {
                (1, first)
            };
            if self.peek() != b']' {
                return self.fail("Missing \"]\" after array dimensions.");
            }
            self.at += 1;
            if upper < lower {
                bail!(ARRAY_SUBSCRIPT_ERROR, "upper bound cannot be less than lower bound");
            }
            if upper == i32::MAX {
                bail!(PROGRAM_LIMIT_EXCEEDED, "array upper bound is too large: {upper}");
            }
            let Ok(length) = i32::try_from(i64::from(upper) - i64::from(lower) + 1) else {
                bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({MAX_ITEMS})");
            };
            dims.push(ArrayDim { length, lower_bound: lower });
        }
    }

    fn token(&mut self) -> Result<Token> {
        self.skip_spaces();
        let token = match self.peek() {
            0 => return self.fail("Unexpected end of input."),
            b'"' => return self.quoted().map(Token::Element),
            b'{' => Token::Open,
            b'}' => Token::Close,
            DELIMITER => Token::Delimiter,
            _ => return self.unquoted(),
        };
        self.at += 1;
        Ok(token)
    }

    /// Copies what stands between two places where something special begins.
    fn copy_until(&mut self, out: &mut String, special: impl Fn(u8) -> bool) {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(special).unwrap_or(rest.len());
        out.push_str(&rest[..length]);
        self.at += length;
    }

    fn escaped(&mut self, out: &mut String) -> Result<()> {
        match self.text[self.at + 1..].chars().next() {
            None => self.fail("Unexpected end of input."),
            Some(next) => {
                out.push(next);
                self.at += 1 + next.len_utf8();
                Ok(())
            }
        }
    }

    fn quoted(&mut self) -> Result<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            self.copy_until(&mut out, |byte| matches!(byte, b'"' | b'\\'));
            match self.peek() {
                0 => return self.fail("Unexpected end of input."),
                b'\\' => self.escaped(&mut out)?,
                _ => break,
            }
        }
        self.at += 1;
        self.skip_spaces();
        match self.peek() {
            0 => self.fail("Unexpected end of input."),
            DELIMITER | b'{' | b'}' => Ok(out),
            _ => self.fail("Incorrectly quoted array element."),
        }
    }

    fn unquoted(&mut self) -> Result<Token> {
        let mut out = String::new();
        // Trailing blanks do not belong to the element, unless they were escaped.
        let mut kept = 0;
        let mut has_escapes = false;
        loop {
            let before = out.len();
            self.copy_until(&mut out, |byte| matches!(byte, b'"' | b'\\' | b'{' | b'}' | DELIMITER));
            let trimmed = out[before..].trim_end_matches(|c: char| c.is_ascii() && is_space(c as u8)).len();
            if trimmed > 0 {
                kept = before + trimmed;
            }
            match self.peek() {
                0 => return self.fail("Unexpected end of input."),
                b'{' => return self.fail("Unexpected \"{\" character."),
                b'"' => return self.fail("Incorrectly quoted array element."),
                b'\\' => {
                    self.escaped(&mut out)?;
                    kept = out.len();
                    has_escapes = true;
                }
                _ => break,
            }
        }
        out.truncate(kept);
        if !has_escapes && out.eq_ignore_ascii_case("null") { Ok(Token::Null) } else { Ok(Token::Element(out)) }
    }
}

/// Counts elements per open level while tokens come in.
struct Shape {
    /// Dimensions known so far.
    ndim: usize,
    /// No more dimensions can come.
    frozen: bool,
    given: bool,
    lengths: [i32; MAX_DIMENSIONS],
    counts: [i32; MAX_DIMENSIONS],
    level: usize,
}

impl Shape {
    fn mismatch<T>(&self, reader: &Reader<'_>) -> Result<T> {
        reader.fail(if self.given {
            "Specified array dimensions do not match array contents."
        } else {
            "Multidimensional arrays must have sub-arrays with matching dimensions."
        })
    }

    fn open(&mut self, reader: &Reader<'_>) -> Result<()> {
        if self.level >= MAX_DIMENSIONS {
            return too_many_dimensions();
        }
        self.counts[self.level] = 0;
        self.level += 1;
        if self.level > self.ndim {
            if self.frozen {
                return self.mismatch(reader);
            }
            self.ndim = self.level;
        }
        Ok(())
    }

    fn close(&mut self, reader: &Reader<'_>) -> Result<()> {
        self.level -= 1;
        if self.level > 0 {
            self.counts[self.level - 1] += 1;
        }
        if self.lengths[self.level] < 0 {
            self.lengths[self.level] = self.counts[self.level];
        } else if self.counts[self.level] != self.lengths[self.level] {
            return self.mismatch(reader);
        }
        Ok(())
    }

    fn element(&mut self, reader: &Reader<'_>) -> Result<()> {
        self.frozen = true;
        if self.level != self.ndim {
            return self.mismatch(reader);
        }
        self.counts[self.level - 1] += 1;
        Ok(())
    }
}

/// Reads `{1,2,{...}}`, with optional bounds before it.
///
/// # Errors
/// `22P02` for malformed text; the element type's own errors.
pub fn input(text: &str, element: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    let mut reader = Reader { text, at: 0 };
    let bounds = reader.bounds()?;
    if bounds.is_empty() {
        if reader.peek() != b'{' {
            return reader.fail("Array value must start with \"{\" or dimension information.");
        }
    } else {
        if reader.peek() != b'=' {
            return reader.fail("Missing \"=\" after array dimensions.");
        }
        reader.at += 1;
        reader.skip_spaces();
        if reader.peek() != b'{' {
            return reader.fail("Array contents must start with \"{\".");
        }
    }
    let given = !bounds.is_empty();
    let mut shape = Shape {
        ndim: bounds.len(),
        frozen: given,
        given,
        lengths: [-1; MAX_DIMENSIONS],
        counts: [0; MAX_DIMENSIONS],
        level: 0,
    };
    for (length, dim) in shape.lengths.iter_mut().zip(&bounds) {
        *length = dim.length;
    }
    let items = read_items(&mut reader, &mut shape, element, ctx)?;
    reader.skip_spaces();
    if reader.at < text.len() {
        return reader.fail("Junk after closing right brace.");
    }
    let dims = match (given, items.is_empty()) {
        (_, true) => Vec::new(),
        (true, false) => bounds,
        (false, false) => {
            shape.lengths[..shape.ndim].iter().map(|length| ArrayDim { length: *length, lower_bound: 1 }).collect()
        }
    };
    check_shape(&dims)?;
    Ok(Datum::Array(Arc::new(ArrayValue { element: element.oid, dims, items })))
}

fn read_items(reader: &mut Reader<'_>, shape: &mut Shape, element: SqlType, ctx: &IoContext<'_>) -> Result<Vec<Datum>> {
    let mut items = Vec::new();
    let mut delimiter_due = false;
    loop {
        let token = reader.token()?;
        match token {
            Token::Open if delimiter_due => return reader.fail("Unexpected \"{\" character."),
            Token::Open => shape.open(reader)?,
            Token::Close => {
                if shape.counts[shape.level - 1] > 0 && !delimiter_due {
                    return reader.fail("Unexpected \"}\" character.");
                }
                shape.close(reader)?;
                delimiter_due = true;
            }
            Token::Delimiter if !delimiter_due => return reader.fail("Unexpected \",\" character."),
            Token::Delimiter => delimiter_due = false,
            Token::Element(_) | Token::Null if delimiter_due => return reader.fail("Unexpected array element."),
            Token::Element(text) => {
                items.push(io::input(&text, element, ctx)?);
                shape.element(reader)?;
                delimiter_due = true;
            }
            Token::Null => {
                items.push(Datum::Null);
                shape.element(reader)?;
                delimiter_due = true;
            }
        }
        if items.len() > MAX_ITEMS {
            bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({MAX_ITEMS})");
        }
        if shape.level == 0 {
            return Ok(items);
        }
    }
}

/// Reads `int2vector` and `oidvector`: numbers between blanks, lower bound 0.
///
/// # Errors
/// The element type's own errors.
pub fn input_int_vector(text: &str, element: Oid) -> Result<Datum> {
    let ctx = IoContext::fixed();
    let items = text
        .split_ascii_whitespace()
        .map(|word| io::input(word, SqlType::of(element), &ctx))
        .collect::<Result<Vec<_>>>()?;
    let mut array = ArrayValue::from_items(element, items);
    if let Some(dim) = array.dims.first_mut() {
        dim.lower_bound = 0;
    }
    Ok(Datum::Array(Arc::new(array)))
}

fn needs_quotes(item: &str) -> bool {
    let special = |byte: u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | DELIMITER) || is_space(byte);
    item.is_empty() || item.eq_ignore_ascii_case("null") || item.bytes().any(special)
}

/// Appends the text form of a value of array type `oid` (`int2vector` and `oidvector` print without braces).
///
/// # Errors
/// The element type's own errors.
pub fn output(value: &ArrayValue, oid: Oid, ctx: &IoContext<'_>, out: &mut String) -> Result<()> {
    if matches!(oid, Oid::INT2VECTOR | Oid::OIDVECTOR) {
        for (index, item) in value.items.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            io::output(item, value.element, ctx, out)?;
        }
        return Ok(());
    }
    if value.items.is_empty() {
        out.push_str("{}");
        return Ok(());
    }
    if value.dims.iter().any(|dim| dim.lower_bound != 1) {
        for dim in &value.dims {
            let upper = i64::from(dim.lower_bound) + i64::from(dim.length) - 1;
            out.push_str(&format!("[{}:{upper}]", dim.lower_bound));
        }
        out.push('=');
    }
    // Element types that print no character that would need quotes skip the check.
    let plain = matches!(value.element, Oid::INT2 | Oid::INT4 | Oid::INT8 | Oid::FLOAT4 | Oid::FLOAT8 | Oid::OID);
    let mut item_text = String::new();
    // The lengths of the sub-arrays that each level closes after so many items.
    let mut spans: Vec<usize> = value.dims.iter().map(|dim| dim.length as usize).collect();
    for level in (0..spans.len().saturating_sub(1)).rev() {
        spans[level] *= spans[level + 1];
    }
    for (index, item) in value.items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        spans.iter().filter(|span| index % **span == 0).for_each(|_| out.push('{'));
        if item.is_null() {
            out.push_str("NULL");
        } else if plain {
            io::output(item, value.element, ctx, out)?;
        } else {
            item_text.clear();
            io::output(item, value.element, ctx, &mut item_text)?;
            put_item(&item_text, out)?;
        }
        spans.iter().filter(|span| (index + 1) % **span == 0).for_each(|_| out.push('}'));
    }
    Ok(())
}

fn put_item(item: &str, out: &mut String) -> Result<()> {
    if !needs_quotes(item) {
        out.push_str(item);
        return Ok(());
    }
    crate::types::text::put_quoted(item, |_| '\\', out)
}

#[cfg(test)]
mod tests {
    use super::input;
    use crate::types::io::{IoContext, to_text};
    use crate::types::{Oid, SqlType};

    #[test]
    fn text_round_trip_and_errors_are_postgres() {
        let ctx = IoContext::fixed();
        for (text, want) in [
            ("{}", "{}"),
            ("{{},{}}", "{}"),
            ("[0:2]={1,2,3}", "[0:2]={1,2,3}"),
            ("{\" a\", b , NULL, \"NULL\",\"\"}", "{\" a\",b,NULL,\"NULL\",\"\"}"),
            ("{{1,2},{3,4}}", "{{1,2},{3,4}}"),
            ("{a\\,b,\"c\\\"d\"}", "{\"a,b\",\"c\\\"d\"}"),
            ("{1,2", "Unexpected end of input."),
            ("a", "Array value must start with \"{\" or dimension information."),
            ("{\"a\"b}", "Incorrectly quoted array element."),
            ("[1:2]={1}", "Specified array dimensions do not match array contents."),
            ("{{1,2},{3}}", "Multidimensional arrays must have sub-arrays with matching dimensions."),
            ("{1}}", "Junk after closing right brace."),
            ("[2:1]={1}", "upper bound cannot be less than lower bound"),
            ("[1:2={1}", "Missing \"]\" after array dimensions."),
            ("[]={1}", "\"[\" must introduce explicitly-specified array dimensions."),
            ("{{{{{{{1}}}}}}}", "number of array dimensions exceeds the maximum allowed (6)"),
        ] {
            let shown = match input(text, SqlType::of(Oid::TEXT), &ctx) {
                Ok(value) => to_text(&value, Oid::TEXT_ARRAY, &ctx).expect("text prints"),
                Err(error) => error.report().detail.clone().unwrap_or(error.report().message.clone()),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

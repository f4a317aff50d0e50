//! COPY FROM's data to records.
//!
//! Bytes are pushed in pieces of any size; [`CopyReader::next`] gives one record after another, whose fields stay valid until
//! the next call. Text is checked to be UTF-8. Errors carry PostgreSQL's context lines (`COPY t, line 3`).

use super::binary;
use super::fields::{self, Forced, Place};
use super::lines::{Lines, Scan};
use super::options::{CopyFormat, CopyOptions, Header};
use crate::error::{Error, Result};
use crate::types::wire::text_from;
use crate::{bail, error};

/// Longest record, bytes.
const RECORD_BYTES_MAX: usize = 0x3fff_fffe;
/// Most characters of data shown in a context line.
const SHOWN_CHARS_MAX: usize = 100;

/// A field of the current record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// NULL.
    Null,
    /// The column's default is asked for.
    Default,
    /// The value: UTF-8 text, or the type's binary form.
    Value(&'a [u8]),
}

/// Reads one COPY's data.
pub struct CopyReader {
    options: CopyOptions,
    table: String,
    columns: Vec<String>,
    forced: Vec<Forced>,
    buffer: Vec<u8>,
    /// Where the next record begins.
    from: usize,
    /// The current record.
    record: (usize, usize),
    lines: Lines,
    scratch: Vec<u8>,
    fields: Vec<Place>,
    line: u64,
    header_due: bool,
    finished: bool,
    ended: bool,
}

impl CopyReader {
    /// A reader for these columns of a table, in the order of the data.
    #[must_use]
    pub fn new(options: CopyOptions, table: &str, columns: Vec<String>) -> Self {
        let forced = columns
            .iter()
            .map(|name| (options.force_not_null.contains(name), options.force_null.contains(name)))
            .collect();
        let csv = (options.format == CopyFormat::Csv).then_some((options.quote, options.escape));
        Self {
            header_due: options.format == CopyFormat::Binary || options.header != Header::No,
            lines: Lines::new(csv),
            options,
            table: table.to_owned(),
            columns,
            forced,
            buffer: Vec::new(),
            from: 0,
            record: (0, 0),
            scratch: Vec::new(),
            fields: Vec::new(),
            line: 0,
            finished: false,
            ended: false,
        }
    }

    /// Adds bytes. After the end-of-data marker they are ignored.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended && self.options.format != CopyFormat::Binary {
            return;
        }
        self.buffer.drain(..self.from);
        self.from = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Says that no more bytes will come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Reads the next record; false when more bytes are needed, or after [`CopyReader::finish`] when there are no more
    /// records.
    ///
    /// # Errors
    /// `22P04` and `22021` with context.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<bool> {
        self.fields.clear();
        self.scratch.clear();
        if self.options.format == CopyFormat::Binary {
            return self.next_binary();
        }
        loop {
            if !self.next_line()? {
                return Ok(false);
            }
            if !std::mem::take(&mut self.header_due) {
                break;
            }
            if self.options.header == Header::Match {
                self.check_header()?;
            }
            self.fields.clear();
            self.scratch.clear();
        }
        match self.fields.len().cmp(&self.columns.len()) {
            std::cmp::Ordering::Equal => Ok(true),
            std::cmp::Ordering::Greater => {
                let error = error!(BAD_COPY_FILE_FORMAT, "extra data after last expected column");
                Err(error.context(self.context()))
            }
            std::cmp::Ordering::Less => {
                let name = &self.columns[self.fields.len()];
                let error = error!(BAD_COPY_FILE_FORMAT, "missing data for column \"{name}\"");
                Err(error.context(self.context()))
            }
        }
    }

    /// Takes the next line apart; false when there is none (yet).
    fn next_line(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        let rest = &self.buffer[self.from..];
        let scan = self.lines.scan(rest, self.finished).map_err(|error| error.context(self.place(self.line + 1)))?;
        let (length, next, escaped) = match scan {
            Scan::Line { length, next, escaped } => (length, next, escaped),
            Scan::Marker => {
                self.ended = true;
                return Ok(false);
            }
            Scan::More if self.finished && self.lines.in_quotes() && !rest.is_empty() => {
                self.line += 1;
                self.record = (self.from, self.buffer.len());
                let error = error!(BAD_COPY_FILE_FORMAT, "unterminated CSV quoted field");
                return Err(error.context(self.context()));
            }
            Scan::More => {
                if rest.len() > RECORD_BYTES_MAX {
                    bail!(PROGRAM_LIMIT_EXCEEDED, "COPY record is longer than {RECORD_BYTES_MAX} bytes");
                }
                return Ok(false);
            }
        };
        self.line += 1;
        self.record = (self.from, self.from + length);
        self.from += next;
        let record = &self.buffer[self.record.0..self.record.1];
        text_from(record).map_err(|error| error.context(self.place(self.line)))?;
        if self.columns.is_empty() && record.is_empty() {
            return Ok(true);
        }
        if self.options.format == CopyFormat::Csv {
            fields::csv(record, &self.options, &self.forced, &mut self.scratch, &mut self.fields)
                .map_err(|error| error.context(self.context()))?;
        } else {
            fields::text(record, escaped, &self.options, &mut self.scratch, &mut self.fields);
            // Octal and hexadecimal escapes can make bytes that are no text.
            if escaped {
                text_from(&self.scratch).map_err(|error| error.context(self.context()))?;
            }
        }
        Ok(true)
    }

    fn check_header(&self) -> Result<()> {
        let (found, wanted) = (self.fields.len(), self.columns.len());
        if found != wanted {
            let error =
                error!(BAD_COPY_FILE_FORMAT, "wrong number of fields in header line: got {found}, expected {wanted}");
            return Err(error.context(self.context()));
        }
        for (index, name) in self.columns.iter().enumerate() {
            let got = match self.field(index) {
                Field::Value(value) if value == name.as_bytes() => continue,
                Field::Value(value) => format!("\"{}\"", String::from_utf8_lossy(value)),
                Field::Null => format!("null value (\"{}\")", self.options.null),
                Field::Default => format!("\"{}\"", self.options.default.as_deref().unwrap_or_default()),
            };
            let field = index + 1;
            let error = error!(
                BAD_COPY_FILE_FORMAT,
                "column name mismatch in header line field {field}: got {got}, expected \"{name}\""
            );
            return Err(error.context(self.context()));
        }
        Ok(())
    }

    fn next_binary(&mut self) -> Result<bool> {
        if self.header_due {
            match binary::header(&self.buffer[self.from..], self.finished)? {
                binary::Scan::Taken(length) => self.from += length,
                _ => return Ok(false),
            }
            self.header_due = false;
        }
        let rest = &self.buffer[self.from..];
        if self.ended {
            if rest.is_empty() {
                return Ok(false);
            }
            let error = error!(BAD_COPY_FILE_FORMAT, "received copy data after EOF marker");
            return Err(error.context(self.place(self.line)));
        }
        match binary::record(rest, self.columns.len(), self.finished, &mut self.fields) {
            Ok(binary::Scan::Taken(length)) => {
                self.line += 1;
                self.record = (self.from, self.from + length);
                self.from += length;
                Ok(true)
            }
            Ok(binary::Scan::Trailer) => {
                self.line += 1;
                self.ended = true;
                self.from = (self.from + binary::TRAILER.len()).min(self.buffer.len());
                self.fields.clear();
                self.next_binary()
            }
            Ok(binary::Scan::More) => Ok(false),
            Err((error, field)) => {
                self.line += 1;
                let place = self.place(self.line);
                Err(error.context(match field.and_then(|field| self.columns.get(field)) {
                    Some(name) => format!("{place}, column {name}"),
                    None => place,
                }))
            }
        }
    }

    /// A field of the current record.
    ///
    /// # Panics
    /// When there is no current record or it has no such field.
    #[must_use]
    pub fn field(&self, index: usize) -> Field<'_> {
        match self.fields[index] {
            Place::Null => Field::Null,
            Place::Default => Field::Default,
            Place::Record(from, end) => Field::Value(&self.buffer[self.record.0 + from..self.record.0 + end]),
            Place::Scratch(from, end) => Field::Value(&self.scratch[from..end]),
        }
    }

    /// The current record as text, for [`CopyReader::text_in`]; empty for the binary format.
    ///
    /// # Panics
    /// Not for text and CSV, whose records have been checked to be text.
    #[must_use]
    pub fn record_text(&self) -> &str {
        match self.options.format {
            CopyFormat::Binary => "",
            _ => std::str::from_utf8(&self.buffer[self.record.0..self.record.1]).expect("the record is UTF-8"),
        }
    }

    /// [`CopyReader::text`] cut out of what [`CopyReader::record_text`] gives, so that the bytes are not looked at again.
    ///
    /// # Panics
    /// As [`CopyReader::text`].
    #[must_use]
    pub fn text_in<'a>(&'a self, record: &'a str, index: usize) -> Option<&'a str> {
        match self.fields[index] {
            Place::Record(from, end) => Some(&record[from..end]),
            _ => self.text(index),
        }
    }

    /// A field as text; `None` for NULL and a default.
    ///
    /// # Panics
    /// As [`CopyReader::field`]; not for text and CSV, whose fields have been checked to be text.
    #[must_use]
    pub fn text(&self, index: usize) -> Option<&str> {
        match self.field(index) {
            Field::Value(value) => Some(std::str::from_utf8(value).expect("the record is UTF-8")),
            Field::Null | Field::Default => None,
        }
    }

    /// Number of the current record, from 1; the header line counts.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    fn place(&self, line: u64) -> String {
        format!("COPY {}, line {line}", self.table)
    }

    /// The context line of an error about the whole current record.
    #[must_use]
    pub fn context(&self) -> String {
        let place = self.place(self.line);
        if self.options.format == CopyFormat::Binary {
            return place;
        }
        format!("{place}: \"{}\"", shown(&self.buffer[self.record.0..self.record.1]))
    }

    /// The context line of an error about a column of the current record.
    #[must_use]
    pub fn column_context(&self, index: usize) -> String {
        let (place, name) = (self.place(self.line), &self.columns[index]);
        match self.field(index) {
            Field::Value(value) if self.options.format != CopyFormat::Binary => {
                format!("{place}, column {name}: \"{}\"", shown(value))
            }
            Field::Null => format!("{place}, column {name}: null input"),
            _ => format!("{place}, column {name}"),
        }
    }

    /// PostgreSQL's error for a default marker in a column without a default.
    #[must_use]
    pub fn no_default(&self, index: usize) -> Error {
        error!(BAD_COPY_FILE_FORMAT, "unexpected default marker in COPY data")
            .detail(format!("Column \"{}\" has no default value.", self.columns[index]))
            .context(self.context())
    }
}

/// Data for a context line, cut to a bearable length.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}

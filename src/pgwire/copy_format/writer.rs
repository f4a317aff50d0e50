//! COPY TO's batches to CopyData messages, one per row.

use std::ops::Range;

use super::binary;
use super::options::{CopyFormat, CopyOptions, Header};
use crate::error::Result;
use crate::pgwire::backend::{self, Format};
use crate::pgwire::rows::RowEncoder;
use crate::types::Oid;
use crate::types::column::Batch;
use crate::types::io::IoContext;

/// Writes one COPY's data.
pub struct CopyWriter {
    options: CopyOptions,
    columns: Vec<String>,
    force_quote: Vec<bool>,
    encoder: RowEncoder,
    scratch: Vec<u8>,
}

impl CopyWriter {
    /// A writer for columns of these names and types (base types, not domains).
    #[must_use]
    pub fn new(options: CopyOptions, columns: Vec<String>, types: &[Oid]) -> Self {
        let force_quote = columns.iter().map(|name| options.force_quote.contains(name)).collect();
        let format = if options.format == CopyFormat::Binary { Format::Binary } else { Format::Text };
        let encoder = RowEncoder::new(types, &vec![format; types.len()]);
        Self { options, columns, force_quote, encoder, scratch: Vec::new() }
    }

    /// How the data travels, for CopyOutResponse.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.options.format == CopyFormat::Binary { Format::Binary } else { Format::Text }
    }

    /// Appends what comes before the rows.
    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.options.format == CopyFormat::Binary {
            backend::copy_data(out, binary::HEADER);
        } else if self.options.header != Header::No {
            let at = backend::begin(out, b'd');
            for (index, name) in self.columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.options.delimiter);
                }
                match self.options.format {
                    CopyFormat::Csv => self.csv_value(name.as_bytes(), false, out),
                    CopyFormat::Text | CopyFormat::Binary => self.text_value(name.as_bytes(), out),
                }
            }
            out.push(b'\n');
            backend::finish(out, at);
        }
    }

    /// Appends rows of a batch.
    ///
    /// # Errors
    /// Those of the types' output, and `54000` for a row that is too long.
    pub fn encode_batch(
        &mut self,
        batch: &Batch,
        range: Range<usize>,
        ctx: &IoContext<'_>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if self.options.format == CopyFormat::Binary {
            // A record is a DataRow's body.
            return self.encoder.encode_tagged(b'd', batch, range, ctx, out);
        }
        for row in range {
            self.scratch.clear();
            self.encoder.encode_batch(batch, row..row + 1, ctx, &mut self.scratch)?;
            let at = backend::begin(out, b'd');
            self.row(out);
            backend::finish(out, at);
        }
        Ok(())
    }

    /// Writes the DataRow in the scratch buffer as a line.
    fn row(&self, out: &mut Vec<u8>) {
        // Tag, length and count of fields come first.
        let mut rest = &self.scratch[7..];
        for index in 0..self.columns.len() {
            if index > 0 {
                out.push(self.options.delimiter);
            }
            let (length, after) = rest.split_first_chunk::<4>().expect("the row has all its fields");
            rest = after;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                out.extend_from_slice(self.options.null.as_bytes());
                continue;
            };
            let (value, after) = rest.split_at(length);
            rest = after;
            match self.options.format {
                CopyFormat::Csv => self.csv_value(value, self.force_quote[index], out),
                CopyFormat::Text | CopyFormat::Binary => self.text_value(value, out),
            }
        }
        out.push(b'\n');
    }

    /// Appends what comes after the rows.
    pub fn finish(&self, out: &mut Vec<u8>) {
        if self.options.format == CopyFormat::Binary {
            backend::copy_data(out, &binary::TRAILER);
        }
    }

    fn text_value(&self, value: &[u8], out: &mut Vec<u8>) {
        let delimiter = self.options.delimiter;
        let mut copied = 0;
        for (at, byte) in value.iter().enumerate() {
            let escaped = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                b'\\' => b'\\',
                byte if *byte == delimiter => delimiter,
                _ => continue,
            };
            out.extend_from_slice(&value[copied..at]);
            out.extend_from_slice(&[b'\\', escaped]);
            copied = at + 1;
        }
        out.extend_from_slice(&value[copied..]);
    }

    fn csv_value(&self, value: &[u8], force: bool, out: &mut Vec<u8>) {
        let (quote, escape) = (self.options.quote, self.options.escape);
        let quoted = force
            || value == self.options.null.as_bytes()
            // A line of its own that readers of old took for the end of the data.
            || (self.columns.len() == 1 && value == b"\\.")
            || value.iter().any(|byte| *byte == self.options.delimiter || *byte == quote || matches!(byte, b'\n' | b'\r'));
        if !quoted {
            out.extend_from_slice(value);
            return;
        }
        out.push(quote);
        for byte in value {
            if *byte == quote || *byte == escape {
                out.push(escape);
            }
            out.push(*byte);
        }
        out.push(quote);
    }
}

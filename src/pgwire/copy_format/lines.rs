//! Where a record of text or CSV ends.
//!
//! The first line end decides what ends lines; another kind later is an error, because it is data that somebody forgot to
//! escape. A scan that runs out of bytes remembers where it was, so long records are looked at once however they arrive.

use crate::error;
use crate::error::{Error, Result};

/// What ends lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Unknown,
    Newline,
    Return,
    ReturnNewline,
}

/// A line that was found: its content is `..length`, the next begins at `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A record; `escaped` tells whether a backslash is in it (text).
    Line { length: usize, next: usize, escaped: bool },
    /// The end-of-data marker.
    Marker,
    /// More bytes are needed.
    More,
}

/// The scanner's state over one stream.
#[derive(Debug)]
pub struct Lines {
    end: LineEnd,
    csv: bool,
    quote: u8,
    escape: u8,
    /// Where the next byte to look at is, from the start of the record.
    at: usize,
    escaped: bool,
    in_quotes: bool,
    after_escape: bool,
}

impl Lines {
    /// A scanner; CSV with this quote and escape, or text.
    pub fn new(csv: Option<(u8, u8)>) -> Self {
        let (quote, escape) = csv.unwrap_or((0, 0));
        Self {
            end: LineEnd::Unknown,
            csv: csv.is_some(),
            quote,
            escape,
            at: 0,
            escaped: false,
            in_quotes: false,
            after_escape: false,
        }
    }

    /// Whether the record that was cut off by the end of the data ended inside quotes.
    pub fn in_quotes(&self) -> bool {
        self.in_quotes
    }

    fn done(&mut self, length: usize, next: usize) -> Scan {
        let escaped = self.escaped;
        (self.at, self.escaped, self.in_quotes, self.after_escape) = (0, false, false, false);
        Scan::Line { length, next, escaped }
    }

    /// Looks for the end of the record at the front of `bytes`. `last` says that no more bytes will come.
    ///
    /// # Errors
    /// `22P04` for a line end of another kind and for a marker that is not alone.
    pub fn scan(&mut self, bytes: &[u8], last: bool) -> Result<Scan> {
        while let Some(offset) = self.next_special(&bytes[self.at..]) {
            self.at += offset;
            let byte = bytes[self.at];
            if self.csv && self.is_quoting(byte) {
                self.at += 1;
                continue;
            }
            if byte == b'\\' && !self.csv {
                match self.backslash(bytes, last)? {
                    Some(found) => return Ok(found),
                    None => continue,
                }
            }
            if byte == b'\n' || byte == b'\r' {
                return self.line_end(bytes, last);
            }
            self.at += 1;
        }
        self.at = bytes.len();
        if last && !bytes.is_empty() && !self.in_quotes {
            return Ok(self.done(bytes.len(), bytes.len()));
        }
        Ok(Scan::More)
    }

    fn next_special(&self, bytes: &[u8]) -> Option<usize> {
        if !self.csv {
            return memchr::memchr3(b'\n', b'\r', b'\\', bytes);
        }
        match (self.in_quotes, self.quote == self.escape) {
            (true, true) => memchr::memchr(self.quote, bytes),
            (false, true) => memchr::memchr3(b'\n', b'\r', self.quote, bytes),
            // An escape that is not the quote needs every byte, because it changes what the next one means.
            (_, false) => (!bytes.is_empty()).then_some(0),
        }
    }

    /// Keeps track of quotes in CSV; true when the byte is data.
    fn is_quoting(&mut self, byte: u8) -> bool {
        if self.quote != self.escape {
            if self.in_quotes && byte == self.escape {
                self.after_escape = !self.after_escape;
                return true;
            }
            if byte == self.quote && !self.after_escape {
                self.in_quotes = !self.in_quotes;
            }
            self.after_escape = false;
        } else if byte == self.quote {
            self.in_quotes = !self.in_quotes;
        }
        self.in_quotes || !matches!(byte, b'\n' | b'\r')
    }

    /// A backslash in text takes the next byte with it; `\.` alone on a line ends the data.
    fn backslash(&mut self, bytes: &[u8], last: bool) -> Result<Option<Scan>> {
        let Some(next) = bytes.get(self.at + 1) else {
            if last {
                self.escaped = true;
                return Ok(Some(self.done(bytes.len(), bytes.len())));
            }
            return Ok(Some(Scan::More));
        };
        if *next != b'.' {
            self.escaped = true;
            self.at += 2;
            return Ok(None);
        }
        let alone = || error!(BAD_COPY_FILE_FORMAT, "end-of-copy marker is not alone on its line");
        if self.at > 0 {
            return Err(alone());
        }
        let rest = &bytes[2..];
        let style = || error!(BAD_COPY_FILE_FORMAT, "end-of-copy marker does not match previous newline style");
        match (rest.first(), self.end) {
            (None, _) if last => Ok(Some(Scan::Marker)),
            (None, _) => Ok(Some(Scan::More)),
            (Some(b'\n'), LineEnd::Newline | LineEnd::Unknown) => Ok(Some(Scan::Marker)),
            (Some(b'\r'), LineEnd::Return) => Ok(Some(Scan::Marker)),
            (Some(b'\r'), LineEnd::ReturnNewline | LineEnd::Unknown) => match rest.get(1) {
                None if !last => Ok(Some(Scan::More)),
                Some(b'\n') | None => Ok(Some(Scan::Marker)),
                Some(_) if self.end == LineEnd::Unknown => Ok(Some(Scan::Marker)),
                Some(_) => Err(alone()),
            },
            (Some(b'\n' | b'\r'), _) => Err(style()),
            (Some(_), _) => Err(alone()),
        }
    }

    fn line_end(&mut self, bytes: &[u8], last: bool) -> Result<Scan> {
        let at = self.at;
        if bytes[at] == b'\n' {
            return match self.end {
                LineEnd::Unknown | LineEnd::Newline => {
                    self.end = LineEnd::Newline;
                    Ok(self.done(at, at + 1))
                }
                LineEnd::Return | LineEnd::ReturnNewline => Err(self.wrong_newline()),
            };
        }
        match self.end {
            LineEnd::Newline => Err(self.wrong_return()),
            LineEnd::Return => Ok(self.done(at, at + 1)),
            LineEnd::Unknown | LineEnd::ReturnNewline => match bytes.get(at + 1) {
                Some(b'\n') => {
                    self.end = LineEnd::ReturnNewline;
                    Ok(self.done(at, at + 2))
                }
                None if !last => Ok(Scan::More),
                _ if self.end == LineEnd::Unknown => {
                    self.end = LineEnd::Return;
                    Ok(self.done(at, at + 1))
                }
                _ => Err(self.wrong_return()),
            },
        }
    }

    fn wrong_newline(&self) -> Error {
        if self.csv {
            error!(BAD_COPY_FILE_FORMAT, "unquoted newline found in data")
                .hint("Use quoted CSV field to represent newline.")
        } else {
            error!(BAD_COPY_FILE_FORMAT, "literal newline found in data").hint("Use \"\\n\" to represent newline.")
        }
    }

    fn wrong_return(&self) -> Error {
        if self.csv {
            error!(BAD_COPY_FILE_FORMAT, "unquoted carriage return found in data")
                .hint("Use quoted CSV field to represent carriage return.")
        } else {
            error!(BAD_COPY_FILE_FORMAT, "literal carriage return found in data")
                .hint("Use \"\\r\" to represent carriage return.")
        }
    }
}

//! The options of a COPY statement, checked in PostgreSQL's order with its messages.

use crate::error::{Error, Result};
use crate::sql::ast::CopyValue;
use crate::{bail, error};

/// How the data is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Is data.
    No,
    /// Holds the columns' names, which are not looked at.
    Yes,
    /// Must hold the columns' names.
    Match,
}

/// What to do with a row whose values cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OnError {
    Stop,
    Ignore,
}

/// Columns that a FORCE option names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ForceColumns {
    #[default]
    None,
    All,
    Named(Vec<String>),
}

/// Checked options. The session has to look up the columns of the FORCE options and to refuse what it does not offer
/// (`freeze` outside of the table's own transaction, an `encoding` other than UTF8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// How the data is written.
    pub format: CopyFormat,
    /// Between fields; one byte.
    pub delimiter: u8,
    /// Stands for NULL.
    pub null: String,
    /// Stands for the column's default (COPY FROM).
    pub default: Option<String>,
    /// The first line.
    pub header: Header,
    /// Around CSV fields.
    pub quote: u8,
    /// Before a quote within quotes.
    pub escape: u8,
    /// Always quoted (CSV, COPY TO).
    pub force_quote: ForceColumns,
    /// Never NULL (CSV, COPY FROM).
    pub force_not_null: ForceColumns,
    /// NULL also when quoted (CSV, COPY FROM).
    pub force_null: ForceColumns,
    /// FREEZE was given.
    pub freeze: bool,
    /// The encoding asked for.
    pub encoding: Option<String>,
    /// What bad values do.
    pub on_error: OnError,
    /// Most rows that may be ignored.
    pub reject_limit: Option<i64>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            format: CopyFormat::Text,
            delimiter: b'\t',
            null: "\\N".to_owned(),
            default: None,
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: ForceColumns::None,
            force_not_null: ForceColumns::None,
            force_null: ForceColumns::None,
            freeze: false,
            encoding: None,
            on_error: OnError::Stop,
            reject_limit: None,
        }
    }
}

impl ForceColumns {
    /// Whether an option was given at all.
    #[must_use]
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }

    /// Whether it is about this column.
    #[must_use]
    pub fn contains(&self, column: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == column),
        }
    }

    fn read(name: &str, value: &CopyValue) -> Result<Self> {
        match value {
            CopyValue::Star => Ok(Self::All),
            CopyValue::Columns(names) => Ok(Self::Named(names.clone())),
            CopyValue::None | CopyValue::Text(_) => {
                bail!(INVALID_PARAMETER_VALUE, "argument to option \"{name}\" must be a list of column names")
            }
        }
    }
}

/// Options as given, before the defaults that depend on the format.
#[derive(Default)]
struct Given {
    delimiter: Option<String>,
    null: Option<String>,
    quote: Option<String>,
    escape: Option<String>,
    on_error: Option<OnError>,
}

fn text<'a>(name: &str, value: &'a CopyValue) -> Result<&'a str> {
    match value {
        CopyValue::Text(text) => Ok(text),
        CopyValue::None => bail!(SYNTAX_ERROR, "{name} requires a parameter"),
        CopyValue::Star | CopyValue::Columns(_) => bail!(SYNTAX_ERROR, "{name} requires a string value"),
    }
}

fn boolean_option(name: &str, value: &CopyValue) -> Result<bool> {
    match value {
        CopyValue::None => Ok(true),
        CopyValue::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Ok(true),
            "false" | "off" | "0" => Ok(false),
            _ => bail!(SYNTAX_ERROR, "{name} requires a Boolean value"),
        },
        CopyValue::Star | CopyValue::Columns(_) => bail!(SYNTAX_ERROR, "{name} requires a Boolean value"),
    }
}

fn header(value: &CopyValue, from: bool) -> Result<Header> {
    if let CopyValue::Text(text) = value
        && text.eq_ignore_ascii_case("match")
    {
        if !from {
            bail!(FEATURE_NOT_SUPPORTED, "cannot use \"match\" with HEADER in COPY TO");
        }
        return Ok(Header::Match);
    }
    match boolean_option("header", value) {
        Ok(true) => Ok(Header::Yes),
        Ok(false) => Ok(Header::No),
        Err(_) => bail!(SYNTAX_ERROR, "header requires a Boolean value or \"match\""),
    }
}

fn one_byte(name: &str, value: &str) -> Result<u8> {
    match value.as_bytes() {
        [byte] => Ok(*byte),
        _ => bail!(FEATURE_NOT_SUPPORTED, "COPY {name} must be a single one-byte character"),
    }
}

impl CopyOptions {
    /// Reads the options of COPY FROM (`from`) or COPY TO.
    ///
    /// # Errors
    /// `42601`, `22023` and `0A000` with PostgreSQL's messages.
    pub fn new(given: &[(String, CopyValue)], from: bool) -> Result<Self> {
        let mut options = Self::default();
        let mut seen = Given::default();
        for (index, (name, value)) in given.iter().enumerate() {
            if given[..index].iter().any(|(earlier, _)| earlier == name) {
                bail!(SYNTAX_ERROR, "conflicting or redundant options");
            }
            options.read(&mut seen, name, value, from)?;
        }
        if options.format == CopyFormat::Binary {
            options.check_binary(&seen)?;
        }
        options.fill(&seen)?;
        options.check(&seen, from)?;
        Ok(options)
    }

    fn read(&mut self, seen: &mut Given, name: &str, value: &CopyValue, from: bool) -> Result<()> {
        match name {
            "format" => {
                self.format = match text(name, value)? {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => bail!(INVALID_PARAMETER_VALUE, "COPY format \"{other}\" not recognized"),
                }
            }
            "freeze" => self.freeze = boolean_option(name, value)?,
            "delimiter" => seen.delimiter = Some(text(name, value)?.to_owned()),
            "null" => seen.null = Some(text(name, value)?.to_owned()),
            "default" => self.default = Some(text(name, value)?.to_owned()),
            "header" => self.header = header(value, from)?,
            "quote" => seen.quote = Some(text(name, value)?.to_owned()),
            "escape" => seen.escape = Some(text(name, value)?.to_owned()),
            "force_quote" => self.force_quote = ForceColumns::read(name, value)?,
            "force_not_null" => self.force_not_null = ForceColumns::read(name, value)?,
            "force_null" => self.force_null = ForceColumns::read(name, value)?,
            "encoding" => self.encoding = Some(text(name, value)?.to_owned()),
            "on_error" => {
                if !from {
                    bail!(INVALID_PARAMETER_VALUE, "COPY ON_ERROR cannot be used with COPY TO");
                }
                seen.on_error = Some(match value {
                    CopyValue::None => OnError::Stop,
                    other => match text(name, other)?.to_ascii_lowercase().as_str() {
                        "stop" => OnError::Stop,
                        "ignore" => OnError::Ignore,
                        other => bail!(INVALID_PARAMETER_VALUE, "COPY ON_ERROR \"{other}\" not recognized"),
                    },
                });
            }
            "log_verbosity" => match text(name, value)?.to_ascii_lowercase().as_str() {
                "silent" | "default" | "verbose" => {}
                other => bail!(INVALID_PARAMETER_VALUE, "COPY LOG_VERBOSITY \"{other}\" not recognized"),
            },
            "reject_limit" => {
                let text = text(name, value)?;
                let limit: i64 =
                    text.parse().map_err(|_| error!(SYNTAX_ERROR, "reject_limit requires a numeric value"))?;
                if limit <= 0 {
                    bail!(INVALID_PARAMETER_VALUE, "REJECT_LIMIT ({limit}) must be greater than zero");
                }
                self.reject_limit = Some(limit);
            }
            _ => bail!(SYNTAX_ERROR, "option \"{name}\" not recognized"),
        }
        Ok(())
    }

    fn check_binary(&self, seen: &Given) -> Result<()> {
        if seen.delimiter.is_some() {
            bail!(SYNTAX_ERROR, "cannot specify DELIMITER in BINARY mode");
        }
        if seen.null.is_some() {
            bail!(SYNTAX_ERROR, "cannot specify NULL in BINARY mode");
        }
        if self.default.is_some() {
            bail!(SYNTAX_ERROR, "cannot specify DEFAULT in BINARY mode");
        }
        Ok(())
    }

    /// Takes over what was given and fills in what depends on the format.
    fn fill(&mut self, seen: &Given) -> Result<()> {
        let csv = self.format == CopyFormat::Csv;
        self.delimiter = match &seen.delimiter {
            Some(text) => one_byte("delimiter", text)?,
            None if csv => b',',
            None => b'\t',
        };
        self.null = match &seen.null {
            Some(text) => text.clone(),
            None if csv => String::new(),
            None => "\\N".to_owned(),
        };
        self.on_error = seen.on_error.unwrap_or(OnError::Stop);
        if matches!(self.delimiter, b'\n' | b'\r') {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\n', '\r']) {
            bail!(INVALID_PARAMETER_VALUE, "COPY null representation cannot use newline or carriage return");
        }
        if self.default.as_ref().is_some_and(|text| text.contains(['\n', '\r'])) {
            bail!(INVALID_PARAMETER_VALUE, "COPY default representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&self.delimiter) {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter cannot be \"{}\"", char::from(self.delimiter));
        }
        if self.format == CopyFormat::Binary && self.header != Header::No {
            bail!(FEATURE_NOT_SUPPORTED, "cannot specify HEADER in BINARY mode");
        }
        if seen.quote.is_some() && !csv {
            bail!(FEATURE_NOT_SUPPORTED, "COPY QUOTE requires CSV mode");
        }
        if let Some(text) = &seen.quote {
            self.quote = one_byte("quote", text)?;
        }
        if csv && self.delimiter == self.quote {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter and quote must be different");
        }
        if seen.escape.is_some() && !csv {
            bail!(FEATURE_NOT_SUPPORTED, "COPY ESCAPE requires CSV mode");
        }
        self.escape = match &seen.escape {
            Some(text) => one_byte("escape", text)?,
            None => self.quote,
        };
        Ok(())
    }

    fn check(&self, seen: &Given, from: bool) -> Result<()> {
        let csv = self.format == CopyFormat::Csv;
        let needs_csv = |name: &str, columns: &ForceColumns| -> Result<()> {
            if columns.is_some() && !csv {
                bail!(FEATURE_NOT_SUPPORTED, "COPY {name} requires CSV mode");
            }
            Ok(())
        };
        needs_csv("FORCE_QUOTE", &self.force_quote)?;
        if self.force_quote.is_some() && from {
            bail!(FEATURE_NOT_SUPPORTED, "COPY FORCE_QUOTE cannot be used with COPY FROM");
        }
        for (name, columns) in [("FORCE_NOT_NULL", &self.force_not_null), ("FORCE_NULL", &self.force_null)] {
            needs_csv(name, columns)?;
            if columns.is_some() && !from {
                bail!(INVALID_PARAMETER_VALUE, "COPY {name} cannot be used with COPY TO");
            }
        }
        let has = |text: &str, byte: u8| text.as_bytes().contains(&byte);
        if has(&self.null, self.delimiter) && self.format != CopyFormat::Binary {
            bail!(INVALID_PARAMETER_VALUE, "COPY delimiter character must not appear in the NULL specification");
        }
        if csv && has(&self.null, self.quote) {
            bail!(INVALID_PARAMETER_VALUE, "CSV quote character must not appear in the NULL specification");
        }
        if self.freeze && !from {
            bail!(INVALID_PARAMETER_VALUE, "COPY FREEZE cannot be used with COPY TO");
        }
        if let Some(default) = &self.default {
            self.check_default(default, from)?;
        }
        if self.format == CopyFormat::Binary && self.on_error != OnError::Stop {
            bail!(SYNTAX_ERROR, "only ON_ERROR STOP is allowed in BINARY mode");
        }
        if self.reject_limit.is_some() && seen.on_error != Some(OnError::Ignore) {
            bail!(INVALID_PARAMETER_VALUE, "COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE");
        }
        self.check_encoding()
    }

    fn check_default(&self, default: &str, from: bool) -> Result<()> {
        if !from {
            bail!(FEATURE_NOT_SUPPORTED, "COPY DEFAULT cannot be used with COPY TO");
        }
        if default.as_bytes().contains(&self.delimiter) {
            bail!(FEATURE_NOT_SUPPORTED, "COPY delimiter character must not appear in the DEFAULT specification");
        }
        if self.format == CopyFormat::Csv && default.as_bytes().contains(&self.quote) {
            bail!(FEATURE_NOT_SUPPORTED, "CSV quote character must not appear in the DEFAULT specification");
        }
        if default == self.null {
            bail!(FEATURE_NOT_SUPPORTED, "NULL specification and DEFAULT specification cannot be the same");
        }
        Ok(())
    }

    fn check_encoding(&self) -> Result<()> {
        let Some(encoding) = &self.encoding else { return Ok(()) };
        let folded: String =
            encoding.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        match folded.as_str() {
            "utf8" | "unicode" | "sqlascii" => Ok(()),
            _ if folded.starts_with("latin") || folded.starts_with("win") || folded.starts_with("iso8859") => {
                Err(Error::unsupported(format!("COPY with encoding {encoding}")))
            }
            _ => bail!(INVALID_PARAMETER_VALUE, "argument to option \"encoding\" must be a valid encoding name"),
        }
    }
}

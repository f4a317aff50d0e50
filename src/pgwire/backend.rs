//! What the server sends: one function per message, appending to a buffer.
//!
//! Messages are PostgreSQL's protocol 3. Lengths are patched in when a message is complete; only DataRow and CopyData
//! can grow past what a length field holds, and their writers check it.

use crate::error::{Error, Report, Result, Severity};
use crate::types::Oid;

/// How a value travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As the type's output function prints it.
    Text,
    /// As the type's send function writes it.
    Binary,
}

impl Format {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> i16 {
        match self {
            Self::Text => 0,
            Self::Binary => 1,
        }
    }

    /// Reads a code from the wire.
    ///
    /// # Errors
    /// `22023` for anything but 0 and 1.
    pub fn from_code(code: i16) -> Result<Self> {
        match code {
            0 => Ok(Self::Text),
            1 => Ok(Self::Binary),
            _ => Err(crate::error!(INVALID_PARAMETER_VALUE, "unsupported format code: {code}")),
        }
    }
}

/// The formats of `count` columns or parameters from what Bind says: none (all text), one (for all) or one each. The
/// caller has checked the count, because PostgreSQL words it differently for parameters and results.
///
/// # Errors
/// `22023` for an unknown code.
pub fn resolve_formats(codes: &[i16], count: usize) -> Result<Vec<Format>> {
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [one] => Ok(vec![Format::from_code(*one)?; count]),
        each => each.iter().map(|code| Format::from_code(*code)).collect(),
    }
}

/// A column of a RowDescription.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDesc {
    /// The name shown.
    pub name: String,
    /// The table it comes from unchanged; [`Oid::NONE`] otherwise.
    pub table: Oid,
    /// Its number there; 0 otherwise.
    pub attnum: i16,
    /// The type, a domain's base type.
    pub type_oid: Oid,
    /// `typlen`: bytes, -1 for variable, -2 for C strings.
    pub type_size: i16,
    /// The modifier, -1 for none.
    pub typmod: i32,
    /// How its values will be sent.
    pub format: Format,
}

/// Transaction states of ReadyForQuery.
pub const IDLE: u8 = b'I';
/// In a transaction block.
pub const IN_TRANSACTION: u8 = b'T';
/// In a failed transaction block.
pub const IN_FAILED_TRANSACTION: u8 = b'E';

/// Starts a message and returns the place of its length for [`finish`].
pub(crate) fn begin(out: &mut Vec<u8>, tag: u8) -> usize {
    out.push(tag);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    at
}

/// Patches the length of a message.
pub(crate) fn finish(out: &mut [u8], at: usize) {
    let length = i32::try_from(out.len() - at).expect("writers keep messages under the length field's limit");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    // A zero byte would end the string early; text from the catalog and from statements has none.
    match memchr::memchr(0, text.as_bytes()) {
        None => out.extend_from_slice(text.as_bytes()),
        Some(_) => out.extend(text.bytes().filter(|byte| *byte != 0)),
    }
    out.push(0);
}

fn bare(out: &mut Vec<u8>, tag: u8) {
    out.extend_from_slice(&[tag, 0, 0, 0, 4]);
}

/// `T`.
pub fn row_description(out: &mut Vec<u8>, columns: &[ColumnDesc]) {
    let at = begin(out, b'T');
    count(out, columns.len());
    for column in columns {
        string(out, &column.name);
        out.extend_from_slice(&column.table.0.to_be_bytes());
        out.extend_from_slice(&column.attnum.to_be_bytes());
        out.extend_from_slice(&column.type_oid.0.to_be_bytes());
        out.extend_from_slice(&column.type_size.to_be_bytes());
        out.extend_from_slice(&column.typmod.to_be_bytes());
        out.extend_from_slice(&column.format.code().to_be_bytes());
    }
    finish(out, at);
}

fn count(out: &mut Vec<u8>, items: usize) {
    let items = u16::try_from(items).expect("statements have at most 65,535 columns and parameters");
    out.extend_from_slice(&items.to_be_bytes());
}

/// `t`: the types of a statement's parameters.
pub fn parameter_description(out: &mut Vec<u8>, types: &[u32]) {
    let at = begin(out, b't');
    count(out, types.len());
    for oid in types {
        out.extend_from_slice(&oid.to_be_bytes());
    }
    finish(out, at);
}

/// `n`: a statement that returns no rows.
pub fn no_data(out: &mut Vec<u8>) {
    bare(out, b'n');
}

/// `1`.
pub fn parse_complete(out: &mut Vec<u8>) {
    bare(out, b'1');
}

/// `2`.
pub fn bind_complete(out: &mut Vec<u8>) {
    bare(out, b'2');
}

/// `3`.
pub fn close_complete(out: &mut Vec<u8>) {
    bare(out, b'3');
}

/// `s`: the row limit of Execute was reached.
pub fn portal_suspended(out: &mut Vec<u8>) {
    bare(out, b's');
}

/// `I`: the answer to an empty statement instead of CommandComplete.
pub fn empty_query(out: &mut Vec<u8>) {
    bare(out, b'I');
}

/// `C` with a tag such as `INSERT 0 1`.
pub fn command_complete(out: &mut Vec<u8>, tag: &str) {
    let at = begin(out, b'C');
    string(out, tag);
    finish(out, at);
}

/// `E`.
pub fn error_response(out: &mut Vec<u8>, error: &Error) {
    report(out, b'E', error.report());
}

/// `N`.
pub fn notice_response(out: &mut Vec<u8>, notice: &Error) {
    report(out, b'N', notice.report());
}

fn report(out: &mut Vec<u8>, tag: u8, report: &Report) {
    let at = begin(out, tag);
    let mut field = |kind: u8, text: &str| {
        out.push(kind);
        string(out, text);
    };
    field(b'S', report.severity.as_str());
    field(b'V', report.severity.as_str());
    field(b'C', report.sqlstate.as_str());
    field(b'M', &report.message);
    let position = report.position.map(|position| position.to_string());
    let optional = [
        (b'D', report.detail.as_deref()),
        (b'H', report.hint.as_deref()),
        (b'P', position.as_deref()),
        (b'W', report.context.as_deref()),
        (b's', report.schema.as_deref()),
        (b't', report.table.as_deref()),
        (b'c', report.column.as_deref()),
        (b'd', report.data_type.as_deref()),
        (b'n', report.constraint.as_deref()),
    ];
    for (kind, text) in optional {
        if let Some(text) = text {
            field(kind, text);
        }
    }
    out.push(0);
    finish(out, at);
}

/// Whether a report ends the session.
#[must_use]
pub fn is_fatal(error: &Error) -> bool {
    matches!(error.report().severity, Severity::Fatal | Severity::Panic)
}

/// `Z` with [`IDLE`], [`IN_TRANSACTION`] or [`IN_FAILED_TRANSACTION`].
pub fn ready_for_query(out: &mut Vec<u8>, state: u8) {
    out.extend_from_slice(&[b'Z', 0, 0, 0, 5, state]);
}

/// `S`: the value of a reported setting.
pub fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    let at = begin(out, b'S');
    string(out, name);
    string(out, value);
    finish(out, at);
}

/// `K`: what a cancel request must quote. The secret has 4 bytes in protocol 3.0, up to 256 in 3.2.
pub fn backend_key_data(out: &mut Vec<u8>, pid: u32, secret: &[u8]) {
    let at = begin(out, b'K');
    out.extend_from_slice(&pid.to_be_bytes());
    out.extend_from_slice(secret);
    finish(out, at);
}

/// `A`: a notification.
pub fn notification(out: &mut Vec<u8>, pid: u32, channel: &str, payload: &str) {
    let at = begin(out, b'A');
    out.extend_from_slice(&pid.to_be_bytes());
    string(out, channel);
    string(out, payload);
    finish(out, at);
}

/// `v`: the newest minor version offered and the unknown `_pq_.` options.
pub fn negotiate_protocol_version(out: &mut Vec<u8>, version: u32, unknown: &[&str]) {
    let at = begin(out, b'v');
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&u32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
    for option in unknown {
        string(out, option);
    }
    finish(out, at);
}

fn copy_response(out: &mut Vec<u8>, tag: u8, format: Format, columns: usize) {
    let at = begin(out, tag);
    out.push(u8::from(format == Format::Binary));
    count(out, columns);
    for _ in 0..columns {
        out.extend_from_slice(&format.code().to_be_bytes());
    }
    finish(out, at);
}

/// `G`: the client may send COPY data of so many columns.
pub fn copy_in_response(out: &mut Vec<u8>, format: Format, columns: usize) {
    copy_response(out, b'G', format, columns);
}

/// `H`: COPY data of so many columns follows.
pub fn copy_out_response(out: &mut Vec<u8>, format: Format, columns: usize) {
    copy_response(out, b'H', format, columns);
}

/// `W`: COPY data in both directions.
pub fn copy_both_response(out: &mut Vec<u8>, format: Format, columns: usize) {
    copy_response(out, b'W', format, columns);
}

/// `d`: one piece of COPY data.
pub fn copy_data(out: &mut Vec<u8>, data: &[u8]) {
    let at = begin(out, b'd');
    out.extend_from_slice(data);
    finish(out, at);
}

/// `c`.
pub fn copy_done(out: &mut Vec<u8>) {
    bare(out, b'c');
}

fn authentication(out: &mut Vec<u8>, kind: u32, data: &[u8]) {
    let at = begin(out, b'R');
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(data);
    finish(out, at);
}

/// `R` 0: logged in.
pub fn authentication_ok(out: &mut Vec<u8>) {
    authentication(out, 0, &[]);
}

/// `R` 10: the SASL mechanisms offered, best first.
pub fn authentication_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    let at = begin(out, b'R');
    out.extend_from_slice(&10_u32.to_be_bytes());
    for mechanism in mechanisms {
        string(out, mechanism);
    }
    out.push(0);
    finish(out, at);
}

/// `R` 11: the server's next SASL message.
pub fn authentication_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, 11, data);
}

/// `R` 12: the server's last SASL message.
pub fn authentication_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    authentication(out, 12, data);
}

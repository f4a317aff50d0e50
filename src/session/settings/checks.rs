//! Settings whose text PostgreSQL checks or rewrites: DateStyle, TimeZone, client_encoding, search_path and the like.

use crate::bail;
use crate::error::{Error, Result};
use crate::types::io::{ByteaOutput, DateFormat, DateOrder, FormatSettings, IntervalStyle};
use crate::types::text::truncate_name;
use crate::types::timezone::Zone;

/// Settings that take a list; the second word says whether its items are names, which SET quotes.
const LISTS: &[(&str, bool)] = &[
    ("DateStyle", false),
    ("createrole_self_grant", false),
    ("debug_io_direct", false),
    ("listen_addresses", false),
    ("local_preload_libraries", true),
    ("log_connections", false),
    ("log_destination", false),
    ("restrict_nonsystem_relation_kind", false),
    ("search_path", true),
    ("session_preload_libraries", true),
    ("shared_preload_libraries", true),
    ("synchronized_standby_slots", false),
    ("synchronous_standby_names", false),
    ("temp_tablespaces", true),
    ("unix_socket_directories", true),
    ("wal_consistency_checking", false),
];

/// Whether a setting takes a list, and then whether of names; `None` for a single value.
pub(super) fn list_of_names(name: &str) -> Option<bool> {
    LISTS.iter().find(|(list, _)| *list == name).map(|(_, names)| *names)
}

fn invalid(name: &str, text: &str) -> Error {
    crate::error!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": \"{text}\"")
}

/// Checks the text of a setting and rewrites it as PostgreSQL does. `current` is its value so far.
///
/// # Errors
/// `22023`, and `0A000` for an encoding that exists but is not offered.
pub(super) fn check_text(name: &str, text: &str, current: &str) -> Result<String> {
    match name {
        "DateStyle" => date_style(text, current),
        "TimeZone" | "log_timezone" => {
            let zone = Zone::from_setting(text).map_err(|_| invalid(name, text))?;
            Ok(zone.name().to_owned())
        }
        "client_encoding" => client_encoding(text),
        "application_name" | "cluster_name" => Ok(printable(truncate_name(text))),
        "search_path" | "temp_tablespaces" | "local_preload_libraries" | "session_preload_libraries" => {
            if split_names(text).is_none() {
                return Err(invalid(name, text).detail("List syntax is invalid."));
            }
            Ok(text.to_owned())
        }
        "default_tablespace" if !matches!(text, "" | "pg_default") => {
            Err(invalid(name, text).detail(format!("Tablespace \"{text}\" does not exist.")))
        }
        "default_table_access_method" => match text {
            "" => Err(invalid(name, text).detail("\"default_table_access_method\" cannot be empty.")),
            "heap" => Ok(text.to_owned()),
            _ => Err(invalid(name, text).detail(format!("Table access method \"{text}\" does not exist."))),
        },
        "default_text_search_config" => {
            let plain = text.strip_prefix("pg_catalog.").unwrap_or(text);
            match plain {
                "english" | "simple" => Ok(format!("pg_catalog.{plain}")),
                _ => Err(invalid(name, text)),
            }
        }
        "lc_messages" | "lc_monetary" | "lc_numeric" | "lc_time" => {
            let known = matches!(text, "" | "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "en_US.UTF-8" | "en_US.utf8");
            if known { Ok(text.to_owned()) } else { Err(invalid(name, text)) }
        }
        _ => Ok(text.to_owned()),
    }
}

/// Bytes outside printable ASCII become `\xHH`, so that a log line or an activity view cannot be forged.
fn printable(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if (b' '..=b'~').contains(&byte) {
            out.push(char::from(byte));
        } else {
            use std::fmt::Write;
            let _ = write!(out, "\\x{byte:02x}");
        }
        out
    })
}

const KNOWN_ENCODINGS: &[&str] = &[
    "BIG5",
    "EUC_CN",
    "EUC_JIS_2004",
    "EUC_JP",
    "EUC_KR",
    "EUC_TW",
    "GB18030",
    "GBK",
    "ISO_8859_5",
    "ISO_8859_6",
    "ISO_8859_7",
    "ISO_8859_8",
    "JOHAB",
    "KOI8R",
    "KOI8U",
    "LATIN1",
    "LATIN10",
    "LATIN2",
    "LATIN3",
    "LATIN4",
    "LATIN5",
    "LATIN6",
    "LATIN7",
    "LATIN8",
    "LATIN9",
    "MULE_INTERNAL",
    "SHIFT_JIS_2004",
    "SJIS",
    "UHC",
    "WIN1250",
    "WIN1251",
    "WIN1252",
    "WIN1253",
    "WIN1254",
    "WIN1255",
    "WIN1256",
    "WIN1257",
    "WIN1258",
    "WIN866",
    "WIN874",
];

/// PostgreSQL compares encoding names without case and punctuation.
fn client_encoding(text: &str) -> Result<String> {
    let fold = |name: &str| -> String {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let folded = fold(text);
    match folded.as_str() {
        "utf8" | "unicode" => return Ok("UTF8".to_owned()),
        "sqlascii" => return Ok("SQL_ASCII".to_owned()),
        "iso88591" => return client_encoding("LATIN1"),
        _ => {}
    }
    match KNOWN_ENCODINGS.iter().find(|known| fold(known) == folded) {
        Some(known) => bail!(FEATURE_NOT_SUPPORTED, "conversion between {known} and UTF8 is not supported"),
        None => Err(invalid("client_encoding", text)),
    }
}

/// `DateStyle` in its full form; words that are not given keep their value.
fn date_style(text: &str, current: &str) -> Result<String> {
    let mut settings = FormatSettings::default();
    // The current value was checked when it was set.
    let _ = settings.set_date_style(current);
    let (mut format, mut order): (Option<DateFormat>, Option<DateOrder>) = (None, None);
    let mut conflict = false;
    for word in text.split(',') {
        let word = word.trim();
        let mut set_format = |value| conflict |= format.replace(value).is_some_and(|old| old != value);
        match word.to_ascii_lowercase().as_str() {
            "iso" => set_format(DateFormat::Iso),
            "sql" => set_format(DateFormat::Sql),
            lower if !lower.is_empty() && lower.starts_with("postgres") => set_format(DateFormat::Postgres),
            "german" => {
                set_format(DateFormat::German);
                order.get_or_insert(DateOrder::Dmy);
            }
            "default" => {
                format.get_or_insert(DateFormat::Iso);
                order.get_or_insert(DateOrder::Mdy);
            }
            lower => match order_word(lower) {
                Some(value) => conflict |= order.replace(value).is_some_and(|old| old != value),
                None => {
                    let detail = format!("Unrecognized key word: \"{word}\".");
                    return Err(invalid("DateStyle", text).detail(detail));
                }
            },
        }
    }
    if conflict {
        return Err(invalid("DateStyle", text).detail("Conflicting \"DateStyle\" specifications."));
    }
    settings.date_format = format.unwrap_or(settings.date_format);
    settings.date_order = order.unwrap_or(settings.date_order);
    Ok(settings.date_style())
}

fn order_word(word: &str) -> Option<DateOrder> {
    match word {
        "ymd" => Some(DateOrder::Ymd),
        "dmy" => Some(DateOrder::Dmy),
        "mdy" | "us" => Some(DateOrder::Mdy),
        _ if word.starts_with("euro") => Some(DateOrder::Dmy),
        _ if word.starts_with("noneuro") => Some(DateOrder::Mdy),
        _ => None,
    }
}

/// Takes a list of names apart (`"$user", public, "A b"`), unquoted ones in lower case; `None` when it is malformed.
#[must_use]
pub fn split_names(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let mut name = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let end = quoted.find('"')?;
                name.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        name.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            rest = quoted;
        } else {
            let end = rest.find(|c: char| c == ',' || c.is_ascii_whitespace()).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            name = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
        }
        names.push(truncate_name(&name).to_owned());
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

/// The value of `IntervalStyle`, which has been checked.
pub(super) fn interval_style(label: &str) -> IntervalStyle {
    match label {
        "postgres_verbose" => IntervalStyle::PostgresVerbose,
        "sql_standard" => IntervalStyle::SqlStandard,
        "iso_8601" => IntervalStyle::Iso8601,
        _ => IntervalStyle::Postgres,
    }
}

/// The value of `bytea_output`, which has been checked.
pub(super) fn bytea_output(label: &str) -> ByteaOutput {
    if label == "escape" { ByteaOutput::Escape } else { ByteaOutput::Hex }
}

/// Whether a name of a custom setting is two or more identifiers with points between them.
pub(super) fn is_custom_name(name: &str) -> bool {
    name.contains('.')
        && name.split('.').all(|part| {
            let mut bytes = part.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80)
                && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || b >= 0x80)
        })
}

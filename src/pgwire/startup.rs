//! The first packet of a connection, which has no type byte: startup, TLS, GSS and cancel requests.

use crate::bail;
use crate::error::{Error, Result, SqlState};
use crate::types::wire::text_from;

/// Longest first packet, bytes.
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// The newest protocol spoken.
pub const PROTOCOL_NEWEST: u32 = (3 << 16) | 2;

const CANCEL_REQUEST: u32 = (1234 << 16) | 5678;
const SSL_REQUEST: u32 = (1234 << 16) | 5679;
const GSSENC_REQUEST: u32 = (1234 << 16) | 5680;

/// A first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// Please use TLS.
    Ssl,
    /// Please use GSSAPI encryption, which is not offered.
    Gssenc,
    /// Stop the statement of another connection.
    Cancel {
        /// Whose.
        pid: u32,
        /// What that connection was told.
        secret: Vec<u8>,
    },
    /// Log in.
    Startup(Startup),
}

/// A startup packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Startup {
    /// The minor version asked for: 0 or 2 as it is spoken.
    pub minor: u32,
    /// Whether the client must be told what is spoken instead of what it asked for.
    pub negotiate: bool,
    /// Protocol options (`_pq_.`) that are not known.
    pub unknown_options: Vec<String>,
    /// The role.
    pub user: String,
    /// The database, the role's name when none was given.
    pub database: String,
    /// Settings in order, `options` taken apart.
    pub settings: Vec<(String, String)>,
}

/// Reads a first packet, the length before it taken off.
///
/// # Errors
/// FATAL with PostgreSQL's words.
pub fn parse(packet: &[u8]) -> Result<FirstPacket> {
    let Some((code, body)) = packet.split_first_chunk::<4>() else {
        return Err(bad("invalid length of startup packet"));
    };
    let code = u32::from_be_bytes(*code);
    match code {
        SSL_REQUEST => Ok(FirstPacket::Ssl),
        GSSENC_REQUEST => Ok(FirstPacket::Gssenc),
        CANCEL_REQUEST => match body.split_first_chunk::<4>() {
            Some((pid, secret)) if (1..=256).contains(&secret.len()) => {
                Ok(FirstPacket::Cancel { pid: u32::from_be_bytes(*pid), secret: secret.to_vec() })
            }
            _ => Err(bad("invalid length of query cancel packet")),
        },
        _ => startup(code, body).map(FirstPacket::Startup),
    }
}

fn bad(message: &str) -> Error {
    Error::fatal(SqlState::PROTOCOL_VIOLATION, message)
}

fn startup(version: u32, body: &[u8]) -> Result<Startup> {
    let (major, minor) = (version >> 16, version & 0xffff);
    if major != 3 {
        return Err(Error::fatal(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"),
        ));
    }
    let layout = || bad("invalid startup packet layout: expected terminator as last byte");
    let body = body.strip_suffix(&[0]).ok_or_else(layout)?;
    let mut startup =
        Startup { minor: minor.min(PROTOCOL_NEWEST & 0xffff), negotiate: minor > 2, ..Startup::default() };
    let mut options = String::new();
    let mut fields = body.split(|byte| *byte == 0);
    // Each pair ends with a zero byte, so the last piece is empty.
    while let Some(name) = fields.next() {
        if name.is_empty() {
            break;
        }
        let value = fields.next().ok_or_else(layout)?;
        let (name, value) = (fatal(text_from(name))?, fatal(text_from(value))?);
        match name {
            "user" => startup.user = crate::types::text::truncate_name(value).to_owned(),
            "database" => startup.database = crate::types::text::truncate_name(value).to_owned(),
            "options" => value.clone_into(&mut options),
            "replication" => refuse_replication(value)?,
            _ if name.starts_with("_pq_.") => startup.unknown_options.push(name.to_owned()),
            _ => startup.settings.push((name.to_owned(), value.to_owned())),
        }
    }
    if startup.user.is_empty() {
        return Err(Error::fatal(
            SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    }
    if startup.database.is_empty() {
        startup.database.clone_from(&startup.user);
    }
    startup.negotiate |= !startup.unknown_options.is_empty();
    // Settings of `options` come first, so that those of the packet itself win.
    let mut settings = fatal(parse_options(&options))?;
    settings.append(&mut startup.settings);
    startup.settings = settings;
    Ok(startup)
}

fn fatal<T>(result: Result<T>) -> Result<T> {
    result.map_err(|mut error| {
        error.report_mut().severity = crate::error::Severity::Fatal;
        error
    })
}

fn refuse_replication(value: &str) -> Result<()> {
    match crate::types::boolean::parse(&value.to_ascii_lowercase()) {
        Some(false) => Ok(()),
        Some(true) => fatal(Err(Error::unsupported("streaming replication"))),
        None if value == "database" => fatal(Err(Error::unsupported("streaming replication"))),
        None => Err(Error::fatal(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"replication\": \"{value}\""),
        )),
    }
}

/// Splits `options` at blanks; a backslash takes the next character as it is.
fn split_options(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The settings of `-c name=value`, `-cname=value` and `--name=value`.
///
/// # Errors
/// `42601` for anything else.
pub fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut words = split_options(text).into_iter();
    while let Some(word) = words.next() {
        let (flag, pair) = if let Some(long) = word.strip_prefix("--") {
            (format!("--{long}"), long.to_owned())
        } else if word == "-c" {
            match words.next() {
                Some(pair) => (format!("-c {pair}"), pair),
                None => bail!(SYNTAX_ERROR, "invalid command-line argument for server process: {word}"),
            }
        } else if let Some(pair) = word.strip_prefix("-c") {
            (word.clone(), pair.to_owned())
        } else {
            bail!(SYNTAX_ERROR, "invalid command-line argument for server process: {word}");
        };
        match pair.split_once('=') {
            // Dashes in a name stand for underscores.
            Some((name, value)) => settings.push((name.replace('-', "_"), value.to_owned())),
            None => bail!(SYNTAX_ERROR, "{flag} requires a value"),
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{FirstPacket, Startup, parse, parse_options};

    fn packet(version: u32, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = version.to_be_bytes().to_vec();
        for (name, value) in pairs {
            for text in [name, value] {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn startup_packets_are_read() {
        let pairs = [
            ("user", "ann"),
            ("application_name", "psql"),
            ("options", "-c search_path=a\\ b,c --work-mem=1MB -cgeqo=off"),
        ];
        let FirstPacket::Startup(Startup { user, database, settings, minor, negotiate, .. }) =
            parse(&packet(3 << 16, &pairs)).unwrap()
        else {
            panic!("a startup packet")
        };
        assert_eq!((user.as_str(), database.as_str(), minor, negotiate), ("ann", "ann", 0, false));
        let expected = [("search_path", "a b,c"), ("work_mem", "1MB"), ("geqo", "off"), ("application_name", "psql")];
        assert!(settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(expected));
    }

    #[test]
    fn newer_protocols_are_negotiated() {
        let FirstPacket::Startup(startup) =
            parse(&packet((3 << 16) | 9999, &[("user", "a"), ("_pq_.x", "1")])).unwrap()
        else {
            panic!("a startup packet")
        };
        assert!(startup.negotiate);
        assert_eq!((startup.minor, startup.unknown_options), (2, vec!["_pq_.x".to_owned()]));
    }

    #[test]
    fn bad_packets_are_fatal() {
        for (bytes, state) in [
            (packet(2 << 16, &[("user", "a")]), "0A000"),
            (packet(3 << 16, &[]), "28000"),
            (packet(3 << 16, &[("user", "a"), ("options", "-x")]), "42601"),
            (packet(3 << 16, &[("user", "a"), ("replication", "true")]), "0A000"),
            (b"\0\x03\0\0user\0a".to_vec(), "08P01"),
            (vec![0, 3], "08P01"),
        ] {
            let error = parse(&bytes).unwrap_err();
            assert_eq!(error.sqlstate().as_str(), state);
            assert_eq!(error.report().severity.as_str(), "FATAL");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,60}") {
            let _ = parse(&bytes);
            let _ = parse(&[&[0, 3, 0, 0][..], &bytes].concat());
            let _ = parse_options(&text);
        }
    }
}

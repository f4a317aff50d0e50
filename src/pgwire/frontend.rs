//! What a client sends after it has logged in, and the decoder for it.
//!
//! The framing (one type byte, a big-endian length that counts itself) is PostgreSQL's protocol 3; a message whose
//! frame is wrong loses synchronisation and ends the connection (FATAL), a message whose inside is wrong becomes
//! [`Frontend::Invalid`], which the session reports as it would report a failed statement. Invariant: any bytes give a
//! message, an error or "more bytes are needed"; never a panic, never an allocation larger than what arrived.

use std::ops::Deref;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, Result, SqlState};
use crate::types::wire::text_from;
use crate::{bail, error};

/// Longest message with a body of any size (queries, parameters, COPY data), bytes.
const LARGE_MESSAGE_MAX: usize = 0x3fff_fffe;
/// Longest message of a kind that only carries a name or nothing, bytes.
const SMALL_MESSAGE_MAX: usize = 10_000;
/// Most parameters of one statement: the protocol counts them in 16 bits.
pub const PARAMETERS_MAX: usize = 65_535;

/// A message from a client in the normal phase of the protocol.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Frontend {
    /// `Q`: one string of statements, simple protocol.
    Query(String),
    /// `P`: prepare a statement; a parameter type of 0 is unspecified.
    Parse { name: String, query: String, param_types: Vec<u32> },
    /// `B`: make a portal. Formats are as sent: none (all text), one (for all) or one each; see [`resolve_formats`](super::backend::resolve_formats).
    Bind {
        portal: String,
        statement: String,
        param_formats: Vec<i16>,
        params: Vec<Option<Bytes>>,
        result_formats: Vec<i16>,
    },
    /// `D`: describe a statement (or else a portal).
    Describe { statement: bool, name: String },
    /// `E`: run a portal; `max_rows` 0 means all rows.
    Execute { portal: String, max_rows: u32 },
    /// `C`: close a statement (or else a portal).
    Close { statement: bool, name: String },
    /// `S`: end of a unit of the extended protocol.
    Sync,
    /// `H`: send what is there.
    Flush,
    /// `d`: COPY data; the cuts between messages mean nothing.
    CopyData(Bytes),
    /// `c`: end of COPY data.
    CopyDone,
    /// `f`: the client gives up a COPY, with its reason.
    CopyFail(String),
    /// `F`: the function-call interface, which is not offered.
    FunctionCall,
    /// `X`: goodbye.
    Terminate,
    /// A well framed message with a bad inside. `extended` tells whether the session must now skip until Sync
    /// (otherwise it answers the error with ReadyForQuery at once).
    Invalid { error: Error, extended: bool },
}

impl Frontend {
    /// Whether the message belongs to the extended protocol, so that after an error everything is skipped until Sync.
    #[must_use]
    pub fn is_extended(&self) -> bool {
        matches!(
            self,
            Self::Parse { .. }
                | Self::Bind { .. }
                | Self::Describe { .. }
                | Self::Execute { .. }
                | Self::Close { .. }
                | Self::Flush
                | Self::Invalid { extended: true, .. }
        )
    }
}

/// Takes the next complete message off the front of `buffer`; `None` when more bytes are needed.
///
/// # Errors
/// FATAL `08P01` when the frame is wrong: the connection cannot go on.
pub fn decode(buffer: &mut BytesMut) -> Result<Option<Frontend>> {
    let Some((tag, length)) = frame(buffer)? else { return Ok(None) };
    if buffer.len() < 1 + length {
        return Ok(None);
    }
    let extended = matches!(tag, b'P' | b'B' | b'D' | b'E' | b'C' | b'H');
    let message = if matches!(tag, b'B' | b'd') {
        // Parameters and data are handed on as they lie.
        let mut message = buffer.split_to(1 + length).freeze();
        message.advance(5);
        if tag == b'd' { Ok(Frontend::CopyData(message)) } else { decode_bind(&mut Body(message)) }
    } else {
        let message = decode_body(tag, &mut Body(&buffer[5..=length]));
        buffer.advance(1 + length);
        message
    };
    Ok(Some(message.unwrap_or_else(|error| Frontend::Invalid { error, extended })))
}

/// Type and length of the message at the front, checked; `None` when fewer than five bytes are there.
fn frame(buffer: &BytesMut) -> Result<Option<(u8, usize)>> {
    let Some(tag) = buffer.first().copied() else { return Ok(None) };
    let most = match tag {
        b'Q' | b'P' | b'B' | b'F' | b'd' => LARGE_MESSAGE_MAX,
        b'D' | b'E' | b'C' | b'S' | b'H' | b'c' | b'f' | b'X' => SMALL_MESSAGE_MAX,
        _ => return Err(Error::fatal(SqlState::PROTOCOL_VIOLATION, format!("invalid frontend message type {tag}"))),
    };
    let Some(length) = buffer.get(1..5) else { return Ok(None) };
    let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
    if length < 4 || length > most {
        return Err(Error::fatal(SqlState::PROTOCOL_VIOLATION, "invalid message length"));
    }
    Ok(Some((tag, length)))
}

/// Bytes that the message at the front of `buffer` has in all, once its frame is known; 0 before that.
#[must_use]
pub fn needed(buffer: &BytesMut) -> usize {
    frame(buffer).ok().flatten().map_or(0, |(_, length)| length + 1)
}

fn decode_body(tag: u8, body: &mut Body<&[u8]>) -> Result<Frontend> {
    let message = match tag {
        b'Q' => Frontend::Query(body.string()?),
        b'P' => {
            let (name, query) = (body.string()?, body.string()?);
            let count = body.count()?;
            let param_types = (0..count).map(|_| body.u32()).collect::<Result<_>>()?;
            Frontend::Parse { name, query, param_types }
        }
        b'D' => {
            let (statement, name) = target(body, "DESCRIBE")?;
            Frontend::Describe { statement, name }
        }
        b'C' => {
            let (statement, name) = target(body, "CLOSE")?;
            Frontend::Close { statement, name }
        }
        b'E' => {
            let portal = body.string()?;
            let limit = i32::from_be_bytes(body.u32()?.to_be_bytes());
            Frontend::Execute { portal, max_rows: u32::try_from(limit).unwrap_or(0) }
        }
        b'S' => Frontend::Sync,
        b'H' => Frontend::Flush,
        b'X' => return Ok(Frontend::Terminate),
        b'c' => Frontend::CopyDone,
        b'f' => Frontend::CopyFail(body.string()?),
        _ => return Ok(Frontend::FunctionCall),
    };
    body.end()?;
    Ok(message)
}

fn decode_bind(body: &mut Body<Bytes>) -> Result<Frontend> {
    let (portal, statement) = (body.string()?, body.string()?);
    let param_formats = body.formats()?;
    let count = body.count()?;
    if param_formats.len() > 1 && param_formats.len() != count {
        bail!(PROTOCOL_VIOLATION, "bind message has {} parameter formats but {count} parameters", param_formats.len());
    }
    let mut params = Vec::with_capacity(count.min(body.0.len() / 4));
    for _ in 0..count {
        params.push(match i32::from_be_bytes(body.u32()?.to_be_bytes()) {
            -1 => None,
            length => Some(body.take(usize::try_from(length).map_err(|_| short())?)?),
        });
    }
    let result_formats = body.formats()?;
    body.end()?;
    Ok(Frontend::Bind { portal, statement, param_formats, params, result_formats })
}

/// `S` or `P` and a name, as Describe and Close have them.
fn target(body: &mut Body<&[u8]>, what: &str) -> Result<(bool, String)> {
    let kind = body.u8()?;
    let name = body.string()?;
    match kind {
        b'S' => Ok((true, name)),
        b'P' => Ok((false, name)),
        _ => bail!(PROTOCOL_VIOLATION, "invalid {what} message subtype {kind}"),
    }
}

fn short() -> Error {
    error!(PROTOCOL_VIOLATION, "insufficient data left in message")
}

/// The rest of a message's body, read from the front.
struct Body<B>(B);

impl Body<Bytes> {
    fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.0.len() < length { Err(short()) } else { Ok(self.0.split_to(length)) }
    }
}

impl<B: Buf + Deref<Target = [u8]>> Body<B> {
    fn end(&self) -> Result<()> {
        if !self.0.is_empty() {
            bail!(PROTOCOL_VIOLATION, "invalid message format");
        }
        Ok(())
    }

    fn u8(&mut self) -> Result<u8> {
        self.0.try_get_u8().map_err(|_| error!(PROTOCOL_VIOLATION, "no data left in message"))
    }

    fn u32(&mut self) -> Result<u32> {
        self.0.try_get_u32().map_err(|_| short())
    }

    fn count(&mut self) -> Result<usize> {
        self.0.try_get_u16().map(usize::from).map_err(|_| short())
    }

    fn formats(&mut self) -> Result<Vec<i16>> {
        let count = self.count()?;
        if self.0.len() < count * 2 {
            return Err(short());
        }
        Ok((0..count).map(|_| self.0.get_i16()).collect())
    }

    /// A zero-terminated UTF-8 string.
    fn string(&mut self) -> Result<String> {
        let end = memchr::memchr(0, &self.0).ok_or_else(|| error!(PROTOCOL_VIOLATION, "invalid string in message"))?;
        let text = text_from(&self.0[..end])?.to_owned();
        self.0.advance(end + 1);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{Frontend, decode, needed};

    fn message(tag: u8, body: &[u8]) -> BytesMut {
        let mut bytes = BytesMut::from(&[tag][..]);
        bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn error_of(tag: u8, body: &[u8]) -> (String, bool) {
        match decode(&mut message(tag, body)).unwrap().unwrap() {
            Frontend::Invalid { error, extended } => {
                (format!("{}: {}", error.sqlstate().as_str(), error.report().message), extended)
            }
            other => panic!("expected an invalid message, found {other:?}"),
        }
    }

    #[test]
    fn messages_decode() {
        let mut bytes = message(b'Q', b"SELECT 1\0");
        bytes.extend_from_slice(&message(b'P', b"s\0SELECT $1\0\0\x01\0\0\0\x17"));
        bytes.extend_from_slice(&message(b'B', b"\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0"));
        bytes.extend_from_slice(&message(b'E', b"\0\0\0\0\x05"));
        bytes.extend_from_slice(&message(b'S', b""));
        bytes.extend_from_slice(b"X");
        assert!(matches!(decode(&mut bytes).unwrap(), Some(Frontend::Query(sql)) if sql == "SELECT 1"));
        match decode(&mut bytes).unwrap() {
            Some(Frontend::Parse { name, param_types, .. }) => {
                assert_eq!((name.as_str(), &param_types[..]), ("s", &[23][..]))
            }
            other => panic!("{other:?}"),
        }
        match decode(&mut bytes).unwrap() {
            Some(Frontend::Bind { params, param_formats, .. }) => {
                assert_eq!(params, [Some(bytes::Bytes::from_static(b"ab")), None]);
                assert_eq!(param_formats, [1]);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(decode(&mut bytes).unwrap(), Some(Frontend::Execute { max_rows: 5, .. })));
        assert!(matches!(decode(&mut bytes).unwrap(), Some(Frontend::Sync)));
        assert!(decode(&mut bytes).unwrap().is_none());
        assert_eq!(needed(&message(b'Q', b"SELECT 1\0")), 14);
    }

    #[test]
    fn bad_insides_are_reported_not_fatal() {
        let table: [(u8, &[u8], &str, bool); 8] = [
            (b'Q', b"SELECT 1", "08P01: invalid string in message", false),
            (b'Q', b"\xff\0", "22021: invalid byte sequence for encoding \"UTF8\": 0xff", false),
            (b'Q', b"a\0b", "08P01: invalid message format", false),
            (b'D', b"Xa\0", "08P01: invalid DESCRIBE message subtype 88", true),
            (b'C', b"", "08P01: no data left in message", true),
            (b'B', b"\0\0\0\0\0\x01\0\0\0\x09ab", "08P01: insufficient data left in message", true),
            (b'B', b"\0\0\0\x02\0\0\0\0\0\x01", "08P01: bind message has 2 parameter formats but 1 parameters", true),
            (b'P', b"\0\0\xff\xff", "08P01: insufficient data left in message", true),
        ];
        for (tag, body, text, extended) in table {
            assert_eq!(error_of(tag, body), (text.to_owned(), extended));
        }
    }

    #[test]
    fn bad_frames_are_fatal() {
        for (bytes, text) in [
            (&b"Q\0\0\0\x03"[..], "invalid message length"),
            (b"S\0\0\x40\0", "invalid message length"),
            (b"Q\x7f\xff\xff\xff", "invalid message length"),
            (b"z", "invalid frontend message type 122"),
        ] {
            let error = decode(&mut BytesMut::from(bytes)).unwrap_err();
            assert_eq!((error.report().message.as_str(), error.report().severity.as_str()), (text, "FATAL"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            raw in proptest::collection::vec(any::<u8>(), 0..200),
            tag in proptest::sample::select(b"QPBDECSHdcfFX".to_vec()),
        ) {
            let mut bytes = BytesMut::from(&raw[..]);
            while let Ok(Some(_)) = decode(&mut bytes) {}
            let _ = decode(&mut message(tag, &raw));
        }
    }
}

//! A client that speaks the protocol byte by byte, also wrongly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How long to wait for an answer: a hang is a failure.
const PATIENCE: Duration = Duration::from_secs(40);

/// A message of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The type byte.
    pub tag: u8,
    /// What follows the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an error or notice; empty when there is none.
    pub fn field(&self, code: u8) -> String {
        let fields = self.body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let text =
            fields.filter(|field| field[0] == code).map(|field| String::from_utf8_lossy(&field[1..]).into_owned());
        text.into_iter().next().unwrap_or_default()
    }

    /// Big-endian 16-bit number at a place.
    pub fn int16(&self, at: usize) -> i16 {
        i16::from_be_bytes(self.body[at..at + 2].try_into().expect("two bytes"))
    }

    /// Big-endian 32-bit number at a place.
    pub fn int32(&self, at: usize) -> i32 {
        i32::from_be_bytes(self.body[at..at + 4].try_into().expect("four bytes"))
    }

    /// The values of a DataRow.
    pub fn values(&self) -> Vec<Option<Vec<u8>>> {
        let mut at = 2;
        let mut values = Vec::new();
        for _ in 0..self.int16(0) {
            let length = self.int32(at);
            at += 4;
            values.push(usize::try_from(length).ok().map(|length| {
                at += length;
                self.body[at - length..at].to_vec()
            }));
        }
        values
    }
}

/// A raw connection.
pub struct Raw<S> {
    /// The socket, or TLS over it.
    pub stream: S,
}

/// A message with its length.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(u32::try_from(body.len()).expect("short") + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A startup message.
pub fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    let mut bytes = (u32::try_from(body.len()).expect("short") + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(&body);
    bytes
}

/// Parse: statement, text, parameter types.
pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = [name.as_bytes(), &[0], sql.as_bytes(), &[0]].concat();
    body.extend_from_slice(&(types.len() as u16).to_be_bytes());
    types.iter().for_each(|oid| body.extend_from_slice(&oid.to_be_bytes()));
    message(b'P', &body)
}

/// Bind: portal, statement, parameter formats and values, result formats.
pub fn bind(portal: &str, statement: &str, formats: &[u16], values: &[Option<&[u8]>], results: &[u16]) -> Vec<u8> {
    let mut body = [portal.as_bytes(), &[0], statement.as_bytes(), &[0]].concat();
    body.extend_from_slice(&(formats.len() as u16).to_be_bytes());
    formats.iter().for_each(|format| body.extend_from_slice(&format.to_be_bytes()));
    body.extend_from_slice(&(values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            None => body.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(bytes) => {
                body.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
                body.extend_from_slice(bytes);
            }
        }
    }
    body.extend_from_slice(&(results.len() as u16).to_be_bytes());
    results.iter().for_each(|format| body.extend_from_slice(&format.to_be_bytes()));
    message(b'B', &body)
}

/// Execute with a row limit, 0 for none.
pub fn execute(portal: &str, limit: u32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), &[0], &limit.to_be_bytes()].concat())
}

/// Describe of a statement (`S`) or portal (`P`).
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[kind], name.as_bytes(), &[0]].concat())
}

/// A simple query.
pub fn query(sql: &str) -> Vec<u8> {
    message(b'Q', &[sql.as_bytes(), &[0]].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    message(b'S', &[])
}

/// Connects without saying anything.
pub fn socket(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server accepts connections");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

impl Raw<TcpStream> {
    /// Connects and logs in without a password.
    pub fn login(port: u16, user: &str, database: &str) -> Self {
        let mut raw = Self { stream: socket(port) };
        raw.send(&startup(user, database));
        let answers = raw.until_ready();
        assert_eq!(answers.last().map(|last| last.tag), Some(b'Z'), "login failed: {answers:?}");
        raw
    }
}

impl<S: Read + Write> Raw<S> {
    /// Sends bytes; a closed connection shows when reading.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
        let _ = self.stream.flush();
    }

    /// The next message; `None` when the connection is closed.
    ///
    /// # Panics
    /// When nothing comes for a long time.
    pub fn receive(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        if let Err(error) = self.stream.read_exact(&mut head) {
            let hang = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
            assert!(!hang, "the server does not answer");
            return None;
        }
        let length = u32::from_be_bytes(head[1..].try_into().expect("four bytes")) as usize;
        let mut body = vec![0; length.checked_sub(4).expect("a length counts itself")];
        self.stream.read_exact(&mut body).ok()?;
        Some(Message { tag: head[0], body })
    }

    /// Messages up to ReadyForQuery or the end of the connection.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive() {
            let last = message.tag == b'Z';
            messages.push(message);
            if last {
                break;
            }
        }
        messages
    }

    /// Sends bytes and reads up to ReadyForQuery.
    pub fn ask(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.send(bytes);
        self.until_ready()
    }

    /// The types of the answers to these bytes, and the SQLSTATEs of errors among them, such as `1 2 E:22012 Z`.
    pub fn shape(&mut self, bytes: &[u8]) -> String {
        shape(&self.ask(bytes))
    }
}

/// See [`Raw::shape`]; notices and parameter changes are left out.
pub fn shape(messages: &[Message]) -> String {
    let of = |message: &Message| match message.tag {
        b'E' => format!("E:{}", message.field(b'C')),
        tag => char::from(tag).to_string(),
    };
    let seen: Vec<String> = messages.iter().filter(|m| !matches!(m.tag, b'N' | b'S' | b'A')).map(of).collect();
    seen.join(" ")
}

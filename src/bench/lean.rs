//! A client that costs as little as possible: one blocking socket, one prepared statement, one write and mostly one
//! read for a query.
//!
//! At tens of microseconds a query a general client library is a large part of what is measured, and with as many
//! clients as cores it takes that time from the server. This one encodes Bind, Execute and Sync into a buffer that it
//! keeps, and reads the first column of each row as a `bigint`. Everything else is refused. Logins are by trust,
//! password, MD5 or SCRAM-SHA-256; no TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;

use bytes::BytesMut;
use postgres::config::Host;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;

/// Bytes that one read asks for at least.
const READ: usize = 16 << 10;
/// Name of the prepared statement.
const STATEMENT: &str = "lean";

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A session.
pub struct Lean {
    stream: Box<dyn Stream>,
    /// Bytes read, of which `unread` are not taken yet.
    input: Vec<u8>,
    unread: Range<usize>,
    output: BytesMut,
}

impl Lean {
    /// Connects to the first host of a connection string.
    ///
    /// # Errors
    /// The server is not there or refuses.
    pub fn connect(dsn: &str) -> Result<Self, String> {
        let config: postgres::Config = dsn.parse().map_err(|e| format!("connection string: {e}"))?;
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let stream: Box<dyn Stream> = match config.get_hosts().first() {
            #[cfg(unix)]
            Some(Host::Unix(dir)) => {
                let path = dir.join(format!(".s.PGSQL.{port}"));
                Box::new(std::os::unix::net::UnixStream::connect(path).map_err(|e| e.to_string())?)
            }
            Some(Host::Tcp(host)) => {
                let stream = TcpStream::connect((host.as_str(), port)).map_err(|e| e.to_string())?;
                stream.set_nodelay(true).map_err(|e| e.to_string())?;
                Box::new(stream)
            }
            _ => return Err("the connection string names no host".into()),
        };
        let mut lean = Self { stream, input: vec![0; 2 * READ], unread: 0..0, output: BytesMut::new() };
        lean.log_in(&config)?;
        Ok(lean)
    }

    fn log_in(&mut self, config: &postgres::Config) -> Result<(), String> {
        let user = config.get_user().unwrap_or("postgres");
        let names = [("user", user), ("database", config.get_dbname().unwrap_or(user))];
        frontend::startup_message(names, &mut self.output).map_err(|e| e.to_string())?;
        self.send()?;
        let mut scram = None;
        loop {
            let (tag, body) = self.message()?;
            match tag {
                b'R' => self.authenticate(body, config, user, &mut scram)?,
                b'Z' => return Ok(()),
                b'E' => return Err(error_text(&self.input[body])),
                _ => {}
            }
        }
    }

    fn authenticate(
        &mut self,
        body: Range<usize>,
        config: &postgres::Config,
        user: &str,
        scram: &mut Option<ScramSha256>,
    ) -> Result<(), String> {
        let io = |e: std::io::Error| e.to_string();
        let body = self.input[body].to_vec();
        let (code, data) = body.split_first_chunk::<4>().ok_or("the server's login request is cut off")?;
        let password = || config.get_password().ok_or("the server asks for a password");
        match (i32::from_be_bytes(*code), scram) {
            (0, _) => return Ok(()),
            (3, _) => frontend::password_message(password()?, &mut self.output).map_err(io)?,
            (5, _) => {
                let salt = data.try_into().map_err(|_| "the server's salt is not of four bytes")?;
                let hash = md5_hash(user.as_bytes(), password()?, salt);
                frontend::password_message(hash.as_bytes(), &mut self.output).map_err(io)?;
            }
            (10, scram) => {
                let state = scram.insert(ScramSha256::new(password()?, ChannelBinding::unsupported()));
                frontend::sasl_initial_response(SCRAM_SHA_256, state.message(), &mut self.output).map_err(io)?;
            }
            (11, Some(scram)) => {
                scram.update(data).map_err(io)?;
                frontend::sasl_response(scram.message(), &mut self.output).map_err(io)?;
            }
            (12, Some(scram)) => return scram.finish(data).map_err(io),
            (other, _) => return Err(format!("the server asks for login method {other}, which is not supported")),
        }
        self.send()
    }

    /// Runs statements whose results do not matter.
    ///
    /// # Errors
    /// The server refuses.
    pub fn run(&mut self, sql: &str) -> Result<(), String> {
        frontend::query(sql, &mut self.output).map_err(|e| e.to_string())?;
        self.send()?;
        self.until_ready(&mut Vec::new())
    }

    /// Prepares the one statement.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn prepare(&mut self, sql: &str) -> Result<(), String> {
        frontend::parse(STATEMENT, sql, [], &mut self.output).map_err(|e| e.to_string())?;
        frontend::sync(&mut self.output);
        self.send()?;
        self.until_ready(&mut Vec::new())
    }

    /// Executes it with binary parameters; the rows' first columns, `bigint`, go to `ids`.
    ///
    /// # Errors
    /// The server fails, or a row is of another kind.
    pub fn query(&mut self, parameters: &[&[u8]], ids: &mut Vec<i64>) -> Result<(), String> {
        ids.clear();
        let put = |value: &&[u8], out: &mut BytesMut| {
            out.extend_from_slice(value);
            Ok(IsNull::No)
        };
        frontend::bind("", STATEMENT, [1], parameters, put, [1], &mut self.output)
            .map_err(|_| "a parameter is too long")?;
        frontend::execute("", 0, &mut self.output).map_err(|e| e.to_string())?;
        frontend::sync(&mut self.output);
        self.send()?;
        self.until_ready(ids)
    }

    fn until_ready(&mut self, ids: &mut Vec<i64>) -> Result<(), String> {
        let mut error = None;
        loop {
            let (tag, body) = self.message()?;
            match tag {
                b'D' => ids.push(first_bigint(&self.input[body])),
                b'E' => error = Some(error_text(&self.input[body])),
                b'Z' => return error.map_or(Ok(()), Err),
                _ => {}
            }
        }
    }

    fn send(&mut self) -> Result<(), String> {
        self.stream.write_all(&self.output).map_err(|e| format!("the connection broke: {e}"))?;
        self.output.clear();
        Ok(())
    }

    /// The next message: its tag and where its body is.
    fn message(&mut self) -> Result<(u8, Range<usize>), String> {
        loop {
            if let Some((tag, length)) = head(&self.input[self.unread.clone()]) {
                let end = self.unread.start + length + 1;
                if end <= self.unread.end {
                    let body = self.unread.start + 5..end;
                    self.unread.start = end;
                    return Ok((tag, body));
                }
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.input.len() < self.unread.end + READ {
            self.input.resize(self.unread.end + 2 * READ, 0);
        }
        match self.stream.read(&mut self.input[self.unread.end..]) {
            Ok(0) => Err("the server closed the connection".into()),
            Ok(read) => {
                self.unread.end += read;
                Ok(())
            }
            Err(error) => Err(format!("the connection broke: {error}")),
        }
    }
}

/// Tag and length (with its own four bytes) of a message.
fn head(bytes: &[u8]) -> Option<(u8, usize)> {
    let (head, _) = bytes.split_first_chunk::<5>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    Some((head[0], (length as usize).max(4)))
}

/// The first column of a DataRow; a row without an eight-byte one counts as row -1, which no table has.
fn first_bigint(row: &[u8]) -> i64 {
    let value = row.get(2..14).and_then(|field| match field.split_first_chunk::<4>() {
        Some(([0, 0, 0, 8], value)) => value.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    });
    value.unwrap_or(-1)
}

/// Message and SQLSTATE of an ErrorResponse.
fn error_text(body: &[u8]) -> String {
    let field = |tag: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let found = fields.find(|field| field.first() == Some(&tag))?;
        Some(String::from_utf8_lossy(&found[1..]).into_owned())
    };
    format!("{} ({})", field(b'M').unwrap_or_default(), field(b'C').unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Gives the answers in pieces of a few bytes and keeps what was sent.
    struct Script {
        answers: Vec<u8>,
        piece: usize,
        sent: Arc<Mutex<Vec<u8>>>,
    }

    impl Read for Script {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = self.piece.min(out.len()).min(self.answers.len());
            out[..length].copy_from_slice(&self.answers[..length]);
            self.answers.drain(..length);
            Ok(length)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.sent.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        [&[tag], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    fn row(id: i64) -> Vec<u8> {
        message(b'D', &[&[0, 1, 0, 0, 0, 8][..], &id.to_be_bytes()].concat())
    }

    fn session(answers: &[Vec<u8>], piece: usize) -> (Lean, Arc<Mutex<Vec<u8>>>) {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let script = Script { answers: answers.concat(), piece, sent: Arc::clone(&sent) };
        let lean = Lean { stream: Box::new(script), input: vec![0; 8], unread: 0..0, output: BytesMut::new() };
        (lean, sent)
    }

    #[test]
    fn rows_arrive_whole_however_they_are_cut() {
        let ready = message(b'Z', b"I");
        let notice = message(b'N', &[b'x'; 40_000]);
        let answers = [message(b'2', b""), row(7), notice, row(-3), row(1 << 40), message(b'C', b"SELECT 3\0"), ready];
        for piece in [1, 3, 16, 1 << 20] {
            let (mut lean, sent) = session(&answers, piece);
            let mut ids = vec![99];
            lean.query(&[b"ab", b"c"], &mut ids).unwrap();
            assert_eq!(ids, [7, -3, 1 << 40]);
            let sent = std::mem::take(&mut *sent.lock().unwrap());
            assert_eq!(sent[0], b'B');
            assert!(sent.windows(11).any(|w| w == b"\0\0\0\x02ab\0\0\0\x01c"), "{sent:?}");
            assert_eq!(sent[sent.len() - 5..], *b"S\0\0\0\x04");
            assert!(lean.run("x").unwrap_err().contains("closed"));
        }
    }

    #[test]
    fn an_error_comes_with_its_state_and_the_session_goes_on() {
        let error = message(b'E', b"SERROR\0C22000\0Mdifferent vector dimensions 3 and 2\0\0");
        let (mut lean, _) = session(&[error, message(b'Z', b"I"), row(5), message(b'Z', b"I")], 7);
        let mut ids = Vec::new();
        assert_eq!(lean.query(&[], &mut ids).unwrap_err(), "different vector dimensions 3 and 2 (22000)");
        lean.query(&[], &mut ids).unwrap();
        assert_eq!(ids, [5]);
    }

    #[test]
    fn a_row_that_is_no_bigint_is_no_row_of_the_table() {
        for body in [&b"\0\x01\xff\xff\xff\xff"[..], b"", b"\0\x01\0\0\0\x04\0\0\0\x01", b"\0\0"] {
            assert_eq!(first_bigint(body), -1, "{body:?}");
        }
    }
}

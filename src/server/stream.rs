//! A client's bytes: plain or encrypted, buffered both ways, and the sink of its session.
//!
//! The runtime lives here because a session is synchronous: whoever waits for the socket enters the runtime for that
//! moment. While a write or read waits, the waker can end it, so shutdown does not hang on a client that reads nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::server::TlsStream;

use super::alarm::Alarm;
#[cfg(target_os = "linux")]
use super::alarm::{Poller, Seen};
use crate::common::CancelFlag;
use crate::error::{Error, Result, Severity, SqlState};
use crate::pgwire::frontend::{self, Frontend};
use crate::pgwire::sink::{BUFFER_BYTES, Sink};

/// Bytes read at once at least.
const READ_BYTES: usize = 8 * 1024;
/// Most bytes by which the input grows before they have arrived.
const READ_AHEAD_BYTES: usize = 1 << 20;
/// Buffers above this are given back when they are empty.
const KEEP_BYTES: usize = 4 * BUFFER_BYTES;

/// The socket.
pub enum Transport {
    /// As it is.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Taken for a handshake that failed.
    Closed,
}

impl Transport {
    /// The server's end of the connection.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Self::Closed => None,
        }
    }

    /// Reads what is there, 0 at the end.
    ///
    /// # Errors
    /// The socket's.
    pub async fn read(&mut self, into: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(into).await,
            Self::Tls(stream) => stream.read_buf(into).await,
            Self::Closed => Ok(0),
        }
    }

    /// Reads exactly this many bytes.
    ///
    /// # Errors
    /// The socket's, and its end.
    pub async fn read_exact(&mut self, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.read_exact(into).await.map(drop),
            Self::Tls(stream) => stream.read_exact(into).await.map(drop),
            Self::Closed => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Writes some of the bytes and says how many.
    ///
    /// # Errors
    /// The socket's.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match self {
            Self::Plain(stream) => stream.write(bytes).await?,
            Self::Tls(stream) => stream.write(bytes).await?,
            Self::Closed => 0,
        };
        if count == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
    }

    /// Passes on what the transport itself holds back.
    ///
    /// # Errors
    /// The socket's.
    pub async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush().await,
            Self::Plain(_) | Self::Closed => Ok(()),
        }
    }

    /// Says goodbye as the transport has it.
    pub async fn close(&mut self) {
        // The client may be gone already.
        let _ = match self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
            Self::Closed => Ok(()),
        };
    }
}

/// A connection's bytes.
pub struct Stream {
    /// Where waiting happens.
    pub runtime: Runtime,
    /// The socket.
    pub transport: Transport,
    /// Bytes read and not yet decoded.
    pub input: BytesMut,
    /// Bytes to be written.
    pub output: Vec<u8>,
    /// Used by the waker.
    pub alarm: Arc<Alarm>,
    /// Waits for the socket, where that goes without the runtime.
    #[cfg(target_os = "linux")]
    pub poller: Option<Poller>,
    /// The session's flag, once there is a session.
    pub flag: CancelFlag,
}

/// What a wait for the client ended with.
pub enum Event {
    /// Bytes arrived.
    Input,
    /// The client closed the connection.
    End,
    /// The waker was used.
    Woken,
    /// Nothing happened for the time given.
    Idle,
}

fn lost(error: &io::Error) -> Error {
    Error::fatal(SqlState::CONNECTION_FAILURE, format!("connection to client lost: {error}"))
}

/// Fails when the session is to end, not when only its statement is.
fn ended(flag: &CancelFlag) -> Result<()> {
    match flag.check() {
        Err(error) if error.report().severity == Severity::Fatal => Err(error),
        _ => Ok(()),
    }
}

/// The end of a connection in the middle of something.
pub fn eof() -> Error {
    Error::fatal(SqlState::CONNECTION_FAILURE, "unexpected EOF on client connection")
}

impl Stream {
    /// Waits for bytes, the waker, or until `limit` has passed.
    ///
    /// # Errors
    /// FATAL `08006`.
    pub fn wait(&mut self, limit: Option<Duration>) -> Result<Event> {
        let wanted = frontend::needed(&self.input).saturating_sub(self.input.len());
        self.input.reserve(wanted.clamp(READ_BYTES, READ_AHEAD_BYTES));
        #[cfg(target_os = "linux")]
        if let (Transport::Plain(_), Some(_)) = (&self.transport, &self.poller) {
            return self.poll(limit).map_err(|error| lost(&error));
        }
        self.wait_in_runtime(limit)
    }

    /// From now on waits for a plain socket without the runtime, polling for a moment first.
    ///
    /// # Errors
    /// Out of descriptors.
    #[cfg(target_os = "linux")]
    pub fn poll_socket(&mut self, idle_poll: Duration) -> io::Result<()> {
        if let Transport::Plain(socket) = &self.transport {
            self.poller = Some(Poller::new(socket, &self.alarm, idle_poll)?);
        }
        Ok(())
    }

    /// [`Stream::wait`] on a plain socket: the system is asked, then the socket is read.
    #[cfg(target_os = "linux")]
    fn poll(&mut self, limit: Option<Duration>) -> io::Result<Event> {
        let Self { runtime, transport, input, poller, .. } = self;
        let (Transport::Plain(socket), Some(poller)) = (transport, poller) else { return Ok(Event::Woken) };
        match poller.wait(limit)? {
            Seen::Nothing => return Ok(Event::Idle),
            Seen::Woken => return Ok(Event::Woken),
            Seen::Input => {}
        }
        loop {
            match socket.try_read_buf(input) {
                Ok(0) => return Ok(Event::End),
                Ok(_) => return Ok(Event::Input),
                // The runtime has not heard of the bytes yet; once it has, it goes on believing that there are some.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => runtime.block_on(socket.readable())?,
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_in_runtime(&mut self, limit: Option<Duration>) -> Result<Event> {
        let Self { runtime, transport, input, alarm, .. } = self;
        runtime
            .block_on(async {
                tokio::select! {
                    biased;
                    read = transport.read(input) => read.map(|count| if count == 0 { Event::End } else { Event::Input }),
                    () = alarm.notify.notified() => Ok(Event::Woken),
                    () = tokio::time::sleep(limit.unwrap_or_default()), if limit.is_some() => Ok(Event::Idle),
                }
            })
            .map_err(|error| lost(&error))
    }

    /// Gives large buffers back while nothing is in them.
    pub fn relax(&mut self) {
        if self.output.is_empty() && self.output.capacity() > KEEP_BYTES {
            self.output = Vec::new();
        }
        if self.input.is_empty() && self.input.capacity() > KEEP_BYTES {
            self.input = BytesMut::new();
        }
    }

    /// The next message that is complete already.
    ///
    /// # Errors
    /// FATAL `08P01`.
    pub fn buffered_message(&mut self) -> Result<Option<Frontend>> {
        frontend::decode(&mut self.input)
    }
}

impl Sink for Stream {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn flush(&mut self) -> Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let Self { runtime, transport, output, alarm, flag, .. } = self;
        let mut written = match transport {
            // Most answers fit into the socket's buffer.
            Transport::Plain(socket) => socket.try_write(output).unwrap_or(0),
            _ => 0,
        };
        if written == output.len() {
            output.clear();
            return Ok(());
        }
        let mut woken = false;
        let done = runtime.block_on(async {
            while written < output.len() {
                tokio::select! {
                    biased;
                    done = transport.write(&output[written..]) => written += done.map_err(|error| lost(&error))?,
                    () = alarm.notify.notified() => {
                        woken = true;
                        ended(flag)?;
                    }
                }
            }
            transport.flush().await.map_err(|error| lost(&error))
        });
        if woken {
            // The session will want to know too.
            alarm.wake();
        }
        output.clear();
        done
    }

    fn next_message(&mut self) -> Result<Frontend> {
        self.flush()?;
        loop {
            if let Some(message) = self.buffered_message()? {
                return Ok(message);
            }
            match self.wait(None)? {
                Event::Input | Event::Idle => {}
                Event::End => return Err(eof()),
                Event::Woken => self.flag.check()?,
            }
        }
    }
}

//! Where a session's messages go: the seam between sessions, which do no IO, and sockets.
//!
//! A session appends messages to [`Sink::buffer`] and calls [`Sink::flush_if_full`] between rows, which is where
//! back-pressure comes from: it blocks while the client does not read. The server flushes after each batch of pipelined
//! messages, so a session flushes itself only when it waits for the client (COPY IN) or sleeps long.

use bytes::BytesMut;

use crate::error::{Error, Result, SqlState};
use crate::pgwire::frontend::{self, Frontend};

/// Bytes that may wait before [`Sink::flush_if_full`] sends them.
pub const BUFFER_BYTES: usize = 64 * 1024;

/// The way to a client.
pub trait Sink: Send {
    /// The bytes that wait to be sent; append whole messages only.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Sends what waits when it is more than [`BUFFER_BYTES`], blocking until the client has taken it.
    ///
    /// # Errors
    /// FATAL `08006` when the connection is gone.
    fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer().len() > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Sends what waits, blocking until the client has taken it.
    ///
    /// # Errors
    /// FATAL `08006` when the connection is gone.
    fn flush(&mut self) -> Result<()>;

    /// Flushes, then blocks until the client's next message: for COPY IN.
    ///
    /// # Errors
    /// FATAL `08006` when the connection is gone, FATAL `08P01` when the client's framing is wrong, and the cancel
    /// flag's error when the session is asked to end.
    fn next_message(&mut self) -> Result<Frontend>;
}

/// A sink into memory, for tests and for statements run inside the server: keeps everything, reads from a prepared
/// input.
#[derive(Default)]
pub struct MemorySink {
    /// What was sent or waits to be.
    pub output: Vec<u8>,
    /// Messages that [`Sink::next_message`] takes, as bytes.
    pub input: BytesMut,
}

impl Sink for MemorySink {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn flush_if_full(&mut self) -> Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn next_message(&mut self) -> Result<Frontend> {
        frontend::decode(&mut self.input)?
            .ok_or_else(|| Error::fatal(SqlState::CONNECTION_FAILURE, "unexpected EOF on client connection"))
    }
}

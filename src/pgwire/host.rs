//! What the server asks of the engine: who may log in, and a connection's session.
//!
//! The traits stand below both sides: sessions implement them, the server calls them. A connection is owned by one
//! thread; the server calls [`Connection::handle`] for each message in order and may block in it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::common::CancelFlag;
use crate::error::{Error, Result};
use crate::pgwire::frontend::Frontend;
use crate::pgwire::sink::Sink;

/// What is known of a role when somebody wants to log in under its name.
#[derive(Clone, Debug)]
pub struct RoleLogin {
    /// The SCRAM verifier (`common::verifier`); `None` when the role has no password.
    pub verifier: Option<String>,
    /// Whether the role may log in at all.
    pub can_login: bool,
    /// Most connections at a time; negative for no limit. The session checks it.
    pub connection_limit: i32,
    /// Microseconds since 2000-01-01 UTC after which the password is not accepted.
    pub valid_until: Option<i64>,
}

/// How a connection is encrypted.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// Such as `TLSv1.3`.
    pub version: String,
    /// Such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// Bits of the cipher's key.
    pub bits: i32,
}

/// Wakes the thread of a connection that waits for its client, so that [`Connection::woken`] is called. Cheap, may be
/// called from any thread, also while a statement runs (then `woken` is called after it).
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A waker that calls `wake`.
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(wake))
    }

    /// A waker of nobody.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| {})
    }

    /// Wakes the connection.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}

/// An authenticated login.
#[derive(Clone, Debug)]
pub struct Login {
    /// The role, which exists and may log in.
    pub user: String,
    /// The database asked for, which need not exist.
    pub database: String,
    /// Settings of the startup packet in order, `options` taken apart: name and value as sent, unchecked.
    pub settings: Vec<(String, String)>,
    /// Where the client is.
    pub client_address: Option<SocketAddr>,
    /// Where it has reached the server.
    pub server_address: Option<SocketAddr>,
    /// The connection's number on the wire, unique among the open ones.
    pub pid: u32,
    /// Encryption, if any.
    pub tls: Option<TlsInfo>,
    /// Wakes the connection's thread.
    pub waker: Waker,
}

/// The engine.
pub trait Host: Send + Sync {
    /// What is known of a role; `None` when there is none of that name.
    ///
    /// # Errors
    /// The catalog cannot be read.
    fn role(&self, name: &str) -> Result<Option<RoleLogin>>;

    /// Opens a session.
    ///
    /// # Errors
    /// `3D000` no such database, `53300` the role's or the database's connection limit, errors of the settings: sent as
    /// FATAL.
    fn open(&self, login: Login) -> Result<Box<dyn Connection>>;

    /// Called once, after all connections are closed: writes out and closes the store.
    fn shutdown(&self);
}

/// What to do when a client has been silent for long.
#[derive(Clone, Debug)]
pub struct IdleLimit {
    /// How long it may be silent.
    pub after: Duration,
    /// The FATAL error that then ends the session.
    pub error: Error,
}

/// A client's session.
pub trait Connection: Send {
    /// Handles one message and appends the answers, ReadyForQuery included, to the sink. Failed statements are
    /// answered inside, with the rules of the simple and extended protocol.
    ///
    /// # Errors
    /// Only what ends the session: the server sends the report and closes the connection.
    fn handle(&mut self, message: Frontend, sink: &mut dyn Sink) -> Result<()>;

    /// The flag that cancel requests and shutdown raise.
    fn cancel_flag(&self) -> CancelFlag;

    /// The ParameterStatus pairs of the start, in order. Later changes are appended by `handle` itself.
    fn parameter_statuses(&self) -> Vec<(String, String)>;

    /// Called when the waker was used and no statement runs: delivers notifications (only outside a transaction).
    ///
    /// # Errors
    /// As [`Connection::handle`]; a raised termination, for example.
    fn woken(&mut self, sink: &mut dyn Sink) -> Result<()> {
        let _ = sink;
        match self.cancel_flag().check() {
            Err(error) if error.report().severity == crate::error::Severity::Fatal => Err(error),
            _ => Ok(()),
        }
    }

    /// Asked each time the server begins to wait for the client: `idle_in_transaction_session_timeout` inside a
    /// transaction block, `idle_session_timeout` outside.
    fn idle_limit(&self) -> Option<IdleLimit> {
        None
    }

    /// Called once, however the connection ended: rolls back and frees everything.
    fn close(&mut self);
}

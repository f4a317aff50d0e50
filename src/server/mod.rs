//! Floor 8: sockets, TLS, threads and shutdown; the only floor that knows tokio.
//!
//! The acceptor runs on its own small runtime. Every connection has a thread with a runtime of one task: sessions are
//! synchronous and may block as long as they like, and a message that arrives is read, handled and answered on one thread
//! without a hand-over. In reading order:
//!
//! * [`run`]: listens, accepts, ends.
//! * `connection`: one client from its first packet to its last.
//! * `login`: TLS negotiation, startup, authentication.
//! * `alarm`: waiting for a client.
//! * `stream`: bytes in and out, the [`Sink`](crate::pgwire::Sink) of a session.
//! * `registry`: who is connected; cancel requests and shutdown find them there.
//! * `tls`, `secrets`: certificates and what the data directory keeps for logins.

mod alarm;
mod connection;
mod login;
mod registry;
mod secrets;
mod stream;
mod tls;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use crate::config::Config;
use crate::error::{Error, Result, SqlState};
use crate::pgwire::host::Host;
use registry::Registry;

/// Connections beyond the limit that may still be at their login, where they are told so or cancel a statement.
const LOGINS_BEYOND_LIMIT: usize = 64;
/// Connections that may wait to be accepted.
const LISTEN_BACKLOG: u32 = 1024;
/// Stack of a connection's thread, bytes: deep expressions recurse on it. Only touched pages count.
const STACK_BYTES: usize = 16 << 20;

/// What all connections share.
struct Shared {
    config: Config,
    host: Arc<dyn Host>,
    registry: Registry,
    tls: Option<tls::Tls>,
    mock_secret: [u8; 32],
    open: AtomicUsize,
    closed: Notify,
}

fn io_error(what: &str, error: &io::Error) -> Error {
    Error::fatal(SqlState::IO_ERROR, format!("could not {what}: {error}"))
}

/// Serves until SIGTERM or SIGINT, then ends all sessions and shuts the engine down. `ready` is called once with the
/// addresses, when connections are accepted.
///
/// # Errors
/// An address cannot be bound, a certificate cannot be read, the data directory cannot be written.
pub fn run(config: &Config, host: Arc<dyn Host>, ready: impl FnOnce(&[SocketAddr])) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| io_error("start the runtime", &error))?;
    runtime.block_on(async {
        let stop = Stop::new()?;
        serve(config, host, ready, stop).await
    })
}

/// What ends the server.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    /// For tests.
    asked: Arc<Notify>,
}

impl Stop {
    #[cfg(unix)]
    fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| io_error("listen for signals", &error));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            asked: Arc::new(Notify::new()),
        })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self> {
        Ok(Self { asked: Arc::new(Notify::new()) })
    }

    #[cfg(unix)]
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = self.asked.notified() => "request",
        }
    }

    #[cfg(not(unix))]
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => "Ctrl-C",
            () = self.asked.notified() => "request",
        }
    }
}

async fn serve(config: &Config, host: Arc<dyn Host>, ready: impl FnOnce(&[SocketAddr]), mut stop: Stop) -> Result<()> {
    let shared = Arc::new(Shared {
        tls: tls::Tls::load(config)?,
        mock_secret: secrets::mock_secret(&config.data)?,
        config: config.clone(),
        host,
        registry: Registry::default(),
        open: AtomicUsize::new(0),
        closed: Notify::new(),
    });
    let mut listeners = Vec::new();
    for address in config.addresses() {
        listeners.push(listen(address).await.map_err(|error| {
            Error::fatal(SqlState::IO_ERROR, format!("could not listen on {address}: {error}"))
                .hint("Another server may be using the address; choose one with --listen.")
        })?);
    }
    let addresses = listeners
        .iter()
        .map(|listener| listener.local_addr().map_err(|error| io_error("ask for the address", &error)))
        .collect::<Result<Vec<_>>>()?;
    let acceptors: Vec<_> =
        listeners.into_iter().map(|listener| tokio::spawn(accept(listener, Arc::clone(&shared)))).collect();
    ready(&addresses);
    let why = stop.asked().await;
    tracing::info!(why, connections = shared.open.load(Ordering::Relaxed), "shutting down");
    acceptors.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::select! {
        () = end_sessions(&shared) => {}
        _ = stop.asked() => tracing::warn!("second request: not waiting for running statements"),
    }
    shared.host.shutdown();
    Ok(())
}

/// Listens on the first address of a name that can be bound. Accepted sockets inherit keep-alive, so a client whose machine
/// is gone does not hold its session for ever.
async fn listen(address: &str) -> io::Result<TcpListener> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in tokio::net::lookup_host(address).await? {
        let socket = if candidate.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_keepalive(true)?;
        // Without it a restart waits for connections of the last run to be forgotten.
        #[cfg(unix)]
        socket.set_reuseaddr(true)?;
        match socket.bind(candidate).and_then(|()| socket.listen(LISTEN_BACKLOG)) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Terminates all sessions and waits for their threads, within the configured time.
async fn end_sessions(shared: &Shared) {
    shared.registry.terminate_all();
    let gone = async {
        loop {
            let closed = shared.closed.notified();
            if shared.registry.len() == 0 {
                break;
            }
            // Sessions whose login ends now are refused by the registry; the timer covers a lost wake-up.
            let _ = tokio::time::timeout(Duration::from_millis(100), closed).await;
        }
    };
    let limit = Duration::from_secs(shared.config.shutdown_timeout);
    if tokio::time::timeout(limit, gone).await.is_err() {
        tracing::warn!(sessions = shared.registry.len(), "sessions did not end in time");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => start(stream, peer, &shared),
            Err(error) => {
                // Out of descriptors, most likely: closing connections will free some.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Counts a connection for as long as its thread lives.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        self.0.closed.notify_waiters();
    }
}

fn start(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let most = shared.config.max_connections as usize + LOGINS_BEYOND_LIMIT;
    if shared.open.load(Ordering::Relaxed) >= most {
        tracing::warn!(%peer, "too many connections at their login: closed one");
        return;
    }
    let stream = match stream.into_std() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%peer, %error, "could not take over a connection");
            return;
        }
    };
    shared.open.fetch_add(1, Ordering::Relaxed);
    let counted = Counted(Arc::clone(shared));
    let thread = std::thread::Builder::new().name("session".to_owned()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        connection::run(stream, peer, &counted.0);
        drop(counted);
    });
    if let Err(error) = spawned {
        tracing::error!(%peer, %error, "could not start a thread for a connection");
    }
}

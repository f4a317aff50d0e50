//! One client, from its first packet to its last, on a thread of its own.
//!
//! The loop decodes every message that has arrived, hands each to the session, and writes all answers at once when no
//! complete message is left: pipelined messages cost one write. Whatever ends a connection, the session is closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::alarm::Alarm;
use super::login::{self, Login};
use super::stream::{Event, Stream, Transport};
use super::{Shared, io_error};
use crate::common::{CancelFlag, rng};
use crate::error::{Error, Result, SqlState};
use crate::pgwire::backend;
use crate::pgwire::frontend::Frontend;
use crate::pgwire::host::{self, Connection, Waker};
use crate::pgwire::sink::Sink;

/// Serves a client until it goes; errors have been sent and logged.
pub fn run(socket: std::net::TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let mut stream = match open_stream(socket) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::error!(%peer, %error, "could not serve a connection");
            return;
        }
    };
    // Freed last: a shutdown waits for it, and the client is to read why its session ended.
    let mut reserved = None;
    if let Err(error) = serve(&mut stream, peer, shared, &mut reserved) {
        report(&mut stream, peer, &error);
    }
    let Stream { runtime, transport, .. } = &mut stream;
    runtime.block_on(async {
        let _ = tokio::time::timeout(GOODBYE, transport.close()).await;
    });
}

/// How long the last bytes may take.
const GOODBYE: Duration = Duration::from_secs(2);

fn open_stream(socket: std::net::TcpStream) -> Result<Stream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| io_error("start the connection's runtime", &error))?;
    let transport = {
        let _inside = runtime.enter();
        Transport::Plain(login::prepare(socket)?)
    };
    Ok(Stream {
        runtime,
        transport,
        input: BytesMut::new(),
        output: Vec::new(),
        alarm: Arc::new(Alarm::new().map_err(|error| io_error("prepare a connection", &error))?),
        #[cfg(target_os = "linux")]
        poller: None,
        flag: CancelFlag::new(),
    })
}

/// Sends and logs what ended a connection. A client that is gone gets nothing.
fn report(stream: &mut Stream, peer: SocketAddr, error: &Error) {
    let code = error.sqlstate();
    if code == SqlState::CONNECTION_FAILURE {
        tracing::debug!(%peer, message = error.report().message, "connection ended");
        return;
    }
    tracing::info!(%peer, sqlstate = code.as_str(), message = error.report().message, "connection refused or ended");
    let mut fatal = error.clone();
    if !backend::is_fatal(&fatal) {
        fatal.report_mut().severity = crate::error::Severity::Fatal;
    }
    backend::error_response(&mut stream.output, &fatal);
    let Stream { runtime, transport, output, .. } = stream;
    runtime.block_on(async {
        let send = async {
            let mut rest = &output[..];
            while !rest.is_empty() {
                match transport.write(rest).await {
                    Ok(count) => rest = &rest[count..],
                    Err(_) => return,
                }
            }
            let _ = transport.flush().await;
        };
        let _ = tokio::time::timeout(GOODBYE, send).await;
    });
}

/// Frees a session's number however its connection ends.
struct Reserved<'a> {
    shared: &'a Shared,
    pid: u32,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.shared.registry.remove(self.pid);
    }
}

fn serve<'a>(
    stream: &mut Stream,
    peer: SocketAddr,
    shared: &'a Arc<Shared>,
    reserved: &mut Option<Reserved<'a>>,
) -> Result<()> {
    let limit = Duration::from_secs(shared.config.authentication_timeout);
    let logged_in = {
        let Stream { runtime, transport, .. } = &mut *stream;
        runtime.block_on(async {
            let login = Login::new(shared, peer, transport);
            tokio::time::timeout(limit, login.run()).await
        })
    };
    let logged_in = logged_in
        .unwrap_or_else(|_| Err(Error::fatal(SqlState::QUERY_CANCELED, "canceling authentication due to timeout")))?;
    let Some(logged_in) = logged_in else { return Ok(()) };
    let startup = logged_in.startup;
    let pid = shared.registry.reserve(shared.config.max_connections)?;
    *reserved = Some(Reserved { shared, pid });
    let alarm = Arc::clone(&stream.alarm);
    let waker = Waker::new(move || alarm.wake());
    #[cfg(target_os = "linux")]
    stream
        .poll_socket(Duration::from_micros(shared.config.idle_poll))
        .map_err(|error| io_error("prepare a connection", &error))?;
    tracing::debug!(%peer, pid, user = startup.user, database = startup.database, "connection authorized");
    let mut session = Closing(shared.host.open(host::Login {
        user: startup.user,
        database: startup.database,
        settings: startup.settings,
        client_address: Some(peer),
        server_address: stream.transport.local_address(),
        pid,
        tls: logged_in.tls,
        waker: waker.clone(),
    })?);
    let session = &mut *session.0;
    // Protocol 3.0 has room for four bytes of secret, 3.2 for more.
    let mut secret = vec![0; if startup.minor >= 2 { 32 } else { 4 }];
    rng::fill(&mut secret);
    stream.flag = session.cancel_flag();
    shared.registry.insert(pid, secret.clone(), session.cancel_flag(), waker);
    for (name, value) in session.parameter_statuses() {
        backend::parameter_status(&mut stream.output, &name, &value);
    }
    backend::backend_key_data(&mut stream.output, pid, &secret);
    backend::ready_for_query(&mut stream.output, backend::IDLE);
    talk(stream, session)
}

/// Closes the session also when something panics on its thread.
struct Closing(Box<dyn Connection>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Messages in, messages out, until one side ends it.
fn talk(stream: &mut Stream, session: &mut dyn Connection) -> Result<()> {
    loop {
        while let Some(message) = stream.buffered_message()? {
            if matches!(message, Frontend::Terminate) {
                return Ok(());
            }
            session.handle(message, stream)?;
        }
        stream.flush()?;
        stream.relax();
        // Part of a message is not idleness.
        let idle = if stream.input.is_empty() { session.idle_limit() } else { None };
        match stream.wait(idle.as_ref().map(|limit| limit.after))? {
            Event::Input => {}
            Event::End => return Ok(()),
            Event::Woken => session.woken(stream)?,
            Event::Idle => {
                if let Some(limit) = idle {
                    return Err(limit.error);
                }
            }
        }
    }
}

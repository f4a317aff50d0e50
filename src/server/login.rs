//! From the first byte to a known user: TLS, startup packet, authentication.
//!
//! Everything here happens within the authentication timeout. Until TLS is agreed on, exactly the bytes of each packet are
//! read, so nothing sent in clear before the handshake can be taken for something sent inside it. Which roles exist is
//! not shown: an unknown role and one without a password go through a whole exchange with a made-up verifier.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::stream::{Transport, eof};
use super::{Shared, io_error, tls};
use crate::common::clock;
use crate::common::verifier::Verifier;
use crate::config::TlsMode;
use crate::error::{Error, Result, SqlState};
use crate::pgwire::backend;
use crate::pgwire::host::{RoleLogin, TlsInfo};
use crate::pgwire::scram::{self, Exchange, SCRAM, SCRAM_PLUS};
use crate::pgwire::startup::{self, FirstPacket, PROTOCOL_NEWEST, STARTUP_BYTES_MAX, Startup};

/// Longest message of an authentication, bytes.
const AUTHENTICATION_BYTES_MAX: usize = 65_535;
/// The first byte of a TLS handshake, when a client begins with it at once.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who has logged in.
pub struct LoggedIn {
    /// What was asked for.
    pub startup: Startup,
    /// The encryption.
    pub tls: Option<TlsInfo>,
}

/// A login in progress.
pub struct Login<'a> {
    /// What all connections share.
    pub shared: &'a Arc<Shared>,
    /// Where the client is.
    pub peer: SocketAddr,
    /// The socket, replaced when TLS begins.
    pub transport: &'a mut Transport,
    tls: Option<TlsInfo>,
}

impl<'a> Login<'a> {
    /// A login on a fresh connection.
    pub fn new(shared: &'a Arc<Shared>, peer: SocketAddr, transport: &'a mut Transport) -> Self {
        Self { shared, peer, transport, tls: None }
    }

    /// Runs the login; `None` when the connection was only a cancel request or ended before it said anything.
    ///
    /// # Errors
    /// FATAL reports to send to the client.
    pub async fn run(mut self) -> Result<Option<LoggedIn>> {
        if self.begins_with_tls().await? {
            self.start_tls(true).await?;
        }
        loop {
            let Some(packet) = self.first_packet().await? else { return Ok(None) };
            match startup::parse(&packet)? {
                FirstPacket::Ssl => self.answer_ssl().await?,
                FirstPacket::Gssenc => self.send(b"N").await?,
                FirstPacket::Cancel { pid, secret } => {
                    self.shared.registry.cancel(pid, &secret);
                    return Ok(None);
                }
                FirstPacket::Startup(startup) => {
                    self.log_in(&startup).await?;
                    return Ok(Some(LoggedIn { startup, tls: self.tls }));
                }
            }
        }
    }

    async fn begins_with_tls(&mut self) -> Result<bool> {
        let Transport::Plain(stream) = &*self.transport else { return Ok(false) };
        let mut byte = [0];
        let count = stream.peek(&mut byte).await.map_err(|error| io_error("read from the client", &error))?;
        Ok(count == 1 && byte[0] == TLS_HANDSHAKE && self.shared.tls.is_some())
    }

    async fn answer_ssl(&mut self) -> Result<()> {
        if self.shared.tls.is_none() || self.tls.is_some() {
            return self.send(b"N").await;
        }
        self.send(b"S").await?;
        self.start_tls(false).await
    }

    /// Runs the handshake. A client that begins with it at once must name the protocol, so that no other protocol's
    /// traffic can be redirected here.
    async fn start_tls(&mut self, direct: bool) -> Result<()> {
        let Some(tls) = &self.shared.tls else { return Ok(()) };
        let Transport::Plain(stream) = std::mem::replace(self.transport, Transport::Closed) else { return Ok(()) };
        let stream = tls.acceptor.accept(stream).await.map_err(|error| {
            Error::fatal(SqlState::PROTOCOL_VIOLATION, format!("could not accept SSL connection: {error}"))
        })?;
        let session = stream.get_ref().1;
        if direct && session.alpn_protocol() != Some(tls::ALPN) {
            return Err(Error::fatal(
                SqlState::PROTOCOL_VIOLATION,
                "received direct SSL connection request without ALPN protocol negotiation extension",
            ));
        }
        self.tls = Some(tls_info(session));
        *self.transport = Transport::Tls(Box::new(stream));
        Ok(())
    }

    async fn send(&mut self, mut bytes: &[u8]) -> Result<()> {
        let failed = |error| io_error("write to the client", &error);
        while !bytes.is_empty() {
            let written = self.transport.write(bytes).await.map_err(failed)?;
            bytes = &bytes[written..];
        }
        self.transport.flush().await.map_err(failed)
    }

    async fn receive(&mut self, into: &mut [u8]) -> Result<()> {
        self.transport.read_exact(into).await.map_err(|_| eof())
    }

    /// A packet without a type byte; `None` when the client closed without a word.
    async fn first_packet(&mut self) -> Result<Option<Vec<u8>>> {
        let mut length = [0; 4];
        if self.receive(&mut length).await.is_err() {
            return Ok(None);
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(8..=STARTUP_BYTES_MAX).contains(&length) {
            return Err(Error::fatal(SqlState::PROTOCOL_VIOLATION, "invalid length of startup packet"));
        }
        let mut packet = vec![0; length - 4];
        self.receive(&mut packet).await?;
        Ok(Some(packet))
    }

    /// A message of an authentication, which has the type byte `p`.
    async fn answer(&mut self) -> Result<Vec<u8>> {
        let mut head = [0; 5];
        self.receive(&mut head).await?;
        let [tag, length @ ..] = head;
        if tag != b'p' {
            let message = format!("expected SASL response, got message type {tag}");
            return Err(Error::fatal(SqlState::PROTOCOL_VIOLATION, message));
        }
        let length = u32::from_be_bytes(length) as usize;
        if !(4..=AUTHENTICATION_BYTES_MAX).contains(&length) {
            return Err(Error::fatal(SqlState::PROTOCOL_VIOLATION, "invalid message length"));
        }
        let mut body = vec![0; length - 4];
        self.receive(&mut body).await?;
        Ok(body)
    }

    async fn log_in(&mut self, startup: &Startup) -> Result<()> {
        if startup.negotiate {
            let mut out = Vec::new();
            let unknown: Vec<&str> = startup.unknown_options.iter().map(String::as_str).collect();
            backend::negotiate_protocol_version(&mut out, PROTOCOL_NEWEST, &unknown);
            self.send(&out).await?;
        }
        if self.shared.config.tls == TlsMode::Require && self.tls.is_none() {
            return Err(Error::fatal(
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                format!(
                    "no pg_hba.conf entry for host \"{}\", user \"{}\", database \"{}\", no encryption",
                    self.peer.ip(),
                    startup.user,
                    startup.database
                ),
            )
            .hint("The server requires TLS: connect with sslmode=require."));
        }
        let role = self.shared.host.role(&startup.user)?;
        if self.trusted() {
            if role.is_none() {
                let message = format!("role \"{}\" does not exist", startup.user);
                return Err(Error::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, message));
            }
        } else {
            self.scram(&startup.user, role.as_ref()).await?;
        }
        if role.is_some_and(|role| !role.can_login) {
            let message = format!("role \"{}\" is not permitted to log in", startup.user);
            return Err(Error::fatal(SqlState::INVALID_AUTHORIZATION_SPECIFICATION, message));
        }
        let mut out = Vec::new();
        backend::authentication_ok(&mut out);
        self.send(&out).await
    }

    /// Whether the client needs no password: only on the machine itself, and only if configured.
    fn trusted(&self) -> bool {
        self.shared.config.trust_loopback && self.peer.ip().to_canonical().is_loopback()
    }

    async fn scram(&mut self, user: &str, role: Option<&RoleLogin>) -> Result<()> {
        let wrong = || {
            let message = format!("password authentication failed for user \"{user}\"");
            Error::fatal(SqlState::INVALID_PASSWORD, message)
        };
        let end_point = match (&self.tls, &self.shared.tls) {
            (Some(_), Some(tls)) => tls.end_point.clone(),
            _ => None,
        };
        let mechanisms: &[&str] = if end_point.is_some() { &[SCRAM_PLUS, SCRAM] } else { &[SCRAM] };
        let mut out = Vec::new();
        backend::authentication_sasl(&mut out, mechanisms);
        self.send(&out).await?;

        let initial = self.answer().await?;
        let (mechanism, first) = initial_response(&initial)?;
        if !mechanisms.contains(&mechanism) {
            return Err(Error::fatal(
                SqlState::PROTOCOL_VIOLATION,
                "client selected an invalid SASL authentication mechanism",
            ));
        }
        let stored = role.and_then(|role| role.verifier.as_deref()).and_then(Verifier::parse);
        let real = stored.is_some() && role.is_some_and(|role| !expired(role));
        let verifier = stored.unwrap_or_else(|| scram::mock_verifier(&self.shared.mock_secret, user));
        let exchange = Exchange::start(verifier, mechanism, first, end_point.as_deref())?;
        out.clear();
        backend::authentication_sasl_continue(&mut out, exchange.server_first().as_bytes());
        self.send(&out).await?;

        let last = self.answer().await?;
        let proof = exchange.finish(&last)?.filter(|_| real).ok_or_else(wrong)?;
        out.clear();
        backend::authentication_sasl_final(&mut out, proof.as_bytes());
        self.send(&out).await
    }
}

fn expired(role: &RoleLogin) -> bool {
    role.valid_until.is_some_and(|until| clock::now_micros() >= until)
}

/// The mechanism's name and the client's first message.
fn initial_response(body: &[u8]) -> Result<(&str, &[u8])> {
    let malformed = || Error::fatal(SqlState::PROTOCOL_VIOLATION, "malformed SASL message");
    let end = memchr::memchr(0, body).ok_or_else(malformed)?;
    let mechanism = std::str::from_utf8(&body[..end]).map_err(|_| malformed())?;
    let (length, data) = body[end + 1..].split_first_chunk::<4>().ok_or_else(malformed)?;
    if u32::from_be_bytes(*length) as usize != data.len() {
        return Err(malformed());
    }
    Ok((mechanism, data))
}

fn tls_info(session: &rustls::ServerConnection) -> TlsInfo {
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    let cipher = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .map(|name| name.replace("TLS13_", "TLS_"))
        .unwrap_or_default();
    let bits = if cipher.contains("128") { 128 } else { 256 };
    TlsInfo { version: version.to_owned(), cipher, bits }
}

/// Prepares a socket: answers are small and wait for nobody.
pub fn prepare(stream: std::net::TcpStream) -> Result<TcpStream> {
    let failed = |error| io_error("prepare a connection", &error);
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    TcpStream::from_std(stream).map_err(failed)
}

//! Logins over real sockets, against a host that knows two roles and whose sessions echo their queries.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use postgres::{Client, NoTls, SimpleQueryMessage};
use tokio::sync::Notify;

use crate::common::{CancelFlag, verifier};
use crate::config::Config;
use crate::error::Result;
use crate::pgwire::backend::{self, ColumnDesc, Format};
use crate::pgwire::frontend::Frontend;
use crate::pgwire::host::{Connection, Host, IdleLimit, Login, RoleLogin};
use crate::pgwire::sink::Sink;
use crate::types::Oid;

#[derive(Default)]
struct TestHost {
    closed: AtomicBool,
    /// Not 0 once a `sleep` has begun.
    sleeping: Arc<AtomicUsize>,
}

struct TestSession {
    sleeping: Arc<AtomicUsize>,
    login: Login,
    flag: CancelFlag,
}

impl Host for TestHost {
    fn role(&self, name: &str) -> Result<Option<RoleLogin>> {
        let verifier = match name {
            "ann" => Some(verifier::make("secret")),
            "old" => Some(verifier::make("secret")),
            "bob" => None,
            _ => return Ok(None),
        };
        let valid_until = (name == "old").then_some(0);
        Ok(Some(RoleLogin { verifier, can_login: true, connection_limit: -1, valid_until }))
    }

    fn open(&self, login: Login) -> Result<Box<dyn Connection>> {
        Ok(Box::new(TestSession { sleeping: Arc::clone(&self.sleeping), login, flag: CancelFlag::new() }))
    }

    fn shutdown(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

impl TestSession {
    /// `sleep` waits to be cancelled, `who` says who is there, anything else comes back.
    fn answer(&mut self, sql: &str) -> Result<String> {
        self.flag.clear();
        Ok(match sql {
            "sleep" => loop {
                self.sleeping.store(1, Ordering::SeqCst);
                self.flag.check()?;
                std::thread::sleep(Duration::from_millis(1));
            },
            "who" => format!("{} {} {}", self.login.user, self.login.database, self.login.tls.is_some()),
            other => other.to_owned(),
        })
    }
}

impl Connection for TestSession {
    fn handle(&mut self, message: Frontend, sink: &mut dyn Sink) -> Result<()> {
        let Frontend::Query(sql) = message else { return Ok(()) };
        match self.answer(&sql) {
            Ok(text) => {
                let column = ColumnDesc {
                    name: "answer".into(),
                    table: Oid::NONE,
                    attnum: 0,
                    type_oid: Oid::TEXT,
                    type_size: -1,
                    typmod: -1,
                    format: Format::Text,
                };
                let out = sink.buffer();
                backend::row_description(out, &[column]);
                let at = backend::begin(out, b'D');
                out.extend_from_slice(&[0, 1]);
                out.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
                out.extend_from_slice(text.as_bytes());
                backend::finish(out, at);
                backend::command_complete(out, "SELECT 1");
            }
            Err(error) if backend::is_fatal(&error) => return Err(error),
            Err(error) => backend::error_response(sink.buffer(), &error),
        }
        backend::ready_for_query(sink.buffer(), backend::IDLE);
        sink.flush_if_full()
    }

    fn cancel_flag(&self) -> CancelFlag {
        self.flag.clone()
    }

    fn parameter_statuses(&self) -> Vec<(String, String)> {
        vec![("server_version".into(), "18.4".into()), ("client_encoding".into(), "UTF8".into())]
    }

    fn idle_limit(&self) -> Option<IdleLimit> {
        let limit = self.login.settings.iter().find(|(name, _)| name == "idle_session_timeout")?;
        let after = Duration::from_millis(limit.1.parse().ok()?);
        Some(IdleLimit { after, error: crate::error!(IDLE_SESSION_TIMEOUT, "terminating connection") })
    }

    fn close(&mut self) {}
}

struct Running {
    address: SocketAddr,
    stop: Arc<Notify>,
    host: Arc<TestHost>,
    thread: Option<std::thread::JoinHandle<Result<()>>>,
    _data: tempfile::TempDir,
}

impl Running {
    fn start(settings: &[(&str, &str)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut arguments: Vec<(&str, String)> = settings.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        arguments.push(("listen", "127.0.0.1:0".into()));
        arguments.push(("data", data.path().to_string_lossy().into_owned()));
        let config = Config::load(None, std::iter::empty(), &arguments).unwrap();
        let host = Arc::new(TestHost::default());
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = Arc::clone(&host);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let stop = super::Stop::new()?;
                let asked = Arc::clone(&stop.asked);
                super::serve(&config, served, |addresses| sender.send((addresses[0], asked)).unwrap(), stop).await
            })
        });
        let (address, stop) = receiver.recv().unwrap();
        Self { address, stop, host, thread: Some(thread), _data: data }
    }

    fn connect(&self, options: &str) -> std::result::Result<Client, postgres::Error> {
        Client::connect(&format!("host=127.0.0.1 port={} {options}", self.address.port()), NoTls)
    }

    fn stop(mut self) {
        self.stop.notify_one();
        self.thread.take().unwrap().join().unwrap().unwrap();
        assert!(self.host.closed.load(Ordering::SeqCst));
    }
}

fn ask(client: &mut Client, sql: &str) -> String {
    let messages = client.simple_query(sql).unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    row.unwrap()
}

fn state(error: &postgres::Error) -> String {
    error.code().map(|code| code.code().to_owned()).unwrap_or_else(|| format!("{error:?}"))
}

#[test]
fn passwords_are_checked() {
    let server = Running::start(&[]);
    let mut client = server.connect("user=ann password=secret dbname=db").unwrap();
    assert_eq!(ask(&mut client, "who"), "ann db false");
    assert_eq!(ask(&mut client, "hello"), "hello");
    for (user, password) in [("ann", "wrong"), ("nobody", "secret"), ("bob", "secret"), ("old", "secret")] {
        let error = server.connect(&format!("user={user} password={password}")).err().unwrap();
        assert_eq!(state(&error), "28P01", "{user}");
        let text = error.as_db_error().unwrap().message().to_owned();
        assert_eq!(text, format!("password authentication failed for user \"{user}\""));
    }
    drop(client);
    server.stop();
}

#[test]
fn trust_is_for_loopback_when_configured() {
    let server = Running::start(&[("trust_loopback", "true")]);
    assert_eq!(ask(&mut server.connect("user=bob").unwrap(), "who"), "bob bob false");
    let error = server.connect("user=nobody").err().unwrap();
    assert_eq!(error.as_db_error().unwrap().message(), "role \"nobody\" does not exist");
    server.stop();
}

#[test]
fn a_statement_can_be_cancelled() {
    let server = Running::start(&[("trust_loopback", "true")]);
    let mut client = server.connect("user=ann").unwrap();
    let token = client.cancel_token();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        token.cancel_query(NoTls).unwrap();
    });
    let error = client.simple_query("sleep").err().unwrap();
    assert_eq!(state(&error), "57014");
    canceller.join().unwrap();
    assert_eq!(ask(&mut client, "still here"), "still here");
    server.stop();
}

#[test]
fn connections_are_limited() {
    let server = Running::start(&[("trust_loopback", "true"), ("max_connections", "1")]);
    let mut first = server.connect("user=ann").unwrap();
    let error = server.connect("user=ann").err().unwrap();
    assert_eq!(state(&error), "53300");
    assert_eq!(ask(&mut first, "x"), "x");
    server.stop();
}

#[test]
fn shutdown_ends_idle_and_running_sessions() {
    let server = Running::start(&[("trust_loopback", "true")]);
    let mut idle = server.connect("user=ann").unwrap();
    // A bare socket: a driver may see the end of the connection before it has read the report.
    let mut busy = startup(server.address, &[("user", "ann")]);
    busy.write_all(b"Q\0\0\0\x0asleep\0").unwrap();
    while server.host.sleeping.load(Ordering::SeqCst) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.stop();
    // The report was on its way before the server ended, so nothing is waited for here.
    busy.set_nonblocking(true).unwrap();
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(6).any(|part| part == b"C57P01"));
    assert!(idle.simple_query("x").is_err());
}

#[test]
fn idle_sessions_end_at_their_limit() {
    let server = Running::start(&[("trust_loopback", "true")]);
    let mut socket = startup(server.address, &[("user", "ann"), ("idle_session_timeout", "20")]);
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(6).any(|part| part == b"C57P05"));
    server.stop();
}

fn startup(address: SocketAddr, pairs: &[(&str, &str)]) -> TcpStream {
    let mut body = (3_u32 << 16).to_be_bytes().to_vec();
    for (name, value) in pairs {
        body.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    body.push(0);
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).unwrap();
    socket.write_all(&body).unwrap();
    socket
}

#[test]
fn nonsense_ends_a_connection_not_the_server() {
    let server = Running::start(&[("trust_loopback", "true")]);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 3], &[0; 64], &[0xff; 64], &[0, 0, 0, 8, 0, 9, 0, 0]] {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.write_all(bytes).unwrap();
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
    }
    let mut socket = startup(server.address, &[("user", "ann")]);
    socket.write_all(b"Q\0\0\0\x02").unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(6).any(|part| part == b"C08P01"));
    assert_eq!(ask(&mut server.connect("user=ann").unwrap(), "alive"), "alive");
    server.stop();
}

#[test]
fn a_client_that_does_not_read_does_not_stop_the_shutdown() {
    let server = Running::start(&[("trust_loopback", "true")]);
    let mut socket = startup(server.address, &[("user", "ann")]);
    let query = "x".repeat(9_000_000);
    socket.write_all(b"Q").unwrap();
    socket.write_all(&u32::try_from(query.len() + 5).unwrap().to_be_bytes()).unwrap();
    socket.write_all(query.as_bytes()).unwrap();
    socket.write_all(b"\0").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    server.stop();
}

/// TLS by hand: the request, rustls' client without certificate checks, then the startup packet inside.
#[test]
fn tls_is_offered_with_a_made_certificate() {
    let server = Running::start(&[("tls", "require"), ("trust_loopback", "true")]);
    let error = server.connect("user=ann").err().unwrap();
    assert_eq!(state(&error), "28000");
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut answer = [0];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"S");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut session = rustls::ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = rustls::Stream::new(&mut session, &mut socket);
    let body = b"\0\x03\0\0user\0ann\0\0";
    stream.write_all(&u32::try_from(body.len() + 4).unwrap().to_be_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream.write_all(b"Q\0\0\0\x08who\0").unwrap();
    let mut seen = Vec::new();
    while !seen.windows(12).any(|part| part == b"ann ann true") {
        let mut part = [0; 512];
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0, "{seen:?}");
        seen.extend_from_slice(&part[..count]);
    }
    server.stop();
}

#[derive(Debug)]
struct AnyCertificate(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> std::result::Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

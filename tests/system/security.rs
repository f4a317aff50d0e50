//! Who gets in and what they may do: SCRAM, TLS, limits, and the rights of roles that are no superusers.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::NoTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::support::wire::{Raw, query, socket, startup};
use crate::support::{Server, code};

const PASSWORD: &str = "correct horse";

fn guarded(settings: &[(&str, &str)]) -> (tempfile::TempDir, Server) {
    let data = tempfile::tempdir().expect("temporary directory");
    let mut all = vec![("OMENDB_TRUST_LOOPBACK", "false"), ("OMENDB_ADMIN_PASSWORD", PASSWORD)];
    all.extend_from_slice(settings);
    let server = Server::start_with(data.path(), &all);
    (data, server)
}

/// Without trust a password is needed; a wrong one and an unknown user look the same.
pub fn passwords_are_checked() {
    let (_data, server) = guarded(&[]);
    let attempt = |user: &str, password: Option<&str>| {
        let mut config = server.config("postgres");
        config.user(user);
        if let Some(password) = password {
            config.password(password);
        }
        config.connect(NoTls)
    };
    attempt("postgres", Some(PASSWORD)).expect("the right password").simple_query("SELECT 1").expect("a session");
    assert!(attempt("postgres", None).is_err(), "no password");
    let refused = |user: &str, password: &str| {
        let error = attempt(user, Some(password)).err().expect("refused");
        let error = error.as_db_error().expect("an error of the server").clone();
        (error.code().code().to_owned(), error.message().replace(user, "USER"))
    };
    let wrong = refused("postgres", "wrong");
    assert_eq!(wrong.0, "28P01");
    assert_eq!(refused("nobody", "wrong"), wrong, "an unknown user must look like a wrong password");
    assert_eq!(refused("postgres", ""), wrong);
    // The exchange for an unknown user asks for the same mechanisms as for a known one.
    let methods = |user: &str| {
        let mut raw = Raw { stream: socket(server.port) };
        raw.send(&startup(user, "postgres"));
        raw.receive().expect("an authentication request")
    };
    let known = methods("postgres");
    assert_eq!((known.tag, known.int32(0)), (b'R', 10), "SASL");
    assert_eq!(methods("nobody"), known);
}

/// What only superusers may do.
pub fn ordinary_roles_are_limited() {
    let (_data, server) = guarded(&[]);
    let mut admin = server.config("postgres").password(PASSWORD).connect(NoTls).expect("admin");
    admin.batch_execute("CREATE ROLE eve LOGIN PASSWORD 'eve'; CREATE TABLE own (id int)").expect("role");
    let mut config = server.config("postgres");
    config.user("eve").password("eve");
    let mut eve = config.connect(NoTls).expect("a role logs in with its own password");
    let mut wrong = Vec::new();
    for sql in [
        "CREATE ROLE mallory LOGIN",
        "CREATE USER mallory PASSWORD 'm'",
        "CREATE ROLE mallory SUPERUSER",
        "ALTER ROLE eve SUPERUSER",
        "ALTER ROLE eve CREATEROLE",
        "ALTER ROLE postgres PASSWORD 'mine'",
        "DROP ROLE postgres",
        "SELECT rolpassword FROM pg_authid",
        "SELECT * FROM pg_shadow",
        "SELECT count(*) FROM pg_authid",
        "CREATE DATABASE hers",
        "DROP TABLE own",
        "SELECT * FROM omendb_check()",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
    ] {
        let got = code(eve.simple_query(sql));
        if got != "42501" {
            wrong.push(format!("{sql}: {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(code(eve.simple_query("ALTER ROLE eve PASSWORD 'new'")), "00000", "one's own password may change");
    config.password("new");
    config.connect(NoTls).expect("the new password");
    let own = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname = 'eve'";
    let row = admin.query_one(own, &[]).expect("a superuser reads roles");
    let shown: Option<String> = row.get(1);
    assert!(shown.is_none_or(|verifier| verifier.starts_with("SCRAM-SHA-256$4096:")), "no password is kept as it is");
    admin.batch_execute("ALTER ROLE eve NOLOGIN").expect("nologin");
    assert!(matches!(code(config.connect(NoTls)).as_str(), "28000" | "28P01"));
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = rustls::crypto::ring::default_provider();
        provider.signature_verification_algorithms.supported_schemes()
    }
}

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// One byte of answer to a request for encryption.
fn asked(stream: &mut TcpStream, request: [u8; 8]) -> u8 {
    use std::io::{Read, Write};
    stream.write_all(&request).expect("request");
    let mut answer = [0];
    stream.read_exact(&mut answer).expect("answer");
    answer[0]
}

fn encrypted(port: u16) -> Raw<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = socket(port);
    assert_eq!(asked(&mut stream, SSL_REQUEST), b'S');
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("client");
    Raw { stream: StreamOwned::new(connection, stream) }
}

/// A session over TLS with the certificate that the server made for itself.
pub fn tls_is_served() {
    let data = tempfile::tempdir().expect("temporary directory");
    let server = Server::start_with(data.path(), &[("OMENDB_ADMIN_PASSWORD", PASSWORD)]);
    let mut raw = encrypted(server.port);
    let shape = crate::support::wire::shape(&raw.ask(&startup("postgres", "postgres")));
    assert_eq!(shape, "R K Z");
    assert_eq!(raw.shape(&query("SELECT repeat('x', 100000)")), "T D C Z");
    let shown = "SELECT ssl, version, cipher <> '', bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = raw.ask(&query(shown)).into_iter().find(|message| message.tag == b'D').expect("a row").values();
    let row: Vec<String> =
        row.iter().map(|v| String::from_utf8_lossy(v.as_deref().unwrap_or_default()).into()).collect();
    assert_eq!(row, ["t", "TLSv1.3", "t", "256"]);
    // GSS encryption is not there, and asking for it does no harm.
    let mut stream = socket(server.port);
    assert_eq!(asked(&mut stream, GSS_REQUEST), b'N');
    assert_eq!(asked(&mut stream, SSL_REQUEST), b'S');
    // Bytes sent before the handshake would be injected into the session: such a client is dropped.
    let mut eager = Raw { stream: socket(server.port) };
    eager.send(&[&SSL_REQUEST[..], &startup("postgres", "postgres")].concat());
    assert!(eager.until_ready().iter().all(|message| message.tag != b'Z'));
    if Command::new("psql").arg("--version").output().is_ok() {
        let dsn = format!("host=127.0.0.1 port={} user=postgres dbname=postgres sslmode=require", server.port);
        let output = Command::new("psql").args([&dsn, "-Atc", "SELECT 40 + 2"]).output().expect("psql runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "42", "{output:?}");
        let output = Command::new("psql").args([&dsn, "-c", "\\conninfo"]).output().expect("psql runs");
        assert!(String::from_utf8_lossy(&output.stdout).contains("TLSv1.3"), "{output:?}");
    }
}

/// `tls = require` refuses plain text; `tls = off` says no.
pub fn tls_can_be_demanded() {
    let (_data, server) = guarded(&[("OMENDB_TLS", "require")]);
    let error = server.config("postgres").password(PASSWORD).connect(NoTls).err().expect("plain text is refused");
    assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("28000"), "{error:?}");
    let (_data, server) = guarded(&[("OMENDB_TLS", "off")]);
    assert_eq!(asked(&mut socket(server.port), SSL_REQUEST), b'N');
}

/// Databases that are not there, too many clients, and clients that never say who they are.
pub fn connections_are_limited() {
    let data = tempfile::tempdir().expect("temporary directory");
    let settings = [("OMENDB_MAX_CONNECTIONS", "2"), ("OMENDB_AUTHENTICATION_TIMEOUT", "1")];
    let server = Server::start_with(data.path(), &settings);
    assert_eq!(code(server.config("nothere").connect(NoTls)), "3D000");
    let start = Instant::now();
    let mut silent = Raw { stream: socket(server.port) };
    assert!(silent.receive().is_none_or(|message| message.tag == b'E'), "a silent client is sent away");
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    let first = server.connect("postgres");
    let second = server.connect("postgres");
    assert_eq!(code(server.config("postgres").connect(NoTls)), "53300");
    drop(first);
    let start = Instant::now();
    while server.config("postgres").connect(NoTls).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "a place became free and nobody can have it");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(second);
}

//! TLS: the server's certificate, given or made, and its hash for channel binding.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use tokio_rustls::TlsAcceptor;

use super::secrets;
use crate::config::{Config, TlsMode};
use crate::error::{Error, Result, SqlState};

/// The protocol's name in TLS's application protocol negotiation.
pub const ALPN: &[u8] = b"postgresql";

/// How to accept TLS connections.
#[derive(Clone)]
pub struct Tls {
    /// Runs the handshake.
    pub acceptor: TlsAcceptor,
    /// Hash of the certificate for `tls-server-end-point`; `None` when its signature has no hash of its own.
    pub end_point: Option<Vec<u8>>,
}

fn wrong(message: String) -> Error {
    Error::fatal(SqlState::CONFIG_FILE_ERROR, message)
}

impl Tls {
    /// Loads the certificate of the configuration, or makes a self-signed one in the data directory; `None` when TLS
    /// is off.
    ///
    /// # Errors
    /// FATAL `F0000` when certificate or key are no good, FATAL `58030` when they cannot be read or written.
    pub fn load(config: &Config) -> Result<Option<Self>> {
        if config.tls == TlsMode::Off {
            return Ok(None);
        }
        let (cert_path, key_path) = if config.tls_cert.as_os_str().is_empty() {
            self_signed(&config.data)?
        } else {
            (config.tls_cert.clone(), config.tls_key.clone())
        };
        let shown = cert_path.display();
        let chain = CertificateDer::pem_file_iter(&cert_path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| wrong(format!("could not read certificate file \"{shown}\": {error}")))?;
        let key = PrivateKeyDer::from_pem_file(&key_path)
            .map_err(|error| wrong(format!("could not read key file \"{}\": {error}", key_path.display())))?;
        let first = chain.first().ok_or_else(|| wrong(format!("file \"{shown}\" has no certificate")))?;
        let end_point = end_point_hash(first);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| wrong(format!("certificate file \"{shown}\" cannot be used: {error}")))?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(server)), end_point }))
    }
}

/// Certificate and key in the data directory, made at the first start.
fn self_signed(data: &Path) -> Result<(std::path::PathBuf, std::path::PathBuf)> {
    let (cert_path, key_path) = (data.join("server.crt"), data.join("server.key"));
    if !cert_path.exists() || !key_path.exists() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "omendb".to_owned()])
            .map_err(|error| wrong(format!("could not make a certificate: {error}")))?;
        // The key first: a certificate without its key is made again at the next start.
        secrets::write_private(&key_path, made.signing_key.serialize_pem().as_bytes())?;
        secrets::write_private(&cert_path, made.cert.pem().as_bytes())?;
    }
    Ok((cert_path, key_path))
}

/// RFC 5929: the certificate's hash by the hash function of its own signature, SHA-256 instead of MD5 and SHA-1.
fn end_point_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA_SHA2: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let oid = signature_algorithm(certificate)?;
    let bits = match oid.strip_prefix(&RSA[..]) {
        Some([4 | 5 | 11]) => 256,
        Some([12]) => 384,
        Some([13]) => 512,
        _ => match oid.strip_prefix(&ECDSA_SHA2[..]) {
            Some([2]) => 256,
            Some([3]) => 384,
            Some([4]) => 512,
            _ => return None,
        },
    };
    Some(match bits {
        256 => Sha256::digest(certificate).to_vec(),
        384 => Sha384::digest(certificate).to_vec(),
        _ => Sha512::digest(certificate).to_vec(),
    })
}

/// The object identifier of an X.509 certificate's signature: `SEQUENCE { tbs, SEQUENCE { OID ... } ... }`.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (body, _) = element(certificate, 0x30)?;
    let (_, after_tbs) = element(body, 0x30)?;
    let (algorithm, _) = element(after_tbs, 0x30)?;
    element(algorithm, 0x06).map(|(oid, _)| oid)
}

/// The content of the DER element with this tag at the front, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    if head[0] != tag {
        return None;
    }
    let (length, rest) = match head[1] {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81 => (usize::from(*rest.first()?), &rest[1..]),
        0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), &rest[2..]),
        0x83 => {
            let bytes = rest.first_chunk::<3>()?;
            (u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize, &rest[3..])
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

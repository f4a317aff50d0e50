//! The server's half of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 5929), without IO.
//!
//! [`Exchange::start`] takes the client's first message and gives the server's, [`Exchange::finish`] takes the proof. An
//! unknown user goes through the same steps with a made-up verifier ([`mock_verifier`]) and fails at the proof, so nobody
//! learns which roles exist. Channel binding is `tls-server-end-point`: the hash of the server's certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::rng;
use crate::common::verifier::{ITERATIONS, SALT_BYTES, Verifier, equal, hmac, sha256};
use crate::error::{Error, Result, SqlState};

/// The mechanism without channel binding.
pub const SCRAM: &str = "SCRAM-SHA-256";
/// The mechanism with channel binding.
pub const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Longest client nonce taken, bytes.
const NONCE_BYTES_MAX: usize = 1024;

/// An exchange after the client's first message.
#[derive(Debug)]
pub struct Exchange {
    verifier: Verifier,
    /// `n,,`, `y,,` or `p=tls-server-end-point,,`, then the binding's data for the last: what the client must repeat.
    binding: Vec<u8>,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

fn malformed(detail: &str) -> Error {
    Error::fatal(SqlState::PROTOCOL_VIOLATION, "malformed SCRAM message").detail(detail)
}

/// A verifier for a user that does not exist or has no password: always the same for a name, known to nobody.
#[must_use]
pub fn mock_verifier(secret: &[u8], user: &str) -> Verifier {
    let salt = hmac(secret, user.as_bytes())[..SALT_BYTES].to_vec();
    let (mut stored_key, mut server_key) = ([0; 32], [0; 32]);
    rng::fill(&mut stored_key);
    rng::fill(&mut server_key);
    Verifier { iterations: ITERATIONS, salt, stored_key, server_key }
}

impl Exchange {
    /// Takes the client's first message. `end_point` is the certificate's hash when the connection has TLS and the
    /// server offered [`SCRAM_PLUS`].
    ///
    /// # Errors
    /// FATAL `08P01` for a malformed message, FATAL `28000` when the channel binding was tampered with.
    pub fn start(verifier: Verifier, mechanism: &str, message: &[u8], end_point: Option<&[u8]>) -> Result<Self> {
        let mut nonce = [0; 18];
        rng::fill(&mut nonce);
        Self::start_with(verifier, mechanism, message, end_point, &STANDARD.encode(nonce))
    }

    fn start_with(
        verifier: Verifier,
        mechanism: &str,
        message: &[u8],
        end_point: Option<&[u8]>,
        server_nonce: &str,
    ) -> Result<Self> {
        let message = std::str::from_utf8(message).map_err(|_| malformed("Message is not valid UTF-8."))?;
        let mut fields = message.splitn(3, ',');
        let (flag, authzid, bare) = match (fields.next(), fields.next(), fields.next()) {
            (Some(flag), Some(authzid), Some(bare)) => (flag, authzid, bare),
            _ => return Err(malformed("Comma expected, but found end of message.")),
        };
        let mut binding = format!("{flag},{authzid},").into_bytes();
        match (flag, mechanism == SCRAM_PLUS) {
            ("n", false) => {}
            ("y", false) if end_point.is_none() => {}
            ("y", false) => {
                // The client can bind and thinks that the server cannot: somebody removed the offer on the way.
                return Err(Error::fatal(
                    SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                    "SCRAM channel binding negotiation error",
                )
                .detail(
                    "The client supports SCRAM channel binding but thinks the server does not.  However, this server \
                     does support channel binding.",
                ));
            }
            ("p=tls-server-end-point", true) => {
                let hash = end_point.ok_or_else(|| malformed("Channel binding is not possible without TLS."))?;
                binding.extend_from_slice(hash);
            }
            ("n" | "y", true) => {
                return Err(malformed(
                    "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding \
                     data.",
                ));
            }
            (other, _) if other.starts_with("p=") => {
                return Err(Error::fatal(
                    SqlState::PROTOCOL_VIOLATION,
                    format!("unsupported SCRAM channel-binding type \"{}\"", printable(&other[2..])),
                ));
            }
            _ => return Err(malformed("Unexpected channel-binding flag.")),
        }
        if !authzid.is_empty() {
            return Err(Error::fatal(
                SqlState::FEATURE_NOT_SUPPORTED,
                "client uses authorization identity, but it is not supported",
            ));
        }
        let client_nonce = first_nonce(bare)?;
        let nonce = format!("{client_nonce}{server_nonce}");
        let salt = STANDARD.encode(&verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", verifier.iterations);
        Ok(Self { verifier, binding, client_first_bare: bare.to_owned(), server_first, nonce })
    }

    /// The server's first message.
    #[must_use]
    pub fn server_first(&self) -> &str {
        &self.server_first
    }

    /// Takes the client's final message; `Some` is the server's final message of a good proof, `None` a wrong password.
    ///
    /// # Errors
    /// FATAL `08P01` for a malformed message, FATAL `28000` when channel binding does not match.
    pub fn finish(&self, message: &[u8]) -> Result<Option<String>> {
        let message = std::str::from_utf8(message).map_err(|_| malformed("Message is not valid UTF-8."))?;
        let (without_proof, proof) =
            message.rsplit_once(",p=").ok_or_else(|| malformed("Attribute \"p\" is expected."))?;
        let mut fields = without_proof.split(',');
        let binding = fields
            .next()
            .and_then(|field| field.strip_prefix("c="))
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| malformed("Attribute \"c\" is expected."))?;
        if !equal(&binding, &self.binding) {
            return Err(Error::fatal(
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                "SCRAM channel binding check failed",
            ));
        }
        if fields.next().and_then(|field| field.strip_prefix("r=")) != Some(self.nonce.as_str()) {
            return Err(malformed("Nonce does not match."));
        }
        let proof = STANDARD
            .decode(proof)
            .ok()
            .filter(|proof| proof.len() == 32)
            .ok_or_else(|| malformed("Malformed proof in client-final-message."))?;
        let signed = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = hmac(&self.verifier.stored_key, signed.as_bytes());
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        if !equal(&sha256(&client_key), &self.verifier.stored_key) {
            return Ok(None);
        }
        let server_signature = hmac(&self.verifier.server_key, signed.as_bytes());
        Ok(Some(format!("v={}", STANDARD.encode(server_signature))))
    }
}

/// The nonce of `n=user,r=nonce`; the name there is ignored, the startup packet's counts.
fn first_nonce(bare: &str) -> Result<&str> {
    if bare.starts_with("m=") {
        return Err(Error::fatal(SqlState::FEATURE_NOT_SUPPORTED, "client requires an unsupported SCRAM extension"));
    }
    let mut fields = bare.split(',');
    if !fields.next().is_some_and(|field| field.starts_with("n=")) {
        return Err(malformed("Attribute \"n\" is expected."));
    }
    let nonce = fields
        .next()
        .and_then(|field| field.strip_prefix("r="))
        .ok_or_else(|| malformed("Attribute \"r\" is expected."))?;
    let fine = |byte: u8| (0x21..=0x7e).contains(&byte);
    if nonce.is_empty() || nonce.len() > NONCE_BYTES_MAX || !nonce.bytes().all(fine) {
        return Err(malformed("Non-printable characters in SCRAM nonce."));
    }
    Ok(nonce)
}

fn printable(text: &str) -> String {
    text.chars().take(30).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::{Exchange, SCRAM, SCRAM_PLUS, mock_verifier};
    use crate::common::verifier::{Verifier, hmac};

    fn pencil() -> Verifier {
        Verifier::derive("pencil", &STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), 4096)
    }

    /// The exchange of RFC 7677, section 3.
    #[test]
    fn the_rfcs_exchange() {
        let first = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
        let exchange = Exchange::start_with(pencil(), SCRAM, first, None, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0").unwrap();
        assert_eq!(
            exchange.server_first(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let answer = exchange.finish(last.as_bytes()).unwrap();
        assert_eq!(answer.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let wrong = last.replace("dHzb", "dHzc");
        assert_eq!(exchange.finish(wrong.as_bytes()).unwrap(), None);
        assert!(exchange.finish(last.replace("biws", "eSws").as_bytes()).is_err());
    }

    #[test]
    fn channel_binding_is_checked() {
        let hash = [7_u8; 32];
        let first = b"p=tls-server-end-point,,n=,r=abc";
        let exchange = Exchange::start_with(pencil(), SCRAM_PLUS, first, Some(&hash), "def").unwrap();
        let mut bound = b"p=tls-server-end-point,,".to_vec();
        bound.extend_from_slice(&hash);
        let final_bare = format!("c={},r=abcdef", STANDARD.encode(&bound));
        let signed = format!("n=,r=abc,{},{final_bare}", exchange.server_first());
        let mut salted = [0; 32];
        pbkdf2::pbkdf2::<hmac::Hmac<sha2::Sha256>>(b"pencil", &pencil().salt, 4096, &mut salted).unwrap();
        let signature = hmac(&pencil().stored_key, signed.as_bytes());
        let proof: Vec<u8> = hmac(&salted, b"Client Key").iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let message = format!("{final_bare},p={}", STANDARD.encode(proof));
        assert!(exchange.finish(message.as_bytes()).unwrap().is_some());
        let stolen = message.replace(&STANDARD.encode(&bound), &STANDARD.encode([&bound[..24], &[8; 32]].concat()));
        assert!(exchange.finish(stolen.as_bytes()).is_err());
    }

    #[test]
    fn a_removed_offer_is_noticed() {
        let error = Exchange::start(pencil(), SCRAM, b"y,,n=,r=abc", Some(&[0; 32])).unwrap_err();
        assert_eq!(error.sqlstate().as_str(), "28000");
        assert!(Exchange::start(pencil(), SCRAM, b"y,,n=,r=abc", None).is_ok());
    }

    #[test]
    fn unknown_users_get_a_steady_salt_and_never_pass() {
        let (one, two) = (mock_verifier(b"secret", "a"), mock_verifier(b"secret", "a"));
        assert_eq!(one.salt, two.salt);
        assert_ne!(one.stored_key, two.stored_key);
        assert_ne!(one.salt, mock_verifier(b"secret", "b").salt);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(first in proptest::collection::vec(any::<u8>(), 0..80), last in "\\PC{0,80}") {
            let _ = Exchange::start(pencil(), SCRAM, &first, None);
            let exchange = Exchange::start_with(pencil(), SCRAM, b"n,,n=,r=abc", None, "def").unwrap();
            let _ = exchange.finish(last.as_bytes());
            let _ = exchange.finish(format!("c=biws,r=abcdef,p={last}").as_bytes());
        }
    }
}

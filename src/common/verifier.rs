//! SCRAM-SHA-256 password verifiers in PostgreSQL's form, `SCRAM-SHA-256$iterations:salt$stored:server`.
//!
//! RFC 5802 and 7677: who reads a verifier cannot log in with it, and the server never needs the password itself.
//! Passwords are normalised with SASLprep where they can be; others are used as they are, as PostgreSQL does.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::common::rng;

/// Iterations of PBKDF2 for new verifiers: PostgreSQL's default.
pub const ITERATIONS: u32 = 4096;
/// Most iterations accepted in a verifier from outside: a login must stay cheaper than its timeout.
const ITERATIONS_MAX: u32 = 1_000_000;
/// Bytes of salt for new verifiers.
pub const SALT_BYTES: usize = 16;

/// The parts of a verifier.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Iterations of PBKDF2.
    pub iterations: u32,
    /// The salt.
    pub salt: Vec<u8>,
    /// Hash of the client key: what a proof is checked against.
    pub stored_key: [u8; 32],
    /// What the server proves itself with.
    pub server_key: [u8; 32],
}

impl std::fmt::Debug for Verifier {
    /// Keys stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// HMAC-SHA-256.
#[must_use]
pub fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Compares without telling by its time where the first difference is.
#[must_use]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

fn normalized(password: &str) -> String {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared.into_owned(),
        _ => password.to_owned(),
    }
}

impl Verifier {
    /// The verifier of a password with this salt.
    #[must_use]
    pub fn derive(password: &str, salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2::<Hmac<Sha256>>(normalized(password).as_bytes(), salt, iterations, &mut salted)
            .expect("HMAC takes keys of any length");
        let stored_key = sha256(&hmac(&salted, b"Client Key"));
        let server_key = hmac(&salted, b"Server Key");
        Self { iterations, salt: salt.to_vec(), stored_key, server_key }
    }

    /// Reads PostgreSQL's form; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let iterations = iterations.parse().ok().filter(|count| (1..=ITERATIONS_MAX).contains(count))?;
        let key = |text: &str| -> Option<[u8; 32]> { STANDARD.decode(text).ok()?.try_into().ok() };
        let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?;
        Some(Self { iterations, salt, stored_key: key(stored)?, server_key: key(server)? })
    }

    /// Whether this is the password.
    #[must_use]
    pub fn check_plain(&self, password: &str) -> bool {
        let other = Self::derive(password, &self.salt, self.iterations);
        equal(&self.stored_key, &other.stored_key)
    }
}

impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [salt, stored, server] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(f, "SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// A verifier of a password, with a new random salt.
#[must_use]
pub fn make(password: &str) -> String {
    let mut salt = [0; SALT_BYTES];
    rng::fill(&mut salt);
    Verifier::derive(password, &salt, ITERATIONS).to_string()
}

/// What CREATE ROLE ... PASSWORD stores: the text itself when it already is a verifier, else the password's verifier.
#[must_use]
pub fn stored_form(password: &str) -> String {
    if Verifier::parse(password).is_some() { password.to_owned() } else { make(password) }
}

/// Whether this is the password behind a verifier; false when the verifier is malformed.
#[must_use]
pub fn check_plain(verifier: &str, password: &str) -> bool {
    Verifier::parse(verifier).is_some_and(|parsed| parsed.check_plain(password))
}

/// A random password of 24 letters and digits, about 142 bits.
#[must_use]
pub fn generate_password() -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789";
    let mut password = String::new();
    while password.len() < 24 {
        let index = (rng::random_u64() & 63) as usize;
        // Indices past the alphabet are drawn again, so every character is equally likely.
        if let Some(byte) = ALPHABET.get(index) {
            password.push(char::from(*byte));
        }
    }
    password
}

#[cfg(test)]
mod tests {
    use super::{Verifier, check_plain, generate_password, make, stored_form};

    /// RFC 7677's example: password `pencil`, its salt and 4,096 iterations, and what it says the server signs.
    #[test]
    fn the_rfcs_example() {
        use base64::Engine as _;
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let salt = decode("W22ZaJ0SNY7soEsUEjb6gQ==");
        let verifier = Verifier::derive("pencil", &salt, 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = super::hmac(&verifier.server_key, message.as_bytes());
        assert_eq!(signature.to_vec(), decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let client_signature = super::hmac(&verifier.stored_key, message.as_bytes());
        let proof = decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let key: Vec<u8> = proof.iter().zip(client_signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(super::sha256(&key), verifier.stored_key);
    }

    #[test]
    fn verifiers_round_trip_and_check() {
        let text = make("sécret");
        assert_eq!(Verifier::parse(&text).unwrap().to_string(), text);
        assert!(check_plain(&text, "sécret"));
        assert!(!check_plain(&text, "secret"));
        assert_eq!(stored_form(&text), text);
        assert!(check_plain(&stored_form("x"), "x"));
        assert_ne!(make("x"), make("x"));
    }

    #[test]
    fn malformed_verifiers_are_none() {
        for text in ["", "md5abc", "SCRAM-SHA-256$4096:AA==$AA==:AA==", "SCRAM-SHA-256$0:AA==$x", "SCRAM-SHA-256$"] {
            assert!(Verifier::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn generated_passwords_differ() {
        assert_eq!(generate_password().len(), 24);
        assert_ne!(generate_password(), generate_password());
    }
}

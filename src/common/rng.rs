//! The only place that asks the operating system for randomness.

/// Fills a buffer with random bytes.
///
/// # Panics
/// If the operating system has none: nothing secret can be made then.
pub fn fill(buffer: &mut [u8]) {
    getrandom::fill(buffer).expect("the operating system provides randomness");
}

/// A random 64-bit number.
#[must_use]
pub fn random_u64() -> u64 {
    let mut bytes = [0; 8];
    fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// A random number in `0.0..1.0`.
#[must_use]
pub fn random_unit() -> f64 {
    (random_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

//! `numeric`: exact decimals with a scale per value.

use num_bigint::BigInt;

/// A decimal number, NaN or an infinity.
#[derive(Clone, Debug)]
pub enum Numeric {
    /// `unscaled * 10^-scale`.
    Finite {
        /// The digits as an integer.
        unscaled: BigInt,
        /// Digits after the decimal point that are displayed, 0..=16383.
        scale: u16,
    },
    /// Not a number: equal to itself and larger than everything.
    NaN,
    /// Larger than all finite numbers.
    Infinity,
    /// Smaller than all finite numbers.
    NegInfinity,
}

impl Numeric {
    /// PostgreSQL's order: NaN equals itself and is largest.
    #[must_use]
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let mut keys = (Vec::new(), Vec::new());
        crate::types::keycode::encode_numeric(self, &mut keys.0);
        crate::types::keycode::encode_numeric(other, &mut keys.1);
        keys.0.cmp(&keys.1)
    }

    /// Appends the text form.
    pub fn output(&self, _out: &mut String) {}

    /// Appends the binary form.
    pub fn send(&self, _out: &mut Vec<u8>) {}
}

/// Reads the text form.
pub fn input(_text: &str) -> crate::error::Result<Numeric> {
    Err(crate::error::Error::unsupported("numeric input"))
}

/// Reads the binary form.
pub fn recv(_bytes: &[u8]) -> crate::error::Result<Numeric> {
    Err(crate::error::Error::unsupported("numeric input"))
}

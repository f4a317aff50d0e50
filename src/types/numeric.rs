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

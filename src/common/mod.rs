//! Floor 0a: what every floor may use.
//!
//! * [`cancel`]: the flag that long work polls.
//! * [`clock`], [`rng`]: the only sources of time and randomness.
//! * [`ident`]: quoting names and literals.

pub mod cancel;
pub mod clock;
pub mod ident;
pub mod rng;

pub use cancel::{CancelFlag, CancelReason};
pub use ident::{quote_ident, quote_literal};

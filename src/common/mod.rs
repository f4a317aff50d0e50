//! Floor 0a: what every floor may use: cancelling.
//!
//! * [`cancel`]: the flag that long work polls.

pub mod cancel;
pub mod clock;
pub mod rng;

pub use cancel::{CancelFlag, CancelReason};

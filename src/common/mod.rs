//! Floor 0a: what every floor may use.
//!
//! * [`cancel`]: the flag that long work polls.
//! * [`verifier`]: what is stored of a password.
//! * [`watchdog`]: raises cancel flags when their time is up.
//! * [`clock`], [`rng`]: the only sources of time and randomness; [`splitmix`]: what only looks random.
//! * [`ident`]: quoting names and literals.
//! * [`machine`]: what the machine gives to the process.
//! * [`number`]: numbers in settings and options.
//! * [`parallel`]: work in parts on several threads.
//! * [`RowSet`]: many row ids in little memory.

pub mod cancel;
pub mod clock;
pub mod ident;
pub mod machine;
pub mod number;
pub mod parallel;
pub mod rng;
pub mod row_set;
pub mod splitmix;
pub mod verifier;
pub mod watchdog;

pub use cancel::{CancelFlag, CancelReason};
pub use ident::{quote_ident, quote_literal};
pub use row_set::RowSet;
pub use watchdog::Watchdog;

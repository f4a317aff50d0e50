//! Floor 7, upper half: sessions, which run statements and know no sockets.
//!
//! * [`settings`]: SET, SHOW, RESET.

pub mod settings;

pub use settings::Settings;

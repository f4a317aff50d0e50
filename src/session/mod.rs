//! Floor 7, upper half: sessions, which run statements and know no sockets.
//!
//! * [`catalog_facade`]: what SQL functions ask about objects.
//! * [`settings`]: SET, SHOW, RESET.

pub mod catalog_facade;
pub mod settings;

pub use settings::Settings;

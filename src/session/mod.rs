//! Floor 7, upper half: sessions, which run statements and know no sockets.
//!
//! [`Engine`] is an open data directory; [`session::Session`] is one client on it. `pipeline` is the only place that writes
//! parse, bind, optimise, plan, execute. A session does no IO: messages come in, messages go into a sink.
//!
//! * `session`: the protocol; `statement`: running; `utility`, `cursor`, `copy`, `load`: statements that are no plans.
//! * `core`, `facade`, [`catalog_facade`]: the half that functions reach; [`settings`]: SET, SHOW, RESET; `notify`; `live`, `stored`:
//!   what the executor asks. [`check`]: whether a database agrees with itself.
//! * `engine`, `maintenance`, `vectors`: shared by all sessions.

pub mod catalog_facade;
pub mod check;
mod copy;
pub mod core;
mod cursor;
pub mod engine;
mod facade;
mod live;
mod load;
mod maintenance;
mod notify;
mod pipeline;
mod portal;
pub mod session;
pub mod settings;
mod statement;
mod stored;
mod utility;
mod vectors;

pub use engine::{Engine, EngineHost};
pub use session::Session;
pub use settings::Settings;

//! Floor 7, lower half: bytes to messages and messages to bytes.
//!
//! Nothing here does IO, knows a runtime or keeps a session: [`frontend`] decodes what clients send, [`backend`] and
//! [`rows`] append what they get to a buffer, [`copy_format`] takes COPY data apart
//! and puts it together, [`sink`] and
//! [`host`] are the seams between a session and the sockets. Invariant: no bytes from a client ever panic here.

pub mod backend;
pub mod copy_format;
pub mod frontend;
pub mod host;
pub mod rows;
pub mod scram;
pub mod sink;
pub mod startup;

#[cfg(test)]
mod twin;

pub use backend::{ColumnDesc, Format};
pub use frontend::Frontend;
pub use host::{Connection, Host, Login, RoleLogin, TlsInfo, Waker};
pub use rows::RowEncoder;
pub use sink::Sink;

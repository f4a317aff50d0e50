//! COPY data: text, CSV and binary, taken apart and put together as PostgreSQL does. Bytes in, bytes out, no IO.
//!
//! * [`options`]: what the statement says, checked.
//! * [`reader`]: bytes in pieces of any size to records.
//! * `lines`, `fields`, `binary`: where a record ends, what is in it, and the binary form.
//! * [`writer`]: batches to CopyData messages.

mod binary;
mod fields;
mod lines;
pub mod options;
pub mod reader;
pub mod writer;

#[cfg(test)]
mod tests;

pub use options::{CopyFormat, CopyOptions, ForceColumns, Header, OnError};
pub use reader::{CopyReader, Field};
pub use writer::CopyWriter;

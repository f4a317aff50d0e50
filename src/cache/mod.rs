//! Floor 0a: caches with a byte budget.
//!
//! * [`rows`]: the newest committed version of rows that are read by id.
//! * [`chunks`]: stretches of tables that are scanned, as columns.

pub mod chunks;
pub mod rows;

pub use chunks::{ChunkCache, ChunkCacheStats, ChunkTicket};
pub use rows::{RowCache, RowCacheStats};

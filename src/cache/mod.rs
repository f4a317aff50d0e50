//! Floor 0a: caches with a byte budget.
//!
//! * [`rows`]: the newest committed version of rows that are read by id.

pub mod rows;

pub use rows::{RowCache, RowCacheStats};

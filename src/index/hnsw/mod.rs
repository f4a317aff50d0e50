//! Vector indexes: which entries are near a query.
//!
//! * [`contract`]: what an index takes, promises and asks of its owner.
//! * [`distance`]: exact distances.
//! * [`flat`]: the naive twin, exact.

pub mod contract;
pub mod distance;
pub mod flat;
#[cfg(test)]
mod tests;

pub use contract::{
    Hit, Job, Kind, Metric, Options, Probe, Quantization, Search, SearchCounters, Sight, Sink, Tag, Vector,
    VectorIndex, VectorRef, VectorStats,
};
pub use flat::Flat;

//! Vector indexes: which entries are near a query.
//!
//! * [`contract`]: what an index takes, promises and asks of its owner.
//! * [`distance`]: exact distances.
//! * [`flat`]: the naive twin, exact.
//! * [`Hnsw`]: the graph index; `graph` holds the links, `codes` says what stores of vectors offer, `walk`, `select`,
//!   `link` and `remove` are the algorithms, `scan` is a search under way.

mod body;
mod calibrate;
mod codes;
pub mod contract;
pub mod distance;
mod filter;
pub mod flat;
mod floats;
mod graph;
#[cfg(test)]
mod graph_tests;
mod image;
mod index;
mod link;
mod load;
mod names;
mod packed;
mod remove;
mod rotation;
mod scan;
mod select;
mod shelf;
mod sparse;
#[cfg(test)]
mod tests;
mod walk;

pub use contract::{
    Hit, Job, Kind, Memory, Metric, Options, Probe, Quantization, Search, SearchCounters, Sight, Sink, Tag, Vector,
    VectorIndex, VectorRef, VectorStats,
};
pub use flat::Flat;
pub use image::restore;
pub use index::Hnsw;

//! Vector indexes: which entries are near a query.
//!
//! A graph in which every entry is linked to a diverse few of its neighbours can be walked from anywhere to the nearest
//! entries of a query in a number of steps that grows like the logarithm of their number (HNSW: Malkov and Yashunin, arXiv
//! 1603.09320). What such a walk costs is not arithmetic but memory: a thousand vectors from all over the place. So the
//! walk goes by codes of 1 to 8 bits a dimension (RaBitQ, arXiv 2405.12497 and 2409.09913), finer codes put what it found
//! in order, and the owner says the true distance of the few that are returned.
//!
//! ```text
//!   level 2      a - - - - - - - - - - - - b              entry point; one node in m is on the next level
//!   level 1      a - - - c - - - - d - - - b
//!   level 0      a - e - c - f - g d - h - b - i          every entry, up to 2 m links each
//!
//!   query -> descend -> walk level 0 by codes -> ef candidates -> finer codes -> k and a few -> judge -> hits
//!               (links: graph)   (near store)                      (fine store)        (the owner's rows)
//! ```
//!
//! Invariants: readers take no lock on the graph, and whatever they read leads to nodes; an entry is returned only while
//! it is live and only as its owner judges it; a search that is resumed to its end returns every entry exactly once; what
//! is in memory can be dropped and built anew.
//!
//! * [`contract`]: what an index takes, promises and asks of its owner.
//! * [`flat`]: the naive twin, exact; [`distance`]: exact distances.
//! * `shelf`, `arena`, `list`, `second`, `graph`, `names`: where things lie: growing rows of atomic words, of one length and of many, links in them,
//!   slots of rows.
//! * `codes`: what a store of vectors offers; `floats`, `sparse`: in full; `rotation`, `packed`: as codes; `body`: the choice.
//! * `walk`, `filter`, `select`: the algorithms; `link`, `remove`, `load`, `calibrate`, `recode`, `relink`: an index coming to be and changing.
//! * `twins`: entries that a node stands for. `tidy`: lists that lead to removed nodes. `stray`: nodes that no link leads to. `tail`: entries that
//!   are not linked yet.
//! * `scan`: a search under way; `image`, `block`: checkpoints; `roll`: comparing one with what belongs in it.

mod arena;
mod block;
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
#[cfg(test)]
mod image_tests;
mod index;
mod link;
mod list;
mod load;
mod names;
mod packed;
mod recode;
#[cfg(test)]
mod recode_tests;
mod relink;
mod remove;
mod roll;
mod rotation;
mod scan;
mod second;
mod select;
mod shelf;
mod sparse;
mod stray;
mod tail;
#[cfg(test)]
mod tests;
mod tidy;
mod twins;
mod walk;

pub use contract::{
    Hit, Job, Kind, Memory, Metric, Options, Probe, Quantization, Search, SearchCounters, Sight, Sink, Tag, Vector,
    VectorIndex, VectorRef, VectorStats,
};
pub use filter::Entries;
pub use flat::Flat;
pub use image::restore;
pub use index::Hnsw;
pub use roll::RollCall;

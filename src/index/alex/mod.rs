//! ALEX: an adaptive learned index over packed leaves, safe for many readers and writers.
//!
//! Three levels: a root that routes to nodes, nodes that route to leaves, leaves of at most 64 entries. Root and nodes find
//! their way by linear models corrected by exponential search (Ding et al., "ALEX: An Updatable Adaptive Learned Index",
//! SIGMOD 2020); keys and row ids live only in the leaves, so the learned part stays small, and neither tier ever
//! shifts more than a few thousand slots, which is where a plain ALEX loses on locally hard keys. Differences from
//! the paper: the root searches instead of trusting its model exactly, so nodes split sideways at any place and no
//! downward split is needed; a node whose model stays poor uses binary search.
//!
//! Concurrency: one lock for the root, one per node. Every operation holds the root shared; splitting or removing a node
//! holds it exclusively, about once in a hundred thousand insertions. Locks are taken root first, nodes left to right.
//!
//! * `leaf`: entries in few bytes. `node`: the gapped array. `model`: prediction and search. `tree`: root and operations.

mod leaf;
mod model;
mod node;
mod tree;

#[cfg(test)]
mod tests;

pub use tree::Alex;

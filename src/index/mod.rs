//! Floor 1: in-memory indexes: ordered ones from a 64-bit key image to row ids, and ones over vectors.
//!
//! An index answers with candidates and knows nothing of transactions: entries of uncommitted, deleted and superseded
//! rows are in it, and only `table/` decides which of them a snapshot sees. It is derived from the rows and can be
//! dropped and rebuilt at any time.
//!
//! * [`OrderedIndex`]: the contract; entries are pairs of key image and row id, each pair at most once.
//! * [`btree`]: the naive twin over `BTreeSet`, the oracle of the property tests.
//! * [`alex`]: the adaptive learned index in use.
//! * [`hnsw`]: vectors by nearness.
//! * [`image`]: how SQL keys become 64-bit images, and which images keep order or exactness.

pub mod alex;
pub mod btree;
pub mod hnsw;
pub mod image;
pub mod ordered;

pub use alex::Alex;
pub use ordered::{Entry, IndexStats, OrderedIndex, Rid, Span};

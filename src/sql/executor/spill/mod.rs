//! Rows on disk: where operators put what does not fit in `work_mem`.
//!
//! Every operator that keeps rows counts the bytes it keeps. When they pass `work_mem` it does not fail and does not grow; it
//! writes rows to temporary files and comes back to them later, each in the way of its algorithm:
//!
//! ```text
//!   sort            a full memory is sorted and written as a run; runs are merged, as many at a time as memory holds
//!                   one block of (Knuth, The Art of Computer Programming 3, 5.4.1)
//!   group, distinct rows of groups that are in memory are taken in; rows of others go to one of 16 files by their key's
//!                   hash; each file is then grouped by itself, by other bits of the hash (the hybrid hash of
//!                   DeWitt et al., Implementation Techniques for Main Memory Database Systems, 1984)
//!   join            both sides go to 16 pairs of files by hash, each pair is joined by itself (Grace hash join)
//!   WITH, loops     batches are written behind each other and read again by number ([`Spool`])
//! ```
//!
//! A file belongs to whoever made it and is gone when that is dropped: it is unlinked as soon as it is open where the system
//! allows that, so that not even a crash leaves one; [`clear`] sweeps the directory when the server starts. What a file holds
//! means something to this process only. Files count against `temp_file_limit`.
//!
//! * [`file`](SpillFile): one file of batches. [`block`]: a batch as bytes. [`partition`](Partitions): files by hash.
//!   [`spool`](Spool): batches read again by number.

mod block;
mod file;
mod partition;
mod spool;

pub(super) use file::SpillFile;
pub use file::{SpillSpace, clear};
pub(super) use partition::{LEVELS_MAX, Partitions};
pub(super) use spool::Spool;

#[cfg(test)]
mod tests;

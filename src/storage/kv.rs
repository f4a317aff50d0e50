//! The contract between OmenDB and whatever keeps its bytes.

use super::batch::WriteBatch;
use crate::error::Result;

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cf {
    /// Catalog, sequences, marks.
    Default = 0,
    /// Newest committed rows and secondary index entries.
    Rows = 1,
    /// Superseded row versions.
    Versions = 2,
    /// Roles' password verifiers.
    Users = 3,
}

impl Cf {
    /// All families, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Default, Self::Rows, Self::Versions, Self::Users];

    /// The name on disk.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Rows => "rows",
            Self::Versions => "versions",
            Self::Users => "users",
        }
    }
}

/// Receives a key and its value; `false` stops the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool> + 'a;

/// An ordered key-value store. Keys order as unsigned bytes. A scan sees the store as of its start; `get` sees the newest
/// state. All methods may be called from any thread.
pub trait Kv: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// `XX001` or `58030` when the bytes cannot be read.
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Hands the value of a key to `visit` without copying it; `false` when there is none.
    ///
    /// # Errors
    /// As [`Kv::get`], and those of `visit`.
    fn get_with(&self, cf: Cf, key: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// Visits `start..end` in ascending order.
    ///
    /// # Errors
    /// As [`Kv::get`], and those of `visit`.
    fn scan(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()>;

    /// Visits `start..end` in descending order.
    ///
    /// # Errors
    /// As [`Kv::scan`].
    fn scan_back(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()>;

    /// Applies a batch atomically. It may be lost in a crash of the machine, with everything written after it, until [`Kv::sync`].
    /// A failure aborts the process: whether the bytes will survive is unknown, so nothing may go on.
    fn write(&self, batch: WriteBatch);

    /// Makes durable what was written before the call, by anyone. Threads that call it at once do not wait for each other. A
    /// failure aborts the process, as that of a write.
    fn sync(&self);

    /// Approximate bytes on disk between two keys.
    fn approximate_size(&self, cf: Cf, start: &[u8], end: &[u8]) -> u64;

    /// Moves what is in memory to disk.
    fn flush(&self);
}

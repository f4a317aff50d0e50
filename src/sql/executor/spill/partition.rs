//! Rows in files by the hash of their keys.
//!
//! Rows with equal keys meet in one file. Each level of partitioning looks at other bits of the hash, so that a file that is
//! still too large is taken apart further; bits that a hash table looks at first (the lowest and the highest) are left to it.

use crate::error::Result;
use crate::types::column::Batch;

use super::{SpillFile, SpillSpace};

/// Files that rows are divided among.
const FAN_OUT: usize = 16;
/// Levels after which dividing no longer helps: what is left has equal hashes.
pub(in crate::sql::executor) const LEVELS_MAX: u32 = 5;
const BITS: u32 = FAN_OUT.trailing_zeros();
/// The lowest bit of the first level.
const FIRST_BIT: u32 = 32;
const _: () = assert!(FIRST_BIT + BITS * LEVELS_MAX <= 57, "the highest bits are a hash table's");

/// Files by hash; those without rows are not there.
pub(in crate::sql::executor) struct Partitions {
    level: u32,
    files: [Option<SpillFile>; FAN_OUT],
}

impl Partitions {
    /// No rows. Levels count from 0.
    pub(in crate::sql::executor) fn new(level: u32) -> Self {
        Self { level, files: Default::default() }
    }

    /// Which file a hash belongs to.
    pub(in crate::sql::executor) fn number(&self, hash: u64) -> usize {
        (hash >> (FIRST_BIT + BITS * self.level)) as usize % FAN_OUT
    }

    /// Writes rows to the files of their hashes.
    ///
    /// # Errors
    /// Those of [`SpillFile::write`].
    pub(in crate::sql::executor) fn write(&mut self, batch: &Batch, hashes: &[u64], space: &SpillSpace) -> Result<()> {
        let mut rows: [Vec<u32>; FAN_OUT] = Default::default();
        for (row, hash) in (0..).zip(hashes) {
            rows[self.number(*hash)].push(row);
        }
        for (file, rows) in self.files.iter_mut().zip(rows) {
            if rows.is_empty() {
                continue;
            }
            if file.is_none() {
                *file = Some(SpillFile::create(space)?);
            }
            let file = file.as_mut().expect("made above");
            if rows.len() == batch.rows {
                file.write(batch)?
            } else {
                file.write(&batch.take(&rows))?
            };
        }
        Ok(())
    }

    /// Bytes in all files.
    pub(in crate::sql::executor) fn size(&self) -> u64 {
        self.files.iter().flatten().map(SpillFile::size).sum()
    }

    /// The files by number.
    pub(in crate::sql::executor) fn into_files(self) -> [Option<SpillFile>; FAN_OUT] {
        self.files
    }
}

//! RocksDB behind the store contract: the only file that knows it.
//!
//! Options follow three rules: an acknowledged write survives (one synced WAL for all families, recovery to the last
//! consistent point), memory is bounded (one block cache for data, index and filter blocks; bounded memtables), and a
//! failed durable write ends the process, because after a failed fsync nobody knows what is on disk.

use std::io;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, Options,
    ReadOptions,
};

use super::batch::{Op, WriteBatch};
use super::kv::{Cf, Kv, Visit};
use super::log_space::LogSpace;
use super::log_sync::{Log, LogSync, Probe};
use crate::error;
use crate::error::{Error, Result};

/// Families are made when the store is opened and never later, so looking one up needs no lock.
type Database = rocksdb::DBWithThreadMode<rocksdb::SingleThreaded>;

/// Sizes of a RocksDB store.
#[derive(Clone, Copy, Debug)]
pub struct RocksOptions {
    /// Block cache, bytes, shared by all families.
    pub block_cache_bytes: usize,
    /// One memtable, bytes.
    pub memtable_bytes: usize,
}

impl Default for RocksOptions {
    fn default() -> Self {
        Self { block_cache_bytes: 512 << 20, memtable_bytes: 64 << 20 }
    }
}

/// Memtables of one family, and as much for all: one takes writes while others are written out.
const MEMTABLES: usize = 3;
/// Logs that are kept to be overwritten.
const LOGS_KEPT: usize = 2;
/// Memtables below this do not make logs shorter still.
const MEMTABLE_BYTES_MIN: usize = 32 << 20;

/// A RocksDB database.
pub struct RocksKv {
    db: Database,
    /// Whether the database numbers its families as [`Cf`] does, so that a batch is taken as it is.
    numbered: bool,
    log_space: LogSpace,
    pub(super) log_sync: LogSync,
}

fn family_options(cf: Cf, options: &RocksOptions, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(8 << 10);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_format_version(6);
    if cf != Cf::Default {
        blocks.set_ribbon_filter(10.0);
    }
    let mut family = Options::default();
    family.set_block_based_table_factory(&blocks);
    family.set_write_buffer_size(options.memtable_bytes);
    family.set_max_write_buffer_number(MEMTABLES as i32);
    // What was just written is soon written again by compaction: compressing it costs a load a sixth of its time.
    let (plain, packed) = (DBCompressionType::None, DBCompressionType::Lz4);
    family.set_compression_per_level(&[plain, plain, packed, packed, packed, packed, packed]);
    family.set_level_compaction_dynamic_level_bytes(true);
    family
}

impl RocksKv {
    /// Opens or creates the database in a directory.
    ///
    /// # Errors
    /// `55006` when another process has it open, `58030` or `XX001` when it cannot be read.
    pub fn open(path: &Path, options: &RocksOptions) -> Result<Self> {
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let mut db_options = Options::default();
        db_options.create_if_missing(true);
        db_options.create_missing_column_families(true);
        db_options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        db_options.set_max_background_jobs(2);
        db_options.set_max_open_files(512);
        db_options.set_keep_log_file_num(4);
        // A log that is overwritten is synced without the file system's journal: a third less time for each commit. A log is
        // free once every family has flushed what it has there, which the limit makes those do that get little.
        db_options.set_recycle_log_file_num(LOGS_KEPT);
        db_options.set_max_total_wal_size(3 * options.memtable_bytes.max(MEMTABLE_BYTES_MIN) as u64);
        // All families together: an update fills two.
        db_options.set_db_write_buffer_size(MEMTABLES * options.memtable_bytes);
        db_options.set_bytes_per_sync(1 << 20);
        db_options.set_enable_pipelined_write(false);
        let families = Cf::ALL.map(|cf| ColumnFamilyDescriptor::new(cf.name(), family_options(cf, options, &cache)));
        let db = Database::open_cf_descriptors(&db_options, path, families).map_err(|e| {
            let text = e.to_string();
            if text.contains("lock") || text.contains("LOCK") {
                return error!(OBJECT_IN_USE, "data directory \"{}\" is in use by another server", path.display())
                    .hint("Stop the other server first, or choose another directory with --data.");
            }
            Error::corrupt(format!("could not open data directory \"{}\": {text}", path.display()))
        })?;
        let numbered = Cf::ALL.iter().all(|cf| numbered(&db, *cf));
        Ok(Self { db, numbered, log_space: LogSpace::new(path), log_sync: LogSync::new(path) })
    }

    fn family(&self, cf: Cf) -> &ColumnFamily {
        self.db.cf_handle(cf.name()).expect("all families are opened")
    }

    /// A batch for a database that numbers its families in its own way: they are numbered as they are made, which is in the
    /// order of [`Cf::ALL`] unless somebody else made them.
    fn translated(&self, batch: &WriteBatch) -> rocksdb::WriteBatch {
        let mut native = rocksdb::WriteBatch::default();
        for op in batch.ops() {
            match op {
                Op::Put(cf, key, value) => native.put_cf(self.family(cf), key, value),
                Op::Delete(cf, key) => native.delete_cf(self.family(cf), key),
                Op::DeleteRange(cf, start, end) => native.delete_range_cf(self.family(cf), start, end),
            }
        }
        native
    }

    /// Writes to the log's part of the page cache and to memtables.
    fn log(&self, batch: rocksdb::WriteBatch) -> io::Result<()> {
        let _writing = self.log_space.writing();
        self.db.write(batch).map_err(io::Error::other)
    }

    fn iterate(&self, cf: Cf, start: &[u8], end: &[u8], back: bool, visit: &mut Visit<'_>) -> Result<()> {
        if start >= end {
            return Ok(());
        }
        let mut read = ReadOptions::default();
        read.set_iterate_lower_bound(start.to_vec());
        read.set_iterate_upper_bound(end.to_vec());
        let mut cursor = self.db.raw_iterator_cf_opt(self.family(cf), read);
        if back {
            cursor.seek_to_last();
        } else {
            cursor.seek_to_first();
        }
        while let Some((key, value)) = cursor.item() {
            if !visit(key, value)? {
                return Ok(());
            }
            if back {
                cursor.prev();
            } else {
                cursor.next();
            }
        }
        cursor.status().map_err(read_error)
    }
}

/// Whether a change of a family looks the same from RocksDB as from [`WriteBatch`], but for the default family's number, which
/// RocksDB leaves out.
fn numbered(db: &Database, cf: Cf) -> bool {
    let (mut native, mut own) = (rocksdb::WriteBatch::default(), WriteBatch::default());
    native.put_cf(db.cf_handle(cf.name()).expect("all families are opened"), b"key", b"value");
    own.put(cf, b"key", b"value");
    cf == Cf::Default || native.data() == own.encoded()
}

/// Ends the process after a write or a sync that failed: nobody knows what is on disk, and asking again may be answered wrongly.
fn stop(error: &io::Error) -> ! {
    tracing::error!(%error, "a durable write failed; stopping so that nothing unwritten is acknowledged");
    std::process::abort();
}

fn read_error(error: rocksdb::Error) -> Error {
    let text = error.to_string();
    match error.kind() {
        rocksdb::ErrorKind::Corruption => Error::corrupt(format!("stored data is damaged: {text}")),
        _ => error!(IO_ERROR, "could not read stored data: {text}"),
    }
}

impl Log for RocksKv {
    fn write_probe(&self, probe: &Probe) -> io::Result<()> {
        let mut batch = rocksdb::WriteBatch::default();
        batch.put_log_data(probe);
        self.log(batch)
    }

    fn sync_all(&self) -> io::Result<()> {
        let _writing = self.log_space.writing();
        self.db.flush_wal(true).map_err(io::Error::other)
    }
}

impl Kv for RocksKv {
    fn get(&self, cf: Cf, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.db.get_cf(self.family(cf), key).map_err(read_error)
    }

    fn get_with(&self, cf: Cf, key: &[u8], visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        match self.db.get_pinned_cf(self.family(cf), key).map_err(read_error)? {
            Some(value) => visit(&value).map(|()| true),
            None => Ok(false),
        }
    }

    fn scan(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        self.iterate(cf, start, end, false, visit)
    }

    fn scan_back(&self, cf: Cf, start: &[u8], end: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        self.iterate(cf, start, end, true, visit)
    }

    fn write(&self, mut batch: WriteBatch) {
        if batch.is_empty() {
            return;
        }
        let native = match self.numbered {
            true => rocksdb::WriteBatch::from_data(batch.encoded()),
            false => self.translated(&batch),
        };
        let bytes = batch.size();
        drop(batch);
        if let Err(error) = self.log(native) {
            stop(&error);
        }
        self.log_space.wrote(bytes);
    }

    fn sync(&self) {
        if let Err(error) = self.log_sync.sync(self) {
            stop(&error);
        }
        self.log_space.synced();
    }

    fn approximate_size(&self, cf: Cf, start: &[u8], end: &[u8]) -> u64 {
        self.db.get_approximate_sizes_cf(self.family(cf), &[rocksdb::Range::new(start, end)])[0]
    }

    fn flush(&self) {
        let _writing = self.log_space.writing();
        for cf in Cf::ALL {
            if let Err(error) = self.db.flush_cf(self.family(cf)) {
                tracing::warn!(%error, "could not flush memtables; the write-ahead log still has them");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_arrive_however_families_are_numbered() {
        for names in [["rows", "versions", "users"], ["users", "versions", "rows"]] {
            let directory = tempfile::tempdir().unwrap();
            let mut options = Options::default();
            options.create_if_missing(true);
            let mut db = Database::open(&options, directory.path()).unwrap();
            names.iter().for_each(|name| db.create_cf(name, &Options::default()).unwrap());
            drop(db);
            let kv = RocksKv::open(directory.path(), &RocksOptions::default()).unwrap();
            assert_eq!(kv.numbered, names[0] == "rows");
            let mut batch = WriteBatch::default();
            for cf in Cf::ALL {
                batch.put(cf, b"a", cf.name());
                batch.put(cf, b"b", b"deleted");
                batch.put(cf, b"c", b"deleted with a range");
                batch.delete(cf, b"b");
                batch.delete_range(cf, b"c", b"d");
            }
            kv.write(batch);
            kv.write(WriteBatch::default());
            kv.sync();
            for cf in Cf::ALL {
                let mut found = Vec::new();
                let mut visit = |key: &[u8], value: &[u8]| {
                    found.push((key.to_vec(), value.to_vec()));
                    Ok(true)
                };
                kv.scan(cf, b"", b"z", &mut visit).unwrap();
                assert_eq!(found, [(b"a".to_vec(), cf.name().into())]);
            }
        }
    }
}

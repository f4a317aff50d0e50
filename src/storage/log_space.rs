//! Space in front of the log's end, so that syncing a short write is one write to the disk.
//!
//! `fdatasync` behind a write that makes a file longer has to write the file's new size and its new blocks as well; behind a write
//! into bytes that exist it does not. RocksDB overwrites the logs that it recycles, but a store that was just opened has none, and
//! a recycled log is as short as it happened to be. So the live log is kept longer than what is written:
//!
//! ```text
//! live log   | records .................... | fill ................ |
//!                          RocksDB writes here ^           file ends ^
//! ```
//!
//! Three things make this safe, whatever RocksDB does:
//!
//! * Only bytes behind the end of the file are written, while all writers are kept out ([`LogSpace::writing`]). RocksDB's own
//!   position is never behind the end, so nothing of a record is touched. Position and size are not taken from RocksDB: a wrong
//!   guess fills too early or too late and nothing else.
//! * Every byte of the fill is [`FILL`], which at any alignment reads as the header of a whole record of *another* log. RocksDB
//!   takes it for what a recycled log has behind its last record, the end. (Zeros would be skipped as if nothing were
//!   missing: after a power failure, records behind a lost page would come back without those in it.)
//! * A log that is closed is cut to what was written by RocksDB itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock, RwLockReadGuard};

/// The type of a whole record in a recycled log. As the number of a log it stands for 84,215,045, which no store comes to.
const FILL: u8 = 5;
/// Bytes that are written to logs between two looks at the live one.
const LOOK_BYTES: u64 = if cfg!(test) { 4 << 10 } else { 64 << 10 };
/// The least space that a look leaves in front of the end, and what it then adds: what a disk takes in about a millisecond.
const AHEAD_BYTES: u64 = 4 * LOOK_BYTES;
const STEP_BYTES: u64 = 16 * LOOK_BYTES;
/// Synced writes longer than this on average are a load, which gains nothing and would write everything twice.
const SHORT_BYTES: u64 = 8 << 10;
/// What a record adds to the bytes of its batch, about.
const RECORD_BYTES: u64 = 24;
/// One write of the fill: what is written at once is one piece of the page cache, and syncing a byte walks its whole piece.
const PIECE: [u8; 4 << 10] = [FILL; 4 << 10];

/// The live log's space.
pub(super) struct LogSpace {
    directory: PathBuf,
    /// Shared by writers, alone while the log is made longer.
    writers: RwLock<()>,
    /// Bytes and synced writes since the last look.
    bytes: AtomicU64,
    syncs: AtomicU64,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    number: u64,
    /// Where RocksDB writes next, about.
    position: u64,
    /// The disk was full or the directory unreadable: no more for this run.
    off: bool,
}

impl LogSpace {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            writers: RwLock::default(),
            bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            live: Mutex::default(),
        }
    }

    /// To be held while anything may be written to a log.
    pub(super) fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.writers.read()
    }

    /// Told of a batch that was written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64 + RECORD_BYTES, Ordering::Relaxed);
    }

    /// Told of a sync, without [`LogSpace::writing`] held; now and then makes the log longer.
    pub(super) fn synced(&self) {
        let syncs = self.syncs.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.load(Ordering::Relaxed);
        if bytes < LOOK_BYTES {
            return;
        }
        let Some(mut live) = self.live.try_lock() else { return };
        self.bytes.store(0, Ordering::Relaxed);
        self.syncs.store(0, Ordering::Relaxed);
        if !live.off
            && let Err(error) = self.look(&mut live, bytes, bytes / syncs <= SHORT_BYTES)
        {
            live.off = true;
            tracing::warn!(%error, "could not make the write-ahead log longer; short commits take longer");
        }
    }

    fn look(&self, live: &mut Live, bytes: u64, short: bool) -> io::Result<()> {
        let _alone = self.writers.write();
        let Some((number, path)) = newest_log(&self.directory)? else { return Ok(()) };
        // After a switch the position is at most what was written since the last look.
        live.position = if number == live.number { live.position + bytes } else { bytes };
        live.number = number;
        if !short {
            return Ok(());
        }
        let log = File::options().write(true).open(path)?;
        let end = log.metadata()?.len();
        // RocksDB may be anywhere before the end, and in a file that nothing was written to it is at its start.
        if end == 0 || live.position + AHEAD_BYTES <= end {
            return Ok(());
        }
        live.position = live.position.min(end);
        for at in (end..end + STEP_BYTES).step_by(PIECE.len()) {
            if let Err(error) = log.write_all_at(&PIECE, at) {
                log.set_len(end)?;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The number and the path of the log that takes writes. Numbers only grow, recycled logs get a new one.
pub(super) fn newest_log(directory: &Path) -> io::Result<Option<(u64, PathBuf)>> {
    let mut newest = None;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|number| number.parse().ok());
        newest = newest.max(number.map(|number| (number, entry.path())));
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Cf, Kv, RocksKv, RocksOptions, WriteBatch};

    fn put(kv: &RocksKv, key: u32, value: &[u8], sync: bool) {
        let mut batch = WriteBatch::default();
        batch.put(Cf::ALL[key as usize % Cf::ALL.len()], key.to_be_bytes(), value);
        kv.write(batch);
        if sync {
            kv.sync();
        }
    }

    /// The store as a process that dies now would leave it.
    fn killed(directory: &Path) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        copy
    }

    fn log_bytes(directory: &Path) -> u64 {
        let (_, path) = newest_log(directory).unwrap().expect("a store has a log");
        std::fs::metadata(path).unwrap().len()
    }

    fn count(kv: &RocksKv) -> usize {
        let mut keys = 0;
        for cf in Cf::ALL {
            let mut visit = |_: &[u8], _: &[u8]| {
                keys += 1;
                Ok(true)
            };
            kv.scan(cf, b"", &[0xff; 8], &mut visit).unwrap();
        }
        keys
    }

    #[test]
    fn a_filled_log_is_read_to_its_last_record() {
        let directory = tempfile::tempdir().unwrap();
        let kv = RocksKv::open(directory.path(), &RocksOptions::default()).unwrap();
        let mut written = 0;
        let mut filled = 0;
        // Records of many lengths end at many places of a block, small and large ones meet the fill.
        for key in 0..4000_u32 {
            let value = vec![key as u8; (key as usize * 37) % 400];
            put(&kv, key, &value, key % 5 != 0);
            written += value.len() as u64;
            if key % 499 == 0 {
                put(&kv, key, &vec![7; 40 << 10], true);
                written += 40 << 10;
            }
            if key % 250 == 249 {
                filled += u64::from(log_bytes(directory.path()) > written + AHEAD_BYTES / 2);
                let copy = killed(directory.path());
                let again = RocksKv::open(copy.path(), &RocksOptions::default()).unwrap();
                assert_eq!(count(&again), key as usize + 1);
                put(&again, u32::MAX, b"after", true);
                drop(again);
                assert_eq!(count(&RocksKv::open(copy.path(), &RocksOptions::default()).unwrap()), key as usize + 2);
            }
            // A switch to another log, later to a recycled one.
            if key % 1300 == 1299 {
                kv.flush();
                written = 0;
            }
        }
        assert!(filled >= 8, "{filled} of 16 looks found space");
    }

    #[test]
    fn loads_are_not_written_twice() {
        let directory = tempfile::tempdir().unwrap();
        let kv = RocksKv::open(directory.path(), &RocksOptions::default()).unwrap();
        for key in 0..50 {
            put(&kv, key, &vec![1; 64 << 10], true);
        }
        assert!(log_bytes(directory.path()) < 51 * (64 << 10));
    }

    #[test]
    fn writers_that_race_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let kv = RocksKv::open(directory.path(), &RocksOptions::default()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let kv = &kv;
                scope.spawn(move || {
                    for key in 0..1500 {
                        put(kv, thread * 10_000 + key, &vec![3; key as usize % 97], key % 3 != 0);
                    }
                });
            }
        });
        let copy = killed(directory.path());
        assert_eq!(count(&RocksKv::open(copy.path(), &RocksOptions::default()).unwrap()), 6000);
    }
}

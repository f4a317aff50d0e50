//! Forcing the log: `fdatasync` by as many threads at once as have something to force.
//!
//! RocksDB syncs its log for one thread at a time; whoever comes meanwhile waits for two syncs. But what is to be synced is
//! a file, and any descriptor of it will do: records are in the page cache as soon as a write returns. So each thread
//! syncs the live log for itself:
//!
//! ```text
//! thread a   write | fdatasync ......... |
//! thread b         write | fdatasync ......... |        in RocksDB it would begin when a's ends
//! ```
//!
//! All depends on which file the records are in. RocksDB goes on to another log when it likes, always to one that has just
//! been created or renamed, and the system tells of those before anybody can write to them ([`Watch`]). So:
//!
//! 1. When something has appeared in the directory, a *probe*, a record of random bytes, is written and looked for in the newest log.
//!    Found, this is the log that takes writes; then everything is synced by RocksDB, older logs included; then the log is *known*.
//! 2. While a log is known and nothing has appeared, every record so far is in it, or in older logs and on disk: syncing this one
//!    file is enough.
//! 3. Otherwise, and where the system tells nothing, RocksDB syncs.
//!
//! That RocksDB gives logs ascending numbers and writes to one of them is not relied on: a wrong guess finds no probe.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem;
use parking_lot::Mutex;

use super::log_space::newest_log;
use crate::common::rng;

/// A record that is in no file but the one that takes writes now.
pub(super) type Probe = [u8; 16];
/// A probe may lie across the border of two blocks of the log, in pieces; then the next one does not.
const PROBES: usize = 2;
/// Bytes of a log read at once, and of the piece before that are kept in front of them.
const PIECE_BYTES: usize = 256 << 10;
const KEPT_BYTES: usize = size_of::<Probe>() - 1;

/// What forcing needs of the store.
pub(super) trait Log {
    /// Writes a record that changes nothing, and does not sync it.
    fn write_probe(&self, probe: &Probe) -> io::Result<()>;

    /// Syncs everything written before, in all logs, and the directory.
    fn sync_all(&self) -> io::Result<()>;
}

/// Knows the live log.
pub(super) struct LogSync {
    directory: PathBuf,
    watch: Option<Watch>,
    live: Mutex<Live>,
}

struct Live {
    /// The log that is known, and its number.
    log: Option<(u64, Arc<File>)>,
    /// Whether something has appeared since a log was looked for.
    look: bool,
}

impl LogSync {
    pub(super) fn new(directory: &Path) -> Self {
        let watch = Watch::new(directory).inspect_err(|error| {
            tracing::info!(%error, "cannot watch the data directory; commits of several clients are synced in turn");
        });
        let look = watch.is_ok();
        Self { directory: directory.to_owned(), watch: watch.ok(), live: Mutex::new(Live { log: None, look }) }
    }

    /// Makes durable what was written before; the number of the log that was synced by itself, if one was.
    ///
    /// # Errors
    /// Those of the system: then nobody knows what is on disk.
    pub(super) fn sync(&self, store: &dyn Log) -> io::Result<Option<u64>> {
        let known = {
            let mut live = self.live.lock();
            live.look |= self.watch.as_ref().is_some_and(Watch::has_changed);
            if std::mem::take(&mut live.look) && self.look(&mut live, store) {
                // Nobody else may sync one log before older ones are on disk.
                return store.sync_all().map(|()| None);
            }
            live.log.clone()
        };
        match known {
            Some((number, log)) => log.sync_data().map(|()| Some(number)),
            None => store.sync_all().map(|()| None),
        }
    }

    /// Looks which log takes writes; whether it is another one than the known.
    fn look(&self, live: &mut Live, store: &dyn Log) -> bool {
        let known = live.log.as_ref().map(|(number, _)| *number);
        let found = match newest_log(&self.directory) {
            Ok(Some((number, _))) if known == Some(number) => return false,
            Ok(Some((number, path))) => open_if_live(&path, store).map(|log| log.map(|log| (number, log))),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        live.log = found.unwrap_or_else(|error| {
            tracing::warn!(%error, "could not look for the live write-ahead log; commits are synced in turn");
            None
        });
        true
    }
}

/// Opens a log if it takes writes.
fn open_if_live(path: &Path, store: &dyn Log) -> io::Result<Option<Arc<File>>> {
    let log = File::options().read(true).write(true).open(path)?;
    for _ in 0..PROBES {
        let mut probe = Probe::default();
        rng::fill(&mut probe);
        store.write_probe(&probe)?;
        if contains(&log, &probe)? {
            return Ok(Some(Arc::new(log)));
        }
    }
    Ok(None)
}

fn contains(file: &File, probe: &Probe) -> io::Result<bool> {
    let finder = memmem::Finder::new(probe);
    let (mut file, mut piece, mut kept) = (file, vec![0; KEPT_BYTES + PIECE_BYTES], 0);
    io::Seek::rewind(&mut file)?;
    loop {
        let end = kept + file.read(&mut piece[kept..])?;
        if end == kept {
            return Ok(false);
        }
        if finder.find(&piece[..end]).is_some() {
            return Ok(true);
        }
        kept = end.min(KEPT_BYTES);
        piece.copy_within(end - kept..end, 0);
    }
}

/// Says whether a file has appeared in a directory.
#[cfg(target_os = "linux")]
struct Watch(rustix::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl Watch {
    fn new(directory: &Path) -> io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        add_watch(&watch, directory, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR)?;
        let watch = Self(watch);
        // Not every file system tells; this one has to show that it does.
        let (made, moved) = (directory.join("watched"), directory.join("watched.moved"));
        let _left_by_a_crash = (std::fs::remove_file(&made), std::fs::remove_file(&moved));
        File::create_new(&made)?;
        let told_of_made = watch.has_changed();
        std::fs::rename(&made, &moved)?;
        let told_of_moved = watch.has_changed();
        std::fs::remove_file(&moved)?;
        if !told_of_made || !told_of_moved {
            return Err(io::Error::other("the file system does not tell of new files"));
        }
        Ok(watch)
    }

    /// Whether one has since the last call. An event is in the queue before the call that made the file has returned.
    fn has_changed(&self) -> bool {
        // Larger than any event. What is left in the queue makes the next call say so again.
        let mut events = [0_u8; 4096];
        loop {
            match rustix::io::read(&self.0, &mut events) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return false,
                Ok(_) | Err(_) => return true,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
struct Watch;

#[cfg(not(target_os = "linux"))]
impl Watch {
    fn new(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn has_changed(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::storage::{Cf, Kv, RocksKv, RocksOptions, WriteBatch};

    fn unique(thread: u32, count: u32) -> Vec<u8> {
        format!("<{thread}/{count}>").into_bytes()
    }

    fn put(kv: &RocksKv, value: &[u8]) {
        let mut batch = WriteBatch::default();
        batch.put(Cf::Rows, value, [value, &[b'.'; 200]].concat());
        kv.write(batch);
    }

    /// What the log of a number has; nothing when it was renamed meanwhile.
    fn log(directory: &Path, number: u64) -> Vec<u8> {
        std::fs::read(directory.join(format!("{number:06}.log"))).unwrap_or_default()
    }

    /// The naive twin: reading the file. Whatever switches logs meanwhile, and however often they are recycled, what was written
    /// before a sync of one log is in that log, or was synced with an older one.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_log_that_is_synced_has_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let kv = RocksKv::open(directory.path(), &RocksOptions::default()).unwrap();
        let (alone, with_all) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|thread| {
                    let (kv, directory, alone, with_all) = (&kv, directory.path(), &alone, &with_all);
                    scope.spawn(move || {
                        // The log that was synced last: what is missing in one may be in the one before.
                        let mut last = 0;
                        for count in 0..1500 {
                            let value = unique(thread, count);
                            put(kv, &value);
                            match kv.log_sync.sync(kv).unwrap() {
                                Some(number) => {
                                    let bytes = log(directory, number);
                                    let found = memmem::find(&bytes, &value).is_some();
                                    // A switch, with a sync of everything, between this write and this sync.
                                    assert!(found || bytes.is_empty() || number != last, "{count} is not in {number}");
                                    alone.fetch_add(u32::from(found), Ordering::Relaxed);
                                    last = number;
                                }
                                None => drop(with_all.fetch_add(1, Ordering::Relaxed)),
                            }
                        }
                    })
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                std::thread::sleep(std::time::Duration::from_millis(30));
                kv.flush();
            }
        });
        let (alone, with_all) = (alone.into_inner(), with_all.into_inner());
        assert!(alone > 3 * with_all && with_all >= 3, "{alone} synced alone, {with_all} with all");
    }

    /// A store that writes to an older log than the newest, as one that makes the next log early would.
    struct Early {
        directory: PathBuf,
        live: &'static str,
        synced: AtomicU32,
    }

    impl Log for Early {
        fn write_probe(&self, probe: &Probe) -> io::Result<()> {
            let mut log = File::options().append(true).open(self.directory.join(self.live))?;
            io::Write::write_all(&mut log, probe)
        }

        fn sync_all(&self) -> io::Result<()> {
            self.synced.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_log_that_does_not_take_writes_is_not_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let make = |name: &str, bytes: usize| std::fs::write(directory.path().join(name), vec![5; bytes]).unwrap();
        make("000004.log", 10);
        let mut store = Early { directory: directory.path().to_owned(), live: "000004.log", synced: AtomicU32::new(0) };
        let sync = LogSync::new(directory.path());
        let numbers = |store: &Early| [(); 3].map(|()| sync.sync(store).unwrap());
        assert_eq!(numbers(&store), [None, Some(4), Some(4)]);
        make("000009.sst", 0);
        assert_eq!(numbers(&store), [Some(4); 3]);
        make("000007.log", 10);
        assert_eq!((numbers(&store), store.synced.load(Ordering::Relaxed)), ([None; 3], 4));
        // Recycled: what is renamed has appeared, and is searched far behind its start.
        make("000006.log", 3 * PIECE_BYTES - 7);
        std::fs::rename(directory.path().join("000006.log"), directory.path().join("000008.log")).unwrap();
        store.live = "000008.log";
        assert_eq!(numbers(&store), [None, Some(8), Some(8)]);
    }

    #[test]
    fn a_probe_is_found_across_the_border_of_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let (path, probe) = (directory.path().join("log"), *b"0123456789abcdef");
        for before in [0, 1, PIECE_BYTES - 20, PIECE_BYTES - 8, PIECE_BYTES, 2 * PIECE_BYTES - 1] {
            std::fs::write(&path, [vec![7; before], probe.to_vec(), vec![7; 9]].concat()).unwrap();
            assert!(contains(&File::open(&path).unwrap(), &probe).unwrap(), "behind {before} bytes");
        }
        std::fs::write(&path, [vec![7; PIECE_BYTES], probe[..15].to_vec()].concat()).unwrap();
        assert!(!contains(&File::open(&path).unwrap(), &probe).unwrap());
    }
}

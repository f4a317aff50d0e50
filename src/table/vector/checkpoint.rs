//! Checkpoints of vector indexes: files beside the store that save building a graph anew.
//!
//! A checkpoint is never the truth. What belongs in an index is what storage has entries for, so after reading a checkpoint the two are compared:
//! what storage has not goes, what the checkpoint has not is entered from its row, to be linked later. No other row is read. It does not matter when the checkpoint
//! was written, nor what happened since. A damaged or foreign one is dropped and the graph is built from the rows.
//!
//! A file is written under another name, synced, and moved to its place, so that what is there is whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::catalog::descriptor::StorageId;
use crate::common::parallel::side_by_side;
use crate::error::{Error, Result};
use crate::index::hnsw::{Hnsw, Tag, VectorIndex, restore};
use crate::table::access::Table;
use crate::table::registry::Tables;
use crate::table::spec::{IndexEvaluator, RowId};
use crate::table::vector::state::VectorState;
use crate::table::vector::{OpenVector, with_vector};
use crate::txn::RowStore;

/// Changes that a checkpoint in the background waits for.
const CHANGES_MIN: u64 = 1000;
/// The part of the entries that must have changed too.
const CHANGES_SHARE: f64 = 0.02;
/// Entries that a thread enters before it looks for more.
const ENTER_AT_ONCE: usize = 64;

/// Bytes of a file after which it is synced: who syncs another file waits for what the system has gathered of this one.
const SYNC_EVERY: usize = 4 << 20;

/// A file that is synced as it grows.
struct Steady {
    file: File,
    /// Bytes since it was synced.
    written: usize,
}

impl Write for Steady {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.written += count;
        if self.written >= SYNC_EVERY {
            self.file.sync_data()?;
            self.written = 0;
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A graph, and how many of its entries its last checkpoint does not agree about.
pub(super) type Loaded = (Arc<dyn VectorIndex>, u64);

/// Where checkpoints are.
pub(in crate::table) struct Shelf {
    dir: PathBuf,
    /// Held by who writes a file.
    writing: Mutex<()>,
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    crate::error!(IO_ERROR, "could not {what} \"{}\": {error}", path.display())
}

impl Shelf {
    pub(in crate::table) fn new(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(|error| failed("create directory", &dir, &error))?;
        Ok(Self { dir, writing: Mutex::default() })
    }

    fn path(&self, index: StorageId) -> PathBuf {
        self.dir.join(format!("{}.graph", index.0))
    }

    /// Removes the checkpoints of indexes that are no more.
    fn keep_only(&self, wanted: &dyn Fn(StorageId) -> bool) -> Result<()> {
        let listed = fs::read_dir(&self.dir).map_err(|error| failed("read directory", &self.dir, &error))?;
        for file in listed {
            let path = file.map_err(|error| failed("read directory", &self.dir, &error))?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".graph")?.parse().ok());
            if !number.is_some_and(|number| wanted(StorageId(number))) {
                fs::remove_file(&path).map_err(|error| failed("remove file", &path, &error))?;
            }
        }
        Ok(())
    }

    pub(in crate::table) fn remove(&self, index: StorageId) {
        // What stays is removed at the next start.
        drop(fs::remove_file(self.path(index)));
    }

    /// Whether an index has a checkpoint, good or not.
    pub(in crate::table) fn has(&self, index: StorageId) -> bool {
        self.path(index).exists()
    }

    /// An empty file that nobody else can open and that is gone when it is closed.
    fn spare_file(&self) -> std::io::Result<File> {
        let path = self.dir.join("build.new");
        let _writing = self.writing.lock();
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    }

    fn write(&self, index: StorageId, graph: &dyn VectorIndex) -> Result<File> {
        let path = self.dir.join(format!("{}.new", index.0));
        let file = File::create(&path).map_err(|error| failed("create file", &path, &error))?;
        let mut out = BufWriter::with_capacity(1 << 20, Steady { file, written: 0 });
        graph.checkpoint(&mut out)?;
        out.flush().map_err(|error| failed("write file", &path, &error))?;
        let written = out.into_inner().map_err(|error| failed("write file", &path, error.error()))?;
        Ok(written.file)
    }

    fn publish(&self, index: StorageId, file: &File) -> Result<()> {
        let (from, to) = (self.dir.join(format!("{}.new", index.0)), self.path(index));
        file.sync_all().map_err(|error| failed("fsync file", &from, &error))?;
        fs::rename(&from, &to).map_err(|error| failed("rename file", &from, &error))?;
        let dir = File::open(&self.dir).map_err(|error| failed("open directory", &self.dir, &error))?;
        dir.sync_all().map_err(|error| failed("fsync directory", &self.dir, &error))
    }

    /// Writes a checkpoint of an index if it is there; whether it is.
    fn keep(&self, index: StorageId, state: &VectorState) -> Result<bool> {
        let _writing = self.writing.lock();
        let mut file = None;
        state.checkpoint(&mut |graph| {
            file = Some(self.write(index, graph)?);
            Ok(())
        })?;
        let Some(file) = file else { return Ok(false) };
        self.publish(index, &file)?;
        Ok(true)
    }

    fn read(&self, index: StorageId, threads: usize) -> Result<Option<Hnsw>> {
        let path = self.path(index);
        match File::open(&path) {
            Ok(mut file) => restore(&mut file, threads).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open file", &path, &error)),
        }
    }
}

impl Tables {
    /// Says where checkpoints of vector indexes go. Those of indexes that are not `wanted` are removed.
    ///
    /// # Errors
    /// `58030`.
    pub fn keep_checkpoints(&self, dir: PathBuf, wanted: &dyn Fn(StorageId) -> bool) -> Result<()> {
        let shelf = Shelf::new(dir)?;
        shelf.keep_only(wanted)?;
        *self.shelf.write() = Some(Arc::new(shelf));
        Ok(())
    }

    /// Writes checkpoints of the vector indexes that have changed: `all` of them, or those that changed much; of the others, makes sure that
    /// walks come by what is new. Returns how many were written.
    ///
    /// # Errors
    /// `58030`.
    pub fn checkpoint_vectors(&self, all: bool) -> Result<usize> {
        let Some(shelf) = self.shelf.read().clone() else { return Ok(0) };
        let states: Vec<_> = self.vectors.read().iter().map(|(index, state)| (*index, Arc::clone(state))).collect();
        let mut written = 0;
        for (index, state) in states {
            let Some(graph) = state.ready() else { continue };
            let due = CHANGES_MIN.max((graph.len() as f64 * CHANGES_SHARE) as u64);
            drop(graph);
            if state.changes() >= if all { 1 } else { due } {
                written += usize::from(shelf.keep(index, &state)?);
            } else {
                state.lead_to_strays();
            }
        }
        Ok(written)
    }

    /// Where a build keeps so many bytes when `memory_bytes` are what it may take: a file if they are more; otherwise, and when no file
    /// can be made, memory.
    #[must_use]
    pub fn room_for_build(&self, bytes: u64, memory_bytes: u64) -> Option<File> {
        let shelf = self.shelf.read().clone().filter(|_| bytes > memory_bytes)?;
        shelf
            .spare_file()
            .inspect_err(|error| tracing::warn!(%error, "could not make a temporary file for building an index"))
            .ok()
    }

    /// Writes a checkpoint of a vector index that has just been filled, unless it is small: so that a crash from here on does not
    /// cost filling it again. It does not matter whether the transaction that filled it has committed.
    pub fn checkpoint_filled(&self, index: StorageId) {
        let state = self.vectors.read().get(&index).cloned().filter(|state| state.changes() >= CHANGES_MIN);
        if let (Some(state), Some(shelf)) = (state, self.shelf.read().clone())
            && let Err(error) = shelf.keep(index, &state)
        {
            tracing::warn!(%error, "could not write a checkpoint of a vector index");
        }
    }
}

impl Table {
    /// The graph of the last checkpoint, brought up to date, and how many entries that took; `None` when there is none that can be used.
    pub(super) fn restore_graph(
        &self,
        tables: &Tables,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: &OpenVector,
        shelf: &Shelf,
        threads: usize,
    ) -> Result<Option<Loaded>> {
        let storage = index.plan.desc.storage;
        let graph = match shelf.read(storage, threads) {
            Ok(Some(graph)) if *graph.options() == *index.options => graph,
            Ok(_) => return Ok(None),
            Err(error) => {
                tracing::warn!(%error, index = %index.plan.desc.name, "a vector index is built anew");
                return Ok(None);
            }
        };
        let Difference { surplus, missing } = compare(&graph, txn, storage, threads)?;
        for (row, tag) in &surplus {
            graph.remove(*row, *tag);
        }
        let view = txn.latest_view();
        let entered = AtomicU64::new(0);
        side_by_side(threads, missing.len().div_ceil(ENTER_AT_ONCE), &|part| {
            for (row, tag) in missing.chunks(ENTER_AT_ONCE).nth(part).expect("there are so many parts") {
                txn.get_at(&view, self.desc().storage, *row, &mut |_, values| {
                    if let Some((now, vector)) = index.stored_entry(self, values, evaluator)?
                        && now == *tag
                    {
                        with_vector(&vector, |vector| graph.insert(*row, *tag, vector));
                        entered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        let entered = entered.into_inner();
        if entered < missing.len() as u64 {
            // Vectors that were replaced since the start; who began before that may still see them.
            tables.note_made(storage, view.ts());
        }
        let changes = surplus.len() as u64 + entered;
        Ok(Some((Arc::new(graph), changes)))
    }
}

/// What a graph has and storage has not, and the other way round.
struct Difference {
    surplus: Vec<(RowId, Tag)>,
    /// By row.
    missing: Vec<(RowId, Tag)>,
}

/// Compares a graph with storage.
fn compare(graph: &Hnsw, txn: &dyn RowStore, storage: StorageId, threads: usize) -> Result<Difference> {
    let roll = graph.roll_call();
    let missing = Mutex::new(Vec::new());
    // Tags are checksums, so stretches of equal length hold about as many entries each.
    let parts = if threads > 1 { 8 * threads } else { 1 };
    let begin = |part: usize| u32::try_from((part << 32) / parts).ok().map(u32::to_be_bytes);
    side_by_side(threads, parts, &|part| {
        let (from, to) = (begin(part).unwrap_or_default(), begin(part + 1));
        let mut unknown = Vec::new();
        txn.scan_entries(storage, &from, to.as_ref().map(|tag| &tag[..]), false, &mut |key, row| {
            let entry = key.try_into().map(|tag| (row, u32::from_be_bytes(tag))).ok();
            unknown.extend(entry.filter(|(row, tag)| !roll.call(*row, *tag)));
            Ok(true)
        })?;
        missing.lock().append(&mut unknown);
        Ok(())
    })?;
    let mut missing = missing.into_inner();
    missing.sort_unstable();
    Ok(Difference { surplus: roll.uncalled(), missing })
}

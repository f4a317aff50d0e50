//! Checkpoints of vector indexes: files beside the store that save building a graph anew.
//!
//! A checkpoint is never the truth. What belongs in an index is what storage has entries for, so after reading a checkpoint the two are compared:
//! what storage has not goes, what the checkpoint has not is linked from its row. It does not matter when the checkpoint
//! was written, nor what happened since. A damaged or foreign one is dropped and the graph is built from the rows.
//!
//! A file is written under another name, synced, and moved to its place, so that what is there is whole.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::descriptor::StorageId;
use crate::error::{Error, Result};
use crate::index::hnsw::{Hnsw, VectorIndex, restore};
use crate::table::access::Table;
use crate::table::registry::Tables;
use crate::table::spec::{IndexEvaluator, RowId};
use crate::table::vector::{OpenVector, with_vector};
use crate::txn::RowStore;

/// Changes that a checkpoint in the background waits for.
const CHANGES_MIN: u64 = 1000;
/// The part of the entries that must have changed too.
const CHANGES_SHARE: f64 = 0.02;

/// A graph, and how many of its entries its last checkpoint does not agree about.
pub(super) type Loaded = (Arc<dyn VectorIndex>, u64);

/// Where checkpoints are.
pub(in crate::table) struct Shelf(PathBuf);

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    crate::error!(IO_ERROR, "could not {what} \"{}\": {error}", path.display())
}

impl Shelf {
    pub(in crate::table) fn new(dir: PathBuf) -> Result<Self> {
        fs::create_dir_all(&dir).map_err(|error| failed("create directory", &dir, &error))?;
        Ok(Self(dir))
    }

    fn path(&self, index: StorageId) -> PathBuf {
        self.0.join(format!("{}.graph", index.0))
    }

    /// Removes the checkpoints of indexes that are no more.
    fn keep_only(&self, wanted: &dyn Fn(StorageId) -> bool) -> Result<()> {
        let listed = fs::read_dir(&self.0).map_err(|error| failed("read directory", &self.0, &error))?;
        for file in listed {
            let path = file.map_err(|error| failed("read directory", &self.0, &error))?.path();
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

    fn write(&self, index: StorageId, graph: &dyn VectorIndex) -> Result<File> {
        let path = self.0.join(format!("{}.new", index.0));
        let file = File::create(&path).map_err(|error| failed("create file", &path, &error))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        graph.checkpoint(&mut out)?;
        out.flush().map_err(|error| failed("write file", &path, &error))?;
        out.into_inner().map_err(|error| failed("write file", &path, error.error()))
    }

    fn publish(&self, index: StorageId, file: &File) -> Result<()> {
        let (from, to) = (self.0.join(format!("{}.new", index.0)), self.path(index));
        file.sync_all().map_err(|error| failed("fsync file", &from, &error))?;
        fs::rename(&from, &to).map_err(|error| failed("rename file", &from, &error))?;
        let dir = File::open(&self.0).map_err(|error| failed("open directory", &self.0, &error))?;
        dir.sync_all().map_err(|error| failed("fsync directory", &self.0, &error))
    }

    fn read(&self, index: StorageId) -> Result<Option<Hnsw>> {
        let path = self.path(index);
        match File::open(&path) {
            Ok(file) => restore(&mut BufReader::with_capacity(1 << 20, file)).map(Some),
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

    /// Writes checkpoints of the vector indexes that have changed: `all` of them, or those that changed much. Writers to an index wait
    /// while it is written. Returns how many were written.
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
            if state.changes() < if all { 1 } else { due } {
                continue;
            }
            let mut file = None;
            state.checkpoint(&mut |graph| {
                file = Some(shelf.write(index, graph)?);
                Ok(())
            })?;
            if let Some(file) = file {
                shelf.publish(index, &file)?;
                written += 1;
            }
        }
        Ok(written)
    }
}

impl Table {
    /// The graph of the last checkpoint, brought up to date, and how many entries that took; `None` when there is none that can be used.
    pub(super) fn restore_graph(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: &OpenVector,
        shelf: &Shelf,
    ) -> Result<Option<Loaded>> {
        let storage = index.plan.desc.storage;
        let graph = match shelf.read(storage) {
            Ok(Some(graph)) if *graph.options() == *index.options => graph,
            Ok(_) => return Ok(None),
            Err(error) => {
                tracing::warn!(%error, index = %index.plan.desc.name, "a vector index is built anew");
                return Ok(None);
            }
        };
        let mut held: Vec<(RowId, u32)> = Vec::with_capacity(graph.len());
        graph.for_each(&mut |row, tag| held.push((row, tag)));
        let mut stored: Vec<(RowId, u32)> = Vec::with_capacity(graph.len());
        txn.scan_entries(storage, &[], None, false, &mut |key, row| {
            stored.extend(key.try_into().ok().map(|tag| (row, u32::from_be_bytes(tag))));
            Ok(true)
        })?;
        held.sort_unstable();
        stored.sort_unstable();
        stored.dedup();
        let missing = |from: &[(RowId, u32)], entry: &(RowId, u32)| from.binary_search(entry).is_err();
        let mut changes = 0;
        for (row, tag) in held.iter().filter(|entry| missing(&stored, entry)) {
            graph.remove(*row, *tag);
            changes += 1;
        }
        let view = txn.latest_view();
        for (row, tag) in stored.iter().filter(|entry| missing(&held, entry)) {
            txn.get_at(&view, self.desc().storage, *row, &mut |_, values| {
                if let Some((now, vector)) = index.stored_entry(self, values, evaluator)?
                    && now == *tag
                {
                    with_vector(&vector, |vector| graph.insert(*row, *tag, vector));
                    changes += 1;
                }
                Ok(())
            })?;
        }
        Ok(Some((Arc::new(graph), changes)))
    }
}

//! One temporary file of batches.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use crate::error::{Error, Result, SqlState};
use crate::sql::executor::{ExecContext, Operator};
use crate::types::column::Batch;

use super::block;

/// Bytes that are collected before they are written.
const BUFFER_BYTES: usize = 16 << 10;

/// Where a session's temporary files lie and how large they may be together.
#[derive(Clone, Debug)]
pub struct SpillSpace {
    dir: Arc<PathBuf>,
    /// `temp_file_limit` in bytes.
    limit: Option<u64>,
    used: Arc<AtomicU64>,
}

/// Numbers files, so that names do not meet.
static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

impl SpillSpace {
    /// Files in `dir`, which is made when it is needed; all together of at most `limit` bytes.
    #[must_use]
    pub fn new(dir: PathBuf, limit: Option<u64>) -> Self {
        Self { dir: Arc::new(dir), limit, used: Arc::default() }
    }

    /// The same directory for files that are counted by themselves, with a limit in bytes.
    #[must_use]
    pub fn limited(&self, limit: Option<u64>) -> Self {
        Self { dir: Arc::clone(&self.dir), limit, used: Arc::default() }
    }

    /// Bytes on disk now.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        match self.limit {
            Some(limit) if used > limit => {
                self.used.fetch_sub(bytes, Ordering::Relaxed);
                let limit = limit / 1024;
                crate::bail!(
                    CONFIGURATION_LIMIT_EXCEEDED,
                    "temporary file size exceeds \"temp_file_limit\" ({limit}kB)"
                )
            }
            _ => Ok(()),
        }
    }
}

impl Default for SpillSpace {
    /// The system's directory for temporary files, without limit.
    fn default() -> Self {
        // Asking the environment costs more than all else that a small statement does to start.
        static DIR: LazyLock<Arc<PathBuf>> = LazyLock::new(|| Arc::new(std::env::temp_dir().join("omendb")));
        Self { dir: Arc::clone(&DIR), limit: None, used: Arc::default() }
    }
}

/// Empties a directory of temporary files that an earlier process left.
///
/// # Errors
/// `58030` when a file cannot be removed.
pub fn clear(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("open directory", dir, &error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed("read directory", dir, &error))?.path();
        fs::remove_file(&path).map_err(|error| failed("remove file", &path, &error))?;
    }
    Ok(())
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let state = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => SqlState::DISK_FULL,
        _ => SqlState::IO_ERROR,
    };
    Error::new(state, format!("could not {what} \"{}\": {error}", path.display()))
}

/// Batches on disk: first written, then read from any of the places where one was written.
pub(in crate::sql::executor) struct SpillFile {
    file: File,
    path: PathBuf,
    unlinked: bool,
    space: SpillSpace,
    /// Bytes reserved for this file.
    size: u64,
    buffer: Vec<u8>,
    /// Where the buffer's first byte belongs.
    flushed: u64,
    rows: usize,
    reads: Cell<u64>,
}

impl SpillFile {
    /// An empty file.
    ///
    /// # Errors
    /// `58030`.
    pub(in crate::sql::executor) fn create(space: &SpillSpace) -> Result<Self> {
        let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
        let path = space.dir.join(format!("spill.{}.{number}", std::process::id()));
        let open = || OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let opened = open().or_else(|error| match error.kind() {
            ErrorKind::NotFound => fs::create_dir_all(&*space.dir).and_then(|()| open()),
            _ => Err(error),
        });
        let file = opened.map_err(|error| failed("create file", &path, &error))?;
        // An open file without a name lives until it is closed, however that comes about.
        let unlinked = cfg!(unix) && fs::remove_file(&path).is_ok();
        let space = space.clone();
        Ok(Self {
            file,
            path,
            unlinked,
            space,
            size: 0,
            buffer: Vec::new(),
            flushed: 0,
            rows: 0,
            reads: Cell::new(u64::MAX),
        })
    }

    /// Appends a batch; where it can be read.
    ///
    /// # Errors
    /// `53400` over the limit, `53100` on a full disk, `58030`.
    pub(in crate::sql::executor) fn write(&mut self, batch: &Batch) -> Result<u64> {
        let (place, start) = (self.end(), self.buffer.len());
        self.buffer.extend_from_slice(&[0; 4]);
        block::encode(batch, &mut self.buffer);
        let length = u32::try_from(self.buffer.len() - start - 4).expect("batches have fewer than 2^32 bytes");
        self.buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
        let bytes = u64::from(length) + 4;
        self.space.reserve(bytes)?;
        self.size += bytes;
        self.rows += batch.rows;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(place)
    }

    fn flush(&mut self) -> Result<()> {
        let mut file = &self.file;
        if self.reads.replace(u64::MAX) != u64::MAX {
            file.seek(SeekFrom::Start(self.flushed)).map_err(|error| failed("seek in file", &self.path, &error))?;
        }
        file.write_all(&self.buffer).map_err(|error| failed("write to file", &self.path, &error))?;
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The batch at a place and the place behind it; `None` at the end.
    ///
    /// # Errors
    /// `58030`.
    pub(in crate::sql::executor) fn read(&self, place: u64) -> Result<Option<(Batch, u64)>> {
        if place >= self.flushed {
            let from = usize::try_from(place - self.flushed).expect("buffers are small");
            let Some(bytes) = self.buffer.get(from..).filter(|bytes| !bytes.is_empty()) else { return Ok(None) };
            let (length, rest) = bytes.split_first_chunk::<4>().expect("blocks begin with their length");
            let length = u32::from_le_bytes(*length);
            return Ok(Some((block::decode(&rest[..length as usize])?, place + 4 + u64::from(length))));
        }
        let error = |error: std::io::Error| failed("read from file", &self.path, &error);
        let mut file = &self.file;
        if self.reads.get() != place {
            file.seek(SeekFrom::Start(place)).map_err(error)?;
        }
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(error)?;
        let length = u32::from_le_bytes(length);
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).map_err(error)?;
        let next = place + 4 + u64::from(length);
        self.reads.set(next);
        Ok(Some((block::decode(&bytes)?, next)))
    }

    /// The place behind the last batch.
    pub(in crate::sql::executor) fn end(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Bytes on disk or on their way there.
    pub(in crate::sql::executor) fn size(&self) -> u64 {
        self.size
    }

    /// Rows written.
    pub(in crate::sql::executor) fn rows(&self) -> usize {
        self.rows
    }

    /// Everything from the start.
    pub(in crate::sql::executor) fn reader(self) -> SpillReader {
        SpillReader { file: self, at: 0 }
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.space.used.fetch_sub(self.size, Ordering::Relaxed);
        if !self.unlinked {
            // Nothing can be done about it here; the next start of the server sweeps the directory.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a file from its start; it is gone afterwards.
pub(in crate::sql::executor) struct SpillReader {
    file: SpillFile,
    at: u64,
}

impl Operator for SpillReader {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        ctx.check()?;
        let Some((batch, next)) = self.file.read(self.at)? else { return Ok(None) };
        self.at = next;
        Ok(Some(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::{SpillFile, SpillSpace, clear};
    use crate::error::SqlState;
    use crate::types::column::Batch;
    use crate::types::{Datum, Oid};

    fn batch(value: i32) -> Batch {
        let row = vec![Datum::Int4(value), Datum::text("x".repeat(3000))];
        Batch::from_rows(&[Oid::INT4, Oid::TEXT], &[row])
    }

    #[test]
    fn batches_are_read_where_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let space = SpillSpace::new(dir.path().join("tmp"), None);
        let mut file = SpillFile::create(&space).unwrap();
        let places: Vec<u64> = (0..30).map(|value| file.write(&batch(value)).unwrap()).collect();
        assert_eq!(space.used(), file.size());
        for (value, place) in (0..30).zip(&places).rev() {
            let (found, next) = file.read(*place).unwrap().unwrap();
            assert!(matches!(found.datum(0, Oid::INT4, 0), Datum::Int4(found) if found == value));
            assert_eq!(Some(&next), places.get(value as usize + 1).or(Some(&file.size())));
        }
        // Reading in between does not disturb writing.
        let last = file.write(&batch(30)).unwrap();
        for value in 31..60 {
            file.write(&batch(value)).unwrap();
        }
        assert!(matches!(file.read(last).unwrap().unwrap().0.datum(0, Oid::INT4, 0), Datum::Int4(30)));
        assert!(file.read(file.size()).unwrap().is_none());
        drop(file);
        assert_eq!(space.used(), 0);
        assert_eq!(std::fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    }

    #[test]
    fn the_limit_is_for_all_files_together() {
        let dir = tempfile::tempdir().unwrap();
        let space = SpillSpace::new(dir.path().to_owned(), Some(10 << 10));
        let (mut one, mut two) = (SpillFile::create(&space).unwrap(), SpillFile::create(&space).unwrap());
        one.write(&batch(1)).unwrap();
        one.write(&batch(1)).unwrap();
        two.write(&batch(1)).unwrap();
        let error = two.write(&batch(1)).unwrap_err();
        assert_eq!(error.report().sqlstate, SqlState::CONFIGURATION_LIMIT_EXCEEDED);
        assert_eq!(error.report().message, "temporary file size exceeds \"temp_file_limit\" (10kB)");
        drop(one);
        two.write(&batch(1)).unwrap();
    }

    #[test]
    fn clearing_removes_what_was_left() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spill.1.1"), b"left").unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        clear(&dir.path().join("missing")).unwrap();
    }
}

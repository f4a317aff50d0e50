//! Batches that are read again by number: in memory as far as that goes, then on disk.

use crate::error::Result;
use crate::sql::executor::ExecContext;
use crate::sql::executor::rows::compacted;
use crate::types::column::Batch;

use super::SpillFile;

/// Batches in order.
#[derive(Default)]
pub(in crate::sql::executor) struct Spool {
    kept: Vec<Batch>,
    bytes: usize,
    /// The batches after those in memory, and where each lies.
    spilled: Option<(SpillFile, Vec<u64>)>,
}

impl Spool {
    /// Number of batches.
    pub(in crate::sql::executor) fn len(&self) -> usize {
        self.kept.len() + self.spilled.as_ref().map_or(0, |(_, places)| places.len())
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// Those of writing a temporary file.
    pub(in crate::sql::executor) fn push(&mut self, batch: Batch, ctx: &ExecContext) -> Result<()> {
        if self.spilled.is_none() {
            let (batch, bytes) = compacted(batch);
            if self.bytes + bytes <= ctx.shared.work_mem {
                self.bytes += bytes;
                self.kept.push(batch);
                return Ok(());
            }
            let mut file = SpillFile::create(&ctx.shared.spill)?;
            let place = file.write(&batch)?;
            self.spilled = Some((file, vec![place]));
            return Ok(());
        }
        let (file, places) = self.spilled.as_mut().expect("there is a file");
        places.push(file.write(&batch)?);
        Ok(())
    }

    /// A batch; `None` behind the last.
    ///
    /// # Errors
    /// `58030`.
    pub(in crate::sql::executor) fn get(&self, at: usize) -> Result<Option<Batch>> {
        if let Some(batch) = self.kept.get(at) {
            return Ok(Some(batch.clone()));
        }
        let Some((file, places)) = &self.spilled else { return Ok(None) };
        let Some(place) = places.get(at - self.kept.len()) else { return Ok(None) };
        Ok(file.read(*place)?.map(|(batch, _)| batch))
    }
}

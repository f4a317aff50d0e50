//! Rows that are kept: how many bytes they hold, and batches worth keeping.
//!
//! Filtering and taking from columns of strings shares their buffers, so a batch of three rows may hold the strings of a
//! thousand. Whoever keeps batches keeps compacted ones, of a useful size.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::ByteViewType;
use arrow_array::{Array, ArrayRef, GenericByteViewArray};
use arrow_schema::DataType;

use crate::error::Result;
use crate::types::column::Batch;

use super::{BATCH_ROWS, ExecContext, Operator};

/// Bytes of a string that stand in the view itself.
const INLINE_BYTES: u32 = 12;
/// Batches below this many rows are put together before they are kept.
const WORTH_KEEPING: usize = BATCH_ROWS / 2;

/// Bytes that the strings of a column take outside of their views.
fn outside<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> usize {
    // The low 32 bits of a view are the string's length.
    array
        .views()
        .iter()
        .map(|view| *view as u32)
        .filter(|length| *length > INLINE_BYTES)
        .map(|length| length as usize)
        .sum()
}

fn compact_views<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> (Option<ArrayRef>, usize) {
    let needed = outside(array);
    let has: usize = array.data_buffers().iter().map(|buffer| buffer.len()).sum();
    let copy = (has > 2 * needed + 1024).then(|| Arc::new(array.gc()) as ArrayRef);
    (copy, needed + 16 * array.len())
}

/// Bytes of a column's rows, shared ones counted in full.
fn column_bytes(column: &ArrayRef) -> usize {
    let nulls = if column.nulls().is_some() { column.len() / 8 } else { 0 };
    nulls
        + match column.data_type() {
            DataType::Utf8View => outside(column.as_string_view()) + 16 * column.len(),
            DataType::BinaryView => outside(column.as_binary_view()) + 16 * column.len(),
            DataType::Boolean => column.len() / 8,
            other => column.len() * other.primitive_width().unwrap_or(16),
        }
}

/// Bytes that the rows of a batch take.
pub(super) fn held(batch: &Batch) -> usize {
    batch.columns.iter().map(column_bytes).sum()
}

/// The batch without strings that none of its rows has, and [`held`].
pub(super) fn compacted(mut batch: Batch) -> (Batch, usize) {
    let mut bytes = 0;
    for column in &mut batch.columns {
        let (copy, size) = match column.data_type() {
            DataType::Utf8View => compact_views(column.as_string_view()),
            DataType::BinaryView => compact_views(column.as_binary_view()),
            _ => (None, column_bytes(column)),
        };
        bytes += size;
        if let Some(copy) = copy {
            *column = copy;
        }
    }
    (batch, bytes)
}

/// An input whose batches are worth keeping: compacted, small ones put together, empty ones left out.
pub(super) struct Coalesced<'a> {
    input: &'a mut dyn Operator,
}

impl<'a> Coalesced<'a> {
    pub(super) fn new(input: &'a mut dyn Operator) -> Self {
        Self { input }
    }

    /// The next rows.
    ///
    /// # Errors
    /// Those of the input.
    pub(super) fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let (mut parts, mut rows) = (Vec::new(), 0);
        while rows < WORTH_KEEPING {
            let Some(batch) = self.input.next(ctx)? else { break };
            if batch.rows > 0 {
                rows += batch.rows;
                parts.push(compacted(batch).0);
            }
        }
        Ok(match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(compacted(Batch::concat(&parts)).0),
        })
    }
}

//! The first rows of a stream by key.
//!
//! A heap with the worst kept row on top. A row is compared with that one before anything of it is copied; the rows of a
//! batch that enter are copied out of it, so that wide batches go as they came.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use arrow_buffer::NullBuffer;

use crate::sql::executor::keys::Keys;
use crate::sql::executor::rows::compacted;
use crate::types::column::Batch;

use super::sorter::Sorted;

/// Rows kept beyond twice the wanted ones before those that fell out are dropped.
const SLACK: usize = 4096;

/// A row that may be among the first.
struct Candidate {
    head: u128,
    rest: Box<[u8]>,
    /// Its number in the input: among equal keys the first rows stay.
    arrival: u64,
    batch: u32,
    row: u32,
}

impl Candidate {
    fn key(&self) -> (u128, &[u8], u64) {
        (self.head, &self.rest, self.arrival)
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The first rows so far.
pub(super) struct Top {
    wanted: usize,
    heap: BinaryHeap<Candidate>,
    batches: Vec<Batch>,
    rows_held: usize,
    bytes: usize,
    arrived: u64,
}

impl Top {
    /// For the first `wanted` > 0 rows.
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted, heap: BinaryHeap::new(), batches: Vec::new(), rows_held: 0, bytes: 0, arrived: 0 }
    }

    /// Takes in a batch.
    pub(super) fn add(&mut self, batch: Batch, keys: &Keys) {
        let rows = self.entering(keys);
        self.arrived += batch.rows as u64;
        if rows.is_empty() {
            return;
        }
        self.rows_held += rows.len();
        let (kept, bytes) = compacted(if rows.len() == batch.rows { batch } else { batch.take(&rows) });
        self.batches.push(kept);
        self.bytes += bytes;
        if self.rows_held > 2 * self.wanted + SLACK {
            self.compact();
        }
    }

    /// Puts the rows that are better than the worst kept one into the heap; their numbers in the batch.
    fn entering(&mut self, keys: &Keys) -> Vec<u32> {
        let mut rows = Vec::new();
        if let Keys::Words { images, nulls, .. } = keys
            && nulls.as_ref().is_none_or(|nulls: &NullBuffer| nulls.null_count() == 0)
        {
            // Numbers: most rows are turned down by one comparison.
            let mut bound = self.bound();
            for (row, image) in images.iter().enumerate() {
                if bound.is_none_or(|bound| *image < bound) && self.enter(keys, row, &mut rows) {
                    bound = self.bound();
                }
            }
            return rows;
        }
        for row in 0..keys.len() {
            self.enter(keys, row, &mut rows);
        }
        rows
    }

    /// The number below which a row enters, when the heap is full of rows that are not NULL.
    fn bound(&self) -> Option<u64> {
        let worst = self.heap.peek().filter(|_| self.heap.len() >= self.wanted)?;
        let value = u128::from(crate::types::keycode::VALUE) << 88;
        let image = worst.head.checked_sub(value)? >> 24;
        u64::try_from(image).ok()
    }

    fn enter(&mut self, keys: &Keys, row: usize, rows: &mut Vec<u32>) -> bool {
        let head = keys.head(row);
        if self.heap.len() >= self.wanted
            && let Some(worst) = self.heap.peek()
            && (head, keys.rest(row)) >= (worst.head, &worst.rest)
        {
            return false;
        }
        let number = |count: usize| u32::try_from(count).expect("batches are dropped long before");
        self.heap.push(Candidate {
            head,
            rest: keys.rest(row).into(),
            arrival: self.arrived + row as u64,
            batch: number(self.batches.len()),
            row: number(rows.len()),
        });
        rows.push(number(row));
        if self.heap.len() > self.wanted {
            self.heap.pop();
        }
        true
    }

    /// Copies the rows that are kept together, so that the others can go.
    fn compact(&mut self) {
        let mut kept = std::mem::take(&mut self.heap).into_vec();
        let (batch, bytes) = self.gather(&kept);
        (self.batches, self.bytes) = (vec![batch], bytes);
        self.rows_held = kept.len();
        for (at, candidate) in kept.iter_mut().enumerate() {
            (candidate.batch, candidate.row) = (0, u32::try_from(at).expect("few rows are kept"));
        }
        self.heap = kept.into();
    }

    fn gather(&self, rows: &[Candidate]) -> (Batch, usize) {
        let places: Vec<(usize, usize)> = rows.iter().map(|row| (row.batch as usize, row.row as usize)).collect();
        compacted(Batch::interleave(&self.batches, &places))
    }

    fn heap_bytes(&self) -> usize {
        self.heap.len() * size_of::<Candidate>()
    }

    /// Bytes held by the rows that are wanted, more or less.
    pub(super) fn memory(&self) -> usize {
        let share = self.heap.len() as f64 / self.rows_held.max(1) as f64;
        (self.bytes as f64 * share) as usize + self.heap_bytes()
    }

    /// The rows so far, in the order in which they came.
    pub(super) fn into_rows(mut self) -> Batch {
        let mut rows = std::mem::take(&mut self.heap).into_vec();
        rows.sort_unstable_by_key(|row| row.arrival);
        self.gather(&rows).0
    }

    /// The first rows in order.
    pub(super) fn finish(mut self) -> Sorted {
        let rows = std::mem::take(&mut self.heap).into_sorted_vec();
        let (batch, bytes) = self.gather(&rows);
        let note = format!("Sort Method: top-N heapsort  Memory: {}kB", (bytes + self.heap_bytes()).div_ceil(1024));
        Sorted::of(batch, note)
    }
}

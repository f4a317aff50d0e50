//! Rows of atomic words that grow while they are read.
//!
//! A shelf is an array of rows, all of one width, in segments that never move: segment 0 holds what was expected, the
//! later ones double. A reader finds a row by its number without a lock; a row that was never written reads as zeros.
//! Words are read and written one by one and relaxed: a row that is rewritten while it is read may be seen half old and
//! half new. Every user of a shelf says why that does no harm to it.
//!
//! ```text
//!   row 0 .. expected-1 | 2^s rows | 2^s rows | 2^(s+1) rows | 2^(s+2) ...
//!   segment 0           | 1        | 2        | 3            | 4
//! ```

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use crate::simd::memory::{self, Word, Words};

/// Segments that a shelf can have: enough for 2^31 rows.
const SEGMENTS: usize = 28;
/// Fewest rows of a later segment.
const SEGMENT_ROWS_MIN: usize = 1024;

/// See the module.
pub(super) struct Shelf<T: Word> {
    width: usize,
    first: usize,
    shift: u32,
    segments: [OnceLock<Words<T>>; SEGMENTS],
    /// Where segments lie; in memory when there is none, or no room in it.
    file: Option<Arc<File>>,
}

/// A shelf of links and of facts about entries.
pub(super) type Shelf32 = Shelf<AtomicU32>;
/// A shelf of codes and vectors.
pub(super) type Shelf64 = Shelf<AtomicU64>;

impl<T: Word> Shelf<T> {
    /// An empty shelf of rows of `width` words; `expected` rows share one segment.
    pub(super) fn new(width: usize, expected: usize) -> Self {
        Self::in_file(width, expected, None)
    }

    /// An empty shelf that lies in a file if there is one.
    pub(super) fn in_file(width: usize, expected: usize, file: Option<Arc<File>>) -> Self {
        let first = expected.max(SEGMENT_ROWS_MIN);
        let shift = (first / 8).max(SEGMENT_ROWS_MIN).next_power_of_two().trailing_zeros();
        Self { width, first, shift, segments: [const { OnceLock::new() }; SEGMENTS], file }
    }

    fn segment(&self, segment: usize) -> Words<T> {
        let count = self.rows_of(segment) * self.width;
        let in_file = self.file.as_ref().and_then(|file| Words::in_file(file, count).ok());
        in_file.unwrap_or_else(|| Words::zeroed(count))
    }

    /// Segment of a row and the row's number in it.
    #[inline]
    fn place(&self, row: usize) -> (usize, usize) {
        if row < self.first {
            return (0, row);
        }
        let later = row - self.first;
        match later >> self.shift {
            0 => (1, later),
            doubled => {
                let power = doubled.ilog2();
                (2 + power as usize, later - (1 << (self.shift + power)))
            }
        }
    }

    fn rows_of(&self, segment: usize) -> usize {
        match segment {
            0 => self.first,
            1 | 2 => 1 << self.shift,
            later => 1 << (self.shift as usize + later - 2),
        }
    }

    /// Makes room for a row and returns it.
    pub(super) fn grow(&self, row: usize) -> &[T] {
        let (segment, at) = self.place(row);
        let words = self.segments[segment].get_or_init(|| self.segment(segment));
        &words[at * self.width..(at + 1) * self.width]
    }

    /// A row that [`Shelf::grow`] made room for.
    ///
    /// # Panics
    /// When it did not.
    #[inline]
    pub(super) fn row(&self, row: usize) -> &[T] {
        self.rows(row, 1)
    }

    /// The words of rows that [`Shelf::grow`] made room for and that lie in one segment.
    ///
    /// # Panics
    /// When it did not, or they do not.
    #[inline]
    pub(super) fn rows(&self, first: usize, count: usize) -> &[T] {
        let (segment, at) = self.place(first);
        let words = self.segments[segment].get().expect("the rows have room");
        &words[at * self.width..(at + count) * self.width]
    }

    /// How many rows, this one first, lie in one segment.
    pub(super) fn together(&self, row: usize) -> usize {
        let (segment, at) = self.place(row);
        self.rows_of(segment) - at
    }

    /// Makes room for rows and returns their words, in as few pieces as they lie in.
    pub(super) fn pieces(&self, rows: Range<usize>) -> impl Iterator<Item = &[T]> {
        let mut next = rows.start;
        std::iter::from_fn(move || {
            if next >= rows.end {
                return None;
            }
            let (first, count) = (next, self.together(next).min(rows.end - next));
            self.grow(first);
            next += count;
            Some(self.rows(first, count))
        })
    }

    /// Whether there is room for the row.
    #[inline]
    pub(super) fn has(&self, row: usize) -> bool {
        self.segments[self.place(row).0].get().is_some()
    }

    /// Bytes of memory that the segments take.
    pub(super) fn bytes(&self) -> u64 {
        let segments = self.segments.iter().filter_map(OnceLock::get);
        let words = segments.filter(|segment| !segment.is_in_file()).map(|segment| segment.len());
        (words.sum::<usize>() * size_of::<T>()) as u64
    }

    /// Words of a row.
    pub(super) fn width(&self) -> usize {
        self.width
    }
}

impl Shelf64 {
    /// Appends the bytes of some rows.
    pub(super) fn save(&self, rows: Range<u32>, out: &mut Vec<u8>) {
        for words in self.pieces(rows.start as usize..rows.end as usize) {
            out.extend_from_slice(memory::bytes(words));
        }
    }

    /// Reads what [`Shelf64::save`] wrote of as many rows off the front; nothing when there is less.
    pub(super) fn restore(&self, rows: Range<u32>, from: &mut &[u8]) -> Option<()> {
        for words in self.pieces(rows.start as usize..rows.end as usize) {
            memory::store(words, from.split_off(..size_of_val(words))?);
        }
        Some(())
    }
}

//! Rows of different lengths that are rewritten and grow while they are read.
//!
//! ```text
//!   places   start, length | start, length | ...             a word for each row, by its number
//!   words    a a a a b b b . c c c c c . . . a a ...         a row's words lie side by side, rounded up to four
//! ```
//!
//! A reader finds a row by its place without a lock. A row that is rewritten at another length moves, and what it leaves is given to the next row of
//! that length. So a reader may see a row half old and half new, or another one in its place: every user says why that does no
//! harm to it. A row that was never written is empty.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::shelf::Shelf64;

/// Low bits of a place, which are the length.
const LENGTH_BITS: u32 = 16;
/// Lengths are rounded up to so many words.
const STEP: usize = 4;

/// See the module.
pub(super) struct Arena {
    places: Shelf64,
    words: Shelf64,
    free: Mutex<Free>,
}

/// What no row has.
#[derive(Default)]
struct Free {
    /// Where words begin that no row ever had.
    end: usize,
    /// Starts of what rows left, by rounded length.
    left: BTreeMap<usize, Vec<usize>>,
}

impl Arena {
    /// An empty arena; places of `expected` rows lie side by side.
    pub(super) fn new(expected: usize) -> Self {
        let words = Shelf64::new(1, 0);
        // A row of no words lies at the start of them.
        words.grow(0);
        Self { places: Shelf64::new(1, expected), words, free: Mutex::default() }
    }

    /// Makes room for a row, which is empty unless it was written.
    pub(super) fn make_room(&self, row: usize) {
        self.places.grow(row);
    }

    /// Writes a row of less than 65,536 words. Nobody else writes it at the same time.
    pub(super) fn write(&self, row: usize, words: &[u64]) {
        assert!(words.len() < 1 << LENGTH_BITS, "a row of {} words", words.len());
        let place = &self.places.grow(row)[0];
        let start = self.move_to(place.load(Ordering::Relaxed), words.len());
        let room = self.words.rows(start, words.len());
        room.iter().zip(words).for_each(|(word, value)| word.store(*value, Ordering::Relaxed));
        place.store((start << LENGTH_BITS | words.len()) as u64, Ordering::Release);
    }

    /// Gives up a place for one of another length; where that is.
    fn move_to(&self, place: u64, length: usize) -> usize {
        let (start, before) = parts(place);
        let (before, wanted) = (before.next_multiple_of(STEP), length.next_multiple_of(STEP));
        if before == wanted {
            return start;
        }
        let mut free = self.free.lock();
        if before > 0 {
            free.left.entry(before).or_default().push(start);
        }
        if let Some(start) = free.left.get_mut(&wanted).and_then(Vec::pop) {
            return start;
        }
        let mut start = free.end;
        // What is left of a segment and too short stays empty; segments double, so that one is long enough.
        while self.words.together(start) < wanted {
            start += self.words.together(start);
        }
        free.end = start + wanted;
        self.words.grow(start);
        start
    }

    /// The words of a row that there is room for.
    ///
    /// # Panics
    /// When there is none.
    #[inline]
    pub(super) fn row(&self, row: usize) -> &[AtomicU64] {
        let (start, length) = parts(self.places.row(row)[0].load(Ordering::Acquire));
        self.words.rows(start, length)
    }

    /// Bytes that were ever written.
    pub(super) fn bytes(&self) -> u64 {
        self.places.bytes() + 8 * self.free.lock().end as u64
    }
}

/// Start and length of a place.
#[inline]
fn parts(place: u64) -> (usize, usize) {
    let place = place as usize;
    (place >> LENGTH_BITS, place & ((1 << LENGTH_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn read(arena: &Arena, row: usize) -> Vec<u64> {
        arena.row(row).iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    proptest! {
        /// There are more words than the first segment has.
        #[test]
        fn a_row_is_what_was_written_last(writes in prop::collection::vec((0_usize..40, 0_usize..300), 0..120)) {
            let (arena, mut model) = (Arena::new(10), BTreeMap::new());
            for (nth, (row, length)) in writes.into_iter().enumerate() {
                let words: Vec<u64> = (0..length).map(|at| (nth << 20 | at) as u64).collect();
                arena.write(row, &words);
                model.insert(row, words);
            }
            for row in 0..50 {
                arena.make_room(row);
                prop_assert_eq!(read(&arena, row), model.remove(&row).unwrap_or_default());
            }
        }

        #[test]
        fn what_rows_left_is_used_again(lengths in prop::collection::vec(1_usize..60, 1..20)) {
            let arena = Arena::new(10);
            let write_all = |first: u64| {
                for (row, length) in lengths.iter().enumerate() {
                    arena.write(row, &vec![first + row as u64; *length]);
                }
            };
            write_all(0);
            let before = arena.bytes();
            for round in 1..6 {
                (0..lengths.len()).for_each(|row| arena.write(row, &[]));
                write_all(100 * round);
            }
            prop_assert_eq!(arena.bytes(), before);
            for (row, length) in lengths.iter().enumerate() {
                prop_assert_eq!(read(&arena, row), vec![500 + row as u64; *length]);
            }
            prop_assert!(before > 0);
        }
    }

    #[test]
    #[should_panic(expected = "a row of 65536 words")]
    fn rows_are_not_too_long() {
        Arena::new(1).write(0, &[0; 1 << 16]);
    }
}

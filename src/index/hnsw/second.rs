//! Second rows of lists of level 0: for the links that do not fit beside the node.
//!
//! How many those are differs from node to node, so rows come in three sizes, a third, two thirds and all of what a list may have more, and a
//! list has the smallest one that holds it: 11 bytes a node instead of 20 on 300,000 sentences at `m = 16`.
//! A row that a list has outgrown or does not need any more is the next list's. Readers take no lock: who follows a place that was given
//! away meanwhile sees links of another list, each of which is a node ([`super::graph`]).

use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use super::list::{NONE, unit};
use super::shelf::Shelf32;

/// Sizes of rows.
pub(super) const SIZES: usize = 3;
const SIZE_SHIFT: u32 = 30;
const ROW_MASK: u32 = (1 << SIZE_SHIFT) - 1;

/// See the module. A place is a size and a row in one word, [`NONE`] for none.
pub(super) struct Seconds {
    sizes: [Shelf32; SIZES],
    packed: bool,
    used: Mutex<Used>,
}

/// Rows handed out so far, and those given back.
#[derive(Default)]
struct Used {
    rows: [u32; SIZES],
    free: [Vec<u32>; SIZES],
}

/// The place of a row of a size.
pub(super) fn place(size: usize, row: u32) -> u32 {
    (size as u32 + 1) << SIZE_SHIFT | row
}

/// The size and the row of a place.
#[inline]
fn parts(place: u32) -> Option<(usize, u32)> {
    Some(((place >> SIZE_SHIFT).checked_sub(1)? as usize, place & ROW_MASK))
}

impl Seconds {
    /// No rows yet, the largest with so many words; of so many lists that are expected, about an eighth needs each size.
    pub(super) fn new(words: usize, packed: bool, expected: usize) -> Self {
        let units = words / unit(packed).1;
        let size = |nth: usize| Shelf32::new((units * (nth + 1)).div_ceil(SIZES) * unit(packed).1, expected / 8);
        Self { sizes: std::array::from_fn(size), packed, used: Mutex::default() }
    }

    /// Words of the largest rows.
    pub(super) fn width(&self) -> usize {
        self.sizes[SIZES - 1].width()
    }

    /// The smallest size with so many words; `None` when none are needed.
    ///
    /// # Panics
    /// When there is no such size.
    pub(super) fn size_of_words(&self, words: usize) -> Option<usize> {
        let fits = |size: &Shelf32| size.width() >= words;
        (words > 0).then(|| self.sizes.iter().position(fits).expect("a list has no more links than it may"))
    }

    /// The size for so many links.
    fn size_of_links(&self, links: usize) -> Option<usize> {
        let (of_links, of_words) = unit(self.packed);
        self.size_of_words(links.div_ceil(of_links) * of_words)
    }

    /// The words of a place; none of no place.
    #[inline]
    pub(super) fn row(&self, place: u32) -> &[AtomicU32] {
        parts(place).map_or(&[], |(size, row)| self.sizes[size].row(row as usize))
    }

    /// The words of a place that was taken with [`Seconds::take_many`].
    pub(super) fn grow(&self, place: u32) -> &[AtomicU32] {
        parts(place).map_or(&[], |(size, row)| self.sizes[size].grow(row as usize))
    }

    fn take(&self, size: usize) -> u32 {
        let mut used = self.used.lock();
        let row = used.free[size].pop().unwrap_or_else(|| {
            used.rows[size] += 1;
            used.rows[size] - 1
        });
        drop(used);
        assert!(row < ROW_MASK, "there is room for 2^30 second rows of a size");
        let place = place(size, row);
        self.grow(place).iter().for_each(|word| word.store(NONE, Ordering::Relaxed));
        place
    }

    /// Takes rows of each size, which follow each other; nothing when there are no more.
    pub(super) fn take_many(&self, counts: [u32; SIZES]) -> Option<[u32; SIZES]> {
        let mut used = self.used.lock();
        let first = used.rows;
        for (rows, count) in used.rows.iter_mut().zip(counts) {
            *rows = rows.checked_add(count).filter(|end| *end < ROW_MASK)?;
        }
        Some(first)
    }

    /// Gives a row away.
    pub(super) fn give_back(&self, place: u32) {
        if let Some((size, row)) = parts(place) {
            self.used.lock().free[size].push(row);
        }
    }

    /// Lets a list have the smallest row for so many links beyond its first one; what fits of its links moves along. The caller
    /// holds the list's lock.
    pub(super) fn fit(&self, at: &AtomicU32, links: usize) {
        let old = at.load(Ordering::Relaxed);
        let size = self.size_of_links(links);
        if size == parts(old).map(|(size, _)| size) {
            return;
        }
        let new = size.map_or(NONE, |size| self.take(size));
        for (to, from) in self.row(new).iter().zip(self.row(old)) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        at.store(new, Ordering::Release);
        self.give_back(old);
    }

    /// Resident bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.sizes.iter().map(Shelf32::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::super::list::{room, words};
    use super::{NONE, Seconds, parts};

    proptest! {
        /// Rows are as large as asked for and no larger than needed, keep what fits, and belong to one list at a time.
        #[test]
        fn lists_have_rows_of_their_own(
            packed in any::<bool>(),
            most in 1_usize..40,
            changes in prop::collection::vec((0_usize..6, 0_usize..40), 1..60),
        ) {
            let seconds = Seconds::new(words(most, packed), packed, 100);
            let lists: [AtomicU32; 6] = std::array::from_fn(|_| AtomicU32::new(NONE));
            for (stamp, (list, links)) in changes.into_iter().enumerate() {
                let links = links.min(most);
                let old: Vec<u32> = load(&seconds, &lists[list]);
                seconds.fit(&lists[list], links);
                let row = load(&seconds, &lists[list]);
                prop_assert!(room(row.len(), packed) >= links && (links > 0) != row.is_empty());
                let smaller = parts(lists[list].load(Ordering::Relaxed)).and_then(|(size, _)| size.checked_sub(1));
                prop_assert!(smaller.is_none_or(|size| room(seconds.sizes[size].width(), packed) < links));
                let kept = old.len().min(row.len());
                prop_assert_eq!(&row[..kept], &old[..kept]);
                prop_assert!(row[kept..].iter().all(|word| *word == NONE));
                let number = 1 + stamp as u32 * 10 + list as u32;
                seconds.row(lists[list].load(Ordering::Relaxed)).iter().for_each(|word| word.store(number, Ordering::Relaxed));
                for (nth, list) in lists.iter().enumerate() {
                    let mut of = load(&seconds, list).into_iter().map(|word| (word as usize - 1) % 10);
                    prop_assert!(of.all(|of| of == nth));
                }
            }
        }
    }

    fn load(seconds: &Seconds, list: &AtomicU32) -> Vec<u32> {
        seconds.row(list.load(Ordering::Relaxed)).iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }
}

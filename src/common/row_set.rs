//! Sets of row ids that cost a bit or two bytes a row.
//!
//! Ids are split at 2^16. A stretch of 65,536 ids is a sorted list while it has few of them and a bitmap of 8 kB when it has
//! many, so a set costs at most two bytes a row (twice that while a list grows) and 1/8 byte where rows lie
//! densely. (Roaring bitmaps without the third form: Lemire, Chambi, Kaser, Godin, 2016.)

use std::collections::BTreeMap;
use std::ops::Range;

/// Ids of a stretch that are kept as a list; a bitmap is smaller beyond that.
const LIST_MAX: usize = 4096;
/// Words of a stretch's bitmap.
const WORDS: usize = 1 << 10;

#[derive(Clone, Debug)]
enum Part {
    List(Vec<u16>),
    Bits(Box<[u64; WORDS]>),
}

/// A set of row ids.
#[derive(Clone, Debug, Default)]
pub struct RowSet {
    parts: BTreeMap<u16, Part>,
}

fn split(row: u32) -> (u16, u16) {
    ((row >> 16) as u16, row as u16)
}

fn place(low: u16) -> (usize, u64) {
    (usize::from(low >> 6), 1 << (low & 63))
}

impl Part {
    fn insert(&mut self, low: u16) -> bool {
        match self {
            Self::List(list) => {
                let at = match list.last() {
                    Some(last) if *last >= low => match list.binary_search(&low) {
                        Ok(_) => return false,
                        Err(at) => at,
                    },
                    _ => list.len(),
                };
                list.insert(at, low);
                if list.len() > LIST_MAX {
                    let mut bits = Box::new([0; WORDS]);
                    for (word, bit) in list.iter().map(|low| place(*low)) {
                        bits[word] |= bit;
                    }
                    *self = Self::Bits(bits);
                }
                true
            }
            Self::Bits(bits) => {
                let (word, bit) = place(low);
                let fresh = bits[word] & bit == 0;
                bits[word] |= bit;
                fresh
            }
        }
    }

    fn insert_all(&mut self, lows: impl IntoIterator<Item = u16>) {
        for low in lows {
            self.insert(low);
        }
    }

    fn contains(&self, low: u16) -> bool {
        match self {
            Self::List(list) => list.binary_search(&low).is_ok(),
            Self::Bits(bits) => {
                let (word, bit) = place(low);
                bits[word] & bit != 0
            }
        }
    }

    fn remove(&mut self, low: u16) {
        match self {
            Self::List(list) => {
                if let Ok(at) = list.binary_search(&low) {
                    list.remove(at);
                }
            }
            Self::Bits(bits) => {
                let (word, bit) = place(low);
                bits[word] &= !bit;
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::List(list) => list.is_empty(),
            Self::Bits(bits) => bits.iter().all(|word| *word == 0),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Bits(bits) => bits.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// The ids, ascending.
    fn iter(&self) -> impl Iterator<Item = u16> {
        let (list, words): (&[u16], &[u64]) = match self {
            Self::List(list) => (list, &[]),
            Self::Bits(bits) => (&[], &bits[..]),
        };
        let of_word = |(at, word): (usize, &u64)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.wrapping_sub(1);
                (bit < 64).then_some((at as u16) << 6 | bit as u16)
            })
        };
        list.iter().copied().chain(words.iter().enumerate().flat_map(of_word))
    }

    /// The first id from `low` on.
    fn next(&self, low: u16) -> Option<u16> {
        match self {
            Self::List(list) => list.get(list.partition_point(|other| *other < low)).copied(),
            Self::Bits(bits) => {
                let (first, bit) = place(low);
                let rest = |at: usize| if at == first { bits[at] & !(bit - 1) } else { bits[at] };
                let found = (first..WORDS).map(|at| (at, rest(at))).find(|(_, word)| *word != 0);
                found.map(|(at, word)| (at as u16) << 6 | word.trailing_zeros() as u16)
            }
        }
    }
}

impl RowSet {
    /// Adds a row; false when it was there.
    pub fn insert(&mut self, row: u32) -> bool {
        let (high, low) = split(row);
        self.parts.entry(high).or_insert_with(|| Part::List(Vec::new())).insert(low)
    }

    /// Adds rows in any order; quickest when they ascend.
    pub fn insert_all(&mut self, rows: &[u32]) {
        for stretch in rows.chunk_by(|a, b| a >> 16 == b >> 16) {
            let part = self.parts.entry(split(stretch[0]).0).or_insert_with(|| Part::List(Vec::new()));
            part.insert_all(stretch.iter().map(|row| *row as u16));
        }
    }

    /// Whether a row is in the set.
    #[must_use]
    pub fn contains(&self, row: u32) -> bool {
        let (high, low) = split(row);
        self.parts.get(&high).is_some_and(|part| part.contains(low))
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: u32) {
        let (high, low) = split(row);
        if let Some(part) = self.parts.get_mut(&high) {
            part.remove(low);
            if matches!(part, Part::List(list) if list.is_empty()) {
                self.parts.remove(&high);
            }
        }
    }

    /// Takes rows out.
    pub fn remove_range(&mut self, range: &Range<u32>) {
        if range.is_empty() {
            return;
        }
        let ((first, _), (last, _)) = (split(range.start), split(range.end - 1));
        for (high, part) in self.parts.range_mut(first..=last) {
            let base = u32::from(*high) << 16;
            let (start, end) = (range.start.max(base), (range.end - 1).min(base | 0xffff));
            if (start, end) == (base, base | 0xffff) {
                *part = Part::List(Vec::new());
            } else {
                (start..=end).for_each(|row| part.remove(row as u16));
            }
        }
        self.parts.retain(|_, part| !part.is_empty());
    }

    /// Adds the rows of another set.
    pub fn extend(&mut self, other: &Self) {
        for (high, part) in &other.parts {
            match (self.parts.get_mut(high), part) {
                (None, _) => drop(self.parts.insert(*high, part.clone())),
                (Some(Part::Bits(bits)), Part::Bits(others)) => {
                    bits.iter_mut().zip(others.iter()).for_each(|(word, other)| *word |= other);
                }
                (Some(own), Part::List(list)) => own.insert_all(list.iter().copied()),
                (Some(own @ Part::List(_)), Part::Bits(_)) => {
                    let Part::List(list) = std::mem::replace(own, part.clone()) else { continue };
                    own.insert_all(list);
                }
            }
        }
    }

    /// Number of rows; takes time in proportion to the set's size in memory.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.values().map(Part::len).sum()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.values().all(Part::is_empty)
    }

    /// The first row from `row` on.
    #[must_use]
    pub fn next(&self, row: u32) -> Option<u32> {
        let (first, low) = split(row);
        let from = |high: u16| if high == first { low } else { 0 };
        self.parts
            .range(first..)
            .find_map(|(high, part)| part.next(from(*high)).map(|low| u32::from(*high) << 16 | u32::from(low)))
    }

    /// Whether a row of the range is in the set.
    #[must_use]
    pub fn meets(&self, range: &Range<u32>) -> bool {
        self.next(range.start).is_some_and(|row| row < range.end)
    }

    /// The rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().flat_map(|(high, part)| part.iter().map(move |low| u32::from(*high) << 16 | u32::from(low)))
    }

    /// The rows as ranges, ascending, joined across gaps of less than `gap` rows.
    pub fn ranges(&self, gap: u32) -> impl Iterator<Item = Range<u32>> {
        let mut rows = self.iter().peekable();
        std::iter::from_fn(move || {
            let start = rows.next()?;
            let mut last = start;
            while let Some(row) = rows.next_if(|row| *row - last <= gap) {
                last = row;
            }
            Some(start..last.saturating_add(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0_u8..7, 0_u32..140_000, 1_u32..9000), 1..30)) {
            let (mut set, mut model) = (RowSet::default(), BTreeSet::new());
            for (kind, start, length) in steps {
                let range = start..start + length;
                match kind {
                    0 => {
                        set.remove_range(&range);
                        model.retain(|row| !range.contains(row));
                    }
                    1 => {
                        set.remove(start);
                        model.remove(&start);
                    }
                    2 => {
                        let mut other = RowSet::default();
                        range.clone().step_by(3).for_each(|row| { other.insert(row); });
                        set.extend(&other);
                        model.extend(range.step_by(3));
                    }
                    3 => range.for_each(|row| { set.insert(row); model.insert(row); }),
                    4 => {
                        let rows: Vec<u32> = range.step_by(2).chain([start / 2, start]).collect();
                        set.insert_all(&rows);
                        model.extend(rows);
                    }
                    _ => prop_assert_eq!(set.insert(start), model.insert(start)),
                }
                prop_assert_eq!(set.is_empty(), model.is_empty());
                prop_assert_eq!(set.len(), model.len());
                prop_assert_eq!(set.contains(start), model.contains(&start));
                prop_assert_eq!(set.next(start), model.range(start..).next().copied());
                prop_assert_eq!(set.meets(&(start..start + 50)), model.range(start..start + 50).next().is_some());
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert!(set.ranges(1).flatten().eq(model.iter().copied()));
            let hulls: Vec<_> = set.ranges(100).collect();
            prop_assert!(model.iter().all(|row| hulls.iter().any(|hull| hull.contains(row))));
            prop_assert!(hulls.windows(2).all(|pair| pair[1].start - pair[0].end >= 100));
        }
    }
}

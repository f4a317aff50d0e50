//! Included values of a stretch of row ids, readable while they are written.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::value::{Form, Kept};

/// Rows of a stretch.
pub(super) const STRETCH_ROWS: usize = 4096;
/// Rows of a word of bits.
pub(super) const WORD_ROWS: usize = 64;
const WORDS: usize = STRETCH_ROWS / WORD_ROWS;

/// See the module.
pub(super) struct Stretch {
    /// By 64 rows: those that are known, and those of them whose values are not to be relied on.
    flags: [[AtomicU64; 2]; WORDS],
    pub(super) columns: Box<[Column]>,
}

/// The values of one column.
pub(super) struct Column {
    nulls: [AtomicU64; WORDS],
    high: Box<[AtomicU64]>,
    /// None for values of eight bytes.
    low: Box<[AtomicU64]>,
}

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Unknown,
    /// That it is there.
    Unsure,
    /// Its values, for every view.
    Sure,
}

fn place(at: usize) -> (usize, u64) {
    (at / WORD_ROWS, 1 << (at % WORD_ROWS))
}

fn zeros(count: usize) -> Box<[AtomicU64]> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn bits() -> [AtomicU64; WORDS] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn set(bits: &AtomicU64, bit: u64, on: bool) {
    if on {
        bits.fetch_or(bit, AcqRel);
    } else {
        bits.fetch_and(!bit, AcqRel);
    }
}

impl Stretch {
    pub(super) fn new(forms: impl Iterator<Item = Form>) -> Self {
        let column = |form| {
            let low = if form == Form::Word { 0 } else { STRETCH_ROWS };
            Column { nulls: bits(), high: zeros(STRETCH_ROWS), low: zeros(low) }
        };
        let flags = std::array::from_fn(|_| [AtomicU64::new(0), AtomicU64::new(0)]);
        Self { flags, columns: forms.map(column).collect() }
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |column: &Column| size_of::<Column>() + size_of_val(&*column.high) + size_of_val(&*column.low);
        size_of::<Self>() + self.columns.iter().map(of).sum::<usize>()
    }

    /// The state of a row. Values of one that is sure may be read afterwards.
    #[inline]
    pub(super) fn state(&self, at: usize) -> State {
        let (word, bit) = place(at);
        let [known, unsure] = &self.flags[word];
        if known.load(Acquire) & bit == 0 {
            State::Unknown
        } else if unsure.load(Acquire) & bit != 0 {
            State::Unsure
        } else {
            State::Sure
        }
    }

    /// The known rows of a word and the unsure ones.
    pub(super) fn flags(&self, word: usize) -> (u64, u64) {
        let [known, unsure] = &self.flags[word];
        (known.load(Acquire), unsure.load(Acquire))
    }

    /// Sets the values of a row and makes them sure.
    pub(super) fn put(&self, at: usize, values: &[Option<Kept>]) {
        let (word, bit) = place(at);
        for (column, value) in self.columns.iter().zip(values) {
            set(&column.nulls[word], bit, value.is_none());
            if let Some(value) = value {
                column.high[at].store(value.high, Relaxed);
                if let Some(low) = column.low.get(at) {
                    low.store(value.low, Relaxed);
                }
            }
        }
        let [known, unsure] = &self.flags[word];
        set(unsure, bit, false);
        set(known, bit, true);
    }

    /// Says that the values of a row are not to be relied on.
    pub(super) fn doubt(&self, at: usize) {
        let (word, bit) = place(at);
        let [known, unsure] = &self.flags[word];
        set(unsure, bit, true);
        set(known, bit, true);
    }

    /// Forgets a row.
    pub(super) fn forget(&self, at: usize) {
        let (word, bit) = place(at);
        let [known, unsure] = &self.flags[word];
        set(known, bit, false);
        set(unsure, bit, false);
    }

    /// Whether no row is known.
    pub(super) fn is_empty(&self) -> bool {
        self.flags.iter().all(|[known, _]| known.load(Acquire) == 0)
    }
}

impl Column {
    #[inline]
    pub(super) fn is_null(&self, at: usize) -> bool {
        let (word, bit) = place(at);
        self.nulls(word) & bit != 0
    }

    #[inline]
    pub(super) fn nulls(&self, word: usize) -> u64 {
        self.nulls[word].load(Relaxed)
    }

    #[inline]
    pub(super) fn value(&self, at: usize) -> Kept {
        Kept { high: self.high[at].load(Relaxed), low: self.low.get(at).map_or(0, |low| low.load(Relaxed)) }
    }

    /// The first words of the values of 64 rows.
    #[inline]
    pub(super) fn words(&self, word: usize) -> &[AtomicU64] {
        &self.high[word * WORD_ROWS..][..WORD_ROWS]
    }
}

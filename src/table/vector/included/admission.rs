//! Who a search lets through by what is kept of included columns: all rows that satisfy a condition for the view, and perhaps more.
//!
//! Made by a transaction that has its view. What is kept of a sure row does not change while such a view lives, and a row that
//! is not known, because it came later or its stretch has gone, is let through.

use std::sync::Arc;

use super::condition::Condition;
use super::stretch::{STRETCH_ROWS, State, WORD_ROWS};
use super::value::Verdict;
use super::{Included, Stretches, place};
use crate::common::RowSet;
use crate::table::spec::RowId;
use crate::table::vector::allowed::is_for_comparing;

/// Rows looked at for an idea of how many pass.
const SAMPLE: u64 = 512;
/// Looks at places without a row, for each of them.
const MISSES: u64 = 4;

/// One in so many rows may be unsure in any case.
const UNSURE_MIN: u64 = 64;

/// Nanoseconds that a walk takes for each candidate it holds when all entries pass, for how many they pass.
const WALK_NS: f64 = 1900.0;
/// The part of the entries below which walks find too little.
const WALK_SHARE_MIN: f64 = 0.02;
/// Nanoseconds that asking about a row takes when all are asked about, and those that entering and comparing its entry does.
const LOOK_NS: f64 = 1.0;
const COMPARE_NS: f64 = 60.0;

/// See the module.
pub struct Admission {
    stretches: Arc<Stretches>,
    condition: Condition,
    sample: Sample,
}

/// What some rows say about all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Rows looked at.
    pub rows: u64,
    /// Those that pass.
    pub passed: u64,
    /// Those of them that do because more is not known.
    pub unsure: u64,
}

impl Sample {
    /// The part of the rows that pass.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.passed as f64 / self.rows.max(1) as f64
    }
}

impl Included {
    /// Who satisfies a condition; to be asked by a transaction that has its view already.
    #[must_use]
    pub fn admission(&self, condition: Condition) -> Admission {
        let stretches = Arc::clone(&self.stretches.read());
        let mut admission = Admission { stretches, condition, sample: Sample::default() };
        admission.sample = admission.look();
        admission
    }
}

impl Admission {
    /// Whether a row is let through.
    #[inline]
    #[must_use]
    pub fn admits(&self, row: RowId) -> bool {
        let (number, at) = place(row);
        match self.stretches.get(number) {
            Some(Some(stretch)) if stretch.state(at) == State::Sure => self.condition.judge(stretch, at) != Verdict::No,
            _ => true,
        }
    }

    /// What was seen of a few rows.
    #[must_use]
    pub fn sample(&self) -> Sample {
        self.sample
    }

    /// Whether little enough is let through for want of knowing more.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        let Sample { rows, passed, unsure } = self.sample;
        unsure * 2 <= passed || unsure * UNSURE_MIN <= rows
    }

    /// Whether to ask about each of those that a walk of an index of so many entries comes by, or about all before.
    #[must_use]
    pub fn is_for_walks(&self, entries: f64, ef: usize) -> bool {
        let share = self.sample.share();
        let walk = WALK_NS * ef as f64 / share;
        let few = is_for_comparing(share * entries, ef, entries);
        share >= WALK_SHARE_MIN && (!few || walk <= entries * (LOOK_NS + share * COMPARE_NS))
    }

    fn look(&self) -> Sample {
        let mut sample = Sample::default();
        let end = (self.stretches.len() * STRETCH_ROWS) as u64;
        // Multiples of an odd number that is no fraction of 2^32 lie everywhere, and in step with nothing.
        for turn in 0..SAMPLE * MISSES {
            let row = (u64::from((turn as u32).wrapping_mul(0x9e37_79b1)) * end) >> 32;
            let (number, at) = place(row as RowId);
            let Some(Some(stretch)) = self.stretches.get(number) else { continue };
            let state = stretch.state(at);
            if state == State::Unknown {
                continue;
            }
            let verdict = if state == State::Sure { self.condition.judge(stretch, at) } else { Verdict::Maybe };
            sample.rows += 1;
            sample.passed += u64::from(verdict != Verdict::No);
            sample.unsure += u64::from(verdict == Verdict::Maybe);
            if sample.rows == SAMPLE {
                break;
            }
        }
        sample
    }

    /// All rows that are let through and that the index has an entry of; of a complete index.
    #[must_use]
    pub fn rows(&self) -> RowSet {
        let (mut rows, mut found) = (RowSet::default(), Vec::new());
        for (number, stretch) in self.stretches.iter().enumerate() {
            let Some(stretch) = stretch else { continue };
            for word in 0..STRETCH_ROWS / WORD_ROWS {
                // Before its values: they may change only while it is unsure.
                let (known, unsure) = stretch.flags(word);
                if known == 0 {
                    continue;
                }
                let mut passed = known & (unsure | self.condition.mask(stretch, word));
                while passed != 0 {
                    let at = word * WORD_ROWS + passed.trailing_zeros() as usize;
                    found.push((number * STRETCH_ROWS + at) as RowId);
                    passed &= passed - 1;
                }
            }
            rows.insert_all(&found);
            found.clear();
        }
        rows
    }
}

//! Conditions on included columns, with their values filled in.
//!
//! Negation has been moved to the comparisons, so that a condition that is not true need not be told from one that is unknown: both
//! leave the row out.

use std::sync::atomic::Ordering::Relaxed;

use super::stretch::{Stretch, WORD_ROWS};
use super::value::{Accepts, Form, Kept, Verdict};
use crate::types::{Datum, Oid};

/// A column of those that are kept, by its place among them.
#[derive(Clone, Copy, Debug)]
pub struct IncludedColumn {
    pub(super) at: usize,
    pub(super) form: Form,
}

impl IncludedColumn {
    /// A column of a type; `None` when its values are not kept.
    #[must_use]
    pub fn new(at: usize, oid: Oid) -> Option<Self> {
        Form::of(oid).map(|form| Self { at, form })
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub enum Condition {
    /// True of all rows, or of none.
    Const(bool),
    /// The column is NULL, or is not.
    Null(IncludedColumn, bool),
    /// The word is in a range, ends included, or is not.
    Range {
        /// The column.
        column: IncludedColumn,
        /// Both ends.
        ends: (u64, u64),
        /// It is not in the range.
        outside: bool,
    },
    /// A comparison with a bound.
    Order(IncludedColumn, Accepts, Kept),
    /// The value is one of a sorted list, or none of them.
    OneOf(IncludedColumn, Vec<Kept>, bool),
    /// All of them.
    All(Vec<Condition>),
    /// One of them.
    Any(Vec<Condition>),
}

impl Condition {
    /// A comparison of a column with a value of a type that its own compares with; with NULL it is never true.
    #[must_use]
    pub fn compare(column: IncludedColumn, accepts: Accepts, bound: &Datum) -> Self {
        let Some(bound) = column.form.keep(bound) else { return Self::Const(false) };
        if column.form != Form::Word {
            return Self::Order(column, accepts, bound);
        }
        let at = bound.high;
        let ends = match (accepts.less, accepts.equal, accepts.greater) {
            (true, true, true) => return Self::Null(column, false),
            (true, false, true) => return Self::Range { column, ends: (at, at), outside: true },
            (true, true, false) => Some((0, at)),
            (true, false, false) => at.checked_sub(1).map(|high| (0, high)),
            (false, true, true) => Some((at, u64::MAX)),
            (false, false, true) => at.checked_add(1).map(|low| (low, u64::MAX)),
            (false, true, false) => Some((at, at)),
            (false, false, false) => None,
        };
        ends.map_or(Self::Const(false), |ends| Self::Range { column, ends, outside: false })
    }

    /// The column is one of the values, none of which is NULL, or it is `none` of them.
    #[must_use]
    pub fn one_of<'a>(column: IncludedColumn, values: impl Iterator<Item = &'a Datum>, none: bool) -> Self {
        let mut kept: Vec<Kept> = values.filter_map(|value| column.form.keep(value)).collect();
        kept.sort_unstable();
        kept.dedup();
        Self::OneOf(column, kept, none)
    }

    /// All of some conditions; ranges of one column become one.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        let mut joined: Vec<Self> = Vec::new();
        for part in parts {
            let Self::Range { column, ends: (low, high), outside: false } = part else {
                joined.push(part);
                continue;
            };
            let same = joined.iter_mut().find_map(|other| match other {
                Self::Range { column: known, ends, outside: false } if known.at == column.at => Some(ends),
                _ => None,
            });
            match same {
                Some(ends) => *ends = (ends.0.max(low), ends.1.min(high)),
                None => joined.push(part),
            }
        }
        let empty = |part: &Self| matches!(part, Self::Range { ends, .. } if ends.0 > ends.1);
        if joined.iter().any(empty) {
            return Self::Const(false);
        }
        if joined.len() == 1 { joined.swap_remove(0) } else { Self::All(joined) }
    }

    /// Whether it is true of a row, by what the stretch says.
    pub(super) fn judge(&self, stretch: &Stretch, at: usize) -> Verdict {
        match self {
            Self::Const(value) => (*value).into(),
            Self::Null(column, null) => (stretch.columns[column.at].is_null(at) == *null).into(),
            Self::All(parts) => parts.iter().map(|part| part.judge(stretch, at)).min().unwrap_or(Verdict::Yes),
            Self::Any(parts) => parts.iter().map(|part| part.judge(stretch, at)).max().unwrap_or(Verdict::No),
            Self::Range { column, .. } | Self::Order(column, ..) | Self::OneOf(column, ..) => {
                let values = &stretch.columns[column.at];
                if values.is_null(at) { Verdict::No } else { self.judge_value(values.value(at)) }
            }
        }
    }

    fn judge_value(&self, value: Kept) -> Verdict {
        match self {
            Self::Range { ends: (low, high), outside, .. } => {
                ((value.high.wrapping_sub(*low) <= high - low) != *outside).into()
            }
            Self::Order(column, accepts, bound) => column.form.compare(value, *accepts, *bound),
            Self::OneOf(column, list, none) => column.form.find(value, list, *none),
            _ => unreachable!("it is about one value"),
        }
    }

    /// The rows of a word of which it is or may be true, as bits.
    pub(super) fn mask(&self, stretch: &Stretch, word: usize) -> u64 {
        match self {
            Self::Const(value) => u64::from(*value).wrapping_neg(),
            Self::Null(column, null) => {
                let nulls = stretch.columns[column.at].nulls(word);
                if *null { nulls } else { !nulls }
            }
            Self::Range { column, ends: (low, high), outside } => {
                let values = &stretch.columns[column.at];
                let span = high - low;
                let mut inside = 0;
                for value in values.words(word).iter().rev() {
                    inside = inside << 1 | u64::from(value.load(Relaxed).wrapping_sub(*low) <= span);
                }
                (if *outside { !inside } else { inside }) & !values.nulls(word)
            }
            Self::Order(column, ..) | Self::OneOf(column, ..) => {
                let values = &stretch.columns[column.at];
                let passes = |bit: &usize| self.judge_value(values.value(word * WORD_ROWS + bit)) != Verdict::No;
                let mask = (0..WORD_ROWS).filter(passes).fold(0, |mask, bit| mask | 1_u64 << bit);
                mask & !values.nulls(word)
            }
            Self::All(parts) => {
                parts.iter().fold(u64::MAX, |mask, part| if mask == 0 { 0 } else { mask & part.mask(stretch, word) })
            }
            Self::Any(parts) => parts.iter().fold(0, |mask, part| mask | part.mask(stretch, word)),
        }
    }
}

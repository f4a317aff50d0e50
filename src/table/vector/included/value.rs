//! Values of included columns as they are kept: sixteen bytes at most, in the order of the values as far as they reach.

use std::cmp::Ordering;
use std::hash::Hasher;

use crate::types::keycode::{encode_key, word_of_f64, word_of_i64};
use crate::types::{Datum, Oid};

/// What stands for the length of a key that is longer than what is kept.
const LONG: u64 = 0xff;
/// Bytes of a key that are kept if it has no more.
const WHOLE_MAX: usize = 15;

/// How the values of a column are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Eight bytes in the order of the values.
    Word,
    /// Sixteen bytes in the order of the values.
    Pair,
    /// The sort key up to fifteen bytes; of a longer one the first eight and a checksum of all.
    Key,
}

/// A value as it is kept. Equal ones may stand for values that differ only when they are keys that were too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    pub(super) high: u64,
    pub(super) low: u64,
}

/// Whether a row satisfies a condition, by what is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not.
    No,
    /// Only the row itself can tell.
    Maybe,
    /// It does, or its key is as long as that of one that does and has the same beginning and checksum.
    Yes,
}

/// The orders of a value and a bound that a comparison is true of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    /// The value is less.
    pub less: bool,
    /// They are equal.
    pub equal: bool,
    /// The value is greater.
    pub greater: bool,
}

impl Accepts {
    /// The comparison that is true where this one is false.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { less: !self.less, equal: !self.equal, greater: !self.greater }
    }

    fn of(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }
}

impl From<bool> for Verdict {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Form {
    /// How values of a type are kept; `None` for types that are not.
    #[must_use]
    pub fn of(oid: Oid) -> Option<Self> {
        Some(match oid {
            Oid::BOOL | Oid::INT2 | Oid::INT4 | Oid::INT8 | Oid::OID | Oid::FLOAT4 | Oid::FLOAT8 => Self::Word,
            Oid::DATE | Oid::TIME | Oid::TIMESTAMP | Oid::TIMESTAMPTZ => Self::Word,
            Oid::UUID => Self::Pair,
            Oid::TEXT | Oid::VARCHAR | Oid::NUMERIC | Oid::BYTEA => Self::Key,
            _ => return None,
        })
    }

    /// What is kept of a value; `None` for NULL.
    #[must_use]
    pub fn keep(self, datum: &Datum) -> Option<Kept> {
        let word = |high| Some(Kept { high, low: 0 });
        match (self, datum) {
            (_, Datum::Null) => None,
            (Self::Word, Datum::Bool(value)) => word(u64::from(*value)),
            (Self::Word, Datum::Int2(value)) => word(word_of_i64(i64::from(*value))),
            (Self::Word, Datum::Int4(value) | Datum::Date(value)) => word(word_of_i64(i64::from(*value))),
            (Self::Word, Datum::Int8(value) | Datum::Time(value)) => word(word_of_i64(*value)),
            (Self::Word, Datum::Timestamp(value) | Datum::Timestamptz(value)) => word(word_of_i64(*value)),
            (Self::Word, Datum::Oid(value)) => word(u64::from(value.0)),
            (Self::Word, Datum::Float4(value)) => word(word_of_f64(f64::from(*value))),
            (Self::Word, Datum::Float8(value)) => word(word_of_f64(*value)),
            (Self::Pair, Datum::Uuid(value)) => {
                let pair = u128::from_be_bytes(*value);
                Some(Kept { high: (pair >> 64) as u64, low: pair as u64 })
            }
            (Self::Key, value) => Some(Kept::of_key(value)),
            (form, other) => panic!("{other:?} is not kept as {form:?}"),
        }
    }

    /// Whether values that are kept alike are equal.
    fn is_whole(self, value: Kept) -> bool {
        self != Self::Key || value.low & LONG != LONG
    }

    /// Whether a comparison with a bound is true of a value.
    pub(super) fn compare(self, value: Kept, accepts: Accepts, bound: Kept) -> Verdict {
        let whole = self.is_whole(value) && self.is_whole(bound);
        if whole || value.high != bound.high {
            return accepts.of(value.cmp(&bound)).into();
        }
        // They begin alike and differ, if at all, where it is not known how.
        match (value == bound, accepts.less, accepts.greater) {
            (true, ..) if accepts.equal => Verdict::Yes,
            (false, less, greater) if less == greater => less.into(),
            _ => Verdict::Maybe,
        }
    }

    /// Whether a value is one of a sorted list, or `none` of it.
    pub(super) fn find(self, value: Kept, list: &[Kept], none: bool) -> Verdict {
        match (list.binary_search(&value), none) {
            (Ok(_), false) | (Err(_), true) => Verdict::Yes,
            (Ok(_), true) if !self.is_whole(value) => Verdict::Maybe,
            (Ok(_), true) | (Err(_), false) => Verdict::No,
        }
    }
}

impl Kept {
    fn of_key(value: &Datum) -> Self {
        let mut key = Vec::with_capacity(32);
        encode_key(value, false, false, &mut key);
        // The first byte says that it is not NULL.
        let key = &key[1..];
        let mut bytes = [0; 16];
        let length = key.len().min(WHOLE_MAX);
        bytes[..length].copy_from_slice(&key[..length]);
        let pair = u128::from_be_bytes(bytes);
        let (high, low) = ((pair >> 64) as u64, pair as u64);
        if key.len() <= WHOLE_MAX {
            return Self { high, low: low | length as u64 };
        }
        // Not to be relied on: whoever is found by it is looked at.
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(key);
        Self { high, low: hasher.finish() | LONG }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::types::compare::compare;

    fn accepts() -> impl Strategy<Value = Accepts> {
        (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(less, equal, greater)| Accepts {
            less,
            equal,
            greater,
        })
    }

    fn text() -> impl Strategy<Value = Datum> {
        prop_oneof!["[ab]{0,4}", "aaaaaaaa[ab]{0,9}", "aaaaaaaaaaaaa[ab\u{1}]{0,3}"].prop_map(Datum::text)
    }

    fn check(form: Form, left: &Datum, accepts: Accepts, right: &Datum) -> Verdict {
        let kept = |datum| form.keep(datum).expect("it is not NULL");
        let verdict = form.compare(kept(left), accepts, kept(right));
        if verdict != Verdict::Maybe {
            assert_eq!(verdict, accepts.of(compare(left, right)).into(), "{left:?} {right:?}");
        }
        for none in [false, true] {
            let found = form.find(kept(left), &[kept(right)], none);
            if found != Verdict::Maybe {
                assert_eq!(found, (compare(left, right).is_eq() != none).into(), "{left:?} {right:?}");
            }
        }
        verdict
    }

    proptest! {
        #[test]
        fn a_verdict_is_right(
            (left, right) in (text(), text()),
            accepts in accepts(),
            numbers in (any::<i32>(), any::<i32>()),
            floats in (any::<f64>(), any::<f64>()),
            uuids in (any::<[u8; 16]>(), any::<[u8; 16]>()),
        ) {
            check(Form::Key, &left, accepts, &right);
            check(Form::Key, &left, accepts, &left);
            let number = |value: i32| Datum::Int4(value % 3);
            prop_assert_ne!(check(Form::Word, &number(numbers.0), accepts, &number(numbers.1)), Verdict::Maybe);
            check(Form::Word, &Datum::Float8(floats.0), accepts, &Datum::Float8(floats.1));
            check(Form::Word, &Datum::Float8(0.0), accepts, &Datum::Float8(-0.0));
            check(Form::Pair, &Datum::Uuid(uuids.0), accepts, &Datum::Uuid(uuids.1));
        }
    }

    #[test]
    fn short_keys_are_whole_and_long_ones_are_told_apart() {
        let equal = Accepts { less: false, equal: true, greater: false };
        let tenant = |number: u32| Datum::text(format!("tenant-{number}"));
        assert_eq!(check(Form::Key, &tenant(123), equal, &tenant(123)), Verdict::Yes);
        assert_eq!(check(Form::Key, &tenant(123), equal, &tenant(124)), Verdict::No);
        assert_eq!(check(Form::Key, &tenant(1_234_567_890), equal, &tenant(1_234_567_890)), Verdict::Yes);
        let other = check(Form::Key, &tenant(1_234_567_890), equal.negated(), &tenant(1_234_567_890));
        assert_eq!(other, Verdict::Maybe, "no checksum says that nobody else has it");
        assert_eq!(check(Form::Key, &tenant(1_234_567_890), equal, &tenant(1_234_567_891)), Verdict::No);
    }
}

//! A leaf: up to 64 entries in few bytes.
//!
//! A leaf is either a *run*, keys `base + i * stride` with row ids `rid0 + i`, which needs no data bytes at all, or
//! *packed*: offsets from the smallest key and the smallest row id in the narrowest of a few widths (frame of reference),
//! all keys first, then all row ids, each region with room for a few more. Entries ascend by (key, row id). The form is private: the
//! rest of the index sees entries by position. Search inside a packed leaf interpolates, then walks, then bisects, so
//! that neither uniform nor clustered keys are slow.

use crate::index::ordered::{Entry, Rid};

/// Most entries of a leaf.
pub(super) const LEAF_MAX: usize = 64;

/// Room is made for up to this many entries at a time.
const GROWTH: usize = 2;

/// Steps of walking from the interpolated place before bisecting.
const WALK: usize = 6;

/// Up to [`LEAF_MAX`] entries.
pub(super) struct Leaf(Form);

enum Form {
    Run { base: u64, stride: u64, rid0: Rid, len: u8 },
    Packed { base: u64, data: Box<[u8]>, rid_base: Rid, len: u8, key_width: u8, rid_width: u8 },
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is in.
    Done,
    /// It was in before.
    Present,
    /// There is no room; where it would have gone.
    Full(usize),
}

/// Decoded entries of one leaf.
pub(super) struct Decoded {
    entries: [Entry; LEAF_MAX + 1],
    len: usize,
}

impl Decoded {
    /// The entries.
    pub(super) fn as_slice(&self) -> &[Entry] {
        &self.entries[..self.len]
    }

    fn insert(&mut self, at: usize, entry: Entry) {
        self.entries.copy_within(at..self.len, at + 1);
        self.entries[at] = entry;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.entries.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }
}

/// The narrowest key width, in bytes, that holds `value`.
fn key_width(value: u64) -> usize {
    match (64 - value.leading_zeros()).div_ceil(8) as usize {
        3 => 4,
        7 => 8,
        width => width,
    }
}

/// The narrowest row id width, in bytes, that holds `value`.
fn rid_width(value: Rid) -> usize {
    (Rid::BITS - value.leading_zeros()).div_ceil(8) as usize
}

#[inline]
fn read(bytes: &[u8], width: usize, at: usize) -> u64 {
    let from = &bytes[at * width..];
    let low = |count: usize| {
        let mut value = [0u8; 8];
        value[..count].copy_from_slice(&from[..count]);
        u64::from_le_bytes(value)
    };
    match width {
        0 => 0,
        1 => u64::from(from[0]),
        2 => low(2),
        3 => low(3),
        4 => low(4),
        5 => low(5),
        6 => low(6),
        _ => low(8),
    }
}

#[inline]
fn write(bytes: &mut [u8], width: usize, at: usize, value: u64) {
    bytes[at * width..(at + 1) * width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// The data of a packed leaf with room for a few more entries.
fn grown(data: &[u8], capacity: usize, key_bytes: usize, rid_bytes: usize) -> Box<[u8]> {
    let more = (capacity + GROWTH).min(LEAF_MAX) - capacity;
    let (keys, rids) = data.split_at(capacity * key_bytes);
    let mut larger = Vec::with_capacity(data.len() + more * (key_bytes + rid_bytes));
    larger.extend_from_slice(keys);
    larger.resize(larger.len() + more * key_bytes, 0);
    larger.extend_from_slice(rids);
    larger.resize(larger.len() + more * rid_bytes, 0);
    larger.into_boxed_slice()
}

impl Leaf {
    /// A leaf of entries that ascend.
    ///
    /// # Panics
    /// When there are more than [`LEAF_MAX`].
    pub(super) fn new(entries: &[Entry]) -> Self {
        assert!(entries.len() <= LEAF_MAX, "a leaf holds {LEAF_MAX} entries at most");
        let len = entries.len() as u8;
        let Some(&(base, rid0)) = entries.first() else {
            return Self(Form::Run { base: 0, stride: 0, rid0: 0, len });
        };
        let stride = entries.get(1).map_or(0, |second| second.0 - base);
        let runs = entries.windows(2).all(|pair| {
            let ((key, rid), (next_key, next_rid)) = (pair[0], pair[1]);
            next_key - key == stride && rid.checked_add(1) == Some(next_rid)
        });
        if runs {
            return Self(Form::Run { base, stride, rid0, len });
        }
        let rids = || entries.iter().map(|entry| entry.1);
        let rid_base = rids().min().expect("there are entries");
        let key_width = key_width(entries[entries.len() - 1].0 - base);
        let rid_width = rid_width(rids().max().expect("there are entries") - rid_base);
        let capacity = (entries.len() + GROWTH - 1).next_multiple_of(GROWTH).min(LEAF_MAX);
        let mut data = vec![0u8; capacity * (key_width + rid_width)].into_boxed_slice();
        let (keys, rid_bytes) = data.split_at_mut(capacity * key_width);
        for (index, (key, rid)) in entries.iter().enumerate() {
            write(keys, key_width, index, key - base);
            write(rid_bytes, rid_width, index, u64::from(rid - rid_base));
        }
        let (key_width, rid_width) = (key_width as u8, rid_width as u8);
        Self(Form::Packed { base, data, rid_base, len, key_width, rid_width })
    }

    /// Number of entries.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Form::Run { len, .. } | Form::Packed { len, .. } => usize::from(*len),
        }
    }

    /// Whether this leaf is an arithmetic run.
    pub(super) fn is_run(&self) -> bool {
        matches!(self.0, Form::Run { .. })
    }

    /// Data bytes outside the leaf itself.
    pub(super) fn data_bytes(&self) -> usize {
        match &self.0 {
            Form::Run { .. } => 0,
            Form::Packed { data, .. } => data.len(),
        }
    }

    /// Data bytes that hold keys and row ids; the rest of [`Leaf::data_bytes`] is slack.
    pub(super) fn payload_bytes(&self) -> usize {
        match &self.0 {
            Form::Run { .. } => 0,
            Form::Packed { len, key_width, rid_width, .. } => usize::from(*len) * usize::from(key_width + rid_width),
        }
    }

    /// Entry `at`.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Entry {
        match &self.0 {
            Form::Run { base, stride, rid0, .. } => (base + stride * at as u64, rid0 + at as Rid),
            Form::Packed { base, data, rid_base, key_width, rid_width, .. } => {
                let (key_width, rid_width) = (usize::from(*key_width), usize::from(*rid_width));
                let capacity = data.len() / (key_width + rid_width);
                let (keys, rids) = data.split_at(capacity * key_width);
                (base + read(keys, key_width, at), rid_base + read(rids, rid_width, at) as Rid)
            }
        }
    }

    /// The smallest entry.
    #[inline]
    pub(super) fn first(&self) -> Option<Entry> {
        (self.len() > 0).then(|| self.get(0))
    }

    /// The largest entry.
    pub(super) fn last(&self) -> Option<Entry> {
        self.len().checked_sub(1).map(|at| self.get(at))
    }

    /// Appends entries `from..to` in order.
    pub(super) fn extend_into(&self, from: usize, to: usize, out: &mut Vec<Entry>) {
        out.extend((from..to).map(|at| self.get(at)));
    }

    /// All entries.
    pub(super) fn decode(&self) -> Decoded {
        let mut decoded = Decoded { entries: [(0, 0); LEAF_MAX + 1], len: self.len() };
        for (at, entry) in decoded.entries[..decoded.len].iter_mut().enumerate() {
            *entry = self.get(at);
        }
        decoded
    }

    /// Position of the first entry at or above `entry`.
    #[inline]
    pub(super) fn lower_bound(&self, entry: Entry) -> usize {
        let (key, rid) = entry;
        let len = self.len();
        let mut at = self.lower_bound_key(key);
        if rid > 0 {
            while at < len && self.get(at) < entry {
                at += 1;
            }
        }
        at
    }

    /// Position of the first entry whose key is at or above `key`.
    #[inline]
    fn lower_bound_key(&self, key: u64) -> usize {
        match &self.0 {
            Form::Run { base, stride, len, .. } => {
                let Some(offset) = key.checked_sub(*base).filter(|offset| *offset > 0) else { return 0 };
                let len = u64::from(*len);
                let steps = match stride {
                    0 => len,
                    1 => offset,
                    stride => offset.div_ceil(*stride),
                };
                steps.min(len) as usize
            }
            Form::Packed { base, data, len, key_width, rid_width, .. } => {
                let (key_width, rid_width) = (usize::from(*key_width), usize::from(*rid_width));
                let capacity = data.len() / (key_width + rid_width);
                let Some(offset) = key.checked_sub(*base).filter(|offset| *offset > 0) else { return 0 };
                search(&data[..capacity * key_width], key_width, usize::from(*len), offset)
            }
        }
    }

    /// Adds an entry if there is room.
    pub(super) fn insert(&mut self, entry: Entry) -> Inserted {
        let len = self.len();
        let at = match self.last() {
            Some(last) if last < entry => len,
            _ => self.lower_bound(entry),
        };
        if at < len && self.get(at) == entry {
            return Inserted::Present;
        }
        if len == LEAF_MAX {
            return Inserted::Full(at);
        }
        if !self.insert_in_place(at, entry) {
            let mut decoded = self.decode();
            decoded.insert(at, entry);
            *self = Self::new(decoded.as_slice());
        }
        Inserted::Done
    }

    /// Adds an entry without changing the form; false when the form does not fit it.
    fn insert_in_place(&mut self, at: usize, (key, rid): Entry) -> bool {
        match &mut self.0 {
            Form::Run { base, stride, rid0, len } => {
                let fits = match *len {
                    0 => {
                        (*base, *stride, *rid0) = (key, 0, rid);
                        true
                    }
                    1 if at == 1 && rid0.checked_add(1) == Some(rid) => {
                        *stride = key - *base;
                        true
                    }
                    count => {
                        let next = stride.checked_mul(u64::from(count)).and_then(|offset| base.checked_add(offset));
                        at == usize::from(count)
                            && at > 1
                            && next == Some(key)
                            && rid0.checked_add(at as Rid) == Some(rid)
                    }
                };
                *len += u8::from(fits);
                fits
            }
            Form::Packed { base, data, rid_base, len, key_width, rid_width } => {
                let (key_bytes, rid_bytes) = (usize::from(*key_width), usize::from(*rid_width));
                let capacity = data.len() / (key_bytes + rid_bytes);
                let count = usize::from(*len);
                let (Some(offset), Some(rid_offset)) = (key.checked_sub(*base), rid.checked_sub(*rid_base)) else {
                    return false;
                };
                let fits = |value: u64, width: usize| width == 8 || value >> (8 * width) == 0;
                if count == LEAF_MAX || !fits(offset, key_bytes) || !fits(u64::from(rid_offset), rid_bytes) {
                    return false;
                }
                if count == capacity {
                    *data = grown(data, capacity, key_bytes, rid_bytes);
                }
                let capacity = data.len() / (key_bytes + rid_bytes);
                let (keys, rids) = data.split_at_mut(capacity * key_bytes);
                keys.copy_within(at * key_bytes..count * key_bytes, (at + 1) * key_bytes);
                rids.copy_within(at * rid_bytes..count * rid_bytes, (at + 1) * rid_bytes);
                write(keys, key_bytes, at, offset);
                write(rids, rid_bytes, at, u64::from(rid_offset));
                *len += 1;
                true
            }
        }
    }

    /// Takes an entry away; false when it is not here.
    pub(super) fn remove(&mut self, entry: Entry) -> bool {
        let at = self.lower_bound(entry);
        if at == self.len() || self.get(at) != entry {
            return false;
        }
        match &mut self.0 {
            Form::Run { len, .. } if at + 1 == usize::from(*len) => *len -= 1,
            _ => {
                let mut decoded = self.decode();
                decoded.remove(at);
                *self = Self::new(decoded.as_slice());
            }
        }
        true
    }

    /// Moves the entries from `at` on into a new leaf.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        let decoded = self.decode();
        let (left, right) = decoded.as_slice().split_at(at);
        let upper = Self::new(right);
        *self = Self::new(left);
        upper
    }

    /// Takes over the entries of a leaf that follows this one.
    ///
    /// # Panics
    /// When there are too many.
    pub(super) fn append(&mut self, next: &Self) {
        let mut entries = Vec::with_capacity(self.len() + next.len());
        self.extend_into(0, self.len(), &mut entries);
        next.extend_into(0, next.len(), &mut entries);
        *self = Self::new(&entries);
    }
}

/// Position of the first of `len` ascending offsets that is at or above `offset` (which is above zero).
#[inline]
fn search(keys: &[u8], width: usize, len: usize, offset: u64) -> usize {
    if width == 0 || len == 0 {
        return len;
    }
    let last = read(keys, width, len - 1);
    if offset > last {
        return len;
    }
    let mut at = ((offset as f64 / last as f64) * (len - 1) as f64) as usize;
    let (mut low, mut high) = (0, len - 1);
    for _ in 0..WALK {
        if read(keys, width, at) < offset {
            low = at + 1;
            at += 1;
        } else if at > 0 && read(keys, width, at - 1) >= offset {
            high = at - 1;
            at -= 1;
        } else {
            return at;
        }
    }
    while low < high {
        let middle = (low + high) / 2;
        if read(keys, width, middle) < offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_leaf_takes_half_a_cache_line_and_runs_take_no_data() {
        assert_eq!(size_of::<Leaf>(), 32);
        let entries: Vec<Entry> = (0..64).map(|i| (1000 + 3 * u64::from(i), 7 + i)).collect();
        assert_eq!(Leaf::new(&entries).data_bytes(), 0);
        let mut grown = Leaf::new(&[]);
        for entry in &entries {
            assert_eq!(grown.insert(*entry), Inserted::Done);
        }
        assert!(grown.is_run());
        assert_eq!(grown.insert((5000, 1)), Inserted::Full(64));
        assert_eq!(grown.decode().as_slice(), entries);
    }

    #[test]
    fn extreme_entries_fit() {
        let entries = [(0, Rid::MAX), (1, 0), (u64::MAX, 0), (u64::MAX, Rid::MAX)];
        let leaf = Leaf::new(&entries);
        assert_eq!(leaf.decode().as_slice(), entries);
        assert_eq!(leaf.lower_bound((u64::MAX, 1)), 3);
    }

    fn key() -> impl Strategy<Value = u64> {
        prop_oneof![0..50u64, 0..u64::MAX, (u64::MAX - 9)..=u64::MAX, (0..40u32).prop_map(|shift| 1u64 << shift)]
    }

    proptest! {
        #[test]
        fn a_leaf_is_a_sorted_set(operations in prop::collection::vec((any::<bool>(), key(), 0..5u32), 1..200)) {
            let mut leaf = Leaf::new(&[]);
            let mut twin = std::collections::BTreeSet::new();
            for (insert, key, rid) in operations {
                if insert {
                    let before = twin.len();
                    let outcome = leaf.insert((key, rid));
                    if twin.contains(&(key, rid)) {
                        prop_assert_eq!(outcome, Inserted::Present);
                    } else if before == LEAF_MAX {
                        prop_assert!(matches!(outcome, Inserted::Full(_)));
                    } else {
                        prop_assert_eq!(outcome, Inserted::Done);
                        twin.insert((key, rid));
                    }
                } else {
                    prop_assert_eq!(leaf.remove((key, rid)), twin.remove(&(key, rid)));
                }
                prop_assert_eq!(leaf.lower_bound((key, rid)), twin.range(..(key, rid)).count());
                let expected: Vec<Entry> = twin.iter().copied().collect();
                let decoded = leaf.decode();
                prop_assert_eq!(decoded.as_slice(), expected.as_slice());
            }
        }
    }
}

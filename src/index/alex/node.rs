//! A routing node: a gapped array of leaf separators under a linear model.
//!
//! Slots hold separators in ascending order; a gap repeats the slot to its left, so every search may stop on any slot and
//! still finds the right leaf, and no bitmap is needed. A new separator goes where the model predicts it if a gap of its
//! left neighbour is there, else the slots up to the nearest gap are shifted by one (ALEX, section 3.3). A node that is
//! [`DENSE`] full, or whose insertions shift too much, is rebuilt larger or asks to be split, whichever
//! promises less work; no node has more than [`SLOTS_MAX`] slots, which bounds the work of one insertion.
//!
//! Invariants: leaves ascend; a separator is at or below its leaf's first key and at or above the last key of the leaf
//! before; slot 0 is the first leaf's; only the sole leaf of a node may be empty.

use crate::index::alex::leaf::{Inserted, LEAF_MAX, Leaf};
use crate::index::alex::model::{self, Model};
use crate::index::ordered::{Entry, Rid, Span};

/// Most slots of a node.
pub(super) const SLOTS_MAX: usize = 4096;
/// Fewest slots of a node.
const SLOTS_MIN: usize = 16;
/// A node is rebuilt when more than this share of its slots is taken, in percent.
const DENSE: usize = 80;
/// A rebuilt node has this share of its slots taken, in percent.
const LOOSE: usize = 65;
/// Most leaves of a node.
pub(super) const LEAVES_MAX: usize = SLOTS_MAX * DENSE / 100;
/// Leaves that bulk loading puts in a node.
pub(super) const LEAVES_LOADED: usize = SLOTS_MAX * LOOSE / 100;
/// A node with fewer leaves than this is rebuilt rather than split.
const LEAVES_SPLIT: usize = SLOTS_MAX / 4;
/// Separators between two checks of how much was shifted.
const SHIFT_CHECK: u32 = 64;
/// A node whose insertions shift more slots than this on average is restructured early.
const SHIFT_COSTLY: u64 = 100;
/// A model whose mean distance from the truth is larger than this loses to binary search.
const ERROR_MAX: f64 = 48.0;
/// Two neighbouring leaves are merged when one has fewer entries than this...
const LEAF_FEW: usize = 16;
/// ... and both together no more than this.
const LEAF_MERGED: usize = 48;

/// What became of an insertion into a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeInserted {
    /// It is in.
    Done,
    /// It was in before.
    Present,
    /// Nothing happened: the node must be split first.
    SplitFirst,
}

/// A routing node and its leaves.
pub(super) struct Node {
    keys: Vec<u64>,
    refs: Vec<u16>,
    leaves: Vec<Leaf>,
    model: Model,
    binary: bool,
    separators_added: u32,
    appended: u32,
    slots_shifted: u64,
    /// Times that this node was rebuilt larger.
    pub(super) expansions: u64,
}

impl Node {
    /// A node with one empty leaf.
    pub(super) fn empty() -> Self {
        Self::from_leaves(vec![(0, Leaf::new(&[]))])
    }

    /// A node of leaves that ascend, each with its separator.
    ///
    /// # Panics
    /// When there are none or more than [`LEAVES_MAX`].
    pub(super) fn from_leaves(leaves: Vec<(u64, Leaf)>) -> Self {
        assert!(!leaves.is_empty() && leaves.len() <= LEAVES_MAX, "a node has 1..={LEAVES_MAX} leaves");
        let mut node = Self {
            keys: Vec::new(),
            refs: Vec::new(),
            leaves: Vec::new(),
            model: Model::default(),
            binary: false,
            separators_added: 0,
            appended: 0,
            slots_shifted: 0,
            expansions: 0,
        };
        node.place(leaves, false);
        node
    }

    /// Lays the leaves out afresh, where a new model predicts them; at the left end when only appends are expected.
    fn place(&mut self, leaves: Vec<(u64, Leaf)>, appending: bool) {
        let count = leaves.len();
        let slots = (count * 100 / LOOSE + 1).clamp(SLOTS_MIN, SLOTS_MAX);
        let scale = if appending { 1.0 } else { slots as f64 / count as f64 };
        self.model = Model::fit(leaves.iter().map(|(separator, _)| *separator), scale);
        self.keys = Vec::with_capacity(slots);
        self.refs = Vec::with_capacity(slots);
        self.leaves = Vec::with_capacity((slots * DENSE / 100).max(count));
        let mut error = 0.0;
        for (index, (separator, leaf)) in leaves.into_iter().enumerate() {
            let predicted = self.model.predict(separator, slots);
            // Every leaf still to come needs a slot, and the first one owns slot 0.
            let at = if index == 0 { 0 } else { predicted.clamp(self.keys.len(), slots - (count - index)) };
            error += predicted.abs_diff(at) as f64;
            if let Some(left) = self.keys.last().copied() {
                self.keys.resize(at, left);
                self.refs.resize(at, index as u16 - 1);
            }
            self.keys.push(separator);
            self.refs.push(index as u16);
            self.leaves.push(leaf);
        }
        self.keys.resize(slots, *self.keys.last().expect("there are leaves"));
        self.refs.resize(slots, count as u16 - 1);
        self.binary = error / count as f64 > ERROR_MAX;
        (self.separators_added, self.appended, self.slots_shifted) = (0, 0, 0);
    }

    /// The smallest entry.
    pub(super) fn first(&self) -> Option<Entry> {
        self.leaf(0).first()
    }

    #[inline]
    fn leaf(&self, slot: usize) -> &Leaf {
        &self.leaves[usize::from(self.refs[slot])]
    }

    /// A slot of the leaf where `entry` is or belongs.
    #[inline]
    fn locate(&self, entry: Entry) -> usize {
        let key = entry.0;
        let slot = if self.binary {
            model::search(&self.keys, key)
        } else {
            model::search_from(&self.keys, key, self.model.predict(key, self.keys.len()))
        };
        if self.keys[slot] == key { self.locate_among_equals(slot, entry) } else { slot }
    }

    /// Goes back from the last of several leaves whose separators are the key itself: duplicates may span leaves.
    fn locate_among_equals(&self, last: usize, entry: Entry) -> usize {
        let at_or_below = |slot: usize| self.leaf(slot).first().is_none_or(|first| first <= entry);
        if at_or_below(last) {
            return last;
        }
        let first_equal = self.keys[..last].partition_point(|separator| *separator < entry.0);
        let (mut low, mut high) = (first_equal, last);
        while low < high {
            let middle = (low + high) / 2;
            if at_or_below(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    /// First slot of the leaf at `slot`.
    fn start_of(&self, slot: usize) -> usize {
        let leaf = self.refs[slot];
        self.refs[..slot].iter().rposition(|other| *other != leaf).map_or(0, |before| before + 1)
    }

    /// One past the last slot of the leaf at `slot`.
    fn end_of(&self, slot: usize) -> usize {
        let leaf = self.refs[slot];
        self.refs[slot..].iter().position(|other| *other != leaf).map_or(self.refs.len(), |length| slot + length)
    }

    /// Appends the row ids of `key`; whether the next node may have more.
    #[inline]
    pub(super) fn lookup(&self, key: u64, out: &mut Vec<Rid>) -> bool {
        let mut slot = self.locate((key, 0));
        let mut at = self.leaf(slot).lower_bound((key, 0));
        loop {
            let leaf = self.leaf(slot);
            while at < leaf.len() {
                let (found, rid) = leaf.get(at);
                if found != key {
                    return false;
                }
                out.push(rid);
                at += 1;
            }
            let next = self.end_of(slot);
            if next == self.refs.len() {
                return true;
            }
            if self.keys[next] > key {
                return false;
            }
            (slot, at) = (next, 0);
        }
    }

    /// Appends entries of `span` until `out` has `limit`; whether the span goes on beyond this node's entries.
    pub(super) fn scan(&self, span: Span, limit: usize, out: &mut Vec<Entry>) -> bool {
        let mut slot = self.locate(span.first);
        let mut from = self.leaf(slot).lower_bound(span.first);
        loop {
            let leaf = self.leaf(slot);
            let whole = leaf.last().is_none_or(|last| last <= span.last);
            let to = if whole { leaf.len() } else { leaf.lower_bound(span.last) };
            // The bound is inclusive: the entry at `to` may be the last one wanted.
            let to = if !whole && leaf.get(to) == span.last { to + 1 } else { to };
            let to = to.min(from + (limit - out.len())).max(from);
            leaf.extend_into(from, to, out);
            let next = self.end_of(slot);
            if !whole || out.len() == limit {
                return false;
            }
            if next == self.refs.len() {
                return true;
            }
            (slot, from) = (next, 0);
        }
    }

    /// As [`Node::scan`], from the end of the span downwards.
    pub(super) fn scan_backward(&self, span: Span, limit: usize, out: &mut Vec<Entry>) -> bool {
        let mut slot = self.locate(span.last);
        let leaf = self.leaf(slot);
        let mut to = leaf.lower_bound(span.last);
        if to < leaf.len() && leaf.get(to) == span.last {
            to += 1;
        }
        loop {
            let leaf = self.leaf(slot);
            let whole = leaf.first().is_none_or(|first| first >= span.first);
            let from = if whole { 0 } else { leaf.lower_bound(span.first) };
            let from = from.max(to.saturating_sub(limit - out.len())).min(to);
            out.extend((from..to).rev().map(|at| leaf.get(at)));
            let start = self.start_of(slot);
            if !whole || out.len() == limit {
                return false;
            }
            if start == 0 {
                return true;
            }
            slot = start - 1;
            to = self.leaf(slot).len();
        }
    }

    /// Adds an entry.
    pub(super) fn insert(&mut self, entry: Entry) -> NodeInserted {
        if entry.0 < self.keys[0] {
            let end = self.end_of(0);
            self.keys[..end].fill(entry.0);
        }
        let slot = self.locate(entry);
        let leaf = usize::from(self.refs[slot]);
        match self.leaves[leaf].insert(entry) {
            Inserted::Done => NodeInserted::Done,
            Inserted::Present => NodeInserted::Present,
            Inserted::Full(at) => {
                if !self.make_room() {
                    return NodeInserted::SplitFirst;
                }
                // Making room may have moved the slots.
                let slot = self.locate(entry);
                self.insert_by_split(slot, at, entry);
                NodeInserted::Done
            }
        }
    }

    /// Splits the full leaf at `slot`, where `entry` belongs at position `at`, and adds the entry. An entry beyond either end
    /// of the leaf gets a leaf of its own, so that ascending and descending loads leave full leaves behind.
    fn insert_by_split(&mut self, slot: usize, at: usize, entry: Entry) {
        let index = usize::from(self.refs[slot]);
        let leaf = &mut self.leaves[index];
        if at == LEAF_MAX {
            self.add_leaf(slot, entry.0, Leaf::new(&[entry]));
        } else if at == 0 {
            let upper = std::mem::replace(leaf, Leaf::new(&[entry]));
            let separator = upper.get(0).0;
            self.add_leaf(slot, separator, upper);
        } else {
            let mut upper = leaf.split_off(LEAF_MAX / 2);
            let target = if at > LEAF_MAX / 2 { &mut upper } else { leaf };
            assert_eq!(target.insert(entry), Inserted::Done, "a half full leaf has room");
            let separator = upper.get(0).0;
            self.add_leaf(slot, separator, upper);
        }
    }

    /// Makes sure that one more leaf fits; false when the node must be split.
    fn make_room(&mut self) -> bool {
        let crowded = (self.leaves.len() + 1) * 100 > self.keys.len() * DENSE;
        let costly = self.separators_added >= SHIFT_CHECK
            && self.slots_shifted > SHIFT_COSTLY * u64::from(self.separators_added);
        if !crowded && !costly {
            return true;
        }
        if crowded && self.leaves.len() >= LEAVES_LOADED {
            return false;
        }
        if costly && !crowded && self.leaves.len() >= LEAVES_SPLIT {
            // Retraining a large node that shifts a lot would bring the same pattern back; two halves shift half as much.
            return false;
        }
        let appending = self.appended * 10 >= self.separators_added * 9 && self.separators_added > 0;
        let leaves = self.take_leaves();
        self.place(leaves, appending);
        self.expansions += 1;
        true
    }

    /// All leaves with their separators in order; the node is unusable until [`Node::place`].
    fn take_leaves(&mut self) -> Vec<(u64, Leaf)> {
        let mut leaves: Vec<Option<Leaf>> = std::mem::take(&mut self.leaves).into_iter().map(Some).collect();
        let mut ordered = Vec::with_capacity(leaves.len());
        for (slot, index) in self.refs.iter().enumerate() {
            if let Some(leaf) = leaves[usize::from(*index)].take() {
                ordered.push((self.keys[slot], leaf));
            }
        }
        ordered
    }

    /// Puts a new leaf right after the one at `slot`.
    fn add_leaf(&mut self, slot: usize, separator: u64, leaf: Leaf) {
        let index = self.leaves.len() as u16;
        let (start, end) = (self.start_of(slot), self.end_of(slot));
        self.leaves.push(leaf);
        let last = end == self.keys.len();
        self.separators_added += 1;
        self.appended += u32::from(last);
        if end - start > 1 {
            // Appends take the next slot, so that the gaps stay to the right where the next ones will need them.
            let at =
                if last { start + 1 } else { self.model.predict(separator, self.keys.len()).clamp(start + 1, end - 1) };
            self.keys[at..end].fill(separator);
            self.refs[at..end].fill(index);
            return;
        }
        let at = self.shift_gap_to(end);
        self.keys[at] = separator;
        self.refs[at] = index;
    }

    /// Moves the nearest gap to the border before slot `at`; the slot that is free now.
    fn shift_gap_to(&mut self, at: usize) -> usize {
        let right = (at + 1..self.refs.len()).find(|slot| self.refs[*slot] == self.refs[slot - 1]);
        let reach = right.map_or(at, |slot| slot - at);
        let left = (at.saturating_sub(reach).max(1)..at).rev().find(|slot| self.refs[*slot] == self.refs[slot - 1]);
        match (left, right) {
            (Some(gap), _) => {
                self.keys.copy_within(gap + 1..at, gap);
                self.refs.copy_within(gap + 1..at, gap);
                self.slots_shifted += (at - gap) as u64;
                at - 1
            }
            (None, Some(gap)) => {
                self.keys.copy_within(at..gap, at + 1);
                self.refs.copy_within(at..gap, at + 1);
                self.slots_shifted += (gap - at) as u64;
                at
            }
            (None, None) => panic!("a node that is not dense has a gap"),
        }
    }

    /// Takes an entry away; false when it is not here.
    pub(super) fn remove(&mut self, entry: Entry) -> bool {
        let slot = self.locate(entry);
        let index = usize::from(self.refs[slot]);
        if !self.leaves[index].remove(entry) {
            return false;
        }
        let left = self.leaves[index].len();
        if left == 0 && self.leaves.len() > 1 {
            self.drop_leaf(slot);
        } else if left < LEAF_FEW {
            let next = self.end_of(slot);
            if next < self.refs.len() && left + self.leaf(next).len() <= LEAF_MERGED {
                let moved = std::mem::replace(&mut self.leaves[usize::from(self.refs[next])], Leaf::new(&[]));
                self.leaves[index].append(&moved);
                self.drop_leaf(next);
            }
        }
        true
    }

    /// Removes the empty leaf at `slot`: its slots become gaps of the leaf before, or of the next one at the left end.
    fn drop_leaf(&mut self, slot: usize) {
        let (start, end) = (self.start_of(slot), self.end_of(slot));
        let index = usize::from(self.refs[slot]);
        if start > 0 {
            let (key, leaf) = (self.keys[start - 1], self.refs[start - 1]);
            self.keys[start..end].fill(key);
            self.refs[start..end].fill(leaf);
        } else {
            let (key, leaf, until) = (self.keys[0], self.refs[end], self.end_of(end));
            self.keys[..until].fill(key);
            self.refs[..until].fill(leaf);
        }
        self.leaves.swap_remove(index);
        let moved = self.leaves.len();
        if index < moved {
            // The last leaf took the free place: its slots must follow.
            let first = self.refs.iter().position(|other| usize::from(*other) == moved).expect("every leaf has a slot");
            let end = self.end_of(first);
            self.refs[first..end].fill(index as u16);
        }
    }

    /// Whether there is no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.leaves.len() == 1 && self.leaves[0].len() == 0
    }

    /// Whether a split is still called for; another writer may have done it.
    pub(super) fn wants_split(&self) -> bool {
        self.leaves.len() >= LEAVES_SPLIT
    }

    /// Splits in two; the left part stays here, the right one is returned. After appends the left part stays full.
    pub(super) fn split(&mut self) -> Self {
        let appending = self.appended * 10 >= self.separators_added * 9 && self.separators_added > 0;
        let mut leaves = self.take_leaves();
        let at = if appending { leaves.len() - 1 } else { leaves.len() / 2 };
        let right = leaves.split_off(at);
        self.place(leaves, appending);
        Self::from_leaves(right)
    }

    /// Leaves in no particular order.
    pub(super) fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// Whether binary search is used.
    pub(super) fn is_binary(&self) -> bool {
        self.binary
    }

    /// Sum over leaves of the distance between prediction and truth, in slots.
    pub(super) fn total_error(&self) -> u64 {
        let mut slot = 0;
        let mut error = 0;
        while slot < self.keys.len() {
            let end = self.end_of(slot);
            let predicted = self.model.predict(self.keys[slot], self.keys.len());
            error += if predicted < slot { slot - predicted } else { (predicted + 1).saturating_sub(end) } as u64;
            slot = end;
        }
        error
    }

    /// Bytes on the heap for slots and leaf headers, slack included, without leaf data.
    pub(super) fn header_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<u64>()
            + self.refs.capacity() * size_of::<u16>()
            + self.leaves.capacity() * size_of::<Leaf>()
    }

    /// Checks the invariants.
    ///
    /// # Panics
    /// When one is broken.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let mut slot = 0;
        let mut last: Option<Entry> = None;
        let mut seen = vec![false; self.leaves.len()];
        while slot < self.keys.len() {
            let end = self.end_of(slot);
            assert!(self.keys[slot..end].iter().all(|key| *key == self.keys[slot]), "a gap repeats its left neighbour");
            assert!(!std::mem::replace(&mut seen[usize::from(self.refs[slot])], true), "slots of a leaf are together");
            let leaf = self.leaf(slot);
            assert!(leaf.len() > 0 || self.leaves.len() == 1, "only a sole leaf is empty");
            if let (Some(first), Some(end_entry)) = (leaf.first(), leaf.last()) {
                assert!(self.keys[slot] <= first.0, "a separator is at or below its leaf");
                assert!(last.is_none_or(|last| last.0 <= self.keys[slot] && last < first), "leaves ascend");
                assert!(leaf.decode().as_slice().is_sorted(), "entries ascend");
                last = Some(end_entry);
            }
            slot = end;
        }
        assert!(seen.iter().all(|seen| *seen), "every leaf has a slot");
        assert!(self.keys.is_sorted() && self.leaves.len() <= LEAVES_MAX, "separators ascend");
    }
}

//! The links: a graph on every level, in arrays of fixed slots.
//!
//! Level 0 has up to `2 m` links a node, an upper level `m`. A diverse choice leaves most lists of level 0 less than half
//! full, so a node has one row of about `m` words there, for the usual `m` a cache line: 20 links ([`super::list`]) and the place of a
//! second row when there are more ([`super::second`]).
//!
//! Readers take no lock: lists are words of a [`Shelf32`], so a reader beside a writer sees links of the old and of the
//! new list, each of which is a node; following one that is no longer there costs an evaluation. Writers of a list hold
//! the lock of its node's stripe, never two at once.
//!
//! ```text
//!   facts[slot]   rid | tag | state, level, whether it has twins, first upper list
//!   ground[slot]  place | l l l l l l . .        links of level 0 and where there are more
//!   seconds[row]  l l . . .                      the rest of up to 2 m links
//!   upper[list]   l l l .                        m links; lists of levels 1..=level of a node follow each other
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::codes::Slot;
use super::contract::Tag;
use super::list::{GROUP_WORDS, List, NONE, room, words};
use super::second::Seconds;
use super::shelf::Shelf32;
use super::twins::Groups;
use crate::common::splitmix;
use crate::index::Rid;

/// Highest level of a node.
pub(super) const LEVEL_MAX: u32 = 15;
/// Slots that packed links can tell apart. Tests are small and want both kinds.
const PACKED_SLOTS: usize = if cfg!(test) { 900 } else { (1 << 24) - 2 };
/// Slots that may be taken between looks at how many there are.
const SLOTS_AT_ONCE: usize = if cfg!(test) { 200 } else { 1 << 14 };
/// Locks that the lists share.
const STRIPES: usize = 1024;

const STATE_SHIFT: u32 = 30;
const LEVEL_SHIFT: u32 = 26;
/// Set while a node has twins.
const MARK: u32 = 1 << 25;
const UPPER_MASK: u32 = MARK - 1;

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing; the slot waits to be used.
    Free,
    /// An entry that is a node, or waits to be one.
    Live,
    /// An entry that was removed; its links still lead on until it is taken out of the graph.
    Dead,
    /// An entry that a node stands for ([`super::twins`]).
    Twin,
}

/// See the module.
pub(super) struct Graph {
    m: usize,
    /// Whether links are packed.
    packed: bool,
    /// Slots ever placed.
    placed: AtomicU32,
    ground: Shelf32,
    seconds: Seconds,
    upper: Shelf32,
    facts: Shelf32,
    stripes: Box<[Mutex<()>]>,
    /// Level and slot of the node that walks begin at, plus one; 0 when the graph is empty.
    entry: AtomicU64,
    lists: Mutex<Lists>,
    pub(super) twins: Mutex<Groups>,
}

/// Words of a list: of level 0 in a node's own row and at most in its second one, and of an upper level.
#[derive(Clone, Copy)]
pub(super) struct Widths {
    pub(super) near: usize,
    pub(super) more: usize,
    pub(super) upper: usize,
}

/// Rows handed out so far, and those given back.
#[derive(Default)]
struct Lists {
    upper: u32,
    /// Upper lists by how many follow each other.
    upper_free: [Vec<u32>; LEVEL_MAX as usize + 1],
}

impl Graph {
    pub(super) fn new(m: usize, expected: usize) -> Self {
        Self::made(m, expected, expected + SLOTS_AT_ONCE < PACKED_SLOTS)
    }

    /// A graph of a given kind of links.
    pub(super) fn made(m: usize, expected: usize, packed: bool) -> Self {
        let near = if packed { ((m - 1) / GROUP_WORDS).max(1) * GROUP_WORDS } else { m - 1 };
        let more = words((2 * m).saturating_sub(room(near, packed)), packed);
        Self {
            m,
            packed,
            placed: AtomicU32::new(0),
            ground: Shelf32::new(1 + near, expected),
            seconds: Seconds::new(more, packed, expected),
            upper: Shelf32::new(words(m, packed), expected / (m - 1).max(1) * 33 / 32),
            facts: Shelf32::new(3, expected),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            entry: AtomicU64::new(0),
            lists: Mutex::default(),
            twins: Mutex::default(),
        }
    }

    /// Whether more slots may come than its links can tell apart.
    pub(super) fn is_full(&self, slots: usize) -> bool {
        self.packed && slots + SLOTS_AT_ONCE >= PACKED_SLOTS
    }

    /// The same graph with room for any number of slots. Nobody else writes meanwhile.
    pub(super) fn widened(&self) -> Self {
        let slots = self.placed.load(Ordering::Relaxed);
        let wide = Self::made(self.m, slots as usize, false);
        for slot in 0..slots {
            let ((rid, tag), level) = (self.name(slot), self.level(slot));
            wide.place(slot, rid, tag, level);
            for level in 0..=level {
                wide.write(slot, level, &self.links(slot, level).collect::<Vec<_>>());
            }
            match self.state(slot) {
                State::Live => wide.mark(slot, self.has_twins(slot)),
                State::Free => wide.clear(slot),
                state => wide.become_state(slot, state),
            }
        }
        (*wide.twins.lock()).clone_from(&self.twins.lock());
        wide.set_entry(self.entry());
        wide
    }

    /// Most links of a node on a level.
    pub(super) fn capacity(&self, level: u32) -> usize {
        if level == 0 { 2 * self.m } else { self.m }
    }

    /// Makes a place an entry without links; nothing leads to it yet.
    pub(super) fn place(&self, slot: Slot, rid: Rid, tag: Tag, level: u32) {
        for link in self.ground.grow(slot as usize) {
            link.store(NONE, Ordering::Relaxed);
        }
        let first = if level > 0 { self.take_lists(level) } else { 0 };
        let facts = self.facts.grow(slot as usize);
        facts[0].store(rid, Ordering::Relaxed);
        facts[1].store(tag, Ordering::Relaxed);
        facts[2].store(word(State::Live, level, first), Ordering::Release);
        self.placed.fetch_max(slot + 1, Ordering::AcqRel);
    }

    fn take_lists(&self, level: u32) -> u32 {
        let mut lists = self.lists.lock();
        let first = lists.upper_free[level as usize].pop().unwrap_or_else(|| {
            lists.upper += level;
            lists.upper - level
        });
        drop(lists);
        assert!(first + level < UPPER_MASK, "the upper levels have room for 2^25 lists");
        for list in first..first + level {
            for link in self.upper.grow(list as usize) {
                link.store(NONE, Ordering::Relaxed);
            }
        }
        first
    }

    /// Makes an entry one of another kind.
    pub(super) fn become_state(&self, slot: Slot, state: State) {
        let fact = &self.facts.row(slot as usize)[2];
        let old = fact.load(Ordering::Relaxed);
        fact.store(old & (LEVEL_MAX << LEVEL_SHIFT | UPPER_MASK) | word(state, 0, 0), Ordering::Release);
    }

    /// Takes an entry that nothing leads to down to level 0.
    pub(super) fn lower(&self, slot: Slot) {
        let (level, first) = self.upper_of(slot);
        if level > 0 {
            self.put_level(slot, 0, 0);
            self.lists.lock().upper_free[level as usize].push(first);
        }
    }

    /// Takes an entry of level 0 up to a level, with empty lists.
    pub(super) fn raise(&self, slot: Slot, level: u32) {
        if level > 0 {
            let first = self.take_lists(level);
            self.put_level(slot, level, first);
        }
    }

    fn put_level(&self, slot: Slot, level: u32, first: u32) {
        let fact = &self.facts.row(slot as usize)[2];
        let old = fact.load(Ordering::Relaxed) & !(LEVEL_MAX << LEVEL_SHIFT | UPPER_MASK);
        fact.store(old | level << LEVEL_SHIFT | first, Ordering::Release);
    }

    /// Notes whether a node has twins.
    pub(super) fn mark(&self, node: Slot, has: bool) {
        let fact = &self.facts.row(node as usize)[2];
        let old = fact.load(Ordering::Relaxed);
        fact.store(if has { old | MARK } else { old & !MARK }, Ordering::Release);
    }

    /// Whether a node stands for twins.
    #[inline]
    pub(super) fn has_twins(&self, slot: Slot) -> bool {
        self.facts.row(slot as usize)[2].load(Ordering::Acquire) & MARK != 0
    }

    /// Whether there is an entry, a node or a twin.
    pub(super) fn is_entry(&self, slot: Slot) -> bool {
        matches!(self.state(slot), State::Live | State::Twin)
    }

    /// Frees a place that nothing leads to any more.
    pub(super) fn clear(&self, slot: Slot) {
        let (level, first) = self.upper_of(slot);
        let second = self.ground.row(slot as usize)[0].load(Ordering::Relaxed);
        for word in self.ground.row(slot as usize) {
            word.store(NONE, Ordering::Relaxed);
        }
        self.facts.row(slot as usize)[2].store(word(State::Free, 0, 0), Ordering::Release);
        if level > 0 {
            self.lists.lock().upper_free[level as usize].push(first);
        }
        self.seconds.give_back(second);
    }

    pub(super) fn state(&self, slot: Slot) -> State {
        match self.facts.row(slot as usize)[2].load(Ordering::Acquire) >> STATE_SHIFT {
            1 => State::Live,
            2 => State::Dead,
            3 => State::Twin,
            _ => State::Free,
        }
    }

    /// Whether the place was ever used.
    pub(super) fn placed(&self, slot: Slot) -> bool {
        self.facts.has(slot as usize)
    }

    /// Row and tag of an entry.
    pub(super) fn name(&self, slot: Slot) -> (Rid, Tag) {
        let facts = self.facts.row(slot as usize);
        (facts[0].load(Ordering::Relaxed), facts[1].load(Ordering::Relaxed))
    }

    /// Asks for an entry's facts ahead of time.
    pub(super) fn prefetch_name(&self, slot: Slot) {
        crate::simd::memory::prefetch(self.facts.row(slot as usize));
    }

    fn upper_of(&self, slot: Slot) -> (u32, u32) {
        let word = self.facts.row(slot as usize)[2].load(Ordering::Acquire);
        (word >> LEVEL_SHIFT & LEVEL_MAX, word & UPPER_MASK)
    }

    /// The highest level that an entry is on.
    pub(super) fn level(&self, slot: Slot) -> u32 {
        self.upper_of(slot).0
    }

    /// A node's list on a level.
    #[inline]
    pub(super) fn list(&self, slot: Slot, level: u32) -> List<'_> {
        let slots = self.placed.load(Ordering::Relaxed);
        if level == 0 {
            let (second, near) = self.ground.row(slot as usize).split_first().expect("a row has words");
            let more = self.seconds.row(second.load(Ordering::Acquire));
            return List { near, more, packed: self.packed, slots };
        }
        let (top, first) = self.upper_of(slot);
        // A link that a reader followed may lead to a place that was reused on a lower level since.
        let near = if level > top { &[][..] } else { self.upper.row((first + level - 1) as usize) };
        List { near, more: &[], packed: self.packed, slots }
    }

    /// Gives a node the second row of level 0 that so many links need; the caller holds the node's lock.
    fn fit(&self, slot: Slot, links: usize) {
        let (second, near) = self.ground.row(slot as usize).split_first().expect("a row has words");
        self.seconds.fit(second, links.saturating_sub(room(near.len(), self.packed)));
    }

    /// The links of a node on a level.
    #[inline]
    pub(super) fn links(&self, slot: Slot, level: u32) -> impl Iterator<Item = Slot> {
        self.list(slot, level).links()
    }

    /// Asks for a node's list of level 0 ahead of time.
    #[inline]
    pub(super) fn prefetch(&self, slot: Slot) {
        crate::simd::memory::prefetch(self.ground.row(slot as usize));
    }

    /// The right to write a node's lists.
    pub(super) fn lock(&self, slot: Slot) -> MutexGuard<'_, ()> {
        self.stripes[slot as usize % STRIPES].lock()
    }

    /// Replaces a list; the caller holds the node's lock.
    pub(super) fn write(&self, slot: Slot, level: u32, links: &[Slot]) {
        if level == 0 {
            self.fit(slot, links.len());
        }
        let list = self.list(slot, level);
        let numbers = links.iter().map(|link| link + 1).chain(std::iter::repeat(NONE));
        numbers.take(list.room()).enumerate().for_each(|(at, number)| list.set(at, number));
    }

    /// Adds a link at the end if the list has room; the caller holds the node's lock. Where the node has no list there is
    /// nothing to do: a link led to a place that was reused on a lower level.
    pub(super) fn push(&self, slot: Slot, level: u32, link: Slot) -> bool {
        let list = self.list(slot, level);
        if list.room() == 0 {
            return true;
        }
        let count = list.links().count();
        if count >= self.capacity(level) {
            return false;
        }
        if count < list.room() {
            list.set(count, link + 1);
        } else {
            self.fit(slot, count + 1);
            self.list(slot, level).set(count, link + 1);
        }
        true
    }

    /// Where walks begin: a slot and its level.
    pub(super) fn entry(&self) -> Option<(Slot, u32)> {
        match self.entry.load(Ordering::Acquire) {
            0 => None,
            entry => Some(((entry as u32) - 1, (entry >> 32) as u32)),
        }
    }

    /// Lets walks begin at a node if it is on a higher level than the present one.
    pub(super) fn offer_entry(&self, slot: Slot, level: u32) {
        self.entry.fetch_max(u64::from(level) << 32 | u64::from(slot + 1), Ordering::AcqRel);
    }

    /// Lets walks begin elsewhere; the caller keeps others from doing the same.
    pub(super) fn set_entry(&self, entry: Option<(Slot, u32)>) {
        let word = entry.map_or(0, |(slot, level)| u64::from(level) << 32 | u64::from(slot + 1));
        self.entry.store(word, Ordering::Release);
    }

    /// Whether links are packed.
    pub(super) fn is_packed(&self) -> bool {
        self.packed
    }

    /// Whether so many slots can have packed links.
    pub(super) fn can_pack(slots: Slot) -> bool {
        (slots as usize) < PACKED_SLOTS
    }

    /// Words of lists.
    pub(super) fn widths(&self) -> Widths {
        Widths { near: self.ground.width() - 1, more: self.seconds.width(), upper: self.upper.width() }
    }

    /// The words of a node's list of level 0: in its own row, and in its second one.
    pub(super) fn ground_rows(&self, slot: Slot) -> (&[AtomicU32], &[AtomicU32]) {
        let List { near, more, .. } = self.list(slot, 0);
        (near, more)
    }

    /// The words of a node's list of an upper level.
    pub(super) fn upper_row(&self, slot: Slot, level: u32) -> &[AtomicU32] {
        self.list(slot, level).near
    }

    /// Takes rows for lists of upper levels, which follow each other; nothing when there are no more.
    pub(super) fn take_uppers(&self, count: u32) -> Option<u32> {
        let mut lists = self.lists.lock();
        let first = lists.upper;
        lists.upper = first.checked_add(count).filter(|end| *end < UPPER_MASK)?;
        Some(first)
    }

    /// Second rows of level 0.
    pub(super) fn seconds(&self) -> &Seconds {
        &self.seconds
    }

    /// Writes a place's facts: its name, what it is, its level and first upper list.
    pub(super) fn put_facts(&self, slot: Slot, (rid, tag): (Rid, Tag), (state, level, first): (State, u32, u32)) {
        let facts = self.facts.grow(slot as usize);
        facts[0].store(rid, Ordering::Relaxed);
        facts[1].store(tag, Ordering::Relaxed);
        facts[2].store(word(state, level, first), Ordering::Release);
    }

    /// Gives an entry its second row, if any, and returns the words of the first.
    pub(super) fn put_ground(&self, slot: Slot, second: u32) -> &[AtomicU32] {
        let (place, near) = self.ground.grow(slot as usize).split_first().expect("a row has words");
        place.store(second, Ordering::Relaxed);
        near
    }

    /// The words of an upper list that was taken.
    pub(super) fn upper_list(&self, row: u32) -> &[AtomicU32] {
        self.upper.grow(row as usize)
    }

    /// Says how many places there are, once they are written.
    pub(super) fn put_placed(&self, slots: Slot) {
        self.placed.store(slots, Ordering::Release);
    }

    /// Resident bytes of the links, and of the facts.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.ground.bytes() + self.seconds.bytes() + self.upper.bytes(), self.facts.bytes() + self.twin_bytes())
    }
}

fn word(state: State, level: u32, first: u32) -> u32 {
    (state as u32) << STATE_SHIFT | level << LEVEL_SHIFT | first
}

/// The level of the `nth` entry: geometric with ratio `1 / m`, from a hash, so that a seed decides it.
pub(super) fn level_of(seed: u64, nth: u64, m: usize) -> u32 {
    let hash = splitmix::mix(seed ^ nth.wrapping_mul(splitmix::STEP));
    let unit = (hash >> 11) as f64 + 1.0;
    let level = -(unit / (1_u64 << 53) as f64).ln() / (m as f64).ln();
    (level as u32).min(LEVEL_MAX)
}

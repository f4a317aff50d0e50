//! Which slots belong to a row, and which are free.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::codes::Slot;
use crate::index::Rid;

/// Rows have one entry nearly always, so the first is in an array by row id and only further ones are in a map.
#[derive(Default)]
pub(super) struct Names {
    /// First slot of each row, plus one.
    heads: Vec<u32>,
    /// The next slot of the same row.
    next: HashMap<Slot, Slot>,
    free: VecDeque<Slot>,
    /// Whether free slots are not to be used.
    held: bool,
    used: Slot,
}

impl Names {
    /// No entries, room for those that are expected. Rows are counted from 1.
    pub(super) fn with_room(rows: usize) -> Self {
        Self { heads: Vec::with_capacity(rows + 1), ..Self::default() }
    }

    /// A slot for an entry of the row. The one that was freed longest ago comes first, so that searches under way are
    /// likely past it.
    pub(super) fn add(&mut self, rid: Rid) -> Slot {
        let free = if self.held { None } else { self.free.pop_front() };
        let slot = free.unwrap_or_else(|| {
            assert!(self.used < 1 << 31, "an index has at most 2^31 entries");
            self.used += 1;
            self.used - 1
        });
        self.note(rid, slot);
        slot
    }

    /// Notes that a slot is the row's.
    fn note(&mut self, rid: Rid, slot: Slot) {
        let at = rid as usize;
        if at >= self.heads.len() {
            // An eighth more, for doubling would leave half of it unused.
            if at >= self.heads.capacity() {
                self.heads.reserve_exact(at + 1 + at / 8 - self.heads.len());
            }
            self.heads.resize(at + 1, 0);
        }
        if self.heads[at] != 0 {
            self.next.insert(slot, self.heads[at] - 1);
        }
        self.heads[at] = slot + 1;
    }

    /// Takes the row's first slot that `wanted` accepts away from the row; it is not free yet.
    pub(super) fn take(&mut self, rid: Rid, wanted: impl Fn(Slot) -> bool) -> Option<Slot> {
        let mut before = None;
        let mut at = self.heads.get(rid as usize)?.checked_sub(1)?;
        while !wanted(at) {
            before = Some(at);
            at = *self.next.get(&at)?;
        }
        let after = self.next.remove(&at);
        match (before, after) {
            (None, after) => self.heads[rid as usize] = after.map_or(0, |after| after + 1),
            (Some(before), Some(after)) => drop(self.next.insert(before, after)),
            (Some(before), None) => drop(self.next.remove(&before)),
        }
        Some(at)
    }

    /// Appends the slots of a row.
    pub(super) fn slots_of(&self, rid: Rid, out: &mut Vec<Slot>) {
        out.extend(self.slots(rid));
    }

    /// The slots of a row.
    pub(super) fn slots(&self, rid: Rid) -> impl Iterator<Item = Slot> {
        let first = self.heads.get(rid as usize).and_then(|head| head.checked_sub(1));
        std::iter::successors(first, |slot| if self.next.is_empty() { None } else { self.next.get(slot).copied() })
    }

    /// Says whether free slots are to be left alone, so that a slot stays what it is.
    pub(super) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Lets a slot be used again.
    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push_back(slot);
    }

    /// Slots ever used.
    pub(super) fn used(&self) -> Slot {
        self.used
    }

    /// Names of so many slots, by the row of each; one without a row is free.
    pub(super) fn restored(used: Slot, row_of: impl Fn(Slot) -> Option<Rid>) -> Self {
        let mut names = Self::with_room(used as usize);
        for slot in 0..used {
            match row_of(slot) {
                Some(rid) => names.note(rid, slot),
                None => names.free.push_back(slot),
            }
        }
        names.used = used;
        names
    }

    /// Number of free slots.
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        (4 * (self.heads.capacity() + self.free.capacity()) + 9 * self.next.capacity()) as u64
    }
}

//! Lists of links as they lie in memory.
//!
//! A list is a sequence of numbers, ended by [`NONE`] or by its room, in the words of one row or two. Numbers are 24 bits
//! wide while the index has fewer slots than that can tell apart, so that a cache line has room for 20 of them and the number
//! of a second row; a larger index gives each number a word.
//!
//! ```text
//!   word     0           1           2
//!   packed   1 0 0 0     2 2 1 1     3 3 3 2      bytes of links 0 to 3, high to low
//!   wide     0           1           2
//! ```
//!
//! A reader beside a writer may see a packed number half old and half new. Such a number is no link that anyone wrote, but
//! either a slot, which costs an evaluation like any other, or beyond all slots, which the reader passes over.

use std::sync::atomic::{AtomicU32, Ordering};

use super::codes::Slot;

/// Not a node: ends a list. Written as zero, so that fresh lists are empty; links are stored plus one.
pub(super) const NONE: u32 = 0;
/// Links that share words.
const GROUP: usize = 4;
/// Words that they share.
pub(super) const GROUP_WORDS: usize = 3;
const MASK: u32 = (1 << 24) - 1;

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) near: &'a [AtomicU32],
    pub(super) more: &'a [AtomicU32],
    pub(super) packed: bool,
    /// Slots that there are.
    pub(super) slots: u32,
}

/// Links that belong together, and their words.
pub(super) fn unit(packed: bool) -> (usize, usize) {
    if packed { (GROUP, GROUP_WORDS) } else { (1, 1) }
}

/// Links that so many words have room for.
pub(super) fn room(words: usize, packed: bool) -> usize {
    let (of_links, of_words) = unit(packed);
    words / of_words * of_links
}

/// Words for so many links.
pub(super) fn words(links: usize, packed: bool) -> usize {
    let (of_links, of_words) = unit(packed);
    links.div_ceil(of_links) * of_words
}

/// Whether all numbers of some lists, as bytes of their words, are at most `slots`.
pub(super) fn all_below(bytes: &[u8], packed: bool, slots: u32) -> bool {
    let words = bytes.as_chunks().0;
    let word = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
    if !packed {
        return words.iter().all(|bytes| word(bytes) <= slots);
    }
    let within = |group: &[[u8; 4]; GROUP_WORDS]| unpacked(group.each_ref().map(word)).iter().all(|one| *one <= slots);
    words.as_chunks().0.iter().all(within)
}

/// The numbers of a group of words.
#[inline]
fn unpacked([first, second, third]: [u32; GROUP_WORDS]) -> [u32; GROUP] {
    [first & MASK, (first >> 24 | second << 8) & MASK, (second >> 16 | third << 16) & MASK, third >> 8]
}

/// The numbers of a group as they are now.
#[inline]
fn loaded(words: &[AtomicU32; GROUP_WORDS]) -> [u32; GROUP] {
    let load = |word: &AtomicU32| word.load(Ordering::Relaxed);
    let [first, second, third] = words;
    unpacked([load(first), load(second), load(third)])
}

impl<'a> List<'a> {
    /// Links that it has room for.
    pub(super) fn room(self) -> usize {
        room(self.near.len(), self.packed) + room(self.more.len(), self.packed)
    }

    /// The links.
    #[inline]
    pub(super) fn links(self) -> Links<'a> {
        Links { list: self, group: [NONE; GROUP], at: GROUP }
    }

    /// Shows all numbers, in groups that are filled up with [`NONE`]; faster than one by one. Half-written ones are among them.
    #[inline]
    pub(super) fn groups(self, mut see: impl FnMut([u32; GROUP])) {
        for words in [self.near, self.more] {
            if self.packed {
                for words in words.as_chunks::<GROUP_WORDS>().0 {
                    let group = loaded(words);
                    see(group);
                    if group[GROUP - 1] == NONE {
                        return;
                    }
                }
            } else {
                for words in words.chunks(GROUP) {
                    let mut group = [NONE; GROUP];
                    group.iter_mut().zip(words).for_each(|(number, word)| *number = word.load(Ordering::Relaxed));
                    see(group);
                }
            }
        }
    }

    /// Writes one number; the caller keeps other writers out.
    pub(super) fn set(self, at: usize, number: u32) {
        let near = room(self.near.len(), self.packed);
        let (words, at) = if at < near { (self.near, at) } else { (self.more, at - near) };
        if !self.packed {
            words[at].store(number, Ordering::Release);
            return;
        }
        let words = &words[at / GROUP * GROUP_WORDS..][..GROUP_WORDS];
        let change = |word: usize, keep: u32, bits: u32| {
            words[word].store(words[word].load(Ordering::Relaxed) & keep | bits, Ordering::Release);
        };
        match at % GROUP {
            0 => change(0, !MASK, number),
            1 => {
                change(0, MASK, number << 24);
                change(1, 0xffff_0000, number >> 8);
            }
            2 => {
                change(1, 0x0000_ffff, number << 16);
                change(2, !0xff, number >> 16);
            }
            _ => change(2, 0xff, number << 8),
        }
    }
}

/// The links of a list.
pub(super) struct Links<'a> {
    list: List<'a>,
    group: [u32; GROUP],
    at: usize,
}

impl Links<'_> {
    /// Reads the next words; false when there are none.
    #[inline]
    fn read(&mut self) -> bool {
        let list = &mut self.list;
        if list.near.is_empty() {
            list.near = std::mem::take(&mut list.more);
        }
        if list.packed {
            let Some((words, rest)) = list.near.split_first_chunk::<GROUP_WORDS>() else { return false };
            self.group = loaded(words);
            self.at = 0;
            list.near = rest;
        } else {
            let Some((word, rest)) = list.near.split_first() else { return false };
            self.group[GROUP - 1] = word.load(Ordering::Relaxed);
            self.at = GROUP - 1;
            list.near = rest;
        }
        true
    }
}

impl Iterator for Links<'_> {
    type Item = Slot;

    #[inline]
    fn next(&mut self) -> Option<Slot> {
        loop {
            if self.at == GROUP && !self.read() {
                return None;
            }
            let link = self.group[self.at];
            self.at += 1;
            if link == NONE {
                (self.list.near, self.list.more, self.at) = (&[], &[], GROUP);
                return None;
            }
            if link <= self.list.slots {
                return Some(link - 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::{List, NONE, words};

    proptest! {
        #[test]
        fn a_list_holds_what_was_written(
            packed in any::<bool>(),
            near in 1_usize..8,
            more in 0_usize..4,
            writes in prop::collection::vec((any::<usize>(), 1_u32..1 << 24), 0..60),
        ) {
            let row = |links: usize| (0..words(4 * links, packed)).map(|_| AtomicU32::new(NONE)).collect::<Vec<_>>();
            let (near, more) = (row(near), row(more));
            let list = List { near: &near, more: &more, packed, slots: 1 << 20 };
            let places = list.room();
            let mut model = vec![NONE; places];
            for (at, number) in writes {
                list.set(at % places, number);
                model[at % places] = number;
            }
            let expected = model.iter().take_while(|number| **number != NONE).filter(|number| **number <= 1 << 20);
            let expected: Vec<u32> = expected.copied().collect();
            let mut numbers = Vec::new();
            list.groups(|group| numbers.extend(group));
            numbers.retain(|number| *number != NONE);
            let written = model.iter().position(|number| *number == NONE).unwrap_or(places);
            prop_assert_eq!(&numbers[..written], &model[..written]);
            prop_assert_eq!(list.links().collect::<Vec<_>>(), expected.iter().map(|number| number - 1).collect::<Vec<_>>());
        }
    }
}

//! Numbering distinct keys.
//!
//! A raw hash table of (hash, entry) pairs beside one arena of key bytes: no allocation per key, and a probe compares the
//! hash before it looks at bytes. Keys that are numbers stand in the table itself. Entries are numbered from 0 in order of
//! appearance; NULL is a key like others.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::encode::Keys;

/// No entry.
pub(in crate::sql::executor) const NO_ENTRY: u32 = u32::MAX;

/// Distinct keys of one shape with their numbers.
#[derive(Default)]
pub(in crate::sql::executor) struct KeyTable {
    hasher: DefaultHashBuilder,
    /// A number, or the hash of a key's bytes, and the entry.
    slots: HashTable<(u64, u32)>,
    arena: Vec<u8>,
    ends: Vec<usize>,
    /// The entry of NULL among keys that are numbers.
    null: Option<u32>,
    len: u32,
}

impl KeyTable {
    /// How many keys there are.
    pub(in crate::sql::executor) fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes held.
    pub(in crate::sql::executor) fn memory(&self) -> usize {
        self.slots.capacity() * 18 + self.arena.capacity() + self.ends.capacity() * 8
    }

    /// The hashes that this table goes by.
    pub(in crate::sql::executor) fn hashes(&self, keys: &Keys) -> Vec<u64> {
        keys.hashes(&self.hasher)
    }

    /// A table without entries that hashes as this one.
    pub(in crate::sql::executor) fn sibling(&self) -> Self {
        Self { hasher: self.hasher.clone(), ..Self::default() }
    }

    /// The entry of each key, made where there is none; rows that made one are added to `fresh` in order.
    pub(in crate::sql::executor) fn insert(&mut self, keys: &Keys, hashes: &[u64], fresh: &mut Vec<u32>) -> Vec<u32> {
        let mut entries = Vec::with_capacity(hashes.len());
        for (row, hash) in hashes.iter().enumerate() {
            let before = self.len;
            entries.push(self.insert_one(keys, row, *hash));
            if self.len > before {
                fresh.push(u32::try_from(row).expect("batches are small"));
            }
        }
        entries
    }

    #[inline]
    fn insert_one(&mut self, keys: &Keys, row: usize, hash: u64) -> u32 {
        let next = self.len;
        match keys {
            Keys::Words { images, nulls, .. } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    self.len += u32::from(self.null.is_none());
                    return *self.null.get_or_insert(next);
                }
                let image = images[row];
                let hasher = &self.hasher;
                match self.slots.entry(hash, |slot| slot.0 == image, |slot| hasher.hash_one(slot.0)) {
                    Entry::Occupied(found) => return found.get().1,
                    Entry::Vacant(room) => room.insert((image, next)),
                };
            }
            Keys::Bytes { .. } => {
                let bytes = keys.bytes(row);
                let (arena, ends) = (&self.arena, &self.ends);
                let same = |slot: &(u64, u32)| slot.0 == hash && stored(arena, ends, slot.1) == bytes;
                match self.slots.entry(hash, same, |slot| slot.0) {
                    Entry::Occupied(found) => return found.get().1,
                    Entry::Vacant(room) => room.insert((hash, next)),
                };
                self.arena.extend_from_slice(bytes);
                self.ends.push(self.arena.len());
            }
        }
        self.len = next.checked_add(1).filter(|len| *len < NO_ENTRY).expect("memory ends before 2^32 keys");
        next
    }

    /// The entry of each key, or [`NO_ENTRY`].
    pub(in crate::sql::executor) fn find(&self, keys: &Keys, hashes: &[u64]) -> Vec<u32> {
        hashes.iter().enumerate().map(|(row, hash)| self.find_one(keys, row, *hash)).collect()
    }

    #[inline]
    fn find_one(&self, keys: &Keys, row: usize, hash: u64) -> u32 {
        let found = match keys {
            Keys::Words { images, nulls, .. } => {
                if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                    return self.null.unwrap_or(NO_ENTRY);
                }
                let image = images[row];
                self.slots.find(hash, |slot| slot.0 == image)
            }
            Keys::Bytes { .. } => {
                let bytes = keys.bytes(row);
                self.slots.find(hash, |slot| slot.0 == hash && stored(&self.arena, &self.ends, slot.1) == bytes)
            }
        };
        found.map_or(NO_ENTRY, |slot| slot.1)
    }
}

/// The bytes of an entry.
#[inline]
fn stored<'a>(arena: &'a [u8], ends: &[usize], entry: u32) -> &'a [u8] {
    let entry = entry as usize;
    let start = if entry == 0 { 0 } else { ends[entry - 1] };
    &arena[start..ends[entry]]
}

//! Codes chosen anew as an index grows.
//!
//! A bulk load knows all entries when it chooses how many bits tell them apart and how many more candidates codes need. An index that was
//! made before its rows is not so lucky: what tells a few thousand apart does no longer when there are ten times as many in the
//! same clusters, and links that were chosen by such codes are bad ones: 40,000 rows in twenty clusters .81 where a bulk load has .94.
//! So it takes to as many bits as do for certain, 8, when full vectors take too much; chooses when it has [`CHOICE_ENTRIES_MIN`] entries;
//! and again whenever half of the entries have come since.
//!
//! The choice is made by finer codes than are kept. The first time they are those that there are. Later they come from the rows, which the owner
//! shows. Everybody goes on meanwhile:
//!
//! ```text
//!   begin     from here on whoever writes an entry writes its finer code too; places that become free stay so
//!   rows      the entries that there were get finer codes from the rows that are shown
//!   rest      those of no row that can be read now, changes under way and old versions, get them from the codes they have
//!   choice    as after a load ([`super::calibrate`]); codes of other bits come from the finer ones
//!   end       at once: the new codes, the new number of candidates
//! ```
//!
//! Where codes have more bits now, nodes are to be linked anew ([`super::relink`]).

use std::sync::Arc;

use super::body::{Body, Store, code_bits};
use super::calibrate::FACTOR_MAX_GROWING;
use super::codes::{Codes, Slot};
use super::contract::{Job, Sink, Tag, VectorIndex};
use super::graph::Graph;
use super::index::{Held, Hnsw};
use super::packed::Packed;
use super::relink::Relinking;
use crate::error::Result;
use crate::index::Rid;

/// Entries from which on an index that was made before them may have codes of fewer than 8 bits.
const CHOICE_ENTRIES_MIN: usize = if cfg!(test) { 120 } else { 1 << 14 };
/// Of the entries, one in so many may be of no row that can be read; with more the choice waits.
const UNREAD_PART: usize = 10;

/// Codes that are to be written besides until it is dropped; no place is used again meanwhile.
struct Coming<'a>(Held<'a>);

impl<'a> Coming<'a> {
    fn begin(index: &'a Hnsw) -> Self {
        Self(Held::begin(index))
    }

    /// From here on every entry is written to this store too; how many places are from before.
    fn announce(&self, store: &Arc<Store>) -> Slot {
        // Who writes an entry holds the body, so all that have a place have been written.
        let mut body = self.0.index.body.write();
        let [fine, near] = &mut body.coming;
        *(if fine.is_none() { fine } else { near }) = Some(Arc::clone(store));
        self.0.index.slots()
    }
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        self.0.index.body.write().coming = [None, None];
    }
}

impl Hnsw {
    /// See [`super::VectorIndex::is_outgrown`].
    pub(super) fn has_outgrown_codes(&self) -> bool {
        let (bits, entries) = (self.body.read().bits, self.len());
        match (code_bits(&self.options), self.chosen()) {
            (Some(wanted), 0) => bits == 8 && wanted < 8 && entries >= CHOICE_ENTRIES_MIN,
            (Some(_), chosen) => bits < 8 && self.born() - chosen > entries as u64 / 2,
            (None, _) => false,
        }
    }

    /// See [`super::VectorIndex::recode`].
    pub(super) fn recode_from(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<bool> {
        let mut relinking = self.upkeep.lock();
        let (born, coming) = (self.born(), Coming::begin(self));
        let announce = |store: &Arc<Store>| coming.announce(store);
        let body = self.body.read().clone();
        let (Store::Packed(near), Some(wanted)) = (&*body.near, code_bits(&self.options)) else { return Ok(false) };
        let mut chosen = match &body.fine {
            Some(_) => body.clone(),
            None if near.bits() == 8 => Body {
                fine: Some(Arc::clone(&body.near)),
                near: self.coarsened(near, wanted, &announce),
                bits: wanted,
                ..body.clone()
            },
            None => match self.read_rows(near, &announce, feed, job)? {
                Some(fine) => Body { fine: Some(fine), ..body.clone() },
                None => return Ok(false),
            },
        };
        self.calibrate(&mut chosen, job, FACTOR_MAX_GROWING, &announce)?;
        let mut body = self.body.write();
        let finer = chosen.bits > body.bits;
        if chosen.bits != body.bits {
            (body.near, body.bits) = (chosen.near, chosen.bits);
        }
        (body.fine, body.ef_factor) = (chosen.fine.filter(|_| self.options.memory.keeps_fine()), chosen.ef_factor);
        drop((body, coming));
        self.note_chosen(born);
        if finer {
            *relinking = Relinking::from(0, self.slots());
        }
        Ok(true)
    }

    /// Finer codes, from rows; nothing when too many places are of no row that is shown.
    fn read_rows(
        &self,
        near: &Packed,
        announce: &dyn Fn(&Arc<Store>) -> Slot,
        feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>,
        job: &Job<'_>,
    ) -> Result<Option<Arc<Store>>> {
        let frame = Arc::clone(near.frame());
        let (dims, expected) = (frame.dims(), self.slots() as usize);
        let store = Arc::new(Store::Packed(Packed::new(frame, 8, dims, expected, job.file.clone())));
        let slots = announce(&store);
        let Store::Packed(fine) = &*store else { unreachable!("it was made above") };
        // Another graph may take the place of this one, and has these places too.
        let graph = Arc::clone(&self.body.read().graph);
        let mut read = vec![false; slots as usize];
        feed(&mut |rid, tag, vector| {
            if let Some(slot) = self.place_of((rid, tag), &graph).filter(|slot| *slot < slots) {
                fine.write(slot, vector);
                read[slot as usize] = true;
            }
            job.cancel.check()
        })?;
        let unread: Vec<Slot> = (0..slots).filter(|slot| graph.placed(*slot) && !read[*slot as usize]).collect();
        let entries = unread.iter().filter(|slot| graph.is_entry(**slot)).count();
        if entries > self.len() / UNREAD_PART {
            return Ok(None);
        }
        unread.into_iter().for_each(|slot| fine.write_from(near, slot));
        Ok(Some(store))
    }

    /// The place of an entry.
    fn place_of(&self, entry: (Rid, Tag), graph: &Graph) -> Option<Slot> {
        self.names.lock().slots(entry.0).find(|slot| graph.placed(*slot) && graph.name(*slot) == entry)
    }
}

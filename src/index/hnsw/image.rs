//! Checkpoints: an index as bytes, checksummed.
//!
//! The index is derived, so a checkpoint saves time and is never trusted: it is a sequence of blocks, each with its
//! length and CRC-32C, ended by an empty one; any difference is an error, upon which the owner builds anew. Numbers are
//! in the machine's own order, which the magic number tells; a foreign order is an error too.
//!
//! ```text
//!   block   length u32 | crc32c u32 | bytes          at most 256 KiB
//!   content magic | options | codes: bits, factor, centre, spread | counts, entry point | slots
//!   slot    state and level u8 | rid | tag | links of each level: count u8.. | row of the walk's codes | fine row
//! ```

use std::io::{Read, Write};
use std::sync::Arc;

use super::body::{Body, Store, code_bits, fit, with_store};
use super::codes::{Codes, Slot};
use super::contract::{Kind, Memory, Metric, Options, Quantization};
use super::graph::{Graph, LEVEL_MAX, State};
use super::index::Hnsw;
use crate::error::{Error, Result};

const MAGIC: u64 = 0x6f6d_656e_7665_6302;
const BLOCK: usize = 1 << 18;
const METRICS: [Metric; 6] =
    [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::L1, Metric::Hamming, Metric::Jaccard];
const KINDS: [Kind; 3] = [Kind::Dense, Kind::Sparse, Kind::Bits];
const QUANTIZATIONS: [Quantization; 6] = [
    Quantization::Auto,
    Quantization::None,
    Quantization::Int8,
    Quantization::Rabitq1,
    Quantization::Rabitq2,
    Quantization::Rabitq4,
];
const MEMORIES: [Memory; 2] = [Memory::Fast, Memory::Budget];

/// Writes blocks.
pub(super) struct Sealer<'a> {
    out: &'a mut dyn Write,
    block: Vec<u8>,
}

impl Sealer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.block.extend_from_slice(bytes);
        if self.block.len() >= BLOCK { self.seal() } else { Ok(()) }
    }

    fn number(&mut self, number: u32) -> Result<()> {
        self.put(&number.to_ne_bytes())
    }

    fn seal(&mut self) -> Result<()> {
        let length = u32::try_from(self.block.len()).expect("rows are short");
        let head = [length.to_ne_bytes(), crc32c::crc32c(&self.block).to_ne_bytes()].concat();
        let written = self.out.write_all(&head).and_then(|()| self.out.write_all(&self.block));
        self.block.clear();
        written.map_err(|error| crate::error!(IO_ERROR, "could not write a vector index checkpoint: {error}"))
    }
}

/// Reads blocks back.
struct Opener<'a> {
    input: &'a mut dyn Read,
    block: Vec<u8>,
    at: usize,
}

fn damaged(what: &str) -> Error {
    crate::error!(INDEX_CORRUPTED, "vector index checkpoint is damaged: {what}")
}

impl Opener<'_> {
    fn open(&mut self) -> Result<()> {
        let mut head = [0; 8];
        self.input.read_exact(&mut head).map_err(|_| damaged("it ends early"))?;
        let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let length = word(0) as usize;
        if length > 64 * BLOCK {
            return Err(damaged("a block is too long"));
        }
        self.block.resize(length, 0);
        self.input.read_exact(&mut self.block).map_err(|_| damaged("it ends early"))?;
        self.at = 0;
        if crc32c::crc32c(&self.block) == word(4) { Ok(()) } else { Err(damaged("a checksum is wrong")) }
    }

    /// The next bytes; what was put at once lies in one block.
    fn take(&mut self, count: usize) -> Result<&[u8]> {
        if self.at == self.block.len() {
            self.open()?;
        }
        let end = self.at + count;
        let taken = self.block.get(self.at..end).ok_or_else(|| damaged("a block is too short"))?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32> {
        self.take(4).map(|bytes| u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
    }

    fn long(&mut self) -> Result<u64> {
        self.take(8).map(|bytes| u64::from_ne_bytes(bytes.try_into().expect("eight bytes")))
    }

    fn choice<T: Copy>(&mut self, of: &[T]) -> Result<T> {
        let nth = self.number()? as usize;
        of.get(nth).copied().ok_or_else(|| damaged("an option is unknown"))
    }
}

fn nth<T: PartialEq>(of: &[T], one: &T) -> u32 {
    of.iter().position(|other| other == one).expect("the table is complete") as u32
}

/// Writes an index.
pub(super) fn save(index: &Hnsw, out: &mut dyn Write) -> Result<()> {
    let body = index.body.read();
    let mut to = Sealer { out, block: Vec::with_capacity(BLOCK + (1 << 17)) };
    let options = &index.options;
    to.put(&MAGIC.to_ne_bytes())?;
    let choices = [
        nth(&METRICS, &options.metric),
        nth(&KINDS, &options.kind),
        nth(&QUANTIZATIONS, &options.quantization),
        nth(&MEMORIES, &options.memory),
    ];
    for number in choices.into_iter().chain([options.dims, options.m, options.ef_construction]) {
        to.number(number)?;
    }
    to.put(&options.seed.to_ne_bytes())?;
    to.number(body.bits)?;
    to.number(u32::from(body.fine.is_some()))?;
    to.put(&body.ef_factor.to_ne_bytes())?;
    if let Store::Packed(codes) = &*body.near {
        for element in &codes.frame().center {
            to.put(&element.to_ne_bytes())?;
        }
        to.put(&codes.frame().spread.to_ne_bytes())?;
    }
    let slots = index.slots();
    to.number(slots)?;
    to.put(&index.born().to_ne_bytes())?;
    let entry = body.graph.entry();
    to.number(entry.map_or(0, |(slot, _)| slot + 1))?;
    let mut row = Vec::new();
    for slot in 0..slots {
        row.clear();
        slot_bytes(&body, slot, &mut row);
        to.number(u32::try_from(row.len()).expect("rows are short"))?;
        to.put(&row)?;
    }
    if !to.block.is_empty() {
        to.seal()?;
    }
    to.seal()
}

/// One slot's state, name, links and codes; nothing but the state when it is free.
fn slot_bytes(body: &Body, slot: Slot, row: &mut Vec<u8>) {
    let graph = &body.graph;
    if !graph.placed(slot) || graph.state(slot) != State::Live {
        row.push(u8::MAX);
        return;
    }
    let (rid, tag) = graph.name(slot);
    let top = graph.level(slot);
    row.push(top as u8);
    row.extend(rid.to_ne_bytes());
    row.extend(tag.to_ne_bytes());
    for level in 0..=top {
        let links: Vec<Slot> = graph.links(slot, level).collect();
        row.extend((links.len() as u32).to_ne_bytes());
        row.extend(links.iter().flat_map(|link| link.to_ne_bytes()));
    }
    with_store!(&*body.near, codes => codes.save(slot, row));
    if let Some(fine) = &body.fine {
        with_store!(&**fine, codes => codes.save(slot, row));
    }
}

/// Reads an index that [`super::VectorIndex::checkpoint`] wrote.
///
/// # Errors
/// `XX002` when it is damaged: drop it and build the index anew.
pub fn restore(input: &mut dyn Read) -> Result<Hnsw> {
    let mut from = Opener { input, block: Vec::new(), at: 0 };
    if from.long()? != MAGIC {
        return Err(damaged("it is none, or another machine's"));
    }
    let (metric, kind) = (from.choice(&METRICS)?, from.choice(&KINDS)?);
    let (quantization, memory) = (from.choice(&QUANTIZATIONS)?, from.choice(&MEMORIES)?);
    let (dims, m, ef_construction) = (from.number()?, from.number()?, from.number()?);
    let options = Options { metric, kind, dims, m, ef_construction, quantization, memory, seed: from.long()? };
    if !fit(metric, kind) || m < 2 || dims == 0 {
        return Err(damaged("its options do not fit together"));
    }
    let (bits, fine) = (from.number()?, from.number()? != 0);
    let ef_factor = f64::from_bits(from.long()?);
    let coded = matches!(bits, 1 | 2 | 4 | 8) && code_bits(&options).is_some();
    if !coded && bits != Body::plain(&options, 0).bits {
        return Err(damaged("its codes do not fit its options"));
    }
    let mut center = Vec::new();
    for _ in 0..if coded { dims } else { 0 } {
        center.push(f32::from_bits(from.number()?));
    }
    let spread = if coded { f32::from_bits(from.number()?) } else { 0.0 };
    let (slots, born, entry) = (from.number()?, from.long()?, from.number()?.checked_sub(1));
    let mut body = if coded {
        let graph = Arc::new(Graph::new(m as usize, slots as usize));
        Body::coded(&options, graph, bits, (center, spread), slots as usize)
    } else {
        Body::plain(&options, slots as usize)
    };
    body.ef_factor = ef_factor;
    if !fine {
        body.fine = None;
    }
    let index = Hnsw::new(options);
    let mut free = Vec::new();
    for slot in 0..slots {
        let length = from.number()? as usize;
        let row = from.take(length)?;
        match restore_slot(&body, slot, slots, row) {
            Some(Some(rid)) => index.names.lock().restore(rid, slot),
            Some(None) => free.push(slot),
            None => return Err(damaged("a slot does not decode")),
        }
    }
    if from.at != from.block.len() || from.open().is_err() || !from.block.is_empty() {
        return Err(damaged("its end is missing"));
    }
    let live = slots as usize - free.len();
    let begins = entry.filter(|entry| *entry < slots && !free.contains(entry));
    if begins.is_none() && live > 0 {
        return Err(damaged("its entry point is no entry"));
    }
    body.graph.set_entry(begins.map(|entry| (entry, body.graph.level(entry))));
    index.names.lock().restore_slots(slots, free.into_iter());
    index.adopt(body, live, born);
    Ok(index)
}

/// Puts one slot in its place: its row, or that it is free; nothing when it does not decode.
fn restore_slot(body: &Body, slot: Slot, slots: Slot, row: &[u8]) -> Option<Option<u32>> {
    let mut at = 0;
    let mut number = || {
        let bytes = row.get(1 + at..5 + at)?;
        at += 4;
        Some(u32::from_ne_bytes(bytes.try_into().expect("four bytes")))
    };
    let top = u32::from(*row.first()?);
    if top == u32::from(u8::MAX) {
        body.graph.place(slot, 0, 0, 0);
        body.graph.clear(slot);
        body.make_room(slot);
        return Some(None);
    }
    if top > LEVEL_MAX {
        return None;
    }
    let (rid, tag) = (number()?, number()?);
    body.graph.place(slot, rid, tag, top);
    let mut links = Vec::new();
    for level in 0..=top {
        let count = number()? as usize;
        if count > body.graph.capacity(level) {
            return None;
        }
        links.clear();
        for _ in 0..count {
            links.push(number().filter(|link| *link < slots)?);
        }
        body.graph.write(slot, level, &links);
    }
    let mut codes = row.get(1 + at..)?;
    with_store!(&*body.near, store => store.restore(slot, &mut codes))?;
    if let Some(fine) = &body.fine {
        with_store!(&**fine, store => store.restore(slot, &mut codes))?;
    }
    codes.is_empty().then_some(Some(rid))
}

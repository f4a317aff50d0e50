//! Checkpoints: an index as bytes, checksummed.
//!
//! The index is derived, so a checkpoint saves time and is never trusted: it is a sequence of blocks, each with its
//! length and CRC-32C, ended by an empty one; any difference is an error, upon which the owner builds anew. Numbers are
//! in the machine's own order, which the magic number tells; a foreign order is an error too.
//!
//! ```text
//!   block    length u32 | crc32c u32 | bytes          about a megabyte
//!   first    magic | options | codes: bits, factor, centre, spread | places, entries ever and when codes were chosen, place from which on links are old, entry point | packed links | places of a block
//!   others   places of a range, see [`block`]
//!   last     nothing
//! ```
//!
//! Reading takes turns, and who has read a block checks and decodes it while another reads the next.

use std::io::{Read, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::block;
use super::body::{Body, Store, code_bits, fit};
use super::codes::Slot;
use super::contract::{Kind, Memory, Metric, Options, Quantization};
use super::graph::{Graph, State};
use super::index::Hnsw;
use super::names::Names;
use super::relink::Relinking;
use crate::common::parallel::side_by_side;
use crate::error::{Error, Result};

const MAGIC: u64 = 0x6f6d_656e_7665_6305;
/// Bytes of a block, about; tests are small and want several.
const BLOCK: usize = if cfg!(test) { 1 << 13 } else { 1 << 20 };
/// No block is longer.
const BLOCK_MAX: usize = 1 << 28;
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
const MEMORIES: [Memory; 3] = [Memory::Fast, Memory::Auto, Memory::Budget];

/// Appends a block to a file.
fn seal(block: &[u8], out: &mut dyn Write) -> Result<()> {
    let length = u32::try_from(block.len()).expect("blocks are short");
    let head = [length.to_ne_bytes(), crc32c::crc32c(block).to_ne_bytes()].concat();
    let written = out.write_all(&head).and_then(|()| out.write_all(block));
    written.map_err(|error| crate::error!(IO_ERROR, "could not write a vector index checkpoint: {error}"))
}

/// The next block of a file and its checksum, which is not compared yet.
fn open(input: &mut dyn Read, block: &mut Vec<u8>) -> Result<u32> {
    let mut head = [0; 8];
    input.read_exact(&mut head).map_err(|_| damaged("it ends early"))?;
    let word = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let length = word(0) as usize;
    if length > BLOCK_MAX {
        return Err(damaged("a block is too long"));
    }
    block.resize(length, 0);
    input.read_exact(block).map_err(|_| damaged("it ends early"))?;
    Ok(word(4))
}

fn check(block: &[u8], checksum: u32) -> Result<()> {
    if crc32c::crc32c(block) == checksum { Ok(()) } else { Err(damaged("a checksum is wrong")) }
}

fn damaged(what: &str) -> Error {
    crate::error!(INDEX_CORRUPTED, "vector index checkpoint is damaged: {what}")
}

/// Reads the numbers of a block.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.0.split_off(..N).and_then(|bytes| bytes.as_array().copied());
        bytes.ok_or_else(|| damaged("a block is too short"))
    }

    fn number(&mut self) -> Result<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn long(&mut self) -> Result<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn choice<T: Copy>(&mut self, of: &[T]) -> Result<T> {
        let nth = self.number()? as usize;
        of.get(nth).copied().ok_or_else(|| damaged("an option is unknown"))
    }
}

fn nth<T: PartialEq>(of: &[T], one: &T) -> u32 {
    of.iter().position(|other| other == one).expect("the table is complete") as u32
}

/// Places of one block, so that it is about [`BLOCK`] long.
fn places_of_block(options: &Options) -> Slot {
    let vector = match options.kind {
        // Not known; a vector that can be indexed has at most so many elements.
        Kind::Sparse => 8 * 1000,
        Kind::Dense => 5 * options.dims as usize,
        Kind::Bits => options.dims.div_ceil(8) as usize,
    };
    (BLOCK / (vector + 8 * options.m as usize)).clamp(16, 4096) as Slot
}

/// Writes the first places of an index, which nobody changes meanwhile; those before `relinked` are linked by the codes that it has.
pub(super) fn save(index: &Hnsw, slots: Slot, relinked: Slot, out: &mut dyn Write) -> Result<()> {
    let body = index.body.read().clone();
    let options = &index.options;
    let mut block = Vec::with_capacity(2 * BLOCK);
    block.extend(MAGIC.to_ne_bytes());
    let choices = [
        nth(&METRICS, &options.metric),
        nth(&KINDS, &options.kind),
        nth(&QUANTIZATIONS, &options.quantization),
        nth(&MEMORIES, &options.memory),
    ];
    for number in choices.into_iter().chain([options.dims, options.m, options.ef_construction]) {
        block.extend(number.to_ne_bytes());
    }
    block.extend(options.seed.to_ne_bytes());
    block.extend(body.bits.to_ne_bytes());
    block.extend(u32::from(body.fine.is_some()).to_ne_bytes());
    block.extend(body.ef_factor.to_ne_bytes());
    if let Store::Packed(codes) = &*body.near {
        block.extend(codes.frame().center.iter().flat_map(|element| element.to_ne_bytes()));
        block.extend(codes.frame().spread.to_ne_bytes());
    }
    let places = places_of_block(options);
    block.extend(slots.to_ne_bytes());
    block.extend(index.born().to_ne_bytes());
    block.extend(index.chosen().to_ne_bytes());
    block.extend(relinked.to_ne_bytes());
    // That of a graph which was empty when it was written is not among them.
    let entry = body.graph.entry().filter(|(slot, _)| *slot < slots);
    block.extend(entry.map_or(0, |(slot, _)| slot + 1).to_ne_bytes());
    block.extend(u32::from(body.graph.is_packed()).to_ne_bytes());
    block.extend(places.to_ne_bytes());
    seal(&block, out)?;
    for first in (0..slots).step_by(places as usize) {
        block.clear();
        block::save(&body, first..slots.min(first.saturating_add(places)), &mut block);
        seal(&block, out)?;
    }
    seal(&[], out)
}

/// What the first block says.
struct Head {
    options: Options,
    body: Body,
    slots: Slot,
    /// Places of one block.
    places: Slot,
    /// Entries ever, and when codes were chosen.
    born: (u64, u64),
    relinking: Relinking,
    entry: Option<Slot>,
}

fn head(block: &[u8]) -> Result<Head> {
    let mut from = Numbers(block);
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
    let (slots, born) = (from.number()?, (from.long()?, from.long()?));
    let relinking = Relinking::from(from.number()?, slots);
    let entry = from.number()?.checked_sub(1);
    let (packed, places) = (from.number()? != 0, from.number()?);
    if !from.0.is_empty() || places == 0 || (packed && !Graph::can_pack(slots)) {
        return Err(damaged("its beginning does not decode"));
    }
    let graph = Arc::new(Graph::made(m as usize, slots as usize, packed));
    let mut body = if coded {
        Body::coded(&options, graph, bits, (center, spread), (slots as usize, None))
    } else {
        Body { graph, ..Body::plain(&options, slots as usize) }
    };
    body.ef_factor = ef_factor;
    if !fine {
        body.fine = None;
    }
    Ok(Head { options, body, slots, places, born, relinking, entry })
}

/// Reads an index that [`super::VectorIndex::checkpoint`] wrote, on so many threads.
///
/// # Errors
/// `XX002` when it is damaged: drop it and build the index anew.
pub fn restore(input: &mut (dyn Read + Send), threads: usize) -> Result<Hnsw> {
    let mut block = Vec::new();
    let checksum = open(input, &mut block)?;
    check(&block, checksum)?;
    let Head { options, body, slots, places, born, relinking, entry } = head(&block)?;
    let threads = threads.clamp(1, slots.div_ceil(places).max(1) as usize);
    let input = Mutex::new(Unread { input, next: 0 });
    side_by_side(threads, threads, &|_| restore_blocks(&body, slots, places, &input))?;
    let checksum = open(input.into_inner().input, &mut block)?;
    check(&block, checksum)?;
    if !block.is_empty() {
        return Err(damaged("its end is missing"));
    }
    body.graph.put_placed(slots);
    body.graph.gather_twins(slots).ok_or_else(|| damaged("a twin has no node"))?;
    let names = Names::restored(slots, |slot| body.graph.is_entry(slot).then(|| body.graph.name(slot).0));
    let live = slots as usize - names.free();
    let begins = entry.filter(|entry| *entry < slots && body.graph.state(*entry) == State::Live);
    if begins.is_none() && live > 0 {
        return Err(damaged("its entry point is no entry"));
    }
    body.graph.set_entry(begins.map(|entry| (entry, body.graph.level(entry))));
    let index = Hnsw::new(options);
    *index.names.lock() = names;
    index.adopt(body, live, born, relinking);
    Ok(index)
}

/// Blocks that nobody has read yet.
struct Unread<'a> {
    input: &'a mut (dyn Read + Send),
    /// First place of the next one.
    next: Slot,
}

/// Reads blocks, whoever's turn it is the next one, and puts their places in order until there are no more.
fn restore_blocks(body: &Body, slots: Slot, places: Slot, input: &Mutex<Unread<'_>>) -> Result<()> {
    let mut block = Vec::new();
    loop {
        let (range, checksum) = {
            let mut turn = input.lock();
            let Unread { input, next } = &mut *turn;
            let range = *next..next.saturating_add(places).min(slots);
            if range.is_empty() {
                return Ok(());
            }
            // Where one finds damage the others need not go on.
            *next = slots;
            let checksum = open(*input, &mut block)?;
            *next = range.end;
            (range, checksum)
        };
        let decoded = check(&block, checksum).and_then(|()| {
            block::restore(body, range, slots, &block).ok_or_else(|| damaged("a block does not decode"))
        });
        if decoded.is_err() {
            input.lock().next = slots;
            return decoded;
        }
    }
}

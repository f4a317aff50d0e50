//! One block of a checkpoint: the places of a range, column by column.
//!
//! Lists and codes are as they lie in memory, so that a block is copied and not taken apart, and blocks say nothing of each
//! other, so that threads read them side by side. What memory numbers as it comes, the second rows of lists and the lists of
//! upper levels, is numbered anew: a block says only whose they are.
//!
//! ```text
//!   first place | level of each, or FREE or TWIN | rid, tag of each | near words of each
//!   second rows: count, whose, words | lists of levels 1.. of each | walk's codes of each | fine codes of each
//! ```
//!
//! A block that does not decode, or leads beyond the last place, is refused; that its bytes are those that were written is
//! for the checksum around it to say.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::body::{Body, with_store};
use super::codes::{Codes, Slot};
use super::graph::{Graph, LEVEL_MAX, State};
use super::list::{self, NONE};
use super::second::{SIZES, Seconds, place};

/// The level of a place that holds nothing.
const FREE: u8 = u8::MAX;
/// The level of a twin: its only link leads to its node.
const TWIN: u8 = u8::MAX - 1;

fn put(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_ne_bytes());
}

fn put_words(out: &mut Vec<u8>, words: &[AtomicU32]) {
    words.iter().for_each(|word| put(out, word.load(Ordering::Relaxed)));
}

fn number(from: &mut &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*from.split_off(..4)?.as_array()?))
}

/// Bytes as words.
fn words(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
    bytes.as_chunks().0.iter().map(|word| u32::from_ne_bytes(*word))
}

fn store(words_of: &[AtomicU32], bytes: &[u8]) {
    words_of.iter().zip(words(bytes)).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
}

/// Appends the block of some places.
pub(super) fn save(body: &Body, slots: Range<Slot>, out: &mut Vec<u8>) {
    let graph = &*body.graph;
    let widths = graph.widths();
    let live = |slot: Slot| graph.placed(slot) && graph.is_entry(slot);
    let level = |slot: Slot| match live(slot).then(|| graph.state(slot)) {
        None => FREE,
        Some(State::Twin) => TWIN,
        Some(_) => graph.level(slot) as u8,
    };
    put(out, slots.start);
    out.extend(slots.clone().map(level));
    for slot in slots.clone() {
        let (rid, tag) = if live(slot) { graph.name(slot) } else { (0, 0) };
        put(out, rid);
        put(out, tag);
    }
    let (mut owners, mut more) = (Vec::new(), Vec::new());
    for slot in slots.clone() {
        if !live(slot) {
            out.resize(out.len() + 4 * widths.near, 0);
            continue;
        }
        let (near, second) = graph.ground_rows(slot);
        put_words(out, near);
        if second.iter().any(|word| word.load(Ordering::Relaxed) != NONE) {
            owners.push(slot - slots.start);
            put_words(&mut more, second);
            more.resize(4 * widths.more * owners.len(), 0);
        }
    }
    put(out, owners.len() as u32);
    owners.iter().for_each(|owner| put(out, *owner));
    out.extend(more);
    for slot in slots.clone().filter(|slot| live(*slot)) {
        (1..=graph.level(slot)).for_each(|level| put_words(out, graph.upper_row(slot, level)));
    }
    with_store!(&*body.near, codes => codes.save(slots.clone(), out));
    if let Some(fine) = &body.fine {
        with_store!(&**fine, codes => codes.save(slots, out));
    }
}

/// Puts the places of a range where they belong, of `all` places there are; nothing when the block does not decode. Nobody else writes
/// these places.
pub(super) fn restore(body: &Body, slots: Range<Slot>, all: Slot, mut from: &[u8]) -> Option<()> {
    let (graph, count) = (&*body.graph, slots.len());
    let widths = graph.widths();
    let from = &mut from;
    if number(from)? != slots.start {
        return None;
    }
    let levels = from.split_off(..count)?;
    let height = |level: u8| if matches!(level, FREE | TWIN) { 0 } else { u32::from(level) };
    if !levels.iter().all(|level| height(*level) <= LEVEL_MAX) {
        return None;
    }
    let names = from.split_off(..8 * count)?;
    let near = from.split_off(..4 * widths.near * count)?;
    let seconds = number(from)? as usize;
    let owners = from.split_off(..4_usize.checked_mul(seconds)?)?;
    let more = from.split_off(..4 * widths.more * seconds)?;
    let uppers = levels.iter().map(|level| height(*level)).sum::<u32>();
    let upper = from.split_off(..4 * widths.upper * uppers as usize)?;
    let fits = [near, more, upper].iter().all(|lists| list::all_below(lists, graph.is_packed(), all));
    let known = |owner: u32| levels.get(owner as usize).is_some_and(|level| *level != FREE);
    if !fits || !words(owners).all(known) || !words(owners).is_sorted_by(|a, b| a < b) {
        return None;
    }
    let mut first_upper = graph.take_uppers(uppers)?;
    for ((slot, level), name) in slots.clone().zip(levels).zip(names.as_chunks::<8>().0) {
        let state = match *level {
            FREE => State::Free,
            TWIN => State::Twin,
            _ => State::Live,
        };
        let mut name = words(name);
        let name = (name.next()?, name.next()?);
        graph.put_facts(slot, name, (state, height(*level), first_upper));
        first_upper += height(*level);
    }
    place_lists(graph, slots.clone(), near, (owners, more), (first_upper - uppers, upper))?;
    with_store!(&*body.near, codes => codes.restore(slots.clone(), from))?;
    if let Some(fine) = &body.fine {
        with_store!(&**fine, codes => codes.restore(slots, from))?;
    }
    from.is_empty().then_some(())
}

/// Copies lists to their rows; nothing when there are no more rows.
fn place_lists(
    graph: &Graph,
    slots: Range<Slot>,
    near: &[u8],
    (owners, more): (&[u8], &[u8]),
    (first_upper, upper): (u32, &[u8]),
) -> Option<()> {
    let widths = graph.widths();
    // No words, no rows.
    let seconds = more.chunks((4 * widths.more).max(1));
    let places = place_seconds(graph.seconds(), seconds.clone())?;
    for (place, list) in places.iter().zip(seconds) {
        store(graph.seconds().grow(*place), list);
    }
    let mut owners = words(owners).zip(places).peekable();
    for (at, (slot, list)) in slots.zip(near.chunks(4 * widths.near)).enumerate() {
        let second = owners.next_if(|(owner, _)| *owner as usize == at).map_or(NONE, |(_, place)| place);
        store(graph.put_ground(slot, second), list);
    }
    for (row, list) in (first_upper..).zip(upper.chunks(4 * widths.upper)) {
        store(graph.upper_list(row), list);
    }
    Some(())
}

/// Takes the smallest second row for each of some lists.
fn place_seconds<'a>(seconds: &Seconds, lists: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u32>> {
    let used = |list: &[u8]| words(list).rposition(|word| word != NONE).map_or(1, |at| at + 1);
    let sizes: Vec<usize> = lists.filter_map(|list| seconds.size_of_words(used(list))).collect();
    let mut counts = [0; SIZES];
    sizes.iter().for_each(|size| counts[*size] += 1);
    let mut next = seconds.take_many(counts)?;
    let take = |size: usize| {
        next[size] += 1;
        place(size, next[size] - 1)
    };
    Some(sizes.into_iter().map(take).collect())
}

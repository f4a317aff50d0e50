//! The index against its twin: random histories over key sets that are easy, hard and hostile.

use proptest::prelude::*;

use super::*;
use crate::index::btree::BTreeIndex;
use crate::index::ordered::{Entry, OrderedIndex, Rid, Span};

/// A small generator, so that histories of a million steps need no stored random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Key `at` of a named key set.
fn key(set: &str, at: u64, random: &mut Random) -> u64 {
    match set {
        "serial" => 1000 + at,
        "gaps" => at * 10 + random.below(10),
        "descending" => (1 << 40) - at,
        "random" => random.next(),
        "clustered" => (random.below(20) << 50) + random.below(3000),
        "lognormal" => (2f64.powf(random.below(1 << 20) as f64 / (1u64 << 20) as f64 * 60.0)) as u64,
        "duplicates" => random.below(7),
        "half-duplicates" => random.below(1 << 14),
        "ends" => {
            if random.below(2) == 0 {
                random.below(100)
            } else {
                u64::MAX - random.below(100)
            }
        }
        "two-appends" => (random.below(2) << 40) + at,
        other => panic!("no key set {other}"),
    }
}

const SETS: [&str; 10] = [
    "serial",
    "gaps",
    "descending",
    "random",
    "clustered",
    "lognormal",
    "duplicates",
    "half-duplicates",
    "ends",
    "two-appends",
];

fn all(index: &dyn OrderedIndex, span: Span, backward: bool, chunk: usize) -> Vec<Entry> {
    let mut out = Vec::new();
    let mut rest = Some(span);
    while let Some(span) = rest {
        let before = out.len();
        index.scan(span, backward, chunk, &mut out);
        rest = if out.len() == before + chunk { span.after(out[out.len() - 1], backward) } else { None };
    }
    out
}

fn assert_same(alex: &Alex, twin: &BTreeIndex) {
    alex.check();
    assert_eq!(alex.len(), twin.len());
    let expected = all(twin, Span::ALL, false, 1000);
    assert_eq!(all(alex, Span::ALL, false, 777), expected);
    let reversed: Vec<Entry> = expected.into_iter().rev().collect();
    assert_eq!(all(alex, Span::ALL, true, 777), reversed);
}

fn run(set: &str, steps: u64, remove_percent: u64, seed: u64) {
    let mut random = Random(seed | 1);
    let (alex, twin) = (Alex::new(), BTreeIndex::new());
    let mut known: Vec<Entry> = Vec::new();
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for step in 0..steps {
        if random.below(100) < remove_percent && !known.is_empty() {
            let (key, rid) = known.swap_remove(random.below(known.len() as u64) as usize);
            assert_eq!(alex.remove(key, rid), twin.remove(key, rid));
        } else {
            let entry = (key(set, step, &mut random), random.below(1 << 20) as Rid);
            assert_eq!(alex.insert(entry.0, entry.1), twin.insert(entry.0, entry.1), "{set} {entry:?}");
            known.push(entry);
        }
        let probe = if random.below(2) == 0 {
            key(set, step, &mut random)
        } else {
            known.get(known.len() / 2).map_or(0, |entry| entry.0)
        };
        found.clear();
        expected.clear();
        alex.lookup(probe, &mut found);
        twin.lookup(probe, &mut expected);
        assert_eq!(found, expected, "{set} lookup of {probe}");
        if step % 64 == 0 {
            let ends = [(probe, random.next() as Rid), (key(set, step, &mut random), 0)];
            let span = Span { first: ends[0].min(ends[1]), last: ends[0].max(ends[1]) };
            let backward = step % 128 == 0;
            let limit = random.below(300) as usize;
            let (mut left, mut right) = (Vec::new(), Vec::new());
            alex.scan(span, backward, limit, &mut left);
            twin.scan(span, backward, limit, &mut right);
            assert_eq!(left, right, "{set} scan of {span:?}");
        }
    }
    assert_same(&alex, &twin);
    for (key, rid) in known.drain(..) {
        assert_eq!(alex.remove(key, rid), twin.remove(key, rid));
    }
    assert_same(&alex, &twin);
}

#[test]
fn growing_agrees_with_the_twin() {
    for set in SETS {
        run(set, 40_000, 10, 17);
    }
}

#[test]
fn churning_agrees_with_the_twin() {
    for set in SETS {
        run(set, 30_000, 48, 23);
    }
}

#[test]
fn many_nodes_agree_with_the_twin() {
    let (alex, twin) = (Alex::new(), BTreeIndex::new());
    let mut random = Random(5);
    for step in 0..400_000u32 {
        let key = if step % 3 == 0 { u64::from(step) << 20 } else { random.next() };
        assert_eq!(alex.insert(key, step), twin.insert(key, step));
    }
    assert!(alex.stats().nodes > 1);
    assert_same(&alex, &twin);
    let entries = all(&twin, Span::ALL, false, 10_000);
    for (key, rid) in entries.iter().filter(|entry| entry.0 % 16 != 3) {
        assert!(alex.remove(*key, *rid) && twin.remove(*key, *rid));
    }
    assert_same(&alex, &twin);
}

#[test]
fn loading_agrees_with_inserting() {
    for set in ["serial", "random", "duplicates", "clustered"] {
        let (alex, twin) = (Alex::new(), BTreeIndex::new());
        let mut random = Random(9);
        for step in 0..200_000 {
            twin.insert(key(set, step, &mut random), step as Rid);
        }
        let sorted = all(&twin, Span::ALL, false, 10_000);
        alex.load(&mut sorted.into_iter());
        assert_same(&alex, &twin);
        for step in 0..50_000 {
            let key = key(set, 200_000 + step, &mut random);
            assert_eq!(alex.insert(key, 500_000 + step as Rid), twin.insert(key, 500_000 + step as Rid));
        }
        assert_same(&alex, &twin);
    }
}

#[test]
fn serial_keys_cost_under_a_byte_and_random_ones_stay_in_budget() {
    let per_key = |set: &str| {
        let alex = Alex::new();
        let mut random = Random(3);
        for step in 0..500_000u64 {
            alex.insert(key(set, step, &mut random), step as Rid);
        }
        let stats = alex.stats();
        (stats.structure_bytes as f64 / stats.entries as f64, stats.total_bytes as f64 / stats.entries as f64)
    };
    let (structure, total) = per_key("serial");
    assert!(structure < 1.0 && total < 1.0, "serial: {structure} of {total}");
    let (structure, total) = per_key("random");
    assert!(structure < 1.5 && total < 13.0, "random: {structure} of {total}");
}

#[test]
fn readers_see_every_settled_entry_while_writers_run() {
    let alex = Alex::new();
    alex.load(&mut (0..50_000u32).map(|rid| (u64::from(rid) * 64, rid)));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut random = Random(31);
            for step in 0..200_000u32 {
                let key = random.below(50_000 * 64) | 1;
                alex.insert(key, 100_000 + step);
                if step % 2 == 0 {
                    alex.remove(key, 100_000 + step);
                }
            }
        });
        let mut out = Vec::new();
        let mut rid = 0u32;
        while !writer.is_finished() {
            rid = (rid + 7919) % 50_000;
            out.clear();
            alex.lookup(u64::from(rid) * 64, &mut out);
            assert_eq!(out, [rid]);
            let mut entries = Vec::new();
            alex.scan(
                Span::keys(u64::from(rid) * 64, u64::from(rid) * 64 + 640),
                rid.is_multiple_of(2),
                1000,
                &mut entries,
            );
            assert_eq!(entries.iter().filter(|entry| entry.0 % 64 == 0).count(), 11.min(50_000 - rid as usize));
        }
    });
    alex.check();
}

proptest! {
    #[test]
    fn any_history_agrees_with_the_twin(set in 0..SETS.len(), seed in any::<u64>(), remove in 0..60u64) {
        run(SETS[set], 1500, remove, seed);
    }
}

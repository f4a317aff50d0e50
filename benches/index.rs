//! The learned index against the B-tree twin behind the same trait: a million keys, dense and random.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use omendb::index::btree::BTreeIndex;
use omendb::index::{Alex, Entry, OrderedIndex, Span};

use crate::Numbers;

const KEYS: usize = 1_000_000;
/// Operations in one measurement.
const STEPS: usize = 1_000;

/// A way to make an index, by name.
type Maker = (&'static str, fn() -> Box<dyn OrderedIndex>);

const MAKERS: [Maker; 2] =
    [("alex", || Box::new(Alex::default()) as _), ("btree", || Box::new(BTreeIndex::new()) as _)];

/// Even keys, so that odd ones are missing: one after another, or anywhere.
fn keys(dense: bool) -> Vec<u64> {
    let mut numbers = Numbers::new(1);
    let mut keys: Vec<u64> = (0..KEYS as u64).map(|key| if dense { 2 * key } else { numbers.next() & !1 }).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Insert, point, negative and range operations.
pub fn benches(criterion: &mut Criterion) {
    for (shape, dense) in [("dense", true), ("random", false)] {
        let keys = keys(dense);
        let mut group = criterion.benchmark_group(format!("index/{shape}"));
        for (name, make) in MAKERS {
            let index = make();
            index.load(&mut keys.iter().zip(0..).map(|(key, rid)| (*key, rid)));
            let mut numbers = Numbers::new(2);
            let picks: Vec<u64> = (0..STEPS).map(|_| keys[numbers.next() as usize % keys.len()]).collect();
            group.throughput(Throughput::Elements(STEPS as u64));
            let mut found = Vec::new();
            for (what, odd) in [("point", 0), ("negative", 1)] {
                group.bench_function(BenchmarkId::new(what, name), |b| {
                    b.iter(|| {
                        found.clear();
                        picks.iter().for_each(|key| index.lookup(black_box(key | odd), &mut found));
                        found.len()
                    });
                });
            }
            let mut entries: Vec<Entry> = Vec::new();
            group.bench_function(BenchmarkId::new("range-100", name), |b| {
                b.iter(|| {
                    for key in &picks[..STEPS / 100] {
                        entries.clear();
                        index.scan(Span::keys(black_box(*key), u64::MAX), false, 100, &mut entries);
                    }
                    entries.len()
                });
            });
            group.bench_function(BenchmarkId::new("insert", name), |b| {
                // Odd keys that are taken out again, so that every measurement finds the same index.
                b.iter_batched(
                    || {
                        picks.iter().for_each(|key| {
                            index.remove(key | 1, 0);
                        })
                    },
                    |()| picks.iter().filter(|key| index.insert(black_box(**key | 1), 0)).count(),
                    BatchSize::PerIteration,
                );
            });
            group.bench_function(BenchmarkId::new("insert-ascending", name), |b| {
                b.iter_batched(
                    make,
                    |fresh| {
                        (0..STEPS as u32).for_each(|key| {
                            fresh.insert(black_box(u64::from(key)), key);
                        });
                        fresh
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

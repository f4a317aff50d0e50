//! Distances: the kernels of this CPU and their scalar twins, per dimension, against 1,024 rows that lie in the cache.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use half::f16;
use omendb::simd;

use crate::Numbers;

const DIMENSIONS: [usize; 5] = [50, 128, 384, 768, 1536];
const ROWS: usize = 1024;

/// All kernels.
pub fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("kernels");
    let tables: Vec<_> = simd::available().collect();
    for dimensions in DIMENSIONS {
        let mut numbers = Numbers::new(dimensions as u64);
        let query: Vec<f32> = (0..dimensions).map(|_| numbers.unit()).collect();
        let rows: Vec<Vec<f32>> = (0..ROWS).map(|_| (0..dimensions).map(|_| numbers.unit()).collect()).collect();
        let half = |row: &Vec<f32>| -> Vec<f16> { row.iter().map(|value| f16::from_f32(*value)).collect() };
        let (half_query, half_rows): (_, Vec<_>) = (half(&query), rows.iter().map(half).collect());
        group.throughput(Throughput::Elements(ROWS as u64));
        for table in [tables[0], tables[tables.len() - 1]] {
            let name = |kind: &str| BenchmarkId::new(format!("{kind}/{}", table.name), dimensions);
            let full = [("l2", table.l2_squared), ("ip", table.inner_product), ("l1", table.l1)];
            for (kind, kernel) in full {
                group.bench_function(name(kind), |b| {
                    b.iter(|| rows.iter().map(|row| kernel(black_box(&query), row)).sum::<f32>());
                });
            }
            group.bench_function(name("cosine"), |b| {
                b.iter(|| rows.iter().map(|row| (table.cosine_parts)(black_box(&query), row).0).sum::<f32>());
            });
            for (kind, kernel) in [("l2-half", table.half_l2_squared), ("ip-half", table.half_inner_product)] {
                group.bench_function(name(kind), |b| {
                    b.iter(|| half_rows.iter().map(|row| kernel(black_box(&half_query), row)).sum::<f32>());
                });
            }
        }
    }
    group.finish();
}

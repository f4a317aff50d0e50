//! Exact neighbours, by comparing every query with every row, on all cores.
//!
//! Rows are taken in blocks that stay in the core's cache while all of a thread's queries pass over them, so the work is
//! bounded by arithmetic and not by memory: 1,000 queries by 300,000 rows of 384 dimensions take a few seconds.
//!
//! **Ties.** Recall counts a returned row when it is one of the k nearest *or as near as the k-th* (within [`TIE`] relative to
//! the distance's scale): which of several equally near rows a server returns is its own affair. Vectors without
//! length have no cosine and are nobody's neighbour, as in pgvector's cosine index.

use std::fs;
use std::path::Path;

use super::args::Metric;
use crate::bench::data::Vectors;
use crate::simd::kernels;

/// Distances closer than this are equal: several roundings of f32.
const TIE: f32 = 2e-6;
/// Rows per block.
const BLOCK: usize = 128;
/// First bytes of a cache file.
const MAGIC: &[u8; 8] = b"omentru1";

/// The nearest rows of each query.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// For each query at most k (row, distance), nearest first; fewer when fewer rows qualify.
    pub nearest: Vec<Vec<(u32, f32)>>,
}

/// Distances of one metric with the norms that cosine needs computed once.
pub struct Distances<'a> {
    base: &'a Vectors,
    queries: &'a Vectors,
    metric: Metric,
    base_norms: Vec<f32>,
    query_norms: Vec<f32>,
}

impl<'a> Distances<'a> {
    /// Prepares both sides.
    pub fn new(base: &'a Vectors, queries: &'a Vectors, metric: Metric) -> Self {
        let norms = |vectors: &Vectors| match metric {
            Metric::Cosine => (0..vectors.count()).map(|row| norm(vectors.row(row))).collect(),
            _ => Vec::new(),
        };
        Self { base, queries, metric, base_norms: norms(base), query_norms: norms(queries) }
    }

    /// Distance of a query and a row, smaller is nearer; NaN when there is none.
    pub fn of(&self, query: usize, row: usize) -> f32 {
        let (a, b) = (self.queries.row(query), self.base.row(row));
        match self.metric {
            Metric::Cosine => 1.0 - (kernels().inner_product)(a, b) / (self.query_norms[query] * self.base_norms[row]),
            Metric::L2 => (kernels().l2_squared)(a, b).sqrt(),
            Metric::Ip => -(kernels().inner_product)(a, b),
            Metric::L1 => (kernels().l1)(a, b),
        }
    }

    /// The k nearest of the given rows for each of the first `queries` queries.
    pub fn nearest(&self, rows: &[u32], queries: usize, k: usize) -> Truth {
        let queries = queries.min(self.queries.count());
        let mut nearest: Vec<Vec<(u32, f32)>> = vec![Vec::with_capacity(k + 1); queries];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = queries.div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            for (part, lists) in nearest.chunks_mut(share).enumerate() {
                scope.spawn(move || {
                    for block in rows.chunks(BLOCK) {
                        for (offset, list) in lists.iter_mut().enumerate() {
                            for row in block {
                                keep_nearest(list, k, *row, self.of(part * share + offset, *row as usize));
                            }
                        }
                    }
                });
            }
        });
        Truth { nearest }
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt() as f32
}

/// Inserts into a sorted list of at most k; equal distances keep the smaller row first.
fn keep_nearest(list: &mut Vec<(u32, f32)>, k: usize, row: u32, distance: f32) {
    if distance.is_nan() || list.len() == k && list.last().is_none_or(|(_, worst)| distance >= *worst) {
        return;
    }
    let at = list.partition_point(|(_, other)| *other <= distance);
    list.insert(at, (row, distance));
    list.truncate(k);
}

impl Truth {
    /// Part of the nearest rows that was found: sum and number of neighbours over one query.
    /// `found` must be free of duplicates.
    pub fn hits(&self, distances: &Distances<'_>, query: usize, found: &[u32]) -> (usize, usize) {
        let nearest = &self.nearest[query];
        let Some((_, worst)) = nearest.last() else { return (0, 0) };
        let limit = worst + TIE * worst.abs().max(1.0);
        let hits = found.iter().filter(|row| distances.of(query, **row as usize) <= limit).count();
        (hits.min(nearest.len()), nearest.len())
    }

    /// Reads a cache file when it was made for the same vectors.
    pub fn load(path: &Path, fingerprint: u64) -> Option<Self> {
        let bytes = fs::read(path).ok()?;
        let words: Vec<u32> =
            bytes.get(8..)?.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        if &bytes[..8] != MAGIC || crc32c::crc32c(body).to_le_bytes() != sum {
            return None;
        }
        let [low, high, count, ..] = words[..] else { return None };
        if u64::from(low) | u64::from(high) << 32 != fingerprint {
            return None;
        }
        let mut at = 3;
        let mut nearest = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let length = *words.get(at)? as usize;
            let pairs = words.get(at + 1..at + 1 + 2 * length)?;
            nearest.push(pairs.chunks_exact(2).map(|p| (p[0], f32::from_bits(p[1]))).collect());
            at += 1 + 2 * length;
        }
        Some(Self { nearest })
    }

    /// Writes the cache file; its last four bytes are the CRC-32C of the rest.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, fingerprint: u64) -> Result<(), String> {
        let mut words = vec![fingerprint as u32, (fingerprint >> 32) as u32, self.nearest.len() as u32];
        for list in &self.nearest {
            words.push(list.len() as u32);
            words.extend(list.iter().flat_map(|(row, distance)| [*row, distance.to_bits()]));
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// Tells the inputs of a truth apart: vectors, metric and k.
pub fn fingerprint(base: &Vectors, queries: &Vectors, metric: Metric, k: usize) -> u64 {
    let sum = |vectors: &Vectors| {
        let mut state = vectors.dims as u32;
        let mut bytes = Vec::with_capacity(4 * vectors.dims);
        for row in 0..vectors.count() {
            bytes.clear();
            bytes.extend(vectors.row(row).iter().flat_map(|v| v.to_le_bytes()));
            state = crc32c::crc32c_append(state, &bytes);
        }
        u64::from(state)
    };
    (sum(base) << 32 | sum(queries)) ^ (k as u64) << 8 ^ metric as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::data::{Seeded, generate};

    const METRICS: [Metric; 4] = [Metric::Cosine, Metric::L2, Metric::Ip, Metric::L1];

    /// In f64, by the definition of each distance.
    fn naive(a: &[f32], b: &[f32], metric: Metric) -> f64 {
        let pairs = || a.iter().zip(b).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let dot: f64 = pairs().map(|(a, b)| a * b).sum();
        match metric {
            Metric::Cosine => {
                let (left, right): (f64, f64) = (pairs().map(|p| p.0 * p.0).sum(), pairs().map(|p| p.1 * p.1).sum());
                1.0 - dot / (left * right).sqrt()
            }
            Metric::L2 => pairs().map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
            Metric::Ip => -dot,
            Metric::L1 => pairs().map(|(a, b)| (a - b).abs()).sum(),
        }
    }

    fn vectors(count: usize, dims: usize, seed: u64) -> Vectors {
        let mut random = Seeded::new(seed);
        Vectors { dims, values: (0..count * dims).map(|_| random.unit()).collect() }
    }

    #[test]
    fn the_nearest_are_those_of_a_full_sort() {
        for metric in METRICS {
            for (count, dims, k) in [(1, 3, 10), (300, 17, 10), (1000, 64, 1), (257, 5, 25)] {
                let (base, queries) = (vectors(count, dims, 1), vectors(7, dims, 2));
                let distances = Distances::new(&base, &queries, metric);
                let rows: Vec<u32> = (0..count as u32).filter(|row| count < 20 || row % 3 != 1).collect();
                let truth = distances.nearest(&rows, 5, k);
                assert_eq!(truth.nearest.len(), 5);
                for (query, found) in truth.nearest.iter().enumerate() {
                    let mut all: Vec<f64> =
                        rows.iter().map(|r| naive(queries.row(query), base.row(*r as usize), metric)).collect();
                    all.sort_by(f64::total_cmp);
                    assert_eq!(found.len(), k.min(rows.len()));
                    for ((row, distance), wanted) in found.iter().zip(all) {
                        assert!(rows.contains(row));
                        let exact = naive(queries.row(query), base.row(*row as usize), metric);
                        assert!((exact - wanted).abs() < 1e-4 && (f64::from(*distance) - exact).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn recall_counts_ties_and_nothing_further() {
        // Rows 0 and 1 are equal, so either is the nearest; row 2 is not.
        let base = Vectors { dims: 2, values: vec![1.0, 0.0, 1.0, 0.0, 0.9, 0.4, 0.0, 0.0] };
        let queries = Vectors { dims: 2, values: vec![1.0, 0.0] };
        let distances = Distances::new(&base, &queries, Metric::Cosine);
        let truth = distances.nearest(&[0, 1, 2, 3], 1, 1);
        assert_eq!(truth.nearest[0].iter().map(|n| n.0).collect::<Vec<_>>(), [0]);
        for (found, hits) in [(vec![1], 1), (vec![0], 1), (vec![2], 0), (vec![3], 0), (vec![], 0), (vec![0, 1], 1)] {
            assert_eq!(truth.hits(&distances, 0, &found), (hits, 1), "{found:?}");
        }
        let none = distances.nearest(&[], 1, 5);
        assert_eq!(none.hits(&distances, 0, &[]), (0, 0));
        // A row without length has no cosine.
        assert_eq!(distances.nearest(&[0, 3], 1, 5).nearest[0].len(), 1);
    }

    #[test]
    fn a_cache_file_is_used_only_for_what_it_was_made_for() {
        let (base, queries) = (generate(50, 8), vectors(3, 8, 9));
        let truth = Distances::new(&base, &queries, Metric::L2).nearest(&(0..50).collect::<Vec<_>>(), 3, 4);
        let mark = fingerprint(&base, &queries, Metric::L2, 4);
        for other in [
            fingerprint(&base, &queries, Metric::L1, 4),
            fingerprint(&base, &queries, Metric::L2, 5),
            fingerprint(&queries, &base, Metric::L2, 4),
        ] {
            assert_ne!(mark, other);
        }
        let path = std::env::temp_dir().join(format!("omendb-truth-{}", std::process::id()));
        truth.save(&path, mark).unwrap();
        assert_eq!(Truth::load(&path, mark), Some(truth));
        assert_eq!(Truth::load(&path, mark + 1), None);
        let mut bytes = fs::read(&path).unwrap();
        for cut in [0, 5, 30, bytes.len() - 1] {
            fs::write(&path, &bytes[..cut]).unwrap();
            assert_eq!(Truth::load(&path, mark), None, "{cut}");
        }
        bytes[40] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(Truth::load(&path, mark), None);
        fs::remove_file(&path).unwrap();
    }
}

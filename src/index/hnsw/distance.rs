//! Exact distances in the metric's unit, between vectors of one kind.
//!
//! The walk never comes here for dense vectors: it compares codes. This is for the flat twin, for owners and for tests, and
//! sparse rows have their own (`sparse`). A distance that has no value (cosine of a zero vector) is NaN and sorts last.

use std::cmp::Ordering;

use super::contract::{Metric, VectorRef};
use crate::simd::{cosine_distance, jaccard_distance, kernels};

/// The distance between two vectors of one kind and as many dimensions.
///
/// # Panics
/// When the kinds differ or the metric does not apply to them.
#[must_use]
pub fn distance(metric: Metric, a: VectorRef<'_>, b: VectorRef<'_>) -> f64 {
    match (a, b) {
        (VectorRef::Dense(a), VectorRef::Dense(b)) => dense(metric, a, b),
        (VectorRef::Bits(a), VectorRef::Bits(b)) => match metric {
            Metric::Hamming => (kernels().hamming)(a, b) as f64,
            Metric::Jaccard => jaccard_distance((kernels().jaccard_parts)(a, b)),
            _ => panic!("{metric:?} does not measure bit strings"),
        },
        (VectorRef::Sparse(ai, av), VectorRef::Sparse(bi, bv)) => sparse(metric, (ai, av), (bi, bv)),
        _ => panic!("both sides are of one kind"),
    }
}

fn dense(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    match metric {
        Metric::L2 => f64::from((kernels().l2_squared)(a, b)).sqrt(),
        Metric::InnerProduct => -f64::from((kernels().inner_product)(a, b)),
        Metric::Cosine => cosine_distance((kernels().cosine_parts)(a, b)),
        Metric::L1 => f64::from((kernels().l1)(a, b)),
        Metric::Hamming | Metric::Jaccard => panic!("{metric:?} does not measure vectors"),
    }
}

/// Positions and elements.
type Sparse<'a> = (&'a [u32], &'a [f32]);

fn sparse(metric: Metric, a: Sparse<'_>, b: Sparse<'_>) -> f64 {
    let norm = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
    match metric {
        Metric::L2 => f64::from(merged(a, b, |a, b| (a - b) * (a - b))).sqrt(),
        Metric::L1 => f64::from(merged(a, b, |a, b| (a - b).abs())),
        Metric::InnerProduct => -f64::from(merged(a, b, |a, b| a * b)),
        Metric::Cosine => cosine_distance((merged(a, b, |a, b| a * b), norm(a.1), norm(b.1))),
        Metric::Hamming | Metric::Jaccard => panic!("{metric:?} does not measure vectors"),
    }
}

/// The sum of `term` over all positions that either side has; a missing element is zero.
fn merged((a, av): Sparse<'_>, (b, bv): Sparse<'_>, term: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut i, mut j, mut total) = (0, 0, 0.0);
    while i < a.len() || j < b.len() {
        let order = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.cmp(y),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        total += match order {
            Ordering::Less => term(av[i], 0.0),
            Ordering::Greater => term(0.0, bv[j]),
            Ordering::Equal => term(av[i], bv[j]),
        };
        i += usize::from(order != Ordering::Greater);
        j += usize::from(order != Ordering::Less);
    }
    total
}

/// Whether a vector has a place in an index of this metric: under cosine, a zero vector has none.
#[must_use]
pub fn indexable(metric: Metric, vector: VectorRef<'_>) -> bool {
    let zero = |values: &[f32]| values.iter().all(|value| *value == 0.0);
    match (metric, vector) {
        (Metric::Cosine, VectorRef::Dense(values) | VectorRef::Sparse(_, values)) => !zero(values),
        _ => true,
    }
}

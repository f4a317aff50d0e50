//! Kernels against their scalar twins.

use half::f16;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::{CosineParts, Kernels, available, cosine_distance, jaccard_distance, scalar};

/// Every size around the lanes and unrolling of every table, and the sizes of common models.
fn sizes() -> impl Iterator<Item = usize> {
    (1..=130).chain([384, 768, 1536])
}

/// Numbers in [-scale, scale) from a seed.
fn numbers(count: usize, seed: u64, scale: f32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
    };
    (0..count).map(|_| next()).collect()
}

/// Both orders of summation are within `count * 2^-23` of the exact sum, relative to the sum of absolute terms.
fn assert_close(found: f32, want: f32, terms: f64, count: usize, what: &str) {
    let bound = 2.0 * count as f64 * f64::from(f32::EPSILON) * terms + f64::from(f32::MIN_POSITIVE);
    let error = (f64::from(found) - f64::from(want)).abs();
    assert!(error <= bound, "{what} of {count}: {found} is not near {want} (bound {bound})");
}

fn assert_parts(found: CosineParts, want: CosineParts, terms: [f64; 3], count: usize, what: &str) {
    assert_close(found.0, want.0, terms[0], count, what);
    assert_close(found.1, want.1, terms[1], count, what);
    assert_close(found.2, want.2, terms[2], count, what);
}

fn check_floats(kernels: &Kernels, a: &[f32], b: &[f32], shift: usize) {
    let twin = &scalar::KERNELS;
    let terms = |term: fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| term(f64::from(*a), f64::from(*b)).abs()).sum()
    };
    let (count, name) = (a.len(), kernels.name);
    let norms = [terms(|a, b| a * b), terms(|a, _| a * a), terms(|_, b| b * b)];
    // A row at an odd place in memory.
    let mut stored = vec![0xa5; shift];
    b.iter().for_each(|element| stored.extend_from_slice(&element.to_le_bytes()));
    let row = &stored[shift..];
    let l2 = (twin.l2_squared)(a, b);
    let l2_terms = terms(|a, b| (a - b) * (a - b));
    assert_close((kernels.l2_squared)(a, b), l2, l2_terms, count, name);
    assert_close((kernels.l2_squared_bytes)(a, row), l2, l2_terms, count, name);
    let product = (twin.inner_product)(a, b);
    assert_close((kernels.inner_product)(a, b), product, norms[0], count, name);
    assert_close((kernels.inner_product_bytes)(a, row), product, norms[0], count, name);
    let l1 = (twin.l1)(a, b);
    assert_close((kernels.l1)(a, b), l1, terms(|a, b| a - b), count, name);
    assert_close((kernels.l1_bytes)(a, row), l1, terms(|a, b| a - b), count, name);
    let parts = (twin.cosine_parts)(a, b);
    assert_parts((kernels.cosine_parts)(a, b), parts, norms, count, name);
    assert_parts((kernels.cosine_parts_bytes)(a, row), parts, norms, count, name);
}

fn check_halves(kernels: &Kernels, a: &[f16], b: &[f16], shift: usize) {
    let twin = &scalar::KERNELS;
    let terms =
        |term: fn(f64, f64) -> f64| -> f64 { a.iter().zip(b).map(|(a, b)| term(a.to_f64(), b.to_f64()).abs()).sum() };
    let (count, name) = (a.len(), kernels.name);
    let norms = [terms(|a, b| a * b), terms(|a, _| a * a), terms(|_, b| b * b)];
    let mut stored = vec![0xa5; shift];
    b.iter().for_each(|element| stored.extend_from_slice(&element.to_le_bytes()));
    let row = &stored[shift..];
    let l2 = (twin.half_l2_squared)(a, b);
    let l2_terms = terms(|a, b| (a - b) * (a - b));
    assert_close((kernels.half_l2_squared)(a, b), l2, l2_terms, count, name);
    assert_close((kernels.half_l2_squared_bytes)(a, row), l2, l2_terms, count, name);
    let product = (twin.half_inner_product)(a, b);
    assert_close((kernels.half_inner_product)(a, b), product, norms[0], count, name);
    assert_close((kernels.half_inner_product_bytes)(a, row), product, norms[0], count, name);
    let l1 = (twin.half_l1)(a, b);
    assert_close((kernels.half_l1)(a, b), l1, terms(|a, b| a - b), count, name);
    assert_close((kernels.half_l1_bytes)(a, row), l1, terms(|a, b| a - b), count, name);
    let parts = (twin.half_cosine_parts)(a, b);
    assert_parts((kernels.half_cosine_parts)(a, b), parts, norms, count, name);
    assert_parts((kernels.half_cosine_parts_bytes)(a, row), parts, norms, count, name);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tables_agree_with_their_scalar_twin(seed in any::<u64>(), exponent in -12i32..12) {
        let scale = 2f32.powi(exponent);
        for size in sizes() {
            let (a, b) = (numbers(size, seed, scale), numbers(size, seed ^ 0x9e37_79b9, scale));
            let halves = |from: &[f32]| -> Vec<f16> { from.iter().map(|value| f16::from_f32(*value)).collect() };
            for kernels in available() {
                check_floats(kernels, &a, &b, (seed % 5) as usize);
                check_halves(kernels, &halves(&a), &halves(&b), (seed % 5) as usize);
            }
        }
    }

    #[test]
    fn bits_are_counted_exactly(a in proptest::collection::vec(any::<u8>(), 0..300), seed in any::<u8>()) {
        let b: Vec<u8> = a.iter().map(|byte| byte.rotate_left(3) ^ seed).collect();
        for kernels in available() {
            assert_eq!((kernels.hamming)(&a, &b), (scalar::KERNELS.hamming)(&a, &b));
            assert_eq!((kernels.jaccard_parts)(&a, &b), (scalar::KERNELS.jaccard_parts)(&a, &b));
        }
    }
}

#[test]
fn extremes_are_as_in_pgvector() {
    for kernels in available() {
        assert!((kernels.l2_squared)(&[3e38], &[-3e38]).is_infinite());
        let zero = (kernels.cosine_parts)(&[1.0, 2.0, 3.0], &[0.0, 0.0, 0.0]);
        assert!(cosine_distance(zero).is_nan());
        assert_eq!(cosine_distance((kernels.cosine_parts)(&[1.0, 1.0], &[-1.1, -1.1])), 2.0);
        assert_eq!((kernels.l2_squared)(&[], &[]), 0.0);
    }
    assert_eq!(jaccard_distance((0, 0)), 1.0);
    assert_eq!(jaccard_distance((2, 4)), 0.5);
}

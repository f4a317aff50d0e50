//! The kernels in plain Rust: the reference for the others, and what runs where there are none.

use half::f16;

use super::{CosineParts, Kernels};

/// Plain Rust.
pub static KERNELS: Kernels = Kernels {
    name: "scalar",
    l2_squared: |a, b| l2_squared(pairs(a, b)),
    inner_product: |a, b| inner_product(pairs(a, b)),
    l1: |a, b| l1(pairs(a, b)),
    cosine_parts: |a, b| cosine_parts(pairs(a, b)),
    l2_squared_bytes: |a, b| l2_squared(byte_pairs(a, b)),
    inner_product_bytes: |a, b| inner_product(byte_pairs(a, b)),
    l1_bytes: |a, b| l1(byte_pairs(a, b)),
    cosine_parts_bytes: |a, b| cosine_parts(byte_pairs(a, b)),
    half_l2_squared: |a, b| l2_squared(half_pairs(a, b)),
    half_inner_product: |a, b| inner_product(half_pairs(a, b)),
    half_l1: |a, b| l1(half_pairs(a, b)),
    half_cosine_parts: |a, b| cosine_parts(half_pairs(a, b)),
    half_l2_squared_bytes: |a, b| l2_squared(half_byte_pairs(a, b)),
    half_inner_product_bytes: |a, b| inner_product(half_byte_pairs(a, b)),
    half_l1_bytes: |a, b| l1(half_byte_pairs(a, b)),
    half_cosine_parts_bytes: |a, b| cosine_parts(half_byte_pairs(a, b)),
    hamming,
    jaccard_parts,
};

fn pairs(a: &[f32], b: &[f32]) -> impl Iterator<Item = (f32, f32)> {
    assert_eq!(a.len(), b.len(), "both sides have one length");
    a.iter().copied().zip(b.iter().copied())
}

fn byte_pairs(a: &[f32], row: &[u8]) -> impl Iterator<Item = (f32, f32)> {
    let (elements, rest) = row.as_chunks::<4>();
    assert!(rest.is_empty() && a.len() == elements.len(), "both sides have one length");
    a.iter().copied().zip(elements.iter().map(|element| f32::from_le_bytes(*element)))
}

fn half_pairs(a: &[f16], b: &[f16]) -> impl Iterator<Item = (f32, f32)> {
    assert_eq!(a.len(), b.len(), "both sides have one length");
    a.iter().zip(b).map(|(a, b)| (a.to_f32(), b.to_f32()))
}

fn half_byte_pairs(a: &[f16], row: &[u8]) -> impl Iterator<Item = (f32, f32)> {
    let (elements, rest) = row.as_chunks::<2>();
    assert!(rest.is_empty() && a.len() == elements.len(), "both sides have one length");
    a.iter().zip(elements).map(|(a, b)| (a.to_f32(), f16::from_le_bytes(*b).to_f32()))
}

fn l2_squared(pairs: impl Iterator<Item = (f32, f32)>) -> f32 {
    pairs.map(|(a, b)| (a - b) * (a - b)).sum()
}

fn inner_product(pairs: impl Iterator<Item = (f32, f32)>) -> f32 {
    pairs.map(|(a, b)| a * b).sum()
}

fn l1(pairs: impl Iterator<Item = (f32, f32)>) -> f32 {
    pairs.map(|(a, b)| (a - b).abs()).sum()
}

fn cosine_parts(pairs: impl Iterator<Item = (f32, f32)>) -> CosineParts {
    pairs.fold((0.0, 0.0, 0.0), |(dot, left, right), (a, b)| (dot + a * b, left + a * a, right + b * b))
}

/// Eight bytes at a time, then the rest.
fn words(a: &[u8], b: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    assert_eq!(a.len(), b.len(), "both sides have one length");
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (u64::from(*a), u64::from(*b)));
    a_words.iter().zip(b_words).map(|(a, b)| (u64::from_le_bytes(*a), u64::from_le_bytes(*b))).chain(rest)
}

pub(super) fn hamming(a: &[u8], b: &[u8]) -> u64 {
    words(a, b).map(|(a, b)| u64::from((a ^ b).count_ones())).sum()
}

pub(super) fn jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) {
    words(a, b).fold((0, 0), |(both, either), (a, b)| {
        (both + u64::from((a & b).count_ones()), either + u64::from((a | b).count_ones()))
    })
}

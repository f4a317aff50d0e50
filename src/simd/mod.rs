//! Floor 0a: distance kernels, the only place with `unsafe`.
//!
//! [`kernels`] is a table of functions chosen once for the CPU: AVX-512, AVX2 with FMA, NEON or plain Rust. All kernels
//! of one kind agree up to float rounding: they accumulate in `f32` as pgvector does, in other orders, so results differ
//! by at most `n * 2^-23` relative to the sum of the absolute terms (a property test holds every table to its scalar
//! twin within that). Both sides must have the same length: the caller has compared dimensions, a difference panics.
//! The `_bytes` forms read a row of little-endian elements as it is stored, at any alignment.
//!
//! * [`scalar`]: plain Rust, the reference.
//! * [`avx2`], [`avx512`], `neon`: the same by intrinsics; [`dense`] is the loop that they share.
//! * [`codes`]: dot products of packed 1, 2, 4 and 8-bit codes and the Hadamard transform, with tables of their own.
//! * [`memory`]: rows of atomic words, their bytes, prefetching.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod codes;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod codes_neon;
#[cfg(test)]
mod codes_tests;
#[cfg(target_arch = "x86_64")]
mod codes_x86;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod dense;
pub mod memory;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod scalar;
pub mod search;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use half::f16;

/// Dot product, squared norm of the left side, squared norm of the right side.
pub type CosineParts = (f32, f32, f32);

/// One implementation of all kernels.
#[derive(Debug)]
pub struct Kernels {
    /// What the CPU must have: `avx512`, `avx2`, `neon` or `scalar`.
    pub name: &'static str,
    /// Squared Euclidean distance.
    pub l2_squared: fn(&[f32], &[f32]) -> f32,
    /// Inner product.
    pub inner_product: fn(&[f32], &[f32]) -> f32,
    /// Sum of absolute differences.
    pub l1: fn(&[f32], &[f32]) -> f32,
    /// What the cosine is made of: see [`cosine_distance`].
    pub cosine_parts: fn(&[f32], &[f32]) -> CosineParts,
    /// [`Kernels::l2_squared`] of a stored row.
    pub l2_squared_bytes: fn(&[f32], &[u8]) -> f32,
    /// [`Kernels::inner_product`] of a stored row.
    pub inner_product_bytes: fn(&[f32], &[u8]) -> f32,
    /// [`Kernels::l1`] of a stored row.
    pub l1_bytes: fn(&[f32], &[u8]) -> f32,
    /// [`Kernels::cosine_parts`] of a stored row.
    pub cosine_parts_bytes: fn(&[f32], &[u8]) -> CosineParts,
    /// Squared Euclidean distance of half vectors.
    pub half_l2_squared: fn(&[f16], &[f16]) -> f32,
    /// Inner product of half vectors.
    pub half_inner_product: fn(&[f16], &[f16]) -> f32,
    /// Sum of absolute differences of half vectors.
    pub half_l1: fn(&[f16], &[f16]) -> f32,
    /// [`Kernels::cosine_parts`] of half vectors.
    pub half_cosine_parts: fn(&[f16], &[f16]) -> CosineParts,
    /// [`Kernels::half_l2_squared`] of a stored row.
    pub half_l2_squared_bytes: fn(&[f16], &[u8]) -> f32,
    /// [`Kernels::half_inner_product`] of a stored row.
    pub half_inner_product_bytes: fn(&[f16], &[u8]) -> f32,
    /// [`Kernels::half_l1`] of a stored row.
    pub half_l1_bytes: fn(&[f16], &[u8]) -> f32,
    /// [`Kernels::half_cosine_parts`] of a stored row.
    pub half_cosine_parts_bytes: fn(&[f16], &[u8]) -> CosineParts,
    /// Number of bits that differ.
    pub hamming: fn(&[u8], &[u8]) -> u64,
    /// Number of bits that both have, number of bits that either has: see [`jaccard_distance`].
    pub jaccard_parts: fn(&[u8], &[u8]) -> (u64, u64),
}

static CHOSEN: LazyLock<&'static Kernels> =
    LazyLock::new(|| available().next().expect("the scalar kernels run everywhere"));

/// The best kernels for this CPU.
#[inline]
#[must_use]
pub fn kernels() -> &'static Kernels {
    *CHOSEN
}

/// All kernels that this CPU can run, best first.
pub fn available() -> impl Iterator<Item = &'static Kernels> {
    let candidates = [
        #[cfg(target_arch = "x86_64")]
        avx512::kernels(),
        #[cfg(target_arch = "x86_64")]
        avx2::kernels(),
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        neon::kernels(),
        Some(&scalar::KERNELS),
    ];
    candidates.into_iter().flatten()
}

/// The cosine distance from its parts, as pgvector computes it: NaN when a side is zero or overflows.
#[inline]
#[must_use]
pub fn cosine_distance((dot, left, right): CosineParts) -> f64 {
    let similarity = f64::from(dot) / (f64::from(left) * f64::from(right)).sqrt();
    1.0 - similarity.clamp(-1.0, 1.0)
}

/// The Jaccard distance from its parts: 1 when no bit is common, two empty strings included.
#[inline]
#[must_use]
pub fn jaccard_distance((both, either): (u64, u64)) -> f64 {
    if both == 0 { 1.0 } else { 1.0 - both as f64 / either as f64 }
}

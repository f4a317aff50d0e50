//! Kernels for x86-64 with AVX2, FMA and F16C: 8 lanes.

use std::arch::x86_64::{
    __m256, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehdup_ps, _mm_movehl_ps, _mm256_add_ps,
    _mm256_andnot_ps, _mm256_castps256_ps128, _mm256_cvtph_ps, _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_sub_ps,
};

use super::Kernels;
use super::dense::{Element, dense_kernels, dense_table};

type Vector = __m256;
const LANES: usize = 8;

static KERNELS: Kernels = dense_table!("avx2", hamming, jaccard_parts);

/// The table, when the CPU has what it needs.
pub(super) fn kernels() -> Option<&'static Kernels> {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt");
    has.then_some(&KERNELS)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn zero() -> Vector {
    _mm256_setzero_ps()
}

/// # Safety
/// Eight elements can be read at `place`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load32(place: *const f32) -> Vector {
    // SAFETY: the caller's; the load is unaligned.
    unsafe { _mm256_loadu_ps(place) }
}

/// # Safety
/// Eight elements can be read at `place`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load16(place: *const half::f16) -> Vector {
    // SAFETY: the caller's; the load is unaligned.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(place.cast()) })
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm256_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sub(a: Vector, b: Vector) -> Vector {
    _mm256_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm256_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn abs(a: Vector) -> Vector {
    _mm256_andnot_ps(_mm256_set1_ps(-0.0), a)
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sum(a: Vector) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
}

dense_kernels!("avx2,fma,f16c");

fn hamming(a: &[u8], b: &[u8]) -> u64 {
    #[target_feature(enable = "popcnt")]
    fn counted(a: &[u8], b: &[u8]) -> u64 {
        let (a_words, a_rest) = a.as_chunks::<8>();
        let (b_words, b_rest) = b.as_chunks::<8>();
        let words = a_words.iter().zip(b_words).map(|(a, b)| u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b));
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| u64::from(a ^ b));
        words.map(|word| u64::from(word.count_ones())).sum::<u64>()
            + rest.map(|word| u64::from(word.count_ones())).sum::<u64>()
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    // SAFETY: the table is only handed out when the CPU counts bits.
    unsafe { counted(a, b) }
}

fn jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) {
    #[target_feature(enable = "popcnt")]
    fn counted(a: &[u8], b: &[u8]) -> (u64, u64) {
        let (a_words, a_rest) = a.as_chunks::<8>();
        let (b_words, b_rest) = b.as_chunks::<8>();
        let (mut both, mut either) = (0, 0);
        for (a, b) in a_words.iter().zip(b_words) {
            let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
            both += u64::from((a & b).count_ones());
            either += u64::from((a | b).count_ones());
        }
        for (a, b) in a_rest.iter().zip(b_rest) {
            both += u64::from((a & b).count_ones());
            either += u64::from((a | b).count_ones());
        }
        (both, either)
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    // SAFETY: the table is only handed out when the CPU counts bits.
    unsafe { counted(a, b) }
}

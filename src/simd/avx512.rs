//! Kernels for x86-64 with AVX-512 (F and VPOPCNTDQ): 16 lanes.

use std::arch::x86_64::{
    __m512, _mm256_loadu_si256, _mm512_abs_ps, _mm512_add_epi64, _mm512_add_ps, _mm512_and_si512, _mm512_cvtph_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_or_si512, _mm512_popcnt_epi64,
    _mm512_reduce_add_epi64, _mm512_reduce_add_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sub_ps,
    _mm512_xor_si512,
};

use super::dense::{Element, dense_kernels, dense_table};
use super::{Kernels, scalar};

type Vector = __m512;
const LANES: usize = 16;
const BLOCK: usize = 64;

static KERNELS: Kernels = dense_table!("avx512", hamming, jaccard_parts);

/// The table, when the CPU has what it needs.
pub(super) fn kernels() -> Option<&'static Kernels> {
    let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vpopcntdq");
    has.then_some(&KERNELS)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn zero() -> Vector {
    _mm512_setzero_ps()
}

/// # Safety
/// Sixteen elements can be read at `place`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load32(place: *const f32) -> Vector {
    // SAFETY: the caller's; the load is unaligned.
    unsafe { _mm512_loadu_ps(place) }
}

/// # Safety
/// Sixteen elements can be read at `place`.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load16(place: *const half::f16) -> Vector {
    // SAFETY: the caller's; the load is unaligned.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(place.cast()) })
}

#[inline]
#[target_feature(enable = "avx512f")]
fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
    _mm512_fmadd_ps(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sub(a: Vector, b: Vector) -> Vector {
    _mm512_sub_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: Vector, b: Vector) -> Vector {
    _mm512_add_ps(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn abs(a: Vector) -> Vector {
    _mm512_abs_ps(a)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn sum(a: Vector) -> f32 {
    _mm512_reduce_add_ps(a)
}

dense_kernels!("avx512f");

fn hamming(a: &[u8], b: &[u8]) -> u64 {
    /// # Safety
    /// `blocks * 64` bytes can be read at both places.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn counted(a: *const u8, b: *const u8, blocks: usize) -> u64 {
        let mut total = _mm512_setzero_si512();
        for block in 0..blocks {
            // SAFETY: the block lies inside both places; the loads are unaligned.
            let (x, y) = unsafe {
                (_mm512_loadu_si512(a.add(block * BLOCK).cast()), _mm512_loadu_si512(b.add(block * BLOCK).cast()))
            };
            total = _mm512_add_epi64(total, _mm512_popcnt_epi64(_mm512_xor_si512(x, y)));
        }
        _mm512_reduce_add_epi64(total) as u64
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    let blocks = a.len() / BLOCK;
    let rest = scalar::hamming(&a[blocks * BLOCK..], &b[blocks * BLOCK..]);
    // SAFETY: both slices hold that many blocks; the table is only handed out when the CPU has the features.
    rest + unsafe { counted(a.as_ptr(), b.as_ptr(), blocks) }
}

fn jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) {
    /// # Safety
    /// `blocks * 64` bytes can be read at both places.
    #[target_feature(enable = "avx512f,avx512vpopcntdq")]
    unsafe fn counted(a: *const u8, b: *const u8, blocks: usize) -> (u64, u64) {
        let (mut both, mut either) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for block in 0..blocks {
            // SAFETY: the block lies inside both places; the loads are unaligned.
            let (x, y) = unsafe {
                (_mm512_loadu_si512(a.add(block * BLOCK).cast()), _mm512_loadu_si512(b.add(block * BLOCK).cast()))
            };
            both = _mm512_add_epi64(both, _mm512_popcnt_epi64(_mm512_and_si512(x, y)));
            either = _mm512_add_epi64(either, _mm512_popcnt_epi64(_mm512_or_si512(x, y)));
        }
        (_mm512_reduce_add_epi64(both) as u64, _mm512_reduce_add_epi64(either) as u64)
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    let blocks = a.len() / BLOCK;
    let rest = scalar::jaccard_parts(&a[blocks * BLOCK..], &b[blocks * BLOCK..]);
    // SAFETY: both slices hold that many blocks; the table is only handed out when the CPU has the features.
    let whole = unsafe { counted(a.as_ptr(), b.as_ptr(), blocks) };
    (rest.0 + whole.0, rest.1 + whole.1)
}

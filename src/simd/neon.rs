//! Kernels for little-endian AArch64 with NEON: 4 lanes.
//!
//! Half vectors are widened by integer arithmetic, so that no half-precision extension is needed: the bits of a half,
//! shifted into a float's place, are its value times 2^-112, subnormals included (values are finite by the type's rule).

use std::arch::aarch64::{
    float32x4_t, vabsq_f32, vaddq_f32, vaddvq_f32, vaddvq_u8, vandq_u8, vandq_u32, vcntq_u8, vdupq_n_f32, vdupq_n_u32,
    veorq_u8, vfmaq_f32, vld1_u16, vld1q_f32, vld1q_u8, vmovl_u16, vmulq_n_f32, vorrq_u8, vorrq_u32,
    vreinterpretq_f32_u32, vreinterpretq_u32_f32, vshlq_n_u32, vsubq_f32,
};

use super::dense::{Element, dense_kernels, dense_table};
use super::{Kernels, scalar};

type Vector = float32x4_t;
const LANES: usize = 4;
const BLOCK: usize = 16;

static KERNELS: Kernels = dense_table!("neon", hamming, jaccard_parts);

/// The table, when the CPU has what it needs.
pub(super) fn kernels() -> Option<&'static Kernels> {
    std::arch::is_aarch64_feature_detected!("neon").then_some(&KERNELS)
}

#[inline]
#[target_feature(enable = "neon")]
fn zero() -> Vector {
    vdupq_n_f32(0.0)
}

/// # Safety
/// Four elements can be read at `place`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load32(place: *const f32) -> Vector {
    // SAFETY: the caller's; vector loads need only the alignment of bytes on AArch64.
    unsafe { vld1q_f32(place) }
}

/// # Safety
/// Four elements can be read at `place`.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load16(place: *const half::f16) -> Vector {
    // SAFETY: the caller's; vector loads need only the alignment of bytes on AArch64.
    let bits = vmovl_u16(unsafe { vld1_u16(place.cast()) });
    let sign = vshlq_n_u32::<16>(vandq_u32(bits, vdupq_n_u32(0x8000)));
    let magnitude = vshlq_n_u32::<13>(vandq_u32(bits, vdupq_n_u32(0x7fff)));
    // 2^112 moves the exponent from the half's bias of 15 to the float's of 127.
    let scaled = vmulq_n_f32(vreinterpretq_f32_u32(magnitude), f32::from_bits(0x7780_0000));
    vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(scaled), sign))
}

#[inline]
#[target_feature(enable = "neon")]
fn fma(a: Vector, b: Vector, c: Vector) -> Vector {
    vfmaq_f32(c, a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn sub(a: Vector, b: Vector) -> Vector {
    vsubq_f32(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn add(a: Vector, b: Vector) -> Vector {
    vaddq_f32(a, b)
}

#[inline]
#[target_feature(enable = "neon")]
fn abs(a: Vector) -> Vector {
    vabsq_f32(a)
}

#[inline]
#[target_feature(enable = "neon")]
fn sum(a: Vector) -> f32 {
    vaddvq_f32(a)
}

dense_kernels!("neon");

fn hamming(a: &[u8], b: &[u8]) -> u64 {
    /// # Safety
    /// `blocks * 16` bytes can be read at both places.
    #[target_feature(enable = "neon")]
    unsafe fn counted(a: *const u8, b: *const u8, blocks: usize) -> u64 {
        let mut total = 0;
        for block in 0..blocks {
            // SAFETY: the block lies inside both places; byte loads need no alignment.
            let (x, y) = unsafe { (vld1q_u8(a.add(block * BLOCK)), vld1q_u8(b.add(block * BLOCK))) };
            total += u64::from(vaddvq_u8(vcntq_u8(veorq_u8(x, y))));
        }
        total
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    let blocks = a.len() / BLOCK;
    let rest = scalar::hamming(&a[blocks * BLOCK..], &b[blocks * BLOCK..]);
    // SAFETY: both slices hold that many blocks; the table is only handed out when the CPU has the feature.
    rest + unsafe { counted(a.as_ptr(), b.as_ptr(), blocks) }
}

fn jaccard_parts(a: &[u8], b: &[u8]) -> (u64, u64) {
    /// # Safety
    /// `blocks * 16` bytes can be read at both places.
    #[target_feature(enable = "neon")]
    unsafe fn counted(a: *const u8, b: *const u8, blocks: usize) -> (u64, u64) {
        let (mut both, mut either) = (0, 0);
        for block in 0..blocks {
            // SAFETY: the block lies inside both places; byte loads need no alignment.
            let (x, y) = unsafe { (vld1q_u8(a.add(block * BLOCK)), vld1q_u8(b.add(block * BLOCK))) };
            both += u64::from(vaddvq_u8(vcntq_u8(vandq_u8(x, y))));
            either += u64::from(vaddvq_u8(vcntq_u8(vorrq_u8(x, y))));
        }
        (both, either)
    }
    assert_eq!(a.len(), b.len(), "both sides have one length");
    let blocks = a.len() / BLOCK;
    let rest = scalar::jaccard_parts(&a[blocks * BLOCK..], &b[blocks * BLOCK..]);
    // SAFETY: both slices hold that many blocks; the table is only handed out when the CPU has the feature.
    let whole = unsafe { counted(a.as_ptr(), b.as_ptr(), blocks) };
    (rest.0 + whole.0, rest.1 + whole.1)
}

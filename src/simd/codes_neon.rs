//! Code kernels for little-endian AArch64 with NEON.

use std::arch::aarch64::{
    int32x4_t, uint8x16_t, vaddq_s32, vaddvq_s32, vandq_u8, vdupq_n_s8, vdupq_n_s32, vdupq_n_u8, vget_high_s8,
    vget_high_s16, vget_high_u8, vget_low_s8, vget_low_s16, vget_low_u8, vld1q_s8, vld1q_u8, vmlal_high_s16, vmlal_s16,
    vmovl_s8, vmovl_u8, vmull_s8, vpaddlq_s16, vreinterpretq_s8_u8, vreinterpretq_s16_u16, vshlq_u8,
};

use super::codes::{CodeKernels, check, hadamard, one_by_one};

const CHUNK: usize = 64;
const LANES: usize = 16;

static NEON: CodeKernels = CodeKernels {
    name: "neon",
    dots: [dot::<1>, dot::<2>, dot::<4>, dot::<8>],
    fours: one_by_one!(dot),
    hadamard: |values| hadamard(values),
};

/// The table, when the CPU has what it needs.
pub(super) fn neon() -> Option<&'static CodeKernels> {
    std::arch::is_aarch64_feature_detected!("neon").then_some(&NEON)
}

fn dot<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
    /// Adds the products of 16 numbers of a row and of a query.
    #[target_feature(enable = "neon")]
    fn add<const BITS: u32>(sums: int32x4_t, row: uint8x16_t, query: &[i8; LANES]) -> int32x4_t {
        // SAFETY: the array has the size of the register; byte loads need no alignment.
        let query = unsafe { vld1q_s8(query.as_ptr()) };
        if BITS < 8 {
            let row = vreinterpretq_s8_u8(row);
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(row), vget_low_s8(query)));
            let high = vpaddlq_s16(vmull_s8(vget_high_s8(row), vget_high_s8(query)));
            return vaddq_s32(sums, vaddq_s32(low, high));
        }
        let mut sums = sums;
        for (row, query) in [
            (vmovl_u8(vget_low_u8(row)), vmovl_s8(vget_low_s8(query))),
            (vmovl_u8(vget_high_u8(row)), vmovl_s8(vget_high_s8(query))),
        ] {
            let row = vreinterpretq_s16_u16(row);
            sums = vmlal_s16(sums, vget_low_s16(row), vget_low_s16(query));
            sums = vmlal_high_s16(sums, row, query);
        }
        sums
    }
    /// One chunk of 64 bytes.
    #[target_feature(enable = "neon")]
    fn chunk<const BITS: u32>(query: &[i8], row: &[u8; CHUNK], mut sums: int32x4_t) -> int32x4_t {
        let mask = vdupq_n_u8(u8::MAX >> (8 - BITS));
        for (shift, numbers) in query.as_chunks::<CHUNK>().0.iter().enumerate() {
            let right = vdupq_n_s8(-((shift as u32 * BITS) as i8));
            for (row, numbers) in row.as_chunks::<LANES>().0.iter().zip(numbers.as_chunks::<LANES>().0) {
                // SAFETY: the array has the size of the register; byte loads need no alignment.
                let packed = unsafe { vld1q_u8(row.as_ptr()) };
                sums = add::<BITS>(sums, vandq_u8(vshlq_u8(packed, right), mask), numbers);
            }
        }
        sums
    }
    #[target_feature(enable = "neon")]
    fn whole<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
        let per_chunk = CHUNK * (8 / BITS as usize);
        let (chunks, rest) = row.as_chunks::<CHUNK>();
        let mut sums = vdupq_n_s32(0);
        for (row, query) in chunks.iter().zip(query.chunks_exact(per_chunk)) {
            sums = chunk::<BITS>(query, row, sums);
        }
        if !rest.is_empty() {
            let mut padded = [0; CHUNK];
            padded[..rest.len()].copy_from_slice(rest);
            sums = chunk::<BITS>(&query[chunks.len() * per_chunk..], &padded, sums);
        }
        vaddvq_s32(sums)
    }
    check::<BITS>(query, row);
    // SAFETY: the table is only handed out when the CPU has the feature.
    unsafe { whole::<BITS>(query, row) }
}

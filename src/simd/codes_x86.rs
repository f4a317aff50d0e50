//! Code kernels for x86-64: AVX-512 with VNNI, and AVX2.

use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_add_epi32, _mm_cvtsi32_si128, _mm_hadd_epi32, _mm_storeu_si128, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_si128, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16, _mm256_extracti128_si256,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_setzero_si256, _mm256_srl_epi16, _mm256_storeu_si256, _mm512_add_epi32, _mm512_and_si512,
    _mm512_castsi512_si256, _mm512_dpbusd_epi32, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_maskz_loadu_epi8, _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_srl_epi16,
};

use super::codes::{CodeKernels, check, hadamard, one_by_one};

const CHUNK: usize = 64;

static AVX512: CodeKernels = CodeKernels {
    name: "avx512",
    dots: [dot_512::<1>, dot_512::<2>, dot_512::<4>, dot_512::<8>],
    fours: [four_512::<1>, four_512::<2>, four_512::<4>, four_512::<8>],
    hadamard: hadamard_512,
};

static AVX2: CodeKernels = CodeKernels {
    name: "avx2",
    dots: [dot_256::<1>, dot_256::<2>, dot_256::<4>, dot_256::<8>],
    fours: one_by_one!(dot_256),
    hadamard: hadamard_256,
};

/// The table, when the CPU has what it needs.
pub(super) fn avx512() -> Option<&'static CodeKernels> {
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    has.then_some(&AVX512)
}

/// The table, when the CPU has what it needs.
pub(super) fn avx2() -> Option<&'static CodeKernels> {
    is_x86_feature_detected!("avx2").then_some(&AVX2)
}

fn dot_512<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
    /// # Safety
    /// `count` bytes can be read at `row`, and the query that belongs to them.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn dot<const BITS: u32>(mut query: *const i8, mut row: *const u8, mut count: usize) -> i32 {
        let mask = _mm512_set1_epi8((u8::MAX >> (8 - BITS)) as i8);
        // Four sums hide the latency of the multiply-add.
        let mut sums = [_mm512_setzero_si512(); 4];
        let mut turn = 0;
        while count > 0 {
            let width = count.min(CHUNK);
            // SAFETY: `width` bytes are left of the row; the mask keeps the load to them.
            let packed = unsafe { _mm512_maskz_loadu_epi8(u64::MAX >> (CHUNK - width), row.cast()) };
            for shift in 0..8 / BITS {
                // SAFETY: the query has 64 numbers for every shift of every chunk.
                let numbers = unsafe { _mm512_loadu_si512(query.cast()) };
                let moved = _mm512_srl_epi16(packed, _mm_cvtsi32_si128((shift * BITS) as i32));
                let unpacked = if BITS == 8 { moved } else { _mm512_and_si512(moved, mask) };
                sums[turn % 4] = _mm512_dpbusd_epi32(sums[turn % 4], unpacked, numbers);
                turn += 1;
                query = query.wrapping_add(CHUNK);
            }
            row = row.wrapping_add(width);
            count -= width;
        }
        _mm512_reduce_add_epi32(_mm512_add_epi32(
            _mm512_add_epi32(sums[0], sums[1]),
            _mm512_add_epi32(sums[2], sums[3]),
        ))
    }
    check::<BITS>(query, row);
    // SAFETY: the table is only handed out when the CPU has the features, and the query has the row's length.
    unsafe { dot::<BITS>(query.as_ptr(), row.as_ptr(), row.len()) }
}

fn four_512<const BITS: u32>(query: &[i8], rows: [&[u8]; 4]) -> [i32; 4] {
    /// The sum of a register's lanes, in four.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    fn quarters(sums: __m512i) -> __m128i {
        let halves = _mm256_add_epi32(_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums));
        _mm_add_epi32(_mm256_castsi256_si128(halves), _mm256_extracti128_si256::<1>(halves))
    }
    /// # Safety
    /// `count` bytes can be read at each of the rows, and the query that belongs to them.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn four<const BITS: u32>(mut query: *const i8, rows: [*const u8; 4], count: usize) -> [i32; 4] {
        let mask = _mm512_set1_epi8((u8::MAX >> (8 - BITS)) as i8);
        let mut sums = [_mm512_setzero_si512(); 4];
        let mut packed = sums;
        let mut at = 0;
        while at < count {
            let width = (count - at).min(CHUNK);
            let load = u64::MAX >> (CHUNK - width);
            // Loops and no closures: a closure would not be compiled with these features.
            for of in 0..4 {
                // SAFETY: `width` bytes are left of every row; the mask keeps the load to them.
                packed[of] = unsafe { _mm512_maskz_loadu_epi8(load, rows[of].add(at).cast()) };
            }
            for shift in 0..8 / BITS {
                // SAFETY: the query has 64 numbers for every shift of every chunk.
                let numbers = unsafe { _mm512_loadu_si512(query.cast()) };
                for of in 0..4 {
                    let moved = _mm512_srl_epi16(packed[of], _mm_cvtsi32_si128((shift * BITS) as i32));
                    let unpacked = if BITS == 8 { moved } else { _mm512_and_si512(moved, mask) };
                    sums[of] = _mm512_dpbusd_epi32(sums[of], unpacked, numbers);
                }
                query = query.wrapping_add(CHUNK);
            }
            at += width;
        }
        let [a, b, c, d] = sums;
        let (ab, cd) = (_mm_hadd_epi32(quarters(a), quarters(b)), _mm_hadd_epi32(quarters(c), quarters(d)));
        let mut four = [0_i32; 4];
        // SAFETY: the array has the size of the register; the store is unaligned.
        unsafe { _mm_storeu_si128(four.as_mut_ptr().cast(), _mm_hadd_epi32(ab, cd)) };
        four
    }
    check::<BITS>(query, rows[0]);
    for row in &rows[1..] {
        assert_eq!(row.len(), rows[0].len(), "rows have one length");
    }
    // SAFETY: the table is only handed out when the CPU has the features, and the query has the length of the rows.
    unsafe {
        let [a, b, c, d] = rows;
        four::<BITS>(query.as_ptr(), [a.as_ptr(), b.as_ptr(), c.as_ptr(), d.as_ptr()], a.len())
    }
}

fn dot_256<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
    #[target_feature(enable = "avx2")]
    fn sum(sums: __m256i) -> i32 {
        let mut lanes = [0_i32; 8];
        // SAFETY: the array has the size of the register; the store is unaligned.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sums) };
        lanes.iter().sum()
    }
    /// The products of 32 numbers of a row and of a query, summed into lanes.
    #[target_feature(enable = "avx2")]
    fn products<const BITS: u32>(row: __m256i, query: __m256i) -> __m256i {
        if BITS < 8 {
            // At most 2 * 15 * 127: no saturation.
            return _mm256_madd_epi16(_mm256_maddubs_epi16(row, query), _mm256_set1_epi16(1));
        }
        let low = _mm256_madd_epi16(
            _mm256_cvtepu8_epi16(_mm256_castsi256_si128(row)),
            _mm256_cvtepi8_epi16(_mm256_castsi256_si128(query)),
        );
        let high = _mm256_madd_epi16(
            _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(row)),
            _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(query)),
        );
        _mm256_add_epi32(low, high)
    }
    /// One chunk of 64 bytes.
    #[target_feature(enable = "avx2")]
    fn chunk<const BITS: u32>(query: &[i8], row: &[u8; CHUNK], mut sums: __m256i) -> __m256i {
        let mask = _mm256_set1_epi8((u8::MAX >> (8 - BITS)) as i8);
        for half in [0, CHUNK / 2] {
            // SAFETY: half a chunk can be read from either half's beginning.
            let packed = unsafe { _mm256_loadu_si256(row[half..].as_ptr().cast()) };
            for (shift, numbers) in query.as_chunks::<CHUNK>().0.iter().enumerate() {
                // SAFETY: the query has 64 numbers for every shift.
                let numbers = unsafe { _mm256_loadu_si256(numbers[half..].as_ptr().cast()) };
                let moved = _mm256_srl_epi16(packed, _mm_cvtsi32_si128((shift as u32 * BITS) as i32));
                let unpacked = if BITS == 8 { moved } else { _mm256_and_si256(moved, mask) };
                sums = _mm256_add_epi32(sums, products::<BITS>(unpacked, numbers));
            }
        }
        sums
    }
    #[target_feature(enable = "avx2")]
    fn dot<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
        let per_chunk = CHUNK * (8 / BITS as usize);
        let (whole, rest) = row.as_chunks::<CHUNK>();
        let mut sums = _mm256_setzero_si256();
        for (row, query) in whole.iter().zip(query.chunks_exact(per_chunk)) {
            sums = chunk::<BITS>(query, row, sums);
        }
        if !rest.is_empty() {
            let mut padded = [0; CHUNK];
            padded[..rest.len()].copy_from_slice(rest);
            sums = chunk::<BITS>(&query[whole.len() * per_chunk..], &padded, sums);
        }
        sum(sums)
    }
    check::<BITS>(query, row);
    // SAFETY: the table is only handed out when the CPU has the feature.
    unsafe { dot::<BITS>(query, row) }
}

fn hadamard_512(values: &mut [f32]) {
    #[target_feature(enable = "avx512f")]
    fn transform(values: &mut [f32]) {
        hadamard(values);
    }
    // SAFETY: the table is only handed out when the CPU has the feature.
    unsafe { transform(values) }
}

fn hadamard_256(values: &mut [f32]) {
    #[target_feature(enable = "avx2")]
    fn transform(values: &mut [f32]) {
        hadamard(values);
    }
    // SAFETY: the table is only handed out when the CPU has the feature.
    unsafe { transform(values) }
}

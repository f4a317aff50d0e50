//! Dot products of packed codes, and the Hadamard transform that precedes packing.
//!
//! A code row packs unsigned numbers of 1, 2, 4 or 8 bits so that whole registers are unpacked by one shift and one mask.
//! Row byte `j` of a chunk of 64 (the last chunk may be shorter) holds, at shift `k * bits`, one number; the query keeps
//! its 8-bit counterparts in the order in which the kernel meets them:
//!
//! ```text
//!   row    chunk 0: 64 bytes, 8/bits numbers in each | chunk 1 ...
//!   query  shift 0: 64 numbers | shift 1: 64 numbers | ...  (the 8/bits shifts of chunk 0) | chunk 1 ...
//! ```
//!
//! In a short last chunk the query's places beyond the row are zero. Sums are of integers, so every table gives the
//! same number: at most 255 * 127 * 16,384 dimensions, which fits 32 bits.

use std::sync::LazyLock;

/// Dot product of a query in kernel order and a row, for one width of numbers.
pub type CodeDot = fn(&[i8], &[u8]) -> i32;
/// The same of four rows of one length, each of which costs less than by itself: the query is read once.
pub type CodeDots = fn(&[i8], [&[u8]; 4]) -> [i32; 4];

/// One implementation.
#[derive(Debug)]
pub struct CodeKernels {
    /// What the CPU must have.
    pub name: &'static str,
    /// For 1, 2, 4 and 8 bits: see [`CodeKernels::dot`].
    pub dots: [CodeDot; 4],
    /// The same for four rows: see [`CodeKernels::four`].
    pub fours: [CodeDots; 4],
    /// The unnormalised Walsh-Hadamard transform in place; the length is a power of two.
    pub hadamard: fn(&mut [f32]),
}

impl CodeKernels {
    /// The kernel for numbers of `bits` bits.
    ///
    /// # Panics
    /// When `bits` is none of 1, 2, 4, 8.
    #[must_use]
    pub fn dot(&self, bits: u32) -> CodeDot {
        self.dots[width(bits)]
    }

    /// The kernel for four rows of numbers of `bits` bits.
    ///
    /// # Panics
    /// When `bits` is none of 1, 2, 4, 8.
    #[must_use]
    pub fn four(&self, bits: u32) -> CodeDots {
        self.fours[width(bits)]
    }
}

/// The place of a width in a table.
fn width(bits: u32) -> usize {
    assert!(matches!(bits, 1 | 2 | 4 | 8), "codes have 1, 2, 4 or 8 bits");
    bits.ilog2() as usize
}

static CHOSEN: LazyLock<&'static CodeKernels> =
    LazyLock::new(|| available_codes().next().expect("the scalar kernels run everywhere"));

/// The best kernels for this CPU.
#[must_use]
pub fn code_kernels() -> &'static CodeKernels {
    *CHOSEN
}

/// All kernels that this CPU can run, best first.
pub fn available_codes() -> impl Iterator<Item = &'static CodeKernels> {
    let candidates = [
        #[cfg(target_arch = "x86_64")]
        super::codes_x86::avx512(),
        #[cfg(target_arch = "x86_64")]
        super::codes_x86::avx2(),
        #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
        super::codes_neon::neon(),
        Some(&SCALAR),
    ];
    candidates.into_iter().flatten()
}

/// Bytes of a query in kernel order for rows of this many bytes.
#[must_use]
pub fn query_bytes(row_bytes: usize, bits: u32) -> usize {
    row_bytes.div_ceil(64) * 64 * (8 / bits as usize)
}

/// Dimensions that follow each other in a vector, in a row and in a query in kernel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many they are, at most 64.
    pub len: usize,
    /// The first dimension.
    pub dimension: usize,
    /// Its byte of the row; each of them has its bits in one byte.
    pub byte: usize,
    /// Where in the bytes their bits are.
    pub shift: u32,
    /// The first one's place in the query.
    pub place: usize,
}

/// Where the dimensions of a row lie, in their order.
pub fn runs(row_bytes: usize, bits: u32) -> impl Iterator<Item = Run> {
    let per = 8 / bits as usize;
    (0..row_bytes.div_ceil(64) * per).map(move |nth| {
        let (chunk, within) = (nth / per, nth % per);
        let len = (row_bytes - chunk * 64).min(64);
        let dimension = chunk * 64 * per + within * len;
        Run { len, dimension, byte: chunk * 64, shift: within as u32 * bits, place: nth * 64 }
    })
}

/// [`CodeKernels::fours`] of a table that has nothing better than its own dot product of one row.
macro_rules! one_by_one {
    ($dot:ident) => {
        [
            |query, rows| rows.map(|row| $dot::<1>(query, row)),
            |query, rows| rows.map(|row| $dot::<2>(query, row)),
            |query, rows| rows.map(|row| $dot::<4>(query, row)),
            |query, rows| rows.map(|row| $dot::<8>(query, row)),
        ]
    };
}
pub(super) use one_by_one;

/// Plain Rust: the reference.
pub(super) static SCALAR: CodeKernels = CodeKernels {
    name: "scalar",
    dots: [scalar_dot::<1>, scalar_dot::<2>, scalar_dot::<4>, scalar_dot::<8>],
    fours: one_by_one!(scalar_dot),
    hadamard,
};

fn scalar_dot<const BITS: u32>(query: &[i8], row: &[u8]) -> i32 {
    check::<BITS>(query, row);
    let mask = u8::MAX >> (8 - BITS);
    let chunks = row.chunks(64).zip(query.chunks(64 * (8 / BITS as usize)));
    let sums = chunks.map(|(row, query)| {
        let shifts = query.chunks(64).enumerate();
        let sums = shifts.map(|(shift, query)| {
            let numbers = row.iter().map(|byte| byte >> (shift as u32 * BITS) & mask);
            numbers.zip(query).map(|(number, query)| i32::from(number) * i32::from(*query)).sum::<i32>()
        });
        sums.sum::<i32>()
    });
    sums.sum()
}

/// Every kernel's condition.
#[inline]
pub(super) fn check<const BITS: u32>(query: &[i8], row: &[u8]) {
    assert_eq!(query.len(), query_bytes(row.len(), BITS), "the query is made for rows of this length");
}

/// The butterflies; compiled anew with the features of every caller that inlines it.
#[inline(always)]
pub(super) fn hadamard(values: &mut [f32]) {
    assert!(values.len().is_power_of_two(), "the transform is of a power of two");
    let (eights, rest) = values.as_chunks_mut::<8>();
    for block in eights {
        let [a, b, c, d, e, f, g, h] = *block;
        let (a, e, b, f, c, g, d, h) = (a + e, a - e, b + f, b - f, c + g, c - g, d + h, d - h);
        let (a, c, b, d, e, g, f, h) = (a + c, a - c, b + d, b - d, e + g, e - g, f + h, f - h);
        *block = [a + b, a - b, c + d, c - d, e + f, e - f, g + h, g - h];
    }
    if !rest.is_empty() {
        butterflies(rest, 1);
        return;
    }
    butterflies(values, 8);
}

/// The levels of the transform from `half` on.
#[inline(always)]
fn butterflies(values: &mut [f32], mut half: usize) {
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}

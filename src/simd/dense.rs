//! The loop behind the dense kernels, written once over what an instruction set calls its vectors.
//!
//! A module that invokes [`dense_kernels!`] has in scope: `Vector`, `LANES`, `zero()`, `load32(ptr)`, `load16(ptr)`,
//! `fma(a, b, c)` (a*b+c), `sub`, `add`, `abs` and `sum(vector)`. Four accumulators hide the latency of the fused
//! multiply-add; what is left over after whole vectors is done by scalars.

/// The scalar at a place that may be unaligned.
pub(super) trait Element: Copy {
    fn widen(self) -> f32;
}

impl Element for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

impl Element for half::f16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self.to_f32()
    }
}

macro_rules! dense_kernels {
    ($features:literal) => {
        $crate::simd::dense::dense_loops!($features, f32, load32, l2_32, product_32, l1_32, cosine_32);
        $crate::simd::dense::dense_loops!($features, half::f16, load16, l2_16, product_16, l1_16, cosine_16);
    };
}

macro_rules! dense_loops {
    ($features:literal, $element:ty, $load:ident, $l2:ident, $product:ident, $l1:ident, $cosine:ident) => {
        $crate::simd::dense::dense_sum!(
            $features,
            $element,
            $load,
            $l2,
            |a, b, acc| {
                let difference = sub(a, b);
                fma(difference, difference, acc)
            },
            |a, b| (a - b) * (a - b)
        );
        $crate::simd::dense::dense_sum!($features, $element, $load, $product, |a, b, acc| fma(a, b, acc), |a, b| a * b);
        $crate::simd::dense::dense_sum!(
            $features,
            $element,
            $load,
            $l1,
            |a, b, acc| add(abs(sub(a, b)), acc),
            |a, b| { (a - b).abs() }
        );

        /// # Safety
        /// The CPU has the features; both places can be read for `count` elements.
        #[target_feature(enable = $features)]
        unsafe fn $cosine(left: *const $element, right: *const $element, count: usize) -> (f32, f32, f32) {
            let (mut dot, mut norm_left, mut norm_right) = ([zero(); 2], [zero(); 2], [zero(); 2]);
            let mut at = 0;
            while at + 2 * LANES <= count {
                for slot in 0..2 {
                    // SAFETY: `at + 2 * LANES <= count`, so these vectors lie inside both places.
                    let (a, b) = unsafe { ($load(left.add(at + slot * LANES)), $load(right.add(at + slot * LANES))) };
                    dot[slot] = fma(a, b, dot[slot]);
                    norm_left[slot] = fma(a, a, norm_left[slot]);
                    norm_right[slot] = fma(b, b, norm_right[slot]);
                }
                at += 2 * LANES;
            }
            let mut parts = (
                sum(add(dot[0], dot[1])),
                sum(add(norm_left[0], norm_left[1])),
                sum(add(norm_right[0], norm_right[1])),
            );
            while at < count {
                // SAFETY: `at < count`; the read does not ask for alignment.
                let (a, b) = unsafe { (left.add(at).read_unaligned().widen(), right.add(at).read_unaligned().widen()) };
                parts = (parts.0 + a * b, parts.1 + a * a, parts.2 + b * b);
                at += 1;
            }
            parts
        }
    };
}

macro_rules! dense_sum {
    ($features:literal, $element:ty, $load:ident, $name:ident,
     |$a:ident, $b:ident, $acc:ident| $vector:expr, |$x:ident, $y:ident| $scalar:expr) => {
        /// # Safety
        /// The CPU has the features; both places can be read for `count` elements.
        #[target_feature(enable = $features)]
        unsafe fn $name(left: *const $element, right: *const $element, count: usize) -> f32 {
            let mut sums = [zero(); 4];
            let mut at = 0;
            while at + 4 * LANES <= count {
                for (slot, $acc) in sums.iter_mut().enumerate() {
                    // SAFETY: `at + 4 * LANES <= count`, so these vectors lie inside both places.
                    let ($a, $b) = unsafe { ($load(left.add(at + slot * LANES)), $load(right.add(at + slot * LANES))) };
                    *$acc = {
                        let $acc = *$acc;
                        $vector
                    };
                }
                at += 4 * LANES;
            }
            while at + LANES <= count {
                // SAFETY: `at + LANES <= count`, so this vector lies inside both places.
                let ($a, $b) = unsafe { ($load(left.add(at)), $load(right.add(at))) };
                let $acc = sums[0];
                sums[0] = $vector;
                at += LANES;
            }
            let mut total = sum(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
            while at < count {
                // SAFETY: `at < count`; the reads do not ask for alignment.
                let ($x, $y) =
                    unsafe { (left.add(at).read_unaligned().widen(), right.add(at).read_unaligned().widen()) };
                total += $scalar;
                at += 1;
            }
            total
        }
    };
}

/// Fills the dense entries of a table: safe functions that check lengths and call the loops of the invoking module.
macro_rules! dense_table {
    ($name:literal, $hamming:expr, $jaccard:expr) => {
        $crate::simd::Kernels {
            name: $name,
            l2_squared: |a, b| $crate::simd::dense::call!(l2_32, a, b),
            inner_product: |a, b| $crate::simd::dense::call!(product_32, a, b),
            l1: |a, b| $crate::simd::dense::call!(l1_32, a, b),
            cosine_parts: |a, b| $crate::simd::dense::call!(cosine_32, a, b),
            l2_squared_bytes: |a, b| $crate::simd::dense::call!(l2_32, a, b, 4),
            inner_product_bytes: |a, b| $crate::simd::dense::call!(product_32, a, b, 4),
            l1_bytes: |a, b| $crate::simd::dense::call!(l1_32, a, b, 4),
            cosine_parts_bytes: |a, b| $crate::simd::dense::call!(cosine_32, a, b, 4),
            half_l2_squared: |a, b| $crate::simd::dense::call!(l2_16, a, b),
            half_inner_product: |a, b| $crate::simd::dense::call!(product_16, a, b),
            half_l1: |a, b| $crate::simd::dense::call!(l1_16, a, b),
            half_cosine_parts: |a, b| $crate::simd::dense::call!(cosine_16, a, b),
            half_l2_squared_bytes: |a, b| $crate::simd::dense::call!(l2_16, a, b, 2),
            half_inner_product_bytes: |a, b| $crate::simd::dense::call!(product_16, a, b, 2),
            half_l1_bytes: |a, b| $crate::simd::dense::call!(l1_16, a, b, 2),
            half_cosine_parts_bytes: |a, b| $crate::simd::dense::call!(cosine_16, a, b, 2),
            hamming: $hamming,
            jaccard_parts: $jaccard,
        }
    };
}

/// Calls a loop on two slices of one length; with a width, the right side is bytes of elements that wide.
macro_rules! call {
    ($loop:ident, $a:ident, $b:ident $(, $width:literal)?) => {{
        assert_eq!($a.len() $(* $width)?, $b.len(), "both sides have one length");
        // SAFETY: the table is only handed out when the CPU has the features, both slices hold `a.len()` elements, and
        // the loops read them without asking for alignment.
        unsafe { $loop($a.as_ptr(), $b.as_ptr().cast(), $a.len()) }
    }};
}

pub(super) use {call, dense_kernels, dense_loops, dense_sum, dense_table};

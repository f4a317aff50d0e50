//! Where a number belongs among sorted ones.
//!
//! A binary search of a hundred numbers is seven loads that wait for each other. Comparing all of them at eight a register
//! is fewer cycles, because nothing waits.

use std::sync::LazyLock;

/// Numbers from which on a binary search is faster.
const MANY: usize = 512;

static CHOSEN: LazyLock<fn(&[u64], u64) -> usize> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        return below_512;
    }
    below_scalar
});

/// How many of some ascending numbers are less than a key.
#[inline]
#[must_use]
pub fn below(sorted: &[u64], key: u64) -> usize {
    if sorted.len() >= MANY { below_scalar(sorted, key) } else { CHOSEN(sorted, key) }
}

fn below_scalar(sorted: &[u64], key: u64) -> usize {
    sorted.partition_point(|number| *number < key)
}

#[cfg(target_arch = "x86_64")]
fn below_512(sorted: &[u64], key: u64) -> usize {
    use std::arch::x86_64::{_mm512_cmplt_epu64_mask, _mm512_loadu_si512, _mm512_set1_epi64};
    #[target_feature(enable = "avx512f,popcnt")]
    fn count(sorted: &[u64], key: u64) -> usize {
        let wanted = _mm512_set1_epi64(key as i64);
        let (eights, rest) = sorted.as_chunks::<8>();
        let mut below = 0;
        for eight in eights {
            // SAFETY: the array has the size of the register; the load is unaligned.
            let numbers = unsafe { _mm512_loadu_si512(eight.as_ptr().cast()) };
            below += _mm512_cmplt_epu64_mask(numbers, wanted).count_ones() as usize;
        }
        below + rest.iter().filter(|number| **number < key).count()
    }
    // SAFETY: this is only chosen when the CPU has the features; every CPU with AVX-512 counts bits.
    unsafe { count(sorted, key) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn counts_as_the_binary_search(mut sorted: Vec<u64>, key in any::<u64>(), at in any::<usize>()) {
            sorted.sort_unstable();
            prop_assert_eq!(below(&sorted, key), below_scalar(&sorted, key));
            if !sorted.is_empty() {
                let present = sorted[at % sorted.len()];
                prop_assert_eq!(below(&sorted, present), below_scalar(&sorted, present));
            }
        }
    }
}

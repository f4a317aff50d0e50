//! Numbers that look random and are not: SplitMix64 (Steele, Lea, Flood 2014). The nth number of a seed is
//! [`mix`] of the seed plus `n` times [`STEP`]; every bit of it is usable.

/// What the state grows by.
pub const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A permutation of the 64-bit numbers that leaves no pattern.
#[must_use]
pub fn mix(mut number: u64) -> u64 {
    number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_authors_generator() {
        // The first numbers of seed 0 (Vigna's splitmix64.c prints them).
        let numbers: Vec<u64> = (1..=3_u64).map(|n| mix(n.wrapping_mul(STEP))).collect();
        assert_eq!(numbers, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]);
    }
}

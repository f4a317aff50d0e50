//! A small generator for tests: SplitMix64 (Steele, Lea, Flood 2014). Its seed is printed when a test fails.

/// The generator.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Seeded by the variable `OMENDB_TEST_SEED`, else by the hasher's random keys.
    pub fn new() -> Self {
        let given = std::env::var("OMENDB_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let random = || std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
        Self(given.unwrap_or_else(random))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// That many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

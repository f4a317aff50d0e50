//! Vectors and seeded numbers for the benchmarks.

/// Row-major vectors of equal length.
pub struct Vectors {
    /// Dimensions.
    pub dims: usize,
    /// `count * dims` values.
    pub values: Vec<f32>,
}

impl Vectors {
    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.values.len() / self.dims
    }

    /// One vector.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dims..(index + 1) * self.dims]
    }
}

/// A small deterministic generator (SplitMix64), so that every run sees the same data.
pub struct Seeded(u64);

impl Seeded {
    /// Starts at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A value in `0..bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A value in -1..1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// Unit vectors around 200 random centres, so that neighbours are not all equally far.
pub fn generate(count: u32, dims: u32) -> Vectors {
    let dims = dims as usize;
    let mut random = Seeded::new(42);
    let centres: Vec<f32> = (0..200 * dims).map(|_| random.unit()).collect();
    let mut values = Vec::with_capacity(count as usize * dims);
    for _ in 0..count {
        let centre = random.below(200) as usize * dims;
        let start = values.len();
        values.extend(centres[centre..centre + dims].iter().map(|c| c + 0.6 * random.unit()));
        let norm = values[start..].iter().map(|v| v * v).sum::<f32>().sqrt();
        values[start..].iter_mut().for_each(|v| *v /= norm);
    }
    Vectors { dims, values }
}

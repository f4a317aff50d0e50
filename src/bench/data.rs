//! Vectors for the benchmark: generated, or read from a NumPy file.

use std::fs;
use std::path::Path;

use half::f16;

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

/// Reads a two-dimensional C-ordered `<f2` or `<f4` array (NumPy format 1.0 or 2.0).
///
/// # Errors
/// The file cannot be read or is of another kind.
pub fn read_npy(path: &Path) -> Result<Vectors, String> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let bad = || format!("{}: not a .npy file of float16 or float32 rows", path.display());
    if bytes.len() < 12 || &bytes[..6] != b"\x93NUMPY" {
        return Err(bad());
    }
    let (start, length) = match bytes[6] {
        1 => (10, usize::from(u16::from_le_bytes([bytes[8], bytes[9]]))),
        _ => (12, u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize),
    };
    let header = bytes.get(start..start + length).and_then(|h| std::str::from_utf8(h).ok()).ok_or_else(bad)?;
    let body = &bytes[start + length..];
    if header.contains("'fortran_order': True") {
        return Err(bad());
    }
    let shape = header.split("'shape': (").nth(1).and_then(|s| s.split(')').next()).ok_or_else(bad)?;
    let sizes: Vec<usize> = shape.split(',').filter_map(|p| p.trim().parse().ok()).collect();
    let [_, dims] = sizes[..] else { return Err(bad()) };
    let values = if header.contains("<f2") {
        body.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
    } else if header.contains("<f4") {
        body.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    } else {
        return Err(bad());
    };
    Ok(Vectors { dims, values })
}

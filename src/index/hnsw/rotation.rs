//! A random rotation, fast: sign flips and Hadamard transforms.
//!
//! Codes of few bits need vectors whose elements are alike. A random rotation makes them so whatever the data
//! (RaBitQ, arXiv 2405.12497), and a product of random signs and Walsh-Hadamard transforms is nearly as good as a random
//! orthogonal matrix at `O(D log D)`. The transform is of powers of two: for other sizes the rounds take turns on the
//! first and on the last so many dimensions, which overlap, so that four rounds mix them all.
//!
//! ```text
//!   384 dimensions      round 1, 3: [ 256 .............. ]
//!                       round 2, 4:         [ 256 .............. ]
//! ```

use crate::common::splitmix;
use crate::simd::codes::code_kernels;

/// Rounds of signs and transform.
const ROUNDS: usize = 4;
/// Dimensions are filled up with zeros to a multiple of this.
const MULTIPLE: usize = 64;

/// See the module.
pub(super) struct Rotation {
    dims: usize,
    padded: usize,
    power: usize,
    /// 1 or -1 for every dimension of every round, with the round's normalisation where the transform applies.
    factors: Vec<f32>,
}

impl Rotation {
    /// The rotation of a seed.
    pub(super) fn new(dims: usize, seed: u64) -> Self {
        let padded = dims.next_multiple_of(MULTIPLE);
        let power = 1 << padded.ilog2();
        let norm = 1.0 / (power as f32).sqrt();
        let mut state = seed;
        let mut factors = Vec::with_capacity(ROUNDS * padded);
        for round in 0..ROUNDS {
            let span = span(round, padded, power);
            for at in 0..padded {
                state = state.wrapping_add(splitmix::STEP);
                let sign = if splitmix::mix(state) >> 63 == 0 { 1.0 } else { -1.0 };
                factors.push(if span.contains(&at) { sign * norm } else { sign });
            }
        }
        Self { dims, padded, power, factors }
    }

    /// Dimensions after rotation: a multiple of 64.
    pub(super) fn padded(&self) -> usize {
        self.padded
    }

    /// Rotates `vector - center` into `out`; lengths of vectors stay.
    pub(super) fn apply(&self, vector: &[f32], center: &[f32], out: &mut Vec<f32>) {
        assert!(vector.len() == self.dims && center.len() == self.dims, "vectors have the index's dimensions");
        out.clear();
        out.extend(vector.iter().zip(center).map(|(value, center)| value - center));
        out.resize(self.padded, 0.0);
        let hadamard = code_kernels().hadamard;
        for (round, factors) in self.factors.chunks_exact(self.padded).enumerate() {
            out.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            hadamard(&mut out[span(round, self.padded, self.power)]);
        }
    }
}

/// The dimensions that a round transforms.
fn span(round: usize, padded: usize, power: usize) -> std::ops::Range<usize> {
    if round.is_multiple_of(2) { 0..power } else { padded - power..padded }
}

//! Criterion benchmarks of what is inside the server: one binary, because each links the whole of it.
//!
//! `make bench` runs all, `cargo bench -- index/` one group. Whole servers are compared by `omendb bench` instead.

mod codecs;
mod index;
mod kernels;
mod statements;

use criterion::{criterion_group, criterion_main};

criterion_group!(benches, kernels::benches, index::benches, codecs::benches, statements::benches);
criterion_main!(benches);

/// A sequence of pseudo-random numbers, the same in every run.
pub struct Numbers(u64);

impl Numbers {
    /// A sequence of its own per `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number of 0 to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

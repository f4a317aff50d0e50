//! Code kernels against their scalar twin: integers exactly, the transform within rounding.

use proptest::prelude::{ProptestConfig, any, proptest};

use super::codes::{CodeKernels, SCALAR, available_codes, query_bytes, runs};

struct Dice(u64);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }
}

/// Calls `place(dimension, row byte, shift, query place)` for every dimension of a row: the twin of [`runs`].
fn for_each_place(row_bytes: usize, bits: u32, mut place: impl FnMut(usize, usize, u32, usize)) {
    let per = 8 / bits as usize;
    let mut dimension = 0;
    for chunk in 0..row_bytes.div_ceil(64) {
        let width = (row_bytes - chunk * 64).min(64);
        for shift in 0..per {
            for lane in 0..width {
                place(dimension, chunk * 64 + lane, shift as u32 * bits, (chunk * per + shift) * 64 + lane);
                dimension += 1;
            }
        }
    }
}

#[test]
fn runs_are_where_dimensions_lie() {
    for (bytes, bits) in (1..=200).flat_map(|bytes| [1, 2, 4, 8].map(|bits| (bytes, bits))) {
        let places = runs(bytes, bits)
            .flat_map(|run| (0..run.len).map(move |at| (run.dimension + at, run.byte + at, run.shift, run.place + at)));
        let (found, mut wanted): (Vec<_>, Vec<_>) = (places.collect(), Vec::new());
        for_each_place(bytes, bits, |dimension, byte, shift, place| wanted.push((dimension, byte, shift, place)));
        assert_eq!(found, wanted, "{bytes} bytes, {bits} bits");
    }
}

/// A row and a query in kernel order, for as many dimensions; query places without a dimension are zero.
fn sample(dims: usize, bits: u32, dice: &mut Dice) -> (Vec<i8>, Vec<u8>, i32) {
    let bytes = (dims * bits as usize).div_ceil(8);
    let (mut row, mut query) = (vec![0; bytes], vec![0; query_bytes(bytes, bits)]);
    let mut sum = 0;
    for_each_place(bytes, bits, |_, byte, shift, place| {
        let number = dice.byte() & (u8::MAX >> (8 - bits));
        let own = (dice.byte() as i8).max(-127);
        row[byte] |= number << shift;
        query[place] = own;
        sum += i32::from(number) * i32::from(own);
    });
    (query, row, sum)
}

fn check(kernels: &CodeKernels, dims: usize, seed: u64) {
    let mut dice = Dice(seed);
    for bits in [1, 2, 4, 8] {
        let (query, row, sum) = sample(dims, bits, &mut dice);
        assert_eq!((SCALAR.dot(bits))(&query, &row), sum, "the twin itself, {bits} bits of {dims}");
        assert_eq!((kernels.dot(bits))(&query, &row), sum, "{}: {bits} bits of {dims}", kernels.name);
        let others: Vec<Vec<u8>> = (0..3).map(|_| row.iter().map(|_| dice.byte()).collect()).collect();
        let rows = [&others[0][..], &row, &others[1], &others[2]];
        let single = rows.map(|row| (SCALAR.dot(bits))(&query, row));
        assert_eq!((kernels.four(bits))(&query, rows), single, "{}: four of {bits} bits of {dims}", kernels.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_table_sums_alike(seed in any::<u64>()) {
        for kernels in available_codes() {
            for dims in (1..=130).chain([384, 768, 1024, 1536, 3072]) {
                check(kernels, dims, seed ^ dims as u64);
            }
        }
    }

    #[test]
    fn every_table_transforms_alike(seed in any::<u64>(), power in 0_u32..13) {
        let mut dice = Dice(seed);
        let values: Vec<f32> = (0..1 << power).map(|_| f32::from(dice.byte() as i8)).collect();
        // Sums of small integers are exact in `f32`, in any order.
        let mut wanted = values.clone();
        (SCALAR.hadamard)(&mut wanted);
        for kernels in available_codes() {
            let mut found = values.clone();
            (kernels.hadamard)(&mut found);
            assert_eq!(found, wanted, "{}", kernels.name);
        }
        let mut back = wanted;
        (SCALAR.hadamard)(&mut back);
        let scale = values.len() as f32;
        assert!(back.iter().zip(&values).all(|(back, value)| *back == value * scale), "twice is the length times");
    }
}

#[test]
fn extreme_numbers_do_not_saturate() {
    for kernels in available_codes() {
        for bits in [1, 2, 4, 8] {
            let row = vec![u8::MAX; 3072 * bits as usize / 8];
            for own in [-127_i8, 127] {
                let query = vec![own; query_bytes(row.len(), bits)];
                let most = i32::from(u8::MAX >> (8 - bits));
                let sum = 3072 * most * i32::from(own);
                assert_eq!((kernels.dot(bits))(&query, &row), sum, "{}", kernels.name);
                assert_eq!((kernels.four(bits))(&query, [&row; 4].map(|row| &row[..])), [sum; 4], "{}", kernels.name);
            }
        }
    }
}

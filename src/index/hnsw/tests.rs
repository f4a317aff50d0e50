//! Every index against the flat twin: random operations, then searches to the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};

use super::distance::{distance, indexable};
use super::recode_tests::recode;
use super::{
    Entries, Flat, Hit, Kind, Memory, Metric, Options, Probe, Quantization, Sight, Tag, Vector, VectorIndex, VectorRef,
};
use crate::common::CancelFlag;
use crate::index::Rid;

/// Small deterministic numbers.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.word() >> 32) as usize % bound
    }

    /// In -1..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub(super) fn vector(&mut self, kind: Kind, dims: u32) -> Vector {
        match kind {
            Kind::Dense => Vector::Dense((0..dims).map(|_| self.unit()).collect()),
            Kind::Sparse => {
                let indices: Vec<u32> = (0..dims).filter(|_| self.below(4) == 0).collect();
                let values = indices.iter().map(|_| self.unit() + 2.0).collect();
                Vector::Sparse(indices, values)
            }
            Kind::Bits => {
                let mut bytes: Vec<u8> = (0..dims.div_ceil(8)).map(|_| self.word() as u8).collect();
                if !dims.is_multiple_of(8) {
                    *bytes.last_mut().expect("at least one") &= 0xff << (8 - dims % 8);
                }
                Vector::Bits(bytes)
            }
        }
    }
}

/// What a model of an index holds.
pub(super) type Model = BTreeMap<(Rid, Tag), Vector>;

/// All hits of a search that goes on to the end, as the model's owner judges them.
pub(super) fn exhaust(
    index: &Arc<dyn VectorIndex>,
    model: &Model,
    query: &Vector,
    ef: usize,
    modulus: u32,
) -> Vec<Hit> {
    exhaust_among(index, model, query, (ef, modulus), (None, None))
}

/// The same among some rows.
fn exhaust_among(
    index: &Arc<dyn VectorIndex>,
    model: &Model,
    query: &Vector,
    (ef, modulus): (usize, u32),
    (among, entries): (Option<Arc<[Rid]>>, Option<Entries>),
) -> Vec<Hit> {
    let metric = index.options().metric;
    let probe = Probe {
        vector: query.clone(),
        ef,
        limit: 10,
        resume: true,
        pass_rate: None,
        among,
        entries: entries.map(Arc::new),
    };
    let exact = index.stats().code_bits == 32 || index.options().kind != Kind::Dense;
    let mut search = Arc::clone(index).search(probe);
    let judge = |rid: Rid, tag: Tag| {
        let entry = model.get(&(rid, tag)).expect("only what is in the index comes out");
        Ok(Some(distance(metric, query.view(), entry.view())))
    };
    let admit = |rid: Rid| rid.is_multiple_of(modulus);
    let cancel = CancelFlag::new();
    let sight = Sight { admit: (modulus > 1).then_some(&admit), judge: Some(&judge), cancel: &cancel };
    let (mut hits, mut last) = (Vec::new(), (0, f64::NEG_INFINITY));
    while let Some(hit) = search.next(&sight).expect("nothing fails") {
        let round = search.counters().rounds;
        if round == last.0 && exact {
            assert!(hit.distance >= last.1 - 1e-6 || hit.distance.is_nan(), "distances ascend within a round");
        }
        last = (round, hit.distance);
        hits.push(hit);
    }
    assert!(search.next(&sight).expect("nothing fails").is_none(), "an ended search stays ended");
    hits
}

/// Operations by seed on an index and a model, then searches to the end: every entry exactly once.
pub(super) fn churn(index: &Arc<dyn VectorIndex>, seed: u64, steps: usize) -> Model {
    let options = index.options();
    let mut dice = Dice::new(seed);
    let mut model = Model::new();
    for step in 0..steps {
        if dice.below(10) < 7 || model.is_empty() {
            let (rid, tag) = (dice.below(steps) as Rid, step as Tag);
            // Real data repeat themselves.
            let again = dice.below(3) == 0 && !model.is_empty();
            let vector = match again.then(|| dice.below(model.len())) {
                Some(at) => model.values().nth(at).expect("inside").clone(),
                None => dice.vector(options.kind, options.dims),
            };
            let fits = index.insert(rid, tag, vector.view());
            assert_eq!(fits, indexable(options.metric, vector.view()));
            index.link(dice.below(3));
            if fits {
                model.insert((rid, tag), vector);
            }
            if index.is_outgrown() {
                assert!(recode(&**index, &model), "every entry is shown");
            }
        } else {
            let at = dice.below(model.len());
            let (rid, tag) = *model.keys().nth(at).expect("inside");
            model.remove(&(rid, tag));
            assert!(index.remove(rid, tag), "what is in can be taken out");
            assert!(!index.remove(rid, tag), "but once");
        }
    }
    model
}

/// Searches an index to the end: every entry exactly once, with a filter and without.
pub(super) fn holds(index: &Arc<dyn VectorIndex>, model: &Model, seed: u64) {
    let options = index.options();
    let mut dice = Dice::new(seed);
    assert_eq!(index.len(), model.len());
    for modulus in [1, 2, 7] {
        let query = dice.vector(options.kind, options.dims);
        let hits = exhaust(index, model, &query, 1 + dice.below(20), modulus);
        let mut found: Vec<(Rid, Tag)> = hits.iter().map(|hit| (hit.rid, hit.tag)).collect();
        found.sort_unstable();
        let wanted: Vec<(Rid, Tag)> = model.keys().filter(|key| key.0 % modulus == 0).copied().collect();
        assert_eq!(found, wanted, "every entry once, {options:?}, modulus {modulus}");
        let rows: std::collections::BTreeSet<Rid> = wanted.iter().map(|key| key.0).chain([1 << 20]).collect();
        let hits =
            exhaust_among(index, model, &query, (1 + dice.below(20), 1), (Some(rows.iter().copied().collect()), None));
        let mut named: Vec<(Rid, Tag)> = hits.iter().map(|hit| (hit.rid, hit.tag)).collect();
        named.sort_unstable();
        assert_eq!(named, wanted, "every entry of the named rows once, {options:?}");
        for list in [true, false] {
            let entries = index.entries_of(&mut rows.iter().copied(), list);
            let hits = exhaust_among(index, model, &query, (1 + dice.below(20), modulus), (None, entries));
            let mut known: Vec<(Rid, Tag)> = hits.iter().map(|hit| (hit.rid, hit.tag)).collect();
            known.sort_unstable();
            assert_eq!(known, wanted, "every entry that is known once, {options:?}");
        }
    }
}

pub(super) fn any_options() -> impl Strategy<Value = Options> {
    let dense = prop_oneof![Just(Metric::L2), Just(Metric::InnerProduct), Just(Metric::Cosine), Just(Metric::L1)];
    let bits = prop_oneof![Just(Metric::Hamming), Just(Metric::Jaccard)];
    let shape = prop_oneof![
        4 => dense.clone().prop_map(|metric| (metric, Kind::Dense)),
        1 => dense.prop_map(|metric| (metric, Kind::Sparse)),
        1 => bits.prop_map(|metric| (metric, Kind::Bits)),
    ];
    let codes = prop_oneof![
        Just(Quantization::Auto),
        Just(Quantization::None),
        Just(Quantization::Int8),
        Just(Quantization::Rabitq1),
        Just(Quantization::Rabitq2),
        Just(Quantization::Rabitq4),
    ];
    let memories = prop_oneof![Just(Memory::Auto), Just(Memory::Fast), Just(Memory::Budget)];
    let shape = (shape, 1_u32..150, 2_u32..8);
    (shape, codes, memories, any::<u64>()).prop_map(|(((metric, kind), dims, m), quantization, memory, seed)| Options {
        m,
        ef_construction: 2 * m + 4,
        quantization,
        memory,
        seed,
        ..Options::new(metric, kind, dims)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_flat_index_returns_every_entry_once(options in any_options(), seed in any::<u64>()) {
        let index: Arc<dyn VectorIndex> = Arc::new(Flat::new(options));
        let model = churn(&index, seed, 200);
        holds(&index, &model, seed);
    }
}

#[test]
fn exact_distances_are_right() {
    let dense = |a: &[f32], b: &[f32], metric| distance(metric, VectorRef::Dense(a), VectorRef::Dense(b));
    let (a, b) = ([1.0, 0.0, 2.0], [4.0, 4.0, 2.0]);
    assert_eq!(dense(&a, &b, Metric::L2), 5.0);
    assert_eq!(dense(&a, &b, Metric::InnerProduct), -8.0);
    assert_eq!(dense(&a, &b, Metric::L1), 7.0);
    assert!((dense(&a, &b, Metric::Cosine) - (1.0 - 8.0 / (5.0_f64 * 36.0).sqrt())).abs() < 1e-9);
    let sparse = |metric| {
        distance(metric, VectorRef::Sparse(&[0, 2], &[1.0, 2.0]), VectorRef::Sparse(&[0, 1, 2], &[4.0, 4.0, 2.0]))
    };
    for metric in [Metric::L2, Metric::InnerProduct, Metric::L1, Metric::Cosine] {
        assert_eq!(sparse(metric), dense(&a, &b, metric), "{metric:?}");
    }
    let bits = |metric| distance(metric, VectorRef::Bits(&[0b1100_0000]), VectorRef::Bits(&[0b0110_0000]));
    assert_eq!(bits(Metric::Hamming), 2.0);
    assert!((bits(Metric::Jaccard) - 2.0 / 3.0).abs() < 1e-12);
}

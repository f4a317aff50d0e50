//! The graph index: completeness under churn, recall, filters, concurrency, determinism, checkpoints.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::{ProptestConfig, any, proptest};

use super::distance::distance;
use super::recode_tests::recode;
use super::tests::{Dice, Model, any_options, churn, holds};
use super::{
    Flat, Hnsw, Job, Kind, Memory, Metric, Options, Probe, Quantization, Sight, Vector, VectorIndex, VectorRef, restore,
};
use crate::common::{CancelFlag, CancelReason};
use crate::index::Rid;

pub(super) fn checkpoint(index: &dyn VectorIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.checkpoint(&mut bytes).expect("memory takes it");
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_graph_returns_every_entry_once(options in any_options(), seed in any::<u64>()) {
        let graph = Arc::new(Hnsw::new(options));
        let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
        let model = churn(&index, seed, 400);
        graph.body.read().graph.check_twins(graph.slots());
        holds(&index, &model, seed);
        let bytes = checkpoint(&*index);
        let back = restore(&mut &bytes[..], 1 + (seed % 4) as usize).expect("it is whole");
        assert_eq!(back.options(), index.options());
        assert_eq!(checkpoint(&back), bytes, "a checkpoint of what was restored is the same");
        let back: Arc<dyn VectorIndex> = Arc::new(back);
        holds(&back, &model, seed);
    }

    #[test]
    fn damage_is_found(options in any_options(), seed in any::<u64>()) {
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
        churn(&index, seed, 30);
        let bytes = checkpoint(&*index);
        let mut dice = Dice::new(seed);
        for _ in 0..50 {
            let mut hurt = bytes.clone();
            let at = dice.below(bytes.len());
            hurt[at] ^= 1 << dice.below(8);
            assert!(restore(&mut &hurt[..], 2).is_err(), "byte {at} of {}", bytes.len());
            assert!(restore(&mut &bytes[..at], 2).is_err(), "{at} bytes of {}", bytes.len());
        }
    }
}

#[test]
fn blocks_belong_where_they_were() {
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 40)));
    churn(&index, 5, 300);
    let bytes = checkpoint(&*index);
    let (mut blocks, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let length = u32::from_ne_bytes(rest[..4].try_into().expect("four bytes")) as usize;
        blocks.push(rest.split_off(..8 + length).expect("it is whole"));
    }
    assert!(blocks.len() > 5, "there are several blocks of places");
    for threads in [1, 3] {
        assert!(restore(&mut &blocks.concat()[..], threads).is_ok());
        for (one, other) in [(1, 2), (0, 1), (3, 3), (blocks.len() - 1, 2)] {
            let mut mixed = blocks.clone();
            mixed.swap(one, other);
            if one == other {
                mixed.remove(one);
            }
            assert!(restore(&mut &mixed.concat()[..], threads).is_err(), "{one} and {other}");
        }
    }
}

#[test]
fn a_roll_call_finds_what_is_too_much_and_what_lacks() {
    let index = Hnsw::new(Options::new(Metric::L2, Kind::Dense, 3));
    for rid in 0..200 {
        assert!(index.insert(rid, 7, VectorRef::Dense(&[rid as f32, 1.0, 2.0])));
    }
    assert!(index.insert(5, 8, VectorRef::Dense(&[0.5; 3])) && index.remove(9, 7));
    let roll = index.roll_call();
    assert!(roll.call(5, 7) && roll.call(5, 7) && !roll.call(9, 7) && !roll.call(6, 8) && !roll.call(1000, 7));
    (10..200).for_each(|rid| assert!(roll.call(rid, 7)));
    let mut uncalled = roll.uncalled();
    uncalled.sort_unstable();
    assert_eq!(uncalled, [(0, 7), (1, 7), (2, 7), (3, 7), (4, 7), (5, 8), (6, 7), (7, 7), (8, 7)]);
}

/// Vectors around some centres, as real ones are.
fn clustered(count: usize, dims: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut dice = Dice::new(seed);
    let centers: Vec<Vec<f32>> = (0..20).map(|_| (0..dims).map(|_| dice.unit() + 0.3).collect()).collect();
    (0..count)
        .map(|_| {
            let center = &centers[dice.below(centers.len())];
            center.iter().map(|element| element + 0.4 * (dice.unit() + dice.unit())).collect()
        })
        .collect()
}

pub(super) fn load(index: &dyn VectorIndex, vectors: &[Vec<f32>], threads: usize) {
    load_in(index, vectors, threads, None);
}

/// A load that keeps what is not of the index in a file.
fn load_in(index: &dyn VectorIndex, vectors: &[Vec<f32>], threads: usize, file: Option<Arc<File>>) {
    let cancel = CancelFlag::new();
    let job = Job { threads, expected: vectors.len(), progress: &|_, _| {}, cancel: &cancel, file };
    let feed = &mut |sink: &mut super::Sink<'_>| {
        for (rid, vector) in vectors.iter().enumerate() {
            sink(rid as Rid, 0, VectorRef::Dense(vector))?;
        }
        Ok(())
    };
    index.load(feed, &job).expect("nothing fails");
}

/// The first ten rows that an index finds, filtered by a modulus.
fn ten(index: &Arc<dyn VectorIndex>, query: &[f32], ef: usize, modulus: u32) -> Vec<Rid> {
    let cancel = CancelFlag::new();
    let admit = |rid: Rid| rid.is_multiple_of(modulus);
    let probe = Probe {
        vector: Vector::Dense(query.to_vec()),
        ef,
        limit: 10,
        resume: false,
        pass_rate: Some(1.0 / f64::from(modulus)),
        among: None,
        entries: None,
    };
    let mut search = Arc::clone(index).search(probe);
    let sight = Sight { admit: (modulus > 1).then_some(&admit), judge: None, cancel: &cancel };
    let hits = std::iter::from_fn(|| search.next(&sight).expect("nothing fails"));
    hits.take(10).map(|hit| hit.rid).collect()
}

/// Inserts and links rows one by one, from one on.
pub(super) fn insert_each(index: &Arc<dyn VectorIndex>, rows: &[Vec<f32>], from: usize) {
    for (rid, row) in rows.iter().enumerate().skip(from) {
        assert!(index.insert(rid as Rid, 0, VectorRef::Dense(row)));
        index.link(1);
    }
}

/// The part of the ten nearest that an index finds, over some queries.
pub(super) fn recall(index: &Arc<dyn VectorIndex>, vectors: &[Vec<f32>], queries: &[Vec<f32>], modulus: u32) -> f64 {
    recall_at(40, index, vectors, queries, modulus)
}

/// The same at another `ef`.
fn recall_at(ef: usize, index: &Arc<dyn VectorIndex>, vectors: &[Vec<f32>], queries: &[Vec<f32>], modulus: u32) -> f64 {
    let flat: Arc<dyn VectorIndex> = Arc::new(Flat::new(index.options().clone()));
    load(&*flat, vectors, 1);
    let (mut found, mut wanted) = (0, 0);
    for query in queries {
        let truth = ten(&flat, query, 1, modulus);
        let own = ten(index, query, ef, modulus);
        assert_eq!(own.len(), truth.len(), "as many rows as there are");
        found += own.iter().filter(|rid| truth.contains(rid)).count();
        wanted += truth.len();
    }
    found as f64 / wanted as f64
}

#[test]
fn recall_is_high_whatever_the_codes() {
    for (metric, dims) in [(Metric::Cosine, 40), (Metric::L2, 130), (Metric::InnerProduct, 64), (Metric::L1, 24)] {
        let vectors = clustered(900, dims, 7);
        let queries = clustered(30, dims, 8);
        for quantization in [
            Quantization::Auto,
            Quantization::None,
            Quantization::Int8,
            Quantization::Rabitq1,
            Quantization::Rabitq2,
            Quantization::Rabitq4,
        ] {
            let memory = Memory::Fast;
            let options = Options { quantization, memory, ..Options::new(metric, Kind::Dense, dims as u32) };
            let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
            load(&*index, &vectors, 2);
            // Few dimensions in one bit each are the hardest; the calibrated factor is limited.
            // The inner product is no distance, so that a graph of nearest neighbours serves it less well.
            let floor = match (metric, quantization) {
                (Metric::InnerProduct, Quantization::Rabitq1) => 0.6,
                (_, Quantization::Rabitq1) => 0.8,
                (Metric::InnerProduct, _) => 0.85,
                (_, Quantization::Rabitq2) => 0.9,
                _ => 0.93,
            };
            let found = recall(&index, &vectors, &queries, 1);
            assert!(found >= floor, "{metric:?} {quantization:?}: {found}");
        }
    }
}

#[test]
fn a_filter_costs_no_recall() {
    let vectors = clustered(1500, 32, 3);
    let queries = clustered(20, 32, 4);
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 32)));
    load(&*index, &vectors, 2);
    for modulus in [2, 5, 20, 100, 700, 5000] {
        let found = recall(&index, &vectors, &queries, modulus);
        assert!(found >= 0.95, "one in {modulus}: {found}");
    }
}

#[test]
fn recall_survives_turnover() {
    let options = Options { quantization: Quantization::Rabitq4, ..Options::new(Metric::Cosine, Kind::Dense, 48) };
    let all = clustered(600 * 6, 48, 11);
    let queries = clustered(40, 48, 12);
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options.clone()));
    load(&*index, &all[..600], 1);
    // Five times, every row gets another vector.
    for (step, vector) in all.iter().enumerate().skip(600) {
        let rid = (step % 600) as Rid;
        assert!(index.insert(rid, (step / 600) as u32, VectorRef::Dense(vector)));
        assert!(index.remove(rid, (step / 600 - 1) as u32));
        index.link(1);
    }
    let slots = index.stats().slots;
    assert!(index.len() == 600 && slots < 600 + 600 / 16, "places are used again: {slots}");
    let last = &all[600 * 5..];
    let fresh: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
    load(&*fresh, last, 1);
    let (worn, new) = (recall(&index, last, &queries, 1), recall(&fresh, last, &queries, 1));
    assert!(worn >= new - 0.02, "{worn} against {new}");
}

#[test]
fn recall_survives_rows_that_come_back() {
    for quantization in [Quantization::Int8, Quantization::Rabitq2] {
        let options = Options { m: 4, quantization, ..Options::new(Metric::Cosine, Kind::Dense, 48) };
        let (vectors, queries) = (clustered(900, 48, 11), clustered(100, 48, 12));
        let graph = Arc::new(Hnsw::new(options));
        let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
        load(&*index, &vectors, 1);
        let new = recall_at(12, &index, &vectors, &queries, 1);
        // Four times every row is deleted and comes back, here under the same name; for a while it is there twice.
        for round in 1..=4 {
            for rows in (0..900).collect::<Vec<Rid>>().chunks(50) {
                for rid in rows {
                    assert!(index.insert(*rid, round, VectorRef::Dense(&vectors[*rid as usize])));
                }
                index.link(rows.len());
                assert!(rows.iter().all(|rid| index.remove(*rid, round - 1)));
            }
            graph.body.read().graph.check_twins(graph.slots());
            let worn = recall_at(12, &index, &vectors, &queries, 1);
            assert!(worn >= new - 0.01, "{quantization:?}, round {round}: {worn} against {new}");
        }
    }
}

#[test]
fn copies_take_no_room_from_others() {
    let (each, queries) = (clustered(200, 40, 21), clustered(40, 40, 22));
    let copies: Vec<Vec<f32>> = each.iter().flat_map(|vector| std::iter::repeat_n(vector.clone(), 10)).collect();
    for quantization in [Quantization::None, Quantization::Int8, Quantization::Rabitq2] {
        let options = Options { quantization, ..Options::new(Metric::Cosine, Kind::Dense, 40) };
        let graph = Arc::new(Hnsw::new(options));
        let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
        load(&*index, &copies, 1);
        assert!(graph.body.read().graph.check_twins(2000) >= 1700, "copies are twins: {quantization:?}");
        for query in &queries {
            let hits = ten(&index, query, 12, 1);
            assert_eq!(hits.iter().collect::<BTreeSet<_>>().len(), 10, "every row once");
            let copies = hits.iter().map(|rid| rid / 10).collect::<BTreeSet<_>>();
            assert_eq!(copies.len(), 1, "all copies of what is nearest: {quantization:?}");
        }
        // Twins that pass are found by nodes that do not.
        let passing = recall(&index, &copies, &queries, 7);
        // Nobody judges here, so two bits of 40 dimensions decide.
        let least = if quantization == Quantization::Rabitq2 { 0.6 } else { 0.9 };
        assert!(passing >= least, "{quantization:?}: {passing} among one in seven");
    }
}

#[test]
fn threads_insert_remove_and_search_together() {
    // Distinct vectors, and each five times, so that twins come and go on different threads.
    for (quantization, copies) in
        [(Quantization::None, 1), (Quantization::Rabitq2, 1), (Quantization::None, 5), (Quantization::Rabitq2, 5)]
    {
        let options = Options { quantization, ..Options::new(Metric::L2, Kind::Dense, 20) };
        let graph = Arc::new(Hnsw::new(options));
        let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
        let mut vectors = clustered(1200, 20, 21);
        (0..1200).for_each(|rid| vectors[rid] = vectors[rid / copies].clone());
        let found = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..3_usize {
                let (index, vectors, found) = (&index, &vectors, &found);
                scope.spawn(move || {
                    for (rid, vector) in vectors.iter().enumerate().filter(|(rid, _)| rid % 3 == thread) {
                        index.insert(rid as Rid, 0, VectorRef::Dense(vector));
                        if rid % 3 > 0 {
                            index.link(1);
                        }
                        if rid % 2 == 0 {
                            assert!(index.remove(rid as Rid, 0));
                        }
                        if rid % 5 == 0 {
                            found.fetch_add(ten(index, vector, 10, 1).len() as u64, Ordering::Relaxed);
                        }
                    }
                });
            }
            let shown = vectors.iter().enumerate().map(|(rid, row)| ((rid as Rid, 0), Vector::Dense(row.clone())));
            let (index, shown) = (&index, shown.collect::<Model>());
            scope.spawn(move || (0..20).filter(|_| recode(&**index, &shown)).count());
        });
        assert!(found.load(Ordering::Relaxed) > 0);
        graph.body.read().graph.check_twins(graph.slots());
        let odd = |(rid, _): &(usize, &Vec<f32>)| rid % 2 == 1;
        let rows = vectors.iter().enumerate().filter(odd);
        let model: Model = rows.map(|(rid, vector)| ((rid as Rid, 0), Vector::Dense(vector.clone()))).collect();
        holds(&index, &model, 5);
    }
}

#[test]
fn one_thread_builds_the_same_graph_again() {
    let vectors = clustered(700, 33, 2);
    let build = |seed| {
        let index = Hnsw::new(Options { seed, ..Options::new(Metric::Cosine, Kind::Dense, 33) });
        load(&index, &vectors, 1);
        checkpoint(&index)
    };
    assert_eq!(build(1), build(1));
    assert_ne!(build(1), build(2));
}

#[test]
fn a_build_in_a_file_is_the_same() {
    let vectors = clustered(700, 100, 3);
    let options = Options { quantization: Quantization::Rabitq2, ..Options::new(Metric::L2, Kind::Dense, 100) };
    let build = |file| {
        let index = Hnsw::new(options.clone());
        load_in(&index, &vectors, 1, file);
        checkpoint(&index)
    };
    let file = Arc::new(tempfile::tempfile().expect("a temporary file"));
    assert_eq!(build(None), build(Some(Arc::clone(&file))));
    let passing = Hnsw::passing_bytes(&options, vectors.len());
    assert!(passing >= 700 * 100);
    assert!(file.metadata().expect("its length").len() >= if cfg!(target_os = "linux") { passing } else { 0 });
}

#[test]
fn one_store_of_codes_stays_and_of_half_the_dimensions_on_a_budget() {
    let vectors = clustered(900, 256, 5);
    let build = |memory| {
        let options =
            Options { memory, quantization: Quantization::Rabitq2, ..Options::new(Metric::L2, Kind::Dense, 256) };
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
        load(&*index, &vectors, 2);
        index.stats()
    };
    let (fast, auto, budget) = (build(Memory::Fast), build(Memory::Auto), build(Memory::Budget));
    assert!(fast.fine_bytes > 0 && auto.fine_bytes == 0 && auto.code_bytes == fast.code_bytes);
    // A row is its code and eight bytes.
    assert!(budget.fine_bytes == 0 && budget.code_bytes * (64 + 8) == auto.code_bytes * (32 + 8));
}

#[test]
fn owners_are_asked_about_few_and_the_right_ones() {
    let cancel = CancelFlag::new();
    for metric in [Metric::L2, Metric::Cosine] {
        for (memory, quantization, dims, floor, most) in [
            (Memory::Auto, Quantization::Rabitq2, 64, 0.95, 95),
            (Memory::Auto, Quantization::Rabitq4, 64, 0.95, 40),
            // Codes of half of 256 dimensions, in each of which these vectors differ as much: harder than any real ones.
            (Memory::Budget, Quantization::Rabitq4, 256, 0.8, 220),
            (Memory::Fast, Quantization::Rabitq2, 64, 0.95, 14),
            (Memory::Fast, Quantization::None, 64, 0.95, 11),
        ] {
            let (vectors, queries) = (clustered(1500, dims, 41), clustered(40, dims, 42));
            let options = Options { memory, quantization, ..Options::new(metric, Kind::Dense, dims as u32) };
            let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
            load(&*index, &vectors, 2);
            let (mut found, mut judged) = (0, 0);
            for query in &queries {
                let far = |rid: usize| distance(metric, VectorRef::Dense(query), VectorRef::Dense(&vectors[rid]));
                let mut truth: Vec<f64> = (0..vectors.len()).map(far).collect();
                truth.sort_by(f64::total_cmp);
                let judge = |rid: Rid, _| Ok(Some(far(rid as usize)));
                let sight = Sight { admit: None, judge: Some(&judge), cancel: &cancel };
                let mut search = Arc::clone(&index).search(Probe::new(Vector::Dense(query.clone()), 100, 10));
                let hits: Vec<f64> = (0..10).map(|_| search.next(&sight).unwrap().unwrap().distance).collect();
                found += hits.iter().filter(|distance| **distance <= truth[9]).count();
                judged += search.counters().judged;
            }
            let (recall, each) = (found as f64 / 400.0, judged as f64 / 40.0);
            assert!(recall >= floor && each <= f64::from(most), "{metric:?} {quantization:?}: {recall}, {each} asked");
        }
    }
}

#[test]
fn a_row_in_the_middle_of_all_does_not_draw_all_links() {
    const ROWS: usize = 1500;
    const DIMS: usize = 64;
    let mut dice = Dice::new(71);
    let mut even =
        |count: usize| -> Vec<Vec<f32>> { (0..count).map(|_| (0..DIMS).map(|_| dice.unit()).collect()).collect() };
    let (plain, queries) = (even(ROWS), even(60));
    let mut with_middle = plain.clone();
    with_middle[3] = vec![0.0; DIMS];
    let found = |vectors: &[Vec<f32>], loaded: usize| {
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, DIMS as u32)));
        load(&*index, &vectors[..loaded], 2);
        insert_each(&index, vectors, loaded);
        let own = |rid: &usize| ten(&index, &vectors[*rid], 100, 1).contains(&(*rid as Rid));
        let lost: Vec<usize> = (0..ROWS).step_by(7).filter(|rid| !own(rid)).collect();
        assert!(lost.is_empty(), "rows that are not found by their own vectors, {loaded} loaded: {lost:?}");
        recall(&index, vectors, &queries, 1)
    };
    for loaded in [0, ROWS - 300, ROWS] {
        let (without, with) = (found(&plain, loaded), found(&with_middle, loaded));
        assert!(with >= without - 0.04, "{loaded} loaded: {with}, and {without} without the one in the middle");
    }
}

/// Rows in clusters a twentieth as wide as they lie apart, their centres among them, and rows of the same clusters to ask for.
pub(super) fn clusters(dims: usize, count: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut dice = Dice::new(89);
    let mut even = |spread: f32| -> Vec<f32> { (0..dims).map(|_| spread * dice.unit()).collect() };
    let centres: Vec<Vec<f32>> = (0..count.div_ceil(150)).map(|_| even(1.0)).collect();
    let mut near =
        |nth: usize| -> Vec<f32> { centres[nth % centres.len()].iter().zip(even(0.05)).map(|(a, b)| a + b).collect() };
    let others: Vec<Vec<f32>> = (0..count - centres.len() + 60).map(&mut near).collect();
    let (others, queries) = others.split_at(count - centres.len());
    (centres.iter().chain(others).cloned().collect(), queries.to_vec())
}

#[test]
fn centres_of_clusters_do_not_draw_all_links() {
    let (rows, queries) = clusters(128, 2400);
    let options = Options { quantization: Quantization::None, ..Options::new(Metric::L2, Kind::Dense, 128) };
    for loaded in [0, rows.len()] {
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options.clone()));
        load(&*index, &rows[..loaded], 2);
        insert_each(&index, &rows, loaded);
        let found = recall(&index, &rows, &queries, 1);
        assert!(found > 0.995, "{loaded} loaded: {found}");
    }
}

#[test]
fn a_cancelled_load_stops() {
    let cancel = CancelFlag::new();
    cancel.raise(CancelReason::UserRequest);
    let job = Job { threads: 2, expected: 10, progress: &|_, _| {}, cancel: &cancel, file: None };
    let index = Hnsw::new(Options::new(Metric::L2, Kind::Dense, 2));
    let ended = index.load(&mut |sink| sink(1, 1, VectorRef::Dense(&[1.0, 2.0])), &job);
    assert_eq!(ended.expect_err("cancelled").sqlstate().as_str(), "57014");
}

#[test]
fn what_waits_to_be_linked_is_found_and_then_linked() {
    let vectors = clustered(1200, 24, 31);
    let queries = clustered(20, 24, 32);
    for memory in [Memory::Fast, Memory::Budget] {
        let options =
            Options { memory, quantization: Quantization::Rabitq4, ..Options::new(Metric::L2, Kind::Dense, 24) };
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
        load(&*index, &vectors[..800], 2);
        for (rid, vector) in vectors.iter().enumerate().skip(800) {
            assert!(index.insert(rid as Rid, 0, VectorRef::Dense(vector)));
        }
        assert_eq!(index.waiting(), 400);
        assert!(index.remove(900, 0) && index.insert(900, 0, VectorRef::Dense(&vectors[900])));
        for modulus in [1, 3, 50] {
            let found = recall(&index, &vectors, &queries, modulus);
            assert!(found >= 0.9, "waiting, one in {modulus}: {found}");
        }
        assert_eq!((index.link(150), index.waiting()), (150, 250));
        let bytes = checkpoint(&*index);
        assert_eq!((index.waiting(), index.link(1)), (0, 0), "a checkpoint links what waits");
        assert!(index.stats().mean_links > 5.0);
        let found = recall(&index, &vectors, &queries, 1);
        assert!(found >= 0.9, "linked: {found}");
        let back: Arc<dyn VectorIndex> = Arc::new(restore(&mut &bytes[..], 3).expect("it is whole"));
        assert!((recall(&back, &vectors, &queries, 1) - found).abs() < 1e-9, "and keeps it linked");
    }
}

#[test]
fn the_entry_point_goes_while_others_wait() {
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 2)));
    let put = |rid: Rid| assert!(index.insert(rid, 0, VectorRef::Dense(&[rid as f32, 1.0])));
    (0..40).for_each(put);
    assert!(index.remove(0, 0), "walks began there, and nothing was linked");
    assert!(ten(&index, &[0.0, 1.0], 10, 1).contains(&1));
    index.link(5);
    (1..6).for_each(|rid| assert!(index.remove(rid, 0)));
    put(50);
    while index.link(7) > 0 {}
    let mut found = ten(&index, &[0.0, 1.0], 40, 1);
    found.sort_unstable();
    assert_eq!(found, (6..16).collect::<Vec<Rid>>(), "every node is linked to the others");
}

#[test]
fn odd_queries_find_what_there_is() {
    let options = Options::new(Metric::Cosine, Kind::Dense, 3);
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
    assert_eq!(ten(&index, &[1.0, 0.0, 0.0], 40, 1), Vec::<Rid>::new(), "an empty index has nothing");
    assert!(!index.insert(1, 0, VectorRef::Dense(&[0.0; 3])), "a zero vector has no direction");
    for rid in 0..300 {
        // Equal vectors are as near to each other as can be.
        assert!(index.insert(rid, 0, VectorRef::Dense(&[1.0, (rid % 3) as f32, 0.0])));
    }
    assert_eq!(ten(&index, &[0.0; 3], 40, 1).len(), 10, "a zero query is equally far from everything");
    let nearest = ten(&index, &[1.0, 1.0, 0.0], 40, 1);
    assert!(nearest.iter().all(|rid| rid % 3 == 1), "{nearest:?}");
}

#[test]
fn no_walk_ends_at_a_place_that_was_left() {
    let vectors: Vec<Vec<f32>> = {
        let mut dice = Dice::new(3);
        (0..5000).map(|_| (0..3).map(|_| dice.unit()).collect()).collect()
    };
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options { m: 4, ..Options::new(Metric::L2, Kind::Dense, 3) }));
    load(&*index, &vectors, 1);
    for (rid, vector) in vectors.iter().enumerate().filter(|(rid, _)| rid % 10 > 2) {
        assert!(index.remove(rid as Rid, 0));
        assert_eq!(ten(&index, vector, 40, 1).len(), 10, "where {rid} was");
    }
}

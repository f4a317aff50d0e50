//! Codes: how many bits and candidates are chosen, at a load and again as an index grows.

use std::sync::Arc;

use super::body::Store;
use super::codes::Codes;
use super::graph_tests::{checkpoint, clusters, insert_each, load, recall};
use super::packed::PackedQuery;
use super::tests::{Dice, Model, exhaust};
use super::{
    Hnsw, Job, Kind, Memory, Metric, Options, Quantization, Sink, Tag, Vector, VectorIndex, VectorRef, restore,
};
use crate::common::{CancelFlag, CancelReason};
use crate::error::Result;
use crate::index::Rid;

/// Runs a recoding that is fed by `feed`, without linking anew.
fn choose_by(index: &dyn VectorIndex, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>) -> bool {
    let cancel = CancelFlag::new();
    let job = Job { threads: 2, expected: index.len(), progress: &|_, _| {}, cancel: &cancel, file: None };
    index.recode(feed, &job).expect("nothing fails")
}

/// Links up to so many nodes anew; how many there were.
fn relink(index: &dyn VectorIndex, most: usize) -> usize {
    index.relink(most, &CancelFlag::new()).expect("nothing fails")
}

/// Runs a recoding that is fed by `feed` and all that follows from it.
fn recode_by(index: &dyn VectorIndex, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>) -> bool {
    let done = choose_by(index, feed);
    while relink(index, 300) > 0 {}
    done
}

/// Shows these entries to a recoding; whether something came of it.
pub(super) fn recode(index: &dyn VectorIndex, shown: &Model) -> bool {
    recode_by(index, &mut |sink| shown.iter().try_for_each(|((rid, tag), vector)| sink(*rid, *tag, vector.view())))
}

fn model_of(rows: &[Vec<f32>]) -> Model {
    rows.iter().enumerate().map(|(rid, row)| ((rid as Rid, 0), Vector::Dense(row.clone()))).collect()
}

fn keys_of(index: &Arc<dyn VectorIndex>, model: &Model, query: &[f32]) -> Vec<(Rid, Tag)> {
    let hits = exhaust(index, model, &Vector::Dense(query.to_vec()), 10, 1);
    let mut keys: Vec<(Rid, Tag)> = hits.iter().map(|hit| (hit.rid, hit.tag)).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn codes_of_clusters_take_as_many_bits_as_tell_rows_apart() {
    let (rows, _) = clusters(128, 600);
    let mut dice = Dice::new(97);
    let apart: Vec<Vec<f32>> = (0..600).map(|_| (0..128).map(|_| dice.unit()).collect()).collect();
    for (rows, bits) in [(rows, 8), (apart, 4)] {
        let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 128)));
        load(&*index, &rows, 2);
        assert_eq!(index.stats().code_bits, bits);
    }
}

#[test]
fn an_index_that_grows_by_inserts_is_calibrated() {
    let mut dice = Dice::new(83);
    let mut even = |spread: f32| -> Vec<f32> { (0..64).map(|_| spread * dice.unit()).collect() };
    let centres: Vec<Vec<f32>> = (0..2).map(|_| even(1.0)).collect();
    let mut near = |nth: usize| -> Vec<f32> { centres[nth % 2].iter().zip(even(0.02)).map(|(a, b)| a + b).collect() };
    let options = Options { quantization: Quantization::Rabitq1, ..Options::new(Metric::L2, Kind::Dense, 64) };
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
    let rows: Vec<Vec<f32>> = (0..240).map(&mut near).collect();
    insert_each(&index, &rows, 0);
    assert_eq!((index.stats().code_bits, index.is_outgrown()), (8, true), "8 bits do for certain");
    assert!(recode(&*index, &Model::new()), "no row is needed the first time");
    let stats = index.stats();
    assert_eq!(stats.code_bits, 1);
    // Of the rows of a cluster the codes hardly tell one from another.
    assert!(stats.ef_factor > 1.0, "{stats:?}");
}

/// Rows that lie far apart, which are so many that codes are chosen.
const FAR: usize = 130;

/// Rows of which the first lie far apart, so that coarse codes do for them, and the rest in tight clusters.
fn ever_closer(count: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut dice = Dice::new(101);
    let mut rows: Vec<Vec<f32>> = (0..FAR).map(|_| (0..128).map(|_| dice.unit()).collect()).collect();
    let (close, queries) = clusters(128, count - rows.len());
    rows.extend(close);
    (rows, queries)
}

/// An index of these rows whose codes were chosen when it had those that lie far apart.
fn grown(rows: &[Vec<f32>], memory: Memory) -> Arc<Hnsw> {
    let graph = Arc::new(Hnsw::new(Options { memory, ..Options::new(Metric::L2, Kind::Dense, 128) }));
    let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
    insert_each(&index, &rows[..FAR], 0);
    assert!(index.is_outgrown() && recode(&*index, &Model::new()));
    assert_eq!((index.stats().code_bits, index.is_outgrown()), (4, false), "they are far apart");
    insert_each(&index, rows, FAR);
    assert_eq!((index.stats().code_bits, index.is_outgrown()), (4, true));
    graph
}

#[test]
fn codes_are_chosen_again_as_an_index_grows() {
    let (rows, queries) = ever_closer(1000);
    for memory in [Memory::Auto, Memory::Fast] {
        let index: Arc<dyn VectorIndex> = grown(&rows, memory);
        assert_eq!(index.stats().fine_bytes > 0, memory == Memory::Fast);
        let (before, slots) = (recall(&index, &rows, &queries, 1), index.stats().slots);
        assert!(recode(&*index, &model_of(&rows)));
        assert_eq!((index.stats().code_bits, index.is_outgrown()), (8, false));
        assert_eq!(index.stats().slots, slots);
        let after = recall(&index, &rows, &queries, 1);
        let loaded: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(index.options().clone()));
        load(&*loaded, &rows, 2);
        let goal = recall(&loaded, &rows, &queries, 1);
        assert!(after > before + 0.1 && after > goal - 0.02, "{memory:?}: {before}, then {after}; loaded {goal}");
        assert_eq!(index.stats().fine_bytes, 0, "8 bits are as fine as the finer codes");
        let back = restore(&mut &checkpoint(&*index)[..], 2).expect("it is whole");
        assert!(back.stats().code_bits == 8 && !back.is_outgrown(), "8 bits it stays");
    }
}

#[test]
fn linking_anew_goes_on_after_a_restart() {
    let (rows, queries) = ever_closer(1000);
    let model = model_of(&rows);
    let index: Arc<dyn VectorIndex> = grown(&rows, Memory::Auto);
    let before = recall(&index, &rows, &queries, 1);
    let show = |sink: &mut Sink<'_>| model.iter().try_for_each(|((rid, tag), row)| sink(*rid, *tag, row.view()));
    assert!(choose_by(&*index, &mut |sink| show(sink)));
    assert_eq!((index.stats().code_bits, relink(&*index, 300)), (8, 300));
    let cancelled = CancelFlag::new();
    cancelled.raise(CancelReason::Terminate);
    assert!(index.relink(300, &cancelled).is_err());
    // An interrupted step leaves links as good as any; a checkpoint says that it is to be done again.
    let mut back: Arc<dyn VectorIndex> = index;
    for done in [300, 600] {
        back = Arc::new(restore(&mut &checkpoint(&*back)[..], 2).expect("it is whole"));
        assert_eq!(relink(&*back, 300), 300, "after {done}");
    }
    // What comes meanwhile has its turn, too.
    let later: Vec<Vec<f32>> = rows[..40].iter().map(|row| row.iter().map(|value| value + 1e-3).collect()).collect();
    (2000..).zip(&later).for_each(|(rid, row)| assert!(back.insert(rid, 0, VectorRef::Dense(row))));
    back.link(usize::MAX);
    assert_eq!([relink(&*back, 300), relink(&*back, 300), relink(&*back, 300)], [100, 40, 0]);
    (2000..2040).for_each(|rid| assert!(back.remove(rid, 0)));
    let after = recall(&back, &rows, &queries, 1);
    assert!(after > before + 0.1, "{before}, then {after}");
    let again = restore(&mut &checkpoint(&*back)[..], 2).expect("it is whole");
    assert_eq!(relink(&again, 300), 0, "it is done");
}

#[test]
fn an_index_on_a_budget_keeps_all_dimensions_until_it_chooses() {
    let mut dice = Dice::new(103);
    let rows: Vec<Vec<f32>> = (0..130).map(|_| (0..256).map(|_| dice.unit()).collect()).collect();
    let options = Options { memory: Memory::Budget, ..Options::new(Metric::L2, Kind::Dense, 256) };
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(options));
    insert_each(&index, &rows, 0);
    let back: Arc<dyn VectorIndex> = Arc::new(restore(&mut &checkpoint(&*index)[..], 2).expect("it is whole"));
    for index in [index, back] {
        assert_eq!((index.stats().code_bits, index.is_outgrown()), (8, true));
        assert!(recall(&index, &rows, &rows[..20], 1) > 0.9, "8 bits of all dimensions");
        let before = index.stats().code_bytes;
        assert!(recode(&*index, &Model::new()));
        let stats = index.stats();
        assert_eq!((stats.code_bits, stats.fine_bytes), (2, 0));
        // Of 256 bytes and two factors, 128 dimensions of 2 bits are left.
        assert!(stats.code_bytes * 5 < before, "{} of {before}", stats.code_bytes);
    }
}

#[test]
fn when_codes_were_chosen_outlives_a_restart() {
    let (rows, _) = ever_closer(700);
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, 128)));
    load(&*index, &rows[..150], 1);
    insert_each(&index, &rows[..240], 150);
    let back = restore(&mut &checkpoint(&*index)[..], 2).expect("it is whole");
    assert!(!back.is_outgrown(), "a third is new");
    let back: Arc<dyn VectorIndex> = Arc::new(back);
    insert_each(&back, &rows[..310], 240);
    assert!(back.is_outgrown(), "more than half is");
}

#[test]
fn nothing_comes_of_it_when_few_rows_are_shown() {
    let (rows, queries) = ever_closer(900);
    let index: Arc<dyn VectorIndex> = grown(&rows, Memory::Auto);
    let model = model_of(&rows);
    assert!(!recode(&*index, &model_of(&rows[..500])));
    assert_eq!((index.stats().code_bits, index.stats().fine_bytes, index.is_outgrown()), (4, 0, true));
    let cancelled = CancelFlag::new();
    cancelled.raise(CancelReason::UserRequest);
    let job = Job { threads: 1, expected: 0, progress: &|_, _| {}, cancel: &cancelled, file: None };
    let ended = index.recode(&mut |sink| sink(0, 0, VectorRef::Dense(&rows[0])), &job);
    assert_eq!(ended.expect_err("cancelled").sqlstate().as_str(), "57014");
    // A place is used again as before.
    let slots = index.stats().slots;
    assert!(index.insert(5000, 0, VectorRef::Dense(&rows[3])) && index.remove(5000, 0));
    assert!(index.insert(5001, 0, VectorRef::Dense(&rows[3])) && index.remove(5001, 0));
    assert_eq!(index.stats().slots, slots + 1);
    // One in eleven may be missing: it keeps what it has.
    assert!(recode(&*index, &model_of(&rows[..830])));
    assert_eq!(index.stats().code_bits, 8);
    assert_eq!(keys_of(&index, &model, &queries[0]).len(), rows.len());
}

#[test]
fn entries_that_come_and_go_meanwhile_are_coded_too() {
    let (rows, queries) = ever_closer(1500);
    let (there, later) = rows.split_at(1100);
    let graph = grown(there, Memory::Auto);
    let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
    // Not linked yet: its place is free at once when it goes.
    assert!(index.insert(3000, 0, VectorRef::Dense(&later[0])));
    let mut model = model_of(there);
    let slots = index.stats().slots;
    let done = recode_by(&*index, &mut |sink| {
        for (rid, row) in there.iter().enumerate() {
            sink(rid as Rid, 0, VectorRef::Dense(row))?;
            if rid == 500 {
                assert!(index.remove(3000, 0));
                insert_each(&index, &rows, there.len());
                (0..50).for_each(|rid| assert!(index.remove(rid, 0)));
            }
        }
        // What is shown of it now must not be taken for what has its place.
        sink(3000, 0, VectorRef::Dense(&later[0]))?;
        sink(9999, 9, VectorRef::Dense(&later[0]))
    });
    assert!(done);
    assert_eq!(index.stats().slots, slots + later.len() as u64, "no place is used again meanwhile");
    assert_eq!(index.stats().code_bits, 8);
    model.extend(model_of(&rows));
    (0..50).for_each(|rid| drop(model.remove(&(rid, 0))));
    assert_eq!(keys_of(&index, &model, &queries[0]), model.keys().copied().collect::<Vec<_>>());
    let body = graph.body.read();
    let Store::Packed(near) = &*body.near else { panic!("it is coded") };
    let mut query = PackedQuery::default();
    for slot in (0..graph.slots()).filter(|slot| body.graph.is_entry(*slot)) {
        near.prepare(VectorRef::Dense(&rows[body.graph.name(slot).0 as usize]), &mut query);
        let (off, deviation) = (near.distance(&query, slot), near.deviation(&query));
        assert!(off.abs() < 6.0 * deviation, "place {slot} has a code of another vector: {off}, {deviation}");
    }
}

//! Checkpoints that are written while others go on.

use std::io::Write;
use std::sync::Arc;

use super::tests::{Dice, Model, holds};
use super::{Hnsw, Kind, Metric, Options, Quantization, Tag, Vector, VectorIndex, VectorRef, restore};
use crate::index::Rid;

const DIMS: u32 = 40;

/// A file that, whenever something is written to it, has an entry inserted, and one that is to be taken out.
struct Meddling<'a> {
    index: &'a Arc<dyn VectorIndex>,
    dice: Dice,
    bytes: Vec<u8>,
    came: Model,
}

impl Write for Meddling<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (rid, vector) = (10_000 + self.came.len() as Rid, self.dice.vector(Kind::Dense, DIMS));
        assert!(self.index.insert(rid, 1, vector.view()));
        self.index.try_link();
        assert_eq!(self.index.try_remove(rid, 1), None, "not while it is being written");
        assert_eq!(self.index.try_remove(3, 0), None);
        self.came.insert((rid, 1), vector);
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn insert(index: &Arc<dyn VectorIndex>, model: &mut Model, dice: &mut Dice, rid: Rid, tag: Tag) {
    let vector = dice.vector(Kind::Dense, DIMS);
    assert!(index.insert(rid, tag, vector.view()));
    model.insert((rid, tag), vector);
}

#[test]
fn entries_come_while_a_checkpoint_is_written_and_are_not_in_it() {
    for quantization in [Quantization::None, Quantization::Rabitq2] {
        for entries in [0, 600] {
            let options = Options { quantization, ..Options::new(Metric::L2, Kind::Dense, DIMS) };
            let graph = Arc::new(Hnsw::new(options));
            let index: Arc<dyn VectorIndex> = Arc::clone(&graph) as _;
            let (mut model, mut dice) = (Model::new(), Dice::new(11));
            for rid in 0..entries {
                insert(&index, &mut model, &mut dice, rid, 0);
                index.link(usize::from(rid % 10 > 0));
            }
            // Free places, which those that come must not take, and dead ones.
            for rid in (0..entries).step_by(7) {
                assert_eq!(index.try_remove(rid, 0), Some(true));
                model.remove(&(rid, 0));
            }
            let mut file = Meddling { index: &index, dice: Dice::new(13), bytes: Vec::new(), came: Model::new() };
            index.checkpoint(&mut file).expect("it takes all");
            let Meddling { bytes, mut came, .. } = file;
            assert!(came.len() > if entries > 0 { 10 } else { 1 });
            // The first of all is linked as it comes.
            assert_eq!(index.waiting(), came.len() - usize::from(entries == 0));
            let back: Arc<dyn VectorIndex> = Arc::new(restore(&mut &bytes[..], 2).expect("it is whole"));
            holds(&back, &model, 17);
            model.append(&mut came);
            holds(&index, &model, 19);
            // Places are used again, and entries taken out, as before.
            assert_eq!(index.waiting(), index.link(usize::MAX));
            let free = graph.slots() as usize - index.len();
            (0..free as Rid).for_each(|rid| insert(&index, &mut model, &mut dice, 20_000 + rid, 2));
            assert_eq!(graph.slots() as usize, index.len());
            assert_eq!(index.try_remove(10_000, 1), Some(true));
            model.remove(&(10_000, 1));
            holds(&index, &model, 23);
        }
    }
}

#[test]
fn writers_and_checkpoints_go_on_side_by_side() {
    let index: Arc<dyn VectorIndex> = Arc::new(Hnsw::new(Options::new(Metric::L2, Kind::Dense, DIMS)));
    let vector = |rid: Rid| (0..DIMS).map(|at| ((rid * 31 + at * 17) % 101) as f32).collect::<Vec<f32>>();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let index = &index;
            scope.spawn(move || {
                for rid in (0..1200).filter(|rid| rid % 2 == thread) {
                    index.insert(rid, 0, VectorRef::Dense(&vector(rid)));
                    if rid % 3 > 0 {
                        index.link(1);
                    }
                    if rid % 5 == 0 {
                        assert!(index.remove(rid, 0));
                    }
                }
            });
        }
        for _ in 0..30 {
            let mut bytes = Vec::new();
            index.checkpoint(&mut bytes).expect("memory takes it");
            let back = restore(&mut &bytes[..], 1).expect("it is whole");
            let mut count = 0;
            back.for_each(&mut |rid, _| count += usize::from(rid < 1200));
            assert_eq!(count, back.len());
        }
    });
    let kept = (0..1200).filter(|rid| rid % 5 > 0);
    let model: Model = kept.map(|rid| ((rid, 0), Vector::Dense(vector(rid)))).collect();
    holds(&index, &model, 29);
}

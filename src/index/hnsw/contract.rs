//! The contract of a vector index: what goes in, how it is searched, what the owner decides.
//!
//! An index holds entries: a row id, a tag that tells versions of the row's vector apart, and the vector in whatever
//! form the index keeps it. A row has several entries while several versions of its vector wait for garbage collection.
//! Entries are a multiset: inserting the same (row, tag) twice makes two entries, and a removal takes one away.
//!
//! The index proposes, the owner disposes: during a search the owner says which rows may match at all
//! ([`Sight::admit`], asked while walking) and what the true distance of an entry is ([`Sight::judge`], asked only for
//! entries about to be returned, so that it may read the row; `None` drops an entry that the owner does not see).

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use super::filter::Entries;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::index::Rid;

/// Tells versions of one row's vector apart; the owner's choice, for example a checksum of the stored vector.
pub type Tag = u32;

/// How distances are measured. Smaller is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Euclidean distance.
    L2,
    /// Negative inner product.
    InnerProduct,
    /// One minus the cosine; zero vectors are not indexed.
    Cosine,
    /// Sum of absolute differences.
    L1,
    /// Number of differing bits.
    Hamming,
    /// One minus common bits over bits of either.
    Jaccard,
}

/// What the vectors of an index are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `vector` and `halfvec`: every element present.
    Dense,
    /// `sparsevec`: elements that are not zero.
    Sparse,
    /// `bit(n)`.
    Bits,
}

/// A vector as the owner shows it. Elements are finite; the number of dimensions is that of the index.
#[derive(Clone, Copy, Debug)]
pub enum VectorRef<'a> {
    /// All elements.
    Dense(&'a [f32]),
    /// Positions, strictly ascending, and the elements there.
    Sparse(&'a [u32], &'a [f32]),
    /// Bits, most significant first, unused bits of the last byte zero.
    Bits(&'a [u8]),
}

/// A vector that a search carries along.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// See [`VectorRef::Dense`].
    Dense(Vec<f32>),
    /// See [`VectorRef::Sparse`].
    Sparse(Vec<u32>, Vec<f32>),
    /// See [`VectorRef::Bits`].
    Bits(Vec<u8>),
}

/// What codes the walk goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantization {
    /// Chosen from the dimensions and calibrated by a bulk load.
    Auto,
    /// Full vectors.
    None,
    /// 8 bits a dimension.
    Int8,
    /// 1 bit a dimension.
    Rabitq1,
    /// 2 bits a dimension.
    Rabitq2,
    /// 4 bits a dimension.
    Rabitq4,
}

/// What stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Memory {
    /// 8-bit codes beside coarser ones, so that few entries need judging.
    Fast,
    /// Once the index is built, only the codes that the walk goes by; more entries are judged instead.
    Auto,
    /// The same, and of many dimensions codes of a part of them.
    Budget,
}

impl Memory {
    /// Whether finer codes stay when the index is built.
    pub(super) fn keeps_fine(self) -> bool {
        self == Self::Fast
    }
}

/// What an index is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The distance.
    pub metric: Metric,
    /// The form of the vectors.
    pub kind: Kind,
    /// Number of dimensions (bits of a bit string).
    pub dims: u32,
    /// Links of a node on the upper levels; twice as many on level 0.
    pub m: u32,
    /// Candidates considered while inserting.
    pub ef_construction: u32,
    /// The codes.
    pub quantization: Quantization,
    /// Which of them stay.
    pub memory: Memory,
    /// Seed of levels and rotation: the same seed, order and one thread make the same graph.
    pub seed: u64,
}

impl Options {
    /// pgvector's defaults, and `auto` for the rest.
    #[must_use]
    pub fn new(metric: Metric, kind: Kind, dims: u32) -> Self {
        Self {
            metric,
            kind,
            dims,
            m: 16,
            ef_construction: 64,
            quantization: Quantization::Auto,
            memory: Memory::Auto,
            seed: 0x05ee_d0fa_11a1,
        }
    }
}

/// What a search wants.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The query; of the index's kind and dimensions.
    pub vector: Vector,
    /// Candidates held while walking (`hnsw.ef_search`): recall against work.
    pub ef: usize,
    /// How many hits the caller probably takes.
    pub limit: usize,
    /// Whether the search goes on after the first `ef` candidates, until every entry has been returned
    /// (`hnsw.iterative_scan`); otherwise it ends there.
    pub resume: bool,
    /// Which part of all entries [`Sight::admit`] lets through, if the caller has an idea: chooses how to filter.
    pub pass_rate: Option<f64>,
    /// Only entries of these rows: they are compared one by one, without the graph and without [`Sight::admit`], and the
    /// search goes on to their end. The way for rows that another index names, up to some ten thousand. Each row once.
    pub among: Option<Arc<[Rid]>>,
    /// The entries that [`Sight::admit`] lets through, as far as they are known: a list is compared one by one as `among` is.
    pub entries: Option<Arc<Entries>>,
}

/// The owner's eyes during one call of [`Search::next`].
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// Whether a row may be in the result; asked of candidates during the walk, some rows more than once.
    pub admit: Option<&'a dyn Fn(Rid) -> bool>,
    /// The distance of an entry in the metric's unit, from the full vector; `None` when the entry is not to be seen.
    pub judge: Option<&'a dyn Fn(Rid, Tag) -> Result<Option<f64>>>,
    /// Polled while walking.
    pub cancel: &'a CancelFlag,
}

/// One result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The row.
    pub rid: Rid,
    /// Which version of its vector.
    pub tag: Tag,
    /// As judged; without a judge, the index's own best knowledge (an estimate when only codes are kept).
    pub distance: f64,
}

/// What a search did so far; for EXPLAIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SearchCounters {
    /// Rounds of `ef` candidates.
    pub rounds: u64,
    /// Distances from codes.
    pub evaluated: u64,
    /// Distances from the finer codes.
    pub reranked: u64,
    /// Entries shown to the judge.
    pub judged: u64,
    /// Rows shown to the filter, and how many it let through.
    pub filtered: u64,
    /// See `filtered`.
    pub admitted: u64,
}

/// A search under way. It keeps its index alive and holds no lock between calls.
pub trait Search: Send {
    /// The next hit. Distances ascend within a round as far as the index's codes are right about their error: a hit is
    /// returned when nothing that waits is likely to be nearer. Rounds follow each other in roughly ascending order. When
    /// the probe resumes, every entry that is in the index from the search's beginning to its end and that the owner
    /// admits and sees is returned exactly once before `None`. A search that failed must not be asked again.
    ///
    /// # Errors
    /// A cancellation, or what the judge fails with.
    fn next(&mut self, sight: &Sight<'_>) -> Result<Option<Hit>>;

    /// What was done so far.
    fn counters(&self) -> SearchCounters;
}

/// Size and shape of an index.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VectorStats {
    /// Entries.
    pub entries: u64,
    /// Places for entries, free ones included.
    pub slots: u64,
    /// Highest level of the graph.
    pub levels: u32,
    /// Mean number of links on level 0.
    pub mean_links: f64,
    /// Resident bytes of everything.
    pub total_bytes: u64,
    /// Of these, codes or vectors by which the walk goes.
    pub code_bytes: u64,
    /// Of these, finer codes for reranking.
    pub fine_bytes: u64,
    /// Of these, links.
    pub link_bytes: u64,
    /// Bits of a dimension in the walk's codes; 32 for full vectors.
    pub code_bits: u32,
    /// By which factor the walk holds more candidates than asked for.
    pub ef_factor: f64,
}

/// Receives one entry of a bulk load.
pub type Sink<'a> = dyn FnMut(Rid, Tag, VectorRef<'_>) -> Result<()> + 'a;

/// How a bulk load runs.
pub struct Job<'a> {
    /// Threads that link, the caller's included.
    pub threads: usize,
    /// How many entries will come, roughly.
    pub expected: usize,
    /// Told from time to time how many entries are done, of how many, while linking.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
    /// Polled.
    pub cancel: &'a CancelFlag,
    /// An empty file without a name for what the index does not keep ([`super::Hnsw::passing_bytes`]); in memory otherwise.
    pub file: Option<Arc<File>>,
}

/// An index over vectors. Readers and writers may call from any number of threads.
pub trait VectorIndex: Send + Sync {
    /// What it was made with.
    fn options(&self) -> &Options;

    /// Adds an entry; false when the vector has no place in the index (a zero vector under cosine). Searches find it at
    /// once, by comparing it, and faster when it is linked.
    ///
    /// # Panics
    /// When the vector is of another kind or number of dimensions.
    fn insert(&self, rid: Rid, tag: Tag, vector: VectorRef<'_>) -> bool;

    /// Takes an entry away; false when there was none.
    fn remove(&self, rid: Rid, tag: Tag) -> bool;

    /// The same, unless one would have to wait because the index is being written: then nothing is done.
    fn try_remove(&self, rid: Rid, tag: Tag) -> Option<bool> {
        Some(self.remove(rid, tag))
    }

    /// Entries that are to be linked: every search compares each of them.
    fn waiting(&self) -> usize {
        0
    }

    /// Links up to `most` entries that wait, oldest first; how many there were.
    fn link(&self, most: usize) -> usize {
        let _ = most;
        0
    }

    /// Links the entry that waits longest, unless one would have to wait because the index is being written.
    fn try_link(&self) {}

    /// Mends what linking may leave behind: entries that searches do not come by until they are resumed to their end. How many there
    /// were; takes time in proportion to the number of entries.
    fn lead_to_strays(&self) -> usize {
        0
    }

    /// Frees what removed entries hold, and then [`VectorIndex::lead_to_strays`].
    fn mend(&self) -> usize {
        self.lead_to_strays()
    }

    /// Whether there is such an entry.
    fn contains(&self, rid: Rid, tag: Tag) -> bool;

    /// Calls `see` with every entry, in no order, a moment's state of each.
    fn for_each(&self, see: &mut dyn FnMut(Rid, Tag));

    /// Fills an empty index: `feed` calls the sink once for each entry. No other call may run beside it.
    ///
    /// # Errors
    /// A cancellation or what `feed` fails with; the index is then to be dropped.
    fn load(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<()>;

    /// Whether so many entries have come since codes were chosen that [`VectorIndex::recode`] is worth its time.
    fn is_outgrown(&self) -> bool {
        false
    }

    /// Chooses codes anew while others search and write: `feed` calls the sink once for each entry that it can, and for others
    /// as it likes. False when nothing came of it because too many were missing. Takes about as long as `feed`, and for a while as much
    /// memory as [`super::Hnsw::passing_bytes`] says.
    ///
    /// # Errors
    /// A cancellation or what `feed` fails with; the index is as it was.
    fn recode(&self, feed: &mut dyn FnMut(&mut Sink<'_>) -> Result<()>, job: &Job<'_>) -> Result<bool> {
        let _ = (feed, job);
        Ok(false)
    }

    /// Links up to `most` nodes anew, if codes tell more apart than when they were linked; how many there were.
    ///
    /// # Errors
    /// A cancellation; these nodes' turn comes again.
    fn relink(&self, most: usize, cancel: &CancelFlag) -> Result<usize> {
        let _ = (most, cancel);
        Ok(0)
    }

    /// Begins a search.
    ///
    /// # Panics
    /// When the query is of another kind or number of dimensions.
    fn search(self: Arc<Self>, probe: Probe) -> Box<dyn Search>;

    /// The entries of rows, as a list to be compared or as bits for a walk to look at; `None` when that is of no use here.
    /// Takes time in proportion to the rows.
    fn entries_of(&self, rows: &mut dyn Iterator<Item = Rid>, list: bool) -> Option<Entries> {
        let _ = (rows, list);
        None
    }

    /// Whether entries are of the graph that the index has now.
    fn has(&self, entries: &Entries) -> bool {
        let _ = entries;
        false
    }

    /// Number of entries.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resident bytes of everything.
    fn bytes(&self) -> u64;

    /// Size and shape; takes time in proportion to the number of entries.
    fn stats(&self) -> VectorStats;

    /// Links what waits and writes the index, checksummed. Entries may come meanwhile and are not in it; linking and removing wait until it is
    /// written. [`super::restore`] reads it.
    ///
    /// # Errors
    /// What writing fails with.
    fn checkpoint(&self, out: &mut dyn Write) -> Result<()>;
}

/// How many times more candidates than asked for are considered while linking. By codes they cost little, and without, the graph
/// of 50,000 sentence embeddings finds fewer at the same `ef` than one linked by full vectors: .64 at 40 where pgvector
/// finds .69, and .72 with twice as many.
const LINKING_FACTOR: usize = 2;

impl Options {
    /// Candidates considered while linking a node.
    #[must_use]
    pub fn linking_ef(&self) -> usize {
        LINKING_FACTOR * self.ef_construction as usize
    }
}

impl Probe {
    /// A search for the first `limit` hits, unfiltered, that does not resume.
    #[must_use]
    pub fn new(vector: Vector, ef: usize, limit: usize) -> Self {
        Self { vector, ef, limit, resume: false, pass_rate: None, among: None, entries: None }
    }
}

impl Vector {
    /// The vector by reference.
    #[must_use]
    pub fn view(&self) -> VectorRef<'_> {
        match self {
            Self::Dense(elements) => VectorRef::Dense(elements),
            Self::Sparse(indices, values) => VectorRef::Sparse(indices, values),
            Self::Bits(bits) => VectorRef::Bits(bits),
        }
    }
}

impl VectorRef<'_> {
    /// A copy.
    #[must_use]
    pub fn to_vector(self) -> Vector {
        match self {
            Self::Dense(elements) => Vector::Dense(elements.to_vec()),
            Self::Sparse(indices, values) => Vector::Sparse(indices.to_vec(), values.to_vec()),
            Self::Bits(bits) => Vector::Bits(bits.to_vec()),
        }
    }

    /// Panics when the vector does not fit the index.
    pub fn check(self, options: &Options) {
        let fits = match (self, options.kind) {
            (Self::Dense(elements), Kind::Dense) => elements.len() == options.dims as usize,
            (Self::Sparse(indices, values), Kind::Sparse) => {
                indices.len() == values.len() && indices.last().is_none_or(|last| *last < options.dims)
            }
            (Self::Bits(bits), Kind::Bits) => bits.len() == options.dims.div_ceil(8) as usize,
            _ => false,
        };
        assert!(fits, "a vector has the index's kind and dimensions");
    }
}

impl<'a> Sight<'a> {
    /// Sees everything.
    #[must_use]
    pub fn all(cancel: &'a CancelFlag) -> Self {
        Self { admit: None, judge: None, cancel }
    }
}

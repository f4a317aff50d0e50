//! The contract of an in-memory ordered index.
//!
//! An index is a set of pairs (key image, row id) ordered by image, then row id. Several row ids may share an image:
//! dead versions wait for garbage collection and hashed images collide. All methods take `&self`; any number of
//! readers run beside writers, and each call sees the set as it was at some moment during the call.

/// A row id as indexes keep it: dense per table, so 32 bits.
pub type Rid = u32;

/// One index entry: key image and row id, in index order.
pub type Entry = (u64, Rid);

/// Which entries a scan wants: both ends inclusive, so an empty span has `first > last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The smallest entry wanted.
    pub first: Entry,
    /// The largest entry wanted.
    pub last: Entry,
}

/// What an index looks like inside and what it costs; counted, never computed from the number of keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexStats {
    /// Entries.
    pub entries: u64,
    /// Levels from the root to a leaf, both counted.
    pub height: u32,
    /// Routing nodes below the root.
    pub nodes: u64,
    /// Leaves.
    pub leaves: u64,
    /// Leaves that are arithmetic runs and hold no data bytes.
    pub run_leaves: u64,
    /// Routing nodes that gave up their model for binary search.
    pub binary_nodes: u64,
    /// Mean distance, in slots, between where the models point and where the separators are.
    pub mean_error: f64,
    /// Times that a routing node was rebuilt larger in place.
    pub expansions: u64,
    /// Times that a routing node was split into two.
    pub node_splits: u64,
    /// Bytes of everything but keys and row ids: separators, models, headers, slack.
    pub structure_bytes: u64,
    /// All bytes that the index keeps.
    pub total_bytes: u64,
}

/// An ordered set of (key image, row id).
pub trait OrderedIndex: Send + Sync {
    /// Adds an entry; false when it was there already.
    fn insert(&self, key: u64, rid: Rid) -> bool;

    /// Takes an entry away; false when it was not there.
    fn remove(&self, key: u64, rid: Rid) -> bool;

    /// Appends the row ids of `key`, ascending.
    fn lookup(&self, key: u64, out: &mut Vec<Rid>);

    /// Appends up to `limit` entries of `span`, from its first on, or from its last on when `backward`. To go on, call
    /// again with the span shortened by [`Span::after`].
    fn scan(&self, span: Span, backward: bool, limit: usize, out: &mut Vec<Entry>);

    /// Replaces the content by entries that arrive in ascending order without repetition.
    ///
    /// # Panics
    /// When they do not.
    fn load(&self, sorted: &mut dyn Iterator<Item = Entry>);

    /// Number of entries.
    fn len(&self) -> usize;

    /// Whether there are no entries.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shape and the memory; takes time in proportion to the number of leaves.
    fn stats(&self) -> IndexStats;
}

impl Span {
    /// Every entry.
    pub const ALL: Self = Self { first: (0, 0), last: (u64::MAX, Rid::MAX) };

    /// All entries of the images from `first` to `last`, both included.
    #[must_use]
    pub fn keys(first: u64, last: u64) -> Self {
        Self { first: (first, 0), last: (last, Rid::MAX) }
    }

    /// What remains when a scan in the given direction has delivered `entry`; `None` when nothing can.
    #[must_use]
    pub fn after(self, entry: Entry, backward: bool) -> Option<Self> {
        let rest = if backward {
            Self { first: self.first, last: predecessor(entry)? }
        } else {
            Self { first: successor(entry)?, last: self.last }
        };
        (rest.first <= rest.last).then_some(rest)
    }
}

fn successor((key, rid): Entry) -> Option<Entry> {
    match rid.checked_add(1) {
        Some(next) => Some((key, next)),
        None => key.checked_add(1).map(|next| (next, 0)),
    }
}

fn predecessor((key, rid): Entry) -> Option<Entry> {
    match rid.checked_sub(1) {
        Some(next) => Some((key, next)),
        None => key.checked_sub(1).map(|next| (next, Rid::MAX)),
    }
}

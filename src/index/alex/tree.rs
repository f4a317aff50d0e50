//! The root of the index, and the operations over root, nodes and leaves.
//!
//! The root is the ascending list of nodes with the smallest entry that each may hold; the first node takes everything
//! below. It is searched like a node: model, then exponential search.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::index::alex::leaf::{LEAF_MAX, Leaf};
use crate::index::alex::model::{self, Model};
use crate::index::alex::node::{LEAVES_LOADED, Node, NodeInserted};
use crate::index::ordered::{Entry, IndexStats, OrderedIndex, Rid, Span};

/// Levels: root, nodes, leaves.
const HEIGHT: u32 = 3;

/// An adaptive learned index.
pub struct Alex {
    root: RwLock<Root>,
    entries: AtomicUsize,
    node_splits: AtomicU64,
}

struct Root {
    /// Keys of the nodes' smallest entries; the first is not used for routing.
    low_keys: Vec<u64>,
    /// Row ids of the nodes' smallest entries.
    low_rids: Vec<Rid>,
    nodes: Vec<Box<RwLock<Node>>>,
    model: Model,
}

impl Root {
    fn new(nodes: Vec<Node>) -> Self {
        let lows: Vec<Entry> = nodes.iter().map(|node| node.first().unwrap_or((0, 0))).collect();
        let mut root = Self {
            low_keys: lows.iter().map(|low| low.0).collect(),
            low_rids: lows.iter().map(|low| low.1).collect(),
            nodes: nodes.into_iter().map(|node| Box::new(RwLock::new(node))).collect(),
            model: Model::default(),
        };
        root.retrain();
        root
    }

    fn retrain(&mut self) {
        self.model = Model::fit(self.low_keys.iter().copied(), 1.0);
    }

    /// The node where `entry` is or belongs.
    #[inline]
    fn locate(&self, entry: Entry) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        let guess = self.model.predict(entry.0, self.low_keys.len());
        let mut at = model::search_from(&self.low_keys, entry.0, guess);
        while at > 0 && (self.low_keys[at], self.low_rids[at]) > entry {
            at -= 1;
        }
        at
    }

    /// Splits node `at` if it still needs it.
    fn split(&mut self, at: usize) -> bool {
        let node = self.nodes[at].get_mut();
        if !node.wants_split() {
            return false;
        }
        let right = node.split();
        let (key, rid) = right.first().expect("the leaves of a node that is split have entries");
        self.low_keys.insert(at + 1, key);
        self.low_rids.insert(at + 1, rid);
        self.nodes.insert(at + 1, Box::new(RwLock::new(right)));
        self.retrain();
        true
    }

    /// Removes node `at` if it has no entries and is not the only one; its range falls to a neighbour.
    fn remove_if_empty(&mut self, at: usize) {
        if self.nodes.len() > 1 && self.nodes[at].get_mut().is_empty() {
            self.nodes.remove(at);
            self.low_keys.remove(at);
            self.low_rids.remove(at);
            self.retrain();
        }
    }
}

impl Default for Alex {
    fn default() -> Self {
        Self::new()
    }
}

impl Alex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self {
            root: RwLock::new(Root::new(vec![Node::empty()])),
            entries: AtomicUsize::new(0),
            node_splits: AtomicU64::new(0),
        }
    }

    /// Checks every invariant.
    ///
    /// # Panics
    /// When one is broken.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let root = self.root.read();
        assert!(root.low_keys.is_sorted());
        let mut entries = 0;
        for (at, node) in root.nodes.iter().enumerate() {
            let node = node.read();
            node.check();
            assert!(at == 0 || node.first().is_none_or(|first| first >= (root.low_keys[at], root.low_rids[at])));
            entries += node.leaves().iter().map(Leaf::len).sum::<usize>();
        }
        assert_eq!(entries, self.len());
    }
}

/// Cuts entries that ascend into leaves, and those into nodes.
fn build(sorted: &mut dyn Iterator<Item = Entry>) -> (Vec<Node>, usize) {
    let mut nodes = Vec::new();
    let mut leaves = Vec::new();
    let mut chunk: Vec<Entry> = Vec::with_capacity(LEAF_MAX);
    let (mut count, mut last) = (0, None);
    let flush = |chunk: &mut Vec<Entry>, leaves: &mut Vec<(u64, Leaf)>| {
        leaves.push((chunk[0].0, Leaf::new(chunk)));
        chunk.clear();
    };
    for entry in sorted {
        assert!(last.is_none_or(|last| last < entry), "entries to load ascend");
        last = Some(entry);
        count += 1;
        chunk.push(entry);
        if chunk.len() == LEAF_MAX {
            flush(&mut chunk, &mut leaves);
            if leaves.len() == LEAVES_LOADED {
                nodes.push(Node::from_leaves(std::mem::take(&mut leaves)));
            }
        }
    }
    if !chunk.is_empty() {
        flush(&mut chunk, &mut leaves);
    }
    if !leaves.is_empty() {
        nodes.push(Node::from_leaves(leaves));
    }
    if nodes.is_empty() {
        nodes.push(Node::empty());
    }
    (nodes, count)
}

impl OrderedIndex for Alex {
    fn insert(&self, key: u64, rid: Rid) -> bool {
        let entry = (key, rid);
        loop {
            {
                let root = self.root.read();
                match root.nodes[root.locate(entry)].write().insert(entry) {
                    NodeInserted::Done => {
                        self.entries.fetch_add(1, Ordering::Relaxed);
                        return true;
                    }
                    NodeInserted::Present => return false,
                    NodeInserted::SplitFirst => {}
                }
            }
            let mut root = self.root.write();
            let at = root.locate(entry);
            if root.split(at) {
                self.node_splits.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn remove(&self, key: u64, rid: Rid) -> bool {
        let entry = (key, rid);
        let (removed, empty) = {
            let root = self.root.read();
            let mut node = root.nodes[root.locate(entry)].write();
            (node.remove(entry), node.is_empty() && root.nodes.len() > 1)
        };
        if removed {
            self.entries.fetch_sub(1, Ordering::Relaxed);
        }
        if empty {
            let mut root = self.root.write();
            let at = root.locate(entry);
            root.remove_if_empty(at);
        }
        removed
    }

    fn lookup(&self, key: u64, out: &mut Vec<Rid>) {
        let root = self.root.read();
        let mut at = root.locate((key, 0));
        while root.nodes[at].read().lookup(key, out) {
            at += 1;
            if at == root.nodes.len() || root.low_keys[at] > key {
                return;
            }
        }
    }

    fn scan(&self, span: Span, backward: bool, limit: usize, out: &mut Vec<Entry>) {
        if span.first > span.last || limit == 0 {
            return;
        }
        let limit = out.len().saturating_add(limit);
        let root = self.root.read();
        if backward {
            let mut at = root.locate(span.last);
            while root.nodes[at].read().scan_backward(span, limit, out) && at > 0 {
                at -= 1;
            }
        } else {
            let mut at = root.locate(span.first);
            while root.nodes[at].read().scan(span, limit, out) && at + 1 < root.nodes.len() {
                at += 1;
            }
        }
    }

    fn load(&self, sorted: &mut dyn Iterator<Item = Entry>) {
        let (nodes, count) = build(sorted);
        let mut root = self.root.write();
        *root = Root::new(nodes);
        self.entries.store(count, Ordering::Relaxed);
    }

    fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    fn stats(&self) -> IndexStats {
        let root = self.root.read();
        let mut stats = IndexStats {
            entries: self.len() as u64,
            height: HEIGHT,
            nodes: root.nodes.len() as u64,
            node_splits: self.node_splits.load(Ordering::Relaxed),
            ..IndexStats::default()
        };
        let per_node = size_of::<RwLock<Node>>() + size_of::<Box<RwLock<Node>>>() + size_of::<Entry>();
        let (mut error, mut total, mut payload) = (0, size_of::<Self>() + root.nodes.len() * per_node, 0);
        for node in &root.nodes {
            let node = node.read();
            stats.leaves += node.leaves().len() as u64;
            stats.run_leaves += node.leaves().iter().filter(|leaf| leaf.is_run()).count() as u64;
            stats.binary_nodes += u64::from(node.is_binary());
            stats.expansions += node.expansions;
            error += node.total_error();
            total += node.header_bytes() + node.leaves().iter().map(Leaf::data_bytes).sum::<usize>();
            payload += node.leaves().iter().map(Leaf::payload_bytes).sum::<usize>();
        }
        stats.mean_error = error as f64 / stats.leaves as f64;
        stats.total_bytes = total as u64;
        stats.structure_bytes = (total - payload) as u64;
        stats
    }
}

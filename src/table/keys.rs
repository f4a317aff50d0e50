//! Index keys of rows: which values they are, their ordered bytes and their images.
//!
//! An [`IndexPlan`] is an index descriptor resolved against its table once per statement. The primary key's plan has an
//! imager (its entries are in memory, by image); indexes whose order images do not keep, and all others, have entries
//! in storage under their ordered bytes.

use std::sync::Arc;

use crate::catalog::descriptor::{IndexDesc, IndexTarget, TableDesc};
use crate::error::Result;
use crate::index::image::ImageKind;
use crate::table::spec::{IndexEvaluator, KeyBound};
use crate::types::{Datum, Oid, keycode};

/// pg_am OIDs of the methods that this floor keeps as ordered indexes.
const BTREE: Oid = Oid(403);
const HASH: Oid = Oid(405);

/// An index of a table, resolved.
#[derive(Clone)]
pub(super) struct IndexPlan {
    /// The descriptor.
    pub(super) desc: Arc<IndexDesc>,
    /// Position in the table's columns of each key; `None` is the next expression.
    parts: Vec<Option<usize>>,
    /// The positions when columns alone make the key.
    columns: Option<Arc<[usize]>>,
    /// Types of the keys.
    pub(super) types: Vec<Oid>,
    expressions: bool,
    /// How the primary index makes images of the keys; `None` for all others.
    pub(super) image: Option<ImageKind>,
}

/// Resolves the indexes that a table keeps in order; vector indexes are kept elsewhere.
pub(super) fn plans(desc: &TableDesc) -> Vec<IndexPlan> {
    desc.indexes.iter().filter(|index| index.method == BTREE || index.method == HASH).map(|i| plan(desc, i)).collect()
}

/// Resolves one index.
pub(super) fn plan(desc: &TableDesc, index: &Arc<IndexDesc>) -> IndexPlan {
    let position = |target: &IndexTarget| match target {
        IndexTarget::Column(attnum) => Some(desc.position_of(*attnum).expect("an index names live columns")),
        IndexTarget::Expr(_) => None,
    };
    let parts: Vec<Option<usize>> = index.keys.iter().map(|key| position(&key.target)).collect();
    let types: Vec<Oid> = index.keys.iter().map(|key| key.ty.oid).collect();
    let expressions = parts.iter().any(Option::is_none);
    let image = index.primary.then(|| ImageKind::of(&types));
    let columns = parts.iter().copied().collect();
    IndexPlan { desc: Arc::clone(index), parts, columns, types, expressions, image }
}

impl IndexPlan {
    /// Whether the index has entries in storage: all but a primary key whose images keep the order.
    pub(super) fn stored(&self) -> bool {
        !self.image.is_some_and(ImageKind::ordered)
    }

    /// Whether the row's columns alone make the key and every row has one.
    pub(super) fn is_plain(&self) -> bool {
        !self.expressions && self.desc.predicate.is_none()
    }

    /// Positions of the columns that make the key, when columns alone do.
    pub(super) fn positions(&self) -> Option<&[usize]> {
        self.columns.as_deref()
    }

    /// The key of a row; `None` when the index's predicate leaves the row out.
    pub(super) fn key(&self, row: &[Datum], evaluator: &dyn IndexEvaluator) -> Result<Option<Vec<Datum>>> {
        if self.desc.predicate.is_some() && !evaluator.predicate(&self.desc, row)? {
            return Ok(None);
        }
        let mut computed =
            if self.expressions { evaluator.expressions(&self.desc, row)? } else { Vec::new() }.into_iter();
        let value = |part: &Option<usize>| match part {
            Some(position) => row[*position].clone(),
            None => computed.next().expect("the evaluator gives one value per expression key"),
        };
        Ok(Some(self.parts.iter().map(value).collect()))
    }

    /// Whether a key takes part in uniqueness: NULLs differ from each other unless told otherwise.
    pub(super) fn constrains(&self, key: &[Datum]) -> bool {
        self.desc.unique && (self.desc.nulls_not_distinct || !key.iter().any(Datum::is_null))
    }

    /// Appends the ordered bytes of the first columns of a key.
    pub(super) fn encode(&self, key: &[Datum], out: &mut Vec<u8>) {
        for ((datum, part), oid) in key.iter().zip(&self.desc.keys).zip(&self.types) {
            keycode::encode_key_typed(*oid, datum, part.descending, part.nulls_first, out);
        }
    }

    /// The ordered bytes of a whole key.
    pub(super) fn encoded(&self, key: &[Datum]) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 * key.len());
        self.encode(key, &mut out);
        out
    }

    /// The byte range, end excluded, of entries with this prefix and bounds; `None` when nothing can lie in it.
    pub(super) fn byte_range(&self, prefix: &[Datum], lower: &KeyBound, upper: &KeyBound) -> Option<ByteRange> {
        let start = self.encoded(prefix);
        let next = self.desc.keys.get(prefix.len());
        let mut range = ByteRange { end: keycode::successor(&start), start: start.clone() };
        if matches!((lower, upper), (KeyBound::Open, KeyBound::Open)) {
            return Some(range);
        }
        let part = next.expect("a bound needs a key column behind the prefix");
        let oid = self.types[prefix.len()];
        let encode = |datum: &Datum| {
            let mut bytes = start.clone();
            keycode::encode_key_typed(oid, datum, part.descending, part.nulls_first, &mut bytes);
            bytes
        };
        // A bound compares with no NULL, so NULL as a bound selects nothing, and NULLs are outside any range.
        if [lower, upper].iter().any(|bound| bound.datum().is_some_and(Datum::is_null)) {
            return None;
        }
        let values = [start.as_slice(), &[keycode::VALUE]].concat();
        range.start = values.clone();
        range.end = keycode::successor(&values);
        let (first, last) = if part.descending { (upper, lower) } else { (lower, upper) };
        match first {
            KeyBound::Open => {}
            KeyBound::Included(datum) => range.start = encode(datum),
            KeyBound::Excluded(datum) => range.start = keycode::successor(&encode(datum))?,
        }
        match last {
            KeyBound::Open => {}
            KeyBound::Included(datum) => range.end = keycode::successor(&encode(datum)),
            KeyBound::Excluded(datum) => range.end = Some(encode(datum)),
        }
        range.end.as_ref().is_none_or(|end| range.start < *end).then_some(range)
    }
}

/// A range of ordered key bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ByteRange {
    /// The first key wanted.
    pub(super) start: Vec<u8>,
    /// The first key not wanted; `None` is the end of the index.
    pub(super) end: Option<Vec<u8>>,
}

impl ByteRange {
    /// Whether a key lies in the range.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }
}

impl KeyBound {
    /// The value of a bound.
    #[must_use]
    pub fn datum(&self) -> Option<&Datum> {
        match self {
            Self::Open => None,
            Self::Included(datum) | Self::Excluded(datum) => Some(datum),
        }
    }
}

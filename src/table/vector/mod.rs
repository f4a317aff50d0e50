//! Vector indexes of tables: kept in step with rows by the same means as ordered ones.
//!
//! An entry of a vector index is a row id and a tag: the checksum of the vector, which tells versions of a row's vector apart. It is in two
//! places. In storage, under the tag, it comes and goes with commits like any other index entry; that is the truth about
//! what belongs in the index. In memory it is in the graph, at once when it is written and until garbage collection has
//! removed the one in storage.
//!
//! ```text
//!   write       row marked in flight -> entry in storage with the commit -> vector into the index, before the commit
//!   later       linked into the graph; until then searches compare it
//!   search      graph -> (row, tag) -> the row as the view sees it: is this its vector? -> distance
//!   undo, GC    no entry in storage any more -> out of the graph
//!   start       checkpoint + difference to the entries in storage, or the rows
//! ```
//!
//! So the graph may lead to too much, never to too little, and what it leads to is believed only as far as the row agrees.
//! A row whose vector went from A to B and back has one entry for A. While the graph is being loaded, changes wait in
//! line; until it is there, and for views older than the index, queries compare every row instead.
//!
//! * `state`: what is in memory. [`load`]: filling it, with [`manners`]. `link`: linking what was entered. `checkpoint`: keeping it over restarts.
//!   [`scan`]: searching it, among [`allowed`] rows or as [`included`] columns say.

pub mod allowed;
pub(super) mod checkpoint;
pub mod included;
mod link;
pub mod load;
pub mod manners;
pub mod scan;
pub(super) mod state;

use std::sync::Arc;

use crate::error::Result;
use crate::index::hnsw::distance::distance;
use crate::index::hnsw::{Options, Tag, Vector, VectorRef};
use crate::table::access::Table;
use crate::table::keys::IndexPlan;
use crate::table::row::{Attribute, RowReader};
use crate::table::spec::{IndexEvaluator, RowId, WriteContext};
use crate::txn::RowStore;
use crate::types::{Datum, Oid, codec};
use included::Included;
use state::VectorState;

/// A vector index of an open table.
#[derive(Clone)]
pub(super) struct OpenVector {
    pub(super) plan: IndexPlan,
    pub(super) options: Arc<Options>,
    pub(super) state: Arc<VectorState>,
    pub(super) included: Option<OpenIncluded>,
}

/// The included columns of a vector index whose values are kept.
#[derive(Clone)]
pub(super) struct OpenIncluded {
    pub(super) shared: Arc<Included>,
    /// Their positions in the table's columns.
    pub(super) positions: Arc<[usize]>,
}

/// Calls `see` with a vector value as an index takes it; `None` for NULL and what is no vector.
pub(super) fn with_vector<R>(datum: &Datum, see: impl FnOnce(VectorRef<'_>) -> R) -> Option<R> {
    Some(match datum {
        Datum::Vector(elements) => see(VectorRef::Dense(elements)),
        Datum::HalfVec(elements) => {
            let elements: Vec<f32> = elements.iter().map(|element| element.to_f32()).collect();
            see(VectorRef::Dense(&elements))
        }
        Datum::SparseVec(vector) => see(VectorRef::Sparse(&vector.indices, &vector.values)),
        Datum::Bit(bits) => see(VectorRef::Bits(&bits.bytes)),
        _ => return None,
    })
}

/// Number of dimensions of a vector value, or bits of a bit string; `None` for anything else.
fn dims_of(datum: &Datum) -> Option<u32> {
    match datum {
        Datum::Vector(elements) => u32::try_from(elements.len()).ok(),
        Datum::HalfVec(elements) => u32::try_from(elements.len()).ok(),
        Datum::SparseVec(vector) => Some(vector.dims),
        Datum::Bit(bits) => Some(bits.bits),
        _ => None,
    }
}

/// A value as the query of an index with these options; `None` when it is NULL, or of other dimensions.
#[must_use]
pub fn query_of(options: &Options, datum: &Datum) -> Option<Vector> {
    if dims_of(datum) != Some(options.dims) {
        return None;
    }
    with_vector(datum, |vector| vector.to_vector())
}

/// The tag of a vector: the checksum of its stored form.
pub(super) fn tag_of(datum: &Datum) -> Tag {
    let mut bytes = Vec::new();
    codec::encode(datum, &mut bytes);
    crc32c::crc32c(&bytes)
}

impl OpenVector {
    /// The row's entry: its vector and the vector's tag; `None` when the index leaves the row out.
    ///
    /// # Errors
    /// Those of the evaluator; `22000` for a vector of other dimensions than the index.
    fn entry(&self, row: &[Datum], evaluator: &dyn IndexEvaluator) -> Result<Option<(Tag, Datum)>> {
        let Some(mut key) = self.plan.key(row, evaluator)? else { return Ok(None) };
        self.checked(key.swap_remove(0))
    }

    fn checked(&self, vector: Datum) -> Result<Option<(Tag, Datum)>> {
        let Some(dims) = dims_of(&vector) else { return Ok(None) };
        if dims != self.options.dims {
            crate::bail!(DATA_EXCEPTION, "expected {} dimensions, not {dims}", self.options.dims);
        }
        let indexable = |vector: VectorRef<'_>| crate::index::hnsw::distance::indexable(self.options.metric, vector);
        if with_vector(&vector, indexable) != Some(true) {
            return Ok(None);
        }
        Ok(Some((tag_of(&vector), vector)))
    }

    /// The entry of a stored row, as [`OpenVector::entry`].
    fn stored_entry(
        &self,
        table: &Table,
        values: &[u8],
        evaluator: &dyn IndexEvaluator,
    ) -> Result<Option<(Tag, Datum)>> {
        let reader = RowReader::open(values)?;
        match self.plan.positions() {
            Some([position]) if self.plan.is_plain() => self.checked(reader.datum(&table.desc().columns[*position])?),
            _ => self.entry(&reader.all(table.desc())?, evaluator),
        }
    }

    /// How far the vector of a stored row is from a query, if it is the one with this tag; `elements` is work space.
    fn stored_distance(
        &self,
        table: &Table,
        values: &[u8],
        tag: Tag,
        evaluator: &dyn IndexEvaluator,
        (query, elements): (&Vector, &mut Vec<f32>),
    ) -> Result<Option<f64>> {
        let distance = |vector: VectorRef<'_>| distance(self.options.metric, query.view(), vector);
        // The checksum of a column's bytes is the tag, so most rows need not be decoded to be turned down.
        if let (Some([position]), true) = (self.plan.positions(), self.plan.is_plain()) {
            let column = &table.desc().columns[*position];
            let reader = RowReader::open(values)?;
            if let Attribute::Value(bytes) = reader.attribute(column.attnum)? {
                if crc32c::crc32c(bytes) != tag {
                    return Ok(None);
                }
                if column.stored_type().oid == Oid::VECTOR {
                    elements.clear();
                    elements.extend(codec::vector_elements(bytes)?);
                    return Ok(Some(distance(VectorRef::Dense(elements))));
                }
                return Ok(with_vector(&reader.datum(column)?, distance));
            }
        }
        let entry = self.stored_entry(table, values, evaluator)?;
        Ok(entry.filter(|entry| entry.0 == tag).and_then(|entry| with_vector(&entry.1, distance)))
    }

    /// Makes a row's entry. The row is in flight already.
    fn enter(&self, txn: &dyn RowStore, tag: Tag, vector: &Datum, row: RowId) -> Result<()> {
        let index = self.plan.desc.storage;
        txn.put_entry(index, &tag.to_be_bytes(), row)?;
        if with_vector(vector, |vector| self.state.enter(row, tag, vector)) == Some(true) {
            txn.note_entered(index, tag, row);
        }
        Ok(())
    }
}

impl Table {
    /// Enters a new row in every vector index.
    pub(super) fn enter_vectors(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        row: &[Datum],
    ) -> Result<()> {
        for index in self.vectors() {
            if let Some(OpenIncluded { shared, positions }) = &index.included {
                shared.insert(id, positions.iter().map(|position| &row[*position]));
            }
            if let Some((tag, vector)) = index.entry(row, write.evaluator)? {
                index.enter(txn, tag, &vector, id)?;
            }
        }
        Ok(())
    }

    /// Moves a changed row in the vector indexes whose vector has changed; others are not touched, but for included columns.
    pub(super) fn move_vectors(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        old: &[Datum],
        new: &[Datum],
    ) -> Result<()> {
        for index in self.vectors() {
            if let Some(OpenIncluded { shared, positions }) = &index.included {
                shared.update(id, positions, old, new);
            }
            let before = index.entry(old, write.evaluator)?;
            let after = index.entry(new, write.evaluator)?;
            // By tag, not by value: 0 and -0 are equal, but a row is known by the bytes of its vector.
            let tag = |entry: &Option<(Tag, Datum)>| entry.as_ref().map(|entry| entry.0);
            if tag(&before) == tag(&after) {
                continue;
            }
            if let Some((tag, vector)) = &after {
                index.enter(txn, *tag, vector, id)?;
            }
            if let Some((tag, _)) = &before {
                txn.retire_entry(index.plan.desc.storage, &tag.to_be_bytes(), id)?;
            }
        }
        Ok(())
    }

    /// Says that a deleted row has left the vector indexes.
    pub(super) fn leave_vectors(
        &self,
        txn: &dyn RowStore,
        write: &WriteContext<'_>,
        id: RowId,
        old: &[Datum],
    ) -> Result<()> {
        for index in self.vectors() {
            let entry = index.entry(old, write.evaluator)?;
            if let Some(included) = &index.included {
                included.shared.delete(id, entry.is_some());
            }
            if let Some((tag, _)) = entry {
                txn.retire_entry(index.plan.desc.storage, &tag.to_be_bytes(), id)?;
            }
        }
        Ok(())
    }
}

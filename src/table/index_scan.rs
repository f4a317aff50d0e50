//! Scans of ordered indexes.
//!
//! The index says which rows may have keys in a range and in which order; the row says whether the view sees it and
//! with which key. A row whose key was changed has an entry under each of its keys, and only the one that is the key of the version
//! that the view sees counts, so no row comes twice. Entries come from storage or, for a primary key, from ALEX.

use std::sync::Arc;

use crate::error::Result;
use crate::index::image::ImageKind;
use crate::index::{Entry, OrderedIndex, Rid, Span};
use crate::table::access::{OpenIndex, Table};
use crate::table::keys::ByteRange;
use crate::table::registry::IndexState;
use crate::table::row::RowReader;
use crate::table::scan::Collector;
use crate::table::spec::{IndexEvaluator, IndexScanSpec, KeyBound, RowId};
use crate::txn::{RowStore, Transaction, View};
use crate::types::column::Batch;
use crate::types::{Datum, Oid, keycode};

/// A scan of an ordered index, in index order.
pub struct IndexScan {
    table: Table,
    txn: Arc<Transaction>,
    view: View,
    index: OpenIndex,
    collector: Collector,
    batch_rows: usize,
    range: ByteRange,
    rest: Rest,
}

/// What is left to read.
enum Rest {
    Nothing,
    /// Entries in storage within the range.
    Stored(ByteRange, Direction),
    /// Entries of ALEX.
    Images(Span, Direction),
    /// Rows that may have the one key wanted, and its image.
    Rows(Vec<Rid>, u64),
    /// All candidates there are.
    Found(std::vec::IntoIter<Candidate>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// A candidate: ordered key bytes, known or not, the image, and the row.
struct Candidate {
    key: Option<Box<[u8]>>,
    image: u64,
    row: RowId,
}

impl IndexScan {
    /// The next rows, as for a table scan; the evaluator is for indexes with expressions or a predicate.
    ///
    /// # Errors
    /// Storage errors, `XX001`, those of the evaluator.
    pub fn next(&mut self, evaluator: &dyn IndexEvaluator) -> Result<Option<Batch>> {
        while self.collector.rows() < self.batch_rows {
            let candidates = self.candidates(self.batch_rows - self.collector.rows())?;
            if candidates.is_empty() {
                break;
            }
            for candidate in candidates {
                self.judge(&candidate, evaluator)?;
            }
        }
        Ok((self.collector.rows() > 0).then(|| self.collector.finish()))
    }

    /// Takes the row of a candidate if the view sees it under the candidate's key and the key is wanted.
    fn judge(&mut self, candidate: &Candidate, evaluator: &dyn IndexEvaluator) -> Result<()> {
        let Self { table, index, collector, range, .. } = self;
        let row = candidate.row;
        let exact = candidate.key.is_none() && index.plan.image.is_some_and(ImageKind::exact);
        self.txn.get_at(&self.view, table.desc().storage, row, &mut |ts, values| {
            let Some(key) = table.stored_key(evaluator, index, values)? else { return Ok(()) };
            if exact {
                // The span of images is the range, so the image is all that there is to compare.
                return if index.image_of(&key, &[]) == Some(candidate.image) {
                    collector.push(row, ts, values)
                } else {
                    Ok(())
                };
            }
            let bytes = index.plan.encoded(&key);
            let same = match &candidate.key {
                Some(expected) => **expected == *bytes,
                None => index.image_of(&key, &bytes) == Some(candidate.image) && range.contains(&bytes),
            };
            if same { collector.push(row, ts, values) } else { Ok(()) }
        })?;
        Ok(())
    }

    /// Up to `count` next candidates, or more where entries tie; none at the end.
    fn candidates(&mut self, count: usize) -> Result<Vec<Candidate>> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => Ok(Vec::new()),
            Rest::Rows(rows, image) => Ok(rows.into_iter().map(|row| Candidate { key: None, image, row }).collect()),
            Rest::Stored(range, direction) => self.stored_candidates(range, direction, count),
            Rest::Images(span, direction) => self.image_candidates(span, direction, count),
            Rest::Found(mut found) => {
                let next = found.by_ref().take(count).collect();
                self.rest = Rest::Found(found);
                Ok(next)
            }
        }
    }

    /// Finds all candidates now and puts them in the order of the table; how many there are, or where the entries end that
    /// were looked at, once they are more than `most`.
    pub(super) fn gather(&mut self, most: usize) -> Result<Gathered> {
        let mut found: Vec<Candidate> = Vec::new();
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => {}
            Rest::Rows(rows, image) => found.extend(rows.into_iter().map(|row| Candidate { key: None, image, row })),
            Rest::Found(rest) => found.extend(rest),
            Rest::Stored(range, _) => {
                let storage = self.index.plan.desc.storage;
                self.txn.scan_entries(storage, &range.start, range.end.as_deref(), false, &mut |key, row| {
                    found.push(Candidate { key: Some(key.into()), image: 0, row });
                    Ok(found.len() <= most)
                })?;
            }
            Rest::Images(span, _) => {
                let state = self.index.state.as_ref().expect("a primary index has state");
                let mut entries: Vec<Entry> = Vec::new();
                state.entries.scan(span, false, most.saturating_add(1), &mut entries);
                found.extend(entries.into_iter().map(|(image, row)| Candidate { key: None, image, row }));
            }
        }
        if found.len() > most {
            return Ok(Gathered::TooMany { last: found.pop().and_then(|last| last.key) });
        }
        found.sort_unstable_by_key(|candidate| candidate.row);
        let count = found.len();
        self.rest = Rest::Found(found.into_iter());
        Ok(Gathered::All(count))
    }

    /// The entries in storage that are wanted, if it is those that are read.
    pub(super) fn stored_range(&self) -> Option<&ByteRange> {
        match &self.rest {
            Rest::Stored(range, _) => Some(range),
            _ => None,
        }
    }

    fn stored_candidates(
        &mut self,
        mut range: ByteRange,
        direction: Direction,
        count: usize,
    ) -> Result<Vec<Candidate>> {
        let mut found: Vec<Candidate> = Vec::new();
        let backward = direction == Direction::Backward;
        let storage = self.index.plan.desc.storage;
        self.txn.scan_entries(storage, &range.start, range.end.as_deref(), backward, &mut |key, row| {
            found.push(Candidate { key: Some(key.into()), image: 0, row });
            Ok(found.len() < count)
        })?;
        if found.len() == count
            && let Some(Candidate { key: Some(key), row, .. }) = found.last()
        {
            let mut last = [&key[..], &row.to_be_bytes()[..]].concat();
            if backward {
                range.end = Some(last);
            } else {
                last.push(0);
                range.start = last;
            }
            self.rest = Rest::Stored(range, direction);
        }
        Ok(found)
    }

    fn image_candidates(&mut self, span: Span, direction: Direction, count: usize) -> Result<Vec<Candidate>> {
        let state = self.index.state.clone().expect("a primary index has state");
        let backward = direction == Direction::Backward;
        let mut entries: Vec<Entry> = Vec::new();
        state.entries.scan(span, backward, count, &mut entries);
        let Some(mut last) = entries.last().copied() else { return Ok(Vec::new()) };
        let more = entries.len() == count;
        let exact = self.index.plan.image.is_some_and(ImageKind::exact);
        if more && !exact {
            last = whole_image(&state, &mut entries, last, backward);
        }
        if more && let Some(rest) = span.after(last, backward) {
            self.rest = Rest::Images(rest, direction);
        }
        let mut candidates: Vec<Candidate> =
            entries.into_iter().map(|(image, row)| Candidate { key: None, image, row }).collect();
        if !exact {
            self.sort_ties(&mut candidates, backward)?;
        }
        Ok(candidates)
    }

    /// Puts candidates with one image in the order of their keys. Rows that are not seen may go anywhere.
    fn sort_ties(&self, candidates: &mut [Candidate], backward: bool) -> Result<()> {
        for group in candidates.chunk_by_mut(|left, right| left.image == right.image).filter(|group| group.len() > 1) {
            let mut keyed: Vec<(Vec<u8>, RowId)> = Vec::with_capacity(group.len());
            for candidate in &*group {
                let mut key = Vec::new();
                self.txn.get_at(&self.view, self.table.desc().storage, candidate.row, &mut |_, values| {
                    let datums = self.table.plain_key(&self.index, values)?;
                    self.index.plan.encode(&datums, &mut key);
                    Ok(())
                })?;
                keyed.push((key, candidate.row));
            }
            keyed.sort_unstable();
            if backward {
                keyed.reverse();
            }
            for (candidate, (_, row)) in group.iter_mut().zip(keyed) {
                candidate.row = row;
            }
        }
        Ok(())
    }
}

/// What became of finding all candidates of a scan.
pub(super) enum Gathered {
    /// So many, at hand.
    All(usize),
    /// More than were allowed; the ordered key of the last one looked at, if entries have such keys.
    TooMany { last: Option<Box<[u8]>> },
}

/// Completes the last image of a chunk; the entry behind which to go on.
fn whole_image(state: &IndexState, entries: &mut Vec<Entry>, last: Entry, backward: bool) -> Entry {
    let image = last.0;
    entries.retain(|entry| entry.0 != image);
    let mut rows = Vec::new();
    state.entries.lookup(image, &mut rows);
    entries.extend(rows.into_iter().map(|row| (image, row)));
    (image, if backward { 0 } else { Rid::MAX })
}

impl OpenIndex {
    /// The image of a key whose ordered bytes are `bytes`.
    pub(super) fn image_of(&self, key: &[Datum], bytes: &[u8]) -> Option<u64> {
        let state = self.state.as_ref()?;
        match self.plan.image {
            Some(kind) if kind != ImageKind::Hash => state.image(&self.plan, key),
            _ => Some(state.image_of_bytes(bytes)),
        }
    }
}

impl Table {
    /// Opens an index scan; it sees what the transaction's present command sees.
    ///
    /// # Errors
    /// `XX000` when the table has no such ordered index.
    pub fn index_scan(&self, txn: &Arc<Transaction>, spec: IndexScanSpec) -> Result<IndexScan> {
        self.index_scan_at(txn, spec, txn.view())
    }

    pub(super) fn index_scan_at(&self, txn: &Arc<Transaction>, spec: IndexScanSpec, view: View) -> Result<IndexScan> {
        let index = self.index(spec.index)?.clone();
        self.ensure_built(&**txn, &index)?;
        let batch_rows = spec.batch_rows.max(1);
        let collector = Collector::new(self, &spec.positions, spec.row_ids, spec.commit_ts, batch_rows.min(1024));
        let range = index.plan.byte_range(&spec.prefix, &spec.lower, &spec.upper);
        let rest = match &range {
            None => Rest::Nothing,
            Some(range) => {
                txn.note_key_read(index.plan.desc.storage, &range.start, range.end.as_deref());
                start(&index, &spec, range)
            }
        };
        let range = range.unwrap_or_else(|| ByteRange { start: Vec::new(), end: None });
        Ok(IndexScan { table: self.clone(), txn: Arc::clone(txn), view, index, collector, batch_rows, range, rest })
    }

    /// Whether a row would be found by an index scan, as far as its key goes.
    ///
    /// # Errors
    /// `XX000` when the table has no such ordered index; those of the evaluator.
    pub fn in_range(&self, evaluator: &dyn IndexEvaluator, spec: &IndexScanSpec, row: &[Datum]) -> Result<bool> {
        let plan = &self.index(spec.index)?.plan;
        let Some(range) = plan.byte_range(&spec.prefix, &spec.lower, &spec.upper) else { return Ok(false) };
        Ok(plan.key(row, evaluator)?.is_some_and(|key| range.contains(&plan.encoded(&key))))
    }

    /// Whether an index holds at most one row that a command sees for values of its first `columns` keys.
    #[must_use]
    pub fn holds_one(&self, index: Oid, columns: usize) -> bool {
        let holds = |index: &OpenIndex| {
            index.state.is_some() && !index.deferrable && index.plan.is_plain() && index.plan.types.len() == columns
        };
        self.index(index).is_ok_and(holds)
    }

    /// The columns at `positions` of the row with a key of an index that [`Table::holds_one`], if the present command sees
    /// it. A key with NULL finds nothing.
    ///
    /// # Errors
    /// As [`Table::find`].
    pub fn find_columns(
        &self,
        txn: &Transaction,
        evaluator: &dyn IndexEvaluator,
        index: Oid,
        key: &[Datum],
        positions: &[usize],
    ) -> Result<Option<Vec<Datum>>> {
        let index = self.index(index)?;
        self.ensure_built(txn, index)?;
        let (Some(state), Some(kind), [column], false) =
            (&index.state, index.plan.image, index.plan.positions().unwrap_or_default(), txn.notes_reads())
        else {
            let found = self.find(txn, evaluator, index.plan.desc.oid, key)?;
            return Ok(found.map(|(_, row)| positions.iter().map(|position| row[*position].clone()).collect()));
        };
        if !kind.exact() {
            let found = self.find(txn, evaluator, index.plan.desc.oid, key)?;
            return Ok(found.map(|(_, row)| positions.iter().map(|position| row[*position].clone()).collect()));
        }
        let Some(image) = state.image(&index.plan, key) else { return Ok(None) };
        let mut rows: Vec<Rid> = Vec::new();
        state.entries.lookup(image, &mut rows);
        let (view, column) = (txn.view(), &self.desc().columns[*column]);
        let mut found = None;
        for row in rows {
            txn.get_at(&view, self.desc().storage, row, &mut |_, values| {
                let reader = RowReader::open(values)?;
                // The row may have had this key in another version.
                if state.image(&index.plan, &[reader.datum(column)?]) == Some(image) {
                    found = Some(reader.datums(self.desc(), positions)?);
                }
                Ok(())
            })?;
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }

    /// The row with a key of a unique index, if the present command sees it: the short way for point queries on a primary
    /// key. A key with NULL finds nothing.
    ///
    /// # Errors
    /// `XX000` when the table has no such ordered index; as [`IndexScan::next`].
    pub fn find(
        &self,
        txn: &dyn RowStore,
        evaluator: &dyn IndexEvaluator,
        index: Oid,
        key: &[Datum],
    ) -> Result<Option<(RowId, Vec<Datum>)>> {
        let index = self.index(index)?;
        self.ensure_built(txn, index)?;
        if key.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let bytes = index.plan.encoded(key);
        let end = keycode::successor(&bytes);
        txn.note_key_read(index.plan.desc.storage, &bytes, end.as_deref());
        let mut rows: Vec<Rid> = Vec::new();
        match (&index.state, index.plan.image) {
            (Some(state), Some(_)) => {
                if let Some(image) = index.image_of(key, &bytes) {
                    state.entries.lookup(image, &mut rows);
                }
            }
            _ => txn.scan_entries(index.plan.desc.storage, &bytes, end.as_deref(), false, &mut |_, row| {
                rows.push(row);
                Ok(true)
            })?,
        }
        let view = txn.view();
        let mut found = None;
        for row in rows {
            txn.get_at(&view, self.desc().storage, row, &mut |_, values| {
                let same =
                    self.stored_key(evaluator, index, values)?.is_some_and(|key| index.plan.encoded(&key) == bytes);
                if same {
                    found = Some((row, RowReader::open(values)?.all(self.desc())?));
                }
                Ok(())
            })?;
            if found.is_some() {
                break;
            }
        }
        Ok(found)
    }
}

/// The rows under one image.
fn point(state: &IndexState, image: u64) -> Rest {
    let mut rows = Vec::new();
    state.entries.lookup(image, &mut rows);
    Rest::Rows(rows, image)
}

/// Where a scan begins.
fn start(index: &OpenIndex, spec: &IndexScanSpec, range: &ByteRange) -> Rest {
    let direction = if spec.backward { Direction::Backward } else { Direction::Forward };
    let (Some(state), Some(kind)) = (&index.state, index.plan.image) else {
        return Rest::Stored(range.clone(), direction);
    };
    let whole_key = spec.prefix.len() == index.plan.types.len();
    if kind == ImageKind::Hash {
        if !whole_key || spec.prefix.iter().any(Datum::is_null) {
            return Rest::Stored(range.clone(), direction);
        }
        return point(state, state.image_of_bytes(&range.start));
    }
    let image = |datum: &Datum| state.image(&index.plan, std::slice::from_ref(datum));
    if let (true, [datum]) = (whole_key, &spec.prefix[..]) {
        return image(datum).map_or(Rest::Nothing, |image| point(state, image));
    }
    // Where images are keys the span is exactly the range; elsewhere it holds the range.
    let lower = match &spec.lower {
        KeyBound::Open => Some(0),
        KeyBound::Excluded(datum) if kind.exact() => image(datum).and_then(|image| image.checked_add(1)),
        KeyBound::Included(datum) | KeyBound::Excluded(datum) => image(datum),
    };
    let upper = match &spec.upper {
        KeyBound::Open => Some(u64::MAX),
        KeyBound::Excluded(datum) if kind.exact() => image(datum).and_then(|image| image.checked_sub(1)),
        KeyBound::Included(datum) | KeyBound::Excluded(datum) => image(datum),
    };
    let ends = match spec.prefix.first() {
        Some(datum) => (image(datum), image(datum)),
        None => (lower, upper),
    };
    match ends {
        (Some(first), Some(last)) if first <= last => {
            // Images ascend whatever the index says; a descending key is read the other way round.
            let descending = index.plan.desc.keys[0].descending;
            let direction = if descending == spec.backward { Direction::Forward } else { Direction::Backward };
            Rest::Images(Span::keys(first, last), direction)
        }
        _ => Rest::Nothing,
    }
}

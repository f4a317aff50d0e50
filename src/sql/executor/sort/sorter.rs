//! Sorting rows by key: in memory, and beyond `work_mem` by runs on disk.

use std::cmp::Ordering;

use arrow_array::ArrayRef;

use crate::error::Result;
use crate::sql::executor::keys::{KeyShape, Keys};
use crate::sql::executor::rows::held;
use crate::sql::executor::{BATCH_ROWS, ExecContext};
use crate::sql::expr::Expr;
use crate::types::column::Batch;

use super::merge::{Merge, Runs, block_rows};

/// Bits of a place that number the row in its batch.
const ROW_BITS: u32 = 10;
const _: () = assert!(BATCH_ROWS == 1 << ROW_BITS, "places number the rows of a full batch");

/// Takes rows in and gives them back sorted; equal keys keep their order.
pub(in crate::sql::executor) struct Sorter {
    layout: Layout,
    run: Run,
    spilled: Option<Runs>,
}

/// Where the columns of rows and keys are.
pub(super) struct Layout {
    pub(super) shape: KeyShape,
    /// For each key column the column of the row that it is; others follow the row's columns.
    places: Vec<Option<usize>>,
    /// Columns of a row; known when there is one.
    width: usize,
}

/// Rows that are sorted in memory.
#[derive(Default)]
struct Run {
    batches: Vec<Batch>,
    /// The keys of each batch; none when what is in `order` decides.
    keys: Vec<Keys>,
    order: Order,
    bytes: usize,
}

/// The beginning of each row's key, and in the last 32 bits its batch and its row there: sorting these sorts the rows.
enum Order {
    /// Keys of at most twelve bytes.
    Short(Vec<u128>),
    /// The first 28 bytes of other keys.
    Long(Vec<[u64; 4]>),
}

/// Sorted rows.
pub(in crate::sql::executor) struct Sorted {
    width: usize,
    source: Source,
    note: String,
}

enum Source {
    Memory { batches: Vec<Batch>, order: Vec<u32>, at: usize },
    Disk(Box<Merge>),
}

fn split(place: u32) -> (usize, usize) {
    ((place >> ROW_BITS) as usize, (place & ((1 << ROW_BITS) - 1)) as usize)
}

/// The columns of the row that expressions are.
pub(in crate::sql::executor) fn column_places<'a>(exprs: impl Iterator<Item = &'a Expr>) -> Vec<Option<usize>> {
    exprs.map(|expr| if let Expr::Column { index, .. } = expr { Some(*index) } else { None }).collect()
}

impl Layout {
    /// A row with the key columns that are not among its own.
    fn with_keys(&self, mut row: Batch, keys: &[ArrayRef]) -> Batch {
        let computed = self.places.iter().zip(keys).filter(|(place, _)| place.is_none());
        row.columns.extend(computed.map(|(_, column)| ArrayRef::clone(column)));
        row
    }

    /// The keys of rows as [`Layout::with_keys`] makes them.
    pub(super) fn keys(&self, batch: &Batch) -> Keys {
        let mut computed = batch.columns[self.width..].iter();
        let columns: Vec<ArrayRef> = self
            .places
            .iter()
            .map(|place| match place {
                Some(place) => ArrayRef::clone(&batch.columns[*place]),
                None => ArrayRef::clone(computed.next().expect("computed keys follow the row")),
            })
            .collect();
        self.shape.encode(&columns, batch.rows)
    }
}

impl Sorter {
    /// An empty one for keys of this shape; `places` says which key columns are columns of the row.
    pub(in crate::sql::executor) fn new(shape: KeyShape, places: Vec<Option<usize>>) -> Self {
        Self { layout: Layout { shape, places, width: 0 }, run: Run::default(), spilled: None }
    }

    /// Takes in rows with their key columns.
    ///
    /// # Errors
    /// Those of writing a temporary file.
    pub(in crate::sql::executor) fn add(&mut self, batch: Batch, keys: &[ArrayRef], ctx: &ExecContext) -> Result<()> {
        self.layout.width = batch.columns.len();
        let rows = batch.rows;
        let mut from = 0;
        let batch = self.layout.with_keys(batch, keys);
        while from < rows {
            let count = (rows - from).min(BATCH_ROWS);
            let part = if count == rows { batch.clone() } else { batch.slice(from, count) };
            let keys = self.layout.keys(&part);
            self.run.add(part, keys);
            if self.run.bytes > ctx.shared.work_mem {
                self.spill(ctx)?;
            }
            from += count;
        }
        Ok(())
    }

    /// Writes the rows in memory as a run.
    fn spill(&mut self, ctx: &ExecContext) -> Result<()> {
        let run = std::mem::take(&mut self.run);
        let (batches, bytes, order) = run.sorted();
        if self.spilled.is_none() {
            self.spilled = Some(Runs::create(ctx)?);
        }
        let spilled = self.spilled.as_mut().expect("made above");
        for places in order.chunks(block_rows(bytes, order.len(), ctx)) {
            ctx.check()?;
            spilled.write(&gather(&batches, places))?;
        }
        spilled.end_run();
        Ok(())
    }

    /// All rows in order.
    ///
    /// # Errors
    /// Those of temporary files.
    pub(in crate::sql::executor) fn finish(mut self, ctx: &ExecContext) -> Result<Sorted> {
        let width = self.layout.width;
        if self.spilled.is_none() {
            let (batches, bytes, order) = self.run.sorted();
            let note = format!("Sort Method: quicksort  Memory: {}kB", bytes.div_ceil(1024));
            return Ok(Sorted { width, source: Source::Memory { batches, order, at: 0 }, note });
        }
        if !self.run.batches.is_empty() {
            self.spill(ctx)?;
        }
        let runs = self.spilled.expect("there is a run on disk");
        let note = format!("Sort Method: external merge  Disk: {}kB", runs.size().div_ceil(1024));
        Ok(Sorted { width, source: Source::Disk(Box::new(Merge::of(runs, self.layout, ctx)?)), note })
    }
}

impl Run {
    fn add(&mut self, batch: Batch, keys: Keys) {
        let number = u32::try_from(self.batches.len()).expect("a run has fewer than 2^22 batches");
        assert!(number < 1 << (32 - ROW_BITS), "a run has fewer than 2^22 batches");
        let places = (number << ROW_BITS..).take(batch.rows);
        self.bytes += held(&batch);
        let decided = if keys.heads_decide() {
            self.bytes += size_of::<u128>() * batch.rows;
            let Order::Short(order) = &mut self.order else { panic!("keys of one shape are short or long") };
            order.extend(places.enumerate().map(|(row, place)| (keys.head(row) << 32) | u128::from(place)));
            true
        } else {
            self.bytes += size_of::<[u64; 4]>() * batch.rows;
            if matches!(&self.order, Order::Short(order) if order.is_empty()) {
                self.order = Order::Long(Vec::new());
            }
            let Order::Long(order) = &mut self.order else { panic!("keys of one shape are short or long") };
            order.extend(places.enumerate().map(|(row, place)| {
                let [a, b, c, d] = keys.long_head(row);
                [a, b, c, d | u64::from(place)]
            }));
            keys.long_heads_decide()
        };
        if !decided {
            self.bytes += keys.memory();
            self.keys.push(keys);
        }
        self.batches.push(batch);
    }

    /// The rows, their bytes and their places in order.
    fn sorted(self) -> (Vec<Batch>, usize, Vec<u32>) {
        let keys = &self.keys;
        let last = |word: u64| (word & u64::from(u32::MAX)) as u32;
        let places = match self.order {
            Order::Short(mut order) => {
                order.sort_unstable();
                order.into_iter().map(|entry| last(entry as u64)).collect()
            }
            Order::Long(mut order) if keys.is_empty() => {
                order.sort_unstable();
                order.into_iter().map(|entry| last(entry[3])).collect()
            }
            Order::Long(mut order) => {
                let head = |entry: &[u64; 4]| [entry[0], entry[1], entry[2], entry[3] >> 32];
                let rest = |entry: &[u64; 4]| {
                    let (batch, row) = split(last(entry[3]));
                    keys[batch].long_rest(row)
                };
                order.sort_unstable_by(|a, b| match head(a).cmp(&head(b)) {
                    Ordering::Equal => rest(a).cmp(rest(b)).then_with(|| a[3].cmp(&b[3])),
                    order => order,
                });
                order.into_iter().map(|entry| last(entry[3])).collect()
            }
        };
        (self.batches, self.bytes, places)
    }
}

impl Default for Order {
    fn default() -> Self {
        Self::Short(Vec::new())
    }
}

fn gather(batches: &[Batch], places: &[u32]) -> Batch {
    match batches {
        [only] => only.take(places),
        batches => Batch::interleave(batches, &places.iter().map(|place| split(*place)).collect::<Vec<_>>()),
    }
}

impl Sorted {
    /// Rows that are sorted already: one batch.
    pub(super) fn of(batch: Batch, note: String) -> Self {
        let width = batch.columns.len();
        let batches: Vec<Batch> = (0..batch.rows.div_ceil(BATCH_ROWS))
            .map(|at| batch.slice(at * BATCH_ROWS, BATCH_ROWS.min(batch.rows - at * BATCH_ROWS)))
            .collect();
        let order = (0..u32::try_from(batch.rows).expect("few rows are kept")).collect();
        Self { width, source: Source::Memory { batches, order, at: 0 }, note }
    }

    /// The next rows in order.
    ///
    /// # Errors
    /// Those of temporary files.
    pub(in crate::sql::executor) fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        let batch = match &mut self.source {
            Source::Memory { batches, order, at } => {
                let end = (*at + BATCH_ROWS).min(order.len());
                let places = &order[*at..end];
                *at = end;
                (!places.is_empty()).then(|| gather(batches, places))
            }
            Source::Disk(merge) => merge.next(ctx)?,
        };
        Ok(batch.map(|mut batch| {
            batch.columns.truncate(self.width);
            batch
        }))
    }

    /// How it was sorted, for EXPLAIN ANALYZE.
    pub(in crate::sql::executor) fn note(&self) -> &str {
        &self.note
    }
}

//! Hash joins: the right side in a table by key bytes, the left side probing it batch by batch.
//!
//! NULL keys match nothing unless the join says otherwise. A residual condition decides among rows whose keys match. Right
//! and full joins remember which right rows were matched and add the others at the end.

use hashbrown::HashMap;

use arrow_array::{BooleanArray, UInt32Array};

use crate::error::Result;
use crate::sql::eval::{eval_batch, eval_mask};
use crate::sql::expr::Expr;
use crate::sql::logical::JoinKind;
use crate::sql::physical::{JoinKey, Node};
use crate::types::column::{Batch, datum_at};
use crate::types::{Oid, keycode};

use super::sort::check_memory;
use super::{BATCH_ROWS, ExecContext, Operator, build};

/// No row: a place that is filled with NULLs.
const NO_ROW: u32 = u32::MAX;

/// A hash join.
pub(super) struct HashJoin {
    kind: JoinKind,
    left: Box<dyn Operator>,
    right: Option<Box<dyn Operator>>,
    keys: Vec<JoinKey>,
    residual: Option<Expr>,
    left_types: Vec<Oid>,
    right_types: Vec<Oid>,
    table: Table,
    pending: Vec<Batch>,
    finished_left: bool,
    unmatched_at: Option<usize>,
}

/// The right side.
#[derive(Default)]
struct Table {
    rows: Batch0,
    /// Rows by key: the first of a chain through `next`.
    heads: HashMap<Vec<u8>, u32>,
    next: Vec<u32>,
    matched: Vec<bool>,
}

/// A batch that may not be there yet.
type Batch0 = Option<Batch>;

impl HashJoin {
    pub(super) fn new(
        kind: JoinKind,
        inputs: (&Node, &Node),
        keys: Vec<JoinKey>,
        residual: Option<Expr>,
        ctx: &ExecContext,
    ) -> Result<Self> {
        Ok(Self {
            kind,
            left: build(inputs.0, ctx)?,
            right: Some(build(inputs.1, ctx)?),
            keys,
            residual,
            left_types: inputs.0.types(),
            right_types: inputs.1.types(),
            table: Table::default(),
            pending: Vec::new(),
            finished_left: false,
            unmatched_at: None,
        })
    }

    fn build_table(&mut self, mut right: Box<dyn Operator>, ctx: &ExecContext) -> Result<()> {
        let (mut batches, mut rows, mut bytes) = (Vec::new(), 0_u32, 0);
        while let Some(batch) = right.next(ctx)? {
            ctx.check()?;
            bytes += batch.memory_size();
            check_memory(bytes, ctx)?;
            let keys = key_bytes(&self.keys, |key| &key.right, &batch, ctx)?;
            for key in keys {
                let row = rows;
                rows += 1;
                self.table.next.push(NO_ROW);
                if let Some(key) = key {
                    match self.table.heads.entry(key) {
                        hashbrown::hash_map::Entry::Occupied(mut entry) => {
                            self.table.next[row as usize] = *entry.get();
                            *entry.get_mut() = row;
                        }
                        hashbrown::hash_map::Entry::Vacant(entry) => {
                            entry.insert(row);
                        }
                    }
                }
            }
            batches.push(batch);
        }
        self.table.matched = vec![false; rows as usize];
        self.table.rows =
            Some(if batches.is_empty() { Batch::empty(&self.right_types) } else { Batch::concat(&batches) });
        Ok(())
    }

    fn probe(&mut self, left: &Batch, ctx: &ExecContext) -> Result<()> {
        let keys = key_bytes(&self.keys, |key| &key.left, left, ctx)?;
        let (mut left_rows, mut right_rows) = (Vec::new(), Vec::new());
        for (row, key) in keys.iter().enumerate() {
            let row = u32::try_from(row).expect("batches are small");
            let mut at = key.as_ref().and_then(|key| self.table.heads.get(key).copied()).unwrap_or(NO_ROW);
            let first = right_rows.len();
            while at != NO_ROW {
                left_rows.push(row);
                right_rows.push(at);
                at = self.table.next[at as usize];
            }
            // Chains run backwards; rows come out in the order of the right side.
            right_rows[first..].reverse();
        }
        self.emit(left, left_rows, right_rows, ctx)
    }

    fn emit(
        &mut self,
        left: &Batch,
        mut left_rows: Vec<u32>,
        mut right_rows: Vec<u32>,
        ctx: &ExecContext,
    ) -> Result<()> {
        let right = self.table.rows.clone().expect("the table is built");
        if let Some(residual) = &self.residual {
            let mut kept: (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
            for (a, b) in left_rows.chunks(BATCH_ROWS).zip(right_rows.chunks(BATCH_ROWS)) {
                ctx.check()?;
                let pair = left.take(a).beside(right.take(b));
                let mask = eval_mask(residual, &pair, &ctx.eval)?;
                for at in mask.values().set_indices() {
                    kept.0.push(a[at]);
                    kept.1.push(b[at]);
                }
            }
            (left_rows, right_rows) = kept;
        }
        if matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            right_rows.iter().for_each(|row| self.table.matched[*row as usize] = true);
        }
        if matches!(self.kind, JoinKind::Semi | JoinKind::Anti) {
            let mut hit = vec![false; left.rows];
            left_rows.iter().for_each(|row| hit[*row as usize] = true);
            let wanted = self.kind == JoinKind::Semi;
            let mask: BooleanArray = hit.iter().map(|found| Some(*found == wanted)).collect();
            self.pending.push(left.filter(&mask));
            return Ok(());
        }
        if matches!(self.kind, JoinKind::Left | JoinKind::Full) {
            (left_rows, right_rows) = with_unmatched(left.rows, &left_rows, &right_rows);
        }
        for (a, b) in left_rows.chunks(BATCH_ROWS).zip(right_rows.chunks(BATCH_ROWS)) {
            self.pending.push(left.take(a).beside(take_or_null(&right, b, &self.right_types)));
        }
        Ok(())
    }

    /// Right rows that nothing matched, with NULLs on the left.
    fn unmatched(&mut self) -> Option<Batch> {
        if !matches!(self.kind, JoinKind::Right | JoinKind::Full) {
            return None;
        }
        let from = self.unmatched_at.unwrap_or(0);
        let rows: Vec<u32> = (from..self.table.matched.len())
            .filter(|row| !self.table.matched[*row])
            .take(BATCH_ROWS)
            .map(|row| u32::try_from(row).expect("row numbers have 32 bits"))
            .collect();
        let last = *rows.last()?;
        self.unmatched_at = Some(last as usize + 1);
        let right = self.table.rows.as_ref().expect("the table is built").take(&rows);
        Some(nulls(&self.left_types, rows.len()).beside(right))
    }
}

impl Operator for HashJoin {
    fn next(&mut self, ctx: &ExecContext) -> Result<Option<Batch>> {
        if let Some(right) = self.right.take() {
            self.build_table(right, ctx)?;
        }
        loop {
            ctx.check()?;
            if !self.pending.is_empty() {
                return Ok(Some(self.pending.remove(0)));
            }
            if self.finished_left {
                return Ok(self.unmatched());
            }
            match self.left.next(ctx)? {
                Some(batch) => self.probe(&batch, ctx)?,
                None => self.finished_left = true,
            }
        }
    }
}

/// The key bytes of each row; `None` where a NULL matches nothing.
fn key_bytes<'a>(
    keys: &'a [JoinKey],
    side: impl Fn(&'a JoinKey) -> &'a Expr,
    batch: &Batch,
    ctx: &ExecContext,
) -> Result<Vec<Option<Vec<u8>>>> {
    let mut encoded: Vec<Option<Vec<u8>>> = vec![Some(Vec::new()); batch.rows];
    for key in keys {
        let expr = side(key);
        let oid = expr.ty().oid;
        // Both sides of `bpchar = bpchar` ignore blanks; the operator's sides have one type.
        let column = eval_batch(expr, batch, &ctx.eval)?;
        for (row, out) in encoded.iter_mut().enumerate() {
            let datum = datum_at(&column, oid, row);
            if datum.is_null() && !key.nulls_match {
                *out = None;
            } else if let Some(out) = out {
                keycode::encode_key_typed(oid, &datum, false, false, out);
            }
        }
    }
    Ok(encoded)
}

/// Adds left rows without a match, in place.
fn with_unmatched(rows: usize, left: &[u32], right: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut a, mut b) = (Vec::with_capacity(left.len()), Vec::with_capacity(left.len()));
    let mut at = 0;
    for row in 0..u32::try_from(rows).expect("batches are small") {
        let before = at;
        while at < left.len() && left[at] == row {
            a.push(row);
            b.push(right[at]);
            at += 1;
        }
        if at == before {
            a.push(row);
            b.push(NO_ROW);
        }
    }
    (a, b)
}

/// Rows by number; [`NO_ROW`] is a row of NULLs.
pub(super) fn take_or_null(batch: &Batch, rows: &[u32], types: &[Oid]) -> Batch {
    if !rows.contains(&NO_ROW) {
        return batch.take(rows);
    }
    if batch.rows == 0 {
        return nulls(types, rows.len());
    }
    let indices: UInt32Array = rows.iter().map(|row| (*row != NO_ROW).then_some(*row)).collect();
    batch.take_nullable(&indices)
}

/// Rows of NULLs.
pub(super) fn nulls(types: &[Oid], rows: usize) -> Batch {
    let columns =
        types.iter().map(|oid| crate::types::column::constant(&crate::types::Datum::Null, *oid, rows)).collect();
    Batch::new(rows, columns)
}

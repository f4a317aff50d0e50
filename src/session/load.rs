//! COPY FROM's rows: from records to the table.
//!
//! ```text
//! session's thread   receive -> records -> values -> 1,024 rows ─┐ channel of a few batches
//! helper             generated columns, checks, keys, buffer  <──┘
//! ```
//!
//! The [`Loader`] makes rows of records, the [`Inserter`] puts them into the table. A load of more than a batch runs the
//! two on two threads, since each takes about half of the time; a small one, and any on a single processor, runs them in
//! turn. Rows reach the table in the order of the data either way. When one of them fails the statement fails with the
//! error of the earlier row, as far as batches tell: rows that wait in a batch that is not full are behind it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use crate::bail;
use crate::catalog::Names;
use crate::catalog::descriptor::{ConstraintKind, TableDesc};
use crate::error::{Error, Result, SqlState};
use crate::pgwire::copy_format::{CopyFormat, CopyOptions, CopyReader, Field, OnError};
use crate::pgwire::{Frontend, Sink, backend};
use crate::sql::ast;
use crate::sql::binder::{self, Place};
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::executor::foreign::Pending;
use crate::sql::executor::{ExecContext, StoredExpressions, TableChecks, finish_row};
use crate::sql::expr::Expr;
use crate::types::{Datum, Oid, SqlType, io, typmod, wire};

use super::stored::Stored;

/// Rows that are inserted at a time.
const LOAD_ROWS: usize = 1024;
/// Batches that may wait for the helper.
const BATCHES_AHEAD: usize = 4;
/// Stack of the helper: expressions are as deep there as in a session.
const STACK_BYTES: usize = 16 << 20;

/// Rows, and the context line of the last of them.
struct Rows {
    rows: Vec<Vec<Datum>>,
    context: String,
}

/// Makes rows of records.
pub(super) struct Loader<'a> {
    ctx: &'a ExecContext,
    table: Arc<TableDesc>,
    /// Columns of the data: positions in the table and base types.
    inputs: Vec<(usize, SqlType)>,
    /// Whether the data has all columns in the table's order.
    whole: bool,
    /// What the other columns get.
    defaults: Vec<Expr>,
    filter: Option<Expr>,
    rows: Vec<Vec<Datum>>,
    skipped: u64,
}

/// Puts rows into the table.
pub(super) struct Inserter<'a> {
    ctx: &'a ExecContext,
    table: Arc<TableDesc>,
    open: crate::table::Table,
    checks: TableChecks,
    pending: Pending,
    /// Whether the table has foreign keys.
    refers: bool,
    count: u64,
}

/// Prepares a load of the columns at `positions` of a table.
///
/// # Errors
/// When a default, a check or the filter does not bind; those of opening the table.
pub(super) fn prepare<'a>(
    ctx: &'a ExecContext,
    names: &Arc<Names>,
    table: Arc<TableDesc>,
    positions: Vec<usize>,
    filter: Option<&ast::Expr>,
) -> Result<(Loader<'a>, Inserter<'a>)> {
    let stored = Stored(Arc::clone(names));
    let mut defaults = Vec::with_capacity(table.columns.len());
    for at in 0..table.columns.len() {
        defaults.push(match &table.columns[at].identity {
            Some(identity) => binder::bind_stored(
                &format!("pg_catalog.nextval({}::pg_catalog.oid::pg_catalog.regclass)", identity.sequence),
                &[],
                Some(table.columns[at].ty),
                names,
                Place::Default,
            )?,
            None => stored.default(&table, at)?,
        });
    }
    let columns: Vec<(String, SqlType)> =
        table.columns.iter().map(|column| (column.name.clone(), column.stored_type())).collect();
    let filter = match filter {
        Some(filter) => {
            Some(binder::bind_table_expr(filter, &columns, Some(SqlType::of(Oid::BOOL)), names, Place::Where)?)
        }
        None => None,
    };
    let checks = stored.checks(&table)?;
    let open = ctx.shared.table(&table)?;
    let whole = positions.iter().copied().eq(0..table.columns.len());
    let base = |at: usize| (at, names.snapshot.base_type(table.columns[at].ty));
    let inputs = positions.into_iter().map(base).collect();
    let refers = table.constraints.iter().any(|item| matches!(item.kind, ConstraintKind::ForeignKey(_)));
    let pending = Pending::default();
    let inserter = Inserter { ctx, table: Arc::clone(&table), open, checks, pending, refers, count: 0 };
    Ok((Loader { ctx, table, inputs, whole, defaults, filter, rows: Vec::new(), skipped: 0 }, inserter))
}

/// Reads what the client sends to its end and inserts it; how many rows were passed over. `helped` allows a second thread.
///
/// # Errors
/// Those of the data and of inserting; what ends the connection.
pub(super) fn run(
    mut loader: Loader<'_>,
    inserter: &mut Inserter<'_>,
    mut reader: CopyReader,
    options: &CopyOptions,
    helped: bool,
    sink: &mut dyn Sink,
) -> Result<u64> {
    std::thread::scope(|scope| {
        let mut way = Way { scope, helped, inserter: Some(inserter), helper: None };
        let received = receive(&mut loader, &mut way, &mut reader, options, sink);
        match (way.finish(), received) {
            (_, Err(error)) if backend::is_fatal(&error) => Err(error),
            // Rows that were handed over come before whatever went wrong later.
            (inserted, received) => inserted.and(received),
        }
    })?;
    Ok(loader.skipped)
}

fn receive<'scope, 'i: 'scope, 'a: 'scope>(
    loader: &mut Loader<'_>,
    way: &mut Way<'scope, '_, 'i, 'a>,
    reader: &mut CopyReader,
    options: &CopyOptions,
    sink: &mut dyn Sink,
) -> Result<()> {
    let mut failure: Option<Error> = None;
    loop {
        match sink.next_message()? {
            Frontend::CopyData(bytes) => {
                if failure.is_none() {
                    reader.push(&bytes);
                    failure = loader.read(reader, options, way).err();
                }
            }
            Frontend::CopyDone => break,
            Frontend::CopyFail(reason) => {
                let context = reader.context();
                return Err(crate::error!(QUERY_CANCELED, "COPY from stdin failed: {reason}").context(context));
            }
            Frontend::Flush | Frontend::Sync => {}
            Frontend::Terminate => {
                return Err(Error::fatal(
                    SqlState::CONNECTION_FAILURE,
                    "unexpected EOF on client connection with an open transaction",
                ));
            }
            _ => bail!(PROTOCOL_VIOLATION, "unexpected message type during COPY from stdin"),
        }
    }
    if let Some(error) = failure {
        return Err(error);
    }
    reader.finish();
    loader.read(reader, options, way)?;
    loader.hand_over(reader, way)
}

/// How rows get from the loader to the inserter.
struct Way<'scope, 'env, 'i, 'a> {
    scope: &'scope Scope<'scope, 'env>,
    helped: bool,
    /// Here until a helper takes it.
    inserter: Option<&'i mut Inserter<'a>>,
    helper: Option<(SyncSender<Rows>, ScopedJoinHandle<'scope, Result<()>>)>,
}

impl<'scope, 'i: 'scope, 'a: 'scope> Way<'scope, '_, 'i, 'a> {
    fn send(&mut self, rows: Rows) -> Result<()> {
        if self.helped
            && rows.rows.len() >= LOAD_ROWS
            && let Some(inserter) = self.inserter.take()
        {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let builder = std::thread::Builder::new().name("load".to_owned()).stack_size(STACK_BYTES);
            let helper = builder
                .spawn_scoped(self.scope, move || help(inserter, &receiver))
                .map_err(|error| crate::error!(OUT_OF_MEMORY, "could not start a thread: {error}"))?;
            self.helper = Some((sender, helper));
        }
        if let Some(inserter) = &mut self.inserter {
            return inserter.insert(rows);
        }
        match &self.helper {
            // It has hung up because of an error, which `finish` gives.
            Some((sender, _)) if sender.send(rows).is_err() => self.finish(),
            _ => Ok(()),
        }
    }

    /// Waits until everything sent is in the table.
    fn finish(&mut self) -> Result<()> {
        let Some((sender, helper)) = self.helper.take() else { return Ok(()) };
        drop(sender);
        helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn help(inserter: &mut Inserter<'_>, receiver: &Receiver<Rows>) -> Result<()> {
    receiver.iter().try_for_each(|rows| inserter.insert(rows))
}

impl Loader<'_> {
    /// The table's name.
    pub(super) fn table_name(&self) -> &str {
        &self.table.name
    }

    /// Names of the data's columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(|(at, _)| self.table.columns[*at].name.as_str())
    }

    /// Takes all complete records of the reader.
    fn read<'scope, 'i: 'scope, 'a: 'scope>(
        &mut self,
        reader: &mut CopyReader,
        options: &CopyOptions,
        way: &mut Way<'scope, '_, 'i, 'a>,
    ) -> Result<()> {
        while reader.next()? {
            match self.record(reader, options) {
                Ok(Some(row)) => self.rows.push(row),
                Ok(None) => continue,
                Err(error) if options.on_error == OnError::Ignore && error.sqlstate().as_str().starts_with("22") => {
                    self.skipped += 1;
                    continue;
                }
                Err(error) => return Err(error),
            }
            if self.rows.len() >= LOAD_ROWS {
                self.hand_over(reader, way)?;
            }
        }
        Ok(())
    }

    fn hand_over<'scope, 'i: 'scope, 'a: 'scope>(
        &mut self,
        reader: &CopyReader,
        way: &mut Way<'scope, '_, 'i, 'a>,
    ) -> Result<()> {
        self.ctx.check()?;
        if self.rows.is_empty() {
            return Ok(());
        }
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(LOAD_ROWS));
        way.send(Rows { rows, context: reader.context() })
    }

    fn record(&self, reader: &CopyReader, options: &CopyOptions) -> Result<Option<Vec<Datum>>> {
        let record = reader.record_text();
        let mut row = Vec::with_capacity(self.table.columns.len());
        if self.whole {
            for index in 0..self.inputs.len() {
                row.push(match self.value(reader, record, index, options)? {
                    Some(value) => value,
                    None => self.default(index)?,
                });
            }
        } else {
            let mut given: Vec<Option<Datum>> = vec![None; self.table.columns.len()];
            for (index, (position, _)) in self.inputs.iter().enumerate() {
                given[*position] = self.value(reader, record, index, options)?;
            }
            for (at, value) in given.into_iter().enumerate() {
                row.push(match value {
                    Some(value) => value,
                    None => self.default(at)?,
                });
            }
        }
        if let Some(filter) = &self.filter
            && eval_row(filter, Row::Values(&row), &self.ctx.eval)?.as_bool() != Some(true)
        {
            return Ok(None);
        }
        Ok(Some(row))
    }

    fn default(&self, at: usize) -> Result<Datum> {
        eval_row(&self.defaults[at], Row::Values(&[]), &self.ctx.eval)
    }

    /// A field's value; `None` where the default is asked for.
    fn value(&self, reader: &CopyReader, record: &str, index: usize, options: &CopyOptions) -> Result<Option<Datum>> {
        let io_ctx = self.ctx.eval.io();
        let ty = self.inputs[index].1;
        let value = match reader.field(index) {
            Field::Null => return Ok(Some(Datum::Null)),
            Field::Default => return Ok(None),
            Field::Value(bytes) if options.format == CopyFormat::Binary => wire::recv(bytes, ty, &io_ctx),
            Field::Value(_) => io::input(reader.text_in(record, index).unwrap_or_default(), ty, &io_ctx),
        };
        let value = value.and_then(|value| typmod::coerce(value, ty, false));
        value.map(Some).map_err(|error| error.context(reader.column_context(index)))
    }
}

impl Inserter<'_> {
    fn insert(&mut self, mut batch: Rows) -> Result<()> {
        self.ctx.check()?;
        let rows = &mut batch.rows;
        self.put(rows).map_err(|error| error.context(batch.context))
    }

    fn put(&mut self, rows: &mut [Vec<Datum>]) -> Result<()> {
        for row in &mut *rows {
            finish_row(&self.table, &self.checks.generated, &self.checks.checks, row, self.ctx)?;
        }
        let evaluator = self.ctx.evaluator(&self.table);
        self.open.insert_batch(&*self.ctx.shared.txn, &self.ctx.write(&evaluator), rows)?;
        if self.refers {
            rows.iter().for_each(|row| self.pending.inserted(&self.table, row));
        }
        self.count += rows.len() as u64;
        Ok(())
    }

    /// Makes the checks that wait for the end of the statement; the number of rows.
    ///
    /// # Errors
    /// Violations of constraints.
    pub(super) fn finish(mut self) -> Result<u64> {
        self.pending.settle(self.ctx)?;
        Ok(self.count)
    }
}

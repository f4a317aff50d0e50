//! Rows that are there already against what is newly demanded of them, and indexes built from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashSet;

use super::bind::IndexExprs;
use super::context::DdlContext;
use crate::bail;
use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::{AttNum, ForeignKey, TableDesc};
use crate::catalog::vector_index;
use crate::common::quote_ident;
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::eval::row::relabel;
use crate::sql::eval::{Row, call_function, eval_row};
use crate::sql::expr::Expr;
use crate::table::{Filling, RowReader, Table, WriteContext};
use crate::txn::{RowId, RowStore, TableLock, Wait};
use crate::types::{Datum, Oid, SqlType, io, keycode};

/// Rows looked at between two looks at the cancel flag, and held in memory at once.
const CHUNK: u32 = 4096;

/// Rows of a table with their ids, a chunk at a time; between chunks the transaction may be written to.
pub(super) fn for_each_chunk(
    ctx: &DdlContext<'_>,
    table: &TableDesc,
    see: &mut dyn FnMut(Vec<Vec<Datum>>) -> Result<()>,
) -> Result<()> {
    let highest = ctx.txn.highest_row(table.storage)?;
    let mut start: RowId = 1;
    while start <= highest {
        ctx.eval.cancel.check()?;
        let end = start.saturating_add(CHUNK).min(highest.saturating_add(1));
        let mut rows = Vec::new();
        ctx.txn.scan(table.storage, start..end, &mut |_, _, values| {
            rows.push(RowReader::open(values)?.all(table)?);
            Ok(true)
        })?;
        if !rows.is_empty() {
            see(rows)?;
        }
        start = end;
    }
    Ok(())
}

/// Every row of a table.
pub(super) fn for_each_row(
    ctx: &DdlContext<'_>,
    table: &TableDesc,
    see: &mut dyn FnMut(Vec<Datum>) -> Result<()>,
) -> Result<()> {
    for_each_chunk(ctx, table, &mut |rows| rows.into_iter().try_for_each(&mut *see))
}

fn schema_text(ctx: &DdlContext<'_>, table: &TableDesc) -> String {
    ctx.snapshot().schema_name(table.schema).unwrap_or_default().to_owned()
}

/// Fills a new index from the rows; `command` is what `pg_stat_progress_create_index` shows.
pub(super) fn build_index(ctx: &mut DdlContext<'_>, table: Oid, index: Oid, command: &'static str) -> Result<()> {
    let desc = ctx.table_by_oid(table);
    let evaluator = IndexExprs::new(&desc, &ctx.stored_names(), ctx.eval_context())?;
    let eval = ctx.eval_context();
    let write = WriteContext { evaluator: &evaluator, cancel: &ctx.eval.cancel, io: eval.io(), duplicates: None };
    let open = ctx.tables.open(ctx.txn.as_ref(), &desc)?;
    let found = desc.indexes.iter().find(|found| found.oid == index);
    let process = ctx.txn.process_id();
    let build = ctx.catalog.builds().begin(process, ctx.snapshot().database, (table, index), command);
    let mut short = None;
    let built = if found.is_some_and(|index| vector_index::is_vector(index.method)) {
        build.enter("building index: loading tuples");
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let progress = |done, total| build.tuples(done, total);
        let taken = AtomicU64::new(0);
        let memory_bytes = ctx.maintenance_work_mem as u64;
        let room = |bytes| {
            taken.store(bytes, Ordering::Relaxed);
            ctx.tables.room_for_build(bytes, memory_bytes)
        };
        let filling = Filling { threads, progress: &progress, pause: &|| (), room: &room };
        let built = open.build_vector_index(ctx.txn.as_ref(), &write, index, &filling);
        short = Some(taken.into_inner()).filter(|bytes| *bytes > memory_bytes);
        found.filter(|_| built.is_ok()).into_iter().for_each(|index| ctx.tables.checkpoint_filled(index.storage));
        built
    } else {
        build.enter("building index: scanning table");
        open.build_index(ctx.txn.as_ref(), &write, index)
    };
    drop(build);
    if let (Some(bytes), Some(index)) = (short, found) {
        ctx.notices.push(short_of_memory(&index.name, bytes));
    }
    if let Some(index) = found {
        let (tables, storage) = (Arc::clone(ctx.tables), index.storage);
        ctx.txn.on_rollback(Box::new(move || tables.forget(storage)));
        let tables = Arc::clone(ctx.tables);
        // For this transaction's own statements, whose snapshot may be older than what was read just now.
        tables.note_made(storage, ctx.txn.manager().visible_ts());
        ctx.txn.on_commit(Box::new(move |ts| tables.note_made(storage, ts)));
    }
    built.map(|_| ()).map_err(|mut error| {
        if error.report().table.is_some() {
            error.report_mut().schema = Some(schema_text(ctx, &desc));
        }
        error
    })
}

/// Says that an index was built with less memory than it could have used.
fn short_of_memory(index: &str, bytes: u64) -> Error {
    let megabytes = bytes.div_ceil(1 << 20);
    let message =
        format!("building index \"{index}\" took {megabytes} MB besides the index, more than maintenance_work_mem");
    Error::with_severity(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, message)
        .detail("It was kept in a temporary file, of which the system holds in memory what it can.")
        .hint("Increase maintenance_work_mem to speed up builds.")
}

/// Opens a table for writing by DDL.
pub(super) fn open(ctx: &DdlContext<'_>, desc: &Arc<TableDesc>) -> Result<(Table, IndexExprs)> {
    let evaluator = IndexExprs::new(desc, &ctx.stored_names(), ctx.eval_context())?;
    Ok((ctx.tables.open(ctx.txn.as_ref(), desc)?, evaluator))
}

/// Refuses NULLs in columns that are NOT NULL from now on.
pub(super) fn not_null(ctx: &DdlContext<'_>, table: &TableDesc, columns: &[AttNum]) -> Result<()> {
    let positions: Vec<usize> = columns.iter().filter_map(|attnum| table.position_of(*attnum)).collect();
    for_each_row(ctx, table, &mut |row| match positions.iter().find(|at| row[**at].is_null()) {
        Some(at) => Err(contains_null(ctx, table, *at)),
        None => Ok(()),
    })
}

/// The error for a NULL where there may be none.
pub(super) fn contains_null(ctx: &DdlContext<'_>, table: &TableDesc, at: usize) -> Error {
    let column = &table.columns[at].name;
    crate::error!(NOT_NULL_VIOLATION, "column \"{column}\" of relation \"{}\" contains null values", table.name)
        .table(schema_text(ctx, table), table.name.clone())
        .column(column.clone())
}

/// Refuses rows for which a check is false.
pub(super) fn check(ctx: &DdlContext<'_>, table: &TableDesc, name: &str, expr: &Expr) -> Result<()> {
    let eval = ctx.eval_context();
    for_each_row(ctx, table, &mut |row| {
        if eval_row(expr, Row::Values(&row), &eval)?.as_bool() == Some(false) {
            let error = crate::error!(
                CHECK_VIOLATION,
                "check constraint \"{name}\" of relation \"{}\" is violated by some row",
                table.name
            );
            return Err(error.table(schema_text(ctx, table), table.name.clone()).constraint(name));
        }
        Ok(())
    })
}

/// Refuses rows whose key is not among the referenced ones. The referenced keys are held in memory.
pub(super) fn foreign_key(ctx: &DdlContext<'_>, table: &TableDesc, name: &str, key: &ForeignKey) -> Result<()> {
    ctx.txn.lock_table(key.referenced_table, TableLock::ShareRowExclusive, Wait::Block, &ctx.eval.cancel)?;
    ctx.txn.begin_statement();
    let referenced = ctx.table_by_oid(key.referenced_table);
    let theirs = positions(&referenced, &key.referenced_columns);
    let own = positions(table, &key.columns);
    let types: Vec<Oid> = theirs.iter().map(|at| referenced.columns[*at].ty.oid).collect();
    let mut keys: HashSet<Vec<u8>> = HashSet::new();
    for_each_row(ctx, &referenced, &mut |row| {
        keys.insert(encoded(&types, theirs.iter().map(|at| &row[*at])));
        Ok(())
    })?;
    let eval = ctx.eval_context();
    for_each_row(ctx, table, &mut |row| {
        let values: Vec<&Datum> = own.iter().map(|at| &row[*at]).collect();
        let nulls = values.iter().filter(|value| value.is_null()).count();
        if nulls == values.len() || (nulls > 0 && !key.match_full) {
            return Ok(());
        }
        let mut converted = Vec::new();
        for ((value, at), target) in values.iter().zip(&own).zip(&types) {
            converted.push(convert((*value).clone(), table.columns[*at].ty.oid, *target, &eval)?);
        }
        let fits = !converted.iter().any(Datum::is_null);
        if fits && keys.contains(&encoded(&types, converted.iter())) {
            return Ok(());
        }
        let detail = if nulls > 0 {
            "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned()
        } else {
            let names: Vec<String> = own.iter().map(|at| quote_ident(&table.columns[*at].name)).collect();
            let text = |(value, at): (&&Datum, &usize)| io::to_text(value, table.columns[*at].ty.oid, &eval.io());
            let texts = values.iter().zip(&own).map(text).collect::<Result<Vec<_>>>()?;
            let (names, texts) = (names.join(", "), texts.join(", "));
            format!("Key ({names})=({texts}) is not present in table \"{}\".", referenced.name)
        };
        Err(crate::error!(
            FOREIGN_KEY_VIOLATION,
            "insert or update on table \"{}\" violates foreign key constraint \"{name}\"",
            table.name
        )
        .detail(detail)
        .table(schema_text(ctx, table), table.name.clone())
        .constraint(name))
    })
}

fn positions(table: &TableDesc, columns: &[AttNum]) -> Vec<usize> {
    columns.iter().map(|attnum| table.position_of(*attnum).expect("a constraint names live columns")).collect()
}

fn encoded<'a>(types: &[Oid], values: impl Iterator<Item = &'a Datum>) -> Vec<u8> {
    let mut out = Vec::new();
    for (ty, value) in types.iter().zip(values) {
        keycode::encode_key_typed(*ty, value, false, false, &mut out);
    }
    out
}

/// A referencing value as the referenced column's type: by the implicit cast, or by any cast within an operator family.
fn convert(value: Datum, from: Oid, to: Oid, eval: &crate::sql::eval::EvalContext) -> Result<Datum> {
    if from == to || value.is_null() {
        return Ok(value);
    }
    match builtin().cast(from, to) {
        Some(cast) if cast.function.is_some() => {
            // A wider integer that does not fit the key's type equals no key; NULL stands for that.
            match call_function(cast.function, &[value], SqlType::of(to), eval) {
                Err(error) if error.sqlstate().as_str() == "22003" => Ok(Datum::Null),
                other => other,
            }
        }
        Some(_) => Ok(relabel(value, to)),
        None => bail!(DATATYPE_MISMATCH, "cannot compare foreign key types"),
    }
}

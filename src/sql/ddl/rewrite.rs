//! Writing a table's rows anew under another storage, for changes that stored rows cannot show by themselves.

use std::sync::Arc;

use super::context::DdlContext;
use super::validate;
use crate::catalog::descriptor::TableDesc;
use crate::error::{Error, Result, SqlState};
use crate::table::WriteContext;
use crate::types::Datum;

/// Gives the table and its indexes new storages in the edit, and fills them with `transform` of each old row. The old
/// storages go with the commit.
pub(super) fn rewrite(
    ctx: &mut DdlContext<'_>,
    old: &TableDesc,
    new: TableDesc,
    transform: &mut dyn FnMut(Vec<Datum>) -> Result<Vec<Datum>>,
) -> Result<Arc<TableDesc>> {
    let new = fresh_storages(ctx, new);
    discard(ctx, old);
    ctx.edit.put_table(new);
    let new = ctx.table_by_oid(old.oid);
    let (table, evaluator) = validate::open(ctx, &new)?;
    let eval = ctx.eval_context();
    let write = WriteContext { evaluator: &evaluator, cancel: &ctx.eval.cancel, io: eval.io(), duplicates: None };
    validate::for_each_chunk(ctx, old, &mut |rows| {
        let rows = rows.into_iter().map(&mut *transform).collect::<Result<Vec<_>>>()?;
        table.insert_batch(ctx.txn.as_ref(), &write, &rows).map(|_| ()).map_err(as_index_build)
    })?;
    ctx.txn.next_command();
    Ok(new)
}

/// To the user the rows are old and the indexes are built anew.
fn as_index_build(mut error: Error) -> Error {
    let report = error.report_mut();
    if let (SqlState::UNIQUE_VIOLATION, Some(index)) = (report.sqlstate, &report.constraint) {
        report.message = format!("could not create unique index \"{index}\"");
        let detail = report.detail.take().unwrap_or_default();
        report.detail = Some(detail.replace(" already exists.", " is duplicated."));
    }
    error
}

/// The table with new storages for its rows and every index.
pub(super) fn fresh_storages(ctx: &DdlContext<'_>, mut table: TableDesc) -> TableDesc {
    table.storage = ctx.catalog.allocate_storage();
    for index in &mut table.indexes {
        Arc::make_mut(index).storage = ctx.catalog.allocate_storage();
    }
    for column in &mut table.columns {
        column.missing = None;
    }
    table
}

/// Has all storages of a table removed with the commit.
pub(super) fn discard(ctx: &DdlContext<'_>, table: &TableDesc) {
    ctx.discard_storage(table.storage);
    table.indexes.iter().for_each(|index| ctx.discard_storage(index.storage));
}

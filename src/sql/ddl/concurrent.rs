//! CREATE INDEX and REINDEX CONCURRENTLY: writers go on while an index is built.
//!
//! ```text
//!   first transaction     enters the index, not valid, and commits
//!                         who begins to write from here on keeps the index in step, and nobody reads by it
//!   second transaction    waits until those who wrote before have ended;
//!                         fills the index from the rows of its view, makes it valid, commits
//! ```
//!
//! A row is in the index because its writer saw the index, or because it was committed before the second transaction
//! looked; both enter the same thing when both are true, and what leads to a row that has changed since is no harm, since
//! an index only proposes. REINDEX does this with a new index beside the old one, `name_ccnew`, and in the end puts its
//! storage in the place of the old one's, which takes the table for a moment.
//!
//! When the second transaction fails, the index stays there, not valid: it costs writers and serves nobody until it is
//! dropped or rebuilt. This is PostgreSQL's way, and psql shows it. Unique indexes are built in one transaction that keeps
//! writers out, because two writers who do not see each other's rows in the index could enter the same key.

use std::sync::Arc;

use super::context::DdlContext;
use super::{index, naming, validate};
use crate::bail;
use crate::catalog::descriptor::{IndexDesc, TableDesc};
use crate::catalog::vector_index;
use crate::common::CancelFlag;
use crate::error::Result;
use crate::txn::{TableLock, Transaction};
use crate::types::Oid;

/// What is left for a second transaction, after the first has committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// Fill an index of a table.
    Fill {
        /// The table.
        table: Oid,
        /// The index.
        index: Oid,
    },
    /// Fill a new index of a table and let an old one have its storage.
    Replace {
        /// The table.
        table: Oid,
        /// The old one.
        index: Oid,
        /// The new one.
        fresh: Oid,
    },
}

/// Enters a new index that is to be filled later. The caller keeps others from changing the table.
pub(super) fn enter(mut table: TableDesc, mut new: IndexDesc, ctx: &mut DdlContext<'_>) {
    debug_assert!(!new.unique, "unique indexes are built at once");
    new.valid = false;
    ctx.later.push(Later::Fill { table: table.oid, index: new.oid });
    expect(&table, &new, ctx);
    index::push(&mut table, new);
    ctx.edit.put_table(table);
}

/// Enters a new index like an old one of the table, to take its place later.
pub(super) fn enter_replacement(table: Oid, old: &IndexDesc, ctx: &mut DdlContext<'_>) {
    let mut desc = (*ctx.table_by_oid(table)).clone();
    let taken: Vec<String> = desc.indexes.iter().map(|index| index.name.clone()).collect();
    let name = naming::relation_name(ctx.snapshot(), desc.schema, &old.name, None, "ccnew", &taken);
    let fresh = IndexDesc {
        oid: ctx.catalog.allocate_oid(),
        name,
        storage: ctx.catalog.allocate_storage(),
        valid: false,
        ..old.clone()
    };
    ctx.later.push(Later::Replace { table, index: old.oid, fresh: fresh.oid });
    expect(&desc, &fresh, ctx);
    index::push(&mut desc, fresh);
    ctx.edit.put_table(desc);
}

/// Writers are about to see an index that has yet to be filled.
fn expect(table: &TableDesc, new: &IndexDesc, ctx: &DdlContext<'_>) {
    if vector_index::is_vector(new.method) {
        // What they enter waits in line until the rest is there.
        ctx.tables.await_vectors(new.storage, table.storage);
    }
    let (tables, storage) = (Arc::clone(ctx.tables), new.storage);
    ctx.txn.on_rollback(Box::new(move || tables.forget(storage)));
}

impl Later {
    /// Waits for those who write without keeping the index in step, because they began before it was entered. They are kept
    /// from nothing, and nor are others.
    ///
    /// # Errors
    /// `40P01`, `55P03`, `57014`.
    pub fn wait_for_writers(self, txn: &Transaction, cancel: &CancelFlag) -> Result<()> {
        let (Self::Fill { table, .. } | Self::Replace { table, .. }) = self;
        txn.wait_for_lockers(table, TableLock::Share, cancel)
    }
}

/// The second transaction's part, after [`Later::wait_for_writers`].
///
/// # Errors
/// `42704` when the index was dropped in between; those of building it.
pub fn finish(later: Later, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (table, built, command) = match later {
        Later::Fill { table, index } => (table, index, "CREATE INDEX CONCURRENTLY"),
        Later::Replace { table, fresh, .. } => (table, fresh, "REINDEX CONCURRENTLY"),
    };
    ctx.lock_against_changes(table)?;
    if ctx.snapshot().index(built).is_none() {
        bail!(UNDEFINED_OBJECT, "index with OID {built} was dropped before it could be filled");
    }
    validate::build_index(ctx, table, built, command)?;
    if let Later::Replace { index, .. } = later {
        return replace(table, index, built, ctx);
    }
    let mut desc = (*ctx.table_by_oid(table)).clone();
    for found in desc.indexes.iter_mut().filter(|found| found.oid == built) {
        Arc::make_mut(found).valid = true;
    }
    ctx.edit.put_table(desc);
    Ok(())
}

/// Gives an index the storage of another, which goes.
fn replace(table: Oid, old: Oid, fresh: Oid, ctx: &mut DdlContext<'_>) -> Result<()> {
    // Nobody is to be left who reads the old storage.
    ctx.lock_exclusively(table)?;
    let mut desc = (*ctx.table_by_oid(table)).clone();
    let at = |oid: Oid| desc.indexes.iter().position(|index| index.oid == oid);
    let (Some(from), Some(_)) = (at(fresh), at(old)) else {
        bail!(UNDEFINED_OBJECT, "index with OID {old} was dropped before it could be rebuilt")
    };
    let made = desc.indexes.remove(from);
    for found in desc.indexes.iter_mut().filter(|found| found.oid == old) {
        ctx.discard_storage(found.storage);
        let found = Arc::make_mut(found);
        found.storage = made.storage;
        found.valid = true;
    }
    ctx.edit.put_table(desc);
    Ok(())
}

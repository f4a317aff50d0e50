//! Foreign keys: what a statement owes when all its rows are written.
//!
//! A referencing row must find its referenced row as of now, and holds it by a KEY SHARE lock; a row that goes away or
//! changes its key must not be referenced, or its referencing rows go along. Actions can owe more in turn; everything is
//! settled before the statement ends, but for what is deferred: [`check_all`] pays that later, with deferred unique keys.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use hashbrown::{HashMap, HashSet};

use crate::catalog::descriptor::{
    AttNum, ConstraintDesc, ConstraintKind, ForeignKey, IndexTarget, ReferentialAction, TableDesc,
};
use crate::error::{Error, Result};
use crate::sql::eval::row::{Row, eval_row};
use crate::table::{IndexScanSpec, KeyBound, LockedRow, RowReader, ScanSpec, Table};
use crate::txn::{RowId, RowStore, Strength, Wait};
use crate::types::column::Batch;
use crate::types::{Datum, Oid, compare, io, keycode};

use super::deferred::{self, Side, Waiting};
use super::scan::table_types;
use super::{BATCH_ROWS, ExecContext};

/// A foreign key with its name and the table that has it.
#[derive(Clone)]
struct Reference {
    table: Arc<TableDesc>,
    constraint: ConstraintDesc,
    key: ForeignKey,
}

impl Reference {
    /// Whether a row of the referencing table refers to a key.
    fn refers(&self, row: &[Datum], key: &[Datum]) -> bool {
        same(&values_of(&self.table, &self.key.columns, row), key)
    }
}

/// Something owed.
enum Debt {
    /// A referencing row needs its referenced row.
    Parent(Arc<Reference>, Vec<Datum>),
    /// A referenced row is gone (`new` `None`) or has another key.
    Children { reference: Arc<Reference>, parent: Arc<TableDesc>, old: Vec<Datum>, new: Option<Vec<Datum>> },
}

/// What a statement owes.
#[derive(Default)]
pub struct Pending {
    debts: VecDeque<Debt>,
    /// Foreign keys that a table has, and that refer to it.
    own: HashMap<u32, Vec<Arc<Reference>>>,
    inward: HashMap<u32, Vec<Arc<Reference>>>,
    /// Keys that were found and are locked.
    found: HashSet<(u32, Vec<u8>)>,
}

impl Reference {
    fn of(table: &Arc<TableDesc>, constraint: &ConstraintDesc) -> Option<Self> {
        let ConstraintKind::ForeignKey(key) = &constraint.kind else { return None };
        Some(Self { table: Arc::clone(table), constraint: constraint.clone(), key: key.clone() })
    }

    /// The check of a key that waits.
    fn waiting(&self, side: Side, key: &[Datum]) -> Waiting {
        Waiting {
            table: self.table.oid,
            constraint: self.constraint.oid,
            changed: if side == Side::Own { self.table.oid } else { self.key.referenced_table },
            side,
            key: Some(deferred::encode(key)),
        }
    }
}

fn values_of(table: &TableDesc, columns: &[AttNum], row: &[Datum]) -> Vec<Datum> {
    columns
        .iter()
        .map(|attnum| row[table.position_of(*attnum).expect("a foreign key names live columns")].clone())
        .collect()
}

fn same(left: &[Datum], right: &[Datum]) -> bool {
    left.iter().zip(right).all(|(a, b)| match (a.is_null(), b.is_null()) {
        (true, true) => true,
        (false, false) => compare::equal(a, b),
        _ => false,
    })
}

impl Pending {
    fn own(&mut self, table: &Arc<TableDesc>) -> Vec<Arc<Reference>> {
        let collect = || {
            let of = |constraint: &ConstraintDesc| Reference::of(table, constraint).map(Arc::new);
            table.constraints.iter().filter_map(of).collect()
        };
        self.own.entry(table.oid.0).or_insert_with(collect).clone()
    }

    fn inward(&mut self, table: &TableDesc, ctx: &ExecContext) -> Vec<Arc<Reference>> {
        let collect = || {
            let mut found = Vec::new();
            for other in ctx.shared.names.snapshot.objects.tables.values() {
                for constraint in &other.constraints {
                    let reference = Reference::of(other, constraint);
                    found.extend(reference.filter(|found| found.key.referenced_table == table.oid).map(Arc::new));
                }
            }
            found
        };
        self.inward.entry(table.oid.0).or_insert_with(collect).clone()
    }

    /// A row was added.
    pub fn inserted(&mut self, table: &Arc<TableDesc>, row: &[Datum]) {
        for reference in self.own(table) {
            self.need_parent(&reference, values_of(table, &reference.key.columns, row));
        }
    }

    /// MATCH SIMPLE lets a key with any NULL pass, MATCH FULL only one that is all NULL.
    fn need_parent(&mut self, reference: &Arc<Reference>, key: Vec<Datum>) {
        let nulls = key.iter().filter(|value| value.is_null()).count();
        if nulls == 0 || (reference.key.match_full && nulls < key.len()) {
            self.debts.push_back(Debt::Parent(Arc::clone(reference), key));
        }
    }

    /// A row was changed.
    pub fn updated(&mut self, table: &Arc<TableDesc>, old: &[Datum], new: &[Datum], ctx: &ExecContext) {
        for reference in self.own(table) {
            let key = values_of(table, &reference.key.columns, new);
            if !same(&key, &values_of(table, &reference.key.columns, old)) {
                self.need_parent(&reference, key);
            }
        }
        for reference in self.inward(table, ctx) {
            let before = values_of(table, &reference.key.referenced_columns, old);
            let after = values_of(table, &reference.key.referenced_columns, new);
            if !same(&before, &after) && !before.iter().any(Datum::is_null) {
                let parent = Arc::clone(table);
                self.debts.push_back(Debt::Children { reference, parent, old: before, new: Some(after) });
            }
        }
    }

    /// A row was deleted.
    pub fn deleted(&mut self, table: &Arc<TableDesc>, old: &[Datum], ctx: &ExecContext) {
        for reference in self.inward(table, ctx) {
            let before = values_of(table, &reference.key.referenced_columns, old);
            if !before.iter().any(Datum::is_null) {
                let parent = Arc::clone(table);
                self.debts.push_back(Debt::Children { reference, parent, old: before, new: None });
            }
        }
    }

    /// Pays everything that is not deferred.
    ///
    /// # Errors
    /// `23503`, `23001`, `23505` of a deferrable constraint, and those of cascading changes.
    pub fn settle(&mut self, ctx: &ExecContext) -> Result<()> {
        let keys = ctx.shared.shared_keys.take(&ctx.shared.names.snapshot, &ctx.shared.deferred);
        check_waiting(&keys, ctx)?;
        if self.debts.is_empty() {
            return Ok(());
        }
        let deferred = &ctx.shared.deferred;
        ctx.shared.txn.begin_statement();
        while let Some(debt) = self.debts.pop_front() {
            ctx.check()?;
            match debt {
                Debt::Parent(reference, key) if deferred.is_deferred(&reference.constraint) => {
                    deferred.add(reference.waiting(Side::Own, &key));
                }
                Debt::Parent(reference, key) => self.check_parent(&reference, &key, ctx)?,
                Debt::Children { reference, parent, old, new } => {
                    let action = if new.is_some() { reference.key.on_update } else { reference.key.on_delete };
                    if action == ReferentialAction::NoAction && deferred.is_deferred(&reference.constraint) {
                        deferred.add(reference.waiting(Side::Referenced, &old));
                        continue;
                    }
                    self.act(&reference, &parent, &old, new.as_deref(), ctx)?;
                }
            }
        }
        ctx.shared.txn.begin_statement();
        Ok(())
    }

    fn check_parent(&mut self, reference: &Reference, key: &[Datum], ctx: &ExecContext) -> Result<()> {
        let mut bytes = Vec::new();
        key.iter().for_each(|value| keycode::encode_key(value, false, false, &mut bytes));
        let cached = (reference.key.referenced_index.0, bytes);
        if self.found.contains(&cached) {
            return Ok(());
        }
        let parent = parent_of(reference, ctx)?;
        if !key.iter().any(Datum::is_null) && find_parent(&parent, reference, key, ctx)? {
            self.found.insert(cached);
            return Ok(());
        }
        Err(no_parent(reference, &parent, key, ctx)?)
    }

    /// What happens to the rows that refer to a key that is gone.
    fn act(
        &mut self,
        reference: &Arc<Reference>,
        parent: &Arc<TableDesc>,
        old: &[Datum],
        new: Option<&[Datum]>,
        ctx: &ExecContext,
    ) -> Result<()> {
        let action = if new.is_some() { reference.key.on_update } else { reference.key.on_delete };
        let child = ctx.shared.table(&reference.table)?;
        let refuses = matches!(action, ReferentialAction::NoAction | ReferentialAction::Restrict);
        let (rows, unseen) = children(&child, reference, old, ctx)?;
        if unseen && !refuses {
            crate::bail!(SERIALIZATION_FAILURE, "could not serialize access due to concurrent update");
        }
        match action {
            _ if refuses && !unseen && !stay(&child, reference, &rows, old, ctx)? => Ok(()),
            ReferentialAction::NoAction if find_parent(parent, reference, old, ctx)? => Ok(()),
            ReferentialAction::NoAction | ReferentialAction::Restrict => {
                Err(still_referenced(reference, parent, old, action == ReferentialAction::Restrict, ctx)?)
            }
            ReferentialAction::Cascade if new.is_none() => {
                for row in rows {
                    self.delete_child(&child, reference, row, old, ctx)?;
                }
                Ok(())
            }
            _ => {
                for row in rows {
                    self.update_child(&child, reference, row, action, (old, new), ctx)?;
                }
                Ok(())
            }
        }
    }

    fn delete_child(
        &mut self,
        child: &Table,
        reference: &Reference,
        (id, row): (RowId, Vec<Datum>),
        key: &[Datum],
        ctx: &ExecContext,
    ) -> Result<()> {
        let evaluator = ctx.evaluator(&reference.table);
        let write = ctx.write(&evaluator);
        let txn = &*ctx.shared.txn;
        let row = match child.lock(txn, &write, id, Strength::Update, Wait::Block)? {
            LockedRow::Same | LockedRow::Touched => row,
            LockedRow::Changed(values) if reference.refers(&values, key) => values,
            LockedRow::Changed(_) | LockedRow::Gone | LockedRow::Skipped => return Ok(()),
        };
        child.delete(txn, &write, id, &row)?;
        ctx.shared.txn.next_command();
        self.deleted(&reference.table, &row, ctx);
        Ok(())
    }

    fn update_child(
        &mut self,
        child: &Table,
        reference: &Arc<Reference>,
        (id, row): (RowId, Vec<Datum>),
        action: ReferentialAction,
        (key, new): (&[Datum], Option<&[Datum]>),
        ctx: &ExecContext,
    ) -> Result<()> {
        let table = &reference.table;
        let evaluator = ctx.evaluator(table);
        let write = ctx.write(&evaluator);
        let txn = &*ctx.shared.txn;
        let old = match child.lock(txn, &write, id, Strength::Update, Wait::Block)? {
            LockedRow::Same | LockedRow::Touched => row,
            LockedRow::Changed(values) if reference.refers(&values, key) => values,
            LockedRow::Changed(_) | LockedRow::Gone | LockedRow::Skipped => return Ok(()),
        };
        let mut changed = old.clone();
        for (at, attnum) in reference.key.columns.iter().enumerate() {
            let position = table.position_of(*attnum).expect("a foreign key names live columns");
            let listed = &reference.key.on_delete_columns;
            if new.is_none() && !listed.is_empty() && !listed.contains(attnum) {
                continue;
            }
            changed[position] = match (action, new) {
                (ReferentialAction::Cascade, Some(new)) => convert(&new[at], &old[position]),
                (ReferentialAction::SetDefault, _) => {
                    let default = ctx.shared.stored.default(table, position)?;
                    eval_row(&default, Row::Values(&[]), &ctx.eval)?
                }
                _ => Datum::Null,
            };
        }
        let checks = ctx.shared.stored.checks(table)?;
        super::modify::finish_row(table, &checks.generated, &checks.checks, &mut changed, ctx)?;
        child.update(txn, &write, id, &old, &changed)?;
        ctx.shared.txn.next_command();
        self.updated(table, &old, &changed, ctx);
        Ok(())
    }
}

/// Whether any of these rows refers to the key still, once those who are about to change them have ended.
fn stay(
    child: &Table,
    reference: &Reference,
    rows: &[(RowId, Vec<Datum>)],
    key: &[Datum],
    ctx: &ExecContext,
) -> Result<bool> {
    let evaluator = ctx.evaluator(&reference.table);
    let write = ctx.write(&evaluator);
    for (id, _) in rows {
        let stays = match child.lock(&*ctx.shared.txn, &write, *id, Strength::KeyShare, Wait::Block)? {
            LockedRow::Same | LockedRow::Touched => true,
            LockedRow::Changed(values) => reference.refers(&values, key),
            LockedRow::Gone | LockedRow::Skipped => false,
        };
        if stays {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A key value in the referencing column's type, which may be a wider or narrower integer.
fn convert(value: &Datum, like: &Datum) -> Datum {
    match (like, value.clone()) {
        (Datum::Int2(_), Datum::Int4(v)) => i16::try_from(v).map_or(Datum::Int4(v), Datum::Int2),
        (Datum::Int2(_), Datum::Int8(v)) => i16::try_from(v).map_or(Datum::Int8(v), Datum::Int2),
        (Datum::Int4(_), Datum::Int2(v)) => Datum::Int4(i32::from(v)),
        (Datum::Int4(_), Datum::Int8(v)) => i32::try_from(v).map_or(Datum::Int8(v), Datum::Int4),
        (Datum::Int8(_), Datum::Int2(v)) => Datum::Int8(i64::from(v)),
        (Datum::Int8(_), Datum::Int4(v)) => Datum::Int8(i64::from(v)),
        (_, other) => other,
    }
}

/// Finds the referenced row as the statement's snapshot has it, and locks it. Who is about to take it away is waited for; who is
/// about to add it is not.
fn find_parent(parent: &Arc<TableDesc>, reference: &Reference, key: &[Datum], ctx: &ExecContext) -> Result<bool> {
    let table = ctx.shared.table(parent)?;
    let evaluator = ctx.evaluator(parent);
    let write = ctx.write(&evaluator);
    let txn = &*ctx.shared.txn;
    let mut probe = Vec::with_capacity(key.len());
    let index = parent.indexes.iter().find(|index| index.oid == reference.key.referenced_index);
    let index = index.ok_or_else(|| Error::internal("a foreign key refers to an index that is not there"))?;
    for part in &index.keys {
        let IndexTarget::Column(attnum) = part.target else {
            return Err(Error::internal("a foreign key refers to an index with expressions"));
        };
        let at = reference.key.referenced_columns.iter().position(|column| *column == attnum);
        probe.push(key[at.expect("a foreign key names all columns of the index")].clone());
    }
    let Some((row, _)) = table.find(txn, &evaluator, index.oid, &probe)? else { return Ok(false) };
    let stays = match table.lock(txn, &write, row, Strength::KeyShare, Wait::Block)? {
        LockedRow::Same | LockedRow::Touched => true,
        LockedRow::Changed(values) => same(&values_of(parent, &reference.key.referenced_columns, &values), key),
        LockedRow::Gone | LockedRow::Skipped => false,
    };
    if !stays && ctx.keeps_snapshot() {
        crate::bail!(SERIALIZATION_FAILURE, "could not serialize access due to concurrent update");
    }
    Ok(stays)
}

/// Rows with their ids.
type FoundRows = Vec<(RowId, Vec<Datum>)>;

/// The rows that refer to a key, and whether the snapshot hides others.
fn children(child: &Table, reference: &Reference, key: &[Datum], ctx: &ExecContext) -> Result<(FoundRows, bool)> {
    let table = &reference.table;
    let types = table_types(table);
    let positions: Vec<usize> = (0..table.columns.len()).collect();
    let index = table.indexes.iter().find(|index| {
        let leads = |(part, attnum): (&crate::catalog::descriptor::IndexKey, &AttNum)| {
            part.target == IndexTarget::Column(*attnum)
        };
        index.valid
            && index.predicate.is_none()
            && index.method == Oid(403)
            && index.keys.len() >= reference.key.columns.len()
            && index.keys.iter().zip(&reference.key.columns).all(leads)
    });
    let mut found = Vec::new();
    let mut take = |batch: &Batch| {
        let ids = batch.columns[positions.len()].as_primitive::<Int64Type>();
        for at in 0..batch.rows {
            let row = batch.row(&types, at);
            if reference.refers(&row, key) {
                found.push((u32::try_from(ids.value(at)).expect("row ids have 32 bits"), row));
            }
        }
    };
    match index {
        Some(index) => {
            let spec = IndexScanSpec {
                index: index.oid,
                prefix: key.to_vec(),
                lower: KeyBound::Open,
                upper: KeyBound::Open,
                backward: false,
                positions: positions.clone(),
                row_ids: true,
                commit_ts: false,
                batch_rows: BATCH_ROWS,
            };
            let evaluator = ctx.evaluator(table);
            let mut scan = child.index_scan(&ctx.shared.txn, spec)?;
            while let Some(batch) = scan.next(&evaluator)? {
                take(&batch);
            }
        }
        None => {
            let mut scan = child.scan(&ctx.shared.txn, ScanSpec::new(positions.clone(), true));
            while let Some(batch) = scan.next()? {
                ctx.check()?;
                take(&batch);
            }
        }
    }
    let unseen = found.is_empty() && ctx.keeps_snapshot() && has_unseen(table, reference, key, ctx)?;
    Ok((found, unseen))
}

/// Whether there is a referencing row that the snapshot does not see.
fn has_unseen(table: &TableDesc, reference: &Reference, key: &[Datum], ctx: &ExecContext) -> Result<bool> {
    let mut unseen = false;
    ctx.shared.txn.scan_newest(table.storage, 1..RowId::MAX, &mut |id, ts, values| {
        let row = RowReader::open(values)?.all(table)?;
        let refers = reference.refers(&row, key);
        unseen = refers && ts > ctx.shared.txn.snapshot_ts() && ctx.shared.txn.get(table.storage, id)?.is_none();
        Ok(!unseen)
    })?;
    Ok(unseen)
}

/// Makes the deferred checks of these constraints, or of all.
///
/// # Errors
/// `23503`, `23505`.
pub fn check_all(constraints: Option<&[Oid]>, ctx: &ExecContext) -> Result<()> {
    let due = ctx.shared.deferred.due(constraints);
    check_waiting(&due, ctx)?;
    ctx.shared.deferred.settled(&due);
    Ok(())
}

/// Makes checks against the rows as they are now. A constraint that is gone asks for nothing.
fn check_waiting(items: &[Waiting], ctx: &ExecContext) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    ctx.shared.txn.begin_statement();
    for item in items {
        ctx.check()?;
        let Some(table) = ctx.shared.names.snapshot.table(item.table) else { continue };
        let Some(constraint) = table.constraints.iter().find(|found| found.oid == item.constraint) else { continue };
        if let Some(reference) = Reference::of(table, constraint) {
            check_reference(&reference, item, ctx)?;
        } else if let ConstraintKind::PrimaryKey { index, columns } | ConstraintKind::Unique { index, columns } =
            &constraint.kind
        {
            check_unique(table, *index, columns, item, ctx)?;
        }
    }
    ctx.shared.txn.begin_statement();
    Ok(())
}

fn check_unique(
    table: &Arc<TableDesc>,
    index: Oid,
    columns: &[AttNum],
    item: &Waiting,
    ctx: &ExecContext,
) -> Result<()> {
    let open = ctx.shared.table(table)?;
    let evaluator = ctx.evaluator(table);
    let write = ctx.write(&evaluator);
    for_each_key(table, columns, item, ctx, &mut |key| open.check_unique(&*ctx.shared.txn, &write, index, key))
}

/// A key holds when it has a referenced row, or no referencing row any more.
fn check_reference(reference: &Reference, item: &Waiting, ctx: &ExecContext) -> Result<()> {
    let parent = parent_of(reference, ctx)?;
    let child = ctx.shared.table(&reference.table)?;
    let (side, columns) = match item.side {
        Side::Referenced if item.key.is_some() => (&parent, &reference.key.referenced_columns),
        _ => (&reference.table, &reference.key.columns),
    };
    for_each_key(side, columns, item, ctx, &mut |key| {
        let nulls = key.iter().filter(|value| value.is_null()).count();
        if nulls > 0 && (nulls == key.len() || !reference.key.match_full) {
            return Ok(());
        }
        if nulls == 0 && find_parent(&parent, reference, key, ctx)? {
            return Ok(());
        }
        if item.key.is_some() {
            let (rows, unseen) = children(&child, reference, key, ctx)?;
            if !unseen && !stay(&child, reference, &rows, key, ctx)? {
                return Ok(());
            }
        }
        Err(match item.side {
            Side::Own => no_parent(reference, &parent, key, ctx)?,
            Side::Referenced => still_referenced(reference, &parent, key, false, ctx)?,
        })
    })
}

/// The key of a check, or the keys of all rows of the table.
fn for_each_key(
    table: &Arc<TableDesc>,
    columns: &[AttNum],
    item: &Waiting,
    ctx: &ExecContext,
    see: &mut dyn FnMut(&[Datum]) -> Result<()>,
) -> Result<()> {
    let place = |attnum: &AttNum| table.position_of(*attnum).expect("a constraint names live columns");
    let positions: Vec<usize> = columns.iter().map(place).collect();
    let types: Vec<Oid> = positions.iter().map(|at| table.columns[*at].stored_type().oid).collect();
    if let Some(key) = &item.key {
        return see(&deferred::decode(&types, key)?);
    }
    let mut scan = ctx.shared.table(table)?.scan(&ctx.shared.txn, ScanSpec::new(positions, false));
    while let Some(batch) = scan.next()? {
        ctx.check()?;
        for at in 0..batch.rows {
            see(&batch.row(&types, at))?;
        }
    }
    Ok(())
}

fn parent_of(reference: &Reference, ctx: &ExecContext) -> Result<Arc<TableDesc>> {
    let parent = ctx.shared.names.snapshot.table(reference.key.referenced_table).cloned();
    parent.ok_or_else(|| Error::internal("a foreign key refers to a table that is not there"))
}

/// A referencing key without its row, or with NULLs where MATCH FULL has none.
fn no_parent(reference: &Reference, parent: &TableDesc, key: &[Datum], ctx: &ExecContext) -> Result<Error> {
    let (table, name) = (&reference.table.name, &reference.constraint.name);
    let error = crate::error!(
        FOREIGN_KEY_VIOLATION,
        "insert or update on table \"{table}\" violates foreign key constraint \"{name}\""
    );
    let detail = if key.iter().any(Datum::is_null) {
        "MATCH FULL does not allow mixing of null and nonnull key values.".to_owned()
    } else {
        let text = key_text(&reference.table, &reference.key.columns, key, ctx)?;
        format!("{text} is not present in table \"{}\".", parent.name)
    };
    let schema = ctx.shared.names.snapshot.schema_name(reference.table.schema).unwrap_or("public");
    Ok(error.detail(detail).table(schema, table).constraint(name))
}

fn key_text(table: &TableDesc, columns: &[AttNum], key: &[Datum], ctx: &ExecContext) -> Result<String> {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (attnum, value) in columns.iter().zip(key) {
        let column = &table.columns[table.position_of(*attnum).expect("a foreign key names live columns")];
        names.push(column.name.clone());
        values.push(io::to_text(value, column.ty.oid, &ctx.eval.io())?);
    }
    Ok(format!("Key ({})=({})", names.join(", "), values.join(", ")))
}

fn still_referenced(
    reference: &Reference,
    parent: &TableDesc,
    key: &[Datum],
    restrict: bool,
    ctx: &ExecContext,
) -> Result<Error> {
    let (table, child, name) = (&parent.name, &reference.table.name, &reference.constraint.name);
    let text = key_text(parent, &reference.key.referenced_columns, key, ctx)?;
    let schema = ctx.shared.names.snapshot.schema_name(reference.table.schema).unwrap_or("public");
    let error = if restrict {
        crate::error!(
            RESTRICT_VIOLATION,
            "update or delete on table \"{table}\" violates RESTRICT setting of foreign key constraint \"{name}\" on table \"{child}\""
        )
        .detail(format!("{text} is referenced from table \"{child}\"."))
    } else {
        crate::error!(
            FOREIGN_KEY_VIOLATION,
            "update or delete on table \"{table}\" violates foreign key constraint \"{name}\" on table \"{child}\""
        )
        .detail(format!("{text} is still referenced from table \"{child}\"."))
    };
    Ok(error.table(schema, child).constraint(name))
}

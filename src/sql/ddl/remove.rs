//! Taking objects out of the catalog, with what belongs to them alone. Dependents are the caller's business.

use super::context::DdlContext;
use super::depend::Object;
use super::{bind, rewrite, visit};
use crate::catalog::descriptor::{AttNum, ConstraintKind, IndexTarget, TableDesc, TypeKind};
use crate::catalog::privileges::Securable;
use crate::storage::Cf;
use crate::storage::keyspace::sequence_key;
use crate::types::{Oid, SqlType};

/// Removes an object, if it is still there.
pub(super) fn remove(ctx: &mut DdlContext<'_>, object: Object) {
    match object {
        Object::Table(oid) => table(ctx, oid),
        Object::View(oid) => {
            forget_notes(ctx, oid);
            ctx.edit.drop_view(oid);
        }
        Object::Sequence(oid) => sequence(ctx, oid),
        Object::Index(oid) => index(ctx, oid),
        Object::Type(oid) => {
            forget_notes(ctx, oid);
            ctx.edit.drop_type(oid);
        }
        Object::Schema(oid) => {
            forget_notes(ctx, oid);
            let defaults: Vec<_> =
                ctx.snapshot().objects.default_acls.keys().filter(|key| key.1 == oid).copied().collect();
            defaults.into_iter().for_each(|key| ctx.edit.set_default_acl(key, None));
            ctx.edit.drop_schema(oid);
        }
        Object::Extension(oid) => {
            forget_notes(ctx, oid);
            ctx.edit.drop_extension(oid);
        }
        Object::Constraint(table, oid) => constraint(ctx, table, oid),
        Object::Column(table, attnum) => column(ctx, table, attnum),
        Object::Default(table, attnum) => change_table(ctx, table, |desc| {
            for column in desc.columns.iter_mut().filter(|column| column.attnum == attnum) {
                column.default = None;
            }
        }),
        Object::Attribute(ty, at) => {
            let Some(desc) = ctx.snapshot().user_type(ty) else { return };
            let mut desc = (**desc).clone();
            if let TypeKind::Composite { fields } = &mut desc.kind {
                fields.remove(at);
            }
            ctx.edit.put_type(desc);
        }
    }
}

fn change_table(ctx: &mut DdlContext<'_>, oid: Oid, change: impl FnOnce(&mut TableDesc)) {
    if let Some(table) = ctx.snapshot().table(oid) {
        let mut table = (**table).clone();
        change(&mut table);
        ctx.edit.put_table(table);
    }
}

/// Comments and access lists of an object and its parts.
fn forget_notes(ctx: &mut DdlContext<'_>, object: Oid) {
    let lists: Vec<_> = ctx.snapshot().objects.acls.keys().filter(|key| key.1 == object).copied().collect();
    lists.into_iter().for_each(|key| ctx.edit.set_acl(key, None));
    let keys: Vec<_> = ctx.snapshot().objects.comments.keys().filter(|key| key.1 == object).copied().collect();
    keys.into_iter().for_each(|key| ctx.edit.set_comment(key, None));
}

fn table(ctx: &mut DdlContext<'_>, oid: Oid) {
    let Some(table) = ctx.snapshot().table(oid).cloned() else { return };
    rewrite::discard(ctx, &table);
    for owned in super::sequence::owned_by_table(ctx, oid) {
        sequence(ctx, owned);
    }
    forget_notes(ctx, oid);
    table.indexes.iter().for_each(|index| forget_notes(ctx, index.oid));
    table.constraints.iter().for_each(|constraint| forget_notes(ctx, constraint.oid));
    ctx.edit.drop_table(oid);
}

/// A sequence and its state.
pub(super) fn sequence(ctx: &mut DdlContext<'_>, oid: Oid) {
    if ctx.snapshot().objects.sequences.contains_key(&oid) {
        forget_notes(ctx, oid);
        ctx.txn.put_meta(Cf::Default, sequence_key(oid.0), None);
        ctx.edit.drop_sequence(oid);
    }
}

fn index(ctx: &mut DdlContext<'_>, oid: Oid) {
    let Some(index) = ctx.snapshot().index(oid) else { return };
    ctx.discard_storage(index.storage);
    forget_notes(ctx, oid);
    change_table(ctx, index.table, |desc| desc.indexes.retain(|index| index.oid != oid));
}

fn constraint(ctx: &mut DdlContext<'_>, table: Oid, oid: Oid) {
    let Some(desc) = ctx.snapshot().table(table) else { return };
    let kept = desc.constraints.iter().find(|constraint| constraint.oid == oid).map(|constraint| &constraint.kind);
    let own_index = match kept {
        Some(ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. }) => Some(*index),
        _ => None,
    };
    if let Some(own) = own_index {
        index(ctx, own);
    }
    forget_notes(ctx, oid);
    change_table(ctx, table, |desc| desc.constraints.retain(|constraint| constraint.oid != oid));
}

/// A column with the indexes and constraints of its table that read it.
fn column(ctx: &mut DdlContext<'_>, table: Oid, attnum: AttNum) {
    let Some(desc) = ctx.snapshot().table(table).cloned() else { return };
    let Some(at) = desc.position_of(attnum) else { return };
    for constraint in &desc.constraints {
        let reads = match &constraint.kind {
            ConstraintKind::PrimaryKey { columns, .. }
            | ConstraintKind::Unique { columns, .. }
            | ConstraintKind::Check { columns, .. } => columns.contains(&attnum),
            ConstraintKind::ForeignKey(key) => {
                key.columns.contains(&attnum)
                    || (key.referenced_table == table && key.referenced_columns.contains(&attnum))
            }
        };
        if reads {
            self::constraint(ctx, table, constraint.oid);
        }
    }
    let names = ctx.stored_names();
    let reads = |text: &str, place: &bind::Place, target: Option<SqlType>| {
        bind::bind_stored(text, &desc, target, &names, place).map_or(true, |expr| visit::columns(&expr).contains(&at))
    };
    let bool = Some(SqlType::of(Oid::BOOL));
    for found in &desc.indexes {
        let in_keys = found.keys.iter().any(|key| match &key.target {
            IndexTarget::Column(own) => *own == attnum,
            IndexTarget::Expr(text) => reads(text, &bind::Place::IndexKey, None),
        });
        let in_predicate = found.predicate.as_ref().is_some_and(|text| reads(text, &bind::Place::IndexPredicate, bool));
        if in_keys || in_predicate || found.include.contains(&attnum) {
            index(ctx, found.oid);
        }
    }
    let owned: Vec<Oid> = ctx
        .snapshot()
        .objects
        .sequences
        .values()
        .filter(|sequence| sequence.owned_by == Some((table, attnum)))
        .map(|sequence| sequence.oid)
        .collect();
    owned.into_iter().for_each(|oid| sequence(ctx, oid));
    let comments: Vec<_> = ctx
        .snapshot()
        .objects
        .comments
        .keys()
        .filter(|key| key.1 == table && key.2 == i32::from(attnum))
        .copied()
        .collect();
    comments.into_iter().for_each(|key| ctx.edit.set_comment(key, None));
    let list = Securable::Column(table, attnum).key();
    if ctx.snapshot().objects.acls.contains_key(&list) {
        ctx.edit.set_acl(list, None);
    }
    change_table(ctx, table, |desc| {
        desc.columns.retain(|column| column.attnum != attnum);
    });
}

//! What hangs on what: the objects that an object's removal takes along or is stopped by.
//!
//! There is no table of dependencies: they follow from the descriptors, and are worked out when something is dropped. An
//! `Auto` dependent goes with its object unasked; a `Normal` one needs CASCADE.

use std::sync::Arc;

use super::bind::{self, Place};
use super::context::DdlContext;
use super::{defaults, visit};
use crate::catalog::Names;
use crate::catalog::descriptor::{
    AttNum, ConstraintKind, ForeignKey, IndexDesc, IndexKey, IndexTarget, TableDesc, TypeKind,
};
use crate::catalog::vector_index;
use crate::common::quote_ident;
use crate::error::Result;
use crate::sql::parser;
use crate::types::{Oid, SqlType};

/// Something that can be dropped or depended on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Object {
    Table(Oid),
    View(Oid),
    Sequence(Oid),
    Index(Oid),
    Type(Oid),
    Schema(Oid),
    Extension(Oid),
    /// Table and constraint.
    Constraint(Oid, Oid),
    /// Table and column.
    Column(Oid, AttNum),
    /// The default of a column.
    Default(Oid, AttNum),
    /// Composite type and field position.
    Attribute(Oid, usize),
}

/// How firmly a dependent hangs on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tie {
    Auto,
    Normal,
}

/// The type's own and its array's OID are one for dependencies.
fn is_of(ctx: &DdlContext<'_>, ty: SqlType, oid: Oid) -> bool {
    ty.oid == oid || ctx.snapshot().element_type(ty.oid) == Some(oid)
}

/// What an object is called in messages.
pub(super) fn describe(ctx: &DdlContext<'_>, object: Object) -> String {
    let snapshot = ctx.snapshot();
    let column = |table: Oid, attnum: AttNum| {
        let table = snapshot.table(table).expect("a dependency names live tables");
        table.position_of(attnum).map(|at| quote_ident(&table.columns[at].name)).unwrap_or_default()
    };
    match object {
        Object::Table(oid) => format!("table {}", ctx.relation_text(oid)),
        Object::View(oid) => format!("view {}", ctx.relation_text(oid)),
        Object::Sequence(oid) => format!("sequence {}", ctx.relation_text(oid)),
        Object::Index(oid) => format!("index {}", ctx.relation_text(oid)),
        Object::Type(oid) => format!("type {}", snapshot.type_text(SqlType::of(oid))),
        Object::Schema(oid) => format!("schema {}", quote_ident(snapshot.schema_name(oid).unwrap_or_default())),
        Object::Extension(oid) => {
            let name = snapshot.objects.extensions.get(&oid).map_or("vector", |extension| &extension.name);
            format!("extension {}", quote_ident(name))
        }
        Object::Constraint(table, oid) => {
            let desc = snapshot.table(table).expect("a dependency names live tables");
            let name = desc.constraints.iter().find(|c| c.oid == oid).map(|c| quote_ident(&c.name));
            format!("constraint {} on table {}", name.unwrap_or_default(), ctx.relation_text(table))
        }
        Object::Column(table, attnum) => {
            format!("column {} of table {}", column(table, attnum), ctx.relation_text(table))
        }
        Object::Default(table, attnum) => {
            format!("default value for column {} of table {}", column(table, attnum), ctx.relation_text(table))
        }
        Object::Attribute(ty, at) => {
            let name = match snapshot.user_type(ty).map(|desc| &desc.kind) {
                Some(TypeKind::Composite { fields }) => quote_ident(&fields[at].0),
                _ => String::new(),
            };
            format!("column {name} of composite type {}", snapshot.type_text(SqlType::of(ty)))
        }
    }
}

fn order(object: Object) -> (u32, i32) {
    match object {
        Object::Table(oid)
        | Object::View(oid)
        | Object::Sequence(oid)
        | Object::Index(oid)
        | Object::Type(oid)
        | Object::Schema(oid)
        | Object::Extension(oid)
        | Object::Constraint(_, oid) => (oid.0, 0),
        Object::Column(oid, attnum) | Object::Default(oid, attnum) => (oid.0, i32::from(attnum)),
        Object::Attribute(oid, at) => (oid.0, i32::try_from(at).unwrap_or(i32::MAX)),
    }
}

/// The direct dependents of an object, in the order in which PostgreSQL names them.
pub(super) fn dependents(ctx: &DdlContext<'_>, object: Object) -> Result<Vec<(Object, Tie)>> {
    let mut found: Vec<(Object, Tie)> = Vec::new();
    match object {
        Object::Table(oid) => of_table(ctx, oid, &mut found),
        Object::View(oid) => {
            found.extend(views_on(ctx, oid));
            let row_type = ctx.snapshot().objects.views.get(&oid).map_or(Oid::NONE, |view| view.row_type);
            of_type(ctx, row_type, &mut found);
        }
        Object::Sequence(oid) => {
            found.extend(views_on(ctx, oid));
            found.extend(defaults_on(ctx, oid)?.into_iter().map(|default| (default, Tie::Normal)));
        }
        Object::Index(oid) => keys_on(ctx, |key| key.referenced_index == oid, &mut found),
        Object::Constraint(table, oid) => {
            let index = ctx.snapshot().table(table).and_then(|table| {
                let constraint = table.constraints.iter().find(|c| c.oid == oid)?;
                match constraint.kind {
                    ConstraintKind::PrimaryKey { index, .. } | ConstraintKind::Unique { index, .. } => Some(index),
                    _ => None,
                }
            });
            if let Some(index) = index {
                keys_on(ctx, |key| key.referenced_index == index, &mut found);
            }
        }
        Object::Column(table, attnum) => of_column(ctx, table, attnum, &mut found)?,
        Object::Type(oid) => {
            of_type(ctx, oid, &mut found);
            found.extend(views_on(ctx, oid));
            checks_on(ctx, oid, &mut found);
        }
        Object::Schema(oid) => of_schema(ctx, oid, &mut found),
        Object::Extension(oid) => of_extension(ctx, oid, &mut found),
        Object::Default(..) | Object::Attribute(..) => {}
    }
    // Columns of an array type come before those of the type itself.
    let of_array = |found: &Object| match (found, object) {
        (Object::Column(table, attnum), Object::Type(ty)) => {
            let table = ctx.snapshot().table(*table);
            table.and_then(|t| t.position_of(*attnum).map(|at| t.columns[at].ty.oid != ty)).unwrap_or(false)
        }
        _ => false,
    };
    found.sort_by_key(|(object, _)| (!of_array(object), order(*object)));
    found.dedup();
    Ok(found)
}

fn views_on(ctx: &DdlContext<'_>, oid: Oid) -> Vec<(Object, Tie)> {
    let views = ctx.snapshot().objects.views.values();
    views.filter(|view| view.depends_on.contains(&oid)).map(|view| (Object::View(view.oid), Tie::Normal)).collect()
}

/// Foreign keys that meet a condition.
fn keys_on(ctx: &DdlContext<'_>, wanted: impl Fn(&ForeignKey) -> bool, found: &mut Vec<(Object, Tie)>) {
    for table in ctx.snapshot().objects.tables.values() {
        for constraint in &table.constraints {
            if let ConstraintKind::ForeignKey(key) = &constraint.kind
                && wanted(key)
            {
                found.push((Object::Constraint(table.oid, constraint.oid), Tie::Normal));
            }
        }
    }
}

fn of_table(ctx: &DdlContext<'_>, oid: Oid, found: &mut Vec<(Object, Tie)>) {
    keys_on(ctx, |key| key.referenced_table == oid, found);
    found.retain(|(object, _)| !matches!(object, Object::Constraint(table, _) if *table == oid));
    found.extend(views_on(ctx, oid));
    for sequence in ctx.snapshot().objects.sequences.values() {
        if sequence.owned_by.is_some_and(|(table, _)| table == oid) {
            found.push((Object::Sequence(sequence.oid), Tie::Auto));
        }
    }
    let row_type = ctx.snapshot().table(oid).map_or(Oid::NONE, |table| table.row_type);
    of_type(ctx, row_type, found);
}

fn of_type(ctx: &DdlContext<'_>, oid: Oid, found: &mut Vec<(Object, Tie)>) {
    if oid == Oid::NONE {
        return;
    }
    for table in ctx.snapshot().objects.tables.values() {
        for column in table.columns.iter().filter(|column| is_of(ctx, column.ty, oid)) {
            found.push((Object::Column(table.oid, column.attnum), Tie::Normal));
        }
    }
    for view in ctx.snapshot().objects.views.values() {
        if view.columns.iter().any(|column| is_of(ctx, column.ty, oid)) {
            found.push((Object::View(view.oid), Tie::Normal));
        }
    }
    for ty in ctx.snapshot().objects.types.values() {
        match &ty.kind {
            TypeKind::Composite { fields } => {
                for (at, _) in fields.iter().enumerate().filter(|(_, field)| is_of(ctx, field.1, oid)) {
                    found.push((Object::Attribute(ty.oid, at), Tie::Normal));
                }
            }
            TypeKind::Domain { base, .. } if is_of(ctx, *base, oid) => {
                found.push((Object::Type(ty.oid), Tie::Normal));
            }
            _ => {}
        }
    }
}

/// Checks that name a type, of columns of other types.
fn checks_on(ctx: &DdlContext<'_>, oid: Oid, found: &mut Vec<(Object, Tie)>) {
    let Some(ty) = ctx.snapshot().user_type(oid) else { return };
    let names = ctx.stored_names();
    for table in ctx.snapshot().objects.tables.values() {
        for constraint in &table.constraints {
            let ConstraintKind::Check { expr, columns } = &constraint.kind else { continue };
            let on_column = columns.iter().filter_map(|attnum| table.position_of(*attnum));
            let goes_anyway = on_column.clone().any(|at| is_of(ctx, table.columns[at].ty, oid));
            if goes_anyway || !expr.contains(&ty.name) {
                continue;
            }
            let bool = Some(SqlType::of(Oid::BOOL));
            let bound = bind::bind_stored(expr, table, bool, &names, &Place::Check);
            if bound.is_ok_and(|bound| visit::types(&bound).contains(&oid)) {
                found.push((Object::Constraint(table.oid, constraint.oid), Tie::Normal));
            }
        }
    }
}

fn of_schema(ctx: &DdlContext<'_>, oid: Oid, found: &mut Vec<(Object, Tie)>) {
    let objects = &ctx.snapshot().objects;
    let here = |schema: Oid| schema == oid;
    found.extend(objects.tables.values().filter(|d| here(d.schema)).map(|d| (Object::Table(d.oid), Tie::Normal)));
    found.extend(objects.views.values().filter(|d| here(d.schema)).map(|d| (Object::View(d.oid), Tie::Normal)));
    let free = objects.sequences.values().filter(|d| here(d.schema) && d.owned_by.is_none());
    found.extend(free.map(|d| (Object::Sequence(d.oid), Tie::Normal)));
    found.extend(objects.types.values().filter(|d| here(d.schema)).map(|d| (Object::Type(d.oid), Tie::Normal)));
    let extensions = objects.extensions.values().filter(|d| here(d.schema));
    found.extend(extensions.map(|d| (Object::Extension(d.oid), Tie::Normal)));
}

fn of_extension(ctx: &DdlContext<'_>, oid: Oid, found: &mut Vec<(Object, Tie)>) {
    let is_vector = ctx.snapshot().objects.extensions.get(&oid).is_some_and(|extension| extension.name == "vector");
    if is_vector {
        [Oid::VECTOR, Oid::HALFVEC, Oid::SPARSEVEC].into_iter().for_each(|ty| of_type(ctx, ty, found));
        for table in ctx.snapshot().objects.tables.values() {
            let indexes = table.indexes.iter().filter(|index| vector_index::is_vector(index.method));
            // Others go with a column of one of the types.
            let alone = indexes.filter(|index| {
                let columns = columns_of_index(ctx, table, index);
                !columns.iter().any(|at| {
                    let ty = table.columns[*at].ty;
                    [Oid::VECTOR, Oid::HALFVEC, Oid::SPARSEVEC].iter().any(|own| is_of(ctx, ty, *own))
                })
            });
            found.extend(alone.map(|index| (Object::Index(index.oid), Tie::Normal)));
        }
    }
}

/// Positions of the columns that the keys of an index read.
fn columns_of_index(ctx: &DdlContext<'_>, table: &TableDesc, index: &IndexDesc) -> Vec<usize> {
    let names = ctx.stored_names();
    let read = |key: &IndexKey| match &key.target {
        IndexTarget::Column(attnum) => table.position_of(*attnum).into_iter().collect(),
        IndexTarget::Expr(text) => bind::bind_stored(text, table, None, &names, &Place::IndexKey)
            .map_or_else(|_| Vec::new(), |bound| visit::columns(&bound)),
    };
    index.keys.iter().flat_map(read).collect()
}

/// What a dependent of an extension is said to depend on: the extension's type.
pub(super) fn described_cause(ctx: &DdlContext<'_>, dependent: Object, on: Object) -> Object {
    let ty = match (dependent, on) {
        (Object::Column(table, attnum), Object::Type(_)) => {
            let table = ctx.snapshot().table(table);
            let own = table.and_then(|table| table.position_of(attnum).map(|at| table.columns[at].ty.oid));
            return own.map_or(on, Object::Type);
        }
        (Object::Column(table, attnum), Object::Extension(_)) => {
            let table = ctx.snapshot().table(table);
            table.and_then(|table| table.position_of(attnum).map(|at| table.columns[at].ty.oid))
        }
        (Object::Constraint(..), Object::Constraint(table, oid)) => {
            let found = ctx
                .snapshot()
                .table(table)
                .and_then(|table| table.indexes.iter().find(|index| index.constraint == oid).map(|index| index.oid));
            return found.map_or(on, Object::Index);
        }
        _ => None,
    };
    match ty {
        Some(ty) => Object::Type(ctx.snapshot().element_type(ty).unwrap_or(ty)),
        None => on,
    }
}

fn of_column(ctx: &DdlContext<'_>, oid: Oid, attnum: AttNum, found: &mut Vec<(Object, Tie)>) -> Result<()> {
    let Some(table) = ctx.snapshot().table(oid).cloned() else { return Ok(()) };
    let Some(at) = table.position_of(attnum) else { return Ok(()) };
    keys_on(ctx, |key| key.referenced_table == oid && key.referenced_columns.contains(&attnum), found);
    for (_, tie) in found.iter_mut().filter(|(object, _)| matches!(object, Object::Constraint(t, _) if *t == oid)) {
        *tie = Tie::Auto;
    }
    found.extend(views_on_column(ctx, &table, attnum).into_iter().map(|view| (Object::View(view), Tie::Normal)));
    for generated in generated_from(ctx, &table, at)? {
        found.push((Object::Column(oid, table.columns[generated].attnum), Tie::Normal));
    }
    for sequence in ctx.snapshot().objects.sequences.values() {
        if sequence.owned_by == Some((oid, attnum)) {
            found.push((Object::Sequence(sequence.oid), Tie::Auto));
        }
    }
    Ok(())
}

/// Views that no longer make sense without a column: those that read it.
pub(super) fn views_on_column(ctx: &DdlContext<'_>, table: &TableDesc, attnum: AttNum) -> Vec<Oid> {
    let candidates: Vec<_> =
        ctx.snapshot().objects.views.values().filter(|view| view.depends_on.contains(&table.oid)).cloned().collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let mut edit = ctx.edit.clone();
    let mut without = table.clone();
    without.columns.retain(|column| column.attnum != attnum);
    edit.put_table(without);
    let names = Names::stored(Arc::new(edit.snapshot));
    let breaks = |query: &str| match parser::parse_query(query) {
        Ok(query) => bind::view_query(&query, &names).is_err(),
        Err(_) => true,
    };
    candidates.into_iter().filter(|view| breaks(&view.query)).map(|view| view.oid).collect()
}

/// Positions of generated columns that read the column at a position.
pub(super) fn generated_from(ctx: &DdlContext<'_>, table: &TableDesc, at: usize) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for (position, column) in table.columns.iter().enumerate() {
        if let Some(text) = &column.generated
            && position != at
            && visit::columns(&defaults::read_back(table, position, text, ctx)?).contains(&at)
        {
            found.push(position);
        }
    }
    Ok(found)
}

/// Defaults that take their value from a sequence, other than those of its owner's removal.
fn defaults_on(ctx: &DdlContext<'_>, sequence: Oid) -> Result<Vec<Object>> {
    let names = ctx.stored_names();
    let mut found = Vec::new();
    for table in ctx.snapshot().objects.tables.values() {
        for column in &table.columns {
            let Some(text) = column.default.as_ref().filter(|text| text.contains("::regclass")) else { continue };
            let place = Place::Default(column.name.clone());
            let bound = bind::bind_stored(text, table, Some(column.ty), &names, &place)?;
            if visit::relations(&bound).contains(&sequence) {
                found.push(Object::Default(table.oid, column.attnum));
            }
        }
    }
    Ok(found)
}

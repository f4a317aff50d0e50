//! RENAME and SET SCHEMA, and the stored expressions that name what was renamed.

use super::bind::{self, Place};
use super::context::DdlContext;
use super::naming::truncate;
use super::view_text::{self, Renaming};
use super::{columns, constraints, create_table, role, schema, sequence, types};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::{AttNum, ConstraintKind, IndexTarget, TableDesc, TypeKind};
use crate::catalog::snapshot::TypeRef;
use crate::error::{Error, Result};
use crate::sql::ast::{Name, ObjectKind, Rename, RenamePart};
use crate::sql::deparse::deparse_query;
use crate::sql::expr::Expr;
use crate::sql::parser;
use crate::storage::Cf;
use crate::types::{Oid, SqlType};
use std::sync::Arc;

/// The words of a kind of object in a command tag.
pub(super) fn kind_tag(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table | ObjectKind::Column | ObjectKind::Constraint => "TABLE",
        ObjectKind::Index => "INDEX",
        ObjectKind::Sequence => "SEQUENCE",
        ObjectKind::View => "VIEW",
        ObjectKind::MaterializedView => "MATERIALIZED VIEW",
        ObjectKind::Schema => "SCHEMA",
        ObjectKind::Type => "TYPE",
        ObjectKind::Domain => "DOMAIN",
        ObjectKind::Extension => "EXTENSION",
        ObjectKind::Database => "DATABASE",
        ObjectKind::Role => "ROLE",
        ObjectKind::Function => "FUNCTION",
    }
}

/// `column ... of relation ... does not exist`.
pub(super) fn no_column(column: &str, relation: &str) -> Error {
    crate::error!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{relation}\" does not exist")
}

/// Expressions of all tables, bound before names change and written down again after.
pub(super) struct Restate {
    bound: Vec<(Oid, Slot, Expr)>,
    /// New texts of views, those that change.
    views: Vec<(Oid, String)>,
}

/// Where in a table an expression is stored.
#[derive(Clone, Copy)]
enum Slot {
    Default(AttNum),
    Generated(AttNum),
    Check(Oid),
    /// Index and key.
    Key(Oid, usize),
    Predicate(Oid),
}

impl Restate {
    /// Binds what is stored, under the names of now; views are written down with the names to come.
    pub(super) fn begin(ctx: &DdlContext<'_>, renaming: &Renaming) -> Result<Self> {
        let names = ctx.stored_names();
        let bool = Some(SqlType::of(Oid::BOOL));
        let mut bound = Vec::new();
        for table in ctx.snapshot().objects.tables.values() {
            let mut take = |slot: Slot, text: &str, target: Option<SqlType>, place: &Place| -> Result<()> {
                bound.push((table.oid, slot, bind::bind_stored(text, table, target, &names, place)?));
                Ok(())
            };
            for column in &table.columns {
                if let Some(text) = &column.default {
                    take(Slot::Default(column.attnum), text, None, &Place::Default(column.name.clone()))?;
                }
                if let Some(text) = &column.generated {
                    take(Slot::Generated(column.attnum), text, None, &Place::Generated(column.name.clone()))?;
                }
            }
            for constraint in &table.constraints {
                if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                    take(Slot::Check(constraint.oid), expr, bool, &Place::Check)?;
                }
            }
            for index in &table.indexes {
                for (at, key) in index.keys.iter().enumerate() {
                    if let IndexTarget::Expr(text) = &key.target {
                        take(Slot::Key(index.oid, at), text, None, &Place::IndexKey)?;
                    }
                }
                if let Some(text) = &index.predicate {
                    take(Slot::Predicate(index.oid), text, bool, &Place::IndexPredicate)?;
                }
            }
        }
        let mut views = Vec::new();
        for view in ctx.snapshot().objects.views.values() {
            let mut query = parser::parse_query(&view.query)?;
            view_text::resolve(&mut query, renaming, ctx)?;
            let text = deparse_query(&query).trim_start().to_owned();
            if text != view.query {
                views.push((view.oid, text));
            }
        }
        Ok(Self { bound, views })
    }

    /// Writes everything down under the names of now.
    pub(super) fn finish(self, ctx: &mut DdlContext<'_>) -> Result<()> {
        for (oid, query) in self.views {
            let mut view = (*ctx.snapshot().objects.views[&oid]).clone();
            view.query = query;
            ctx.edit.put_view(view);
        }
        let names = ctx.stored_names();
        for view in ctx.snapshot().objects.views.values() {
            if bind::view_query(&parser::parse_query(&view.query)?, &names).is_err() {
                return Err(Error::unsupported(format!("renaming what view \"{}\" uses", view.name)));
            }
        }
        let mut changed: Vec<TableDesc> = Vec::new();
        for (oid, slot, expr) in self.bound {
            let at = match changed.iter().position(|table| table.oid == oid) {
                Some(at) => at,
                None => {
                    changed.push((*ctx.table_by_oid(oid)).clone());
                    changed.len() - 1
                }
            };
            let text = bind::text_of(&expr, &changed[at], &names);
            put(&mut changed[at], slot, text);
        }
        for table in changed {
            let before = ctx.table_by_oid(table.oid);
            if format!("{before:?}") != format!("{table:?}") {
                ctx.edit.put_table(table);
            }
        }
        Ok(())
    }
}

fn put(table: &mut TableDesc, slot: Slot, text: String) {
    match slot {
        Slot::Default(attnum) => {
            table.columns.iter_mut().filter(|c| c.attnum == attnum).for_each(|c| c.default = Some(text.clone()));
        }
        Slot::Generated(attnum) => {
            table.columns.iter_mut().filter(|c| c.attnum == attnum).for_each(|c| c.generated = Some(text.clone()));
        }
        Slot::Check(oid) => {
            for constraint in table.constraints.iter_mut().filter(|constraint| constraint.oid == oid) {
                if let ConstraintKind::Check { expr, .. } = &mut constraint.kind {
                    expr.clone_from(&text);
                }
            }
        }
        Slot::Key(oid, at) => {
            for index in table.indexes.iter_mut().filter(|index| index.oid == oid) {
                Arc::make_mut(index).keys[at].target = IndexTarget::Expr(text.clone());
            }
        }
        Slot::Predicate(oid) => {
            for index in table.indexes.iter_mut().filter(|index| index.oid == oid) {
                Arc::make_mut(index).predicate = Some(text.clone());
            }
        }
    }
}

/// ALTER ... RENAME.
pub(super) fn rename(statement: &Rename, ctx: &mut DdlContext<'_>) -> Result<()> {
    let to = truncate(&statement.to).to_owned();
    match statement.kind {
        ObjectKind::Schema => return rename_schema(statement, to, ctx),
        ObjectKind::Database => return rename_database(statement, to, ctx),
        ObjectKind::Role => return rename_role(statement, to, ctx),
        ObjectKind::Type | ObjectKind::Domain => return rename_type(statement, to, ctx),
        ObjectKind::Table
        | ObjectKind::Index
        | ObjectKind::Sequence
        | ObjectKind::View
        | ObjectKind::MaterializedView => {}
        _ => return Err(Error::unsupported(format!("ALTER {} RENAME", kind_tag(statement.kind)))),
    }
    let Some(relation) = ctx.find_relation(&statement.name)? else {
        if statement.if_exists {
            ctx.skip_missing(&format!("relation \"{}\"", statement.name));
            return Ok(());
        }
        bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", statement.name)
    };
    ctx.check_relation_owner(&relation)?;
    let wanted = kind_tag(statement.kind).to_lowercase();
    // ALTER TABLE renames every kind of relation; the other kinds only their own.
    if statement.kind != ObjectKind::Table && relation.kind_name() != wanted {
        let article = if wanted == "index" { "an" } else { "a" };
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {wanted}", relation.name());
    }
    match &statement.part {
        None => rename_relation(&relation, to, ctx),
        Some((RenamePart::Column | RenamePart::Attribute, from)) => rename_column(&relation, from, to, ctx),
        Some((RenamePart::Constraint, from)) => rename_constraint(&relation, from, to, ctx),
    }
}

/// A relation's or type's new schema and name.
pub(super) fn object(ctx: &DdlContext<'_>, oid: Oid, schema: Oid, name: &str) -> Renaming {
    let schema = ctx.snapshot().schema_name(schema).unwrap_or_default().to_owned();
    Renaming::Object { oid, schema, name: name.to_owned() }
}

fn renamed_column(relation: Oid, from: &str, to: &str) -> Renaming {
    Renaming::Column { relation, from: from.to_owned(), to: to.to_owned() }
}

fn rename_relation(relation: &Relation, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let schema = ctx.snapshot().relation_schema(relation);
    if ctx.relation_in_the_way(schema, &to).is_some() {
        bail!(DUPLICATE_TABLE, "relation \"{to}\" already exists");
    }
    let restate = Restate::begin(ctx, &object(ctx, relation.oid(), schema, &to))?;
    match relation {
        Relation::Table(table) => {
            create_table::check_type_name(ctx, schema, &to)?;
            ctx.lock_exclusively(table.oid)?;
            let mut table = (**table).clone();
            table.name = to;
            ctx.edit.put_table(table);
        }
        Relation::View(view) => {
            create_table::check_type_name(ctx, schema, &to)?;
            let mut view = (**view).clone();
            view.name = to;
            ctx.edit.put_view(view);
        }
        Relation::Sequence(sequence) => {
            let mut sequence = (**sequence).clone();
            sequence.name = to;
            ctx.edit.put_sequence(sequence);
        }
        Relation::Index(index) => {
            let mut table = (*ctx.table_by_oid(index.table)).clone();
            for found in table.indexes.iter_mut().filter(|found| found.oid == index.oid) {
                Arc::make_mut(found).name.clone_from(&to);
            }
            for constraint in table.constraints.iter_mut().filter(|constraint| constraint.oid == index.constraint) {
                constraint.name.clone_from(&to);
            }
            ctx.edit.put_table(table);
        }
        Relation::System(_) => return Err(Error::internal("system relations are refused before")),
    }
    restate.finish(ctx)
}

fn rename_column(relation: &Relation, from: &str, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let taken = |columns: &[crate::catalog::descriptor::ColumnDesc]| columns.iter().any(|column| column.name == to);
    let missing = || crate::error!(UNDEFINED_COLUMN, "column \"{from}\" does not exist");
    let exists =
        || crate::error!(DUPLICATE_COLUMN, "column \"{to}\" of relation \"{}\" already exists", relation.name());
    match relation {
        Relation::Table(table) => {
            let at = table.column_named(from).ok_or_else(missing)?;
            columns::check_name(&to)?;
            if taken(&table.columns) {
                return Err(exists());
            }
            ctx.lock_exclusively(table.oid)?;
            let restate = Restate::begin(ctx, &renamed_column(table.oid, from, &to))?;
            let mut table = (**table).clone();
            table.columns[at].name = to;
            ctx.edit.put_table(table);
            restate.finish(ctx)
        }
        Relation::View(view) => {
            let at = view.columns.iter().position(|column| column.name == from).ok_or_else(missing)?;
            if taken(&view.columns) {
                return Err(exists());
            }
            let restate = Restate::begin(ctx, &renamed_column(view.oid, from, &to))?;
            let mut view = (**view).clone();
            view.columns[at].name = to;
            ctx.edit.put_view(view);
            restate.finish(ctx)
        }
        other => {
            let error = crate::error!(WRONG_OBJECT_TYPE, "cannot rename columns of relation \"{}\"", other.name());
            Err(error.detail(format!("This operation is not supported for {}s.", other.kind_name())))
        }
    }
}

fn rename_constraint(relation: &Relation, from: &str, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Relation::Table(table) = relation else { bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", relation.name()) };
    let Some(constraint) = table.constraints.iter().find(|constraint| constraint.name == from) else {
        bail!(UNDEFINED_OBJECT, "constraint \"{from}\" for table \"{}\" does not exist", table.name)
    };
    constraints::check_free(table, &to)?;
    let oid = constraint.oid;
    let mut table = (**table).clone();
    let has_index = table.indexes.iter().any(|index| index.constraint == oid);
    if has_index && ctx.relation_in_the_way(table.schema, &to).is_some() {
        bail!(DUPLICATE_TABLE, "relation \"{to}\" already exists");
    }
    for constraint in table.constraints.iter_mut().filter(|constraint| constraint.oid == oid) {
        constraint.name.clone_from(&to);
    }
    for index in table.indexes.iter_mut().filter(|index| index.constraint == oid) {
        Arc::make_mut(index).name.clone_from(&to);
    }
    ctx.edit.put_table(table);
    Ok(())
}

fn rename_schema(statement: &Rename, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let from = statement.name.last();
    let found = ctx.snapshot().objects.schemas.values().find(|schema| schema.name == from).cloned();
    let Some(desc) = found else { bail!(INVALID_SCHEMA_NAME, "schema \"{from}\" does not exist") };
    ctx.check_owner(desc.owner, "schema", from)?;
    if ctx.snapshot().schema_named(&to).is_some() {
        bail!(DUPLICATE_SCHEMA, "schema \"{to}\" already exists");
    }
    schema::check_name(&to)?;
    let restate = Restate::begin(ctx, &Renaming::Schema { from: from.to_owned(), to: to.clone() })?;
    let mut desc = (*desc).clone();
    desc.name = to;
    ctx.edit.put_schema(desc);
    restate.finish(ctx)
}

fn rename_database(statement: &Rename, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let from = statement.name.last();
    let Some(found) = ctx.snapshot().database_named(from).cloned() else {
        bail!(INVALID_CATALOG_NAME, "database \"{from}\" does not exist")
    };
    ctx.check_owner(found.owner, "database", from)?;
    if ctx.snapshot().database_named(&to).is_some() {
        bail!(DUPLICATE_DATABASE, "database \"{to}\" already exists");
    }
    if found.oid == ctx.snapshot().database {
        bail!(FEATURE_NOT_SUPPORTED, "current database cannot be renamed");
    }
    let mut desc = (*found).clone();
    desc.name = to;
    ctx.edit.put_database(desc);
    Ok(())
}

fn rename_role(statement: &Rename, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let found = ctx.role_named(statement.name.last())?;
    if found.oid == ctx.role.oid {
        bail!(FEATURE_NOT_SUPPORTED, "current user cannot be renamed");
    }
    if !ctx.role.superuser && (!ctx.role.create_role || found.superuser) {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied to rename role");
    }
    role::check_name(&to)?;
    if ctx.snapshot().role_named(&to).is_some() {
        bail!(DUPLICATE_OBJECT, "role \"{to}\" already exists");
    }
    let verifier = ctx.catalog.verifier(&found.name)?;
    ctx.txn.put_meta(Cf::Users, found.name.as_bytes().to_vec(), None);
    if let Some(verifier) = verifier {
        ctx.txn.put_meta(Cf::Users, to.as_bytes().to_vec(), Some(verifier));
    }
    let mut desc = (*found).clone();
    desc.name = to;
    ctx.edit.put_role(desc);
    Ok(())
}

fn rename_type(statement: &Rename, to: String, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut desc = (*types::user_type(&statement.name, ctx)?).clone();
    if statement.kind == ObjectKind::Domain && !matches!(desc.kind, TypeKind::Domain { .. }) {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a domain", desc.name);
    }
    let renaming = match &statement.part {
        Some(_) => Renaming::None,
        None => object(ctx, desc.oid, desc.schema, &to),
    };
    let restate = Restate::begin(ctx, &renaming)?;
    match &statement.part {
        Some((_, from)) => {
            let relation = desc.name.clone();
            let TypeKind::Composite { fields } = &mut desc.kind else {
                bail!(WRONG_OBJECT_TYPE, "\"{relation}\" is not a composite type")
            };
            if fields.iter().any(|(name, _)| *name == to) {
                bail!(DUPLICATE_COLUMN, "column \"{to}\" of relation \"{relation}\" already exists");
            }
            match fields.iter_mut().find(|(name, _)| name == from) {
                Some(field) => field.0 = to,
                None => bail!(UNDEFINED_COLUMN, "column \"{from}\" does not exist"),
            }
        }
        None => {
            let taken = ctx.snapshot().type_in(desc.schema, &to);
            if taken.is_some_and(|found| !matches!(found, TypeRef::UserArray(_))) {
                bail!(DUPLICATE_OBJECT, "type \"{to}\" already exists");
            }
            desc.name = to;
        }
    }
    ctx.edit.put_type(desc);
    restate.finish(ctx)
}

/// ALTER ... SET SCHEMA; a table's sequences and indexes go with it.
pub(super) fn set_schema(relation: &Relation, schema: &str, ctx: &mut DdlContext<'_>) -> Result<()> {
    let target =
        ctx.creation_schema(&Name { parts: vec![schema.to_owned(), relation.name().to_owned()], position: 0 }, false)?;
    let own = ctx.snapshot().relation_schema(relation);
    if own == target {
        return Ok(());
    }
    if let Some(other) = ctx.relation_in_the_way(target, relation.name()) {
        bail!(DUPLICATE_TABLE, "relation \"{}\" already exists in schema \"{schema}\"", other.name());
    }
    let restate = Restate::begin(ctx, &object(ctx, relation.oid(), target, relation.name()))?;
    match relation {
        Relation::Table(table) => {
            for oid in sequence::owned_by_table(ctx, table.oid) {
                let mut sequence = (*ctx.snapshot().objects.sequences[&oid]).clone();
                sequence.schema = target;
                ctx.edit.put_sequence(sequence);
            }
            let mut table = (**table).clone();
            table.schema = target;
            ctx.edit.put_table(table);
        }
        Relation::View(view) => {
            let mut view = (**view).clone();
            view.schema = target;
            ctx.edit.put_view(view);
        }
        Relation::Sequence(sequence) => {
            if let Some((table, _)) = sequence.owned_by {
                let error = crate::error!(FEATURE_NOT_SUPPORTED, "cannot move an owned sequence into another schema");
                return Err(error.detail(format!(
                    "Sequence \"{}\" is linked to table \"{}\".",
                    sequence.name,
                    ctx.table_by_oid(table).name
                )));
            }
            let mut sequence = (**sequence).clone();
            sequence.schema = target;
            ctx.edit.put_sequence(sequence);
        }
        other => {
            let error =
                crate::error!(WRONG_OBJECT_TYPE, "cannot change schema of {} \"{}\"", other.kind_name(), other.name());
            return Err(error.hint("Change the schema of the table instead."));
        }
    }
    restate.finish(ctx)
}

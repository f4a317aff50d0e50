//! DROP of everything: which objects go, who else must go with them, and when that is refused.

use super::context::DdlContext;
use super::depend::{self, Object, Tie, describe};
use super::{database, remove, rename, role};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::TableDesc;
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG, PG_TOAST, TypeRef};
use crate::common::quote_ident;
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::ast::{Drop, Name, ObjectKind};
use crate::types::Oid;

/// DROP.
pub(super) fn drop(statement: &Drop, ctx: &mut DdlContext<'_>) -> Result<()> {
    match statement.kind {
        ObjectKind::Database => return database::drop_databases(statement, ctx),
        ObjectKind::Role => return role::drop_roles(statement, ctx),
        _ => {}
    }
    if statement.concurrently && statement.names.len() > 1 {
        bail!(FEATURE_NOT_SUPPORTED, "DROP INDEX CONCURRENTLY does not support dropping multiple objects");
    }
    if statement.concurrently && statement.cascade {
        bail!(FEATURE_NOT_SUPPORTED, "DROP INDEX CONCURRENTLY does not support CASCADE");
    }
    let mut targets = Vec::new();
    for name in &statement.names {
        if let Some(target) = resolve(statement, name, ctx)?
            && !targets.contains(&target)
        {
            targets.push(target);
        }
    }
    for target in &targets {
        if let Object::Table(oid) = target {
            ctx.lock_exclusively(*oid)?;
            ctx.check_not_waiting(&ctx.table_by_oid(*oid), "DROP TABLE")?;
        }
    }
    drop_objects(&targets, statement.cascade, ctx)
}

/// The object that a name means; `None` when there is none and that is fine.
fn resolve(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    match statement.kind {
        ObjectKind::Schema => schema(statement, name, ctx),
        ObjectKind::Extension => extension(statement, name, ctx),
        ObjectKind::Type | ObjectKind::Domain => user_type(statement, name, ctx),
        ObjectKind::Table
        | ObjectKind::View
        | ObjectKind::MaterializedView
        | ObjectKind::Index
        | ObjectKind::Sequence => relation(statement, name, ctx),
        _ => Err(Error::unsupported(format!("DROP {}", rename::kind_tag(statement.kind)))),
    }
}

fn missing(statement: &Drop, state: SqlState, what: &str, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    if statement.if_exists {
        ctx.skip_missing(what);
        return Ok(None);
    }
    Err(Error::new(state, format!("{what} does not exist")))
}

/// Whether the schema of a qualified name is there; its absence is reported.
fn has_schema(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<bool> {
    match name.schema() {
        Some(schema) if ctx.schema_named(schema).is_none() => {
            missing(statement, SqlState::INVALID_SCHEMA_NAME, &format!("schema \"{schema}\""), ctx)?;
            Ok(false)
        }
        _ => Ok(true),
    }
}

fn relation(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    let kind = match statement.kind {
        ObjectKind::Table => "table",
        ObjectKind::View => "view",
        ObjectKind::MaterializedView => "materialized view",
        ObjectKind::Index => "index",
        _ => "sequence",
    };
    if !has_schema(statement, name, ctx)? {
        return Ok(None);
    }
    let state =
        if statement.kind == ObjectKind::Index { SqlState::UNDEFINED_OBJECT } else { SqlState::UNDEFINED_TABLE };
    let Some(found) = ctx.find_relation(name)? else {
        return missing(statement, state, &format!("{kind} \"{}\"", name.last()), ctx);
    };
    if let Relation::System(desc) = &found {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name);
    }
    if found.kind_name() != kind {
        let article = if kind == "index" { "an" } else { "a" };
        let (own, article_own) = (found.kind_name(), if found.kind_name() == "index" { "an" } else { "a" });
        let error = crate::error!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {kind}", found.name());
        return Err(error.hint(format!("Use DROP {} to remove {article_own} {own}.", own.to_uppercase())));
    }
    // The owner of the schema may drop what is in it.
    let schema = ctx.snapshot().relation_schema(&found);
    let schema_owner = ctx.snapshot().securable(Securable::Schema(schema)).map_or(Oid::NONE, |item| item.1);
    if !ctx.snapshot().owns(&ctx.role, schema_owner) {
        ctx.check_relation_owner(&found)?;
    }
    match &found {
        Relation::Index(index) if index.constraint.is_some() => {
            let constraint = describe(ctx, Object::Constraint(index.table, index.constraint));
            let own = describe(ctx, Object::Index(index.oid));
            let error =
                crate::error!(DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop {own} because {constraint} requires it");
            Err(error.hint(format!("You can drop {constraint} instead.")))
        }
        Relation::Sequence(sequence) if sequence.internal => {
            let (table, attnum) = sequence.owned_by.expect("an identity sequence has an owner");
            let column = describe(ctx, Object::Column(table, attnum));
            let own = describe(ctx, Object::Sequence(sequence.oid));
            let error = crate::error!(DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop {own} because {column} requires it");
            Err(error.hint(format!("You can drop {column} instead.")))
        }
        Relation::Table(desc) => Ok(Some(Object::Table(desc.oid))),
        Relation::View(desc) => Ok(Some(Object::View(desc.oid))),
        Relation::Sequence(desc) => Ok(Some(Object::Sequence(desc.oid))),
        Relation::Index(desc) => Ok(Some(Object::Index(desc.oid))),
        Relation::System(_) => Ok(None),
    }
}

fn schema(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    let bare = name.last();
    let Some(oid) = ctx.snapshot().schema_named(bare) else {
        return missing(statement, SqlState::INVALID_SCHEMA_NAME, &format!("schema \"{bare}\""), ctx);
    };
    if [PG_CATALOG, INFORMATION_SCHEMA, PG_TOAST].contains(&oid) {
        bail!(DEPENDENT_OBJECTS_STILL_EXIST, "cannot drop schema {bare} because it is required by the database system");
    }
    let owner = ctx.snapshot().securable(Securable::Schema(oid)).map_or(Oid::NONE, |item| item.1);
    ctx.check_owner(owner, "schema", bare)?;
    Ok(Some(Object::Schema(oid)))
}

fn extension(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    let bare = name.last();
    let found = ctx.snapshot().objects.extensions.values().find(|extension| extension.name == bare).cloned();
    match found {
        Some(extension) => {
            ctx.check_owner(extension.owner, "extension", bare)?;
            Ok(Some(Object::Extension(extension.oid)))
        }
        None => missing(statement, SqlState::UNDEFINED_OBJECT, &format!("extension \"{bare}\""), ctx),
    }
}

fn user_type(statement: &Drop, name: &Name, ctx: &mut DdlContext<'_>) -> Result<Option<Object>> {
    if !has_schema(statement, name, ctx)? {
        return Ok(None);
    }
    let found = match ctx.explicit_schema(name)? {
        Some(schema) => ctx.snapshot().type_in(schema, name.last()),
        None => ctx.snapshot().find_type(&ctx.path, name.last()),
    };
    match found {
        Some(TypeRef::User(desc)) => {
            let is_domain = matches!(desc.kind, crate::catalog::descriptor::TypeKind::Domain { .. });
            if statement.kind == ObjectKind::Domain && !is_domain {
                bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a domain", desc.name);
            }
            ctx.check_owner(desc.owner, "type", &desc.name)?;
            Ok(Some(Object::Type(desc.oid)))
        }
        Some(TypeRef::Builtin(row)) => {
            let text = ctx.snapshot().type_text(crate::types::SqlType::of(row.oid));
            bail!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop type {text} because it is required by the database system"
            )
        }
        Some(TypeRef::Row(_, relation)) => {
            let error = crate::error!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop type {0} because table {0} requires it",
                quote_ident(&relation)
            );
            Err(error.hint(format!("You can drop table {} instead.", quote_ident(&relation))))
        }
        Some(TypeRef::UserArray(desc)) => {
            let error = crate::error!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop type {0}[] because type {0} requires it",
                quote_ident(&desc.name)
            );
            Err(error.hint(format!("You can drop type {} instead.", quote_ident(&desc.name))))
        }
        None => missing(statement, SqlState::UNDEFINED_OBJECT, &format!("type \"{name}\""), ctx),
    }
}

/// Drops objects with all that depends on them, or refuses.
pub(super) fn drop_objects(targets: &[Object], cascade: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (all, by_force) = closure(targets, ctx)?;
    if !by_force.is_empty() {
        if !cascade {
            return Err(refuse(targets, &by_force, ctx));
        }
        announce(&by_force, ctx);
    }
    // Nobody reads or writes what goes, also when it goes along with something else.
    let mut tables: Vec<Oid> = all.iter().filter_map(|object| table_of(*object, ctx)).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.into_iter().try_for_each(|table| ctx.lock_exclusively(table))?;
    // Dependents first, so that nothing is left that names what is gone.
    for object in all.into_iter().rev() {
        remove::remove(ctx, object);
    }
    Ok(())
}

/// The table that an object is, or is a part of.
fn table_of(object: Object, ctx: &DdlContext<'_>) -> Option<Oid> {
    match object {
        Object::Table(table) | Object::Constraint(table, _) | Object::Default(table, _) | Object::Column(table, _) => {
            Some(table)
        }
        Object::Index(oid) => match ctx.snapshot().relation(oid) {
            Some(Relation::Index(index)) => Some(index.table),
            _ => None,
        },
        _ => None,
    }
}

/// Everything that goes, and of it what goes only with CASCADE, each with what it depends on.
#[allow(clippy::type_complexity)]
fn closure(targets: &[Object], ctx: &DdlContext<'_>) -> Result<(Vec<Object>, Vec<(Object, Object)>)> {
    let mut all: Vec<Object> = targets.to_vec();
    let mut by_force: Vec<(Object, Object)> = Vec::new();
    for target in targets {
        follow(*target, ctx, &mut all, &mut by_force)?;
    }
    // A part of a table that turned out to go as a whole needs no mention.
    by_force.retain(|(dependent, _)| !inside(&all, *dependent));
    Ok((all, by_force))
}

/// Adds an object's dependents, each with its own at once.
fn follow(
    object: Object,
    ctx: &DdlContext<'_>,
    all: &mut Vec<Object>,
    by_force: &mut Vec<(Object, Object)>,
) -> Result<()> {
    let mut later = Vec::new();
    for (dependent, tie) in depend::dependents(ctx, object)? {
        if all.contains(&dependent) || inside(all, dependent) {
            continue;
        }
        all.push(dependent);
        if tie == Tie::Normal {
            by_force.push((dependent, object));
        }
        // What is in a schema depends on the schema before it depends on anything else.
        if matches!(object, Object::Schema(_)) {
            later.push(dependent);
        } else {
            follow(dependent, ctx, all, by_force)?;
        }
    }
    later.into_iter().try_for_each(|dependent| follow(dependent, ctx, all, by_force))
}

/// Whether an object is a part of a table that goes as a whole.
fn inside(all: &[Object], object: Object) -> bool {
    match object {
        Object::Constraint(table, _) | Object::Default(table, _) | Object::Column(table, _) => {
            all.contains(&Object::Table(table))
        }
        _ => false,
    }
}

fn refuse(targets: &[Object], by_force: &[(Object, Object)], ctx: &DdlContext<'_>) -> Error {
    let message = match targets {
        [only] => format!("cannot drop {} because other objects depend on it", describe(ctx, *only)),
        _ => "cannot drop desired object(s) because other objects depend on them".to_owned(),
    };
    let line = |(dependent, on): &(Object, Object)| {
        let on = depend::described_cause(ctx, *dependent, *on);
        format!("{} depends on {}", describe(ctx, *dependent), describe(ctx, on))
    };
    let lines: Vec<String> = by_force.iter().map(line).collect();
    Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, message)
        .detail(lines.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too.")
}

fn announce(by_force: &[(Object, Object)], ctx: &mut DdlContext<'_>) {
    let lines: Vec<String> =
        by_force.iter().map(|(object, _)| format!("drop cascades to {}", describe(ctx, *object))).collect();
    let notice = |message: String| Error::with_severity(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, message);
    let report = match lines.as_slice() {
        [only] => notice(only.clone()),
        many => notice(format!("drop cascades to {} other objects", many.len())).detail(many.join("\n")),
    };
    ctx.notices.push(report);
}

/// ALTER TABLE ... DROP COLUMN.
pub(super) fn drop_column(
    table: &TableDesc,
    name: &str,
    if_exists: bool,
    cascade: bool,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    let Some(at) = table.column_named(name) else {
        if if_exists {
            ctx.skip_missing(&format!("column \"{name}\" of relation \"{}\"", table.name));
            return Ok(());
        }
        return Err(rename::no_column(name, &table.name));
    };
    drop_objects(&[Object::Column(table.oid, table.columns[at].attnum)], cascade, ctx)
}

/// ALTER TABLE ... DROP CONSTRAINT.
pub(super) fn drop_constraint(
    table: &TableDesc,
    name: &str,
    if_exists: bool,
    cascade: bool,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    if let Some(constraint) = table.constraints.iter().find(|constraint| constraint.name == name) {
        return drop_objects(&[Object::Constraint(table.oid, constraint.oid)], cascade, ctx);
    }
    // NOT NULL has no descriptor of its own: its constraint goes by the name that PostgreSQL gives it.
    let named = |column: &str| format!("{}_{column}_not_null", table.name) == name;
    if let Some(at) = table.columns.iter().position(|column| column.not_null && named(&column.name)) {
        let mut changed = table.clone();
        changed.columns[at].not_null = false;
        ctx.edit.put_table(changed);
        return Ok(());
    }
    let what = format!("constraint \"{name}\" of relation \"{}\"", table.name);
    if if_exists {
        ctx.skip_missing(&what);
        return Ok(());
    }
    bail!(UNDEFINED_OBJECT, "{what} does not exist")
}

/// Drops a schema with everything in it, dependents included: the end of a session's temporary schema.
///
/// # Errors
/// Storage errors.
pub fn drop_schema(schema: Oid, ctx: &mut DdlContext<'_>) -> Result<()> {
    drop_objects(&[Object::Schema(schema)], true, ctx)
}

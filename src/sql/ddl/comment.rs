//! COMMENT ON.

use super::context::DdlContext;
use super::{rename, types};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{Comment, Name, ObjectKind};
use crate::types::Oid;

/// Catalogs whose rows comments are on, by OID.
const PG_CLASS: Oid = Oid(1259);
const PG_TYPE: Oid = Oid(1247);
const PG_CONSTRAINT: Oid = Oid(2606);
const PG_NAMESPACE: Oid = Oid(2615);
const PG_EXTENSION: Oid = Oid(3079);
const PG_DATABASE: Oid = Oid(1262);
const PG_AUTHID: Oid = Oid(1260);

/// COMMENT ON.
pub(super) fn comment(statement: &Comment, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(key) = target(statement, ctx)? else { return Ok(()) };
    check_owner(key, ctx)?;
    let text = statement.text.clone().filter(|text| !text.is_empty());
    ctx.edit.set_comment(key, text);
    Ok(())
}

/// Who owns the object may say something about it.
fn check_owner(key: (Oid, Oid, i32), ctx: &DdlContext<'_>) -> Result<()> {
    let object = match key.0 {
        PG_NAMESPACE => Securable::Schema(key.1),
        PG_DATABASE => Securable::Database(key.1),
        _ => return Ok(()),
    };
    match ctx.snapshot().securable(object) {
        Some((kind, owner, name)) => ctx.check_owner(owner, kind.word(), &name),
        None => Ok(()),
    }
}

fn target(statement: &Comment, ctx: &mut DdlContext<'_>) -> Result<Option<(Oid, Oid, i32)>> {
    let name = &statement.name;
    Ok(Some(match statement.kind {
        ObjectKind::Table
        | ObjectKind::Index
        | ObjectKind::Sequence
        | ObjectKind::View
        | ObjectKind::MaterializedView => (PG_CLASS, relation(statement.kind, name, ctx)?, 0),
        ObjectKind::Column => column(name, ctx)?,
        ObjectKind::Constraint => constraint(statement, ctx)?,
        ObjectKind::Schema => match ctx.snapshot().schema_named(name.last()) {
            Some(oid) => (PG_NAMESPACE, oid, 0),
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", name.last()),
        },
        ObjectKind::Type | ObjectKind::Domain => (PG_TYPE, types::user_type(name, ctx)?.oid, 0),
        ObjectKind::Extension => {
            let found = ctx.snapshot().objects.extensions.values().find(|found| found.name == name.last());
            match found {
                Some(extension) => (PG_EXTENSION, extension.oid, 0),
                None => bail!(UNDEFINED_OBJECT, "extension \"{}\" does not exist", name.last()),
            }
        }
        ObjectKind::Role => (PG_AUTHID, ctx.role_named(name.last())?.oid, 0),
        ObjectKind::Database => match ctx.snapshot().database_named(name.last()).map(|database| database.oid) {
            Some(oid) => (PG_DATABASE, oid, 0),
            None => {
                let message = format!("database \"{}\" does not exist", name.last());
                ctx.warning(SqlState::INVALID_CATALOG_NAME, message);
                return Ok(None);
            }
        },
        ObjectKind::Function => return Err(Error::unsupported("COMMENT ON FUNCTION")),
    }))
}

fn relation(kind: ObjectKind, name: &Name, ctx: &DdlContext<'_>) -> Result<Oid> {
    let relation = ctx.relation(name)?;
    let wanted = rename::kind_tag(kind).to_lowercase();
    if relation.kind_name() != wanted {
        let article = if wanted == "index" { "an" } else { "a" };
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {wanted}", relation.name());
    }
    ctx.check_relation_owner(&relation)?;
    Ok(relation.oid())
}

/// `table.column`, `schema.table.column`.
fn column(name: &Name, ctx: &DdlContext<'_>) -> Result<(Oid, Oid, i32)> {
    let (column, table) = name.parts.split_last().expect("a name has a part");
    if table.is_empty() {
        bail!(SYNTAX_ERROR, "column name must be qualified");
    }
    let relation = ctx.relation(&Name { parts: table.to_vec(), position: name.position })?;
    ctx.check_relation_owner(&relation)?;
    let columns = match &relation {
        Relation::Table(table) => &table.columns,
        Relation::View(view) => &view.columns,
        other => {
            let error = crate::error!(WRONG_OBJECT_TYPE, "cannot set comment on relation \"{}\"", other.name());
            return Err(error.detail(format!("This operation is not supported for {}es.", other.kind_name())));
        }
    };
    match columns.iter().find(|found| found.name == *column) {
        Some(found) => Ok((PG_CLASS, relation.oid(), i32::from(found.attnum))),
        None => Err(rename::no_column(column, relation.name())),
    }
}

fn constraint(statement: &Comment, ctx: &DdlContext<'_>) -> Result<(Oid, Oid, i32)> {
    let Some(on) = &statement.on else { return Err(Error::internal("a constraint comment names its table")) };
    let table = ctx.table(on)?;
    ctx.check_owner(table.owner, "table", &table.name)?;
    let name = statement.name.last();
    match table.constraints.iter().find(|constraint| constraint.name == name) {
        Some(constraint) => Ok((PG_CONSTRAINT, constraint.oid, 0)),
        None => bail!(UNDEFINED_OBJECT, "constraint \"{name}\" for table \"{}\" does not exist", table.name),
    }
}

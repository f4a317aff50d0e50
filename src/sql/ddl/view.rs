//! CREATE VIEW.

use super::columns::{check_name, check_type, default_collation};
use super::context::DdlContext;
use super::create_table::{attnum_after, check_type_name};
use super::naming::truncate;
use super::view_text;
use super::{bind, grant};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::{ColumnDesc, ViewDesc};
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result};
use crate::sql::ast::CreateView;
use crate::sql::deparse::deparse_query;
use crate::sql::parser;
use crate::types::{Oid, SqlType};

/// CREATE VIEW.
pub(super) fn create_view(create: &CreateView, ctx: &mut DdlContext<'_>) -> Result<()> {
    if create.materialized {
        return Err(Error::unsupported("CREATE MATERIALIZED VIEW"));
    }
    let plan = bind::view_query(&create.query, &ctx.names())?;
    let fields: Vec<(String, SqlType)> = plan.fields().iter().map(|field| (field.name.clone(), field.ty)).collect();
    if create.columns.len() > fields.len() {
        bail!(SYNTAX_ERROR, "CREATE VIEW specifies more column names than columns");
    }
    let mut resolved = create.query.clone();
    let depends_on = view_text::resolve(&mut resolved, &view_text::Renaming::None, ctx)?;
    let temporary = create.temporary || is_temporary(&depends_on, ctx);
    let schema = ctx.creation_schema(&create.name, temporary)?;
    let name = truncate(create.name.last()).to_owned();
    let columns = columns(&fields, create, ctx)?;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let has_star = view_text::has_star(&resolved.body);
    if !has_star {
        view_text::name_columns(&mut resolved.body, &names);
    }
    let query = deparse_query(&resolved).trim_start().to_owned();
    bind::view_query(&parser::parse_query(&query)?, &ctx.stored_names())?;
    let old = match ctx.relation_in_the_way(schema, &name) {
        None => None,
        Some(Relation::View(view)) if create.or_replace => Some(view),
        Some(_) if create.or_replace => bail!(WRONG_OBJECT_TYPE, "\"{name}\" is not a view"),
        Some(_) => bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists"),
    };
    let (oid, row_type, owner) = match &old {
        Some(view) => {
            ctx.check_owner(view.owner, "view", &view.name)?;
            check_replacement(&view.columns, &columns, ctx)?;
            (view.oid, view.row_type, view.owner)
        }
        None => {
            check_type_name(ctx, schema, &name)?;
            (ctx.catalog.allocate_oid(), ctx.catalog.allocate_oid(), ctx.role.oid)
        }
    };
    let is_new = old.is_none();
    ctx.edit.put_view(ViewDesc { oid, row_type, schema, name, owner, columns, query, depends_on, temporary });
    if is_new {
        grant::set_default_acl(Securable::Relation(oid), schema, ctx);
    }
    Ok(())
}

fn is_temporary(depends_on: &[Oid], ctx: &DdlContext<'_>) -> bool {
    depends_on.iter().any(|oid| match ctx.snapshot().relation(*oid) {
        Some(Relation::Table(table)) => table.temporary,
        Some(Relation::View(view)) => view.temporary,
        _ => false,
    })
}

fn columns(fields: &[(String, SqlType)], create: &CreateView, ctx: &DdlContext<'_>) -> Result<Vec<ColumnDesc>> {
    let mut columns: Vec<ColumnDesc> = Vec::new();
    for (at, (name, ty)) in fields.iter().enumerate() {
        let name = truncate(create.columns.get(at).unwrap_or(name)).to_owned();
        let ty = if ty.oid == Oid::UNKNOWN { SqlType::of(Oid::TEXT) } else { *ty };
        check_name(&name)?;
        check_type(&name, ty)?;
        if columns.iter().any(|column| column.name == name) {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once");
        }
        columns.push(ColumnDesc {
            attnum: attnum_after(at)?,
            name,
            ty,
            not_null: false,
            default: None,
            generated: None,
            generated_virtual: false,
            identity: None,
            missing: None,
            collation: default_collation(ctx, ty),
            storage: None,
            statistics: None,
            base: super::columns::domain_base(ctx, ty),
        });
    }
    Ok(columns)
}

/// CREATE OR REPLACE VIEW may add columns at the end and change nothing else about them.
fn check_replacement(old: &[ColumnDesc], new: &[ColumnDesc], ctx: &DdlContext<'_>) -> Result<()> {
    if new.len() < old.len() {
        bail!(INVALID_TABLE_DEFINITION, "cannot drop columns from view");
    }
    for (old, new) in old.iter().zip(new) {
        if old.name != new.name {
            let error = crate::error!(
                INVALID_TABLE_DEFINITION,
                "cannot change name of view column \"{}\" to \"{}\"",
                old.name,
                new.name
            );
            return Err(error.hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
        }
        if old.ty != new.ty {
            bail!(
                INVALID_TABLE_DEFINITION,
                "cannot change data type of view column \"{}\" from {} to {}",
                old.name,
                ctx.snapshot().type_text(old.ty),
                ctx.snapshot().type_text(new.ty)
            );
        }
    }
    Ok(())
}

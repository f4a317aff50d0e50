//! CREATE TYPE, ALTER TYPE, CREATE DOMAIN.

use std::sync::Arc;

use super::bind::{self, Place};
use super::columns::check_type;
use super::context::DdlContext;
use super::naming::truncate;
use super::{grant, owner};
use crate::bail;
use crate::catalog::descriptor::{EnumLabel, TypeDesc, TypeKind};
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::TypeRef;
use crate::error::{Result, SqlState};
use crate::sql::ast::{AlterType, CreateDomain, CreateType, CreateTypeKind, Expr as AstExpr, Name};
use crate::sql::deparse::deparse;
use crate::sql::expr::Expr;
use crate::types::{Oid, SqlType};

/// Longest label of an enum, bytes.
const LABEL_BYTES_MAX: usize = 63;

/// The schema and name of a new type, which must be free.
fn new_type_name(name: &Name, ctx: &DdlContext<'_>) -> Result<(Oid, String)> {
    let schema = ctx.creation_schema(name, false)?;
    let bare = truncate(name.last()).to_owned();
    let taken = ctx.snapshot().objects.types.values().any(|ty| ty.schema == schema && ty.name == bare)
        || ctx.snapshot().type_in(schema, &bare).is_some_and(|found| !matches!(found, TypeRef::UserArray(_)));
    if taken {
        bail!(DUPLICATE_OBJECT, "type \"{bare}\" already exists");
    }
    Ok((schema, bare))
}

/// CREATE TYPE.
pub(super) fn create_type(create: &CreateType, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (schema, name) = new_type_name(&create.name, ctx)?;
    let oid = ctx.catalog.allocate_oid();
    let kind = match &create.kind {
        CreateTypeKind::Enum(labels) => TypeKind::Enum { labels: enum_labels(labels, oid, ctx)? },
        CreateTypeKind::Composite(fields) => {
            if ctx.relation_in_the_way(schema, &name).is_some() {
                bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
            }
            let mut resolved: Vec<(String, SqlType)> = Vec::new();
            for (field, ty) in fields {
                let field = truncate(field).to_owned();
                let ty = bind::resolve_type(ty, &ctx.names())?;
                check_type(&field, ty)?;
                if resolved.iter().any(|(other, _)| *other == field) {
                    bail!(DUPLICATE_COLUMN, "column \"{field}\" specified more than once");
                }
                resolved.push((field, ty));
            }
            TypeKind::Composite { fields: resolved }
        }
    };
    let array_oid = ctx.catalog.allocate_oid();
    ctx.edit.put_type(TypeDesc { oid, array_oid, schema, name, owner: ctx.role.oid, kind });
    grant::set_default_acl(Securable::Type(oid), schema, ctx);
    Ok(())
}

fn check_label(label: &str) -> Result<()> {
    if label.len() > LABEL_BYTES_MAX {
        let error = crate::error!(INVALID_NAME, "invalid enum label \"{label}\"");
        return Err(error.detail("Labels must be 63 bytes or less."));
    }
    Ok(())
}

fn enum_labels(labels: &[String], oid: Oid, ctx: &DdlContext<'_>) -> Result<Vec<EnumLabel>> {
    let mut out: Vec<EnumLabel> = Vec::new();
    for (at, label) in labels.iter().enumerate() {
        check_label(label)?;
        if out.iter().any(|other| other.label == *label) {
            let error = crate::error!(
                UNIQUE_VIOLATION,
                "duplicate key value violates unique constraint \"pg_enum_typid_label_index\""
            );
            return Err(error
                .detail(format!("Key (enumtypid, enumlabel)=({oid}, {label}) already exists."))
                .table("pg_catalog", "pg_enum")
                .constraint("pg_enum_typid_label_index"));
        }
        let sort_order = (at + 1) as f32;
        out.push(EnumLabel { oid: ctx.catalog.allocate_oid(), sort_order, label: label.clone() });
    }
    Ok(out)
}

/// The user's type that a name means.
pub(super) fn user_type(name: &Name, ctx: &DdlContext<'_>) -> Result<Arc<TypeDesc>> {
    let found = match ctx.explicit_schema(name)? {
        Some(schema) => ctx.snapshot().type_in(schema, name.last()),
        None => ctx.snapshot().find_type(&ctx.path, name.last()),
    };
    match found {
        Some(TypeRef::User(desc)) => {
            ctx.check_owner(desc.owner, "type", &desc.name)?;
            Ok(desc)
        }
        Some(TypeRef::Builtin(row)) => {
            let text = ctx.snapshot().type_text(SqlType::of(row.oid));
            bail!(INSUFFICIENT_PRIVILEGE, "must be owner of type {text}")
        }
        Some(TypeRef::UserArray(desc)) => {
            let error = crate::error!(WRONG_OBJECT_TYPE, "cannot alter array type {}[]", desc.name);
            Err(error.hint(format!("You can alter type {}, which will alter the array type as well.", desc.name)))
        }
        Some(TypeRef::Row(_, relation)) => {
            let error = crate::error!(WRONG_OBJECT_TYPE, "{relation} is a table's row type");
            Err(error.hint("Use ALTER TABLE instead."))
        }
        None => bail!(UNDEFINED_OBJECT, "type \"{name}\" does not exist"),
    }
}

/// ALTER TYPE.
pub(super) fn alter_type(alter: &AlterType, ctx: &mut DdlContext<'_>) -> Result<()> {
    match alter {
        AlterType::AddValue { name, label, if_not_exists, before, after } => {
            let place = before.as_deref().map(|label| (label, true)).or(after.as_deref().map(|label| (label, false)));
            add_value(name, label, *if_not_exists, place, ctx)
        }
        AlterType::RenameValue { name, from, to } => {
            let mut desc = (*user_type(name, ctx)?).clone();
            let labels = labels_of(&mut desc)?;
            check_label(to)?;
            let Some(at) = labels.iter().position(|item| item.label == *from) else {
                bail!(INVALID_PARAMETER_VALUE, "\"{from}\" is not an existing enum label")
            };
            if labels.iter().any(|item| item.label == *to) {
                bail!(DUPLICATE_OBJECT, "enum label \"{to}\" already exists");
            }
            labels[at].label.clone_from(to);
            ctx.edit.put_type(desc);
            Ok(())
        }
        AlterType::OwnerTo { name, owner } => {
            let desc = user_type(name, ctx)?;
            let owner = ctx.role_named(owner)?;
            owner::check_new_owner(ctx, &owner, Some(desc.schema))?;
            owner::set_type_owner(desc.oid, owner.oid, ctx);
            Ok(())
        }
        AlterType::SetSchema { name, schema } => {
            let mut desc = (*user_type(name, ctx)?).clone();
            let Some(target) = ctx.schema_named(schema) else {
                bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist")
            };
            if ctx.snapshot().type_in(target, &desc.name).is_some() && target != desc.schema {
                bail!(DUPLICATE_OBJECT, "type \"{}\" already exists in schema \"{schema}\"", desc.name);
            }
            let restate =
                super::rename::Restate::begin(ctx, &super::rename::object(ctx, desc.oid, target, &desc.name))?;
            desc.schema = target;
            ctx.edit.put_type(desc);
            restate.finish(ctx)
        }
    }
}

fn labels_of(desc: &mut TypeDesc) -> Result<&mut Vec<EnumLabel>> {
    let name = desc.name.clone();
    match &mut desc.kind {
        TypeKind::Enum { labels } => Ok(labels),
        _ => bail!(WRONG_OBJECT_TYPE, "{name} is not an enum"),
    }
}

fn add_value(
    name: &Name,
    label: &str,
    if_not_exists: bool,
    place: Option<(&str, bool)>,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    let mut desc = (*user_type(name, ctx)?).clone();
    let oid = ctx.catalog.allocate_oid();
    let labels = labels_of(&mut desc)?;
    check_label(label)?;
    if labels.iter().any(|item| item.label == label) {
        if if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_OBJECT, &format!("enum label \"{label}\""));
            return Ok(());
        }
        bail!(DUPLICATE_OBJECT, "enum label \"{label}\" already exists");
    }
    let at = match place {
        None => labels.len(),
        Some((neighbour, before)) => match labels.iter().position(|item| item.label == neighbour) {
            Some(at) => at + usize::from(!before),
            None => bail!(INVALID_PARAMETER_VALUE, "\"{neighbour}\" is not an existing enum label"),
        },
    };
    let below = at.checked_sub(1).map(|at| labels[at].sort_order);
    let above = labels.get(at).map(|item| item.sort_order);
    let sort_order = match (below, above) {
        (None, None) => 1.0,
        (Some(below), None) => below + 1.0,
        (None, Some(above)) => above - 1.0,
        (Some(below), Some(above)) => below.midpoint(above),
    };
    if Some(sort_order) == below || Some(sort_order) == above {
        // Values already stored carry their places, so these cannot be dealt out anew.
        bail!(PROGRAM_LIMIT_EXCEEDED, "no room for another enum label between its neighbours");
    }
    labels.insert(at, EnumLabel { oid, sort_order, label: label.to_owned() });
    ctx.edit.put_type(desc);
    Ok(())
}

/// CREATE DOMAIN.
pub(super) fn create_domain(create: &CreateDomain, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (schema, name) = new_type_name(&create.name, ctx)?;
    let base = bind::resolve_type(&create.base, &ctx.names())?;
    if check_type("", base).is_err() {
        let text = ctx.snapshot().type_text(base);
        bail!(DATATYPE_MISMATCH, "\"{text}\" is not a valid base type for a domain");
    }
    let columns = [("value".to_owned(), base)];
    let stored = ctx.stored_names();
    let text = |expr: &Expr| deparse(expr, &|_| "VALUE".to_owned(), &stored);
    let default = match &create.default {
        Some(expr) => {
            let place = Place::Default(name.clone());
            bind::bind(expr, &[], Some(base), &ctx.names(), &place)?;
            let bound = bind::bind(expr, &[], Some(SqlType::of(base.oid)), &ctx.names(), &place)?;
            Some(text(&bound))
        }
        None => None,
    };
    let mut checks: Vec<(String, String)> = Vec::new();
    for (written, expr) in &create.checks {
        let check = domain_check(expr, &columns, ctx)?;
        let label = match written {
            Some(label) => {
                if checks.iter().any(|(other, _)| other == label) {
                    bail!(DUPLICATE_OBJECT, "constraint \"{label}\" for domain \"{name}\" already exists");
                }
                label.clone()
            }
            None => free_check_name(&name, &checks),
        };
        checks.push((label, text(&check)));
    }
    let kind = TypeKind::Domain { base, not_null: create.not_null, default, checks };
    let (oid, array_oid) = (ctx.catalog.allocate_oid(), ctx.catalog.allocate_oid());
    ctx.edit.put_type(TypeDesc { oid, array_oid, schema, name, owner: ctx.role.oid, kind });
    grant::set_default_acl(Securable::Type(oid), schema, ctx);
    Ok(())
}

fn domain_check(expr: &AstExpr, columns: &[(String, SqlType)], ctx: &DdlContext<'_>) -> Result<Expr> {
    bind::bind(expr, columns, Some(SqlType::of(Oid::BOOL)), &ctx.names(), &Place::Check)
}

fn free_check_name(domain: &str, checks: &[(String, String)]) -> String {
    let mut number = 0_u32;
    loop {
        let suffix = if number == 0 { String::new() } else { number.to_string() };
        let name = format!("{domain}_check{suffix}");
        if !checks.iter().any(|(other, _)| *other == name) {
            return name;
        }
        number += 1;
    }
}

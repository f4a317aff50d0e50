//! ALTER TABLE ... ALTER COLUMN: defaults, NOT NULL, identity, and the type.

use std::sync::Arc;

use super::bind::{self, Place};
use super::columns::{check_type, collation, storage_letter};
use super::context::DdlContext;
use super::{defaults, depend, index, rename, rewrite, sequence, validate, visit};
use crate::bail;
use crate::catalog::descriptor::{ConstraintKind, Identity, IndexTarget, TableDesc};
use crate::catalog::vector_index;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{AlterAction, Expr as AstExpr, ExprKind, Name, TypeName};
use crate::sql::eval::{Row, eval_row};
use crate::sql::expr::Expr;
use crate::types::{Oid, SqlType};

/// An action on one column.
pub(super) fn alter_column(mut table: TableDesc, action: &AlterAction, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (AlterAction::SetDefault { column, .. }
    | AlterAction::SetNotNull { column, .. }
    | AlterAction::SetType { column, .. }
    | AlterAction::SetStorage { column, .. }
    | AlterAction::SetStatistics { column, .. }
    | AlterAction::AddIdentity { column, .. }
    | AlterAction::SetIdentity { column, .. }
    | AlterAction::DropIdentity { column, .. }
    | AlterAction::DropExpression { column, .. }) = action
    else {
        return Err(Error::internal("not an action on a column"));
    };
    let Some(at) = table.column_named(column) else { return Err(rename::no_column(column, &table.name)) };
    match action {
        AlterAction::SetDefault { default, .. } => set_default(&mut table, at, default.as_ref(), ctx)?,
        AlterAction::SetNotNull { not_null: true, .. } => {
            if !table.columns[at].not_null {
                validate::not_null(ctx, &table, &[table.columns[at].attnum])?;
                table.columns[at].not_null = true;
            }
        }
        AlterAction::SetNotNull { .. } => drop_not_null(&mut table, at)?,
        AlterAction::SetType { ty, using, .. } => return set_type(table, at, ty, using.as_ref(), ctx),
        AlterAction::SetStorage { storage, .. } => table.columns[at].storage = Some(storage_letter(storage)?),
        AlterAction::SetStatistics { target, .. } => {
            table.columns[at].statistics = Some(*target).filter(|target| *target >= 0);
        }
        AlterAction::AddIdentity { always, options, .. } => {
            check_identity(&table, at)?;
            let desc = &table.columns[at];
            let column = (desc.name.as_str(), desc.attnum, desc.ty.oid);
            let sequence = sequence::create_owned(ctx, &table, column, options, true)?;
            table.columns[at].identity = Some(Identity { always: *always, sequence });
        }
        AlterAction::SetIdentity { always, options, .. } => {
            let relation = table.name.clone();
            let Some(identity) = table.columns[at].identity.as_mut() else {
                bail!(
                    OBJECT_NOT_IN_PREREQUISITE_STATE,
                    "column \"{column}\" of relation \"{relation}\" is not an identity column"
                )
            };
            identity.always = always.unwrap_or(identity.always);
            let mut desc = (*ctx.snapshot().objects.sequences[&identity.sequence]).clone();
            sequence::alter_options(&mut desc, options, ctx)?;
        }
        AlterAction::DropIdentity { if_exists, .. } => drop_identity(&mut table, at, *if_exists, ctx)?,
        AlterAction::DropExpression { .. } if table.columns[at].generated_virtual => {
            let error = crate::error!(
                FEATURE_NOT_SUPPORTED,
                "ALTER TABLE / DROP EXPRESSION is not supported for virtual generated columns"
            );
            return Err(error
                .detail(format!("Column \"{column}\" of relation \"{}\" is a virtual generated column.", table.name)));
        }
        AlterAction::DropExpression { if_exists, .. } => {
            if table.columns[at].generated.take().is_none() {
                let what = format!("column \"{column}\" of relation \"{}\" is not a generated column", table.name);
                if !if_exists {
                    bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "{what}");
                }
                ctx.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{what}, skipping"));
            }
        }
        _ => return Err(Error::internal("not an action on a column")),
    }
    ctx.edit.put_table(table);
    Ok(())
}

fn set_default(table: &mut TableDesc, at: usize, default: Option<&AstExpr>, ctx: &DdlContext<'_>) -> Result<()> {
    let (column, relation) = (table.columns[at].name.clone(), table.name.clone());
    if table.columns[at].identity.is_some() {
        let error = crate::error!(SYNTAX_ERROR, "column \"{column}\" of relation \"{relation}\" is an identity column");
        let hint = "Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.";
        return Err(if default.is_none() { error.hint(hint) } else { error });
    }
    if table.columns[at].generated.is_some() {
        let error = crate::error!(SYNTAX_ERROR, "column \"{column}\" of relation \"{relation}\" is a generated column");
        let hint = "Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.";
        let alternative = "Use ALTER TABLE ... ALTER COLUMN ... SET EXPRESSION instead.";
        return Err(error.hint(if default.is_none() { hint } else { alternative }));
    }
    table.columns[at].default = match default {
        Some(expr) => {
            defaults::default(table, at, expr, ctx)?.map(|bound| bind::text_of(&bound, table, &ctx.stored_names()))
        }
        None => None,
    };
    Ok(())
}

fn drop_not_null(table: &mut TableDesc, at: usize) -> Result<()> {
    let column = &table.columns[at];
    if column.identity.is_some() {
        bail!(SYNTAX_ERROR, "column \"{}\" of relation \"{}\" is an identity column", column.name, table.name);
    }
    let target = IndexTarget::Column(column.attnum);
    if table.primary_index().is_some_and(|index| index.keys.iter().any(|key| key.target == target)) {
        bail!(INVALID_TABLE_DEFINITION, "column \"{}\" is in a primary key", column.name);
    }
    table.columns[at].not_null = false;
    Ok(())
}

fn check_identity(table: &TableDesc, at: usize) -> Result<()> {
    let (column, relation) = (&table.columns[at], &table.name);
    let name = &column.name;
    if !matches!(column.ty.oid, Oid::INT2 | Oid::INT4 | Oid::INT8) {
        bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    }
    if !column.not_null {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{relation}\" must be declared NOT NULL before identity can be added"
        );
    }
    if column.identity.is_some() {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{relation}\" is already an identity column"
        );
    }
    if column.default.is_some() {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{relation}\" already has a default value"
        );
    }
    Ok(())
}

fn drop_identity(table: &mut TableDesc, at: usize, if_exists: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(identity) = table.columns[at].identity.take() else {
        let what =
            format!("column \"{}\" of relation \"{}\" is not an identity column", table.columns[at].name, table.name);
        if !if_exists {
            bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "{what}");
        }
        ctx.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{what}, skipping"));
        return Ok(());
    };
    super::remove::sequence(ctx, identity.sequence);
    Ok(())
}

/// SET DATA TYPE.
fn set_type(old: TableDesc, at: usize, ty: &TypeName, using: Option<&AstExpr>, ctx: &mut DdlContext<'_>) -> Result<()> {
    let target = bind::resolve_type(ty, &ctx.names())?;
    let column = old.columns[at].clone();
    check_type(&column.name, target)?;
    if using.is_some() && column.generated.is_some() {
        let error =
            crate::error!(INVALID_COLUMN_DEFINITION, "cannot specify USING when altering type of generated column");
        return Err(error.detail(format!("Column \"{}\" is a generated column.", column.name)));
    }
    refuse_dependents(&old, at, ctx)?;
    let convert = conversion(&old, at, target, using, ctx)?;
    let mut new = old.clone();
    new.columns[at].ty = target;
    new.columns[at].base = super::columns::domain_base(ctx, target);
    new.columns[at].collation = collation(ctx, target, None)?;
    if let Some(text) = &column.default {
        check_default(&new, at, text, target, ctx)?;
    }
    if let Some(identity) = &column.identity {
        let mut desc = (*ctx.snapshot().objects.sequences[&identity.sequence]).clone();
        if !matches!(target.oid, Oid::INT2 | Oid::INT4 | Oid::INT8) {
            bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
        }
        sequence::retype(&mut desc, target.oid);
        ctx.edit.put_sequence(desc);
    }
    refresh_expressions(&old, &mut new, at, ctx)?;
    refresh_indexes(&old, &mut new, at, ctx)?;
    if keeps_rows(column.ty, target) && using.is_none() {
        ctx.edit.put_table(new);
        return Ok(());
    }
    let eval = ctx.eval_context();
    let new = rewrite::rewrite(ctx, &old, new, &mut |mut row| {
        row[at] = eval_row(&convert, Row::Values(&row), &eval)?;
        Ok(row)
    })?;
    recheck(&new, at, ctx)
}

/// Whether stored values are of the new type as they are.
fn keeps_rows(old: SqlType, new: SqlType) -> bool {
    let unbounded = new.typmod < 0 || (old.oid == new.oid && old.typmod >= 0 && new.typmod >= old.typmod);
    let strings = [Oid::TEXT, Oid::VARCHAR];
    let texts = strings.contains(&old.oid) && strings.contains(&new.oid);
    old == new
        || (texts && unbounded)
        || (old.oid == new.oid
            && matches!(old.oid, Oid::VARBIT | Oid::VECTOR | Oid::HALFVEC | Oid::NUMERIC)
            && new.typmod < 0)
}

/// The new value as an expression over the old row.
fn conversion(
    old: &TableDesc,
    at: usize,
    target: SqlType,
    using: Option<&AstExpr>,
    ctx: &DdlContext<'_>,
) -> Result<Expr> {
    let column = &old.columns[at];
    let columns = bind::columns_of(old);
    let plain = AstExpr { kind: ExprKind::Column(Name::simple(column.name.clone(), 0)), position: 0 };
    let bound = bind::bind(using.unwrap_or(&plain), &columns, Some(target), &ctx.names(), &Place::Using);
    let text = ctx.snapshot().type_text(target);
    let is_mismatch =
        |error: &Error| [SqlState::DATATYPE_MISMATCH, SqlState::CANNOT_COERCE].contains(&error.sqlstate());
    match bound {
        Err(error) if is_mismatch(&error) && using.is_none() => {
            let name = &column.name;
            let error =
                crate::error!(DATATYPE_MISMATCH, "column \"{name}\" cannot be cast automatically to type {text}");
            let quoted = crate::common::quote_ident(name);
            Err(if column.generated.is_some() {
                error
            } else {
                error.hint(format!("You might need to specify \"USING {quoted}::{text}\"."))
            })
        }
        Err(error) if is_mismatch(&error) => {
            let error = crate::error!(
                DATATYPE_MISMATCH,
                "result of USING clause for column \"{}\" cannot be cast automatically to type {text}",
                column.name
            );
            Err(error.hint("You might need to add an explicit cast."))
        }
        other => other,
    }
}

/// Refuses a type that the default cannot be assigned to. The text of the default stays.
fn check_default(new: &TableDesc, at: usize, text: &str, target: SqlType, ctx: &DdlContext<'_>) -> Result<()> {
    let column = &new.columns[at];
    let place = Place::Default(column.name.clone());
    match bind::bind_stored(text, new, Some(target), &ctx.stored_names(), &place) {
        Ok(_) => Ok(()),
        Err(error) if [SqlState::DATATYPE_MISMATCH, SqlState::CANNOT_COERCE].contains(&error.sqlstate()) => {
            let name = &column.name;
            let text = ctx.snapshot().type_text(target);
            bail!(DATATYPE_MISMATCH, "default for column \"{name}\" cannot be cast automatically to type {text}")
        }
        Err(error) => Err(error),
    }
}

/// Refuses a change under views and generated columns.
fn refuse_dependents(table: &TableDesc, at: usize, ctx: &DdlContext<'_>) -> Result<()> {
    let column = &table.columns[at];
    if let Some(view) = depend::views_on_column(ctx, table, column.attnum).first() {
        let name = ctx.relation_text(*view);
        let error = crate::error!(FEATURE_NOT_SUPPORTED, "cannot alter type of a column used by a view or rule");
        return Err(error.detail(format!("rule _RETURN on view {name} depends on column \"{}\"", column.name)));
    }
    if let Some(generated) = depend::generated_from(ctx, table, at)?.first() {
        let error = crate::error!(FEATURE_NOT_SUPPORTED, "cannot alter type of a column used by a generated column");
        let generated = &table.columns[*generated].name;
        return Err(error.detail(format!("Column \"{}\" is used by generated column \"{generated}\".", column.name)));
    }
    Ok(())
}

/// Binds checks, predicates and expressions over the new type and stores their new text.
fn refresh_expressions(old: &TableDesc, new: &mut TableDesc, at: usize, ctx: &DdlContext<'_>) -> Result<()> {
    let names = ctx.stored_names();
    let attnum = old.columns[at].attnum;
    let bool = Some(SqlType::of(Oid::BOOL));
    let shape = new.clone();
    for constraint in &mut new.constraints {
        if let ConstraintKind::Check { expr, columns } = &mut constraint.kind
            && columns.contains(&attnum)
        {
            let bound = bind::bind_stored(expr, &shape, bool, &names, &Place::Check)?;
            *expr = bind::text_of(&bound, &shape, &names);
        }
    }
    for found in &mut new.indexes {
        let desc = Arc::make_mut(found);
        if let Some(text) = &mut desc.predicate {
            let bound = bind::bind_stored(text, &shape, bool, &names, &Place::IndexPredicate)?;
            *text = bind::text_of(&bound, &shape, &names);
        }
        for key in &mut desc.keys {
            if let IndexTarget::Expr(text) = &mut key.target {
                let bound = bind::bind_stored(text, &shape, None, &names, &Place::IndexKey)?;
                if visit::attributes(&bound, &shape).contains(&attnum) {
                    key.ty = bound.ty();
                    *text = bind::text_of(&bound, &shape, &names);
                }
            }
        }
    }
    if let Some(text) = shape.columns[at].generated.clone() {
        let bound = defaults::read_back(&shape, at, &text, ctx)?;
        new.columns[at].generated = Some(bind::text_of(&bound, &shape, &names));
    }
    Ok(())
}

/// Keys over the column take its new type, and the operator class that goes with it.
fn refresh_indexes(old: &TableDesc, new: &mut TableDesc, at: usize, ctx: &DdlContext<'_>) -> Result<()> {
    let (attnum, ty, collation) = (new.columns[at].attnum, new.columns[at].ty, new.columns[at].collation);
    for (found, before) in new.indexes.iter_mut().zip(&old.indexes) {
        let desc = Arc::make_mut(found);
        for (key, before) in desc.keys.iter_mut().zip(&before.keys) {
            if key.target == IndexTarget::Column(attnum) {
                key.ty = ty;
                key.collation = collation;
            }
            if key.ty.oid != before.ty.oid {
                key.opclass = index::retyped_opclass(desc.method, key.opclass, key.ty, ctx)?;
            }
        }
        if vector_index::is_vector(desc.method) && desc.keys[0].ty != before.keys[0].ty {
            vector_index::check(desc)?;
        }
    }
    Ok(())
}

/// Holds the converted rows against the constraints that read the column.
fn recheck(new: &TableDesc, at: usize, ctx: &DdlContext<'_>) -> Result<()> {
    let attnum = new.columns[at].attnum;
    for constraint in new.constraints.iter().filter(|constraint| constraint.validated) {
        match &constraint.kind {
            ConstraintKind::Check { expr, columns } if columns.contains(&attnum) => {
                let bool = Some(SqlType::of(Oid::BOOL));
                let bound = bind::bind_stored(expr, new, bool, &ctx.stored_names(), &Place::Check)?;
                validate::check(ctx, new, &constraint.name, &bound)?;
            }
            ConstraintKind::ForeignKey(key) if key.columns.contains(&attnum) => {
                validate::foreign_key(ctx, new, &constraint.name, key)?;
            }
            _ => {}
        }
    }
    Ok(())
}

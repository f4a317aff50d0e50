//! ALTER TABLE, action by action, and what ALTER INDEX, VIEW and SEQUENCE share with it.

use std::sync::Arc;

use super::columns::{ColumnPlan, check_name, is_constrained_domain, plan_column};
use super::constraints::{self, Added};
use super::context::DdlContext;
use super::create_table::{attnum_after, check_options};
use super::{
    alter_column, bind, defaults, drop, foreign_key, naming, owner, reindex, rename, rewrite, sequence, validate, visit,
};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::{ConstraintKind, Identity, TableDesc};
use crate::error::{Error, Result, Severity, SqlState};
use crate::sql::ast::{AlterAction, AlterTable, ColumnDef, ObjectKind, TableConstraint, TableConstraintKind, Timing};
use crate::sql::eval::{Row, Volatility, eval_row};
use crate::sql::expr::Expr;
use crate::types::{Datum, Oid, SqlType, codec};

/// ALTER TABLE and its kin; the command tag.
pub(super) fn alter_table(alter: &AlterTable, ctx: &mut DdlContext<'_>) -> Result<String> {
    let tag = format!("ALTER {}", rename::kind_tag(alter.kind));
    let Some(relation) = ctx.find_relation(&alter.name)? else {
        if alter.if_exists {
            ctx.skip_missing(&format!("relation \"{}\"", alter.name));
            return Ok(tag);
        }
        bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", alter.name);
    };
    ctx.check_relation_owner(&relation)?;
    // ALTER TABLE is for every kind of relation; the other kinds only their own.
    let wanted = rename::kind_tag(alter.kind).to_lowercase();
    if alter.kind != ObjectKind::Table && relation.kind_name() != wanted {
        let article = if alter.kind == ObjectKind::Index { "an" } else { "a" };
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not {article} {wanted}", relation.name());
    }
    match &relation {
        Relation::Table(table) => {
            ctx.lock_exclusively(table.oid)?;
            ctx.check_not_waiting(table, "ALTER TABLE")?;
            let mut actions: Vec<&AlterAction> = alter.actions.iter().collect();
            actions.sort_by_key(|action| pass(action));
            for action in actions {
                table_action(table.oid, action, ctx)?;
            }
        }
        other => {
            for action in &alter.actions {
                other_action(other, action, ctx)?;
            }
        }
    }
    Ok(tag)
}

/// PostgreSQL does the actions of one statement in passes: what is dropped first, new types, new columns, what columns
/// are, constraints, the rest.
fn pass(action: &AlterAction) -> u8 {
    match action {
        AlterAction::DropColumn { .. }
        | AlterAction::DropConstraint { .. }
        | AlterAction::DropIdentity { .. }
        | AlterAction::DropExpression { .. }
        | AlterAction::SetDefault { default: None, .. }
        | AlterAction::SetNotNull { not_null: false, .. } => 0,
        AlterAction::SetType { .. } => 1,
        AlterAction::AddColumn { .. } => 2,
        AlterAction::SetNotNull { .. }
        | AlterAction::SetDefault { .. }
        | AlterAction::AddIdentity { .. }
        | AlterAction::SetIdentity { .. }
        | AlterAction::SetStorage { .. }
        | AlterAction::SetStatistics { .. } => 3,
        AlterAction::AddConstraint(constraint) => match constraint.kind {
            TableConstraintKind::ForeignKey { .. } => 5,
            _ => 4,
        },
        _ => 6,
    }
}

/// An action on a view, sequence or index.
fn other_action(relation: &Relation, action: &AlterAction, ctx: &mut DdlContext<'_>) -> Result<()> {
    match (relation, action) {
        (Relation::Index(index), AlterAction::SetOptions(_) | AlterAction::ResetOptions(_)) => {
            reindex::alter_options(index, action, ctx)
        }
        (Relation::Index(index), AlterAction::OwnerTo(owner)) => {
            let owner = ctx.role_named(owner)?;
            if ctx.table_by_oid(index.table).owner != owner.oid {
                let message = format!("cannot change owner of index \"{}\"", index.name);
                let warning = Error::with_severity(Severity::Warning, SqlState::WRONG_OBJECT_TYPE, message);
                ctx.notices.push(warning.hint("Change the ownership of the index's table instead."));
            }
            Ok(())
        }
        (_, AlterAction::SetSchema(schema)) => rename::set_schema(relation, schema, ctx),
        (Relation::View(_) | Relation::Sequence(_), AlterAction::OwnerTo(owner)) => change_owner(relation, owner, ctx),
        _ => {
            let error = crate::error!(
                WRONG_OBJECT_TYPE,
                "ALTER action cannot be performed on relation \"{}\"",
                relation.name()
            );
            Err(error.detail(format!("This operation is not supported for {}.", plural(relation))))
        }
    }
}

fn plural(relation: &Relation) -> &'static str {
    match relation {
        Relation::Table(_) | Relation::System(_) => "tables",
        Relation::View(_) => "views",
        Relation::Sequence(_) => "sequences",
        Relation::Index(_) => "indexes",
    }
}

fn merge_options(options: &mut Vec<(String, String)>, new: &[(String, String)]) {
    options.retain(|(name, _)| !new.iter().any(|(other, _)| other == name));
    options.extend(new.iter().cloned());
}

fn table_action(oid: Oid, action: &AlterAction, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut table = (*ctx.table_by_oid(oid)).clone();
    match action {
        AlterAction::AddColumn { column, if_not_exists } => return add_column(table, column, *if_not_exists, ctx),
        AlterAction::DropColumn { name, if_exists, cascade } => {
            return drop::drop_column(&table, name, *if_exists, *cascade, ctx);
        }
        AlterAction::AddConstraint(constraint) => return add_constraint(table, constraint, ctx),
        AlterAction::DropConstraint { name, if_exists, cascade } => {
            return drop::drop_constraint(&table, name, *if_exists, *cascade, ctx);
        }
        AlterAction::ValidateConstraint { name } => return validate_constraint(table, name, ctx),
        AlterAction::SetSchema(schema) => return rename::set_schema(&Relation::Table(Arc::new(table)), schema, ctx),
        AlterAction::OwnerTo(owner) => return change_owner(&Relation::Table(Arc::new(table)), owner, ctx),
        AlterAction::Unsupported(what) => return Err(Error::unsupported(what)),
        AlterAction::AlterConstraint { name, timing } => alter_constraint(&mut table, name, *timing)?,
        AlterAction::SetOptions(options) => {
            check_options(options)?;
            merge_options(&mut table.options, options);
        }
        AlterAction::ResetOptions(names) => table.options.retain(|(name, _)| !names.contains(name)),
        AlterAction::SetLogged(logged) => table.unlogged = !logged,
        _ => return alter_column::alter_column(table, action, ctx),
    }
    ctx.edit.put_table(table);
    Ok(())
}

fn change_owner(relation: &Relation, owner: &str, ctx: &mut DdlContext<'_>) -> Result<()> {
    let owner = ctx.role_named(owner)?;
    owner::check_new_owner(ctx, &owner, Some(ctx.snapshot().relation_schema(relation)))?;
    owner::set_relation_owner(relation, owner.oid, ctx)
}

/// How a new column gets its values in rows that are there.
enum Fill {
    /// NULL, or one value for all.
    Missing(Option<Vec<u8>>),
    /// Computed for each row.
    Computed(Box<Expr>),
}

fn add_column(mut table: TableDesc, def: &ColumnDef, if_not_exists: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    check_name(&def.name)?;
    if table.column_named(naming::truncate(&def.name)).is_some() {
        let what = format!("column \"{}\" of relation \"{}\"", def.name, table.name);
        if if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_COLUMN, &what);
            return Ok(());
        }
        bail!(DUPLICATE_COLUMN, "{what} already exists");
    }
    let old = table.clone();
    attnum_after(usize::try_from(table.next_attnum).expect("attribute numbers are positive"))?;
    let plan = plan_column(def, table.next_attnum, &table.name, ctx)?;
    if old.primary_index().is_some() {
        let is_primary = |c: &TableConstraint| matches!(c.kind, TableConstraintKind::PrimaryKey { .. });
        if plan.constraints.iter().any(is_primary) {
            bail!(INVALID_TABLE_DEFINITION, "multiple primary keys for table \"{}\" are not allowed", table.name);
        }
    }
    let at = table.columns.len();
    table.columns.push(plan.desc.clone());
    table.next_attnum += 1;
    let fill = column_fill(&mut table, at, &plan, ctx)?;
    match fill {
        Fill::Missing(value) => {
            if value.is_none() && table.columns[at].not_null {
                validate::for_each_row(ctx, &old, &mut |_| Err(validate::contains_null(ctx, &table, at)))?;
            }
            table.columns[at].missing = value;
            ctx.edit.put_table(table.clone());
        }
        Fill::Computed(expr) => fill_rows(&old, &table, at, &expr, ctx)?,
    }
    for constraint in &plan.constraints {
        let table = (*ctx.table_by_oid(old.oid)).clone();
        add_constraint(table, constraint, ctx)?;
    }
    Ok(())
}

fn column_fill(table: &mut TableDesc, at: usize, plan: &ColumnPlan, ctx: &mut DdlContext<'_>) -> Result<Fill> {
    let column = (plan.desc.name.as_str(), plan.desc.attnum, plan.desc.ty.oid);
    if let Some((always, options)) = &plan.identity {
        let sequence = sequence::create_owned(ctx, table, column, options, true)?;
        table.columns[at].identity = Some(Identity { always: *always, sequence });
        let next = defaults::read_back(table, at, &defaults::nextval(ctx, sequence), ctx)?;
        return Ok(Fill::Computed(Box::new(next)));
    }
    if plan.serial.is_some() {
        let sequence = sequence::create_owned(ctx, table, column, &[], false)?;
        table.columns[at].default = Some(defaults::nextval(ctx, sequence));
    }
    let plans = generated_plans(table, plan);
    defaults::set(table, at, plan, &plans, ctx)?;
    let text = table.columns[at].generated.clone().or_else(|| table.columns[at].default.clone());
    let Some(text) = text else {
        let domain = is_constrained_domain(ctx, plan.desc.ty);
        let null = Expr::Const(Datum::Null, plan.desc.ty);
        return Ok(if domain { Fill::Computed(Box::new(null)) } else { Fill::Missing(None) });
    };
    let expr = defaults::read_back(table, at, &text, ctx)?;
    if plan.generated.is_some() || visit::volatility(&expr) == Volatility::Volatile {
        return Ok(Fill::Computed(Box::new(expr)));
    }
    let value = eval_row(&expr, Row::Values(&[]), &ctx.eval_context())?;
    if value.is_null() {
        return Ok(Fill::Missing(None));
    }
    let mut bytes = Vec::new();
    codec::encode(&value, &mut bytes);
    Ok(Fill::Missing(Some(bytes)))
}

/// Plans that say of the columns there are only whether they are generated.
fn generated_plans(table: &TableDesc, new: &ColumnPlan) -> Vec<ColumnPlan> {
    let mut plans: Vec<ColumnPlan> = table
        .columns
        .iter()
        .map(|column| {
            let mut plan = new.clone();
            plan.desc = column.clone();
            plan.generated = None;
            plan
        })
        .collect();
    for (plan, column) in plans.iter_mut().zip(&table.columns) {
        if column.generated.is_some() {
            plan.generated = Some(crate::sql::ast::Expr { kind: crate::sql::ast::ExprKind::Null, position: 0 });
        }
    }
    if let Some(last) = plans.last_mut() {
        *last = new.clone();
    }
    plans
}

/// Writes the rows anew with the value of `expr`, which may read the old row, in the new column.
fn fill_rows(old: &TableDesc, new: &TableDesc, at: usize, expr: &Expr, ctx: &mut DdlContext<'_>) -> Result<()> {
    let eval = ctx.eval_context();
    let missing = new.columns[at].not_null.then(|| validate::contains_null(ctx, new, at));
    rewrite::rewrite(ctx, old, new.clone(), &mut |mut row| {
        row.push(Datum::Null);
        let value = eval_row(expr, Row::Values(&row), &eval)?;
        match &missing {
            Some(error) if value.is_null() => return Err(error.clone()),
            _ => row[at] = value,
        }
        Ok(row)
    })?;
    Ok(())
}

/// ADD CONSTRAINT, rows there are included.
fn add_constraint(mut table: TableDesc, constraint: &TableConstraint, ctx: &mut DdlContext<'_>) -> Result<()> {
    if let TableConstraintKind::ForeignKey { columns, references } = &constraint.kind {
        let oid = foreign_key::add(&mut table, constraint, columns, references, ctx)?;
        ctx.edit.put_table(table.clone());
        return match table.constraints.iter().find(|c| c.oid == oid) {
            Some(added) if added.validated => match &added.kind {
                ConstraintKind::ForeignKey(key) => validate::foreign_key(ctx, &table, &added.name, key),
                _ => Ok(()),
            },
            _ => Ok(()),
        };
    }
    let nullable: Vec<_> = table.columns.iter().filter(|c| !c.not_null).map(|c| c.attnum).collect();
    let added = constraints::add(&mut table, constraint, ctx)?;
    let newly: Vec<_> =
        table.columns.iter().filter(|c| c.not_null && nullable.contains(&c.attnum)).map(|c| c.attnum).collect();
    if !newly.is_empty() {
        validate::not_null(ctx, &table, &newly)?;
    }
    let oid = table.oid;
    ctx.edit.put_table(table.clone());
    match added {
        Added::Nothing => Ok(()),
        Added::Check { name, expr } => validate::check(ctx, &table, &name, &expr),
        Added::Index(index) => validate::build_index(ctx, oid, index, "CREATE INDEX"),
        Added::NotNull(columns) => validate::not_null(ctx, &table, &columns),
    }
}

fn validate_constraint(mut table: TableDesc, name: &str, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(at) = table.constraints.iter().position(|c| c.name == name) else {
        bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of relation \"{}\" does not exist", table.name)
    };
    if table.constraints[at].validated {
        return Ok(());
    }
    match table.constraints[at].kind.clone() {
        ConstraintKind::ForeignKey(key) => validate::foreign_key(ctx, &table, name, &key)?,
        ConstraintKind::Check { expr, .. } => {
            let bool = Some(SqlType::of(Oid::BOOL));
            let bound = bind::bind_stored(&expr, &table, bool, &ctx.stored_names(), &bind::Place::Check)?;
            validate::check(ctx, &table, name, &bound)?;
        }
        _ => bail!(
            WRONG_OBJECT_TYPE,
            "constraint \"{name}\" of relation \"{}\" is not a foreign key, check, or not-null constraint",
            table.name
        ),
    }
    table.constraints[at].validated = true;
    ctx.edit.put_table(table);
    Ok(())
}

fn alter_constraint(table: &mut TableDesc, name: &str, timing: Timing) -> Result<()> {
    let relation = table.name.clone();
    let Some(constraint) = table.constraints.iter_mut().find(|c| c.name == name) else {
        bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of relation \"{relation}\" does not exist")
    };
    if !matches!(constraint.kind, ConstraintKind::ForeignKey(_)) {
        bail!(WRONG_OBJECT_TYPE, "constraint \"{name}\" of relation \"{relation}\" is not a foreign key constraint");
    }
    constraint.deferrable = timing.deferrable;
    constraint.initially_deferred = timing.initially_deferred;
    Ok(())
}

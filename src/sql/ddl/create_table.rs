//! CREATE TABLE.

use super::columns::{COLUMNS_MAX, ColumnPlan, plan_column};
use super::context::DdlContext;
use super::naming::truncate;
use super::{columns, constraints, defaults, foreign_key, grant, like, sequence};
use crate::bail;
use crate::catalog::descriptor::{AttNum, ColumnDesc, Identity, TableDesc};
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{CreateTable, Name, TableConstraint, TableConstraintKind};
use crate::types::{Oid, SqlType};

/// Storage parameters that PostgreSQL knows; they are kept as told and have no effect.
const STORAGE_PARAMETERS: &[&str] =
    &["fillfactor", "toast_tuple_target", "parallel_workers", "vacuum_truncate", "user_catalog_table"];

/// CREATE TABLE.
pub(super) fn create_table(create: &CreateTable, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(mut table) = start(&create.name, create.temporary, create.if_not_exists, ctx)? else { return Ok(()) };
    check_on_commit(create)?;
    check_options(&create.options)?;
    table.unlogged = create.unlogged;
    table.options.clone_from(&create.options);
    let mut plans: Vec<ColumnPlan> = Vec::new();
    let mut copied = Vec::new();
    for (name, options) in &create.likes {
        let source = like::columns(name, options, &mut plans, ctx)?;
        copied.push((source, options.clone()));
    }
    for def in &create.columns {
        let attnum = attnum_after(plans.len())?;
        plans.push(plan_column(def, attnum, &table.name, ctx)?);
    }
    check_distinct(&plans)?;
    let pending = pending_constraints(&plans, create);
    constraints::check_primary_keys(&pending, &table.name)?;
    table.columns = plans.iter().map(|plan| plan.desc.clone()).collect();
    table.next_attnum = attnum_after(plans.len())?;
    add_sequences(&mut table, &plans, ctx)?;
    for (at, plan) in plans.iter().enumerate() {
        defaults::set(&mut table, at, plan, &plans, ctx)?;
    }
    for (source, options) in &copied {
        like::checks(source, options, &mut table, ctx)?;
    }
    add_constraints(&mut table, &pending, ctx)?;
    for (source, options) in &copied {
        like::indexes(source, options, &mut table, ctx)?;
    }
    ctx.edit.put_table(table.clone());
    for (source, options) in &copied {
        like::comments(source, options, &table, ctx);
    }
    let mut added = false;
    for constraint in &pending {
        if let TableConstraintKind::ForeignKey { columns, references } = &constraint.kind {
            foreign_key::add(&mut table, constraint, columns, references, ctx)?;
            added = true;
            ctx.edit.put_table(table.clone());
        }
    }
    grant::set_default_acl(Securable::Relation(table.oid), table.schema, ctx);
    debug_assert!(added || table.constraints.len() == ctx.table_by_oid(table.oid).constraints.len());
    Ok(())
}

/// Number of the column after `count` columns.
pub(super) fn attnum_after(count: usize) -> Result<AttNum> {
    if count > COLUMNS_MAX {
        bail!(TOO_MANY_COLUMNS, "tables can have at most {COLUMNS_MAX} columns");
    }
    Ok(AttNum::try_from(count + 1).expect("bounded above"))
}

/// A table without columns, or `None` when it exists and that is fine.
fn start(name: &Name, temporary: bool, if_not_exists: bool, ctx: &mut DdlContext<'_>) -> Result<Option<TableDesc>> {
    let temporary = temporary || name.schema() == Some("pg_temp");
    let schema = ctx.creation_schema(name, temporary)?;
    let bare = truncate(name.last()).to_owned();
    if ctx.relation_in_the_way(schema, &bare).is_some() {
        if if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_TABLE, &format!("relation \"{bare}\""));
            return Ok(None);
        }
        bail!(DUPLICATE_TABLE, "relation \"{bare}\" already exists");
    }
    check_type_name(ctx, schema, &bare)?;
    Ok(Some(TableDesc {
        oid: ctx.catalog.allocate_oid(),
        row_type: ctx.catalog.allocate_oid(),
        schema,
        name: bare,
        owner: ctx.role.oid,
        storage: ctx.catalog.allocate_storage(),
        columns: Vec::new(),
        next_attnum: 1,
        constraints: Vec::new(),
        indexes: Vec::new(),
        temporary,
        unlogged: false,
        options: Vec::new(),
    }))
}

/// A relation with rows has a type of its own name: that must be free too.
pub(super) fn check_type_name(ctx: &DdlContext<'_>, schema: Oid, name: &str) -> Result<()> {
    let taken = ctx.snapshot().objects.types.values().any(|ty| ty.schema == schema && ty.name == name);
    if !taken {
        return Ok(());
    }
    Err(crate::error!(DUPLICATE_OBJECT, "type \"{name}\" already exists").hint(
        "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any \
         existing type.",
    ))
}

fn check_on_commit(create: &CreateTable) -> Result<()> {
    match create.on_commit.as_deref() {
        None | Some("preserve") if create.temporary || create.on_commit.is_none() => Ok(()),
        Some(_) if !create.temporary => {
            bail!(INVALID_TABLE_DEFINITION, "ON COMMIT can only be used on temporary tables")
        }
        Some("delete") => Err(Error::unsupported("ON COMMIT DELETE ROWS")),
        _ => Err(Error::unsupported("ON COMMIT DROP")),
    }
}

/// Refuses storage parameters that PostgreSQL does not know.
pub(super) fn check_options(options: &[(String, String)]) -> Result<()> {
    for (name, _) in options {
        let known = STORAGE_PARAMETERS.contains(&name.as_str())
            || name.starts_with("autovacuum_")
            || name.starts_with("toast.")
            || name.starts_with("log_autovacuum");
        if !known {
            bail!(INVALID_PARAMETER_VALUE, "unrecognized parameter \"{name}\"");
        }
    }
    Ok(())
}

fn check_distinct(plans: &[ColumnPlan]) -> Result<()> {
    for (at, plan) in plans.iter().enumerate() {
        if plans[..at].iter().any(|before| before.desc.name == plan.desc.name) {
            bail!(DUPLICATE_COLUMN, "column \"{}\" specified more than once", plan.desc.name);
        }
    }
    Ok(())
}

/// All constraints, column by column, then the table's own.
fn pending_constraints(plans: &[ColumnPlan], create: &CreateTable) -> Vec<TableConstraint> {
    let of_columns = plans.iter().flat_map(|plan| plan.constraints.iter().cloned());
    of_columns.chain(create.constraints.iter().cloned()).collect()
}

fn add_sequences(table: &mut TableDesc, plans: &[ColumnPlan], ctx: &mut DdlContext<'_>) -> Result<()> {
    for (at, plan) in plans.iter().enumerate() {
        let column = (plan.desc.name.as_str(), plan.desc.attnum, plan.desc.ty.oid);
        if let Some((always, options)) = &plan.identity {
            let sequence = sequence::create_owned(ctx, table, column, options, true)?;
            table.columns[at].identity = Some(Identity { always: *always, sequence });
        } else if plan.serial.is_some() {
            let sequence = sequence::create_owned(ctx, table, column, &[], false)?;
            table.columns[at].default = Some(defaults::nextval(ctx, sequence));
        }
    }
    Ok(())
}

/// Checks and key constraints; foreign keys come when the table is there.
fn add_constraints(table: &mut TableDesc, pending: &[TableConstraint], ctx: &mut DdlContext<'_>) -> Result<()> {
    let is_primary = |c: &&TableConstraint| matches!(c.kind, TableConstraintKind::PrimaryKey { .. });
    let checks = pending.iter().filter(|c| matches!(c.kind, TableConstraintKind::Check(_)));
    let not_nulls = pending.iter().filter(|c| matches!(c.kind, TableConstraintKind::NotNull(_)));
    let uniques = pending.iter().filter(|c| matches!(c.kind, TableConstraintKind::Unique { .. }));
    for constraint in not_nulls.chain(checks).chain(pending.iter().filter(is_primary)).chain(uniques) {
        constraints::add(table, constraint, ctx)?;
    }
    Ok(())
}

/// What CREATE TABLE AS and SELECT INTO know of their table.
pub struct NewTable<'a> {
    /// Its name.
    pub name: &'a Name,
    /// TEMP.
    pub temporary: bool,
    /// UNLOGGED.
    pub unlogged: bool,
    /// IF NOT EXISTS.
    pub if_not_exists: bool,
    /// Column names that replace the query's, from the left.
    pub column_names: &'a [String],
}

/// Makes the table of a query's columns and puts it into the edit; `None` when there is one already and that is fine.
///
/// # Errors
/// `42P07`, `42701`, `42601` for more names than columns, `42P16` for columns without a storable type.
pub fn table_of_query(
    new: &NewTable<'_>,
    query_columns: &[(String, SqlType)],
    ctx: &mut DdlContext<'_>,
) -> Result<Option<TableDesc>> {
    let Some(mut table) = start(new.name, new.temporary, new.if_not_exists, ctx)? else { return Ok(None) };
    if new.column_names.len() > query_columns.len() {
        bail!(SYNTAX_ERROR, "too many column names were specified");
    }
    for (at, (name, ty)) in query_columns.iter().enumerate() {
        let name = new.column_names.get(at).unwrap_or(name).clone();
        let ty = if ty.oid == Oid::UNKNOWN { SqlType::of(Oid::TEXT) } else { *ty };
        columns::check_name(&name)?;
        columns::check_type(&name, ty)?;
        if table.columns.iter().any(|column| column.name == name) {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" specified more than once");
        }
        table.columns.push(ColumnDesc {
            attnum: attnum_after(at)?,
            name,
            ty,
            not_null: false,
            default: None,
            generated: None,
            generated_virtual: false,
            identity: None,
            missing: None,
            collation: columns::default_collation(ctx, ty),
            storage: None,
            statistics: None,
            base: columns::domain_base(ctx, ty),
        });
    }
    table.unlogged = new.unlogged;
    table.next_attnum = attnum_after(table.columns.len())?;
    ctx.edit.put_table(table.clone());
    grant::set_default_acl(Securable::Relation(table.oid), table.schema, ctx);
    Ok(Some(table))
}

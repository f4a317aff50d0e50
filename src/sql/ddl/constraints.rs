//! Constraints of a table being made or changed: their names, their indexes, their stored form.

use super::bind::{self, Place};
use super::context::DdlContext;
use super::naming::{self, truncate};
use super::{index, visit};
use crate::bail;
use crate::catalog::descriptor::{AttNum, ConstraintDesc, ConstraintKind, IndexDesc, IndexTarget, TableDesc};
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{self, TableConstraint, TableConstraintKind, Timing};
use crate::sql::expr::Expr;
use crate::types::{Oid, SqlType};

/// What a new constraint asks of the rows there are.
pub(super) enum Added {
    /// Nothing.
    Nothing,
    /// The check must hold for every row.
    Check { name: String, expr: Box<Expr> },
    /// The index must be built.
    Index(Oid),
    /// These columns must have no NULL.
    NotNull(Vec<AttNum>),
}

/// Refuses a second primary key.
pub(super) fn check_primary_keys(constraints: &[TableConstraint], table: &str) -> Result<()> {
    let mut keys = constraints.iter().filter(|c| matches!(c.kind, TableConstraintKind::PrimaryKey { .. }));
    match (keys.next(), keys.next()) {
        (Some(_), Some(second)) => Err(multiple_primary_keys(table).at(second.position)),
        _ => Ok(()),
    }
}

fn multiple_primary_keys(table: &str) -> Error {
    crate::error!(INVALID_TABLE_DEFINITION, "multiple primary keys for table \"{table}\" are not allowed")
}

/// Adds a constraint other than a foreign key to the descriptor.
pub(super) fn add(table: &mut TableDesc, constraint: &TableConstraint, ctx: &mut DdlContext<'_>) -> Result<Added> {
    match &constraint.kind {
        TableConstraintKind::Check(expr) => add_check(table, constraint, expr, ctx),
        TableConstraintKind::NotNull(column) => {
            let Some(at) = table.column_named(column) else {
                bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", table.name)
            };
            if std::mem::replace(&mut table.columns[at].not_null, true) {
                return Ok(Added::Nothing);
            }
            Ok(Added::NotNull(vec![table.columns[at].attnum]))
        }
        TableConstraintKind::PrimaryKey { columns, include, using_index } => {
            if using_index.is_none() && table.primary_index().is_some() {
                return Err(multiple_primary_keys(&table.name));
            }
            let key = Key { primary: true, columns, include, nulls_not_distinct: false };
            match using_index {
                Some(name) => adopt_index(table, constraint, name, true, ctx),
                None => add_key(table, constraint, &key, ctx),
            }
        }
        TableConstraintKind::Unique { columns, include, nulls_not_distinct, using_index } => {
            let key = Key { primary: false, columns, include, nulls_not_distinct: *nulls_not_distinct };
            match using_index {
                Some(name) => adopt_index(table, constraint, name, false, ctx),
                None => add_key(table, constraint, &key, ctx),
            }
        }
        TableConstraintKind::ForeignKey { .. } => Err(Error::internal("foreign keys are added elsewhere")),
    }
}

/// Names of all constraints of the table so far.
pub(super) fn names_in(table: &TableDesc) -> Vec<String> {
    table.constraints.iter().map(|constraint| constraint.name.clone()).collect()
}

/// Refuses a name that another constraint of the table has.
pub(super) fn check_free(table: &TableDesc, name: &str) -> Result<()> {
    if table.constraints.iter().any(|constraint| constraint.name == name) {
        bail!(DUPLICATE_OBJECT, "constraint \"{name}\" for relation \"{}\" already exists", table.name);
    }
    Ok(())
}

fn add_check(
    table: &mut TableDesc,
    constraint: &TableConstraint,
    expr: &ast::Expr,
    ctx: &DdlContext<'_>,
) -> Result<Added> {
    if constraint.timing.deferrable {
        bail!(FEATURE_NOT_SUPPORTED, "CHECK constraints cannot be marked DEFERRABLE");
    }
    let bool = Some(SqlType::of(Oid::BOOL));
    let bound = bind::bind(expr, &bind::columns_of(table), bool, &ctx.names(), &Place::Check)?;
    let columns = visit::attributes(&bound, table);
    let name = match &constraint.name {
        Some(name) => {
            let name = truncate(name).to_owned();
            if table.constraints.iter().any(|other| other.name == name) {
                bail!(DUPLICATE_OBJECT, "check constraint \"{name}\" already exists");
            }
            name
        }
        None => {
            let column = match columns.as_slice() {
                [only] => table.position_of(*only).map(|at| table.columns[at].name.clone()),
                _ => None,
            };
            let (schema, others) = (table.schema, names_in(table));
            naming::constraint_name(ctx.snapshot(), schema, &table.name, column.as_deref(), "check", &others)
        }
    };
    let text = bind::text_of(&bound, table, &ctx.stored_names());
    table.constraints.push(ConstraintDesc {
        oid: ctx.catalog.allocate_oid(),
        name: name.clone(),
        kind: ConstraintKind::Check { expr: text, columns },
        deferrable: false,
        initially_deferred: false,
        validated: !constraint.timing.not_valid,
    });
    if constraint.timing.not_valid {
        return Ok(Added::Nothing);
    }
    Ok(Added::Check { name, expr: Box::new(bound) })
}

/// PRIMARY KEY or UNIQUE as written.
struct Key<'a> {
    primary: bool,
    columns: &'a [String],
    include: &'a [String],
    nulls_not_distinct: bool,
}

/// Attribute numbers of the columns of a key.
fn key_columns(table: &TableDesc, names: &[String], primary: bool) -> Result<Vec<AttNum>> {
    let mut columns = Vec::new();
    for name in names {
        let Some(at) = table.column_named(name) else {
            bail!(UNDEFINED_COLUMN, "column \"{name}\" named in key does not exist")
        };
        let attnum = table.columns[at].attnum;
        if columns.contains(&attnum) {
            let what = if primary { "primary key" } else { "unique" };
            bail!(DUPLICATE_COLUMN, "column \"{name}\" appears twice in {what} constraint");
        }
        columns.push(attnum);
    }
    Ok(columns)
}

fn add_key(table: &mut TableDesc, constraint: &TableConstraint, key: &Key<'_>, ctx: &DdlContext<'_>) -> Result<Added> {
    if constraint.timing.not_valid {
        let what = if key.primary { "PRIMARY KEY" } else { "UNIQUE" };
        bail!(FEATURE_NOT_SUPPORTED, "{what} constraints cannot be marked NOT VALID");
    }
    let columns = key_columns(table, key.columns, key.primary).map_err(|e| e.at(constraint.position))?;
    let include = key_columns(table, key.include, key.primary).map_err(|e| e.at(constraint.position))?;
    let position = |attnum: &AttNum| table.position_of(*attnum).expect("resolved above");
    let keys = columns.iter().map(|a| index::column_key(table, position(a), ctx)).collect::<Result<Vec<_>>>()?;
    let mut desc = IndexDesc {
        oid: ctx.catalog.allocate_oid(),
        name: String::new(),
        table: table.oid,
        storage: ctx.catalog.allocate_storage(),
        method: index::BTREE,
        keys,
        include,
        unique: true,
        primary: key.primary,
        nulls_not_distinct: key.nulls_not_distinct,
        predicate: None,
        options: Vec::new(),
        valid: true,
        constraint: ctx.catalog.allocate_oid(),
    };
    desc.name = match &constraint.name {
        Some(name) => {
            let name = truncate(name).to_owned();
            check_free(table, &name)?;
            index::check_free(table, &name, ctx)?;
            name
        }
        None => index::choose_name(table, &desc, if key.primary { "pkey" } else { "key" }, ctx),
    };
    record(table, &desc, constraint.timing, columns.clone());
    let oid = desc.oid;
    index::push(table, desc);
    if key.primary {
        for attnum in columns {
            let at = table.position_of(attnum).expect("resolved above");
            table.columns[at].not_null = true;
        }
    }
    Ok(Added::Index(oid))
}

/// Enters the constraint that an index keeps.
fn record(table: &mut TableDesc, index: &IndexDesc, timing: Timing, columns: Vec<AttNum>) {
    let kind = if index.primary {
        ConstraintKind::PrimaryKey { columns, index: index.oid }
    } else {
        ConstraintKind::Unique { columns, index: index.oid }
    };
    table.constraints.push(ConstraintDesc {
        oid: index.constraint,
        name: index.name.clone(),
        kind,
        deferrable: timing.deferrable,
        initially_deferred: timing.initially_deferred,
        validated: true,
    });
}

/// ADD CONSTRAINT ... USING INDEX: an index there is becomes the constraint's, under its name.
fn adopt_index(
    table: &mut TableDesc,
    constraint: &TableConstraint,
    index_name: &str,
    primary: bool,
    ctx: &mut DdlContext<'_>,
) -> Result<Added> {
    let Some(at) = table.indexes.iter().position(|index| index.name == index_name) else {
        return Err(crate::error!(UNDEFINED_OBJECT, "index \"{index_name}\" does not exist").at(constraint.position));
    };
    let mut index = (*table.indexes[at]).clone();
    let wrong = |detail: &str| {
        let error = crate::error!(WRONG_OBJECT_TYPE, "\"{index_name}\" is not a unique index");
        error
            .detail(format!("Cannot create a primary key or unique constraint using {detail}."))
            .at(constraint.position)
    };
    if index.constraint.is_some() {
        let name = &index.name;
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "index \"{name}\" is already associated with a constraint");
    }
    if !index.unique {
        return Err(wrong("such an index"));
    }
    if index.predicate.is_some() {
        return Err(wrong("a partial index"));
    }
    let mut columns = Vec::new();
    for key in &index.keys {
        match &key.target {
            IndexTarget::Column(attnum) => columns.push(*attnum),
            IndexTarget::Expr(_) => return Err(wrong("such an index")),
        }
    }
    if primary && table.primary_index().is_some() {
        return Err(multiple_primary_keys(&table.name));
    }
    if let Some(name) = constraint.name.as_deref().map(truncate).filter(|name| *name != index.name) {
        check_free(table, name)?;
        index::check_free(table, name, ctx)?;
        ctx.notice(
            SqlState::SUCCESSFUL_COMPLETION,
            format!("ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index_name}\" to \"{name}\""),
        );
        name.clone_into(&mut index.name);
    }
    index.constraint = ctx.catalog.allocate_oid();
    index.primary = primary;
    record(table, &index, constraint.timing, columns.clone());
    table.indexes.remove(at);
    if !primary {
        index::push(table, index);
        return Ok(Added::Nothing);
    }
    // A primary key's entries lie elsewhere than another index's: it is built anew.
    ctx.discard_storage(index.storage);
    index.storage = ctx.catalog.allocate_storage();
    let oid = index.oid;
    index::push(table, index);
    for attnum in columns {
        let at = table.position_of(attnum).expect("an index names live columns");
        table.columns[at].not_null = true;
    }
    Ok(Added::Index(oid))
}

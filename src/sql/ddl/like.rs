//! CREATE TABLE (LIKE source INCLUDING ...).

use std::sync::Arc;

use super::columns::ColumnPlan;
use super::context::DdlContext;
use super::create_table::attnum_after;
use super::{index, naming};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::{ColumnDesc, ConstraintDesc, ConstraintKind, IndexDesc, IndexTarget, TableDesc};
use crate::error::{Error, Result};
use crate::sql::ast::Name;
use crate::sql::parser;
use crate::types::Oid;

/// Class of comments on relations and columns.
const PG_CLASS: Oid = Oid(1259);

fn includes(options: &[String], what: &str) -> bool {
    options.iter().any(|option| option == what || option == "ALL")
}

/// Appends the source's columns to `plans`; the source.
pub(super) fn columns(
    name: &Name,
    options: &[String],
    plans: &mut Vec<ColumnPlan>,
    ctx: &DdlContext<'_>,
) -> Result<Arc<TableDesc>> {
    let source = match ctx.find_relation(name)? {
        Some(Relation::Table(table)) => table,
        Some(Relation::View(_)) => return Err(Error::unsupported("LIKE of a view")),
        Some(Relation::System(_)) => return Err(Error::unsupported("LIKE of a system relation")),
        Some(other) => bail!(WRONG_OBJECT_TYPE, "relation \"{}\" is invalid in LIKE clause", other.name()),
        None => {
            return Err(crate::error!(UNDEFINED_TABLE, "relation \"{name}\" does not exist").at(name.position));
        }
    };
    for column in &source.columns {
        let desc = ColumnDesc {
            attnum: attnum_after(plans.len())?,
            default: None,
            generated: None,
            identity: None,
            missing: None,
            storage: column.storage.filter(|_| includes(options, "STORAGE")),
            statistics: None,
            ..column.clone()
        };
        let mut plan =
            ColumnPlan { desc, default: None, generated: None, serial: None, identity: None, constraints: Vec::new() };
        if let Some(text) = column.default.as_ref().filter(|_| includes(options, "DEFAULTS")) {
            plan.default = Some(parser::parse_expr(text)?);
        }
        if let Some(text) = column.generated.as_ref().filter(|_| includes(options, "GENERATED")) {
            plan.generated = Some(parser::parse_expr(text)?);
        }
        if let Some(identity) = column.identity.as_ref().filter(|_| includes(options, "IDENTITY")) {
            plan.identity = Some((identity.always, sequence_options(ctx, identity.sequence)));
        }
        plans.push(plan);
    }
    Ok(source)
}

fn sequence_options(ctx: &DdlContext<'_>, sequence: Oid) -> Vec<crate::sql::ast::SequenceOption> {
    use crate::sql::ast::SequenceOption;
    let Some(desc) = ctx.snapshot().objects.sequences.get(&sequence) else { return Vec::new() };
    vec![
        SequenceOption::Increment(desc.increment),
        SequenceOption::Min(Some(desc.min)),
        SequenceOption::Max(Some(desc.max)),
        SequenceOption::Start(desc.start),
        SequenceOption::Cache(desc.cache),
        SequenceOption::Cycle(desc.cycle),
    ]
}

/// Copies CHECK constraints, with INCLUDING CONSTRAINTS.
pub(super) fn checks(
    source: &TableDesc,
    options: &[String],
    table: &mut TableDesc,
    ctx: &DdlContext<'_>,
) -> Result<()> {
    if !includes(options, "CONSTRAINTS") {
        return Ok(());
    }
    for constraint in &source.constraints {
        if let ConstraintKind::Check { expr, columns } = &constraint.kind {
            let columns = columns.iter().map(|attnum| mapped(source, table, *attnum)).collect::<Result<_>>()?;
            table.constraints.push(ConstraintDesc {
                oid: ctx.catalog.allocate_oid(),
                name: constraint.name.clone(),
                kind: ConstraintKind::Check { expr: expr.clone(), columns },
                ..constraint.clone()
            });
        }
    }
    Ok(())
}

/// The copy's number of a column of the source: names are the same.
fn mapped(source: &TableDesc, table: &TableDesc, attnum: i16) -> Result<i16> {
    let name = source.position_of(attnum).map(|at| source.columns[at].name.as_str());
    let found = name.and_then(|name| table.column_named(name)).map(|at| table.columns[at].attnum);
    found.ok_or_else(|| Error::internal("LIKE lost a column"))
}

/// Copies indexes and the constraints they keep, with INCLUDING INDEXES.
pub(super) fn indexes(
    source: &TableDesc,
    options: &[String],
    table: &mut TableDesc,
    ctx: &DdlContext<'_>,
) -> Result<()> {
    if !includes(options, "INDEXES") {
        return Ok(());
    }
    for old in &source.indexes {
        let mut copy: IndexDesc = (**old).clone();
        copy.oid = ctx.catalog.allocate_oid();
        copy.storage = ctx.catalog.allocate_storage();
        copy.table = table.oid;
        copy.valid = true;
        for key in &mut copy.keys {
            if let IndexTarget::Column(attnum) = &mut key.target {
                *attnum = mapped(source, table, *attnum)?;
            }
        }
        copy.include = old.include.iter().map(|a| mapped(source, table, *a)).collect::<Result<_>>()?;
        let label = match (old.primary, old.constraint.is_some()) {
            (true, _) => "pkey",
            (_, true) => "key",
            _ => "idx",
        };
        copy.name = index::choose_name(table, &copy, label, ctx);
        if old.constraint.is_some()
            && let Some(constraint) = source.constraints.iter().find(|c| c.oid == old.constraint)
        {
            let columns = |list: &[i16]| list.iter().map(|a| mapped(source, table, *a)).collect::<Result<Vec<_>>>();
            let kind = match &constraint.kind {
                ConstraintKind::PrimaryKey { columns: list, .. } => {
                    ConstraintKind::PrimaryKey { columns: columns(list)?, index: copy.oid }
                }
                ConstraintKind::Unique { columns: list, .. } => {
                    ConstraintKind::Unique { columns: columns(list)?, index: copy.oid }
                }
                _ => continue,
            };
            let oid = ctx.catalog.allocate_oid();
            copy.constraint = oid;
            table.constraints.push(ConstraintDesc { oid, name: copy.name.clone(), kind, ..constraint.clone() });
        }
        if copy.primary && table.primary_index().is_some() {
            bail!(INVALID_TABLE_DEFINITION, "multiple primary keys for table \"{}\" are not allowed", table.name);
        }
        index::push(table, copy);
    }
    debug_assert!(naming::truncate(&table.name) == table.name);
    Ok(())
}

/// Copies comments on columns, with INCLUDING COMMENTS.
pub(super) fn comments(source: &TableDesc, options: &[String], table: &TableDesc, ctx: &mut DdlContext<'_>) {
    if !includes(options, "COMMENTS") {
        return;
    }
    for column in &source.columns {
        let text = ctx.snapshot().objects.comments.get(&(PG_CLASS, source.oid, i32::from(column.attnum))).cloned();
        let (Some(text), Ok(attnum)) = (text, mapped(source, table, column.attnum)) else { continue };
        ctx.edit.set_comment((PG_CLASS, table.oid, i32::from(attnum)), Some(text));
    }
}

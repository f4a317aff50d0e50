//! Sequences: their options, and the ones that serial and identity columns own.

use super::context::DdlContext;
use super::naming::{self, truncate};
use super::{bind, grant, rename};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::{AttNum, SequenceDesc, TableDesc};
use crate::catalog::privileges::Securable;
use crate::error::{Result, SqlState};
use crate::sql::ast::{AlterSequence, CreateSequence, Name, SequenceOption};
use crate::types::Oid;

/// CREATE SEQUENCE.
pub(super) fn create_sequence(create: &CreateSequence, ctx: &mut DdlContext<'_>) -> Result<()> {
    let schema = ctx.creation_schema(&create.name, create.temporary)?;
    let name = truncate(create.name.last()).to_owned();
    if ctx.relation_in_the_way(schema, &name).is_some() {
        if create.if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_TABLE, &format!("relation \"{name}\""));
            return Ok(());
        }
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    let mut desc = blank(ctx.catalog.allocate_oid(), schema, name, ctx.role.oid, Oid::INT8);
    desc.temporary = create.temporary;
    apply(&mut desc, &create.options, true, false, ctx)?;
    let oid = desc.oid;
    ctx.edit.put_sequence(desc);
    grant::set_default_acl(Securable::Relation(oid), schema, ctx);
    Ok(())
}

fn blank(oid: Oid, schema: Oid, name: String, owner: Oid, ty: Oid) -> SequenceDesc {
    SequenceDesc {
        oid,
        schema,
        name,
        owner,
        ty,
        start: 1,
        increment: 1,
        min: 1,
        max: limits(ty).1,
        cache: 1,
        cycle: false,
        owned_by: None,
        internal: false,
        temporary: false,
    }
}

/// The sequence of a serial or identity column; its OID.
pub(super) fn create_owned(
    ctx: &mut DdlContext<'_>,
    table: &TableDesc,
    column: (&str, AttNum, Oid),
    options: &[SequenceOption],
    identity: bool,
) -> Result<Oid> {
    let (column_name, attnum, ty) = column;
    let named = options.iter().find_map(|option| match option {
        SequenceOption::SequenceName(name) => Some(name.last().to_owned()),
        _ => None,
    });
    let taken = [table.name.clone()];
    let chosen = || naming::relation_name(ctx.snapshot(), table.schema, &table.name, Some(column_name), "seq", &taken);
    let name = named.unwrap_or_else(chosen);
    if ctx.relation_in_the_way(table.schema, &name).is_some() {
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    let mut desc = blank(ctx.catalog.allocate_oid(), table.schema, name, table.owner, ty);
    desc.temporary = table.temporary;
    apply(&mut desc, options, true, identity, ctx)?;
    desc.owned_by = Some((table.oid, attnum));
    desc.internal = identity;
    let oid = desc.oid;
    ctx.edit.put_sequence(desc);
    grant::set_default_acl(Securable::Relation(oid), table.schema, ctx);
    Ok(oid)
}

/// ALTER SEQUENCE.
pub(super) fn alter_sequence(alter: &AlterSequence, ctx: &mut DdlContext<'_>) -> Result<()> {
    let desc = match ctx.find_relation(&alter.name)? {
        Some(Relation::Sequence(desc)) => desc,
        Some(other) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", other.name()),
        None if alter.if_exists => {
            ctx.skip_missing(&format!("relation \"{}\"", alter.name));
            return Ok(());
        }
        None => bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", alter.name),
    };
    ctx.check_owner(desc.owner, "sequence", &desc.name)?;
    let mut changed = (*desc).clone();
    let owner = alter.options.iter().any(|option| matches!(option, SequenceOption::OwnedBy(_)));
    if owner && desc.internal {
        let error = crate::error!(FEATURE_NOT_SUPPORTED, "cannot change ownership of identity sequence");
        let (table, _) = desc.owned_by.expect("an identity sequence has an owner");
        let detail = format!("Sequence \"{}\" is linked to table \"{}\".", desc.name, ctx.table_by_oid(table).name);
        return Err(error.detail(detail));
    }
    alter_options(&mut changed, &alter.options, ctx)
}

/// Changes a sequence by options, RESTART included.
pub(super) fn alter_options(
    desc: &mut SequenceDesc,
    options: &[SequenceOption],
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    apply(desc, options, false, desc.internal, ctx)?;
    for option in options {
        if let SequenceOption::Restart(value) = option {
            ctx.txn.restart_sequence(desc.oid, value.unwrap_or(desc.start), false);
        }
    }
    ctx.edit.put_sequence(desc.clone());
    Ok(())
}

/// Least and greatest value of a sequence's type.
fn limits(ty: Oid) -> (i64, i64) {
    match ty {
        Oid::INT2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Oid::INT4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

fn type_name(ty: Oid) -> &'static str {
    match ty {
        Oid::INT2 => "smallint",
        Oid::INT4 => "integer",
        _ => "bigint",
    }
}

fn check_once(options: &[SequenceOption]) -> Result<()> {
    let kinds: Vec<_> = options.iter().map(std::mem::discriminant).collect();
    if kinds.iter().enumerate().any(|(at, kind)| kinds[..at].contains(kind)) {
        bail!(SYNTAX_ERROR, "conflicting or redundant options");
    }
    Ok(())
}

/// Applies options and checks that the whole makes sense. `new` sets what is not said.
fn apply(
    desc: &mut SequenceDesc,
    options: &[SequenceOption],
    new: bool,
    identity: bool,
    ctx: &DdlContext<'_>,
) -> Result<()> {
    check_once(options)?;
    let (mut min, mut max, mut start) = (None, None, None);
    let (old_low, old_high) = limits(desc.ty);
    let mut type_changed = false;
    for option in options {
        match option {
            SequenceOption::Type(ty) => {
                let oid = bind::resolve_type(ty, &ctx.names())?.oid;
                if !matches!(oid, Oid::INT2 | Oid::INT4 | Oid::INT8) {
                    let what = if identity { "identity column" } else { "sequence" };
                    bail!(INVALID_PARAMETER_VALUE, "{what} type must be smallint, integer, or bigint");
                }
                type_changed = desc.ty != oid;
                desc.ty = oid;
            }
            SequenceOption::Increment(0) => bail!(INVALID_PARAMETER_VALUE, "INCREMENT must not be zero"),
            SequenceOption::Increment(step) => desc.increment = *step,
            SequenceOption::Min(value) => min = Some(*value),
            SequenceOption::Max(value) => max = Some(*value),
            SequenceOption::Start(value) => start = Some(*value),
            SequenceOption::Cache(value) if *value <= 0 => {
                bail!(INVALID_PARAMETER_VALUE, "CACHE ({value}) must be greater than zero")
            }
            SequenceOption::Cache(value) => desc.cache = *value,
            SequenceOption::Cycle(cycle) => desc.cycle = *cycle,
            SequenceOption::OwnedBy(owner) => desc.owned_by = resolve_owner(owner.as_ref(), desc, ctx)?,
            SequenceOption::Restart(_) if new => {
                bail!(SYNTAX_ERROR, "syntax error at or near \"restart\"")
            }
            SequenceOption::Restart(_) => {}
            SequenceOption::SequenceName(_) if identity && new => {}
            SequenceOption::SequenceName(_) => {
                bail!(SYNTAX_ERROR, "invalid sequence option SEQUENCE NAME")
            }
        }
    }
    let (low, high) = limits(desc.ty);
    let ascending = desc.increment > 0;
    match max {
        Some(Some(value)) => desc.max = value,
        Some(None) => desc.max = if ascending { high } else { -1 },
        None if new || (type_changed && desc.max == old_high) => desc.max = if ascending { high } else { -1 },
        None => {}
    }
    match min {
        Some(Some(value)) => desc.min = value,
        Some(None) => desc.min = if ascending { 1 } else { low },
        None if new || (type_changed && desc.min == old_low) => desc.min = if ascending { 1 } else { low },
        None => {}
    }
    match start {
        Some(value) => desc.start = value,
        None if new => desc.start = if ascending { desc.min } else { desc.max },
        None => {}
    }
    check_bounds(desc, options, (low, high))
}

fn check_bounds(desc: &SequenceDesc, options: &[SequenceOption], (low, high): (i64, i64)) -> Result<()> {
    for (what, value) in [("MAXVALUE", desc.max), ("MINVALUE", desc.min)] {
        if value < low || value > high {
            let ty = type_name(desc.ty);
            bail!(INVALID_PARAMETER_VALUE, "{what} ({value}) is out of range for sequence data type {ty}");
        }
    }
    if desc.min >= desc.max {
        let (min, max) = (desc.min, desc.max);
        bail!(INVALID_PARAMETER_VALUE, "MINVALUE ({min}) must be less than MAXVALUE ({max})");
    }
    check_within(desc, "START", desc.start)?;
    for option in options {
        if let SequenceOption::Restart(Some(value)) = option {
            check_within(desc, "RESTART", *value)?;
        }
    }
    Ok(())
}

fn check_within(desc: &SequenceDesc, what: &str, value: i64) -> Result<()> {
    if value < desc.min {
        let min = desc.min;
        bail!(INVALID_PARAMETER_VALUE, "{what} value ({value}) cannot be less than MINVALUE ({min})");
    }
    if value > desc.max {
        let max = desc.max;
        bail!(INVALID_PARAMETER_VALUE, "{what} value ({value}) cannot be greater than MAXVALUE ({max})");
    }
    Ok(())
}

/// OWNED BY table.column.
fn resolve_owner(owner: Option<&Name>, desc: &SequenceDesc, ctx: &DdlContext<'_>) -> Result<Option<(Oid, AttNum)>> {
    let Some(name) = owner else { return Ok(None) };
    let [parts @ .., column] = name.parts.as_slice() else { return Ok(None) };
    if parts.is_empty() {
        let error = crate::error!(SYNTAX_ERROR, "invalid OWNED BY option");
        return Err(error.hint("Specify OWNED BY table.column or OWNED BY NONE."));
    }
    let table = ctx.table(&Name { parts: parts.to_vec(), position: name.position })?;
    if table.owner != desc.owner {
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must have same owner as table it is linked to");
    }
    if table.schema != desc.schema {
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "sequence must be in same schema as table it is linked to");
    }
    match table.column_named(column) {
        Some(position) => Ok(Some((table.oid, table.columns[position].attnum))),
        None => Err(rename::no_column(column, &table.name)),
    }
}

/// The sequences that a table's columns own.
pub(super) fn owned_by_table(ctx: &DdlContext<'_>, table: Oid) -> Vec<Oid> {
    let all = ctx.snapshot().objects.sequences.values();
    all.filter(|sequence| sequence.owned_by.is_some_and(|(owner, _)| owner == table)).map(|s| s.oid).collect()
}

/// Gives a sequence another type: bounds that were the old type's become the new one's.
pub(super) fn retype(desc: &mut SequenceDesc, ty: Oid) {
    let ((old_low, old_high), (low, high)) = (limits(desc.ty), limits(ty));
    if desc.max == old_high {
        desc.max = high;
    }
    if desc.min == old_low {
        desc.min = low;
    }
    desc.ty = ty;
}

//! FOREIGN KEY constraints: which index holds the referenced key, and whether the types agree.

use std::sync::Arc;

use super::constraints::{check_free, names_in};
use super::context::DdlContext;
use super::naming::{self, truncate};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::{
    AttNum, ConstraintDesc, ConstraintKind, ForeignKey, IndexDesc, IndexTarget, ReferentialAction, TableDesc,
};
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result};
use crate::sql::ast::{Action, References, TableConstraint};
use crate::types::{Oid, SqlType};

/// Adds a foreign key to the descriptor of a table that is in the edit already; the constraint's OID.
pub(super) fn add(
    table: &mut TableDesc,
    constraint: &TableConstraint,
    columns: &[String],
    references: &References,
    ctx: &mut DdlContext<'_>,
) -> Result<Oid> {
    let referenced = referenced_table(references, ctx)?;
    check_persistence(table, &referenced)?;
    let own = resolve(table, columns)?;
    let (theirs, index) = if references.columns.is_empty() {
        primary_key(&referenced)?
    } else {
        let theirs = resolve(&referenced, &references.columns)?;
        if theirs.len() != own.len() {
            return Err(disagree());
        }
        let index = matching_index(&referenced, &theirs)?;
        (theirs, index)
    };
    if theirs.len() != own.len() {
        return Err(disagree());
    }
    if is_deferrable(&referenced, &index) {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "cannot use a deferrable unique constraint for referenced table \"{}\"",
            referenced.name
        );
    }
    check_rights(&referenced, &theirs, ctx)?;
    let name = name_of(table, constraint, columns, ctx)?;
    check_types(&name, (table, &own), (&referenced, &theirs), ctx)?;
    check_generated(table, &own, references)?;
    let on_delete_columns = resolve(table, &references.on_delete_columns)?;
    if let Some(outside) = on_delete_columns.iter().position(|attnum| !own.contains(attnum)) {
        let column = &references.on_delete_columns[outside];
        bail!(
            INVALID_COLUMN_REFERENCE,
            "column \"{column}\" referenced in ON DELETE SET action must be part of foreign key"
        );
    }
    let oid = ctx.catalog.allocate_oid();
    table.constraints.push(ConstraintDesc {
        oid,
        name,
        kind: ConstraintKind::ForeignKey(ForeignKey {
            columns: own,
            referenced_table: referenced.oid,
            referenced_columns: theirs,
            referenced_index: index.oid,
            on_delete: action(references.on_delete),
            on_delete_columns,
            on_update: action(references.on_update),
            match_full: references.match_full,
        }),
        deferrable: constraint.timing.deferrable,
        initially_deferred: constraint.timing.initially_deferred,
        validated: !constraint.timing.not_valid,
    });
    Ok(oid)
}

/// REFERENCES on the table, or on each of the columns.
fn check_rights(table: &TableDesc, columns: &[AttNum], ctx: &DdlContext<'_>) -> Result<()> {
    let held = |object: Securable| ctx.snapshot().held(ctx.role.oid, object).0 & acl::REFERENCES != 0;
    let whole = Securable::Relation(table.oid);
    if held(whole) || columns.iter().all(|attnum| held(Securable::Column(table.oid, *attnum))) {
        return Ok(());
    }
    Err(ctx.snapshot().denied(whole))
}

/// The name given, or the automatic one.
fn name_of(
    table: &TableDesc,
    constraint: &TableConstraint,
    columns: &[String],
    ctx: &DdlContext<'_>,
) -> Result<String> {
    match &constraint.name {
        Some(name) => {
            let name = truncate(name).to_owned();
            check_free(table, &name)?;
            Ok(name)
        }
        None => {
            let middle = naming::joined(columns);
            let others = names_in(table);
            Ok(naming::constraint_name(ctx.snapshot(), table.schema, &table.name, Some(&middle), "fkey", &others))
        }
    }
}

fn disagree() -> Error {
    crate::error!(INVALID_FOREIGN_KEY, "number of referencing and referenced columns for foreign key disagree")
}

fn action(action: Action) -> ReferentialAction {
    match action {
        Action::NoAction => ReferentialAction::NoAction,
        Action::Restrict => ReferentialAction::Restrict,
        Action::Cascade => ReferentialAction::Cascade,
        Action::SetNull => ReferentialAction::SetNull,
        Action::SetDefault => ReferentialAction::SetDefault,
    }
}

fn referenced_table(references: &References, ctx: &DdlContext<'_>) -> Result<Arc<TableDesc>> {
    match ctx.relation(&references.table)? {
        Relation::Table(table) => Ok(table),
        Relation::System(desc) => {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name)
        }
        other => bail!(WRONG_OBJECT_TYPE, "referenced relation \"{}\" is not a table", other.name()),
    }
}

fn check_persistence(table: &TableDesc, referenced: &TableDesc) -> Result<()> {
    if table.temporary && !referenced.temporary {
        bail!(INVALID_TABLE_DEFINITION, "constraints on temporary tables may reference only temporary tables");
    }
    if !table.temporary && referenced.temporary {
        let kind = if table.unlogged { "unlogged" } else { "permanent" };
        bail!(INVALID_TABLE_DEFINITION, "constraints on {kind} tables may reference only {kind} tables");
    }
    if !table.unlogged && !table.temporary && referenced.unlogged {
        bail!(INVALID_TABLE_DEFINITION, "constraints on permanent tables may reference only permanent tables");
    }
    Ok(())
}

fn resolve(table: &TableDesc, names: &[String]) -> Result<Vec<AttNum>> {
    let find = |name: &String| match table.column_named(name) {
        Some(at) => Ok(table.columns[at].attnum),
        None => Err(crate::error!(
            UNDEFINED_COLUMN,
            "column \"{name}\" referenced in foreign key constraint does not exist"
        )),
    };
    names.iter().map(find).collect()
}

fn primary_key(table: &TableDesc) -> Result<(Vec<AttNum>, Arc<IndexDesc>)> {
    let Some(index) = table.primary_index() else {
        bail!(UNDEFINED_OBJECT, "there is no primary key for referenced table \"{}\"", table.name)
    };
    Ok((columns_of(index).expect("a primary key has plain columns"), Arc::clone(index)))
}

/// The columns of an index that has nothing but columns.
fn columns_of(index: &IndexDesc) -> Option<Vec<AttNum>> {
    let column = |target: &IndexTarget| match target {
        IndexTarget::Column(attnum) => Some(*attnum),
        IndexTarget::Expr(_) => None,
    };
    index.keys.iter().map(|key| column(&key.target)).collect()
}

/// The unique index over exactly these columns, in any order.
fn matching_index(table: &TableDesc, columns: &[AttNum]) -> Result<Arc<IndexDesc>> {
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].contains(column) {
            bail!(INVALID_FOREIGN_KEY, "foreign key referenced-columns list must not contain duplicates");
        }
    }
    let fits = |index: &&Arc<IndexDesc>| {
        index.unique
            && index.valid
            && index.predicate.is_none()
            && columns_of(index)
                .is_some_and(|own| own.len() == columns.len() && own.iter().all(|c| columns.contains(c)))
    };
    match table.indexes.iter().find(fits) {
        Some(index) => Ok(Arc::clone(index)),
        None => bail!(
            INVALID_FOREIGN_KEY,
            "there is no unique constraint matching given keys for referenced table \"{}\"",
            table.name
        ),
    }
}

fn is_deferrable(table: &TableDesc, index: &IndexDesc) -> bool {
    table.constraints.iter().any(|c| c.oid == index.constraint && c.deferrable)
}

type Side<'a> = (&'a TableDesc, &'a [AttNum]);

fn check_types(name: &str, own: Side<'_>, theirs: Side<'_>, ctx: &DdlContext<'_>) -> Result<()> {
    for (mine, other) in own.1.iter().zip(theirs.1) {
        let column = |side: Side<'_>, attnum: AttNum| {
            let at = side.0.position_of(attnum).expect("resolved above");
            side.0.columns[at].clone()
        };
        let (mine, other) = (column(own, *mine), column(theirs, *other));
        if comparable(ctx, mine.ty, other.ty) {
            continue;
        }
        let text = |ty: SqlType| ctx.snapshot().type_text(SqlType::of(ty.oid));
        let error = crate::error!(DATATYPE_MISMATCH, "foreign key constraint \"{name}\" cannot be implemented");
        return Err(error.detail(format!(
            "Key columns \"{}\" of the referencing table and \"{}\" of the referenced table are of incompatible types: \
             {} and {}.",
            mine.name,
            other.name,
            text(mine.ty),
            text(other.ty)
        )));
    }
    Ok(())
}

/// Whether a referencing value can be compared with a referenced one: same type, an equality operator of the key's
/// family, or an implicit cast.
fn comparable(ctx: &DdlContext<'_>, own: SqlType, key: SqlType) -> bool {
    let (own, key) = (ctx.snapshot().base_type(own).oid, ctx.snapshot().base_type(key).oid);
    if own == key {
        return true;
    }
    let family = builtin().opclasses.iter().find(|row| row.method == super::index::BTREE && row.input == key);
    let in_family = family.is_some_and(|row| {
        builtin().amops.iter().any(|amop| amop.family == row.family && amop.left == key && amop.right == own)
    });
    in_family || builtin().cast(own, key).is_some_and(|cast| cast.context == 'i')
}

/// A generated column cannot be set by a referential action.
fn check_generated(table: &TableDesc, own: &[AttNum], references: &References) -> Result<()> {
    let generated = table.columns.iter().any(|column| column.generated.is_some() && own.contains(&column.attnum));
    if !generated {
        return Ok(());
    }
    if matches!(references.on_update, Action::SetNull | Action::SetDefault | Action::Cascade) {
        bail!(SYNTAX_ERROR, "invalid ON UPDATE action for foreign key constraint containing generated column");
    }
    if matches!(references.on_delete, Action::SetNull | Action::SetDefault) {
        bail!(SYNTAX_ERROR, "invalid ON DELETE action for foreign key constraint containing generated column");
    }
    Ok(())
}

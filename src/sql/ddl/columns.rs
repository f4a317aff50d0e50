//! Column definitions: type, collation, and which constraints and defaults go with them.

use super::bind;
use super::context::DdlContext;
use super::naming::truncate;
use crate::bail;
use crate::catalog::acl;
use crate::catalog::builtin::{PG_COLLATION, builtin, raw_rows};
use crate::catalog::descriptor::{AttNum, ColumnDesc, TypeKind};
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result};
use crate::sql::ast::{
    ColumnConstraint, ColumnConstraintKind, ColumnDef, Expr, Name, SequenceOption, TableConstraint,
    TableConstraintKind, TypeName,
};
use crate::types::{Oid, SqlType};

/// Most columns of a table.
pub(super) const COLUMNS_MAX: usize = 1600;
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];
/// pg_collation OID of `default`.
const DEFAULT_COLLATION: Oid = Oid(100);

/// A column definition taken apart.
#[derive(Clone)]
pub(super) struct ColumnPlan {
    /// The descriptor, without default, generation expression and identity.
    pub(super) desc: ColumnDesc,
    pub(super) default: Option<Expr>,
    pub(super) generated: Option<Expr>,
    /// The integer type of a serial column.
    pub(super) serial: Option<Oid>,
    pub(super) identity: Option<(bool, Vec<SequenceOption>)>,
    /// Constraints, as if they were the table's.
    pub(super) constraints: Vec<TableConstraint>,
}

/// Reads a column definition; `table` is the table's name, for messages.
pub(super) fn plan_column(def: &ColumnDef, attnum: AttNum, table: &str, ctx: &DdlContext<'_>) -> Result<ColumnPlan> {
    let serial = serial_type(&def.ty)?;
    let ty = match serial {
        Some(oid) => SqlType::of(oid),
        None => bind::resolve_type(&def.ty, &ctx.names())?,
    };
    let name = truncate(&def.name).to_owned();
    check_name(&name)?;
    check_type(&name, ty)?;
    let element = ctx.snapshot().element_type(ty.oid).unwrap_or(ty.oid);
    ctx.check_right(Securable::Type(element), acl::USAGE)?;
    let collation = collation(ctx, ty, def.collation.as_ref())?;
    let mut plan = ColumnPlan {
        desc: ColumnDesc {
            attnum,
            name,
            ty,
            not_null: serial.is_some(),
            default: None,
            generated: None,
            generated_virtual: false,
            identity: None,
            missing: None,
            collation,
            storage: None,
            statistics: None,
            base: domain_base(ctx, ty),
        },
        default: None,
        generated: None,
        serial,
        identity: None,
        constraints: Vec::new(),
    };
    if let Some(storage) = &def.storage {
        plan.desc.storage = Some(storage_letter(storage)?);
    }
    let mut nullability = serial.map(|_| false);
    for constraint in &def.constraints {
        take_constraint(&mut plan, constraint, &mut nullability, table).map_err(|e| e.at(constraint.position))?;
    }
    if plan.identity.is_some() && !matches!(ty.oid, Oid::INT2 | Oid::INT4 | Oid::INT8) {
        bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    }
    Ok(plan)
}

fn take_constraint(
    plan: &mut ColumnPlan,
    constraint: &ColumnConstraint,
    nullability: &mut Option<bool>,
    table: &str,
) -> Result<()> {
    let keeps_keys = matches!(
        constraint.kind,
        ColumnConstraintKind::PrimaryKey { .. }
            | ColumnConstraintKind::Unique { .. }
            | ColumnConstraintKind::References(_)
    );
    if constraint.timing.deferrable && !keeps_keys {
        bail!(SYNTAX_ERROR, "misplaced DEFERRABLE clause");
    }
    let column = plan.desc.name.clone();
    let mut set_null = |may_be_null: bool, plan: &mut ColumnPlan| {
        if nullability.is_some_and(|before| before != may_be_null) {
            bail!(SYNTAX_ERROR, "conflicting NULL/NOT NULL declarations for column \"{column}\" of table \"{table}\"");
        }
        *nullability = Some(may_be_null);
        plan.desc.not_null |= !may_be_null;
        Ok(())
    };
    let kind = match &constraint.kind {
        ColumnConstraintKind::Null => return set_null(true, plan),
        ColumnConstraintKind::NotNull => return set_null(false, plan),
        ColumnConstraintKind::Default(expr) => {
            check_one_source(plan, Source::Default, table)?;
            plan.default = Some(expr.clone());
            return Ok(());
        }
        ColumnConstraintKind::Generated { expr, stored } => {
            plan.desc.generated_virtual = !stored;
            check_one_source(plan, Source::Generated, table)?;
            plan.generated = Some(expr.clone());
            return Ok(());
        }
        ColumnConstraintKind::Identity { always, options } => {
            set_null(false, plan)?;
            check_one_source(plan, Source::Identity, table)?;
            plan.identity = Some((*always, options.clone()));
            return Ok(());
        }
        ColumnConstraintKind::PrimaryKey { .. } => {
            set_null(false, plan)?;
            TableConstraintKind::PrimaryKey { columns: vec![column], include: Vec::new(), using_index: None }
        }
        ColumnConstraintKind::Unique { nulls_not_distinct, .. } => TableConstraintKind::Unique {
            columns: vec![column],
            include: Vec::new(),
            nulls_not_distinct: *nulls_not_distinct,
            using_index: None,
        },
        ColumnConstraintKind::Check(expr) => TableConstraintKind::Check(expr.clone()),
        ColumnConstraintKind::References(references) => {
            TableConstraintKind::ForeignKey { columns: vec![column], references: references.clone() }
        }
    };
    plan.constraints.push(TableConstraint {
        name: constraint.name.clone(),
        kind,
        timing: constraint.timing,
        position: constraint.position,
    });
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Default,
    Identity,
    Generated,
}

/// A column gets its value from one place only.
fn check_one_source(plan: &ColumnPlan, new: Source, table: &str) -> Result<()> {
    let has_default = plan.default.is_some() || plan.serial.is_some();
    let (default, identity, generated) = (
        has_default || new == Source::Default,
        plan.identity.is_some() || new == Source::Identity,
        plan.generated.is_some() || new == Source::Generated,
    );
    let what = match new {
        Source::Default if has_default => "multiple default values",
        Source::Identity if plan.identity.is_some() => "multiple identity specifications",
        Source::Generated if plan.generated.is_some() => "multiple generation clauses",
        _ if default && identity => "both default and identity",
        _ if default && generated => "both default and generation expression",
        _ if identity && generated => "both identity and generation expression",
        _ => return Ok(()),
    };
    bail!(SYNTAX_ERROR, "{what} specified for column \"{}\" of table \"{table}\"", plan.desc.name)
}

/// The integer type behind `serial` and its kin.
fn serial_type(ty: &TypeName) -> Result<Option<Oid>> {
    let [name] = ty.name.parts.as_slice() else { return Ok(None) };
    let oid = match name.as_str() {
        "serial" | "serial4" => Oid::INT4,
        "bigserial" | "serial8" => Oid::INT8,
        "smallserial" | "serial2" => Oid::INT2,
        _ => return Ok(None),
    };
    if ty.array_dims > 0 {
        return Err(crate::error!(FEATURE_NOT_SUPPORTED, "array of serial is not implemented").at(ty.name.position));
    }
    Ok(Some(oid))
}

/// Refuses names that every table has already.
pub(super) fn check_name(name: &str) -> Result<()> {
    if SYSTEM_COLUMNS.contains(&name) {
        bail!(DUPLICATE_COLUMN, "column name \"{name}\" conflicts with a system column name");
    }
    Ok(())
}

/// Refuses types that no value can be stored with.
pub(super) fn check_type(column: &str, ty: SqlType) -> Result<()> {
    match builtin().type_row(ty.oid) {
        Some(row) if row.kind == 'p' => {
            bail!(INVALID_TABLE_DEFINITION, "column \"{column}\" has pseudo-type {}", row.name)
        }
        _ => Ok(()),
    }
}

/// The collation that a type has when none is said.
pub(super) fn default_collation(ctx: &DdlContext<'_>, ty: SqlType) -> Oid {
    let element = ctx.snapshot().element_type(ty.oid).unwrap_or(ty.oid);
    let base = ctx.snapshot().base_type(SqlType::of(element));
    builtin().type_row(base.oid).map_or(Oid::NONE, |row| row.collation)
}

/// The collation of a column or index key.
pub(super) fn collation(ctx: &DdlContext<'_>, ty: SqlType, written: Option<&Name>) -> Result<Oid> {
    let default = default_collation(ctx, ty);
    let Some(name) = written else { return Ok(default) };
    let position = name.position;
    if default == Oid::NONE {
        let text = ctx.snapshot().type_text(SqlType::of(ty.oid));
        return Err(crate::error!(DATATYPE_MISMATCH, "collations are not supported by type {text}").at(position));
    }
    let Some(row) = raw_rows(PG_COLLATION).find(|row| row[1] == name.last()) else {
        let error = crate::error!(UNDEFINED_OBJECT, "collation \"{name}\" for encoding \"UTF8\" does not exist");
        return Err(error.at(position));
    };
    match name.last() {
        "default" | "C" | "POSIX" | "ucs_basic" | "C.utf8" => Ok(row[0].parse().map_or(DEFAULT_COLLATION, Oid)),
        other => Err(Error::unsupported(format!("collation \"{other}\"")).at(position)),
    }
}

/// ALTER COLUMN SET STORAGE's letter.
pub(super) fn storage_letter(word: &str) -> Result<char> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "plain" => 'p',
        "external" => 'e',
        "extended" | "default" => 'x',
        "main" => 'm',
        _ => bail!(INVALID_PARAMETER_VALUE, "invalid storage type \"{word}\""),
    })
}

/// Whether values of a type need a look at the catalog's rules when a column of it is added to rows there are.
pub(super) fn is_constrained_domain(ctx: &DdlContext<'_>, ty: SqlType) -> bool {
    let Some(desc) = ctx.snapshot().user_type(ty.oid) else { return false };
    match &desc.kind {
        TypeKind::Domain { base, not_null, checks, .. } => {
            *not_null || !checks.is_empty() || is_constrained_domain(ctx, *base)
        }
        _ => false,
    }
}

/// The type under a domain; `None` for other types.
pub(super) fn domain_base(ctx: &DdlContext<'_>, ty: SqlType) -> Option<SqlType> {
    let base = ctx.snapshot().base_type(ty);
    (base.oid != ty.oid).then_some(base)
}

//! CREATE INDEX, and what key constraints need of indexes.

use std::sync::Arc;

use super::bind::{self, Place};
use super::context::DdlContext;
use super::naming::{self, truncate};
use super::{columns, concurrent, create_table, validate, visit};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::builtin::{OpclassRow, PG_AM, builtin, raw_rows};
use crate::catalog::descriptor::{AttNum, ColumnDesc, IndexDesc, IndexKey, IndexTarget, TableDesc, TypeKind};
use crate::catalog::snapshot::PG_CATALOG;
use crate::catalog::system::builtin_schema;
use crate::catalog::{describe, reloptions, vector_index};
use crate::common::quote_ident;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{CreateIndex, Expr as AstExpr, ExprKind, IndexElement, Name};
use crate::sql::eval::Volatility;
use crate::types::{Oid, SqlType, typmod};

/// pg_am OID of `btree`.
pub(super) const BTREE: Oid = Oid(403);
/// pg_am OID of `hash`.
pub(super) const HASH: Oid = Oid(405);

/// CREATE INDEX.
pub(super) fn create_index(create: &CreateIndex, ctx: &mut DdlContext<'_>) -> Result<()> {
    if create.if_not_exists && create.name.is_none() {
        return Err(crate::error!(SYNTAX_ERROR, "syntax error at or near \"on\"").at(create.table.position));
    }
    let table = indexable(&create.table, ctx)?;
    ctx.check_owner(table.owner, "table", &table.name)?;
    if let Some(name) = create.name.as_deref().map(truncate)
        && ctx.relation_in_the_way(table.schema, name).is_some()
    {
        if create.if_not_exists {
            ctx.skip_existing(SqlState::DUPLICATE_TABLE, &format!("relation \"{name}\""));
            return Ok(());
        }
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    // PostgreSQL looks at the expressions before anything else.
    let predicate = create.filter.as_ref().map(|filter| predicate(filter, &table, ctx)).transpose()?;
    let method = method(&create.method, ctx)?;
    let later = create.concurrently && !create.unique;
    if later {
        ctx.lock_against_changes(table.oid)?;
    } else {
        ctx.lock_against_writers(table.oid)?;
    }
    ctx.check_not_waiting(&table, "CREATE INDEX")?;
    let mut table = (*ctx.table_by_oid(table.oid)).clone();
    check_method_limits(create, method)?;
    reloptions::check(method, &create.options)?;
    let mut index = IndexDesc {
        oid: ctx.catalog.allocate_oid(),
        name: String::new(),
        table: table.oid,
        storage: ctx.catalog.allocate_storage(),
        method,
        keys: Vec::new(),
        include: Vec::new(),
        unique: create.unique,
        primary: false,
        nulls_not_distinct: create.nulls_not_distinct,
        predicate,
        options: create.options.clone(),
        valid: true,
        constraint: Oid::NONE,
    };
    let names = add_columns(create, &mut index, &table, ctx)?;
    if vector_index::is_vector(method) {
        vector_index::check(&index)?;
    }
    index.name = match &create.name {
        Some(name) => truncate(name).to_owned(),
        None => {
            let middle = naming::joined(&naming::distinct(&names));
            naming::relation_name(ctx.snapshot(), table.schema, &table.name, Some(&middle), "idx", &[])
        }
    };
    if later {
        concurrent::enter(table, index, ctx);
        return Ok(());
    }
    let oid = index.oid;
    push(&mut table, index);
    ctx.edit.put_table(table);
    validate::build_index(ctx, create_table_oid(ctx, oid), oid, "CREATE INDEX")
}

fn create_table_oid(ctx: &DdlContext<'_>, index: Oid) -> Oid {
    ctx.snapshot().index(index).expect("entered just now").table
}

/// The table to index.
fn indexable(name: &Name, ctx: &DdlContext<'_>) -> Result<Arc<TableDesc>> {
    let other = match ctx.relation(name)? {
        Relation::Table(table) => return Ok(table),
        Relation::System(desc) => {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", desc.name)
        }
        other => other,
    };
    let error = crate::error!(WRONG_OBJECT_TYPE, "cannot create index on relation \"{}\"", other.name());
    let kinds = if other.kind_name() == "index" { "indexes".to_owned() } else { format!("{}s", other.kind_name()) };
    Err(error.detail(format!("This operation is not supported for {kinds}.")))
}

/// The access method by name.
fn method(name: &str, ctx: &DdlContext<'_>) -> Result<Oid> {
    let found = raw_rows(PG_AM).find(|row| row[1] == name);
    let oid = found.map_or(Oid::NONE, |row| Oid(row[0].parse().unwrap_or_default()));
    let extension = builtin_schema(ctx.snapshot(), "public");
    if oid == Oid::NONE || (vector_index::is_vector(oid) && extension.is_none()) {
        bail!(UNDEFINED_OBJECT, "access method \"{name}\" does not exist");
    }
    match oid {
        BTREE | HASH | vector_index::HNSW | vector_index::IVFFLAT => Ok(oid),
        _ => Err(Error::unsupported(format!("access method \"{name}\""))),
    }
}

/// What a method cannot do with a whole index. One key with INCLUDE columns is an extension of OmenDB's vector indexes.
fn check_method_limits(create: &CreateIndex, method: Oid) -> Result<()> {
    let what = if method == BTREE {
        return Ok(());
    } else if create.unique {
        "unique indexes"
    } else if !create.include.is_empty() && method == HASH {
        "included columns"
    } else if create.keys.len() > 1 {
        "multicolumn indexes"
    } else {
        return Ok(());
    };
    bail!(FEATURE_NOT_SUPPORTED, "access method \"{}\" does not support {what}", create.method)
}

/// What a method cannot do with a key.
fn check_key_limits(element: &IndexElement, method: Oid, method_name: &str) -> Result<()> {
    let what = if method == BTREE {
        return Ok(());
    } else if element.ordered {
        "ASC/DESC options"
    } else if element.order.nulls_first.is_some() {
        "NULLS FIRST/LAST options"
    } else {
        return Ok(());
    };
    bail!(FEATURE_NOT_SUPPORTED, "access method \"{method_name}\" does not support {what}")
}

/// Adds keys and INCLUDE columns as written; the names that they lend to the index.
fn add_columns(
    create: &CreateIndex,
    index: &mut IndexDesc,
    table: &TableDesc,
    ctx: &DdlContext<'_>,
) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for element in &create.keys {
        let (key, name) = element_key(element, index.method, &create.method, table, ctx)?;
        index.keys.push(key);
        names.push(name);
    }
    for element in &create.include {
        let (attnum, name) = included_column(element, table)?;
        index.include.push(attnum);
        names.push(name);
    }
    Ok(names)
}

/// The column that a key or an INCLUDE column is; `None` for an expression.
fn element_column<'a>(element: &IndexElement, table: &'a TableDesc) -> Result<Option<&'a ColumnDesc>> {
    match &element.order.expr.kind {
        ExprKind::Column(column) if column.parts.len() == 1 => match table.column_named(column.last()) {
            Some(at) => Ok(Some(&table.columns[at])),
            None => bail!(UNDEFINED_COLUMN, "column \"{}\" does not exist", column.last()),
        },
        _ => Ok(None),
    }
}

/// An INCLUDE column, which has nothing of what keys may have, and its name.
fn included_column(element: &IndexElement, table: &TableDesc) -> Result<(AttNum, String)> {
    let Some(column) = element_column(element, table)? else {
        bail!(FEATURE_NOT_SUPPORTED, "expressions are not supported in included columns");
    };
    let what = if element.collation.is_some() {
        "a collation"
    } else if element.opclass.is_some() {
        "an operator class"
    } else if element.ordered {
        "ASC/DESC options"
    } else if element.order.nulls_first.is_some() {
        "NULLS FIRST/LAST options"
    } else {
        return check_stored(column).map(|()| (column.attnum, column.name.clone()));
    };
    bail!(INVALID_OBJECT_DEFINITION, "including column does not support {what}")
}

/// One key as written, and the name it lends to the index.
fn element_key(
    element: &IndexElement,
    method: Oid,
    method_name: &str,
    table: &TableDesc,
    ctx: &DdlContext<'_>,
) -> Result<(IndexKey, String)> {
    let (target, ty, collation, name) = match element_column(element, table)? {
        Some(column) => {
            check_stored(column)?;
            (IndexTarget::Column(column.attnum), column.ty, column.collation, column.name.clone())
        }
        None => {
            let expr = &element.order.expr;
            let bound = bind::bind(expr, &bind::columns_of(table), None, &ctx.names(), &Place::IndexKey)?;
            if visit::volatility(&bound) != Volatility::Immutable {
                bail!(INVALID_OBJECT_DEFINITION, "functions in index expression must be marked IMMUTABLE");
            }
            let ty = bound.ty();
            let text = bind::text_of(&bound, table, &ctx.stored_names());
            (IndexTarget::Expr(text), ty, columns::default_collation(ctx, ty), expression_name(expr))
        }
    };
    let collation = match &element.collation {
        Some(_) => columns::collation(ctx, ty, element.collation.as_ref())?,
        None => collation,
    };
    let opclass = match &element.opclass {
        Some(name) => named_opclass(name, method, method_name, ty, ctx)?,
        None => default_opclass(method, method_name, ty, ctx)?,
    };
    check_key_limits(element, method, method_name)?;
    check_opclass_options(element, opclass, ctx)?;
    let descending = element.order.descending;
    let nulls_first = element.order.nulls_first.unwrap_or(descending);
    Ok((IndexKey { target, ty, opclass, collation, descending, nulls_first }, name))
}

/// What an expression key adds to the index's name.
fn expression_name(expr: &AstExpr) -> String {
    match &expr.kind {
        ExprKind::Call(call) => call.name.last().to_owned(),
        ExprKind::Cast { arg, ty } => match &arg.kind {
            ExprKind::Column(_) | ExprKind::Call(_) => expression_name(arg),
            _ => ty.name.last().to_owned(),
        },
        ExprKind::Column(name) => name.last().to_owned(),
        ExprKind::Collate { arg, .. } => expression_name(arg),
        ExprKind::Coalesce(_) => "coalesce".to_owned(),
        ExprKind::Greatest(_) => "greatest".to_owned(),
        ExprKind::Least(_) => "least".to_owned(),
        ExprKind::NullIf(..) => "nullif".to_owned(),
        ExprKind::Case { .. } => "case".to_owned(),
        _ => "expr".to_owned(),
    }
}

fn predicate(filter: &AstExpr, table: &TableDesc, ctx: &DdlContext<'_>) -> Result<String> {
    let bool = Some(SqlType::of(Oid::BOOL));
    let bound = bind::bind(filter, &bind::columns_of(table), bool, &ctx.names(), &Place::IndexPredicate)?;
    if visit::volatility(&bound) != Volatility::Immutable {
        bail!(INVALID_OBJECT_DEFINITION, "functions in index predicate must be marked IMMUTABLE");
    }
    Ok(bind::text_of(&bound, table, &ctx.stored_names()))
}

/// PostgreSQL has no values of virtual columns to index.
fn check_stored(column: &ColumnDesc) -> Result<()> {
    if column.generated_virtual && column.generated.is_some() {
        bail!(FEATURE_NOT_SUPPORTED, "indexes on virtual generated columns are not supported");
    }
    Ok(())
}

/// The plain btree key of a column.
pub(super) fn column_key(table: &TableDesc, at: usize, ctx: &DdlContext<'_>) -> Result<IndexKey> {
    let column = &table.columns[at];
    check_stored(column)?;
    Ok(IndexKey {
        target: IndexTarget::Column(column.attnum),
        ty: column.ty,
        opclass: default_opclass(BTREE, "btree", column.ty, ctx)?,
        collation: column.collation,
        descending: false,
        nulls_first: false,
    })
}

/// Types whose operator classes serve a type, the best first.
fn served_by(ctx: &DdlContext<'_>, ty: SqlType) -> Vec<Oid> {
    let base = ctx.snapshot().base_type(ty).oid;
    let mut found = vec![base];
    match ctx.snapshot().user_type(base).map(|desc| &desc.kind) {
        Some(TypeKind::Enum { .. }) => found.push(Oid::ANYENUM),
        Some(TypeKind::Composite { .. }) => found.push(Oid::RECORD),
        _ if ctx.snapshot().element_type(base).is_some() => found.push(Oid::ANYARRAY),
        _ if ctx.snapshot().composite_fields(base).is_some() => found.push(Oid::RECORD),
        _ => {}
    }
    let casts = builtin().casts.iter().filter(|cast| cast.source == base && cast.method == 'b' && cast.context == 'i');
    found.extend(casts.map(|cast| cast.target));
    found
}

/// The operator class that a method uses for a type when none is named.
fn default_opclass(method: Oid, method_name: &str, ty: SqlType, ctx: &DdlContext<'_>) -> Result<Oid> {
    let found = served_by(ctx, ty).into_iter().find_map(|oid| builtin().default_opclass(method, oid));
    match found {
        Some(row) => Ok(row.oid),
        None => {
            let text = type_words(ty.oid, ctx);
            let error = crate::error!(
                UNDEFINED_OBJECT,
                "data type {text} has no default operator class for access method \"{method_name}\""
            );
            Err(error.hint(
                "You must specify an operator class for the index or define a default operator class for the data \
                 type.",
            ))
        }
    }
}

fn named_opclass(name: &Name, method: Oid, method_name: &str, ty: SqlType, ctx: &DdlContext<'_>) -> Result<Oid> {
    let schema = ctx.explicit_schema(name)?;
    let visible = |row: &OpclassRow| match (builtin_schema(ctx.snapshot(), row.namespace), schema) {
        (Some(own), Some(wanted)) => own == wanted,
        (Some(own), None) => own == PG_CATALOG || ctx.path.schemas.contains(&own),
        (None, _) => false,
    };
    let fits = |row: &&OpclassRow| row.method == method && row.name == name.last() && visible(row);
    let rows: Vec<&OpclassRow> = builtin().opclasses.iter().filter(fits).collect();
    let Some(first) = rows.first() else {
        bail!(UNDEFINED_OBJECT, "operator class \"{name}\" does not exist for access method \"{method_name}\"")
    };
    let served = served_by(ctx, ty);
    match rows.iter().find(|row| served.contains(&row.input)) {
        Some(row) => Ok(row.oid),
        None => Err(unaccepted(first.name, ty, ctx)),
    }
}

/// A type in a message: without a modifier, where `bit` needs no quotes.
fn type_words(ty: Oid, ctx: &DdlContext<'_>) -> String {
    typmod::builtin_type_name(ty).map_or_else(|| ctx.snapshot().type_text(SqlType::of(ty)), ToOwned::to_owned)
}

/// The error for an operator class of another type.
fn unaccepted(opclass: &str, ty: SqlType, ctx: &DdlContext<'_>) -> Error {
    let text = type_words(ty.oid, ctx);
    crate::error!(DATATYPE_MISMATCH, "operator class \"{opclass}\" does not accept data type {text}")
}

/// No operator class here has options.
fn check_opclass_options(element: &IndexElement, opclass: Oid, ctx: &DdlContext<'_>) -> Result<()> {
    if element.opclass_options.is_empty() {
        return Ok(());
    }
    let row = builtin().opclasses.iter().find(|row| row.oid == opclass).expect("it was found just now");
    let name = match builtin_schema(ctx.snapshot(), row.namespace) {
        Some(schema) if schema != PG_CATALOG => {
            format!("{}.{}", quote_ident(ctx.snapshot().schema_name(schema).unwrap_or_default()), quote_ident(row.name))
        }
        _ => quote_ident(row.name),
    };
    bail!(INVALID_PARAMETER_VALUE, "operator class {name} has no options")
}

/// The operator class that a key has once its column is of another type, as if the index were created again: a default
/// class gives way to the new type's, any other must accept the new type.
pub(super) fn retyped_opclass(method: Oid, opclass: Oid, ty: SqlType, ctx: &DdlContext<'_>) -> Result<Oid> {
    let row = builtin().opclasses.iter().find(|row| row.oid == opclass).expect("an index has a class that there is");
    if served_by(ctx, ty).contains(&row.input) {
        return Ok(opclass);
    }
    if !row.is_default {
        return Err(unaccepted(row.name, ty, ctx));
    }
    default_opclass(method, describe::method_name(method).unwrap_or_default(), ty, ctx)
}

/// A name for an index of a table: `pkey`, `key` for constraints, `idx`.
pub(super) fn choose_name(table: &TableDesc, index: &IndexDesc, label: &str, ctx: &DdlContext<'_>) -> String {
    let column = |attnum: AttNum| table.position_of(attnum).map(|at| table.columns[at].name.clone());
    let name = |key: &IndexKey| match &key.target {
        IndexTarget::Column(attnum) => column(*attnum).unwrap_or_default(),
        IndexTarget::Expr(text) => {
            let call = text.split_once('(').map(|(name, _)| name).filter(|name| !name.is_empty());
            call.filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_')).unwrap_or("expr").to_owned()
        }
    };
    let names: Vec<String> =
        index.keys.iter().map(name).chain(index.include.iter().filter_map(|a| column(*a))).collect();
    let middle = naming::joined(&naming::distinct(&names));
    let middle = (label != "pkey").then_some(middle.as_str());
    let others = taken(table);
    if label == "idx" {
        naming::relation_name(ctx.snapshot(), table.schema, &table.name, middle, label, &others)
    } else {
        naming::index_constraint_name(ctx.snapshot(), table.schema, &table.name, middle, label, &others)
    }
}

/// Names that a table not yet in the catalog takes.
fn taken(table: &TableDesc) -> Vec<String> {
    let indexes = table.indexes.iter().map(|index| index.name.clone());
    let constraints = table.constraints.iter().map(|constraint| constraint.name.clone());
    indexes.chain(constraints).chain([table.name.clone()]).collect()
}

/// Refuses an index name that a relation has.
pub(super) fn check_free(table: &TableDesc, name: &str, ctx: &DdlContext<'_>) -> Result<()> {
    let own = table.name == name || table.indexes.iter().any(|index| index.name == name);
    if own || ctx.relation_in_the_way(table.schema, name).is_some() {
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    Ok(())
}

/// Adds an index to a descriptor, the primary key's first.
pub(super) fn push(table: &mut TableDesc, index: IndexDesc) {
    let at = if index.primary { 0 } else { table.indexes.len() };
    table.indexes.insert(at, Arc::new(index));
    debug_assert!(create_table::attnum_after(table.columns.len()).is_ok());
}

//! The objects of a snapshot as system relations enumerate them, and the OIDs of things that have no descriptor.

use std::borrow::Cow;

use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::{AttNum, ColumnDesc, SchemaDesc, TableDesc, TypeKind};
use crate::catalog::snapshot::{PG_CATALOG, PUBLIC, Snapshot, TypeRef};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system;
use crate::types::{Oid, SqlType};

/// `pg_class`, as a `classid`.
pub const CLASS_RELATION: Oid = Oid(1259);
/// `pg_type`.
pub const CLASS_TYPE: Oid = Oid(1247);
/// `pg_proc`.
pub const CLASS_FUNCTION: Oid = Oid(1255);
/// `pg_attrdef`.
pub const CLASS_DEFAULT: Oid = Oid(2604);
/// `pg_constraint`.
pub const CLASS_CONSTRAINT: Oid = Oid(2606);
/// `pg_rewrite`.
pub const CLASS_RULE: Oid = Oid(2618);
/// `pg_namespace`.
pub const CLASS_SCHEMA: Oid = Oid(2615);
/// `pg_extension`.
pub const CLASS_EXTENSION: Oid = Oid(3079);
/// `pg_database`.
pub const CLASS_DATABASE: Oid = Oid(1262);
/// `pg_authid`.
pub const CLASS_ROLE: Oid = Oid(1260);

/// The role that owns schema `public` while nobody has given it to another.
pub const DATABASE_OWNER: Oid = Oid(6171);

/// The owner of a schema as clients see it: `public` belongs to whoever owns the database.
pub fn schema_owner(snapshot: &Snapshot, schema: &SchemaDesc) -> Oid {
    let database = snapshot.shared.databases.get(&snapshot.database);
    if schema.oid == PUBLIC && database.is_none_or(|database| database.owner == schema.owner) {
        return DATABASE_OWNER;
    }
    schema.owner
}

/// The first OID that is not PostgreSQL's own; what is built in above it belongs to the extension `vector`.
pub const FIRST_NORMAL: Oid = Oid(16_384);

/// OIDs above those that the catalog hands out.
const DERIVED: u32 = 0x8000_0000;
/// Bits for the column in a derived OID; a table has at most 1,600 columns.
const COLUMN_BITS: u32 = 11;

/// An OID for a thing that each column of a relation has at most one of. Different columns of different relations get
/// different OIDs as long as fewer than 2^20 OIDs lie between the relations.
fn derived(relation: Oid, column: AttNum) -> Oid {
    let relation = relation.0.wrapping_sub(Oid::FIRST_USER.0) << COLUMN_BITS;
    Oid(DERIVED | (relation & !DERIVED) | u32::from(column.unsigned_abs()) & ((1 << COLUMN_BITS) - 1))
}

/// The pg_attrdef OID of a column's default or generation expression.
#[must_use]
pub fn attrdef_oid(table: Oid, column: AttNum) -> Oid {
    derived(table, column)
}

/// The pg_constraint OID of a column's NOT NULL, or of the n-th constraint of a domain.
#[must_use]
pub fn column_constraint_oid(owner: Oid, column: AttNum) -> Oid {
    derived(owner, column)
}

/// The pg_rewrite OID of a view's rule.
pub fn rule_oid(view: Oid) -> Oid {
    derived(view, 0)
}

/// A relation that has columns.
pub struct Columned<'a> {
    pub oid: Oid,
    pub schema: Oid,
    pub name: &'a str,
    /// As pg_class.relkind.
    pub kind: char,
    pub owner: Oid,
    pub row_type: Oid,
    pub columns: Cow<'a, [ColumnDesc]>,
    pub temporary: bool,
    /// The table, when it is one of the user's.
    pub table: Option<&'a TableDesc>,
}

/// A column of no table.
pub fn plain_column(attnum: AttNum, name: &str, ty: SqlType, not_null: bool) -> ColumnDesc {
    ColumnDesc {
        attnum,
        name: name.to_owned(),
        ty,
        not_null,
        default: None,
        generated: None,
        generated_virtual: false,
        identity: None,
        missing: None,
        collation: Oid::NONE,
        storage: None,
        statistics: None,
        base: None,
    }
}

fn sequence_columns() -> Vec<ColumnDesc> {
    vec![
        plain_column(1, "last_value", SqlType::of(Oid::INT8), true),
        plain_column(2, "log_cnt", SqlType::of(Oid::INT8), true),
        plain_column(3, "is_called", SqlType::of(Oid::BOOL), true),
    ]
}

/// All relations with columns: tables, views, sequences, composite types, system relations.
pub fn columned(snapshot: &Snapshot) -> Vec<Columned<'_>> {
    let mut all: Vec<Columned<'_>> = system::relations()
        .map(|desc| Columned {
            oid: desc.oid,
            schema: desc.schema,
            name: desc.name,
            kind: desc.kind,
            owner: FIRST_ROLE,
            row_type: Oid::NONE,
            columns: Cow::Borrowed(&desc.columns),
            temporary: false,
            table: None,
        })
        .collect();
    let objects = &snapshot.objects;
    all.extend(objects.tables.values().map(|d| Columned {
        oid: d.oid,
        schema: d.schema,
        name: &d.name,
        kind: 'r',
        owner: d.owner,
        row_type: d.row_type,
        columns: Cow::Borrowed(&d.columns),
        temporary: d.temporary,
        table: Some(d),
    }));
    all.extend(objects.views.values().map(|d| Columned {
        oid: d.oid,
        schema: d.schema,
        name: &d.name,
        kind: 'v',
        owner: d.owner,
        row_type: d.row_type,
        columns: Cow::Borrowed(&d.columns),
        temporary: d.temporary,
        table: None,
    }));
    all.extend(objects.sequences.values().map(|d| Columned {
        oid: d.oid,
        schema: d.schema,
        name: &d.name,
        kind: 'S',
        owner: d.owner,
        row_type: Oid::NONE,
        columns: Cow::Owned(sequence_columns()),
        temporary: d.temporary,
        table: None,
    }));
    all.extend(composites(snapshot));
    all
}

/// Composite types: the relation's OID is the type's, because it has no other.
fn composites(snapshot: &Snapshot) -> impl Iterator<Item = Columned<'_>> {
    snapshot.objects.types.values().filter_map(|ty| {
        let TypeKind::Composite { fields } = &ty.kind else { return None };
        let columns = fields
            .iter()
            .zip(1..)
            .map(|((name, field), attnum)| ColumnDesc {
                collation: type_collation(snapshot, field.oid),
                ..plain_column(attnum, name, *field, false)
            })
            .collect();
        Some(Columned {
            oid: ty.oid,
            schema: ty.schema,
            name: &ty.name,
            kind: 'c',
            owner: ty.owner,
            row_type: ty.oid,
            columns: Cow::Owned(columns),
            temporary: false,
            table: None,
        })
    })
}

/// The collation a column of a type gets when none is said.
pub fn type_collation(snapshot: &Snapshot, ty: Oid) -> Oid {
    let base = snapshot.base_type(SqlType::of(ty)).oid;
    builtin().type_row(base).map_or(Oid::NONE, |row| row.collation)
}

/// How values of a type lie in a row, as pg_attribute and pg_type tell: length, by value, alignment, storage.
pub fn physical_facts(snapshot: &Snapshot, ty: Oid) -> (i16, bool, char, char) {
    match snapshot.type_by_oid(snapshot.base_type(SqlType::of(ty)).oid) {
        Some(TypeRef::Builtin(row)) => (row.len, row.by_value, row.align, row.storage),
        Some(TypeRef::User(found)) if matches!(found.kind, TypeKind::Enum { .. }) => (4, true, 'i', 'p'),
        Some(TypeRef::User(_) | TypeRef::UserArray(_) | TypeRef::Row(..)) => (-1, false, 'd', 'x'),
        None => (4, true, 'i', 'p'),
    }
}

/// The schema of an object that is built in; none when it belongs to an extension that is not installed.
pub fn builtin_schema(snapshot: &Snapshot, namespace: &str) -> Option<Oid> {
    match namespace {
        "pg_catalog" => Some(PG_CATALOG),
        "information_schema" => Some(crate::catalog::snapshot::INFORMATION_SCHEMA),
        _ => extension_schema(snapshot),
    }
}

/// The schema that the extension `vector` was installed in.
pub fn extension_schema(snapshot: &Snapshot) -> Option<Oid> {
    snapshot.objects.extensions.values().find(|extension| extension.name == "vector").map(|extension| extension.schema)
}

/// A role's name; unknown ones as pg_get_userbyid prints them.
pub fn role_name(snapshot: &Snapshot, oid: Oid) -> String {
    match snapshot.shared.roles.get(&oid) {
        Some(role) => role.name.clone(),
        None => format!("unknown (OID={oid})"),
    }
}

/// A schema's name; empty when it is gone.
pub fn schema_name(snapshot: &Snapshot, oid: Oid) -> &str {
    snapshot.schema_name(oid).unwrap_or("")
}

/// The name of this database.
pub fn database_name(snapshot: &Snapshot) -> &str {
    snapshot.shared.databases.get(&snapshot.database).map_or("", |database| database.name.as_str())
}

//! Descriptors: what the catalog knows about each user object, as plain data.
//!
//! A descriptor is immutable once published; DDL makes a new one and publishes a new catalog snapshot. Expressions
//! (defaults, checks, index expressions, view bodies) are kept as SQL text in PostgreSQL's canonical form, which is also what
//! `pg_get_expr` and pg_dump show; the binder turns them into expressions when it needs them. Serialised with serde.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::acl::Acl;
use crate::types::{Oid, SqlType};

/// Names the rows and index entries of one incarnation of a table or index in storage. TRUNCATE and rewrites take a new one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct StorageId(pub u32);

/// A column's number in its table: 1-based, never reused, as pg_attribute.attnum.
pub type AttNum = i16;

/// An ordinary table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TableDesc {
    /// pg_class OID.
    pub oid: Oid,
    /// Its row type in pg_type.
    pub row_type: Oid,
    /// Schema.
    pub schema: Oid,
    /// Name.
    pub name: String,
    /// Owner role.
    pub owner: Oid,
    /// Where its rows are.
    pub storage: StorageId,
    /// Live columns in attribute order; dropped ones are gone from here but their numbers stay used.
    pub columns: Vec<ColumnDesc>,
    /// The number the next added column gets; rows store this many minus one attributes at most.
    pub next_attnum: AttNum,
    /// Primary key, unique, check, foreign key constraints (this table referencing).
    pub constraints: Vec<ConstraintDesc>,
    /// All indexes, the primary key's first.
    pub indexes: Vec<Arc<IndexDesc>>,
    /// TEMP: visible to the creating session only and dropped with it.
    pub temporary: bool,
    /// UNLOGGED, kept as told; stored like any other.
    pub unlogged: bool,
    /// WITH (...) options as written.
    pub options: Vec<(String, String)>,
}

/// A column.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ColumnDesc {
    /// Attribute number.
    pub attnum: AttNum,
    /// Name.
    pub name: String,
    /// Type and modifier.
    pub ty: SqlType,
    /// NOT NULL.
    pub not_null: bool,
    /// DEFAULT, as canonical SQL.
    pub default: Option<String>,
    /// GENERATED ALWAYS AS (expr) STORED, as canonical SQL.
    pub generated: Option<String>,
    /// GENERATED ... VIRTUAL. The expression is immutable, so a value that is computed when the row is written is the one
    /// that would be computed when it is read: virtual columns are kept like stored ones.
    #[serde(default)]
    pub generated_virtual: bool,
    /// GENERATED ... AS IDENTITY.
    pub identity: Option<Identity>,
    /// Value that rows written before the column was added have, in `types::codec` encoding; none is NULL.
    pub missing: Option<Vec<u8>>,
    /// COLLATE, 0 for types without one.
    pub collation: Oid,
    /// ALTER COLUMN SET STORAGE letter, if set.
    pub storage: Option<char>,
    /// ALTER COLUMN SET STATISTICS, if set.
    pub statistics: Option<i16>,
    /// For a column of a domain: the type under all its domains, in which values are stored.
    #[serde(default)]
    pub base: Option<SqlType>,
}

/// An identity column's kind and sequence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// ALWAYS, else BY DEFAULT.
    pub always: bool,
    /// The sequence.
    pub sequence: Oid,
}

/// A constraint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConstraintDesc {
    /// pg_constraint OID.
    pub oid: Oid,
    /// Name, unique in the table.
    pub name: String,
    /// What it demands.
    pub kind: ConstraintKind,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
    /// NOT VALID was not said, or it has been validated.
    pub validated: bool,
}

/// Kinds of constraint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ConstraintKind {
    /// PRIMARY KEY, kept by a unique index.
    PrimaryKey { columns: Vec<AttNum>, index: Oid },
    /// UNIQUE, kept by a unique index.
    Unique { columns: Vec<AttNum>, index: Oid },
    /// CHECK, canonical SQL; the columns it reads.
    Check { expr: String, columns: Vec<AttNum> },
    /// REFERENCES.
    ForeignKey(ForeignKey),
}

/// A foreign key of the table that holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForeignKey {
    /// Referencing columns.
    pub columns: Vec<AttNum>,
    /// The table referenced.
    pub referenced_table: Oid,
    /// Its columns.
    pub referenced_columns: Vec<AttNum>,
    /// The unique index there that holds the key.
    pub referenced_index: Oid,
    /// ON DELETE.
    pub on_delete: ReferentialAction,
    /// Columns named by ON DELETE SET NULL (cols); empty means all.
    pub on_delete_columns: Vec<AttNum>,
    /// ON UPDATE.
    pub on_update: ReferentialAction,
    /// MATCH FULL, else SIMPLE.
    pub match_full: bool,
}

/// What happens to referencing rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ReferentialAction {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// An index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexDesc {
    /// pg_class OID.
    pub oid: Oid,
    /// Name, in the table's schema.
    pub name: String,
    /// The table.
    pub table: Oid,
    /// Where its entries are.
    pub storage: StorageId,
    /// pg_am OID: btree, hash (served as btree), hnsw, ivfflat.
    pub method: Oid,
    /// Key columns.
    pub keys: Vec<IndexKey>,
    /// INCLUDE columns.
    pub include: Vec<AttNum>,
    /// UNIQUE.
    pub unique: bool,
    /// Backs the primary key.
    pub primary: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// WHERE, canonical SQL.
    pub predicate: Option<String>,
    /// WITH (...) options as written.
    pub options: Vec<(String, String)>,
    /// Usable by queries; false while CONCURRENTLY builds it or after that failed.
    pub valid: bool,
    /// The constraint it backs, or 0.
    pub constraint: Oid,
}

/// One key of an index.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexKey {
    /// A column or an expression.
    pub target: IndexTarget,
    /// Type of the key.
    pub ty: SqlType,
    /// pg_opclass OID.
    pub opclass: Oid,
    /// Collation OID or 0.
    pub collation: Oid,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}

/// What an index key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexTarget {
    /// A column.
    Column(AttNum),
    /// An expression over the table's columns, canonical SQL.
    Expr(String),
}

/// A sequence. Its state is not here: it changes without a catalog change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SequenceDesc {
    pub oid: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    /// int2, int4 or int8.
    pub ty: Oid,
    pub start: i64,
    pub increment: i64,
    pub min: i64,
    pub max: i64,
    pub cache: i64,
    pub cycle: bool,
    /// OWNED BY table column; `internal` when it belongs to an identity column.
    pub owned_by: Option<(Oid, AttNum)>,
    pub internal: bool,
    pub temporary: bool,
}

/// A view.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ViewDesc {
    pub oid: Oid,
    pub row_type: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    /// Output columns.
    pub columns: Vec<ColumnDesc>,
    /// The query, canonical SQL with all names qualified.
    pub query: String,
    /// Objects it needs, for DROP ... RESTRICT.
    pub depends_on: Vec<Oid>,
    pub temporary: bool,
}

/// A virtual relation of pg_catalog or information_schema.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct RelationDesc {
    pub oid: Oid,
    pub schema: Oid,
    pub name: &'static str,
    /// 'r' or 'v' as PostgreSQL has it.
    pub kind: char,
    pub columns: Vec<ColumnDesc>,
}

/// A user-defined type.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct TypeDesc {
    pub oid: Oid,
    pub array_oid: Oid,
    pub schema: Oid,
    pub name: String,
    pub owner: Oid,
    pub kind: TypeKind,
}

/// Kinds of user-defined types.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TypeKind {
    /// Labels with their pg_enum OID and sort order, in sort order.
    Enum { labels: Vec<EnumLabel> },
    /// Attribute names and types.
    Composite { fields: Vec<(String, SqlType)> },
    /// Base type, constraints.
    Domain { base: SqlType, not_null: bool, default: Option<String>, checks: Vec<(String, String)> },
}

/// An enum label.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct EnumLabel {
    pub oid: Oid,
    pub sort_order: f32,
    pub label: String,
}

/// A schema.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SchemaDesc {
    pub oid: Oid,
    pub name: String,
    pub owner: Oid,
}

/// A database; all databases share one store, each has its own objects.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DatabaseDesc {
    pub oid: Oid,
    pub name: String,
    pub owner: Oid,
    pub allow_connections: bool,
    pub connection_limit: i32,
    pub is_template: bool,
    /// ALTER DATABASE SET.
    pub settings: Vec<(String, String)>,
    /// What was granted and revoked; none is the default.
    #[serde(default)]
    pub acl: Option<Acl>,
}

/// A role. The password verifier is in the `users` column family only, never here.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RoleDesc {
    pub oid: Oid,
    pub name: String,
    pub superuser: bool,
    pub create_role: bool,
    pub create_db: bool,
    pub login: bool,
    pub inherit: bool,
    pub replication: bool,
    pub bypass_rls: bool,
    pub connection_limit: i32,
    /// VALID UNTIL, microseconds since 2000-01-01 UTC.
    pub valid_until: Option<i64>,
    /// ALTER ROLE SET.
    pub settings: Vec<(String, String)>,
    /// The roles that this one is a member of.
    #[serde(default)]
    pub memberships: Vec<Membership>,
}

/// That a role is a member of another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Membership {
    pub oid: Oid,
    /// The role that members share.
    pub role: Oid,
    pub grantor: Oid,
    /// May make others members.
    pub admin: bool,
    /// Has the role's rights without SET ROLE.
    pub inherit: bool,
    /// May SET ROLE.
    pub set: bool,
}

/// An installed extension.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct ExtensionDesc {
    pub oid: Oid,
    pub name: String,
    pub schema: Oid,
    pub owner: Oid,
    pub version: String,
}

impl ColumnDesc {
    /// The type that values are stored and computed in: the base type of a domain, the type itself otherwise.
    #[must_use]
    pub fn stored_type(&self) -> SqlType {
        self.base.unwrap_or(self.ty)
    }
}

impl TableDesc {
    /// Position in `columns` of an attribute number.
    #[must_use]
    pub fn position_of(&self, attnum: AttNum) -> Option<usize> {
        self.columns.iter().position(|column| column.attnum == attnum)
    }

    /// Position in `columns` of a name.
    #[must_use]
    pub fn column_named(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The primary key's index.
    #[must_use]
    pub fn primary_index(&self) -> Option<&Arc<IndexDesc>> {
        self.indexes.iter().find(|index| index.primary)
    }
}

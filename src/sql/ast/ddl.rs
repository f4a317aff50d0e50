//! Data definition as written.

use super::{Expr, Name, OrderItem, Query, TypeName};

/// CREATE TABLE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateTable {
    pub name: Name,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub unlogged: bool,
    pub columns: Vec<ColumnDef>,
    pub constraints: Vec<TableConstraint>,
    /// LIKE table with the INCLUDING options, upper case.
    pub likes: Vec<(Name, Vec<String>)>,
    pub options: Vec<(String, String)>,
    pub on_commit: Option<String>,
}

/// A column definition.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ColumnDef {
    pub name: String,
    pub ty: TypeName,
    pub collation: Option<Name>,
    pub constraints: Vec<ColumnConstraint>,
    pub storage: Option<String>,
    pub position: u32,
}

/// A column constraint with its name.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct ColumnConstraint {
    pub name: Option<String>,
    pub kind: ColumnConstraintKind,
    pub timing: Timing,
    pub position: u32,
}

/// DEFERRABLE and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Timing {
    pub deferrable: bool,
    pub initially_deferred: bool,
    pub not_valid: bool,
}

/// Kinds of column constraint.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum ColumnConstraintKind {
    Null,
    NotNull,
    Default(Expr),
    /// `stored` is false for VIRTUAL.
    Generated {
        expr: Expr,
        stored: bool,
    },
    Identity {
        always: bool,
        options: Vec<SequenceOption>,
    },
    PrimaryKey {
        options: Vec<(String, String)>,
    },
    Unique {
        nulls_not_distinct: bool,
        options: Vec<(String, String)>,
    },
    Check(Expr),
    References(References),
}

/// REFERENCES.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct References {
    pub table: Name,
    pub columns: Vec<String>,
    pub on_delete: Action,
    pub on_delete_columns: Vec<String>,
    pub on_update: Action,
    pub match_full: bool,
}

/// Referential actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Action {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// A table constraint.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct TableConstraint {
    pub name: Option<String>,
    pub kind: TableConstraintKind,
    pub timing: Timing,
    pub position: u32,
}

/// Kinds of table constraint.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum TableConstraintKind {
    PrimaryKey { columns: Vec<String>, include: Vec<String>, using_index: Option<String> },
    Unique { columns: Vec<String>, include: Vec<String>, nulls_not_distinct: bool, using_index: Option<String> },
    Check(Expr),
    ForeignKey { columns: Vec<String>, references: References },
    NotNull(String),
}

/// CREATE TABLE AS and CREATE MATERIALIZED VIEW's kin.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateTableAs {
    pub name: Name,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub columns: Vec<String>,
    pub query: Query,
    pub with_data: bool,
}

/// ALTER TABLE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AlterTable {
    /// What the statement names: TABLE, INDEX, VIEW, SEQUENCE.
    pub kind: ObjectKind,
    pub name: Name,
    pub if_exists: bool,
    pub actions: Vec<AlterAction>,
}

/// One action of ALTER TABLE (also of ALTER INDEX / VIEW / SEQUENCE where they share it).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum AlterAction {
    AddColumn { column: ColumnDef, if_not_exists: bool },
    DropColumn { name: String, if_exists: bool, cascade: bool },
    SetDefault { column: String, default: Option<Expr> },
    SetNotNull { column: String, not_null: bool },
    SetType { column: String, ty: TypeName, using: Option<Expr> },
    SetStorage { column: String, storage: String },
    SetStatistics { column: String, target: i16 },
    AddIdentity { column: String, always: bool, options: Vec<SequenceOption> },
    SetIdentity { column: String, always: Option<bool>, options: Vec<SequenceOption> },
    DropIdentity { column: String, if_exists: bool },
    DropExpression { column: String, if_exists: bool },
    AddConstraint(TableConstraint),
    DropConstraint { name: String, if_exists: bool, cascade: bool },
    ValidateConstraint { name: String },
    AlterConstraint { name: String, timing: Timing },
    SetSchema(String),
    OwnerTo(String),
    SetOptions(Vec<(String, String)>),
    ResetOptions(Vec<String>),
    SetLogged(bool),
    Unsupported(String),
}

/// CREATE INDEX.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateIndex {
    pub name: Option<String>,
    pub if_not_exists: bool,
    pub unique: bool,
    pub concurrently: bool,
    pub table: Name,
    pub method: String,
    pub keys: Vec<IndexElement>,
    /// As keys are written, so that what only keys may have is refused by name.
    pub include: Vec<IndexElement>,
    pub nulls_not_distinct: bool,
    pub options: Vec<(String, String)>,
    pub filter: Option<Expr>,
}

/// One index key.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct IndexElement {
    pub order: OrderItem,
    /// ASC or DESC was written.
    pub ordered: bool,
    pub collation: Option<Name>,
    pub opclass: Option<Name>,
    /// Options in parentheses behind the operator class.
    pub opclass_options: Vec<(String, String)>,
}

/// CREATE SCHEMA.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CreateSchema {
    pub name: String,
    pub if_not_exists: bool,
    pub owner: Option<String>,
}

/// CREATE SEQUENCE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateSequence {
    pub name: Name,
    pub if_not_exists: bool,
    pub temporary: bool,
    pub options: Vec<SequenceOption>,
}

/// ALTER SEQUENCE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct AlterSequence {
    pub name: Name,
    pub if_exists: bool,
    pub options: Vec<SequenceOption>,
}

/// An option of a sequence.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum SequenceOption {
    Type(TypeName),
    Increment(i64),
    /// None is NO MINVALUE.
    Min(Option<i64>),
    Max(Option<i64>),
    Start(i64),
    Restart(Option<i64>),
    Cache(i64),
    Cycle(bool),
    /// None is OWNED BY NONE; else table and column.
    OwnedBy(Option<Name>),
    SequenceName(Name),
}

/// CREATE TYPE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateType {
    pub name: Name,
    pub kind: CreateTypeKind,
}

/// What kind of type.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum CreateTypeKind {
    Enum(Vec<String>),
    Composite(Vec<(String, TypeName)>),
}

/// ALTER TYPE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum AlterType {
    AddValue { name: Name, label: String, if_not_exists: bool, before: Option<String>, after: Option<String> },
    RenameValue { name: Name, from: String, to: String },
    OwnerTo { name: Name, owner: String },
    SetSchema { name: Name, schema: String },
}

/// CREATE DOMAIN.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateDomain {
    pub name: Name,
    pub base: TypeName,
    pub default: Option<Expr>,
    pub not_null: bool,
    pub checks: Vec<(Option<String>, Expr)>,
}

/// CREATE VIEW.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateView {
    pub name: Name,
    pub or_replace: bool,
    pub temporary: bool,
    pub materialized: bool,
    pub if_not_exists: bool,
    pub columns: Vec<String>,
    pub query: Query,
    /// The query's own text.
    pub text: String,
    pub with_data: bool,
}

/// ALTER EXTENSION.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct AlterExtension {
    pub name: String,
    pub action: ExtensionAction,
}

/// What ALTER EXTENSION does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExtensionAction {
    /// UPDATE, to a version if one is named.
    Update(Option<String>),
    SetSchema(String),
}

/// CREATE EXTENSION.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CreateExtension {
    pub name: String,
    pub if_not_exists: bool,
    pub schema: Option<String>,
    pub version: Option<String>,
}

/// CREATE or ALTER ROLE/USER.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct CreateRole {
    pub name: String,
    pub options: Vec<RoleOption>,
}

/// An option of a role.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum RoleOption {
    /// SUPERUSER, CREATEDB, CREATEROLE, LOGIN, INHERIT, REPLICATION, BYPASSRLS with their NO forms.
    Flag(String, bool),
    /// None is PASSWORD NULL.
    Password(Option<String>),
    ConnectionLimit(i32),
    ValidUntil(String),
    InRole(Vec<String>),
    Role(Vec<String>),
    Admin(Vec<String>),
}

/// RENAME of anything.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Rename {
    pub kind: ObjectKind,
    pub name: Name,
    /// A column, constraint or attribute of it.
    pub part: Option<(RenamePart, String)>,
    pub to: String,
    pub if_exists: bool,
}

/// What of the object is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RenamePart {
    Column,
    Constraint,
    Attribute,
}

/// Kinds of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ObjectKind {
    Table,
    Index,
    Sequence,
    View,
    MaterializedView,
    Schema,
    Type,
    Domain,
    Extension,
    Database,
    Role,
    Column,
    Constraint,
    Function,
}

/// DROP.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Drop {
    pub kind: ObjectKind,
    pub names: Vec<Name>,
    pub if_exists: bool,
    pub cascade: bool,
    pub concurrently: bool,
}

/// REINDEX.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Reindex {
    pub target: ReindexTarget,
    pub concurrently: bool,
    pub verbose: bool,
    pub tablespace: Option<String>,
}

/// What REINDEX rebuilds; `None` is the current database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ReindexTarget {
    Index(Name),
    Table(Name),
    Schema(String),
    Database(Option<String>),
    System(Option<String>),
}

/// TRUNCATE.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Truncate {
    pub tables: Vec<Name>,
    pub restart_identity: bool,
    pub cascade: bool,
}

/// COMMENT ON.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Comment {
    pub kind: ObjectKind,
    pub name: Name,
    /// For constraints: the table.
    pub on: Option<Name>,
    pub text: Option<String>,
}

/// GRANT and REVOKE.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct Grant {
    pub revoke: bool,
    /// `grant`, `admin`, `inherit` or `set` of REVOKE ... OPTION FOR.
    pub option_for: Option<String>,
    /// Rights, or roles when there is no target.
    pub privileges: Vec<Privilege>,
    pub target: Option<GrantTarget>,
    pub roles: Vec<String>,
    /// WITH GRANT OPTION.
    pub grant_option: bool,
    /// WITH ADMIN, INHERIT, SET of memberships.
    pub options: Vec<(String, bool)>,
    pub granted_by: Option<String>,
    pub cascade: bool,
}

/// A right with the columns that it is limited to.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Privilege {
    pub name: String,
    pub columns: Vec<String>,
}

/// What rights are granted on; functions come with argument types.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct GrantTarget {
    pub kind: ObjectKind,
    /// ALL ... IN SCHEMA: the names are schemas.
    pub all_in_schemas: bool,
    pub names: Vec<(Name, Option<Vec<TypeName>>)>,
}

/// ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(missing_docs)]
pub struct DefaultPrivileges {
    pub roles: Vec<String>,
    pub schemas: Vec<String>,
    pub grant: Grant,
}

/// REASSIGN OWNED, with a new owner, and DROP OWNED.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Belongings {
    pub roles: Vec<String>,
    pub new_owner: Option<String>,
    pub cascade: bool,
}

//! The catalog as one statement sees it: immutable look-ups by OID and by name.
//!
//! A [`Snapshot`] holds one database's objects and the shared ones (roles, databases). DDL edits a copy and publishes it
//! with its commit. Names resolve through a [`SearchPath`]; `pg_catalog` is searched first unless it is listed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::catalog::acl::Acl;
use crate::catalog::builtin::{TypeRow, builtin};
use crate::catalog::descriptor::{
    DatabaseDesc, ExtensionDesc, IndexDesc, RelationDesc, RoleDesc, SchemaDesc, SequenceDesc, TableDesc, TypeDesc,
    TypeKind, ViewDesc,
};
use crate::catalog::system;
use crate::types::io::{TypeLookup, UserType};
use crate::types::{EnumValue, FieldNames, Oid, SqlType, typmod};

/// OID of schema `pg_catalog`.
pub const PG_CATALOG: Oid = Oid(11);
/// OID of schema `public`.
pub const PUBLIC: Oid = Oid(2200);
/// OID of schema `information_schema`.
pub const INFORMATION_SCHEMA: Oid = Oid(13_000);
/// OID of schema `pg_toast`.
pub const PG_TOAST: Oid = Oid(99);

/// Anything that pg_class lists.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Relation {
    Table(Arc<TableDesc>),
    View(Arc<ViewDesc>),
    Sequence(Arc<SequenceDesc>),
    Index(Arc<IndexDesc>),
    System(Arc<RelationDesc>),
}

impl Relation {
    /// The pg_class OID.
    #[must_use]
    pub fn oid(&self) -> Oid {
        match self {
            Self::Table(d) => d.oid,
            Self::View(d) => d.oid,
            Self::Sequence(d) => d.oid,
            Self::Index(d) => d.oid,
            Self::System(d) => d.oid,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Table(d) => &d.name,
            Self::View(d) => &d.name,
            Self::Sequence(d) => &d.name,
            Self::Index(d) => &d.name,
            Self::System(d) => d.name,
        }
    }

    /// What PostgreSQL calls such a thing in messages.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Table(_) => "table",
            Self::View(_) => "view",
            Self::Sequence(_) => "sequence",
            Self::Index(_) => "index",
            Self::System(d) if d.kind == 'v' => "view",
            Self::System(_) => "table",
        }
    }
}

/// A built-in or user-defined type, found by name.
#[derive(Clone, Debug)]
pub enum TypeRef {
    /// Of pg_type's built-in rows.
    Builtin(&'static TypeRow),
    /// The user's.
    User(Arc<TypeDesc>),
    /// The array type of a user's type.
    UserArray(Arc<TypeDesc>),
    /// The row type of a table or view: its OID and name.
    Row(Oid, String),
}

/// A comment's key: catalog name letter, object, column or 0.
pub type CommentKey = (Oid, Oid, i32);

/// A default access list's key: role, schema or 0, letter of the kind.
pub type DefaultAclKey = (Oid, Oid, u8);

/// Objects of one database.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct Objects {
    pub schemas: BTreeMap<Oid, Arc<SchemaDesc>>,
    pub tables: BTreeMap<Oid, Arc<TableDesc>>,
    pub views: BTreeMap<Oid, Arc<ViewDesc>>,
    pub sequences: BTreeMap<Oid, Arc<SequenceDesc>>,
    pub types: BTreeMap<Oid, Arc<TypeDesc>>,
    pub extensions: BTreeMap<Oid, Arc<ExtensionDesc>>,
    pub comments: BTreeMap<CommentKey, String>,
    /// Access lists of what was granted or revoked; a third part that is not 0 is a column.
    pub acls: BTreeMap<CommentKey, Acl>,
    /// ALTER DEFAULT PRIVILEGES: by role, schema or 0, and kind.
    pub default_acls: BTreeMap<DefaultAclKey, Acl>,
    pub(super) relation_names: HashMap<(Oid, String), Relation>,
    pub(super) index_tables: HashMap<Oid, Oid>,
    pub(super) type_names: HashMap<(Oid, String), Oid>,
    pub(super) row_types: HashMap<Oid, Oid>,
}

/// Objects of the whole cluster.
#[derive(Clone, Default)]
#[allow(missing_docs)]
pub struct Shared {
    pub roles: BTreeMap<Oid, Arc<RoleDesc>>,
    pub databases: BTreeMap<Oid, Arc<DatabaseDesc>>,
}

/// The catalog at one moment, for one database.
#[derive(Clone)]
pub struct Snapshot {
    /// The database.
    pub database: Oid,
    /// Grows with every published change of this database or of shared objects.
    pub version: u64,
    /// This database's objects.
    pub objects: Arc<Objects>,
    /// Roles and databases.
    pub shared: Arc<Shared>,
}

/// Schemas in the order in which unqualified names are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// All of them, implicit ones included.
    pub schemas: Vec<Oid>,
    /// Where CREATE puts things: the first explicit schema that exists.
    pub creation: Option<Oid>,
    /// The session's temporary schema.
    pub temporary: Option<Oid>,
    /// The role whose rights count; none for the system itself, which may do everything.
    pub role: Option<Oid>,
}

impl Objects {
    /// Remakes the look-ups by name after the maps were changed.
    pub fn reindex(&mut self) {
        self.relation_names.clear();
        self.index_tables.clear();
        self.type_names.clear();
        self.row_types.clear();
        for table in self.tables.values() {
            self.relation_names.insert((table.schema, table.name.clone()), Relation::Table(Arc::clone(table)));
            self.type_names.insert((table.schema, table.name.clone()), table.row_type);
            self.row_types.insert(table.row_type, table.oid);
            for index in &table.indexes {
                self.relation_names.insert((table.schema, index.name.clone()), Relation::Index(Arc::clone(index)));
                self.index_tables.insert(index.oid, table.oid);
            }
        }
        for view in self.views.values() {
            self.relation_names.insert((view.schema, view.name.clone()), Relation::View(Arc::clone(view)));
            self.type_names.insert((view.schema, view.name.clone()), view.row_type);
            self.row_types.insert(view.row_type, view.oid);
        }
        for sequence in self.sequences.values() {
            let key = (sequence.schema, sequence.name.clone());
            self.relation_names.insert(key, Relation::Sequence(Arc::clone(sequence)));
        }
        for ty in self.types.values() {
            self.type_names.insert((ty.schema, ty.name.clone()), ty.oid);
            self.type_names.insert((ty.schema, format!("_{}", ty.name)), ty.array_oid);
        }
    }
}

impl Snapshot {
    /// A schema by name.
    #[must_use]
    pub fn schema_named(&self, name: &str) -> Option<Oid> {
        match name {
            "pg_catalog" => Some(PG_CATALOG),
            "information_schema" => Some(INFORMATION_SCHEMA),
            "pg_toast" => Some(PG_TOAST),
            _ => self.objects.schemas.values().find(|schema| schema.name == name).map(|schema| schema.oid),
        }
    }

    /// A schema's name.
    #[must_use]
    pub fn schema_name(&self, oid: Oid) -> Option<&str> {
        match oid {
            PG_CATALOG => Some("pg_catalog"),
            INFORMATION_SCHEMA => Some("information_schema"),
            PG_TOAST => Some("pg_toast"),
            _ => self.objects.schemas.get(&oid).map(|schema| schema.name.as_str()),
        }
    }

    /// The search path that a list of schema names makes for a user.
    #[must_use]
    pub fn search_path(&self, names: &[String], user: &str, temporary: Option<Oid>) -> SearchPath {
        let mut listed = Vec::new();
        let role = self.role_named(user).map(|role| role.oid);
        for name in names {
            let name = if name == "$user" { user } else { name };
            let found = if name == "pg_temp" { temporary } else { self.schema_named(name) };
            // A schema that one may not look into is passed over.
            listed.extend(
                found.filter(|oid| Some(*oid) == temporary || role.is_none_or(|role| self.may_look_into(role, *oid))),
            );
        }
        let creation =
            listed.iter().copied().find(|oid| *oid != PG_CATALOG || names.first().is_some_and(|n| n == "pg_catalog"));
        let mut schemas = Vec::new();
        if let Some(temporary) = temporary.filter(|oid| !listed.contains(oid)) {
            schemas.push(temporary);
        }
        if !listed.contains(&PG_CATALOG) {
            schemas.push(PG_CATALOG);
        }
        schemas.extend(listed);
        SearchPath { schemas, creation, temporary, role }
    }

    /// A relation in a schema.
    #[must_use]
    pub fn relation_in(&self, schema: Oid, name: &str) -> Option<Relation> {
        if let Some(found) = self.objects.relation_names.get(&(schema, name.to_owned())) {
            return Some(found.clone());
        }
        if schema == PG_CATALOG || schema == INFORMATION_SCHEMA {
            return system::relation(schema, name).map(|desc| Relation::System(Arc::clone(desc)));
        }
        None
    }

    /// A relation by its bare name.
    #[must_use]
    pub fn find_relation(&self, path: &SearchPath, name: &str) -> Option<Relation> {
        path.schemas.iter().find_map(|schema| self.relation_in(*schema, name))
    }

    /// A relation by OID.
    #[must_use]
    pub fn relation(&self, oid: Oid) -> Option<Relation> {
        if let Some(table) = self.objects.tables.get(&oid) {
            return Some(Relation::Table(Arc::clone(table)));
        }
        if let Some(index) = self.index(oid) {
            return Some(Relation::Index(index));
        }
        if let Some(view) = self.objects.views.get(&oid) {
            return Some(Relation::View(Arc::clone(view)));
        }
        if let Some(sequence) = self.objects.sequences.get(&oid) {
            return Some(Relation::Sequence(Arc::clone(sequence)));
        }
        system::relation_by_oid(oid).map(|desc| Relation::System(Arc::clone(desc)))
    }

    /// The schema of a relation.
    #[must_use]
    pub fn relation_schema(&self, relation: &Relation) -> Oid {
        match relation {
            Relation::Table(d) => d.schema,
            Relation::View(d) => d.schema,
            Relation::Sequence(d) => d.schema,
            Relation::Index(d) => self.objects.tables.get(&d.table).map_or(PUBLIC, |table| table.schema),
            Relation::System(d) => d.schema,
        }
    }

    /// A table by OID.
    #[must_use]
    pub fn table(&self, oid: Oid) -> Option<&Arc<TableDesc>> {
        self.objects.tables.get(&oid)
    }

    /// An index by OID.
    #[must_use]
    pub fn index(&self, oid: Oid) -> Option<Arc<IndexDesc>> {
        let table = self.objects.tables.get(self.objects.index_tables.get(&oid)?)?;
        table.indexes.iter().find(|index| index.oid == oid).cloned()
    }

    /// A table or view whose row type this is.
    #[must_use]
    pub fn relation_of_row_type(&self, row_type: Oid) -> Option<Relation> {
        self.relation(*self.objects.row_types.get(&row_type)?)
    }

    /// A type in a schema.
    #[must_use]
    pub fn type_in(&self, schema: Oid, name: &str) -> Option<TypeRef> {
        let wanted = match schema {
            PG_CATALOG => Some("pg_catalog"),
            INFORMATION_SCHEMA => Some("information_schema"),
            _ if system::extension_schema(self) == Some(schema) => Some("public"),
            _ => None,
        };
        if let Some(wanted) = wanted
            && let Some(row) = builtin().types_named(name).find(|row| row.namespace == wanted)
        {
            return Some(TypeRef::Builtin(row));
        }
        let oid = *self.objects.type_names.get(&(schema, name.to_owned()))?;
        self.type_by_oid(oid)
    }

    /// A type by its bare name. Those of the extension `vector` are found wherever it is installed, last of all.
    #[must_use]
    pub fn find_type(&self, path: &SearchPath, name: &str) -> Option<TypeRef> {
        let listed = path.schemas.iter().find_map(|schema| self.type_in(*schema, name));
        listed.or_else(|| self.type_in(system::extension_schema(self)?, name))
    }

    /// A type by OID.
    #[must_use]
    pub fn type_by_oid(&self, oid: Oid) -> Option<TypeRef> {
        if let Some(row) = builtin().type_row(oid) {
            return Some(TypeRef::Builtin(row));
        }
        if let Some(ty) = self.objects.types.get(&oid) {
            return Some(TypeRef::User(Arc::clone(ty)));
        }
        if let Some(ty) = self.objects.types.values().find(|ty| ty.array_oid == oid) {
            return Some(TypeRef::UserArray(Arc::clone(ty)));
        }
        let relation = self.relation_of_row_type(oid)?;
        Some(TypeRef::Row(oid, relation.name().to_owned()))
    }

    /// The user-defined type with this OID.
    #[must_use]
    pub fn user_type(&self, oid: Oid) -> Option<&Arc<TypeDesc>> {
        self.objects.types.get(&oid)
    }

    /// The base type of a domain (of any depth), or the type itself.
    #[must_use]
    pub fn base_type(&self, ty: SqlType) -> SqlType {
        let mut ty = ty;
        while let Some(TypeKind::Domain { base, .. }) = self.objects.types.get(&ty.oid).map(|found| &found.kind) {
            ty = *base;
        }
        ty
    }

    /// The array type of an element type, 0 when there is none.
    #[must_use]
    pub fn array_type(&self, element: Oid) -> Oid {
        match self.type_by_oid(element) {
            Some(TypeRef::Builtin(row)) => row.array,
            Some(TypeRef::User(ty)) => ty.array_oid,
            _ => Oid::NONE,
        }
    }

    /// The element type of a true array type (also of `int2vector` and `oidvector`).
    #[must_use]
    pub fn element_type(&self, array: Oid) -> Option<Oid> {
        if array == Oid::RECORD_ARRAY {
            return Some(Oid::RECORD);
        }
        match self.type_by_oid(array)? {
            TypeRef::Builtin(row) => (row.element.is_some() && (row.category == 'A')).then_some(row.element),
            TypeRef::UserArray(ty) => Some(ty.oid),
            _ => None,
        }
    }

    /// Field names and types of a composite type: the user's or a table's row type.
    #[must_use]
    pub fn composite_fields(&self, oid: Oid) -> Option<Vec<(String, SqlType)>> {
        if let Some(TypeKind::Composite { fields }) = self.objects.types.get(&oid).map(|ty| &ty.kind) {
            return Some(fields.clone());
        }
        let columns = match self.relation_of_row_type(oid)? {
            Relation::Table(table) => table.columns.clone(),
            Relation::View(view) => view.columns.clone(),
            _ => return None,
        };
        Some(columns.into_iter().map(|column| (column.name, column.ty)).collect())
    }

    /// typcategory and typispreferred.
    #[must_use]
    pub fn category(&self, oid: Oid) -> (char, bool) {
        match self.type_by_oid(oid) {
            Some(TypeRef::Builtin(row)) => (row.category, row.preferred),
            Some(TypeRef::User(ty)) => match &ty.kind {
                TypeKind::Enum { .. } => ('E', false),
                TypeKind::Composite { .. } => ('C', false),
                TypeKind::Domain { base, .. } => (self.category(base.oid).0, false),
            },
            Some(TypeRef::UserArray(_)) => ('A', false),
            Some(TypeRef::Row(..)) => ('C', false),
            None => ('U', false),
        }
    }

    /// The name of a type as `format_type` prints it, qualified when it is not in `pg_catalog` or `public`.
    #[must_use]
    pub fn type_text(&self, ty: SqlType) -> String {
        if let Some(text) = typmod::format_type(ty) {
            return text;
        }
        match self.type_by_oid(ty.oid) {
            Some(TypeRef::Builtin(row)) => row.name.to_owned(),
            Some(TypeRef::User(found)) => self.qualified_type(found.schema, &found.name),
            Some(TypeRef::UserArray(found)) => format!("{}[]", self.qualified_type(found.schema, &found.name)),
            Some(TypeRef::Row(_, name)) => crate::common::quote_ident(&name),
            None => "???".to_owned(),
        }
    }

    fn qualified_type(&self, schema: Oid, name: &str) -> String {
        let name = crate::common::quote_ident(name);
        match self.schema_name(schema) {
            Some("pg_catalog" | "public") | None => name,
            Some(other) => format!("{}.{name}", crate::common::quote_ident(other)),
        }
    }

    /// A role by name.
    #[must_use]
    pub fn role_named(&self, name: &str) -> Option<&Arc<RoleDesc>> {
        self.shared.roles.values().find(|role| role.name == name)
    }

    /// A database by name.
    #[must_use]
    pub fn database_named(&self, name: &str) -> Option<&Arc<DatabaseDesc>> {
        self.shared.databases.values().find(|database| database.name == name)
    }
}

impl TypeLookup for Snapshot {
    fn enum_value(&self, type_oid: Oid, label: &str) -> Option<Arc<EnumValue>> {
        let TypeKind::Enum { labels } = &self.objects.types.get(&type_oid)?.kind else { return None };
        let found = labels.iter().find(|item| item.label == label)?;
        Some(Arc::new(EnumValue { type_oid, sort_order: found.sort_order, label: Arc::from(label) }))
    }

    fn type_name(&self, oid: Oid) -> String {
        self.type_text(SqlType::of(oid))
    }

    fn user_type(&self, oid: Oid) -> Option<UserType> {
        match self.type_by_oid(oid)? {
            TypeRef::User(ty) => Some(match &ty.kind {
                TypeKind::Enum { .. } => UserType::Enum,
                TypeKind::Composite { fields } => UserType::Composite(fields.iter().map(|field| field.1).collect()),
                TypeKind::Domain { base, .. } => UserType::Domain(*base),
            }),
            TypeRef::UserArray(ty) => Some(UserType::Array(ty.oid)),
            TypeRef::Row(..) => {
                Some(UserType::Composite(self.composite_fields(oid)?.into_iter().map(|field| field.1).collect()))
            }
            TypeRef::Builtin(row) if row.element.is_some() && row.category == 'A' => Some(UserType::Array(row.element)),
            TypeRef::Builtin(_) => None,
        }
    }

    fn field_names(&self, oid: Oid) -> Option<FieldNames> {
        let fields = self.composite_fields(oid)?;
        Some(fields.iter().map(|field| Arc::from(field.0.as_str())).collect())
    }
}

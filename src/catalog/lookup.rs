//! A snapshot with a search path: what text input and output ask about names.

use std::sync::Arc;

use crate::bail;
use crate::catalog::regnames;
use crate::catalog::snapshot::{PG_CATALOG, PUBLIC, Relation, SearchPath, Snapshot, TypeRef};
use crate::catalog::system::objects::{FIRST_NORMAL, builtin_schema, extension_schema};
use crate::common::quote_ident;
use crate::error::Result;
use crate::types::io::{TypeLookup, UserType};
use crate::types::{EnumValue, FieldNames, Oid, SqlType};

/// Resolves and prints names as a session sees them.
#[derive(Clone)]
pub struct Names {
    /// The catalog.
    pub snapshot: Arc<Snapshot>,
    /// The session's path.
    pub path: SearchPath,
}

/// Splits a possibly qualified, possibly quoted name as `reg*` input does.
///
/// # Errors
/// `42602` on bad syntax.
pub fn split_name(text: &str) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.peek() == Some(&'"') {
            chars.next();
            loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some('"') => break,
                    Some(c) => part.push(c),
                    None => bail!(INVALID_NAME, "invalid name syntax"),
                }
            }
        } else {
            while let Some(c) = chars.peek().copied().filter(|c| *c != '.') {
                part.extend(c.to_lowercase());
                chars.next();
            }
            if part.is_empty() {
                bail!(INVALID_NAME, "invalid name syntax");
            }
        }
        parts.push(part);
        match chars.next() {
            None => return Ok(parts),
            Some('.') => {}
            Some(_) => bail!(INVALID_NAME, "invalid name syntax"),
        }
    }
}

impl Names {
    /// How expressions stored in the catalog are written and read back: names in `public` are bare, those of other
    /// schemas are qualified, whatever the session's path.
    #[must_use]
    pub fn stored(snapshot: Arc<Snapshot>) -> Self {
        let path =
            SearchPath { schemas: vec![PG_CATALOG, PUBLIC], creation: Some(PUBLIC), temporary: None, role: None };
        Self { snapshot, path }
    }

    /// A schema by name; `pg_temp` is the session's own, once it has one.
    #[must_use]
    pub fn schema_named(&self, name: &str) -> Option<Oid> {
        if name == "pg_temp" { self.path.temporary } else { self.snapshot.schema_named(name) }
    }

    /// Refuses a schema that is named and may not be looked into.
    ///
    /// # Errors
    /// `42501`.
    pub fn check_usage(&self, schema: Option<&str>) -> Result<()> {
        match schema.and_then(|schema| self.schema_named(schema)) {
            Some(oid) if Some(oid) != self.path.temporary => self.snapshot.check_usage(self.path.role, oid),
            _ => Ok(()),
        }
    }

    /// The relation that a bare or qualified name means.
    #[must_use]
    pub fn find_relation(&self, schema: Option<&str>, name: &str) -> Option<Relation> {
        match schema {
            None => self.snapshot.find_relation(&self.path, name),
            Some(schema) => self.snapshot.relation_in(self.schema_named(schema)?, name),
        }
    }

    /// The relation that the parts of a name mean.
    ///
    /// # Errors
    /// `3F000` when its schema does not exist, `42P01` when there is no such relation.
    pub fn relation(&self, parts: &[String]) -> Result<Relation> {
        let (name, schema) = match parts {
            [] => ("", None),
            [name] => (name.as_str(), None),
            [.., schema, name] => (name.as_str(), Some(schema.as_str())),
        };
        if let Some(schema) = schema.filter(|schema| self.schema_named(schema).is_none()) {
            bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist");
        }
        self.check_usage(schema)?;
        match self.find_relation(schema, name) {
            Some(relation) => Ok(relation),
            None => bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", parts.join(".")),
        }
    }

    /// [`Names::relation`] of a name as text, as `regclass` reads it.
    ///
    /// # Errors
    /// Also `42602` on bad syntax.
    pub fn relation_named(&self, text: &str) -> Result<Relation> {
        self.relation(&split_name(text)?)
    }

    /// Whether the bare name of this relation finds this relation.
    #[must_use]
    pub fn is_relation_visible(&self, oid: Oid) -> Option<bool> {
        let relation = self.snapshot.relation(oid)?;
        let found = self.snapshot.find_relation(&self.path, relation.name());
        Some(found.is_some_and(|found| found.oid() == oid))
    }

    /// The name of a relation, qualified when it is not visible.
    #[must_use]
    pub fn relation_text(&self, relation: &Relation) -> String {
        let name = quote_ident(relation.name());
        if self.is_relation_visible(relation.oid()) == Some(true) {
            return name;
        }
        let schema = self.snapshot.relation_schema(relation);
        match self.snapshot.schema_name(schema) {
            Some(schema) => format!("{}.{name}", quote_ident(schema)),
            None => name,
        }
    }

    /// A type as `format_type` prints it in this session: types outside `pg_catalog` are qualified when they are not
    /// visible, pgvector's included, because pg_dump relies on it.
    #[must_use]
    pub fn type_text(&self, ty: SqlType) -> String {
        let plain = |name: String, schema: Oid, visible: bool| match self.snapshot.schema_name(schema) {
            Some(schema) if !visible => format!("{}.{name}", quote_ident(schema)),
            _ => name,
        };
        let element = self.snapshot.element_type(ty.oid).filter(|_| ty.oid.0 >= FIRST_NORMAL.0);
        if let Some(element) = element {
            return self.type_text(SqlType::with(element, ty.typmod)) + "[]";
        }
        match self.snapshot.type_by_oid(ty.oid) {
            Some(TypeRef::Builtin(row)) if row.oid.0 >= FIRST_NORMAL.0 => match extension_schema(&self.snapshot) {
                Some(schema) => plain(self.snapshot.type_text(ty), schema, self.is_builtin_visible("public")),
                None => self.snapshot.type_text(ty),
            },
            Some(TypeRef::User(found)) => {
                let first = self.path.schemas.iter().find(|at| self.snapshot.type_in(**at, &found.name).is_some());
                plain(quote_ident(&found.name), found.schema, first == Some(&found.schema))
            }
            Some(TypeRef::Row(..)) => match self.snapshot.relation_of_row_type(ty.oid) {
                Some(relation) => self.relation_text(&relation),
                None => self.snapshot.type_text(ty),
            },
            _ => self.snapshot.type_text(ty),
        }
    }

    /// Whether a built-in object of a schema is visible: `pg_catalog` always is, the extension's schema when it is on the path.
    #[must_use]
    pub fn is_builtin_visible(&self, namespace: &str) -> bool {
        match namespace {
            "pg_catalog" => true,
            _ => extension_schema(&self.snapshot).is_some_and(|schema| self.path.schemas.contains(&schema)),
        }
    }

    /// The schema that the name of a built-in function or operator needs in a text; none where the bare name finds it, and in
    /// stored texts: they outlive the renaming of an extension's schema.
    #[must_use]
    pub fn schema_to_show(&self, namespace: &str) -> Option<String> {
        let is_stored = self.path.role.is_none();
        if is_stored || self.is_builtin_visible(namespace) {
            return None;
        }
        builtin_schema(&self.snapshot, namespace).and_then(|schema| self.snapshot.schema_name(schema)).map(quote_ident)
    }

    /// The type that a name means, as `regtype` reads it: SQL's spellings, modifiers and `[]` allowed.
    ///
    /// # Errors
    /// `42602` on bad syntax, `42704` when there is none.
    pub fn type_named(&self, text: &str) -> Result<Oid> {
        let bare = text.trim_end_matches("[]").trim();
        let bare = bare.split_once('(').map_or(bare, |(name, _)| name.trim_end());
        let parts = split_name(bare)?;
        let found = match parts.as_slice() {
            // Quotes make a name of a type's own, not of SQL's: `"char"` is not `char`.
            [name] if bare.starts_with('"') => self.snapshot.find_type(&self.path, name),
            [name] => self.snapshot.find_type(&self.path, alias(name)),
            [.., schema, name] => self.snapshot.schema_named(schema).and_then(|s| self.snapshot.type_in(s, name)),
            [] => None,
        };
        let oid = match found {
            Some(TypeRef::Builtin(row)) => row.oid,
            Some(TypeRef::User(ty)) => ty.oid,
            Some(TypeRef::UserArray(ty)) => ty.array_oid,
            Some(TypeRef::Row(oid, _)) => oid,
            None => bail!(UNDEFINED_OBJECT, "type \"{}\" does not exist", parts.join(".")),
        };
        Ok(if text.ends_with("[]") { self.snapshot.array_type(oid) } else { oid })
    }
}

/// SQL's own spellings of built-in types, as `regtype` input accepts them.
fn alias(name: &str) -> &str {
    match name {
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "real" => "float4",
        "double precision" | "float" => "float8",
        "boolean" => "bool",
        "character varying" => "varchar",
        "character" | "char" => "bpchar",
        "decimal" => "numeric",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        "bit varying" => "varbit",
        other => other,
    }
}

impl TypeLookup for Names {
    fn enum_value(&self, type_oid: Oid, label: &str) -> Option<Arc<EnumValue>> {
        self.snapshot.enum_value(type_oid, label)
    }

    fn type_name(&self, oid: Oid) -> String {
        // Without a modifier these print as the words that mean any length.
        match oid {
            Oid::BPCHAR => "character".to_owned(),
            Oid::BPCHAR_ARRAY => "character[]".to_owned(),
            Oid::BIT => "bit".to_owned(),
            Oid::BIT_ARRAY => "bit[]".to_owned(),
            _ => self.type_text(SqlType::of(oid)),
        }
    }

    fn user_type(&self, oid: Oid) -> Option<UserType> {
        TypeLookup::user_type(&*self.snapshot, oid)
    }

    fn field_names(&self, oid: Oid) -> Option<FieldNames> {
        TypeLookup::field_names(&*self.snapshot, oid)
    }

    fn reg_input(&self, kind: Oid, text: &str) -> Result<Oid> {
        regnames::read(self, kind, text)
    }

    fn reg_output(&self, kind: Oid, value: Oid) -> Option<String> {
        regnames::print(self, kind, value)
    }
}

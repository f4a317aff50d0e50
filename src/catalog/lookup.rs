//! A snapshot with a search path: what text input and output ask about names.

use std::sync::Arc;

use crate::bail;
use crate::catalog::builtin::builtin;
use crate::catalog::snapshot::{PG_CATALOG, PUBLIC, Relation, SearchPath, Snapshot, TypeRef};
use crate::catalog::system::objects::{FIRST_NORMAL, extension_schema};
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
        let path = SearchPath { schemas: vec![PG_CATALOG, PUBLIC], creation: Some(PUBLIC), temporary: None };
        Self { snapshot, path }
    }

    /// The relation that a name means.
    ///
    /// # Errors
    /// `42602` on bad syntax, `3F000` and `42P01` when there is none.
    pub fn relation_named(&self, text: &str) -> Result<Relation> {
        let parts = split_name(text)?;
        let found = match parts.as_slice() {
            [name] => self.snapshot.find_relation(&self.path, name),
            [.., schema, name] => match self.snapshot.schema_named(schema) {
                Some(schema) => self.snapshot.relation_in(schema, name),
                None => bail!(INVALID_SCHEMA_NAME, "schema \"{schema}\" does not exist"),
            },
            [] => None,
        };
        match found {
            Some(relation) => Ok(relation),
            None => bail!(UNDEFINED_TABLE, "relation \"{}\" does not exist", parts.join(".")),
        }
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
                Some(schema) => plain(self.snapshot.type_text(ty), schema, self.path.schemas.contains(&schema)),
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

    fn type_named(&self, text: &str) -> Result<Oid> {
        let bare = text.trim_end_matches("[]").trim();
        let bare = bare.split_once('(').map_or(bare, |(name, _)| name.trim_end());
        let parts = split_name(bare)?;
        let found = match parts.as_slice() {
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

    fn function_named(&self, text: &str) -> Result<Oid> {
        let bare = text.split('(').next().unwrap_or(text);
        let parts = split_name(bare)?;
        let name = parts.last().map_or("", String::as_str);
        let mut found = builtin().procs_named(name);
        match (found.next(), found.next()) {
            (Some(row), None) => Ok(row.oid),
            (Some(row), Some(_)) if text.contains('(') => {
                let wanted: Vec<&str> = text[bare.len()..].trim_matches(['(', ')']).split(',').map(str::trim).collect();
                let same = |row: &&crate::catalog::builtin::ProcRow| {
                    let args: Vec<String> = row.args.iter().map(|a| self.snapshot.type_text(SqlType::of(*a))).collect();
                    args.iter().map(String::as_str).eq(wanted.iter().copied().filter(|w| !w.is_empty()))
                };
                Ok(builtin().procs_named(name).find(same).unwrap_or(row).oid)
            }
            (Some(_), Some(_)) => bail!(AMBIGUOUS_FUNCTION, "more than one function named \"{text}\""),
            _ => bail!(UNDEFINED_FUNCTION, "function \"{text}\" does not exist"),
        }
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
        "character" => "bpchar",
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
        self.type_text(SqlType::of(oid))
    }

    fn user_type(&self, oid: Oid) -> Option<UserType> {
        TypeLookup::user_type(&*self.snapshot, oid)
    }

    fn field_names(&self, oid: Oid) -> Option<FieldNames> {
        TypeLookup::field_names(&*self.snapshot, oid)
    }

    fn reg_input(&self, kind: Oid, text: &str) -> Result<Oid> {
        match kind {
            Oid::REGCLASS => self.relation_named(text).map(|relation| relation.oid()),
            Oid::REGTYPE => self.type_named(text),
            Oid::REGPROC | Oid::REGPROCEDURE => self.function_named(text),
            Oid::REGNAMESPACE => match self.snapshot.schema_named(&split_name(text)?.concat()) {
                Some(oid) => Ok(oid),
                None => bail!(INVALID_SCHEMA_NAME, "schema \"{text}\" does not exist"),
            },
            Oid::REGROLE => match self.snapshot.role_named(&split_name(text)?.concat()) {
                Some(role) => Ok(role.oid),
                None => bail!(UNDEFINED_OBJECT, "role \"{text}\" does not exist"),
            },
            _ => bail!(FEATURE_NOT_SUPPORTED, "a name of type {} is not supported yet", self.type_name(kind)),
        }
    }

    fn reg_output(&self, kind: Oid, value: Oid) -> Option<String> {
        match kind {
            Oid::REGCLASS => self.snapshot.relation(value).map(|relation| self.relation_text(&relation)),
            Oid::REGTYPE => self.snapshot.type_by_oid(value).map(|_| self.type_name(value)),
            Oid::REGPROC => builtin().proc_row(value).map(|row| row.name.to_owned()),
            Oid::REGPROCEDURE => builtin().proc_row(value).map(|row| {
                let args: Vec<String> = row.args.iter().map(|oid| self.type_name(*oid)).collect();
                format!("{}({})", row.name, args.join(","))
            }),
            Oid::REGOPER => builtin().operator_row(value).map(|row| row.name.to_owned()),
            Oid::REGNAMESPACE => self.snapshot.schema_name(value).map(quote_ident),
            Oid::REGROLE => self.snapshot.shared.roles.get(&value).map(|role| quote_ident(&role.name)),
            _ => None,
        }
    }
}

//! GRANT and REVOKE of rights on objects, and ALTER DEFAULT PRIVILEGES. Memberships are `membership`'s.
//!
//! Who grants is the owner when the current user has the owner's rights, else the role of theirs with the most grant options.
//! Rights that may not be granted are left out with a warning; who holds no right at all is refused.

use super::context::DdlContext;
use super::{bind, membership};
use crate::bail;
use crate::catalog::acl::{self, Acl, AclKind, Rights};
use crate::catalog::descriptor::{AttNum, ColumnDesc};
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::TypeRef;
use crate::catalog::{Relation, builtin};
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::{DefaultPrivileges, Grant, GrantTarget, Name, ObjectKind, Privilege, TypeName};
use crate::types::Oid;

/// GRANT, REVOKE.
pub(super) fn grant(statement: &Grant, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(target) = &statement.target else { return membership::grant(statement, ctx) };
    if statement.option_for.as_deref().is_some_and(|option| option != "grant") {
        bail!(SYNTAX_ERROR, "syntax error at or near \"on\"");
    }
    let change = Change::new(statement, ctx)?;
    for object in objects(target, ctx)? {
        change_object(object, target.kind, statement, &change, ctx)?;
    }
    Ok(())
}

/// What a statement does to every list.
struct Change {
    revoke: bool,
    /// WITH GRANT OPTION, GRANT OPTION FOR.
    option: bool,
    cascade: bool,
    /// Roles; 0 is PUBLIC.
    grantees: Vec<Oid>,
}

impl Change {
    fn new(statement: &Grant, ctx: &DdlContext<'_>) -> Result<Self> {
        if let Some(grantor) = &statement.granted_by
            && ctx.role_named(grantor)?.oid != ctx.role.oid
        {
            bail!(FEATURE_NOT_SUPPORTED, "grantor must be current user");
        }
        let role = |name: &String| if name == "public" { Ok(Oid::NONE) } else { Ok(ctx.role_named(name)?.oid) };
        Ok(Self {
            revoke: statement.revoke,
            option: statement.grant_option || statement.option_for.is_some(),
            cascade: statement.cascade,
            grantees: statement.roles.iter().map(role).collect::<Result<_>>()?,
        })
    }

    fn apply(&self, list: &Acl, (grantor, roles): (Oid, &[Oid]), rights: Rights, owner: Oid) -> Result<Acl> {
        let mut list = list.clone();
        for grantee in &self.grantees {
            if self.revoke {
                list.revoke((*grantee, grantor), rights, self.option, self.cascade, owner)?;
            } else {
                list.grant(*grantee, (grantor, roles), rights, self.option, owner)?;
            }
        }
        Ok(list)
    }
}

fn kind_of(kind: ObjectKind) -> AclKind {
    match kind {
        ObjectKind::Sequence => AclKind::Sequence,
        ObjectKind::Schema => AclKind::Schema,
        ObjectKind::Database => AclKind::Database,
        ObjectKind::Function => AclKind::Function,
        ObjectKind::Type | ObjectKind::Domain => AclKind::Type,
        _ => AclKind::Relation,
    }
}

/// The rights that words name on a kind of object; `None` for ALL.
fn rights_of(words: &[Privilege], kind: AclKind) -> Result<Option<Rights>> {
    let mut rights = 0;
    for privilege in words {
        if privilege.name == "all" {
            return Ok(None);
        }
        let Some(right) = acl::right_named(&privilege.name) else {
            bail!(SYNTAX_ERROR, "unrecognized privilege type \"{}\"", privilege.name)
        };
        // GRANT ON TABLE means sequences as well.
        let valid = if kind == AclKind::Relation { kind.all() | acl::USAGE } else { kind.all() };
        if right & valid == 0 {
            let word = privilege.name.to_uppercase();
            let on = if kind == AclKind::Relation { "relation" } else { kind.word() };
            bail!(INVALID_GRANT_OPERATION, "invalid privilege type {word} for {on}");
        }
        rights |= right;
    }
    Ok(Some(rights))
}

/// The objects that a statement names.
fn objects(target: &GrantTarget, ctx: &DdlContext<'_>) -> Result<Vec<Securable>> {
    let mut found = Vec::new();
    for (name, types) in &target.names {
        if target.all_in_schemas {
            found.extend(all_in_schema(target.kind, name, ctx)?);
        } else {
            found.push(object(target.kind, name, types.as_deref(), ctx)?);
        }
    }
    Ok(found)
}

fn all_in_schema(kind: ObjectKind, name: &Name, ctx: &DdlContext<'_>) -> Result<Vec<Securable>> {
    let Some(schema) = ctx.schema_named(name.last()) else {
        bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", name.last())
    };
    let objects = &ctx.snapshot().objects;
    Ok(match kind {
        ObjectKind::Table => {
            let tables = objects.tables.values().filter(|d| d.schema == schema).map(|d| d.oid);
            let views = objects.views.values().filter(|d| d.schema == schema).map(|d| d.oid);
            tables.chain(views).map(Securable::Relation).collect()
        }
        ObjectKind::Sequence => {
            let sequences = objects.sequences.values().filter(|d| d.schema == schema);
            sequences.map(|d| Securable::Relation(d.oid)).collect()
        }
        _ => Vec::new(),
    })
}

fn object(kind: ObjectKind, name: &Name, types: Option<&[TypeName]>, ctx: &DdlContext<'_>) -> Result<Securable> {
    Ok(match kind {
        ObjectKind::Schema => match ctx.snapshot().schema_named(name.last()) {
            Some(oid) => Securable::Schema(oid),
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", name.last()),
        },
        ObjectKind::Database => match ctx.snapshot().database_named(name.last()) {
            Some(database) => Securable::Database(database.oid),
            None => bail!(INVALID_CATALOG_NAME, "database \"{}\" does not exist", name.last()),
        },
        ObjectKind::Type | ObjectKind::Domain => user_type(kind, name, ctx)?,
        ObjectKind::Function => function(name, types, ctx)?,
        ObjectKind::Table | ObjectKind::Sequence => match (ctx.relation(name)?, kind) {
            (Relation::Index(index), _) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is an index", index.name),
            (Relation::Sequence(d), _) => Securable::Relation(d.oid),
            (other, ObjectKind::Sequence) => bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a sequence", other.name()),
            (other, _) => Securable::Relation(other.oid()),
        },
        _ => return Err(Error::unsupported("GRANT on this kind of object")),
    })
}

fn user_type(kind: ObjectKind, name: &Name, ctx: &DdlContext<'_>) -> Result<Securable> {
    let found = match ctx.explicit_schema(name)? {
        Some(schema) => ctx.snapshot().type_in(schema, name.last()),
        None => ctx.snapshot().find_type(&ctx.path, name.last()),
    };
    let oid = match found {
        Some(TypeRef::Builtin(row)) => row.oid,
        Some(TypeRef::User(desc)) => desc.oid,
        Some(TypeRef::UserArray(desc)) => desc.array_oid,
        Some(TypeRef::Row(oid, _)) => oid,
        None => bail!(UNDEFINED_OBJECT, "type \"{name}\" does not exist"),
    };
    if ctx.snapshot().element_type(oid).is_some() {
        return Err(crate::error!(INVALID_GRANT_OPERATION, "cannot set privileges of array types")
            .hint("Set the privileges of the element type instead."));
    }
    let is_domain = ctx.snapshot().base_type(crate::types::SqlType::of(oid)).oid != oid;
    if kind == ObjectKind::Domain && !is_domain {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a domain", name.last());
    }
    Ok(Securable::Type(oid))
}

fn function(name: &Name, types: Option<&[TypeName]>, ctx: &DdlContext<'_>) -> Result<Securable> {
    let schema = name.schema();
    let named = builtin().procs_named(name.last()).filter(|row| schema.is_none_or(|schema| row.namespace == schema));
    let Some(types) = types else {
        let found: Vec<Oid> = named.map(|row| row.oid).collect();
        return match found.as_slice() {
            [only] => Ok(Securable::Function(*only)),
            [] => bail!(UNDEFINED_FUNCTION, "could not find a function named \"{name}\""),
            _ => Err(crate::error!(AMBIGUOUS_FUNCTION, "function name \"{name}\" is not unique")
                .hint("Specify the argument list to select the function unambiguously.")),
        };
    };
    let names = ctx.names();
    let wanted = types.iter().map(|ty| Ok(bind::resolve_type(ty, &names)?.oid)).collect::<Result<Vec<Oid>>>()?;
    let found = named.into_iter().find(|row| row.args == wanted).map(|row| row.oid);
    let Some(oid) = found else {
        let shown: Vec<String> =
            wanted.iter().map(|oid| ctx.snapshot().type_text(crate::types::SqlType::of(*oid))).collect();
        bail!(UNDEFINED_FUNCTION, "function {name}({}) does not exist", shown.join(", "))
    };
    Ok(Securable::Function(oid))
}

/// Changes the lists of an object, its own and those of its columns.
fn change_object(
    object: Securable,
    kind: ObjectKind,
    statement: &Grant,
    change: &Change,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    let whole: Vec<Privilege> = statement.privileges.iter().filter(|p| p.columns.is_empty()).cloned().collect();
    let columns: Vec<&Privilege> = statement.privileges.iter().filter(|p| !p.columns.is_empty()).collect();
    if !columns.is_empty() && kind != ObjectKind::Table {
        bail!(INVALID_GRANT_OPERATION, "column privileges are only valid for relations");
    }
    let (actual, _, name) = ctx.snapshot().securable(object).expect("the statement resolved it");
    if !whole.is_empty() {
        let asked = rights_of(&whole, kind_of(kind))?;
        let mut rights = asked.unwrap_or(actual.all());
        if rights & !actual.all() != 0 {
            if actual != AclKind::Sequence {
                let word = acl::words(rights & !actual.all()).next().map_or("", |item| item.1);
                bail!(INVALID_GRANT_OPERATION, "invalid privilege type {word} for table");
            }
            let message = format!("sequence \"{name}\" only supports USAGE, SELECT, and UPDATE privileges");
            ctx.warning(SqlState::INVALID_GRANT_OPERATION, message);
            rights &= actual.all();
        }
        if rights != 0 {
            change_list(object, rights, asked.is_none(), change, &format!("\"{name}\""), ctx)?;
        }
        if change.revoke {
            revoke_columns(object, rights, change, ctx)?;
        }
    }
    for privilege in columns {
        let Securable::Relation(relation) = object else { continue };
        let asked = rights_of(std::slice::from_ref(privilege), AclKind::Column)?;
        let numbers: Vec<AttNum> =
            privilege.columns.iter().map(|column| column_number(relation, column, ctx)).collect::<Result<_>>()?;
        for (column, attnum) in privilege.columns.iter().zip(numbers) {
            let shown = format!("column \"{column}\" of relation \"{name}\"");
            let rights = asked.unwrap_or(AclKind::Column.all());
            change_list(Securable::Column(relation, attnum), rights, asked.is_none(), change, &shown, ctx)?;
        }
    }
    Ok(())
}

/// What is taken from a table is taken from its columns, each of which is asked for the right to do so.
fn revoke_columns(object: Securable, rights: Rights, change: &Change, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (Securable::Relation(oid), rights) = (object, rights & AclKind::Column.all()) else { return Ok(()) };
    let relation = ctx.snapshot().relation(oid).expect("the statement resolved it");
    let columns = columns_of(&relation).unwrap_or_default();
    for attnum in columns.iter().map(|column| column.attnum).filter(|_| rights != 0) {
        let column = Securable::Column(oid, attnum);
        if ctx.snapshot().objects.acls.contains_key(&column.key()) {
            change_list(column, rights, true, change, "", ctx)?;
        } else if ctx.snapshot().held(ctx.role.oid, column) == (0, 0) {
            return Err(denied(column, ctx));
        }
    }
    Ok(())
}

fn columns_of(relation: &Relation) -> Option<&[ColumnDesc]> {
    match relation {
        Relation::Table(d) => Some(&d.columns),
        Relation::View(d) => Some(&d.columns),
        Relation::System(d) => Some(&d.columns),
        _ => None,
    }
}

fn column_number(relation: Oid, column: &str, ctx: &DdlContext<'_>) -> Result<AttNum> {
    let relation = ctx.snapshot().relation(relation).expect("the statement resolved it");
    let columns = columns_of(&relation).unwrap_or_default();
    match columns.iter().find(|found| found.name == column) {
        Some(found) => Ok(found.attnum),
        None => bail!(UNDEFINED_COLUMN, "column \"{column}\" of relation \"{}\" does not exist", relation.name()),
    }
}

/// Changes one list as far as the current user may.
fn change_list(
    object: Securable,
    rights: Rights,
    all: bool,
    change: &Change,
    shown: &str,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    let (kind, owner, _) = ctx.snapshot().securable(object).expect("the statement resolved it");
    let list = match object {
        Securable::Column(..) => ctx.snapshot().objects.acls.get(&object.key()).cloned().unwrap_or_default(),
        _ => ctx.snapshot().effective_acl(object),
    };
    let (grantor, options) = grantor(object, &list, rights, owner, kind, ctx);
    if options == 0 {
        let (held, _) = ctx.snapshot().held(ctx.role.oid, object);
        if held == 0 {
            return Err(denied(object, ctx));
        }
    }
    let may = rights & options;
    let (state, verb) = if change.revoke {
        (SqlState::WARNING_PRIVILEGE_NOT_REVOKED, "could be revoked")
    } else {
        (SqlState::WARNING_PRIVILEGE_NOT_GRANTED, "were granted")
    };
    if may == 0 {
        ctx.warning(state, format!("no privileges {verb} for {shown}"));
    } else if may != rights && !all {
        ctx.warning(state, format!("not all privileges {verb} for {shown}"));
    }
    let roles = ctx.snapshot().inherited_roles(grantor);
    let changed = change.apply(&list, (grantor, &roles), may, owner)?;
    store(object, changed, ctx);
    Ok(())
}

/// A refusal; GRANT calls every relation but a sequence a table.
fn denied(object: Securable, ctx: &DdlContext<'_>) -> Error {
    let Some((kind, _, name)) = ctx.snapshot().securable(object) else { return ctx.snapshot().denied(object) };
    if let Securable::Column(oid, attnum) = object
        && let Some(relation) = ctx.snapshot().relation(oid)
    {
        let columns = columns_of(&relation).unwrap_or_default();
        let column = columns.iter().find(|column| column.attnum == attnum).map_or("", |column| column.name.as_str());
        return crate::error!(
            INSUFFICIENT_PRIVILEGE,
            "permission denied for column \"{column}\" of relation \"{name}\""
        );
    }
    crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied for {} {name}", kind.word())
}

/// Who grants, and what they may grant.
fn grantor(
    object: Securable,
    list: &Acl,
    rights: Rights,
    owner: Oid,
    kind: AclKind,
    ctx: &DdlContext<'_>,
) -> (Oid, Rights) {
    let snapshot = ctx.snapshot();
    if ctx.role.superuser || ctx.role.oid == owner {
        return (owner, kind.all());
    }
    let mut best: (Oid, Rights) = (ctx.role.oid, 0);
    for role in snapshot.inherited_roles(ctx.role.oid) {
        let mut options = if role == owner { kind.all() } else { list.held(&[role]).1 };
        if let Securable::Column(relation, _) = object {
            options |= snapshot.effective_acl(Securable::Relation(relation)).held(&[role]).1 & kind.all();
        }
        if options & rights == rights {
            return (role, options & rights);
        }
        if (options & rights).count_ones() > best.1.count_ones() {
            best = (role, options & rights);
        }
    }
    best
}

/// Puts a list in place.
pub(super) fn store(object: Securable, list: Acl, ctx: &mut DdlContext<'_>) {
    match object {
        Securable::Database(oid) => {
            if let Some(database) = ctx.snapshot().shared.databases.get(&oid) {
                let mut database = (**database).clone();
                database.acl = Some(list);
                ctx.edit.put_database(database);
            }
        }
        Securable::Column(..) if list.0.is_empty() => ctx.edit.set_acl(object.key(), None),
        _ => ctx.edit.set_acl(object.key(), Some(list)),
    }
}

/// ALTER DEFAULT PRIVILEGES.
pub(super) fn default_privileges(statement: &DefaultPrivileges, ctx: &mut DdlContext<'_>) -> Result<()> {
    let change = Change::new(&statement.grant, ctx)?;
    let kind = statement.grant.target.as_ref().map_or(ObjectKind::Table, |target| target.kind);
    let acl_kind = kind_of(kind);
    if statement.grant.privileges.iter().any(|privilege| !privilege.columns.is_empty()) {
        bail!(INVALID_GRANT_OPERATION, "default privileges cannot be set for columns");
    }
    if kind == ObjectKind::Schema && !statement.schemas.is_empty() {
        bail!(INVALID_GRANT_OPERATION, "cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS");
    }
    let rights = rights_of(&statement.grant.privileges, acl_kind)?.unwrap_or(acl_kind.all()) & acl_kind.all();
    let mut roles = Vec::new();
    for name in &statement.roles {
        let role = ctx.role_named(name)?;
        if !ctx.snapshot().owns(&ctx.role, role.oid) {
            bail!(INSUFFICIENT_PRIVILEGE, "permission denied to change default privileges");
        }
        roles.push(role.oid);
    }
    if roles.is_empty() {
        roles.push(ctx.role.oid);
    }
    let mut schemas = Vec::new();
    for name in &statement.schemas {
        match ctx.schema_named(name) {
            Some(oid) => schemas.push(oid),
            None => bail!(INVALID_SCHEMA_NAME, "schema \"{name}\" does not exist"),
        }
    }
    if schemas.is_empty() {
        schemas.push(Oid::NONE);
    }
    for role in roles {
        for schema in &schemas {
            let key = (role, *schema, default_letter(acl_kind));
            // A schema's list adds to the one for all schemas, which starts with what everybody has.
            let start = if schema.is_some() { Acl::default() } else { acl_kind.default_acl(role) };
            let list = ctx.snapshot().objects.default_acls.get(&key).cloned().unwrap_or_else(|| start.clone());
            let changed = change.apply(&list, (role, &[role]), rights, role)?;
            let kept = Some(changed).filter(|changed| *changed != start);
            ctx.edit.set_default_acl(key, kept);
        }
    }
    Ok(())
}

/// The letter of pg_default_acl.defaclobjtype.
fn default_letter(kind: AclKind) -> u8 {
    match kind {
        AclKind::Sequence => b'S',
        AclKind::Function => b'f',
        AclKind::Type => b'T',
        AclKind::Schema => b'n',
        _ => b'r',
    }
}

/// Gives a new object the list that its owner's default privileges say.
pub(super) fn set_default_acl(object: Securable, schema: Oid, ctx: &mut DdlContext<'_>) {
    let defaults = &ctx.snapshot().objects.default_acls;
    if defaults.is_empty() {
        return;
    }
    let Some((kind, owner, _)) = ctx.snapshot().securable(object) else { return };
    let letter = default_letter(kind);
    let plain = kind.default_acl(owner);
    let mut list = defaults.get(&(owner, Oid::NONE, letter)).cloned().unwrap_or_else(|| plain.clone());
    if let Some(more) = defaults.get(&(owner, schema, letter)).filter(|_| schema.is_some()) {
        list.merge(more);
    }
    if list != plain {
        ctx.edit.set_acl(object.key(), Some(list));
    }
}

//! Roles: CREATE, ALTER, DROP, their passwords, and ALTER ROLE/DATABASE SET.
//!
//! A password becomes a SCRAM verifier here and goes into the users family with the transaction; the catalog never sees it.

use super::context::DdlContext;
use super::membership;
use super::naming::truncate;
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::descriptor::RoleDesc;
use crate::catalog::privileges::Securable;
use crate::common::verifier;
use crate::error::{Error, Result};
use crate::sql::ast::{CreateRole, Drop, RoleOption, SetStatement, SetValue};
use crate::storage::Cf;
use crate::types::{Oid, timestamp};

/// Catalogs whose objects have lists.
const CLASS_RELATION: Oid = Oid(1259);
const CLASS_SCHEMA: Oid = Oid(2615);
const CLASS_TYPE: Oid = Oid(1247);

/// CREATE ROLE.
pub(super) fn create_role(create: &CreateRole, ctx: &mut DdlContext<'_>) -> Result<()> {
    let name = truncate(&create.name).to_owned();
    let mut role = RoleDesc {
        oid: ctx.catalog.allocate_oid(),
        name: name.clone(),
        superuser: false,
        create_role: false,
        create_db: false,
        login: false,
        inherit: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: None,
        settings: Vec::new(),
        memberships: Vec::new(),
    };
    check_once(&create.options)?;
    if !ctx.role.superuser && !ctx.role.create_role {
        let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to create role");
        return Err(error.detail("Only roles with the CREATEROLE attribute may create roles."));
    }
    check_attributes(&create.options, "create", ctx)?;
    check_name(&name)?;
    apply(&mut role, &create.options, ctx)?;
    if ctx.snapshot().role_named(&name).is_some() {
        bail!(DUPLICATE_OBJECT, "role \"{name}\" already exists");
    }
    set_password(&name, &create.options, ctx)?;
    ctx.edit.put_role(role.clone());
    membership::add_creator(&role, ctx)?;
    for option in &create.options {
        match option {
            RoleOption::InRole(groups) => {
                groups.iter().try_for_each(|group| membership::add_by_name(group, &name, false, ctx))?;
            }
            RoleOption::Role(members) | RoleOption::Admin(members) => {
                let admin = matches!(option, RoleOption::Admin(_));
                members.iter().try_for_each(|member| membership::add_by_name(&name, member, admin, ctx))?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses names that are the system's.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name == "public" || name == "none" {
        bail!(RESERVED_NAME, "role name \"{name}\" is reserved");
    }
    if name.starts_with("pg_") {
        let error = crate::error!(RESERVED_NAME, "role name \"{name}\" is reserved");
        return Err(error.detail("Role names starting with \"pg_\" are reserved."));
    }
    Ok(())
}

/// `login` and `nologin` are one option: neither may come twice.
fn check_once(options: &[RoleOption]) -> Result<()> {
    let key = |option: &RoleOption| match option {
        RoleOption::Flag(flag, _) => flag.clone(),
        RoleOption::Password(_) => "password".to_owned(),
        RoleOption::ConnectionLimit(_) => "connectionlimit".to_owned(),
        RoleOption::ValidUntil(_) => "validUntil".to_owned(),
        RoleOption::InRole(_) => "addroleto".to_owned(),
        RoleOption::Role(_) => "rolemembers".to_owned(),
        RoleOption::Admin(_) => "adminmembers".to_owned(),
    };
    let mut seen: Vec<String> = options.iter().map(key).collect();
    let implied_login = matches!(options.first(), Some(RoleOption::Flag(flag, true)) if flag == "login");
    let all = seen.len();
    seen.sort();
    seen.dedup();
    let logins = options.iter().filter(|option| matches!(option, RoleOption::Flag(flag, _) if flag == "login")).count();
    // CREATE USER puts LOGIN in front of what is written.
    let tolerated = usize::from(implied_login && logins == 2);
    if all - tolerated > seen.len() {
        bail!(SYNTAX_ERROR, "conflicting or redundant options");
    }
    Ok(())
}

/// Attributes that one must have to give them.
fn check_attributes(options: &[RoleOption], verb: &str, ctx: &DdlContext<'_>) -> Result<()> {
    if ctx.role.superuser {
        return Ok(());
    }
    for option in options {
        let RoleOption::Flag(flag, true) = option else { continue };
        let (held, attribute) = match flag.as_str() {
            "superuser" => (false, "SUPERUSER"),
            "createdb" => (ctx.role.create_db, "CREATEDB"),
            "replication" => (ctx.role.replication, "REPLICATION"),
            "bypassrls" => (ctx.role.bypass_rls, "BYPASSRLS"),
            _ => continue,
        };
        if !held {
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to {verb} role");
            let whose = if verb == "create" {
                format!("Only roles with the {attribute} attribute may create roles with the {attribute} attribute.")
            } else {
                format!("Only roles with the {attribute} attribute may change the {attribute} attribute.")
            };
            return Err(error.detail(whose));
        }
    }
    Ok(())
}

fn apply(role: &mut RoleDesc, options: &[RoleOption], ctx: &DdlContext<'_>) -> Result<()> {
    for option in options {
        match option {
            RoleOption::Flag(flag, on) => match flag.as_str() {
                "superuser" => role.superuser = *on,
                "createdb" => role.create_db = *on,
                "createrole" => role.create_role = *on,
                "login" => role.login = *on,
                "inherit" => role.inherit = *on,
                "replication" => role.replication = *on,
                "bypassrls" => role.bypass_rls = *on,
                other => bail!(SYNTAX_ERROR, "unrecognized role option \"{other}\""),
            },
            RoleOption::ConnectionLimit(limit) if *limit < -1 => {
                bail!(INVALID_PARAMETER_VALUE, "invalid connection limit: {limit}")
            }
            RoleOption::ConnectionLimit(limit) => role.connection_limit = *limit,
            RoleOption::ValidUntil(text) => {
                let eval = ctx.eval_context();
                role.valid_until = Some(timestamp::input_timestamptz(text, &eval.io())?);
            }
            RoleOption::InRole(names) | RoleOption::Role(names) | RoleOption::Admin(names) => {
                for name in names {
                    ctx.role_named(name)?;
                }
            }
            RoleOption::Password(_) => {}
        }
    }
    Ok(())
}

fn set_password(name: &str, options: &[RoleOption], ctx: &mut DdlContext<'_>) -> Result<()> {
    let password = options.iter().find_map(|option| match option {
        RoleOption::Password(password) => Some(password.clone()),
        _ => None,
    });
    let Some(password) = password else { return Ok(()) };
    let stored =
        password.filter(|password| !password.is_empty()).map(|password| verifier::stored_form(&password).into_bytes());
    if stored.is_none() && options.iter().any(|o| matches!(o, RoleOption::Password(Some(text)) if text.is_empty())) {
        ctx.notice(
            crate::error::SqlState::SUCCESSFUL_COMPLETION,
            "empty string is not a valid password, clearing password",
        );
    }
    ctx.txn.put_meta(Cf::Users, name.as_bytes().to_vec(), stored);
    Ok(())
}

/// ALTER ROLE.
pub(super) fn alter_role(alter: &CreateRole, ctx: &mut DdlContext<'_>) -> Result<()> {
    check_once(&alter.options)?;
    let mut role = (*ctx.role_named(&alter.name)?).clone();
    if !ctx.role.superuser {
        let only_password = alter.options.iter().all(|option| matches!(option, RoleOption::Password(_)));
        let own = role.oid == ctx.role.oid && only_password;
        if role.superuser {
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to alter role");
            return Err(
                error.detail("Only roles with the SUPERUSER attribute may alter roles with the SUPERUSER attribute.")
            );
        }
        let administers = ctx.role.create_role && ctx.snapshot().admin_through(ctx.role.oid, role.oid).is_some();
        if !administers && !own {
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to alter role");
            return Err(error.detail(format!(
                "Only roles with the CREATEROLE attribute and the ADMIN option on role \"{}\" may alter this role.",
                role.name
            )));
        }
        let changes_superuser = |o: &RoleOption| matches!(o, RoleOption::Flag(flag, _) if flag == "superuser");
        if alter.options.iter().any(changes_superuser) {
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to alter role");
            return Err(error.detail("Only roles with the SUPERUSER attribute may change the SUPERUSER attribute."));
        }
    }
    check_attributes(&alter.options, "alter", ctx)?;
    let first = crate::catalog::store::FIRST_ROLE;
    let loses = |o: &RoleOption| matches!(o, RoleOption::Flag(flag, false) if flag == "superuser");
    if role.oid == first && alter.options.iter().any(loses) {
        let error = crate::error!(FEATURE_NOT_SUPPORTED, "permission denied to alter role");
        return Err(error.detail("The bootstrap superuser must have the SUPERUSER attribute."));
    }
    apply(&mut role, &alter.options, ctx)?;
    set_password(&role.name.clone(), &alter.options, ctx)?;
    ctx.edit.put_role(role);
    Ok(())
}

/// ALTER ROLE ... SET and ALTER DATABASE ... SET: kept, and applied when a session starts.
pub(super) fn alter_setting(
    role: Option<&str>,
    database: Option<&str>,
    setting: &SetStatement,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    match (role, database) {
        (Some(role), None) => {
            let mut role = (*ctx.role_named(role)?).clone();
            let administers = ctx.role.create_role && ctx.snapshot().admin_through(ctx.role.oid, role.oid).is_some();
            let may = ctx.role.superuser || administers || role.oid == ctx.role.oid;
            if !may || (role.superuser && !ctx.role.superuser) {
                bail!(INSUFFICIENT_PRIVILEGE, "permission denied to alter role");
            }
            change_setting(&mut role.settings, setting);
            ctx.edit.put_role(role);
            Ok(())
        }
        (None, Some(name)) => {
            let Some(database) = ctx.snapshot().database_named(name) else {
                bail!(INVALID_CATALOG_NAME, "database \"{name}\" does not exist")
            };
            let mut database = (**database).clone();
            ctx.check_owner(database.owner, "database", name)?;
            change_setting(&mut database.settings, setting);
            ctx.edit.put_database(database);
            Ok(())
        }
        _ => Err(Error::unsupported("settings of a role in a database")),
    }
}

fn change_setting(settings: &mut Vec<(String, String)>, setting: &SetStatement) {
    match &setting.value {
        SetValue::Default if setting.name == "all" => settings.clear(),
        SetValue::Default => settings.retain(|(name, _)| *name != setting.name),
        SetValue::Values(values) => {
            settings.retain(|(name, _)| *name != setting.name);
            settings.push((setting.name.clone(), values.join(", ")));
        }
    }
}

/// DROP ROLE.
pub(super) fn drop_roles(statement: &Drop, ctx: &mut DdlContext<'_>) -> Result<()> {
    for name in &statement.names {
        let name = name.last();
        let Some(role) = ctx.snapshot().role_named(name).cloned() else {
            if statement.if_exists {
                ctx.skip_missing(&format!("role \"{name}\""));
                continue;
            }
            bail!(UNDEFINED_OBJECT, "role \"{name}\" does not exist")
        };
        let administers = ctx.role.create_role && ctx.snapshot().admin_through(ctx.role.oid, role.oid).is_some();
        if !ctx.role.superuser && (!administers || role.superuser) {
            let error = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to drop role");
            return Err(error.detail(
                "Only roles with the CREATEROLE attribute and the ADMIN option on the target roles may drop roles."
                    .to_string(),
            ));
        }
        if role.oid == ctx.role.oid {
            bail!(OBJECT_IN_USE, "current user cannot be dropped");
        }
        if role.oid == crate::catalog::store::FIRST_ROLE || role.oid < Oid::FIRST_USER {
            let error = crate::error!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot drop role {name} because it is required by the database system"
            );
            return Err(error);
        }
        let owned = owned_objects(ctx, role.oid);
        if !owned.is_empty() {
            let error = crate::error!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "role \"{name}\" cannot be dropped because some objects depend on it"
            );
            return Err(error.detail(owned.join("\n")));
        }
        ctx.txn.put_meta(Cf::Users, name.as_bytes().to_vec(), None);
        membership::forget(&role, ctx);
        ctx.edit.drop_role(role.oid);
    }
    Ok(())
}

/// What a role owns, in this database by name and in others by number.
fn owned_objects(ctx: &DdlContext<'_>, role: Oid) -> Vec<String> {
    let snapshot = ctx.snapshot();
    let mut lines = Vec::new();
    for database in snapshot.shared.databases.values() {
        if database.owner == role {
            lines.push(format!("owner of database {}", database.name));
        }
    }
    let objects = &snapshot.objects;
    lines.extend(objects.schemas.values().filter(|d| d.owner == role).map(|d| format!("owner of schema {}", d.name)));
    let relation = |kind: &str, oid: Oid| format!("owner of {kind} {}", ctx.relation_text(oid));
    lines.extend(objects.tables.values().filter(|d| d.owner == role).map(|d| relation("table", d.oid)));
    lines.extend(objects.views.values().filter(|d| d.owner == role).map(|d| relation("view", d.oid)));
    lines.extend(objects.sequences.values().filter(|d| d.owner == role).map(|d| relation("sequence", d.oid)));
    lines.extend(objects.types.values().filter(|d| d.owner == role).map(|d| format!("owner of type {}", d.name)));
    lines.extend(privileges_of(ctx, role));
    for database in snapshot.shared.databases.values().filter(|database| database.oid != snapshot.database) {
        let Some(objects) = ctx.catalog.objects(database.oid) else { continue };
        let count = objects.acls.values().filter(|list| list.mentions(role)).count()
            + objects.default_acls.iter().filter(|(key, list)| key.0 == role || list.mentions(role)).count()
            + objects.tables.values().filter(|d| d.owner == role).count()
            + objects.views.values().filter(|d| d.owner == role).count()
            + objects.sequences.values().filter(|d| d.owner == role).count()
            + objects.types.values().filter(|d| d.owner == role).count()
            + objects.schemas.values().filter(|d| d.owner == role).count();
        match count {
            0 => {}
            1 => lines.push(format!("1 object in database {}", database.name)),
            many => lines.push(format!("{many} objects in database {}", database.name)),
        }
    }
    lines
}

/// The lists that a role stands in, as messages about dependencies call them.
fn privileges_of(ctx: &DdlContext<'_>, role: Oid) -> Vec<String> {
    let snapshot = ctx.snapshot();
    let mut lines = Vec::new();
    let databases = snapshot.shared.databases.values();
    for database in databases.filter(|item| item.acl.as_ref().is_some_and(|list| list.mentions(role))) {
        lines.push(format!("privileges for database {}", database.name));
    }
    for ((class, oid, column), _) in snapshot.objects.acls.iter().filter(|item| item.1.mentions(role)) {
        let object = match (*class, *column) {
            (CLASS_RELATION, 0) => Securable::Relation(*oid),
            (CLASS_RELATION, attnum) => Securable::Column(*oid, i16::try_from(attnum).unwrap_or(0)),
            (CLASS_SCHEMA, _) => Securable::Schema(*oid),
            (CLASS_TYPE, _) => Securable::Type(*oid),
            _ => Securable::Function(*oid),
        };
        let Some((kind, _, name)) = snapshot.securable(object) else { continue };
        lines.push(match (object, snapshot.relation(*oid)) {
            (Securable::Column(_, attnum), Some(relation)) => {
                let column = match &relation {
                    Relation::Table(table) => table.position_of(attnum).map(|at| table.columns[at].name.clone()),
                    Relation::View(view) => view.columns.iter().find(|c| c.attnum == attnum).map(|c| c.name.clone()),
                    _ => None,
                };
                let (column, word) = (column.unwrap_or_default(), relation.kind_name());
                format!("privileges for column {column} of {word} {}", ctx.relation_text(*oid))
            }
            (Securable::Relation(_), Some(relation)) => {
                format!("privileges for {} {}", relation.kind_name(), ctx.relation_text(*oid))
            }
            _ => format!("privileges for {} {name}", kind.word()),
        });
    }
    for ((holder, schema, _), list) in &snapshot.objects.default_acls {
        if *holder == role || list.mentions(role) {
            let owner = snapshot.shared.roles.get(holder).map_or("", |role| role.name.as_str());
            let place = snapshot.schema_name(*schema).map(|name| format!(" in schema {name}")).unwrap_or_default();
            lines.push(format!("privileges for default privileges on new relations belonging to role {owner}{place}"));
        }
    }
    lines
}

//! Roles, databases, tablespaces and extensions. Password verifiers never show.

use crate::catalog::descriptor::{RelationDesc, RoleDesc};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::rowset::{RowSet, flag, int, letter, oid, text, texts, time};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// The tablespace everything is in.
const DEFAULT_TABLESPACE: Oid = Oid(1663);
/// PostgreSQL's number of the encoding UTF8.
const UTF8: i64 = 6;
/// What stands where a password would.
const HIDDEN: &str = "********";

/// The version of pgvector whose SQL is served.
const VECTOR_VERSION: &str = "0.8.5";

fn valid_until(role: &RoleDesc) -> Datum {
    role.valid_until.map_or(Datum::Null, time)
}

fn settings(list: &[(String, String)]) -> Datum {
    if list.is_empty() {
        return Datum::Null;
    }
    texts(list.iter().map(|(name, value)| format!("{name}={value}")))
}

pub fn pg_authid(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "oid",
        "rolname",
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
        "rolvaliduntil",
    ];
    let mut set = RowSet::new(desc, &columns);
    for role in ctx.snapshot().shared.roles.values() {
        set.push_vec(role_row(role));
    }
    set.finish()
}

fn role_row(role: &RoleDesc) -> Vec<Datum> {
    vec![
        oid(role.oid),
        text(&role.name),
        flag(role.superuser),
        flag(role.inherit),
        flag(role.create_role),
        flag(role.create_db),
        flag(role.login),
        flag(role.replication),
        flag(role.bypass_rls),
        int(role.connection_limit),
        valid_until(role),
    ]
}

pub fn pg_roles(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "oid",
        "rolname",
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolcanlogin",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
        "rolvaliduntil",
        "rolpassword",
        "rolconfig",
    ];
    let mut set = RowSet::new(desc, &columns);
    for role in ctx.snapshot().shared.roles.values() {
        let mut row = role_row(role);
        row.extend([text(HIDDEN), settings(&role.settings)]);
        set.push_vec(row);
    }
    set.finish()
}

fn users(desc: &RelationDesc, ctx: &SystemContext<'_>, password: &Datum) -> Rows {
    let columns = [
        "usename",
        "usesysid",
        "usecreatedb",
        "usesuper",
        "userepl",
        "usebypassrls",
        "passwd",
        "valuntil",
        "useconfig",
    ];
    let mut set = RowSet::new(desc, &columns);
    for role in ctx.snapshot().shared.roles.values().filter(|role| role.login) {
        set.push([
            text(&role.name),
            oid(role.oid),
            flag(role.create_db),
            flag(role.superuser),
            flag(role.replication),
            flag(role.bypass_rls),
            password.clone(),
            valid_until(role),
            settings(&role.settings),
        ]);
    }
    set.finish()
}

pub fn pg_user(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    users(desc, ctx, &text(HIDDEN))
}

pub fn pg_shadow(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    users(desc, ctx, &Datum::Null)
}

pub fn pg_database(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "oid",
        "datname",
        "datdba",
        "encoding",
        "datlocprovider",
        "datistemplate",
        "datallowconn",
        "datconnlimit",
        "dattablespace",
        "datcollate",
        "datctype",
    ];
    let mut set = RowSet::new(desc, &columns);
    for d in ctx.snapshot().shared.databases.values() {
        set.push([
            oid(d.oid),
            text(&d.name),
            oid(d.owner),
            int(UTF8),
            letter('c'),
            flag(d.is_template),
            flag(d.allow_connections),
            int(d.connection_limit),
            oid(DEFAULT_TABLESPACE),
            text("C"),
            text("C"),
        ]);
    }
    set.finish()
}

pub fn pg_db_role_setting(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["setdatabase", "setrole", "setconfig"]);
    let shared = &ctx.snapshot().shared;
    for d in shared.databases.values().filter(|d| !d.settings.is_empty()) {
        set.push([oid(d.oid), oid(Oid::NONE), settings(&d.settings)]);
    }
    for d in shared.roles.values().filter(|d| !d.settings.is_empty()) {
        set.push([oid(Oid::NONE), oid(d.oid), settings(&d.settings)]);
    }
    set.finish()
}

pub fn pg_tablespace(desc: &RelationDesc, _: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["oid", "spcname", "spcowner"]);
    for (tablespace, name) in [(DEFAULT_TABLESPACE, "pg_default"), (Oid(1664), "pg_global")] {
        set.push([oid(tablespace), text(name), oid(FIRST_ROLE)]);
    }
    set.finish()
}

pub fn pg_extension(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["oid", "extname", "extowner", "extnamespace", "extrelocatable", "extversion"];
    let mut set = RowSet::new(desc, &columns);
    for d in ctx.snapshot().objects.extensions.values() {
        set.push([oid(d.oid), text(&d.name), oid(d.owner), oid(d.schema), flag(true), text(&d.version)]);
    }
    set.finish()
}

/// Name, version and comment of what CREATE EXTENSION accepts.
const AVAILABLE: &[(&str, &str, &str)] =
    &[("vector", VECTOR_VERSION, "vector data type and ivfflat and hnsw access methods")];

fn installed(ctx: &SystemContext<'_>, name: &str) -> Option<String> {
    let mut all = ctx.snapshot().objects.extensions.values();
    all.find(|extension| extension.name == name).map(|extension| extension.version.clone())
}

pub fn pg_available_extensions(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["name", "default_version", "installed_version", "comment"]);
    for (name, version, comment) in AVAILABLE {
        set.push([text(name), text(version), installed(ctx, name).map_or(Datum::Null, text), text(comment)]);
    }
    set.finish()
}

pub fn pg_available_extension_versions(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["name", "version", "installed", "superuser", "trusted", "relocatable", "comment"];
    let mut set = RowSet::new(desc, &columns);
    for (name, version, comment) in AVAILABLE {
        let is_installed = installed(ctx, name).is_some_and(|found| found == *version);
        set.push([text(name), text(version), flag(is_installed), flag(true), flag(true), flag(true), text(comment)]);
    }
    set.finish()
}

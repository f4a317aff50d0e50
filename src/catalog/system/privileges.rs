//! Access lists and memberships as system relations show them: `relacl` and its kin, `pg_default_acl`,
//! `pg_auth_members`, and the `*_privileges` views of `information_schema`.

use crate::catalog::acl::{self, Acl, AclKind, Rights};
use crate::catalog::builtin::builtin;
use crate::catalog::descriptor::RelationDesc;
use crate::catalog::privileges::Securable;
use crate::catalog::snapshot::{INFORMATION_SCHEMA, PG_CATALOG, PUBLIC, Snapshot};
use crate::catalog::store::FIRST_ROLE;
use crate::catalog::system::makers::SystemContext;
use crate::catalog::system::objects::{builtin_schema, columned, database_name, role_name, schema_name};
use crate::catalog::system::rowset::{RowSet, array, flag, int, letter, oid, text, yes_no};
use crate::types::{Datum, Oid};

type Rows = Vec<Vec<Datum>>;

/// A list as `aclitem[]`.
#[must_use]
pub fn acl_datum(snapshot: &Snapshot, list: &Acl) -> Datum {
    let name = |role: Oid| role_name(snapshot, role);
    array(Oid::ACLITEM, list.0.iter().map(|item| text(item.text(&name))).collect())
}

/// Fills the access lists into the rows of a relation that has them.
pub fn fill(desc: &RelationDesc, snapshot: &Snapshot, rows: &mut [Vec<Datum>]) {
    let (oid_column, acl_column, object): (_, _, fn(Oid) -> Securable) = match desc.name {
        "pg_class" => ("oid", "relacl", Securable::Relation),
        "pg_namespace" => ("oid", "nspacl", Securable::Schema),
        "pg_database" => ("oid", "datacl", Securable::Database),
        "pg_proc" => ("oid", "proacl", Securable::Function),
        "pg_type" => ("oid", "typacl", Securable::Type),
        "pg_language" => ("oid", "lanacl", Securable::Language),
        "pg_attribute" => return fill_columns(desc, snapshot, rows),
        _ => return,
    };
    let place = |name: &str| desc.columns.iter().position(|column| column.name == name);
    let (Some(oid_at), Some(acl_at)) = (place(oid_column), place(acl_column)) else { return };
    for row in rows {
        let Datum::Oid(found) = row[oid_at] else { continue };
        if let Some(list) = snapshot.explicit_acl(object(found)) {
            row[acl_at] = acl_datum(snapshot, &list);
        }
    }
}

fn fill_columns(desc: &RelationDesc, snapshot: &Snapshot, rows: &mut [Vec<Datum>]) {
    if !snapshot.objects.acls.keys().any(|key| key.2 != 0) {
        return;
    }
    let place = |name: &str| desc.columns.iter().position(|column| column.name == name).expect("pg_attribute has it");
    let (relation_at, number_at, acl_at) = (place("attrelid"), place("attnum"), place("attacl"));
    for row in rows {
        if let (Datum::Oid(relation), Datum::Int2(attnum)) = (&row[relation_at], &row[number_at])
            && let Some(list) = snapshot.objects.acls.get(&Securable::Column(*relation, *attnum).key())
        {
            row[acl_at] = acl_datum(snapshot, list);
        }
    }
}

/// Lists that built-in objects started with: pg_dump leaves out what has not changed since.
pub fn pg_init_privs(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["objoid", "classoid", "objsubid", "privtype", "initprivs"]);
    let snapshot = ctx.snapshot();
    let relations = crate::catalog::system::relations().map(|relation| Securable::Relation(relation.oid));
    let schemas = [PG_CATALOG, PUBLIC, INFORMATION_SCHEMA].map(Securable::Schema);
    for object in relations.chain(schemas) {
        if let Some(list) = snapshot.initial_acl(object) {
            let (class, found, sub) = object.key();
            set.push([oid(found), oid(class), int(sub), letter('i'), acl_datum(snapshot, &list)]);
        }
    }
    set.finish()
}

/// Lists that new objects start with, by ALTER DEFAULT PRIVILEGES.
pub fn pg_default_acl(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["oid", "defaclrole", "defaclnamespace", "defaclobjtype", "defaclacl"];
    let mut set = RowSet::new(desc, &columns);
    for (number, ((role, schema, kind), list)) in (0x7000_0000_u32..).zip(&ctx.snapshot().objects.default_acls) {
        set.push([
            oid(Oid(number)),
            oid(*role),
            oid(*schema),
            letter(char::from(*kind)),
            acl_datum(ctx.snapshot(), list),
        ]);
    }
    set.finish()
}

/// Which role is a member of which.
pub fn pg_auth_members(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = ["oid", "roleid", "member", "grantor", "admin_option", "inherit_option", "set_option"];
    let mut set = RowSet::new(desc, &columns);
    for member in ctx.snapshot().shared.roles.values() {
        for item in &member.memberships {
            set.push([
                oid(item.oid),
                oid(item.role),
                oid(member.oid),
                oid(item.grantor),
                flag(item.admin),
                flag(item.inherit),
                flag(item.set),
            ]);
        }
    }
    set.finish()
}

/// Groups are roles that cannot log in.
pub fn pg_group(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["groname", "grosysid", "grolist"]);
    let roles = &ctx.snapshot().shared.roles;
    for role in roles.values().filter(|role| !role.login) {
        let is_member = |other: &&std::sync::Arc<crate::catalog::descriptor::RoleDesc>| {
            other.memberships.iter().any(|item| item.role == role.oid)
        };
        let members = roles.values().filter(is_member).map(|member| oid(member.oid)).collect();
        set.push([text(&role.name), oid(role.oid), array(Oid::OID, members)]);
    }
    set.finish()
}

/// One row of a `*_privileges` view: grantor, grantee, right, and whether it may be granted on.
struct Granted {
    grantor: Datum,
    grantee: Datum,
    right: &'static str,
    option: bool,
}

/// The grants of a list that the asker may see: given by or to a role of theirs, or to PUBLIC.
fn granted(ctx: &SystemContext<'_>, list: &Acl, owner: Oid, of: Rights) -> Vec<Granted> {
    let snapshot = ctx.snapshot();
    let asker = ctx.live.current_user();
    let mine = asker.map(|role| snapshot.inherited_roles(role));
    let superuser = asker.and_then(|role| snapshot.shared.roles.get(&role)).is_none_or(|role| role.superuser);
    let sees = |role: Oid| role == Oid::NONE || superuser || mine.as_ref().is_some_and(|mine| mine.contains(&role));
    let mut rows = Vec::new();
    for item in list.0.iter().filter(|item| sees(item.grantee) || sees(item.grantor)) {
        let grantee = if item.grantee == Oid::NONE { "PUBLIC".to_owned() } else { role_name(snapshot, item.grantee) };
        for (bit, right) in acl::words(item.rights & of) {
            rows.push(Granted {
                grantor: text(role_name(snapshot, item.grantor)),
                grantee: text(&grantee),
                right,
                // The owner may grant whatever the list says.
                option: item.options & bit != 0 || item.grantee == owner,
            });
        }
    }
    rows
}

pub fn table_privileges(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "grantor",
        "grantee",
        "table_catalog",
        "table_schema",
        "table_name",
        "privilege_type",
        "is_grantable",
        "with_hierarchy",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    // MAINTAIN is not SQL's.
    let standard = AclKind::Relation.all() & !acl::MAINTAIN;
    for item in columned(snapshot).into_iter().filter(|item| matches!(item.kind, 'r' | 'v')) {
        let list = snapshot.effective_acl(Securable::Relation(item.oid));
        for row in granted(ctx, &list, item.owner, standard) {
            set.push([
                row.grantor,
                row.grantee,
                text(database_name(snapshot)),
                text(schema_name(snapshot, item.schema)),
                text(item.name),
                text(row.right),
                yes_no(row.option),
                yes_no(row.right == "SELECT"),
            ]);
        }
    }
    set.finish()
}

/// What tables grant on all of their columns, and columns by themselves.
pub fn column_privileges(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "grantor",
        "grantee",
        "table_catalog",
        "table_schema",
        "table_name",
        "column_name",
        "privilege_type",
        "is_grantable",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for item in columned(snapshot).into_iter().filter(|item| matches!(item.kind, 'r' | 'v')) {
        let whole = snapshot.effective_acl(Securable::Relation(item.oid));
        for column in item.columns.iter() {
            let mut list = whole.clone();
            if let Some(own) = snapshot.objects.acls.get(&Securable::Column(item.oid, column.attnum).key()) {
                list.0.extend(own.0.iter().copied());
            }
            for row in granted(ctx, &list, item.owner, AclKind::Column.all()) {
                set.push([
                    row.grantor,
                    row.grantee,
                    text(database_name(snapshot)),
                    text(schema_name(snapshot, item.schema)),
                    text(item.name),
                    text(&column.name),
                    text(row.right),
                    yes_no(row.option),
                ]);
            }
        }
    }
    set.finish()
}

/// EXECUTE on functions.
pub fn routine_privileges(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "grantor",
        "grantee",
        "specific_catalog",
        "specific_schema",
        "specific_name",
        "routine_catalog",
        "routine_schema",
        "routine_name",
        "privilege_type",
        "is_grantable",
    ];
    let snapshot = ctx.snapshot();
    let database = database_name(snapshot);
    let mut set = RowSet::new(desc, &columns);
    for row in &builtin().procs {
        let Some(schema) = builtin_schema(snapshot, row.namespace) else { continue };
        let list = snapshot.effective_acl(Securable::Function(row.oid));
        for found in granted(ctx, &list, FIRST_ROLE, AclKind::Function.all()) {
            set.push([
                found.grantor,
                found.grantee,
                text(database),
                text(schema_name(snapshot, schema)),
                text(format!("{}_{}", row.name, row.oid)),
                text(database),
                text(schema_name(snapshot, schema)),
                text(row.name),
                text(found.right),
                yes_no(found.option),
            ]);
        }
    }
    set.finish()
}

/// USAGE on sequences.
pub fn usage_privileges(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let columns = [
        "grantor",
        "grantee",
        "object_catalog",
        "object_schema",
        "object_name",
        "object_type",
        "privilege_type",
        "is_grantable",
    ];
    let snapshot = ctx.snapshot();
    let mut set = RowSet::new(desc, &columns);
    for sequence in snapshot.objects.sequences.values() {
        let list = snapshot.effective_acl(Securable::Relation(sequence.oid));
        for row in granted(ctx, &list, sequence.owner, acl::USAGE) {
            set.push([
                row.grantor,
                row.grantee,
                text(database_name(snapshot)),
                text(schema_name(snapshot, sequence.schema)),
                text(&sequence.name),
                text("SEQUENCE"),
                text(row.right),
                yes_no(row.option),
            ]);
        }
    }
    set.finish()
}

/// Memberships that the asker's roles have.
pub fn applicable_roles(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["grantee", "role_name", "is_grantable"]);
    let snapshot = ctx.snapshot();
    let mine = ctx.live.current_user().map(|role| snapshot.inherited_roles(role)).unwrap_or_default();
    for member in snapshot.shared.roles.values().filter(|role| mine.contains(&role.oid)) {
        for item in &member.memberships {
            set.push([text(&member.name), text(role_name(snapshot, item.role)), yes_no(item.admin)]);
        }
    }
    set.finish()
}

/// Roles whose rights the asker has.
pub fn enabled_roles(desc: &RelationDesc, ctx: &SystemContext<'_>) -> Rows {
    let mut set = RowSet::new(desc, &["role_name"]);
    let snapshot = ctx.snapshot();
    let asker = ctx.live.current_user().and_then(|role| snapshot.shared.roles.get(&role));
    let mine = asker.map(|role| snapshot.inherited_roles(role.oid));
    for role in snapshot.shared.roles.values() {
        let superuser = asker.is_none_or(|asker| asker.superuser);
        if superuser || mine.as_ref().is_some_and(|mine| mine.contains(&role.oid)) {
            set.push([text(&role.name)]);
        }
    }
    set.finish()
}

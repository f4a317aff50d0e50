//! OWNER TO of everything, REASSIGN OWNED, DROP OWNED.

use std::sync::Arc;

use super::context::DdlContext;
use super::depend::Object;
use super::{drop, grant, sequence};
use crate::bail;
use crate::catalog::Relation;
use crate::catalog::acl;
use crate::catalog::descriptor::RoleDesc;
use crate::catalog::privileges::Securable;
use crate::error::{Error, Result};
use crate::sql::ast::{Belongings, Name, ObjectKind};
use crate::types::Oid;

/// Refuses a new owner that the current user cannot become, or that may not create in the schema.
pub(super) fn check_new_owner(ctx: &DdlContext<'_>, owner: &RoleDesc, schema: Option<Oid>) -> Result<()> {
    if ctx.role.superuser {
        return Ok(());
    }
    if !ctx.snapshot().may_become(ctx.role.oid, owner.oid) {
        bail!(INSUFFICIENT_PRIVILEGE, "must be able to SET ROLE \"{}\"", owner.name);
    }
    match schema {
        Some(schema) => ctx.snapshot().check_right(owner.oid, Securable::Schema(schema), acl::CREATE),
        None => Ok(()),
    }
}

/// The list of an object that changes hands.
fn hand_over(object: Securable, old: Oid, new: Oid, ctx: &mut DdlContext<'_>) {
    let list = match object {
        Securable::Database(oid) => ctx.snapshot().shared.databases.get(&oid).and_then(|database| database.acl.clone()),
        _ => ctx.snapshot().objects.acls.get(&object.key()).cloned(),
    };
    if let Some(list) = list {
        grant::store(object, list.with_owner(old, new), ctx);
    }
}

/// Gives a relation, and the sequences that a table owns, to another role.
pub(super) fn set_relation_owner(relation: &Relation, owner: Oid, ctx: &mut DdlContext<'_>) -> Result<()> {
    let old = match relation {
        Relation::Table(table) => {
            let mut changed = (*ctx.table_by_oid(table.oid)).clone();
            let old = std::mem::replace(&mut changed.owner, owner);
            ctx.edit.put_table(changed);
            for owned in sequence::owned_by_table(ctx, table.oid) {
                if let Some(relation) = ctx.snapshot().relation(owned) {
                    set_relation_owner(&relation, owner, ctx)?;
                }
            }
            old
        }
        Relation::View(view) => {
            let mut changed = (**view).clone();
            let old = std::mem::replace(&mut changed.owner, owner);
            ctx.edit.put_view(changed);
            old
        }
        Relation::Sequence(found) => {
            let mut changed = (**found).clone();
            let old = std::mem::replace(&mut changed.owner, owner);
            ctx.edit.put_sequence(changed);
            old
        }
        Relation::Index(_) | Relation::System(_) => return Err(Error::unsupported("OWNER TO of this relation")),
    };
    let key = Securable::Relation(relation.oid()).key();
    let columns: Vec<i32> =
        ctx.snapshot().objects.acls.range((key.0, key.1, 1)..=(key.0, key.1, i32::MAX)).map(|item| item.0.2).collect();
    hand_over(Securable::Relation(relation.oid()), old, owner, ctx);
    for attnum in columns {
        let attnum = i16::try_from(attnum).expect("attribute numbers are small");
        hand_over(Securable::Column(relation.oid(), attnum), old, owner, ctx);
    }
    Ok(())
}

fn set_schema_owner(oid: Oid, owner: Oid, ctx: &mut DdlContext<'_>) {
    let list = ctx.snapshot().effective_acl(Securable::Schema(oid));
    let Some((_, old, _)) = ctx.snapshot().securable(Securable::Schema(oid)) else { return };
    let Some(schema) = ctx.snapshot().objects.schemas.get(&oid) else { return };
    let mut changed = (**schema).clone();
    changed.owner = owner;
    ctx.edit.put_schema(changed);
    if list != acl::AclKind::Schema.default_acl(old) {
        grant::store(Securable::Schema(oid), list.with_owner(old, owner), ctx);
    }
}

pub(super) fn set_type_owner(oid: Oid, owner: Oid, ctx: &mut DdlContext<'_>) {
    let Some(desc) = ctx.snapshot().user_type(oid) else { return };
    let mut changed = (**desc).clone();
    let old = std::mem::replace(&mut changed.owner, owner);
    ctx.edit.put_type(changed);
    hand_over(Securable::Type(oid), old, owner, ctx);
}

fn set_database_owner(oid: Oid, owner: Oid, ctx: &mut DdlContext<'_>) {
    let Some(database) = ctx.snapshot().shared.databases.get(&oid) else { return };
    let mut changed = (**database).clone();
    let old = std::mem::replace(&mut changed.owner, owner);
    ctx.edit.put_database(changed);
    hand_over(Securable::Database(oid), old, owner, ctx);
}

/// ALTER SCHEMA and ALTER DATABASE ... OWNER TO.
pub(super) fn change_owner(kind: ObjectKind, name: &Name, owner: &str, ctx: &mut DdlContext<'_>) -> Result<()> {
    let owner = ctx.role_named(owner)?;
    match kind {
        ObjectKind::Schema => {
            let Some(oid) = ctx.snapshot().schema_named(name.last()) else {
                bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", name.last())
            };
            let (_, old, text) = ctx.snapshot().securable(Securable::Schema(oid)).expect("was found by name");
            if old == owner.oid {
                return Ok(());
            }
            ctx.check_owner(old, "schema", &text)?;
            check_new_owner(ctx, &owner, None)?;
            set_schema_owner(oid, owner.oid, ctx);
            Ok(())
        }
        ObjectKind::Database => {
            let Some(found) = ctx.snapshot().database_named(name.last()).cloned() else {
                bail!(INVALID_CATALOG_NAME, "database \"{}\" does not exist", name.last())
            };
            if found.owner == owner.oid {
                return Ok(());
            }
            ctx.check_owner(found.owner, "database", &found.name)?;
            check_new_owner(ctx, &owner, None)?;
            set_database_owner(found.oid, owner.oid, ctx);
            Ok(())
        }
        _ => Err(Error::unsupported("OWNER TO of this kind of object")),
    }
}

/// REASSIGN OWNED and DROP OWNED.
pub(super) fn belongings(statement: &Belongings, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut roles: Vec<Arc<RoleDesc>> = Vec::new();
    for name in &statement.roles {
        let role = ctx.role_named(name)?;
        if !ctx.snapshot().owns(&ctx.role, role.oid) {
            let verb = if statement.new_owner.is_some() { "reassign" } else { "drop" };
            let denied = crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to {verb} objects");
            let what = if statement.new_owner.is_some() {
                format!("Only roles with privileges of role \"{}\" may reassign objects owned by it.", role.name)
            } else {
                format!("Only roles with privileges of role \"{}\" may drop objects owned by it.", role.name)
            };
            return Err(denied.detail(what));
        }
        if role.oid == crate::catalog::store::FIRST_ROLE {
            bail!(
                DEPENDENT_OBJECTS_STILL_EXIST,
                "cannot {} objects owned by role {} because they are required by the database system",
                if statement.new_owner.is_some() { "reassign ownership of" } else { "drop" },
                role.name
            );
        }
        roles.push(role);
    }
    match &statement.new_owner {
        Some(name) => {
            let owner = ctx.role_named(name)?;
            check_new_owner(ctx, &owner, None)?;
            roles.iter().try_for_each(|role| reassign(role.oid, owner.oid, ctx))
        }
        None => roles.iter().try_for_each(|role| drop_owned(role.oid, statement.cascade, ctx)),
    }
}

/// What a role owns in this database.
fn owned(role: Oid, ctx: &DdlContext<'_>) -> (Vec<Relation>, Vec<Oid>, Vec<Oid>) {
    let objects = &ctx.snapshot().objects;
    let tables = objects.tables.values().filter(|d| d.owner == role).cloned().map(Relation::Table);
    let views = objects.views.values().filter(|d| d.owner == role).cloned().map(Relation::View);
    let sequences = objects.sequences.values().filter(|d| d.owner == role && d.owned_by.is_none()).cloned();
    let relations = tables.chain(views).chain(sequences.map(Relation::Sequence)).collect();
    let types = objects.types.values().filter(|d| d.owner == role).map(|d| d.oid).collect();
    let schemas = objects.schemas.values().filter(|d| d.owner == role).map(|d| d.oid).collect();
    (relations, types, schemas)
}

fn reassign(role: Oid, owner: Oid, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (relations, types, schemas) = owned(role, ctx);
    for relation in relations {
        set_relation_owner(&relation, owner, ctx)?;
    }
    types.into_iter().for_each(|oid| set_type_owner(oid, owner, ctx));
    schemas.into_iter().for_each(|oid| set_schema_owner(oid, owner, ctx));
    let databases: Vec<Oid> =
        ctx.snapshot().shared.databases.values().filter(|d| d.owner == role).map(|d| d.oid).collect();
    databases.into_iter().for_each(|oid| set_database_owner(oid, owner, ctx));
    Ok(())
}

fn drop_owned(role: Oid, cascade: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    let lists: Vec<_> =
        ctx.snapshot().objects.acls.iter().filter(|item| item.1.mentions(role)).map(|item| *item.0).collect();
    for key in lists {
        let list = ctx.snapshot().objects.acls[&key].without(role);
        ctx.edit.set_acl(key, Some(list).filter(|list| !list.0.is_empty()));
    }
    let defaults: Vec<_> = ctx.snapshot().objects.default_acls.iter().map(|(key, list)| (*key, list.clone())).collect();
    for (key, list) in defaults {
        if key.0 == role {
            ctx.edit.set_default_acl(key, None);
        } else if list.mentions(role) {
            ctx.edit.set_default_acl(key, Some(list.without(role)));
        }
    }
    let databases: Vec<_> = ctx.snapshot().shared.databases.values().cloned().collect();
    for database in databases {
        if let Some(list) = database.acl.as_ref().filter(|list| list.mentions(role)) {
            grant::store(Securable::Database(database.oid), list.without(role), ctx);
        }
    }
    let (relations, types, schemas) = owned(role, ctx);
    let mut objects: Vec<Object> = relations
        .into_iter()
        .map(|relation| match relation {
            Relation::View(view) => Object::View(view.oid),
            Relation::Sequence(sequence) => Object::Sequence(sequence.oid),
            other => Object::Table(other.oid()),
        })
        .collect();
    objects.extend(types.into_iter().map(Object::Type));
    objects.extend(schemas.into_iter().map(Object::Schema));
    if objects.is_empty() {
        return Ok(());
    }
    drop::drop_objects(&objects, cascade, ctx)
}

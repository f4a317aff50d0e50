//! GRANT role TO role, REVOKE role FROM role.

use std::sync::Arc;

use super::context::DdlContext;
use crate::bail;
use crate::catalog::descriptor::{Membership, RoleDesc};
use crate::catalog::store::FIRST_ROLE;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast::Grant;
use crate::types::Oid;

/// Options as written; what is not said stays or takes its default.
#[derive(Clone, Copy, Default)]
struct Options {
    admin: Option<bool>,
    inherit: Option<bool>,
    set: Option<bool>,
}

/// GRANT and REVOKE without ON.
pub(super) fn grant(statement: &Grant, ctx: &mut DdlContext<'_>) -> Result<()> {
    let mut options = Options::default();
    for (name, value) in &statement.options {
        match name.as_str() {
            "admin" => options.admin = Some(*value),
            "inherit" => options.inherit = Some(*value),
            "set" => options.set = Some(*value),
            other => bail!(SYNTAX_ERROR, "unrecognized role option \"{other}\""),
        }
    }
    for privilege in &statement.privileges {
        if !privilege.columns.is_empty() {
            bail!(INVALID_GRANT_OPERATION, "column names cannot be included in GRANT/REVOKE ROLE");
        }
        let role = ctx.role_named(&privilege.name)?;
        check_right(&role, statement.revoke, ctx)?;
        let grantor = match &statement.granted_by {
            Some(name) => ctx.role_named(name)?.oid,
            None => ctx.snapshot().admin_through(ctx.role.oid, role.oid).unwrap_or(FIRST_ROLE),
        };
        for member in &statement.roles {
            let member = ctx.role_named(member)?;
            if statement.revoke {
                let option = statement.option_for.as_deref();
                revoke(&role, &member, grantor, option, statement.cascade, ctx)?;
            } else {
                add(&role, &member, grantor, options, ctx)?;
            }
        }
    }
    Ok(())
}

/// Who may grant membership: superusers, and members with ADMIN OPTION.
fn check_right(role: &RoleDesc, revoke: bool, ctx: &DdlContext<'_>) -> Result<()> {
    if ctx.role.superuser {
        return Ok(());
    }
    let verb = if revoke { "revoke" } else { "grant" };
    let denied = || crate::error!(INSUFFICIENT_PRIVILEGE, "permission denied to {verb} role \"{}\"", role.name);
    if role.superuser {
        return Err(denied().detail(format!(
            "Only roles with the SUPERUSER attribute may {verb} roles with the SUPERUSER attribute."
        )));
    }
    if ctx.snapshot().admin_through(ctx.role.oid, role.oid).is_none() {
        let name = &role.name;
        return Err(
            denied().detail(format!("Only roles with the ADMIN option on role \"{name}\" may {verb} this role."))
        );
    }
    Ok(())
}

/// Makes a role a member; CREATE ROLE does so too.
fn add(role: &RoleDesc, member: &RoleDesc, grantor: Oid, options: Options, ctx: &mut DdlContext<'_>) -> Result<()> {
    if role.oid == member.oid || ctx.snapshot().member_roles(role.oid).contains(&member.oid) {
        bail!(INVALID_GRANT_OPERATION, "role \"{}\" is a member of role \"{}\"", role.name, member.name);
    }
    if options.admin == Some(true) && grantor != FIRST_ROLE && !administers_without(grantor, role, member, ctx) {
        bail!(INVALID_GRANT_OPERATION, "ADMIN option cannot be granted back to your own grantor");
    }
    let mut changed = current(member, ctx);
    let found = changed.memberships.iter_mut().find(|item| item.role == role.oid && item.grantor == grantor);
    if let Some(item) = found {
        let before = item.clone();
        item.admin = options.admin.unwrap_or(item.admin);
        item.inherit = options.inherit.unwrap_or(item.inherit);
        item.set = options.set.unwrap_or(item.set);
        if *item == before {
            let grantor = ctx.snapshot().shared.roles.get(&grantor).map_or("", |role| role.name.as_str());
            let message = format!(
                "role \"{}\" has already been granted membership in role \"{}\" by role \"{grantor}\"",
                member.name, role.name
            );
            ctx.notice(SqlState::SUCCESSFUL_COMPLETION, message);
            return Ok(());
        }
    } else {
        changed.memberships.push(Membership {
            oid: ctx.catalog.allocate_oid(),
            role: role.oid,
            grantor,
            admin: options.admin.unwrap_or(false),
            inherit: options.inherit.unwrap_or(member.inherit),
            set: options.set.unwrap_or(true),
        });
    }
    ctx.edit.put_role(changed);
    Ok(())
}

/// Whether a role would have ADMIN OPTION on another without a third that may have given it.
fn administers_without(grantor: Oid, role: &RoleDesc, without: &RoleDesc, ctx: &DdlContext<'_>) -> bool {
    let mut reached = vec![FIRST_ROLE];
    let mut at = 0;
    while at < reached.len() {
        for member in ctx.snapshot().shared.roles.values().filter(|member| member.oid != without.oid) {
            let by = |item: &Membership| item.role == role.oid && item.admin && item.grantor == reached[at];
            if member.memberships.iter().any(by) && !reached.contains(&member.oid) {
                reached.push(member.oid);
            }
        }
        at += 1;
    }
    reached.contains(&grantor)
}

/// CREATE ROLE ... IN ROLE, ROLE, ADMIN.
pub(super) fn add_by_name(role: &str, member: &str, admin: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    let (role, member) = (ctx.role_named(role)?, ctx.role_named(member)?);
    check_right(&role, false, ctx)?;
    let options = Options { admin: Some(admin), ..Options::default() };
    add(&role, &member, ctx.snapshot().admin_through(ctx.role.oid, role.oid).unwrap_or(FIRST_ROLE), options, ctx)
}

/// A role that is no superuser administers the roles that it makes.
pub(super) fn add_creator(role: &RoleDesc, ctx: &mut DdlContext<'_>) -> Result<()> {
    if ctx.role.superuser {
        return Ok(());
    }
    let creator = Arc::clone(&ctx.role);
    let options = Options { admin: Some(true), inherit: Some(false), set: Some(false) };
    add(role, &creator, FIRST_ROLE, options, ctx)
}

/// The role as the edit has it now.
fn current(role: &RoleDesc, ctx: &DdlContext<'_>) -> RoleDesc {
    ctx.snapshot().shared.roles.get(&role.oid).map_or_else(|| role.clone(), |role| (**role).clone())
}

fn revoke(
    role: &RoleDesc,
    member: &RoleDesc,
    grantor: Oid,
    option: Option<&str>,
    cascade: bool,
    ctx: &mut DdlContext<'_>,
) -> Result<()> {
    let mut changed = current(member, ctx);
    let found = changed.memberships.iter().position(|item| item.role == role.oid && item.grantor == grantor);
    let Some(at) = found else {
        let by = ctx.snapshot().shared.roles.get(&grantor).map_or("", |role| role.name.as_str());
        let message = format!(
            "role \"{}\" has not been granted membership in role \"{}\" by role \"{by}\"",
            member.name, role.name
        );
        ctx.warning(SqlState::WARNING, message);
        return Ok(());
    };
    let loses_admin = changed.memberships[at].admin && matches!(option, None | Some("admin"));
    match option {
        None => {
            changed.memberships.remove(at);
        }
        Some("inherit") => changed.memberships[at].inherit = false,
        Some("set") => changed.memberships[at].set = false,
        Some(_) => changed.memberships[at].admin = false,
    }
    ctx.edit.put_role(changed);
    if loses_admin {
        revoke_dependents(role, member, cascade, ctx)?;
    }
    Ok(())
}

/// Takes back memberships that a role granted by an option that it has no longer.
fn revoke_dependents(role: &RoleDesc, grantor: &RoleDesc, cascade: bool, ctx: &mut DdlContext<'_>) -> Result<()> {
    let given = |member: &&Arc<RoleDesc>| {
        member.memberships.iter().any(|item| item.role == role.oid && item.grantor == grantor.oid)
    };
    let members: Vec<Arc<RoleDesc>> = ctx.snapshot().shared.roles.values().filter(given).cloned().collect();
    for member in members {
        if !cascade {
            return Err(Error::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                .hint("Use CASCADE to revoke them too."));
        }
        revoke(role, &member, grantor.oid, None, true, ctx)?;
    }
    Ok(())
}

/// Ends all memberships in a role that goes away.
pub(super) fn forget(role: &RoleDesc, ctx: &mut DdlContext<'_>) {
    let is_member = |other: &&Arc<RoleDesc>| other.memberships.iter().any(|item| item.role == role.oid);
    let members: Vec<Arc<RoleDesc>> = ctx.snapshot().shared.roles.values().filter(is_member).cloned().collect();
    for member in members {
        let mut changed = (*member).clone();
        changed.memberships.retain(|item| item.role != role.oid);
        ctx.edit.put_role(changed);
    }
}

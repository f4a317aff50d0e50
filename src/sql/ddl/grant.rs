//! GRANT and REVOKE, as far as they can be honest.
//!
//! There are no access lists: every role may use every object, and only owners and superusers may change one. So granting
//! what everyone has changes nothing and is accepted once its names are checked; taking it away is refused, except from
//! owners and superusers, whom PostgreSQL does not stop either.

use super::context::DdlContext;
use crate::bail;
use crate::error::{Error, Result};
use crate::sql::ast::{Grant, ObjectKind};

const PRIVILEGES: &[&str] = &[
    "all",
    "select",
    "insert",
    "update",
    "delete",
    "truncate",
    "references",
    "trigger",
    "usage",
    "create",
    "connect",
    "temporary",
    "temp",
    "execute",
    "set",
    "maintain",
];

/// GRANT, REVOKE.
pub(super) fn grant(statement: &Grant, ctx: &mut DdlContext<'_>) -> Result<()> {
    let Some(kind) = statement.kind else { return membership(statement, ctx) };
    for name in &statement.names {
        match kind {
            ObjectKind::Schema => {
                if ctx.schema_named(name.last()).is_none() {
                    bail!(INVALID_SCHEMA_NAME, "schema \"{}\" does not exist", name.last());
                }
            }
            ObjectKind::Database => {
                if ctx.snapshot().database_named(name.last()).is_none() {
                    bail!(INVALID_CATALOG_NAME, "database \"{}\" does not exist", name.last());
                }
            }
            ObjectKind::Type | ObjectKind::Domain => {
                if ctx.snapshot().find_type(&ctx.path, name.last()).is_none() {
                    bail!(UNDEFINED_OBJECT, "type \"{name}\" does not exist");
                }
            }
            _ => {
                ctx.relation(name)?;
            }
        }
    }
    for privilege in &statement.privileges {
        if !PRIVILEGES.contains(&privilege.to_ascii_lowercase().as_str()) {
            bail!(SYNTAX_ERROR, "unrecognized privilege type \"{privilege}\"");
        }
    }
    for role in &statement.roles {
        let harmless = role != "public" && {
            let found = ctx.role_named(role)?;
            found.superuser
        };
        if statement.revoke && !harmless {
            return Err(Error::unsupported("REVOKE"));
        }
    }
    Ok(())
}

/// GRANT role TO role.
fn membership(statement: &Grant, ctx: &DdlContext<'_>) -> Result<()> {
    for name in statement.privileges.iter().chain(&statement.roles) {
        ctx.role_named(name)?;
    }
    Err(Error::unsupported("role membership"))
}

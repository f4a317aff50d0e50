//! Binds what the catalog keeps as text, for the executor.

use std::sync::Arc;

use crate::catalog::Names;
use crate::catalog::descriptor::{ConstraintKind, IndexDesc, IndexTarget, TableDesc};
use crate::error::Result;
use crate::sql::binder::{self, Place};
use crate::sql::executor::{StoredExpressions, TableChecks};
use crate::sql::expr::Expr;
use crate::types::{Datum, Oid, SqlType};

/// Stored expressions of one catalog snapshot.
pub(super) struct Stored(pub Arc<Names>);

fn columns(table: &TableDesc) -> Vec<(String, SqlType)> {
    table.columns.iter().map(|column| (column.name.clone(), column.stored_type())).collect()
}

impl StoredExpressions for Stored {
    fn index(&self, table: &TableDesc, index: &IndexDesc) -> Result<(Vec<Expr>, Option<Expr>)> {
        let columns = columns(table);
        let mut keys = Vec::new();
        for key in &index.keys {
            if let IndexTarget::Expr(text) = &key.target {
                keys.push(binder::bind_stored(text, &columns, Some(key.ty), &self.0, Place::IndexExpression)?);
            }
        }
        let predicate = match &index.predicate {
            Some(text) => {
                let bool_type = Some(SqlType::of(Oid::BOOL));
                Some(binder::bind_stored(text, &columns, bool_type, &self.0, Place::IndexPredicate)?)
            }
            None => None,
        };
        Ok((keys, predicate))
    }

    fn default(&self, table: &TableDesc, position: usize) -> Result<Expr> {
        let column = &table.columns[position];
        match &column.default {
            Some(text) => binder::bind_stored(text, &[], Some(column.ty), &self.0, Place::Default),
            None => Ok(Expr::Const(Datum::Null, column.ty)),
        }
    }

    fn checks(&self, table: &TableDesc) -> Result<TableChecks> {
        let columns = columns(table);
        let mut found = TableChecks::default();
        for constraint in &table.constraints {
            if let ConstraintKind::Check { expr, .. } = &constraint.kind {
                let bool_type = Some(SqlType::of(Oid::BOOL));
                let bound = binder::bind_stored(expr, &columns, bool_type, &self.0, Place::Check)?;
                found.checks.push((constraint.name.clone(), bound));
            }
        }
        for (at, column) in table.columns.iter().enumerate() {
            if let Some(text) = &column.generated {
                let bound = binder::bind_stored(text, &columns, Some(column.ty), &self.0, Place::Generated)?;
                found.generated.push((at, bound));
            }
        }
        Ok(found)
    }
}

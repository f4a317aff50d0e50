//! The way to the binder: expressions in DDL statements, and stored ones read back.

use crate::catalog::Names;
use crate::catalog::descriptor::{IndexDesc, IndexTarget, TableDesc};
use crate::common::quote_ident;
use crate::error::{Error, Result};
use crate::sql::ast;
use crate::sql::deparse::deparse;
use crate::sql::eval::{EvalContext, Row, eval_row};
use crate::sql::expr::Expr;
use crate::sql::parser;
use crate::table::IndexEvaluator;
use crate::types::{Datum, Oid, SqlType};

/// Where an expression stands: says what it may hold, and what messages call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// DEFAULT of a column.
    Default(String),
    /// CHECK.
    Check,
    /// GENERATED ALWAYS AS.
    Generated(String),
    /// An index key.
    IndexKey,
    /// An index's WHERE.
    IndexPredicate,
    /// ALTER COLUMN TYPE ... USING.
    Using,
}

/// Resolves a type as written.
pub(super) fn resolve_type(ty: &ast::TypeName, _names: &Names) -> Result<SqlType> {
    Err(Error::unsupported(format!("type {}", ty.name)))
}

/// Columns as the binder wants them.
pub(super) fn columns_of(table: &TableDesc) -> Vec<(String, SqlType)> {
    table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect()
}

/// Binds an expression over columns, coerced to `target` as an assignment does.
pub(super) fn bind(
    expr: &ast::Expr,
    _columns: &[(String, SqlType)],
    _target: Option<SqlType>,
    _names: &Names,
    _place: &Place,
) -> Result<Expr> {
    Err(Error::unsupported(format!("expression {expr:?}")))
}

/// Binds the stored text of an expression over a table's columns.
pub(super) fn bind_stored(
    text: &str,
    table: &TableDesc,
    target: Option<SqlType>,
    names: &Names,
    place: &Place,
) -> Result<Expr> {
    bind(&parser::parse_expr(text)?, &columns_of(table), target, names, place)
}

/// The canonical text of an expression over a table's columns, to be stored.
pub(super) fn text_of(expr: &Expr, table: &TableDesc, stored: &Names) -> String {
    deparse(expr, &|position| quote_ident(&table.columns[position].name), stored)
}

/// Computes index expressions and predicates of one table.
pub(super) struct IndexExprs {
    indexes: Vec<BoundIndex>,
    eval: EvalContext,
}

struct BoundIndex {
    oid: Oid,
    keys: Vec<Expr>,
    predicate: Option<Expr>,
}

impl IndexExprs {
    /// Binds what the table's indexes hold.
    pub(super) fn new(table: &TableDesc, stored: &Names, eval: EvalContext) -> Result<Self> {
        let mut indexes = Vec::new();
        for index in &table.indexes {
            let mut keys = Vec::new();
            for key in &index.keys {
                if let IndexTarget::Expr(text) = &key.target {
                    keys.push(bind_stored(text, table, Some(key.ty), stored, &Place::IndexKey)?);
                }
            }
            let bool = Some(SqlType::of(Oid::BOOL));
            let predicate = match &index.predicate {
                Some(text) => Some(bind_stored(text, table, bool, stored, &Place::IndexPredicate)?),
                None => None,
            };
            indexes.push(BoundIndex { oid: index.oid, keys, predicate });
        }
        Ok(Self { indexes, eval })
    }

    fn of(&self, index: &IndexDesc) -> Result<&BoundIndex> {
        let found = self.indexes.iter().find(|bound| bound.oid == index.oid);
        found.ok_or_else(|| Error::internal(format!("index \"{}\" was not bound", index.name)))
    }
}

impl IndexEvaluator for IndexExprs {
    fn expressions(&self, index: &IndexDesc, row: &[Datum]) -> Result<Vec<Datum>> {
        self.of(index)?.keys.iter().map(|key| eval_row(key, Row::Values(row), &self.eval)).collect()
    }

    fn predicate(&self, index: &IndexDesc, row: &[Datum]) -> Result<bool> {
        match &self.of(index)?.predicate {
            Some(predicate) => Ok(eval_row(predicate, Row::Values(row), &self.eval)?.as_bool() == Some(true)),
            None => Ok(true),
        }
    }
}

//! The way to the binder: expressions in DDL statements, and stored ones read back.

use crate::catalog::Names;
use crate::catalog::descriptor::{IndexDesc, IndexTarget, TableDesc};
use crate::common::quote_ident;
use crate::error::{Error, Result, SqlState};
use crate::sql::ast;
use crate::sql::binder;
use crate::sql::deparse::deparse;
use crate::sql::eval::{EvalContext, Row, eval_row};
use crate::sql::expr::Expr;
use crate::sql::logical::LogicalPlan;
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
    /// GENERATED ALWAYS AS of a column.
    Generated(String),
    /// An index key.
    IndexKey,
    /// An index's WHERE.
    IndexPredicate,
    /// ALTER COLUMN TYPE ... USING.
    Using,
}

impl Place {
    fn of_binder(&self) -> binder::Place {
        match self {
            Self::Default(_) => binder::Place::Default,
            Self::Check => binder::Place::Check,
            Self::Generated(_) => binder::Place::Generated,
            Self::IndexKey => binder::Place::IndexExpression,
            Self::IndexPredicate => binder::Place::IndexPredicate,
            Self::Using => binder::Place::Transform,
        }
    }
}

/// Resolves a type as written.
pub(super) fn resolve_type(ty: &ast::TypeName, names: &Names) -> Result<SqlType> {
    binder::resolve_type(ty, names)
}

/// Columns as the binder wants them.
pub(super) fn columns_of(table: &TableDesc) -> Vec<(String, SqlType)> {
    table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect()
}

/// Binds an expression over columns, coerced to `target` as an assignment does.
pub(super) fn bind(
    expr: &ast::Expr,
    columns: &[(String, SqlType)],
    target: Option<SqlType>,
    names: &Names,
    place: &Place,
) -> Result<Expr> {
    let columns = if matches!(place, Place::Default(_)) { &[] } else { columns };
    let bound = binder::bind_table_expr(expr, columns, target, names, place.of_binder());
    match (bound, target) {
        // A default sees no columns at all, so any name of one is found missing.
        (Err(error), _)
            if matches!(place, Place::Default(_))
                && [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_TABLE].contains(&error.sqlstate()) =>
        {
            let position = error.report().position.unwrap_or(0);
            Err(crate::error!(FEATURE_NOT_SUPPORTED, "cannot use column reference in DEFAULT expression").at(position))
        }
        (Err(error), Some(target)) if error.report().message.starts_with("cannot convert an expression of type") => {
            let own = binder::bind_table_expr(expr, columns, None, names, place.of_binder())?.ty();
            Err(mismatch(own, target, names, place).unwrap_or(error))
        }
        (bound, _) => bound,
    }
}

/// PostgreSQL's words for an expression of the wrong type in its place.
fn mismatch(own: SqlType, target: SqlType, names: &Names, place: &Place) -> Option<Error> {
    let text = |ty: SqlType| names.snapshot.type_text(SqlType::of(ty.oid));
    let (own, target) = (text(own), text(target));
    let argument =
        |what: &str| crate::error!(DATATYPE_MISMATCH, "argument of {what} must be type {target}, not type {own}");
    match place {
        Place::Default(column) | Place::Generated(column) => {
            let message = format!("column \"{column}\" is of type {target} but default expression is of type {own}");
            let error = Error::new(SqlState::DATATYPE_MISMATCH, message);
            Some(error.hint("You will need to rewrite or cast the expression."))
        }
        Place::Check => Some(argument("CHECK")),
        Place::IndexPredicate => Some(argument("WHERE")),
        Place::IndexKey | Place::Using => None,
    }
}

/// Binds the query of a view.
pub(super) fn view_query(query: &ast::Query, names: &Names) -> Result<LogicalPlan> {
    binder::bind_view_query(query, names)
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
pub struct IndexExprs {
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
    ///
    /// # Errors
    /// When a stored text does not bind.
    pub fn new(table: &TableDesc, stored: &Names, eval: EvalContext) -> Result<Self> {
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

//! Operators, comparisons, rows and patterns as calls of their functions.

use std::sync::Arc;

use crate::catalog::builtin::{OperatorRow, builtin};
use crate::error::Result;
use crate::sql::ast;
use crate::sql::expr::{Call, CallForm, Expr, RowCompareOp, RowComparePair, Subquery, SubqueryKind};
use crate::types::{Oid, SqlType};

use super::coerce::CoercionContext;
use super::context::{Binder, Place};
use super::overload;

/// An operator as it is looked up: `+`, or `OPERATOR(pg_catalog.+)`.
#[derive(Clone, Copy)]
pub(super) struct Symbol<'a> {
    schema: Option<&'a str>,
    text: &'a str,
}

impl<'a> From<&'a str> for Symbol<'a> {
    fn from(text: &'a str) -> Self {
        Self { schema: None, text: if text == "!=" { "<>" } else { text } }
    }
}

impl<'a> From<&'a ast::OpName> for Symbol<'a> {
    fn from(op: &'a ast::OpName) -> Self {
        Self { schema: op.schema.as_deref(), ..Self::from(op.symbol.as_str()) }
    }
}

impl std::fmt::Display for Symbol<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.text),
            None => f.write_str(self.text),
        }
    }
}

impl Binder<'_> {
    /// Chooses an operator for operands of these types.
    ///
    /// # Errors
    /// `42883` with PostgreSQL's hint when there is none, `3F000` for a missing schema.
    pub(super) fn find_operator<'s>(
        &self,
        symbol: impl Into<Symbol<'s>>,
        left: Option<Oid>,
        right: Oid,
        position: u32,
    ) -> Result<(&'static OperatorRow, Vec<Oid>)> {
        let symbol = symbol.into();
        let snapshot = &self.names().snapshot;
        let schema = self.schema_of_builtin(symbol.schema, position)?;
        match overload::operator(symbol.text, schema, left, right, snapshot).map_err(|error| {
            error
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")
                .at(position)
        })? {
            Some(found) => Ok(found),
            None => {
                let signature = match left {
                    Some(left) => format!("{} {symbol} {}", self.type_text(left), self.type_text(right)),
                    None => format!("{symbol} {}", self.type_text(right)),
                };
                Err(crate::error!(UNDEFINED_FUNCTION, "operator does not exist: {signature}")
                    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
                    .at(position))
            }
        }
    }

    /// `left op right` over bound operands.
    ///
    /// # Errors
    /// As [`Binder::find_operator`].
    pub(super) fn binary<'s>(
        &mut self,
        symbol: impl Into<Symbol<'s>>,
        left: Expr,
        right: Expr,
        position: u32,
    ) -> Result<Expr> {
        let (row, args) = self.find_operator(symbol, Some(left.ty().oid), right.ty().oid, position)?;
        let given = [left.ty().oid, right.ty().oid];
        let left = self.coerce(left, args[0], CoercionContext::Implicit, position)?;
        let right = self.coerce(right, args[1], CoercionContext::Implicit, position)?;
        self.operator_call(row, vec![left, right], &given, position)
    }

    fn operator_call(&mut self, row: &OperatorRow, args: Vec<Expr>, given: &[Oid], position: u32) -> Result<Expr> {
        self.note_use(row.namespace, position);
        let snapshot = &self.names().snapshot;
        let declared: Vec<Oid> = if row.kind == 'l' { vec![row.right] } else { vec![row.left, row.right] };
        let result = overload::polymorphic(&declared, given, row.result, snapshot).map_or(row.result, |found| found.1);
        let ty = SqlType::of(result);
        let form = CallForm::Operator(row.oid);
        Ok(Expr::Call(Call { function: row.function, args, ty, form, position }))
    }

    /// `op arg` over a bound operand.
    ///
    /// # Errors
    /// As [`Binder::find_operator`].
    pub(super) fn prefix<'s>(&mut self, symbol: impl Into<Symbol<'s>>, arg: Expr, position: u32) -> Result<Expr> {
        let given = arg.ty().oid;
        let (row, args) = self.find_operator(symbol, None, given, position)?;
        let arg = self.coerce(arg, args[0], CoercionContext::Implicit, position)?;
        self.operator_call(row, vec![arg], &[given], position)
    }

    /// The function of `=` or `<` and so on for two types, with the operand types it wants.
    pub(super) fn comparison<'s>(
        &self,
        symbol: impl Into<Symbol<'s>>,
        left: Oid,
        right: Oid,
        position: u32,
    ) -> Result<(Oid, Oid, Oid)> {
        let (row, args) = self.find_operator(symbol, Some(left), right, position)?;
        Ok((row.function, args[0], args[1]))
    }

    /// Refuses types that cannot be sorted or grouped.
    ///
    /// # Errors
    /// `42883`.
    pub(super) fn check_sortable(&self, oid: Oid, position: u32) -> Result<()> {
        let snapshot = &self.names().snapshot;
        let base = snapshot.base_type(SqlType::of(oid)).oid;
        if base == Oid::RECORD || base == Oid::UNKNOWN || snapshot.composite_fields(base).is_some() {
            return Ok(());
        }
        if let Some(element) = snapshot.element_type(base) {
            return self.check_sortable(element, position);
        }
        let sortable = snapshot.category(base).0 == 'E'
            || matches!(
                base,
                Oid::VARCHAR | Oid::REGCLASS | Oid::REGTYPE | Oid::REGPROC | Oid::REGNAMESPACE | Oid::REGROLE
            )
            || builtin().opclasses.iter().any(|row| row.method == Oid(403) && row.input == base && row.is_default);
        if sortable {
            return Ok(());
        }
        Err(crate::error!(
            UNDEFINED_FUNCTION,
            "could not identify an ordering operator for type {}",
            self.type_text(oid)
        )
        .hint("Use an explicit ordering operator or modify the query.")
        .at(position))
    }

    /// Refuses types without equality, for DISTINCT, GROUP BY, UNION.
    ///
    /// # Errors
    /// `42883`.
    pub(super) fn check_groupable(&self, oid: Oid, position: u32) -> Result<()> {
        self.check_sortable(oid, position).map_err(|_| {
            crate::error!(
                UNDEFINED_FUNCTION,
                "could not identify an equality operator for type {}",
                self.type_text(oid)
            )
            .at(position)
        })
    }

    /// `(a, b) op (c, d)`.
    ///
    /// # Errors
    /// `42601` for rows of different lengths; `0A000` for operators that are no comparisons.
    pub(super) fn row_comparison(
        &mut self,
        symbol: &str,
        left: Vec<Expr>,
        right: Vec<Expr>,
        position: u32,
    ) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(crate::error!(SYNTAX_ERROR, "unequal number of entries in row expressions").at(position));
        }
        if left.is_empty() {
            return Err(crate::error!(FEATURE_NOT_SUPPORTED, "cannot compare rows of zero length").at(position));
        }
        let op = match symbol {
            "=" => RowCompareOp::Eq,
            "<>" | "!=" => RowCompareOp::Ne,
            "<" => RowCompareOp::Lt,
            "<=" => RowCompareOp::Le,
            ">" => RowCompareOp::Gt,
            ">=" => RowCompareOp::Ge,
            other => {
                return Err(crate::error!(
                    FEATURE_NOT_SUPPORTED,
                    "could not determine interpretation of row comparison operator {other}"
                )
                .hint("Row comparison operators must be associated with btree operator families.")
                .at(position));
            }
        };
        if let (1, RowCompareOp::Eq | RowCompareOp::Ne) = (left.len(), op) {
            let (left, right) = (left.into_iter().next(), right.into_iter().next());
            let (Some(left), Some(right)) = (left, right) else { unreachable!("one of each") };
            return self.binary(symbol, left, right, position);
        }
        let mut pairs = Vec::with_capacity(left.len());
        for (left, right) in left.into_iter().zip(right) {
            let (equal, want_left, want_right) = self.comparison("=", left.ty().oid, right.ty().oid, position)?;
            let less = match op {
                RowCompareOp::Eq | RowCompareOp::Ne => equal,
                _ => self.comparison("<", left.ty().oid, right.ty().oid, position)?.0,
            };
            let left = self.coerce(left, want_left, CoercionContext::Implicit, position)?;
            let right = self.coerce(right, want_right, CoercionContext::Implicit, position)?;
            pairs.push(RowComparePair { left, right, equal, less });
        }
        Ok(Expr::RowCompare { op, pairs })
    }

    /// `left op ANY/ALL (array)`.
    ///
    /// # Errors
    /// `42809` when the right side is no array or the operator no predicate.
    pub(super) fn any_array<'s>(
        &mut self,
        symbol: impl Into<Symbol<'s>>,
        left: Expr,
        right: Expr,
        any: bool,
        position: u32,
    ) -> Result<Expr> {
        let snapshot = &self.names().snapshot;
        let right_type = right.ty().oid;
        let element = match right_type {
            Oid::UNKNOWN => Oid::UNKNOWN,
            other => match snapshot.element_type(snapshot.base_type(SqlType::of(other)).oid) {
                Some(element) => element,
                None => {
                    return Err(crate::error!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side")
                        .at(position));
                }
            },
        };
        let (row, args) = self.find_operator(symbol, Some(left.ty().oid), element, position)?;
        if row.result != Oid::BOOL {
            return Err(
                crate::error!(WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires operator to yield boolean").at(position)
            );
        }
        self.note_use(row.namespace, position);
        let array_type = snapshot.array_type(args[1]);
        let left = self.coerce(left, args[0], CoercionContext::Implicit, position)?;
        let right = self.coerce(right, array_type, CoercionContext::Implicit, position)?;
        Ok(Expr::ArrayCompare { function: row.function, any, left: Box::new(left), array: Box::new(right) })
    }

    /// `left op ANY/ALL (select)`, also IN.
    ///
    /// # Errors
    /// `42601` when the numbers of columns differ.
    pub(super) fn quantified<'s>(
        &mut self,
        symbol: impl Into<Symbol<'s>>,
        left: Vec<Expr>,
        (query, place): (&ast::Query, Place),
        any: bool,
        position: u32,
    ) -> Result<Expr> {
        let symbol = symbol.into();
        let (plan, correlated) = self.subquery(query, place)?;
        let columns = plan.fields().to_vec();
        if columns.len() != left.len() {
            let few = if columns.len() < left.len() { "few" } else { "many" };
            return Err(crate::error!(SYNTAX_ERROR, "subquery has too {few} columns").at(position));
        }
        let width = left.len();
        let (mut outer, mut inner) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for (at, (expr, column)) in left.into_iter().zip(&columns).enumerate() {
            let (_, want, _) =
                self.comparison(if width == 1 { symbol } else { "=".into() }, expr.ty().oid, column.ty.oid, position)?;
            let expr = if expr.ty().oid == Oid::UNKNOWN {
                self.coerce(expr, want, CoercionContext::Implicit, position)?
            } else {
                expr
            };
            outer.push(Expr::Column { index: at, ty: expr.ty() });
            inner.push((expr, Expr::Column { index: width + at, ty: column.ty }));
        }
        let (left, right): (Vec<Expr>, Vec<Expr>) = inner.into_iter().unzip();
        let test = if width == 1 {
            let (Some(a), Some(b)) = (outer.into_iter().next(), right.into_iter().next()) else {
                unreachable!("one of each")
            };
            let test = self.binary(symbol, a, b, position)?;
            self.to_bool(test, "ANY/ALL", position)?
        } else {
            self.row_comparison(symbol.text, outer, right, position)?
        };
        let kind = SubqueryKind::Quantified { left, test: Box::new(test), any };
        Ok(Expr::Subquery(Box::new(Subquery { kind, plan: Arc::new(plan), correlated, ty: SqlType::of(Oid::BOOL) })))
    }
}

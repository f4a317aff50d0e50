//! Conditions that the included columns of a vector index answer: comparisons of such a column with something fixed, tests for NULL,
//! and what AND, OR and NOT make of them.

use std::cmp::Ordering;

use crate::sql::eval::comparison_class;
use crate::sql::eval::registry::{Body, CompareOp, function};
use crate::sql::eval::volatility::is_volatile;
use crate::sql::expr::{Call, Expr};
use crate::sql::walk;
use crate::table::{Accepts, Condition, IncludedColumn};
use crate::types::array::builtin_element;
use crate::types::{Datum, Oid};

/// Whether included columns answer a condition, given which of its columns are included.
#[must_use]
pub fn is_included(expr: &Expr, column: &dyn Fn(usize) -> Option<IncludedColumn>) -> bool {
    included_condition(expr, column, &|_| Some(Datum::Null)).is_some()
}

/// A condition as one over included columns, with the value of each expression in it that is the same for all rows; `None` when more is
/// needed, or there is no such value.
#[must_use]
pub fn included_condition(
    expr: &Expr,
    column: &dyn Fn(usize) -> Option<IncludedColumn>,
    value: &dyn Fn(&Expr) -> Option<Datum>,
) -> Option<Condition> {
    Reader { column, value }.condition(expr, false)
}

struct Reader<'a> {
    column: &'a dyn Fn(usize) -> Option<IncludedColumn>,
    value: &'a dyn Fn(&Expr) -> Option<Datum>,
}

impl Reader<'_> {
    /// The rows of which an expression is true, or false when `negated`.
    fn condition(&self, expr: &Expr, negated: bool) -> Option<Condition> {
        let parts = |items: &[Expr]| items.iter().map(|item| self.condition(item, negated)).collect::<Option<Vec<_>>>();
        match expr {
            Expr::And(items) | Expr::Or(items) => {
                let parts = parts(items)?;
                let all = matches!(expr, Expr::And(_)) != negated;
                Some(if all { Condition::all(parts) } else { Condition::Any(parts) })
            }
            Expr::Not(arg) => self.condition(arg, !negated),
            Expr::Const(Datum::Bool(value), _) => Some(Condition::Const(*value != negated)),
            Expr::Const(Datum::Null, _) => Some(Condition::Const(false)),
            Expr::IsNull { arg, negated: not } => Some(Condition::Null(self.column(arg)?.0, *not == negated)),
            Expr::IsBool { arg, value, negated: not } => {
                let (column, _) = self.boolean(arg)?;
                let Some(value) = value else { return Some(Condition::Null(column, *not == negated)) };
                let is = Self::compare(column, CompareOp::Eq, &Datum::Bool(*value != (*not != negated)));
                Some(if *not == negated { is } else { Condition::Any(vec![Condition::Null(column, true), is]) })
            }
            Expr::Column { .. } => {
                let (column, _) = self.boolean(expr)?;
                Some(Self::compare(column, CompareOp::Eq, &Datum::Bool(!negated)))
            }
            Expr::Call(call) => self.comparison(call, negated),
            Expr::IsDistinct { equal, left, right, negated: not } => {
                let is = matches!(function(*equal)?.body, Body::Compare(CompareOp::Eq));
                is.then_some(())?;
                self.distinct(left, right, *not == negated)
            }
            Expr::ArrayCompare { function: of, any, left, array } => {
                let Body::Compare(op) = function(*of)?.body else { return None };
                // Of `= ANY` and `<> ALL`, as of their negations, only what IN and NOT IN say.
                if !matches!((op, any), (CompareOp::Eq, true) | (CompareOp::Ne, false)) {
                    return None;
                }
                self.one_of(left, array, *any == negated)
            }
            _ => None,
        }
    }

    fn compare(column: IncludedColumn, op: CompareOp, bound: &Datum) -> Condition {
        Condition::compare(column, accepts(op), bound)
    }

    /// An included column under relabelling casts, and the type that it has there.
    fn column(&self, expr: &Expr) -> Option<(IncludedColumn, Oid)> {
        match expr {
            Expr::Column { index, ty } => Some(((self.column)(*index)?, ty.oid)),
            Expr::Relabel { arg, ty } => {
                let (column, oid) = self.column(arg)?;
                (comparison_class(oid)? == comparison_class(ty.oid)?).then_some((column, ty.oid))
            }
            _ => None,
        }
    }

    fn boolean(&self, expr: &Expr) -> Option<(IncludedColumn, Oid)> {
        self.column(expr).filter(|(_, oid)| *oid == Oid::BOOL)
    }

    /// The value of an expression that has one for the whole scan.
    fn fixed(&self, expr: &Expr) -> Option<Datum> {
        let mut columns = false;
        walk::visit(expr, &mut |node| {
            columns |= matches!(node, Expr::Column { .. });
            !columns
        });
        if columns || walk::has_subquery(expr) || is_volatile(expr) {
            return None;
        }
        (self.value)(expr)
    }

    /// A column and what it is compared with, of a type whose values compare with its own.
    fn sides(&self, left: &Expr, right: &Expr) -> Option<(IncludedColumn, Datum)> {
        let (column, oid) = self.column(left)?;
        (comparison_class(oid)? == comparison_class(right.ty().oid)?).then_some(())?;
        Some((column, self.fixed(right)?))
    }

    fn comparison(&self, call: &Call, negated: bool) -> Option<Condition> {
        let Body::Compare(op) = function(call.function)?.body else { return None };
        let [left, right] = call.args.as_slice() else { return None };
        let (op, (column, bound)) = match self.sides(left, right) {
            Some(sides) => (op, sides),
            None => (op.mirrored(), self.sides(right, left)?),
        };
        let accepts = if negated { accepts(op).negated() } else { accepts(op) };
        Some(Condition::compare(column, accepts, &bound))
    }

    /// `IS DISTINCT FROM`, or `IS NOT` when not `distinct`.
    fn distinct(&self, left: &Expr, right: &Expr, distinct: bool) -> Option<Condition> {
        let (column, value) = self.sides(left, right).or_else(|| self.sides(right, left))?;
        Some(match (value.is_null(), distinct) {
            (true, _) => Condition::Null(column, !distinct),
            (false, false) => Self::compare(column, CompareOp::Eq, &value),
            (false, true) => {
                Condition::Any(vec![Condition::Null(column, true), Self::compare(column, CompareOp::Ne, &value)])
            }
        })
    }

    /// `= ANY (array)`, or `<> ALL (array)` when `none`.
    fn one_of(&self, left: &Expr, array: &Expr, none: bool) -> Option<Condition> {
        let (column, oid) = self.column(left)?;
        let element = builtin_element(array.ty().oid)?;
        (comparison_class(oid)? == comparison_class(element)?).then_some(())?;
        let array = match self.fixed(array)? {
            Datum::Null => return Some(Condition::Const(false)),
            Datum::Array(array) => array,
            _ => return None,
        };
        if none && array.items.iter().any(Datum::is_null) {
            return Some(Condition::Const(false));
        }
        if none && array.items.is_empty() {
            return Some(Condition::Const(true));
        }
        Some(Condition::one_of(column, array.items.iter(), none))
    }
}

fn accepts(op: CompareOp) -> Accepts {
    Accepts {
        less: op.accepts(Ordering::Less),
        equal: op.accepts(Ordering::Equal),
        greater: op.accepts(Ordering::Greater),
    }
}

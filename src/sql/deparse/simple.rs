//! Which expressions need no parentheses inside which others, when the text is to be pretty.

use crate::catalog::builtin::builtin;
use crate::sql::expr::{Call, CallForm, Expr};

/// Whether `expr` reads the same without parentheses inside `parent`.
pub(super) fn is_simple(expr: &Expr, parent: &Expr) -> bool {
    match expr {
        Expr::Const(..)
        | Expr::Column { .. }
        | Expr::Outer { .. }
        | Expr::Param { .. }
        | Expr::Case { .. }
        | Expr::Coalesce { .. }
        | Expr::NullIf { .. }
        | Expr::MinMax { .. }
        | Expr::Array { .. }
        | Expr::Row { .. }
        | Expr::Subscript { .. }
        | Expr::Slice { .. }
        | Expr::Store { .. }
        | Expr::Grouping { .. }
        | Expr::Default => true,
        Expr::Field { .. } => !matches!(parent, Expr::Field { .. }),
        Expr::Relabel { arg, .. } | Expr::ViaIo { arg, .. } | Expr::Typmod { arg, .. } | Expr::Domain { arg, .. } => {
            is_simple(arg, expr)
        }
        Expr::ArrayMap { array, .. } => is_simple(array, expr),
        Expr::Call(call) => match call.form {
            CallForm::Operator(_) => operator_in(call, expr, parent),
            _ => true,
        },
        Expr::Not(arg) if matches!(**arg, Expr::ArrayCompare { any: true, .. }) => false,
        Expr::And(_) | Expr::Not(_) => match parent {
            Expr::And(_) | Expr::Or(_) => true,
            Expr::Not(_) => false,
            _ => encloses(parent),
        },
        Expr::Or(_) => match parent {
            Expr::Or(_) => true,
            Expr::And(_) | Expr::Not(_) => false,
            _ => encloses(parent),
        },
        Expr::IsNull { .. } | Expr::IsBool { .. } | Expr::IsDistinct { .. } | Expr::Subquery(_) => {
            is_boolean(parent) || encloses(parent)
        }
        Expr::ArrayCompare { .. } | Expr::RowCompare { .. } => false,
    }
}

fn is_boolean(parent: &Expr) -> bool {
    matches!(parent, Expr::And(_) | Expr::Or(_) | Expr::Not(_))
}

/// Whether the parent puts brackets or commas around its parts.
fn encloses(parent: &Expr) -> bool {
    match parent {
        Expr::Call(call) => matches!(call.form, CallForm::Function | CallForm::Variadic),
        Expr::Case { .. }
        | Expr::Coalesce { .. }
        | Expr::NullIf { .. }
        | Expr::MinMax { .. }
        | Expr::Array { .. }
        | Expr::Row { .. }
        | Expr::Subscript { .. }
        | Expr::Slice { .. } => true,
        _ => false,
    }
}

/// The symbol of a binary operator of one character.
fn short_operator(expr: &Expr) -> Option<&'static str> {
    let Expr::Call(Call { form: CallForm::Operator(oid), args, .. }) = expr else { return None };
    let name = builtin().operator_row(*oid)?.name;
    (args.len() == 2 && name.len() == 1).then_some(name)
}

fn operator_in(call: &Call, expr: &Expr, parent: &Expr) -> bool {
    let Expr::Call(Call { form: CallForm::Operator(_), args: parent_args, .. }) = parent else {
        return is_boolean(parent) || encloses(parent);
    };
    let (Some(own), Some(outer)) = (short_operator(expr), short_operator(parent)) else { return false };
    let priority = |op: &str| match op {
        "+" | "-" => Some(1),
        "*" | "/" | "%" => Some(2),
        _ => None,
    };
    let (Some(own), Some(outer)) = (priority(own), priority(outer)) else { return false };
    let is_first = matches!(parent_args.first(), Some(Expr::Call(first)) if std::ptr::eq(first, call));
    own > outer || (own == outer && is_first)
}

//! Whether conditions imply a predicate: a row for which they are all true is one for which it is true.
//!
//! A partial index holds the rows for which its predicate is true, so it can serve a statement whose conditions imply
//! it. The rules are those that PostgreSQL's planner knows (predtest.c), and as there an answer of *no* only means that
//! no rule says yes:
//!
//! ```text
//!   the same                       a = b                  =>  a = b
//!   parts                          a and b                =>  a;   a => a or b;   (a or b) => p  if a => p and b => p
//!   order                          x > 10                 =>  x > 5, x >= 10, x <> 3
//!   lists, as ands and ors         x in (1, 2)            =>  x in (1, 2, 3), x < 9
//!   truth                          a = true, a is true    =>  a, a is not false
//!   NULL                           x < y, x in (...)      =>  x is not null
//! ```
//!
//! Comparisons count where the order of `types::compare` is that of the operator and both constants are known; a parameter is not
//! known, since a plan is for all its values.

use std::cell::Cell;

use crate::sql::eval::registry::{Body, CompareOp, function};
use crate::sql::expr::{Call, CallForm, Expr};
use crate::sql::walk;
use crate::types::{Datum, Oid, SqlType, compare};

/// Parts of an OR, or values of a list, beyond which it is left alone.
const PARTS_MAX: usize = 100;
/// Disjunctions that are taken apart within each other.
const DEPTH_MAX: usize = 2;
/// Questions asked of one pair of conditions and predicate; then the answer is no.
const QUESTIONS_MAX: u32 = 2000;

/// Whether rows for which all conditions are true are rows for which the predicate is true. Columns of both are numbered alike.
#[must_use]
pub fn implies(conditions: &[&Expr], predicate: &Expr) -> bool {
    let mut facts = Facts::default();
    conditions.iter().for_each(|condition| facts.add(condition));
    facts.imply(predicate, DEPTH_MAX, &Cell::new(QUESTIONS_MAX))
}

/// What is known to be true.
#[derive(Clone, Default)]
struct Facts {
    /// Each true; no ANDs.
    atoms: Vec<Expr>,
    /// Of each list, one is true.
    choices: Vec<Vec<Expr>>,
}

impl Facts {
    fn add(&mut self, condition: &Expr) {
        match condition {
            Expr::And(items) => items.iter().for_each(|item| self.add(item)),
            Expr::Or(items) if items.len() <= PARTS_MAX => self.choices.push(items.clone()),
            other => match listed(other) {
                Some((true, items)) => {
                    self.choices.push(items);
                    // That the left side is not NULL is said by the whole.
                    self.atoms.push(other.clone());
                }
                Some((false, items)) => self.atoms.extend(items),
                None => self.atoms.push(other.clone()),
            },
        }
    }

    fn imply(&self, predicate: &Expr, depth: usize, left: &Cell<u32>) -> bool {
        let Some(rest) = left.get().checked_sub(1) else { return false };
        left.set(rest);
        if self.atoms.iter().any(|fact| walk::same(fact, predicate)) {
            return true;
        }
        let known = match predicate {
            Expr::And(items) => items.iter().all(|item| self.imply(item, depth, left)),
            Expr::Or(items) => items.iter().any(|item| self.imply(item, depth, left)),
            other => match listed(other) {
                Some((true, items)) => items.iter().any(|item| self.imply(item, depth, left)),
                Some((false, items)) => items.iter().all(|item| self.imply(item, depth, left)),
                None => self.atoms.iter().any(|fact| atom_implies(fact, other)),
            },
        };
        known || (depth > 0 && self.each_choice_implies(predicate, depth - 1, left))
    }

    /// Whether whichever part of some disjunction is true, the predicate is.
    fn each_choice_implies(&self, predicate: &Expr, depth: usize, left: &Cell<u32>) -> bool {
        (0..self.choices.len()).any(|at| {
            let mut others = self.clone();
            let choice = others.choices.remove(at);
            choice.iter().all(|part| {
                let mut facts = others.clone();
                facts.add(part);
                facts.imply(predicate, depth, left)
            })
        })
    }
}

/// A comparison with a list of constants as comparisons: whether one of them is enough, and they. A NULL in the list can
/// make nothing true, and keeps `<> ALL` from ever being true; such a one is left alone.
fn listed(expr: &Expr) -> Option<(bool, Vec<Expr>)> {
    let Expr::ArrayCompare { function: operator, any, left, array } = expr else { return None };
    let element = crate::types::array::builtin_element(array.ty().oid)?;
    let ty = SqlType::of(element);
    let items: Vec<Expr> = match &**array {
        Expr::Const(Datum::Array(array), _) => array.items.iter().map(|item| Expr::Const(item.clone(), ty)).collect(),
        Expr::Array { items, nested: false, .. } => items.clone(),
        _ => return None,
    };
    if items.is_empty()
        || items.len() > PARTS_MAX
        || items.iter().any(|item| !matches!(item, Expr::Const(value, _) if !value.is_null()))
    {
        return None;
    }
    let call = |item: Expr| {
        let args = vec![(**left).clone(), item];
        let ty = SqlType::of(Oid::BOOL);
        Expr::Call(Call { function: *operator, args, ty, form: CallForm::Function, position: 0 })
    };
    Some((*any, items.into_iter().map(call).collect()))
}

/// What a condition says about the truth of another expression.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Null,
    NotTrue,
    NotFalse,
    NotNull,
}

impl Truth {
    fn implies(self, other: Self) -> bool {
        self == other
            || matches!(
                (self, other),
                (Self::True, Self::NotFalse | Self::NotNull)
                    | (Self::False, Self::NotTrue | Self::NotNull)
                    | (Self::Null, Self::NotTrue | Self::NotFalse)
            )
    }
}

/// A condition as a statement about a boolean.
fn truth(expr: &Expr) -> (Truth, &Expr) {
    match expr {
        Expr::Not(arg) => {
            let (said, inner) = truth(arg);
            match (said, is_two_valued(arg)) {
                (Truth::True, false) => (Truth::False, inner),
                (Truth::False, false) => (Truth::True, inner),
                (_, false) => (Truth::True, expr),
                (Truth::True, true) => (Truth::NotTrue, inner),
                (Truth::False, true) => (Truth::NotFalse, inner),
                (Truth::Null, true) => (Truth::NotNull, inner),
                (Truth::NotNull, true) => (Truth::Null, inner),
                (Truth::NotTrue, true) => (Truth::True, inner),
                (Truth::NotFalse, true) => (Truth::False, inner),
            }
        }
        Expr::IsBool { arg, value, negated } => match (value, negated) {
            (Some(true), false) => (Truth::True, arg),
            (Some(true), true) => (Truth::NotTrue, arg),
            (Some(false), false) => (Truth::False, arg),
            (Some(false), true) => (Truth::NotFalse, arg),
            (None, false) => (Truth::Null, arg),
            (None, true) => (Truth::NotNull, arg),
        },
        Expr::IsNull { arg, negated } if arg.ty().oid == Oid::BOOL => {
            (if *negated { Truth::NotNull } else { Truth::Null }, arg)
        }
        Expr::Call(_) => match comparison(expr) {
            Some(Comparison { side, op: CompareOp::Eq, value: Datum::Bool(value) }) => {
                (if *value { Truth::True } else { Truth::False }, side)
            }
            Some(Comparison { side, op: CompareOp::Ne, value: Datum::Bool(value) }) => {
                (if *value { Truth::False } else { Truth::True }, side)
            }
            _ => (Truth::True, expr),
        },
        other => (Truth::True, other),
    }
}

/// Whether an expression is never NULL, so that NOT of it is the opposite in full.
fn is_two_valued(expr: &Expr) -> bool {
    match expr {
        Expr::Not(arg) => is_two_valued(arg),
        other => matches!(other, Expr::IsBool { .. } | Expr::IsNull { .. } | Expr::IsDistinct { .. }),
    }
}

fn atom_implies(fact: &Expr, predicate: &Expr) -> bool {
    let ((said, of), (asked, about)) = (truth(fact), truth(predicate));
    if said.implies(asked) && walk::same(of, about) {
        return true;
    }
    if let (Some(known), Some(wanted)) = (comparison(fact), comparison(predicate)) {
        return known.implies(&wanted);
    }
    match predicate {
        // A record is not NULL when none of its fields is: that is more than being there.
        Expr::IsNull { arg, negated: true } => comparison_class(arg.ty().oid).is_some() && rejects_null(fact, arg),
        Expr::Const(Datum::Bool(true), _) => true,
        _ => false,
    }
}

/// A comparison of something with a constant.
struct Comparison<'a> {
    side: &'a Expr,
    op: CompareOp,
    value: &'a Datum,
}

/// Types whose values `types::compare` orders as their operators do, by what compares with what.
#[must_use]
pub fn comparison_class(oid: Oid) -> Option<u32> {
    Some(match oid {
        Oid::INT2 | Oid::INT4 | Oid::INT8 => 1,
        Oid::FLOAT4 | Oid::FLOAT8 => 2,
        Oid::TEXT | Oid::VARCHAR | Oid::NAME => 3,
        Oid::BOOL | Oid::OID | Oid::NUMERIC | Oid::DATE | Oid::TIME | Oid::TIMESTAMP | Oid::TIMESTAMPTZ => oid.0,
        Oid::UUID | Oid::BYTEA => oid.0,
        _ => return None,
    })
}

fn comparison(expr: &Expr) -> Option<Comparison<'_>> {
    let Expr::Call(call) = expr else { return None };
    let Body::Compare(op) = function(call.function)?.body else { return None };
    let [left, right] = call.args.as_slice() else { return None };
    if comparison_class(left.ty().oid)? != comparison_class(right.ty().oid)? {
        return None;
    }
    let known = |value: &Datum| !value.is_null();
    match (left, right) {
        (side, Expr::Const(value, _)) if known(value) => Some(Comparison { side, op, value }),
        (Expr::Const(value, _), side) if known(value) => Some(Comparison { side, op: op.mirrored(), value }),
        _ => None,
    }
}

impl Comparison<'_> {
    fn implies(&self, wanted: &Comparison<'_>) -> bool {
        if !walk::same(self.side, wanted.side) {
            return false;
        }
        let order = compare::compare(self.value, wanted.value);
        match (self.op, wanted.op) {
            (CompareOp::Eq, op) => op.accepts(order),
            (CompareOp::Ne, CompareOp::Ne) => order.is_eq(),
            (CompareOp::Lt, CompareOp::Lt | CompareOp::Le | CompareOp::Ne) | (CompareOp::Le, CompareOp::Le) => {
                order.is_le()
            }
            (CompareOp::Le, CompareOp::Lt | CompareOp::Ne) => order.is_lt(),
            (CompareOp::Gt, CompareOp::Gt | CompareOp::Ge | CompareOp::Ne) | (CompareOp::Ge, CompareOp::Ge) => {
                order.is_ge()
            }
            (CompareOp::Ge, CompareOp::Gt | CompareOp::Ne) => order.is_gt(),
            _ => false,
        }
    }
}

/// Whether a condition is never true where something is NULL.
fn rejects_null(condition: &Expr, something: &Expr) -> bool {
    match condition {
        Expr::And(items) => items.iter().any(|item| rejects_null(item, something)),
        Expr::Or(items) => items.iter().all(|item| rejects_null(item, something)),
        Expr::IsNull { arg, negated: true } => is_null_with(arg, something),
        Expr::IsBool { arg, value: Some(_), negated: false } | Expr::IsBool { arg, value: None, negated: true } => {
            is_null_with(arg, something)
        }
        Expr::ArrayCompare { function: operator, any: true, left, .. } => {
            is_strict(*operator) && is_null_with(left, something)
        }
        other => is_null_with(other, something),
    }
}

/// Whether an expression is NULL wherever something is.
fn is_null_with(expr: &Expr, something: &Expr) -> bool {
    if walk::same(expr, something) {
        return true;
    }
    match expr {
        Expr::Call(call) => is_strict(call.function) && call.args.iter().any(|arg| is_null_with(arg, something)),
        Expr::Not(arg) | Expr::Relabel { arg, .. } => is_null_with(arg, something),
        _ => false,
    }
}

fn is_strict(oid: Oid) -> bool {
    function(oid).is_some_and(|function| function.strict)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::eval::context::EvalContext;
    use crate::sql::eval::row::{Row, eval_row};

    /// Equality, inequality, `<`, `<=`, `>`, `>=` of integers, and of integers with bigints.
    const INT4: [u32; 6] = [65, 144, 66, 149, 147, 150];
    const INT48: [u32; 6] = [852, 853, 854, 856, 855, 857];
    const BOOL: [u32; 2] = [60, 84];

    fn int(value: i32) -> Expr {
        Expr::Const(Datum::Int4(value), SqlType::of(Oid::INT4))
    }

    /// Columns 0 and 1 are integers, 2 and 3 booleans.
    fn column(index: usize) -> Expr {
        Expr::Column { index, ty: SqlType::of(if index < 2 { Oid::INT4 } else { Oid::BOOL }) }
    }

    fn call(function: u32, args: Vec<Expr>) -> Expr {
        let ty = SqlType::of(Oid::BOOL);
        Expr::Call(Call { function: Oid(function), args, ty, form: CallForm::Function, position: 0 })
    }

    fn list(any: bool, values: &[i32], index: usize) -> Expr {
        let items = values.iter().map(|value| int(*value)).collect();
        let array = Expr::Array { element: Oid::INT4, items, nested: false, ty: SqlType::of(Oid::INT4_ARRAY) };
        let function = Oid(if any { INT4[0] } else { INT4[1] });
        Expr::ArrayCompare { function, any, left: Box::new(column(index)), array: Box::new(array) }
    }

    fn atom() -> impl Strategy<Value = Expr> {
        let number = 0_usize..2;
        let boolean = || (2_usize..4).prop_map(column);
        prop_oneof![
            4 => (0..6_usize, number.clone(), -1..4_i32).prop_map(|(op, at, c)| call(INT4[op], vec![column(at), int(c)])),
            1 => (0..6_usize, number.clone(), -1..4_i32).prop_map(|(op, at, c)| call(INT4[op], vec![int(c), column(at)])),
            1 => (0..6_usize, number.clone(), -1..4_i64).prop_map(|(op, at, c)| {
                call(INT48[op], vec![column(at), Expr::Const(Datum::Int8(c), SqlType::of(Oid::INT8))])
            }),
            1 => (0..6_usize).prop_map(|op| call(INT4[op], vec![column(0), column(1)])),
            2 => (number.clone(), any::<bool>()).prop_map(|(at, negated)| Expr::IsNull { arg: Box::new(column(at)), negated }),
            2 => (any::<bool>(), prop::collection::vec(-1..4_i32, 1..4), number).prop_map(|(any, items, at)| list(any, &items, at)),
            2 => boolean(),
            1 => (0..2_usize, boolean(), any::<bool>()).prop_map(|(op, arg, value)| {
                call(BOOL[op], vec![arg, Expr::Const(Datum::Bool(value), SqlType::of(Oid::BOOL))])
            }),
            2 => (boolean(), prop::option::of(any::<bool>()), any::<bool>()).prop_map(|(arg, value, negated)| {
                Expr::IsBool { arg: Box::new(arg), value, negated }
            }),
            1 => (boolean(), any::<bool>()).prop_map(|(arg, negated)| Expr::IsNull { arg: Box::new(arg), negated }),
        ]
    }

    fn condition() -> impl Strategy<Value = Expr> {
        atom().prop_recursive(2, 6, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
                inner.clone().prop_map(|arg| Expr::Not(Box::new(arg))),
                (inner, prop::option::of(any::<bool>()), any::<bool>())
                    .prop_map(|(arg, value, negated)| { Expr::IsBool { arg: Box::new(arg), value, negated } }),
            ]
        })
    }

    /// Every row that the constants can tell apart.
    fn rows() -> Vec<Vec<Datum>> {
        let numbers: Vec<Datum> = (-2..5).map(Datum::Int4).chain([Datum::Null]).collect();
        let booleans = [Datum::Bool(true), Datum::Bool(false), Datum::Null];
        let mut rows = Vec::new();
        for a in &numbers {
            for b in &numbers {
                for c in &booleans {
                    rows.extend(booleans.iter().map(|d| vec![a.clone(), b.clone(), c.clone(), d.clone()]));
                }
            }
        }
        rows
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn what_is_implied_is_true_where_the_conditions_are(
            conditions in prop::collection::vec(condition(), 1..4),
            predicate in condition(),
        ) {
            let conditions: Vec<&Expr> = conditions.iter().collect();
            if implies(&conditions, &predicate) {
                let ctx = EvalContext::detached();
                let is_true = |expr: &Expr, row: &[Datum]| eval_row(expr, Row::Values(row), &ctx).unwrap().as_bool() == Some(true);
                for row in rows() {
                    if conditions.iter().all(|condition| is_true(condition, &row)) {
                        prop_assert!(is_true(&predicate, &row), "{row:?}");
                    }
                }
            }
        }

        #[test]
        fn a_condition_implies_itself_and_less(condition in condition(), other in condition()) {
            prop_assert!(implies(&[&condition, &other], &condition));
            prop_assert!(implies(&[&condition], &Expr::Or(vec![other.clone(), condition.clone()])));
            prop_assert!(implies(&[&Expr::And(vec![other, condition.clone()])], &condition));
        }
    }

    #[test]
    fn the_usual_implications() {
        let compare = |op: usize, value: i32| call(INT4[op], vec![column(0), int(value)]);
        let (eq, ne, lt, le, gt, ge) = (0, 1, 2, 3, 4, 5);
        let is = |value: Option<bool>, negated: bool| Expr::IsBool { arg: Box::new(column(2)), value, negated };
        let truth = |op: usize, value: bool| {
            call(BOOL[op], vec![column(2), Expr::Const(Datum::Bool(value), SqlType::of(Oid::BOOL))])
        };
        let not = |expr: Expr| Expr::Not(Box::new(expr));
        let not_null = || Expr::IsNull { arg: Box::new(column(0)), negated: true };
        let parameter = Expr::Param { index: 1, ty: SqlType::of(Oid::INT4) };
        let cases = [
            (compare(gt, 10), compare(gt, 5), true),
            (compare(gt, 5), compare(gt, 10), false),
            (compare(gt, 10), compare(ge, 10), true),
            (compare(ge, 10), compare(gt, 10), false),
            (compare(lt, 3), compare(ne, 3), true),
            (compare(le, 3), compare(ne, 3), false),
            (compare(eq, 3), list(true, &[1, 2, 3], 0), true),
            (compare(eq, 4), list(true, &[1, 2, 3], 0), false),
            (list(true, &[1, 2], 0), list(true, &[3, 2, 1], 0), true),
            (list(true, &[1, 2, 4], 0), list(true, &[3, 2, 1], 0), false),
            (list(true, &[1, 2], 0), compare(lt, 3), true),
            (list(true, &[1, 2], 0), not_null(), true),
            (list(false, &[1, 2], 0), compare(ne, 2), true),
            (compare(eq, 3), list(false, &[1, 2], 0), true),
            (compare(eq, 3), not_null(), true),
            (call(INT4[eq], vec![column(0), parameter.clone()]), not_null(), true),
            (call(INT4[eq], vec![column(0), parameter]), compare(eq, 3), false),
            (not_null(), compare(eq, 3), false),
            (column(2), is(Some(true), false), true),
            (is(Some(true), false), column(2), true),
            (truth(0, true), column(2), true),
            (truth(1, false), column(2), true),
            (column(2), truth(0, true), true),
            (column(2), is(Some(false), true), true),
            (is(Some(false), true), column(2), false),
            (not(column(2)), truth(0, false), true),
            (not(is(Some(true), false)), not(column(2)), false),
            (not(column(2)), not(is(Some(true), false)), true),
            (Expr::Or(vec![compare(gt, 10), compare(eq, 7)]), compare(gt, 5), true),
            (Expr::Or(vec![compare(gt, 10), column(2)]), compare(gt, 5), false),
        ];
        for (condition, predicate, expected) in cases {
            assert_eq!(implies(&[&condition], &predicate), expected, "{condition:?} => {predicate:?}");
        }
    }
}

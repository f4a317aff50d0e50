//! Batches against rows: both must give the same values, and fail for the same batches.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::eval_batch;
use crate::sql::eval::EvalContext;
use crate::sql::eval::row::{Row, eval_row};
use crate::sql::expr::{Call, CallForm, Expr};
use crate::types::column::{Batch, datum_at};
use crate::types::compare::compare;
use crate::types::{Datum, Oid, SqlType};

const TYPES: [Oid; 4] = [Oid::INT4, Oid::INT4, Oid::FLOAT8, Oid::TEXT];
const INT4LT: Oid = Oid(66);
const INT4EQ: Oid = Oid(65);
const INT4PL: Oid = Oid(177);
const INT4DIV: Oid = Oid(154);
const FLOAT8MUL: Oid = Oid(216);
const FLOAT8LT: Oid = Oid(295);
const TEXTEQ: Oid = Oid(67);

fn column(index: usize) -> Expr {
    Expr::Column { index, ty: SqlType::of(TYPES[index]) }
}

fn call(function: Oid, left: Expr, right: Expr, result: Oid) -> Expr {
    Expr::Call(Call {
        function,
        args: vec![left, right],
        ty: SqlType::of(result),
        form: CallForm::Function,
        position: 0,
    })
}

fn number() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        Just(column(0)),
        Just(column(1)),
        prop_oneof![-3..3i32, any::<i32>()].prop_map(|value| Expr::Const(Datum::Int4(value), SqlType::of(Oid::INT4))),
        Just(Expr::Const(Datum::Null, SqlType::of(Oid::INT4))),
    ];
    leaf.prop_recursive(3, 16, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| call(INT4PL, a, b, Oid::INT4)),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| call(INT4DIV, a, b, Oid::INT4)),
            (inner.clone(), inner).prop_map(|(a, b)| Expr::Coalesce { args: vec![a, b], ty: SqlType::of(Oid::INT4) }),
        ]
    })
}

fn condition() -> impl Strategy<Value = Expr> {
    let text = Expr::Const(Datum::text("a"), SqlType::of(Oid::TEXT));
    let leaf = prop_oneof![
        (number(), number()).prop_map(|(a, b)| call(INT4LT, a, b, Oid::BOOL)),
        (number(), number()).prop_map(|(a, b)| call(INT4EQ, a, b, Oid::BOOL)),
        Just(call(TEXTEQ, column(3), text, Oid::BOOL)),
        Just(call(FLOAT8LT, column(2), call(FLOAT8MUL, column(2), column(2), Oid::FLOAT8), Oid::BOOL)),
        number().prop_map(|arg| Expr::IsNull { arg: Box::new(arg), negated: true }),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::Or),
            inner.clone().prop_map(|arg| Expr::Not(Box::new(arg))),
            (inner.clone(), any::<bool>()).prop_map(|(arg, negated)| Expr::IsBool {
                arg: Box::new(arg),
                value: Some(true),
                negated
            }),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| Expr::Case {
                arms: vec![(a, b)],
                otherwise: Some(Box::new(c)),
                ty: SqlType::of(Oid::BOOL),
            }),
        ]
    })
}

fn row() -> impl Strategy<Value = Vec<Datum>> {
    let int = || prop_oneof![4 => (-2..3i32).prop_map(Datum::Int4), 1 => any::<i32>().prop_map(Datum::Int4), 1 => Just(Datum::Null)];
    let float = prop_oneof![any::<f64>().prop_map(Datum::Float8), Just(Datum::Float8(0.0)), Just(Datum::Null)];
    let text = prop_oneof![Just(Datum::text("a")), Just(Datum::text("b")), Just(Datum::Null)];
    (int(), int(), float, text).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn same(left: &Datum, right: &Datum) -> bool {
    match (left.is_null(), right.is_null()) {
        (false, false) => compare(left, right).is_eq(),
        (a, b) => a == b,
    }
}

fn check(expr: &Expr, rows: &[Vec<Datum>]) {
    let ctx = EvalContext::detached();
    let batch = Batch::from_rows(&TYPES, rows);
    let by_row: Result<Vec<Datum>, _> = rows.iter().map(|row| eval_row(expr, Row::Values(row), &ctx)).collect();
    match (eval_batch(expr, &batch, &ctx), by_row) {
        (Ok(column), Ok(values)) => {
            for (row, value) in values.iter().enumerate() {
                let found = datum_at(&column, expr.ty().oid, row);
                assert!(same(&found, value), "row {row}: {found:?} instead of {value:?}");
            }
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => panic!("rows fail with {error}, the batch does not"),
        (Err(error), Ok(_)) => panic!("the batch fails with {error}, rows do not"),
    }
}

proptest! {
    #[test]
    fn batches_agree_with_rows(expr in condition(), rows in prop::collection::vec(row(), 0..40)) {
        check(&expr, &rows);
    }

    #[test]
    fn numbers_agree_with_rows(expr in number(), rows in prop::collection::vec(row(), 0..40)) {
        check(&expr, &rows);
    }
}

#[test]
fn distances_to_a_constant_agree_with_rows() {
    use crate::sql::eval::registry;
    let types = [Oid::VECTOR];
    let vector = |values: [f32; 5]| Datum::Vector(values.into());
    let rows: Vec<Vec<Datum>> = (0..9u8)
        .map(|n| if n == 4 { vec![Datum::Null] } else { vec![vector([f32::from(n), 1.5, -2.0, 0.25, 8.0])] })
        .collect();
    let ctx = EvalContext::detached();
    let batch = Batch::from_rows(&types, &rows);
    let constant = Expr::Const(vector([1.0, -1.0, 0.5, 3.0, 2.0]), SqlType::of(Oid::VECTOR));
    for source in ["l2_distance", "inner_product", "cosine_distance", "l1_distance", "vector_negative_inner_product"] {
        let function = registry::all().find(|f| f.source == source && f.args[0] == Oid::VECTOR).expect("in pg_proc");
        let column = Expr::Column { index: 0, ty: SqlType::of(Oid::VECTOR) };
        let expr = call(function.oid, column, constant.clone(), Oid::FLOAT8);
        let found = eval_batch(&expr, &batch, &ctx).expect("same dimensions");
        for (row, values) in rows.iter().enumerate() {
            let wanted = eval_row(&expr, Row::Values(values), &ctx).expect("same dimensions");
            assert!(same(&datum_at(&found, Oid::FLOAT8, row), &wanted), "{source} of row {row}");
        }
    }
}

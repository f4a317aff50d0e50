//! `money` (cents) and `pg_lsn` (bytes of a log): arithmetic and casts.

use num_bigint::BigInt;

use super::args::{float, int, int8, numeric};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::numeric::Numeric;

fn out_of_range<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "money out of range")
}

fn cents(value: Option<i64>) -> Result<Datum> {
    value.map_or_else(out_of_range, |value| Ok(Datum::Int8(value)))
}

fn rounded(value: f64) -> Result<Datum> {
    let value = value.round_ties_even();
    let limit = 2f64.powi(63);
    if !(-limit..limit).contains(&value) {
        return out_of_range();
    }
    Ok(Datum::Int8(value as i64))
}

fn times_float(amount: &Datum, factor: &Datum) -> Result<Datum> {
    rounded(int8(amount) as f64 * float(factor))
}

fn by_float(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let divisor = float(&args[1]);
    if divisor == 0.0 {
        bail!(DIVISION_BY_ZERO, "division by zero");
    }
    rounded(int8(&args[0]) as f64 / divisor)
}

fn by_integer(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let divisor = int(&args[1]);
    if divisor == 0 {
        bail!(DIVISION_BY_ZERO, "division by zero");
    }
    cents(int8(&args[0]).checked_div(divisor))
}

fn ratio(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let divisor = int8(&args[1]);
    if divisor == 0 {
        bail!(DIVISION_BY_ZERO, "division by zero");
    }
    Ok(Datum::Float8(int8(&args[0]) as f64 / divisor as f64))
}

fn from_integer(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match int(&args[0]).checked_mul(100) {
        Some(value) => Ok(Datum::Int8(value)),
        None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"),
    }
}

fn from_numeric(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let scaled = numeric(&args[0]).mul(&Numeric::from_i64(100))?;
    scaled.to_integer("bigint").map(Datum::Int8)
}

fn to_numeric(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Numeric(Numeric::Finite { unscaled: BigInt::from(int8(&args[0])), scale: 2 }))
}

fn position(datum: &Datum) -> i128 {
    i128::from(int8(datum).cast_unsigned())
}

/// A log position moved by a number of bytes.
fn moved(place: &Datum, distance: &Datum, back: bool) -> Result<Datum> {
    let distance = numeric(distance);
    if distance.is_nan() {
        bail!(FEATURE_NOT_SUPPORTED, "cannot {} pg_lsn", if back { "subtract NaN from" } else { "add NaN to" });
    }
    let distance = if back { distance.negated() } else { distance.clone() };
    let target = distance.to_i128().and_then(|distance| position(place).checked_add(distance));
    match target.and_then(|target| u64::try_from(target).ok()) {
        Some(target) => Ok(Datum::Int8(target.cast_signed())),
        None => bail!(INVALID_PARAMETER_VALUE, "pg_lsn out of range"),
    }
}

fn lsn_difference(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Numeric(Numeric::from_i128(position(&args[0]) - position(&args[1]))))
}

fn pick(args: &[Datum], first: bool) -> Result<Datum> {
    Ok(args[usize::from(!first)].clone())
}

/// Functions by `prosrc` (by name for `numeric_pl_pg_lsn`, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("cash_pl", |_, a| cents(int8(&a[0]).checked_add(int8(&a[1])))),
    ("cash_mi", |_, a| cents(int8(&a[0]).checked_sub(int8(&a[1])))),
    ("cash_mul_int2", |_, a| cents(int8(&a[0]).checked_mul(int(&a[1])))),
    ("cash_mul_int4", |_, a| cents(int8(&a[0]).checked_mul(int(&a[1])))),
    ("cash_mul_int8", |_, a| cents(int8(&a[0]).checked_mul(int(&a[1])))),
    ("int2_mul_cash", |_, a| cents(int8(&a[1]).checked_mul(int(&a[0])))),
    ("int4_mul_cash", |_, a| cents(int8(&a[1]).checked_mul(int(&a[0])))),
    ("int8_mul_cash", |_, a| cents(int8(&a[1]).checked_mul(int(&a[0])))),
    ("cash_mul_flt4", |_, a| times_float(&a[0], &a[1])),
    ("cash_mul_flt8", |_, a| times_float(&a[0], &a[1])),
    ("flt4_mul_cash", |_, a| times_float(&a[1], &a[0])),
    ("flt8_mul_cash", |_, a| times_float(&a[1], &a[0])),
    ("cash_div_int2", by_integer),
    ("cash_div_int4", by_integer),
    ("cash_div_int8", by_integer),
    ("cash_div_flt4", by_float),
    ("cash_div_flt8", by_float),
    ("cash_div_cash", ratio),
    ("cashlarger", |_, a| pick(a, int8(&a[0]) > int8(&a[1]))),
    ("cashsmaller", |_, a| pick(a, int8(&a[0]) < int8(&a[1]))),
    ("int4_cash", from_integer),
    ("int8_cash", from_integer),
    ("numeric_cash", from_numeric),
    ("cash_numeric", to_numeric),
    ("pg_lsn_mi", lsn_difference),
    ("pg_lsn_pli", |_, a| moved(&a[0], &a[1], false)),
    ("pg_lsn_mii", |_, a| moved(&a[0], &a[1], true)),
    ("numeric_pl_pg_lsn", |_, a| moved(&a[1], &a[0], false)),
    ("xid8_larger", |_, a| pick(a, position(&a[0]) > position(&a[1]))),
    ("xid8_smaller", |_, a| pick(a, position(&a[0]) < position(&a[1]))),
    ("pg_lsn_larger", |_, a| pick(a, position(&a[0]) > position(&a[1]))),
    ("pg_lsn_smaller", |_, a| pick(a, position(&a[0]) < position(&a[1]))),
];

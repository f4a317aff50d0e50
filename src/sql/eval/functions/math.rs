//! Functions of `numeric`.

use super::args::{float, int, int4, numeric};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::numeric::{Numeric, factorial, width_bucket};

fn wrap(value: Result<Numeric>) -> Result<Datum> {
    value.map(Datum::Numeric)
}

fn sign(value: &Numeric) -> Numeric {
    if value.is_nan() { Numeric::NaN } else { Numeric::from_i64(i64::from(value.signum())) }
}

fn pick(args: &[Datum], wanted: std::cmp::Ordering) -> Result<Datum> {
    let order = numeric(&args[0]).compare(numeric(&args[1]));
    Ok(args[usize::from(order != wanted)].clone())
}

fn scale_of(scale: Option<i32>) -> Result<Datum> {
    Ok(scale.map_or(Datum::Null, Datum::Int4))
}

fn random_between(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (low, high) = (numeric(&args[0]), numeric(&args[1]));
    for (value, name) in [(low, "lower"), (high, "upper")] {
        if value.is_nan() {
            bail!(INVALID_PARAMETER_VALUE, "{name} bound cannot be NaN");
        }
        if !value.is_finite() {
            bail!(INVALID_PARAMETER_VALUE, "{name} bound cannot be infinity");
        }
    }
    if low.compare(high).is_gt() {
        bail!(INVALID_PARAMETER_VALUE, "lower bound must be less than or equal to upper bound");
    }
    let scale = low.scale().max(high.scale()).unwrap_or(0);
    let unit = Numeric::Finite { unscaled: num_bigint::BigInt::from(1), scale: scale as u16 };
    let span = high.sub(low)?.add(&unit)?;
    let draw = Numeric::from_f64(ctx.session().random());
    wrap(Ok(span.mul(&draw)?.trunc(scale).add(low)?))
}

/// Functions by `prosrc` (by name for `log`, `round` and `trunc` of one argument, which PostgreSQL writes in SQL).
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("numeric_add", |_, a| wrap(numeric(&a[0]).add(numeric(&a[1])))),
    ("numeric_sub", |_, a| wrap(numeric(&a[0]).sub(numeric(&a[1])))),
    ("numeric_mul", |_, a| wrap(numeric(&a[0]).mul(numeric(&a[1])))),
    ("numeric_div", |_, a| wrap(numeric(&a[0]).div(numeric(&a[1])))),
    ("numeric_div_trunc", |_, a| wrap(numeric(&a[0]).div_trunc(numeric(&a[1])))),
    ("numeric_mod", |_, a| wrap(numeric(&a[0]).rem(numeric(&a[1])))),
    ("numeric_uminus", |_, a| wrap(Ok(numeric(&a[0]).negated()))),
    ("numeric_uplus", |_, a| Ok(a[0].clone())),
    ("numeric_abs", |_, a| wrap(Ok(numeric(&a[0]).absolute()))),
    ("numeric_sign", |_, a| wrap(Ok(sign(numeric(&a[0]))))),
    ("numeric_inc", |_, a| wrap(numeric(&a[0]).add(&Numeric::from_i64(1)))),
    ("numeric_larger", |_, a| pick(a, std::cmp::Ordering::Greater)),
    ("numeric_smaller", |_, a| pick(a, std::cmp::Ordering::Less)),
    ("numeric_round", |_, a| wrap(Ok(numeric(&a[0]).round(int4(&a[1]))))),
    ("numeric_trunc", |_, a| wrap(Ok(numeric(&a[0]).trunc(int4(&a[1]))))),
    ("round", |_, a| wrap(Ok(numeric(&a[0]).round(0)))),
    ("trunc", |_, a| wrap(Ok(numeric(&a[0]).trunc(0)))),
    ("numeric_ceil", |_, a| wrap(Ok(numeric(&a[0]).ceil()))),
    ("numeric_floor", |_, a| wrap(Ok(numeric(&a[0]).floor()))),
    ("numeric_sqrt", |_, a| wrap(numeric(&a[0]).sqrt())),
    ("numeric_exp", |_, a| wrap(numeric(&a[0]).exp())),
    ("numeric_ln", |_, a| wrap(numeric(&a[0]).ln())),
    ("numeric_log", |_, a| wrap(Numeric::log(numeric(&a[0]), numeric(&a[1])))),
    ("log", |_, a| wrap(Numeric::log(&Numeric::from_i64(10), numeric(&a[0])))),
    ("log10", |_, a| wrap(Numeric::log(&Numeric::from_i64(10), numeric(&a[0])))),
    ("numeric_power", |_, a| wrap(numeric(&a[0]).power(numeric(&a[1])))),
    ("numeric_gcd", |_, a| wrap(numeric(&a[0]).gcd(numeric(&a[1])))),
    ("numeric_lcm", |_, a| wrap(numeric(&a[0]).lcm(numeric(&a[1])))),
    ("numeric_fac", |_, a| wrap(factorial(int(&a[0])))),
    ("numeric_scale", |_, a| scale_of(numeric(&a[0]).scale())),
    ("numeric_min_scale", |_, a| scale_of(numeric(&a[0]).min_scale())),
    ("numeric_trim_scale", |_, a| wrap(Ok(numeric(&a[0]).trim_scale()))),
    ("numeric_random", random_between),
    ("width_bucket_numeric", |_, a| {
        width_bucket(numeric(&a[0]), numeric(&a[1]), numeric(&a[2]), int4(&a[3])).map(Datum::Int4)
    }),
    ("numeric", |_, a| wrap(numeric(&a[0]).clone().apply_typmod(int4(&a[1])))),
    ("int2_numeric", |_, a| wrap(Ok(Numeric::from_i64(int(&a[0]))))),
    ("int4_numeric", |_, a| wrap(Ok(Numeric::from_i64(int(&a[0]))))),
    ("int8_numeric", |_, a| wrap(Ok(Numeric::from_i64(int(&a[0]))))),
    ("float4_numeric", |_, a| wrap(Ok(Numeric::from_f32(super::args::float4(&a[0]))))),
    ("float8_numeric", |_, a| wrap(Ok(Numeric::from_f64(float(&a[0]))))),
    ("numeric_int2", |_, a| numeric(&a[0]).to_integer("smallint").map(Datum::Int2)),
    ("numeric_int4", |_, a| numeric(&a[0]).to_integer("integer").map(Datum::Int4)),
    ("numeric_int8", |_, a| numeric(&a[0]).to_integer("bigint").map(Datum::Int8)),
    ("numeric_float4", |_, a| numeric(&a[0]).to_f32().map(Datum::Float4)),
    ("numeric_float8", |_, a| numeric(&a[0]).to_f64().map(Datum::Float8)),
];

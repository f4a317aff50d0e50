//! Arithmetic and mathematics on `real` and `double precision`.
//!
//! PostgreSQL fails where C would answer an infinity from finite operands (overflow) or zero from non-zero ones
//! (underflow), and where a function is not defined. Trigonometry in degrees is exact at the angles people expect.

use super::args::{float, float4, int4};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::compare::compare_f64;

const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

fn overflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

fn underflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

/// The gamma function; it has poles at zero and the negative integers.
fn gamma(value: f64) -> Result<Datum> {
    if value == f64::NEG_INFINITY || (value <= 0.0 && value.fract() == 0.0) {
        return overflow();
    }
    let result = libm::tgamma(value);
    if result.is_infinite() && value.is_finite() {
        return overflow();
    }
    if result == 0.0 {
        return underflow();
    }
    Ok(Datum::Float8(result))
}

/// The logarithm of the absolute value of [`gamma`].
fn log_gamma(value: f64) -> Result<Datum> {
    let result = libm::lgamma(value);
    if result.is_infinite() && value.is_finite() { overflow() } else { Ok(Datum::Float8(result)) }
}

fn out_of_range<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "input is out of range")
}

fn division_by_zero<T>() -> Result<T> {
    bail!(DIVISION_BY_ZERO, "division by zero")
}

/// The four operations.
#[derive(Clone, Copy)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
}

fn checked(op: Op, a: f64, b: f64, result: f64) -> Result<f64> {
    if result.is_infinite() && !a.is_infinite() && !b.is_infinite() {
        return overflow();
    }
    let vanished = match op {
        Op::Mul => a != 0.0 && b != 0.0,
        Op::Div => a != 0.0 && !b.is_infinite(),
        Op::Add | Op::Sub => false,
    };
    if result == 0.0 && vanished {
        return underflow();
    }
    Ok(result)
}

fn double(op: Op, args: &[Datum]) -> Result<Datum> {
    let (a, b) = (float(&args[0]), float(&args[1]));
    let result = match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div if b == 0.0 && !a.is_nan() => return division_by_zero(),
        Op::Div => a / b,
    };
    checked(op, a, b, result).map(Datum::Float8)
}

fn single(op: Op, args: &[Datum]) -> Result<Datum> {
    let (a, b) = (float4(&args[0]), float4(&args[1]));
    let result = match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div if b == 0.0 && !a.is_nan() => return division_by_zero(),
        Op::Div => a / b,
    };
    checked(op, f64::from(a), f64::from(b), f64::from(result))?;
    Ok(Datum::Float4(result))
}

/// A function of one double that may overflow.
fn unary(args: &[Datum], apply: fn(f64) -> f64) -> Result<Datum> {
    let x = float(&args[0]);
    let result = apply(x);
    if result.is_infinite() && !x.is_infinite() { overflow() } else { Ok(Datum::Float8(result)) }
}

/// A function that is not defined at the infinities.
fn finite(args: &[Datum], apply: fn(f64) -> f64) -> Result<Datum> {
    if float(&args[0]).is_infinite() {
        return out_of_range();
    }
    unary(args, apply)
}

/// A function defined within `-1..=1`.
fn arc(args: &[Datum], apply: fn(f64) -> f64) -> Result<Datum> {
    let x = float(&args[0]);
    if x.is_nan() {
        return Ok(Datum::Float8(f64::NAN));
    }
    if !(-1.0..=1.0).contains(&x) {
        return out_of_range();
    }
    Ok(Datum::Float8(apply(x)))
}

fn logarithm(args: &[Datum], apply: fn(f64) -> f64) -> Result<Datum> {
    let x = float(&args[0]);
    if x == 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of zero");
    }
    if x < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_LOG, "cannot take logarithm of a negative number");
    }
    unary(args, apply)
}

fn square_root(args: &[Datum]) -> Result<Datum> {
    let x = float(&args[0]);
    if x < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "cannot take square root of a negative number");
    }
    Ok(Datum::Float8(x.sqrt()))
}

fn exponential(args: &[Datum]) -> Result<Datum> {
    let x = float(&args[0]);
    let result = x.exp();
    if x.is_finite() && result.is_infinite() {
        return overflow();
    }
    if x.is_finite() && result == 0.0 {
        return underflow();
    }
    Ok(Datum::Float8(result))
}

fn power(args: &[Datum]) -> Result<Datum> {
    let (x, y) = (float(&args[0]), float(&args[1]));
    if x.is_nan() {
        return Ok(Datum::Float8(if y == 0.0 { 1.0 } else { f64::NAN }));
    }
    if y.is_nan() {
        return Ok(Datum::Float8(if x == 1.0 { 1.0 } else { f64::NAN }));
    }
    if x == 0.0 && y < 0.0 {
        bail!(INVALID_ARGUMENT_FOR_POWER_FUNCTION, "zero raised to a negative power is undefined");
    }
    if x < 0.0 && y.floor() != y {
        bail!(
            INVALID_ARGUMENT_FOR_POWER_FUNCTION,
            "a negative number raised to a non-integer power yields a complex result"
        );
    }
    let result = x.powf(y);
    if x.is_finite() && y.is_finite() {
        if result.is_infinite() {
            return overflow();
        }
        if result == 0.0 && x != 0.0 {
            return underflow();
        }
    }
    Ok(Datum::Float8(result))
}

fn to_real(value: f64) -> Result<Datum> {
    let result = value as f32;
    if result.is_infinite() && !value.is_infinite() {
        return overflow();
    }
    if result == 0.0 && value != 0.0 {
        return underflow();
    }
    Ok(Datum::Float4(result))
}

/// Rounds half to even and checks the range `-limit..limit`.
fn to_integer(args: &[Datum], limit: f64, name: &str) -> Result<f64> {
    let rounded = float(&args[0]).round_ties_even();
    if rounded.is_nan() || rounded < -limit || rounded >= limit {
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "{name} out of range");
    }
    Ok(rounded)
}

/// `sin` of 0..=90 degrees, exact at 0, 30 and 90.
fn sin_quadrant(degrees: f64) -> f64 {
    if degrees <= 30.0 { sin_to_30(degrees) } else { cos_to_60(90.0 - degrees) }
}

/// `cos` of 0..=90 degrees, exact at 0, 60 and 90.
fn cos_quadrant(degrees: f64) -> f64 {
    if degrees <= 60.0 { cos_to_60(degrees) } else { sin_to_30(90.0 - degrees) }
}

fn sin_to_30(degrees: f64) -> f64 {
    (degrees * RADIANS_PER_DEGREE).sin() / (30.0 * RADIANS_PER_DEGREE).sin() / 2.0
}

fn cos_to_60(degrees: f64) -> f64 {
    let below_one = 1.0 - (degrees * RADIANS_PER_DEGREE).cos();
    1.0 - below_one / (1.0 - (60.0 * RADIANS_PER_DEGREE).cos()) / 2.0
}

/// The angle within 0..=90 and the signs of its sine and cosine.
fn quadrant(degrees: f64) -> (f64, f64, f64) {
    let mut angle = degrees % 360.0;
    let (mut sine, mut cosine) = (1.0, 1.0);
    if angle < 0.0 {
        angle = -angle;
        sine = -sine;
    }
    if angle > 180.0 {
        angle = 360.0 - angle;
        sine = -sine;
    }
    if angle > 90.0 {
        angle = 180.0 - angle;
        cosine = -cosine;
    }
    (angle, sine, cosine)
}

fn sin_degrees(degrees: f64) -> f64 {
    let (angle, sine, _) = quadrant(degrees);
    sine * sin_quadrant(angle)
}

fn cos_degrees(degrees: f64) -> f64 {
    let (angle, _, cosine) = quadrant(degrees);
    cosine * cos_quadrant(angle)
}

fn tan_degrees(degrees: f64) -> f64 {
    let (angle, sine, cosine) = quadrant(degrees);
    let at_45 = sin_quadrant(45.0) / cos_quadrant(45.0);
    let result = sine * cosine * (sin_quadrant(angle) / cos_quadrant(angle)) / at_45;
    if result == 0.0 { 0.0 } else { result }
}

fn cot_degrees(degrees: f64) -> f64 {
    let (angle, sine, cosine) = quadrant(degrees);
    let at_45 = cos_quadrant(45.0) / sin_quadrant(45.0);
    let result = sine * cosine * (cos_quadrant(angle) / sin_quadrant(angle)) / at_45;
    if result == 0.0 { 0.0 } else { result }
}

fn asin_quadrant(x: f64) -> f64 {
    if x <= 0.5 { x.asin() / 0.5f64.asin() * 30.0 } else { 90.0 - x.acos() / 0.5f64.acos() * 60.0 }
}

fn acos_quadrant(x: f64) -> f64 {
    if x <= 0.5 { 90.0 - x.asin() / 0.5f64.asin() * 30.0 } else { x.acos() / 0.5f64.acos() * 60.0 }
}

fn asin_degrees(x: f64) -> f64 {
    if x >= 0.0 { asin_quadrant(x) } else { -asin_quadrant(-x) }
}

fn acos_degrees(x: f64) -> f64 {
    if x >= 0.0 { acos_quadrant(x) } else { 90.0 + asin_quadrant(-x) }
}

fn atan_degrees(x: f64) -> f64 {
    x.atan() / 1f64.atan() * 45.0
}

fn width_bucket(args: &[Datum]) -> Result<Datum> {
    let (operand, low, high, count) = (float(&args[0]), float(&args[1]), float(&args[2]), int4(&args[3]));
    if count <= 0 {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "count must be greater than zero");
    }
    if operand.is_nan() || low.is_nan() || high.is_nan() {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "operand, lower bound, and upper bound cannot be NaN");
    }
    if low.is_infinite() || high.is_infinite() {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower and upper bounds must be finite");
    }
    let beyond = || match count.checked_add(1) {
        Some(value) => Ok(Datum::Int4(value)),
        None => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"),
    };
    if low == high {
        bail!(INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "lower bound cannot equal upper bound");
    }
    let (below, above) = if low < high { (operand < low, operand >= high) } else { (operand > low, operand <= high) };
    if below {
        return Ok(Datum::Int4(0));
    }
    if above {
        return beyond();
    }
    // Halving both sides keeps a huge range from overflowing.
    let part = if (high - low).is_finite() {
        (operand - low) / (high - low)
    } else {
        (operand / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
    };
    let bucket = (f64::from(count) * part).floor().min(f64::from(count) - 1.0);
    Ok(Datum::Int4(bucket as i32 + 1))
}

fn random_normal(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let first = (1.0 - ctx.session().random()).ln() * -2.0;
    let angle = ctx.session().random() * std::f64::consts::TAU;
    Ok(Datum::Float8(float(&args[0]) + float(&args[1]) * first.sqrt() * angle.cos()))
}

fn set_seed(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let seed = float(&args[0]);
    if !(-1.0..=1.0).contains(&seed) {
        let mut shown = String::new();
        crate::types::float::output_f64(seed, 1, &mut shown);
        bail!(INVALID_PARAMETER_VALUE, "setseed parameter {shown} is out of allowed range [-1,1]");
    }
    ctx.session().set_seed(seed);
    Ok(Datum::text(""))
}

fn larger(args: &[Datum], wanted: std::cmp::Ordering) -> Result<Datum> {
    let order = compare_f64(float(&args[0]), float(&args[1]));
    Ok(args[usize::from(order != wanted)].clone())
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] =
    &[
        ("float4pl", |_, a| single(Op::Add, a)),
        ("float4mi", |_, a| single(Op::Sub, a)),
        ("float4mul", |_, a| single(Op::Mul, a)),
        ("float4div", |_, a| single(Op::Div, a)),
        ("float8pl", |_, a| double(Op::Add, a)),
        ("float8mi", |_, a| double(Op::Sub, a)),
        ("float8mul", |_, a| double(Op::Mul, a)),
        ("float8div", |_, a| double(Op::Div, a)),
        ("float48pl", |_, a| double(Op::Add, a)),
        ("float48mi", |_, a| double(Op::Sub, a)),
        ("float48mul", |_, a| double(Op::Mul, a)),
        ("float48div", |_, a| double(Op::Div, a)),
        ("float84pl", |_, a| double(Op::Add, a)),
        ("float84mi", |_, a| double(Op::Sub, a)),
        ("float84mul", |_, a| double(Op::Mul, a)),
        ("float84div", |_, a| double(Op::Div, a)),
        ("float4abs", |_, a| Ok(Datum::Float4(float4(&a[0]).abs()))),
        ("float8abs", |_, a| Ok(Datum::Float8(float(&a[0]).abs()))),
        ("float4um", |_, a| Ok(Datum::Float4(-float4(&a[0])))),
        ("float8um", |_, a| Ok(Datum::Float8(-float(&a[0])))),
        ("float4up", |_, a| Ok(a[0].clone())),
        ("float8up", |_, a| Ok(a[0].clone())),
        ("float4larger", |_, a| larger(a, std::cmp::Ordering::Greater)),
        ("float8larger", |_, a| larger(a, std::cmp::Ordering::Greater)),
        ("float4smaller", |_, a| larger(a, std::cmp::Ordering::Less)),
        ("float8smaller", |_, a| larger(a, std::cmp::Ordering::Less)),
        ("dround", |_, a| unary(a, f64::round_ties_even)),
        ("dceil", |_, a| unary(a, f64::ceil)),
        ("dfloor", |_, a| unary(a, f64::floor)),
        ("dtrunc", |_, a| unary(a, f64::trunc)),
        ("dsign", |_, a| {
            unary(a, |x| {
                if x > 0.0 {
                    1.0
                } else if x < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            })
        }),
        ("dsqrt", |_, a| square_root(a)),
        ("dcbrt", |_, a| unary(a, libm::cbrt)),
        ("dpow", |_, a| power(a)),
        ("dexp", |_, a| exponential(a)),
        ("dlog1", |_, a| logarithm(a, f64::ln)),
        ("dlog10", |_, a| logarithm(a, f64::log10)),
        ("dsin", |_, a| finite(a, f64::sin)),
        ("dcos", |_, a| finite(a, f64::cos)),
        ("dtan", |_, a| finite(a, f64::tan)),
        (
            "dcot",
            |_, a| {
                if float(&a[0]).is_infinite() { out_of_range() } else { Ok(Datum::Float8(1.0 / float(&a[0]).tan())) }
            },
        ),
        ("dasin", |_, a| arc(a, f64::asin)),
        ("dacos", |_, a| arc(a, f64::acos)),
        ("datan", |_, a| unary(a, f64::atan)),
        ("datan2", |_, a| Ok(Datum::Float8(float(&a[0]).atan2(float(&a[1]))))),
        ("dsind", |_, a| finite(a, sin_degrees)),
        ("dcosd", |_, a| finite(a, cos_degrees)),
        ("dtand", |_, a| {
            if float(&a[0]).is_infinite() { out_of_range() } else { Ok(Datum::Float8(tan_degrees(float(&a[0])))) }
        }),
        ("dcotd", |_, a| {
            if float(&a[0]).is_infinite() { out_of_range() } else { Ok(Datum::Float8(cot_degrees(float(&a[0])))) }
        }),
        ("dasind", |_, a| arc(a, asin_degrees)),
        ("dacosd", |_, a| arc(a, acos_degrees)),
        ("datand", |_, a| unary(a, atan_degrees)),
        ("datan2d", |_, a| Ok(Datum::Float8(float(&a[0]).atan2(float(&a[1])) / 1f64.atan() * 45.0))),
        ("dsinh", |_, a| Ok(Datum::Float8(float(&a[0]).sinh()))),
        ("dcosh", |_, a| Ok(Datum::Float8(float(&a[0]).cosh()))),
        ("dtanh", |_, a| Ok(Datum::Float8(float(&a[0]).tanh()))),
        ("dasinh", |_, a| Ok(Datum::Float8(float(&a[0]).asinh()))),
        ("dacosh", |_, a| if float(&a[0]) < 1.0 { out_of_range() } else { Ok(Datum::Float8(float(&a[0]).acosh())) }),
        ("datanh", |_, a| {
            let x = float(&a[0]);
            if x.abs() > 1.0 { out_of_range() } else { Ok(Datum::Float8(x.atanh())) }
        }),
        ("degrees", |_, a| unary(a, |x| x / RADIANS_PER_DEGREE)),
        ("radians", |_, a| unary(a, |x| x * RADIANS_PER_DEGREE)),
        ("derf", |_, a| Ok(Datum::Float8(libm::erf(float(&a[0]))))),
        ("derfc", |_, a| Ok(Datum::Float8(libm::erfc(float(&a[0]))))),
        ("dgamma", |_, a| gamma(float(&a[0]))),
        ("dlgamma", |_, a| log_gamma(float(&a[0]))),
        ("dpi", |_, _| Ok(Datum::Float8(std::f64::consts::PI))),
        ("width_bucket_float8", |_, a| width_bucket(a)),
        ("drandom", |ctx, _| Ok(Datum::Float8(ctx.session().random()))),
        ("drandom_normal", random_normal),
        ("setseed", set_seed),
        ("ftod", |_, a| Ok(Datum::Float8(float(&a[0])))),
        ("dtof", |_, a| to_real(float(&a[0]))),
        ("i2tod", |_, a| Ok(Datum::Float8(super::args::int(&a[0]) as f64))),
        ("i4tod", |_, a| Ok(Datum::Float8(super::args::int(&a[0]) as f64))),
        ("i8tod", |_, a| Ok(Datum::Float8(super::args::int(&a[0]) as f64))),
        ("i2tof", |_, a| Ok(Datum::Float4(super::args::int(&a[0]) as f32))),
        ("i4tof", |_, a| Ok(Datum::Float4(super::args::int(&a[0]) as f32))),
        ("i8tof", |_, a| Ok(Datum::Float4(super::args::int(&a[0]) as f32))),
        ("dtoi2", |_, a| to_integer(a, 32_768.0, "smallint").map(|x| Datum::Int2(x as i16))),
        ("ftoi2", |_, a| to_integer(a, 32_768.0, "smallint").map(|x| Datum::Int2(x as i16))),
        ("dtoi4", |_, a| to_integer(a, 2_147_483_648.0, "integer").map(|x| Datum::Int4(x as i32))),
        ("ftoi4", |_, a| to_integer(a, 2_147_483_648.0, "integer").map(|x| Datum::Int4(x as i32))),
        ("dtoi8", |_, a| to_integer(a, 9_223_372_036_854_775_808.0, "bigint").map(|x| Datum::Int8(x as i64))),
        ("ftoi8", |_, a| to_integer(a, 9_223_372_036_854_775_808.0, "bigint").map(|x| Datum::Int8(x as i64))),
    ];

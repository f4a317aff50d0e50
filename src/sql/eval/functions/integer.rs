//! Arithmetic, bits and number theory on `smallint`, `integer` and `bigint`.
//!
//! Operators between different widths are PostgreSQL's own functions (`int48pl`); all compute in 128 bits and fail when
//! the result does not fit the result type.

use num_integer::Integer;

use super::args::{boolean, int, int2, int4, int8};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;

/// An integer type as a result.
trait Width {
    fn make(value: i128) -> Result<Datum>;
}

struct I2;
struct I4;
struct I8;

impl Width for I2 {
    fn make(value: i128) -> Result<Datum> {
        match i16::try_from(value) {
            Ok(value) => Ok(Datum::Int2(value)),
            Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "smallint out of range"),
        }
    }
}

impl Width for I4 {
    fn make(value: i128) -> Result<Datum> {
        match i32::try_from(value) {
            Ok(value) => Ok(Datum::Int4(value)),
            Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"),
        }
    }
}

impl Width for I8 {
    fn make(value: i128) -> Result<Datum> {
        match i64::try_from(value) {
            Ok(value) => Ok(Datum::Int8(value)),
            Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"),
        }
    }
}

fn wide(datum: &Datum) -> i128 {
    i128::from(int(datum))
}

fn add<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) + wide(&args[1]))
}

fn sub<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) - wide(&args[1]))
}

fn mul<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) * wide(&args[1]))
}

fn divisor(datum: &Datum) -> Result<i128> {
    match wide(datum) {
        0 => bail!(DIVISION_BY_ZERO, "division by zero"),
        value => Ok(value),
    }
}

fn div<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) / divisor(&args[1])?)
}

fn modulo<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) % divisor(&args[1])?)
}

fn negate<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(-wide(&args[0]))
}

fn absolute<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]).abs())
}

fn larger<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]).max(wide(&args[1])))
}

fn smaller<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]).min(wide(&args[1])))
}

fn and<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) & wide(&args[1]))
}

fn or<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) | wide(&args[1]))
}

fn xor<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) ^ wide(&args[1]))
}

fn not<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(!wide(&args[0]))
}

fn gcd<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]).gcd(&wide(&args[1])))
}

fn lcm<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = (wide(&args[0]), wide(&args[1]));
    if a == 0 || b == 0 {
        return W::make(0);
    }
    W::make((a / a.gcd(&b) * b).abs())
}

fn convert<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]))
}

/// Also the cast of `smallint` to `oid` and the `reg*` types.
fn smallint_to_integer(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = i32::from(int2(&args[0]));
    Ok(crate::sql::eval::row::relabel(Datum::Int4(value), ctx.result.oid))
}

fn increment<W: Width>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    W::make(wide(&args[0]) + 1)
}

fn same(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(args[0].clone())
}

/// Digits of an unsigned number in a base.
fn in_base(mut value: u64, base: u64) -> Datum {
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((value % base) as u32, base as u32).expect("a remainder is a digit");
        digits.push(digit);
        value /= base;
        if value == 0 {
            break;
        }
    }
    digits.reverse();
    super::args::to_text(digits.into_iter().collect::<String>())
}

fn int4_random(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    I4::make(i128::from(random_between(ctx, int(&args[0]), int(&args[1]))?))
}

fn int8_random(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    I8::make(i128::from(random_between(ctx, int(&args[0]), int(&args[1]))?))
}

fn random_between(ctx: &FnContext<'_>, low: i64, high: i64) -> Result<i64> {
    if low > high {
        bail!(INVALID_PARAMETER_VALUE, "lower bound must be less than or equal to upper bound");
    }
    let span = high.abs_diff(low);
    // Two draws make 64 uniform bits; the modulus bias over them is beyond notice.
    let bits = |draw: f64| (draw * 4_294_967_296.0) as u64;
    let draw = (bits(ctx.session().random()) << 32) | bits(ctx.session().random());
    let offset = if span == u64::MAX { draw } else { draw % (span + 1) };
    Ok(low.wrapping_add_unsigned(offset))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("int2pl", add::<I2>),
    ("int4pl", add::<I4>),
    ("int8pl", add::<I8>),
    ("int24pl", add::<I4>),
    ("int42pl", add::<I4>),
    ("int28pl", add::<I8>),
    ("int82pl", add::<I8>),
    ("int48pl", add::<I8>),
    ("int84pl", add::<I8>),
    ("int2mi", sub::<I2>),
    ("int4mi", sub::<I4>),
    ("int8mi", sub::<I8>),
    ("int24mi", sub::<I4>),
    ("int42mi", sub::<I4>),
    ("int28mi", sub::<I8>),
    ("int82mi", sub::<I8>),
    ("int48mi", sub::<I8>),
    ("int84mi", sub::<I8>),
    ("int2mul", mul::<I2>),
    ("int4mul", mul::<I4>),
    ("int8mul", mul::<I8>),
    ("int24mul", mul::<I4>),
    ("int42mul", mul::<I4>),
    ("int28mul", mul::<I8>),
    ("int82mul", mul::<I8>),
    ("int48mul", mul::<I8>),
    ("int84mul", mul::<I8>),
    ("int2div", div::<I2>),
    ("int4div", div::<I4>),
    ("int8div", div::<I8>),
    ("int24div", div::<I4>),
    ("int42div", div::<I4>),
    ("int28div", div::<I8>),
    ("int82div", div::<I8>),
    ("int48div", div::<I8>),
    ("int84div", div::<I8>),
    ("int2mod", modulo::<I2>),
    ("int4mod", modulo::<I4>),
    ("int8mod", modulo::<I8>),
    ("int2um", negate::<I2>),
    ("int4um", negate::<I4>),
    ("int8um", negate::<I8>),
    ("int2up", same),
    ("int4up", same),
    ("int8up", same),
    ("int2abs", absolute::<I2>),
    ("int4abs", absolute::<I4>),
    ("int8abs", absolute::<I8>),
    ("int2larger", larger::<I2>),
    ("int4larger", larger::<I4>),
    ("int8larger", larger::<I8>),
    ("int2smaller", smaller::<I2>),
    ("int4smaller", smaller::<I4>),
    ("int8smaller", smaller::<I8>),
    ("int2and", and::<I2>),
    ("int4and", and::<I4>),
    ("int8and", and::<I8>),
    ("int2or", or::<I2>),
    ("int4or", or::<I4>),
    ("int8or", or::<I8>),
    ("int2xor", xor::<I2>),
    ("int4xor", xor::<I4>),
    ("int8xor", xor::<I8>),
    ("int2not", not::<I2>),
    ("int4not", not::<I4>),
    ("int8not", not::<I8>),
    ("int2shl", |_, a| Ok(Datum::Int2((i32::from(int2(&a[0])).wrapping_shl(int4(&a[1]) as u32)) as i16))),
    ("int2shr", |_, a| Ok(Datum::Int2((i32::from(int2(&a[0])).wrapping_shr(int4(&a[1]) as u32)) as i16))),
    ("int4shl", |_, a| Ok(Datum::Int4(int4(&a[0]).wrapping_shl(int4(&a[1]) as u32)))),
    ("int4shr", |_, a| Ok(Datum::Int4(int4(&a[0]).wrapping_shr(int4(&a[1]) as u32)))),
    ("int8shl", |_, a| Ok(Datum::Int8(int8(&a[0]).wrapping_shl(int4(&a[1]) as u32)))),
    ("int8shr", |_, a| Ok(Datum::Int8(int8(&a[0]).wrapping_shr(int4(&a[1]) as u32)))),
    ("int4gcd", gcd::<I4>),
    ("int8gcd", gcd::<I8>),
    ("int4lcm", lcm::<I4>),
    ("int8lcm", lcm::<I8>),
    ("int4inc", increment::<I4>),
    ("int8inc", increment::<I8>),
    ("int8dec", |_, a| I8::make(wide(&a[0]) - 1)),
    ("i2toi4", smallint_to_integer),
    ("i4toi2", convert::<I2>),
    ("int28", convert::<I8>),
    ("int82", convert::<I2>),
    ("int48", convert::<I8>),
    ("int84", convert::<I4>),
    ("int4_bool", |_, a| Ok(Datum::Bool(int4(&a[0]) != 0))),
    ("booland_statefunc", |_, a| Ok(Datum::Bool(boolean(&a[0]) && boolean(&a[1])))),
    ("boolor_statefunc", |_, a| Ok(Datum::Bool(boolean(&a[0]) || boolean(&a[1])))),
    ("bool_int4", |_, a| Ok(Datum::Int4(i32::from(boolean(&a[0]))))),
    ("to_hex32", |_, a| Ok(in_base(u64::from(int4(&a[0]) as u32), 16))),
    ("to_hex64", |_, a| Ok(in_base(int8(&a[0]) as u64, 16))),
    ("to_oct32", |_, a| Ok(in_base(u64::from(int4(&a[0]) as u32), 8))),
    ("to_oct64", |_, a| Ok(in_base(int8(&a[0]) as u64, 8))),
    ("to_bin32", |_, a| Ok(in_base(u64::from(int4(&a[0]) as u32), 2))),
    ("to_bin64", |_, a| Ok(in_base(int8(&a[0]) as u64, 2))),
    ("int4random", int4_random),
    ("int8random", int8_random),
];

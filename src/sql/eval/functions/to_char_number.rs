//! `to_char` of each number type and `to_number`.

use num_bigint::BigInt;
use num_traits::Signed;

use super::args::{float, float4, int, numeric, text, to_text};
use super::number_format::Template;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::numeric::Numeric;

/// Decimal digits that a double and a real hold for sure.
const DOUBLE_DIGITS: i32 = 15;
const REAL_DIGITS: i32 = 6;

/// The template; `None` for an empty one.
fn template(args: &[Datum]) -> Result<Option<Template>> {
    match text(&args[1]) {
        "" => Ok(None),
        format => Template::parse(format).map(Some),
    }
}

/// A number printed with a sign, split.
fn write(template: &mut Template, printed: &str) -> Datum {
    match printed.strip_prefix('-') {
        Some(digits) => to_text(template.write(true, digits)),
        None => to_text(template.write(false, printed)),
    }
}

/// `d.ddde+xx` with a blank for plus.
fn scientific(mantissa: &str, exponent: i64) -> Datum {
    let blank = if mantissa.starts_with('-') { "" } else { " " };
    let sign = if exponent < 0 { '-' } else { '+' };
    to_text(format!("{blank}{mantissa}e{sign}{:02}", exponent.unsigned_abs()))
}

/// Rust prints `1.5e-4`; splits it into its parts.
fn scientific_float(value: f64, digits: i32) -> Datum {
    let printed = format!("{value:.*e}", usize::try_from(digits).unwrap_or(0));
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    scientific(mantissa, exponent.parse().unwrap_or(0))
}

fn scientific_numeric(value: &Numeric, digits: i32) -> Datum {
    let Numeric::Finite { unscaled, scale } = value else { return Datum::Null };
    let printed = unscaled.abs().to_string();
    let exponent =
        if value.signum() == 0 { 0 } else { i64::try_from(printed.len()).unwrap_or(0) - 1 - i64::from(*scale) };
    // The point moves behind the first digit; as in PostgreSQL, rounding may leave two digits before it.
    let shifted = i64::from(*scale) + exponent;
    let scaled = if shifted >= 0 {
        Numeric::Finite { unscaled: unscaled.clone(), scale: u16::try_from(shifted).unwrap_or(u16::MAX) }
    } else {
        let factor = BigInt::from(10u32).pow(u32::try_from(-shifted).unwrap_or(0));
        Numeric::Finite { unscaled: unscaled * factor, scale: 0 }
    };
    let mantissa = scaled.round(digits);
    scientific(&mantissa.to_string(), exponent)
}

fn numeric_to_char(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(mut template) = template(args)? else { return Ok(to_text("")) };
    let value = numeric(&args[0]);
    if template.roman {
        let number = value.round(0).to_i128().and_then(|number| i64::try_from(number).ok());
        return Ok(to_text(template.write_roman(number)));
    }
    if template.exponent {
        let finite = value.is_finite();
        return Ok(if finite {
            scientific_numeric(value, template.post)
        } else {
            to_text(template.scientific_overflow())
        });
    }
    let mut value = value.clone();
    if template.shift > 0 {
        value = value.mul(&Numeric::from_i128(10i128.pow(template.shift.unsigned_abs().min(30))))?;
        template.pre += template.shift;
    }
    let printed = value.round(template.post).to_string();
    Ok(write(&mut template, &printed))
}

fn integer_to_char(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(mut template) = template(args)? else { return Ok(to_text("")) };
    let value = int(&args[0]);
    if template.roman {
        return Ok(to_text(template.write_roman(Some(value))));
    }
    if template.exponent {
        return Ok(match &args[0] {
            Datum::Int8(value) => scientific_numeric(&Numeric::from_i64(*value), template.post),
            _ => scientific_float(value as f64, template.post),
        });
    }
    let mut value = i128::from(value);
    if template.shift > 0 {
        value = value.saturating_mul(10i128.saturating_pow(template.shift.unsigned_abs()));
        template.pre += template.shift;
    }
    let mut printed = value.to_string();
    if template.post > 0 {
        printed.push('.');
        printed.extend(std::iter::repeat_n('0', usize::try_from(template.post).unwrap_or(0)));
    }
    Ok(write(&mut template, &printed))
}

fn float_to_char(args: &[Datum], value: f64, reliable: i32) -> Result<Datum> {
    let Some(mut template) = template(args)? else { return Ok(to_text("")) };
    if template.roman {
        let rounded = value.round_ties_even();
        let number = (rounded.abs() < 1e9).then_some(rounded as i64);
        return Ok(to_text(template.write_roman(number)));
    }
    if template.exponent {
        return Ok(if value.is_finite() {
            scientific_float(value, template.post)
        } else {
            to_text(template.scientific_overflow())
        });
    }
    let mut value = value;
    if template.shift > 0 {
        value *= 10f64.powi(template.shift);
        template.pre += template.shift;
    }
    let whole = i32::try_from(format!("{:.0}", value.abs()).len()).unwrap_or(i32::MAX);
    if whole >= reliable {
        template.post = 0;
    } else if whole + template.post > reliable {
        template.post = reliable - whole;
    }
    let printed = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        format!("{value:.*}", usize::try_from(template.post).unwrap_or(0))
    };
    Ok(write(&mut template, &printed))
}

fn to_number(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(template) = template(args)? else { return Ok(Datum::Null) };
    template.read(text(&args[0])).map(Datum::Numeric)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("numeric_to_char", numeric_to_char),
    ("int4_to_char", integer_to_char),
    ("int8_to_char", integer_to_char),
    ("float4_to_char", |_, a| float_to_char(a, f64::from(float4(&a[0])), REAL_DIGITS)),
    ("float8_to_char", |_, a| float_to_char(a, float(&a[0]), DOUBLE_DIGITS)),
    ("numeric_to_number", to_number),
];

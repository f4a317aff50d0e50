//! Casts among the string types, to and from `"char"`, `oid` and `boolean`, and the length casts of `varchar` and `character`.

use super::args::{boolean, int4, int8, oid, shared_text, text, to_text};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::text::{coerce_bpchar, coerce_varchar, input_internal_char, output_internal_char, truncate_name};
use crate::types::{Datum, Oid};

/// A modifier of a string type counts its four header bytes.
fn limit(typmod: i32) -> Option<usize> {
    usize::try_from(typmod - 4).ok()
}

fn varchar(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = shared_text(&args[0]);
    match limit(int4(&args[1])) {
        Some(limit) => coerce_varchar(value, limit, boolean(&args[2])).map(Datum::Text),
        None => Ok(args[0].clone()),
    }
}

fn bpchar(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = shared_text(&args[0]);
    match limit(int4(&args[1])) {
        Some(limit) => coerce_bpchar(value, limit, boolean(&args[2])).map(Datum::Text),
        None => Ok(args[0].clone()),
    }
}

fn internal_char(datum: &Datum) -> u8 {
    match datum {
        Datum::Char(value) => *value,
        other => panic!("expected \"char\", found {other:?}"),
    }
}

fn char_to_text(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = String::new();
    output_internal_char(internal_char(&args[0]), &mut out);
    Ok(to_text(out))
}

fn int_to_char(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match i8::try_from(int4(&args[0])) {
        Ok(value) => Ok(Datum::Char(value.cast_unsigned())),
        Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"),
    }
}

fn bigint_to_oid(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    match u32::try_from(int8(&args[0])) {
        Ok(value) => Ok(Datum::Oid(Oid(value))),
        Err(_) => bail!(NUMERIC_VALUE_OUT_OF_RANGE, "OID out of range"),
    }
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("varchar", varchar),
    ("bpchar", bpchar),
    ("name_text", |_, a| Ok(a[0].clone())),
    ("name_bpchar", |_, a| Ok(a[0].clone())),
    ("text_name", |_, a| Ok(to_text(truncate_name(text(&a[0]))))),
    ("bpchar_name", |_, a| Ok(to_text(truncate_name(text(&a[0])).trim_end_matches(' ')))),
    ("text_char", |_, a| Ok(Datum::Char(input_internal_char(text(&a[0]))))),
    ("char_text", char_to_text),
    ("char_bpchar", char_to_text),
    ("chartoi4", |_, a| Ok(Datum::Int4(i32::from(internal_char(&a[0]).cast_signed())))),
    ("i4tochar", int_to_char),
    ("booltext", |_, a| Ok(to_text(if boolean(&a[0]) { "true" } else { "false" }))),
    ("oidtoi8", |_, a| Ok(Datum::Int8(i64::from(oid(&a[0]).0)))),
    ("i8tooid", bigint_to_oid),
    ("oidlarger", |_, a| Ok(Datum::Oid(oid(&a[0]).max(oid(&a[1]))))),
    ("oidsmaller", |_, a| Ok(Datum::Oid(oid(&a[0]).min(oid(&a[1]))))),
    ("xid8toxid", |_, a| Ok(Datum::Oid(Oid((int8(&a[0]) & 0xffff_ffff) as u32)))),
    ("xideq", |_, a| Ok(Datum::Bool(a[0].as_i64() == a[1].as_i64()))),
    ("xidneq", |_, a| Ok(Datum::Bool(a[0].as_i64() != a[1].as_i64()))),
    ("nameconcatoid", |_, a| {
        let suffix = format!("_{}", oid(&a[1]));
        let name = text(&a[0]);
        let mut room = name.len().min(63 - suffix.len());
        while !name.is_char_boundary(room) {
            room -= 1;
        }
        Ok(to_text(format!("{}{suffix}", &name[..room])))
    }),
];

//! Casts between pgvector's types and arrays, and the functions that apply a type modifier.
//!
//! A cast function is called with the value, the target's modifier (-1 for none) and whether the cast is explicit; when
//! called as a plain function the modifier may be missing.

use std::sync::Arc;

use half::f16;

use super::args::{int4, text};
use super::array::array;
use super::sparsevec::sparse;
use super::vector::{Dense, Half, Single};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::ArrayValue;
use crate::types::sparsevec::SparseVec;
use crate::types::typmod::{coerce, parse_typmod};
use crate::types::vector::{check_dimensions, check_element};
use crate::types::{Datum, Oid, SqlType, halfvec, io, wire};

fn typmod(args: &[Datum]) -> i32 {
    match args.get(1) {
        Some(Datum::Int4(typmod)) => *typmod,
        _ => -1,
    }
}

/// Applies the modifier to a result of type `oid`.
fn fit(value: Datum, oid: Oid, args: &[Datum]) -> Result<Datum> {
    coerce(value, SqlType::with(oid, typmod(args)), true)
}

fn check_typmod(count: usize, args: &[Datum]) -> Result<()> {
    let typmod = typmod(args);
    if typmod != -1 && usize::try_from(typmod) != Ok(count) {
        bail!(DATA_EXCEPTION, "expected {typmod} dimensions, not {count}");
    }
    Ok(())
}

/// The elements of an array of numbers in `f32`, as far as pgvector accepts them.
fn array_elements(args: &[Datum], name: &str) -> Result<Vec<f32>> {
    let Datum::Array(array) = &args[0] else { panic!("expected an array, found {:?}", args[0]) };
    if array.dims.len() > 1 {
        bail!(DATA_EXCEPTION, "array must be 1-D");
    }
    if array.items.iter().any(Datum::is_null) {
        bail!(NULL_VALUE_NOT_ALLOWED, "array must not contain nulls");
    }
    // A sparse vector has far more dimensions than an array has items; its elements are counted later.
    if name != "sparsevec" || array.items.is_empty() {
        check_dimensions(array.items.len(), name)?;
    }
    check_typmod(array.items.len(), args)?;
    array
        .items
        .iter()
        .map(|item| match item {
            Datum::Int4(value) => Ok(*value as f32),
            Datum::Float4(value) => Ok(*value),
            Datum::Float8(value) => Ok(*value as f32),
            Datum::Numeric(value) => value.to_f32(),
            _ => bail!(DATA_EXCEPTION, "unsupported array type"),
        })
        .collect()
}

fn array_to_vector(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Single::checked(array_elements(args, "vector")?)
}

fn array_to_halfvec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = array_elements(args, "halfvec")?.into_iter().map(halfvec::narrow).collect::<Result<Vec<f16>>>()?;
    Half::checked(elements)
}

fn array_to_sparsevec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = array_elements(args, "sparsevec")?;
    let made = SparseVec::from_dense(elements.iter().copied())?;
    for element in &made.values {
        check_element(*element, "sparsevec")?;
    }
    Ok(Datum::SparseVec(Arc::new(made)))
}

fn real_array(elements: impl Iterator<Item = f32>) -> Result<Datum> {
    Ok(Datum::Array(Arc::new(ArrayValue::from_items(Oid::FLOAT4, elements.map(Datum::Float4).collect()))))
}

fn vector_to_halfvec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = Single::elements(&args[0]);
    check_typmod(elements.len(), args)?;
    Ok(Half::make(elements.iter().map(|element| halfvec::narrow(*element)).collect::<Result<Vec<f16>>>()?))
}

fn halfvec_to_vector(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = Half::elements(&args[0]);
    check_typmod(elements.len(), args)?;
    Ok(Single::make(elements.iter().map(|element| element.to_f32()).collect()))
}

fn vector_to_sparsevec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = Single::elements(&args[0]);
    check_typmod(elements.len(), args)?;
    Ok(Datum::SparseVec(Arc::new(SparseVec::from_dense(elements.iter().copied())?)))
}

fn halfvec_to_sparsevec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = Half::elements(&args[0]);
    check_typmod(elements.len(), args)?;
    Ok(Datum::SparseVec(Arc::new(SparseVec::from_dense(elements.iter().map(|element| element.to_f32()))?)))
}

/// The dimensions of a sparse vector that becomes a dense one of type `name`.
fn check_dense(value: &SparseVec, args: &[Datum], name: &str) -> Result<()> {
    check_dimensions(value.dims as usize, name)?;
    check_typmod(value.dims as usize, args)
}

fn sparsevec_to_vector(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = sparse(&args[0]);
    check_dense(value, args, "vector")?;
    Ok(Single::make(value.to_dense()))
}

fn sparsevec_to_halfvec(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = sparse(&args[0]);
    check_dense(value, args, "halfvec")?;
    Ok(Half::make(value.to_dense().into_iter().map(halfvec::narrow).collect::<Result<Vec<f16>>>()?))
}

/// `vector_in(text, type, typmod)` called by name.
fn read(ctx: &FnContext<'_>, args: &[Datum], oid: Oid) -> Result<Datum> {
    let typmod = args.get(2).map_or(-1, int4);
    let value = io::input(text(&args[0]), SqlType::of(oid), &ctx.io())?;
    coerce(value, SqlType::with(oid, typmod), false)
}

fn print(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::text(io::to_text(&args[0], ctx.arg_type(0).oid, &ctx.io())?))
}

fn send(ctx: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut bytes = Vec::new();
    wire::send(&args[0], ctx.arg_type(0).oid, &ctx.io(), &mut bytes)?;
    Ok(Datum::Bytea(bytes.into()))
}

/// A type modifier from its texts.
fn modifier(args: &[Datum], oid: Oid) -> Result<Datum> {
    let words: Vec<&str> = array(&args[0]).items.iter().filter_map(Datum::as_text).collect();
    parse_typmod(oid, &words).map(Datum::Int4)
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("vector_in", |ctx, args| read(ctx, args, Oid::VECTOR)),
    ("vector_out", print),
    ("vector_send", send),
    ("vector_typmod_in", |_, args| modifier(args, Oid::VECTOR)),
    ("halfvec_in", |ctx, args| read(ctx, args, Oid::HALFVEC)),
    ("halfvec_out", print),
    ("halfvec_send", send),
    ("halfvec_typmod_in", |_, args| modifier(args, Oid::HALFVEC)),
    ("sparsevec_in", |ctx, args| read(ctx, args, Oid::SPARSEVEC)),
    ("sparsevec_out", print),
    ("sparsevec_send", send),
    ("sparsevec_typmod_in", |_, args| modifier(args, Oid::SPARSEVEC)),
    ("vector", |_, args| fit(args[0].clone(), Oid::VECTOR, args)),
    ("halfvec", |_, args| fit(args[0].clone(), Oid::HALFVEC, args)),
    ("sparsevec", |_, args| fit(args[0].clone(), Oid::SPARSEVEC, args)),
    ("array_to_vector", array_to_vector),
    ("array_to_halfvec", array_to_halfvec),
    ("array_to_sparsevec", array_to_sparsevec),
    ("vector_to_float4", |_, args| real_array(Single::elements(&args[0]).iter().copied())),
    ("halfvec_to_float4", |_, args| real_array(Half::elements(&args[0]).iter().map(|element| element.to_f32()))),
    ("vector_to_halfvec", vector_to_halfvec),
    ("halfvec_to_vector", halfvec_to_vector),
    ("vector_to_sparsevec", vector_to_sparsevec),
    ("halfvec_to_sparsevec", halfvec_to_sparsevec),
    ("sparsevec_to_vector", sparsevec_to_vector),
    ("sparsevec_to_halfvec", sparsevec_to_halfvec),
];

//! Casts between pgvector's types and arrays, and the functions that apply a type modifier.
//!
//! A cast function is called with the value, the target's modifier (-1 for none) and whether the cast is explicit; when
//! called as a plain function the modifier may be missing.

use std::sync::Arc;

use half::f16;

use super::sparsevec::sparse;
use super::vector::{Dense, Half, Single};
use crate::bail;
use crate::error::Result;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::array::ArrayValue;
use crate::types::sparsevec::SparseVec;
use crate::types::typmod::coerce;
use crate::types::vector::{check_dimensions, check_element};
use crate::types::{Datum, Oid, SqlType, halfvec};

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
    check_dimensions(array.items.len(), name)?;
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

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
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

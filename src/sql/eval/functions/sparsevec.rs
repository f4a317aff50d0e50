//! pgvector's functions of `sparsevec`.
//!
//! Distances walk both lists of indices once, as merging does; sums are in `f32` as pgvector's are.

use std::cmp::Ordering;
use std::sync::Arc;

use super::vector::overflow;
use crate::bail;
use crate::error::Result;
use crate::simd::cosine_distance;
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::Datum;
use crate::types::sparsevec::SparseVec;

pub(super) fn sparse(datum: &Datum) -> &SparseVec {
    match datum {
        Datum::SparseVec(value) => value,
        other => panic!("expected sparsevec, found {other:?}"),
    }
}

fn sides(args: &[Datum]) -> Result<(&SparseVec, &SparseVec)> {
    let (left, right) = (sparse(&args[0]), sparse(&args[1]));
    if left.dims != right.dims {
        bail!(DATA_EXCEPTION, "different sparsevec dimensions {} and {}", left.dims, right.dims);
    }
    Ok((left, right))
}

/// Sums a term over all places where either side is not zero.
#[must_use]
pub fn merge_sum(left: &SparseVec, right: &SparseVec, term: impl Fn(f32, f32) -> f32) -> f32 {
    let (mut i, mut j, mut total) = (0, 0, 0.0);
    while i < left.indices.len() || j < right.indices.len() {
        let order = match (left.indices.get(i), right.indices.get(j)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let a = if order.is_le() { left.values[i] } else { 0.0 };
        let b = if order.is_ge() { right.values[j] } else { 0.0 };
        total += term(a, b);
        i += usize::from(order.is_le());
        j += usize::from(order.is_ge());
    }
    total
}

/// Squared Euclidean distance of vectors with the same dimensions.
#[must_use]
pub fn sparse_l2_squared(left: &SparseVec, right: &SparseVec) -> f32 {
    merge_sum(left, right, |a, b| (a - b) * (a - b))
}

/// Inner product of vectors with the same dimensions.
#[must_use]
pub fn sparse_inner_product(left: &SparseVec, right: &SparseVec) -> f32 {
    merge_sum(left, right, |a, b| a * b)
}

/// Sum of absolute differences of vectors with the same dimensions.
#[must_use]
pub fn sparse_l1(left: &SparseVec, right: &SparseVec) -> f32 {
    merge_sum(left, right, |a, b| (a - b).abs())
}

/// Cosine distance of vectors with the same dimensions; NaN when one is zero.
#[must_use]
pub fn sparse_cosine(left: &SparseVec, right: &SparseVec) -> f64 {
    let square = |value: &SparseVec| value.values.iter().map(|element| element * element).sum::<f32>();
    cosine_distance((sparse_inner_product(left, right), square(left), square(right)))
}

fn norm_of(value: &SparseVec) -> f64 {
    // Sums of nothing are -0.
    value.values.iter().fold(0.0, |sum, element| sum + f64::from(*element) * f64::from(*element)).sqrt()
}

fn float(value: f32) -> Result<Datum> {
    Ok(Datum::Float8(f64::from(value)))
}

fn normalize(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let value = sparse(&args[0]);
    let norm = norm_of(value);
    let mut scaled = SparseVec { dims: value.dims, indices: Vec::new(), values: Vec::new() };
    if norm > 0.0 {
        for (index, element) in value.indices.iter().zip(&value.values) {
            let element = (f64::from(*element) / norm) as f32;
            if element.is_infinite() {
                return overflow();
            }
            if element != 0.0 {
                scaled.indices.push(*index);
                scaled.values.push(element);
            }
        }
    }
    Ok(Datum::SparseVec(Arc::new(scaled)))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("sparsevec_l2_distance", |_, args| {
        let (a, b) = sides(args)?;
        Ok(Datum::Float8(f64::from(sparse_l2_squared(a, b)).sqrt()))
    }),
    ("sparsevec_l2_squared_distance", |_, args| sides(args).and_then(|(a, b)| float(sparse_l2_squared(a, b)))),
    ("sparsevec_inner_product", |_, args| sides(args).and_then(|(a, b)| float(sparse_inner_product(a, b)))),
    ("sparsevec_negative_inner_product", |_, args| {
        let (a, b) = sides(args)?;
        Ok(Datum::Float8(-f64::from(sparse_inner_product(a, b))))
    }),
    ("sparsevec_cosine_distance", |_, args| {
        let (a, b) = sides(args)?;
        Ok(Datum::Float8(sparse_cosine(a, b)))
    }),
    ("sparsevec_l1_distance", |_, args| sides(args).and_then(|(a, b)| float(sparse_l1(a, b)))),
    ("sparsevec_l2_norm", |_, args| Ok(Datum::Float8(norm_of(sparse(&args[0]))))),
    ("sparsevec_l2_normalize", normalize),
];

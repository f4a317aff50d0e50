//! Distances between a column of vectors and one vector, on stored bytes: no row becomes a value.
//!
//! Same kernels and same finishing as the functions of `functions/vector.rs`, so the same bits.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Float64Array};
use half::f16;

use crate::bail;
use crate::error::Result;
use crate::simd::{cosine_distance, kernels};
use crate::sql::eval::kernels::Operand;
use crate::types::Datum;

/// A distance between a vector and the bytes of a stored one.
type Measure<E> = fn(&[E], &[u8]) -> f64;

/// The measure of a `vector` function.
fn single(source: &str) -> Option<Measure<f32>> {
    Some(match source {
        "l2_distance" => |a, b| f64::from((kernels().l2_squared_bytes)(a, b)).sqrt(),
        "vector_l2_squared_distance" => |a, b| f64::from((kernels().l2_squared_bytes)(a, b)),
        "inner_product" => |a, b| f64::from((kernels().inner_product_bytes)(a, b)),
        "vector_negative_inner_product" => |a, b| -f64::from((kernels().inner_product_bytes)(a, b)),
        "cosine_distance" => |a, b| cosine_distance((kernels().cosine_parts_bytes)(a, b)),
        "l1_distance" => |a, b| f64::from((kernels().l1_bytes)(a, b)),
        _ => return None,
    })
}

/// The measure of a `halfvec` function.
fn half(source: &str) -> Option<Measure<f16>> {
    Some(match source {
        "halfvec_l2_distance" => |a, b| f64::from((kernels().half_l2_squared_bytes)(a, b)).sqrt(),
        "halfvec_l2_squared_distance" => |a, b| f64::from((kernels().half_l2_squared_bytes)(a, b)),
        "halfvec_inner_product" => |a, b| f64::from((kernels().half_inner_product_bytes)(a, b)),
        "halfvec_negative_inner_product" => |a, b| -f64::from((kernels().half_inner_product_bytes)(a, b)),
        "halfvec_cosine_distance" => |a, b| cosine_distance((kernels().half_cosine_parts_bytes)(a, b)),
        "halfvec_l1_distance" => |a, b| f64::from((kernels().half_l1_bytes)(a, b)),
        _ => return None,
    })
}

/// Whether a function of two arguments is a distance that this file computes.
pub(super) fn is_distance(source: &str) -> bool {
    single(source).is_some() || half(source).is_some()
}

/// Distances of all rows; `None` when not exactly one side is a column.
///
/// # Errors
/// `22000` for vectors of another number of dimensions.
pub(super) fn distances(source: &str, left: &Operand, right: &Operand) -> Result<Option<ArrayRef>> {
    let (column, vector, swapped) = match (left, right) {
        (Operand::Column(column), Operand::Scalar(vector)) => (column, vector, false),
        (Operand::Scalar(vector), Operand::Column(column)) => (column, vector, true),
        _ => return Ok(None),
    };
    match vector {
        Datum::Vector(vector) => match single(source) {
            Some(measure) => measured(column, vector, "vector", swapped, measure).map(Some),
            None => Ok(None),
        },
        Datum::HalfVec(vector) => match half(source) {
            Some(measure) => measured(column, vector, "halfvec", swapped, measure).map(Some),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

fn measured<E>(column: &ArrayRef, vector: &[E], name: &str, swapped: bool, measure: Measure<E>) -> Result<ArrayRef> {
    let rows = column.as_binary_view();
    let mut out = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        if rows.is_null(row) {
            out.push(0.0);
            continue;
        }
        let bytes = rows.value(row);
        let dims = bytes.len() / size_of::<E>();
        if dims != vector.len() {
            let (first, second) = if swapped { (vector.len(), dims) } else { (dims, vector.len()) };
            bail!(DATA_EXCEPTION, "different {name} dimensions {first} and {second}");
        }
        out.push(measure(vector, bytes));
    }
    Ok(Arc::new(Float64Array::new(out.into(), rows.nulls().cloned())))
}

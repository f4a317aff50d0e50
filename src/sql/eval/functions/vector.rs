//! pgvector's functions of `vector` and `halfvec`: distances, norms, arithmetic.
//!
//! Both types share one generic body over [`Dense`]. Distances come from the kernels of `simd`, which accumulate in `f32`
//! as pgvector does; norms accumulate in `f64`. Comparison functions need no code: the registry derives them.

use std::sync::Arc;

use half::f16;

use super::args::int4;
use crate::bail;
use crate::error::Result;
use crate::simd::{CosineParts, cosine_distance, kernels};
use crate::sql::eval::{FnContext, ScalarFn};
use crate::types::bit::BitString;
use crate::types::vector::check_dimensions;
use crate::types::{Datum, halfvec, vector};

/// One of the two dense vector types.
pub(super) trait Dense {
    /// An element.
    type Element: Copy;
    /// The type's name in messages.
    const NAME: &'static str;
    /// The elements of a value.
    fn elements(datum: &Datum) -> &[Self::Element];
    /// A value of elements that have been checked.
    fn make(elements: Vec<Self::Element>) -> Datum;
    fn widen(element: Self::Element) -> f32;
    /// Rounds; infinite when it does not fit.
    fn narrow(value: f32) -> Self::Element;
    fn l2_squared(a: &[Self::Element], b: &[Self::Element]) -> f32;
    fn inner_product(a: &[Self::Element], b: &[Self::Element]) -> f32;
    fn l1(a: &[Self::Element], b: &[Self::Element]) -> f32;
    fn cosine_parts(a: &[Self::Element], b: &[Self::Element]) -> CosineParts;
    /// Makes a value after checking dimensions and elements.
    fn checked(elements: Vec<Self::Element>) -> Result<Datum>;
}

/// `vector`.
pub(super) struct Single;
/// `halfvec`.
pub(super) struct Half;

impl Dense for Single {
    type Element = f32;
    const NAME: &'static str = "vector";

    fn elements(datum: &Datum) -> &[f32] {
        match datum {
            Datum::Vector(elements) => elements,
            other => panic!("expected vector, found {other:?}"),
        }
    }

    fn make(elements: Vec<f32>) -> Datum {
        Datum::Vector(elements.into())
    }

    fn widen(element: f32) -> f32 {
        element
    }

    fn narrow(value: f32) -> f32 {
        value
    }

    fn l2_squared(a: &[f32], b: &[f32]) -> f32 {
        (kernels().l2_squared)(a, b)
    }

    fn inner_product(a: &[f32], b: &[f32]) -> f32 {
        (kernels().inner_product)(a, b)
    }

    fn l1(a: &[f32], b: &[f32]) -> f32 {
        (kernels().l1)(a, b)
    }

    fn cosine_parts(a: &[f32], b: &[f32]) -> CosineParts {
        (kernels().cosine_parts)(a, b)
    }

    fn checked(elements: Vec<f32>) -> Result<Datum> {
        vector::from_elements(elements)
    }
}

impl Dense for Half {
    type Element = f16;
    const NAME: &'static str = "halfvec";

    fn elements(datum: &Datum) -> &[f16] {
        match datum {
            Datum::HalfVec(elements) => elements,
            other => panic!("expected halfvec, found {other:?}"),
        }
    }

    fn make(elements: Vec<f16>) -> Datum {
        Datum::HalfVec(elements.into())
    }

    fn widen(element: f16) -> f32 {
        element.to_f32()
    }

    fn narrow(value: f32) -> f16 {
        f16::from_f32(value)
    }

    fn l2_squared(a: &[f16], b: &[f16]) -> f32 {
        (kernels().half_l2_squared)(a, b)
    }

    fn inner_product(a: &[f16], b: &[f16]) -> f32 {
        (kernels().half_inner_product)(a, b)
    }

    fn l1(a: &[f16], b: &[f16]) -> f32 {
        (kernels().half_l1)(a, b)
    }

    fn cosine_parts(a: &[f16], b: &[f16]) -> CosineParts {
        (kernels().half_cosine_parts)(a, b)
    }

    fn checked(elements: Vec<f16>) -> Result<Datum> {
        halfvec::from_elements(elements)
    }
}

/// The elements of both sides.
type Pair<'a, D> = (&'a [<D as Dense>::Element], &'a [<D as Dense>::Element]);

/// Both sides, which must have the same number of dimensions.
fn sides<'a, D: Dense>(left: &'a Datum, right: &'a Datum) -> Result<Pair<'a, D>> {
    let (left, right) = (D::elements(left), D::elements(right));
    if left.len() != right.len() {
        let name = D::NAME;
        bail!(DATA_EXCEPTION, "different {name} dimensions {} and {}", left.len(), right.len());
    }
    Ok((left, right))
}

fn l2_squared<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(f64::from(D::l2_squared(a, b))))
}

fn l2<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(f64::from(D::l2_squared(a, b)).sqrt()))
}

fn inner_product<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(f64::from(D::inner_product(a, b))))
}

fn negative_inner_product<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(-f64::from(D::inner_product(a, b))))
}

fn cosine<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(cosine_distance(D::cosine_parts(a, b))))
}

fn l1<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    Ok(Datum::Float8(f64::from(D::l1(a, b))))
}

/// The angle between unit vectors over pi.
fn spherical<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    let cosine = f64::from(D::inner_product(a, b)).clamp(-1.0, 1.0);
    Ok(Datum::Float8(cosine.acos() / std::f64::consts::PI))
}

fn dims<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let count = D::elements(&args[0]).len();
    Ok(Datum::Int4(i32::try_from(count).expect("vectors are short")))
}

/// The Euclidean norm, accumulated in `f64`.
fn norm_of<D: Dense>(elements: &[D::Element]) -> f64 {
    let square = |element: &D::Element| {
        let wide = f64::from(D::widen(*element));
        wide * wide
    };
    elements.iter().map(square).sum::<f64>().sqrt()
}

fn norm<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    Ok(Datum::Float8(norm_of::<D>(D::elements(&args[0]))))
}

pub(super) fn overflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: overflow")
}

fn underflow<T>() -> Result<T> {
    bail!(NUMERIC_VALUE_OUT_OF_RANGE, "value out of range: underflow")
}

fn normalize<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = D::elements(&args[0]);
    let norm = norm_of::<D>(elements);
    if norm == 0.0 {
        return Ok(D::make(elements.iter().map(|_| D::narrow(0.0)).collect()));
    }
    let scaled: Vec<_> = elements.iter().map(|e| D::narrow((f64::from(D::widen(*e)) / norm) as f32)).collect();
    if scaled.iter().any(|element| D::widen(*element).is_infinite()) {
        return overflow();
    }
    Ok(D::make(scaled))
}

fn binary_quantize<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = D::elements(&args[0]);
    let mut bits = BitString::zeros(u32::try_from(elements.len()).expect("vectors are short"));
    for (index, element) in (0..).zip(elements) {
        if D::widen(*element) > 0.0 {
            bits.set(index, true);
        }
    }
    Ok(Datum::Bit(Arc::new(bits)))
}

fn subvector<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = D::elements(&args[0]);
    let (start, count) = (i64::from(int4(&args[1])), i64::from(int4(&args[2])));
    let length = elements.len() as i64;
    let end = (start + count.max(0)).min(length + 1);
    let start = start.max(1);
    if start >= end {
        check_dimensions(0, D::NAME)?;
    }
    Ok(D::make(elements[start as usize - 1..end as usize - 1].to_vec()))
}

fn zip_with<D: Dense>(args: &[Datum], op: fn(f32, f32) -> f32) -> Result<Vec<D::Element>> {
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    let result: Vec<_> = a.iter().zip(b).map(|(a, b)| D::narrow(op(D::widen(*a), D::widen(*b)))).collect();
    if result.iter().any(|element| D::widen(*element).is_infinite()) {
        return overflow();
    }
    Ok(result)
}

fn add<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    zip_with::<D>(args, |a, b| a + b).map(D::make)
}

fn sub<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    zip_with::<D>(args, |a, b| a - b).map(D::make)
}

fn mul<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let product = zip_with::<D>(args, |a, b| a * b)?;
    let (a, b) = sides::<D>(&args[0], &args[1])?;
    let is_zero = |element: &D::Element| D::widen(*element) == 0.0;
    let lost = product.iter().zip(a.iter().zip(b)).any(|(p, (a, b))| is_zero(p) && !is_zero(a) && !is_zero(b));
    if lost { underflow() } else { Ok(D::make(product)) }
}

fn concat<D: Dense>(_: &FnContext<'_>, args: &[Datum]) -> Result<Datum> {
    let elements = [D::elements(&args[0]), D::elements(&args[1])].concat();
    check_dimensions(elements.len(), D::NAME)?;
    Ok(D::make(elements))
}

/// Functions by `prosrc`.
pub const FUNCTIONS: &[(&str, ScalarFn)] = &[
    ("l2_distance", l2::<Single>),
    ("inner_product", inner_product::<Single>),
    ("cosine_distance", cosine::<Single>),
    ("l1_distance", l1::<Single>),
    ("vector_dims", dims::<Single>),
    ("vector_norm", norm::<Single>),
    ("l2_normalize", normalize::<Single>),
    ("binary_quantize", binary_quantize::<Single>),
    ("subvector", subvector::<Single>),
    ("vector_add", add::<Single>),
    ("vector_sub", sub::<Single>),
    ("vector_mul", mul::<Single>),
    ("vector_concat", concat::<Single>),
    ("vector_l2_squared_distance", l2_squared::<Single>),
    ("vector_negative_inner_product", negative_inner_product::<Single>),
    ("vector_spherical_distance", spherical::<Single>),
    ("halfvec_l2_distance", l2::<Half>),
    ("halfvec_inner_product", inner_product::<Half>),
    ("halfvec_cosine_distance", cosine::<Half>),
    ("halfvec_l1_distance", l1::<Half>),
    ("halfvec_vector_dims", dims::<Half>),
    ("halfvec_l2_norm", norm::<Half>),
    ("halfvec_l2_normalize", normalize::<Half>),
    ("halfvec_binary_quantize", binary_quantize::<Half>),
    ("halfvec_subvector", subvector::<Half>),
    ("halfvec_add", add::<Half>),
    ("halfvec_sub", sub::<Half>),
    ("halfvec_mul", mul::<Half>),
    ("halfvec_concat", concat::<Half>),
    ("halfvec_l2_squared_distance", l2_squared::<Half>),
    ("halfvec_negative_inner_product", negative_inner_product::<Half>),
    ("halfvec_spherical_distance", spherical::<Half>),
];

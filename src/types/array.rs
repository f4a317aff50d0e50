//! PostgreSQL arrays: any number of dimensions, each with its own lower bound.

use crate::types::{Datum, Oid};

/// An array value; `items` in row-major order.
#[derive(Clone, Debug)]
pub struct ArrayValue {
    /// The element type.
    pub element: Oid,
    /// Length and lower bound of each dimension; empty for the empty array.
    pub dims: Vec<ArrayDim>,
    /// The elements; their count is the product of the lengths.
    pub items: Vec<Datum>,
}

/// One dimension of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayDim {
    /// Number of elements, at least 1.
    pub length: i32,
    /// Subscript of the first element, usually 1.
    pub lower_bound: i32,
}

impl ArrayValue {
    /// A one-dimensional array with lower bound 1; no items make the empty array.
    #[must_use]
    pub fn from_items(element: Oid, items: Vec<Datum>) -> Self {
        let dims = match i32::try_from(items.len()).expect("arrays are shorter than 2^31") {
            0 => Vec::new(),
            length => vec![ArrayDim { length, lower_bound: 1 }],
        };
        Self { element, dims, items }
    }
}

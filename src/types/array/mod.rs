//! PostgreSQL arrays: up to six dimensions, each with its own lower bound.
//!
//! The number of items is the product of the dimensions' lengths and no dimension is empty: an array without items
//! has no dimensions. [`text`] and [`binary`] keep that for what comes from outside.

pub(crate) mod binary;
mod text;

use crate::bail;
use crate::error::Result;
use crate::types::{Datum, Oid};

pub use binary::{recv, send};
pub use text::{input, input_int_vector, output};

/// The most dimensions of an array.
pub const MAX_DIMENSIONS: usize = 6;
/// The most items of an array.
pub const MAX_ITEMS: usize = 134_217_727;

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

    /// Makes an array, without dimensions when it has no items.
    ///
    /// # Errors
    /// `54000` beyond the limits of size and subscripts.
    ///
    /// # Panics
    /// When the items are not as many as the dimensions say.
    pub fn with_dims(element: Oid, dims: Vec<ArrayDim>, items: Vec<Datum>) -> Result<Self> {
        if items.is_empty() {
            return Ok(Self { element, dims: Vec::new(), items });
        }
        check_shape(&dims)?;
        let product: i64 = dims.iter().map(|dim| i64::from(dim.length)).product();
        assert_eq!(product, items.len() as i64, "an array has as many items as its shape says");
        Ok(Self { element, dims, items })
    }
}

/// Checks a shape's size and subscripts; returns the number of items.
///
/// # Errors
/// `54000`.
pub fn check_shape(dims: &[ArrayDim]) -> Result<usize> {
    if dims.len() > MAX_DIMENSIONS {
        let count = dims.len();
        bail!(
            PROGRAM_LIMIT_EXCEEDED,
            "number of array dimensions ({count}) exceeds the maximum allowed ({MAX_DIMENSIONS})"
        );
    }
    if dims.is_empty() {
        return Ok(0);
    }
    let mut count = 1usize;
    for dim in dims {
        count = match usize::try_from(dim.length).ok().and_then(|length| count.checked_mul(length)) {
            Some(count) if count <= MAX_ITEMS => count,
            _ => bail!(PROGRAM_LIMIT_EXCEEDED, "array size exceeds the maximum allowed ({MAX_ITEMS})"),
        };
    }
    for dim in dims {
        if dim.lower_bound.checked_add(dim.length).is_none() {
            let lower = dim.lower_bound;
            bail!(PROGRAM_LIMIT_EXCEEDED, "array lower bound is too large: {lower}");
        }
    }
    Ok(count)
}

/// The element type of a built-in array type (`int2vector` and `oidvector` included); `None` for anything else.
#[must_use]
pub fn builtin_element(oid: Oid) -> Option<Oid> {
    match oid {
        Oid::INT2VECTOR => return Some(Oid::INT2),
        Oid::OIDVECTOR => return Some(Oid::OID),
        _ => {}
    }
    element_of_array(oid)
}

/// The element type of a true array type.
fn element_of_array(oid: Oid) -> Option<Oid> {
    Some(match oid {
        Oid::XML_ARRAY => Oid::XML,
        Oid::JSON_ARRAY => Oid::JSON,
        Oid::XID8_ARRAY => Oid::XID8,
        Oid::CIDR_ARRAY => Oid::CIDR,
        Oid::MONEY_ARRAY => Oid::MONEY,
        Oid::BOOL_ARRAY => Oid::BOOL,
        Oid::BYTEA_ARRAY => Oid::BYTEA,
        Oid::INTERNAL_CHAR_ARRAY => Oid::INTERNAL_CHAR,
        Oid::NAME_ARRAY => Oid::NAME,
        Oid::INT2_ARRAY => Oid::INT2,
        Oid::INT2VECTOR_ARRAY => Oid::INT2VECTOR,
        Oid::INT4_ARRAY => Oid::INT4,
        Oid::REGPROC_ARRAY => Oid::REGPROC,
        Oid::TEXT_ARRAY => Oid::TEXT,
        Oid::TID_ARRAY => Oid::TID,
        Oid::XID_ARRAY => Oid::XID,
        Oid::CID_ARRAY => Oid::CID,
        Oid::OIDVECTOR_ARRAY => Oid::OIDVECTOR,
        Oid::BPCHAR_ARRAY => Oid::BPCHAR,
        Oid::VARCHAR_ARRAY => Oid::VARCHAR,
        Oid::INT8_ARRAY => Oid::INT8,
        Oid::POINT_ARRAY => Oid::POINT,
        Oid::FLOAT4_ARRAY => Oid::FLOAT4,
        Oid::FLOAT8_ARRAY => Oid::FLOAT8,
        Oid::OID_ARRAY => Oid::OID,
        Oid::ACLITEM_ARRAY => Oid::ACLITEM,
        Oid::MACADDR_ARRAY => Oid::MACADDR,
        Oid::INET_ARRAY => Oid::INET,
        Oid::TIMESTAMP_ARRAY => Oid::TIMESTAMP,
        Oid::DATE_ARRAY => Oid::DATE,
        Oid::TIME_ARRAY => Oid::TIME,
        Oid::TIMESTAMPTZ_ARRAY => Oid::TIMESTAMPTZ,
        Oid::INTERVAL_ARRAY => Oid::INTERVAL,
        Oid::NUMERIC_ARRAY => Oid::NUMERIC,
        Oid::CSTRING_ARRAY => Oid::CSTRING,
        Oid::TIMETZ_ARRAY => Oid::TIMETZ,
        Oid::BIT_ARRAY => Oid::BIT,
        Oid::VARBIT_ARRAY => Oid::VARBIT,
        Oid::REFCURSOR_ARRAY => Oid::REFCURSOR,
        Oid::REGPROCEDURE_ARRAY => Oid::REGPROCEDURE,
        Oid::REGOPER_ARRAY => Oid::REGOPER,
        Oid::REGOPERATOR_ARRAY => Oid::REGOPERATOR,
        Oid::REGCLASS_ARRAY => Oid::REGCLASS,
        Oid::REGTYPE_ARRAY => Oid::REGTYPE,
        Oid::RECORD_ARRAY => Oid::RECORD,
        Oid::UUID_ARRAY => Oid::UUID,
        Oid::PG_LSN_ARRAY => Oid::PG_LSN,
        Oid::TSVECTOR_ARRAY => Oid::TSVECTOR,
        Oid::TSQUERY_ARRAY => Oid::TSQUERY,
        Oid::REGCONFIG_ARRAY => Oid::REGCONFIG,
        Oid::REGDICTIONARY_ARRAY => Oid::REGDICTIONARY,
        Oid::JSONB_ARRAY => Oid::JSONB,
        Oid::INT4RANGE_ARRAY => Oid::INT4RANGE,
        Oid::NUMRANGE_ARRAY => Oid::NUMRANGE,
        Oid::TSRANGE_ARRAY => Oid::TSRANGE,
        Oid::TSTZRANGE_ARRAY => Oid::TSTZRANGE,
        Oid::DATERANGE_ARRAY => Oid::DATERANGE,
        Oid::INT8RANGE_ARRAY => Oid::INT8RANGE,
        Oid::JSONPATH_ARRAY => Oid::JSONPATH,
        Oid::REGNAMESPACE_ARRAY => Oid::REGNAMESPACE,
        Oid::REGROLE_ARRAY => Oid::REGROLE,
        Oid::REGCOLLATION_ARRAY => Oid::REGCOLLATION,
        Oid::VECTOR_ARRAY => Oid::VECTOR,
        Oid::HALFVEC_ARRAY => Oid::HALFVEC,
        Oid::SPARSEVEC_ARRAY => Oid::SPARSEVEC,
        _ => return None,
    })
}

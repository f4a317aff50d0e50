//! The binary form of arrays: number of dimensions, a flag for NULLs, the element type, length and lower bound of each
//! dimension, then the elements behind their lengths, -1 for NULL.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::types::array::{ArrayDim, ArrayValue, check_shape};
use crate::types::io::IoContext;
use crate::types::wire::{self, Message};
use crate::types::{Datum, Oid, SqlType};

/// Reads the binary form as a value of array type `oid`.
///
/// # Errors
/// `22P03` and `42804` for bytes that are not such an array; the element type's own errors.
pub fn recv(bytes: &[u8], oid: Oid, element: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    let mut message = Message(bytes);
    let (count, flags, found) = (message.i32()?, message.i32()?, Oid(message.u32()?));
    if count < 0 {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid number of dimensions: {count}");
    }
    if count > 6 {
        bail!(PROGRAM_LIMIT_EXCEEDED, "number of array dimensions ({count}) exceeds the maximum allowed (6)");
    }
    if !matches!(flags, 0 | 1) {
        bail!(INVALID_BINARY_REPRESENTATION, "invalid array flags");
    }
    if found != element.oid {
        let (found_name, name) = (ctx.lookup.type_name(found), ctx.lookup.type_name(element.oid));
        bail!(
            DATATYPE_MISMATCH,
            "binary data has array element type {found} ({found_name}) instead of expected {} ({name})",
            element.oid
        );
    }
    let mut dims = Vec::new();
    for _ in 0..count {
        dims.push(ArrayDim { length: message.i32()?, lower_bound: message.i32()? });
    }
    let items = check_shape(&dims)?;
    if items == 0 {
        message.end()?;
        return Ok(Datum::Array(Arc::new(ArrayValue { element: element.oid, dims: Vec::new(), items: Vec::new() })));
    }
    if matches!(oid, Oid::INT2VECTOR | Oid::OIDVECTOR) && (dims.len() != 1 || dims[0].lower_bound != 0) {
        let name = ctx.lookup.type_name(oid);
        bail!(INVALID_BINARY_REPRESENTATION, "invalid {name} data");
    }
    let mut values = Vec::with_capacity(items.min(message.0.len() / 4 + 1));
    for index in 1..=items {
        values.push(recv_item(&mut message, index, element, ctx)?);
    }
    message.end()?;
    Ok(Datum::Array(Arc::new(ArrayValue { element: element.oid, dims, items: values })))
}

fn recv_item(message: &mut Message<'_>, index: usize, element: SqlType, ctx: &IoContext<'_>) -> Result<Datum> {
    let length = message.i32()?;
    if length == -1 {
        return Ok(Datum::Null);
    }
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= message.0.len()) else {
        bail!(INVALID_BINARY_REPRESENTATION, "insufficient data left in message");
    };
    let item = message.take(length)?;
    wire::recv(item, element, ctx).map_err(|error| {
        let trailing = error.report().message == wire::TRAILING;
        if trailing {
            crate::error!(INVALID_BINARY_REPRESENTATION, "improper binary format in array element {index}")
        } else {
            error
        }
    })
}

/// Appends the binary form.
///
/// # Errors
/// The element type's own errors.
pub fn send(value: &ArrayValue, ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    let count = u32::try_from(value.dims.len()).expect("arrays have at most six dimensions");
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&u32::from(value.items.iter().any(Datum::is_null)).to_be_bytes());
    out.extend_from_slice(&value.element.0.to_be_bytes());
    for dim in &value.dims {
        out.extend_from_slice(&dim.length.to_be_bytes());
        out.extend_from_slice(&dim.lower_bound.to_be_bytes());
    }
    for item in &value.items {
        put_sized(item, value.element, ctx, out)?;
    }
    Ok(())
}

/// Appends a value behind its length, -1 for NULL.
pub(crate) fn put_sized(item: &Datum, oid: Oid, ctx: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    if item.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    wire::send(item, oid, ctx, out)?;
    let Ok(length) = i32::try_from(out.len() - start - 4) else {
        bail!(PROGRAM_LIMIT_EXCEEDED, "value is too large to send");
    };
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{recv, send};
    use crate::types::io::{IoContext, input, to_text};
    use crate::types::{Datum, Oid, SqlType};

    #[test]
    fn binary_round_trip() {
        let ctx = IoContext::fixed();
        let value = input("[0:1][1:2]={{1,NULL},{3,4}}", SqlType::of(Oid::INT4_ARRAY), &ctx).expect("reads");
        let Datum::Array(array) = &value else { panic!("an array") };
        let mut bytes = Vec::new();
        send(array, &ctx, &mut bytes).expect("sends");
        assert_eq!(bytes[..12], [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 23]);
        let back = recv(&bytes, Oid::INT4_ARRAY, SqlType::of(Oid::INT4), &ctx).expect("receives");
        assert_eq!(to_text(&back, Oid::INT4_ARRAY, &ctx).expect("prints"), "[0:1][1:2]={{1,NULL},{3,4}}");
        assert!(recv(&bytes[..20], Oid::INT4_ARRAY, SqlType::of(Oid::INT4), &ctx).is_err());
    }
}

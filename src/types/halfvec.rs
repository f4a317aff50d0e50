//! pgvector's `halfvec` in text and binary: IEEE binary16 elements.

use std::sync::Arc;

use half::f16;

use crate::bail;
use crate::error::Result;
use crate::types::Datum;
use crate::types::float::output_f32;
use crate::types::vector::{check_dimensions, check_element, parse_dense, put_elements, recv_header};
use crate::types::wire::Message;

/// Makes a `halfvec` after checking dimensions and elements.
///
/// # Errors
/// `22000` for NaN, infinities and no elements, `54000` for too many.
pub fn from_elements(elements: Vec<f16>) -> Result<Datum> {
    check_dimensions(elements.len(), "halfvec")?;
    for element in &elements {
        check_element(element.to_f32(), "halfvec")?;
    }
    Ok(Datum::HalfVec(elements.into()))
}

/// Narrows an element, rounding to even; what underflows becomes zero.
///
/// # Errors
/// `22003` when a finite number does not fit.
pub fn narrow(value: f32) -> Result<f16> {
    let half = f16::from_f32(value);
    if half.is_infinite() && value.is_finite() {
        let mut shown = String::new();
        output_f32(value, 1, &mut shown);
        bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{shown}\" is out of range for type halfvec");
    }
    Ok(half)
}

/// Reads the text form.
///
/// # Errors
/// pgvector's.
pub fn input(text: &str) -> Result<Datum> {
    let elements = parse_dense(text, "halfvec", |number, shown| {
        let half = f16::from_f32(number.value);
        let overflow = half.is_infinite() && number.value.is_finite();
        if overflow || (number.out_of_range && number.value.is_infinite()) {
            bail!(NUMERIC_VALUE_OUT_OF_RANGE, "\"{shown}\" is out of range for type halfvec");
        }
        check_element(number.value, "halfvec")?;
        Ok(half)
    })?;
    Ok(Datum::HalfVec(elements.into()))
}

/// Appends the text form.
pub fn output(value: &[f16], out: &mut String) {
    out.push('[');
    for (index, element) in value.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        output_f32(element.to_f32(), 1, out);
    }
    out.push(']');
}

/// Reads the binary form.
///
/// # Errors
/// pgvector's.
pub fn recv(bytes: &[u8]) -> Result<Datum> {
    let mut message = Message(bytes);
    let count = recv_header(&mut message, "halfvec")?;
    let present = message.0.as_chunks().0;
    let elements: Arc<[f16]> =
        present[..count.min(present.len())].iter().map(|element| f16::from_be_bytes(*element)).collect();
    if let Some(bad) = elements.iter().find(|element| !element.is_finite()) {
        check_element(bad.to_f32(), "halfvec")?;
    }
    message.take(2 * count)?;
    message.end()?;
    Ok(Datum::HalfVec(elements))
}

/// Appends the binary form.
pub fn send(value: &[f16], out: &mut Vec<u8>) {
    let count = u16::try_from(value.len()).expect("vectors have at most 16,000 elements");
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    put_elements(value, out, f16::to_be_bytes);
}

#[cfg(test)]
mod tests {
    use super::{input, output};
    use crate::types::Datum;

    #[test]
    fn text_round_trip_and_errors_are_pgvectors() {
        for (text, want) in [
            ("[1,2,3]", "[1,2,3]"),
            ("[1e-8,65519]", "[0,65504]"),
            ("[65520]", "22003 \"65520\" is out of range for type halfvec"),
            ("[inf]", "22000 infinite value not allowed in halfvec"),
            ("[]", "22000 halfvec must have at least 1 dimension"),
        ] {
            let shown = match input(text) {
                Ok(Datum::HalfVec(value)) => {
                    let mut out = String::new();
                    output(&value, &mut out);
                    out
                }
                Ok(other) => panic!("not a halfvec: {other:?}"),
                Err(error) => format!("{} {}", error.sqlstate().as_str(), error.report().message),
            };
            assert_eq!(shown, want, "{text}");
        }
    }
}

//! string_agg and array_agg.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::types::array::{ArrayDim, ArrayValue};
use crate::types::{Datum, Oid};

/// `string_agg` of text or bytea: NULL values are skipped, each but the first brings its delimiter (NULL is none).
pub fn string_agg(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(if info.args[0].oid == Oid::BYTEA { Box::new(BytesAgg(None)) } else { Box::new(TextAgg(None)) })
}

struct TextAgg(Option<String>);

impl AggregateState for TextAgg {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let Some(value) = args[0].as_text() else { return Ok(()) };
        match &mut self.0 {
            None => self.0 = Some(value.to_owned()),
            Some(all) => {
                all.push_str(args[1].as_text().unwrap_or(""));
                all.push_str(value);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.0.as_deref().map_or(Datum::Null, Datum::text))
    }

    fn memory(&self) -> usize {
        64 + self.0.as_ref().map_or(0, String::capacity)
    }
}

struct BytesAgg(Option<Vec<u8>>);

impl AggregateState for BytesAgg {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let Datum::Bytea(value) = &args[0] else { return Ok(()) };
        match &mut self.0 {
            None => self.0 = Some(value.to_vec()),
            Some(all) => {
                if let Datum::Bytea(delimiter) = &args[1] {
                    all.extend_from_slice(delimiter);
                }
                all.extend_from_slice(value);
            }
        }
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.0.as_ref().map_or(Datum::Null, |all| Datum::Bytea(all.as_slice().into())))
    }

    fn memory(&self) -> usize {
        64 + self.0.as_ref().map_or(0, Vec::capacity)
    }
}

/// `array_agg`: of values, NULLs included; of arrays, which become the slices of an array with one dimension more.
pub fn array_agg(info: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    let of_arrays = info.function.args.first() == Some(&Oid::ANYARRAY);
    Ok(if of_arrays {
        Box::new(SlicesAgg { element: Oid::NONE, dims: None, count: 0, items: Vec::new() })
    } else {
        Box::new(ValuesAgg { element: info.args[0].oid, items: Vec::new(), bytes: 0 })
    })
}

struct ValuesAgg {
    element: Oid,
    items: Vec<Datum>,
    bytes: usize,
}

impl AggregateState for ValuesAgg {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        self.bytes += datum_memory(&args[0]);
        self.items.push(args[0].clone());
        Ok(())
    }

    fn finish(&self, ctx: &EvalContext) -> Result<Datum> {
        let _ = ctx;
        if self.items.is_empty() {
            return Ok(Datum::Null);
        }
        Ok(Datum::Array(Arc::new(ArrayValue::from_items(self.element, self.items.clone()))))
    }

    fn memory(&self) -> usize {
        64 + self.bytes
    }
}

/// Bytes that a value holds, roughly.
#[must_use]
pub fn datum_memory(datum: &Datum) -> usize {
    let heap = match datum {
        Datum::Text(text) => text.len(),
        Datum::Bytea(bytes) => bytes.len(),
        Datum::Vector(elements) => elements.len() * 4,
        Datum::HalfVec(elements) => elements.len() * 2,
        Datum::Array(array) => array.items.iter().map(datum_memory).sum(),
        Datum::Record(record) => record.fields.iter().map(|(_, field)| datum_memory(field)).sum(),
        Datum::Jsonb(_) => 256,
        Datum::Numeric(_) => 48,
        _ => 0,
    };
    heap + std::mem::size_of::<Datum>()
}

struct SlicesAgg {
    element: Oid,
    dims: Option<Vec<ArrayDim>>,
    count: i32,
    items: Vec<Datum>,
}

impl AggregateState for SlicesAgg {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        let Datum::Array(part) = &args[0] else {
            bail!(NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays");
        };
        if part.dims.is_empty() {
            bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate empty arrays");
        }
        match &self.dims {
            None => {
                self.dims = Some(part.dims.clone());
                self.element = part.element;
            }
            Some(dims) if *dims == part.dims => {}
            Some(_) => bail!(ARRAY_SUBSCRIPT_ERROR, "cannot accumulate arrays of different dimensionality"),
        }
        self.count += 1;
        self.items.extend(part.items.iter().cloned());
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        let Some(inner) = &self.dims else { return Ok(Datum::Null) };
        let mut dims = vec![ArrayDim { length: self.count, lower_bound: 1 }];
        dims.extend(inner.iter().copied());
        let items = self.items.clone();
        Ok(Datum::Array(Arc::new(ArrayValue { element: self.element, dims, items })))
    }

    fn memory(&self) -> usize {
        64 + self.items.iter().map(datum_memory).sum::<usize>()
    }
}

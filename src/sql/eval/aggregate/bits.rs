//! bit_and, bit_or and bit_xor over integers and bit strings.

use std::sync::Arc;

use crate::bail;
use crate::error::Result;
use crate::sql::eval::aggregate::{AggregateInfo, AggregateState};
use crate::sql::eval::context::EvalContext;
use crate::types::Datum;

#[derive(Clone, Copy)]
enum Op {
    And,
    Or,
    Xor,
}

impl Op {
    fn apply<T: std::ops::BitAnd<Output = T> + std::ops::BitOr<Output = T> + std::ops::BitXor<Output = T>>(
        self,
        left: T,
        right: T,
    ) -> T {
        match self {
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::And => "AND",
            Self::Or => "OR",
            Self::Xor => "XOR",
        }
    }
}

struct Bits {
    value: Datum,
    op: Op,
}

/// `bit_and`.
pub fn bit_and(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Bits { value: Datum::Null, op: Op::And }))
}

/// `bit_or`.
pub fn bit_or(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Bits { value: Datum::Null, op: Op::Or }))
}

/// `bit_xor`.
pub fn bit_xor(_: &AggregateInfo) -> Result<Box<dyn AggregateState>> {
    Ok(Box::new(Bits { value: Datum::Null, op: Op::Xor }))
}

impl AggregateState for Bits {
    fn accumulate(&mut self, args: &[Datum], _: &EvalContext) -> Result<()> {
        self.value = match (&self.value, &args[0]) {
            (_, Datum::Null) => return Ok(()),
            (Datum::Null, value) => value.clone(),
            (Datum::Int2(a), Datum::Int2(b)) => Datum::Int2(self.op.apply(*a, *b)),
            (Datum::Int4(a), Datum::Int4(b)) => Datum::Int4(self.op.apply(*a, *b)),
            (Datum::Int8(a), Datum::Int8(b)) => Datum::Int8(self.op.apply(*a, *b)),
            (Datum::Bit(a), Datum::Bit(b)) => {
                if a.bits != b.bits {
                    bail!(STRING_DATA_LENGTH_MISMATCH, "cannot {} bit strings of different sizes", self.op.name());
                }
                let mut result = (**a).clone();
                result.bytes = a.bytes.iter().zip(b.bytes.iter()).map(|(x, y)| self.op.apply(*x, *y)).collect();
                Datum::Bit(Arc::new(result))
            }
            (state, value) => panic!("bit aggregate of {state:?} and {value:?}"),
        };
        Ok(())
    }

    fn finish(&self, _: &EvalContext) -> Result<Datum> {
        Ok(self.value.clone())
    }
}

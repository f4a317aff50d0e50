//! One SQL value.
//!
//! A [`Datum`] describes itself well enough to be compared, encoded and printed without the catalog (an enum value
//! carries its label and place, a record its field types), except that string types share one variant and `reg*`
//! types print as names only with the catalog's help. It is the unit of rows, constants, parameters and scalar functions; whole
//! columns travel as Arrow arrays ([`crate::types::column`]).

use std::sync::Arc;

use half::f16;

use crate::types::Oid;
use crate::types::array::ArrayValue;
use crate::types::bit::BitString;
use crate::types::interval::Interval;
use crate::types::json::JsonValue;
use crate::types::numeric::Numeric;
use crate::types::sparsevec::SparseVec;

/// One SQL value or NULL.
#[derive(Clone, Debug)]
pub enum Datum {
    /// SQL NULL of any type.
    Null,
    /// `boolean`.
    Bool(bool),
    /// `smallint`.
    Int2(i16),
    /// `integer`.
    Int4(i32),
    /// `bigint`; also `money` and `pg_lsn` as their 64-bit images.
    Int8(i64),
    /// `real`.
    Float4(f32),
    /// `double precision`.
    Float8(f64),
    /// `numeric`, each value with its own scale, NaN and infinities included.
    Numeric(Numeric),
    /// `text`, `varchar`, `bpchar` (blank-padded to its length), `name`, `json` (as written), `xml`, `unknown`, `cstring`.
    Text(Arc<str>),
    /// `"char"`: one byte.
    Char(u8),
    /// `bytea`.
    Bytea(Arc<[u8]>),
    /// `date`: days since 2000-01-01; `i32::MIN`/`MAX` are -infinity/infinity.
    Date(i32),
    /// `time`: microseconds since midnight, 24:00:00 included.
    Time(i64),
    /// `timetz`: microseconds since midnight and the zone in seconds west of UTC (PostgreSQL's sign).
    TimeTz(i64, i32),
    /// `timestamp`: microseconds since 2000-01-01 00:00:00; `i64::MIN`/`MAX` are -infinity/infinity.
    Timestamp(i64),
    /// `timestamptz`: microseconds since 2000-01-01 00:00:00 UTC; infinities as for `timestamp`.
    Timestamptz(i64),
    /// `interval`.
    Interval(Interval),
    /// `uuid`.
    Uuid([u8; 16]),
    /// `jsonb`, keys sorted and unique as PostgreSQL keeps them.
    Jsonb(Arc<JsonValue>),
    /// Any array type, `int2vector` and `oidvector` (lower bound 0) included.
    Array(Arc<ArrayValue>),
    /// A composite value.
    Record(Arc<RecordValue>),
    /// A value of an enum type.
    Enum(Arc<EnumValue>),
    /// `oid`, `xid`, `cid` and the `reg*` types.
    Oid(Oid),
    /// `bit` and `varbit`.
    Bit(Arc<BitString>),
    /// pgvector's `vector`: 1..=16,000 finite elements.
    Vector(Arc<[f32]>),
    /// pgvector's `halfvec`: 1..=16,000 finite elements.
    HalfVec(Arc<[f16]>),
    /// pgvector's `sparsevec`.
    SparseVec(Arc<SparseVec>),
}

/// A composite value: fields with their types, so that it prints and compares by itself.
#[derive(Clone, Debug)]
pub struct RecordValue {
    /// The composite type, or [`Oid::RECORD`] for an anonymous row.
    pub type_oid: Oid,
    /// Field types and values in order.
    pub fields: Vec<(Oid, Datum)>,
    /// Names of the fields of an anonymous row that has some (a row of a subquery); named types know theirs.
    pub names: Option<FieldNames>,
}

/// The names of a record's fields.
pub type FieldNames = Arc<[Arc<str>]>;

/// A value of an enum type.
#[derive(Clone, Debug)]
pub struct EnumValue {
    /// The enum type.
    pub type_oid: Oid,
    /// `enumsortorder`: what comparison uses.
    pub sort_order: f32,
    /// What is printed.
    pub label: Arc<str>,
}

impl Datum {
    /// A text-like value.
    #[must_use]
    pub fn text(value: impl Into<Arc<str>>) -> Self {
        Self::Text(value.into())
    }

    /// Whether this is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The boolean inside; NULL is `None`.
    ///
    /// # Panics
    /// On any other type: the binder has checked it.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(*value),
            other => panic!("expected boolean, found {other:?}"),
        }
    }

    /// The text inside; NULL is `None`.
    ///
    /// # Panics
    /// On a type that is not a string type: the binder has checked it.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Null => None,
            Self::Text(value) => Some(value),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// Any of the integer types widened; NULL is `None`.
    ///
    /// # Panics
    /// On a type that is not an integer: the binder has checked it.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Null => None,
            Self::Int2(value) => Some(i64::from(*value)),
            Self::Int4(value) => Some(i64::from(*value)),
            Self::Int8(value) => Some(*value),
            Self::Oid(value) => Some(i64::from(value.0)),
            other => panic!("expected an integer, found {other:?}"),
        }
    }
}

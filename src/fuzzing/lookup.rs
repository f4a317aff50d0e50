//! The types that targets choose from, and a catalog with an enum, composites and a domain.

use std::sync::Arc;

use crate::types::io::{FormatSettings, IoContext, TypeLookup, UserType};
use crate::types::{EnumValue, FieldNames, Oid, SqlType};

const MOOD: Oid = Oid(20_001);
const MOOD_ARRAY: Oid = Oid(20_002);
const PAIR: Oid = Oid(20_003);
const PAIR_ARRAY: Oid = Oid(20_004);
const SHORT: Oid = Oid(20_005);
const NEST: Oid = Oid(20_006);

/// Every type with input, by place: inputs name a type by its place here, so new ones are added at the end.
pub(super) const TYPES: &[Oid] = &[
    Oid::BOOL,
    Oid::INT2,
    Oid::INT4,
    Oid::INT8,
    Oid::FLOAT4,
    Oid::FLOAT8,
    Oid::NUMERIC,
    Oid::TEXT,
    Oid::VARCHAR,
    Oid::BPCHAR,
    Oid::NAME,
    Oid::INTERNAL_CHAR,
    Oid::BYTEA,
    Oid::UUID,
    Oid::DATE,
    Oid::TIME,
    Oid::TIMETZ,
    Oid::TIMESTAMP,
    Oid::TIMESTAMPTZ,
    Oid::INTERVAL,
    Oid::JSON,
    Oid::JSONB,
    Oid::JSONPATH,
    Oid::BIT,
    Oid::VARBIT,
    Oid::VECTOR,
    Oid::HALFVEC,
    Oid::SPARSEVEC,
    Oid::OID,
    Oid::XID,
    Oid::XID8,
    Oid::TID,
    Oid::PG_LSN,
    Oid::MONEY,
    Oid::REGTYPE,
    Oid::REGCLASS,
    Oid::INT2VECTOR,
    Oid::OIDVECTOR,
    MOOD,
    MOOD_ARRAY,
    PAIR,
    PAIR_ARRAY,
    SHORT,
    NEST,
    Oid::BOOL_ARRAY,
    Oid::INT2_ARRAY,
    Oid::INT4_ARRAY,
    Oid::INT8_ARRAY,
    Oid::FLOAT4_ARRAY,
    Oid::FLOAT8_ARRAY,
    Oid::NUMERIC_ARRAY,
    Oid::TEXT_ARRAY,
    Oid::BPCHAR_ARRAY,
    Oid::BYTEA_ARRAY,
    Oid::DATE_ARRAY,
    Oid::TIMESTAMPTZ_ARRAY,
    Oid::INTERVAL_ARRAY,
    Oid::JSONB_ARRAY,
    Oid::BIT_ARRAY,
    Oid::VECTOR_ARRAY,
    Oid::SPARSEVEC_ARRAY,
    Oid::UUID_ARRAY,
];

/// The made-up catalog.
pub(super) struct Catalog;

const LABELS: [&str; 5] = ["sad", "ok", "happy", "", "a \"b\", {c}"];

impl TypeLookup for Catalog {
    fn enum_value(&self, type_oid: Oid, label: &str) -> Option<Arc<EnumValue>> {
        let place = LABELS.iter().position(|known| *known == label)?;
        Some(Arc::new(EnumValue { type_oid, sort_order: place as f32, label: label.into() }))
    }

    fn user_type(&self, oid: Oid) -> Option<UserType> {
        let of = SqlType::of;
        Some(match oid {
            MOOD => UserType::Enum,
            MOOD_ARRAY => UserType::Array(MOOD),
            PAIR => UserType::Composite(vec![of(Oid::INT4), of(Oid::TEXT), SqlType::with(Oid::NUMERIC, (6 << 16) + 6)]),
            PAIR_ARRAY => UserType::Array(PAIR),
            SHORT => UserType::Domain(SqlType::with(Oid::VARCHAR, 9)),
            NEST => UserType::Composite(vec![of(PAIR), of(MOOD_ARRAY), of(Oid::BPCHAR), of(SHORT)]),
            _ => return None,
        })
    }

    fn field_names(&self, _oid: Oid) -> Option<FieldNames> {
        None
    }
}

/// The type whose values a column of type `oid` stores: a domain's base.
pub(super) fn stored(oid: Oid) -> Oid {
    if oid == SHORT { Oid::VARCHAR } else { oid }
}

/// Input and output with the made-up catalog under these settings.
pub(super) fn context(format: &FormatSettings) -> IoContext<'_> {
    IoContext { format, now_micros: 0, lookup: &Catalog }
}

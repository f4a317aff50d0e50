//! Batch encoding against [`keycode`]'s, value by value.

use std::cmp::Ordering;

use arrow_array::ArrayRef;
use proptest::prelude::*;

use super::super::table::{KeyTable, NO_ENTRY};
use super::{KeyColumn, KeyShape};
use crate::types::column::column_from;
use crate::types::numeric::Numeric;
use crate::types::{Datum, Oid, keycode};

fn value(oid: Oid) -> BoxedStrategy<Datum> {
    let present = match oid {
        Oid::BOOL => any::<bool>().prop_map(Datum::Bool).boxed(),
        Oid::INT2 => any::<i16>().prop_map(Datum::Int2).boxed(),
        Oid::INT4 => prop_oneof![any::<i32>(), 0..3_i32].prop_map(Datum::Int4).boxed(),
        Oid::INT8 => prop_oneof![any::<i64>(), -1..2_i64].prop_map(Datum::Int8).boxed(),
        Oid::FLOAT4 => any::<f32>().prop_map(Datum::Float4).boxed(),
        Oid::FLOAT8 => prop_oneof![any::<f64>(), Just(0.0), Just(-0.0), Just(f64::NAN)].prop_map(Datum::Float8).boxed(),
        Oid::UUID => any::<[u8; 16]>().prop_map(Datum::Uuid).boxed(),
        Oid::BYTEA => prop::collection::vec(0..3_u8, 0..5).prop_map(|bytes| Datum::Bytea(bytes.into())).boxed(),
        Oid::NUMERIC => any::<i32>().prop_map(|n| Datum::Numeric(Numeric::from_i64(i64::from(n % 5)))).boxed(),
        _ => "[a-b ]{0,14}".prop_map(Datum::text).boxed(),
    };
    prop_oneof![1 => Just(Datum::Null), 4 => present].boxed()
}

const TYPES: [Oid; 11] = [
    Oid::BOOL,
    Oid::INT2,
    Oid::INT4,
    Oid::INT8,
    Oid::FLOAT4,
    Oid::FLOAT8,
    Oid::UUID,
    Oid::BYTEA,
    Oid::NUMERIC,
    Oid::TEXT,
    Oid::BPCHAR,
];

type Case = (Vec<(Oid, bool, bool)>, Vec<Vec<Datum>>);

fn cases() -> impl Strategy<Value = Case> {
    let column = (0..TYPES.len(), any::<bool>(), any::<bool>()).prop_map(|(at, desc, first)| (TYPES[at], desc, first));
    prop::collection::vec(column, 0..4).prop_flat_map(|columns| {
        let row: Vec<BoxedStrategy<Datum>> = columns.iter().map(|column| value(column.0)).collect();
        (Just(columns), prop::collection::vec(row, 0..20))
    })
}

fn encoded(row: &[Datum], columns: &[(Oid, bool, bool)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (datum, (oid, descending, nulls_first)) in row.iter().zip(columns) {
        keycode::encode_key_typed(*oid, datum, *descending, *nulls_first, &mut out);
    }
    out
}

proptest! {
    #[test]
    fn keys_order_as_their_values((columns, rows) in cases()) {
        let arrays: Vec<ArrayRef> = columns.iter().enumerate()
            .map(|(at, column)| column_from(column.0, rows.iter().map(|row| &row[at]).collect::<Vec<_>>().into_iter()))
            .collect();
        let make = |(oid, descending, nulls_first): &(Oid, bool, bool)| {
            KeyColumn { oid: *oid, descending: *descending, nulls_first: *nulls_first }
        };
        let shape = KeyShape::new(columns.iter().map(make).collect());
        let keys = shape.encode(&arrays, rows.len());
        prop_assert_eq!(keys.len(), rows.len());
        let plain: Vec<Vec<u8>> = rows.iter().map(|row| encoded(row, &columns)).collect();
        for (a, one) in plain.iter().enumerate() {
            for (b, other) in plain.iter().enumerate() {
                let wanted = one.cmp(other);
                prop_assert_eq!(keys.compare(a, &keys, b), wanted);
                let by_head = keys.head(a).cmp(&keys.head(b));
                prop_assert_eq!(by_head.then_with(|| keys.rest(a).cmp(keys.rest(b))), wanted);
                if keys.heads_decide() {
                    prop_assert_eq!(by_head, wanted);
                } else {
                    let by_head = keys.long_head(a).cmp(&keys.long_head(b));
                    prop_assert_eq!(by_head.then_with(|| keys.long_rest(a).cmp(keys.long_rest(b))), wanted);
                    prop_assert!(!keys.long_heads_decide() || by_head == wanted);
                    prop_assert_eq!(keys.long_head(a)[3] & u64::from(u32::MAX), 0);
                }
                prop_assert_eq!(keys.one(a).compare(0, &keys, b), wanted);
            }
        }
        check_table(&keys, &plain)?;
    }
}

fn check_table(keys: &super::Keys, plain: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let mut table = KeyTable::default();
    let hashes = table.hashes(keys);
    prop_assert!(table.find(keys, &hashes).iter().all(|entry| *entry == NO_ENTRY));
    let mut fresh = Vec::new();
    let entries = table.insert(keys, &hashes, &mut fresh);
    let mut distinct: Vec<&Vec<u8>> = Vec::new();
    for (row, key) in plain.iter().enumerate() {
        let known = distinct.iter().position(|found| *found == key);
        prop_assert_eq!(known.is_none(), fresh.contains(&u32::try_from(row).unwrap()));
        let entry = known.unwrap_or_else(|| {
            distinct.push(key);
            distinct.len() - 1
        });
        prop_assert_eq!(entries[row] as usize, entry);
    }
    prop_assert_eq!(table.len(), distinct.len());
    prop_assert_eq!(table.find(keys, &hashes), entries);
    Ok(())
}

#[test]
fn a_key_without_columns_is_one_key() {
    let keys = KeyShape::new(Vec::new()).encode(&[], 3);
    let mut table = KeyTable::default();
    let hashes = table.hashes(&keys);
    assert_eq!(table.insert(&keys, &hashes, &mut Vec::new()), [0, 0, 0]);
    assert_eq!(keys.compare(0, &keys, 2), Ordering::Equal);
}

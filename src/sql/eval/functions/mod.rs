//! The built-in functions, one file per area.
//!
//! A file exports `FUNCTIONS` (scalar), `SET_FUNCTIONS` (set-returning) and `AGGREGATES`, keyed by `prosrc` (aggregates
//! and functions that PostgreSQL writes in SQL: by `proname`); adding a function is adding an entry to its file's table,
//! and adding a file is adding a line here.

use crate::sql::eval::aggregate::AggregateMaker;
use crate::sql::eval::registry::{ScalarFn, SetFn};

pub mod acl;
mod are;
mod args;
pub mod array;
pub mod array_build;
pub mod bit;
pub mod bytes;
pub mod catalog_info;
pub mod datetime;
pub mod datetime_parts;
pub mod enums;
pub mod float;
pub mod from_char;
pub mod hashing;
pub mod integer;
pub mod json;
pub mod json_build;
pub mod json_convert;
pub mod json_record;
pub mod jsonb;
pub mod jsonb_edit;
pub mod jsonpath;
mod jsonpath_methods;
pub mod listings;
pub mod math;
pub mod money;
mod number_format;
pub mod patterns;
pub mod privileges;
pub mod quoting;
pub mod regex;
pub mod series;
pub mod session;
pub mod sizes;
pub mod sparsevec;
pub mod string_casts;
pub mod strings;
mod time_format;
pub mod to_char_datetime;
pub mod to_char_number;
pub mod uuid;
pub mod vector;
pub mod vector_aggregates;
pub mod vector_casts;

/// All scalar functions.
pub const SCALARS: &[&[(&str, ScalarFn)]] = &[
    acl::FUNCTIONS,
    array::FUNCTIONS,
    array_build::FUNCTIONS,
    bit::FUNCTIONS,
    bytes::FUNCTIONS,
    catalog_info::FUNCTIONS,
    datetime::FUNCTIONS,
    datetime_parts::FUNCTIONS,
    enums::FUNCTIONS,
    float::FUNCTIONS,
    hashing::FUNCTIONS,
    integer::FUNCTIONS,
    json::FUNCTIONS,
    json_build::FUNCTIONS,
    json_convert::FUNCTIONS,
    json_record::FUNCTIONS,
    jsonb::FUNCTIONS,
    jsonb_edit::FUNCTIONS,
    jsonpath::FUNCTIONS,
    listings::FUNCTIONS,
    math::FUNCTIONS,
    money::FUNCTIONS,
    patterns::FUNCTIONS,
    privileges::TABLES,
    privileges::SEQUENCES,
    privileges::ANY_COLUMNS,
    privileges::COLUMNS,
    privileges::DATABASES,
    privileges::SCHEMAS,
    privileges::ROUTINES,
    privileges::TYPES,
    privileges::ROLES,
    privileges::OTHERS,
    quoting::FUNCTIONS,
    regex::FUNCTIONS,
    session::FUNCTIONS,
    sizes::FUNCTIONS,
    string_casts::FUNCTIONS,
    strings::FUNCTIONS,
    sparsevec::FUNCTIONS,
    from_char::FUNCTIONS,
    to_char_datetime::FUNCTIONS,
    to_char_number::FUNCTIONS,
    uuid::FUNCTIONS,
    vector::FUNCTIONS,
    vector_aggregates::FUNCTIONS,
    vector_casts::FUNCTIONS,
];

/// All set-returning functions.
pub const SETS: &[&[(&str, SetFn)]] = &[
    acl::SET_FUNCTIONS,
    array::SET_FUNCTIONS,
    json::SET_FUNCTIONS,
    json_record::SET_FUNCTIONS,
    jsonb::SET_FUNCTIONS,
    jsonpath::SET_FUNCTIONS,
    catalog_info::SET_FUNCTIONS,
    listings::SET_FUNCTIONS,
    quoting::SET_FUNCTIONS,
    regex::SET_FUNCTIONS,
    series::SET_FUNCTIONS,
    session::SET_FUNCTIONS,
];

/// All aggregates outside `sql/eval/aggregate`.
pub const AGGREGATES: &[&[(&str, AggregateMaker)]] = &[json_build::AGGREGATES];

#[cfg(test)]
mod tests;
